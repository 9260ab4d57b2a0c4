package authority

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/smithy-go"

	"countersign/call"
	"countersign/keys"
	"countersign/store"
	"countersign/store/storetest"
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

// bench is a service on a real store, with a clock of its own.
type bench struct {
	*Service
	clock  *clock
	store  store.Store
	config Config
}

func newBench(t testing.TB) *bench {
	t.Helper()
	c := &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	return newBenchOn(t, c, storetest.NewAt(t, c.Now))
}

func newBenchOn(t testing.TB, c *clock, st store.Store) *bench {
	t.Helper()
	master, _, err := keys.NewMaster(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Store: st, Sealer: keys.NewSealer(master), Now: c.Now, Rand: rand.Reader}
	return &bench{Service: New(cfg), clock: c, store: st, config: cfg}
}

const (
	testAccount = "123456789012"
	testRegion  = "eu-central-1"
)

func caller(ctx context.Context) context.Context { return callerIn(ctx, testAccount, testRegion) }

func callerIn(ctx context.Context, account, region string) context.Context {
	return call.With(ctx, call.Call{Account: account, Region: region, Service: "acm-pca", Signing: call.Header,
		Principal: call.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root", ID: account}})
}

func template1(name string) *string { return aws.String("arn:aws:acm-pca:::template/" + name + "/V1") }

func years(n int64) *types.Validity {
	return &types.Validity{Type: types.ValidityPeriodTypeYears, Value: aws.Int64(n)}
}

func days(n int64) *types.Validity {
	return &types.Validity{Type: types.ValidityPeriodTypeDays, Value: aws.Int64(n)}
}

// createInput asks for an EC P-256 authority.
func createInput(kind types.CertificateAuthorityType, name string) *acmpca.CreateCertificateAuthorityInput {
	return &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: kind,
		CertificateAuthorityConfiguration: &types.CertificateAuthorityConfiguration{
			KeyAlgorithm: types.KeyAlgorithmEcPrime256v1, SigningAlgorithm: types.SigningAlgorithmSha256withecdsa,
			Subject: &types.ASN1Subject{CommonName: aws.String(name), Country: aws.String("DE"), Organization: aws.String("Example")},
		},
	}
}

func (b *bench) create(t testing.TB, in *acmpca.CreateCertificateAuthorityInput) string {
	t.Helper()
	out, err := b.CreateCertificateAuthority(caller(t.Context()), in)
	if err != nil {
		t.Fatalf("CreateCertificateAuthority: %v", err)
	}
	return *out.CertificateAuthorityArn
}

func (b *bench) csr(t testing.TB, ca string) []byte {
	t.Helper()
	out, err := b.GetCertificateAuthorityCsr(caller(t.Context()), &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &ca})
	if err != nil {
		t.Fatalf("GetCertificateAuthorityCsr: %v", err)
	}
	return []byte(*out.Csr)
}

func (b *bench) get(t testing.TB, ca, certificate string) (cert, chain string) {
	t.Helper()
	out, err := b.GetCertificate(caller(t.Context()), &acmpca.GetCertificateInput{CertificateAuthorityArn: &ca, CertificateArn: &certificate})
	if err != nil {
		t.Fatalf("GetCertificate: %v", err)
	}
	return *out.Certificate, aws.ToString(out.CertificateChain)
}

func (b *bench) issue(t testing.TB, in *acmpca.IssueCertificateInput) string {
	t.Helper()
	out, err := b.IssueCertificate(caller(t.Context()), in)
	if err != nil {
		t.Fatalf("IssueCertificate: %v", err)
	}
	return *out.CertificateArn
}

func (b *bench) install(t testing.TB, ca, cert, chain string) {
	t.Helper()
	in := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca, Certificate: []byte(cert)}
	if chain != "" {
		in.CertificateChain = []byte(chain)
	}
	if _, err := b.ImportCertificateAuthorityCertificate(caller(t.Context()), in); err != nil {
		t.Fatalf("ImportCertificateAuthorityCertificate: %v", err)
	}
}

// root makes an active root of ten years.
func (b *bench) root(t testing.TB, in *acmpca.CreateCertificateAuthorityInput) string {
	t.Helper()
	ca := b.create(t, in)
	cert, chain := b.get(t, ca, b.issue(t, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &ca, Csr: b.csr(t, ca), Validity: years(10),
		SigningAlgorithm: in.CertificateAuthorityConfiguration.SigningAlgorithm, TemplateArn: template1("RootCACertificate"),
	}))
	if chain != "" {
		t.Errorf("a root's own certificate came with the chain %q", chain)
	}
	b.install(t, ca, cert, "")
	return ca
}

// subordinate makes an active subordinate of three years below an EC authority.
func (b *bench) subordinate(t testing.TB, parent string, in *acmpca.CreateCertificateAuthorityInput, template string) string {
	t.Helper()
	ca := b.create(t, in)
	cert, chain := b.get(t, parent, b.issue(t, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &parent, Csr: b.csr(t, ca), Validity: years(3),
		SigningAlgorithm: types.SigningAlgorithmSha256withecdsa, TemplateArn: template1(template),
	}))
	b.install(t, ca, cert, chain)
	return ca
}

func (b *bench) describe1(t testing.TB, ca string) *types.CertificateAuthority {
	t.Helper()
	out, err := b.DescribeCertificateAuthority(caller(t.Context()), &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &ca})
	if err != nil {
		t.Fatalf("DescribeCertificateAuthority: %v", err)
	}
	return out.CertificateAuthority
}

func (b *bench) wantStatus(t testing.TB, ca string, want types.CertificateAuthorityStatus) {
	t.Helper()
	if got := b.describe1(t, ca).Status; got != want {
		t.Errorf("status = %s, want %s", got, want)
	}
}

func (b *bench) setStatus(t testing.TB, ca string, to types.CertificateAuthorityStatus) {
	t.Helper()
	_, err := b.UpdateCertificateAuthority(caller(t.Context()), &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: &ca, Status: to})
	if err != nil {
		t.Fatalf("UpdateCertificateAuthority to %s: %v", to, err)
	}
}

// leafCSR makes a client's request.
func leafCSR(t testing.TB, name string, dns ...string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return requestOf(t, key, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}, DNSNames: dns})
}

func requestOf(t testing.TB, key crypto.Signer, tmpl *x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, tmpl, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func leafInput(ca string, csr []byte) *acmpca.IssueCertificateInput {
	return &acmpca.IssueCertificateInput{CertificateAuthorityArn: &ca, Csr: csr, Validity: days(30),
		SigningAlgorithm: types.SigningAlgorithmSha256withecdsa}
}

func parsePEM(t testing.TB, text string) *x509.Certificate {
	t.Helper()
	certs := parseAll(t, text)
	if len(certs) != 1 {
		t.Fatalf("%d certificates in %q", len(certs), text)
	}
	return certs[0]
}

func parseAll(t testing.TB, text string) []*x509.Certificate {
	t.Helper()
	if strings.HasSuffix(text, "\n") {
		t.Errorf("a PEM of acm-pca ends with a newline: %q", text)
	}
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
