package sam

import (
	"regexp"
	"slices"
	"strings"
)

// httpAPIEvent is a route of an HTTP API that calls a function.
type httpAPIEvent struct {
	id, name string
	props    object
	apiID    string
	path     string
	method   string // lower case
}

func (t *transform) readHTTPAPIEvent(id, name string, props object) (event, error) {
	apiID, isText := referred(props["ApiId"]).(string)
	path, hasPath := props["Path"].(string)
	method, hasMethod := props["Method"].(string)
	if _, ok := t.source[apiID]; !isText || !ok || !hasPath || !hasMethod {
		return nil, badEvent(name, "ApiId must be a valid reference to an '%s' resource in same template.", httpAPIType)
	}
	return &httpAPIEvent{id, name, props, apiID, path, strings.ToLower(method)}, nil
}

func (e *httpAPIEvent) add(t *transform, s *source, f functionTarget) error {
	api := t.properties(e.apiID)
	body, hasBody := api["DefinitionBody"]
	hasBody = hasBody && body != nil
	if truthy(body) {
		if _, err := openOpenAPI(body); err != nil {
			return ofDefinition(e.apiID, err)
		}
	}
	if err := e.addPermission(s, document{body: asMap(body)}, f); err != nil {
		return err
	}
	if !hasBody {
		return nil
	}
	d, err := openOpenAPI(body)
	if err != nil {
		return err
	}
	return e.addRoute(t, api, d, f)
}

// ofDefinition turns a problem with a definition into one of its API.
func ofDefinition(apiID string, err error) error {
	if document, ok := err.(*documentProblem); ok {
		return badResource(apiID, "%s", document.problems[0].Text)
	}
	return err
}

// addPermission lets the API call the function for the route. A function that
// serves the default route is allowed for all routes by that one permission.
func (e *httpAPIEvent) addPermission(s *source, d document, f functionTarget) error {
	path := withoutTrailingSlash(e.path)
	if path == defaultRoute {
		path = ""
	} else if len(d.body) > 0 {
		covered, err := d.servesDefault(f)
		if err != nil || covered {
			return err
		}
	}
	path = httpParameter.ReplaceAllString(path, "*")
	method := strings.ToUpper(e.method)
	if normalMethod(e.method) == anyMethod {
		method = "*"
	}
	what := "${__Stage__}/" + method + path
	if e.method == "any" && path == "/"+defaultRoute {
		what = "${__Stage__}" + path
	}
	return s.addPermission(e.id, "", "apigateway.amazonaws.com", executeARN("${AWS::Partition}", what, e.props["ApiId"], "*"), f)
}

// Parameters of paths, which permissions write as *. The two kinds of API
// differ in the names they allow.
var (
	httpParameter = regexp.MustCompile(`{([a-zA-Z0-9._-]+|proxy\+)}`)
	restParameter = regexp.MustCompile(`{[a-zA-Z0-9._-]+\+?}`)
	pathParameter = regexp.MustCompile(`{(.*?)}`)
)

// withoutTrailingSlash takes one slash off the end of a path longer than "/".
func withoutTrailingSlash(path string) string {
	if len(path) > 1 {
		return strings.TrimSuffix(path, "/")
	}
	return path
}

// servesDefault reports whether the default route calls the function.
func (d document) servesDefault(f functionTarget) (bool, error) {
	if ok, err := d.integrated(defaultRoute, anyMethod); !ok || err != nil {
		return false, err
	}
	operations, err := d.operations(defaultRoute, anyMethod)
	if err != nil {
		return false, err
	}
	for _, operation := range operations {
		integration, ok := operation[integrationKey].(object)
		if !ok {
			return false, badDocument("Value of '%s' must be a dictionary according to Swagger spec.", integrationKey)
		}
		if _, ok := integration["uri"].(object); !ok {
			return false, nil
		}
		uris, err := branches(integration["uri"])
		if err != nil {
			return false, err
		}
		for _, uri := range uris {
			text, _ := asMap(uri)["Fn::Sub"].(string)
			if m := functionInURI.FindStringSubmatch(text); m == nil || m[1] != f.id {
				return false, nil
			}
		}
	}
	return true, nil
}

var functionInURI = regexp.MustCompile(`([A-Za-z0-9]+)\.Arn`)

// addRoute writes the route into the definition, unless the template has one there.
func (e *httpAPIEvent) addRoute(t *transform, api object, d document, f functionTarget) error {
	taken, err := d.integrated(e.path, e.method)
	if err != nil {
		return err
	}
	if taken && t.managed[e.apiID] {
		return badEvent(e.name, "API method '%s' defined multiple times for path '%s'.", e.method, e.path)
	}
	if !taken {
		var uri any = functionURI("${AWS::Partition}", f.uri, false)
		if truthy(f.condition) {
			uri = onlyIf(f.condition, uri)
		}
		more := object{}
		if e.path == defaultRoute && normalMethod(e.method) == anyMethod {
			more["isDefaultRoute"] = true
		}
		err := d.integrate(e.path, e.method, func() object {
			return object{"type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0", "uri": uri}
		}, more, f.condition)
		if err != nil {
			return err
		}
	}
	if auth := asMap(e.props["Auth"]); len(auth) > 0 {
		if err := e.addAuth(api, d, auth); err != nil {
			return err
		}
	}
	return e.refineRoute(d)
}

