package sam

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// restAuth are the settings of an API's Auth.
var restAuth = []string{
	"Authorizers", "DefaultAuthorizer", "InvokeRole", "AddDefaultAuthorizerToCorsPreflight",
	"AddApiKeyRequiredToCorsPreflight", "ApiKeyRequired", "ResourcePolicy", "UsagePlan",
}

// restAuthorizer is an authorizer of a REST API: IAM, Cognito or Lambda.
type restAuthorizer struct {
	name    string
	iam     bool
	props   object
	request bool // a Lambda authorizer that sees the request, not one header of it
	scopes  any
}

// addRESTAuth writes authorizers, the need of an API key and the resource policy
// into the definition.
func (t *transform) addRESTAuth(s *source, auth object, body any) error {
	if !truthy(body) {
		return badResource(s.id, "Auth works only with inline Swagger specified in 'DefinitionBody' property.")
	}
	for key := range auth {
		if !slices.Contains(restAuth, key) {
			return badResource(s.id, "Invalid value for 'Auth' property")
		}
	}
	if !validSwagger(body) {
		return badResource(s.id, "Unable to add Auth configuration because 'DefinitionBody' does not contain a valid Swagger definition.")
	}
	d, err := openSwagger(body)
	if err != nil {
		return err
	}
	authorizers, err := readRESTAuthorizers(s.id, auth["Authorizers"], auth["DefaultAuthorizer"])
	if err != nil {
		return err
	}
	for _, a := range authorizers {
		scheme, err := t.restScheme(s.id, a)
		if err != nil {
			return err
		}
		d.section("securityDefinitions")[a.name] = scheme
	}
	if err := d.setRESTDefault(s.id, auth, authorizers); err != nil {
		return err
	}
	if truthy(auth["ApiKeyRequired"]) {
		d.defineAPIKey()
		if err := d.setAPIKeyDefault(isSet(auth, "AddApiKeyRequiredToCorsPreflight")); err != nil {
			return err
		}
	}
	if given := auth["ResourcePolicy"]; truthy(given) {
		policy, ok := given.(object)
		if !ok {
			return badDocument("ResourcePolicy must be a map (ResourcePolicyStatement).")
		}
		if err := d.addResourcePolicy(d.resourcePolicy(), policy, sorted(d.paths()), s.props["StageName"]); err != nil {
			return err
		}
	}
	return asOpenAPI3(d.body, s.props["OpenApiVersion"])
}

// isSet reads a setting that is on unless it is turned off.
func isSet(m object, name string) bool {
	value, ok := m[name]
	return !ok || truthy(value)
}

func readRESTAuthorizers(id string, configured, byDefault any) ([]restAuthorizer, error) {
	var all []restAuthorizer
	if byDefault == "AWS_IAM" {
		all = append(all, restAuthorizer{name: "AWS_IAM", iam: true})
	}
	if !truthy(configured) {
		return all, nil
	}
	given, err := of(id).mapping("Auth.Authorizers", configured)
	if err != nil {
		return nil, err
	}
	for _, name := range sorted(given) {
		props, err := of(id).mapping("Auth.Authorizers."+name, given[name])
		if err != nil {
			return nil, err
		}
		a, err := readRESTAuthorizer(id, name, props)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(all, func(b restAuthorizer) bool { return b.name == name }); i >= 0 {
			all[i] = a
		} else {
			all = append(all, a)
		}
	}
	return all, nil
}

func readRESTAuthorizer(id, name string, props object) (restAuthorizer, error) {
	a := restAuthorizer{name: name, props: props, scopes: props["AuthorizationScopes"]}
	switch payload := props["FunctionPayloadType"]; payload {
	case nil, "TOKEN":
	case "REQUEST":
		a.request = true
	default:
		return a, badResource(id, "%s Authorizer has invalid 'FunctionPayloadType': %s.", name, show(payload))
	}
	if a.request {
		missing, err := lacksIdentity(id, name, props["Identity"])
		if err != nil {
			return a, err
		}
		if missing {
			return a, badResource(id, "%s Authorizer must specify Identity with at least one of Headers, QueryStrings, StageVariables, or Context.", name)
		}
	}
	if a.scopes == nil {
		a.scopes = []any{}
	}
	if _, err := of(id).list("Authorizers."+name+".AuthorizationScopes", a.scopes); err != nil {
		return a, err
	}
	if disabled := props["DisableFunctionDefaultPermissions"]; disabled != nil {
		if _, err := of(id).boolean("Authorizers."+name+".DisableFunctionDefaultPermissions", disabled); err != nil {
			return a, err
		}
	}
	return a, nil
}

