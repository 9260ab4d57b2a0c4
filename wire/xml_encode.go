package wire

import (
	"fmt"
	"reflect"
	"unicode/utf8"

	"countersign/wire/shape"
)

// An xmlWriter appends a document to buf.
type xmlWriter struct{ buf []byte }

func newXML() *xmlWriter {
	return &xmlWriter{buf: append(make([]byte, 0, 512), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"...)}
}

// open starts an element, with a default namespace unless ns is empty.
func (w *xmlWriter) open(name, ns string) {
	w.buf = append(append(w.buf, '<'), name...)
	if ns != "" {
		w.attribute("xmlns", ns)
	}
	w.buf = append(w.buf, '>')
}

// attribute goes between the name of an element and its '>'.
func (w *xmlWriter) attribute(name, value string) {
	w.buf = append(append(append(w.buf, ' '), name...), `="`...)
	w.text(value)
	w.buf = append(w.buf, '"')
}

func (w *xmlWriter) close(name string) {
	w.buf = append(append(append(w.buf, "</"...), name...), '>')
}

func (w *xmlWriter) leaf(name, value string) {
	w.open(name, "")
	w.text(value)
	w.close(name)
}

// text escapes for content and attributes. What XML 1.0 cannot carry at all
// becomes U+FFFD.
func (w *xmlWriter) text(s string) {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '&':
				w.buf = append(w.buf, "&amp;"...)
			case c == '<':
				w.buf = append(w.buf, "&lt;"...)
			case c == '>':
				w.buf = append(w.buf, "&gt;"...)
			case c == '"':
				w.buf = append(w.buf, "&quot;"...)
			case c == '\r': // a bare one would be read as a line feed
				w.buf = append(w.buf, "&#13;"...)
			case c < ' ' && c != '\t' && c != '\n':
				w.buf = append(w.buf, "\uFFFD"...)
			default:
				w.buf = append(w.buf, c)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF {
			w.buf = append(w.buf, "\uFFFD"...)
		} else {
			w.buf = append(w.buf, s[i:i+n]...)
		}
		i += n
	}
}

// An xmlEncoder writes values by their plan.
type xmlEncoder struct {
	w          *xmlWriter
	depth      int
	timestamps string // format where the model names none
}

// members writes the body members of a structure, without an element around
// them.
func (e *xmlEncoder) members(p *plan, v reflect.Value) error {
	if e.depth++; e.depth > maxDepth {
		return fmt.Errorf("%s is nested deeper than %d", p.shape.Name, maxDepth)
	}
	for i := range p.fields {
		f := &p.fields[i]
		if f.Location != shape.Body || f.Attribute {
			continue
		}
		x, ok := f.plan.present(v.Field(f.index))
		if !ok {
			continue
		}
		if err := e.member(f.Member, f.plan, x); err != nil {
			return fmt.Errorf("%s.%s: %w", p.shape.Name, f.Name, err)
		}
	}
	e.depth--
	return nil
}

// member writes a present value as its element, or as its elements where it is
// a flattened list or map.
func (e *xmlEncoder) member(m *shape.Member, p *plan, v reflect.Value) error {
	switch p.kind {
	case kindList:
		name := flatName(m, p)
		if !flattened(m, p) {
			e.w.open(m.Wire, m.XMLNamespace)
			defer e.w.close(m.Wire)
			name = elementName(p)
		}
		for i := range v.Len() {
			x, ok := p.elem.present(v.Index(i))
			if !ok && p.elem.kind != kindString {
				continue
			}
			if err := e.element(name, p.elemOf, p.elem, x); err != nil {
				return err
			}
		}
		return nil
	case kindMap:
		entry := m.Wire
		if !flattened(m, p) {
			e.w.open(m.Wire, m.XMLNamespace)
			defer e.w.close(m.Wire)
			entry = "entry"
		}
		for _, k := range sortedKeys(v) {
			e.w.open(entry, "")
			e.w.leaf(p.keyOf.Wire, k.String())
			if x, ok := p.elem.present(v.MapIndex(k)); ok || p.elem.kind == kindString {
				if err := e.element(p.elemOf.Wire, p.elemOf, p.elem, x); err != nil {
					return err
				}
			}
			e.w.close(entry)
		}
		return nil
	}
	return e.element(m.Wire, m, p, v)
}

// element writes one value as one element.
func (e *xmlEncoder) element(name string, m *shape.Member, p *plan, v reflect.Value) error {
	switch p.kind {
	case kindStruct:
		e.w.buf = append(append(e.w.buf, '<'), name...)
		e.namespace(m)
		for i := range p.fields {
			f := &p.fields[i]
			if !f.Attribute {
				continue
			}
			if x, ok := f.plan.present(v.Field(f.index)); ok {
				e.w.attribute(f.Wire, text(f.plan, x, e.timestamps))
			}
		}
		e.w.buf = append(e.w.buf, '>')
		if err := e.members(p, v); err != nil {
			return err
		}
	case kindUnion:
		f, x, _ := p.variantOf(v)
		x, ok := f.plan.present(x)
		if !ok {
			return fmt.Errorf("%s: the variant %s is empty", p.shape.Name, f.Name)
		}
		if e.depth++; e.depth > maxDepth {
			return fmt.Errorf("%s is nested deeper than %d", p.shape.Name, maxDepth)
		}
		e.w.open(name, "")
		if err := e.member(f.Member, f.plan, x); err != nil {
			return err
		}
		e.depth--
	case kindList, kindMap:
		return fmt.Errorf("%s: lists of lists are not supported in XML", p.shape.Name)
	case kindStream:
		return fmt.Errorf("%s cannot be written in XML", p.shape.Name)
	default:
		e.w.open(name, "")
		e.w.text(text(p, v, m.TimestampFormat(e.timestamps)))
	}
	e.w.close(name)
	return nil
}

func (e *xmlEncoder) namespace(m *shape.Member) {
	switch {
	case m.XMLNamespace == "":
	case m.XMLPrefix == "":
		e.w.attribute("xmlns", m.XMLNamespace)
	default:
		e.w.attribute("xmlns:"+m.XMLPrefix, m.XMLNamespace)
	}
}

func flattened(m *shape.Member, p *plan) bool { return m.Flattened || p.shape.Flattened }

// elementName names the elements of a list that is not flattened.
func elementName(p *plan) string {
	if p.elemOf.Named {
		return p.elemOf.Wire
	}
	return "member"
}

// flatName names the elements of a flattened list: by the list's member, or
// where the model names the element itself, by that (as botocore does).
func flatName(m *shape.Member, p *plan) string {
	if !m.Named && p.elemOf.Named {
		return p.elemOf.Wire
	}
	return m.Wire
}
