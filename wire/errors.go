package wire

import (
	"errors"
	"net/http"
	"reflect"
	"strings"

	"countersign/wire/shape"

	"github.com/aws/smithy-go"
)

// Facts of a request that its error answer repeats.
type ErrorContext struct {
	RequestID string
	HostID    string // S3: x-amz-id-2
	Resource  string // S3: /bucket/key
	Head      bool   // the method was HEAD: no body
}

// An error that is an smithy.APIError may say more by these methods. Services
// implement them on types of their own, as they may not import this package.
type (
	statusError interface{ HTTPStatus() int }                 // instead of the status of the code
	headerError interface{ ErrorHeaders() map[string]string } // added to the answer
	fieldError  interface{ ErrorFields() [][2]string }        // S3: elements after Message, in order
)

// EncodeError writes an error as the protocol does. m may be nil where no
// service was found: then the form is awsJson's.
//
// A modelled exception of the service (a struct of the SDK's types package) is
// written with its members and the model's status; any other smithy.APIError
// by its code and fault, with the status AWS uses for the code. Whatever is
// neither is internal: the client learns nothing of it but a code and the
// status 500. Request id headers are the caller's to set.
func EncodeError(m *shape.Model, err error, ctx ErrorContext) *Response {
	f := describe(m, err)
	res := &Response{Status: f.status, Header: http.Header{}}
	var h headerError
	if errors.As(err, &h) {
		for k, v := range h.ErrorHeaders() {
			res.Header.Set(k, v)
		}
	}
	switch {
	case m == nil || m.Protocol == shape.JSON:
		version := "1.1"
		if m != nil {
			version = m.JSONVersion
		}
		res.Header.Set("Content-Type", "application/x-amz-json-"+version)
		res.Body = f.json(true, false)
	case m.Protocol == shape.RESTJSON:
		res.Header.Set("Content-Type", "application/json")
		res.Header.Set("X-Amzn-Errortype", f.code)
		f.headers(res.Header)
		res.Body = f.json(false, m.ID == "lambda")
	case m.ID == "s3":
		res.Header.Set("Content-Type", "application/xml")
		res.Body = f.s3(err, ctx)
	default:
		res.Header.Set("Content-Type", "text/xml")
		res.Body = f.xml(m, ctx)
	}
	if ctx.Head || f.status == http.StatusNotModified {
		res.Body = nil
		res.Header.Del("Content-Type")
	}
	return res
}

// failure is an error as its protocol sees it.
type failure struct {
	code, message string
	status        int
	server        bool
	plan          *plan         // of a modelled exception, else nil
	value         reflect.Value // of plan
}

func describe(m *shape.Model, err error) failure {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return internal(m)
	}
	f := failure{code: api.ErrorCode(), message: api.ErrorMessage(), server: api.ErrorFault() == smithy.FaultServer}
	var s *shape.Shape
	if m != nil {
		v := reflect.ValueOf(api)
		if v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.Struct {
			if s = m.Errors[v.Elem().Type().Name()]; s != nil {
				if p, err := planFor(s, v.Elem().Type()); err == nil {
					f.plan, f.value = p, v.Elem()
				}
				f.server = s.Fault || s.ErrorStatus >= 500
			}
		}
		if s == nil {
			s = byCode(m, f.code)
		}
	}
	var own statusError
	switch {
	case errors.As(err, &own):
		f.status = own.HTTPStatus()
	case s != nil && (s.ErrorStatus != 0 || s.Fault):
		f.status = s.HTTPStatus()
	default:
		f.status = statusOf(m, f.code)
	}
	if f.status == 0 {
		f.status = http.StatusBadRequest
		if f.server {
			f.status = http.StatusInternalServerError
		}
	}
	f.server = f.server || f.status >= 500
	return f
}

// byCode finds the modelled exception of a code, which may have another name
// than its shape: IAM's NoSuchEntity is NoSuchEntityException.
func byCode(m *shape.Model, code string) *shape.Shape {
	if s := m.Errors[code]; s != nil {
		return s
	}
	var found *shape.Shape
	for _, s := range m.Errors {
		if s.Code() == code && (found == nil || s.Name < found.Name) {
			found = s
		}
	}
	return found
}

// internal is all that a client learns of an error that is not an answer.
func internal(m *shape.Model) failure {
	f := failure{code: "InternalFailure", message: "An internal error occurred. Please try again.", status: 500, server: true}
	switch {
	case m == nil:
	case m.ID == "s3":
		f.code, f.message = "InternalError", "We encountered an internal error. Please try again."
	case m.ID == "lambda":
		f.code, f.message = "ServiceException", "An error occurred and the request cannot be processed."
	}
	return f
}

// json writes the body of the JSON protocols.
func (f failure) json(typed, lambda bool) []byte {
	w := jsonWriter{timestamps: "unixTimestamp"}
	if f.plan == nil {
		w.buf = append(w.buf, '{')
		first := true
		if typed {
			w.name("__type", &first)
			w.string(f.code)
		}
		if lambda {
			f.lambdaMembers(&w, &first)
		}
		w.name("message", &first)
		w.string(f.message)
		w.buf = append(w.buf, '}')
		return w.buf
	}
	err := w.structure(f.plan, f.value, func(w *jsonWriter, first bool) {
		if typed {
			w.name("__type", &first)
			w.string(f.code)
		}
		if lambda {
			f.lambdaMembers(w, &first)
		}
		// Some models give exceptions no member for the message, which AWS sends all the same.
		if typed && f.message != "" && !f.plan.hasMessage() {
			w.name("message", &first)
			w.string(f.message)
		}
	})
	if err != nil { // deeper than any exception of a model
		f.plan = nil
		return f.json(typed, lambda)
	}
	return w.buf
}

