package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	resttypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// Every operation of API Gateway v1 that is built, what they do to the traffic, and
// the most important refusals.
func TestAPIGateway(t *testing.T) {
	t.Parallel()
	start(t).parts(map[string]func(*system){
		"article":     restArticle,
		"by hand":     restByHand,
		"authorizers": restAuthorizers,
		"domains":     restDomains,
		"import":      restImport,
		"account":     restAccount,
		"refusals":    restRefusals,
	})
}

// A restHand puts a REST API together.
type restHand struct {
	*system
	id, root string
}

func (s *system) restAPI(name string) *restHand {
	s.t.Helper()
	made := must(s.rest.CreateRestApi(context.Background(), &apigateway.CreateRestApiInput{
		Name: &name, EndpointConfiguration: &resttypes.EndpointConfiguration{Types: []resttypes.EndpointType{resttypes.EndpointTypeRegional}},
	}))(s.t)
	return &restHand{s, *made.Id, *made.RootResourceId}
}

func (h *restHand) resource(parent, part string) string {
	h.t.Helper()
	return *must(h.rest.CreateResource(context.Background(), &apigateway.CreateResourceInput{RestApiId: &h.id, ParentId: &parent, PathPart: &part}))(h.t).Id
}

func lambdaURI(function string) *string {
	return aws.String("arn:aws:apigateway:" + region + ":lambda:path/2015-03-31/functions/arn:aws:lambda:" + region + ":" + account + ":function:" + function + "/invocations")
}

// proxy gives a resource a method that a function answers; authorizer: "" for none.
func (h *restHand) proxy(resource, method, function, authorizer string) {
	h.t.Helper()
	ctx := context.Background()
	in := &apigateway.PutMethodInput{RestApiId: &h.id, ResourceId: &resource, HttpMethod: &method, AuthorizationType: aws.String("NONE")}
	if authorizer != "" {
		in.AuthorizationType, in.AuthorizerId = aws.String("CUSTOM"), &authorizer
	}
	must(h.rest.PutMethod(ctx, in))(h.t)
	must(h.rest.PutIntegration(ctx, &apigateway.PutIntegrationInput{
		RestApiId: &h.id, ResourceId: &resource, HttpMethod: &method, Type: resttypes.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: lambdaURI(function),
	}))(h.t)
}

// allow lets the API invoke a function.
func (h *restHand) allow(function string) {
	h.t.Helper()
	must(h.lambda.AddPermission(context.Background(), &lambda.AddPermissionInput{
		FunctionName: &function, StatementId: aws.String("gateway" + h.id), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"),
		SourceArn: aws.String("arn:aws:execute-api:" + region + ":" + account + ":" + h.id + "/*"),
	}))(h.t)
}

func (h *restHand) deploy(stage string) string {
	h.t.Helper()
	return *must(h.rest.CreateDeployment(context.Background(), &apigateway.CreateDeploymentInput{RestApiId: &h.id, StageName: &stage}))(h.t).Id
}

// replace is an update of one value.
func replace(path, value string) []resttypes.PatchOperation {
	return []resttypes.PatchOperation{{Op: resttypes.OpReplace, Path: &path, Value: &value}}
}

