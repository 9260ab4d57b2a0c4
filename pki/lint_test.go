package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"strings"
	"testing"
	"time"
)

func dnsName(t testing.TB, host string) GeneralName {
	t.Helper()
	n, err := DNSName(host)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func altNames(t testing.TB, hosts ...string) pkix.Extension {
	t.Helper()
	var list []GeneralName
	for _, h := range hosts {
		list = append(list, dnsName(t, h))
	}
	e, err := AltNameExtension(list)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// lintOf encodes an issuance and lints it.
func lintOf(t testing.TB, i Issuance, chain []*x509.Certificate) error {
	t.Helper()
	i.Algorithm, i.Serial = SHA256WithECDSA, Serial{1, 2, 3}
	i.NotBefore, i.NotAfter = testTime().Add(-time.Hour), testTime().AddDate(0, 6, 0)
	if len(chain) > 0 {
		i.Issuer = chain[0]
	}
	tbs, err := i.TBS()
	if err != nil {
		t.Fatal(err)
	}
	return i.Lint(tbs, chain)
}

func TestLintNames(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root", with(oidNameConstraints, true, func(t testing.TB) []byte { return nameConstraints(t, names(t, "dns:example.com"), nil) }))
	chain := certs(newInter(t, "inter", root), root)
	ask := func(names ...string) Issuance {
		return Issuance{Template: template(t, "EndEntityCertificate_APIPassthrough"),
			Request: request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}, DNSNames: names})}
	}
	if err := lintOf(t, ask("a.example.com"), chain); err != nil {
		t.Error(err)
	}
	if got := ruleOf(lintOf(t, ask("a.example.com", "b.other.com"), chain)); got != RuleNameConstraints {
		t.Errorf("got %q", got)
	}
	if err := lintOf(t, ask(), chain); err != nil {
		t.Error(err)
	}
	// What ApiPassthrough puts in place of the request's names counts, and only where it does.
	i := ask("b.other.com")
	i.Passthrough = &Passthrough{Extensions: []pkix.Extension{altNames(t, "a.example.com")}}
	if err := lintOf(t, i, chain); err != nil {
		t.Error(err)
	}
	i = ask("a.example.com")
	i.Passthrough = &Passthrough{Extensions: []pkix.Extension{altNames(t, "a.other.com")}}
	if got := ruleOf(lintOf(t, i, chain)); got != RuleNameConstraints {
		t.Errorf("got %q", got)
	}
	i.Template = template(t, "")
	if err := lintOf(t, i, chain); err != nil {
		t.Error(err)
	}
	// Constraints that cannot be read allow nothing.
	unread := newRoot(t, "root")
	unread.Extensions = append(unread.Extensions, pkix.Extension{Id: oidNameConstraints, Value: []byte{5, 0}})
	if got := ruleOf(lintOf(t, ask("a.example.com"), certs(unread))); got != RuleNameConstraints {
		t.Errorf("got %q", got)
	}
}

