package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A made is a certificate of a test with its key.
type made struct {
	*x509.Certificate
	key crypto.Signer
}

type testExtension struct {
	id       oid
	critical bool
	value    []byte
}

// A draft is a certificate in the making. Tests change what they like and
// break what they like; issue encodes it without judging.
type draft struct {
	version   int64 // as encoded: 2 is v3
	serial    *big.Int
	subject   []byte
	issuer    []byte // nil: the issuer's subject
	notBefore time.Time
	notAfter  time.Time
	validity  []byte // nil: of the two times
	key       crypto.Signer
	spki      []byte // nil: of key
	hash      crypto.Hash
	sigOID    oid // nil: of hash and the issuer's key
	exts      []testExtension
}

// set replaces an extension, or appends it.
func (d *draft) set(id oid, critical bool, value []byte) {
	for i := range d.exts {
		if d.exts[i].id.Equal(id) {
			d.exts[i] = testExtension{id, critical, value}
			return
		}
	}
	d.exts = append(d.exts, testExtension{id, critical, value})
}

func (d *draft) drop(id oid) {
	d.exts = slices.DeleteFunc(d.exts, func(e testExtension) bool { return e.id.Equal(id) })
}

func testTime() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func cn(t testing.TB, names ...string) []byte {
	t.Helper()
	var list []Attribute
	for _, n := range names {
		list = append(list, Attribute{CommonName, n})
	}
	der, err := EncodeName(list)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// der builds bytes with cryptobyte.
func der(t testing.TB, f func(*cryptobyte.Builder)) []byte {
	t.Helper()
	var b cryptobyte.Builder
	f(&b)
	out, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sequence(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	return der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, p := range parts {
				b.AddBytes(p)
			}
		})
	})
}

func basicConstraints(t testing.TB, ca bool, pathLen int) []byte {
	t.Helper()
	return der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if ca {
				b.AddASN1Boolean(true)
			}
			if pathLen >= 0 {
				b.AddASN1Int64(int64(pathLen))
			}
		})
	})
}

func keyUsages(t testing.TB, u keyUsage) []byte {
	t.Helper()
	return der(t, u.marshal)
}

func extKeyUsages(t testing.TB, ids ...oid) []byte {
	t.Helper()
	return der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, id := range ids {
				b.AddASN1ObjectIdentifier(id)
			}
		})
	})
}

func subjectKey(t testing.TB, id []byte) []byte {
	t.Helper()
	return der(t, func(b *cryptobyte.Builder) { b.AddASN1OctetString(id) })
}

func authorityKey(t testing.TB, id []byte) []byte {
	t.Helper()
	return der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(id) })
		})
	})
}

// general writes a GeneralName of a primitive kind, or a directoryName.
func general(t testing.TB, kind nameKind, value []byte) []byte {
	t.Helper()
	tag := cbasn1.Tag(kind).ContextSpecific()
	if kind == nameDirectory || kind == nameOther {
		tag = tag.Constructed()
	}
	return der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(value) })
	})
}

func dnsSAN(t testing.TB, names ...string) []byte {
	t.Helper()
	var parts [][]byte
	for _, n := range names {
		parts = append(parts, general(t, nameDNS, []byte(n)))
	}
	return sequence(t, parts...)
}

// nameConstraints writes the extension from encoded GeneralNames; nil leaves a
// list out, an empty one encodes it empty.
func nameConstraints(t testing.TB, permitted, excluded [][]byte) []byte {
	t.Helper()
	return der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for i, list := range [][][]byte{permitted, excluded} {
				if list == nil {
					continue
				}
				b.AddASN1(cbasn1.Tag(i).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					for _, n := range list {
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(n) })
					}
				})
			}
		})
	})
}

