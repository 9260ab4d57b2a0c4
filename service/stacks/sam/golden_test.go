package sam_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"countersign/service/stacks/sam"
)

// The cases in testdata were recorded from AWS's public translator,
// aws-sam-translator 1.110.0: template.yaml, read with its keys sorted (a tree has no
// order) and timestamps as text, and the parameters and Region of input.json went into
// samtranslator.translator.transform.transform with an empty map of managed policies,
// and what came out is expansion.json or, where it raised, error.txt: the message
// of the exception followed by those of its causes, sorted. Cases named
// "refused-" are not from there: they hold what this package does not build.

// deploymentID and deploymentText are where the translator hashes what Python 2.7
// prints, which is not done here.
var (
	deploymentID   = regexp.MustCompile(`Deployment[0-9a-f]{10}\b`)
	deploymentText = regexp.MustCompile(`RestApi deployment id: [0-9a-f]{40}`)
)

func TestExpansions(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*/template.yaml")
	if err != nil || len(cases) < 60 {
		t.Fatalf("found %d cases, %v", len(cases), err)
	}
	for _, path := range cases {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			root := readYAML(t, path)
			before := encode(t, root)
			got, err := sam.Transform(root, readInput(t, dir))
			if after := encode(t, root); after != before {
				t.Errorf("the template was changed to %s", after)
			}
			if want, readErr := os.ReadFile(filepath.Join(dir, "error.txt")); readErr == nil {
				if err == nil || err.Error() != strings.TrimSuffix(string(want), "\n") {
					t.Fatalf("got  %v\nwant %s", err, want)
				}
				var known *sam.Error
				if !errors.As(err, &known) || len(known.Problems) == 0 || got != nil {
					t.Fatalf("got %v, %#v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, readErr := os.ReadFile(filepath.Join(dir, "expansion.json"))
			if readErr != nil {
				t.Fatal(readErr)
			}
			if gotText, wantText := withoutHashes(encode(t, got)), withoutHashes(encode(t, decode(t, want))); gotText != wantText {
				t.Errorf("%s", firstDifference(gotText, wantText))
			}
		})
	}
}

func withoutHashes(s string) string {
	s = deploymentID.ReplaceAllString(s, "DeploymentHASH")
	return deploymentText.ReplaceAllString(s, "RestApi deployment id: HASH")
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			from := max(0, i-6)
			return "got:\n" + strings.Join(g[from:min(len(g), i+4)], "\n") + "\nwant:\n" + strings.Join(w[from:min(len(w), i+4)], "\n")
		}
	}
	return "one ends before the other"
}

func readInput(t *testing.T, dir string) sam.Input {
	t.Helper()
	var given struct {
		Parameters map[string]string `json:"parameters"`
		Region     string            `json:"region"`
	}
	if text, err := os.ReadFile(filepath.Join(dir, "input.json")); err == nil {
		if err := json.Unmarshal(text, &given); err != nil {
			t.Fatal(err)
		}
	}
	in := sam.Input{Parameters: given.Parameters, Region: "us-east-1", Partition: "aws"}
	switch given.Region {
	case "":
	case "cn-north-1":
		in.Region, in.Partition = given.Region, "aws-cn"
	case "us-gov-west-1":
		in.Region, in.Partition = given.Region, "aws-us-gov"
	default:
		t.Fatalf("no partition is known for %s", given.Region)
	}
	return in
}

func encode(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// readYAML reads a template as the stack engine gives it: numbers with their
// text, intrinsic functions in long form.
func readYAML(t testing.TB, path string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		t.Fatal(err)
	}
	return tree(t, n.Content[0]).(map[string]any)
}

