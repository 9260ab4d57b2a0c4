package e2e

import (
	"context"
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

const s3Read = `{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":["s3:Get*"],"Resource":"arn:aws:s3:::a b/*"}]}`

func TestIAM(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.parts(map[string]func(*system){"roles": iamRoles, "policies": iamPolicies, "attachments": iamAttachments, "account": iamAccount, "refusals": iamRefusals})
}

// plain is a document as it was given.
func plain(t *testing.T, shown *string) string {
	t.Helper()
	return must(url.PathUnescape(aws.ToString(shown)))(t)
}

func iamRoles(s *system) {
	t, ctx, name := s.t, context.Background(), aws.String("life")
	made := must(s.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: name, Path: aws.String("/team/"), AssumeRolePolicyDocument: aws.String(lambdaTrust), Description: aws.String("first"),
		Tags: []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("trust")}},
	}))(t).Role
	same(t, "ARN", *made.Arn, "arn:aws:iam::"+account+":role/team/life")
	same(t, "trust policy", plain(t, made.AssumeRolePolicyDocument), lambdaTrust)
	must(s.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, Description: aws.String("second"), MaxSessionDuration: aws.Int32(7200)}))(t)
	same(t, "description", *must(s.iam.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("third")}))(t).Role.Description, "third")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + *made.Arn + `"},"Action":"sts:AssumeRole"}]}`
	must(s.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &trust}))(t)
	must(s.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/PowerUserAccess")}))(t)
	got := must(s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name}))(t).Role
	same(t, "role", [4]string{*got.RoleId, *got.Description, plain(t, got.AssumeRolePolicyDocument), *got.PermissionsBoundary.PermissionsBoundaryArn},
		[4]string{*made.RoleId, "third", trust, "arn:aws:iam::aws:policy/PowerUserAccess"})
	same(t, "longest session", *got.MaxSessionDuration, 7200)
	must(s.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name}))(t)
	same(t, "roles", names(must(s.iam.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: aws.String("/team/")}))(t).Roles, func(r iamtypes.Role) string { return *r.RoleName }), []string{"life"})
	same(t, "instance profiles", len(must(s.iam.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: name}))(t).InstanceProfiles), 0)

	must(s.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: []iamtypes.Tag{{Key: aws.String("other"), Value: aws.String("")}}}))(t)
	must(s.iam.UntagRole(ctx, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"team"}}))(t)
	same(t, "tags", names(must(s.iam.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: name}))(t).Tags, func(tag iamtypes.Tag) string { return *tag.Key + "=" + *tag.Value }), []string{"other="})

	must(s.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("inline"), PolicyDocument: aws.String(s3Read)}))(t)
	same(t, "inline policies", must(s.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name}))(t).PolicyNames, []string{"inline"})
	same(t, "inline policy", plain(t, must(s.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("inline")}))(t).PolicyDocument), s3Read)
	_, err := s.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	wantCode(t, err, "DeleteConflict")
	must(s.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("inline")}))(t)
	must(s.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}))(t)
	_, err = s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	wantCode(t, err, "NoSuchEntity")
}

func iamPolicies(s *system) {
	t, ctx := s.t, context.Background()
	arn := must(s.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("mine"), Path: aws.String("/own/"), PolicyDocument: aws.String(s3Read)}))(t).Policy.Arn
	same(t, "ARN", *arn, "arn:aws:iam::"+account+":policy/own/mine")
	second := must(s.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(s3Read), SetAsDefault: true}))(t).PolicyVersion
	same(t, "second version", [2]any{*second.VersionId, second.IsDefaultVersion}, [2]any{"v2", true})
	must(s.iam.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")}))(t)
	same(t, "versions", names(must(s.iam.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: arn}))(t).Versions, func(v iamtypes.PolicyVersion) string { return *v.VersionId }), []string{"v1", "v2"})
	same(t, "document", plain(t, must(s.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v2")}))(t).PolicyVersion.Document), s3Read)
	must(s.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v2")}))(t)
	same(t, "default version", *must(s.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn}))(t).Policy.DefaultVersionId, "v1")
	must(s.iam.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: arn, Tags: []iamtypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}, {Key: aws.String("c"), Value: aws.String("d")}}}))(t)
	must(s.iam.UntagPolicy(ctx, &iam.UntagPolicyInput{PolicyArn: arn, TagKeys: []string{"a"}}))(t)
	same(t, "tags", names(must(s.iam.ListPolicyTags(ctx, &iam.ListPolicyTagsInput{PolicyArn: arn}))(t).Tags, func(tag iamtypes.Tag) string { return *tag.Key }), []string{"c"})
	// As the SDK pages.
	count, pages := 0, iam.NewListPoliciesPaginator(s.iam, &iam.ListPoliciesInput{MaxItems: aws.Int32(10)})
	for pages.HasMorePages() {
		count += len(must(pages.NextPage(ctx))(t).Policies)
	}
	same(t, "policies are many", count > 40, true)
	must(s.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn}))(t)
	_, err := s.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn})
	wantCode(t, err, "NoSuchEntity")
}

func iamAttachments(s *system) {
	t, ctx, name := s.t, context.Background(), aws.String("attached")
	s.lambdaRole(*name)
	basic := aws.String("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
	must(s.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: basic}))(t)
	same(t, "attached", names(must(s.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name}))(t).AttachedPolicies, func(p iamtypes.AttachedPolicy) string { return *p.PolicyArn }), []string{*basic})
	same(t, "entities", names(must(s.iam.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: basic}))(t).PolicyRoles, func(r iamtypes.PolicyRole) string { return *r.RoleName }), []string{"attached"})
	details := must(s.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{Filter: []iamtypes.EntityType{iamtypes.EntityTypeAWSManagedPolicy}}))(t)
	same(t, "details", names(details.Policies, func(p iamtypes.ManagedPolicyDetail) string { return *p.PolicyName }), []string{"AWSLambdaBasicExecutionRole"})
	must(s.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: basic}))(t)
}

func iamAccount(s *system) {
	t, ctx := s.t, context.Background()
	same(t, "root", *must(s.iam.GetUser(ctx, &iam.GetUserInput{}))(t).User.Arn, "arn:aws:iam::"+account+":root")
	same(t, "users", len(must(s.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t).Users), 0)
	same(t, "aliases", len(must(s.iam.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{}))(t).AccountAliases), 0)
	same(t, "versions of a policy", must(s.iam.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{}))(t).SummaryMap["VersionsPerPolicyQuota"], 5)
}

func iamRefusals(s *system) {
	t, ctx := s.t, context.Background()
	_, err := s.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("alice")})
	wantCode(t, err, "NotImplemented")
	_, err = s.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{})
	wantCode(t, err, "NotImplemented")
	_, err = s.iam.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("acm.amazonaws.com")})
	wantCode(t, err, "NotImplemented")
	_, err = s.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("a role"), AssumeRolePolicyDocument: aws.String(lambdaTrust)})
	wantCode(t, err, "ValidationError")
	_, err = s.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("bad"), AssumeRolePolicyDocument: aws.String(s3Read)})
	wantCode(t, err, "MalformedPolicyDocument")

	// A function's role must be there, and trust Lambda.
	s.lambdaRole("trusting")
	must(s.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("distrusting"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)}))(t)
	function := s.function("trusting")
	for _, role := range []string{"none", "distrusting"} {
		_, err = s.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: &function, Role: aws.String("arn:aws:iam::" + account + ":role/" + role)})
		wantCode(t, err, "InvalidParameterValueException")
	}
	must(s.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("trusting")}))(t)
	_, err = s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function})
	wantCode(t, err, "AccessDeniedException")
}
