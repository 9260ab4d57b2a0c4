package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Value is a part of a document and the place where it stands. The zero Value
// is a part that is not there. It is not to be changed.
type Value struct {
	place string
	v     any
	there bool
}

// A Member is a named part of an object.
type Member struct {
	Name string
	Value
}

// An Error says what is wrong with a document, and where.
type Error struct {
	Place   string // "paths.'/pets'(get).security[0]"; empty: the whole
	Message string
}

func (e *Error) Error() string {
	if e.Place == "" {
		return e.Message
	}
	return e.Place + ": " + e.Message
}

// Errorf makes an Error about the part.
func (v Value) Errorf(format string, args ...any) error {
	return &Error{v.place, fmt.Sprintf(format, args...)}
}

// Exists reports whether the part is there; null is as good as absent.
func (v Value) Exists() bool { return v.there && v.v != nil }

// Place is where the part stands, as error messages name it.
func (v Value) Place() string { return v.place }

// Raw is the part as it was read: map[string]any, []any, string, json.Number, bool or nil.
func (v Value) Raw() any { return v.v }

// JSON is the part as JSON text with sorted names; nil if it is not there.
func (v Value) JSON() json.RawMessage {
	if !v.Exists() {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v.v); err != nil {
		panic("openapi: a tree cannot be encoded: " + err.Error()) // of what builders make, all can
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Get is a member of an object; the zero Value's kin if there is none, or this is no object.
func (v Value) Get(name string) Value {
	object, _ := v.v.(map[string]any)
	m, ok := object[name]
	return Value{join(v.place, name), m, ok}
}

func join(place, name string) string {
	switch {
	case place == "":
		return name
	case place == "paths":
		return place + ".'" + name + "'"
	}
	return place + "." + name
}

// Object lists the members of an object, sorted by name. It fails when the part is something else.
func (v Value) Object() ([]Member, error) {
	if !v.Exists() {
		return nil, nil
	}
	object, ok := v.v.(map[string]any)
	if !ok {
		return nil, v.Errorf("is not an object")
	}
	members := make([]Member, 0, len(object))
	for name := range object {
		members = append(members, Member{name, v.Get(name)})
	}
	slices.SortFunc(members, func(x, y Member) int { return strings.Compare(x.Name, y.Name) })
	return members, nil
}

// List gives the elements of a list. It fails when the part is something else.
func (v Value) List() ([]Value, error) {
	if !v.Exists() {
		return nil, nil
	}
	list, ok := v.v.([]any)
	if !ok {
		return nil, v.Errorf("is not a list")
	}
	values := make([]Value, len(list))
	for i, e := range list {
		values[i] = Value{v.place + "[" + strconv.Itoa(i) + "]", e, true}
	}
	return values, nil
}

// Text reads a scalar as text, numbers as they were written; "" if it is not there.
func (v Value) Text() (string, error) {
	switch s := v.v.(type) {
	case nil:
		return "", nil
	case string:
		return s, nil
	case json.Number:
		return s.String(), nil
	case bool:
		return strconv.FormatBool(s), nil
	}
	return "", v.Errorf("is not text")
}

// Bool reads a truth value, which may come as the text "true"; nil if it is not there.
func (v Value) Bool() (*bool, error) {
	if !v.Exists() {
		return nil, nil
	}
	text, _ := v.Text()
	switch strings.ToLower(text) {
	case "true":
		yes := true
		return &yes, nil
	case "false":
		no := false
		return &no, nil
	}
	return nil, v.Errorf("is neither true nor false")
}

// Int reads a whole number, which may come as text; nil if it is not there.
func (v Value) Int() (*int32, error) {
	if !v.Exists() {
		return nil, nil
	}
	text, _ := v.Text()
	n, err := strconv.ParseInt(strings.TrimSuffix(text, ".0"), 10, 32)
	if err != nil {
		return nil, v.Errorf("is not a whole number")
	}
	i := int32(n)
	return &i, nil
}

// Texts reads a list of scalars; nil if it is not there.
func (v Value) Texts() ([]string, error) {
	list, err := v.List()
	if err != nil || list == nil {
		return nil, err
	}
	texts := make([]string, len(list))
	for i, e := range list {
		if texts[i], err = e.Text(); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// TextMap reads an object whose members are scalars; nil if it is not there.
func (v Value) TextMap() (map[string]string, error) {
	members, err := v.Object()
	if err != nil || members == nil {
		return nil, err
	}
	texts := make(map[string]string, len(members))
	for _, m := range members {
		if texts[m.Name], err = m.Text(); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// maxWork bounds how many parts are looked at: references lead to the same ones again and again.
const maxWork = 4 * maxNodes

// A reader reads several parts and keeps the first error, so that a struct can
// be filled in one go.
type reader struct {
	err  error
	work int
}

func (r *reader) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

// counted takes what a reading of n parts gave.
func counted[T any](r *reader, v T, n int, err error) T {
	if r.work += n + 1; r.work > maxWork {
		err = &Error{"", "its references lead to too many parts"}
	}
	r.keep(err)
	return v
}

func (r *reader) text(v Value) string {
	s, err := v.Text()
	return counted(r, s, 0, err)
}

func (r *reader) bool(v Value) *bool {
	b, err := v.Bool()
	return counted(r, b, 0, err)
}

func (r *reader) yes(v Value) bool {
	b := r.bool(v)
	return b != nil && *b
}

func (r *reader) int(v Value) *int32 {
	n, err := v.Int()
	return counted(r, n, 0, err)
}

func (r *reader) texts(v Value) []string {
	s, err := v.Texts()
	return counted(r, s, len(s), err)
}

func (r *reader) textMap(v Value) map[string]string {
	m, err := v.TextMap()
	return counted(r, m, len(m), err)
}

func (r *reader) object(v Value) []Member {
	m, err := v.Object()
	return counted(r, m, len(m), err)
}

func (r *reader) list(v Value) []Value {
	l, err := v.List()
	return counted(r, l, len(l), err)
}

// isObject demands an object whose members are read by name.
func (r *reader) isObject(v Value) {
	if _, ok := v.v.(map[string]any); v.Exists() && !ok {
		r.keep(v.Errorf("is not an object"))
	}
}

// commas reads a list that may also come as text with commas between its elements.
func (r *reader) commas(v Value) []string {
	text, ok := v.v.(string)
	if !ok {
		return r.texts(v)
	}
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return counted(r, parts, len(parts), nil)
}
