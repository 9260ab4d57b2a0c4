package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/call"
	"countersign/edge/snapshot"
	"countersign/service/stacks/resource"
	"countersign/store"
	"countersign/store/storetest"
	"countersign/wire"
	"countersign/wire/shape"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
)

// A driver does to resources what a stack does, one at a time. Its gate lets every call of API Gateway's
// and S3's models through that is valid.
type driver struct {
	f     *fixture
	ctx   context.Context
	stack resource.Stack
	types map[string]resource.Type

	mu      sync.Mutex
	changes int
	calls   []string
}

// A resourceOf is a resource of the driver's stack.
type resourceOf struct {
	typ        string
	logicalID  string
	properties map[string]any
	resource.Result
}

func drive(t *testing.T) (*driver, *fixture) {
	t.Helper()
	return driveOn(t, storetest.New(t))
}

func driveOn(t *testing.T, s store.Store) (*driver, *fixture) {
	t.Helper()
	f, ctx := setUpOn(t, s)
	d := &driver{f: f, types: map[string]resource.Type{}, stack: resource.Stack{
		ID: "arn:aws:cloudformation:eu-west-1:000000000000:stack/demo/1", Name: "demo", Account: account, Region: region, Partition: "aws",
	}}
	d.ctx = resource.WithGate(call.Through(ctx, call.CloudFormation), func(ctx context.Context, input any) (context.Context, error) {
		name := strings.TrimSuffix(reflect.TypeOf(input).Elem().Name(), "Input")
		d.mu.Lock()
		d.calls = append(d.calls, name)
		d.mu.Unlock()
		m, _ := shape.Service(path.Base(reflect.TypeOf(input).Elem().PkgPath()))
		if op, ok := m.Operations[name]; ok {
			return ctx, wire.Validate(op, input)
		}
		return ctx, fmt.Errorf("no operation %s", name)
	})
	for _, typ := range slices.Concat(f.ResourceTypes(), f.RESTResourceTypes()) {
		d.types[typ.Name] = typ
	}
	return d, f
}

// named finds a type by its name, which is one of HTTP APIs unless it says otherwise: "REST Stage".
func (d *driver) named(typ string) resource.Type {
	if rest, ok := strings.CutPrefix(typ, "REST "); ok {
		return d.types["AWS::ApiGateway::"+rest]
	}
	return d.types["AWS::ApiGatewayV2::"+typ]
}

func (d *driver) change(typ, logicalID string, properties map[string]any, token string) *resource.Change[map[string]any] {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changes++; token == "" {
		token = fmt.Sprintf("00000000-0000-0000-0000-%012d", d.changes)
	}
	return &resource.Change[map[string]any]{
		Stack: d.stack, LogicalID: logicalID, Type: typ, Raw: properties, Properties: properties, Token: token,
		Tags: map[string]string{"aws:cloudformation:stack-id": d.stack.ID, "aws:cloudformation:logical-id": logicalID, "aws:cloudformation:stack-name": "demo", "of": "the stack"},
		Now:  func() time.Time { return d.f.now },
	}
}

func (d *driver) tryCreate(typ, logicalID string, properties map[string]any, token string) (resourceOf, error) {
	result, err := d.named(typ).Create(d.ctx, d.change(typ, logicalID, properties, token))
	return resourceOf{typ, logicalID, properties, result}, err
}

func (d *driver) create(t *testing.T, typ, logicalID string, properties map[string]any) resourceOf {
	t.Helper()
	if problems := d.named(typ).Check(properties); len(problems) > 0 {
		t.Fatalf("%s: %v", logicalID, problems)
	}
	r, err := d.tryCreate(typ, logicalID, properties, "")
	if err != nil {
		t.Fatalf("create %s: %v", logicalID, err)
	}
	return r
}

func (d *driver) tryUpdate(r *resourceOf, properties map[string]any) error {
	c := d.change(r.typ, r.logicalID, properties, "")
	c.PhysicalID, c.Attributes, c.OldRaw = r.PhysicalID, r.Attributes, r.properties
	result, err := d.named(r.typ).Update(d.ctx, c)
	if err == nil {
		r.Result, r.properties = result, properties
	}
	return err
}

