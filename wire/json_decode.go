package wire

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"

	"countersign/wire/shape"
)

// What a document of any protocol may hold. Two bytes of JSON can become an
// element of hundreds, so that the size of the body alone bounds too little; the
// largest honest request, a CompleteMultipartUpload of 10,000 parts, has under
// a hundred thousand elements.
const (
	maxDepth    = 64
	maxElements = 250_000 // of lists, maps and structures together
)

// A syntaxError is a request that cannot be read: broken syntax, or a value of
// the wrong type. Its text is for the client.
type syntaxError struct {
	msg string
	in  shape.Location // Body, unless it was elsewhere
}

func (e *syntaxError) Error() string { return e.msg }

func broken(format string, args ...any) error {
	return &syntaxError{msg: fmt.Sprintf(format, args...)}
}

// decodeJSON reads a whole body into a structure. No body is an empty one.
func decodeJSON(p *plan, body []byte, v reflect.Value, c *check) error {
	r := jsonReader{data: body, check: c, timestamps: "unixTimestamp"}
	if r.space(); r.pos == len(r.data) {
		c.missing(p, nil)
		return nil
	}
	if r.data[r.pos] != '{' {
		return broken("the request body is not a JSON object")
	}
	if err := r.structure(p, v); err != nil {
		return err
	}
	if r.space(); r.pos != len(r.data) {
		return broken("unexpected data after the JSON object, at byte %d", r.pos)
	}
	return nil
}

// A jsonReader parses straight into Go values. It is strict as RFC 8259 is,
// and refuses what cannot be kept as it is: invalid UTF-8 and lone surrogates.
type jsonReader struct {
	data       []byte
	pos        int
	depth      int
	elements   int
	check      *check
	timestamps string // format where the model names none
}

func (r *jsonReader) wrongType(s *shape.Shape, want string) error {
	got := "a number"
	switch r.peek() {
	case '{':
		got = "an object"
	case '[':
		got = "a list"
	case '"':
		got = "a string"
	case 't', 'f':
		got = "a boolean"
	case 0:
		return r.unexpected()
	}
	return broken("%s found where %s is expected (%s)", got, want, s.Name)
}

// value reads one value. null leaves v as it is.
func (r *jsonReader) value(p *plan, v reflect.Value) error {
	c := r.peek()
	if c == 'n' {
		if !r.literal("null") {
			return r.unexpected()
		}
		return nil
	}
	switch p.kind {
	case kindStruct:
		if c != '{' {
			return r.wrongType(p.shape, "an object")
		}
		return r.structure(p, p.target(v))
	case kindUnion:
		if c != '{' {
			return r.wrongType(p.shape, "an object")
		}
		return r.union(p, v)
	case kindList:
		if c != '[' {
			return r.wrongType(p.shape, "a list")
		}
		return r.list(p, v)
	case kindMap:
		if c != '{' {
			return r.wrongType(p.shape, "an object")
		}
		return r.mapping(p, v)
	case kindStream:
		return broken("%s cannot be in a JSON body", p.shape.Name)
	}
	return r.scalar(p, v, c)
}

func (r *jsonReader) structure(p *plan, v reflect.Value) error {
	if err := r.enter(); err != nil {
		return err
	}
	var seen []bool
	if r.check.tracks(p) {
		seen = make([]bool, len(p.fields))
	}
	for first := true; ; {
		more, err := r.next(&first, '}')
		if err != nil {
			return err
		}
		if !more {
			r.check.missing(p, seen)
			return nil
		}
		k, err := r.key()
		if err != nil {
			return err
		}
		i, ok := p.byWire[string(k)]
		if !ok {
			if err := r.skip(); err != nil {
				return err
			}
			continue
		}
		f := &p.fields[i]
		if seen != nil && r.peek() != 'n' {
			seen[i] = true
		}
		fv := v.Field(f.index)
		if f.plan.ptr || f.plan.kind >= kindUnion {
			fv.SetZero() // the last of two equal keys wins, whole
		}
		r.check.push(f)
		if f.plan.kind == kindTime {
			err = r.timestamp(f.plan, fv, f.TimestampFormat(r.timestamps))
		} else {
			err = r.value(f.plan, fv)
		}
		if err != nil {
			return err
		}
		r.check.pop()
	}
}

func (r *jsonReader) union(p *plan, v reflect.Value) error {
	if err := r.enter(); err != nil {
		return err
	}
	set := false
	for first := true; ; {
		more, err := r.next(&first, '}')
		if err != nil {
			return err
		}
		if !more {
			break
		}
		k, err := r.key()
		if err != nil {
			return err
		}
		i, ok := p.byWire[string(k)]
		if !ok || r.peek() == 'n' {
			if err := r.skip(); err != nil {
				return err
			}
			continue
		}
		if set {
			return broken("%s must have exactly one member", p.shape.Name)
		}
		set = true
		f := &p.fields[i]
		x := reflect.New(f.variant)
		r.check.push(f)
		if err := r.value(f.plan, x.Elem().Field(0)); err != nil {
			return err
		}
		r.check.pop()
		v.Set(x)
	}
	if !set {
		return broken("%s must have exactly one known member", p.shape.Name)
	}
	return nil
}

