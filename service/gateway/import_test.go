package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/edge/snapshot"
	"countersign/service/gateway/openapi"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	v2 "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

const lambdaURI = `arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:echo/invocations`

// document is an OpenAPI document with these paths, JSON, and whatever else.
func document(paths, rest string) string {
	return `{"openapi": "3.0.1", "info": {"title": "pets", "version": 2.0}, "paths": {` + paths + `}` + rest + `}`
}

func proxy(members string) string {
	return `"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": "` + lambdaURI + `"` + members + `}`
}

func (f *fixture) imports(t *testing.T, ctx context.Context, body string) *apigatewayv2.ImportApiOutput {
	t.Helper()
	return must(f.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: &body}))(t)
}

// routes shows an API's routes as "key authorization scopes → type payload timeout".
func (f *fixture) routes(t *testing.T, ctx context.Context, id string) []string {
	t.Helper()
	integrations := map[string]string{}
	for _, i := range must(f.GetIntegrations(ctx, &apigatewayv2.GetIntegrationsInput{ApiId: &id}))(t).Items {
		integrations["integrations/"+*i.IntegrationId] = fmt.Sprintf("%s %s %d", i.IntegrationType, *i.PayloadFormatVersion, *i.TimeoutInMillis)
	}
	var shown []string
	for _, r := range must(f.GetRoutes(ctx, &apigatewayv2.GetRoutesInput{ApiId: &id}))(t).Items {
		line := *r.RouteKey + " " + string(r.AuthorizationType)
		if len(r.AuthorizationScopes) > 0 {
			line += fmt.Sprint(" ", r.AuthorizationScopes)
		}
		shown = append(shown, line+" → "+integrations[aws.ToString(r.Target)])
	}
	slices.Sort(shown)
	return shown
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %#v\nwant %#v", what, got, want)
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	made := f.imports(t, ctx, `
openapi: 3.0.1
info: {title: pets, version: 2.0, description: all of them}
servers: [{x-amazon-apigateway-endpoint-configuration: {disableExecuteApiEndpoint: "true"}}]
tags: [{name: team, x-amazon-apigateway-tag-value: blue}, {name: ignored}]
x-amazon-apigateway-cors: {allowOrigins: [https://app.test], maxAge: "60", allowCredentials: "true"}
paths:
  /pets/{id}:
    get:
      operationId: getPet
      x-amazon-apigateway-integration: {type: aws_proxy, uri: '`+lambdaURI+`', payloadFormatVersion: 2.0, timeoutInMillis: "2000"}
    x-amazon-apigateway-any-method:
      x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/backend'}
  /files/{proxy+}:
    put: {x-amazon-apigateway-integration: {type: HTTP_PROXY, httpMethod: ANY, uri: 'https://backend.test/{proxy}'}}
    post: {x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/backend'}}
  /bare: {get: {operationId: `+strings.Repeat("x", 65)+`, requestBody: {content: {}}}}
  $default:
    x-amazon-apigateway-any-method: {isDefaultRoute: true, x-amazon-apigateway-integration: {type: aws_proxy, uri: '`+lambda+`', payloadFormatVersion: "1.0", passthroughBehavior: when_no_match}}
components:
  x-amazon-apigateway-integrations:
    backend: {type: http_proxy, uri: 'https://backend.test/all'}
`)
	same(t, "API", []any{*made.Name, *made.Version, *made.Description, *made.DisableExecuteApiEndpoint, made.Tags, made.ProtocolType},
		[]any{"pets", "2.0", "all of them", true, map[string]string{"team": "blue"}, v2.ProtocolTypeHttp})
	same(t, "CORS", *made.CorsConfiguration, v2.Cors{AllowOrigins: []string{"https://app.test"}, AllowCredentials: aws.Bool(true), MaxAge: aws.Int32(60)})
	same(t, "routes", f.routes(t, ctx, *made.ApiId), []string{
		"$default NONE → AWS_PROXY 1.0 30000",
		"ANY /pets/{id} NONE → HTTP_PROXY 1.0 30000",
		"GET /bare NONE → ",
		"GET /pets/{id} NONE → AWS_PROXY 2.0 2000",
		"POST /files/{proxy+} NONE → HTTP_PROXY 1.0 30000",
		"PUT /files/{proxy+} NONE → HTTP_PROXY 1.0 30000",
	})
	same(t, "integrations", len(must(f.GetIntegrations(ctx, &apigatewayv2.GetIntegrationsInput{ApiId: made.ApiId}))(t).Items), 4)
	same(t, "info", made.ImportInfo, []string{
		"passthroughBehavior of ANY $default is not supported for HTTP APIs and is ignored",
		"operationId of GET /bare has more than 64 characters and is ignored",
		"requestBody of GET /bare is not supported for HTTP APIs and is ignored",
	})
	same(t, "warnings", made.Warnings, []string{"Parse issue: attribute paths. Resource $default should start with /"})
}

