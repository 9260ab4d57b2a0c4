package logs

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// Texts are those that AWS answers where they are known.

func invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func notBuilt(what string) error {
	return invalid("%s is not built in this version of Countersign; leave it out", what)
}

func exclusive() error {
	return &types.ValidationException{Message: aws.String("LogGroup name and LogGroup ARN are mutually exclusive parameters.")}
}

func notFound(what string) error {
	return &types.ResourceNotFoundException{Message: aws.String("The specified " + what + " does not exist.")}
}

func exists(what string) error {
	return &types.ResourceAlreadyExistsException{Message: aws.String("The specified " + what + " already exists")}
}

func busy(what string) error {
	return &types.OperationAbortedException{Message: aws.String("A conflicting operation is currently in progress against " + what + ". Please try again.")}
}

func invalidToken() error { return invalid("The specified nextToken is invalid.") }
