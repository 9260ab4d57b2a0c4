package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"countersign/edge/snapshot"
	"countersign/policy"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	rest "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/smithy-go"
)

const (
	functionURI = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/" + lambda + "/invocations"
	backendURI  = "https://backend.test/"
)

// A hand puts a REST API together.
type hand struct {
	*REST
	t        *testing.T
	f        *fixture
	ctx      context.Context
	id, root string
}

func newHand(t *testing.T) *hand {
	t.Helper()
	f, ctx := setUp(t)
	h := &hand{REST: f.REST(), t: t, f: f, ctx: ctx}
	made := must(h.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("pets")}))(t)
	h.id, h.root = *made.Id, *made.RootResourceId
	return h
}

func (h *hand) resource(parent, part string) string {
	h.t.Helper()
	return *must(h.tryResource(parent, part))(h.t).Id
}

func (h *hand) tryResource(parent, part string) (*apigateway.CreateResourceOutput, error) {
	return h.CreateResource(h.ctx, &apigateway.CreateResourceInput{RestApiId: &h.id, ParentId: &parent, PathPart: &part})
}

func (h *hand) method(resource, method string) {
	h.t.Helper()
	must(h.PutMethod(h.ctx, &apigateway.PutMethodInput{RestApiId: &h.id, ResourceId: &resource, HttpMethod: &method, AuthorizationType: aws.String("NONE")}))(h.t)
}

// proxy adds a method that a function answers.
func (h *hand) proxy(resource, method string) {
	h.t.Helper()
	h.method(resource, method)
	must(h.integrate(resource, method, &apigateway.PutIntegrationInput{Type: rest.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: aws.String(functionURI)}))(h.t)
}

func (h *hand) integrate(resource, method string, in *apigateway.PutIntegrationInput) (*apigateway.PutIntegrationOutput, error) {
	in.RestApiId, in.ResourceId, in.HttpMethod = &h.id, &resource, &method
	return h.PutIntegration(h.ctx, in)
}

func (h *hand) deploy(stage string) string {
	h.t.Helper()
	return *must(h.CreateDeployment(h.ctx, &apigateway.CreateDeploymentInput{RestApiId: &h.id, StageName: &stage}))(h.t).Id
}

// compiled is what the edge is given of a stage.
func (h *hand) compiled(stage string) *snapshot.Stage {
	h.t.Helper()
	_, apis, problems, err := h.f.Compile(h.ctx)
	if err != nil || len(problems) > 0 || apis[h.id] == nil {
		h.t.Fatal(err, problems)
	}
	return apis[h.id].Stages[stage]
}

func keys(s *snapshot.Stage) []string {
	var all []string
	for _, r := range s.Routes {
		all = append(all, r.Key)
	}
	return all
}

func patches(op, path, value string, more ...string) []rest.PatchOperation {
	all := []rest.PatchOperation{{Op: rest.Op(op), Path: &path, Value: &value}}
	for i := 0; i+2 < len(more); i += 3 {
		all = append(all, rest.PatchOperation{Op: rest.Op(more[i]), Path: aws.String(more[i+1]), Value: aws.String(more[i+2])})
	}
	return all
}

func wantCoded(t *testing.T, what string, err error, code, text string) {
	t.Helper()
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != code || !strings.Contains(coded.ErrorMessage(), text) {
		t.Errorf("%s: got error %v, want %s with %q", what, err, code, text)
	}
}

func TestRestAPI(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	got := must(h.GetRestApi(h.ctx, &apigateway.GetRestApiInput{RestApiId: &h.id}))(t)
	same(t, "made", fmt.Sprint(*got.Name, got.EndpointConfiguration.Types, got.EndpointConfiguration.IpAddressType, got.ApiKeySource, *got.RootResourceId == h.root), "pets[EDGE]ipv4HEADERtrue")
	update := func(operations []rest.PatchOperation) (*apigateway.UpdateRestApiOutput, error) {
		return h.UpdateRestApi(h.ctx, &apigateway.UpdateRestApiInput{RestApiId: &h.id, PatchOperations: operations})
	}
	after := must(update(patches("replace", "/name", "dogs", "replace", "/description", "all", "replace", "/disableExecuteApiEndpoint", "True", "replace", "/endpointConfiguration/types/EDGE", "REGIONAL",
		"add", "/binaryMediaTypes/image~1png", "", "add", "/binaryMediaTypes/image~1jpeg", "", "replace", "/apiKeySource", "HEADER")))(t)
	same(t, "updated", fmt.Sprint(*after.Name, *after.Description, after.DisableExecuteApiEndpoint, after.EndpointConfiguration.Types, after.BinaryMediaTypes), "dogsalltrue [REGIONAL] [image/jpeg image/png]")
	after = must(update(patches("replace", "/binaryMediaTypes/image~1png", "image~1gif", "remove", "/binaryMediaTypes/image~1jpeg", "", "remove", "/description", "")))(t)
	same(t, "updated again", fmt.Sprint(after.BinaryMediaTypes, after.Description == nil), "[image/gif] true")
	for what, c := range map[string]struct {
		operations []rest.PatchOperation
		text       string
	}{
		"unknown path":   {patches("replace", "/nmae", "x"), "Invalid patch path  '/nmae' specified for op 'replace'. Must be one of: [/name, /description"},
		"operation":      {patches("remove", "/name", ""), "Invalid patch operation specified. Must be one of: [replace]"},
		"no value":       {[]rest.PatchOperation{{Op: rest.OpReplace, Path: aws.String("/name")}}, "needs a value"},
		"empty name":     {patches("replace", "/name", ""), "Name cannot be empty"},
		"whole list":     {patches("add", "/binaryMediaTypes", "x"), "Invalid patch path  '/binaryMediaTypes'"},
		"not there":      {patches("remove", "/binaryMediaTypes/a~1b", ""), "Invalid patch path /binaryMediaTypes/a~1b"},
		"private":        {patches("replace", "/endpointConfiguration/types/REGIONAL", "PRIVATE"), "endpoint type PRIVATE is not built"},
		"compression":    {patches("replace", "/minimumCompressionSize", "10"), "minimumCompressionSize is not built"},
		"key source":     {patches("replace", "/apiKeySource", "AUTHORIZER"), "apiKeySource"},
		"address type":   {patches("replace", "/endpointConfiguration/ipAddressType", "ipv6"), "Invalid ipAddressType"},
		"policy":         {patches("replace", "/policy", "{}"), "Invalid policy document"},
		"not a document": {patches("replace", "/policy", "nonsense"), "Invalid policy document"},
	} {
		_, err := update(c.operations)
		wantCoded(t, what, err, "BadRequestException", c.text)
	}
	same(t, "nothing is half-changed", *must(h.GetRestApi(h.ctx, &apigateway.GetRestApiInput{RestApiId: &h.id}))(t).Name, "dogs")

	for what, in := range map[string]*apigateway.CreateRestApiInput{
		"clone":       {CloneFrom: &h.id},
		"compression": {MinimumCompressionSize: aws.Int32(0)},
		"key source":  {ApiKeySource: rest.ApiKeySourceTypeAuthorizer},
		"TLS 1.0":     {SecurityPolicy: rest.SecurityPolicyTls10},
		"private":     {EndpointConfiguration: &rest.EndpointConfiguration{Types: []rest.EndpointType{rest.EndpointTypePrivate}}},
		"description": {Description: aws.String("")},
		"binary type": {BinaryMediaTypes: []string{"a b"}},
		"tags":        {Tags: map[string]string{"aws:x": "y"}},
	} {
		in.Name = aws.String("x")
		_, err := h.CreateRestApi(h.ctx, in)
		wantCoded(t, what, err, "BadRequestException", "")
	}
	same(t, "APIs", len(must(h.GetRestApis(h.ctx, &apigateway.GetRestApisInput{}))(t).Items), 1)
	_, err := h.GetRestApi(as(account, "us-east-1"), &apigateway.GetRestApiInput{RestApiId: &h.id})
	wantCoded(t, "another Region", err, "NotFoundException", "Invalid API identifier specified "+account+":"+h.id)
	for n := range 30 {
		must(h.CreateRestApi(h.ctx, &apigateway.CreateRestApiInput{Name: aws.String(fmt.Sprint(n))}))(t)
	}
	page := must(h.GetRestApis(h.ctx, &apigateway.GetRestApisInput{}))(t)
	rest := must(h.GetRestApis(h.ctx, &apigateway.GetRestApisInput{Position: page.Position, Limit: aws.Int32(10)}))(t)
	same(t, "pages", fmt.Sprint(len(page.Items), len(rest.Items), rest.Position == nil), "25 6 true")
}