func TestImportBasePath(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	body := document(`"/e": {"get": {}}, "/": {"get": {}}, "/$default": {"x-amazon-apigateway-any-method": {"isDefaultRoute": true}}`, `, "servers": [{"url": "https://x.test/a/b/c"}]`)
	for mode, want := range map[string][]string{
		"":        {"$default NONE → ", "GET / NONE → ", "GET /e NONE → "},
		"ignore":  {"$default NONE → ", "GET / NONE → ", "GET /e NONE → "},
		"prepend": {"$default NONE → ", "GET /a/b/c NONE → ", "GET /a/b/c/e NONE → "},
		"split":   {"$default NONE → ", "GET /b/c NONE → ", "GET /b/c/e NONE → "},
	} {
		made := must(f.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: &body, Basepath: &mode}))(t)
		same(t, mode, f.routes(t, ctx, *made.ApiId), want)
	}
	made := must(f.ImportApi(ctx, &apigatewayv2.ImportApiInput{Basepath: aws.String("prepend"), Body: aws.String(document(`"x": {"get": {}}`, `, "servers": [{"url": "/v1"}]`))}))(t)
	same(t, "no path stays none", f.routes(t, ctx, *made.ApiId), []string(nil))
	_, err := f.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: &body, Basepath: aws.String("append")})
	wantError(t, err, "BadRequestException", "basepath is ignore, prepend or split")
}

const schemes = `, "components": {"securitySchemes": {
	"token": {"type": "oauth2", "x-amazon-apigateway-authorizer": {"type": "jwt", "identitySource": "$request.header.Authorization", "jwtConfiguration": {"issuer": "https://issuer.test", "audience": ["one"]}}},
	"discovered": {"type": "openIdConnect", "openIdConnectUrl": "https://issuer.test/pool/.well-known/openid-configuration", "x-amazon-apigateway-authorizer": {"type": "jwt", "identitySource": "$request.header.Authorization", "jwtConfiguration": {"audience": ["one"]}}},
	"guard": {"type": "apiKey", "in": "header", "name": "Unused", "x-amazon-apigateway-authorizer": {"type": "request", "authorizerUri": "` + lambdaURI + `", "authorizerPayloadFormatVersion": 2.0, "enableSimpleResponses": "true", "authorizerResultTtlInSeconds": 5, "identitySource": "$request.header.A, $request.querystring.b"}},
	"broken": {"type": "oauth2", "x-amazon-apigateway-authorizer": {"type": "jwt", "identitySource": "$request.header.Authorization", "jwtConfiguration": {"audience": ["one"]}}},
	"cognito": {"type": "apiKey", "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools"}},
	"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}
}}`

