package template

import (
	"slices"
	"strconv"
)

// decide evaluates the conditions.
func (b *Bound) decide() error {
	for _, name := range sorted(b.t.Conditions) {
		if _, err := b.condition(name); err != nil {
			return err
		}
	}
	return nil
}

// condition evaluates a condition once. Load has seen to it that they do not go in circles.
func (b *Bound) condition(name string) (bool, error) {
	if v, known := b.conditions[name]; known {
		return v, nil
	}
	v, err := b.truth(b.t.Conditions[name], []string{"Conditions", name})
	if err == nil {
		b.conditions[name] = v
	}
	return v, err
}

// truth evaluates a function that is true or false.
func (b *Bound) truth(v any, path []string) (bool, error) {
	m, _ := v.(map[string]any)
	for name, arg := range m { // Load has looked: there is one member
		path = append(path, name)
		if name == "Condition" {
			return b.condition(arg.(string))
		}
		list := arg.([]any)
		switch name {
		case "Fn::Not":
			t, err := b.truth(list[0], append(path, "0"))
			return !t, err
		case "Fn::And", "Fn::Or":
			// All operands are evaluated: an error in a later one is an error whatever the earlier say.
			result := name == "Fn::And"
			for i, e := range list {
				t, err := b.truth(e, append(path, strconv.Itoa(i)))
				if err != nil {
					return false, err
				}
				if t != (name == "Fn::And") {
					result = t
				}
			}
			return result, nil
		}
		left, err := b.operand(list[0], append(path, "0"))
		if err != nil {
			return false, err
		}
		right, err := b.operand(list[1], append(path, "1"))
		if err != nil {
			return false, err
		}
		switch name {
		case "Fn::Equals":
			return Equal(left, right), nil
		case "Fn::Contains":
			return anyEqual(members(left), right), nil
		case "Fn::EachMemberEquals":
			return !slices.ContainsFunc(members(left), func(e any) bool { return !Equal(e, right) }), nil
		case "Fn::EachMemberIn":
			in := members(right)
			return !slices.ContainsFunc(members(left), func(e any) bool { return !anyEqual(in, e) }), nil
		}
	}
	return false, b.t.at.refuse(path, "Template format error: this is neither true nor false")
}

func anyEqual(list []any, v any) bool {
	return slices.ContainsFunc(list, func(e any) bool { return Equal(e, v) })
}

func members(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// operand evaluates what a condition or a rule compares.
func (b *Bound) operand(v any, path []string) (any, error) {
	if name, arg, ok := call(v); ok && name == "Fn::RefAll" {
		return b.refAll(arg.(string)), nil
	}
	return b.static().value(v, path)
}

// refAll lists the values of all parameters of a type.
func (b *Bound) refAll(typ string) []any {
	list := []any{}
	for _, name := range sorted(b.t.Parameters) {
		if b.t.Parameters[name].Type == typ {
			list = append(list, members(b.scope.Arguments[name].Value)...)
		}
	}
	return list
}

// assert evaluates the rules.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
func (b *Bound) assert() error {
	for _, name := range sorted(b.t.Rules) {
		r := b.t.Rules[name]
		path := []string{"Rules", name}
		if r.Condition != nil {
			applies, err := b.truth(r.Condition, append(path, "RuleCondition"))
			if err != nil {
				return err
			}
			if !applies {
				continue
			}
		}
		for i, a := range r.Assertions {
			path := append(path, "Assertions", strconv.Itoa(i))
			holds, err := b.truth(a.Assert, append(path, "Assert"))
			if err != nil {
				return err
			}
			if !holds {
				reason := a.Description
				if reason == "" {
					reason = "assertion " + strconv.Itoa(i+1) + " does not hold"
				}
				return b.t.at.refuse(path, "Template error: rule %s is not satisfied: %s", name, reason)
			}
		}
	}
	return nil
}
