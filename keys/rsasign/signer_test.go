package rsasign

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

var hashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}

func pss(h crypto.Hash) *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
}

func digestOf(h crypto.Hash, i int) []byte {
	w := h.New()
	fmt.Fprint(w, i)
	return w.Sum(nil)
}

func TestSignaturesAreThoseOfCryptoRSA(t *testing.T) {
	t.Parallel()
	for name, kernels := range kernels() {
		keys := keys2048()
		if !testing.Short() {
			keys = append(keys[:len(keys):len(keys)], keyOf(t, 3072), keyOf(t, 4096))
		}
		for _, key := range keys {
			s := newSigner(key, kernels)
			if s == nil {
				t.Fatalf("%s does not know keys of %d bits", name, key.N.BitLen())
			}
			for i := range 12 {
				h := hashes[i%len(hashes)]
				digest := digestOf(h, i)
				got, err := s.Sign(nil, digest, h)
				if err != nil {
					t.Fatal(err)
				}
				want, err := key.Sign(nil, digest, h)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: PKCS #1 v1.5 with %v: %x, want %x, %v", name, h, got, want, err)
				}
				got, err = s.Sign(rand.Reader, digest, pss(h))
				if err != nil {
					t.Fatal(err)
				}
				if err := rsa.VerifyPSS(&key.PublicKey, h, digest, got, pss(h)); err != nil {
					t.Errorf("%s: PSS with %v: %v", name, h, err)
				}
				explicit := &rsa.PSSOptions{SaltLength: h.Size(), Hash: h}
				again, err := s.Sign(rand.Reader, digest, explicit)
				if err != nil || rsa.VerifyPSS(&key.PublicKey, h, digest, again, explicit) != nil || bytes.Equal(got, again) {
					t.Errorf("%s: PSS twice gave one signature, or a wrong one (%v)", name, err)
				}
			}
			if s.Slips() != 0 {
				t.Errorf("%s: %d signatures did not verify", name, s.Slips())
			}
		}
	}
}

