package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/maphash"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var oidReasonCode = oid{2, 5, 29, 21}

const reasonName = "\x06\x03\x55\x1d\x15" // oidReasonCode, encoded

// splitCRL parts a list into its entries (the content of revokedCertificates)
// and the same list without them, which crypto/x509 then parses at no cost: it
// needs more than a kilobyte for an entry, and the entries are all that is large.
func splitCRL(data []byte) (entries []byte, without *x509.RevocationList, tbs []byte, err error) {
	bad := errors.New("the CRL is malformed")
	input := cryptobyte.String(data)
	var whole, element cryptobyte.String
	if !input.ReadASN1(&whole, cbasn1.SEQUENCE) || !input.Empty() || !whole.ReadASN1Element(&element, cbasn1.SEQUENCE) {
		return nil, nil, nil, bad
	}
	end, tbs := whole, element // signatureAlgorithm and signatureValue
	var fields cryptobyte.String
	if !element.ReadASN1(&fields, cbasn1.SEQUENCE) {
		return nil, nil, nil, bad
	}
	rest := fields
	if !rest.PeekASN1Tag(cbasn1.INTEGER) {
		return nil, nil, nil, fmt.Errorf("%w: it is not of version 2", bad)
	}
	if !rest.SkipASN1(cbasn1.INTEGER) || !rest.SkipASN1(cbasn1.SEQUENCE) || !rest.SkipASN1(cbasn1.SEQUENCE) || !skipTime(&rest) {
		return nil, nil, nil, bad
	}
	if (rest.PeekASN1Tag(cbasn1.UTCTime) || rest.PeekASN1Tag(cbasn1.GeneralizedTime)) && !skipTime(&rest) {
		return nil, nil, nil, bad
	}
	head := fields[:len(fields)-len(rest)]
	if rest.PeekASN1Tag(cbasn1.SEQUENCE) {
		var list cryptobyte.String
		if !rest.ReadASN1(&list, cbasn1.SEQUENCE) {
			return nil, nil, nil, bad
		}
		entries = list
	}
	extensions := rest
	if rest.PeekASN1Tag(cbasn1.Tag(0).ContextSpecific().Constructed()) && !rest.SkipASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) || !rest.Empty() {
		return nil, nil, nil, bad
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(head)
			b.AddBytes(extensions)
		})
		b.AddBytes(end)
	})
	short, err := b.Bytes()
	if err != nil {
		return nil, nil, nil, bad
	}
	if without, err = x509.ParseRevocationList(short); err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", bad, err)
	}
	return entries, without, tbs, nil
}

func skipTime(s *cryptobyte.String) bool {
	// Not one after the other: a skip that fails may have moved on.
	if s.PeekASN1Tag(cbasn1.GeneralizedTime) {
		return s.SkipASN1(cbasn1.GeneralizedTime)
	}
	return s.SkipASN1(cbasn1.UTCTime)
}

// A crlEntry is an entry of revokedCertificates, still encoded but for its parts.
type crlEntry struct {
	serial     []byte // content of the INTEGER
	at         cryptobyte.String
	extensions cryptobyte.String // content of the SEQUENCE; empty: none
}

// nextEntry takes one entry off the front of list.
func nextEntry(list *cryptobyte.String) (crlEntry, bool) {
	var e crlEntry
	var fields, serial, extensions cryptobyte.String
	if !list.ReadASN1(&fields, cbasn1.SEQUENCE) || !fields.ReadASN1(&serial, cbasn1.INTEGER) || !minimal(serial) {
		return e, false
	}
	at := fields
	if !skipTime(&fields) {
		return e, false
	}
	e.serial, e.at = serial, at[:len(at)-len(fields)]
	if !fields.Empty() && !fields.ReadASN1(&extensions, cbasn1.SEQUENCE) {
		return e, false
	}
	e.extensions = extensions
	return e, fields.Empty()
}

// minimal reports whether the content of an INTEGER is DER (X.690 section 8.3.2).
func minimal(b []byte) bool {
	return len(b) == 1 || len(b) > 1 && !(b[0] == 0 && b[1] < 0x80) && !(b[0] == 0xff && b[1] >= 0x80)
}

