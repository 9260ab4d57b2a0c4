package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"countersign/pki"
)

// Lists are the CRLs at hand, by the place they came from.
type lists struct {
	fetch    func(ctx context.Context, place string, limit int64) ([]byte, error)
	now      func() time.Time
	maxAge   time.Duration
	timeout  time.Duration
	maxBytes int64

	// Held while a list is fetched too. On Lambda nobody waits for it: a function
	// has one invocation at a time.
	mu     sync.Mutex
	places map[string]*shelf
}

// A shelf has what came from one place.
type shelf struct {
	crls     []*pki.CRL // signed by issuers of the trust store; maybe out of date
	refresh  time.Time  // when they are to be replaced
	failures int        // attempts in a row that did not bring a fresh list
	retry    time.Time  // no attempt before
	problem  error      // of the last attempt
	used     time.Time
}

const (
	maxPlaces     = 64 // certificates name them, so there is a bound
	maxMargin     = 5 * time.Minute
	maxBackoff    = 5 * time.Minute
	maxBackoffOut = 10 * time.Second // while clients are refused for it
	quickTimeout  = time.Second      // while a current list is at hand
)

// from gives the lists of a place, fetched when they are due and an attempt is.
// The error tells why there is none that is current; out of date ones are
// given all the same, since what they revoke stays revoked.
func (l *lists) from(ctx context.Context, place string, store *pki.TrustStore) ([]*pki.CRL, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	s := l.places[place]
	if s == nil {
		l.makeRoom()
		s = &shelf{}
		l.places[place] = s
	}
	s.used = now
	if !now.Before(s.refresh) && !now.Before(s.retry) {
		l.replenish(ctx, place, store, s)
	}
	if current(s.crls, now) == nil {
		return s.crls, nil
	}
	if s.problem != nil {
		return s.crls, s.problem
	}
	return s.crls, current(s.crls, now)
}

func (l *lists) makeRoom() {
	if len(l.places) < maxPlaces {
		return
	}
	oldest := ""
	for place, s := range l.places {
		if oldest == "" || s.used.Before(l.places[oldest].used) {
			oldest = place
		}
	}
	delete(l.places, oldest)
}

// replenish makes one attempt to get fresh lists.
func (l *lists) replenish(ctx context.Context, place string, store *pki.TrustStore, s *shelf) {
	timeout := l.timeout
	if current(s.crls, l.now()) == nil {
		timeout = min(timeout, quickTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	data, err := l.fetch(ctx, place, l.maxBytes)
	var fresh []*pki.CRL
	if err == nil {
		if fresh, err = readLists(data, store); err == nil {
			err = notOlder(fresh, s.crls)
		}
		if err != nil {
			err = fmt.Errorf("what came from %s: %w", place, err)
		}
	}
	now := l.now()
	if err == nil {
		s.crls, s.refresh = fresh, l.refreshAt(fresh, now)
		err = current(fresh, now)
	}
	s.problem = err
	if err == nil && now.Before(s.refresh) {
		s.failures, s.retry = 0, time.Time{}
		return
	}
	// Either nothing came, or what came is due to be replaced already.
	limit := maxBackoff
	if current(s.crls, now) != nil {
		limit = maxBackoffOut
	}
	s.retry = now.Add(min(time.Second<<min(s.failures, 20), limit))
	s.failures++
}

// readLists reads the lists that an issuer of the trust store has signed; there
// must be one.
func readLists(data []byte, store *pki.TrustStore) ([]*pki.CRL, error) {
	all, err := pki.ParseCRLs(data)
	if err != nil {
		return nil, err
	}
	var signed []*pki.CRL
	problem := error(nil)
	for _, c := range all {
		if err := checkSignature(c, store); err == nil {
			signed = append(signed, c)
		} else if problem == nil {
			problem = err
		}
	}
	if len(signed) == 0 {
		return nil, problem
	}
	return signed, nil
}

func checkSignature(c *pki.CRL, store *pki.TrustStore) error {
	problem := fmt.Errorf("the CRL is of %q, which is not in the trust store", pki.ReversedName(c.Issuer))
	for _, issuer := range store.Certificates() {
		if !bytes.Equal(issuer.RawSubject, c.Issuer) {
			continue
		}
		err := c.CheckSignature(issuer)
		if err == nil {
			return nil
		}
		problem = err
	}
	return problem
}

// notOlder refuses lists that were issued before those of the same issuer at
// hand: over plain HTTP anybody on the way can serve last week's list.
func notOlder(fresh, have []*pki.CRL) error {
	for _, old := range have {
		newest := time.Time{}
		for _, c := range fresh {
			if bytes.Equal(c.Issuer, old.Issuer) && c.ThisUpdate.After(newest) {
				newest = c.ThisUpdate
			}
		}
		if !newest.IsZero() && newest.Before(old.ThisUpdate) {
			return fmt.Errorf("the CRL of %q is of %s, older than the one at hand", pki.ReversedName(old.Issuer), newest.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

var errNoList = errors.New("no CRL was fetched yet")

// current tells why a list among those is out of date; nil if none is.
func current(crls []*pki.CRL, at time.Time) error {
	if len(crls) == 0 {
		return errNoList
	}
	for _, c := range crls {
		if err := c.CheckTime(at); err != nil {
			return err
		}
	}
	return nil
}

// refreshAt is a margin before the first next update, and no later than maxAge
// from now.
func (l *lists) refreshAt(crls []*pki.CRL, now time.Time) time.Time {
	first := slices.MinFunc(crls, func(a, b *pki.CRL) int { return a.NextUpdate.Compare(b.NextUpdate) })
	at := first.NextUpdate.Add(-min(maxMargin, first.NextUpdate.Sub(first.ThisUpdate)/10))
	if l.maxAge > 0 && now.Add(l.maxAge).Before(at) {
		at = now.Add(l.maxAge)
	}
	return at
}
