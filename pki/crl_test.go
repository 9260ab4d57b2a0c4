package pki

import (
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func TestVerifyRevocation(t *testing.T) {
	t.Parallel()
	const uri = "http://crl.example.com/a.crl"
	private := oid{1, 3, 6, 1, 4, 1, 55738, 666, 1}
	root := newRoot(t, "root")
	inter := newInter(t, "inter", root)
	point := with(oidCRLDistributionPoints, false, func(t testing.TB) []byte {
		return der(t, func(b *cryptobyte.Builder) { addDistributionPoint(b, uri) })
	})
	leaf, plain := newLeaf(t, inter, point), newLeaf(t, inter)
	noSign := newRoot(t, "no sign", usages(usageCertSign))
	noSignLeaf := newLeaf(t, noSign)
	noUsage := newRoot(t, "no usage", without(oidKeyUsage))
	noUsageLeaf := newLeaf(t, noUsage)
	now := testTime()

	list := func(change func(*crlDraft), revoked ...*big.Int) *CRL {
		d := newCRL(t, inter, revoked...)
		if change != nil {
			change(d)
		}
		return d.issue(t, inter.key)
	}
	set := func(id oid, critical bool, value []byte) func(*crlDraft) {
		return func(d *crlDraft) { d.set(id, critical, value) }
	}
	good := list(nil, big.NewInt(5))
	for _, c := range []struct {
		name  string
		want  Reason
		leaf  made
		lists []*CRL
	}{
		{"not named", Valid, leaf, []*CRL{good}},
		{"empty list", Valid, leaf, []*CRL{list(nil)}},
		{"named", CRLHit, leaf, []*CRL{list(nil, big.NewInt(5), leaf.SerialNumber)}},
		{"named by one of two", CRLHit, leaf, []*CRL{good, list(nil, leaf.SerialNumber)}},
		{"named by one that is out of date", CRLHit, leaf, []*CRL{good, list(func(d *crlDraft) { d.nextUpdate = now.Add(-time.Minute) }, leaf.SerialNumber)}},
		{"the same serial number of another CA", Valid, leaf, []*CRL{good, newCRL(t, root, leaf.SerialNumber).issue(t, root.key)}},
		{"no list at all of the leaf's issuer", CRLProcessingError, leaf, []*CRL{newCRL(t, root).issue(t, root.key)}},
		{"no lists", CRLProcessingError, leaf, nil},
		{"intermediate revoked", CRLHit, leaf, []*CRL{good, newCRL(t, root, inter.SerialNumber).issue(t, root.key)}},
		{"intermediate's list out of date", CRLProcessingError, leaf, []*CRL{good, func() *CRL {
			d := newCRL(t, root)
			d.nextUpdate = now.Add(-time.Minute)
			return d.issue(t, root.key)
		}()}},
		{"out of date", CRLProcessingError, leaf, []*CRL{list(func(d *crlDraft) { d.nextUpdate = now.Add(-time.Second) })}},
		{"out of date beside a current one", Valid, leaf, []*CRL{list(func(d *crlDraft) { d.nextUpdate = now.Add(-time.Second) }), good}},
		{"nextUpdate is inclusive", Valid, leaf, []*CRL{list(func(d *crlDraft) { d.nextUpdate = now })}},
		{"of tomorrow", CRLProcessingError, leaf, []*CRL{list(func(d *crlDraft) { d.thisUpdate, d.nextUpdate = now.AddDate(0, 0, 1), now.AddDate(0, 0, 9) })}},
		{"without nextUpdate", CRLProcessingError, leaf, []*CRL{list(func(d *crlDraft) { d.nextUpdate = time.Time{} })}},
		{"signed by another key", CRLProcessingError, leaf, []*CRL{newCRL(t, inter, leaf.SerialNumber).issue(t, root.key)}},
		{"issuer may not sign lists", CRLProcessingError, noSignLeaf, []*CRL{newCRL(t, noSign).issue(t, noSign.key)}},
		{"issuer without key usage", Valid, noUsageLeaf, []*CRL{newCRL(t, noUsage).issue(t, noUsage.key)}},
		{"without number", CRLProcessingError, leaf, []*CRL{list(func(d *crlDraft) { d.exts = d.exts[:1] })}},
		{"critical number", CRLProcessingError, leaf, []*CRL{list(set(oidCRLNumber, true, []byte{2, 1, 7}))}},
		{"unknown extension", Valid, leaf, []*CRL{list(set(private, false, []byte{5, 0}))}},
		{"unknown critical extension", CRLProcessingError, leaf, []*CRL{list(set(private, true, []byte{5, 0}))}},
		{"named, under an unknown critical extension", CRLHit, leaf, []*CRL{list(set(private, true, []byte{5, 0}), leaf.SerialNumber)}},
		{"unknown entry extension", Valid, leaf, []*CRL{list(func(d *crlDraft) { d.entryExt = &testExtension{private, false, []byte{5, 0}} }, big.NewInt(5))}},
		{"unknown critical entry extension", CRLProcessingError, leaf, []*CRL{list(func(d *crlDraft) { d.entryExt = &testExtension{private, true, []byte{5, 0}} }, big.NewInt(5))}},
		{"for the certificate's point", Valid, leaf, []*CRL{list(set(oidIssuingDistributionPoint, true, idp(t, []string{"http://x", uri})))}},
		{"for another point", CRLProcessingError, leaf, []*CRL{list(set(oidIssuingDistributionPoint, true, idp(t, []string{"http://x"})))}},
		{"for the point in another spelling", CRLProcessingError, leaf, []*CRL{list(set(oidIssuingDistributionPoint, true, idp(t, []string{strings.Replace(uri, "a.crl", "%61.crl", 1)})))}},
		{"for a point, and the certificate has none", CRLProcessingError, plain, []*CRL{list(set(oidIssuingDistributionPoint, true, idp(t, []string{uri})))}},
		{"for users", Valid, leaf, []*CRL{list(set(oidIssuingDistributionPoint, true, idp(t, nil, 1)))}},
		{"for CAs", CRLProcessingError, leaf, []*CRL{list(set(oidIssuingDistributionPoint, true, idp(t, nil, 2)))}},
		{"for users, of the root", CRLProcessingError, leaf, []*CRL{good, func() *CRL {
			d := newCRL(t, root)
			d.set(oidIssuingDistributionPoint, true, idp(t, nil, 1))
			return d.issue(t, root.key)
		}()}},
		{"indirect", CRLProcessingError, leaf, []*CRL{list(set(oidIssuingDistributionPoint, true, idp(t, nil, 4)))}},
		{"for attribute certificates", CRLProcessingError, leaf, []*CRL{list(set(oidIssuingDistributionPoint, true, idp(t, nil, 5)))}},
		{"for some reasons", CRLProcessingError, leaf, []*CRL{list(set(oidIssuingDistributionPoint, true, sequence(t, []byte{0x83, 2, 6, 0x40})))}},
		{"for a relative name", CRLProcessingError, leaf, []*CRL{list(set(oidIssuingDistributionPoint, true, der(t, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {})
				})
			})
		})))}},
	} {
		p := strict()
		p.CRLs = NewCRLSet(c.lists...)
		v := NewTrustStore(certs(root, noSign, noUsage)...).Verify(certs(c.leaf, inter), p)
		if v.Reason != c.want {
			t.Errorf("%s: got %s (%s), want %s", c.name, v.Reason, v.Detail, c.want)
		}
		// The check on a path that is known says the same.
		p.CRLs = nil
		path := NewTrustStore(certs(root, noSign, noUsage)...).Verify(certs(c.leaf, inter), p)
		if !path.Valid() {
			t.Fatalf("%s: %s", c.name, path.Detail)
		}
		if later := CheckRevocation(path.Path, NewCRLSet(c.lists...), p.At); later.Reason != c.want {
			t.Errorf("%s: CheckRevocation says %s, want %s", c.name, later.Reason, c.want)
		}
	}
	// That a revoked certificate is in the trust store does not help it.
	p := strict()
	p.CRLs = NewCRLSet(list(nil, leaf.SerialNumber))
	if v := NewTrustStore(certs(leaf, root)...).Verify(certs(leaf, inter), p); v.Reason != CRLHit {
		t.Errorf("revoked and in the store: %s (%s)", v.Reason, v.Detail)
	}
	if r, ok := good.Lookup(big.NewInt(5)); !ok || r.At.IsZero() || good.Len() != 1 || good.Number.Int64() != 7 {
		t.Errorf("lookup: %v %v, number %v", r, ok, good.Number)
	}
}

