package certificates

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/call"
	"countersign/store"
)

const (
	// validationTime is how long names can be validated after the request.
	validationTime = 72 * time.Hour
	// maxAliases is how many CNAME records may lie between a validation record's name and its value.
	maxAliases = 5

	// servicePrincipal is who acts when nobody's request is under way.
	servicePrincipal = "acm.amazonaws.com"
)

// validationRecord is the CNAME record that proves a name for an account. It is
// the same in every Region and for every certificate, and a wildcard shares it
// with the domain it is for.
func (s *Service) validationRecord(account, domain string) (name, value string) {
	domain = base(domain)
	sum := func(what string) []byte {
		mac := hmac.New(sha256.New, s.proof)
		fmt.Fprintf(mac, "%s\x00%s\x00%s", what, account, domain)
		return mac.Sum(nil)
	}
	n, v := sum("name"), sum("value")
	letters := make([]byte, 10)
	for i := range letters {
		letters[i] = 'a' + v[16+i]%26
	}
	return "_" + hex.EncodeToString(n[:16]) + "." + domain + ".",
		"_" + hex.EncodeToString(v[:16]) + "." + string(letters) + ".acm-validations.aws."
}

// ValidatePending goes on with every certificate that is PENDING_VALIDATION:
// it asks the DNS for validation records, issues where all are there, and gives
// up after 72 hours. It is the body of a job: run it at start, whenever
// KindPending or a DNS record of this node was written, and when next has come
// (zero: there is nothing to wait for). A certificate that cannot be worked on
// does not keep the others waiting; the error names the first such.
func (s *Service) ValidatePending(ctx context.Context) (next time.Time, err error) {
	waiting, err := s.store.List(ctx, KindPending, "", "", 0)
	if err != nil {
		return time.Time{}, err
	}
	for _, w := range waiting {
		if err := ctx.Err(); err != nil {
			return time.Time{}, err
		}
		at, problem := s.proceed(ctx, w.Key)
		if err == nil {
			err = problem
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, err
}

// proceed does what can be done now for one pending certificate, and says when
// to look again.
func (s *Service) proceed(ctx context.Context, key string) (next time.Time, err error) {
	got, err := s.store.Get(ctx, KindCertificate, key)
	if errors.Is(err, store.ErrNotFound) {
		_, err := s.store.Commit(ctx, (&store.Batch{}).Delete(KindPending, key))
		return time.Time{}, err
	}
	if err != nil {
		return time.Time{}, err
	}
	r, err := decode(got)
	if err != nil {
		return time.Time{}, err
	}
	ctx = call.With(ctx, call.Call{Account: r.Account, Region: r.Region, Service: "acm", Signing: call.Internal,
		Principal: call.Principal{Account: r.Account, Service: servicePrincipal}})
	if r.Source == private {
		return time.Time{}, s.issuePrivately(ctx, r)
	}
	now := s.now()
	if !now.Before(r.until()) {
		return time.Time{}, s.finish(ctx, r, func(r *record) { r.State = timedOut })
	}
	proved, all := s.prove(ctx, r)
	if !all {
		return s.again(r, now), s.keep(ctx, r, proved)
	}
	leaf, root, err := s.issueLocally(ctx, r.CSR)
	if err != nil {
		return time.Time{}, fmt.Errorf("issue %s: %w", r.arn(), err)
	}
	return time.Time{}, s.finish(ctx, r, func(r *record) {
		for i := range r.Validations {
			r.Validations[i].Done = true
		}
		r.State, r.IssuedAt, r.Certificate, r.Chain = issued, now, leaf, [][]byte{root.cert.Raw}
	})
}

// until is the end of the time in which names can be validated.
func (r *record) until() time.Time { return r.CreatedAt.Add(validationTime) }

// again is when to ask the DNS next: often at first, since somebody may be
// looking on, and seldom later.
func (s *Service) again(r *record, now time.Time) time.Time {
	wait := 10 * time.Second
	if now.Sub(r.CreatedAt) > time.Hour {
		wait = time.Minute
	}
	if next := now.Add(wait); next.Before(r.until()) {
		return next
	}
	return r.until()
}

// prove asks for the records of all names not proved yet; proved are those
// that now are.
func (s *Service) prove(ctx context.Context, r *record) (proved map[string]bool, all bool) {
	proved, all = make(map[string]bool), true
	for _, v := range r.Validations {
		if v.Done {
			continue
		}
		name, value := s.validationRecord(r.Account, v.Name)
		there, err := s.leads(ctx, name, value)
		if err != nil {
			s.log.WarnContext(ctx, "validation record not looked up", "certificate", r.arn(), "record", name, "err", err)
		}
		if there {
			proved[v.Name] = true
		} else {
			all = false
		}
	}
	return proved, all
}

// leads reports whether the CNAME records from name on lead to value.
func (s *Service) leads(ctx context.Context, name, value string) (bool, error) {
	for range maxAliases {
		target, err := s.resolver.LookupCNAME(ctx, name)
		if err != nil || target == "" {
			return false, err
		}
		if name = strings.TrimSuffix(target, ".") + "."; strings.EqualFold(name, value) {
			return true, nil
		}
	}
	return false, nil
}

// keep records the names that were proved, while others are not.
func (s *Service) keep(ctx context.Context, r *record, proved map[string]bool) error {
	if len(proved) == 0 {
		return nil
	}
	// Lost to another write, they are proved again the next time.
	_, err := s.change(ctx, r, func(r *record, _ *store.Batch) error {
		for i, v := range r.Validations {
			r.Validations[i].Done = v.Done || proved[v.Name]
		}
		return nil
	})
	return err
}
