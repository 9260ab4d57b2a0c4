package wire

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"countersign/wire/shape"
)

// A filler makes values of the SDK's types that a wire can carry: with every
// member, with the required ones only, or with some.
type filler struct {
	rnd   *rand.Rand
	keep  float64 // share of optional members to fill
	depth map[*shape.Shape]int
	n     int
	in    bool // an Input: labels must not be empty, some members steer the client
}

func newFiller(seed uint64, keep float64, in bool) *filler {
	return &filler{rnd: rand.New(rand.NewPCG(seed, 7)), keep: keep, depth: map[*shape.Shape]int{}, in: in}
}

// steering are Input members whose values change what the SDK's client sends,
// or which it refuses by its own rules.
var steering = map[string]string{
	"Bucket":       "bucket-1",
	"RequestRoute": "route",
}

func (f *filler) structure(p *plan, v reflect.Value) {
	f.depth[p.shape]++
	nested := f.depth[nil] > 0
	f.depth[nil]++
	empty := true
	for i := range p.fields {
		x := &p.fields[i]
		// An empty structure inside of another leaves no trace in a form.
		force := nested && empty && i == len(p.fields)-1 && (x.plan.kind.scalar() || x.plan.kind == kindList)
		if !force && !x.Required && f.rnd.Float64() >= f.keep || x.plan.shape.EventStream || x.Location == shape.StatusCode {
			continue
		}
		if s, ok := steering[x.Field]; ok && f.in && x.plan.kind == kindString && x.Location != shape.Body {
			setString(x.plan, v.Field(x.index), s)
			continue
		}
		empty = false
		f.value(x.Member, x.plan, v.Field(x.index), x.Location)
	}
	f.depth[nil]--
	f.depth[p.shape]--
}

func (f *filler) value(m *shape.Member, p *plan, v reflect.Value, loc shape.Location) {
	f.n++
	switch p.kind {
	case kindString:
		s := fmt.Sprintf("v%d", f.n)
		switch {
		case len(p.shape.Enum) > 0:
			s = p.shape.Enum[f.rnd.IntN(len(p.shape.Enum))]
		case loc == shape.Body:
			s += " é<&>\"'/\\ \u2028 😀 ]]>"
		case loc == shape.URI || loc == shape.QueryString:
			s += " é/?&=+%2F%25;~//../."
		}
		setString(p, v, s)
	case kindBool:
		setBool(p, v, true)
	case kindInt:
		setInt(p, v, int64(f.n))
	case kindFloat:
		p.target(v).SetFloat(float64(f.n) + 0.5)
	case kindBlob:
		v.SetBytes([]byte(fmt.Sprintf("blob\x00\xff%d", f.n)))
	case kindTime:
		t := time.Date(2026, 3, 4, 5, 6, f.n%60, 0, time.UTC)
		if loc == shape.Body && m.TimestampFormat("") != "rfc822" {
			t = t.Add(250 * time.Millisecond)
		}
		setTime(p, v, t)
	case kindStream:
		v.Set(reflect.ValueOf(stream(fmt.Sprintf("stream %d", f.n))))
	case kindStruct:
		if f.depth[p.shape] < 2 || m.Required {
			f.structure(p, p.target(v))
		}
	case kindUnion:
		if len(p.fields) == 0 || f.depth[p.shape] > 3 {
			return
		}
		x := &p.fields[f.rnd.IntN(len(p.fields))]
		for range 100 { // one that can end, when it gets deep
			if f.depth[p.shape] < 3 || x.plan.elem == nil && x.plan.shape != p.shape {
				break
			}
			x = &p.fields[f.rnd.IntN(len(p.fields))]
		}
		f.depth[p.shape]++
		u := reflect.New(x.variant)
		f.value(x.Member, x.plan, u.Elem().Field(0), shape.Body)
		if _, ok := x.plan.present(u.Elem().Field(0)); ok {
			v.Set(u)
		}
		f.depth[p.shape]--
	case kindList:
		if f.depth[p.elem.shape] > 1 {
			return
		}
		s := reflect.MakeSlice(p.typ, 2, 2)
		for i := range 2 {
			f.value(p.elemOf, p.elem, s.Index(i), loc)
			if _, ok := p.elem.present(s.Index(i)); !ok && p.elem.kind == kindUnion {
				return // nothing fits any deeper
			}
		}
		if loc == shape.QueryString && s.Index(0).String() > s.Index(1).String() {
			// Clients sort the values of a parameter, for the signature.
			s = reflect.Append(reflect.MakeSlice(p.typ, 0, 2), s.Index(1), s.Index(0))
		}
		v.Set(s)
	case kindMap:
		out := reflect.MakeMap(p.typ)
		for i := range 2 {
			e := reflect.New(p.typ.Elem()).Elem()
			f.value(p.elemOf, p.elem, e, loc)
			k := fmt.Sprintf("key%d", i)
			if enum := p.keyOf.Shape.Enum; len(enum) > i {
				k = enum[i]
			}
			out.SetMapIndex(reflect.ValueOf(k).Convert(p.typ.Key()), e)
		}
		v.Set(out)
	}
}

