package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"
)

// ocspRequest is a request as clients make it, from another hand.
func ocspRequest(t testing.TB, leaf, issuer *x509.Certificate, hash crypto.Hash) []byte {
	t.Helper()
	der, err := ocsp.CreateRequest(leaf, issuer, &ocsp.RequestOptions{Hash: hash})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// withExtension adds an extension to a request that has none.
func withExtension(t testing.TB, request []byte, id asn1.ObjectIdentifier, critical bool, value []byte) []byte {
	t.Helper()
	in := cryptobyte.String(request)
	var outer, tbs cryptobyte.String
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !outer.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		t.Fatal("not a request")
	}
	return der(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddBytes(tbs)
				b.AddASN1(cbasn1.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						addExtension(b, id, critical, func(b *cryptobyte.Builder) { b.AddBytes(value) })
					})
				})
			})
		})
	})
}

func octets(t testing.TB, value []byte) []byte {
	return der(t, func(b *cryptobyte.Builder) { b.AddASN1OctetString(value) })
}

func TestOCSPRequest(t *testing.T) {
	t.Parallel()
	root, other := newRoot(t, "root"), newRoot(t, "root")
	leaf := newLeaf(t, root)
	issuer, err := NewOCSPIssuer(root.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := NewOCSPIssuer(other.Certificate) // of the same name
	if err != nil {
		t.Fatal(err)
	}
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		r, err := ParseOCSPRequest(ocspRequest(t, leaf.Certificate, root.Certificate, hash))
		if err != nil {
			t.Fatalf("%v: %v", hash, err)
		}
		if len(r.Certificates) != 1 || r.Nonce != nil {
			t.Fatalf("%v: got %+v", hash, r)
		}
		id := r.Certificates[0]
		if !issuer.Issued(id) || stranger.Issued(id) || id.Serial.Cmp(leaf.SerialNumber) != 0 {
			t.Errorf("%v: issued by its issuer: %v, by another: %v, serial %x", hash, issuer.Issued(id), stranger.Issued(id), id.Serial)
		}
		found := false
		for _, k := range issuer.Keys() {
			found = found || k == id.Issuer()
		}
		if !found {
			t.Errorf("%v: the issuer's keys do not have that of the CertID", hash)
		}
	}
}

