package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// masterSize is the length of a master key in bytes.
const masterSize = 32

// A Master is the key that seals every other key of an installation. Whoever
// has it and the store has all private keys. It prints as "[master key]".
type Master struct{ key [masterSize]byte }

// String hides the key from logs and messages.
func (Master) String() string { return "[master key]" }

// GoString hides the key from %#v.
func (Master) GoString() string { return "keys.Master{}" }

// NewMaster makes a master key and returns it with its text form, one line of
// base64, as a file or an environment variable keeps it.
func NewMaster(rand io.Reader) (Master, []byte, error) {
	var m Master
	if _, err := io.ReadFull(rand, m.key[:]); err != nil {
		return Master{}, nil, fmt.Errorf("make master key: %w", err)
	}
	text := base64.StdEncoding.AppendEncode(nil, m.key[:])
	return m, append(text, '\n'), nil
}

// ParseMaster reads a master key's text: 32 bytes as base64 (standard or URL
// alphabet, padded or not) or as 64 hexadecimal digits, with blanks around it.
// It takes what any source gave, a file, an environment variable or the output
// of a command; its errors never repeat the text.
func ParseMaster(text []byte) (Master, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return Master{}, errors.New("the master key is empty: want 32 bytes as base64 or 64 hexadecimal digits")
	}
	var m Master
	if len(text) == hex.EncodedLen(masterSize) {
		if raw, err := hex.AppendDecode(nil, text); err == nil {
			copy(m.key[:], raw)
			return m, nil
		}
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if raw, err := enc.AppendDecode(nil, text); err == nil && len(raw) == masterSize {
			copy(m.key[:], raw)
			return m, nil
		}
	}
	return Master{}, fmt.Errorf("the master key (%d characters) is neither 32 bytes as base64 nor 64 hexadecimal digits", len(text))
}
