package sam

import "strings"

// A resource policy of a REST API says which accounts, addresses and VPCs may call it.

const invokeAction = "execute-api:Invoke"

// resourcePolicy is the policy of a definition, and the statements that it has by
// their JSON: there may be two for each of thousands of paths.
type resourcePolicy struct {
	policy object
	has    map[string]bool
}

func (d document) resourcePolicy() *resourcePolicy {
	p := &resourcePolicy{d.section(policyKey), map[string]bool{}}
	if existing := p.policy["Statement"]; existing != nil {
		for _, statement := range asList(existing) {
			p.has[jsonOf(statement)] = true
		}
	}
	return p
}

// addResourcePolicy writes statements for the given paths, and the custom ones,
// into the policy.
func (d document) addResourcePolicy(policy *resourcePolicy, given object, paths []string, stage any) error {
	for _, path := range paths {
		resources, err := d.methodResources(path, stage)
		if err != nil {
			return err
		}
		for _, accounts := range []struct{ name, effect string }{
			{"AwsAccountWhitelist", "Allow"}, {"AwsAccountBlacklist", "Deny"},
		} {
			if err := policy.addAccounts(given[accounts.name], accounts.effect, resources); err != nil {
				return err
			}
		}
		for _, ranges := range []struct{ name, test string }{
			{"IpRangeWhitelist", "NotIpAddress"}, {"IpRangeBlacklist", "IpAddress"},
		} {
			if list := given[ranges.name]; truthy(list) {
				policy.addAllowBut(resources, object{ranges.test: object{"aws:SourceIp": asList(list)}})
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
				policy.addAllowBut(resources, object{vpcs.test: sources})
			}
		}
	}
	if custom := given["CustomStatements"]; truthy(custom) {
		if policy.policy["Statement"] == nil {
			policy.start(custom)
		} else {
			policy.add(asList(custom)...)
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

// start makes what is given the policy's statement or statements.
func (p *resourcePolicy) start(statement any) {
	p.policy["Version"], p.policy["Statement"] = "2012-10-17", statement
	for _, item := range asList(statement) {
		p.has[jsonOf(item)] = true
	}
}

// add adds the statements that are not there yet.
func (p *resourcePolicy) add(statements ...any) {
	for _, statement := range statements {
		if !p.has[jsonOf(statement)] {
			p.append(statement)
		}
	}
}

func (p *resourcePolicy) append(statement any) {
	if p.policy["Statement"] == nil {
		p.start([]any{statement})
		return
	}
	p.policy["Version"] = "2012-10-17"
	p.policy["Statement"] = append(asList(p.policy["Statement"]), statement)
	p.has[jsonOf(statement)] = true
}

func (p *resourcePolicy) addAccounts(accounts any, effect string, resources []any) error {
	if !truthy(accounts) {
		return nil
	}
	switch accounts.(type) {
	case object, []any:
	default:
		return badDocument("Type of '%s' must be a list or dictionary", show(accounts))
	}
	statement := object{"Effect": effect, "Action": invokeAction, "Resource": resources, "Principal": object{"AWS": asList(accounts)}}
	if p.policy["Statement"] == nil {
		p.start(statement)
	} else {
		p.append(statement)
	}
	return nil
}

// addAllowBut lets everybody call the resources, except when the condition holds.
func (p *resourcePolicy) addAllowBut(resources []any, condition object) {
	p.add(
		object{"Effect": "Allow", "Action": invokeAction, "Resource": resources, "Principal": "*"},
		object{"Effect": "Deny", "Action": invokeAction, "Resource": resources, "Principal": "*", "Condition": condition})
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
