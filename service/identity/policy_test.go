package identity_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/policy"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const (
	basicExecution = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
	ownPolicy      = "arn:aws:iam::123456789012:policy/team/mine"
)

func TestManagedPolicies(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newService(t, c, nil)
	ctx := asRoot(t.Context())
	made, err := s.CreatePolicy(ctx, &iam.CreatePolicyInput{
		PolicyName: str("mine"), Path: str("/team/"), PolicyDocument: str(s3Read), Description: str("reads"), Tags: []types.Tag{{Key: str("k"), Value: str("v")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := made.Policy; *p.Arn != ownPolicy || !strings.HasPrefix(*p.PolicyId, "ANPA") || *p.DefaultVersionId != "v1" || !p.IsAttachable || len(p.Tags) != 1 || *p.AttachmentCount != 0 {
		t.Errorf("made %+v", p)
	}
	_, err = s.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: str("MINE"), PolicyDocument: str(s3Read)})
	wantError(t, "the name again, in another path", err, "EntityAlreadyExists", "A policy called MINE already exists. Duplicate names are not allowed.")

	// Versions: five at most, numbers are never used again, the default one stays.
	version := func(asDefault bool) (string, error) {
		out, err := s.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: str(ownPolicy), PolicyDocument: str(strings.Replace(s3Read, "Get", "Put", 1)), SetAsDefault: asDefault})
		if err != nil {
			return "", err
		}
		if out.PolicyVersion.IsDefaultVersion != asDefault {
			t.Errorf("version %s: default %v", *out.PolicyVersion.VersionId, out.PolicyVersion.IsDefaultVersion)
		}
		return *out.PolicyVersion.VersionId, nil
	}
	c.at = c.at.Add(time.Minute)
	for i := 2; i <= 5; i++ {
		if id, err := version(i == 3); err != nil || id != fmt.Sprint("v", i) {
			t.Fatalf("version %d: %s, %v", i, id, err)
		}
	}
	_, err = version(false)
	wantError(t, "a sixth", err, "LimitExceeded", "A managed policy can have up to 5 versions.")
	remove := func(id string) error {
		_, err := s.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: str(ownPolicy), VersionId: &id})
		return err
	}
	wantError(t, "the default one", remove("v3"), "DeleteConflict", "Cannot delete the default version of a policy.")
	wantError(t, "one that never was", remove("v9"), "NoSuchEntity", "Policy "+ownPolicy+" version v9 does not exist or is not attachable.")
	if err := remove("v5"); err != nil {
		t.Fatal(err)
	}
	if id, err := version(false); err != nil || id != "v6" {
		t.Errorf("after v5 was deleted: %s, %v", id, err)
	}
	if _, err := s.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: str(ownPolicy), VersionId: str("v1")}); err != nil {
		t.Fatal(err)
	}
	_, err = s.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: str(ownPolicy), VersionId: str("v5")})
	wantError(t, "a version that is gone", err, "NoSuchEntity", "Policy "+ownPolicy+" version v5")
	var ids []string
	var marker *string
	for {
		out, err := s.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: str(ownPolicy), MaxItems: aws.Int32(2), Marker: marker})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range out.Versions {
			ids = append(ids, *v.VersionId)
			if v.IsDefaultVersion != (*v.VersionId == "v1") || v.Document != nil {
				t.Errorf("listed %+v", v)
			}
		}
		if marker = out.Marker; marker == nil {
			break
		}
	}
	if !slices.Equal(ids, []string{"v6", "v4", "v3", "v2", "v1"}) {
		t.Errorf("versions %v", ids)
	}
	shown, err := s.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: str(ownPolicy), VersionId: str("v1")})
	if err != nil || unescaped(t, shown.PolicyVersion.Document) != s3Read || !shown.PolicyVersion.IsDefaultVersion {
		t.Errorf("v1: %v %+v", err, shown)
	}

	// Who has it.
	newRole(t, s, "one", "/x/", lambdaTrust)
	newRole(t, s, "two", "/", lambdaTrust)
	if _, err := s.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: str("one"), PolicyArn: str(ownPolicy)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: str("two"), PermissionsBoundary: str(ownPolicy)}); err != nil {
		t.Fatal(err)
	}
	got, err := s.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: str(ownPolicy)})
	if err != nil || *got.Policy.AttachmentCount != 1 || *got.Policy.PermissionsBoundaryUsageCount != 1 || *got.Policy.Description != "reads" ||
		*got.Policy.DefaultVersionId != "v1" || !got.Policy.UpdateDate.Equal(c.at) {
		t.Errorf("GetPolicy: %v %+v", err, got)
	}
	for _, f := range []struct {
		in   iam.ListEntitiesForPolicyInput
		want []string
	}{
		{iam.ListEntitiesForPolicyInput{}, []string{"one", "two"}},
		{iam.ListEntitiesForPolicyInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy}, []string{"one"}},
		{iam.ListEntitiesForPolicyInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}, []string{"two"}},
		{iam.ListEntitiesForPolicyInput{PathPrefix: str("/x/")}, []string{"one"}},
		{iam.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeUser}, nil},
	} {
		f.in.PolicyArn = str(ownPolicy)
		out, err := s.ListEntitiesForPolicy(ctx, &f.in)
		var names []string
		if err == nil {
			for _, r := range out.PolicyRoles {
				names = append(names, *r.RoleName)
			}
		}
		if err != nil || !slices.Equal(names, f.want) {
			t.Errorf("entities by %+v: %v, %v", f.in, names, err)
		}
	}
	drop := func() error {
		_, err := s.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: str(ownPolicy)})
		return err
	}
	wantError(t, "attached", drop(), "DeleteConflict", "Cannot delete a policy attached to entities.")
	if _, err := s.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: str("one"), PolicyArn: str(ownPolicy)}); err != nil {
		t.Fatal(err)
	}
	wantError(t, "a boundary", drop(), "DeleteConflict", "Cannot delete a policy attached to entities.")
	if _, err := s.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: str("two")}); err != nil { // and its boundary with it
		t.Fatal(err)
	}
	wantError(t, "with versions", drop(), "DeleteConflict", "This policy has more than one version.")
	for _, id := range []string{"v2", "v3", "v4", "v6"} {
		if err := remove(id); err != nil {
			t.Fatal(err)
		}
	}
	if err := drop(); err != nil {
		t.Fatal(err)
	}
	wantError(t, "deleted again", drop(), "NoSuchEntity", "Policy "+ownPolicy+" was not found.")
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	ctx := asRoot(t.Context())
	newRole(t, s, "r", "/", lambdaTrust)
	attach := func(arn string) error {
		_, err := s.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: str("r"), PolicyArn: &arn})
		return err
	}
	for arn, code := range map[string]string{
		"arn:aws:iam::aws:policy/NoSuchPolicy":                "NoSuchEntity",
		"arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole": "NoSuchEntity", // without its path
		"arn:aws:iam::123456789012:policy/none":               "NoSuchEntity",
		"arn:aws:iam::999999999999:policy/none":               "NoSuchEntity",
		"arn:aws:iam::123456789012:role/r/policy":             "InvalidInput",
		"not an ARN of a policy":                              "InvalidInput",
	} {
		message := "Policy " + arn + " does not exist or is not attachable."
		if code == "InvalidInput" {
			message = "ARN " + arn + " is not valid."
		}
		wantError(t, arn, attach(arn), code, message)
	}
	for i := range 9 {
		out, err := s.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: str(fmt.Sprint("p", i)), PolicyDocument: str(s3Read)})
		if err != nil {
			t.Fatal(err)
		}
		if err := attach(*out.Policy.Arn); err != nil {
			t.Fatal(err)
		}
	}
	if err := attach(basicExecution); err != nil {
		t.Fatal(err)
	}
	wantError(t, "an eleventh", attach("arn:aws:iam::aws:policy/AdministratorAccess"), "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")
	out, err := s.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: str("r"), MaxItems: aws.Int32(2)})
	if err != nil || len(out.AttachedPolicies) != 2 || *out.AttachedPolicies[0].PolicyName != "AWSLambdaBasicExecutionRole" || *out.AttachedPolicies[0].PolicyArn != basicExecution || !out.IsTruncated {
		t.Errorf("first page: %v %+v", err, out)
	}
	if out, err = s.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: str("r"), PathPrefix: str("/service-role/")}); err != nil || len(out.AttachedPolicies) != 1 {
		t.Errorf("by path: %v %+v", err, out)
	}

	bound := func(arn string) error {
		_, err := s.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: str("r"), PermissionsBoundary: &arn})
		return err
	}
	wantError(t, "no such boundary", bound("arn:aws:iam::aws:policy/None"), "NoSuchEntity", "Scope ARN: arn:aws:iam::aws:policy/None does not exist or is not attachable.")
	const one, other = "arn:aws:iam::123456789012:policy/p0", "arn:aws:iam::123456789012:policy/p1"
	for _, arn := range []string{one, other, other} {
		if err := bound(arn); err != nil {
			t.Fatal(err)
		}
	}
	bounds := func(arn string) int32 {
		out, err := s.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
		if err != nil {
			t.Fatal(err)
		}
		return *out.Policy.PermissionsBoundaryUsageCount
	}
	if a, b := bounds(one), bounds(other); a != 0 || b != 1 {
		t.Errorf("boundary counts %d and %d", a, b)
	}
	for range 2 {
		if _, err := s.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: str("r")}); err != nil {
			t.Fatal(err)
		}
	}
	if n := bounds(other); n != 0 {
		t.Errorf("boundary count %d after it was deleted", n)
	}
}

