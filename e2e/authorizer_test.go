package e2e

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/node"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gwtypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/go-jose/go-jose/v4"
)

// authorizer gives the Lambda package of testdata/authorizer, compiled once.
var authorizer = sync.OnceValues(func() ([]byte, error) { return program("countersign/e2e/testdata/authorizer") })

// echoRoute is a route of an API to its function, with an authorizer.
func (s *system) echoRoute(api, function, key, format string, kind gwtypes.AuthorizationType, authorizer string, scopes ...string) *string {
	s.t.Helper()
	ctx := context.Background()
	integration := must(s.gateway.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{
		ApiId: &api, IntegrationType: gwtypes.IntegrationTypeAwsProxy, IntegrationUri: aws.String("arn:aws:lambda:" + region + ":" + account + ":function:" + function), PayloadFormatVersion: &format,
	}))(s.t).IntegrationId
	return must(s.gateway.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{
		ApiId: &api, RouteKey: &key, Target: aws.String("integrations/" + *integration), AuthorizationType: kind, AuthorizerId: &authorizer, AuthorizationScopes: scopes,
	}))(s.t).RouteId
}

// told is what the event of an echoing function shows of the authorizer.
func told(t *testing.T, r reply) string {
	t.Helper()
	if r.status != http.StatusOK {
		return fmt.Sprint(r.status, " ", r.body)
	}
	var event struct {
		RequestContext struct {
			Authorizer json.RawMessage `json:"authorizer"`
		} `json:"requestContext"`
	}
	if err := json.Unmarshal([]byte(r.body), &event); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	return string(event.RequestContext.Authorizer)
}

