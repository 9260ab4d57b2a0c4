package edge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"countersign/pki"
)

// The events of AWS_PROXY integrations. What is recorded of AWS's is in the
// reference, api-gateway.md §11; the golden files in testdata are the review copy.

// clientCert is how events describe the certificate of a mutual TLS client.
type clientCert struct {
	PEM      string       `json:"clientCertPem"`
	Issuer   string       `json:"issuerDN"`
	Serial   string       `json:"serialNumber"`
	Subject  string       `json:"subjectDN"`
	Validity certValidity `json:"validity"`
}

type certValidity struct {
	NotAfter  string `json:"notAfter"`
	NotBefore string `json:"notBefore"`
}

// described is made once for a chain, however many requests it carries.
func (c *client) described() *clientCert {
	if c == nil {
		return nil
	}
	c.eventOnce.Do(func() {
		const layout = "Jan _2 15:04:05 2006 GMT"
		leaf := c.leaf()
		c.event = &clientCert{
			PEM:     pki.EncodePEM(pki.PEMCertificate, leaf.Raw),
			Issuer:  pki.FormatName(leaf.RawIssuer),
			Serial:  pki.SerialOpenSSL(leaf.SerialNumber),
			Subject: pki.FormatName(leaf.RawSubject),
			Validity: certValidity{
				NotBefore: leaf.NotBefore.UTC().Format(layout),
				NotAfter:  leaf.NotAfter.UTC().Format(layout),
			},
		}
	})
	return c.event
}

