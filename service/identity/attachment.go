package identity

import (
	"context"
	"slices"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// maxAttached is how many managed policies a role may have.
const maxAttached = 10

// count adds to a policy how many roles have it (by) or are bounded by it (bounds),
// in the batch that changes the role: so a policy that somebody has cannot be deleted. AWS's own policies
// cannot be anyway, and are counted when somebody asks; one that a later version does not know can still be
// taken away.
func (s *Service) count(ctx context.Context, b *store.Batch, policyARN string, by, bounds int, missing func(string) error) error {
	if isAWS(policyARN) {
		if by+bounds > 0 && awsPolicies[policyARN] == nil {
			return missing(policyARN)
		}
		return nil
	}
	p, revision, err := s.policy(ctx, policyARN, missing)
	if err != nil {
		return err
	}
	p.Attached, p.Bounds = p.Attached+by, p.Bounds+bounds
	b.Replace(KindPolicy, nameKey(p.Account, p.Name), encode(p), revision)
	return nil
}

// bind counts a boundary; none is no work.
func (s *Service) bind(ctx context.Context, b *store.Batch, boundary string, by int) error {
	if boundary == "" {
		return nil
	}
	return s.count(ctx, b, boundary, 0, by, func(arn string) error {
		return noSuchEntity("Scope ARN: %s does not exist or is not attachable.", arn)
	})
}

// AttachRolePolicy gives a role a managed policy; that it has it already is a success.
func (s *Service) AttachRolePolicy(ctx context.Context, in *iam.AttachRolePolicyInput) (*iam.AttachRolePolicyOutput, error) {
	_, err := s.editRole(ctx, *in.RoleName, func(r *role, b *store.Batch) error {
		if slices.Contains(r.Attached, *in.PolicyArn) {
			return nil
		}
		if err := s.count(ctx, b, *in.PolicyArn, 1, 0, notAttachable); err != nil {
			return err
		}
		if len(r.Attached) >= maxAttached {
			return limitExceeded("Cannot exceed quota for PoliciesPerRole: %d", maxAttached)
		}
		r.Attached = append(r.Attached, *in.PolicyArn)
		slices.SortFunc(r.Attached, func(a, b string) int { return strings.Compare(policyKey(a), policyKey(b)) })
		return nil
	})
	return &iam.AttachRolePolicyOutput{}, err
}

// DetachRolePolicy takes a managed policy from a role.
func (s *Service) DetachRolePolicy(ctx context.Context, in *iam.DetachRolePolicyInput) (*iam.DetachRolePolicyOutput, error) {
	_, err := s.editRole(ctx, *in.RoleName, func(r *role, b *store.Batch) error {
		if !slices.Contains(r.Attached, *in.PolicyArn) {
			return noSuchPolicy(*in.PolicyArn)
		}
		r.Attached = slices.DeleteFunc(r.Attached, func(a string) bool { return a == *in.PolicyArn })
		return s.count(ctx, b, *in.PolicyArn, -1, 0, noSuchPolicy)
	})
	return &iam.DetachRolePolicyOutput{}, err
}

// ListAttachedRolePolicies lists the managed policies of a role whose path begins as asked.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, in *iam.ListAttachedRolePoliciesInput) (*iam.ListAttachedRolePoliciesOutput, error) {
	r, _, err := s.role(ctx, account(ctx), *in.RoleName)
	if err != nil {
		return nil, err
	}
	some := slices.DeleteFunc(r.Attached, func(arn string) bool { return !strings.HasPrefix(pathOf(arn), aws.ToString(in.PathPrefix)) })
	shown, next, err := pageOf(some, policyKey, showAttached, in.Marker, in.MaxItems)
	return &iam.ListAttachedRolePoliciesOutput{AttachedPolicies: shown, Marker: next, IsTruncated: next != nil}, err
}

