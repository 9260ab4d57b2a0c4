package api

import (
	"net/url"
	"slices"
	"strings"

	"countersign/wire/shape"
)

// routes finds the operation of a REST service by method and path.
type routes struct {
	byShape map[routeShape][]route
}

// routeShape is what all candidates share.
type routeShape struct {
	method string
	parts  int
}

type route struct {
	op    *shape.Operation
	parts []string // "" where a label stands
}

func newRoutes(m *shape.Model) *routes {
	rs := &routes{byShape: map[routeShape][]route{}}
	for _, op := range m.Operations {
		parts := split(op.Path)
		for i, p := range parts {
			if strings.HasPrefix(p, "{") {
				parts[i] = ""
			}
		}
		k := routeShape{op.Method, len(parts)}
		rs.byShape[k] = append(rs.byShape[k], route{op, parts})
	}
	for _, list := range rs.byShape {
		slices.SortFunc(list, func(a, b route) int {
			// More literal parts first, the earliest deciding; then more literal
			// query parameters; then by name, so that the order is always the same.
			for i := range a.parts {
				switch la, lb := a.parts[i] != "", b.parts[i] != ""; {
				case la && !lb:
					return -1
				case !la && lb:
					return 1
				}
			}
			if d := len(b.op.Query) - len(a.op.Query); d != 0 {
				return d
			}
			return strings.Compare(a.op.Name, b.op.Name)
		})
	}
	return rs
}

// split takes a path apart between slashes. One slash at the end makes no
// difference: Route 53's rrset is called with and without.
func split(path string) []string {
	return strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "/")
}

// match compares the escaped path part by part, so that an escaped slash stays
// inside its label. Nil: no operation.
func (rs *routes) match(method, path string, query url.Values) *shape.Operation {
	parts := split(path)
	for _, candidate := range rs.byShape[routeShape{method, len(parts)}] {
		if fits(candidate.parts, parts) && hasQuery(candidate.op.Query, query) {
			return candidate.op
		}
	}
	return nil
}

func fits(pattern, parts []string) bool {
	for i, p := range pattern {
		switch {
		case p == "" && parts[i] == "":
			return false
		case p != "" && p != parts[i]:
			if literal, err := url.PathUnescape(parts[i]); err != nil || literal != p {
				return false
			}
		}
	}
	return true
}

func hasQuery(want []shape.Param, query url.Values) bool {
	for _, w := range want {
		if !query.Has(w.Name) || w.Value != "" && query.Get(w.Name) != w.Value {
			return false
		}
	}
	return true
}