// What crypto/rsa encoded, this package encodes alike from the same salt.
func TestPSSEncodingIsThatOfCryptoRSA(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{2048, 3072} {
		key := keyOf(t, bits)
		for _, h := range hashes {
			digest := digestOf(h, 1)
			signature, err := rsa.SignPSS(rand.Reader, key, h, digest, pss(h))
			if err != nil {
				t.Fatal(err)
			}
			want := new(big.Int).Exp(new(big.Int).SetBytes(signature), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
			// An encoding with a salt of zeros, against the one that is wanted, shows the
			// salt only where both seeds are the same; so unmask it.
			salt := saltOf(h, want)
			if got := encodePSS(h, digest, salt, bits); !bytes.Equal(got, want) {
				t.Errorf("%d bits, %v: encoded %x, want %x", bits, h, got, want)
			}
		}
	}
}

// saltOf takes the salt out of an encoded message.
func saltOf(h crypto.Hash, em []byte) []byte {
	at := len(em) - h.Size() - 1
	seed, db := em[at:len(em)-1], bytes.Clone(em[:at])
	for i := 0; i*h.Size() < at; i++ {
		w := h.New()
		w.Write(seed)
		w.Write([]byte{0, 0, 0, byte(i)})
		for j, b := range w.Sum(nil) {
			if i*h.Size()+j < at {
				db[i*h.Size()+j] ^= b
			}
		}
	}
	return db[at-h.Size():]
}

func TestWhatIsNotKnownIsLeftToCryptoRSA(t *testing.T) {
	t.Parallel()
	key := keys2048()[0]
	s := newSigner(key, portable)
	for name, opts := range map[string]crypto.SignerOpts{
		"SHA-1":                       crypto.SHA1,
		"PSS, salt as long as can be": &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: crypto.SHA256},
		"PSS, short salt":             &rsa.PSSOptions{SaltLength: 8, Hash: crypto.SHA256},
	} {
		digest := digestOf(opts.HashFunc(), 0)
		signature, err := s.Sign(rand.Reader, digest, opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p, ok := opts.(*rsa.PSSOptions); ok {
			err = rsa.VerifyPSS(&key.PublicKey, p.Hash, digest, signature, p)
		} else {
			err = rsa.VerifyPKCS1v15(&key.PublicKey, opts.HashFunc(), digest, signature)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, opts := range []crypto.SignerOpts{crypto.SHA256, pss(crypto.SHA256)} {
		_, got := s.Sign(rand.Reader, []byte("short"), opts)
		_, want := key.Sign(rand.Reader, []byte("short"), opts)
		if got == nil || got.Error() != want.Error() {
			t.Errorf("a digest of another length: %v, want %v", got, want)
		}
	}
	broken := fmt.Errorf("broken")
	if _, err := s.Sign(errorReader{broken}, digestOf(crypto.SHA256, 0), pss(crypto.SHA256)); err != broken {
		t.Errorf("no randomness: %v", err)
	}
	if crypto.Signer(key) != Wrap(crypto.Signer(key)) && kernelFor(2048) == nil {
		t.Error("a key was wrapped for nothing")
	}

	small := keyOf(t, 1024)
	if got := New(small); got != crypto.Signer(small) {
		t.Errorf("New of a key of 1024 bits is a %T", got)
	}
	three, err := rsa.GenerateMultiPrimeKey(rand.Reader, 3, 2048) //lint:ignore SA1019 such keys can be imported
	if err != nil {
		t.Fatal(err)
	}
	if got := New(three); got != crypto.Signer(three) {
		t.Errorf("New of a key of three primes is a %T", got)
	}
	bare := &rsa.PrivateKey{PublicKey: key.PublicKey, D: key.D, Primes: key.Primes}
	if got := New(bare); got != crypto.Signer(bare) {
		t.Errorf("New of a key without its exponents is a %T", got)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

var _ io.Reader = errorReader{}

// A key whose parts do not fit each other, as after a fault of the memory,
// never lets a wrong signature out: half of one gives the key away.
func TestWrongSignaturesDoNotLeave(t *testing.T) {
	t.Parallel()
	key := keys2048()[1]
	for name, kernels := range kernels() {
		s := newSigner(key, kernels)
		digest := digestOf(crypto.SHA256, 1)
		want, err := key.Sign(nil, digest, crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		slips := uint64(0)
		for what, flip := range map[string]func(){
			"exponent of p": func() { s.crt.exponent[0][3] ^= 1 << 17 },
			"exponent of q": func() { s.crt.exponent[1][0] ^= 1 },
			"inverse":       func() { s.crt.inverse[5] ^= 1 << 3 },
			"q":             func() { s.crt.q[15] ^= 1 << 40 },
			"R²":            func() { s.crt.square[s.crt.words] ^= 1 },
		} {
			flip()
			slips++
			got, err := s.Sign(nil, digest, crypto.SHA256)
			if err != nil || !bytes.Equal(got, want) || s.Slips() != slips {
				t.Errorf("%s, %s damaged: %v; the signature is right: %v; slips: %d", name, what, err, bytes.Equal(got, want), s.Slips())
			}
			flip()
		}
		if got, err := s.Sign(nil, digest, crypto.SHA256); err != nil || !bytes.Equal(got, want) || s.Slips() != slips {
			t.Errorf("%s: mended, it still slips: %v", name, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	key := keys2048()[2]
	s := New(key)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 4 {
				digest := digestOf(crypto.SHA256, 100*i+j)
				signature, err := s.Sign(rand.Reader, digest, pss(crypto.SHA256))
				if err != nil || rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest, signature, pss(crypto.SHA256)) != nil {
					t.Errorf("signature %d of %d: %v", j, i, err)
				}
			}
		})
	}
	group.Wait()
}

// Both versions of TLS take the signer, the key exchange without signatures of
// TLS 1.2 as well.
func TestTLSTakesTheSigner(t *testing.T) {
	t.Parallel()
	key := keys2048()[3]
	signer := New(key)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	for _, suite := range []uint16{0, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_GCM_SHA256} {
		client := &tls.Config{RootCAs: roots, ServerName: "a.example"}
		server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: signer, Leaf: leaf}}}
		if suite != 0 {
			server.MaxVersion, server.CipherSuites, client.CipherSuites = tls.VersionTLS12, []uint16{suite}, []uint16{suite}
		}
		a, b := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- tls.Server(a, server).Handshake() }()
		if err := tls.Client(b, client).Handshake(); err != nil {
			t.Errorf("suite %#x: client: %v", suite, err)
			b.Close()
		}
		if err := <-done; err != nil {
			t.Errorf("suite %#x: server: %v", suite, err)
		}
		a.Close()
		b.Close()
	}
}

func FuzzSign(f *testing.F) {
	f.Add([]byte("message"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		key := keys2048()[0]
		digest := sha256.Sum256(message)
		want, err := key.Sign(nil, digest[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		for name, kernels := range kernels() {
			s := newSigner(key, kernels)
			got, err := s.Sign(nil, digest[:], crypto.SHA256)
			if err != nil || !bytes.Equal(got, want) || s.Slips() != 0 {
				t.Errorf("%s: %x signed as %x, want %x (%v, %d slips)", name, message, got, want, err, s.Slips())
			}
		}
	})
}
