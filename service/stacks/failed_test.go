package stacks_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// leave updates the stack one with rollback disabled.
func (r *rig) leave(template string) {
	r.t.Helper()
	if _, err := r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: aws.String("one"), TemplateBody: &template, DisableRollback: aws.Bool(true)}); err != nil {
		r.t.Fatal(err)
	}
	r.want("one", types.StackStatusUpdateFailed)
}

// refuse makes the world refuse these, and nothing else.
func (r *rig) refuse(what ...string) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	clear(r.world.refuse)
	for _, w := range what {
		r.world.refuse[w] = errors.New("no")
	}
}

func (r *rig) things(want ...string) {
	r.t.Helper()
	if got := r.world.names(); !slices.Equal(got, want) {
		r.t.Errorf("things: %v, want %v\n%s", got, want, strings.Join(r.world.did(), ", "))
	}
}

// templates fails unless that many templates are on record.
func (r *rig) templates(want int) {
	r.t.Helper()
	if left, err := r.store.List(r.t.Context(), "cloudformation/target", "", "", 0); err != nil || len(left) != want {
		r.t.Errorf("%d templates are on record, want %d (%v)", len(left), want, err)
	}
}

func oneThing(properties string) string {
	return fmt.Sprintf(`{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {%s}}}}`, properties)
}

// What a failed operation left half-made, or half-changed, is nobody's after the next one.
func TestUpdateAfterAFailureThatWasLeft(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		first, second, third string // properties of A; second fails
		refuse               string
		want                 string
	}{
		"replacement given up":         {`"Size": 1`, `"Size": 2`, `"Size": 1`, "made A", "A="},
		"replacement tried again":      {`"Size": 1`, `"Size": 2`, `"Size": 2`, "made A", "A="},
		"another replacement":          {`"Size": 1`, `"Size": 2`, `"Size": 3`, "made A", "A="},
		"replacement, then a change":   {`"Size": 1`, `"Size": 2`, `"Size": 1, "Color": "red"`, "made A", "A=red"},
		"change given up":              {`"Color": "red"`, `"Color": "blue"`, `"Color": "red"`, "changed A", "A=red"},
		"change tried again":           {`"Color": "red"`, `"Color": "blue"`, `"Color": "blue"`, "changed A", "A=blue"},
		"change that did not begin":    {`"Color": "red"`, `"Color": "blue"`, `"Color": "red"`, "update A", "A=red"},
		"change, then another":         {`"Color": "red"`, `"Color": "blue"`, `"Color": "green"`, "changed A", "A=green"},
		"change, then a replacement":   {`"Color": "red"`, `"Color": "blue"`, `"Color": "blue", "Size": 2`, "changed A", "A=blue"},
		"change, then back and bigger": {`"Color": "red"`, `"Color": "blue"`, `"Color": "red", "Size": 2`, "changed A", "A=red"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, rollback := range []bool{false, true} {
				r := newRig(t)
				r.create("one", oneThing(tt.first), types.StackStatusCreateComplete)
				r.refuse(tt.refuse)
				r.leave(oneThing(tt.second))
				want := tt.want
				if rollback { // the third fails as well, and all goes back to the first
					third := strings.Replace(oneThing(tt.third), `}}}}`, `}}, "B": {"Type": "AWS::Test::Thing", "DependsOn": "A"}}}`, 1)
					r.refuse("create B")
					r.update("one", third, types.StackStatusUpdateRollbackComplete)
					want = "A="
					if strings.Contains(tt.first, "red") {
						want = "A=red"
					}
				} else {
					r.refuse()
					r.update("one", oneThing(tt.third), types.StackStatusUpdateComplete)
				}
				r.things(want)
				r.templates(1)
				r.refuse()
				r.delete("one")
				r.things()
			}
		})
	}
}

func TestUpdateAfterAFailedCreateThatWasLeft(t *testing.T) {
	t.Parallel()
	const template = `
Parameters: {Color: {Type: String}}
Resources: {A: {Type: AWS::Test::Thing, Properties: {Color: !Ref Color}}}`
	for name, properties := range map[string]string{"same": "{Color: !Ref Color}", "other": "{Color: !Ref Color, Size: 2}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.refuse("made A")
			_, err := r.CreateStack(r.ctx, &cloudformation.CreateStackInput{
				StackName: aws.String("one"), TemplateBody: aws.String(template), Parameters: given([]string{"Color=red"}), DisableRollback: aws.Bool(true),
			})
			if err != nil {
				t.Fatal(err)
			}
			r.want("one", types.StackStatusCreateFailed)
			if out, err := r.GetTemplate(r.ctx, &cloudformation.GetTemplateInput{StackName: aws.String("one")}); err != nil || *out.TemplateBody != template {
				t.Errorf("GetTemplate: %v, %v", out, err)
			}
			r.refuse()
			next := strings.Replace(template, "{Color: !Ref Color}", properties, 1)
			_, err = r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{ // as the AWS CLI's deploy does
				StackName: aws.String("one"), TemplateBody: &next, Parameters: []types.Parameter{{ParameterKey: aws.String("Color"), UsePreviousValue: aws.Bool(true)}},
			})
			if err != nil {
				t.Fatal(err)
			}
			r.want("one", types.StackStatusUpdateComplete)
			r.things("A=red")
			r.templates(1)
			r.delete("one")
			r.things()
		})
	}
}

