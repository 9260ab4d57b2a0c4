// Package shape holds what the public AWS service models say, as generated
// tables: for every service the operations with their HTTP binding, the shapes
// of input, output and errors with their names on the wire, and the
// constraints. It answers for no AWS API itself; package wire reads requests
// and writes answers by it.
//
// What is left out of the models: documentation, examples, paginators,
// waiters, endpoint rules, host prefixes and event streams.
//
// A model names things as the wire does. The official Go SDK's struct field is
// always the model's member with its first letter upper-cased, see
// [Member.Field]; wire relies on that and a test there lists the exceptions.
package shape

//go:generate go run ./gen

import (
	"reflect"
	"strings"
	"sync"
)

// A Protocol is one of the AWS wire protocols.
type Protocol string

const (
	JSON     Protocol = "json"      // awsJson1.0 and awsJson1.1, see Model.JSONVersion
	RESTJSON Protocol = "rest-json" // restJson1
	RESTXML  Protocol = "rest-xml"  // restXml
	Query    Protocol = "query"     // awsQuery
)

// A Model is one service of one API version.
type Model struct {
	ID             string // of this repository's tables: "acm-pca", "s3", "apigatewayv2"
	ServiceID      string // the model's own, "ACM PCA"
	Protocol       Protocol
	JSONVersion    string // "1.1"; only for JSON and RESTJSON
	SigningName    string // of the SigV4 credential scope: "acm-pca", "apigateway"
	EndpointPrefix string
	TargetPrefix   string // of X-Amz-Target; only for JSON
	APIVersion     string // "2017-08-22"; the Version parameter of Query
	XMLNamespace   string // of answers; RESTXML and Query
	Operations     map[string]*Operation
	Errors         map[string]*Shape // modelled exceptions by shape name, which is also the Go type's name

	paths [][]*Operation // operations by path pattern, for Route
}

// An Operation is one call that a service offers.
type Operation struct {
	Model  *Model
	Name   string
	Method string
	Path   string  // pattern: /v2/apis/{apiId}, /{Bucket}/{Key+}; not the query part
	Query  []Param // literal query parameters that select the operation: ?versioning, ?list-type=2
	Status int     // of a success, unless the output has a status code member

	Input  *Shape // nil: takes nothing
	Output *Shape // nil: answers nothing

	InputRoot     string   // XML root element of the request, or empty
	OutputRoot    string   // XML root element of the answer
	ResultWrapper string   // Query: the element around the result
	Errors        []string // shape names of the exceptions it declares

	ChecksumAlgorithmMember string // S3: Go field that names the request's checksum algorithm
	ChecksumRequired        bool   // S3: the request must carry a checksum or Content-MD5
	ReadOnly                bool   // the model says so; only Lambda's does
	Idempotent              bool   // the model says so
}

// A Param is a literal query parameter of an operation's URI.
type Param struct {
	Name, Value string // Value empty: any or none
}

// StreamsInput reports whether the request body is the bytes of one member
// that the SDK carries as an io.Reader. Everything else is read whole.
func (o *Operation) StreamsInput() bool {
	return o.Input != nil && o.Input.Payload != nil && o.Input.Payload.IsStream()
}

// StreamsOutput reports the same of the answer.
func (o *Operation) StreamsOutput() bool {
	return o.Output != nil && o.Output.Payload != nil && o.Output.Payload.IsStream()
}

// EventStream reports whether input or output is an event stream. No such
// operation can be decoded or encoded.
func (o *Operation) EventStream() bool {
	for _, s := range []*Shape{o.Input, o.Output} {
		if s == nil {
			continue
		}
		for _, m := range s.Members {
			if m.Shape.EventStream {
				return true
			}
		}
	}
	return false
}

// A Type is the kind of a shape.
type Type uint8

const (
	Structure Type = iota
	List
	Map
	String
	Blob
	Boolean
	Integer
	Long
	Float
	Double
	Timestamp
)

