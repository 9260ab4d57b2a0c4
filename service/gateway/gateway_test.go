package gateway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"countersign/call"
	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	v2 "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const (
	account = "000000000000"
	region  = "eu-west-1"
	issued  = "arn:aws:acm:eu-west-1:000000000000:certificate/issued"
	private = "arn:aws:acm:eu-west-1:000000000000:certificate/private"
	pending = "arn:aws:acm:eu-west-1:000000000000:certificate/pending"
	lambda  = "arn:aws:lambda:eu-west-1:000000000000:function:echo"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// inventory is a certificate inventory of two issued certificates and one that waits.
type inventory struct{ tls *tls.Certificate }

func (i inventory) ServerCertificate(_ context.Context, arn string) (ServerCertificate, error) {
	switch arn {
	case issued:
		return ServerCertificate{i.tls, "AMAZON_ISSUED", "ISSUED"}, nil
	case private:
		return ServerCertificate{i.tls, "PRIVATE", "ISSUED"}, nil
	case pending:
		return ServerCertificate{nil, "AMAZON_ISSUED", "PENDING_VALIDATION"}, nil
	}
	return ServerCertificate{}, &types.ResourceNotFoundException{Message: aws.String("no " + arn)}
}

// bucket is one versioned bucket: every write of a key adds a version.
type bucket map[string][][]byte

func (b bucket) GetObject(_ context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	versions := b[*in.Bucket+"/"+*in.Key]
	if len(versions) == 0 {
		return nil, &s3types.NoSuchKey{Message: aws.String("The specified key does not exist.")}
	}
	n := len(versions)
	if in.VersionId != nil {
		if _, err := fmt.Sscanf(*in.VersionId, "v%d", &n); err != nil || n < 1 || n > len(versions) {
			return nil, &smithy.GenericAPIError{Code: "NoSuchVersion", Message: "The specified version does not exist."}
		}
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(versions[n-1])), VersionId: aws.String(fmt.Sprintf("v%d", n))}, nil
}

func certificate(t testing.TB, name string, names ...string) (*tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, DNSNames: names,
		NotBefore: noon.Add(-time.Hour), NotAfter: noon.AddDate(1, 0, 0), IsCA: len(names) == 0, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

type fixture struct {
	*Service
	store  store.Store
	bucket bucket
	now    time.Time
}

func setUp(t *testing.T) (*fixture, context.Context) {
	t.Helper()
	return setUpOn(t, storetest.New(t))
}

func setUpOn(t *testing.T, s store.Store) (*fixture, context.Context) {
	t.Helper()
	server, _ := certificate(t, "api.example.com", "api.example.com", "*.wild.example.com")
	_, root := certificate(t, "Root One")
	f := &fixture{store: s, now: noon, bucket: bucket{"trust/roots.pem": {root}, "trust/notes.txt": {[]byte("no certificates here")}}}
	f.Service = New(Config{
		Store: s, Certificates: inventory{server}, Objects: f.bucket, Now: func() time.Time { return f.now }, Rand: rand.Reader,
		Derive: func(purpose string) [32]byte { return sha256.Sum256([]byte(purpose)) },
	})
	return f, as(account, region)
}

func as(account, region string) context.Context {
	return call.With(context.Background(), call.Call{Account: account, Region: region})
}

// wantError demands an API error of a code whose message holds a text.
func wantError(t *testing.T, err error, code, text string) {
	t.Helper()
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != code || !strings.Contains(coded.ErrorMessage(), text) {
		t.Errorf("got error %v, want %s with %q", err, code, text)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (f *fixture) api(t *testing.T, ctx context.Context) string {
	t.Helper()
	return *must(f.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("pets"), ProtocolType: v2.ProtocolTypeHttp}))(t).ApiId
}

func (f *fixture) domain(t *testing.T, ctx context.Context, mutual *v2.MutualTlsAuthenticationInput) *apigatewayv2.CreateDomainNameOutput {
	t.Helper()
	return must(f.CreateDomainName(ctx, &apigatewayv2.CreateDomainNameInput{
		DomainName:               aws.String("API.example.com"),
		DomainNameConfigurations: []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}},
		MutualTlsAuthentication:  mutual,
	}))(t)
}

