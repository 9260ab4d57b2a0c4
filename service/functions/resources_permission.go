package functions

import (
	"context"
	"errors"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

type permissionProperties struct {
	FunctionName     string  `cfn:"required,replace"`
	Action           string  `cfn:"required,replace"`
	Principal        string  `cfn:"required,replace"`
	EventSourceToken *string `cfn:"replace"`
	PrincipalOrgID   *string `cfn:"replace"`
	SourceAccount    *string `cfn:"replace"`
	SourceArn        *string `cfn:"replace"`
}

// permissionResources is AWS::Lambda::Permission.
type permissionResources struct{ *Service }

// create adds a statement under an id that only this change can have: one that
// is there is the work of an earlier attempt.
func (s permissionResources) create(ctx context.Context, c *resource.Change[permissionProperties]) (resource.Result, error) {
	p, id := &c.Properties, c.Name(100)
	_, err := resource.Do(ctx, s.AddPermission, &lambda.AddPermissionInput{
		FunctionName: &p.FunctionName, StatementId: &id, Action: &p.Action, Principal: &p.Principal,
		EventSourceToken: p.EventSourceToken, PrincipalOrgID: p.PrincipalOrgID, SourceAccount: p.SourceAccount, SourceArn: p.SourceArn,
	})
	if err != nil && !errors.As(err, new(*types.ResourceConflictException)) {
		return resource.Result{}, err
	}
	return resource.Result{PhysicalID: id, Attributes: map[string]any{"Id": id}}, nil
}

func (s permissionResources) delete(ctx context.Context, c *resource.Change[permissionProperties]) error {
	_, err := resource.Do(ctx, s.RemovePermission, &lambda.RemovePermissionInput{FunctionName: &c.Properties.FunctionName, StatementId: &c.PhysicalID})
	return unlessGone(err)
}
