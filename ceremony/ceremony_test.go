package ceremony

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/keys"
	"countersign/pki"
)

var at = time.Date(2027, 1, 15, 10, 0, 0, 0, time.UTC)

const planText = `title: Example offline root
at: 2027-01-15T10:00:00Z
witnesses: [Ada, Grace]
root:
  subject: {country: DE, organization: Example, commonName: Example Offline Root}
  key: EC_secp384r1
  years: 20
sign:
  - name: issuing
    csr: issuing.csr
    template: SubordinateCACertificate_PathLen0
    years: 5
crls:
  count: 3
  everyDays: 30
  overlapDays: 7
  url: http://pki.example.test/root.crl
  revoked:
    - {serial: "0a:0b", at: 2027-01-10T00:00:00Z, reason: superseded}
`

const phrase = "correct horse battery staple"

func request(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Issuing CA"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// world is what a plan reads.
func world(files map[string][]byte) Config {
	c := Config{Now: at.Add(time.Hour), Rand: rand.Reader, Program: "countersign test", Passphrase: func() ([]byte, error) { return []byte(phrase), nil }}
	c.Read = func(name string) ([]byte, error) {
		if data, ok := files[name]; ok {
			return data, nil
		}
		return nil, fmt.Errorf("there is no %s", name)
	}
	c.Key = func(name string) (crypto.Signer, error) {
		block, _ := pem.Decode(files[name])
		if block == nil {
			return nil, errors.New("no key")
		}
		der, err := pki.DecryptPKCS8(block.Bytes, []byte(phrase))
		if err != nil {
			return nil, err
		}
		return keys.Parse(der)
	}
	return c
}

func run(t testing.TB, text string, c Config) map[string][]byte {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	files, err := p.Run([]byte(text), c)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		out[f.Name] = f.Data
		if want := f.Name == "root.key"; want != (f.Mode == 0o600) {
			t.Errorf("%s has mode %v", f.Name, f.Mode)
		}
	}
	return out
}

func certificate(t testing.TB, data []byte) *x509.Certificate {
	t.Helper()
	if block, _ := pem.Decode(data); block != nil {
		c, err := x509.ParseCertificate(block.Bytes)
		if err == nil {
			return c
		}
		t.Error(err)
	}
	t.Fatalf("%q is no PEM of a certificate", data)
	return nil
}

