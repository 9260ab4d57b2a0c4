// Package ceremony makes and uses the key of an offline root: a certificate
// authority that lives on a machine without a network and signs a few times in
// its life. What is done is one YAML file that people read beforehand; what was
// done is a transcript that they sign afterwards. It answers for no AWS API:
// subordinates on a node are created with CreateCertificateAuthority, their
// requests signed here, and the certificates imported with
// ImportCertificateAuthorityCertificate.
//
// It takes bytes, a clock and randomness, and returns files; it opens none. It
// leaves out hardware security modules and splitting the key among people.
package ceremony

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"countersign/keys"
	"countersign/pki"

	"go.yaml.in/yaml/v3"
)

// Bounds of a plan.
const (
	MaxPlanBytes = 1 << 20
	maxSigned    = 100
	maxLists     = 520 // ten years of weeks
	maxYears     = 50
)

// A Plan is what people agreed on beforehand.
type Plan struct {
	// Title says what the ceremony is, for the transcript.
	Title string `yaml:"title"`
	// At is the moment that everything is dated with, so that a rehearsal shows the
	// very dates of the ceremony.
	At        time.Time     `yaml:"at"`
	Witnesses []string      `yaml:"witnesses"`
	Root      Root          `yaml:"root"`
	Sign      []Subordinate `yaml:"sign"`
	CRLs      *Lists        `yaml:"crls"`
}

// A Root is made, or, with Certificate, used again.
type Root struct {
	Subject Subject        `yaml:"subject"`
	Key     keys.Algorithm `yaml:"key"`
	Years   int            `yaml:"years"`

	Certificate string `yaml:"certificate"` // file of the root that there is already
	KeyFile     string `yaml:"keyFile"`     // its key, as an earlier ceremony wrote it
}

// A Subject is a distinguished name, encoded in this order.
type Subject struct {
	Country            string `yaml:"country"`
	Organization       string `yaml:"organization"`
	OrganizationalUnit string `yaml:"organizationalUnit"`
	State              string `yaml:"state"`
	Locality           string `yaml:"locality"`
	CommonName         string `yaml:"commonName"`
}

// A Subordinate is a request that the root signs.
type Subordinate struct {
	Name     string `yaml:"name"`     // of the files to write: name.pem
	CSR      string `yaml:"csr"`      // file, relative to the plan
	SHA256   string `yaml:"sha256"`   // of that file: what was reviewed is what is signed
	Template string `yaml:"template"` // by the name of ACM Private CA: SubordinateCACertificate_PathLen0
	Years    int    `yaml:"years"`
}

// Lists are the CRLs that are signed ahead, one to be published after the other.
type Lists struct {
	Count       int       `yaml:"count"`
	EveryDays   int       `yaml:"everyDays"`
	OverlapDays int       `yaml:"overlapDays"` // how long a list still holds after the next one's day
	URL         string    `yaml:"url"`         // where they will be found; goes into what is signed
	Revoked     []Revoked `yaml:"revoked"`
}

// A Revoked is a certificate of the root that every list names.
type Revoked struct {
	Serial string    `yaml:"serial"`
	At     time.Time `yaml:"at"`
	Reason string    `yaml:"reason"`

	number pki.Serial
	code   int
}

