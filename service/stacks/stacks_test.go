package stacks_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

const three = `
Parameters:
  Color: {Type: String, Default: red}
Resources:
  A: {Type: AWS::Test::Thing, Properties: {Color: !Ref Color}}
  B: {Type: AWS::Test::Thing, Properties: {Color: !GetAtt A.Color, Parts: [!Ref A]}}
  C: {Type: AWS::Test::Thing, DependsOn: B, Properties: {ThingName: see, Color: blue}}
Outputs:
  First: {Value: !Ref A}
  Arn: {Value: !Sub "${C.Arn}!", Description: the last}
`

func TestCreate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	k := r.create("one", three, types.StackStatusCreateComplete)
	if got, want := r.world.did(), []string{"create A", "create B", "create C"}; !slices.Equal(got, want) {
		t.Errorf("order: got %v, want %v", got, want)
	}
	if got, want := r.world.names(), []string{"A=red", "B=red", "C=blue"}; !slices.Equal(got, want) {
		t.Errorf("things: got %v, want %v", got, want)
	}
	out := outputs(k)
	if !strings.HasPrefix(out["First"], "one-A-") || out["Arn"] != "arn:thing/see!" {
		t.Errorf("outputs: %v", out)
	}
	var story []string
	for _, e := range r.events("one") {
		story = append(story, *e.LogicalResourceId+" "+string(e.ResourceStatus)+" "+aws.ToString(e.ResourceStatusReason))
		if id := aws.ToString(e.PhysicalResourceId); *e.LogicalResourceId == "C" && (e.ResourceStatusReason == nil && e.ResourceStatus == types.ResourceStatusCreateInProgress) != (id == "") {
			t.Errorf("event %s: physical id %q", story[len(story)-1], id)
		}
	}
	want := []string{"one CREATE_IN_PROGRESS User Initiated"}
	for _, id := range []string{"A", "B", "C"} {
		want = append(want, id+" CREATE_IN_PROGRESS ", id+" CREATE_IN_PROGRESS Resource creation Initiated", id+" CREATE_COMPLETE ")
	}
	if want = append(want, "one CREATE_COMPLETE "); !slices.Equal(story, want) {
		t.Errorf("events:\n%s\nwant:\n%s", strings.Join(story, "\n"), strings.Join(want, "\n"))
	}
	list, err := r.ListStackResources(r.ctx, &cloudformation.ListStackResourcesInput{StackName: aws.String("one")})
	if err != nil || len(list.StackResourceSummaries) != 3 || *list.StackResourceSummaries[2].PhysicalResourceId != "see" {
		t.Errorf("ListStackResources: %+v, %v", list, err)
	}
}

func TestResourcesThatNeedNotOneAnotherAreMadeSideBySide(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := make(chan struct{}), make(chan struct{})
	r.world.hold["A"], r.world.hold["B"] = a, b
	template := `{"Resources": {"A": {"Type": "AWS::Test::Thing"}, "B": {"Type": "AWS::Test::Thing"}, "C": {"Type": "AWS::Test::Thing", "DependsOn": ["A", "B"]}}}`
	if _, err := r.CreateStack(r.ctx, &cloudformation.CreateStackInput{StackName: aws.String("s"), TemplateBody: &template}); err != nil {
		t.Fatal(err)
	}
	close(b) // B is done while A is not begun to be made
	for start := time.Now(); !slices.Contains(r.world.did(), "create B"); time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("B waits for A")
		}
	}
	close(a)
	r.want("s", types.StackStatusCreateComplete)
	if got := r.world.did(); got[2] != "create C" {
		t.Errorf("order: %v", got)
	}
}

func TestFailedCreateIsRolledBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.world.refuse["create C"] = &smithy.GenericAPIError{Code: "Boom", Message: "no room"}
	k := r.create("one", three, types.StackStatusRollbackComplete)
	if got := r.world.list(); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	_ = k
	story := r.told("one")
	for _, want := range []string{
		`C CREATE_FAILED  Resource handler returned message: "no room" (RequestToken: `,
		"one ROLLBACK_IN_PROGRESS arn:aws:cloudformation:eu-west-1:123456789012:stack/one/",
		"The following resource(s) failed to create: [C]. Rollback requested by user.",
		"A DELETE_COMPLETE ", "one ROLLBACK_COMPLETE ",
	} {
		if !strings.Contains(story, want) {
			t.Errorf("the story lacks %q:\n%s", want, story)
		}
	}
	if did := r.world.did(); slices.Index(did, "delete B") > slices.Index(did, "delete A") {
		t.Errorf("deleted in the wrong order: %v", did)
	}
	// Nothing but deleting is possible now.
	_, err := r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: aws.String("one"), TemplateBody: aws.String(three)})
	if err == nil || !strings.Contains(err.Error(), "is in ROLLBACK_COMPLETE state and can not be updated.") {
		t.Errorf("UpdateStack: %v", err)
	}
	if k := r.delete("one"); k == nil || k.StackStatus != types.StackStatusDeleteComplete {
		t.Errorf("after delete: %+v", k)
	}
}