type eventV2 struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies,omitempty"`
	Headers         map[string]string `json:"headers"`
	Query           map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext  contextV2         `json:"requestContext"`
	Body            *string           `json:"body,omitempty"`
	PathParameters  map[string]string `json:"pathParameters,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	StageVariables  map[string]string `json:"stageVariables,omitempty"`
}

type contextV2 struct {
	AccountID      string            `json:"accountId"`
	APIID          string            `json:"apiId"`
	Authentication *authenticationV2 `json:"authentication,omitempty"`
	Authorizer     *authorizerV2     `json:"authorizer,omitempty"`
	DomainName     string            `json:"domainName"`
	DomainPrefix   string            `json:"domainPrefix"`
	HTTP           httpV2            `json:"http"`
	RequestID      string            `json:"requestId"`
	RouteKey       string            `json:"routeKey"`
	Stage          string            `json:"stage"`
	Time           string            `json:"time"`
	TimeEpoch      int64             `json:"timeEpoch"`
}

type authenticationV2 struct {
	ClientCert *clientCert `json:"clientCert"`
}

type httpV2 struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// eventProtocol is what API Gateway reports for HTTP/2 clients too.
const eventProtocol = "HTTP/1.1"

const eventTime = "02/Jan/2006:15:04:05 -0700"

// eventV2 makes the event of payload format 2.0. Absent parts are left out.
func (x *exchange) eventV2() ([]byte, error) {
	body, encoded := x.eventBody()
	e := eventV2{
		Version:         "2.0",
		RouteKey:        x.route.Key,
		RawPath:         x.stageURL,
		RawQueryString:  x.r.URL.RawQuery,
		Cookies:         x.cookies(),
		Headers:         x.headersV2(),
		Query:           x.queryV2(),
		RequestContext:  x.contextV2(),
		Body:            body,
		PathParameters:  x.pathParameters(),
		IsBase64Encoded: encoded,
		StageVariables:  x.stage.Variables,
	}
	return marshalEvent(e)
}

func (x *exchange) contextV2() contextV2 {
	c := contextV2{
		AccountID:    x.api.Account,
		APIID:        x.api.ID,
		Authorizer:   x.granted.v2(),
		DomainName:   x.host,
		DomainPrefix: domainPrefix(x.host),
		HTTP: httpV2{
			Method:    x.r.Method,
			Path:      x.stageURL,
			Protocol:  eventProtocol,
			SourceIP:  x.sourceIP(),
			UserAgent: x.r.Header.Get("User-Agent"),
		},
		RequestID: x.id,
		RouteKey:  x.route.Key,
		Stage:     x.stage.Name,
		Time:      x.now.UTC().Format(eventTime),
		TimeEpoch: x.now.UnixMilli(),
	}
	if cert := x.client.described(); cert != nil {
		c.Authentication = &authenticationV2{cert}
	}
	return c
}

func (x *exchange) cookies() []string {
	var cookies []string
	for _, line := range x.r.Header["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			if cookie = strings.TrimSpace(cookie); cookie != "" {
				cookies = append(cookies, cookie)
			}
		}
	}
	return cookies
}

func (x *exchange) headersV2() map[string]string {
	headers := map[string]string{}
	x.eachHeader(func(name string, values []string) {
		if name != "Cookie" {
			headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	})
	return headers
}

// queryV2 joins the values of a parameter; nil if there are none.
func (x *exchange) queryV2() map[string]string {
	var query map[string]string
	for _, q := range x.query() {
		if query == nil {
			query = map[string]string{}
		}
		if before, ok := query[q.name]; ok {
			q.value = before + "," + q.value
		}
		query[q.name] = q.value
	}
	return query
}

type eventV1 struct {
	Version           string              `json:"version,omitempty"` // REST APIs give none
	Resource          string              `json:"resource"`
	Path              string              `json:"path"`
	HTTPMethod        string              `json:"httpMethod"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Query             map[string]string   `json:"queryStringParameters"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`
	RequestContext    contextV1           `json:"requestContext"`
	PathParameters    map[string]string   `json:"pathParameters"`
	StageVariables    map[string]string   `json:"stageVariables"`
	Body              *string             `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

type contextV1 struct {
	AccountID         string     `json:"accountId"`
	APIID             string     `json:"apiId"`
	Authorizer        any        `json:"authorizer,omitempty"`
	DeploymentID      string     `json:"deploymentId,omitempty"` // of a REST API
	DomainName        string     `json:"domainName"`
	DomainPrefix      string     `json:"domainPrefix"`
	ExtendedRequestID string     `json:"extendedRequestId"`
	HTTPMethod        string     `json:"httpMethod"`
	Identity          identityV1 `json:"identity"`
	OperationName     string     `json:"operationName,omitempty"` // of a REST API
	Path              string     `json:"path"`
	Protocol          string     `json:"protocol"`
	RequestID         string     `json:"requestId"`
	RequestTime       string     `json:"requestTime"`
	RequestTimeEpoch  int64      `json:"requestTimeEpoch"`
	ResourceID        string     `json:"resourceId"`
	ResourcePath      string     `json:"resourcePath"`
	Stage             string     `json:"stage"`
}

// identityV1 has members for callers with AWS credentials, which are null
// until IAM authorization exists.
type identityV1 struct {
	AccessKey                     *string     `json:"accessKey"`
	AccountID                     *string     `json:"accountId"`
	Caller                        *string     `json:"caller"`
	ClientCert                    *clientCert `json:"clientCert,omitempty"`
	CognitoAuthenticationProvider *string     `json:"cognitoAuthenticationProvider"`
	CognitoAuthenticationType     *string     `json:"cognitoAuthenticationType"`
	CognitoIdentityID             *string     `json:"cognitoIdentityId"`
	CognitoIdentityPoolID         *string     `json:"cognitoIdentityPoolId"`
	PrincipalOrgID                *string     `json:"principalOrgId"`
	SourceIP                      string      `json:"sourceIp"`
	User                          *string     `json:"user"`
	UserAgent                     string      `json:"userAgent"`
	UserARN                       *string     `json:"userArn"`
}

// pathV1 is the path as the caller has it, the mapping included.
func (x *exchange) pathV1() string {
	if x.apiHost {
		return x.stageURL
	}
	return x.r.URL.EscapedPath()
}

// eventV1 makes the event of payload format 1.0. Absent parts are null.
func (x *exchange) eventV1() ([]byte, error) {
	body, encoded := x.eventBody()
	e := eventV1{
		Version:           "1.0",
		Resource:          x.routePath(),
		Path:              x.pathV1(),
		HTTPMethod:        x.r.Method,
		Headers:           map[string]string{},
		MultiValueHeaders: map[string][]string{},
		RequestContext:    x.contextV1(),
		PathParameters:    x.pathParameters(),
		StageVariables:    x.stage.Variables,
		Body:              body,
		IsBase64Encoded:   encoded,
	}
	x.eachHeader(e.setHeader)
	e.setQuery(x.query())
	return marshalEvent(e)
}

func (e *eventV1) setHeader(name string, values []string) {
	e.Headers[name] = values[len(values)-1]
	e.MultiValueHeaders[name] = values
}

func (e *eventV1) setQuery(query []param) {
	for _, q := range query {
		if e.Query == nil {
			e.Query, e.MultiValueQuery = map[string]string{}, map[string][]string{}
		}
		e.Query[q.name] = q.value
		e.MultiValueQuery[q.name] = append(e.MultiValueQuery[q.name], q.value)
	}
}

func (x *exchange) contextV1() contextV1 {
	return contextV1{
		AccountID:         x.api.Account,
		APIID:             x.api.ID,
		Authorizer:        x.granted.v1(),
		DomainName:        x.host,
		DomainPrefix:      domainPrefix(x.host),
		ExtendedRequestID: x.id,
		HTTPMethod:        x.r.Method,
		Identity: identityV1{
			ClientCert: x.client.described(),
			SourceIP:   x.sourceIP(),
			UserAgent:  x.r.Header.Get("User-Agent"),
		},
		Path:             x.pathV1(),
		Protocol:         eventProtocol,
		RequestID:        x.id,
		RequestTime:      x.now.UTC().Format(eventTime),
		RequestTimeEpoch: x.now.UnixMilli(),
		ResourceID:       x.route.Key,
		ResourcePath:     x.routePath(),
		Stage:            x.stage.Name,
	}
}

// trace is the request's X-Amzn-Trace-Id, the same wherever it is told.
func (x *exchange) trace() string {
	if x.traced == "" {
		x.traced = x.edge.ids.trace(x.now)
	}
	return x.traced
}

// eachHeader visits the headers of an event in their canonical form: what the
// client sent, without what concerns the connection, and what the gateway adds.
func (x *exchange) eachHeader(visit func(name string, values []string)) {
	connection := x.r.Header["Connection"]
	for name, values := range x.r.Header {
		if len(values) > 0 && !isHop(name) && !named(connection, name) {
			visit(name, values)
		}
	}
	length := int64(len(x.body))
	if x.body == nil { // an authorizer is asked before the body is read
		length = max(0, x.r.ContentLength)
	}
	if !x.api.REST {
		visit("Content-Length", []string{strconv.FormatInt(length, 10)})
	}
	visit("Host", []string{x.r.Host})
	visit("X-Amzn-Trace-Id", []string{x.trace()})
	visit("X-Forwarded-For", []string{x.sourceIP()})
	visit("X-Forwarded-Port", []string{x.conn.localPort()})
	visit("X-Forwarded-Proto", []string{"https"})
}

// query reads the parameters in their order. What cannot be decoded is handed
// on as it came.
func (x *exchange) query() []param {
	var all []param
	for pair := range strings.SplitSeq(x.r.URL.RawQuery, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		all = append(all, param{unescapeQuery(name), unescapeQuery(value)})
	}
	return all
}

func unescapeQuery(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// pathParameters decodes the path variables; nil if there are none.
func (x *exchange) pathParameters() map[string]string {
	if len(x.params) == 0 {
		return nil
	}
	m := make(map[string]string, len(x.params))
	for _, p := range x.params {
		plain, err := url.PathUnescape(p.value)
		if err != nil {
			plain = p.value
		}
		m[p.name] = plain
	}
	return m
}

// eventBody is text for the few types that HTTP APIs take for text, and base64
// for everything else, forms included. nil: no body.
func (x *exchange) eventBody() (body *string, encoded bool) {
	if len(x.body) == 0 {
		return nil, false
	}
	text := ""
	if isText(x.r.Header.Get("Content-Type")) && utf8.Valid(x.body) {
		text = string(x.body)
	} else {
		text, encoded = base64.StdEncoding.EncodeToString(x.body), true
	}
	return &text, encoded
}

func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch kind {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

func domainPrefix(host string) string {
	prefix, _, _ := strings.Cut(host, ".")
	return prefix
}

// marshalEvent writes JSON as AWS does, without escaping <, > and &.
func marshalEvent(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
