package sam

import (
	"slices"
	"strings"
)

// convertAPI expands AWS::Serverless::Api: the REST API, its deployment and stage, the
// custom domain with its mappings and DNS records, and permissions for authorizers.
func (t *transform) convertAPI(s *source) error {
	if err := check(s.id, apiType, apiProperties, s.props); err != nil {
		return err
	}
	p := s.props
	var err error
	if p["BinaryMediaTypes"], err = t.params.resolve(p["BinaryMediaTypes"]); err != nil {
		return err
	}
	domain, err := t.params.resolveMap(s.id, "Domain", p["Domain"])
	if err != nil {
		return err
	}
	auth, err := t.params.resolveMap(s.id, "Auth", p["Auth"])
	if err != nil {
		return err
	}

	props, err := t.restAPIProps(s, auth)
	if err != nil {
		return err
	}
	s.replace("AWS::ApiGateway::RestApi", props)
	if domain != nil {
		if err := t.addRESTDomain(s, domain); err != nil {
			return err
		}
	}
	if err := t.addDeployment(s, props, domain); err != nil {
		return err
	}
	if err := t.addRESTPermissions(s, auth); err != nil {
		return err
	}
	if truthy(auth["UsagePlan"]) {
		return notBuilt(s.id, "Auth.UsagePlan")
	}
	if truthy(p["PropagateTags"]) {
		s.propagateTags(asMap(p["Tags"]))
	}
	t.place(s)
	return nil
}

// restAPIProps writes what the properties say into the definition, and gives the
// properties of the AWS::ApiGateway::RestApi.
func (t *transform) restAPIProps(s *source, auth object) (object, error) {
	p := s.props
	body := p["DefinitionBody"]
	if truthy(p["DefinitionUri"]) && truthy(body) {
		return nil, badResource(s.id, "Specify either 'DefinitionUri' or 'DefinitionBody' property and not both.")
	}
	if truthy(p["DefinitionUri"]) && truthy(p["MergeDefinitions"]) {
		return nil, badResource(s.id, "Cannot set 'MergeDefinitions' to True when using `DefinitionUri`.")
	}
	if version := p["OpenApiVersion"]; truthy(version) && !supportedOpenAPI(version) {
		return nil, badResource(s.id, "The OpenApiVersion value must be of the format '3.0.0'.")
	}
	props := object{"BinaryMediaTypes": p["BinaryMediaTypes"], "MinimumCompressionSize": p["MinimumCompressionSize"]}
	if err := t.setEndpoint(s.id, props, p["EndpointConfiguration"]); err != nil {
		return nil, err
	}
	if err := t.defineRESTAPI(s, auth); err != nil {
		return nil, err
	}
	switch {
	case truthy(p["DefinitionUri"]):
		location, err := bodyLocation(s.id, p["DefinitionUri"])
		if err != nil {
			return nil, err
		}
		props["BodyS3Location"] = location
	case truthy(body):
		if err := asOpenAPI3(asMap(body), p["OpenApiVersion"]); err != nil {
			return nil, err
		}
		props["Body"] = body
	}
	for _, name := range []string{"FailOnWarnings", "Name", "Description", "Mode", "ApiKeySourceType", "Policy", "SecurityPolicy", "EndpointAccessMode"} {
		if truthy(p[name]) {
			props[name] = p[name]
		}
	}
	return props, nil
}

// supportedOpenAPI: "2.0" and "3.x", with one more digit or none.
func supportedOpenAPI(version any) bool {
	text := show(version)
	return openAPI3.MatchString(text) || strings.HasPrefix(text, "2.") && openAPI3.MatchString("3"+text[1:])
}

