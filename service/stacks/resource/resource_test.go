package resource

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
)

type thing struct {
	Name  string `cfn:"replace"`
	Size  int
	Tags  []Tag
	Style string `cfn:"required"`
}

// recorder is a type that notes how it was called.
type recorder struct {
	last Change[thing]
	fail error
}

func (r *recorder) do(_ context.Context, c *Change[thing]) (Result, error) {
	r.last = *c
	return Result{PhysicalID: "made " + c.Properties.Name, Attributes: map[string]any{"Arn": "a"}}, r.fail
}

func (r *recorder) spec() Spec[thing] {
	return Spec[thing]{
		Name: "Test::Thing", Attributes: []string{"Arn", "Outputs.*"}, Tags: "Tags", Naming: &Naming{Property: "Name"},
		Check: func(p *thing) []Problem {
			if p.Size < 0 {
				return []Problem{{Path: []string{"Size"}, Message: "negative"}}
			}
			return nil
		},
		Create: r.do, Update: r.do,
		Delete: func(_ context.Context, c *Change[thing]) error { r.last = *c; return r.fail },
		Find:   func(_ context.Context, c *Change[thing]) (string, error) { r.last = *c; return "found", r.fail },
	}
}

func TestTypeRuns(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	typ := Define(r.spec())
	initiated := ""
	c := &Change[map[string]any]{
		Stack: Stack{ID: "id", Name: "stack"}, LogicalID: "Thing", Type: "Test::Thing", PhysicalID: "physical", Attributes: map[string]any{"Arn": "before"},
		Raw: read(t, `{"Name": "n", "Size": "3", "Style": "s", "Tags": [{"Key": "a", "Value": "mine"}]}`), OldRaw: read(t, `{"Name": "o", "Tags": [{"Key": "old"}], "Gone": 1}`),
		Token: "token", Tags: map[string]string{"a": "stack's", "b": "2"}, OldTags: map[string]string{"c": "3"},
		Initiated: func(id string) error { initiated = id; return nil },
	}
	result, err := typ.Create(t.Context(), c)
	if err != nil || result.PhysicalID != "made n" {
		t.Fatal(result, err)
	}
	got := r.last
	// The template's own tags win over the stack's.
	if want := (thing{Name: "n", Size: 3, Style: "s", Tags: []Tag{{"a", "mine"}, {"b", "2"}}}); !reflect.DeepEqual(got.Properties, want) {
		t.Errorf("properties %+v, want %+v", got.Properties, want)
	}
	if got.Stack != c.Stack || got.LogicalID != "Thing" || got.Type != "Test::Thing" || got.PhysicalID != "physical" || got.Token != "token" || got.Attributes["Arn"] != "before" ||
		!reflect.DeepEqual(got.Raw, c.Raw) || got.Old.Name != "" {
		t.Errorf("change %+v", got)
	}
	if err := got.Initiated("x"); err != nil || initiated != "x" {
		t.Errorf("Initiated: %v, %q", err, initiated)
	}

	// What was accepted by an earlier version, "Gone", is no obstacle.
	if _, err := typ.Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if want := (thing{Name: "o", Tags: []Tag{{"old", ""}, {"c", "3"}}}); !reflect.DeepEqual(r.last.Old, want) {
		t.Errorf("old %+v, want %+v", r.last.Old, want)
	}
	c.OldTags = nil
	if _, err := typ.Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if want := []Tag{{"old", ""}, {"a", "stack's"}, {"b", "2"}}; !reflect.DeepEqual(r.last.Old.Tags, want) {
		t.Errorf("old tags %+v, want %+v", r.last.Old.Tags, want)
	}
	if id, err := typ.Find(t.Context(), c); id != "found" || err != nil {
		t.Errorf("found %q, %v", id, err)
	}

	bad := *c
	bad.Raw = read(t, `{"Name": "n", "Gone": 1}`)
	for what, err := range map[string]error{"create": second(typ.Create(t.Context(), &bad)), "update": second(typ.Update(t.Context(), &bad))} {
		var p *PropertyError
		if !errors.As(err, &p) || p.Error() != "property Gone: Encountered unsupported property Gone" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := typ.Delete(t.Context(), &bad); err != nil || r.last.Properties.Name != "n" {
		t.Errorf("delete: %v, %+v", err, r.last.Properties)
	}
	r.fail = errors.New("no")
	if err := typ.Delete(t.Context(), c); err != r.fail {
		t.Errorf("delete: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestTypeDescribes(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	typ := Define(r.spec())
	for name, want := range map[string]bool{"Arn": true, "Outputs.X": true, "Outputs": false, "arn": false, "Arn.X": false} {
		if typ.HasAttribute(name) != want {
			t.Errorf("HasAttribute(%s) = %t", name, !want)
		}
	}
	if !typ.Replaces("Name") || typ.Replaces("Size") || typ.Replaces("Nothing") || !typ.Updates || !typ.Finds {
		t.Errorf("%+v", typ)
	}
	for properties, want := range map[string]string{
		`{"Style": "s"}`: "[]", `{"Style": "s", "Size": -1}`: "[{[Size] negative}]", `{"Size": -1}`: "[{[] Property Style cannot be empty.}]",
		`{"Style": "s", "Tags": [{"Key": "aws:x", "Value": "1"}]}`: "[{[Tags 0 Key] aws: prefixed tag key names are not allowed for external use.}]",
	} {
		if got := fmt.Sprint(typ.Check(read(t, properties))); got != want {
			t.Errorf("Check(%s) = %s, want %s", properties, got, want)
		}
	}
	if problems := typ.Check(map[string]any{"Style": Unknown{}, "Size": Unknown{}, "Tags": []any{Unknown{}, map[string]any{"Key": Unknown{}}}}); len(problems) > 0 {
		t.Errorf("with what is not known yet: %v", problems)
	}

	s := r.spec()
	s.Update, s.Find, s.Attributes = nil, nil, []string{"*"}
	typ = Define(s)
	if !typ.Replaces("Size") || typ.Updates || typ.Finds || !typ.HasAttribute("anything") {
		t.Errorf("without Update: %+v", typ)
	}
	if id, err := typ.Find(t.Context(), &Change[map[string]any]{}); id != "" || err != nil {
		t.Errorf("found %q, %v", id, err)
	}
}

func TestDefinePanics(t *testing.T) {
	t.Parallel()
	create := func(context.Context, *Change[thing]) (Result, error) { return Result{}, nil }
	remove := func(context.Context, *Change[thing]) error { return nil }
	for what, define := range map[string]func(){
		"no Create": func() { Define(Spec[thing]{Name: "T", Delete: remove}) },
		"no Delete": func() { Define(Spec[thing]{Name: "T", Create: create}) },
		"no tags":   func() { Define(Spec[thing]{Name: "T", Create: create, Delete: remove, Tags: "Labels"}) },
		"no name": func() {
			Define(Spec[thing]{Name: "T", Create: create, Delete: remove, Naming: &Naming{Property: "Title"}})
		},
		"no property": func() { Define(Spec[int]{Name: "T"}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", what)
				}
			}()
			define()
		}()
	}
}

func TestDoAsksTheGate(t *testing.T) {
	t.Parallel()
	type key struct{}
	calls := 0
	operation := func(ctx context.Context, in *thing) (*thing, error) {
		calls++
		if ctx.Value(key{}) != "gate's" {
			t.Error("the operation does not run with the gate's context")
		}
		return in, nil
	}
	in := &thing{}
	if _, err := Do(t.Context(), operation, in); !errors.Is(err, ErrNoGate) || calls != 0 {
		t.Errorf("without a gate: %v, %d calls", err, calls)
	}
	if _, err := Do(WithGate(t.Context(), nil), operation, in); !errors.Is(err, ErrNoGate) || calls != 0 {
		t.Errorf("with a nil gate: %v, %d calls", err, calls)
	}
	denied := errors.New("denied")
	if _, err := Do(WithGate(t.Context(), func(ctx context.Context, _ any) (context.Context, error) { return ctx, denied }), operation, in); err != denied || calls != 0 {
		t.Errorf("refused: %v, %d calls", err, calls)
	}
	open := WithGate(t.Context(), func(ctx context.Context, given any) (context.Context, error) {
		if given != any(in) {
			t.Errorf("the gate sees %v", given)
		}
		return context.WithValue(ctx, key{}, "gate's"), nil
	})
	if out, err := Do(open, operation, in); out != in || err != nil || calls != 1 {
		t.Errorf("let through: %v, %v, %d calls", out, err, calls)
	}
}

func TestHandlerCode(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"ResourceNotFoundException": "NotFound", "NoSuchBucket": "NotFound", "NotFoundException": "NotFound", "NoSuchHostedZone": "NotFound", "ChangeSetNotFound": "NotFound",
		"EntityAlreadyExists": "AlreadyExists", "BucketAlreadyOwnedByYou": "AlreadyExists", "PermissionAlreadyExistsException": "AlreadyExists", "ResourceExistsException": "AlreadyExists",
		"AccessDeniedException": "AccessDenied", "ThrottlingException": "Throttling", "TooManyRequestsException": "Throttling", "LimitExceededException": "ServiceLimitExceeded",
		"ResourceConflictException": "ResourceConflict", "InvalidStateException": "ResourceConflict", "BucketNotEmpty": "ResourceConflict", "ResourceInUseException": "ResourceConflict",
		"ValidationException": "InvalidRequest", "NotStabilized": "NotStabilized",
	} {
		err := fmt.Errorf("wrapped: %w", &smithy.GenericAPIError{Code: code})
		if got := HandlerCode(err); got != want {
			t.Errorf("HandlerCode(%s) = %s, want %s", code, got, want)
		}
		if IsNotFound(err) != (want == "NotFound") || IsExists(err) != (want == "AlreadyExists") {
			t.Errorf("%s: IsNotFound %t, IsExists %t", code, IsNotFound(err), IsExists(err))
		}
	}
	if got := HandlerCode(errors.New("disk full")); got != "InternalFailure" {
		t.Errorf("an error of ours is %s", got)
	}
	if IsNotFound(nil) || IsExists(nil) {
		t.Error("no error is an error")
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 200)
	for _, test := range []struct {
		n              Naming
		stack, logical string
		want           string // without the random part
	}{
		{Naming{}, "stack", "Thing", "stack-Thing-"},
		{Naming{Lower: true, Limit: 63}, "Stack", "Thing", "stack-thing-"},
		{Naming{Limit: 64}, long, "Thing", strings.Repeat("a", 45) + "-Thing-"},
		{Naming{Limit: 64}, "stack", long, "stack-" + strings.Repeat("a", 45) + "-"},
		{Naming{Limit: 64}, long, long, strings.Repeat("a", 25) + "-" + strings.Repeat("a", 25) + "-"},
		{Naming{Limit: 33}, "a---------", "Thing12345", "a-Thing1234-"},
	} {
		got := test.n.Name(test.stack, test.logical, "ABCDEFGHIJ12")
		limit := test.n.Limit
		if limit == 0 {
			limit = 255
		}
		if !strings.HasPrefix(got, test.want) || len(got) != min(len(test.want)+12, limit) {
			t.Errorf("%+v of %s, %s: %s (%d)", test.n, test.stack, test.logical, got, len(got))
		}
		if strings.Contains(got, "--") {
			t.Errorf("%s has two hyphens in a row", got)
		}
	}
	n := Naming{Make: func(stack, logicalID, random string) string { return random + logicalID + stack }}
	if got := n.Name("s", "L", "r"); got != "rLs" {
		t.Errorf("made %s", got)
	}
	name := func(token string) string {
		return (&Change[thing]{Stack: Stack{Name: "s"}, LogicalID: "L", Token: token}).Name(64)
	}
	first, again, other := name("t"), name("t"), name("u")
	if first != again || first == other || !strings.HasPrefix(first, "s-L-") || len(first) != 16 {
		t.Errorf("the name does not follow the token: %s, %s, %s", first, again, other)
	}
}

func TestOurs(t *testing.T) {
	t.Parallel()
	c := Change[thing]{Stack: Stack{ID: "arn"}, LogicalID: "L"}
	for _, test := range []struct {
		tags []Tag
		want bool
	}{
		{nil, false},
		{[]Tag{{"aws:cloudformation:stack-id", "arn"}, {"aws:cloudformation:logical-id", "L"}}, true},
		{[]Tag{{"aws:cloudformation:stack-id", "arn"}, {"aws:cloudformation:logical-id", "M"}}, false},
		{[]Tag{{"aws:cloudformation:stack-id", "other"}, {"aws:cloudformation:logical-id", "L"}}, false},
		{[]Tag{{"aws:cloudformation:stack-id", "arn"}}, false},
	} {
		if got := c.Ours(test.tags); got != test.want {
			t.Errorf("Ours(%v) = %t", test.tags, got)
		}
	}
	if (&Change[thing]{}).Ours([]Tag{{"aws:cloudformation:stack-id", ""}, {"aws:cloudformation:logical-id", ""}}) {
		t.Error("ours without a stack")
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in   any
		want string
	}{
		{`{"a": 1}`, `{"a": 1}`},
		{read(t, `{"b": "<&>", "a": [1.50, true, null]}`), `{"a":[1.50,true,null],"b":"<&>"}`},
	} {
		if got, err := JSON(test.in); err != nil || got != test.want {
			t.Errorf("JSON(%v) = %s, %v; want %s", test.in, got, err, test.want)
		}
	}
	if _, err := JSON(func() {}); err == nil {
		t.Error("a function has a text")
	}
}
