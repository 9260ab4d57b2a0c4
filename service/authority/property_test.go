package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

// TestNoForbiddenCertificate asks for certificates at random: every template,
// requests and ApiPassthroughs with whatever extensions, garbage among them,
// under authorities with path lengths, name constraints and short lives. What is
// recorded is judged from its to-be-signed bytes, by encoding/asn1 and by rules
// that this file derives from the template's name: nothing of pki's is used.
func TestNoForbiddenCertificate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const seed = 20261120
	rng := mathrand.New(mathrand.NewPCG(seed, 4))
	root := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	short := createInput(types.CertificateAuthorityTypeRoot, "Short")
	short.UsageMode = types.CertificateAuthorityUsageModeShortLivedCertificate
	authorities := []string{root, b.narrow(t, root), b.subordinate(t, root, createInput(types.CertificateAuthorityTypeSubordinate, "Zero"), "SubordinateCACertificate_PathLen0"), b.root(t, short)}
	templates := templateNames()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issued, refused := map[string]int{}, 0
	for round := range 1200 {
		ca := authorities[rng.IntN(len(authorities))]
		name := templates[round%len(templates)]
		wild := rng.IntN(3) // how much garbage there is
		asked := randomExtensions(rng, wild)
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: fmt.Sprint("csr ", round)}, ExtraExtensions: asked}, key)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(name, "Root") {
			ca, asked = root, nil
			block, _ := pem.Decode(b.csr(t, root))
			csr = block.Bytes
		}
		in := leafInput(ca, csr)
		in.TemplateArn, in.Validity = template1(name), days(1+rng.Int64N(9))
		if rng.IntN(4) == 0 {
			in.Validity = days(1 + rng.Int64N(6000))
		}
		given := randomExtensions(rng, wild)
		if rng.IntN(3) > 0 {
			in.ApiPassthrough = &types.ApiPassthrough{Subject: &types.ASN1Subject{CommonName: aws.String(fmt.Sprint("api ", round))}, Extensions: &types.Extensions{}}
			for _, e := range given {
				in.ApiPassthrough.Extensions.CustomExtensions = append(in.ApiPassthrough.Extensions.CustomExtensions, types.CustomExtension{
					ObjectIdentifier: aws.String(e.Id.String()), Critical: aws.Bool(e.Critical), Value: aws.String(base64.StdEncoding.EncodeToString(e.Value))})
			}
		}
		out, err := b.IssueCertificate(caller(t.Context()), in)
		if err != nil {
			refused++
			continue
		}
		issued[name]++
		if in.ApiPassthrough == nil || !strings.Contains(name, "API") {
			given = nil
		}
		j := judge{t: t, what: fmt.Sprintf("round %d, seed %d, %s", round, seed, name), template: name, now: b.clock.Now(), short: ca == authorities[3], narrow: ca == authorities[1],
			csr: csr, asked: asked, given: given, chain: b.pathOf(t, ca)}
		j.certificate(ledgerRow(t, b, ca, *out.CertificateArn).TBS)
	}
	for _, name := range templates {
		if issued[name] == 0 {
			t.Errorf("no certificate of %s was issued, so nothing was tested of it", name)
		}
	}
	if refused < 100 {
		t.Errorf("%d of 1200 requests were refused: they are not wild enough", refused)
	}
}

// narrow makes a subordinate with path length 1 and the name constraint
// .example.com, permitted.
func (b *bench) narrow(t testing.TB, parent string) string {
	t.Helper()
	ca := b.create(t, createInput(types.CertificateAuthorityTypeSubordinate, "Narrow"))
	constraint := []byte("\x30\x11\xa0\x0f\x30\x0d\x82\x0bexample.com")
	cert, chain := b.get(t, parent, b.issue(t, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &parent, Csr: b.csr(t, ca), Validity: years(3), SigningAlgorithm: types.SigningAlgorithmSha256withecdsa,
		TemplateArn: template1("SubordinateCACertificate_PathLen1_APIPassthrough"),
		ApiPassthrough: &types.ApiPassthrough{Extensions: &types.Extensions{CustomExtensions: []types.CustomExtension{
			{ObjectIdentifier: aws.String("2.5.29.30"), Critical: aws.Bool(true), Value: aws.String(base64.StdEncoding.EncodeToString(constraint))}}}},
	}))
	b.install(t, ca, cert, chain)
	return ca
}

// pathOf is an authority's certificate and those above it.
func (b *bench) pathOf(t testing.TB, ca string) []*x509.Certificate {
	t.Helper()
	out, err := b.GetCertificateAuthorityCertificate(caller(t.Context()), &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca})
	if err != nil {
		t.Fatal(err)
	}
	path := parseAll(t, *out.Certificate)
	if out.CertificateChain != nil {
		path = append(path, parseAll(t, *out.CertificateChain)...)
	}
	return path
}

