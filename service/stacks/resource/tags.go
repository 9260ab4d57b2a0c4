package resource

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A Tag is a tag as most types have it in their properties. Some types allow
// that the value is left out, which is the same as an empty one.
type Tag struct {
	Key   string `cfn:"required"`
	Value string
}

// TagChanges tells which tags to set and which to remove to come from old to
// now, by key. Tags that somebody else has put on the resource stay out of it.
func TagChanges(old, now []Tag) (set []Tag, removed []string) {
	was, is := map[string]string{}, map[string]string{}
	for _, t := range old {
		was[t.Key] = t.Value
	}
	for _, t := range now {
		is[t.Key] = t.Value
	}
	for _, k := range slices.Sorted(maps.Keys(is)) {
		if v, there := was[k]; !there || v != is[k] {
			set = append(set, Tag{k, is[k]})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(was)) {
		if _, there := is[k]; !there {
			removed = append(removed, k)
		}
	}
	return set, removed
}

// Ours reports whether tags say that what carries them was made for this very
// resource: by the same stack and under the same logical id.
func (c *Change[P]) Ours(tags []Tag) bool {
	return c.Stack.ID != "" && slices.Contains(tags, Tag{stackID, c.Stack.ID}) && slices.Contains(tags, Tag{logicalID, c.LogicalID})
}

// Tags that CloudFormation adds.
const (
	stackID   = "aws:cloudformation:stack-id"
	logicalID = "aws:cloudformation:logical-id"
)

// systemTags refuses keys that are AWS's own in the property that takes tags:
// behind the gate they would pass for CloudFormation's.
func systemTags(property string, raw map[string]any) (problems []Problem) {
	refuse := func(key any, path ...string) {
		if k, ok := Text(key); ok && len(k) >= 4 && strings.EqualFold(k[:4], "aws:") {
			problems = append(problems, Problem{Path: append([]string{property}, path...), Message: "aws: prefixed tag key names are not allowed for external use."})
		}
	}
	switch tags := raw[property].(type) {
	case []any:
		for i, t := range tags {
			if t, ok := t.(map[string]any); ok {
				refuse(t["Key"], strconv.Itoa(i), "Key")
			}
		}
	case map[string]any:
		for _, k := range sorted(tags) {
			refuse(k, k)
		}
	}
	return problems
}

// addTags adds tags to the property of v: those that it has already win.
func (s *schema) addTags(name string, v reflect.Value, tags map[string]string) {
	f := v.Field(s.field(name).index)
	if f.Kind() == reflect.Map {
		out := reflect.MakeMap(f.Type())
		for k, t := range tags {
			out.SetMapIndex(reflect.ValueOf(k), reflect.ValueOf(t))
		}
		for it := f.MapRange(); it.Next(); {
			out.SetMapIndex(it.Key(), it.Value())
		}
		f.Set(out)
		return
	}
	have := map[string]bool{}
	for i := range f.Len() {
		have[text(f.Index(i).FieldByName("Key"))] = true
	}
	for _, k := range sorted(tags) {
		if have[k] {
			continue
		}
		e := reflect.New(f.Type().Elem()).Elem()
		setText(e.FieldByName("Key"), k)
		setText(e.FieldByName("Value"), tags[k])
		f.Set(reflect.Append(f, e))
	}
}

func text(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	return v.String()
}

func setText(v reflect.Value, s string) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.ValueOf(&s).Convert(v.Type()))
		return
	}
	v.SetString(s)
}
