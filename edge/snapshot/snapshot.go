// Package snapshot is what the data plane runs on: plain values, built whole
// from the store by the services' compile.go files, checked once, and never
// changed afterwards. Package edge reads one through an atomic pointer. It
// answers for no AWS API; it knows no store and no SDK.
package snapshot

import (
	"crypto/tls"
	"encoding/json"
	"time"

	"countersign/pki"
)

// A Snapshot is everything a handshake or a request may need. Whoever builds
// one hands it over and does not touch it again.
type Snapshot struct {
	Revision uint64             // the store revision it shows
	Domains  map[string]*Domain // custom domain names by normalised name; a wildcard as "*.example.com"
	APIs     map[string]*API    // by API id, for the default endpoints <id>.execute-api.<region>.amazonaws.com
	Default  *tls.Certificate   // presented for default endpoints; nil: none is served
}

// A Domain is a custom domain name with its certificate and its rules.
type Domain struct {
	Name        string // normalised: lower case, no trailing dot
	Account     string
	Region      string
	ARN         string
	Certificate *tls.Certificate // leaf first, Leaf parsed
	Mutual      *Mutual          // nil: no client certificate is asked for
	Mappings    []Mapping        // longest key first; the empty key, if any, last
	TicketKey   [32]byte         // session tickets of this domain only; changes when Mutual does
	Unavailable string           // not empty: why the domain cannot be served; handshakes for its name fail, whatever else is set
}

// Mutual is mutual TLS on a domain.
type Mutual struct {
	Trust   *pki.TrustStore // parsed at create or update of the domain, never since
	URI     string          // s3://bucket/key, for people
	Version string          // object version that was read
}

// A Mapping sends requests below a path prefix to a stage of an API.
type Mapping struct {
	Segments []string // of the API mapping key; empty: every path
	API      *API
	Stage    *Stage // nil: the next segment names a stage (of a REST API)
}

// An API is an HTTP API or a REST API.
type API struct {
	REST                   bool
	ID                     string
	Account                string
	Region                 string
	Name                   string
	Host                   string // default endpoint's host name
	DisableDefaultEndpoint bool
	Stages                 map[string]*Stage // by name; "$default" among them
}

// A Stage is what is deployed under one name.
type Stage struct {
	Name      string
	Variables map[string]string // nil: none
	Routes    []*Route          // in the order of selection (the most specific first), "$default" last
	CORS      *CORS             // nil: the backends answer preflights
	// AuthorizerEpoch rises when the answers of authorizers that the stage
	// remembers are to be forgotten.
	AuthorizerEpoch uint64

	// Of a REST API.
	Deployment  string          // id
	BinaryTypes []string        // media types that are no text; "*/*": all
	Policy      json.RawMessage // resource policy; nil: none
}

// CORS is what the gateway answers to browsers on behalf of a stage. Names of
// headers and methods are valid tokens, or the one entry "*".
type CORS struct {
	Origins     []string // "https://app.example.com"; "https://*", "http://*" for every origin of the scheme; "*" for all
	Methods     []string
	Headers     []string
	Expose      []string
	Credentials bool
	MaxAge      *int32 // seconds that a browser may keep the answer; nil: not said
}

// A Route pairs a route key with its integration. Gateway's compile.go parses
// the key; edge matches.
type Route struct {
	Key         string    // "GET /pets/{id}", "$default"
	Method      string    // "ANY" or a method; "" for $default
	Segments    []Segment // nil for $default
	Integration *Integration
	Authorizer  *Authorizer // nil: everybody may call the route
	Scopes      []string    // of a JWT authorizer's tokens, one of which is demanded; nil: none
	Throttle    *Throttle   // nil: as many requests as come
	ResourceID  string      // of a REST API; its routes have no $default
	Operation   string      // operation name of a method of a REST API; "": none
	// Unavailable, when not empty, says why the route cannot serve (an
	// integration type or authorizer that is not built): it answers 500.
	Unavailable string
}

// A Throttle is how many requests a route takes; more are answered 429. 0 of either: none.
type Throttle struct {
	Rate  float64 // requests per second that fill the bucket
	Burst int32   // requests that it holds
}

// A Segment is one part of a route's path between slashes.
type Segment struct {
	Literal string // when Param is empty
	Param   string // variable name
	Greedy  bool   // {name+}: this and all that follow; always last
}

