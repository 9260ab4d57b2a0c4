package template

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxParameterValue = 4096 // bytes

// A Parameter is one that a template declares.
type Parameter struct {
	Name, Type, Description string
	Default                 *string
	AllowedValues           []string
	AllowedPattern          string
	ConstraintDescription   string
	MinLength, MaxLength    *int
	MinValue, MaxValue      *float64
	NoEcho                  bool

	pattern *regexp.Regexp
}

// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
var parameterType = regexp.MustCompile(`^(String|Number|CommaDelimitedList|List<(Number|String|AWS::[A-Za-z0-9]+::[A-Za-z0-9:]+)>|AWS::SSM::Parameter::Name|AWS::SSM::Parameter::Value<(String|CommaDelimitedList|List<String>|AWS::[A-Za-z0-9]+::[A-Za-z0-9:]+|List<AWS::[A-Za-z0-9]+::[A-Za-z0-9:]+>)>|AWS::[A-Za-z0-9]+::[A-Za-z0-9:]+)$`)

func (t *Template) loadParameters(root map[string]any) error {
	m, err := t.section(root, "Parameters", maxParameters)
	if err != nil {
		return err
	}
	for _, name := range sorted(m) {
		path := []string{"Parameters", name}
		body, ok := m[name].(map[string]any)
		if !ok {
			return t.fail(path, "Every Parameters object must be an object with a Type.")
		}
		p := &Parameter{Name: name}
		for _, key := range sorted(body) {
			if err := p.set(key, body[key]); err != nil {
				return t.fail(append(path, key), "Parameter '%s': %v", name, err)
			}
		}
		if !parameterType.MatchString(p.Type) {
			return t.fail(append(path, "Type"), "Unrecognized parameter type: %s", strconv.Quote(p.Type))
		}
		if p.Default != nil && !p.fetched() {
			if problem := p.check(*p.Default); problem != "" {
				return t.fail(append(path, "Default"), "Parameter '%s': the Default does not meet the constraints: %s", name, problem)
			}
		}
		t.Parameters = append(t.Parameters, p)
	}
	return nil
}

// set takes over one member of a parameter's declaration.
func (p *Parameter) set(key string, v any) error {
	if key == "AllowedValues" {
		list, ok := v.([]any)
		if !ok {
			return fmt.Errorf("AllowedValues must be a list")
		}
		for _, e := range list {
			s, err := text(e)
			if err != nil {
				return fmt.Errorf("AllowedValues must be a list of texts")
			}
			p.AllowedValues = append(p.AllowedValues, s)
		}
		return nil
	}
	s, err := text(v)
	if err != nil {
		return fmt.Errorf("%s must be a text", key)
	}
	switch key {
	case "Type":
		p.Type = s
	case "Description":
		p.Description = s
	case "Default":
		p.Default = &s
	case "AllowedPattern":
		p.AllowedPattern = s
		if p.pattern, err = regexp.Compile(`^(?:` + s + `)$`); err != nil {
			return fmt.Errorf("AllowedPattern is not a regular expression that can be used here: %w", err)
		}
	case "ConstraintDescription":
		p.ConstraintDescription = s
	case "NoEcho":
		p.NoEcho = strings.EqualFold(s, "true")
	case "MinLength", "MaxLength":
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return fmt.Errorf("%s must be a whole number", key)
		}
		if key == "MinLength" {
			p.MinLength = &n
		} else {
			p.MaxLength = &n
		}
	case "MinValue", "MaxValue":
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("%s must be a number", key)
		}
		if key == "MinValue" {
			p.MinValue = &n
		} else {
			p.MaxValue = &n
		}
	default:
		return fmt.Errorf("encountered unsupported property %s", key)
	}
	return nil
}

// fetched reports whether the value names an SSM parameter whose value counts.
func (p *Parameter) fetched() bool { return strings.HasPrefix(p.Type, "AWS::SSM::Parameter::Value<") }

// list reports whether the value is a list, written with commas.
func (p *Parameter) list() bool {
	of := p.Type
	if p.fetched() {
		of = strings.TrimSuffix(strings.TrimPrefix(of, "AWS::SSM::Parameter::Value<"), ">")
	}
	return of == "CommaDelimitedList" || strings.HasPrefix(of, "List<")
}

