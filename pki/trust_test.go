package pki

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestVerifyTrust(t *testing.T) {
	t.Parallel()
	now := testTime()
	// crossed is two CAs that have signed each other, and a leaf of the first.
	crossed := func(t *testing.T) (a, b, aByB, bByA made) {
		a, b = newRoot(t, "A"), newRoot(t, "B")
		cross := func(subject, by made) made {
			return newInter(t, "cross", by, func(d *draft) {
				d.subject, d.key = subject.RawSubject, subject.key
				d.set(oidSubjectKeyID, false, subjectKey(t, subject.SubjectKeyId))
			})
		}
		return a, b, cross(a, b), cross(b, a)
	}
	runPathCases(t, []pathCase{
		{name: "unknown root", want: Untrusted, detail: "not known", build: func(t *testing.T) ([]made, []made) {
			return []made{newRoot(t, "root")}, []made{newLeaf(t, newRoot(t, "stranger"))}
		}},
		{name: "unknown root, sent along", want: Untrusted, build: func(t *testing.T) ([]made, []made) {
			stranger := newRoot(t, "stranger")
			return []made{newRoot(t, "root")}, []made{newLeaf(t, stranger), stranger}
		}},
		{name: "another root of the same name", want: Untrusted, detail: "not signed", build: func(t *testing.T) ([]made, []made) {
			return []made{newRoot(t, "root")}, []made{newLeaf(t, newRoot(t, "root"), without(oidAuthorityKeyID))}
		}},
		{name: "one of two roots of the same name", want: Valid, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root")
			return []made{newRoot(t, "root"), root}, []made{newLeaf(t, root, without(oidAuthorityKeyID))}
		}},
		{name: "empty store", want: Untrusted, build: func(t *testing.T) ([]made, []made) {
			return nil, []made{newLeaf(t, newRoot(t, "root"))}
		}},
		{name: "missing intermediate", want: Untrusted, detail: "inter", build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root")
			return []made{root}, []made{newLeaf(t, newInter(t, "inter", root))}
		}},
		{name: "intermediates in any order", want: Valid, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root")
			one := newInter(t, "one", root)
			two := newInter(t, "two", one)
			return []made{root}, []made{newLeaf(t, two), one, root, two}
		}},
		{name: "intermediate as anchor", want: Valid, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root")
			inter := newInter(t, "inter", root)
			return []made{inter}, []made{newLeaf(t, inter), root}
		}},
		{name: "intermediate is no anchor at the gateway", want: Untrusted, policy: gateway, build: func(t *testing.T) ([]made, []made) {
			inter := newInter(t, "inter", newRoot(t, "root"))
			return []made{inter}, []made{newLeaf(t, inter)}
		}},
		{name: "what the client sends does not help at the gateway", want: Untrusted, policy: gateway, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root")
			inter := newInter(t, "inter", root)
			return []made{root}, []made{newLeaf(t, inter), inter}
		}},
		{name: "intermediate of the bundle at the gateway", want: Valid, policy: gateway, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root")
			inter := newInter(t, "inter", root)
			return []made{inter, root}, []made{newLeaf(t, inter)}
		}},
		{name: "self-signed leaf", want: Untrusted, detail: "self-signed", build: func(t *testing.T) ([]made, []made) {
			return []made{newRoot(t, "root")}, []made{leafDraft(t, made{Certificate: &x509.Certificate{}}).issue(t, nil)}
		}},
		{name: "self-signed leaf in the store", want: Valid, policy: gateway, beyond: "it wants a CA", build: func(t *testing.T) ([]made, []made) {
			leaf := leafDraft(t, made{Certificate: &x509.Certificate{}}).issue(t, nil)
			return []made{leaf}, []made{leaf}
		}},
		{name: "self-signed leaf in the store, ended", want: Expired, policy: gateway, build: func(t *testing.T) ([]made, []made) {
			d := leafDraft(t, made{Certificate: &x509.Certificate{}})
			d.notAfter = now.Add(-time.Hour)
			leaf := d.issue(t, nil)
			return []made{leaf}, []made{leaf}
		}},
		{name: "self-signed leaf as openssl req makes it, a CA", want: Valid, policy: gateway, build: func(t *testing.T) ([]made, []made) {
			leaf := newRoot(t, "client", without(oidKeyUsage))
			return []made{leaf}, []made{leaf}
		}},
		{name: "issued leaf in the store is no anchor at the gateway", want: Untrusted, policy: gateway, build: func(t *testing.T) ([]made, []made) {
			leaf := newLeaf(t, newRoot(t, "root"))
			return []made{leaf}, []made{leaf}
		}},
		{name: "issued leaf in the store is one under RFC 5280", want: Valid, build: func(t *testing.T) ([]made, []made) {
			leaf := newLeaf(t, newRoot(t, "root"))
			return []made{leaf}, []made{leaf}
		}},
		{name: "a leaf of the store issues nothing", want: PurposeInvalid, policy: gateway, build: func(t *testing.T) ([]made, []made) {
			leaf := leafDraft(t, made{Certificate: &x509.Certificate{}}).issue(t, nil)
			return []made{leaf}, []made{newLeaf(t, leaf)}
		}},
		{name: "key identifiers that do not agree", want: Untrusted, build: direct(with(oidAuthorityKeyID, false, func(t testing.TB) []byte { return authorityKey(t, []byte("another key")) }))},
		{name: "no authority key identifier in the leaf", want: Valid, build: direct(without(oidAuthorityKeyID))},
		{name: "issuer without the identifier that is referred to", want: Invalid, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root", without(oidSubjectKeyID))
			return []made{root}, []made{newLeaf(t, root, with(oidAuthorityKeyID, false, func(t testing.TB) []byte { return authorityKey(t, idOf(t, root.PublicKey)) }))}
		}},
		{name: "root whose authority key is another", want: Invalid, build: below(with(oidAuthorityKeyID, false, func(t testing.TB) []byte { return authorityKey(t, []byte("another key")) }))},
		{name: "root whose authority key is empty", want: Invalid, build: below(with(oidAuthorityKeyID, false, func(t testing.TB) []byte { return sequence(t) }))},
		{name: "root whose authority key is a serial number alone", want: Invalid, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root", func(d *draft) {
				id := idOf(t, d.key.Public())
				d.set(oidAuthorityKeyID, false, sequence(t, append([]byte{0x80, byte(len(id))}, id...), []byte{0x82, 1, 5}))
			})
			return []made{root}, []made{newLeaf(t, root)}
		}},
		{name: "two CAs that sign each other, none trusted", want: Untrusted, build: func(t *testing.T) ([]made, []made) {
			a, _, aByB, bByA := crossed(t)
			return []made{newRoot(t, "root")}, []made{newLeaf(t, a), aByB, bByA}
		}},
		{name: "two CAs that sign each other, the other trusted", want: Valid, build: func(t *testing.T) ([]made, []made) {
			a, b, aByB, bByA := crossed(t)
			return []made{b}, []made{newLeaf(t, a), bByA, aByB}
		}},
		{name: "an old cross-signed twin of a root", want: Valid, build: func(t *testing.T) ([]made, []made) {
			a, b, _, _ := crossed(t)
			old := newInter(t, "old", b, func(d *draft) {
				d.subject, d.key, d.notAfter = a.RawSubject, a.key, now.AddDate(0, 0, -1)
				d.set(oidSubjectKeyID, false, subjectKey(t, a.SubjectKeyId))
			})
			return []made{b, a}, []made{newLeaf(t, a), old}
		}},
		{name: "a signature that was tampered with", want: Untrusted, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root")
			leaf := newLeaf(t, root)
			raw := bytes.Clone(leaf.Raw)
			raw[bytes.Index(raw, []byte("example.com"))] = 'E'
			c, err := x509.ParseCertificate(raw)
			if err != nil {
				t.Fatal(err)
			}
			return []made{root}, []made{{c, leaf.key}}
		}},
	})
}

