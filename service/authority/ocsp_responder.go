package authority

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"countersign/pki"
	"countersign/store"
)

// Times of OCSP answers. AWS says that a new status is visible within an hour,
// so no answer may be used for longer. A cached one is made anew when half of
// that is over.
const (
	ocspLife  = time.Hour
	ocspRenew = ocspLife / 2
)

// Bounds of signing, which anybody may ask for. See docs/decisions/030.
const (
	ocspPatience = 2 * time.Second // how long a request waits for its turn
	ocspWaiting  = 256             // how many requests may wait
	ocspCrowd    = 16              // how many may wait before nonces are left out
)

// A responder is what OCSP keeps in memory. All of it can be made again from
// the store.
type responder struct {
	issuers  atomic.Pointer[ocspIssuers]
	building sync.Mutex // held while issuers are read
	cache    ocspCache
	slots    chan struct{} // holds a token per signature under way
	waiting  atomic.Int64
}

// newSlots lets OCSP sign on half of the processors, so that a flood of
// requests for RSA signatures leaves room for issuing.
func newSlots() chan struct{} { return make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)) }

// An OCSPAnswer is a response to one request. The times are zero when it must
// not be cached: an error, or an answer to that request alone.
type OCSPAnswer struct {
	DER        []byte // of an OCSPResponse
	ThisUpdate time.Time
	NextUpdate time.Time
}

// OCSP answers a request in DER (RFC 6960, RFC 5019). It answers for every
// authority whose OcspConfiguration is enabled and that is ACTIVE, DISABLED or
// EXPIRED, in every account and Region; id limits it to one of them, unless empty.
// For others it is not authorized to say anything. The answer shows every
// revocation that was durable when the call began.
func (s *Service) OCSP(ctx context.Context, id string, der []byte) OCSPAnswer {
	request, err := pki.ParseOCSPRequest(der)
	if err != nil {
		return OCSPAnswer{DER: pki.OCSPMalformed.DER()}
	}
	known, err := s.ocspIssuers(ctx)
	if err != nil {
		s.log.ErrorContext(ctx, "OCSP request not answered", "err", err)
		return OCSPAnswer{DER: pki.OCSPInternal.DER()}
	}
	ca := known.byIssuer[request.Certificates[0].Issuer()]
	if ca == nil || id != "" && ca.record.ID != id {
		return OCSPAnswer{DER: pki.OCSPUnauthorized.DER()}
	}
	for _, c := range request.Certificates {
		if !ca.issuer.Issued(c) { // one signature can only speak for one authority
			return OCSPAnswer{DER: pki.OCSPUnauthorized.DER()}
		}
	}
	a, err := s.answerOCSP(ctx, ca, request)
	switch {
	case errors.Is(err, errBusy):
		return OCSPAnswer{DER: pki.OCSPTryLater.DER()}
	case err != nil:
		s.log.ErrorContext(ctx, "OCSP request not answered", "authority", ca.record.arn(), "err", err)
		return OCSPAnswer{DER: pki.OCSPInternal.DER()}
	}
	return a
}

var errBusy = errors.New("too many signatures are under way")

// answerOCSP takes an answer from the cache, or signs one. A nonce is an order
// to sign, so it is heeded only while few others wait for a signature: RFC 9654
// section 2.1 leaves that to the responder.
func (s *Service) answerOCSP(ctx context.Context, ca *ocspIssuer, request *pki.OCSPRequest) (OCSPAnswer, error) {
	o := &s.ocsp
	nonce := request.Nonce
	if o.waiting.Load() >= ocspCrowd {
		nonce = nil
	}
	if nonce == nil {
		if a, ok, err := s.cachedOCSP(ctx, ca, request); ok || err != nil {
			return a, err
		}
	}
	if err := o.acquire(ctx); err != nil {
		return OCSPAnswer{}, err
	}
	defer o.release()
	if nonce == nil { // somebody else may have asked the same meanwhile
		if a, ok, err := s.cachedOCSP(ctx, ca, request); ok || err != nil {
			return a, err
		}
	}
	return s.signOCSP(ctx, ca, request, nonce)
}

