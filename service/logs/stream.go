package logs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// CreateLogStream makes a stream for PutLogEvents. Functions make theirs by themselves.
func (s *Service) CreateLogStream(ctx context.Context, in *cloudwatchlogs.CreateLogStreamInput) (*cloudwatchlogs.CreateLogStreamOutput, error) {
	name := aws.ToString(in.LogStreamName)
	for range attempts {
		g, err := s.find(ctx, aws.ToString(in.LogGroupName))
		if err != nil {
			return nil, err
		}
		if g.ID == "" { // it has to be made before it can have streams
			if g, err = s.editGroup(ctx, g.Name, func(*group) error { return nil }); err != nil {
				return nil, err
			}
		}
		if of, err := s.functionStreams(ctx, g); err != nil {
			return nil, err
		} else if of[name] != nil {
			return nil, exists("log stream")
		}
		st := &stream{Name: name, Created: s.now().UTC()}
		if st.ID, err = s.newID(); err != nil {
			return nil, err
		}
		record, err := encode(st)
		if err != nil {
			return nil, err
		}
		_, err = s.store.Commit(ctx, new(store.Batch).Check(KindGroup, g.key(), g.revision).Create(kindStream, g.streamKey(name), record))
		switch {
		case err == nil:
			return &cloudwatchlogs.CreateLogStreamOutput{}, nil
		case errors.Is(err, store.ErrExists):
			return nil, exists("log stream")
		case !overtaken(err):
			return nil, fmt.Errorf("write log stream %s: %w", name, err)
		}
	}
	return nil, busy("the log stream " + name)
}

// functionStreams are the streams of functions in a group, by name.
func (s *Service) functionStreams(ctx context.Context, g *group) (map[string]*stream, error) {
	list := map[string]*stream{}
	_, err := s.logged(ctx, g, max(g.cutoff(s.now()), 0), math.MaxInt64, func(e *event) bool {
		st := list[e.Stream]
		if st == nil {
			st = &stream{Name: e.Stream, Created: time.UnixMilli(e.At), First: e.At}
			list[e.Stream] = st
		}
		st.First, st.Last = min(st.First, e.At), max(st.Last, e.At)
		st.Ingested = time.UnixMilli(st.Last)
		st.Bytes += int64(len(e.message))
		return false
	})
	return list, err
}

// DeleteLogStream deletes a stream that a client has made, with its events.
func (s *Service) DeleteLogStream(ctx context.Context, in *cloudwatchlogs.DeleteLogStreamInput) (*cloudwatchlogs.DeleteLogStreamOutput, error) {
	g, err := s.find(ctx, aws.ToString(in.LogGroupName))
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.LogStreamName)
	for range attempts {
		st, err := s.readStream(ctx, g, name)
		if err != nil {
			return nil, err
		}
		if st == nil {
			if of, err := s.functionStreams(ctx, g); err != nil {
				return nil, err
			} else if of[name] != nil {
				return nil, invalid("The log stream %s is a function's: it can only be deleted with its log group.", name)
			}
			return nil, notFound("log stream")
		}
		// The events go first: without the stream nothing would remember them.
		if err := s.dropChunks(ctx, g, st); err != nil {
			return nil, err
		}
		_, err = s.store.Commit(ctx, new(store.Batch).DeleteIf(kindStream, g.streamKey(name), st.revision))
		if err == nil {
			return &cloudwatchlogs.DeleteLogStreamOutput{}, nil
		}
		if !overtaken(err) {
			return nil, fmt.Errorf("delete log stream %s: %w", name, err)
		}
	}
	return nil, busy("the log stream " + name)
}

// dropChunks deletes the events of a stream.
func (s *Service) dropChunks(ctx context.Context, g *group, st *stream) error {
	return s.chunks(ctx, g, st.First, st.Last+1, func(list []store.Record) error {
		b := new(store.Batch)
		for _, r := range list {
			if _, id, err := parseChunkKey(r.Key); err != nil {
				return err
			} else if id == st.ID {
				b.Delete(kindChunk, r.Key)
			}
		}
		if len(b.Ops) == 0 {
			return nil
		}
		if _, err := s.store.Commit(ctx, b); err != nil {
			return fmt.Errorf("delete events of log stream %s: %w", st.Name, err)
		}
		return nil
	})
}

// DescribeLogStreams lists the streams of a group, by name or by the time of their last event.
func (s *Service) DescribeLogStreams(ctx context.Context, in *cloudwatchlogs.DescribeLogStreamsInput) (*cloudwatchlogs.DescribeLogStreamsOutput, error) {
	byTime, prefix := in.OrderBy == types.OrderByLastEventTime, aws.ToString(in.LogStreamNamePrefix)
	if byTime && prefix != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	after, ok := decodePage(in.NextToken)
	if !ok {
		return nil, invalidToken()
	}
	g, err := s.identified(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	of, err := s.functionStreams(ctx, g)
	if err != nil {
		return nil, err
	}
	var list []*stream
	for _, st := range of {
		if strings.HasPrefix(st.Name, prefix) {
			list = append(list, st)
		}
	}
	if err := s.streams(ctx, g, prefix, func(st *stream) { list = append(list, st) }); err != nil {
		return nil, err
	}
	key := func(st *stream) string {
		if byTime {
			return fmt.Sprintf("%015d %s", st.Last, st.Name)
		}
		return st.Name
	}
	direction := 1
	if aws.ToBool(in.Descending) {
		direction = -1
	}
	slices.SortFunc(list, func(a, b *stream) int { return direction * strings.Compare(key(a), key(b)) })
	if after != "" {
		list = slices.DeleteFunc(list, func(st *stream) bool { return direction*strings.Compare(key(st), after) <= 0 })
	}
	limit := 50
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &cloudwatchlogs.DescribeLogStreamsOutput{LogStreams: []types.LogStream{}}
	if len(list) > limit {
		list = list[:limit]
		out.NextToken = encodePage(key(list[limit-1]))
	}
	for _, st := range list {
		one := types.LogStream{LogStreamName: &st.Name, Arn: aws.String(g.streamARN(st.Name)), CreationTime: aws.Int64(st.Created.UnixMilli()), StoredBytes: &st.Bytes}
		if !st.Ingested.IsZero() {
			one.FirstEventTimestamp, one.LastEventTimestamp, one.LastIngestionTime = &st.First, &st.Last, aws.Int64(st.Ingested.UnixMilli())
		}
		out.LogStreams = append(out.LogStreams, one)
	}
	return out, nil
}
