package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of a document. The first is AWS's; that of YAML is lower because a node
// of YAML takes so much more memory than its text.
const (
	MaxBytes     = 6 << 20
	maxYAMLBytes = 1 << 20
	maxDepth     = 100
	maxNodes     = 250_000 // after aliases are followed
)

// A builder makes the tree of a document and counts what it takes. Trees are
// made of map[string]any, []any, string, json.Number, bool and nil.
type builder struct {
	nodes     int
	variables *strings.Replacer // in text; nil: none
}

// enter counts one node at a depth.
func (b *builder) enter(depth int) error {
	b.nodes++
	switch {
	case depth > maxDepth:
		return fmt.Errorf("it is nested more than %d deep", maxDepth)
	case b.nodes > maxNodes:
		return fmt.Errorf("it has more than %d parts", maxNodes)
	}
	return nil
}

func (b *builder) text(s string) string {
	if b.variables == nil || !strings.Contains(s, "${AWS::") {
		return s
	}
	return b.variables.Replace(s)
}

// parse reads text, which is JSON if it looks like it and YAML otherwise.
func (b *builder) parse(text []byte) (any, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("it is too large: at most %d bytes", MaxBytes)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return b.yaml(text)
	}
	tree, err := b.json(text)
	if err == nil {
		return tree, nil
	}
	b.nodes = 0
	if tree, other := b.yaml(text); other == nil { // YAML's flow style begins like JSON
		return tree, nil
	}
	return nil, err
}

func (b *builder) json(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	tree, err := b.jsonValue(d, 0)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return tree, nil
		}
		if err == nil {
			err = errors.New("something follows its end")
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return nil, fmt.Errorf("JSON, at byte %d: %w", d.InputOffset(), err)
}

func (b *builder) jsonValue(d *json.Decoder, depth int) (any, error) {
	if err := b.enter(depth); err != nil {
		return nil, err
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case string:
		return b.text(t), nil
	case json.Delim:
		if t == '[' {
			list := []any{}
			for d.More() {
				e, err := b.jsonValue(d, depth+1)
				if err != nil {
					return nil, err
				}
				list = append(list, e)
			}
			_, err := d.Token()
			return list, err
		}
		object := map[string]any{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			name := k.(string) // the decoder takes nothing else for a name
			if _, twice := object[name]; twice {
				return nil, fmt.Errorf("the member %q stands twice in one object", name)
			}
			if object[name], err = b.jsonValue(d, depth+1); err != nil {
				return nil, err
			}
		}
		_, err := d.Token()
		return object, err
	}
	return t, nil // json.Number, bool or nil
}

func (b *builder) yaml(text []byte) (any, error) {
	if len(text) > maxYAMLBytes {
		return nil, fmt.Errorf("YAML: it is too large: at most %d bytes; pass JSON", maxYAMLBytes)
	}
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	err := d.Decode(&root)
	if errors.Is(err, io.EOF) || err == nil && len(root.Content) == 0 {
		return nil, errors.New("it is empty")
	}
	if err == nil {
		if err = d.Decode(&more); errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			err = errors.New("a second document follows")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return b.yamlValue(root.Content[0], 0)
}

// yamlValue keeps the source text of numbers: 2.0 is not 2.
func (b *builder) yamlValue(n *yaml.Node, depth int) (any, error) {
	if err := b.enter(depth); err != nil {
		return nil, err
	}
	switch n.Kind {
	case yaml.AliasNode:
		return b.yamlValue(n.Alias, depth+1) // one that holds itself ends at the depth limit
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			e, err := b.yamlValue(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		return list, nil
	case yaml.MappingNode:
		return b.yamlMapping(n, depth)
	case yaml.ScalarNode:
		switch tag := n.ShortTag(); tag {
		case "!!null":
			return nil, nil
		case "!!bool":
			return strings.EqualFold(n.Value, "true"), nil
		case "!!int", "!!float":
			if json.Valid([]byte(n.Value)) {
				return json.Number(n.Value), nil
			}
			return n.Value, nil
		case "!!str", "!!timestamp":
			return b.text(n.Value), nil
		default:
			return nil, fmt.Errorf("YAML, line %d: the tag %s has no meaning here", n.Line, tag)
		}
	}
	return nil, fmt.Errorf("YAML, line %d: this cannot stand here", n.Line)
}

func (b *builder) yamlMapping(n *yaml.Node, depth int) (any, error) {
	object := make(map[string]any, len(n.Content)/2)
	merged := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("YAML, line %d: the name of a member must be plain text", k.Line)
		}
		value, err := b.yamlValue(v, depth+1)
		if err != nil {
			return nil, err
		}
		if k.ShortTag() == "!!merge" {
			if err := merge(merged, value); err != nil {
				return nil, fmt.Errorf("YAML, line %d: %w", k.Line, err)
			}
			continue
		}
		if _, twice := object[k.Value]; twice {
			return nil, fmt.Errorf("YAML, line %d: the member %q stands twice in one mapping", k.Line, k.Value)
		}
		object[k.Value] = value
	}
	for name, value := range merged {
		if _, own := object[name]; !own {
			object[name] = value
		}
	}
	return object, nil
}

// merge adds what "<<" names, one mapping or a list of them; earlier ones win.
func merge(into map[string]any, value any) error {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return errors.New("<< takes a mapping or a list of mappings")
		}
		for name, v := range m {
			if _, there := into[name]; !there {
				into[name] = v
			}
		}
	}
	return nil
}

// copy makes a tree of a decoded one, which stays as it is.
func (b *builder) copy(v any, depth int) (any, error) {
	if err := b.enter(depth); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case json.Number:
		if !json.Valid([]byte(v)) {
			return v.String(), nil
		}
		return v, nil
	case string:
		return b.text(v), nil
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			var err error
			if list[i], err = b.copy(e, depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, e := range v {
			var err error
			if object[name], err = b.copy(e, depth+1); err != nil {
				return nil, err
			}
		}
		return object, nil
	}
	return nil, fmt.Errorf("a %T cannot stand in it", v)
}
