package resource

import (
	"context"
	"reflect"
	"testing"
)

func TestTagChanges(t *testing.T) {
	t.Parallel()
	set, removed := TagChanges(
		[]Tag{{"same", "1"}, {"changed", "1"}, {"gone", "1"}, {"away", ""}},
		[]Tag{{"new", ""}, {"changed", "2"}, {"same", "1"}})
	if want := []Tag{{"changed", "2"}, {"new", ""}}; !reflect.DeepEqual(set, want) {
		t.Errorf("set %v, want %v", set, want)
	}
	if want := []string{"away", "gone"}; !reflect.DeepEqual(removed, want) {
		t.Errorf("removed %v, want %v", removed, want)
	}
}

// A template must not set what only CloudFormation may.
func TestSystemTagsInTemplates(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context, *Change[struct{ Tags []Tag }]) (Result, error) { return Result{}, nil }
	list := Define(Spec[struct{ Tags []Tag }]{Name: "List", Tags: "Tags", Create: nothing,
		Delete: func(context.Context, *Change[struct{ Tags []Tag }]) error { return nil }})
	type mapped struct{ Tags map[string]string }
	byName := Define(Spec[mapped]{Name: "Map", Tags: "Tags",
		Create: func(context.Context, *Change[mapped]) (Result, error) { return Result{}, nil },
		Delete: func(context.Context, *Change[mapped]) error { return nil }})
	for _, test := range []struct {
		typ  Type
		tags any
		path []string
	}{
		{list, []any{map[string]any{"Key": "a", "Value": "1"}, map[string]any{"Key": "AWS:x", "Value": "1"}}, []string{"Tags", "1", "Key"}},
		{byName, map[string]any{"aws:cloudformation:stack-id": "1"}, []string{"Tags", "aws:cloudformation:stack-id"}},
	} {
		raw := map[string]any{"Tags": test.tags}
		want := []Problem{{test.path, "aws: prefixed tag key names are not allowed for external use."}}
		if got := test.typ.Check(raw); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: Check found %v, want %v", test.typ.Name, got, want)
		}
		if _, err := test.typ.Create(t.Context(), &Change[map[string]any]{Raw: raw}); err == nil {
			t.Errorf("%s: created", test.typ.Name)
		}
		if err := test.typ.Delete(t.Context(), &Change[map[string]any]{Raw: raw}); err != nil {
			t.Errorf("%s: what was accepted once must be possible to delete: %v", test.typ.Name, err)
		}
	}
}
