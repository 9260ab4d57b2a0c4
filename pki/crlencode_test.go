package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

func crlTemplate(issuer made) CRLTemplate {
	return CRLTemplate{Issuer: issuer.Certificate, Algorithm: SHA256WithECDSA, Number: big.NewInt(1767225600123),
		ThisUpdate: testTime().Add(-time.Hour), NextUpdate: testTime().Add(7 * 24 * time.Hour)}
}

func encodeCRL(t testing.TB, template CRLTemplate, issuer made, entries ...crlLine) []byte {
	t.Helper()
	e, err := NewCRLEncoder(template)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range entries {
		e.Add(r.serial, r.at, r.reason)
	}
	c, err := e.Sign(issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(c.NewReader())
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) != c.Len() || c.Entries() != len(entries) {
		t.Fatalf("%d octets and %d entries, said to be %d and %d", len(raw), len(entries), c.Len(), c.Entries())
	}
	return raw
}

type crlLine struct {
	serial Serial
	at     time.Time
	reason int
}

func lineOf(n uint64) crlLine {
	l := crlLine{serial: Serial{1}, at: testTime().Add(-time.Duration(n%1000) * time.Minute), reason: int(n % 6)}
	binary.BigEndian.PutUint64(l.serial[8:], n)
	return l
}

// TestEncodeCRL holds what is written against crypto/x509 and our own scanner.
func TestEncodeCRL(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	odd := []crlLine{
		{Serial{0x7f, 15: 0xff}, testTime(), 10},
		{Serial{15: 5}, time.Date(1949, 12, 31, 23, 59, 59, 0, time.UTC), 0},
		{Serial{15: 0x80}, time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), 1},
		{Serial{}, time.Date(2050, 1, 1, 0, 0, 0, 999, time.UTC), 9},
		{Serial{0x80, 1}, testTime().In(time.FixedZone("", 3600)), 3},
	}
	var many []crlLine
	for n := range uint64(60_000) { // some chunks full
		many = append(many, lineOf(n))
	}
	for name, lines := range map[string][]crlLine{"none": nil, "one": odd[:1], "odd": odd, "many": many} {
		for _, point := range []string{"", "http://example.s3.eu-west-1.amazonaws.com/crl/x.crl"} {
			template := crlTemplate(root)
			template.Point = point
			raw := encodeCRL(t, template, root, lines...)
			list, err := x509.ParseRevocationList(raw)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := list.CheckSignatureFrom(root.Certificate); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if list.Number.Cmp(template.Number) != 0 || !list.ThisUpdate.Equal(template.ThisUpdate) || !list.NextUpdate.Equal(template.NextUpdate) ||
				!bytes.Equal(list.AuthorityKeyId, root.SubjectKeyId) || !bytes.Equal(list.RawIssuer, root.RawSubject) {
				t.Errorf("%s: number %v, %v to %v, key %x", name, list.Number, list.ThisUpdate, list.NextUpdate, list.AuthorityKeyId)
			}
			if len(list.RevokedCertificateEntries) != len(lines) {
				t.Fatalf("%s: %d entries, want %d", name, len(list.RevokedCertificateEntries), len(lines))
			}
			for i, e := range list.RevokedCertificateEntries {
				l := lines[i]
				if e.SerialNumber.Cmp(l.serial.Int()) != 0 || !e.RevocationTime.Equal(l.at.Truncate(time.Second)) || e.ReasonCode != l.reason || (len(e.Extensions) == 0) != (l.reason == 0) {
					t.Fatalf("%s: entry %d is %v %v %d, want %x %v %d", name, i, e.SerialNumber, e.RevocationTime, e.ReasonCode, l.serial, l.at, l.reason)
				}
			}
			own, err := ParseCRL(raw)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if own.unusable != "" || own.Len() != len(lines) || (point != "") != own.scope.present || point != "" && own.scope.points[0] != point {
				t.Errorf("%s: unusable %q, %d entries, scope %+v", name, own.unusable, own.Len(), own.scope)
			}
			if err := own.CheckSignature(root.Certificate); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, l := range lines {
				if r, ok := own.Lookup(l.serial.Int()); !ok || r.Reason != l.reason || !r.At.Equal(l.at.Truncate(time.Second)) {
					t.Fatalf("%s: lookup %x: %v %v, want %v %d", name, l.serial, r, ok, l.at, l.reason)
				}
			}
			if _, ok := own.Lookup(lineOf(1 << 40).serial.Int()); ok {
				t.Errorf("%s: a serial number that is not on the list was found", name)
			}
			if _, ok := own.Lookup(big.NewInt(-5)); ok {
				t.Errorf("%s: a negative serial number was found", name)
			}
		}
	}
}

