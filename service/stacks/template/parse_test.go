package template_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"countersign/service/stacks/template"
)

func parse(t testing.TB, text string) *template.Document {
	t.Helper()
	doc, err := template.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, text)
	}
	return doc
}

// Scalars keep their text: what CloudFormation passes on is text.
func TestYAMLScalars(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		yaml string
		want any
	}{
		{"plain", "plain"},
		{"2012-10-17", "2012-10-17"},
		{"2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"},
		{"012345678901", "012345678901"},
		{"0777", "0777"},
		{"0x1F", "0x1F"},
		{"0o17", "0o17"},
		{"1_000", "1_000"},
		{"190:20:30", "190:20:30"},
		{"+1", "+1"},
		{".5", ".5"},
		{"1.", "1."},
		{".inf", ".inf"},
		{"2.0", json.Number("2.0")},
		{"10", json.Number("10")},
		{"-0", json.Number("-0")},
		{"1e4", json.Number("1e4")},
		{"123456789012345678901234567890", json.Number("123456789012345678901234567890")},
		{`"10"`, "10"},
		{"'yes'", "yes"},
		{"yes", true}, {"Yes", true}, {"on", true}, {"TRUE", true}, {"no", false}, {"Off", false}, {"false", false},
		{"y", "y"}, {"N", "N"}, {"yEs", "yEs"},
		{"", nil}, {"~", nil}, {"null", nil}, {"Null", nil}, {"nil", "nil"},
		{"!!str 10", "10"},
		{"!!str", ""},
		{"!!int '10'", json.Number("10")},
		{"!!bool 'yes'", true},
		{"|\n  a\n  b\n", "a\nb\n"},
		{">-\n  a\n  b\n", "a b"},
		{`"a\tb"`, "a\tb"},
		{"[]", []any{}},
		{"{}", map[string]any{}},
		{"[1, [two], {three: 3}]", []any{json.Number("1"), []any{"two"}, map[string]any{"three": json.Number("3")}}},
	} {
		got := parse(t, "V: "+c.yaml+"\n").Root["V"]
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q is %#v, want %#v", c.yaml, got, c.want)
		}
	}
}

func TestYAMLKeysKeepTheirText(t *testing.T) {
	t.Parallel()
	got := parse(t, "on: 1\n200: 2\n2.0: 3\n'~': 4\nnull: 5\nyes: 6\n\"true\": 7\n012: 8\n").Root
	for i, key := range []string{"on", "200", "2.0", "~", "null", "yes", "true", "012"} {
		if want := json.Number(fmt.Sprint(i + 1)); got[key] != want {
			t.Errorf("%s is %#v, want %s", key, got[key], want)
		}
	}
}

func TestShortForms(t *testing.T) {
	t.Parallel()
	m := func(k string, v any) map[string]any { return map[string]any{k: v} }
	for _, c := range []struct {
		yaml string
		want any
	}{
		{"!Ref A", m("Ref", "A")},
		{"!Ref 12", m("Ref", "12")},
		{"!Condition C", m("Condition", "C")},
		{"!GetAtt A.B", m("Fn::GetAtt", []any{"A", "B"})},
		{"!GetAtt A.B.C", m("Fn::GetAtt", []any{"A", "B.C"})},
		{"!GetAtt A", m("Fn::GetAtt", "A")},
		{"!GetAtt [A, B]", m("Fn::GetAtt", []any{"A", "B"})},
		{"!GetAtt [A, !Ref B]", m("Fn::GetAtt", []any{"A", m("Ref", "B")})},
		{"!Sub '${A}'", m("Fn::Sub", "${A}")},
		{"!Sub ['${A}', {A: 1}]", m("Fn::Sub", []any{"${A}", m("A", json.Number("1"))})},
		{"!Sub |\n  a\n  ${B}\n", m("Fn::Sub", "a\n${B}\n")},
		{"!If [C, yes, !Ref A]", m("Fn::If", []any{"C", true, m("Ref", "A")})},
		{"!Base64 true", m("Fn::Base64", "true")},
		{"!GetAZs", m("Fn::GetAZs", "")},
		{"!GetAZs ''", m("Fn::GetAZs", "")},
		{"!ImportValue\n  Fn::Sub: a", m("Fn::ImportValue", m("Fn::Sub", "a"))},
		{"!Transform {Name: AWS::Include, Parameters: {Location: l}}", m("Fn::Transform", map[string]any{"Name": "AWS::Include", "Parameters": m("Location", "l")})},
		{"!And [!Condition A, !Not [!Equals [a, b]], !Or []]", m("Fn::And", []any{m("Condition", "A"), m("Fn::Not", []any{m("Fn::Equals", []any{"a", "b"})}), m("Fn::Or", []any{})})},
		{"!Join ['', !Split [',', a]]", m("Fn::Join", []any{"", m("Fn::Split", []any{",", "a"})})},
		{"!Select [0, !Cidr [a, 1, 2]]", m("Fn::Select", []any{json.Number("0"), m("Fn::Cidr", []any{"a", json.Number("1"), json.Number("2")})})},
		{"!FindInMap [A, B, C]", m("Fn::FindInMap", []any{"A", "B", "C"})},
		{"!Length []", m("Fn::Length", []any{})},
		{"!ToJsonString {a: b}", m("Fn::ToJsonString", m("a", "b"))},
		{"!Contains [[a], a]", m("Fn::Contains", []any{[]any{"a"}, "a"})},
	} {
		got := parse(t, "V: "+c.yaml+"\n").Root["V"]
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q is\n%#v, want\n%#v", c.yaml, got, c.want)
		}
	}
}

