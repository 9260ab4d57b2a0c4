package identity

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
)

// Why Credential has no secret for a key. Each AWS API words these its own way.
var (
	ErrUnknownKey   = errors.New("the access key id is unknown")
	ErrInvalidToken = errors.New("the session token is not valid for the access key id")
	ErrExpired      = errors.New("the session has expired")
)

// ErrNotTrusted is why Session makes no credentials: there is no such role, or its
// trust policy does not let the service assume it.
var ErrNotTrusted = errors.New("the role cannot be assumed")

func noSuchEntity(format string, args ...any) error {
	return &types.NoSuchEntityException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func noSuchRole(name string) error {
	return noSuchEntity("The role with name %s cannot be found.", name)
}

// noSuchPolicy is the answer of operations on the policy itself; see notAttachable
// for those that want to use it.
func noSuchPolicy(arn string) error { return noSuchEntity("Policy %s was not found.", arn) }

func notAttachable(arn string) error {
	return noSuchEntity("Policy %s does not exist or is not attachable.", arn)
}

func alreadyExists(format string, args ...any) error {
	return &types.EntityAlreadyExistsException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func deleteConflict(message string) error {
	return &types.DeleteConflictException{Message: aws.String(message)}
}

func limitExceeded(format string, args ...any) error {
	return &types.LimitExceededException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func invalidInput(format string, args ...any) error {
	return &types.InvalidInputException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func malformedDocument(format string, args ...any) error {
	return &types.MalformedPolicyDocumentException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// validation is an error that IAM and STS do not model.
func validation(format string, args ...any) error {
	return &smithy.GenericAPIError{Code: "ValidationError", Fault: smithy.FaultClient, Message: fmt.Sprintf(format, args...)}
}

func accessDenied(format string, args ...any) error {
	return &smithy.GenericAPIError{Code: "AccessDenied", Fault: smithy.FaultClient, Message: fmt.Sprintf(format, args...)}
}

// notBuilt refuses a parameter that this version would otherwise ignore.
func notBuilt(what string) error {
	return validation("%s is not built in this version of Countersign; leave it out", what)
}

// busy is the answer to changes of one entity that come too fast.
func busy() error {
	return &types.ConcurrentModificationException{Message: aws.String(
		"The request was rejected because multiple requests to change this object were submitted simultaneously. Wait a few minutes and submit your request again.")}
}