// The article with a REST API: mutual TLS on a custom domain, the default endpoint off,
// a function behind AWS_PROXY that is shown the client's certificate.
func restArticle(s *system) {
	t, ctx := s.t, context.Background()
	s.function("my-function")
	h := s.restAPI("article")
	hello := h.resource(h.root, "hello-world")
	h.proxy(hello, "GET", "my-function", "")
	h.allow("my-function")
	h.deploy("Prod")
	must(s.rest.UpdateRestApi(ctx, &apigateway.UpdateRestApiInput{RestApiId: &h.id, PatchOperations: replace("/disableExecuteApiEndpoint", "True")}))(t)

	root := func(name string) (arn, certificate string) {
		return s.authority(pcatypes.CertificateAuthorityTypeRoot, name, "", "RootCACertificate", "")
	}
	ca, anchor := root("My Root CA")
	s.bucket("mys3truststore")
	s.put("mys3truststore", "root-ca-cert.pem", []byte(anchor))
	certificate := s.serverCertificate("article.test", "api.article.test")
	name := aws.String("api.article.test")
	made := must(s.rest.CreateDomainName(ctx, &apigateway.CreateDomainNameInput{
		DomainName: name, RegionalCertificateArn: &certificate, SecurityPolicy: resttypes.SecurityPolicyTls12,
		EndpointConfiguration:   &resttypes.EndpointConfiguration{Types: []resttypes.EndpointType{resttypes.EndpointTypeRegional}},
		MutualTlsAuthentication: &resttypes.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://mys3truststore/root-ca-cert.pem")},
	}))(t)
	same(t, "target of aliases", strings.HasPrefix(*made.RegionalDomainName, "d-") && *made.RegionalHostedZoneId != "", true)
	must(s.rest.CreateBasePathMapping(ctx, &apigateway.CreateBasePathMappingInput{DomainName: name, RestApiId: &h.id, Stage: aws.String("Prod")}))(t)

	s.caller(nil).get(*name, "", "/hello-world").wantRefused(t, "certificate required")
	stranger, _ := root("Stranger")
	strangers, _ := s.clientCertificate(stranger, "client.test")
	s.caller(strangers).get(*name, "", "/hello-world").want(t, 403, `{"message":"Forbidden"}`)
	mine, arn := s.clientCertificate(ca, "client.test")
	reply := s.caller(mine).get(*name, "", "/hello-world")
	reply.want(t, 200, `"resourcePath":"/hello-world"`)
	var event struct {
		Path           string
		RequestContext struct {
			Path, Stage, DomainName, ResourceID, RequestID string
			Identity                                       struct {
				ClientCert map[string]any `json:"clientCert"`
			}
		}
	}
	if err := json.Unmarshal([]byte(reply.body), &event); err != nil {
		t.Fatal(err)
	}
	c := event.RequestContext
	same(t, "paths", [2]string{event.Path, c.Path}, [2]string{"/hello-world", "/hello-world"})
	same(t, "context", [3]string{c.Stage, c.DomainName, c.ResourceID}, [3]string{"Prod", *name, hello})
	same(t, "subject", c.Identity.ClientCert["subjectDN"], any("CN=client.test"))
	same(t, "request id", reply.header.Get("x-amzn-RequestId"), c.RequestID)
	s.caller(mine).get(*name, "", "/elsewhere").want(t, 403, `{"message":"Missing Authentication Token"}`)
	s.caller(nil).get(defaultHost(h.id), "", "/Prod/hello-world").want(t, 403, `{"message":"Forbidden"}`)
	s.revoke(ca, arn)
	s.caller(mine).get(*name, "", "/hello-world").want(t, 403, `{"message":"Forbidden"}`)
}

