package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxTemplate bounds a template's text, in bytes; it is CloudFormation's own limit.
const MaxTemplate = 1_000_000

// templateNames are looked for in a folder, in this order.
var templateNames = []string{"template.yaml", "template.yml", "template.json"}

// A Folder is a template and what it points at beside it.
type Folder struct {
	Template  string // path of the template
	Text      []byte
	root      *yaml.Node
	artifacts []*artifact
}

// An artifact is one local path in a template.
type artifact struct {
	node     *yaml.Node
	property string
	path     string // absolute
	kind     artifactKind
	runtime  string
	machine  *yaml.Node // Architectures; nil: not given
	users    []string   // logical ids
	nested   *Folder
	location location // once it is uploaded
}

type artifactKind int

const (
	codeOfFunction artifactKind = iota // a folder or zip
	wholeFile                          // an API definition
	nestedTemplate
)

type location struct{ Bucket, Key string }

func (l location) uri() string { return "s3://" + l.Bucket + "/" + l.Key }

// property says how a local path is written where it was uploaded.
var properties = map[string]struct {
	name string
	kind artifactKind
	form func(l location, endpoint string) string
}{
	"AWS::Serverless::Function": {"CodeUri", codeOfFunction, func(l location, _ string) string { return quote(l.uri()) }},
	"AWS::Lambda::Function": {"Code", codeOfFunction, func(l location, _ string) string {
		return fmt.Sprintf(`{"S3Bucket": %s, "S3Key": %s}`, quote(l.Bucket), quote(l.Key))
	}},
	"AWS::Serverless::Api":       {"DefinitionUri", wholeFile, func(l location, _ string) string { return quote(l.uri()) }},
	"AWS::Serverless::HttpApi":   {"DefinitionUri", wholeFile, func(l location, _ string) string { return quote(l.uri()) }},
	"AWS::ApiGateway::RestApi":   {"BodyS3Location", wholeFile, bucketAndKey},
	"AWS::ApiGatewayV2::Api":     {"BodyS3Location", wholeFile, bucketAndKey},
	"AWS::CloudFormation::Stack": {"TemplateURL", nestedTemplate, func(l location, endpoint string) string { return quote(l.url(endpoint)) }},
}

func bucketAndKey(l location, _ string) string {
	return fmt.Sprintf(`{"Bucket": %s, "Key": %s}`, quote(l.Bucket), quote(l.Key))
}

// url is how CloudFormation is told where a template is.
func (l location) url(endpoint string) string {
	if endpoint != "" {
		return strings.TrimSuffix(endpoint, "/") + "/" + l.Bucket + "/" + l.Key
	}
	return "https://s3.amazonaws.com/" + l.Bucket + "/" + l.Key
}

// quote is a text as both JSON and YAML read it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Open reads the template of a folder, or the template that the path itself names, and finds what it points at.
func Open(path string) (*Folder, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		found := ""
		for _, name := range templateNames {
			if _, err := os.Stat(filepath.Join(path, name)); err == nil {
				found = filepath.Join(path, name)
				break
			}
		}
		if found == "" {
			return nil, fmt.Errorf("%s has no %s: name the template's file, or its folder", path, strings.Join(templateNames, ", "))
		}
		path = found
	}
	return open(path, nil)
}

func open(path string, above []string) (*Folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	for _, p := range above {
		if p == path {
			return nil, fmt.Errorf("%s nests itself", path)
		}
	}
	f := &Folder{Template: path}
	if f.Text, err = readBounded(path, MaxTemplate); err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(f.Text, &doc); err != nil {
		return nil, fmt.Errorf("%s is neither YAML nor JSON: %w", path, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s is no template: it has no Resources", path)
	}
	f.root = doc.Content[0]
	return f, f.find(append(above, path))
}

func readBounded(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, nil
}

// find collects the local paths of the template.
func (f *Folder) find(above []string) error {
	shared := child(f.root, "Globals", "Function")
	byNode := map[*yaml.Node]*artifact{}
	resources := child(f.root, "Resources")
	if resources == nil || resources.Kind != yaml.MappingNode {
		return fmt.Errorf("%s is no template: it has no Resources", f.Template)
	}
	for i := 0; i+1 < len(resources.Content); i += 2 {
		id, body := resources.Content[i].Value, resources.Content[i+1]
		kind, known := properties[scalar(child(body, "Type"))]
		if !known {
			continue
		}
		props := child(body, "Properties")
		node := child(props, kind.name)
		if scalar(child(body, "Type")) == "AWS::Serverless::Function" && node == nil {
			if child(props, "InlineCode") != nil || child(props, "ImageUri") != nil {
				continue
			}
			node = child(shared, kind.name)
		}
		if node == nil || node.Kind != yaml.ScalarNode || node.Tag != "!!str" || remote(node.Value) {
			continue
		}
		a := &artifact{node: node, property: kind.name, kind: kind.kind, path: filepath.Join(filepath.Dir(f.Template), filepath.FromSlash(node.Value)), users: []string{id}}
		if filepath.IsAbs(node.Value) {
			a.path = filepath.Clean(node.Value)
		}
		a.runtime, a.machine = setting(props, shared, "Runtime"), child(props, "Architectures")
		if a.machine == nil {
			a.machine = child(shared, "Architectures")
		}
		if _, err := os.Stat(a.path); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = errors.New("there is no such file or folder")
			}
			return fmt.Errorf("%s:%d: %s of %s is %s: %w", f.Template, node.Line, kind.name, id, node.Value, err)
		}
		if have := byNode[node]; have != nil {
			if have.machine != a.machine || have.runtime != a.runtime {
				return fmt.Errorf("%s:%d: %s and %s share the CodeUri of Globals but not runtime and architecture; give them a CodeUri each", f.Template, node.Line, have.users[0], id)
			}
			have.users = append(have.users, id)
			continue
		}
		if a.kind == nestedTemplate {
			var err error
			if a.nested, err = open(a.path, above); err != nil {
				return err
			}
		}
		byNode[node] = a
		f.artifacts = append(f.artifacts, a)
	}
	return nil
}

