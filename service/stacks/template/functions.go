package template

import (
	"strconv"
)

// A function is one that gives a value. Those that give true or false are
// conditions, see condition.go.
type function struct {
	// late: what it gives is not known before resources are made, or lies outside of the template.
	// Such a function has no place in conditions and names.
	late      bool
	extension bool // needs AWS::LanguageExtensions

	// check judges the argument; path leads to it. eval computes the value; the
	// argument is as written, since some functions take names and not values.
	check func(c *checker, arg any, path []string) error
	eval  func(e *evaluator, arg any, path []string) (any, error)
}

var conditionFunctions = map[string]bool{"Fn::And": true, "Fn::Or": true, "Fn::Not": true, "Fn::Equals": true}

var ruleFunctions = map[string]bool{
	"Fn::Contains": true, "Fn::EachMemberEquals": true, "Fn::EachMemberIn": true, "Fn::RefAll": true, "Fn::ValueOf": true, "Fn::ValueOfAll": true,
}

// functions is filled by init: the functions' own code evaluates functions, and Go
// would call that a loop.
var functions map[string]function

func init() {
	functions = map[string]function{
		"Ref":              {check: checkRef, eval: evalRef},
		"Fn::Base64":       {check: checkBase64, eval: evalBase64},
		"Fn::Cidr":         {check: checkCidr, eval: evalCidr},
		"Fn::FindInMap":    {check: checkFindInMap, eval: evalFindInMap},
		"Fn::GetAtt":       {check: checkGetAtt, eval: evalGetAtt, late: true},
		"Fn::GetAZs":       {check: checkGetAZs, eval: evalGetAZs, late: true},
		"Fn::If":           {check: checkIf, eval: evalIf},
		"Fn::ImportValue":  {check: checkImportValue, eval: evalImportValue, late: true},
		"Fn::Join":         {check: checkJoin, eval: evalJoin},
		"Fn::Length":       {check: checkLength, eval: evalLength, extension: true},
		"Fn::Select":       {check: checkSelect, eval: evalSelect},
		"Fn::Split":        {check: checkSplit, eval: evalSplit},
		"Fn::Sub":          {check: checkSub, eval: evalSub},
		"Fn::ToJsonString": {check: checkToJSONString, eval: evalToJSONString, extension: true},
	}
}

// functionOr reports whether v is of type T, or a function that may give one.
func functionOr[T any](v any) bool {
	if _, _, ok := call(v); ok {
		return true
	}
	_, ok := v.(T)
	return ok
}

func checkRef(c *checker, arg any, path []string) error {
	name, ok := arg.(string)
	if _, _, isCall := call(arg); isCall && c.t.extensions {
		return c.static().value(arg, path)
	}
	if !ok || name == "" {
		return c.at.refuse(path, "Template error: every Ref object must have a single String value.")
	}
	return c.ref(name, path)
}