// An API put together part by part, changed and taken apart.
func restByHand(s *system) {
	t, ctx := s.t, context.Background()
	backend := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "mine")
		fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, r.Header.Get("X-From"))
	})
	made := must(s.rest.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("by hand"), Description: aws.String("first"), Tags: map[string]string{"of": "mine"}}))(t)
	api, root := made.Id, made.RootResourceId
	same(t, "endpoint type", made.EndpointConfiguration.Types, []resttypes.EndpointType{resttypes.EndpointTypeEdge})
	must(s.rest.UpdateRestApi(ctx, &apigateway.UpdateRestApiInput{RestApiId: api, PatchOperations: append(replace("/description", "second"), replace("/endpointConfiguration/types/EDGE", "REGIONAL")...)}))(t)
	got := must(s.rest.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: api}))(t)
	same(t, "API", fmt.Sprint(*got.Name, *got.Description, got.EndpointConfiguration.Types, got.CreatedDate.IsZero()), "by handsecond[REGIONAL] false")
	listed := names(must(s.rest.GetRestApis(ctx, &apigateway.GetRestApisInput{Limit: aws.Int32(500)}))(t).Items, func(a resttypes.RestApi) string { return *a.Id })
	same(t, "listed", strings.Contains(strings.Join(listed, " "), *api), true)

	child := func(parent *string, part string) *string {
		t.Helper()
		return must(s.rest.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: api, ParentId: parent, PathPart: &part}))(t).Id
	}
	items := child(root, "wrong")
	item := child(items, "{id}")
	spare := child(items, "spare")
	must(s.rest.UpdateResource(ctx, &apigateway.UpdateResourceInput{RestApiId: api, ResourceId: items, PatchOperations: replace("/pathPart", "items")}))(t)
	same(t, "path", *must(s.rest.GetResource(ctx, &apigateway.GetResourceInput{RestApiId: api, ResourceId: item}))(t).Path, "/items/{id}")
	must(s.rest.DeleteResource(ctx, &apigateway.DeleteResourceInput{RestApiId: api, ResourceId: spare}))(t)

	// GET /items/{id} goes to a backend with what parameters set in its request.
	get := aws.String("GET")
	must(s.rest.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api, ResourceId: item, HttpMethod: get, AuthorizationType: aws.String("NONE"), RequestParameters: map[string]bool{"method.request.path.id": true}}))(t)
	must(s.rest.UpdateMethod(ctx, &apigateway.UpdateMethodInput{RestApiId: api, ResourceId: item, HttpMethod: get, PatchOperations: replace("/operationName", "getItem")}))(t)
	must(s.rest.PutIntegration(ctx, &apigateway.PutIntegrationInput{
		RestApiId: api, ResourceId: item, HttpMethod: get, Type: resttypes.IntegrationTypeHttpProxy, IntegrationHttpMethod: aws.String("ANY"), Uri: aws.String(backend + "/wrong/{id}"),
		RequestParameters: map[string]string{"integration.request.path.id": "method.request.path.id", "integration.request.header.X-From": "context.stage"},
	}))(t)
	must(s.rest.UpdateIntegration(ctx, &apigateway.UpdateIntegrationInput{RestApiId: api, ResourceId: item, HttpMethod: get, PatchOperations: replace("/uri", backend+"/things/{id}")}))(t)
	read := must(s.rest.GetIntegration(ctx, &apigateway.GetIntegrationInput{RestApiId: api, ResourceId: item, HttpMethod: get}))(t)
	same(t, "integration", fmt.Sprint(*read.Uri, read.TimeoutInMillis, read.Type), backend+"/things/{id}29000HTTP_PROXY")

	// OPTIONS /items/{id} is answered by the gateway, as SAM writes CORS.
	options := aws.String("OPTIONS")
	must(s.rest.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api, ResourceId: item, HttpMethod: options, AuthorizationType: aws.String("NONE")}))(t)
	must(s.rest.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: api, ResourceId: item, HttpMethod: options, StatusCode: aws.String("200"), ResponseModels: map[string]string{"application/json": "Empty"}}))(t)
	must(s.rest.UpdateMethodResponse(ctx, &apigateway.UpdateMethodResponseInput{RestApiId: api, ResourceId: item, HttpMethod: options, StatusCode: aws.String("200"),
		PatchOperations: []resttypes.PatchOperation{{Op: resttypes.OpAdd, Path: aws.String("/responseParameters/method.response.header.Access-Control-Allow-Origin"), Value: aws.String("false")}}}))(t)
	must(s.rest.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api, ResourceId: item, HttpMethod: options, Type: resttypes.IntegrationTypeMock, RequestTemplates: map[string]string{"application/json": `{"statusCode": 200}`}}))(t)
	must(s.rest.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{
		RestApiId: api, ResourceId: item, HttpMethod: options, StatusCode: aws.String("200"), ResponseParameters: map[string]string{"method.response.header.Access-Control-Allow-Origin": "'*'"},
	}))(t)
	must(s.rest.UpdateIntegrationResponse(ctx, &apigateway.UpdateIntegrationResponseInput{RestApiId: api, ResourceId: item, HttpMethod: options, StatusCode: aws.String("200"), PatchOperations: replace("/responseParameters/method.response.header.Access-Control-Allow-Origin", "'https://app.test'")}))(t)
	same(t, "integration response", must(s.rest.GetIntegrationResponse(ctx, &apigateway.GetIntegrationResponseInput{RestApiId: api, ResourceId: item, HttpMethod: options, StatusCode: aws.String("200")}))(t).ResponseParameters,
		map[string]string{"method.response.header.Access-Control-Allow-Origin": "'https://app.test'"})
	same(t, "method response", must(s.rest.GetMethodResponse(ctx, &apigateway.GetMethodResponseInput{RestApiId: api, ResourceId: item, HttpMethod: options, StatusCode: aws.String("200")}))(t).ResponseModels, map[string]string{"application/json": "Empty"})
	method := must(s.rest.GetMethod(ctx, &apigateway.GetMethodInput{RestApiId: api, ResourceId: item, HttpMethod: options}))(t)
	same(t, "method", fmt.Sprint(*method.AuthorizationType, method.MethodIntegration.Type, len(method.MethodResponses)), "NONEMOCK1")
	resources := must(s.rest.GetResources(ctx, &apigateway.GetResourcesInput{RestApiId: api, Embed: []string{"methods"}}))(t).Items
	same(t, "resources", names(resources, func(r resttypes.Resource) string { return *r.Path }), []string{"/", "/items", "/items/{id}"})
	for _, r := range resources {
		if *r.Path == "/items/{id}" {
			same(t, "embedded", *r.ResourceMethods["GET"].OperationName, "getItem")
		}
	}

	// What is deployed is served, and stays until the next deployment.
	first := must(s.rest.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api, Description: aws.String("wrong")}))(t).Id
	must(s.rest.UpdateDeployment(ctx, &apigateway.UpdateDeploymentInput{RestApiId: api, DeploymentId: first, PatchOperations: replace("/description", "first")}))(t)
	deployment := must(s.rest.GetDeployment(ctx, &apigateway.GetDeploymentInput{RestApiId: api, DeploymentId: first, Embed: []string{"apisummary"}}))(t)
	same(t, "deployment", fmt.Sprint(*deployment.Description, *deployment.ApiSummary["/items/{id}"]["GET"].AuthorizationType), "firstNONE")
	stage := must(s.rest.CreateStage(ctx, &apigateway.CreateStageInput{RestApiId: api, StageName: aws.String("v1"), DeploymentId: first, Variables: map[string]string{"color": "blue"}}))(t)
	same(t, "stage", fmt.Sprint(*stage.StageName, stage.Variables), "v1map[color:blue]")
	client, host := s.caller(nil), defaultHost(*api)
	reply := client.get(host, "", "/v1/items/7?x=1")
	reply.want(t, 200, "GET /things/7?x=1 v1")
	same(t, "server of the backend", fmt.Sprint(reply.header.Get("Server"), reply.header.Get("X-Amzn-Remapped-Server")), "mine")
	client.get(host, "", "/v1/items").want(t, 403, `{"message":"Missing Authentication Token"}`)
	client.get(host, "", "/none/items/7").want(t, 403, `{"message":"Forbidden"}`)
	preflight := client.send("OPTIONS", host, "/v1/items/7", nil)
	same(t, "preflight", fmt.Sprint(preflight.status, preflight.header.Get("Access-Control-Allow-Origin")), "200https://app.test")
	must(s.rest.DeleteIntegrationResponse(ctx, &apigateway.DeleteIntegrationResponseInput{RestApiId: api, ResourceId: item, HttpMethod: options, StatusCode: aws.String("200")}))(t)
	must(s.rest.DeleteMethodResponse(ctx, &apigateway.DeleteMethodResponseInput{RestApiId: api, ResourceId: item, HttpMethod: options, StatusCode: aws.String("200")}))(t)
	must(s.rest.DeleteIntegration(ctx, &apigateway.DeleteIntegrationInput{RestApiId: api, ResourceId: item, HttpMethod: options}))(t)
	_, err := s.rest.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api})
	wantCode(t, err, "BadRequestException") // a method without integration
	must(s.rest.DeleteMethod(ctx, &apigateway.DeleteMethodInput{RestApiId: api, ResourceId: item, HttpMethod: options}))(t)
	same(t, "preflight until the next deployment", client.send("OPTIONS", host, "/v1/items/7", nil).status, 200)
	second := must(s.rest.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api, StageName: aws.String("v1")}))(t).Id
	same(t, "preflight after it", client.send("OPTIONS", host, "/v1/items/7", nil).status, 403)
	same(t, "deployment of the stage", *must(s.rest.GetStage(ctx, &apigateway.GetStageInput{RestApiId: api, StageName: aws.String("v1")}))(t).DeploymentId, *second)

	// A rate for all methods.
	must(s.rest.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: api, StageName: aws.String("v1"), PatchOperations: replace("/*/*/throttling/burstLimit", "0")}))(t)
	client.get(host, "", "/v1/items/7").want(t, 429, `{"message":"Too Many Requests"}`)
	must(s.rest.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: api, StageName: aws.String("v1"), PatchOperations: replace("/~1items~1{id}/GET/throttling/burstLimit", "100")}))(t)
	client.get(host, "", "/v1/items/7").want(t, 200, "")

	stageARN := aws.String("arn:aws:apigateway:" + region + "::/restapis/" + *api + "/stages/v1")
	must(s.rest.TagResource(ctx, &apigateway.TagResourceInput{ResourceArn: stageARN, Tags: map[string]string{"a": "b", "c": "d"}}))(t)
	must(s.rest.UntagResource(ctx, &apigateway.UntagResourceInput{ResourceArn: stageARN, TagKeys: []string{"a"}}))(t)
	same(t, "tags", must(s.rest.GetTags(ctx, &apigateway.GetTagsInput{ResourceArn: stageARN}))(t).Tags, map[string]string{"c": "d"})
	same(t, "stages", names(must(s.rest.GetStages(ctx, &apigateway.GetStagesInput{RestApiId: api}))(t).Item, func(g resttypes.Stage) string { return *g.StageName }), []string{"v1"})
	_, err = s.rest.DeleteDeployment(ctx, &apigateway.DeleteDeploymentInput{RestApiId: api, DeploymentId: second})
	wantCode(t, err, "BadRequestException")
	must(s.rest.DeleteDeployment(ctx, &apigateway.DeleteDeploymentInput{RestApiId: api, DeploymentId: first}))(t)
	same(t, "deployments left", names(must(s.rest.GetDeployments(ctx, &apigateway.GetDeploymentsInput{RestApiId: api}))(t).Items, func(d resttypes.Deployment) string { return *d.Id }), []string{*second})
	must(s.rest.DeleteStage(ctx, &apigateway.DeleteStageInput{RestApiId: api, StageName: aws.String("v1")}))(t)
	client.get(host, "", "/v1/items/7").want(t, 403, `{"message":"Forbidden"}`)
	must(s.rest.DeleteRestApi(ctx, &apigateway.DeleteRestApiInput{RestApiId: api}))(t)
	_, err = s.rest.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: api})
	wantCode(t, err, "NotFoundException")
}

