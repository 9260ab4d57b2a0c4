package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"countersign/call"
	"countersign/service/identity"
	"countersign/wire/shape"
	"countersign/wire/sigv4"

	"github.com/aws/smithy-go"
)

// A family is a group of AWS APIs that refuse a request in the same words.
type family int

const (
	familyJSON  family = iota // X-Amz-Target: codes end in Exception, refusals are 400
	familyREST                // rest-json: the same codes, refusals are 403
	familyQuery               // bare codes, refusals are 403
	familyXML                 // rest-xml but S3: as query
	familyS3
)

func familyOf(m *shape.Model) family {
	switch {
	case m.ID == "s3":
		return familyS3
	case m.Protocol == shape.JSON:
		return familyJSON
	case m.Protocol == shape.RESTJSON:
		return familyREST
	case m.Protocol == shape.RESTXML:
		return familyXML
	}
	return familyQuery
}

// An apiError is an error of no service in particular, with its own status.
type apiError struct {
	code, message string
	status        int
	fields        [][2]string // more elements of S3's error document
}

func (e apiError) Error() string            { return e.code + ": " + e.message }
func (e apiError) ErrorCode() string        { return e.code }
func (e apiError) ErrorMessage() string     { return e.message }
func (e apiError) HTTPStatus() int          { return e.status }
func (e apiError) ErrorFields() [][2]string { return e.fields }
func (e apiError) ErrorFault() smithy.ErrorFault {
	if e.status >= 500 {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

// refusal makes an error of the family: JSON protocols add "Exception" to the
// code, and awsJson answers 400 where the others say 403.
func (f family) refusal(code, message string) apiError {
	switch f {
	case familyJSON:
		return apiError{code + "Exception", message, http.StatusBadRequest, nil}
	case familyREST:
		return apiError{code + "Exception", message, http.StatusForbidden, nil}
	}
	return apiError{code, message, http.StatusForbidden, nil}
}

// refuse words a signature that does not count.
func (f family) refuse(err error, r *http.Request) error {
	var e *sigv4.Error
	if !errors.As(err, &e) {
		return err
	}
	if f == familyS3 {
		return refuseS3(e, r)
	}
	mismatch := "SignatureDoesNotMatch"
	if f == familyJSON || f == familyREST {
		mismatch = "InvalidSignature"
	}
	switch e.Reason {
	case sigv4.Missing:
		if f == familyQuery || f == familyXML {
			return f.refusal("MissingAuthenticationToken", "Request is missing Authentication Token")
		}
		return f.refusal("MissingAuthenticationToken", "Missing Authentication Token")
	case sigv4.Malformed, sigv4.Unsupported:
		return f.refusal("IncompleteSignature", e.Detail)
	case sigv4.Expired:
		return f.refusal(mismatch, "Signature expired: the presigned request ended at "+field(e, "Expires")+", and it is "+field(e, "ServerTime")+" now.")
	case sigv4.Early:
		return f.refusal(mismatch, "Signature not yet current: the presigned request begins at "+field(e, "X-Amz-Date")+", and it is "+field(e, "ServerTime")+" now.")
	case sigv4.Unsigned:
		return f.refusal(mismatch, e.Detail+": "+field(e, "HeadersNotSigned"))
	}
	return f.refusal(mismatch, e.Detail)
}

func field(e *sigv4.Error, name string) string {
	for _, f := range e.Fields {
		if f[0] == name {
			return f[1]
		}
	}
	return ""
}

func refuseS3(e *sigv4.Error, r *http.Request) error {
	malformed := apiError{"AuthorizationHeaderMalformed", "The authorization header is malformed; " + e.Detail, http.StatusBadRequest, e.Fields}
	if r.Header.Get("Authorization") == "" {
		malformed.code, malformed.message = "AuthorizationQueryParametersError", e.Detail
	}
	switch e.Reason {
	case sigv4.Malformed, sigv4.Scope:
		return malformed
	case sigv4.Unsupported:
		return apiError{"InvalidRequest", e.Detail, http.StatusBadRequest, nil}
	case sigv4.Skewed:
		return apiError{"RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", http.StatusForbidden, e.Fields}
	case sigv4.Expired, sigv4.Early, sigv4.Unsigned:
		return apiError{"AccessDenied", e.Detail, http.StatusForbidden, e.Fields}
	case sigv4.Mismatch:
		return apiError{"SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.", http.StatusForbidden, e.Fields}
	}
	// No bucket policy is evaluated, so nobody has given a stranger anything.
	return apiError{"AccessDenied", "Access Denied", http.StatusForbidden, nil}
}

// refuseKey words why there is no secret for an access key.
func (f family) refuseKey(err error, claim *sigv4.Claim) error {
	const invalid = "The security token included in the request is invalid."
	key := [][2]string{{"AWSAccessKeyId", claim.AccessKeyID}}
	switch {
	case errors.Is(err, identity.ErrExpired) && f == familyS3:
		return apiError{"ExpiredToken", "The provided token has expired.", http.StatusBadRequest, nil}
	case errors.Is(err, identity.ErrExpired):
		return f.refusal("ExpiredToken", "The security token included in the request is expired")
	case errors.Is(err, identity.ErrInvalidToken) && f == familyS3:
		return apiError{"InvalidToken", "The provided token is malformed or otherwise invalid.", http.StatusBadRequest, nil}
	case errors.Is(err, identity.ErrUnknownKey) && f == familyS3:
		return apiError{"InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", http.StatusForbidden, key}
	case errors.Is(err, identity.ErrInvalidToken), errors.Is(err, identity.ErrUnknownKey):
		if f == familyJSON || f == familyREST {
			return f.refusal("UnrecognizedClient", invalid)
		}
		return f.refusal("InvalidClientTokenId", invalid)
	}
	return fmt.Errorf("look up access key %s: %w", claim.AccessKeyID, err)
}

// accessDenied refuses a principal that may not make the call. The status is
// left to package wire, for acm answers 403 where acm-pca answers 400.
func (f family) accessDenied(c call.Call) error {
	if f == familyS3 {
		return apiError{"AccessDenied", "Access Denied", http.StatusForbidden, nil}
	}
	code := "AccessDenied"
	if f == familyJSON || f == familyREST {
		code = "AccessDeniedException"
	}
	return &smithy.GenericAPIError{Code: code, Fault: smithy.FaultClient,
		Message: fmt.Sprintf("User: %s is not authorized to perform: %s:%s because it belongs to another account than %s",
			c.Principal.ARN, c.Service, c.Operation, c.Account)}
}

// notBuilt names an operation that AWS has and this version has not.
func (f family) notBuilt(service, operation string) error {
	e := apiError{"NotImplementedException", service + " " + operation + " is not built in this version of Countersign", http.StatusNotImplemented, nil}
	if f == familyS3 || f == familyQuery || f == familyXML {
		e.code = "NotImplemented"
	}
	return e
}

// unknownOperation is one that AWS does not have either.
func (f family) unknownOperation(message string) error {
	switch f {
	case familyJSON:
		return apiError{"UnknownOperationException", message, http.StatusBadRequest, nil}
	case familyREST:
		return apiError{"UnknownOperationException", message, http.StatusNotFound, nil}
	case familyXML:
		return apiError{"UnknownOperation", message, http.StatusNotFound, nil}
	case familyQuery:
		return apiError{"InvalidAction", message, http.StatusBadRequest, nil}
	}
	return apiError{"MethodNotAllowed", message, http.StatusMethodNotAllowed, nil}
}

// unreadable words a body that could not be read whole.
func (f family) unreadable(err error) error {
	code := "RequestEntityTooLarge"
	switch {
	case f == familyS3 && errors.Is(err, errTooLarge):
		return apiError{"MaxMessageLengthExceeded", "Your request was too big.", http.StatusBadRequest, nil}
	case errors.Is(err, errTooLarge):
		if f == familyJSON || f == familyREST {
			code += "Exception"
		}
		return apiError{code, "The request body is larger than this service takes.", http.StatusRequestEntityTooLarge, nil}
	}
	if errors.Is(err, errBusy) {
		code = "ServiceUnavailable"
		if f == familyJSON || f == familyREST {
			code += "Exception"
		}
		return apiError{code, "Too many large requests are under way. Try again.", http.StatusServiceUnavailable, nil}
	}
	var known smithy.APIError
	if errors.As(err, &known) {
		return err
	}
	// The connection broke or timed out: nobody may be left to read this.
	return apiError{"RequestTimeout", "The request body could not be read to its end.", http.StatusBadRequest, nil}
}

// unknownService names what there is.
func (s *Server) unknownService(claim *sigv4.Claim) error {
	var ids []string
	for _, v := range s.services {
		ids = append(ids, v.model.ID)
	}
	there := "; there are " + strings.Join(ids, ", ")
	if claim == nil {
		return apiError{"UnknownService", "The request names no service of this version of Countersign" + there, http.StatusNotImplemented, nil}
	}
	name := claim.Service
	if name == "apigateway" {
		name = "apigateway (REST APIs, API Gateway v1)"
	}
	return apiError{"UnknownService", name + " is not built in this version of Countersign" + there, http.StatusNotImplemented, nil}
}