func TestParseCRLs(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	raw := newCRL(t, root, big.NewInt(5)).encode(t, root.key)
	block := EncodePEM(PEMCRL, raw)
	for name, c := range map[string]struct {
		data string
		want int
		err  string
	}{
		"DER":           {string(raw), 1, ""},
		"PEM":           {"text\n" + block + EncodePEM(PEMCertificate, root.Raw) + block, 2, ""},
		"nothing":       {"", 0, ErrNoCRL.Error()},
		"a certificate": {EncodePEM(PEMCertificate, root.Raw), 0, ErrNoCRL.Error()},
		"broken DER":    {string(raw[:len(raw)-1]), 0, "malformed"},
		"broken PEM":    {block + EncodePEM(PEMCRL, raw[:50]), 0, "malformed"},
		"named twice":   {string(newCRL(t, root, big.NewInt(5), big.NewInt(5)).encode(t, root.key)), 0, "twice"},
		"extensions twice": {func() string {
			d := newCRL(t, root)
			d.exts = append(d.exts, d.exts[0])
			return string(d.encode(t, root.key))
		}(), 0, "twice"},
		"bad scope": {func() string {
			d := newCRL(t, root)
			d.set(oidIssuingDistributionPoint, true, []byte{0x30, 3, 0x81, 1, 7})
			return string(d.encode(t, root.key))
		}(), 0, "distribution point"},
	} {
		lists, err := ParseCRLs([]byte(c.data))
		if len(lists) != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %d lists and %v, want %d and %q", name, len(lists), err, c.want, c.err)
		}
	}
}

