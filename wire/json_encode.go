package wire

import (
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"countersign/wire/shape"
)

// A jsonWriter appends values to buf.
type jsonWriter struct {
	buf        []byte
	depth      int
	timestamps string // format where the model names none
}

// structure writes the body members of a structure; extra, if any, appends
// further members.
func (w *jsonWriter) structure(p *plan, v reflect.Value, extra func(w *jsonWriter, first bool)) error {
	if w.depth++; w.depth > maxDepth {
		return fmt.Errorf("%s is nested deeper than %d", p.shape.Name, maxDepth)
	}
	w.buf = append(w.buf, '{')
	first := true
	for i := range p.fields {
		f := &p.fields[i]
		if f.Location != shape.Body {
			continue
		}
		x, ok := f.plan.present(v.Field(f.index))
		if !ok {
			continue
		}
		w.name(f.Wire, &first)
		if err := w.member(f.Member, f.plan, x); err != nil {
			return fmt.Errorf("%s.%s: %w", p.shape.Name, f.Name, err)
		}
	}
	if extra != nil {
		extra(w, first)
	}
	w.buf = append(w.buf, '}')
	w.depth--
	return nil
}

func (w *jsonWriter) name(s string, first *bool) {
	if !*first {
		w.buf = append(w.buf, ',')
	}
	*first = false
	w.string(s)
	w.buf = append(w.buf, ':')
}

// member writes a value that is present and has no pointer.
func (w *jsonWriter) member(m *shape.Member, p *plan, v reflect.Value) error {
	switch p.kind {
	case kindString:
		w.string(v.String())
	case kindBool:
		w.buf = strconv.AppendBool(w.buf, v.Bool())
	case kindInt:
		w.buf = strconv.AppendInt(w.buf, v.Int(), 10)
	case kindFloat:
		s := formatFloat(v.Float(), p.typ.Bits())
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			w.string(s)
		} else {
			w.buf = append(w.buf, s...)
		}
	case kindBlob:
		w.buf = append(w.buf, '"')
		w.buf = base64.StdEncoding.AppendEncode(w.buf, v.Bytes())
		w.buf = append(w.buf, '"')
	case kindTime:
		format := m.TimestampFormat(w.timestamps)
		s := formatTime(format, v.Interface().(time.Time))
		if format == "unixTimestamp" {
			w.buf = append(w.buf, s...)
		} else {
			w.string(s)
		}
	case kindStruct:
		return w.structure(p, v, nil)
	case kindUnion:
		f, x, _ := p.variantOf(v)
		x, ok := f.plan.present(x)
		if !ok {
			return fmt.Errorf("%s: the variant %s is empty", p.shape.Name, f.Name)
		}
		if w.depth++; w.depth > maxDepth {
			return fmt.Errorf("%s is nested deeper than %d", p.shape.Name, maxDepth)
		}
		w.buf = append(w.buf, '{')
		first := true
		w.name(f.Wire, &first)
		if err := w.member(f.Member, f.plan, x); err != nil {
			return err
		}
		w.buf = append(w.buf, '}')
		w.depth--
	case kindList:
		if w.depth++; w.depth > maxDepth {
			return fmt.Errorf("%s is nested deeper than %d", p.shape.Name, maxDepth)
		}
		w.buf = append(w.buf, '[')
		for i := range v.Len() {
			if i > 0 {
				w.buf = append(w.buf, ',')
			}
			if err := w.element(p, v.Index(i)); err != nil {
				return err
			}
		}
		w.buf = append(w.buf, ']')
		w.depth--
	case kindMap:
		if w.depth++; w.depth > maxDepth {
			return fmt.Errorf("%s is nested deeper than %d", p.shape.Name, maxDepth)
		}
		w.buf = append(w.buf, '{')
		first := true
		for _, k := range sortedKeys(v) {
			w.name(k.String(), &first)
			if err := w.element(p, v.MapIndex(k)); err != nil {
				return err
			}
		}
		w.buf = append(w.buf, '}')
		w.depth--
	default:
		return fmt.Errorf("%s cannot be written in JSON", p.shape.Name)
	}
	return nil
}

// element writes an element of a list or a value of a map, null where it is a
// nil pointer.
func (w *jsonWriter) element(p *plan, v reflect.Value) error {
	if p.elem.ptr {
		if v.IsNil() {
			w.buf = append(w.buf, "null"...)
			return nil
		}
		v = v.Elem()
	}
	switch p.elem.kind {
	case kindUnion, kindList, kindMap, kindBlob:
		if _, ok := p.elem.present(v); !ok {
			w.buf = append(w.buf, "null"...)
			return nil
		}
	}
	return w.member(p.elemOf, p.elem, v)
}

// sortedKeys makes answers the same every time.
func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch {
		case a.String() < b.String():
			return -1
		case a.String() > b.String():
			return 1
		}
		return 0
	})
	return keys
}

const hexDigits = "0123456789abcdef"

// string writes a JSON string. Bytes that are not UTF-8 become U+FFFD.
func (w *jsonWriter) string(s string) {
	b := append(w.buf, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(b, s[start:i]...)
			b = append(b, "\uFFFD"...)
			start = i + 1
		}
		i += n
	}
	b = append(b, s[start:]...)
	w.buf = append(b, '"')
}

func decodeBase64(s string) ([]byte, error) { return base64.StdEncoding.DecodeString(s) }
func encodeBase64(b []byte) string          { return base64.StdEncoding.EncodeToString(b) }
