package gateway

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"countersign/edge/snapshot"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// Quotas of authorizers, as on AWS; those of names and sources are ours.
const (
	maxAuthorizers = 10 // of an API
	maxScopes      = 10 // of a route
	maxAudience    = 50
	maxCacheTTL    = 3600 // seconds
	maxSources     = 10
	maxIdentifier  = 1024 // bytes of a source, a scope, an issuer or an audience
)

// CreateAuthorizer adds an authorizer that routes can name.
func (s *Service) CreateAuthorizer(ctx context.Context, in *apigatewayv2.CreateAuthorizerInput) (*apigatewayv2.CreateAuthorizerOutput, error) {
	if err := unsupportedAuthorizer(in.AuthorizerCredentialsArn, in.IdentityValidationExpression); err != nil {
		return nil, err
	}
	var z authorizer
	z.update(fill[apigatewayv2.UpdateAuthorizerInput](*in))
	if err := z.check(); err != nil {
		return nil, err
	}
	var err error
	if z.ID, err = s.newID(ctx, authorizerIDLength); err != nil {
		return nil, err
	}
	_, err = s.editAPI(ctx, aws.ToString(in.ApiId), true, func(a *api, _ *store.Batch) error {
		if n, err := a.authorizer(z.ID); err == nil && madeBy(ctx) != nil {
			z = a.Authorizers[n] // of an earlier attempt
			return nil
		}
		if len(a.Authorizers) >= maxAuthorizers {
			return badRequest("Maximum number of authorizers (%d) for API %s reached", maxAuthorizers, a.ID)
		}
		a.Authorizers = append(a.Authorizers, z)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.CreateAuthorizerOutput](z.sdk()), nil
}

func unsupportedAuthorizer(credentials, validation *string) error {
	switch {
	case aws.ToString(credentials) != "":
		return notBuilt("authorizerCredentialsArn")
	case aws.ToString(validation) != "":
		return badRequest("identityValidationExpression is not for HTTP APIs")
	}
	return nil
}

// update sets what the input names.
func (z *authorizer) update(in *apigatewayv2.UpdateAuthorizerInput) {
	if in.AuthorizerType != "" {
		z.Type = string(in.AuthorizerType)
	}
	set(&z.Name, in.Name)
	set(&z.URI, in.AuthorizerUri)
	set(&z.Payload, in.AuthorizerPayloadFormatVersion)
	set(&z.Simple, in.EnableSimpleResponses)
	set(&z.TTL, in.AuthorizerResultTtlInSeconds)
	if in.IdentitySource != nil {
		z.Sources = in.IdentitySource
	}
	if in.JwtConfiguration != nil {
		set(&z.Issuer, in.JwtConfiguration.Issuer)
		if in.JwtConfiguration.Audience != nil {
			z.Audience = in.JwtConfiguration.Audience
		}
	}
}

// check judges a whole authorizer.
func (z *authorizer) check() error {
	if z.Name == "" || len(z.Name) > 128 {
		return badRequest("Authorizer name must have 1 to 128 characters")
	}
	if len(z.Sources) > maxSources {
		return badRequest("Too many identity sources: at most %d", maxSources)
	}
	for _, source := range z.Sources {
		if _, err := identitySource(source); err != nil {
			return err
		}
	}
	switch z.Type {
	case string(types.AuthorizerTypeRequest):
		return z.checkRequest()
	case string(types.AuthorizerTypeJwt):
		return z.checkJWT()
	}
	return badRequest("Invalid authorizer type %q: an HTTP API takes REQUEST or JWT", z.Type)
}

func (z *authorizer) checkRequest() error {
	if z.Issuer != "" || len(z.Audience) > 0 {
		return badRequest("jwtConfiguration is for authorizers of type JWT only")
	}
	if z.URI == "" {
		return badRequest("AuthorizerUri is a required parameter for a REQUEST authorizer: pass the URI of its function")
	}
	if _, err := functionARN(z.URI); err != nil {
		return err
	}
	switch {
	case z.Payload == "":
		return badRequest("AuthorizerPayloadFormatVersion is a required parameter for a REQUEST authorizer of an HTTP API: pass 2.0 or 1.0")
	case z.Payload != "1.0" && z.Payload != "2.0":
		return badRequest("AuthorizerPayloadFormatVersion %q is not supported: pass 2.0 or 1.0", z.Payload)
	case z.Simple && z.Payload != "2.0":
		return badRequest("EnableSimpleResponses is supported for AuthorizerPayloadFormatVersion 2.0 only")
	case z.TTL < 0 || z.TTL > maxCacheTTL:
		return badRequest("AuthorizerResultTtlInSeconds should be between 0 and %d", maxCacheTTL)
	case z.TTL > 0 && len(z.Sources) == 0:
		return badRequest("Caching of authorizer results needs an identity source; add one, or set authorizerResultTtlInSeconds to 0")
	}
	return nil
}

func (z *authorizer) checkJWT() error {
	if z.URI != "" || z.Payload != "" || z.Simple || z.TTL != 0 {
		return badRequest("authorizerUri, authorizerPayloadFormatVersion, enableSimpleResponses and authorizerResultTtlInSeconds are for authorizers of type REQUEST only")
	}
	if len(z.Sources) != 1 {
		return badRequest("A JWT authorizer takes exactly one identity source, such as $request.header.Authorization")
	}
	if source, _ := identitySource(z.Sources[0]); source.From != snapshot.FromHeader && source.From != snapshot.FromQuery {
		return badRequest("Invalid identity source %q: the token of a JWT authorizer comes in a header or in the query string", z.Sources[0])
	}
	u, err := url.Parse(z.Issuer)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(z.Issuer) > maxIdentifier {
		return badRequest("Invalid issuer: %q is not a valid URL that begins with https:// and has neither query nor fragment", z.Issuer)
	}
	if len(z.Audience) == 0 || len(z.Audience) > maxAudience {
		return badRequest("The audience of a JWT authorizer must have 1 to %d entries", maxAudience)
	}
	for _, audience := range z.Audience {
		if audience == "" || len(audience) > maxIdentifier {
			return badRequest("An audience must have 1 to %d characters", maxIdentifier)
		}
	}
	return nil
}

// identitySource takes a selection expression such as $request.header.Authorization apart.
func identitySource(expression string) (snapshot.Source, error) {
	for prefix, from := range map[string]string{
		"$request.header.": snapshot.FromHeader, "$request.querystring.": snapshot.FromQuery,
		"$context.": snapshot.FromContext, "$stageVariables.": snapshot.FromStageVariable,
	} {
		name, ok := strings.CutPrefix(expression, prefix)
		if !ok || name == "" || len(expression) > maxIdentifier {
			continue
		}
		switch from {
		case snapshot.FromHeader:
			ok = validHeaderName(name)
		case snapshot.FromContext:
			ok = slices.Contains(snapshot.ContextVariables(), name)
		case snapshot.FromStageVariable:
			ok = variableName.MatchString(name)
		}
		if ok {
			return snapshot.Source{From: from, Name: name}, nil
		}
	}
	return snapshot.Source{}, badRequest("Invalid identity source %q: give $request.header.<name>, $request.querystring.<name>, $stageVariables.<name> or $context.<name>, where <name> is one of %s",
		expression, strings.Join(snapshot.ContextVariables(), ", "))
}

// checkAuthorization judges what a route says of who may call it.
func checkAuthorization(r route, authorizers []authorizer) error {
	want := map[string]string{string(types.AuthorizationTypeCustom): snapshot.RequestAuthorizer, string(types.AuthorizationTypeJwt): snapshot.JWTAuthorizer}[r.Authorization]
	switch {
	case r.Authorization == "" && r.Authorizer != "":
		return badRequest("authorizerId needs an authorizationType: CUSTOM for an authorizer of type REQUEST, JWT for one of type JWT")
	case len(r.Scopes) > 0 && r.Authorization != string(types.AuthorizationTypeJwt):
		return badRequest("authorizationScopes are for the authorizationType JWT only")
	case r.Authorization == "":
		return nil
	case want == "":
		return notBuilt("authorizationType " + r.Authorization)
	case len(r.Scopes) > maxScopes:
		return badRequest("Too many authorization scopes: at most %d per route", maxScopes)
	}
	for _, scope := range r.Scopes {
		// What RFC 6749, 3.3, calls a scope-token.
		if scope == "" || len(scope) > maxIdentifier || strings.ContainsFunc(scope, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' }) {
			return badRequest("Invalid authorization scope %q", scope)
		}
	}
	n := slices.IndexFunc(authorizers, func(z authorizer) bool { return z.ID == r.Authorizer })
	if n < 0 || authorizers[n].Type != want {
		return badRequest("Invalid authorizer ID specified. Setting the authorization type to %s requires a valid authorizer.", r.Authorization)
	}
	return nil
}

// GetAuthorizer reads one authorizer.
func (s *Service) GetAuthorizer(ctx context.Context, in *apigatewayv2.GetAuthorizerInput) (*apigatewayv2.GetAuthorizerOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	n, err := a.authorizer(aws.ToString(in.AuthorizerId))
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.GetAuthorizerOutput](a.Authorizers[n].sdk()), nil
}