func showAttached(arn string) types.AttachedPolicy {
	return types.AttachedPolicy{PolicyArn: aws.String(arn), PolicyName: aws.String(nameOf(arn))}
}

// pathOf is the path in a policy's ARN, "/" at least.
func pathOf(arn string) string {
	_, path, _ := strings.Cut(arn, ":policy/")
	return "/" + path[:strings.LastIndexByte(path, '/')+1]
}

// ListEntitiesForPolicy lists the roles that have a policy or are bounded by it.
// There are no users and groups.
func (s *Service) ListEntitiesForPolicy(ctx context.Context, in *iam.ListEntitiesForPolicyInput) (*iam.ListEntitiesForPolicyOutput, error) {
	if isAWS(*in.PolicyArn) {
		if awsPolicies[*in.PolicyArn] == nil {
			return nil, noSuchPolicy(*in.PolicyArn)
		}
	} else if _, _, err := s.policy(ctx, *in.PolicyArn, noSuchPolicy); err != nil {
		return nil, err
	}
	roles, err := s.rolesWhere(ctx, func(r *role) bool {
		has := in.PolicyUsageFilter != types.PolicyUsageTypePermissionsBoundary && slices.Contains(r.Attached, *in.PolicyArn) ||
			in.PolicyUsageFilter != types.PolicyUsageTypePermissionsPolicy && r.Boundary == *in.PolicyArn
		return has && (in.EntityFilter == "" || in.EntityFilter == types.EntityTypeRole) && strings.HasPrefix(r.Path, aws.ToString(in.PathPrefix))
	})
	if err != nil {
		return nil, err
	}
	shown, next, err := pageOf(roles, (*role).key, func(r *role) types.PolicyRole {
		return types.PolicyRole{RoleId: aws.String(r.ID), RoleName: aws.String(r.Name)}
	}, in.Marker, in.MaxItems)
	return &iam.ListEntitiesForPolicyOutput{
		PolicyRoles: shown, PolicyUsers: []types.PolicyUser{}, PolicyGroups: []types.PolicyGroup{}, Marker: next, IsTruncated: next != nil,
	}, err
}

// PutRolePermissionsBoundary bounds a role by a managed policy. It is kept, and will
// count when policies do.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, in *iam.PutRolePermissionsBoundaryInput) (*iam.PutRolePermissionsBoundaryOutput, error) {
	err := s.bound(ctx, *in.RoleName, *in.PermissionsBoundary)
	return &iam.PutRolePermissionsBoundaryOutput{}, err
}

// DeleteRolePermissionsBoundary takes a role's boundary away; it may have none.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, in *iam.DeleteRolePermissionsBoundaryInput) (*iam.DeleteRolePermissionsBoundaryOutput, error) {
	err := s.bound(ctx, *in.RoleName, "")
	return &iam.DeleteRolePermissionsBoundaryOutput{}, err
}

func (s *Service) bound(ctx context.Context, name, boundary string) error {
	_, err := s.editRole(ctx, name, func(r *role, b *store.Batch) error {
		if r.Boundary == boundary {
			return nil
		}
		if err := s.bind(ctx, b, boundary, 1); err != nil {
			return err
		}
		if err := s.bind(ctx, b, r.Boundary, -1); err != nil {
			return err
		}
		r.Boundary = boundary
		return nil
	})
	return err
}

// A usage is how many roles have a policy, and are bounded by it.
type usage struct{ attached, bounds int }

// usage counts the roles of the account by policy.
func (s *Service) usage(ctx context.Context) (map[string]usage, error) {
	roles, err := list[role](ctx, s, KindRole)
	if err != nil {
		return nil, err
	}
	out := map[string]usage{}
	for _, r := range roles {
		for _, arn := range r.Attached {
			u := out[arn]
			u.attached++
			out[arn] = u
		}
		if r.Boundary != "" {
			u := out[r.Boundary]
			u.bounds++
			out[r.Boundary] = u
		}
	}
	return out, nil
}
