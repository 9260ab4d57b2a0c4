package template

import (
	"slices"
	"strconv"
)

// A Scope is what a template can know of the stack that it is for.
type Scope struct {
	Account, Region      string
	Partition, URLSuffix string // empty: aws, amazonaws.com
	StackID, StackName   string
	NotificationARNs     []string
	Arguments            Arguments
	Zones                []string // what Fn::GetAZs gives for Region; empty: Region with a, b and c
}

// A Bound is a template with all decided that parameters decide: conditions and
// rules are evaluated, and what a false condition takes away is gone. It is not changed after Bind,
// and what it gives away, other than evaluated trees, is not to be changed either.
type Bound struct {
	t          *Template
	scope      Scope
	conditions map[string]bool
	resources  map[string]*Resource
	outputs    map[string]*Output
	depends    map[string][]string
}

// Bind decides the template for one stack. It fails when a rule is broken, when
// what remains refers to what is gone, and when resources wait for each other. Errors are of type *Error.
func (t *Template) Bind(scope Scope) (*Bound, error) {
	if scope.Partition == "" {
		scope.Partition = "aws"
	}
	if scope.URLSuffix == "" {
		scope.URLSuffix = "amazonaws.com"
	}
	b := &Bound{t: t, scope: scope, conditions: map[string]bool{}, resources: map[string]*Resource{}, outputs: map[string]*Output{}, depends: map[string][]string{}}
	for _, step := range []func() error{b.decide, b.assert, b.prune, b.connect} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Conditions tells what each condition of the template came to.
func (b *Bound) Conditions() map[string]bool { return b.conditions }

// Resources lists the resources that the stack has, sorted by their ids.
func (b *Bound) Resources() []*Resource {
	all := make([]*Resource, 0, len(b.resources))
	for _, id := range sorted(b.resources) {
		all = append(all, b.resources[id])
	}
	return all
}

// Resource is the resource by that id; nil when the stack has none.
func (b *Bound) Resource(id string) *Resource { return b.resources[id] }

// Dependencies lists for each resource those that must exist before it, sorted:
// DependsOn and all that its properties, metadata and policies refer to.
func (b *Bound) Dependencies() map[string][]string { return b.depends }

// prune copies resources and outputs, without those that a condition takes
// away, and with each Fn::If decided.
func (b *Bound) prune() error {
	live := func(condition string) bool { return condition == "" || b.conditions[condition] }
	for _, id := range sorted(b.t.Resources) {
		r := b.t.Resources[id]
		if !live(r.Condition) {
			continue
		}
		p := *r
		path := []string{"Resources", id}
		for _, name := range sorted(r.policies) {
			v, err := b.static().value(r.policies[name], append(path, name))
			if err != nil {
				return err
			}
			if _, gone := v.(none); gone {
				continue
			}
			if err := p.setPolicy(b.t.at, name, v, path); err != nil {
				return err
			}
		}
		for _, part := range p.parts() {
			m, err := b.pruneMap(*part.m, append(path, part.name))
			if err != nil {
				return err
			}
			*part.m = m
		}
		b.resources[id] = &p
	}
	for _, name := range sorted(b.t.Outputs) {
		o := b.t.Outputs[name]
		if !live(o.Condition) {
			continue
		}
		p := *o
		var err error
		if p.Value, err = b.pruneValue(o.Value, []string{"Outputs", name, "Value"}); err != nil {
			return err
		}
		if p.ExportName, err = b.pruneValue(o.ExportName, []string{"Outputs", name, "Export", "Name"}); err != nil {
			return err
		}
		b.outputs[name] = &p
	}
	return nil
}

func (b *Bound) pruneMap(m map[string]any, path []string) (map[string]any, error) {
	if m == nil {
		return nil, nil
	}
	out := make(map[string]any, len(m))
	for _, k := range sorted(m) {
		v, err := b.pruneValue(m[k], append(path, k))
		if err != nil {
			return nil, err
		}
		out[k] = v
	}
	return out, nil
}

func (b *Bound) pruneValue(v any, path []string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		name, arg, ok := call(v)
		if !ok {
			return b.pruneMap(v, path)
		}
		path := append(path, name)
		switch name {
		case "Fn::If":
			list := arg.([]any) // Load has looked
			chosen := 2
			if b.conditions[list[0].(string)] {
				chosen = 1
			}
			return b.pruneValue(list[chosen], append(path, strconv.Itoa(chosen)))
		case "Ref":
			if _, isText := arg.(string); !isText {
				to, err := b.name(arg, path)
				return map[string]any{name: to}, err
			}
		}
		pruned, err := b.pruneValue(arg, path)
		return map[string]any{name: pruned}, err
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = b.pruneValue(e, append(path, strconv.Itoa(i))); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// name computes the name in a Ref that is given by a function.
func (b *Bound) name(arg any, path []string) (string, error) {
	v, err := b.static().value(arg, path)
	if err != nil {
		return "", err
	}
	name, ok := v.(string)
	if !ok || !pseudo[name] && b.t.Parameters[name] == nil && b.t.Resources[name] == nil {
		return "", b.t.at.refuse(path, "Template error: the Ref leads to nothing: %v", v)
	}
	return name, nil
}

// connect finds what depends on what.
func (b *Bound) connect() error {
	missing := map[string][]string{}
	for _, id := range sorted(b.resources) {
		r := b.resources[id]
		on := map[string]bool{}
		for _, d := range r.DependsOn {
			on[d] = b.resources[d] != nil // a false condition takes the dependency with it
		}
		path := []string{"Resources", id}
		for _, part := range r.parts() {
			for _, k := range sorted(*part.m) {
				b.refer((*part.m)[k], func(to string) {
					if on[to] = b.resources[to] != nil; !on[to] && missing[to] == nil {
						missing[to] = append(slices.Clone(path), part.name, k)
					}
				})
			}
		}
		depends := []string{}
		for _, to := range sorted(on) {
			if on[to] {
				depends = append(depends, to)
			}
		}
		b.depends[id] = depends
	}
	if err := unresolved(b.t.at, inResources, missing); err != nil {
		return err
	}
	for _, name := range sorted(b.outputs) {
		b.refer(b.outputs[name].Value, func(to string) {
			if b.resources[to] == nil && missing[to] == nil {
				missing[to] = []string{"Outputs", name, "Value"}
			}
		})
	}
	if err := unresolved(b.t.at, inOutputs, missing); err != nil {
		return err
	}
	if cycle := cycles(b.depends); cycle != nil {
		return circular(b.t.at, cycle)
	}
	return nil
}

// refer calls found with the resources that v refers to.
func (b *Bound) refer(v any, found func(id string)) {
	b.t.refer(v, nil, func(r Reference) {
		if r.Kind != ToParameter {
			found(r.Name)
		}
	})
}
