package sam

import (
	"maps"
	"regexp"
	"strings"
)

// apiEvent is a method of a REST API that calls a function.
type apiEvent struct {
	id, name string
	props    object
	apiID    string
	path     string
	method   string // lower case
	suffix   string // of the permission's logical id: the stage, or a word for one that is not known yet
}

func (t *transform) readAPIEvent(id, name string, props object) (event, error) {
	apiID, isText := referred(props["RestApiId"]).(string)
	path, hasPath := props["Path"].(string)
	method, hasMethod := props["Method"].(string)
	if _, ok := t.source[apiID]; !isText || !ok || !hasPath || !hasMethod {
		return nil, badEvent(name, "RestApiId property of Api event must reference a valid resource in the same template.")
	}
	suffix := "Stage"
	if stage, ok := t.properties(apiID)["StageName"].(string); ok {
		if stage == "" {
			return nil, badResource(apiID, "StageName cannot be empty.")
		}
		suffix = stage
	}
	return &apiEvent{id, name, props, apiID, path, strings.ToLower(method), suffix}, nil
}

// noteFunctionName remembers the names of functions that Api events call: they
// are part of what a deployment is made of.
func (t *transform) noteFunctionName(s *source, events []event) error {
	for _, e := range events {
		e, ok := e.(*apiEvent)
		if !ok {
			continue
		}
		name, err := t.params.resolve(s.props["FunctionName"])
		if err != nil {
			return err
		}
		if truthy(name) {
			t.functions[e.apiID] = append(t.functions[e.apiID], show(name))
		}
	}
	return nil
}

func (e *apiEvent) add(t *transform, s *source, f functionTarget) error {
	path := restParameter.ReplaceAllString(withoutTrailingSlash(e.path), "*")
	method := strings.ToUpper(e.method)
	if e.method == "any" {
		method = "*"
	}
	arn := executeARN(t.in.Partition, "${__Stage__}/"+method+path, e.props["RestApiId"], "*")
	if err := s.addPermission(e.id, e.suffix, "apigateway.amazonaws.com", arn, f); err != nil {
		return err
	}

	api := t.properties(e.apiID)
	merged := truthy(api["MergeDefinitions"])
	if (t.managed[e.apiID] || merged) && api["DefinitionBody"] != nil {
		d := document{body: swaggerSkeleton(), draft: true}
		if !merged {
			var err error
			if d, err = t.openDefinition(e.apiID); err != nil {
				return err
			}
		}
		if err := e.addMethod(t, api, d, f); err != nil {
			return err
		}
		if merged {
			if err := e.mergeInto(asMap(api["DefinitionBody"]), d); err != nil {
				return err
			}
		}
	}

	auth := asMap(e.props["Auth"])
	if !truthy(api["DefinitionBody"]) || !truthy(auth["OverrideApiAuth"]) {
		return nil
	}
	if !truthy(auth["Authorizer"]) && !truthy(auth["ApiKeyRequired"]) && !truthy(auth["ResourcePolicy"]) {
		return badEvent(e.name, "Must define one of: Authorizer, ApiKeyRequired or ResourcePolicy when using the OverrideApiAuth property.")
	}
	d, err := t.openDefinition(e.apiID)
	if err != nil {
		return err
	}
	return e.addAuth(t, api, d, auth)
}

// openDefinition takes the definition of a REST API for one of its events. Checking
// all paths once is enough, and an API may have thousands of events.
func (t *transform) openDefinition(apiID string) (document, error) {
	body := t.properties(apiID)["DefinitionBody"]
	if t.opened[apiID] {
		return document{body: asMap(body)}, nil
	}
	d, err := openSwagger(body)
	t.opened[apiID] = err == nil
	return d, err
}

// policyFor gives the resource policy that an event adds to.
func (t *transform) policyFor(apiID string, d document) *resourcePolicy {
	if d.draft {
		return d.resourcePolicy()
	}
	if t.policies[apiID] == nil {
		t.policies[apiID] = d.resourcePolicy()
	}
	return t.policies[apiID]
}

