package objects

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"countersign/store"
)

const (
	// inlineLimit is the largest content that lives in a record of its own and
	// so needs one commit; more goes to a blob.
	inlineLimit = 64 << 10
	maxUpload   = 5 << 30 // bytes of one PutObject, UploadPart or copy
	minPart     = 5 << 20 // of every part but the last
)

// An expectation is what a client said of the bytes it sends.
type expectation struct {
	length    *int64  // decoded length; nil: not said
	md5       *string // Content-MD5
	algorithm string  // of value, or announced for a trailer; "": none
	value     string  // of a checksum header
	declared  bool    // algorithm was announced by x-amz-sdk-checksum-algorithm
	compute   string  // algorithm to compute when the client names none
	also      string  // algorithm to compute in any case; "": none
	blob      bool    // never inline
}

// content is what was received. Its blob, if any, is durable and provisional.
type content struct {
	size     int64
	md5      [md5.Size]byte
	checksum checksum
	also     checksum // by expectation.also, or as checksum
	inline   []byte
	blob     store.BlobID
}

func (c *content) etag() string { return hex.EncodeToString(c.md5[:]) }

// keep adds to b what makes the bytes part of the version at the record key.
func (c *content) keep(b *store.Batch, at string) {
	if c.blob != "" {
		b.KeepBlob(c.blob)
	} else if c.size > 0 {
		b.Put(kindInline, at, c.inline)
	}
}

// discard drops the blob of content that was refused after it was received. It
// may only be called when no commit that keeps it can have taken effect.
func (s *Service) discard(c *content) {
	if c.blob != "" {
		s.store.Later(new(store.Batch).DropBlob(c.blob))
	}
}

// trailers is implemented by bodies that end in trailing headers, which can be
// read once the body has returned io.EOF. Names are lower-case.
type trailers interface{ Trailer() map[string]string }

// receive reads a body whole, into memory when it is small and into a blob when
// it is not, and holds it against what the client said of it. When it returns
// an error, nothing is left behind.
func (s *Service) receive(ctx context.Context, body io.Reader, want expectation) (*content, error) {
	if err := want.check(); err != nil {
		return nil, err
	}
	if body == nil {
		body = bytes.NewReader(nil)
	}
	c := &content{}
	sum := md5.New()
	digests := want.digests(body)
	into := []io.Writer{sum}
	for _, d := range digests {
		into = append(into, d)
	}
	in := io.TeeReader(io.LimitReader(body, maxUpload+1), io.MultiWriter(into...))

	first := new(bytes.Buffer)
	if want.length != nil && *want.length >= 0 && *want.length <= inlineLimit {
		first.Grow(int(*want.length) + bytes.MinRead)
	}
	size, err := io.CopyN(first, in, inlineLimit+1)
	if err != nil && err != io.EOF {
		return nil, broken(err)
	}
	if size > inlineLimit || want.blob && size > 0 {
		w, werr := s.store.NewBlob(ctx)
		if werr != nil {
			return nil, fmt.Errorf("start a blob: %w", werr)
		}
		closed := false
		defer func() {
			if !closed {
				w.Abort()
			}
		}()
		n, err := pour(w, first, in)
		if err != nil {
			return nil, err
		}
		c.size = n
		if err := want.verify(c, sum, digests, body); err != nil {
			return nil, err
		}
		closed = true
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("finish blob: %w", err)
		}
		c.blob = w.ID()
		return c, nil
	}
	c.size, c.inline = size, first.Bytes()
	if err := want.verify(c, sum, digests, body); err != nil {
		return nil, err
	}
	return c, nil
}

// pour writes what was read already and then the rest into a blob.
func pour(w io.Writer, first *bytes.Buffer, rest io.Reader) (int64, error) {
	size := int64(first.Len())
	if _, err := w.Write(first.Bytes()); err != nil {
		return 0, fmt.Errorf("write blob: %w", err)
	}
	buffer := make([]byte, 256<<10)
	for {
		n, err := rest.Read(buffer)
		size += int64(n)
		if size > maxUpload {
			return 0, tooLarge(size)
		}
		if n > 0 {
			if _, werr := w.Write(buffer[:n]); werr != nil {
				return 0, fmt.Errorf("write blob: %w", werr)
			}
		}
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return 0, broken(err)
		}
	}
}

