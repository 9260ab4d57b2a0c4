package functions

import (
	"context"

	"countersign/arn"
	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

const maxTags = 50

// checkTags holds the tags that a call gives to the rules that all of AWS has.
func checkTags(ctx context.Context, tags map[string]string) error {
	c := call.From(ctx)
	for k, v := range tags {
		switch {
		case len(k) == 0 || len([]rune(k)) > 128 || len([]rune(v)) > 256:
			return invalid("Tag %.140q: a key has 1 to 128 characters and a value at most 256", k)
		case !c.MayTag(k):
			return reserved(k)
		}
	}
	return nil
}

func reserved(key string) error {
	return invalid("Tag %q: keys that begin with aws: are reserved", key)
}

// countTags bounds how many tags a function has. System tags do not count.
func countTags(tags map[string]string) error {
	n := 0
	for k := range tags {
		if !call.SystemTag(k) {
			n++
		}
	}
	if n > maxTags {
		return invalid("A function can have %d tags, and %d were given", maxTags, n)
	}
	return nil
}

// tagged resolves the ARN that the operations on tags take.
func tagged(ctx context.Context, resource string) (reference, error) {
	if a, err := arn.Parse(resource); err != nil || a.Service != "lambda" {
		return reference{}, invalid("The resource %s is not the ARN of a function", resource)
	}
	return unqualified(ctx, resource)
}

// TagResource adds tags to a function, or gives them other values.
func (s *Service) TagResource(ctx context.Context, in *lambda.TagResourceInput) (*lambda.TagResourceOutput, error) {
	ref, err := tagged(ctx, aws.ToString(in.Resource))
	if err != nil {
		return nil, err
	}
	if err := checkTags(ctx, in.Tags); err != nil {
		return nil, err
	}
	_, err = s.change(ctx, ref, func(f *function, _ *store.Batch) error {
		if f.Tags == nil {
			f.Tags = make(map[string]string)
		}
		for k, v := range in.Tags {
			f.Tags[k] = v
		}
		return countTags(f.Tags)
	})
	if err != nil {
		return nil, err
	}
	return &lambda.TagResourceOutput{}, nil
}

// UntagResource removes tags from a function. That there is none of a name is no error.
func (s *Service) UntagResource(ctx context.Context, in *lambda.UntagResourceInput) (*lambda.UntagResourceOutput, error) {
	ref, err := tagged(ctx, aws.ToString(in.Resource))
	if err != nil {
		return nil, err
	}
	c := call.From(ctx)
	for _, k := range in.TagKeys {
		if !c.MayTag(k) {
			return nil, reserved(k)
		}
	}
	_, err = s.change(ctx, ref, func(f *function, _ *store.Batch) error {
		for _, k := range in.TagKeys {
			delete(f.Tags, k)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &lambda.UntagResourceOutput{}, nil
}

// ListTags shows a function's tags.
func (s *Service) ListTags(ctx context.Context, in *lambda.ListTagsInput) (*lambda.ListTagsOutput, error) {
	ref, err := tagged(ctx, aws.ToString(in.Resource))
	if err != nil {
		return nil, err
	}
	f, _, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	out := &lambda.ListTagsOutput{Tags: f.Tags}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	return out, nil
}
