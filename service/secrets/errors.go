package secrets

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
)

// validation is what both services answer for input that no model describes.
func validation(format string, args ...any) error {
	return coded("ValidationException", format, args...)
}

// coded makes an error of a code that no struct of the SDK carries a message for.
func coded(code, format string, args ...any) error {
	return &smithy.GenericAPIError{Code: code, Message: fmt.Sprintf(format, args...), Fault: smithy.FaultClient}
}

const notBuilt = "%s is not built in this version of Countersign; leave it out"

// Secrets Manager. Texts are those that AWS answers where they are known.

func invalidParameter(format string, args ...any) error {
	return &smtypes.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func invalidRequest(format string, args ...any) error {
	return &smtypes.InvalidRequestException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func limitExceeded(format string, args ...any) error {
	return &smtypes.LimitExceededException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func invalidToken() error {
	return &smtypes.InvalidNextTokenException{Message: aws.String("The NextToken value is invalid.")}
}

func secretNotFound() error {
	return &smtypes.ResourceNotFoundException{Message: aws.String("Secrets Manager can't find the specified secret.")}
}

func isSecretNotFound(err error) bool {
	return errors.As(err, new(*smtypes.ResourceNotFoundException))
}

func valueNotFound(by, which string) error {
	return &smtypes.ResourceNotFoundException{Message: aws.String("Secrets Manager can't find the specified secret value for " + by + ": " + which)}
}

func secretExists(name string) error {
	return &smtypes.ResourceExistsException{Message: aws.String("The operation failed because the secret " + name + " already exists.")}
}

func tokenUsed(token, arn string) error {
	return &smtypes.ResourceExistsException{Message: aws.String("You can't use ClientRequestToken " + token + " because that value is already in use for a version of secret " + arn + ".")}
}

func markedForDeletion() error {
	return invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
}

// busySecret is for changes of one secret that keep overtaking each other.
func busySecret(name string) error {
	return invalidRequest("Too many changes of the secret %s at a time; try again.", name)
}

// Parameter Store.

func parameterNotFound(name string) error {
	return &ssmtypes.ParameterNotFound{Message: aws.String("Parameter " + name + " not found.")}
}

func versionNotFound(what, which, name string) error {
	return &ssmtypes.ParameterVersionNotFound{Message: aws.String(fmt.Sprintf(
		"Systems Manager could not find %s %s of %s. Verify the %s and try again.", what, which, name, what))}
}

func tooManyUpdates(name string) error {
	return &ssmtypes.TooManyUpdates{Message: aws.String("Too many changes of the parameter " + name + " at a time; try again.")}
}

func tooManyTags(format string, args ...any) error {
	return coded("TooManyTagsError", format, args...)
}
