package template

import (
	"regexp"
	"strings"
)

// A functionForm is what a function's argument must look like before it is evaluated.
type functionForm struct {
	form          func(arg any) string // what is wrong with it; "" if nothing
	resourcesOnly bool                 // not in Conditions
	extension     bool                 // needs AWS::LanguageExtensions
}

// functions are those that this package evaluates.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
var functions = map[string]functionForm{
	"Ref":              {form: isText("Template format error: Every Ref object must have a single String value.")},
	"Condition":        {form: isText("Template error: every Condition object must have a single String value")},
	"Fn::GetAtt":       {form: getAttForm, resourcesOnly: true},
	"Fn::Sub":          {form: subForm},
	"Fn::Join":         {form: joinForm},
	"Fn::Split":        {form: splitForm},
	"Fn::Select":       {form: isList("Template error: Fn::Select requires a list argument with two elements: an integer index and a list", 2, 2)},
	"Fn::Base64":       {form: anything},
	"Fn::Cidr":         {form: isList("Template error: Fn::Cidr requires a list argument of two or three elements: an IP block, a count and the bits", 2, 3)},
	"Fn::GetAZs":       {form: anything, resourcesOnly: true},
	"Fn::FindInMap":    {form: isList("Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value", 3, 4)},
	"Fn::ImportValue":  {form: anything, resourcesOnly: true},
	"Fn::If":           {form: ifForm},
	"Fn::Equals":       {form: isList("Template error: every Fn::Equals object requires a list of 2 string parameters.", 2, 2)},
	"Fn::Not":          {form: isList("Template error: every Fn::Not object requires one boolean parameter.", 1, 1)},
	"Fn::And":          {form: isList("Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters.", 2, 10)},
	"Fn::Or":           {form: isList("Template error: every Fn::Or object requires a list of at least 2 and at most 10 boolean parameters.", 2, 10)},
	"Fn::Length":       {form: anything, extension: true},
	"Fn::ToJsonString": {form: anything, extension: true},
}

// function takes an object with one key apart that is a function.
func function(m map[string]any) (name string, arg any, is bool) {
	if len(m) != 1 {
		return "", nil, false
	}
	for name, arg := range m {
		if _, known := functions[name]; !known {
			return "", nil, false
		}
		if name == "Condition" {
			// A property may be called so; the function's argument is a text.
			_, is := arg.(string)
			return name, arg, is
		}
		return name, arg, true
	}
	return "", nil, false
}

func anything(any) string { return "" }

func isText(problem string) func(any) string {
	return func(arg any) string {
		if s, ok := arg.(string); !ok || s == "" {
			return problem
		}
		return ""
	}
}

func isList(problem string, least, most int) func(any) string {
	return func(arg any) string {
		if list, ok := arg.([]any); !ok || len(list) < least || len(list) > most {
			return problem
		}
		return ""
	}
}

func getAttForm(arg any) string {
	const problem = "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"
	list, ok := arg.([]any)
	if !ok {
		if s, is := arg.(string); is && strings.Contains(s, ".") {
			return "Template error: Fn::GetAtt takes a list of two in this form; only !GetAtt takes a text"
		}
		return problem
	}
	if len(list) != 2 {
		return problem
	}
	id, ok := list[0].(string)
	if !ok || id == "" {
		return problem
	}
	switch a := list[1].(type) {
	case string:
		if a == "" {
			return problem
		}
	case map[string]any:
		if _, is := a["Ref"]; !is || len(a) != 1 {
			return "Template error: the attribute of Fn::GetAtt may be a text or a Ref"
		}
	default:
		return problem
	}
	return ""
}

func ifForm(arg any) string {
	list, ok := arg.([]any)
	if !ok || len(list) != 3 {
		return "Template error: Fn::If requires a list argument with three elements: the name of a condition and two values"
	}
	if _, ok := list[0].(string); !ok {
		return "Template error: Fn::If requires the name of a condition as its first element"
	}
	return ""
}

func joinForm(arg any) string {
	const problem = "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
	list, ok := arg.([]any)
	if !ok || len(list) != 2 {
		return problem
	}
	if _, ok := list[0].(string); !ok {
		return problem
	}
	return ""
}

func splitForm(arg any) string {
	const problem = "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split."
	list, ok := arg.([]any)
	if !ok || len(list) != 2 {
		return problem
	}
	if s, ok := list[0].(string); !ok || s == "" {
		return problem
	}
	return ""
}

func subForm(arg any) string {
	const problem = "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string"
	switch arg := arg.(type) {
	case string:
		return subNamesForm(arg)
	case []any:
		if len(arg) != 2 {
			return problem
		}
		body, ok := arg[0].(string)
		if _, isMap := arg[1].(map[string]any); !ok || !isMap {
			return problem
		}
		return subNamesForm(body)
	}
	return problem
}

// subParts takes the two forms of Fn::Sub apart.
func subParts(arg any) (body string, given map[string]any) {
	if list, ok := arg.([]any); ok {
		return list[0].(string), list[1].(map[string]any)
	}
	return arg.(string), nil
}

var (
	subName   = regexp.MustCompile(`\$\{([^!{}][^{}]*)\}`)
	validName = regexp.MustCompile(`^[A-Za-z0-9_.:]+$`)
)

// subNames are the names in a text for Fn::Sub, those of ${!Literal} left out.
func subNames(body string) []string {
	var out []string
	for _, m := range subName.FindAllStringSubmatch(body, -1) {
		out = append(out, strings.TrimSpace(m[1]))
	}
	return out
}

func subNamesForm(body string) string {
	for _, name := range subNames(body) {
		if !validName.MatchString(name) {
			return "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons"
		}
	}
	return ""
}

// pseudo reports whether a name is that of a pseudo parameter.
func pseudo(name string) bool {
	switch name {
	case "AWS::AccountId", "AWS::NotificationARNs", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix":
		return true
	}
	return false
}

// Kinds of Reference.
const (
	ParameterReference = "parameter" // or a pseudo parameter
	ResourceReference  = "resource"
	AttributeReference = "attribute"
)

// A Reference is something that a value depends on.
type Reference struct {
	Kind, Name string // Name: of the parameter, or logical id
	Attribute  string
}

// references walks a value without evaluating it. Names that are no resource's are parameters'.
func (t *Template) references(v any, found func(Reference)) {
	name := func(n string) {
		if t.resource(n) != nil {
			found(Reference{Kind: ResourceReference, Name: n})
			return
		}
		found(Reference{Kind: ParameterReference, Name: n})
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			t.references(e, found)
		}
	case map[string]any:
		fn, arg, is := function(v)
		switch {
		case is && fn == "Ref":
			name(arg.(string))
			return
		case is && fn == "Condition":
			return
		case is && fn == "Fn::GetAtt":
			list := arg.([]any)
			attribute, _ := list[1].(string)
			found(Reference{Kind: AttributeReference, Name: list[0].(string), Attribute: attribute})
			t.references(list[1], found)
			return
		case is && fn == "Fn::Sub":
			body, given := subParts(arg)
			for _, n := range subNames(body) {
				if _, local := given[n]; local {
					continue
				}
				if id, attribute, dotted := strings.Cut(n, "."); dotted {
					found(Reference{Kind: AttributeReference, Name: id, Attribute: attribute})
				} else {
					name(n)
				}
			}
			t.references(given, found)
			return
		}
		for _, k := range sorted(v) {
			t.references(v[k], found)
		}
	}
}

// References lists what a value of the template depends on, in the order of the text's keys.
func (t *Template) References(v any) []Reference {
	var out []Reference
	t.references(v, func(r Reference) { out = append(out, r) })
	return out
}
