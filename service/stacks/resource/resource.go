// Package resource is what a CloudFormation resource type is made of: its
// properties as a Go struct, and what to do to create, change and delete one. Every
// service declares its own types with Define in its resources.go, through the same
// operations as everybody; service/stacks runs them. It answers for no AWS API.
package resource

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// A Spec is how a service declares a resource type. P is a struct with a field
// for every property that is built; see Define for how fields are read.
type Spec[P any] struct {
	Name string // "AWS::S3::Bucket"

	// Attributes are the names that Fn::GetAtt may read. One that ends in ".*"
	// stands for every name that begins so; "*" for all names.
	Attributes []string

	// Naming says which property names the resource, for types whose names users
	// choose; nil for those that get an id.
	Naming *Naming

	// Tags is the property that takes tags, "Tags": a list of Tag or of other structs with Key and
	// Value, or a map of strings. The tags of the stack and the aws:cloudformation:* ones are added to it
	// before Create and Update; a template that gives keys of AWS's own is refused. Empty: the type takes no
	// tags, or keeps none.
	Tags string

	// IAM: a template that has one needs CAPABILITY_IAM, and CAPABILITY_NAMED_IAM when it gives the
	// property that Naming names.
	IAM bool

	// Known are properties that AWS has and this version does not build. Giving
	// one is refused with words that say so, not as a misspelling. Dots lead into properties:
	// "RecordSets.Weight" is a property of the elements of a list.
	Known []string

	// Check, when not nil, judges properties before anything is changed, with what
	// is not known yet left out (the zero value). What it answers fails the change set.
	Check func(p *P) []Problem

	// Create makes the resource, and returns when it can be used. It may run again after a
	// crash, with the same Token and properties, the generated name among them. What exists already
	// is taken over where it is surely the earlier attempt's: by the token, the tags (Change.Ours), a name that
	// nobody else can have, or Change.PhysicalID. Anything else that is in the way is somebody's, and an error
	// (docs/decisions/062-whose-is-what-exists.md).
	Create func(ctx context.Context, c *Change[P]) (Result, error)

	// Update brings the resource from Old to Properties in place. Nil: every change
	// replaces. It is not called when a property tagged "replace" changed. A Result whose PhysicalID is another one
	// says that the resource was replaced; the old one is deleted later. It, too, may run twice.
	Update func(ctx context.Context, c *Change[P]) (Result, error)

	// Delete removes the resource. That it is gone already is a success.
	Delete func(ctx context.Context, c *Change[P]) error

	// Find, when not nil, looks for what an earlier Create may have made that was cut
	// off before it could say so; "" if there is nothing. It is asked after a crash only, before
	// Create runs again or the resource is given up: what it answers becomes Change.PhysicalID.
	Find func(ctx context.Context, c *Change[P]) (physicalID string, err error)
}

// Naming is how a resource gets its name when the template gives none:
// <stack>-<logical id>-<random>, cut to Limit.
type Naming struct {
	Property string // "BucketName"
	Limit    int    // most characters; 0: 255
	Lower    bool   // lower case only
	// Make, when not nil, makes the name of these parts instead.
	Make func(stack, logicalID, random string) string
}

// Name makes the name. Random is its last part, which sees to it that no two are the same.
func (n *Naming) Name(stack, logicalID, random string) string {
	if n.Make != nil {
		return n.Make(stack, logicalID, random)
	}
	limit := n.Limit
	if limit == 0 {
		limit = 255
	}
	// Where both are long each gets half of the room; a short one leaves the rest to the other.
	room := max(limit-len(random)-2, 0)
	logical := min(len(logicalID), max(room/2, room-len(stack)))
	stack = stack[:min(len(stack), room-logical)]
	name := strings.TrimRight(stack, "-") + "-" + logicalID[:logical] + "-" + random
	if n.Lower {
		name = strings.ToLower(name)
	}
	return name
}

