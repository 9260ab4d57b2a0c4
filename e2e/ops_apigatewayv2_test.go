package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gwtypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// Every operation of API Gateway v2 that is built, what they do to the traffic,
// and the most important refusals.
func TestAPIGatewayV2(t *testing.T) {
	t.Parallel()
	start(t).parts(map[string]func(*system){
		"by hand":      gatewayByHand,
		"quick create": gatewayQuickCreate,
		"domains":      gatewayDomains,
		"tags":         gatewayTags,
		"CORS":         gatewayCORS,
		"import":       gatewayImport,
		"refusals":     gatewayRefusals,
	})
}

func (s *system) api(name string) string {
	s.t.Helper()
	return *must(s.gateway.CreateApi(context.Background(), &apigatewayv2.CreateApiInput{Name: &name, ProtocolType: gwtypes.ProtocolTypeHttp}))(s.t).ApiId
}

func defaultHost(api string) string { return api + ".execute-api." + region + ".amazonaws.com" }

// An API put together from routes, integrations, stages and deployments.
func gatewayByHand(s *system) {
	t, ctx := s.t, context.Background()
	backend := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Backend", "here")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s", r.Method, r.RequestURI)
	})
	made := must(s.gateway.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("by hand"), ProtocolType: gwtypes.ProtocolTypeHttp, Description: aws.String("first")}))(t)
	api := made.ApiId
	same(t, "endpoint", *made.ApiEndpoint, "https://"+defaultHost(*api))
	must(s.gateway.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{ApiId: api, Description: aws.String("second")}))(t)
	got := must(s.gateway.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: api}))(t)
	same(t, "API", [2]string{*got.Name, *got.Description}, [2]string{"by hand", "second"})
	listed := names(must(s.gateway.GetApis(ctx, &apigatewayv2.GetApisInput{}))(t).Items, func(a gwtypes.Api) string { return *a.ApiId })
	same(t, "listed", strings.Contains(strings.Join(listed, " "), *api), true)

	integration := must(s.gateway.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{
		ApiId: api, IntegrationType: gwtypes.IntegrationTypeHttpProxy, IntegrationMethod: aws.String("GET"), IntegrationUri: aws.String(backend + "/wrong"), PayloadFormatVersion: aws.String("1.0"),
	}))(t).IntegrationId
	must(s.gateway.UpdateIntegration(ctx, &apigatewayv2.UpdateIntegrationInput{ApiId: api, IntegrationId: integration, IntegrationUri: aws.String(backend + "/items/{id}"), TimeoutInMillis: aws.Int32(5000)}))(t)
	read := must(s.gateway.GetIntegration(ctx, &apigatewayv2.GetIntegrationInput{ApiId: api, IntegrationId: integration}))(t)
	same(t, "integration", fmt.Sprint(*read.IntegrationUri, " ", *read.TimeoutInMillis), backend+"/items/{id} 5000")
	same(t, "integrations", len(must(s.gateway.GetIntegrations(ctx, &apigatewayv2.GetIntegrationsInput{ApiId: api}))(t).Items), 1)

	target := aws.String("integrations/" + *integration)
	route := must(s.gateway.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: api, RouteKey: aws.String("GET /wrong/{id}"), Target: target}))(t).RouteId
	must(s.gateway.UpdateRoute(ctx, &apigatewayv2.UpdateRouteInput{ApiId: api, RouteId: route, RouteKey: aws.String("GET /pets/{id}")}))(t)
	same(t, "route", *must(s.gateway.GetRoute(ctx, &apigatewayv2.GetRouteInput{ApiId: api, RouteId: route}))(t).RouteKey, "GET /pets/{id}")
	_, err := s.gateway.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: api, RouteKey: aws.String("GET /pets/{id}"), Target: target})
	wantCode(t, err, "ConflictException")
	_, err = s.gateway.DeleteIntegration(ctx, &apigatewayv2.DeleteIntegrationInput{ApiId: api, IntegrationId: integration})
	wantCode(t, err, "ConflictException")
	spare := must(s.gateway.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: api, RouteKey: aws.String("ANY /spare")}))(t).RouteId
	keys := func() []string {
		t.Helper()
		return names(must(s.gateway.GetRoutes(ctx, &apigatewayv2.GetRoutesInput{ApiId: api}))(t).Items, func(r gwtypes.Route) string { return *r.RouteKey })
	}
	same(t, "routes", keys(), []string{"ANY /spare", "GET /pets/{id}"})
	must(s.gateway.DeleteRoute(ctx, &apigatewayv2.DeleteRouteInput{ApiId: api, RouteId: spare}))(t)
	same(t, "routes left", keys(), []string{"GET /pets/{id}"})

	// A stage serves nothing until something is deployed to it.
	stage := must(s.gateway.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: api, StageName: aws.String("v1")}))(t)
	same(t, "stage", *stage.StageName, "v1")
	client := s.caller(nil)
	client.get(defaultHost(*api), "", "/v1/pets/7").want(t, 404, "Not Found")
	first := must(s.gateway.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: api, Description: aws.String("first")}))(t).DeploymentId
	must(s.gateway.UpdateStage(ctx, &apigatewayv2.UpdateStageInput{ApiId: api, StageName: aws.String("v1"), DeploymentId: first}))(t)
	reply := client.get(defaultHost(*api), "", "/v1/pets/7?kind=dog")
	reply.want(t, http.StatusTeapot, "GET /items/7?kind=dog")
	same(t, "header of the backend", reply.header.Get("X-Backend"), "here")
	client.get(defaultHost(*api), "", "/v1/other").want(t, 404, "Not Found")

	// What is changed later is served when it is deployed, and not before.
	must(s.gateway.UpdateRoute(ctx, &apigatewayv2.UpdateRouteInput{ApiId: api, RouteId: route, RouteKey: aws.String("GET /animals/{id}")}))(t)
	client.get(defaultHost(*api), "", "/v1/pets/7").want(t, http.StatusTeapot, "GET /items/7")
	second := must(s.gateway.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: api, StageName: aws.String("v1")}))(t).DeploymentId
	client.get(defaultHost(*api), "", "/v1/pets/7").want(t, 404, "Not Found")
	client.get(defaultHost(*api), "", "/v1/animals/7").want(t, http.StatusTeapot, "GET /items/7")
	same(t, "deployment of the stage", *must(s.gateway.GetStage(ctx, &apigatewayv2.GetStageInput{ApiId: api, StageName: aws.String("v1")}))(t).DeploymentId, *second)
	must(s.gateway.UpdateDeployment(ctx, &apigatewayv2.UpdateDeploymentInput{ApiId: api, DeploymentId: second, Description: aws.String("second")}))(t)
	deployment := must(s.gateway.GetDeployment(ctx, &apigatewayv2.GetDeploymentInput{ApiId: api, DeploymentId: second}))(t)
	same(t, "deployment", [2]string{*deployment.Description, string(deployment.DeploymentStatus)}, [2]string{"second", "DEPLOYED"})
	_, err = s.gateway.DeleteDeployment(ctx, &apigatewayv2.DeleteDeploymentInput{ApiId: api, DeploymentId: second})
	wantCode(t, err, "BadRequestException")
	must(s.gateway.DeleteDeployment(ctx, &apigatewayv2.DeleteDeploymentInput{ApiId: api, DeploymentId: first}))(t)
	deployments := must(s.gateway.GetDeployments(ctx, &apigatewayv2.GetDeploymentsInput{ApiId: api}))(t).Items
	same(t, "deployments left", names(deployments, func(d gwtypes.Deployment) string { return *d.DeploymentId }), []string{*second})

	must(s.gateway.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: api, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)}))(t)
	client.get(defaultHost(*api), "", "/animals/8").want(t, http.StatusTeapot, "GET /items/8")
	stages := must(s.gateway.GetStages(ctx, &apigatewayv2.GetStagesInput{ApiId: api}))(t).Items
	same(t, "stages", names(stages, func(g gwtypes.Stage) string { return *g.StageName }), []string{"$default", "v1"})
	must(s.gateway.DeleteStage(ctx, &apigatewayv2.DeleteStageInput{ApiId: api, StageName: aws.String("v1")}))(t)
	client.get(defaultHost(*api), "", "/v1/animals/7").want(t, 404, "Not Found")

	// A rate for one route, and for all of the stage.
	must(s.gateway.UpdateStage(ctx, &apigatewayv2.UpdateStageInput{ApiId: api, StageName: aws.String("$default"), DefaultRouteSettings: &gwtypes.RouteSettings{ThrottlingRateLimit: aws.Float64(100), ThrottlingBurstLimit: aws.Int32(100)},
		RouteSettings: map[string]gwtypes.RouteSettings{"GET /animals/{id}": {ThrottlingBurstLimit: aws.Int32(0)}}}))(t)
	client.get(defaultHost(*api), "", "/animals/8").want(t, http.StatusTooManyRequests, `{"message":"Too Many Requests"}`)
	must(s.gateway.DeleteRouteSettings(ctx, &apigatewayv2.DeleteRouteSettingsInput{ApiId: api, StageName: aws.String("$default"), RouteKey: aws.String("GET /animals/{id}")}))(t)
	client.get(defaultHost(*api), "", "/animals/8").want(t, http.StatusTeapot, "GET /items/8")

	must(s.gateway.DeleteRoute(ctx, &apigatewayv2.DeleteRouteInput{ApiId: api, RouteId: route}))(t)
	must(s.gateway.DeleteIntegration(ctx, &apigatewayv2.DeleteIntegrationInput{ApiId: api, IntegrationId: integration}))(t)
	must(s.gateway.DeleteApi(ctx, &apigatewayv2.DeleteApiInput{ApiId: api}))(t)
	_, err = s.gateway.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: api})
	wantCode(t, err, "NotFoundException")
	if gone := client.get(defaultHost(*api), "", "/animals/8"); gone.refused == nil && gone.status < 400 {
		t.Errorf("an API that is gone answers %+v", gone)
	}
}