// lacksIdentity reports whether answers would be cached with nothing to tell
// callers apart.
func lacksIdentity(id, name string, given any) (bool, error) {
	if !truthy(given) {
		return true, nil
	}
	identity, err := of(id).mapping("Authorizer."+name+".Identity", given)
	if err != nil {
		return false, err
	}
	for _, part := range []string{"Headers", "QueryStrings", "StageVariables", "Context"} {
		if truthy(identity[part]) {
			return false, nil
		}
	}
	var text string
	switch ttl := identity["ReauthorizeEvery"].(type) {
	case json.Number:
		text = ttl.String()
	case string:
		text = strings.TrimSpace(ttl)
	}
	seconds, err := strconv.Atoi(text)
	return err != nil || seconds > 0, nil
}

// restScheme gives the security definition of an authorizer.
func (t *transform) restScheme(id string, a restAuthorizer) (object, error) {
	header := any("Authorization")
	identity, isMap := a.props["Identity"].(object)
	if truthy(a.props["Identity"]) && !isMap {
		return nil, badResource(id, "Auth.Authorizers.<Authorizer>.Identity must be a dict (LambdaTokenAuthorizationIdentity, LambdaRequestAuthorizationIdentity or CognitoAuthorizationIdentity).")
	}
	if truthy(identity["Header"]) {
		header = identity["Header"]
	}
	scheme := object{"type": "apiKey", "name": header, "in": "header"}
	switch {
	case a.iam:
		scheme[authtypeKey] = "awsSigv4"
		return scheme, nil
	case truthy(a.props["UserPoolArn"]):
		scheme[authtypeKey] = "cognito_user_pools"
		authorizer := object{"type": "cognito_user_pools", "providerARNs": asList(a.props["UserPoolArn"])}
		if pattern := identity["ValidationExpression"]; truthy(pattern) {
			authorizer["identityValidationExpression"] = pattern
		}
		scheme[authorizerKey] = authorizer
		return scheme, nil
	}
	scheme[authtypeKey] = "custom"
	authorizer := object{"type": "token", "authorizerUri": t.authorizerURI(a.props["FunctionArn"])}
	scheme[authorizerKey] = authorizer
	if ttl := identity["ReauthorizeEvery"]; ttl != nil {
		authorizer["authorizerResultTtlInSeconds"] = ttl
	}
	if role := a.props["FunctionInvokeRole"]; truthy(role) && role != "NONE" {
		authorizer["authorizerCredentials"] = role
	}
	if !a.request {
		if pattern := identity["ValidationExpression"]; truthy(pattern) {
			authorizer["identityValidationExpression"] = pattern
		}
		return scheme, nil
	}
	authorizer["type"], scheme["name"] = "request", "Unused"
	var sources []string
	for _, from := range []struct{ property, prefix string }{
		{"Headers", "method.request.header."},
		{"QueryStrings", "method.request.querystring."},
		{"StageVariables", "stageVariables."},
		{"Context", "context."},
	} {
		if !truthy(identity[from.property]) {
			continue
		}
		names, err := of(id).texts("Auth.Authorizers."+a.name+".Identity."+from.property, identity[from.property])
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			sources = append(sources, from.prefix+name)
		}
	}
	if len(sources) > 0 {
		authorizer["identitySource"] = strings.Join(sources, ", ")
	}
	return scheme, nil
}

