package logs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// Limits of PutLogEvents, as on AWS.
const (
	maxBatch = 1 << 20 // bytes, with eventOverhead for each event
	tooNew   = 2 * time.Hour
	tooOld   = 14 * 24 * time.Hour
	maxSpan  = 24 * time.Hour
)

// chunkSize is how large a chunk grows: what a read takes apart at a time.
const chunkSize = 64 << 10

// PutLogEvents adds events to a stream. Those that are too old, too new or expired are left
// out, and told of. Sequence tokens are not looked at, as on AWS.
func (s *Service) PutLogEvents(ctx context.Context, in *cloudwatchlogs.PutLogEventsInput) (*cloudwatchlogs.PutLogEventsOutput, error) {
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	group, name := aws.ToString(in.LogGroupName), aws.ToString(in.LogStreamName)
	turn := s.turn(scope(ctx) + group + ":" + name)
	turn.Lock()
	defer turn.Unlock()
	for range attempts {
		g, err := s.readGroup(ctx, scope(ctx)+group)
		if err != nil {
			return nil, err
		}
		if g == nil {
			if _, err := s.find(ctx, group); err != nil {
				return nil, err
			}
			return nil, notFound("log stream") // a function's group, in which nobody has made streams
		}
		st, err := s.readStream(ctx, g, name)
		if err != nil {
			return nil, err
		}
		if st == nil {
			return nil, notFound("log stream")
		}
		events, rejected := s.admit(g, in.LogEvents)
		if n := len(events); n > 0 && events[n-1].At-events[0].At > maxSpan.Milliseconds() {
			return nil, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
		}
		if len(events) > 0 {
			if err := s.add(ctx, g, st, events); overtaken(err) {
				continue
			} else if err != nil {
				return nil, fmt.Errorf("write events of log stream %s: %w", name, err)
			}
		}
		return &cloudwatchlogs.PutLogEventsOutput{NextSequenceToken: aws.String(fmt.Sprintf("%056d", st.Chunks)), RejectedLogEventsInfo: rejected}, nil
	}
	return nil, busy("the log stream " + name)
}

func checkBatch(list []types.InputLogEvent) error {
	size := 0
	for i, e := range list {
		if i > 0 && *e.Timestamp < *list[i-1].Timestamp {
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		size += len(*e.Message) + eventOverhead
	}
	if size > maxBatch {
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, maxBatch)
	}
	return nil
}

// admit tells events that are kept from those that are not.
func (s *Service) admit(g *group, list []types.InputLogEvent) (events []stored, rejected *types.RejectedLogEventsInfo) {
	now := s.now()
	refuse := func() *types.RejectedLogEventsInfo {
		if rejected == nil {
			rejected = new(types.RejectedLogEventsInfo)
		}
		return rejected
	}
	for i, e := range list {
		index := int32(i)
		switch at := *e.Timestamp; {
		case at < now.Add(-tooOld).UnixMilli():
			refuse().TooOldLogEventEndIndex = aws.Int32(index + 1)
		case at < g.cutoff(now):
			refuse().ExpiredLogEventEndIndex = aws.Int32(index + 1)
		case at > now.Add(tooNew).UnixMilli():
			if refuse().TooNewLogEventStartIndex == nil {
				rejected.TooNewLogEventStartIndex = aws.Int32(index)
			}
		default:
			events = append(events, stored{at, now.UnixMilli(), *e.Message})
		}
	}
	return events, rejected
}

// add writes events into the stream's open chunk and as many new ones as they need.
func (s *Service) add(ctx context.Context, g *group, st *stream, events []stored) error {
	var c chunk
	if st.Open != "" {
		r, err := s.store.Get(ctx, kindChunk, st.Open)
		switch {
		case errors.Is(err, store.ErrNotFound): // it has expired
			st.Open = ""
		case err != nil:
			return err
		default:
			if err := decode(r, &c); err != nil {
				return err
			}
		}
	}
	b := new(store.Batch)
	flush := func() error {
		record, err := encode(&c)
		if err == nil {
			b.Put(kindChunk, st.Open, record)
		}
		return err
	}
	size, changed := c.size(), false
	for _, e := range events {
		n := len(e.Message) + eventOverhead
		if k := len(c.Events); st.Open == "" || size+n > chunkSize && k > 0 || k > 0 && (e.At < c.Events[k-1].At || e.At-c.Events[0].At >= chunkSpan) {
			if changed {
				if err := flush(); err != nil {
					return err
				}
			}
			st.Chunks++
			c, size = chunk{Stream: st.Name, Number: st.Chunks}, 0
			st.Open = g.chunkKey(e.At, st, st.Chunks)
		}
		c.Events, changed = append(c.Events, e), true
		size += n
		st.Bytes += int64(n)
		if st.Ingested.IsZero() || e.At < st.First {
			st.First = e.At
		}
		st.Last, st.Ingested = max(st.Last, e.At), time.UnixMilli(e.Ingested).UTC()
	}
	if err := flush(); err != nil {
		return err
	}
	record, err := encode(st)
	if err != nil {
		return err
	}
	// The group must still be there, or the events would belong to nothing.
	_, err = s.store.Commit(ctx, b.Check(KindGroup, g.key(), g.revision).Replace(kindStream, g.streamKey(st.Name), record, st.revision))
	return err
}
