package sigv4

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Bounds of the framing, which is read before anything in it is proved.
const (
	maxLine     = 4 << 10 // a chunk's head, or one trailer
	maxTrailers = 16
)

const trailerSignature = "x-amz-trailer-signature"

// chunked takes the aws-chunked framing off a body:
//
//	HEXLENGTH[;chunk-signature=HEX]\r\n
//	DATA\r\n
//	…
//	0[;chunk-signature=HEX]\r\n
//	name:value\r\n …           (only where trailers are announced)
//	[x-amz-trailer-signature:HEX\r\n]
//	\r\n
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// sigv4-streaming-trailers.html. The data of a chunk is handed on before its
// signature is checked, since a chunk may be as large as the object.
type chunked struct {
	r    *bufio.Reader
	left int64 // bytes of payload still to come
	err  error // sticky; io.EOF after a good end

	chunk     int64 // bytes left of the chunk under way
	inChunk   bool
	proof     *Proof // nil: chunks are not signed
	previous  string // signature that the next one is chained to
	claimed   string // signature in the head of the chunk under way
	sum       hash.Hash
	announced []string // nil: no trailers may come
	trailers  bool
	got       map[string]string
}

func newChunked(r io.Reader, length int64) *chunked {
	return &chunked{r: bufio.NewReaderSize(r, 32<<10), left: length}
}

func (c *chunked) sign(p *Proof) {
	c.proof, c.previous, c.sum = p, p.signature, sha256.New()
}

func (c *chunked) expectTrailers(headers []string) error {
	c.trailers = true
	for _, h := range headers {
		for name := range strings.SplitSeq(h, ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
				c.announced = append(c.announced, name)
			}
		}
	}
	if len(c.announced) > maxTrailers {
		return errTrailer
	}
	slices.Sort(c.announced)
	return nil
}

// Trailer implements Body.Trailer.
func (c *chunked) Trailer() map[string]string {
	if c.err != io.EOF {
		return nil
	}
	return maps.Clone(c.got)
}

func (c *chunked) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !c.inChunk {
		if c.err = c.head(); c.err != nil {
			return 0, c.err
		}
		if c.chunk == 0 {
			if c.err = c.end(); c.err == nil {
				c.err = io.EOF
			}
			return 0, c.err
		}
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.chunk)])
	if c.proof != nil {
		c.sum.Write(p[:n])
	}
	c.chunk -= int64(n)
	c.left -= int64(n)
	switch {
	case c.chunk == 0:
		c.err = c.tail()
	case err != nil:
		c.err = early(err)
	}
	return n, c.err
}

// head reads the line before a chunk's data.
func (c *chunked) head() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	size, extension, extended := strings.Cut(line, ";")
	n, err := strconv.ParseUint(size, 16, 63)
	if err != nil || len(size) > 16 {
		return chunkError("a chunk does not begin with its size in hexadecimal")
	}
	if int64(n) > c.left {
		return errDecoded
	}
	c.claimed = ""
	if c.proof != nil {
		signature, ok := strings.CutPrefix(extension, "chunk-signature=")
		if !extended || !ok {
			return chunkError("a chunk has no chunk-signature")
		}
		c.claimed = signature
		c.sum.Reset()
	}
	c.chunk, c.inChunk = int64(n), true
	return nil
}

// tail reads the line break after a chunk's data, and checks the signature.
func (c *chunked) tail() error {
	c.inChunk = false
	line, err := c.line()
	if err != nil {
		return err
	}
	if line != "" {
		return chunkError("a chunk is longer than its size says")
	}
	return c.checkChunk()
}

func (c *chunked) checkChunk() error {
	if c.proof == nil {
		return nil
	}
	return c.check(Algorithm+"-PAYLOAD", EmptyHash+"\n"+hex.EncodeToString(c.sum.Sum(nil)), c.claimed)
}

// check verifies one link of the chain of signatures.
func (c *chunked) check(algorithm, hashes, claimed string) error {
	text := algorithm + "\n" + c.proof.stamp + "\n" + c.proof.scope + "\n" + c.previous + "\n" + hashes
	if !c.proof.signs(text, claimed) {
		return errChunkSig
	}
	c.previous = claimed
	return nil
}

// end reads what follows the head of the last, empty chunk, to the end of the
// body.
func (c *chunked) end() error {
	if err := c.checkChunk(); err != nil {
		return err
	}
	if c.left > 0 {
		return errDecoded
	}
	if err := c.readTrailers(); err != nil {
		return err
	}
	// Some clients write one line break more than the format has.
	for extra := 0; ; extra++ {
		b, err := c.r.ReadByte()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case b != '\r' && b != '\n' || extra == 4:
			return chunkError("there is data after the last chunk")
		}
	}
}

func (c *chunked) readTrailers() error {
	c.got = map[string]string{}
	var signed strings.Builder // "name:value\n", as they came
	signature := ""
	for {
		line, err := c.line()
		if errors.Is(err, errIncomplete) && len(c.got) == 0 && !c.trailers {
			break // the last line break is missing: nothing is lost
		}
		if err != nil {
			return err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !ok || !c.trailers {
			return errTrailer
		}
		if name == trailerSignature && c.proof != nil && signature == "" {
			signature = value
			continue
		}
		_, found := slices.BinarySearch(c.announced, name)
		_, twice := c.got[name]
		if !found || twice || signature != "" {
			return errTrailer
		}
		c.got[name] = value
		signed.WriteString(name + ":" + value + "\n")
	}
	if len(c.got) != len(c.announced) {
		return errTrailer
	}
	if c.proof == nil || !c.trailers {
		return nil
	}
	sum := sha256.Sum256([]byte(signed.String()))
	return c.check(Algorithm+"-TRAILER", hex.EncodeToString(sum[:]), signature)
}

// line reads up to a line break, CRLF or the bare LF that some clients write
// after trailers, and leaves it out.
func (c *chunked) line() (string, error) {
	b, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || len(b) > maxLine:
		return "", chunkError("a line is too long")
	case err != nil:
		return "", early(err)
	}
	b = b[:len(b)-1]
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return string(b), nil
}

// early names the end of a body that comes too soon.
func early(err error) error {
	if err == io.EOF {
		return errIncomplete
	}
	return err
}