// Name is Naming.Name for the resource of the change, for ids that no property
// names. The token stands for the random part: a repeated attempt makes the same name, and who does
// not know the token cannot guess it.
func (c *Change[P]) Name(limit int) string {
	sum := sha256.Sum256([]byte("name\x00" + c.LogicalID + "\x00" + c.Token))
	random := make([]byte, 12) // as long as AWS's
	for i := range random {
		random[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[int(sum[i])%36]
	}
	return (&Naming{Limit: limit}).Name(c.Stack.Name, c.LogicalID, string(random))
}

// JSON is the text of a property of free JSON, as operations take policies and
// API definitions: text stays as it is.
func JSON(v any) (string, error) {
	if text, ok := v.(string); ok {
		return text, nil
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// A Change is one thing to do to one resource.
type Change[P any] struct {
	Stack     Stack
	LogicalID string
	Type      string // the name in the template: types may stand for a family ("Custom::*")

	Properties P              // as the template has them now, resolved; of Delete: as they were last
	Old        P              // Update: before
	Raw        map[string]any // Properties before they became a P
	OldRaw     map[string]any // Update: likewise

	PhysicalID string         // Update, Delete: of the resource. Create: of what an earlier attempt told Initiated, or Find found
	Attributes map[string]any // Update, Delete: as they were recorded last

	// Token is the same for every attempt at this change and differs between
	// changes: 36 characters, for operations that take a client token.
	Token string

	// Tags are those of the stack and of CloudFormation itself. They are in
	// Properties already where Spec.Tags says so.
	Tags map[string]string
	// OldTags are, in an Update, those of before; nil: there were the same. They are in Old likewise.
	OldTags map[string]string

	// Initiated tells that the resource exists from now on, under this id, though it cannot be used yet.
	// On return that is durable. For a Create that waits; others need not call it.
	Initiated func(physicalID string) error

	// Pause waits until something was written to the store, or d has passed by
	// the node's clock; at least a moment. For waiting in a loop. It fails when ctx ends.
	Pause func(ctx context.Context, d time.Duration) error

	Now func() time.Time
}

// Stack is what a resource may know of the stack that it belongs to.
type Stack struct {
	ID, Name        string // ID: the ARN
	Account, Region string
	Partition       string
}

// A Result is what Create and Update made.
type Result struct {
	PhysicalID string
	Ref        string         // what Ref gives; empty: PhysicalID
	Attributes map[string]any // what Fn::GetAtt gives, by name; strings, lists and maps
	NoEcho     bool           // attributes are not to be shown
}

// A Problem is what is wrong with a property. Path leads to it from the
// properties: "Subject", "CommonName"; elements of lists are their numbers.
type Problem struct {
	Path    []string
	Message string
}

// A Gate lets a call of an operation through: it checks the input as the
// endpoint does, authorises the principal in ctx, and returns the context that
// the operation is to run with. The node sets it with WithGate.
type Gate func(ctx context.Context, input any) (context.Context, error)

type gateKey struct{}

// WithGate returns a context in which Do asks g first.
func WithGate(ctx context.Context, g Gate) context.Context {
	return context.WithValue(ctx, gateKey{}, g)
}

// ErrNoGate is Do's answer in a context without a gate: nothing may skip the checks.
var ErrNoGate = errors.New("resource: the context has no gate for operations")

// Do calls an operation as the endpoint does: through the gate of ctx. All that
// a resource type does to the world, it does through Do.
func Do[I, O any](ctx context.Context, operation func(context.Context, *I) (*O, error), in *I) (*O, error) {
	gate, ok := ctx.Value(gateKey{}).(Gate)
	if !ok || gate == nil {
		return nil, ErrNoGate
	}
	ctx, err := gate(ctx, in)
	if err != nil {
		return nil, err
	}
	return operation(ctx, in)
}

// A Type is a declared resource type, without its struct.
type Type struct {
	Name       string
	Attributes []string
	Naming     *Naming
	Tags       string // see Spec
	IAM        bool
	Updates    bool // it can be changed in place
	Finds      bool

	props *schema
	check func(raw map[string]any) []Problem
	run   func(ctx context.Context, what step, c *Change[map[string]any]) (Result, string, error)
}

type step int

const (
	stepCreate step = iota
	stepUpdate
	stepDelete
	stepFind
)

// Define makes a Type of a Spec. It panics when the struct cannot be read, which
// is a bug of whoever declares it.
//
// A field of P stands for the property of the same name. Its cfn tag is a comma-separated
// list: a first word in upper case renames it; "required" and "replace" (a change makes a new
// resource) say what they say. Fields are strings, booleans, numbers, structs, pointers, slices and
// maps of those, or any for free JSON (policies, OpenAPI bodies): SDK structs can be used as they are. Text, numbers and
// booleans are taken for one another where that is possible, as CloudFormation does. A property without a field is refused.
// A field of type map[string]any tagged "rest" takes all that has no field of its own.
func Define[P any](s Spec[P]) Type {
	props, err := schemaOf(reflect.TypeFor[P](), s.Known)
	if err != nil {
		panic(fmt.Sprintf("resource %s: %v", s.Name, err))
	}
	if s.Create == nil || s.Delete == nil {
		panic(fmt.Sprintf("resource %s: Create and Delete are required", s.Name))
	}
	for _, name := range []string{s.Tags, naming(s.Naming)} {
		if name != "" && props.field(name) == nil {
			panic(fmt.Sprintf("resource %s: no field for property %s", s.Name, name))
		}
	}
	t := Type{
		Name: s.Name, Attributes: s.Attributes, Naming: s.Naming, Tags: s.Tags, IAM: s.IAM, Updates: s.Update != nil, Finds: s.Find != nil, props: props,
	}
	t.check = func(raw map[string]any) []Problem {
		var p P
		problems := append(props.decode(raw, reflect.ValueOf(&p).Elem()), systemTags(s.Tags, raw)...)
		if len(problems) == 0 && s.Check != nil {
			problems = s.Check(&p)
		}
		return problems
	}
	t.run = func(ctx context.Context, what step, c *Change[map[string]any]) (Result, string, error) {
		typed := &Change[P]{
			Stack: c.Stack, LogicalID: c.LogicalID, Type: c.Type, PhysicalID: c.PhysicalID, Attributes: c.Attributes, Token: c.Token, Tags: c.Tags, OldTags: c.OldTags,
			Raw: c.Raw, OldRaw: c.OldRaw, Initiated: c.Initiated, Pause: c.Pause, Now: c.Now,
		}
		problems := append(props.decode(c.Raw, reflect.ValueOf(&typed.Properties).Elem()), systemTags(s.Tags, c.Raw)...)
		if err := first(problems); err != nil {
			// What was accepted once must be possible to delete, whatever a later version makes of it.
			if what != stepDelete {
				return Result{}, "", err
			}
		}
		if what == stepUpdate {
			_ = props.decode(c.OldRaw, reflect.ValueOf(&typed.Old).Elem()) // likewise
			if s.Tags != "" {
				before := c.OldTags
				if before == nil {
					before = c.Tags
				}
				props.addTags(s.Tags, reflect.ValueOf(&typed.Old).Elem(), before)
			}
		}
		if s.Tags != "" {
			props.addTags(s.Tags, reflect.ValueOf(&typed.Properties).Elem(), c.Tags)
		}
		switch what {
		case stepCreate:
			r, err := s.Create(ctx, typed)
			return r, "", err
		case stepUpdate:
			r, err := s.Update(ctx, typed)
			return r, "", err
		case stepFind:
			id, err := s.Find(ctx, typed)
			return Result{}, id, err
		}
		return Result{}, "", s.Delete(ctx, typed)
	}
	return t
}

func naming(n *Naming) string {
	if n == nil {
		return ""
	}
	return n.Property
}

func first(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &PropertyError{problems[0]}
}

// A PropertyError is a property that cannot be what it is.
type PropertyError struct{ Problem }

func (e *PropertyError) Error() string {
	if len(e.Path) == 0 {
		return e.Message
	}
	return fmt.Sprintf("property %s: %s", join(e.Path), e.Message)
}

// Check judges properties in which Unknown stands for what will be known later.
func (t Type) Check(properties map[string]any) []Problem { return t.check(properties) }

// Replaces reports whether a change of the property makes a new resource.
func (t Type) Replaces(property string) bool {
	if !t.Updates {
		return true
	}
	f := t.props.field(property)
	return f != nil && f.replace
}

// HasAttribute reports whether Fn::GetAtt may read the attribute.
func (t Type) HasAttribute(name string) bool { return matches(t.Attributes, name) }

// Create runs Spec.Create.
func (t Type) Create(ctx context.Context, c *Change[map[string]any]) (Result, error) {
	r, _, err := t.run(ctx, stepCreate, c)
	return r, err
}

// Update runs Spec.Update.
func (t Type) Update(ctx context.Context, c *Change[map[string]any]) (Result, error) {
	r, _, err := t.run(ctx, stepUpdate, c)
	return r, err
}

// Delete runs Spec.Delete.
func (t Type) Delete(ctx context.Context, c *Change[map[string]any]) error {
	_, _, err := t.run(ctx, stepDelete, c)
	return err
}

// Find runs Spec.Find; "" for a type that has none.
func (t Type) Find(ctx context.Context, c *Change[map[string]any]) (string, error) {
	if !t.Finds {
		return "", nil
	}
	_, id, err := t.run(ctx, stepFind, c)
	return id, err
}
