package openapi

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const pets = `
openapi: 3.0.1
info: {title: pets, version: 2.0, description: all of them}
servers:
  - url: https://example.com/{basePath}
    variables: {basePath: {default: /a/b/c}}
  - url: https://example.org/z
    x-amazon-apigateway-endpoint-configuration: {disableExecuteApiEndpoint: "true"}
tags:
  - {name: team, x-amazon-apigateway-tag-value: blue}
  - {name: animals, description: no tag of AWS's}
x-amazon-apigateway-cors:
  allowOrigins: [https://app.test]
  allowMethods: "GET, PUT"
  allowCredentials: "true"
  maxAge: "300"
x-amazon-apigateway-importexport-version: "1.0"
security: [{token: [read]}]
paths:
  x-note: not a path
  /pets/{id}:
    parameters: [{name: id, in: path, required: true}, {name: q, in: query}]
    get:
      operationId: getPet
      security: []
      parameters: [{name: q, in: query, required: true}]
      x-amazon-apigateway-integration: &shared
        type: aws_proxy
        httpMethod: post
        uri: arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:f/invocations
        payloadFormatVersion: 2.0
        timeoutInMillis: 2000.0
        unheardOf: [1]
      responses:
        200: {description: fine, content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}
    x-amazon-apigateway-any-method:
      x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/backend'}
    GET: {}
  /merged:
    get:
      x-amazon-apigateway-integration:
        <<: *shared
        payloadFormatVersion: "1.0"
  $default:
    x-amazon-apigateway-any-method:
      isDefaultRoute: true
      responses: {default: {$ref: '#/components/responses/None'}}
components:
  schemas: {Pet: {type: object}}
  x-amazon-apigateway-integrations:
    backend: {type: HTTP_PROXY, uri: 'https://backend.test/{id}', httpMethod: ANY, requestParameters: {"overwrite:header.x": y}, responseParameters: {"404": {"overwrite:statuscode": 200}}}
  securitySchemes:
    token:
      type: oauth2
      x-amazon-apigateway-authorizer:
        type: JWT
        jwtConfiguration: {issuer: https://issuer.test, audience: one}
        identitySource: "$request.header.Authorization"
    lambda:
      type: apiKey
      in: header
      name: Unused
      x-amazon-apigateway-authorizer: {type: request, authorizerUri: u, authorizerPayloadFormatVersion: 2.0, enableSimpleResponses: "true", authorizerResultTtlInSeconds: "5", identitySource: "$request.header.A, $request.querystring.b"}
    iam: {type: apiKey, in: header, name: Authorization, x-amazon-apigateway-authtype: awsSigv4}
`

var here = Options{Account: "000000000000", Region: "eu-west-1", Partition: "aws"}