// TestLintEveryTemplate holds what every template makes of a modest and of a
// greedy request to be accepted, and to be refused as the work of another
// template or request.
func TestLintEveryTemplate(t *testing.T) {
	t.Parallel()
	greedyRequest, greedyAPI := greedy(t)
	modest := request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"a.example.com"}})
	root := newRoot(t, "root")
	for name, tmpl := range allTemplates {
		chain := certs(root)
		i := Issuance{Template: tmpl, Request: modest, Algorithm: SHA256WithECDSA, Serial: Serial{1}, Issuer: root.Certificate,
			NotBefore: testTime(), NotAfter: testTime().AddDate(0, 1, 0), CRLURL: "http://a/crl", OCSPURL: "http://a/ocsp"}
		if tmpl.IsRoot() {
			chain, i.Issuer = nil, nil
		}
		tbs, err := i.TBS()
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Lint(tbs, chain); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for what, change := range map[string]func(*Issuance){
			"serial":    func(i *Issuance) { i.Serial = Serial{2} },
			"end":       func(i *Issuance) { i.NotAfter = i.NotAfter.Add(time.Second) },
			"start":     func(i *Issuance) { i.NotBefore = i.NotBefore.Add(time.Second) },
			"request":   func(i *Issuance) { i.Request = greedyRequest },
			"algorithm": func(i *Issuance) { i.Algorithm = SHA384WithECDSA },
		} {
			other := i
			change(&other)
			if got := ruleOf(other.Lint(tbs, chain)); got != RuleLint {
				t.Errorf("%s with another %s: %q", name, what, got)
			}
		}
		another := newRoot(t, "another")
		if got := ruleOf(i.Lint(tbs, certs(another))); got != RuleLint {
			t.Errorf("%s of another issuer: %q", name, got)
		}
		for otherName, otherTemplate := range allTemplates {
			other := i
			other.Template = otherTemplate
			// Variants of one family make the same of a modest request, and blank ones ask for less.
			if f := otherTemplate.family; otherTemplate.ca == tmpl.ca && otherTemplate.root == tmpl.root && f.pathLen == tmpl.pathLen && f.basicCritical == tmpl.basicCritical &&
				(f.keyUsage == 0 || f.keyUsage == tmpl.keyUsage && len(f.extKeyUsage) == len(tmpl.extKeyUsage)) {
				continue
			}
			if err := other.Lint(tbs, chain); err == nil {
				t.Errorf("%s passes for %s", name, otherName)
			}
		}
		// The greedy request has a key usage that makes no CA, and a root's own
		// identifiers wrong. Wherever neither can be passed it is as good as any.
		i.Request, i.Passthrough = greedyRequest, greedyAPI
		if tbs, err = i.TBS(); err != nil {
			t.Fatal(err)
		}
		want := Rule("")
		if tmpl.ca && tmpl.keyUsage == 0 || tmpl.authorityFromAPI && tmpl.fromAPI {
			want = RuleLint
		}
		if err := i.Lint(tbs, chain); ruleOf(err) != want || want == "" && err != nil {
			t.Errorf("%s, greedy: %v", name, err)
		}
	}
}

func TestLintRefuses(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	custom := func(id string, critical bool, value []byte) pkix.Extension {
		e, err := CustomExtension(id, critical, value)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	leaf, sub := "BlankEndEntityCertificate_", "BlankSubordinateCACertificate_PathLen0_"
	for name, c := range map[string]struct {
		template string
		ext      pkix.Extension
		want     string
	}{
		"keyCertSign in a leaf":        {leaf, custom("2.5.29.15", true, keyUsages(t, usageCertSign)), "keyCertSign"},
		"a CA that may not sign":       {sub, custom("2.5.29.15", true, keyUsages(t, usageCRLSign)), "keyCertSign"},
		"key usage without usages":     {leaf, custom("2.5.29.15", true, []byte{3, 2, 7, 0}), "key usage"},
		"extended usage without any":   {leaf, custom("2.5.29.37", false, []byte{0x30, 0}), "extended key usage"},
		"alternative names, none":      {leaf, custom("2.5.29.17", false, []byte{0x30, 0}), "general names"},
		"alternative name, no address": {leaf, custom("2.5.29.17", false, []byte{0x30, 4, 0x87, 2, 1, 2}), "IP"},
		"name constraints in a leaf":   {leaf, custom("2.5.29.30", true, nameConstraints(t, names(t, "dns:example.com"), nil)), "name constraints"},
		"broken name constraints":      {sub, custom("2.5.29.30", true, []byte{0x30, 0}), "name constraints"},
		"lenient policy constraints":   {sub, custom("2.5.29.36", false, []byte{0x30, 3, 0x80, 1, 0}), "policy constraints"},
		"critical access":              {leaf, custom("1.3.6.1.5.5.7.1.1", true, sequence(t, sequence(t, []byte("\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02"), []byte("\x86\x08http://x")))), "critical"},
		"critical freshest CRL":        {leaf, custom("2.5.29.46", true, sequence(t, []byte{5, 0})), "critical"},
		"not DER":                      {leaf, pkix.Extension{Id: oid{1, 2, 3}, Value: []byte{4, 9, 1}}, "not DER"},
	} {
		modest := request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}})
		i := Issuance{Template: template(t, c.template+"APIPassthrough"), Request: modest, Passthrough: &Passthrough{Extensions: []pkix.Extension{c.ext}}}
		err := lintOf(t, i, certs(root))
		if ruleOf(err) != RuleLint || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in ApiPassthrough: %v", name, err)
		}
		// The same out of a request, where it can be put into one.
		raw, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}, ExtraExtensions: []pkix.Extension{c.ext}}, newKey(t))
		if err != nil {
			t.Fatal(err)
		}
		r, err := ParseRequest(raw)
		var bad *RequestError
		if errors.As(err, &bad) {
			continue
		}
		i = Issuance{Template: template(t, c.template+"CSRPassthrough"), Request: r}
		if err := lintOf(t, i, certs(root)); err == nil && r.SAN == nil && !strings.Contains(name, "names, none") {
			t.Errorf("%s in a request was granted", name)
		}
	}
	// Critical, unknown and well formed is the caller's affair, as at AWS.
	i := Issuance{Template: template(t, leaf+"APIPassthrough"), Request: request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}}),
		Passthrough: &Passthrough{Extensions: []pkix.Extension{custom("1.2.3", true, []byte{5, 0})}}}
	if err := lintOf(t, i, certs(root)); err != nil {
		t.Error(err)
	}
}

