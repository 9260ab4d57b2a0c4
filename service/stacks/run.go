package stacks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"countersign/call"
	"countersign/service/stacks/resource"
	"countersign/store"
)

// Run carries out stack operations: those under way when the node was started or killed, and those that
// are written while it runs. It returns when there is none left. It is the
// Run of a job, so one node does it at a time.
func (s *Service) Run(ctx context.Context) (time.Time, error) {
	var mu sync.Mutex
	active := map[string]bool{}
	var wg sync.WaitGroup
	defer wg.Wait()
	done := make(chan struct{}, 1)
	for {
		seen := s.Store.Revision()
		records, err := s.Store.List(ctx, KindOperation, "", "", 0)
		if err != nil {
			return time.Time{}, fmt.Errorf("list stack operations: %w", err)
		}
		mu.Lock()
		for _, r := range records {
			if active[r.Key] {
				continue
			}
			active[r.Key] = true
			wg.Go(func() {
				s.carryOut(ctx, r)
				mu.Lock()
				delete(active, r.Key)
				mu.Unlock()
				select {
				case done <- struct{}{}:
				default:
				}
			})
		}
		idle := len(active) == 0
		mu.Unlock()
		if idle || ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		waiting, cancel := context.WithCancel(ctx)
		go func() {
			select {
			case <-done:
				cancel()
			case <-waiting.Done():
			}
		}()
		for at := seen; ; { // until an operation was written or ended
			if at, err = s.Store.Wait(waiting, at); err != nil || s.Store.Changed(KindOperation) > seen {
				break
			}
		}
		cancel()
	}
}

// carryOut runs one operation to its end, or as far as ctx lets it.
func (s *Service) carryOut(ctx context.Context, r store.Record) {
	for failures := 0; ctx.Err() == nil; failures++ {
		err := s.execute(ctx, r.Key)
		if err == nil || ctx.Err() != nil {
			return
		}
		// What fails here is ours or the store's, not a resource: it is tried again.
		s.Logger.Error("a stack operation stumbled; it goes on in a moment", "operation", r.Key, "error", err)
		pause(ctx, s.Store, min(time.Second<<min(failures, 5), time.Minute))
	}
}

// pause waits for a commit, or for d of real time: nothing here depends on how long it really is.
func pause(ctx context.Context, from store.Store, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	_, _ = from.Wait(ctx, from.Revision())
}

// An execution is one operation being carried out.
type execution struct {
	s     *Service
	op    *operation
	stack *stack
	want  *prepared // of op.Target; nil: none

	mu       sync.Mutex // of the fields of records, and of the next two
	records  map[string]*resourceRecord
	begun    map[string]bool           // by token: changes that this execution began itself
	imports  map[string]store.Revision // by export name: what was imported, as it stood
	failing  chan struct{}             // closed at the first failure: what waits, gives up
	failOnce sync.Once
}

// errCancelled ends the waiting of resources beside one that failed.
var errCancelled = words("Resource creation cancelled")

func (s *Service) execute(ctx context.Context, key string) error {
	for {
		op, _, err := load[operation](ctx, s, KindOperation, key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		x, err := s.newExecution(ctx, op)
		if err != nil {
			return err
		}
		ctx := x.context(ctx)
		switch op.Phase {
		case phaseApply:
			err = x.apply(ctx)
		case phaseRollback:
			err = x.rollBack(ctx)
		case phaseCleanup:
			err = x.cleanUp(ctx)
		case phaseDelete:
			err = x.remove(ctx)
		default:
			err = fmt.Errorf("operation %s is in phase %q, which this version does not know", op.ID, op.Phase)
		}
		if err != nil {
			return err
		}
	}
}

func (s *Service) newExecution(ctx context.Context, op *operation) (*execution, error) {
	x := &execution{s: s, op: op, begun: map[string]bool{}, imports: map[string]store.Revision{}, failing: make(chan struct{})}
	var err error
	if x.stack, _, err = load[stack](ctx, s, kindStack, op.key()); err != nil {
		return nil, fmt.Errorf("read the stack of operation %s: %w", op.ID, err)
	}
	if x.records, err = s.resources(ctx, op.Stack); err != nil {
		return nil, err
	}
	return x, nil
}

// context is what the operation's calls run with: whoever asked for it, past the gate.
func (x *execution) context(ctx context.Context) context.Context {
	ctx = call.With(ctx, call.Call{
		Account: x.op.Account, Region: x.op.Region, Service: "cloudformation", Principal: x.op.Principal, Signing: call.Internal, Via: call.CloudFormation,
	})
	return resource.WithGate(ctx, x.s.Gate)
}

// fail makes resources that wait give up.
func (x *execution) fail() { x.failOnce.Do(func() { close(x.failing) }) }

// commit writes a step of the operation: what change does to the stack, and what it adds to the batch. Only the
// operation's own node writes the operation's record, so that is simply put.
func (x *execution) commit(ctx context.Context, change func(k *stack, b *store.Batch) error) error {
	k, err := x.s.edit(ctx, x.op.key(), func(k *stack, b *store.Batch) error {
		if k.Operation != x.op.ID {
			return fmt.Errorf("stack %s is in the hands of operation %s, not %s", k.Name, k.Operation, x.op.ID)
		}
		if k.Status == "DELETE_IN_PROGRESS" && x.op.Phase != phaseDelete { // DeleteStack took over: takeOver
			op, _, err := load[operation](ctx, x.s, KindOperation, x.op.key())
			if err != nil {
				return err
			}
			x.op = op
			x.phase(b, phaseDelete)
			return nil
		}
		return change(k, b)
	})
	if err == nil {
		x.stack = k
	}
	return err
}

// status moves the stack to another status, with an event.
func (x *execution) status(k *stack, b *store.Batch, status, reason string) error {
	k.Status, k.Reason = status, reason
	return x.s.stackEvent(b, k, x.op, reason)
}

// phase moves the operation on.
func (x *execution) phase(b *store.Batch, phase string) {
	x.op.Phase = phase
	b.Put(KindOperation, x.op.key(), encode(x.op))
}

// end drops the operation.
func (x *execution) end(k *stack, b *store.Batch) {
	k.Operation = ""
	b.Delete(KindOperation, x.op.key())
}

// stackEvent is the stack's own event, of its status.
func (s *Service) stackEvent(b *store.Batch, k *stack, op *operation, reason string) error {
	e := event{LogicalID: k.Name, PhysicalID: k.arn(), Type: typeStack, Status: k.Status, Reason: reason}
	if op != nil {
		e.Operation, e.ClientToken = op.ID, op.ClientToken
	}
	return s.putEvent(b, k.ID, e)
}