func tree(t testing.TB, n *yaml.Node) any {
	t.Helper()
	tag := n.Tag
	if strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!") {
		plain := *n
		plain.Tag = ""
		if n.Kind == yaml.ScalarNode {
			plain.Tag = "!!str"
		}
		name, value := tag[1:], tree(t, &plain)
		switch name {
		case "Ref", "Condition":
			return map[string]any{name: value}
		case "GetAtt":
			if text, ok := value.(string); ok {
				id, attribute, _ := strings.Cut(text, ".")
				value = []any{id, attribute}
			}
		}
		return map[string]any{"Fn::" + name: value}
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = tree(t, n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, tree(t, item))
		}
		return list
	case yaml.ScalarNode:
		switch n.ShortTag() {
		case "!!null":
			return nil
		case "!!bool":
			return strings.EqualFold(n.Value, "true")
		case "!!int", "!!float":
			return json.Number(n.Value)
		}
		return n.Value
	}
	t.Fatalf("line %d: no %v in templates", n.Line, n.Kind)
	return nil
}

// The placeholder for deployments hides nothing else: ids change when what is
// deployed changes, and only then.
func TestDeploymentIDs(t *testing.T) {
	t.Parallel()
	template := func(change func(api map[string]any)) map[string]any {
		api := map[string]any{"StageName": "s", "DefinitionBody": map[string]any{"swagger": "2.0", "paths": map[string]any{}}}
		change(api)
		return map[string]any{"Resources": map[string]any{"R": map[string]any{"Type": "AWS::Serverless::Api", "Properties": api}}}
	}
	deployment := func(change func(api map[string]any)) string {
		t.Helper()
		out, err := sam.Transform(template(change), sam.Input{Region: "us-east-1", Partition: "aws", Run: "1"})
		if err != nil {
			t.Fatal(err)
		}
		for id, resource := range out["Resources"].(map[string]any) {
			if resource.(map[string]any)["Type"] == "AWS::ApiGateway::Deployment" {
				return id
			}
		}
		t.Fatal("no deployment")
		return ""
	}
	plain := deployment(func(map[string]any) {})
	if again := deployment(func(map[string]any) {}); again != plain {
		t.Errorf("%s became %s for no reason", plain, again)
	}
	if same := deployment(func(api map[string]any) { api["Variables"] = map[string]any{"A": "b"} }); same != plain {
		t.Errorf("a stage variable made %s of %s", same, plain)
	}
	for name, change := range map[string]func(map[string]any){
		"definition": func(api map[string]any) { api["Cors"] = "'*'"; api["DisableExecuteApiEndpoint"] = true },
		"domain": func(api map[string]any) {
			api["Domain"] = map[string]any{"DomainName": "d", "CertificateArn": "c"}
		},
		"OpenApiVersion": func(api map[string]any) { api["OpenApiVersion"] = "2.0" },
		"AlwaysDeploy":   func(api map[string]any) { api["AlwaysDeploy"] = true },
	} {
		if id := deployment(change); id == plain {
			t.Errorf("%s: the deployment is still %s", name, id)
		}
	}
}

func TestDefaultsAndValues(t *testing.T) {
	t.Parallel()
	template := map[string]any{
		"Parameters": map[string]any{"Name": map[string]any{"Type": "String", "Default": "a.example.com"}},
		"Resources": map[string]any{"H": map[string]any{
			"Type":       "AWS::Serverless::HttpApi",
			"Properties": map[string]any{"Domain": map[string]any{"DomainName": map[string]any{"Ref": "Name"}, "CertificateArn": "c"}},
		}},
	}
	for value, hash := range map[string]string{"": "6c21496336", "api.example.com": "1bc412bb08"} {
		in := sam.Input{Region: "us-east-1", Partition: "aws"}
		if value != "" {
			in.Parameters = map[string]string{"Name": value}
		}
		out, err := sam.Transform(template, in)
		if err != nil {
			t.Fatal(err)
		}
		resources := out["Resources"].(map[string]any)
		if _, ok := resources["ApiGatewayDomainNameV2"+hash]; !ok {
			t.Errorf("%q: no domain name %s in %v", value, hash, resources)
		}
	}
}
