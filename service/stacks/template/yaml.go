package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yaml reads a whole YAML text.
func (c *composer) yaml(text []byte) (any, *place, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, c.malformed(err)
	}
	if err := dec.Decode(&more); err == nil {
		at := Position{Line: more.Line, Column: more.Column}
		return nil, nil, c.refuse(at, "Template format error: YAML not well-formed. (%s) a template is one document; a second one begins here", at)
	} else if !errors.Is(err, io.EOF) {
		return nil, nil, c.malformed(err)
	}
	r := yamlReader{composer: c, open: map[*yaml.Node]bool{}}
	return r.value(doc.Content[0], nil)
}

var (
	yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	// yamlFromZero are the errors of the YAML package's parser, whose lines it counts
	// from 0, where its scanner counts from 1.
	yamlFromZero = regexp.MustCompile(`^(did not find expected (<.*|key|node content|'-' indicator|',' or .*)|found (duplicate %.* directive|undefined tag handle|incompatible YAML document))$`)
)

func (c *composer) malformed(err error) *Error {
	var at Position
	what := err.Error()
	if m := yamlLine.FindStringSubmatch(what); m != nil {
		what = what[len(m[0]):]
		at.Line, _ = strconv.Atoi(m[1])
		if yamlFromZero.MatchString(what) {
			at.Line++
		}
	}
	where := ""
	if at.Line > 0 {
		where = " (" + at.String() + ")"
	}
	return c.refuse(at, "Template format error: YAML not well-formed.%s %s", where, what)
}

type yamlReader struct {
	*composer
	open map[*yaml.Node]bool // nodes being read: an alias to one of them has no end
}

// value reads a node. key, when not nil, is where its place is.
func (r *yamlReader) value(n, key *yaml.Node) (any, *place, error) {
	at := Position{Line: n.Line, Column: n.Column}
	if key != nil {
		at = Position{Line: key.Line, Column: key.Column}
	}
	if err := r.enter(at); err != nil {
		return nil, nil, err
	}
	if n.Kind == yaml.AliasNode {
		target, err := r.follow(n)
		if err != nil {
			return nil, nil, err
		}
		n = target
	}
	if r.open[n] {
		return nil, nil, r.refuse(at, "Template format error: the YAML alias *%s contains itself.", n.Anchor)
	}
	r.open[n] = true
	defer delete(r.open, n)

	if long, ok := shortForms[n.Tag]; ok {
		return r.function(long, n, at)
	}
	var v any
	p := &place{Position: at}
	var err error
	switch {
	case n.Kind == yaml.MappingNode && n.Tag == "!!map":
		v, err = r.mapping(n, p)
	case n.Kind == yaml.SequenceNode && n.Tag == "!!seq":
		v, err = r.sequence(n, p)
	case n.Kind == yaml.ScalarNode:
		v, err = r.scalar(n, at)
	default:
		err = r.unsupported(n, at)
	}
	return v, p, err
}

// follow finds what an alias stands for.
func (r *yamlReader) follow(n *yaml.Node) (*yaml.Node, error) {
	if !r.aliases {
		return nil, r.refuse(Position{Line: n.Line, Column: n.Column}, "Template error: YAML aliases are not allowed in CloudFormation templates")
	}
	return n.Alias, nil
}

func (r *yamlReader) unsupported(n *yaml.Node, at Position) *Error {
	return r.refuse(at, "Template format error: the YAML tag %s is not supported.", n.Tag)
}

