package logs

import (
	"context"
	"fmt"
	"time"

	"countersign/store"
)

// sweepPause is how long after a sweep the next one is due, where events expire.
const sweepPause = time.Hour

// Sweep removes what is left of deleted groups, and events that have expired. It is a job.
func (s *Service) Sweep(ctx context.Context) (next time.Time, err error) {
	garbage, err := s.store.List(ctx, KindGarbage, "", "", 0)
	if err != nil {
		return next, err
	}
	for _, r := range garbage {
		for _, kind := range []string{kindChunk, kindStream} {
			if err := s.removeAll(ctx, kind, r.Key+"/"); err != nil {
				return next, err
			}
		}
		if _, err := s.store.Commit(ctx, new(store.Batch).Delete(KindGarbage, r.Key)); err != nil {
			return next, err
		}
	}
	groups, err := s.store.List(ctx, KindGroup, "", "", 0)
	if err != nil {
		return next, err
	}
	for _, r := range groups {
		g := &group{revision: r.Revision}
		if err := decode(r, g); err != nil {
			return next, err
		}
		if g.Retention == 0 {
			continue
		}
		next = s.now().Add(sweepPause)
		if err := s.expire(ctx, g); err != nil {
			return next, fmt.Errorf("remove expired events of log group %s: %w", g.Name, err)
		}
	}
	return next, nil
}

// removeAll deletes all records of a kind whose keys begin with prefix.
func (s *Service) removeAll(ctx context.Context, kind, prefix string) error {
	const step = 100
	for {
		list, err := s.store.List(ctx, kind, prefix, "", step)
		if err != nil || len(list) == 0 {
			return err
		}
		b := new(store.Batch)
		for _, r := range list {
			b.Delete(kind, r.Key)
		}
		if _, err := s.store.Commit(ctx, b); err != nil {
			return err
		}
	}
}

// expire removes chunks of which all events have expired, and old logs of functions.
func (s *Service) expire(ctx context.Context, g *group) error {
	cutoff := g.cutoff(s.now())
	err := s.chunks(ctx, g, 0, cutoff, func(list []store.Record) error {
		for _, r := range list {
			c := new(chunk)
			if err := decode(r, c); err != nil {
				return err
			}
			if n := len(c.Events); n > 0 && c.Events[n-1].At >= cutoff {
				continue
			}
			if err := s.dropExpired(ctx, g, r, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	logs, err := s.functionLogs(ctx, g.Account, g.Region)
	if err != nil {
		return err
	}
	for _, l := range logs[g.Name] {
		if err := s.functions.DropLog(ctx, g.Account, g.Region, l.function, time.UnixMilli(cutoff)); err != nil {
			return err
		}
	}
	return nil
}

// dropExpired removes a chunk and what it counts in its stream. When somebody writes to the
// stream at the same time, the next sweep does it.
func (s *Service) dropExpired(ctx context.Context, g *group, r store.Record, c *chunk) error {
	turn := s.turn(g.key() + ":" + c.Stream)
	turn.Lock()
	defer turn.Unlock()
	b := new(store.Batch).DeleteIf(kindChunk, r.Key, r.Revision)
	st, err := s.readStream(ctx, g, c.Stream)
	if err != nil {
		return err
	}
	if st != nil {
		st.Bytes -= int64(c.size())
		record, err := encode(st)
		if err != nil {
			return err
		}
		b.Replace(kindStream, g.streamKey(st.Name), record, st.revision)
	}
	if _, err := s.store.Commit(ctx, b); err != nil && !overtaken(err) {
		return err
	}
	return nil
}