// setEndpoint sets the kind of endpoint. Where there are no edge-optimised ones,
// the default is a regional one.
func (t *transform) setEndpoint(id string, props object, given any) error {
	if !truthy(given) {
		switch p := t.in.Partition; {
		case strings.HasPrefix(p, "aws-iso"), p == "aws-us-gov", p == "aws-cn", p == "aws-eusc":
			given = "REGIONAL"
		default:
			return nil
		}
	}
	kind := given
	config := object{}
	if m, ok := given.(object); ok && truthy(m["Type"]) {
		kind = m["Type"]
		first, isFirst := m["VPCEndpointIds"]
		second, isSecond := m["VpcEndpointIds"]
		if isFirst && isSecond {
			return badResource(id, "'VPCEndpointIds' and 'VpcEndpointIds' cannot be used together in EndpointConfiguration.")
		}
		if isFirst || isSecond {
			config["VpcEndpointIds"] = first
			if !truthy(first) {
				config["VpcEndpointIds"] = second
			}
		}
		if address, ok := m["IpAddressType"]; ok {
			config["IpAddressType"] = address
		}
	}
	config["Types"] = []any{kind}
	props["EndpointConfiguration"] = config
	props["Parameters"] = object{"endpointConfigurationTypes": kind}
	return nil
}

// defineRESTAPI writes CORS, authorizers, responses, media types, models and the
// endpoint's state into the definition, in AWS's order: what is
// written first is there for what comes after.
func (t *transform) defineRESTAPI(s *source, auth object) error {
	p := s.props
	body := p["DefinitionBody"]
	if truthy(p["Cors"]) {
		if err := addRESTCORS(s.id, p["Cors"], body); err != nil {
			return err
		}
	}
	if len(auth) > 0 {
		if err := t.addRESTAuth(s, auth, body); err != nil {
			return err
		}
	}
	if answers := asMap(p["GatewayResponses"]); len(answers) > 0 {
		if err := addGatewayResponses(s.id, answers, body); err != nil {
			return err
		}
	}
	if truthy(p["BinaryMediaTypes"]) && truthy(body) {
		d, err := openSwagger(body)
		if err != nil {
			return err
		}
		d.body[binaryTypesKey] = unescapeSlashes(p["BinaryMediaTypes"])
	}
	if models := asMap(p["Models"]); len(models) > 0 {
		if err := addModels(s.id, models, body); err != nil {
			return err
		}
		if err := asOpenAPI3(asMap(body), p["OpenApiVersion"]); err != nil {
			return err
		}
	}
	if p["DisableExecuteApiEndpoint"] != nil {
		return addRESTEndpoint(s.id, p["DisableExecuteApiEndpoint"], body)
	}
	return nil
}

// unescapeSlashes reads the media types of BinaryMediaTypes, where "~1" is a slash.
func unescapeSlashes(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "~1", "/")
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = unescapeSlashes(item)
		}
		return out
	case object:
		out := make(object, len(v))
		for key, item := range v {
			out[strings.ReplaceAll(key, "~1", "/")] = unescapeSlashes(item)
		}
		return out
	}
	return v
}

// addRESTEndpoint turns the API's own address off, or on, in the definition.
func addRESTEndpoint(id string, disabled, body any) error {
	if !truthy(body) {
		return badResource(id, "DisableExecuteApiEndpoint works only within 'DefinitionBody' property.")
	}
	d, err := openSwagger(body)
	if err != nil {
		return err
	}
	holders, what := []any{d.body}, "Invalid OpenAPI definition"
	if truthy(d.body["openapi"]) && openAPI3.MatchString(show(d.body["openapi"])) {
		servers, ok := d.body["servers"].([]any)
		if !ok {
			servers = []any{object{}}
		}
		d.body["servers"] = servers
		holders, what = servers, "Invalid OpenAPI definition of 'servers'"
	}
	for _, item := range holders {
		holder, ok := item.(object)
		if !ok {
			return badDocument("%s: It should be a map.", what)
		}
		config, ok := holder[endpointConfigKey].(object)
		if !ok && holder[endpointConfigKey] != nil {
			return badDocument("%s: The value of '%s' should be a map.", what, endpointConfigKey)
		}
		if config == nil {
			config = object{}
		}
		config["disableExecuteApiEndpoint"] = disabled
		holder[endpointConfigKey] = config
	}
	return nil
}

