package template_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"countersign/service/stacks/template"
)

func TestConditions(t *testing.T) {
	t.Parallel()
	b, err := bind(t, `
Parameters: {Stage: {Type: String}, List: {Type: CommaDelimitedList, Default: "a,b"}, Count: {Type: Number, Default: 2}}
Mappings: {M: {prod: {big: yes, size: 2}, dev: {big: no, size: 1}}}
Conditions:
  Prod: !Equals [!Ref Stage, prod]
  NotProd: !Not [!Condition Prod]
  All: !And [!Condition Prod, !Equals [a, a], !Equals [b, b]]
  None: !And [!Condition Prod, !Equals [a, b]]
  Any: !Or [!Equals [a, b], !Condition Prod]
  Neither: !Or [!Equals [a, b], !Condition NotProd]
  Big: !Equals [!FindInMap [M, !Ref Stage, big], "true"]
  Sized: !Equals [!FindInMap [M, !Ref Stage, size], !Ref Count]
  Text: !Equals [2, "2"]
  Digits: !Equals [2.0, 2]
  Case: !Equals [A, a]
  Joined: !Equals [!Join ["", !Ref List], ab]
  Region: !Equals [!Ref "AWS::Region", eu-central-1]
  Second: !Equals [!Select [1, !Ref List], b]
  Sub: !Equals [!Sub "${Stage}-x", prod-x]
`+minimal, map[string]string{"Stage": "prod"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		"Prod": true, "NotProd": false, "All": true, "None": false, "Any": true, "Neither": false, "Big": true, "Sized": true,
		"Text": true, "Digits": false, "Case": false, "Joined": true, "Region": true, "Second": true, "Sub": true,
	}
	if got := b.Conditions(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// The bootstrap stack's version is checked by such a rule in each template that the CDK makes.
func TestRules(t *testing.T) {
	t.Parallel()
	const head = "Parameters: {Stage: {Type: String, Default: prod}, Sizes: {Type: CommaDelimitedList, Default: 'm,l'}, Z1: {Type: 'AWS::EC2::Subnet::Id', Default: s-1}, Z2: {Type: 'AWS::EC2::Subnet::Id', Default: s-2}}\nRules:\n  L:\n"
	for _, c := range []struct{ rule, want string }{
		{"Assertions: [{Assert: !Not [!Contains [['1', '2', '3'], !Ref Stage]]}]", ""},
		{"Assertions: [{Assert: !Contains [[dev, test], !Ref Stage], AssertDescription: not in production}]", "Template error: rule L is not satisfied: not in production (/Rules/L/Assertions/0, line 4, column 18)"},
		{"Assertions: [{Assert: !Equals [a, a]}, {Assert: !Equals [a, b]}]", "Template error: rule L is not satisfied: assertion 2 does not hold (/Rules/L/Assertions/1, line 4, column 44)"},
		{"{RuleCondition: !Equals [!Ref Stage, dev], Assertions: [{Assert: !Equals [a, b]}]}", ""},
		{"{RuleCondition: !Equals [!Ref Stage, prod], Assertions: [{Assert: !Equals [a, b], AssertDescription: broken}]}", "Template error: rule L is not satisfied: broken"},
		{"Assertions: [{Assert: !EachMemberIn [!Ref Sizes, [s, m, l]]}]", ""},
		{"Assertions: [{Assert: !EachMemberIn [!Ref Sizes, [m]], AssertDescription: broken}]", "Template error: rule L is not satisfied: broken"},
		{"Assertions: [{Assert: !EachMemberEquals [[prod, prod], !Ref Stage]}]", ""},
		{"Assertions: [{Assert: !EachMemberEquals [!Ref Sizes, m], AssertDescription: broken}]", "Template error: rule L is not satisfied: broken"},
		{"Assertions: [{Assert: !EachMemberIn [!RefAll 'AWS::EC2::Subnet::Id', [s-1, s-2]]}]", ""},
		{"Assertions: [{Assert: !EachMemberIn [!RefAll 'AWS::EC2::Subnet::Id', [s-1]], AssertDescription: broken}]", "Template error: rule L is not satisfied: broken"},
		{"Assertions: [{Assert: !And [!Equals [a, a], !Or [!Equals [a, b], !Contains [[prod], !Ref Stage]]]}]", ""},
	} {
		_, err := bind(t, head+"    "+c.rule+"\n"+minimal, nil)
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && !strings.HasPrefix(got, c.want) {
			t.Errorf("%s\ngives %v, want %s", c.rule, err, c.want)
		}
	}
}

const conditional = `
Parameters: {Stage: {Type: String}}
Conditions: {Prod: !Equals [!Ref Stage, prod]}
Resources:
  Always: {Type: T, DependsOn: [Sometimes, Other], Properties: {P: !If [Prod, !Ref Sometimes, !GetAtt Other.Arn]}}
  Sometimes: {Type: T, Condition: Prod, Properties: {P: !Ref Other}}
  Other: {Type: T, UpdatePolicy: {P: !If [Prod, x, y]}}
Outputs:
  A: {Value: !Ref Always}
  S: {Value: !Ref Sometimes, Condition: Prod}
  I: {Value: !If [Prod, !Ref Sometimes, none]}
`

func TestConditionsTakeResourcesAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stage   string
		depends map[string][]string
		policy  string
		outputs []template.OutputValue
	}{
		{"prod", map[string][]string{"Always": {"Other", "Sometimes"}, "Other": {}, "Sometimes": {"Other"}}, "x",
			[]template.OutputValue{{Name: "A", Value: "a"}, {Name: "I", Value: "s"}, {Name: "S", Value: "s"}}},
		{"dev", map[string][]string{"Always": {"Other"}, "Other": {}}, "y",
			[]template.OutputValue{{Name: "A", Value: "a"}, {Name: "I", Value: "none"}}},
	} {
		b, err := bind(t, conditional, map[string]string{"Stage": c.stage})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Dependencies(); !reflect.DeepEqual(got, c.depends) {
			t.Errorf("%s: dependencies %v, want %v", c.stage, got, c.depends)
		}
		var ids []string
		for _, r := range b.Resources() {
			ids = append(ids, r.ID)
		}
		if len(ids) != len(c.depends) || ids[0] != "Always" || (b.Resource("Sometimes") == nil) == (c.stage == "prod") {
			t.Errorf("%s: resources %v", c.stage, ids)
		}
		if got := b.Resource("Other").UpdatePolicy["P"]; got != c.policy {
			t.Errorf("%s: update policy %v", c.stage, got)
		}
		got, err := b.Outputs(t.Context(), world{refs: map[string]any{"Always": "a", "Sometimes": "s"}})
		if err != nil || !reflect.DeepEqual(got, c.outputs) {
			t.Errorf("%s: outputs %v, %v, want %v", c.stage, got, err, c.outputs)
		}
	}
}

func TestWhatOnlyBindCanRefuse(t *testing.T) {
	t.Parallel()
	const head = "Parameters: {Stage: {Type: String, Default: dev}}\nMappings: {M: {a: {b: c}}}\nConditions: {Prod: !Equals [!Ref Stage, prod], Dev: !Not [!Condition Prod]}\n"
	for _, c := range []struct{ name, text, want string }{
		{"Ref to what is gone", "Resources: {A: {Type: T, Properties: {P: !Ref B}}, B: {Type: T, Condition: Prod}}",
			"Template format error: Unresolved resource dependencies [B] in the Resources block of the template (/Resources/A/Properties/P, line 4, column 39)"},
		{"GetAtt of what is gone", "Resources: {A: {Type: T, Properties: {P: !Sub 'x${B.Arn}'}}, B: {Type: T, Condition: Prod}}",
			"Template format error: Unresolved resource dependencies [B] in the Resources block of the template"},
		{"an output of what is gone", "Resources: {A: {Type: T}, B: {Type: T, Condition: Prod}}\nOutputs: {O: {Value: !Ref B}}",
			"Template format error: Unresolved resource dependencies [B] in the Outputs block of the template"},
		{"a circle through If", "Resources: {A: {Type: T, Properties: {P: !If [Dev, !Ref B, x]}}, B: {Type: T, Properties: {P: !Ref A}}}",
			"Circular dependency between resources: [A, B]"},
		{"a circle of conditional resources", "Resources: {A: {Type: T, Condition: Dev, DependsOn: B}, B: {Type: T, DependsOn: A}}",
			"Circular dependency between resources: [A, B]"},
		{"a condition that cannot be evaluated", "Resources: {A: {Type: T}}\nRules: {L: {Assertions: [{Assert: !Equals [!FindInMap [M, !Ref Stage, b], x]}]}}",
			"Template error: Unable to get mapping for M::dev::b"},
	} {
		_, err := bind(t, head+c.text, nil)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	// What is gone may be referred to by what is gone too, and waited for by what is there.
	if _, err := bind(t, head+"Resources: {A: {Type: T, DependsOn: B}, B: {Type: T, Condition: Prod}, C: {Type: T, Condition: Prod, Properties: {P: !Ref B}}}", nil); err != nil {
		t.Error(err)
	}
}

func TestEveryReferenceIsADependency(t *testing.T) {
	t.Parallel()
	b, err := bind(t, `
Parameters: {P: {Type: String, Default: A}}
Resources:
  R:
    Type: T
    DependsOn: [A, A]
    Metadata: {M: !Ref B}
    CreationPolicy: {C: !GetAtt C.Arn}
    Properties:
      Ref: D
      V: !Join ["", [!Ref E, !Sub "${F}${G.Arn}${!X}${P}", !Sub ["${v}", {v: !GetAtt [H, !Ref P]}]]]
      W: {deep: [{deeper: !Select [0, [!Ref I]]}]}
      X: !Sub ["${J}", {J: mine}]
  A: {Type: T}
  B: {Type: T}
  C: {Type: T}
  D: {Type: T}
  E: {Type: T}
  F: {Type: T}
  G: {Type: T}
  H: {Type: T}
  I: {Type: T}
  J: {Type: T}
  X: {Type: T}
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(b.Dependencies()["R"]), "[A B C E F G H I]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPoliciesThatAreFunctions(t *testing.T) {
	t.Parallel()
	const text = "Transform: AWS::LanguageExtensions\nParameters: {P: {Type: String}}\nConditions: {C: !Equals [!Ref P, Retain]}\nResources: {R: {Type: T, DeletionPolicy: !Ref P, UpdateReplacePolicy: !If [C, Snapshot, !Ref AWS::NoValue]}}"
	b, err := bind(t, text, map[string]string{"P": "Retain"})
	if err != nil {
		t.Fatal(err)
	}
	if r := b.Resource("R"); r.DeletionPolicy != "Retain" || r.UpdateReplacePolicy != "Snapshot" {
		t.Errorf("%q, %q", r.DeletionPolicy, r.UpdateReplacePolicy)
	}
	if b, err = bind(t, text, map[string]string{"P": "Delete"}); err != nil || b.Resource("R").UpdateReplacePolicy != "" {
		t.Errorf("%v", err)
	}
	if _, err = bind(t, text, map[string]string{"P": "Keep"}); err == nil || !strings.HasPrefix(err.Error(), "Template format error: Unrecognized DeletionPolicy Keep for resource R") {
		t.Errorf("%v", err)
	}
}

func TestScope(t *testing.T) {
	t.Parallel()
	tpl, err := load(t, "Resources: {R: {Type: T, Properties: {A: !Sub '${AWS::Partition} ${AWS::URLSuffix}', Z: !GetAZs '', O: !GetAZs us-east-1}}}")
	if err != nil {
		t.Fatal(err)
	}
	b, err := tpl.Bind(template.Scope{Region: "cn-north-1", Partition: "aws-cn", URLSuffix: "amazonaws.com.cn", Zones: []string{"cn-north-1x"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Properties(t.Context(), "R", world{})
	if want := "map[A:aws-cn amazonaws.com.cn O:[us-east-1a us-east-1b us-east-1c] Z:[cn-north-1x]]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v, want %s", got, err, want)
	}
}

func TestResourcesThatTheStackHasNot(t *testing.T) {
	t.Parallel()
	b, err := bind(t, minimal, nil)
	if err != nil {
		t.Fatal(err)
	}
	var e *template.Error
	if _, err := b.Properties(t.Context(), "X", world{}); !errors.As(err, &e) {
		t.Errorf("properties: %v", err)
	}
	if _, err := b.Metadata(t.Context(), "X", world{}); !errors.As(err, &e) {
		t.Errorf("metadata: %v", err)
	}
	if got, err := b.Properties(t.Context(), "R", nil); err != nil || got == nil || len(got) != 0 {
		t.Errorf("no properties: %v, %v", got, err)
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	const head = "Parameters: {L: {Type: CommaDelimitedList, Default: 'a,b'}, N: {Type: String, Default: n}}\n"
	b, err := bind(t, head+"Outputs: {A: {Value: 2.0, Description: d}, B: {Value: yes}, C: {Value: !Ref R, Export: {Name: !Sub '${AWS::StackName}:${N}'}}, D: {Value: !Join ['', [!GetAtt R.Arn]]}}\n"+minimal, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Outputs(t.Context(), world{refs: map[string]any{"R": "r"}})
	want := []template.OutputValue{{Name: "A", Value: "2.0", Description: "d"}, {Name: "B", Value: "true"}, {Name: "C", Value: "r", Export: "shop:n"}, {Name: "D", Value: template.Unknown{}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, c := range []struct{ outputs, want string }{
		{"{Value: !Ref L}", "Template format error: The Value field of every Outputs member must evaluate to a String."},
		{"{Value: !GetAtt R.Map}", "Template format error: The Value field of every Outputs member must evaluate to a String."},
		{"{Value: !Ref AWS::NoValue}", "Template format error: The Value field of every Outputs member must evaluate to a String."},
		{"{Value: a, Export: {Name: !Sub '${N} ${N}'}}", "Template format error: Output O is malformed. The Name field of every Export member must be specified and consist only of alphanumeric characters, colons, or hyphens."},
		{"{Value: a, Export: {Name: !Ref L}}", "Template format error: Output O is malformed. The Name field of every Export member must be specified and consist only of alphanumeric characters, colons, or hyphens."},
	} {
		b, err := bind(t, head+"Outputs: {O: "+c.outputs+"}\n"+minimal, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Outputs(t.Context(), world{atts: map[string]any{"R.Map": map[string]any{}}}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.outputs, err, c.want)
		}
	}
}
