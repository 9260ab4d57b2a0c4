package sam

import (
	"reflect"
	"slices"
	"strings"
)

// A resource policy of a REST API says which accounts, addresses and VPCs may call it.

const invokeAction = "execute-api:Invoke"

// addResourcePolicy writes statements for the given paths, and the custom ones,
// into the definition.
func (d document) addResourcePolicy(given object, paths []string, stage any) error {
	policy := d.section(policyKey)
	for _, path := range paths {
		resources, err := d.methodResources(path, stage)
		if err != nil {
			return err
		}
		for _, accounts := range []struct{ name, effect string }{
			{"AwsAccountWhitelist", "Allow"}, {"AwsAccountBlacklist", "Deny"},
		} {
			if err := addAccounts(policy, given[accounts.name], accounts.effect, resources); err != nil {
				return err
			}
		}
		for _, ranges := range []struct{ name, test string }{
			{"IpRangeWhitelist", "NotIpAddress"}, {"IpRangeBlacklist", "IpAddress"},
		} {
			if list := given[ranges.name]; truthy(list) {
				addAllowBut(policy, resources, object{ranges.test: object{"aws:SourceIp": asList(list)}})
			}
		}
		for _, vpcs := range []struct{ colour, test string }{
			{"Blacklist", "StringEquals"}, {"Whitelist", "StringNotEquals"},
		} {
			sources, err := sourceVPCs(given, vpcs.colour)
			if err != nil {
				return err
			}
			if len(sources) > 0 {
				addAllowBut(policy, resources, object{vpcs.test: sources})
			}
		}
	}
	if custom := given["CustomStatements"]; truthy(custom) {
		policy["Version"] = "2012-10-17"
		if policy["Statement"] == nil {
			policy["Statement"] = custom
		} else {
			addStatements(policy, asList(custom)...)
		}
	}
	return nil
}

func asList(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// methodResources names the methods of a path in a stage.
func (d document) methodResources(path string, stage any) ([]any, error) {
	items, err := d.items(path)
	if err != nil {
		return nil, err
	}
	resources := []any{}
	for _, item := range items {
		for _, method := range sorted(item) {
			name := strings.ToUpper(method)
			if normalMethod(method) == anyMethod {
				name = "*"
			}
			text := "execute-api:/${__Stage__}/" + name + restParameter.ReplaceAllString(path, "*")
			resources = append(resources, sub(text, object{"__Stage__": stage}))
		}
	}
	return resources, nil
}

func addAccounts(policy object, accounts any, effect string, resources []any) error {
	if !truthy(accounts) {
		return nil
	}
	switch accounts.(type) {
	case object, []any:
	default:
		return badDocument("Type of '%s' must be a list or dictionary", show(accounts))
	}
	policy["Version"] = "2012-10-17"
	statement := object{"Effect": effect, "Action": invokeAction, "Resource": resources, "Principal": object{"AWS": asList(accounts)}}
	if policy["Statement"] == nil {
		policy["Statement"] = statement
		return nil
	}
	policy["Statement"] = append(slices.Clone(asList(policy["Statement"])), statement)
	return nil
}

// addAllowBut lets everybody call the resources, except when the condition holds.
func addAllowBut(policy object, resources []any, condition object) {
	policy["Version"] = "2012-10-17"
	addStatements(policy,
		object{"Effect": "Allow", "Action": invokeAction, "Resource": resources, "Principal": "*"},
		object{"Effect": "Deny", "Action": invokeAction, "Resource": resources, "Principal": "*", "Condition": condition})
}

// addStatements adds those that are not there yet.
func addStatements(policy object, statements ...any) {
	var all []any
	if policy["Statement"] != nil {
		all = slices.Clone(asList(policy["Statement"]))
	}
	for _, statement := range statements {
		if !slices.ContainsFunc(all, func(s any) bool { return reflect.DeepEqual(s, statement) }) {
			all = append(all, statement)
		}
	}
	policy["Statement"] = all
}

// sourceVPCs gives the condition on VPCs and VPC endpoints of one colour of list.
func sourceVPCs(given object, colour string) (object, error) {
	condition := object{}
	add := func(key string, items ...any) {
		if len(items) > 0 {
			list, _ := condition[key].([]any)
			condition[key] = append(list, items...)
		}
	}
	if list := given["SourceVpc"+colour]; list != nil {
		for _, item := range asList(list) {
			id, ok := item.(string)
			if !ok {
				return nil, badDocument("SourceVpc%s must be a list of strings. Use IntrinsicVpc%s instead for values that use Intrinsic Functions", colour, colour)
			}
			switch {
			case strings.HasPrefix(id, "vpce-"):
				add("aws:SourceVpce", id)
			case strings.HasPrefix(id, "vpc-"):
				add("aws:SourceVpc", id)
			}
		}
	}
	for name, key := range map[string]string{"IntrinsicVpc": "aws:SourceVpc", "IntrinsicVpce": "aws:SourceVpce"} {
		if list := given[name+colour]; list != nil {
			add(key, asList(list)...)
		}
	}
	return condition, nil
}
