package edge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"countersign/edge/snapshot"
)

// What REST APIs do differently from HTTP APIs. Finding the route, throttles, authorizers, invoking functions and
// calling backends is the same code for both.

// startREST gives the request the ids of a REST API, in place of the one that it has.
func (x *exchange) startREST() {
	x.more, x.id = x.id, x.edge.ids.uuid()
	h := x.w.Header()
	delete(h, "Apigw-Requestid")
	h["x-amzn-RequestId"] = []string{x.id}
	h["x-amz-apigw-id"] = []string{x.more}
}

// eventPath is the path as the caller has it, but for the stage on a default endpoint.
func (x *exchange) eventPath() string {
	if x.apiHost {
		return x.below
	}
	return x.r.URL.EscapedPath()
}

// contextPath is the path as the caller has it.
func (x *exchange) contextPath() string {
	if path := x.r.URL.EscapedPath(); path != "" {
		return path
	}
	return "/"
}

// restVariable is the value of those variables of the context that only REST APIs have.
func (x *exchange) restVariable(name string) string {
	if !x.api.REST {
		return ""
	}
	switch name {
	case "extendedRequestId":
		return x.more
	case "requestId":
		return x.id
	case "requestTime":
		return x.now.UTC().Format(eventTime)
	case "requestTimeEpoch":
		return strconv.FormatInt(x.now.UnixMilli(), 10)
	case "resourceId":
		return x.route.ResourceID
	case "resourcePath":
		return x.routePath()
	}
	key, ok := strings.CutPrefix(name, "authorizer.")
	if !ok || x.granted == nil {
		return ""
	}
	if key == "principalId" {
		return x.granted.principal
	}
	var members map[string]string
	if json.Unmarshal(x.granted.lambda, &members) != nil { // flatContext has made it one of strings
		return ""
	}
	return members[key]
}

// eventREST makes the event of an AWS_PROXY integration.
func (x *exchange) eventREST() ([]byte, error) {
	e := eventV1{
		Resource:          x.routePath(),
		Path:              x.eventPath(),
		HTTPMethod:        x.r.Method,
		Headers:           map[string]string{},
		MultiValueHeaders: map[string][]string{},
		RequestContext:    x.contextREST(),
		PathParameters:    x.rawPathParameters(),
		StageVariables:    x.stage.Variables,
	}
	x.eachHeader(e.setHeader)
	for _, p := range x.route.Integration.Parameters {
		if p.To != snapshot.FromHeader {
			continue
		}
		if value := x.value(p.Value); value != "" {
			for name := range e.Headers {
				if strings.EqualFold(name, p.Name) {
					delete(e.Headers, name)
					delete(e.MultiValueHeaders, name)
				}
			}
			e.setHeader(p.Name, []string{value})
		}
	}
	e.setQuery(x.query())
	if len(x.body) > 0 {
		text := string(x.body)
		if e.IsBase64Encoded = isBinary(x.stage.BinaryTypes, x.r.Header.Get("Content-Type")); e.IsBase64Encoded {
			text = base64.StdEncoding.EncodeToString(x.body)
		}
		e.Body = &text
	}
	return marshalEvent(e)
}

func (x *exchange) contextREST() contextV1 {
	c := x.contextV1()
	c.DeploymentID, c.OperationName, c.ResourceID = x.stage.Deployment, x.route.Operation, x.route.ResourceID
	c.Path, c.ExtendedRequestID = x.contextPath(), x.more
	return c
}

// rawPathParameters are the path variables as they came, which REST APIs do not decode; nil if there are none.
func (x *exchange) rawPathParameters() map[string]string {
	if len(x.params) == 0 {
		return nil
	}
	m := make(map[string]string, len(x.params))
	for _, p := range x.params {
		m[p.name] = p.value
	}
	return m
}

