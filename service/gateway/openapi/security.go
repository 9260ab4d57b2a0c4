package openapi

import "strings"

// A Scheme is a way to authorise requests: a security scheme, in Swagger 2.0 a security definition.
type Scheme struct {
	Value
	Name             string
	Type             string // apiKey, http, oauth2, openIdConnect, basic
	In, Parameter    string // of an apiKey: header, and its name
	OpenIDConnectURL string
	AuthType         string      // x-amazon-apigateway-authtype: awsSigv4, custom, cognito_user_pools, …
	Authorizer       *Authorizer // x-amazon-apigateway-authorizer; nil: none
}

// An Authorizer is x-amazon-apigateway-authorizer.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authorizer.html
type Authorizer struct {
	Value
	Type                 string // in lower case: token, request, jwt, cognito_user_pools
	URI                  string
	Credentials          string
	PayloadFormatVersion string
	SimpleResponses      *bool
	IdentitySources      []string
	IdentityValidation   string
	ResultTTL            *int32 // seconds
	Issuer               string // of a jwt
	Audience             []string
	ProviderARNs         []string
}

// A Requirement is what a caller has to fulfil, all of it. No Need at all: nothing.
type Requirement []Need

// A Need is one scheme by name, with scopes.
type Need struct {
	Scheme string
	Scopes []string
}

func (d *Document) schemes() error {
	r := new(reader)
	for _, m := range r.object(d.components("securityDefinitions", "securitySchemes")) {
		v, _, err := d.follow(m.Value)
		r.keep(err)
		if err != nil {
			break
		}
		r.isObject(v)
		s := Scheme{
			Value: v, Name: m.Name, Type: r.text(v.Get("type")), In: r.text(v.Get("in")), Parameter: r.text(v.Get("name")),
			OpenIDConnectURL: r.text(v.Get("openIdConnectUrl")), AuthType: r.text(v.Get("x-amazon-apigateway-authtype")),
		}
		if a := v.Get("x-amazon-apigateway-authorizer"); a.Exists() {
			a, _, err := d.follow(a)
			r.keep(err)
			s.Authorizer = authorizer(r, a)
		}
		d.Schemes = append(d.Schemes, s)
	}
	return r.err
}

func authorizer(r *reader, v Value) *Authorizer {
	jwt := v.Get("jwtConfiguration")
	r.isObject(v)
	r.isObject(jwt)
	return &Authorizer{
		Value: v, Type: strings.ToLower(r.text(v.Get("type"))), URI: r.text(v.Get("authorizerUri")), Credentials: r.text(v.Get("authorizerCredentials")),
		PayloadFormatVersion: r.text(v.Get("authorizerPayloadFormatVersion")), SimpleResponses: r.bool(v.Get("enableSimpleResponses")),
		IdentitySources: r.commas(v.Get("identitySource")), IdentityValidation: r.text(v.Get("identityValidationExpression")),
		ResultTTL: r.int(v.Get("authorizerResultTtlInSeconds")), Issuer: r.text(jwt.Get("issuer")), Audience: r.commas(jwt.Get("audience")),
		ProviderARNs: r.texts(v.Get("providerARNs")),
	}
}

// Scheme finds a security scheme by name; nil if there is none.
func (d *Document) Scheme(name string) *Scheme {
	for i := range d.Schemes {
		if d.Schemes[i].Name == name {
			return &d.Schemes[i]
		}
	}
	return nil
}

// requirements reads a security member. It is a list of alternatives.
func requirements(r *reader, v Value) []Requirement {
	all := []Requirement{}
	for _, alternative := range r.list(v) {
		one := Requirement{}
		for _, m := range r.object(alternative) {
			one = append(one, Need{m.Name, r.texts(m.Value)})
		}
		all = append(all, one)
	}
	return all
}
