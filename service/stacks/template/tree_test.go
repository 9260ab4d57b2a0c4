package template_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"countersign/service/stacks/template"
)

func TestEqual(t *testing.T) {
	t.Parallel()
	n := func(s string) any { return json.Number(s) }
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{"a", "a", true}, {"2", n("2"), true}, {n("2.0"), n("2"), false}, {true, "true", true}, {false, "no", false}, {"", nil, false}, {nil, nil, true},
		{[]any{"1", n("2")}, []any{n("1"), "2"}, true}, {[]any{"1"}, []any{"1", "2"}, false}, {[]any{"1", "2"}, []any{"2", "1"}, false}, {[]any{"1"}, "1", false}, {"1", []any{"1"}, false},
		{map[string]any{"a": n("1")}, map[string]any{"a": "1"}, true}, {map[string]any{"a": n("1")}, map[string]any{"b": "1"}, false}, {map[string]any{}, []any{}, false},
		{map[string]any{"a": "1"}, map[string]any{"a": "1", "b": "2"}, false},
		{template.Unknown{}, template.Unknown{}, false}, {"a", template.Unknown{}, false}, {[]any{template.Unknown{}}, []any{template.Unknown{}}, false},
	} {
		if got := template.Equal(c.a, c.b); got != c.want {
			t.Errorf("%#v and %#v: %v", c.a, c.b, got)
		}
		if got := template.Equal(c.b, c.a); got != c.want {
			t.Errorf("%#v and %#v: %v", c.b, c.a, got)
		}
	}
}

func TestJSONIsDeterministic(t *testing.T) {
	t.Parallel()
	doc := parse(t, "b: [2.0, 1e4, yes, <&>]\na: {d: é, c: '\"'}\n'': {}\n")
	got, err := template.JSON(doc.Root)
	if want := `{"":{},"a":{"c":"\"","d":"é"},"b":[2.0,1e4,true,"<&>"]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	again, err := template.Parse(got)
	if err != nil || !reflect.DeepEqual(again.Root, doc.Root) {
		t.Errorf("read back: %v, %v", again.Root, err)
	}
}

func TestTransforms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ yaml, want string }{
		{"A: b", "[]"},
		{"Transform: AWS::Serverless-2016-10-31", "[AWS::Serverless-2016-10-31]"},
		{"Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]", "[AWS::LanguageExtensions AWS::Serverless-2016-10-31]"},
		{"Transform: [A, {Name: 'AWS::Include', Parameters: {Location: l}}]", "[A AWS::Include]"},
		{"Transform: {Name: M}", "[M]"},
		{"Transform: [!Transform {Name: M}]", "[M]"},
	} {
		if got := fmt.Sprint(template.Transforms(parse(t, c.yaml+"\n").Root)); got != c.want {
			t.Errorf("%s: %s, want %s", c.yaml, got, c.want)
		}
	}
}

func TestSnippets(t *testing.T) {
	t.Parallel()
	doc := parse(t, `
Transform: {Name: Whole}
Resources:
  R:
    Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}
    Type: T
    Properties:
      L: [a, !Transform {Name: Outer, Parameters: {P: !Transform {Name: Inner}}}]
      M: !Transform text
`)
	got := ""
	for _, s := range template.Snippets(doc.Root) {
		got += fmt.Sprintln(s.Name, s.Path, len(s.Parameters))
	}
	want := "Inner [Resources R Properties L 1 Fn::Transform Parameters P] 0\nOuter [Resources R Properties L 1] 1\n [Resources R Properties M] 0\nAWS::Include [Resources R] 1\n"
	if got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	tpl, err := load(t, `
Parameters: {P: {Type: String}, Q: {Type: String}, S: {Type: String}}
Conditions: {C: !Not [!Condition D], D: !Equals [!Ref S, a]}
Resources:
  A: {Type: T}
  B: {Type: T}
  R:
    Type: T
    Properties:
      None: [text, {a: !Ref AWS::Region}, !Sub '${AWS::StackName}${!P}']
      Direct: !Ref P
      Resource: [!Ref A, !Ref A]
      Attribute: !GetAtt A.Some.Thing
      Computed: !GetAtt [A, !Ref P]
      Sub: !Sub ['${A.Arn}${B}${v}${P}', {v: !Ref Q, B: mine}]
      Branches: !If [C, !Ref A, !GetAtt B.Arn]
`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"None":      "[]",
		"Direct":    "[{ParameterReference P }]",
		"Resource":  "[{ResourceReference A }]",
		"Attribute": "[{ResourceAttribute A Some.Thing}]",
		"Computed":  "[{ResourceAttribute A } {ParameterReference P }]",
		"Sub":       "[{ResourceAttribute A Arn} {ParameterReference P } {ParameterReference Q }]",
		"Branches":  "[{ResourceReference A } {ResourceAttribute B Arn} {ParameterReference S }]",
	} {
		if got := fmt.Sprint(tpl.References(tpl.Resources["R"].Properties[name])); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
