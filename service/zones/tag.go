package zones

import (
	"cmp"
	"context"
	"slices"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

const maxTags = 10 // per zone, as on AWS

func checkTagged(kind types.TagResourceType) error {
	if kind != types.TagResourceTypeHostedzone {
		return notBuilt("tagging a resource of type " + string(kind))
	}
	return nil
}

// ChangeTagsForResource adds and removes tags of a zone.
func (s *Service) ChangeTagsForResource(ctx context.Context, in *route53.ChangeTagsForResourceInput) (*route53.ChangeTagsForResourceOutput, error) {
	if err := checkTagged(in.ResourceType); err != nil {
		return nil, err
	}
	if len(in.AddTags) == 0 && len(in.RemoveTagKeys) == 0 {
		return nil, invalidInput("Pass tags to add or keys to remove")
	}
	c := call.From(ctx)
	keys := slices.Clone(in.RemoveTagKeys)
	for _, t := range in.AddTags {
		keys = append(keys, aws.ToString(t.Key))
	}
	for _, k := range keys {
		if !c.MayTag(k) {
			return nil, invalidInput("The tag key %s is not valid: aws: is reserved for system use", k)
		}
	}
	_, err := s.editZone(ctx, aws.ToString(in.ResourceId), func(z *zone, _ *store.Batch) error {
		if z.Tags == nil {
			z.Tags = map[string]string{}
		}
		for _, k := range in.RemoveTagKeys {
			delete(z.Tags, k)
		}
		for _, t := range in.AddTags {
			z.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
		users := 0
		for k := range z.Tags {
			if !call.SystemTag(k) {
				users++
			}
		}
		if users > maxTags {
			return invalidInput("A hosted zone has at most %d tags", maxTags)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &route53.ChangeTagsForResourceOutput{}, nil
}

// ListTagsForResource lists the tags of a zone, by key.
func (s *Service) ListTagsForResource(ctx context.Context, in *route53.ListTagsForResourceInput) (*route53.ListTagsForResourceOutput, error) {
	if err := checkTagged(in.ResourceType); err != nil {
		return nil, err
	}
	z, _, err := s.getZone(ctx, aws.ToString(in.ResourceId))
	if err != nil {
		return nil, err
	}
	tags := make([]types.Tag, 0, len(z.Tags))
	for k, v := range z.Tags {
		tags = append(tags, types.Tag{Key: &k, Value: &v})
	}
	slices.SortFunc(tags, func(x, y types.Tag) int { return cmp.Compare(*x.Key, *y.Key) })
	return &route53.ListTagsForResourceOutput{ResourceTagSet: &types.ResourceTagSet{ResourceId: &z.ID, ResourceType: in.ResourceType, Tags: tags}}, nil
}
