package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Presigned URLs, used by a program that knows nothing of AWS.
func TestPresigned(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	s.bucket("presigned")
	presign := s3.NewPresignClient(s.s3)
	b, key := aws.String("presigned"), aws.String("a key & more")
	do := func(method, url, body string) (int, string) {
		t.Helper()
		r := must(http.NewRequestWithContext(ctx, method, url, strings.NewReader(body)))(t)
		response := must(http.DefaultClient.Do(r))(t)
		defer response.Body.Close()
		return response.StatusCode, string(must(io.ReadAll(response.Body))(t))
	}
	put := must(presign.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key}))(t)
	if status, text := do(put.Method, put.URL, "hello"); status != 200 {
		t.Fatalf("PUT: %d %s", status, text)
	}
	get := must(presign.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key}, s3.WithPresignExpires(time.Hour)))(t)
	if status, text := do(get.Method, get.URL, ""); status != 200 || text != "hello" {
		t.Errorf("GET: %d %s", status, text)
	}
	if status, text := do(http.MethodPut, get.URL, "other"); status != 403 || !strings.Contains(text, "<Code>SignatureDoesNotMatch</Code>") {
		t.Errorf("PUT with the URL for GET: %d %s", status, text)
	}
	if status, text := do(get.Method, strings.Replace(get.URL, "presigned/", "presigned/x", 1), ""); status != 403 || !strings.Contains(text, "<Code>SignatureDoesNotMatch</Code>") {
		t.Errorf("GET of another key: %d %s", status, text)
	}
	s.clock.advance(2 * time.Hour)
	if status, text := do(get.Method, get.URL, ""); status != 403 || !strings.Contains(text, "<Message>Request has expired</Message>") {
		t.Errorf("GET two hours later: %d %s", status, text)
	}
	if status, text := do(put.Method, put.URL, "late"); status != 403 || !strings.Contains(text, "<Code>AccessDenied</Code>") {
		t.Errorf("PUT two hours later: %d %s", status, text)
	}
}

// HTTPS on the same port, under the local root. There the SDK sends objects in
// chunks with the checksum in a trailer.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	address := strings.TrimPrefix(s.node.Endpoints().Endpoint, "http://")
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			proto := ""
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.localRoot()}, ForceAttemptHTTP2: http2}
			defer transport.CloseIdleConnections()
			config := awsConfig("https://"+address, s.node.Credentials().AccessKeyID, s.node.Credentials().SecretAccessKey)
			config.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				response, err := transport.RoundTrip(r)
				if err == nil {
					proto = response.Proto
				}
				return response, err
			})}
			got := must(sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
			same(t, "account", *got.Account, account)
			client := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
			bucket := aws.String(fmt.Sprintf("https-%v", http2))
			s.in(t).bucket(*bucket)
			for name, body := range map[string]io.Reader{"seekable": bytes.NewReader(bytes.Repeat([]byte("x"), 200_000)), "a stream": io.LimitReader(repeat('x'), 200_000)} {
				in := &s3.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: body, ContentLength: aws.Int64(200_000)}
				put := must(client.PutObject(ctx, in))(t)
				out := must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("k"), ChecksumMode: "ENABLED"}))(t)
				data, err := io.ReadAll(out.Body) // checked against the checksum as it is read
				out.Body.Close()
				if err != nil || len(data) != 200_000 || put.ChecksumCRC32 == nil || aws.ToString(out.ChecksumCRC32) != *put.ChecksumCRC32 || aws.ToString(out.ContentEncoding) != "" {
					t.Errorf("%s: %d bytes, checksum %s, encoding %q, %v", name, len(data), aws.ToString(out.ChecksumCRC32), aws.ToString(out.ContentEncoding), err)
				}
			}
			same(t, "protocol", proto, map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2])
		})
	}
	if _, err := http.Get("https://" + address); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a client that does not know the local root: %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// repeat is one byte without end.
type repeat byte