// addGatewayResponses writes the responses of the gateway's own into the definition.
func addGatewayResponses(id string, given object, body any) error {
	if !truthy(body) {
		return badResource(id, "GatewayResponses works only with inline Swagger specified in 'DefinitionBody' property.")
	}
	for _, kind := range sorted(given) {
		if isIntrinsic(given[kind]) {
			return badResource(id, "Unable to set GatewayResponses attribute because intrinsic functions are not supported for this field.")
		}
		answer, ok := given[kind].(object)
		if !ok {
			return badResource(id, "Invalid property type '%s' for GatewayResponses. Expected an object of type 'GatewayResponse'.", pythonType(given[kind]))
		}
		for _, key := range sorted(answer) {
			if key != "ResponseParameters" && key != "ResponseTemplates" && key != "StatusCode" {
				return badResource(id, "Invalid property '%s' in 'GatewayResponses' property '%s'.", key, kind)
			}
		}
	}
	if !validSwagger(body) {
		return badResource(id, "Unable to add Auth configuration because 'DefinitionBody' does not contain a valid Swagger definition.") // AWS says Auth
	}
	d, err := openSwagger(body)
	if err != nil {
		return err
	}
	for _, kind := range sorted(given) {
		answer, err := gatewayResponse(id, kind, asMap(given[kind]))
		if err != nil {
			return err
		}
		d.section(gatewayAnswersKey)[kind] = answer
	}
	return nil
}

func gatewayResponse(id, kind string, given object) (object, error) {
	answer := object{"responseParameters": object{}, "responseTemplates": object{}}
	if truthy(given["ResponseTemplates"]) {
		answer["responseTemplates"] = given["ResponseTemplates"]
	}
	parameters := object{}
	if truthy(given["ResponseParameters"]) {
		var err error
		if parameters, err = of(id).mapping("GatewayResponses."+kind+".ResponseParameters", given["ResponseParameters"]); err != nil {
			return nil, err
		}
	}
	places := []struct{ name, prefix string }{{"Headers", "header."}, {"Paths", "path."}, {"QueryStrings", "querystring."}}
	for _, key := range sorted(parameters) {
		if key != "Headers" && key != "Paths" && key != "QueryStrings" {
			return nil, badResource(id, "Invalid gateway response parameter '%s'", key)
		}
	}
	if status := given["StatusCode"]; truthy(status) {
		code := show(status)
		if len(code) > 3 || strings.Trim(code, "0123456789") != "" {
			return nil, badResource(id, "Property 'StatusCode' must be numeric")
		}
		answer["statusCode"] = code
	}
	for _, place := range places {
		value, ok := parameters[place.name]
		if !ok {
			continue
		}
		named, err := of(id).mapping("ResponseParameters."+place.name, value)
		if err != nil {
			return nil, err
		}
		for key, item := range named {
			asMap(answer["responseParameters"])["gatewayresponse."+place.prefix+key] = item
		}
	}
	return answer, nil
}

// addModels writes the models of requests into the definition, in lower case.
func addModels(id string, models object, body any) error {
	if !truthy(body) {
		return badResource(id, "Models works only with inline Swagger specified in 'DefinitionBody' property.")
	}
	if !validSwagger(body) {
		return badResource(id, "Unable to add Models definitions because 'DefinitionBody' does not contain a valid Swagger definition.")
	}
	for _, name := range sorted(models) {
		if _, ok := models[name].(object); !ok {
			return badResource(id, "Invalid value for 'Models' property")
		}
	}
	d, err := openSwagger(body)
	if err != nil {
		return err
	}
	for _, name := range sorted(models) {
		if !truthy(asMap(models[name])["type"]) {
			return badDocument("'Models' schema is missing 'type'.")
		}
		d.section("definitions")[strings.ToLower(name)] = models[name]
	}
	return nil
}

