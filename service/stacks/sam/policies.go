package sam

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// A function's Policies are names or ARNs of managed policies, policy documents,
// and policy templates: {"S3CrudPolicy": {"BucketName": …}}.

// Each line of managedpolicies.txt is a managed policy of AWS's as it stands in
// its ARN behind "policy/". The list is that of aws-sam-translator 1.110.0 for
// the partition aws.
//
//go:embed managedpolicies.txt
var managedPoliciesText string

// policytemplates.json holds SAM's policy templates: name, parameters, and statements in
// which {"Ref": parameter} stands for the parameter's value. The statements are those
// of aws-sam-translator 1.110.0 (Apache License 2.0).
//
//go:embed policytemplates.json
var policyTemplatesJSON []byte

// managedPolicies maps the names of managed policies to path and name.
var managedPolicies = sync.OnceValue(func() map[string]string {
	paths := strings.Fields(managedPoliciesText)
	byName := make(map[string]string, len(paths))
	for _, path := range paths {
		byName[path[strings.LastIndexByte(path, '/')+1:]] = path
	}
	return byName
})

type policyTemplate struct {
	Parameters []string `json:"parameters"`
	Statements []any    `json:"statements"`
}

var policyTemplates = sync.OnceValue(func() map[string]policyTemplate {
	var all map[string]policyTemplate
	if err := json.Unmarshal(policyTemplatesJSON, &all); err != nil {
		panic("sam: policytemplates.json: " + err.Error()) // the file is part of the program
	}
	return all
})

// policyKind is what an entry of Policies is.
type policyKind int

const (
	unknownPolicy policyKind = iota
	managedPolicy
	policyDocument
	templatedPolicy
)

func kindOfPolicy(v any) (policyKind, error) {
	if _, ok := v.(string); ok {
		return managedPolicy, nil
	}
	name, arg := intrinsic(v)
	if name == "Fn::If" {
		return kindOfConditionalPolicy(arg)
	}
	if name != "" {
		return managedPolicy, nil
	}
	m := asMap(v)
	if _, ok := m["Statement"]; ok {
		return policyDocument, nil
	}
	if len(m) == 1 {
		if _, ok := policyTemplates()[sorted(m)[0]]; ok {
			return templatedPolicy, nil
		}
	}
	return unknownPolicy, nil
}

// kindOfConditionalPolicy: both branches of an Fn::If have to be of one kind.
func kindOfConditionalPolicy(arg any) (policyKind, error) {
	_, then, otherwise, ok := ifBranches(arg)
	if !ok {
		return 0, badStructure("Fn::If requires 3 arguments")
	}
	a, err := kindOfPolicy(then)
	if err != nil {
		return 0, err
	}
	b, err := kindOfPolicy(otherwise)
	switch {
	case err != nil:
		return 0, err
	case a == b || isNoValue(otherwise):
		return a, nil
	case isNoValue(then):
		return b, nil
	}
	return 0, badStructure("Different policy types within the same Fn::If statement is unsupported. Separate different policy types into different Fn::If statements")
}

// policyEntries gives Policies as a list.
func policyEntries(given any) []any {
	if list, ok := given.([]any); ok {
		return list
	}
	if !truthy(given) {
		return nil
	}
	return []any{given}
}

// expandPolicyTemplates replaces the policy templates in Policies by policy documents.
func expandPolicyTemplates(id string, given any) (any, error) {
	entries := policyEntries(given)
	if len(entries) == 0 {
		return given, nil
	}
	out := make([]any, len(entries))
	for i, entry := range entries {
		out[i] = entry
		kind, err := kindOfPolicy(entry)
		if err != nil {
			return nil, err
		}
		if kind != templatedPolicy {
			continue
		}
		if out[i], err = eachBranch(entry, func(branch any) (any, error) { return expandPolicyTemplate(id, asMap(branch)) }); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// eachBranch changes a value, or the branches of an Fn::If that are values.
func eachBranch(v any, change func(any) (any, error)) (any, error) {
	name, arg := intrinsic(v)
	if name != "Fn::If" {
		return change(v)
	}
	condition, then, otherwise, _ := ifBranches(arg)
	out := []any{condition, then, otherwise}
	for i, branch := range out[1:] {
		if isNoValue(branch) {
			continue
		}
		var err error
		if out[i+1], err = change(branch); err != nil {
			return nil, err
		}
	}
	return object{name: out}, nil
}

func expandPolicyTemplate(id string, entry object) (any, error) {
	name := sorted(entry)[0]
	template, ok := policyTemplates()[name]
	if !ok { // a branch of an Fn::If within an Fn::If
		return nil, notBuilt(id, "Fn::If within Fn::If in 'Policies'")
	}
	values, ok := entry[name].(object)
	if !ok {
		return nil, badResource(id, "Must specify valid parameter values for policy template '%s'", name)
	}
	var missing []string
	for _, parameter := range template.Parameters {
		if _, ok := values[parameter]; !ok {
			missing = append(missing, parameter)
		}
	}
	if len(missing) > 0 {
		return nil, badResource(id, "Following required parameters of template '%s' don't have values: %s", name, quoted(missing))
	}
	return object{"Statement": fillIn(template.Statements, values)}, nil
}

// fillIn copies a policy template with its parameters replaced by the values.
func fillIn(v any, values object) any {
	switch v := v.(type) {
	case object:
		if name, arg := intrinsic(v); name == "Ref" {
			parameter, _ := arg.(string)
			return values[parameter]
		}
		out := make(object, len(v))
		for key, item := range v {
			out[key] = fillIn(item, values)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = fillIn(item, values)
		}
		return out
	}
	return v
}

// addPolicies adds the entries of Policies to a role's managed policies, each
// once, and to its inline ones, which are named after their place in the list.
func (t *transform) addPolicies(id string, given any, managed, inline []any) ([]any, []any, error) {
	has := map[string]bool{}
	for _, arn := range managed {
		has[jsonOf(arn)] = true
	}
	for i, entry := range policyEntries(given) {
		kind, err := kindOfPolicy(entry)
		if err != nil {
			return nil, nil, err
		}
		switch kind {
		case policyDocument:
			named, _ := eachBranch(entry, func(branch any) (any, error) {
				return object{"PolicyName": fmt.Sprintf("%sRolePolicy%d", id, i), "PolicyDocument": branch}, nil
			})
			inline = append(inline, named)
		case managedPolicy:
			arn, _ := eachBranch(entry, func(branch any) (any, error) { return t.policyARN(branch), nil })
			if key := jsonOf(arn); !has[key] {
				has[key] = true
				managed = append(managed, arn)
			}
		default:
			return nil, nil, badResource(id, "Policy at index %d in the 'Policies' property is not valid", i)
		}
	}
	return managed, inline, nil
}

// policyARN gives the ARN for the name of a policy of AWS's. Anything else stays:
// an ARN, a reference, and a name that is not known.
func (t *transform) policyARN(v any) any {
	if name, ok := v.(string); ok {
		if path, ok := managedPolicies()[name]; ok {
			return t.managedPolicy(path)
		}
	}
	return v
}
