package gateway

import (
	"context"
	"errors"

	"countersign/arn"
	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/smithy-go"
)

// ResourceTypes are the CloudFormation types of HTTP APIs and domain names. What they
// make they make once, however often an attempt is cut off: see making.
func (s *Service) ResourceTypes() []resource.Type {
	return []resource.Type{
		s.apiResource(), s.stageResource(), s.routeResource(), s.integrationResource(), s.authorizerResource(), s.deploymentResource(),
		s.domainResource(), s.mappingResource(),
	}
}

// makingOf is the making of a change.
func makingOf[P any](c *resource.Change[P]) making { return making{token: c.Token, tags: c.Tags} }

// inStack readies a context for the operations of a change.
func inStack[P any](ctx context.Context, c *resource.Change[P]) context.Context {
	return withMaking(ctx, makingOf(c))
}

// gone turns the answer of a delete into a success when there is nothing left to delete.
func gone(err error) error {
	if resource.IsNotFound(err) {
		return nil
	}
	return err
}

// found is Find's answer by the answer of an operation that reads id.
func found(id string, err error) (string, error) {
	if err != nil {
		return "", gone(err)
	}
	return id, nil
}

// made is the Result of something that has an id, which one attribute repeats.
func made(id *string, attribute string) resource.Result {
	return resource.Result{PhysicalID: *id, Attributes: map[string]any{attribute: *id}}
}

func resourceARN(stack resource.Stack, path string) string {
	return arn.New("apigateway", stack.Region, "", path).String()
}

// retag brings the tags of a resource from old to now. Those that somebody else
// has put on it stay out of it.
func (s *Service) retag(ctx context.Context, resourceARN string, old, now map[string]string) error {
	set, removed := resource.TagChanges(tagList(old), tagList(now))
	if len(removed) > 0 {
		if _, err := resource.Do(ctx, s.UntagResource, &apigatewayv2.UntagResourceInput{ResourceArn: &resourceARN, TagKeys: removed}); err != nil {
			return err
		}
	}
	if len(set) == 0 {
		return nil
	}
	tags := map[string]string{}
	for _, t := range set {
		tags[t.Key] = t.Value
	}
	_, err := resource.Do(ctx, s.TagResource, &apigatewayv2.TagResourceInput{ResourceArn: &resourceARN, Tags: tags})
	return err
}

func tagList(tags map[string]string) []resource.Tag {
	var list []resource.Tag
	for k, v := range tags {
		list = append(list, resource.Tag{Key: k, Value: v})
	}
	return list
}

// orFalse gives what a template leaves out its default, so that an update undoes what was set before.
func orFalse(b *bool) *bool { return aws.Bool(aws.ToBool(b)) }

// orNone gives a list that a template leaves out as an empty one, likewise.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// objectError says of an object of a bucket why it cannot be read.
func objectError(what, uri string, err error) error {
	var coded smithy.APIError
	if !errors.As(err, &coded) {
		return err
	}
	return badRequest("%s: could not read %s: %s: %s", what, uri, coded.ErrorCode(), coded.ErrorMessage())
}
