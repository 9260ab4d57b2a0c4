package stacks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/arn"
	"countersign/call"
	"countersign/store"
)

// Kinds of record. Ids are UUIDs.
//
//	kindStack      <account>/<region>/<stack id>         a stack; 90 days longer than it lives
//	kindName       <account>/<region>/<stack name>       the id of the stack that bears the name now
//	kindTarget     <stack id>/<target id>                what a stack is, or is to be (sealed)
//	kindResource   <stack id>/<logical id>               a resource of a stack (sealed)
//	kindEvent      <stack id>/<descending time>          an event
//	kindChangeSet  <account>/<region>/<stack id>/<name>  a change set
//	KindOperation  <account>/<region>/<stack id>         what is being done to a stack
//	kindExport     <account>/<region>/<export name>      an exported output
//	kindImport     <account>/<region>/<export name>//<stack id>  that a stack imports it
//	kindCallback   <SHA-256 of the token>                what a provider or a wait condition's signal is to answer to (sealed)
const (
	kindStack     = "cloudformation/stack"
	kindName      = "cloudformation/name"
	kindTarget    = "cloudformation/target"
	kindResource  = "cloudformation/resource"
	kindEvent     = "cloudformation/event"
	kindChangeSet = "cloudformation/changeset"
	KindOperation = "cloudformation/operation"
	kindExport    = "cloudformation/export"
	kindImport    = "cloudformation/import"
	kindCallback  = "cloudformation/callback"
)

// deletedFor is how long a deleted stack can be described by its ARN.
const deletedFor = 90 * 24 * time.Hour

type tag struct{ Key, Value string }

// A stack is as DescribeStacks shows it; its resources have records of their own.
type stack struct {
	ID, Account, Region, Name string

	Status, Reason string
	Target         string `json:",omitempty"` // id: what it is; empty before its first success
	Tried          string `json:",omitempty"` // id: what it is becoming, or failed to become
	ChangeSet      string `json:",omitempty"` // ARN of the one that was executed last
	Operation      string `json:",omitempty"` // id of the one under way

	Created          time.Time
	Updated, Deleted time.Time `json:",omitzero"`

	Description           string      `json:",omitempty"`
	Parameters            []parameter `json:",omitempty"` // as they are shown
	Outputs               []output    `json:",omitempty"`
	Capabilities          []string    `json:",omitempty"`
	Tags                  []tag       `json:",omitempty"`
	RoleARN               string      `json:",omitempty"`
	DisableRollback       bool        `json:",omitempty"`
	TimeoutMinutes        int32       `json:",omitempty"`
	TerminationProtection bool        `json:",omitempty"`
	RetainExceptOnCreate  bool        `json:",omitempty"`
	Parent, Root          string      `json:",omitempty"` // ARNs, of a nested stack
}

// A parameter is one as it is shown: that of a NoEcho parameter is masked.
type parameter struct {
	Key, Value string
	Resolved   string `json:",omitempty"`
}

type output struct {
	Key, Value, Description, Export string
}

// A target is what a stack is to be: a template with its arguments.
type target struct {
	ID           string
	Original     string            // the text as it was given
	Processed    map[string]any    // after transforms
	Transforms   []string          `json:",omitempty"`
	Given        map[string]string // parameter values as they were given
	Values       map[string]string // with defaults, for UsePreviousValue
	Arguments    map[string]string // values of the SSM parameters that were read, by name
	Tags         []tag             `json:",omitempty"`
	Capabilities []string          `json:",omitempty"`
	RoleARN      string            `json:",omitempty"`
}

// A state is a resource as it was made.
type state struct {
	Type          string
	PhysicalID    string
	Ref           string
	Attributes    map[string]any `json:",omitempty"`
	NoEcho        bool           `json:",omitempty"`
	Name          string         `json:",omitempty"` // generated, where the template gives none
	Properties    map[string]any // resolved but for dynamic references
	Metadata      any            `json:",omitempty"`
	Tags          map[string]string
	DependsOn     []string `json:",omitempty"`
	Deletion      string   `json:",omitempty"` // DeletionPolicy
	UpdateReplace string   `json:",omitempty"` // UpdateReplacePolicy
}

// What can be done to a resource.
const (
	doCreate  = "create"
	doReplace = "replace"
	doUpdate  = "update"
)

// A change is under way, was cut off, or failed.
type change struct {
	Operation  string
	Do         string
	Token      string
	To         state
	From       *state `json:",omitempty"` // what a change that failed may have made of resourceRecord.Now
	PhysicalID string `json:",omitempty"` // told by Initiated
}

