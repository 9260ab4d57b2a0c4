package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fixedKey is the same P-256 key each time, for goldens.
func fixedKey(t testing.TB, last byte) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(bytes.Repeat([]byte{1}, 31), last))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func request(t testing.TB, key crypto.Signer, template x509.CertificateRequest) *Request {
	t.Helper()
	raw, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRequest(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func template(t testing.TB, name string) *Template {
	t.Helper()
	tmpl, err := LookupTemplate(name)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func issueWith(t testing.TB, i Issuance, key crypto.Signer) *x509.Certificate {
	t.Helper()
	tbs, err := i.TBS()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := Sign(tbs, i.Algorithm, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := Assemble(tbs, i.Algorithm, signature)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTemplates holds every template to the extensions that were read off
// certificates of AWS: their order, criticality and encoding. K is the key
// identifier of the subject, A that of the issuer.
func TestTemplates(t *testing.T) {
	t.Parallel()
	const (
		notCA   = "basicConstraints 3000"
		aki     = "authorityKeyIdentifier 30168014A"
		ski     = "subjectKeyIdentifier 0414K"
		tls     = "keyUsage critical 030205a0"
		sign    = "keyUsage critical 03020780"
		ca      = "keyUsage critical 03020186"
		both    = "extKeyUsage 301406082b0601050507030106082b06010505070302"
		names   = "subjectAltName 300f820d612e6578616d706c652e636f6d"
		points  = "cRLDistributionPoints 301b3019a017a0158613687474703a2f2f622e65782f632f612e63726c"
		access  = "authorityInfoAccess 301a301806082b06010505073001860c687474703a2f2f6f2e65782f"
		pathLen = "basicConstraints critical 30060101ff0201"
	)
	want := map[string][]string{
		"RootCACertificate":                 {"basicConstraints critical 30030101ff", ski, ca, names},
		"SubordinateCACertificate_PathLen0": {pathLen + "00", aki, ski, ca, names, points, access},
		"SubordinateCACertificate_PathLen1": {pathLen + "01", aki, ski, ca, names, points, access},
		"SubordinateCACertificate_PathLen2": {pathLen + "02", aki, ski, ca, names, points, access},
		"SubordinateCACertificate_PathLen3": {pathLen + "03", aki, ski, ca, names, points, access},
		"EndEntityCertificate":              {notCA, aki, ski, tls, both, names, points, access},
		"EndEntityClientAuthCertificate":    {notCA, aki, ski, tls, "extKeyUsage 300a06082b06010505070302", names, points, access},
		"EndEntityServerAuthCertificate":    {notCA, aki, ski, tls, "extKeyUsage 300a06082b06010505070301", names, points, access},
		"CodeSigningCertificate":            {notCA, aki, ski, sign, "extKeyUsage critical 300a06082b06010505070303", names, points, access},
		"OCSPSigningCertificate":            {notCA, aki, ski, sign, "extKeyUsage critical 300a06082b06010505070309", names, points, access},
	}
	called := map[string]string{"2.5.29.19": "basicConstraints", "2.5.29.35": "authorityKeyIdentifier", "2.5.29.14": "subjectKeyIdentifier", "2.5.29.15": "keyUsage",
		"2.5.29.37": "extKeyUsage", "2.5.29.17": "subjectAltName", "2.5.29.31": "cRLDistributionPoints", "1.3.6.1.5.5.7.1.1": "authorityInfoAccess"}
	caKey, key := fixedKey(t, 1), fixedKey(t, 2)
	root := newRoot(t, "root", func(d *draft) { d.key = caKey; d.set(oidSubjectKeyID, false, subjectKey(t, idOf(t, caKey.Public()))) })
	r := request(t, key, x509.CertificateRequest{Subject: pkix.Name{CommonName: "a.example.com"}, DNSNames: []string{"a.example.com"}})
	from := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	to := time.Date(2051, 1, 2, 3, 4, 5, 0, time.UTC)
	for name := range want {
		tmpl := template(t, name)
		i := Issuance{Template: tmpl, Request: r, Issuer: root.Certificate, Algorithm: SHA256WithECDSA, Serial: Serial{0x7f, 1}, NotBefore: from, NotAfter: to,
			CRLURL: "http://b.ex/c/a.crl", OCSPURL: "http://o.ex/"}
		signer := caKey
		if tmpl.IsRoot() {
			i.Issuer, signer = nil, key
		}
		c := issueWith(t, i, signer)
		var got []string
		for _, e := range c.Extensions {
			value := strings.ReplaceAll(strings.ReplaceAll(hex.EncodeToString(e.Value), hex.EncodeToString(idOf(t, key.Public())), "K"), hex.EncodeToString(root.SubjectKeyId), "A")
			line := called[e.Id.String()] + " "
			if e.Critical {
				line += "critical "
			}
			got = append(got, line+value)
		}
		if fmt.Sprint(got) != fmt.Sprint(want[tmpl.Name]) {
			t.Errorf("%s:\n got %s\nwant %s", tmpl.Name, strings.Join(got, "\n     "), strings.Join(want[tmpl.Name], "\n     "))
		}
		if !c.NotBefore.Equal(from) || !c.NotAfter.Equal(to) || SerialHex(c.SerialNumber) != (Serial{0x7f, 1}).Hex() || c.Version != 3 {
			t.Errorf("%s: validity %v %v, serial %x, version %d", tmpl.Name, c.NotBefore, c.NotAfter, c.SerialNumber, c.Version)
		}
		if !bytes.Equal(c.RawSubject, r.Subject) || !bytes.Equal(c.RawSubjectPublicKeyInfo, r.SPKI) {
			t.Errorf("%s: subject or key are not the request's octets", tmpl.Name)
		}
		again, err := i.TBS()
		if err != nil || !bytes.Equal(again, c.RawTBSCertificate) {
			t.Errorf("%s: TBS is not the same the second time (%v)", tmpl.Name, err)
		}
	}
	// RFC 5280 section 4.2.1.2 method 1, said in other words.
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha1.Sum(point); !bytes.Equal(sum[:], idOf(t, key.Public())) {
		t.Error("the key identifier is not the SHA-1 of the public key")
	}
}

func TestIssueTimes(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	r := request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}})
	i := Issuance{Template: template(t, ""), Request: r, Issuer: root.Certificate, Algorithm: SHA256WithECDSA, Serial: Serial{1},
		NotBefore: time.Date(2049, 12, 31, 23, 59, 59, 999, time.FixedZone("", 0)), NotAfter: time.Date(2050, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))}
	tbs, err := i.TBS()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(tbs, []byte("491231235959Z\x18\x0f20500101000000Z")) {
		t.Errorf("validity is not UTCTime 491231235959Z, GeneralizedTime 20500101000000Z:\n%x", tbs)
	}
}

// passing is a signer that wraps another, as sealed keys do.
type passing struct{ crypto.Signer }

func TestSignIsDeterministic(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[Algorithm][]crypto.Signer{}
	for _, a := range []Algorithm{SHA256WithRSA, SHA384WithRSA, SHA512WithRSA} {
		keys[a] = []crypto.Signer{rsaKey, passing{rsaKey}}
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range []Algorithm{SHA256WithECDSA, SHA384WithECDSA, SHA512WithECDSA} {
			if curve != elliptic.P521() || a == SHA512WithECDSA {
				keys[a] = append(keys[a], k, passing{k})
			}
		}
	}
	for a, signers := range keys {
		for _, k := range signers {
			root := selfSigned(t, a, k)
			tbs := root.RawTBSCertificate
			one, err := Sign(tbs, a, k)
			if err != nil {
				t.Fatal(err)
			}
			two, err := Sign(tbs, a, k)
			if err != nil {
				t.Fatal(err)
			}
			first, err := Assemble(tbs, a, one)
			if err != nil {
				t.Fatal(err)
			}
			second, err := Assemble(tbs, a, two)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, second) || !bytes.Equal(first, root.Raw) {
				t.Errorf("%s with %T: two certificates from the same bytes", a, k)
			}
			if err := root.CheckSignatureFrom(root); err != nil {
				t.Errorf("%s with %T: %v", a, k, err)
			}
			// RFC 4055 section 5 and RFC 5758 section 3.2.
			_, isRSA := k.Public().(*rsa.PublicKey)
			if null := bytes.Contains(tbs[:64], []byte{5, 0, 0x30}); null != isRSA {
				t.Errorf("%s: NULL in the algorithm identifier: %v", a, null)
			}
		}
	}
	var rule *RuleError
	for _, bad := range []struct {
		alg Algorithm
		key crypto.Signer
	}{{SHA256WithRSA, newKey(t)}, {SHA256WithECDSA, rsaKey}, {"MD5WITHRSA", rsaKey}} {
		if _, err := Sign([]byte("x"), bad.alg, bad.key); !errors.As(err, &rule) || rule.Rule != RuleAlgorithm {
			t.Errorf("%s with %T: %v", bad.alg, bad.key, err)
		}
	}
}