func templateNames() []string {
	var names []string
	add := func(family string, variants ...string) {
		for _, v := range variants {
			names = append(names, family+v)
		}
	}
	const csr, api, both = "_CSRPassthrough", "_APIPassthrough", "_APICSRPassthrough"
	for _, f := range []string{"EndEntity", "EndEntityClientAuth", "EndEntityServerAuth", "CodeSigning", "OCSPSigning"} {
		add(f+"Certificate", "", csr, api, both)
	}
	add("BlankEndEntityCertificate", csr, api, both)
	add("BlankEndEntityCertificate_CriticalBasicConstraints", csr, api, both)
	add("RootCACertificate", "", api)
	add("BlankRootCACertificate", api)
	for n := range 4 {
		add(fmt.Sprint("SubordinateCACertificate_PathLen", n), "", csr, api, both)
		add(fmt.Sprint("BlankSubordinateCACertificate_PathLen", n), csr, api, both)
		add(fmt.Sprint("BlankRootCACertificate_PathLen", n), api)
	}
	return names
}

// randomExtensions draws up to four extensions of different types. With wild at
// 0 their values are well formed, above they are more and more often not.
func randomExtensions(rng *mathrand.Rand, wild int) []pkix.Extension {
	dns := func(host string) []byte {
		return append([]byte{0x30, byte(len(host) + 2), 0x82, byte(len(host))}, host...)
	}
	uri := "\x30\x13\x30\x11\xa0\x0f\xa0\x0d\x86\x0bhttp://x/ab"
	pool := []struct {
		id       asn1.ObjectIdentifier
		critical bool
		values   [][]byte
	}{
		{asn1.ObjectIdentifier{2, 5, 29, 14}, false, [][]byte{{4, 1, 1}}},
		{asn1.ObjectIdentifier{2, 5, 29, 15}, true, [][]byte{{3, 2, 7, 0x80}, {3, 2, 1, 6}, {3, 2, 2, 4}, {3, 3, 7, 1, 0x80}, {3, 2, 5, 0xe0}}},
		{asn1.ObjectIdentifier{2, 5, 29, 17}, false, [][]byte{dns("a.example.com"), dns("b.other.com"), {0x30, 6, 0x87, 4, 10, 0, 0, 1}, {0x30, 0}, {0x30, 3, 0x87, 1, 1}}},
		{asn1.ObjectIdentifier{2, 5, 29, 19}, true, [][]byte{{0x30, 3, 1, 1, 0xff}, {0x30, 0}, {0x30, 6, 1, 1, 0xff, 2, 1, 9}}},
		{asn1.ObjectIdentifier{2, 5, 29, 30}, true, [][]byte{[]byte("\x30\x0d\xa0\x0b\x30\x09\x82\x07foo.org"), {0x30, 0}}},
		{asn1.ObjectIdentifier{2, 5, 29, 31}, false, [][]byte{[]byte(uri)}},
		{asn1.ObjectIdentifier{2, 5, 29, 32}, false, [][]byte{{0x30, 6, 0x30, 4, 6, 2, 0x2a, 3}, {0x30, 0}}},
		{asn1.ObjectIdentifier{2, 5, 29, 35}, false, [][]byte{{0x30, 3, 0x80, 1, 1}}},
		{asn1.ObjectIdentifier{2, 5, 29, 36}, true, [][]byte{{0x30, 3, 0x80, 1, 0}}},
		{asn1.ObjectIdentifier{2, 5, 29, 37}, false, [][]byte{{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 4}, {0x30, 4, 6, 2, 0x2a, 3}, {0x30, 0}}},
		{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}, false, [][]byte{[]byte("\x30\x15\x30\x13\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01\x86\x07http://")}},
		{asn1.ObjectIdentifier{1, 2, 3, 4}, false, [][]byte{{5, 0}, {0x0c, 2, 'h', 'i'}}},
		{asn1.ObjectIdentifier{1, 2, 3, 5}, true, [][]byte{{5, 0}}},
	}
	var list []pkix.Extension
	for _, n := range rng.Perm(len(pool))[:rng.IntN(5)] {
		p := pool[n]
		e := pkix.Extension{Id: p.id, Critical: p.critical, Value: p.values[0]}
		if rng.IntN(3) < wild {
			e.Value = p.values[rng.IntN(len(p.values))]
		}
		if rng.IntN(12) < wild {
			e.Critical = !e.Critical
		}
		if rng.IntN(20) < wild {
			e.Value = bytes.Clone(e.Value)
			e.Value[rng.IntN(len(e.Value))] ^= byte(1 + rng.IntN(255))
		}
		list = append(list, e)
	}
	return list
}

