package template

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Limits of a template.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const (
	maxResources   = 500
	maxParameters  = 200
	maxOutputs     = 200
	maxMappings    = 200
	maxDescription = 1024
	maxName        = 255
)

const formatVersion = "2010-09-09"

// A Template is one whose form was checked. It is not changed, and may be shared.
type Template struct {
	Description string
	Transforms  []string
	Parameters  []*Parameter // by name
	Resources   []*Resource  // by id
	Outputs     []*Output    // by name

	mappings   map[string]any
	conditions map[string]any
	rules      map[string]any
	extended   bool // AWS::LanguageExtensions
	at         func(path ...string) Position
}

// A Resource as the template has it.
type Resource struct {
	ID, Type            string
	Condition           string
	DependsOn           []string
	Properties          map[string]any // intrinsic functions and all
	Metadata            any
	DeletionPolicy      string // "" is Delete
	UpdateReplacePolicy string
}

// An Output as the template has it.
type Output struct {
	Name, Description, Condition string
	Value, Export                any
}

var (
	logicalID = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	sections  = []string{"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings", "Conditions", "Transform", "Resources", "Outputs", "Hooks"}
	policies  = map[string][]string{
		"DeletionPolicy":      {"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"},
		"UpdateReplacePolicy": {"Delete", "Retain", "Snapshot"},
	}
	attributes = []string{"Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata", "CreationPolicy", "UpdatePolicy"}
)

// Load checks the form of a tree that transforms have been applied to. At finds
// positions for errors; nil: they name none. Every error is an *Error.
func Load(root map[string]any, at func(path ...string) Position) (*Template, error) {
	t, err := LoadParts(root, at)
	if err != nil {
		return nil, err
	}
	return t, t.checkReferences()
}

