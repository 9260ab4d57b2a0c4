package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"countersign/edge"
	"countersign/service/authority"
	"countersign/store"
)

// A feed makes one data plane's snapshot and publishes it.
type feed struct {
	name    string
	kinds   []string // of records whose change calls for a new snapshot
	publish func(ctx context.Context, r store.Revision) error
	shows   store.Revision // the revision of the last attempt; owned by the publisher's goroutine
	stale   bool           // make a snapshot even if nothing changed: the last attempt failed, or time has passed
}

// A partial error says that a snapshot was published without something that it
// should have. It holds nothing up and is tried again.
type partial struct{ error }

func (p partial) Unwrap() error { return p.error }

// A publisher follows the store's revision and keeps the data planes up to date:
// revocations first, which are added to a set as they come, then whole snapshots of
// what changed. Callers that must see the effect of what they wrote wait in settle.
type publisher struct {
	store       store.Store
	authority   *authority.Service
	revocations *edge.Revocations
	revoked     *revocationLog
	feeds       []*feed
	log         *slog.Logger

	issuers map[string]authority.IssuerKey
	writing sync.WaitGroup // of a file of revocations

	mu      sync.Mutex
	shown   store.Revision // every feed and the revocations show at least this one
	changed chan struct{}  // closed and replaced when shown rises
	woken   bool           // something is to be done that no commit tells of
	cancel  context.CancelFunc
}

// retry is how long a snapshot that could not be made waits for its next attempt.
const retry = time.Second

// start brings everything up to date once, so that nothing is served before
// revocations and trust stores are in place.
func (p *publisher) start(ctx context.Context) error {
	p.changed = make(chan struct{})
	revision := p.store.Revision()
	if err := p.revoked.start(ctx); err != nil {
		return err
	}
	for _, f := range p.feeds {
		if err := p.feed(ctx, f, revision); err != nil {
			return err
		}
	}
	p.shown = revision
	p.woken = true // there may be a file to write
	return nil
}

// run follows the store until ctx ends.
func (p *publisher) run(ctx context.Context) {
	defer p.writing.Wait()
	p.writing.Go(func() { // the only one who takes damage note of without a commit
		for {
			select {
			case <-p.revocations.Damaged():
				p.revoked.damaged.Store(true)
				p.interrupt()
			case <-ctx.Done():
				return
			}
		}
	})
	for {
		revision, err := p.wait(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = p.catchUp(ctx, revision)
		}
		if err != nil && ctx.Err() == nil {
			// What is in force stays in force, and is tried again.
			p.log.Error("the data plane could not be brought up to date; it keeps what it has", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(retry):
			}
		}
	}
}

// refresh is how often snapshots are made even though nothing was written:
// certificates of the local root are renewed with them.
const refresh = 12 * time.Hour

// partialRetry is how long a snapshot that lacks something waits for the next.
const partialRetry = 10 * time.Second

func (p *publisher) wait(ctx context.Context) (store.Revision, error) {
	p.mu.Lock()
	after := p.shown
	p.mu.Unlock()
	limit := refresh
	for _, f := range p.feeds {
		if f.stale {
			limit = partialRetry
		}
	}
	if p.revoked.more {
		return max(after, p.store.Revision()), nil
	}
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	p.mu.Lock()
	p.cancel = cancel
	woken := p.woken
	p.woken = false
	p.mu.Unlock()
	if woken {
		return after, nil
	}
	revision, err := p.store.Wait(waiting, after)
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, context.DeadlineExceeded):
		for _, f := range p.feeds {
			f.stale = true
		}
		return after, nil
	case errors.Is(err, context.Canceled): // interrupt
		return after, nil
	}
	return revision, err
}

// interrupt has the publisher look around though nothing was committed.
func (p *publisher) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.woken = true
	if p.cancel != nil {
		p.cancel()
	}
}

func (p *publisher) catchUp(ctx context.Context, revision store.Revision) error {
	failed := p.revoked.catchUp(ctx) // of one part, which is no reason to hold the others up
	for _, f := range p.feeds {
		if f.stale || p.newest(f.kinds) > f.shows {
			failed = errors.Join(failed, p.feed(ctx, f, revision))
		}
	}
	if failed != nil {
		return failed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = revision // also while the feed of revocations is not read to its end: until it is, everybody is refused
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

// feed publishes a snapshot of the feed.
func (p *publisher) feed(ctx context.Context, f *feed, revision store.Revision) error {
	err := f.publish(ctx, revision)
	f.shows, f.stale = revision, err != nil
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", f.name, err)
	if errors.As(err, new(partial)) && ctx.Err() == nil {
		p.log.Error("published, but not all of it", "error", err)
		return nil
	}
	return err
}

func (p *publisher) newest(kinds []string) (newest store.Revision) {
	for _, k := range kinds {
		newest = max(newest, p.store.Changed(k))
	}
	return newest
}

func (p *publisher) issuer(ctx context.Context, id string) (authority.IssuerKey, error) {
	if key, ok := p.issuers[id]; ok {
		return key, nil
	}
	issuers, err := p.authority.Issuers(ctx)
	if err != nil {
		return authority.IssuerKey{}, fmt.Errorf("read the keys of authorities: %w", err)
	}
	p.issuers = issuers
	key, ok := issuers[id]
	if !ok {
		return key, fmt.Errorf("a certificate of authority %s is revoked, but its key is not in the store", id)
	}
	return key, nil
}

// settleTime bounds how long an answer waits for the data plane. What was
// written is durable in any case, and the data plane goes on catching up.
const settleTime = 5 * time.Second

// settle waits until the data planes show everything that is committed now and
// concerns them.
func (p *publisher) settle(ctx context.Context) {
	target := p.store.Changed(store.KindRevocation)
	for _, f := range p.feeds {
		target = max(target, p.newest(f.kinds))
	}
	var late *time.Timer
	for {
		p.mu.Lock()
		shown, changed := p.shown, p.changed
		p.mu.Unlock()
		if shown >= target {
			return
		}
		if late == nil {
			late = time.NewTimer(settleTime)
			defer late.Stop()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-late.C:
			p.log.Warn("answered before the data plane had caught up", "revision", target, "shown", shown)
			return
		}
	}
}
