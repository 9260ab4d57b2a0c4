package functions

import (
	"context"
	"fmt"

	"countersign/call"
	"countersign/service/functions/bundle"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// defaultConcurrency is how many invocations run at a time over all functions, unless Config says so.
const defaultConcurrency = 100

func (s *Service) concurrency() int32 {
	if s.cfg.Concurrency > 0 {
		return int32(s.cfg.Concurrency)
	}
	return defaultConcurrency
}

// PutFunctionConcurrency bounds how many invocations of a function run at a
// time; 0 stops it. What is reserved is not taken away from the others.
func (s *Service) PutFunctionConcurrency(ctx context.Context, in *lambda.PutFunctionConcurrencyInput) (*lambda.PutFunctionConcurrencyOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	n := in.ReservedConcurrentExecutions
	switch {
	case n == nil || *n < 0:
		return nil, constraint(aws.ToInt32(n), "reservedConcurrentExecutions", "Member must have value greater than or equal to 0")
	case *n > s.concurrency():
		return nil, invalid("Specified ReservedConcurrentExecutions for function is more than the %d that this node runs at a time.", s.concurrency())
	}
	_, err = s.change(ctx, ref, func(f *function, _ *store.Batch) error {
		f.Reserved = n
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &lambda.PutFunctionConcurrencyOutput{ReservedConcurrentExecutions: n}, nil
}

// GetFunctionConcurrency shows a function's reserved concurrency, if it has one.
func (s *Service) GetFunctionConcurrency(ctx context.Context, in *lambda.GetFunctionConcurrencyInput) (*lambda.GetFunctionConcurrencyOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	f, _, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &lambda.GetFunctionConcurrencyOutput{ReservedConcurrentExecutions: f.Reserved}, nil
}

// DeleteFunctionConcurrency lifts a function's bound.
func (s *Service) DeleteFunctionConcurrency(ctx context.Context, in *lambda.DeleteFunctionConcurrencyInput) (*lambda.DeleteFunctionConcurrencyOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	_, err = s.change(ctx, ref, func(f *function, _ *store.Batch) error {
		f.Reserved = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &lambda.DeleteFunctionConcurrencyOutput{}, nil
}

// GetFunctionCodeSigningConfig answers that the function has none, which is always so.
func (s *Service) GetFunctionCodeSigningConfig(ctx context.Context, in *lambda.GetFunctionCodeSigningConfigInput) (*lambda.GetFunctionCodeSigningConfigOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	f, _, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &lambda.GetFunctionCodeSigningConfigOutput{FunctionName: aws.String(f.Name)}, nil
}

// GetAccountSettings shows limits, and what the account has in this Region.
func (s *Service) GetAccountSettings(ctx context.Context, _ *lambda.GetAccountSettingsInput) (*lambda.GetAccountSettingsOutput, error) {
	c := call.From(ctx)
	records, err := s.store.List(ctx, kindFunction, functionKey(c.Account, c.Region, ""), "", 0)
	if err != nil {
		return nil, fmt.Errorf("list functions: %w", err)
	}
	usage := &types.AccountUsage{FunctionCount: int64(len(records))}
	for _, r := range records {
		f, err := decodeFunction(r)
		if err != nil {
			return nil, err
		}
		for _, v := range f.versions() {
			usage.TotalCodeSize += v.Code.Size
		}
	}
	return &lambda.GetAccountSettingsOutput{AccountUsage: usage, AccountLimit: &types.AccountLimit{
		CodeSizeUnzipped: bundle.MaxUnpacked, CodeSizeZipped: bundle.MaxUpload, TotalCodeSize: 80530636800,
		ConcurrentExecutions: s.concurrency(), UnreservedConcurrentExecutions: aws.Int32(s.concurrency()),
	}}, nil
}