// revocation decodes an entry. unknown is a critical extension.
func (e crlEntry) revocation() (r Revocation, unknown oid, ok bool) {
	if r.At, ok = readTime(e.at); !ok {
		return r, nil, false
	}
	for rest := e.extensions; !rest.Empty(); {
		var extension, value, name cryptobyte.String
		var critical bool
		if !rest.ReadASN1(&extension, cbasn1.SEQUENCE) || !extension.ReadASN1Element(&name, cbasn1.OBJECT_IDENTIFIER) {
			return r, nil, false
		}
		if extension.PeekASN1Tag(cbasn1.BOOLEAN) && !extension.ReadASN1Boolean(&critical) {
			return r, nil, false
		}
		if !extension.ReadASN1(&value, cbasn1.OCTET_STRING) || !extension.Empty() {
			return r, nil, false
		}
		id := oidReasonCode
		reason := string(name) == reasonName // nearly always, and then nothing is allocated
		if !reason && !name.ReadASN1ObjectIdentifier(&id) {
			return r, nil, false
		}
		if reason && (!value.ReadASN1Enum(&r.Reason) || !value.Empty()) {
			return r, nil, false
		}
		if critical {
			unknown = id
		}
	}
	return r, unknown, true
}

// readTime reads a UTCTime or GeneralizedTime element. Nearly all are of 13
// digits and a Z, which needs no layout.
func readTime(s cryptobyte.String) (time.Time, bool) {
	if len(s) == 15 && s[0] == byte(cbasn1.UTCTime) && s[14] == 'Z' {
		var n [6]int
		plain := true
		for i := range n {
			tens, units := s[2+2*i]-'0', s[3+2*i]-'0'
			plain = plain && tens <= 9 && units <= 9
			n[i] = int(tens)*10 + int(units)
		}
		// Days that not every month has are left to the slow way.
		if plain && 1 <= n[1] && n[1] <= 12 && 1 <= n[2] && n[2] <= 28 && n[3] < 24 && n[4] < 60 && n[5] < 60 {
			year := 2000 + n[0]
			if year >= 2050 { // RFC 5280 section 4.1.2.5.1
				year -= 100
			}
			return time.Date(year, time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC), true
		}
	}
	var t time.Time
	if s.PeekASN1Tag(cbasn1.UTCTime) {
		return t, s.ReadASN1UTCTime(&t) && s.Empty()
	}
	return t, s.ReadASN1GeneralizedTime(&t) && s.Empty()
}

// A crlIndex finds the entries of a list by serial number: a table of where
// they stand, some 8 octets per entry.
type crlIndex struct {
	entries cryptobyte.String
	slots   []uint32 // position in entries, plus one; 0: free
	seed    maphash.Seed
	count   int
}

// newCRLIndex checks every entry and indexes them. unknown is a critical
// extension of some entry.
func newCRLIndex(entries []byte) (x *crlIndex, unknown oid, err error) {
	bad := errors.New("the CRL is malformed: one of its entries")
	x = &crlIndex{entries: entries, seed: maphash.MakeSeed()}
	for rest := x.entries; !rest.Empty(); x.count++ {
		if x.count == MaxCRLEntries {
			return nil, nil, fmt.Errorf("the CRL has more than %d entries", MaxCRLEntries)
		}
		e, ok := nextEntry(&rest)
		if !ok {
			return nil, nil, bad
		}
		_, critical, ok := e.revocation()
		if !ok {
			return nil, nil, bad
		}
		if critical != nil {
			unknown = critical
		}
	}
	size := 1
	for size < 2*x.count {
		size *= 2
	}
	x.slots = make([]uint32, size)
	for rest := x.entries; !rest.Empty(); {
		at := len(x.entries) - len(rest)
		e, _ := nextEntry(&rest)
		slot, twice := x.find(e.serial)
		if twice {
			return nil, nil, fmt.Errorf("the CRL names the serial number %x twice", e.serial)
		}
		x.slots[slot] = uint32(at + 1)
	}
	return x, unknown, nil
}

// find returns the slot of a serial number, and whether it is taken.
func (x *crlIndex) find(serial []byte) (slot int, taken bool) {
	mask := len(x.slots) - 1
	for slot = int(maphash.Bytes(x.seed, serial)) & mask; ; slot = (slot + 1) & mask {
		at := x.slots[slot]
		if at == 0 {
			return slot, false
		}
		rest := x.entries[at-1:]
		if e, _ := nextEntry(&rest); bytes.Equal(e.serial, serial) {
			return slot, true
		}
	}
}

// lookup finds the entry of a serial number.
func (x *crlIndex) lookup(serial *big.Int) (Revocation, bool) {
	if x.count == 0 || serial.Sign() < 0 {
		return Revocation{}, false
	}
	content := serial.Bytes()
	if len(content) == 0 || content[0] >= 0x80 {
		content = append([]byte{0}, content...)
	}
	slot, ok := x.find(content)
	if !ok {
		return Revocation{}, false
	}
	rest := x.entries[x.slots[slot]-1:]
	e, _ := nextEntry(&rest)
	r, _, _ := e.revocation()
	return r, true
}
