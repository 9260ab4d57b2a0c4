package sigv4

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	vectorKey    = "AKIAIOSFODNN7EXAMPLE"
	vectorSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// vector is a request as text, as a server reads it.
func vector(t testing.TB, method, target, host string, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// The examples that AWS publishes, in "Authenticating Requests: Using the
// Authorization Header", "…Using Query Parameters" and the IAM User Guide.
func TestPublishedExamples(t *testing.T) {
	t.Parallel()
	const s3Host = "examplebucket.s3.amazonaws.com"
	auth := func(signed, signature string) string {
		return "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=" + signed + ",Signature=" + signature
	}
	for _, tt := range []struct {
		name    string
		r       *http.Request
		secret  string
		payload string
	}{
		{"GET object", vector(t, "GET", "/test.txt", s3Host, "Range", "bytes=0-9", "x-amz-content-sha256", EmptyHash, "x-amz-date", "20130524T000000Z",
			"Authorization", auth("host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")), vectorSecret, EmptyHash},
		{"PUT object", vector(t, "PUT", "/test$file.text", s3Host, "Date", "Fri, 24 May 2013 00:00:00 GMT", "x-amz-date", "20130524T000000Z", "x-amz-storage-class", "REDUCED_REDUNDANCY",
			"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
			"Authorization", auth("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")), vectorSecret, HashPayload([]byte("Welcome to Amazon S3."))},
		{"GET lifecycle", vector(t, "GET", "/?lifecycle", s3Host, "x-amz-date", "20130524T000000Z", "x-amz-content-sha256", EmptyHash,
			"Authorization", auth("host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")), vectorSecret, EmptyHash},
		{"GET list", vector(t, "GET", "/?max-keys=2&prefix=J", s3Host, "x-amz-date", "20130524T000000Z", "x-amz-content-sha256", EmptyHash,
			"Authorization", auth("host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")), vectorSecret, EmptyHash},
		{"presigned", vector(t, "GET", "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", s3Host), vectorSecret, UnsignedPayload},
		{"IAM", vector(t, "GET", "/?Action=ListUsers&Version=2010-05-08", "iam.amazonaws.com", "Content-Type", "application/x-www-form-urlencoded; charset=utf-8", "X-Amz-Date", "20150830T123600Z",
			"Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
			"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", EmptyHash},
	} {
		c, err := Parse(tt.r)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var v Verifier
		for range 2 { // the second time with a remembered key
			if _, err := v.Check(tt.r, c, tt.secret, tt.payload); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if _, err := v.Check(tt.r, c, tt.secret+"x", tt.payload); reason(err) != Mismatch {
			t.Errorf("%s with another secret: %v", tt.name, err)
		}
		tt.r.Host = "other." + tt.r.Host
		if _, err := v.Check(tt.r, c, tt.secret, tt.payload); reason(err) != Mismatch {
			t.Errorf("%s for another host: %v", tt.name, err)
		}
	}
}

func reason(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// chunkVector is AWS's example of a chunked upload, of 65 KiB of the letter a
// in chunks of 64 KiB.
func chunkVector(t testing.TB, trailer bool) (r *http.Request, body string) {
	t.Helper()
	header := []string{
		"x-amz-date", "20130524T000000Z", "x-amz-storage-class", "REDUCED_REDUNDANCY", "Content-Encoding", "aws-chunked",
		"x-amz-decoded-content-length", "66560",
	}
	signed, signature, length := "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
		"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", int64(66824)
	mode := StreamingSigned
	chunks := []string{
		"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
		"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
		"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
	}
	end := "\r\n"
	if trailer {
		mode = StreamingSignedTrailer
		header = append(header, "x-amz-trailer", "x-amz-checksum-crc32c")
		signed = "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer"
		signature = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
		chunks = []string{
			"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
			"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
			"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
		}
		end = "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
	}
	header = append(header, "x-amz-content-sha256", mode, "Authorization",
		"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="+signed+",Signature="+signature)
	r = vector(t, "PUT", "/examplebucket/chunkObject.txt", "s3.amazonaws.com", header...)
	r.ContentLength = length
	body = "10000;chunk-signature=" + chunks[0] + "\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=" + chunks[1] + "\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=" + chunks[2] + "\r\n" + end
	return r, body
}

func readVector(t testing.TB, trailer bool, change func(string) string) (*Body, string, error) {
	t.Helper()
	r, raw := chunkVector(t, trailer)
	r.Body = io.NopCloser(strings.NewReader(change(raw)))
	c, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	var v Verifier
	p, err := v.Check(r, c, vectorSecret, c.PayloadHash)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBody(r, c.PayloadHash, p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(b)
	return b, string(got), err
}

func TestPublishedChunkedExample(t *testing.T) {
	t.Parallel()
	for _, trailer := range []bool{false, true} {
		b, got, err := readVector(t, trailer, func(s string) string { return s })
		if err != nil || got != strings.Repeat("a", 66560) || b.Length() != 66560 {
			t.Errorf("trailer %v: %d bytes of %d, %v", trailer, len(got), b.Length(), err)
		}
		if want := map[bool]string{true: "sOO8/Q=="}[trailer]; b.Trailer()["x-amz-checksum-crc32c"] != want {
			t.Errorf("trailers %v", b.Trailer())
		}
	}
}

func TestChunkSignaturesBind(t *testing.T) {
	t.Parallel()
	replace := func(old, with string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				panic("the vector has no " + old)
			}
			return strings.Replace(s, old, with, 1)
		}
	}
	for _, tt := range []struct {
		name    string
		trailer bool
		change  func(string) string
		code    string
	}{
		{"a byte", false, replace("aaa\r\n400", "aab\r\n400"), "SignatureDoesNotMatch"},
		{"a byte of the last chunk", false, replace("aaa\r\n0;", "aab\r\n0;"), "SignatureDoesNotMatch"},
		{"a signature", false, replace("signature=0055", "signature=0056"), "SignatureDoesNotMatch"},
		{"the last signature", false, replace("signature=b6c6", "signature=b6c7"), "SignatureDoesNotMatch"},
		{"no signature", false, replace("400;chunk-signature=", "400;other="), "InvalidRequest"},
		{"the last chunk is gone", false, func(s string) string { return s[:strings.Index(s, "0;chunk-signature=b6")] }, "IncompleteBody"},
		{"more than announced", false, replace("400;", "401;"), "IncompleteBody"},
		{"shorter chunk", false, replace("400;", "3ff;"), "InvalidRequest"},
		{"something after", false, func(s string) string { return s + "more" }, "InvalidRequest"},
		{"trailers nobody announced", false, func(s string) string { return strings.TrimSuffix(s, "\r\n") + "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n" }, "MalformedTrailerError"},
		{"a trailer's value", true, replace("sOO8", "sOO9"), "SignatureDoesNotMatch"},
		{"a trailer's signature", true, replace("signature:d8", "signature:d9"), "SignatureDoesNotMatch"},
		{"no trailer signature", true, func(s string) string {
			i := strings.Index(s, "x-amz-trailer-signature")
			return s[:i] + "\r\n"
		}, "SignatureDoesNotMatch"},
		{"another trailer", true, replace("checksum-crc32c:", "checksum-crc32:"), "MalformedTrailerError"},
		{"a trailer twice", true, replace("x-amz-trailer-signature", "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature"), "MalformedTrailerError"},
	} {
		_, _, err := readVector(t, tt.trailer, tt.change)
		if got := bodyCode(err); got != tt.code {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.code)
		}
	}
}

func bodyCode(err error) string {
	var e *BodyError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
