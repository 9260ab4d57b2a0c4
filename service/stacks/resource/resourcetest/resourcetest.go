// Package resourcetest drives CloudFormation resource types in tests as the
// engine of stacks does. It answers for no AWS API.
package resourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/service/stacks/resource"

	"github.com/aws/smithy-go"
)

// A Stack makes resources for a test. Its fields may be changed between calls.
type Stack struct {
	testing.TB
	Context context.Context // of the caller, CloudFormation's, with a gate that lets everything through
	Stack   resource.Stack
	Tags    map[string]string // of the stack, with those of CloudFormation but the logical id
	// Pause is Change.Pause; nil: waiting is an error.
	Pause func(ctx context.Context, d time.Duration) error

	types  map[string]resource.Type
	tokens int
}

// New makes a stack named "stack". Ctx says who calls, through CloudFormation.
func New(t testing.TB, ctx context.Context, account, region string, types []resource.Type) *Stack {
	id := fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/stack/6a8bcf7e-0000-4000-8000-000000000000", region, account)
	s := &Stack{
		TB: t, types: map[string]resource.Type{},
		Context: resource.WithGate(ctx, func(ctx context.Context, _ any) (context.Context, error) { return ctx, nil }),
		Stack:   resource.Stack{ID: id, Name: "stack", Account: account, Region: region, Partition: "aws"},
		Tags:    map[string]string{"aws:cloudformation:stack-id": id, "aws:cloudformation:stack-name": "stack"},
	}
	for _, typ := range types {
		s.types[typ.Name] = typ
	}
	return s
}

// Type is a declared type.
func (s *Stack) Type(name string) resource.Type {
	s.Helper()
	t, ok := s.types[name]
	if !ok {
		s.Fatalf("no resource type %s; there are %v", name, slices.Sorted(maps.Keys(s.types)))
	}
	return t
}

// A Resource is one that was made, or is to be.
type Resource struct {
	resource.Result
	Type      resource.Type
	Change    resource.Change[map[string]any] // the last one
	Initiated []string                        // what the last change told Initiated
}

// New is a resource that is to be made from properties in JSON. Where the type has names, and none
// is given, it gets a generated one.
func (s *Stack) New(typ, logicalID, properties string) *Resource {
	s.Helper()
	r := &Resource{Type: s.Type(typ)}
	s.tokens++
	token := fmt.Sprintf("6f1d2c3b-0000-4000-8000-%012d", s.tokens)
	raw := s.Properties(properties)
	if n := r.Type.Naming; n != nil {
		if _, given := raw[n.Property]; !given {
			raw[n.Property] = n.Name(s.Stack.Name, logicalID, fmt.Sprintf("RANDOM%06d", s.tokens))
		}
	}
	r.Change = resource.Change[map[string]any]{LogicalID: logicalID, Type: typ, Raw: raw, Token: token}
	return r
}

// Properties reads JSON as templates are read.
func (s *Stack) Properties(text string) map[string]any {
	s.Helper()
	raw := map[string]any{}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		s.Fatalf("%v in %s", err, text)
	}
	return raw
}

func (s *Stack) prepare(r *Resource) *resource.Change[map[string]any] {
	c := r.Change
	c.Stack, c.Tags = s.Stack, maps.Clone(s.Tags)
	c.Tags["aws:cloudformation:logical-id"] = c.LogicalID
	r.Initiated = nil
	c.Initiated = func(id string) error { r.Initiated = append(r.Initiated, id); return nil }
	c.Pause = s.Pause
	if c.Pause == nil {
		c.Pause = func(context.Context, time.Duration) error { return errors.New("the test does not expect to wait") }
	}
	return &c
}

// Try makes the resource, once more if it was made already.
func (s *Stack) Try(r *Resource) (err error) {
	r.Result, err = r.Type.Create(s.Context, s.prepare(r))
	return err
}

// Create makes a resource that must be possible to make.
func (s *Stack) Create(typ, logicalID, properties string) *Resource {
	s.Helper()
	r := s.New(typ, logicalID, properties)
	if problems := r.Type.Check(r.Change.Raw); len(problems) > 0 {
		s.Fatalf("%s %s: %v", typ, logicalID, problems)
	}
	if err := s.Try(r); err != nil {
		s.Fatalf("create %s %s: %v", typ, logicalID, err)
	}
	if r.PhysicalID == "" {
		s.Fatalf("create %s %s: no physical id", typ, logicalID)
	}
	for name := range r.Attributes {
		if !r.Type.HasAttribute(name) {
			s.Errorf("create %s %s: attribute %s is not declared", typ, logicalID, name)
		}
	}
	return r
}

