package authority

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"golang.org/x/crypto/ocsp"

	"countersign/pki"
	"countersign/store"
)

func ocspOn(name string) *types.RevocationConfiguration {
	c := &types.OcspConfiguration{Enabled: aws.Bool(true)}
	if name != "" {
		c.OcspCustomCname = &name
	}
	return &types.RevocationConfiguration{OcspConfiguration: c}
}

// ocspRoot makes an active root that OCSP answers for, and its certificate.
func (b *bench) ocspRoot(t testing.TB, change func(*acmpca.CreateCertificateAuthorityInput)) (ca string, cert *x509.Certificate) {
	t.Helper()
	in := createInput(types.CertificateAuthorityTypeRoot, "Root")
	in.RevocationConfiguration = ocspOn("")
	if change != nil {
		change(in)
	}
	ca = b.root(t, in)
	return ca, b.ownCertificate(t, ca)
}

func (b *bench) ownCertificate(t testing.TB, ca string) *x509.Certificate {
	t.Helper()
	out, err := b.GetCertificateAuthorityCertificate(caller(t.Context()), &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca})
	if err != nil {
		t.Fatal(err)
	}
	return parsePEM(t, *out.Certificate)
}

func (b *bench) leaf(t testing.TB, ca, name string) *x509.Certificate {
	t.Helper()
	in := leafInput(ca, leafCSR(t, name))
	in.SigningAlgorithm = b.describe1(t, ca).CertificateAuthorityConfiguration.SigningAlgorithm
	cert, _ := b.get(t, ca, b.issue(t, in))
	return parsePEM(t, cert)
}

func (b *bench) revoke(t testing.TB, ca string, c *x509.Certificate, reason types.RevocationReason) {
	t.Helper()
	_, err := b.RevokeCertificate(caller(t.Context()), &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &ca,
		CertificateSerial: aws.String(pki.SerialColons(c.SerialNumber)), RevocationReason: reason})
	if err != nil {
		t.Fatal(err)
	}
}

func ocspQuery(t testing.TB, leaf, issuer *x509.Certificate) []byte {
	t.Helper()
	der, err := ocsp.CreateRequest(leaf, issuer, nil)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// ask returns the answer and what x/crypto/ocsp reads of it.
func (b *bench) ask(t testing.TB, leaf, issuer *x509.Certificate) (OCSPAnswer, *ocsp.Response) {
	t.Helper()
	a := b.OCSP(t.Context(), "", ocspQuery(t, leaf, issuer))
	r, err := ocsp.ParseResponseForCert(a.DER, leaf, issuer)
	if err != nil {
		t.Fatalf("response: %v", err)
	}
	return a, r
}

func wantOCSPError(t testing.TB, a OCSPAnswer, want ocsp.ResponseStatus) {
	t.Helper()
	_, err := ocsp.ParseResponse(a.DER, nil)
	var got ocsp.ResponseError
	if !errors.As(err, &got) || got.Status != want || !a.NextUpdate.IsZero() {
		t.Errorf("got %v (next update %v), want %v", err, a.NextUpdate, want)
	}
}

func TestOCSPConfiguration(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	update := func(c *types.RevocationConfiguration) error {
		_, err := b.UpdateCertificateAuthority(caller(t.Context()), &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: &ca, RevocationConfiguration: c})
		return err
	}
	for _, c := range []struct {
		config *types.RevocationConfiguration
		want   []string // OCSP servers of a new certificate
		cname  string
	}{
		{nil, nil, ""},
		{ocspOn(""), []string{"http://ocsp.acm-pca.eu-central-1.amazonaws.com"}, ""},
		{&types.RevocationConfiguration{}, []string{"http://ocsp.acm-pca.eu-central-1.amazonaws.com"}, ""}, // says nothing of OCSP
		{ocspOn("status.example.com:8080/pki"), []string{"http://status.example.com:8080/pki"}, "status.example.com:8080/pki"},
		{&types.RevocationConfiguration{OcspConfiguration: &types.OcspConfiguration{Enabled: aws.Bool(false)}}, nil, ""},
	} {
		if err := update(c.config); err != nil {
			t.Fatal(err)
		}
		leaf := b.leaf(t, ca, "client")
		if !slices.Equal(leaf.OCSPServer, c.want) || len(leaf.IssuingCertificateURL) > 0 {
			t.Errorf("OCSP servers = %q, want %q; issuers %q", leaf.OCSPServer, c.want, leaf.IssuingCertificateURL)
		}
		got := b.describe1(t, ca).RevocationConfiguration.OcspConfiguration
		if *got.Enabled != (c.want != nil) || aws.ToString(got.OcspCustomCname) != c.cname {
			t.Errorf("described as %v %v, want %q", *got.Enabled, aws.ToString(got.OcspCustomCname), c.cname)
		}
	}
	if own := b.ownCertificate(t, ca); len(own.OCSPServer) > 0 {
		t.Errorf("a root names the responder %q", own.OCSPServer)
	}
	for _, bad := range []string{"http://example.com", "exa mple.com", "", "user@example.com", "example.com:port", "-"} {
		c := ocspOn("")
		c.OcspConfiguration.OcspCustomCname = &bad
		wantError(t, update(c), "InvalidArgsException", "protocol prefix")
	}
	off := ocspOn("example.com")
	off.OcspConfiguration.Enabled = aws.Bool(false)
	wantError(t, update(off), "InvalidArgsException", "must not have any other member")
}