// addMethod writes the method into the definition.
func (e *apiEvent) addMethod(t *transform, api object, d document, f functionTarget) error {
	taken, err := d.integrated(e.path, e.method)
	if err != nil {
		return err
	}
	if taken {
		return badEvent(e.name, "API method \"%s\" defined multiple times for path \"%s\".", e.method, e.path)
	}
	auth := asMap(e.props["Auth"])
	apiAuth := object{}
	if truthy(api["Auth"]) {
		if apiAuth, err = of(e.apiID).mapping("Auth", api["Auth"]); err != nil {
			return err
		}
	}
	streamed := e.props["ResponseTransferMode"] == "RESPONSE_STREAM"
	var uri any = functionURI(t.in.Partition, f.uri, streamed)
	if truthy(f.condition) {
		uri = onlyIf(f.condition, uri)
	}
	credentials := t.callerCredentials(auth, apiAuth)
	err = d.integrate(e.path, e.method, func() object {
		integration := object{"type": "aws_proxy", "httpMethod": "POST", "uri": uri}
		if streamed {
			integration["responseTransferMode"] = "STREAM"
		}
		if credentials != nil {
			integration["credentials"] = credentials
		}
		return integration
	}, nil, f.condition)
	if err != nil {
		return err
	}
	if len(auth) > 0 {
		if err := e.addAuth(t, api, d, auth); err != nil {
			return err
		}
	}
	return e.refineMethod(api, d)
}

// callerCredentials gives the role that a method with AWS_IAM calls its function
// as: InvokeRole of the event or the API, or the caller's own. "NONE", or an
// empty value, is none.
func (t *transform) callerCredentials(auth, apiAuth object) any {
	if auth["Authorizer"] != "AWS_IAM" && (apiAuth["DefaultAuthorizer"] != "AWS_IAM" || len(auth) > 0) {
		return nil
	}
	for _, level := range []object{auth, apiAuth} {
		role, ok := level["InvokeRole"]
		switch {
		case !ok:
			continue
		case !truthy(role) || role == "NONE":
			return nil
		case role != "CALLER_CREDENTIALS":
			return role
		}
		break
	}
	return "arn:" + t.in.Partition + ":iam::*:user/*"
}

// mergeInto writes the event's method into a definition of the template's own.
// What the event says of the method wins. AWS adds nothing to a definition
// without any path.
func (e *apiEvent) mergeInto(body object, d document) error {
	bad := func(why string) error { return badResource(e.apiID, "Property 'DefinitionBody' is invalid: %s", why) }
	if !truthy(body["paths"]) {
		return nil
	}
	paths, ok := body["paths"].(object)
	if !ok {
		return bad("It should be a map")
	}
	item, ok := paths[e.path].(object)
	if !ok && paths[e.path] != nil {
		return bad("The value of '" + e.path + "' should be a map")
	}
	operation := object{}
	if given := item[e.method]; truthy(given) {
		given, err := of(e.apiID).mapping("DefinitionBody.paths."+e.path+"."+e.method, given)
		if err != nil {
			return err
		}
		maps.Copy(operation, given)
	}
	maps.Copy(operation, asMap(asMap(d.paths()[e.path])[normalMethod(e.method)]))
	if item == nil {
		item = object{}
		paths[e.path] = item
	}
	item[e.method] = operation
	return nil
}

