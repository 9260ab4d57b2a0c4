package sam

import (
	"maps"
	"slices"
)

// createdByTag marks what SAM made for an HTTP API.
const createdByTag = "httpapi:createdBy"

// convertHTTPAPI expands AWS::Serverless::HttpApi: the API, its stage, the custom
// domain with its mappings and DNS records, and permissions for authorizers.
func (t *transform) convertHTTPAPI(s *source) error {
	if err := check(s.id, httpAPIType, httpAPIProperties, s.props); err != nil {
		return err
	}
	p := s.props
	var err error
	if p["CorsConfiguration"], err = t.params.resolve(p["CorsConfiguration"]); err != nil {
		return err
	}
	domain, err := t.params.resolveMap(s.id, "Domain", p["Domain"])
	if err != nil {
		return err
	}

	authorizers, tags, err := t.defineHTTPAPI(s)
	if err != nil {
		return err
	}
	props := object{}
	if truthy(p["FailOnWarnings"]) {
		props["FailOnWarnings"] = p["FailOnWarnings"]
	}
	if truthy(p["DefinitionUri"]) {
		if props["BodyS3Location"], err = bodyLocation(s.id, p["DefinitionUri"]); err != nil {
			return err
		}
	} else {
		props["Body"] = p["DefinitionBody"]
	}
	s.replace("AWS::ApiGatewayV2::Api", props)

	if domain != nil {
		if err := t.addHTTPDomain(s, domain); err != nil {
			return err
		}
	}
	for _, a := range authorizers {
		if truthy(a.functionARN) && a.permitted {
			if err := s.addAuthorizerPermission("${AWS::Partition}", a.name, a.functionARN); err != nil {
				return err
			}
		}
	}
	if err := t.addHTTPStage(s, tags); err != nil {
		return err
	}
	if given := asMap(p["Tags"]); len(given) > 0 {
		s.propagateTags(tags)
	}
	t.place(s)
	return nil
}

// defineHTTPAPI writes what the properties say into the definition.
func (t *transform) defineHTTPAPI(s *source) ([]httpAuthorizer, object, error) {
	p := s.props
	body := p["DefinitionBody"]
	if truthy(p["DefinitionUri"]) && truthy(body) {
		return nil, nil, badResource(s.id, "Specify either 'DefinitionUri' or 'DefinitionBody' property and not both.")
	}
	if truthy(p["CorsConfiguration"]) {
		if err := addHTTPCORS(s.id, p["CorsConfiguration"], body); err != nil {
			return nil, nil, err
		}
	}
	var authorizers []httpAuthorizer
	if auth := asMap(p["Auth"]); len(auth) > 0 {
		var err error
		if authorizers, err = t.addHTTPAuth(s.id, auth, body); err != nil {
			return nil, nil, err
		}
	}
	tags, err := addHTTPTags(s.id, asMap(p["Tags"]), body)
	if err != nil {
		return nil, nil, err
	}
	if endpoint := p["DisableExecuteApiEndpoint"]; endpoint != nil {
		if err := addHTTPEndpoint(s.id, endpoint, body); err != nil {
			return nil, nil, err
		}
	}
	if err := addHTTPInfo(s.id, p, body); err != nil {
		return nil, nil, err
	}
	if !truthy(p["DefinitionUri"]) && !truthy(body) {
		return nil, nil, badResource(s.id, "'DefinitionUri' or 'DefinitionBody' are required properties of an 'AWS::Serverless::HttpApi'. Add a value for one of these properties or add a 'HttpApi' event to an 'AWS::Serverless::Function'.")
	}
	if truthy(p["FailOnWarnings"]) {
		// The import warns of a path without a slash.
		paths := asMap(asMap(body)["paths"])
		if route, ok := paths[defaultRoute]; ok {
			delete(paths, defaultRoute)
			paths["/"+defaultRoute] = route
		}
	}
	return authorizers, tags, nil
}

