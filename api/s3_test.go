package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/call"
	"countersign/wire/sigv4"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// memory is a bucket in a map: enough of S3 to see what reaches an operation.
type memory struct {
	mu      sync.Mutex
	objects map[string]object // by bucket/key
}

type object struct {
	bytes    []byte
	encoding *string
	length   int64
	trailer  map[string]string
	acl      string
	metadata map[string]string
	checksum string
}

func (m *memory) get(t *testing.T, name string) object {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[name]
	if !ok {
		t.Fatalf("there is no object %q; there are %v", name, m.objects)
	}
	return o
}

func (m *memory) service(n *node) Service {
	return Service{ID: "s3", Operations: []Operation{
		op("PutObject", func(ctx context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
			n.saw(ctx)
			b, err := io.ReadAll(in.Body)
			if err != nil {
				return nil, err
			}
			o := object{bytes: b, encoding: in.ContentEncoding, length: aws.ToInt64(in.ContentLength), acl: string(in.ACL), metadata: in.Metadata, checksum: aws.ToString(in.ChecksumCRC32)}
			if body, ok := in.Body.(interface{ Trailer() map[string]string }); ok {
				o.trailer = body.Trailer()
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.objects[*in.Bucket+"/"+*in.Key] = o
			return &s3.PutObjectOutput{ETag: aws.String("bare")}, nil
		}),
		op("GetObject", func(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
			n.saw(ctx)
			m.mu.Lock()
			defer m.mu.Unlock()
			o, ok := m.objects[*in.Bucket+"/"+*in.Key]
			if !ok {
				return nil, gone{}
			}
			out := &s3.GetObjectOutput{Metadata: o.metadata, Body: io.NopCloser(bytes.NewReader(o.bytes)), ContentLength: aws.Int64(int64(len(o.bytes))), LastModified: aws.Time(time.Unix(1e9, 0))}
			if aws.ToString(in.Range) == "bytes=1-2" {
				out.Body, out.ContentLength, out.ContentRange = io.NopCloser(bytes.NewReader(o.bytes[1:3])), aws.Int64(2), aws.String("bytes 1-2/5")
			}
			if *in.Key == "broken" {
				out.ContentLength = aws.Int64(100)
			}
			return out, nil
		}),
		op("HeadObject", func(_ context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			o, ok := m.objects[*in.Bucket+"/"+*in.Key]
			if !ok {
				return nil, gone{}
			}
			return &s3.HeadObjectOutput{ContentLength: aws.Int64(int64(len(o.bytes)))}, nil
		}),
		op("DeleteObjects", func(_ context.Context, in *s3.DeleteObjectsInput) (*s3.DeleteObjectsOutput, error) {
			out := &s3.DeleteObjectsOutput{}
			for _, o := range in.Delete.Objects {
				out.Deleted = append(out.Deleted, types.DeletedObject{Key: o.Key})
			}
			return out, nil
		}),
	}}
}

// gone is how a service says more than a code.
type gone struct{}

func (gone) Error() string                   { return "gone" }
func (gone) ErrorCode() string               { return "NoSuchKey" }
func (gone) ErrorMessage() string            { return "The specified key does not exist." }
func (gone) ErrorFault() smithy.ErrorFault   { return smithy.FaultClient }
func (gone) HTTPStatus() int                 { return 404 }
func (gone) ErrorHeaders() map[string]string { return map[string]string{"x-amz-delete-marker": "true"} }
func (gone) ErrorFields() [][2]string        { return [][2]string{{"Key", "missing"}} }

func (n *node) s3(keys ...string) *s3.Client {
	return s3.NewFromConfig(n.config(keys...), func(o *s3.Options) { o.UsePathStyle = true })
}

func TestPutObject(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		start func(*httptest.Server)
		http2 bool
	}{{"http", (*httptest.Server).Start, false}, {"https", (*httptest.Server).StartTLS, false}, {"h2", (*httptest.Server).StartTLS, true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, func(s *httptest.Server) { s.EnableHTTP2 = tt.http2; tt.start(s) })
			c := n.s3()
			for _, key := range []string{"plain", "a/b//c/../d", "/", "sp ace+plus%41é~*'()", "..", "x?y&z=1", "a%2Fb"} {
				content := strings.Repeat("hello", 40_000)
				out, err := c.PutObject(t.Context(), &s3.PutObjectInput{
					Bucket: aws.String("buck.et"), Key: aws.String(key), Body: strings.NewReader(content),
					ContentEncoding: aws.String("gzip"), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
				})
				if err != nil {
					t.Fatalf("put %q: %v", key, err)
				}
				if aws.ToString(out.ETag) != `"bare"` {
					t.Errorf("ETag %s", aws.ToString(out.ETag))
				}
				got := n.bucket.get(t, "buck.et/"+key)
				if string(got.bytes) != content || got.length != int64(len(content)) {
					t.Errorf("%q: %d bytes came, and a length of %d", key, len(got.bytes), got.length)
				}
				if aws.ToString(got.encoding) != "gzip" {
					t.Errorf("%q: content encoding %q", key, aws.ToString(got.encoding))
				}
				if secure := tt.name != "http"; secure != (got.trailer["x-amz-checksum-crc32"] != "") {
					t.Errorf("%q: trailers %v", key, got.trailer)
				}
				back, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("buck.et"), Key: aws.String(key)})
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(back.Body)
				if err != nil || string(b) != content {
					t.Errorf("get %q: %d bytes, %v", key, len(b), err)
				}
			}
		})
	}
}