func FuzzLint(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	root := newRoot(f, "root")
	i := Issuance{Template: template(f, "BlankEndEntityCertificate_APIPassthrough"), Algorithm: SHA256WithECDSA, Serial: Serial{1}, Issuer: root.Certificate,
		Request:   request(f, key, x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}}),
		NotBefore: testTime(), NotAfter: testTime().AddDate(0, 1, 0)}
	f.Add("2.5.29.17", []byte{0x30, 4, 0x82, 2, 'a', 'b'}, true)
	f.Add("2.5.29.30", []byte{0x30, 0}, true)
	f.Add("2.5.29.32", []byte{0x30, 0}, false)
	f.Fuzz(func(t *testing.T, id string, value []byte, critical bool) {
		e, err := CustomExtension(id, critical, value)
		if err != nil {
			return
		}
		one := i
		one.Passthrough = &Passthrough{Extensions: []pkix.Extension{e}}
		tbs, err := one.TBS()
		if err != nil {
			return
		}
		if err := one.Lint(tbs, certs(root)); err != nil {
			return
		}
		// What it lets through, the rest of this package can read.
		signature, err := Sign(tbs, one.Algorithm, root.key)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := Assemble(tbs, one.Algorithm, signature)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := x509.ParseCertificate(whole); err != nil || c.CheckSignatureFrom(root.Certificate) != nil {
			t.Errorf("%s %x: %v", id, value, err)
		}
	})
}

// BenchmarkIssuance is what a certificate costs beside the signature itself:
// reading the request, encoding, and linting.
func BenchmarkIssuance(b *testing.B) {
	root := newRoot(b, "root")
	raw, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"a.example.com"}}, newKey(b))
	if err != nil {
		b.Fatal(err)
	}
	r, err := ParseRequest(raw)
	if err != nil {
		b.Fatal(err)
	}
	i := Issuance{Template: template(b, ""), Request: r, Algorithm: SHA256WithECDSA, Serial: Serial{1}, Issuer: root.Certificate, NotBefore: testTime(), NotAfter: testTime().AddDate(0, 1, 0)}
	tbs, err := i.TBS()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("request", func(b *testing.B) {
		for b.Loop() {
			if _, err := ParseRequest(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := i.TBS(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("lint", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := i.Lint(tbs, certs(root)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sign", func(b *testing.B) {
		for b.Loop() {
			if _, err := Sign(tbs, i.Algorithm, root.key); err != nil {
				b.Fatal(err)
			}
		}
	})
}