// A function behind everything, in both forms of the event.
func gatewayQuickCreate(s *system) {
	t, ctx := s.t, context.Background()
	api := s.echoAPI("quick")
	client := s.caller(nil)
	client.get(defaultHost(api), "", "/any/path").want(t, 200, `"rawPath":"/any/path"`)
	function := "arn:aws:lambda:" + region + ":" + account + ":function:quick"
	integration := must(s.gateway.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{ApiId: &api, IntegrationType: gwtypes.IntegrationTypeAwsProxy, IntegrationUri: &function, PayloadFormatVersion: aws.String("1.0")}))(t).IntegrationId
	must(s.gateway.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: &api, RouteKey: aws.String("GET /old"), Target: aws.String("integrations/" + *integration)}))(t)
	client.get(defaultHost(api), "", "/old").want(t, 200, `"httpMethod":"GET"`)
	client.get(defaultHost(api), "", "/new").want(t, 200, `"rawPath":"/new"`)
}

// Custom domain names, their mappings, and certificates that they hold on to.
func gatewayDomains(s *system) {
	t, ctx := s.t, context.Background()
	one, two := s.echoAPI("one"), s.echoAPI("two")
	certificate := s.serverCertificate("domains.test", "*.domains.test")
	name := aws.String("api.domains.test")
	s.domain(*name, certificate, one, "")
	got := must(s.gateway.GetDomainName(ctx, &apigatewayv2.GetDomainNameInput{DomainName: name}))(t)
	configuration := got.DomainNameConfigurations[0]
	same(t, "status", configuration.DomainNameStatus, gwtypes.DomainNameStatusAvailable)
	same(t, "name of the gateway", strings.HasSuffix(*configuration.ApiGatewayDomainName, ".execute-api."+region+".amazonaws.com"), true)
	same(t, "listed", names(must(s.gateway.GetDomainNames(ctx, &apigatewayv2.GetDomainNamesInput{}))(t).Items, func(d gwtypes.DomainName) string { return *d.DomainName }), []string{*name})
	_, err := s.acm.DeleteCertificate(ctx, &acm.DeleteCertificateInput{CertificateArn: &certificate})
	wantCode(t, err, "ResourceInUseException")

	mapping := must(s.gateway.CreateApiMapping(ctx, &apigatewayv2.CreateApiMappingInput{DomainName: name, ApiId: &two, Stage: aws.String("$default"), ApiMappingKey: aws.String("wrong")}))(t).ApiMappingId
	must(s.gateway.UpdateApiMapping(ctx, &apigatewayv2.UpdateApiMappingInput{DomainName: name, ApiId: &two, ApiMappingId: mapping, ApiMappingKey: aws.String("second")}))(t)
	same(t, "mapping", *must(s.gateway.GetApiMapping(ctx, &apigatewayv2.GetApiMappingInput{DomainName: name, ApiMappingId: mapping}))(t).ApiMappingKey, "second")
	same(t, "mappings", names(must(s.gateway.GetApiMappings(ctx, &apigatewayv2.GetApiMappingsInput{DomainName: name}))(t).Items, func(m gwtypes.ApiMapping) string { return *m.ApiId + " " + aws.ToString(m.ApiMappingKey) }), names([]string{one + " ", two + " second"}, strings.Clone))
	client := s.caller(nil)
	client.get(*name, "", "/x").want(t, 200, `"apiId":"`+one+`"`)
	client.get(*name, "", "/second/x").want(t, 200, `"apiId":"`+two+`"`)
	must(s.gateway.DeleteApiMapping(ctx, &apigatewayv2.DeleteApiMappingInput{DomainName: name, ApiMappingId: mapping}))(t)
	client.get(*name, "", "/second/x").want(t, 200, `"apiId":"`+one+`"`)

	// Another certificate takes over; then mutual TLS does, and is given up again.
	other := s.serverCertificate("other-zone.test", "x.other-zone.test")
	configure := func(certificate string) error {
		_, err := s.gateway.UpdateDomainName(ctx, &apigatewayv2.UpdateDomainNameInput{DomainName: name, DomainNameConfigurations: []gwtypes.DomainNameConfiguration{{CertificateArn: &certificate, EndpointType: gwtypes.EndpointTypeRegional}}})
		return err
	}
	wantCode(t, configure(other), "BadRequestException")
	_, root := ecRoot(t, s.pca, "trusted")
	s.bucket("domains")
	s.put("domains", "trust.pem", []byte(root))
	trust := func(uri string) (*apigatewayv2.UpdateDomainNameOutput, error) {
		return s.gateway.UpdateDomainName(ctx, &apigatewayv2.UpdateDomainNameInput{DomainName: name, MutualTlsAuthentication: &gwtypes.MutualTlsAuthenticationInput{TruststoreUri: &uri}})
	}
	_, err = trust("s3://domains/none.pem")
	wantCode(t, err, "BadRequestException")
	s.put("domains", "no.pem", []byte("this is not PEM"))
	_, err = trust("s3://domains/no.pem")
	wantCode(t, err, "BadRequestException")
	client.get(*name, "", "/x").want(t, 200, "")
	same(t, "trust store", *must(trust("s3://domains/trust.pem"))(t).MutualTlsAuthentication.TruststoreUri, "s3://domains/trust.pem")
	client.get(*name, "", "/x").wantRefused(t, "certificate required")
	must(trust(""))(t)
	client.get(*name, "", "/x").want(t, 200, "")

	must(s.gateway.DeleteDomainName(ctx, &apigatewayv2.DeleteDomainNameInput{DomainName: name}))(t)
	_, err = s.gateway.GetDomainName(ctx, &apigatewayv2.GetDomainNameInput{DomainName: name})
	wantCode(t, err, "NotFoundException")
	if gone := client.get(*name, "", "/x"); gone.refused == nil {
		t.Errorf("a domain name that is gone answers %+v", gone)
	}
	must(s.acm.DeleteCertificate(ctx, &acm.DeleteCertificateInput{CertificateArn: &certificate}))(t)
}