func TestJSONAndYAMLAreOneLanguage(t *testing.T) {
	t.Parallel()
	var roots [2]map[string]any
	for i, file := range []string{"testdata/http-api.yaml", "testdata/http-api.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc := parse(t, string(text))
		if _, err := template.Load(doc.Root, doc.At); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		roots[i] = doc.Root
	}
	if !reflect.DeepEqual(roots[0], roots[1]) {
		a, _ := template.JSON(roots[0])
		b, _ := template.JSON(roots[1])
		t.Errorf("YAML\n%s\nJSON\n%s", a, b)
	}
}

func TestPositions(t *testing.T) {
	t.Parallel()
	const yaml = `# a comment
Resources:
  A:
    Type: T
    Properties:
      List:
        - one
        - Two: !Sub
            - "${X}"
            - X: y
`
	const json = `{
  "Resources": {"A": {
    "Type": "T",
    "Properties": {
      "List": ["one",
        {"Two": {"Fn::Sub": ["${X}", {"X": "y"}]}}]}}}
}`
	for _, c := range []struct {
		path       string
		yaml, json template.Position
	}{
		{"", template.Position{Line: 2, Column: 1}, template.Position{Line: 1, Column: 1}},
		{"Resources", template.Position{Line: 2, Column: 1}, template.Position{Line: 2, Column: 3}},
		{"Resources/A/Type", template.Position{Line: 4, Column: 5}, template.Position{Line: 3, Column: 5}},
		{"Resources/A/Properties/List/0", template.Position{Line: 7, Column: 11}, template.Position{Line: 5, Column: 16}},
		{"Resources/A/Properties/List/1/Two", template.Position{Line: 8, Column: 11}, template.Position{Line: 6, Column: 10}},
		{"Resources/A/Properties/List/1/Two/Fn::Sub/1/X", template.Position{Line: 10, Column: 15}, template.Position{Line: 6, Column: 39}},
		// The longest known beginning counts.
		{"Resources/A/Properties/List/9", template.Position{Line: 6, Column: 7}, template.Position{Line: 5, Column: 7}},
		{"Resources/ARole/Properties", template.Position{Line: 2, Column: 1}, template.Position{Line: 2, Column: 3}},
	} {
		path := strings.Split(c.path, "/")
		if c.path == "" {
			path = nil
		}
		if got := parse(t, yaml).At(path...); got != c.yaml {
			t.Errorf("YAML: %s is at %v, want %v", c.path, got, c.yaml)
		}
		if got := parse(t, json).At(path...); got != c.json {
			t.Errorf("JSON: %s is at %v, want %v", c.path, got, c.json)
		}
	}
}