func TestFailureOptions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.world.refuse["create B"] = errors.New("no")
	two := `{"Resources": {"A": {"Type": "AWS::Test::Thing"}, "B": {"Type": "AWS::Test::Thing", "DependsOn": "A"}}}`
	for name, in := range map[string]*cloudformation.CreateStackInput{
		"nothing": {OnFailure: types.OnFailureDoNothing}, "disabled": {DisableRollback: aws.Bool(true)},
	} {
		in.StackName, in.TemplateBody = aws.String(name), &two
		if _, err := r.CreateStack(r.ctx, in); err != nil {
			t.Fatal(err)
		}
		r.want(name, types.StackStatusCreateFailed)
	}
	if got := r.world.names(); len(got) != 2 {
		t.Errorf("kept: %v", got)
	}
	out, err := r.CreateStack(r.ctx, &cloudformation.CreateStackInput{StackName: aws.String("delete"), TemplateBody: &two, OnFailure: types.OnFailureDelete})
	if err != nil {
		t.Fatal(err)
	}
	r.want(*out.StackId, types.StackStatusDeleteComplete)
	if r.stack("delete") != nil {
		t.Error("a deleted stack is found by its name")
	}
	// What failed can go on with an update, or be rolled back.
	delete(r.world.refuse, "create B")
	r.update("nothing", two, types.StackStatusUpdateComplete)
	if _, err := r.RollbackStack(r.ctx, &cloudformation.RollbackStackInput{StackName: aws.String("disabled")}); err != nil {
		t.Fatal(err)
	}
	r.want("disabled", types.StackStatusRollbackComplete)
	if got := r.world.names(); len(got) != 2 {
		t.Errorf("things: %v, want those of one stack", got)
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", `
Resources:
  Stays: {Type: AWS::Test::Thing, Properties: {Color: red}}
  Turns: {Type: AWS::Test::Thing, Properties: {Color: red, ThingName: turns}}
  Grows: {Type: AWS::Test::Thing, Properties: {Color: red, Size: 1}}
  Goes: {Type: AWS::Test::Thing, Properties: {Color: red}}
  Kept: {Type: AWS::Test::Thing, DeletionPolicy: Retain, Properties: {ThingName: kept}}
Outputs:
  Grown: {Value: !Ref Grows}
`, types.StackStatusCreateComplete)
	before := outputs(r.stack("one"))["Grown"]
	k := r.update("one", `
Resources:
  Stays: {Type: AWS::Test::Thing, Properties: {Color: red}}
  Turns: {Type: AWS::Test::Thing, Properties: {Color: blue, ThingName: turns}}
  Grows: {Type: AWS::Test::Thing, Properties: {Color: red, Size: 2}}
  Comes: {Type: AWS::Test::Thing, Properties: {Color: !GetAtt Turns.Color}}
Outputs:
  Grown: {Value: !Ref Grows}
`, types.StackStatusUpdateComplete)
	if got, want := r.world.names(), []string{"Comes=blue", "Grows=red", "Kept=", "Stays=red", "Turns=blue"}; !slices.Equal(got, want) {
		t.Errorf("things: got %v, want %v", got, want)
	}
	if after := outputs(k)["Grown"]; after == before {
		t.Error("a replaced resource has its old id")
	}
	story := r.told("one")
	for _, want := range []string{
		"Grows UPDATE_IN_PROGRESS " + before + " Requested update requires the creation of a new physical resource; hence creating one.",
		"one UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "Kept DELETE_SKIPPED kept", "Goes DELETE_COMPLETE", "Grows DELETE_COMPLETE " + before,
	} {
		if !strings.Contains(story, want) {
			t.Errorf("the story lacks %q:\n%s", want, story)
		}
	}
	if strings.Contains(story, "Stays UPDATE") {
		t.Errorf("what stays was touched:\n%s", story)
	}
	// The same again is no update.
	_, err := r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: aws.String("one"), UsePreviousTemplate: aws.Bool(true)})
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != "ValidationError" || coded.ErrorMessage() != "No updates are to be performed." {
		t.Errorf("no update: %v", err)
	}
}

func TestFailedUpdateIsRolledBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", `
Resources:
  Turns: {Type: AWS::Test::Thing, Properties: {Color: red}}
  Grows: {Type: AWS::Test::Thing, Properties: {Color: red, Size: 1}}
  Goes: {Type: AWS::Test::Thing, Properties: {Color: red}}
`, types.StackStatusCreateComplete)
	was := r.world.list()
	r.world.refuse["create Fails"] = errors.New("no")
	k := r.update("one", `
Resources:
  Turns: {Type: AWS::Test::Thing, Properties: {Color: blue}}
  Grows: {Type: AWS::Test::Thing, Properties: {Color: red, Size: 2}}
  Comes: {Type: AWS::Test::Thing}
  Fails: {Type: AWS::Test::Thing, DependsOn: [Turns, Grows, Comes]}
`, types.StackStatusUpdateRollbackComplete)
	_ = k
	if got := r.world.list(); len(got) != len(was) {
		t.Errorf("things: %v, want %v", got, was)
	} else {
		for id, thing := range was {
			if got[id] != thing {
				t.Errorf("thing %s: %v, want %v", id, got[id], thing)
			}
		}
	}
	story := r.told("one")
	for _, want := range []string{
		"one UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Fails]. ", "one UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "Comes DELETE_COMPLETE",
	} {
		if !strings.Contains(story, want) {
			t.Errorf("the story lacks %q:\n%s", want, story)
		}
	}
	list, err := r.ListStackResources(r.ctx, &cloudformation.ListStackResourcesInput{StackName: aws.String("one")})
	if err != nil || len(list.StackResourceSummaries) != 3 {
		t.Errorf("resources: %+v, %v", list, err)
	}
	// And it can be updated again.
	r.update("one", `{"Resources": {"Turns": {"Type": "AWS::Test::Thing", "Properties": {"Color": "green"}}}}`, types.StackStatusUpdateComplete)
	if got := r.world.names(); !slices.Equal(got, []string{"Turns=green"}) {
		t.Errorf("things: %v", got)
	}
}

func TestRollbackThatFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", `{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Color": "red"}}}}`, types.StackStatusCreateComplete)
	r.world.refuse["create B"] = errors.New("no")
	r.world.hold["B"] = make(chan struct{})
	template := `{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Color": "blue"}}, "B": {"Type": "AWS::Test::Thing", "DependsOn": "A"}}}`
	if _, err := r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: aws.String("one"), TemplateBody: &template}); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); !slices.Contains(r.world.names(), "A=blue"); time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("A is not updated:\n%s", r.told("one"))
		}
	}
	r.world.mu.Lock()
	r.world.refuse["update A"] = errors.New("stuck")
	r.world.mu.Unlock()
	close(r.world.hold["B"])
	r.want("one", types.StackStatusUpdateRollbackFailed)
	r.world.mu.Lock()
	delete(r.world.refuse, "update A")
	r.world.mu.Unlock()
	if _, err := r.ContinueUpdateRollback(r.ctx, &cloudformation.ContinueUpdateRollbackInput{StackName: aws.String("one")}); err != nil {
		t.Fatal(err)
	}
	r.want("one", types.StackStatusUpdateRollbackComplete)
	if got := r.world.names(); !slices.Equal(got, []string{"A=red"}) {
		t.Errorf("things: %v", got)
	}
}

