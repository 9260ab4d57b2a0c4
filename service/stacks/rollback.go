package stacks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"countersign/service/stacks/resource"
	"countersign/store"
)

// rollBack undoes what an operation did. A stack that was being created loses
// everything; one that was being updated gets back what it had, and what was new goes in the clean-up.
func (x *execution) rollBack(ctx context.Context) error {
	if x.op.Create {
		return x.undoCreate(ctx)
	}
	ids := slices.Sorted(maps.Keys(x.records))
	needs := func(id string) []string {
		if rec := x.records[id]; rec.Before != nil {
			return rec.Before.DependsOn
		}
		return nil
	}
	failed := walk(ctx, ids, needs, false, func(ctx context.Context, id string) error { return x.restore(ctx, x.records[id]) })
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(failed) > 0 {
		return x.commit(ctx, func(k *stack, b *store.Batch) error {
			x.end(k, b)
			maps.DeleteFunc(failed, func(_ string, err error) bool { return errors.Is(err, errSkipped) })
			return x.status(k, b, "UPDATE_ROLLBACK_FAILED", fmt.Sprintf("The following resource(s) failed to update: [%s]. ", strings.Join(slices.Sorted(maps.Keys(failed)), ", ")))
		})
	}
	x.s.Settle(ctx)
	return x.commit(ctx, func(k *stack, b *store.Batch) error {
		x.op.RolledBack = true
		x.phase(b, phaseCleanup)
		return x.status(k, b, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "")
	})
}

// restore gives a resource back what it was before the operation.
func (x *execution) restore(ctx context.Context, rec *resourceRecord) error {
	before := rec.Before
	if before == nil {
		return nil // untouched, or new: the clean-up's matter
	}
	skip := slices.Contains(x.op.Skip, rec.LogicalID)
	new, err := x.leftBy(ctx, rec) // what goes: made in the place of what was
	if err != nil && !skip {
		return err
	}
	attempted := rec.Now
	old := slices.IndexFunc(rec.Leftover, before.is)
	if old >= 0 {
		// It had been replaced: the old one still exists.
		attempted = rec.Leftover[old]
		new = append(new, rec.Now)
	} else if c := rec.Change; c != nil && c.Do == doUpdate {
		// Nobody knows how far it came.
		for _, s := range []*state{&c.To, c.From} {
			if s != nil && needsRestoring(*s, *before) {
				attempted.Properties, attempted.Tags, attempted.Name = s.Properties, s.Tags, s.Name
				break
			}
		}
	}
	if skip || !needsRestoring(attempted, *before) {
		var e *event
		if len(new) > 0 || rec.Change != nil && rec.Change.Do == doReplace {
			e = x.event(rec, "UPDATE_COMPLETE", "")
		}
		return x.restored(ctx, rec, *before, new, e)
	}
	if err := x.note(ctx, rec, "UPDATE_IN_PROGRESS", ""); err != nil {
		return err
	}
	made, err := x.revert(ctx, rec, attempted, *before)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if e := x.note(ctx, rec, "UPDATE_FAILED", x.reason(err)); e != nil {
			return e
		}
		return err
	}
	if made.PhysicalID != before.PhysicalID {
		new = append(new, attempted) // another one answers for it from now on
	}
	return x.restored(ctx, rec, made, new, x.event(rec, "UPDATE_COMPLETE", ""))
}

// is reports whether both are the same thing in the world, if perhaps at different times.
func (s *state) is(other state) bool { return s.PhysicalID == other.PhysicalID && s.Type == other.Type }

// needsRestoring reports whether the resource itself was changed, not only what is kept of it.
func needsRestoring(now, before state) bool {
	return len(changedProperties(now.Properties, before.Properties)) > 0 || !maps.Equal(now.Tags, before.Tags)
}

// revert updates a resource from what was attempted to what it was.
func (x *execution) revert(ctx context.Context, rec *resourceRecord, attempted, before state) (state, error) {
	t, ok := x.s.lookUp(before.Type)
	if !ok || !t.Updates {
		return state{}, words("%s cannot be changed back", before.Type)
	}
	raw, err := x.raw(ctx, t, before)
	if err != nil {
		return state{}, err
	}
	in := x.input(rec, before, raw, x.token("revert", rec.LogicalID, before.PhysicalID))
	in.OldRaw = x.known(ctx, t, attempted)
	in.PhysicalID, in.Attributes, in.OldTags = before.PhysicalID, before.Attributes, attempted.Tags
	out, err := t.Update(ctx, in)
	if err != nil {
		return state{}, err
	}
	made := before
	made.PhysicalID, made.Attributes, made.NoEcho = out.PhysicalID, out.Attributes, out.NoEcho
	if made.Ref = out.Ref; made.Ref == "" {
		made.Ref = made.PhysicalID
	}
	return made, nil
}

// restored records that a resource is as it was. New is what a replacement had made.
func (x *execution) restored(ctx context.Context, rec *resourceRecord, was state, made []state, e *event) error {
	next := *rec
	next.Type, next.Now, next.Before, next.Change = was.Type, was, nil, nil
	next.Status, next.Reason, next.Updated = "UPDATE_COMPLETE", "", x.s.Now().UTC()
	next.Leftover = slices.Clone(rec.Leftover)
	if old := slices.IndexFunc(rec.Leftover, rec.Before.is); old >= 0 {
		next.Leftover = slices.Delete(next.Leftover, old, old+1) // the first: what replaced it later may go by the same name elsewhere
	}
	next.Leftover = append(next.Leftover, made...)
	for i := range next.Leftover {
		next.Leftover[i].UpdateReplace = "" // it keeps what an update replaces, not what a rollback does
	}
	if e == nil {
		return x.record(ctx, rec, &next)
	}
	e.PhysicalID = was.PhysicalID
	return x.record(ctx, rec, &next, *e)
}

// leftBy is what a creation that failed or was cut off has left in the world.
func (x *execution) leftBy(ctx context.Context, rec *resourceRecord) ([]state, error) {
	c := rec.Change
	if c == nil || c.Do == doUpdate {
		return nil, nil
	}
	made := c.To
	made.PhysicalID = c.PhysicalID
	if made.PhysicalID == "" {
		t, ok := x.s.lookUp(made.Type)
		if !ok {
			return nil, nil
		}
		var err error
		var property *resource.PropertyError
		made.PhysicalID, err = t.Find(ctx, x.input(rec, made, x.known(ctx, t, made), c.Token))
		switch {
		case errors.As(err, &property):
			return nil, nil // it never came to be called with these properties
		case err != nil:
			return nil, fmt.Errorf("look for what the creation of %s left: %w", rec.LogicalID, err)
		}
	}
	if made.PhysicalID == "" {
		return nil, nil
	}
	return []state{made}, nil
}

// undoCreate deletes all that a stack's creation has made.
func (x *execution) undoCreate(ctx context.Context) error {
	failed := x.deleteAll(ctx, func(rec *resourceRecord) bool {
		policy := rec.Now.Deletion
		return policy == "Retain" && !x.op.RetainExceptOnCreate
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	return x.commit(ctx, func(k *stack, b *store.Batch) error {
		x.end(k, b)
		if len(failed) > 0 {
			return x.status(k, b, "ROLLBACK_FAILED", deleteReason(failed))
		}
		return x.status(k, b, "ROLLBACK_COMPLETE", "")
	})
}
