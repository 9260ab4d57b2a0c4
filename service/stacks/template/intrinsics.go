package template

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
)

func evalRef(e *evaluator, arg any, path []string) (any, error) {
	name, _ := arg.(string)
	return e.ref(name, path)
}

func (e *evaluator) ref(name string, path []string) (any, error) {
	s := &e.b.scope
	switch name {
	case "AWS::AccountId":
		return s.Account, nil
	case "AWS::NoValue":
		return none{}, nil
	case "AWS::NotificationARNs":
		list := make([]any, len(s.NotificationARNs))
		for i, a := range s.NotificationARNs {
			list[i] = a
		}
		return list, nil
	case "AWS::Partition":
		return s.Partition, nil
	case "AWS::Region":
		return s.Region, nil
	case "AWS::StackId":
		return s.StackID, nil
	case "AWS::StackName":
		return s.StackName, nil
	case "AWS::URLSuffix":
		return s.URLSuffix, nil
	}
	if e.b.t.Parameters[name] != nil {
		a, given := s.Arguments[name]
		if !given {
			return nil, e.refuse(path, "Parameters: [%s] must have values", name)
		}
		return e.copied(a.Value, path)
	}
	if e.b.resources[name] == nil || e.lookup == nil {
		return nil, e.refuse(path, "Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", name)
	}
	v, err := e.lookup.Ref(name)
	if err != nil {
		return nil, e.b.t.at.failed(path, err)
	}
	return e.copied(v, path)
}

