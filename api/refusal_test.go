package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"countersign/wire/sigv4"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// A caller makes one call of a protocol with a configuration.
type caller struct {
	name string
	call func(context.Context, aws.Config) error
}

var callers = []caller{
	{"json", func(ctx context.Context, c aws.Config) error {
		_, err := acm.NewFromConfig(c).ListCertificates(ctx, nil)
		return err
	}},
	{"rest-json", func(ctx context.Context, c aws.Config) error {
		_, err := apigatewayv2.NewFromConfig(c).GetApis(ctx, nil)
		return err
	}},
	{"query", func(ctx context.Context, c aws.Config) error {
		_, err := sts.NewFromConfig(c).GetCallerIdentity(ctx, nil)
		return err
	}},
	{"rest-xml", func(ctx context.Context, c aws.Config) error {
		_, err := route53.NewFromConfig(c).GetHostedZoneCount(ctx, nil)
		return err
	}},
	{"s3", func(ctx context.Context, c aws.Config) error {
		_, err := s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }).PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader("hello")})
		return err
	}},
}

// Every way in which a signature fails, as real clients of every protocol see it.
func TestRefusalsByProtocol(t *testing.T) {
	t.Parallel()
	type answer struct {
		status int
		code   string
	}
	for _, tt := range []struct {
		name  string
		keys  func(*testing.T, *node) []string
		shift time.Duration
		want  map[string]answer
		text  string
	}{
		{
			name: "wrong secret",
			keys: func(*testing.T, *node) []string { return []string{testKey, "not the secret"} },
			want: map[string]answer{
				"json": {400, "InvalidSignatureException"}, "rest-json": {403, "InvalidSignatureException"},
				"query": {403, "SignatureDoesNotMatch"}, "rest-xml": {403, "SignatureDoesNotMatch"}, "s3": {403, "SignatureDoesNotMatch"},
			},
			text: "The request signature we calculated does not match the signature you provided.",
		},
		{
			name: "unknown key",
			keys: func(*testing.T, *node) []string { return []string{"AKIANOBODY", testSecret} },
			want: map[string]answer{
				"json": {400, "UnrecognizedClientException"}, "rest-json": {403, "UnrecognizedClientException"},
				"query": {403, "InvalidClientTokenId"}, "rest-xml": {403, "InvalidClientTokenId"}, "s3": {403, "InvalidAccessKeyId"},
			},
		},
		{
			name: "token of another key",
			keys: func(t *testing.T, n *node) []string {
				_, secret, token := n.session(t)
				return []string{"ASIAANOTHER", secret, token}
			},
			want: map[string]answer{
				"json": {400, "UnrecognizedClientException"}, "rest-json": {403, "UnrecognizedClientException"},
				"query": {403, "InvalidClientTokenId"}, "rest-xml": {403, "InvalidClientTokenId"}, "s3": {400, "InvalidToken"},
			},
		},
		{
			name:  "expired session",
			shift: 2 * time.Minute,
			keys: func(t *testing.T, n *node) []string {
				id, secret, token := n.session(t)
				return []string{id, secret, token}
			},
			want: map[string]answer{
				"json": {400, "ExpiredTokenException"}, "rest-json": {403, "ExpiredTokenException"},
				"query": {403, "ExpiredToken"}, "rest-xml": {403, "ExpiredToken"}, "s3": {400, "ExpiredToken"},
			},
			text: "expired",
		},
		{
			name:  "slow clock",
			shift: 16 * time.Minute,
			want: map[string]answer{
				"json": {400, "InvalidSignatureException"}, "rest-json": {403, "InvalidSignatureException"},
				"query": {403, "SignatureDoesNotMatch"}, "rest-xml": {403, "SignatureDoesNotMatch"}, "s3": {403, "RequestTimeTooSkewed"},
			},
		},
		{
			name:  "fast clock",
			shift: -16 * time.Minute,
			want: map[string]answer{
				"json": {400, "InvalidSignatureException"}, "rest-json": {403, "InvalidSignatureException"},
				"query": {403, "SignatureDoesNotMatch"}, "rest-xml": {403, "SignatureDoesNotMatch"}, "s3": {403, "RequestTimeTooSkewed"},
			},
		},
		{
			name:  "a clock six minutes off",
			shift: 6 * time.Minute,
			want: map[string]answer{
				"json": {400, "InvalidSignatureException"}, "rest-json": {403, "InvalidSignatureException"},
				"query": {403, "SignatureDoesNotMatch"}, "rest-xml": {403, "SignatureDoesNotMatch"}, "s3": {200, ""},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, (*httptest.Server).Start)
			var keys []string
			if tt.keys != nil {
				keys = tt.keys(t, n)
			}
			n.mu.Lock()
			n.shift = tt.shift
			n.mu.Unlock()
			for _, c := range callers {
				want := tt.want[c.name]
				err := c.call(t.Context(), n.config(keys...))
				if want.code == "" {
					if err != nil {
						t.Errorf("%s: %v", c.name, err)
					}
					continue
				}
				e := apiErrorOf(t, err)
				var res *awshttp.ResponseError
				if !errors.As(err, &res) {
					t.Fatalf("%s: %v has no response", c.name, err)
				}
				if got := (answer{res.HTTPStatusCode(), e.ErrorCode()}); got != want {
					t.Errorf("%s: got %v, want %v (%v)", c.name, got, want, err)
				}
				if res.ServiceRequestID() == "" {
					t.Errorf("%s: no request id", c.name)
				}
				if !strings.Contains(e.ErrorMessage(), tt.text) {
					t.Errorf("%s: message %q", c.name, e.ErrorMessage())
				}
			}
			if len(n.calls) > 1 || len(n.bucket.objects) > 1 {
				t.Errorf("operations were called: %v", n.calls)
			}
		})
	}
}