// addAuth writes the event's authorizer and API key requirement into the method.
func (e *apiEvent) addAuth(t *transform, api object, d document, auth object) error {
	if api["Auth"] != nil && !t.resolved[e.apiID] {
		apiAuth, err := t.params.resolveMap(e.apiID, "Auth", api["Auth"])
		if err != nil {
			return err
		}
		api["Auth"], t.resolved[e.apiID] = apiAuth, true
	}
	apiAuth := asMap(api["Auth"])
	authorizer := auth["Authorizer"]
	where := "on API method [" + e.method + "] for path [" + e.path + "]"
	if truthy(authorizer) {
		if err := e.checkAuthorizer(authorizer, apiAuth, where); err != nil {
			return err
		}
	}
	if truthy(auth["AuthorizationScopes"]) {
		if _, err := ofEvent(e.name).list("Auth.AuthorizationScopes", auth["AuthorizationScopes"]); err != nil {
			return err
		}
		if !truthy(authorizer) {
			return badEvent(e.name, "AuthorizationScopes works only when Authorizer is set")
		}
	}
	key := auth["ApiKeyRequired"]
	if key != nil && !truthy(key) && !truthy(apiAuth["ApiKeyRequired"]) {
		return badEvent(e.name, "Unable to set ApiKeyRequired [False] %s because the related API does not specify any ApiKeyRequired.", where)
	}
	if truthy(authorizer) {
		if err := d.requireAuthorizer(e.path, e.method, show(authorizer), auth["AuthorizationScopes"], asMap(apiAuth["Authorizers"])); err != nil {
			return err
		}
	}
	if key != nil {
		if err := d.requireAPIKey(e.path, e.method, truthy(key)); err != nil {
			return err
		}
	}
	if policy := auth["ResourcePolicy"]; truthy(policy) {
		given, err := of(e.name).mapping("Auth.ResourcePolicy", policy)
		if err != nil {
			return err
		}
		return d.addResourcePolicy(t.policyFor(e.apiID, d), given, []string{e.path}, e.suffix)
	}
	return nil
}

func (e *apiEvent) checkAuthorizer(authorizer any, apiAuth object, where string) error {
	authorizers := apiAuth["Authorizers"]
	if truthy(authorizers) {
		if _, err := of(e.apiID).mapping("Auth.Authorizers", authorizers); err != nil {
			return err
		}
	}
	set := "Unable to set Authorizer [" + show(authorizer) + "] " + where
	switch {
	case authorizer == "AWS_IAM":
		return nil
	case authorizer == "NONE":
		if !truthy(apiAuth["DefaultAuthorizer"]) {
			return badEvent(e.name, "Unable to set Authorizer %s because 'NONE' is only a valid value when a DefaultAuthorizer on the API is specified.", where)
		}
		return nil
	case !truthy(authorizers):
		return badEvent(e.name, "%s because the related API does not define any Authorizers.", set)
	}
	if err := checkAuthorizerTypes(e.name, set, authorizer, authorizers, false); err != nil {
		return err
	}
	if !truthy(asMap(authorizers)[authorizer.(string)]) {
		return badEvent(e.name, "%s because it wasn't defined in the API's Authorizers.", set)
	}
	return nil
}

// refineMethod sets what an event may say of the integration, the request's body
// and its parameters.
func (e *apiEvent) refineMethod(api object, d document) error {
	operations, err := d.operations(e.path, e.method)
	if err != nil {
		return err
	}
	if timeout := e.props["TimeoutInMillis"]; truthy(timeout) {
		for _, operation := range operations {
			asMap(operation[integrationKey])["timeoutInMillis"] = timeout
		}
	}
	if request := e.props["RequestModel"]; truthy(request) {
		model, err := ofEvent(e.name).mapping("RequestModel", request)
		if err != nil {
			return err
		}
		if err := e.addRequestModel(api, d, operations, model); err != nil {
			return err
		}
	}
	return e.addRequestParameters(operations)
}

