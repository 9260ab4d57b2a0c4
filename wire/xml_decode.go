package wire

import (
	"bytes"
	"encoding/xml"
	"io"
	"reflect"
	"strings"

	"countersign/wire/shape"
)

// A node is one element of a document, or one name of a form. Names are
// without namespace: AWS's services do not insist on theirs.
type node struct {
	name     string
	attrs    []xml.Attr
	children []*node
	text     string
}

// all returns the children of a name, in order.
func (n *node) all(name string) []*node {
	var out []*node
	for _, c := range n.children {
		if c.name == name {
			out = append(out, c)
		}
	}
	return out
}

// parseXML reads a whole document, to at most maxDepth. It takes no DOCTYPE,
// and so no entities of the client's own.
func parseXML(body []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var root *node
	var stack []*node
	var text [][]byte
	elements := 0
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, broken("the XML is not well-formed")
		}
		switch t := t.(type) {
		case xml.StartElement:
			n := &node{name: t.Name.Local, attrs: t.Attr}
			switch elements++; {
			case elements > maxElements:
				return nil, broken("the request has more than %d elements", maxElements)
			case len(stack) == maxDepth:
				return nil, broken("the request is nested deeper than %d", maxDepth)
			case len(stack) > 0:
				top := stack[len(stack)-1]
				top.children = append(top.children, n)
			case root != nil:
				return nil, broken("the XML has more than one root element")
			default:
				root = n
			}
			stack = append(stack, n)
			text = append(text, nil)
		case xml.EndElement:
			top := len(stack) - 1
			stack[top].text = string(text[top])
			stack, text = stack[:top], text[:top]
		case xml.CharData:
			if len(stack) > 0 {
				text[len(text)-1] = append(text[len(text)-1], t...)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, broken("the XML has text outside its root element")
			}
		case xml.Directive:
			return nil, broken("the XML has a document type, which is not allowed")
		}
	}
	if root == nil {
		return nil, broken("the XML has no root element")
	}
	return root, nil
}

// An xmlDecoder reads values from nodes.
type xmlDecoder struct {
	check      *check
	timestamps string // format where the model names none
}

func (d *xmlDecoder) structure(p *plan, n *node, v reflect.Value) error {
	var seen []bool
	if d.check.tracks(p) {
		seen = make([]bool, len(p.fields))
	}
	// By name, once: a flattened list of many elements stays linear.
	byName := make(map[int][]*node, len(n.children))
	for _, c := range n.children {
		if i, ok := d.fieldFor(p, c.name); ok {
			byName[i] = append(byName[i], c)
		}
	}
	for i := range p.fields {
		f := &p.fields[i]
		if f.Location != shape.Body {
			continue
		}
		fv := v.Field(f.index)
		if f.Attribute {
			_, local, _ := strings.Cut(":"+f.Wire, ":")
			if _, after, ok := strings.Cut(local, ":"); ok {
				local = after
			}
			for _, a := range n.attrs {
				if a.Name.Local == local && a.Name.Space != "xmlns" {
					if err := setText(f.plan, fv, a.Value, d.timestamps); err != nil {
						return err
					}
				}
			}
			continue
		}
		nodes := byName[i]
		if len(nodes) == 0 {
			continue
		}
		if seen != nil {
			seen[i] = true
		}
		d.check.push(f)
		if err := d.value(f.Member, f.plan, nodes, fv); err != nil {
			return err
		}
		d.check.pop()
	}
	d.check.missing(p, seen)
	return nil
}

// fieldFor finds the member of an element; a flattened list may go by the name
// of its elements.
func (d *xmlDecoder) fieldFor(p *plan, name string) (int, bool) {
	if i, ok := p.byWire[name]; ok {
		return i, true
	}
	i, ok := p.byFlat[name]
	return i, ok
}

// value reads a member from its elements: one, except for what is flattened;
// of several where one is expected, the last counts.
func (d *xmlDecoder) value(m *shape.Member, p *plan, nodes []*node, v reflect.Value) error {
	n := nodes[len(nodes)-1]
	switch p.kind {
	case kindStruct:
		return d.structure(p, n, p.target(v))
	case kindUnion:
		return d.union(p, n, v)
	case kindList:
		if !flattened(m, p) {
			nodes = n.all(elementName(p))
		}
		return d.list(p, nodes, v)
	case kindMap:
		if !flattened(m, p) {
			nodes = n.all("entry")
		}
		return d.mapping(p, nodes, v)
	case kindStream:
		return broken("%s cannot be in an XML body", p.shape.Name)
	}
	if len(n.children) > 0 {
		return broken("elements found where text is expected (%s)", p.shape.Name)
	}
	return setText(p, v, n.text, m.TimestampFormat(d.timestamps))
}

func (d *xmlDecoder) list(p *plan, nodes []*node, v reflect.Value) error {
	s := reflect.MakeSlice(p.typ, len(nodes), len(nodes))
	for i, n := range nodes {
		d.check.pushIndex(i)
		if err := d.value(p.elemOf, p.elem, []*node{n}, s.Index(i)); err != nil {
			return err
		}
		d.check.pop()
	}
	v.Set(s)
	return nil
}

func (d *xmlDecoder) mapping(p *plan, nodes []*node, v reflect.Value) error {
	m := reflect.MakeMapWithSize(p.typ, len(nodes))
	for _, n := range nodes {
		keys, values := n.all(p.keyOf.Wire), n.all(p.elemOf.Wire)
		if len(keys) != 1 || len(values) != 1 {
			return broken("an entry of a map must have one key and one value (%s)", p.shape.Name)
		}
		e := reflect.New(p.typ.Elem()).Elem()
		d.check.pushKey(keys[0].text)
		if err := d.value(p.elemOf, p.elem, values, e); err != nil {
			return err
		}
		d.check.pop()
		m.SetMapIndex(reflect.ValueOf(keys[0].text).Convert(p.typ.Key()), e)
	}
	v.Set(m)
	return nil
}

func (d *xmlDecoder) union(p *plan, n *node, v reflect.Value) error {
	var nodes []*node
	at := -1
	for _, c := range n.children {
		i, ok := d.fieldFor(p, c.name)
		switch {
		case !ok:
			continue
		case at >= 0 && at != i:
			return broken("%s must have exactly one member", p.shape.Name)
		}
		at = i
		nodes = append(nodes, c)
	}
	if at < 0 {
		return broken("%s must have exactly one known member", p.shape.Name)
	}
	f := &p.fields[at]
	x := reflect.New(f.variant)
	d.check.push(f)
	if err := d.value(f.Member, f.plan, nodes, x.Elem().Field(0)); err != nil {
		return err
	}
	d.check.pop()
	v.Set(x)
	return nil
}
