package gateway

import (
	"context"
	"maps"
	"net/url"
	"strings"

	"countersign/arn"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
)

// editTags finds the tags that a resource ARN leads to and changes them:
//
//	arn:aws:apigateway:<region>::/apis/<id>[/stages/<name>]
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
		if len(*tags) > maxTags {
			return badRequest("Too many tags: at most %d per resource", maxTags)
		}
		return nil
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

// checkTags judges tags that are given. Those of AWS's own, aws:…, come from stacks only.
func checkTags(ctx context.Context, tags map[string]string) error {
	if len(tags) > maxTags {
		return badRequest("Too many tags: at most %d per resource", maxTags)
	}
	for k, v := range tags {
		if strings.HasPrefix(k, "aws:") && madeBy(ctx) != nil {
			continue
		}
		if err := checkTag(k, v); err != nil {
			return err
		}
	}
	return nil
}

func checkTag(k, v string) error {
	if k == "" || len(k) > 128 || len(v) > 256 || strings.HasPrefix(k, "aws:") {
		return badRequest("Invalid tag %q: keys have 1 to 128 characters and do not start with aws:, values have at most 256", k)
	}
	return nil
}

// TagResource adds tags to an API, a stage or a domain name.
func (s *Service) TagResource(ctx context.Context, in *apigatewayv2.TagResourceInput) (*apigatewayv2.TagResourceOutput, error) {
	_, err := s.editTags(ctx, aws.ToString(in.ResourceArn), func(tags map[string]string) error {
		if err := checkTags(ctx, in.Tags); err != nil {
			return err
		}
		maps.Copy(tags, in.Tags)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.TagResourceOutput{}, nil
}

// UntagResource removes tags; keys that are not there are fine.
func (s *Service) UntagResource(ctx context.Context, in *apigatewayv2.UntagResourceInput) (*apigatewayv2.UntagResourceOutput, error) {
	_, err := s.editTags(ctx, aws.ToString(in.ResourceArn), func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	})
	if err != nil {
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