func TestQuickCreateServes(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	made := must(f.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("quick"), ProtocolType: v2.ProtocolTypeHttp, Target: aws.String(lambda)}))(t)
	if want := "https://" + *made.ApiId + ".execute-api.eu-west-1.amazonaws.com"; *made.ApiEndpoint != want {
		t.Errorf("endpoint %s, want %s", *made.ApiEndpoint, want)
	}
	stage := must(f.GetStage(ctx, &apigatewayv2.GetStageInput{ApiId: made.ApiId, StageName: aws.String("$default")}))(t)
	if !aws.ToBool(stage.AutoDeploy) || !aws.ToBool(stage.ApiGatewayManaged) || stage.DeploymentId == nil {
		t.Errorf("quick create made the stage %+v; want it managed, auto-deploying and deployed", stage)
	}
	_, apis, problems, err := f.Compile(ctx)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	routes := apis[*made.ApiId].Stages["$default"].Routes
	if len(routes) != 1 || routes[0].Key != "$default" || routes[0].Integration.Function != lambda || routes[0].Integration.Payload != "2.0" {
		t.Errorf("compiled routes %+v", routes)
	}
}

func TestAutoDeployFollowsEveryChange(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	id := f.api(t, ctx)
	must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)}))(t)
	must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("frozen")}))(t)
	integration := must(f.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{ApiId: &id, IntegrationType: v2.IntegrationTypeHttpProxy, IntegrationUri: aws.String("http://127.0.0.1:9/{id}"), TimeoutInMillis: aws.Int32(50)}))(t)
	route := must(f.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: &id, RouteKey: aws.String("GET /pets/{id}"), Target: aws.String("integrations/" + *integration.IntegrationId)}))(t)
	must(f.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: &id, StageName: aws.String("frozen")}))(t)
	must(f.UpdateRoute(ctx, &apigatewayv2.UpdateRouteInput{ApiId: &id, RouteId: route.RouteId, RouteKey: aws.String("POST /pets/{id}")}))(t)

	_, apis, _, err := f.Compile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stages := apis[id].Stages
	if got := stages["$default"].Routes[0].Key; got != "POST /pets/{id}" {
		t.Errorf("the auto-deploying stage serves %q", got)
	}
	if got := stages["frozen"].Routes[0]; got.Key != "GET /pets/{id}" || got.Integration.Timeout != 50*time.Millisecond {
		t.Errorf("the other stage serves %+v; a deployment must not change", got)
	}
	// The superseded automatic deployments are gone: one automatic, one made by hand.
	deployments := must(f.GetDeployments(ctx, &apigatewayv2.GetDeploymentsInput{ApiId: &id}))(t)
	if len(deployments.Items) != 2 {
		t.Errorf("%d deployments, want 2", len(deployments.Items))
	}
	_, err = f.DeleteIntegration(ctx, &apigatewayv2.DeleteIntegrationInput{ApiId: &id, IntegrationId: integration.IntegrationId})
	wantError(t, err, "ConflictException", "still referenced")
}

func TestRouteOrder(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	id := f.api(t, ctx)
	target := "integrations/" + *must(f.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{ApiId: &id, IntegrationType: v2.IntegrationTypeAwsProxy, IntegrationUri: aws.String(lambda), PayloadFormatVersion: aws.String("2.0")}))(t).IntegrationId
	for _, key := range []string{"$default", "ANY /{proxy+}", "GET /pets/{proxy+}", "ANY /pets/dog", "GET /pets/{id}", "GET /pets/dog", "GET /{kind}/dog"} {
		must(f.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: &id, RouteKey: aws.String(key), Target: &target}))(t)
	}
	must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)}))(t)
	_, apis, _, err := f.Compile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range apis[id].Stages["$default"].Routes {
		got = append(got, r.Key)
	}
	want := "GET /pets/dog|ANY /pets/dog|GET /pets/{id}|GET /{kind}/dog|GET /pets/{proxy+}|ANY /{proxy+}|$default"
	if strings.Join(got, "|") != want {
		t.Errorf("order of selection\n got %s\nwant %s", strings.Join(got, "|"), want)
	}
}