func (b repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

// A rawRequest is signed as an SDK would, whatever its content is.
type rawRequest struct {
	method, path, body, service string
	header                      map[string]string
	hash                        string // for x-amz-content-sha256; empty: the body's
	spoil                       func(*http.Request)

	status int
	code   string // in the answer
}

// Requests that no SDK sends: each gets AWS's error, and the node stays well.
func TestMalformed(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.bucket("malformed")
	target := func(name string) map[string]string {
		return map[string]string{"X-Amz-Target": name, "Content-Type": "application/x-amz-json-1.1"}
	}
	const acmList = "CertificateManager.ListCertificates"
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	chunked := map[string]string{"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": "5", "X-Amz-Trailer": "x-amz-checksum-crc32"}
	const trailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	for name, r := range map[string]rawRequest{
		"JSON cut off":                {method: "POST", path: "/", service: "acm", header: target(acmList), body: `{"MaxItems":`, status: 400, code: "SerializationException"},
		"JSON of another type":        {method: "POST", path: "/", service: "acm", header: target(acmList), body: `{"MaxItems":"many"}`, status: 400, code: "SerializationException"},
		"JSON that is no object":      {method: "POST", path: "/", service: "acm", header: target(acmList), body: `[1]`, status: 400, code: "SerializationException"},
		"JSON nested deeply":          {method: "POST", path: "/", service: "acm", header: target(acmList), body: strings.Repeat(`{"Includes":`, 100_000), status: 400, code: "SerializationException"},
		"bytes for JSON":              {method: "POST", path: "/", service: "acm-pca", header: target("ACMPrivateCA.ListTags"), body: "\xff\xfe\x00", status: 400, code: "SerializationException"},
		"a member that is required":   {method: "POST", path: "/", service: "acm", header: target("CertificateManager.DescribeCertificate"), body: `{}`, status: 400, code: "ValidationException"},
		"no such operation":           {method: "POST", path: "/", service: "acm", header: target("CertificateManager.Nothing"), body: `{}`, status: 400, code: "UnknownOperationException"},
		"an operation not built":      {method: "POST", path: "/", service: "acm", header: target("CertificateManager.ResendValidationEmail"), body: `{}`, status: 501, code: "NotImplementedException"},
		"REST JSON cut off":           {method: "POST", path: "/v2/apis", service: "apigateway", body: `{"name":`, status: 400, code: "SerializationException"},
		"Lambda's JSON cut off":       {method: "POST", path: "/2015-03-31/functions", service: "lambda", body: `{"FunctionName":`, status: 400, code: "InvalidRequestContentException"},
		"no such path":                {method: "GET", path: "/v2/nothing", service: "apigateway", status: 404, code: "UnknownOperationException"},
		"XML cut off":                 {method: "POST", path: "/2013-04-01/hostedzone", service: "route53", body: `<CreateHostedZoneRequest><Name>x`, status: 400, code: "MalformedInput"},
		"XML for S3 cut off":          {method: "PUT", path: "/malformed?versioning", service: "s3", body: `<VersioningConfiguration><Status>`, status: 400, code: "MalformedXML"},
		"an XML bomb":                 {method: "PUT", path: "/malformed?versioning", service: "s3", body: `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><VersioningConfiguration><Status>&b;</Status></VersioningConfiguration>`, status: 400, code: "MalformedXML"},
		"a query without an action":   {method: "POST", path: "/", service: "sts", header: form, body: "Version=2011-06-15", status: 400, code: "MissingAction"},
		"a query of nothing":          {method: "POST", path: "/", service: "sts", header: form, body: "Action=Nothing&Version=2011-06-15", status: 400, code: "InvalidAction"},
		"a query that is no query":    {method: "POST", path: "/", service: "sts", header: form, body: "Action=GetCallerIdentity&%zz", status: 404, code: "MalformedQueryString"},
		"no such service":             {method: "POST", path: "/", service: "dynamodb", header: target("DynamoDB_20120810.ListTables"), body: `{}`, status: 501, code: "UnknownService"},
		"a body that is too long":     {method: "POST", path: "/", service: "acm", header: target(acmList), body: strings.Repeat(" ", 9<<20), status: 413, code: "RequestEntityTooLargeException"},
		"a document that is too long": {method: "PUT", path: "/malformed?versioning", service: "s3", body: "<VersioningConfiguration>" + strings.Repeat(" ", 9<<20), status: 400, code: "MaxMessageLengthExceeded"},
		"a body changed after signing": {method: "POST", path: "/", service: "acm", header: target(acmList), body: `{"MaxItems":7}`, status: 400, code: "InvalidSignatureException", spoil: func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`{"MaxItems":8}`))
		}},
		"no signature":                {method: "POST", path: "/", service: "acm", header: target(acmList), body: `{}`, status: 400, code: "MissingAuthenticationTokenException", spoil: func(r *http.Request) { r.Header.Del("Authorization") }},
		"half a signature":            {method: "POST", path: "/", service: "acm", header: target(acmList), body: `{}`, status: 400, code: "IncompleteSignatureException", spoil: func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x") }},
		"an object of another hash":   {method: "PUT", path: "/malformed/k", service: "s3", body: "hello", hash: strings.Repeat("0", 64), status: 400, code: "XAmzContentSHA256Mismatch"},
		"an object nobody signed":     {method: "PUT", path: "/malformed/k", service: "s3", body: "hello", status: 403, code: "AccessDenied", spoil: func(r *http.Request) { r.Header.Del("Authorization") }},
		"chunks without their frame":  {method: "PUT", path: "/malformed/k", service: "s3", header: chunked, hash: trailer, body: "hello\r\nworld\r\n", status: 400, code: "InvalidRequest"},
		"chunks cut off":              {method: "PUT", path: "/malformed/k", service: "s3", header: chunked, hash: trailer, body: "5\r\nhel", status: 400, code: "IncompleteBody"},
		"chunks longer than declared": {method: "PUT", path: "/malformed/k", service: "s3", header: chunked, hash: trailer, body: "6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", status: 400, code: "IncompleteBody"},
		"a trailer that is wrong":     {method: "PUT", path: "/malformed/k", service: "s3", header: chunked, hash: trailer, body: "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", status: 400, code: "BadDigest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, text := s.in(t).raw(r)
			if status != r.status || !strings.Contains(text, r.code) {
				t.Errorf("got %d %.400q, want %d with %q", status, text, r.status, r.code)
			}
		})
	}
	t.Cleanup(func() {
		must(s.sts.GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{}))(t)
		if out := must(s.s3.ListObjectVersions(context.Background(), &s3.ListObjectVersionsInput{Bucket: aws.String("malformed")}))(t); len(out.Versions) != 0 {
			t.Errorf("something was stored: %+v", out.Versions)
		}
	})
}

