package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var update = flag.Bool("update", false, "rewrite the certificates in testdata/templates")

// TestTemplateNames holds the table to the 61 names of ACM Private CA.
func TestTemplateNames(t *testing.T) {
	t.Parallel()
	var want []string
	leaves := []string{"EndEntity", "EndEntityClientAuth", "EndEntityServerAuth", "CodeSigning", "OCSPSigning"}
	for _, l := range leaves {
		want = append(want, l+"Certificate", l+"Certificate_CSRPassthrough", l+"Certificate_APIPassthrough", l+"Certificate_APICSRPassthrough")
	}
	for _, variant := range []string{"CSR", "API", "APICSR"} {
		want = append(want, "BlankEndEntityCertificate_"+variant+"Passthrough", "BlankEndEntityCertificate_CriticalBasicConstraints_"+variant+"Passthrough")
	}
	for n := range 4 {
		sub := fmt.Sprintf("SubordinateCACertificate_PathLen%d", n)
		want = append(want, sub, fmt.Sprintf("BlankRootCACertificate_PathLen%d_APIPassthrough", n))
		for _, variant := range []string{"CSR", "API", "APICSR"} {
			want = append(want, sub+"_"+variant+"Passthrough", "Blank"+sub+"_"+variant+"Passthrough")
		}
	}
	want = append(want, "RootCACertificate", "RootCACertificate_APIPassthrough", "BlankRootCACertificate_APIPassthrough")
	var got []string
	for name, tmpl := range allTemplates {
		if tmpl.Name != name {
			t.Errorf("%s is filed under %s", tmpl.Name, name)
		}
		got = append(got, name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) != 61 || !slices.Equal(got, want) {
		t.Errorf("%d templates:\n%s\nwant %d:\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}

// greedy is a request and an ApiPassthrough that ask for everything, the
// template's own extensions among it, in an order of their own.
func greedy(t testing.TB) (*Request, *Passthrough) {
	t.Helper()
	must := func(e pkix.Extension, err error) pkix.Extension {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	name := func(n GeneralName, err error) GeneralName {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	raw := func(id oid, value []byte) pkix.Extension { return pkix.Extension{Id: id, Value: value} }
	key := []byte("\x04\x04mine")
	issuer := sequence(t, []byte("\x80\x04mine"))
	request := request(t, fixedKey(t, 2), x509.CertificateRequest{
		Subject: pkix.Name{Country: []string{"DE"}, CommonName: "of the request"},
		ExtraExtensions: []pkix.Extension{
			raw(oid{1, 2, 3, 4, 5}, []byte("\x0c\x07request")),
			raw(oid{1, 2, 3, 4, 6}, []byte("\x0c\x0crequest only")),
			must(extKeyUsageExtension(false, []oid{{1, 3, 6, 1, 5, 5, 7, 3, 4}, {1, 2, 3}})),
			must(AltNameExtension([]GeneralName{name(DNSName("request.example.com"))})),
			raw(oidBasicConstraints, basicConstraints(t, true, 7)),
			must(KeyUsageExtension(UsageBits{3: true, 8: true})),
			raw(oidSubjectKeyID, key), raw(oidAuthorityKeyID, issuer),
			must(PoliciesExtension([]PolicyInformation{{Policy: "1.2.3.7"}})),
			must(extension(oidCRLDistributionPoints, false, func(b *cryptobyte.Builder) { addDistributionPoint(b, "http://request/crl") })),
			must(extension(oidAuthorityInfoAccess, false, func(b *cryptobyte.Builder) {
				b.AddBytes(sequence(t, sequence(t, []byte("\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02"), name(URIName("http://request/ca")))))
			})),
			must(SubjectInfoAccessExtension([]Access{{CARepository, name(URIName("http://request/repository"))}})),
		},
	})
	subject, err := EncodeName([]Attribute{{CommonName, "of the API"}, {DomainComponent, "example"}, {"1.2.3.4", "custom"}})
	if err != nil {
		t.Fatal(err)
	}
	p := &Passthrough{Subject: subject, Extensions: []pkix.Extension{
		must(PoliciesExtension([]PolicyInformation{{"1.2.3.8", []string{"http://api/cps"}}, {"1.2.3.9", nil}})),
		must(ExtKeyUsageExtension([]string{"1.3.6.1.5.5.7.3.8", "1.2.3.5"})),
		must(KeyUsageExtension(UsageBits{1: true, 4: true})),
		must(AltNameExtension([]GeneralName{
			name(OtherName("1.3.6.1.4.1.311.20.2.3", "ü@api")), name(RFC822Name("a@api.example.com")), name(DNSName("*.api.example.com")),
			name(DirectoryName([]Attribute{{Country, "US"}, {Organization, "Dir"}})), name(EDIPartyName("party", "assigner")), name(EDIPartyName("party", "")),
			name(URIName("spiffe://api/x")), name(IPAddress("192.0.2.1")), name(IPAddress("2001:db8::1")), name(RegisteredID("1.2.3")),
		})),
		must(CustomExtension("1.2.3.4.5", true, []byte("\x0c\x03api"))),
		must(CustomExtension("2.5.29.19", true, basicConstraints(t, true, 9))),
		must(CustomExtension("2.5.29.14", false, key)),
		must(CustomExtension("2.5.29.35", false, issuer)),
		must(extension(oidCRLDistributionPoints, false, func(b *cryptobyte.Builder) { addDistributionPoint(b, "http://api/crl") })),
		must(extension(oidAuthorityInfoAccess, false, func(b *cryptobyte.Builder) {
			b.AddBytes(sequence(t, sequence(t, []byte("\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02"), name(URIName("http://api/ca")))))
		})),
	}}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	return request, p
}

// TestTemplateGoldens issues a certificate of every template for somebody who
// asks for everything, without and with CRLs and OCSP, and compares it with its
// text in testdata/templates: -update rewrites them, and then the difference is
// to be read against the tables of AWS's documentation.
func TestTemplateGoldens(t *testing.T) {
	t.Parallel()
	r, p := greedy(t)
	caKey := fixedKey(t, 1)
	root := newRoot(t, "root", func(d *draft) { d.key = caKey; d.set(oidSubjectKeyID, false, subjectKey(t, idOf(t, caKey.Public()))) })
	for name, tmpl := range allTemplates {
		i := Issuance{Template: tmpl, Request: r, Passthrough: p, Issuer: root.Certificate, Algorithm: SHA256WithECDSA, Serial: Serial{0x7f, 1},
			NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), NotAfter: time.Date(2051, 1, 2, 3, 4, 5, 0, time.UTC)}
		signer := caKey
		if tmpl.IsRoot() {
			i.Issuer, signer = nil, fixedKey(t, 2)
		}
		canonical(t, name, issueWith(t, i, signer))
		var text strings.Builder
		replace := strings.NewReplacer(strings.ToUpper(hex.EncodeToString(idOf(t, r.PublicKey))), "<key identifier of the subject>",
			strings.ToUpper(hex.EncodeToString(root.SubjectKeyId)), "<key identifier of the issuer>")
		text.WriteString(replace.Replace(printCertificate(t, issueWith(t, i, signer))))
		i.CRLURL, i.OCSPURL = "http://authority/crl", "http://authority/ocsp"
		c := issueWith(t, i, signer)
		text.WriteString("\nExtensions of an authority with CRLs and OCSP:\n")
		for _, e := range c.Extensions {
			if e.Id.Equal(oidCRLDistributionPoints) || e.Id.Equal(oidAuthorityInfoAccess) {
				text.WriteString(printExtension(t, e))
			} else {
				fmt.Fprintf(&text, "  %s\n", e.Id)
			}
		}
		i.CRLURL, i.OCSPURL, i.OmitPoints = "", "", true
		c = issueWith(t, i, signer)
		text.WriteString("\nCRL distribution points of an authority that omits its own:\n")
		for _, e := range c.Extensions {
			if e.Id.Equal(oidCRLDistributionPoints) {
				text.WriteString(printExtension(t, e))
			}
		}
		path := filepath.Join("testdata", "templates", name+".txt")
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if text.String() != string(want) {
			t.Errorf("%s:\n%s\nwant:\n%s", name, text.String(), want)
		}
	}
	if files, err := os.ReadDir(filepath.Join("testdata", "templates")); err != nil || len(files) != 61 {
		t.Errorf("%d goldens, %v; want 61", len(files), err)
	}
}

// canonical demands that a certificate re-encodes to the same bytes: every
// length minimal, nothing behind anything. OpenSSL reads it, too, where there is one.
func canonical(t testing.TB, name string, c *x509.Certificate) {
	t.Helper()
	var again cryptobyte.Builder
	var copyOf func(b *cryptobyte.Builder, der cryptobyte.String)
	copyOf = func(b *cryptobyte.Builder, der cryptobyte.String) {
		for !der.Empty() {
			var content cryptobyte.String
			var tag cbasn1.Tag
			if !der.ReadAnyASN1(&content, &tag) {
				t.Fatalf("%s is not DER", name)
			}
			b.AddASN1(tag, func(b *cryptobyte.Builder) {
				if tag&0x20 != 0 || tag == cbasn1.OCTET_STRING && isElement(content) {
					copyOf(b, content)
				} else {
					b.AddBytes(content)
				}
			})
		}
	}
	copyOf(&again, c.Raw)
	if der, err := again.Bytes(); err != nil || !bytes.Equal(der, c.Raw) {
		t.Errorf("%s does not re-encode to the same bytes: %v", name, err)
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		return
	}
	cmd := exec.Command(openssl, "x509", "-noout", "-text")
	cmd.Stdin = strings.NewReader(EncodePEM(PEMCertificate, c.Raw))
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("<INVALID")) || bytes.Contains(out, []byte("<Not Supported")) {
		t.Errorf("%s under OpenSSL: %v\n%s", name, err, out)
	}
}

// printCertificate writes a certificate for people, from its bytes: nothing of
// the encoder's is used.
func printCertificate(t testing.TB, c *x509.Certificate) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "Version: %d\nSerial: %x\nSignature: %s\nIssuer: %s\nNot before: %s\nNot after: %s\nSubject: %s\nExtensions:\n", c.Version, c.SerialNumber,
		c.SignatureAlgorithm, printDER(t, c.RawIssuer), c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339), printDER(t, c.RawSubject))
	for _, e := range c.Extensions {
		b.WriteString(printExtension(t, e))
	}
	return b.String()
}

func printExtension(t testing.TB, e pkix.Extension) string {
	critical := ""
	if e.Critical {
		critical = " critical"
	}
	return fmt.Sprintf("  %s%s\n    %s\n", e.Id, critical, printDER(t, e.Value))
}

// printDER writes DER as nested elements on one line.
func printDER(t testing.TB, der []byte) string {
	t.Helper()
	var parts []string
	for in := cryptobyte.String(der); !in.Empty(); {
		var whole, content cryptobyte.String
		var tag cbasn1.Tag
		if !in.ReadAnyASN1Element(&whole, &tag) {
			t.Fatalf("not DER: %x", der)
		}
		full := whole
		if !whole.ReadAnyASN1(&content, &tag) {
			t.Fatalf("not DER: %x", der)
		}
		switch {
		case tag == cbasn1.OBJECT_IDENTIFIER:
			var id asn1.ObjectIdentifier
			if !full.ReadASN1ObjectIdentifier(&id) {
				t.Fatalf("not an OID: %x", full)
			}
			parts = append(parts, id.String())
		case tag == cbasn1.BOOLEAN:
			parts = append(parts, fmt.Sprint(content[0] != 0))
		case tag == cbasn1.INTEGER:
			parts = append(parts, fmt.Sprintf("INTEGER %X", []byte(content)))
		case tag == cbasn1.UTF8String:
			parts = append(parts, fmt.Sprintf("UTF8 %q", content))
		case tag == cbasn1.PrintableString:
			parts = append(parts, fmt.Sprintf("Printable %q", content))
		case tag == cbasn1.IA5String:
			parts = append(parts, fmt.Sprintf("IA5 %q", content))
		case tag == cbasn1.SEQUENCE:
			parts = append(parts, "{"+printDER(t, content)+"}")
		case tag == cbasn1.SET:
			parts = append(parts, "set{"+printDER(t, content)+"}")
		case tag&0xe0 == 0xa0:
			parts = append(parts, fmt.Sprintf("[%d]{%s}", tag&0x1f, printDER(t, content)))
		case tag&0xe0 == 0x80 && isASCII(string(content)) && strings.ContainsAny(string(content), ".:@"):
			parts = append(parts, fmt.Sprintf("[%d] %q", tag&0x1f, content))
		case tag&0xe0 == 0x80:
			parts = append(parts, fmt.Sprintf("[%d] %X", tag&0x1f, []byte(content)))
		case tag == cbasn1.BIT_STRING:
			parts = append(parts, fmt.Sprintf("BITS %X", []byte(content)))
		case tag == cbasn1.OCTET_STRING:
			parts = append(parts, fmt.Sprintf("OCTETS %X", []byte(content)))
		default:
			t.Fatalf("unexpected tag %x", tag)
		}
	}
	return strings.Join(parts, ", ")
}