func TestOCSPStatus(t *testing.T) {
	t.Parallel()
	for name, algorithms := range map[string][2]string{
		"P-256": {"EC_prime256v1", "SHA256WITHECDSA"}, "P-384": {"EC_secp384r1", "SHA384WITHECDSA"}, "RSA": {"RSA_2048", "SHA256WITHRSA"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			ca, issuer := b.ocspRoot(t, func(in *acmpca.CreateCertificateAuthorityInput) {
				in.CertificateAuthorityConfiguration.KeyAlgorithm = types.KeyAlgorithm(algorithms[0])
				in.CertificateAuthorityConfiguration.SigningAlgorithm = types.SigningAlgorithm(algorithms[1])
			})
			leaf, other := b.leaf(t, ca, "client"), b.leaf(t, ca, "other")
			a, r := b.ask(t, leaf, issuer)
			if r.Status != ocsp.Good || !r.ThisUpdate.Equal(b.clock.Now()) || !r.NextUpdate.Equal(b.clock.Now().Add(time.Hour)) ||
				!a.ThisUpdate.Equal(r.ThisUpdate) || !a.NextUpdate.Equal(r.NextUpdate) {
				t.Errorf("before it is revoked: %+v", r)
			}
			b.ask(t, other, issuer)

			b.clock.Add(time.Minute)
			b.revoke(t, ca, leaf, types.RevocationReasonKeyCompromise)
			at := b.clock.Now()
			if _, r = b.ask(t, leaf, issuer); r.Status != ocsp.Revoked || r.RevocationReason != ocsp.KeyCompromise || !r.RevokedAt.Equal(at) {
				t.Errorf("right after it is revoked: %+v", r)
			}
			if _, r = b.ask(t, other, issuer); r.Status != ocsp.Good {
				t.Errorf("another certificate: %+v", r)
			}
			b.revoke(t, ca, other, types.RevocationReasonUnspecified)
			if _, r = b.ask(t, other, issuer); r.Status != ocsp.Revoked || r.RevocationReason != ocsp.Unspecified {
				t.Errorf("revoked without a reason: %+v", r)
			}
			never := *leaf
			never.SerialNumber = new(big.Int).Add(leaf.SerialNumber, big.NewInt(1))
			if a, r = b.ask(t, &never, issuer); r.Status != ocsp.Unknown || !a.NextUpdate.IsZero() {
				t.Errorf("a certificate that was never issued: %+v, next update %v", r, a.NextUpdate)
			}
			never.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 159)
			if _, r = b.ask(t, &never, issuer); r.Status != ocsp.Unknown {
				t.Errorf("a serial number longer than ours: %+v", r)
			}
		})
	}
}