// acquire waits for a turn to sign; release ends it.
func (o *responder) acquire(ctx context.Context) error {
	defer o.waiting.Add(-1)
	if o.waiting.Add(1) > ocspWaiting {
		return errBusy
	}
	late := time.NewTimer(ocspPatience)
	defer late.Stop()
	select {
	case o.slots <- struct{}{}:
		return nil
	case <-late.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o *responder) release() { <-o.slots }

// signOCSP makes an answer, and remembers it when it is of use to others: one
// certificate that was issued, no nonce.
func (s *Service) signOCSP(ctx context.Context, ca *ocspIssuer, request *pki.OCSPRequest, nonce []byte) (OCSPAnswer, error) {
	asOf := s.store.Changed(store.KindRevocation) // before the ledger is read
	now := s.now().Truncate(time.Second)
	response := pki.OCSPResponse{Issuer: ca.issuer, ThisUpdate: now, NextUpdate: now.Add(ocspLife), Nonce: nonce}
	for _, c := range request.Certificates {
		status, err := s.statusOf(ctx, ca.record.ID, c.Serial)
		if err != nil {
			return OCSPAnswer{}, err
		}
		status.ID = c
		response.Statuses = append(response.Statuses, status)
	}
	tbs, err := response.TBS()
	if err != nil {
		return OCSPAnswer{}, err
	}
	key, err := s.signer(ca.record)
	if err != nil {
		return OCSPAnswer{}, err
	}
	algorithm := pki.Algorithm(ca.record.Signing)
	signature, err := pki.Sign(tbs, algorithm, key)
	if err != nil {
		return OCSPAnswer{}, err
	}
	der, err := pki.AssembleOCSP(tbs, algorithm, signature)
	if err != nil {
		return OCSPAnswer{}, err
	}
	if nonce != nil || len(request.Certificates) > 1 || response.Statuses[0].Unknown {
		return OCSPAnswer{DER: der}, nil
	}
	a := OCSPAnswer{DER: der, ThisUpdate: response.ThisUpdate, NextUpdate: response.NextUpdate}
	s.ocsp.cache.put(ocspKey(ca, request), &ocspEntry{answer: a, revoked: response.Statuses[0].Revoked != nil, asOf: asOf})
	return a, nil
}

// cachedOCSP finds an answer that still says what the ledger says.
func (s *Service) cachedOCSP(ctx context.Context, ca *ocspIssuer, request *pki.OCSPRequest) (OCSPAnswer, bool, error) {
	if len(request.Certificates) > 1 {
		return OCSPAnswer{}, false, nil
	}
	key := ocspKey(ca, request)
	e := s.ocsp.cache.get(key)
	now := s.now()
	if e == nil || !now.Before(e.answer.ThisUpdate.Add(ocspRenew)) || now.Before(e.answer.ThisUpdate) {
		return OCSPAnswer{}, false, nil
	}
	// Nothing was revoked at any authority since: nor was this certificate.
	asOf := s.store.Changed(store.KindRevocation)
	if asOf == e.asOf || e.revoked {
		return e.answer, true, nil
	}
	status, err := s.statusOf(ctx, ca.record.ID, request.Certificates[0].Serial)
	if err != nil || status.Revoked != nil || status.Unknown {
		return OCSPAnswer{}, false, err
	}
	s.ocsp.cache.put(key, &ocspEntry{answer: e.answer, asOf: asOf})
	return e.answer, true, nil
}

func ocspKey(ca *ocspIssuer, request *pki.OCSPRequest) string {
	return ca.record.ID + string(request.Certificates[0].Raw)
}

// statusOf reads what the ledger says of a serial number, whatever its size.
func (s *Service) statusOf(ctx context.Context, authority string, number *big.Int) (pki.OCSPStatus, error) {
	var serial store.Serial
	if number.Sign() <= 0 || number.BitLen() > 8*len(serial) {
		return pki.OCSPStatus{Unknown: true}, nil
	}
	number.FillBytes(serial[:])
	row, err := s.store.Certificate(ctx, authority, serial)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return pki.OCSPStatus{Unknown: true}, nil
	case err != nil:
		return pki.OCSPStatus{}, err
	case row.RevokedAt.IsZero():
		return pki.OCSPStatus{}, nil
	}
	return pki.OCSPStatus{Revoked: &pki.Revocation{At: row.RevokedAt, Reason: row.Reason}}, nil
}

