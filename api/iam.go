package api

import "countersign/service/identity"

// IAM lists what is built of AWS Identity and Access Management.
func IAM(s *identity.Service) Service {
	return Service{ID: "iam", Operations: []Operation{
		op("CreateRole", s.CreateRole),
		op("GetRole", s.GetRole),
		op("ListRoles", s.ListRoles),
		op("UpdateRole", s.UpdateRole),
		op("UpdateRoleDescription", s.UpdateRoleDescription),
		op("UpdateAssumeRolePolicy", s.UpdateAssumeRolePolicy),
		op("DeleteRole", s.DeleteRole),
		op("TagRole", s.TagRole),
		op("UntagRole", s.UntagRole),
		op("ListRoleTags", s.ListRoleTags),
		op("PutRolePermissionsBoundary", s.PutRolePermissionsBoundary),
		op("DeleteRolePermissionsBoundary", s.DeleteRolePermissionsBoundary),
		op("ListInstanceProfilesForRole", s.ListInstanceProfilesForRole),

		op("PutRolePolicy", s.PutRolePolicy),
		op("GetRolePolicy", s.GetRolePolicy),
		op("ListRolePolicies", s.ListRolePolicies),
		op("DeleteRolePolicy", s.DeleteRolePolicy),

		op("AttachRolePolicy", s.AttachRolePolicy),
		op("DetachRolePolicy", s.DetachRolePolicy),
		op("ListAttachedRolePolicies", s.ListAttachedRolePolicies),
		op("ListEntitiesForPolicy", s.ListEntitiesForPolicy),

		op("CreatePolicy", s.CreatePolicy),
		op("GetPolicy", s.GetPolicy),
		op("ListPolicies", s.ListPolicies),
		op("DeletePolicy", s.DeletePolicy),
		op("TagPolicy", s.TagPolicy),
		op("UntagPolicy", s.UntagPolicy),
		op("ListPolicyTags", s.ListPolicyTags),
		op("CreatePolicyVersion", s.CreatePolicyVersion),
		op("GetPolicyVersion", s.GetPolicyVersion),
		op("ListPolicyVersions", s.ListPolicyVersions),
		op("SetDefaultPolicyVersion", s.SetDefaultPolicyVersion),
		op("DeletePolicyVersion", s.DeletePolicyVersion),

		op("GetUser", s.GetUser),
		op("ListUsers", s.ListUsers),
		op("ListAccountAliases", s.ListAccountAliases),
		op("GetAccountSummary", s.GetAccountSummary),
		op("GetAccountAuthorizationDetails", s.GetAccountAuthorizationDetails),
	}}
}