func TestMutualTLSDomain(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	id := f.api(t, ctx)
	must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)}))(t)
	d := f.domain(t, ctx, &v2.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://trust/roots.pem")})
	if *d.DomainName != "api.example.com" || d.MutualTlsAuthentication.TruststoreVersion != nil || *d.DomainNameConfigurations[0].HostedZoneId != "ZLY8HYME6SFDD" {
		t.Errorf("created %+v", d)
	}
	must(f.CreateApiMapping(ctx, &apigatewayv2.CreateApiMappingInput{DomainName: d.DomainName, ApiId: &id, Stage: aws.String("$default")}))(t)
	must(f.CreateApiMapping(ctx, &apigatewayv2.CreateApiMappingInput{DomainName: d.DomainName, ApiId: &id, Stage: aws.String("$default"), ApiMappingKey: aws.String("v1/pets")}))(t)
	compile := func() (key [32]byte, trust any, version string) {
		t.Helper()
		domains, _, problems, err := f.Compile(ctx)
		if err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		got := domains["api.example.com"]
		if len(got.Mappings) != 2 || len(got.Mappings[0].Segments) != 2 {
			t.Fatalf("mappings %+v; want the longest first", got.Mappings)
		}
		return got.TicketKey, got.Mutual.Trust, got.Mutual.Version
	}
	key1, trust1, version := compile()
	if version != "v1" {
		t.Errorf("pinned version %q, want v1", version)
	}
	if again, trust, _ := compile(); again != key1 || trust != trust1 {
		t.Error("a compilation without a change changed the ticket key or parsed the trust store again")
	}

	// Writing the object changes nothing until the domain is updated.
	_, second := certificate(t, "Root Two")
	f.bucket["trust/roots.pem"] = append(f.bucket["trust/roots.pem"], second)
	if again, _, version := compile(); again != key1 || version != "v1" {
		t.Error("a new object version reached the data plane without an update")
	}
	updated := must(f.UpdateDomainName(ctx, &apigatewayv2.UpdateDomainNameInput{DomainName: d.DomainName, MutualTlsAuthentication: &v2.MutualTlsAuthenticationInput{TruststoreVersion: aws.String("v2")}}))(t)
	if *updated.MutualTlsAuthentication.TruststoreVersion != "v2" || *updated.MutualTlsAuthentication.TruststoreUri != "s3://trust/roots.pem" {
		t.Errorf("updated to %+v", updated.MutualTlsAuthentication)
	}
	if key2, trust2, version := compile(); key2 == key1 || trust2 == trust1 || version != "v2" {
		t.Error("the new trust store did not change the ticket key, the trust store and the version")
	}
	// An update that names a broken trust store leaves everything as it was.
	_, err := f.UpdateDomainName(ctx, &apigatewayv2.UpdateDomainNameInput{DomainName: d.DomainName, MutualTlsAuthentication: &v2.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://trust/notes.txt")}})
	wantError(t, err, "BadRequestException", "notes.txt cannot be used")
	if _, _, version := compile(); version != "v2" {
		t.Error("a refused update changed the domain")
	}
	// The empty URI turns mutual TLS off, and the bytes go.
	off := must(f.UpdateDomainName(ctx, &apigatewayv2.UpdateDomainNameInput{DomainName: d.DomainName, MutualTlsAuthentication: &v2.MutualTlsAuthenticationInput{TruststoreUri: aws.String("")}}))(t)
	if off.MutualTlsAuthentication != nil {
		t.Errorf("mutual TLS is still on: %+v", off.MutualTlsAuthentication)
	}
	if left := must(f.store.List(ctx, kindTrust, "", "", 0))(t); len(left) != 0 {
		t.Errorf("%d trust stores left behind", len(left))
	}
}

func TestDomainNameRules(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	mtls := &v2.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://trust/roots.pem")}
	for _, test := range []struct {
		name, domain  string
		configuration []v2.DomainNameConfiguration
		mutual        *v2.MutualTlsAuthenticationInput
		text          string
	}{
		{"no configuration", "api.example.com", nil, nil, "Expected one domain name configuration"},
		{"no certificate", "api.example.com", []v2.DomainNameConfiguration{{}}, nil, "certificateArn"},
		{"unknown certificate", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued + "x")}}, nil, "does not exist"},
		{"other region", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(strings.Replace(issued, region, "us-east-1", 1))}}, nil, "not the ARN"},
		{"not issued yet", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(pending)}}, nil, "PENDING_VALIDATION"},
		{"name not covered", "other.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}}, nil, "not covered"},
		{"wildcard not covered", "*.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}}, nil, "not covered"},
		{"two labels below the wildcard", "a.b.wild.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}}, nil, "not covered"},
		{"edge endpoint", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued), EndpointType: v2.EndpointTypeEdge}}, nil, "REGIONAL"},
		{"TLS 1.0", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued), SecurityPolicy: v2.SecurityPolicyTls10}}, nil, "TLS_1_2"},
		{"not a name", "api_example", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}}, nil, "Invalid domain name"},
		{"private certificate without ownership", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(private)}}, mtls, "Missing ownershipVerificationCertificate."},
		{"private ownership certificate", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(private), OwnershipVerificationCertificateArn: aws.String(private)}}, mtls, "must be a certificate that ACM issued"},
		{"trust store is not there", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}}, &v2.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://trust/none.pem")}, "NoSuchKey"},
		{"trust store version is not there", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}}, &v2.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://trust/roots.pem"), TruststoreVersion: aws.String("v9")}, "NoSuchVersion"},
		{"trust store is not PEM", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}}, &v2.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://trust/notes.txt")}, "cannot be used"},
		{"trust store URI", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}}, &v2.MutualTlsAuthenticationInput{TruststoreUri: aws.String("https://trust/roots.pem")}, "s3://bucket-name/key-name"},
		{"version without URI", "api.example.com", []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}}, &v2.MutualTlsAuthenticationInput{TruststoreVersion: aws.String("v1")}, "needs a truststoreUri"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := f.CreateDomainName(ctx, &apigatewayv2.CreateDomainNameInput{DomainName: &test.domain, DomainNameConfigurations: test.configuration, MutualTlsAuthentication: test.mutual})
			wantError(t, err, "BadRequestException", test.text)
		})
	}
	for _, kind := range []string{KindDomain, kindTrust} {
		if left := must(f.store.List(ctx, kind, "", "", 0))(t); len(left) != 0 {
			t.Errorf("refused requests left %d records of %s", len(left), kind)
		}
	}
	// What the rules allow.
	must(f.CreateDomainName(ctx, &apigatewayv2.CreateDomainNameInput{DomainName: aws.String("a.wild.example.com"), DomainNameConfigurations: []v2.DomainNameConfiguration{{CertificateArn: aws.String(private), OwnershipVerificationCertificateArn: aws.String(issued), SecurityPolicy: v2.SecurityPolicyTls12}}, MutualTlsAuthentication: mtls}))(t)
	f.domain(t, ctx, nil)
	_, err := f.CreateDomainName(as("111111111111", region), &apigatewayv2.CreateDomainNameInput{DomainName: aws.String("api.example.com"), DomainNameConfigurations: []v2.DomainNameConfiguration{{CertificateArn: aws.String(strings.Replace(issued, account, "111111111111", 1))}}})
	if err == nil {
		t.Error("another account took a domain name that exists")
	}
	_, err = f.GetDomainName(as("111111111111", region), &apigatewayv2.GetDomainNameInput{DomainName: aws.String("api.example.com")})
	wantError(t, err, "NotFoundException", "api.example.com")
	if users := must(f.InUse(ctx, issued))(t); len(users) != 2 {
		t.Errorf("the certificate is in use by %v; want the server of one and the proof of the other", users)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	id := f.api(t, ctx)
	integrate := func(in apigatewayv2.CreateIntegrationInput) error {
		in.ApiId = &id
		_, err := f.CreateIntegration(ctx, &in)
		return err
	}
	route := func(key string) error {
		_, err := f.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: &id, RouteKey: &key})
		return err
	}
	mapping := func(key string) error {
		f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("s")})
		f.CreateDomainName(ctx, &apigatewayv2.CreateDomainNameInput{DomainName: aws.String("api.example.com"), DomainNameConfigurations: []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}}})
		_, err := f.CreateApiMapping(ctx, &apigatewayv2.CreateApiMappingInput{DomainName: aws.String("api.example.com"), ApiId: &id, Stage: aws.String("s"), ApiMappingKey: &key})
		return err
	}
	only := func(_ any, err error) error { return err }
	for _, test := range []struct {
		name, code, text string
		err              error
	}{
		{"websocket", "BadRequestException", "WEBSOCKET is not built", only(f.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("x"), ProtocolType: v2.ProtocolTypeWebsocket}))},
		{"unknown api", "NotFoundException", "Invalid API identifier specified nope", only(f.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: aws.String("nope")}))},
		{"api of another account", "NotFoundException", id, only(f.GetApi(as("111111111111", region), &apigatewayv2.GetApiInput{ApiId: &id}))},
		{"timeout", "BadRequestException", "between 50 ms and 30000 ms", integrate(apigatewayv2.CreateIntegrationInput{IntegrationType: v2.IntegrationTypeHttpProxy, IntegrationUri: aws.String("http://x/"), TimeoutInMillis: aws.Int32(30001)})},
		{"relative backend", "BadRequestException", "not an absolute", integrate(apigatewayv2.CreateIntegrationInput{IntegrationType: v2.IntegrationTypeHttpProxy, IntegrationUri: aws.String("/path")})},
		{"backend of another scheme", "BadRequestException", "not an absolute", integrate(apigatewayv2.CreateIntegrationInput{IntegrationType: v2.IntegrationTypeHttpProxy, IntegrationUri: aws.String("file:///etc/passwd")})},
		{"variable in the host", "BadRequestException", "in the host", integrate(apigatewayv2.CreateIntegrationInput{IntegrationType: v2.IntegrationTypeHttpProxy, IntegrationUri: aws.String("http://{host}/")})},
		{"not a function", "BadRequestException", "Invalid Lambda function ARN", integrate(apigatewayv2.CreateIntegrationInput{IntegrationType: v2.IntegrationTypeAwsProxy, IntegrationUri: aws.String("arn:aws:s3:::bucket"), PayloadFormatVersion: aws.String("2.0")})},
		{"no payload version", "BadRequestException", "PayloadFormatVersion is a required", integrate(apigatewayv2.CreateIntegrationInput{IntegrationType: v2.IntegrationTypeAwsProxy, IntegrationUri: aws.String(lambda)})},
		{"parameter mapping", "BadRequestException", "requestParameters is not built", integrate(apigatewayv2.CreateIntegrationInput{IntegrationType: v2.IntegrationTypeHttpProxy, IntegrationUri: aws.String("http://x/"), RequestParameters: map[string]string{"append:header.a": "b"}})},
		{"route without path", "BadRequestException", "Invalid route key", route("GET")},
		{"route of no method", "BadRequestException", "Invalid route key", route("FETCH /pets")},
		{"half a variable", "BadRequestException", "fill its whole segment", route("GET /pets/x{id}")},
		{"empty segment", "BadRequestException", "empty segment", route("GET /a//b")},
		{"greedy in the middle", "BadRequestException", "last segment", route("GET /{all+}/pets")},
		{"variable twice", "BadRequestException", "twice", route("GET /{a}/{a}")},
		{"missing integration", "BadRequestException", "has no integration", only(f.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: &id, RouteKey: aws.String("GET /"), Target: aws.String("integrations/none")}))},
		{"deploy nothing", "BadRequestException", "no routes exist", only(f.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: &id}))},
		{"stage name", "BadRequestException", "Stage name only allows", only(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("a b")}))},
		{"missing deployment", "NotFoundException", "Invalid Deployment identifier", only(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("a"), DeploymentId: aws.String("none")}))},
		{"access logs", "BadRequestException", "accessLogSettings is not built", only(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("a"), AccessLogSettings: &v2.AccessLogSettings{}}))},
		{"mapping key with a slash", "BadRequestException", "Invalid API mapping key", mapping("/v1")},
		{"mapping to a missing stage", "BadRequestException", "Invalid stage identifier", only(f.CreateApiMapping(ctx, &apigatewayv2.CreateApiMappingInput{DomainName: aws.String("api.example.com"), ApiId: &id, Stage: aws.String("none")}))},
		{"page token", "BadRequestException", "nextToken", only(f.GetApis(ctx, &apigatewayv2.GetApisInput{NextToken: aws.String("%%%")}))},
		{"tags of another service", "BadRequestException", "Invalid resource ARN", only(f.GetTags(ctx, &apigatewayv2.GetTagsInput{ResourceArn: aws.String(lambda)}))},
	} {
		t.Run(test.name, func(t *testing.T) { wantError(t, test.err, test.code, test.text) })
	}
	// Two keys that match the same requests are one route.
	if err := route("GET /pets/{id}"); err != nil {
		t.Fatal(err)
	}
	wantError(t, route("GET /pets/{name}"), "ConflictException", "already exists")
}

