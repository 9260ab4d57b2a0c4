package authority

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/store"
	"countersign/store/storetest"
)

// pssRoot makes a root whose CSR, own certificate and leaves are signed with
// RSASSA-PSS, and the request of a leaf.
func pssRoot(t testing.TB, b *bench) (ca string, leaf *acmpca.IssueCertificateInput) {
	t.Helper()
	in := createInput(types.CertificateAuthorityTypeRoot, "PSS")
	in.CertificateAuthorityConfiguration.KeyAlgorithm = types.KeyAlgorithmRsa2048
	in.CertificateAuthorityConfiguration.SigningAlgorithm = types.SigningAlgorithmSha256withrsaPss
	ca = b.root(t, in)
	leaf = leafInput(ca, leafCSR(t, "leaf"))
	leaf.SigningAlgorithm = types.SigningAlgorithmSha512withrsaPss
	return ca, leaf
}

func TestPSS(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca, in := pssRoot(t, b)
	block, _ := pem.Decode(b.csr(t, ca))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || csr.SignatureAlgorithm != x509.SHA256WithRSAPSS || csr.CheckSignature() != nil {
		t.Errorf("CSR: %v, %v", csr.SignatureAlgorithm, err)
	}
	arn := b.issue(t, in)
	text, chain := b.get(t, ca, arn)
	c, root := parsePEM(t, text), parsePEM(t, chain)
	if c.SignatureAlgorithm != x509.SHA512WithRSAPSS || c.CheckSignatureFrom(root) != nil || root.CheckSignatureFrom(root) != nil {
		t.Errorf("%v: %v", c.SignatureAlgorithm, c.CheckSignatureFrom(root))
	}
	for range 3 {
		if again, _ := anotherNode(b).get(t, ca, arn); again != text {
			t.Error("another node hands out another certificate")
		}
	}
	if row := ledgerRow(t, b, ca, arn); !bytes.Equal(row.Signature, c.Signature) {
		t.Error("the ledger has another signature")
	}
}

// TestPSSSurvivesCrashes lets the record of a randomised signature fail before
// and after it was made: no certificate is seen with two signatures.
func TestPSSSurvivesCrashes(t *testing.T) {
	t.Parallel()
	plain := newBench(t)
	ca, in := pssRoot(t, plain)
	var before, after int // how many records of a signature to fail
	failing := func(n *int) func(*store.Batch) error {
		return func(b *store.Batch) error {
			for _, o := range b.Ops {
				if _, ok := o.(store.SignOp); ok && *n > 0 {
					*n--
					return errDisk
				}
			}
			return nil
		}
	}
	cfg := plain.config
	cfg.Store = storetest.FailBefore(storetest.FailAfter(plain.store, failing(&after)), failing(&before))
	s := New(cfg)
	get := func(arn string) (string, error) {
		out, err := s.GetCertificate(caller(t.Context()), &acmpca.GetCertificateInput{CertificateAuthorityArn: &ca, CertificateArn: &arn})
		if err != nil {
			return "", err
		}
		return *out.Certificate, nil
	}

	// The record fails: the certificate is issued, and nothing is handed out
	// until a signature is durable.
	before = 2
	out, err := s.IssueCertificate(caller(t.Context()), in)
	if err != nil {
		t.Fatal(err)
	}
	arn := *out.CertificateArn
	if row := ledgerRow(t, plain, ca, arn); row.Signature != nil {
		t.Fatal("the signature was recorded, so this tests nothing")
	}
	if text, err := get(arn); !errors.Is(err, errDisk) {
		t.Errorf("handed out without a record: %q, %v", text, err)
	}
	first, err := get(arn)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := get(arn); err != nil || again != first {
		t.Errorf("another certificate (%v)", err)
	}

	// The record is made, and the answer to it is lost.
	after = 1
	out, err = s.IssueCertificate(caller(t.Context()), in)
	if err != nil {
		t.Fatal(err)
	}
	arn = *out.CertificateArn
	recorded := ledgerRow(t, plain, ca, arn).Signature
	if recorded == nil {
		t.Fatal("no signature was recorded")
	}
	text, err := get(arn)
	if err != nil || !bytes.Equal(parsePEM(t, text).Signature, recorded) {
		t.Errorf("the certificate has another signature than the ledger (%v)", err)
	}
}

// TestPSSIsSignedOnce has several nodes make the lost signature of one
// certificate at the same time.
func TestPSSIsSignedOnce(t *testing.T) {
	t.Parallel()
	plain := newBench(t)
	ca, in := pssRoot(t, plain)
	cfg := plain.config
	cfg.Store = forgetful(plain.store)
	out, err := New(cfg).IssueCertificate(caller(t.Context()), in)
	if err != nil {
		t.Fatal(err)
	}
	if row := ledgerRow(t, plain, ca, *out.CertificateArn); row.Signature != nil {
		t.Fatal("the signature was recorded, so this tests nothing")
	}
	const nodes = 8
	texts := make([]string, nodes)
	var wg sync.WaitGroup
	for n := range nodes {
		node := anotherNode(plain)
		wg.Go(func() {
			got, err := node.GetCertificate(caller(t.Context()), &acmpca.GetCertificateInput{CertificateAuthorityArn: &ca, CertificateArn: out.CertificateArn})
			if err != nil {
				t.Error(err)
				return
			}
			texts[n] = aws.ToString(got.Certificate)
		})
	}
	wg.Wait()
	for _, text := range texts {
		if text != texts[0] {
			t.Fatal("two nodes handed out different certificates of one serial number")
		}
	}
}
