package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A pathCase is a set of certificates and what is to be said about it.
type pathCase struct {
	name   string
	want   Reason
	build  func(t *testing.T) (trust, chain []made)
	policy func(*Policy)
	detail string // must occur in the detail
	beyond string // why crypto/x509 refuses what we accept, if it does
}

func runPathCases(t *testing.T, cases []pathCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			trust, chain := c.build(t)
			p := strict()
			if c.policy != nil {
				c.policy(&p)
			}
			v := NewTrustStore(certs(trust...)...).Verify(certs(chain...), p)
			if v.Reason != c.want {
				t.Fatalf("got %s (%s), want %s", v.Reason, v.Detail, c.want)
			}
			if !strings.Contains(v.Detail, c.detail) {
				t.Errorf("detail %q does not say %q", v.Detail, c.detail)
			}
			if v.Valid() {
				if len(v.Path) == 0 || v.Path[0] != chain[0].Certificate && !v.Path[0].Equal(chain[0].Certificate) {
					t.Errorf("the path does not start at the leaf: %v", v.Path)
				}
				if later := CheckTime(v.Path, p.At); !later.Valid() {
					t.Errorf("CheckTime at the same moment: %s", later.Reason)
				}
			} else if v.Path != nil || v.Detail == "" {
				t.Errorf("a refusal has path %v and detail %q", v.Path, v.Detail)
			}
			// Whatever we accept, the standard library accepts.
			if v.Valid() && !chain[0].IsCA && c.beyond == "" {
				roots, inters := x509.NewCertPool(), x509.NewCertPool()
				roots.AddCert(v.Path[len(v.Path)-1])
				for _, i := range v.Path[1:] {
					inters.AddCert(i)
				}
				if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: inters, CurrentTime: p.At.Truncate(time.Second), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
					t.Errorf("crypto/x509 refuses what was accepted: %v", err)
				}
			}
		})
	}
}

// direct is root → leaf with the leaf changed.
func direct(changes ...func(*draft)) func(*testing.T) ([]made, []made) {
	return func(t *testing.T) ([]made, []made) {
		root := newRoot(t, "root")
		return []made{root}, []made{newLeaf(t, root, changes...)}
	}
}

// under is root → intermediate → leaf with the intermediate changed.
func under(changes ...func(*draft)) func(*testing.T) ([]made, []made) {
	return func(t *testing.T) ([]made, []made) {
		root := newRoot(t, "root")
		inter := newInter(t, "inter", root, changes...)
		return []made{root}, []made{newLeaf(t, inter), inter}
	}
}

// below is root → leaf with the root changed.
func below(changes ...func(*draft)) func(*testing.T) ([]made, []made) {
	return func(t *testing.T) ([]made, []made) {
		root := newRoot(t, "root", changes...)
		return []made{root}, []made{newLeaf(t, root)}
	}
}

// with sets an extension.
func with(id oid, critical bool, value func(testing.TB) []byte) func(*draft) {
	return func(d *draft) { d.set(id, critical, value(failing{})) }
}

// failing stands in where a helper wants a testing.TB and cannot fail.
type failing struct{ testing.TB }

func (failing) Helper()           {}
func (failing) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func without(id oid) func(*draft) { return func(d *draft) { d.drop(id) } }

func usages(u keyUsage) func(*draft) {
	return with(oidKeyUsage, true, func(t testing.TB) []byte { return keyUsages(t, u) })
}

func purposes(ids ...oid) func(*draft) {
	return with(oidExtKeyUsage, false, func(t testing.TB) []byte { return extKeyUsages(t, ids...) })
}

func san(names ...string) func(*draft) {
	return with(oidSubjectAltName, false, func(t testing.TB) []byte { return dnsSAN(t, names...) })
}

func period(from, to time.Time) func(*draft) {
	return func(d *draft) { d.notBefore, d.notAfter = from, to }
}

func pathLength(n int) func(*draft) {
	return with(oidBasicConstraints, true, func(t testing.TB) []byte { return basicConstraints(t, true, n) })
}

func host(name string) func(*Policy)  { return func(p *Policy) { p.Host, p.Usage = name, ServerAuth } }
func usage(u Usage) func(*Policy)     { return func(p *Policy) { p.Usage = u } }
func maxDepth(n int) func(*Policy)    { return func(p *Policy) { p.MaxDepth = n } }
func at(when time.Time) func(*Policy) { return func(p *Policy) { p.At = when } }
func lenient(p *Policy)               { p.Strict = false }
func gateway(p *Policy)               { *p = GatewayPolicy(testTime()) }

