package template

import (
	"slices"
	"strings"
)

// A Reference is what a value depends on.
type Reference struct {
	Kind      ReferenceKind
	Name      string // of the parameter or resource
	Attribute string // ToAttribute; "" when a parameter decides which
}

// ReferenceKind tells what a Reference leads to.
type ReferenceKind string

// The kinds, with the words of change sets (ChangeSource).
const (
	ToParameter ReferenceKind = "ParameterReference"
	ToResource  ReferenceKind = "ResourceReference"
	ToAttribute ReferenceKind = "ResourceAttribute"
)

// References lists what a value of the template depends on: parameters, resources
// and their attributes, each once, sorted. Of an Fn::If it takes both branches and the parameters
// that decide it. Pseudo parameters are not listed.
func (t *Template) References(value any) []Reference {
	seen := map[Reference]bool{}
	conditions := map[string]bool{}
	t.refer(value, func(name string) {
		t.referCondition(name, conditions, func(r Reference) { seen[r] = true })
	}, func(r Reference) { seen[r] = true })
	var all []Reference
	for r := range seen {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Reference) int {
		return strings.Compare(a.Name+"."+a.Attribute, b.Name+"."+b.Attribute)
	})
	return all
}

// refer calls found for each reference in v. Of each Fn::If it takes both
// branches, and calls condition with the name that decides; if condition is nil, it skips them.
func (t *Template) refer(v any, condition func(name string), found func(Reference)) {
	switch v := v.(type) {
	case map[string]any:
		if name, arg, ok := call(v); ok {
			t.referCall(name, arg, condition, found)
			return
		}
		for _, e := range v {
			t.refer(e, condition, found)
		}
	case []any:
		for _, e := range v {
			t.refer(e, condition, found)
		}
	}
}

func (t *Template) referCall(name string, arg any, condition func(name string), found func(Reference)) {
	switch name {
	case "Ref":
		if to, ok := arg.(string); ok {
			t.referName(to, found)
			return
		}
	case "Fn::GetAtt":
		if id, attribute, ok := getAtt(arg); ok {
			text, _ := attribute.(string)
			if t.Resources[id] != nil {
				found(Reference{Kind: ToAttribute, Name: id, Attribute: text})
			}
			t.refer(attribute, condition, found)
			return
		}
	case "Fn::Sub":
		text, variables, _ := subArgument(arg)
		pieces, _, _ := sub(text)
		for _, p := range pieces {
			if _, given := variables[p.text]; !p.variable || given {
				continue
			}
			if _, _, isAttribute := getAtt(p.text); isAttribute {
				t.referCall("Fn::GetAtt", p.text, condition, found)
			} else {
				t.referName(p.text, found)
			}
		}
		t.refer(variables, condition, found)
		return
	case "Fn::If":
		if list, _ := arg.([]any); condition != nil && len(list) == 3 {
			if name, ok := list[0].(string); ok {
				condition(name)
			}
			t.refer(list[1:], condition, found)
		}
		return
	}
	t.refer(arg, condition, found)
}

func (t *Template) referName(name string, found func(Reference)) {
	switch {
	case t.Parameters[name] != nil:
		found(Reference{Kind: ToParameter, Name: name})
	case t.Resources[name] != nil:
		found(Reference{Kind: ToResource, Name: name})
	}
}

// referCondition finds what decides a condition.
func (t *Template) referCondition(name string, seen map[string]bool, found func(Reference)) {
	if seen[name] {
		return
	}
	seen[name] = true
	t.refer(t.Conditions[name], nil, found)
	for _, other := range conditionsIn(t.Conditions[name]) {
		t.referCondition(other, seen, found)
	}
}