// The CLI's "aws s3 cp" over HTTPS sends no Content-Length, only that of the
// decoded bytes.
func TestPutObjectWithoutContentLength(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).StartTLS)
	put := func(body string) (*http.Response, string) {
		req, err := http.NewRequest("PUT", n.URL+"/bucket/cp", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Encoding", "aws-chunked")
		req.Header.Set("X-Amz-Decoded-Content-Length", "5")
		req.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
		req.Header.Set("Expect", "100-continue")
		sigv4.Sign(req, sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, testRegion, "s3", n.now(), sigv4.StreamingUnsignedTrailer)
		return n.do(t, req)
	}
	if res, body := put("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"); res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	got := n.bucket.get(t, "bucket/cp")
	if string(got.bytes) != "hello" || got.encoding != nil || got.length != 5 || got.trailer["x-amz-checksum-crc32"] != "NhCmhg==" {
		t.Errorf("got %+v", got)
	}
	if res, body := put("4\r\nhell\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"); res.StatusCode != 400 || !strings.Contains(body, "<Code>IncompleteBody</Code>") {
		t.Errorf("short: %d %s", res.StatusCode, body)
	}
	if res, body := put("5\r\nhello\r\n0\r\n\r\n"); res.StatusCode != 400 || !strings.Contains(body, "<Code>MalformedTrailerError</Code>") {
		t.Errorf("no trailer: %d %s", res.StatusCode, body)
	}
}