func TestCRLOfStandardLibrary(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	raw, err := x509.CreateRevocationList(nil, &x509.RevocationList{Number: big.NewInt(1 << 40), ThisUpdate: testTime(), NextUpdate: testTime().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(255), RevocationTime: testTime(), ReasonCode: 4}}}, root.Certificate, root.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCRL(raw)
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := c.Lookup(big.NewInt(255)); !ok || r.Reason != 4 {
		t.Errorf("got %v %v", r, ok)
	}
	if err := c.CheckSignature(root.Certificate); err != nil {
		t.Error(err)
	}
	if c.unusable != "" {
		t.Error(c.unusable)
	}
}

func FuzzParseCRLs(f *testing.F) {
	root := newRoot(f, "root")
	leaf := newLeaf(f, root)
	d := newCRL(f, root, big.NewInt(5))
	d.set(oidIssuingDistributionPoint, true, idp(f, []string{"http://x"}, 1, 4))
	f.Add(d.encode(f, root.key))
	f.Add([]byte(EncodePEM(PEMCRL, newCRL(f, root).encode(f, root.key))))
	f.Fuzz(func(t *testing.T, data []byte) {
		lists, err := ParseCRLs(data)
		if err != nil {
			return
		}
		for _, c := range lists {
			c.Lookup(big.NewInt(5))
			c.CheckTime(testTime())
			if err := c.CheckSignature(root.Certificate); err == nil {
				continue // a seed
			}
		}
		CheckRevocation(certs(leaf, root), NewCRLSet(lists...), testTime())
		if block, _ := pem.Decode(data); block == nil && data[0] != 0x30 {
			t.Fatal("a list out of nothing")
		}
	})
}