func TestPagingAndTags(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	want := map[string]bool{}
	for range 7 {
		want[f.api(t, ctx)] = true
	}
	var token *string
	for pages := 0; ; pages++ {
		out := must(f.GetApis(ctx, &apigatewayv2.GetApisInput{MaxResults: aws.String("3"), NextToken: token}))(t)
		for _, a := range out.Items {
			if !want[*a.ApiId] {
				t.Errorf("API %s came twice or from nowhere", *a.ApiId)
			}
			delete(want, *a.ApiId)
		}
		if token = out.NextToken; token == nil {
			if pages != 2 {
				t.Errorf("%d pages, want 3", pages+1)
			}
			break
		}
	}
	if len(want) != 0 {
		t.Errorf("%d APIs were on no page", len(want))
	}

	id := f.api(t, ctx)
	resource := "arn:aws:apigateway:eu-west-1::/apis/" + id
	must(f.TagResource(ctx, &apigatewayv2.TagResourceInput{ResourceArn: &resource, Tags: map[string]string{"team": "a", "tier": "1"}}))(t)
	must(f.UntagResource(ctx, &apigatewayv2.UntagResourceInput{ResourceArn: &resource, TagKeys: []string{"tier"}}))(t)
	if got := must(f.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: &id}))(t).Tags; len(got) != 1 || got["team"] != "a" {
		t.Errorf("tags %v", got)
	}
	before := f.store.Revision()
	must(f.GetTags(ctx, &apigatewayv2.GetTagsInput{ResourceArn: &resource}))(t)
	if after := f.store.Revision(); after != before {
		t.Errorf("reading tags wrote revision %d", after)
	}
}

