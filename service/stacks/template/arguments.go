package template

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

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
		v := judge{p: p, at: t.at, path: []string{"Parameters", name}}
		if err := v.text(text); err != nil {
			return nil, err
		}
		a := Argument{Text: text, NoEcho: p.NoEcho}
		typ := p.Type
		if inner, ok := fetched(typ); ok {
			if fetch == nil {
				return nil, t.at.refuse(v.path, "Parameter '%s' has the type %s, and there is no Parameter Store to read", name, typ)
			}
			value, err := fetch(ctx, text)
			if err != nil {
				e := t.at.refuse(v.path, "Unable to fetch parameters [%s] from parameter store for this account: %v", text, err)
				e.Cause = err
				return nil, e
			}
			a.Resolved, text, typ = value, value, inner
		}
		a.Value = text
		if _, isList := listOf(typ); isList {
			list := []any{}
			for _, e := range split(text) {
				list = append(list, e)
			}
			a.Value = list
		}
		args[name] = a
	}
	return args, nil
}

// split takes the text of a list type apart. Empty text is a list with one
// empty element, as at AWS.
func split(text string) []string {
	parts := strings.Split(text, ",")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
	}
	return parts
}

// A judge judges a value by its parameter's type and constraints.
type judge struct {
	p    *Parameter
	at   atlas
	path []string
}

func (j judge) text(text string) error {
	if len(text) > maxValueLength {
		return j.at.refuse(j.path, "Parameter '%s' value length is greater than %d.", j.p.Name, maxValueLength)
	}
	typ, isList := listOf(j.p.Type)
	values := []string{text}
	if isList {
		values = split(text)
	}
	for _, v := range values {
		if err := j.element(typ, v); err != nil {
			return err
		}
	}
	return nil
}

// element judges a value, or an element of a list: the constraints are about
// each.
func (j judge) element(typ, v string) error {
	p := j.p
	switch {
	case typ == "Number":
		n, ok := numeric(v)
		if !ok {
			return j.at.refuse(j.path, "Parameter '%s' must be a number", p.Name)
		}
		if p.MinValue != nil && n < *p.MinValue {
			return j.unfit("must be a number not less than %s", strconv.FormatFloat(*p.MinValue, 'f', -1, 64))
		}
		if p.MaxValue != nil && n > *p.MaxValue {
			return j.unfit("must be a number not greater than %s", strconv.FormatFloat(*p.MaxValue, 'f', -1, 64))
		}
	case typ != "String" && (v == "" || strings.ContainsAny(v, " \t\r\n")):
		if p.NoEcho {
			v = "****"
		}
		return j.at.refuse(j.path, "Parameter validation failed: parameter value %s for parameter name %s does not exist", v, p.Name)
	}
	if p.AllowedValues != nil && !slices.Contains(p.AllowedValues, v) {
		return j.unfit("must be one of AllowedValues")
	}
	if p.MinLength != nil && utf8.RuneCountInString(v) < *p.MinLength {
		return j.unfit("must contain at least %d characters", *p.MinLength)
	}
	if p.MaxLength != nil && utf8.RuneCountInString(v) > *p.MaxLength {
		return j.unfit("must contain at most %d characters", *p.MaxLength)
	}
	if p.AllowedPattern != "" {
		pattern, err := compilePattern(p.AllowedPattern)
		if err != nil {
			return j.at.refuse(append(j.path, "AllowedPattern"), "Parameter '%s' has an AllowedPattern that this version of Countersign cannot match: %v", p.Name, err)
		}
		if !pattern.match(v) {
			return j.unfit("must match pattern %s", p.AllowedPattern)
		}
	}
	return nil
}

// unfit is the error about a constraint, in the template's own words if it has some.
func (j judge) unfit(format string, args ...any) error {
	if j.p.ConstraintDescription != "" {
		return j.at.refuse(j.path, "Parameter %s failed to satisfy constraint: %s", j.p.Name, j.p.ConstraintDescription)
	}
	return j.at.refuse(j.path, "Parameter '%s' "+format, append([]any{j.p.Name}, args...)...)
}