func TestVerifyForm(t *testing.T) {
	t.Parallel()
	now := testTime()
	private := oid{1, 3, 6, 1, 4, 1, 55738, 666, 1}
	null := func(testing.TB) []byte { return []byte{5, 0} }
	runPathCases(t, []pathCase{
		{name: "root and leaf", want: Valid, build: direct()},
		{name: "root, intermediate and leaf", want: Valid, build: under()},
		{name: "nothing presented", want: Missing, build: func(t *testing.T) ([]made, []made) { return []made{newRoot(t, "root")}, nil }},
		{name: "version 1 leaf", want: Invalid, detail: "version 1", build: direct(func(d *draft) { d.version, d.exts = 0, nil })},
		{name: "version 1 with extensions", want: Invalid, build: direct(func(d *draft) { d.version = 0 })},
		{name: "version 1 root", want: Invalid, build: below(func(d *draft) { d.version, d.exts = 0, nil })},
		{name: "version 1 intermediate", want: Invalid, build: under(func(d *draft) { d.version, d.exts = 0, nil })},
		{name: "serial zero", want: Invalid, build: direct(func(d *draft) { d.serial = new(big.Int) })},
		{name: "serial zero at the gateway", want: Valid, policy: gateway, build: direct(func(d *draft) { d.serial = new(big.Int) })},
		{name: "serial of 22 octets", want: Invalid, build: direct(func(d *draft) { d.serial = new(big.Int).Lsh(big.NewInt(1), 170) })},
		{name: "serial of the root is nobody's business", want: Valid, build: below(func(d *draft) { d.serial = new(big.Int) })},
		{name: "empty issuer", want: Invalid, build: direct(func(d *draft) { d.issuer = []byte{0x30, 0} })},
		{name: "unknown critical extension in leaf", want: Invalid, detail: "55738", build: direct(with(private, true, null))},
		{name: "unknown critical extension in intermediate", want: Invalid, build: under(with(private, true, null))},
		{name: "unknown critical extension in root", want: Invalid, build: below(with(private, true, null))},
		{name: "unknown extension that is not critical", want: Valid, build: direct(with(private, false, null))},
		{name: "UTCTime until 2049, GeneralizedTime later", want: Valid, build: direct(period(now, time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)))},
		{name: "GeneralizedTime before 2050", want: Invalid, build: direct(func(d *draft) {
			d.validity = der(failing{}, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1GeneralizedTime(now.AddDate(-1, 0, 0))
					b.AddASN1GeneralizedTime(now.AddDate(1, 0, 0))
				})
			})
		})},
		{name: "no subject, critical alternative name", want: Valid, build: direct(func(d *draft) { d.subject = []byte{0x30, 0} },
			with(oidSubjectAltName, true, func(t testing.TB) []byte { return dnsSAN(t, "example.com") }))},
		{name: "no subject, alternative name not critical", want: Invalid, build: direct(func(d *draft) { d.subject = []byte{0x30, 0} })},
		{name: "the same at the gateway", want: Valid, policy: gateway, build: direct(func(d *draft) { d.subject = []byte{0x30, 0} })},
		{name: "no subject, no alternative name", want: Invalid, policy: gateway, build: direct(func(d *draft) { d.subject = []byte{0x30, 0} }, without(oidSubjectAltName))},
		{name: "CA without a subject", want: Invalid, build: below(func(d *draft) { d.subject, d.issuer = []byte{0x30, 0}, cn(failing{}, "x") })},
		{name: "key usage without any", want: Invalid, build: direct(with(oidKeyUsage, true, func(testing.TB) []byte { return []byte{3, 1, 0} }))},
		{name: "policy constraints not critical", want: Invalid, build: under(with(oidPolicyConstraints, false, func(t testing.TB) []byte { return sequence(t, []byte{0x80, 1, 3}) }))},
		{name: "malformed policy constraints", want: Invalid, build: under(with(oidPolicyConstraints, true, func(t testing.TB) []byte { return sequence(t) }))},
		{name: "path length in an end entity", want: Invalid, build: direct(with(oidBasicConstraints, true, func(t testing.TB) []byte { return basicConstraints(t, false, 1) }))},
	})
}

