package logs

import (
	"context"
	"maps"
	"slices"
	"strings"

	"countersign/call"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

const maxTags = 50

// checkTags holds tags that are to be added to those that a group has to the
// rules that all of AWS has.
func checkTags(ctx context.Context, have, added map[string]string) error {
	if err := mayTag(ctx, slices.Sorted(maps.Keys(added))); err != nil {
		return err
	}
	all := maps.Clone(added)
	maps.Copy(all, have)
	maps.DeleteFunc(all, func(k, _ string) bool { return call.SystemTag(k) })
	if len(all) > maxTags {
		return &types.TooManyTagsException{Message: aws.String("A log group has at most 50 tags.")}
	}
	return nil
}

// mayTag refuses keys that are AWS's own.
func mayTag(ctx context.Context, keys []string) error {
	for _, k := range keys {
		if !call.From(ctx).MayTag(k) {
			return invalid("Tag keys that begin with aws: are reserved: %q", k)
		}
	}
	return nil
}

func (s *Service) tag(ctx context.Context, name string, added map[string]string) error {
	_, err := s.editGroup(ctx, name, func(g *group) error {
		if err := checkTags(ctx, g.Tags, added); err != nil {
			return err
		}
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		maps.Copy(g.Tags, added)
		return nil
	})
	return err
}

func (s *Service) untag(ctx context.Context, name string, keys []string) error {
	if err := mayTag(ctx, keys); err != nil {
		return err
	}
	_, err := s.editGroup(ctx, name, func(g *group) error {
		for _, k := range keys {
			delete(g.Tags, k)
		}
		return nil
	})
	return err
}

func (s *Service) tags(ctx context.Context, name string) (map[string]string, error) {
	g, err := s.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if g.Tags == nil {
		return map[string]string{}, nil
	}
	return g.Tags, nil
}

// tagged reads the ARN that the operations on tags take.
func tagged(ctx context.Context, resource *string) (string, error) {
	text := aws.ToString(resource)
	if !strings.HasPrefix(text, "arn:") {
		return "", invalid("%q is not the ARN of a log group", text)
	}
	return groupName(ctx, text)
}

// TagResource adds tags to a group, or gives them other values.
func (s *Service) TagResource(ctx context.Context, in *cloudwatchlogs.TagResourceInput) (*cloudwatchlogs.TagResourceOutput, error) {
	name, err := tagged(ctx, in.ResourceArn)
	if err == nil {
		err = s.tag(ctx, name, in.Tags)
	}
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.TagResourceOutput{}, nil
}

// UntagResource removes tags from a group. That there is none of a name is no error.
func (s *Service) UntagResource(ctx context.Context, in *cloudwatchlogs.UntagResourceInput) (*cloudwatchlogs.UntagResourceOutput, error) {
	name, err := tagged(ctx, in.ResourceArn)
	if err == nil {
		err = s.untag(ctx, name, in.TagKeys)
	}
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.UntagResourceOutput{}, nil
}

// ListTagsForResource shows the tags of a group.
func (s *Service) ListTagsForResource(ctx context.Context, in *cloudwatchlogs.ListTagsForResourceInput) (*cloudwatchlogs.ListTagsForResourceOutput, error) {
	name, err := tagged(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := s.tags(ctx, name)
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.ListTagsForResourceOutput{Tags: tags}, nil
}

// TagLogGroup is the older form of TagResource.
func (s *Service) TagLogGroup(ctx context.Context, in *cloudwatchlogs.TagLogGroupInput) (*cloudwatchlogs.TagLogGroupOutput, error) {
	if err := s.tag(ctx, aws.ToString(in.LogGroupName), in.Tags); err != nil {
		return nil, err
	}
	return &cloudwatchlogs.TagLogGroupOutput{}, nil
}

// UntagLogGroup is the older form of UntagResource.
func (s *Service) UntagLogGroup(ctx context.Context, in *cloudwatchlogs.UntagLogGroupInput) (*cloudwatchlogs.UntagLogGroupOutput, error) {
	if err := s.untag(ctx, aws.ToString(in.LogGroupName), in.Tags); err != nil {
		return nil, err
	}
	return &cloudwatchlogs.UntagLogGroupOutput{}, nil
}

// ListTagsLogGroup is the older form of ListTagsForResource.
func (s *Service) ListTagsLogGroup(ctx context.Context, in *cloudwatchlogs.ListTagsLogGroupInput) (*cloudwatchlogs.ListTagsLogGroupOutput, error) {
	tags, err := s.tags(ctx, aws.ToString(in.LogGroupName))
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.ListTagsLogGroupOutput{Tags: tags}, nil
}