// addRESTPermissions lets the API call the functions of its authorizers.
func (t *transform) addRESTPermissions(s *source, auth object) error {
	if len(auth) == 0 {
		return nil
	}
	authorizers, err := readRESTAuthorizers(s.id, auth["Authorizers"], nil)
	if err != nil {
		return err
	}
	for _, a := range authorizers {
		if !truthy(a.props["FunctionArn"]) || truthy(a.props["DisableFunctionDefaultPermissions"]) {
			continue
		}
		if err := s.addAuthorizerPermission(t.in.Partition, a.name, a.props["FunctionArn"]); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether a security requirement names any of the schemes.
func has(requirement object, schemes ...string) bool {
	return slices.ContainsFunc(schemes, func(name string) bool { _, ok := requirement[name]; return ok })
}

// requirementsOf gives the security requirements of an operation as mappings.
func requirementsOf(operation object, path, method string) ([]object, error) {
	list, err := securityOf(operation, path, method)
	if err != nil {
		return nil, err
	}
	out := make([]object, len(list))
	for i, item := range list {
		var ok bool
		if out[i], ok = item.(object); !ok {
			return nil, badDocument("%s in Security for path %s method %s is not a valid dictionary.", show(item), path, method)
		}
	}
	return out, nil
}

// setRESTDefault has all methods that say nothing of their own need the default
// authorizer. "NONE", which stands for none, is taken out. AWS ignores a
// default authorizer, and leaves the API open, when there are no authorizers at all;
// here it has to be one of them.
func (d document) setRESTDefault(id string, auth object, authorizers []restAuthorizer) error {
	given := auth["DefaultAuthorizer"]
	if !truthy(given) || len(authorizers) == 0 && isNoValue(given) {
		return nil
	}
	name, ok := given.(string)
	if !ok {
		return badResource(id, "DefaultAuthorizer is not a string.")
	}
	schemes := []string{"AWS_IAM"}
	var scopes any
	for _, a := range authorizers {
		schemes = append(schemes, a.name)
		if a.name == name {
			scopes = a.scopes
		}
	}
	if !slices.Contains(schemes, name) {
		return badResource(id, "Unable to set DefaultAuthorizer because '%s' was not defined in 'Authorizers'.", name)
	}
	if scopes == nil {
		scopes = []any{}
	}
	preflight := isSet(auth, "AddDefaultAuthorizerToCorsPreflight")
	for _, path := range sorted(d.paths()) {
		err := d.eachOperation(path, func(method string, operation object) error {
			if method == "options" && !preflight {
				return nil
			}
			existing, err := requirementsOf(operation, path, method)
			if err != nil {
				return err
			}
			var security, own []any
			none := false
			for _, requirement := range existing {
				switch {
				case has(requirement, schemes...):
					own = append(own, requirement)
				case !none && has(requirement, "NONE"):
					none = true
				default:
					security = append(security, requirement)
				}
			}
			switch {
			case none: // the event wants no authorizer
			case len(own) > 0:
				security = append(security, own...)
			default:
				security = append(security, object{name: scopes})
			}
			d.setSecurity(operation, security)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// setSecurity sets the requirements of an operation, if any, and defines
// AWS_IAM when it leads them.
func (d document) setSecurity(operation object, security []any) {
	if len(security) == 0 {
		return
	}
	operation["security"] = security
	if !has(asMap(security[0]), "AWS_IAM") {
		return
	}
	definitions := d.section("securityDefinitions")
	if _, ok := definitions["AWS_IAM"]; !ok {
		definitions["AWS_IAM"] = object{"type": "apiKey", "name": "Authorization", "in": "header", authtypeKey: "awsSigv4"}
	}
}

// requireAuthorizer adds an authorizer to a method. The event's scopes win over
// those of the authorizer.
func (d document) requireAuthorizer(path, method, name string, scopes any, authorizers object) error {
	var needed any = []any{}
	if name != "NONE" && len(authorizers) > 0 {
		definition, isGiven := authorizers[name]
		m, ok := definition.(object)
		if isGiven && !ok {
			return badDocument("Type of authorizer '%s' must be a dictionary", name)
		}
		if scopes == nil {
			scopes = m["AuthorizationScopes"]
		}
		if definition != nil && scopes != nil {
			needed = scopes
		}
	}
	operations, err := d.operations(path, method)
	if err != nil {
		return err
	}
	for _, operation := range operations {
		existing, err := securityOf(operation, path, method)
		if err != nil {
			return err
		}
		d.setSecurity(operation, append(existing, object{name: needed}))
	}
	return nil
}

// defineAPIKey defines the scheme by which requests carry an API key.
func (d document) defineAPIKey() {
	definitions := d.section("securityDefinitions")
	if _, ok := definitions["api_key"]; !ok {
		definitions["api_key"] = object{"type": "apiKey", "name": "x-api-key", "in": "header"}
	}
}

// requireAPIKey has a method need an API key, or marks it as one that does not.
func (d document) requireAPIKey(path, method string, needed bool) error {
	name := "api_key_false"
	if needed {
		name = "api_key"
	}
	operations, err := d.operations(path, method)
	if err != nil {
		return err
	}
	for _, operation := range operations {
		if needed {
			d.defineAPIKey()
		}
		existing, err := securityOf(operation, path, method)
		if err != nil {
			return err
		}
		operation["security"] = append(existing, object{name: []any{}})
	}
	return nil
}

// setAPIKeyDefault has all methods need an API key, those marked otherwise apart.
func (d document) setAPIKeyDefault(preflight bool) error {
	for _, path := range sorted(d.paths()) {
		err := d.eachOperation(path, func(method string, operation object) error {
			existing, err := requirementsOf(operation, path, method)
			if err != nil {
				return err
			}
			security := []any{}
			needed := method != "options" || preflight
			for _, requirement := range existing {
				if !has(requirement, "api_key", "api_key_false") {
					security = append(security, requirement)
				}
				if _, ok := requirement["api_key_false"]; ok {
					needed = false
				}
			}
			if needed {
				security = append(security, object{"api_key": []any{}})
			}
			if len(security) > 0 || len(existing) > 0 {
				operation["security"] = security
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
