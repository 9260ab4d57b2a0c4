package pki

import (
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"strings"
)

// A Serial is the serial number of a certificate issued here: 16 octets, the
// first between 1 and 127, so that it is a positive INTEGER of exactly 16
// octets (RFC 5280 section 4.1.2.2 allows 20) and always 32 hex digits.
type Serial [16]byte

// NewSerial draws a serial number from random.
func NewSerial(random io.Reader) (Serial, error) {
	var s Serial
	for s[0] == 0 {
		if _, err := io.ReadFull(random, s[:]); err != nil {
			return Serial{}, fmt.Errorf("draw serial number: %w", err)
		}
		s[0] &= 0x7f
	}
	return s, nil
}

// Hex is the form of certificate ARNs: 32 lower-case digits.
func (s Serial) Hex() string { return hex.EncodeToString(s[:]) }

// Colons is the form of audit reports: lower-case pairs with colons.
func (s Serial) Colons() string { return SerialColons(s.Int()) }

// Int is the number.
func (s Serial) Int() *big.Int { return new(big.Int).SetBytes(s[:]) }

// ParseSerial reads a serial number in hexadecimal, of any case, with or
// without colons, of at most 20 octets. A sign or an empty string is an error.
func ParseSerial(text string) (*big.Int, error) {
	digits := text
	if strings.Contains(text, ":") {
		for _, pair := range strings.Split(text, ":") {
			if len(pair) != 2 {
				return nil, fmt.Errorf("%q is not a serial number: want pairs of hex digits between colons", text)
			}
		}
		digits = strings.ReplaceAll(text, ":", "")
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("%q is not a serial number: want hex digits", text)
	}
	n := new(big.Int).SetBytes(b)
	if n.BitLen() > 160 {
		return nil, fmt.Errorf("%q is not a serial number: more than 20 octets", text)
	}
	return n, nil
}

// SerialHex writes n as lower-case hex digits of even length.
func SerialHex(n *big.Int) string {
	if n.Sign() == 0 {
		return "00"
	}
	h := hex.EncodeToString(n.Bytes())
	if n.Sign() < 0 {
		h = "-" + h
	}
	return h
}

// SerialColons writes n as lower-case hex pairs between colons.
func SerialColons(n *big.Int) string {
	h := strings.TrimPrefix(SerialHex(n), "-")
	pairs := make([]string, 0, len(h)/2)
	for i := 0; i < len(h); i += 2 {
		pairs = append(pairs, h[i:i+2])
	}
	if n.Sign() < 0 {
		return "-" + strings.Join(pairs, ":")
	}
	return strings.Join(pairs, ":")
}

// SerialOpenSSL writes n as OpenSSL prints serial numbers and API Gateway puts
// them into events: decimal up to eight octets, hex pairs with colons above.
func SerialOpenSSL(n *big.Int) string {
	if n.BitLen() <= 64 {
		return n.String()
	}
	return SerialColons(n)
}