func (p *Parameter) items(s string) []string {
	var out []string
	for e := range strings.SplitSeq(s, ",") {
		out = append(out, strings.TrimSpace(e))
	}
	return out
}

// check says how a value breaks the parameter's constraints, in CloudFormation's words; "" if it does not.
func (p *Parameter) check(s string) string {
	described := func(problem string) string {
		if p.ConstraintDescription != "" {
			return fmt.Sprintf("Parameter %s failed to satisfy constraint: %s", p.Name, p.ConstraintDescription)
		}
		return problem
	}
	if len(s) > maxParameterValue {
		return fmt.Sprintf("Parameter '%s' must contain at most %d characters", p.Name, maxParameterValue)
	}
	values := []string{s}
	if p.list() {
		values = p.items(s)
	}
	for _, v := range values {
		if strings.Contains(p.Type, "Number") {
			n, err := strconv.ParseFloat(v, 64)
			if err != nil {
				return fmt.Sprintf("Parameter '%s' must be a number.", p.Name)
			}
			if p.MinValue != nil && n < *p.MinValue {
				return described(fmt.Sprintf("Parameter '%s' must be a number not less than %v", p.Name, *p.MinValue))
			}
			if p.MaxValue != nil && n > *p.MaxValue {
				return described(fmt.Sprintf("Parameter '%s' must be a number not greater than %v", p.Name, *p.MaxValue))
			}
		}
		if p.AllowedValues != nil && !slices.Contains(p.AllowedValues, v) {
			return described(fmt.Sprintf("Parameter '%s' must be one of AllowedValues", p.Name))
		}
		if p.pattern != nil && !p.pattern.MatchString(v) {
			return described(fmt.Sprintf("Parameter '%s' must match pattern %s", p.Name, p.AllowedPattern))
		}
	}
	n := utf8.RuneCountInString(s)
	if p.MinLength != nil && n < *p.MinLength {
		return described(fmt.Sprintf("Parameter '%s' must contain at least %d characters", p.Name, *p.MinLength))
	}
	if p.MaxLength != nil && n > *p.MaxLength {
		return described(fmt.Sprintf("Parameter '%s' must contain at most %d characters", p.Name, *p.MaxLength))
	}
	return ""
}

// Arguments are the values of a template's parameters. The zero value is that of a template without any.
type Arguments struct {
	given  map[string]string
	values map[string]any // string or []any of strings
}

// Text is a value as it is shown: lists with commas.
func (a Arguments) Text(name string) string {
	switch v := a.values[name].(type) {
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = e.(string)
		}
		return strings.Join(parts, ",")
	}
	return ""
}

// Given is a value as it was given, or the default: of an SSM parameter its name.
func (a Arguments) Given(name string) string { return a.given[name] }

// Arguments checks the values that were given for the template's parameters and
// adds defaults. Fetch reads the SSM parameter that a value names; its errors are passed on.
func (t *Template) Arguments(ctx context.Context, given map[string]string, fetch func(ctx context.Context, parameter, name string) (string, error)) (Arguments, error) {
	var unknown, missing []string
	for _, name := range sorted(given) {
		if t.parameter(name) == nil {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return Arguments{}, &Error{Message: fmt.Sprintf("Parameters: [%s] do not exist in the template", strings.Join(unknown, ", "))}
	}
	a := Arguments{given: map[string]string{}, values: map[string]any{}}
	for _, p := range t.Parameters {
		s, ok := given[p.Name]
		if !ok {
			if p.Default == nil {
				missing = append(missing, p.Name)
				continue
			}
			s = *p.Default
		}
		a.given[p.Name] = s
		if problem := p.check(s); problem != "" && !p.fetched() {
			return Arguments{}, &Error{Position: t.at("Parameters", p.Name), Message: problem}
		}
		if p.fetched() {
			var err error
			if s, err = fetch(ctx, p.Name, s); err != nil {
				return Arguments{}, err
			}
		}
		if p.list() {
			list := []any{}
			for _, e := range p.items(s) {
				list = append(list, e)
			}
			a.values[p.Name] = list
			continue
		}
		a.values[p.Name] = s
	}
	if len(missing) > 0 {
		return Arguments{}, &Error{Message: fmt.Sprintf("Parameters: [%s] must have values", strings.Join(missing, ", "))}
	}
	return a, nil
}