func selfSigned(t testing.TB, a Algorithm, k crypto.Signer) *x509.Certificate {
	t.Helper()
	raw, err := NewRequest([]Attribute{{Country, "US"}, {Organization, "Acme"}, {CommonName, "root"}}, a, k)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRequest(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckRoot(r, k.Public()); err != nil {
		t.Fatal(err)
	}
	return issueWith(t, Issuance{Template: template(t, "RootCACertificate/V1"), Request: r, Algorithm: a, Serial: Serial{7, 7},
		NotBefore: testTime().AddDate(-1, 0, 0), NotAfter: testTime().AddDate(10, 0, 0)}, k)
}

// TestIssuedIsAccepted issues hierarchies at random and has the standard
// library and our own verifier judge them.
func TestIssuedIsAccepted(t *testing.T) {
	t.Parallel()
	seed := uint64(20260501)
	rng := mathrand.New(mathrand.NewPCG(seed, 1))
	curves := []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}
	algorithms := []Algorithm{SHA256WithECDSA, SHA384WithECDSA, SHA512WithECDSA}
	choose := func() (Algorithm, crypto.Signer) {
		n := rng.IntN(len(curves))
		k, err := ecdsa.GenerateKey(curves[n], rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if curves[n] == elliptic.P521() {
			return SHA512WithECDSA, k
		}
		return algorithms[rng.IntN(3)], k
	}
	for round := range 40 {
		alg, key := choose()
		root := selfSigned(t, alg, key)
		chain := []*x509.Certificate{root}
		for level := rng.IntN(4); level > 0; level-- {
			tmpl := template(t, fmt.Sprintf("SubordinateCACertificate_PathLen%d", level-1))
			if err := CheckIssuer(tmpl, chain); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			nextAlg, nextKey := choose()
			raw, err := NewRequest([]Attribute{{CommonName, fmt.Sprintf("level %d", level)}}, nextAlg, nextKey)
			if err != nil {
				t.Fatal(err)
			}
			r, err := ParseRequest(raw)
			if err != nil {
				t.Fatal(err)
			}
			c := issueWith(t, Issuance{Template: tmpl, Request: r, Issuer: chain[0], Algorithm: alg, Serial: Serial{byte(level)},
				NotBefore: testTime().AddDate(-1, 0, 0), NotAfter: testTime().AddDate(9, 0, 0)}, key)
			chain, alg, key = append([]*x509.Certificate{c}, chain...), nextAlg, nextKey
		}
		name := []string{"EndEntityCertificate", "EndEntityClientAuthCertificate", "EndEntityServerAuthCertificate"}[rng.IntN(3)]
		_, leafKey := choose()
		r := request(t, leafKey, x509.CertificateRequest{Subject: pkix.Name{Country: []string{"DE"}, CommonName: "leaf"}, DNSNames: []string{"leaf.example.com"}})
		leaf := issueWith(t, Issuance{Template: template(t, name), Request: r, Issuer: chain[0], Algorithm: alg, Serial: Serial{9},
			NotBefore: testTime().Add(-time.Hour), NotAfter: testTime().AddDate(1, 0, 0), CRLURL: "http://b/crl", OCSPURL: "http://o"}, key)

		store := NewTrustStore(chain...)
		for usage, want := range map[Usage]x509.ExtKeyUsage{ClientAuth: x509.ExtKeyUsageClientAuth, ServerAuth: x509.ExtKeyUsageServerAuth} {
			roots, inters := x509.NewCertPool(), x509.NewCertPool()
			roots.AddCert(root)
			for _, c := range chain {
				inters.AddCert(c)
			}
			_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: inters, CurrentTime: testTime(), KeyUsages: []x509.ExtKeyUsage{want}})
			p := GatewayPolicy(testTime())
			p.Usage = usage
			v := store.Verify([]*x509.Certificate{leaf}, p)
			if v.Valid() != (err == nil) {
				t.Errorf("round %d, seed %d, %s for usage %d: we say %s (%s), crypto/x509 says %v", round, seed, name, usage, v.Reason, v.Detail, err)
			}
			p.Strict, p.Anchors = true, EveryCertificate
			if s := NewTrustStore(root).Verify(append([]*x509.Certificate{leaf}, chain...), p); s.Valid() != v.Valid() {
				t.Errorf("round %d: strict says %s (%s)", round, s.Reason, s.Detail)
			}
		}
		if f := newEntity(leaf); f.profile != nil || f.form != nil || f.asLeaf != nil {
			t.Errorf("round %d: what we issue breaks a rule: %v %v %v", round, f.profile, f.form, f.asLeaf)
		}
	}
}

