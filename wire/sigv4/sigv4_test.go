package sigv4

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var (
	testTime  = time.Date(2030, 5, 6, 7, 8, 9, 0, time.UTC)
	testCreds = Credentials{AccessKeyID: vectorKey, SecretAccessKey: vectorSecret}
	sdkCreds  = aws.Credentials{AccessKeyID: vectorKey, SecretAccessKey: vectorSecret}
)

// listen runs check on every request that reaches a real server, and
// answers with its error.
func listen(t *testing.T, check func(*http.Request) error) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := check(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, r *http.Request) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 {
		t.Errorf("%s %s: %s", r.Method, r.URL, b)
	}
}

func request(t *testing.T, method, url, body string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// What the SDK's signer signs is what a server finds, through real TCP.
func TestSDKSigner(t *testing.T) {
	t.Parallel()
	var v Verifier
	srv := listen(t, func(r *http.Request) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		c, err := Parse(r)
		if err != nil {
			return err
		}
		hash := HashPayload(body)
		if c.Presigned && c.Service == "s3" {
			hash = UnsignedPayload
		}
		_, err = v.Check(r, c, vectorSecret, hash)
		return err
	})
	for _, service := range []string{"s3", "lambda"} {
		for _, path := range []string{
			"/", "/plain", "/a/b/", "/arn%3Aaws%3As3%3A%3A%3Abucket%2Fkey", "/sp%20ace/%E2%82%AC/~-._", "/%2B%2A%27%28%29",
			"/?a=1&a=0&b=%20%2B%2F&c", "/x?z=%E2%82%AC&y=~&x=a%3Db&%20=1", "/?lifecycle", "/k?versionId=a.b_c",
		} {
			signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
			for _, body := range []string{"", "hello"} {
				r := request(t, "POST", srv.URL+path, body, "Content-Type", "text/plain", "X-Amz-Meta-A", "  two   spaces ", "X-Amz-Meta-B", "1", "X-Amz-Meta-B", "2",
					"Expect", "100-continue", "X-Amz-Content-Sha256", HashPayload([]byte(body)))
				if err := signer.SignHTTP(t.Context(), sdkCreds, r, HashPayload([]byte(body)), service, "eu-west-1", testTime); err != nil {
					t.Fatal(err)
				}
				send(t, r)
			}
			r := request(t, "GET", srv.URL+path, "")
			q := r.URL.Query()
			q.Set("X-Amz-Expires", "60")
			r.URL.RawQuery = q.Encode()
			hash := EmptyHash
			if service == "s3" {
				hash = UnsignedPayload
			}
			url, _, err := signer.PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: vectorKey, SecretAccessKey: vectorSecret, SessionToken: "tok+en/=="}, r, hash, service, "eu-west-1", testTime)
			if err != nil {
				t.Fatal(err)
			}
			send(t, request(t, "GET", url, ""))
		}
	}
	// Without a length net/http frames the body itself.
	r := request(t, "PUT", srv.URL+"/key", "")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("hello")), -1
	r.Header.Set("X-Amz-Content-Sha256", HashPayload([]byte("hello")))
	if err := v4.NewSigner().SignHTTP(t.Context(), sdkCreds, r, HashPayload([]byte("hello")), "s3", "eu-west-1", testTime); err != nil {
		t.Fatal(err)
	}
	send(t, r)
}

// Our own signer agrees with the SDK's, digit for digit.
func TestSign(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"s3", "sts"} {
		creds := Credentials{vectorKey, vectorSecret, "token"}
		ours := request(t, "PUT", "https://example.com/a%20b/c?x=1&y=%2F", "body", "Content-Type", "text/plain")
		theirs := ours.Clone(context.Background())
		hash := HashPayload([]byte("body"))
		Sign(ours, creds, "us-east-1", service, testTime, hash)
		if service == "s3" {
			theirs.Header.Set("X-Amz-Content-Sha256", hash)
		}
		theirs.ContentLength = 0 // the SDK signs the length, and we leave it to others
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
		if err := signer.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: vectorKey, SecretAccessKey: vectorSecret, SessionToken: "token"}, theirs, hash, service, "us-east-1", testTime); err != nil {
			t.Fatal(err)
		}
		if got, want := ours.Header.Get("Authorization"), theirs.Header.Get("Authorization"); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", service, got, want)
		}
	}
}

