package functions

import (
	"context"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// PutFunctionEventInvokeConfig sets how events of a function are tried again.
// It counts for all of its versions.
func (s *Service) PutFunctionEventInvokeConfig(ctx context.Context, in *lambda.PutFunctionEventInvokeConfigInput) (*lambda.PutFunctionEventInvokeConfigOutput, error) {
	ref, err := eventConfigured(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if d := in.DestinationConfig; d != nil && (d.OnFailure != nil && d.OnFailure.Destination != nil || d.OnSuccess != nil && d.OnSuccess.Destination != nil) {
		return nil, notBuilt("DestinationConfig")
	}
	r := &retries{Modified: s.cfg.Now().UTC()}
	if in.MaximumRetryAttempts != nil {
		r.Attempts = new(int32)
	}
	if in.MaximumEventAgeInSeconds != nil {
		r.MaxAge = new(int32)
	}
	if err := inRange(in.MaximumRetryAttempts, r.Attempts, "maximumRetryAttempts", 0, 2); err != nil {
		return nil, err
	}
	if err := inRange(in.MaximumEventAgeInSeconds, r.MaxAge, "maximumEventAgeInSeconds", 60, 21600); err != nil {
		return nil, err
	}
	f, err := s.change(ctx, ref, func(f *function, _ *store.Batch) error {
		f.Retries = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &lambda.PutFunctionEventInvokeConfigOutput{FunctionArn: aws.String(f.qualified(latest)), LastModified: aws.Time(r.Modified),
		MaximumRetryAttempts: r.Attempts, MaximumEventAgeInSeconds: r.MaxAge}, nil
}

// GetFunctionEventInvokeConfig shows what PutFunctionEventInvokeConfig has set.
func (s *Service) GetFunctionEventInvokeConfig(ctx context.Context, in *lambda.GetFunctionEventInvokeConfigInput) (*lambda.GetFunctionEventInvokeConfigOutput, error) {
	ref, err := eventConfigured(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, _, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	r := f.Retries
	if r == nil {
		return nil, notFound("The function %s doesn't have an EventInvokeConfig", f.qualified(latest))
	}
	return &lambda.GetFunctionEventInvokeConfigOutput{FunctionArn: aws.String(f.qualified(latest)), LastModified: aws.Time(r.Modified),
		MaximumRetryAttempts: r.Attempts, MaximumEventAgeInSeconds: r.MaxAge}, nil
}

// DeleteFunctionEventInvokeConfig goes back to the defaults: two more attempts, six hours.
func (s *Service) DeleteFunctionEventInvokeConfig(ctx context.Context, in *lambda.DeleteFunctionEventInvokeConfigInput) (*lambda.DeleteFunctionEventInvokeConfigOutput, error) {
	ref, err := eventConfigured(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	_, err = s.change(ctx, ref, func(f *function, _ *store.Batch) error {
		if f.Retries == nil {
			return notFound("The function %s doesn't have an EventInvokeConfig", f.qualified(latest))
		}
		f.Retries = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &lambda.DeleteFunctionEventInvokeConfigOutput{}, nil
}

// eventConfigured resolves a function whose configuration for events is meant: one for all versions.
func eventConfigured(ctx context.Context, name, qualifier *string) (reference, error) {
	if q := aws.ToString(qualifier); q != "" && q != latest {
		return reference{}, notBuilt("Qualifier of an event configuration other than $LATEST")
	}
	return unqualified(ctx, aws.ToString(name))
}