func TestDeleteTakesAllWithIt(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	id := *must(f.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("quick"), ProtocolType: v2.ProtocolTypeHttp, Target: aws.String("https://backend.example/x")}))(t).ApiId
	d := f.domain(t, ctx, &v2.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://trust/roots.pem")})
	m := must(f.CreateApiMapping(ctx, &apigatewayv2.CreateApiMappingInput{DomainName: d.DomainName, ApiId: &id, Stage: aws.String("$default")}))(t)
	_, err := f.DeleteStage(ctx, &apigatewayv2.DeleteStageInput{ApiId: &id, StageName: aws.String("$default")})
	wantError(t, err, "BadRequestException", *m.ApiMappingId)
	must(f.DeleteApi(ctx, &apigatewayv2.DeleteApiInput{ApiId: &id}))(t)
	if left := must(f.GetApiMappings(ctx, &apigatewayv2.GetApiMappingsInput{DomainName: d.DomainName}))(t); len(left.Items) != 0 {
		t.Errorf("mappings to a deleted API: %+v", left.Items)
	}
	must(f.DeleteDomainName(ctx, &apigatewayv2.DeleteDomainNameInput{DomainName: d.DomainName}))(t)
	for _, kind := range []string{KindAPI, KindDomain, kindDeployment, kindTrust} {
		if left := must(f.store.List(ctx, kind, "", "", 0))(t); len(left) != 0 {
			t.Errorf("%d records of %s left behind", len(left), kind)
		}
	}
}

