package stacks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"countersign/arn"
	"countersign/service/stacks/resource"
	"countersign/service/stacks/template"
	"countersign/store"

	"github.com/aws/smithy-go"
	"github.com/google/uuid"
)

// This file does one thing to one resource: it writes down what is about to be
// done, does it, and writes down what came of it.

// begin records that to is about to be done to rec: of an update, coming from what from says, or else from what it is. A
// change that was cut off is taken up as it was recorded.
func (x *execution) begin(ctx context.Context, rec *resourceRecord, do string, to state, from *state, reason string) error {
	status := "CREATE_IN_PROGRESS"
	if do != doCreate {
		status = "UPDATE_IN_PROGRESS"
	}
	if c := rec.Change; c != nil {
		c.To.Tags, c.To.DependsOn = to.Tags, to.DependsOn
		return nil
	}
	token, err := x.s.newID()
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.begun[token] = true
	x.mu.Unlock()
	if to.Name = rec.Now.Name; do != doUpdate { // what is changed in place keeps the name that it was given
		if to.Name, err = x.nameFor(rec.LogicalID, to); err != nil {
			return err
		}
	}
	next := *rec
	next.Type, next.Status, next.Reason, next.Updated = to.Type, status, reason, x.s.Now().UTC()
	next.Change = &change{Operation: x.op.ID, Do: do, Token: token, To: to, From: from}
	switch {
	case do == doCreate:
		next.Fresh = true
	case next.Before == nil && !next.Fresh:
		before := rec.Now
		next.Before = &before
	}
	return x.record(ctx, rec, &next, x.resourceEvent(&next, rec.Now.PhysicalID, x.shown(to)))
}

// record commits next as the new form of rec, with events. A resource is one
// goroutine's at a time, which alone changes its record; others read it under the lock.
func (x *execution) record(ctx context.Context, rec, next *resourceRecord, events ...event) error {
	b := new(store.Batch)
	if err := x.s.putResource(b, x.op.Stack, next); err != nil {
		return err
	}
	for _, e := range events {
		if err := x.s.putEvent(b, x.op.Stack, e); err != nil {
			return err
		}
	}
	if _, err := x.s.Store.Commit(ctx, b); err != nil {
		return fmt.Errorf("record resource %s: %w", rec.LogicalID, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	*rec = *next
	return nil
}

func (x *execution) resourceEvent(rec *resourceRecord, physicalID, properties string) event {
	return event{
		Operation: x.op.ID, LogicalID: rec.LogicalID, PhysicalID: physicalID, Type: rec.Type, Status: rec.Status, Reason: rec.Reason,
		Properties: properties, ClientToken: x.op.ClientToken,
	}
}

// shown are a state's properties as an event shows them: dynamic references are
// not resolved in them, and values of NoEcho parameters are masked.
func (x *execution) shown(to state) string {
	if x.want == nil || len(x.want.secrets) == 0 {
		return string(encode(to.Properties))
	}
	return string(encode(masked(to.Properties, x.want.secrets)))
}

// masked hides secrets in the texts of a value.
func masked(v any, secrets []string) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = masked(e, secrets)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = masked(e, secrets)
		}
		return out
	}
	text, ok := template.Text(v)
	if !ok {
		return v
	}
	for _, s := range secrets {
		if text == s || len(s) >= 4 && strings.Contains(text, s) {
			return mask
		}
	}
	return v
}

// settled records what a change made.
func (x *execution) settled(ctx context.Context, rec *resourceRecord, made state, leftover *state) error {
	next := *rec
	c := rec.Change
	var events []event
	if c.Do == doCreate && c.PhysicalID == "" {
		next.Reason = "Resource creation Initiated"
		events = append(events, x.resourceEvent(&next, made.PhysicalID, x.shown(made)))
	}
	next.Status, next.Reason, next.Updated = "CREATE_COMPLETE", "", x.s.Now().UTC()
	if c.Do != doCreate {
		next.Status = "UPDATE_COMPLETE"
	}
	next.Now, next.Change = made, nil
	if leftover != nil {
		next.Leftover = append(append([]state{}, rec.Leftover...), *leftover)
	}
	events = append(events, x.resourceEvent(&next, made.PhysicalID, x.shown(made)))
	return x.record(ctx, rec, &next, events...)
}

