package api

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"

	"countersign/wire"
	"countersign/wire/shape"
	"countersign/wire/sigv4"
)

// prepareS3 gives the request its body as a stream without framing, and the
// headers that an operation should see: presigned parameters that stand for
// headers, the decoded length, no aws-chunked.
func prepareS3(r *http.Request, in *wire.Request, claim *sigv4.Claim, hash string, proof *sigv4.Proof) error {
	h := r.Header.Clone()
	if claim.Presigned {
		// SDKs hoist x-amz- headers into the query they sign.
		for name, values := range in.Query {
			if lower := strings.ToLower(name); hoisted(lower) && h.Get(name) == "" {
				h.Set(name, values[0])
			}
		}
		// A signature over UNSIGNED-PAYLOAD leaves the body's form to the one who
		// uses the URL, and this header says what it is.
		if said := r.Header.Get("X-Amz-Content-Sha256"); said != "" && claim.PayloadHash == "" {
			hash = said
		}
	}
	body, err := sigv4.NewBody(r, hash, proof)
	if err != nil {
		return err
	}
	var encodings []string
	for _, v := range h.Values("Content-Encoding") {
		for e := range strings.SplitSeq(v, ",") {
			if e = strings.TrimSpace(e); e != "" && !strings.EqualFold(e, "aws-chunked") {
				encodings = append(encodings, e)
			}
		}
	}
	h.Del("Content-Encoding")
	if len(encodings) > 0 {
		h.Set("Content-Encoding", strings.Join(encodings, ","))
	}
	h.Del("Content-Length")
	if n := body.Length(); n >= 0 {
		h.Set("Content-Length", strconv.FormatInt(n, 10))
	}
	in.Header, in.Stream = h, body
	return nil
}

// hoisted reports whether a presigned query parameter stands for the header of
// its name. A checksum does not: the SDK for JavaScript signs that of an empty
// body into every URL for PutObject, and S3 ignores it.
func hoisted(lower string) bool {
	if !strings.HasPrefix(lower, "x-amz-") || signatureParam[lower] || lower == "x-amz-sdk-checksum-algorithm" {
		return false
	}
	return !strings.HasPrefix(lower, "x-amz-checksum-") || lower == "x-amz-checksum-mode"
}

// signatureParam is the query parameters that make up a presigned signature.
var signatureParam = map[string]bool{
	"x-amz-algorithm": true, "x-amz-credential": true, "x-amz-date": true, "x-amz-expires": true,
	"x-amz-signedheaders": true, "x-amz-signature": true, "x-amz-security-token": true, "x-amz-content-sha256": true,
}

// readS3Body leaves the body of an object to its operation. Every other body is
// a document: it is read whole, and checked against the checksums it came with.
func readS3Body(op *shape.Operation, in *wire.Request) error {
	body := in.Stream.(*sigv4.Body)
	if op.StreamsInput() {
		if body.Length() < 0 {
			return apiError{"MissingContentLength", "You must provide the Content-Length HTTP header.", http.StatusLengthRequired, nil}
		}
		return nil
	}
	in.Stream = nil
	if body.Length() > maxBody {
		return familyS3.unreadable(errTooLarge)
	}
	var err error
	if in.Body, err = io.ReadAll(io.LimitReader(body, maxBody+1)); err != nil {
		return familyS3.unreadable(err)
	}
	if len(in.Body) > maxBody {
		return familyS3.unreadable(errTooLarge)
	}
	return checkDocument(op, in, body.Trailer())
}

// checksums that S3 defines, by the end of their header's name.
var checksums = []struct {
	name string
	new  func() hash.Hash
}{
	{"crc32", func() hash.Hash { return crc32.NewIEEE() }},
	{"crc32c", func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
	// The NVMe polynomial, bits reversed as hash/crc64 wants it.
	{"crc64nvme", func() hash.Hash { return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) }},
	{"sha1", sha1.New},
	{"sha256", sha256.New},
}

// checkDocument compares Content-MD5 and x-amz-checksum-* with a document. Its
// operation never sees the bytes, so nobody else can.
func checkDocument(op *shape.Operation, in *wire.Request, trailer map[string]string) error {
	checked := false
	if sent := in.Header.Get("Content-Md5"); sent != "" {
		want, err := base64.StdEncoding.DecodeString(sent)
		if err != nil || len(want) != md5.Size {
			return apiError{"InvalidDigest", "The Content-MD5 you specified was invalid.", http.StatusBadRequest, [][2]string{{"Content-MD5", clip(sent)}}}
		}
		got := md5.Sum(in.Body)
		if subtle.ConstantTimeCompare(got[:], want) != 1 {
			return apiError{"BadDigest", "The Content-MD5 you specified did not match what we received.", http.StatusBadRequest, [][2]string{
				{"ExpectedDigest", sent}, {"CalculatedDigest", base64.StdEncoding.EncodeToString(got[:])},
			}}
		}
		checked = true
	}
	for _, c := range checksums {
		header := "x-amz-checksum-" + c.name
		sent := in.Header.Get(header)
		if sent == "" {
			sent = trailer[header]
		}
		if sent == "" {
			continue
		}
		h := c.new()
		h.Write(in.Body)
		want, err := base64.StdEncoding.DecodeString(sent)
		if err != nil || len(want) != h.Size() {
			return apiError{"InvalidRequest", "Value for " + header + " header is invalid.", http.StatusBadRequest, nil}
		}
		if subtle.ConstantTimeCompare(h.Sum(nil), want) != 1 {
			return apiError{"BadDigest", "The " + c.name + " you specified did not match the calculated checksum.", http.StatusBadRequest, nil}
		}
		checked = true
	}
	if op.Name == "DeleteObjects" && !checked {
		// S3 insists here only, whatever the model says of other operations.
		return apiError{"InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*", http.StatusBadRequest, nil}
	}
	return nil
}

// finishS3 sets what the SDK's output cannot say.
func finishS3(op *shape.Operation, res *wire.Response) {
	h := res.Header
	if etag := h.Get("Etag"); etag != "" && !strings.HasSuffix(etag, `"`) {
		h.Set("Etag", `"`+etag+`"`)
	}
	if op.Name == "GetObject" || op.Name == "HeadObject" {
		h.Set("Accept-Ranges", "bytes")
		if h.Get("Content-Range") != "" {
			res.Status = http.StatusPartialContent
		}
	}
}
