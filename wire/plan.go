package wire

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"countersign/wire/shape"
)

// A plan is how one shape maps to one Go type: compiled once, then only read.
// typ has no pointer; where the field's type is a pointer to it, ptr is set.
type plan struct {
	shape *shape.Shape
	typ   reflect.Type
	ptr   bool
	kind  kind

	fields []field        // structure: members the Go struct has, in the model's order
	byWire map[string]int // structure: index of the body member by its name on the wire
	byFlat map[string]int // structure: index of a flattened list by the name of its elements, where that is its own
	track  []int          // structure: required body members whose Go value cannot show that they are absent

	elem    *plan         // list element, map value
	elemOf  *shape.Member // their member
	keyOf   *shape.Member // map key's member
	keyRule *rule
	rule    *rule // constraints of the shape, nil: none
}

type field struct {
	*shape.Member
	index   int // of the struct field; -1 in a union
	plan    *plan
	variant reflect.Type // union: the struct with the one field Value
}

// kind is what a plan does with the Go value. It follows the Go type, since
// the SDK changes a few scalar types of the models (Route 53's MaxItems).
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInt
	kindFloat
	kindBlob
	kindTime
	kindStream // io.Reader or io.ReadCloser
	kindStruct
	kindUnion
	kindList
	kindMap
)

func (k kind) scalar() bool { return k <= kindTime }

type planKey struct {
	shape *shape.Shape
	typ   reflect.Type
}

// plans remembers compiled plans. It is a memo of a pure function: both halves
// of the key are static, so it is bounded by the size of the models.
var plans sync.Map // planKey → *plan

func planFor(s *shape.Shape, t reflect.Type) (*plan, error) {
	if p, ok := plans.Load(planKey{s, t}); ok {
		return p.(*plan), nil
	}
	c := compiler{local: map[planKey]*plan{}}
	p := c.compile(s, t)
	if p == nil {
		return nil, fmt.Errorf("%s does not fit %s: %v", t, s.Name, c.problems)
	}
	// Published only now that it is whole, its recursive parts included. Two
	// goroutines may compile the same plan; either will do.
	got, _ := plans.LoadOrStore(planKey{s, t}, p)
	return got.(*plan), nil
}

type compiler struct {
	local    map[planKey]*plan
	problems []string // "Type.Member: why it is ignored", for the test that lists them
}

var (
	timeType   = reflect.TypeFor[time.Time]()
	bytesType  = reflect.TypeFor[[]byte]()
	readerType = reflect.TypeFor[io.Reader]()
)

// compile returns nil, and notes a problem, where type and shape do not fit.
func (c *compiler) compile(s *shape.Shape, t reflect.Type) *plan {
	k := planKey{s, t}
	if p, ok := c.local[k]; ok {
		return p
	}
	p := &plan{shape: s, typ: t, rule: ruleOf(s)}
	if t.Kind() == reflect.Pointer {
		p.ptr, p.typ = true, t.Elem()
	}
	c.local[k] = p
	misfit := func() *plan {
		c.problems = append(c.problems, fmt.Sprintf("%s: SDK has %s", s.Name, t))
		delete(c.local, k)
		return nil
	}
	switch s.Type {
	case shape.Structure:
		if s.Union {
			if p.typ.Kind() != reflect.Interface {
				return misfit()
			}
			p.kind = kindUnion
			c.union(p)
			return p
		}
		if p.typ.Kind() != reflect.Struct || p.typ == timeType {
			return misfit()
		}
		p.kind = kindStruct
		c.structure(p)
	case shape.List:
		if p.ptr || p.typ.Kind() != reflect.Slice || p.typ == bytesType {
			return misfit()
		}
		p.kind, p.elemOf = kindList, s.Member
		if p.elem = c.compile(s.Member.Shape, p.typ.Elem()); p.elem == nil {
			return misfit()
		}
	case shape.Map:
		if p.ptr || p.typ.Kind() != reflect.Map || p.typ.Key().Kind() != reflect.String {
			return misfit()
		}
		p.kind, p.elemOf, p.keyOf, p.keyRule = kindMap, s.Member, s.Key, ruleOf(s.Key.Shape)
		if p.elem = c.compile(s.Member.Shape, p.typ.Elem()); p.elem == nil {
			return misfit()
		}
	default:
		switch {
		case p.typ == timeType:
			p.kind = kindTime
		case p.typ == bytesType:
			p.kind = kindBlob
		case p.typ.Kind() == reflect.Interface && p.typ.Implements(readerType) && s.Type == shape.Blob:
			p.kind = kindStream
		case p.typ.Kind() == reflect.String:
			p.kind = kindString
		case p.typ.Kind() == reflect.Bool:
			p.kind = kindBool
		case p.typ.Kind() == reflect.Int32, p.typ.Kind() == reflect.Int64:
			p.kind = kindInt
		case p.typ.Kind() == reflect.Float32, p.typ.Kind() == reflect.Float64:
			p.kind = kindFloat
		default:
			return misfit()
		}
		if (p.kind == kindTime) != (s.Type == shape.Timestamp) || (p.kind == kindBlob || p.kind == kindStream) != (s.Type == shape.Blob) {
			return misfit()
		}
	}
	return p
}