func TestIssuedUnderOpenSSL(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	key := newKey(t)
	root := selfSigned(t, SHA256WithECDSA, key)
	subKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := NewRequest([]Attribute{{Country, "US"}, {CommonName, "sub"}}, SHA256WithRSA, subKey)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRequest(csr)
	if err != nil {
		t.Fatal(err)
	}
	from, to := time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)
	sub := issueWith(t, Issuance{Template: template(t, "SubordinateCACertificate_PathLen0"), Request: r, Issuer: root, Algorithm: SHA256WithECDSA, Serial: Serial{1}, NotBefore: from, NotAfter: to}, key)
	r = request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "client"}, DNSNames: []string{"client.example.com"}})
	leaf := issueWith(t, Issuance{Template: template(t, "EndEntityClientAuthCertificate"), Request: r, Issuer: sub, Algorithm: SHA384WithRSA, Serial: Serial{2}, NotBefore: from, NotAfter: to,
		CRLURL: "http://bucket/crl", OCSPURL: "http://ocsp"}, subKey)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(want string, args ...string) {
		t.Helper()
		out, err := exec.Command(openssl, args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("openssl %v: %v\n%s", args, err, out)
		}
	}
	rootFile, subFile, leafFile := file("root.pem", EncodeChain([]*x509.Certificate{selfIssuedNow(t, key)})), file("sub.pem", EncodeChain([]*x509.Certificate{sub})), file("leaf.pem", EncodeChain([]*x509.Certificate{leaf}))
	run("OK", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", rootFile, "-untrusted", subFile, leafFile)
	run("CA:TRUE", "req", "-in", file("csr.pem", EncodePEM(PEMRequest, csr)), "-noout", "-text", "-verify")
}

