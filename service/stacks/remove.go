package stacks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"countersign/store"
)

// remove deletes a stack with its resources.
func (x *execution) remove(ctx context.Context) error {
	if user, name, err := x.s.importerOf(ctx, x.stack); err != nil {
		return err
	} else if user != "" {
		return x.commit(ctx, func(k *stack, b *store.Batch) error {
			x.end(k, b)
			return x.status(k, b, "DELETE_FAILED", fmt.Sprintf("Export %s cannot be deleted as it is in use by %s", name, user))
		})
	}
	failed := x.deleteAll(ctx, func(rec *resourceRecord) bool {
		return rec.Now.Deletion == "Retain" || rec.Now.Deletion == "RetainExceptOnCreate" && !x.op.DeleteOnFailure || slices.Contains(x.op.Retain, rec.LogicalID)
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	if x.op.Force {
		clear(failed)
	}
	x.s.Settle(ctx)
	if len(failed) > 0 {
		return x.commit(ctx, func(k *stack, b *store.Batch) error {
			x.end(k, b)
			return x.status(k, b, "DELETE_FAILED", deleteReason(failed))
		})
	}
	return x.commit(ctx, func(k *stack, b *store.Batch) error {
		x.end(k, b)
		return x.s.bury(ctx, k, b, x.op)
	})
}

func deleteReason(failed map[string]error) string {
	maps.DeleteFunc(failed, func(_ string, err error) bool { return errors.Is(err, errSkipped) })
	return fmt.Sprintf("The following resource(s) failed to delete: [%s]. ", strings.Join(slices.Sorted(maps.Keys(failed)), ", "))
}

// deleteAll deletes every resource of the stack, those that need others first.
// Those that retain names stay in the world, and are no longer the stack's.
func (x *execution) deleteAll(ctx context.Context, retain func(*resourceRecord) bool) map[string]error {
	ids := slices.Sorted(maps.Keys(x.records))
	return walk(ctx, ids, reversed(ids, x.needs), false, func(ctx context.Context, id string) error {
		rec := x.records[id]
		if err := x.deleteLeftovers(ctx, rec, false); err != nil {
			return err
		}
		return x.deleteOne(ctx, rec, retain(rec))
	})
}

// needs is what a resource needed when it was made, or was being made, and what it replaced needed.
// After updates that failed that may lead round in a circle.
func (x *execution) needs(id string) []string {
	rec := x.records[id]
	out := slices.Clone(rec.Now.DependsOn)
	if rec.Change != nil {
		out = append(out, rec.Change.To.DependsOn...)
	}
	for _, was := range rec.Leftover {
		out = append(out, was.DependsOn...)
	}
	return out
}

// deleteOne deletes what a logical resource stands for now, half-made things included.
func (x *execution) deleteOne(ctx context.Context, rec *resourceRecord, retain bool) error {
	if rec.Status == "DELETE_COMPLETE" || rec.Status == "DELETE_SKIPPED" {
		return nil
	}
	targets := []state{rec.Now}
	left, err := x.leftBy(ctx, rec)
	if err != nil {
		return err
	}
	targets = append(targets, left...)
	exists := false
	for _, t := range targets {
		exists = exists || t.PhysicalID != ""
	}
	switch {
	case !exists:
		return x.gone(ctx, rec, nil) // it never was: no event tells of its end
	case retain:
		return x.gone(ctx, rec, x.event(rec, "DELETE_SKIPPED", ""))
	}
	if err := x.note(ctx, rec, "DELETE_IN_PROGRESS", ""); err != nil {
		return err
	}
	for _, t := range targets {
		if t.PhysicalID == "" {
			continue
		}
		if err := x.destroy(ctx, rec, t); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if e := x.note(ctx, rec, "DELETE_FAILED", x.reason(err)); e != nil {
				return e
			}
			return err
		}
	}
	return x.gone(ctx, rec, x.event(rec, "DELETE_COMPLETE", ""))
}

// destroy deletes one physical resource.
func (x *execution) destroy(ctx context.Context, rec *resourceRecord, was state) error {
	t, ok := x.s.lookUp(was.Type)
	if !ok {
		return words("Unrecognized resource types: [%s]", was.Type)
	}
	in := x.input(rec, was, x.known(ctx, t, was), x.token("delete", rec.LogicalID, was.PhysicalID))
	in.PhysicalID, in.Attributes = was.PhysicalID, was.Attributes
	return t.Delete(ctx, in)
}

// event makes an event of a resource with another status than it has.
func (x *execution) event(rec *resourceRecord, status, reason string) *event {
	next := *rec
	next.Status, next.Reason = status, reason
	id := rec.Now.PhysicalID
	if id == "" && rec.Change != nil {
		id = rec.Change.PhysicalID
	}
	e := x.resourceEvent(&next, id, "")
	return &e
}

// note records a resource's status, with an event.
func (x *execution) note(ctx context.Context, rec *resourceRecord, status, reason string) error {
	next := *rec
	next.Status, next.Reason, next.Updated = status, reason, x.s.Now().UTC()
	return x.record(ctx, rec, &next, *x.event(rec, status, reason))
}

// gone records that a logical resource stands for nothing any more.
func (x *execution) gone(ctx context.Context, rec *resourceRecord, e *event) error {
	next := *rec
	next.Status, next.Reason, next.Updated = "DELETE_COMPLETE", "", x.s.Now().UTC()
	next.Change = nil
	if e == nil {
		return x.record(ctx, rec, &next)
	}
	next.Status = e.Status
	return x.record(ctx, rec, &next, *e)
}

// deleteLeftovers deletes what replacements left behind, unless UpdateReplacePolicy keeps it. With
// forgive, what cannot be deleted is left in the world: an event tells.
func (x *execution) deleteLeftovers(ctx context.Context, rec *resourceRecord, forgive bool) error {
	for len(rec.Leftover) > 0 {
		was := rec.Leftover[0]
		status, reason := "DELETE_COMPLETE", ""
		switch {
		case was.UpdateReplace == "Retain":
			status = "DELETE_SKIPPED"
		default:
			begun := x.event(rec, "DELETE_IN_PROGRESS", "")
			begun.PhysicalID, begun.Type = was.PhysicalID, was.Type
			same := *rec
			if err := x.record(ctx, rec, &same, *begun); err != nil {
				return err
			}
			if err := x.destroy(ctx, rec, was); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if !forgive {
					return err
				}
				status, reason = "DELETE_FAILED", x.reason(err)
			}
		}
		e := x.event(rec, status, reason)
		e.PhysicalID, e.Type = was.PhysicalID, was.Type
		next := *rec
		next.Leftover = slices.Clone(rec.Leftover[1:])
		if err := x.record(ctx, rec, &next, *e); err != nil {
			return err
		}
	}
	return nil
}

