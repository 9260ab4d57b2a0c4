package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrPassphrase is returned for a key that does not open with the passphrase.
var ErrPassphrase = errors.New("the passphrase does not open the private key")

// maxIterations bounds the work that an encrypted key can ask for.
const maxIterations = 2_000_000

// DecryptPKCS8 opens an EncryptedPrivateKeyInfo (RFC 5958) as EncryptPKCS8 and
// ACM's ExportCertificate make them, and with HMAC-SHA256 as well, as OpenSSL
// does: PBES2, PBKDF2, AES-256-CBC. It returns the PKCS#8 PrivateKeyInfo. Any
// other scheme is an error that says so; a wrong passphrase is ErrPassphrase.
func DecryptPKCS8(der, passphrase []byte) ([]byte, error) {
	malformed := errors.New("the encrypted private key is malformed")
	var scheme, kdf, cbc asn1.ObjectIdentifier
	var outer, algorithm, parameters, derivation, pbkdf, encryption cryptobyte.String
	var text, salt, iv cryptobyte.String
	var iterations int64
	in := cryptobyte.String(der)
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() ||
		!outer.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !outer.ReadASN1(&text, cbasn1.OCTET_STRING) || !outer.Empty() ||
		!algorithm.ReadASN1ObjectIdentifier(&scheme) {
		return nil, malformed
	}
	if !scheme.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}) {
		return nil, fmt.Errorf("the private key is encrypted with %v; want PBES2", scheme)
	}
	if !algorithm.ReadASN1(&parameters, cbasn1.SEQUENCE) || !algorithm.Empty() ||
		!parameters.ReadASN1(&derivation, cbasn1.SEQUENCE) || !parameters.ReadASN1(&encryption, cbasn1.SEQUENCE) || !parameters.Empty() ||
		!derivation.ReadASN1ObjectIdentifier(&kdf) || !encryption.ReadASN1ObjectIdentifier(&cbc) {
		return nil, malformed
	}
	if !kdf.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}) || !cbc.Equal(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}) {
		return nil, fmt.Errorf("the private key is encrypted with %v and %v; want PBKDF2 and AES-256-CBC", kdf, cbc)
	}
	if !derivation.ReadASN1(&pbkdf, cbasn1.SEQUENCE) || !derivation.Empty() ||
		!pbkdf.ReadASN1(&salt, cbasn1.OCTET_STRING) || !pbkdf.ReadASN1Integer(&iterations) ||
		!encryption.ReadASN1(&iv, cbasn1.OCTET_STRING) || !encryption.Empty() {
		return nil, malformed
	}
	prf, err := readPRF(pbkdf)
	if err != nil {
		return nil, err
	}
	if iterations < 1 || iterations > maxIterations || len(iv) != aes.BlockSize || len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return nil, malformed
	}
	key, err := pbkdf2.Key(prf, string(passphrase), salt, int(iterations), 32)
	if err != nil {
		return nil, fmt.Errorf("derive key from passphrase: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(text))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, text)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, ErrPassphrase
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, ErrPassphrase
		}
	}
	plain = plain[:len(plain)-pad]
	// A wrong passphrase leaves padding that looks right once in 256 times.
	var inner cryptobyte.String
	rest := cryptobyte.String(plain)
	if !rest.ReadASN1(&inner, cbasn1.SEQUENCE) || !rest.Empty() {
		return nil, ErrPassphrase
	}
	return plain, nil
}

// readPRF reads what may follow the iterations in PBKDF2-params (RFC 8018
// appendix A.2): a key length of 32 and the pseudo-random function, HMAC-SHA1 by default.
func readPRF(pbkdf cryptobyte.String) (func() hash.Hash, error) {
	malformed := errors.New("the encrypted private key is malformed")
	if pbkdf.PeekASN1Tag(cbasn1.INTEGER) {
		var length int64
		if !pbkdf.ReadASN1Integer(&length) || length != 32 {
			return nil, malformed
		}
	}
	if pbkdf.Empty() {
		return sha1.New, nil
	}
	var algorithm cryptobyte.String
	var id asn1.ObjectIdentifier
	if !pbkdf.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !pbkdf.Empty() || !algorithm.ReadASN1ObjectIdentifier(&id) {
		return nil, malformed
	}
	switch {
	case id.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}):
		return sha1.New, nil
	case id.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}):
		return sha256.New, nil
	}
	return nil, fmt.Errorf("the private key is encrypted with the pseudo-random function %v; want HMAC-SHA1 or HMAC-SHA256", id)
}