// Resource trees, with the refusals that AWS has.
func TestRestResources(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	pets := h.resource(h.root, "pets")
	sub := h.resource(pets, "subpets")
	child := h.resource(sub, "pets")
	proxy := h.resource(h.root, "{proxy+}")
	for what, c := range map[string]struct {
		parent, part string
		code, text   string
	}{
		"sibling":           {h.root, "pets", "ConflictException", "Another resource with the same parent already has this name: pets"},
		"no parent":         {"none", "x", "NotFoundException", "Invalid Resource identifier specified"},
		"below greedy":      {proxy, "x", "BadRequestException", "Cannot create a child of a resource with a greedy path variable: {proxy+}"},
		"second variable":   {h.root, "{id}", "BadRequestException", "A sibling ({proxy+}) of this resource already has a variable path part -- only one is allowed"},
		"braces":            {pets, "{id", "BadRequestException", "Resource's path part only allow"},
		"slash":             {pets, "a/b", "BadRequestException", "Resource's path part only allow"},
		"empty":             {pets, "", "BadRequestException", "Resource's path part only allow"},
		"variable in part":  {pets, "a{b}", "BadRequestException", "Resource's path part only allow"},
		"space in variable": {pets, "{a b}", "BadRequestException", "Resource's path part only allow"},
	} {
		_, err := h.tryResource(c.parent, c.part)
		wantCoded(t, what, err, c.code, c.text)
	}
	a := h.resource(pets, "{id}")
	_, err := h.tryResource(a, "{id}")
	wantCoded(t, "a variable twice", err, "BadRequestException", "stands twice")
	update := func(id string, operations []rest.PatchOperation) (*apigateway.UpdateResourceOutput, error) {
		return h.UpdateResource(h.ctx, &apigateway.UpdateResourceInput{RestApiId: &h.id, ResourceId: &id, PatchOperations: operations})
	}
	_, err = update(pets, patches("replace", "/invalid", "x"))
	wantCoded(t, "path", err, "BadRequestException", "Invalid patch path  '/invalid' specified for op 'replace'. Must be one of: [/pathPart, /parentId]")
	_, err = update(sub, patches("replace", "/parentId", child))
	wantCoded(t, "cycle", err, "BadRequestException", "Resources cannot be cyclical.")
	_, err = update(child, patches("replace", "/parentId", "none"))
	wantCoded(t, "parent", err, "NotFoundException", "Invalid Resource identifier specified")
	_, err = update(child, patches("replace", "/parentId", h.root))
	wantCoded(t, "future sibling", err, "ConflictException", "Another resource with the same parent already has this name: pets")
	_, err = update(pets, patches("replace", "/pathPart", "{pets+}"))
	wantCoded(t, "greedy with children", err, "BadRequestException", "Cannot create a child")
	_, err = update(h.root, patches("replace", "/pathPart", "x"))
	wantCoded(t, "root", err, "BadRequestException", "Root resource")
	same(t, "moved", *must(update(sub, patches("replace", "/parentId", h.root, "replace", "/pathPart", "moved")))(t).Path, "/moved")
	list := func() []string {
		t.Helper()
		var all []string
		for _, r := range must(h.GetResources(h.ctx, &apigateway.GetResourcesInput{RestApiId: &h.id}))(t).Items {
			all = append(all, *r.Path)
		}
		return all
	}
	same(t, "tree", list(), []string{"/", "/moved", "/moved/pets", "/pets", "/pets/{id}", "/{proxy+}"})
	must(h.DeleteResource(h.ctx, &apigateway.DeleteResourceInput{RestApiId: &h.id, ResourceId: &sub}))(t)
	same(t, "tree after", list(), []string{"/", "/pets", "/pets/{id}", "/{proxy+}"})
	_, err = h.DeleteResource(h.ctx, &apigateway.DeleteResourceInput{RestApiId: &h.id, ResourceId: &child})
	wantCoded(t, "gone with it", err, "NotFoundException", "Invalid Resource identifier specified")
	_, err = h.DeleteResource(h.ctx, &apigateway.DeleteResourceInput{RestApiId: &h.id, ResourceId: &h.root})
	wantCoded(t, "root", err, "BadRequestException", "Root resource")
	for n := len(list()); n < maxResources; n++ {
		h.resource(pets, fmt.Sprint("r", n))
	}
	_, err = h.tryResource(pets, "one-too-many")
	wantCoded(t, "quota", err, "LimitExceededException", "300")
}

// The order in which requests are matched: from left to right literals before variables, a method before ANY.
func TestRestRouteOrder(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	users := h.resource(h.root, "users")
	id := h.resource(users, "{id}")
	greedy := h.resource(h.resource(users, "me"), "{rest+}")
	root := h.resource(h.root, "{proxy+}")
	for _, m := range [][2]string{{h.root, "GET"}, {root, "ANY"}, {id, "ANY"}, {id, "GET"}, {greedy, "ANY"}, {users, "POST"}} {
		h.proxy(m[0], m[1])
	}
	me := h.resource(id, "x")
	h.proxy(me, "GET")
	h.deploy("s")
	same(t, "order", keys(h.compiled("s")), []string{
		"GET /", "POST /users", "ANY /users/me/{rest+}", "GET /users/{id}", "ANY /users/{id}", "GET /users/{id}/x", "ANY /{proxy+}",
	})
}

