package gateway

import (
	"context"
	"maps"
	"net/url"
	"strings"

	"countersign/arn"
	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
)

// editTags finds the tags that a resource ARN leads to and changes them:
//
//	arn:aws:apigateway:<region>::/apis/<id>[/stages/<name>]
//	arn:aws:apigateway:<region>::/restapis/<id>[/stages/<name>]
//	arn:aws:apigateway:<region>::/domainnames/<name>
//
// A nil edit only reads. The result is a copy.
func (s *Service) editTags(ctx context.Context, resource string, edit func(map[string]string) error) (map[string]string, error) {
	a, err := arn.Parse(resource)
	_, region := scope(ctx)
	if err != nil || a.Service != "apigateway" || a.Region != region {
		return nil, badRequest("Invalid resource ARN specified: %q", resource)
	}
	parts := strings.Split(strings.TrimPrefix(a.Resource, "/"), "/")
	if len(parts) == 4 {
		if parts[3], err = url.PathUnescape(parts[3]); err != nil {
			return nil, badRequest("Invalid resource ARN specified: %q", resource)
		}
	}
	apply := func(tags *map[string]string) error {
		if *tags == nil {
			*tags = map[string]string{}
		}
		if edit == nil {
			return nil
		}
		if err := edit(*tags); err != nil {
			return err
		}
		return countTags(*tags)
	}
	var tags map[string]string
	switch {
	case len(parts) == 2 && parts[0] == "apis":
		_, err = s.editAPI(ctx, parts[1], false, func(a *api, _ *store.Batch) error {
			err := apply(&a.Tags)
			tags = a.Tags
			return err
		})
	case len(parts) == 4 && parts[0] == "apis" && parts[2] == "stages":
		_, err = s.editAPI(ctx, parts[1], false, func(a *api, _ *store.Batch) error {
			n, err := a.stage(parts[3])
			if err != nil {
				return err
			}
			err = apply(&a.Stages[n].Tags)
			tags = a.Stages[n].Tags
			return err
		})
	case len(parts) == 2 && parts[0] == "restapis":
		_, err = s.editREST(ctx, parts[1], func(a *restAPI, _ *store.Batch) error {
			err := apply(&a.Tags)
			tags = a.Tags
			return err
		})
	case len(parts) == 4 && parts[0] == "restapis" && parts[2] == "stages":
		_, err = s.editREST(ctx, parts[1], func(a *restAPI, _ *store.Batch) error {
			g, err := a.stage(parts[3])
			if err != nil {
				return err
			}
			err = apply(&g.Tags)
			tags = g.Tags
			return err
		})
	case len(parts) == 2 && parts[0] == "domainnames":
		_, err = s.editDomain(ctx, parts[1], func(d *domain, _ *store.Batch) error {
			err := apply(&d.Tags)
			tags = d.Tags
			return err
		})
	default:
		err = badRequest("Invalid resource ARN specified: %q is not an API, a stage or a domain name", resource)
	}
	return tags, err
}

// checkTags judges tags that are given. Those of AWS's own, aws:…, are not everybody's to give.
func checkTags(ctx context.Context, tags map[string]string) error {
	if err := countTags(tags); err != nil {
		return err
	}
	for k, v := range tags {
		if err := checkTag(call.From(ctx), k, v); err != nil {
			return err
		}
	}
	return nil
}

// countTags holds a resource to its number of tags. AWS's own do not count.
func countTags(tags map[string]string) error {
	n := 0
	for k := range tags {
		if !call.SystemTag(k) {
			n++
		}
	}
	if n > maxTags {
		return badRequest("Too many tags: at most %d per resource", maxTags)
	}
	return nil
}

func checkTag(c call.Call, k, v string) error {
	if k == "" || len(k) > 128 || len(v) > 256 || !c.MayTag(k) {
		return badRequest("Invalid tag %q: keys have 1 to 128 characters and do not start with aws:, values have at most 256", k)
	}
	return nil
}

// addTags adds tags to what a resource ARN leads to, removeTags takes keys away; those that are not there are fine.
func (s *Service) addTags(ctx context.Context, resource *string, added map[string]string) error {
	_, err := s.editTags(ctx, aws.ToString(resource), func(tags map[string]string) error {
		if err := checkTags(ctx, added); err != nil {
			return err
		}
		maps.Copy(tags, added)
		return nil
	})
	return err
}

func (s *Service) removeTags(ctx context.Context, resource *string, keys []string) error {
	_, err := s.editTags(ctx, aws.ToString(resource), func(tags map[string]string) error {
		for _, k := range keys {
			if !call.From(ctx).MayTag(k) {
				return badRequest("Invalid tag %q: keys that start with aws: are AWS's own", k)
			}
			delete(tags, k)
		}
		return nil
	})
	return err
}

// TagResource adds tags to an API, a stage or a domain name.
func (s *Service) TagResource(ctx context.Context, in *apigatewayv2.TagResourceInput) (*apigatewayv2.TagResourceOutput, error) {
	if err := s.addTags(ctx, in.ResourceArn, in.Tags); err != nil {
		return nil, err
	}
	return &apigatewayv2.TagResourceOutput{}, nil
}

// UntagResource removes tags; keys that are not there are fine.
func (s *Service) UntagResource(ctx context.Context, in *apigatewayv2.UntagResourceInput) (*apigatewayv2.UntagResourceOutput, error) {
	if err := s.removeTags(ctx, in.ResourceArn, in.TagKeys); err != nil {
		return nil, err
	}
	return &apigatewayv2.UntagResourceOutput{}, nil
}

// GetTags reads a resource's tags.
func (s *Service) GetTags(ctx context.Context, in *apigatewayv2.GetTagsInput) (*apigatewayv2.GetTagsOutput, error) {
	tags, err := s.editTags(ctx, aws.ToString(in.ResourceArn), nil)
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.GetTagsOutput{Tags: tags}, nil
}
