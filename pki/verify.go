package pki

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
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

// NoLimit as Policy.MaxDepth puts no limit on the path but those on the work.
const NoLimit = -1

// A Policy is what a path is judged by. The zero Policy is no useful one: At
// must be set.
type Policy struct {
	At      time.Time // judged at whole seconds
	Usage   Usage
	Host    string // DNS name or IP address that the leaf must be valid for; "": not compared
	Anchors Anchors

	// MaxDepth limits the intermediate certificates between leaf and anchor: 0
	// demands that an anchor issued the leaf. Self-issued ones do not count, as
	// they do not for path length constraints. NoLimit for none.
	MaxDepth int

	// Strict also refuses what RFC 5280 forbids conforming CAs to issue though
	// its validation algorithm does not look at it: basic constraints of a CA
	// that are not critical, serial numbers that are not positive or too long,
	// times in the wrong form, key identifiers of an issuer that are incomplete
	// or missing though its certificate refers to it, and the like.
	Strict bool

	// CRLs, when not nil, are consulted for every certificate of the path but
	// the anchor. The leaf's issuer must have a usable one; another issuer needs
	// none, but if it has any then one of them must be usable.
	CRLs *CRLSet
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

// Unreadable is the verdict on a certificate that crypto/x509 refused to parse.
func Unreadable(err error) Verdict {
	text := strings.TrimPrefix(err.Error(), "x509: ")
	reason := Invalid
	if strings.Contains(text, "unsupported elliptic curve") {
		reason = TypeUnsupported
	}
	return Verdict{Reason: reason, Detail: "the certificate cannot be read: " + text}
}

// Bounds of the work of one verification, whatever the certificates are.
const (
	maxSignatureChecks = 100 // as crypto/x509 has it
	maxSteps           = 10_000
	maxPathLength      = 32
	maxChain           = 100 // certificates that come with the leaf
)

// Verify judges chain[0], with the certificates after it as untrusted help,
// against the trust store. It never fails: what cannot be judged is refused.
//
// A path is built from the leaf upwards, by names, key identifiers and
// signatures; each issuer is judged as it is reached, so that another one is
// tried where one is not acceptable. The verdict of a refusal tells what was
// wrong with the first candidate that had signed its part of the path.
func (t *TrustStore) Verify(chain []*x509.Certificate, p Policy) Verdict {
	if len(chain) == 0 {
		return Verdict{Reason: Missing, Detail: "no certificate was presented"}
	}
	if len(chain) > maxChain {
		return Verdict{Reason: SizeExceeded, Detail: fmt.Sprintf("%d certificates were presented; the limit is %d", len(chain), maxChain)}
	}
	leaf := t.find(chain[0])
	inStore := leaf != nil
	if !inStore {
		leaf = newEntity(chain[0])
	}
	s := &search{store: t, policy: p, path: []*entity{leaf}, signatures: maxSignatureChecks, steps: maxSteps, verified: map[[2]*entity]bool{}}

	// What is wrong with the leaf itself no path can cure.
	if f := firstFault(leaf.form, leaf.signature); f != nil {
		return s.refuse(f, 0)
	}
	// A certificate of the store needs no path. But one that a CA issued is looked
	// up in that CA's lists when there are any, and for that its path is needed.
	trustedItself := inStore && (leaf.selfSigned || p.Anchors == EveryCertificate && p.CRLs == nil)
	if f := leaf.asLeaf; f != nil && !(trustedItself && leaf.selfSigned && leaf.IsCA) {
		return s.refuse(f, 0)
	}
	if p.Strict && leaf.profile != nil {
		return s.refuse(leaf.profile, 0)
	}
	if p.Anchors == EveryCertificate {
		s.offered = map[string][]*entity{}
		for _, c := range chain[1:] {
			s.offered[string(c.RawSubject)] = append(s.offered[string(c.RawSubject)], newEntity(c))
		}
	}
	if trustedItself {
		if f := s.judgeLeaf(); f != nil {
			return s.refuse(f, 0)
		}
		return Verdict{Reason: Valid, Path: s.certificates()}
	}
	if s.extend() {
		return Verdict{Reason: Valid, Path: s.certificates()}
	}
	return *s.refusal
}

// A search is one verification under way.
type search struct {
	store      *TrustStore
	offered    map[string][]*entity // certificates that came with the leaf, by subject
	policy     Policy
	path       []*entity // leaf … tip
	signatures int       // checks left
	steps      int       // candidates left to look at
	names      int       // comparisons of names with constraints made
	verified   map[[2]*entity]bool
	refusal    *Verdict // the best explanation so far
	over       bool     // no other path will do
}

// extend looks for an issuer of the tip, and of that in turn, until a path is
// complete. On false, refusal is set.
func (s *search) extend() bool {
	tip := s.path[len(s.path)-1]
	if len(s.path) >= maxPathLength {
		s.note(faultf(DepthExceeded, "is %d certificates away from the leaf without an anchor", len(s.path)-1), len(s.path)-1)
		return false
	}
	for i, candidates := range [][]*entity{s.store.bySubject[string(tip.RawIssuer)], s.offered[string(tip.RawIssuer)]} {
		for _, c := range candidates {
			if s.steps--; s.steps < 0 {
				s.over = true
				s.note(faultf(SizeExceeded, "has too many possible paths"), len(s.path)-1)
			}
			if s.over {
				return false
			}
			if s.inPath(c) || !keyIDsAgree(tip, c) || !s.signed(tip, c) {
				continue
			}
			fromStore := i == 0
			anchor := fromStore && (s.policy.Anchors == EveryCertificate || c.selfSigned || c.selfIssued && c.signature != nil)
			s.path = append(s.path, c)
			if f := s.judgeIssuer(anchor); f != nil {
				s.note(f, len(s.path)-1)
			} else if anchor {
				if s.complete() {
					return true
				}
			} else if s.extend() {
				return true
			}
			s.path = s.path[:len(s.path)-1]
		}
	}
	if s.refusal == nil {
		s.note(s.notFound(tip), len(s.path)-1)
	}
	return false
}

// inPath keeps loops of cross-signed certificates out: the same key under the
// same name is never needed twice.
func (s *search) inPath(c *entity) bool {
	for _, e := range s.path {
		if bytes.Equal(e.RawSubject, c.RawSubject) && bytes.Equal(e.RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo) {
			return true
		}
	}
	return false
}

// keyIDsAgree compares the child's authorityKeyIdentifier with the issuer's
// subjectKeyIdentifier where both have one.
func keyIDsAgree(child, issuer *entity) bool {
	return len(child.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 || bytes.Equal(child.AuthorityKeyId, issuer.SubjectKeyId)
}

// signed reports whether the issuer's key verifies the child's signature,
// within the budget.
func (s *search) signed(child, issuer *entity) bool {
	pair := [2]*entity{child, issuer}
	ok, known := s.verified[pair]
	if known {
		return ok
	}
	if s.signatures--; s.signatures < 0 {
		s.over = true
		s.note(faultf(SizeExceeded, "has too many possible issuers"), len(s.path)-1)
		return false
	}
	if child.signature == nil {
		ok = issuer.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature) == nil
	}
	s.verified[pair] = ok
	return ok
}

// judgeIssuer judges the last certificate of the path as issuer of the one before.
func (s *search) judgeIssuer(anchor bool) *fault {
	last := len(s.path) - 1
	c, child := s.path[last], s.path[last-1]
	if f := firstFault(c.form, c.asIssuer); f != nil {
		return f
	}
	// An anchor is trusted for its key. API Gateway wants its signature strong
	// all the same.
	if !anchor || s.policy.Anchors == SelfSignedOnly {
		if c.signature != nil {
			return c.signature
		}
	}
	if s.policy.Strict {
		if f := s.judgeProfile(c, child, anchor); f != nil {
			return f
		}
	}
	if f := timeFault(c.Certificate, s.policy.At); f != nil {
		return f
	}
	if f := c.usageFault(s.policy.Usage, false); f != nil {
		return f
	}
	below := 0 // intermediates that count between the leaf and c
	for _, e := range s.path[1:last] {
		if !e.selfIssued {
			below++
		}
	}
	if limit, ok := pathLen(c.Certificate); ok && below > limit {
		return faultf(DepthExceeded, "allows %d intermediate certificates below it: there are %d", limit, below)
	}
	depth := below
	if !anchor && !c.selfIssued {
		depth++
	}
	if s.policy.MaxDepth != NoLimit && depth > s.policy.MaxDepth {
		return faultf(DepthExceeded, "is one more than the %d intermediate certificates allowed", s.policy.MaxDepth)
	}
	return s.judgeNames(c)
}

func (s *search) judgeProfile(c, child *entity, anchor bool) *fault {
	if !anchor && c.profile != nil {
		return c.profile
	}
	if c.profileAsIssuer != nil {
		return c.profileAsIssuer
	}
	// RFC 5280 section 4.2.1.1 and .2.
	if len(child.AuthorityKeyId) != 0 && len(c.SubjectKeyId) == 0 {
		return faultf(Invalid, "has no subject key identifier, to which a certificate that it issued refers")
	}
	if c.selfSigned && !keyIDsAgree(c, c) {
		return faultf(Invalid, "has an authority key identifier that is not its own though it signed itself")
	}
	return nil
}

// judgeNames applies the name constraints of c to all certificates below it,
// self-issued intermediates excepted (RFC 5280 section 6.1.3 (b)).
func (s *search) judgeNames(c *entity) *fault {
	if c.constraints == nil {
		return nil
	}
	for i, e := range s.path[:len(s.path)-1] {
		if i > 0 && e.selfIssued {
			continue
		}
		if err := c.constraints.check(e.constrainedNames(), &s.names); err != nil {
			if err == errTooManyNames {
				s.over = true
				return faultf(SizeExceeded, "has %v", err)
			}
			return faultf(NameConstraintViolated, "does not allow what it issued: %v", err)
		}
	}
	return nil
}

// constrainedNames are the names that name constraints apply to: the subject
// alternative names and the subject; and addresses in the subject where there
// are no alternative names (RFC 5280 section 4.2.1.10).
func (e *entity) constrainedNames() []generalName {
	names := e.names
	if bytes.Equal(e.RawSubject, []byte{0x30, 0}) {
		return names
	}
	names = append(names[:len(names):len(names)], generalName{nameDirectory, e.RawSubject})
	if len(e.names) > 0 {
		return names
	}
	attributes, _ := AttributesOf(e.RawSubject)
	for _, a := range attributes {
		if a.OID == EmailAddress {
			names = append(names, generalName{nameEmail, []byte(a.Value)})
		}
	}
	return names
}

// complete judges a path that has reached an anchor.
func (s *search) complete() bool {
	if f := s.judgeLeaf(); f != nil {
		s.note(f, 0)
		s.over = true
		return false
	}
	if f := checkPolicies(s.path); f != nil {
		s.note(f, 0)
		return false
	}
	if s.policy.CRLs == nil {
		return true
	}
	for i := range s.path[:len(s.path)-1] {
		if f := s.policy.CRLs.check(s.path[i], s.path[i+1], s.policy.At, i == 0); f != nil {
			s.note(f, i)
			return false
		}
	}
	return true
}

// judgeLeaf judges the leaf against the policy. That comes when it is known to
// be genuine, so that a stranger's certificate is called untrusted first.
func (s *search) judgeLeaf() *fault {
	leaf := s.path[0]
	f := timeFault(leaf.Certificate, s.policy.At)
	if f == nil {
		f = leaf.usageFault(s.policy.Usage, true)
	}
	if f == nil && s.policy.Host != "" {
		f = leaf.hostFault(s.policy.Host)
	}
	return f
}

// notFound explains a path that ends at the tip.
func (s *search) notFound(tip *entity) *fault {
	if tip.selfIssued {
		return faultf(Untrusted, "is self-signed and not in the trust store")
	}
	issuer := ReversedName(tip.RawIssuer)
	if len(s.store.bySubject[string(tip.RawIssuer)])+len(s.offered[string(tip.RawIssuer)]) == 0 {
		return faultf(Untrusted, "was issued by %q, whose certificate is not known", issuer)
	}
	return faultf(Untrusted, "was not signed by any certificate of %q that leads to the trust store", issuer)
}

// note keeps the best explanation: the first that is about a genuine path, else
// the first of all.
func (s *search) note(f *fault, position int) {
	if s.refusal == nil || s.refusal.Reason == Untrusted && f.reason != Untrusted {
		v := s.refuse(f, position)
		s.refusal = &v
	}
}

// refuse words a fault of the certificate at a position of the path.
func (s *search) refuse(f *fault, position int) Verdict {
	what := "certificate"
	if position > 0 {
		what = "CA certificate"
	}
	return Verdict{Reason: f.reason, Detail: fmt.Sprintf("%s %q %s", what, ReversedName(s.path[position].RawSubject), f.detail)}
}

func (s *search) certificates() []*x509.Certificate {
	path := make([]*x509.Certificate, len(s.path))
	for i, e := range s.path {
		path[i] = e.Certificate
	}
	return path
}

func firstFault(faults ...*fault) *fault {
	for _, f := range faults {
		if f != nil {
			return f
		}
	}
	return nil
}

// CheckTime judges only the validity periods of a path that Verify accepted at
// another moment. It is cheap enough for every request.
func CheckTime(path []*x509.Certificate, at time.Time) Verdict {
	for _, c := range path {
		if f := timeFault(c, at); f != nil {
			return Verdict{Reason: f.reason, Detail: fmt.Sprintf("certificate %q %s", ReversedName(c.RawSubject), f.detail)}
		}
	}
	return Verdict{Reason: Valid, Path: path}
}

// CheckRevocation judges only the revocation of a path that Verify accepted,
// as Verify does it.
func CheckRevocation(path []*x509.Certificate, lists *CRLSet, at time.Time) Verdict {
	for i := 0; i+1 < len(path); i++ {
		if f := lists.check(newEntity(path[i]), newEntity(path[i+1]), at, i == 0); f != nil {
			return Verdict{Reason: f.reason, Detail: fmt.Sprintf("certificate %q %s", ReversedName(path[i].RawSubject), f.detail)}
		}
	}
	return Verdict{Reason: Valid, Path: path}
}
