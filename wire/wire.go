// Package wire reads requests of the AWS protocols into the official SDK's
// Input structs and writes the SDK's Output structs and errors as answers:
// awsJson1.0 and 1.1, restJson1, restXml (S3 and Route 53 with their own
// habits) and awsQuery. It goes by the tables of package shape and by
// reflection, compiled into a plan on the first use of a type. It answers for
// no AWS API itself.
//
// It does not: authenticate (package sigv4), choose the service (package api),
// bound the size of what it is given, undo aws-chunked framing, compute or
// check checksums, or speak event streams (SelectObjectContent,
// InvokeWithResponseStream).
//
// What the SDK's Output structs cannot carry a service cannot answer with: other
// headers than the model's, for one. Errors are freer, see [EncodeError].
package wire

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"

	"countersign/wire/shape"
)

// A Request is what a protocol may read of an HTTP request.
type Request struct {
	// Path is the escaped path as received, without the query. For S3 it is in
	// path style, /bucket/key, however the bucket was addressed.
	Path   string
	Query  url.Values
	Header http.Header

	// Body is the whole body, except where the operation streams
	// (shape.Operation.StreamsInput): then it is Stream, handed on unread.
	Body   []byte
	Stream io.Reader
}

// A Response is an answer ready to be sent. Header has keys in canonical form but
// for user metadata (x-amz-meta-…), whose case must reach the client: copy the
// map as it is, not with Set.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Stream io.ReadCloser // when not nil, instead of Body; the receiver closes it
}

// Decode reads a request into a zero Input struct of the SDK, given as a
// pointer, and checks it against the model's constraints. Members that the
// model or the struct does not have are ignored. The error is ready for
// [EncodeError]: the service's own code for a malformed request or for one that
// fails validation. Strings and blobs of the result do not alias the body.
func Decode(op *shape.Operation, req *Request, into any) error {
	return decodeAnd(op, req, into, (*check).validate)
}

// decodeAnd decodes and then has the result checked.
func decodeAnd(op *shape.Operation, req *Request, into any, validate func(*check, *plan, reflect.Value) error) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decode %s: want a pointer to a struct, got %T", op.Name, into)
	}
	if op.Input == nil {
		return nil
	}
	if op.EventStream() {
		return fmt.Errorf("decode %s: event streams are not supported", op.Name)
	}
	p, err := planFor(op.Input, v.Type().Elem())
	if err != nil {
		return fmt.Errorf("decode %s: %w", op.Name, err)
	}
	c := &check{model: op.Model}
	v = v.Elem()
	switch op.Model.Protocol {
	case shape.JSON:
		err = decodeJSON(p, req.Body, v, c)
	case shape.RESTJSON, shape.RESTXML:
		err = decodeREST(op, p, req, v, c)
	case shape.Query:
		err = decodeQuery(p, req, v, c)
	default:
		return fmt.Errorf("decode %s: unknown protocol %q", op.Name, op.Model.Protocol)
	}
	if err != nil {
		return malformed(op.Model, err)
	}
	return validate(c, p, v)
}

// Validate checks an Input struct of the SDK, given as a pointer, against the
// model's constraints, for a call that did not come over the wire. The error is what
// Decode would have answered.
func Validate(op *shape.Operation, in any) error {
	if op.Input == nil {
		return nil
	}
	v := reflect.ValueOf(in).Elem()
	p, err := planFor(op.Input, v.Type())
	if err != nil {
		return fmt.Errorf("validate %s: %w", op.Name, err)
	}
	return (&check{model: op.Model}).validate(p, v)
}

// Encode writes an Output struct of the SDK, given as a pointer; nil where the
// operation answers nothing. Nil pointers, lists and maps and empty enums are
// left out; an empty list is written. requestID appears in answers of the query
// protocol; request id headers are the caller's to set.
func Encode(op *shape.Operation, out any, requestID string) (*Response, error) {
	res := &Response{Status: op.Status, Header: http.Header{}}
	if op.EventStream() {
		return nil, fmt.Errorf("encode %s: event streams are not supported", op.Name)
	}
	var v reflect.Value
	var p *plan
	if op.Output != nil && out != nil {
		v = reflect.ValueOf(out)
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return nil, fmt.Errorf("encode %s: want a pointer to a struct, got %T", op.Name, out)
		}
		v = v.Elem()
		var err error
		if p, err = planFor(op.Output, v.Type()); err != nil {
			return nil, fmt.Errorf("encode %s: %w", op.Name, err)
		}
	}
	var err error
	switch op.Model.Protocol {
	case shape.JSON:
		res.Header.Set("Content-Type", "application/x-amz-json-"+op.Model.JSONVersion)
		if p == nil {
			res.Body = []byte("{}")
			break
		}
		e := jsonWriter{timestamps: "unixTimestamp"}
		err = e.structure(p, v, nil)
		res.Body = e.buf
	case shape.RESTJSON, shape.RESTXML:
		err = encodeREST(op, p, v, res)
	case shape.Query:
		err = encodeQuery(op, p, v, requestID, res)
	default:
		err = fmt.Errorf("unknown protocol %q", op.Model.Protocol)
	}
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", op.Name, err)
	}
	return res, nil
}
