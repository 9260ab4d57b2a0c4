package authority

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/pki"
	"countersign/store"
)

// abroad is a CA that others made, with crypto/x509.
type abroad struct {
	key  crypto.Signer
	cert *x509.Certificate
}

var abroadFrom = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func newAbroad(t testing.TB, key crypto.Signer) *abroad {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: abroadFrom, NotAfter: abroadFrom.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		// An order and a string type that are not those of ACM Private CA.
		Subject: pkix.Name{CommonName: "Ünsere alte CA", Organization: []string{"Example"}, Country: []string{"DE"}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &abroad{key, cert}
}

func ecKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *abroad) leaf(t testing.TB, serial int64, name string) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: abroadFrom, NotAfter: abroadFrom.AddDate(5, 0, 0), Subject: pkix.Name{CommonName: name}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, ecKey(t, elliptic.P256()).Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (a *abroad) crl(t testing.TB, number int64, entries ...x509.RevocationListEntry) []byte {
	t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: time.Date(2026, 2, 20, 0, 0, 0, 0, time.UTC), NextUpdate: time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC), RevokedCertificateEntries: entries,
	}, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (a *abroad) adoption() Adoption {
	return Adoption{Certificate: []byte(pki.EncodePEM(pki.PEMCertificate, a.cert.Raw)), Key: a.key}
}

func past(c *x509.Certificate) Past {
	return Past{Certificate: c, Serial: c.SerialNumber, NotAfter: c.NotAfter}
}

