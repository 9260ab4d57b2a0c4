package functions

import (
	"context"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"
)

type eventProperties struct {
	FunctionName             string `cfn:"required,replace"`
	Qualifier                string `cfn:"required,replace"`
	MaximumEventAgeInSeconds *int32
	MaximumRetryAttempts     *int32
}

func (p *eventProperties) id() string { return p.FunctionName + "|" + p.Qualifier }

// eventResources is AWS::Lambda::EventInvokeConfig.
type eventResources struct{ *Service }

func (s eventResources) create(ctx context.Context, c *resource.Change[eventProperties]) (resource.Result, error) {
	p := &c.Properties
	if c.PhysicalID == "" {
		_, err := resource.Do(ctx, s.GetFunctionEventInvokeConfig, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: &p.FunctionName, Qualifier: &p.Qualifier})
		if err == nil {
			return resource.Result{}, &smithy.GenericAPIError{Code: "AlreadyExists", Fault: smithy.FaultClient, Message: "The function " + p.FunctionName + " has an EventInvokeConfig already"}
		}
		if !resource.IsNotFound(err) {
			return resource.Result{}, err
		}
	}
	return s.update(ctx, c)
}

// update also goes back to the defaults where a property was taken away: the operation replaces the whole.
func (s eventResources) update(ctx context.Context, c *resource.Change[eventProperties]) (resource.Result, error) {
	p := &c.Properties
	_, err := resource.Do(ctx, s.PutFunctionEventInvokeConfig, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: &p.FunctionName, Qualifier: &p.Qualifier, MaximumEventAgeInSeconds: p.MaximumEventAgeInSeconds, MaximumRetryAttempts: p.MaximumRetryAttempts,
	})
	if err != nil {
		return resource.Result{}, err
	}
	return resource.Result{PhysicalID: p.id()}, nil
}

func (s eventResources) delete(ctx context.Context, c *resource.Change[eventProperties]) error {
	p := &c.Properties
	_, err := resource.Do(ctx, s.DeleteFunctionEventInvokeConfig, &lambda.DeleteFunctionEventInvokeConfigInput{FunctionName: &p.FunctionName, Qualifier: &p.Qualifier})
	return unlessGone(err)
}

func (s eventResources) find(ctx context.Context, c *resource.Change[eventProperties]) (string, error) {
	p := &c.Properties
	out, err := resource.Do(ctx, s.GetFunctionEventInvokeConfig, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: &p.FunctionName, Qualifier: &p.Qualifier})
	if err != nil {
		return "", unlessGone(err)
	}
	same := func(a, b *int32) bool { return (a == nil) == (b == nil) && aws.ToInt32(a) == aws.ToInt32(b) }
	if !same(out.MaximumEventAgeInSeconds, p.MaximumEventAgeInSeconds) || !same(out.MaximumRetryAttempts, p.MaximumRetryAttempts) {
		return "", nil
	}
	return p.id(), nil
}
