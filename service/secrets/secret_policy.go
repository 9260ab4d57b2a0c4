package secrets

import (
	"context"
	"slices"
	"strings"

	"countersign/policy"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// PutResourcePolicy attaches a policy to a secret, in place of the one there was.
// It is checked and kept.
func (s *Service) PutResourcePolicy(ctx context.Context, in *secretsmanager.PutResourcePolicyInput) (*secretsmanager.PutResourcePolicyOutput, error) {
	text := aws.ToString(in.ResourcePolicy)
	document, err := policy.Parse([]byte(text), policy.Resource)
	if err != nil {
		return nil, &smtypes.MalformedPolicyDocumentException{Message: aws.String("This resource policy contains a syntax error: " + err.Error())}
	}
	if aws.ToBool(in.BlockPublicPolicy) && public(document) {
		return nil, &smtypes.PublicPolicyException{Message: aws.String("This resource policy grants broad access to the secret, which BlockPublicPolicy forbids.")}
	}
	x, err := s.editAlive(ctx, in.SecretId, func(x *secret, _ *store.Batch) error {
		x.Policy = text
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &secretsmanager.PutResourcePolicyOutput{ARN: aws.String(x.arn()), Name: &x.Name}, nil
}

// GetResourcePolicy answers the policy as it was put, or none.
func (s *Service) GetResourcePolicy(ctx context.Context, in *secretsmanager.GetResourcePolicyInput) (*secretsmanager.GetResourcePolicyOutput, error) {
	x, err := s.alive(ctx, in.SecretId)
	if err != nil {
		return nil, err
	}
	return &secretsmanager.GetResourcePolicyOutput{ARN: aws.String(x.arn()), Name: &x.Name, ResourcePolicy: optional(x.Policy)}, nil
}

// DeleteResourcePolicy takes the policy away; there may be none.
func (s *Service) DeleteResourcePolicy(ctx context.Context, in *secretsmanager.DeleteResourcePolicyInput) (*secretsmanager.DeleteResourcePolicyOutput, error) {
	x, err := s.editAlive(ctx, in.SecretId, func(x *secret, _ *store.Batch) error {
		x.Policy = ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &secretsmanager.DeleteResourcePolicyOutput{ARN: aws.String(x.arn()), Name: &x.Name}, nil
}

// ValidateResourcePolicy tells what is wrong with a policy: its syntax, or that it
// lets everybody in. It does not tell whether the policy locks its author out.
func (s *Service) ValidateResourcePolicy(ctx context.Context, in *secretsmanager.ValidateResourcePolicyInput) (*secretsmanager.ValidateResourcePolicyOutput, error) {
	if in.SecretId != nil {
		if _, err := s.alive(ctx, in.SecretId); err != nil {
			return nil, err
		}
	}
	failed := func(check, message string) *secretsmanager.ValidateResourcePolicyOutput {
		return &secretsmanager.ValidateResourcePolicyOutput{ValidationErrors: []smtypes.ValidationErrorsEntry{{CheckName: &check, ErrorMessage: &message}}}
	}
	document, err := policy.Parse([]byte(aws.ToString(in.ResourcePolicy)), policy.Resource)
	switch {
	case err != nil:
		return failed("SYNTAX_CHECK", err.Error()), nil
	case public(document):
		return failed("PUBLIC_POLICY_CHECK", "The policy lets everybody in: name principals, or tie the statement to a fixed account, organization or source by a condition."), nil
	}
	return &secretsmanager.ValidateResourcePolicyOutput{PolicyValidationPassed: true, ValidationErrors: []smtypes.ValidationErrorsEntry{}}, nil
}

// public reports whether a policy lets everybody in.
func public(p *policy.Document) bool {
	return slices.ContainsFunc(p.Statements, func(st policy.Statement) bool {
		everyone := st.NotPrincipals != nil || st.Principals.Everyone
		return everyone && !st.Deny && !slices.ContainsFunc(st.Conditions, narrows)
	})
}

// narrows reports whether a condition ties a statement to fixed callers.
func narrows(c policy.Condition) bool {
	keys := []string{"aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:sourceaccount", "aws:sourcearn", "aws:sourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:userid"}
	operators := []string{"StringEquals", "ArnEquals", "ArnLike", "IpAddress"}
	open := func(v string) bool { return strings.HasPrefix(v, "*") || v == "0.0.0.0/0" || v == "::/0" }
	return slices.Contains(keys, c.Key) && slices.Contains(operators, c.Operator) && !slices.ContainsFunc(c.Values, open)
}
