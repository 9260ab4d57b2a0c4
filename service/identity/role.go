package identity

import (
	"context"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const (
	defaultSession = 3600
	serviceLinked  = "/aws-service-role/" // path of roles that only AWS makes
)

// CreateRole makes a role. On return it is durable, and can be assumed at once.
func (s *Service) CreateRole(ctx context.Context, in *iam.CreateRoleInput) (*iam.CreateRoleOutput, error) {
	r := &role{
		Account: account(ctx), Name: *in.RoleName, Path: path(in.Path), Description: aws.ToString(in.Description),
		Trust: *in.AssumeRolePolicyDocument, MaxSession: defaultSession, Boundary: aws.ToString(in.PermissionsBoundary), Created: s.now().UTC(),
	}
	if strings.HasPrefix(r.Path, serviceLinked) {
		return nil, invalidInput("The path %s is for service-linked roles, which are not built in this version of Countersign.", serviceLinked)
	}
	if in.MaxSessionDuration != nil {
		r.MaxSession = *in.MaxSessionDuration
	}
	var err error
	if r.Tags, err = withTags(nil, in.Tags); err != nil {
		return nil, err
	}
	if r.Trusted, err = s.checkTrust(ctx, r.Trust); err != nil {
		return nil, err
	}
	if r.ID, err = s.newID(ctx, "AROA"); err != nil {
		return nil, err
	}
	err = s.commit(ctx, func() (*store.Batch, error) {
		b := new(store.Batch)
		switch there, err := existing[role](ctx, s, KindRole, r.Name); {
		case err != nil:
			return nil, err
		case there != nil && there.ID == r.ID: // an attempt of the same change made it
			*r = *there
			return b, nil
		case there != nil:
			return nil, alreadyExists("Role with name %s already exists.", r.Name)
		}
		if err := s.bind(ctx, b, r.Boundary, 1); err != nil {
			return nil, err
		}
		return b.Create(KindRole, nameKey(r.Account, r.Name), encode(r)), nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.CreateRoleOutput{Role: r.show()}, nil
}

func path(given *string) string {
	if given == nil {
		return "/"
	}
	return *given
}

// show is a role as GetRole answers it.
func (r *role) show() *types.Role {
	out := r.summary()
	out.Tags = showTags(r.Tags)
	out.PermissionsBoundary = showBoundary(r.Boundary)
	return &out
}

// summary is a role as ListRoles answers it.
func (r *role) summary() types.Role {
	out := types.Role{
		Arn: aws.String(r.arn()), RoleId: aws.String(r.ID), RoleName: aws.String(r.Name), Path: aws.String(r.Path), CreateDate: aws.Time(r.Created),
		AssumeRolePolicyDocument: shownDocument(r.Trust), MaxSessionDuration: aws.Int32(r.MaxSession),
	}
	if r.Description != "" {
		out.Description = aws.String(r.Description)
	}
	return out
}

func showBoundary(arn string) *types.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	return &types.AttachedPermissionsBoundary{
		PermissionsBoundaryArn: aws.String(arn), PermissionsBoundaryType: types.PermissionsBoundaryAttachmentTypePolicy,
	}
}

// GetRole describes a role.
func (s *Service) GetRole(ctx context.Context, in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
	r, _, err := s.role(ctx, account(ctx), *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &iam.GetRoleOutput{Role: r.show()}, nil
}

func (r *role) key() string { return strings.ToLower(r.Name) }

// ListRoles lists the roles whose path begins as asked, by name.
func (s *Service) ListRoles(ctx context.Context, in *iam.ListRolesInput) (*iam.ListRolesOutput, error) {
	roles, err := s.rolesWhere(ctx, func(r *role) bool { return strings.HasPrefix(r.Path, aws.ToString(in.PathPrefix)) })
	if err != nil {
		return nil, err
	}
	shown, next, err := pageOf(roles, (*role).key, (*role).summary, in.Marker, in.MaxItems)
	return &iam.ListRolesOutput{Roles: shown, Marker: next, IsTruncated: next != nil}, err
}

// rolesWhere reads the roles of the account for which is holds, by name.
func (s *Service) rolesWhere(ctx context.Context, is func(*role) bool) ([]*role, error) {
	all, err := list[role](ctx, s, KindRole)
	if err != nil {
		return nil, err
	}
	var out []*role
	for _, r := range all {
		if is(r) {
			out = append(out, r)
		}
	}
	return out, nil
}

// UpdateRole changes a role's description and longest session. What is not given stays.
func (s *Service) UpdateRole(ctx context.Context, in *iam.UpdateRoleInput) (*iam.UpdateRoleOutput, error) {
	_, err := s.editRole(ctx, *in.RoleName, func(r *role, _ *store.Batch) error {
		if in.Description != nil {
			r.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			r.MaxSession = *in.MaxSessionDuration
		}
		return nil
	})
	return &iam.UpdateRoleOutput{}, err
}

// UpdateRoleDescription is the older way to change the description alone.
func (s *Service) UpdateRoleDescription(ctx context.Context, in *iam.UpdateRoleDescriptionInput) (*iam.UpdateRoleDescriptionOutput, error) {
	r, err := s.editRole(ctx, *in.RoleName, func(r *role, _ *store.Batch) error {
		r.Description = *in.Description
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.UpdateRoleDescriptionOutput{Role: r.show()}, nil
}

// UpdateAssumeRolePolicy replaces a role's trust policy. Sessions under way go on.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *iam.UpdateAssumeRolePolicyInput) (*iam.UpdateAssumeRolePolicyOutput, error) {
	// Before the document, as a role may trust itself only when it exists.
	if _, _, err := s.role(ctx, account(ctx), *in.RoleName); err != nil {
		return nil, err
	}
	trusted, err := s.checkTrust(ctx, *in.PolicyDocument)
	if err != nil {
		return nil, err
	}
	_, err = s.editRole(ctx, *in.RoleName, func(r *role, _ *store.Batch) error {
		r.Trust, r.Trusted = *in.PolicyDocument, trusted
		return nil
	})
	return &iam.UpdateAssumeRolePolicyOutput{}, err
}

// DeleteRole removes a role that has no policies any more. Its sessions end.
func (s *Service) DeleteRole(ctx context.Context, in *iam.DeleteRoleInput) (*iam.DeleteRoleOutput, error) {
	err := s.commit(ctx, func() (*store.Batch, error) {
		r, revision, err := s.role(ctx, account(ctx), *in.RoleName)
		switch {
		case err != nil:
			return nil, err
		case len(r.Attached) > 0:
			return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
		case len(r.Inline) > 0:
			return nil, deleteConflict("Cannot delete entity, must delete policies first.")
		}
		b := new(store.Batch)
		if err := s.bind(ctx, b, r.Boundary, -1); err != nil {
			return nil, err
		}
		return b.DeleteIf(KindRole, nameKey(r.Account, r.Name), revision), nil
	})
	return &iam.DeleteRoleOutput{}, err
}

// ListInstanceProfilesForRole answers that there are none: instance profiles are
// EC2's. Tools ask before they delete a role.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, in *iam.ListInstanceProfilesForRoleInput) (*iam.ListInstanceProfilesForRoleOutput, error) {
	if _, _, err := s.role(ctx, account(ctx), *in.RoleName); err != nil {
		return nil, err
	}
	return &iam.ListInstanceProfilesForRoleOutput{InstanceProfiles: []types.InstanceProfile{}}, nil
}