func spkiOf(t testing.TB, pub crypto.PublicKey) []byte {
	t.Helper()
	b, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func idOf(t testing.TB, pub crypto.PublicKey) []byte {
	t.Helper()
	id, err := keyID(spkiOf(t, pub))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func newDraft(t testing.TB, name string) *draft {
	t.Helper()
	serial, err := NewSerial(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &draft{version: 2, serial: serial.Int(), subject: cn(t, name), notBefore: testTime().AddDate(-1, 0, 0),
		notAfter: testTime().AddDate(1, 0, 0), key: newKey(t), hash: crypto.SHA256}
}

// rootDraft is a self-signed CA, as it should be.
func rootDraft(t testing.TB, name string) *draft {
	t.Helper()
	d := newDraft(t, name)
	d.set(oidBasicConstraints, true, basicConstraints(t, true, -1))
	d.set(oidSubjectKeyID, false, subjectKey(t, idOf(t, d.key.Public())))
	d.set(oidKeyUsage, true, keyUsages(t, usageCertSign|usageCRLSign))
	return d
}

// interDraft is an intermediate CA, as it should be.
func interDraft(t testing.TB, name string, issuer made) *draft {
	t.Helper()
	d := rootDraft(t, name)
	d.set(oidAuthorityKeyID, false, authorityKey(t, issuer.SubjectKeyId))
	return d
}

// leafDraft is an end entity for example.com, as it should be.
func leafDraft(t testing.TB, issuer made) *draft {
	t.Helper()
	d := newDraft(t, "leaf")
	d.set(oidBasicConstraints, false, basicConstraints(t, false, -1))
	if len(issuer.SubjectKeyId) > 0 {
		d.set(oidAuthorityKeyID, false, authorityKey(t, issuer.SubjectKeyId))
	}
	d.set(oidSubjectKeyID, false, subjectKey(t, idOf(t, d.key.Public())))
	d.set(oidKeyUsage, true, keyUsages(t, usageDigitalSignature))
	d.set(oidExtKeyUsage, false, extKeyUsages(t, oidClientAuth, oidServerAuth))
	d.set(oidSubjectAltName, false, dnsSAN(t, "example.com"))
	return d
}

// encode signs the draft with an issuer's name and key; nil: with its own.
func (d *draft) encode(t testing.TB, issuer *made) []byte {
	t.Helper()
	name, signer := d.subject, d.key
	if issuer != nil {
		name, signer = issuer.RawSubject, issuer.key
	}
	if d.issuer != nil {
		name = d.issuer
	}
	spki := d.spki
	if spki == nil {
		spki = spkiOf(t, d.key.Public())
	}
	sigOID := d.sigOID
	_, isRSA := signer.(*rsa.PrivateKey)
	if sigOID == nil {
		switch {
		case isRSA && d.hash == crypto.SHA1:
			sigOID = oid{1, 2, 840, 113549, 1, 1, 5}
		case isRSA:
			sigOID = oid{1, 2, 840, 113549, 1, 1, 11}
		case d.hash == crypto.SHA1:
			sigOID = oid{1, 2, 840, 10045, 4, 1}
		default:
			sigOID = oid{1, 2, 840, 10045, 4, 3, 2}
		}
	}
	alg := algorithm{oid: sigOID}
	if isRSA {
		alg.form = pkcs1Form
	}
	tbs := der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if d.version != 0 {
				b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Int64(d.version) })
			}
			b.AddASN1BigInt(d.serial)
			alg.marshal(b)
			b.AddBytes(name)
			if d.validity != nil {
				b.AddBytes(d.validity)
			} else {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addTime(b, d.notBefore)
					addTime(b, d.notAfter)
				})
			}
			b.AddBytes(d.subject)
			b.AddBytes(spki)
			if len(d.exts) > 0 {
				b.AddASN1(cbasn1.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						for _, e := range d.exts {
							addExtension(b, e.id, e.critical, func(b *cryptobyte.Builder) { b.AddBytes(e.value) })
						}
					})
				})
			}
		})
	})
	h := d.hash.New()
	h.Write(tbs)
	signature, err := signer.Sign(rand.Reader, h.Sum(nil), d.hash)
	if err != nil {
		t.Fatal(err)
	}
	return der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(tbs)
			alg.marshal(b)
			b.AddASN1BitString(signature)
		})
	})
}

func (d *draft) issue(t testing.TB, issuer *made) made {
	t.Helper()
	c, err := x509.ParseCertificate(d.encode(t, issuer))
	if err != nil {
		t.Fatal(err)
	}
	return made{c, d.key}
}

