package sam

import (
	"slices"
	"strings"
)

// CORS of the two kinds of API: an HTTP API answers preflight requests itself, and
// takes settings; a REST API gets an OPTIONS method for every path.

// httpCORS are the keys of CorsConfiguration.
var httpCORS = []string{"AllowOrigins", "AllowHeaders", "AllowMethods", "ExposeHeaders", "MaxAge", "AllowCredentials"}

// addHTTPCORS writes CorsConfiguration into the definition: true, a mapping, or an
// intrinsic function that gives one.
func addHTTPCORS(id string, given, body any) error {
	if !truthy(body) {
		return badResource(id, "Cors works only with inline OpenApi specified in 'DefinitionBody' property.")
	}
	settings := object{"AllowOrigins": []any{"*"}}
	switch m, isMap := given.(object); {
	case isIntrinsic(given):
		settings = object{"AllowOrigins": given}
	case isMap:
		for _, key := range sorted(m) {
			if !slices.Contains(httpCORS, key) {
				return badResource(id, "Invalid key '%s' for 'Cors' property.", key)
			}
		}
		settings = m
	default:
		if _, ok := given.(bool); !ok {
			return badResource(id, "Invalid value for 'Cors' property.")
		}
	}
	if !validOpenAPI(body) {
		return badResource(id, "Unable to add Cors configuration because 'DefinitionBody' does not contain a valid OpenApi definition.")
	}
	if origins, ok := settings["AllowOrigins"].([]any); ok && len(origins) == 1 && origins[0] == "*" && settings["AllowCredentials"] == true {
		return badResource(id, "Unable to add Cors configuration because 'AllowCredentials' can not be true when 'AllowOrigin' is \"'*'\" or not set.")
	}
	d, err := openOpenAPI(body)
	if err != nil {
		return err
	}
	existing, isGiven := d.body[corsKey]
	cors, ok := existing.(object)
	if isGiven && !ok {
		return badDocument("Value of '%s' must be a dictionary according to Swagger spec.", corsKey)
	}
	if cors == nil {
		cors = object{}
	}
	d.body[corsKey] = cors
	if isIntrinsic(settings["AllowOrigins"]) {
		// AWS puts the function in the place of all the settings.
		for key, value := range asMap(lowerCORS(settings["AllowOrigins"])) {
			cors[key] = value
		}
		return nil
	}
	for _, key := range httpCORS {
		value := settings[key]
		switch {
		case key == "MaxAge" && value == nil:
		case key == "AllowCredentials" && value != true:
		case key != "MaxAge" && !truthy(value):
		default:
			cors[lowerFirst(key)] = value
		}
	}
	return nil
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// lowerCORS writes the keys of CorsConfiguration in a tree as OpenAPI has them,
// wherever they stand.
func lowerCORS(v any) any {
	switch v := v.(type) {
	case string:
		for _, key := range httpCORS {
			v = strings.ReplaceAll(v, key, lowerFirst(key))
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = lowerCORS(item)
		}
		return out
	case object:
		out := make(object, len(v))
		for key, item := range v {
			out[lowerCORS(key).(string)] = lowerCORS(item)
		}
		return out
	}
	return v
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