// TestOCSPCache checks what the times of an answer say: the same bytes until
// half of its life is over or the certificate is revoked.
func TestOCSPCache(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca, issuer := b.ocspRoot(t, nil)
	leaf, other := b.leaf(t, ca, "client"), b.leaf(t, ca, "other")
	first, _ := b.ask(t, leaf, issuer)
	b.clock.Add(ocspRenew - time.Second)
	b.revoke(t, ca, other, types.RevocationReasonSuperseded) // somebody else's
	if again, _ := b.ask(t, leaf, issuer); !bytes.Equal(again.DER, first.DER) {
		t.Error("within half of its life the answer was signed again")
	}
	b.clock.Add(time.Second)
	renewed, r := b.ask(t, leaf, issuer)
	if bytes.Equal(renewed.DER, first.DER) || !r.ThisUpdate.Equal(b.clock.Now()) {
		t.Errorf("after half of its life the answer is still of %v", r.ThisUpdate)
	}

	// Another node on the same store revokes.
	peer := New(b.config)
	serial := pki.SerialHex(leaf.SerialNumber)
	if _, err := peer.RevokeCertificate(caller(t.Context()), &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &ca, CertificateSerial: &serial,
		RevocationReason: types.RevocationReasonSuperseded}); err != nil {
		t.Fatal(err)
	}
	if _, r = b.ask(t, leaf, issuer); r.Status != ocsp.Revoked {
		t.Errorf("revoked by another node: %+v", r)
	}
}

func TestOCSPCacheForgets(t *testing.T) {
	t.Parallel()
	var c ocspCache
	key := func(n int) string { return big.NewInt(int64(n)).String() }
	for n := range 5 * ocspGeneration {
		c.put(key(n), &ocspEntry{})
		if c.get(key(0)) == nil {
			t.Fatalf("what is asked for all the time was forgotten after %d others", n)
		}
	}
	if held := len(c.young) + len(c.previous); held > 2*ocspGeneration {
		t.Errorf("%d answers are held", held)
	}
	if c.get(key(1)) != nil {
		t.Error("what nobody asked for is still there")
	}
}

func TestOCSPAuthority(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca, issuer := b.ocspRoot(t, nil)
	leaf := b.leaf(t, ca, "client")
	query := ocspQuery(t, leaf, issuer)
	id := ca[strings.LastIndex(ca, "/")+1:]

	silent := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root")) // same name, OCSP disabled
	wantOCSPError(t, b.OCSP(t.Context(), "", ocspQuery(t, b.leaf(t, silent, "client"), b.ownCertificate(t, silent))), ocsp.Unauthorized)
	wantOCSPError(t, b.OCSP(t.Context(), "00000000-0000-4000-8000-000000000000", query), ocsp.Unauthorized)
	wantOCSPError(t, b.OCSP(t.Context(), "", []byte("no request")), ocsp.Malformed)
	if r, err := ocsp.ParseResponseForCert(b.OCSP(t.Context(), id, query).DER, leaf, issuer); err != nil || r.Status != ocsp.Good {
		t.Errorf("by its id: %v, %v", r, err)
	}

	b.setStatus(t, ca, types.CertificateAuthorityStatusDisabled)
	b.revoke(t, ca, leaf, types.RevocationReasonAffiliationChanged)
	if _, r := b.ask(t, leaf, issuer); r.Status != ocsp.Revoked || r.RevocationReason != ocsp.AffiliationChanged {
		t.Errorf("DISABLED: %+v", r)
	}
	if _, err := b.DeleteCertificateAuthority(caller(t.Context()), &acmpca.DeleteCertificateAuthorityInput{CertificateAuthorityArn: &ca}); err != nil {
		t.Fatal(err)
	}
	wantOCSPError(t, b.OCSP(t.Context(), "", query), ocsp.Unauthorized)
	if _, err := b.RestoreCertificateAuthority(caller(t.Context()), &acmpca.RestoreCertificateAuthorityInput{CertificateAuthorityArn: &ca}); err != nil {
		t.Fatal(err)
	}
	if _, r := b.ask(t, leaf, issuer); r.Status != ocsp.Revoked {
		t.Errorf("restored: %+v", r)
	}
	b.clock.Add(11 * 365 * 24 * time.Hour)
	b.wantStatus(t, ca, types.CertificateAuthorityStatusExpired)
	if _, r := b.ask(t, leaf, issuer); r.Status != ocsp.Revoked {
		t.Errorf("EXPIRED: %+v", r)
	}
}

