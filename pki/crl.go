package pki

import (
	"crypto/x509"
	"math/big"
	"time"
)

// A CRL is a parsed revocation list. Its signature has been checked only after
// [CRL.CheckSignature].
type CRL struct {
	Issuer     []byte // raw issuer name
	ThisUpdate time.Time
	NextUpdate time.Time // zero: the list names none
	Number     *big.Int  // nil: the list names none
	list       *x509.RevocationList
	revoked    map[string]Revocation // by serial, big-endian
}

// A Revocation is an entry of a CRL.
type Revocation struct {
	At     time.Time
	Reason int // RFC 5280 section 5.3.1; 0 when the entry has none
}

// A CRLSet is the revocation lists of a verification.
type CRLSet struct {
	byIssuer map[string][]*CRL
}

// NewCRLSet collects lists by their issuer.
func NewCRLSet(lists ...*CRL) *CRLSet {
	s := &CRLSet{byIssuer: map[string][]*CRL{}}
	for _, c := range lists {
		s.byIssuer[string(c.Issuer)] = append(s.byIssuer[string(c.Issuer)], c)
	}
	return s
}
