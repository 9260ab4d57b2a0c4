package pki

import (
	"crypto/x509"
	"time"
)

// A Reason is a stable code for the outcome of a verification. Codes that
// start with ClientCert are those of the connection logs of Application Load
// Balancers and of CloudFront; the others are ours.
type Reason string

// Reasons.
const (
	Valid                  Reason = "Valid"
	Missing                Reason = "ClientCertMissing"               // no certificate at all
	Invalid                Reason = "ClientCertInvalid"               // malformed, X.509 v1, or against RFC 5280's profile
	Untrusted              Reason = "ClientCertUntrusted"             // no path to an anchor, or a signature that does not verify
	NotYetValid            Reason = "ClientCertNotYetValid"           // a certificate of the path starts later
	Expired                Reason = "ClientCertExpired"               // a certificate of the path has ended
	TypeUnsupported        Reason = "ClientCertTypeUnsupported"       // key or signature algorithm too weak or unknown
	PurposeInvalid         Reason = "ClientCertPurposeInvalid"        // extended key usage, key usage, a CA as leaf, no CA as issuer
	DepthExceeded          Reason = "ClientCertMaxChainDepthExceeded" // chain longer than allowed, or path length broken
	SizeExceeded           Reason = "ClientCertMaxSizeExceeded"       // too many or too large certificates
	CRLHit                 Reason = "ClientCertCrlHit"                // revoked
	CRLProcessingError     Reason = "ClientCertCrlProcessingError"    // no usable list where one is required
	Rejected               Reason = "ClientCertRejected"              // refused by a rule of the caller
	NameConstraintViolated Reason = "NameConstraintViolated"          // a name that a CA of the path may not certify
	NameMismatch           Reason = "NameMismatch"                    // the certificate is not for the host asked for
	PolicyViolated         Reason = "PolicyViolated"                  // certificate policies are required and not met
)

// A Usage is what the leaf is to be used for.
type Usage int

// Usages.
const (
	AnyUsage   Usage = iota // extended key usage is not compared
	ClientAuth              // TLS client
	ServerAuth              // TLS server
)

// Anchors says which certificates of a trust store end a path.
type Anchors int

const (
	// EveryCertificate is the rule of RFC 5280, of load balancers and of
	// CloudFront: each certificate of the store is an anchor, an intermediate
	// included. Certificates that came with the leaf may be used as intermediates.
	EveryCertificate Anchors = iota

	// SelfSignedOnly is the rule of API Gateway: a path must reach a
	// self-signed certificate of the store, every certificate between comes from
	// the store too, and what the client sent beside its leaf is not used.
	SelfSignedOnly
)

// NoLimit as Policy.MaxDepth puts no limit on the path.
const NoLimit = -1

// A Policy is what a path is judged by. The zero Policy is no useful one: At
// must be set.
type Policy struct {
	At      time.Time
	Usage   Usage
	Host    string // DNS name or IP address that the leaf must be valid for; "": not compared
	Anchors Anchors

	// MaxDepth limits the intermediate certificates between leaf and anchor: 0
	// demands that an anchor issued the leaf. NoLimit for none.
	MaxDepth int

	// CRLs, when not nil, are consulted for every certificate of the path but
	// the anchor. RequireCRL refuses a certificate for whose issuer there is none.
	CRLs       *CRLSet
	RequireCRL bool
}

// GatewayPolicy is how API Gateway judges a client certificate at the time at:
// anchors are self-signed, at most four CA certificates, client use.
func GatewayPolicy(at time.Time) Policy {
	return Policy{At: at, Usage: ClientAuth, Anchors: SelfSignedOnly, MaxDepth: 3}
}

// A Verdict is the outcome of a verification.
type Verdict struct {
	Reason Reason
	Detail string              // for people: which certificate, and what about it
	Path   []*x509.Certificate // leaf … anchor of the accepted path; nil unless valid
}

// Valid reports whether the certificate was accepted.
func (v Verdict) Valid() bool { return v.Reason == Valid }

// Verify judges chain[0], with the certificates after it as untrusted help,
// against the trust store. It never fails: what cannot be judged is refused.
// The work is bounded whatever the certificates are.
func (t *TrustStore) Verify(chain []*x509.Certificate, p Policy) Verdict {
	return Verdict{Reason: Untrusted, Detail: "verification is being written"}
}

// CheckTime judges only the validity periods of a path that Verify accepted at
// another moment. It is cheap enough for every request.
func CheckTime(path []*x509.Certificate, at time.Time) Verdict {
	for i, c := range path {
		if at.Before(c.NotBefore) {
			return Verdict{Reason: NotYetValid, Detail: describe(path, i) + " is not valid before " + c.NotBefore.UTC().Format(time.RFC3339)}
		}
		if at.After(c.NotAfter) {
			return Verdict{Reason: Expired, Detail: describe(path, i) + " ended at " + c.NotAfter.UTC().Format(time.RFC3339)}
		}
	}
	return Verdict{Reason: Valid, Path: path}
}

// describe names a certificate of a path for people.
func describe(path []*x509.Certificate, i int) string {
	what := "intermediate certificate "
	switch i {
	case 0:
		what = "certificate "
	case len(path) - 1:
		what = "trust anchor "
	}
	return what + "\"" + ReversedName(path[i].RawSubject) + "\""
}