func checkGetAtt(c *checker, arg any, path []string) error {
	id, attribute, ok := getAtt(arg)
	if ok {
		function, _, isCall := call(attribute)
		_, isText := attribute.(string)
		ok = isText || isCall && (function == "Ref" || c.t.extensions)
	}
	if !ok {
		return c.at.refuse(path, "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
	}
	if c.t.Resources[id] == nil {
		return c.at.refuse(path, "Template error: instance of Fn::GetAtt references undefined resource %s", id)
	}
	return c.static().value(attribute, append(path, "1"))
}

const wrongVariable = "Template error: every value of the context object of every Fn::Sub object must be a string or a function that returns a string"

func checkSub(c *checker, arg any, path []string) error {
	text, variables, ok := subArgument(arg)
	if !ok {
		return c.at.refuse(path, "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string")
	}
	pieces, _, ok := sub(text)
	if !ok {
		return c.at.refuse(path, "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons")
	}
	for _, k := range sorted(variables) {
		path := append(path, "1", k)
		v := variables[k]
		if _, isText := Text(v); !isText && !functionOr[string](v) || isNoValue(v) {
			return c.at.refuse(path, wrongVariable)
		}
		if err := c.value(v, path); err != nil {
			return err
		}
	}
	if err := c.value(text, path); err != nil { // it may hold dynamic references
		return err
	}
	for _, p := range pieces {
		if _, given := variables[p.text]; !p.variable || given {
			continue
		}
		if err := c.substituted(p.text, path); err != nil {
			return err
		}
	}
	return nil
}

// substituted judges a variable of Fn::Sub that stands for a reference.
func (c *checker) substituted(name string, path []string) error {
	id, _, isAttribute := getAtt(name)
	if !isAttribute {
		return c.ref(name, path)
	}
	if c.t.Resources[id] == nil {
		return c.at.refuse(path, "Template error: instance of Fn::Sub references invalid resource attribute %s", name)
	}
	return c.call("Fn::GetAtt", name, path)
}

func checkJoin(c *checker, arg any, path []string) error {
	list, _ := arg.([]any)
	if len(list) == 2 {
		if _, ok := list[0].(string); ok && functionOr[[]any](list[1]) {
			return c.value(list, path)
		}
	}
	return c.at.refuse(path, "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.")
}

func checkSplit(c *checker, arg any, path []string) error {
	list, _ := arg.([]any)
	if len(list) == 2 {
		if delimiter, ok := list[0].(string); ok && delimiter != "" && functionOr[string](list[1]) {
			return c.value(list, path)
		}
	}
	return c.at.refuse(path, "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.")
}

func checkSelect(c *checker, arg any, path []string) error {
	list, _ := arg.([]any)
	if len(list) == 2 && functionOr[[]any](list[1]) {
		text, isText := Text(list[0])
		index, err := strconv.Atoi(text)
		if _, _, isCall := call(list[0]); isCall || isText && err == nil && index >= 0 {
			return c.value(list, path)
		}
	}
	return c.at.refuse(path, "Template error: Fn::Select requires a list argument with two elements: an integer index and a list")
}

func checkBase64(c *checker, arg any, path []string) error {
	if _, ok := Text(arg); !ok && !functionOr[string](arg) {
		return c.at.refuse(path, "Template error: every Fn::Base64 object must have a String-typed value.")
	}
	return c.value(arg, path)
}

func checkCidr(c *checker, arg any, path []string) error {
	list, _ := arg.([]any)
	if len(list) < 2 || len(list) > 3 {
		return c.at.refuse(path, "Template error: every Fn::Cidr object requires two or three parameters: an IP address block, a count, and the number of subnet bits.")
	}
	return c.value(list, path)
}

func checkGetAZs(c *checker, arg any, path []string) error {
	if !functionOr[string](arg) {
		return c.at.refuse(path, "Template error: every Fn::GetAZs object must have a String-typed value.")
	}
	return c.static().value(arg, path)
}

func checkFindInMap(c *checker, arg any, path []string) error {
	list, _ := arg.([]any)
	if len(list) != 3 && !(len(list) == 4 && c.t.extensions) {
		return c.at.refuse(path, "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value")
	}
	for i, e := range list[:3] {
		path := append(path, strconv.Itoa(i))
		if _, isText := Text(e); !isText {
			name, _, isCall := call(e)
			if !isCall || !c.t.extensions && name != "Ref" && name != "Fn::FindInMap" {
				return c.at.refuse(path, "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value")
			}
		}
		if err := c.static().value(e, path); err != nil {
			return err
		}
	}
	if len(list) == 4 {
		m, _ := list[3].(map[string]any)
		fallback, given := m["DefaultValue"]
		if !given || len(m) != 1 {
			return c.at.refuse(append(path, "3"), "Template error: the fourth parameter of Fn::FindInMap is an object with the member DefaultValue")
		}
		return c.value(fallback, append(path, "3", "DefaultValue"))
	}
	if name, ok := list[0].(string); ok && c.t.Mappings[name] == nil {
		return c.at.refuse(path, "Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", name)
	}
	return nil
}

func checkImportValue(c *checker, arg any, path []string) error {
	if !functionOr[string](arg) {
		return c.at.refuse(path, "Template error: every Fn::ImportValue object must have a String-typed value.")
	}
	return c.in(inImport).value(arg, path)
}

func checkIf(c *checker, arg any, path []string) error {
	list, _ := arg.([]any)
	if len(list) != 3 {
		return c.at.refuse(path, "Template error: Fn::If requires a list argument with three elements")
	}
	name, ok := list[0].(string)
	if !ok {
		return c.at.refuse(path, "Template error: Fn::If requires a list argument with the first element being a condition")
	}
	if c.t.Conditions[name] == nil {
		return c.at.refuse(path, "Template error: unresolved condition dependency %s in Fn::If", name)
	}
	for i, e := range list[1:] {
		if err := c.value(e, append(path, strconv.Itoa(i+1))); err != nil {
			return err
		}
	}
	return nil
}

func checkLength(c *checker, arg any, path []string) error {
	if !functionOr[[]any](arg) {
		return c.at.refuse(path, "Template error: every Fn::Length object must have a list.")
	}
	return c.value(arg, path)
}

func checkToJSONString(c *checker, arg any, path []string) error {
	switch arg.(type) {
	case map[string]any, []any:
		return c.value(arg, path)
	}
	return c.at.refuse(path, "Template error: every Fn::ToJsonString object must have an object or a list.")
}