// addHTTPTags writes the tags, and the one that says who made the API, into the
// definition: AWS::ApiGatewayV2::Api takes no tags beside a Body. It gives all of them,
// none when there is no definition to write to.
func addHTTPTags(id string, given object, body any) (object, error) {
	if len(given) > 0 && !truthy(body) {
		return nil, badResource(id, "Tags works only with inline OpenApi specified in the 'DefinitionBody' property.")
	}
	if !validOpenAPI(body) {
		if len(given) > 0 {
			return nil, badResource(id, "Unable to add `Tags` because 'DefinitionBody' does not contain a valid OpenApi definition.")
		}
		return nil, nil
	}
	d, err := openOpenAPI(body)
	if err != nil {
		return nil, err
	}
	var listed []any
	if existing := d.body["tags"]; truthy(existing) {
		var ok bool
		if listed, ok = existing.([]any); !ok {
			return nil, badDocument("Tags in OpenApi DefinitionBody needs to be a list. %s is a %s not a list.", show(existing), pythonType(existing))
		}
	}
	names, all := sorted(given), maps.Clone(given)
	if _, ok := given[createdByTag]; !ok {
		names = append(names, createdByTag)
	}
	if all == nil {
		all = object{}
	}
	all[createdByTag] = "SAM"
	byName := map[string]object{}
	for _, item := range slices.Backward(listed) { // the first of a name counts
		tag, ok := item.(object)
		if !ok {
			return nil, badDocument("Tags in OpenApi DefinitionBody need to be maps. %s is a %s.", show(item), pythonType(item))
		}
		if name, ok := tag["name"].(string); ok {
			byName[name] = tag
		}
	}
	for _, name := range names {
		if tag, ok := byName[name]; ok {
			tag[tagValueKey] = all[name]
		} else {
			listed = append(listed, object{"name": name, tagValueKey: all[name]})
		}
	}
	d.body["tags"] = listed
	return all, nil
}

func pythonType(v any) string {
	switch v.(type) {
	case string:
		return "str"
	case bool:
		return "bool"
	case object:
		return "dict"
	case []any:
		return "list"
	}
	return "int"
}

// addHTTPEndpoint turns the API's own address off, or on, in the definition.
func addHTTPEndpoint(id string, disabled, body any) error {
	if !truthy(body) {
		return badResource(id, "DisableExecuteApiEndpoint works only within 'DefinitionBody' property.")
	}
	d, err := openOpenAPI(body)
	if err != nil {
		return err
	}
	servers, ok := d.body["servers"].([]any)
	if !ok {
		servers = []any{object{}}
	}
	for _, item := range servers {
		server, ok := item.(object)
		if !ok {
			return badDocument("Value of 'servers' item must be a dictionary according to Swagger spec.")
		}
		config, ok := server[endpointConfigKey].(object)
		if !ok {
			config = object{}
		}
		config["disableExecuteApiEndpoint"] = disabled
		server[endpointConfigKey] = config
	}
	d.body["servers"] = servers
	return nil
}

// addHTTPInfo writes Name and Description into the definition, where they may not
// be given already.
func addHTTPInfo(id string, p object, body any) error {
	for _, part := range []struct{ property, key string }{{"Name", "title"}, {"Description", "description"}} {
		given := p[part.property]
		if !truthy(given) {
			continue
		}
		if !truthy(body) {
			return badResource(id, "%s works only with inline OpenApi specified in the 'DefinitionBody' property.", part.property)
		}
		info, ok := asMap(body)["info"].(object)
		if !ok && asMap(body)["info"] != nil {
			return badResource(id, "Invalid 'DefinitionBody': The value of 'info' should be a map.")
		}
		existing := info[part.key]
		if part.key == "title" {
			if ref, _ := intrinsic(existing); ref != "Ref" || asMap(existing)["Ref"] != "AWS::StackName" {
				return badResource(id, "Unable to set Name because it is already defined within inline OpenAPI specified in the 'DefinitionBody' property.")
			}
		} else if truthy(existing) {
			return badResource(id, "Unable to set Description because it is already defined within inline OpenAPI specified in the 'DefinitionBody' property.")
		}
		d, err := openOpenAPI(body)
		if err != nil {
			return err
		}
		d.section("info")[part.key] = given
	}
	return nil
}

// addHTTPStage adds the stage, "$default" when none is named. It deploys itself.
func (t *transform) addHTTPStage(s *source, tags object) error {
	p := s.props
	name := p["StageName"]
	if !truthy(name) {
		name = defaultRoute
	}
	text, _ := name.(string)
	id := withSuffix(s.id, text, "Stage")
	if text == defaultRoute {
		id = s.id + "ApiGatewayDefaultStage"
	}
	stage := object{
		"ApiId":                ref(s.id),
		"StageName":            name,
		"StageVariables":       p["StageVariables"],
		"AccessLogSettings":    p["AccessLogSettings"],
		"DefaultRouteSettings": p["DefaultRouteSettings"],
		"RouteSettings":        p["RouteSettings"],
		"AutoDeploy":           true,
	}
	if len(tags) > 0 {
		stage["Tags"] = tags
	}
	_, err := s.add(id, "AWS::ApiGatewayV2::Stage", stage)
	t.refs.add(s.id, "Stage", id)
	return err
}
