package secrets

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
)

type parameterProperties struct {
	Name           string                 `cfn:"replace"`
	Type           ssmtypes.ParameterType `cfn:"required"`
	Value          string                 `cfn:"required"`
	Description    *string
	AllowedPattern *string
	DataType       *string
	Tier           ssmtypes.ParameterTier
	Tags           map[string]string
}

func checkParameter(p *parameterProperties) []resource.Problem {
	if p.Type == ssmtypes.ParameterTypeSecureString {
		return []resource.Problem{{Path: []string{"Type"}, Message: "CloudFormation makes no parameters of type SecureString: make it with PutParameter, or use AWS::SecretsManager::Secret"}}
	}
	return nil
}

// parameterResources is AWS::SSM::Parameter.
type parameterResources struct{ *Service }

func (p *parameterProperties) input() *ssm.PutParameterInput {
	return &ssm.PutParameterInput{
		Name: &p.Name, Type: p.Type, Value: &p.Value, Tier: p.Tier, DataType: p.DataType,
		Description: aws.String(aws.ToString(p.Description)), AllowedPattern: aws.String(aws.ToString(p.AllowedPattern)), // one that was there before goes
	}
}

func (p *parameterProperties) result() resource.Result {
	return resource.Result{PhysicalID: p.Name, Attributes: map[string]any{"Type": string(p.Type), "Value": p.Value}}
}

func (s parameterResources) create(ctx context.Context, c *resource.Change[parameterProperties]) (resource.Result, error) {
	p := &c.Properties
	in := p.input()
	in.Tags = tagList(p.Tags)
	_, err := resource.Do(ctx, s.PutParameter, in)
	if resource.IsExists(err) {
		// All of it was made at once, so there is nothing to add to an earlier attempt's.
		if id, failed := s.find(ctx, c); failed != nil || id != "" {
			return p.result(), failed
		}
	}
	if err != nil {
		return resource.Result{}, err
	}
	return p.result(), nil
}

func tagList(tags map[string]string) (out []ssmtypes.Tag) {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, ssmtypes.Tag{Key: &k, Value: aws.String(tags[k])})
	}
	return out
}

func (s parameterResources) update(ctx context.Context, c *resource.Change[parameterProperties]) (resource.Result, error) {
	// A name that was generated is the resource's, whatever the properties say.
	c.Properties.Name, c.Old.Name = c.PhysicalID, c.PhysicalID
	in := c.Properties.input()
	if !reflect.DeepEqual(in, c.Old.input()) {
		in.Overwrite = aws.Bool(true)
		if _, err := resource.Do(ctx, s.PutParameter, in); err != nil {
			return resource.Result{}, err
		}
	}
	set, removed := map[string]string{}, []string{}
	for k, v := range c.Properties.Tags {
		if was, ok := c.Old.Tags[k]; !ok || was != v {
			set[k] = v
		}
	}
	for _, k := range slices.Sorted(maps.Keys(c.Old.Tags)) {
		if _, ok := c.Properties.Tags[k]; !ok {
			removed = append(removed, k)
		}
	}
	const kind = ssmtypes.ResourceTypeForTaggingParameter
	if len(removed) > 0 {
		if _, err := resource.Do(ctx, s.RemoveTagsFromResource, &ssm.RemoveTagsFromResourceInput{ResourceType: kind, ResourceId: &c.PhysicalID, TagKeys: removed}); err != nil {
			return resource.Result{}, err
		}
	}
	if len(set) > 0 {
		if _, err := resource.Do(ctx, s.AddTagsToResource, &ssm.AddTagsToResourceInput{ResourceType: kind, ResourceId: &c.PhysicalID, Tags: tagList(set)}); err != nil {
			return resource.Result{}, err
		}
	}
	return c.Properties.result(), nil
}

func (s parameterResources) delete(ctx context.Context, c *resource.Change[parameterProperties]) error {
	_, err := resource.Do(ctx, s.DeleteParameter, &ssm.DeleteParameterInput{Name: &c.PhysicalID})
	return unlessGone(err)
}

func (s parameterResources) find(ctx context.Context, c *resource.Change[parameterProperties]) (string, error) {
	out, err := resource.Do(ctx, s.ListTagsForResource, &ssm.ListTagsForResourceInput{ResourceType: ssmtypes.ResourceTypeForTaggingParameter, ResourceId: &c.Properties.Name})
	var refused smithy.APIError
	if errors.As(err, &refused) && refused.ErrorCode() == "InvalidResourceId" { // there is none
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var tags []resource.Tag
	for _, t := range out.TagList {
		tags = append(tags, resource.Tag{Key: *t.Key, Value: *t.Value})
	}
	if !c.Ours(tags) {
		return "", nil
	}
	return c.Properties.Name, nil
}
