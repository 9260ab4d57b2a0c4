package wire

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"countersign/wire/shape"
)

// decodeQuery reads a form, from the body and where there is none from the
// query string. The names of parameters are paths into the Input, such as
// Tags.member.1.Key, and are made a tree first.
func decodeQuery(p *plan, req *Request, v reflect.Value, c *check) error {
	form := req.Query
	if len(req.Body) > 0 {
		var err error
		if form, err = url.ParseQuery(string(req.Body)); err != nil {
			return &syntaxError{"the form is not well-formed", shape.QueryString}
		}
	}
	root := &formNode{}
	for name, values := range form {
		if name == "Action" || name == "Version" || len(values) == 0 {
			continue
		}
		if err := root.put(name, values[len(values)-1]); err != nil {
			return err
		}
	}
	d := formDecoder{check: c}
	return d.structure(p, root, v)
}

// A formNode is one part of a parameter's name.
type formNode struct {
	children map[string]*formNode
	value    string
	set      bool
}

func (n *formNode) put(name, value string) error {
	if strings.Count(name, ".") >= 2*maxDepth { // lists take two parts a level
		return broken("the request is nested deeper than %d", maxDepth)
	}
	for part := range strings.SplitSeq(name, ".") {
		if n.children == nil {
			n.children = map[string]*formNode{}
		}
		next := n.children[part]
		if next == nil {
			next = &formNode{}
			n.children[part] = next
		}
		n = next
	}
	n.value, n.set = value, true
	return nil
}

// numbered returns the children 1, 2, 3 …, in order; gaps are closed.
func (n *formNode) numbered() []*formNode {
	var at []int
	for k := range n.children {
		if i, err := strconv.Atoi(k); err == nil && i > 0 && k[0] != '0' && k[0] != '+' {
			at = append(at, i)
		}
	}
	slices.Sort(at)
	out := make([]*formNode, len(at))
	for i, k := range at {
		out[i] = n.children[strconv.Itoa(k)]
	}
	return out
}

type formDecoder struct{ check *check }

func (d *formDecoder) structure(p *plan, n *formNode, v reflect.Value) error {
	var seen []bool
	if d.check.tracks(p) {
		seen = make([]bool, len(p.fields))
	}
	for i := range p.fields {
		f := &p.fields[i]
		child := n.children[f.Wire]
		if child == nil && f.plan.kind == kindList && flattened(f.Member, f.plan) {
			child = n.children[flatName(f.Member, f.plan)]
		}
		if child == nil {
			continue
		}
		if seen != nil {
			seen[i] = true
		}
		d.check.push(f)
		if err := d.value(f.Member, f.plan, child, v.Field(f.index)); err != nil {
			return err
		}
		d.check.pop()
	}
	d.check.missing(p, seen)
	return nil
}

func (d *formDecoder) value(m *shape.Member, p *plan, n *formNode, v reflect.Value) error {
	switch p.kind {
	case kindStruct:
		return d.structure(p, n, p.target(v))
	case kindUnion:
		for i := range p.fields {
			f := &p.fields[i]
			child := n.children[f.Wire]
			if child == nil {
				continue
			}
			if !v.IsNil() {
				return broken("%s must have exactly one member", p.shape.Name)
			}
			x := reflect.New(f.variant)
			d.check.push(f)
			if err := d.value(f.Member, f.plan, child, x.Elem().Field(0)); err != nil {
				return err
			}
			d.check.pop()
			v.Set(x)
		}
		if v.IsNil() {
			return broken("%s must have exactly one known member", p.shape.Name)
		}
		return nil
	case kindList:
		if !flattened(m, p) {
			// "Tags=" says that the list is empty.
			if n = n.children[elementName(p)]; n == nil {
				n = &formNode{}
			}
		}
		items := n.numbered()
		s := reflect.MakeSlice(p.typ, len(items), len(items))
		for i, item := range items {
			d.check.pushIndex(i)
			if err := d.value(p.elemOf, p.elem, item, s.Index(i)); err != nil {
				return err
			}
			d.check.pop()
		}
		v.Set(s)
		return nil
	case kindMap:
		if !flattened(m, p) {
			if n = n.children["entry"]; n == nil {
				n = &formNode{}
			}
		}
		out := reflect.MakeMap(p.typ)
		for _, item := range n.numbered() {
			key, value := item.children[p.keyOf.Wire], item.children[p.elemOf.Wire]
			if key == nil || value == nil {
				return broken("an entry of a map must have a key and a value (%s)", p.shape.Name)
			}
			e := reflect.New(p.typ.Elem()).Elem()
			d.check.pushKey(key.value)
			if err := d.value(p.elemOf, p.elem, value, e); err != nil {
				return err
			}
			d.check.pop()
			out.SetMapIndex(reflect.ValueOf(key.value).Convert(p.typ.Key()), e)
		}
		v.Set(out)
		return nil
	}
	if !n.set {
		return broken("a structure found where a plain value is expected (%s)", p.shape.Name)
	}
	return setText(p, v, n.value, m.TimestampFormat("iso8601"))
}

// encodeQuery writes <OpResponse><OpResult>…</OpResult><ResponseMetadata>.
func encodeQuery(op *shape.Operation, p *plan, v reflect.Value, requestID string, res *Response) error {
	res.Status = http.StatusOK
	res.Header.Set("Content-Type", "text/xml")
	w := newXML()
	w.open(op.Name+"Response", op.Model.XMLNamespace)
	if p != nil {
		if op.ResultWrapper != "" {
			w.open(op.ResultWrapper, "")
		}
		e := xmlEncoder{w: w, timestamps: "iso8601"}
		if err := e.members(p, v); err != nil {
			return err
		}
		if op.ResultWrapper != "" {
			w.close(op.ResultWrapper)
		}
	}
	w.open("ResponseMetadata", "")
	w.leaf("RequestId", requestID)
	w.close("ResponseMetadata")
	w.close(op.Name + "Response")
	res.Body = w.buf
	return nil
}
