package sam

import (
	"slices"
	"strings"
)

// httpAuthorizer is an authorizer of an HTTP API: IAM, JWT or Lambda.
type httpAuthorizer struct {
	name        string
	iam         bool
	jwt         object // issuer and audience; nil for Lambda
	props       object
	scopes      any
	functionARN any
	permitted   bool // the API is to be given permission to call the function
}

// addHTTPAuth writes the authorizers, and the default one, into the definition.
func (t *transform) addHTTPAuth(id string, auth object, body any) ([]httpAuthorizer, error) {
	if !truthy(body) {
		return nil, badResource(id, "Auth works only with inline OpenApi specified in the 'DefinitionBody' property.")
	}
	for name := range auth {
		if name != "Authorizers" && name != "DefaultAuthorizer" && name != "EnableIamAuthorizer" {
			return nil, badResource(id, "Invalid value for 'Auth' property")
		}
	}
	if !validOpenAPI(body) {
		return nil, badResource(id, "Unable to add Auth configuration because 'DefinitionBody' does not contain a valid OpenApi definition.")
	}
	d, err := openOpenAPI(body)
	if err != nil {
		return nil, err
	}
	authorizers, err := readHTTPAuthorizers(id, auth)
	if err != nil {
		return nil, err
	}
	for _, a := range authorizers {
		scheme, err := t.httpScheme(id, a)
		if err != nil {
			return nil, err
		}
		components := d.section("components")
		schemes, ok := components["securitySchemes"].(object)
		if !ok {
			schemes = object{}
			components["securitySchemes"] = schemes
		}
		schemes[a.name] = scheme
	}
	return authorizers, d.setHTTPDefault(id, auth["DefaultAuthorizer"], authorizers)
}

func readHTTPAuthorizers(id string, auth object) ([]httpAuthorizer, error) {
	var all []httpAuthorizer
	if auth["EnableIamAuthorizer"] == true {
		all = append(all, httpAuthorizer{name: "AWS_IAM", iam: true})
	}
	if !truthy(auth["Authorizers"]) {
		return all, nil
	}
	given, err := of(id).mapping("Auth.Authorizers", auth["Authorizers"])
	if err != nil {
		return nil, err
	}
	for _, name := range sorted(given) {
		props, err := of(id).mapping("Auth.Authorizers."+name, given[name])
		if err != nil {
			return nil, err
		}
		a, err := readHTTPAuthorizer(id, name, props)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(all, func(b httpAuthorizer) bool { return b.name == name }); i >= 0 {
			all[i] = a
		} else {
			all = append(all, a)
		}
	}
	return all, nil
}

func readHTTPAuthorizer(id, name string, props object) (httpAuthorizer, error) {
	a := httpAuthorizer{name: name, props: props, scopes: props["AuthorizationScopes"], functionARN: props["FunctionArn"]}
	if _, ok := props["OpenIdConnectUrl"]; ok {
		return a, badResource(id, "'OpenIdConnectUrl' is no longer a supported property for authorizer '%s'. Please refer to the AWS SAM documentation.", name)
	}
	if truthy(props["JwtConfiguration"]) {
		given, err := of(id).mapping("JwtConfiguration", props["JwtConfiguration"])
		if err != nil {
			return a, err
		}
		a.jwt = object{}
		for _, key := range sorted(given) {
			a.jwt[strings.ToLower(key)] = given[key]
		}
	}
	if _, ok := a.scopes.([]any); !ok && a.scopes != nil {
		return a, badResource(id, "AuthorizationScopes must be a list.")
	}
	if err := a.checkKind(id); err != nil {
		return a, err
	}
	if a.jwt != nil {
		if !truthy(props["IdentitySource"]) {
			return a, badResource(id, "%s OAuth2 Authorizer must define 'IdentitySource'.", name)
		}
		return a, nil
	}
	for _, property := range []string{"FunctionArn", "AuthorizerPayloadFormatVersion"} {
		if !truthy(props[property]) {
			return a, badResource(id, "%s Lambda Authorizer must define '%s'.", name, property)
		}
	}
	if permitted := props["EnableFunctionDefaultPermissions"]; permitted != nil {
		var err error
		a.permitted, err = of(id).boolean("Authorizers."+name+".EnableFunctionDefaultPermissions", permitted)
		return a, err
	}
	return a, nil
}