// TestOCSPNonce has a nonce answered, except while too many wait for signatures.
func TestOCSPNonce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca, issuer := b.ocspRoot(t, nil)
	leaf := b.leaf(t, ca, "client")
	plain := ocspQuery(t, leaf, issuer)
	nonce := []byte("0123456789abcdef0123456789abcdef")
	query := addNonce(t, plain, nonce)
	a := b.OCSP(t.Context(), "", query)
	if r, err := ocsp.ParseResponseForCert(a.DER, leaf, issuer); err != nil || r.Status != ocsp.Good || !bytes.Contains(a.DER, nonce) || !a.NextUpdate.IsZero() {
		t.Errorf("got %v, %v; with the nonce: %v; cached until %v", r, err, bytes.Contains(a.DER, nonce), a.NextUpdate)
	}
	if a := b.OCSP(t.Context(), "", plain); bytes.Contains(a.DER, nonce) {
		t.Error("an answer to a nonce was given to somebody else")
	}
	b.ocsp.waiting.Store(ocspCrowd)
	if a := b.OCSP(t.Context(), "", query); bytes.Contains(a.DER, nonce) || a.NextUpdate.IsZero() {
		t.Error("in a crowd the nonce was heeded")
	}
	b.ocsp.waiting.Store(ocspWaiting)
	wantOCSPError(t, b.OCSP(t.Context(), "", ocspQuery(t, b.leaf(t, ca, "not cached"), issuer)), ocsp.TryLater)
	b.ocsp.waiting.Store(0)

	for range cap(b.ocsp.slots) { // as if signatures took forever
		b.ocsp.slots <- struct{}{}
	}
	if a := b.OCSP(t.Context(), "", plain); a.NextUpdate.IsZero() {
		t.Error("a cached answer waited for signatures")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := b.OCSP(ctx, "", query); !bytes.Equal(a.DER, pki.OCSPInternal.DER()) {
		t.Errorf("a request that was given up: %x", a.DER)
	}
}