// LoadParts is Load without looking where references lead: for a template before its transform.
func LoadParts(root map[string]any, at func(path ...string) Position) (*Template, error) {
	if at == nil {
		at = func(...string) Position { return Position{} }
	}
	t := &Template{at: at, Transforms: Transforms(root)}
	t.extended = slices.Contains(t.Transforms, "AWS::LanguageExtensions")
	for _, name := range sorted(root) {
		if !slices.Contains(sections, name) {
			return nil, t.fail([]string{name}, "Invalid template property or properties [%s]", name)
		}
	}
	if v, ok := root["AWSTemplateFormatVersion"]; ok {
		if s, err := text(v); err != nil || s != formatVersion {
			return nil, t.fail([]string{"AWSTemplateFormatVersion"}, "Template format version not supported: it must be %s", formatVersion)
		}
	}
	if v, ok := root["Description"]; ok {
		s, err := text(v)
		if err != nil || len(s) > maxDescription {
			return nil, t.fail([]string{"Description"}, "Description must be a text of at most %d bytes", maxDescription)
		}
		t.Description = s
	}
	if _, ok := root["Hooks"]; ok {
		return nil, t.fail([]string{"Hooks"}, "the section Hooks is not built in this version of Countersign; leave it out")
	}
	for _, section := range []struct {
		name string
		into *map[string]any
		most int
	}{{"Mappings", &t.mappings, maxMappings}, {"Conditions", &t.conditions, 0}, {"Rules", &t.rules, 0}} {
		m, err := t.section(root, section.name, section.most)
		if err != nil {
			return nil, err
		}
		*section.into = m
	}
	for _, load := range []func(map[string]any) error{t.loadParameters, t.loadMappings, t.loadResources, t.loadOutputs} {
		if err := load(root); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Template) fail(path []string, format string, args ...any) *Error {
	e := formatError(t.at(path...), format, args...)
	e.Path = slices.Clone(path)
	return e
}

// section gives a section that is an object of named things.
func (t *Template) section(root map[string]any, name string, most int) (map[string]any, error) {
	v, ok := root[name]
	if !ok || v == nil && name != "Resources" {
		return nil, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, t.fail([]string{name}, "[/%s] '%s' must be an object", name, name)
	}
	if most > 0 && len(m) > most {
		return nil, t.fail([]string{name}, "Number of %s, %d, is greater than maximum allowed, %d", strings.ToLower(name), len(m), most)
	}
	for _, key := range sorted(m) {
		if name != "Rules" && !logicalID.MatchString(key) || len(key) > maxName {
			return nil, t.fail([]string{name, key}, "%s name '%s' is non alphanumeric.", strings.TrimSuffix(name, "s"), key)
		}
	}
	return m, nil
}

func (t *Template) loadMappings(map[string]any) error {
	for _, name := range sorted(t.mappings) {
		top, ok := t.mappings[name].(map[string]any)
		if !ok {
			return t.fail([]string{"Mappings", name}, "Every Mappings member %s must be a map", name)
		}
		for _, key := range sorted(top) {
			second, ok := top[key].(map[string]any)
			if !ok {
				return t.fail([]string{"Mappings", name, key}, "Every Mappings attribute must be a String or a List.")
			}
			for _, leaf := range sorted(second) {
				switch v := second[leaf].(type) {
				case map[string]any, nil:
					return t.fail([]string{"Mappings", name, key, leaf}, "Every Mappings attribute must be a String or a List.")
				case []any:
					for _, e := range v {
						if _, err := text(e); err != nil {
							return t.fail([]string{"Mappings", name, key, leaf}, "Every Mappings attribute must be a String or a List.")
						}
					}
				}
			}
		}
	}
	return nil
}

func (t *Template) loadResources(root map[string]any) error {
	m, err := t.section(root, "Resources", maxResources)
	if err != nil {
		return err
	}
	if len(m) == 0 {
		return t.fail([]string{"Resources"}, "At least one Resources member must be defined.")
	}
	for _, id := range sorted(m) {
		path := []string{"Resources", id}
		body, ok := m[id].(map[string]any)
		if !ok {
			if id == "Fn::ForEach" || strings.HasPrefix(id, "Fn::") {
				return t.fail(path, "%s is not built in this version of Countersign", id)
			}
			return t.fail(path, "[/Resources/%s] resource definition is malformed", id)
		}
		r := &Resource{ID: id, Metadata: body["Metadata"]}
		for _, name := range sorted(body) {
			if !slices.Contains(attributes, name) {
				return t.fail(append(path, name), "Invalid template resource property '%s'", name)
			}
			if name == "CreationPolicy" || name == "UpdatePolicy" {
				return t.fail(append(path, name), "%s is not built in this version of Countersign; leave it out", name)
			}
		}
		if r.Type, ok = body["Type"].(string); !ok || r.Type == "" {
			return t.fail(append(path, "Type"), "[/Resources/%s] Every Resources object must contain a Type member.", id)
		}
		switch p := body["Properties"].(type) {
		case nil:
			r.Properties = map[string]any{}
		case map[string]any:
			r.Properties = p
		default:
			return t.fail(append(path, "Properties"), "[/Resources/%s/Properties] 'Properties' must be an object", id)
		}
		if v, ok := body["Condition"]; ok {
			if r.Condition, ok = v.(string); !ok {
				return t.fail(append(path, "Condition"), "Every Condition member must be a string.")
			}
		}
		if r.DependsOn, err = t.dependsOn(path, body["DependsOn"]); err != nil {
			return err
		}
		for name, into := range map[string]*string{"DeletionPolicy": &r.DeletionPolicy, "UpdateReplacePolicy": &r.UpdateReplacePolicy} {
			v, given := body[name]
			if !given {
				continue
			}
			s, ok := v.(string)
			if !ok || !slices.Contains(policies[name], s) {
				return t.fail(append(path, name), "Unrecognized %s %v for resource '%s'", name, v, id)
			}
			if *into = s; s == "Delete" {
				*into = ""
			}
		}
		t.Resources = append(t.Resources, r)
	}
	return nil
}

func (t *Template) dependsOn(path []string, v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		var out []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, t.fail(append(path, "DependsOn"), "Every DependsOn value must be a string or list of strings.")
			}
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
		return out, nil
	}
	return nil, t.fail(append(path, "DependsOn"), "DependsOn must be a string or list of strings.")
}

func (t *Template) loadOutputs(root map[string]any) error {
	m, err := t.section(root, "Outputs", maxOutputs)
	if err != nil {
		return err
	}
	for _, name := range sorted(m) {
		path := []string{"Outputs", name}
		body, ok := m[name].(map[string]any)
		if !ok {
			return t.fail(path, "Every Outputs member must be an object.")
		}
		o := &Output{Name: name, Value: body["Value"]}
		for _, key := range sorted(body) {
			v := body[key]
			switch key {
			case "Value":
			case "Description":
				if o.Description, err = text(v); err != nil {
					return t.fail(append(path, key), "The Description of output %s must be a text", name)
				}
			case "Condition":
				if o.Condition, ok = v.(string); !ok {
					return t.fail(append(path, key), "Every Condition member must be a string.")
				}
			case "Export":
				e, ok := v.(map[string]any)
				if !ok || len(e) != 1 || e["Name"] == nil {
					return t.fail(append(path, key), "Output %s is malformed: Export must have a Name and nothing else", name)
				}
				o.Export = e["Name"]
			default:
				return t.fail(append(path, key), "[/Outputs/%s] encountered unsupported property %s", name, key)
			}
		}
		if o.Value == nil {
			return t.fail(path, "[/Outputs/%s] 'Value' must be given and not be null", name)
		}
		t.Outputs = append(t.Outputs, o)
	}
	return nil
}

