package gateway

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"countersign/edge/snapshot"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	v2 "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

const lambdaPath = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/" + lambda + "/invocations"

func requestInput(api string) *apigatewayv2.CreateAuthorizerInput {
	return &apigatewayv2.CreateAuthorizerInput{
		ApiId: &api, Name: aws.String("lambda"), AuthorizerType: v2.AuthorizerTypeRequest, AuthorizerUri: aws.String(lambdaPath),
		AuthorizerPayloadFormatVersion: aws.String("2.0"), EnableSimpleResponses: aws.Bool(true), AuthorizerResultTtlInSeconds: aws.Int32(60),
		IdentitySource: []string{"$request.header.Authorization", "$request.querystring.key", "$stageVariables.color", "$context.routeKey"},
	}
}

func jwtInput(api string) *apigatewayv2.CreateAuthorizerInput {
	return &apigatewayv2.CreateAuthorizerInput{
		ApiId: &api, Name: aws.String("jwt"), AuthorizerType: v2.AuthorizerTypeJwt, IdentitySource: []string{"$request.header.Authorization"},
		JwtConfiguration: &v2.JWTConfiguration{Issuer: aws.String("https://issuer.example.com/pool"), Audience: []string{"a", "b"}},
	}
}

func TestAuthorizers(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	id := f.api(t, ctx)
	must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("auto"), AutoDeploy: aws.Bool(true)}))(t)
	must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &id, StageName: aws.String("manual")}))(t)
	integration := must(f.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{
		ApiId: &id, IntegrationType: v2.IntegrationTypeHttpProxy, IntegrationUri: aws.String("http://backend.test/"),
	}))(t).IntegrationId
	request := must(f.CreateAuthorizer(ctx, requestInput(id)))(t)
	jwt := must(f.CreateAuthorizer(ctx, jwtInput(id)))(t)
	if *request.AuthorizerUri != lambdaPath || !*request.EnableSimpleResponses || *request.AuthorizerResultTtlInSeconds != 60 || request.JwtConfiguration != nil {
		t.Errorf("REQUEST authorizer %+v", request)
	}
	got := must(f.GetAuthorizer(ctx, &apigatewayv2.GetAuthorizerInput{ApiId: &id, AuthorizerId: jwt.AuthorizerId}))(t)
	if *got.JwtConfiguration.Issuer != "https://issuer.example.com/pool" || got.AuthorizerUri != nil || got.AuthorizerResultTtlInSeconds != nil {
		t.Errorf("JWT authorizer %+v", got)
	}
	if n := len(must(f.GetAuthorizers(ctx, &apigatewayv2.GetAuthorizersInput{ApiId: &id}))(t).Items); n != 2 {
		t.Errorf("%d authorizers are listed", n)
	}
	custom := must(f.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{
		ApiId: &id, RouteKey: aws.String("GET /custom"), Target: aws.String("integrations/" + *integration), AuthorizationType: v2.AuthorizationTypeCustom, AuthorizerId: request.AuthorizerId,
	}))(t)
	token := must(f.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{
		ApiId: &id, RouteKey: aws.String("GET /token"), Target: aws.String("integrations/" + *integration), AuthorizationType: v2.AuthorizationTypeJwt, AuthorizerId: jwt.AuthorizerId, AuthorizationScopes: []string{"read"},
	}))(t)
	if token.AuthorizationType != v2.AuthorizationTypeJwt || *token.AuthorizerId != *jwt.AuthorizerId || !reflect.DeepEqual(token.AuthorizationScopes, []string{"read"}) {
		t.Errorf("route %+v", token)
	}
	served := func(stage, key string) *snapshot.Route {
		t.Helper()
		_, apis, problems, err := f.Compile(ctx)
		if err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		for _, r := range apis[id].Stages[stage].Routes {
			if r.Key == key {
				return r
			}
		}
		t.Fatalf("stage %s has no route %s", stage, key)
		return nil
	}
	want := &snapshot.Authorizer{
		ID: *request.AuthorizerId, Type: "REQUEST", Function: lambda, Payload: "2.0", Simple: true, TTL: time.Minute,
		Sources: []snapshot.Source{{From: "header", Name: "Authorization"}, {From: "querystring", Name: "key"}, {From: "stageVariables", Name: "color"}, {From: "context", Name: "routeKey"}},
	}
	if got := served("auto", "GET /custom"); !reflect.DeepEqual(got.Authorizer, want) || got.Unavailable != "" {
		t.Errorf("served %+v", got.Authorizer)
	}
	if got := served("auto", "GET /token"); got.Authorizer.Type != "JWT" || !reflect.DeepEqual(got.Scopes, []string{"read"}) || !reflect.DeepEqual(got.Authorizer.Audience, []string{"a", "b"}) {
		t.Errorf("served %+v", got)
	}

	// A deployment keeps the authorizers that it was made with.
	must(f.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: &id, StageName: aws.String("manual")}))(t)
	must(f.UpdateAuthorizer(ctx, &apigatewayv2.UpdateAuthorizerInput{ApiId: &id, AuthorizerId: request.AuthorizerId, AuthorizerResultTtlInSeconds: aws.Int32(0), IdentitySource: []string{}}))(t)
	if auto, manual := served("auto", "GET /custom").Authorizer, served("manual", "GET /custom").Authorizer; auto.TTL != 0 || len(auto.Sources) != 0 || !reflect.DeepEqual(manual, want) {
		t.Errorf("after an update: auto %+v, manual %+v", auto, manual)
	}
	_, err := f.DeleteAuthorizer(ctx, &apigatewayv2.DeleteAuthorizerInput{ApiId: &id, AuthorizerId: request.AuthorizerId})
	wantError(t, err, "ConflictException", *custom.RouteId)
	// An authorizer that changes its type would leave its routes without one.
	_, err = f.UpdateAuthorizer(ctx, &apigatewayv2.UpdateAuthorizerInput{ApiId: &id, AuthorizerId: jwt.AuthorizerId, AuthorizerType: v2.AuthorizerTypeRequest})
	wantError(t, err, "BadRequestException", "jwtConfiguration")
	open := must(f.UpdateRoute(ctx, &apigatewayv2.UpdateRouteInput{ApiId: &id, RouteId: custom.RouteId, AuthorizationType: v2.AuthorizationTypeNone}))(t)
	if open.AuthorizationType != v2.AuthorizationTypeNone || open.AuthorizerId != nil || served("auto", "GET /custom").Authorizer != nil {
		t.Errorf("route without authorizer: %+v", open)
	}
	must(f.DeleteAuthorizer(ctx, &apigatewayv2.DeleteAuthorizerInput{ApiId: &id, AuthorizerId: request.AuthorizerId}))(t)
	if served("manual", "GET /custom").Authorizer == nil {
		t.Error("a deployment lost its authorizer")
	}
	_, err = f.GetAuthorizer(ctx, &apigatewayv2.GetAuthorizerInput{ApiId: &id, AuthorizerId: request.AuthorizerId})
	wantError(t, err, "NotFoundException", "Invalid Authorizer identifier specified "+*request.AuthorizerId)

	must(f.ResetAuthorizersCache(ctx, &apigatewayv2.ResetAuthorizersCacheInput{ApiId: &id, StageName: aws.String("auto")}))(t)
	_, apis, _, _ := f.Compile(ctx)
	if a, m := apis[id].Stages["auto"].AuthorizerEpoch, apis[id].Stages["manual"].AuthorizerEpoch; a != 1 || m != 0 {
		t.Errorf("after a reset of stage auto: epochs %d and %d", a, m)
	}
	_, err = f.ResetAuthorizersCache(ctx, &apigatewayv2.ResetAuthorizersCacheInput{ApiId: &id, StageName: aws.String("none")})
	wantError(t, err, "NotFoundException", "stage")
}

