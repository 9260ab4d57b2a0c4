package gateway

import (
	"cmp"
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"countersign/arn"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// Integration timeouts in milliseconds. HTTP APIs allow 50 ms to 30 s.
const (
	minTimeout     = 50
	defaultTimeout = 30000
)

// newIntegration checks what the caller wants and makes an integration without an id of it.
func newIntegration(in *apigatewayv2.CreateIntegrationInput) (integration, error) {
	i := integration{
		Type: string(in.IntegrationType), URI: aws.ToString(in.IntegrationUri), Method: strings.ToUpper(aws.ToString(in.IntegrationMethod)),
		Payload: aws.ToString(in.PayloadFormatVersion), Timeout: defaultTimeout, Description: aws.ToString(in.Description),
	}
	set(&i.Timeout, in.TimeoutInMillis)
	if err := unsupportedIntegration(in); err != nil {
		return i, err
	}
	return i, i.check()
}

func unsupportedIntegration(in *apigatewayv2.CreateIntegrationInput) error {
	switch {
	case in.ConnectionType == types.ConnectionTypeVpcLink, aws.ToString(in.ConnectionId) != "":
		return notBuilt("connectionType VPC_LINK")
	case aws.ToString(in.CredentialsArn) != "":
		return notBuilt("credentialsArn")
	case aws.ToString(in.IntegrationSubtype) != "":
		return notBuilt("integrationSubtype")
	case len(in.RequestParameters) > 0:
		return notBuilt("requestParameters")
	case len(in.ResponseParameters) > 0:
		return notBuilt("responseParameters")
	case in.TlsConfig != nil:
		return notBuilt("tlsConfig")
	case in.ContentHandlingStrategy != "", in.PassthroughBehavior != "", len(in.RequestTemplates) > 0, in.TemplateSelectionExpression != nil:
		return badRequest("contentHandlingStrategy, passthroughBehavior, requestTemplates and templateSelectionExpression are for WebSocket APIs only")
	}
	return nil
}

var uriVariable = regexp.MustCompile(`\{([^{}]*)\}`)

// check judges a whole integration and fills in what may be left out.
func (i *integration) check() error {
	if i.Timeout < minTimeout || i.Timeout > defaultTimeout {
		return badRequest("Timeout should be between %d ms and %d ms", minTimeout, defaultTimeout)
	}
	switch i.Type {
	case string(types.IntegrationTypeAwsProxy):
		if _, err := functionARN(i.URI); err != nil {
			return err
		}
		if i.Payload == "" {
			return badRequest("PayloadFormatVersion is a required parameter for an AWS_PROXY integration: pass 2.0 or 1.0")
		}
		if i.Payload != "1.0" && i.Payload != "2.0" {
			return badRequest("PayloadFormatVersion %q is not supported: pass 2.0 or 1.0", i.Payload)
		}
		i.Method = "POST" // a function is always invoked by POST
		return nil
	case string(types.IntegrationTypeHttpProxy):
		i.Method = orDefault(i.Method, "ANY")
		if !methods[i.Method] {
			return badRequest("Invalid HTTP method specified: %s", i.Method)
		}
		i.Payload = orDefault(i.Payload, "1.0")
		if i.Payload != "1.0" {
			return badRequest("PayloadFormatVersion of an HTTP_PROXY integration must be 1.0")
		}
		return checkBackend(i.URI)
	}
	return notBuilt("integrationType " + i.Type + " (an HTTP API takes AWS_PROXY or HTTP_PROXY)")
}

// checkBackend demands an absolute http or https URL with a host and no user information.
func checkBackend(uri string) error {
	plain := uriVariable.ReplaceAllString(uri, "x")
	u, err := url.Parse(plain)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(plain, "{} \t\r\n") {
		return badRequest("Invalid HTTP endpoint specified for URI: %q is not an absolute http or https URL", uri)
	}
	_, rest, _ := strings.Cut(uri, "://")
	if host, _, _ := strings.Cut(rest, "/"); strings.ContainsAny(host, "{}") {
		return badRequest("Invalid HTTP endpoint specified for URI: path variables cannot stand in the host of %q", uri)
	}
	return nil
}

// functionARN takes a Lambda integration's URI in either of its forms, the
// function's own ARN or API Gateway's path form around it, and gives the ARN.
func functionARN(uri string) (string, error) {
	inner := uri
	if a, err := arn.Parse(uri); err == nil && a.Service == "apigateway" {
		path, ok := strings.CutPrefix(a.Resource, "path/2015-03-31/functions/")
		if inner, ok = cutSuffix(path, ok, "/invocations"); !ok || a.Account != "lambda" {
			return "", badRequest("Invalid integration URI specified: %q", uri)
		}
	}
	a, err := arn.Parse(inner)
	if err != nil || a.Service != "lambda" || !strings.HasPrefix(a.Resource, "function:") || a.Account == "" || a.Region == "" {
		return "", badRequest("Invalid Lambda function ARN specified: %q", uri)
	}
	if strings.Contains(a.Resource, "${") {
		return "", notBuilt("a stage variable in the function ARN")
	}
	return inner, nil
}

func cutSuffix(s string, ok bool, suffix string) (string, bool) {
	if !ok {
		return s, false
	}
	return strings.CutSuffix(s, suffix)
}

// CreateIntegration adds an integration.
func (s *Service) CreateIntegration(ctx context.Context, in *apigatewayv2.CreateIntegrationInput) (*apigatewayv2.CreateIntegrationOutput, error) {
	i, err := newIntegration(in)
	if err != nil {
		return nil, err
	}
	if i.ID, err = s.newID(ctx, integrationIDLength); err != nil {
		return nil, err
	}
	_, err = s.editAPI(ctx, aws.ToString(in.ApiId), true, func(a *api, _ *store.Batch) error {
		if n, err := a.integration(i.ID); err == nil && madeBy(ctx) != nil {
			i = a.Integrations[n] // of an earlier attempt
			return nil
		}
		if len(a.Integrations) >= maxIntegrations {
			return badRequest("Maximum number of integrations (%d) for API %s reached", maxIntegrations, a.ID)
		}
		a.Integrations = append(a.Integrations, i)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.CreateIntegrationOutput](i.sdk()), nil
}

// GetIntegration reads one integration.
func (s *Service) GetIntegration(ctx context.Context, in *apigatewayv2.GetIntegrationInput) (*apigatewayv2.GetIntegrationOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	i, err := a.integration(aws.ToString(in.IntegrationId))
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.GetIntegrationOutput](a.Integrations[i].sdk()), nil
}

// GetIntegrations lists an API's integrations.
func (s *Service) GetIntegrations(ctx context.Context, in *apigatewayv2.GetIntegrationsInput) (*apigatewayv2.GetIntegrationsOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(a.Integrations, func(x, y integration) int { return cmp.Compare(x.ID, y.ID) })
	items, next, err := page(a.Integrations, func(i integration) string { return i.ID }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &apigatewayv2.GetIntegrationsOutput{NextToken: next, Items: []types.Integration{}}
	for _, i := range items {
		out.Items = append(out.Items, i.sdk())
	}
	return out, nil
}

// UpdateIntegration changes what the input names; the result is judged as a whole.
func (s *Service) UpdateIntegration(ctx context.Context, in *apigatewayv2.UpdateIntegrationInput) (*apigatewayv2.UpdateIntegrationOutput, error) {
	if err := unsupportedIntegration(fill[apigatewayv2.CreateIntegrationInput](*in)); err != nil {
		return nil, err
	}
	var updated integration
	_, err := s.editAPI(ctx, aws.ToString(in.ApiId), true, func(a *api, _ *store.Batch) error {
		n, err := a.integration(aws.ToString(in.IntegrationId))
		if err != nil {
			return err
		}
		i := &a.Integrations[n]
		if i.Managed {
			return badRequest("Integration %s was made by quick create; update it through UpdateApi", i.ID)
		}
		if in.IntegrationType != "" {
			i.Type = string(in.IntegrationType)
		}
		set(&i.URI, in.IntegrationUri)
		set(&i.Payload, in.PayloadFormatVersion)
		set(&i.Timeout, in.TimeoutInMillis)
		set(&i.Description, in.Description)
		if in.IntegrationMethod != nil {
			i.Method = strings.ToUpper(*in.IntegrationMethod)
		}
		if err := i.check(); err != nil {
			return err
		}
		updated = *i
		return checkRoutes(a)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.UpdateIntegrationOutput](updated.sdk()), nil
}

// DeleteIntegration removes an integration that no route uses.
func (s *Service) DeleteIntegration(ctx context.Context, in *apigatewayv2.DeleteIntegrationInput) (*apigatewayv2.DeleteIntegrationOutput, error) {
	_, err := s.editAPI(ctx, aws.ToString(in.ApiId), true, func(a *api, _ *store.Batch) error {
		n, err := a.integration(aws.ToString(in.IntegrationId))
		if err != nil {
			return err
		}
		for _, r := range a.Routes {
			if r.Integration == a.Integrations[n].ID {
				return conflict("Cannot delete Integration '%s'. It is still referenced by route '%s' (%s)", r.Integration, r.Key, r.ID)
			}
		}
		a.Integrations = slices.Delete(a.Integrations, n, n+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteIntegrationOutput{}, nil
}

func (a *api) integration(id string) (int, error) {
	n := slices.IndexFunc(a.Integrations, func(i integration) bool { return i.ID == id })
	if n < 0 {
		return 0, notFound("Integration", id)
	}
	return n, nil
}

func (i integration) sdk() types.Integration {
	return types.Integration{
		IntegrationId: &i.ID, ApiGatewayManaged: managed(i.Managed), IntegrationType: types.IntegrationType(i.Type), IntegrationUri: &i.URI,
		IntegrationMethod: optional(i.Method), PayloadFormatVersion: &i.Payload, TimeoutInMillis: &i.Timeout,
		ConnectionType: types.ConnectionTypeInternet, Description: optional(i.Description),
	}
}

func managed(is bool) *bool {
	if !is {
		return nil
	}
	return &is
}
