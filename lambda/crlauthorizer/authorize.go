package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"countersign/pki"
)

// An authorizer judges clients.
type authorizer struct {
	config *config
	trust  *trust
	lists  *lists
	now    func() time.Time
	log    *slog.Logger
}

func newAuthorizer(c *config, f *fetcher, now func() time.Time, log *slog.Logger) *authorizer {
	return &authorizer{
		config: c, now: now, log: log,
		trust: &trust{place: c.trustPlace, store: c.trusted, fetch: f.fetch, now: now, timeout: c.timeout},
		lists: &lists{fetch: f.fetch, now: now, maxAge: c.maxAge, timeout: c.timeout, maxBytes: c.maxBytes, places: map[string]*shelf{}},
	}
}

// TrustStoreUnavailable is the one reason that pki does not have.
const TrustStoreUnavailable pki.Reason = "TrustStoreUnavailable"

// A decision is the verdict on a client.
type decision struct {
	allowed                 bool
	reason                  pki.Reason
	detail                  string
	serial, subject, issuer string // of the certificate, where there is one
}

// context is what the integration and the access log are told, as strings: REST
// APIs take nothing deeper.
func (d decision) context() map[string]string {
	detail := strings.ToValidUTF8(d.detail, "?")
	if len(detail) > 500 {
		detail = strings.ToValidUTF8(detail[:497], "") + "..."
	}
	return map[string]string{"serial": d.serial, "subject": d.subject, "issuer": d.issuer, "reason": string(d.reason), "detail": detail}
}

// handle serves one event of API Gateway. An error, which API Gateway turns
// into status 500, is that the event is none that this program is for.
func (a *authorizer) handle(ctx context.Context, data json.RawMessage) (any, error) {
	r, err := parseRequest(data)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		// Leaves time for the answer, which may be one from lists at hand.
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(500*time.Millisecond, time.Until(deadline)/5)))
		defer cancel()
	}
	d := a.decide(ctx, r.certificate)
	a.log.Info("decision", "allowed", d.allowed, "reason", d.reason, "detail", d.detail, "serial", d.serial, "subject", d.subject, "issuer", d.issuer, "arn", r.arn)
	return answerFor(r, d, a.config.simple)
}

// decide judges a certificate in PEM. What cannot be judged is refused.
func (a *authorizer) decide(ctx context.Context, text string) decision {
	if text == "" {
		return decision{reason: pki.Missing, detail: "no certificate was presented: is mutual TLS on?"}
	}
	leaf, err := parseCertificate(text)
	if err != nil {
		v := pki.Unreadable(err)
		return decision{reason: v.Reason, detail: v.Detail}
	}
	d := decision{serial: pki.SerialHex(leaf.SerialNumber), subject: pki.FormatName(leaf.RawSubject), issuer: pki.FormatName(leaf.RawIssuer)}
	store, err := a.trust.get(ctx)
	if err != nil {
		d.reason, d.detail = TrustStoreUnavailable, err.Error()
		return d
	}
	now := a.now()
	// Key usage is left to the gateway, which has admitted the certificate.
	policy := pki.Policy{At: now, Usage: pki.AnyUsage, Anchors: pki.EveryCertificate, MaxDepth: pki.NoLimit}
	if slices.ContainsFunc(store.Certificates(), func(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }) {
		policy.Anchors = pki.SelfSignedOnly
	}
	v := store.Verify([]*x509.Certificate{leaf}, policy)
	if !v.Valid() {
		d.reason, d.detail = v.Reason, v.Detail
		return d
	}
	v = a.checkRevocation(ctx, v.Path, store)
	d.reason, d.detail = v.Reason, v.Detail
	d.allowed = v.Valid() || v.Reason == pki.CRLProcessingError && a.config.allow
	return d
}

// checkRevocation judges a path. Revoked comes before what cannot be checked.
func (a *authorizer) checkRevocation(ctx context.Context, path []*x509.Certificate, store *pki.TrustStore) pki.Verdict {
	if len(path) < 2 {
		return unchecked(errors.New("the certificate is in the trust store itself: no CRL can name it"))
	}
	found, problems := a.listsFor(ctx, path, store)
	set := pki.NewCRLSet(found...)
	now := a.now()
	result := pki.Verdict{Reason: pki.Valid, Path: path}
	for i := range path[:len(path)-1] {
		var v pki.Verdict
		listed := slices.ContainsFunc(found, func(c *pki.CRL) bool { return bytes.Equal(c.Issuer, path[i+1].RawSubject) })
		switch {
		case i == 0 || listed:
			v = pki.CheckRevocation(path[i:i+2], set, now)
		case problems[i] != nil:
			v = pki.Verdict{Reason: pki.CRLProcessingError, Detail: fmt.Sprintf("certificate %q cannot be checked", pki.ReversedName(path[i].RawSubject))}
		default:
			continue // a CA without CRLs
		}
		if v.Reason == pki.CRLHit {
			return v
		}
		if !v.Valid() && result.Valid() {
			result = v
			if problems[i] != nil {
				result.Detail += ": " + problems[i].Error()
			}
		}
	}
	return result
}

func unchecked(err error) pki.Verdict {
	return pki.Verdict{Reason: pki.CRLProcessingError, Detail: err.Error()}
}

// listsFor gathers the lists for a path: the configured ones, or those of the
// distribution points. problems has for each certificate why there is none, or
// none that is current.
func (a *authorizer) listsFor(ctx context.Context, path []*x509.Certificate, store *pki.TrustStore) (found []*pki.CRL, problems []error) {
	problems = make([]error, len(path))
	if len(a.config.lists) > 0 {
		var all []error
		for _, place := range a.config.lists {
			crls, err := a.lists.from(ctx, place, store)
			found = append(found, crls...)
			if err != nil {
				all = append(all, err)
			}
		}
		// Which certificate a list is about that did not come is not known.
		problem := errors.Join(all...)
		for i := range problems {
			problems[i] = problem
		}
		return found, problems
	}
	for i, c := range path[:len(path)-1] {
		if i == 0 && len(c.CRLDistributionPoints) == 0 {
			problems[i] = errors.New("it names no distribution point, and the variable CRL is not set")
		}
		for n, place := range c.CRLDistributionPoints {
			if n == maxPoints {
				break
			}
			var crls []*pki.CRL
			err := checkPlace(place)
			if strings.HasPrefix(place, "s3://") {
				err = fmt.Errorf("the distribution point %.200q is not http or https", place)
			}
			if err == nil {
				crls, err = a.lists.from(ctx, place, store)
				found = append(found, crls...)
			}
			if problems[i] = err; err == nil {
				break // the others are the same list elsewhere
			}
		}
	}
	return found, problems
}

// maxPoints bounds the distribution points of one certificate that are tried.
const maxPoints = 4
