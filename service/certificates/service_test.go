package certificates

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pca "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/smithy-go"

	"countersign/call"
	"countersign/keys"
	"countersign/pki"
	"countersign/store"
	"countersign/store/storetest"
)

const (
	testAccount = "123456789012"
	testRegion  = "eu-central-1"
)

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// zone is a DNS of CNAME records.
type zone struct {
	mu      sync.Mutex
	records map[string]string // by lower-case absolute name
	asked   int
	err     error
}

func (z *zone) LookupCNAME(_ context.Context, name string) (string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	return z.records[strings.ToLower(name)], z.err
}

func (z *zone) set(name, target string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[strings.ToLower(name)] = target
}

// smallAuthority is a private CA: one self-signed authority that issues leaves
// for real, and refuses as it is told to.
type smallAuthority struct {
	t     testing.TB
	clock *clock
	key   crypto.Signer
	cert  *x509.Certificate
	arn   string

	mu      sync.Mutex
	usage   pca.CertificateAuthorityUsageMode
	refuse  error
	byToken map[string]string // token → certificate PEM
	issued  int
}

func newSmallAuthority(t testing.TB, c *clock, algorithm keys.Algorithm, signing pki.Algorithm) *smallAuthority {
	t.Helper()
	key, err := keys.Generate(algorithm, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := pki.NewRequest([]pki.Attribute{{OID: pki.Organization, Value: "Example"}, {OID: pki.CommonName, Value: "CA"}}, signing, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &smallAuthority{t: t, clock: c, key: key, byToken: map[string]string{},
		arn: "arn:aws:acm-pca:" + testRegion + ":" + testAccount + ":certificate-authority/11111111-2222-4333-8444-555555555555"}
	der, err := a.sign("RootCACertificate", csr, signing, pki.Validity{Type: pki.Years, Value: 10})
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *smallAuthority) sign(template string, csr []byte, alg pki.Algorithm, validity pki.Validity) ([]byte, error) {
	tmpl, err := pki.LookupTemplate(template)
	if err != nil {
		return nil, err
	}
	request, err := pki.ParseRequest(csr)
	if err != nil {
		return nil, err
	}
	from, to, err := pki.Window(a.clock.Now(), validity, nil)
	if err != nil {
		return nil, err
	}
	serial, err := pki.NewSerial(rand.Reader)
	if err != nil {
		return nil, err
	}
	tbs, err := pki.Issuance{Template: tmpl, Request: request, Issuer: a.cert, Algorithm: alg, Serial: serial, NotBefore: from, NotAfter: to}.TBS()
	if err != nil {
		return nil, err
	}
	signature, err := pki.Sign(tbs, alg, a.key)
	if err != nil {
		return nil, err
	}
	return pki.Assemble(tbs, alg, signature)
}

func (a *smallAuthority) DescribeCertificateAuthority(_ context.Context, in *acmpca.DescribeCertificateAuthorityInput) (*acmpca.DescribeCertificateAuthorityOutput, error) {
	if *in.CertificateAuthorityArn != a.arn {
		return nil, &pca.ResourceNotFoundException{Message: aws.String("no such authority")}
	}
	algorithm, _ := keys.AlgorithmOf(a.key.Public())
	a.mu.Lock()
	defer a.mu.Unlock()
	return &acmpca.DescribeCertificateAuthorityOutput{CertificateAuthority: &pca.CertificateAuthority{
		Arn: &a.arn, UsageMode: a.usage,
		CertificateAuthorityConfiguration: &pca.CertificateAuthorityConfiguration{KeyAlgorithm: pca.KeyAlgorithm(algorithm)},
	}}, nil
}

func (a *smallAuthority) IssueCertificate(ctx context.Context, in *acmpca.IssueCertificateInput) (*acmpca.IssueCertificateOutput, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuse != nil {
		return nil, a.refuse
	}
	if c := call.From(ctx); c.Account != testAccount || c.Region != testRegion {
		a.t.Errorf("the authority was called for account %q in %q", c.Account, c.Region)
	}
	if in.TemplateArn != nil || len(*in.IdempotencyToken) != 36 {
		a.t.Errorf("IssueCertificate with template %v and token %q", in.TemplateArn, *in.IdempotencyToken)
	}
	if _, ok := a.byToken[*in.IdempotencyToken]; !ok {
		a.issued++
		der, err := a.sign("EndEntityCertificate", in.Csr, pki.Algorithm(in.SigningAlgorithm), pki.Validity{Type: pki.ValidityType(in.Validity.Type), Value: *in.Validity.Value})
		if err != nil {
			return nil, err
		}
		a.byToken[*in.IdempotencyToken] = pki.EncodePEMBare(pki.PEMCertificate, der)
	}
	return &acmpca.IssueCertificateOutput{CertificateArn: aws.String(a.arn + "/certificate/" + *in.IdempotencyToken)}, nil
}

func (a *smallAuthority) GetCertificate(_ context.Context, in *acmpca.GetCertificateInput) (*acmpca.GetCertificateOutput, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	text := a.byToken[strings.TrimPrefix(*in.CertificateArn, a.arn+"/certificate/")]
	return &acmpca.GetCertificateOutput{Certificate: &text, CertificateChain: aws.String(pki.EncodePEMBare(pki.PEMCertificate, a.cert.Raw))}, nil
}

func (a *smallAuthority) set(refuse error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse = refuse
}

// bench is a service on a real store, with a clock, a DNS and an authority.
type bench struct {
	*Service
	clock     *clock
	zone      *zone
	authority *smallAuthority
	store     store.Store
	config    Config
	users     map[string][]string
}

func newBench(t testing.TB) *bench {
	t.Helper()
	c := &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	master, _, err := keys.NewMaster(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{clock: c, zone: &zone{records: map[string]string{}}, users: map[string][]string{},
		authority: newSmallAuthority(t, c, keys.P256, pki.SHA256WithECDSA), store: storetest.NewAt(t, c.Now)}
	b.config = Config{Store: b.store, Sealer: keys.NewSealer(master), Authority: b.authority, Resolver: b.zone, Now: c.Now, Rand: rand.Reader,
		InUse: func(_ context.Context, arn string) ([]string, error) { return b.users[arn], nil }}
	b.Service = New(b.config)
	return b
}

// anotherNode is a second node on the bench's store.
func (b *bench) anotherNode() *bench {
	other := *b
	other.Service = New(b.config)
	return &other
}

func caller(ctx context.Context) context.Context { return callerIn(ctx, testAccount, testRegion) }

func callerIn(ctx context.Context, account, region string) context.Context {
	return call.With(ctx, call.Call{Account: account, Region: region, Service: "acm", Signing: call.Header,
		Principal: call.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root", ID: account}})
}

func (b *bench) request(t testing.TB, in *acm.RequestCertificateInput) string {
	t.Helper()
	out, err := b.RequestCertificate(caller(t.Context()), in)
	if err != nil {
		t.Fatalf("RequestCertificate: %v", err)
	}
	return *out.CertificateArn
}

// privateInput asks the bench's authority for an EC certificate.
func (b *bench) privateInput(domain string, more ...string) *acm.RequestCertificateInput {
	return &acm.RequestCertificateInput{DomainName: &domain, SubjectAlternativeNames: more,
		CertificateAuthorityArn: &b.authority.arn, KeyAlgorithm: types.KeyAlgorithmEcPrime256v1}
}

// publicInput asks for an EC certificate with DNS validation.
func publicInput(domain string, more ...string) *acm.RequestCertificateInput {
	return &acm.RequestCertificateInput{DomainName: &domain, SubjectAlternativeNames: more,
		ValidationMethod: types.ValidationMethodDns, KeyAlgorithm: types.KeyAlgorithmEcPrime256v1}
}

func (b *bench) describe(t testing.TB, arn string) *types.CertificateDetail {
	t.Helper()
	out, err := b.DescribeCertificate(caller(t.Context()), &acm.DescribeCertificateInput{CertificateArn: &arn})
	if err != nil {
		t.Fatalf("DescribeCertificate: %v", err)
	}
	return out.Certificate
}

func (b *bench) wantStatus(t testing.TB, arn string, want types.CertificateStatus) {
	t.Helper()
	if d := b.describe(t, arn); d.Status != want {
		t.Errorf("status = %s (%s), want %s", d.Status, d.FailureReason, want)
	}
}

func (b *bench) validate(t testing.TB) time.Time {
	t.Helper()
	next, err := b.ValidatePending(t.Context())
	if err != nil {
		t.Fatalf("ValidatePending: %v", err)
	}
	return next
}

// publish puts the validation records of a certificate into the DNS.
func (b *bench) publish(t testing.TB, arn string) {
	t.Helper()
	for _, o := range b.describe(t, arn).DomainValidationOptions {
		b.zone.set(*o.ResourceRecord.Name, *o.ResourceRecord.Value)
	}
}

func parseAll(t testing.TB, text string) []*x509.Certificate {
	t.Helper()
	var certs []*x509.Certificate
	for rest := []byte(text); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatalf("no PEM: %q", text)
			return nil
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, c)
	}
	return certs
}

// wantError checks an error's AWS code and that its message holds a text.
func wantError(t testing.TB, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Errorf("error = %v, want %s", err, code)
		return
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("error = %s: %s; want %s: …%s…", api.ErrorCode(), api.ErrorMessage(), code, text)
	}
}

// selfSigned makes a certificate to be imported.
func selfSigned(t testing.TB, key crypto.Signer, tmpl *x509.Certificate) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func pkcs8(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := keys.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
