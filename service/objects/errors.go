package objects

import (
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// A refusal is an error for the client: the modelled exception (or a generic
// one) with what S3 sends beside it. errors.As finds the exception inside.
type refusal struct {
	smithy.APIError
	status  int
	headers map[string]string
	fields  [][2]string
}

func (r *refusal) Unwrap() error { return r.APIError }

// HTTPStatus is the status of the answer.
func (r *refusal) HTTPStatus() int { return r.status }

// ErrorHeaders are headers of the answer.
func (r *refusal) ErrorHeaders() map[string]string { return r.headers }

// ErrorFields are elements of the error document beside Code and Message.
func (r *refusal) ErrorFields() [][2]string { return r.fields }

func (r *refusal) header(name, value string) *refusal {
	if r.headers == nil {
		r.headers = map[string]string{}
	}
	r.headers[name] = value
	return r
}

func (r *refusal) field(name, value string) *refusal {
	r.fields = append(r.fields, [2]string{name, value})
	return r
}

// refuse makes an error that the model has no type for.
func refuse(status int, code, message string) *refusal {
	fault := smithy.FaultClient
	if status >= 500 {
		fault = smithy.FaultServer
	}
	return &refusal{APIError: &smithy.GenericAPIError{Code: code, Message: message, Fault: fault}, status: status}
}

func invalidArgument(message, name, value string) *refusal {
	return refuse(400, "InvalidArgument", message).field("ArgumentName", name).field("ArgumentValue", value)
}

func invalidRequest(message string) *refusal { return refuse(400, "InvalidRequest", message) }

func malformedXML() *refusal {
	return refuse(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

func accessDenied() *refusal { return refuse(403, "AccessDenied", "Access Denied") }

// notBuilt refuses what a header or element asks for and this service lacks.
func notBuilt(header, what string) *refusal {
	return refuse(501, "NotImplemented", "A header you provided implies functionality that is not implemented").
		field("Header", header).field("AdditionalMessage", what)
}

func noSuchBucket(name string) *refusal {
	return (&refusal{APIError: &types.NoSuchBucket{Message: aws.String("The specified bucket does not exist")}, status: 404}).field("BucketName", name)
}

func noSuchKey(key string) *refusal {
	return (&refusal{APIError: &types.NoSuchKey{Message: aws.String("The specified key does not exist.")}, status: 404}).field("Key", key)
}

func noSuchVersion(key, id string) *refusal {
	return refuse(404, "NoSuchVersion", "The specified version does not exist.").field("Key", key).field("VersionId", id)
}

func noSuchUpload(id string) *refusal {
	return (&refusal{APIError: &types.NoSuchUpload{Message: aws.String("The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")}, status: 404}).
		field("UploadId", id)
}

// markerWithoutID answers for a key whose current version is a delete marker.
func markerWithoutID(v *version) *refusal {
	return noSuchKey(v.Key).header("x-amz-delete-marker", "true").header("x-amz-version-id", v.ID)
}

// markerByID answers for a version that is a delete marker, which only DELETE may name.
func markerByID(v *version, method string) *refusal {
	return refuse(405, "MethodNotAllowed", "The specified method is not allowed against this resource.").
		field("Method", method).field("ResourceType", "DeleteMarker").
		header("x-amz-delete-marker", "true").header("x-amz-version-id", v.ID).header("Allow", "DELETE").
		header("Last-Modified", httpDate(v.Modified))
}

func preconditionFailed(condition string) *refusal {
	return refuse(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold").field("Condition", condition)
}

func invalidRange(asked string, size int64) *refusal {
	n := strconv.FormatInt(size, 10)
	return refuse(416, "InvalidRange", "The requested range is not satisfiable").
		field("RangeRequested", asked).field("ActualObjectSize", n).header("Content-Range", "bytes */"+n)
}

// headed turns the errors of a read into those of HEAD, which models a missing
// bucket, key or version as NotFound; the answer has no body anyway.
func headed(err error) error {
	r, ok := err.(*refusal)
	if !ok || r.status != 404 {
		return err
	}
	return &refusal{APIError: &types.NotFound{Message: aws.String("Not Found")}, status: 404, headers: r.headers, fields: r.fields}
}