func TestPresign(t *testing.T) {
	t.Parallel()
	var v Verifier
	for _, service := range []string{"s3", "sts"} {
		u, err := Presign("GET", "https://example.com/b/a%20b//c?x=1", Credentials{vectorKey, vectorSecret, "to/ken+="}, "us-east-1", service, testTime, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", u, nil)
		c, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if c.Token != "to/ken+=" || c.Expires != time.Hour || !c.Presigned || c.Service != service {
			t.Errorf("claim %+v", c)
		}
		hash := map[string]string{"s3": UnsignedPayload, "sts": EmptyHash}[service]
		if _, err := v.Check(r, c, vectorSecret, hash); err != nil {
			t.Error(err)
		}
	}
	for _, life := range []time.Duration{0, time.Millisecond, 8 * 24 * time.Hour} {
		if _, err := Presign("GET", "https://example.com/", testCreds, "us-east-1", "s3", testTime, life); err == nil {
			t.Errorf("a URL for %v was signed", life)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const (
		hex64 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		good  = "AWS4-HMAC-SHA256 Credential=AKID/20300506/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + hex64
		query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20300506%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20300506T070809Z&X-Amz-SignedHeaders=host&X-Amz-Signature=" + hex64
	)
	date := "20300506T070809Z"
	for _, tt := range []struct {
		name, target, authorization, date string
		want                              Reason
	}{
		{"good", "/", good, date, ""},
		{"good without spaces", "/", strings.ReplaceAll(good, ", ", ","), date, ""},
		{"good HTTP date", "/", good, "Mon, 06 May 2030 07:08:09 GMT", ""},
		{"nothing", "/", "", "", Missing},
		{"basic", "/", "Basic Zm9vOmJhcg==", date, Unsupported},
		{"version 2", "/", "AWS AKID:c2ln", date, Unsupported},
		{"version 2 presigned", "/?AWSAccessKeyId=a&Signature=b&Expires=1", "", "", Unsupported},
		{"SigV4A", "/", strings.Replace(good, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", 1), date, Unsupported},
		{"SigV4A presigned", "/?" + strings.Replace(query, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", 1), "", "", Unsupported},
		{"both", "/?" + query, good, date, Malformed},
		{"no date", "/", good, "", Malformed},
		{"bad date", "/", good, "yesterday", Malformed},
		{"other day", "/", good, "20300507T070809Z", Scope},
		{"no credential", "/", strings.Replace(good, "Credential=", "Other=", 1), date, Malformed},
		{"no signature", "/", strings.Replace(good, "Signature="+hex64, "Signature=", 1), date, Malformed},
		{"no signed headers", "/", strings.Replace(good, "SignedHeaders=host;x-amz-date, ", "", 1), date, Malformed},
		{"no equals", "/", strings.Replace(good, "Signature=", "Signature ", 1), date, Malformed},
		{"twice", "/", good + ", Signature=" + hex64, date, Malformed},
		{"short credential", "/", strings.Replace(good, "us-east-1/", "", 1), date, Malformed},
		{"empty region", "/", strings.Replace(good, "us-east-1/", "/", 1), date, Malformed},
		{"odd region", "/", strings.Replace(good, "us-east-1/", "us:east/", 1), date, Scope},
		{"region that is no label", "/", strings.Replace(good, "us-east-1/", "us-east-/", 1), date, Scope},
		{"region of a hyphen", "/", strings.Replace(good, "us-east-1/", "-/", 1), date, Scope},
		{"wrong end", "/", strings.Replace(good, "aws4_request", "aws5_request", 1), date, Scope},
		{"control characters", "/", strings.Replace(good, "AKID", "AK\nID", 1), date, Malformed},
		{"short signature", "/", strings.Replace(good, hex64, hex64[1:], 1), date, Malformed},
		{"upper signature", "/", strings.Replace(good, hex64, strings.ToUpper(hex64), 1), date, Malformed},
		{"upper header", "/", strings.Replace(good, "host;", "Host;", 1), date, Malformed},
		{"header twice", "/", strings.Replace(good, "host;", "host;host;", 1), date, Malformed},
		{"many headers", "/", strings.Replace(good, "host;", "host;"+strings.Repeat("a;", 200), 1), date, Malformed},
		{"presigned", "/?" + query + "&X-Amz-Expires=60", "", "", ""},
		{"presigned longest", "/?" + query + "&X-Amz-Expires=604800", "", "", ""},
		{"presigned too long", "/?" + query + "&X-Amz-Expires=604801", "", "", Malformed},
		{"presigned zero", "/?" + query + "&X-Amz-Expires=0", "", "", Malformed},
		{"presigned negative", "/?" + query + "&X-Amz-Expires=-1", "", "", Malformed},
		{"presigned words", "/?" + query + "&X-Amz-Expires=soon", "", "", Malformed},
		{"presigned for ever", "/?" + query, "", "", Malformed},
		{"presigned parameter twice", "/?" + query + "&X-Amz-Expires=60&X-Amz-Expires=61", "", "", Malformed},
		{"presigned without signature", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256", "", "", Malformed},
	} {
		r := httptest.NewRequest("GET", tt.target, nil)
		if tt.authorization != "" {
			r.Header.Set("Authorization", tt.authorization)
		}
		if tt.date != "" {
			r.Header.Set("X-Amz-Date", tt.date)
		}
		_, err := Parse(r)
		if got := reason(err); got != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestCheckTime(t *testing.T) {
	t.Parallel()
	const skew = 5 * time.Minute
	for _, tt := range []struct {
		name      string
		presigned bool
		now       time.Duration // after signing
		want      Reason
	}{
		{"now", false, 0, ""},
		{"at the late edge", false, skew, ""},
		{"late", false, skew + time.Second, Skewed},
		{"at the early edge", false, -skew, ""},
		{"early", false, -skew - time.Second, Skewed},
		{"presigned now", true, 0, ""},
		{"presigned beyond the skew", true, 59 * time.Minute, ""},
		{"presigned at its end", true, time.Hour, ""},
		{"presigned over", true, time.Hour + time.Second, Expired},
		{"presigned early", true, -skew - time.Second, Early},
	} {
		c := &Claim{Time: testTime, Presigned: tt.presigned}
		if tt.presigned {
			c.Expires = time.Hour
		}
		if err := c.CheckTime(testTime.Add(tt.now), skew); reason(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	err := (&Claim{Time: testTime}).CheckTime(testTime.Add(10*time.Minute), skew)
	want := "Signature expired: 20300506T070809Z is now earlier than 20300506T071309Z (20300506T071809Z - 5 min.)"
	if e := err.(*Error); e.Detail != want {
		t.Errorf("got  %s\nwant %s", e.Detail, want)
	}
}

func TestHeadersMustBeSigned(t *testing.T) {
	t.Parallel()
	var v Verifier
	for _, tt := range []struct {
		header, service string
		want            Reason
	}{
		{"X-Amz-Target", "acm", Unsigned},
		{"X-Amz-Copy-Source", "s3", Unsigned},
		{"X-Amz-Security-Token", "s3", Unsigned},
		{"X-Amz-Content-Sha256", "acm", ""},
		{"X-Amz-User-Agent", "s3", ""},
		{"X-Amzn-Trace-Id", "acm", ""},
		{"Cookie", "acm", ""},
	} {
		r := httptest.NewRequest("GET", "https://example.com/", nil)
		Sign(r, testCreds, "us-east-1", tt.service, testTime, EmptyHash)
		r.Header.Set(tt.header, "x")
		c, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Check(r, c, vectorSecret, EmptyHash); reason(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.header, err, tt.want)
		}
	}
	r := vector(t, "GET", "/", "example.com", "X-Amz-Date", "20300506T070809Z", "Authorization",
		"AWS4-HMAC-SHA256 Credential=AKID/20300506/us-east-1/acm/aws4_request,SignedHeaders=x-amz-date,Signature="+strings.Repeat("a", 64))
	c, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Check(r, c, vectorSecret, EmptyHash); reason(err) != Unsigned {
		t.Errorf("no host: %v", err)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ raw, s3, other string }{
		{"/", "/", "/"},
		{"/a/./b/../c", "/a/./b/../c", "/a/c"},
		{"//a//b/", "//a//b/", "/a/b/"},
		{"/../..", "/../..", "/"},
		{"/a%2fb", "/a%2Fb", "/a%252fb"},
		{"/a b+c:d", "/a%20b%2Bc%3Ad", "/a%20b%2Bc%3Ad"},
		{"/a%20b", "/a%20b", "/a%2520b"},
		{"/a/..", "/a/..", "/"},
		{"/%zz", "/%zz", "/%25zz"},
	} {
		if got := canonicalPath(tt.raw, "s3"); got != tt.s3 {
			t.Errorf("s3 %s: got %s, want %s", tt.raw, got, tt.s3)
		}
		if got := canonicalPath(tt.raw, "sts"); got != tt.other {
			t.Errorf("sts %s: got %s, want %s", tt.raw, got, tt.other)
		}
	}
}

func TestVerifierForgets(t *testing.T) {
	t.Parallel()
	var v Verifier
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range maxKeys {
				n := keyName{secret: fmt.Sprint(g, "-", i)}
				k, _ := v.key(n)
				v.remember(n, k)
			}
		})
	}
	wg.Wait()
	if n := v.keys.Load().size.Load(); n > maxKeys+4 {
		t.Errorf("%d keys are remembered", n)
	}
	n := keyName{"s", "20300506", "r", "x"}
	k, known := v.key(n)
	if known || k != deriveKey("s", "20300506", "r", "x") {
		t.Error("an unknown key is known, or wrong")
	}
	v.remember(n, k)
	if again, known := v.key(n); !known || again != k {
		t.Error("the key was not remembered")
	}
}

// bodyRequest is a PUT with a body whose framing payloadHash names.
func bodyRequest(body string, length int64, header ...string) *http.Request {
	r := httptest.NewRequest("PUT", "/bucket/key", io.NopCloser(strings.NewReader(body)))
	r.ContentLength = length
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func TestBodies(t *testing.T) {
	t.Parallel()
	const crc = "x-amz-checksum-crc32"
	for _, tt := range []struct {
		name, hash, body string
		header           []string
		code             string
	}{
		{"hash", HashPayload([]byte("hello")), "hello", nil, ""},
		{"other hash", HashPayload([]byte("hello")), "hellO", nil, "XAmzContentSHA256Mismatch"},
		{"nonsense", "nonsense", "hello", nil, "InvalidArgument"},
		{"SigV4A chunks", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "", nil, "NotImplemented"},
		{"unsigned", UnsignedPayload, "hello", nil, ""},
		{"no decoded length", StreamingUnsignedTrailer, "5\r\nhello\r\n0\r\n\r\n", nil, "MissingContentLength"},
		{"bad decoded length", StreamingUnsignedTrailer, "", []string{"X-Amz-Decoded-Content-Length", "-5"}, "InvalidArgument"},
		{"signed decoded length", StreamingUnsignedTrailer, "", []string{"X-Amz-Decoded-Content-Length", "+5"}, "InvalidArgument"},
		{"huge decoded length", StreamingUnsignedTrailer, "", []string{"X-Amz-Decoded-Content-Length", "5368709121"}, "EntityTooLarge"},
		{"chunks", StreamingUnsignedTrailer, "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "5"}, ""},
		{"trailer", StreamingUnsignedTrailer, "5\r\nhello\r\n0\r\n" + crc + ":NhCmhg==\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", crc}, ""},
		{"trailer with bare LF", StreamingUnsignedTrailer, "5\r\nhello\r\n0\r\n" + crc + ":NhCmhg==\n\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", crc}, ""},
		{"trailer unannounced", StreamingUnsignedTrailer, "5\r\nhello\r\n0\r\n" + crc + ":NhCmhg==\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "5"}, "MalformedTrailerError"},
		{"trailer missing", StreamingUnsignedTrailer, "5\r\nhello\r\n0\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", crc}, "MalformedTrailerError"},
		{"trailer cut", StreamingUnsignedTrailer, "5\r\nhello\r\n0\r\n" + crc + ":Nh", []string{"X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", crc}, "IncompleteBody"},
		{"too short", StreamingUnsignedTrailer, "4\r\nhell\r\n0\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "5"}, "IncompleteBody"},
		{"too long", StreamingUnsignedTrailer, "6\r\nhello!\r\n0\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "5"}, "IncompleteBody"},
		{"no end", StreamingUnsignedTrailer, "5\r\nhello\r\n", []string{"X-Amz-Decoded-Content-Length", "5"}, "IncompleteBody"},
		{"cut chunk", StreamingUnsignedTrailer, "5\r\nhel", []string{"X-Amz-Decoded-Content-Length", "5"}, "IncompleteBody"},
		{"empty", StreamingUnsignedTrailer, "", []string{"X-Amz-Decoded-Content-Length", "0"}, "IncompleteBody"},
		{"no size", StreamingUnsignedTrailer, "\r\nhello\r\n", []string{"X-Amz-Decoded-Content-Length", "5"}, "InvalidRequest"},
		{"negative size", StreamingUnsignedTrailer, "-5\r\nhello\r\n", []string{"X-Amz-Decoded-Content-Length", "5"}, "InvalidRequest"},
		{"huge size", StreamingUnsignedTrailer, "ffffffffffffffff\r\nhello\r\n", []string{"X-Amz-Decoded-Content-Length", "5"}, "InvalidRequest"},
		{"endless size", StreamingUnsignedTrailer, strings.Repeat("0", 100_000) + "5\r\nhello\r\n", []string{"X-Amz-Decoded-Content-Length", "5"}, "InvalidRequest"},
		{"endless trailers", StreamingUnsignedTrailer, "0\r\n" + strings.Repeat("a:b\r\n", 1000), []string{"X-Amz-Decoded-Content-Length", "0"}, "MalformedTrailerError"},
		{"signed without proof", StreamingSigned, "", []string{"X-Amz-Decoded-Content-Length", "5"}, "SignatureDoesNotMatch"},
	} {
		b, err := NewBody(bodyRequest(tt.body, int64(len(tt.body)), tt.header...), tt.hash, nil)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(b)
		}
		if code := bodyCode(err); code != tt.code || (err == nil) != (tt.code == "") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.code)
		}
		if err == nil && string(got) != "hello" {
			t.Errorf("%s: read %q", tt.name, got)
		}
		if err != nil && b != nil && b.Trailer() != nil {
			t.Errorf("%s: trailers of a bad body: %v", tt.name, b.Trailer())
		}
	}
}

// A body that stops before its Content-Length, over a real connection.
func TestTruncatedUpload(t *testing.T) {
	t.Parallel()
	got := make(chan error, 1)
	srv := listen(t, func(r *http.Request) error {
		b, err := NewBody(r, UnsignedPayload, nil)
		if err == nil {
			_, err = io.ReadAll(b)
		}
		got <- err
		return nil
	})
	conn := dial(t, srv)
	fmt.Fprintf(conn, "PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello")
	conn.CloseWrite()
	if err := <-got; bodyCode(err) != "IncompleteBody" {
		t.Errorf("got %v", err)
	}
}

// Chunk signatures as the SDK's event stream signer makes them: without
// headers they are the same.
func TestChunksOfTheSDK(t *testing.T) {
	t.Parallel()
	r := bodyRequest("", 0, "X-Amz-Decoded-Content-Length", "11")
	Sign(r, testCreds, "eu-west-1", "s3", testTime, StreamingSigned)
	c, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	var v Verifier
	p, err := v.Check(r, c, vectorSecret, StreamingSigned)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := hex.DecodeString(c.Signature)
	if err != nil {
		t.Fatal(err)
	}
	signer := v4.NewStreamSigner(sdkCreds, "s3", "eu-west-1", seed)
	var body bytes.Buffer
	for _, chunk := range []string{"hello", " world", ""} {
		sig, err := signer.GetSignature(t.Context(), nil, []byte(chunk), testTime)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&body, "%x;chunk-signature=%x\r\n%s\r\n", len(chunk), sig, chunk)
	}
	r.Body = io.NopCloser(&body)
	b, err := NewBody(r, StreamingSigned, p)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "hello world" {
		t.Errorf("%q, %v", got, err)
	}
}

// Over HTTP/2 a host header may come beside :authority, which net/http calls
// the Host: a signature over the header alone is none over the request.
func TestHostIsNotAHeader(t *testing.T) {
	r := request(t, "GET", "http://signed.example/", "")
	Sign(r, testCreds, "eu-west-1", "sts", testTime, EmptyHash)
	check := func() error {
		claim, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = new(Verifier).Check(r, claim, testCreds.SecretAccessKey, EmptyHash)
		return err
	}
	if err := check(); err != nil {
		t.Fatal(err)
	}
	r.Host = "used.example"
	r.Header.Set("Host", "signed.example")
	if check() == nil {
		t.Error("the host that is used is not the one that was signed, and that was accepted")
	}
}