// selfIssuedNow is the root of selfSigned, valid today.
func selfIssuedNow(t *testing.T, key crypto.Signer) *x509.Certificate {
	t.Helper()
	raw, err := NewRequest([]Attribute{{Country, "US"}, {Organization, "Acme"}, {CommonName, "root"}}, SHA256WithECDSA, key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRequest(raw)
	if err != nil {
		t.Fatal(err)
	}
	return issueWith(t, Issuance{Template: template(t, "RootCACertificate"), Request: r, Algorithm: SHA256WithECDSA, Serial: Serial{3},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(5, 0, 0)}, key)
}

func TestLookupTemplate(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"": "EndEntityCertificate",
		"arn:aws:acm-pca:::template/RootCACertificate/V1":                              "RootCACertificate",
		"arn:aws-us-gov:acm-pca:::template/SubordinateCACertificate_PathLen3/V1":       "SubordinateCACertificate_PathLen3",
		"EndEntityClientAuthCertificate/V1":                                            "EndEntityClientAuthCertificate",
		"EndEntityServerAuthCertificate":                                               "EndEntityServerAuthCertificate",
		"arn:aws:acm-pca:::template/BlankRootCACertificate_PathLen1_APIPassthrough/V1": "BlankRootCACertificate_PathLen1_APIPassthrough",
		"EndEntityCertificate_APICSRPassthrough":                                       "EndEntityCertificate_APICSRPassthrough",
		"BlankEndEntityCertificate_CriticalBasicConstraints_CSRPassthrough/V1":         "BlankEndEntityCertificate_CriticalBasicConstraints_CSRPassthrough",
		"RootCACertificate_CSRPassthrough":                                             "!template",
		"arn:aws:acm-pca:::template/RootCACertificate":                                 "!template",
		"arn:aws:acm-pca:::template/RootCACertificate/V2":                              "!template",
		"arn:aws:s3:::template/RootCACertificate/V1":                                   "!template",
		"arn:aws:acm-pca:us-east-1::template/RootCACertificate/V1":                     "!template",
		"arn:other:acm-pca:::template/RootCACertificate/V1":                            "!template",
		"Nonsense":                             "!template",
		"EndEntityCertificate_BasePassthrough": "!template",
		"BlankEndEntityCertificate":            "!template",
		"_CSRPassthrough":                      "!template",
	} {
		got, err := LookupTemplate(name)
		var rule *RuleError
		if errors.As(err, &rule) {
			if "!"+string(rule.Rule) != want {
				t.Errorf("%q: got rule %s, want %s", name, rule.Rule, want)
			}
		} else if err != nil || got.Name != want {
			t.Errorf("%q: got %v, %v, want %s", name, got, err, want)
		}
	}
}

