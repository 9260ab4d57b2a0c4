package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"countersign/service/stacks/resource"
	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

// onREST is a hand for the API of a stack.
func (d *driver) onREST(t *testing.T, id string) *hand {
	return &hand{REST: d.f.REST(), t: t, f: d.f, ctx: d.ctx, id: id}
}

// What SAM makes of the article's template, with CORS and an authorizer, is made, changed and deleted.
func TestRestResourcesOfSAM(t *testing.T) {
	t.Parallel()
	d, f := drive(t)
	sam := samResources(t, "rest-mutual")
	ids := map[string]string{}
	create := func(logicalID string) resourceOf {
		t.Helper()
		r := sam[logicalID]
		for name, v := range r.Properties {
			if text, ok := v.(string); ok && ids[text] != "" {
				r.Properties[name] = ids[text]
			}
		}
		made := d.create(t, "REST "+strings.TrimPrefix(r.Type, "AWS::ApiGateway::"), logicalID, r.Properties)
		ids[logicalID] = made.PhysicalID
		return made
	}
	api := create("MyApi")
	deployment := create("MyApiDeployment2e9d71f683")
	stage := create("MyApiProdStage")
	domain := create("ApiGatewayDomainName1bc412bb08")
	mapping := create("MyApiBasePathMapping")
	h := d.onREST(t, api.PhysicalID)
	got := must(h.GetRestApi(d.ctx, &apigateway.GetRestApiInput{RestApiId: &api.PhysicalID}))(t)
	same(t, "API", fmt.Sprint(*got.Name, got.DisableExecuteApiEndpoint, got.EndpointConfiguration.Types, got.BinaryMediaTypes), "demotrue [EDGE] [image/png]")
	same(t, "attributes", api.Attributes, map[string]any{"RestApiId": api.PhysicalID, "RootResourceId": *got.RootResourceId})
	same(t, "tags", got.Tags["aws:cloudformation:logical-id"], "MyApi")
	same(t, "tree", h.shown(api.PhysicalID), []string{"/", "/hello-world", "/hello-world/{id} GET:AWS_PROXY:L OPTIONS:MOCK:NONE", "/x", "/x/{proxy+} ANY:AWS_PROXY:L OPTIONS:MOCK:NONE"})
	same(t, "domain", []any{domain.PhysicalID, domain.Attributes["RegionalHostedZoneId"], domain.Attributes["DomainNameArn"]}, []any{"api.example.com", "ZLY8HYME6SFDD", "arn:aws:apigateway:eu-west-1::/domainnames/api.example.com"})
	served := func() string {
		t.Helper()
		domains, _, problems, err := f.Compile(d.ctx)
		if err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		m := domains["api.example.com"].Mappings[0]
		if domains["api.example.com"].Mutual == nil || m.Stage.Routes[0].Throttle == nil || m.Stage.Routes[0].Throttle.Burst != 5 {
			t.Errorf("mutual TLS %v, throttle %v", domains["api.example.com"].Mutual, m.Stage.Routes[0].Throttle)
		}
		return fmt.Sprint(m.API.DisableDefaultEndpoint, m.Stage.Name, keys(m.Stage))
	}
	same(t, "served", served(), "trueProd[GET /hello-world/{id} OPTIONS /hello-world/{id} OPTIONS /x/{proxy+} ANY /x/{proxy+}]")
	variables := must(h.GetStage(d.ctx, &apigateway.GetStageInput{RestApiId: &api.PhysicalID, StageName: aws.String("Prod")}))(t).Variables
	same(t, "variables", variables, map[string]string{"color": "red"})

	// A new Body and a new deployment, as SAM makes one: the stage of the old one moves, and the old one goes.
	body := map[string]any{"swagger": "2.0", "info": map[string]any{"title": "renamed"}, "paths": map[string]any{"/new": map[string]any{"get": map[string]any{
		"x-amazon-apigateway-integration": map[string]any{"type": "aws_proxy", "httpMethod": "POST", "uri": functionURI}}}}}
	d.update(t, &api, with(api.properties, map[string]any{"Body": body, "BinaryMediaTypes": nil}))
	got = must(h.GetRestApi(d.ctx, &apigateway.GetRestApiInput{RestApiId: &api.PhysicalID}))(t)
	same(t, "API after", fmt.Sprint(*got.Name, got.DisableExecuteApiEndpoint, got.BinaryMediaTypes), "renamedfalse []")
	second := d.create(t, "REST Deployment", "Second", map[string]any{"RestApiId": api.PhysicalID, "StageName": "Stage", "Description": "second"})
	d.update(t, &stage, with(stage.properties, map[string]any{"DeploymentId": second.PhysicalID, "Variables": map[string]any{"size": "1"}}))
	d.delete(t, deployment)
	same(t, "served", served(), "falseProd[GET /new]")
	d.update(t, &stage, with(stage.properties, map[string]any{"MethodSettings": nil, "Description": "now"}))
	after := must(h.GetStage(d.ctx, &apigateway.GetStageInput{RestApiId: &api.PhysicalID, StageName: aws.String("Prod")}))(t)
	same(t, "stage", fmt.Sprint(len(after.MethodSettings), after.Variables, *after.Description), "0 map[size:1]now")
	d.update(t, &api, with(api.properties, map[string]any{"Name": "named", "DisableExecuteApiEndpoint": true, "Tags": []any{map[string]any{"Key": "team", "Value": "blue"}},
		"EndpointConfiguration": map[string]any{"Types": []any{"REGIONAL"}}, "Policy": map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}}}}))
	got = must(h.GetRestApi(d.ctx, &apigateway.GetRestApiInput{RestApiId: &api.PhysicalID}))(t)
	same(t, "API with properties", fmt.Sprint(*got.Name, got.DisableExecuteApiEndpoint, got.EndpointConfiguration.Types, got.Policy != nil, got.Tags["team"]), "namedtrue [REGIONAL] trueblue")
	d.update(t, &api, with(api.properties, map[string]any{"Name": nil, "DisableExecuteApiEndpoint": nil, "Tags": nil, "EndpointConfiguration": nil, "Policy": nil}))
	got = must(h.GetRestApi(d.ctx, &apigateway.GetRestApiInput{RestApiId: &api.PhysicalID}))(t)
	same(t, "API without them", fmt.Sprint(*got.Name, got.DisableExecuteApiEndpoint, got.EndpointConfiguration.Types, got.Policy != nil, got.Tags["team"]), "renamedfalse [EDGE] false")

	// Trust stores are read again when they change in the template, and only then.
	_, other := certificate(t, "Root Two")
	f.bucket["trust/second.pem"] = [][]byte{other}
	d.update(t, &domain, with(domain.properties, map[string]any{"MutualTlsAuthentication": map[string]any{"TruststoreUri": "s3://trust/second.pem"}}))
	delete(f.bucket, "trust/second.pem")
	d.update(t, &domain, with(domain.properties, map[string]any{"Tags": []any{map[string]any{"Key": "a", "Value": "b"}}}))
	name := must(h.GetDomainName(d.ctx, &apigateway.GetDomainNameInput{DomainName: aws.String("api.example.com")}))(t)
	same(t, "domain name", fmt.Sprint(*name.MutualTlsAuthentication.TruststoreUri, name.Tags["a"]), "s3://trust/second.pemb")
	d.update(t, &domain, with(domain.properties, map[string]any{"MutualTlsAuthentication": nil}))
	if name = must(h.GetDomainName(d.ctx, &apigateway.GetDomainNameInput{DomainName: aws.String("api.example.com")}))(t); name.MutualTlsAuthentication != nil {
		t.Errorf("mutual TLS is still on")
	}
	d.update(t, &mapping, with(mapping.properties, map[string]any{"Stage": nil}))
	if m := must(h.GetBasePathMapping(d.ctx, &apigateway.GetBasePathMappingInput{DomainName: aws.String("api.example.com"), BasePath: aws.String("(none)")}))(t); m.Stage != nil {
		t.Errorf("mapped to stage %s", *m.Stage)
	}

	for _, r := range []resourceOf{mapping, stage, second, domain, api} {
		d.delete(t, r)
	}
	if left := d.left(t); len(left) > 0 {
		t.Errorf("the stack left %v", left)
	}
}

