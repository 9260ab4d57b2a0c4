package identity

import (
	"context"
	"maps"
	"slices"

	"countersign/arn"
	"countersign/call"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// GetUser describes the account's root when it asks for itself. There are no users.
func (s *Service) GetUser(ctx context.Context, in *iam.GetUserInput) (*iam.GetUserOutput, error) {
	if in.UserName != nil {
		return nil, noSuchEntity("The user with name %s cannot be found.", *in.UserName)
	}
	if p := call.From(ctx).Principal; p.ARN != s.rootARN() {
		return nil, validation("Must specify userName when calling with non-User credentials")
	}
	// Root has neither a name nor a path, and nobody knows when the account was made.
	return &iam.GetUserOutput{User: &types.User{UserId: aws.String(s.account), Arn: aws.String(s.rootARN())}}, nil
}

func (s *Service) rootARN() string { return arn.New("iam", "", s.account, "root").String() }

// ListUsers answers that there are none.
func (s *Service) ListUsers(context.Context, *iam.ListUsersInput) (*iam.ListUsersOutput, error) {
	return &iam.ListUsersOutput{Users: []types.User{}}, nil
}

// ListAccountAliases answers that there is none.
func (s *Service) ListAccountAliases(context.Context, *iam.ListAccountAliasesInput) (*iam.ListAccountAliasesOutput, error) {
	return &iam.ListAccountAliasesOutput{AccountAliases: []string{}}, nil
}

// GetAccountSummary counts what there is, and says the quotas that hold.
func (s *Service) GetAccountSummary(ctx context.Context, _ *iam.GetAccountSummaryInput) (*iam.GetAccountSummaryOutput, error) {
	roles, err := s.rolesWhere(ctx, func(*role) bool { return true })
	if err != nil {
		return nil, err
	}
	own, err := list[managedPolicy](ctx, s, KindPolicy)
	if err != nil {
		return nil, err
	}
	versions := 0
	for _, p := range own {
		versions += len(p.Versions)
	}
	return &iam.GetAccountSummaryOutput{SummaryMap: map[string]int32{
		"Roles": int32(len(roles)), "Policies": int32(len(own)), "PolicyVersionsInUse": int32(versions),
		"Users": 0, "Groups": 0, "InstanceProfiles": 0, "Providers": 0, "ServerCertificates": 0, "MFADevices": 0, "MFADevicesInUse": 0,
		"AccountMFAEnabled": 0, "AccountAccessKeysPresent": 1, "AccountSigningCertificatesPresent": 0,
		"AssumeRolePolicySizeQuota": maxTrust, "RolePolicySizeQuota": maxInline, "PolicySizeQuota": maxManaged,
		"AttachedPoliciesPerRoleQuota": maxAttached, "VersionsPerPolicyQuota": maxVersions,
	}}, nil
}

// GetAccountAuthorizationDetails shows roles and policies with all that they say. Of
// AWS's policies it has those that somebody has.
func (s *Service) GetAccountAuthorizationDetails(ctx context.Context, in *iam.GetAccountAuthorizationDetailsInput) (*iam.GetAccountAuthorizationDetailsOutput, error) {
	wanted := func(t types.EntityType) bool { return len(in.Filter) == 0 || slices.Contains(in.Filter, t) }
	// A detail is a role or a policy: one of both is set.
	type detail struct {
		key    string
		role   *types.RoleDetail
		policy *types.ManagedPolicyDetail
	}
	var all []detail
	if wanted(types.EntityTypeAWSManagedPolicy) {
		used, err := s.usage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range awsPoliciesByName {
			if used[p.arn] == (usage{}) {
				continue
			}
			v := p.version()
			v.Document = shownDocument(p.document)
			all = append(all, detail{key: "policy/" + policyKey(p.arn), policy: managedDetail(p.summary(used), []types.PolicyVersion{v})})
		}
	}
	if wanted(types.EntityTypeLocalManagedPolicy) {
		own, err := list[managedPolicy](ctx, s, KindPolicy)
		if err != nil {
			return nil, err
		}
		for _, p := range own {
			var versions []types.PolicyVersion
			for _, v := range slices.Backward(p.Versions) {
				shown := p.show(v)
				shown.Document = shownDocument(v.Document)
				versions = append(versions, shown)
			}
			all = append(all, detail{key: "policy/" + policyKey(p.arn()), policy: managedDetail(p.summary(), versions)})
		}
	}
	if wanted(types.EntityTypeRole) {
		roles, err := list[role](ctx, s, KindRole)
		if err != nil {
			return nil, err
		}
		for _, r := range roles {
			all = append(all, detail{key: "role/" + r.key(), role: r.detail()})
		}
	}
	some, next, err := page(all, func(d detail) string { return d.key }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &iam.GetAccountAuthorizationDetailsOutput{
		RoleDetailList: []types.RoleDetail{}, Policies: []types.ManagedPolicyDetail{}, UserDetailList: []types.UserDetail{}, GroupDetailList: []types.GroupDetail{},
		Marker: next, IsTruncated: next != nil,
	}
	for _, d := range some {
		if d.role != nil {
			out.RoleDetailList = append(out.RoleDetailList, *d.role)
		} else {
			out.Policies = append(out.Policies, *d.policy)
		}
	}
	return out, nil
}

func managedDetail(p types.Policy, versions []types.PolicyVersion) *types.ManagedPolicyDetail {
	return &types.ManagedPolicyDetail{
		Arn: p.Arn, PolicyId: p.PolicyId, PolicyName: p.PolicyName, Path: p.Path, DefaultVersionId: p.DefaultVersionId, IsAttachable: p.IsAttachable,
		AttachmentCount: p.AttachmentCount, PermissionsBoundaryUsageCount: p.PermissionsBoundaryUsageCount, CreateDate: p.CreateDate, UpdateDate: p.UpdateDate,
		PolicyVersionList: versions,
	}
}

func (r *role) detail() *types.RoleDetail {
	out := &types.RoleDetail{
		Arn: aws.String(r.arn()), RoleId: aws.String(r.ID), RoleName: aws.String(r.Name), Path: aws.String(r.Path), CreateDate: aws.Time(r.Created),
		AssumeRolePolicyDocument: shownDocument(r.Trust), Tags: showTags(r.Tags), PermissionsBoundary: showBoundary(r.Boundary),
		AttachedManagedPolicies: []types.AttachedPolicy{}, RolePolicyList: []types.PolicyDetail{}, InstanceProfileList: []types.InstanceProfile{},
	}
	for _, arn := range r.Attached {
		out.AttachedManagedPolicies = append(out.AttachedManagedPolicies, showAttached(arn))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Inline)) {
		out.RolePolicyList = append(out.RolePolicyList, types.PolicyDetail{PolicyName: aws.String(name), PolicyDocument: shownDocument(r.Inline[name])})
	}
	return out
}