// A Lambda authorizer from its making to its end: both payload formats, both
// forms of answer, a client certificate, the permission, the cache.
func TestLambdaAuthorizer(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), context.Background()
	h := s.hierarchy()
	s.bucket("truststore")
	s.put("truststore", "trust.pem", bundle(h.sub, h.root))
	api := s.echoAPI("guarded")
	function := s.deploy("authorizer", must(authorizer())(t))
	made := must(s.gateway.CreateAuthorizer(ctx, &apigatewayv2.CreateAuthorizerInput{
		ApiId: &api, Name: aws.String("simple"), AuthorizerType: gwtypes.AuthorizerTypeRequest, AuthorizerPayloadFormatVersion: aws.String("2.0"), EnableSimpleResponses: aws.Bool(true),
		AuthorizerUri:  aws.String("arn:aws:apigateway:" + region + ":lambda:path/2015-03-31/functions/" + function + "/invocations"),
		IdentitySource: []string{"$request.header.X-Token"}, AuthorizerResultTtlInSeconds: aws.Int32(300),
	}))(t)
	simple := made.AuthorizerId
	policy := must(s.gateway.CreateAuthorizer(ctx, &apigatewayv2.CreateAuthorizerInput{
		ApiId: &api, Name: aws.String("wrong"), AuthorizerType: gwtypes.AuthorizerTypeRequest, AuthorizerPayloadFormatVersion: aws.String("1.0"), AuthorizerUri: &function,
		IdentitySource: []string{"$request.header.X-Token"},
	}))(t).AuthorizerId
	same(t, "name", *must(s.gateway.UpdateAuthorizer(ctx, &apigatewayv2.UpdateAuthorizerInput{ApiId: &api, AuthorizerId: policy, Name: aws.String("policy")}))(t).Name, "policy")
	same(t, "authorizer", *must(s.gateway.GetAuthorizer(ctx, &apigatewayv2.GetAuthorizerInput{ApiId: &api, AuthorizerId: simple}))(t).AuthorizerResultTtlInSeconds, int32(300))
	same(t, "authorizers", names(must(s.gateway.GetAuthorizers(ctx, &apigatewayv2.GetAuthorizersInput{ApiId: &api}))(t).Items, func(z gwtypes.Authorizer) string { return *z.Name }), []string{"policy", "simple"})
	s.echoRoute(api, "guarded", "GET /simple", "2.0", gwtypes.AuthorizationTypeCustom, *simple)
	old := s.echoRoute(api, "guarded", "GET /policy", "1.0", gwtypes.AuthorizationTypeCustom, *policy)
	const name = "guarded.test"
	s.domain(name, s.serverCertificate(name, name), api, "s3://truststore/trust.pem")
	certificate, _ := s.clientCertificate(h.subARN, "client.test")
	client := s.caller(certificate)
	ask := func(path, token string) string {
		t.Helper()
		header := http.Header{}
		if token != "" {
			header.Set("X-Token", token)
		}
		return told(t, client.send(http.MethodGet, name, path, header))
	}
	// The function's policy names nobody who may call it for an authorizer.
	same(t, "without permission", ask("/simple", "allow"), `500 {"message":"Internal Server Error"}`)
	must(s.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: aws.String("authorizer"), StatementId: aws.String("simple"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"),
		SourceArn: aws.String("arn:aws:execute-api:" + region + ":" + account + ":" + api + "/authorizers/" + *simple),
	}))(t)
	same(t, "with the permission for another authorizer", ask("/policy", "allow"), `500 {"message":"Internal Server Error"}`)
	same(t, "without a token", ask("/simple", ""), `401 {"message":"Unauthorized"}`)
	same(t, "denied", ask("/simple", "deny"), `403 {"message":"Forbidden"}`)
	same(t, "failed", ask("/simple", "fail"), `500 {"message":"Internal Server Error"}`)
	first := ask("/simple", "allow")
	same(t, "context", strings.Contains(first, `"subject":"CN=client.test"`) && strings.Contains(first, `"version":"2.0"`) && strings.HasPrefix(first, `{"lambda":{`), true)
	same(t, "remembered", ask("/simple", "allow"), first)
	must(s.gateway.ResetAuthorizersCache(ctx, &apigatewayv2.ResetAuthorizersCacheInput{ApiId: &api, StageName: aws.String("$default")}))(t)
	if again := ask("/simple", "allow"); again == first || !strings.Contains(again, `"lambda"`) {
		t.Errorf("after the cache was reset: %s, before: %s", again, first)
	}
	must(s.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: aws.String("authorizer"), StatementId: aws.String("all"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"),
		SourceArn: aws.String("arn:aws:execute-api:" + region + ":" + account + ":" + api + "/authorizers/*"),
	}))(t)
	got := ask("/policy", "allow")
	same(t, "context of payload format 1.0", strings.Contains(got, `"principalId":"caller"`) && strings.Contains(got, `"subject":"CN=client.test"`) && strings.Contains(got, `"version":"1.0"`), true)
	same(t, "denied by policy", ask("/policy", "deny"), `403 {"message":"Forbidden"}`)
	same(t, "a route without authorizer", client.send(http.MethodGet, name, "/", nil).status, 200)
	s.caller(nil).get(name, "", "/simple").wantRefused(t, "certificate required")

	// No route loses its authorizer unnoticed.
	_, err := s.gateway.DeleteAuthorizer(ctx, &apigatewayv2.DeleteAuthorizerInput{ApiId: &api, AuthorizerId: policy})
	wantCode(t, err, "ConflictException")
	must(s.gateway.DeleteRoute(ctx, &apigatewayv2.DeleteRouteInput{ApiId: &api, RouteId: old}))(t)
	must(s.gateway.DeleteAuthorizer(ctx, &apigatewayv2.DeleteAuthorizerInput{ApiId: &api, AuthorizerId: policy}))(t)
	_, err = s.gateway.GetAuthorizer(ctx, &apigatewayv2.GetAuthorizerInput{ApiId: &api, AuthorizerId: policy})
	wantCode(t, err, "NotFoundException")
	same(t, "the other one", ask("/simple", ""), `401 {"message":"Unauthorized"}`)
}

