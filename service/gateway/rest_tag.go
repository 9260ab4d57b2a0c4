package gateway

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

// TagResource adds tags to an API, a stage or a domain name.
func (r *REST) TagResource(ctx context.Context, in *apigateway.TagResourceInput) (*apigateway.TagResourceOutput, error) {
	if err := r.s.addTags(ctx, in.ResourceArn, in.Tags); err != nil {
		return nil, err
	}
	return &apigateway.TagResourceOutput{}, nil
}

// UntagResource removes tags; keys that are not there are fine.
func (r *REST) UntagResource(ctx context.Context, in *apigateway.UntagResourceInput) (*apigateway.UntagResourceOutput, error) {
	if err := r.s.removeTags(ctx, in.ResourceArn, in.TagKeys); err != nil {
		return nil, err
	}
	return &apigateway.UntagResourceOutput{}, nil
}

// GetTags reads a resource's tags, all of them: there are at most 50.
func (r *REST) GetTags(ctx context.Context, in *apigateway.GetTagsInput) (*apigateway.GetTagsOutput, error) {
	tags, err := r.s.editTags(ctx, *in.ResourceArn, nil)
	if err != nil {
		return nil, err
	}
	return &apigateway.GetTagsOutput{Tags: tags}, nil
}
