package gateway

import (
	"context"
	"errors"
	"fmt"

	"countersign/arn"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

// accountSettings are what an account says of API Gateway in a Region. The role is for logs that
// stages write; those of this version write none, and refuse to be told to.
type accountSettings struct {
	LogRole string `json:",omitempty"`
}

// GetAccount reads the account's settings.
func (r *REST) GetAccount(ctx context.Context, _ *apigateway.GetAccountInput) (*apigateway.GetAccountOutput, error) {
	id, region := scope(ctx)
	a, _, err := load[accountSettings](ctx, r.s.store, kindAccount, id+"/"+region)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return a.sdk(), nil
}

// UpdateAccount changes what the patch operations name.
func (r *REST) UpdateAccount(ctx context.Context, in *apigateway.UpdateAccountInput) (*apigateway.UpdateAccountOutput, error) {
	id, region := scope(ctx)
	key := id + "/" + region
	a, _, err := load[accountSettings](ctx, r.s.store, kindAccount, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err := applyPatches(in.PatchOperations, []patch{
		{"/cloudwatchRoleArn", anyChange, func(_, value string, _ []string) error {
			if role, err := arn.Parse(value); value != "" && (err != nil || role.Service != "iam") {
				return badRequest("The role ARN does not have required permissions configured, or is not the ARN of a role: %q", value)
			}
			a.LogRole = value
			return nil
		}},
		unbuiltPatch("/features", addRemove, "features", ""),
	}); err != nil {
		return nil, err
	}
	if _, err := r.s.store.Commit(ctx, new(store.Batch).Put(kindAccount, key, encode(a))); err != nil {
		return nil, fmt.Errorf("write account settings: %w", err)
	}
	return fill[apigateway.UpdateAccountOutput](*a.sdk()), nil
}

func (a accountSettings) sdk() *apigateway.GetAccountOutput {
	return &apigateway.GetAccountOutput{CloudwatchRoleArn: optional(a.LogRole)} // no throttle: the account has none
}