// A Shape is one type of a model.
type Shape struct {
	Name    string
	Type    Type
	Members []*Member // Structure
	Member  *Member   // List: the element; Map: the value
	Key     *Member   // Map
	Payload *Member   // Structure: the member that is the whole HTTP body, or nil

	Union       bool // Structure: exactly one member is set; an interface in the SDK
	Flattened   bool // List: no element around the list in XML
	Sensitive   bool // never to be printed
	Streaming   bool // Blob: an io.Reader in the SDK
	EventStream bool

	HasMin, HasMax bool
	Min, Max       float64 // of a number: value; of String and Blob: length; of List and Map: size
	Pattern        string  // regular expression over a whole string, Java's dialect
	Enum           []string
	Format         string // Timestamp: "iso8601", "rfc822", "unixTimestamp" or empty: the protocol's

	Exception   bool
	ErrorCode   string // on the wire, where it is not Name
	ErrorStatus int    // HTTP status; 0: 400, or 500 for a Fault
	Fault       bool   // the server's
}

// HTTPStatus is the status of a modelled exception.
func (s *Shape) HTTPStatus() int {
	switch {
	case s.ErrorStatus != 0:
		return s.ErrorStatus
	case s.Fault:
		return 500
	}
	return 400
}

// Code is the code of a modelled exception on the wire.
func (s *Shape) Code() string {
	if s.ErrorCode != "" {
		return s.ErrorCode
	}
	return s.Name
}

// A Location is where in the HTTP message a member travels.
type Location uint8

const (
	Body Location = iota
	URI
	QueryString
	Header
	Headers // all headers that begin with Wire; the member is a map
	StatusCode
)

// A Member is a member of a structure, the element of a list, or the key or
// value of a map.
type Member struct {
	Name     string // as in the model
	Field    string // of the SDK's Go struct; empty outside structures
	Wire     string // JSON key, XML element, header, label or parameter
	Named    bool   // the model gives Wire expressly (an XML list's element is "member" otherwise)
	Location Location
	Shape    *Shape

	Required         bool
	Attribute        bool // XML
	Flattened        bool // XML, Query: of this member only
	Streaming        bool
	IdempotencyToken bool
	Format           string // timestamp format of this member only
	XMLNamespace     string
	XMLPrefix        string

	// Variant is the SDK's Go type for this member of a union, nil elsewhere and
	// where the SDK does not have it.
	Variant reflect.Type
}

// IsStream reports whether the SDK carries the member as a reader.
func (m *Member) IsStream() bool {
	return m.Shape.Type == Blob && (m.Streaming || m.Shape.Streaming)
}

// TimestampFormat is the member's format, or fallback when the model has none.
func (m *Member) TimestampFormat(fallback string) string {
	switch {
	case m.Format != "":
		return m.Format
	case m.Shape.Format != "":
		return m.Shape.Format
	}
	return fallback
}

// Service returns the model of a service by its id. A model is linked on first
// use, never changes afterwards, and may be shared.
func Service(id string) (*Model, bool) {
	e, ok := models[id]
	if !ok {
		return nil, false
	}
	return e(), true
}

// Services lists the ids of all models.
func Services() []string { return serviceIDs }

// models links each table once, when it is first asked for.
var models = func() map[string]func() *Model {
	m := make(map[string]func() *Model, len(tables))
	for id, t := range tables {
		m[id] = sync.OnceValue(func() *Model { return link(id, t()) })
	}
	return m
}()

// The generated tables refer to shapes by index, so that they are plain data
// the linker can lay out; link turns the indices into pointers.
type (
	rawModel struct {
		serviceID, protocol, jsonVersion, signingName string
		endpointPrefix, targetPrefix, apiVersion      string
		xmlNamespace                                  string
		shapes                                        []rawShape
		operations                                    []rawOperation
		variants                                      map[string]reflect.Type // "Union.Member"
	}
	rawOperation struct {
		name, method, uri                  string
		status                             int
		input, output                      int // index of shape; -1: none
		inputRoot, outputRoot, wrapper     string
		errors                             []string
		checksumMember                     string
		checksumRequired, readOnly, idempo bool
	}
	rawShape struct {
		name                                                              string
		t                                                                 Type
		members                                                           []rawMember
		member, key                                                       []rawMember // none or one
		payload                                                           string
		union, flattened, sensitive, streaming, eventStream, exception, f bool
		hasMin, hasMax                                                    bool
		min, max                                                          float64
		pattern, format, code                                             string
		status                                                            int
		enum                                                              []string
	}
	rawMember struct {
		name, wire                                      string
		shape                                           int
		loc                                             Location
		required, attribute, flattened, streaming, idem bool
		format, ns, prefix                              string
	}
)