// The table of AWS's policies holds to the language, and cannot be written to.
func TestAWSPolicies(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	ctx := asRoot(t.Context())
	out, err := s.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws, MaxItems: aws.Int32(1000)})
	if err != nil || len(out.Policies) < 40 {
		t.Fatalf("%v: %d policies", err, len(out.Policies))
	}
	seen := map[string]bool{}
	for _, p := range out.Policies {
		seen[*p.Arn] = true
		got, err := s.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: p.Arn, VersionId: p.DefaultVersionId})
		if err != nil {
			t.Fatal(err)
		}
		document := unescaped(t, got.PolicyVersion.Document)
		if d, err := policy.Parse([]byte(document), policy.Identity); err != nil || d.Version != "2012-10-17" || !json.Valid([]byte(document)) {
			t.Errorf("%s: %v\n%s", *p.Arn, err, document)
		}
	}
	for _, name := range []string{
		"service-role/AWSLambdaBasicExecutionRole", "service-role/AWSLambdaVPCAccessExecutionRole", "AWSXrayWriteOnlyAccess", "AWSXRayDaemonWriteAccess", "AdministratorAccess",
		"ReadOnlyAccess", "PowerUserAccess", "AmazonS3ReadOnlyAccess", "AmazonS3FullAccess", "AWSPrivateCAFullAccess", "AWSCertificateManagerFullAccess", "AWSLambda_FullAccess",
	} {
		if !seen["arn:aws:iam::aws:policy/"+name] {
			t.Errorf("there is no %s", name)
		}
	}
	newRole(t, s, "r", "/", lambdaTrust)
	if _, err := s.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: str("r"), PolicyArn: str(basicExecution)}); err != nil {
		t.Fatal(err)
	}
	if out, err = s.ListPolicies(ctx, &iam.ListPoliciesInput{OnlyAttached: true}); err != nil || len(out.Policies) != 1 || *out.Policies[0].Arn != basicExecution || *out.Policies[0].AttachmentCount != 1 {
		t.Errorf("attached: %v %+v", err, out)
	}
	got, err := s.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: str(basicExecution)})
	if err != nil || *got.Policy.PolicyName != "AWSLambdaBasicExecutionRole" || *got.Policy.Path != "/service-role/" || *got.Policy.AttachmentCount != 1 {
		t.Errorf("GetPolicy: %v %+v", err, got)
	}
	for what, err := range map[string]error{
		"delete":  second(s.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: str(basicExecution)})),
		"version": second(s.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: str(basicExecution), PolicyDocument: str(s3Read)})),
		"default": second(s.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: str(basicExecution), VersionId: str("v1")})),
		"tag":     second(s.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: str(basicExecution), Tags: []types.Tag{{Key: str("k"), Value: str("v")}}})),
	} {
		wantError(t, what, err, "AccessDenied", "Policy is outside your own account.")
	}
	none := "arn:aws:iam::aws:policy/None"
	for what, err := range map[string]error{
		"GetPolicy":             second(s.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &none})),
		"GetPolicyVersion":      second(s.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &none, VersionId: str("v1")})),
		"ListPolicyVersions":    second(s.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: &none})),
		"ListPolicyTags":        second(s.ListPolicyTags(ctx, &iam.ListPolicyTagsInput{PolicyArn: &none})),
		"ListEntitiesForPolicy": second(s.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &none})),
	} {
		wantError(t, what, err, "NoSuchEntity", "Policy "+none+" was not found.")
	}
	_, err = s.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: str(basicExecution), VersionId: str("v2")})
	wantError(t, "v2", err, "NoSuchEntity", "Policy "+basicExecution+" version v2 does not exist")
}