// Again makes the same resource once more, as after a crash that lost its
// physical id, and demands that it is the same one.
func (s *Stack) Again(r *Resource) {
	s.Helper()
	was := r.PhysicalID
	if err := s.Try(r); err != nil {
		s.Errorf("create %s %s again: %v", r.Change.Type, r.Change.LogicalID, err)
	} else if r.PhysicalID != was {
		s.Errorf("create %s %s again: made %s beside %s", r.Change.Type, r.Change.LogicalID, r.PhysicalID, was)
	}
}

// Found demands that Find knows the resource, and that it is made once more
// with what was found.
func (s *Stack) Found(r *Resource) {
	s.Helper()
	if r.Change.PhysicalID = s.Find(r); r.Change.PhysicalID != r.PhysicalID {
		s.Errorf("find %s %s: found %q, want %s", r.Change.Type, r.Change.LogicalID, r.Change.PhysicalID, r.PhysicalID)
	}
	s.Again(r)
	r.Change.PhysicalID = ""
}

// Find asks the type for what an earlier attempt made.
func (s *Stack) Find(r *Resource) string {
	s.Helper()
	id, err := r.Type.Find(s.Context, s.prepare(r))
	if err != nil {
		s.Fatalf("find %s %s: %v", r.Change.Type, r.Change.LogicalID, err)
	}
	return id
}

// TryUpdate changes the resource to properties in JSON, with a generated name kept.
func (s *Stack) TryUpdate(r *Resource, properties string) error {
	s.Helper()
	old, was := r.Change.Raw, r.Result
	raw := s.Properties(properties)
	if n := r.Type.Naming; n != nil {
		if _, given := raw[n.Property]; !given {
			raw[n.Property] = old[n.Property]
		}
	}
	for name := range raw {
		if fmt.Sprint(raw[name]) != fmt.Sprint(old[name]) && r.Type.Replaces(name) {
			s.Fatalf("update %s: a change of %s replaces", r.Change.Type, name)
		}
	}
	c := s.prepare(r)
	c.Raw, c.OldRaw, c.PhysicalID, c.Attributes = raw, old, was.PhysicalID, was.Attributes
	c.Token += "u"
	result, err := r.Type.Update(s.Context, c)
	if err == nil {
		r.Change.Raw, r.Result = raw, result
	}
	return err
}

// Update changes the resource in place, twice, as after a crash.
func (s *Stack) Update(r *Resource, properties string) {
	s.Helper()
	before := r.Change.Raw
	for range 2 {
		was := r.PhysicalID
		r.Change.Raw = before
		if err := s.TryUpdate(r, properties); err != nil {
			s.Fatalf("update %s %s: %v", r.Change.Type, r.Change.LogicalID, err)
		}
		if r.PhysicalID != was {
			s.Errorf("update %s %s: became %s", r.Change.Type, r.Change.LogicalID, r.PhysicalID)
		}
	}
}

// TryDelete deletes the resource.
func (s *Stack) TryDelete(r *Resource) error {
	c := s.prepare(r)
	c.PhysicalID, c.Attributes = r.PhysicalID, r.Attributes
	return r.Type.Delete(s.Context, c)
}

// Delete deletes the resource, twice.
func (s *Stack) Delete(r *Resource) {
	s.Helper()
	for _, time := range []string{"first", "second"} {
		if err := s.TryDelete(r); err != nil {
			s.Errorf("delete %s %s, %s time: %v", r.Change.Type, r.Change.LogicalID, time, err)
		}
	}
}

// Replaces checks which properties replace the resource.
func (s *Stack) Replaces(typ string, replace bool, properties ...string) {
	s.Helper()
	t := s.Type(typ)
	for _, p := range properties {
		if t.Replaces(p) != replace {
			s.Errorf("%s: Replaces(%s) is %t", typ, p, !replace)
		}
	}
}

// Refused demands that a resource cannot be made, for a reason with the text: before anything
// is changed (code ""), or by an operation with that code.
func (s *Stack) Refused(typ, properties, code, text string) {
	s.Helper()
	r := s.New(typ, "Refused", properties)
	problems := r.Type.Check(r.Change.Raw)
	if code == "" {
		for _, p := range problems {
			if strings.Contains(p.Message, text) {
				return
			}
		}
		s.Errorf("%s with %s: problems %v, want %q", typ, properties, problems, text)
		return
	}
	if len(problems) > 0 {
		s.Errorf("%s with %s: problems %v, want an operation to refuse it", typ, properties, problems)
		return
	}
	err := s.Try(r)
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != code || !strings.Contains(coded.ErrorMessage(), text) {
		s.Errorf("%s with %s: got %v, want %s with %q", typ, properties, err, code, text)
	}
}