// asOpenAPI3 moves what is written for Swagger 2.0 to where OpenAPI 3 has it, when
// the definition is of that version. AWS takes this step after each
// of several others, and wraps the headers of OPTIONS once more each time.
func asOpenAPI3(body object, version any) error {
	if body["swagger"] != nil {
		return nil
	}
	if version == nil {
		version = body["openapi"]
	}
	if !truthy(version) || !openAPI3.MatchString(show(version)) {
		return nil
	}
	for from, to := range map[string]string{"securityDefinitions": "securitySchemes", "definitions": "schemas"} {
		if !truthy(body[from]) {
			continue
		}
		components, ok := body["components"].(object)
		if !ok {
			components = object{}
			body["components"] = components
		}
		components[to] = body[from]
		delete(body, from)
	}
	paths := asMap(body["paths"])
	for _, path := range sorted(paths) {
		item, ok := paths[path].(object)
		if !ok {
			return badDocument("Value of '%s' path must be a dictionary according to Swagger spec.", path)
		}
		if !truthy(item["options"]) {
			continue
		}
		options, ok := item["options"].(object)
		if !ok {
			return badDocument("Value of options method for path %s must be a dictionary according to Swagger spec.", path)
		}
		delete(options, "produces")
		delete(options, "consumes")
		if err := wrapHeaders(options, path); err != nil {
			return err
		}
	}
	return nil
}

func wrapHeaders(options object, path string) error {
	responses, ok := options["responses"].(object)
	if !ok && options["responses"] != nil {
		return badDocument("Invalid responses in options method for path %s: It should be a map.", path)
	}
	good, ok := responses["200"].(object)
	if !ok && responses["200"] != nil {
		return badDocument("Invalid responses in options method for path %s: The value of '200' should be a map.", path)
	}
	headers, ok := good["headers"].(object)
	if !ok && truthy(good["headers"]) {
		return badDocument("Value of response's headers in options method for path %s must be a dictionary according to Swagger spec.", path)
	}
	for name, schema := range headers {
		headers[name] = object{"schema": schema}
	}
	return nil
}

// addDeployment adds the deployment, whose logical id tells what is deployed, and
// the stage. Without OpenApiVersion AWS makes a second stage, "Stage".
func (t *transform) addDeployment(s *source, api, domain object) error {
	p := s.props
	deployment := object{"RestApiId": ref(s.id)}
	if !truthy(p["OpenApiVersion"]) {
		deployment["StageName"] = "Stage"
	}
	var definition any = api["Body"]
	if definition == nil {
		definition = api["BodyS3Location"]
	}
	id := s.id + "Deployment"
	if truthy(definition) {
		hash, err := t.hashDeployment(s, definition, domain)
		if err != nil {
			return err
		}
		id += hash[:shortHash]
		deployment["Description"] = "RestApi deployment id: " + hash
	}
	if _, err := s.add(id, "AWS::ApiGateway::Deployment", deployment); err != nil {
		return err
	}
	t.refs.add(s.id, "Deployment", id)

	name, _ := p["StageName"].(string)
	stage := object{
		"RestApiId":           ref(s.id),
		"DeploymentId":        ref(id),
		"StageName":           p["StageName"],
		"CacheClusterEnabled": p["CacheClusterEnabled"],
		"CacheClusterSize":    p["CacheClusterSize"],
		"Variables":           p["Variables"],
		"MethodSettings":      p["MethodSettings"],
		"AccessLogSetting":    p["AccessLogSetting"],
		"CanarySetting":       p["CanarySetting"],
		"TracingEnabled":      p["TracingEnabled"],
	}
	if tags, ok := p["Tags"].(object); ok {
		stage["Tags"] = tagList(tags)
	}
	stageID := withSuffix(s.id, name, "Stage")
	t.refs.add(s.id, "Stage", stageID)
	_, err := s.add(stageID, "AWS::ApiGateway::Stage", stage)
	return err
}

// hashDeployment gives the hash of what is deployed or, with AlwaysDeploy, of this run.
func (t *transform) hashDeployment(s *source, definition any, domain object) (string, error) {
	if truthy(s.props["AlwaysDeploy"]) {
		if t.in.Run == "" {
			return "", badResource(s.id, "AlwaysDeploy needs something that tells this expansion from others, and nothing was given.")
		}
		return deploymentHash(t.in.Run), nil
	}
	if size, _ := measure(definition); size > maxSize {
		return "", badDocument("It expands to more than %d bytes.", maxSize)
	}
	return deploymentHash(definition, s.props["OpenApiVersion"], domain, t.functions[s.id]), nil
}