func TestVerifyAlgorithms(t *testing.T) {
	t.Parallel()
	rsaKey := func(bits int) func(*draft) {
		return func(d *draft) {
			k, err := rsa.GenerateKey(rand.Reader, bits)
			if err != nil {
				panic(err)
			}
			d.key = k
			d.drop(oidSubjectKeyID)
		}
	}
	p224 := func(d *draft) {
		k, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
		if err != nil {
			panic(err)
		}
		d.key = k
		d.drop(oidSubjectKeyID)
	}
	dsa := func(d *draft) {
		number := func(b *cryptobyte.Builder, n int64) {
			b.AddASN1BigInt(new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 1023), big.NewInt(n)))
		}
		d.spki = der(failing{}, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oid{1, 2, 840, 10040, 4, 1})
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { number(b, 1); number(b, 3); number(b, 5) })
				})
				b.AddASN1BitString(der(failing{}, func(b *cryptobyte.Builder) { number(b, 7) }))
			})
		})
	}
	sha1 := func(d *draft) { d.hash = crypto.SHA1 }
	weakRoot := func(change func(*draft)) func(t *testing.T) ([]made, []made) {
		return func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root", change)
			return []made{root}, []made{newLeaf(t, root, without(oidAuthorityKeyID))}
		}
	}
	runPathCases(t, []pathCase{
		{name: "RSA 2048 leaf", want: Valid, build: direct(rsaKey(2048))},
		{name: "RSA 1024 leaf", want: TypeUnsupported, detail: "1024", build: direct(rsaKey(1024))},
		{name: "RSA 1024 leaf at the gateway", want: TypeUnsupported, policy: gateway, build: direct(rsaKey(1024))},
		{name: "RSA 1024 root", want: TypeUnsupported, build: weakRoot(rsaKey(1024))},
		{name: "RSA 2052 leaf", want: TypeUnsupported, build: direct(rsaKey(2052))},
		{name: "P-224 leaf", want: TypeUnsupported, build: direct(p224)},
		{name: "P-224 root", want: TypeUnsupported, build: weakRoot(p224)},
		{name: "DSA leaf", want: TypeUnsupported, build: direct(dsa)},
		{name: "SHA-1 leaf", want: TypeUnsupported, detail: "SHA1", build: direct(sha1)},
		{name: "SHA-1 leaf at the gateway", want: TypeUnsupported, policy: gateway, build: direct(sha1)},
		{name: "SHA-1 intermediate", want: TypeUnsupported, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root")
			inter := newInter(t, "inter", root, sha1)
			return []made{root}, []made{newLeaf(t, inter), inter}
		}},
		{name: "SHA-1 under the root's own key", want: Valid, build: below(sha1)},
		{name: "SHA-1 under the root's own key at the gateway", want: TypeUnsupported, policy: gateway, build: below(sha1)},
	})
}

func TestVerifyValidity(t *testing.T) {
	t.Parallel()
	now := testTime()
	old := period(now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0))
	young := period(now.AddDate(0, 0, 1), now.AddDate(0, 0, 2))
	exact := period(now, now.Add(time.Hour))
	runPathCases(t, []pathCase{
		{name: "leaf ended", want: Expired, build: direct(old), detail: "leaf"},
		{name: "leaf to come", want: NotYetValid, build: direct(young)},
		{name: "intermediate ended", want: Expired, detail: "inter", build: under(old)},
		{name: "intermediate to come", want: NotYetValid, build: under(young)},
		{name: "root ended", want: Expired, detail: "root", build: below(old)},
		{name: "root ended, at the gateway", want: Expired, policy: gateway, build: below(old)},
		{name: "notBefore is inclusive", want: Valid, build: direct(exact)},
		{name: "notAfter is inclusive", want: Valid, policy: at(now.Add(time.Hour)), build: direct(exact)},
		{name: "the second is finished", want: Valid, policy: at(now.Add(time.Hour + 5*time.Millisecond)), build: direct(exact)},
		{name: "a second later it is over", want: Expired, policy: at(now.Add(time.Hour + time.Second)), build: direct(exact)},
		{name: "a millisecond early", want: NotYetValid, policy: at(now.Add(-time.Millisecond)), build: direct(exact)},
		{name: "a stranger's certificate is untrusted first", want: Untrusted, build: func(t *testing.T) ([]made, []made) {
			return []made{newRoot(t, "root")}, []made{newLeaf(t, newRoot(t, "other"), old)}
		}},
	})
}