// What methods and their parts refuse.
func TestRestMethods(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	pets := h.resource(h.root, "pets")
	put := func(change func(in *apigateway.PutMethodInput)) error {
		in := &apigateway.PutMethodInput{RestApiId: &h.id, ResourceId: &pets, HttpMethod: aws.String("GET"), AuthorizationType: aws.String("NONE")}
		change(in)
		_, err := h.PutMethod(h.ctx, in)
		return err
	}
	for what, c := range map[string]struct {
		change     func(in *apigateway.PutMethodInput)
		code, text string
	}{
		"resource":      {func(in *apigateway.PutMethodInput) { in.ResourceId = aws.String("none") }, "NotFoundException", "Invalid Resource identifier specified"},
		"method":        {func(in *apigateway.PutMethodInput) { in.HttpMethod = aws.String("FETCH") }, "BadRequestException", "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY"},
		"no authorizer": {func(in *apigateway.PutMethodInput) { in.AuthorizationType = aws.String("CUSTOM") }, "BadRequestException", "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer."},
		"IAM":           {func(in *apigateway.PutMethodInput) { in.AuthorizationType = aws.String("AWS_IAM") }, "BadRequestException", "authorizationType AWS_IAM is not built"},
		"Cognito":       {func(in *apigateway.PutMethodInput) { in.AuthorizationType = aws.String("COGNITO_USER_POOLS") }, "BadRequestException", "is not built"},
		"no such type":  {func(in *apigateway.PutMethodInput) { in.AuthorizationType = aws.String("none") }, "BadRequestException", "Invalid authorization type"},
		"API key":       {func(in *apigateway.PutMethodInput) { in.ApiKeyRequired = true }, "BadRequestException", "apiKeyRequired is not built"},
		"validator":     {func(in *apigateway.PutMethodInput) { in.RequestValidatorId = aws.String("x") }, "BadRequestException", "requestValidatorId is not built"},
		"model":         {func(in *apigateway.PutMethodInput) { in.RequestModels = map[string]string{"application/json": "Pet"} }, "BadRequestException", "Invalid model identifier specified: Pet"},
		"parameter": {func(in *apigateway.PutMethodInput) {
			in.RequestParameters = map[string]bool{"method.request.body.x": true}
		}, "BadRequestException", "Invalid mapping expression specified"},
		"name twice": {func(in *apigateway.PutMethodInput) {
			in.RequestParameters = map[string]bool{"method.request.header.x": true, "method.request.path.x": true}
		}, "BadRequestException", "Parameter names must be unique across querystring, header and path"},
	} {
		wantCoded(t, what, put(c.change), c.code, c.text)
	}
	if err := put(func(in *apigateway.PutMethodInput) {
		in.RequestParameters = map[string]bool{"method.request.path.id": true, "method.request.header.X-A": false, "method.request.querystring.q": false}
	}); err != nil {
		t.Fatal(err)
	}
	wantCoded(t, "twice", put(func(*apigateway.PutMethodInput) {}), "ConflictException", "Method already exists for this resource")
	update := func(operations []rest.PatchOperation) error {
		_, err := h.UpdateMethod(h.ctx, &apigateway.UpdateMethodInput{RestApiId: &h.id, ResourceId: &pets, HttpMethod: aws.String("GET"), PatchOperations: operations})
		return err
	}
	wantCoded(t, "no authorizer", update(patches("replace", "/authorizationType", "CUSTOM")), "BadRequestException", "Invalid authorizer ID specified")
	wantCoded(t, "API key", update(patches("replace", "/apiKeyRequired", "true")), "BadRequestException", "is not built")
	wantCoded(t, "path", update(patches("replace", "/httpMethod", "PUT")), "BadRequestException", "Invalid patch path  '/httpMethod'")
	if err := update(patches("add", "/requestParameters/method.request.header.X-B", "true", "replace", "/apiKeyRequired", "false", "remove", "/requestParameters/method.request.path.id", "", "replace", "/operationName", "getPets")); err != nil {
		t.Error(err)
	}
	got := must(h.GetMethod(h.ctx, &apigateway.GetMethodInput{RestApiId: &h.id, ResourceId: &pets, HttpMethod: aws.String("GET")}))(t)
	same(t, "method", fmt.Sprint(*got.OperationName, got.RequestParameters), "getPetsmap[method.request.header.X-A:false method.request.header.X-B:true method.request.querystring.q:false]")

	integrate := func(in *apigateway.PutIntegrationInput) error { _, err := h.integrate(pets, "GET", in); return err }
	proxy := func(change func(in *apigateway.PutIntegrationInput)) error {
		in := &apigateway.PutIntegrationInput{Type: rest.IntegrationTypeHttpProxy, IntegrationHttpMethod: aws.String("ANY"), Uri: aws.String(backendURI)}
		change(in)
		return integrate(in)
	}
	parameter := func(key, value string) func(in *apigateway.PutIntegrationInput) {
		return func(in *apigateway.PutIntegrationInput) { in.RequestParameters = map[string]string{key: value} }
	}
	for what, c := range map[string]struct {
		err  error
		text string
	}{
		"AWS":               {integrate(&apigateway.PutIntegrationInput{Type: rest.IntegrationTypeAws, Uri: aws.String(functionURI)}), "integration type AWS is not built"},
		"HTTP":              {proxy(func(in *apigateway.PutIntegrationInput) { in.Type = rest.IntegrationTypeHttp }), "integration type HTTP is not built"},
		"no method":         {proxy(func(in *apigateway.PutIntegrationInput) { in.IntegrationHttpMethod = nil }), "Enumeration value for HttpMethod must be non-empty"},
		"method":            {proxy(func(in *apigateway.PutIntegrationInput) { in.IntegrationHttpMethod = aws.String("FETCH") }), "Invalid HTTP method specified"},
		"function":          {proxy(func(in *apigateway.PutIntegrationInput) { in.Type, in.Uri = "AWS_PROXY", aws.String(lambda) }), "AWS ARN for integration must contain path or action"},
		"no function":       {proxy(func(in *apigateway.PutIntegrationInput) { in.Type = "AWS_PROXY" }), "AWS ARN for integration must contain path or action"},
		"backend":           {proxy(func(in *apigateway.PutIntegrationInput) { in.Uri = aws.String("ftp://x") }), "Invalid HTTP endpoint"},
		"variable":          {proxy(func(in *apigateway.PutIntegrationInput) { in.Uri = aws.String(backendURI + "{id}") }), "nothing stands for {id}"},
		"timeout":           {proxy(func(in *apigateway.PutIntegrationInput) { in.TimeoutInMillis = aws.Int32(29001) }), "Timeout should be between 50 ms and 29000 ms"},
		"VPC link":          {proxy(func(in *apigateway.PutIntegrationInput) { in.ConnectionType = rest.ConnectionTypeVpcLink }), "VPC_LINK is not built"},
		"credentials":       {proxy(func(in *apigateway.PutIntegrationInput) { in.Credentials = aws.String("x") }), "credentials is not built"},
		"binary":            {proxy(func(in *apigateway.PutIntegrationInput) { in.ContentHandling = "CONVERT_TO_BINARY" }), "contentHandling CONVERT_TO_BINARY is not built"},
		"passthrough":       {proxy(func(in *apigateway.PutIntegrationInput) { in.PassthroughBehavior = aws.String("x") }), "Invalid passthroughBehavior"},
		"streaming":         {proxy(func(in *apigateway.PutIntegrationInput) { in.ResponseTransferMode = "STREAM" }), "responseTransferMode STREAM is not built"},
		"key":               {proxy(parameter("integration.request.body", "'x'")), "Invalid mapping expression specified: integration.request.body"},
		"not declared":      {proxy(parameter("integration.request.header.x", "method.request.header.none")), "Invalid mapping expression parameter specified: method.request.header.none"},
		"nonsense":          {proxy(parameter("integration.request.header.x", "true")), "errors : [Invalid mapping expression specified: true]"},
		"body":              {proxy(parameter("integration.request.header.x", "method.request.body.a")), "the mapping expression method.request.body.a is not built"},
		"context":           {proxy(parameter("integration.request.header.x", "context.wafResponseCode")), "the context variable wafResponseCode is not built"},
		"host":              {proxy(parameter("integration.request.header.Host", "'x'")), "the gateway sets this header itself"},
		"trace":             {proxy(parameter("integration.request.header.X-Amzn-Trace-Id", "'x'")), "the gateway sets this header itself"},
		"two lines":         {proxy(parameter("integration.request.header.x", "'a\nb: c'")), "Invalid mapping expression"},
		"template":          {integrate(&apigateway.PutIntegrationInput{Type: rest.IntegrationTypeMock, RequestTemplates: map[string]string{"application/json": `{"statusCode": $input.params('x')}`}}), "a mapping template that is evaluated"},
		"another directive": {integrate(&apigateway.PutIntegrationInput{Type: rest.IntegrationTypeMock, RequestTemplates: map[string]string{"application/json": "#set($x = 1){}"}}), "a mapping template that is evaluated"},
		"content type":      {integrate(&apigateway.PutIntegrationInput{Type: rest.IntegrationTypeMock, RequestTemplates: map[string]string{"123": "{}"}}), "Invalid content type specified: 123"},
	} {
		wantCoded(t, what, c.err, "BadRequestException", c.text)
	}
	_, err := h.GetIntegration(h.ctx, &apigateway.GetIntegrationInput{RestApiId: &h.id, ResourceId: &pets, HttpMethod: aws.String("GET")})
	wantCoded(t, "none so far", err, "NotFoundException", "Invalid Integration identifier specified")
	if err := integrate(&apigateway.PutIntegrationInput{Type: rest.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: aws.String(strings.Replace(functionURI, "path/", "path//", 1)), ContentHandling: "CONVERT_TO_TEXT",
		RequestTemplates: map[string]string{"application/json": "$input.body"}, RequestParameters: map[string]string{"integration.request.header.x": "method.request.header.x-a"}}); err != nil {
		t.Error(err) // proxies do not look at templates
	}
	_, err = h.UpdateIntegration(h.ctx, &apigateway.UpdateIntegrationInput{RestApiId: &h.id, ResourceId: &pets, HttpMethod: aws.String("GET"), PatchOperations: patches("replace", "/timeoutInMillis", "x")})
	wantCoded(t, "timeout", err, "BadRequestException", "is not a whole number")
	changed := must(h.UpdateIntegration(h.ctx, &apigateway.UpdateIntegrationInput{RestApiId: &h.id, ResourceId: &pets, HttpMethod: aws.String("GET"), PatchOperations: patches("replace", "/timeoutInMillis", "50",
		"add", "/cacheKeyParameters/method.request.path.id", "", "remove", "/requestTemplates/application~1json", "", "replace", "/connectionType", "INTERNET")}))(t)
	same(t, "integration", fmt.Sprint(changed.TimeoutInMillis, changed.CacheKeyParameters, changed.RequestTemplates), "50 [method.request.path.id] map[]")
}

