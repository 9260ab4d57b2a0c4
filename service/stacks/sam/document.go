package sam

import (
	"regexp"
	"strings"
)

// Keys of API Gateway's extensions to OpenAPI.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
const (
	integrationKey    = "x-amazon-apigateway-integration"
	authorizerKey     = "x-amazon-apigateway-authorizer"
	authtypeKey       = "x-amazon-apigateway-authtype"
	endpointConfigKey = "x-amazon-apigateway-endpoint-configuration"
	corsKey           = "x-amazon-apigateway-cors"
	tagValueKey       = "x-amazon-apigateway-tag-value"
	binaryTypesKey    = "x-amazon-apigateway-binary-media-types"
	gatewayAnswersKey = "x-amazon-apigateway-gateway-responses"
	policyKey         = "x-amazon-apigateway-policy"
	validatorKey      = "x-amazon-apigateway-request-validator"
	validatorsKey     = "x-amazon-apigateway-request-validators"

	anyMethod    = "x-amazon-apigateway-any-method"
	defaultRoute = "$default"
)

var openAPI3 = regexp.MustCompile(`^3(\.\d)(\.\d)?$`)

// document is the definition of an API, edited in place. Paths and operations
// may stand inside an Fn::If; what is done to one is done to all branches.
type document struct {
	body object

	// A draft is thrown away but for its operations, which are merged into
	// another definition.
	draft bool
}

func swaggerSkeleton() object {
	return object{"swagger": "2.0", "info": object{"version": "1.0", "title": ref("AWS::StackName")}, "paths": object{}}
}

func openAPISkeleton() object {
	return object{"openapi": "3.0.1", "info": object{"version": "1.0", "title": ref("AWS::StackName")}, "paths": object{}}
}

func validOpenAPI(v any) bool {
	body := asMap(v)
	_, hasPaths := body["paths"].(object)
	return hasPaths && truthy(body["openapi"]) && openAPI3.MatchString(show(body["openapi"]))
}

func validSwagger(v any) bool {
	body := asMap(v)
	_, hasPaths := body["paths"].(object)
	return hasPaths && truthy(body["swagger"]) || validOpenAPI(v)
}

// openSwagger takes the definition of a REST API for editing.
func openSwagger(v any) (document, error) {
	if !validSwagger(v) {
		return document{}, badDocument("Invalid Swagger document or the Swagger document is not explicitly defined in 'DefinitionBody'.")
	}
	d := document{body: asMap(v)}
	for _, path := range sorted(d.paths()) {
		if _, err := d.items(path); err != nil {
			return document{}, err
		}
	}
	return d, nil
}

// openOpenAPI takes the definition of an HTTP API for editing.
func openOpenAPI(v any) (document, error) {
	if !validOpenAPI(v) {
		return document{}, badDocument("Invalid OpenApi document. Invalid values or missing keys for 'openapi' or 'paths' in 'DefinitionBody'.")
	}
	d := document{body: asMap(v)}
	for _, place := range []struct {
		in   object
		name string
	}{{d.body, "components"}, {asMap(d.body["components"]), "components.securitySchemes"}, {d.body, "info"}} {
		name := place.name[strings.LastIndexByte(place.name, '.')+1:]
		if _, ok := place.in[name].(object); !ok && place.in[name] != nil {
			return document{}, badDocument("Invalid OpenApi document: The value of '%s' should be a map", place.name)
		}
	}
	return d, nil
}

func (d document) paths() object { return asMap(d.body["paths"]) }

// section gives a mapping of the definition, making it when it is missing.
func (d document) section(name string) object {
	m, ok := d.body[name].(object)
	if !ok {
		m = object{}
		d.body[name] = m
	}
	return m
}

// branches gives what a value may turn out to be: itself, or the branches of an Fn::If.
func branches(v any) ([]any, error) {
	arg, ok := asMap(v)["Fn::If"]
	if !ok {
		return []any{v}, nil
	}
	list, ok := arg.([]any)
	if !ok {
		return nil, badDocument("Value of Fn::If must be a list.")
	}
	var out []any
	for i, item := range list {
		if i > 0 && !isNoValue(item) {
			out = append(out, item)
		}
	}
	return out, nil
}

// normalMethod gives the key under which a method stands in a definition.
func normalMethod(method string) string {
	method = strings.ToLower(method)
	if method == "any" {
		return anyMethod
	}
	return method
}

// items gives the path items of a path.
func (d document) items(path string) ([]object, error) {
	all, err := branches(d.paths()[path])
	if err != nil {
		return nil, err
	}
	out := make([]object, len(all))
	for i, item := range all {
		var ok bool
		if out[i], ok = item.(object); !ok {
			return nil, badDocument("Value of '%s' path must be a dictionary according to Swagger spec.", path)
		}
	}
	return out, nil
}