// However a mapping and the deletion of its stage race, no mapping is left
// that leads to a stage that is gone.
func TestMappingRacesStageDeletion(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	id := f.api(t, ctx)
	d := f.domain(t, ctx, nil)
	for n := range 40 {
		stage := fmt.Sprintf("s%d", n)
		must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: &stage}))(t)
		mapped, deleted := make(chan error), make(chan error)
		go func() {
			_, err := f.CreateApiMapping(ctx, &apigatewayv2.CreateApiMappingInput{DomainName: d.DomainName, ApiId: &id, Stage: &stage, ApiMappingKey: &stage})
			mapped <- err
		}()
		go func() {
			_, err := f.DeleteStage(ctx, &apigatewayv2.DeleteStageInput{ApiId: &id, StageName: &stage})
			deleted <- err
		}()
		if m, d := <-mapped, <-deleted; (m == nil) == (d == nil) {
			t.Fatalf("mapping: %v, deletion: %v; want exactly one of them to succeed", m, d)
		}
		f.DeleteStage(ctx, &apigatewayv2.DeleteStageInput{ApiId: &id, StageName: &stage})
		for _, m := range must(f.GetApiMappings(ctx, &apigatewayv2.GetApiMappingsInput{DomainName: d.DomainName}))(t).Items {
			must(f.DeleteApiMapping(ctx, &apigatewayv2.DeleteApiMappingInput{DomainName: d.DomainName, ApiMappingId: m.ApiMappingId}))(t)
		}
		f.DeleteStage(ctx, &apigatewayv2.DeleteStageInput{ApiId: &id, StageName: &stage})
	}
}