func gatewayTags(s *system) {
	t, ctx := s.t, context.Background()
	arn := aws.String("arn:aws:apigateway:" + region + "::/apis/" + s.api("tagged"))
	must(s.gateway.TagResource(ctx, &apigatewayv2.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "1", "b": "2"}}))(t)
	must(s.gateway.UntagResource(ctx, &apigatewayv2.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}}))(t)
	same(t, "tags", must(s.gateway.GetTags(ctx, &apigatewayv2.GetTagsInput{ResourceArn: arn}))(t).Tags, map[string]string{"b": "2"})
}

// Browsers are answered by the gateway as the API's configuration says, at once
// and until it is deleted.
func gatewayCORS(s *system) {
	t, ctx := s.t, context.Background()
	backend := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "of the backend")
		fmt.Fprint(w, r.Method)
	})
	made := must(s.gateway.CreateApi(ctx, &apigatewayv2.CreateApiInput{
		Name: aws.String("cors"), ProtocolType: gwtypes.ProtocolTypeHttp, Target: &backend, RouteKey: aws.String("GET /pets"),
		CorsConfiguration: &gwtypes.Cors{AllowOrigins: []string{"https://app.test"}, AllowMethods: []string{"GET"}, MaxAge: aws.Int32(300)},
	}))(t)
	same(t, "configuration", made.CorsConfiguration.AllowOrigins, []string{"https://app.test"})
	client := s.caller(nil)
	ask := func(method, origin string) string {
		t.Helper()
		reply := client.send(method, defaultHost(*made.ApiId), "/pets", http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"GET"}})
		return fmt.Sprint(reply.status, " ", reply.header.Get("Access-Control-Allow-Origin"), " ", reply.header.Get("Access-Control-Max-Age"))
	}
	same(t, "preflight", ask("OPTIONS", "https://app.test"), "204 https://app.test 300")
	same(t, "preflight of another origin", ask("OPTIONS", "https://other.test"), "204  ")
	same(t, "request", ask("GET", "https://app.test"), "200 https://app.test ")
	must(s.gateway.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{ApiId: made.ApiId, CorsConfiguration: &gwtypes.Cors{AllowOrigins: []string{"https://*"}}}))(t)
	same(t, "preflight of another origin", ask("OPTIONS", "https://other.test"), "204 https://other.test ")
	must(s.gateway.DeleteCorsConfiguration(ctx, &apigatewayv2.DeleteCorsConfigurationInput{ApiId: made.ApiId}))(t)
	same(t, "preflight without configuration", ask("OPTIONS", "https://app.test"), "404  ")
	same(t, "request without configuration", ask("GET", "https://app.test"), "200 of the backend ")
}

