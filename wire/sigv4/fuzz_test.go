package sigv4

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func dial(t *testing.T, srv *httptest.Server) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// checkAny runs everything that a server runs on a claim. Nobody can forge one:
// whatever the fuzzer makes must not verify.
func checkAny(t *testing.T, r *http.Request) {
	c, err := Parse(r)
	if err != nil {
		if reason(err) == "" {
			t.Fatalf("not an *Error: %v", err)
		}
		return
	}
	if err := c.CheckTime(testTime, 5*time.Minute); err != nil && reason(err) == "" {
		t.Fatalf("not an *Error: %v", err)
	}
	var v Verifier
	if _, err := v.Check(r, c, "a secret nobody signs with", UnsignedPayload); err == nil {
		t.Fatalf("verified: %+v", c)
	}
}

func FuzzAuthorization(f *testing.F) {
	hex64 := strings.Repeat("0a", 32)
	f.Add("AWS4-HMAC-SHA256 Credential=AKID/20300506/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature="+hex64, "20300506T070809Z", "a  b")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/20300506/r/s/aws4_request,SignedHeaders=host;trailer;content-length;transfer-encoding,Signature="+hex64, "Mon, 06 May 2030 07:08:09 GMT", "")
	f.Add("AWS4-ECDSA-P256-SHA256 Credential=", "", "")
	f.Add("AWS AKID:sig", "x", "")
	f.Add("AWS4-HMAC-SHA256 =,=,", "20300506T070809Z", "\x00")
	f.Fuzz(func(t *testing.T, authorization, date, other string) {
		r := httptest.NewRequest("GET", "https://example.com/a//b/%2e%2e?x=1", nil)
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		r.Header.Add("X-Other", other)
		r.Header.Add("X-Other", "2")
		checkAny(t, r)
	})
}

func FuzzPresigned(f *testing.F) {
	u, err := Presign("GET", "https://example.com/b/k", testCreds, "us-east-1", "s3", testTime, time.Minute)
	if err != nil {
		f.Fatal(err)
	}
	_, query, _ := strings.Cut(u, "?")
	f.Add(query)
	f.Add(strings.Replace(query, "Expires=60", "Expires=-1", 1))
	f.Add(query + "&X-Amz-Signature=again;&&=&%zz")
	f.Add("AWSAccessKeyId=a&Signature=b")
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "https://example.com/b/k", nil)
		r.URL = &url.URL{Path: "/b/k", RawQuery: query}
		checkAny(t, r)
	})
}

// FuzzChunked reads every body twice, whole and byte by byte: both must agree,
// and never give more than was announced.
func FuzzChunked(f *testing.F) {
	f.Add("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "x-amz-checksum-crc32", false, uint16(5))
	f.Add("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "", false, uint16(5))
	_, signed := chunkVector(f, false)
	f.Add(signed, "", true, uint16(65))
	f.Add("0;chunk-signature=\r\n\r\n\n\n\n", "", true, uint16(0))
	f.Add("ffffffff\r\n", "a,b,,c", false, uint16(1))
	f.Fuzz(func(t *testing.T, body, trailers string, signed bool, length uint16) {
		read := func(r io.Reader) (string, map[string]string, error) {
			c := newChunked(r, int64(length))
			if signed {
				c.sign(&Proof{stamp: "20300506T070809Z", scope: "s", signature: strings.Repeat("a", 64)})
			}
			if err := c.expectTrailers([]string{trailers}); err != nil {
				return "", nil, err
			}
			got, err := io.ReadAll(c)
			return string(got), c.Trailer(), err
		}
		whole, names, err := read(strings.NewReader(body))
		if len(whole) > int(length) || err == nil && len(whole) != int(length) {
			t.Fatalf("%d bytes of %d, %v", len(whole), length, err)
		}
		if err != nil && bodyCode(err) == "" {
			t.Fatalf("not a *BodyError: %v", err)
		}
		if signed && err == nil {
			t.Fatal("chunks verified without their key")
		}
		slow, slowNames, slowErr := read(iotest.OneByteReader(strings.NewReader(body)))
		if bodyCode(slowErr) != bodyCode(err) || len(slowNames) != len(names) || err == nil && slow != whole {
			t.Fatalf("byte by byte: %q %v, whole: %q %v", slow, slowErr, whole, err)
		}
	})
}