func TestVerifyPurpose(t *testing.T) {
	t.Parallel()
	anyUsage := oid{2, 5, 29, 37, 0}
	runPathCases(t, []pathCase{
		{name: "client", want: Valid, policy: usage(ClientAuth), build: direct(purposes(oidClientAuth))},
		{name: "server only, as client", want: PurposeInvalid, policy: usage(ClientAuth), build: direct(purposes(oidServerAuth))},
		{name: "server only, at the gateway", want: PurposeInvalid, policy: gateway, build: direct(purposes(oidServerAuth))},
		{name: "client only, as server", want: PurposeInvalid, policy: usage(ServerAuth), build: direct(purposes(oidClientAuth))},
		{name: "client only, whatever for", want: Valid, build: direct(purposes(oidClientAuth))},
		{name: "any extended key usage", want: Valid, policy: usage(ClientAuth), build: direct(purposes(anyUsage))},
		{name: "no extended key usage", want: Valid, policy: gateway, build: direct(without(oidExtKeyUsage))},
		{name: "empty extended key usage", want: PurposeInvalid, build: direct(purposes())},
		{name: "empty extended key usage at the gateway", want: PurposeInvalid, policy: gateway, build: direct(purposes())},
		{name: "intermediate for servers", want: PurposeInvalid, policy: usage(ClientAuth), build: under(purposes(oidServerAuth))},
		{name: "intermediate for clients", want: Valid, policy: usage(ClientAuth), build: under(purposes(oidClientAuth))},
		{name: "intermediate for servers, whatever for", want: Valid, build: under(purposes(oidServerAuth))},
		{name: "root for servers", want: PurposeInvalid, policy: usage(ClientAuth), build: below(purposes(oidServerAuth))},
		{name: "key usage of another kind", want: PurposeInvalid, policy: usage(ClientAuth), build: direct(usages(usageCRLSign))},
		{name: "key encipherment serves servers", want: Valid, policy: usage(ServerAuth), build: direct(usages(usageKeyEncipherment))},
		{name: "no key usage", want: Valid, policy: gateway, build: direct(without(oidKeyUsage))},
		{name: "keyCertSign in a leaf", want: PurposeInvalid, build: direct(usages(usageDigitalSignature | usageCertSign))},
		{name: "keyCertSign in a leaf at the gateway", want: PurposeInvalid, policy: gateway, build: direct(usages(usageDigitalSignature | usageCertSign))},
		{name: "CA as leaf", want: PurposeInvalid, policy: gateway, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root")
			return []made{root}, []made{newInter(t, "inter", root)}
		}},
		{name: "leaf without basic constraints", want: Valid, build: direct(without(oidBasicConstraints))},
		{name: "root without basic constraints", want: PurposeInvalid, build: below(without(oidBasicConstraints))},
		{name: "root without the CA bit", want: PurposeInvalid, build: below(with(oidBasicConstraints, true, func(t testing.TB) []byte { return basicConstraints(t, false, -1) }))},
		{name: "intermediate without basic constraints", want: PurposeInvalid, build: under(without(oidBasicConstraints))},
		{name: "intermediate without the CA bit", want: PurposeInvalid, build: under(with(oidBasicConstraints, true, func(t testing.TB) []byte { return basicConstraints(t, false, -1) }))},
		{name: "basic constraints of the root not critical", want: Invalid, build: below(with(oidBasicConstraints, false, func(t testing.TB) []byte { return basicConstraints(t, true, -1) }))},
		{name: "the same at the gateway", want: Valid, policy: gateway, build: below(with(oidBasicConstraints, false, func(t testing.TB) []byte { return basicConstraints(t, true, -1) }))},
		{name: "root without keyCertSign", want: PurposeInvalid, build: below(usages(usageDigitalSignature))},
		{name: "intermediate without keyCertSign", want: PurposeInvalid, build: under(usages(usageCRLSign))},
		{name: "CA without key usage", want: Valid, build: under(without(oidKeyUsage))},
		{name: "name constraints in a leaf", want: Invalid, build: direct(with(oidNameConstraints, false, func(t testing.TB) []byte {
			return nameConstraints(t, [][]byte{general(t, nameDNS, []byte("example.com"))}, nil)
		}))},
	})
}

