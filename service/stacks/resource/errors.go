package resource

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"
)

// IsNotFound reports whether an operation answered that what it was asked for
// does not exist. Services word it in many ways.
func IsNotFound(err error) bool { return HandlerCode(err) == "NotFound" }

// IsExists reports whether an operation answered that there is one already.
func IsExists(err error) bool { return HandlerCode(err) == "AlreadyExists" }

// HandlerCode is the word that CloudFormation puts behind an operation's error.
// https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html
func HandlerCode(err error) string {
	var coded smithy.APIError
	if !errors.As(err, &coded) {
		return "InternalFailure"
	}
	code := coded.ErrorCode()
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(code, w) {
				return true
			}
		}
		return false
	}
	switch {
	case code == "NotStabilized": // what a type answers when it has waited in vain
		return code
	case has("NotFound", "NoSuch", "DoesNotExist"):
		return "NotFound"
	case has("AlreadyExist", "AlreadyOwned", "EntityAlreadyExists") || code == "ResourceExistsException":
		return "AlreadyExists"
	case has("AccessDenied", "Unauthorized", "Forbidden"):
		return "AccessDenied"
	case has("Throttl", "TooManyRequests"):
		return "Throttling"
	case has("LimitExceeded", "QuotaExceeded"):
		return "ServiceLimitExceeded"
	case has("Conflict", "InUse", "InvalidState", "NotEmpty"):
		return "ResourceConflict"
	}
	return "InvalidRequest"
}