func revokedEntry(serial int64, reason int) x509.RevocationListEntry {
	return x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: time.Date(2026, 2, 1, 10, 0, 0, 0, time.UTC), ReasonCode: reason}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"P-256": ecKey(t, elliptic.P256()), "P-384": ecKey(t, elliptic.P384()), "RSA": rsaKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			a := newAbroad(t, key)
			good, bad := a.leaf(t, 100, "good"), a.leaf(t, 200, "bad")
			in := a.adoption()
			in.History = []Past{past(a.cert), past(good), past(bad), {Serial: big.NewInt(300), Subject: "/CN=number only", Status: true}}
			in.CRLs = [][]byte{a.crl(t, 17, revokedEntry(200, 1), revokedEntry(400, 4))}
			out, err := b.Adopt(caller(t.Context()), in)
			if err != nil {
				t.Fatal(err)
			}
			if out.Issued != 4 || out.Revoked != 2 || len(out.Notes) != 0 {
				t.Errorf("adopted %+v", out)
			}
			b.wantStatus(t, out.ARN, types.CertificateAuthorityStatusActive)

			// What it issued before is there, byte for byte; a number is no certificate.
			cert, _ := b.get(t, out.ARN, out.ARN+fmt.Sprintf("/certificate/%032x", 100))
			if !bytes.Equal(parsePEM(t, cert).Raw, good.Raw) {
				t.Error("an old certificate came back changed")
			}
			_, err = b.GetCertificate(caller(t.Context()), &acmpca.GetCertificateInput{CertificateAuthorityArn: &out.ARN, CertificateArn: aws.String(out.ARN + fmt.Sprintf("/certificate/%032x", 300))})
			wantError(t, err, "ResourceNotFoundException", "only its serial number came")
			id := out.ARN[len(out.ARN)-36:]
			for serial, reason := range map[int64]int{200: 1, 400: 4} {
				row, err := b.store.Certificate(t.Context(), id, store.Serial(big.NewInt(serial).FillBytes(make([]byte, 16))))
				if err != nil || !row.RevokedAt.Equal(time.Date(2026, 2, 1, 10, 0, 0, 0, time.UTC)) || row.Reason != reason {
					t.Errorf("%d: %+v, %v", serial, row, err)
				}
			}
			// Old ones can be revoked, new ones issued, and they verify under the old certificate.
			if _, err := b.RevokeCertificate(caller(t.Context()), &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &out.ARN, CertificateSerial: aws.String("64"), RevocationReason: types.RevocationReasonSuperseded}); err != nil {
				t.Errorf("revoke an old one: %v", err)
			}
			described, err := b.DescribeCertificateAuthority(caller(t.Context()), &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &out.ARN})
			if err != nil {
				t.Fatal(err)
			}
			issue := leafInput(out.ARN, leafCSR(t, "new"))
			issue.SigningAlgorithm = described.CertificateAuthority.CertificateAuthorityConfiguration.SigningAlgorithm
			cert, _ = b.get(t, out.ARN, b.issue(t, issue))
			roots := x509.NewCertPool()
			roots.AddCert(a.cert)
			if _, err := parsePEM(t, cert).Verify(x509.VerifyOptions{Roots: roots, CurrentTime: b.clock.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
				t.Errorf("a new certificate: %v", err)
			}
			// A renewed certificate of the same name and key fits the request.
			if csr, err := pki.ParseRequest(b.csr(t, out.ARN)); err != nil || !bytes.Equal(csr.Subject, a.cert.RawSubject) {
				t.Errorf("the request: %v", err)
			}
			var found []string
			checked, err := b.Check(t.Context(), []string{id}, nil, func(r, p string) { found = append(found, r+": "+p) })
			if err != nil || len(found) > 0 || checked.SerialOnly != 2 || checked.Certificates != 5 {
				t.Errorf("Check: %v, %q, %+v", err, found, checked)
			}
			if _, err := b.Adopt(caller(t.Context()), in); err == nil || !strings.Contains(err.Error(), "of this node already") {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

func TestAdoptRefusesWhatDoesNotMatch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a, other := newAbroad(t, ecKey(t, elliptic.P256())), newAbroad(t, ecKey(t, elliptic.P256()))
	leaf := a.leaf(t, 100, "leaf")
	valid := Past{Serial: big.NewInt(500), NotAfter: abroadFrom.AddDate(5, 0, 0), Status: true}
	gone := valid
	gone.RevokedAt = abroadFrom.AddDate(0, 1, 0)
	for name, c := range map[string]struct {
		change func(*Adoption)
		want   string
	}{
		"key of another":         {func(in *Adoption) { in.Key = other.key }, "the private key is not that of the certificate"},
		"P-224":                  {func(in *Adoption) { in.Key = ecKey(t, elliptic.P224()) }, "of no kind"},
		"no certificate":         {func(in *Adoption) { in.Certificate = nil }, "no PEM certificate"},
		"not a CA":               {func(in *Adoption) { in.Certificate = []byte(pki.EncodePEM(pki.PEMCertificate, leaf.Raw)) }, "private key is not that"},
		"a chain for a root":     {func(in *Adoption) { in.Chain = in.Certificate }, "takes no certificate chain"},
		"certificate of another": {func(in *Adoption) { in.History = []Past{past(other.leaf(t, 7, "stranger"))} }, "was not signed by this authority"},
		"one number twice":       {func(in *Adoption) { in.History = []Past{past(leaf), past(a.leaf(t, 100, "twin"))} }, "two certificates with the serial number"},
		"number zero":            {func(in *Adoption) { in.History = []Past{{Serial: new(big.Int)}} }, "they are positive"},
		"number too long":        {func(in *Adoption) { in.History = []Past{{Serial: new(big.Int).Lsh(big.NewInt(1), 130)}} }, "more than 16 octets"},
		"CRL of another":         {func(in *Adoption) { in.CRLs = [][]byte{other.crl(t, 1)} }, "CRL 1 was not signed by this authority"},
		"CRL is rubbish":         {func(in *Adoption) { in.CRLs = [][]byte{[]byte("rubbish")} }, "CRL 1: "},
		"CRL numbered by far":    {func(in *Adoption) { in.CRLs = [][]byte{a.crl(t, 1<<60)} }, "would never be newer"},
		"CRL knows more":         {func(in *Adoption) { in.History, in.CRLs = []Past{valid}, [][]byte{a.crl(t, 1, revokedEntry(500, 0))} }, "the history says that it is valid"},
		"CRL knows less":         {func(in *Adoption) { in.History, in.CRLs = []Past{gone}, [][]byte{a.crl(t, 1)} }, "no CRL lists it"},
	} {
		t.Run(name, func(t *testing.T) {
			in := a.adoption()
			c.change(&in)
			out, err := b.Adopt(caller(t.Context()), in)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v, %v; want %q", out, err, c.want)
			}
		})
	}
	if list, err := b.store.List(t.Context(), KindAuthority, "", "", 0); err != nil || len(list) != 0 {
		t.Errorf("%d authorities after refusals (%v)", len(list), err)
	}
	// What is missing is said, not refused.
	out, err := b.Adopt(caller(t.Context()), a.adoption())
	if err != nil || len(out.Notes) != 2 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestParseHistory(t *testing.T) {
	t.Parallel()
	index := "V\t300101000000Z\t\t1001\tunknown\t/CN=one\n" +
		"R\t300101000000Z\t260101120000Z,keyCompromise\t0A\tunknown\t/CN=two\r\n" +
		"R\t20510101000000Z\t260101120000Z,CAkeyTime,20260101120000Z\t0B\tunknown\t/CN=three\n\n" +
		"E\t200101000000Z\t\t0C\tunknown\t/CN=four"
	got, err := ParseHistory([]byte(index))
	if err != nil || len(got) != 4 {
		t.Fatal(got, err)
	}
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	if got[0].Serial.Int64() != 0x1001 || !got[0].Status || !got[0].RevokedAt.IsZero() || got[0].Subject != "/CN=one" ||
		!got[1].RevokedAt.Equal(at) || got[1].Reason != 1 || got[2].Reason != 2 || got[2].NotAfter.Year() != 2051 || got[3].NotAfter.Year() != 2020 {
		t.Errorf("%+v", got)
	}
	got, err = ParseHistory([]byte("# from the old database\n0a:0b\n\nFF\n"))
	if err != nil || len(got) != 2 || got[0].Serial.Int64() != 0x0a0b || got[1].Serial.Int64() != 255 || got[0].Status {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "\n# nothing\n", "nonsense", "V\t300101000000Z\t1001", "X\t300101000000Z\t\t1001\tunknown\t/CN=x", "V\tnever\t\t1001\tunknown\t/CN=x",
		"R\t300101000000Z\t\t1001\tunknown\t/CN=x", "R\t300101000000Z\t260101120000Z,whim\t1001\tunknown\t/CN=x", "V\t300101000000Z\t260101120000Z\t1001\tunknown\t/CN=x",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", strings.Repeat("a", maxHistoryLine+1)} {
		if got, err := ParseHistory([]byte(text)); err == nil {
			t.Errorf("%.40q: %+v", text, got)
		}
	}
}

func FuzzParseHistory(f *testing.F) {
	f.Add([]byte("V\t300101000000Z\t\t1001\tunknown\t/CN=one\n"))
	f.Add([]byte("R\t300101000000Z\t260101120000Z,keyCompromise\t0A\tunknown\t/CN=two\n"))
	f.Add([]byte("0a:0b\n# comment\nFF"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ParseHistory(data)
		if err == nil && len(got) == 0 {
			t.Error("nothing, and no error")
		}
		for _, p := range got {
			if p.Serial == nil {
				t.Errorf("%+v has no serial number", p)
			}
		}
	})
}