func TestImportSecurity(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	get := func(security string) string { return `{"get": {` + security + proxy("") + `}}` }
	made := f.imports(t, ctx, document(`
		"/inherits": `+get("")+`,
		"/open": `+get(`"security": [], `)+`,
		"/none": `+get(`"security": [{"NONE": []}], `)+`,
		"/empty": `+get(`"security": [{}], `)+`,
		"/scoped": `+get(`"security": [{"token": ["read", "write"]}], `)+`,
		"/discovered": `+get(`"security": [{"discovered": []}], `)+`,
		"/guarded": `+get(`"security": [{"guard": []}], `)+`,
		"/w1": `+get(`"security": [{"broken": []}], `)+`,
		"/w2": `+get(`"security": [{"missing": []}], `)+`,
		"/w3": `+get(`"security": [{"key": []}], `)+`,
		"/w4": `+get(`"security": [{"token": []}, {"guard": []}], `)+`,
		"/w5": `+get(`"security": [{}, {"token": []}], `)+`,
		"/w6": `+get(`"security": [{"token": [], "guard": []}], `)+`,
		"/w7": `+get(`"security": [{"guard": ["read"]}], `)+`,
		"/w8": `+get(`"security": [{"cognito": []}], `), `, "security": [{"token": ["read"]}]`+schemes))
	same(t, "routes", f.routes(t, ctx, *made.ApiId), []string{
		"GET /discovered JWT → AWS_PROXY 1.0 30000",
		"GET /empty NONE → AWS_PROXY 1.0 30000",
		"GET /guarded CUSTOM → AWS_PROXY 1.0 30000",
		"GET /inherits JWT [read] → AWS_PROXY 1.0 30000",
		"GET /none NONE → AWS_PROXY 1.0 30000",
		"GET /open NONE → AWS_PROXY 1.0 30000",
		"GET /scoped JWT [read write] → AWS_PROXY 1.0 30000",
	})
	why := strings.Join(made.Warnings, "\n")
	for _, want := range []string{
		"Unable to create Authorizer 'broken': Invalid issuer",
		"Unable to create Authorizer 'cognito': Invalid authorizer type",
		"Unable to put method 'GET' on resource at path '/w1': Invalid authorizer definition. Setting the authorization type to JWT requires a valid authorizer. Ignoring.",
		"path '/w2': Invalid authorizer definition. There is no security scheme 'missing'. Ignoring.",
		"path '/w3': Invalid authorizer definition. Security scheme 'key' has no x-amazon-apigateway-authorizer",
		"path '/w4': Invalid authorizer definition. An operation takes one security requirement",
		"path '/w5': Invalid authorizer definition. An operation takes one security requirement",
		"path '/w6': Invalid authorizer definition. An operation takes one security requirement",
		"path '/w7': authorizationScopes are for the authorizationType JWT only. Ignoring.",
		"path '/w8': Invalid authorizer definition. Setting the authorization type to CUSTOM requires a valid authorizer. Ignoring.",
	} {
		if !strings.Contains(why, want) {
			t.Errorf("no warning %q among\n%s", want, why)
		}
	}
	same(t, "number of warnings", len(made.Warnings), 10)
	same(t, "integrations of the routes that there are", len(must(f.GetIntegrations(ctx, &apigatewayv2.GetIntegrationsInput{ApiId: made.ApiId}))(t).Items), 7)
	authorizers := map[string]v2.Authorizer{}
	for _, z := range must(f.GetAuthorizers(ctx, &apigatewayv2.GetAuthorizersInput{ApiId: made.ApiId}))(t).Items {
		authorizers[*z.Name] = z
	}
	same(t, "discovered issuer", *authorizers["discovered"].JwtConfiguration.Issuer, "https://issuer.test/pool")
	guard := authorizers["guard"]
	same(t, "guard", []any{*guard.AuthorizerPayloadFormatVersion, *guard.EnableSimpleResponses, *guard.AuthorizerResultTtlInSeconds, guard.IdentitySource},
		[]any{"2.0", true, int32(5), []string{"$request.header.A", "$request.querystring.b"}})
}