// refused records that a change failed. What it may have begun stays in rec.Change, for the rollback.
func (x *execution) refused(ctx context.Context, rec *resourceRecord, cause error) error {
	next := *rec
	next.Status = "CREATE_FAILED"
	if rec.Change != nil && rec.Change.Do != doCreate || rec.Change == nil && rec.Now.PhysicalID != "" {
		next.Status = "UPDATE_FAILED"
	}
	next.Reason, next.Updated = x.reason(cause), x.s.Now().UTC()
	properties, physicalID := "", rec.Now.PhysicalID
	if rec.Change != nil {
		properties = x.shown(rec.Change.To)
		if rec.Change.PhysicalID != "" {
			physicalID = rec.Change.PhysicalID
		}
	}
	return x.record(ctx, rec, &next, x.resourceEvent(&next, physicalID, properties))
}

// reason words an error as CloudFormation does for the errors of operations.
func (x *execution) reason(err error) string {
	var property *resource.PropertyError
	var coded smithy.APIError
	switch {
	case errors.Is(err, errCancelled):
		return errCancelled.Error()
	case errors.As(err, &property):
		return property.Error()
	case errors.As(err, &coded):
		return fmt.Sprintf("Resource handler returned message: %q (RequestToken: %s, HandlerErrorCode: %s)", coded.ErrorMessage(), x.op.ID, resource.HandlerCode(err))
	}
	return err.Error()
}

// do carries out what begin recorded for rec, and records what came of it.
func (x *execution) do(ctx context.Context, rec *resourceRecord) error {
	made, leftover, err := x.perform(ctx, rec)
	if err != nil {
		x.fail()
		if ctx.Err() != nil {
			return ctx.Err() // the node is stopping; the change is taken up later
		}
		if e := x.refused(ctx, rec, err); e != nil {
			return e
		}
		return err
	}
	return x.settled(ctx, rec, made, leftover)
}

// perform calls the type. Leftover is what a replacement left behind.
func (x *execution) perform(ctx context.Context, rec *resourceRecord) (made state, leftover *state, err error) {
	c := rec.Change
	t, ok := x.s.lookUp(c.To.Type)
	if !ok {
		return state{}, nil, words("Unrecognized resource types: [%s]", c.To.Type)
	}
	raw, err := x.raw(ctx, t, c.To)
	if err != nil {
		return state{}, nil, err
	}
	in := x.input(rec, c.To, raw, c.Token)
	in.PhysicalID = c.PhysicalID
	in.Initiated = func(id string) error { return x.initiated(ctx, rec, id) }
	var out resource.Result
	if c.Do == doUpdate {
		from := rec.Now
		if c.From != nil {
			from = *c.From
		}
		in.PhysicalID, in.Attributes, in.OldTags = rec.Now.PhysicalID, rec.Now.Attributes, from.Tags
		in.OldRaw = x.known(ctx, t, from)
		out, err = t.Update(ctx, in)
	} else {
		if in.PhysicalID == "" && x.resumed(c) {
			if in.PhysicalID, err = t.Find(ctx, in); err != nil {
				return state{}, nil, err
			}
		}
		out, err = t.Create(ctx, in)
	}
	if err != nil {
		return state{}, nil, err
	}
	made = c.To
	made.PhysicalID, made.Ref, made.Attributes, made.NoEcho = out.PhysicalID, out.Ref, out.Attributes, out.NoEcho
	if made.Ref == "" {
		made.Ref = made.PhysicalID
	}
	if old := rec.Now; old.PhysicalID != "" && (c.Do == doReplace || old.PhysicalID != made.PhysicalID) {
		if c.From != nil { // a rollback must know that it was changed
			old.Properties, old.Tags = c.From.Properties, c.From.Tags
		}
		leftover = &old
	}
	return made, leftover, nil
}

