package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"countersign/edge/snapshot"
	"countersign/service/gateway/openapi"
	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// A restConversion makes records of a document. It goes on after an error, to show all of them.
type restConversion struct {
	importedREST
	document *openapi.Document
	prefix   string   // before every path
	wrong    []string // what cannot be
	notes    []string // warnings of ours, which never make an import fail
}

func (c *restConversion) failed() error { return importErrors(c.wrong, c.document.Warnings) }

func (c *restConversion) fail(place string, err error) {
	if err != nil {
		c.wrong = append(c.wrong, place+": "+reason(err))
	}
}

func (c *restConversion) convert(endpointTypes string) {
	d := c.document
	if d.Title == "" {
		c.fail("info.title", badRequest("the name of the API must be given"))
	}
	if d.ImportVersion != "" && d.ImportVersion != "1.0" {
		c.fail("x-amazon-apigateway-importexport-version", badRequest("only 1.0 is supported"))
	}
	c.name, c.description, c.version = d.Title, d.About, d.Release
	c.disable, c.binaryTypes = d.Endpoint.Disable, d.BinaryMediaTypes
	c.endpointConfiguration(endpointTypes)
	if d.Policy.Exists() {
		var err error
		if c.policy, err = resource.JSON(d.Policy.Raw()); err != nil {
			c.fail("x-amazon-apigateway-policy", err)
		}
	}
	for _, of := range []struct {
		name  string
		there bool
	}{
		{"x-amazon-apigateway-request-validators", d.RequestValidators.Exists()},
		{"x-amazon-apigateway-request-validator", d.RequestValidator != ""},
		{"x-amazon-apigateway-gateway-responses", d.GatewayResponses.Exists()},
		{"x-amazon-apigateway-minimum-compression-size", d.MinimumCompression != nil},
		{"x-amazon-apigateway-api-key-source " + d.APIKeySource, d.APIKeySource != "" && !strings.EqualFold(d.APIKeySource, string(types.ApiKeySourceTypeHeader))},
	} {
		if of.there {
			c.fail(of.name, notBuilt("it"))
		}
	}
	if d.CORS != nil {
		c.notes = append(c.notes, "x-amazon-apigateway-cors is for HTTP APIs and is ignored: give the paths an OPTIONS method with a MOCK integration")
	}
	if models, _ := d.Models.Object(); len(models) > 0 {
		c.notes = append(c.notes, "Models are not built in this version of Countersign and are ignored: without a request validator they have no effect on requests")
	}
	for _, scheme := range d.Schemes {
		c.authorizer(scheme)
	}
	for _, path := range d.Paths {
		c.paths = append(c.paths, c.path(path))
	}
	for _, o := range d.Operations {
		c.operation(o)
	}
}

func (c *restConversion) endpointConfiguration(parameter string) {
	e := c.document.Endpoint
	kinds := e.Types
	if parameter != "" {
		kinds = []string{parameter}
	}
	if len(kinds) == 0 && len(e.VPCEndpoints) == 0 && e.IPAddressType == "" {
		return
	}
	c.endpoint = &types.EndpointConfiguration{VpcEndpointIds: e.VPCEndpoints, IpAddressType: types.IpAddressType(e.IPAddressType)}
	for _, k := range kinds {
		c.endpoint.Types = append(c.endpoint.Types, types.EndpointType(strings.ToUpper(k)))
		if kind := c.endpoint.Types[0]; !slices.Contains(kind.Values(), kind) {
			c.fail("endpoint types", badRequest("Invalid endpoint type %q: use REGIONAL", k))
		}
	}
	if e.IPAddressType != "" {
		c.fail("ipAddressType", checkIPAddressType(e.IPAddressType))
	}
}

// path is where an operation's resource stands. A slash at its end makes no other resource of it.
func (c *restConversion) path(path string) string {
	path = c.prefix + "/" + strings.Trim(path, "/")
	return cmp.Or(strings.TrimSuffix(path, "/"), "/")
}

func (c *restConversion) authorizer(scheme openapi.Scheme) {
	in := scheme.Authorizer
	if in == nil {
		return
	}
	place := in.Place()
	z := restAuthorizer{
		Name: scheme.Name, Type: strings.ToUpper(cmp.Or(in.Type, "token")), URI: in.URI, Source: strings.Join(in.IdentitySources, ", "),
		Validation: in.IdentityValidation, TTL: defaultCacheTTL, AuthType: scheme.AuthType,
	}
	set(&z.TTL, in.ResultTTL)
	switch {
	case in.Credentials != "":
		c.fail(place, notBuilt("authorizerCredentials"))
		return
	case z.Type == snapshot.TokenAuthorizer && z.Source == "":
		if scheme.In != "header" || scheme.Parameter == "" {
			c.fail(place, badRequest("The security scheme of a TOKEN authorizer names the header that the token is in"))
			return
		}
		z.Source = "method.request.header." + scheme.Parameter
	}
	if err := z.check(); err != nil {
		c.fail(place, err)
		return
	}
	c.authorizers = append(c.authorizers, z)
}

