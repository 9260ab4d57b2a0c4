package authority

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/call"
)

// manager is the only principal that a permission can be given to.
const manager = "acm.amazonaws.com"

func (p permission) key() string { return p.Principal + "/" + p.SourceAccount }

// CreatePermission records that ACM may renew certificates of an authority on
// its own. The first issuing needs none: ACM then acts with its caller's rights.
func (s *Service) CreatePermission(ctx context.Context, in *acmpca.CreatePermissionInput) (*acmpca.CreatePermissionOutput, error) {
	p := permission{Principal: aws.ToString(in.Principal), SourceAccount: aws.ToString(in.SourceAccount), CreatedAt: s.now()}
	if p.Principal != manager {
		return nil, validation("the principal %s is not valid: only %s can be given permissions", p.Principal, manager)
	}
	if p.SourceAccount == "" {
		p.SourceAccount = call.From(ctx).Account
	}
	for _, a := range in.Actions {
		if !slices.Contains(p.Actions, string(a)) {
			p.Actions = append(p.Actions, string(a))
		}
	}
	return &acmpca.CreatePermissionOutput{}, s.update(ctx, in.CertificateAuthorityArn, func(r *record) error {
		if err := notDeleted(r); err != nil {
			return err
		}
		if slices.ContainsFunc(r.Permissions, func(have permission) bool { return have.key() == p.key() }) {
			return &types.PermissionAlreadyExistsException{Message: aws.String(
				"certificate authority " + r.arn() + " has a permission for " + p.Principal + " of account " + p.SourceAccount + " already")}
		}
		r.Permissions = append(r.Permissions, p)
		slices.SortFunc(r.Permissions, func(a, b permission) int { return cmp.Compare(a.key(), b.key()) })
		return nil
	})
}

// DeletePermission takes a permission back. It is an error if there is none.
func (s *Service) DeletePermission(ctx context.Context, in *acmpca.DeletePermissionInput) (*acmpca.DeletePermissionOutput, error) {
	gone := permission{Principal: aws.ToString(in.Principal), SourceAccount: aws.ToString(in.SourceAccount)}
	if gone.SourceAccount == "" {
		gone.SourceAccount = call.From(ctx).Account
	}
	return &acmpca.DeletePermissionOutput{}, s.update(ctx, in.CertificateAuthorityArn, func(r *record) error {
		if err := notDeleted(r); err != nil {
			return err
		}
		before := len(r.Permissions)
		r.Permissions = slices.DeleteFunc(r.Permissions, func(p permission) bool { return p.key() == gone.key() })
		if len(r.Permissions) == before {
			return notFound("certificate authority %s has no permission for %s of account %s", r.arn(), gone.Principal, gone.SourceAccount)
		}
		return nil
	})
}

// ListPermissions answers an authority's permissions.
func (s *Service) ListPermissions(ctx context.Context, in *acmpca.ListPermissionsInput) (*acmpca.ListPermissionsOutput, error) {
	r, err := s.load(ctx, in.CertificateAuthorityArn)
	if err != nil {
		return nil, err
	}
	if err := notDeleted(r); err != nil {
		return nil, err
	}
	page, next, err := paginate(r.Permissions, permission.key, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &acmpca.ListPermissionsOutput{NextToken: next, Permissions: []types.Permission{}}
	for _, p := range page {
		shown := types.Permission{
			CertificateAuthorityArn: aws.String(r.arn()),
			CreatedAt:               aws.Time(p.CreatedAt),
			Principal:               aws.String(p.Principal),
			SourceAccount:           aws.String(p.SourceAccount),
		}
		for _, a := range p.Actions {
			shown.Actions = append(shown.Actions, types.ActionType(a))
		}
		out.Permissions = append(out.Permissions, shown)
	}
	return out, nil
}