// remote reports whether a location is somewhere else already.
func remote(s string) bool {
	return s == "" || strings.HasPrefix(s, "s3://") || strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// child follows keys of mappings; nil where one is missing.
func child(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}
		var next *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		n = next
	}
	return n
}

func scalar(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

func setting(props, shared *yaml.Node, name string) string {
	if v := scalar(child(props, name)); v != "" {
		return v
	}
	return scalar(child(shared, name))
}

// architecture is the GOARCH that an artifact is built for; x86_64 is Lambda's default. A Ref to a
// parameter takes its argument, or its default.
func (f *Folder) architecture(a *artifact, arguments map[string]string) (string, error) {
	if a.machine == nil {
		return "amd64", nil
	}
	n := a.machine
	if n.Kind == yaml.SequenceNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	name := scalar(n)
	if ref := child(n, "Ref"); ref != nil || n.Tag == "!Ref" {
		if ref != nil {
			name = scalar(ref)
		}
		value, given := arguments[name]
		for _, p := range f.Parameters() {
			if p.Name == name && !given {
				value = p.Default
			}
		}
		name = value
	}
	switch name {
	case "x86_64":
		return "amd64", nil
	case "arm64":
		return "arm64", nil
	}
	return "", fmt.Errorf("the Architectures of %s are %q: they must be x86_64 or arm64, or a Ref to a parameter with such a value", a.users[0], name)
}

// Line is where a logical id stands in the template; 0 if it does not: a
// transform made it. An id that begins with one of the template's belongs to that.
func (f *Folder) Line(id string) int {
	resources := child(f.root, "Resources")
	line, longest := 0, 0
	for i := 0; i+1 < len(resources.Content); i += 2 {
		key := resources.Content[i]
		if strings.HasPrefix(id, key.Value) && len(key.Value) > longest {
			line, longest = key.Line, len(key.Value)
		}
	}
	return line
}

// Parameters are those that the template declares, in its order.
func (f *Folder) Parameters() []Parameter {
	var out []Parameter
	declared := child(f.root, "Parameters")
	if declared == nil {
		return nil
	}
	for i := 0; i+1 < len(declared.Content); i += 2 {
		body := declared.Content[i+1]
		p := Parameter{Name: declared.Content[i].Value, Description: scalar(child(body, "Description")), NoEcho: strings.EqualFold(scalar(child(body, "NoEcho")), "true")}
		if d := child(body, "Default"); d != nil {
			p.Default, p.HasDefault = scalar(d), true
		}
		out = append(out, p)
	}
	return out
}

// A Parameter is one that a template declares.
type Parameter struct {
	Name, Description, Default string
	HasDefault, NoEcho         bool
}

// rewritten is the template's text with every local path replaced by where it was
// uploaded; everything else stays as it is, line by line.
func (f *Folder) rewritten(endpoint string) ([]byte, error) {
	type splice struct {
		from, to int
		text     string
	}
	var all []splice
	for _, a := range f.artifacts {
		from, to, err := f.span(a.node)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s of %s: %w", f.Template, a.node.Line, a.property, a.users[0], err)
		}
		form := properties["AWS::Serverless::Function"].form
		for _, p := range properties {
			if p.name == a.property {
				form = p.form
			}
		}
		all = append(all, splice{from, to, form(a.location, endpoint)})
	}
	out := bytes.Clone(f.Text)
	for len(all) > 0 { // from the end, so that offsets hold
		last := 0
		for i := range all {
			if all[i].from > all[last].from {
				last = i
			}
		}
		s := all[last]
		out = append(out[:s.from], append([]byte(s.text), out[s.to:]...)...)
		all = append(all[:last], all[last+1:]...)
	}
	return out, nil
}

// span is where a scalar's text stands.
func (f *Folder) span(n *yaml.Node) (from, to int, err error) {
	line := 1
	for line < n.Line {
		next := bytes.IndexByte(f.Text[from:], '\n')
		if next < 0 {
			return 0, 0, errors.New("its place in the text was not found")
		}
		from += next + 1
		line++
	}
	// Columns count characters.
	for column := 1; column < n.Column; column++ {
		_, size := firstRune(f.Text[from:])
		from += size
	}
	rest := f.Text[from:]
	switch {
	case len(rest) == 0:
		return 0, 0, errors.New("its place in the text was not found")
	case n.Style&yaml.DoubleQuotedStyle != 0 && rest[0] == '"':
		for i := 1; i < len(rest); i++ {
			switch rest[i] {
			case '\\':
				i++
			case '"':
				return from, from + i + 1, nil
			}
		}
	case n.Style&yaml.SingleQuotedStyle != 0 && rest[0] == '\'':
		for i := 1; i < len(rest); i++ {
			if rest[i] != '\'' {
				continue
			}
			if i+1 < len(rest) && rest[i+1] == '\'' {
				i++
				continue
			}
			return from, from + i + 1, nil
		}
	case bytes.HasPrefix(rest, []byte(n.Value)):
		return from, from + len(n.Value), nil
	}
	return 0, 0, errors.New("write the path on one line, without a tag or an anchor")
}