// An API put together of parts, as CDK does it.
func TestRestResourcesByParts(t *testing.T) {
	t.Parallel()
	d, _ := drive(t)
	api := d.create(t, "REST RestApi", "Api", map[string]any{"Name": "parts", "Description": "first", "EndpointConfiguration": map[string]any{"Types": []any{"REGIONAL"}}})
	id := api.PhysicalID
	h := d.onREST(t, id)
	guard := d.create(t, "REST Authorizer", "Guard", map[string]any{"RestApiId": id, "Name": "guard", "Type": "TOKEN", "AuthorizerUri": functionURI, "IdentitySource": "method.request.header.A", "AuthorizerResultTtlInSeconds": "60"})
	pets := d.create(t, "REST Resource", "Pets", map[string]any{"RestApiId": id, "ParentId": api.Attributes["RootResourceId"], "PathPart": "pets"})
	item := d.create(t, "REST Resource", "Item", map[string]any{"RestApiId": id, "ParentId": pets.PhysicalID, "PathPart": "{id}"})
	get := d.create(t, "REST Method", "Get", map[string]any{
		"RestApiId": id, "ResourceId": item.PhysicalID, "HttpMethod": "GET", "AuthorizationType": "CUSTOM", "AuthorizerId": guard.PhysicalID, "RequestParameters": map[string]any{"method.request.path.id": true},
		"MethodResponses": []any{map[string]any{"StatusCode": "200", "ResponseModels": map[string]any{"application/json": "Empty"}}},
		"Integration": map[string]any{"Type": "HTTP_PROXY", "IntegrationHttpMethod": "GET", "Uri": backendURI + "{id}", "TimeoutInMillis": "1000",
			"RequestParameters": map[string]any{"integration.request.path.id": "method.request.path.id"}, "IntegrationResponses": []any{map[string]any{"StatusCode": "200"}}},
	})
	options := d.create(t, "REST Method", "Options", map[string]any{
		"RestApiId": id, "ResourceId": item.PhysicalID, "HttpMethod": "OPTIONS", "AuthorizationType": "NONE", "ApiKeyRequired": false,
		"MethodResponses": []any{map[string]any{"StatusCode": "204", "ResponseParameters": map[string]any{"method.response.header.Access-Control-Allow-Origin": "true"}}},
		"Integration": map[string]any{"Type": "MOCK", "RequestTemplates": map[string]any{"application/json": "{ statusCode: 204 }"},
			"IntegrationResponses": []any{map[string]any{"StatusCode": "204", "ResponseParameters": map[string]any{"method.response.header.Access-Control-Allow-Origin": "'*'"}}}},
	})
	deployment := d.create(t, "REST Deployment", "Deployment", map[string]any{"RestApiId": id, "Description": "first", "StageName": "live", "StageDescription": map[string]any{"Description": "of it", "Variables": map[string]any{"a": "b"}}})
	for _, r := range []resourceOf{guard, pets, deployment} {
		if len(r.Attributes) != 1 {
			t.Errorf("%s has the attributes %v", r.logicalID, r.Attributes)
		}
		for name, v := range r.Attributes {
			if !d.named(r.typ).HasAttribute(name) || v != r.PhysicalID {
				t.Errorf("%s: %s is %v", r.logicalID, name, v)
			}
		}
	}
	same(t, "tree", h.shown(id), []string{"/", "/pets", "/pets/{id} GET:HTTP_PROXY:guard OPTIONS:MOCK:NONE"})
	same(t, "served", keys(h.compiled("live")), []string{"GET /pets/{id}", "OPTIONS /pets/{id}"})
	same(t, "mock", h.compiled("live").Routes[1].Integration.Answers["application/json"].Header, map[string]string{"Access-Control-Allow-Origin": "*"})

	d.update(t, &guard, map[string]any{"RestApiId": id, "Name": "other", "Type": "REQUEST", "AuthorizerUri": functionURI, "IdentitySource": "method.request.header.A,method.request.querystring.b"})
	z := must(h.GetAuthorizer(d.ctx, &apigateway.GetAuthorizerInput{RestApiId: &id, AuthorizerId: &guard.PhysicalID}))(t)
	same(t, "authorizer", fmt.Sprint(*z.Name, z.Type, *z.AuthorizerResultTtlInSeconds), "otherREQUEST300")
	d.update(t, &get, map[string]any{"RestApiId": id, "ResourceId": item.PhysicalID, "HttpMethod": "GET", "AuthorizationType": "NONE", "OperationName": "getPet",
		"Integration": map[string]any{"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": functionURI}})
	same(t, "tree after", h.shown(id), []string{"/", "/pets", "/pets/{id} GET:AWS_PROXY:NONE OPTIONS:MOCK:NONE"})
	same(t, "deployed still", h.compiled("live").Routes[0].Authorizer != nil, true)
	d.update(t, &deployment, map[string]any{"RestApiId": id, "Description": "second", "StageName": "other"})
	same(t, "another stage", keys(h.compiled("other")), []string{"GET /pets/{id}", "OPTIONS /pets/{id}"})
	d.update(t, &deployment, map[string]any{"RestApiId": id, "Description": "second", "StageName": "live"})
	d.update(t, &api, map[string]any{"Name": "renamed"})
	got := must(h.GetRestApi(d.ctx, &apigateway.GetRestApiInput{RestApiId: &id}))(t)
	same(t, "API", fmt.Sprint(*got.Name, got.Description == nil, got.EndpointConfiguration.Types), "renamedtrue [EDGE]")

	// A rollback deletes the newer deployment: its stage goes back to the one before.
	newer := d.create(t, "REST Deployment", "Newer", map[string]any{"RestApiId": id, "StageName": "live"})
	same(t, "moved", h.compiled("live").Deployment, newer.PhysicalID)
	d.delete(t, newer)
	same(t, "moved back", h.compiled("live").Deployment, deployment.PhysicalID)
	must(h.DeleteStage(d.ctx, &apigateway.DeleteStageInput{RestApiId: &id, StageName: aws.String("other")}))(t)
	d.delete(t, deployment)
	same(t, "stages left", len(must(h.GetStages(d.ctx, &apigateway.GetStagesInput{RestApiId: &id}))(t).Item), 0)
	for _, r := range []resourceOf{options, get, item, pets, guard, api} {
		d.delete(t, r)
	}
	d.delete(t, get) // its API is gone, too
	if left := d.left(t); len(left) > 0 {
		t.Errorf("the stack left %v", left)
	}
	account := d.create(t, "REST Account", "Account", map[string]any{"CloudWatchRoleArn": "arn:aws:iam::000000000000:role/logs"})
	d.delete(t, account)
	same(t, "role", *must(h.GetAccount(d.ctx, &apigateway.GetAccountInput{}))(t).CloudwatchRoleArn, "arn:aws:iam::000000000000:role/logs")
}

