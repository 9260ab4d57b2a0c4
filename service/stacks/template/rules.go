package template

import (
	"context"
	"fmt"
	"slices"
)

// checkRules evaluates the template's rules: assertions about its parameters.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
func (b *Bound) checkRules() error {
	for _, name := range sorted(b.t.rules) {
		path := []string{"Rules", name}
		rule, ok := b.t.rules[name].(map[string]any)
		if !ok {
			return b.t.fail(path, "Rule %s must be an object", name)
		}
		for key := range rule {
			if key != "RuleCondition" && key != "Assertions" {
				return b.t.fail(append(path, key), "Rule %s: encountered unsupported property %s", name, key)
			}
		}
		if c, given := rule["RuleCondition"]; given {
			holds, err := b.rule(c)
			if err != nil {
				return b.located(err, append(path, "RuleCondition")...)
			}
			if !holds {
				continue
			}
		}
		list, ok := rule["Assertions"].([]any)
		if !ok {
			return b.t.fail(path, "Rule %s needs a list of Assertions", name)
		}
		for i, v := range list {
			a, ok := v.(map[string]any)
			if !ok || a["Assert"] == nil {
				return b.t.fail(append(path, "Assertions", fmt.Sprint(i)), "every assertion of rule %s needs an Assert", name)
			}
			holds, err := b.rule(a["Assert"])
			if err != nil {
				return b.located(err, append(path, "Assertions", fmt.Sprint(i))...)
			}
			if !holds {
				said, err := text(a["AssertDescription"])
				if err != nil {
					said = "an assertion of the rule does not hold"
				}
				return &Error{Position: b.t.at(append(path, "Assertions", fmt.Sprint(i))...), Message: fmt.Sprintf("Rule %s: %s", name, said)}
			}
		}
	}
	return nil
}

// rule evaluates a rule-specific function, or a condition function of such.
func (b *Bound) rule(v any) (bool, error) {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		return b.truth(context.Background(), v, map[string]bool{})
	}
	for name, arg := range m {
		list, _ := arg.([]any)
		switch name {
		case "Fn::And", "Fn::Or", "Fn::Not":
			if wrong := functions[name].form(arg); wrong != "" {
				return false, problem("%s", wrong)
			}
			out := name != "Fn::Or"
			for _, e := range list {
				holds, err := b.rule(e)
				if err != nil {
					return false, err
				}
				switch name {
				case "Fn::And":
					out = out && holds
				case "Fn::Or":
					out = out || holds
				default:
					out = !holds
				}
			}
			return out, nil
		case "Fn::Contains", "Fn::EachMemberIn", "Fn::EachMemberEquals":
			if len(list) != 2 {
				return false, problem("Template error: %s requires a list argument with two elements", name)
			}
			left, err := b.texts(list[0])
			if err != nil {
				return false, err
			}
			right, err := b.texts(list[1])
			if err != nil {
				return false, err
			}
			switch name {
			case "Fn::Contains":
				return len(right) == 1 && slices.Contains(left, right[0]), nil
			case "Fn::EachMemberIn":
				return !slices.ContainsFunc(left, func(s string) bool { return !slices.Contains(right, s) }), nil
			}
			return len(right) == 1 && !slices.ContainsFunc(left, func(s string) bool { return s != right[0] }), nil
		case "Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll":
			return false, problem("Template error: %s is not built in this version of Countersign", name)
		}
	}
	return b.truth(context.Background(), v, map[string]bool{})
}

// texts evaluates an argument of a rule-specific function: a text, or a list of texts.
func (b *Bound) texts(v any) ([]string, error) {
	got, err := (&evaluation{b: b, ctx: context.Background()}).value(v)
	if err != nil {
		return nil, err
	}
	list, ok := got.([]any)
	if !ok {
		list = []any{got}
	}
	var out []string
	for _, e := range list {
		s, err := text(e)
		if err != nil {
			return nil, problem("Template error: functions of rules compare texts")
		}
		out = append(out, s)
	}
	return out, nil
}
