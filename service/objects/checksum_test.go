package objects

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func sha256Of(s string) *string {
	sum := sha256.Sum256([]byte(s))
	return aws.String(base64.StdEncoding.EncodeToString(sum[:]))
}

// The check values of the CRC catalogue, and what S3 answers for "hello" where it was recorded.
func TestKnownChecksums(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888",
		"SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441", "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
	} {
		a, ok := algorithmNamed(name)
		if !ok {
			t.Fatalf("no algorithm %s", name)
		}
		h := a.new()
		io.WriteString(h, "123456789")
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s of 123456789: got %s, want %s", name, got, want)
		}
	}
	a, _ := algorithmNamed("crc32")
	h := a.new()
	io.WriteString(h, "hello")
	if got := base64.StdEncoding.EncodeToString(h.Sum(nil)); got != "NhCmhg==" {
		t.Errorf("CRC32 of hello: got %s", got)
	}
}

// A CRC combined from pieces is the CRC of the whole.
func TestCombine(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, a := range algorithms {
		if a.poly == 0 {
			continue
		}
		for range 50 {
			var parts []part
			whole := a.new()
			for range 1 + r.IntN(5) {
				piece := make([]byte, r.IntN(3000))
				for i := range piece {
					piece[i] = byte(r.Uint32())
				}
				h := a.new()
				h.Write(piece)
				whole.Write(piece)
				parts = append(parts, part{Size: int64(len(piece)), Checksum: checksum{Algorithm: a.name, Value: base64.StdEncoding.EncodeToString(h.Sum(nil))}})
			}
			if got, want := a.assemble(parts, fullObject).Value, base64.StdEncoding.EncodeToString(whole.Sum(nil)); got != want {
				t.Fatalf("%s of %d parts: got %s, want %s", a.name, len(parts), got, want)
			}
		}
	}
}

func TestChecksums(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	for _, a := range algorithms {
		h := a.new()
		io.WriteString(h, "hello")
		value := base64.StdEncoding.EncodeToString(h.Sum(nil))
		in := &s3.PutObjectInput{Bucket: &b, Key: &a.name, Body: strings.NewReader("hello"), ChecksumAlgorithm: types.ChecksumAlgorithm(a.name)}
		*map[string]**string{"CRC32": &in.ChecksumCRC32, "CRC32C": &in.ChecksumCRC32C, "CRC64NVME": &in.ChecksumCRC64NVME, "SHA1": &in.ChecksumSHA1,
			"SHA256": &in.ChecksumSHA256, "SHA512": &in.ChecksumSHA512, "MD5": &in.ChecksumMD5}[a.name] = &value
		put, err := w.PutObject(w.ctx(), in)
		if err != nil {
			t.Fatalf("%s: %v", a.name, err)
		}
		out, err := w.HeadObject(w.ctx(), &s3.HeadObjectInput{Bucket: &b, Key: &a.name, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		for _, members := range [][]*string{
			{put.ChecksumCRC32, put.ChecksumCRC32C, put.ChecksumCRC64NVME, put.ChecksumSHA1, put.ChecksumSHA256, put.ChecksumSHA512, put.ChecksumMD5},
			{out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256, out.ChecksumSHA512, out.ChecksumMD5},
		} {
			for i, m := range members {
				switch {
				case algorithms[i].name == a.name && aws.ToString(m) != value:
					t.Errorf("%s: got %v, want %s", a.name, aws.ToString(m), value)
				case algorithms[i].name != a.name && m != nil:
					t.Errorf("%s: %s is set too", a.name, algorithms[i].name)
				}
			}
		}
		if out.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%s: type %s", a.name, out.ChecksumType)
		}
		plain, err := w.HeadObject(w.ctx(), &s3.HeadObjectInput{Bucket: &b, Key: &a.name})
		if err != nil || plain.ChecksumType != "" || plain.ChecksumCRC32 != nil {
			t.Errorf("%s: shown without being asked for: %+v %v", a.name, plain, err)
		}
	}
	if out := w.put(b, "none", "hello"); aws.ToString(out.ChecksumCRC64NVME) != "M3eFcAZSQlc=" {
		t.Errorf("no default checksum: %+v", out)
	}
	attributes, err := w.GetObjectAttributes(w.ctx(), &s3.GetObjectAttributesInput{Bucket: &b, Key: aws.String("SHA1"), ObjectAttributes: types.ObjectAttributes("").Values()})
	if err != nil {
		t.Fatal(err)
	}
	if *attributes.ETag != "5d41402abc4b2a76b9719d911017c592" || *attributes.ObjectSize != 5 || attributes.Checksum.ChecksumSHA1 == nil ||
		attributes.StorageClass != types.StorageClassStandard || attributes.ObjectParts != nil {
		t.Errorf("attributes: %+v", attributes)
	}
}

// trailed is a body with trailing headers.
type trailed struct {
	io.Reader
	trailer map[string]string
}

func (b trailed) Trailer() map[string]string { return b.trailer }

func TestTrailingChecksum(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	put := func(algorithm string, trailer map[string]string) (*s3.PutObjectOutput, error) {
		return w.PutObject(w.ctx(), &s3.PutObjectInput{Bucket: &b, Key: aws.String("k"), ContentLength: aws.Int64(5),
			Body: trailed{strings.NewReader("hello"), trailer}, ChecksumAlgorithm: types.ChecksumAlgorithm(algorithm)})
	}
	for _, algorithm := range []string{"CRC32", ""} {
		out, err := put(algorithm, map[string]string{"x-amz-checksum-crc32": "NhCmhg=="})
		if err != nil || aws.ToString(out.ChecksumCRC32) != "NhCmhg==" {
			t.Fatalf("%q: %+v %v", algorithm, out, err)
		}
	}
	out, err := put("", nil)
	if err != nil || out.ChecksumCRC64NVME == nil || out.ChecksumCRC32 != nil {
		t.Fatalf("without: %+v %v", out, err)
	}
	_, err = put("CRC32", map[string]string{"x-amz-checksum-crc32": "AAAAAA=="})
	says(t, err, 400, "BadDigest", "The crc32 you specified did not match the calculated checksum.")
	for _, c := range []struct {
		algorithm string
		trailer   map[string]string
	}{
		{"CRC32", nil},
		{"CRC32", map[string]string{"x-amz-checksum-sha1": "qvTGHdzF6KLavt4PO0gs2a6pQ00="}},
		{"", map[string]string{"x-amz-checksum-crc32": "short"}},
		{"", map[string]string{"x-amz-checksum-crc32": "NhCmhg==", "x-amz-checksum-crc32c": "mnG7TA=="}},
		{"", map[string]string{"x-amz-checksum-adler": "NhCmhg=="}},
	} {
		_, err = put(c.algorithm, c.trailer)
		refused(t, err, 400, "InvalidRequest")
	}
	w.want(b, "k", nil, "hello")
}