// An attempt that was cut off before it could say so is found, and made once;
// what another change made is never taken for it.
func TestRestCreateIsIdempotent(t *testing.T) {
	t.Parallel()
	after := -1 // the store dies after so many more writes
	d, f := driveOn(t, storetest.FailAfter(storetest.New(t), func(*store.Batch) error {
		if after--; after == -1 {
			return errors.New("cut off")
		}
		return nil
	}))
	after = -2
	api := d.create(t, "REST RestApi", "Parent", map[string]any{"Name": "parent"})
	id := api.PhysicalID
	pets := d.create(t, "REST Resource", "Pets", map[string]any{"RestApiId": id, "ParentId": api.Attributes["RootResourceId"], "PathPart": "pets"})
	proxy := map[string]any{"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": functionURI, "IntegrationResponses": []any{map[string]any{"StatusCode": "200"}}}
	d.create(t, "REST Method", "Any", map[string]any{"RestApiId": id, "ResourceId": pets.PhysicalID, "HttpMethod": "ANY", "Integration": proxy})
	deployment := d.create(t, "REST Deployment", "Deployed", map[string]any{"RestApiId": id})
	d.create(t, "REST Stage", "Mapped", map[string]any{"RestApiId": id, "StageName": "mapped", "DeploymentId": deployment.PhysicalID})
	d.create(t, "REST DomainName", "Domain", map[string]any{"DomainName": "a.wild.example.com", "RegionalCertificateArn": issued})
	for n, of := range []struct {
		typ        string
		writes     int // of one attempt
		properties map[string]any
	}{
		{"RestApi", 1, map[string]any{"Name": "once"}},
		{"RestApi", 2, map[string]any{"Name": "imported", "Body": map[string]any{"swagger": "2.0", "info": map[string]any{"title": "other"}, "paths": map[string]any{"/x": map[string]any{}}}}},
		{"Resource", 1, map[string]any{"RestApiId": id, "ParentId": pets.PhysicalID, "PathPart": "once"}},
		{"Method", 4, map[string]any{"RestApiId": id, "ResourceId": pets.PhysicalID, "HttpMethod": "GET", "MethodResponses": []any{map[string]any{"StatusCode": "200"}}, "Integration": proxy}},
		{"Authorizer", 1, map[string]any{"RestApiId": id, "Name": "z", "Type": "TOKEN", "AuthorizerUri": functionURI, "IdentitySource": "method.request.header.A"}},
		{"Deployment", 1, map[string]any{"RestApiId": id, "StageName": "new"}},
		{"Stage", 2, map[string]any{"RestApiId": id, "StageName": "once", "DeploymentId": deployment.PhysicalID, "MethodSettings": []any{map[string]any{"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": "7"}}}},
		{"DomainName", 1, map[string]any{"DomainName": "api.example.com", "RegionalCertificateArn": issued}},
		{"BasePathMapping", 1, map[string]any{"DomainName": "a.wild.example.com", "RestApiId": id, "Stage": "mapped"}},
	} {
		for cut := range of.writes {
			what := fmt.Sprintf("%s %d, cut off after %d", of.typ, n, cut)
			typ := d.named("REST " + of.typ)
			token, other := fmt.Sprintf("token-%d-%d", n, cut), fmt.Sprintf("other-%d-%d", n, cut)
			find := func(token string) string {
				t.Helper()
				got, err := typ.Find(d.ctx, d.change(of.typ, what, of.properties, token))
				if err != nil {
					t.Fatalf("find %s: %v", what, err)
				}
				return got
			}
			same(t, what+": before", find(token), "")
			after = cut
			if _, err := d.tryCreate("REST "+of.typ, what, of.properties, token); err == nil || !strings.Contains(err.Error(), "cut off") {
				t.Fatalf("%s: %v", what, err)
			}
			after = -2
			left := find(token)
			first, err := d.tryCreate("REST "+of.typ, what, of.properties, token)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			same(t, what+": left by the first attempt", left, first.PhysicalID)
			again, err := d.tryCreate("REST "+of.typ, what, of.properties, token)
			if err != nil {
				t.Fatalf("%s again: %v", what, err)
			}
			same(t, what+": again", again.Result, first.Result)
			same(t, what+": of another change", find(other), "")
			third, err := d.tryCreate("REST "+of.typ, what, of.properties, other)
			if err == nil && (third.PhysicalID == first.PhysicalID) {
				t.Errorf("%s: another change was given %s, too", what, first.PhysicalID)
			}
			if err == nil && of.typ != "RestApi" {
				d.delete(t, third)
			}
			d.delete(t, first)
		}
	}
	h := d.onREST(t, id)
	same(t, "tree", h.shown(id), []string{"/", "/pets ANY:AWS_PROXY:NONE"})
	a, _, err := f.getREST(d.ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "left", []int{len(a.Authorizers), len(a.Stages)}, []int{0, 1})
}