// hasMessage reports whether an exception has a member for its message.
func (p *plan) hasMessage() bool {
	for wire := range p.byWire {
		if strings.EqualFold(wire, "message") {
			return true
		}
	}
	return false
}

// lambdaMembers adds what Lambda sends of every error: Type, and the message
// under the spelling that the exception's model does not use.
func (f failure) lambdaMembers(w *jsonWriter, first *bool) {
	has := func(wire string) bool {
		if f.plan == nil {
			return false
		}
		i, ok := f.plan.byWire[wire]
		if !ok {
			return false
		}
		_, ok = f.plan.fields[i].plan.present(f.value.Field(f.plan.fields[i].index))
		return ok
	}
	if !has("Type") {
		w.name("Type", first)
		if f.server {
			w.string("Service")
		} else {
			w.string("User")
		}
	}
	for _, k := range []string{"Message", "message"} {
		if !has(k) && f.message != "" && (k != "message" || f.plan != nil) {
			w.name(k, first)
			w.string(f.message)
		}
	}
}

// headers adds the members of a modelled exception that travel as headers.
func (f failure) headers(h http.Header) {
	if f.plan == nil {
		return
	}
	for i := range f.plan.fields {
		x := &f.plan.fields[i]
		if x.Location != shape.Header || !x.plan.kind.scalar() {
			continue
		}
		if v, ok := x.plan.present(f.value.Field(x.index)); ok {
			h.Set(x.Wire, text(x.plan, v, x.TimestampFormat("rfc822")))
		}
	}
}

func (f failure) s3(err error, ctx ErrorContext) []byte {
	w := newXML()
	w.open("Error", "")
	w.leaf("Code", f.code)
	w.leaf("Message", f.message)
	if f.plan != nil {
		for i := range f.plan.fields {
			x := &f.plan.fields[i]
			if x.Field == "Message" || !x.plan.kind.scalar() {
				continue
			}
			if v, ok := x.plan.present(f.value.Field(x.index)); ok {
				w.leaf(x.Wire, text(x.plan, v, x.TimestampFormat(iso8601Millis)))
			}
		}
	}
	var more fieldError
	if errors.As(err, &more) {
		for _, kv := range more.ErrorFields() {
			w.leaf(kv[0], kv[1])
		}
	}
	if ctx.Resource != "" {
		w.leaf("Resource", ctx.Resource)
	}
	w.leaf("RequestId", ctx.RequestID)
	w.leaf("HostId", ctx.HostID)
	w.close("Error")
	return w.buf
}

// xml writes the form of awsQuery and of Route 53.
func (f failure) xml(m *shape.Model, ctx ErrorContext) []byte {
	w := newXML()
	// Of Route 53's InvalidChangeBatch the list of messages is left out: Message has them all. A root of its own, which the
	// SDKs read as well, leaves the AWS CLI without a code.
	w.open("ErrorResponse", m.XMLNamespace)
	w.open("Error", "")
	kind := "Sender"
	if f.server {
		kind = "Receiver"
	}
	w.leaf("Type", kind)
	w.leaf("Code", f.code)
	w.leaf("Message", f.message)
	if f.plan != nil {
		for i := range f.plan.fields {
			x := &f.plan.fields[i]
			if strings.EqualFold(x.Field, "message") || !x.plan.kind.scalar() {
				continue
			}
			if v, ok := x.plan.present(f.value.Field(x.index)); ok {
				w.leaf(x.Wire, text(x.plan, v, x.TimestampFormat("iso8601")))
			}
		}
	}
	w.close("Error")
	w.leaf("RequestId", ctx.RequestID)
	w.close("ErrorResponse")
	return w.buf
}

// malformed turns a syntaxError into the service's error; other errors pass.
func malformed(m *shape.Model, err error) error {
	var s *syntaxError
	if !errors.As(err, &s) {
		return err
	}
	e := &smithy.GenericAPIError{Code: "SerializationException", Message: s.msg, Fault: smithy.FaultClient}
	switch {
	case m.ID == "s3":
		switch s.in {
		case shape.Body:
			e.Code, e.Message = "MalformedXML", malformedXML
		case shape.URI:
			e.Code, e.Message = "InvalidURI", "Couldn't parse the specified URI."
		default:
			e.Code = "InvalidArgument"
		}
	case m.ID == "route53":
		e.Code = "InvalidInput"
		if s.in == shape.Body {
			e.Code = "MalformedInput"
		}
	case m.Protocol == shape.Query:
		e.Code = "MalformedInput"
		if s.in == shape.QueryString {
			e.Code = "MalformedQueryString"
		}
	case m.ID == "lambda" && s.in == shape.Body:
		e.Code, e.Message = "InvalidRequestContentException", "Could not parse request body into json: "+s.msg
	case (m.ID == "apigatewayv2" || m.ID == "apigateway") && s.in != shape.Body:
		e.Code = "BadRequestException"
	}
	return e
}
