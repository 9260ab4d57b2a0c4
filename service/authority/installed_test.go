package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

func TestImportChecks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	root := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	rootCert, err := b.GetCertificateAuthorityCertificate(caller(t.Context()), &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &root})
	if err != nil {
		t.Fatal(err)
	}
	sub := b.create(t, createInput(types.CertificateAuthorityTypeSubordinate, "Sub"))
	twin := b.create(t, createInput(types.CertificateAuthorityTypeSubordinate, "Sub"))
	issue := func(ca string) (cert, chain string) {
		return b.get(t, root, b.issue(t, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &root, Csr: b.csr(t, ca), Validity: years(3),
			SigningAlgorithm: types.SigningAlgorithmSha256withecdsa, TemplateArn: template1("SubordinateCACertificate_PathLen1")}))
	}
	cert, chain := issue(sub)
	foreign, _ := issue(twin)
	leaf, _ := b.get(t, root, b.issue(t, leafInput(root, b.csr(t, sub))))
	install := func(ca, cert, chain string) error {
		in := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca, Certificate: []byte(cert), CertificateChain: []byte(chain)}
		_, err := b.ImportCertificateAuthorityCertificate(caller(t.Context()), in)
		return err
	}
	_, err = b.GetCertificateAuthorityCertificate(caller(t.Context()), &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &sub})
	wantError(t, err, "InvalidStateException", "not in the correct state to have a certificate signing request")
	for name, c := range map[string]struct {
		cert, chain string
		codes       string
	}{
		"other key":       {foreign, chain, "CertificateMismatchException"},
		"no chain":        {cert, "", "InvalidRequestException MalformedCertificateException"},
		"garbage":         {"garbage", chain, "MalformedCertificateException"},
		"garbage chain":   {cert, "garbage", "MalformedCertificateException"},
		"chain with self": {cert, cert + "\n" + chain, "MalformedCertificateException CertificateMismatchException InvalidRequestException"},
		"wrong chain":     {cert, foreign, "MalformedCertificateException CertificateMismatchException"},
		"a leaf":          {leaf, chain, "MalformedCertificateException"},
	} {
		err := install(sub, c.cert, c.chain)
		var api interface{ ErrorCode() string }
		if !errors.As(err, &api) || !strings.Contains(c.codes, api.ErrorCode()) {
			t.Errorf("%s: %v, want %s", name, err, c.codes)
		}
		b.wantStatus(t, sub, types.CertificateAuthorityStatusPendingCertificate)
	}
	if err := install(sub, cert, chain); err != nil {
		t.Fatal(err)
	}
	if err := install(root, *rootCert.Certificate, *rootCert.Certificate); err == nil {
		t.Error("a root was given a chain")
	}

	// A new certificate for the same key, and what was issued under the old one stays.
	old := b.issue(t, leafInput(sub, leafCSR(t, "client")))
	b.setStatus(t, sub, types.CertificateAuthorityStatusDisabled)
	b.clock.Add(24 * time.Hour)
	renewed, chain := issue(sub)
	if err := install(sub, renewed+"\n\n", chain+"\n"); err != nil {
		t.Fatal(err)
	}
	b.wantStatus(t, sub, types.CertificateAuthorityStatusActive)
	_, above := b.get(t, sub, old)
	if got := parseAll(t, above)[0]; !got.Equal(parsePEM(t, renewed)) {
		t.Error("the chain of an old leaf does not start with the new certificate")
	}
}

// TestAuthorityBelowForeignRoot installs a certificate that another CA signed,
// with name constraints, which then bind what is issued.
func TestAuthorityBelowForeignRoot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	sub := b.create(t, createInput(types.CertificateAuthorityTypeSubordinate, "Sub"))
	block, _ := pem.Decode(b.csr(t, sub))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Foreign"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: b.clock.Now().Add(-time.Hour), NotAfter: b.clock.Now().AddDate(5, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	below := &x509.Certificate{SerialNumber: big.NewInt(2), RawSubject: csr.RawSubject, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: b.clock.Now().Add(-time.Hour), NotAfter: b.clock.Now().AddDate(4, 0, 0),
		PermittedDNSDomains: []string{"example.com"}, PermittedDNSDomainsCritical: true}
	if der, err = x509.CreateCertificate(rand.Reader, below, root, csr.PublicKey, key); err != nil {
		t.Fatal(err)
	}
	encode := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	b.install(t, sub, encode(der), encode(root.Raw))
	b.issue(t, leafInput(sub, leafCSR(t, "client", "client.example.com")))
	_, err = b.IssueCertificate(caller(t.Context()), leafInput(sub, leafCSR(t, "client", "client.example.org")))
	wantError(t, err, "ValidationException", "name constraints")
}