// An API made of an OpenAPI document, as SAM writes them, serves what the document
// says: path variables, the default route, an authorizer by security, CORS.
func gatewayImport(s *system) {
	t, ctx := s.t, context.Background()
	uri := func(function string) string {
		return "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/" + function + "/invocations"
	}
	echo, guard := s.function("imported"), s.deploy("import-guard", must(authorizer())(t))
	document := func(paths string) *string {
		return aws.String(`
openapi: 3.0.1
info: {title: imported, version: 2.0}
x-amazon-apigateway-cors: {allowOrigins: [https://app.test], maxAge: "300"}
tags: [{name: httpapi:createdBy, x-amazon-apigateway-tag-value: SAM}]
paths:
  /pets/{id}: {get: {x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/echo'}}}
` + paths + `
components:
  x-amazon-apigateway-integrations:
    echo: {type: aws_proxy, httpMethod: POST, payloadFormatVersion: 2.0, uri: '` + uri(echo) + `'}
  securitySchemes:
    Guard:
      type: apiKey
      in: header
      name: Unused
      x-amazon-apigateway-authorizer: {type: request, authorizerUri: '` + uri(guard) + `', authorizerPayloadFormatVersion: 2.0, enableSimpleResponses: true, identitySource: [$request.header.X-Token]}
`)
	}
	made := must(s.gateway.ImportApi(ctx, &apigatewayv2.ImportApiInput{FailOnWarnings: aws.Bool(true), Body: document(`
  /files/{proxy+}: {x-amazon-apigateway-any-method: {parameters: [{name: proxy+, in: path, required: true}], x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/echo'}}}
  /guarded: {get: {security: [{Guard: []}], x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/echo'}}}
  /$default: {x-amazon-apigateway-any-method: {isDefaultRoute: true, x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/echo'}}}
`)}))(t)
	api := made.ApiId
	same(t, "made", fmt.Sprint(*made.Name, *made.Version, made.Tags, made.Warnings), "imported2.0map[httpapi:createdBy:SAM] []")
	must(s.gateway.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: api, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)}))(t)
	for function, source := range map[string]string{"imported": "/*", "import-guard": "/authorizers/*"} {
		must(s.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
			FunctionName: &function, StatementId: aws.String("gateway"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"),
			SourceArn: aws.String("arn:aws:execute-api:" + region + ":" + account + ":" + *api + source),
		}))(t)
	}
	client := s.caller(nil)
	host := defaultHost(*api)
	client.get(host, "", "/pets/7").want(t, 200, `"pathParameters":{"id":"7"}`)
	client.get(host, "", "/pets/7").want(t, 200, `"routeKey":"GET /pets/{id}"`)
	client.send(http.MethodPut, host, "/files/a/b%20c?x=1", nil).want(t, 200, `"pathParameters":{"proxy":"a/b c"}`)
	client.send(http.MethodPost, host, "/pets/7", nil).want(t, 200, `"routeKey":"$default"`)
	client.get(host, "", "/files").want(t, 200, `"routeKey":"$default"`)
	client.get(host, "", "/guarded").want(t, 401, "Unauthorized")
	client.send(http.MethodGet, host, "/guarded", http.Header{"X-Token": {"deny"}}).want(t, 403, "Forbidden")
	client.send(http.MethodGet, host, "/guarded", http.Header{"X-Token": {"allow"}}).want(t, 200, `"routeKey":"GET /guarded"`)
	preflight := client.send(http.MethodOptions, host, "/guarded", http.Header{"Origin": {"https://app.test"}, "Access-Control-Request-Method": {"GET"}})
	same(t, "preflight", fmt.Sprint(preflight.status, preflight.header.Get("Access-Control-Max-Age")), "204300")

	// A document that warns changes nothing when it must not; the next one replaces everything at once.
	_, err := s.gateway.ReimportApi(ctx, &apigatewayv2.ReimportApiInput{ApiId: api, FailOnWarnings: aws.Bool(true), Body: document(`
  $default: {x-amazon-apigateway-any-method: {isDefaultRoute: true}}`)})
	wantCode(t, err, "BadRequestException")
	client.get(host, "", "/guarded").want(t, 401, "Unauthorized")
	again := must(s.gateway.ReimportApi(ctx, &apigatewayv2.ReimportApiInput{ApiId: api, Basepath: aws.String("ignore"), Body: document("  /new: {get: {x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/echo'}}}")}))(t)
	same(t, "same API", *again.ApiId, *api)
	client.get(host, "", "/new").want(t, 200, `"routeKey":"GET /new"`)
	client.get(host, "", "/guarded").want(t, 404, "Not Found")
}