// stream is a body that can be read, closed and rewound, as clients want.
func stream(s string) io.ReadCloser { return seekCloser{strings.NewReader(s), s} }

type seekCloser struct {
	*strings.Reader
	all string // for diff: the reader itself may be the transport's yet
}

func (seekCloser) Close() error { return nil }

// diff lists where b is not a, by plan. Lists and maps without elements are
// equal to none.
func diff(p *plan, a, b reflect.Value, path string) []string {
	if p.ptr {
		switch {
		case a.IsNil() && b.IsNil():
			return nil
		case a.IsNil() != b.IsNil():
			return []string{fmt.Sprintf("%s: sent %s, got %s", path, show(a), show(b))}
		}
		a, b = a.Elem(), b.Elem()
	}
	unequal := []string{fmt.Sprintf("%s: sent %s, got %s", path, show(a), show(b))}
	switch p.kind {
	case kindTime:
		if !a.Interface().(time.Time).Equal(b.Interface().(time.Time)) {
			return unequal
		}
	case kindStream:
		content := func(v reflect.Value) []byte {
			if v.IsNil() {
				return nil
			}
			if s, ok := v.Interface().(seekCloser); ok {
				return []byte(s.all)
			}
			b, _ := io.ReadAll(v.Interface().(io.Reader))
			return b
		}
		x, y := content(a), content(b)
		if !bytes.Equal(x, y) {
			return []string{fmt.Sprintf("%s: sent %q, got %q", path, x, y)}
		}
	case kindStruct:
		var out []string
		for i := range p.fields {
			x := &p.fields[i]
			if x.Location == shape.StatusCode {
				continue // the response's, whatever the struct had
			}
			// Clients send {} for a payload that is not there.
			if bv := b.Field(x.index); x.Member == p.shape.Payload && x.plan.kind == kindStruct && a.Field(x.index).IsNil() && !bv.IsNil() && bv.Elem().IsZero() {
				continue
			}
			out = append(out, diff(x.plan, a.Field(x.index), b.Field(x.index), path+"."+x.Field)...)
		}
		return out
	case kindUnion:
		fa, va, oka := p.variantOf(a)
		fb, vb, okb := p.variantOf(b)
		switch {
		case !oka && !okb:
			return nil
		case oka != okb || fa != fb:
			return unequal
		}
		return diff(fa.plan, va, vb, path+"."+fa.Field)
	case kindList:
		if a.Len() != b.Len() {
			return unequal
		}
		var out []string
		for i := range a.Len() {
			out = append(out, diff(p.elem, a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", path, i))...)
		}
		return out
	case kindMap:
		if a.Len() != b.Len() {
			return unequal
		}
		var out []string
		for _, k := range a.MapKeys() {
			y := b.MapIndex(k)
			if !y.IsValid() {
				return unequal
			}
			out = append(out, diff(p.elem, a.MapIndex(k), y, path+"["+k.String()+"]")...)
		}
		return out
	default:
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			return unequal
		}
	}
	return nil
}

func show(v reflect.Value) string {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	s := fmt.Sprintf("%#v", v.Interface())
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}
