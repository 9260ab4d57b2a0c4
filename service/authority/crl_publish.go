package authority

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"countersign/pki"
	"countersign/store"
)

const (
	// crlPause is how long a list rests after it was written: revocations that
	// come meanwhile go into the next one together.
	crlPause = 2 * time.Second
	// A bucket that refuses is tried again after a minute, then two, up to
	// AWS's quarter of an hour.
	crlRetryMin = time.Minute
	crlRetryMax = 15 * time.Minute
	// crlIdle is how often a list is looked at that is not to be written now:
	// CRLs are disabled, or the authority is deleted and may be restored.
	crlIdle = time.Hour
	// crlBack is how far thisUpdate lies back, as at AWS, for clients whose clocks are slow.
	crlBack = time.Hour

	crlPage = 10_000
)

// A crlState is the record of one list, of kindCRL, key <account>/<region>/<id>/<list>.
// It is there from the first certificate on that is on the list when it is revoked.
type crlState struct {
	// Number is the newest CRL number, the milliseconds since 1970: durable
	// before a list with it exists, so that no number is used twice or goes back.
	Number  int64
	Written time.Time `json:",omitzero"` // the newest list
	Next    time.Time `json:",omitzero"` // when that one ends
	Entries int       `json:",omitempty"`
	// Regular is when the newest list was made that was due by its age. A
	// certificate that expired before it leaves the list (RFC 5280 section 3.3:
	// not before it was on a regular list after it expired).
	Regular time.Time `json:",omitzero"`
	Due     time.Time // when the job is to write the list

	Failure  string    `json:",omitempty"` // why the newest attempt failed; "": it did not
	Failed   time.Time `json:",omitzero"`
	Attempts int       `json:",omitempty"` // since the last success

	key      string
	revision store.Revision
}

// split takes the record's key apart.
func (st *crlState) split() (authority, id string, l crlList, err error) {
	part := strings.Split(st.key, "/")
	if len(part) == 4 {
		if l, ok := parseList(part[3]); ok {
			return strings.Join(part[:3], "/"), part[2], l, nil
		}
	}
	return "", "", l, fmt.Errorf("%s %q: not the key of a CRL", kindCRL, st.key)
}

// startCRL adds to b, with the first certificate of a list, the list itself. It
// reports what to remember once b is committed.
func (s *Service) startCRL(ctx context.Context, b *store.Batch, r *record, row store.Certificate) (key string, err error) {
	if r.CRL == nil || isRoot(row) {
		return "", nil
	}
	key = r.key() + "/" + r.CRL.list(row.Serial).name()
	if _, there := s.startedCRLs.Load(key); there {
		return key, nil
	}
	switch _, err := s.store.Get(ctx, kindCRL, key); {
	case err == nil:
		return key, nil
	case !errors.Is(err, store.ErrNotFound):
		return "", err
	}
	value, err := json.Marshal(crlState{Due: s.now()})
	if err != nil {
		return "", err
	}
	b.Create(kindCRL, key, value).Put(KindCRLDue, key, []byte("{}"))
	return key, nil
}

// PublishCRLs writes every list that is due: because a certificate on it was
// revoked, half of its life is over, it is new, its configuration has changed,
// or an earlier attempt failed. It is the body of a job: run it at start, when
// store.KindRevocation or KindCRLDue was written, and when it asks to. A list
// that cannot be made, or that its bucket refuses, is recorded, logged and tried
// again, and does not keep the others from being written.
func (s *Service) PublishCRLs(ctx context.Context) (next time.Time, err error) {
	feed, err := s.readCRLFeed(ctx)
	if err != nil {
		return time.Time{}, err
	}
	got, err := s.store.List(ctx, kindCRL, "", "", 0)
	if err != nil {
		return time.Time{}, err
	}
	done := new(store.Batch)
	for _, one := range got {
		st := &crlState{key: one.Key, revision: one.Revision}
		if err := json.Unmarshal(one.Value, st); err != nil {
			return time.Time{}, fmt.Errorf("decode %s %s: %w", one.Kind, one.Key, err)
		}
		// A bucket that refuses is left alone until its time has come, unless
		// somebody has changed the configuration.
		if now := s.now(); now.Before(st.Due) && (feed.marked(st) || feed.revoked(st) && st.Failure == "") {
			st.Due = now
			if rested := st.Written.Add(crlPause); rested.After(now) && !rested.After(now.Add(crlPause)) {
				st.Due = rested
				if err := st.put(done); err != nil {
					return time.Time{}, err
				}
			}
		}
		if !st.Due.After(s.now()) {
			if err := s.publishCRL(ctx, st); err != nil {
				return time.Time{}, err
			}
		}
		if !st.Due.IsZero() && (next.IsZero() || st.Due.Before(next)) {
			next = st.Due
		}
	}
	feed.finish(done)
	if len(done.Ops) > 0 {
		if _, err := s.store.Commit(ctx, done); err != nil {
			return time.Time{}, fmt.Errorf("record which CRLs are written: %w", err)
		}
	}
	return next, nil
}

