package rsasign

import (
	"crypto"
	_ "crypto/sha256" // the hashes that digestInfo knows
	_ "crypto/sha512"
	"encoding/binary"
)

// digestInfo is the DER of a DigestInfo up to the digest (RFC 8017, section
// 9.2, note 1), or nil for a hash that is not signed here.
func digestInfo(hash crypto.Hash) []byte {
	var number, size byte
	switch hash {
	case crypto.SHA256:
		number, size = 1, 32
	case crypto.SHA384:
		number, size = 2, 48
	case crypto.SHA512:
		number, size = 3, 64
	default:
		return nil
	}
	return []byte{0x30, 17 + size, 0x30, 13, 0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, number, 0x05, 0, 0x04, size}
}

// encodePKCS1 is EMSA-PKCS1-v1_5 (RFC 8017, section 9.2). size is the length
// of the modulus in bytes, here never too short.
func encodePKCS1(prefix, digest []byte, size int) []byte {
	em := make([]byte, size)
	em[1] = 1
	t := size - len(prefix) - len(digest)
	for i := 2; i < t-1; i++ {
		em[i] = 0xff
	}
	copy(em[t:], prefix)
	copy(em[t+len(prefix):], digest)
	return em
}

// encodePSS is EMSA-PSS (RFC 8017, section 9.1.1) with MGF1 of the same hash,
// for a modulus of modulusBits, a multiple of 8: the encoded message is then as long as
// the modulus and its first bit is zero.
func encodePSS(hash crypto.Hash, digest, salt []byte, modulusBits int) []byte {
	em := make([]byte, modulusBits/8)
	h := hash.New()
	h.Write(make([]byte, 8))
	h.Write(digest)
	h.Write(salt)
	at := len(em) - hash.Size() - 1 // of H; before it the masked data block
	seed := h.Sum(em[:at])[at:]
	em[len(em)-1] = 0xbc

	db := em[:at]
	db[at-len(salt)-1] = 1
	copy(db[at-len(salt):], salt)
	mask := make([]byte, 0, hash.Size())
	for i := 0; i < at; i += hash.Size() {
		h.Reset()
		h.Write(seed)
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(i/hash.Size())))
		mask = h.Sum(mask[:0])
		for j := i; j < min(i+hash.Size(), at); j++ {
			db[j] ^= mask[j-i]
		}
	}
	db[0] &= 0x7f
	return em
}
