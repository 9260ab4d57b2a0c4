package pki

import (
	"fmt"
	"strings"
	"testing"
)

// names writes GeneralNames from "dns:x", "email:x", "uri:x", "ip:x" (octets as
// a Go string), "dn:a/b" (common names) and "other:".
func names(t testing.TB, list ...string) [][]byte {
	t.Helper()
	if list == nil {
		return nil
	}
	out := [][]byte{}
	for _, n := range list {
		kind, value, _ := strings.Cut(n, ":")
		switch kind {
		case "dns":
			out = append(out, general(t, nameDNS, []byte(value)))
		case "email":
			out = append(out, general(t, nameEmail, []byte(value)))
		case "uri":
			out = append(out, general(t, nameURI, []byte(value)))
		case "ip":
			out = append(out, general(t, nameIP, []byte(value)))
		case "dn":
			out = append(out, general(t, nameDirectory, cn(t, strings.Split(value, "/")...)))
		case "other":
			out = append(out, general(t, nameOther, []byte{0x06, 0x01, 0x2a, 0xa0, 0x02, 0x05, 0x00}))
		default:
			t.Fatalf("unknown kind %q", n)
		}
	}
	return out
}

func TestNameConstraints(t *testing.T) {
	t.Parallel()
	const net24, mask24 = "\xc0\x00\x02\x00", "\xff\xff\xff\x00"
	v6 := "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 12)
	m128 := strings.Repeat("\xff", 16)
	for i, c := range []struct {
		permitted, excluded, names []string
		want                       Reason
	}{
		// DNS names
		{[]string{"dns:example.com"}, nil, []string{"dns:example.com"}, Valid},
		{[]string{"dns:example.com"}, nil, []string{"dns:foo.bar.example.com"}, Valid},
		{[]string{"dns:Example.COM"}, nil, []string{"dns:FOO.example.com"}, Valid},
		{[]string{"dns:example.com"}, nil, []string{"dns:not-example.com"}, NameConstraintViolated},
		{[]string{"dns:example.com"}, nil, []string{"dns:foo.example.com", "dns:evil.com"}, NameConstraintViolated},
		{[]string{"dns:example.com"}, []string{"dns:example.com"}, []string{"dns:example.com"}, NameConstraintViolated},
		{nil, []string{"dns:not.example.com"}, []string{"dns:example.com", "dns:not.example.com"}, NameConstraintViolated},
		{nil, []string{"dns:not.example.com"}, []string{"dns:example.com"}, Valid},
		{[]string{"dns:"}, nil, []string{"dns:example.com"}, Valid},
		{[]string{"dns:example.com"}, nil, []string{"dns:.example.com", "dns:foo.example.com"}, NameConstraintViolated},
		// Wildcards are judged by all that they stand for (CVE-2025-61727).
		{[]string{"dns:example.com"}, nil, []string{"dns:*.example.com"}, Valid},
		{[]string{"dns:foo.example.com"}, nil, []string{"dns:*.example.com"}, NameConstraintViolated},
		{[]string{"dns:example.com"}, []string{"dns:bar.example.com"}, []string{"dns:*.example.com"}, NameConstraintViolated},
		{nil, []string{"dns:a.bar.example.com"}, []string{"dns:*.example.com"}, Valid},
		// Malformed constraints
		{[]string{"dns:*.example.com"}, nil, []string{"dns:foo.example.com"}, Invalid},
		{[]string{"dns:.example.com"}, nil, []string{"dns:foo.example.com"}, Invalid},
		{[]string{"dns:example.com."}, nil, []string{"dns:foo.example.com"}, Invalid},
		{[]string{"email:a@b@example.com"}, nil, []string{"email:a@example.com"}, Invalid},
		{[]string{}, []string{}, []string{"dns:example.com"}, Invalid},
		{nil, nil, []string{"dns:example.com"}, Invalid},
		// Addresses
		{[]string{"ip:" + net24 + mask24}, nil, []string{"ip:\xc0\x00\x02\x01"}, Valid},
		{[]string{"ip:" + net24 + mask24}, nil, []string{"ip:\xc0\x00\x03\x01"}, NameConstraintViolated},
		{nil, []string{"ip:" + net24 + mask24}, []string{"ip:\xc0\x00\x02\x01"}, NameConstraintViolated},
		{[]string{"ip:" + v6 + m128}, nil, []string{"ip:" + v6}, Valid},
		{nil, []string{"ip:" + v6 + m128}, []string{"ip:" + v6}, NameConstraintViolated},
		{[]string{"ip:" + v6 + m128}, nil, []string{"ip:\xc0\x00\x02\x01"}, NameConstraintViolated},
		// Other kinds are not touched.
		{[]string{"ip:" + net24 + mask24}, nil, []string{"dns:example.com"}, Valid},
		{nil, []string{"ip:" + net24 + mask24}, []string{"dns:example.com"}, Valid},
		// Mailboxes
		{[]string{"email:foo@example.com"}, nil, []string{"email:foo@example.com"}, Valid},
		{[]string{"email:foo@example.com"}, nil, []string{"email:Foo@example.com"}, NameConstraintViolated},
		{[]string{"email:example.com"}, nil, []string{"email:foo@EXAMPLE.com"}, Valid},
		{[]string{"email:example.com"}, nil, []string{"email:foo@sub.example.com"}, NameConstraintViolated},
		{[]string{"email:.example.com"}, nil, []string{"email:foo@sub.example.com"}, Valid},
		{[]string{"email:.example.com"}, nil, []string{"email:foo@example.com"}, NameConstraintViolated},
		{[]string{"email:example.com"}, nil, []string{"email:good@example.com", "email:in@valid@example.com"}, NameConstraintViolated},
		// URIs
		{[]string{"uri:example.com"}, nil, []string{"uri:spiffe://example.com/workload"}, Valid},
		{[]string{"uri:example.com"}, nil, []string{"uri:spiffe://sub.example.com/workload"}, NameConstraintViolated},
		{[]string{"uri:.example.com"}, nil, []string{"uri:https://sub.example.com:8443/"}, Valid},
		{[]string{"uri:example.com"}, nil, []string{"uri:https://192.0.2.1/"}, NameConstraintViolated},
		{[]string{"uri:example.com"}, nil, []string{"uri:urn:example:1"}, NameConstraintViolated},
		{nil, []string{"uri:example.com"}, []string{"uri:urn:example:1"}, NameConstraintViolated},
		// Directory names: the subject CN=leaf counts as well.
		{[]string{"dn:leaf"}, nil, []string{"dns:example.com"}, Valid},
		{[]string{"dn:LEAF "}, nil, []string{"dn:leaf/below"}, Valid},
		{[]string{"dn:leaf"}, nil, []string{"dn:other"}, NameConstraintViolated},
		{[]string{"dn:other"}, nil, []string{"dn:other"}, NameConstraintViolated},
		{nil, []string{"dn:leaf"}, []string{"dns:example.com"}, NameConstraintViolated},
		{nil, []string{"dn:leaf/below"}, []string{"dns:example.com"}, Valid},
		// A kind that we cannot compare
		{nil, []string{"other:"}, []string{"dns:example.com", "other:"}, NameConstraintViolated},
		{nil, []string{"other:"}, []string{"dns:example.com"}, Valid},
	} {
		t.Run(fmt.Sprintf("%d", i), func(t *testing.T) {
			t.Parallel()
			extension := nameConstraints(t, names(t, c.permitted...), names(t, c.excluded...))
			alternative := with(oidSubjectAltName, false, func(t testing.TB) []byte { return sequence(t, names(t, c.names...)...) })
			constrain := with(oidNameConstraints, true, func(testing.TB) []byte { return extension })
			try := func(where string, trust, chain []made) {
				v := NewTrustStore(certs(trust...)...).Verify(certs(chain...), strict())
				if v.Reason != c.want {
					t.Errorf("constraint in %s, permitted %q excluded %q names %q: got %s (%s), want %s", where, c.permitted, c.excluded, c.names, v.Reason, v.Detail, c.want)
				}
			}
			build := func(d *draft, issuer *made) (made, bool) {
				m, err := tryIssue(t, d, issuer)
				// Some of these crypto/x509 refuses to parse, which is as good.
				if err != nil && c.want == Valid {
					t.Fatal(err)
				}
				return m, err == nil
			}
			rootDraft := rootDraft(t, "root")
			constrain(rootDraft)
			if root, ok := build(rootDraft, nil); ok {
				leaf := leafDraft(t, root)
				alternative(leaf)
				if leaf, ok := build(leaf, &root); ok {
					try("root", []made{root}, []made{leaf})
				}
			}
			root := newRoot(t, "root")
			draft := interDraft(t, "inter", root)
			constrain(draft)
			if inter, ok := build(draft, &root); ok {
				leaf := leafDraft(t, inter)
				alternative(leaf)
				if leaf, ok := build(leaf, &inter); ok {
					try("intermediate", []made{root}, []made{leaf, inter})
				}
			}
		})
	}
}

