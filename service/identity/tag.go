package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const maxTags = 50

// withTags adds given to tags. Keys are the same whatever their case.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
func withTags(tags []tag, given []types.Tag) ([]tag, error) {
	seen := map[string]bool{}
	for _, t := range given {
		key := strings.ToLower(*t.Key)
		if seen[key] {
			return nil, invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[key] = true
		if strings.HasPrefix(key, "aws:") {
			return nil, invalidInput("Tag keys that begin with aws: are reserved: %s", *t.Key)
		}
	}
	tags = slices.DeleteFunc(slices.Clone(tags), func(t tag) bool { return seen[strings.ToLower(t.Key)] })
	for _, t := range given {
		tags = append(tags, tag{*t.Key, aws.ToString(t.Value)})
	}
	if len(tags) > maxTags {
		return nil, limitExceeded("The number of tags has reached the maximum limit.")
	}
	slices.SortFunc(tags, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	return tags, nil
}

func withoutTags(tags []tag, keys []string) []tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t tag) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, t.Key) })
	})
}

func showTag(t tag) types.Tag { return types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)} }

func showTags(tags []tag) []types.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := make([]types.Tag, len(tags))
	for i, t := range tags {
		out[i] = showTag(t)
	}
	return out
}

// tagPage is a page of tags, by their number: a key may be longer than a marker.
func tagPage(tags []tag, marker *string, most *int32) ([]types.Tag, *string, error) {
	numbers := make([]int, len(tags))
	for i := range numbers {
		numbers[i] = i
	}
	return pageOf(numbers, func(i int) string { return fmt.Sprintf("%02d", i) }, func(i int) types.Tag { return showTag(tags[i]) }, marker, most)
}

// TagRole adds tags to a role, or changes their values.
func (s *Service) TagRole(ctx context.Context, in *iam.TagRoleInput) (*iam.TagRoleOutput, error) {
	_, err := s.editRole(ctx, *in.RoleName, func(r *role, _ *store.Batch) (err error) {
		r.Tags, err = withTags(r.Tags, in.Tags)
		return err
	})
	return &iam.TagRoleOutput{}, err
}

// UntagRole removes tags from a role; keys that it does not have are ignored.
func (s *Service) UntagRole(ctx context.Context, in *iam.UntagRoleInput) (*iam.UntagRoleOutput, error) {
	_, err := s.editRole(ctx, *in.RoleName, func(r *role, _ *store.Batch) error {
		r.Tags = withoutTags(r.Tags, in.TagKeys)
		return nil
	})
	return &iam.UntagRoleOutput{}, err
}

// ListRoleTags lists a role's tags by key.
func (s *Service) ListRoleTags(ctx context.Context, in *iam.ListRoleTagsInput) (*iam.ListRoleTagsOutput, error) {
	r, _, err := s.role(ctx, account(ctx), *in.RoleName)
	if err != nil {
		return nil, err
	}
	tags, next, err := tagPage(r.Tags, in.Marker, in.MaxItems)
	return &iam.ListRoleTagsOutput{Tags: tags, Marker: next, IsTruncated: next != nil}, err
}

// TagPolicy adds tags to one of the account's own policies, or changes their values.
func (s *Service) TagPolicy(ctx context.Context, in *iam.TagPolicyInput) (*iam.TagPolicyOutput, error) {
	_, err := s.editPolicy(ctx, *in.PolicyArn, func(p *managedPolicy) (err error) {
		p.Tags, err = withTags(p.Tags, in.Tags)
		return err
	})
	return &iam.TagPolicyOutput{}, err
}

// UntagPolicy removes tags from a policy; keys that it does not have are ignored.
func (s *Service) UntagPolicy(ctx context.Context, in *iam.UntagPolicyInput) (*iam.UntagPolicyOutput, error) {
	_, err := s.editPolicy(ctx, *in.PolicyArn, func(p *managedPolicy) error {
		p.Tags = withoutTags(p.Tags, in.TagKeys)
		return nil
	})
	return &iam.UntagPolicyOutput{}, err
}

// ListPolicyTags lists a policy's tags by key. AWS's own policies have none.
func (s *Service) ListPolicyTags(ctx context.Context, in *iam.ListPolicyTagsInput) (*iam.ListPolicyTagsOutput, error) {
	if isAWS(*in.PolicyArn) {
		if awsPolicies[*in.PolicyArn] == nil {
			return nil, noSuchPolicy(*in.PolicyArn)
		}
		return &iam.ListPolicyTagsOutput{Tags: []types.Tag{}}, nil
	}
	p, _, err := s.policy(ctx, *in.PolicyArn, noSuchPolicy)
	if err != nil {
		return nil, err
	}
	tags, next, err := tagPage(p.Tags, in.Marker, in.MaxItems)
	return &iam.ListPolicyTagsOutput{Tags: tags, Marker: next, IsTruncated: next != nil}, err
}
