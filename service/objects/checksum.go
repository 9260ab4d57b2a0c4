package objects

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A checksum is a digest of content as S3 writes it: base64, big-endian. That
// of parts that were hashed one by one is COMPOSITE and ends in "-N".
type checksum struct {
	Algorithm string `json:",omitempty"` // as types.ChecksumAlgorithm
	Value     string `json:",omitempty"`
	Type      string `json:",omitempty"` // FULL_OBJECT or COMPOSITE
}

const (
	fullObject = string(types.ChecksumTypeFullObject)
	composite  = string(types.ChecksumTypeComposite)
)

// Reflected polynomials. CRC-64/NVME is not among those of hash/crc64.
const (
	polyCRC32     = crc32.IEEE
	polyCRC32C    = crc32.Castagnoli
	polyCRC64NVME = 0x9a6c9329ac4bc9b5
)

// An algorithm is one way to make a checksum.
type algorithm struct {
	name string // as in the model; lower-case after x-amz-checksum-
	new  func() hash.Hash
	size int    // bytes
	poly uint64 // of a CRC; 0: parts cannot be combined into a checksum of the whole
}

var crc64NVME = crc64.MakeTable(polyCRC64NVME)

var algorithms = []algorithm{
	{"CRC32", func() hash.Hash { return crc32.NewIEEE() }, 4, polyCRC32},
	{"CRC32C", func() hash.Hash { return crc32.New(crc32.MakeTable(polyCRC32C)) }, 4, polyCRC32C},
	{"CRC64NVME", func() hash.Hash { return crc64.New(crc64NVME) }, 8, polyCRC64NVME},
	{"SHA1", sha1.New, sha1.Size, 0},
	{"SHA256", sha256.New, sha256.Size, 0},
	{"SHA512", sha512.New, sha512.Size, 0},
	{"MD5", md5.New, md5.Size, 0},
}

// defaultAlgorithm is what S3 computes when the client brings nothing.
const defaultAlgorithm = "CRC64NVME"

func algorithmNamed(name string) (algorithm, bool) {
	for _, a := range algorithms {
		if strings.EqualFold(a.name, name) {
			return a, true
		}
	}
	return algorithm{}, false
}

// checkAlgorithm refuses names that are not an algorithm of this package.
func checkAlgorithm(name string) error {
	if _, ok := algorithmNamed(name); ok || name == "" {
		return nil
	}
	if strings.HasPrefix(strings.ToUpper(name), "XXHASH") {
		return notBuilt("x-amz-checksum-algorithm", name+" checksums are not built in this version of Countersign.")
	}
	return invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5]")
}

func (a algorithm) header() string { return "x-amz-checksum-" + strings.ToLower(a.name) }

// valid reports whether value is base64 of a digest of this algorithm.
func (a algorithm) valid(value string) bool {
	b, err := base64.StdEncoding.DecodeString(value)
	return err == nil && len(b) == a.size
}

// combine is the CRC of two pieces joined, from their CRCs and the length of the
// second: the first one's is carried over length zero bytes, that is multiplied
// by x^(8·length) modulo the polynomial, and the second's added.
func (a algorithm) combine(first, second uint64, length int64) uint64 {
	width := uint(8 * a.size)
	return mulmod(first, xpow(uint64(length)*8, a.poly, width), a.poly, width) ^ second
}

// mulmod multiplies two polynomials over GF(2) modulo poly. All are reflected: the
// highest bit of width is x^0.
func mulmod(p, q, poly uint64, width uint) uint64 {
	top := uint64(1) << (width - 1)
	var product uint64
	for ; p != 0; p = p << 1 & (top<<1 - 1) {
		if p&top != 0 {
			product ^= q
		}
		if q&1 != 0 {
			q = q>>1 ^ poly
		} else {
			q >>= 1
		}
	}
	return product
}

// xpow is x^n modulo poly.
func xpow(n, poly uint64, width uint) uint64 {
	result := uint64(1) << (width - 1) // x^0
	for square := uint64(1) << (width - 2); n != 0; n >>= 1 {
		if n&1 != 0 {
			result = mulmod(result, square, poly, width)
		}
		square = mulmod(square, square, poly, width)
	}
	return result
}

// crcValue and crcText translate between a CRC and its written form.
func (a algorithm) crcValue(text string) uint64 {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != a.size {
		return 0
	}
	if a.size == 4 {
		return uint64(binary.BigEndian.Uint32(b))
	}
	return binary.BigEndian.Uint64(b)
}

func (a algorithm) crcText(v uint64) string {
	b := binary.BigEndian.AppendUint64(nil, v)
	return base64.StdEncoding.EncodeToString(b[8-a.size:])
}

// assemble makes the checksum of an object from those of its parts, which must
// all be of this algorithm.
func (a algorithm) assemble(parts []part, kind string) checksum {
	if kind == fullObject {
		var crc uint64
		for _, p := range parts {
			crc = a.combine(crc, a.crcValue(p.Checksum.Value), p.Size)
		}
		return checksum{a.name, a.crcText(crc), fullObject}
	}
	h := a.new()
	for _, p := range parts {
		b, _ := base64.StdEncoding.DecodeString(p.Checksum.Value)
		h.Write(b)
	}
	return checksum{a.name, base64.StdEncoding.EncodeToString(h.Sum(nil)) + "-" + decimal(len(parts)), composite}
}

// fields points to the checksum members that so many SDK structs have.
type fields struct {
	crc32, crc32c, crc64nvme, sha1, sha256, sha512, md5 **string
}

// show writes c into the member of its algorithm.
func (c checksum) show(f fields) {
	if c.Value == "" {
		return
	}
	for name, member := range map[string]**string{
		"CRC32": f.crc32, "CRC32C": f.crc32c, "CRC64NVME": f.crc64nvme, "SHA1": f.sha1, "SHA256": f.sha256, "SHA512": f.sha512, "MD5": f.md5,
	} {
		if name == c.Algorithm {
			*member = aws.String(c.Value)
		}
	}
}

// given collects the checksums that a request carries. More than one is refused.
func given(f fields, xxhash ...*string) (algorithmName, value string, err error) {
	for _, x := range xxhash {
		if x != nil {
			return "", "", notBuilt("x-amz-checksum-xxhash", "xxHash checksums are not built in this version of Countersign.")
		}
	}
	for i, member := range []**string{f.crc32, f.crc32c, f.crc64nvme, f.sha1, f.sha256, f.sha512, f.md5} {
		if *member == nil {
			continue
		}
		if algorithmName != "" {
			return "", "", invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		algorithmName, value = algorithms[i].name, **member
	}
	return algorithmName, value, nil
}
