package stacks_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

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
	for name, tt := range map[string]struct {
		there  bool // the stack is there at the start
		begin  func(r *rig) error
		refuse string
		status types.StackStatus
		left   []string
	}{
		"create":          {false, create, "", types.StackStatusCreateComplete, []string{"Goes=red", "Grows=red", "Turns=red"}},
		"failing create":  {false, create, "create Grows", types.StackStatusRollbackComplete, nil},
		"update":          {true, update, "", types.StackStatusUpdateComplete, []string{"Comes=", "Grows=blue", "Turns=blue"}},
		"failing update":  {true, update, "create Comes", types.StackStatusUpdateRollbackComplete, []string{"Goes=red", "Grows=red", "Turns=red"}},
		"failing replace": {true, update, "create Grows", types.StackStatusUpdateRollbackComplete, []string{"Goes=red", "Grows=red", "Turns=red"}},
		"delete":          {true, remove, "", types.StackStatusDeleteComplete, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for after, wrap := range map[bool]func(store.Store, func(*store.Batch) error) store.Store{false: storetest.FailBefore, true: storetest.FailAfter} {
				for n := int64(1); ; n++ {
					if !killed(t, tt.there, base, tt.begin, tt.refuse, n, wrap, tt.status, tt.left) {
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
func killed(t *testing.T, there bool, base string, begin func(*rig) error, refuse string, n int64, wrap func(store.Store, func(*store.Batch) error) store.Store, status types.StackStatus, left []string) bool {
	t.Helper()
	s, w := storetest.New(t), newWorld()
	idle := idleRig(t, s, w)
	if there {
		first, stop := context.WithCancel(context.Background())
		if _, err := idle.CreateStack(idle.ctx, &cloudformation.CreateStackInput{StackName: aws.String("one"), TemplateBody: &base}); err != nil {
			t.Fatal(err)
		}
		if _, err := idle.Run(first); err != nil {
			t.Fatal(err)
		}
		stop()
	}
	if refuse != "" {
		w.refuse[refuse] = errors.New("refused")
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
