package secrets

import (
	"context"
	"maps"
	"slices"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

const maxTags = 50

// A refusal makes an error of a service of what is wrong.
type refusal func(format string, args ...any) error

// checkTags holds tags that are to be added to those that a resource has to the
// rules that all of AWS has.
func checkTags(ctx context.Context, have, added map[string]string, reserved, tooMany refusal) error {
	if err := mayTag(ctx, slices.Sorted(maps.Keys(added)), reserved); err != nil {
		return err
	}
	count := 0
	for k := range merged(have, added) {
		if !call.SystemTag(k) {
			count++
		}
	}
	if count > maxTags {
		return tooMany("A resource has at most %d tags, and these would make %d.", maxTags, count)
	}
	return nil
}

// mayTag refuses keys that are AWS's own.
func mayTag(ctx context.Context, keys []string, reserved refusal) error {
	for _, k := range keys {
		if !call.From(ctx).MayTag(k) {
			return reserved("Tag keys that begin with aws: are reserved: %q", k)
		}
	}
	return nil
}

// merged is have with added.
func merged(have, added map[string]string) map[string]string {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, added)
	return out
}

func (x *secret) tagList() []smtypes.Tag {
	var out []smtypes.Tag
	for _, k := range slices.Sorted(maps.Keys(x.Tags)) {
		out = append(out, smtypes.Tag{Key: &k, Value: aws.String(x.Tags[k])})
	}
	return out
}

// TagResource adds tags to a secret, or gives them other values.
func (s *Service) TagResource(ctx context.Context, in *secretsmanager.TagResourceInput) (*secretsmanager.TagResourceOutput, error) {
	added := map[string]string{}
	for _, t := range in.Tags {
		added[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	_, err := s.editAlive(ctx, in.SecretId, func(x *secret, _ *store.Batch) error {
		if err := checkTags(ctx, x.Tags, added, invalidParameter, invalidParameter); err != nil {
			return err
		}
		x.Tags = merged(x.Tags, added)
		x.Changed = s.now().UTC()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &secretsmanager.TagResourceOutput{}, nil
}

// UntagResource removes tags from a secret. That there is none of a name is no error.
func (s *Service) UntagResource(ctx context.Context, in *secretsmanager.UntagResourceInput) (*secretsmanager.UntagResourceOutput, error) {
	if err := mayTag(ctx, in.TagKeys, invalidParameter); err != nil {
		return nil, err
	}
	_, err := s.editAlive(ctx, in.SecretId, func(x *secret, _ *store.Batch) error {
		for _, k := range in.TagKeys {
			delete(x.Tags, k)
		}
		x.Changed = s.now().UTC()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &secretsmanager.UntagResourceOutput{}, nil
}

// editTags changes the tags of a parameter, the only sort of resource that can be tagged here.
func (s *Service) editTags(ctx context.Context, kind ssmtypes.ResourceTypeForTagging, id *string, change func(p *parameter) error) error {
	if kind != ssmtypes.ResourceTypeForTaggingParameter {
		return coded("InvalidResourceType", "Tags of resources of type %s are not built in this version of Countersign.", kind)
	}
	name, err := plainName(id)
	if err != nil {
		return err
	}
	_, err = s.editParameter(ctx, name, func(p *parameter, _ *store.Batch) error {
		if !p.exists() {
			return coded("InvalidResourceId", "There is no parameter %s.", name)
		}
		return change(p)
	})
	return err
}

// AddTagsToResource adds tags to a parameter, or gives them other values.
func (s *Service) AddTagsToResource(ctx context.Context, in *ssm.AddTagsToResourceInput) (*ssm.AddTagsToResourceOutput, error) {
	added := parameterTags(in.Tags)
	err := s.editTags(ctx, in.ResourceType, in.ResourceId, func(p *parameter) error {
		if err := checkTags(ctx, p.Tags, added, validation, tooManyTags); err != nil {
			return err
		}
		p.Tags = merged(p.Tags, added)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ssm.AddTagsToResourceOutput{}, nil
}

func parameterTags(list []ssmtypes.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range list {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

// RemoveTagsFromResource removes tags from a parameter. That there is none of a name is no error.
func (s *Service) RemoveTagsFromResource(ctx context.Context, in *ssm.RemoveTagsFromResourceInput) (*ssm.RemoveTagsFromResourceOutput, error) {
	if err := mayTag(ctx, in.TagKeys, validation); err != nil {
		return nil, err
	}
	err := s.editTags(ctx, in.ResourceType, in.ResourceId, func(p *parameter) error {
		for _, k := range in.TagKeys {
			delete(p.Tags, k)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ssm.RemoveTagsFromResourceOutput{}, nil
}

// ListTagsForResource lists the tags of a parameter, by key.
func (s *Service) ListTagsForResource(ctx context.Context, in *ssm.ListTagsForResourceInput) (*ssm.ListTagsForResourceOutput, error) {
	out := &ssm.ListTagsForResourceOutput{TagList: []ssmtypes.Tag{}}
	err := s.editTags(ctx, in.ResourceType, in.ResourceId, func(p *parameter) error {
		for _, k := range slices.Sorted(maps.Keys(p.Tags)) {
			out.TagList = append(out.TagList, ssmtypes.Tag{Key: &k, Value: aws.String(p.Tags[k])})
		}
		return errSame
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