func TestPayloadHashIsVerified(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	req, err := http.NewRequest("PUT", n.URL+"/bucket/key", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, testRegion, "s3", n.now(), sigv4.HashPayload([]byte("other")))
	if res, body := n.do(t, req); res.StatusCode != 400 || !strings.Contains(body, "<Code>XAmzContentSHA256Mismatch</Code>") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestPresignedObjects(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	p := s3.NewPresignClient(n.s3())
	put, err := p.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a key"), ACL: types.ObjectCannedACLPrivate})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(put.Method, put.URL, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range put.SignedHeader {
		if name != "Host" {
			req.Header[name] = values
		}
	}
	if res, body := n.do(t, req); res.StatusCode != 200 {
		t.Fatalf("put: %d %s", res.StatusCode, body)
	}
	if got := n.bucket.get(t, "bucket/a key"); string(got.bytes) != "hello" || got.acl != "private" {
		t.Errorf("got %+v", got)
	}
	get, err := p.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a key"), Range: aws.String("bytes=1-2")})
	if err != nil {
		t.Fatal(err)
	}
	req, err = http.NewRequest("GET", get.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=1-2")
	if res, body := n.do(t, req); res.StatusCode != 206 || body != "el" || res.Header.Get("Content-Range") != "bytes 1-2/5" {
		t.Errorf("get: %d %q", res.StatusCode, body)
	}
	// A header that changes what the request means cannot be slipped in.
	req, err = http.NewRequest(put.Method, put.URL, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Copy-Source", "other/secret")
	if res, body := n.do(t, req); res.StatusCode != 403 || !strings.Contains(body, "<HeadersNotSigned>x-amz-copy-source") {
		t.Errorf("slipped in: %d %s", res.StatusCode, body)
	}
	// Our own presigner, and a URL for another key.
	own, err := sigv4.Presign("GET", n.URL+"/bucket/a%20key?response-content-type=text%2Fx", sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, testRegion, "s3", n.now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]int{own: 200, strings.Replace(own, "a%20key", "b%20key", 1): 403, strings.Replace(own, "text", "tent", 1): 403} {
		req, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res, body := n.do(t, req); res.StatusCode != want {
			t.Errorf("%s: %d %s", url, res.StatusCode, body)
		}
	}
}

// What the SDK for JavaScript presigns: x-amz- headers in the query, among them
// the checksum of a body that it does not have.
func TestPresignedQueryStandsForHeaders(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	id, secret, token := n.session(t)
	url, err := sigv4.Presign("PUT", n.URL+"/bucket/js?x-amz-acl=private&x-amz-meta-a=b&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD",
		sigv4.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}, testRegion, "s3", n.now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest("PUT", url, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if res, body := n.do(t, req); res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	if got := n.bucket.get(t, "bucket/js"); got.acl != "private" || got.metadata["a"] != "b" || got.checksum != "" || string(got.bytes) != "hello" {
		t.Errorf("got %+v", got)
	}
	if c := n.lastCall(t); c.Signing != call.Presigned || !strings.HasSuffix(c.Principal.ARN, ":assumed-role/fn/env") {
		t.Errorf("called as %+v", c)
	}
}

func TestVirtualHostBuckets(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	for _, host := range []string{"my.bucket.s3.eu-central-1.amazonaws.com", "my.bucket.localhost:4566", "my.bucket.s3.cs.test", "my.bucket.cs.test"} {
		req, err := http.NewRequest("PUT", n.URL+"/k%20/x//", strings.NewReader(host))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		hash := sha256.Sum256([]byte(host))
		req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(hash[:]))
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		if err := signer.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, req, hex.EncodeToString(hash[:]), "s3", testRegion, n.now()); err != nil {
			t.Fatal(err)
		}
		if res, body := n.do(t, req); res.StatusCode != 200 {
			t.Fatalf("%s: %d %s", host, res.StatusCode, body)
		}
		if got := n.bucket.get(t, "my.bucket/k /x//"); string(got.bytes) != host {
			t.Errorf("%s: %q is stored", host, got.bytes)
		}
	}
}

func TestS3Errors(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	res, body := n.signed(t, "s3", "GET", "/bucket/missing", "")
	for _, want := range []string{"<Error><Code>NoSuchKey</Code>", "<Key>missing</Key>", "<RequestId>" + res.Header.Get("X-Amz-Request-Id") + "</RequestId>", "<HostId>" + res.Header.Get("X-Amz-Id-2") + "</HostId>"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in %s", want, body)
		}
	}
	if res.StatusCode != 404 || res.Header.Get("X-Amz-Delete-Marker") != "true" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	res, body = n.signed(t, "s3", "HEAD", "/bucket/missing", "")
	if res.StatusCode != 404 || body != "" {
		t.Errorf("HEAD: %d %q", res.StatusCode, body)
	}
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/bucket?cors", "s3 GetBucketCors is not built"},
		{"PUT", "/bucket/key?legal-hold", "s3 PutObjectLegalHold is not built"},
		{"POST", "/bucket", "s3 PostObject is not built"},
	} {
		if res, body := n.signed(t, "s3", tt.method, tt.path, ""); res.StatusCode != 501 || !strings.Contains(body, "<Code>NotImplemented</Code>") || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, res.StatusCode, body)
		}
	}
	if res, body := n.signed(t, "s3", "PATCH", "/bucket/key", ""); res.StatusCode != 405 || !strings.Contains(body, "MethodNotAllowed") {
		t.Errorf("PATCH: %d %s", res.StatusCode, body)
	}
	if res, body := n.signed(t, "s3", "GET", "//key", ""); res.StatusCode != 400 || !strings.Contains(body, "InvalidBucketName") {
		t.Errorf("no bucket: %d %s", res.StatusCode, body)
	}
	n.bucket.objects["bucket/broken"] = object{bytes: []byte("short")}
	req, err := http.NewRequest("GET", n.URL+"/bucket/broken", nil)
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, testRegion, "s3", n.now(), sigv4.EmptyHash)
	broken, err := n.Client().Do(req)
	if err == nil {
		defer broken.Body.Close()
		_, err = io.ReadAll(broken.Body)
	}
	if err == nil {
		t.Error("a short object looked whole")
	}
}