// Lambda authorizers of both sorts, what they are asked, and what is remembered.
func restAuthorizers(s *system) {
	t, ctx := s.t, context.Background()
	s.function("rest-echo")
	s.deploy("rest-guard", must(authorizer())(t))
	h := s.restAPI("guarded")
	for _, function := range []string{"rest-echo", "rest-guard"} {
		h.allow(function)
	}
	token := must(s.rest.CreateAuthorizer(ctx, &apigateway.CreateAuthorizerInput{
		RestApiId: &h.id, Name: aws.String("wrong"), Type: resttypes.AuthorizerTypeToken, AuthorizerUri: lambdaURI("rest-guard"), IdentitySource: aws.String("method.request.header.X-Key"),
	}))(t).Id
	must(s.rest.UpdateAuthorizer(ctx, &apigateway.UpdateAuthorizerInput{RestApiId: &h.id, AuthorizerId: token, PatchOperations: append(replace("/name", "token"), replace("/identityValidationExpression", "^[a-z]+$")...)}))(t)
	got := must(s.rest.GetAuthorizer(ctx, &apigateway.GetAuthorizerInput{RestApiId: &h.id, AuthorizerId: token}))(t)
	same(t, "authorizer", fmt.Sprint(*got.Name, got.Type, *got.AuthorizerResultTtlInSeconds), "tokenTOKEN300")
	request := must(s.rest.CreateAuthorizer(ctx, &apigateway.CreateAuthorizerInput{
		RestApiId: &h.id, Name: aws.String("request"), Type: resttypes.AuthorizerTypeRequest, AuthorizerUri: lambdaURI("rest-guard"), IdentitySource: aws.String("method.request.header.X-Token"),
		AuthorizerResultTtlInSeconds: aws.Int32(0),
	}))(t).Id
	h.proxy(h.resource(h.root, "token"), "GET", "rest-echo", *token)
	h.proxy(h.resource(h.root, "request"), "ANY", "rest-echo", *request)
	_, err := s.rest.DeleteAuthorizer(ctx, &apigateway.DeleteAuthorizerInput{RestApiId: &h.id, AuthorizerId: request})
	wantCode(t, err, "ConflictException")
	h.deploy("s")
	client, host := s.caller(nil), defaultHost(h.id)
	ask := func(path, header, value string) reply {
		t.Helper()
		return client.send("GET", host, "/s"+path, http.Header{header: {value}})
	}
	ask("/token", "X-Other", "allow").want(t, 401, `{"message":"Unauthorized"}`)
	ask("/token", "X-Key", "7").want(t, 401, `{"message":"Unauthorized"}`)
	ask("/token", "X-Key", "unknown").want(t, 401, `{"message":"Unauthorized"}`)
	ask("/token", "X-Key", "fail").want(t, 500, `{"message":null}`)
	ask("/token", "X-Key", "deny").want(t, 403, `{"Message":"User is not authorized to access this resource with an explicit deny"}`)
	first, again := told(t, ask("/token", "X-Key", "allow")), told(t, ask("/token", "X-Key", "allow"))
	same(t, "remembered", again, first)
	same(t, "told", strings.Contains(first, `"principalId":"caller"`), true)
	must(s.rest.FlushStageAuthorizersCache(ctx, &apigateway.FlushStageAuthorizersCacheInput{RestApiId: &h.id, StageName: aws.String("s")}))(t)
	if after := told(t, ask("/token", "X-Key", "allow")); after == first {
		t.Errorf("after a flush the answer is the old one: %s", after)
	}
	ask("/request", "X-Token", "allow").want(t, 200, `"principalId":"caller"`)
	ask("/request", "X-Token", "deny").want(t, 403, "with an explicit deny")
	ask("/request", "X-Key", "allow").want(t, 401, `{"message":"Unauthorized"}`)

	// A resource policy keeps out whom it denies, before an authorizer is asked.
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/s/GET/request"},{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*"}]}`
	must(s.rest.UpdateRestApi(ctx, &apigateway.UpdateRestApiInput{RestApiId: &h.id, PatchOperations: replace("/policy", policy)}))(t)
	ask("/request", "X-Token", "allow").want(t, 200, "") // until it is deployed
	h.deploy("s")
	ask("/request", "X-Token", "allow").want(t, 403, "is not authorized to perform: execute-api:Invoke")
	ask("/token", "X-Key", "allow").want(t, 200, "")

	must(s.rest.UpdateMethod(ctx, &apigateway.UpdateMethodInput{RestApiId: &h.id, ResourceId: resourceAt(s, h.id, "/request"), HttpMethod: aws.String("ANY"), PatchOperations: replace("/authorizationType", "NONE")}))(t)
	must(s.rest.DeleteAuthorizer(ctx, &apigateway.DeleteAuthorizerInput{RestApiId: &h.id, AuthorizerId: request}))(t)
	same(t, "authorizers", names(must(s.rest.GetAuthorizers(ctx, &apigateway.GetAuthorizersInput{RestApiId: &h.id}))(t).Items, func(z resttypes.Authorizer) string { return *z.Name }), []string{"token"})
}

func resourceAt(s *system, api, path string) *string {
	s.t.Helper()
	for _, r := range must(s.rest.GetResources(context.Background(), &apigateway.GetResourcesInput{RestApiId: &api, Limit: aws.Int32(500)}))(s.t).Items {
		if *r.Path == path {
			return r.Id
		}
	}
	s.t.Fatalf("no resource %s", path)
	return nil
}

// One domain name with stages of both kinds of API, seen from v1 and from v2.
func restDomains(s *system) {
	t, ctx := s.t, context.Background()
	h := s.restAPI("domains")
	s.function("rest-domains")
	h.allow("rest-domains")
	h.proxy(h.resource(h.root, "{proxy+}"), "ANY", "rest-domains", "")
	h.deploy("one")
	other := s.echoAPI("http-beside")
	certificate := s.serverCertificate("restdomains.test", "*.restdomains.test")
	name := aws.String("a.restdomains.test")
	s.domain(*name, certificate, other, "") // made with v2
	got := must(s.rest.GetDomainName(ctx, &apigateway.GetDomainNameInput{DomainName: name}))(t)
	same(t, "domain", fmt.Sprint(*got.RegionalCertificateArn, got.EndpointConfiguration.Types, got.SecurityPolicy, got.DomainNameStatus), certificate+"[REGIONAL]TLS_1_2AVAILABLE")
	made := must(s.rest.CreateBasePathMapping(ctx, &apigateway.CreateBasePathMappingInput{DomainName: name, RestApiId: &h.id, Stage: aws.String("one"), BasePath: aws.String("wrong")}))(t)
	same(t, "mapping", *made.BasePath, "wrong")
	must(s.rest.UpdateBasePathMapping(ctx, &apigateway.UpdateBasePathMappingInput{DomainName: name, BasePath: aws.String("wrong"), PatchOperations: replace("/basePath", "shop")}))(t)
	same(t, "stage", *must(s.rest.GetBasePathMapping(ctx, &apigateway.GetBasePathMappingInput{DomainName: name, BasePath: aws.String("shop")}))(t).Stage, "one")
	must(s.rest.CreateBasePathMapping(ctx, &apigateway.CreateBasePathMappingInput{DomainName: name, RestApiId: &h.id, BasePath: aws.String("any")}))(t)
	deep := must(s.gateway.CreateApiMapping(ctx, &apigatewayv2.CreateApiMappingInput{DomainName: name, ApiId: &h.id, Stage: aws.String("one"), ApiMappingKey: aws.String("deep/down")}))(t)
	same(t, "mappings", names(must(s.rest.GetBasePathMappings(ctx, &apigateway.GetBasePathMappingsInput{DomainName: name}))(t).Items, func(m resttypes.BasePathMapping) string { return *m.BasePath }), []string{"(none)", "any", "deep/down", "shop"})
	client := s.caller(nil)
	client.get(*name, "", "/x").want(t, 200, `"rawPath":"/x"`)
	client.get(*name, "", "/shop/x/y").want(t, 200, `"proxy":"x/y"`)
	client.get(*name, "", "/any/one/x").want(t, 200, `"path":"/any/one/x"`)
	client.get(*name, "", "/any/none/x").want(t, 403, `{"message":"Forbidden"}`)
	client.get(*name, "", "/deep/down/x").want(t, 200, `"path":"/deep/down/x"`)
	client.get(*name, "", "/shop/").want(t, 403, "Missing Authentication Token")
	_, err := s.rest.DeleteStage(ctx, &apigateway.DeleteStageInput{RestApiId: &h.id, StageName: aws.String("one")})
	wantCode(t, err, "BadRequestException")
	_, err = s.rest.DeleteRestApi(ctx, &apigateway.DeleteRestApiInput{RestApiId: &h.id})
	wantCode(t, err, "BadRequestException")

	// Mutual TLS is switched on with v1, is seen with v2, and is given up again.
	_, root := ecRoot(t, s.pca, "trusted by v1")
	s.bucket("restdomains")
	s.put("restdomains", "trust.pem", []byte(root))
	must(s.rest.UpdateDomainName(ctx, &apigateway.UpdateDomainNameInput{DomainName: name, PatchOperations: replace("/mutualTlsAuthentication/truststoreUri", "s3://restdomains/trust.pem")}))(t)
	client.get(*name, "", "/shop/x").wantRefused(t, "certificate required")
	same(t, "seen", *must(s.gateway.GetDomainName(ctx, &apigatewayv2.GetDomainNameInput{DomainName: name}))(t).MutualTlsAuthentication.TruststoreUri, "s3://restdomains/trust.pem")
	must(s.rest.UpdateDomainName(ctx, &apigateway.UpdateDomainNameInput{DomainName: name, PatchOperations: replace("/mutualTlsAuthentication/truststoreUri", "")}))(t)
	client.get(*name, "", "/shop/x").want(t, 200, "")
	for _, path := range []string{"shop", "any"} {
		must(s.rest.DeleteBasePathMapping(ctx, &apigateway.DeleteBasePathMappingInput{DomainName: name, BasePath: &path}))(t)
	}
	client.get(*name, "", "/shop/x").want(t, 200, `"rawPath":"/shop/x"`) // the HTTP API's now
	must(s.gateway.DeleteApiMapping(ctx, &apigatewayv2.DeleteApiMappingInput{DomainName: name, ApiMappingId: deep.ApiMappingId}))(t)
	same(t, "listed", strings.Contains(strings.Join(names(must(s.rest.GetDomainNames(ctx, &apigateway.GetDomainNamesInput{Limit: aws.Int32(500)}))(t).Items, func(d resttypes.DomainName) string { return *d.DomainName }), " "), *name), true)
	must(s.rest.DeleteDomainName(ctx, &apigateway.DeleteDomainNameInput{DomainName: name}))(t)
	_, err = s.gateway.GetDomainName(ctx, &apigatewayv2.GetDomainNameInput{DomainName: name})
	wantCode(t, err, "NotFoundException")
}

// An API made of a Swagger document, and changed by another one.
func restImport(s *system) {
	t, ctx := s.t, context.Background()
	s.function("rest-imported")
	document := func(paths string) []byte {
		return []byte(`
