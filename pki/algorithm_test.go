package pki

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"testing"
)

// TestPSS issues with RSASSA-PSS and has crypto/x509 and our own verifier judge it.
func TestPSS(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[Algorithm]x509.SignatureAlgorithm{SHA256WithRSAPSS: x509.SHA256WithRSAPSS,
		SHA384WithRSAPSS: x509.SHA384WithRSAPSS, SHA512WithRSAPSS: x509.SHA512WithRSAPSS} {
		signer := WithRandom(passing{key}, rand.Reader)
		root := selfSigned(t, a, signer)
		if root.SignatureAlgorithm != want || root.CheckSignatureFrom(root) != nil {
			t.Errorf("%s: crypto/x509 sees %s, %v", a, root.SignatureAlgorithm, root.CheckSignatureFrom(root))
		}
		leaf := issueWith(t, Issuance{Template: template(t, ""), Issuer: root, Algorithm: a, Serial: Serial{9},
			Request:   request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "leaf"}}),
			NotBefore: testTime().AddDate(0, -1, 0), NotAfter: testTime().AddDate(1, 0, 0)}, signer)
		if v := NewTrustStore(root).Verify([]*x509.Certificate{leaf}, GatewayPolicy(testTime())); !v.Valid() {
			t.Errorf("%s: our verifier says %s (%s)", a, v.Reason, v.Detail)
		}
		one, err := Sign(root.RawTBSCertificate, a, signer)
		if err != nil {
			t.Fatal(err)
		}
		two, err := Sign(root.RawTBSCertificate, a, signer)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(one, two) || a.Deterministic() {
			t.Errorf("%s: two signatures are equal, or it says that they are", a)
		}
		if _, err := Sign(root.RawTBSCertificate, a, key); err == nil {
			t.Errorf("%s: signed without randomness", a)
		}
		// Other algorithms do not care.
		plain, err := Sign(root.RawTBSCertificate, SHA256WithRSA, signer)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := Sign(root.RawTBSCertificate, SHA256WithRSA, key); err != nil || !bytes.Equal(plain, same) {
			t.Errorf("PKCS #1 with randomness at hand is not what it is without: %v", err)
		}
	}
}

func TestAlgorithms(t *testing.T) {
	t.Parallel()
	if got := ECAlgorithms(elliptic.P521()); !slices.Equal(got, []Algorithm{SHA512WithECDSA}) {
		t.Errorf("P-521: %v", got)
	}
	if got := ECAlgorithms(elliptic.P256()); len(got) != 3 || len(RSAAlgorithms()) != 6 {
		t.Errorf("P-256: %v, RSA: %v", got, RSAAlgorithms())
	}
	for _, a := range []Algorithm{"ML_DSA_44", "ML_DSA_65", "ML_DSA_87", "SM3WITHSM2", ""} {
		if got := ruleOf(a.Check(newKey(t).Public())); got != RuleAlgorithm || a.Deterministic() {
			t.Errorf("%q: %q", a, got)
		}
	}
	keys := map[bool]crypto.Signer{true: fixedKey(t, 1)}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys[false] = WithRandom(rsaKey, rand.Reader)
	for _, a := range algorithms {
		root := selfSigned(t, a.name, keys[a.form == ecdsaForm])
		if got, err := TBSAlgorithm(root.RawTBSCertificate); got != a.name || err != nil {
			t.Errorf("TBSAlgorithm of %s: %s, %v", a.name, got, err)
		}
	}
}

func FuzzTBSAlgorithm(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Add([]byte{0x30, 5, 0xa0, 0, 2, 0, 0x30})
	f.Fuzz(func(t *testing.T, tbs []byte) {
		if a, err := TBSAlgorithm(tbs); err == nil && a == "" {
			t.Error("no algorithm and no error")
		}
	})
}
