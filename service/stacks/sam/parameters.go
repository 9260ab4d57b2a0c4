package sam

import (
	"regexp"
	"strings"
)

// parameters are the values that a Ref or ${Name} may be replaced by: those given,
// the template's defaults, AWS::Region and AWS::Partition.
//
// Most references stay as they are for CloudFormation to resolve. Those whose
// values decide what is generated (the name of an alias, a custom domain,
// authorizers) are replaced, as AWS does.
type parameters struct {
	values map[string]any
	filled int // bytes of text made by filling in values
}

func newParameters(template object, in Input) *parameters {
	p := make(map[string]any, len(in.Parameters)+2)
	for name, definition := range asMap(template["Parameters"]) {
		if value, ok := asMap(definition)["Default"]; ok {
			p[name] = value
		}
	}
	p["AWS::Region"], p["AWS::Partition"] = in.Region, in.Partition
	for name, value := range in.Parameters {
		p[name] = value
	}
	return &parameters{values: p}
}

// lookup gives the value of a parameter. One that CloudFormation has yet to work out
// is passed to a transform in a marked form, and has no value here.
func (p *parameters) lookup(name string) (any, bool) {
	value, ok := p.values[name]
	if text, isText := value.(string); isText && strings.HasPrefix(text, "{{IntrinsicFunction:") {
		return nil, false
	}
	return value, ok
}

// variable is a reference in the text of Fn::Sub; ${!Literal} is none.
var variable = regexp.MustCompile(`\$\{([A-Za-z0-9.]+|AWS::[A-Z][A-Za-z]*)\}`)

// resolve copies a tree with the references to parameters replaced by values.
func (p *parameters) resolve(v any) (any, error) {
	name, arg := intrinsic(v)
	if name == "Ref" {
		if text, ok := arg.(string); ok {
			if value, ok := p.lookup(text); ok {
				return value, nil
			}
		}
		return v, nil
	}
	return p.resolveBelow(v)
}

// resolveBelow is resolve for what a value is made of; a value that is itself a Ref stays.
func (p *parameters) resolveBelow(v any) (any, error) {
	if name, arg := intrinsic(v); name == "Fn::Sub" {
		replaced, err := p.substitute(arg)
		if err != nil {
			return nil, err
		}
		if list, ok := replaced.([]any); ok && len(list) > 1 {
			if list[1], err = p.resolve(list[1]); err != nil {
				return nil, err
			}
		}
		return object{name: replaced}, nil
	}
	switch v := v.(type) {
	case object:
		out := make(object, len(v))
		for key, item := range v {
			resolved, err := p.resolve(item)
			if err != nil {
				return nil, err
			}
			out[key] = resolved
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			resolved, err := p.resolve(item)
			if err != nil {
				return nil, err
			}
			out[i] = resolved
		}
		return out, nil
	}
	return v, nil
}

// resolveMap is resolve for a property that has to be a mapping in the end.
func (p *parameters) resolveMap(id, name string, v any) (object, error) {
	if v == nil {
		return nil, nil
	}
	resolved, err := p.resolve(v)
	if err != nil {
		return nil, err
	}
	return of(id).mapping(name, resolved)
}

// substitute replaces the variables of an Fn::Sub that are parameters.
func (p *parameters) substitute(arg any) (any, error) {
	var err error
	replace := func(text string) string {
		return variable.ReplaceAllStringFunc(text, func(whole string) string {
			value, ok := p.lookup(whole[2 : len(whole)-1])
			if !ok || err != nil {
				return whole
			}
			replaced, isText := value.(string)
			if !isText {
				err = badDocument("Invalid Fn::Sub variable value %s. Fn::Sub expects all variables to be strings.", show(value))
				return whole
			}
			if p.filled += len(replaced); p.filled > maxSize {
				err = badDocument("Its values of parameters fill in to more than %d bytes.", maxSize)
				return whole
			}
			return replaced
		})
	}
	switch arg := arg.(type) {
	case string:
		return replace(arg), err
	case []any:
		out := append([]any(nil), arg...)
		if len(out) > 0 {
			if text, ok := out[0].(string); ok {
				out[0] = replace(text)
			}
		}
		return out, err
	}
	return arg, nil
}

// keepRef resolves what a value is made of, but not the value itself when it is a
// Ref: CloudFormation resolves that one.
func (p *parameters) keepRef(v any) (any, error) {
	if name, _ := intrinsic(v); name == "Ref" {
		return v, nil
	}
	return p.resolveBelow(v)
}
