package wire

import (
	"flag"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"countersign/wire/shape"
)

var update = flag.Bool("update", false, "rewrite the lists in testdata")

// golden compares lines with a file of testdata.
func golden(t *testing.T, file string, lines []string) {
	t.Helper()
	slices.Sort(lines)
	got := strings.Join(slices.Compact(lines), "\n") + "\n"
	path := "testdata/" + file
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the models and the SDK say now; run go test ./wire -update and look at the difference", path)
	}
}

// TestModelsAndSDK keeps the list of everything that our models and the SDK's
// modules do not have in common, as one may be newer than the other: members of
// requests and answers that cannot travel, values of enums (which
// validation refuses, but in S3), and operations that have no table.
func TestModelsAndSDK(t *testing.T) {
	t.Parallel()
	var lines []string
	all := clients(testConfig(httptest.NewServer(nil)))
	for _, id := range shape.Services() {
		m := model(t, id)
		client := all[id]
		for i := range reflect.TypeOf(client).NumMethod() {
			if n := reflect.TypeOf(client).Method(i).Name; m.Operations[n] == nil && n != "Options" {
				lines = append(lines, id+" operation "+n+": not in the model")
			}
		}
		seen := map[planKey]bool{}
		for _, op := range m.Operations {
			_, in, out := method(t, client, op)
			for _, x := range []struct {
				s *shape.Shape
				t reflect.Type
			}{{op.Input, in}, {op.Output, out}} {
				if x.s == nil {
					continue
				}
				var c compiler
				c.local = map[planKey]*plan{}
				if c.compile(x.s, x.t) == nil {
					t.Errorf("%s %s does not compile", id, op.Name)
				}
				for _, p := range c.problems {
					lines = append(lines, id+" "+p)
				}
				for _, p := range c.local {
					if p.kind != kindString || p.rule == nil || p.rule.enum == nil {
						continue
					}
					values, ok := p.typ.MethodByName("Values")
					if !ok {
						continue
					}
					list := values.Func.Call([]reflect.Value{reflect.Zero(p.typ)})[0]
					for i := range list.Len() {
						if v := list.Index(i).String(); !p.rule.enum[v] {
							lines = append(lines, id+" "+p.shape.Name+" "+v+": not in the model")
						}
					}
				}
				for k, p := range c.local {
					if p.kind != kindStruct || seen[k] {
						continue
					}
					seen[k] = true
					bound := map[int]bool{}
					for _, f := range p.fields {
						bound[f.index] = true
						if f.Required && !f.plan.ptr && f.Location != shape.Body && f.plan.kind != kindString && f.plan.kind != kindList {
							t.Errorf("%s %s.%s: nothing notices when this is absent", id, p.shape.Name, f.Name)
						}
					}
					for i := range p.typ.NumField() {
						if f := p.typ.Field(i); !bound[i] && f.IsExported() && f.Name != "ResultMetadata" && f.Name != "ErrorCodeOverride" {
							lines = append(lines, id+" "+p.shape.Name+"."+f.Name+": not in the model")
						}
					}
				}
			}
		}
	}
	golden(t, "models-and-sdk.txt", lines)
}

// TestPatterns keeps the list of patterns that Go's regexp cannot compile, so
// that somebody checks those values by hand.
func TestPatterns(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, id := range shape.Services() {
		seen := map[*shape.Shape]bool{}
		var visit func(s *shape.Shape)
		visit = func(s *shape.Shape) {
			if s == nil || seen[s] {
				return
			}
			seen[s] = true
			if s.Pattern != "" {
				if _, err := compilePattern(s.Pattern); err != nil {
					lines = append(lines, id+" "+s.Name+": "+s.Pattern)
				}
			}
			for _, m := range s.Members {
				visit(m.Shape)
			}
			if s.Member != nil {
				visit(s.Member.Shape)
			}
			if s.Key != nil {
				visit(s.Key.Shape)
			}
		}
		for _, op := range model(t, id).Operations {
			visit(op.Input)
		}
	}
	golden(t, "patterns.txt", lines)
}