func TestImportFailsOnWarnings(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	body := document(`"$default": {"x-amazon-apigateway-any-method": {"isDefaultRoute": true}}, "/x": {"get": {"x-amazon-apigateway-integration": {"type": "MOCK"}}}`, "")
	_, err := f.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: &body, FailOnWarnings: aws.Bool(true)})
	wantError(t, err, "BadRequestException", "Warnings found during import:\n\tParse issue: attribute paths. Resource $default should start with /\n\tUnable to put integration on 'GET' for resource at path '/x': Integrations of type 'MOCK' are not supported for HTTP APIs")
	if got := must(f.GetApis(ctx, &apigatewayv2.GetApisInput{}))(t).Items; len(got) != 0 {
		t.Errorf("a failed import left %+v", got)
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	with := func(members string) string {
		return document(`"/x": {"get": {`+proxy(", "+members)+`}}`, "")
	}
	for body, want := range map[string]string{
		"nonsense":                                                                          "Invalid OpenAPI input.",
		`{"swagger": "2.0", "info": {}}`:                                                    "imported from an OpenAPI 3.0 document; this one is Swagger 2.0",
		`{"openapi": "3.0.1", "info": {}}`:                                                  "info.title",
		document("", `, "x-amazon-apigateway-policy": {}`):                                  "HTTP APIs have no resource policies",
		document("", `, "x-amazon-apigateway-importexport-version": "2.0"`):                 "only 1.0 is supported",
		document("", `, "x-amazon-apigateway-cors": {"allowOrigins": ["x"]}`):               `x-amazon-apigateway-cors: Invalid value "x" for allowOrigins`,
		document("", `, "tags": [{"name": "aws:x", "x-amazon-apigateway-tag-value": "y"}]`): `tags: Invalid tag "aws:x"`,
		with(`"connectionType": "VPC_LINK"`):                                                "paths.'/x'(get).x-amazon-apigateway-integration: connectionType VPC_LINK is not built",
		with(`"credentials": "arn:aws:iam::000000000000:role/r"`):                           "credentials is not built",
		with(`"integrationSubtype": "SQS-SendMessage"`):                                     "integrationSubtype is not built",
		with(`"requestParameters": {"append:header.a": "b"}`):                               "requestParameters is not built",
		with(`"responseParameters": {"200": {"append:header.a": "b"}}`):                     "responseParameters is not built",
		with(`"tlsConfig": {"serverNameToVerify": "x"}`):                                    "tlsConfig is not built",
		document(`"/x": {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": "arn:aws:lambda:eu-west-1:000000000000:function:${stageVariables.f}"}}}`, ""):                                          "a stage variable in the URI is not built",
		document(`"/x": {"get": {"security": [{"iam": []}]}}`, `, "components": {"securitySchemes": {"iam": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"}}}`): "authorization by AWS_IAM is not built",
		document(`"/x": {"get": {"x-amazon-apigateway-auth": {"type": "AWS_IAM"}}}`, ""):                                                                                                                                "type AWS_IAM is not built",
		document("", `, "components": {"securitySchemes": {"z": {"x-amazon-apigateway-authorizer": {"type": "request", "authorizerCredentials": "arn:aws:iam::000000000000:role/r"}}}}`):                                "components.securitySchemes.z.x-amazon-apigateway-authorizer.authorizerCredentials: authorizerCredentials is not built",
	} {
		_, err := f.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: &body})
		wantError(t, err, "BadRequestException", want)
	}
	var many strings.Builder
	for i := range maxRoutes + 1 {
		fmt.Fprintf(&many, `"/p%d": {"get": {}},`, i)
	}
	body := document(strings.TrimSuffix(many.String(), ","), "")
	_, err := f.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: &body})
	wantError(t, err, "BadRequestException", "Too many routes")
}

// What would not work is left out, and said.
func TestImportWarns(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	made := f.imports(t, ctx, document(`
		"/pets/{id}": {"get": {}, "FETCH": {}}, "/pets/{name}": {"get": {}}, "no-slash": {"get": {}}, "/a{b}": {"get": {}},
		"/long": {"get": {`+proxy(`, "timeoutInMillis": 60000`)+`}},
		"/http": {"get": {"x-amazon-apigateway-integration": {"type": "HTTP_PROXY", "uri": "https://{stage}.test/"}}},
		"/variable": {"get": {"x-amazon-apigateway-integration": {"type": "HTTP_PROXY", "uri": "https://backend.test/{id}"}}},
		"/firehose": {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": "arn:aws:apigateway:eu-west-1:firehose:action/PutRecord"}}}`, ""))
	same(t, "routes", f.routes(t, ctx, *made.ApiId), []string{"GET /pets/{id} NONE → "})
	var starts []string
	for _, w := range made.Warnings {
		start, _, _ := strings.Cut(w, ": ")
		starts = append(starts, start)
	}
	slices.Sort(starts)
	same(t, "warnings", starts, []string{
		"Parse issue", "Parse issue",
		"Unable to put integration on 'GET' for resource at path '/firehose'",
		"Unable to put integration on 'GET' for resource at path '/http'",
		"Unable to put integration on 'GET' for resource at path '/long'",
		"Unable to put integration on 'GET' for resource at path '/variable'",
		"Unable to put method 'GET' on resource at path '/a{b}'",
		"Unable to put method 'GET' on resource at path '/pets/{name}'",
		"Unable to put method 'GET' on resource at path 'no-slash'",
	})
}