// addRequestModel says what the body of the request has to look like.
func (e *apiEvent) addRequestModel(api object, d document, operations []object, request object) error {
	if !truthy(request["Model"]) {
		return nil
	}
	bad := func(why string) error {
		return badEvent(e.name, "Unable to set RequestModel [%s] on API method [%s] for path [%s] because %s", show(request["Model"]), e.method, e.path, why)
	}
	models := api["Models"]
	modelMap, isMap := models.(object)
	name, isText := request["Model"].(string)
	switch {
	case !truthy(models):
		return bad("the related API does not define any Models.")
	case !isMap:
		return bad("the related API Models defined is of invalid type.")
	case !isText:
		return bad("the related API does not contain valid Models.")
	case !truthy(modelMap[name]):
		return bad("it wasn't defined in the API's Models.")
	}
	name = strings.ToLower(name)
	needed, isNeeded := request["Required"]
	isNeeded = isNeeded && needed != nil
	for _, operation := range operations {
		if d.body["swagger"] != nil {
			parameter := object{"in": "body", "name": name, "schema": object{"$ref": "#/definitions/" + name}}
			if isNeeded {
				parameter["required"] = needed
			}
			parameters, _ := operation["parameters"].([]any)
			operation["parameters"] = append(parameters, parameter)
			continue
		}
		body := object{"content": object{"application/json": object{"schema": object{"$ref": "#/components/schemas/" + name}}}}
		if isNeeded {
			body["required"] = needed
		}
		operation["requestBody"] = body
	}
	return e.addValidator(d, operations, request)
}

// addValidator has the gateway check the body or the parameters of requests.
func (e *apiEvent) addValidator(d document, operations []object, request object) error {
	body, parameters := request["ValidateBody"], request["ValidateParameters"]
	if body == nil && parameters == nil {
		return nil
	}
	checksBody, ok1 := body.(bool)
	checksParameters, ok2 := parameters.(bool)
	if !ok1 && body != nil || !ok2 && parameters != nil {
		return badEvent(e.name, "Unable to set Validator to RequestModel [%s] on API method [%s] for path [%s] ValidateBody and ValidateParameters must be a boolean type, strings or intrinsics are not supported.", show(request["Model"]), e.method, e.path)
	}
	name := "no-validation"
	switch {
	case checksBody && checksParameters:
		name = "body-and-params"
	case checksBody:
		name = "body-only"
	case checksParameters:
		name = "params-only"
	}
	validators := d.section(validatorsKey)
	if !truthy(validators[name]) {
		validators[name] = object{"validateRequestBody": checksBody, "validateRequestParameters": checksParameters}
	}
	for _, operation := range operations {
		operation[validatorKey] = name
	}
	return nil
}

var requestParameter = regexp.MustCompile(`^method\.request\.(querystring|path|header)\.`)

// addRequestParameters declares parameters of the request: names, or mappings of
// one name to Required and Caching.
func (e *apiEvent) addRequestParameters(operations []object) error {
	given, _ := e.props["RequestParameters"].([]any)
	for _, item := range given {
		name, isText := item.(string)
		settings := object{}
		if m, ok := item.(object); ok && len(m) > 0 {
			name, isText = sorted(m)[0], true
			if settings, ok = m[name].(object); !ok {
				settings = object{"": nil} // refused below, after the name
			}
		}
		if !isText {
			return badEvent(e.name, "Invalid value for 'RequestParameters' property. Property must be either a string or an object")
		}
		if !requestParameter.MatchString(name) {
			return badEvent(e.name, "Invalid value for 'RequestParameters' property. Keys must be in the format 'method.request.[querystring|path|header].{value}', e.g 'method.request.header.Authorization'.")
		}
		for key := range settings {
			if key != "Required" && key != "Caching" {
				return badEvent(e.name, "Invalid value for 'RequestParameters' property. Values must be an object, e.g { Required: true, Caching: false }")
			}
		}
		location, short, _ := strings.Cut(strings.TrimPrefix(name, "method.request."), ".")
		if location == "querystring" {
			location = "query"
		}
		var needed any = false
		if value, ok := settings["Required"]; ok {
			needed = value
		}
		for _, operation := range operations {
			parameters, _ := operation["parameters"].([]any)
			operation["parameters"] = append(parameters, object{"in": location, "name": short, "required": needed, "type": "string"})
			if integration := asMap(operation[integrationKey]); truthy(settings["Caching"]) {
				keys, _ := integration["cacheKeyParameters"].([]any)
				integration["cacheKeyParameters"] = append(keys, name)
			}
		}
	}
	return nil
}