func (r *yamlReader) mapping(n *yaml.Node, p *place) (map[string]any, error) {
	m := make(map[string]any, len(n.Content)/2)
	p.members = make(map[string]*place, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := Position{Line: k.Line, Column: k.Column}
		if k.Kind == yaml.AliasNode {
			target, err := r.follow(k)
			if err != nil {
				return nil, err
			}
			k = target
		}
		if k.Kind != yaml.ScalarNode {
			return nil, r.refuse(at, "Template format error: the keys of a map are strings.")
		}
		if k.Tag == "!!merge" {
			if !r.aliases {
				return nil, r.refuse(at, "Template format error: YAML merge keys (<<) are not supported.")
			}
			merges = append(merges, v)
			continue
		}
		key := k.Value
		if before, twice := p.members[key]; twice {
			return nil, r.duplicate(key, before.Position, at)
		}
		r.push(key)
		value, vp, err := r.value(v, n.Content[i])
		if err != nil {
			return nil, err
		}
		r.pop()
		m[key], p.members[key] = value, vp
	}
	for _, merge := range merges {
		if err := r.merge(merge, m, p); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// merge adds the members of a map, or of each map of a list, that m does not
// have. https://yaml.org/type/merge.html
func (r *yamlReader) merge(n *yaml.Node, m map[string]any, p *place) error {
	at := Position{Line: n.Line, Column: n.Column}
	value, places, err := r.value(n, nil)
	if err != nil {
		return err
	}
	sources, sourcePlaces := []any{value}, []*place{places}
	if list, ok := value.([]any); ok {
		sources, sourcePlaces = list, places.elements
	}
	for i, source := range sources {
		from, ok := source.(map[string]any)
		if !ok {
			return r.refuse(at, "Template format error: a YAML merge key (<<) takes a map or a list of maps.")
		}
		for k, v := range from {
			if _, has := m[k]; !has {
				m[k], p.members[k] = v, sourcePlaces[i].members[k]
			}
		}
	}
	return nil
}

func (r *yamlReader) sequence(n *yaml.Node, p *place) ([]any, error) {
	list := make([]any, 0, len(n.Content))
	for i, e := range n.Content {
		r.push(strconv.Itoa(i))
		v, vp, err := r.value(e, nil)
		if err != nil {
			return nil, err
		}
		r.pop()
		list, p.elements = append(list, v), append(p.elements, vp)
	}
	return list, nil
}

// plainNumber is JSON's grammar. All else that YAML 1.1 calls a number (0o14, 1_000,
// 190:20:30, leading zeros) stays the text that it is.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func (r *yamlReader) scalar(n *yaml.Node, at Position) (any, error) {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if n.Style&yaml.TaggedStyle != 0 {
		switch n.Tag {
		case "!!str":
			return n.Value, nil
		case "!!int", "!!float", "!!bool", "!!null":
			return plain(n.Value), nil
		}
		return nil, r.unsupported(n, at)
	}
	if n.Style&quoted != 0 {
		return n.Value, nil
	}
	return plain(n.Value), nil
}

// plain is what an unquoted scalar stands for in YAML 1.1, as far as CloudFormation
// cares: dates and odd numbers stay text.
func plain(text string) any {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON":
		return true
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF":
		return false
	}
	if plainNumber.MatchString(text) {
		return json.Number(text)
	}
	return text
}

// shortForms are the tags that stand for functions.
var shortForms = func() map[string]string {
	m := map[string]string{"!Ref": "Ref", "!Condition": "Condition"}
	for _, name := range []string{
		"And", "Base64", "Cidr", "Contains", "EachMemberEquals", "EachMemberIn", "Equals", "FindInMap", "GetAtt", "GetAZs", "GetStackOutput", "If",
		"ImportValue", "Join", "Length", "Not", "Or", "RefAll", "Select", "Split", "Sub", "ToJsonString", "Transform", "ValueOf", "ValueOfAll",
	} {
		m["!"+name] = "Fn::" + name
	}
	return m
}()

// function reads a node with the tag of a function as a map with one member.
func (r *yamlReader) function(name string, n *yaml.Node, at Position) (any, *place, error) {
	r.push(name)
	defer r.pop()
	var arg any
	var err error
	p := &place{Position: at}
	switch n.Kind {
	case yaml.ScalarNode:
		arg = n.Value
		if name == "Fn::GetAtt" {
			if id, attribute, ok := strings.Cut(n.Value, "."); ok {
				arg = []any{id, attribute}
			}
		}
	case yaml.SequenceNode:
		arg, err = r.sequence(n, p)
	case yaml.MappingNode:
		arg, err = r.mapping(n, p)
	default:
		err = fmt.Errorf("yaml node of kind %d", n.Kind)
	}
	if err != nil {
		return nil, nil, err
	}
	return map[string]any{name: arg}, &place{Position: at, members: map[string]*place{name: p}}, nil
}