// Tokens of an issuer that serves its keys over HTTPS.
func TestJWTAuthorizer(t *testing.T) {
	t.Parallel()
	key := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	var issuer *httptest.Server
	issuer = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/pool/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer.URL+"/pool", issuer.URL+"/keys")
		case "/keys":
			json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "RS256", Use: "sig"}}})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(issuer.Close)
	roots := x509.NewCertPool()
	roots.AddCert(issuer.Certificate())
	c := &clock{}
	s, ctx := &system{t: t, clock: c, config: node.Config{
		Data: t.TempDir(), Listen: "127.0.0.1:0", GatewayListen: "127.0.0.1:0", DNSListen: "127.0.0.1:0", IssuerRoots: roots, Now: c.now, Rand: rand.Reader, Logger: logger(t),
	}}, context.Background()
	s.run()
	api := s.echoAPI("tokens")
	id := *must(s.gateway.CreateAuthorizer(ctx, &apigatewayv2.CreateAuthorizerInput{
		ApiId: &api, Name: aws.String("jwt"), AuthorizerType: gwtypes.AuthorizerTypeJwt, IdentitySource: []string{"$request.header.Authorization"},
		JwtConfiguration: &gwtypes.JWTConfiguration{Issuer: aws.String(issuer.URL + "/pool"), Audience: []string{"app"}},
	}))(t).AuthorizerId
	s.echoRoute(api, "tokens", "GET /open", "2.0", gwtypes.AuthorizationTypeJwt, id)
	s.echoRoute(api, "tokens", "GET /scoped", "2.0", gwtypes.AuthorizationTypeJwt, id, "pets/read", "pets/write")
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "one"}}, nil))(t)
	token := func(audience, scope string, expires time.Duration) string {
		t.Helper()
		claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"scope":%q,"sub":"me","exp":%d}`, issuer.URL+"/pool", audience, scope, c.now().Add(expires).Unix())
		return must(must(signer.Sign([]byte(claims)))(t).CompactSerialize())(t)
	}
	client := s.caller(nil)
	ask := func(path, authorization string) reply {
		t.Helper()
		header := http.Header{}
		if authorization != "" {
			header.Set("Authorization", authorization)
		}
		return client.send(http.MethodGet, defaultHost(api), path, header)
	}
	got := told(t, ask("/open", "Bearer "+token("app", "pets/read", time.Hour)))
	same(t, "claims", strings.Contains(got, `"sub":"me"`) && strings.Contains(got, `"scopes":null`), true)
	got = told(t, ask("/scoped", token("app", "other pets/read", time.Hour)))
	same(t, "scopes", strings.Contains(got, `"scopes":["pets/read"]`), true)
	refused := ask("/open", "")
	refused.want(t, 401, `{"message":"Unauthorized"}`)
	same(t, "challenge", refused.header.Get("Www-Authenticate"), "Bearer")
	refused = ask("/scoped", "Bearer "+token("another app", "pets/read", time.Hour))
	refused.want(t, 401, `{"message":"Unauthorized"}`)
	same(t, "challenge", refused.header.Get("Www-Authenticate"), `Bearer scope="pets/read pets/write" error="invalid_token" error_description="the token does not have a valid audience"`)
	ask("/open", "Bearer "+token("app", "", -time.Second)).want(t, 401, `{"message":"Unauthorized"}`)
	ask("/scoped", "Bearer "+token("app", "other", time.Hour)).want(t, 403, `{"message":"Forbidden"}`)
}

// send asks for a path of a host on a connection of its own, with a method and headers.
func (c *caller) send(method, host, path string, header http.Header) reply {
	c.s.t.Helper()
	transport := &http.Transport{
		TLSClientConfig: c.config(host), DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, c.s.node.Endpoints().Gateway)
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "https://"+host+path, nil)
	if err != nil {
		c.s.t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
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