func (c *compiler) structure(p *plan) {
	p.byWire, p.byFlat = map[string]int{}, map[string]int{}
	for _, m := range p.shape.Members {
		f, ok := p.typ.FieldByName(m.Field)
		if !ok || len(f.Index) != 1 {
			c.problems = append(c.problems, fmt.Sprintf("%s.%s: not in the SDK", p.shape.Name, m.Name))
			continue
		}
		fp := c.compile(m.Shape, f.Type)
		if fp == nil {
			continue
		}
		if m.Location == shape.Body {
			p.byWire[m.Wire] = len(p.fields)
			if fp.kind == kindList && flattened(m, fp) && flatName(m, fp) != m.Wire {
				p.byFlat[flatName(m, fp)] = len(p.fields)
			}
			if m.Required && !fp.ptr && (fp.kind == kindBool || fp.kind == kindInt || fp.kind == kindFloat) {
				p.track = append(p.track, len(p.fields))
			}
		}
		p.fields = append(p.fields, field{Member: m, index: f.Index[0], plan: fp})
	}
}

func (c *compiler) union(p *plan) {
	p.byWire = map[string]int{}
	for _, m := range p.shape.Members {
		if m.Variant == nil || !reflect.PointerTo(m.Variant).Implements(p.typ) {
			c.problems = append(c.problems, fmt.Sprintf("%s.%s: no such variant in the SDK", p.shape.Name, m.Name))
			continue
		}
		v, ok := m.Variant.FieldByName("Value")
		if !ok || v.Index[0] != 0 {
			c.problems = append(c.problems, fmt.Sprintf("%s.%s: variant without a value", p.shape.Name, m.Name))
			continue
		}
		fp := c.compile(m.Shape, v.Type)
		if fp == nil {
			continue
		}
		p.byWire[m.Wire] = len(p.fields)
		p.fields = append(p.fields, field{Member: m, index: -1, plan: fp, variant: m.Variant})
	}
}

// variantOf returns the field and value of what a union holds, or false when it
// holds nothing, or a variant that the model does not have.
func (p *plan) variantOf(v reflect.Value) (*field, reflect.Value, bool) {
	if v.IsNil() {
		return nil, reflect.Value{}, false
	}
	x := v.Elem()
	if x.Kind() == reflect.Pointer {
		if x.IsNil() {
			return nil, reflect.Value{}, false
		}
		x = x.Elem()
	}
	for i := range p.fields {
		if p.fields[i].variant == x.Type() {
			return &p.fields[i], x.Field(0), true
		}
	}
	return nil, reflect.Value{}, false
}

// target returns the value to write to, allocating where the plan says pointer.
func (p *plan) target(v reflect.Value) reflect.Value {
	if !p.ptr {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(p.typ))
	}
	return v.Elem()
}

// present reports whether v is to be written, and returns it without its
// pointer. A number or bool without a pointer is always present, as AWS always
// sends those; a string without one is an enum, and absent when empty.
func (p *plan) present(v reflect.Value) (reflect.Value, bool) {
	if p.ptr {
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	}
	switch p.kind {
	case kindString:
		return v, v.Len() > 0
	case kindBlob, kindList, kindMap, kindStream:
		return v, !v.IsNil()
	case kindUnion:
		_, _, ok := p.variantOf(v)
		return v, ok
	}
	return v, true
}

var (
	repetition = regexp.MustCompile(`\{\d+,\d+\}`)
	javaEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)
)

// A rule is the constraints of a scalar shape, or the size of a list or map.
type rule struct {
	shape   *shape.Shape
	pattern func() *regexp.Regexp // compiled when first asked for; nil: none, or one that Go cannot compile
	enum    map[string]bool
}

func ruleOf(s *shape.Shape) *rule {
	if !s.HasMin && !s.HasMax && s.Pattern == "" && len(s.Enum) == 0 {
		return nil
	}
	r := &rule{shape: s}
	r.pattern = sync.OnceValue(func() *regexp.Regexp {
		if s.Pattern == "" {
			return nil
		}
		p, _ := compilePattern(s.Pattern)
		return p
	})
	if len(s.Enum) > 0 {
		r.enum = make(map[string]bool, len(s.Enum))
		for _, e := range s.Enum {
			r.enum[e] = true
		}
	}
	return r
}

// compilePattern compiles a model's pattern to match a whole string, as Java's
// matches() does, which AWS's services use. Patterns with look-ahead cannot be
// compiled by Go and are not checked; the services that care check by hand.
//
// A repetition beyond Go's limit of 1000 loses its upper bound, which the
// length constraint beside it states again in every model so far.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	pattern = javaEscape.ReplaceAllString(pattern, `\x{$1}`)
	pattern = repetition.ReplaceAllStringFunc(pattern, func(r string) string {
		low, high, _ := strings.Cut(r[1:len(r)-1], ",")
		if n, err := strconv.Atoi(high); err != nil || n <= 1000 {
			return r
		}
		return "{" + low + ",}"
	})
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}