// resumed reports whether the change was begun by another execution, of this node's or another's past.
func (x *execution) resumed(c *change) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.begun[c.Token]
}

// initiated records that a resource exists though it is not ready.
func (x *execution) initiated(ctx context.Context, rec *resourceRecord, id string) error {
	if rec.Change == nil || rec.Change.PhysicalID == id {
		return nil
	}
	next := *rec
	c := *rec.Change
	c.PhysicalID = id
	next.Change = &c
	next.Reason = "Resource creation Initiated"
	return x.record(ctx, rec, &next, x.resourceEvent(&next, id, x.shown(c.To)))
}

// input is what a type is told of a resource that is to be as to says, with its raw properties.
func (x *execution) input(rec *resourceRecord, to state, raw map[string]any, token string) *resource.Change[map[string]any] {
	return &resource.Change[map[string]any]{
		Stack: resource.Stack{
			ID: x.stack.arn(), Name: x.stack.Name, Account: x.op.Account, Region: x.op.Region, Partition: arn.Partition(x.op.Region),
		},
		LogicalID: rec.LogicalID, Type: to.Type, Raw: raw, Token: token, Tags: to.Tags, Now: x.s.Now, Pause: x.pause,
		Initiated: func(string) error { return nil },
	}
}

// named are a state's properties with the generated name.
func named(t resource.Type, to state) map[string]any {
	out := maps.Clone(to.Properties)
	if out == nil {
		out = map[string]any{}
	}
	if t.Naming != nil && to.Name != "" {
		if _, given := out[t.Naming.Property]; !given {
			out[t.Naming.Property] = to.Name
		}
	}
	return out
}

// raw are a state's properties as the type gets them: named, and with dynamic references resolved where they may be.
func (x *execution) raw(ctx context.Context, t resource.Type, to state) (map[string]any, error) {
	resolved, err := x.resolveDynamic(ctx, to.Type, named(t, to))
	if err != nil {
		return nil, err
	}
	return resolved.(map[string]any), nil
}

// known is raw for what exists, or may: a secret that is gone must not keep what was made with it.
func (x *execution) known(ctx context.Context, t resource.Type, was state) map[string]any {
	raw, err := x.raw(ctx, t, was)
	if err != nil {
		return named(t, was)
	}
	return raw
}

// token is that of a change that no record tells of: the same whenever this operation makes it.
func (x *execution) token(what, logicalID, physicalID string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(x.op.ID+"\x00"+what+"\x00"+logicalID+"\x00"+physicalID)).String()
}

// pause is Change.Pause: it ends early when something was written, and fails when the operation does.
func (x *execution) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-x.failing:
		return errCancelled
	default:
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-x.failing:
			cancel()
		case <-waiting.Done():
		}
	}()
	pause(waiting, x.s.Store, min(d, time.Second))
	if err := ctx.Err(); err != nil {
		return err
	}
	if x.op.Phase == phaseApply && x.cancelled(ctx) {
		return errCancelled
	}
	return nil
}

// overdue fails when the stack has had its time.
func (x *execution) overdue() error {
	if !x.op.Deadline.IsZero() && x.op.Phase == phaseApply && !x.s.Now().Before(x.op.Deadline) {
		return words("Stack creation time exceeded the specified timeout")
	}
	return nil
}

// nameFor makes the name of a resource whose template gives it none.
func (x *execution) nameFor(logicalID string, to state) (string, error) {
	t, ok := x.s.lookUp(to.Type)
	if !ok || t.Naming == nil {
		return "", nil
	}
	if _, given := to.Properties[t.Naming.Property]; given {
		return "", nil
	}
	random, err := x.s.random(12)
	if err != nil {
		return "", err
	}
	return t.Naming.Name(x.stack.Name, logicalID, random), nil
}
