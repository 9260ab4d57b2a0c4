package gateway

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	rest "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// swagger is a Swagger 2.0 document with these paths, JSON, and whatever else.
func swagger(paths, rest string) string {
	return `{"swagger": "2.0", "info": {"title": "pets", "version": 1.0}, "paths": {` + paths + `}` + rest + `}`
}

// integrationJSON is an x-amazon-apigateway-integration to the function.
const integrationJSON = `"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "post", "uri": "` + lambdaURI + `"}`

const mockJSON = `"x-amazon-apigateway-integration": {"type": "mock", "requestTemplates": {"application/json": "{statusCode: 200}"},
	"responses": {"default": {"statusCode": 200, "responseParameters": {"method.response.header.X-A": "'a'"}}}}, "responses": {"200": {"headers": {"X-A": {"type": "string"}}}}`

const restSchemes = `, "securityDefinitions": {
	"token": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": "` + lambdaURI + `", "identityValidationExpression": "^x"}},
	"request": {"type": "apiKey", "in": "header", "name": "Unused", "x-amazon-apigateway-authorizer": {"type": "request", "authorizerUri": "` + lambdaURI + `", "identitySource": "method.request.header.A, context.path", "authorizerResultTtlInSeconds": "60"}},
	"pool": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": ["x"]}},
	"api_key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
	"iam": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
	"oauth": {"type": "oauth2"}
}`

// schemesOf are some of restSchemes: others would be an error in any document.
func schemesOf(names ...string) string {
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte("{"+strings.TrimPrefix(restSchemes, ", ")+"}"), &all); err != nil {
		panic(err)
	}
	var definitions map[string]json.RawMessage
	if err := json.Unmarshal(all["securityDefinitions"], &definitions); err != nil {
		panic(err)
	}
	kept := map[string]json.RawMessage{}
	for _, n := range names {
		kept[n] = definitions[n]
	}
	text, err := json.Marshal(kept)
	if err != nil {
		panic(err)
	}
	return `, "securityDefinitions": ` + string(text)
}

func (h *hand) imports(body string) (*apigateway.ImportRestApiOutput, error) {
	return h.ImportRestApi(h.ctx, &apigateway.ImportRestApiInput{Body: []byte(body)})
}

func (h *hand) put(body string, mode rest.PutMode) (*apigateway.PutRestApiOutput, error) {
	return h.PutRestApi(h.ctx, &apigateway.PutRestApiInput{RestApiId: &h.id, Body: []byte(body), Mode: mode})
}

// shown is an API's resources with their methods: "/pets/{id} GET:AWS_PROXY:NONE".
func (h *hand) shown(id string) []string {
	h.t.Helper()
	a, _, err := h.f.getREST(h.ctx, id)
	if err != nil {
		h.t.Fatal(err)
	}
	path := paths(a.Resources)
	names := map[string]string{}
	for _, z := range a.Authorizers {
		names[z.ID] = z.Name
	}
	var all []string
	for _, r := range must(h.GetResources(h.ctx, &apigateway.GetResourcesInput{RestApiId: &id, Limit: aws.Int32(500)}))(h.t).Items {
		one, _ := a.resource(*r.Id)
		line := path[one.ID]
		for _, m := range one.Methods {
			kind := "-"
			if m.Integration != nil {
				kind = m.Integration.Type
			}
			line += " " + m.Method + ":" + kind + ":" + orDefault(names[m.Authorizer], authorizationNone)
		}
		all = append(all, line)
	}
	return all
}

