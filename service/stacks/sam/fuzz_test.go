package sam_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"countersign/service/stacks/sam"
)

// Whatever tree comes in: no panic, the same answer twice, the argument as it was,
// and an answer whose size is bounded.
func FuzzTransform(f *testing.F) {
	expansions, err := filepath.Glob("testdata/*/template.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range expansions {
		text, err := json.Marshal(readYAML(f, path))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "value")
	}
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		var root map[string]any
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if d.Decode(&root) != nil {
			return
		}
		in := sam.Input{Parameters: map[string]string{"P": value}, Region: "us-east-1", Partition: "aws", Run: "1"}
		before := encode(t, root)
		first, err := sam.Transform(root, in)
		second, again := sam.Transform(root, in)
		if encode(t, root) != before {
			t.Error("the template was changed")
		}
		if err != nil {
			if again == nil || again.Error() != err.Error() {
				t.Errorf("first %v, then %v", err, again)
			}
			return
		}
		out := encode(t, first)
		if again != nil || encode(t, second) != out {
			t.Errorf("two expansions differ: %v", again)
		}
		if len(out) > 64<<20 {
			t.Errorf("%d bytes became %d", len(text), len(out))
		}
	})
}

// Parts of a template that are repeated must not grow without bound.
func TestLargeTemplates(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("x"), 200<<10)
	methods := map[string]any{}
	for i := range 400 {
		methods["/p"+string(rune('a'+i%26))+string(rune('a'+i/26))] = map[string]any{"get": map[string]any{"x-amazon-apigateway-integration": map[string]any{"type": "mock"}}}
	}
	functions := map[string]any{}
	for i := range 400 {
		functions["F"+string(rune('a'+i%26))+string(rune('a'+i/26))] = map[string]any{"Type": "AWS::Serverless::Function"}
	}
	var deep any = "x"
	for range 100_000 {
		deep = []any{deep}
	}
	for name, root := range map[string]map[string]any{
		"CORS header for every path": {"Resources": map[string]any{"R": map[string]any{"Type": "AWS::Serverless::Api", "Properties": map[string]any{
			"StageName": "s", "Cors": string(big), "DefinitionBody": map[string]any{"swagger": "2.0", "paths": methods},
		}}}},
		"Globals for every function": {"Resources": functions, "Globals": map[string]any{"Function": map[string]any{"Description": string(big)}}},
		"parameter in every part of a text": {
			"Parameters": map[string]any{"P": map[string]any{"Type": "String", "Default": string(big)}},
			"Resources": map[string]any{"H": map[string]any{"Type": "AWS::Serverless::HttpApi", "Properties": map[string]any{"Domain": map[string]any{
				"DomainName": map[string]any{"Fn::Sub": strings.Repeat("${P}", 100_000)}, "CertificateArn": "c",
			}}}},
		},
		"depth": {"Resources": map[string]any{"R": map[string]any{"Type": "AWS::S3::Bucket", "Properties": deep}}},
	} {
		if _, err := sam.Transform(root, sam.Input{Region: "us-east-1", Partition: "aws"}); err == nil {
			t.Errorf("%s: expanded", name)
		}
	}
}

func TestNoTemplate(t *testing.T) {
	t.Parallel()
	if _, err := sam.Transform(nil, sam.Input{}); err == nil {
		t.Error("nothing was expanded")
	}
}