// boto3 shows the names of metadata as the answer spells them, and AWS spells
// them in lower case.
func TestMetadataNamesAreLowerCase(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	if _, err := n.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"), Metadata: map[string]string{"Colour-Of": "Red"}}); err != nil {
		t.Fatal(err)
	}
	if got := n.bucket.get(t, "bucket/k").metadata; len(got) != 1 || got["colour-of"] != "Red" {
		t.Errorf("metadata came as %v", got)
	}
	conn, err := net.Dial("tcp", n.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	req, err := http.NewRequest("GET", n.URL+"/bucket/k", nil)
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, testRegion, "s3", n.now(), sigv4.EmptyHash)
	req.Close = true
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	if raw, err := io.ReadAll(conn); err != nil || !bytes.Contains(raw, []byte("\r\nx-amz-meta-colour-of: Red\r\n")) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestHeadObject(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	if _, err := n.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"), Body: strings.NewReader("hello")}); err != nil {
		t.Fatal(err)
	}
	out, err := n.s3().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k")})
	if err != nil || aws.ToInt64(out.ContentLength) != 5 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestDocumentsAreChecked(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	out, err := n.s3().DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String("bucket"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("x")}}}})
	if err != nil || len(out.Deleted) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	const doc = `<Delete><Object><Key>x</Key></Object></Delete>`
	for _, tt := range []struct{ header, value, code string }{
		{"Content-Type", "text/xml", "InvalidRequest"},
		{"Content-Md5", "nonsense", "InvalidDigest"},
		{"Content-Md5", "1B2M2Y8AsgTpgAmY7PhCfg==", "BadDigest"},
		{"x-amz-checksum-crc32", "AAAAAA==", "BadDigest"},
		{"x-amz-checksum-crc32c", "AA==", "InvalidRequest"},
		{"x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", "BadDigest"},
	} {
		if res, body := n.signed(t, "s3", "POST", "/bucket?delete", doc, tt.header, tt.value); res.StatusCode != 400 || !strings.Contains(body, "<Code>"+tt.code+"</Code>") {
			t.Errorf("%s: %d %s", tt.header, res.StatusCode, body)
		}
	}
}

// A client that asks first sends its body only after a good signature.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	for _, secret := range []string{testSecret, "wrong"} {
		req, err := http.NewRequest("PUT", n.URL+"/bucket/asked", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Length", "5")
		sigv4.Sign(req, sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: secret}, testRegion, "s3", n.now(), sigv4.HashPayload([]byte("hello")))
		conn, err := net.Dial("tcp", n.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var head bytes.Buffer
		fmt.Fprintf(&head, "PUT /bucket/asked HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\n", req.Host)
		if err := req.Header.Write(&head); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(append(head.Bytes(), "\r\n"...)); err != nil {
			t.Fatal(err)
		}
		answer := bufio.NewReader(conn)
		line, err := answer.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if secret == "wrong" {
			if !strings.Contains(line, " 403 ") {
				t.Errorf("a wrong signature is answered %q", line)
			}
			continue
		}
		if !strings.Contains(line, " 100 ") {
			t.Fatalf("a good signature is answered %q", line)
		}
		if _, err := answer.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if line, err = answer.ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
			t.Errorf("after the body: %q, %v", line, err)
		}
	}
}
