package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// What X-Amz-Content-Sha256 may say in place of a hash.
const (
	UnsignedPayload          = "UNSIGNED-PAYLOAD"
	StreamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// EmptyHash is the SHA-256 of no bytes.
const EmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// MaxObject is the longest body in one request, 5 GiB as S3 has it.
const MaxObject = 5 << 30

// HashPayload is the payload hash of a body that is held whole.
func HashPayload(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// A Body is the payload of a request to S3, without framing. Read returns
// io.EOF only when length, hash, chunk signatures and trailers are what the
// head of the request promised; otherwise its last error is a *BodyError, and
// what was read before it must be thrown away. It is for one goroutine.
type Body struct {
	io.Reader
	closer  io.Closer
	length  int64
	trailer func() map[string]string
}

// Close closes the request's own body.
func (b *Body) Close() error { return b.closer.Close() }

// Length is the number of bytes that Read will give, or -1 when the request
// does not say.
func (b *Body) Length() int64 { return b.length }

// Trailer has the trailers of an aws-chunked body under lower-case names, once
// Read has returned io.EOF; before that, and for other bodies, it is empty.
func (b *Body) Trailer() map[string]string {
	if b.trailer == nil {
		return nil
	}
	return b.trailer()
}

// NewBody reads the body of r as payloadHash says it is made. Proof is that
// of the request, or nil for an anonymous one, which cannot have signed
// chunks. Errors are *BodyError.
func NewBody(r *http.Request, payloadHash string, proof *Proof) (*Body, error) {
	raw := &rawBody{r: r.Body}
	switch payloadHash {
	case "", UnsignedPayload:
		if r.ContentLength > MaxObject {
			return nil, errTooLarge
		}
		return &Body{Reader: &limited{r: raw, left: MaxObject}, closer: r.Body, length: r.ContentLength}, nil
	case StreamingSigned, StreamingSignedTrailer, StreamingUnsignedTrailer:
		n, err := decodedLength(r)
		if err != nil {
			return nil, err
		}
		signed := payloadHash != StreamingUnsignedTrailer
		if signed && proof == nil {
			return nil, errChunkSig
		}
		c := newChunked(raw, n)
		if signed {
			c.sign(proof)
		}
		if payloadHash != StreamingSigned {
			if err := c.expectTrailers(r.Header.Values("X-Amz-Trailer")); err != nil {
				return nil, err
			}
		}
		return &Body{Reader: c, closer: r.Body, length: n, trailer: c.Trailer}, nil
	}
	if strings.HasPrefix(payloadHash, "STREAMING-") {
		return nil, &BodyError{"NotImplemented", "The x-amz-content-sha256 value " + clip(payloadHash) + " is not supported. Use " + StreamingSigned + " or " + StreamingUnsignedTrailer + ".", 501}
	}
	want, err := hex.DecodeString(payloadHash)
	if err != nil || len(want) != sha256.Size {
		return nil, &BodyError{"InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.", 400}
	}
	if r.ContentLength > MaxObject {
		return nil, errTooLarge
	}
	h := &hashed{r: &limited{r: raw, left: MaxObject}, sum: sha256.New(), want: want}
	return &Body{Reader: h, closer: r.Body, length: r.ContentLength}, nil
}

var errTooLarge = &BodyError{"EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400}

func decodedLength(r *http.Request) (int64, error) {
	s := r.Header.Get("X-Amz-Decoded-Content-Length")
	if s == "" {
		return 0, errNoLength
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || s[0] == '+' {
		return 0, &BodyError{"InvalidArgument", "x-amz-decoded-content-length must be a number of bytes.", 400}
	}
	if n > MaxObject {
		return 0, errTooLarge
	}
	return n, nil
}

// rawBody gives the one way in which net/http reports a body that ended early
// its AWS name.
type rawBody struct{ r io.Reader }

func (b *rawBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errIncomplete
	}
	return n, err
}

// limited ends with an error, not with io.EOF, where more than left bytes come.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// hashed compares at the end.
type hashed struct {
	r    io.Reader
	sum  hash.Hash
	want []byte
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.sum.Write(p[:n])
	// The hash of public bytes is no secret: a plain comparison will do.
	if err == io.EOF && !bytes.Equal(h.sum.Sum(nil), h.want) {
		err = errHash
	}
	return n, err
}