// MOCK integrations: which response a status chooses, and what is refused.
func TestRestMock(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	for n, c := range []struct {
		template  string
		responses []*apigateway.PutIntegrationResponseInput
		want      string
	}{
		{`{"statusCode": 200}`, []*apigateway.PutIntegrationResponseInput{{StatusCode: aws.String("200")}}, "200"},
		{"{\n  \"statusCode\" : 200\n}\n", []*apigateway.PutIntegrationResponseInput{{StatusCode: aws.String("200"), SelectionPattern: aws.String("")}}, "200"},
		{"{ statusCode: 204 }", []*apigateway.PutIntegrationResponseInput{{StatusCode: aws.String("204")}}, "204"},
		{`{"a": 1, 'statusCode': '404'}`, []*apigateway.PutIntegrationResponseInput{{StatusCode: aws.String("200")}, {StatusCode: aws.String("404"), SelectionPattern: aws.String("4\\d\\d")}}, "404"},
		{`{"statusCode": 500}`, []*apigateway.PutIntegrationResponseInput{{StatusCode: aws.String("200")}, {StatusCode: aws.String("404"), SelectionPattern: aws.String("4\\d\\d")}}, "200"},
		{`{"statusCode": 500}`, []*apigateway.PutIntegrationResponseInput{{StatusCode: aws.String("404"), SelectionPattern: aws.String("50")}}, "0"},
		{`{}`, []*apigateway.PutIntegrationResponseInput{{StatusCode: aws.String("200")}}, "0"},
		{`{"statusCode": 200}`, []*apigateway.PutIntegrationResponseInput{{StatusCode: aws.String("201")}}, "0"}, // the method does not declare it
		{`{"statusCode": 200}`, nil, "0"},
	} {
		r := h.resource(h.root, fmt.Sprint("r", n))
		h.method(r, "OPTIONS")
		for _, status := range []string{"200", "204", "404"} {
			must(h.PutMethodResponse(h.ctx, &apigateway.PutMethodResponseInput{RestApiId: &h.id, ResourceId: &r, HttpMethod: aws.String("OPTIONS"), StatusCode: &status}))(t)
		}
		must(h.integrate(r, "OPTIONS", &apigateway.PutIntegrationInput{Type: rest.IntegrationTypeMock, RequestTemplates: map[string]string{"application/json": c.template}}))(t)
		for _, in := range c.responses {
			in.RestApiId, in.ResourceId, in.HttpMethod = &h.id, &r, aws.String("OPTIONS")
			must(h.PutIntegrationResponse(h.ctx, in))(t)
		}
		h.deploy("s")
		for _, route := range h.compiled("s").Routes {
			if route.ResourceID == r {
				same(t, c.template, fmt.Sprint(route.Integration.Answers["application/json"].Status), c.want)
			}
		}
	}

	r := h.resource(h.root, "cors")
	options := aws.String("OPTIONS")
	h.method(r, "OPTIONS")
	declare := func(status string, parameters ...string) {
		t.Helper()
		in := &apigateway.PutMethodResponseInput{RestApiId: &h.id, ResourceId: &r, HttpMethod: options, StatusCode: &status, ResponseParameters: map[string]bool{}}
		for _, p := range parameters {
			in.ResponseParameters["method.response.header."+p] = false
		}
		must(h.PutMethodResponse(h.ctx, in))(t)
	}
	declare("200", "X-A")
	_, err := h.PutMethodResponse(h.ctx, &apigateway.PutMethodResponseInput{RestApiId: &h.id, ResourceId: &r, HttpMethod: options, StatusCode: aws.String("200")})
	wantCoded(t, "declared twice", err, "ConflictException", "Response already exists")
	respond := func(change func(in *apigateway.PutIntegrationResponseInput)) error {
		in := &apigateway.PutIntegrationResponseInput{RestApiId: &h.id, ResourceId: &r, HttpMethod: options, StatusCode: aws.String("200")}
		change(in)
		_, err := h.PutIntegrationResponse(h.ctx, in)
		return err
	}
	wantCoded(t, "no integration", respond(func(*apigateway.PutIntegrationResponseInput) {}), "NotFoundException", "Invalid Integration identifier specified")
	must(h.integrate(r, "OPTIONS", &apigateway.PutIntegrationInput{Type: rest.IntegrationTypeMock, PassthroughBehavior: aws.String("NEVER"), RequestTemplates: map[string]string{"application/json": `{"statusCode":200}`}}))(t)
	parameter := func(key, value string) func(in *apigateway.PutIntegrationResponseInput) {
		return func(in *apigateway.PutIntegrationResponseInput) {
			in.ResponseParameters = map[string]string{key: value}
		}
	}
	for what, c := range map[string]struct {
		change     func(in *apigateway.PutIntegrationResponseInput)
		code, text string
	}{
		"not declared": {parameter("method.response.header.X-B", "'b'"), "BadRequestException", "Invalid mapping expression parameter specified: method.response.header.X-B"},
		"key":          {parameter("method.response.body", "'b'"), "BadRequestException", "Invalid mapping expression specified: method.response.body"},
		"no literal":   {parameter("method.response.header.X-A", "context.requestId"), "BadRequestException", "is not built"},
		"template": {func(in *apigateway.PutIntegrationResponseInput) {
			in.ResponseTemplates = map[string]string{"application/json": "$context.requestId"}
		}, "BadRequestException", "a mapping template that is evaluated"},
		"pattern": {func(in *apigateway.PutIntegrationResponseInput) { in.SelectionPattern = aws.String("(?=x)") }, "BadRequestException", "Invalid selectionPattern"},
		"unknown status": {func(in *apigateway.PutIntegrationResponseInput) {
			in.StatusCode, in.ResponseParameters = aws.String("500"), map[string]string{"method.response.header.X-A": "'x'"}
		}, "NotFoundException", "Invalid Response status code specified"},
		"binary": {func(in *apigateway.PutIntegrationResponseInput) { in.ContentHandling = "CONVERT_TO_BINARY" }, "BadRequestException", "is not built"},
	} {
		wantCoded(t, what, respond(c.change), c.code, c.text)
	}
	if err := respond(func(in *apigateway.PutIntegrationResponseInput) {
		in.ResponseParameters, in.ResponseTemplates = map[string]string{"method.response.header.x-a": "'it''s'"}, map[string]string{"application/json": `{"price": "5$", "color": "#fff"}`}
	}); err != nil {
		t.Fatal(err)
	}
	h.deploy("s")
	for _, route := range h.compiled("s").Routes {
		if route.ResourceID == r {
			same(t, "answer", *route.Integration.Answers["application/json"], snapshot.MockAnswer{Status: 200, Header: map[string]string{"x-a": "it''s"}, Bodies: map[string]string{"application/json": `{"price": "5$", "color": "#fff"}`}})
			same(t, "strict", route.Integration.Strict, true)
		}
	}
}

