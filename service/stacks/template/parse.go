package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds of what Parse takes on. Aliases count each time that they are used.
const (
	maxDepth = 100
	maxNodes = 250_000
)

// A Position is a place in a template's text; both count from 1. The zero
// Position is none.
type Position struct{ Line, Column int }

// An Error is what is wrong with a template. Its text begins as CloudFormation's
// does, and names the line where that is known.
type Error struct {
	Position Position
	Path     []string // from the root; nil: not known
	Message  string
}

func (e *Error) Error() string {
	if e.Position.Line > 0 {
		return fmt.Sprintf("%s (line %d)", e.Message, e.Position.Line)
	}
	return e.Message
}

func formatError(at Position, format string, args ...any) *Error {
	return &Error{Position: at, Message: "Template format error: " + fmt.Sprintf(format, args...)}
}

// A Document is a template's text as a tree.
type Document struct {
	Root      map[string]any
	positions map[string]Position // by path, joined with the separator
}

const separator = "\x00"

// At is where a path leads to in the text, or as far as it can be followed.
func (d *Document) At(path ...string) Position {
	for n := len(path); n >= 0; n-- {
		if p, ok := d.positions[strings.Join(path[:n], separator)]; ok {
			return p
		}
	}
	return Position{}
}

// Parse reads a template in JSON or YAML 1.1 with CloudFormation's short tags. Every
// error is an *Error.
func Parse(text []byte) (*Document, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, formatError(Position{}, "the template is empty")
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := d.Decode(&doc); err != nil {
		return nil, yamlError(err)
	}
	var second yaml.Node
	if err := d.Decode(&second); err == nil {
		return nil, formatError(Position{second.Line, second.Column}, "there is more than one document")
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, formatError(Position{1, 1}, "unsupported structure: a template is an object")
	}
	r := reader{positions: map[string]Position{}}
	v, err := r.value(doc.Content[0], 0)
	if err != nil {
		return nil, err
	}
	return &Document{Root: v.(map[string]any), positions: r.positions}, nil
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

func yamlError(err error) *Error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var at Position
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		text = strings.TrimPrefix(text, m[0]+": ")
	}
	return formatError(at, "YAML not well-formed: %s", text)
}

// A reader makes a tree of YAML nodes.
type reader struct {
	path      []string
	positions map[string]Position
	nodes     int
	aliases   []*yaml.Node // being followed
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) error {
	e := formatError(Position{n.Line, n.Column}, format, args...)
	e.Path = append([]string{}, r.path...)
	return e
}

func (r *reader) enter(key string, n *yaml.Node) {
	r.path = append(r.path, key)
	r.positions[strings.Join(r.path, separator)] = Position{n.Line, n.Column}
}

func (r *reader) leave() { r.path = r.path[:len(r.path)-1] }

func (r *reader) value(n *yaml.Node, depth int) (any, error) {
	if r.nodes++; r.nodes > maxNodes {
		return nil, r.fail(n, "the template has more than %d values, aliases counted where they are used", maxNodes)
	}
	if depth > maxDepth {
		return nil, r.fail(n, "the template is nested deeper than %d levels", maxDepth)
	}
	if n.Kind == yaml.AliasNode {
		for _, a := range r.aliases {
			if a == n.Alias {
				return nil, r.fail(n, "the anchor %s contains itself", n.Value)
			}
		}
		r.aliases = append(r.aliases, n.Alias)
		defer func() { r.aliases = r.aliases[:len(r.aliases)-1] }()
		return r.value(n.Alias, depth+1)
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return r.short(n, depth)
	}
	return r.plain(n, depth)
}

func (r *reader) plain(n *yaml.Node, depth int) (any, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		return scalarValue(n), nil
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for i, c := range n.Content {
			r.enter(strconv.Itoa(i), c)
			v, err := r.value(c, depth+1)
			r.leave()
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case yaml.MappingNode:
		return r.mapping(n, depth)
	}
	return nil, r.fail(n, "unsupported structure")
}

