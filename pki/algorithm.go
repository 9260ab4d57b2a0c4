package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// An Algorithm is a signature algorithm under ACM Private CA's name for it.
type Algorithm string

// Algorithms that this package signs with.
const (
	SHA256WithRSA    Algorithm = "SHA256WITHRSA"
	SHA384WithRSA    Algorithm = "SHA384WITHRSA"
	SHA512WithRSA    Algorithm = "SHA512WITHRSA"
	SHA256WithRSAPSS Algorithm = "SHA256WITHRSA_PSS"
	SHA384WithRSAPSS Algorithm = "SHA384WITHRSA_PSS"
	SHA512WithRSAPSS Algorithm = "SHA512WITHRSA_PSS"
	SHA256WithECDSA  Algorithm = "SHA256WITHECDSA"
	SHA384WithECDSA  Algorithm = "SHA384WITHECDSA"
	SHA512WithECDSA  Algorithm = "SHA512WITHECDSA"
)

// A form is how an algorithm pads and encodes.
type form uint8

const (
	ecdsaForm form = iota
	pkcs1Form      // RSASSA-PKCS1-v1_5
	pssForm        // RSASSA-PSS, MGF1 with the same hash, a salt of the hash's length
)

type algorithm struct {
	name Algorithm
	form form
	hash crypto.Hash
	oid  oid // of the signature; of PSS, the one for all hashes

	identifier []byte // the DER AlgorithmIdentifier
}

// algorithms is the table of all of them, never written. What AWS has beyond
// it, ML_DSA_44 to 87 and SM3WITHSM2, is refused as in a Region that has not got it.
var algorithms = func() []algorithm {
	pss := oid{1, 2, 840, 113549, 1, 1, 10}
	all := []algorithm{
		{name: SHA256WithECDSA, form: ecdsaForm, hash: crypto.SHA256, oid: oid{1, 2, 840, 10045, 4, 3, 2}},
		{name: SHA384WithECDSA, form: ecdsaForm, hash: crypto.SHA384, oid: oid{1, 2, 840, 10045, 4, 3, 3}},
		{name: SHA512WithECDSA, form: ecdsaForm, hash: crypto.SHA512, oid: oid{1, 2, 840, 10045, 4, 3, 4}},
		{name: SHA256WithRSA, form: pkcs1Form, hash: crypto.SHA256, oid: oid{1, 2, 840, 113549, 1, 1, 11}},
		{name: SHA384WithRSA, form: pkcs1Form, hash: crypto.SHA384, oid: oid{1, 2, 840, 113549, 1, 1, 12}},
		{name: SHA512WithRSA, form: pkcs1Form, hash: crypto.SHA512, oid: oid{1, 2, 840, 113549, 1, 1, 13}},
		{name: SHA256WithRSAPSS, form: pssForm, hash: crypto.SHA256, oid: pss},
		{name: SHA384WithRSAPSS, form: pssForm, hash: crypto.SHA384, oid: pss},
		{name: SHA512WithRSAPSS, form: pssForm, hash: crypto.SHA512, oid: pss},
	}
	for i := range all {
		var b cryptobyte.Builder
		all[i].marshal(&b)
		all[i].identifier = b.BytesOrPanic()
	}
	return all
}()

func (a Algorithm) lookup() (*algorithm, error) {
	for i := range algorithms {
		if algorithms[i].name == a {
			return &algorithms[i], nil
		}
	}
	return nil, &RuleError{RuleAlgorithm, fmt.Sprintf("the signing algorithm %s is not supported in this Region", a)}
}

// RSAAlgorithms lists the algorithms that RSA keys sign with.
func RSAAlgorithms() []Algorithm {
	return algorithmsOf(func(a algorithm) bool { return a.form != ecdsaForm })
}

// ECAlgorithms lists the algorithms that keys on a curve sign with: P-521 with
// SHA-512 only, in every Region of AWS.
func ECAlgorithms(curve elliptic.Curve) []Algorithm {
	return algorithmsOf(func(a algorithm) bool {
		return a.form == ecdsaForm && (curve != elliptic.P521() || a.hash == crypto.SHA512)
	})
}

func algorithmsOf(wanted func(algorithm) bool) []Algorithm {
	var list []Algorithm
	for _, a := range algorithms {
		if wanted(a) {
			list = append(list, a.name)
		}
	}
	return list
}

// Deterministic reports whether signing the same bytes twice with the same key
// gives the same signature. With those of which it is false, a signature that
// was handed out must have been recorded.
func (a Algorithm) Deterministic() bool {
	alg, err := a.lookup()
	return err == nil && alg.form != pssForm
}