func TestVerifyHost(t *testing.T) {
	t.Parallel()
	ip := func(octets ...byte) func(*draft) {
		return with(oidSubjectAltName, false, func(t testing.TB) []byte { return sequence(t, general(t, nameIP, octets)) })
	}
	six := append([]byte{0x20, 0x01, 0x0d, 0xb8}, make([]byte, 12)...)
	cases := []struct {
		host  string
		want  Reason
		names []func(*draft)
	}{
		{"example.com", Valid, []func(*draft){san("example.com")}},
		{"EXAMPLE.com", Valid, []func(*draft){san("Example.COM")}},
		{"example.com.", Valid, []func(*draft){san("example.com")}},
		{"example.com", NameMismatch, []func(*draft){san("example.com.")}},
		{"second.example.com", Valid, []func(*draft){san("first.example.com", "second.example.com")}},
		{"example2.com", NameMismatch, []func(*draft){san("example.com")}},
		{"abc.example.com", NameMismatch, []func(*draft){san("example.com")}},
		{"example.com", NameMismatch, []func(*draft){san("abc.example.com")}},
		{"foo.example.com", Valid, []func(*draft){san("*.example.com")}},
		{"foo.bar.example.com", NameMismatch, []func(*draft){san("*.example.com")}},
		{"example.com", NameMismatch, []func(*draft){san("*.example.com")}},
		{"baz.example.com", NameMismatch, []func(*draft){san("ba*.example.com")}},
		{"foo.bar.example.com", NameMismatch, []func(*draft){san("foo.*.example.com")}},
		{"xn--bliss-1b3c148a.example.com", NameMismatch, []func(*draft){san("xn--*-1b3c148a.example.com")}},
		{"example.com", NameMismatch, []func(*draft){san("*")}},
		{"com", NameMismatch, []func(*draft){san("*")}},
		{"a_b.example.com", Valid, []func(*draft){san("a_b.example.com")}},
		{"münchen.example", NameMismatch, []func(*draft){san("xn--mnchen-3ya.example")}},
		{"xn--mnchen-3ya.example", Valid, []func(*draft){san("xn--mnchen-3ya.example")}},
		{"leaf", NameMismatch, []func(*draft){without(oidSubjectAltName)}}, // only the common name says leaf
		{"127.0.0.1", Valid, []func(*draft){ip(127, 0, 0, 1)}},
		{"127.0.0.2", NameMismatch, []func(*draft){ip(127, 0, 0, 1)}},
		{"127.0.0.1", NameMismatch, []func(*draft){san("127.0.0.1")}},
		{"2001:db8::", Valid, []func(*draft){ip(six...)}},
		{"[2001:db8::]", Valid, []func(*draft){ip(six...)}},
		{"::ffff:127.0.0.1", Valid, []func(*draft){ip(127, 0, 0, 1)}},
		{"", Valid, []func(*draft){san("example.com")}},
		{"bad host", NameMismatch, []func(*draft){san("example.com")}},
	}
	var list []pathCase
	for i, c := range cases {
		list = append(list, pathCase{name: fmt.Sprintf("%d %s", i, c.host), want: c.want, build: direct(c.names...), policy: host(c.host)})
	}
	runPathCases(t, list)
}

