package template

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A Scope is what a template is evaluated in.
type Scope struct {
	Account, Region, Partition string
	StackID, StackName         string
	NotificationARNs           []string
	Arguments                  Arguments
}

// A Bound is a template with arguments: conditions are decided, and what depends on a
// false one is gone.
type Bound struct {
	t          *Template
	scope      Scope
	conditions map[string]bool
	resources  []*Resource
	needs      map[string][]string
	outputs    []*Output
}

// Bind evaluates conditions and rules. Errors are *Error.
func (t *Template) Bind(s Scope) (*Bound, error) {
	b := &Bound{t: t, scope: s, conditions: map[string]bool{}, needs: map[string][]string{}}
	deciding := map[string]bool{}
	for _, name := range sorted(t.conditions) {
		if _, err := b.decide(name, deciding); err != nil {
			return nil, err
		}
	}
	if err := b.checkRules(); err != nil {
		return nil, err
	}
	for _, r := range t.Resources {
		if r.Condition == "" || b.conditions[r.Condition] {
			b.resources = append(b.resources, r)
		}
	}
	for _, o := range t.Outputs {
		if o.Condition == "" || b.conditions[o.Condition] {
			b.outputs = append(b.outputs, o)
		}
	}
	return b, b.connect()
}

// decide evaluates a condition, once.
func (b *Bound) decide(name string, deciding map[string]bool) (bool, error) {
	if v, known := b.conditions[name]; known {
		return v, nil
	}
	body, ok := b.t.conditions[name]
	if !ok {
		return false, b.t.fail([]string{"Conditions"}, "Unresolved condition dependency %s in the Conditions block of the template", name)
	}
	if deciding[name] {
		return false, b.t.fail([]string{"Conditions", name}, "Found circular condition dependency between %s and itself", name)
	}
	deciding[name] = true
	v, err := b.truth(context.Background(), body, deciding)
	if err != nil {
		return false, b.located(err, "Conditions", name)
	}
	b.conditions[name] = v
	return v, nil
}

// located gives an error of evaluation its place.
func (b *Bound) located(err error, path ...string) error {
	if e, ok := err.(*Error); ok && e.Position.Line == 0 {
		c := *e
		c.Position, c.Path = b.t.at(path...), slices.Clone(path)
		return &c
	}
	return err
}

func problem(format string, args ...any) error { return &Error{Message: fmt.Sprintf(format, args...)} }

// truth evaluates a condition function.
func (b *Bound) truth(ctx context.Context, v any, deciding map[string]bool) (bool, error) {
	m, ok := v.(map[string]any)
	if !ok {
		if s, err := text(v); err == nil {
			switch strings.ToLower(s) {
			case "true":
				return true, nil
			case "false":
				return false, nil
			}
		}
		return false, problem("Template format error: a condition must be one of Fn::Equals, Fn::And, Fn::Or, Fn::Not and Condition")
	}
	name, arg, is := function(m)
	if !is {
		return false, problem("Template format error: a condition must be one of Fn::Equals, Fn::And, Fn::Or, Fn::Not and Condition")
	}
	if wrong := functions[name].form(arg); wrong != "" {
		return false, problem("%s", wrong)
	}
	switch name {
	case "Condition":
		return b.decide(arg.(string), deciding)
	case "Fn::Not":
		v, err := b.truth(ctx, arg.([]any)[0], deciding)
		return !v, err
	case "Fn::And", "Fn::Or":
		out := name == "Fn::And"
		for _, e := range arg.([]any) {
			v, err := b.truth(ctx, e, deciding)
			if err != nil {
				return false, err
			}
			if name == "Fn::And" {
				out = out && v
			} else {
				out = out || v
			}
		}
		return out, nil
	case "Fn::Equals":
		var sides [2]any
		for i, e := range arg.([]any) {
			v, err := (&evaluation{b: b, ctx: ctx}).value(e)
			if err != nil {
				return false, err
			}
			sides[i] = v
		}
		return Equal(sides[0], sides[1]), nil
	}
	return false, problem("Template format error: %s is no condition", name)
}

