package rsasign

import (
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"io"
	"sync/atomic"
)

// New returns a key that signs what key signs, with the same signatures where
// they are deterministic. It is key itself where this package has nothing to
// offer: another processor, another size, more than two primes, FIPS 140 mode.
// It takes some microseconds. The result is safe for concurrent use.
func New(key *rsa.PrivateKey) crypto.Signer {
	if fips140.Enabled() {
		return key
	}
	if s := newSigner(key, kernelFor); s != nil {
		return s
	}
	return key
}

// Wrap is New for RSA keys, and returns every other key as it is.
func Wrap(key crypto.Signer) crypto.Signer {
	if k, ok := key.(*rsa.PrivateKey); ok {
		return New(k)
	}
	return key
}

// A Signer is an RSA key that is quick to sign with. It is a crypto.Signer and,
// for what TLS 1.2 does without forward secrecy, a crypto.Decrypter.
type Signer struct {
	key   *rsa.PrivateKey
	crt   *crt
	slips atomic.Uint64
}

func newSigner(key *rsa.PrivateKey, kernels func(bits int) *kernel) *Signer {
	crt := newCRT(key, kernels)
	if crt == nil {
		return nil
	}
	return &Signer{key: key, crt: crt}
}

// Public is the public key, an *rsa.PublicKey.
func (s *Signer) Public() crypto.PublicKey { return s.key.Public() }

// Decrypt is crypto/rsa's.
func (s *Signer) Decrypt(rand io.Reader, msg []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	return s.key.Decrypt(rand, msg, opts)
}

// Sign signs a digest as rsa.PrivateKey.Sign does: RSASSA-PSS when opts is an
// *rsa.PSSOptions, else RSASSA-PKCS1-v1_5, which is deterministic and does not look at rand.
func (s *Signer) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	hash := opts.HashFunc()
	prefix := digestInfo(hash)
	if prefix == nil || len(digest) != hash.Size() {
		return s.key.Sign(rand, digest, opts)
	}
	var signature []byte
	var err error
	if pss, ok := opts.(*rsa.PSSOptions); ok {
		if rand == nil || pss.SaltLength != rsa.PSSSaltLengthEqualsHash && pss.SaltLength != hash.Size() {
			return s.key.Sign(rand, digest, opts)
		}
		salt := make([]byte, hash.Size())
		if _, err := io.ReadFull(rand, salt); err != nil {
			return nil, err
		}
		signature = s.crt.power(encodePSS(hash, digest, salt, s.key.N.BitLen()))
		err = rsa.VerifyPSS(&s.key.PublicKey, hash, digest, signature, &rsa.PSSOptions{SaltLength: hash.Size(), Hash: hash})
	} else {
		signature = s.crt.power(encodePKCS1(prefix, digest, s.key.Size()))
		err = rsa.VerifyPKCS1v15(&s.key.PublicKey, hash, digest, signature)
	}
	if err != nil {
		s.slips.Add(1)
		return s.key.Sign(rand, digest, opts)
	}
	return signature, nil
}

// Slips counts the signatures that did not verify, and that crypto/rsa made
// then. It is 0 on a sound machine.
func (s *Signer) Slips() uint64 { return s.slips.Load() }
