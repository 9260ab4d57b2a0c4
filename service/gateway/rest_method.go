package gateway

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

const (
	authorizationNone   = "NONE"
	authorizationCustom = "CUSTOM"
)

// PutMethod adds a method to a resource.
func (r *REST) PutMethod(ctx context.Context, in *apigateway.PutMethodInput) (*apigateway.PutMethodOutput, error) {
	m := restMethod{
		Method: aws.ToString(in.HttpMethod), Authorizer: aws.ToString(in.AuthorizerId), OperationName: aws.ToString(in.OperationName),
		Parameters: in.RequestParameters, Models: in.RequestModels, Made: madeBy(ctx).by(),
	}
	switch {
	case in.ApiKeyRequired:
		return nil, notBuilt("apiKeyRequired")
	case aws.ToString(in.RequestValidatorId) != "":
		return nil, notBuilt("requestValidatorId")
	case len(in.AuthorizationScopes) > 0:
		return nil, notBuilt("authorizationScopes")
	}
	if err := m.setAuthorization(aws.ToString(in.AuthorizationType)); err != nil {
		return nil, err
	}
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		found, err := a.resource(aws.ToString(in.ResourceId))
		if err != nil {
			return err
		}
		if old, err := a.method(found.ID, m.Method); err == nil {
			if old.Made != "" && old.Made == m.Made {
				m = *old // an earlier attempt made it
				return nil
			}
			return conflict("Method already exists for this resource")
		}
		if err := m.check(a); err != nil {
			return err
		}
		found.putMethod(m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.PutMethodOutput](m.sdk()), nil
}

func (m *restMethod) setAuthorization(kind string) error {
	switch kind {
	case authorizationNone:
		m.Authorization, m.Authorizer = "", ""
	case authorizationCustom:
		m.Authorization = kind
	case "AWS_IAM", "COGNITO_USER_POOLS":
		return notBuilt("authorizationType " + kind)
	default:
		return badRequest("Invalid authorization type specified. Valid options are NONE,CUSTOM")
	}
	return nil
}

var (
	requestParameter  = regexp.MustCompile(`^method\.request\.(querystring|header|path|multivaluequerystring|multivalueheader)\.([^ "(),/:;<=>?@\[\\\]{}\x00-\x1f\x7f]+)$`)
	responseParameter = regexp.MustCompile(`^method\.response\.header\.[!#$%&'*+\-.^_|~0-9A-Za-z` + "`" + `]+$`)
)

// models are what every API has from the start; others are not built.
func checkModels(models map[string]string) error {
	for _, name := range models {
		if name != "Empty" && name != "Error" {
			return badRequest("Invalid model identifier specified: %s", name)
		}
	}
	return nil
}

// check judges a method by itself and with the integration that it has.
func (m *restMethod) check(a *restAPI) error {
	if !methods[m.Method] {
		return badRequest("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
	}
	if m.Authorization == authorizationCustom {
		if _, err := a.authorizer(m.Authorizer); err != nil {
			return badRequest("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.")
		}
	} else {
		m.Authorizer = ""
	}
	if len(m.OperationName) > maxOperationName {
		return badRequest("operationName has at most %d characters", maxOperationName)
	}
	names := map[string]bool{}
	for name := range m.Parameters {
		found := requestParameter.FindStringSubmatch(name)
		if found == nil {
			return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", name)
		}
		if names[found[2]] {
			return badRequest("Parameter names must be unique across querystring, header and path")
		}
		names[found[2]] = true
	}
	if err := checkModels(m.Models); err != nil {
		return err
	}
	if m.Integration == nil {
		return nil
	}
	return m.Integration.check(m)
}

// GetMethod reads one method with its responses and its integration.
func (r *REST) GetMethod(ctx context.Context, in *apigateway.GetMethodInput) (*apigateway.GetMethodOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	m, err := a.method(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod))
	if err != nil {
		return nil, err
	}
	return fill[apigateway.GetMethodOutput](m.sdk()), nil
}

// UpdateMethod changes what the patch operations name.
func (r *REST) UpdateMethod(ctx context.Context, in *apigateway.UpdateMethodInput) (*apigateway.UpdateMethodOutput, error) {
	var updated restMethod
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		m, err := a.method(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod))
		if err != nil {
			return err
		}
		if err := applyPatches(in.PatchOperations, m.patches()); err != nil {
			return err
		}
		if err := m.check(a); err != nil {
			return err
		}
		updated = *m
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.UpdateMethodOutput](updated.sdk()), nil
}

func (m *restMethod) patches() []patch {
	return []patch{
		{"/authorizationType", replaceOnly, func(_, value string, _ []string) error { return m.setAuthorization(value) }},
		replaceText("/authorizerId", &m.Authorizer),
		replaceText("/operationName", &m.OperationName),
		replaceFlags("/requestParameters/*", &m.Parameters),
		replaceIn("/requestModels/*", anyChange, &m.Models),
		unbuiltPatch("/apiKeyRequired", replaceOnly, "apiKeyRequired", "false"),
		unbuiltPatch("/requestValidatorId", replaceOnly, "requestValidatorId", ""),
		unbuiltPatch("/authorizationScopes", addRemove, "authorizationScopes", ""),
	}
}

