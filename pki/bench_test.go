package pki

import (
	"crypto/x509"
	"testing"
)

// BenchmarkVerify is what a first handshake of a client costs, beside
// crypto/x509 with the same certificates.
func BenchmarkVerify(b *testing.B) {
	root := newRoot(b, "root")
	inter := newInter(b, "inter", root)
	leaf := newLeaf(b, inter)
	b.Run("countersign", func(b *testing.B) {
		store := NewTrustStore(certs(root, inter)...)
		chain, p := certs(leaf), GatewayPolicy(testTime())
		b.ReportAllocs()
		for b.Loop() {
			if v := store.Verify(chain, p); !v.Valid() {
				b.Fatal(v.Detail)
			}
		}
	})
	b.Run("crypto-x509", func(b *testing.B) {
		roots, inters := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(root.Certificate)
		inters.AddCert(inter.Certificate)
		o := x509.VerifyOptions{Roots: roots, Intermediates: inters, CurrentTime: testTime(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := leaf.Verify(o); err != nil {
				b.Fatal(err)
			}
		}
	})
}