func gatewayRefusals(s *system) {
	t, ctx := s.t, context.Background()
	_, err := s.gateway.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: aws.String("none")})
	wantCode(t, err, "NotFoundException")
	_, err = s.gateway.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("sockets"), ProtocolType: gwtypes.ProtocolTypeWebsocket})
	wantCode(t, err, "BadRequestException")
	api := s.api("refusing")
	_, err = s.gateway.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: &api, RouteKey: aws.String("FETCH it")})
	wantCode(t, err, "BadRequestException")
	_, err = s.gateway.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: &api})
	wantCode(t, err, "BadRequestException")
	_, err = s.gateway.CreateAuthorizer(ctx, &apigatewayv2.CreateAuthorizerInput{ApiId: &api, Name: aws.String("a"), AuthorizerType: gwtypes.AuthorizerTypeJwt, IdentitySource: []string{"$request.header.Authorization"}})
	wantCode(t, err, "BadRequestException") // no issuer
	_, err = s.gateway.GetAuthorizer(ctx, &apigatewayv2.GetAuthorizerInput{ApiId: &api, AuthorizerId: aws.String("none")})
	wantCode(t, err, "NotFoundException")
	_, err = s.gateway.GetModels(ctx, &apigatewayv2.GetModelsInput{ApiId: &api})
	wantCode(t, err, "NotImplementedException")
}
