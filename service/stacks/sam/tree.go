package sam

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// object is a mapping of a template's tree.
type object = map[string]any

// Limits on what one template may hold and expand to. CloudFormation takes
// templates of 1 MB; an expansion repeats parts of its template.
const (
	maxDepth = 200
	maxSize  = 16 << 20
)

// sorted gives the keys of a mapping in the one order that a tree without order has.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// clone copies a tree, so that nothing of the copy is shared.
func clone(v any) any {
	switch v := v.(type) {
	case object:
		out := make(object, len(v))
		for k, item := range v {
			out[k] = clone(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = clone(item)
		}
		return out
	}
	return v
}

// measure gives the size of a tree, written out in full, in bytes or so, and
// its depth. It stops counting past the limits.
func measure(v any) (size, depth int) {
	var walk func(v any, level int)
	walk = func(v any, level int) {
		depth = max(depth, level)
		if size > maxSize || level > maxDepth {
			return
		}
		size += 8
		switch v := v.(type) {
		case object:
			for k, item := range v {
				size += len(k)
				walk(item, level+1)
			}
		case []any:
			for _, item := range v {
				walk(item, level+1)
			}
		case string:
			size += len(v)
		case json.Number:
			size += len(v)
		}
	}
	walk(v, 1)
	return size, depth
}

// truthy is the translator's test for "is given": Python's truth, so an empty
// string, list or mapping, false, zero and null are all as good as absent.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0
	case []any:
		return len(v) > 0
	case object:
		return len(v) > 0
	}
	return true
}

// asMap gives a value as a mapping, or an empty one.
func asMap(v any) object {
	m, _ := v.(object)
	return m
}

// intrinsic takes an intrinsic function apart. The name is empty when the value is none.
func intrinsic(v any) (name string, argument any) {
	m, ok := v.(object)
	if !ok || len(m) != 1 {
		return "", nil
	}
	for k, arg := range m {
		if k == "Ref" || k == "Condition" || strings.HasPrefix(k, "Fn::") {
			return k, arg
		}
	}
	return "", nil
}

func isIntrinsic(v any) bool {
	name, _ := intrinsic(v)
	return name != ""
}

func ref(id string) object { return object{"Ref": id} }

func getAtt(id, attribute string) object { return object{"Fn::GetAtt": []any{id, attribute}} }

func sub(text string, variables object) object {
	if len(variables) == 0 {
		return object{"Fn::Sub": text}
	}
	return object{"Fn::Sub": []any{text, variables}}
}

// onlyIf makes a value depend on a condition; without it there is no value.
func onlyIf(condition, value any) object {
	return object{"Fn::If": []any{condition, value, ref("AWS::NoValue")}}
}

func isNoValue(v any) bool {
	name, arg := intrinsic(v)
	return name == "Ref" && arg == "AWS::NoValue"
}

// ifBranches takes {"Fn::If": [condition, then, else]} apart; ok is false when
// the arguments are not three.
func ifBranches(argument any) (condition, then, otherwise any, ok bool) {
	list, isList := argument.([]any)
	if !isList || len(list) != 3 {
		return nil, nil, nil, false
	}
	return list[0], list[1], list[2], true
}

// prune leaves out the members that are null.
func prune(m object) object {
	for k, v := range m {
		if v == nil {
			delete(m, k)
		}
	}
	return m
}

// tagList writes a mapping of tags as CloudFormation's list.
func tagList(tags object) []any {
	list := make([]any, 0, len(tags))
	for _, key := range sorted(tags) {
		value := tags[key]
		if value == nil {
			value = ""
		}
		list = append(list, object{"Key": key, "Value": value})
	}
	return list
}