func link(id string, r *rawModel) *Model {
	m := &Model{
		ID: id, ServiceID: r.serviceID, Protocol: Protocol(r.protocol), JSONVersion: r.jsonVersion, SigningName: r.signingName,
		EndpointPrefix: r.endpointPrefix, TargetPrefix: r.targetPrefix, APIVersion: r.apiVersion, XMLNamespace: r.xmlNamespace,
		Operations: make(map[string]*Operation, len(r.operations)), Errors: map[string]*Shape{},
	}
	shapes := make([]Shape, len(r.shapes))
	member := func(rm *rawMember, field bool) *Member {
		x := &Member{
			Name: rm.name, Wire: rm.wire, Named: rm.wire != "", Location: rm.loc, Shape: &shapes[rm.shape], Required: rm.required,
			Attribute: rm.attribute, Flattened: rm.flattened, Streaming: rm.streaming, IdempotencyToken: rm.idem,
			Format: rm.format, XMLNamespace: rm.ns, XMLPrefix: rm.prefix,
		}
		if x.Wire == "" {
			x.Wire = rm.name
		}
		if field {
			x.Field = strings.ToUpper(rm.name[:1]) + rm.name[1:]
		}
		return x
	}
	one := func(rm []rawMember) *Member {
		if len(rm) == 0 {
			return nil
		}
		return member(&rm[0], false)
	}
	for i := range r.shapes {
		rs, s := &r.shapes[i], &shapes[i]
		*s = Shape{
			Name: rs.name, Type: rs.t, Member: one(rs.member), Key: one(rs.key), Union: rs.union, Flattened: rs.flattened,
			Sensitive: rs.sensitive, Streaming: rs.streaming, EventStream: rs.eventStream, HasMin: rs.hasMin, HasMax: rs.hasMax,
			Min: rs.min, Max: rs.max, Pattern: rs.pattern, Enum: rs.enum, Format: rs.format,
			Exception: rs.exception, ErrorCode: rs.code, ErrorStatus: rs.status, Fault: rs.f,
		}
		for j := range rs.members {
			x := member(&rs.members[j], true)
			if rs.union {
				x.Variant = r.variants[rs.name+"."+x.Name]
			}
			if x.Name == rs.payload {
				s.Payload = x
			}
			s.Members = append(s.Members, x)
		}
		if s.Exception {
			m.Errors[s.Name] = s
		}
	}
	byPath := map[string]int{}
	for _, ro := range r.operations {
		o := &Operation{
			Model: m, Name: ro.name, Method: ro.method, Status: ro.status, InputRoot: ro.inputRoot, OutputRoot: ro.outputRoot,
			ResultWrapper: ro.wrapper, Errors: ro.errors, ChecksumAlgorithmMember: ro.checksumMember,
			ChecksumRequired: ro.checksumRequired, ReadOnly: ro.readOnly, Idempotent: ro.idempo,
		}
		if ro.input >= 0 {
			o.Input = &shapes[ro.input]
		}
		if ro.output >= 0 {
			o.Output = &shapes[ro.output]
		}
		path, query, _ := strings.Cut(ro.uri, "?")
		o.Path = path
		for p := range strings.SplitSeq(query, "&") {
			if p == "" {
				continue
			}
			name, value, _ := strings.Cut(p, "=")
			o.Query = append(o.Query, Param{name, value})
		}
		m.Operations[o.Name] = o
		i, ok := byPath[o.Path]
		if !ok {
			i = len(m.paths)
			byPath[o.Path] = i
			m.paths = append(m.paths, nil)
		}
		m.paths[i] = append(m.paths[i], o)
	}
	return m
}