// A judge knows what was asked for, and says what must not have been granted.
type judge struct {
	t            *testing.T
	what         string
	template     string
	now          time.Time
	short        bool // the authority issues for 7 days
	narrow       bool // the authority is for example.com
	csr          []byte
	asked, given []pkix.Extension // by the request and, where the template heeds it, by ApiPassthrough
	chain        []*x509.Certificate
}

func (j judge) errorf(format string, a ...any) {
	j.t.Helper()
	j.t.Errorf(j.what+": "+format, a...)
}

// The structures of RFC 5280, for encoding/asn1.
type (
	tbsCertificate struct {
		Version    int `asn1:"explicit,tag:0"`
		Serial     *big.Int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		Validity   struct{ NotBefore, NotAfter time.Time }
		Subject    asn1.RawValue
		Key        asn1.RawValue
		Extensions []pkix.Extension `asn1:"explicit,tag:3"`
	}
	basicConstraintsValue struct {
		CA      bool `asn1:"optional"`
		PathLen int  `asn1:"optional,default:-1"`
	}
	publicKeyInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	requestInfo struct {
		Version int
		Subject asn1.RawValue
		Key     asn1.RawValue
		Rest    asn1.RawValue `asn1:"optional,tag:0"`
	}
	certificationRequest struct {
		Info      requestInfo
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
)

func (j judge) unmarshal(der []byte, into any) {
	j.t.Helper()
	if rest, err := asn1.Unmarshal(der, into); err != nil || len(rest) > 0 {
		j.errorf("%T cannot be read from %x: %v", into, der, err)
	}
}

func (j judge) certificate(tbs []byte) {
	var c tbsCertificate
	j.unmarshal(tbs, &c)
	family, variant := j.template, ""
	for _, v := range []string{"_CSRPassthrough", "_APIPassthrough", "_APICSRPassthrough"} {
		if f, ok := strings.CutSuffix(j.template, v); ok {
			family, variant = f, v
		}
	}
	isCA, isRoot, blank := strings.Contains(family, "CACertificate"), strings.Contains(family, "RootCA"), strings.HasPrefix(family, "Blank")
	pathLen := -1
	if _, digit, ok := strings.Cut(family, "_PathLen"); ok {
		pathLen = int(digit[0] - '0')
	}
	issuer := j.chain[0]

	// Fields.
	var request certificationRequest
	j.unmarshal(j.csr, &request)
	if c.Version != 2 || c.Serial.Sign() <= 0 || c.Serial.BitLen() > 127 {
		j.errorf("version %d, serial number %x", c.Version, c.Serial)
	}
	if !bytes.Equal(c.Key.FullBytes, request.Info.Key.FullBytes) {
		j.errorf("the key is not the request's")
	}
	if fromAPI := bytes.Contains(c.Subject.FullBytes, []byte("api ")); fromAPI && !strings.Contains(variant, "API") {
		j.errorf("the subject is of ApiPassthrough: %x", c.Subject.FullBytes)
	} else if !fromAPI && !bytes.Equal(c.Subject.FullBytes, request.Info.Subject.FullBytes) {
		j.errorf("the subject is nobody's: %x", c.Subject.FullBytes)
	}
	if isRoot && !bytes.Equal(c.Issuer.FullBytes, c.Subject.FullBytes) || !isRoot && !bytes.Equal(c.Issuer.FullBytes, issuer.RawSubject) {
		j.errorf("issuer %x", c.Issuer.FullBytes)
	}
	if !isRoot && c.Validity.NotAfter.After(issuer.NotAfter) || !c.Validity.NotBefore.Equal(j.now.Add(-time.Hour)) || !c.Validity.NotAfter.After(j.now) {
		j.errorf("valid %v", c.Validity)
	}
	if j.short && c.Validity.NotAfter.Sub(j.now) > 7*24*time.Hour {
		j.errorf("a short-lived authority issued until %v", c.Validity.NotAfter)
	}

	// Extensions of the template.
	found := map[string]pkix.Extension{}
	for _, e := range c.Extensions {
		if _, twice := found[e.Id.String()]; twice {
			j.errorf("%s twice", e.Id)
		}
		found[e.Id.String()] = e
	}
	basic := basicConstraintsValue{PathLen: -1}
	j.unmarshal(found["2.5.29.19"].Value, &basic)
	if critical := isCA || strings.Contains(family, "Critical"); basic.CA != isCA || basic.PathLen != pathLen || found["2.5.29.19"].Critical != critical {
		j.errorf("basic constraints %+v", found["2.5.29.19"])
	}
	if isCA && !isRoot {
		for above, ca := range j.chain {
			if (ca.MaxPathLen > 0 || ca.MaxPathLenZero) && ca.MaxPathLen < above+1+pathLen {
				j.errorf("path length %d below %s, which has %d", pathLen, ca.Subject, ca.MaxPathLen)
			}
		}
	}
	var key publicKeyInfo
	j.unmarshal(c.Key.FullBytes, &key)
	own := sha1.Sum(key.Key.Bytes)
	var ski []byte
	j.unmarshal(found["2.5.29.14"].Value, &ski)
	if !bytes.Equal(ski, own[:]) {
		j.errorf("subject key identifier %x", ski)
	}
	if aki, ok := found["2.5.29.35"]; !isRoot && (!ok || !bytes.Equal(aki.Value, append([]byte{0x30, 22, 0x80, 20}, issuer.SubjectKeyId...))) {
		j.errorf("authority key identifier %x", aki.Value)
	} else if isRoot && ok && family != "RootCACertificate" {
		j.errorf("a root with an authority key identifier")
	}
	usages := map[string]string{"RootCACertificate": "\x03\x02\x01\x86", "CodeSigningCertificate": "\x03\x02\x07\x80", "OCSPSigningCertificate": "\x03\x02\x07\x80"}
	if strings.HasPrefix(family, "Subordinate") {
		usages[family] = "\x03\x02\x01\x86"
	} else if strings.HasPrefix(family, "EndEntity") {
		usages[family] = "\x03\x02\x05\xa0"
	}
	if want := usages[family]; want != "" && (string(found["2.5.29.15"].Value) != want || !found["2.5.29.15"].Critical) {
		j.errorf("key usage %+v", found["2.5.29.15"])
	}
	const pkixUsage = "\x06\x08\x2b\x06\x01\x05\x05\x07\x03"
	purposes := map[string]string{"EndEntityCertificate": "\x30\x14" + pkixUsage + "\x01" + pkixUsage + "\x02", "EndEntityClientAuthCertificate": "\x30\x0a" + pkixUsage + "\x02",
		"EndEntityServerAuthCertificate": "\x30\x0a" + pkixUsage + "\x01", "CodeSigningCertificate": "\x30\x0a" + pkixUsage + "\x03", "OCSPSigningCertificate": "\x30\x0a" + pkixUsage + "\x09"}
	if want := purposes[family]; want != "" && (string(found["2.5.29.37"].Value) != want || found["2.5.29.37"].Critical != strings.Contains(family, "Signing")) {
		j.errorf("extended key usage %+v", found["2.5.29.37"])
	}

	// All others: who gave them, and could they be given?
	defined := []string{"2.5.29.19", "2.5.29.14"}
	if !isRoot {
		defined = append(defined, "2.5.29.35")
	}
	if !blank {
		defined = append(defined, "2.5.29.15")
		if !isCA {
			defined = append(defined, "2.5.29.37")
		}
	}
	for id, e := range found {
		if slices.Contains(defined, id) {
			continue
		}
		from := func(list []pkix.Extension) bool {
			return slices.ContainsFunc(list, func(x pkix.Extension) bool {
				return x.Id.Equal(e.Id) && bytes.Equal(x.Value, e.Value) && (x.Critical == e.Critical || id == "2.5.29.17")
			})
		}
		byAPI := strings.Contains(variant, "API") && from(j.given)
		byCSR := (strings.Contains(variant, "CSR") || id == "2.5.29.17") && from(j.asked)
		if !byAPI && !byCSR {
			j.errorf("%s, which nobody may have given: %x", id, e.Value)
		}
		if isRoot && (id == "2.5.29.31" || id == "1.3.6.1.5.5.7.1.1") {
			j.errorf("a root with %s", id)
		}
		if id == "2.5.29.31" && !byCSR && !strings.Contains(family, "CriticalBasicConstraints") {
			j.errorf("CRL distribution points of ApiPassthrough")
		}
	}
	if ku, ok := found["2.5.29.15"]; ok {
		var bits asn1.BitString
		j.unmarshal(ku.Value, &bits)
		if signs := bits.At(5) == 1; signs != isCA {
			j.errorf("key usage %x", ku.Value)
		}
	}
	if _, ok := found["2.5.29.30"]; ok && !isCA {
		j.errorf("name constraints in an end-entity certificate")
	}
	if san := found["2.5.29.17"]; j.narrow && bytes.Contains(san.Value, []byte("other.com")) {
		j.errorf("a name beyond the constraint of its authority: %q", san.Value)
	}
}