// TestEncodeCRLAlgorithms signs with every key and hash.
func TestEncodeCRLAlgorithms(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		alg Algorithm
		key crypto.Signer
	}{{SHA256WithRSA, rsaKey}, {SHA512WithRSA, rsaKey}, {SHA384WithRSAPSS, WithRandom(rsaKey, rand.Reader)}, {SHA512WithECDSA, p521}, {SHA384WithECDSA, newKey(t)}} {
		serial := big.NewInt(1)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: serial, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign,
			SubjectKeyId: []byte{1, 2, 3}, NotBefore: testTime(), NotAfter: testTime().Add(time.Hour)}, &x509.Certificate{SerialNumber: serial}, c.key.Public(), c.key)
		if err != nil {
			t.Fatal(err)
		}
		issuer, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		template := crlTemplate(made{Certificate: issuer})
		template.Algorithm = c.alg
		e, err := NewCRLEncoder(template)
		if err != nil {
			t.Fatal(err)
		}
		e.Add(Serial{1}, testTime(), 1)
		list, err := e.Sign(c.key)
		if err != nil {
			t.Fatalf("%s: %v", c.alg, err)
		}
		raw, err := io.ReadAll(iotest.OneByteReader(list.NewReader()))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := x509.ParseRevocationList(raw)
		if err != nil {
			t.Fatalf("%s: %v", c.alg, err)
		}
		if err := parsed.CheckSignatureFrom(issuer); err != nil {
			t.Errorf("%s: %v", c.alg, err)
		}
	}
}

func TestEncodeCRLRefuses(t *testing.T) {
	t.Parallel()
	root, other := newRoot(t, "root"), newRoot(t, "other")
	for want, change := range map[string]func(*CRLTemplate){
		"not supported":     func(c *CRLTemplate) { c.Algorithm = "MD5" },
		"no issuer":         func(c *CRLTemplate) { c.Issuer = nil },
		"20 octets":         func(c *CRLTemplate) { c.Number = new(big.Int).Lsh(big.NewInt(1), 159) },
		"not after this":    func(c *CRLTemplate) { c.NextUpdate = c.ThisUpdate },
		"key is not the is": func(c *CRLTemplate) { c.Issuer = other.Certificate },
		"does not fit":      func(c *CRLTemplate) { c.Algorithm = SHA256WithRSA },
	} {
		template := crlTemplate(root)
		change(&template)
		e, err := NewCRLEncoder(template)
		if err == nil {
			_, err = e.Sign(root.key)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for _, reason := range []int{-1, 7, 11} {
		e, err := NewCRLEncoder(crlTemplate(root))
		if err != nil {
			t.Fatal(err)
		}
		e.Add(Serial{1}, testTime(), reason)
		if _, err := e.Sign(root.key); err == nil {
			t.Errorf("reason %d was accepted", reason)
		}
	}
}

// FuzzScanCRL holds the scanner against crypto/x509: what it takes, x509 takes
// with the same entries; what it refuses beyond that is trailing data and doubles.
func FuzzScanCRL(f *testing.F) {
	root := newRoot(f, "root")
	template := crlTemplate(root)
	f.Add(encodeCRL(f, template, root))
	f.Add(encodeCRL(f, template, root, lineOf(1), lineOf(2), crlLine{Serial{15: 0x80}, time.Date(2055, 2, 29, 0, 0, 0, 0, time.UTC), 9}))
	template.Point = "http://x/y"
	f.Add(encodeCRL(f, template, root, lineOf(6)))
	d := newCRL(f, root, big.NewInt(-5), big.NewInt(300))
	d.entryExt = &testExtension{oidReasonCode, true, der(f, func(b *cryptobyte.Builder) { b.AddASN1Enum(4) })}
	f.Add(d.encode(f, root.key))
	f.Fuzz(func(t *testing.T, data []byte) {
		own, err := ParseCRL(data)
		list, std := x509.ParseRevocationList(data)
		if err != nil {
			return
		}
		if std != nil {
			t.Fatalf("taken, but crypto/x509 says %v", std)
		}
		if own.Len() != len(list.RevokedCertificateEntries) {
			t.Fatalf("%d entries, crypto/x509 has %d", own.Len(), len(list.RevokedCertificateEntries))
		}
		for _, e := range list.RevokedCertificateEntries {
			if e.SerialNumber.Sign() < 0 {
				continue
			}
			r, ok := own.Lookup(e.SerialNumber)
			if !ok || !r.At.Equal(e.RevocationTime) || r.Reason != e.ReasonCode {
				t.Fatalf("entry %v: %v %v, crypto/x509 has %v %d", e.SerialNumber, r, ok, e.RevocationTime, e.ReasonCode)
			}
		}
	})
}

const millionEntries = 1_000_000

// BenchmarkCRLEncode is a complete list of the size that ACM Private CA allows.
func BenchmarkCRLEncode(b *testing.B) {
	root := newRoot(b, "root")
	b.ReportAllocs()
	var list *EncodedCRL
	for b.Loop() {
		e, err := NewCRLEncoder(crlTemplate(root))
		if err != nil {
			b.Fatal(err)
		}
		for n := range uint64(millionEntries) {
			e.Add(lineOf(n).serial, testTime(), 1)
		}
		if list, err = e.Sign(root.key); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(list.Len())/1e6, "MB")
}

// BenchmarkCRLParse reads it again; extra-MB is what the parsed list holds
// beside its octets.
func BenchmarkCRLParse(b *testing.B) {
	root := newRoot(b, "root")
	lines := make([]crlLine, millionEntries)
	for n := range lines {
		lines[n] = lineOf(uint64(n))
	}
	raw := encodeCRL(b, crlTemplate(root), root, lines...)
	lines = nil
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ReportAllocs()
	var c *CRL
	for b.Loop() {
		var err error
		if c, err = ParseCRL(raw); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "extra-MB")
	runtime.KeepAlive(c)
}
