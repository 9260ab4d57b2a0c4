package template

import (
	"slices"
	"strconv"
	"strings"
)

// A loader reads the sections of a template into a Template.
type loader struct {
	at   atlas
	root map[string]any
	t    *Template
}

func (l *loader) document() error {
	if err := l.everywhere(l.root, nil); err != nil {
		return err
	}
	var unknown []string
	for _, name := range sorted(l.root) {
		if !slices.Contains(sections, name) {
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		return l.at.refuse(unknown[:1], "Invalid template property or properties [%s]", strings.Join(unknown, ", "))
	}
	if v, given := l.root["AWSTemplateFormatVersion"]; given && v != "2010-09-09" {
		text, _ := Text(v)
		return l.at.refuse([]string{"AWSTemplateFormatVersion"}, "Template format error: %s is not a supported value for AWSTemplateFormatVersion.", text)
	}
	if _, given := l.root["Hooks"]; given {
		return l.at.refuse([]string{"Hooks"}, "Template format error: the Hooks section is not built in this version of Countersign.")
	}
	var err error
	if l.t.Description, err = l.description(l.root, []string{"Description"}); err != nil {
		return err
	}
	if l.t.Metadata, err = l.section("Metadata"); err != nil {
		return err
	}
	if err := l.transforms(); err != nil {
		return err
	}
	l.t.Transforms = Transforms(l.root)
	l.t.extensions = l.t.HasTransform("AWS::LanguageExtensions")
	return nil
}

// transforms refuses a Transform section of which Transforms could not name every part.
func (l *loader) transforms() error {
	v, given := l.root["Transform"]
	list, isList := v.([]any)
	if !isList && given {
		list = []any{v}
	}
	if len(list) != len(Transforms(l.root)) {
		return l.at.refuse([]string{"Transform"}, "Template format error: the Transform section must be the name of a transform, or a list of names.")
	}
	return nil
}

// everywhere refuses what no section may hold: null, and Fn::ForEach, which
// stands where names stand.
func (l *loader) everywhere(v any, path []string) error {
	switch v := v.(type) {
	case nil:
		return l.at.refuse(path, "[/%s] 'null' values are not allowed in templates", strings.Join(path, "/"))
	case map[string]any:
		for _, k := range sorted(v) {
			path := append(path, k)
			if strings.HasPrefix(k, "Fn::ForEach::") {
				return l.at.refuse(path, "Template error: Fn::ForEach is not built in this version of Countersign.")
			}
			if err := l.everywhere(v[k], path); err != nil {
				return err
			}
		}
	case []any:
		for i, e := range v {
			if err := l.everywhere(e, append(path, strconv.Itoa(i))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) description(m map[string]any, path []string) (string, error) {
	v, given := m["Description"]
	text, ok := Text(v)
	switch {
	case !given:
		return "", nil
	case !ok:
		return "", l.at.refuse(path, "Template format error: every Description member must be a string.")
	case len(text) > maxDescription:
		return "", l.at.refuse(path, "Template format error: 'Description' length is greater than %d.", maxDescription)
	}
	return text, nil
}

// section is a section of the template; nil when it has none.
func (l *loader) section(name string) (map[string]any, error) {
	v, given := l.root[name]
	if !given {
		return nil, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, l.at.refuse([]string{name}, "Template format error: The %s section must be a map.", name)
	}
	return m, nil
}

// members calls f for each member of a section, in the order of their names,
// having checked the names. what and one are how AWS calls the section and a member in messages.
func (l *loader) members(name, what string, most int, f func(name string, m map[string]any, path []string) error) error {
	section, err := l.section(name)
	if err != nil {
		return err
	}
	if most > 0 && len(section) > most {
		return l.at.refuse([]string{name}, "Template format error: Number of %s, %d, is greater than maximum allowed, %d", strings.ToLower(name), len(section), most)
	}
	for _, k := range sorted(section) {
		path := []string{name, k}
		if !alphanumeric(k) {
			return l.at.refuse(path, "Template format error: %s name %s is non alphanumeric.", what, k)
		}
		if len(k) > maxNameLength {
			return l.at.refuse(path, "Template format error: %s name %s… is longer than %d characters.", what, k[:20], maxNameLength)
		}
		m, ok := section[k].(map[string]any)
		switch {
		case ok:
		case name == "Mappings":
			return l.at.refuse(path, "Template format error: Every Mappings member %s must be a map", k)
		case name == "Resources":
			return l.at.refuse(path, "Template format error: [/Resources/%s] resource definition is malformed", k)
		default:
			return l.at.refuse(path, "Template format error: [/%s/%s] Every %s member must be an object.", name, k, name)
		}
		if err := f(k, m, path); err != nil {
			return err
		}
	}
	return nil
}

// text is a member that must be a string when it is given.
func (l *loader) text(m map[string]any, name string, path []string) (string, error) {
	v, given := m[name]
	s, ok := Text(v)
	if given && !ok {
		return "", l.at.refuse(append(path, name), "Template format error: every %s member must be a string.", name)
	}
	return s, nil
}

func (l *loader) object(m map[string]any, name string, path []string) (map[string]any, error) {
	v, given := m[name]
	o, ok := v.(map[string]any)
	if given && !ok {
		return nil, l.at.refuse(append(path, name), "Template format error: [/%s/%s] must be an object.", strings.Join(path, "/"), name)
	}
	return o, nil
}

func (l *loader) mappings() error {
	l.t.Mappings = map[string]map[string]map[string]any{}
	return l.members("Mappings", "Mappings", MaxMappings, func(name string, m map[string]any, path []string) error {
		tops := map[string]map[string]any{}
		if len(m) > maxMapKeys {
			return l.at.refuse(path, "Template format error: Number of keys of mapping %s, %d, is greater than maximum allowed, %d", name, len(m), maxMapKeys)
		}
		for _, top := range sorted(m) {
			path := append(path, top)
			second, ok := m[top].(map[string]any)
			if !ok {
				return l.at.refuse(path, "Template format error: Every Mappings member %s must be a map", top)
			}
			if len(second) > maxMapKeys {
				return l.at.refuse(path, "Template format error: Number of keys of mapping %s, %d, is greater than maximum allowed, %d", name, len(second), maxMapKeys)
			}
			for _, k := range sorted(second) {
				if !alphanumeric(k) {
					return l.at.refuse(append(path, k), "Template format error: Mappings attribute name '%s' must contain only alphanumeric characters.", k)
				}
				if !mappingValue(second[k]) {
					return l.at.refuse(append(path, k), "Template format error: Every Mappings attribute must be a String or a List.")
				}
			}
			tops[top] = second
		}
		l.t.Mappings[name] = tops
		return nil
	})
}

func mappingValue(v any) bool {
	if list, ok := v.([]any); ok {
		return !slices.ContainsFunc(list, func(e any) bool { _, ok := Text(e); return !ok })
	}
	_, ok := Text(v)
	return ok
}

func (l *loader) conditions() error {
	l.t.Conditions = map[string]any{}
	return l.members("Conditions", "Condition", 0, func(name string, m map[string]any, _ []string) error {
		l.t.Conditions[name] = m
		return nil
	})
}

func (l *loader) rules() error {
	l.t.Rules = map[string]*Rule{}
	return l.members("Rules", "Rule", 0, func(name string, m map[string]any, path []string) error {
		if err := l.only(m, path, "Invalid template rule property '%s'", "RuleCondition", "Assertions"); err != nil {
			return err
		}
		r := &Rule{Name: name, Condition: m["RuleCondition"]}
		list, ok := m["Assertions"].([]any)
		if !ok || len(list) == 0 {
			return l.at.refuse(path, "Template format error: Every Rules member must contain a list of Assertions.")
		}
		for i, v := range list {
			path := append(path, "Assertions", strconv.Itoa(i))
			a, ok := v.(map[string]any)
			if !ok || a["Assert"] == nil {
				return l.at.refuse(path, "Template format error: Every Assertions member must contain an Assert function.")
			}
			if err := l.only(a, path, "Invalid template assertion property '%s'", "Assert", "AssertDescription"); err != nil {
				return err
			}
			description, err := l.text(a, "AssertDescription", path)
			if err != nil {
				return err
			}
			r.Assertions = append(r.Assertions, Assertion{Assert: a["Assert"], Description: description})
		}
		l.t.Rules[name] = r
		return nil
	})
}

// only refuses members by other names than those given.
func (l *loader) only(m map[string]any, path []string, format string, names ...string) error {
	for _, k := range sorted(m) {
		if !slices.Contains(names, k) {
			return l.at.refuse(append(path, k), format, k)
		}
	}
	return nil
}

func (l *loader) resources() error {
	if section, _ := l.root["Resources"].(map[string]any); l.root["Resources"] == nil || section != nil && len(section) == 0 {
		return l.at.refuse([]string{"Resources"}, "Template format error: At least one Resources member must be defined.")
	}
	l.t.Resources = map[string]*Resource{}
	return l.members("Resources", "Resource", MaxResources, func(id string, m map[string]any, path []string) error {
		if _, taken := l.t.Parameters[id]; taken {
			return l.at.refuse(path, "Template format error: %s is the name of a parameter and of a resource; the names must differ.", id)
		}
		r := &Resource{ID: id}
		if m["Type"] == nil {
			return l.at.refuse(path, "Template format error: [/Resources/%s] Every Resources object must contain a Type member.", id)
		}
		var err error
		if r.Type, err = l.text(m, "Type", path); err != nil {
			return err
		}
		if r.Condition, err = l.text(m, "Condition", path); err != nil {
			return err
		}
		err = l.only(m, path, "Invalid template resource property '%s'", "Type", "Properties", "DependsOn", "Condition", "DeletionPolicy",
			"UpdateReplacePolicy", "Metadata", "CreationPolicy", "UpdatePolicy", "Version")
		if err != nil {
			return err
		}
		if v, given := m["Version"]; given {
			r.Version, _ = Text(v)
		}
		for _, part := range r.parts() {
			if *part.m, err = l.object(m, part.name, path); err != nil {
				return err
			}
		}
		if r.DependsOn, err = l.dependsOn(m, path); err != nil {
			return err
		}
		for _, name := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
			v, given := m[name]
			switch _, _, isCall := call(v); {
			case !given:
			case isCall && l.t.extensions:
				if r.policies == nil {
					r.policies = map[string]any{}
				}
				r.policies[name] = v
			default:
				if err := r.setPolicy(l.at, name, v, path); err != nil {
					return err
				}
			}
		}
		l.t.Resources[id] = r
		return nil
	})
}

func (l *loader) dependsOn(m map[string]any, path []string) ([]string, error) {
	v, given := m["DependsOn"]
	if !given {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var ids []string
	for _, e := range list {
		id, ok := e.(string)
		if !ok {
			return nil, l.at.refuse(append(path, "DependsOn"), "Template format error: DependsOn must be a string or list of strings.")
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// setPolicy sets DeletionPolicy or UpdateReplacePolicy.
func (r *Resource) setPolicy(at atlas, name string, v any, path []string) error {
	text, ok := v.(string)
	path = append(path, name)
	switch {
	case !ok:
		return at.refuse(path, "Template format error: every %s member must be a string.", name)
	case !slices.Contains([]string{"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"}, text),
		name == "UpdateReplacePolicy" && text == "RetainExceptOnCreate":
		return at.refuse(path, "Template format error: Unrecognized %s %s for resource %s", name, text, r.ID)
	case name == "DeletionPolicy":
		r.DeletionPolicy = text
	default:
		r.UpdateReplacePolicy = text
	}
	return nil
}

func (l *loader) outputs() error {
	l.t.Outputs = map[string]*Output{}
	return l.members("Outputs", "Outputs", MaxOutputs, func(name string, m map[string]any, path []string) error {
		o := &Output{Name: name, Value: m["Value"]}
		if o.Value == nil {
			return l.at.refuse(path, "Template format error: Every Outputs member must contain a Value object")
		}
		if err := l.only(m, path, "Template format error: Invalid outputs property : [%s]", "Value", "Description", "Condition", "Export"); err != nil {
			return err
		}
		var err error
		if o.Description, err = l.description(m, append(path, "Description")); err != nil {
			return err
		}
		if o.Condition, err = l.text(m, "Condition", path); err != nil {
			return err
		}
		export, err := l.object(m, "Export", path)
		if err != nil {
			return err
		}
		if export != nil {
			path := append(path, "Export")
			if err := l.only(export, path, "Template format error: Invalid Export property : [%s]", "Name"); err != nil {
				return err
			}
			if o.ExportName = export["Name"]; o.ExportName == nil {
				return l.at.refuse(path, "Template format error: Output %s is malformed. The Name field of every Export member must be specified and consist only of alphanumeric characters, colons, or hyphens.", name)
			}
		}
		l.t.Outputs[name] = o
		return nil
	})
}
