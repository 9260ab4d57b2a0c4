package identity_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"countersign/call"
	"countersign/service/identity"
	"countersign/service/stacks/resource"
	"countersign/service/stacks/resource/resourcetest"
	"countersign/store"
	"countersign/store/storetest"
	"countersign/wire"
	"countersign/wire/shape"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// A bench is a stack's view of the service. Its gate lets every valid call of IAM's
// model through.
type bench struct {
	*identity.Service
	*resourcetest.Stack
	ctx context.Context
}

func newStack(t *testing.T, st store.Store) *bench {
	t.Helper()
	s := newService(t, newClock(), func(c *identity.Config) { c.Store = st })
	m, _ := shape.Service("iam")
	ctx := asRoot(t.Context())
	stack := resourcetest.New(t, call.Through(ctx, call.CloudFormation), account, "eu-west-1", s.ResourceTypes())
	stack.Tags["of"] = "the stack"
	stack.Context = resource.WithGate(stack.Context, func(ctx context.Context, input any) (context.Context, error) {
		op, ok := m.Operations[strings.TrimSuffix(reflect.TypeOf(input).Elem().Name(), "Input")]
		if !ok {
			return ctx, fmt.Errorf("%T is no input of IAM", input)
		}
		return ctx, wire.Validate(op, input)
	})
	return &bench{s, stack, ctx}
}

// role is what there is to see of a role.
func (b *bench) role(name string) (r *iamtypes.Role, inline, attached []string) {
	b.Helper()
	got, err := b.GetRole(b.ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		b.Fatal(err)
	}
	names, err := b.ListRolePolicies(b.ctx, &iam.ListRolePoliciesInput{RoleName: &name})
	if err != nil {
		b.Fatal(err)
	}
	managed, err := b.ListAttachedRolePolicies(b.ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &name})
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range managed.AttachedPolicies {
		attached = append(attached, *p.PolicyName)
	}
	return got.Role, names.PolicyNames, attached
}