func mustParse(t *testing.T, text string) *Document {
	t.Helper()
	d, err := Parse([]byte(text), here)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

func find(t *testing.T, d *Document, method, path string) *Operation {
	t.Helper()
	for i := range d.Operations {
		if o := &d.Operations[i]; o.Method == method && o.Path == path {
			return o
		}
	}
	t.Fatalf("there is no %s %s", method, path)
	return nil
}

func ptr[T any](v T) *T { return &v }

func TestYAMLDocument(t *testing.T) {
	t.Parallel()
	d := mustParse(t, pets)
	same(t, "info", []string{d.Version, d.Title, d.About, d.Release}, []string{"3.0.1", "pets", "all of them", "2.0"})
	same(t, "base path", d.BasePath, "/a/b/c")
	same(t, "disabled", d.Endpoint.Disable, ptr(true))
	same(t, "tags", d.Tags, map[string]string{"team": "blue"})
	same(t, "CORS", d.CORS, &CORS{AllowOrigins: []string{"https://app.test"}, AllowMethods: []string{"GET", "PUT"}, AllowCredentials: ptr(true), MaxAge: ptr[int32](300)})
	same(t, "paths", d.Paths, []string{"$default", "/merged", "/pets/{id}"})

	get := find(t, d, "GET", "/pets/{id}")
	same(t, "own security", get.Security, []Requirement{})
	same(t, "parameters", get.Parameters, []Parameter{{"q", "query", true}, {"id", "path", true}})
	same(t, "responses", get.Responses, []Response{{Status: "200", Models: map[string]string{"application/json": "Pet"}}})
	i := get.Integration
	same(t, "integration", []string{get.ID, i.Type, i.Method, i.PayloadFormatVersion, i.Ref}, []string{"getPet", "AWS_PROXY", "POST", "2.0", ""})
	same(t, "URI", i.URI, "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:000000000000:function:f/invocations")
	same(t, "timeout", i.Timeout, ptr[int32](2000))
	same(t, "unknown member", string(i.Get("unheardOf").JSON()), "[1]")
	same(t, "place", i.Get("uri").Place(), "paths.'/pets/{id}'(get).x-amazon-apigateway-integration.uri")
	same(t, "merged", find(t, d, "GET", "/merged").Integration.PayloadFormatVersion, "1.0")

	anyMethod := find(t, d, "ANY", "/pets/{id}")
	same(t, "inherited security", anyMethod.Security, []Requirement{{{"token", []string{"read"}}}})
	same(t, "reference", anyMethod.Integration.Ref, "#/components/x-amazon-apigateway-integrations/backend")
	same(t, "mapping", anyMethod.Integration.RequestParameters, map[string]string{"overwrite:header.x": "y"})
	same(t, "response mapping", anyMethod.Integration.ResponseParameters, map[string]map[string]string{"404": {"overwrite:statuscode": "200"}})
	same(t, "default route", find(t, d, "ANY", "$default").DefaultRoute, true)

	same(t, "JWT", *d.Scheme("token").Authorizer, Authorizer{
		Value: d.Scheme("token").Authorizer.Value, Type: "jwt", Issuer: "https://issuer.test", Audience: []string{"one"}, IdentitySources: []string{"$request.header.Authorization"},
	})
	same(t, "Lambda", *d.Scheme("lambda").Authorizer, Authorizer{
		Value: d.Scheme("lambda").Authorizer.Value, Type: "request", URI: "u", PayloadFormatVersion: "2.0", SimpleResponses: ptr(true), ResultTTL: ptr[int32](5),
		IdentitySources: []string{"$request.header.A", "$request.querystring.b"},
	})
	same(t, "IAM", d.Scheme("iam").AuthType, "awsSigv4")
	same(t, "warnings", d.Warnings, []string{
		"Parse issue: attribute paths. Resource $default should start with /",
		"Parse issue: attribute paths.'$default'(x-amazon-apigateway-any-method).responses.default.#/components/responses/None is missing",
		"Parse issue: attribute paths.'/pets/{id}'.GET is unexpected",
	})
}

// What YAML says, JSON and a decoded tree say too.
func TestFormsAgree(t *testing.T) {
	t.Parallel()
	text := mustParse(t, pets)
	asJSON := mustParse(t, string(text.Root.JSON()))
	decoded, err := Read(text.Root.Raw(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "JSON", asJSON, text)
	same(t, "tree", decoded, text)
}

func TestSwagger(t *testing.T) {
	t.Parallel()
	d := mustParse(t, `{
		"swagger": 2.0, "info": {"title": "old", "version": "1"}, "basePath": "/v1/x", "produces": ["text/plain"],
		"x-amazon-apigateway-policy": {"Version": "2012-10-17", "Statement": []}, "x-amazon-apigateway-binary-media-types": ["image/png"],
		"x-amazon-apigateway-api-key-source": "HEADER", "x-amazon-apigateway-minimum-compression-size": "1024",
		"x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": true}}, "x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": true},
		"definitions": {"Pet": {"type": "object"}},
		"securityDefinitions": {
			"Guard": {"type": "apiKey", "in": "header", "name": "X-Key", "x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": "u", "identityValidationExpression": "^x", "authorizerResultTtlInSeconds": 30}},
			"api_key": {"type": "apiKey", "in": "header", "name": "x-api-key"}
		},
		"paths": {"/pets": {"post": {
			"consumes": ["application/json"], "security": [{"Guard": [], "api_key": []}], "x-amazon-apigateway-request-validator": "all", "x-amazon-apigateway-auth": {"type": "NONE"},
			"parameters": [{"in": "body", "name": "pet", "schema": {"$ref": "#/definitions/Pet"}}, {"in": "header", "name": "X-Id"}],
			"responses": {"200": {"schema": {"$ref": "#/definitions/Pet"}, "headers": {"B": {}, "A": {}}}, "400": {"schema": {"$ref": "#/definitions/Gone"}}},
			"x-amazon-apigateway-integration": {"type": "aws", "uri": "u", "httpMethod": "POST", "passthroughBehavior": "when_no_match", "requestTemplates": {"application/json": "{}"},
				"cacheKeyParameters": ["a"], "tlsConfig": {"insecureSkipVerification": true},
				"responses": {"default": {"statusCode": 200, "responseParameters": {"method.response.header.A": "'x'"}, "responseTemplates": {"text/plain": "$input"}}}}
		}}}}`)
	same(t, "version", d.Swagger && d.BasePath == "/v1/x" && d.APIKeySource == "HEADER" && *d.MinimumCompression == 1024 && *d.Endpoint.Disable, true)
	same(t, "policy", string(d.Policy.JSON()), `{"Statement":[],"Version":"2012-10-17"}`)
	post := find(t, d, "POST", "/pets")
	same(t, "security", post.Security, []Requirement{{{"Guard", []string{}}, {"api_key", []string{}}}})
	same(t, "models", post.RequestModels, map[string]string{"application/json": "Pet"})
	same(t, "parameters", post.Parameters, []Parameter{{"X-Id", "header", false}})
	same(t, "responses", post.Responses, []Response{{"200", []string{"A", "B"}, map[string]string{"text/plain": "Pet"}}, {"400", nil, nil}})
	same(t, "auth and validator", post.Auth+post.RequestValidator, "NONEall")
	i := post.Integration
	same(t, "integration", []any{i.Type, i.PassthroughBehavior, i.RequestTemplates, i.CacheKeyParameters, i.TLS.InsecureSkipVerification},
		[]any{"AWS", "WHEN_NO_MATCH", map[string]string{"application/json": "{}"}, []string{"a"}, true})
	same(t, "integration response", []any{i.Responses[0].Pattern, i.Responses[0].Status, i.Responses[0].Parameters, i.Responses[0].Templates},
		[]any{"default", "200", map[string]string{"method.response.header.A": "'x'"}, map[string]string{"text/plain": "$input"}})
	same(t, "warnings", d.Warnings, []string{"Parse issue: attribute paths.'/pets'(post).responses.400.schema.#/definitions/Gone is missing"})
}

func TestBasePath(t *testing.T) {
	t.Parallel()
	for servers, want := range map[string]string{
		`[]`:                            "",
		`[{"url": "/"}]`:                "",
		`[{"url": "/v1/"}]`:             "/v1",
		`[{"url": "https://api.test"}]`: "",
		`[{"url": "https://api.test/v1/x"}, {"url": "https://api.test/v2"}]`:                                 "/v1/x",
		`[{"url": "https://api.test/v1"}, {"variables": {"basePath": {"default": "used"}}}]`:                 "/used",
		`[{"variables": {"basePath": {"default": "one"}}}, {"variables": {"basePath": {"default": "two"}}}]`: "/one",
		`[{"url": "https://{host}/v1"}]`:   "/v1",
		`[{"url": "https://h/{version}"}]`: "",
	} {
		d := mustParse(t, `{"openapi": "3.0.0", "servers": `+servers+`}`)
		same(t, servers, d.BasePath, want)
	}
	d := mustParse(t, `{"openapi": "3.0.0", "servers": [{"url": "/a/b/c"}]}`)
	for mode, want := range map[string]string{"": "", "ignore": "", "prepend": "/a/b/c", "split": "/b/c"} {
		got, err := d.Prefix(mode)
		same(t, mode, []any{got, err}, []any{want, nil})
	}
	if _, err := d.Prefix("append"); err == nil {
		t.Error("basepath append is taken")
	}
}

func TestBadDocuments(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	for text, want := range map[string]string{
		"":                                       "empty",
		"[]":                                     "an API definition is an object",
		"just text":                              "an API definition is an object",
		`{"openapi": "3.0.1"`:                    "JSON, at byte 19: unexpected EOF",
		`{"openapi": "3.0.1"} {}`:                "something follows",
		`{"info": {}}`:                           "says its version",
		`{"openapi": "3.1.0"}`:                   "version 3.1.0 is not supported",
		`{"swagger": "1.2"}`:                     "version 1.2 is not supported",
		`{"openapi": "3.0.1", "swagger": "2.0"}`: "not both",
		`{"openapi": "3.0.1", "openapi": "3.0.1"}`: `"openapi" stands twice`,
		"openapi: 3.0.1\nopenapi: 3.0.1":           `"openapi" stands twice`,
		"openapi: 3.0.1\na: !Ref B":                "the tag !Ref has no meaning here",
		"openapi: 3.0.1\n? [a]\n: b":               "must be plain text",
		"openapi: 3.0.1\na: &a [*a]":               "deep",
		deep:                                       "nested more than",
		`{"openapi": "3.0.1", "paths": []}`:        "paths: is not an object",
		`{"openapi": "3.0.1", "paths": {"/a": 1}}`: "paths.'/a': is not an object",
		`{"openapi": "3.0.1", "paths": {"/a": {"get": {"security": {}}}}}`:                                                       "paths.'/a'(get).security: is not a list",
		`{"openapi": "3.0.1", "paths": {"/a": {"get": {"security": ["x"]}}}}`:                                                    "paths.'/a'(get).security[0]: is not an object",
		`{"openapi": "3.0.1", "security": "x", "paths": {"/a": {"get": {}}}}`:                                                    "security: is not a list",
		`{"openapi": "3.0.1", "paths": {"/a": {"get": {"isDefaultRoute": "si"}}}}`:                                               "paths.'/a'(get).isDefaultRoute: is neither true nor false",
		`{"openapi": "3.0.1", "paths": {"/a": {"get": {"x-amazon-apigateway-integration": "x"}}}}`:                               "x-amazon-apigateway-integration: is not an object",
		`{"openapi": "3.0.1", "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"timeoutInMillis": "soon"}}}}}`:       "timeoutInMillis: is not a whole number",
		`{"openapi": "3.0.1", "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"$ref": "#/components/none"}}}}}`:     "there is nothing where it points",
		`{"openapi": "3.0.1", "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"$ref": "https://x.test/i.json"}}}}}`: "only references into the document itself",
		`{"openapi": "3.0.1", "paths": {"/a": {"$ref": "#/paths/~1a"}}}`:                                                         "leads on more than",
		`{"openapi": "3.0.1", "components": {"securitySchemes": {"a": {"x-amazon-apigateway-authorizer": "x"}}}}`:                "components.securitySchemes.a.x-amazon-apigateway-authorizer: is not an object",
	} {
		d, err := Parse([]byte(text), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: got %v, want an error with %q", text, err, want)
		}
		if d != nil && err != nil {
			t.Errorf("%.80q: a document together with an error", text)
		}
	}
	if _, err := Read(map[string]any{"openapi": 3}, Options{}); err == nil || !strings.Contains(err.Error(), "a int cannot stand in it") {
		t.Errorf("a tree with an int: %v", err)
	}
}

// References lead to the same parts again and again; that must not take long.
func TestReferencesAreBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"openapi": "3.0.1", "components": {"item": {"get": {}, "parameters": [`)
	b.WriteString(strings.TrimSuffix(strings.Repeat(`{"name":"x","in":"query"},`, 5000), ","))
	b.WriteString(`]}}, "paths": {`)
	for i := range 1000 {
		b.WriteString(`"/` + strings.Repeat("a", i) + `": {"$ref": "#/components/item"},`)
	}
	text := strings.TrimSuffix(b.String(), ",") + "}}"
	if _, err := Parse([]byte(text), Options{}); err == nil || !strings.Contains(err.Error(), "lead to too many parts") {
		t.Errorf("got %v", err)
	}
	var bomb strings.Builder
	bomb.WriteString("openapi: 3.0.1\nx0: &x0 [y]\n")
	for i := range 30 {
		fmt.Fprintf(&bomb, "x%d: &x%d [*x%d, *x%d]\n", i+1, i+1, i, i)
	}
	if _, err := Parse([]byte(bomb.String()), Options{}); err == nil || !strings.Contains(err.Error(), "parts") {
		t.Errorf("got %v", err)
	}
}

// samBodies are what the SAM translator made of the templates beside them.
func samBodies(t testing.TB) map[string]json.RawMessage {
	t.Helper()
	files, err := filepath.Glob("../testdata/sam/*.json")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	bodies := map[string]json.RawMessage{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var resources map[string]struct {
			Properties struct{ Body json.RawMessage }
		}
		if err := json.Unmarshal(text, &resources); err != nil {
			t.Fatal(err)
		}
		for name, r := range resources {
			if r.Properties.Body != nil {
				bodies[filepath.Base(f)+" "+name] = r.Properties.Body
			}
		}
	}
	return bodies
}

func TestBodiesOfSAM(t *testing.T) {
	t.Parallel()
	bodies := samBodies(t)
	for name, body := range bodies {
		if d, err := Parse(body, Options{}); err != nil || d.Title != "demo" || len(d.Operations) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := mustParse(t, string(bodies["auth.json Api"]))
	same(t, "open", find(t, d, "GET", "/open").Security, []Requirement{{{"NONE", []string{}}}})
	same(t, "payload", d.Scheme("Lambda").Authorizer.PayloadFormatVersion, "2.0")
	rest := mustParse(t, string(bodies["rest.json MyApi"]))
	same(t, "Swagger", rest.Swagger, true)
	same(t, "disabled", rest.Endpoint.Disable, ptr(true))
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(pets))
	for _, body := range samBodies(f) {
		f.Add([]byte(body))
	}
	f.Add([]byte("openapi: 3.0.1\na: &a {b: *a}\n<<: [{}]"))
	f.Add([]byte(`{"openapi":"3.0.1","paths":{"/a":{"$ref":"#/paths/~1a"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text, Options{})
		if err != nil {
			if d != nil || err.Error() == "" {
				t.Fatalf("document %v with error %q", d, err)
			}
			return
		}
		again, err := Parse(d.Root.JSON(), Options{})
		if err != nil {
			t.Fatalf("its own JSON is not taken: %v", err)
		}
		if !reflect.DeepEqual(d, again) {
			t.Fatalf("its own JSON says something else")
		}
	})
}