// A failed change set's parameters are seen and kept too.
func TestStackOfAFailedChangeSetShowsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.refuse("create A")
	in := &cloudformation.CreateChangeSetInput{
		StackName: aws.String("one"), ChangeSetName: aws.String("s"), ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: aws.String(three), Parameters: given([]string{"Color=blue"}),
	}
	if _, err := r.CreateChangeSet(r.ctx, in); err != nil {
		t.Fatal(err)
	}
	_, err := r.ExecuteChangeSet(r.ctx, &cloudformation.ExecuteChangeSetInput{StackName: in.StackName, ChangeSetName: in.ChangeSetName, DisableRollback: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	if k := r.want("one", types.StackStatusCreateFailed); len(k.Parameters) != 1 || *k.Parameters[0].ParameterValue != "blue" {
		t.Errorf("parameters: %+v", k.Parameters)
	}
}

// RollbackStack goes back to what the stack was before any of the updates that were left.
func TestRollbackStackAfterTwoFailures(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", `{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Size": 1, "Color": "red"}}}}`, types.StackStatusCreateComplete)
	first := r.world.list()
	r.refuse("create B")
	for _, properties := range []string{`"Size": 1, "Color": "blue"`, `"Size": 2, "Color": "blue"`, `"Size": 3, "Color": "green"`} {
		r.leave(`{"Resources": {"A": {"Type": "AWS::Test::Thing", "UpdateReplacePolicy": "Retain", "Properties": {` + properties + `}}, "B": {"Type": "AWS::Test::Thing", "DependsOn": "A"}}}`)
	}
	if _, err := r.RollbackStack(r.ctx, &cloudformation.RollbackStackInput{StackName: aws.String("one")}); err != nil {
		t.Fatal(err)
	}
	r.want("one", types.StackStatusUpdateRollbackComplete)
	r.things("A=red")
	for id := range r.world.list() {
		if _, was := first[id]; !was {
			t.Errorf("A is %s, and was %v", id, first)
		}
	}
	r.templates(1)
}

// What goes by the same name in another place is still another thing.
func TestReplacementOfTheSameName(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spot := func(place, color string) string {
		return `{"Resources": {"S": {"Type": "AWS::Test::Spot", "Properties": {"Place": "` + place + `", "Color": "` + color + `"}}, "B": {"Type": "AWS::Test::Thing", "DependsOn": "S", "Properties": {"Color": "` + place + `"}}}}`
	}
	r.create("one", spot("here", "red"), types.StackStatusCreateComplete)
	r.refuse("update B")
	r.leave(spot("there", "blue"))
	r.leave(spot("yonder", "green"))
	r.refuse()
	if _, err := r.RollbackStack(r.ctx, &cloudformation.RollbackStackInput{StackName: aws.String("one")}); err != nil {
		t.Fatal(err)
	}
	r.settle("one")
	r.things("B=here", "here=red")
	r.refuse()
	r.update("one", spot("there", "blue"), types.StackStatusUpdateComplete)
	r.things("B=there", "there=blue")
}

// What a replaced resource needed goes after it, and an update that turns a need round leaves nothing.
func TestCleanUpInOrder(t *testing.T) {
	t.Parallel()
	two := func(a, b string) string {
		return `{"Resources": {"A": {"Type": "AWS::Test::Thing", ` + a + `}, "B": {"Type": "AWS::Test::Thing", ` + b + `}}}`
	}
	r := newRig(t)
	r.create("one", two(`"Properties": {}`, `"DependsOn": "A", "Properties": {"Size": 1}`), types.StackStatusCreateComplete)
	r.update("one", `{"Resources": {"B": {"Type": "AWS::Test::Thing", "Properties": {"Size": 2}}}}`, types.StackStatusUpdateComplete)
	if did := r.world.did(); slices.Index(did, "delete B") > slices.Index(did, "delete A") {
		t.Errorf("deleted in the wrong order: %v", did)
	}
	r.update("one", two(`"DependsOn": "B", "Properties": {"Size": 1}`, `"Properties": {"Size": 3}`), types.StackStatusUpdateComplete)
	r.update("one", two(`"Properties": {"Size": 2}`, `"DependsOn": "A", "Properties": {"Size": 4}`), types.StackStatusUpdateComplete)
	r.things("A=", "B=")
	r.delete("one")
	r.things()
}

// A secret that is gone does not keep what was made with it.
func TestDeleteWithoutTheSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	secret := `"Secret": "{{resolve:secretsmanager:gone}}"`
	r.create("one", oneThing(secret), types.StackStatusCreateComplete)
	r.refuse("resolve gone")
	if k := r.delete("one"); k.StackStatus != types.StackStatusDeleteComplete {
		t.Errorf("%s: %s", k.StackStatus, aws.ToString(k.StackStatusReason))
	}
	r.things()
	// Nor does one that never was there keep a creation from being rolled back.
	r.create("two", oneThing(secret), types.StackStatusRollbackComplete)
	r.things()
}