// TestVerifyBounded gives the verifier what would cost an exponential search:
// many certificates of few names that might all have issued each other.
func TestVerifyBounded(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	var chain []made
	issuer := newRoot(t, "A")
	leaf := newLeaf(t, issuer, without(oidAuthorityKeyID))
	for i := range maxChain - 1 {
		c := newInter(t, string(rune('A'+i%2)), issuer, without(oidAuthorityKeyID), without(oidSubjectKeyID), func(d *draft) {
			d.issuer = cn(t, string(rune('A'+(i+1)%2)))
		})
		chain = append(chain, c)
	}
	for _, name := range []string{"unrelated keys", "one key"} {
		if name == "one key" {
			for i := range chain {
				chain[i] = newInter(t, string(rune('A'+i%2)), issuer, without(oidAuthorityKeyID), without(oidSubjectKeyID), func(d *draft) {
					d.issuer, d.spki = cn(t, string(rune('A'+(i+1)%2))), issuer.RawSubjectPublicKeyInfo
				})
			}
		}
		begin := time.Now()
		v := NewTrustStore(root.Certificate).Verify(certs(append([]made{leaf}, chain...)...), strict())
		if v.Valid() {
			t.Fatalf("%s: accepted", name)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
	if v := NewTrustStore(root.Certificate).Verify(certs(append(chain, chain[0], chain[1])...), strict()); v.Reason != SizeExceeded {
		t.Errorf("more than %d certificates: got %s", maxChain, v.Reason)
	}
}

func TestParseTrustStore(t *testing.T) {
	t.Parallel()
	now := testTime()
	root, other := newRoot(t, "root"), newRoot(t, "other")
	broken := EncodePEM(PEMCertificate, []byte{0x30, 0})
	bundle := "# comment\n" + EncodeChainBare(certs(root)) + "\n\n" + broken + EncodePEM(PEMRequest, []byte("x")) + "text\n" + EncodeChain(certs(other, root))
	store, warnings, err := ParseTrustStore([]byte(strings.ReplaceAll(bundle, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	if got := store.Certificates(); len(got) != 2 || !got[0].Equal(root.Certificate) || !got[1].Equal(other.Certificate) {
		t.Errorf("got %d certificates, want root and other", len(got))
	}
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0].Text, "Not a certificate: entry 2") {
		t.Errorf("warnings %v", warnings)
	}
	if !store.Contains(root.Certificate) || store.Contains(newRoot(t, "root").Certificate) {
		t.Error("Contains goes by name only")
	}
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"nothing":       {"", ErrNoPEM.Error()},
		"text":          {"certificates", ErrNoPEM.Error()},
		"only broken":   {broken + broken, ErrNoCertificate.Error()},
		"too large":     {strings.Repeat(" ", MaxTrustStoreBytes+1), "limit is 1048576"},
		"too many":      {strings.Repeat(broken, MaxTrustStoreCertificates+1), "more than 1000"},
		"key, no certs": {EncodePEM(PEMPrivateKey, []byte("x")), ErrNoPEM.Error()},
	} {
		if _, _, err := ParseTrustStore([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}

	// Warnings in the words of the reference.
	inter := newInter(t, "inter", newRoot(t, "absent"))
	leaf := newLeaf(t, root)
	store = NewTrustStore(certs(
		newRoot(t, "old", period(now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0))),
		newRoot(t, "young", period(now.AddDate(1, 0, 0), now.AddDate(2, 0, 0))),
		newRoot(t, "sha1", func(d *draft) { d.hash = 3 }), // crypto.SHA1
		inter, root, leaf)...)
	var got []string
	for _, w := range store.Warnings(now) {
		got = append(got, w.Text)
		if !strings.Contains(w.Text, w.Subject) || w.Subject == "" {
			t.Errorf("warning %q has subject %q", w.Text, w.Subject)
		}
	}
	want := "[Certificate expired: CN=old Certificate not yet valid: CN=young Unsupported signature algorithm: CN=sha1 " +
		"Incomplete chain: issuer of CN=inter not found Not a CA certificate: CN=leaf]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

func FuzzParseTrustStore(f *testing.F) {
	root := newRoot(f, "root")
	leaf := newLeaf(f, root)
	f.Add([]byte(EncodeChain(certs(root, leaf))))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----"))
	f.Fuzz(func(t *testing.T, data []byte) {
		store, _, err := ParseTrustStore(data)
		if err != nil {
			return
		}
		if len(store.Certificates()) == 0 {
			t.Fatal("a store without certificates")
		}
		store.Warnings(testTime())
		for _, c := range store.Certificates() {
			if !store.Contains(c) {
				t.Fatal("a certificate of the store is not in it")
			}
			store.Verify([]*x509.Certificate{c, root.Certificate}, strict())
			store.Verify([]*x509.Certificate{leaf.Certificate, c}, GatewayPolicy(testTime()))
		}
	})
}

// FuzzVerifyCertificate gives the verifier single certificates of any content
// in every position.
func FuzzVerifyCertificate(f *testing.F) {
	root := newRoot(f, "root")
	inter := newInter(f, "inter", root)
	leaf := newLeaf(f, inter)
	for _, c := range []made{root, inter, leaf} {
		f.Add(c.Raw)
	}
	constrained := newInter(f, "inter", root, with(oidNameConstraints, true, func(t testing.TB) []byte {
		return nameConstraints(t, [][]byte{general(t, nameDNS, []byte("example.com"))}, [][]byte{general(t, nameIP, make([]byte, 8))})
	}))
	f.Add(constrained.Raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return
		}
		store := NewTrustStore(root.Certificate, c)
		for _, p := range []Policy{strict(), GatewayPolicy(testTime())} {
			store.Verify([]*x509.Certificate{c}, p)
			store.Verify([]*x509.Certificate{leaf.Certificate, c}, p)
			v := NewTrustStore(root.Certificate).Verify([]*x509.Certificate{c, inter.Certificate}, p)
			if v.Valid() && (!bytes.Equal(c.Raw, leaf.Raw) && !bytes.Equal(c.Raw, root.Raw)) {
				t.Fatal("a certificate that nobody signed is accepted")
			}
		}
	})
}
