package openapi

import "strings"

// An Integration is x-amazon-apigateway-integration. Members that are not read here are in Value.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
type Integration struct {
	Value
	Ref                  string // the reference that led to it, if any: one integration for all operations that have it
	Type                 string // in upper case: AWS_PROXY, HTTP_PROXY, AWS, HTTP, MOCK
	Subtype              string // integrationSubtype
	Method               string // httpMethod, in upper case
	URI                  string
	PayloadFormatVersion string
	ConnectionType       string // in upper case: INTERNET, VPC_LINK
	ConnectionID         string
	Credentials          string
	PassthroughBehavior  string // in upper case
	ContentHandling      string // in upper case
	CacheNamespace       string
	CacheKeyParameters   []string
	Timeout              *int32 // milliseconds
	ResponseTransferMode string
	RequestParameters    map[string]string
	RequestTemplates     map[string]string            // content type → template
	Responses            []IntegrationResponse        // of REST APIs, by pattern
	ResponseParameters   map[string]map[string]string // of HTTP APIs: status → what to change
	TLS                  *TLSConfig
}

// An IntegrationResponse maps what the backend answers.
type IntegrationResponse struct {
	Value
	Pattern         string // of the status, or of an error message; "default"
	Status          string // statusCode
	ContentHandling string // in upper case
	Parameters      map[string]string
	Templates       map[string]string
}

// TLSConfig is tlsConfig.
type TLSConfig struct {
	InsecureSkipVerification bool
	ServerNameToVerify       string
}

func integration(r *reader, v Value) *Integration {
	r.isObject(v)
	upper := func(name string) string { return strings.ToUpper(r.text(v.Get(name))) }
	i := &Integration{
		Value: v, Type: upper("type"), Subtype: r.text(v.Get("integrationSubtype")), Method: upper("httpMethod"), URI: r.text(v.Get("uri")),
		PayloadFormatVersion: r.text(v.Get("payloadFormatVersion")), ConnectionType: upper("connectionType"), ConnectionID: r.text(v.Get("connectionId")),
		Credentials: r.text(v.Get("credentials")), PassthroughBehavior: upper("passthroughBehavior"), ContentHandling: upper("contentHandling"),
		CacheNamespace: r.text(v.Get("cacheNamespace")), CacheKeyParameters: r.texts(v.Get("cacheKeyParameters")), Timeout: r.int(v.Get("timeoutInMillis")),
		ResponseTransferMode: upper("responseTransferMode"), RequestParameters: r.textMap(v.Get("requestParameters")), RequestTemplates: r.textMap(v.Get("requestTemplates")),
	}
	for _, m := range r.object(v.Get("responses")) {
		r.isObject(m.Value)
		i.Responses = append(i.Responses, IntegrationResponse{
			Value: m.Value, Pattern: m.Name, Status: r.text(m.Get("statusCode")), ContentHandling: strings.ToUpper(r.text(m.Get("contentHandling"))),
			Parameters: r.textMap(m.Get("responseParameters")), Templates: r.textMap(m.Get("responseTemplates")),
		})
	}
	for _, m := range r.object(v.Get("responseParameters")) {
		if i.ResponseParameters == nil {
			i.ResponseParameters = map[string]map[string]string{}
		}
		i.ResponseParameters[m.Name] = r.textMap(m.Value)
	}
	if t := v.Get("tlsConfig"); t.Exists() {
		r.isObject(t)
		i.TLS = &TLSConfig{InsecureSkipVerification: r.yes(t.Get("insecureSkipVerification")), ServerNameToVerify: r.text(t.Get("serverNameToVerify"))}
	}
	return i
}