func TestCancelUpdate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", `{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Color": "red"}}}}`, types.StackStatusCreateComplete)
	r.world.hold["B"] = make(chan struct{})
	template := `{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Color": "blue"}}, "B": {"Type": "AWS::Test::Thing"}, "C": {"Type": "AWS::Test::Thing", "DependsOn": "B"}}}`
	if _, err := r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: aws.String("one"), TemplateBody: &template}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CancelUpdateStack(r.ctx, &cloudformation.CancelUpdateStackInput{StackName: aws.String("one")}); err != nil {
		t.Fatal(err)
	}
	r.want("one", types.StackStatusUpdateRollbackComplete)
	if got := r.world.names(); !slices.Equal(got, []string{"A=red"}) {
		t.Errorf("things: %v", got)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", three, types.StackStatusCreateComplete)
	r.world.refuse["delete B"] = &smithy.GenericAPIError{Code: "ThingNotEmpty", Message: "full"}
	k := r.delete("one")
	if k.StackStatus != types.StackStatusDeleteFailed || aws.ToString(k.StackStatusReason) != "The following resource(s) failed to delete: [B]. " {
		t.Fatalf("got %s %q", k.StackStatus, aws.ToString(k.StackStatusReason))
	}
	if got := r.world.names(); !slices.Equal(got, []string{"A=red", "B=red"}) {
		t.Errorf("left: %v; C was to go, and A, which B needs, to stay", got)
	}
	if _, err := r.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: aws.String("one"), RetainResources: []string{"B"}}); err != nil {
		t.Fatal(err)
	}
	k = r.want(*k.StackId, types.StackStatusDeleteComplete)
	if got := r.world.names(); !slices.Equal(got, []string{"B=red"}) {
		t.Errorf("left: %v", got)
	}
	// By name it is gone, by ARN it is not, and its name is free.
	if _, err := r.DescribeStacks(r.ctx, &cloudformation.DescribeStacksInput{StackName: aws.String("one")}); err == nil || !strings.Contains(err.Error(), "Stack with id one does not exist") {
		t.Errorf("DescribeStacks: %v", err)
	}
	if len(r.events(*k.StackId)) == 0 {
		t.Error("the events are gone")
	}
	if _, err := r.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: aws.String("one")}); err != nil {
		t.Errorf("deleting what is not there: %v", err)
	}
	r.create("one", `{"Resources": {"A": {"Type": "AWS::Test::Thing"}}}`, types.StackStatusCreateComplete)
	listed, err := r.ListStacks(r.ctx, &cloudformation.ListStacksInput{})
	if err != nil || len(listed.StackSummaries) != 2 {
		t.Errorf("ListStacks: %+v, %v", listed, err)
	}
}

