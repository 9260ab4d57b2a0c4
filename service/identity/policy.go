package identity

import (
	"context"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// CreatePolicy makes a managed policy of the account's own, version v1.
func (s *Service) CreatePolicy(ctx context.Context, in *iam.CreatePolicyInput) (*iam.CreatePolicyOutput, error) {
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	now := s.now().UTC()
	p := &managedPolicy{
		Account: account(ctx), Name: *in.PolicyName, Path: path(in.Path), Description: aws.ToString(in.Description),
		Versions: []policyVersion{{"v1", *in.PolicyDocument, now}}, Default: "v1", Last: 1, Created: now, Updated: now,
	}
	var err error
	if p.Tags, err = withTags(nil, in.Tags); err != nil {
		return nil, err
	}
	if p.ID, err = s.newID(ctx, "ANPA"); err != nil {
		return nil, err
	}
	err = s.commit(ctx, func() (*store.Batch, error) {
		switch there, err := existing[managedPolicy](ctx, s, KindPolicy, p.Name); {
		case err != nil:
			return nil, err
		case there != nil && there.ID == p.ID: // an attempt of the same change made it
			*p = *there
			return new(store.Batch), nil
		case there != nil:
			return nil, alreadyExists("A policy called %s already exists. Duplicate names are not allowed.", p.Name)
		}
		return new(store.Batch).Create(KindPolicy, nameKey(p.Account, p.Name), encode(p)), nil
	})
	if err != nil {
		return nil, err
	}
	out := p.summary()
	out.Tags = showTags(p.Tags)
	return &iam.CreatePolicyOutput{Policy: &out}, nil
}

func checkManaged(document string) error {
	if err := checkDocument(document, true); err != nil {
		return err
	}
	if size(document) > maxManaged {
		return limitExceeded("Cannot exceed quota for PolicySize: %d", maxManaged)
	}
	return nil
}

// summary is a policy as ListPolicies answers it.
func (p *managedPolicy) summary() types.Policy {
	return types.Policy{
		Arn: aws.String(p.arn()), PolicyId: aws.String(p.ID), PolicyName: aws.String(p.Name), Path: aws.String(p.Path), DefaultVersionId: aws.String(p.Default),
		AttachmentCount: aws.Int32(int32(p.Attached)), PermissionsBoundaryUsageCount: aws.Int32(int32(p.Bounds)), IsAttachable: true,
		CreateDate: aws.Time(p.Created), UpdateDate: aws.Time(p.Updated),
	}
}

// GetPolicy describes a policy, one of the account's own or of AWS's.
func (s *Service) GetPolicy(ctx context.Context, in *iam.GetPolicyInput) (*iam.GetPolicyOutput, error) {
	if isAWS(*in.PolicyArn) {
		p := awsPolicies[*in.PolicyArn]
		if p == nil {
			return nil, noSuchPolicy(*in.PolicyArn)
		}
		used, err := s.usage(ctx)
		if err != nil {
			return nil, err
		}
		out := p.summary(used)
		return &iam.GetPolicyOutput{Policy: &out}, nil
	}
	p, _, err := s.policy(ctx, *in.PolicyArn, noSuchPolicy)
	if err != nil {
		return nil, err
	}
	out := p.summary()
	out.Tags = showTags(p.Tags)
	if p.Description != "" {
		out.Description = aws.String(p.Description)
	}
	return &iam.GetPolicyOutput{Policy: &out}, nil
}

// ListPolicies lists AWS's policies and then the account's own, each by name.
func (s *Service) ListPolicies(ctx context.Context, in *iam.ListPoliciesInput) (*iam.ListPoliciesOutput, error) {
	all, err := s.policies(ctx, in.Scope)
	if err != nil {
		return nil, err
	}
	var some []types.Policy
	for _, p := range all {
		attached, bounds := *p.AttachmentCount > 0, *p.PermissionsBoundaryUsageCount > 0
		switch {
		case !strings.HasPrefix(*p.Path, aws.ToString(in.PathPrefix)):
		case in.OnlyAttached && !attached && !bounds:
		case in.PolicyUsageFilter == types.PolicyUsageTypePermissionsPolicy && !attached:
		case in.PolicyUsageFilter == types.PolicyUsageTypePermissionsBoundary && !bounds:
		default:
			some = append(some, p)
		}
	}
	shown, next, err := page(some, func(p types.Policy) string { return policyKey(*p.Arn) }, in.Marker, in.MaxItems)
	return &iam.ListPoliciesOutput{Policies: append([]types.Policy{}, shown...), Marker: next, IsTruncated: next != nil}, err
}

// policies are summaries of the policies of a scope, in the order of policyKey.
func (s *Service) policies(ctx context.Context, scope types.PolicyScopeType) ([]types.Policy, error) {
	var out []types.Policy
	if scope != types.PolicyScopeTypeLocal {
		used, err := s.usage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range awsPoliciesByName {
			out = append(out, p.summary(used))
		}
	}
	if scope != types.PolicyScopeTypeAws {
		own, err := list[managedPolicy](ctx, s, KindPolicy)
		if err != nil {
			return nil, err
		}
		for _, p := range own {
			out = append(out, p.summary())
		}
	}
	return out, nil
}

// policyKey orders policies for paging: AWS's first, then by name.
func policyKey(arn string) string {
	scope := "own/"
	if isAWS(arn) {
		scope = "aws/"
	}
	return scope + strings.ToLower(nameOf(arn))
}

// nameOf is the last part of an ARN with a path.
func nameOf(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// DeletePolicy removes a policy that nobody has and that has only its default version.
func (s *Service) DeletePolicy(ctx context.Context, in *iam.DeletePolicyInput) (*iam.DeletePolicyOutput, error) {
	if isAWS(*in.PolicyArn) {
		return nil, outside()
	}
	err := s.commit(ctx, func() (*store.Batch, error) {
		p, revision, err := s.policy(ctx, *in.PolicyArn, noSuchPolicy)
		switch {
		case err != nil:
			return nil, err
		case p.Attached > 0 || p.Bounds > 0:
			return nil, deleteConflict("Cannot delete a policy attached to entities.")
		case len(p.Versions) > 1:
			return nil, deleteConflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return new(store.Batch).DeleteIf(KindPolicy, nameKey(p.Account, p.Name), revision), nil
	})
	return &iam.DeletePolicyOutput{}, err
}
