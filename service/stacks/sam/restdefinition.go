package sam

import "strings"

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
