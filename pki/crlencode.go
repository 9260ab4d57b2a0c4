package pki

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A CRLTemplate is everything of a CRL but its entries.
type CRLTemplate struct {
	Issuer     *x509.Certificate // the CA's certificate: its name, and its subject key identifier for the AKI
	Algorithm  Algorithm
	Number     *big.Int // at most 20 octets (RFC 5280 section 5.2.3), never below that of an earlier list
	ThisUpdate time.Time
	NextUpdate time.Time
	// Point is the URI of the distribution point that a partition of a CRL is for,
	// to the letter that of its certificates; it goes into a critical
	// issuingDistributionPoint. Empty for a list that covers all.
	Point string
}

// A CRLEncoder writes a CRL entry by entry: it holds the encoded octets and
// nothing else, some 50 per entry, where crypto/x509 holds more than a thousand.
// It is for one list and one goroutine.
type CRLEncoder struct {
	template  CRLTemplate
	algorithm *algorithm
	entries   chunks
	count     int

	at   int64 // the last revocation time, and its encoding: lists have many of the same second
	time []byte
	err  error
}

// NewCRLEncoder starts a list.
func NewCRLEncoder(t CRLTemplate) (*CRLEncoder, error) {
	alg, err := t.Algorithm.lookup()
	if err != nil {
		return nil, err
	}
	switch {
	case t.Issuer == nil:
		return nil, errors.New("encode CRL: no issuer")
	case t.Number == nil || t.Number.Sign() < 0 || t.Number.BitLen() > 159:
		return nil, fmt.Errorf("encode CRL: the number %v does not fit into 20 octets", t.Number)
	case !t.NextUpdate.After(t.ThisUpdate):
		return nil, fmt.Errorf("encode CRL: the next update, %s, is not after this one, %s", t.NextUpdate, t.ThisUpdate)
	}
	return &CRLEncoder{template: t, algorithm: alg}, nil
}

// reasonExtension is the entry extension reasonCode but for its last octet, the
// code (RFC 5280 section 5.3.1).
var reasonExtension = []byte{0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01}

// Add adds a revoked certificate. Its serial number must not have been added
// before, which is not checked. Reason 0, unspecified, is left out, as RFC 5280
// section 5.3.1 asks for. Faults come out in Sign.
func (e *CRLEncoder) Add(serial Serial, at time.Time, reason int) {
	if reason < 0 || reason > 10 || reason == 7 {
		e.err = fmt.Errorf("encode CRL: %d is no reason code", reason)
		return
	}
	if second := at.Unix(); e.time == nil || second != e.at {
		var b cryptobyte.Builder
		addTime(&b, at)
		encoded, err := b.Bytes()
		if err != nil {
			e.err = fmt.Errorf("encode CRL: revocation at %s: %w", at, err)
			return
		}
		e.at, e.time = second, encoded
	}
	// A serial of ours is 16 octets of which the first is 1 to 127: then it is
	// its own INTEGER. Those that came with an imported CA may be shorter.
	digits, pad := serial[:], 0
	for len(digits) > 1 && digits[0] == 0 {
		digits = digits[1:]
	}
	if digits[0] >= 0x80 {
		pad = 1
	}
	size := 2 + pad + len(digits) + len(e.time)
	if reason != 0 {
		size += len(reasonExtension) + 1
	}
	b := e.entries.room(2 + size) // size is below 128: one octet of length
	b = append(b, 0x30, byte(size), 0x02, byte(pad+len(digits)))
	if pad == 1 {
		b = append(b, 0)
	}
	b = append(b, digits...)
	b = append(b, e.time...)
	if reason != 0 {
		b = append(append(b, reasonExtension...), byte(reason))
	}
	e.entries.keep(b)
	e.count++
}

// Sign ends the list and signs it. The key must be the issuer's.
func (e *CRLEncoder) Sign(key crypto.Signer) (*EncodedCRL, error) {
	if e.err != nil {
		return nil, e.err
	}
	t := e.template
	if err := t.Algorithm.Check(key.Public()); err != nil {
		return nil, err
	}
	if !SameKey(t.Issuer.PublicKey, key.Public()) {
		return nil, fmt.Errorf("sign CRL of %q: the key is not the issuer's", ReversedName(t.Issuer.RawSubject))
	}
	head, tail, err := e.around()
	if err != nil {
		return nil, fmt.Errorf("encode CRL of %q: %w", ReversedName(t.Issuer.RawSubject), err)
	}
	tbs := &chunks{}
	tbs.add(header(cbasn1.SEQUENCE, len(head)+e.entries.size+len(tail)), head)
	tbs.blocks = append(tbs.blocks, e.entries.blocks...)
	tbs.size += e.entries.size
	tbs.add(tail)

	digest := e.algorithm.hash.New()
	tbs.hash(digest)
	signature, err := e.algorithm.signDigest(digest.Sum(nil), key)
	if err != nil {
		return nil, fmt.Errorf("sign CRL of %q: %w", ReversedName(t.Issuer.RawSubject), err)
	}
	var b cryptobyte.Builder
	b.AddBytes(e.algorithm.identifier)
	b.AddASN1BitString(signature)
	end, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode CRL of %q: %w", ReversedName(t.Issuer.RawSubject), err)
	}
	whole := &chunks{}
	whole.add(header(cbasn1.SEQUENCE, tbs.size+len(end)))
	whole.blocks = append(whole.blocks, tbs.blocks...)
	whole.size += tbs.size
	whole.add(end)
	return &EncodedCRL{chunks: *whole, entries: e.count}, nil
}

