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
	feeds       []*feed
	log         *slog.Logger

	revoked store.Revision // up to here the feed of revocations was read
	issuers map[string]authority.IssuerKey

	mu      sync.Mutex
	shown   store.Revision // every feed and the revocations show at least this one
	changed chan struct{}  // closed and replaced when shown rises
}

// retry is how long a snapshot that could not be made waits for its next attempt.
const retry = time.Second

// start brings everything up to date once, so that nothing is served before
// revocations and trust stores are in place.
func (p *publisher) start(ctx context.Context) error {
	p.changed = make(chan struct{})
	revision := p.store.Revision()
	if err := p.readRevocations(ctx); err != nil {
		return err
	}
	for _, f := range p.feeds {
		if err := p.feed(ctx, f, revision); err != nil {
			return err
		}
	}
	p.shown = revision
	return nil
}

// run follows the store until ctx ends.
func (p *publisher) run(ctx context.Context) {
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
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	revision, err := p.store.Wait(waiting, after)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		for _, f := range p.feeds {
			f.stale = true
		}
		return after, nil
	}
	return revision, err
}

func (p *publisher) catchUp(ctx context.Context, revision store.Revision) error {
	var failed error // of one part, which is no reason to hold the others up
	if p.store.Changed(store.KindRevocation) > p.revoked {
		failed = p.readRevocations(ctx)
	}
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
	p.shown = revision
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

// readRevocations adds what was revoked since the last time to the set. A
// revocation whose issuer cannot be found is an error, and is looked at again the next
// time; those after it are added all the same.
func (p *publisher) readRevocations(ctx context.Context) error {
	const batch = 10_000
	var unknown error
	for after := p.revoked; ; {
		rows, err := p.store.Revocations(ctx, after, batch)
		if err != nil {
			return fmt.Errorf("read revocations: %w", err)
		}
		if len(rows) == 0 {
			return unknown
		}
		byIssuer := map[authority.IssuerKey][][]byte{}
		for _, r := range rows {
			key, err := p.issuer(ctx, r.Authority)
			if err != nil {
				unknown = err
				continue
			}
			byIssuer[key] = append(byIssuer[key], r.Serial[:])
		}
		for key, serials := range byIssuer {
			p.revocations.Add(key, serials...)
		}
		after = rows[len(rows)-1].Revision
		if unknown == nil {
			p.revoked = after
		}
	}
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
	late := time.NewTimer(settleTime)
	defer late.Stop()
	for {
		p.mu.Lock()
		shown, changed := p.shown, p.changed
		p.mu.Unlock()
		if shown >= target {
			return
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
