package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func rawRequest(t testing.TB, key crypto.Signer, template x509.CertificateRequest) []byte {
	t.Helper()
	raw, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestParseRequest(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	named := x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}}
	good := rawRequest(t, key, named)
	rsaKey := func(bits int) crypto.Signer {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tampered := bytes.Clone(good)
	tampered[bytes.Index(tampered, []byte{0x13, 1, 'x'})+2] = 'y'
	san := pkix.Extension{Id: oidSubjectAltName, Critical: true, Value: dnsSAN(t, "a.example.com")}

	for name, c := range map[string]struct {
		data []byte
		err  string // "": accepted
	}{
		"DER":                       {good, ""},
		"PEM":                       {[]byte(EncodePEM(PEMRequest, good)), ""},
		"PEM without newline":       {[]byte(EncodePEMBare(PEMRequest, good)), ""},
		"PEM of old tools":          {[]byte("text\n" + EncodePEM("NEW CERTIFICATE REQUEST", good)), ""},
		"RSA 1024":                  {rawRequest(t, rsaKey(1024), named), "1024 bits"},
		"RSA 2048":                  {rawRequest(t, rsaKey(2048), named), ""},
		"only alternative names":    {rawRequest(t, key, x509.CertificateRequest{DNSNames: []string{"a.example.com"}}), ""},
		"nothing":                   {nil, "neither PEM nor DER"},
		"text":                      {[]byte("hello"), "neither PEM nor DER"},
		"a certificate":             {[]byte(EncodePEM(PEMCertificate, good)), "is a CERTIFICATE"},
		"cut off":                   {good[:len(good)-1], "malformed"},
		"more behind":               {append(bytes.Clone(good), 0), "malformed"},
		"tampered with":             {tampered, "signature"},
		"neither name":              {rawRequest(t, key, x509.CertificateRequest{}), "neither a subject"},
		"empty alternative names":   {rawRequest(t, key, x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: oidSubjectAltName, Value: []byte{0x30, 0}}}}), "neither a subject"},
		"alternative names, no DER": {rawRequest(t, key, x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: oidSubjectAltName, Value: []byte("x")}}}), "malformed"},
		"alternative names twice":   {rawRequest(t, key, x509.CertificateRequest{ExtraExtensions: []pkix.Extension{san, san}}), "duplicate"},
		"P-224":                     {rawRequest(t, p224, named), "P-224"},
		"Ed25519":                   {rawRequest(t, edKey, named), "not supported"},
		"too large":                 {make([]byte, MaxRequestBytes+1), "limit is 32768"},
		"RSA with an even exponent": {requestWithSPKI(t, rsaSPKI(t, rsaKey(2048), 65536)), "exponent"},
		"RSA with the exponent one": {requestWithSPKI(t, rsaSPKI(t, rsaKey(2048), 1)), "exponent"},
		"RSA of 512 bits":           {requestWithSPKI(t, smallRSA(t)), "512 bits"},
	} {
		r, err := ParseRequest(c.data)
		var rejected *RequestError
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.err == "" && (r.PublicKey == nil || len(r.SPKI) == 0 || len(r.Raw) == 0):
			t.Errorf("%s: incomplete %+v", name, r)
		case c.err != "" && (!errors.As(err, &rejected) || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: got %v, want %q", name, err, c.err)
		}
	}

	// The alternative name is kept octet by octet, its criticality too.
	r := request(t, key, x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}, ExtraExtensions: []pkix.Extension{san}})
	if r.SAN == nil || !bytes.Equal(r.SAN.Value, san.Value) || !r.SAN.Critical || r.DNSNames[0] != "a.example.com" {
		t.Errorf("SAN %+v, names %v", r.SAN, r.DNSNames)
	}
	c := issueWith(t, Issuance{Template: template(t, ""), Request: r, Issuer: newRoot(t, "root").Certificate, Algorithm: SHA256WithECDSA, Serial: Serial{1}, NotBefore: testTime(), NotAfter: testTime().AddDate(1, 0, 0)}, newKey(t))
	if e := newEntity(c); len(e.names) != 1 || string(e.names[0].value) != "a.example.com" {
		t.Errorf("names %v", e.names)
	}
	if _, critical, _ := newEntity(c).extension(oidSubjectAltName); !critical {
		t.Error("the alternative name is no longer critical")
	}
	// An empty subject makes it critical (RFC 5280 section 4.1.2.6).
	r = request(t, key, x509.CertificateRequest{DNSNames: []string{"a.example.com"}})
	c = issueWith(t, Issuance{Template: template(t, ""), Request: r, Issuer: newRoot(t, "root").Certificate, Algorithm: SHA256WithECDSA, Serial: Serial{1}, NotBefore: testTime(), NotAfter: testTime().AddDate(1, 0, 0)}, newKey(t))
	if _, critical, _ := newEntity(c).extension(oidSubjectAltName); !critical {
		t.Error("with an empty subject the alternative name is not critical")
	}
}

// rsaSPKI is a SubjectPublicKeyInfo with a modulus and an exponent of choice.
func rsaSPKI(t testing.TB, k crypto.Signer, exponent int64) []byte {
	t.Helper()
	return encodeRSA(t, k.Public().(*rsa.PublicKey).N.Bytes(), exponent)
}

func smallRSA(t testing.TB) []byte {
	t.Helper()
	return encodeRSA(t, bytes.Repeat([]byte{0xc5}, 64), 65537)
}

func encodeRSA(t testing.TB, modulus []byte, exponent int64) []byte {
	t.Helper()
	return der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oid{1, 2, 840, 113549, 1, 1, 1})
				b.AddASN1NULL()
			})
			b.AddASN1BitString(der(t, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.INTEGER, func(b *cryptobyte.Builder) { b.AddUint8(0); b.AddBytes(modulus) })
					b.AddASN1Int64(exponent)
				})
			}))
		})
	})
}

// requestWithSPKI is a request for a key, with a signature that means nothing:
// the key is to be refused before it is looked at.
func requestWithSPKI(t testing.TB, spki []byte) []byte {
	t.Helper()
	tbs := der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(0)
			b.AddBytes(cn(t, "x"))
			b.AddBytes(spki)
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {})
		})
	})
	out, err := Assemble(tbs, SHA256WithRSA, make([]byte, 256))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func FuzzParseRequest(f *testing.F) {
	key := newKey(f)
	f.Add(rawRequest(f, key, x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"a.example.com"}}))
	f.Add([]byte(EncodePEM(PEMRequest, rawRequest(f, key, x509.CertificateRequest{DNSNames: []string{"a"}}))))
	raw, err := NewRequest([]Attribute{{Country, "US"}}, SHA256WithECDSA, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	root := newRoot(f, "root")
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRequest(data)
		if err != nil {
			return
		}
		// What is accepted can be issued, and the result can be read.
		c := issueWith(t, Issuance{Template: template(t, ""), Request: r, Issuer: root.Certificate, Algorithm: SHA256WithECDSA, Serial: Serial{1},
			NotBefore: testTime(), NotAfter: testTime().AddDate(1, 0, 0)}, root.key)
		if !bytes.Equal(c.RawSubject, r.Subject) {
			t.Fatal("another subject")
		}
	})
}
