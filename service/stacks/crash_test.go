package stacks_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// A node that is killed in the middle of a stack operation, before or after any
// one of its commits, ends it after its restart as if nothing had happened, and nothing is left over.
func TestKilledAtEveryCommit(t *testing.T) {
	t.Parallel()
	const (
		base = `
Resources:
  Turns: {Type: AWS::Test::Thing, Properties: {Color: red}}
  Grows: {Type: AWS::Test::Thing, Properties: {Color: !GetAtt Turns.Color, Size: 1}}
  Goes: {Type: AWS::Test::Thing, Properties: {Color: red}}
Outputs: {Grown: {Value: !Ref Grows, Export: {Name: grown}}}`
		next = `
Resources:
  Turns: {Type: AWS::Test::Thing, Properties: {Color: blue}}
  Grows: {Type: AWS::Test::Thing, Properties: {Color: !GetAtt Turns.Color, Size: 2}}
  Comes: {Type: AWS::Test::Thing, Properties: {Parts: [!Ref Grows]}}
Outputs: {Grown: {Value: !Ref Grows}}`
	)
	create := func(r *rig) error {
		_, err := r.CreateStack(r.ctx, &cloudformation.CreateStackInput{StackName: aws.String("one"), TemplateBody: aws.String(base)})
		return err
	}
	update := func(r *rig) error {
		_, err := r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: aws.String("one"), TemplateBody: aws.String(next)})
		return err
	}
	remove := func(r *rig) error {
		_, err := r.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: aws.String("one")})
		return err
	}
	// there makes the stack one, and what should have happened to it before.
	there := func(r *rig) { r.create("one", base, types.StackStatusCreateComplete) }
	failed := func(r *rig) { // an update failed in its middle, and was left so
		there(r)
		r.refuse("made Comes", "made Grows")
		if _, err := r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: aws.String("one"), TemplateBody: aws.String(next), DisableRollback: aws.Bool(true)}); err != nil {
			r.t.Fatal(err)
		}
		r.want("one", types.StackStatusUpdateFailed)
		r.refuse()
	}
	stuck := func(r *rig) { // a rollback failed
		there(r)
		hold := make(chan struct{})
		r.world.mu.Lock()
		r.world.hold["Comes"] = hold
		r.world.mu.Unlock()
		if err := update(r); err != nil {
			r.t.Fatal(err)
		}
		for !slices.Contains(r.world.names(), "Grows=blue") {
			time.Sleep(time.Millisecond)
		}
		r.refuse("made Comes", "update Turns")
		close(hold)
		r.want("one", types.StackStatusUpdateRollbackFailed)
	}
	rollback := func(r *rig) error {
		_, err := r.RollbackStack(r.ctx, &cloudformation.RollbackStackInput{StackName: aws.String("one")})
		return err
	}
	resume := func(skip ...string) func(r *rig) error {
		return func(r *rig) error {
			_, err := r.ContinueUpdateRollback(r.ctx, &cloudformation.ContinueUpdateRollbackInput{StackName: aws.String("one"), ResourcesToSkip: skip})
			return err
		}
	}
	old, new := []string{"Goes=red", "Grows=red", "Turns=red"}, []string{"Comes=", "Grows=blue", "Turns=blue"}
	for name, tt := range map[string]struct {
		before func(r *rig) // nil: there is no stack
		begin  func(r *rig) error
		refuse string
		status types.StackStatus
		left   []string
	}{
		"create":                        {nil, create, "", types.StackStatusCreateComplete, old},
		"failing create":                {nil, create, "create Grows", types.StackStatusRollbackComplete, nil},
		"half-failing create":           {nil, create, "made Grows", types.StackStatusRollbackComplete, nil},
		"update":                        {there, update, "", types.StackStatusUpdateComplete, new},
		"failing update":                {there, update, "create Comes", types.StackStatusUpdateRollbackComplete, old},
		"half-failing update":           {there, update, "made Comes", types.StackStatusUpdateRollbackComplete, old},
		"failing replace":               {there, update, "create Grows", types.StackStatusUpdateRollbackComplete, old},
		"half-failing replace":          {there, update, "made Grows", types.StackStatusUpdateRollbackComplete, old},
		"delete":                        {there, remove, "", types.StackStatusDeleteComplete, nil},
		"failing delete":                {there, remove, "delete Grows", types.StackStatusDeleteFailed, []string{"Grows=red", "Turns=red"}},
		"update after failure":          {failed, update, "", types.StackStatusUpdateComplete, new},
		"another failure after failure": {failed, update, "made Comes", types.StackStatusUpdateRollbackComplete, old},
		"rollback after failure":        {failed, rollback, "", types.StackStatusUpdateRollbackComplete, old},
		"delete after failure":          {failed, remove, "", types.StackStatusDeleteComplete, nil},
		"continued rollback":            {stuck, resume(), "", types.StackStatusUpdateRollbackComplete, old},
		"rollback that skips":           {stuck, resume("Turns"), "update Turns", types.StackStatusUpdateRollbackComplete, []string{"Goes=red", "Grows=red", "Turns=blue"}},
		"delete after stuck":            {stuck, remove, "", types.StackStatusDeleteComplete, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for after, wrap := range map[bool]func(store.Store, func(*store.Batch) error) store.Store{false: storetest.FailBefore, true: storetest.FailAfter} {
				for n := int64(1); ; n++ {
					if !killed(t, tt.before, tt.begin, tt.refuse, n, wrap, tt.status, tt.left) {
						t.Logf("killed at each of %d commits (after they took effect: %v)", n-1, after)
						break
					}
				}
			}
		})
	}
}

// killed runs one operation on a node that dies at its n-th commit, and finishes it
// on another. It reports whether the first node came to commit that often.
func killed(t *testing.T, before func(*rig), begin func(*rig) error, refuse string, n int64, wrap func(store.Store, func(*store.Batch) error) store.Store, status types.StackStatus, left []string) bool {
	t.Helper()
	s, w := storetest.New(t), newWorld()
	idle := idleRig(t, s, w)
	if before != nil {
		running, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); idle.run(running) }()
		before(idle)
		stop()
		<-done
	}
	idle.refuse()
	if refuse != "" {
		idle.refuse(refuse)
	}
	if err := begin(idle); err != nil {
		t.Fatal(err)
	}
	arn := *idle.stack("one").StackId

	dying, kill := context.WithCancel(context.Background())
	defer kill()
	var commits atomic.Int64
	var dead atomic.Bool
	mortal := wrap(s, func(*store.Batch) error {
		if commits.Add(1) >= n {
			dead.Store(true)
			kill()
		}
		if dead.Load() {
			return errors.New("killed")
		}
		return nil
	})
	_, _ = idleRig(t, mortal, w).Run(dying)
	if !dead.Load() {
		return false
	}

	if _, err := idleRig(t, s, w).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	heir := idleRig(t, s, w)
	k := heir.stack(arn)
	what := fmt.Sprintf("killed at commit %d", n)
	if k.StackStatus != status {
		t.Fatalf("%s: %s, want %s\n%s", what, k.StackStatus, status, heir.told(arn))
	}
	if got := w.names(); !slices.Equal(got, left) {
		t.Fatalf("%s: %v, want %v\n%s\n%v", what, got, left, heir.told(arn), w.did())
	}
	if records, err := s.List(t.Context(), "cloudformation/target", "", "", 0); err != nil || len(records) != 1 {
		t.Errorf("%s: %d templates are kept, want 1 (%v)", what, len(records), err)
	}
	return true
}