// document is one as a template has it.
func document(action string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`
}

// roleProperties are those of a role with everything.
var roleProperties = `{"AssumeRolePolicyDocument":` + lambdaTrust + `,"Description":"of a stack","MaxSessionDuration":"7200",
	"ManagedPolicyArns":["` + basicExecution + `","arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess"],"PermissionsBoundary":"arn:aws:iam::aws:policy/PowerUserAccess",
	"Policies":[{"PolicyName":"a","PolicyDocument":` + document("s3:Get*") + `},{"PolicyName":"b","PolicyDocument":` + strconv.Quote(s3Read) + `}],
	"Tags":[{"Key":"team","Value":"blue"}]}`

func tagsOf(r *iamtypes.Role) string {
	var all []string
	for _, t := range r.Tags {
		all = append(all, *t.Key+"="+*t.Value)
	}
	return strings.Join(all, " ")
}

func TestRoleResource(t *testing.T) {
	t.Parallel()
	b := newStack(t, storetest.New(t))
	b.Replaces("AWS::IAM::Role", true, "RoleName", "Path")
	b.Replaces("AWS::IAM::Role", false, "Description", "AssumeRolePolicyDocument", "Policies", "Tags")
	made := b.Create("AWS::IAM::Role", "Role", roleProperties)
	b.Found(made)
	name := made.PhysicalID
	r, inline, attached := b.role(name)
	if !strings.HasPrefix(name, "stack-Role-") || !made.Type.IAM || made.Ref != "" || made.Attributes["Arn"] != *r.Arn || made.Attributes["RoleId"] != *r.RoleId {
		t.Errorf("made %+v", made.Result)
	}
	if !slices.Equal(inline, []string{"a", "b"}) || !slices.Equal(attached, []string{"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"}) ||
		*r.MaxSessionDuration != 7200 || *r.PermissionsBoundary.PermissionsBoundaryArn != "arn:aws:iam::aws:policy/PowerUserAccess" {
		t.Errorf("role %+v with %v and %v", r, inline, attached)
	}
	if got := tagsOf(r); got != "of=the stack team=blue" { // and none of CloudFormation's own
		t.Errorf("tags %s", got)
	}
	if trusted, err := b.Trusts(t.Context(), lambdaService, *r.Arn); err != nil || !trusted {
		t.Errorf("the trust policy: %v, %v", trusted, err)
	}

	b.Update(made, `{"AssumeRolePolicyDocument":`+strconv.Quote(strings.Replace(lambdaTrust, "lambda.", "apigateway.", 1))+`,
		"ManagedPolicyArns":["`+basicExecution+`","arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"],
		"Policies":[{"PolicyName":"b","PolicyDocument":`+document("s3:Put*")+`}],"Tags":[{"Key":"Team","Value":"red"}]}`)
	r, inline, attached = b.role(name)
	if r.Description != nil || *r.MaxSessionDuration != 3600 || r.PermissionsBoundary != nil || !slices.Equal(inline, []string{"b"}) ||
		!slices.Equal(attached, []string{"AmazonS3ReadOnlyAccess", "AWSLambdaBasicExecutionRole"}) {
		t.Errorf("updated: %+v with %v and %v", r, inline, attached)
	}
	if got := tagsOf(r); got != "Team=red of=the stack" {
		t.Errorf("tags %s", got)
	}
	if p, err := b.GetRolePolicy(b.ctx, &iam.GetRolePolicyInput{RoleName: &name, PolicyName: str("b")}); err != nil || !strings.Contains(unescaped(t, p.PolicyDocument), `"s3:Put*"`) {
		t.Errorf("policy b: %v %+v", err, p)
	}

	// What somebody else has attached keeps the role.
	other := str("arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess")
	if _, err := b.AttachRolePolicy(b.ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: other}); err != nil {
		t.Fatal(err)
	}
	wantError(t, "with a policy of others", b.TryDelete(made), "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	if _, err := b.DetachRolePolicy(b.ctx, &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: other}); err != nil {
		t.Fatal(err)
	}
	b.Delete(made)

	b.Refused("AWS::IAM::Role", `{}`, "", "Property AssumeRolePolicyDocument cannot be empty.")
	b.Refused("AWS::IAM::Role", `{"AssumeRolePolicyDocument":`+lambdaTrust+`,"Policies":[{"PolicyName":"a"}]}`, "", "Property PolicyDocument cannot be empty.")
	b.Refused("AWS::IAM::Role", `{"AssumeRolePolicyDocument":`+lambdaTrust+`,"Rolename":"x"}`, "", "Encountered unsupported property Rolename")
	b.Refused("AWS::IAM::Role", `{"AssumeRolePolicyDocument":`+lambdaTrust+`,"RoleName":"a b"}`, "ValidationError", "1 validation error detected")
	b.Refused("AWS::IAM::Role", `{"AssumeRolePolicyDocument":`+s3Read+`}`, "MalformedPolicyDocument", "Missing required field Principal")
}

// A role is made once, however often an attempt is cut off; and it is nobody else's.
func TestRoleResourceAfterACrash(t *testing.T) {
	t.Parallel()
	for cut := 1; ; cut++ {
		commits, crashed := 0, errors.New("the node was killed")
		b := newStack(t, storetest.FailAfter(storetest.New(t), func(*store.Batch) error {
			if commits++; commits == cut {
				return crashed
			}
			return nil
		}))
		named := strings.Replace(roleProperties, "{", `{"RoleName":"mine",`, 1)
		r := b.New("AWS::IAM::Role", "Role", named)
		err := b.Try(r)
		if err == nil {
			if commits != 5 {
				t.Errorf("the role took %d writes", commits)
			}
			return
		}
		if !errors.Is(err, crashed) {
			t.Fatal(err)
		}
		if r.Change.PhysicalID = b.Find(r); r.Change.PhysicalID != "mine" {
			t.Fatalf("found %q after %d writes", r.Change.PhysicalID, cut)
		}
		if err := b.Try(r); err != nil {
			t.Fatalf("again after %d writes: %v", cut, err)
		}
		if _, inline, attached := b.role("mine"); len(inline) != 2 || len(attached) != 2 {
			t.Errorf("after %d writes: %v %v", cut, inline, attached)
		}
		if found := b.Find(b.New("AWS::IAM::Role", "Role", named)); found != "" {
			t.Errorf("another change found %q", found)
		}
		b.Refused("AWS::IAM::Role", named, "EntityAlreadyExists", "Role with name mine already exists.")
		b.Delete(r)
	}
}

func TestPolicyResource(t *testing.T) {
	t.Parallel()
	b := newStack(t, storetest.New(t))
	for _, name := range []string{"one", "two"} {
		newRole(t, b.Service, name, "/", lambdaTrust)
	}
	properties := func(name, roles string) string {
		return `{"PolicyName":"` + name + `","PolicyDocument":` + document("s3:Get*") + `,"Roles":` + roles + `}`
	}
	made := b.Create("AWS::IAM::Policy", "Policy", properties("p", `["one"]`))
	b.Again(made)
	if !strings.HasPrefix(made.PhysicalID, "stack-Policy-") || made.Attributes["Id"] != made.PhysicalID || !made.Type.IAM || made.Type.Naming != nil {
		t.Errorf("made %+v", made.Result)
	}
	for _, step := range []struct {
		name, roles string
		one, two    []string
	}{
		{"p", `["one","two"]`, []string{"p"}, []string{"p"}},
		{"q", `["two"]`, []string{}, []string{"q"}},
	} {
		b.Update(made, properties(step.name, step.roles))
		_, one, _ := b.role("one")
		if _, two, _ := b.role("two"); !slices.Equal(one, step.one) || !slices.Equal(two, step.two) {
			t.Errorf("%s in %s: %v and %v", step.name, step.roles, one, two)
		}
	}
	b.Delete(made)
	if _, two, _ := b.role("two"); len(two) != 0 {
		t.Errorf("left: %v", two)
	}
	var property *resource.PropertyError
	if err := b.Try(b.New("AWS::IAM::Policy", "Policy", properties("p", `[]`))); !errors.As(err, &property) {
		t.Errorf("for nobody: %v", err)
	}
	b.Refused("AWS::IAM::Policy", strings.Replace(properties("p", `["one"]`), "Roles", "Users", 1), "", "Property Users is not built")
}

func TestRolePolicyResource(t *testing.T) {
	t.Parallel()
	b := newStack(t, storetest.New(t))
	newRole(t, b.Service, "r", "/", lambdaTrust)
	b.Replaces("AWS::IAM::RolePolicy", true, "PolicyName", "RoleName")
	b.Replaces("AWS::IAM::RolePolicy", false, "PolicyDocument")
	properties := func(role, action string) string {
		return `{"PolicyName":"p","RoleName":"` + role + `","PolicyDocument":` + document(action) + `}`
	}
	made := b.Create("AWS::IAM::RolePolicy", "P", properties("r", "s3:Get*"))
	b.Again(made)
	if made.PhysicalID != "p|r" {
		t.Errorf("made %+v", made.Result)
	}
	b.Refused("AWS::IAM::RolePolicy", properties("r", "s3:Put*"), "EntityAlreadyExists", "The role r has a policy with name p already.")
	b.Update(made, properties("r", "s3:Put*"))
	b.Delete(made)
	if _, inline, _ := b.role("r"); len(inline) != 0 {
		t.Errorf("left: %v", inline)
	}
	b.Refused("AWS::IAM::RolePolicy", properties("none", "s3:Get*"), "NoSuchEntity", "The role with name none cannot be found.")
}

func TestManagedPolicyResource(t *testing.T) {
	t.Parallel()
	b := newStack(t, storetest.New(t))
	for _, name := range []string{"one", "two"} {
		newRole(t, b.Service, name, "/", lambdaTrust)
	}
	b.Replaces("AWS::IAM::ManagedPolicy", true, "ManagedPolicyName", "Description", "Path")
	b.Replaces("AWS::IAM::ManagedPolicy", false, "PolicyDocument", "Roles")
	properties := func(action, role string) string {
		return `{"ManagedPolicyName":"mine","Path":"/own/","Description":"d","PolicyDocument":` + document(action) + `,"Roles":["` + role + `"]}`
	}
	if found := b.Find(b.New("AWS::IAM::ManagedPolicy", "P", properties("s3:A*", "one"))); found != "" {
		t.Errorf("found %q", found)
	}
	made := b.Create("AWS::IAM::ManagedPolicy", "P", properties("s3:A*", "one"))
	b.Found(made)
	const arn = "arn:aws:iam::123456789012:policy/own/mine"
	if made.PhysicalID != arn || made.Attributes["PolicyArn"] != arn || made.Attributes["DefaultVersionId"] != "v1" || made.Attributes["AttachmentCount"] != "1" || made.Attributes["IsAttachable"] != "true" {
		t.Errorf("made %+v", made.Result)
	}
	b.Refused("AWS::IAM::ManagedPolicy", properties("s3:A*", "one"), "EntityAlreadyExists", "A policy called mine already exists.")

	// More versions than there is room for.
	for i := range 8 {
		b.Update(made, properties(fmt.Sprintf("s3:B%d", i), []string{"two", "one"}[i%2]))
	}
	if made.Attributes["DefaultVersionId"] != "v9" || made.Attributes["AttachmentCount"] != "1" {
		t.Errorf("updated: %+v", made.Result)
	}
	versions, err := b.ListPolicyVersions(b.ctx, &iam.ListPolicyVersionsInput{PolicyArn: str(arn)})
	if err != nil || len(versions.Versions) != 5 || !versions.Versions[0].IsDefaultVersion {
		t.Errorf("versions: %v %+v", err, versions)
	}
	if _, _, attached := b.role("one"); !slices.Equal(attached, []string{"mine"}) {
		t.Errorf("one has %v", attached)
	}
	b.Delete(made)
	if _, err := b.GetPolicy(b.ctx, &iam.GetPolicyInput{PolicyArn: str(arn)}); !resource.IsNotFound(err) {
		t.Errorf("after delete: %v", err)
	}
	b.Refused("AWS::IAM::ManagedPolicy", strings.Replace(properties("s3:A*", "one"), "Roles", "Groups", 1), "", "Property Groups is not built")
}

// A service acts with a role that trusts it, and with no other.
func TestActing(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	role := newRole(t, s, "deploys", "/", trustOf(`{"Service":"cloudformation.amazonaws.com"}`, ""))
	p, err := s.Acting(t.Context(), "cloudformation.amazonaws.com", role, "AWSCloudFormation")
	if err != nil || p.ARN != "arn:aws:sts::123456789012:assumed-role/deploys/AWSCloudFormation" || p.Role != role || p.Account != account {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range []string{newRole(t, s, "fn", "/", lambdaTrust), role + "x"} {
		if _, err := s.Acting(t.Context(), "cloudformation.amazonaws.com", bad, "AWSCloudFormation"); !errors.Is(err, identity.ErrNotTrusted) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