func TestCeremonyAndTheNextOne(t *testing.T) {
	t.Parallel()
	csr := request(t)
	files := map[string][]byte{"issuing.csr": csr}
	made := run(t, planText, world(files))
	want := []string{"SHA256SUMS", "crl-2027-01-15.crl", "crl-2027-02-14.crl", "crl-2027-03-16.crl", "issuing.pem", "plan.yaml", "root.key", "root.pem", "transcript.txt"}
	if got := slices.Sorted(maps.Keys(made)); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	root, issuing := certificate(t, made["root.pem"]), certificate(t, made["issuing.pem"])
	if root.Subject.CommonName != "Example Offline Root" || root.NotAfter.Year() != 2047 || root.SignatureAlgorithm != x509.ECDSAWithSHA384 {
		t.Errorf("root: %v until %v by %v", root.Subject, root.NotAfter, root.SignatureAlgorithm)
	}
	if err := issuing.CheckSignatureFrom(root); err != nil || !issuing.MaxPathLenZero || !slices.Equal(issuing.CRLDistributionPoints, []string{"http://pki.example.test/root.crl"}) {
		t.Errorf("issuing: %v, %+v", err, issuing.CRLDistributionPoints)
	}
	var before *x509.RevocationList
	for _, name := range want[1:4] {
		list, err := x509.ParseRevocationList(made[name])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if entries := list.RevokedCertificateEntries; list.CheckSignatureFrom(root) != nil || len(entries) != 1 || entries[0].SerialNumber.Int64() != 0x0a0b {
			t.Fatalf("%s: %+v", name, entries)
		}
		if before != nil && (list.Number.Cmp(before.Number) <= 0 || !before.NextUpdate.Equal(list.ThisUpdate.AddDate(0, 0, 7))) {
			t.Errorf("%s follows badly: number %v after %v, from %v after one until %v", name, list.Number, before.Number, list.ThisUpdate, before.NextUpdate)
		}
		before = list
	}
	transcript := string(made["transcript.txt"])
	for _, part := range []string{"TRANSCRIPT OF A KEY CEREMONY", digest([]byte(planText)), digest(csr), digest(root.Raw), digest(made["issuing.pem"]), "  | title: Example offline root", "Ada ", "Grace ", "verify"} {
		if !strings.Contains(transcript, part) {
			t.Errorf("the transcript does not have %q:\n%s", part, transcript)
		}
	}
	if strings.Contains(transcript, phrase) {
		t.Error("the transcript has the passphrase")
	}
	if !strings.Contains(string(made["SHA256SUMS"]), digest(made["transcript.txt"])+"  transcript.txt\n") {
		t.Error("SHA256SUMS does not have the transcript")
	}

	// A year later the same root signs once more.
	files["root.pem"], files["root.key"], files["issuing.csr"] = made["root.pem"], made["root.key"], request(t)
	next := strings.NewReplacer("2027-01-15", "2028-01-15").Replace(planText)
	from, to := strings.Index(next, "  subject:"), strings.Index(next, "sign:")
	next = next[:from] + "  certificate: root.pem\n  keyFile: root.key\n" + next[to:]
	c := world(files)
	c.Now = at.AddDate(1, 0, 0)
	again := run(t, next, c)
	if _, ok := again["root.key"]; ok {
		t.Error("the second ceremony wrote a key")
	}
	if err := certificate(t, again["issuing.pem"]).CheckSignatureFrom(root); err != nil {
		t.Error(err)
	}
	list, err := x509.ParseRevocationList(again["crl-2028-01-15.crl"])
	if err != nil || list.CheckSignatureFrom(root) != nil || list.Number.Cmp(before.Number) <= 0 {
		t.Errorf("a CRL of the second ceremony: %v, number %v", err, list.Number)
	}
	// Its rehearsal needs no key.
	c.Rehearsal, c.Key, c.Passphrase = true, nil, nil
	rehearsed := run(t, next, c)
	if err := certificate(t, rehearsed["issuing.pem"]).CheckSignatureFrom(root); err == nil {
		t.Error("a rehearsal signed with the key of the root")
	}
}

func TestRehearsalLeavesNothingToMistake(t *testing.T) {
	t.Parallel()
	c := world(map[string][]byte{"issuing.csr": request(t)})
	c.Rehearsal, c.Passphrase, c.Now = true, nil, at.AddDate(0, -2, 0)
	made := run(t, planText, c)
	if _, ok := made["root.key"]; ok {
		t.Error("a rehearsal kept its key")
	}
	root := certificate(t, made["root.pem"])
	if root.Subject.CommonName != "REHEARSAL Example Offline Root" || !strings.Contains(string(made["transcript.txt"]), "TRANSCRIPT OF A REHEARSAL") {
		t.Errorf("root %v", root.Subject)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	csr := request(t)
	for name, c := range map[string]struct {
		text   func(string) string
		change func(*Config)
		want   string
	}{
		"clock":      {nil, func(c *Config) { c.Now = at.AddDate(0, 0, 2) }, "the clock of this machine says"},
		"no request": {nil, func(c *Config) { c.Read = world(nil).Read }, "there is no issuing.csr"},
		"other request": {func(s string) string {
			return strings.Replace(s, "    template:", "    sha256: 0000\n    template:", 1)
		}, nil, "is not the request of the plan"},
		"bad request":  {nil, func(c *Config) { c.Read = world(map[string][]byte{"issuing.csr": []byte("x")}).Read }, "neither PEM nor DER"},
		"short phrase": {nil, func(c *Config) { c.Passphrase = func() ([]byte, error) { return []byte("short"), nil } }, "the passphrase is too short"},
		"no phrase":    {nil, func(c *Config) { c.Passphrase = func() ([]byte, error) { return nil, errors.New("no terminal") } }, "no terminal"},
		"outlives":     {func(s string) string { return strings.Replace(s, "years: 5", "years: 20", 1) }, nil, "exceeds the certificate authority validity"},
		"lists outlive": {func(s string) string {
			return strings.Replace(strings.Replace(s, "years: 20", "years: 6", 1), "count: 3", "count: 80", 1)
		}, nil, "sign fewer"},
		"no root":        {func(s string) string { return existing(s) }, nil, "there is no root.pem"},
		"leaf as a root": {func(s string) string { return existing(s) }, func(c *Config) { c.Read = func(string) ([]byte, error) { return csr, nil } }, "holds no PEM certificate"},
		"key of another": {func(s string) string { return existing(s) }, otherKey(t, csr), "is not that of root.pem"},
		"key cannot open": {func(s string) string { return existing(s) }, func(c *Config) {
			otherKey(t, csr)(c)
			c.Key = func(string) (crypto.Signer, error) { return nil, errors.New("closed") }
		}, "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := planText
			if c.text != nil {
				text = c.text(text)
			}
			config := world(map[string][]byte{"issuing.csr": csr})
			if c.change != nil {
				c.change(&config)
			}
			p, err := Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			files, err := p.Run([]byte(text), config)
			if err == nil || !strings.Contains(err.Error(), c.want) || files != nil {
				t.Errorf("%d files, %v; want %q", len(files), err, c.want)
			}
		})
	}
}

