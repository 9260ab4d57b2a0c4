package template

import (
	"slices"
	"strings"
)

// cycles lists, sorted, the nodes that lie on a cycle of the graph; nil when
// there is none. It is Tarjan's algorithm: a component of more than one node is a cycle, and so is an edge
// from a node to itself.
func cycles(edges map[string][]string) []string {
	var (
		found   []string
		stack   []string
		onStack = map[string]bool{}
		index   = map[string]int{}
		low     = map[string]int{}
		visit   func(node string)
	)
	visit = func(node string) {
		index[node] = len(index) + 1
		low[node] = index[node]
		stack, onStack[node] = append(stack, node), true
		for _, next := range edges[node] {
			switch {
			case index[next] == 0:
				visit(next)
				low[node] = min(low[node], low[next])
			case onStack[next]:
				low[node] = min(low[node], index[next])
			}
		}
		if low[node] != index[node] {
			return
		}
		at := len(stack) - 1
		for ; stack[at] != node; at-- {
			onStack[stack[at]] = false
		}
		onStack[node] = false
		component := slices.Clone(stack[at:])
		stack = stack[:at]
		if len(component) > 1 || slices.Contains(edges[node], node) {
			found = append(found, component...)
		}
	}
	for _, node := range sorted(edges) {
		if index[node] == 0 {
			visit(node)
		}
	}
	slices.Sort(found)
	return found
}

// circular is the error about resources that wait for each other.
func circular(at atlas, ids []string) error {
	return at.refuse([]string{"Resources", ids[0]}, "Circular dependency between resources: [%s]", strings.Join(ids, ", "))
}

// checkCycles refuses the circles that are there whatever the parameters are:
// those of resources without a condition, not counting what an Fn::If holds. Bind sees the others.
func (l *loader) checkCycles() error {
	edges := map[string][]string{}
	for id, r := range l.t.Resources {
		if r.Condition != "" {
			continue
		}
		on := map[string]bool{}
		for _, d := range r.DependsOn {
			on[d] = true
		}
		for _, part := range r.parts() {
			for _, v := range *part.m {
				l.t.refer(v, nil, func(ref Reference) { on[ref.Name] = on[ref.Name] || ref.Kind != ToParameter })
			}
		}
		for _, d := range sorted(on) {
			if on[d] && l.t.Resources[d] != nil && l.t.Resources[d].Condition == "" {
				edges[id] = append(edges[id], d)
			}
		}
	}
	if cycle := cycles(edges); cycle != nil {
		return circular(l.at, cycle)
	}
	return nil
}
