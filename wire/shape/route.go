package shape

import (
	"net/http"
	"net/url"
	"strings"
)

// A Label is a variable part of a path: its name and its text as received,
// still percent-encoded.
type Label struct{ Name, Escaped string }

// Labels matches an escaped path against the operation's pattern and returns
// the variable parts, or false. No segment is cleaned, joined or decoded: a
// greedy label keeps slashes, dots and empty segments as they came. A label is
// never empty. One trailing slash is ignored on either side, except where a
// greedy label ends the pattern.
func (o *Operation) Labels(path string) ([]Label, bool) {
	pattern := strings.TrimPrefix(o.Path, "/")
	path, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, false
	}
	greedy := strings.HasSuffix(pattern, "+}")
	if !greedy {
		pattern, path = strings.TrimSuffix(pattern, "/"), strings.TrimSuffix(path, "/")
	}
	var labels []Label
	for pattern != "" {
		var part, got string
		part, pattern, _ = strings.Cut(pattern, "/")
		if strings.HasSuffix(part, "+}") {
			if path == "" {
				return nil, false
			}
			return append(labels, Label{part[1 : len(part)-2], path}), true
		}
		got, path, ok = strings.Cut(path, "/")
		switch {
		case !ok && pattern != "":
			return nil, false // the path ended early
		case ok && pattern == "":
			return nil, false // and here the pattern did
		case strings.HasPrefix(part, "{"):
			if got == "" {
				return nil, false
			}
			labels = append(labels, Label{part[1 : len(part)-1], got})
		case part != got:
			return nil, false
		}
	}
	return labels, path == ""
}

// Route finds the operation of a REST service that a request is for, by
// method, escaped path, query and headers; for S3 the path is in path style.
// Where several fit, the one with the most literal query parameters (?acl)
// wins, then one whose required parameters and headers are all there
// (UploadPart before PutObject, CopyObject before both), then the one with the
// most literal path. An operation is found also where its required parameters are
// missing, if no other is: its validation says so better.
//
// A query parameter that selects operations at this path (?policy) excludes
// those that it does not select: DELETE /bucket?acl is no DeleteBucket.
func (m *Model) Route(method, path string, query url.Values, header http.Header) (*Operation, bool) {
	var best *Operation
	var bestScore score
	selected := false
	var fitting []*Operation
	for _, ops := range m.paths {
		if _, ok := ops[0].Labels(path); !ok {
			continue
		}
		for _, o := range ops {
			for _, p := range o.Query {
				selected = selected || p.Value == "" && query.Has(p.Name)
			}
			if o.Method == method {
				fitting = append(fitting, o)
			}
		}
	}
	for _, o := range fitting {
		s, ok := o.score(query, header)
		if !ok || selected && s.literal == 0 {
			continue
		}
		if best == nil || bestScore.less(s) || !s.less(bestScore) && o.Name < best.Name {
			best, bestScore = o, s
		}
	}
	return best, best != nil
}

type score struct {
	literal   int  // literal query parameters
	satisfied bool // every required parameter and header is there
	required  int  // how many those are
	path      int  // length of the path's literal text
}

func (a score) less(b score) bool {
	switch {
	case a.literal != b.literal:
		return a.literal < b.literal
	case a.satisfied != b.satisfied:
		return b.satisfied
	case a.required != b.required:
		return a.required < b.required
	}
	return a.path < b.path
}

func (o *Operation) score(query url.Values, header http.Header) (score, bool) {
	s := score{satisfied: true}
	for _, p := range o.Query {
		if !query.Has(p.Name) || p.Value != "" && query.Get(p.Name) != p.Value {
			return s, false
		}
		s.literal++
	}
	if o.Input != nil {
		for _, x := range o.Input.Members {
			if !x.Required {
				continue
			}
			switch x.Location {
			case QueryString:
				s.required++
				s.satisfied = s.satisfied && query.Has(x.Wire)
			case Header:
				s.required++
				s.satisfied = s.satisfied && header.Get(x.Wire) != ""
			}
		}
	}
	for part := range strings.SplitSeq(o.Path, "/") {
		if !strings.HasPrefix(part, "{") {
			s.path += len(part) + 1
		}
	}
	return s, true
}
