// Command authorizer is a Lambda authorizer for the tests of HTTP and REST APIs. It lets in
// who sends the header x-token with the value "allow", fails for "fail", says "Unauthorized" for "unknown", and
// answers in both forms at once, as a simple answer and with a policy for the one
// request. The context tells how often this process was asked and which
// certificate the client has.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
)

type clientCert struct {
	SubjectDN string `json:"subjectDN"`
}

type event struct {
	Version        string            `json:"version"`
	MethodARN      string            `json:"methodArn"`
	RouteARN       string            `json:"routeArn"`
	Token          string            `json:"authorizationToken"` // of a TOKEN authorizer; others of format 1.0 have it too
	Headers        map[string]string `json:"headers"`
	RequestContext struct {
		Authentication struct {
			ClientCert clientCert `json:"clientCert"`
		} `json:"authentication"`
		Identity struct {
			ClientCert clientCert `json:"clientCert"`
		} `json:"identity"`
	} `json:"requestContext"`
}

func main() {
	calls := 0 // one environment serves one request at a time
	lambda.Start(func(_ context.Context, raw json.RawMessage) (any, error) {
		calls++
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
		token := ""
		for name, value := range e.Headers {
			if strings.EqualFold(name, "x-token") {
				token = value
			}
		}
		if e.Headers == nil {
			token = e.Token
		}
		if token == "unknown" {
			return nil, errors.New("Unauthorized")
		}
		if token == "fail" {
			return nil, errors.New("told to fail")
		}
		effect := "Deny"
		if token == "allow" {
			effect = "Allow"
		}
		return map[string]any{
			"isAuthorized": token == "allow",
			"principalId":  "caller",
			"policyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{
				map[string]any{"Effect": effect, "Action": "execute-api:Invoke", "Resource": e.MethodARN + e.RouteARN},
			}},
			"context": map[string]any{
				"version": e.Version, "calls": calls,
				"subject": e.RequestContext.Authentication.ClientCert.SubjectDN + e.RequestContext.Identity.ClientCert.SubjectDN,
			},
		}, nil
	})
}