func (st *crlState) put(b *store.Batch) error {
	value, err := json.Marshal(st)
	if err != nil {
		return err
	}
	b.Replace(kindCRL, st.key, value, st.revision)
	return nil
}

// save writes the state at once.
func (s *Service) save(ctx context.Context, st *crlState) error {
	b := new(store.Batch)
	if err := st.put(b); err != nil {
		return err
	}
	revision, err := s.store.Commit(ctx, b)
	if err != nil {
		return fmt.Errorf("record the CRL %s: %w", st.key, err)
	}
	st.revision = revision
	return nil
}

// A crlFeed is what has happened since lists were last written.
type crlFeed struct {
	lists    map[string]bool // "<authority id>/<list>" of what was revoked
	marks    []store.Record  // of KindCRLDue
	from, to store.Revision  // of the feed of revocations
	cursor   store.Revision  // of the record that says from
}

const crlCursor = "feed" // key of the one record of kindCRLCursor

func (s *Service) readCRLFeed(ctx context.Context) (*crlFeed, error) {
	f := &crlFeed{lists: map[string]bool{}}
	got, err := s.store.Get(ctx, kindCRLCursor, crlCursor)
	switch {
	case errors.Is(err, store.ErrNotFound):
		// No list was written yet: what was revoked until now is on the first ones.
		f.to = s.store.Revision()
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(got.Value, &f.from); err != nil {
			return nil, fmt.Errorf("decode %s: %w", got.Kind, err)
		}
		f.cursor, f.to = got.Revision, f.from
		for {
			rows, err := s.store.Revocations(ctx, f.to, crlPage)
			if err != nil {
				return nil, fmt.Errorf("read revocations: %w", err)
			}
			if len(rows) == 0 {
				break
			}
			for _, r := range rows {
				f.lists[r.Authority+"/"+crlList{complete: true}.name()] = true
				f.lists[r.Authority+"/"+crlList{octet: r.Serial[0]}.name()] = true
			}
			f.to = rows[len(rows)-1].Revision
		}
	}
	f.marks, err = s.store.List(ctx, KindCRLDue, "", "", 0)
	return f, err
}

// revoked reports whether a certificate on a list was revoked.
func (f *crlFeed) revoked(st *crlState) bool {
	part := strings.SplitN(st.key, "/", 3)
	return len(part) == 3 && f.lists[part[2]]
}

// marked reports whether a list is new, or its authority's configuration is.
func (f *crlFeed) marked(st *crlState) bool {
	for _, m := range f.marks {
		if m.Key == st.key || strings.HasPrefix(st.key, m.Key+"/") {
			return true
		}
	}
	return false
}

// finish adds to b that all of it was seen to.
func (f *crlFeed) finish(b *store.Batch) {
	if f.to != f.from {
		b.Replace(kindCRLCursor, crlCursor, fmt.Appendf(nil, "%d", f.to), f.cursor)
	}
	for _, m := range f.marks {
		b.DeleteIf(m.Kind, m.Key, m.Revision)
	}
}

// publishCRL writes one list and says in st when it is due again. What keeps a
// list from its bucket is in st; an error means that st could not be recorded.
func (s *Service) publishCRL(ctx context.Context, st *crlState) error {
	authority, id, l, err := st.split()
	if err != nil {
		return err
	}
	got, err := s.store.Get(ctx, KindAuthority, authority)
	if errors.Is(err, store.ErrNotFound) {
		st.Due = time.Time{}
		_, err = s.store.Commit(ctx, new(store.Batch).DeleteIf(kindCRL, st.key, st.revision))
		return err
	}
	if err != nil {
		return err
	}
	r, err := decode(got)
	if err != nil {
		return err
	}
	now := s.now()
	if r.State != active && r.State != disabled || !r.CRL.kept(l) {
		st.Due = now.Add(crlIdle)
		return s.save(ctx, st)
	}
	st.Number = max(now.UnixMilli(), st.Number+1)
	if err := s.save(ctx, st); err != nil {
		return err
	}
	life := time.Duration(r.CRL.Days) * 24 * time.Hour
	entries, what, err := s.deliverCRL(ctx, r, l, st, now, now.Add(life))
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.wrote(err)
		pause := min(crlRetryMin<<min(st.Attempts, 10), crlRetryMax)
		st.Failure, st.Failed, st.Attempts, st.Due = err.Error(), now, st.Attempts+1, now.Add(pause)
		s.log.ErrorContext(ctx, what, "authority", r.arn(), "url", r.CRL.url(id, l), "err", err, "attempts", st.Attempts, "pause", pause)
		return s.save(ctx, st)
	}
	if !now.Before(st.Regular.Add(life / 2)) {
		st.Regular = now
	}
	st.Written, st.Next, st.Entries, st.Due = now, now.Add(life), entries, st.Regular.Add(life/2)
	st.Failure, st.Failed, st.Attempts = "", time.Time{}, 0
	s.wrote(nil)
	s.log.DebugContext(ctx, "CRL written", "authority", r.arn(), "url", r.CRL.url(id, l), "number", st.Number, "entries", st.Entries)
	return s.save(ctx, st)
}