func evalGetAtt(e *evaluator, arg any, path []string) (any, error) {
	id, attribute, _ := getAtt(arg)
	name, ok := attribute.(string)
	if !ok {
		v, err := e.value(attribute, append(path, "1"))
		if err != nil {
			return nil, err
		}
		if name, ok = v.(string); !ok || name == "" {
			return nil, e.refuse(path, "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
		}
	}
	if e.b.resources[id] == nil || e.lookup == nil {
		return nil, e.refuse(path, "Template error: instance of Fn::GetAtt references undefined resource %s", id)
	}
	v, err := e.lookup.GetAtt(id, name)
	if err != nil {
		return nil, e.b.t.at.failed(path, err)
	}
	return e.copied(v, path)
}

func evalImportValue(e *evaluator, arg any, path []string) (any, error) {
	name, unknown, err := e.text(arg, path, "Template error: every Fn::ImportValue object must have a String-typed value.")
	if err != nil || unknown {
		return Unknown{}, err
	}
	if e.lookup == nil {
		return nil, e.refuse(path, "Template error: Cannot use Fn::ImportValue here")
	}
	v, err := e.lookup.Import(name)
	if err != nil {
		return nil, e.b.t.at.failed(path, err)
	}
	return e.copied(v, path)
}

// evalIf is not reached: Bind has decided each Fn::If that Load let through,
// and those in names that are computed before that are evaluated here.
func evalIf(e *evaluator, arg any, path []string) (any, error) {
	list := arg.([]any)
	chosen := 2
	if e.b.conditions[list[0].(string)] {
		chosen = 1
	}
	return e.value(list[chosen], append(path, strconv.Itoa(chosen)))
}

// text evaluates an argument that must be a scalar. wrong is the error when it is none.
func (e *evaluator) text(arg any, path []string, wrong string, args ...any) (text string, unknown bool, err error) {
	v, err := e.value(arg, path)
	if err != nil {
		return "", false, err
	}
	if _, unknown := v.(Unknown); unknown {
		return "", true, nil
	}
	text, ok := Text(v)
	if !ok {
		return "", false, e.refuse(path, wrong, args...)
	}
	return text, false, nil
}

// list evaluates an argument that must be a list.
func (e *evaluator) list(arg any, path []string, wrong string) (list []any, unknown bool, err error) {
	v, err := e.value(arg, path)
	if err != nil {
		return nil, false, err
	}
	if _, unknown := v.(Unknown); unknown {
		return nil, true, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, false, e.refuse(path, "%s", wrong)
	}
	return list, false, nil
}

func evalSub(e *evaluator, arg any, path []string) (any, error) {
	text, variables, _ := subArgument(arg)
	pieces, _, _ := sub(text)
	var out strings.Builder
	unknown := false
	for _, p := range pieces {
		if !p.variable {
			if err := e.spend(path, len(p.text)); err != nil {
				return nil, err
			}
			out.WriteString(p.text)
			continue
		}
		v, err := e.substitute(p.text, variables, path)
		if err != nil {
			return nil, err
		}
		if _, is := v.(Unknown); is {
			unknown = true
			continue
		}
		value, ok := Text(v)
		if _, given := variables[p.text]; given && !ok {
			return nil, e.refuse(append(path, "1", p.text), wrongVariable)
		}
		if !ok {
			return nil, e.refuse(path, "Template error: variable %s in Fn::Sub expression does not resolve to a string", p.text)
		}
		if err := e.spend(path, len(value)); err != nil {
			return nil, err
		}
		out.WriteString(value)
	}
	if unknown {
		return Unknown{}, nil
	}
	return out.String(), nil
}

func (e *evaluator) substitute(name string, variables map[string]any, path []string) (any, error) {
	if v, given := variables[name]; given {
		return e.value(v, append(path, "1", name))
	}
	if _, _, isAttribute := getAtt(name); isAttribute {
		return evalGetAtt(e, name, path)
	}
	return e.ref(name, path)
}

const wrongJoin = "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."

func evalJoin(e *evaluator, arg any, path []string) (any, error) {
	args := arg.([]any)
	delimiter := args[0].(string)
	list, unknown, err := e.list(args[1], append(path, "1"), wrongJoin)
	if err != nil || unknown {
		return Unknown{}, err
	}
	parts := make([]string, len(list))
	total := 0
	for i, v := range list {
		if _, is := v.(Unknown); is {
			unknown = true
			continue
		}
		text, ok := Text(v)
		if !ok {
			return nil, e.refuse(append(path, "1", strconv.Itoa(i)), wrongJoin)
		}
		parts[i] = text
		total += len(text) + len(delimiter)
	}
	if unknown {
		return Unknown{}, nil
	}
	if err := e.spend(path, total); err != nil {
		return nil, err
	}
	return strings.Join(parts, delimiter), nil
}

func evalSplit(e *evaluator, arg any, path []string) (any, error) {
	args := arg.([]any)
	text, unknown, err := e.text(args[1], append(path, "1"), "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.")
	if err != nil || unknown {
		return Unknown{}, err
	}
	delimiter := args[0].(string)
	if err := e.spend(path, 16*(1+strings.Count(text, delimiter))); err != nil {
		return nil, err
	}
	parts := strings.Split(text, delimiter)
	list := make([]any, len(parts))
	for i, p := range parts {
		list[i] = p
	}
	return list, nil
}

func evalSelect(e *evaluator, arg any, path []string) (any, error) {
	const wrong = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
	args := arg.([]any)
	text, noIndex, err := e.text(args[0], append(path, "0"), wrong)
	if err != nil {
		return nil, err
	}
	list, noList, err := e.list(args[1], append(path, "1"), wrong)
	if err != nil || noIndex || noList {
		return Unknown{}, err
	}
	index, err := strconv.Atoi(text)
	if err != nil {
		return nil, e.refuse(append(path, "0"), wrong)
	}
	if index < 0 || index >= len(list) {
		return nil, e.refuse(path, "Template error: Fn::Select cannot select nonexistent value at index %s", text)
	}
	return list[index], nil
}

func evalBase64(e *evaluator, arg any, path []string) (any, error) {
	text, unknown, err := e.text(arg, path, "Template error: every Fn::Base64 object must have a String-typed value.")
	if err != nil || unknown {
		return Unknown{}, err
	}
	if err := e.spend(path, base64.StdEncoding.EncodedLen(len(text))); err != nil {
		return nil, err
	}
	return base64.StdEncoding.EncodeToString([]byte(text)), nil
}

func evalGetAZs(e *evaluator, arg any, path []string) (any, error) {
	region, unknown, err := e.text(arg, path, "Template error: every Fn::GetAZs object must have a String-typed value.")
	if err != nil || unknown {
		return Unknown{}, err
	}
	if region == "" {
		region = e.b.scope.Region
	}
	var zones []any
	if region == e.b.scope.Region {
		for _, z := range e.b.scope.Zones {
			zones = append(zones, z)
		}
	}
	if zones == nil {
		zones = []any{region + "a", region + "b", region + "c"}
	}
	return zones, nil
}

func evalFindInMap(e *evaluator, arg any, path []string) (any, error) {
	args := arg.([]any)
	var keys [3]string
	for i := range keys {
		text, unknown, err := e.text(args[i], append(path, strconv.Itoa(i)), "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value")
		if err != nil || unknown {
			return Unknown{}, err
		}
		keys[i] = text
	}
	if v, ok := e.b.t.Mappings[keys[0]][keys[1]][keys[2]]; ok {
		return e.copied(v, path)
	}
	if len(args) == 4 {
		return e.value(args[3].(map[string]any)["DefaultValue"], append(path, "3", "DefaultValue"))
	}
	if e.b.t.Mappings[keys[0]] == nil {
		return nil, e.refuse(path, "Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", keys[0])
	}
	return nil, e.refuse(path, "Template error: Unable to get mapping for %s::%s::%s", keys[0], keys[1], keys[2])
}

func evalLength(e *evaluator, arg any, path []string) (any, error) {
	list, unknown, err := e.list(arg, path, "Template error: every Fn::Length object must have a list.")
	if err != nil || unknown {
		return Unknown{}, err
	}
	return json.Number(strconv.Itoa(len(list))), nil
}

func evalToJSONString(e *evaluator, arg any, path []string) (any, error) {
	v, err := e.value(arg, path)
	if err != nil || hasUnknown(v) {
		return Unknown{}, err
	}
	text, err := JSON(v)
	if err != nil {
		return nil, e.refuse(path, "Template error: Fn::ToJsonString: %v", err)
	}
	if err := e.spend(path, len(text)); err != nil {
		return nil, err
	}
	return string(text), nil
}

func hasUnknown(v any) bool {
	switch v := v.(type) {
	case Unknown:
		return true
	case map[string]any:
		for _, m := range v {
			if hasUnknown(m) {
				return true
			}
		}
	case []any:
		for _, m := range v {
			if hasUnknown(m) {
				return true
			}
		}
	}
	return false
}