// addNonce gives a request of one CertID, without extensions, a nonce.
func addNonce(t testing.TB, request, nonce []byte) []byte {
	t.Helper()
	var outer struct{ TBS struct{ List asn1.RawValue } }
	if _, err := asn1.Unmarshal(request, &outer); err != nil {
		t.Fatal(err)
	}
	value, err := asn1.Marshal(nonce)
	if err != nil {
		t.Fatal(err)
	}
	type extension struct {
		ID    asn1.ObjectIdentifier
		Value []byte
	}
	type tbs struct {
		List       asn1.RawValue
		Extensions []extension `asn1:"explicit,tag:2"`
	}
	der, err := asn1.Marshal(struct{ TBS tbs }{tbs{outer.TBS.List, []extension{{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, value}}}})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestOCSPSeveral(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca, issuer := b.ocspRoot(t, nil)
	other, otherIssuer := b.ocspRoot(t, nil)
	one, two := b.leaf(t, ca, "one"), b.leaf(t, ca, "two")
	b.revoke(t, ca, two, types.RevocationReasonSuperseded)
	a := b.OCSP(t.Context(), "", joined(t, ocspQuery(t, one, issuer), ocspQuery(t, two, issuer)))
	for leaf, want := range map[*x509.Certificate]int{one: ocsp.Good, two: ocsp.Revoked} {
		if r, err := ocsp.ParseResponseForCert(a.DER, leaf, issuer); err != nil || r.Status != want || !a.NextUpdate.IsZero() {
			t.Errorf("%s: %v, %v", leaf.Subject, r, err)
		}
	}
	mixed := joined(t, ocspQuery(t, one, issuer), ocspQuery(t, b.leaf(t, other, "three"), otherIssuer))
	wantOCSPError(t, b.OCSP(t.Context(), "", mixed), ocsp.Unauthorized)
}

// joined makes one request of several that have one CertID each.
func joined(t testing.TB, requests ...[]byte) []byte {
	t.Helper()
	var out struct {
		TBS struct{ List []asn1.RawValue }
	}
	for _, r := range requests {
		var in struct {
			TBS struct{ List []asn1.RawValue }
		}
		if _, err := asn1.Unmarshal(r, &in); err != nil {
			t.Fatal(err)
		}
		out.TBS.List = append(out.TBS.List, in.TBS.List...)
	}
	der, err := asn1.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestOCSPHost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca, _ := b.ocspRoot(t, func(in *acmpca.CreateCertificateAuthorityInput) {
		in.RevocationConfiguration = ocspOn("Status.Example.com:8080/pki/")
	})
	for host, want := range map[string]struct {
		own   bool
		paths []string
	}{
		"ocsp.acm-pca.eu-central-1.amazonaws.com":  {true, nil},
		"ocsp.acm-pca.cn-north-1.amazonaws.com.cn": {true, nil},
		"status.example.com":                       {false, []string{"pki"}},
		"acm-pca.eu-central-1.amazonaws.com":       {false, nil},
		"localhost":                                {false, nil},
	} {
		own, paths, err := b.OCSPHost(t.Context(), host)
		if err != nil || own != want.own || !slices.Equal(paths, want.paths) {
			t.Errorf("%s: %v %q %v, want %v", host, own, paths, err, want)
		}
	}
	for id, want := range map[string]bool{ca[strings.LastIndex(ca, "/")+1:]: true, "other": false, "": false} {
		if got, err := b.AnswersOCSP(t.Context(), id); err != nil || got != want {
			t.Errorf("answers for %q: %v, %v", id, got, err)
		}
	}
}

// TestOCSPWithOpenSSL has openssl ask and judge, by SHA-1 and SHA-256, with and without a nonce.
func TestOCSPWithOpenSSL(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	for _, algorithms := range [][2]string{{"EC_prime256v1", "SHA256WITHECDSA"}, {"RSA_2048", "SHA384WITHRSA_PSS"}} {
		t.Run(algorithms[1], func(t *testing.T) {
			t.Parallel()
			askWithOpenSSL(t, openssl, types.KeyAlgorithm(algorithms[0]), types.SigningAlgorithm(algorithms[1]))
		})
	}
}

func askWithOpenSSL(t *testing.T, openssl string, key types.KeyAlgorithm, signing types.SigningAlgorithm) {
	b := newBench(t)
	b.clock.Add(time.Since(b.clock.Now())) // openssl judges by the time of day
	root, rootCert := b.ocspRoot(t, func(in *acmpca.CreateCertificateAuthorityInput) {
		in.CertificateAuthorityConfiguration.KeyAlgorithm = types.KeyAlgorithmRsa2048
		in.CertificateAuthorityConfiguration.SigningAlgorithm = types.SigningAlgorithmSha256withrsa
	})
	sub := createInput(types.CertificateAuthorityTypeSubordinate, "Sub")
	sub.RevocationConfiguration = ocspOn("")
	sub.CertificateAuthorityConfiguration.KeyAlgorithm, sub.CertificateAuthorityConfiguration.SigningAlgorithm = key, signing
	ca := b.create(t, sub)
	subPEM, chain := b.get(t, root, b.issue(t, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &root, Csr: b.csr(t, ca), Validity: years(3),
		SigningAlgorithm: types.SigningAlgorithmSha256withrsa, TemplateArn: template1("SubordinateCACertificate_PathLen0")}))
	b.install(t, ca, subPEM, chain)
	issuer := parsePEM(t, subPEM)
	if want := []string{"http://ocsp.acm-pca.eu-central-1.amazonaws.com"}; !slices.Equal(issuer.OCSPServer, want) {
		t.Errorf("the subordinate's responder is %q, want %q", issuer.OCSPServer, want)
	}
	dir := t.TempDir()
	write := func(name string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(pki.EncodePEMBare(pki.PEMCertificate, der)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	rootFile, issuerFile := write("root.pem", rootCert.Raw), write("issuer.pem", issuer.Raw)
	good, revoked := b.leaf(t, ca, "good"), b.leaf(t, ca, "revoked")
	b.revoke(t, ca, revoked, types.RevocationReasonKeyCompromise)
	for _, c := range []struct {
		about []string
		want  string
	}{
		{[]string{"-cert", write("good.pem", good.Raw)}, ": good"},
		{[]string{"-cert", write("revoked.pem", revoked.Raw)}, "Reason: keyCompromise"},
		{[]string{"-serial", "0x1234567890abcdef1234567890abcdef"}, ": unknown"},
	} {
		for _, digest := range []string{"-sha1", "-sha256"} {
			for _, nonce := range []string{"-nonce", "-no_nonce"} {
				request, response := filepath.Join(dir, "request"), filepath.Join(dir, "response")
				about := append([]string{digest, "-issuer", issuerFile}, c.about...)
				if out, err := exec.Command(openssl, append([]string{"ocsp", nonce, "-reqout", request}, about...)...).CombinedOutput(); err != nil {
					t.Fatalf("make a request: %v\n%s", err, out)
				}
				der, err := os.ReadFile(request)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(response, b.OCSP(t.Context(), "", der).DER, 0o600); err != nil {
					t.Fatal(err)
				}
				// -no_nonce: add none to the one that the request has.
				out, err := exec.Command(openssl, append([]string{"ocsp", "-reqin", request, "-respin", response, "-no_nonce",
					"-CAfile", rootFile, "-verify_other", issuerFile}, about...)...).CombinedOutput()
				text := string(out)
				if err != nil || !strings.Contains(text, "Response verify OK") || !strings.Contains(text, c.want) || strings.Contains(text, "WARNING") {
					t.Errorf("%s %s %s: %v\n%s", c.about, digest, nonce, err, text)
				}
			}
		}
	}
}

// TestOCSPPassesOver has one authority's record damaged: the others are answered for.
func TestOCSPPassesOver(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca, issuer := b.ocspRoot(t, nil)
	leaf := b.leaf(t, ca, "client")
	if _, err := b.store.Commit(t.Context(), new(store.Batch).Put(KindAuthority, testAccount+"/"+testRegion+"/damaged", []byte("{"))); err != nil {
		t.Fatal(err)
	}
	if _, r := b.ask(t, leaf, issuer); r.Status != ocsp.Good {
		t.Errorf("got %+v", r)
	}
}

func BenchmarkOCSPCached(b *testing.B) {
	bb := newBench(b)
	ca, issuer := bb.ocspRoot(b, nil)
	query, err := ocsp.CreateRequest(bb.leaf(b, ca, "client"), issuer, &ocsp.RequestOptions{Hash: crypto.SHA1})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if a := bb.OCSP(b.Context(), "", query); a.NextUpdate.IsZero() {
			b.Fatal("not answered")
		}
	}
}