// checkKind refuses the properties of the other kind of authorizer.
func (a httpAuthorizer) checkKind(id string) error {
	const oauth, lambda = "OAuth2 Authorizer", "Lambda Authorizer"
	for _, p := range []struct {
		name  string
		jwt   bool
		needs string
	}{
		{"AuthorizationScopes", true, oauth},
		{"IdentitySource", true, oauth + ". For Lambda Authorizer, use the 'Identity' property instead"},
		{"FunctionArn", false, lambda},
		{"FunctionInvokeRole", false, lambda},
		{"Identity", false, lambda},
		{"AuthorizerPayloadFormatVersion", false, lambda},
		{"EnableSimpleResponses", false, lambda},
		{"EnableFunctionDefaultPermissions", false, lambda},
	} {
		if a.props[p.name] != nil && p.jwt != (a.jwt != nil) {
			return badResource(id, "%s is only supported for %s.", p.name, p.needs)
		}
	}
	return nil
}

// httpScheme gives the security scheme of an authorizer.
func (t *transform) httpScheme(id string, a httpAuthorizer) (object, error) {
	if a.iam {
		return object{"type": "apiKey", "name": "Authorization", "in": "header", authtypeKey: "awsSigv4"}, nil
	}
	if a.jwt != nil {
		return object{"type": "oauth2", authorizerKey: object{
			"type":             "jwt",
			"jwtConfiguration": a.jwt,
			"identitySource":   a.props["IdentitySource"],
		}}, nil
	}
	authorizer := object{
		"type":                           "request",
		"authorizerUri":                  t.authorizerURI(a.functionARN),
		"authorizerPayloadFormatVersion": a.props["AuthorizerPayloadFormatVersion"],
	}
	if role := a.props["FunctionInvokeRole"]; truthy(role) && role != "NONE" {
		authorizer["authorizerCredentials"] = role
	}
	if truthy(a.props["EnableSimpleResponses"]) {
		authorizer["enableSimpleResponses"] = a.props["EnableSimpleResponses"]
	}
	if given := a.props["Identity"]; truthy(given) {
		identity, err := of(id).mapping("Auth.Authorizers."+a.name+".Identity", given)
		if err != nil {
			return nil, err
		}
		if ttl := identity["ReauthorizeEvery"]; ttl != nil {
			authorizer["authorizerResultTtlInSeconds"] = ttl
		}
		sources := []any{}
		for _, from := range []struct{ property, prefix string }{
			{"Headers", "$request.header."},
			{"QueryStrings", "$request.querystring."},
			{"StageVariables", "$stageVariables."},
			{"Context", "$context."},
		} {
			if !truthy(identity[from.property]) {
				continue
			}
			names, err := of(id).texts("Authorizers."+a.name+".Identity."+from.property, identity[from.property])
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				sources = append(sources, from.prefix+name)
			}
		}
		authorizer["identitySource"] = sources
	}
	return object{"type": "apiKey", "name": "Unused", "in": "header", authorizerKey: authorizer}, nil
}

// setHTTPDefault has all routes that say nothing of their own need the default authorizer.
func (d document) setHTTPDefault(id string, given any, authorizers []httpAuthorizer) error {
	if !truthy(given) || isNoValue(given) {
		return nil
	}
	name, err := of(id).text("Auth.DefaultAuthorizer", given)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(authorizers, func(a httpAuthorizer) bool { return a.name == name })
	if at < 0 {
		return badResource(id, "Unable to set DefaultAuthorizer because '%s' was not defined in 'Authorizers'.", name)
	}
	scopes := authorizers[at].scopes
	if scopes == nil {
		scopes = []any{}
	}
	for _, path := range sorted(d.paths()) {
		items, err := d.items(path)
		if err != nil {
			return err
		}
		for _, item := range items {
			for _, method := range sorted(item) {
				normal := normalMethod(method)
				if normal == "parameters" || normal == "options" {
					continue
				}
				if _, ok := item[normal]; !ok {
					return badDocument("Could not find %s in %s within DefinitionBody.", normal, path)
				}
				operations, err := operationsIn(item, path, method)
				if err != nil {
					return err
				}
				for _, operation := range operations {
					if isIntegrated(operation) && !truthy(operation["security"]) {
						operation["security"] = []any{object{name: scopes}}
					}
				}
			}
		}
	}
	return nil
}
