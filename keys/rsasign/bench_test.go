package rsasign

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"testing"
)

func BenchmarkSign(b *testing.B) {
	for _, bits := range []int{2048, 3072, 4096} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			b.Fatal(err)
		}
		digest := sha256.Sum256(nil)
		for _, s := range []crypto.Signer{key, New(key)} {
			for _, opts := range []crypto.SignerOpts{crypto.SHA256, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}} {
				b.Run(fmt.Sprintf("%d/%T/%T", bits, s, opts), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if _, err := s.Sign(rand.Reader, digest[:], opts); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
		b.Run(fmt.Sprintf("%d/New", bits), func(b *testing.B) {
			for b.Loop() {
				New(key)
			}
		})
	}
}