// An ocspIssuer is an authority that OCSP answers for.
type ocspIssuer struct {
	record *record
	issuer *pki.OCSPIssuer
}

// ocspIssuers are all of them, as the store had them at a revision. Immutable.
type ocspIssuers struct {
	asOf     store.Revision
	byIssuer map[string]*ocspIssuer // by every key of pki.OCSPIssuer
	byID     map[string]*ocspIssuer
	paths    map[string][]string // of custom CNAMEs: in front of requests, by host
}

// ocspIssuers reads the authorities again when one of them was written.
func (s *Service) ocspIssuers(ctx context.Context) (*ocspIssuers, error) {
	o := &s.ocsp
	fresh := func() *ocspIssuers {
		if have := o.issuers.Load(); have != nil && have.asOf == s.store.Changed(KindAuthority) {
			return have
		}
		return nil
	}
	if have := fresh(); have != nil {
		return have, nil
	}
	o.building.Lock()
	defer o.building.Unlock()
	if have := fresh(); have != nil {
		return have, nil
	}
	made := &ocspIssuers{
		asOf:     s.store.Changed(KindAuthority), // before they are read
		byIssuer: map[string]*ocspIssuer{}, byID: map[string]*ocspIssuer{}, paths: map[string][]string{},
	}
	all, err := s.store.List(ctx, KindAuthority, "", "", 0)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		ca, err := newOCSPIssuer(one)
		if err != nil {
			// It has no answers then, but all others do.
			s.log.ErrorContext(ctx, "OCSP passes an authority over", "authority", one.Key, "err", err)
		}
		if ca == nil {
			continue
		}
		r, issuer := ca.record, ca.issuer
		made.byID[r.ID] = ca
		for _, k := range issuer.Keys() {
			made.byIssuer[k] = ca
		}
		if name, path := r.OCSP.host(); name != "" {
			made.paths[name] = append(made.paths[name], path)
		}
	}
	o.issuers.Store(made)
	return made, nil
}

// newOCSPIssuer reads an authority; nil: OCSP does not answer for it.
func newOCSPIssuer(from store.Record) (*ocspIssuer, error) {
	r, err := decode(from)
	if err != nil {
		return nil, err
	}
	if r.OCSP == nil || r.Certificate == nil || r.State != active && r.State != disabled { // EXPIRED is stored as one of them
		return nil, nil
	}
	own, err := r.certificate()
	if err != nil {
		return nil, err
	}
	issuer, err := pki.NewOCSPIssuer(own)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of %s: %w", r.arn(), err)
	}
	return &ocspIssuer{r, issuer}, nil
}

// OCSPHost tells whether requests for a host (in lower case, without a port)
// are OCSP's. own: the host is AWS's name of the responder. Otherwise it is the
// custom CNAME of some authorities, paths are what may stand in front of their
// requests' own, and other requests for that host are somebody else's.
func (s *Service) OCSPHost(ctx context.Context, host string) (own bool, paths []string, err error) {
	if rest, ok := strings.CutPrefix(host, "ocsp.acm-pca."); ok && (strings.HasSuffix(rest, ".amazonaws.com") || strings.HasSuffix(rest, ".amazonaws.com.cn")) {
		return true, nil, nil
	}
	known, err := s.ocspIssuers(ctx)
	if err != nil {
		return false, nil, err
	}
	return false, known.paths[host], nil
}

// AnswersOCSP tells whether OCSP answers for the authority with this id.
func (s *Service) AnswersOCSP(ctx context.Context, id string) (bool, error) {
	known, err := s.ocspIssuers(ctx)
	if err != nil {
		return false, err
	}
	return known.byID[id] != nil, nil
}
