// Package jobs runs a node's background work: renewing, publishing CRLs,
// cleaning up. Work is a Job that finds out from the store what there is to do,
// so that any node can do it; a lease in the store sees to it that one does at
// a time. It answers for no AWS API. It keeps no queue and no history: a job
// must be able to run again at any time, and be cheap when nothing is to be done.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"countersign/store"
)

// A Job is one kind of background work.
type Job struct {
	// Name is the key of its lease; unique among the jobs of all nodes that share the store.
	Name string

	// Kinds of records (or of the ledger) whose commits are a reason to run. A run
	// that writes to them itself is a reason for another one.
	Kinds []string

	// Run does what there is to do, and says when to come back even if nothing
	// is committed: the zero time for never, a time that has come for at once.
	// With an error next is ignored, and the job runs again after a pause that
	// doubles from a second to a minute. The context ends when the Runner's does
	// and when the lease is lost; Run must return soon then.
	Run func(ctx context.Context) (next time.Time, err error)
}

// A Runner runs jobs: each once at start, then when a commit has touched one of
// its Kinds, when the time has come that its last run asked for, and when it is
// poked. Reasons that come up during a run lead to one more run after it. All
// runners on a store run each job for reasons of their own, but never two of them the
// same job at once.
//
// Set the fields before Run, and leave them alone after.
type Runner struct {
	Store  store.Store
	Now    func() time.Time
	Logger *slog.Logger // nil: nowhere
	Jobs   []Job

	// Failed, when not nil, is told of every run of a job that failed.
	Failed func(job string)

	// Holder names this process among those that share the store. A lease under
	// this name that Run finds is left over from a predecessor that died.
	Holder string

	mu    sync.Mutex
	pokes map[string]chan struct{} // by job; each holds a token
}

const (
	// tick is how soon a runner notices that its clock was moved.
	tick = time.Second

	backoffMin = time.Second
	backoffMax = time.Minute
)

// Poke makes the job run soon, without regard to a pause after a failure. A
// name that no job has is ignored. It is safe for concurrent use, before Run too.
func (r *Runner) Poke(name string) {
	select {
	case r.poke(name) <- struct{}{}:
	default: // it is going to run already
	}
}

func (r *Runner) poke(name string) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pokes == nil {
		r.pokes = map[string]chan struct{}{}
	}
	if r.pokes[name] == nil {
		r.pokes[name] = make(chan struct{}, 1)
	}
	return r.pokes[name]
}

// Run runs the jobs until ctx ends and all of them have returned. It fails,
// before any job has run, when the Runner is not set up to work.
func (r *Runner) Run(ctx context.Context) error {
	if r.Holder == "" {
		return errors.New("jobs: the runner has no holder's name for its leases")
	}
	names := map[string]bool{}
	for _, job := range r.Jobs {
		if job.Name == "" || names[job.Name] {
			return fmt.Errorf("jobs: %q is no job's name or that of two", job.Name)
		}
		names[job.Name] = true
	}
	log := r.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var wg sync.WaitGroup
	commits := make([]chan struct{}, len(r.Jobs))
	for i, job := range r.Jobs {
		commits[i] = make(chan struct{}, 1)
		w := &worker{
			Job: job, failed: r.Failed, store: r.Store, now: r.Now, log: log.With("job", job.Name),
			lease:   lease{store: r.Store, now: r.Now, job: job.Name, holder: r.Holder},
			pending: true, // a run at start
		}
		wg.Go(func() { w.work(ctx, commits[i], r.poke(job.Name)) })
	}
	wg.Go(func() { r.follow(ctx, commits) })
	wg.Wait()
	return nil
}

// follow tells every worker of commits.
func (r *Runner) follow(ctx context.Context, commits []chan struct{}) {
	at := r.Store.Revision()
	for {
		var err error
		if at, err = r.Store.Wait(ctx, at); err != nil {
			return // ctx has ended, or the store was closed under us
		}
		for _, c := range commits {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
}