func TestNewRequest(t *testing.T) {
	t.Parallel()
	raw, err := NewRequest([]Attribute{{Country, "US"}, {Organization, "Ünïon"}, {OrganizationalUnit, "Ops"}, {State, "WA"}, {CommonName, "CA"}, {SubjectSerialNumber, "12-3"}, {Locality, "Seattle"}}, SHA256WithECDSA, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := csr.CheckSignature(); err != nil {
		t.Error(err)
	}
	if got, want := FormatName(csr.RawSubject), "C=US,O=Ünïon,OU=Ops,ST=WA,CN=CA,serialNumber=12-3,L=Seattle"; got != want {
		t.Errorf("subject %s, want %s", got, want)
	}
	if csr.Version != 0 || len(csr.Extensions) != 1 || !csr.Extensions[0].Id.Equal(oidBasicConstraints) || !csr.Extensions[0].Critical || hex.EncodeToString(csr.Extensions[0].Value) != "30030101ff" {
		t.Errorf("version %d, extensions %v", csr.Version, csr.Extensions)
	}
	var seq pkix.RDNSequence
	if _, err := asn1.Unmarshal(csr.RawSubject, &seq); err != nil || len(seq) != 7 {
		t.Errorf("%v: %d RDNs", err, len(seq))
	}
	tags := map[string]byte{"2.5.4.6": asn1.TagPrintableString, "2.5.4.5": asn1.TagPrintableString}
	for _, r := range mustName(t, csr.RawSubject) {
		want, ok := tags[r[0].oid]
		if !ok {
			want = asn1.TagUTF8String
		}
		if r[0].raw[0] != want {
			t.Errorf("%s has tag %d, want %d", r[0].oid, r[0].raw[0], want)
		}
	}
}

func mustName(t testing.TB, raw []byte) []rdn {
	t.Helper()
	n, err := parseName(raw)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNewSerial(t *testing.T) {
	t.Parallel()
	s, err := NewSerial(rand.Reader)
	if err != nil || len(s.Hex()) != 32 || s[0] == 0 || s[0] > 0x7f || s.Int().Sign() <= 0 {
		t.Errorf("serial %s, %v", s.Hex(), err)
	}
	// A first octet of 0 or 128 is drawn again: it would be shorter or zero.
	s, err = NewSerial(io.MultiReader(bytes.NewReader(bytes.Repeat([]byte{0x80}, 16)), bytes.NewReader(bytes.Repeat([]byte{0xff}, 16))))
	if err != nil || s.Hex() != "7f"+strings.Repeat("ff", 15) || s.Colons() != "7f"+strings.Repeat(":ff", 15) {
		t.Errorf("serial %s, %v", s.Hex(), err)
	}
	if _, err := NewSerial(bytes.NewReader(nil)); err == nil {
		t.Error("a serial number from nothing")
	}
}
