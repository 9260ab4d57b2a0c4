package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// An Algorithm is a signature algorithm under ACM Private CA's name for it.
type Algorithm string

// Algorithms that this package signs with. All of them are deterministic as
// [Sign] uses them.
const (
	SHA256WithRSA   Algorithm = "SHA256WITHRSA"
	SHA384WithRSA   Algorithm = "SHA384WITHRSA"
	SHA512WithRSA   Algorithm = "SHA512WITHRSA"
	SHA256WithECDSA Algorithm = "SHA256WITHECDSA"
	SHA384WithECDSA Algorithm = "SHA384WITHECDSA"
	SHA512WithECDSA Algorithm = "SHA512WITHECDSA"
)

type algorithm struct {
	oid  asn1.ObjectIdentifier
	hash crypto.Hash
	rsa  bool
}

func (a Algorithm) lookup() (algorithm, error) {
	switch a {
	case SHA256WithRSA:
		return algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, crypto.SHA256, true}, nil
	case SHA384WithRSA:
		return algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, crypto.SHA384, true}, nil
	case SHA512WithRSA:
		return algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, crypto.SHA512, true}, nil
	case SHA256WithECDSA:
		return algorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, crypto.SHA256, false}, nil
	case SHA384WithECDSA:
		return algorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, crypto.SHA384, false}, nil
	case SHA512WithECDSA:
		return algorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, crypto.SHA512, false}, nil
	}
	return algorithm{}, &RuleError{RuleAlgorithm, fmt.Sprintf("the signing algorithm %s is not supported", a)}
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
		if alg.rsa {
			return nil
		}
	case *ecdsa.PublicKey:
		// P-521 CAs sign with SHA-512 only, in every Region of AWS.
		if !alg.rsa && (k.Curve != elliptic.P521() || a == SHA512WithECDSA) {
			return nil
		}
	}
	return &RuleError{RuleAlgorithm, fmt.Sprintf("the signing algorithm %s does not fit a key of type %s", a, keyName(pub))}
}

// marshal writes the AlgorithmIdentifier: RSA carries NULL parameters (RFC
// 4055 section 5), ECDSA none (RFC 5758 section 3.2).
func (a algorithm) marshal(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.oid)
		if a.rsa {
			b.AddASN1NULL()
		}
	})
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