func TestAuthorizersThatAreRefused(t *testing.T) {
	type input = *apigatewayv2.CreateAuthorizerInput
	t.Parallel()
	f, ctx := setUp(t)
	id := f.api(t, ctx)
	for text, change := range map[string]func(request, jwt input) input{
		"AuthorizerUri is a required":                  func(r, _ input) input { r.AuthorizerUri = nil; return r },
		"Invalid Lambda function ARN":                  func(r, _ input) input { r.AuthorizerUri = aws.String("http://x"); return r },
		"AuthorizerPayloadFormatVersion is a required": func(r, _ input) input { r.AuthorizerPayloadFormatVersion = nil; return r },
		"EnableSimpleResponses":                        func(r, _ input) input { r.AuthorizerPayloadFormatVersion = aws.String("1.0"); return r },
		"between 0 and 3600":                           func(r, _ input) input { r.AuthorizerResultTtlInSeconds = aws.Int32(3601); return r },
		"needs an identity source":                     func(r, _ input) input { r.IdentitySource = nil; return r },
		`"$context.secret"`:                            func(r, _ input) input { r.IdentitySource = []string{"$context.secret"}; return r },
		`"method.request.header.A"`:                    func(r, _ input) input { r.IdentitySource = []string{"method.request.header.A"}; return r },
		`"$request.header.a b"`:                        func(r, _ input) input { r.IdentitySource = []string{"$request.header.a b"}; return r },
		"authorizerCredentialsArn is not built": func(r, _ input) input {
			r.AuthorizerCredentialsArn = aws.String("arn:aws:iam::000000000000:role/x")
			return r
		},
		"identityValidationExpression": func(r, _ input) input { r.IdentityValidationExpression = aws.String(".*"); return r },
		"name must have":               func(r, _ input) input { r.Name = nil; return r },
		"takes REQUEST or JWT":         func(r, _ input) input { r.AuthorizerType = "TOKEN"; return r },
		"Invalid issuer":               func(_, j input) input { j.JwtConfiguration.Issuer = aws.String("http://issuer.example.com"); return j },
		"audience of a JWT":            func(_, j input) input { j.JwtConfiguration.Audience = nil; return j },
		"exactly one identity source":  func(_, j input) input { j.IdentitySource = nil; return j },
		"in a header or in the query":  func(_, j input) input { j.IdentitySource = []string{"$context.path"}; return j },
		"of type REQUEST only":         func(_, j input) input { j.AuthorizerResultTtlInSeconds = aws.Int32(5); return j },
	} {
		_, err := f.CreateAuthorizer(ctx, change(requestInput(id), jwtInput(id)))
		wantError(t, err, "BadRequestException", text)
	}
	request, jwt := must(f.CreateAuthorizer(ctx, requestInput(id)))(t).AuthorizerId, must(f.CreateAuthorizer(ctx, jwtInput(id)))(t).AuthorizerId
	for _, test := range []struct {
		text       string
		kind       v2.AuthorizationType
		authorizer *string
		scopes     []string
	}{
		{"AWS_IAM is not built", v2.AuthorizationTypeAwsIam, nil, nil},
		{"requires a valid authorizer", v2.AuthorizationTypeCustom, nil, nil},
		{"requires a valid authorizer", v2.AuthorizationTypeCustom, jwt, nil},
		{"requires a valid authorizer", v2.AuthorizationTypeJwt, request, nil},
		{"authorizerId needs an authorizationType", "", request, nil},
		{"authorizerId needs an authorizationType", v2.AuthorizationTypeNone, request, nil},
		{"authorizationScopes are for", v2.AuthorizationTypeCustom, request, []string{"a"}},
		{"Invalid authorization scope", v2.AuthorizationTypeJwt, jwt, []string{`a"b`}},
		{"Too many authorization scopes", v2.AuthorizationTypeJwt, jwt, strings.Split("a,b,c,d,e,f,g,h,i,j,k", ",")},
	} {
		_, err := f.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: &id, RouteKey: aws.String("GET /x"), AuthorizationType: test.kind, AuthorizerId: test.authorizer, AuthorizationScopes: test.scopes})
		wantError(t, err, "BadRequestException", test.text)
	}
	for range maxAuthorizers - 2 {
		must(f.CreateAuthorizer(ctx, jwtInput(id)))(t)
	}
	_, err := f.CreateAuthorizer(ctx, jwtInput(id))
	wantError(t, err, "BadRequestException", "Maximum number of authorizers")
}