// connect finds what needs what, and circles.
func (b *Bound) connect() error {
	there := map[string]bool{}
	for _, r := range b.resources {
		there[r.ID] = true
	}
	for _, r := range b.resources {
		var needs []string
		add := func(id string) error {
			if !there[id] {
				return nil
			}
			if id == r.ID {
				return &Error{Position: b.t.at("Resources", r.ID), Message: fmt.Sprintf("Circular dependency between resources: [%s]", r.ID)}
			}
			if !slices.Contains(needs, id) {
				needs = append(needs, id)
			}
			return nil
		}
		for _, id := range r.DependsOn {
			if err := add(id); err != nil {
				return err
			}
		}
		for _, v := range []any{r.Properties, r.Metadata} {
			pruned, err := b.prune(v)
			if err != nil {
				return b.located(err, "Resources", r.ID)
			}
			for _, ref := range b.t.References(pruned) {
				if ref.Kind == ParameterReference {
					continue
				}
				if !there[ref.Name] {
					// Its condition is false, and no Fn::If guards the reference.
					return b.t.fail([]string{"Resources", r.ID}, "Unresolved resource dependencies [%s] in the Resources block of the template", ref.Name)
				}
				if err := add(ref.Name); err != nil {
					return err
				}
			}
		}
		slices.Sort(needs)
		b.needs[r.ID] = needs
	}
	for _, o := range b.outputs {
		pruned, err := b.prune([]any{o.Value, o.Export})
		if err != nil {
			return b.located(err, "Outputs", o.Name)
		}
		for _, ref := range b.t.References(pruned) {
			if ref.Kind != ParameterReference && !there[ref.Name] {
				return &Error{Position: b.t.at("Outputs", o.Name), Message: fmt.Sprintf("Unresolved resource dependencies [%s] in the Outputs block of the template", ref.Name)}
			}
		}
	}
	return b.circles()
}

// prune replaces every Fn::If by the branch that its condition chooses.
func (b *Bound) prune(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = b.prune(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if name, arg, is := function(v); is && name == "Fn::If" {
			branch, err := b.branch(arg)
			if err != nil {
				return nil, err
			}
			return b.prune(branch)
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			var err error
			if out[k], err = b.prune(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func (b *Bound) branch(arg any) (any, error) {
	list := arg.([]any)
	v, known := b.conditions[list[0].(string)]
	if !known {
		return nil, problem("Template error: unresolved condition dependency %s in Fn::If", list[0])
	}
	if v {
		return list[1], nil
	}
	return list[2], nil
}

// circles names the resources that need one another, if there are any.
func (b *Bound) circles() error {
	left := map[string]bool{}
	for id := range b.needs {
		left[id] = true
	}
	for changed := true; changed; {
		changed = false
		for id := range left {
			if !slices.ContainsFunc(b.needs[id], func(n string) bool { return left[n] }) {
				delete(left, id)
				changed = true
			}
		}
	}
	// What is left needs a circle, or is in one; only the latter are named.
	for changed := true; changed; {
		changed = false
		needed := map[string]bool{}
		for id := range left {
			for _, n := range b.needs[id] {
				needed[n] = true
			}
		}
		for id := range left {
			if !needed[id] {
				delete(left, id)
				changed = true
			}
		}
	}
	if len(left) == 0 {
		return nil
	}
	ids := sorted(left)
	return &Error{Position: b.t.at("Resources", ids[0]), Message: fmt.Sprintf("Circular dependency between resources: [%s]", strings.Join(ids, ", "))}
}

// Resources are those whose condition holds, by their ids.
func (b *Bound) Resources() []*Resource { return b.resources }

// Resource finds one; nil if there is none, or its condition is false.
func (b *Bound) Resource(id string) *Resource {
	i, ok := slices.BinarySearchFunc(b.resources, id, func(r *Resource, id string) int { return strings.Compare(r.ID, id) })
	if !ok {
		return nil
	}
	return b.resources[i]
}

// Dependencies lists for every resource those that must exist before it. There are no circles.
func (b *Bound) Dependencies() map[string][]string { return b.needs }
