package gateway

import (
	"slices"
	"strings"

	"countersign/call"
	"countersign/service/gateway/openapi"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// A conversion makes records of a document. What would not work on AWS either becomes a warning,
// worded as AWS words it, and is left out; what this version does not build is an error.
type conversion struct {
	imported
	document *openapi.Document
	prefix   string         // before every path
	left     []string       // those warnings that say what was left out
	shared   map[string]int // integrations that operations refer to, by reference
}

func (c *conversion) warn(what, why string) {
	text := what + ": " + strings.TrimSuffix(why, ".") + ". Ignoring."
	c.warnings, c.left = append(c.warnings, text), append(c.left, text)
}

func (c *conversion) note(text string) {
	if !slices.Contains(c.info, text) {
		c.info = append(c.info, text)
	}
}

func (c *conversion) convert() error {
	for _, part := range []func() error{c.about, c.settings, c.convertAuthorizers, c.convertRoutes} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

func (c *conversion) about() error {
	d := c.document
	switch {
	case d.Swagger:
		return badRequest("Invalid OpenAPI input. An HTTP API is imported from an OpenAPI 3.0 document; this one is Swagger %s", d.Version)
	case d.Title == "" || len(d.Title) > 128:
		return badRequest("Invalid OpenAPI input. info.title: the name of the API must have 1 to 128 characters")
	case len(d.About) > 1024:
		return badRequest("Invalid OpenAPI input. info.description: at most 1024 characters")
	case len(d.Release) > 64:
		return badRequest("Invalid OpenAPI input. info.version: at most 64 characters")
	case d.ImportVersion != "" && d.ImportVersion != "1.0":
		return badRequest("Invalid OpenAPI input. x-amazon-apigateway-importexport-version: only 1.0 is supported")
	case d.Policy.Exists():
		// To leave it out would be to let in whom it keeps out.
		return badRequest("Invalid OpenAPI input. x-amazon-apigateway-policy: HTTP APIs have no resource policies; remove it")
	}
	c.name, c.description, c.version = d.Title, d.About, d.Release
	return nil
}

func (c *conversion) settings() error {
	d := c.document
	c.disable = d.Endpoint.Disable
	if d.CORS != nil {
		var err error
		if c.cors, err = newCORS(&types.Cors{
			AllowOrigins: d.CORS.AllowOrigins, AllowMethods: d.CORS.AllowMethods, AllowHeaders: d.CORS.AllowHeaders, ExposeHeaders: d.CORS.ExposeHeaders,
			AllowCredentials: d.CORS.AllowCredentials, MaxAge: d.CORS.MaxAge,
		}); err != nil {
			return badRequest("Invalid OpenAPI input. x-amazon-apigateway-cors: %s", reason(err))
		}
	}
	for k, v := range d.Tags {
		if err := checkTag(call.Call{}, k, v); err != nil {
			return badRequest("Invalid OpenAPI input. tags: %s", reason(err))
		}
	}
	c.tags = d.Tags
	for name, there := range map[string]bool{
		"x-amazon-apigateway-request-validators": d.RequestValidators.Exists(), "x-amazon-apigateway-request-validator": d.RequestValidator != "",
		"x-amazon-apigateway-gateway-responses": d.GatewayResponses.Exists(), "x-amazon-apigateway-binary-media-types": d.BinaryMediaTypes != nil,
		"x-amazon-apigateway-api-key-source": d.APIKeySource != "", "x-amazon-apigateway-minimum-compression-size": d.MinimumCompression != nil,
		"x-amazon-apigateway-endpoint-configuration types": len(d.Endpoint.Types) > 0,
	} {
		if there {
			c.note(name + " is not supported for HTTP APIs and is ignored")
		}
	}
	slices.Sort(c.info)
	return nil
}

// openIDConfiguration is where an issuer describes itself, below its own URL
// (OpenID Connect Discovery 1.0, 4).
const openIDConfiguration = "/.well-known/openid-configuration"

func (c *conversion) convertAuthorizers() error {
	for _, scheme := range c.document.Schemes {
		in := scheme.Authorizer
		if in == nil {
			continue
		}
		var z authorizer
		if in.Credentials != "" {
			return badRequest("%s: %s", in.Get("authorizerCredentials").Place(), reason(notBuilt("authorizerCredentials")))
		}
		issuer := in.Issuer
		if issuer == "" && strings.HasSuffix(scheme.OpenIDConnectURL, openIDConfiguration) {
			issuer = strings.TrimSuffix(scheme.OpenIDConnectURL, openIDConfiguration)
		}
		update := &apigatewayv2.UpdateAuthorizerInput{
			Name: &scheme.Name, AuthorizerType: types.AuthorizerType(strings.ToUpper(in.Type)), IdentitySource: in.IdentitySources,
			AuthorizerUri: optional(in.URI), AuthorizerPayloadFormatVersion: optional(in.PayloadFormatVersion),
			EnableSimpleResponses: in.SimpleResponses, AuthorizerResultTtlInSeconds: in.ResultTTL,
		}
		if issuer != "" || len(in.Audience) > 0 {
			update.JwtConfiguration = &types.JWTConfiguration{Issuer: &issuer, Audience: in.Audience}
		}
		z.update(update)
		if usesStageVariable(z.URI) {
			return badRequest("%s: %s", in.Get("authorizerUri").Place(), reason(notBuilt("a stage variable in the function ARN")))
		}
		err := unsupportedAuthorizer(nil, optional(in.IdentityValidation))
		if err == nil {
			err = z.check()
		}
		if err != nil {
			c.warn("Unable to create Authorizer '"+scheme.Name+"'", reason(err))
			continue
		}
		c.authorizers = append(c.authorizers, z)
	}
	if len(c.authorizers) > maxAuthorizers {
		return badRequest("Too many authorizers: an API has at most %d", maxAuthorizers)
	}
	return nil
}

const maxOperationName = 64 // characters, as on AWS

func usesStageVariable(uri string) bool { return strings.Contains(uri, "${stageVariables.") }

func (c *conversion) convertRoutes() error {
	shapes := map[string]bool{}
	for _, o := range c.document.Operations {
		r := importedRoute{route: route{Key: c.key(o), OperationName: o.ID}, integration: -1}
		if len(o.ID) > maxOperationName {
			r.OperationName = ""
			c.note("operationId of " + o.Method + " " + o.Path + " has more than 64 characters and is ignored")
		}
		where := "'" + o.Method + "' on resource at path '" + o.Path + "'"
		method, segments, err := parseRouteKey(r.Key)
		if err == nil && shapes[routeShape(method, segments)] {
			err = conflict("Route with key %s already exists for this API", r.Key)
		}
		if err != nil {
			c.warn("Unable to put method "+where, reason(err))
			continue
		}
		why, err := c.authorize(o, &r.route)
		if err != nil {
			return err
		}
		if why != "" {
			c.warn("Unable to put method "+where, why)
			continue
		}
		c.ignored(o)
		if o.Integration != nil {
			var i integration
			if r.integration, i, err = c.integration(o); err != nil {
				return err
			}
			if r.integration < 0 {
				continue // it has been warned of
			}
			if err := checkRoute(r.route, i); err != nil {
				c.warn("Unable to put integration on '"+o.Method+"' for resource at path '"+o.Path+"'", reason(err))
				continue
			}
		}
		shapes[routeShape(method, segments)] = true
		c.routes = append(c.routes, r)
	}
	c.dropUnused()
	switch {
	case len(c.routes) > maxRoutes:
		return badRequest("Too many routes: an API has at most %d", maxRoutes)
	case len(c.integrations) > maxIntegrations:
		return badRequest("Too many integrations: an API has at most %d", maxIntegrations)
	}
	return nil
}

// key is the route key of an operation.
func (c *conversion) key(o openapi.Operation) string {
	if o.DefaultRoute || o.Path == "$default" {
		return "$default"
	}
	path := o.Path
	switch {
	case c.prefix == "", !strings.HasPrefix(path, "/"): // the latter is no path, and stays none
	case path == "/":
		path = c.prefix
	default:
		path = c.prefix + path
	}
	return o.Method + " " + path
}

// integration converts an operation's integration, once for all that refer to the same one; -1 and
// no error: it was warned of.
func (c *conversion) integration(o openapi.Operation) (int, integration, error) {
	in := o.Integration
	if n, ok := c.shared[in.Ref]; ok && in.Ref != "" {
		return n, c.integrations[n], nil
	}
	if what := unbuiltIntegration(in); what != "" {
		return -1, integration{}, badRequest("%s: %s", in.Place(), reason(notBuilt(what)))
	}
	i := integration{Type: in.Type, URI: in.URI, Method: in.Method, Payload: in.PayloadFormatVersion, Timeout: defaultTimeout}
	set(&i.Timeout, in.Timeout)
	if i.Payload == "" { // the exports of REST APIs do not have it
		i.Payload = "1.0"
	}
	err := i.check()
	if i.Type != string(types.IntegrationTypeAwsProxy) && i.Type != string(types.IntegrationTypeHttpProxy) {
		err = badRequest("Integrations of type '%s' are not supported for HTTP APIs: use AWS_PROXY or HTTP_PROXY", i.Type)
	}
	if err != nil {
		c.warn("Unable to put integration on '"+o.Method+"' for resource at path '"+o.Path+"'", reason(err))
		return -1, integration{}, nil
	}
	c.integrations = append(c.integrations, i)
	n := len(c.integrations) - 1
	if in.Ref != "" {
		c.shared[in.Ref] = n
	}
	return n, i, nil
}

// unbuiltIntegration names what AWS would do with an integration and this version does not; "": nothing.
func unbuiltIntegration(in *openapi.Integration) string {
	switch {
	case in.ConnectionType == string(types.ConnectionTypeVpcLink), in.ConnectionID != "":
		return "connectionType VPC_LINK"
	case in.Credentials != "":
		return "credentials"
	case in.Subtype != "":
		return "integrationSubtype"
	case len(in.RequestParameters) > 0:
		return "requestParameters"
	case len(in.ResponseParameters) > 0:
		return "responseParameters"
	case in.TLS != nil:
		return "tlsConfig"
	case usesStageVariable(in.URI):
		return "a stage variable in the URI"
	case in.ResponseTransferMode != "" && in.ResponseTransferMode != "BUFFERED":
		return "responseTransferMode " + in.ResponseTransferMode
	}
	return ""
}

// ignored notes what HTTP APIs pass over, as AWS does in importInfo.
func (c *conversion) ignored(o openapi.Operation) {
	note := func(what string, there bool) {
		if there {
			c.note(what + " of " + o.Method + " " + o.Path + " is not supported for HTTP APIs and is ignored")
		}
	}
	note("requestBody", o.Get("requestBody").Exists())
	note("x-amazon-apigateway-request-validator", o.RequestValidator != "")
	if i := o.Integration; i != nil {
		note("requestTemplates", len(i.RequestTemplates) > 0)
		note("integration responses", len(i.Responses) > 0)
		note("passthroughBehavior", i.PassthroughBehavior != "")
		note("contentHandling", i.ContentHandling != "")
		note("cacheKeyParameters", len(i.CacheKeyParameters) > 0 || i.CacheNamespace != "")
	}
}

// authorize sets who may call a route. Why says what keeps the operation from being a route: one
// whose document demands something of callers is never left open to all.
func (c *conversion) authorize(o openapi.Operation, r *route) (why string, err error) {
	if o.Auth != "" && !strings.EqualFold(o.Auth, "NONE") {
		return "", badRequest("%s: %s", o.Get("x-amazon-apigateway-auth").Place(), reason(notBuilt("type "+o.Auth)))
	}
	need, why := oneNeed(o.Security)
	if why != "" || need == nil {
		return why, nil
	}
	scheme := c.document.Scheme(need.Scheme)
	switch {
	case scheme == nil && need.Scheme == "NONE": // how SAM opens a route
		return "", nil
	case scheme == nil:
		return "Invalid authorizer definition. There is no security scheme '" + need.Scheme + "'", nil
	case scheme.Authorizer == nil && strings.EqualFold(scheme.AuthType, "awsSigv4"):
		return "", badRequest("%s: %s", scheme.Get("x-amazon-apigateway-authtype").Place(), reason(notBuilt("authorization by AWS_IAM")))
	case scheme.Authorizer == nil:
		return "Invalid authorizer definition. Security scheme '" + need.Scheme + "' has no x-amazon-apigateway-authorizer, and HTTP APIs enforce no other scheme", nil
	}
	kind := types.AuthorizationTypeCustom
	if scheme.Authorizer.Type == "jwt" {
		kind = types.AuthorizationTypeJwt
	}
	if !slices.ContainsFunc(c.authorizers, func(z authorizer) bool { return z.Name == need.Scheme }) {
		return "Invalid authorizer definition. Setting the authorization type to " + string(kind) + " requires a valid authorizer", nil
	}
	r.authorize(kind, aws.String(need.Scheme), need.Scopes)
	if len(r.Scopes) == 0 {
		r.Scopes = nil
	}
	named := slices.Clone(c.authorizers)
	for n := range named {
		named[n].ID = named[n].Name // apply gives ids
	}
	if err := checkAuthorization(*r, named); err != nil {
		return reason(err), nil
	}
	return "", nil
}

// oneNeed is the one scheme that security demands; nil: none. API Gateway takes
// one requirement per operation.
func oneNeed(security []openapi.Requirement) (need *openapi.Need, why string) {
	count := 0
	for _, alternative := range security {
		for n := range alternative {
			need = &alternative[n]
			count++
		}
	}
	if count > 1 || count == 1 && len(security) > 1 {
		return nil, "Invalid authorizer definition. An operation takes one security requirement with one scheme"
	}
	return need, ""
}

// dropUnused leaves out integrations whose routes were all left out.
func (c *conversion) dropUnused() {
	moved := make([]int, len(c.integrations))
	var kept []integration
	for n, i := range c.integrations {
		moved[n] = len(kept)
		if slices.ContainsFunc(c.routes, func(r importedRoute) bool { return r.integration == n }) {
			kept = append(kept, i)
		}
	}
	for n := range c.routes {
		if at := c.routes[n].integration; at >= 0 {
			c.routes[n].integration = moved[at]
		}
	}
	c.integrations = kept
}