// deliverCRL makes a list and writes it to its bucket. With an error, what is
// AWS's word for what went wrong (of its CRL Generation events).
func (s *Service) deliverCRL(ctx context.Context, r *record, l crlList, st *crlState, now, next time.Time) (entries int, what string, err error) {
	path, err := r.path()
	if err != nil {
		return 0, "Failed to generate CRL. Internal failure.", err
	}
	list, err := s.encodeCRL(ctx, r, path[0], l, st, now, next)
	if err != nil {
		return 0, "Failed to generate CRL. Internal failure.", err
	}
	d := r.CRL.delivery(r, l)
	lacking, err := s.buckets.Deliver(r.writing(ctx), d, "application/pkix-crl", list.NewReader(), int64(list.Len()))
	var refused smithy.APIError
	switch {
	case lacking != "":
		return 0, "Failed to write CRL to S3. Check your S3 bucket permissions.", fmt.Errorf("the policy of bucket %s does not allow %s %s", d.Bucket, servicePrincipal, lacking)
	case asAPI(err, &refused):
		return 0, "Failed to write CRL to S3. Check your S3 bucket permissions.", fmt.Errorf("bucket %s: %w", d.Bucket, err)
	case err != nil:
		return 0, "Failed to write CRL to S3. Internal failure.", fmt.Errorf("bucket %s: %w", d.Bucket, err)
	}
	return list.Entries(), "", nil
}

// encodeCRL makes and signs a list of what is revoked now.
func (s *Service) encodeCRL(ctx context.Context, r *record, own *x509.Certificate, l crlList, st *crlState, now, next time.Time) (*pki.EncodedCRL, error) {
	key, err := s.signer(r)
	if err != nil {
		return nil, err
	}
	t := pki.CRLTemplate{Issuer: own, Algorithm: pki.Algorithm(r.Signing), Number: big.NewInt(st.Number), ThisUpdate: now.Add(-crlBack), NextUpdate: next}
	if r.CRL.Partitioned { // the complete one too, that was there before
		t.Point = r.CRL.url(r.ID, l)
	}
	e, err := pki.NewCRLEncoder(t)
	if err != nil {
		return nil, err
	}
	after, last := l.through()
	for {
		page, err := s.store.Revoked(ctx, r.ID, after, last, crlPage)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			if c.NotAfter.Before(st.Regular) && c.At.Before(st.Regular) {
				continue // it was on a regular list after it had expired
			}
			e.Add(pki.Serial(c.Serial), c.At, c.Reason)
		}
		if len(page) < crlPage {
			return e.Sign(key)
		}
		after = page[len(page)-1].Serial
	}
}

// A CRLStatus is how a list of an authority is doing, for operators.
type CRLStatus struct {
	Authority string // ARN
	URL       string // "": CRLs are disabled now
	Number    int64
	Entries   int
	Written   time.Time // zero: not yet
	Next      time.Time // nextUpdate of the list
	Failure   string    // why the newest attempt failed; "": it did not
	Attempts  int       // failed ones since the last success
	Due       time.Time // of the next attempt
}

// CRLs tells how every list of every authority is doing, failed ones first of all.
func (s *Service) CRLs(ctx context.Context) ([]CRLStatus, error) {
	got, err := s.store.List(ctx, kindCRL, "", "", 0)
	if err != nil {
		return nil, err
	}
	var bad, good []CRLStatus
	for _, one := range got {
		st := &crlState{key: one.Key}
		if err := json.Unmarshal(one.Value, st); err != nil {
			return nil, fmt.Errorf("decode %s %s: %w", one.Kind, one.Key, err)
		}
		authority, id, l, err := st.split()
		if err != nil {
			return nil, err
		}
		stored, err := s.store.Get(ctx, KindAuthority, authority)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r, err := decode(stored)
		if err != nil {
			return nil, err
		}
		status := CRLStatus{Authority: r.arn(), Number: st.Number, Entries: st.Entries, Written: st.Written, Next: st.Next,
			Failure: st.Failure, Attempts: st.Attempts, Due: st.Due}
		if r.CRL.kept(l) {
			status.URL = r.CRL.url(id, l)
		}
		if st.Failure != "" {
			bad = append(bad, status)
		} else {
			good = append(good, status)
		}
	}
	return append(bad, good...), nil
}

// asAPI reports whether err is an answer of another service, and not a fault of ours.
func asAPI(err error, into *smithy.APIError) bool {
	return err != nil && errors.As(err, into)
}