func TestRestImport(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	made := must(h.imports(`
swagger: "2.0"
info: {title: pets, version: 2.0, description: all of them}
basePath: /v1
x-amazon-apigateway-binary-media-types: [image/png]
x-amazon-apigateway-endpoint-configuration: {types: [regional], disableExecuteApiEndpoint: "true"}
x-amazon-apigateway-policy:
  Version: "2012-10-17"
  Statement: [{Effect: Allow, Principal: "*", Action: "execute-api:Invoke", Resource: "execute-api:/*"}]
definitions: {Pet: {type: object}}
paths:
  /: {get: {x-amazon-apigateway-integration: {type: http_proxy, httpMethod: ANY, uri: 'https://backend.test/'}}}
  /pets/{id}/:
    parameters: [{name: id, in: path, required: true}]
    get:
      operationId: getPet
      parameters: [{name: q, in: query}, {name: X-H, in: header, required: true}, {name: pet, in: body, schema: {$ref: '#/definitions/Pet'}}]
      security: [{token: []}]
      responses: {200: {description: fine, schema: {$ref: '#/definitions/Pet'}}, default: {}}
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: get
        uri: https://backend.test/{id}
        requestParameters: {integration.request.path.id: method.request.path.id, integration.request.header.X-Subject: context.identity.clientCert.subjectDN}
        timeoutInMillis: "2000"
    x-amazon-apigateway-any-method: {x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, uri: '` + lambdaURI + `'}}
    options: {` + strings.ReplaceAll(strings.ReplaceAll(mockJSON, "\n", " "), "\t", " ") + `}
  /empty: {}
  /files/{proxy+}: {x-amazon-apigateway-any-method: {security: [{NONE: []}], x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, uri: '` + lambdaURI + `'}}}
securityDefinitions:
  token: {type: apiKey, in: header, name: X-Token, x-amazon-apigateway-authtype: custom, x-amazon-apigateway-authorizer: {type: token, authorizerUri: '` + lambdaURI + `', authorizerResultTtlInSeconds: 60}}
`))(t)
	same(t, "API", fmt.Sprint(*made.Name, *made.Version, *made.Description, made.EndpointConfiguration.Types, made.DisableExecuteApiEndpoint, made.BinaryMediaTypes), "pets2.0all of them[REGIONAL] true [image/png]")
	if !strings.Contains(aws.ToString(made.Policy), "arn:aws:execute-api:eu-west-1:"+account+":"+*made.Id+"/*") {
		t.Errorf("policy %s", aws.ToString(made.Policy))
	}
	same(t, "warnings", len(made.Warnings), 1)
	same(t, "tree", h.shown(*made.Id), []string{
		"/ GET:HTTP_PROXY:NONE", "/empty", "/files", "/files/{proxy+} ANY:AWS_PROXY:NONE", "/pets", "/pets/{id} ANY:AWS_PROXY:NONE GET:HTTP_PROXY:token OPTIONS:MOCK:NONE",
	})
	h.id = *made.Id
	a, _, err := h.f.getREST(h.ctx, h.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range a.Resources {
		for _, m := range r.Methods {
			if m.Method == "GET" && m.OperationName == "getPet" {
				same(t, "parameters", m.Parameters, map[string]bool{"method.request.path.id": true, "method.request.querystring.q": false, "method.request.header.X-H": true})
				same(t, "integration", fmt.Sprint(m.Integration.Timeout, m.Integration.Method, m.Integration.CacheNamespace == r.ID, len(m.Responses)), "2000GETtrue 1")
			}
		}
	}
	z := a.Authorizers[0]
	same(t, "authorizer", fmt.Sprint(z.Name, z.Type, z.Source, z.TTL), "tokenTOKENmethod.request.header.X-Token60")
	h.deploy("s")
	stage := h.compiled("s")
	same(t, "routes", keys(stage), []string{"GET /", "ANY /files/{proxy+}", "GET /pets/{id}", "OPTIONS /pets/{id}", "ANY /pets/{id}"})
	same(t, "mock", stage.Routes[3].Integration.Answers["application/json"].Header, map[string]string{"X-A": "a"})
	same(t, "timeout", stage.Routes[2].Integration.Timeout, 2*time.Second)

	// OpenAPI 3.0, a base path put before all paths, parameters of the query.
	three := must(h.ImportRestApi(h.ctx, &apigateway.ImportRestApiInput{
		Parameters: map[string]string{"basepath": "prepend", "endpointConfigurationTypes": "EDGE", "ignore": "documentation"},
		Body:       []byte(`{"openapi": "3.0.1", "info": {"title": "three"}, "servers": [{"url": "https://x.test/a/b"}], "paths": {"/x": {"get": {` + integrationJSON + `}}, "/": {"get": {` + integrationJSON + `}}}}`),
	}))(t)
	same(t, "three", h.shown(*three.Id), []string{"/", "/a", "/a/b GET:AWS_PROXY:NONE", "/a/b/x GET:AWS_PROXY:NONE"})
	same(t, "its endpoint", fmt.Sprint(three.EndpointConfiguration.Types), "[EDGE]")
}

// What cannot be made fails the import, all of it at once; what is demanded of callers never opens a method.
func TestRestImportRefusals(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	method := func(members string) string { return swagger(`"/x": {"get": {`+members+`}}`, "") }
	secured := func(security string, schemes ...string) string {
		return swagger(`"/x": {"get": {"security": `+security+`, `+integrationJSON+`}}`, schemesOf(schemes...))
	}
	for what, c := range map[string]struct{ body, text string }{
		"nonsense":          {`nonsense`, "Invalid OpenAPI input."},
		"version":           {`{"swagger": "1.2"}`, "version 1.2 is not supported"},
		"title":             {`{"swagger": "2.0", "paths": {}}`, "info.title"},
		"validators":        {swagger("", `, "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": true}}`), "x-amazon-apigateway-request-validators"},
		"gateway responses": {swagger("", `, "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {}}`), "x-amazon-apigateway-gateway-responses"},
		"key source":        {swagger("", `, "x-amazon-apigateway-api-key-source": "AUTHORIZER"`), "x-amazon-apigateway-api-key-source AUTHORIZER"},
		"compression":       {swagger("", `, "x-amazon-apigateway-minimum-compression-size": 0`), "x-amazon-apigateway-minimum-compression-size"},
		"private":           {swagger("", `, "x-amazon-apigateway-endpoint-configuration": {"types": ["PRIVATE"]}`), "endpoint type PRIVATE is not built"},
		"endpoint type":     {swagger("", `, "x-amazon-apigateway-endpoint-configuration": {"types": ["LOCAL"]}`), "Invalid endpoint type"},
		"policy":            {swagger("", `, "x-amazon-apigateway-policy": {"Statement": []}`), "Invalid policy document"},
		"validator":         {method(`"x-amazon-apigateway-request-validator": "all", ` + integrationJSON), "x-amazon-apigateway-request-validator is not built"},
		"AWS":               {method(`"x-amazon-apigateway-integration": {"type": "aws", "httpMethod": "POST", "uri": "` + lambdaURI + `"}`), "Unable to put integration on 'GET' for resource at path '/x': integration type AWS is not built"},
		"credentials":       {method(`"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": "` + lambdaURI + `", "credentials": "x"}`), "credentials is not built"},
		"VTL":               {method(`"x-amazon-apigateway-integration": {"type": "mock", "requestTemplates": {"application/json": "$input.body"}}`), "a mapping template that is evaluated"},
		"no header":         {method(strings.Replace(mockJSON, `"X-A": {`, `"X-B": {`, 1)), "Invalid mapping expression parameter specified: method.response.header.X-A"},
		"no status":         {method(strings.Replace(mockJSON, `"statusCode": 200`, `"a": 1`, 1)), "has no statusCode"},
		"stage variable":    {method(`"x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "https://${stageVariables.host}/"}`), "a stage variable in the URI is not built"},
		"Cognito":           {secured(`[{"pool": []}]`, "pool"), "authorizer type COGNITO_USER_POOLS is not built"},
		"IAM":               {secured(`[{"iam": []}]`, "iam"), "authorization by AWS_IAM is not built"},
		"auth extension":    {method(`"x-amazon-apigateway-auth": {"type": "AWS_IAM"}, ` + integrationJSON), "x-amazon-apigateway-auth.type AWS_IAM is not built"},
		"API key":           {secured(`[{"api_key": []}]`, "api_key"), "an API key (security scheme 'api_key') is not built"},
		"key and token":     {secured(`[{"token": []}, {"api_key": []}]`, "token", "api_key"), "one security requirement"},
		"other scheme":      {secured(`[{"oauth": ["read"]}]`, "oauth"), "scopes in security is not built"},
		"not enforced":      {secured(`[{"oauth": []}]`, "oauth"), "REST APIs enforce no other scheme"},
		"no scheme":         {secured(`[{"none": []}]`), "There is no security scheme 'none'"},
		"two variables":     {swagger(`"/{a}": {"get": {`+integrationJSON+`}}, "/{b}/x": {"get": {`+integrationJSON+`}}`, ""), "Unable to create resource at path '/{b}/x': A sibling ({a}) of this resource already has a variable path part"},
		"below greedy":      {swagger(`"/{a+}/x": {"get": {`+integrationJSON+`}}`, ""), "Cannot create a child of a resource with a greedy path variable"},
		"empty segment":     {swagger(`"/a//b": {"get": {`+integrationJSON+`}}`, ""), "empty segment"},
		"name twice":        {method(`"parameters": [{"name": "x", "in": "query"}, {"name": "x", "in": "header"}], ` + integrationJSON), "Parameter names must be unique"},
	} {
		_, err := h.imports(c.body)
		wantCoded(t, what, err, "BadRequestException", c.text)
	}
	_, err := h.imports(swagger(`"/a": {"get": {"x-amazon-apigateway-integration": {"type": "aws"}}}, "/b": {"get": {"x-amazon-apigateway-integration": {"type": "http"}}}, "c": {}`, ""))
	wantCoded(t, "two errors", err, "BadRequestException", "Errors found during import:\n\tUnable to put integration on 'GET' for resource at path '/a'")
	wantCoded(t, "two errors", err, "BadRequestException", "\n\tUnable to put integration on 'GET' for resource at path '/b'")
	same(t, "nothing was made", len(must(h.GetRestApis(h.ctx, &apigateway.GetRestApisInput{}))(t).Items), 1)

	warned := swagger(`"c": {"get": {`+integrationJSON+`}}`, `, "definitions": {"A": {}}`)
	_, err = h.ImportRestApi(h.ctx, &apigateway.ImportRestApiInput{Body: []byte(warned), FailOnWarnings: true})
	wantCoded(t, "warnings", err, "BadRequestException", "Warnings found during import:\n\tParse issue: attribute paths. Resource c should start with /")
	same(t, "warnings", len(must(h.imports(warned))(t).Warnings), 2)
	if _, err = h.ImportRestApi(h.ctx, &apigateway.ImportRestApiInput{Body: []byte(swagger("", `, "definitions": {"A": {}}`)), FailOnWarnings: true}); err != nil {
		t.Errorf("models alone fail nothing: %v", err)
	}
	_, err = h.ImportRestApi(h.ctx, &apigateway.ImportRestApiInput{Body: []byte(warned), Parameters: map[string]string{"colour": "red"}})
	wantCoded(t, "parameter", err, "BadRequestException", "Invalid parameter")
}

// PutRestApi replaces or merges; ids stay, and silence opens nothing.
func TestPutRestAPI(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	policy := `, "x-amazon-apigateway-policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}`
	closed := `, "x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": true}, "x-amazon-apigateway-binary-media-types": ["a/b"]`
	first := swagger(`"/a/b": {"get": {"security": [{"token": []}], `+integrationJSON+`}}, "/c": {"get": {`+integrationJSON+`}, "put": {`+integrationJSON+`}}`, schemesOf("token")+policy+closed)
	must(h.put(first, rest.PutModeOverwrite))(t)
	before, _, err := h.f.getREST(h.ctx, h.id)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "first", h.shown(h.id), []string{"/", "/a", "/a/b GET:AWS_PROXY:token", "/c GET:AWS_PROXY:NONE PUT:AWS_PROXY:NONE"})
	h.deploy("s")

	merged := must(h.put(swagger(`"/a/b": {"put": {`+integrationJSON+`}}, "/c": {"get": {"security": [{"request": []}], `+integrationJSON+`}}, "/d": {"get": {`+integrationJSON+`}}`, schemesOf("request")+`, "x-amazon-apigateway-binary-media-types": ["c/d"]`), ""))(t)
	same(t, "merged", h.shown(h.id), []string{"/", "/a", "/a/b GET:AWS_PROXY:token PUT:AWS_PROXY:NONE", "/c GET:AWS_PROXY:request PUT:AWS_PROXY:NONE", "/d GET:AWS_PROXY:NONE"})
	same(t, "merged API", fmt.Sprint(merged.DisableExecuteApiEndpoint, merged.BinaryMediaTypes, merged.Policy != nil), "true [a/b c/d] true")

	over := must(h.put(swagger(`"/a/b": {"get": {"security": [{"token": []}], `+integrationJSON+`}}`, schemesOf("token")), rest.PutModeOverwrite))(t)
	same(t, "overwritten", h.shown(h.id), []string{"/", "/a", "/a/b GET:AWS_PROXY:token"})
	same(t, "overwritten API", fmt.Sprint(over.DisableExecuteApiEndpoint, over.BinaryMediaTypes, over.Policy != nil), "true [] true")
	after, _, err := h.f.getREST(h.ctx, h.id)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(a restAPI) map[string]string {
		all := map[string]string{}
		for id, p := range paths(a.Resources) {
			all[p] = id
		}
		return all
	}
	was, is := ids(before), ids(after)
	same(t, "ids", [3]string{is["/"], is["/a"], is["/a/b"]}, [3]string{was["/"], was["/a"], was["/a/b"]})
	same(t, "authorizer", after.Authorizers[0].ID, before.Authorizers[0].ID)
	same(t, "deployed still", keys(h.compiled("s")), []string{"GET /a/b", "GET /c", "PUT /c"})

	_, err = h.put(swagger(`"/a": {"get": {"security": [{"none": []}], `+integrationJSON+`}}`, ""), rest.PutModeOverwrite)
	wantCoded(t, "wrong", err, "BadRequestException", "There is no security scheme")
	same(t, "after an error", h.shown(h.id), []string{"/", "/a", "/a/b GET:AWS_PROXY:token"})
	_, err = h.PutRestApi(h.ctx, &apigateway.PutRestApiInput{RestApiId: aws.String("none"), Body: []byte(first)})
	wantCoded(t, "no API", err, "NotFoundException", "Invalid API identifier specified")
}