// Deployments are what they were made of; stages move between them.
func TestRestStages(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	_, err := h.CreateDeployment(h.ctx, &apigateway.CreateDeploymentInput{RestApiId: &h.id})
	wantCoded(t, "nothing", err, "BadRequestException", "The REST API doesn't contain any methods")
	h.method(h.root, "GET")
	_, err = h.CreateDeployment(h.ctx, &apigateway.CreateDeploymentInput{RestApiId: &h.id})
	wantCoded(t, "no integration", err, "BadRequestException", "No integration defined for method")
	must(h.integrate(h.root, "GET", &apigateway.PutIntegrationInput{Type: rest.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("GET"), Uri: aws.String(functionURI)}))(t)
	first := h.deploy("live")
	if why := h.compiled("live").Routes[0].Unavailable; !strings.Contains(why, "POST") {
		t.Errorf("AWS_PROXY by GET: %q", why)
	}
	h.proxy(h.resource(h.root, "x"), "ANY")
	same(t, "not deployed", keys(h.compiled("live")), []string{"GET /"})
	second := *must(h.CreateDeployment(h.ctx, &apigateway.CreateDeploymentInput{RestApiId: &h.id}))(t).Id
	same(t, "not on the stage", keys(h.compiled("live")), []string{"GET /"})
	update := func(operations []rest.PatchOperation) (*apigateway.UpdateStageOutput, error) {
		return h.UpdateStage(h.ctx, &apigateway.UpdateStageInput{RestApiId: &h.id, StageName: aws.String("live"), PatchOperations: operations})
	}
	after := must(update(patches("replace", "/deploymentId", second, "replace", "/variables/color", "red", "replace", "/description", "d", "replace", "/tracingEnabled", "false", "replace", "/*/*/logging/loglevel", "OFF")))(t)
	same(t, "stage", fmt.Sprint(*after.DeploymentId == second, after.Variables, *after.Description), "true map[color:red]d")
	same(t, "now deployed", keys(h.compiled("live")), []string{"GET /", "ANY /x"})
	for what, c := range map[string]struct {
		operations []rest.PatchOperation
		code, text string
	}{
		"deployment": {patches("replace", "/deploymentId", "none"), "NotFoundException", "Invalid Deployment identifier specified"},
		"logs":       {patches("replace", "/accessLogSettings/format", "x"), "BadRequestException", "accessLogSettings is not built"},
		"tracing":    {patches("replace", "/tracingEnabled", "true"), "BadRequestException", "tracingEnabled is not built"},
		"cache":      {patches("replace", "/*/*/caching/enabled", "true"), "BadRequestException", "caching/enabled is not built"},
		"log level":  {patches("replace", "/*/*/logging/loglevel", "INFO"), "BadRequestException", "logging/loglevel is not built"},
		"metrics":    {patches("replace", "/x/GET/metrics/enabled", "true"), "BadRequestException", "metrics/enabled is not built"},
		"variable":   {patches("replace", "/variables/a.b", "x"), "BadRequestException", "Invalid stage variable"},
		"path":       {patches("replace", "/documentation_version", "x"), "BadRequestException", "Must be one of: [/deploymentId, /description"},
		"tags":       {patches("replace", "/tags/tag1", "x"), "BadRequestException", "Invalid patch path  '/tags/tag1'"},
		"rate":       {patches("replace", "/*/*/throttling/rateLimit", "-2"), "BadRequestException", "Invalid value"},
		"no number":  {patches("replace", "/*/*/throttling/rateLimit", "NaN"), "BadRequestException", "Invalid value"},
		"burst":      {patches("replace", "/*/*/throttling/burstLimit", "-2"), "BadRequestException", "cannot be negative"},
		"method":     {patches("replace", "/x/FETCH/throttling/burstLimit", "1"), "BadRequestException", "Invalid method setting path"},
		"operation":  {patches("add", "/*/*/throttling/burstLimit", "1"), "BadRequestException", "Invalid patch operation specified"},
	} {
		_, err := update(c.operations)
		wantCoded(t, what, err, c.code, c.text)
	}

	throttles := func() string {
		t.Helper()
		var all []string
		for _, r := range h.compiled("live").Routes {
			text := r.Key + " none"
			if r.Throttle != nil {
				text = fmt.Sprint(r.Key, " ", *r.Throttle)
			}
			all = append(all, text)
		}
		return strings.Join(all, ", ")
	}
	must(update(patches("replace", "/*/*/throttling/rateLimit", "7.5", "replace", "/~1x/ANY/throttling/burstLimit", "3", "replace", "/~1/GET/throttling/rateLimit", "1")))(t)
	same(t, "throttles", throttles(), "GET / {1 5000}, ANY /x {7.5 3}")
	shown := must(h.GetStage(h.ctx, &apigateway.GetStageInput{RestApiId: &h.id, StageName: aws.String("live")}))(t).MethodSettings
	same(t, "settings", fmt.Sprint(len(shown), shown["*/*"].ThrottlingRateLimit, shown["*/*"].ThrottlingBurstLimit, shown["~1x/ANY"].ThrottlingBurstLimit, *shown["*/*"].LoggingLevel), "3 7.5 5000 3OFF")
	must(update([]rest.PatchOperation{{Op: rest.OpRemove, Path: aws.String("/~1x/ANY")}, {Op: rest.OpRemove, Path: aws.String("/*/*/throttling/rateLimit")}}))(t)
	same(t, "throttles after", throttles(), "GET / {1 5000}, ANY /x none")

	_, err = h.CreateStage(h.ctx, &apigateway.CreateStageInput{RestApiId: &h.id, StageName: aws.String("live"), DeploymentId: &first})
	wantCoded(t, "twice", err, "ConflictException", "Stage already exists")
	_, err = h.CreateStage(h.ctx, &apigateway.CreateStageInput{RestApiId: &h.id, StageName: aws.String("a b"), DeploymentId: &first})
	wantCoded(t, "name", err, "BadRequestException", "Stage name only allows")
	_, err = h.CreateStage(h.ctx, &apigateway.CreateStageInput{RestApiId: &h.id, StageName: aws.String("x"), DeploymentId: aws.String("none")})
	wantCoded(t, "deployment", err, "NotFoundException", "Invalid Deployment identifier specified")
	_, err = h.DeleteDeployment(h.ctx, &apigateway.DeleteDeploymentInput{RestApiId: &h.id, DeploymentId: &second})
	wantCoded(t, "in use", err, "BadRequestException", "Active stages pointing to this deployment must be moved or deleted")
	must(h.DeleteDeployment(h.ctx, &apigateway.DeleteDeploymentInput{RestApiId: &h.id, DeploymentId: &first}))(t)
	for n := len([]string{"live"}); n < maxStages; n++ {
		must(h.CreateStage(h.ctx, &apigateway.CreateStageInput{RestApiId: &h.id, StageName: aws.String(fmt.Sprint("s", n)), DeploymentId: &second}))(t)
	}
	_, err = h.CreateStage(h.ctx, &apigateway.CreateStageInput{RestApiId: &h.id, StageName: aws.String("more"), DeploymentId: &second})
	wantCoded(t, "quota", err, "LimitExceededException", "stages")
	same(t, "of the deployment", len(must(h.GetStages(h.ctx, &apigateway.GetStagesInput{RestApiId: &h.id, DeploymentId: &second}))(t).Item), maxStages)

	must(h.DeleteRestApi(h.ctx, &apigateway.DeleteRestApiInput{RestApiId: &h.id}))(t)
	for _, kind := range []string{KindREST, kindRESTDeployment} {
		if left := must(h.f.store.List(h.ctx, kind, "", "", 0))(t); len(left) > 0 {
			t.Errorf("%d records of kind %s are left", len(left), kind)
		}
	}
}

