package identity

import (
	"context"
	"maps"
	"slices"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// PutRolePolicy gives a role an inline policy, or replaces it.
func (s *Service) PutRolePolicy(ctx context.Context, in *iam.PutRolePolicyInput) (*iam.PutRolePolicyOutput, error) {
	if err := checkDocument(*in.PolicyDocument, false); err != nil {
		return nil, err
	}
	_, err := s.editRole(ctx, *in.RoleName, func(r *role, _ *store.Batch) error {
		if r.Inline == nil {
			r.Inline = map[string]string{}
		}
		r.Inline[*in.PolicyName] = *in.PolicyDocument
		total := 0
		for _, document := range r.Inline {
			total += size(document)
		}
		if total > maxInline {
			return limitExceeded("Maximum policy size of %d bytes exceeded for role %s", maxInline, r.Name)
		}
		return nil
	})
	return &iam.PutRolePolicyOutput{}, err
}

func noSuchInline(name string) error {
	return noSuchEntity("The role policy with name %s cannot be found.", name)
}

// GetRolePolicy shows an inline policy.
func (s *Service) GetRolePolicy(ctx context.Context, in *iam.GetRolePolicyInput) (*iam.GetRolePolicyOutput, error) {
	r, _, err := s.role(ctx, account(ctx), *in.RoleName)
	if err != nil {
		return nil, err
	}
	document, ok := r.Inline[*in.PolicyName]
	if !ok {
		return nil, noSuchInline(*in.PolicyName)
	}
	return &iam.GetRolePolicyOutput{RoleName: aws.String(r.Name), PolicyName: in.PolicyName, PolicyDocument: shownDocument(document)}, nil
}

// ListRolePolicies lists the names of a role's inline policies.
func (s *Service) ListRolePolicies(ctx context.Context, in *iam.ListRolePoliciesInput) (*iam.ListRolePoliciesOutput, error) {
	r, _, err := s.role(ctx, account(ctx), *in.RoleName)
	if err != nil {
		return nil, err
	}
	names, next, err := page(slices.Sorted(maps.Keys(r.Inline)), func(n string) string { return n }, in.Marker, in.MaxItems)
	return &iam.ListRolePoliciesOutput{PolicyNames: append([]string{}, names...), Marker: next, IsTruncated: next != nil}, err
}

// DeleteRolePolicy removes an inline policy.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *iam.DeleteRolePolicyInput) (*iam.DeleteRolePolicyOutput, error) {
	_, err := s.editRole(ctx, *in.RoleName, func(r *role, _ *store.Batch) error {
		if _, ok := r.Inline[*in.PolicyName]; !ok {
			return noSuchInline(*in.PolicyName)
		}
		delete(r.Inline, *in.PolicyName)
		return nil
	})
	return &iam.DeleteRolePolicyOutput{}, err
}