func tooLarge(size int64) error {
	return refuse(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size").
		field("ProposedSize", decimal(size)).field("MaxSizeAllowed", decimal(int64(maxUpload)))
}

func incomplete() error {
	return refuse(400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
}

// broken explains why a body could not be read. A reader's own refusal (a wrong
// hash, a wrong chunk signature) passes as it is.
func broken(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return incomplete()
	}
	return err
}

// check refuses what can be refused before a byte is read.
func (e *expectation) check() error {
	if e.length != nil && *e.length > maxUpload {
		return tooLarge(*e.length)
	}
	if e.md5 != nil {
		if a, _ := algorithmNamed("MD5"); !a.valid(*e.md5) {
			return refuse(400, "InvalidDigest", "The Content-MD5 you specified was invalid.").field("Content-MD5", *e.md5)
		}
	}
	if e.algorithm == "" {
		return nil
	}
	if err := checkAlgorithm(e.algorithm); err != nil {
		return err
	}
	if a, _ := algorithmNamed(e.algorithm); e.value != "" && !a.valid(e.value) {
		return invalidRequest("Value for " + a.header() + " header is invalid.")
	}
	return nil
}

// digests are the hashes to run over the body: the one that the client named,
// or every one that a trailer may turn out to carry, or the one to compute.
func (e *expectation) digests(body io.Reader) map[string]hash.Hash {
	names := []string{e.algorithm}
	if e.algorithm == "" {
		names[0] = e.compute
		if _, ok := body.(trailers); ok {
			for _, a := range algorithms {
				names = append(names, a.name)
			}
		}
	}
	if e.also != "" {
		names = append(names, e.also)
	}
	digests := map[string]hash.Hash{}
	for _, name := range names {
		a, _ := algorithmNamed(name)
		if digests[a.name] == nil {
			digests[a.name] = a.new()
		}
	}
	return digests
}

// verify holds what was received against what was said, and fills in c's digests.
func (e *expectation) verify(c *content, sum hash.Hash, digests map[string]hash.Hash, body io.Reader) error {
	if c.size > maxUpload {
		return tooLarge(c.size)
	}
	if e.length != nil && c.size != *e.length {
		return incomplete()
	}
	sum.Sum(c.md5[:0])
	if e.md5 != nil && *e.md5 != base64.StdEncoding.EncodeToString(c.md5[:]) {
		return refuse(400, "BadDigest", "The Content-MD5 you specified did not match what we received.").
			field("ExpectedDigest", *e.md5).field("CalculatedDigest", base64.StdEncoding.EncodeToString(c.md5[:]))
	}
	name, value := e.algorithm, e.value
	if t, ok := body.(trailers); ok && value == "" {
		n, v, err := trailing(t.Trailer())
		if err != nil {
			return err
		}
		if v != "" {
			if name != "" && !strings.EqualFold(name, n) {
				return invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
			}
			name, value = n, v
		}
	}
	if value == "" && e.declared {
		return invalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	}
	if value == "" {
		name = e.compute
	}
	a, _ := algorithmNamed(name)
	d := digests[a.name]
	if d == nil {
		return fmt.Errorf("no digest of %s was kept", name)
	}
	computed := base64.StdEncoding.EncodeToString(d.Sum(nil))
	if value != "" && value != computed {
		return refuse(400, "BadDigest", "The "+strings.ToLower(a.name)+" you specified did not match the calculated checksum.")
	}
	c.checksum = checksum{a.name, computed, fullObject}
	c.also = c.checksum
	if d := digests[e.also]; d != nil {
		c.also = checksum{e.also, base64.StdEncoding.EncodeToString(d.Sum(nil)), fullObject}
	}
	return nil
}

// trailing finds the checksum among trailing headers.
func trailing(t map[string]string) (name, value string, err error) {
	for header, v := range t {
		of, ok := strings.CutPrefix(header, "x-amz-checksum-")
		if !ok {
			continue
		}
		if name != "" {
			return "", "", invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		if err := checkAlgorithm(of); err != nil {
			return "", "", err
		}
		a, _ := algorithmNamed(of)
		if !a.valid(v) {
			return "", "", invalidRequest("Value for " + a.header() + " trailing header is invalid.")
		}
		name, value = a.name, v
	}
	return name, value, nil
}