func (d *driver) update(t *testing.T, r *resourceOf, properties map[string]any) {
	t.Helper()
	before := r.PhysicalID
	if err := d.tryUpdate(r, properties); err != nil {
		t.Fatalf("update %s: %v", r.logicalID, err)
	}
	if r.PhysicalID != before {
		t.Errorf("update of %s: %s became %s", r.logicalID, before, r.PhysicalID)
	}
}

// delete deletes twice: that it is gone already is a success.
func (d *driver) delete(t *testing.T, r resourceOf) {
	t.Helper()
	for range 2 {
		c := d.change(r.typ, r.logicalID, r.properties, "")
		c.PhysicalID, c.Attributes = r.PhysicalID, r.Attributes
		if err := d.named(r.typ).Delete(d.ctx, c); err != nil {
			t.Fatalf("delete %s: %v", r.logicalID, err)
		}
	}
}

// left are the records that are in the store.
func (d *driver) left(t *testing.T) (keys []string) {
	t.Helper()
	for _, kind := range []string{KindAPI, KindREST, KindDomain, kindDeployment, kindRESTDeployment, kindTrust} {
		for _, r := range must(d.f.store.List(d.ctx, kind, "", "", 0))(t) {
			keys = append(keys, kind+" "+r.Key)
		}
	}
	return keys
}

