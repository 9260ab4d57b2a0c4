package stacks

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

// invalid is the error that CloudFormation answers nearly everything with. Clients read its words.
func invalid(format string, args ...any) error {
	return &smithy.GenericAPIError{Code: "ValidationError", Message: fmt.Sprintf(format, args...), Fault: smithy.FaultClient}
}

// notBuilt refuses what this version would otherwise ignore.
func notBuilt(what string) error {
	return invalid("%s is not built in this version of Countersign; leave it out", what)
}

// noStack is how the AWS CLI, SAM and the CDK learn that a stack does not exist.
func noStack(name string) error { return invalid("Stack with id %s does not exist", name) }

func cannotUpdate(arn, status string) error {
	return invalid("Stack:%s is in %s state and can not be updated.", arn, status)
}

func noChangeSet(name string) error {
	return &types.ChangeSetNotFoundException{Message: aws.String(fmt.Sprintf("ChangeSet [%s] does not exist", name))}
}

// message is what an error says to a user, in an event or a status reason.
func message(err error) string {
	var coded smithy.APIError
	if errors.As(err, &coded) && coded.ErrorMessage() != "" {
		return coded.ErrorMessage()
	}
	return err.Error()
}

// A worded error is one in CloudFormation's own words, which events and statuses show.
type worded string

func (w worded) Error() string { return string(w) }

// words makes an error that users read as it is: a sentence, as CloudFormation would say it.
func words(format string, args ...any) error { return worded(fmt.Sprintf(format, args...)) }
