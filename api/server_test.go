package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/call"
	"countersign/service/identity"
	"countersign/store/storetest"
	"countersign/wire/sigv4"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	apitypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"
)

const (
	testAccount = "123456789012"
	testRegion  = "eu-central-1"
	testKey     = "AKIAIOSFODNN7EXAMPLE"
	testSecret  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// A node is a Server on a real port, with one tiny operation or two of each
// protocol behind it.
type node struct {
	*httptest.Server
	api      *Server
	identity *identity.Service
	bucket   *memory

	mu      sync.Mutex
	calls   []call.Call
	audited []Outcome
	settled int
	log     bytes.Buffer
	shift   time.Duration // of the server's clock
}

func (n *node) now() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Now().Add(n.shift)
}

func (n *node) saw(ctx context.Context) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls = append(n.calls, call.From(ctx))
}

func (n *node) lastCall(t *testing.T) call.Call {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.calls) == 0 {
		t.Fatal("no operation was called")
	}
	return n.calls[len(n.calls)-1]
}

func startNode(t testing.TB, start func(*httptest.Server), change ...func(*Config)) *node {
	t.Helper()
	n := &node{bucket: &memory{objects: map[string]object{}}}
	id, err := identity.New(identity.Config{
		Store: storetest.New(t), Account: testAccount, RootAccessKeyID: testKey, RootSecretAccessKey: testSecret,
		TokenKey: bytes.Repeat([]byte{1}, 32), Now: n.now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.identity = id
	root := call.With(context.Background(), call.Call{Account: testAccount, Principal: call.Principal{Account: testAccount}})
	if _, err := id.CreateRole(root, &iam.CreateRoleInput{RoleName: aws.String("fn"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`)}); err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Services: []Service{
			STS(id),
			{ID: "acm", Operations: []Operation{
				op("ListCertificates", func(ctx context.Context, _ *acm.ListCertificatesInput) (*acm.ListCertificatesOutput, error) {
					n.saw(ctx)
					return &acm.ListCertificatesOutput{}, nil
				}),
				op("DeleteCertificate", func(ctx context.Context, _ *acm.DeleteCertificateInput) (*acm.DeleteCertificateOutput, error) {
					n.saw(ctx)
					return &acm.DeleteCertificateOutput{}, nil
				}),
				op("GetCertificate", func(context.Context, *acm.GetCertificateInput) (*acm.GetCertificateOutput, error) {
					panic("a bug")
				}),
				op("DescribeCertificate", func(context.Context, *acm.DescribeCertificateInput) (*acm.DescribeCertificateOutput, error) {
					return nil, errors.New("the disk at secret-place is full")
				}),
			}},
			{ID: "apigatewayv2", Operations: []Operation{
				op("GetApis", func(ctx context.Context, _ *apigatewayv2.GetApisInput) (*apigatewayv2.GetApisOutput, error) {
					n.saw(ctx)
					return &apigatewayv2.GetApisOutput{}, nil
				}),
				op("GetTags", func(ctx context.Context, in *apigatewayv2.GetTagsInput) (*apigatewayv2.GetTagsOutput, error) {
					n.saw(ctx)
					return &apigatewayv2.GetTagsOutput{Tags: map[string]string{"arn": aws.ToString(in.ResourceArn)}}, nil
				}),
				op("GetApi", func(_ context.Context, in *apigatewayv2.GetApiInput) (*apigatewayv2.GetApiOutput, error) {
					return nil, &apitypes.NotFoundException{Message: aws.String("Invalid API identifier specified")}
				}),
			}},
			{ID: "route53", Operations: []Operation{
				op("GetHostedZoneCount", func(ctx context.Context, _ *route53.GetHostedZoneCountInput) (*route53.GetHostedZoneCountOutput, error) {
					n.saw(ctx)
					return &route53.GetHostedZoneCountOutput{HostedZoneCount: aws.Int64(7)}, nil
				}),
			}},
			{ID: "lambda"},
			n.bucket.service(n),
		},
		Credentials: id.Credential, Account: testAccount, Now: n.now, NewRequestID: uuid.NewString,
		Logger:   slog.New(slog.NewTextHandler(lockedWriter{n}, nil)),
		Suffixes: []string{"cs.test"},
		Settle: func(context.Context) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.settled++
		},
		Audit: func(_ context.Context, _ call.Call, o Outcome) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.audited = append(n.audited, o)
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	if n.api, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	n.Server = httptest.NewUnstartedServer(n.api)
	n.Server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	start(n.Server)
	t.Cleanup(n.Close)
	return n
}

type lockedWriter struct{ n *node }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	return w.n.log.Write(p)
}

func (n *node) logged() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

// config is an SDK configuration for the node, with other keys if given.
func (n *node) config(keys ...string) aws.Config {
	id, secret, token := testKey, testSecret, ""
	switch len(keys) {
	case 3:
		token = keys[2]
		fallthrough
	case 2:
		id, secret = keys[0], keys[1]
	}
	return aws.Config{
		Region: testRegion, BaseEndpoint: aws.String(n.URL), HTTPClient: n.Client(),
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, token),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
}

func apiErrorOf(t *testing.T, err error) smithy.APIError {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an API error", err)
	}
	return e
}

func TestCallerIdentity(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	out, err := sts.NewFromConfig(n.config()).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(out.Arn); got != "arn:aws:iam::123456789012:root" {
		t.Errorf("root is %s", got)
	}
	id, secret, token, _, err := n.identity.Session(t.Context(), "lambda.amazonaws.com", "arn:aws:iam::123456789012:role/fn", "env-1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	out, err = sts.NewFromConfig(n.config(id, secret, token)).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(out.Arn); got != "arn:aws:sts::123456789012:assumed-role/fn/env-1" {
		t.Errorf("session is %s", got)
	}
}

// A presigned GetCallerIdentity is how Kubernetes proves who somebody is.
func TestPresignedCallerIdentity(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	req, err := sts.NewPresignClient(sts.NewFromConfig(n.config())).PresignGetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := n.Client().Get(req.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 || !strings.Contains(string(body), "<Account>123456789012</Account>") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestEveryProtocol(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		start func(*httptest.Server)
	}{{"http", (*httptest.Server).Start}, {"https", (*httptest.Server).StartTLS}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, tt.start)
			cfg := n.config()
			check := func(service, operation string, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", operation, err)
				}
				c := n.lastCall(t)
				if c.Service != service || c.Operation != operation || c.Region == "" || c.Account != testAccount || c.Principal.ID != testAccount ||
					c.Signing != call.Header || c.Secure != (tt.name == "https") || !c.Source.IsLoopback() || len(c.RequestID) != 36 || c.Host == "" || c.UserAgent == "" {
					t.Errorf("%s was called as %+v", operation, c)
				}
			}
			_, err := acm.NewFromConfig(cfg).ListCertificates(t.Context(), nil)
			check("acm", "ListCertificates", err)
			_, err = apigatewayv2.NewFromConfig(cfg).GetApis(t.Context(), nil)
			check("apigateway", "GetApis", err)
			count, err := route53.NewFromConfig(cfg).GetHostedZoneCount(t.Context(), nil)
			check("route53", "GetHostedZoneCount", err)
			if aws.ToInt64(count.HostedZoneCount) != 7 {
				t.Errorf("zones: %v", count)
			}
			// An ARN in the path: encoded slashes stay inside their label, and the
			// path is signed encoded twice.
			arn := "arn:aws:apigateway:eu-central-1::/apis/abc"
			tags, err := apigatewayv2.NewFromConfig(cfg).GetTags(t.Context(), &apigatewayv2.GetTagsInput{ResourceArn: aws.String(arn)})
			check("apigateway", "GetTags", err)
			if tags.Tags["arn"] != arn {
				t.Errorf("label came as %q", tags.Tags["arn"])
			}
		})
	}
}

func TestNotBuilt(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	cfg := n.config()
	_, err := acm.NewFromConfig(cfg).GetAccountConfiguration(t.Context(), nil)
	e := apiErrorOf(t, err)
	if e.ErrorCode() != "NotImplementedException" || e.ErrorMessage() != "acm GetAccountConfiguration is not built in this version of Countersign" {
		t.Errorf("json: %v", e)
	}
	_, err = apigatewayv2.NewFromConfig(cfg).GetVpcLinks(t.Context(), nil)
	if e = apiErrorOf(t, err); e.ErrorCode() != "NotImplementedException" || !strings.Contains(e.ErrorMessage(), "GetVpcLinks") {
		t.Errorf("rest-json: %v", e)
	}
	_, err = sts.NewFromConfig(cfg).GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String(testKey)})
	if e = apiErrorOf(t, err); e.ErrorCode() != "NotImplemented" || !strings.Contains(e.ErrorMessage(), "sts GetAccessKeyInfo") {
		t.Errorf("query: %v", e)
	}
	_, err = route53.NewFromConfig(cfg).GetHealthCheckCount(t.Context(), nil)
	if e = apiErrorOf(t, err); e.ErrorCode() != "NotImplemented" || !strings.Contains(e.ErrorMessage(), "GetHealthCheckCount") {
		t.Errorf("rest-xml: %v", e)
	}
}

// signed sends a request signed by our own signer.
func (n *node) signed(t *testing.T, service, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, n.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, testRegion, service, n.now(), sigv4.HashPayload([]byte(body)))
	return n.do(t, req)
}

func (n *node) do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := n.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestUnknownOperations(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	for _, tt := range []struct {
		name                        string
		service, method, path, body string
		header                      []string
		status                      int
		contains                    []string
	}{
		{"json unknown", "acm", "POST", "/", "{}", []string{"X-Amz-Target", "CertificateManager.MakeTea"}, 400, []string{`"__type":"UnknownOperationException"`, "MakeTea"}},
		{"json without target", "acm", "POST", "/", "{}", nil, 400, []string{"UnknownOperationException"}},
		{"json target of another", "acm", "POST", "/", "{}", []string{"X-Amz-Target", "ACMPrivateCA.ListCertificates"}, 400, []string{"UnknownOperationException"}},
		{"json garbage", "acm", "POST", "/", "{", []string{"X-Amz-Target", "CertificateManager.ListCertificates"}, 400, []string{"SerializationException"}},
		{"query unknown", "sts", "POST", "/", "Action=MakeTea&Version=2011-06-15", []string{"Content-Type", form}, 400, []string{"<Code>InvalidAction</Code>", "Could not find operation MakeTea for version 2011-06-15", "<RequestId>"}},
		{"query version", "sts", "POST", "/", "Action=GetCallerIdentity", []string{"Content-Type", form}, 400, []string{"NO_VERSION_SPECIFIED"}},
		{"query without action", "sts", "POST", "/", "Version=2011-06-15", []string{"Content-Type", form}, 400, []string{"MissingAction"}},
		{"query garbage", "sts", "POST", "/", "Action=%zz", []string{"Content-Type", form}, 404, []string{"MalformedQueryString"}},
		{"query by GET", "sts", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "", nil, 200, []string{"<Account>"}},
		{"rest path", "apigateway", "GET", "/v2/teapots", "", nil, 404, []string{`"message"`}},
		{"REST APIs", "apigateway", "GET", "/restapis", "", nil, 501, []string{"API Gateway v1", "apigatewayv2"}},
		{"xml path", "route53", "GET", "/2013-04-01/teapot", "", nil, 404, []string{"<ErrorResponse", "UnknownOperation"}},
		{"service", "dynamodb", "POST", "/", "{}", []string{"X-Amz-Target", "DynamoDB_20120810.ListTables"}, 501, []string{"dynamodb is not built", "acm"}},
		{"query service", "ec2", "POST", "/", "Action=RunInstances&Version=2016-11-15", []string{"Content-Type", form}, 501, []string{"<Message>ec2 is not built"}},
		{"modelled error", "apigateway", "GET", "/v2/apis/nope", "", nil, 404, []string{"Invalid API identifier specified"}},
	} {
		res, body := n.signed(t, tt.service, tt.method, tt.path, tt.body, tt.header...)
		if res.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d: %s", tt.name, res.StatusCode, tt.status, body)
		}
		if res.Header.Get("X-Amzn-Requestid") == "" {
			t.Errorf("%s: no request id", tt.name)
		}
		for _, want := range tt.contains {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %q is not in %s", tt.name, want, body)
			}
		}
	}
}

func TestHealthNeedsNoSignature(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	res, err := n.Client().Get(n.URL + "/_countersign/health")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 || !strings.Contains(string(body), `"status":"ok"`) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestPanicCostsOneAnswer(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	c := acm.NewFromConfig(n.config())
	_, err := c.GetCertificate(t.Context(), &acm.GetCertificateInput{CertificateArn: aws.String("arn:aws:acm:eu-central-1:123456789012:certificate/x")})
	if e := apiErrorOf(t, err); e.ErrorCode() != "InternalFailure" || strings.Contains(e.ErrorMessage(), "bug") {
		t.Errorf("got %v", e)
	}
	if log := n.logged(); !strings.Contains(log, "a bug") || !strings.Contains(log, "goroutine") {
		t.Errorf("the log lacks the panic: %s", log)
	}
	if _, err := c.ListCertificates(t.Context(), nil); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	_, err := acm.NewFromConfig(n.config()).DescribeCertificate(t.Context(), &acm.DescribeCertificateInput{CertificateArn: aws.String("arn:aws:acm:eu-central-1:123456789012:certificate/x")})
	if e := apiErrorOf(t, err); e.ErrorCode() != "InternalFailure" || strings.Contains(err.Error(), "secret-place") {
		t.Errorf("got %v", err)
	}
	if log := n.logged(); !strings.Contains(log, "secret-place") {
		t.Errorf("the log lacks the cause: %s", log)
	}
}

func TestSettleAndAudit(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	c := acm.NewFromConfig(n.config())
	settled := func() int {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.settled
	}
	if _, err := c.ListCertificates(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := settled(); got != 0 {
		t.Errorf("settled %d times after a read", got)
	}
	arn := aws.String("arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012")
	if _, err := c.DeleteCertificate(t.Context(), &acm.DeleteCertificateInput{CertificateArn: arn}); err != nil {
		t.Fatal(err)
	}
	if got := settled(); got != 1 {
		t.Errorf("settled %d times after a write", got)
	}
	if _, err := c.DeleteCertificate(t.Context(), &acm.DeleteCertificateInput{CertificateArn: aws.String("x")}); err == nil {
		t.Error("a bad ARN passed")
	}
	if got := settled(); got != 1 {
		t.Errorf("settled %d times after a failure", got)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.audited) != 3 || n.audited[0].Code != "" || n.audited[2].Code != "ValidationException" || n.audited[2].Status != 400 {
		t.Errorf("audit: %+v", n.audited)
	}
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start, func(c *Config) {
		c.Authorize = func(_ context.Context, c call.Call) error {
			if c.Operation == "ListCertificates" {
				return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no", Fault: smithy.FaultClient}
			}
			return nil
		}
	})
	_, err := acm.NewFromConfig(n.config()).ListCertificates(t.Context(), nil)
	if e := apiErrorOf(t, err); e.ErrorCode() != "AccessDeniedException" {
		t.Errorf("got %v", e)
	}
}

func TestOtherAccountsAreDenied(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start, func(c *Config) { c.Account = "999999999999" })
	_, err := acm.NewFromConfig(n.config()).ListCertificates(t.Context(), nil)
	if e := apiErrorOf(t, err); e.ErrorCode() != "AccessDeniedException" || !strings.Contains(e.ErrorMessage(), "acm:ListCertificates") {
		t.Errorf("json: %v", e)
	}
}

func TestBodyLimits(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	big := strings.Repeat(" ", maxBody) + "{}"
	res, body := n.signed(t, "acm", "POST", "/", big, "X-Amz-Target", "CertificateManager.ListCertificates")
	if res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, "RequestEntityTooLargeException") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	// The same without a length in the head.
	req, err := http.NewRequest("POST", n.URL, io.MultiReader(strings.NewReader(big)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "CertificateManager.ListCertificates")
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, testRegion, "acm", n.now(), sigv4.HashPayload([]byte(big)))
	if res, body := n.do(t, req); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("chunked: %d %s", res.StatusCode, body)
	}
}

func TestLogSaysNothingSecret(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start)
	id, secret, token, _, err := n.identity.Session(t.Context(), "lambda.amazonaws.com", "arn:aws:iam::123456789012:role/fn", "env-1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sts.NewFromConfig(n.config(id, secret, token)).GetCallerIdentity(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	log := n.logged()
	for _, want := range []string{"service=sts", "operation=GetCallerIdentity", "principal=arn:aws:sts::123456789012:assumed-role/fn/env-1", "status=200", "took=", "request="} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in %s", want, log)
		}
	}
	for _, secret := range []string{secret, token, "Signature"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

func TestNewChecksOperations(t *testing.T) {
	t.Parallel()
	good := Config{
		Credentials: func(context.Context, string, string) (identity.Credential, error) { return identity.Credential{}, nil },
		Account:     testAccount, Now: time.Now, NewRequestID: uuid.NewString,
		Services: []Service{{ID: "acm"}},
	}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, services := range map[string][]Service{
		"none":      nil,
		"no model":  {{ID: "teapot"}},
		"twice":     {{ID: "acm"}, {ID: "acm"}},
		"operation": {{ID: "acm", Operations: []Operation{{Name: "MakeTea"}}}},
		"op twice":  {{ID: "acm", Operations: []Operation{{Name: "GetCertificate"}, {Name: "GetCertificate"}}}},
	} {
		cfg := good
		cfg.Services = services
		if _, err := New(cfg); err == nil {
			t.Errorf("New accepts bad services: %s", name)
		}
	}
}