// corsSettings are the settings of an API's Cors.
var corsSettings = []string{"AllowMethods", "AllowHeaders", "AllowOrigin", "MaxAge", "AllowCredentials"}

// addRESTCORS gives every path an OPTIONS method that answers preflight requests.
func addRESTCORS(id string, given, body any) error {
	if !truthy(body) {
		return badResource(id, "Cors works only with inline Swagger specified in 'DefinitionBody' property.")
	}
	cors := object{"AllowOrigin": given}
	if m, ok := given.(object); ok && !isIntrinsic(given) {
		cors = object{"AllowOrigin": "'*'"}
		for _, key := range sorted(m) {
			if !slices.Contains(corsSettings, key) {
				return badResource(id, "Invalid key '%s' for 'Cors' property.", key)
			}
			cors[key] = m[key]
		}
	}
	if !validSwagger(body) {
		return badResource(id, "Unable to add Cors configuration because 'DefinitionBody' does not contain a valid Swagger definition.")
	}
	if cors["AllowCredentials"] == true && cors["AllowOrigin"] == "'*'" {
		return badResource(id, "Unable to add Cors configuration because 'AllowCredentials' can not be true when 'AllowOrigin' is \"'*'\" or not set")
	}
	d, err := openSwagger(body)
	if err != nil {
		return err
	}
	done := map[string]bool{} // "/a" and "/a/" are one resource
	for _, path := range sorted(d.paths()) {
		same := path
		if path != "/" {
			same = strings.TrimRight(path, "/")
		}
		if done[same] {
			continue
		}
		done[same] = true
		items, err := d.items(path)
		if err != nil {
			return err
		}
		methods := cors["AllowMethods"]
		for _, item := range items {
			if _, ok := item["options"]; ok {
				continue
			}
			if !truthy(cors["AllowOrigin"]) {
				return badResource(id, "%s", structureText("Invalid input. Value for AllowedOrigins is required"))
			}
			if !truthy(methods) {
				methods = "'" + methodsOf(item) + "'"
			}
			item["options"] = preflight(cors, methods)
		}
	}
	return nil
}

// methodsOf lists the methods of a path, OPTIONS among them.
func methodsOf(item object) string {
	names := []string{"OPTIONS"}
	for method := range item {
		names = append(names, strings.ToUpper(method))
	}
	if _, ok := item[anyMethod]; ok {
		names = []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}

// preflight is the OPTIONS method: a mock integration that answers with headers.
func preflight(cors object, methods any) object {
	parameters, headers := object{}, object{}
	set := func(header string, value any, kind string) {
		parameters["method.response.header."+header] = value
		headers[header] = object{"type": kind}
	}
	set("Access-Control-Allow-Origin", cors["AllowOrigin"], "string")
	set("Access-Control-Allow-Methods", methods, "string")
	if truthy(cors["AllowHeaders"]) {
		set("Access-Control-Allow-Headers", cors["AllowHeaders"], "string")
	}
	if cors["MaxAge"] != nil {
		set("Access-Control-Max-Age", cors["MaxAge"], "integer")
	}
	if cors["AllowCredentials"] == true {
		set("Access-Control-Allow-Credentials", "'true'", "string")
	}
	return object{
		"summary":  "CORS support",
		"consumes": []any{"application/json"},
		"produces": []any{"application/json"},
		integrationKey: object{
			"type":             "mock",
			"requestTemplates": object{"application/json": "{\n  \"statusCode\" : 200\n}\n"},
			"responses": object{"default": object{
				"statusCode":         "200",
				"responseParameters": parameters,
				"responseTemplates":  object{"application/json": "{}\n"},
			}},
		},
		"responses": object{"200": object{"description": "Default response for CORS method", "headers": headers}},
	}
}
