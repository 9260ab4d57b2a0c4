package template

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
)

// Unknown is a value that will be known when a resource has been made. A function
// of it is Unknown as well; objects and lists just hold it.
type Unknown struct{}

// A Lookup answers for what exists outside the template. Each may answer Unknown{}.
type Lookup interface {
	Ref(id string) (any, error)
	GetAtt(id, attribute string) (any, error)
	Import(ctx context.Context, name string) (any, error)
}

// noValue is what AWS::NoValue becomes until the place that it stands in is removed.
type noValue struct{}

// Properties evaluates a resource's properties. Dynamic references stay as they are.
func (b *Bound) Properties(ctx context.Context, id string, l Lookup) (map[string]any, error) {
	v, err := (&evaluation{b: b, ctx: ctx, lookup: l}).value(b.Resource(id).Properties)
	if err != nil {
		return nil, b.located(err, "Resources", id, "Properties")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, b.t.fail([]string{"Resources", id, "Properties"}, "[/Resources/%s/Properties] 'Properties' must be an object", id)
	}
	return m, nil
}

// Metadata evaluates a resource's metadata; nil if it has none.
func (b *Bound) Metadata(ctx context.Context, id string, l Lookup) (any, error) {
	v, err := (&evaluation{b: b, ctx: ctx, lookup: l}).value(b.Resource(id).Metadata)
	return v, b.located(err, "Resources", id, "Metadata")
}

// An OutputValue is an output that was evaluated. What is not known yet is empty.
type OutputValue struct{ Name, Value, Description, Export string }

