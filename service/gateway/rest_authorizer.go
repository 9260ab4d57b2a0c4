package gateway

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"countersign/edge/snapshot"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

const defaultCacheTTL = 300 // seconds

// CreateAuthorizer adds a Lambda authorizer that methods can name.
func (r *REST) CreateAuthorizer(ctx context.Context, in *apigateway.CreateAuthorizerInput) (*apigateway.CreateAuthorizerOutput, error) {
	switch {
	case in.Type == types.AuthorizerTypeCognitoUserPools, len(in.ProviderARNs) > 0:
		return nil, notBuilt("authorizer type COGNITO_USER_POOLS")
	case aws.ToString(in.AuthorizerCredentials) != "":
		return nil, notBuilt("authorizerCredentials")
	}
	z := restAuthorizer{
		Name: aws.ToString(in.Name), Type: string(in.Type), URI: aws.ToString(in.AuthorizerUri), Source: aws.ToString(in.IdentitySource),
		Validation: aws.ToString(in.IdentityValidationExpression), TTL: defaultCacheTTL, AuthType: aws.ToString(in.AuthType),
	}
	set(&z.TTL, in.AuthorizerResultTtlInSeconds)
	var err error
	if z.ID, err = r.s.newID(ctx, authorizerIDLength); err != nil {
		return nil, err
	}
	_, err = r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		if old, err := a.authorizer(z.ID); err == nil && madeBy(ctx) != nil {
			z = *old // of an earlier attempt
			return nil
		}
		a.Authorizers = append(a.Authorizers, z)
		return a.checkAuthorizers()
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.CreateAuthorizerOutput](z.sdk()), nil
}

// checkAuthorizers judges all of an API's authorizers.
func (a *restAPI) checkAuthorizers() error {
	if len(a.Authorizers) > maxAuthorizers {
		return limitExceeded("Maximum number of authorizers (%d) for API %s reached", maxAuthorizers, a.ID)
	}
	names := map[string]bool{}
	for _, z := range a.Authorizers {
		if err := z.check(); err != nil {
			return err
		}
		if names[z.Name] {
			return conflict("Authorizer name must be unique. Authorizer %s already exists in this RestApi.", z.Name)
		}
		names[z.Name] = true
	}
	return nil
}

func (z *restAuthorizer) check() error {
	if z.Name == "" || len(z.Name) > 128 {
		return badRequest("Authorizer name must have 1 to 128 characters")
	}
	if _, err := z.compile(); err != nil {
		return err
	}
	if z.TTL < 0 || z.TTL > maxCacheTTL {
		return badRequest("AuthorizerResultTtlInSeconds should be between 0 and %d", maxCacheTTL)
	}
	sources, _ := restSources(z.Source)
	switch {
	case z.Type == snapshot.TokenAuthorizer && (len(sources) != 1 || sources[0].From != snapshot.FromHeader):
		return badRequest("A TOKEN authorizer takes exactly one identity source, a header such as method.request.header.Authorization")
	case z.Type == snapshot.RequestAuthorizer && z.Validation != "":
		return badRequest("identityValidationExpression is for authorizers of type TOKEN only")
	case z.TTL > 0 && len(sources) == 0:
		return badRequest("Identity source is required when caching is enabled; add one, or set authorizerResultTtlInSeconds to 0")
	}
	return nil
}

// compile makes what the edge asks.
func (z *restAuthorizer) compile() (*snapshot.Authorizer, error) {
	if z.Type != snapshot.TokenAuthorizer && z.Type != snapshot.RequestAuthorizer {
		return nil, badRequest("authorizer type %s is not built in this version of Countersign; use TOKEN or REQUEST", z.Type)
	}
	out := &snapshot.Authorizer{ID: z.ID, Type: z.Type, TTL: time.Duration(z.TTL) * time.Second, Pattern: z.Validation}
	var err error
	if out.Function, err = restFunction(z.URI); err != nil {
		return nil, badRequest("Invalid Authorizer URI: %s. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation.", z.URI)
	}
	if out.Sources, err = restSources(z.Source); err != nil {
		return nil, err
	}
	if _, err := regexp.Compile(z.Validation); err != nil || len(z.Validation) > maxIdentifier {
		return nil, badRequest("Invalid identityValidationExpression %q: it is no regular expression that can be evaluated here: %v", z.Validation, err)
	}
	return out, nil
}

