package authority

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/smithy-go"

	"countersign/pki"
)

func invalidArgs(format string, a ...any) error {
	return &types.InvalidArgsException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func invalidARN(format string, a ...any) error {
	return &types.InvalidArnException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func invalidState(format string, a ...any) error {
	return &types.InvalidStateException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func invalidRequest(format string, a ...any) error {
	return &types.InvalidRequestException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func invalidPolicy(format string, a ...any) error {
	return &types.InvalidPolicyException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func invalidTag(format string, a ...any) error {
	return &types.InvalidTagException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func notFound(format string, a ...any) error {
	return &types.ResourceNotFoundException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func limitExceeded(format string, a ...any) error {
	return &types.LimitExceededException{Message: aws.String(fmt.Sprintf(format, a...))}
}

func inProgress(format string, a ...any) error {
	return &types.RequestInProgressException{Message: aws.String(fmt.Sprintf(format, a...))}
}

// validation is the error that AWS answers with, though the model of acm-pca
// does not have it, for validities and path lengths that do not fit.
func validation(format string, a ...any) error {
	return &smithy.GenericAPIError{Code: "ValidationException", Message: fmt.Sprintf(format, a...), Fault: smithy.FaultClient}
}

// issuingError gives pki's refusals the codes of AWS. Anything else is ours.
func issuingError(err error) error {
	var rule *pki.RuleError
	if errors.As(err, &rule) {
		switch rule.Rule {
		case pki.RuleValidity, pki.RuleNesting, pki.RuleShortLived, pki.RulePathLength, pki.RuleDepth, pki.RuleNameConstraints:
			return validation("%s", rule.Message)
		default:
			return invalidArgs("%s", rule.Message)
		}
	}
	var request *pki.RequestError
	if errors.As(err, &request) {
		return &types.MalformedCSRException{Message: aws.String(request.Message)}
	}
	return err
}

// importError does the same for the checks of a CA certificate.
func importError(err error) error {
	var bad *pki.ImportError
	if !errors.As(err, &bad) {
		return err
	}
	switch bad.Fault {
	case pki.ImportMismatch:
		return &types.CertificateMismatchException{Message: aws.String(bad.Message)}
	case pki.ImportInvalid:
		return invalidRequest("%s", bad.Message)
	default:
		return &types.MalformedCertificateException{Message: aws.String(bad.Message)}
	}
}