// Parse reads a plan and checks all that can be checked without a key. Members
// that it does not know are errors: a misspelt one would be a rule that nobody keeps.
func Parse(data []byte) (*Plan, error) {
	if len(data) > MaxPlanBytes {
		return nil, fmt.Errorf("the plan has more than %d bytes", MaxPlanBytes)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	p := &Plan{}
	if err := d.Decode(p); errors.Is(err, io.EOF) {
		return nil, errors.New("the plan is empty")
	} else if err != nil {
		return nil, fmt.Errorf("the plan: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("the plan holds more than one YAML document")
	}
	for _, check := range []func() error{p.checkGeneral, p.checkRoot, p.checkSign, p.checkLists} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Plan) checkGeneral() error {
	switch {
	case strings.TrimSpace(p.Title) == "":
		return errors.New("title: say in a line what this ceremony is")
	case p.At.IsZero():
		return errors.New("at: give the moment to date everything with, such as 2027-01-15T10:00:00Z")
	case len(p.Witnesses) == 0:
		return errors.New("witnesses: name those who will sign the transcript")
	}
	p.At = p.At.UTC().Truncate(time.Second)
	return nil
}

func (p *Plan) checkRoot() error {
	r := &p.Root
	if r.Certificate != "" || r.KeyFile != "" {
		switch {
		case r.Certificate == "" || r.KeyFile == "":
			return errors.New("root: a root that there is already needs both certificate and keyFile")
		case r.Subject != Subject{} || r.Key != "" || r.Years != 0:
			return errors.New("root: give certificate and keyFile of a root that there is, or subject, key and years of a new one, not both")
		case len(p.Sign) == 0 && p.CRLs == nil:
			return errors.New("the plan does nothing: there is a root already, nothing to sign and no CRLs")
		}
		return nil
	}
	switch {
	case r.Subject.CommonName == "":
		return errors.New("root.subject.commonName: a root needs a name")
	case r.Key.Family() == "" || r.Key == keys.RSA1024:
		return fmt.Errorf("root.key: %q is no key algorithm; use EC_secp384r1, EC_prime256v1, EC_secp521r1, RSA_4096, RSA_3072 or RSA_2048", r.Key)
	case r.Years < 1 || r.Years > maxYears:
		return fmt.Errorf("root.years: %d is not 1 to %d", r.Years, maxYears)
	}
	if _, err := pki.EncodeName(r.Subject.attributes()); err != nil {
		return fmt.Errorf("root.subject: %w", err)
	}
	return nil
}

func (s Subject) attributes() []pki.Attribute {
	var list []pki.Attribute
	for _, a := range []pki.Attribute{
		{OID: pki.Country, Value: s.Country}, {OID: pki.Organization, Value: s.Organization}, {OID: pki.OrganizationalUnit, Value: s.OrganizationalUnit},
		{OID: pki.State, Value: s.State}, {OID: pki.Locality, Value: s.Locality}, {OID: pki.CommonName, Value: s.CommonName},
	} {
		if a.Value != "" {
			list = append(list, a)
		}
	}
	return list
}

// reserved are names that the ceremony writes itself.
var reserved = []string{"root", "transcript", "SHA256SUMS", "plan"}

func (p *Plan) checkSign() error {
	if len(p.Sign) > maxSigned {
		return fmt.Errorf("sign: %d requests; at most %d", len(p.Sign), maxSigned)
	}
	seen := map[string]bool{}
	for i, s := range p.Sign {
		at := fmt.Sprintf("sign[%d]", i)
		switch {
		case s.Name == "" || s.Name != filepath.Base(s.Name) || strings.HasPrefix(s.Name, ".") || strings.ContainsAny(s.Name, "/\\") || slices.Contains(reserved, s.Name) || strings.HasPrefix(s.Name, "crl-"):
			return fmt.Errorf("%s.name: %q cannot be the name of a file here", at, s.Name)
		case seen[s.Name]:
			return fmt.Errorf("%s.name: %q is there twice", at, s.Name)
		case s.CSR == "":
			return fmt.Errorf("%s.csr: name the file with the request", at)
		case s.Years < 1 || s.Years > maxYears:
			return fmt.Errorf("%s.years: %d is not 1 to %d", at, s.Years, maxYears)
		}
		seen[s.Name] = true
		t, err := pki.LookupTemplate(s.Template)
		if err != nil {
			return fmt.Errorf("%s.template: %w", at, err)
		}
		if s.Template == "" || !t.IsCA() || t.IsRoot() || t.FromAPI() {
			return fmt.Errorf("%s.template: %q is not for subordinates: use SubordinateCACertificate_PathLen0 to _PathLen3", at, s.Template)
		}
	}
	return nil
}

func (p *Plan) checkLists() error {
	c := p.CRLs
	if c == nil {
		return nil
	}
	switch {
	case c.Count < 1 || c.Count > maxLists:
		return fmt.Errorf("crls.count: %d is not 1 to %d", c.Count, maxLists)
	case c.EveryDays < 1 || c.EveryDays > 366:
		return fmt.Errorf("crls.everyDays: %d is not 1 to 366", c.EveryDays)
	case c.OverlapDays < 1 || c.OverlapDays > 366:
		return fmt.Errorf("crls.overlapDays: %d is not 1 to 366: without an overlap the last list ends before the next can be fetched", c.OverlapDays)
	}
	seen := map[pki.Serial]bool{}
	for i := range c.Revoked {
		r := &c.Revoked[i]
		at := fmt.Sprintf("crls.revoked[%d]", i)
		n, err := pki.ParseSerial(r.Serial)
		if err != nil {
			return fmt.Errorf("%s.serial: %w", at, err)
		}
		if n.Sign() == 0 || n.Cmp(new(big.Int).Lsh(big.NewInt(1), 128)) >= 0 {
			return fmt.Errorf("%s.serial: %s is none that this program gave", at, r.Serial)
		}
		n.FillBytes(r.number[:])
		if seen[r.number] {
			return fmt.Errorf("%s.serial: %s is there twice", at, r.Serial)
		}
		seen[r.number] = true
		if r.At.IsZero() || r.At.After(p.At) {
			return fmt.Errorf("%s.at: give when it was revoked, not after the ceremony", at)
		}
		codes := []string{"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation"}
		if r.code = slices.Index(codes, r.Reason); r.code < 0 {
			return fmt.Errorf("%s.reason: %q is none of %s", at, r.Reason, strings.Join(codes, ", "))
		}
	}
	return nil
}