// Kinds of integration.
const (
	HTTPProxy = "HTTP_PROXY"
	AWSProxy  = "AWS_PROXY" // a Lambda function
	Mock      = "MOCK"      // the gateway answers itself; REST APIs only
)

// An Integration is what a route calls.
type Integration struct {
	ID       string
	Type     string        // HTTPProxy, AWSProxy or Mock
	URI      string        // HTTPProxy: absolute http or https URL, with {param} where a path variable goes
	Method   string        // HTTPProxy: method to send; "ANY" or "": the caller's
	Function string        // AWSProxy: function ARN, with its qualifier if any
	Payload  string        // AWSProxy: "1.0" or "2.0"; "" of a REST API
	Timeout  time.Duration // 50 ms to 30 s

	// Of a REST API.
	Parameters []Parameter            // set in the request to the backend, and in the headers of an event
	Answers    map[string]*MockAnswer // Mock: by the content type of the request
	Strict     bool                   // Mock: other content types are answered 415, else 500
}

// A Parameter is a part of the request to a backend.
type Parameter struct {
	To    string // FromHeader, FromQuery or FromPath: a variable of the integration's URI
	Name  string
	Value Source
}

// A MockAnswer is what a Mock integration says.
type MockAnswer struct {
	Status int               // 0: it cannot answer
	Header map[string]string // nil: none
	Bodies map[string]string // by content type
}

// Kinds of authorizer.
const (
	RequestAuthorizer = "REQUEST" // a Lambda function decides
	JWTAuthorizer     = "JWT"     // a token decides
	TokenAuthorizer   = "TOKEN"   // of a REST API: a Lambda function decides on a token
)

// An Authorizer decides who may call a route.
type Authorizer struct {
	ID      string
	Type    string   // RequestAuthorizer, JWTAuthorizer or TokenAuthorizer
	Sources []Source // JWTAuthorizer, TokenAuthorizer: one, where the token is

	// Of a RequestAuthorizer or a TokenAuthorizer.
	Function string        // ARN, with its qualifier if any
	Payload  string        // "1.0" or "2.0"; "" of a REST API
	Simple   bool          // the function answers isAuthorized, not a policy
	TTL      time.Duration // how long an answer is remembered; 0: not at all

	Pattern string // TokenAuthorizer: regular expression (RE2) that the token must match; "": any

	// Of a JWTAuthorizer.
	Issuer   string   // URL, as the token's iss has it
	Audience []string // one of which the token must name
}

// Places that a Source can be in.
const (
	FromHeader        = "header"
	FromQuery         = "querystring"
	FromContext       = "context"
	FromStageVariable = "stageVariables"
	FromPath          = "path"    // a path variable; of a Parameter only
	FromLiteral       = "literal" // Name itself; of a Parameter only
)

// A Source is a part of a request, such as one that says who is calling.
type Source struct {
	From string // FromHeader, …
	Name string // of the header (in any case), the parameter or the variable
}

// ContextVariables are the names that a Source from the context may have.
func ContextVariables() []string {
	return []string{
		"accountId", "apiId", "domainName", "domainPrefix", "httpMethod", "identity.sourceIp", "identity.userAgent",
		"identity.clientCert.clientCertPem", "identity.clientCert.issuerDN", "identity.clientCert.serialNumber", "identity.clientCert.subjectDN",
		"identity.clientCert.validity.notAfter", "identity.clientCert.validity.notBefore",
		"path", "protocol", "routeKey", "stage",
	}
}

// RESTContextVariables are those of REST APIs. There is also authorizer.<name> for
// what an authorizer answered, which no identity source can be.
func RESTContextVariables() []string {
	return []string{
		"accountId", "apiId", "domainName", "domainPrefix", "extendedRequestId", "httpMethod", "identity.sourceIp", "identity.userAgent",
		"identity.clientCert.clientCertPem", "identity.clientCert.issuerDN", "identity.clientCert.serialNumber", "identity.clientCert.subjectDN",
		"identity.clientCert.validity.notAfter", "identity.clientCert.validity.notBefore",
		"path", "protocol", "requestId", "requestTime", "requestTimeEpoch", "resourceId", "resourcePath", "stage",
	}
}
