package logs

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// Limits of a page of events, as on AWS.
const (
	maxEvents = 10_000
	maxPage   = 1 << 20 // bytes of messages, with eventOverhead for each event
)

// A cut is a point between the events of one stream: before or behind the one at that
// time and number.
type cut struct {
	at     int64
	number uint64
}

// token is a cut as a page token: "f/" gives the events behind it, "b/" those before it.
func (c cut) token(direction string) *string {
	return aws.String(fmt.Sprintf("%s/%019d%020d/s", direction, c.at, c.number))
}

// parseToken reads a token of GetLogEvents.
func parseToken(text string) (forward bool, c cut, err error) {
	direction, rest, ok := strings.Cut(text, "/")
	digits, end := strings.CutSuffix(rest, "/s")
	if !ok || !end || len(digits) != 39 || direction != "f" && direction != "b" {
		return false, c, invalidToken()
	}
	at, err := strconv.ParseUint(digits[:19], 10, 63)
	if err != nil {
		return false, c, invalidToken()
	}
	c.at = int64(at)
	if c.number, err = strconv.ParseUint(digits[19:], 10, 64); err != nil {
		return false, c, invalidToken()
	}
	return direction == "f", c, nil
}

func (c cut) compare(e *event) int { return place{c.at, e.Stream, c.number}.compare(e.place) }

// GetLogEvents reads a page of a stream: without a token the newest events, or the oldest with
// StartFromHead. The tokens of the answer lead on in both directions; at an end, the token
// that was given comes back.
func (s *Service) GetLogEvents(ctx context.Context, in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	from, to := aws.ToInt64(in.StartTime), int64(math.MaxInt64)
	if in.EndTime != nil {
		to = *in.EndTime
	}
	limit := maxEvents
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	forward, at := aws.ToBool(in.StartFromHead), cut{}
	if !forward {
		at = cut{math.MaxInt64, math.MaxUint64}
	}
	if in.NextToken != nil {
		var err error
		if forward, at, err = parseToken(*in.NextToken); err != nil {
			return nil, err
		}
	}
	g, err := s.identified(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.LogStreamName)
	st, err := s.readStream(ctx, g, name)
	if err != nil {
		return nil, err
	}
	var page []event
	if st != nil {
		page, err = s.storedPage(ctx, g, st, from, to, forward, at, limit)
	} else {
		page, err = s.loggedPage(ctx, g, name, from, to, forward, at, limit)
	}
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.GetLogEventsOutput{Events: []types.OutputLogEvent{}}
	for i := range page {
		e := &page[i]
		out.Events = append(out.Events, types.OutputLogEvent{Timestamp: &e.At, IngestionTime: &e.ingested, Message: &e.message})
	}
	out.NextForwardToken, out.NextBackwardToken = tokens(page, in.NextToken, forward, at, max(from, 0))
	return out, nil
}

// tokens lead on from a page in both directions. Where nothing was found, a token
// stays what it was, and the other one leads back to where it came from.
func tokens(page []event, given *string, forward bool, at cut, from int64) (next, previous *string) {
	if n := len(page); n > 0 {
		first, last := &page[0], &page[n-1]
		return cut{last.At, last.Number}.token("f"), cut{first.At, first.Number}.token("b")
	}
	switch {
	case given == nil: // what comes later stands behind from
		return cut{from, 0}.token("f"), cut{from, 0}.token("b")
	case forward:
		if at.number < math.MaxUint64 {
			at.number++
		}
		return given, at.token("b")
	}
	if at.number > 0 {
		at.number--
	}
	return at.token("f"), given
}

// A window gathers a page: the first events that it is given or, for pages that are
// read backwards, the last ones.
type window struct {
	limit   int
	forward bool
	events  []event
	size    int
	full    bool // an event was dropped, or not taken
}

// add reports whether more events are wanted.
func (w *window) add(e *event) bool {
	n := len(e.message) + eventOverhead
	if w.forward && (len(w.events) == w.limit || w.size+n > maxPage && len(w.events) > 0) {
		w.full = true
		return false
	}
	w.events = append(w.events, *e)
	w.size += n
	drop := 0
	for len(w.events)-drop > w.limit || w.size > maxPage && len(w.events)-drop > 1 {
		w.size -= len(w.events[drop].message) + eventOverhead
		drop++
		w.full = true
	}
	if w.events = w.events[drop:]; cap(w.events) > 4*w.limit && len(w.events) <= w.limit {
		w.events = slices.Clone(w.events)
	}
	return true
}

// storedPage reads a page of a stream that a client has made.
func (s *Service) storedPage(ctx context.Context, g *group, st *stream, from, to int64, forward bool, at cut, limit int) ([]event, error) {
	none := func(*event) bool { return false }
	if forward {
		w := window{limit: limit, forward: true}
		err := s.scan(ctx, g, max(from, at.at), to, st.ID, none, func(e *event) bool { return at.compare(e) >= 0 || w.add(e) })
		return w.events, err
	}
	if st.Ingested.IsZero() {
		return nil, nil
	}
	// Backwards there is no index: look into a time before the end that doubles until the page is full.
	end := min(to, st.Last+1)
	if at.at < end {
		end = at.at + 1
	}
	for span := time.Minute.Milliseconds(); ; span *= 2 {
		begin := max(from, end-span)
		w := window{limit: limit}
		err := s.scan(ctx, g, begin, end, st.ID, none, func(e *event) bool { return at.compare(e) <= 0 || w.add(e) })
		if err != nil || w.full || len(w.events) == limit || begin <= max(from, st.First) {
			return w.events, err
		}
	}
}

// loggedPage reads a page of a function's stream.
func (s *Service) loggedPage(ctx context.Context, g *group, name string, from, to int64, forward bool, at cut, limit int) ([]event, error) {
	known := false
	list, err := s.logged(ctx, g, max(g.cutoff(s.now()), 0), math.MaxInt64, func(e *event) bool {
		known = known || e.Stream == name
		return e.Stream == name && e.At >= from && e.At < to
	})
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, notFound("log stream")
	}
	w := window{limit: limit, forward: forward}
	for i := range list {
		if c := at.compare(&list[i]); forward && c >= 0 || !forward && c <= 0 {
			continue
		}
		if !w.add(&list[i]) {
			break
		}
	}
	return w.events, nil
}