func second[T any](_ T, err error) error { return err }

func TestListPolicies(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	ctx := asRoot(t.Context())
	for _, name := range []string{"zeta", "Alpha"} {
		if _, err := s.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, Path: str("/own/"), PolicyDocument: str(s3Read)}); err != nil {
			t.Fatal(err)
		}
	}
	count := 0
	var last []string
	var marker *string
	for {
		out, err := s.ListPolicies(ctx, &iam.ListPoliciesInput{MaxItems: aws.Int32(7), Marker: marker})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.Policies {
			count++
			last = append(last, *p.PolicyName)
		}
		if marker = out.Marker; marker == nil {
			break
		}
	}
	all, err := s.ListPolicies(ctx, &iam.ListPoliciesInput{MaxItems: aws.Int32(1000)})
	if err != nil || count != len(all.Policies) || !slices.Equal(last[count-2:], []string{"Alpha", "zeta"}) {
		t.Errorf("%v: %d in pages, %d at once, the last %v", err, count, len(all.Policies), last[max(count-2, 0):])
	}
	for _, f := range []struct {
		in   iam.ListPoliciesInput
		want int
	}{
		{iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}, 2},
		{iam.ListPoliciesInput{PathPrefix: str("/own/")}, 2},
		{iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws, PathPrefix: str("/own/")}, 0},
		{iam.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}, 0},
	} {
		if out, err := s.ListPolicies(ctx, &f.in); err != nil || len(out.Policies) != f.want {
			t.Errorf("%+v: %v, %d policies", f.in, err, len(out.Policies))
		}
	}

	own := "arn:aws:iam::123456789012:policy/own/zeta"
	if _, err := s.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: &own, Tags: []types.Tag{{Key: str("k"), Value: str("v")}, {Key: str("l"), Value: str("")}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UntagPolicy(ctx, &iam.UntagPolicyInput{PolicyArn: &own, TagKeys: []string{"L"}}); err != nil {
		t.Fatal(err)
	}
	if tags, err := s.ListPolicyTags(ctx, &iam.ListPolicyTagsInput{PolicyArn: &own}); err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Value != "v" {
		t.Errorf("tags: %v %+v", err, tags)
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	ctx := asRoot(t.Context())
	for i := range 2 {
		newRole(t, s, fmt.Sprint("r", i), "/", lambdaTrust)
	}
	if _, err := s.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: str("mine"), Path: str("/team/"), PolicyDocument: str(s3Read)}); err != nil {
		t.Fatal(err)
	}
	for _, arn := range []string{ownPolicy, basicExecution} {
		if _, err := s.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: str("r0"), PolicyArn: &arn}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: str("r0"), PolicyName: str("inline"), PolicyDocument: str(s3Read)}); err != nil {
		t.Fatal(err)
	}
	summary, err := s.GetAccountSummary(ctx, nil)
	if err != nil || summary.SummaryMap["Roles"] != 2 || summary.SummaryMap["Policies"] != 1 || summary.SummaryMap["PolicyVersionsInUse"] != 1 || summary.SummaryMap["Users"] != 0 {
		t.Errorf("summary: %v %+v", err, summary)
	}
	var roles, policies []string
	var marker *string
	for {
		out, err := s.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1), Marker: marker})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.RoleDetailList {
			roles = append(roles, *r.RoleName)
			if *r.RoleName == "r0" && (len(r.AttachedManagedPolicies) != 2 || len(r.RolePolicyList) != 1 || unescaped(t, r.RolePolicyList[0].PolicyDocument) != s3Read) {
				t.Errorf("r0: %+v", r)
			}
		}
		for _, p := range out.Policies {
			policies = append(policies, *p.PolicyName)
			if len(p.PolicyVersionList) != 1 || p.PolicyVersionList[0].Document == nil || *p.AttachmentCount != 1 {
				t.Errorf("%s: %+v", *p.PolicyName, p)
			}
		}
		if marker = out.Marker; marker == nil {
			break
		}
	}
	if !slices.Equal(roles, []string{"r0", "r1"}) || !slices.Equal(policies, []string{"AWSLambdaBasicExecutionRole", "mine"}) {
		t.Errorf("details: %v, %v", roles, policies)
	}
	out, err := s.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeLocalManagedPolicy, types.EntityTypeUser}})
	if err != nil || len(out.RoleDetailList) != 0 || len(out.Policies) != 1 {
		t.Errorf("filtered: %v %+v", err, out)
	}

	user, err := s.GetUser(ctx, &iam.GetUserInput{})
	if err != nil || *user.User.Arn != "arn:aws:iam::123456789012:root" || *user.User.UserId != account {
		t.Errorf("root: %v %+v", err, user)
	}
	_, err = s.GetUser(ctx, &iam.GetUserInput{UserName: str("alice")})
	wantError(t, "a user", err, "NoSuchEntity", "The user with name alice cannot be found.")
	if users, err := s.ListUsers(ctx, &iam.ListUsersInput{}); err != nil || len(users.Users) != 0 {
		t.Errorf("users: %v %+v", err, users)
	}
	if aliases, err := s.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{}); err != nil || len(aliases.AccountAliases) != 0 {
		t.Errorf("aliases: %v %+v", err, aliases)
	}
}