// A resourceRecord is one logical resource. Now is what exists (no PhysicalID: nothing does). While an operation is not committed,
// Before is what was there before it changed the resource, and Fresh says that nothing was. Leftover is what to delete when it is cleaned up.
type resourceRecord struct {
	LogicalID      string
	Type           string
	Status, Reason string
	Updated        time.Time
	Now            state
	Before         *state  `json:",omitempty"`
	Fresh          bool    `json:",omitempty"`
	Change         *change `json:",omitempty"`
	Leftover       []state `json:",omitempty"`

	revision store.Revision
}

// Phases of an operation.
const (
	phaseApply    = "apply"
	phaseRollback = "rollback"
	phaseCleanup  = "cleanup"
	phaseDelete   = "delete"
)

// An operation is what is being done to a stack.
type operation struct {
	ID, Stack, Account, Region string
	Create                     bool // of a stack that was never complete
	Nested                     bool `json:",omitempty"` // begun by the stack's parent
	Phase                      string
	Target                     string `json:",omitempty"` // id: what the stack is to become
	Principal                  call.Principal
	ClientToken                string    `json:",omitempty"`
	DisableRollback            bool      `json:",omitempty"`
	DeleteOnFailure            bool      `json:",omitempty"`
	RetainExceptOnCreate       bool      `json:",omitempty"`
	Retain                     []string  `json:",omitempty"` // DeleteStack: logical ids to leave alone
	Force                      bool      `json:",omitempty"` // DeleteStack: what cannot be deleted is left
	Skip                       []string  `json:",omitempty"` // ContinueUpdateRollback
	RolledBack                 bool      `json:",omitempty"` // cleanup follows a rollback
	Cancel                     bool      `json:",omitempty"` // CancelUpdateStack; DeleteStack of a stack that is being created
	Deadline                   time.Time `json:",omitzero"`
}

type event struct {
	ID, Operation               string
	LogicalID, PhysicalID, Type string
	Status, Reason              string
	Detail                      string `json:",omitempty"`
	Properties                  string `json:",omitempty"` // JSON
	ClientToken                 string `json:",omitempty"`
	At                          time.Time
}

type changeSet struct {
	ID, Name       string
	Type           string // CREATE or UPDATE
	Stack          string // id
	Status, Reason string
	Execution      string
	Description    string `json:",omitempty"`
	Target         string `json:",omitempty"` // id
	Base           string `json:",omitempty"` // id of the stack's target that it was computed from
	Parameters     []parameter
	Changes        []resourceChange
	Created        time.Time
	OnFailure      string `json:",omitempty"`
	IncludeNested  bool   `json:",omitempty"`
	ClientToken    string `json:",omitempty"`
}

type export struct{ Stack, Name, Value string } // Stack: ARN

func (s *stack) key() string                        { return s.Account + "/" + s.Region + "/" + s.ID }
func (s *stack) nameKey() string                    { return s.Account + "/" + s.Region + "/" + s.Name }
func (o *operation) key() string                    { return o.Account + "/" + o.Region + "/" + o.Stack }
func targetKey(stack, id string) string             { return stack + "/" + id }
func resourceKey(stack, id string) string           { return stack + "/" + id }
func changeSetKey(s *stack, name string) string     { return s.key() + "/" + name }
func exportKey(account, region, name string) string { return account + "/" + region + "/" + name }
func importKey(account, region, name, stack string) string {
	return exportKey(account, region, name) + "//" + stack
}

func (s *stack) arn() string {
	return arn.New("cloudformation", s.Region, s.Account, "stack/"+s.Name+"/"+s.ID).String()
}

func (c *changeSet) arn(s *stack) string {
	return arn.New("cloudformation", s.Region, s.Account, "changeSet/"+c.Name+"/"+c.ID).String()
}

// current is the id of the target that the stack is shown with: what it is, or what it failed to become if it
// was left so. Empty for a stack in review.
func (k *stack) current() string {
	if k.Target == "" || k.Status == "UPDATE_FAILED" {
		return k.Tried
	}
	return k.Target
}

// deleted reports whether the stack can be reached by its ARN only.
func (s *stack) deleted() bool { return s.Status == "DELETE_COMPLETE" }

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("stacks: a record cannot be encoded: %v", err)) // trees come from JSON or YAML, the rest is ours
	}
	return b
}

// decodeJSON keeps numbers as they are spelt.
func decodeJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(v)
}

func decode[T any](r store.Record) (*T, error) {
	v := new(T)
	if err := decodeJSON(r.Value, v); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", r.Kind, r.Key, err)
	}
	return v, nil
}

func load[T any](ctx context.Context, s *Service, kind, key string) (*T, store.Revision, error) {
	r, err := s.Store.Get(ctx, kind, key)
	if err != nil {
		return nil, 0, err
	}
	v, err := decode[T](r)
	return v, r.Revision, err
}

// seal and unseal are encode and decode for records that may hold secrets.
func (s *Service) seal(v any, kind, key string) ([]byte, error) {
	s.rand.Lock()
	defer s.rand.Unlock()
	return s.Sealer.Seal(s.Rand, encode(v), kind+" "+key)
}

