package edge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"countersign/edge/snapshot"
)

const (
	authorizerTimeout = 10 * time.Second
	longestRequestARN = 1600 // bytes; beyond it a request is answered 414
)

// A verdict is what a Lambda authorizer has answered.
type verdict struct {
	grant
	policy  Policy // nil: allowed decides
	allowed bool
	cost    int // bytes of memory, about
	until   time.Time
}

// authorizeRequest asks a Lambda function, or remembers what it has answered. What that says nothing about
// is allowed if otherwise is Allow.
func (x *exchange) authorizeRequest(g *guard, otherwise Effect) *answer {
	arn := x.requestARN()
	if len(arn) > longestRequestARN {
		return &answerARNTooLong
	}
	h := sha256.New()
	h.Write(g.cache[:])
	identity, ok := x.identity(g, h)
	if !ok || g.pattern != nil && !g.pattern.MatchString(identity[0]) {
		return &answerUnauthorized
	}
	var key [sha256.Size]byte
	h.Sum(key[:0])
	var v *verdict
	if g.TTL > 0 {
		v = x.edge.answers.recall(key, x.now)
	}
	if v == nil {
		var err error
		switch v, err = x.ask(g, arn, identity); {
		case errors.Is(err, errUnauthorized):
			return &answerUnauthorized
		case err != nil:
			x.fault("authorizer "+g.ID+" failed", err)
			return &answerNoAuthorizer
		}
		if g.TTL > 0 {
			v.until = x.now.Add(g.TTL)
			x.edge.answers.remember(key, v, x.now)
		}
	}
	effect := Silent
	switch {
	case v.policy != nil: // it may have been given for another route of the API
		effect = x.evaluate(v.policy, arn)
	case v.allowed:
		effect = Allow
	}
	if effect == Silent {
		effect = otherwise
	}
	switch effect {
	case Deny:
		return &answerDeniedOutright
	case Silent:
		return &answerDenied
	}
	x.granted = &v.grant
	return nil
}

// evaluate asks a policy about this request.
func (x *exchange) evaluate(p Policy, arn string) Effect {
	return p.Evaluate("execute-api:Invoke", arn, map[string][]string{
		"aws:sourceip":        {x.sourceIP()},
		"aws:securetransport": {"true"},
		"aws:useragent":       {x.r.Header.Get("User-Agent")},
		"aws:currenttime":     {x.now.UTC().Format(time.RFC3339)},
		"aws:epochtime":       {strconv.FormatInt(x.now.Unix(), 10)},
	})
}

// errUnauthorized is how a function of a REST API's authorizer has said that it does not know the caller.
var errUnauthorized = errors.New("unauthorized")

// ask invokes the function of an authorizer.
func (x *exchange) ask(g *guard, arn string, identity []string) (*verdict, error) {
	if x.edge.cfg.Invoker == nil {
		return nil, errors.New("this node runs no functions")
	}
	event, err := x.authorizerEvent(g, arn, identity)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), authorizerTimeout)
	defer cancel()
	payload, functionError, err := x.edge.cfg.Invoker.Invoke(ctx, Invocation{
		FunctionARN: g.Function,
		SourceARN:   x.executeARN() + "/authorizers/" + g.ID,
		Account:     x.api.Account,
		Payload:     event,
	})
	switch {
	case x.r.Context().Err() != nil:
		abandon()
	case err != nil:
		return nil, err
	case functionError != "" && x.api.REST && saysUnauthorized(payload):
		return nil, errUnauthorized
	case functionError != "":
		return nil, fmt.Errorf("the function failed: %s", functionError)
	}
	v, err := readVerdict(payload, g.Simple, x.edge.cfg.ParsePolicy)
	if err == nil && x.api.REST {
		v.lambda, err = flatContext(v.lambda)
	}
	if err != nil {
		return nil, fmt.Errorf("its answer: %w", err)
	}
	return v, nil
}