// FuzzRestImport: what an import takes can be deployed and served; what it refuses leaves nothing.
func FuzzRestImport(f *testing.F) {
	files, err := filepath.Glob("testdata/sam/rest*.json")
	if err != nil || len(files) < 2 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var resources map[string]samResource
		if err := json.Unmarshal(text, &resources); err != nil {
			f.Fatal(err)
		}
		for _, r := range resources {
			if body, err := json.Marshal(r.Properties["Body"]); err == nil && r.Properties["Body"] != nil {
				f.Add(body, "prepend", true)
			}
		}
	}
	f.Add([]byte(swagger(`"/a/{b}": {"get": {"security": [{"token": []}], `+integrationJSON+`}, "options": {`+mockJSON+`}}`, restSchemes)), "", false)
	s := New(Config{Now: func() time.Time { return noon }, Rand: rand.Reader})
	ctx := as(account, region)
	f.Fuzz(func(t *testing.T, body []byte, basepath string, overwrite bool) {
		i, err := readREST(ctx, body, map[string]string{"basepath": basepath}, false)
		if err != nil {
			return
		}
		a, err := s.REST().newAPI(ctx)
		if err != nil {
			t.Fatal(err)
		}
		mode := rest.PutModeMerge
		if overwrite {
			mode = rest.PutModeOverwrite
		}
		for range 2 { // the second time over what the first has made
			if s.REST().apply(i, &a, mode) != nil {
				return
			}
		}
		d := restDeployment{Resources: a.Resources, Authorizers: a.Authorizers}
		routes, err := d.routes(&restStage{})
		if err != nil {
			t.Fatalf("it cannot be served: %v", err)
		}
		for _, r := range routes {
			if r.Integration == nil && r.Unavailable == "" {
				t.Fatalf("%s has nothing behind it", r.Key)
			}
		}
	})
}
