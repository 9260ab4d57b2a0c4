package logs

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"countersign/arn"
	"countersign/store"
)

// Kinds of records. Ids are random, so that nothing of a group or stream that was
// deleted can be taken for one of the same name that was made later.
//
//	kindGroup    <account>/<region>/<name>
//	kindStream   <group id>/<name>
//	kindChunk    <group id>/<time of the first event, Unix milliseconds in 15 digits>/<stream id>/<number in 10 digits>
//	KindGarbage  <group id>   empty; a group that is gone, whose streams and chunks are to go
const (
	KindGroup   = "logs/group"
	kindStream  = "logs/stream"
	kindChunk   = "logs/chunk"
	KindGarbage = "logs/garbage"
)

// A group is what is kept of a log group. That of a function that nobody made has no
// record, no revision and no id.
type group struct {
	Account, Region, Name string
	ID                    string
	Created               time.Time
	Retention             int32             `json:",omitempty"` // days; 0: events stay
	KMSKey                string            `json:",omitempty"` // a label
	Class                 string            `json:",omitempty"` // a label
	Tags                  map[string]string `json:",omitempty"`

	revision  store.Revision
	functions []functionLog
}

// A functionLog is what a function has logged to a group.
type functionLog struct {
	function string
	first    time.Time
	bytes    int64
}

// A stream is what is kept of a log stream that a client has made.
type stream struct {
	Name, ID    string
	Created     time.Time
	First, Last int64     `json:",omitzero"` // of its events, Unix milliseconds
	Ingested    time.Time `json:",omitzero"` // when events were put last; zero: never
	Bytes       int64     `json:",omitzero"`
	Chunks      uint64    `json:",omitzero"` // how many were made
	Open        string    `json:",omitzero"` // key of the one that events are added to

	revision store.Revision
}

// A chunk is a run of events of one stream, in the order of their times.
type chunk struct {
	Stream string // name
	Number uint64
	Events []stored
}

// A stored event has the times of its happening and of its arrival, in Unix milliseconds.
type stored struct {
	At       int64  `json:"t"`
	Ingested int64  `json:"i"`
	Message  string `json:"m"`
}

// eventOverhead is what an event counts beside its message, as on AWS.
const eventOverhead = 26

func (c *chunk) size() (n int) {
	for _, e := range c.Events {
		n += len(e.Message) + eventOverhead
	}
	return n
}

func (g *group) key() string { return g.Account + "/" + g.Region + "/" + g.Name }

func (g *group) arn() string {
	return arn.New("logs", g.Region, g.Account, "log-group:"+g.Name).String()
}

func (g *group) streamKey(name string) string { return g.ID + "/" + name }

func (g *group) streamARN(name string) string { return g.arn() + ":log-stream:" + name }

func (g *group) chunkKey(first int64, s *stream, number uint64) string {
	return fmt.Sprintf("%s%s/%010d", g.chunksFrom(first), s.ID, number)
}

// chunksFrom is how keys of chunks begin whose first event is at that time.
func (g *group) chunksFrom(first int64) string { return fmt.Sprintf("%s/%015d/", g.ID, first) }

// parseChunkKey gives the time of the first event and the stream's id.
func parseChunkKey(key string) (first int64, streamID string, err error) {
	parts := strings.Split(key, "/")
	if len(parts) == 4 {
		if _, err = fmt.Sscanf(parts[1], "%d", &first); err == nil {
			return first, parts[2], nil
		}
	}
	return 0, "", fmt.Errorf("the key %q of a %s record is damaged", key, kindChunk)
}

// cutoff is the time before which events have expired; 0 if they stay.
func (g *group) cutoff(now time.Time) int64 {
	if g.Retention == 0 {
		return 0
	}
	return now.UnixMilli() - int64(g.Retention)*24*time.Hour.Milliseconds()
}

func (s *Service) newID() (string, error) {
	var raw [8]byte
	if _, err := io.ReadFull(s.rand, raw[:]); err != nil {
		return "", fmt.Errorf("read randomness for an id: %w", err)
	}
	return hex.EncodeToString(raw[:]), nil
}

func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a record: %w", err)
	}
	return b, nil
}

func decode(r store.Record, v any) error {
	if err := json.Unmarshal(r.Value, v); err != nil {
		return fmt.Errorf("decode record %s %s: %w", r.Kind, r.Key, err)
	}
	return nil
}

// readStream gets a stream that a client has made; nil without error if there is none.
func (s *Service) readStream(ctx context.Context, g *group, name string) (*stream, error) {
	r, err := s.store.Get(ctx, kindStream, g.streamKey(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read log stream %s: %w", name, err)
	}
	st := &stream{revision: r.Revision}
	return st, decode(r, st)
}

// streams calls yield with every stream of a group that clients have made, by name.
func (s *Service) streams(ctx context.Context, g *group, prefix string, yield func(*stream)) error {
	const step = 500
	if g.ID == "" {
		return nil
	}
	for after := ""; ; {
		list, err := s.store.List(ctx, kindStream, g.streamKey(prefix), after, step)
		if err != nil {
			return err
		}
		for _, r := range list {
			after = r.Key
			st := &stream{revision: r.Revision}
			if err := decode(r, st); err != nil {
				return err
			}
			yield(st)
		}
		if len(list) < step {
			return nil
		}
	}
}

// chunks calls do with the chunks of a group, some at a time, that may hold events from
// from on and before to, by the time of their first event, until it fails.
func (s *Service) chunks(ctx context.Context, g *group, from, to int64, do func([]store.Record) error) error {
	const step = 32
	if g.ID == "" {
		return nil
	}
	after, end := g.chunksFrom(max(from-chunkSpan, 0)), g.chunksFrom(min(to, maxTime))
	for {
		list, err := s.store.List(ctx, kindChunk, g.ID+"/", after, step)
		if err != nil {
			return err
		}
		more := len(list) == step
		if beyond := slices.IndexFunc(list, func(r store.Record) bool { return r.Key >= end }); beyond >= 0 {
			list, more = list[:beyond], false
		}
		if len(list) > 0 {
			after = list[len(list)-1].Key
			if err := do(list); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// maxTime is the latest time that a key can have, in the year 33658.
const maxTime = 999_999_999_999_999