// raw signs a request and sends it; the text is the answer's.
func (s *system) raw(r rawRequest) (status int, text string) {
	t := s.t
	t.Helper()
	request := must(http.NewRequestWithContext(context.Background(), r.method, s.node.Endpoints().Endpoint+r.path, strings.NewReader(r.body)))(t)
	for name, value := range r.header {
		request.Header.Set(name, value)
	}
	hash := r.hash
	if hash == "" {
		sum := sha256.Sum256([]byte(r.body))
		hash = hex.EncodeToString(sum[:])
	}
	if r.service == "s3" {
		request.Header.Set("X-Amz-Content-Sha256", hash)
	}
	c := s.node.Credentials()
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}, request, hash, r.service, region, time.Now(), func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = r.service == "s3"
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.spoil != nil {
		r.spoil(request)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response := must(transport.RoundTrip(request))(t)
	defer response.Body.Close()
	body := must(io.ReadAll(response.Body))(t)
	return response.StatusCode, response.Header.Get("X-Amzn-ErrorType") + " " + string(body) // REST JSON has the code in the header
}

// Connections that break, stall or speak something else.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	s.bucket("broken")
	address := strings.TrimPrefix(s.node.Endpoints().Endpoint, "http://")
	dial := func() *net.TCPConn {
		t.Helper()
		c := must(net.Dial("tcp", address))(t)
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return c.(*net.TCPConn)
	}
	// An upload that ends before its length: over HTTP with an answer to the half-closed connection.
	url := must(s3.NewPresignClient(s.s3).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("broken"), Key: aws.String("k")}))(t).URL
	path := strings.TrimPrefix(url, s.node.Endpoints().Endpoint)
	c := dial()
	fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 300000\r\n\r\n%s", path, address, strings.Repeat("x", 200_000))
	c.CloseWrite()
	if answer := string(must(io.ReadAll(c))(t)); !strings.HasPrefix(answer, "HTTP/1.1 400") || !strings.Contains(answer, "<Code>IncompleteBody</Code>") {
		t.Errorf("a truncated upload: %.400q", answer)
	}
	// The same with nobody left to answer; things that are no HTTP; and nothing at all.
	gone := dial()
	fmt.Fprintf(gone, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 300000\r\n\r\n%s", path, address, strings.Repeat("x", 100_000))
	gone.SetLinger(0)
	gone.Close()
	endless := dial()
	fmt.Fprintf(endless, "GET / HTTP/1.1\r\nHost: %s\r\nX-Padding: %s", address, strings.Repeat("x", 200_000))
	if answer, _ := io.ReadAll(endless); len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 431")) { // it may be gone with the connection
		t.Errorf("headers without end: %.200q", answer)
	}
	for _, text := range []string{"\x16\x03\x01\x00\x05hello", "\x16", "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x00\x00\x00\x00", ""} {
		c := dial()
		fmt.Fprint(c, text)
		c.CloseWrite()
		answer := must(io.ReadAll(c))(t)
		if len(answer) > 0 && answer[0] != 0x15 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 400")) && !bytes.HasPrefix(answer, []byte("HTTP/1.1 505")) {
			t.Errorf("%q is answered %.200q", text, answer)
		}
	}
	idle := dial() // waits, and blocks nobody
	must(s.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	idle.Close()
	if out := must(s.s3.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: aws.String("broken")}))(t); len(out.Versions) != 0 {
		t.Errorf("something was stored: %+v", out.Versions)
	}
}
