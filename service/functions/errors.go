package functions

import (
	"errors"
	"fmt"

	"countersign/service/functions/runner"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

// ErrNotPermitted is returned by InvokeFor when no statement of the function's
// policy lets the service call it for that source.
var ErrNotPermitted = errors.New("the function's policy does not permit this invocation")

// user is the Type member of errors that the caller can mend.
var user = aws.String("User")

func invalid(format string, args ...any) error {
	return &types.InvalidParameterValueException{Type: user, Message: aws.String(fmt.Sprintf(format, args...))}
}

// notBuilt refuses a parameter that this version would otherwise ignore.
func notBuilt(what string) error {
	return invalid("%s is not built in this version of Countersign; leave it out", what)
}

// constraint words a violation of the model's kind, which the model of Lambda does not state itself.
func constraint(value any, member, rule string) error {
	return &smithy.GenericAPIError{Code: "ValidationException", Fault: smithy.FaultClient,
		Message: fmt.Sprintf("1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, rule)}
}

func notFound(format string, args ...any) error {
	return &types.ResourceNotFoundException{Type: user, Message: aws.String(fmt.Sprintf(format, args...))}
}

func functionNotFound(arn string) error { return notFound("Function not found: %s", arn) }

func conflict(format string, args ...any) error {
	return &types.ResourceConflictException{Type: user, Message: aws.String(fmt.Sprintf(format, args...))}
}

func stale() error {
	return &types.PreconditionFailedException{Type: user, Message: aws.String(
		"The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")}
}

func requestTooLarge(format string, args ...any) error {
	return &types.RequestTooLargeException{Type: user, Message: aws.String(fmt.Sprintf(format, args...))}
}

// cannotAssume is Lambda's text about a role that is not there, or does not trust it.
const cannotAssume = "The role defined for the function cannot be assumed by Lambda."

// refusal turns the runner's refusals into Lambda's. Other errors come back as they are.
func refusal(err error) error {
	var t *runner.ThrottleError
	switch {
	case errors.As(err, &t):
		reason := types.ThrottleReasonConcurrentInvocationLimitExceeded
		if t.Reserved {
			reason = types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded
		}
		return &types.TooManyRequestsException{Type: user, Message: aws.String("Rate Exceeded."), Reason: reason}
	case errors.Is(err, runner.ErrRole):
		return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: cannotAssume, Fault: smithy.FaultClient}
	case errors.Is(err, runner.ErrClosed):
		return &types.ServiceException{Type: aws.String("Service"), Message: aws.String("This node is shutting down; try again once it is back.")}
	}
	return err
}