func with(properties map[string]any, changes map[string]any) map[string]any {
	out := maps.Clone(properties)
	for k, v := range changes {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

func tagged(tags map[string]string, pairs ...string) map[string]string {
	out := maps.Clone(tags)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// What SAM makes of a template with a domain name and mutual TLS is made, changed and deleted.
func TestResourcesOfSAM(t *testing.T) {
	t.Parallel()
	d, f := drive(t)
	sam := samResources(t, "plain")
	ids := map[string]string{}
	create := func(logicalID string) resourceOf {
		t.Helper()
		r := sam[logicalID]
		for name, v := range r.Properties {
			if text, ok := v.(string); ok && ids[text] != "" {
				r.Properties[name] = ids[text]
			}
		}
		made := d.create(t, strings.TrimPrefix(r.Type, "AWS::ApiGatewayV2::"), logicalID, r.Properties)
		ids[logicalID] = made.PhysicalID
		return made
	}
	api := create("Api")
	stage := create("ApiApiGatewayDefaultStage")
	domain := create("ApiGatewayDomainNameV21bc412bb08")
	pets, dogs := create("ApipetsApiMapping"), create("Apiv1dogsApiMapping")

	same(t, "API", api.Attributes, map[string]any{"ApiId": api.PhysicalID, "ApiEndpoint": "https://" + api.PhysicalID + ".execute-api.eu-west-1.amazonaws.com"})
	same(t, "stage", stage.PhysicalID, "$default")
	same(t, "domain name", domain.PhysicalID, "api.example.com")
	same(t, "attributes", []any{domain.Attributes["DomainNameArn"], domain.Attributes["RegionalHostedZoneId"], strings.HasSuffix(domain.Attributes["RegionalDomainName"].(string), ".execute-api.eu-west-1.amazonaws.com")},
		[]any{"arn:aws:apigateway:eu-west-1::/domainnames/api.example.com", "ZLY8HYME6SFDD", true})
	got := must(f.GetApi(d.ctx, &apigatewayv2.GetApiInput{ApiId: &api.PhysicalID}))(t)
	same(t, "tags", got.Tags, map[string]string{
		"team": "blue", "httpapi:createdBy": "SAM", "of": "the stack",
		"aws:cloudformation:stack-id": d.stack.ID, "aws:cloudformation:logical-id": "Api", "aws:cloudformation:stack-name": "demo",
	})
	same(t, "stage variables", must(f.GetStage(d.ctx, &apigatewayv2.GetStageInput{ApiId: &api.PhysicalID, StageName: aws.String("$default")}))(t).StageVariables, map[string]string{"color": "red"})

	served := func() (*snapshot.Domain, []string) {
		t.Helper()
		domains, _, problems, err := f.Compile(d.ctx)
		if err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		s := domains["api.example.com"]
		var routes []string
		for _, r := range s.Mappings[0].Stage.Routes {
			routes = append(routes, r.Key)
		}
		return s, routes
	}
	s, routes := served()
	same(t, "mappings", []any{s.Mappings[0].Segments, s.Mappings[1].Segments, s.Mappings[0].API.DisableDefaultEndpoint}, []any{[]string{"v1", "dogs"}, []string{"pets"}, true})
	same(t, "routes", routes, []string{"ANY /pets/{id}", "GET /", "PUT /files/{proxy+}", "$default"})
	if s.Mutual == nil || s.Mutual.URI != "s3://trust/roots.pem" {
		t.Errorf("mutual TLS %+v", s.Mutual)
	}

	// A new Body is an import in place: what it leaves out is gone, the default endpoint is open again.
	d.update(t, &api, with(api.properties, map[string]any{"Body": map[string]any{
		"openapi": "3.0.1", "info": map[string]any{"title": "demo", "version": "2"}, "paths": map[string]any{"/": map[string]any{"get": map[string]any{}}},
	}}))
	s, routes = served()
	same(t, "routes after the update", routes, []string{"GET /"})
	got = must(f.GetApi(d.ctx, &apigatewayv2.GetApiInput{ApiId: &api.PhysicalID}))(t)
	if *got.DisableExecuteApiEndpoint || got.CorsConfiguration != nil || got.Tags["team"] != "" || got.Tags["of"] != "the stack" || got.Tags["aws:cloudformation:stack-id"] != d.stack.ID {
		t.Errorf("after the update: %+v", got)
	}

	// A new trust store is an update in place; one that did not change is not read again.
	_, second := certificate(t, "Root Two")
	f.bucket["trust/second.pem"] = [][]byte{second}
	was := s.Mutual.Trust
	d.update(t, &domain, with(domain.properties, map[string]any{"MutualTlsAuthentication": map[string]any{"TruststoreUri": "s3://trust/second.pem"}}))
	s, _ = served()
	if s.Mutual.Trust == was || s.Mutual.URI != "s3://trust/second.pem" {
		t.Errorf("the trust store is still %s", s.Mutual.URI)
	}
	delete(f.bucket, "trust/second.pem")
	d.update(t, &domain, with(domain.properties, map[string]any{"Tags": map[string]any{"team": "red"}}))
	tags := must(f.GetTags(d.ctx, &apigatewayv2.GetTagsInput{ResourceArn: aws.String(domain.Attributes["DomainNameArn"].(string))}))(t).Tags
	same(t, "tags of the domain name", []string{tags["team"], tags["httpapi:createdBy"], tags["of"], tags["aws:cloudformation:logical-id"]}, []string{"red", "", "the stack", "ApiGatewayDomainNameV21bc412bb08"})
	d.update(t, &domain, with(domain.properties, map[string]any{"MutualTlsAuthentication": nil}))
	if s, _ = served(); s.Mutual != nil {
		t.Errorf("mutual TLS is still on: %+v", s.Mutual)
	}
	d.update(t, &pets, with(pets.properties, map[string]any{"ApiMappingKey": nil}))
	if s, _ = served(); s.Mappings[1].Segments != nil {
		t.Errorf("mapped at %v", s.Mappings[1].Segments)
	}
	d.update(t, &stage, with(stage.properties, map[string]any{"StageVariables": nil, "Tags": nil}))
	after := must(f.GetStage(d.ctx, &apigatewayv2.GetStageInput{ApiId: &api.PhysicalID, StageName: aws.String("$default")}))(t)
	if len(after.StageVariables) != 0 || after.Tags["team"] != "" || after.Tags["of"] != "the stack" || !aws.ToBool(after.AutoDeploy) {
		t.Errorf("stage after the update: %+v", after)
	}

	// The stack's own tags change; what somebody has put there by hand stays.
	apiARN := aws.String("arn:aws:apigateway:eu-west-1::/apis/" + api.PhysicalID)
	must(f.TagResource(d.ctx, &apigatewayv2.TagResourceInput{ResourceArn: apiARN, Tags: map[string]string{"by": "hand"}}))(t)
	for _, r := range []*resourceOf{&api, &stage, &domain} {
		c := d.change(r.typ, r.logicalID, r.properties, "")
		c.PhysicalID, c.OldRaw, c.OldTags = r.PhysicalID, r.properties, c.Tags
		c.Tags = tagged(c.Tags, "of", "nobody", "new", "tag")
		if _, err := d.named(r.typ).Update(d.ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	for what, arn := range map[string]string{"API": *apiARN, "stage": *apiARN + "/stages/$default", "domain name": domain.Attributes["DomainNameArn"].(string)} {
		tags := must(f.GetTags(d.ctx, &apigatewayv2.GetTagsInput{ResourceArn: &arn}))(t).Tags
		same(t, what, []string{tags["of"], tags["new"], tags["aws:cloudformation:stack-name"]}, []string{"nobody", "tag", "demo"})
	}
	same(t, "by hand", must(f.GetTags(d.ctx, &apigatewayv2.GetTagsInput{ResourceArn: apiARN}))(t).Tags["by"], "hand")

	for _, r := range []resourceOf{pets, dogs, stage, domain, api} {
		d.delete(t, r)
	}
	if left := d.left(t); len(left) > 0 {
		t.Errorf("the stack left %v", left)
	}
}

// An API put together of parts, as CDK does it.
func TestResourcesByParts(t *testing.T) {
	t.Parallel()
	d, f := drive(t)
	api := d.create(t, "Api", "Api", map[string]any{
		"Name": "parts", "ProtocolType": "HTTP", "Description": "first", "Version": "1", "DisableExecuteApiEndpoint": "true",
		"CorsConfiguration": map[string]any{"AllowOrigins": []any{"https://app.test"}, "MaxAge": "60"},
	})
	id := api.PhysicalID
	guard := d.create(t, "Authorizer", "Guard", map[string]any{
		"ApiId": id, "AuthorizerType": "REQUEST", "Name": "guard", "AuthorizerUri": lambdaPath, "AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": "true",
		"AuthorizerResultTtlInSeconds": "60", "IdentitySource": []any{"$request.header.A"},
	})
	integration := d.create(t, "Integration", "Integration", map[string]any{"ApiId": id, "IntegrationType": "AWS_PROXY", "IntegrationUri": lambda, "PayloadFormatVersion": "2.0", "TimeoutInMillis": "1000"})
	route := d.create(t, "Route", "Route", map[string]any{
		"ApiId": id, "RouteKey": "GET /pets", "Target": "integrations/" + integration.PhysicalID, "AuthorizationType": "CUSTOM", "AuthorizerId": guard.PhysicalID, "OperationName": "pets",
	})
	stage := d.create(t, "Stage", "Stage", map[string]any{"ApiId": id, "StageName": "live", "StageVariables": `{"color": "red"}`})
	deployment := d.create(t, "Deployment", "Deployment", map[string]any{"ApiId": id, "StageName": "live", "Description": "first"})
	for _, r := range []resourceOf{guard, integration, route, stage, deployment} {
		if len(r.Attributes) != 1 {
			t.Errorf("%s has the attributes %v", r.logicalID, r.Attributes)
		}
		for name, v := range r.Attributes {
			if !d.named(r.typ).HasAttribute(name) || v != r.PhysicalID {
				t.Errorf("%s: %s is %v", r.logicalID, name, v)
			}
		}
	}
	same(t, "routes", f.routes(t, d.ctx, id), []string{"GET /pets CUSTOM → AWS_PROXY 2.0 1000"})

	d.update(t, &api, map[string]any{"Name": "renamed", "ProtocolType": "HTTP", "Tags": map[string]any{"team": "blue"}})
	got := must(f.GetApi(d.ctx, &apigatewayv2.GetApiInput{ApiId: &id}))(t)
	if *got.Name != "renamed" || got.Description != nil || got.Version != nil || *got.DisableExecuteApiEndpoint || got.CorsConfiguration != nil || got.Tags["team"] != "blue" {
		t.Errorf("API after the update: %+v", got)
	}
	d.update(t, &route, map[string]any{"ApiId": id, "RouteKey": "ANY /dogs/{id}"})
	same(t, "routes", f.routes(t, d.ctx, id), []string{"ANY /dogs/{id} NONE → "})
	d.update(t, &integration, map[string]any{"ApiId": id, "IntegrationType": "HTTP_PROXY", "IntegrationUri": "https://backend.test/", "IntegrationMethod": "GET"})
	d.update(t, &route, map[string]any{"ApiId": id, "RouteKey": "ANY /dogs/{id}", "Target": "integrations/" + integration.PhysicalID})
	same(t, "routes", f.routes(t, d.ctx, id), []string{"ANY /dogs/{id} NONE → HTTP_PROXY 1.0 30000"})
	d.update(t, &integration, map[string]any{"ApiId": id, "IntegrationType": "HTTP_PROXY", "IntegrationUri": "https://backend.test/"})
	same(t, "method", *must(f.GetIntegration(d.ctx, &apigatewayv2.GetIntegrationInput{ApiId: &id, IntegrationId: &integration.PhysicalID}))(t).IntegrationMethod, "ANY")
	d.update(t, &guard, map[string]any{"ApiId": id, "AuthorizerType": "JWT", "Name": "token", "IdentitySource": []any{"$request.header.Authorization"}, "JwtConfiguration": map[string]any{"Issuer": "https://issuer.test", "Audience": []any{"one"}}})
	z := must(f.GetAuthorizer(d.ctx, &apigatewayv2.GetAuthorizerInput{ApiId: &id, AuthorizerId: &guard.PhysicalID}))(t)
	if *z.Name != "token" || *z.JwtConfiguration.Issuer != "https://issuer.test" || z.AuthorizerUri != nil {
		t.Errorf("authorizer after the update: %+v", z)
	}
	d.update(t, &guard, map[string]any{"ApiId": id, "AuthorizerType": "REQUEST", "Name": "guard", "AuthorizerUri": lambda, "AuthorizerPayloadFormatVersion": "1.0"})

	second := d.create(t, "Deployment", "Second", map[string]any{"ApiId": id})
	d.update(t, &stage, with(stage.properties, map[string]any{"DeploymentId": second.PhysicalID, "Description": "now"}))
	same(t, "deployment of the stage", *must(f.GetStage(d.ctx, &apigatewayv2.GetStageInput{ApiId: &id, StageName: aws.String("live")}))(t).DeploymentId, second.PhysicalID)
	d.update(t, &deployment, map[string]any{"ApiId": id, "Description": "second"})
	d.delete(t, deployment)
	for _, r := range []resourceOf{route, integration, guard, stage, second} {
		d.delete(t, r)
	}
	if a, _, err := f.getAPI(d.ctx, id); err != nil || len(a.Routes)+len(a.Integrations)+len(a.Authorizers)+len(a.Stages) > 0 {
		t.Errorf("left: %+v, %v", a, err)
	}
	d.delete(t, api)
	d.delete(t, route) // its API is gone, too
	if left := d.left(t); len(left) > 0 {
		t.Errorf("the stack left %v", left)
	}
}

// An attempt that was cut off before it could say so is found, and made once;
// what another change made is never taken for it.
func TestCreateIsIdempotent(t *testing.T) {
	t.Parallel()
	cutOff := false // the store dies when it has written
	d, f := driveOn(t, storetest.FailAfter(storetest.New(t), func(*store.Batch) error {
		if cutOff {
			return errors.New("cut off")
		}
		return nil
	}))
	api := d.create(t, "Api", "Parent", map[string]any{"Name": "parent", "ProtocolType": "HTTP"})
	id := api.PhysicalID
	d.create(t, "Stage", "Mapped", map[string]any{"ApiId": id, "StageName": "mapped"})
	d.create(t, "Route", "Other", map[string]any{"ApiId": id, "RouteKey": "GET /other"})
	d.create(t, "DomainName", "Domain", map[string]any{"DomainName": "a.wild.example.com", "DomainNameConfigurations": []any{map[string]any{"CertificateArn": issued}}})
	for n, of := range []struct {
		typ        string
		properties map[string]any
	}{
		{"Api", map[string]any{"Name": "once", "ProtocolType": "HTTP"}},
		{"Api", map[string]any{"Name": "quick", "ProtocolType": "HTTP", "Target": lambda}},
		{"Api", map[string]any{"Body": map[string]any{"openapi": "3.0.1", "info": map[string]any{"title": "imported"}, "paths": map[string]any{"/x": map[string]any{"get": map[string]any{}}}}}},
		{"Stage", map[string]any{"ApiId": id, "StageName": "$default", "AutoDeploy": true}},
		{"Route", map[string]any{"ApiId": id, "RouteKey": "GET /x"}},
		{"Integration", map[string]any{"ApiId": id, "IntegrationType": "HTTP_PROXY", "IntegrationUri": "https://x.test/"}},
		{"Authorizer", map[string]any{"ApiId": id, "AuthorizerType": "REQUEST", "Name": "z", "AuthorizerUri": lambda, "AuthorizerPayloadFormatVersion": "2.0"}},
		{"Deployment", map[string]any{"ApiId": id}},
		{"DomainName", map[string]any{"DomainName": "api.example.com", "DomainNameConfigurations": []any{map[string]any{"CertificateArn": issued}}}},
		{"ApiMapping", map[string]any{"ApiId": id, "Stage": "mapped", "DomainName": "a.wild.example.com"}},
	} {
		what := fmt.Sprintf("%s %d", of.typ, n)
		typ := d.types["AWS::ApiGatewayV2::"+of.typ]
		token, other := fmt.Sprintf("token-%d", n), fmt.Sprintf("other-%d", n)
		find := func(token string) string {
			t.Helper()
			got, err := typ.Find(d.ctx, d.change(of.typ, what, of.properties, token))
			if err != nil {
				t.Fatalf("find %s: %v", what, err)
			}
			return got
		}
		same(t, what+" before", find(token), "")
		cutOff = true
		if _, err := d.tryCreate(of.typ, what, of.properties, token); err == nil || !strings.Contains(err.Error(), "cut off") {
			t.Fatalf("%s: %v", what, err)
		}
		cutOff = false
		left := find(token)
		first, err := d.tryCreate(of.typ, what, of.properties, token)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		same(t, what+" left by the first attempt", left, first.PhysicalID)
		again, err := d.tryCreate(of.typ, what, of.properties, token)
		if err != nil {
			t.Fatalf("%s again: %v", what, err)
		}
		same(t, what+" again", again.Result, first.Result)
		same(t, what+" found", find(token), first.PhysicalID)
		same(t, what+" of another change", find(other), "")
		third, err := d.tryCreate(of.typ, what, of.properties, other)
		if err == nil && third.PhysicalID == first.PhysicalID {
			t.Errorf("%s: another change was given %s, too", what, first.PhysicalID)
		}
	}
	a, _, err := f.getAPI(d.ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "made", []int{len(a.Routes), len(a.Integrations), len(a.Authorizers), len(a.Stages)}, []int{2, 2, 2, 2}) // the second of each by the other change
	same(t, "APIs", len(must(f.GetApis(d.ctx, &apigatewayv2.GetApisInput{}))(t).Items), 7)
}

func TestResourceProperties(t *testing.T) {
	t.Parallel()
	d, f := drive(t)
	check := func(typ string, properties map[string]any) string {
		t.Helper()
		var texts []string
		for _, p := range d.named(typ).Check(properties) {
			texts = append(texts, (&resource.PropertyError{Problem: p}).Error())
		}
		return strings.Join(texts, "; ")
	}
	body := map[string]any{"openapi": "3.0.1", "info": map[string]any{"title": "x"}}
	for _, c := range []struct {
		typ        string
		properties map[string]any
		want       string
	}{
		{"Api", map[string]any{"Body": body}, ""},
		{"Api", map[string]any{"Body": body, "Tags": map[string]any{"a": "b"}, "FailOnWarnings": "true", "BasePath": "prepend"}, ""},
		{"Api", map[string]any{"Body": map[string]any{"openapi": resource.Unknown{}}}, ""},
		{"Api", map[string]any{"Name": resource.Unknown{}, "ProtocolType": "HTTP"}, ""},
		{"Api", map[string]any{"Body": body, "Name": "x", "ProtocolType": "HTTP", "CorsConfiguration": map[string]any{}}, "Redundant fields [name, protocolType, corsConfiguration] provided when either Body or BodyS3Location is not empty"},
		{"Api", map[string]any{"BodyS3Location": map[string]any{"Bucket": "b", "Key": "k"}, "DisableExecuteApiEndpoint": true}, "Redundant fields [disableExecuteApiEndpoint]"},
		{"Api", map[string]any{"Body": body, "BodyS3Location": map[string]any{"Bucket": "b", "Key": "k"}}, "Only one of Body and BodyS3Location"},
		{"Api", map[string]any{"Body": map[string]any{"swagger": "2.0"}}, "property Body: Invalid OpenAPI input. an HTTP API is imported from an OpenAPI 3.0 document"},
		{"Api", map[string]any{"Body": "nonsense"}, "property Body: Invalid OpenAPI input."},
		{"Api", map[string]any{"Name": "x", "BasePath": "prepend"}, "BasePath needs a Body"},
		{"Api", map[string]any{"CredentialsArn": "x"}, "Property CredentialsArn is not built in this version"},
		{"Api", map[string]any{"Nmae": "x"}, "Encountered unsupported property Nmae"},
		{"Stage", map[string]any{"ApiId": "x", "StageName": "y", "AccessLogSettings": map[string]any{}}, "Property AccessLogSettings is not built"},
		{"Stage", map[string]any{"StageName": "y"}, "Property ApiId cannot be empty."},
		{"Integration", map[string]any{"ApiId": "x", "IntegrationType": "AWS_PROXY", "RequestParameters": map[string]any{}}, "Property RequestParameters is not built"},
		{"Authorizer", map[string]any{"ApiId": "x", "AuthorizerType": "REQUEST", "Name": "n", "AuthorizerCredentialsArn": "x"}, "Property AuthorizerCredentialsArn is not built"},
		{"DomainName", map[string]any{"DomainName": "x", "DomainNameConfigurations": []any{map[string]any{"CertificateArns": "x"}}}, "property DomainNameConfigurations/0/CertificateArns: Encountered unsupported property"},
	} {
		if got := check(c.typ, c.properties); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s %v: got %q, want %q", c.typ, c.properties, got, c.want)
		}
	}
	for typ, names := range map[string][]string{
		"Api": {"ProtocolType"}, "Stage": {"ApiId", "StageName"}, "Route": {"ApiId"}, "Integration": {"ApiId"}, "Authorizer": {"ApiId"},
		"Deployment": {"ApiId"}, "DomainName": {"DomainName"}, "ApiMapping": {"DomainName"},
	} {
		for _, name := range []string{"ApiId", "StageName", "ProtocolType", "DomainName", "Body", "Tags"} {
			if got := d.named(typ).Replaces(name); got != slices.Contains(names, name) {
				t.Errorf("a change of %s %s: replaces is %t", typ, name, got)
			}
		}
	}

	f.bucket["code/api.yaml"] = [][]byte{[]byte("openapi: 3.0.1\ninfo: {title: from the bucket}\npaths: {/x: {get: {}}}")}
	made := d.create(t, "Api", "Stored", map[string]any{"BodyS3Location": map[string]any{"Bucket": "code", "Key": "api.yaml"}})
	same(t, "read", *must(f.GetApi(d.ctx, &apigatewayv2.GetApiInput{ApiId: &made.PhysicalID}))(t).Name, "from the bucket")
	same(t, "calls", d.calls[:2], []string{"GetObject", "ImportApi"})
	_, err := d.tryCreate("Api", "Missing", map[string]any{"BodyS3Location": map[string]any{"Bucket": "code", "Key": "none.yaml"}}, "")
	wantError(t, err, "BadRequestException", "could not read s3://code/none.yaml: NoSuchKey")
	_, err = d.tryCreate("Api", "Warned", map[string]any{"FailOnWarnings": true, "Body": map[string]any{"openapi": "3.0.1", "info": map[string]any{"title": "x"}, "paths": map[string]any{"x": map[string]any{}}}}, "")
	wantError(t, err, "BadRequestException", "Warnings found during import:\n\tParse issue: attribute paths. Resource x should start with /")
	broken := map[string]any{"Body": with(body, map[string]any{"paths": map[string]any{"$default": map[string]any{"x-amazon-apigateway-any-method": map[string]any{}}, "/x": map[string]any{"get": map[string]any{"security": []any{map[string]any{"none": []any{}}}}}}})}
	_, err = d.tryCreate("Api", "Broken", broken, "")
	wantError(t, err, "BadRequestException", "Warnings found during import:\n\tUnable to put method 'GET' on resource at path '/x'")
	partial := d.create(t, "Api", "Partial", with(broken, map[string]any{"FailOnWarnings": false}))
	same(t, "partial", f.routes(t, d.ctx, partial.PhysicalID), []string{"$default NONE → "})
	_, err = d.tryCreate("Api", "Late", map[string]any{"Body": body, "Name": "x"}, "")
	wantError(t, err, "BadRequestException", "Redundant fields [name]")
	quick := d.create(t, "Api", "Quick", map[string]any{"Name": "quick", "ProtocolType": "HTTP", "Target": lambda})
	d.update(t, &quick, with(quick.properties, map[string]any{"Target": "https://backend.test/", "RouteKey": "GET /x"}))
	same(t, "quick", f.routes(t, d.ctx, quick.PhysicalID), []string{"GET /x NONE → HTTP_PROXY 1.0 30000"})
	wantError(t, d.tryUpdate(&quick, map[string]any{"Name": "quick", "ProtocolType": "HTTP"}), "BadRequestException", "property Target")
}

// A stack makes what does not depend on one another at the same time.
func TestManyPartsAtOnce(t *testing.T) {
	t.Parallel()
	d, f := drive(t)
	api := d.create(t, "Api", "Api", map[string]any{"Name": "many", "ProtocolType": "HTTP"})
	d.create(t, "Stage", "Stage", map[string]any{"ApiId": api.PhysicalID, "StageName": "$default", "AutoDeploy": true})
	var running sync.WaitGroup
	for n := range 60 {
		running.Go(func() {
			if _, err := d.tryCreate("Route", fmt.Sprint("Route", n), map[string]any{"ApiId": api.PhysicalID, "RouteKey": fmt.Sprint("GET /", n)}, ""); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	same(t, "routes", len(must(f.GetRoutes(d.ctx, &apigatewayv2.GetRoutesInput{ApiId: &api.PhysicalID}))(t).Items), 60)
}

// Tags that begin with aws: are CloudFormation's.
func TestReservedTags(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	tags := map[string]string{"aws:cloudformation:stack-id": "mine"}
	_, err := f.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("x"), ProtocolType: "HTTP", Tags: tags})
	wantError(t, err, "BadRequestException", "do not start with aws:")
	id := f.api(t, ctx)
	_, err = f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("x"), Tags: tags})
	wantError(t, err, "BadRequestException", "do not start with aws:")
	_, err = f.UntagResource(ctx, &apigatewayv2.UntagResourceInput{ResourceArn: aws.String("arn:aws:apigateway:eu-west-1::/apis/" + id), TagKeys: []string{"aws:cloudformation:stack-id"}})
	wantError(t, err, "BadRequestException", "AWS's own")
}
