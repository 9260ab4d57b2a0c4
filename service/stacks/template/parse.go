package template

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"
)

const (
	// maxDepth is how deep maps and lists may stand in each other. The deepest
	// templates seen, state machines and API definitions, have some thirty levels.
	maxDepth = 200

	// maxNodes is how many values a document may have once its aliases are
	// written out. A text of 1 MB, the largest that CloudFormation takes, cannot have more without aliases.
	maxNodes = 1 << 19
)

// A Document is a template as it was written, with the places of its values.
type Document struct {
	Root   map[string]any
	places *place
}

// A place is where a value stands; for a member of a map, its key. Places form
// the same tree as the values.
type place struct {
	Position
	members  map[string]*place
	elements []*place
}

func (p *place) child(step string) *place {
	if c, ok := p.members[step]; ok {
		return c
	}
	if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(p.elements) {
		return p.elements[i]
	}
	return nil
}

// At is where the value stands that path leads to; elements of lists are named by
// their number. Of a path that leads out of the text, as paths into what a transform made do, the longest known beginning counts.
func (d *Document) At(path ...string) Position {
	p := d.places
	if p == nil {
		return Position{}
	}
	for _, step := range path {
		c := p.child(step)
		if c == nil {
			break
		}
		p = c
	}
	return p.Position
}

// Parse reads a template: JSON when it begins with a brace, else YAML 1.1, with
// the short forms of functions written out. The caller bounds the size of the text; Parse bounds
// its depth and the number of its values. As CloudFormation does, it refuses YAML's aliases and merge keys. Keys that
// are given twice are refused. Errors are of type *Error.
func Parse(text []byte) (*Document, error) { return parse(text, false) }

// ParseSnippet reads what AWS::Include includes. It differs from Parse in that
// YAML's aliases and merge keys are allowed; they are written out, and what they amount to is bounded.
func ParseSnippet(text []byte) (*Document, error) { return parse(text, true) }

func parse(text []byte, aliases bool) (*Document, error) {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	c := composer{aliases: aliases}
	var read func([]byte) (any, *place, error)
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		read = c.json
	} else {
		read = c.yaml
	}
	if !utf8.Valid(text) {
		return nil, c.refuse(Position{}, "Template format error: the template is not UTF-8 text.")
	}
	value, places, err := read(text)
	if err != nil {
		return nil, err
	}
	root, ok := value.(map[string]any)
	if !ok {
		var at Position
		if places != nil {
			at = places.Position
		}
		return nil, c.refuse(at, "Template format error: unsupported structure.")
	}
	return &Document{Root: root, places: places}, nil
}

// A composer builds the trees of values and places, of either syntax.
type composer struct {
	aliases bool
	path    []string
	nodes   int
}

func (c *composer) refuse(at Position, format string, args ...any) *Error {
	return atlas(func(...string) Position { return at }).refuse(c.path, format, args...)
}

// enter counts a value, and refuses one that is too much or too deep.
func (c *composer) enter(at Position) error {
	c.nodes++
	if c.nodes > maxNodes {
		return c.refuse(at, "Template format error: the template has more than %d values.", maxNodes)
	}
	if len(c.path) > maxDepth {
		c.path = slices.Clip(c.path[:8]) // enough to find it
		return c.refuse(at, "Template format error: the template is nested more than %d levels deep.", maxDepth)
	}
	return nil
}

func (c *composer) push(step string) { c.path = append(c.path, step) }
func (c *composer) pop()             { c.path = c.path[:len(c.path)-1] }

func (c *composer) duplicate(key string, first, second Position) *Error {
	return c.refuse(second, "Template format error: the key %q is there twice, in lines %d and %d.", key, first.Line, second.Line)
}
