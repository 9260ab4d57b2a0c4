package resource

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"countersign/service/stacks/template"
)

// Unknown stands in properties for a value that will be known when another
// resource has been made. It fits everywhere.
type Unknown = template.Unknown

// A schema is how the properties of a struct are read.
type schema struct {
	fields []property
	rest   int // index of the field that takes what has none of its own; -1
	known  []string
}

type property struct {
	name              string
	index             int
	required, replace bool
}

func schemaOf(t reflect.Type, known []string) (*schema, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("properties are a struct, not %s", t)
	}
	s := &schema{rest: -1, known: known}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		p := property{name: f.Name, index: i}
		rest := false
		for word := range strings.SplitSeq(f.Tag.Get("cfn"), ",") {
			switch {
			case word == "required":
				p.required = true
			case word == "replace":
				p.replace = true
			case word == "rest":
				rest = true
			case word == "":
			case strings.ToUpper(word[:1]) == word[:1]:
				p.name = word
			default:
				return nil, fmt.Errorf("field %s: the tag has no word %q", f.Name, word)
			}
		}
		if rest {
			if f.Type != reflect.TypeFor[map[string]any]() {
				return nil, fmt.Errorf("field %s takes the rest: it must be a map[string]any", f.Name)
			}
			s.rest = i
			continue
		}
		if err := readable(f.Type, nil); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		s.fields = append(s.fields, p)
	}
	return s, nil
}

// readable reports types that no property can be read into.
func readable(t reflect.Type, above []reflect.Type) error {
	if slices.Contains(above, t) {
		return nil
	}
	above = append(above, t)
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		return nil
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return nil
		}
	case reflect.Pointer, reflect.Slice:
		return readable(t.Elem(), above)
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return readable(t.Elem(), above)
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() {
				if err := readable(f.Type, above); err != nil {
					return fmt.Errorf("%s: %w", f.Name, err)
				}
			}
		}
		return nil
	}
	return fmt.Errorf("no property can be a %s", t)
}

func (s *schema) field(name string) *property {
	for i := range s.fields {
		if s.fields[i].name == name {
			return &s.fields[i]
		}
	}
	return nil
}

// decode reads raw into the struct v.
func (s *schema) decode(raw map[string]any, v reflect.Value) []Problem {
	d := decoder{known: s.known}
	d.structure(s, raw, v)
	return d.problems
}

// A decoder collects what is wrong; path is where it is.
type decoder struct {
	path     []string
	known    []string // see Spec.Known
	problems []Problem
}

func (d *decoder) problem(format string, args ...any) {
	d.problems = append(d.problems, Problem{Path: slices.Clone(d.path), Message: fmt.Sprintf(format, args...)})
}

func (d *decoder) structure(s *schema, raw map[string]any, v reflect.Value) {
	for _, name := range sorted(raw) {
		f := s.field(name)
		d.path = append(d.path, name)
		switch {
		case f != nil:
			d.value(raw[name], v.Field(f.index))
		case s.rest >= 0:
			if v.Field(s.rest).IsNil() {
				v.Field(s.rest).Set(reflect.ValueOf(map[string]any{}))
			}
			v.Field(s.rest).Interface().(map[string]any)[name] = raw[name]
		case slices.Contains(d.known, d.place()):
			d.problem("Property %s is not built in this version of Countersign; leave it out", name)
		default:
			d.problem("Encountered unsupported property %s", name)
		}
		d.path = d.path[:len(d.path)-1]
	}
	for _, f := range s.fields {
		if _, given := raw[f.name]; f.required && !given {
			d.problem("Property %s cannot be empty.", f.name)
		}
	}
}

func (d *decoder) value(raw any, v reflect.Value) {
	if _, unknown := raw.(Unknown); unknown || raw == nil {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		n := reflect.New(v.Type().Elem())
		before := len(d.problems)
		d.value(raw, n.Elem())
		if len(d.problems) == before {
			v.Set(n)
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf(raw))
	case reflect.String:
		if text, ok := Text(raw); ok {
			v.SetString(text)
			return
		}
		d.problem("Value of property %s must be of type String", d.last())
	case reflect.Bool:
		if text, ok := Text(raw); ok {
			switch strings.ToLower(text) {
			case "true":
				v.SetBool(true)
				return
			case "false":
				v.SetBool(false)
				return
			}
		}
		d.problem("Value of property %s must be of type Boolean", d.last())
	case reflect.Int, reflect.Int32, reflect.Int64:
		if text, ok := Text(raw); ok {
			if n, err := strconv.ParseInt(strings.TrimSuffix(text, ".0"), 10, v.Type().Bits()); err == nil {
				v.SetInt(n)
				return
			}
		}
		d.problem("Value of property %s must be of type Integer", d.last())
	case reflect.Float32, reflect.Float64:
		if text, ok := Text(raw); ok {
			if n, err := strconv.ParseFloat(text, v.Type().Bits()); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
				v.SetFloat(n)
				return
			}
		}
		d.problem("Value of property %s must be of type Number", d.last())
	case reflect.Slice:
		list, ok := raw.([]any)
		if !ok {
			d.problem("Value of property %s must be of type List", d.last())
			return
		}
		out := reflect.MakeSlice(v.Type(), len(list), len(list))
		for i, e := range list {
			d.path = append(d.path, strconv.Itoa(i))
			d.value(e, out.Index(i))
			d.path = d.path[:len(d.path)-1]
		}
		v.Set(out)
	case reflect.Map:
		m, ok := raw.(map[string]any)
		if !ok {
			d.problem("Value of property %s must be an object", d.last())
			return
		}
		out := reflect.MakeMapWithSize(v.Type(), len(m))
		for _, k := range sorted(m) {
			e := reflect.New(v.Type().Elem()).Elem()
			d.path = append(d.path, k)
			d.value(m[k], e)
			d.path = d.path[:len(d.path)-1]
			out.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), e)
		}
		v.Set(out)
	case reflect.Struct:
		m, ok := raw.(map[string]any)
		if !ok {
			d.problem("Value of property %s must be an object", d.last())
			return
		}
		s, err := schemaOf(v.Type(), nil)
		if err != nil {
			d.problem("%v", err) // Define has seen to it that this cannot happen
			return
		}
		d.structure(s, m, v)
	}
}

// place is the path without the numbers of lists, joined by dots.
func (d *decoder) place() string {
	var names []string
	for _, p := range d.path {
		if _, err := strconv.Atoi(p); err != nil {
			names = append(names, p)
		}
	}
	return strings.Join(names, ".")
}

// last is the name that a message calls the place by: the last one that is no number.
func (d *decoder) last() string {
	for _, p := range slices.Backward(d.path) {
		if _, err := strconv.Atoi(p); err != nil {
			return p
		}
	}
	return "Properties"
}

// Text is a scalar as CloudFormation compares and passes it: its text.
func Text(v any) (string, bool) { return template.Text(v) }

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func join(path []string) string { return strings.Join(path, "/") }

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		prefix, any := strings.CutSuffix(p, "*")
		if p == name || any && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