// isBinary tells whether a media type is one of those that are no text. Nothing said is application/json.
func isBinary(types []string, contentType string) bool {
	if len(types) == 0 {
		return false
	}
	kind := "application/json"
	if contentType != "" {
		kind, _, _ = strings.Cut(contentType, ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
	}
	return slices.ContainsFunc(types, func(t string) bool { return t == "*/*" || strings.EqualFold(t, kind) })
}

// resultREST reads a function's payload by the rules of REST APIs: an object with members that are known, none
// of which must be there. A body in base64 is decoded if the first media type that the client accepts is a binary one.
func (x *exchange) resultREST(payload []byte) (*result, error) {
	members, err := readMembers(payload)
	if err != nil {
		return nil, err
	}
	for name := range members {
		switch name {
		case "statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded":
		default:
			return nil, fmt.Errorf("it has the member %q, which no response has", name)
		}
	}
	r := &result{status: http.StatusOK, header: http.Header{}}
	if code := members["statusCode"]; !absent(code) {
		if r.status, err = statusOf(code); err != nil {
			return nil, err
		}
	}
	var headers map[string]json.RawMessage
	var multi map[string][]json.RawMessage
	encoded := false
	if err := readMember(members, "headers", &headers); err != nil {
		return nil, err
	}
	if err := readMember(members, "multiValueHeaders", &multi); err != nil {
		return nil, err
	}
	if err := readMember(members, "isBase64Encoded", &encoded); err != nil {
		return nil, err
	}
	if err := r.addHeaders(headers, multi, true); err != nil {
		return nil, err
	}
	if body := members["body"]; !absent(body) && body[0] != '"' {
		return nil, errors.New("the body is no string")
	}
	accept, _, _ := strings.Cut(x.r.Header.Get("Accept"), ",")
	if r.body, err = bodyOf(members["body"], encoded && isBinary(x.stage.BinaryTypes, accept)); err != nil {
		return nil, err
	}
	if _, ok := r.header["Content-Type"]; !ok {
		r.header["Content-Type"] = contentTypeJSON
	}
	return r, nil
}

// remap puts a header of an integration's answer into the gateway's. Some come back under another name.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
func remap(h http.Header, name string, values []string) {
	switch name {
	case "Connection", "Content-Length", "Date", "Server", "Www-Authenticate", "User-Agent", "Authorization", "Max-Forwards", "Content-Md5", "Host",
		"X-Amzn-Requestid", "X-Amz-Apigw-Id":
		h["x-amzn-Remapped-"+name] = values
	case "X-Amzn-Trace-Id", "X-Amzn-Errortype":
	default:
		if !isHop(name) {
			h[name] = values
		}
	}
}

// mock answers what a MOCK integration says.
func (x *exchange) mock() *answer {
	in := x.route.Integration
	kind := "application/json"
	if contentType := x.r.Header.Get("Content-Type"); contentType != "" {
		var err error
		if kind, _, err = mime.ParseMediaType(contentType); err != nil {
			return &restMediaType
		}
	}
	a := in.Answers[kind]
	switch {
	case a == nil && in.Strict:
		return &restMediaType
	case a == nil, a.Status == 0:
		x.fault("mock cannot answer", errors.New("no integration response stands for the status of its request template, or the method does not declare it"))
		return &answerInternal
	}
	h := x.w.Header()
	kind, body := x.mockBody(a)
	h["Content-Type"] = []string{kind}
	for name, value := range a.Header {
		h[http.CanonicalHeaderKey(name)] = []string{value}
	}
	h["Content-Length"] = nil
	if bodyAllowed(a.Status) {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.w.WriteHeader(a.Status)
	if bodyAllowed(a.Status) && x.r.Method != http.MethodHead {
		_, _ = x.w.Write([]byte(body)) // a client that left is no error of ours
	}
	return nil
}

// mockBody chooses by what the client accepts, else JSON, else the first by name.
func (x *exchange) mockBody(a *snapshot.MockAnswer) (kind, body string) {
	accept, _, _ := strings.Cut(x.r.Header.Get("Accept"), ",")
	accept, _, _ = strings.Cut(accept, ";")
	for _, kind := range []string{strings.TrimSpace(accept), "application/json"} {
		if body, ok := a.Bodies[kind]; ok {
			return kind, body
		}
	}
	for k := range a.Bodies {
		if kind == "" || k < kind {
			kind = k
		}
	}
	if kind == "" {
		return "application/json", ""
	}
	return kind, a.Bodies[kind]
}

// value is what a parameter sets: the last one of several.
func (x *exchange) value(source snapshot.Source) string {
	switch source.From {
	case snapshot.FromLiteral:
		return source.Name
	case snapshot.FromPath:
		return x.param(source.Name)
	}
	all := x.sourceValues(source, http.CanonicalHeaderKey(source.Name))
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// resourcePolicy asks the policy of the stage first: who is denied there goes no further. Where there is an
// authorizer, one of both has to allow the request; otherwise the policy alone.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
func (x *exchange) resourcePolicy() (Effect, *answer) {
	arn := x.requestARN()
	if len(arn) > longestRequestARN {
		return Deny, &answerARNTooLong
	}
	policy := x.view.policies[x.stage]
	if policy == nil {
		x.fault("resource policy cannot decide", errors.New("it was not prepared"))
		return Deny, &answerInternal
	}
	effect := x.evaluate(policy, arn)
	why := ""
	switch {
	case effect == Deny:
		why = " with an explicit deny"
	case effect == Allow, x.route.Authorizer != nil:
		return effect, nil
	}
	// The account's number is not everybody's to know.
	masked := strings.Replace(arn, ":"+x.api.Account+":", ":********"+x.api.Account[max(0, len(x.api.Account)-4):]+":", 1)
	message, err := marshalEvent(map[string]string{"Message": "User: anonymous is not authorized to perform: execute-api:Invoke on resource: " + masked + why})
	if err != nil {
		return Deny, &restDenied
	}
	return Deny, &answer{status: http.StatusForbidden, body: string(message), errorType: "AccessDeniedException"}
}

// authorizerEventREST is what a Lambda authorizer is asked.
func (x *exchange) authorizerEventREST(g *guard, arn string, identity []string) ([]byte, error) {
	if g.Type == snapshot.TokenAuthorizer {
		return marshalEvent(struct {
			Type      string `json:"type"`
			Token     string `json:"authorizationToken"`
			MethodARN string `json:"methodArn"`
		}{g.Type, identity[0], arn})
	}
	e := eventV1{
		Resource: x.routePath(), Path: x.eventPath(), HTTPMethod: x.r.Method, Headers: map[string]string{}, MultiValueHeaders: map[string][]string{},
		RequestContext: x.contextREST(), PathParameters: x.rawPathParameters(), StageVariables: x.stage.Variables,
		Query: map[string]string{}, MultiValueQuery: map[string][]string{},
	}
	x.eachHeader(e.setHeader)
	e.setQuery(x.query())
	if e.PathParameters == nil {
		e.PathParameters = map[string]string{}
	}
	if e.StageVariables == nil {
		e.StageVariables = map[string]string{}
	}
	return marshalEvent(authorizerREST{g.Type, arn, e.Resource, e.Path, e.HTTPMethod, e.Headers, e.MultiValueHeaders, e.Query, e.MultiValueQuery, e.PathParameters, e.StageVariables, e.RequestContext})
}

// authorizerREST is the event of a REQUEST authorizer; its maps are never null.
type authorizerREST struct {
	Type              string              `json:"type"`
	MethodARN         string              `json:"methodArn"`
	Resource          string              `json:"resource"`
	Path              string              `json:"path"`
	HTTPMethod        string              `json:"httpMethod"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Query             map[string]string   `json:"queryStringParameters"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters    map[string]string   `json:"pathParameters"`
	StageVariables    map[string]string   `json:"stageVariables"`
	RequestContext    contextV1           `json:"requestContext"`
}

// saysUnauthorized tells a function that has failed with the word that means 401.
func saysUnauthorized(payload []byte) bool {
	var failure struct{ ErrorMessage string }
	return json.Unmarshal(payload, &failure) == nil && failure.ErrorMessage == "Unauthorized"
}

// flatContext makes text of what an authorizer of a REST API gives along: strings, numbers and
// booleans; anything else is a mistake.
func flatContext(context json.RawMessage) (json.RawMessage, error) {
	if context == nil {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(context, &members); err != nil {
		return nil, err
	}
	flat := make(map[string]string, len(members))
	for name, raw := range members {
		raw = bytes.TrimSpace(raw)
		switch {
		case absent(raw):
		case raw[0] == '"':
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, err
			}
			flat[name] = text
		case raw[0] == '{', raw[0] == '[':
			return nil, fmt.Errorf("context.%s is neither a string, nor a number, nor a boolean", name)
		default:
			flat[name] = string(raw)
		}
	}
	return marshalEvent(flat)
}
