package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"countersign/store"
)

// A worker runs one job, on one goroutine.
type worker struct {
	Job
	store  store.Store
	now    func() time.Time
	log    *slog.Logger
	failed func(job string) // nil: nobody
	lease  lease

	// Reasons to run:
	pending bool           // the start, a poke, a run that failed
	seen    store.Revision // what the last run can have seen of its kinds: Changed above it
	next    time.Time      // when the last run asked to come back; zero: not asked

	// Reasons not to:
	failures  int            // in a row
	pause     time.Time      // no run before this, after a failure
	blocked   bool           // another holds the lease,
	blockedAt store.Revision // and no lease has been written since this revision
}

func (w *worker) work(ctx context.Context, commits, poked <-chan struct{}) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if w.due() {
			w.turn(ctx)
			continue
		}
		select {
		case <-ctx.Done():
		case <-commits:
		case <-poked:
			w.pending, w.pause = true, time.Time{}
		case <-ticker.C:
			w.blocked = false // the lease may have expired, which no commit tells
		}
	}
}

// due reports whether the job is to run now.
func (w *worker) due() bool {
	if w.blocked && w.store.Changed(leaseKind) == w.blockedAt {
		return false
	}
	now := w.now()
	if now.Before(w.pause) {
		return false
	}
	return w.pending || w.changed() > w.seen || !w.next.IsZero() && !now.Before(w.next)
}

// changed is the newest revision that touched one of the job's kinds.
func (w *worker) changed() store.Revision {
	var newest store.Revision
	for _, kind := range w.Kinds {
		newest = max(newest, w.store.Changed(kind))
	}
	return newest
}

// turn runs the job if its lease is to be had.
func (w *worker) turn(ctx context.Context) {
	leases := w.store.Changed(leaseKind) // before we look
	held, err := w.lease.take(ctx)
	switch {
	case err != nil:
		w.fail(ctx, fmt.Errorf("take the lease: %w", err))
		return
	case !held:
		w.blocked, w.blockedAt = true, leases
		return
	}
	w.blocked = false

	// What is committed from here on may be news to the run.
	w.seen, w.pending, w.next = w.changed(), false, time.Time{}
	next, err := w.runLeased(ctx)
	if err != nil {
		w.fail(ctx, err)
		return
	}
	w.next, w.failures, w.pause = next, 0, time.Time{}
}

// fail plans another run after a pause.
func (w *worker) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // told to stop, it stopped
	}
	pause := backoffMax
	if w.failures < 6 {
		pause = min(pause, backoffMin<<w.failures)
	}
	w.failures++
	w.pending, w.pause = true, w.now().Add(pause)
	if w.failed != nil {
		w.failed(w.Name)
	}
	w.log.Warn("a job failed; it will run again", "error", err, "failures", w.failures, "pause", pause)
}

// runLeased runs the job while something keeps its lease, and gives the lease back.
func (w *worker) runLeased(ctx context.Context) (next time.Time, err error) {
	running, cancel := context.WithCancelCause(ctx)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		w.lease.keep(running, stop, cancel, w.log)
	}()
	defer func() {
		close(stop)
		<-stopped
		if lost := context.Cause(running); lost != nil && ctx.Err() == nil {
			// Whatever Run made of it: another node may have run beside it.
			next, err = time.Time{}, lost
		}
		cancel(nil)
		w.lease.drop(ctx, w.log)
	}()
	// One job's bug must not take the node down.
	defer func() {
		if p := recover(); p != nil {
			next, err = time.Time{}, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return w.Run(running)
}
