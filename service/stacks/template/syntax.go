package template

import "strings"

// call reports whether a value is a use of a function: a map with one member
// that is named like one.
func call(v any) (name string, arg any, ok bool) {
	m, _ := v.(map[string]any)
	if len(m) != 1 {
		return "", nil, false
	}
	for name, arg = range m {
	}
	if name == "Ref" || strings.HasPrefix(name, "Fn::") {
		return name, arg, true
	}
	return "", nil, false
}

// isNoValue reports whether a value is a Ref to AWS::NoValue.
func isNoValue(v any) bool {
	name, arg, ok := call(v)
	return ok && name == "Ref" && arg == "AWS::NoValue"
}

// pseudo are the parameters that every template has.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html
var pseudo = map[string]bool{
	"AWS::AccountId": true, "AWS::NoValue": true, "AWS::NotificationARNs": true, "AWS::Partition": true,
	"AWS::Region": true, "AWS::StackId": true, "AWS::StackName": true, "AWS::URLSuffix": true,
}

// getAtt takes the argument of Fn::GetAtt apart: [id, attribute], or one string
// with a dot between them. The attribute may be a function.
func getAtt(arg any) (id string, attribute any, ok bool) {
	switch arg := arg.(type) {
	case string:
		id, attribute, ok := strings.Cut(arg, ".")
		return id, attribute, ok && id != "" && attribute != ""
	case []any:
		if len(arg) != 2 {
			return "", nil, false
		}
		id, isText := arg[0].(string)
		return id, arg[1], isText && id != "" && arg[1] != ""
	}
	return "", nil, false
}

// A piece is a part of the text of Fn::Sub: literal text, or the name in ${…}.
type piece struct {
	text     string
	variable bool
}

// sub takes the text of Fn::Sub apart. ${!Name} is the literal ${Name}; a $ that
// no brace follows, and ${ that no brace closes, are literal too. bad is the first variable that has a name
// which none can have.
func sub(text string) (pieces []piece, bad string, ok bool) {
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			pieces = append(pieces, piece{text: literal.String()})
			literal.Reset()
		}
	}
	for {
		before, after, found := strings.Cut(text, "${")
		name, rest, closed := strings.Cut(after, "}")
		if !found || !closed {
			literal.WriteString(text)
			flush()
			return pieces, "", true
		}
		literal.WriteString(before)
		text = rest
		if escaped, ok := strings.CutPrefix(name, "!"); ok {
			literal.WriteString("${" + escaped + "}")
			continue
		}
		name = strings.TrimSpace(name)
		if !variableName(name) {
			return nil, name, false
		}
		flush()
		pieces = append(pieces, piece{text: name, variable: true})
	}
}

func variableName(s string) bool {
	for _, r := range s {
		if !alphanumericRune(r) && r != '_' && r != '.' && r != ':' {
			return false
		}
	}
	return s != ""
}

func alphanumeric(s string) bool {
	for _, r := range s {
		if !alphanumericRune(r) {
			return false
		}
	}
	return s != ""
}

func alphanumericRune(r rune) bool {
	return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

// subArgument takes the argument of Fn::Sub apart: a string, or a string and a map.
func subArgument(arg any) (text string, variables map[string]any, ok bool) {
	if text, ok := arg.(string); ok {
		return text, nil, true
	}
	list, _ := arg.([]any)
	if len(list) == 0 || len(list) > 2 {
		return "", nil, false
	}
	text, ok = list[0].(string)
	if ok && len(list) == 2 {
		variables, ok = list[1].(map[string]any)
	}
	return text, variables, ok
}
