package sam

import "strings"

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