// Check reports whether a key whose public half is pub can sign with a. The
// error is a *[RuleError] with [RuleAlgorithm].
func (a Algorithm) Check(pub crypto.PublicKey) error {
	alg, err := a.lookup()
	if err != nil {
		return err
	}
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if alg.form != ecdsaForm {
			return nil
		}
	case *ecdsa.PublicKey:
		if alg.form == ecdsaForm && (k.Curve != elliptic.P521() || alg.hash == crypto.SHA512) {
			return nil
		}
	}
	return &RuleError{RuleAlgorithm, fmt.Sprintf("the signing algorithm %s does not fit a key of type %s", a, keyName(pub))}
}

// marshal writes the AlgorithmIdentifier: RSA carries NULL parameters (RFC
// 4055 section 5), ECDSA none (RFC 5758 section 3.2), PSS its own (RFC 4055
// section 3.1).
func (a algorithm) marshal(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.oid)
		switch a.form {
		case pkcs1Form:
			b.AddASN1NULL()
		case pssForm:
			a.marshalPSS(b)
		}
	})
}

// marshalPSS writes RSASSA-PSS-params with every field but the trailer's, whose
// only value is its default.
func (a algorithm) marshalPSS(b *cryptobyte.Builder) {
	explicit := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	hash := func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(hashOID(a.hash))
			b.AddASN1NULL()
		})
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(0), hash)
		b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}) // MGF1
				hash(b)
			})
		})
		b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(a.hash.Size())) })
	})
}

func hashOID(h crypto.Hash) oid {
	switch h {
	case crypto.SHA384:
		return oid{2, 16, 840, 1, 101, 3, 4, 2, 2}
	case crypto.SHA512:
		return oid{2, 16, 840, 1, 101, 3, 4, 2, 3}
	}
	return oid{2, 16, 840, 1, 101, 3, 4, 2, 1} // SHA-256
}

// TBSAlgorithm is the signature algorithm that the to-be-signed bytes of a
// certificate name.
func TBSAlgorithm(tbs []byte) (Algorithm, error) {
	in := cryptobyte.String(tbs)
	var fields, version, identifier cryptobyte.String
	if !in.ReadASN1(&fields, cbasn1.SEQUENCE) ||
		!fields.ReadASN1(&version, cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!fields.SkipASN1(cbasn1.INTEGER) ||
		!fields.ReadASN1Element(&identifier, cbasn1.SEQUENCE) {
		return "", errors.New("the to-be-signed bytes of a certificate are damaged")
	}
	for i := range algorithms {
		if bytes.Equal(algorithms[i].identifier, identifier) {
			return algorithms[i].name, nil
		}
	}
	return "", errors.New("the to-be-signed bytes of a certificate name an unknown algorithm")
}

// WithRandom gives a key the randomness that [Sign] does not hand it: RSASSA-PSS
// needs some. The other algorithms ignore it. Keys that bring their own, those of
// an HSM for one, need no WithRandom. random must be safe for concurrent use.
func WithRandom(key crypto.Signer, random io.Reader) crypto.Signer {
	return randomSigner{key, random}
}

type randomSigner struct {
	crypto.Signer
	random io.Reader
}

func (s randomSigner) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, pss := opts.(*rsa.PSSOptions); pss && random == nil {
		random = s.random
	}
	return s.Signer.Sign(random, digest, opts)
}

// Sign signs to-be-signed bytes and returns the signature value. But for
// RSASSA-PSS it is deterministic: RSA is PKCS#1 v1.5, and ECDSA gets no
// randomness, which crypto/ecdsa takes for RFC 6979. A signer that wraps another
// must pass the nil reader on. For RSASSA-PSS a key in memory needs [WithRandom].
func Sign(tbs []byte, alg Algorithm, signer crypto.Signer) ([]byte, error) {
	if err := alg.Check(signer.Public()); err != nil {
		return nil, err
	}
	a, err := alg.lookup()
	if err != nil {
		return nil, err
	}
	h := a.hash.New()
	h.Write(tbs)
	return a.signDigest(h.Sum(nil), signer)
}

// signDigest is [Sign] for bytes that were hashed as they came.
func (a *algorithm) signDigest(digest []byte, signer crypto.Signer) ([]byte, error) {
	var opts crypto.SignerOpts = a.hash
	if a.form == pssForm {
		if _, bare := signer.(*rsa.PrivateKey); bare {
			return nil, fmt.Errorf("sign with %s: the key has no randomness", a.name)
		}
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.hash}
	}
	signature, err := signer.Sign(nil, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", a.name, err)
	}
	return signature, nil
}

// keyName describes a public key for people: "RSA 2048", "EC P-256".
func keyName(pub crypto.PublicKey) string {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC " + k.Curve.Params().Name
	}
	return fmt.Sprintf("%T", pub)
}