func TestRestResourceProperties(t *testing.T) {
	t.Parallel()
	d, f := drive(t)
	body := map[string]any{"swagger": "2.0", "info": map[string]any{"title": "x"}}
	for _, c := range []struct {
		typ        string
		properties map[string]any
		want       string
	}{
		{"RestApi", map[string]any{"Body": body, "Name": "x", "Parameters": map[string]any{"endpointConfigurationTypes": "REGIONAL"}, "Mode": "merge"}, ""},
		{"RestApi", map[string]any{"Body": map[string]any{"openapi": "3.0.1", "info": map[string]any{"title": resource.Unknown{}}}}, ""},
		{"RestApi", map[string]any{"Body": "nonsense"}, "property Body: Invalid OpenAPI input."},
		{"RestApi", map[string]any{"Body": body, "BodyS3Location": map[string]any{"Bucket": "b"}}, "Only one of Body and BodyS3Location"},
		{"RestApi", map[string]any{"Mode": "replace"}, "Mode is overwrite or merge"},
		{"RestApi", map[string]any{"CloneFrom": "x"}, "Property CloneFrom is not built"},
		{"RestApi", map[string]any{"EndpointConfiguration": map[string]any{"VpcEndpointIds": []any{"x"}}}, "Property VpcEndpointIds is not built"},
		{"Resource", map[string]any{"RestApiId": "x"}, "Property ParentId cannot be empty."},
		{"Method", map[string]any{"RestApiId": "x", "ResourceId": "y", "HttpMethod": "GET", "RequestValidatorId": "z"}, "Property RequestValidatorId is not built"},
		{"Method", map[string]any{"RestApiId": "x", "ResourceId": "y", "HttpMethod": "GET", "Integration": map[string]any{"Type": "AWS", "Credentials": "z"}}, "Property Credentials is not built"},
		{"Deployment", map[string]any{"RestApiId": "x", "StageDescription": map[string]any{}}, "StageDescription needs a StageName"},
		{"Deployment", map[string]any{"RestApiId": "x", "StageName": "s", "StageDescription": map[string]any{"TracingEnabled": true}}, "Property TracingEnabled is not built"},
		{"Stage", map[string]any{"RestApiId": "x", "StageName": "s", "AccessLogSetting": map[string]any{}}, "Property AccessLogSetting is not built"},
		{"Stage", map[string]any{"StageName": "s"}, "Property RestApiId cannot be empty."},
		{"Authorizer", map[string]any{"RestApiId": "x", "Name": "n", "Type": "COGNITO_USER_POOLS", "ProviderARNs": []any{}}, "Property ProviderARNs is not built"},
		{"DomainName", map[string]any{"RegionalCertificateArn": "x"}, "Property DomainName cannot be empty."},
		{"BasePathMapping", map[string]any{"DomainName": "x", "Id": "y"}, "Encountered unsupported property Id"},
	} {
		var texts []string
		for _, p := range d.named("REST " + c.typ).Check(c.properties) {
			texts = append(texts, (&resource.PropertyError{Problem: p}).Error())
		}
		if got := strings.Join(texts, "; "); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s %v: got %q, want %q", c.typ, c.properties, got, c.want)
		}
	}
	for typ, names := range map[string][]string{
		"RestApi": {}, "Resource": {"RestApiId", "ParentId", "PathPart"}, "Method": {"RestApiId", "ResourceId", "HttpMethod"}, "Deployment": {"RestApiId"}, "Stage": {"RestApiId", "StageName"},
		"Authorizer": {"RestApiId"}, "DomainName": {"DomainName"}, "BasePathMapping": {"DomainName", "BasePath"}, "Account": {},
	} {
		for _, name := range []string{"RestApiId", "StageName", "ParentId", "PathPart", "ResourceId", "HttpMethod", "DomainName", "BasePath", "Description", "Body", "Tags"} {
			if got := d.named("REST " + typ).Replaces(name); got != (slices.Contains(names, name) || typ == "Resource") {
				t.Errorf("a change of %s %s: replaces is %t", typ, name, got)
			}
		}
	}
	f.bucket["code/api.yaml"] = [][]byte{[]byte("swagger: \"2.0\"\ninfo: {title: from the bucket}\npaths: {/x: {}}")}
	made := d.create(t, "REST RestApi", "Stored", map[string]any{"BodyS3Location": map[string]any{"Bucket": "code", "Key": "api.yaml"}})
	same(t, "read", d.onREST(t, made.PhysicalID).shown(made.PhysicalID), []string{"/", "/x"})
	_, err := d.tryCreate("REST RestApi", "Missing", map[string]any{"BodyS3Location": map[string]any{"Bucket": "code", "Key": "none.yaml"}}, "")
	wantError(t, err, "BadRequestException", "could not read s3://code/none.yaml: NoSuchKey")
	_, err = d.tryCreate("REST RestApi", "Wrong", map[string]any{"Body": with(body, map[string]any{"paths": map[string]any{"/x": map[string]any{"get": map[string]any{"security": []any{map[string]any{"none": []any{}}}}}}})}, "")
	wantError(t, err, "BadRequestException", "Errors found during import")
	_, err = d.tryCreate("REST DomainName", "Edge", map[string]any{"DomainName": "api.example.com", "CertificateArn": issued, "MutualTlsAuthentication": map[string]any{"TruststoreUri": "s3://trust/roots.pem"}}, "")
	wantError(t, err, "BadRequestException", "Mutual TLS is supported for REGIONAL domain names only")
}
