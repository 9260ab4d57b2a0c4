package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/asn1"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Parameters of the encrypted keys that ACM's ExportCertificate returns.
const (
	pbkdf2Iterations = 2048
	pbkdf2SaltBytes  = 20
)

// EncryptPKCS8 encrypts a PKCS#8 PrivateKeyInfo under passphrase into an
// EncryptedPrivateKeyInfo (RFC 5958) in the very form of ACM's
// ExportCertificate: PBES2, PBKDF2 with HMAC-SHA1 by omission of prf, 2048
// rounds, 20 octets of salt, AES-256-CBC. The passphrase is used byte for byte.
func EncryptPKCS8(der, passphrase []byte, random io.Reader) ([]byte, error) {
	seed := make([]byte, pbkdf2SaltBytes+aes.BlockSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("draw salt: %w", err)
	}
	salt, iv := seed[:pbkdf2SaltBytes], seed[pbkdf2SaltBytes:]
	key, err := pbkdf2.Key(sha1.New, string(passphrase), salt, pbkdf2Iterations, 32)
	if err != nil {
		return nil, fmt.Errorf("derive key from passphrase: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("encrypt private key: %w", err)
	}
	// PKCS#7 padding: always at least one octet.
	pad := aes.BlockSize - len(der)%aes.BlockSize
	text := make([]byte, len(der)+pad)
	copy(text, der)
	for i := len(der); i < len(text); i++ {
		text[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)

	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}) // PBES2
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}) // PBKDF2
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1OctetString(salt)
						b.AddASN1Int64(pbkdf2Iterations)
					})
				})
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}) // aes256-CBC
					b.AddASN1OctetString(iv)
				})
			})
		})
		b.AddASN1OctetString(text)
	})
	return b.Bytes()
}