func (r *reader) mapping(n *yaml.Node, depth int) (any, error) {
	out := make(map[string]any, len(n.Content)/2)
	lines := map[string]int{}
	var merged []map[string]any
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return nil, r.fail(n.Content[i], "a key must be a text")
		}
		if k.Tag == "!!merge" {
			v, err := r.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			for _, m := range list {
				from, ok := m.(map[string]any)
				if !ok {
					return nil, r.fail(c, "<< merges objects only")
				}
				merged = append(merged, from)
			}
			continue
		}
		if first, twice := lines[k.Value]; twice {
			return nil, r.fail(n.Content[i], "the key %s stands twice in one object, on lines %d and %d", strconv.Quote(k.Value), first, n.Content[i].Line)
		}
		lines[k.Value] = n.Content[i].Line
		r.enter(k.Value, n.Content[i])
		v, err := r.value(c, depth+1)
		r.leave()
		if err != nil {
			return nil, err
		}
		out[k.Value] = v
	}
	for _, from := range merged {
		for k, v := range from {
			if _, have := out[k]; !have {
				out[k] = v
			}
		}
	}
	return out, nil
}

// shortTags are functions that have a tag. Those that are no Fn:: are named as they are.
var shortTags = func() map[string]string {
	out := map[string]string{"!Ref": "Ref", "!Condition": "Condition"}
	for _, name := range []string{
		"And", "Base64", "Cidr", "Equals", "FindInMap", "ForEach", "GetAZs", "GetAtt", "GetStackOutput", "If", "ImportValue", "Join", "Length", "Not", "Or", "Select", "Split", "Sub",
		"ToJsonString", "Transform", "Contains", "EachMemberEquals", "EachMemberIn", "RefAll", "ValueOf", "ValueOfAll",
	} {
		out["!"+name] = "Fn::" + name
	}
	return out
}()

func (r *reader) short(n *yaml.Node, depth int) (any, error) {
	name, known := shortTags[n.Tag]
	if !known {
		return nil, r.fail(n, "the tag %s is not one that CloudFormation knows", n.Tag)
	}
	bare := *n
	bare.Tag = ""
	if bare.Kind == yaml.ScalarNode {
		bare.Tag = "!!str"
	}
	r.enter(name, n)
	v, err := r.plain(&bare, depth+1)
	r.leave()
	if err != nil {
		return nil, err
	}
	if text, ok := v.(string); ok && name == "Fn::GetAtt" {
		id, attribute, found := strings.Cut(text, ".")
		if !found {
			return nil, r.fail(n, "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
		}
		v = []any{id, attribute}
	}
	return map[string]any{name: v}, nil
}

// jsonNumber is what JSON calls a number: no leading zeros, no plus.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// scalarValue keeps the text of everything but booleans, numbers and null.
// https://yaml.org/type/bool.html: CloudFormation reads YAML 1.1.
func scalarValue(n *yaml.Node) any {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Value
	}
	if n.Tag == "!!str" && n.Style&yaml.TaggedStyle != 0 {
		return n.Value
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		if n.Tag == "!!str" {
			return n.Value // of a short tag: !Ref ""
		}
		return nil
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON":
		return true
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF":
		return false
	}
	if len(n.Value) < 64 && jsonNumber.MatchString(n.Value) {
		return json.Number(n.Value)
	}
	return n.Value
}

// Transforms lists what the template's Transform section names.
func Transforms(root map[string]any) []string {
	var out []string
	add := func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case map[string]any:
			if name, ok := v["Name"].(string); ok {
				out = append(out, name)
			}
		}
	}
	if list, ok := root["Transform"].([]any); ok {
		for _, v := range list {
			add(v)
		}
	} else {
		add(root["Transform"])
	}
	return out
}

// JSON is the text of a tree, keys in order.
func JSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte("null") // no tree of ours: see the package comment
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

var errNotText = errors.New("not a text")

// text is a scalar's text.
func text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", errNotText
}

// Equal compares trees as CloudFormation does: scalars by their text. Unknown equals nothing.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		m, ok := b.(map[string]any)
		if !ok || len(m) != len(a) {
			return false
		}
		for k, v := range a {
			w, ok := m[k]
			if !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		l, ok := b.([]any)
		if !ok || len(l) != len(a) {
			return false
		}
		for i := range a {
			if !Equal(a[i], l[i]) {
				return false
			}
		}
		return true
	case nil:
		return b == nil
	}
	x, err := text(a)
	y, other := text(b)
	return err == nil && other == nil && x == y
}