func TestRestAuthorizers(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	create := func(change func(in *apigateway.CreateAuthorizerInput)) (*apigateway.CreateAuthorizerOutput, error) {
		in := &apigateway.CreateAuthorizerInput{RestApiId: &h.id, Name: aws.String("z"), Type: rest.AuthorizerTypeToken, AuthorizerUri: aws.String(functionURI), IdentitySource: aws.String("method.request.header.Authorization")}
		change(in)
		return h.CreateAuthorizer(h.ctx, in)
	}
	for what, c := range map[string]struct {
		change func(in *apigateway.CreateAuthorizerInput)
		text   string
	}{
		"Cognito":     {func(in *apigateway.CreateAuthorizerInput) { in.Type = rest.AuthorizerTypeCognitoUserPools }, "authorizer type COGNITO_USER_POOLS is not built"},
		"credentials": {func(in *apigateway.CreateAuthorizerInput) { in.AuthorizerCredentials = aws.String("x") }, "authorizerCredentials is not built"},
		"URI":         {func(in *apigateway.CreateAuthorizerInput) { in.AuthorizerUri = aws.String(lambda) }, "Invalid Authorizer URI"},
		"two sources": {func(in *apigateway.CreateAuthorizerInput) {
			in.IdentitySource = aws.String("method.request.header.A, method.request.header.B")
		}, "exactly one identity source"},
		"query": {func(in *apigateway.CreateAuthorizerInput) {
			in.IdentitySource = aws.String("method.request.querystring.a")
		}, "exactly one identity source"},
		"literal":    {func(in *apigateway.CreateAuthorizerInput) { in.IdentitySource = aws.String("'x'") }, "Invalid identity source"},
		"path":       {func(in *apigateway.CreateAuthorizerInput) { in.IdentitySource = aws.String("method.request.path.x") }, "Invalid identity source"},
		"its own":    {func(in *apigateway.CreateAuthorizerInput) { in.IdentitySource = aws.String("context.authorizer.x") }, "Invalid identity source"},
		"expression": {func(in *apigateway.CreateAuthorizerInput) { in.IdentityValidationExpression = aws.String("(?<=x)") }, "Invalid identityValidationExpression"},
		"TTL":        {func(in *apigateway.CreateAuthorizerInput) { in.AuthorizerResultTtlInSeconds = aws.Int32(3601) }, "should be between 0 and 3600"},
		"no source": {func(in *apigateway.CreateAuthorizerInput) {
			in.Type, in.IdentitySource = rest.AuthorizerTypeRequest, nil
		}, "Identity source is required"},
		"of REQUEST": {func(in *apigateway.CreateAuthorizerInput) {
			in.Type, in.IdentityValidationExpression = rest.AuthorizerTypeRequest, aws.String("x")
		}, "for authorizers of type TOKEN only"},
		"long name": {func(in *apigateway.CreateAuthorizerInput) { in.Name = aws.String(strings.Repeat("x", 129)) }, "1 to 128"},
		"many sources": {func(in *apigateway.CreateAuthorizerInput) {
			in.IdentitySource = aws.String(strings.Repeat("context.path,", 11))
		}, "Too many identity sources"},
	} {
		_, err := create(c.change)
		wantCoded(t, what, err, "BadRequestException", c.text)
	}
	made := must(create(func(in *apigateway.CreateAuthorizerInput) { in.IdentityValidationExpression = aws.String("^x") }))(t)
	same(t, "made", fmt.Sprint(*made.AuthorizerResultTtlInSeconds, *made.AuthType), "300custom")
	_, err := create(func(*apigateway.CreateAuthorizerInput) {})
	wantCoded(t, "name", err, "ConflictException", "Authorizer name must be unique")
	update := func(operations []rest.PatchOperation) error {
		_, err := h.UpdateAuthorizer(h.ctx, &apigateway.UpdateAuthorizerInput{RestApiId: &h.id, AuthorizerId: made.Id, PatchOperations: operations})
		return err
	}
	wantCoded(t, "validation stays", update(patches("replace", "/type", "REQUEST")), "BadRequestException", "for authorizers of type TOKEN only")
	if err := update(patches("replace", "/type", "REQUEST", "replace", "/identityValidationExpression", "", "replace", "/identitySource", "stageVariables.a, context.identity.sourceIp", "replace", "/authorizerResultTtlInSeconds", "60")); err != nil {
		t.Error(err)
	}
	h.proxy(h.root, "GET")
	must(h.UpdateMethod(h.ctx, &apigateway.UpdateMethodInput{RestApiId: &h.id, ResourceId: &h.root, HttpMethod: aws.String("GET"), PatchOperations: patches("replace", "/authorizationType", "CUSTOM", "replace", "/authorizerId", *made.Id)}))(t)
	h.deploy("s")
	_, err = h.DeleteAuthorizer(h.ctx, &apigateway.DeleteAuthorizerInput{RestApiId: &h.id, AuthorizerId: made.Id})
	wantCoded(t, "in use", err, "ConflictException", "//GET")
	z := h.compiled("s").Routes[0].Authorizer
	same(t, "compiled", fmt.Sprint(z.Type, z.Sources, z.TTL, z.Function), "REQUEST[{stageVariables a} {context identity.sourceIp}] 1m0s"+lambda)
	before := h.compiled("s").AuthorizerEpoch
	must(h.FlushStageAuthorizersCache(h.ctx, &apigateway.FlushStageAuthorizersCacheInput{RestApiId: &h.id, StageName: aws.String("s")}))(t)
	same(t, "epoch", h.compiled("s").AuthorizerEpoch, before+1)
}