func TestTerminationProtection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", `{"Resources": {"A": {"Type": "AWS::Test::Thing"}}}`, types.StackStatusCreateComplete)
	protect := func(on bool) {
		if _, err := r.UpdateTerminationProtection(r.ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: aws.String("one"), EnableTerminationProtection: &on}); err != nil {
			t.Fatal(err)
		}
	}
	protect(true)
	if _, err := r.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: aws.String("one")}); err == nil || !strings.Contains(err.Error(), "TerminationProtection is enabled") {
		t.Errorf("DeleteStack: %v", err)
	}
	protect(false)
	if k := r.delete("one"); k.StackStatus != types.StackStatusDeleteComplete {
		t.Errorf("got %s", k.StackStatus)
	}
}

func TestNamesThatUsersGiveCannotBeReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", `{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"ThingName": "mine", "Size": 1}}}}`, types.StackStatusCreateComplete)
	r.update("one", `{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"ThingName": "mine", "Size": 2}}}}`, types.StackStatusUpdateRollbackComplete)
	if story := r.told("one"); !strings.Contains(story, "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename mine") {
		t.Error(story)
	}
	if got := r.world.names(); !slices.Equal(got, []string{"A="}) {
		t.Errorf("things: %v", got)
	}
}

func TestExports(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	exporter := func(color string) string {
		return `
Resources: {A: {Type: AWS::Test::Thing, Properties: {Color: ` + color + `}}}
Outputs: {Color: {Value: !GetAtt A.Color, Export: {Name: !Sub "${AWS::StackName}-color"}}}`
	}
	r.create("from", exporter("red"), types.StackStatusCreateComplete)
	r.create("to", `{"Resources": {"B": {"Type": "AWS::Test::Thing", "Properties": {"Color": {"Fn::ImportValue": "from-color"}}}}}`, types.StackStatusCreateComplete)
	if got := r.world.names(); !slices.Contains(got, "B=red") {
		t.Errorf("things: %v", got)
	}
	imports, err := r.ListImports(r.ctx, &cloudformation.ListImportsInput{ExportName: aws.String("from-color")})
	if err != nil || !slices.Equal(imports.Imports, []string{"to"}) {
		t.Errorf("ListImports: %+v, %v", imports, err)
	}
	r.update("from", exporter("blue"), types.StackStatusUpdateRollbackComplete)
	if got := r.world.names(); !slices.Equal(got, []string{"A=red", "B=red"}) {
		t.Errorf("things: %v", got)
	}
	if k := r.delete("from"); k.StackStatus != types.StackStatusDeleteFailed || aws.ToString(k.StackStatusReason) != "Export from-color cannot be deleted as it is in use by to" {
		t.Errorf("delete: %s %s", k.StackStatus, aws.ToString(k.StackStatusReason))
	}
	r.delete("to")
	if k := r.delete("from"); k.StackStatus != types.StackStatusDeleteComplete {
		t.Errorf("delete: %s", k.StackStatus)
	}
	if out, err := r.ListExports(r.ctx, &cloudformation.ListExportsInput{}); err != nil || len(out.Exports) != 0 {
		t.Errorf("ListExports: %+v, %v", out, err)
	}
	_, err = r.CreateStack(r.ctx, &cloudformation.CreateStackInput{StackName: aws.String("x"), TemplateBody: aws.String(`{"Resources": {"B": {"Type": "AWS::Test::Thing", "Properties": {"Color": {"Fn::ImportValue": "nobody"}}}}}`)})
	if err == nil || !strings.Contains(err.Error(), "No export named nobody found") {
		t.Errorf("importing what nobody exports: %v", err)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	template := `
Parameters: {Password: {Type: String, NoEcho: true}}
Resources:
  A: {Type: AWS::Test::Thing, Properties: {Secret: !Ref Password, Color: "{{resolve:ssm:/color:2}}"}}
`
	k := r.create("one", template, types.StackStatusCreateComplete, "Password=hunter2")
	if got := *k.Parameters[0].ParameterValue; got != "****" {
		t.Errorf("parameter: %q", got)
	}
	if got := r.world.names(); !slices.Equal(got, []string{"A=resolved-ssm-/color:2"}) {
		t.Errorf("dynamic reference: %v", got)
	}
	for _, e := range r.events("one") {
		if strings.Contains(aws.ToString(e.ResourceProperties), "hunter2") {
			t.Errorf("event shows it: %s", *e.ResourceProperties)
		}
	}
	for _, kind := range []string{"cloudformation/stack", "cloudformation/target", "cloudformation/resource", "cloudformation/event", "cloudformation/operation"} {
		records, err := r.store.List(t.Context(), kind, "", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			if strings.Contains(string(record.Value), "hunter2") {
				t.Errorf("record %s %s holds it in the clear", kind, record.Key)
			}
		}
	}
	// The previous value is still there.
	if _, err := r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: aws.String("one"), UsePreviousTemplate: aws.Bool(true), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
		Parameters: []types.Parameter{{ParameterKey: aws.String("Password"), UsePreviousValue: aws.Bool(true)}}}); err != nil {
		t.Fatal(err)
	}
	r.want("one", types.StackStatusUpdateComplete)
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	plain := `{"Resources": {"R": {"Type": "AWS::Test::Role"}}}`
	named := `{"Resources": {"R": {"Type": "AWS::Test::Role", "Properties": {"RoleName": "boss"}}}}`
	for _, tt := range []struct {
		template string
		given    []types.Capability
		want     string
	}{
		{plain, nil, "Requires capabilities : [CAPABILITY_IAM]"},
		{plain, []types.Capability{"CAPABILITY_IAM"}, ""},
		{plain, []types.Capability{"CAPABILITY_NAMED_IAM"}, ""},
		{named, []types.Capability{"CAPABILITY_IAM"}, "Requires capabilities : [CAPABILITY_NAMED_IAM]"},
		{named, []types.Capability{"CAPABILITY_NAMED_IAM"}, ""},
	} {
		_, err := r.CreateChangeSet(r.ctx, &cloudformation.CreateChangeSetInput{
			StackName: aws.String("s"), ChangeSetName: aws.String("c"), ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: &tt.template, Capabilities: tt.given,
		})
		var refused *types.InsufficientCapabilitiesException
		if tt.want == "" && err != nil || tt.want != "" && (!errors.As(err, &refused) || refused.ErrorMessage() != tt.want) {
			t.Errorf("%s with %v: %v, want %q", tt.template, tt.given, err, tt.want)
		}
		if err == nil {
			if _, err := r.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: aws.String("s")}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