func (c *restConversion) operation(o openapi.Operation) {
	where := "Unable to put method '" + o.Method + "' on resource at path '" + o.Path + "'"
	m := importedMethod{path: c.path(o.Path), restMethod: restMethod{Method: o.Method, OperationName: o.ID}}
	if len(o.ID) > maxOperationName {
		m.OperationName = ""
		c.notes = append(c.notes, "operationId of "+o.Method+" "+o.Path+" has more than 64 characters and is ignored")
	}
	if o.RequestValidator != "" {
		c.fail(where, notBuilt("x-amazon-apigateway-request-validator"))
	}
	c.fail(where, c.authorize(o, &m))
	for _, p := range o.Parameters {
		kind, known := map[string]string{"path": "path", "query": "querystring", "header": "header"}[p.In]
		if !known {
			continue // a cookie is part of a header
		}
		if m.Parameters == nil {
			m.Parameters = map[string]bool{}
		}
		m.Parameters["method.request."+kind+"."+strings.TrimSuffix(p.Name, "+")] = p.Required
	}
	for _, answer := range o.Responses {
		if len(answer.Status) != 3 || answer.Status[0] < '1' || answer.Status[0] > '5' {
			continue // "default" and "4XX" are no statuses that a method can declare
		}
		declared := restMethodResponse{Status: answer.Status}
		for _, header := range answer.Headers {
			if declared.Parameters == nil {
				declared.Parameters = map[string]bool{}
			}
			declared.Parameters["method.response.header."+header] = false
		}
		c.fail(where, declared.check())
		m.Responses = append(m.Responses, declared)
	}
	slices.SortFunc(m.Responses, func(x, y restMethodResponse) int { return cmp.Compare(x.Status, y.Status) })
	if o.Integration != nil {
		var err error
		if m.Integration, err = convertIntegration(o.Integration); err != nil {
			c.fail("Unable to put integration on '"+o.Method+"' for resource at path '"+o.Path+"'", err)
			return
		}
	}
	c.methods = append(c.methods, m)
}

func convertIntegration(in *openapi.Integration) (*restIntegration, error) {
	switch {
	case in.ConnectionType == "VPC_LINK", in.ConnectionID != "":
		return nil, notBuilt("connectionType VPC_LINK")
	case in.Credentials != "":
		return nil, notBuilt("credentials")
	case in.TLS != nil && in.TLS.InsecureSkipVerification:
		return nil, notBuilt("tlsConfig")
	case usesStageVariable(in.URI):
		return nil, notBuilt("a stage variable in the URI")
	case in.ResponseTransferMode != "" && in.ResponseTransferMode != "BUFFERED":
		return nil, notBuilt("responseTransferMode " + in.ResponseTransferMode)
	}
	i := &restIntegration{
		Type: in.Type, URI: in.URI, Method: in.Method, Timeout: restTimeout, Passthrough: orDefault(in.PassthroughBehavior, whenNoMatch),
		ContentHandling: in.ContentHandling, CacheNamespace: in.CacheNamespace, CacheKeys: in.CacheKeyParameters,
		Parameters: in.RequestParameters, Templates: in.RequestTemplates,
	}
	set(&i.Timeout, in.Timeout)
	for _, p := range in.Responses {
		if len(p.Status) != 3 {
			return nil, badRequest("the response %q has no statusCode", p.Pattern)
		}
		put := restIntegrationResponse{Status: p.Status, ContentHandling: p.ContentHandling, Parameters: p.Parameters, Templates: p.Templates}
		if p.Pattern != "default" {
			put.Pattern = aws.String(p.Pattern)
		}
		if slices.ContainsFunc(i.Responses, func(old restIntegrationResponse) bool { return old.Status == put.Status }) {
			return nil, badRequest("two responses have the statusCode %s", put.Status)
		}
		i.put(put)
	}
	return i, nil
}

// authorize sets who may call a method. One whose document demands something of callers is never left open to all.
func (c *restConversion) authorize(o openapi.Operation, m *importedMethod) error {
	if o.Auth != "" && !strings.EqualFold(o.Auth, authorizationNone) {
		return notBuilt("x-amazon-apigateway-auth.type " + o.Auth)
	}
	need, why := oneNeed(o.Security)
	switch {
	case why != "":
		return badRequest("%s", why)
	case need == nil:
		return nil
	case len(need.Scopes) > 0:
		return notBuilt("scopes in security")
	}
	scheme := c.document.Scheme(need.Scheme)
	switch {
	case scheme == nil && need.Scheme == authorizationNone: // how SAM opens a method
		return nil
	case scheme == nil:
		return badRequest("Invalid authorizer definition. There is no security scheme '%s'", need.Scheme)
	case scheme.Authorizer == nil && strings.EqualFold(scheme.AuthType, "awsSigv4"):
		return notBuilt("authorization by AWS_IAM")
	case scheme.Authorizer == nil && strings.EqualFold(scheme.Type, "apiKey") && strings.EqualFold(scheme.Parameter, "x-api-key"):
		return notBuilt("an API key (security scheme '" + need.Scheme + "')")
	case scheme.Authorizer == nil:
		return badRequest("Security scheme '%s' has no x-amazon-apigateway-authorizer, and REST APIs enforce no other scheme; remove it from security, or give it an authorizer", need.Scheme)
	}
	m.Authorization, m.Authorizer = authorizationCustom, need.Scheme
	if !slices.ContainsFunc(c.authorizers, func(z restAuthorizer) bool { return z.Name == need.Scheme }) {
		return fmt.Errorf("its authorizer '%s' could not be made", need.Scheme)
	}
	return nil
}