// operationsIn gives the operations that stand for a method of a path item.
func operationsIn(item object, path, method string) ([]object, error) {
	all, err := branches(item[method])
	if err != nil {
		return nil, err
	}
	out := make([]object, len(all))
	for i, operation := range all {
		var ok bool
		if out[i], ok = operation.(object); !ok {
			return nil, badDocument("Definition of method '%s' for path '%s' should be a map.", method, path)
		}
	}
	return out, nil
}

func isIntegrated(operation object) bool { return truthy(operation[integrationKey]) }

// operations gives the operations of a path's method that have an integration.
func (d document) operations(path, method string) ([]object, error) {
	items, err := d.items(path)
	if err != nil {
		return nil, err
	}
	var out []object
	for _, item := range items {
		operations, err := operationsIn(item, path, normalMethod(method))
		if err != nil {
			return nil, err
		}
		for _, operation := range operations {
			if isIntegrated(operation) {
				out = append(out, operation)
			}
		}
	}
	return out, nil
}

// eachOperation visits the operations of a path that have an integration.
func (d document) eachOperation(path string, visit func(method string, operation object) error) error {
	items, err := d.items(path)
	if err != nil {
		return err
	}
	for _, item := range items {
		for _, method := range sorted(item) {
			if method == "summary" || method == "description" || method == "parameters" {
				continue
			}
			operations, err := operationsIn(item, path, method)
			if err != nil {
				return err
			}
			for _, operation := range operations {
				if !isIntegrated(operation) {
					continue
				}
				if err := visit(normalMethod(method), operation); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// integrated reports whether a path's method has an integration in every branch.
func (d document) integrated(path, method string) (bool, error) {
	if _, ok := d.paths()[path]; !ok {
		return false, nil
	}
	all, err := branches(d.paths()[path])
	if err != nil {
		return false, err
	}
	for _, branch := range all {
		item, _ := branch.(object)
		operation, ok := item[normalMethod(method)].(object)
		if !ok {
			return false, nil
		}
		alternatives, err := operationsIn(object{method: operation}, path, method)
		if err != nil {
			return false, err
		}
		found := false
		for _, alternative := range alternatives {
			found = found || isIntegrated(alternative)
		}
		if !found {
			return false, nil
		}
	}
	return true, nil
}

// addPath makes room for a path's method.
func (d document) addPath(path, method string) error {
	paths := d.paths()
	if _, ok := paths[path]; !ok {
		paths[path] = object{}
	}
	items, err := d.items(path)
	if err != nil {
		return err
	}
	for _, item := range items {
		if _, ok := item[normalMethod(method)]; !ok {
			item[normalMethod(method)] = object{}
		}
	}
	return nil
}

// integrate writes an integration, and an empty "responses" where there is none,
// into a path's method. A condition makes the whole operation conditional.
func (d document) integrate(path, method string, integration func() object, more object, condition any) error {
	if err := d.addPath(path, method); err != nil {
		return err
	}
	items, err := d.items(path)
	if err != nil {
		return err
	}
	method = normalMethod(method)
	for _, item := range items {
		operation, ok := item[method].(object)
		if !ok && item[method] != nil {
			return badDocument("Definition of method '%s' for path '%s' should be a map.", method, path)
		}
		if operation == nil {
			operation = object{}
		}
		operation[integrationKey] = integration()
		for key, value := range more {
			operation[key] = value
		}
		if _, ok := operation["responses"]; !ok {
			operation["responses"] = object{}
		}
		item[method] = operation
		if truthy(condition) {
			item[method] = onlyIf(condition, operation)
		}
	}
	return nil
}

// functionURI is the address by which API Gateway calls a function, given the
// reference to its ARN as it stands in Fn::Sub.
func functionURI(partition, arn string, streamed bool) object {
	version, call := "2015-03-31", "/invocations"
	if streamed {
		version, call = "2021-11-15", "/response-streaming-invocations"
	}
	return sub("arn:"+partition+":apigateway:${AWS::Region}:lambda:path/"+version+"/functions/${"+arn+"}"+call, nil)
}

// authorizerURI is the same for a function whose ARN is a value of the template.
func (t *transform) authorizerURI(functionARN any) object {
	return sub("arn:"+t.in.Partition+":apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations",
		object{"__FunctionArn__": functionARN})
}

// executeARN names what of an API may call a function.
func executeARN(partition, what string, apiID, stage any) object {
	variables := object{"__ApiId__": apiID}
	if stage != nil {
		variables["__Stage__"] = stage
	}
	return sub("arn:"+partition+":execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/"+what, variables)
}

// securityOf gives the list of security requirements of an operation.
func securityOf(operation object, path, method string) ([]any, error) {
	given, ok := operation["security"]
	if !ok {
		return nil, nil
	}
	list, ok := given.([]any)
	if !ok {
		return nil, badDocument("Type of security for path %s method %s must be a list", path, method)
	}
	return list, nil
}
