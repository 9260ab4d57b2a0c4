package template

import (
	"regexp"
	"strconv"
	"strings"
)

// A Parameter is a member of the Parameters section.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
type Parameter struct {
	Name        string
	Type        string
	Description string
	Default     *string // nil: none
	NoEcho      bool

	AllowedValues         []string
	AllowedPattern        string
	ConstraintDescription string
	MinLength, MaxLength  *int
	MinValue, MaxValue    *float64
}

const (
	ssmValue = "AWS::SSM::Parameter::Value<"
	ssmName  = "AWS::SSM::Parameter::Name"
)

var number = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// numeric reads a number. What is too large for a float64 is none.
func numeric(text string) (float64, bool) {
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && number.MatchString(text)
}

// awsType are the types of things that exist in an account; that they exist is not checked.
var awsType = regexp.MustCompile(`^AWS::[A-Za-z0-9]+::[A-Za-z0-9]+(::[A-Za-z0-9]+)*$`)

// listOf is the type of a list type's elements.
func listOf(typ string) (element string, isList bool) {
	if typ == "CommaDelimitedList" {
		return "String", true
	}
	if inner, ok := strings.CutPrefix(typ, "List<"); ok && strings.HasSuffix(inner, ">") {
		return strings.TrimSuffix(inner, ">"), true
	}
	return typ, false
}

// fetched is the type of what the Parameter Store holds, of a type that says so.
func fetched(typ string) (string, bool) {
	inner, ok := strings.CutPrefix(typ, ssmValue)
	if !ok || !strings.HasSuffix(inner, ">") {
		return "", false
	}
	return strings.TrimSuffix(inner, ">"), true
}

func knownType(typ string) bool {
	if inner, ok := fetched(typ); ok {
		if inner == "Number" || inner == "List<Number>" {
			return false // the Parameter Store holds text
		}
		typ = inner
	}
	element, isList := listOf(typ)
	switch element {
	case "String", "Number":
		return true
	case ssmName:
		return !isList
	}
	return awsType.MatchString(element)
}

func (l *loader) parameters() error {
	l.t.Parameters = map[string]*Parameter{}
	return l.members("Parameters", "Parameter", MaxParameters, func(name string, m map[string]any, path []string) error {
		p := &Parameter{Name: name}
		if m["Type"] == nil {
			return l.at.refuse(path, "Template format error: Every Parameters object must contain a Type member.")
		}
		err := l.only(m, path, "Invalid template parameter property '%s'", "Type", "Default", "Description", "NoEcho", "AllowedValues", "AllowedPattern",
			"ConstraintDescription", "MinLength", "MaxLength", "MinValue", "MaxValue")
		if err != nil {
			return err
		}
		for _, f := range []struct {
			name string
			to   *string
		}{{"Type", &p.Type}, {"Description", &p.Description}, {"AllowedPattern", &p.AllowedPattern}, {"ConstraintDescription", &p.ConstraintDescription}} {
			if *f.to, err = l.text(m, f.name, path); err != nil {
				return err
			}
		}
		if !knownType(p.Type) {
			return l.at.refuse(append(path, "Type"), "Template format error: Unrecognized parameter type: %s", p.Type)
		}
		if len(p.Description) > maxParameterDescription {
			return l.at.refuse(append(path, "Description"), "Template format error: Parameter '%s' description length is greater than %d.", name, maxParameterDescription)
		}
		if v, given := m["Default"]; given {
			if p.Default, err = l.defaultValue(v, name, path); err != nil {
				return err
			}
		}
		if err := l.constraints(p, m, path); err != nil {
			return err
		}
		l.t.Parameters[name] = p
		return nil
	})
}

func (l *loader) defaultValue(v any, name string, path []string) (*string, error) {
	text, ok := Text(v)
	if !ok {
		return nil, l.at.refuse(append(path, "Default"), "Template format error: Every Default member must be a string.")
	}
	if len(text) > maxValueLength {
		return nil, l.at.refuse(append(path, "Default"), "Template format error: Parameter '%s' default value length is greater than %d.", name, maxValueLength)
	}
	return &text, nil
}

func (l *loader) constraints(p *Parameter, m map[string]any, path []string) error {
	if v, given := m["NoEcho"]; given {
		text, _ := Text(v)
		switch strings.ToLower(text) {
		case "true":
			p.NoEcho = true
		case "false":
		default:
			return l.at.refuse(append(path, "NoEcho"), "Template format error: NoEcho must be true or false.")
		}
	}
	if v, given := m["AllowedValues"]; given {
		list, ok := v.([]any)
		if !ok || len(list) == 0 {
			return l.at.refuse(append(path, "AllowedValues"), "Template format error: AllowedValues must be a list with at least one value.")
		}
		for i, e := range list {
			text, ok := Text(e)
			if !ok {
				return l.at.refuse(append(path, "AllowedValues", strconv.Itoa(i)), "Template format error: every AllowedValues member must be a string.")
			}
			p.AllowedValues = append(p.AllowedValues, text)
		}
	}
	for _, f := range []struct {
		name string
		to   **int
	}{{"MinLength", &p.MinLength}, {"MaxLength", &p.MaxLength}} {
		if v, given := m[f.name]; given {
			text, _ := Text(v)
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return l.at.refuse(append(path, f.name), "Template format error: %s must be an integer.", f.name)
			}
			*f.to = &n
		}
	}
	for _, f := range []struct {
		name string
		to   **float64
	}{{"MinValue", &p.MinValue}, {"MaxValue", &p.MaxValue}} {
		if v, given := m[f.name]; given {
			text, _ := Text(v)
			n, ok := numeric(text)
			if !ok {
				return l.at.refuse(append(path, f.name), "Template format error: %s must be a number.", f.name)
			}
			*f.to = &n
		}
	}
	return nil
}
