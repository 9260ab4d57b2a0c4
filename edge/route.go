package edge

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"countersign/edge/snapshot"
)

// A target is where a request goes.
type target struct {
	api      *snapshot.API
	stage    *snapshot.Stage
	route    *snapshot.Route
	stageURL string  // path as the API sees it: below its mapping, with the name of the stage unless that is $default
	below    string  // path below mapping and stage, as the client sent it
	params   []param // of the route's path, still percent-encoded
	apiHost  bool    // reached through the default endpoint
}

// A param is one path variable.
type param struct{ name, value string }

const defaultRoute = "$default"

// checkRoute refuses routes that matching could not honour; rest: of a REST API.
func checkRoute(r *snapshot.Route, last, rest bool) error {
	if r == nil {
		return errors.New("it is nil")
	}
	if r.Key == defaultRoute {
		if rest {
			return errors.New("a REST API has no $default")
		}
		if !last {
			return errors.New("$default is not the last route")
		}
	} else {
		if r.Method == "" {
			return fmt.Errorf("route %q has no method", r.Key)
		}
		for i, s := range r.Segments {
			switch {
			case s.Greedy && i != len(r.Segments)-1:
				return fmt.Errorf("route %q: {%s+} is not the last segment", r.Key, s.Param)
			// A path that ends in a slash has an empty last segment.
			case s.Greedy && s.Param == "", s.Literal == "" && s.Param == "" && (i == 0 || i != len(r.Segments)-1):
				return fmt.Errorf("route %q: segment %d is empty", r.Key, i+1)
			}
		}
	}
	in := r.Integration
	if in == nil || r.Unavailable != "" || in.Type == snapshot.HTTPProxy || in.Type == snapshot.AWSProxy || in.Type == snapshot.Mock && rest {
		return nil
	}
	return fmt.Errorf("route %q: no integration type %q", r.Key, in.Type)
}

// mappingFor finds the mapping that a path falls under and the path below it,
// which begins with a slash. The longest key comes first in the slice.
func mappingFor(mappings []snapshot.Mapping, path string) (m *snapshot.Mapping, below string) {
	for i := range mappings {
		if below, ok := cutSegments(path, mappings[i].Segments); ok {
			return &mappings[i], below
		}
	}
	return nil, ""
}

// cutSegments removes leading segments from a path that begins with a slash.
func cutSegments(path string, segments []string) (below string, ok bool) {
	for _, want := range segments {
		have, rest, found := nextSegment(path)
		if !found || !sameSegment(have, want) {
			return "", false
		}
		path = rest
	}
	if path == "" {
		path = "/"
	}
	return path, true
}

// nextSegment splits "/a/b" into "a" and "/b"; "/a" into "a" and "".
func nextSegment(path string) (segment, rest string, ok bool) {
	if path == "" {
		return "", "", false
	}
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:], true
	}
	return path, "", true
}

// sameSegment compares a raw segment of a request with a literal. A client may
// percent-encode any letter; that does not lead it to another route.
func sameSegment(raw, literal string) bool {
	if raw == literal {
		return true
	}
	if strings.IndexByte(raw, '%') < 0 {
		return false
	}
	plain, err := url.PathUnescape(raw)
	return err == nil && plain == literal
}

// stageFor selects the stage on a default endpoint: the first segment names
// one, or else it is $default.
func stageFor(api *snapshot.API, path string) (stage *snapshot.Stage, below string) {
	if first, rest, ok := nextSegment(path); ok && first != "" && first != defaultRoute {
		if s := api.Stages[first]; s != nil {
			if rest == "" {
				rest = "/"
			}
			return s, rest
		}
	}
	return api.Stages[defaultRoute], path
}

// routeFor finds the first route of the stage, in its order of selection, that
// the method and the path (which begins with a slash) match.
func routeFor(routes []*snapshot.Route, method, path string) (*snapshot.Route, []param) {
	for _, r := range routes {
		if r.Key == defaultRoute {
			return r, nil
		}
		if r.Method != method && r.Method != "ANY" {
			continue
		}
		if matches(r.Segments, path) {
			return r, paramsOf(r.Segments, path)
		}
	}
	return nil, nil
}

// matches compares a path with the segments of a route. A variable stands for
// one segment that is not empty, a greedy one for all that are left.
func matches(segments []snapshot.Segment, path string) bool {
	if path == "/" && len(segments) == 0 {
		return true
	}
	for i := range segments {
		s := &segments[i]
		have, rest, ok := nextSegment(path)
		switch {
		case !ok:
			return false
		case s.Greedy:
			return have != "" || rest != ""
		case s.Param != "":
			if have == "" {
				return false
			}
		case !sameSegment(have, s.Literal):
			return false
		}
		path = rest
	}
	return path == ""
}

// paramsOf reads the variables out of a path that matches the segments.
func paramsOf(segments []snapshot.Segment, path string) []param {
	var params []param
	for i := range segments {
		s := &segments[i]
		have, rest, _ := nextSegment(path)
		switch {
		case s.Greedy:
			params = append(params, param{s.Param, path[1:]})
		case s.Param != "":
			params = append(params, param{s.Param, have})
		}
		path = rest
	}
	return params
}

// hasDotSegment reports whether a backend could read the path as leaving the
// folder it begins with: "." and ".." also in percent-encoded form, and behind
// encoded or reversed slashes.
func hasDotSegment(path string) bool {
	if strings.IndexByte(path, '.') < 0 && !strings.Contains(path, "%2") {
		return false
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return true
	}
	for segment := range strings.FieldsFuncSeq(plain, func(r rune) bool { return r == '/' || r == '\\' }) {
		segment, _, _ = strings.Cut(segment, ";") // Java servers pass over what follows
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