func newRoot(t testing.TB, name string, changes ...func(*draft)) made {
	t.Helper()
	d := rootDraft(t, name)
	for _, f := range changes {
		f(d)
	}
	return d.issue(t, nil)
}

func newInter(t testing.TB, name string, issuer made, changes ...func(*draft)) made {
	t.Helper()
	d := interDraft(t, name, issuer)
	for _, f := range changes {
		f(d)
	}
	return d.issue(t, &issuer)
}

func newLeaf(t testing.TB, issuer made, changes ...func(*draft)) made {
	t.Helper()
	d := leafDraft(t, issuer)
	for _, f := range changes {
		f(d)
	}
	return d.issue(t, &issuer)
}

func certs(list ...made) []*x509.Certificate {
	var out []*x509.Certificate
	for _, m := range list {
		out = append(out, m.Certificate)
	}
	return out
}

// strict is the policy of the command line.
func strict() Policy { return Policy{At: testTime(), MaxDepth: NoLimit, Strict: true} }

// crlDraft is a revocation list in the making.
type crlDraft struct {
	issuer     []byte
	thisUpdate time.Time
	nextUpdate time.Time // zero: left out
	revoked    []*big.Int
	entryExt   *testExtension // put into every entry
	exts       []testExtension
}

func newCRL(t testing.TB, issuer made, revoked ...*big.Int) *crlDraft {
	t.Helper()
	return &crlDraft{issuer: issuer.RawSubject, thisUpdate: testTime().Add(-time.Hour), nextUpdate: testTime().Add(time.Hour), revoked: revoked,
		exts: []testExtension{
			{oidAuthorityKeyID, false, authorityKey(t, issuer.SubjectKeyId)},
			{oidCRLNumber, false, der(t, func(b *cryptobyte.Builder) { b.AddASN1Int64(7) })},
		}}
}

func (d *crlDraft) set(id oid, critical bool, value []byte) {
	x := draft{exts: d.exts}
	x.set(id, critical, value)
	d.exts = x.exts
}

func (d *crlDraft) encode(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	alg, err := SHA256WithECDSA.lookup()
	if err != nil {
		t.Fatal(err)
	}
	extensions := func(list []testExtension) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, e := range list {
					addExtension(b, e.id, e.critical, func(b *cryptobyte.Builder) { b.AddBytes(e.value) })
				}
			})
		}
	}
	tbs := der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			alg.marshal(b)
			b.AddBytes(d.issuer)
			addTime(b, d.thisUpdate)
			if !d.nextUpdate.IsZero() {
				addTime(b, d.nextUpdate)
			}
			if len(d.revoked) > 0 {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					for _, serial := range d.revoked {
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1BigInt(serial)
							addTime(b, testTime().Add(-2*time.Hour))
							if d.entryExt != nil {
								extensions([]testExtension{*d.entryExt})(b)
							}
						})
					}
				})
			}
			if len(d.exts) > 0 {
				b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), extensions(d.exts))
			}
		})
	})
	signature, err := Sign(tbs, SHA256WithECDSA, key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Assemble(tbs, SHA256WithECDSA, signature)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (d *crlDraft) issue(t testing.TB, key crypto.Signer) *CRL {
	t.Helper()
	c, err := ParseCRL(d.encode(t, key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// idp writes an issuingDistributionPoint: URIs of its fullName, and BOOLEANs by
// their context tag.
func idp(t testing.TB, uris []string, flags ...uint8) []byte {
	t.Helper()
	return der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if uris != nil {
				b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
						for _, u := range uris {
							b.AddBytes(general(t, nameURI, []byte(u)))
						}
					})
				})
			}
			for _, f := range flags {
				b.AddASN1(cbasn1.Tag(f).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddUint8(0xff) })
			}
		})
	})
}

// tryIssue is issue for drafts that crypto/x509 may refuse to parse.
func tryIssue(t testing.TB, d *draft, issuer *made) (made, error) {
	t.Helper()
	c, err := x509.ParseCertificate(d.encode(t, issuer))
	return made{c, d.key}, err
}