// What cannot be served is reported and closed; the others are served. A path
// whose API cannot be compiled does not fall to the mapping above it.
func TestCompileKeepsTheOthers(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	f.domain(t, ctx, &v2.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://trust/roots.pem")})
	other := aws.String("b.wild.example.com")
	must(f.CreateDomainName(ctx, &apigatewayv2.CreateDomainNameInput{DomainName: other, DomainNameConfigurations: []v2.DomainNameConfiguration{{CertificateArn: aws.String(issued)}}}))(t)
	sound, broken := f.api(t, ctx), f.api(t, ctx)
	for id, key := range map[string]string{sound: "", broken: "below"} {
		must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)}))(t)
		must(f.CreateApiMapping(ctx, &apigatewayv2.CreateApiMappingInput{DomainName: other, ApiId: &id, Stage: aws.String("$default"), ApiMappingKey: &key}))(t)
	}
	b := new(store.Batch).Delete(kindTrust, must(f.store.List(ctx, kindTrust, "", "", 0))(t)[0].Key)
	for _, r := range must(f.store.List(ctx, KindAPI, "", "", 0))(t) {
		if strings.HasSuffix(r.Key, broken) {
			b.Replace(KindAPI, r.Key, []byte("not JSON"), r.Revision)
		}
	}
	if _, err := f.store.Commit(ctx, b.Create(KindDomain, "c.example.com", []byte("not JSON"))); err != nil {
		t.Fatal(err)
	}
	domains, apis, problems, err := f.Compile(ctx)
	if err != nil || len(problems) != 3 {
		t.Fatalf("%v, problems %v; want those of two domains and an API", err, problems)
	}
	for _, name := range []string{"api.example.com", "c.example.com"} {
		if d := domains[name]; d == nil || d.Unavailable == "" {
			t.Errorf("%s: %+v; want it closed", name, d)
		}
	}
	if apis[sound] == nil || apis[broken] != nil {
		t.Errorf("APIs %v", apis)
	}
	d := domains[*other]
	if d == nil || d.Unavailable != "" || len(d.Mappings) != 2 {
		t.Fatalf("the sound domain: %+v", d)
	}
	below := d.Mappings[0]
	if below.API.ID != broken || len(below.Segments) != 1 || len(below.Stage.Routes) != 1 || below.Stage.Routes[0].Unavailable == "" {
		t.Errorf("the mapping to the broken API: %+v", below)
	}
}

func FuzzRouteKey(f *testing.F) {
	for _, key := range []string{"$default", "GET /", "ANY /{proxy+}", "GET /a/{b}/c", "POST /{a", "GET //", "GET /{a+}/b"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		method, segments, err := parseRouteKey(key)
		if err != nil {
			return
		}
		if key == "$default" {
			return
		}
		// What was accepted is written as it was read.
		parts := make([]string, len(segments))
		for i, s := range segments {
			parts[i] = s.Literal
			if s.Param != "" {
				parts[i] = "{" + s.Param + map[bool]string{true: "+}", false: "}"}[s.Greedy]
			}
		}
		if got := method + " /" + strings.Join(parts, "/"); got != key {
			t.Errorf("%q was read as %q", key, got)
		}
	})
}
