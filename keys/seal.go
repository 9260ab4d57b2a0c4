package keys

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// The sealed form, version 1:
//
//	magic    4  "CSK" and the version, 0x01
//	master   8  names the master key, so that the wrong one is told apart from damage
//	salt    32  random
//	box         AES-256-GCM of the plaintext, tag last
//
// Key and nonce of the box come from HKDF-SHA256 over the master key and the
// salt, so no nonce is ever used twice with one key, however many values a
// master key seals. The additional data is the header up to the salt's end and
// then the owner, which a reader must name again.
const (
	sealMagic  = "CSK\x01"
	idSize     = 8
	saltSize   = 32
	headerSize = len(sealMagic) + idSize + saltSize
	gcmTag     = 16
)

// Conditions that Open reports.
var (
	// ErrMaster: the value was sealed with another master key.
	ErrMaster = errors.New("sealed with another master key")
	// ErrSealed: the value is damaged, not of a form this version reads, or belongs to another owner.
	ErrSealed = errors.New("sealed value is damaged or belongs to another owner")
)

// A Sealer encrypts private keys and other secrets for storage. It is safe for
// concurrent use.
type Sealer struct {
	master Master
	id     [idSize]byte
}

// NewSealer makes a Sealer for a master key.
func NewSealer(m Master) *Sealer {
	s := &Sealer{master: m}
	copy(s.id[:], s.Derive("countersign master key id", idSize))
	return s
}

// Derive makes n bytes of key material for one purpose from the master key.
// The same purpose always gives the same bytes; bytes of different purposes tell
// nothing of each other or of the master key. It panics if n is over 8160.
func (s *Sealer) Derive(purpose string, n int) []byte {
	out, err := hkdf.Key(sha256.New, s.master.key[:], nil, "countersign derive v1: "+purpose, n)
	if err != nil {
		panic("keys: " + err.Error()) // n is over the limit of HKDF: the caller's mistake
	}
	return out
}

// Seal encrypts plaintext for owner, by custom the ARN of the resource that the
// secret belongs to. Sealed values of one owner do not open as another's, so
// they cannot be swapped in the store.
func (s *Sealer) Seal(rand io.Reader, plaintext []byte, owner string) ([]byte, error) {
	out := make([]byte, headerSize, headerSize+len(plaintext)+gcmTag)
	copy(out, sealMagic)
	copy(out[len(sealMagic):], s.id[:])
	salt := out[headerSize-saltSize:]
	if _, err := io.ReadFull(rand, salt); err != nil {
		return nil, fmt.Errorf("seal for %s: %w", owner, err)
	}
	box, nonce, err := s.box(salt)
	if err != nil {
		return nil, fmt.Errorf("seal for %s: %w", owner, err)
	}
	return box.Seal(out, nonce, plaintext, additional(out, owner)), nil
}

// Open decrypts what Seal made for the same owner. Its errors wrap ErrMaster or
// ErrSealed.
func (s *Sealer) Open(sealed []byte, owner string) ([]byte, error) {
	if len(sealed) < headerSize+gcmTag || string(sealed[:len(sealMagic)]) != sealMagic {
		return nil, fmt.Errorf("open secret of %s: %w", owner, ErrSealed)
	}
	header := sealed[:headerSize]
	if !bytes.Equal(header[len(sealMagic):len(sealMagic)+idSize], s.id[:]) {
		return nil, fmt.Errorf("open secret of %s: %w", owner, ErrMaster)
	}
	box, nonce, err := s.box(header[headerSize-saltSize:])
	if err != nil {
		return nil, fmt.Errorf("open secret of %s: %w", owner, err)
	}
	plain, err := box.Open(nil, nonce, sealed[headerSize:], additional(header, owner))
	if err != nil {
		return nil, fmt.Errorf("open secret of %s: %w", owner, ErrSealed)
	}
	return plain, nil
}

// SealKey seals a private key.
func (s *Sealer) SealKey(rand io.Reader, key crypto.Signer, owner string) ([]byte, error) {
	der, err := Marshal(key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return s.Seal(rand, der, owner)
}

// OpenKey opens what SealKey made for the same owner.
func (s *Sealer) OpenKey(sealed []byte, owner string) (crypto.Signer, error) {
	der, err := s.Open(sealed, owner)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return Parse(der)
}

func (s *Sealer) box(salt []byte) (cipher.AEAD, []byte, error) {
	const keySize, nonceSize = 32, 12
	k, err := hkdf.Key(sha256.New, s.master.key[:], salt, "countersign seal v1", keySize+nonceSize)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(k[:keySize])
	if err != nil {
		return nil, nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, err
	}
	return gcm, k[keySize:], nil
}

// additional is what a box is bound to. The header has a fixed length, so
// header and owner cannot be shifted against each other.
func additional(header []byte, owner string) []byte {
	return append(bytes.Clone(header), owner...)
}