// readVerdict reads a function's answer: {"isAuthorized", "context"} where the
// authorizer has simple answers, else {"principalId", "policyDocument", "context"}.
func readVerdict(payload []byte, simple bool, parse PolicyParser) (*verdict, error) {
	var members map[string]json.RawMessage // names have to fit to the letter, which structs do not demand
	if err := json.Unmarshal(payload, &members); err != nil {
		return nil, err
	}
	v := &verdict{cost: 512}
	if c := members["context"]; !absent(c) {
		if c[0] != '{' {
			return nil, errors.New("context is not an object")
		}
		v.lambda = bytes.Clone(c)
		v.cost += len(v.lambda)
	}
	if simple {
		switch string(members["isAuthorized"]) {
		case "true", `"true"`: // functions in Java answer maps of strings, and API Gateway takes them
			v.allowed = true
		case "false", `"false"`:
		default:
			return nil, errors.New("isAuthorized is neither true nor false")
		}
		return v, nil
	}
	if json.Unmarshal(members["principalId"], &v.principal) != nil || v.principal == "" {
		return nil, errors.New("principalId is missing")
	}
	document := members["policyDocument"]
	switch {
	case absent(document):
		return nil, errors.New("policyDocument is missing")
	case parse == nil:
		return nil, errors.New("this node evaluates no policies")
	}
	var err error
	if v.policy, err = parse(document); err != nil {
		return nil, fmt.Errorf("policyDocument: %w", err)
	}
	v.cost += len(v.principal) + 8*len(document) // parsed it takes more room
	return v, nil
}

// authorizerV2Event is what a REQUEST authorizer of payload format 2.0 is asked.
type authorizerV2Event struct {
	Version        string            `json:"version"`
	Type           string            `json:"type"`
	RouteARN       string            `json:"routeArn"`
	IdentitySource []string          `json:"identitySource"`
	RouteKey       string            `json:"routeKey"`
	RawPath        string            `json:"rawPath"`
	RawQueryString string            `json:"rawQueryString"`
	Cookies        []string          `json:"cookies,omitempty"`
	Headers        map[string]string `json:"headers"`
	Query          map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext contextV2         `json:"requestContext"`
	PathParameters map[string]string `json:"pathParameters,omitempty"`
	StageVariables map[string]string `json:"stageVariables,omitempty"`
}

// authorizerV1Event is the same in payload format 1.0.
type authorizerV1Event struct {
	Version            string            `json:"version"`
	Type               string            `json:"type"`
	MethodARN          string            `json:"methodArn"`
	IdentitySource     string            `json:"identitySource"`
	AuthorizationToken string            `json:"authorizationToken"`
	Resource           string            `json:"resource"`
	Path               string            `json:"path"`
	HTTPMethod         string            `json:"httpMethod"`
	Headers            map[string]string `json:"headers"`
	Query              map[string]string `json:"queryStringParameters"`
	PathParameters     map[string]string `json:"pathParameters"`
	StageVariables     map[string]string `json:"stageVariables"`
	RequestContext     contextV1         `json:"requestContext"`
}

// authorizerEvent makes the event. The body of the request is no part of it.
func (x *exchange) authorizerEvent(g *guard, arn string, identity []string) ([]byte, error) {
	if x.api.REST {
		return x.authorizerEventREST(g, arn, identity)
	}
	if g.Payload == "2.0" {
		return marshalEvent(authorizerV2Event{
			Version:        "2.0",
			Type:           snapshot.RequestAuthorizer,
			RouteARN:       arn,
			IdentitySource: identity,
			RouteKey:       x.route.Key,
			RawPath:        x.stageURL,
			RawQueryString: x.r.URL.RawQuery,
			Cookies:        x.cookies(),
			Headers:        x.headersV2(),
			Query:          x.queryV2(),
			RequestContext: x.contextV2(),
			PathParameters: x.pathParameters(),
			StageVariables: x.stage.Variables,
		})
	}
	joined := strings.Join(identity, ",")
	e := authorizerV1Event{
		Version:            "1.0",
		Type:               snapshot.RequestAuthorizer,
		MethodARN:          arn,
		IdentitySource:     joined,
		AuthorizationToken: joined,
		Resource:           x.routePath(),
		Path:               x.pathV1(),
		HTTPMethod:         x.r.Method,
		Headers:            map[string]string{},
		Query:              map[string]string{},
		PathParameters:     x.pathParameters(),
		StageVariables:     x.stage.Variables,
		RequestContext:     x.contextV1(),
	}
	x.eachHeader(func(name string, values []string) { e.Headers[name] = values[len(values)-1] })
	for _, q := range x.query() {
		e.Query[q.name] = q.value
	}
	return marshalEvent(e)
}
