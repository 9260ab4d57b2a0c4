package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/node"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

const region = "eu-west-1"

// A system is a node and the SDK's clients for it.
type system struct {
	t      *testing.T
	node   *node.Node
	config node.Config
	clock  *clock

	acm     *acm.Client
	pca     *acmpca.Client
	gateway *apigatewayv2.Client
	rest    *apigateway.Client
	iam     *iam.Client
	lambda  *lambda.Client
	logs    *cloudwatchlogs.Client
	secrets *secretsmanager.Client
	ssm     *ssm.Client
	route53 *route53.Client
	s3      *s3.Client
	sts     *sts.Client
}

// A clock is the real one with an offset that a test moves.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(by time.Duration) { c.offset.Add(int64(by)) }

// start runs a node on free ports with its data in a folder of the test's.
func start(t *testing.T) *system {
	t.Helper()
	c := &clock{}
	s := &system{t: t, clock: c, config: node.Config{
		Data: t.TempDir(), Listen: "127.0.0.1:0", GatewayListen: "127.0.0.1:0", DNSListen: "127.0.0.1:0",
		Now: c.now, Rand: rand.Reader, Logger: logger(t),
	}}
	s.run()
	return s
}

// run starts the node, again after stop.
func (s *system) run() {
	s.t.Helper()
	n, err := node.Start(context.Background(), s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.node = n
	s.t.Cleanup(func() {
		if err := n.Close(); err != nil {
			s.t.Errorf("stop the node: %v", err)
		}
	})
	config := s.aws(n.Credentials().AccessKeyID, n.Credentials().SecretAccessKey)
	s.acm, s.pca, s.gateway, s.rest = acm.NewFromConfig(config), acmpca.NewFromConfig(config), apigatewayv2.NewFromConfig(config), apigateway.NewFromConfig(config)
	s.iam, s.lambda, s.route53, s.sts = iam.NewFromConfig(config), lambda.NewFromConfig(config), route53.NewFromConfig(config), sts.NewFromConfig(config)
	s.logs, s.secrets, s.ssm = cloudwatchlogs.NewFromConfig(config), secretsmanager.NewFromConfig(config), ssm.NewFromConfig(config)
	s.s3 = s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
}

func (s *system) aws(id, secret string) aws.Config {
	return awsConfig(s.node.Endpoints().Endpoint, id, secret)
}

// clientsOwnFault lets a client try again what it broke itself, and nothing else: an answer of the node's that
// needs a second try is a fault here. The SDK closes a request's body when it has the answer; when that is so soon that net/http still
// looks for the body's end, net/http closes the connection under the answer.
var clientsOwnFault = retry.NewStandard(func(o *retry.StandardOptions) {
	o.MaxAttempts, o.MaxBackoff, o.RateLimiter = 3, time.Millisecond, ratelimit.None
	o.Retryables = []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
		return aws.BoolTernary(strings.Contains(err.Error(), "use of closed network connection"))
	})}
})

// awsConfig is for clients of an endpoint; what they call is recorded.
func awsConfig(endpoint, id, secret string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		Retryer:     func() aws.Retryer { return clientsOwnFault },
		APIOptions:  []func(*middleware.Stack) error{called.record},
		// As config.LoadDefaultConfig sets them for everybody.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}
}

// logger shows warnings and errors of the node among the test's output.
func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	if !strings.Contains(string(b), "level=WARN") { // refused clients are what these tests are about
		w.t.Logf("%s", bytes.TrimSpace(b))
	}
	return len(b), nil
}

// A caller is a client of the gateway.
type caller struct {
	s           *system
	certificate *tls.Certificate
	sessions    tls.ClientSessionCache
	http2       bool
	maxVersion  uint16
}

func (s *system) caller(certificate *tls.Certificate) *caller {
	return &caller{s: s, certificate: certificate}
}

func (c *caller) config(name string) *tls.Config {
	c.s.t.Helper()
	root, err := os.ReadFile(c.s.node.Endpoints().CACert)
	if err != nil {
		c.s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	config := &tls.Config{RootCAs: roots, ServerName: name, ClientSessionCache: c.sessions, MaxVersion: c.maxVersion}
	if c.certificate != nil {
		// Given whether or not the server's list of authorities would pick it.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.certificate, nil }
	}
	return config
}

// A reply is what a call of the gateway led to.
type reply struct {
	status  int
	body    string
	header  http.Header
	resumed bool
	proto   string
	refused error // the handshake or the connection failed
}

// get opens a connection for the domain and asks for a path of host on it.
func (c *caller) get(domain, host, path string) reply {
	c.s.t.Helper()
	transport := &http.Transport{
		TLSClientConfig: c.config(domain), DisableKeepAlives: !c.http2, ForceAttemptHTTP2: c.http2,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, c.s.node.Endpoints().Gateway)
		},
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+domain+path, nil)
	if err != nil {
		c.s.t.Fatal(err)
	}
	request.Host = host
	response, err := transport.RoundTrip(request)
	if err != nil {
		return reply{refused: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{refused: err}
	}
	return reply{response.StatusCode, string(body), response.Header, response.TLS.DidResume, response.Proto, nil}
}

// wantStatus demands a status and a text in the body.
func (r reply) want(t *testing.T, status int, text string) {
	t.Helper()
	if r.refused != nil || r.status != status || !strings.Contains(r.body, text) {
		t.Errorf("got status %d, body %q, refused %v; want status %d with %q", r.status, r.body, r.refused, status, text)
	}
}

// wantRefused demands that there was no answer at all.
func (r reply) wantRefused(t *testing.T, text string) {
	t.Helper()
	if r.refused == nil || !strings.Contains(r.refused.Error(), text) {
		t.Errorf("got status %d, body %q, refused %v; want the connection refused with %q", r.status, r.body, r.refused, text)
	}
}

// wantCode demands an API error of a code.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != code {
		t.Errorf("got error %v, want %s", err, code)
	}
}

// must gives the value or ends the test.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// clientCert reads the certificate that the event of an echoing function shows.
func clientCert(t *testing.T, body string) map[string]any {
	t.Helper()
	var event struct {
		RequestContext struct {
			Authentication struct {
				ClientCert map[string]any `json:"clientCert"`
			} `json:"authentication"`
		} `json:"requestContext"`
	}
	if err := json.Unmarshal([]byte(body), &event); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return event.RequestContext.Authentication.ClientCert
}

func pemOf(der ...[]byte) []byte {
	var b bytes.Buffer
	for _, d := range der {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: d}) // writing to a buffer does not fail
	}
	return b.Bytes()
}
