package template_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"countersign/service/stacks/template"
)

// TestSplicedTemplates puts parts of templates where other parts stand, which random
// text hardly ever does: functions in the arguments of functions, maps for lists, lists for names. What Load lets
// through must be safe to evaluate.
func TestSplicedTemplates(t *testing.T) {
	t.Parallel()
	var roots []map[string]any
	text, err := os.ReadFile("testdata/http-api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(text), conditional, `
Transform: AWS::LanguageExtensions
Parameters: {P: {Type: String, Default: A}, N: {Type: Number, Default: 1}, L: {Type: CommaDelimitedList, Default: "a,b"}}
Mappings: {M: {A: {v: [1], w: x}}}
Conditions: {C: !Equals [!Ref P, A], D: !Not [!Condition C], E: !Or [!Condition C, !And [!Condition D, !Equals [1, !Length [a]]]]}
Rules: {L: {RuleCondition: !Equals [!Ref P, A], Assertions: [{Assert: !Contains [[A], !Ref P]}, {Assert: !EachMemberIn [!Ref L, [a, b]]}, {Assert: !EachMemberIn [!RefAll String, [A]]}]}}
Resources:
  A: {Type: T, DeletionPolicy: !If [C, Retain, Delete], Properties: {A: !ToJsonString {a: !Length [a]}, B: {Ref: !Ref P}, C: !FindInMap [M, !Sub A, v, {DefaultValue: x}]}}
  R: {Type: T, DependsOn: A, Properties: {A: !GetAtt [A, !If [C, Arn, Id]], B: !Select [!Ref N, !Split [",", !Join [",", !Ref L]]], C: !Cidr [!Ref P, 2, 3], D: '{{resolve:ssm:a}}', E: !Base64 x, F: !GetAZs ''}}
  S: {Type: T, Condition: D, Properties: {A: !Sub ['${A.Arn}${v}${AWS::Region}', {v: !ImportValue y}], B: [!If [D, !Ref A, !Ref AWS::NoValue]]}}
Outputs: {O: {Value: !If [C, !Ref R, x], Export: {Name: !Sub '${AWS::StackName}-o'}}}
`} {
		roots = append(roots, parse(t, text).Root)
	}
	pool := []any{nil, "", "A", "${A.Arn}", json.Number("-1"), json.Number("99999999999999999999"), true, []any{}, map[string]any{}, []any{[]any{}}}
	for _, root := range roots {
		visit(root, nil, func(v any, _ []string) { pool = append(pool, v) })
	}
	random := rand.New(rand.NewPCG(1, 2))
	loaded := 0
	const rounds = 3_000
	for range rounds {
		root := template.Clone(roots[random.IntN(len(roots))]).(map[string]any)
		for range 1 + random.IntN(2) {
			var places [][]string
			visit(root, nil, func(_ any, path []string) { places = append(places, path) })
			// Two steps down: the sections themselves stay, or little would be loaded.
			places = slices.DeleteFunc(places, func(p []string) bool { return len(p) < 2 })
			put(root, places[random.IntN(len(places))], template.Clone(pool[random.IntN(len(pool))]))
		}
		text, err := template.JSON(root)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := template.Load(root, nil); err == nil {
			loaded++
		}
		doc, err := template.Parse(text)
		if err != nil {
			continue // too deep
		}
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Fatalf("%v\n%s", p, text)
				}
			}()
			if first, second := walk(t, doc), walk(t, doc); first != second {
				t.Fatalf("first\n%s\nthen\n%s\n%s", first, second, text)
			}
		}()
	}
	if loaded < rounds/20 {
		t.Errorf("only %d of %d templates were loaded: they test nothing", loaded, rounds)
	}
}

func visit(v any, path []string, f func(v any, path []string)) {
	if path != nil {
		f(v, slices.Clone(path))
	}
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			visit(v[k], append(path, k), f)
		}
	case []any:
		for i, e := range v {
			visit(e, append(path, strconv.Itoa(i)), f)
		}
	}
}

// put replaces what stands at path.
func put(at any, path []string, with any) {
	switch at := at.(type) {
	case map[string]any:
		if len(path) == 1 {
			at[path[0]] = with
			return
		}
		put(at[path[0]], path[1:], with)
	case []any:
		i, _ := strconv.Atoi(path[0])
		if len(path) == 1 {
			at[i] = with
			return
		}
		put(at[i], path[1:], with)
	}
}