// A resource policy has whole ARNs when it is shown and when it is deployed.
func TestRestPolicy(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	h.proxy(h.root, "GET")
	set := func(text string) error {
		_, err := h.UpdateRestApi(h.ctx, &apigateway.UpdateRestApiInput{RestApiId: &h.id, PatchOperations: patches("replace", "/policy", text)})
		return err
	}
	for _, bad := range []string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*"}]}`, // no principal
		`{"Version":"2012-10-17","Statement":[]}`, `[]`, `{"Version":"2012-10-17","Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}`,
	} {
		wantCoded(t, bad, set(bad), "BadRequestException", "Invalid policy document")
	}
	if err := set(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":["execute-api:/*","*"],"Condition":{"NumericLessThan":{"aws:EpochTime":12345678901234567890}}},
		{"Effect":"Deny","Principal":"*","Action":"execute-api:Invoke","NotResource":"execute-api:/s/GET/a"}]}`); err != nil {
		t.Fatal(err)
	}
	got := *must(h.GetRestApi(h.ctx, &apigateway.GetRestApiInput{RestApiId: &h.id}))(t).Policy
	whole := "arn:aws:execute-api:eu-west-1:" + account + ":" + h.id + "/"
	for _, want := range []string{`"Resource":["` + whole + `*","*"]`, `"NotResource":"` + whole + `s/GET/a"`, "12345678901234567890"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	h.deploy("s")
	d, err := policy.Parse(h.compiled("s").Policy, policy.Resource)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "decision", d.Evaluate(policy.Request{Action: "execute-api:Invoke", Resource: whole + "s/GET/b"}).Decision, policy.Deny)
	if err := set(""); err != nil {
		t.Fatal(err)
	}
	if h.compiled("s").Policy == nil {
		t.Error("the policy is gone before a deployment")
	}
	h.deploy("s")
	if p := h.compiled("s").Policy; p != nil {
		t.Errorf("after the deployment there is %s", p)
	}
}

// Domain names and mappings are the same in v1 and v2.
func TestRestDomains(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	h.proxy(h.root, "GET")
	h.deploy("s")
	name := aws.String("API.example.com")
	create := func(change func(in *apigateway.CreateDomainNameInput)) (*apigateway.CreateDomainNameOutput, error) {
		in := &apigateway.CreateDomainNameInput{DomainName: name, RegionalCertificateArn: aws.String(issued)}
		change(in)
		return h.CreateDomainName(h.ctx, in)
	}
	trust := &rest.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://trust/roots.pem")}
	kind := func(t rest.EndpointType) *rest.EndpointConfiguration {
		return &rest.EndpointConfiguration{Types: []rest.EndpointType{t}}
	}
	for what, c := range map[string]struct {
		change func(in *apigateway.CreateDomainNameInput)
		text   string
	}{
		"edge with mutual TLS": {func(in *apigateway.CreateDomainNameInput) {
			in.EndpointConfiguration, in.MutualTlsAuthentication = kind("EDGE"), trust
		}, "Mutual TLS is supported for REGIONAL domain names only, not for EDGE"},
		"edge": {func(in *apigateway.CreateDomainNameInput) {
			in.RegionalCertificateArn, in.CertificateArn = nil, aws.String(issued)
		}, "EDGE is not built"},
		"private": {func(in *apigateway.CreateDomainNameInput) { in.EndpointConfiguration = kind("PRIVATE") }, "PRIVATE is not built"},
		"no certificate": {func(in *apigateway.CreateDomainNameInput) {
			in.EndpointConfiguration, in.RegionalCertificateArn = kind("REGIONAL"), nil
		}, "regionalCertificateArn is required"},
		"both certificates": {func(in *apigateway.CreateDomainNameInput) {
			in.EndpointConfiguration, in.CertificateArn = kind("REGIONAL"), aws.String(issued)
		}, "certificateArn is for the endpoint type EDGE"},
		"TLS 1.0":     {func(in *apigateway.CreateDomainNameInput) { in.SecurityPolicy = rest.SecurityPolicyTls10 }, "the minimum is TLS_1_2"},
		"enhanced":    {func(in *apigateway.CreateDomainNameInput) { in.SecurityPolicy = "SecurityPolicy_TLS13_1_3_2025_09" }, "the minimum is TLS_1_2"},
		"routing":     {func(in *apigateway.CreateDomainNameInput) { in.RoutingMode = rest.RoutingModeRoutingRuleOnly }, "routingMode"},
		"private key": {func(in *apigateway.CreateDomainNameInput) { in.CertificatePrivateKey = aws.String("x") }, "import the certificate into ACM"},
		"private certificate": {func(in *apigateway.CreateDomainNameInput) {
			in.RegionalCertificateArn, in.MutualTlsAuthentication = aws.String(private), trust
		}, "Missing ownershipVerificationCertificate."},
		"version alone": {func(in *apigateway.CreateDomainNameInput) {
			in.MutualTlsAuthentication = &rest.MutualTlsAuthenticationInput{TruststoreVersion: aws.String("v1")}
		}, "truststoreVersion needs a truststoreUri"},
	} {
		_, err := create(c.change)
		wantCoded(t, what, err, "BadRequestException", c.text)
	}
	made := must(create(func(in *apigateway.CreateDomainNameInput) {
		in.MutualTlsAuthentication, in.Tags = trust, map[string]string{"a": "b"}
	}))(t)
	same(t, "made", fmt.Sprint(*made.DomainName, *made.RegionalHostedZoneId, made.EndpointConfiguration.Types, *made.MutualTlsAuthentication.TruststoreUri, made.Tags), "api.example.comZLY8HYME6SFDD[REGIONAL]s3://trust/roots.pemmap[a:b]")
	same(t, "in v2", must(h.f.GetDomainName(h.ctx, &apigatewayv2.GetDomainNameInput{DomainName: name}))(t).MutualTlsAuthentication.TruststoreUri, aws.String("s3://trust/roots.pem"))
	_, err := create(func(*apigateway.CreateDomainNameInput) {})
	wantCoded(t, "twice", err, "ConflictException", "already exists")
	update := func(operations []rest.PatchOperation) (*apigateway.UpdateDomainNameOutput, error) {
		return h.UpdateDomainName(h.ctx, &apigateway.UpdateDomainNameInput{DomainName: name, PatchOperations: operations})
	}
	_, second := certificate(t, "Root Two")
	h.f.bucket["trust/roots.pem"] = append(h.f.bucket["trust/roots.pem"], second)
	same(t, "version", *must(update(patches("replace", "/mutualTlsAuthentication/truststoreVersion", "v2")))(t).MutualTlsAuthentication.TruststoreVersion, "v2")
	for what, c := range map[string]struct {
		operations []rest.PatchOperation
		text       string
	}{
		"access mode": {patches("replace", "/endpointAccessMode", "BASIC"), "endpointAccessMode"},
		"edge":        {patches("replace", "/endpointConfiguration/types/REGIONAL", "EDGE"), "REGIONAL"},
		"TLS":         {patches("replace", "/securityPolicy", "TLS_1_0"), "the minimum is TLS_1_2"},
		"path":        {patches("replace", "/domainName", "x"), "Invalid patch path  '/domainName'"},
		"certificate": {patches("replace", "/regionalCertificateArn", pending), "must be issued"},
		"address":     {patches("replace", "/endpointConfiguration/ipAddressType", "x"), "Invalid ipAddressType"},
	} {
		_, err := update(c.operations)
		wantCoded(t, what, err, "BadRequestException", c.text)
	}
	if after := must(update(patches("replace", "/mutualTlsAuthentication/truststoreUri", "", "replace", "/securityPolicy", "TLS_1_2")))(t); after.MutualTlsAuthentication != nil {
		t.Errorf("mutual TLS is still on: %+v", after.MutualTlsAuthentication)
	}

	mapTo := func(api, stage, path string) error {
		in := &apigateway.CreateBasePathMappingInput{DomainName: name, RestApiId: &api}
		if stage != "" {
			in.Stage = &stage
		}
		if path != "" {
			in.BasePath = &path
		}
		_, err := h.CreateBasePathMapping(h.ctx, in)
		return err
	}
	other := h.f.api(t, h.ctx)
	wantCoded(t, "HTTP API", mapTo(other, "$default", "x"), "BadRequestException", "Invalid API identifier specified")
	wantCoded(t, "stage", mapTo(h.id, "none", "x"), "BadRequestException", "Invalid stage identifier specified")
	wantCoded(t, "deep", mapTo(h.id, "s", "a/b"), "BadRequestException", "doesn't support the slash character")
	wantCoded(t, "letters", mapTo(h.id, "s", "ä"), "BadRequestException", "doesn't support the base path")
	for _, path := range []string{"", "any", "shop"} {
		stage := "s"
		if path == "any" {
			stage = "(none)"
		}
		if err := mapTo(h.id, stage, path); err != nil {
			t.Fatal(err)
		}
	}
	wantCoded(t, "taken", mapTo(h.id, "s", "(none)"), "ConflictException", "Base path already exists for this domain name")
	domains, _, problems, err := h.f.Compile(h.ctx)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	var shown []string
	for _, m := range domains["api.example.com"].Mappings {
		shown = append(shown, fmt.Sprint(m.Segments, m.API.ID == h.id, m.Stage != nil))
	}
	same(t, "mappings", shown, []string{"[any] true false", "[shop] true true", "[] true true"})
	_, err = h.UpdateBasePathMapping(h.ctx, &apigateway.UpdateBasePathMappingInput{DomainName: name, BasePath: aws.String("shop"), PatchOperations: patches("replace", "/basePath", "any")})
	wantCoded(t, "moved onto another", err, "ConflictException", "Base path already exists")
	_, err = h.GetBasePathMapping(h.ctx, &apigateway.GetBasePathMappingInput{DomainName: name, BasePath: aws.String("none")})
	wantCoded(t, "none", err, "NotFoundException", "Invalid base path mapping identifier specified")
	_, err = h.DeleteStage(h.ctx, &apigateway.DeleteStageInput{RestApiId: &h.id, StageName: aws.String("s")})
	wantCoded(t, "stage in use", err, "BadRequestException", "Deleting stage s failed. Please remove all base path mappings related to the stage in your domains: api.example.com")
	_, err = h.DeleteRestApi(h.ctx, &apigateway.DeleteRestApiInput{RestApiId: &h.id})
	wantCoded(t, "API in use", err, "BadRequestException", "Please remove all base path mappings related to the RestApi in your domains: api.example.com")
	must(h.DeleteDomainName(h.ctx, &apigateway.DeleteDomainNameInput{DomainName: name}))(t)
	must(h.DeleteRestApi(h.ctx, &apigateway.DeleteRestApiInput{RestApiId: &h.id}))(t)
}

func TestRestTags(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	h.proxy(h.root, "GET")
	h.deploy("s")
	for _, path := range []string{"/restapis/" + h.id, "/restapis/" + h.id + "/stages/s"} {
		arn := aws.String("arn:aws:apigateway:eu-west-1::" + path)
		must(h.TagResource(h.ctx, &apigateway.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "b", "c": "d"}}))(t)
		must(h.UntagResource(h.ctx, &apigateway.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}}))(t)
		same(t, path, must(h.GetTags(h.ctx, &apigateway.GetTagsInput{ResourceArn: arn}))(t).Tags, map[string]string{"c": "d"})
		_, err := h.TagResource(h.ctx, &apigateway.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"aws:x": "y"}})
		wantCoded(t, path, err, "BadRequestException", "do not start with aws:")
	}
	_, err := h.GetTags(h.ctx, &apigateway.GetTagsInput{ResourceArn: aws.String("arn:aws:apigateway:eu-west-1::/restapis/none")})
	wantCoded(t, "no API", err, "NotFoundException", "")
	_, err = h.GetTags(h.ctx, &apigateway.GetTagsInput{ResourceArn: aws.String("arn:aws:apigateway:eu-west-1::/restapis/" + h.id + "/stages/none")})
	wantCoded(t, "no stage", err, "NotFoundException", "")
}

// FuzzPatches: no list of operations does more than its patches let it, and none panics.
func FuzzPatches(f *testing.F) {
	for _, seed := range [][3]string{{"replace", "/name", "x"}, {"add", "/binaryMediaTypes/a~1b", ""}, {"remove", "/policy", ""}, {"replace", "/*/*/throttling/rateLimit", "1"}, {"remove", "/~1x/GET", ""}, {"replace", "////", "~"}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, op, path, value string) {
		a := restAPI{ID: "fuzzed", Name: "x", EndpointType: "EDGE", Resources: []restResource{{ID: "root"}}}
		operations := patches(op, path, value)
		if applyPatches(operations, a.patches()) == nil && a.check() == nil {
			if len(a.Policy) > 0 {
				if _, err := policy.Parse(a.Policy, policy.Resource); err != nil {
					t.Fatalf("a policy that cannot be evaluated: %s: %v", a.Policy, err)
				}
			}
			if _, err := json.Marshal(a); err != nil {
				t.Fatal(err)
			}
		}
		g := restStage{Name: "s"}
		if others, err := g.applySettings(operations); err == nil && len(others) == 0 {
			for _, m := range g.Settings {
				m.method()
			}
			g.throttle("/x", "GET")
		}
	})
}