func existing(s string) string {
	from, to := strings.Index(s, "  subject:"), strings.Index(s, "sign:")
	return s[:from] + "  certificate: root.pem\n  keyFile: root.key\n" + s[to:]
}

// otherKey gives a root that is in order, and the key of another.
func otherKey(t *testing.T, csr []byte) func(*Config) {
	made := run(t, planText, world(map[string][]byte{"issuing.csr": csr}))
	return func(c *Config) {
		c.Read = world(map[string][]byte{"root.pem": made["root.pem"], "issuing.csr": csr}).Read
		c.Key = func(string) (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) }
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for from, c := range map[string]struct{ to, want string }{
		"title: Example offline root":                 {"title: ''", "title: "},
		"at: 2027-01-15T10:00:00Z":                    {"at: soon", "the plan: "},
		"witnesses: [Ada, Grace]":                     {"witnesses: []", "witnesses: "},
		"witnesses:":                                  {"witneses:", "field witneses not found"},
		"key: EC_secp384r1":                           {"key: EC_secp192r1", "root.key: "},
		"commonName: Example Offline Root":            {"commonName: ''", "root.subject.commonName: "},
		"country: DE":                                 {"country: Ü", "root.subject: "},
		"years: 20":                                   {"years: 51", "root.years: 51"},
		"name: issuing":                               {"name: ../issuing", "sign[0].name: "},
		"csr: issuing.csr":                            {"csr: ''", "sign[0].csr: "},
		"template: SubordinateCACertificate_PathLen0": {"template: EndEntityCertificate", "sign[0].template: "},
		"years: 5":                                    {"years: 0", "sign[0].years: "},
		"count: 3":                                    {"count: 0", "crls.count: "},
		"everyDays: 30":                               {"everyDays: 0", "crls.everyDays: "},
		"overlapDays: 7":                              {"overlapDays: 0", "crls.overlapDays: "},
		`serial: "0a:0b"`:                             {"serial: xyz", "crls.revoked[0].serial: "},
		"at: 2027-01-10T00:00:00Z":                    {"at: 2029-01-10T00:00:00Z", "crls.revoked[0].at: "},
		"reason: superseded":                          {"reason: whim", "crls.revoked[0].reason: "},
		"  key: EC_secp384r1":                         {"  key: EC_secp384r1\n  certificate: root.pem\n  keyFile: root.key", "not both"},
		"  years: 20":                                 {"  years: 20\n  keyFile: root.key", "needs both certificate and keyFile"},
	} {
		if !strings.Contains(planText, from) {
			t.Fatalf("the plan has no %q", from)
		}
		if p, err := Parse([]byte(strings.Replace(planText, from, c.to, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want %q", c.to, p, err, c.want)
		}
	}
	for _, text := range []string{"", "---\n", "[]", planText + "---\ntitle: another\n", "title: [", strings.Repeat("#", MaxPlanBytes+1)} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%.30q was taken", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(planText))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte(existing(planText)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := Parse(data); err == nil && (p.Title == "" || p.At.IsZero() || len(p.Witnesses) == 0) {
			t.Errorf("a plan without its parts: %+v", p)
		}
	})
}