// Outputs evaluates the outputs whose conditions hold, by their names.
func (b *Bound) Outputs(ctx context.Context, l Lookup) ([]OutputValue, error) {
	var out []OutputValue
	for _, o := range b.outputs {
		e := &evaluation{b: b, ctx: ctx, lookup: l}
		v := OutputValue{Name: o.Name, Description: o.Description}
		var err error
		if v.Value, err = e.string(o.Value, "Template format error: Output "+o.Name+" is malformed: its Value must be a String"); err != nil {
			return nil, b.located(err, "Outputs", o.Name, "Value")
		}
		if o.Export != nil {
			if v.Export, err = e.string(o.Export, "Template format error: Output "+o.Name+" is malformed: the Name of its Export must be a String"); err != nil {
				return nil, b.located(err, "Outputs", o.Name, "Export")
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// An evaluation replaces the functions in values by what they come to.
type evaluation struct {
	b      *Bound
	ctx    context.Context
	lookup Lookup // nil: in Conditions
}

func (e *evaluation) string(v any, complaint string) (string, error) {
	got, err := e.value(v)
	if err != nil || HasUnknown(got) {
		return "", err
	}
	s, err := text(got)
	if err != nil {
		return "", problem("%s", complaint)
	}
	return s, nil
}

func (e *evaluation) value(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		out := make([]any, 0, len(v))
		for _, x := range v {
			y, err := e.value(x)
			if err != nil {
				return nil, err
			}
			if _, none := y.(noValue); !none {
				out = append(out, y)
			}
		}
		return out, nil
	case map[string]any:
		if name, arg, is := function(v); is {
			return e.function(name, arg)
		}
		out := make(map[string]any, len(v))
		for _, k := range sorted(v) {
			y, err := e.value(v[k])
			if err != nil {
				return nil, err
			}
			if _, none := y.(noValue); !none {
				out[k] = y
			}
		}
		return out, nil
	}
	return v, nil
}

func (e *evaluation) function(name string, arg any) (any, error) {
	if wrong := functions[name].form(arg); wrong != "" {
		return nil, problem("%s", wrong)
	}
	switch name {
	case "Ref":
		return e.ref(arg.(string))
	case "Condition":
		return map[string]any{name: arg}, nil // policy documents have members of that name
	case "Fn::GetAtt":
		list := arg.([]any)
		attribute, err := e.value(list[1])
		if err != nil {
			return nil, err
		}
		a, err := text(attribute)
		if err != nil {
			return nil, problem("Template error: the attribute of Fn::GetAtt of %s must be a text", list[0])
		}
		return e.attribute(list[0].(string), a)
	case "Fn::Sub":
		return e.sub(arg)
	case "Fn::If":
		branch, err := e.b.branch(arg)
		if err != nil {
			return nil, err
		}
		return e.value(branch)
	case "Fn::FindInMap":
		return e.findInMap(arg.([]any))
	case "Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals":
		return e.b.truth(e.ctx, map[string]any{name: arg}, map[string]bool{})
	}
	v, err := e.value(arg)
	if err != nil {
		return nil, err
	}
	if name == "Fn::Select" || name == "Fn::ToJsonString" {
		return e.lazy(name, v)
	}
	if HasUnknown(v) {
		return Unknown{}, nil
	}
	switch name {
	case "Fn::Join":
		return join(v.([]any))
	case "Fn::Split":
		list := v.([]any)
		s, err := text(list[1])
		if err != nil {
			return nil, problem("%s", splitForm(nil))
		}
		out := []any{}
		for part := range strings.SplitSeq(s, list[0].(string)) {
			out = append(out, part)
		}
		return out, nil
	case "Fn::Base64":
		s, err := text(v)
		if err != nil {
			return nil, problem("Template error: every Fn::Base64 object must have a String-typed value.")
		}
		return base64.StdEncoding.EncodeToString([]byte(s)), nil
	case "Fn::Cidr":
		return cidr(v.([]any))
	case "Fn::GetAZs":
		region, err := text(v)
		if err != nil {
			return nil, problem("Template error: Fn::GetAZs requires a String-typed value: a Region")
		}
		if region == "" {
			region = e.b.scope.Region
		}
		return []any{region + "a", region + "b", region + "c"}, nil
	case "Fn::ImportValue":
		s, err := text(v)
		if err != nil || e.lookup == nil {
			return nil, problem("Template error: the attribute in Fn::ImportValue must be a string or a function that returns a string")
		}
		return e.lookup.Import(e.ctx, s)
	case "Fn::Length":
		list, ok := v.([]any)
		if !ok {
			return nil, problem("Template error: Fn::Length requires a list")
		}
		return json.Number(strconv.Itoa(len(list))), nil
	}
	return nil, problem("Template error: %s is not built in this version of Countersign", name)
}

// lazy are functions that need not know all of their argument.
func (e *evaluation) lazy(name string, v any) (any, error) {
	if name == "Fn::ToJsonString" {
		if HasUnknown(v) {
			return Unknown{}, nil
		}
		switch v.(type) {
		case map[string]any, []any:
			return string(JSON(v)), nil
		}
		return nil, problem("Template error: Fn::ToJsonString requires an object or a list")
	}
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		return nil, problem("Template error: Fn::Select requires a list argument with two elements: an integer index and a list")
	}
	if HasUnknown(pair[0]) {
		return Unknown{}, nil
	}
	at, err := text(pair[0])
	if err != nil {
		return nil, problem("Template error: Fn::Select requires an integer as its first element")
	}
	n, err := strconv.Atoi(at)
	if err != nil {
		return nil, problem("Template error: Fn::Select requires an integer as its first element, not %q", at)
	}
	if _, unknown := pair[1].(Unknown); unknown {
		return Unknown{}, nil
	}
	list, ok := pair[1].([]any)
	if !ok {
		return nil, problem("Template error: Fn::Select requires a list as its second element")
	}
	if n < 0 || n >= len(list) {
		return nil, problem("Template error: Fn::Select cannot select nonexistent value at index %d", n)
	}
	return list[n], nil
}

func (e *evaluation) ref(name string) (any, error) {
	s := e.b.scope
	switch name {
	case "AWS::AccountId":
		return s.Account, nil
	case "AWS::Region":
		return s.Region, nil
	case "AWS::Partition":
		return s.Partition, nil
	case "AWS::URLSuffix":
		if s.Partition == "aws-cn" {
			return "amazonaws.com.cn", nil
		}
		return "amazonaws.com", nil
	case "AWS::StackId":
		return s.StackID, nil
	case "AWS::StackName":
		return s.StackName, nil
	case "AWS::NoValue":
		return noValue{}, nil
	case "AWS::NotificationARNs":
		out := []any{}
		for _, a := range s.NotificationARNs {
			out = append(out, a)
		}
		return out, nil
	}
	if v, ok := s.Arguments.values[name]; ok {
		return v, nil
	}
	if e.b.Resource(name) == nil || e.lookup == nil {
		return nil, problem("Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", name)
	}
	return e.lookup.Ref(name)
}

func (e *evaluation) attribute(id, name string) (any, error) {
	if e.b.Resource(id) == nil || e.lookup == nil {
		return nil, problem("Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", id)
	}
	return e.lookup.GetAtt(id, name)
}

func (e *evaluation) sub(arg any) (any, error) {
	body, given := subParts(arg)
	local := map[string]any{}
	for _, k := range sorted(given) {
		v, err := e.value(given[k])
		if err != nil {
			return nil, err
		}
		local[k] = v
	}
	var out strings.Builder
	unknown := false
	for {
		start := strings.Index(body, "${")
		if start < 0 {
			break
		}
		end := strings.IndexByte(body[start:], '}')
		if end < 0 {
			break
		}
		out.WriteString(body[:start])
		name := body[start+2 : start+end]
		body = body[start+end+1:]
		if literal, is := strings.CutPrefix(name, "!"); is {
			out.WriteString("${" + literal + "}")
			continue
		}
		name = strings.TrimSpace(name)
		v, is := local[name]
		if !is {
			var err error
			if id, attribute, dotted := strings.Cut(name, "."); dotted {
				v, err = e.attribute(id, attribute)
			} else {
				v, err = e.ref(name)
			}
			if err != nil {
				return nil, err
			}
		}
		if HasUnknown(v) {
			unknown = true
			continue
		}
		s, err := text(v)
		if err != nil {
			return nil, problem("Template error: Fn::Sub expression does not resolve to a string: ${%s}", name)
		}
		out.WriteString(s)
	}
	if unknown {
		return Unknown{}, nil
	}
	return out.String() + body, nil
}

func (e *evaluation) findInMap(arg []any) (any, error) {
	var keys [3]string
	for i := range keys {
		v, err := e.value(arg[i])
		if err != nil {
			return nil, err
		}
		if keys[i], err = text(v); err != nil {
			return nil, problem("Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value")
		}
	}
	if top, ok := e.b.t.mappings[keys[0]].(map[string]any); ok {
		if second, ok := top[keys[1]].(map[string]any); ok {
			if v, ok := second[keys[2]]; ok {
				return v, nil
			}
		}
	}
	if len(arg) == 4 {
		if m, ok := arg[3].(map[string]any); ok && len(m) == 1 && e.b.t.extended {
			if v, ok := m["DefaultValue"]; ok {
				return e.value(v)
			}
		}
		return nil, problem("Template error: the fourth parameter of Fn::FindInMap is {DefaultValue: …}, and needs the transform AWS::LanguageExtensions")
	}
	return nil, problem("Template error: Unable to get mapping for %s::%s::%s", keys[0], keys[1], keys[2])
}

func join(pair []any) (any, error) {
	list, ok := pair[1].([]any)
	if !ok {
		return nil, problem("%s", joinForm(nil))
	}
	parts := make([]string, len(list))
	for i, v := range list {
		var err error
		if parts[i], err = text(v); err != nil {
			return nil, problem("%s", joinForm(nil))
		}
	}
	return strings.Join(parts, pair[0].(string)), nil
}

// HasUnknown reports whether a value holds something that is not known yet.
func HasUnknown(v any) bool {
	switch v := v.(type) {
	case Unknown:
		return true
	case []any:
		for _, e := range v {
			if HasUnknown(e) {
				return true
			}
		}
	case map[string]any:
		for _, e := range v {
			if HasUnknown(e) {
				return true
			}
		}
	}
	return false
}
