package authority

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/call"
)

const maxTags = 50

// parseTags checks new tags and sorts them by key. The model has checked
// lengths and characters already.
func parseTags(ctx context.Context, in []types.Tag) ([]tag, error) {
	var tags []tag
	for _, t := range in {
		key := aws.ToString(t.Key)
		if err := mayTag(ctx, key); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(tags, func(have tag) bool { return have.Key == key }) {
			return nil, invalidTag("the tag key %s is given more than once", key)
		}
		tags = append(tags, tag{key, aws.ToString(t.Value)})
	}
	slices.SortFunc(tags, func(a, b tag) int { return cmp.Compare(a.Key, b.Key) })
	return tags, nil
}

// mayTag refuses keys that are AWS's own.
func mayTag(ctx context.Context, key string) error {
	if call.From(ctx).MayTag(key) {
		return nil
	}
	return invalidTag("the tag key %s is not valid: aws: is reserved for system use", key)
}

// userTags is how many of the tags count.
func userTags(tags []tag) (n int) {
	for _, t := range tags {
		if !call.SystemTag(t.Key) {
			n++
		}
	}
	return n
}

// TagCertificateAuthority adds tags, or gives those there are new values.
func (s *Service) TagCertificateAuthority(ctx context.Context, in *acmpca.TagCertificateAuthorityInput) (*acmpca.TagCertificateAuthorityOutput, error) {
	added, err := parseTags(ctx, in.Tags)
	if err != nil {
		return nil, err
	}
	return &acmpca.TagCertificateAuthorityOutput{}, s.update(ctx, in.CertificateAuthorityArn, func(r *record) error {
		if err := notDeleted(r); err != nil {
			return err
		}
		r.Tags = slices.DeleteFunc(r.Tags, func(have tag) bool {
			return slices.ContainsFunc(added, func(t tag) bool { return t.Key == have.Key })
		})
		r.Tags = append(r.Tags, added...)
		slices.SortFunc(r.Tags, func(a, b tag) int { return cmp.Compare(a.Key, b.Key) })
		if userTags(r.Tags) > maxTags {
			return &types.TooManyTagsException{Message: aws.String("certificate authority " + r.arn() + " would have more than 50 tags")}
		}
		return nil
	})
}

// UntagCertificateAuthority removes tags: one given with a value only if that
// is its value. Tags that are not there are no error.
func (s *Service) UntagCertificateAuthority(ctx context.Context, in *acmpca.UntagCertificateAuthorityInput) (*acmpca.UntagCertificateAuthorityOutput, error) {
	for _, t := range in.Tags {
		if err := mayTag(ctx, aws.ToString(t.Key)); err != nil {
			return nil, err
		}
	}
	return &acmpca.UntagCertificateAuthorityOutput{}, s.update(ctx, in.CertificateAuthorityArn, func(r *record) error {
		if err := notDeleted(r); err != nil {
			return err
		}
		r.Tags = slices.DeleteFunc(r.Tags, func(have tag) bool {
			return slices.ContainsFunc(in.Tags, func(t types.Tag) bool {
				return aws.ToString(t.Key) == have.Key && (t.Value == nil || *t.Value == have.Value)
			})
		})
		return nil
	})
}

// ListTags answers an authority's tags by key.
func (s *Service) ListTags(ctx context.Context, in *acmpca.ListTagsInput) (*acmpca.ListTagsOutput, error) {
	r, err := s.load(ctx, in.CertificateAuthorityArn)
	if err != nil {
		return nil, err
	}
	if err := notDeleted(r); err != nil {
		return nil, err
	}
	page, next, err := paginate(r.Tags, func(t tag) string { return t.Key }, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &acmpca.ListTagsOutput{NextToken: next, Tags: []types.Tag{}}
	for _, t := range page {
		out.Tags = append(out.Tags, types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
	}
	return out, nil
}
