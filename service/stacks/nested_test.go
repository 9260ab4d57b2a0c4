package stacks_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// nest puts the template of a nested stack into the bucket, and gives that of a stack around it.
func (r *rig) nest(color string) string {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	r.world.bucket["b/inner"] = `
Parameters: {Color: {Type: String}}
Resources: {A: {Type: AWS::Test::Thing, Properties: {Color: !Ref Color}}}
Outputs: {Made: {Value: !GetAtt A.Color}}`
	return fmt.Sprintf(`
Resources:
  Inner: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: "s3://b/inner", Parameters: {Color: %s}}}
  B: {Type: AWS::Test::Thing, Properties: {Color: !GetAtt Inner.Outputs.Made}}`, color)
}

// grown is nest with one more thing in the nested stack, N.
func (r *rig) grown(color string) string {
	outer := r.nest(color)
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	r.world.bucket["b/grown"] = strings.Replace(r.world.bucket["b/inner"], "Resources: {", "Resources: {N: {Type: AWS::Test::Thing, DependsOn: A}, ", 1)
	return strings.Replace(outer, "b/inner", "b/grown", 1)
}

func TestNestedUpdateIsRolledBack(t *testing.T) {
	t.Parallel()
	for _, refuse := range []string{"create N", "create C"} { // inside, and beside the nested stack
		r := newRig(t)
		r.create("one", r.nest("red"), types.StackStatusCreateComplete)
		r.refuse(refuse)
		r.update("one", r.grown("blue")+`
  C: {Type: AWS::Test::Thing, DependsOn: B}`, types.StackStatusUpdateRollbackComplete)
		r.things("A=red", "B=red")
		r.refuse()
		r.update("one", r.nest("blue"), types.StackStatusUpdateComplete)
		r.things("A=blue", "B=blue")
	}
}

func TestCancelledUpdateCancelsNestedOnes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", r.nest("red"), types.StackStatusCreateComplete)
	hold := make(chan struct{})
	r.world.mu.Lock()
	r.world.hold["N"] = hold
	r.world.mu.Unlock()
	grown := r.grown("blue")
	if _, err := r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: aws.String("one"), TemplateBody: &grown}); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(strings.Join(r.world.names(), " "), "A=blue") {
		time.Sleep(time.Millisecond)
	}
	if _, err := r.CancelUpdateStack(r.ctx, &cloudformation.CancelUpdateStackInput{StackName: aws.String("one")}); err != nil {
		t.Fatal(err)
	}
	r.want("one", types.StackStatusUpdateRollbackComplete)
	r.things("A=red", "B=red")
	close(hold)
}

// Deleting a stack that is being created gives its nested stacks up as well.
func TestDeleteWhileCreatingNested(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.world.hold["A"] = make(chan struct{})
	template := r.nest("red")
	out, err := r.CreateStack(r.ctx, &cloudformation.CreateStackInput{StackName: aws.String("one"), TemplateBody: &template})
	if err != nil {
		t.Fatal(err)
	}
	for len(r.children(*out.StackId)) == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := r.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: aws.String("one")}); err != nil {
		t.Fatal(err)
	}
	r.want(*out.StackId, types.StackStatusDeleteComplete)
	for _, k := range r.children(*out.StackId) {
		t.Errorf("the nested stack is %s", k.StackStatus)
	}
	r.things()
	close(r.world.hold["A"])
}

// children are the stacks nested in one that are not deleted.
func (r *rig) children(parent string) (out []types.Stack) {
	r.t.Helper()
	all, err := r.DescribeStacks(r.ctx, &cloudformation.DescribeStacksInput{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, k := range all.Stacks {
		if aws.ToString(k.ParentId) == parent {
			out = append(out, k)
		}
	}
	return out
}

func TestRootOfNestedStacks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.world.bucket["b/middle"] = r.nest("red")
	k := r.create("one", `{"Resources": {"M": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "s3://b/middle"}}}}`, types.StackStatusCreateComplete)
	middle := r.children(*k.StackId)
	if len(middle) != 1 {
		t.Fatalf("%d nested stacks", len(middle))
	}
	inner := r.children(*middle[0].StackId)
	if len(inner) != 1 || aws.ToString(inner[0].RootId) != *k.StackId {
		t.Errorf("innermost: %+v", inner)
	}
	if r.delete("one").StackStatus != types.StackStatusDeleteComplete {
		t.Error("not deleted")
	}
	r.things()
}
