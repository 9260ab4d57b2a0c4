package gateway

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"countersign/edge/snapshot"
)

type segment = snapshot.Segment

var methods = map[string]bool{
	"ANY": true, "DELETE": true, "GET": true, "HEAD": true, "OPTIONS": true, "PATCH": true, "POST": true, "PUT": true,
}

var paramName = regexp.MustCompile(`^[a-zA-Z0-9._\-:]+$`)

// parseRouteKey takes "$default" or "METHOD /path" apart. "/" has no segments; a
// path that ends in a slash, which is another path than the one without, has an
// empty literal at its end.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
func parseRouteKey(key string) (method string, segments []segment, err error) {
	if key == "$default" {
		return "", nil, nil
	}
	method, path, ok := strings.Cut(key, " ")
	if !ok || !methods[method] || !strings.HasPrefix(path, "/") {
		return "", nil, badRequest("Invalid route key %q: want $default or a method and a path such as GET /pets/{id}", key)
	}
	segments = []segment{}
	if path == "/" {
		return method, segments, nil
	}
	parts := strings.Split(path[1:], "/")
	names := map[string]bool{}
	for n, part := range parts {
		if part == "" && (n == 0 || n != len(parts)-1) {
			return "", nil, badRequest("Invalid route key %q: there is an empty segment in its path", key)
		}
		s := segment{Literal: part}
		if strings.ContainsAny(part, "{}") {
			inner, ok := strings.CutPrefix(part, "{")
			if inner, ok = cutSuffix(inner, ok, "}"); !ok {
				return "", nil, badRequest("Invalid route key %q: a path variable must fill its whole segment, as in {id}", key)
			}
			s.Literal = ""
			s.Param, s.Greedy = strings.CutSuffix(inner, "+")
			switch {
			case !paramName.MatchString(s.Param):
				return "", nil, badRequest("Invalid route key %q: %q is not a name for a path variable", key, s.Param)
			case names[s.Param]:
				return "", nil, badRequest("Invalid route key %q: the path variable {%s} stands in it twice", key, s.Param)
			case s.Greedy && n != len(parts)-1:
				return "", nil, badRequest("Invalid route key %q: the greedy variable {%s+} must be the last segment", key, s.Param)
			}
			names[s.Param] = true
		}
		segments = append(segments, s)
	}
	return method, segments, nil
}

// routeShape is the same for two keys that match the same requests: the names of
// path variables do not tell routes apart.
func routeShape(method string, segments []segment) string {
	var b strings.Builder
	b.WriteString(method)
	for _, s := range segments {
		b.WriteByte('/')
		switch {
		case s.Greedy:
			b.WriteString("{+}")
		case s.Param != "":
			b.WriteString("{}")
		default:
			b.WriteString(s.Literal)
		}
	}
	return b.String()
}

// sortRoutes puts routes in the order in which the edge tries them: full matches
// before greedy ones before $default; literals before variables, from left to
// right; longer greedy prefixes first; a method before ANY.
func sortRoutes(routes []*snapshot.Route) {
	greedy := func(r *snapshot.Route) bool {
		return len(r.Segments) > 0 && r.Segments[len(r.Segments)-1].Greedy
	}
	class := func(r *snapshot.Route) int {
		switch {
		case r.Method == "":
			return 2
		case greedy(r):
			return 1
		}
		return 0
	}
	slices.SortStableFunc(routes, func(x, y *snapshot.Route) int {
		if c := cmp.Compare(class(x), class(y)); c != 0 {
			return c
		}
		// Full matches of different lengths never match the same request; without an order
		// between them this were none at all: each would be as good as two that are not as good as one another.
		if c := cmp.Compare(len(y.Segments), len(x.Segments)); c != 0 {
			return c
		}
		for i := range x.Segments {
			xv, yv := x.Segments[i].Param != "", y.Segments[i].Param != ""
			if xv != yv {
				if yv {
					return -1
				}
				return 1
			}
		}
		if xAny, yAny := x.Method == "ANY", y.Method == "ANY"; xAny != yAny {
			if yAny {
				return -1
			}
			return 1
		}
		return 0
	})
}