// GetAuthorizers lists an API's authorizers.
func (s *Service) GetAuthorizers(ctx context.Context, in *apigatewayv2.GetAuthorizersInput) (*apigatewayv2.GetAuthorizersOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(a.Authorizers, func(x, y authorizer) int { return cmp.Compare(x.ID, y.ID) })
	items, next, err := page(a.Authorizers, func(z authorizer) string { return z.ID }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &apigatewayv2.GetAuthorizersOutput{NextToken: next, Items: []types.Authorizer{}}
	for _, z := range items {
		out.Items = append(out.Items, z.sdk())
	}
	return out, nil
}

// UpdateAuthorizer changes what the input names.
func (s *Service) UpdateAuthorizer(ctx context.Context, in *apigatewayv2.UpdateAuthorizerInput) (*apigatewayv2.UpdateAuthorizerOutput, error) {
	if err := unsupportedAuthorizer(in.AuthorizerCredentialsArn, in.IdentityValidationExpression); err != nil {
		return nil, err
	}
	var updated authorizer
	_, err := s.editAPI(ctx, aws.ToString(in.ApiId), true, func(a *api, _ *store.Batch) error {
		n, err := a.authorizer(aws.ToString(in.AuthorizerId))
		if err != nil {
			return err
		}
		a.Authorizers[n].update(in)
		updated = a.Authorizers[n]
		if err := updated.check(); err != nil {
			return err
		}
		return checkRoutes(a)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.UpdateAuthorizerOutput](updated.sdk()), nil
}

// DeleteAuthorizer removes an authorizer that no route names. Deployments that
// were made before keep it.
func (s *Service) DeleteAuthorizer(ctx context.Context, in *apigatewayv2.DeleteAuthorizerInput) (*apigatewayv2.DeleteAuthorizerOutput, error) {
	id := aws.ToString(in.AuthorizerId)
	_, err := s.editAPI(ctx, aws.ToString(in.ApiId), true, func(a *api, _ *store.Batch) error {
		n, err := a.authorizer(id)
		if err != nil {
			return err
		}
		if r := slices.IndexFunc(a.Routes, func(r route) bool { return r.Authorizer == id }); r >= 0 {
			return conflict("Cannot delete authorizer '%s', is referenced in route: %s", id, a.Routes[r].ID)
		}
		a.Authorizers = slices.Delete(a.Authorizers, n, n+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteAuthorizerOutput{}, nil
}

func (a *api) authorizer(id string) (int, error) {
	n := slices.IndexFunc(a.Authorizers, func(z authorizer) bool { return z.ID == id })
	if n < 0 {
		return 0, notFound("Authorizer", id)
	}
	return n, nil
}

func (z authorizer) sdk() types.Authorizer {
	out := types.Authorizer{AuthorizerId: &z.ID, Name: &z.Name, AuthorizerType: types.AuthorizerType(z.Type), IdentitySource: z.Sources}
	if z.Type == snapshot.JWTAuthorizer {
		out.JwtConfiguration = &types.JWTConfiguration{Issuer: &z.Issuer, Audience: z.Audience}
		return out
	}
	out.AuthorizerUri, out.AuthorizerPayloadFormatVersion = &z.URI, &z.Payload
	out.EnableSimpleResponses, out.AuthorizerResultTtlInSeconds = &z.Simple, &z.TTL
	return out
}

func (z authorizer) compile() (*snapshot.Authorizer, error) {
	out := &snapshot.Authorizer{
		ID: z.ID, Type: z.Type, Payload: z.Payload, Simple: z.Simple, TTL: time.Duration(z.TTL) * time.Second, Issuer: z.Issuer, Audience: z.Audience,
	}
	for _, expression := range z.Sources {
		source, err := identitySource(expression)
		if err != nil {
			return nil, err
		}
		out.Sources = append(out.Sources, source)
	}
	if z.Type == snapshot.RequestAuthorizer {
		var err error
		if out.Function, err = functionARN(z.URI); err != nil {
			return nil, err
		}
	}
	return out, nil
}
