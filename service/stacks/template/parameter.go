package template

import (
	"context"
	"fmt"
	"regexp"
	"slices"
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

// An Argument is the value of a parameter.
type Argument struct {
	Text     string // as given, or the default
	Resolved string // of the AWS::SSM::Parameter::Value types: what the store holds under that name
	Value    any    // what Ref gives: a string, or for list types a list of strings
	NoEcho   bool
}

// Arguments are the values of a template's parameters, by name.
type Arguments map[string]Argument

// A Fetch reads a parameter of the Parameter Store, a list as its members with
// commas between them.
type Fetch func(ctx context.Context, name string) (string, error)

const (
	ssmValue = "AWS::SSM::Parameter::Value<"
	ssmName  = "AWS::SSM::Parameter::Name"
)

var number = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

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
		if len(p.Description) > maxDescription*4 {
			return l.at.refuse(append(path, "Description"), "Template format error: Parameter '%s' description length is greater than %d.", name, maxDescription*4)
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
	for name, to := range map[string]**int{"MinLength": &p.MinLength, "MaxLength": &p.MaxLength} {
		if v, given := m[name]; given {
			text, _ := Text(v)
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return l.at.refuse(append(path, name), "Template format error: %s must be an integer.", name)
			}
			*to = &n
		}
	}
	for name, to := range map[string]**float64{"MinValue": &p.MinValue, "MaxValue": &p.MaxValue} {
		if v, given := m[name]; given {
			text, _ := Text(v)
			n, err := strconv.ParseFloat(text, 64)
			if err != nil || !number.MatchString(text) {
				return l.at.refuse(append(path, name), "Template format error: %s must be a number.", name)
			}
			*to = &n
		}
	}
	return nil
}

// Arguments judges the values that were given to the template's parameters, and
// adds the defaults of the others. fetch reads the Parameter Store for the types that ask for it; nil refuses
// them. Errors are of type *Error, with what fetch answered as their cause.
func (t *Template) Arguments(ctx context.Context, given map[string]string, fetch Fetch) (Arguments, error) {
	var unknown, missing []string
	for _, name := range sorted(given) {
		if t.Parameters[name] == nil {
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		return nil, t.at.refuse([]string{"Parameters"}, "Parameters: [%s] do not exist in the template", strings.Join(unknown, ", "))
	}
	for _, name := range sorted(t.Parameters) {
		if _, has := given[name]; !has && t.Parameters[name].Default == nil {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return nil, t.at.refuse([]string{"Parameters"}, "Parameters: [%s] must have values", strings.Join(missing, ", "))
	}
	args := Arguments{}
	for _, name := range sorted(t.Parameters) {
		p := t.Parameters[name]
		text, has := given[name]
		if !has {
			text = *p.Default
		}
		if err := p.check(text); err != nil {
			return nil, t.at.refuse([]string{"Parameters", name}, "%v", err)
		}
		a := Argument{Text: text, NoEcho: p.NoEcho}
		typ := p.Type
		if inner, ok := fetched(typ); ok {
			if fetch == nil {
				return nil, t.at.refuse([]string{"Parameters", name}, "Parameter '%s' has the type %s, and there is no Parameter Store to read", name, typ)
			}
			value, err := fetch(ctx, text)
			if err != nil {
				e := t.at.refuse([]string{"Parameters", name}, "Unable to fetch parameters [%s] from parameter store for this account: %v", text, err)
				e.Cause = err
				return nil, e
			}
			a.Resolved, text, typ = value, value, inner
		}
		a.Value = text
		if _, isList := listOf(typ); isList {
			a.Value = split(text)
		}
		args[name] = a
	}
	return args, nil
}

// split is the value of a list type.
func split(text string) []any {
	parts := strings.Split(text, ",")
	list := make([]any, len(parts))
	for i, p := range parts {
		list[i] = strings.TrimSpace(p)
	}
	return list
}

// check judges a value by the parameter's type and constraints.
func (p *Parameter) check(text string) error {
	if len(text) > maxValueLength {
		return fmt.Errorf("Parameter '%s' value length is greater than %d.", p.Name, maxValueLength)
	}
	element, isList := listOf(p.Type)
	values := []string{text}
	if isList {
		values = nil
		for _, v := range split(text) {
			values = append(values, v.(string))
		}
	}
	for _, v := range values {
		if err := p.checkElement(element, v); err != nil {
			return err
		}
	}
	return nil
}

func (p *Parameter) checkElement(typ, v string) error {
	switch {
	case typ == "Number":
		if !number.MatchString(v) {
			return fmt.Errorf("Parameter '%s' must be a number", p.Name)
		}
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return fmt.Errorf("Parameter '%s' must be a number", p.Name)
		}
		if p.MinValue != nil && n < *p.MinValue {
			return p.unfit("must be a number not less than %s", strconv.FormatFloat(*p.MinValue, 'f', -1, 64))
		}
		if p.MaxValue != nil && n > *p.MaxValue {
			return p.unfit("must be a number not greater than %s", strconv.FormatFloat(*p.MaxValue, 'f', -1, 64))
		}
	case typ != "String" && (v == "" || strings.ContainsAny(v, " \t\r\n")):
		return fmt.Errorf("Parameter validation failed: parameter value %s for parameter name %s does not exist", v, p.Name)
	}
	if p.AllowedValues != nil && !slices.Contains(p.AllowedValues, v) {
		return p.unfit("must be one of AllowedValues")
	}
	if p.MinLength != nil && len([]rune(v)) < *p.MinLength {
		return p.unfit("must contain at least %d characters", *p.MinLength)
	}
	if p.MaxLength != nil && len([]rune(v)) > *p.MaxLength {
		return p.unfit("must contain at most %d characters", *p.MaxLength)
	}
	if p.AllowedPattern != "" {
		re, err := wholePattern(p.AllowedPattern)
		if err != nil {
			return fmt.Errorf("Parameter '%s' has an AllowedPattern that this version of Countersign cannot match: %v", p.Name, err)
		}
		if !re.MatchString(v) {
			return p.unfit("must match pattern %s", p.AllowedPattern)
		}
	}
	return nil
}

// unfit is the error about a constraint, in the template's own words if it has some.
func (p *Parameter) unfit(format string, args ...any) error {
	if p.ConstraintDescription != "" {
		return fmt.Errorf("Parameter '%s' failed to satisfy constraint: %s", p.Name, p.ConstraintDescription)
	}
	return fmt.Errorf("Parameter '%s' "+format, append([]any{p.Name}, args...)...)
}

// wholePattern compiles an AllowedPattern, which the whole value must match.
// CloudFormation's are Java's; those that Go's engine, which cannot be made slow, reads differently or not at all are errors.
func wholePattern(pattern string) (*regexp.Regexp, error) {
	if strings.Contains(pattern, "&&[") {
		return nil, fmt.Errorf("it intersects character classes (&&)")
	}
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	return re, nil
}