func (r *jsonReader) list(p *plan, v reflect.Value) error {
	if err := r.enter(); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(p.typ, 0, 0)) // an empty list is not an absent one
	n := 0
	for first := true; ; n++ {
		more, err := r.next(&first, ']')
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if r.peek() == 'n' && !p.elem.ptr {
			return broken("null found in a list (%s)", p.shape.Name)
		}
		if n == v.Cap() {
			v.Grow(max(4, n))
		}
		v.SetLen(n + 1)
		v.Index(n).SetZero()
		r.check.pushIndex(n)
		if err := r.value(p.elem, v.Index(n)); err != nil {
			return err
		}
		r.check.pop()
	}
}

func (r *jsonReader) mapping(p *plan, v reflect.Value) error {
	if err := r.enter(); err != nil {
		return err
	}
	m := reflect.MakeMap(p.typ)
	for first := true; ; {
		more, err := r.next(&first, '}')
		if err != nil {
			return err
		}
		if !more {
			v.Set(m)
			return nil
		}
		k, err := r.key()
		if err != nil {
			return err
		}
		key := reflect.ValueOf(string(k)).Convert(p.typ.Key())
		if r.peek() == 'n' && !p.elem.ptr {
			return broken("null found in a map (%s)", p.shape.Name)
		}
		e := reflect.New(p.typ.Elem()).Elem()
		r.check.pushKey(key.String())
		if err := r.value(p.elem, e); err != nil {
			return err
		}
		r.check.pop()
		m.SetMapIndex(key, e)
	}
}

func (r *jsonReader) scalar(p *plan, v reflect.Value, c byte) error {
	switch p.kind {
	case kindString:
		if c != '"' {
			return r.wrongType(p.shape, "a string")
		}
		s, err := r.string()
		if err != nil {
			return err
		}
		setString(p, v, string(s))
	case kindBlob:
		if c != '"' {
			return r.wrongType(p.shape, "a base64 string")
		}
		s, err := r.string()
		if err != nil {
			return err
		}
		b := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
		n, err := base64.StdEncoding.Decode(b, s)
		if err != nil {
			return broken("a blob is not valid base64 (%s)", p.shape.Name)
		}
		v.SetBytes(b[:n])
	case kindBool:
		switch {
		case r.literal("true"):
			setBool(p, v, true)
		case r.literal("false"):
			setBool(p, v, false)
		default:
			return r.wrongType(p.shape, "a boolean")
		}
	case kindInt:
		if c != '-' && (c < '0' || c > '9') {
			return r.wrongType(p.shape, "a number")
		}
		s, err := r.number()
		if err != nil {
			return err
		}
		n, err := integer(string(s))
		if err != nil || p.typ.Bits() == 32 && n != int64(int32(n)) {
			return broken("%s is not a valid integer (%s)", clip(string(s)), p.shape.Name)
		}
		setInt(p, v, n)
	case kindFloat:
		var s []byte
		var err error
		if c == '"' {
			if s, err = r.string(); err != nil {
				return err
			}
			if t := string(s); t != "NaN" && t != "Infinity" && t != "-Infinity" {
				return broken("a string found where a number is expected (%s)", p.shape.Name)
			}
		} else if c != '-' && (c < '0' || c > '9') {
			return r.wrongType(p.shape, "a number")
		} else if s, err = r.number(); err != nil {
			return err
		}
		f, err := strconv.ParseFloat(string(s), p.typ.Bits())
		if err != nil {
			return broken("%s is out of range (%s)", clip(string(s)), p.shape.Name)
		}
		p.target(v).SetFloat(f)
	case kindTime:
		return r.timestamp(p, v, r.timestamps)
	}
	return nil
}

func (r *jsonReader) timestamp(p *plan, v reflect.Value, format string) error {
	if p.shape.Format != "" && format == r.timestamps {
		format = p.shape.Format
	}
	c := r.peek()
	if c == 'n' {
		return r.value(p, v)
	}
	var s []byte
	var err error
	if format == "unixTimestamp" {
		if c != '-' && (c < '0' || c > '9') {
			return r.wrongType(p.shape, "a number of seconds")
		}
		s, err = r.number()
	} else {
		if c != '"' {
			return r.wrongType(p.shape, "a timestamp string")
		}
		s, err = r.string()
	}
	if err != nil {
		return err
	}
	t, err := parseTime(format, string(s))
	if err != nil {
		return broken("%s is not a valid timestamp (%s)", clip(string(s)), p.shape.Name)
	}
	setTime(p, v, t)
	return nil
}
