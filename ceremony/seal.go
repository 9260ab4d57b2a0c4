package ceremony

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
)

// sealRounds makes guessing a passphrase expensive: about a third of a second
// per guess and core. pki.EncryptPKCS8 has ACM's 2048 rounds, which are for a file
// in transit, not for a root in a drawer.
const sealRounds = 1_000_000

// The structures of RFC 8018, appendix A.
type (
	encrypted struct {
		Algorithm pbes2
		Data      []byte
	}
	pbes2 struct {
		ID         asn1.ObjectIdentifier
		Parameters struct {
			KDF    pbkdf2ID
			Cipher cbcID
		}
	}
	pbkdf2ID struct {
		ID         asn1.ObjectIdentifier
		Parameters struct {
			Salt       []byte
			Iterations int
			PRF        pkix.AlgorithmIdentifier
		}
	}
	cbcID struct {
		ID asn1.ObjectIdentifier
		IV []byte
	}
)

// seal encrypts a PKCS#8 key into an EncryptedPrivateKeyInfo (RFC 5958) that
// OpenSSL and pki.DecryptPKCS8 open: PBES2, PBKDF2 with HMAC-SHA256, AES-256-CBC.
func seal(der, passphrase []byte, random io.Reader) ([]byte, error) {
	seed := make([]byte, 16+aes.BlockSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("draw salt: %w", err)
	}
	var out encrypted
	out.Algorithm.ID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	kdf, block := &out.Algorithm.Parameters.KDF, &out.Algorithm.Parameters.Cipher
	kdf.ID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	kdf.Parameters.Salt, kdf.Parameters.Iterations = seed[:16], sealRounds
	kdf.Parameters.PRF = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}, Parameters: asn1.NullRawValue}
	block.ID, block.IV = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, seed[16:]

	key, err := pbkdf2.Key(sha256.New, string(passphrase), seed[:16], sealRounds, 32)
	if err != nil {
		return nil, fmt.Errorf("derive key from passphrase: %w", err)
	}
	defer clear(key)
	c, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	pad := aes.BlockSize - len(der)%aes.BlockSize
	out.Data = make([]byte, len(der)+pad)
	for i := copy(out.Data, der); i < len(out.Data); i++ {
		out.Data[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(c, block.IV).CryptBlocks(out.Data, out.Data)
	return asn1.Marshal(out)
}
