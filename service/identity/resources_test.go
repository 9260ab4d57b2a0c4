package identity_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/service/identity"
	"countersign/service/stacks/resource"
	"countersign/store"
	"countersign/store/storetest"
	"countersign/wire"
	"countersign/wire/shape"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// A driver does to resources what a stack does, one at a time. Its gate lets every
// valid call of IAM's model through.
type driver struct {
	*identity.Service
	t       *testing.T
	ctx     context.Context
	types   map[string]resource.Type
	changes int
}

func drive(t *testing.T, st store.Store) *driver {
	t.Helper()
	d := &driver{t: t, types: map[string]resource.Type{}, Service: newService(t, newClock(), func(c *identity.Config) { c.Store = st })}
	m, _ := shape.Service("iam")
	d.ctx = resource.WithGate(asRoot(t.Context()), func(ctx context.Context, input any) (context.Context, error) {
		op, ok := m.Operations[strings.TrimSuffix(reflect.TypeOf(input).Elem().Name(), "Input")]
		if !ok {
			return ctx, fmt.Errorf("%T is no input of IAM", input)
		}
		return ctx, wire.Validate(op, input)
	})
	for _, typ := range d.ResourceTypes() {
		d.types[strings.TrimPrefix(typ.Name, "AWS::IAM::")] = typ
	}
	return d
}

func (d *driver) change(logicalID string, properties map[string]any) *resource.Change[map[string]any] {
	d.changes++
	return &resource.Change[map[string]any]{
		Stack:     resource.Stack{ID: "arn:aws:cloudformation:eu-west-1:123456789012:stack/demo/1", Name: "demo", Account: account, Region: "eu-west-1", Partition: "aws"},
		LogicalID: logicalID, Raw: properties, Token: fmt.Sprintf("00000000-0000-0000-0000-%012d", d.changes),
		Tags:      map[string]string{"aws:cloudformation:stack-name": "demo", "aws:cloudformation:logical-id": logicalID, "of": "the stack"},
		Initiated: func(string) error { return nil }, Now: time.Now,
	}
}

func (d *driver) create(typ, logicalID string, properties map[string]any) resource.Result {
	d.t.Helper()
	if problems := d.types[typ].Check(properties); len(problems) > 0 {
		d.t.Fatalf("%s: %v", logicalID, problems)
	}
	out, err := d.types[typ].Create(d.ctx, d.change(logicalID, properties))
	if err != nil {
		d.t.Fatalf("create %s: %v", logicalID, err)
	}
	return out
}

func (d *driver) update(typ string, r resource.Result, old, properties map[string]any) (resource.Result, error) {
	c := d.change("X", properties)
	c.PhysicalID, c.Attributes, c.OldRaw = r.PhysicalID, r.Attributes, old
	return d.types[typ].Update(d.ctx, c)
}

func (d *driver) mustUpdate(typ string, r resource.Result, old, properties map[string]any) resource.Result {
	d.t.Helper()
	for range 2 { // again, as after a crash
		out, err := d.update(typ, r, old, properties)
		if err != nil || out.PhysicalID != r.PhysicalID {
			d.t.Fatalf("update %s: %v %+v", r.PhysicalID, err, out)
		}
		r = out
	}
	return r
}

// delete deletes twice: that it is gone already is a success.
func (d *driver) delete(typ string, r resource.Result, properties map[string]any) {
	d.t.Helper()
	for range 2 {
		c := d.change("X", properties)
		c.PhysicalID, c.Attributes = r.PhysicalID, r.Attributes
		if err := d.types[typ].Delete(d.ctx, c); err != nil {
			d.t.Fatalf("delete %s: %v", r.PhysicalID, err)
		}
	}
}

// role is a role as a stack may want it: its policies, and what else there is to see.
func (d *driver) role(name string) (r *iamtypes.Role, inline, attached []string) {
	d.t.Helper()
	got, err := d.GetRole(d.ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		d.t.Fatal(err)
	}
	names, err := d.ListRolePolicies(d.ctx, &iam.ListRolePoliciesInput{RoleName: &name})
	if err != nil {
		d.t.Fatal(err)
	}
	managed, err := d.ListAttachedRolePolicies(d.ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &name})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, p := range managed.AttachedPolicies {
		attached = append(attached, *p.PolicyName)
	}
	return got.Role, names.PolicyNames, attached
}

func with(properties map[string]any, changes map[string]any) map[string]any {
	out := maps.Clone(properties)
	for k, v := range changes {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// object is a document as a template has it.
func object(action string) map[string]any {
	return map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": action, "Resource": "*"}}}
}

var trustObject = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
	"Effect": "Allow", "Principal": map[string]any{"Service": []any{"lambda.amazonaws.com"}}, "Action": []any{"sts:AssumeRole"}}}}

