package functions

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"countersign/arn"
	"countersign/call"
	"countersign/service/functions/runner"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Limits of a payload in bytes.
const (
	maxRequestPayload = 6 << 20
	maxEventPayload   = 1 << 20
	maxClientContext  = 3583
)

// Invoke runs a function. With RequestResponse it waits for the answer, and what
// the function does wrong is in FunctionError and Payload, not in the error.
// With Event the payload is durable on return and the function runs soon. With DryRun nothing runs.
func (s *Service) Invoke(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	ref, err := resolve(ctx, aws.ToString(in.FunctionName), aws.ToString(in.Qualifier))
	if err != nil {
		return nil, err
	}
	switch {
	case in.TenantId != nil:
		return nil, notBuilt("TenantId")
	case in.DurableExecutionName != nil:
		return nil, notBuilt("DurableExecutionName")
	}
	kind, limit := in.InvocationType, maxRequestPayload
	switch kind {
	case "":
		kind = types.InvocationTypeRequestResponse
	case types.InvocationTypeEvent:
		limit = maxEventPayload
	case types.InvocationTypeRequestResponse, types.InvocationTypeDryRun:
	default:
		return nil, constraint(kind, "invocationType", "Member must satisfy enum value set: [Event, RequestResponse, DryRun]")
	}
	payload := in.Payload
	if len(payload) > limit {
		return nil, requestTooLarge("%d byte payload is too large for the %s invocation type (limit %d bytes)", len(payload), kind, limit)
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	if err := checkJSON(payload); err != nil {
		return nil, &types.InvalidRequestContentException{Type: user, Message: aws.String("Could not parse request body into json: " + err.Error())}
	}
	client, err := clientContext(in.ClientContext)
	if err != nil {
		return nil, err
	}
	id := call.From(ctx).RequestID
	if id == "" {
		if id, err = s.newID(); err != nil {
			return nil, err
		}
	}
	switch kind {
	case types.InvocationTypeEvent:
		if _, _, err := s.target(ctx, ref); err != nil {
			return nil, err
		}
		err := s.enqueue(ctx, &event{Account: ref.account, Region: ref.region, Name: ref.name, Qualifier: ref.qualifier,
			ID: id, Payload: payload, ClientContext: client})
		if err != nil {
			return nil, err
		}
		return &lambda.InvokeOutput{StatusCode: 202}, nil
	case types.InvocationTypeDryRun:
		if _, _, err := s.target(ctx, ref); err != nil {
			return nil, err
		}
		return &lambda.InvokeOutput{StatusCode: 204}, nil
	}
	res, number, err := s.invoke(ctx, ref, id, payload, client, nil)
	if err != nil {
		return nil, err
	}
	out := &lambda.InvokeOutput{StatusCode: 200, ExecutedVersion: aws.String(number), Payload: res.Payload}
	if res.Error != "" {
		out.FunctionError = aws.String(res.Error)
	}
	if in.LogType == types.LogTypeTail {
		out.LogResult = aws.String(base64.StdEncoding.EncodeToString(res.Tail))
	}
	return out, nil
}

// checkJSON says where a payload is not JSON.
func checkJSON(payload []byte) error {
	if json.Valid(payload) {
		return nil
	}
	var v json.RawMessage
	if err := json.Unmarshal(payload, &v); err != nil {
		return err
	}
	return errors.New("not valid JSON")
}

// clientContext decodes the header of that name.
func clientContext(encoded *string) ([]byte, error) {
	if aws.ToString(encoded) == "" {
		return nil, nil
	}
	text, err := base64.StdEncoding.DecodeString(*encoded)
	if err != nil || !json.Valid(text) {
		return nil, &types.InvalidRequestContentException{Type: user, Message: aws.String("Client context must be a valid Base64-encoded JSON object.")}
	}
	if len(text) > maxClientContext {
		return nil, &types.InvalidRequestContentException{Type: user, Message: aws.String(
			fmt.Sprintf("Client context must be smaller than %d bytes.", maxClientContext))}
	}
	var compact bytes.Buffer // it travels in a header, so without line ends
	if err := json.Compact(&compact, text); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}

// target finds what to run.
func (s *Service) target(ctx context.Context, ref reference) (*function, *version, error) {
	f, err := s.readCached(ctx, ref.account, ref.region, ref.name)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, functionNotFound(ref.arn())
	}
	v := f.version(ref.qualifier)
	if v == nil {
		return nil, nil, functionNotFound(ref.arn())
	}
	return f, v, nil
}

// invoke runs a function once if permit, which may be nil, lets it. The errors are
// for the client; number is the version that ran.
func (s *Service) invoke(ctx context.Context, ref reference, id string, payload, client []byte, permit func(*function) error) (res runner.Result, number string, err error) {
	for attempt := 1; ; attempt++ {
		f, v, err := s.target(ctx, ref)
		if err != nil {
			return runner.Result{}, "", err
		}
		if permit != nil {
			if err := permit(f); err != nil {
				return runner.Result{}, "", err
			}
		}
		fn, err := s.runnable(f, v)
		if err != nil {
			return runner.Result{}, "", err
		}
		res, err = s.runner.Invoke(ctx, fn, runner.Invocation{RequestID: id, InvokedARN: ref.arn(), Payload: payload, ClientContext: client})
		// The code may have been replaced between looking and reading it.
		if errors.Is(err, store.ErrNotFound) && attempt == 1 {
			continue
		}
		return res, v.Number, refusal(err)
	}
}

// InvokeFor runs a function for another service of this node, if the function's policy permits that
// to the service (such as "apigateway.amazonaws.com") on behalf of sourceARN. functionError is "Unhandled" where
// the function failed; result then holds Lambda's error object. err is ErrNotPermitted,
// *types.ResourceNotFoundException, *types.TooManyRequestsException, ctx's, or internal. When ctx
// ends first the function goes on. The payload has to be JSON, and may be used again on return.
func (s *Service) InvokeFor(ctx context.Context, functionARN, sourceARN, service string, payload []byte) (result []byte, functionError string, err error) {
	a, err := arn.Parse(functionARN)
	if err != nil || a.Service != "lambda" {
		return nil, "", functionNotFound(functionARN)
	}
	// The function's own account and Region: no client's call is behind this.
	ctx = call.With(ctx, call.Call{Account: a.Account, Region: a.Region, Service: "lambda", Operation: "Invoke",
		Principal: call.Principal{Account: a.Account, Service: service}, Signing: call.Internal})
	ref, err := resolve(ctx, functionARN, "")
	if err != nil {
		return nil, "", err
	}
	if len(payload) > maxRequestPayload {
		return nil, "", requestTooLarge("%d byte payload is too large for the RequestResponse invocation type (limit %d bytes)", len(payload), maxRequestPayload)
	}
	id, err := s.newID()
	if err != nil {
		return nil, "", err
	}
	res, _, err := s.invoke(ctx, ref, id, bytes.Clone(payload), nil, func(f *function) error {
		q := question{service: service, action: "lambda:InvokeFunction", resource: f.qualified(ref.qualifier), source: sourceARN}
		for i := range f.Policies[ref.qualifier] {
			if f.Policies[ref.qualifier][i].permits(q) {
				return nil
			}
		}
		return fmt.Errorf("%w: %s calls %s for %s", ErrNotPermitted, service, q.resource, sourceARN)
	})
	if err != nil {
		return nil, "", err
	}
	return res.Payload, res.Error, nil
}