swagger: "2.0"
info: {title: imported, version: 1.0}
x-amazon-apigateway-binary-media-types: ['*/*']
paths:
  /files/{proxy+}: {x-amazon-apigateway-any-method: {x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, uri: '` + *lambdaURI("rest-imported") + `'}}}
` + paths)
	}
	_, err := s.rest.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: document("  /x: {get: {security: [{none: []}]}}\n")})
	wantCode(t, err, "BadRequestException")
	made := must(s.rest.ImportRestApi(ctx, &apigateway.ImportRestApiInput{
		FailOnWarnings: true, Parameters: map[string]string{"endpointConfigurationTypes": "REGIONAL"}, Body: document(`
  /cors:
    options:
      responses: {200: {headers: {Access-Control-Allow-Origin: {type: string}}}}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: "{\n  \"statusCode\" : 200\n}\n"}
        responses: {default: {statusCode: "200", responseTemplates: {application/json: "{}\n"}, responseParameters: {method.response.header.Access-Control-Allow-Origin: "'*'"}}}
`),
	}))(t)
	same(t, "made", fmt.Sprint(*made.Name, *made.Version, made.EndpointConfiguration.Types, made.BinaryMediaTypes, made.Warnings), "imported1.0[REGIONAL] [*/*] []")
	h := &restHand{s, *made.Id, *made.RootResourceId}
	h.allow("rest-imported")
	h.deploy("s")
	client, host := s.caller(nil), defaultHost(h.id)
	client.get(host, "", "/s/files/a/b").want(t, 200, `"proxy":"a/b"`)
	preflight := client.send("OPTIONS", host, "/s/cors", nil)
	same(t, "preflight", fmt.Sprint(preflight.status, preflight.header.Get("Access-Control-Allow-Origin"), preflight.body), "200*{}\n")
	put := func(mode resttypes.PutMode, paths string) {
		t.Helper()
		same(t, "same API", *must(s.rest.PutRestApi(ctx, &apigateway.PutRestApiInput{RestApiId: &h.id, Mode: mode, Body: document(paths)}))(t).Id, h.id)
		h.deploy("s")
	}
	put(resttypes.PutModeMerge, "  /more: {get: {x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, uri: '"+*lambdaURI("rest-imported")+"'}}}\n")
	client.get(host, "", "/s/more").want(t, 200, `"resource":"/more"`)
	same(t, "preflight after a merge", client.send("OPTIONS", host, "/s/cors", nil).status, 200)
	put(resttypes.PutModeOverwrite, "")
	client.get(host, "", "/s/more").want(t, 403, "Missing Authentication Token")
	client.get(host, "", "/s/files/a").want(t, 200, `"proxy":"a"`)
}

func restAccount(s *system) {
	t, ctx := s.t, context.Background()
	role := "arn:aws:iam::" + account + ":role/logs"
	must(s.rest.UpdateAccount(ctx, &apigateway.UpdateAccountInput{PatchOperations: replace("/cloudwatchRoleArn", role)}))(t)
	same(t, "role", *must(s.rest.GetAccount(ctx, &apigateway.GetAccountInput{}))(t).CloudwatchRoleArn, role)
}

func restRefusals(s *system) {
	t, ctx := s.t, context.Background()
	_, err := s.rest.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: aws.String("none")})
	wantCode(t, err, "NotFoundException")
	h := s.restAPI("refusing")
	_, err = s.rest.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: &h.id, ParentId: aws.String("none"), PathPart: aws.String("x")})
	wantCode(t, err, "NotFoundException")
	_, err = s.rest.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: &h.id, ResourceId: &h.root, HttpMethod: aws.String("GET"), AuthorizationType: aws.String("AWS_IAM")})
	wantCode(t, err, "BadRequestException")
	_, err = s.rest.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: &h.id})
	wantCode(t, err, "BadRequestException")
	_, err = s.rest.CreateDomainName(ctx, &apigateway.CreateDomainNameInput{
		DomainName: aws.String("edge.restdomains.test"), CertificateArn: aws.String("arn:aws:acm:us-east-1:000000000000:certificate/x"),
		MutualTlsAuthentication: &resttypes.MutualTlsAuthenticationInput{TruststoreUri: aws.String("s3://b/k")},
	})
	wantCode(t, err, "BadRequestException")
	_, err = s.rest.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Name: aws.String("key")})
	wantCode(t, err, "NotImplementedException")
	_, err = s.rest.TestInvokeMethod(ctx, &apigateway.TestInvokeMethodInput{RestApiId: &h.id, ResourceId: &h.root, HttpMethod: aws.String("GET")})
	wantCode(t, err, "NotImplementedException")
}