func roleWith() map[string]any {
	return map[string]any{
		"RoleName": "demo-Role-1", "AssumeRolePolicyDocument": trustObject, "Description": "of a stack", "MaxSessionDuration": "7200",
		"ManagedPolicyArns": []any{basicExecution, "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess"}, "PermissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess",
		"Policies": []any{map[string]any{"PolicyName": "a", "PolicyDocument": object("s3:Get*")}, map[string]any{"PolicyName": "b", "PolicyDocument": s3Read}},
		"Tags":     []any{map[string]any{"Key": "team", "Value": "blue"}},
	}
}

func tagsOf(r *iamtypes.Role) string {
	var all []string
	for _, t := range r.Tags {
		all = append(all, *t.Key+"="+*t.Value)
	}
	return strings.Join(all, " ")
}

func TestRoleResource(t *testing.T) {
	t.Parallel()
	d := drive(t, storetest.New(t))
	typ := d.types["Role"]
	if !typ.IAM || !typ.Replaces("RoleName") || !typ.Replaces("Path") || typ.Replaces("Description") || typ.Naming.Property != "RoleName" || typ.Naming.Limit != 64 ||
		!typ.HasAttribute("Arn") || !typ.HasAttribute("RoleId") || typ.HasAttribute("RoleName") {
		t.Errorf("the type is %+v", typ)
	}
	properties := roleWith()
	made := d.create("Role", "Role", properties)
	r, inline, attached := d.role("demo-Role-1")
	if made.PhysicalID != "demo-Role-1" || made.Ref != "" || made.Attributes["Arn"] != *r.Arn || made.Attributes["RoleId"] != *r.RoleId {
		t.Errorf("made %+v", made)
	}
	if !slices.Equal(inline, []string{"a", "b"}) || !slices.Equal(attached, []string{"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"}) ||
		*r.MaxSessionDuration != 7200 || *r.PermissionsBoundary.PermissionsBoundaryArn != properties["PermissionsBoundary"] {
		t.Errorf("role %+v with %v and %v", r, inline, attached)
	}
	if got := tagsOf(r); got != "of=the stack team=blue" { // and none of CloudFormation's own
		t.Errorf("tags %s", got)
	}
	if trusted, err := d.Trusts(t.Context(), lambdaService, *r.Arn); err != nil || !trusted {
		t.Errorf("the trust policy: %v, %v", trusted, err)
	}

	next := with(properties, map[string]any{
		"Description": nil, "MaxSessionDuration": nil, "PermissionsBoundary": nil, "AssumeRolePolicyDocument": strings.Replace(lambdaTrust, "lambda.", "apigateway.", 1),
		"ManagedPolicyArns": []any{basicExecution, "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}, "Policies": []any{map[string]any{"PolicyName": "b", "PolicyDocument": object("s3:Put*")}},
		"Tags": []any{map[string]any{"Key": "Team", "Value": "red"}},
	})
	d.mustUpdate("Role", made, properties, next)
	r, inline, attached = d.role("demo-Role-1")
	if r.Description != nil || *r.MaxSessionDuration != 3600 || r.PermissionsBoundary != nil || !slices.Equal(inline, []string{"b"}) ||
		!slices.Equal(attached, []string{"AmazonS3ReadOnlyAccess", "AWSLambdaBasicExecutionRole"}) {
		t.Errorf("updated: %+v with %v and %v", r, inline, attached)
	}
	if got := tagsOf(r); got != "Team=red of=the stack" {
		t.Errorf("tags %s", got)
	}
	if b, err := d.GetRolePolicy(d.ctx, &iam.GetRolePolicyInput{RoleName: str("demo-Role-1"), PolicyName: str("b")}); err != nil || !strings.Contains(unescaped(t, b.PolicyDocument), `"s3:Put*"`) {
		t.Errorf("policy b: %v %+v", err, b)
	}

	// What somebody else has attached keeps the role.
	other := str("arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess")
	if _, err := d.AttachRolePolicy(d.ctx, &iam.AttachRolePolicyInput{RoleName: str("demo-Role-1"), PolicyArn: other}); err != nil {
		t.Fatal(err)
	}
	c := d.change("Role", next)
	c.PhysicalID = "demo-Role-1"
	wantError(t, "with a policy of others", typ.Delete(d.ctx, c), "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	if _, err := d.DetachRolePolicy(d.ctx, &iam.DetachRolePolicyInput{RoleName: str("demo-Role-1"), PolicyArn: other}); err != nil {
		t.Fatal(err)
	}
	d.delete("Role", made, next)

	for _, bad := range []map[string]any{
		{}, {"AssumeRolePolicyDocument": trustObject, "Policies": []any{map[string]any{"PolicyName": "a"}}},
		{"AssumeRolePolicyDocument": trustObject, "Tags": []any{map[string]any{"Key": "aws:x", "Value": ""}}}, {"AssumeRolePolicyDocument": trustObject, "Rolename": "x"},
	} {
		if problems := typ.Check(bad); len(problems) != 1 {
			t.Errorf("%v: %v", bad, problems)
		}
	}
	_, err := typ.Create(d.ctx, d.change("Role", map[string]any{"RoleName": "r", "AssumeRolePolicyDocument": object("s3:*")}))
	wantError(t, "a document that trusts nobody", err, "MalformedPolicyDocument", "Missing required field Principal")
	_, err = typ.Create(d.ctx, d.change("Role", map[string]any{"RoleName": "a b", "AssumeRolePolicyDocument": trustObject}))
	wantError(t, "a bad name", err, "ValidationError", "1 validation error detected")
}

// A role is made once, however often an attempt is cut off; and it is nobody else's.
func TestRoleResourceAfterACrash(t *testing.T) {
	t.Parallel()
	for cut := 1; ; cut++ {
		st := storetest.New(t)
		commits, crashed := 0, errors.New("the node was killed")
		d := drive(t, storetest.FailAfter(st, func(*store.Batch) error {
			if commits++; commits == cut {
				return crashed
			}
			return nil
		}))
		typ, c := d.types["Role"], d.change("Role", roleWith())
		_, err := typ.Create(d.ctx, c)
		if err == nil {
			if cut < 6 {
				t.Errorf("the role took only %d writes", commits)
			}
			return
		}
		if !errors.Is(err, crashed) {
			t.Fatal(err)
		}
		found, err := typ.Find(d.ctx, c)
		if err != nil || found != "demo-Role-1" {
			t.Fatalf("found %q after %d writes, %v", found, cut, err)
		}
		c.PhysicalID = found
		made, err := typ.Create(d.ctx, c)
		if err != nil {
			t.Fatalf("again after %d writes: %v", cut, err)
		}
		if _, inline, attached := d.role("demo-Role-1"); len(inline) != 2 || len(attached) != 2 {
			t.Errorf("after %d writes: %v %v", cut, inline, attached)
		}
		other := d.change("Role", roleWith())
		if found, err := typ.Find(d.ctx, other); err != nil || found != "" {
			t.Errorf("another change found %q, %v", found, err)
		}
		_, err = typ.Create(d.ctx, other)
		wantError(t, "another change", err, "EntityAlreadyExists", "Role with name demo-Role-1 already exists.")
		d.delete("Role", made, roleWith())
	}
}

func TestPolicyResource(t *testing.T) {
	t.Parallel()
	d := drive(t, storetest.New(t))
	for _, name := range []string{"one", "two"} {
		newRole(t, d.Service, name, "/", lambdaTrust)
	}
	properties := map[string]any{"PolicyName": "p", "PolicyDocument": object("s3:Get*"), "Roles": []any{"one"}}
	made := d.create("Policy", "Policy", properties)
	if !strings.HasPrefix(made.PhysicalID, "demo-Policy-") || made.Attributes["Id"] != made.PhysicalID {
		t.Errorf("made %+v", made)
	}
	inline := func(name string) []string {
		_, inline, _ := d.role(name)
		return inline
	}
	next := with(properties, map[string]any{"PolicyName": "q", "Roles": []any{"two"}})
	for _, step := range []struct {
		old, now map[string]any
		one, two []string
	}{
		{properties, with(properties, map[string]any{"Roles": []any{"one", "two"}}), []string{"p"}, []string{"p"}},
		{with(properties, map[string]any{"Roles": []any{"one", "two"}}), next, []string{}, []string{"q"}},
	} {
		made = d.mustUpdate("Policy", made, step.old, step.now)
		if one, two := inline("one"), inline("two"); !slices.Equal(one, step.one) || !slices.Equal(two, step.two) {
			t.Errorf("%v: %v and %v", step.now, one, two)
		}
	}
	d.delete("Policy", made, next)
	if two := inline("two"); len(two) != 0 {
		t.Errorf("left: %v", two)
	}
	var property *resource.PropertyError
	if _, err := d.types["Policy"].Create(d.ctx, d.change("Policy", with(properties, map[string]any{"Roles": nil}))); !errors.As(err, &property) {
		t.Errorf("for nobody: %v", err)
	}
	if problems := d.types["Policy"].Check(with(properties, map[string]any{"Users": []any{"alice"}})); len(problems) != 1 || !strings.Contains(problems[0].Message, "not built") {
		t.Errorf("for a user: %v", problems)
	}
}

func TestRolePolicyResource(t *testing.T) {
	t.Parallel()
	d := drive(t, storetest.New(t))
	newRole(t, d.Service, "r", "/", lambdaTrust)
	typ := d.types["RolePolicy"]
	if !typ.Replaces("PolicyName") || !typ.Replaces("RoleName") || typ.Replaces("PolicyDocument") {
		t.Errorf("the type is %+v", typ)
	}
	properties := map[string]any{"PolicyName": "p", "RoleName": "r", "PolicyDocument": object("s3:Get*")}
	for range 2 { // again, as after a crash
		if made := d.create("RolePolicy", "P", properties); made.PhysicalID != "p|r" {
			t.Errorf("made %+v", made)
		}
	}
	next := with(properties, map[string]any{"PolicyDocument": object("s3:Put*")})
	_, err := typ.Create(d.ctx, d.change("Other", next))
	wantError(t, "a policy that somebody has made", err, "EntityAlreadyExists", "The role r has a policy with name p already.")
	made := d.mustUpdate("RolePolicy", resource.Result{PhysicalID: "p|r"}, properties, next)
	d.delete("RolePolicy", made, next)
	if _, inline, _ := d.role("r"); len(inline) != 0 {
		t.Errorf("left: %v", inline)
	}
	_, err = typ.Create(d.ctx, d.change("P", with(properties, map[string]any{"RoleName": "none"})))
	wantError(t, "no role", err, "NoSuchEntity", "The role with name none cannot be found.")
}

func TestManagedPolicyResource(t *testing.T) {
	t.Parallel()
	d := drive(t, storetest.New(t))
	for _, name := range []string{"one", "two"} {
		newRole(t, d.Service, name, "/", lambdaTrust)
	}
	typ := d.types["ManagedPolicy"]
	if !typ.IAM || !typ.Replaces("ManagedPolicyName") || !typ.Replaces("Description") || !typ.Replaces("Path") || typ.Replaces("PolicyDocument") || typ.Naming.Property != "ManagedPolicyName" {
		t.Errorf("the type is %+v", typ)
	}
	properties := map[string]any{"ManagedPolicyName": "demo-P-1", "Path": "/own/", "Description": "d", "PolicyDocument": object("s3:A*"), "Roles": []any{"one"}}
	c := d.change("P", properties)
	if found, err := typ.Find(d.ctx, c); err != nil || found != "" {
		t.Errorf("found %q, %v", found, err)
	}
	var made resource.Result
	for range 2 { // again, as after a crash
		var err error
		if made, err = typ.Create(d.ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	const arn = "arn:aws:iam::123456789012:policy/own/demo-P-1"
	if made.PhysicalID != arn || made.Attributes["PolicyArn"] != arn || made.Attributes["DefaultVersionId"] != "v1" || made.Attributes["AttachmentCount"] != "1" || made.Attributes["IsAttachable"] != "true" {
		t.Errorf("made %+v", made)
	}
	for name := range made.Attributes {
		if !typ.HasAttribute(name) {
			t.Errorf("the attribute %s cannot be read", name)
		}
	}
	if found, err := typ.Find(d.ctx, c); err != nil || found != arn {
		t.Errorf("found %q, %v", found, err)
	}
	_, err := typ.Create(d.ctx, d.change("P", properties))
	wantError(t, "another change", err, "EntityAlreadyExists", "A policy called demo-P-1 already exists.")

	// More versions than there is room for.
	old := properties
	for i := range 8 {
		next := with(old, map[string]any{"PolicyDocument": object(fmt.Sprintf("s3:B%d", i)), "Roles": []any{[]string{"two", "one"}[i%2]}})
		made = d.mustUpdate("ManagedPolicy", made, old, next)
		old = next
	}
	if made.Attributes["DefaultVersionId"] != "v9" || made.Attributes["AttachmentCount"] != "1" {
		t.Errorf("updated: %+v", made)
	}
	versions, err := d.ListPolicyVersions(d.ctx, &iam.ListPolicyVersionsInput{PolicyArn: aws.String(arn)})
	if err != nil || len(versions.Versions) != 5 || !versions.Versions[0].IsDefaultVersion {
		t.Errorf("versions: %v %+v", err, versions)
	}
	if _, _, attached := d.role("one"); !slices.Equal(attached, []string{"demo-P-1"}) {
		t.Errorf("one has %v", attached)
	}
	d.delete("ManagedPolicy", made, old)
	if _, err := d.GetPolicy(d.ctx, &iam.GetPolicyInput{PolicyArn: aws.String(arn)}); !resource.IsNotFound(err) {
		t.Errorf("after delete: %v", err)
	}
	if problems := typ.Check(with(properties, map[string]any{"Groups": []any{"g"}})); len(problems) != 1 || !strings.Contains(problems[0].Message, "not built") {
		t.Errorf("for a group: %v", problems)
	}
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
