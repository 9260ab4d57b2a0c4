package identity_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
)

const s3Read = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:Get*"], "Resource": "arn:aws:s3:::a b/*"}]}`

// wantError checks an error's code and the beginning of its message.
func wantError(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != code || !strings.HasPrefix(coded.ErrorMessage(), message) {
		t.Errorf("%s:\ngot  %v\nwant %s: %s", what, err, code, message)
	}
}

func str(s string) *string { return &s }

// unescaped is a document as it was given.
func unescaped(t *testing.T, shown *string) string {
	t.Helper()
	s, err := url.PathUnescape(*shown)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRoleLife(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newService(t, c, nil)
	ctx := asRoot(t.Context())
	made, err := s.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: str("Worker"), Path: str("/team/"), AssumeRolePolicyDocument: str(lambdaTrust), Description: str("works"), MaxSessionDuration: aws.Int32(7200),
		PermissionsBoundary: str("arn:aws:iam::aws:policy/PowerUserAccess"), Tags: []types.Tag{{Key: str("b"), Value: str("2")}, {Key: str("a"), Value: str("1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := made.Role
	if *r.Arn != "arn:aws:iam::123456789012:role/team/Worker" || !strings.HasPrefix(*r.RoleId, "AROA") || len(*r.RoleId) != 21 || *r.Path != "/team/" || !r.CreateDate.Equal(c.at) {
		t.Errorf("made %+v", r)
	}
	if strings.ContainsAny(*r.AssumeRolePolicyDocument, "{}:/\" +") || unescaped(t, r.AssumeRolePolicyDocument) != lambdaTrust {
		t.Errorf("the document is shown as %s", *r.AssumeRolePolicyDocument)
	}
	got, err := s.GetRole(ctx, &iam.GetRoleInput{RoleName: str("Worker")})
	if err != nil {
		t.Fatal(err)
	}
	if r := got.Role; *r.RoleId != *made.Role.RoleId || *r.MaxSessionDuration != 7200 || *r.Description != "works" || len(r.Tags) != 2 || *r.Tags[0].Key != "a" ||
		*r.PermissionsBoundary.PermissionsBoundaryArn != "arn:aws:iam::aws:policy/PowerUserAccess" || r.PermissionsBoundary.PermissionsBoundaryType != "PermissionsBoundaryPolicy" {
		t.Errorf("got %+v", r)
	}

	// Names are unique whatever their case, and found as they are written.
	_, err = s.CreateRole(ctx, &iam.CreateRoleInput{RoleName: str("WORKER"), AssumeRolePolicyDocument: str(lambdaTrust)})
	wantError(t, "the name again", err, "EntityAlreadyExists", "Role with name WORKER already exists.")
	_, err = s.GetRole(ctx, &iam.GetRoleInput{RoleName: str("worker")})
	wantError(t, "the name in another case", err, "NoSuchEntity", "The role with name worker cannot be found.")

	if _, err := s.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: str("Worker"), MaxSessionDuration: aws.Int32(3600)}); err != nil {
		t.Fatal(err)
	}
	if out, err := s.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: str("Worker"), Description: str("")}); err != nil || out.Role.Description != nil || *out.Role.MaxSessionDuration != 3600 {
		t.Errorf("updated: %v %+v", err, out)
	}
	other := strings.Replace(lambdaTrust, "lambda.", "apigateway.", 1)
	if _, err := s.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: str("Worker"), PolicyDocument: str(other)}); err != nil {
		t.Fatal(err)
	}
	if got, err = s.GetRole(ctx, &iam.GetRoleInput{RoleName: str("Worker")}); err != nil || unescaped(t, got.Role.AssumeRolePolicyDocument) != other {
		t.Errorf("trust policy: %v %+v", err, got)
	}

	// Tags: keys are the same in any case.
	if _, err := s.TagRole(ctx, &iam.TagRoleInput{RoleName: str("Worker"), Tags: []types.Tag{{Key: str("A"), Value: str("3")}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UntagRole(ctx, &iam.UntagRoleInput{RoleName: str("Worker"), TagKeys: []string{"B", "none"}}); err != nil {
		t.Fatal(err)
	}
	tags, err := s.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: str("Worker")})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "A" || *tags.Tags[0].Value != "3" || tags.IsTruncated {
		t.Errorf("tags: %v %+v", err, tags)
	}
	for what, bad := range map[string][]types.Tag{
		"Duplicate tag keys found.": {{Key: str("k"), Value: str("")}, {Key: str("K"), Value: str("")}},
		"Tag keys that begin with":  {{Key: str("AWS:k"), Value: str("")}},
	} {
		_, err := s.TagRole(ctx, &iam.TagRoleInput{RoleName: str("Worker"), Tags: bad})
		wantError(t, "tags", err, "InvalidInput", what)
	}
	var many []types.Tag
	for i := range 50 {
		many = append(many, types.Tag{Key: str(fmt.Sprint("k", i)), Value: str("")})
	}
	_, err = s.TagRole(ctx, &iam.TagRoleInput{RoleName: str("Worker"), Tags: many})
	wantError(t, "51 tags", err, "LimitExceeded", "The number of tags")

	// A role goes when its policies have gone.
	put := &iam.PutRolePolicyInput{RoleName: str("Worker"), PolicyName: str("inline"), PolicyDocument: str(s3Read)}
	if _, err := s.PutRolePolicy(ctx, put); err != nil {
		t.Fatal(err)
	}
	attach := &iam.AttachRolePolicyInput{RoleName: str("Worker"), PolicyArn: str("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")}
	for range 2 { // again is a success
		if _, err := s.AttachRolePolicy(ctx, attach); err != nil {
			t.Fatal(err)
		}
	}
	remove := func() error {
		_, err := s.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: str("Worker")})
		return err
	}
	wantError(t, "attached", remove(), "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	detach := &iam.DetachRolePolicyInput{RoleName: str("Worker"), PolicyArn: attach.PolicyArn}
	if _, err := s.DetachRolePolicy(ctx, detach); err != nil {
		t.Fatal(err)
	}
	_, err = s.DetachRolePolicy(ctx, detach)
	wantError(t, "detached again", err, "NoSuchEntity", "Policy arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole was not found.")
	wantError(t, "inline", remove(), "DeleteConflict", "Cannot delete entity, must delete policies first.")
	if _, err := s.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: str("Worker"), PolicyName: str("inline")}); err != nil {
		t.Fatal(err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	wantError(t, "deleted again", remove(), "NoSuchEntity", "The role with name Worker cannot be found.")
}

func TestInlinePolicies(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	ctx := asRoot(t.Context())
	newRole(t, s, "r", "/", lambdaTrust)
	for _, name := range []string{"b", "a"} {
		if _, err := s.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: &name, PolicyDocument: str(s3Read)}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: str("r"), PolicyName: str("a")})
	if err != nil || *got.RoleName != "r" || *got.PolicyName != "a" || unescaped(t, got.PolicyDocument) != s3Read || strings.Contains(*got.PolicyDocument, "+") {
		t.Errorf("GetRolePolicy: %v %+v", err, got)
	}
	page, err := s.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: str("r"), MaxItems: aws.Int32(1)})
	if err != nil || !slices.Equal(page.PolicyNames, []string{"a"}) || !page.IsTruncated {
		t.Fatalf("first page: %v %+v", err, page)
	}
	page, err = s.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: str("r"), Marker: page.Marker})
	if err != nil || !slices.Equal(page.PolicyNames, []string{"b"}) || page.IsTruncated || page.Marker != nil {
		t.Errorf("second page: %v %+v", err, page)
	}
	_, err = s.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: str("r"), Marker: str("%")})
	wantError(t, "marker", err, "ValidationError", "Invalid Marker.")
	_, err = s.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: str("r"), PolicyName: str("none")})
	wantError(t, "none", err, "NoSuchEntity", "The role policy with name none cannot be found.")
	_, err = s.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: str("r"), PolicyName: str("none")})
	wantError(t, "delete none", err, "NoSuchEntity", "The role policy with name none cannot be found.")
	_, err = s.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: str("none"), PolicyName: str("a"), PolicyDocument: str(s3Read)})
	wantError(t, "no role", err, "NoSuchEntity", "The role with name none cannot be found.")

	// White space does not count, all policies together do.
	long := strings.Replace(s3Read, "a b", strings.Repeat("x", 5200), 1)
	put := func(name, document string) error {
		_, err := s.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: &name, PolicyDocument: &document})
		return err
	}
	if err := put("a", long+strings.Repeat(" ", 20000)); err != nil {
		t.Error(err)
	}
	wantError(t, "too much", put("b", long), "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role r")
}

func TestMalformedDocuments(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	ctx := asRoot(t.Context())
	newRole(t, s, "r", "/", lambdaTrust)
	allow := func(rest string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` + rest + `}]}`
	}
	for document, message := range map[string]string{
		`{`:                        "This policy contains invalid Json",
		`[]`:                       "Syntax errors in policy.",
		`{"Version":"2012-10-17"}`: "Syntax errors in policy.",
		`{"Version":"2012-10-16","Statement":[]}`:                                                                 "Syntax errors in policy.",
		allow(`"Action":"s3:*","Resource":"*","Principal":"*"`):                                                   "Policy document should not specify a principal.",
		allow(`"Action":"s3:*"`):                                                                                  "Policy statement must contain resources.",
		allow(`"Resource":"*"`):                                                                                   "Policy statement must contain actions.",
		allow(`"Action":"GetObject","Resource":"*"`):                                                              "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
		allow(`"Action":"s3:*","Resource":"bucket"`):                                                              `Resource bucket must be in ARN format or "*".`,
		allow(`"Action":"s3:*","Resource":"*","Conditions":{}`):                                                   "Syntax errors in policy. statement 1:",
		allow(`"Action":"s3:*","Resource":"*","Condition":{"StringIs":{"a":"b"}}`):                                "Syntax errors in policy. statement 1:",
		allow(`"Sid":"a","Action":"s3:*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"*","Resource":"*"`): "Statement IDs (SID) in a single policy must be unique.",
	} {
		_, err := s.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: str("p"), PolicyDocument: &document})
		wantError(t, document, err, "MalformedPolicyDocument", message)
		_, err = s.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: str("p"), PolicyDocument: &document})
		wantError(t, document, err, "MalformedPolicyDocument", message)
	}
	// A managed policy is of the newer version; an inline one need not be.
	for _, version := range []string{``, `"Version":"2008-10-17",`} {
		document := `{` + version + `"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
		_, err := s.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: str("p"), PolicyDocument: &document})
		wantError(t, document, err, "MalformedPolicyDocument", "Policy document must be version 2012-10-17 or greater.")
		if _, err := s.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: str("r"), PolicyName: str("p"), PolicyDocument: &document}); err != nil {
			t.Errorf("%s: %v", document, err)
		}
	}
	trust := func(principal string) string { return allow(`"Action":"sts:AssumeRole","Principal":` + principal) }
	for document, message := range map[string]string{
		`{"Version":"2012-10-17",}`: "This policy contains invalid Json",
		s3Read:                      "Missing required field Principal",
		allow(`"Action":"sts:AssumeRole","Principal":"*","Resource":"*"`):              "Has prohibited field Resource",
		allow(`"Action":"s3:GetObject","Principal":"*"`):                               "AssumeRole policy may only specify STS AssumeRole actions.",
		trust(`{"AWS":"somebody"}`):                                                    "Invalid principal in policy: somebody",
		trust(`{"AWS":"arn:aws:iam::123456789012:role/none"}`):                         `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/none"`,
		trust(`{"AWS":"arn:aws:iam::123456789012:role/path/r"}`):                       `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/path/r"`,
		trust(`{"AWS":"arn:aws:iam::123456789012:user/alice"}`):                        `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/alice"`,
		trust(`{"AWS":["123456789012","arn:aws:sts::123456789012:assumed-role/n/s"]}`): `Invalid principal in policy: "AWS":"arn:aws:sts::123456789012:assumed-role/n/s"`,
	} {
		_, err := s.CreateRole(ctx, &iam.CreateRoleInput{RoleName: str("bad"), AssumeRolePolicyDocument: &document})
		wantError(t, document, err, "MalformedPolicyDocument", message)
		_, err = s.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: str("r"), PolicyDocument: &document})
		wantError(t, document, err, "MalformedPolicyDocument", message)
	}
	for _, good := range []string{
		trust(`{"AWS":["123456789012","arn:aws:iam::123456789012:root","arn:aws:iam::123456789012:role/r","arn:aws:iam::999999999999:user/bob"]}`),
		trust(`{"AWS":"*"}`), trust(`{"Federated":"arn:aws:iam::123456789012:saml-provider/p","Service":["a.amazonaws.com"]}`),
		strings.Replace(lambdaTrust, "2012", "2008", 1),
	} {
		if _, err := s.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: str("r"), PolicyDocument: &good}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	big := trust(`["` + strings.Repeat("x", 2100) + `.amazonaws.com"]`)
	big = strings.Replace(big, `["`, `{"Service":["`, 1)
	big = strings.Replace(big, `"]`, `"]}`, 1)
	_, err := s.CreateRole(ctx, &iam.CreateRoleInput{RoleName: str("bad"), AssumeRolePolicyDocument: &big})
	wantError(t, "a long trust policy", err, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
	_, err = s.CreateRole(ctx, &iam.CreateRoleInput{RoleName: str("bad"), Path: str("/aws-service-role/x.amazonaws.com/"), AssumeRolePolicyDocument: str(lambdaTrust)})
	wantError(t, "a service-linked role", err, "InvalidInput", "The path /aws-service-role/")
	if _, err := s.GetRole(ctx, &iam.GetRoleInput{RoleName: str("bad")}); err == nil {
		t.Error("a refused role was made")
	}
}

func TestListRoles(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	ctx := asRoot(t.Context())
	for i := range 5 {
		newRole(t, s, fmt.Sprintf("R%d", i), []string{"/a/", "/b/"}[i%2], lambdaTrust)
	}
	var names []string
	var marker *string
	for range 5 {
		out, err := s.ListRoles(ctx, &iam.ListRolesInput{MaxItems: aws.Int32(2), Marker: marker, PathPrefix: str("/a/")})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Roles {
			names = append(names, *r.RoleName)
		}
		if marker = out.Marker; !out.IsTruncated {
			break
		}
	}
	if !slices.Equal(names, []string{"R0", "R2", "R4"}) {
		t.Errorf("listed %v", names)
	}
	profiles, err := s.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: str("R0")})
	if err != nil || len(profiles.InstanceProfiles) != 0 {
		t.Errorf("instance profiles: %v %+v", err, profiles)
	}
	_, err = s.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: str("none")})
	wantError(t, "none", err, "NoSuchEntity", "The role with name none cannot be found.")
}

// Everybody who changes a role at the same time is heard.
func TestConcurrentChanges(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	ctx := asRoot(t.Context())
	newRole(t, s, "r", "/", lambdaTrust)
	policy, err := s.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: str("p"), PolicyDocument: str(s3Read)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		newRole(t, s, fmt.Sprint("r", i), "/", lambdaTrust)
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			if _, err := s.TagRole(ctx, &iam.TagRoleInput{RoleName: str("r"), Tags: []types.Tag{{Key: str(fmt.Sprint("k", i)), Value: str("")}}}); err != nil {
				t.Error(err)
			}
		}()
		go func() {
			defer wg.Done()
			if _, err := s.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: str(fmt.Sprint("r", i)), PolicyArn: policy.Policy.Arn}); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	tags, err := s.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: str("r")})
	if err != nil || len(tags.Tags) != 6 {
		t.Errorf("tags: %v %+v", err, tags)
	}
	got, err := s.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: policy.Policy.Arn})
	if err != nil || *got.Policy.AttachmentCount != 6 {
		t.Errorf("policy: %v %+v", err, got)
	}
}

// Of two who make the same, one does.
func TestOneRoleOfAName(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	ctx := asRoot(t.Context())
	results := make(chan error, 8)
	for range cap(results) {
		go func() {
			_, err := s.CreateRole(ctx, &iam.CreateRoleInput{RoleName: str("r"), AssumeRolePolicyDocument: str(lambdaTrust)})
			results <- err
		}()
	}
	made := 0
	for range cap(results) {
		if err := <-results; err == nil {
			made++
		} else {
			wantError(t, "the others", err, "EntityAlreadyExists", "Role with name r already exists.")
		}
	}
	if made != 1 {
		t.Errorf("%d were made", made)
	}
}