// cleanUp deletes what an update replaced or removed, or what one that was rolled
// back had made. What cannot be deleted is left: the stack is complete all the same.
func (x *execution) cleanUp(ctx context.Context) error {
	if err := x.prepareTarget(ctx); err != nil {
		return err
	}
	keeps := map[string]bool{}
	if x.want != nil {
		for _, r := range x.want.bound.Resources() {
			keeps[r.ID] = true
		}
	}
	ids := slices.Sorted(maps.Keys(x.records))
	walk(ctx, ids, reversed(ids, x.needs), false, func(ctx context.Context, id string) error {
		rec := x.records[id]
		if err := x.deleteLeftovers(ctx, rec, true); err != nil {
			return err
		}
		if keeps[id] && !rec.Fresh {
			return nil
		}
		retain := rec.Now.Deletion == "Retain" && !(rec.Fresh && x.op.RetainExceptOnCreate) || rec.Now.Deletion == "RetainExceptOnCreate" && !rec.Fresh
		_ = x.deleteOne(ctx, rec, retain) // its event tells; what it needs goes all the same
		return ctx.Err()
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	x.s.Settle(ctx)
	return x.commit(ctx, func(k *stack, b *store.Batch) error {
		for _, id := range ids {
			rec := x.records[id]
			switch {
			case rec.Fresh || !keeps[id]:
				b.Delete(kindResource, resourceKey(k.ID, id))
			case rec.Before != nil || rec.Change != nil:
				next := *rec
				next.Before, next.Change = nil, nil
				if err := x.s.putResource(b, k.ID, &next); err != nil {
					return err
				}
			}
		}
		x.end(k, b)
		if x.op.RolledBack {
			if k.Tried != "" {
				b.Delete(kindTarget, targetKey(k.ID, k.Tried))
				k.Tried = ""
			}
			if x.want != nil {
				k.Parameters = x.want.shown
			}
			return x.status(k, b, "UPDATE_ROLLBACK_COMPLETE", "")
		}
		return x.status(k, b, "UPDATE_COMPLETE", "")
	})
}

// prepareTarget reads what the stack is now: after an update what it became, after a rollback what it was.
func (x *execution) prepareTarget(ctx context.Context) error {
	if x.stack.Target == "" {
		return nil
	}
	t, err := x.s.target(ctx, x.op.Stack, x.stack.Target)
	if err != nil {
		return err
	}
	x.want, err = x.s.bind(ctx, t, x.stack)
	return err
}

// bury makes a stack one that is deleted: only its ARN leads to it, for 90 days.
func (s *Service) bury(ctx context.Context, k *stack, b *store.Batch, op *operation) error {
	k.Deleted = s.Now().UTC()
	k.Status, k.Reason = "DELETE_COMPLETE", ""
	if err := s.stackEvent(b, k, op, ""); err != nil {
		return err
	}
	b.Delete(kindName, k.nameKey())
	for _, o := range k.Outputs {
		if o.Export != "" {
			b.Delete(kindExport, exportKey(k.Account, k.Region, o.Export))
		}
	}
	// Resources, change sets and imports go; events stay as long as the stack can be described.
	until := k.Deleted.Add(deletedFor)
	for _, kind := range []struct{ kind, prefix string }{{kindResource, k.ID + "/"}, {kindChangeSet, k.key() + "/"}} {
		list, err := s.Store.List(ctx, kind.kind, kind.prefix, "", 0)
		if err != nil {
			return err
		}
		for _, r := range list {
			b.Delete(kind.kind, r.Key)
		}
	}
	imports, err := s.importsOf(ctx, k)
	if err != nil {
		return err
	}
	for _, name := range imports {
		b.Delete(kindImport, importKey(k.Account, k.Region, name, k.ID))
	}
	targets, err := s.Store.List(ctx, kindTarget, k.ID+"/", "", 0)
	if err != nil {
		return err
	}
	for _, r := range targets {
		if r.Key != targetKey(k.ID, k.current()) {
			b.Delete(kindTarget, r.Key)
			continue
		}
		b.ReplaceUntil(kindTarget, r.Key, r.Value, r.Revision, until) // GetTemplate goes on answering
	}
	events, err := s.Store.List(ctx, kindEvent, k.ID+"/", "", 0)
	if err != nil {
		return err
	}
	for _, r := range events {
		b.ReplaceUntil(kindEvent, r.Key, r.Value, r.Revision, until)
	}
	return nil
}