// session makes credentials that last a minute.
func (n *node) session(t *testing.T) (id, secret, token string) {
	t.Helper()
	id, secret, token, _, err := n.identity.Session(t.Context(), "lambda.amazonaws.com", "arn:aws:iam::123456789012:role/fn", "env", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return id, secret, token
}

func TestMissingAndMalformedSignatures(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	const form = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		name, method, path string
		header             []string
		status             int
		contains           string
	}{
		{"json", "POST", "/", []string{"X-Amz-Target", "CertificateManager.ListCertificates"}, 400, `"__type":"MissingAuthenticationTokenException"`},
		{"rest-json", "GET", "/v2/apis", nil, 403, `Missing Authentication Token`},
		{"query", "POST", "/", []string{"Content-Type", form}, 403, "<Code>MissingAuthenticationToken</Code>"},
		{"rest-xml", "GET", "/2013-04-01/hostedzone", nil, 403, "<Code>MissingAuthenticationToken</Code>"},
		{"s3", "PUT", "/bucket/key", nil, 403, "<Code>AccessDenied</Code>"},
		{"s3 listing", "GET", "/bucket", nil, 403, "<Code>AccessDenied</Code>"},
		{"s3 tags", "GET", "/bucket/key?tagging", nil, 403, "<Code>AccessDenied</Code>"},
		{"s3 response header", "GET", "/bucket/key?response-content-type=text/html", nil, 400, "anonymous GET requests"},
		{"nobody's", "POST", "/", []string{"X-Amz-Target", "Teapot.Boil"}, 501, "UnknownService"},

		{"json basic", "POST", "/", []string{"X-Amz-Target", "CertificateManager.ListCertificates", "Authorization", "Basic eA=="}, 400, "IncompleteSignatureException"},
		{"query half", "POST", "/", []string{"Content-Type", form, "Authorization", "AWS4-HMAC-SHA256 Credential=a"}, 403, "Authorization header requires 'Signature' parameter."},
		{"s3 half", "GET", "/bucket/key", []string{"Authorization", "AWS4-HMAC-SHA256 Credential=a"}, 400, "<Code>AuthorizationHeaderMalformed</Code>"},
		{"s3 version 2", "GET", "/bucket/key", []string{"Authorization", "AWS AKID:c2ln"}, 400, "Please use AWS4-HMAC-SHA256."},
		{"s3 SigV4A", "GET", "/bucket/key", []string{"Authorization", "AWS4-ECDSA-P256-SHA256 Credential=a"}, 400, "SigV4A"},
		{"s3 query", "GET", "/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256", nil, 400, "<Code>AuthorizationQueryParametersError</Code>"},
	} {
		req, err := http.NewRequest(tt.method, n.URL+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(tt.header); i += 2 {
			req.Header.Set(tt.header[i], tt.header[i+1])
		}
		if res, body := n.do(t, req); res.StatusCode != tt.status || !strings.Contains(body, tt.contains) {
			t.Errorf("%s: %d %s, want %d with %s", tt.name, res.StatusCode, body, tt.status, tt.contains)
		}
	}
	if len(n.calls) > 0 || len(n.audited) > 0 {
		t.Errorf("operations were called: %v", n.calls)
	}
}

func TestExpiredPresignedURL(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	creds := sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}
	get := func(service, path string, signed time.Time) (*http.Response, string) {
		url, err := sigv4.Presign("GET", n.URL+path, creds, testRegion, service, signed, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return n.do(t, req)
	}
	res, body := get("s3", "/bucket/key", n.now().Add(-2*time.Minute))
	for _, want := range []string{"<Code>AccessDenied</Code><Message>Request has expired</Message>", "<X-Amz-Expires>60</X-Amz-Expires>", "<Expires>", "<ServerTime>"} {
		if res.StatusCode != 403 || !strings.Contains(body, want) {
			t.Errorf("%d %s, want %s", res.StatusCode, body, want)
		}
	}
	if res, body = get("s3", "/bucket/key", n.now().Add(time.Hour)); res.StatusCode != 403 || !strings.Contains(body, "Request is not yet valid") {
		t.Errorf("early: %d %s", res.StatusCode, body)
	}
	if res, body = get("sts", "/?Action=GetCallerIdentity&Version=2011-06-15", n.now().Add(-2*time.Minute)); res.StatusCode != 403 || !strings.Contains(body, "<Code>SignatureDoesNotMatch</Code><Message>Signature expired") {
		t.Errorf("sts: %d %s", res.StatusCode, body)
	}
}

// The error document shows what was expected, so that a client's bug can be
// found, and repeats only what the caller sent.
func TestS3SignatureErrorExplains(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	req, err := http.NewRequest("GET", n.URL+"/bucket/key", nil)
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: "wrong"}, testRegion, "s3", n.now(), sigv4.EmptyHash)
	_, body := n.do(t, req)
	for _, want := range []string{"<AWSAccessKeyId>" + testKey, "<StringToSign>AWS4-HMAC-SHA256\n", "<SignatureProvided>", "<CanonicalRequest>GET\n/bucket/key\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in %s", want, body)
		}
	}
	if strings.Contains(body, testSecret) {
		t.Error("the secret is shown")
	}
	// Without the hash of the payload S3 takes no signed header.
	req.Header.Del("X-Amz-Content-Sha256")
	if res, body := n.do(t, req); res.StatusCode != 400 || !strings.Contains(body, "Missing required header for this request: x-amz-content-sha256") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}
