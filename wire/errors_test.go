package wire

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"countersign/wire/shape"

	"github.com/aws/aws-sdk-go-v2/aws"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func model(t testing.TB, id string) *shape.Model {
	t.Helper()
	m, ok := shape.Service(id)
	if !ok {
		t.Fatalf("no model %q", id)
	}
	return m
}

// TestErrorLoopback has the real clients read every exception of every model,
// with all its members filled, and get the same exception.
func TestErrorLoopback(t *testing.T) {
	t.Parallel()
	untyped := map[string]bool{}
	for _, id := range shape.Services() {
		m := model(t, id)
		var current replay
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.ServeHTTP(w, r) }))
		defer server.Close()
		client := clients(testConfig(server))[id]
		for name, s := range m.Errors {
			op := declares(m, name)
			if op == nil {
				continue
			}
			answer := func(err error) error {
				res := EncodeError(m, err, ErrorContext{RequestID: "req-1", HostID: "host-1", Resource: "/b/k"})
				current = replay{res.Status, res.Header, res.Body}
				_, err = ask(t, client, op)
				return err
			}
			// The first answer tells which Go type the client makes of the code.
			err := answer(&smithy.GenericAPIError{Code: s.Code(), Message: "hello"})
			var api smithy.APIError
			if !errors.As(err, &api) || api.ErrorCode() != s.Code() || api.ErrorMessage() != "hello" && op.Method != "HEAD" && !wordless(m, s) {
				t.Errorf("%s %s (%s): client: %v", id, name, op.Name, err)
				continue
			}
			if reflect.TypeOf(api) == reflect.TypeFor[*smithy.GenericAPIError]() {
				untyped[id+" "+name] = true
				continue
			}
			v := reflect.ValueOf(api).Elem()
			p, err := planFor(s, v.Type())
			if err != nil {
				t.Fatal(err)
			}
			sent := reflect.New(v.Type())
			newFiller(1, 1, false).structure(p, sent.Elem())
			if e, ok := sent.Interface().(*route53types.InvalidChangeBatch); ok {
				e.Messages = nil // they are in Message
			}
			err = answer(fmt.Errorf("wrapped: %w", sent.Interface().(error)))
			got := reflect.New(reflect.PointerTo(v.Type()))
			if !errors.As(err, got.Interface()) {
				t.Errorf("%s %s (%s): client: %v", id, name, op.Name, err)
				continue
			}
			for _, d := range diff(p, sent.Elem(), got.Elem().Elem(), name) {
				t.Errorf("%s %s: %s", id, op.Name, d)
			}
			var http *smithyhttp.ResponseError
			if !errors.As(err, &http) || http.HTTPStatusCode() != s.HTTPStatus() {
				t.Errorf("%s %s: status %v, want %d", id, name, http.HTTPStatusCode(), s.HTTPStatus())
			}
		}
	}
	if len(untyped) > 0 {
		t.Errorf("the clients have no type for %v", untyped)
	}
}

// wordless reports whether clients of awsJson drop the message of an exception:
// its model has no member for one. Most of SSM's older ones are so.
func wordless(m *shape.Model, s *shape.Shape) bool {
	return m.ID == "ssm" && !slices.ContainsFunc(s.Members, func(x *shape.Member) bool { return strings.EqualFold(x.Name, "message") })
}

// richError is an error of a service that says more than its code.
type richError struct{ smithy.GenericAPIError }

func (*richError) HTTPStatus() int { return 405 }
func (*richError) ErrorHeaders() map[string]string {
	return map[string]string{"x-amz-delete-marker": "true", "Allow": "DELETE"}
}
func (*richError) ErrorFields() [][2]string {
	return [][2]string{{"Method", "GET"}, {"ResourceType", "Delete<Marker>"}}
}