func TestVerifyPathLength(t *testing.T) {
	t.Parallel()
	// tower is root → n intermediates → leaf; lengths are path length constraints
	// from the root downwards, -1 for none.
	tower := func(lengths ...int) func(t *testing.T) ([]made, []made) {
		return func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root", pathLength(lengths[0]))
			chain, top := []made{}, root
			for i, n := range lengths[1:] {
				top = newInter(t, fmt.Sprintf("inter %d", i), top, pathLength(n))
				chain = append([]made{top}, chain...)
			}
			return []made{root}, append([]made{newLeaf(t, top)}, chain...)
		}
	}
	// bundled puts the whole tower into the trust store.
	bundled := func(lengths ...int) func(t *testing.T) ([]made, []made) {
		return func(t *testing.T) ([]made, []made) {
			trust, chain := tower(lengths...)(t)
			return append(trust, chain[1:]...), chain[:1]
		}
	}
	selfIssued := func(t *testing.T) ([]made, []made) {
		root := newRoot(t, "root")
		first := newInter(t, "same", root, pathLength(1))
		second := newInter(t, "same", first, pathLength(1))
		third := newInter(t, "third", second, pathLength(0))
		return []made{root}, []made{newLeaf(t, third), third, second, first}
	}
	runPathCases(t, []pathCase{
		{name: "0 above a leaf", want: Valid, build: tower(-1, 0)},
		{name: "0 above an intermediate", want: DepthExceeded, build: tower(-1, 0, 0)},
		{name: "0 in the root above an intermediate", want: DepthExceeded, build: tower(0, -1)},
		{name: "may increase downwards", want: Valid, build: tower(-1, 1, 2)},
		{name: "too long in the middle", want: DepthExceeded, build: tower(-1, 1, 0, 0)},
		{name: "self-issued do not count", want: Valid, beyond: "it counts self-issued ones", build: selfIssued},
		{name: "self-issued do not count for the depth either", want: Valid, policy: maxDepth(2), beyond: "it counts self-issued ones", build: selfIssued},
		{name: "and one less is too few", want: DepthExceeded, policy: maxDepth(1), build: selfIssued},
		{name: "depth 0, issued by the anchor", want: Valid, policy: maxDepth(0), build: tower(-1)},
		{name: "depth 0, one between", want: DepthExceeded, policy: maxDepth(0), build: tower(-1, -1)},
		{name: "depth 1, one between", want: Valid, policy: maxDepth(1), build: tower(-1, -1)},
		{name: "depth 1, two between", want: DepthExceeded, policy: maxDepth(1), build: tower(-1, -1, -1)},
		{name: "four CA certificates at the gateway", want: Valid, policy: gateway, build: bundled(-1, -1, -1, -1)},
		{name: "five CA certificates at the gateway", want: DepthExceeded, policy: gateway, build: bundled(-1, -1, -1, -1, -1)},
		{name: "path length broken at the gateway", want: DepthExceeded, policy: gateway, build: bundled(-1, 0, -1)},
		{name: "five CA certificates under RFC 5280, all anchors", want: Valid, policy: maxDepth(0), build: bundled(-1, -1, -1, -1, -1)},
		{name: "longer than any path may be", want: DepthExceeded, build: tower(append([]int{-1}, unlimited(40)...)...)},
	})
}

func unlimited(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = -1
	}
	return list
}

// TestUnreadable has certificates that crypto/x509 refuses to parse, which is
// where several rules are kept for us.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	critical := func(id oid) func(*draft) {
		return func(d *draft) {
			for i := range d.exts {
				d.exts[i].critical = d.exts[i].critical || d.exts[i].id.Equal(id)
			}
		}
	}
	p192 := func(d *draft) {
		d.spki = der(t, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oid{1, 2, 840, 10045, 2, 1})
					b.AddASN1ObjectIdentifier(oid{1, 2, 840, 10045, 3, 1, 1})
				})
				b.AddASN1BitString(append([]byte{4}, make([]byte, 48)...))
			})
		})
	}
	for name, c := range map[string]struct {
		want   Reason
		change func(*draft)
	}{
		"critical authority key identifier": {Invalid, critical(oidAuthorityKeyID)},
		"critical subject key identifier":   {Invalid, critical(oidSubjectKeyID)},
		"the same extension twice":          {Invalid, func(d *draft) { d.exts = append(d.exts, d.exts[0]) }},
		"negative serial":                   {Invalid, func(d *draft) { d.serial = big.NewInt(-1) }},
		"alternative name that is no DER":   {Invalid, with(oidSubjectAltName, false, func(testing.TB) []byte { return []byte("example.com") })},
		"alternative name beyond ASCII":     {Invalid, san("😜.example.com")},
		"address of 8 octets": {Invalid, with(oidSubjectAltName, false, func(t testing.TB) []byte {
			return sequence(t, general(t, nameIP, make([]byte, 8)))
		})},
		"malformed authority information access": {Invalid, with(oidAuthorityInfoAccess, false, func(testing.TB) []byte { return []byte("malformed") })},
		"P-192":                                  {TypeUnsupported, p192},
	} {
		d := leafDraft(t, root)
		c.change(d)
		raw := d.encode(t, &root)
		_, err := x509.ParseCertificate(raw)
		if err == nil {
			t.Errorf("%s: crypto/x509 parses it", name)
			continue
		}
		if v := Unreadable(err); v.Reason != c.want || v.Valid() {
			t.Errorf("%s: got %s, want %s: %v", name, v.Reason, c.want, err)
		}
	}
}
