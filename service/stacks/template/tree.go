package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Unknown stands in a tree for a value that only a later moment will know: an
// attribute of a resource that does not exist yet. A function that is given
// one yields one.
type Unknown struct{}

// MarshalJSON writes the words with which change sets show such values.
func (Unknown) MarshalJSON() ([]byte, error) { return []byte(`"{{changeSet:KNOWN_AFTER_APPLY}}"`), nil }

// Text is a scalar as CloudFormation compares and passes it: its text. Maps,
// lists, nil and Unknown have none.
func Text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// Equal reports whether CloudFormation takes two trees for the same: scalars are
// compared by their text, so "2" equals 2 and "true" equals true, but 2.0 does not equal 2.
// An Unknown equals nothing, not even itself.
func Equal(a, b any) bool {
	if s, ok := Text(a); ok {
		t, ok := Text(b)
		return ok && s == t
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, Equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, Equal)
	}
	return false
}

// Clone copies a tree.
func Clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = Clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = Clone(e)
		}
		return out
	}
	return v
}

// JSON is the text of a tree: keys sorted, so that equal trees have equal texts,
// and <, > and & as they are.
func JSON(tree any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, fmt.Errorf("write a template as JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Transforms lists the names in the template's Transform section, in the order in
// which they run. A transform with parameters, {"Name": …, "Parameters": …}, is listed by its name.
func Transforms(root map[string]any) []string {
	var names []string
	add := func(v any) {
		if m, ok := v.(map[string]any); ok {
			v = m["Name"]
			if call, ok := m["Fn::Transform"].(map[string]any); ok {
				v = call["Name"]
			}
		}
		if name, ok := v.(string); ok {
			names = append(names, name)
		}
	}
	if list, ok := root["Transform"].([]any); ok {
		for _, v := range list {
			add(v)
		}
	} else {
		add(root["Transform"])
	}
	return names
}

// A Snippet is a use of Fn::Transform inside a template: AWS::Include, or a macro.
type Snippet struct {
	Name       string
	Parameters map[string]any
	Path       []string // of the object that holds the Fn::Transform
}

// Snippets lists all uses of Fn::Transform under root, inner ones before those
// that hold them, which is the order in which they run. A malformed one has no name.
func Snippets(root map[string]any) []Snippet {
	var found []Snippet
	var walk func(v any, path []string)
	walk = func(v any, path []string) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range sorted(v) {
				walk(v[k], append(path, k))
			}
			if call, ok := v["Fn::Transform"]; ok {
				s := Snippet{Path: slices.Clone(path)}
				if m, ok := call.(map[string]any); ok {
					s.Name, _ = m["Name"].(string)
					s.Parameters, _ = m["Parameters"].(map[string]any)
				}
				found = append(found, s)
			}
		case []any:
			for i, e := range v {
				walk(e, append(path, strconv.Itoa(i)))
			}
		}
	}
	walk(root, nil)
	return found
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
