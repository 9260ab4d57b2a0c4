package template_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"countersign/service/stacks/template"
)

var everything = world{
	refs: map[string]any{"A": "a-1", "L": []any{"x", "y"}},
	atts: map[string]any{"A.Arn": "arn:a", "A.Nested.Part": "np", "A.Port": json.Number("80"), "A.List": []any{"p", "q"}, "A.Object": map[string]any{"k": "v"}},
	exports: map[string]any{
		"shop-net": "vpc-1",
	},
	secrets: map[string]string{"ssm:/p": "plain", "secretsmanager:s:SecretString:k": "secret", "ssm-secure:q:3": "secure"},
}

// evaluate gives the property V of a resource of a template that has a bit of all.
func evaluate(t *testing.T, v string, options ...template.Option) (any, error) {
	t.Helper()
	b, err := bind(t, `
Transform: AWS::LanguageExtensions
Parameters:
  Text: {Type: String, Default: text}
  Number: {Type: Number, Default: 1}
  List: {Type: CommaDelimitedList, Default: "one, two,three"}
  Attribute: {Type: String, Default: Arn}
  Name: {Type: String, Default: A}
Mappings:
  M: {eu-central-1: {size: 10, zones: [a, b]}, text: {one: size}}
Conditions:
  Taken: !Equals [a, a]
  Left: !Not [!Condition Taken]
Resources:
  A: {Type: T}
  L: {Type: T}
  U: {Type: T}
  R:
    Type: T
    Properties:
      V: `+v+"\n", nil)
	if err != nil {
		return nil, err
	}
	props, err := b.Properties(t.Context(), "R", everything, options...)
	if err != nil {
		return nil, err
	}
	if v, ok := props["V"]; ok {
		return v, nil
	}
	return "(nothing)", nil
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	list := func(all ...any) []any { return append([]any{}, all...) }
	unknown := template.Unknown{}
	for _, c := range []struct {
		yaml string
		want any
	}{
		// Data stays as it is.
		{"{a: [1, 2.0, yes, text, {}, []]}", map[string]any{"a": list(json.Number("1"), json.Number("2.0"), true, "text", map[string]any{}, list())}},
		// Ref
		{"!Ref Text", "text"},
		{"!Ref Number", "1"},
		{"!Ref List", list("one", "two", "three")},
		{"!Ref A", "a-1"},
		{"!Ref L", list("x", "y")},
		{"!Ref U", unknown},
		{"{Ref: !Ref Name}", "a-1"},
		{"!Ref AWS::AccountId", "111122223333"},
		{"!Ref AWS::Region", "eu-central-1"},
		{"!Ref AWS::Partition", "aws"},
		{"!Ref AWS::URLSuffix", "amazonaws.com"},
		{"!Ref AWS::StackName", "shop"},
		{"!Ref AWS::StackId", "arn:aws:cloudformation:eu-central-1:111122223333:stack/shop/1"},
		{"!Ref AWS::NotificationARNs", list("arn:aws:sns:eu-central-1:111122223333:ops")},
		{"!Ref AWS::NoValue", "(nothing)"},
		{"[a, !Ref AWS::NoValue, b]", list("a", "b")},
		{"{a: !Ref AWS::NoValue, b: c}", map[string]any{"b": "c"}},
		// Fn::GetAtt
		{"!GetAtt A.Arn", "arn:a"},
		{"!GetAtt A.Nested.Part", "np"},
		{"!GetAtt A.List", list("p", "q")},
		{"!GetAtt A.Object", map[string]any{"k": "v"}},
		{"!GetAtt [A, !Ref Attribute]", "arn:a"},
		{"{Fn::GetAtt: A.Nested.Part}", "np"},
		{"!GetAtt U.Arn", unknown},
		// Fn::Sub
		{"!Sub plain", "plain"},
		{"!Sub ''", ""},
		{"!Sub '${Text}-${A}-${A.Arn}-${A.Nested.Part}-${A.Port}-${AWS::Region}'", "text-a-1-arn:a-np-80-eu-central-1"},
		{"!Sub '${!Text} $${Text} ${Text'", "${Text} $text ${Text"},
		{"!Sub '$5 {Text} }${ Text }{'", "$5 {Text} }text{"},
		{"!Sub ['${v}${Text}', {v: !Join ['', [a, b]], w: unused}]", "abtext"},
		{"!Sub ['${Text}', {Text: mine}]", "mine"},
		{"!Sub ['${A.Arn}${v.w}', {A.Arn: mine, v.w: 2.0}]", "mine2.0"},
		{"!Sub ['${v}', {v: yes}]", "true"},
		{"!Sub ['${v}', {v: '${Text}'}]", "${Text}"},
		{"!Sub '${Text}${U.Arn}'", unknown},
		{"!Sub ['${v}', {v: !Ref U}]", unknown},
		{"!Sub ['a', {v: !Ref U}]", "a"},
		// Fn::Join
		{"!Join ['-', [a, 1, yes, 2.0]]", "a-1-true-2.0"},
		{"!Join ['', []]", ""},
		{"!Join [', ', !Ref List]", "one, two, three"},
		{"!Join ['', [a, !Ref AWS::NoValue, !If [Left, x, !Ref AWS::NoValue]]]", "a"},
		{"!Join ['', !GetAtt A.List]", "pq"},
		{"!Join ['', [a, !Ref U]]", unknown},
		{"!Join ['', !Ref U]", unknown},
		// Fn::Split
		{"!Split [',', 'a,,b,']", list("a", "", "b", "")},
		{"!Split ['::', !Sub '${Text}::b']", list("text", "b")},
		{"!Split [',', '']", list("")},
		{"!Split [',', !Ref U]", unknown},
		// Fn::Select
		{"!Select [0, [a, b]]", "a"},
		{"!Select ['1', !Ref List]", "two"},
		{"!Select [!Ref Number, !Split ['|', 'x|y']]", "y"},
		{"!Select [1, [!Ref U, b]]", "b"},
		{"!Select [0, [!Ref U, b]]", unknown},
		{"!Select [0, !Ref U]", unknown},
		{"!Select [!Ref U, [a]]", unknown},
		{"!Select [0, [{a: b}]]", map[string]any{"a": "b"}},
		{"!Select [1, !GetAZs '']", "eu-central-1b"},
		// Fn::Base64
		{"!Base64 'hello'", "aGVsbG8="},
		{"{Fn::Base64: !Sub '${Text}'}", "dGV4dA=="},
		{"!Base64 ''", ""},
		{"{Fn::Base64: !Ref U}", unknown},
		// Fn::GetAZs
		{"!GetAZs ''", list("eu-central-1a", "eu-central-1b", "eu-central-1c")},
		{"!GetAZs us-east-1", list("us-east-1a", "us-east-1b", "us-east-1c")},
		{"{Fn::GetAZs: !Ref AWS::Region}", list("eu-central-1a", "eu-central-1b", "eu-central-1c")},
		// Fn::FindInMap
		{"!FindInMap [M, eu-central-1, size]", json.Number("10")},
		{"!FindInMap [M, !Ref AWS::Region, zones]", list("a", "b")},
		{"!FindInMap [M, !Ref AWS::Region, !FindInMap [M, !Ref Text, one]]", json.Number("10")},
		{"!FindInMap [M, !Sub '${AWS::Region}', size]", json.Number("10")},
		{"!FindInMap [M, nope, size, {DefaultValue: !Ref Text}]", "text"},
		{"!FindInMap [M, eu-central-1, size, {DefaultValue: !Ref Text}]", json.Number("10")},
		{"!FindInMap [N, nope, size, {DefaultValue: [a]}]", list("a")},
		// Fn::ImportValue
		{"!ImportValue shop-net", "vpc-1"},
		{"{Fn::ImportValue: !Sub '${AWS::StackName}-net'}", "vpc-1"},
		// Fn::If
		{"!If [Taken, a, b]", "a"},
		{"!If [Left, a, b]", "b"},
		{"!If [Left, a, !If [Taken, {x: !Ref Text}, c]]", map[string]any{"x": "text"}},
		{"!If [Left, a, !Ref AWS::NoValue]", "(nothing)"},
		{"[!If [Left, a, !Ref AWS::NoValue]]", list()},
		{"!Sub ['${v}', {v: !If [Taken, a, b]}]", "a"},
		{"!If [Left, !Select [9, []], fine]", "fine"},
		// Fn::Length
		{"!Length [a, b]", json.Number("2")},
		{"{Fn::Length: !Ref List}", json.Number("3")},
		{"{Fn::Length: !Ref U}", unknown},
		{"!Length [!Ref U]", json.Number("1")},
		// Fn::ToJsonString
		{"!ToJsonString {b: [1, 2.0, yes, '<&>'], a: !Ref Text, c: !Ref AWS::NoValue}", `{"a":"text","b":[1,2.0,true,"<&>"]}`},
		{"!ToJsonString [a]", `["a"]`},
		{"!ToJsonString {a: {b: !Ref U}}", unknown},
		// Unknown stays where it is in data.
		{"{a: !Ref U, b: [!GetAtt U.Arn, c]}", map[string]any{"a": unknown, "b": list(unknown, "c")}},
	} {
		got, err := evaluate(t, c.yaml)
		if err != nil {
			t.Errorf("%s: %v", c.yaml, err)
			continue
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s\ngives %#v, want %#v", c.yaml, got, c.want)
		}
	}
}

func TestFunctionsThatFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ yaml, want string }{
		{"!Select [3, !Ref List]", "Template error: Fn::Select cannot select nonexistent value at index 3"},
		{"!Select [!Ref Text, !Ref List]", "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"},
		{"!Select [0, !Ref Text]", "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"},
		{"!Join [',', !Ref Text]", "Template error: every Fn::Join object requires two parameters"},
		{"!Join [',', [!Ref List]]", "Template error: every Fn::Join object requires two parameters"},
		{"!Join [',', [{a: b}]]", "Template error: every Fn::Join object requires two parameters"},
		{"!Split [',', !Ref List]", "Template error: every Fn::Split object requires two parameters"},
		{"!Sub '${List}'", "Template error: variable List in Fn::Sub expression does not resolve to a string"},
		{"!Sub '${A.Object}'", "Template error: variable A.Object in Fn::Sub expression does not resolve to a string"},
		{"!Sub ['${v}', {v: !Ref List}]", "Template error: every value of the context object of every Fn::Sub object must be a string or a function that returns a string"},
		{"!Sub ['${v}', {v: !If [Left, a, !Ref AWS::NoValue]}]", "Template error: every value of the context object of every Fn::Sub object must be a string or a function that returns a string"},
		{"{Fn::Base64: !Ref List}", "Template error: every Fn::Base64 object must have a String-typed value."},
		{"!FindInMap [M, nope, size]", "Template error: Unable to get mapping for M::nope::size"},
		{"!FindInMap [!Ref Text, a, b]", "Template error: Mapping named 'text' is not present in the 'Mappings' section of template."},
		{"!ImportValue nope", "No export named nope found.: no such export"},
		{"{Fn::ImportValue: !Ref List}", "Template error: every Fn::ImportValue object must have a String-typed value."},
		{"{Fn::Length: !Ref Text}", "Template error: every Fn::Length object must have a list."},
		{"{Ref: !Ref Text}", "Template error: the Ref leads to nothing: text"},
		{"!Cidr [10.0.0.0, 1, 8]", `Template error: Fn::Cidr: "10.0.0.0" is not an IP address block`},
		{"!Cidr [10.0.0.0/16, 0, 8]", "Template error: Fn::Cidr: the count must be a number from 1 to 256"},
		{"!Cidr [10.0.0.0/16, 257, 8]", "Template error: Fn::Cidr: the count must be a number from 1 to 256"},
		{"!Cidr [10.0.0.0/16, 1, 33]", "Template error: Fn::Cidr: the number of subnet bits must be from 1 to 32"},
		{"!Cidr [10.0.0.0/24, 2, 8]", "Template error: Fn::Cidr: 2 blocks of 8 bits do not fit into 10.0.0.0/24"},
		{"!Cidr [10.0.0.0/24, 1, 9]", "Template error: Fn::Cidr: 1 blocks of 9 bits do not fit into 10.0.0.0/24"},
		{"!Cidr [10.0.0.0/31, 3]", "Template error: Fn::Cidr: 3 blocks of 0 bits do not fit into 10.0.0.0/31"},
		{"!Cidr ['::ffff:10.0.0.0/120', 1, 8]", `Template error: Fn::Cidr: "::ffff:10.0.0.0/120" is not an IP address block`},
		{"!Cidr [!Ref List, 1, 8]", "Template error: every parameter of Fn::Cidr must be a string or a number."},
	} {
		got, err := evaluate(t, c.yaml)
		var e *template.Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Message, c.want) {
			t.Errorf("%s\ngives %v, %v, want %s", c.yaml, got, err, c.want)
			continue
		}
		if want := "Resources/R/Properties/V"; !strings.HasPrefix(strings.Join(e.Path, "/"), want) || e.Position.Line != 21 {
			t.Errorf("%s: the error is at %v, %v", c.yaml, e.Path, e.Position)
		}
	}
	if _, err := evaluate(t, "!ImportValue nope"); !errors.Is(err, errNoExport) {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestCidr(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ yaml, want string }{
		{"!Cidr [192.168.0.0/24, 6, 5]", "[192.168.0.0/27 192.168.0.32/27 192.168.0.64/27 192.168.0.96/27 192.168.0.128/27 192.168.0.160/27]"},
		{"!Cidr [10.0.3.7/16, '2', '8']", "[10.0.0.0/24 10.0.1.0/24]"},
		{"!Cidr [10.0.0.0/24, 1, 8]", "[10.0.0.0/24]"},
		{"!Cidr [10.0.0.0/16, 3]", "[10.0.0.0/18 10.0.64.0/18 10.0.128.0/18]"},
		{"!Cidr [10.0.0.0/16, 1]", "[10.0.0.0/16]"},
		{"!Cidr ['2001:db8::/56', 3, 64]", "[2001:db8::/64 2001:db8:0:1::/64 2001:db8:0:2::/64]"},
		{"!Cidr ['::/0', 2, 127]", "[::/1 8000::/1]"},
		{"!Cidr [!Ref U, 1, 8]", "{}"},
	} {
		got, err := evaluate(t, c.yaml)
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s gives %v, %v, want %s", c.yaml, got, err, c.want)
		}
	}
	got, err := evaluate(t, "!Cidr [10.0.0.0/8, 256, 16]")
	if list, _ := got.([]any); err != nil || len(list) != 256 || list[255] != "10.255.0.0/16" {
		t.Errorf("256 blocks: %v, %v", got, err)
	}
}