func TestReimport(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	made := f.imports(t, ctx, document(`"/a": {"get": {"security": [{"token": []}], `+proxy("")+`}}, "/b": {"get": {`+proxy("")+`}}`,
		schemes+`, "x-amazon-apigateway-cors": {"allowOrigins": ["*"]}, "tags": [{"name": "team", "x-amazon-apigateway-tag-value": "blue"}]`))
	id := *made.ApiId
	must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("auto"), AutoDeploy: aws.Bool(true)}))(t)
	must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("manual")}))(t)
	must(f.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: &id, StageName: aws.String("manual")}))(t)
	must(f.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{ApiId: &id, DisableExecuteApiEndpoint: aws.Bool(true), Description: aws.String("by hand")}))(t)
	must(f.TagResource(ctx, &apigatewayv2.TagResourceInput{ResourceArn: aws.String("arn:aws:apigateway:eu-west-1::/apis/" + id), Tags: map[string]string{"by": "hand"}}))(t)
	before, _, err := f.getAPI(ctx, id)
	if err != nil {
		t.Fatal(err)
	}

	_, err = f.ReimportApi(ctx, &apigatewayv2.ReimportApiInput{ApiId: &id, FailOnWarnings: aws.Bool(true), Body: aws.String(document(`"/a": {"get": {"security": [{"none": []}]}}`, ""))})
	wantError(t, err, "BadRequestException", "Warnings found during import")
	if after, _, _ := f.getAPI(ctx, id); !reflect.DeepEqual(after, before) {
		t.Error("a failed import changed the API")
	}

	f.now = f.now.Add(time.Hour)
	body := document(`"/c": {"get": {`+proxy("")+`}}, "/a": {"get": {"security": [{"token": ["read"]}], `+proxy(`, "payloadFormatVersion": "2.0"`)+`}}`, schemes)
	again := must(f.ReimportApi(ctx, &apigatewayv2.ReimportApiInput{ApiId: &id, Body: &body}))(t)
	if again.CorsConfiguration != nil || !*again.DisableExecuteApiEndpoint || again.Description != nil || again.Tags["team"] != "" || again.Tags["by"] != "hand" || !again.CreatedDate.Equal(noon) {
		t.Errorf("after the import: %+v", again)
	}
	same(t, "routes", f.routes(t, ctx, id), []string{"GET /a JWT [read] → AWS_PROXY 2.0 30000", "GET /c NONE → AWS_PROXY 1.0 30000"})
	after, _, err := f.getAPI(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	route := func(a api, key string) route {
		for _, r := range a.Routes {
			if r.Key == key {
				return r
			}
		}
		t.Fatalf("no route %s", key)
		return route{}
	}
	if was, is := route(before, "GET /a"), route(after, "GET /a"); is.ID != was.ID || is.Integration != was.Integration || is.Authorizer != was.Authorizer {
		t.Errorf("GET /a was %+v and is %+v; it must keep its ids", was, is)
	}
	if was := route(before, "GET /b"); route(after, "GET /c").ID == was.ID {
		t.Error("a new route has the id of an old one")
	}
	served := func(stage string) (keys []string) {
		_, apis, problems, err := f.Compile(ctx)
		if err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		for _, r := range apis[id].Stages[stage].Routes {
			keys = append(keys, r.Key)
		}
		slices.Sort(keys)
		return keys
	}
	same(t, "auto-deployed", served("auto"), []string{"GET /a", "GET /c"})
	same(t, "deployed by hand", served("manual"), []string{"GET /a", "GET /b"})

	_, err = f.ReimportApi(ctx, &apigatewayv2.ReimportApiInput{ApiId: aws.String("none"), Body: &body})
	wantError(t, err, "NotFoundException", "")
}

// samResources are the API Gateway resources that the SAM translator makes of the template of the
// same name beside the file, with references resolved to the logical ids that they name.
func samResources(t *testing.T, name string) map[string]samResource {
	t.Helper()
	text, err := os.ReadFile("testdata/sam/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var resources map[string]samResource
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&resources); err != nil {
		t.Fatal(err)
	}
	return resources
}

type samResource struct {
	Type       string
	Properties map[string]any
}