// refineRoute sets what an event may say of the integration and the path's parameters.
func (e *httpAPIEvent) refineRoute(d document) error {
	operations, err := d.operations(e.path, e.method)
	if err != nil {
		return err
	}
	for _, operation := range operations {
		integration, ok := operation[integrationKey].(object)
		if !ok {
			return badDocument("Value of '%s' must be a dictionary according to Swagger spec.", integrationKey)
		}
		if truthy(e.props["TimeoutInMillis"]) {
			integration["timeoutInMillis"] = e.props["TimeoutInMillis"]
		}
		if truthy(e.props["PayloadFormatVersion"]) {
			integration["payloadFormatVersion"] = e.props["PayloadFormatVersion"]
		}
		if names := pathParameter.FindAllStringSubmatch(e.path, -1); len(names) > 0 {
			addPathParameters(operation, names)
		}
	}
	return nil
}

// addPathParameters declares the parameters of a path, given as matches of pathParameter.
func addPathParameters(operation object, matches [][]string) {
	parameters, _ := operation["parameters"].([]any)
	byName := map[string]object{}
	for _, item := range slices.Backward(parameters) { // the first of a name counts
		if name, ok := asMap(item)["name"].(string); ok {
			byName[name] = asMap(item)
		}
	}
	for _, match := range matches {
		parameter := byName[match[1]]
		if parameter == nil {
			parameter = object{"name": match[1]}
			byName[match[1]] = parameter
			parameters = append(parameters, parameter)
		}
		parameter["in"], parameter["required"] = "path", true
	}
	operation["parameters"] = parameters
}

// addAuth writes the event's authorizer into the route.
func (e *httpAPIEvent) addAuth(api object, d document, auth object) error {
	apiAuth := object{}
	if given, ok := api["Auth"]; ok {
		var err error
		if apiAuth, err = of(e.apiID).mapping("Auth", given); err != nil {
			return err
		}
	}
	if !truthy(auth["Authorizer"]) {
		if !truthy(apiAuth["DefaultAuthorizer"]) {
			return badEvent(e.name, "'Auth' section requires either an explicit 'Authorizer' set or a 'DefaultAuthorizer' configured on the HttpApi.")
		}
		auth["Authorizer"] = apiAuth["DefaultAuthorizer"]
	}
	authorizer := auth["Authorizer"]
	where := "Unable to set Authorizer [" + show(authorizer) + "] on API method [" + e.method + "] for path [" + e.path + "]"
	authorizers := apiAuth["Authorizers"]
	if len(apiAuth) == 0 {
		authorizers = object{}
	}
	iam := authorizer == "AWS_IAM" && apiAuth["EnableIamAuthorizer"] == true
	if err := checkAuthorizerTypes(e.name, where, authorizer, authorizers, iam); err != nil {
		return err
	}
	switch {
	case authorizer == "NONE":
		if !truthy(apiAuth["DefaultAuthorizer"]) {
			return badEvent(e.name, "Unable to set Authorizer on API method [%s] for path [%s] because 'NONE' is only a valid value when a DefaultAuthorizer on the API is specified.", e.method, e.path)
		}
	case iam:
	case !truthy(authorizers):
		return badEvent(e.name, "%s because the related API does not define any Authorizers.", where)
	case !truthy(asMap(authorizers)[authorizer.(string)]):
		return badEvent(e.name, "%s because it wasn't defined in the API's Authorizers.", where)
	}
	scopes, isList := auth["AuthorizationScopes"].([]any)
	if truthy(auth["AuthorizationScopes"]) && !isList {
		return badEvent(e.name, "Unable to set Authorizer on API method [%s] for path [%s] because 'AuthorizationScopes' must be a list of strings.", e.method, e.path)
	}
	return e.require(d, show(authorizer), scopes, asMap(authorizers))
}

// checkAuthorizerTypes: the name of an authorizer is a text, and its API has a
// mapping of authorizers.
func checkAuthorizerTypes(event, where string, authorizer, authorizers any, iam bool) error {
	_, isText := authorizer.(string)
	_, isMap := authorizers.(object)
	if authorizer == "NONE" || iam || isText && isMap {
		return nil
	}
	return badEvent(event, "%s. The method authorizer must be a string with a corresponding dict entry in the api authorizer.", where)
}

// require adds a security requirement to the route. The event's scopes win over
// those of the authorizer.
func (e *httpAPIEvent) require(d document, authorizer string, scopes []any, authorizers object) error {
	var needed any = []any{}
	if authorizer != "NONE" && authorizer != "AWS_IAM" {
		definition, ok := authorizers[authorizer].(object)
		if !ok {
			return badDocument("Type of authorizer '%s' must be a dictionary", authorizer)
		}
		if truthy(definition["AuthorizationScopes"]) {
			needed = definition["AuthorizationScopes"]
		}
		if len(scopes) > 0 {
			needed = scopes
		}
	}
	operations, err := d.operations(e.path, e.method)
	if err != nil {
		return err
	}
	for _, operation := range operations {
		existing, err := securityOf(operation, e.path, e.method)
		if err != nil {
			return err
		}
		operation["security"] = append(existing, object{authorizer: needed})
	}
	return nil
}