func unseal[T any](s *Service, r store.Record) (*T, error) {
	plain, err := s.Sealer.Open(r.Value, r.Kind+" "+r.Key)
	if err != nil {
		return nil, fmt.Errorf("open %s %s: %w", r.Kind, r.Key, err)
	}
	return decode[T](store.Record{Kind: r.Kind, Key: r.Key, Value: plain})
}

func (s *Service) target(ctx context.Context, stack, id string) (*target, error) {
	r, err := s.Store.Get(ctx, kindTarget, targetKey(stack, id))
	if err != nil {
		return nil, fmt.Errorf("read template %s of stack %s: %w", id, stack, err)
	}
	return unseal[target](s, r)
}

func (s *Service) putTarget(b *store.Batch, stack string, t *target) error {
	value, err := s.seal(t, kindTarget, targetKey(stack, t.ID))
	if err != nil {
		return err
	}
	b.Put(kindTarget, targetKey(stack, t.ID), value)
	return nil
}

// resources reads all records of a stack's resources.
func (s *Service) resources(ctx context.Context, stack string) (map[string]*resourceRecord, error) {
	list, err := s.Store.List(ctx, kindResource, stack+"/", "", 0)
	if err != nil {
		return nil, fmt.Errorf("list the resources of stack %s: %w", stack, err)
	}
	out := make(map[string]*resourceRecord, len(list))
	for _, r := range list {
		rec, err := unseal[resourceRecord](s, r)
		if err != nil {
			return nil, err
		}
		rec.revision = r.Revision
		out[rec.LogicalID] = rec
	}
	return out, nil
}

func (s *Service) putResource(b *store.Batch, stack string, rec *resourceRecord) error {
	value, err := s.seal(rec, kindResource, resourceKey(stack, rec.LogicalID))
	if err != nil {
		return err
	}
	b.Put(kindResource, resourceKey(stack, rec.LogicalID), value)
	return nil
}

// putEvent adds an event of the stack to a batch.
func (s *Service) putEvent(b *store.Batch, stack string, e event) error {
	key, at := s.tick()
	id, err := s.newID()
	if err != nil {
		return err
	}
	e.At = at
	e.ID = id
	if e.LogicalID != "" && e.Type != typeStack {
		e.ID = e.LogicalID + "-" + e.Status + "-" + at.Format("2006-01-02T15:04:05.000Z")
	}
	b.Create(kindEvent, stack+"/"+key, encode(e))
	return nil
}

// find reads a stack by its name or ARN, in the caller's account and Region.
// With deleted, an ARN finds a stack that was deleted as well.
func (s *Service) find(ctx context.Context, name string, deleted bool) (*stack, store.Revision, error) {
	c := call.From(ctx)
	id, label := "", name
	if strings.HasPrefix(name, "arn:") {
		a, err := arn.Parse(name)
		parts := strings.Split(a.Resource, "/")
		if err != nil || a.Service != "cloudformation" || len(parts) != 3 || parts[0] != "stack" {
			return nil, 0, invalid("%q is not the ARN of a stack", name)
		}
		if a.Account != c.Account || a.Region != c.Region {
			return nil, 0, noStack(name)
		}
		id = parts[2]
	} else {
		r, err := s.Store.Get(ctx, kindName, c.Account+"/"+c.Region+"/"+name)
		if errors.Is(err, store.ErrNotFound) {
			return nil, 0, noStack(name)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("find stack %s: %w", name, err)
		}
		id = string(r.Value)
	}
	k, revision, err := load[stack](ctx, s, kindStack, c.Account+"/"+c.Region+"/"+id)
	if errors.Is(err, store.ErrNotFound) || err == nil && k.deleted() && !deleted {
		return nil, 0, noStack(label)
	}
	return k, revision, err
}

// attempts bounds how often an edit starts again because somebody else wrote first.
const attempts = 16

// edit changes a stack: change works on a copy and may add writes of its own to the batch.
func (s *Service) edit(ctx context.Context, key string, change func(k *stack, b *store.Batch) error) (*stack, error) {
	for range attempts {
		k, revision, err := load[stack](ctx, s, kindStack, key)
		if err != nil {
			return nil, fmt.Errorf("read stack %s: %w", key, err)
		}
		b := new(store.Batch)
		if err := change(k, b); err != nil {
			return nil, err
		}
		if k.deleted() {
			b.ReplaceUntil(kindStack, key, encode(k), revision, k.Deleted.Add(deletedFor))
		} else {
			b.Replace(kindStack, key, encode(k), revision)
		}
		_, err = s.Store.Commit(ctx, b)
		if err == nil {
			return k, nil
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("write stack %s: %w", k.Name, err)
		}
	}
	return nil, invalid("The stack is being changed by others; try again")
}