func TestTextThatIsNoTemplate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "Template format error: unsupported structure."},
		{"only a comment", "# nothing\n", "Template format error: unsupported structure."},
		{"a list", "- a\n", "Template format error: unsupported structure. (line 1, column 1)"},
		{"a word", "hello", "Template format error: unsupported structure. (line 1, column 1)"},
		{"JSON list", "[1]", "Template format error: unsupported structure. (line 1, column 1)"},
		{"broken JSON", "{\n \"A\": [1,\n ]}", "Template format error: JSON not well-formed. (line 3, column 2) (line 3, column 2)"},
		{"JSON that ends early", "{\"A\": 1", "Template format error: JSON not well-formed. (line 1, column 7) (line 1, column 7)"},
		{"two JSON values", "{} {}", "Template format error: JSON not well-formed. (line 1, column 4) (line 1, column 4)"},
		{"an open list", "A: b\nB: [c\nD: e\n", "Template format error: YAML not well-formed. (line 2) did not find expected ',' or ']'"},
		{"a list in a map", "A:\n  - b\n  c\n", "Template format error: YAML not well-formed. (line 3) could not find expected ':'"},
		{"an open map in the first line", "{A: [}", "Template format error: JSON not well-formed. (line 1, column 2)"},
		{"a dedent", "A:\n    b: 1\n  c: 2\n", "Template format error: YAML not well-formed. (line 3) did not find expected key"},
		{"tabs", "A:\n\tB: c\n", "Template format error: YAML not well-formed. (line 2) "},
		{"two documents", "A: b\n---\nC: d\n", "Template format error: YAML not well-formed. (line 2, column 1) a template is one document; a second one begins here (line 2, column 1)"},
		{"not UTF-8", "A: \xff\n", "Template format error: the template is not UTF-8 text."},
		{"JSON not UTF-8", "{\"A\": \"\xff\"}", "Template format error: the template is not UTF-8 text."},
		{"the same key", "A: 1\nB: 2\nA: 3\n", `Template format error: the key "A" is there twice, in lines 1 and 3. (line 3, column 1)`},
		{"the same key, deeper", "R:\n  A: 1\n  'A': 3\n", `Template format error: the key "A" is there twice, in lines 2 and 3. (/R, line 3, column 3)`},
		{"the same key in JSON", "{\"R\": {\"A\": 1,\n\"A\": 2}}", `Template format error: the key "A" is there twice, in lines 1 and 2. (/R, line 2, column 1)`},
		{"a map as key", "? {a: b}\n: c\n", "Template format error: the keys of a map are strings. (line 1, column 3)"},
		{"an unknown tag", "A:\n  B: !Reff C\n", "Template format error: the YAML tag !Reff is not supported. (/A/B, line 2, column 3)"},
		{"an unknown tag on a map", "A: !Foo {a: b}\n", "Template format error: the YAML tag !Foo is not supported. (/A, line 1, column 1)"},
		{"binary", "A: !!binary aGk=\n", "Template format error: the YAML tag !!binary is not supported. (/A, line 1, column 1)"},
		{"a set", "A: !!set {a, b}\n", "Template format error: the YAML tag !!set is not supported. (/A, line 1, column 1)"},
		{"an alias", "A: &a b\nC: *a\n", "Template error: YAML aliases are not allowed in CloudFormation templates (/C, line 2, column 4)"},
		{"an alias as key", "A: &a b\n*a : c\n", "Template error: YAML aliases are not allowed in CloudFormation templates (line 2, column 1)"},
		{"a merge key", "A:\n  <<: {b: c}\n", "Template format error: YAML merge keys (<<) are not supported. (/A, line 2, column 3)"},
		{"an anchor that is not there", "A: *a\n", "Template format error: YAML not well-formed. "},
	} {
		_, err := template.Parse([]byte(c.text))
		var e *template.Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func TestTextMayBeginWithAByteOrderMark(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\uFEFFA: 1\n", "\uFEFF\n {\"A\": 1}", "---\nA: 1\n...\n", "%YAML 1.1\n---\nA: 1\n"} {
		if got := parse(t, text).Root["A"]; got != json.Number("1") {
			t.Errorf("%q: A is %#v", text, got)
		}
	}
}

func TestDepthIsBounded(t *testing.T) {
	t.Parallel()
	nested := func(n int) (json, yaml string) {
		json = `{"A":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"
		return json, "A: " + strings.Repeat("[", n) + strings.Repeat("]", n) + "\n"
	}
	good, goodYAML := nested(199)
	bad, badYAML := nested(201)
	parse(t, good)
	parse(t, goodYAML)
	for _, text := range []string{bad, badYAML, `{"A":` + strings.Repeat("[", 20_000), "A: " + strings.Repeat("[", 20_000), strings.Repeat("- ", 20_000)} {
		if _, err := template.Parse([]byte(text)); err == nil || len(err.Error()) > 400 {
			t.Errorf("%.20q…: %.500v", text, err)
		}
	}
}

func TestNumberOfValuesIsBounded(t *testing.T) {
	t.Parallel()
	text := "A: [" + strings.Repeat("1,", 1<<19) + "1]"
	if _, err := template.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "more than 524288 values") {
		t.Errorf("half a million values: %v", err)
	}
}

func TestSnippetsMayHaveAliases(t *testing.T) {
	t.Parallel()
	if _, err := template.ParseSnippet([]byte("text: *name\nnamed: &name x\n")); err == nil {
		t.Error("an alias before its anchor was accepted")
	}
	doc, err := template.ParseSnippet([]byte(`
base: &base {a: 1, b: 2}
other: &other {b: 3, c: 4}
merged: {<<: *base, b: own}
both: {<<: [*base, *other]}
list: [*base]
`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := template.JSON(doc.Root)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"base":{"a":1,"b":2},"both":{"a":1,"b":2,"c":4},"list":[{"a":1,"b":2}],"merged":{"a":1,"b":"own"},"other":{"b":3,"c":4}}`
	if string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	// Each use is a tree of its own: a transform may change one and not the other.
	doc.Root["base"].(map[string]any)["a"] = "changed"
	if v := doc.Root["list"].([]any)[0].(map[string]any)["a"]; v != json.Number("1") {
		t.Errorf("a change of the anchored value changed its alias to %v", v)
	}
	if _, err := template.ParseSnippet([]byte("a: {<<: 1}\n")); err == nil || !strings.Contains(err.Error(), "takes a map") {
		t.Errorf("a number was merged: %v", err)
	}
}

func TestYAMLBombs(t *testing.T) {
	t.Parallel()
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&laughs, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	for name, text := range map[string]string{
		"a billion laughs":       laughs.String(),
		"an alias in its anchor": "a: &a [*a]\n",
		"a loop by merging":      "a: &a\n  <<: *a\n",
	} {
		if _, err := template.ParseSnippet([]byte(text)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