func TestErrorForms(t *testing.T) {
	t.Parallel()
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	ctx := ErrorContext{RequestID: "R1", HostID: "H1", Resource: "/b/k"}
	for _, c := range []struct {
		name, service string
		err           error
		status        int
		body          string
		headers       map[string]string
	}{
		{"json, capital Message and 403", "acm", &acmtypes.AccessDeniedException{Message: aws.String("no")}, 403,
			`{"Message":"no","__type":"AccessDeniedException"}`, map[string]string{"Content-Type": "application/x-amz-json-1.1"}},
		{"json, not modelled", "acm-pca", &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}, 400,
			`{"__type":"AccessDeniedException","message":"no"}`, nil},
		{"json, internal", "acm-pca", errors.New("disk /dev/sda1 is on fire"), 500,
			`{"__type":"InternalFailure","message":"An internal error occurred. Please try again."}`, nil},
		{"json, fault of the server", "acm-pca", &smithy.GenericAPIError{Code: "Odd", Message: "x", Fault: smithy.FaultServer}, 500,
			`{"__type":"Odd","message":"x"}`, nil},
		{"no service", "", &smithy.GenericAPIError{Code: "UnknownService", Message: "x"}, 400, `{"__type":"UnknownService","message":"x"}`, nil},
		{"rest-json", "apigatewayv2", &smithy.GenericAPIError{Code: "NotFoundException", Message: "no API"}, 404, `{"message":"no API"}`,
			map[string]string{"X-Amzn-Errortype": "NotFoundException", "Content-Type": "application/json"}},
		{"lambda, Message", "lambda", &lambdatypes.ResourceNotFoundException{Message: aws.String("Function not found: f")}, 404,
			`{"Message":"Function not found: f","Type":"User","message":"Function not found: f"}`, map[string]string{"X-Amzn-Errortype": "ResourceNotFoundException"}},
		{"lambda, message", "lambda", &lambdatypes.InvalidParameterValueException{Message: aws.String("x")}, 400,
			`{"message":"x","Type":"User","Message":"x"}`, nil},
		{"lambda, not modelled", "lambda", &smithy.GenericAPIError{Code: "ValidationException", Message: "x"}, 400,
			`{"Type":"User","Message":"x","message":"x"}`, nil},
		{"lambda, internal", "lambda", errors.New("x"), 500,
			`{"Type":"Service","Message":"An error occurred and the request cannot be processed.","message":"An error occurred and the request cannot be processed."}`,
			map[string]string{"X-Amzn-Errortype": "ServiceException"}},
		{"s3, modelled", "s3", &s3types.NoSuchKey{Message: aws.String("The specified key does not exist.")}, 404,
			head + `<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Resource>/b/k</Resource><RequestId>R1</RequestId><HostId>H1</HostId></Error>`,
			map[string]string{"Content-Type": "application/xml"}},
		{"s3, rich", "s3", fmt.Errorf("get: %w", &richError{smithy.GenericAPIError{Code: "MethodNotAllowed", Message: "a & b"}}), 405,
			head + `<Error><Code>MethodNotAllowed</Code><Message>a &amp; b</Message><Method>GET</Method><ResourceType>Delete&lt;Marker&gt;</ResourceType><Resource>/b/k</Resource><RequestId>R1</RequestId><HostId>H1</HostId></Error>`,
			map[string]string{"X-Amz-Delete-Marker": "true", "Allow": "DELETE"}},
		{"s3, internal", "s3", errors.New("x"), 500,
			head + `<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message><Resource>/b/k</Resource><RequestId>R1</RequestId><HostId>H1</HostId></Error>`, nil},
		{"s3, code", "s3", &smithy.GenericAPIError{Code: "PreconditionFailed", Message: "x"}, 412,
			head + `<Error><Code>PreconditionFailed</Code><Message>x</Message><Resource>/b/k</Resource><RequestId>R1</RequestId><HostId>H1</HostId></Error>`, nil},
		{"route53", "route53", &route53types.NoSuchHostedZone{Message: aws.String("No hosted zone found with ID: Z")}, 404,
			head + `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>NoSuchHostedZone</Code><Message>No hosted zone found with ID: Z</Message></Error><RequestId>R1</RequestId></ErrorResponse>`,
			map[string]string{"Content-Type": "text/xml"}},
		{"route53, change batch", "route53", &route53types.InvalidChangeBatch{Messages: []string{"one", "two"}, Message: aws.String("[one, two]")}, 400,
			head + `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>[one, two]</Message></Error><RequestId>R1</RequestId></ErrorResponse>`, nil},
		{"query", "sts", &smithy.GenericAPIError{Code: "InvalidClientTokenId", Message: "x"}, 403,
			head + `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>x</Message></Error><RequestId>R1</RequestId></ErrorResponse>`, nil},
		{"query, modelled, the code of the wire", "iam", &iamtypes.NoSuchEntityException{Message: aws.String("no role")}, 404,
			head + `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no role</Message></Error><RequestId>R1</RequestId></ErrorResponse>`, nil},
		{"query, the same by code", "iam", &smithy.GenericAPIError{Code: "NoSuchEntity", Message: "no role"}, 404,
			head + `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no role</Message></Error><RequestId>R1</RequestId></ErrorResponse>`, nil},
		{"query, not modelled", "cloudformation", &smithy.GenericAPIError{Code: "ValidationError", Message: "Stack with id s does not exist"}, 400,
			head + `<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id s does not exist</Message></Error><RequestId>R1</RequestId></ErrorResponse>`, nil},
		{"json, an exception without a message", "ssm", &ssmtypes.AssociatedInstances{}, 400, `{"__type":"AssociatedInstances"}`, nil},
		{"json, one whose model has no member for it", "logs", &logstypes.ResourceNotFoundException{Message: aws.String("no group")}, 400,
			`{"__type":"ResourceNotFoundException","message":"no group"}`, nil},
		{"query, internal", "sts", errors.New("x"), 500,
			head + `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Receiver</Type><Code>InternalFailure</Code><Message>An internal error occurred. Please try again.</Message></Error><RequestId>R1</RequestId></ErrorResponse>`, nil},
	} {
		var m *shape.Model
		if c.service != "" {
			m = model(t, c.service)
		}
		res := EncodeError(m, c.err, ctx)
		if res.Status != c.status {
			t.Errorf("%s: status %d, want %d", c.name, res.Status, c.status)
		}
		if string(res.Body) != c.body {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, res.Body, c.body)
		}
		for k, v := range c.headers {
			if res.Header.Get(k) != v {
				t.Errorf("%s: header %s: got %q, want %q", c.name, k, res.Header.Get(k), v)
			}
		}
		if strings.Contains(string(res.Body), "fire") {
			t.Errorf("%s: an internal error leaks its text", c.name)
		}
		ctx := ctx
		ctx.Head = true
		if res := EncodeError(m, c.err, ctx); len(res.Body) != 0 || res.Status != c.status || res.Header.Get("Content-Type") != "" {
			t.Errorf("%s: HEAD: status %d, body %q", c.name, res.Status, res.Body)
		}
	}
}