func TestNameConstraintsAlongThePath(t *testing.T) {
	t.Parallel()
	constrain := func(permitted, excluded []string) func(*draft) {
		return with(oidNameConstraints, true, func(t testing.TB) []byte {
			return nameConstraints(t, names(t, permitted...), names(t, excluded...))
		})
	}
	chainOf := func(changes ...func(*draft)) func(t *testing.T) ([]made, []made) {
		return func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root", changes[0])
			one := newInter(t, "one", root, changes[1])
			two := newInter(t, "two", one, changes[2])
			return []made{root}, []made{newLeaf(t, two, changes[3]), two, one}
		}
	}
	same := func(*draft) {}
	email := func(address string) func(*draft) {
		return func(d *draft) {
			name, err := EncodeName([]Attribute{{CommonName, "leaf"}, {EmailAddress, address}})
			if err != nil {
				panic(err)
			}
			d.subject = name
			d.drop(oidSubjectAltName)
		}
	}
	runPathCases(t, []pathCase{
		{name: "narrowed", want: NameConstraintViolated, build: chainOf(same, constrain([]string{"dns:foo.example.com", "dns:bar.example.com"}, nil),
			constrain([]string{"dns:bar.example.com"}, nil), san("foo.example.com"))},
		{name: "not widened", want: NameConstraintViolated, build: chainOf(same, constrain([]string{"dns:bar.example.com"}, nil),
			constrain([]string{"dns:foo.example.com", "dns:bar.example.com"}, nil), san("foo.example.com"))},
		{name: "an intermediate's own names", want: NameConstraintViolated, build: chainOf(constrain([]string{"dns:good.example.com"}, []string{"dns:bad.example.com"}), same,
			san("bad.example.com"), san("good.example.com"))},
		{name: "a self-issued intermediate's names do not count", want: Valid, beyond: "it counts them", build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "same", constrain([]string{"dns:example.com"}, nil))
			inter := newInter(t, "same", root, san("other.com"))
			return []made{root}, []made{newLeaf(t, inter), inter}
		}},
		{name: "a self-issued leaf's names do", want: NameConstraintViolated, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "leaf", constrain([]string{"dns:example.com"}, nil))
			return []made{root}, []made{newLeaf(t, root, san("other.com"))}
		}},
		{name: "another path without the constraint", want: Valid, build: func(t *testing.T) ([]made, []made) {
			rootA, rootB := newRoot(t, "A"), newRoot(t, "B")
			forbid := newInter(t, "forbid", rootA, constrain(nil, []string{"dns:bad.example.com"}))
			first := newInter(t, "twin", forbid, san("bad.example.com"))
			second := newInter(t, "twin", rootB, func(d *draft) {
				d.key = first.key
				d.set(oidSubjectKeyID, false, subjectKey(t, first.SubjectKeyId))
			})
			return []made{rootA, rootB}, []made{newLeaf(t, first), forbid, first, second}
		}},
		{name: "a constraint that is not critical holds", want: NameConstraintViolated, build: func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root", with(oidNameConstraints, false, func(t testing.TB) []byte { return nameConstraints(t, names(t, "dns:other.com"), nil) }))
			return []made{root}, []made{newLeaf(t, root)}
		}},
		{name: "an address in the subject", want: NameConstraintViolated, build: chainOf(constrain([]string{"email:example.com"}, nil), same, same, email("a@other.com"))},
		{name: "an address in the subject that is permitted", want: Valid, build: chainOf(constrain([]string{"email:example.com"}, nil), same, same, email("a@example.com"))},
		{name: "a dot in front, at the gateway", want: Valid, policy: lenient, build: chainOf(constrain([]string{"dns:.example.com"}, nil), same, same, san("a.example.com"))},
		{name: "a dot in front is for names below, at the gateway", want: NameConstraintViolated, policy: lenient, build: chainOf(constrain([]string{"dns:.example.com"}, nil), same, same, san("example.com"))},
		{name: "too many to compare", want: SizeExceeded, build: func(t *testing.T) ([]made, []made) {
			var many, excluded []string
			for i := range 600 {
				many = append(many, fmt.Sprintf("t%d.test", i))
				excluded = append(excluded, fmt.Sprintf("dns:x%d.test", i))
			}
			root := newRoot(t, "root", constrain(nil, excluded))
			return []made{root}, []made{newLeaf(t, root, san(many...))}
		}},
	})
}

