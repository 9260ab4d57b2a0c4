// Command echo is a Lambda function that answers with the event it was given:
// for looking at what an API Gateway hands to a function, the client certificate
// among it. It runs on provided.al2023, here and on AWS. An event of API Gateway, of payload format 1.0 or 2.0, is
// answered with an HTTP response of status 200 whose body is the event; any
// other event is answered with itself.
//
//	CGO_ENABLED=0 go build -o bootstrap ./lambda/echo && zip echo.zip bootstrap
package main

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() { lambda.Start(echo) }

// An answer is a response in the form that both payload formats share.
type answer struct {
	StatusCode      int               `json:"statusCode"`
	Headers         map[string]string `json:"headers"`
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

func echo(_ context.Context, event json.RawMessage) (any, error) {
	if !fromGateway(event) {
		return event, nil
	}
	return answer{StatusCode: 200, Headers: map[string]string{"content-type": "application/json"}, Body: string(event)}, nil
}

// fromGateway reports whether an event is a request: an object with a
// requestContext, which has the request's http (format 2.0) or its httpMethod (1.0).
func fromGateway(event json.RawMessage) bool {
	var e struct {
		RequestContext struct {
			HTTP       json.RawMessage `json:"http"`
			HTTPMethod string          `json:"httpMethod"`
		} `json:"requestContext"`
	}
	if json.Unmarshal(event, &e) != nil {
		return false
	}
	return len(e.RequestContext.HTTP) > 0 && string(e.RequestContext.HTTP) != "null" || e.RequestContext.HTTPMethod != ""
}
