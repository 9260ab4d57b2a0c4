package template_test

import (
	"context"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"countersign/service/stacks/template"
)

// seeds are templates of all kinds, from which the fuzzers begin.
func seeds(f *testing.F) {
	f.Helper()
	for _, file := range []string{"testdata/http-api.yaml", "testdata/http-api.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		minimal, conditional, "{}", "", "- a", "a: &a [*a]\nb: *a\n", "a: &a {x: y}\nb: {<<: *a}\n", "? {a: b}\n: c\n", "a: !GetAtt [A]\n", "{\"a\": [1, 2.0e5, \"\\ud800\"]}", "%YAML 1.1\n---\na: |\n  b\n...\n",
		"Transform: AWS::LanguageExtensions\nParameters: {P: {Type: String, Default: A}}\nMappings: {M: {k: {v: [1]}}}\nResources: {A: {Type: T, DeletionPolicy: !Ref P, Properties: {A: !ToJsonString {a: !Length [a]}, B: {Ref: !Ref P}, C: !FindInMap [M, !Sub k, v, {DefaultValue: x}], D: !Select [0, !Cidr [10.0.0.0/8, 3]]}}}\n",
		"Parameters: {P: {Type: CommaDelimitedList, Default: 'a,b', AllowedPattern: '(?=a|b)[ab]'}, N: {Type: Number, Default: 1e3}}\nRules: {L: {RuleCondition: !Equals [!Ref N, 1e3], Assertions: [{Assert: !EachMemberIn [!Ref P, [a, b]]}, {Assert: !Contains [!RefAll String, a]}]}}\n" + minimal,
		"Resources: {R: {Type: T, Properties: {A: '{{resolve:ssm:a}}', B: !Sub '{{resolve:secretsmanager:${S}:SecretString:k}}', C: !Base64 x, D: !ImportValue y}}, S: {Type: T}}\nOutputs: {O: {Value: !GetAtt S.X, Export: {Name: !Sub '${AWS::StackName}-o'}}}\n",
		"Conditions: {A: !Not [!Condition B], B: !And [!Condition A, !Equals [a, b]]}\n" + minimal,
		"Resources: {A: {Type: T, DependsOn: B}, B: {Type: T, Properties: {P: !Sub '${C.Arn}'}}, C: {Type: T, Metadata: {M: !Ref A}}}",
		"Resources: {R: {Type: T, Properties: {A: {Fn::Sub: [a]}, B: {Fn::Cidr: [a, -1, 129]}, C: {Fn::Select: [99999999999999999999, []]}, D: {Fn::Join: [',', {Ref: AWS::NotificationARNs}]}}}}",
	} {
		f.Add([]byte(text))
	}
}

// FuzzParse: no text breaks the reader, and what it reads is a plain tree that survives being
// written as JSON.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		doc, err := template.Parse(text)
		snippet, snippetErr := template.ParseSnippet(text)
		if err != nil {
			if snippetErr == nil && !strings.Contains(err.Error(), "aliases") && !strings.Contains(err.Error(), "merge keys") {
				t.Fatalf("refused as a template only: %v", err)
			}
			return
		}
		if snippetErr != nil || !reflect.DeepEqual(doc.Root, snippet.Root) {
			t.Fatalf("another tree as a snippet: %v", snippetErr)
		}
		plain(t, doc.Root)
		written, err := template.JSON(doc.Root)
		if err != nil {
			t.Fatal(err)
		}
		again, err := template.Parse(written)
		if err != nil {
			t.Fatalf("its own JSON is refused: %v\n%s", err, written)
		}
		if !reflect.DeepEqual(again.Root, doc.Root) {
			t.Fatalf("JSON makes another tree:\n%#v\n%#v", again.Root, doc.Root)
		}
	})
}

// plain fails unless v is a tree of the package's kinds of values.
func plain(t *testing.T, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			plain(t, e)
		}
	case []any:
		for _, e := range v {
			plain(t, e)
		}
	case json.Number:
		if !json.Valid([]byte(v)) {
			t.Fatalf("%q is no number", v)
		}
	case nil, string, bool, template.Unknown:
	default:
		t.Fatalf("a %T in a tree", v)
	}
}

// FuzzEvaluate: no template breaks the steps that follow, what they say is the
// same each time, and what evaluation makes is a plain tree.
func FuzzEvaluate(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<14 {
			return
		}
		doc, err := template.Parse(text)
		if err != nil {
			return
		}
		template.Snippets(doc.Root)
		first, second := walk(t, doc), walk(t, doc)
		if first != second {
			t.Fatalf("first\n%s\nthen\n%s", first, second)
		}
	})
}

// walk takes a document through all steps, and writes down what they say.
func walk(t *testing.T, doc *template.Document) string {
	var said strings.Builder
	say := func(v any) {
		text, err := template.JSON(v)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(text)
		said.WriteByte('\n')
	}
	tpl, err := template.Load(doc.Root, doc.At)
	if err != nil {
		return err.Error()
	}
	given := map[string]string{}
	for name, p := range tpl.Parameters {
		if p.Default == nil {
			given[name] = "1"
		}
	}
	args, err := tpl.Arguments(t.Context(), given, func(_ context.Context, name string) (string, error) { return name, nil })
	if err != nil {
		return err.Error()
	}
	b, err := tpl.Bind(scope(args))
	if err != nil {
		return err.Error()
	}
	say(b.Conditions())
	say(b.Dependencies())
	w := world{
		refs: map[string]any{"A": "a", "R": []any{"r"}}, atts: map[string]any{"A.Arn": "arn"}, exports: map[string]any{"y": "exported"},
		secrets: map[string]string{"ssm:a": "a"},
	}
	for _, r := range b.Resources() {
		say(tpl.References(r.Properties))
		for _, on := range b.Dependencies()[r.ID] {
			if b.Resource(on) == nil {
				t.Fatalf("%s depends on %s, which the stack has not", r.ID, on)
			}
		}
		props, err := b.Properties(t.Context(), r.ID, w)
		if err != nil {
			said.WriteString(err.Error())
		} else {
			plain(t, props)
			say(props)
		}
		if metadata, err := b.Metadata(t.Context(), r.ID, w); err != nil {
			said.WriteString(err.Error())
		} else {
			plain(t, metadata)
			say(metadata)
		}
	}
	if outputs, err := b.Outputs(t.Context(), w, template.KeepDynamic); err != nil {
		said.WriteString(err.Error())
	} else {
		say(outputs)
	}
	return said.String()
}