func (t *Template) parameter(name string) *Parameter {
	for _, p := range t.Parameters {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func (t *Template) resource(id string) *Resource {
	i, ok := slices.BinarySearchFunc(t.Resources, id, func(r *Resource, id string) int { return strings.Compare(r.ID, id) })
	if !ok {
		return nil
	}
	return t.Resources[i]
}

// checkReferences follows every reference, and looks for functions that are not well-formed.
func (t *Template) checkReferences() error {
	c := checker{t: t}
	for _, r := range t.Resources {
		path := []string{"Resources", r.ID}
		c.within(&c.resources, func() {
			c.value(append(path, "Properties"), r.Properties)
			c.value(append(path, "Metadata"), r.Metadata)
			for _, id := range r.DependsOn {
				if t.resource(id) == nil {
					c.missing(id)
				}
			}
		})
		c.condition(append(path, "Condition"), r.Condition)
	}
	for _, o := range t.Outputs {
		path := []string{"Outputs", o.Name}
		c.within(&c.outputs, func() {
			c.value(append(path, "Value"), o.Value)
			c.value(append(path, "Export"), o.Export)
		})
		c.condition(append(path, "Condition"), o.Condition)
	}
	for _, name := range sorted(t.conditions) {
		c.onlyParameters = true
		c.within(&c.conditions, func() { c.value([]string{"Conditions", name}, t.conditions[name]) })
		c.onlyParameters = false
	}
	if c.err != nil {
		return c.err
	}
	for _, block := range []struct {
		name    string
		missing []string
	}{{"Resources", c.resources}, {"Outputs", c.outputs}, {"Conditions", c.conditions}} {
		if len(block.missing) == 0 {
			continue
		}
		slices.Sort(block.missing)
		text := fmt.Sprintf("Unresolved resource dependencies [%s] in the %s block of the template", strings.Join(slices.Compact(block.missing), ", "), block.name)
		if block.name == "Outputs" {
			return &Error{Position: t.at(block.name), Message: text} // without the prefix: so it was recorded
		}
		return t.fail([]string{block.name}, "%s", text)
	}
	return nil
}

// A checker walks values that are not evaluated yet.
type checker struct {
	t                              *Template
	resources, outputs, conditions []string // names that lead nowhere, by block
	into                           *[]string
	onlyParameters                 bool
	err                            error // the first
}

func (c *checker) within(into *[]string, walk func()) { c.into = into; walk() }

func (c *checker) missing(name string) { *c.into = append(*c.into, name) }

func (c *checker) fail(path []string, format string, args ...any) {
	if c.err == nil {
		c.err = c.t.fail(path, format, args...)
	}
}

func (c *checker) condition(path []string, name string) {
	if name != "" && c.t.conditions[name] == nil {
		c.fail(path, "Unresolved condition dependency %s in the %s block of the template", name, path[0])
	}
}

func (c *checker) value(path []string, v any) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			c.value(append(path, fmt.Sprint(i)), e)
		}
	case map[string]any:
		if name, arg, is := function(v); is {
			c.function(append(path, name), name, arg)
			return
		}
		for _, k := range sorted(v) {
			if len(v) == 1 && strings.HasPrefix(k, "Fn::") {
				c.fail(append(path, k), "%s is not a function that CloudFormation knows, or one that is not built in this version of Countersign", k)
				return
			}
			c.value(append(path, k), v[k])
		}
	}
}

func (c *checker) reference(name string) {
	if strings.HasPrefix(name, "AWS::") && pseudo(name) || c.t.parameter(name) != nil {
		return
	}
	if c.onlyParameters || c.t.resource(name) == nil {
		c.missing(name)
	}
}

func (c *checker) function(path []string, name string, arg any) {
	f := functions[name]
	if f.extension && !c.t.extended {
		c.fail(path, "%s needs the transform AWS::LanguageExtensions", name)
		return
	}
	if problem := f.form(arg); problem != "" {
		c.fail(path, "%s", problem)
		return
	}
	if c.onlyParameters && f.resourcesOnly {
		c.fail(path, "%s cannot be used in Conditions", name)
		return
	}
	switch name {
	case "Ref":
		c.reference(arg.(string))
	case "Condition":
		c.condition(path, arg.(string))
	case "Fn::GetAtt":
		list := arg.([]any)
		if c.t.resource(list[0].(string)) == nil {
			c.missing(list[0].(string))
		}
		c.value(path, list[1])
	case "Fn::Sub":
		body, given := subParts(arg)
		for _, part := range subNames(body) {
			if _, local := given[part]; local {
				continue
			}
			if id, _, isAttribute := strings.Cut(part, "."); isAttribute {
				if c.t.resource(id) == nil {
					c.missing(id)
				}
				continue
			}
			c.reference(part)
		}
		for _, k := range sorted(given) {
			c.value(append(path, k), given[k])
		}
	case "Fn::If":
		list := arg.([]any)
		c.condition(path, list[0].(string))
		c.value(path, list[1])
		c.value(path, list[2])
	case "Fn::FindInMap":
		list := arg.([]any)
		if m, ok := list[0].(string); ok && c.t.mappings[m] == nil && len(list) == 3 {
			c.fail(path, "Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", m)
		}
		c.value(path, arg)
	default:
		c.value(path, arg)
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
