package authority

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/arn"
	"countersign/keys"
	"countersign/store"
)

// Kinds of records. The exported ones are what background work and snapshots
// of the data plane depend on.
const (
	// KindAuthority: one record per authority, key <account>/<region>/<id>.
	KindAuthority = "acm-pca/authority"
	// KindPending: an authority whose key is still to be made, same key. MakeKeys works it off.
	KindPending = "acm-pca/pending"
	// KindIssuer: SHA-256 of the SubjectPublicKeyInfo of every authority there ever was, key <id>.
	// It outlives the authority: what a deleted one has revoked stays revoked.
	KindIssuer = "acm-pca/issuer"

	// KindCRLDue: lists to be written soon, key <account>/<region>/<id> for all of an authority's,
	// or with /<list> behind it. PublishCRLs works it off.
	KindCRLDue = "acm-pca/crl-due"

	kindCRL       = "acm-pca/crl"        // see crlState
	kindCRLCursor = "acm-pca/crl-cursor" // how far PublishCRLs has read the feed of revocations

	kindToken = "acm-pca/token" // idempotency tokens, see tokenKey
)

// A state is what is stored of an authority's status. EXPIRED is not stored:
// it follows from the clock.
type state string

const (
	creating state = "CREATING"
	pending  state = "PENDING_CERTIFICATE"
	active   state = "ACTIVE"
	disabled state = "DISABLED"
	expired  state = "EXPIRED"
	failed   state = "FAILED"
	deleted  state = "DELETED"
)

// A record is the stored form of an authority.
type record struct {
	ID      string
	Account string
	Region  string

	Root       bool // else subordinate
	ShortLived bool // usage mode SHORT_LIVED_CERTIFICATE
	Storage    string
	Algorithm  keys.Algorithm
	Signing    string // signing algorithm of the CSR, and of CRLs
	Subject    subject
	// CSRExtensions is as CreateCertificateAuthority was given it, to be
	// described again and, once the key is made, to go into the CSR.
	CSRExtensions *types.CsrExtensions `json:",omitempty"`

	State           state
	Before          state     `json:",omitzero"` // DELETED: the state that restoring returns to
	CreatedAt       time.Time // as all times here: UTC
	ChangedAt       time.Time // of State
	RestorableUntil time.Time `json:",omitzero"` // DELETED: gone from then on
	FailureReason   string    `json:",omitempty"`

	Key         []byte   `json:",omitempty"` // sealed for the ARN; absent while CREATING
	CSR         []byte   `json:",omitempty"` // DER
	Certificate []byte   `json:",omitempty"` // DER
	Chain       [][]byte `json:",omitempty"` // DER, the issuer first, the root last

	Tags        []tag        `json:",omitempty"` // by key
	Permissions []permission `json:",omitempty"` // by principal and account
	OCSP        *ocspConfig  `json:",omitempty"` // nil: disabled
	CRL         *crlConfig   `json:",omitempty"` // nil: disabled
	Imported    bool         `json:",omitempty"` // with its key, from another installation, at CreatedAt
	Policy      string       `json:",omitempty"` // resource policy, as it was put

	also     []store.Op // written together with the record
	revision store.Revision
	stored   []byte // as it was read; nil when it was not

	// Of records that nobody changes; see current.
	parsed []*x509.Certificate // path
	above  *string             // path as GetCertificate answers it
}

type tag struct{ Key, Value string }

type permission struct {
	Principal     string
	SourceAccount string
	Actions       []string
	CreatedAt     time.Time
}

func (r *record) arn() string {
	return arn.New("acm-pca", r.Region, r.Account, "certificate-authority/"+r.ID).String()
}

func (r *record) key() string { return r.Account + "/" + r.Region + "/" + r.ID }

func (r *record) encode() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", r.arn(), err)
	}
	return b, nil
}

func decode(from store.Record) (*record, error) {
	r := &record{revision: from.Revision, stored: from.Value}
	if err := json.Unmarshal(from.Value, r); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", from.Kind, from.Key, err)
	}
	return r, nil
}

// certificate parses the authority's own certificate; nil without one.
func (r *record) certificate() (*x509.Certificate, error) {
	if r.parsed != nil {
		return r.parsed[0], nil
	}
	if r.Certificate == nil {
		return nil, nil
	}
	c, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return nil, fmt.Errorf("parse the certificate of %s: %w", r.arn(), err)
	}
	return c, nil
}

// chain parses the certificates above the authority's own.
func (r *record) chain() ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for _, der := range r.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("parse the certificate chain of %s: %w", r.arn(), err)
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// status is the state at now, with EXPIRED.
func (r *record) status(now time.Time) (state, error) {
	if r.State != active && r.State != disabled {
		return r.State, nil
	}
	c, err := r.certificate()
	if err != nil {
		return "", err
	}
	if c != nil && now.After(c.NotAfter) {
		return expired, nil
	}
	return r.State, nil
}

// gone reports whether the restoration window has closed.
func (r *record) gone(now time.Time) bool {
	return r.State == deleted && !now.Before(r.RestorableUntil)
}

// set moves to another state.
func (r *record) set(s state, now time.Time) {
	if r.State != s {
		r.State, r.ChangedAt = s, now
	}
}