// DeleteMethod removes a method with its responses and its integration.
func (r *REST) DeleteMethod(ctx context.Context, in *apigateway.DeleteMethodInput) (*apigateway.DeleteMethodOutput, error) {
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		m, err := a.method(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod))
		if err != nil {
			return err
		}
		name := m.Method
		of, _ := a.resource(aws.ToString(in.ResourceId))
		of.Methods = slices.DeleteFunc(of.Methods, func(m restMethod) bool { return m.Method == name })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigateway.DeleteMethodOutput{}, nil
}

// PutMethodResponse adds what a method may answer with a status.
func (r *REST) PutMethodResponse(ctx context.Context, in *apigateway.PutMethodResponseInput) (*apigateway.PutMethodResponseOutput, error) {
	added := restMethodResponse{Status: aws.ToString(in.StatusCode), Models: in.ResponseModels, Parameters: in.ResponseParameters}
	if err := added.check(); err != nil {
		return nil, err
	}
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		m, err := a.method(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod))
		if err != nil {
			return err
		}
		if m.response(added.Status) != nil {
			if madeBy(ctx) != nil && m.Made == madeBy(ctx).by() {
				return nil // an earlier attempt made it
			}
			return conflict("Response already exists for this resource")
		}
		m.Responses = append(m.Responses, added)
		slices.SortFunc(m.Responses, func(x, y restMethodResponse) int { return cmp.Compare(x.Status, y.Status) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.PutMethodResponseOutput](added.sdk()), nil
}

func (p *restMethodResponse) check() error {
	for name := range p.Parameters {
		if !responseParameter.MatchString(name) {
			return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", name)
		}
	}
	return checkModels(p.Models)
}

// response finds what the method answers with a status; nil if it declares none.
func (m *restMethod) response(status string) *restMethodResponse {
	n := slices.IndexFunc(m.Responses, func(p restMethodResponse) bool { return p.Status == status })
	if n < 0 {
		return nil
	}
	return &m.Responses[n]
}

func (a *restAPI) methodResponse(resource, method, status string) (*restMethod, *restMethodResponse, error) {
	m, err := a.method(resource, method)
	if err != nil {
		return nil, nil, err
	}
	p := m.response(status)
	if p == nil {
		return nil, nil, invalid("Response status code")
	}
	return m, p, nil
}

// GetMethodResponse reads one response of a method.
func (r *REST) GetMethodResponse(ctx context.Context, in *apigateway.GetMethodResponseInput) (*apigateway.GetMethodResponseOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	_, p, err := a.methodResponse(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod), aws.ToString(in.StatusCode))
	if err != nil {
		return nil, err
	}
	return fill[apigateway.GetMethodResponseOutput](p.sdk()), nil
}

// UpdateMethodResponse changes what the patch operations name.
func (r *REST) UpdateMethodResponse(ctx context.Context, in *apigateway.UpdateMethodResponseInput) (*apigateway.UpdateMethodResponseOutput, error) {
	var updated restMethodResponse
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		m, p, err := a.methodResponse(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod), aws.ToString(in.StatusCode))
		if err != nil {
			return err
		}
		if err := applyPatches(in.PatchOperations, []patch{
			replaceFlags("/responseParameters/*", &p.Parameters), replaceIn("/responseModels/*", anyChange, &p.Models),
		}); err != nil {
			return err
		}
		if err := p.check(); err != nil {
			return err
		}
		updated = *p
		return m.check(a)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.UpdateMethodResponseOutput](updated.sdk()), nil
}

// DeleteMethodResponse removes one response of a method.
func (r *REST) DeleteMethodResponse(ctx context.Context, in *apigateway.DeleteMethodResponseInput) (*apigateway.DeleteMethodResponseOutput, error) {
	status := aws.ToString(in.StatusCode)
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		m, _, err := a.methodResponse(aws.ToString(in.ResourceId), aws.ToString(in.HttpMethod), status)
		if err != nil {
			return err
		}
		m.Responses = slices.DeleteFunc(m.Responses, func(p restMethodResponse) bool { return p.Status == status })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigateway.DeleteMethodResponseOutput{}, nil
}

func (m restMethod) sdk() types.Method {
	out := types.Method{
		HttpMethod: &m.Method, AuthorizationType: aws.String(orDefault(m.Authorization, authorizationNone)), AuthorizerId: optional(m.Authorizer),
		ApiKeyRequired: aws.Bool(false), OperationName: optional(m.OperationName), RequestParameters: m.Parameters, RequestModels: m.Models,
	}
	for _, p := range m.Responses {
		if out.MethodResponses == nil {
			out.MethodResponses = map[string]types.MethodResponse{}
		}
		out.MethodResponses[p.Status] = p.sdk()
	}
	if m.Integration != nil {
		i := m.Integration.sdk()
		out.MethodIntegration = &i
	}
	return out
}

func (p restMethodResponse) sdk() types.MethodResponse {
	return types.MethodResponse{StatusCode: &p.Status, ResponseModels: p.Models, ResponseParameters: p.Parameters}
}

// declares tells whether the method says that its requests have a part, "method.request.header.X".
func (m *restMethod) declares(parameter string) bool {
	for name := range m.Parameters {
		if strings.EqualFold(name, parameter) {
			return true
		}
	}
	return false
}
