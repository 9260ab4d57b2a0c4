package certificates

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"countersign/arn"
	"countersign/keys"
	"countersign/store"
)

// Kinds of records. The exported ones are what background work and snapshots
// of the data plane depend on.
const (
	// KindCertificate: one record per certificate, key <account>/<region>/<id>.
	KindCertificate = "acm/certificate"
	// KindPending: a certificate that is not issued yet, same key. ValidatePending works it off.
	KindPending = "acm/pending"
	// KindLocalRoot: the local root, key "root".
	KindLocalRoot = "acm/local-root"

	kindToken = "acm/token" // idempotency tokens
)

// A source is where a certificate comes from, by ACM's name.
type source string

const (
	private  source = "PRIVATE"
	public   source = "AMAZON_ISSUED"
	imported source = "IMPORTED"
)

// A state is what is stored of a certificate's status. EXPIRED is not stored:
// it follows from the clock.
type state string

const (
	pending  state = "PENDING_VALIDATION"
	issued   state = "ISSUED"
	expired  state = "EXPIRED"
	timedOut state = "VALIDATION_TIMED_OUT"
	failed   state = "FAILED"
)

// A record is the stored form of a certificate.
type record struct {
	ID      string
	Account string
	Region  string

	Source    source
	Authority string `json:",omitempty"` // ARN; PRIVATE only
	Domain    string
	Names     []string // Domain among them
	Algorithm keys.Algorithm
	Tags      []tag `json:",omitempty"` // by key

	State         state
	FailureReason string       `json:",omitempty"`
	Validations   []validation `json:",omitempty"` // AMAZON_ISSUED only, one per name
	CreatedAt     time.Time    // as all times here: UTC
	IssuedAt      time.Time    `json:",omitzero"`
	ImportedAt    time.Time    `json:",omitzero"`

	Exportable bool `json:",omitempty"` // AMAZON_ISSUED: Options.Export
	Exported   bool `json:",omitempty"`

	Key         []byte   // PKCS#8, sealed for the ARN
	CSR         []byte   `json:",omitempty"` // DER; fixed once, so that a repeated request is the same request
	Certificate []byte   `json:",omitempty"` // DER
	Chain       [][]byte `json:",omitempty"` // DER, the issuer first, the root last

	revision store.Revision
}

type tag struct{ Key, Value string }

// A validation is the state of proving one name.
type validation struct {
	Name string
	Done bool
}

func (r *record) arn() string {
	return arn.New("acm", r.Region, r.Account, "certificate/"+r.ID).String()
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
	r := &record{revision: from.Revision}
	if err := json.Unmarshal(from.Value, r); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", from.Kind, from.Key, err)
	}
	return r, nil
}

// leaf parses the certificate; nil before it is issued.
func (r *record) leaf() (*x509.Certificate, error) {
	if r.Certificate == nil {
		return nil, nil
	}
	c, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return nil, fmt.Errorf("parse certificate %s: %w", r.arn(), err)
	}
	return c, nil
}

// chain parses the certificates above.
func (r *record) chain() ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for _, der := range r.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("parse the chain of certificate %s: %w", r.arn(), err)
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// status is the state at now, with EXPIRED. leaf is r's.
func (r *record) status(leaf *x509.Certificate, now time.Time) state {
	if r.State == issued && leaf != nil && now.After(leaf.NotAfter) {
		return expired
	}
	return r.State
}

// base is the domain that proves a name: wildcards are proved by their parent.
func base(name string) string {
	return strings.ToLower(strings.TrimPrefix(name, "*."))
}
