package certificates

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
)

func invalidParameter(format string, a ...any) error {
	return &types.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func invalidARN(format string, a ...any) error {
	return &types.InvalidArnException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func invalidTag(format string, a ...any) error {
	return &types.InvalidTagException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func invalidValidation(format string, a ...any) error {
	return &types.InvalidDomainValidationOptionsException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func validationFailed(format string, a ...any) error {
	return &types.ValidationException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func notFound(name, account string) error {
	return &types.ResourceNotFoundException{Message: aws.String(fmt.Sprintf("Certificate with arn %s not found in account %s", name, account))}
}

// notIssued is the answer to who wants a certificate that is not there yet.
func notIssued(r *record) error {
	return &types.RequestInProgressException{Message: aws.String(fmt.Sprintf("Certificate %s is not issued yet: its status is %s", r.arn(), r.State))}
}