// around is what stands before and after the entries in the to-be-signed list
// (RFC 5280 section 5.1.2). The list of entries is absent when it is empty.
func (e *CRLEncoder) around() (head, tail []byte, err error) {
	t := e.template
	authorityKey := t.Issuer.SubjectKeyId
	if len(authorityKey) == 0 {
		if authorityKey, err = keyID(t.Issuer.RawSubjectPublicKeyInfo); err != nil {
			return nil, nil, err
		}
	}
	var b cryptobyte.Builder
	b.AddASN1Int64(1) // v2
	b.AddBytes(e.algorithm.identifier)
	b.AddBytes(t.Issuer.RawSubject)
	addTime(&b, t.ThisUpdate)
	addTime(&b, t.NextUpdate)
	if e.count > 0 {
		b.AddBytes(header(cbasn1.SEQUENCE, e.entries.size))
	}
	if head, err = b.Bytes(); err != nil {
		return nil, nil, err
	}
	constructed := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	var x cryptobyte.Builder
	x.AddASN1(constructed(0), func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			// The order seen in lists of AWS: AKI, CRL number.
			addExtension(b, oidAuthorityKeyID, false, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(authorityKey) })
				})
			})
			addExtension(b, oidCRLNumber, false, func(b *cryptobyte.Builder) { b.AddASN1BigInt(t.Number) })
			if t.Point == "" {
				return
			}
			// Section 5.2.5: critical, and the name that the certificates carry.
			addExtension(b, oidIssuingDistributionPoint, true, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(constructed(0), func(b *cryptobyte.Builder) {
						b.AddASN1(constructed(0), func(b *cryptobyte.Builder) {
							b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(t.Point)) })
						})
					})
				})
			})
		})
	})
	tail, err = x.Bytes()
	return head, tail, err
}

// header writes tag and length of an element of n octets.
func header(tag cbasn1.Tag, n int) []byte {
	switch {
	case n < 0x80:
		return []byte{byte(tag), byte(n)}
	case n < 1<<8:
		return []byte{byte(tag), 0x81, byte(n)}
	case n < 1<<16:
		return []byte{byte(tag), 0x82, byte(n >> 8), byte(n)}
	case n < 1<<24:
		return []byte{byte(tag), 0x83, byte(n >> 16), byte(n >> 8), byte(n)}
	}
	return []byte{byte(tag), 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// An EncodedCRL is a signed list in DER. It never changes.
type EncodedCRL struct {
	chunks
	entries int
}

// Entries is the number of certificates on the list.
func (c *EncodedCRL) Entries() int { return c.entries }

// Len is the number of octets.
func (c *EncodedCRL) Len() int { return c.size }

// NewReader reads the list from its beginning.
func (c *EncodedCRL) NewReader() io.Reader { return &chunkReader{blocks: c.blocks} }

// chunkSize holds some 20,000 entries: large enough that a list is a few dozen
// of them, small enough that the last, half empty one does not matter.
const chunkSize = 1 << 20

// chunks are octets in pieces, so that a list can grow without being copied.
type chunks struct {
	blocks [][]byte
	size   int
}

// room is space for n more octets in one piece; keep takes it in again when they
// were appended.
func (c *chunks) room(n int) []byte {
	last := len(c.blocks) - 1
	if last < 0 || cap(c.blocks[last])-len(c.blocks[last]) < n {
		// The first one is small: most lists are short.
		size := chunkSize
		if last < 0 {
			size = 4 << 10
		}
		c.blocks = append(c.blocks, make([]byte, 0, max(n, size)))
		last++
	}
	return c.blocks[last]
}

func (c *chunks) keep(b []byte) {
	last := len(c.blocks) - 1
	c.size += len(b) - len(c.blocks[last])
	c.blocks[last] = b
}

// add appends whole pieces, which must not change any more.
func (c *chunks) add(pieces ...[]byte) {
	for _, p := range pieces {
		c.blocks = append(c.blocks, p)
		c.size += len(p)
	}
}

func (c *chunks) hash(h hash.Hash) {
	for _, b := range c.blocks {
		h.Write(b)
	}
}

type chunkReader struct {
	blocks [][]byte
	at     int // in the first one
}

func (r *chunkReader) Read(p []byte) (int, error) {
	n := 0
	for len(r.blocks) > 0 && n < len(p) {
		copied := copy(p[n:], r.blocks[0][r.at:])
		n += copied
		if r.at += copied; r.at == len(r.blocks[0]) {
			r.blocks, r.at = r.blocks[1:], 0
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}
