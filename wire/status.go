package wire

import "countersign/wire/shape"

// statusOf is the HTTP status of a code that a service's model does not give
// one; 0 where the fault decides.
func statusOf(m *shape.Model, code string) int {
	if m == nil || m.Protocol == shape.JSON {
		return jsonStatus[code]
	}
	switch {
	case m.Protocol == shape.RESTJSON:
		return restJSONStatus[code]
	case m.ID == "s3":
		return s3Status[code]
	}
	return queryStatus[code]
}

// The JSON protocols answer 400 to every fault of the client, refusals
// included.
var jsonStatus = map[string]int{
	"InternalFailure":                500,
	"InternalServerError":            500,
	"NotImplementedException":        501,
	"RequestEntityTooLargeException": 413,
	"ServiceUnavailableException":    503,
	"ServiceUnavailable":             503,
	"RequestTimeoutException":        408,
	"UnsupportedMediaTypeException":  415,
	"MethodNotAllowedException":      405,
}

var restJSONStatus = map[string]int{
	"AccessDenied":                        403,
	"AccessDeniedException":               403,
	"ConflictException":                   409,
	"ExpiredTokenException":               403,
	"IncompleteSignatureException":        403,
	"InternalFailure":                     500,
	"InvalidClientTokenId":                403,
	"InvalidSignatureException":           403,
	"MethodNotAllowedException":           405,
	"MissingAuthenticationToken":          403,
	"MissingAuthenticationTokenException": 403,
	"NotFoundException":                   404,
	"NotImplementedException":             501,
	"RequestEntityTooLargeException":      413,
	"RequestTooLargeException":            413,
	"ResourceConflictException":           409,
	"ResourceNotFoundException":           404,
	"ServiceException":                    500,
	"ServiceUnavailableException":         503,
	"ThrottlingException":                 429,
	"TooManyRequestsException":            429,
	"UnknownOperationException":           404,
	"UnrecognizedClientException":         403,
	"UnsupportedMediaTypeException":       415,
}

// queryStatus is for awsQuery and Route 53.
var queryStatus = map[string]int{
	"AccessDenied":               403,
	"AccessDeniedException":      403,
	"ExpiredToken":               403,
	"InternalFailure":            500,
	"InvalidClientTokenId":       403,
	"MissingAuthenticationToken": 403,
	"NoSuchHostedZone":           404,
	"NotImplemented":             501,
	"OptInRequired":              403,
	"RequestEntityTooLarge":      413,
	"ServiceUnavailable":         503,
	"SignatureDoesNotMatch":      403,
	"UnknownOperationException":  404,
}

// s3Status is from the list of error codes in the S3 API reference. Codes that
// are 400 are not listed.
var s3Status = map[string]int{
	"AccessDenied":                                   403,
	"AccountProblem":                                 403,
	"AllAccessDisabled":                              403,
	"BucketAlreadyExists":                            409,
	"BucketAlreadyOwnedByYou":                        409,
	"BucketNotEmpty":                                 409,
	"ConditionalRequestConflict":                     409,
	"CrossLocationLoggingProhibited":                 403,
	"InternalError":                                  500,
	"InvalidAccessKeyId":                             403,
	"InvalidBucketState":                             409,
	"InvalidObjectState":                             403,
	"InvalidPayer":                                   403,
	"InvalidRange":                                   416,
	"InvalidSecurity":                                403,
	"MethodNotAllowed":                               405,
	"MissingContentLength":                           411,
	"NoSuchBucket":                                   404,
	"NoSuchBucketPolicy":                             404,
	"NoSuchCORSConfiguration":                        404,
	"NoSuchConfiguration":                            404,
	"NoSuchKey":                                      404,
	"NoSuchLifecycleConfiguration":                   404,
	"NoSuchObjectLockConfiguration":                  404,
	"NoSuchPublicAccessBlockConfiguration":           404,
	"NoSuchTagSet":                                   404,
	"NoSuchTagSetError":                              404,
	"NoSuchUpload":                                   404,
	"NoSuchVersion":                                  404,
	"NoSuchWebsiteConfiguration":                     404,
	"NotFound":                                       404,
	"NotImplemented":                                 501,
	"NotModified":                                    304,
	"NotSignedUp":                                    403,
	"ObjectLockConfigurationNotFoundError":           404,
	"OperationAborted":                               409,
	"OwnershipControlsNotFoundError":                 404,
	"PermanentRedirect":                              301,
	"PreconditionFailed":                             412,
	"Redirect":                                       307,
	"ReplicationConfigurationNotFoundError":          404,
	"RequestTimeTooSkewed":                           403,
	"RestoreAlreadyInProgress":                       409,
	"ServerSideEncryptionConfigurationNotFoundError": 404,
	"ServiceUnavailable":                             503,
	"SignatureDoesNotMatch":                          403,
	"SlowDown":                                       503,
	"TemporaryRedirect":                              307,
}