func TestOCSPRequestExtensions(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	plain := ocspRequest(t, newLeaf(t, root).Certificate, root.Certificate, crypto.SHA1)
	nonce := bytes.Repeat([]byte{7}, 32)
	r, err := ParseOCSPRequest(withExtension(t, plain, oidOCSPNonce, false, octets(t, nonce)))
	if err != nil || !bytes.Equal(r.Nonce, nonce) {
		t.Errorf("nonce: got %+v, %v", r, err)
	}
	for name, bad := range map[string][]byte{
		"empty nonce":      withExtension(t, plain, oidOCSPNonce, false, octets(t, nil)),
		"long nonce":       withExtension(t, plain, oidOCSPNonce, false, octets(t, make([]byte, 129))),
		"raw nonce":        withExtension(t, plain, oidOCSPNonce, false, nonce),
		"unknown critical": withExtension(t, plain, oid{1, 2, 3}, true, nil),
		"empty":            {},
		"no list":          {0x30, 4, 0x30, 2, 0x30, 0},
		"trailing":         append(bytes.Clone(plain), 0),
		"truncated":        plain[:len(plain)-1],
		"too large":        make([]byte, MaxOCSPRequest+1),
	} {
		if _, err := ParseOCSPRequest(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := ParseOCSPRequest(withExtension(t, plain, oid{1, 2, 3}, false, []byte{5, 0})); err != nil {
		t.Errorf("an unknown extension that is not critical: %v", err)
	}
}

func TestOCSPRequestCount(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	in := cryptobyte.String(ocspRequest(t, newLeaf(t, root).Certificate, root.Certificate, crypto.SHA1))
	var outer, tbs, list cryptobyte.String
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !outer.ReadASN1(&tbs, cbasn1.SEQUENCE) || !tbs.ReadASN1(&list, cbasn1.SEQUENCE) {
		t.Fatal("not a request")
	}
	of := func(n int) []byte {
		return sequence(t, sequence(t, sequence(t, bytes.Repeat(list, n))))
	}
	if r, err := ParseOCSPRequest(of(MaxOCSPCertificates)); err != nil || len(r.Certificates) != MaxOCSPCertificates {
		t.Errorf("the most certificates: %v", err)
	}
	if _, err := ParseOCSPRequest(of(MaxOCSPCertificates + 1)); err == nil {
		t.Error("one certificate too many: no error")
	}
}

// TestOCSPResponse has another implementation read what we make.
func TestOCSPResponse(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	leaf := newLeaf(t, root)
	issuer, err := NewOCSPIssuer(root.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseOCSPRequest(ocspRequest(t, leaf.Certificate, root.Certificate, crypto.SHA256))
	if err != nil {
		t.Fatal(err)
	}
	id := r.Certificates[0]
	revoked := testTime().Add(-time.Hour)
	for name, c := range map[string]struct {
		status OCSPStatus
		want   int
		reason int
		nonce  []byte
	}{
		"good":         {OCSPStatus{ID: id}, ocsp.Good, 0, nil},
		"nonce":        {OCSPStatus{ID: id}, ocsp.Good, 0, []byte("sixteen octets..")},
		"unknown":      {OCSPStatus{ID: id, Unknown: true}, ocsp.Unknown, 0, nil},
		"revoked":      {OCSPStatus{ID: id, Revoked: &Revocation{At: revoked, Reason: ocsp.KeyCompromise}}, ocsp.Revoked, ocsp.KeyCompromise, nil},
		"unspecified":  {OCSPStatus{ID: id, Revoked: &Revocation{At: revoked}}, ocsp.Revoked, ocsp.Unspecified, nil},
		"AACompromise": {OCSPStatus{ID: id, Revoked: &Revocation{At: revoked, Reason: 10}}, ocsp.Revoked, 10, nil},
	} {
		tbs, err := OCSPResponse{Issuer: issuer, Statuses: []OCSPStatus{c.status}, ThisUpdate: testTime(), NextUpdate: testTime().Add(time.Hour), Nonce: c.nonce}.TBS()
		if err != nil {
			t.Fatal(err)
		}
		signature, err := Sign(tbs, SHA256WithECDSA, root.key)
		if err != nil {
			t.Fatal(err)
		}
		response, err := AssembleOCSP(tbs, SHA256WithECDSA, signature)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ocsp.ParseResponseForCert(response, leaf.Certificate, root.Certificate)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Status != c.want || got.RevocationReason != c.reason || !got.ThisUpdate.Equal(testTime()) || !got.NextUpdate.Equal(testTime().Add(time.Hour)) ||
			got.IssuerHash != crypto.SHA256 || c.want == ocsp.Revoked && !got.RevokedAt.Equal(revoked) {
			t.Errorf("%s: got %+v", name, got)
		}
		if c.nonce != nil && !bytes.Contains(response, octets(t, octets(t, c.nonce))) {
			t.Errorf("%s: the nonce is not in the response", name)
		}
	}
}

func TestOCSPError(t *testing.T) {
	t.Parallel()
	for _, e := range []OCSPError{OCSPMalformed, OCSPInternal, OCSPTryLater, OCSPUnauthorized} {
		_, err := ocsp.ParseResponse(e.DER(), nil)
		if got, ok := err.(ocsp.ResponseError); !ok || got.Status != ocsp.ResponseStatus(e) {
			t.Errorf("%d: parsed as %v", e, err)
		}
	}
}

// FuzzParseOCSPRequest holds the parser against x/crypto/ocsp, which reads the
// first CertID only: where both accept, they must read alike.
func FuzzParseOCSPRequest(f *testing.F) {
	root := newRoot(f, "root")
	leaf := newLeaf(f, root)
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		plain := ocspRequest(f, leaf.Certificate, root.Certificate, hash)
		f.Add(plain)
		f.Add(withExtension(f, plain, oidOCSPNonce, false, octets(f, []byte("nonce"))))
		f.Add(withExtension(f, plain, oid{1, 2, 3}, true, nil))
	}
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := ParseOCSPRequest(in)
		if err != nil {
			return
		}
		if len(r.Certificates) == 0 || len(r.Certificates) > MaxOCSPCertificates || len(r.Nonce) > 128 {
			t.Fatalf("accepted %d certificates, a nonce of %d", len(r.Certificates), len(r.Nonce))
		}
		for _, id := range r.Certificates {
			again := cryptobyte.String(id.Raw)
			same, ok := readCertID(&again)
			if !ok || !again.Empty() || same.Serial.Cmp(id.Serial) != 0 {
				t.Fatalf("a CertID does not read again: %x", id.Raw)
			}
		}
		first := r.Certificates[0]
		if other, err := ocsp.ParseRequest(in); err == nil && first.hash != 0 &&
			(other.SerialNumber.Cmp(first.Serial) != 0 || string(other.IssuerNameHash)+string(other.IssuerKeyHash) != first.Issuer()) {
			t.Fatalf("read %x of %x; x/crypto/ocsp reads %x of %x", first.Serial, first.Issuer(), other.SerialNumber, other.IssuerNameHash)
		}
		tbs, err := OCSPResponse{Issuer: &OCSPIssuer{keyID: make([]byte, 20)}, Statuses: []OCSPStatus{{ID: first, Revoked: &Revocation{At: testTime(), Reason: 1}}},
			ThisUpdate: testTime(), NextUpdate: testTime(), Nonce: r.Nonce}.TBS()
		if err != nil || len(tbs) == 0 {
			t.Fatalf("answer: %v", err)
		}
	})
}