func TestVerifyPolicies(t *testing.T) {
	t.Parallel()
	policies := func(list ...oid) func(*draft) {
		return with(oidCertificatePolicies, false, func(t testing.TB) []byte {
			var parts [][]byte
			for _, p := range list {
				parts = append(parts, extKeyUsages(t, p)) // PolicyInformation: a SEQUENCE of one OID
			}
			return sequence(t, parts...)
		})
	}
	demand := with(oidPolicyConstraints, true, func(t testing.TB) []byte { return sequence(t, []byte{0x80, 1, 0}) })
	noAny := with(oidInhibitAnyPolicy, true, func(testing.TB) []byte { return []byte{2, 1, 0} })
	mapping := func(from, to oid) func(*draft) {
		return with(oidPolicyMappings, true, func(t testing.TB) []byte { return sequence(t, extKeyUsages(t, from, to)) })
	}
	gold, silver, every := oid{1, 3, 6, 1, 4, 1, 55738, 1}, oid{1, 3, 6, 1, 4, 1, 55738, 2}, oid{2, 5, 29, 32, 0}
	path := func(inter []func(*draft), leaf ...func(*draft)) func(t *testing.T) ([]made, []made) {
		return func(t *testing.T) ([]made, []made) {
			root := newRoot(t, "root")
			ca := newInter(t, "inter", root, inter...)
			return []made{root}, []made{newLeaf(t, ca, leaf...), ca}
		}
	}
	type list = []func(*draft)
	runPathCases(t, []pathCase{
		{name: "no demand, no policy", want: Valid, build: path(nil)},
		{name: "no demand, policies that differ", want: Valid, build: path(list{policies(gold)}, policies(silver))},
		{name: "demand and none", want: PolicyViolated, build: path(list{demand})},
		{name: "demand and the same", want: Valid, build: path(list{demand, policies(gold)}, policies(gold))},
		{name: "demand and another", want: PolicyViolated, build: path(list{demand, policies(gold)}, policies(silver))},
		{name: "demand and none in the leaf", want: PolicyViolated, build: path(list{demand, policies(gold)})},
		{name: "any policy above", want: Valid, build: path(list{demand, policies(every)}, policies(silver))},
		{name: "any policy below", want: Valid, build: path(list{demand, policies(gold)}, policies(every))},
		{name: "any policy below, inhibited", want: PolicyViolated, build: path(list{demand, noAny, policies(gold)}, policies(every))},
		{name: "mapped", want: Valid, build: path(list{demand, policies(gold), mapping(gold, silver)}, policies(silver))},
		{name: "mapped away", want: PolicyViolated, build: path(list{demand, policies(gold), mapping(gold, silver)}, policies(gold))},
		{name: "mapped to any", want: Invalid, build: path(list{policies(gold), mapping(gold, every)}, policies(gold))},
		{name: "demand in the leaf itself", want: PolicyViolated, build: path(nil, demand)},
		{name: "malformed inhibitAnyPolicy", want: Invalid, policy: lenient, build: path(list{with(oidInhibitAnyPolicy, true, func(testing.TB) []byte { return []byte{2, 1, 0x80} })})},
	})
}
