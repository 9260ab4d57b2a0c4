package gateway

import (
	"errors"
	"fmt"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	rest "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/smithy-go"
)

// The exceptions of v2 answer for v1 too: package wire goes by their names, which are the same.

func badRequest(format string, args ...any) error {
	return &types.BadRequestException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// limitExceeded is what API Gateway v1 answers beyond a quota; v2 has no exception of its own for it.
func limitExceeded(format string, args ...any) error {
	return &rest.LimitExceededException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func conflict(format string, args ...any) error {
	return &types.ConflictException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// notFound names the sort of thing that is missing the way API Gateway does:
// "Invalid API identifier specified abc123".
func notFound(noun, id string) error {
	return &types.NotFoundException{
		Message:      aws.String(fmt.Sprintf("Invalid %s identifier specified %s", noun, id)),
		ResourceType: aws.String(noun),
	}
}

// invalid says the same the way that API Gateway v1 does for parts of an API: "Invalid Resource identifier specified".
func invalid(what string) error {
	return &types.NotFoundException{Message: aws.String("Invalid " + what + " specified")}
}

// notBuilt refuses a parameter that this version would otherwise ignore.
func notBuilt(what string) error {
	return badRequest("%s is not built in this version of Countersign; leave it out", what)
}

// changed turns a failed precondition into the conflict that it is.
func changed(err error, what string) error {
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return conflict("%s was changed by somebody else meanwhile; try again", what)
	}
	return fmt.Errorf("write %s: %w", what, err)
}

// isNotFound tells whether a sibling answered that the thing does not exist.
func isNotFound(err error) bool {
	var coded smithy.APIError
	return errors.As(err, &coded) && coded.ErrorCode() == "ResourceNotFoundException"
}
