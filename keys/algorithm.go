package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
)

// An Algorithm is a kind and size of key, spelt as ACM and ACM Private CA spell
// it.
type Algorithm string

// The algorithms that are known. RSA1024 exists to be recognised in what others
// made; Generate refuses it.
const (
	RSA1024 Algorithm = "RSA_1024"
	RSA2048 Algorithm = "RSA_2048"
	RSA3072 Algorithm = "RSA_3072"
	RSA4096 Algorithm = "RSA_4096"
	P256    Algorithm = "EC_prime256v1"
	P384    Algorithm = "EC_secp384r1"
	P521    Algorithm = "EC_secp521r1"
)

// A Family says which signature algorithms a key can make.
type Family string

const (
	RSA Family = "RSA"
	EC  Family = "EC"
)

// Family is the algorithm's family, or empty for one that is not known.
func (a Algorithm) Family() Family {
	switch a {
	case RSA1024, RSA2048, RSA3072, RSA4096:
		return RSA
	case P256, P384, P521:
		return EC
	}
	return ""
}

// Slow reports whether making such a key takes long enough (often more than
// half a second) that a caller should not be kept waiting for it.
func (a Algorithm) Slow() bool { return a == RSA3072 || a == RSA4096 }

// Generate makes a new key. Since Go 1.26 the standard library takes the
// randomness of new keys from the operating system whatever rand is, unless the
// program asks otherwise; rand is handed on for those that do.
func Generate(a Algorithm, rand io.Reader) (crypto.Signer, error) {
	switch a {
	case RSA2048:
		return rsa.GenerateKey(rand, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand, 3072)
	case RSA4096:
		return rsa.GenerateKey(rand, 4096)
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand)
	case P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand)
	case P521:
		return ecdsa.GenerateKey(elliptic.P521(), rand)
	}
	return nil, fmt.Errorf("keys of algorithm %q cannot be made", a)
}

// AlgorithmOf names the algorithm of a public key. It is false for every key
// that is not of one of the algorithms above, other RSA sizes among them.
func AlgorithmOf(public crypto.PublicKey) (Algorithm, bool) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		switch k.N.BitLen() {
		case 1024:
			return RSA1024, true
		case 2048:
			return RSA2048, true
		case 3072:
			return RSA3072, true
		case 4096:
			return RSA4096, true
		}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return P256, true
		case elliptic.P384():
			return P384, true
		case elliptic.P521():
			return P521, true
		}
	}
	return "", false
}

// Marshal encodes a private key as unencrypted PKCS#8 DER. What it returns is
// secret: seal it, or encrypt it, before it goes anywhere.
func Marshal(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return der, nil
}

// Parse reads what Marshal wrote.
func Parse(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("decode private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	if _, ok := AlgorithmOf(signer.Public()); !ok {
		return nil, fmt.Errorf("private key of type %T is of no algorithm that is known here", key)
	}
	return signer, nil
}
