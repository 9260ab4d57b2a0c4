package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"countersign/store"
)

// leaseKind is the kind of the leases; the key is the job's name.
const leaseKind = "jobs/lease"

const (
	leaseLife  = 30 * time.Second
	leaseRenew = 10 * time.Second // of its life that may pass before it is renewed

	leaseTimeout = 5 * time.Second // of one commit that renews or drops it
)

// errLost is why a run's context ended when the lease was not kept.
var errLost = errors.New("the lease was lost")

// leaseRecord is the stored form of a lease.
type leaseRecord struct {
	Holder string `json:"holder"`
}

// A lease is the right to run one job. One goroutine uses it at a time.
type lease struct {
	store  store.Store
	now    func() time.Time
	job    string
	holder string

	at    store.Revision // that our record stands at
	until time.Time
}

// take takes the lease, and says whether it got it.
func (l *lease) take(ctx context.Context) (bool, error) {
	r, err := l.store.Get(ctx, leaseKind, l.job)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return l.write(ctx, 0)
	case err != nil:
		return false, err
	}
	var held leaseRecord
	if err := json.Unmarshal(r.Value, &held); err != nil {
		return false, fmt.Errorf("read the lease of %s: %w", l.job, err)
	}
	if held.Holder != l.holder {
		return false, nil
	}
	return l.write(ctx, r.Revision)
}

// write makes the lease ours from now on, if it still stands at revision was.
func (l *lease) write(ctx context.Context, was store.Revision) (bool, error) {
	value, err := json.Marshal(leaseRecord{Holder: l.holder})
	if err != nil {
		return false, err
	}
	until := l.now().Add(leaseLife)
	at, err := l.store.Commit(ctx, new(store.Batch).ReplaceUntil(leaseKind, l.job, value, was, until))
	switch {
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrExists):
		return false, nil
	case err != nil:
		return false, err
	}
	l.at, l.until = at, until
	return true, nil
}

// keep renews the lease until stop is closed, which is when the run has
// returned: one that is slow to stop after the end of ctx keeps its lease. When
// that is no longer possible it cancels the run with errLost.
func (l *lease) keep(ctx context.Context, stop <-chan struct{}, cancel context.CancelCauseFunc, log *slog.Logger) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now := l.now()
		if now.Before(l.until.Add(leaseRenew - leaseLife)) {
			continue
		}
		held, err := l.renew(ctx)
		switch {
		case err == nil && !held:
			cancel(errLost)
			return
		case err != nil && !now.Before(l.until):
			cancel(fmt.Errorf("%w: %w", errLost, err))
			return
		case err != nil:
			log.Warn("a job's lease could not be renewed yet", "error", err)
		}
	}
}

// renew says whether the lease is still ours.
func (l *lease) renew(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTimeout)
	defer cancel()
	held, err := l.write(ctx, l.at)
	if err == nil && !held && l.now().Before(l.until) {
		// Perhaps an earlier renewal took effect without our learning of it:
		// then the record bears our name, and only its revision is news.
		return l.take(ctx)
	}
	return held, err
}

// drop gives the lease back so that another need not wait for its end. It does
// so after the end of ctx too.
func (l *lease) drop(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTimeout)
	defer cancel()
	if _, err := l.store.Commit(ctx, new(store.Batch).DeleteIf(leaseKind, l.job, l.at)); err != nil {
		log.Debug("a job's lease was not given back; it ends by itself", "error", err)
	}
}
