package logs

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"countersign/store"
)

// An event is one line of a log. Events have an order: their time, their stream,
// and their number within the two.
type event struct {
	place
	ingested int64
	message  string
}

// A place is where an event stands in the order of a group.
type place struct {
	At     int64 // Unix milliseconds
	Stream string
	Number uint64
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.At, q.At), strings.Compare(p.Stream, q.Stream), cmp.Compare(p.Number, q.Number))
}

// perChunk is more than the events that a chunk has: numbers of stored events are those of their chunk
// times this, and their index.
const perChunk = 1 << 16

// chunkSpan is how long a time the events of a chunk may cover: who looks for events from a
// time on need not look at chunks that begin this long before.
const chunkSpan = int64(time.Hour / time.Millisecond)

// scan calls yield with the events of a group that happened from from on and before
// to, in their order, until it answers false. streamID, if not empty, restricts it to a
// stream that a client has made. wanted chooses among what functions have logged before
// it is gathered, as all of that is put in order at once; yield may get others from clients.
func (s *Service) scan(ctx context.Context, g *group, from, to int64, streamID string, wanted func(*event) bool, yield func(*event) bool) error {
	from = max(from, g.cutoff(s.now()), 0)
	var logged []event
	if streamID == "" {
		var err error
		if logged, err = s.logged(ctx, g, from, to, wanted); err != nil {
			return err
		}
	}
	more := true
	err := s.merged(ctx, g, from, to, streamID, func(e *event) bool {
		for more && len(logged) > 0 && logged[0].compare(e.place) < 0 {
			more = yield(&logged[0])
			logged = logged[1:]
		}
		more = more && yield(e)
		return more
	})
	if err != nil {
		return err
	}
	for i := range logged {
		if more = more && yield(&logged[i]); !more {
			break
		}
	}
	return nil
}

// logged are the wanted events that functions have logged to a group, in their order.
func (s *Service) logged(ctx context.Context, g *group, from, to int64, wanted func(*event) bool) ([]event, error) {
	var list []event
	for _, l := range g.functions {
		last := map[string]place{} // by stream
		err := s.functions.ReadLog(ctx, g.Account, g.Region, l.function, time.UnixMilli(from), time.UnixMilli(to), func(at time.Time, stream, text string) bool {
			p := place{at.UnixMilli(), stream, 1}
			if before := last[stream]; before.At == p.At {
				p.Number = before.Number + 1
			}
			last[stream] = p
			e := event{p, p.At, text + "\n"} // Lambda hands over lines with their ends
			if wanted(&e) {
				list = append(list, e)
			}
			return ctx.Err() == nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(list, func(a, b event) int { return a.compare(b.place) })
	return list, ctx.Err()
}

// merged calls yield with the stored events of a group in their order. Chunks come by
// the time of their first event and may overlap, so those that have begun are open together.
func (s *Service) merged(ctx context.Context, g *group, from, to int64, streamID string, yield func(*event) bool) error {
	var open cursors
	err := s.chunks(ctx, g, from, to, func(list []store.Record) error {
		for _, r := range list {
			first, id, err := parseChunkKey(r.Key)
			if err != nil {
				return err
			}
			if streamID != "" && id != streamID {
				continue
			}
			if !open.drain(first, from, to, yield) {
				return errEnough
			}
			c := new(chunk)
			if err := decode(r, c); err != nil {
				return err
			}
			if len(c.Events) > 0 {
				heap.Push(&open, &cursor{c, 0})
			}
		}
		return nil
	})
	if err == errEnough {
		return nil
	}
	if err != nil {
		return err
	}
	open.drain(to, from, to, yield)
	return nil
}

// errEnough ends a walk through chunks.
var errEnough = errors.New("enough events")

// A cursor is a chunk that is being read.
type cursor struct {
	*chunk
	next int
}

func (c *cursor) place() place {
	return place{c.Events[c.next].At, c.Stream, c.Number*perChunk + uint64(c.next)}
}

// cursors are open chunks, that with the earliest event first.
type cursors []*cursor

func (c cursors) Len() int           { return len(c) }
func (c cursors) Less(i, j int) bool { return c[i].place().compare(c[j].place()) < 0 }
func (c cursors) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)        { *c = append(*c, x.(*cursor)) }

func (c *cursors) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// drain gives out events that happened before until, but those outside of from and to. It
// reports whether more are wanted.
func (c *cursors) drain(until, from, to int64, yield func(*event) bool) bool {
	for len(*c) > 0 {
		first := (*c)[0]
		p := first.place()
		if p.At >= until {
			break
		}
		e := event{p, first.Events[first.next].Ingested, first.Events[first.next].Message}
		if first.next++; first.next == len(first.Events) {
			heap.Pop(c)
		} else {
			heap.Fix(c, 0)
		}
		if p.At >= from && p.At < to && !yield(&e) {
			return false
		}
	}
	return true
}