// GetAuthorizer reads one authorizer.
func (r *REST) GetAuthorizer(ctx context.Context, in *apigateway.GetAuthorizerInput) (*apigateway.GetAuthorizerOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	z, err := a.authorizer(aws.ToString(in.AuthorizerId))
	if err != nil {
		return nil, err
	}
	return fill[apigateway.GetAuthorizerOutput](z.sdk()), nil
}

// GetAuthorizers lists an API's authorizers.
func (r *REST) GetAuthorizers(ctx context.Context, in *apigateway.GetAuthorizersInput) (*apigateway.GetAuthorizersOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(a.Authorizers, func(x, y restAuthorizer) int { return cmp.Compare(x.ID, y.ID) })
	items, next, err := restPage(a.Authorizers, func(z restAuthorizer) string { return z.ID }, in.Limit, in.Position)
	if err != nil {
		return nil, err
	}
	out := &apigateway.GetAuthorizersOutput{Position: next, Items: []types.Authorizer{}}
	for _, z := range items {
		out.Items = append(out.Items, z.sdk())
	}
	return out, nil
}

// UpdateAuthorizer changes what the patch operations name.
func (r *REST) UpdateAuthorizer(ctx context.Context, in *apigateway.UpdateAuthorizerInput) (*apigateway.UpdateAuthorizerOutput, error) {
	var updated restAuthorizer
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		z, err := a.authorizer(aws.ToString(in.AuthorizerId))
		if err != nil {
			return err
		}
		if err := applyPatches(in.PatchOperations, []patch{
			replaceText("/name", &z.Name),
			{"/type", replaceOnly, func(_, value string, _ []string) error { z.Type = strings.ToUpper(value); return nil }},
			replaceText("/authorizerUri", &z.URI),
			replaceText("/identitySource", &z.Source),
			replaceText("/identityValidationExpression", &z.Validation),
			replaceText("/authType", &z.AuthType),
			{"/authorizerResultTtlInSeconds", replaceOnly, func(_, value string, _ []string) error {
				return number(&z.TTL, "authorizerResultTtlInSeconds", value)
			}},
			unbuiltPatch("/authorizerCredentials", replaceOnly, "authorizerCredentials", ""),
			unbuiltPatch("/providerARNs", addRemove, "authorizer type COGNITO_USER_POOLS", ""),
		}); err != nil {
			return err
		}
		updated = *z
		return a.checkAuthorizers()
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.UpdateAuthorizerOutput](updated.sdk()), nil
}

// DeleteAuthorizer removes an authorizer that no method names. Deployments that
// were made before keep it.
func (r *REST) DeleteAuthorizer(ctx context.Context, in *apigateway.DeleteAuthorizerInput) (*apigateway.DeleteAuthorizerOutput, error) {
	id := aws.ToString(in.AuthorizerId)
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		z, err := a.authorizer(id)
		if err != nil {
			return err
		}
		path := paths(a.Resources)
		for _, one := range a.Resources {
			for _, m := range one.Methods {
				if m.Authorizer == id {
					return conflict("Cannot delete authorizer '%s', is referenced in method: %s/%s", z.Name, path[one.ID], m.Method)
				}
			}
		}
		a.Authorizers = slices.DeleteFunc(a.Authorizers, func(z restAuthorizer) bool { return z.ID == id })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigateway.DeleteAuthorizerOutput{}, nil
}

func (z restAuthorizer) sdk() types.Authorizer {
	return types.Authorizer{
		Id: &z.ID, Name: &z.Name, Type: types.AuthorizerType(z.Type), AuthType: aws.String(orDefault(z.AuthType, "custom")), AuthorizerUri: &z.URI,
		IdentitySource: optional(z.Source), IdentityValidationExpression: optional(z.Validation), AuthorizerResultTtlInSeconds: &z.TTL,
	}
}
