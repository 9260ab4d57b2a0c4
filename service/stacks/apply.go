package stacks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"countersign/service/stacks/template"
	"countersign/store"
)

// apply creates and changes resources until the stack is what its new target
// says, and then commits that it is.
func (x *execution) apply(ctx context.Context) error {
	if err := x.prepare(ctx); err != nil {
		return x.applyFailed(ctx, nil, err)
	}
	bound := x.want.bound
	needs := bound.Dependencies()
	var ids []string
	for _, r := range bound.Resources() {
		ids = append(ids, r.ID)
		if x.records[r.ID] == nil {
			x.records[r.ID] = &resourceRecord{LogicalID: r.ID, Type: r.Type}
		}
	}
	slices.Sort(ids)
	failed := walk(ctx, ids, func(id string) []string { return needs[id] }, true, func(ctx context.Context, id string) error {
		if x.cancelled(ctx) {
			return errCancelled
		}
		return x.bring(ctx, id, needs[id])
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	for id, err := range failed {
		if errors.Is(err, errSkipped) {
			delete(failed, id)
		}
	}
	if len(failed) > 0 {
		return x.applyFailed(ctx, failed, nil)
	}
	outputs, err := bound.Outputs(ctx, lookup{x, ctx})
	if err != nil {
		return x.applyFailed(ctx, nil, err)
	}
	x.s.Settle(ctx) // whoever sees the stack complete can use it
	if err := x.accept(ctx, outputs); err != nil {
		var refused *exportError
		if errors.As(err, &refused) {
			return x.applyFailed(ctx, nil, err)
		}
		return err
	}
	return nil
}

// prepare reads what the stack is to become.
func (x *execution) prepare(ctx context.Context) error {
	t, err := x.s.target(ctx, x.op.Stack, x.op.Target)
	if err != nil {
		return err
	}
	x.want, err = x.s.bind(ctx, t, x.stack)
	return err
}

// bring makes one resource what the target says.
func (x *execution) bring(ctx context.Context, id string, needs []string) error {
	rec := x.records[id] // the map itself does not change while resources are worked on
	to, err := x.desired(ctx, id, needs)
	if err != nil {
		x.fail()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errors.Join(err, x.refused(ctx, rec, err))
	}
	do, reason, err := x.plan(rec, to)
	if err != nil {
		x.fail()
		return errors.Join(err, x.refused(ctx, rec, err))
	}
	c := rec.Change
	if do == "" && c != nil && c.Do == doUpdate {
		do = doUpdate // a change that failed may have done its work in part
	}
	if c != nil && !x.takesUp(c, do, to) {
		if err := x.giveUp(ctx, rec); err != nil {
			x.fail()
			return err
		}
	}
	if do == "" {
		return x.keep(ctx, rec, to)
	}
	var from *state
	if c != nil && c.Do == doUpdate && (do == doReplace || equal(rec.Now.Properties, to.Properties)) {
		from = &c.To
	}
	if err := x.begin(ctx, rec, do, to, from, reason); err != nil {
		return err
	}
	return x.do(ctx, rec)
}

// takesUp reports whether a change on record is the one that is to be made now, cut off by a restart. One that
// failed in an operation before is none: what it left is not gone on with.
func (x *execution) takesUp(c *change, do string, to state) bool {
	return c.Operation == x.op.ID && c.Do == do && c.To.Type == to.Type && equal(c.To.Properties, to.Properties)
}

// giveUp drops a change that failed before: what it left in the world is cleaned up when the operation is.
func (x *execution) giveUp(ctx context.Context, rec *resourceRecord) error {
	left, err := x.leftBy(ctx, rec)
	if err != nil {
		return err
	}
	next := *rec
	next.Change = nil
	next.Leftover = slices.Clone(rec.Leftover)
	for _, was := range left {
		was.UpdateReplace = ""
		next.Leftover = append(next.Leftover, was)
	}
	return x.record(ctx, rec, &next)
}

// desired is what the target says of a resource, with references to others resolved.
func (x *execution) desired(ctx context.Context, id string, needs []string) (state, error) {
	r := x.want.bound.Resource(id)
	properties, err := x.want.bound.Properties(ctx, id, lookup{x, ctx}, template.KeepDynamic)
	if err != nil {
		return state{}, err
	}
	metadata, err := x.want.bound.Metadata(ctx, id, lookup{x, ctx})
	if err != nil {
		return state{}, err
	}
	return state{
		Type: r.Type, Properties: properties, Metadata: metadataOf(metadata), Tags: x.tags(id), DependsOn: needs,
		Deletion: policyOf(r.DeletionPolicy), UpdateReplace: policyOf(r.UpdateReplacePolicy),
	}, nil
}

// metadataOf is nil where there is none, whatever kind of nothing.
func metadataOf(m map[string]any) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

// policyOf leaves out what is the default.
func policyOf(p string) string {
	if p == "Delete" {
		return ""
	}
	return p
}

// shownOutput is an output as the stack has it. What is not known yet is empty.
func shownOutput(o template.OutputValue) output {
	text, _ := template.Text(o.Value)
	return output{Key: o.Name, Value: text, Description: o.Description, Export: o.Export}
}

// tags are what the stack adds to a resource's own.
func (x *execution) tags(id string) map[string]string {
	return stackTags(x.stack, x.want.target.Tags, id)
}

func stackTags(k *stack, given []tag, id string) map[string]string {
	out := map[string]string{
		"aws:cloudformation:stack-name": k.Name, "aws:cloudformation:stack-id": k.arn(), "aws:cloudformation:logical-id": id,
	}
	for _, t := range given {
		out[t.Key] = t.Value
	}
	return out
}

// plan decides what is to be done to a resource: nothing, or one of doCreate, doUpdate and doReplace.
func (x *execution) plan(rec *resourceRecord, to state) (do, reason string, err error) {
	now := rec.Now
	if now.PhysicalID == "" {
		return doCreate, "", nil
	}
	t, ok := x.s.lookUp(to.Type)
	if !ok {
		return "", "", words("Unrecognized resource types: [%s]", to.Type)
	}
	changed := changedProperties(now.Properties, to.Properties)
	retagged := t.Tags != "" && !maps.Equal(now.Tags, to.Tags)
	switch {
	case now.Type == to.Type && len(changed) == 0 && !retagged:
		return "", "", nil
	case now.Type == to.Type && !slices.ContainsFunc(changed, t.Replaces) && t.Updates:
		return doUpdate, "", nil
	case now.Type == to.Type && len(changed) == 0: // other tags alone replace nothing
		return "", "", nil
	}
	if t.Naming != nil && now.Type == to.Type {
		if name, given := to.Properties[t.Naming.Property]; given && equal(name, now.Properties[t.Naming.Property]) {
			return "", "", words("CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename %s and update the stack again.", now.PhysicalID)
		}
	}
	return doReplace, "Requested update requires the creation of a new physical resource; hence creating one.", nil
}

// changedProperties are the names of properties that differ, in order.
func changedProperties(a, b map[string]any) []string {
	var out []string
	for name, v := range b {
		if old, had := a[name]; !had || !equal(old, v) {
			out = append(out, name)
		}
	}
	for name := range a {
		if _, has := b[name]; !has {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func equal(a, b any) bool { return template.Equal(a, b) }

// keep notes what a resource that stays as it is takes over from the target:
// what it needs, what becomes of it, its metadata. No event tells of it.
func (x *execution) keep(ctx context.Context, rec *resourceRecord, to state) error {
	now := rec.Now
	now.Metadata, now.DependsOn, now.Deletion, now.UpdateReplace = to.Metadata, to.DependsOn, to.Deletion, to.UpdateReplace
	if string(encode(now)) == string(encode(rec.Now)) {
		return nil
	}
	next := *rec
	if next.Before == nil && !next.Fresh {
		before := rec.Now
		next.Before = &before
	}
	next.Now = now
	return x.record(ctx, rec, &next)
}

// cancelled reports whether CancelUpdateStack asked the operation to stop, or its time is over.
func (x *execution) cancelled(ctx context.Context) bool {
	if x.overdue() != nil {
		return true
	}
	op, _, err := load[operation](ctx, x.s, KindOperation, x.op.key())
	x.mu.Lock()
	defer x.mu.Unlock()
	if err == nil && op.Cancel {
		x.op.Cancel = true
		x.fail()
	}
	return x.op.Cancel
}

// applyFailed ends the phase: with a rollback, or with a stack that is left as it is.
func (x *execution) applyFailed(ctx context.Context, failed map[string]error, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	reason := x.failureReason(failed, cause)
	return x.commit(ctx, func(k *stack, b *store.Batch) error {
		switch {
		case x.op.DisableRollback && x.op.Create:
			x.end(k, b)
			return x.status(k, b, "CREATE_FAILED", reason)
		case x.op.DisableRollback && !x.op.Cancel:
			x.end(k, b)
			if x.want != nil {
				k.Parameters = x.want.shown
			}
			return x.status(k, b, "UPDATE_FAILED", reason)
		case x.op.Create && x.op.DeleteOnFailure:
			x.phase(b, phaseDelete)
			return x.status(k, b, "DELETE_IN_PROGRESS", reason+"Delete requested by user.")
		case x.op.Create:
			x.phase(b, phaseRollback)
			return x.status(k, b, "ROLLBACK_IN_PROGRESS", reason+"Rollback requested by user.")
		}
		x.phase(b, phaseRollback)
		return x.status(k, b, "UPDATE_ROLLBACK_IN_PROGRESS", reason)
	})
}

func (x *execution) failureReason(failed map[string]error, cause error) string {
	var created, updated []string
	for _, id := range slices.Sorted(maps.Keys(failed)) {
		if rec := x.records[id]; rec.Fresh || rec.Now.PhysicalID == "" {
			created = append(created, id)
		} else {
			updated = append(updated, id)
		}
	}
	var reason string
	if len(created) > 0 {
		reason += fmt.Sprintf("The following resource(s) failed to create: [%s]. ", strings.Join(created, ", "))
	}
	if len(updated) > 0 {
		reason += fmt.Sprintf("The following resource(s) failed to update: [%s]. ", strings.Join(updated, ", "))
	}
	switch {
	case x.op.Cancel:
		return "User requested cancellation of the update. "
	case x.overdue() != nil:
		return x.overdue().Error() + ". "
	case cause != nil:
		return message(cause) + ". "
	}
	return reason
}

// accept commits that the stack is what it was to become: target, outputs, exports
// and imports in one batch. From here on nothing is rolled back.
func (x *execution) accept(ctx context.Context, outputs []template.OutputValue) error {
	t := x.want.target
	var stale string
	err := x.commit(ctx, func(k *stack, b *store.Batch) error {
		if k.Target != "" && k.Target != t.ID {
			stale = k.Target
			b.Delete(kindTarget, targetKey(k.ID, stale))
		}
		k.Tried = ""
		k.Target, k.Description, k.Tags, k.Capabilities, k.RoleARN = t.ID, x.want.template.Description, t.Tags, t.Capabilities, t.RoleARN
		k.Parameters = x.want.shown
		k.Outputs = nil
		for _, o := range outputs {
			k.Outputs = append(k.Outputs, shownOutput(o))
		}
		if err := x.publishExports(ctx, k, b); err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(x.records)) {
			rec := x.records[id]
			if rec.Before == nil && !rec.Fresh {
				continue
			}
			next := *rec
			next.Before, next.Fresh = nil, false
			if err := x.s.putResource(b, k.ID, &next); err != nil {
				return err
			}
		}
		if x.op.Create {
			x.end(k, b)
			return x.status(k, b, "CREATE_COMPLETE", "")
		}
		x.phase(b, phaseCleanup)
		return x.status(k, b, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "")
	})
	return err
}