// What evaluation gives away is the caller's: changing it changes nothing else.
func TestTreesAreTheCallers(t *testing.T) {
	t.Parallel()
	b, err := bind(t, "Parameters: {L: {Type: CommaDelimitedList, Default: a}}\nMappings: {M: {k: {v: [a]}}}\nResources: {R: {Type: T, Properties: {A: !Ref L, B: !FindInMap [M, k, v], C: [a], D: !GetAtt S.X}}, S: {Type: T}}", nil)
	if err != nil {
		t.Fatal(err)
	}
	attribute := []any{"a"}
	w := world{atts: map[string]any{"S.X": attribute}}
	first, err := b.Properties(t.Context(), "R", w)
	if err != nil {
		t.Fatal(err)
	}
	for k := range first {
		first[k].([]any)[0] = "changed"
	}
	second, err := b.Properties(t.Context(), "R", w)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"A": []any{"a"}, "B": []any{"a"}, "C": []any{"a"}, "D": []any{"a"}}
	if !reflect.DeepEqual(second, want) || attribute[0] != "a" {
		t.Errorf("after a change: %v, %v", second, attribute)
	}
}

// A megabyte of references to long parameters must not become gigabytes.
func TestEvaluationIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 4096)
	for name, value := range map[string]string{
		"Join":         "!Join ['', [" + strings.Repeat("!Ref P, ", 3000) + "a]]",
		"Sub":          "!Sub '" + strings.Repeat("${P}", 3000) + "'",
		"Base64":       "{Fn::Base64: !Sub '" + strings.Repeat("${P}", 1500) + "'}",
		"Split":        "[" + strings.Repeat("!Split [x, !Ref P], ", 300) + "]",
		"ToJsonString": "!ToJsonString {a: !Ref P, b: [" + strings.Repeat("!Ref P, ", 3000) + "]}",
		"FindInMap":    "[" + strings.Repeat("!FindInMap [M, k, v], ", 2000) + "]",
	} {
		b, err := bind(t, "Transform: AWS::LanguageExtensions\nMappings: {M: {k: {v: ["+strings.Repeat("a,", 500)+"]}}}\nParameters: {P: {Type: String}}\nResources: {R: {Type: T, Properties: {V: "+value+"}}}", map[string]string{"P": long})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := b.Properties(t.Context(), "R", everything); err == nil || !strings.HasPrefix(err.Error(), "Template error: the functions make more than 8 MB of text") {
			t.Errorf("%s: %.200v", name, err)
		}
	}
}