func samBody(t *testing.T, name, resource string) string {
	t.Helper()
	body, err := json.Marshal(samResources(t, name)[resource].Properties["Body"])
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestImportOfSAM(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	plain := f.imports(t, ctx, samBody(t, "plain", "Api"))
	same(t, "plain", f.routes(t, ctx, *plain.ApiId), []string{
		"$default NONE → AWS_PROXY 2.0 30000",
		"ANY /pets/{id} NONE → AWS_PROXY 1.0 2000",
		"GET / NONE → AWS_PROXY 2.0 30000",
		"PUT /files/{proxy+} NONE → AWS_PROXY 2.0 30000",
	})
	same(t, "plain API", []any{*plain.Name, *plain.Version, *plain.DisableExecuteApiEndpoint, plain.Tags, plain.CorsConfiguration.AllowOrigins},
		[]any{"demo", "1.0", true, map[string]string{"team": "blue", "httpapi:createdBy": "SAM"}, []string{"http://localhost:8080"}})
	auth := must(f.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: aws.String(samBody(t, "auth", "Api")), FailOnWarnings: aws.Bool(true)}))(t)
	same(t, "auth", f.routes(t, ctx, *auth.ApiId), []string{
		"$default JWT [read] → AWS_PROXY 2.0 30000",
		"GET /guarded CUSTOM → AWS_PROXY 2.0 30000",
		"GET /open NONE → AWS_PROXY 2.0 30000",
		"GET /token JWT [admin] → AWS_PROXY 2.0 30000",
	})
	implicit := f.imports(t, ctx, samBody(t, "implicit", "ServerlessHttpApi"))
	same(t, "implicit", f.routes(t, ctx, *implicit.ApiId), []string{"$default NONE → AWS_PROXY 2.0 30000"})

	// The order in which the edge tries them: $default last.
	must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: plain.ApiId, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)}))(t)
	_, apis, problems, err := f.Compile(ctx)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	var keys []string
	for _, r := range apis[*plain.ApiId].Stages["$default"].Routes {
		keys = append(keys, r.Key)
	}
	same(t, "order", keys, []string{"ANY /pets/{id}", "GET /", "PUT /files/{proxy+}", "$default"})
	last := apis[*plain.ApiId].Stages["$default"].Routes[2].Segments
	same(t, "greedy", last[len(last)-1], snapshot.Segment{Param: "proxy", Greedy: true})
}

// Whatever a document says, what is made of it is whole, and no route is open that asks for authorization.
func FuzzImport(f *testing.F) {
	for _, name := range []string{"plain", "auth", "rest"} {
		text, err := os.ReadFile("testdata/sam/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		var resources map[string]samResource
		if err := json.Unmarshal(text, &resources); err != nil {
			f.Fatal(err)
		}
		for _, r := range resources {
			if body, err := json.Marshal(r.Properties["Body"]); err == nil && r.Properties["Body"] != nil {
				f.Add(body, "prepend")
			}
		}
	}
	f.Add([]byte(document(`"/w": {"get": {"security": [{"guard": ["read"]}], `+proxy("")+`}}`, schemes)), "split")
	s := New(Config{Now: func() time.Time { return noon }, Rand: rand.Reader})
	ctx := as(account, region)
	f.Fuzz(func(t *testing.T, body []byte, basepath string) {
		i, err := readImport(ctx, string(body), basepath, nil)
		if err != nil {
			return
		}
		a := api{ID: "fuzzed"}
		if err := s.apply(ctx, i, &a); err != nil {
			t.Fatalf("what was judged good is not: %v", err)
		}
		d := s.freeze(&a, "fuzzed", "", false)
		routes, err := compileRoutes(d)
		if err != nil {
			t.Fatalf("it cannot be served: %v", err)
		}
		document, err := openapi.Parse(body, openapi.Options{})
		if err != nil {
			return // ${AWS::…} in the name of nothing
		}
		c := conversion{document: document}
		if c.prefix, err = document.Prefix(basepath); err != nil {
			t.Fatal(err)
		}
		times := map[string]int{} // of operations with one key, the first counts
		for _, o := range document.Operations {
			times[c.key(o)]++
		}
		for _, o := range document.Operations {
			asks := false
			for _, r := range o.Security {
				for _, need := range r {
					asks = asks || document.Scheme(need.Scheme) != nil
				}
			}
			for _, r := range routes {
				if asks && times[r.Key] == 1 && r.Key == c.key(o) && r.Authorizer == nil {
					t.Fatalf("%s is open, and %v is asked for", r.Key, o.Security)
				}
			}
		}
	})
}
