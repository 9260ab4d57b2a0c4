package sigv4

import "github.com/aws/smithy-go"

// A Reason says why a signature does not count. Each AWS API has its own error
// code for every reason; package api knows them.
type Reason string

const (
	Missing     Reason = "missing"     // there is no signature at all
	Malformed   Reason = "malformed"   // it cannot be read, or lacks a part
	Unsupported Reason = "unsupported" // another signature algorithm
	Scope       Reason = "scope"       // the credential scope does not fit the request
	Skewed      Reason = "skewed"      // the request's time is too far from ours
	Expired     Reason = "expired"     // a presigned request after its end
	Early       Reason = "early"       // a presigned request before its time
	Unsigned    Reason = "unsigned"    // a header that must be signed is not
	Mismatch    Reason = "mismatch"    // the signature is another one
)

// An Error is a signature that does not count.
type Error struct {
	Reason Reason
	Detail string      // for the caller: a whole sentence, or the part of one after "malformed;"
	Fields [][2]string // facts that help to mend it, named as S3's error document names them
}

func (e *Error) Error() string { return "signature " + string(e.Reason) + ": " + e.Detail }

func refuse(reason Reason, detail string, fields ...[2]string) *Error {
	return &Error{Reason: reason, Detail: detail, Fields: fields}
}

// A BodyError is a body that is not what its head promised. It is a
// smithy.APIError with S3's codes, so that a service may return it as it is,
// or wrapped.
type BodyError struct {
	Code    string
	Message string
	Status  int
}

func (e *BodyError) Error() string        { return e.Code + ": " + e.Message }
func (e *BodyError) ErrorCode() string    { return e.Code }
func (e *BodyError) ErrorMessage() string { return e.Message }
func (e *BodyError) HTTPStatus() int      { return e.Status }

// ErrorFault is the client's in every case.
func (e *BodyError) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }

var (
	errHash       = &BodyError{"XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.", 400}
	errIncomplete = &BodyError{"IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header", 400}
	errDecoded    = &BodyError{"IncompleteBody", "The request body is not as long as its x-amz-decoded-content-length header says.", 400}
	errChunkSig   = &BodyError{"SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.", 403}
	errTrailer    = &BodyError{"MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.", 400}
	errNoLength   = &BodyError{"MissingContentLength", "You must provide the Content-Length HTTP header.", 411}
)

func chunkError(message string) *BodyError {
	return &BodyError{"InvalidRequest", "The aws-chunked request body is malformed: " + message + ".", 400}
}
