package certificates

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"countersign/call"
	"countersign/store"
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

// AddTagsToCertificate adds tags, or gives those there are new values.
func (s *Service) AddTagsToCertificate(ctx context.Context, in *acm.AddTagsToCertificateInput) (*acm.AddTagsToCertificateOutput, error) {
	added, err := parseTags(ctx, in.Tags)
	if err != nil {
		return nil, err
	}
	return &acm.AddTagsToCertificateOutput{}, s.update(ctx, in.CertificateArn, func(r *record, _ *store.Batch) error {
		r.Tags = slices.DeleteFunc(r.Tags, func(have tag) bool {
			return slices.ContainsFunc(added, func(t tag) bool { return t.Key == have.Key })
		})
		r.Tags = append(r.Tags, added...)
		slices.SortFunc(r.Tags, func(a, b tag) int { return cmp.Compare(a.Key, b.Key) })
		if userTags(r.Tags) > maxTags {
			return &types.TooManyTagsException{Message: aws.String("certificate " + r.arn() + " would have more than 50 tags")}
		}
		return nil
	})
}

// RemoveTagsFromCertificate removes tags: one given with a value only if that
// is its value. Tags that are not there are no error.
func (s *Service) RemoveTagsFromCertificate(ctx context.Context, in *acm.RemoveTagsFromCertificateInput) (*acm.RemoveTagsFromCertificateOutput, error) {
	for _, t := range in.Tags {
		if err := mayTag(ctx, aws.ToString(t.Key)); err != nil {
			return nil, err
		}
	}
	return &acm.RemoveTagsFromCertificateOutput{}, s.update(ctx, in.CertificateArn, func(r *record, _ *store.Batch) error {
		r.Tags = slices.DeleteFunc(r.Tags, func(have tag) bool {
			return slices.ContainsFunc(in.Tags, func(t types.Tag) bool {
				return aws.ToString(t.Key) == have.Key && (t.Value == nil || *t.Value == have.Value)
			})
		})
		return nil
	})
}

// ListTagsForCertificate answers a certificate's tags by key.
func (s *Service) ListTagsForCertificate(ctx context.Context, in *acm.ListTagsForCertificateInput) (*acm.ListTagsForCertificateOutput, error) {
	r, err := s.load(ctx, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	out := &acm.ListTagsForCertificateOutput{Tags: []types.Tag{}}
	for _, t := range r.Tags {
		out.Tags = append(out.Tags, types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
	}
	return out, nil
}
