package stacks_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/service/stacks"
	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// between gives a second rig beside r, whose first commit that writes a record of the kind is preceded by do: what
// another client did between the second one's reading and writing.
func (r *rig) between(kind string, do func()) *rig {
	r.t.Helper()
	var once sync.Once
	return idleRig(r.t, storetest.FailBefore(r.store, func(b *store.Batch) error {
		for _, op := range b.Ops {
			if put, ok := op.(store.PutOp); ok && put.Kind == kind {
				once.Do(do)
			}
		}
		return nil
	}), r.world)
}

const (
	redThing  = `{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Color": "red"}}}}`
	blueThing = `{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Color": "blue"}}}}`
)

// set makes a change set of the stack one.
func (r *rig) propose(name, template string, kind types.ChangeSetType) error {
	_, err := r.CreateChangeSet(r.ctx, &cloudformation.CreateChangeSetInput{StackName: aws.String("one"), ChangeSetName: &name, ChangeSetType: kind, TemplateBody: &template})
	return err
}

func (r *rig) perform(name string) error {
	_, err := r.ExecuteChangeSet(r.ctx, &cloudformation.ExecuteChangeSetInput{StackName: aws.String("one"), ChangeSetName: &name})
	return err
}

func TestChangeSetThatIsDeletedWhileItIsExecuted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", redThing, types.StackStatusCreateComplete)
	if err := r.propose("s", blueThing, types.ChangeSetTypeUpdate); err != nil {
		t.Fatal(err)
	}
	other := r.between(stacks.KindOperation, func() {
		if _, err := r.DeleteChangeSet(r.ctx, &cloudformation.DeleteChangeSetInput{StackName: aws.String("one"), ChangeSetName: aws.String("s")}); err != nil {
			t.Error(err)
		}
	})
	var missing *types.ChangeSetNotFoundException
	if err := other.perform("s"); !errors.As(err, &missing) {
		t.Errorf("ExecuteChangeSet: %v", err)
	}
	r.want("one", types.StackStatusCreateComplete)
}

func TestChangeSetIsExecutedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", redThing, types.StackStatusCreateComplete)
	if err := r.propose("s", `{"Resources": {"A": {"Type": "AWS::Test::Thing"}, "B": {"Type": "AWS::Test::Thing"}}}`, types.ChangeSetTypeUpdate); err != nil {
		t.Fatal(err)
	}
	r.world.refuse["create B"] = errors.New("no")
	other := r.between(stacks.KindOperation, func() { // the first execution is over and rolled back
		if err := r.perform("s"); err != nil {
			t.Error(err)
		}
		r.settle("one")
	})
	var status *types.InvalidChangeSetStatusException
	if err := other.perform("s"); !errors.As(err, &status) {
		t.Errorf("the second ExecuteChangeSet: %v", err)
	}
	r.want("one", types.StackStatusUpdateRollbackComplete)
}

func TestChangeSetNamesCanBeUsedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := r.propose("s", redThing, types.ChangeSetTypeCreate); err != nil {
		t.Fatal(err)
	}
	if err := r.perform("s"); err != nil {
		t.Fatal(err)
	}
	r.want("one", types.StackStatusCreateComplete)
	for _, template := range []string{blueThing, redThing} {
		if err := r.propose("s", template, types.ChangeSetTypeUpdate); err != nil {
			t.Fatal(err)
		}
		if err := r.perform("s"); err != nil {
			t.Fatal(err)
		}
		r.want("one", types.StackStatusUpdateComplete)
	}
	// One that was made before an update of another kind is obsolete.
	if err := r.propose("old", blueThing, types.ChangeSetTypeUpdate); err != nil {
		t.Fatal(err)
	}
	r.update("one", three, types.StackStatusUpdateComplete)
	out, err := r.DescribeChangeSet(r.ctx, &cloudformation.DescribeChangeSetInput{StackName: aws.String("one"), ChangeSetName: aws.String("old")})
	if err != nil || out.ExecutionStatus != types.ExecutionStatusObsolete {
		t.Errorf("DescribeChangeSet: %v, %v", out.ExecutionStatus, err)
	}
	if err := r.perform("old"); err == nil || !strings.Contains(err.Error(), "OBSOLETE") {
		t.Errorf("ExecuteChangeSet: %v", err)
	}
}

func TestChangeSetOfAStackThatIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", redThing, types.StackStatusCreateComplete)
	other := r.between("cloudformation/changeset", func() { r.delete("one") })
	if err := other.propose("s", blueThing, types.ChangeSetTypeUpdate); err == nil {
		t.Error("a deleted stack got a change set")
	}
	for _, kind := range []string{"cloudformation/changeset", "cloudformation/target"} {
		if left, err := r.store.List(t.Context(), kind, "", "", 0); err != nil || kind == "cloudformation/changeset" && len(left) > 0 || len(left) > 1 {
			t.Errorf("%s: %d records are left (%v)", kind, len(left), err)
		}
	}
}

// A stack that was deleted between the reading and the writing of another DeleteStack
// stays deleted, and the name's next bearer is left alone.
func TestDeletedTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", redThing, types.StackStatusCreateComplete)
	first := r.stack("one")
	other := r.between(stacks.KindOperation, func() {
		r.delete("one")
		r.create("one", blueThing, types.StackStatusCreateComplete)
	})
	if _, err := other.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: aws.String("one")}); err != nil {
		t.Errorf("the second DeleteStack: %v", err)
	}
	r.want(*first.StackId, types.StackStatusDeleteComplete)
	if k := r.settle("one"); k == nil || k.StackStatus != types.StackStatusCreateComplete || *k.StackId == *first.StackId {
		t.Errorf("the name's next bearer: %+v", k)
	}
	if got := r.world.names(); len(got) != 1 || got[0] != "A=blue" {
		t.Errorf("things: %v", got)
	}
}

func TestRefusedUpdateLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", redThing, types.StackStatusCreateComplete)
	r.world.hold["A"] = make(chan struct{})
	other := r.between(stacks.KindOperation, func() {
		replaced := `{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Size": 2}}}}`
		if _, err := r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: aws.String("one"), TemplateBody: &replaced}); err != nil {
			t.Error(err)
		}
	})
	if _, err := other.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: aws.String("one"), TemplateBody: aws.String(blueThing)}); err == nil || !strings.Contains(err.Error(), "is in UPDATE_IN_PROGRESS state and can not be updated.") {
		t.Errorf("the second UpdateStack: %v", err)
	}
	if _, err := r.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: aws.String("one")}); err == nil || !strings.Contains(err.Error(), "cannot be deleted while in status UPDATE_IN_PROGRESS") {
		t.Errorf("DeleteStack: %v", err)
	}
	close(r.world.hold["A"])
	r.want("one", types.StackStatusUpdateComplete)
	if left, err := r.store.List(t.Context(), "cloudformation/target", "", "", 0); err != nil || len(left) != 1 {
		t.Errorf("%d templates are kept, want 1 (%v)", len(left), err)
	}
}

// DeleteStack gives up a creation that is under way, whatever its resources wait for.
func TestDeleteWhileCreating(t *testing.T) {
	t.Parallel()
	for _, failing := range []bool{false, true} {
		r := newRig(t)
		r.world.hold["B"] = make(chan struct{})
		defer close(r.world.hold["B"])
		template := `{"Resources": {"A": {"Type": "AWS::Test::Thing"}, "B": {"Type": "AWS::Test::Thing", "DependsOn": "A"}, "C": {"Type": "AWS::Test::Thing", "DependsOn": "B"}}}`
		out, err := r.CreateStack(r.ctx, &cloudformation.CreateStackInput{StackName: aws.String("one"), TemplateBody: &template, DisableRollback: &failing})
		if err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); len(r.world.list()) == 0; time.Sleep(time.Millisecond) {
			if time.Since(start) > 10*time.Second {
				t.Fatal("A was not made")
			}
		}
		for range 2 {
			if _, err := r.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: aws.String("one"), ClientRequestToken: aws.String("token")}); err != nil {
				t.Fatalf("DeleteStack: %v", err)
			}
		}
		r.want(*out.StackId, types.StackStatusDeleteComplete)
		if got := r.world.list(); len(got) > 0 {
			t.Errorf("left: %v", got)
		}
		if story := r.told(*out.StackId); !strings.Contains(story, "one DELETE_IN_PROGRESS") || strings.Contains(story, "ROLLBACK") {
			t.Error(story)
		}
	}
}
