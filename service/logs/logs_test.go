package logs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/call"
	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"
)

const (
	testAccount = "123456789012"
	testRegion  = "eu-central-1"
	groupPrefix = "arn:aws:logs:" + testRegion + ":" + testAccount + ":log-group:"
)

// A bench is a service on a real store, with functions whose logs the test writes and a
// clock that it moves.
type bench struct {
	*Service
	t     testing.TB
	ctx   context.Context
	store store.Store
	clock *storetest.Clock
	ran   *ran
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, clock: storetest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), ran: &ran{}}
	b.store = storetest.NewAt(t, b.clock.Now)
	b.ctx = call.With(t.Context(), call.Call{Account: testAccount, Region: testRegion})
	s, err := New(Config{Store: b.store, Functions: b.ran, Now: b.clock.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	b.Service = s
	return b
}

// ran is functions that have logged to their default groups.
type ran struct {
	mu    sync.Mutex
	lines []ranLine
}

type ranLine struct {
	function, stream, text string
	at                     time.Time
}

func (r *ran) log(at time.Time, function, stream, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, ranLine{function, stream, text, at})
}

func (r *ran) Logs(_ context.Context, account, region string, yield func(function, group string, first time.Time, bytes int64)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	for _, l := range r.lines {
		if account == testAccount && region == testRegion && !seen[l.function] {
			seen[l.function] = true
			yield(l.function, "/aws/lambda/"+l.function, l.at, 100)
		}
	}
	return nil
}

func (r *ran) ReadLog(_ context.Context, _, _, function string, from, to time.Time, yield func(at time.Time, stream, text string) bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		if l.function == function && !l.at.Before(from) && l.at.Before(to) && !yield(l.at, l.stream, l.text) {
			break
		}
	}
	return nil
}

func (r *ran) DropLog(_ context.Context, _, _, function string, before time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.lines, func(l ranLine) bool { return l.function == function && !l.at.Before(before) }) {
		return nil
	}
	r.lines = slices.DeleteFunc(r.lines, func(l ranLine) bool { return l.function == function })
	return nil
}

// do calls an operation that must succeed.
func do[I, O any](b *bench, operation func(context.Context, *I) (*O, error), in *I) *O {
	b.t.Helper()
	out, err := operation(b.ctx, in)
	if err != nil {
		b.t.Fatalf("%T: %v", in, err)
	}
	return out
}

// refused calls an operation that must fail with a code, and with a text in its message.
func refused[I, O any](b *bench, operation func(context.Context, *I) (*O, error), in *I, code, text string) {
	b.t.Helper()
	_, err := operation(b.ctx, in)
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != code || !strings.Contains(coded.ErrorMessage(), text) {
		b.t.Errorf("%T: got %v, want %s with %q", in, err, code, text)
	}
}

func (b *bench) stream(group string, names ...string) {
	b.t.Helper()
	if _, err := b.CreateLogGroup(b.ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}); err != nil && !errors.As(err, new(*types.ResourceAlreadyExistsException)) {
		b.t.Fatal(err)
	}
	for _, name := range names {
		do(b, b.CreateLogStream, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &name})
	}
}

// put puts messages that happened so long after the clock's time.
func (b *bench) put(group, stream string, at time.Duration, messages ...string) *cloudwatchlogs.PutLogEventsOutput {
	b.t.Helper()
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream}
	for _, m := range messages {
		in.LogEvents = append(in.LogEvents, types.InputLogEvent{Timestamp: aws.Int64(b.clock.Now().Add(at).UnixMilli()), Message: &m})
	}
	return do(b, b.PutLogEvents, in)
}

// all reads what FilterLogEvents finds, page by page, as messages; each event once.
func (b *bench) all(in *cloudwatchlogs.FilterLogEventsInput) []string {
	b.t.Helper()
	messages, ids := []string{}, map[string]bool{}
	for {
		out := do(b, b.FilterLogEvents, in)
		for _, e := range out.Events {
			if len(*e.EventId) != 56 || ids[*e.EventId] {
				b.t.Errorf("event id %s of %q", *e.EventId, *e.Message)
			}
			ids[*e.EventId] = true
			messages = append(messages, strings.TrimSuffix(*e.Message, "\n"))
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return messages
		}
	}
}

func TestLogGroups(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	name := aws.String("/app/one")
	do(b, b.CreateLogGroup, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: name, KmsKeyId: aws.String("arn:k"), Tags: map[string]string{"env": "testing1"}})
	refused(b, b.CreateLogGroup, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: name}, "ResourceAlreadyExistsException", "The specified log group already exists")
	refused(b, b.CreateLogGroup, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("AWS/x")}, "InvalidParameterException", "reserved")
	refused(b, b.CreateLogGroup, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("x"), LogGroupClass: "DELIVERY"}, "InvalidParameterException", "logGroupClass DELIVERY is not built")
	refused(b, b.CreateLogGroup, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("x"), DeletionProtectionEnabled: aws.Bool(true)}, "InvalidParameterException", "deletionProtectionEnabled is not built")
	refused(b, b.CreateLogGroup, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("x"), Tags: map[string]string{"aws:x": ""}}, "InvalidParameterException", "reserved")
	b.stream("/app/two", "s")
	b.put("/app/two", "s", 0, "12345")
	do(b, b.CreateLogGroup, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("other"), LogGroupClass: "INFREQUENT_ACCESS"})
	b.ran.log(b.clock.Now().Add(-time.Hour), "fn", "s", "x")

	list := func(in *cloudwatchlogs.DescribeLogGroupsInput) (names []string) {
		t.Helper()
		for {
			out := do(b, b.DescribeLogGroups, in)
			for _, g := range out.LogGroups {
				names = append(names, *g.LogGroupName)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return names
			}
		}
	}
	for want, in := range map[string]*cloudwatchlogs.DescribeLogGroupsInput{
		"/app/one /app/two /aws/lambda/fn other": {Limit: aws.Int32(1)},
		"/app/one /app/two":                      {LogGroupNamePrefix: aws.String("/app")},
		"/app/two other":                         {LogGroupNamePattern: aws.String("t"), LogGroupIdentifiers: []string{"other", groupPrefix + "/app/two:*", "/aws/lambda/fn"}},
		"other":                                  {LogGroupClass: "INFREQUENT_ACCESS"},
		"":                                       {LogGroupNamePattern: aws.String("App")},
	} {
		if got := strings.Join(list(in), " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	got := do(b, b.DescribeLogGroups, &cloudwatchlogs.DescribeLogGroupsInput{}).LogGroups
	if g := got[0]; *g.Arn != groupPrefix+"/app/one:*" || *g.LogGroupArn != groupPrefix+"/app/one" || *g.KmsKeyId != "arn:k" || *g.StoredBytes != 0 || g.LogGroupClass != "STANDARD" || g.RetentionInDays != nil || *g.CreationTime != b.clock.Now().UnixMilli() {
		t.Errorf("a group that was made: %+v", g)
	}
	if *got[1].StoredBytes != 5+eventOverhead || *got[2].StoredBytes != 100 || *got[2].CreationTime != b.clock.Now().Add(-time.Hour).UnixMilli() {
		t.Errorf("groups with events: %+v %+v", got[1], got[2])
	}
	refused(b, b.DescribeLogGroups, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: name, LogGroupNamePattern: name}, "InvalidParameterException", "mutually exclusive")
	refused(b, b.DescribeLogGroups, &cloudwatchlogs.DescribeLogGroupsInput{NextToken: aws.String("!")}, "InvalidParameterException", "The specified nextToken is invalid.")
	refused(b, b.DeleteLogGroup, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("absent")}, "ResourceNotFoundException", "The specified log group does not exist.")
}

func TestGroupTags(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ran.log(b.clock.Now(), "fn", "s", "x") // that group has to be made to have tags
	name, arn := aws.String("/aws/lambda/fn"), aws.String(groupPrefix+"/aws/lambda/fn")
	do(b, b.TagResource, &cloudwatchlogs.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "1", "b": "2"}})
	do(b, b.TagLogGroup, &cloudwatchlogs.TagLogGroupInput{LogGroupName: name, Tags: map[string]string{"b": "3", "c": "4", "d": ""}})
	do(b, b.UntagResource, &cloudwatchlogs.UntagResourceInput{ResourceArn: aws.String(*arn + ":*"), TagKeys: []string{"a", "absent"}})
	do(b, b.UntagLogGroup, &cloudwatchlogs.UntagLogGroupInput{LogGroupName: name, Tags: []string{"d"}})
	for _, got := range []map[string]string{
		do(b, b.ListTagsForResource, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: arn}).Tags, do(b, b.ListTagsLogGroup, &cloudwatchlogs.ListTagsLogGroupInput{LogGroupName: name}).Tags,
	} {
		if len(got) != 2 || got["b"] != "3" || got["c"] != "4" {
			t.Errorf("tags: %v", got)
		}
	}
	for text, code := range map[string]string{
		*name: "InvalidParameterException", "arn:aws:logs:x": "InvalidParameterException", "arn:aws:s3:::b": "InvalidParameterException", *arn + ":log-stream:x": "InvalidParameterException",
		strings.Replace(*arn, testRegion, "us-east-1", 1): "ResourceNotFoundException", groupPrefix + "absent": "ResourceNotFoundException",
	} {
		refused(b, b.ListTagsForResource, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &text}, code, "")
	}
	many := map[string]string{}
	for i := range 49 {
		many[fmt.Sprint(i)] = ""
	}
	refused(b, b.TagResource, &cloudwatchlogs.TagResourceInput{ResourceArn: arn, Tags: many}, "TooManyTagsException", "")
}

func TestLogStreams(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	group := aws.String("g")
	refused(b, b.CreateLogStream, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: group}, "ResourceNotFoundException", "The specified log group does not exist.")
	b.stream("g", "b/1", "a", "b/2")
	refused(b, b.CreateLogStream, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: aws.String("a")}, "ResourceAlreadyExistsException", "The specified log stream already exists")
	b.put("g", "b/2", -time.Minute, "x")
	b.put("g", "a", -time.Hour, "x")
	b.clock.Advance(time.Second)
	b.put("g", "a", -2*time.Hour, "y")
	list := func(in *cloudwatchlogs.DescribeLogStreamsInput) string {
		t.Helper()
		var names []string
		for {
			out := do(b, b.DescribeLogStreams, in)
			for _, s := range out.LogStreams {
				names = append(names, *s.LogStreamName)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return strings.Join(names, " ")
			}
		}
	}
	for _, limit := range []int32{1, 2, 50} {
		for want, in := range map[string]*cloudwatchlogs.DescribeLogStreamsInput{
			"a b/1 b/2": {LogGroupName: group}, "b/2 b/1 a": {LogGroupIdentifier: group, Descending: aws.Bool(true)}, "b/1 b/2": {LogGroupIdentifier: aws.String(groupPrefix + "g"), LogStreamNamePrefix: aws.String("b/")},
			"b/1 a b/2": {LogGroupName: group, OrderBy: "LastEventTime"}, "b/2 a b/1": {LogGroupName: group, OrderBy: "LastEventTime", Descending: aws.Bool(true)},
		} {
			in.Limit = &limit
			if got := list(in); got != want {
				t.Errorf("%d at a time: got %s, want %s", limit, got, want)
			}
		}
	}
	got := do(b, b.DescribeLogStreams, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group}).LogStreams
	now := b.clock.Now().UnixMilli()
	if s := got[0]; *s.Arn != groupPrefix+"g:log-stream:a" || *s.FirstEventTimestamp != now-7200_000 || *s.LastEventTimestamp != now-3601_000 || *s.LastIngestionTime != now || *s.CreationTime != now-1000 {
		t.Errorf("a stream with events: %+v", s)
	}
	if s := got[1]; s.FirstEventTimestamp != nil || s.LastIngestionTime != nil {
		t.Errorf("a stream without: %+v", s)
	}
	refused(b, b.DescribeLogStreams, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, LogGroupIdentifier: group}, "ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters.")
	refused(b, b.DescribeLogStreams, &cloudwatchlogs.DescribeLogStreamsInput{}, "InvalidParameterException", "logGroupName or logGroupIdentifier")
	refused(b, b.DescribeLogStreams, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, OrderBy: "LastEventTime", LogStreamNamePrefix: group}, "InvalidParameterException", "Cannot order by LastEventTime")

	do(b, b.DeleteLogStream, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: group, LogStreamName: aws.String("a")})
	refused(b, b.DeleteLogStream, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: group, LogStreamName: aws.String("a")}, "ResourceNotFoundException", "The specified log stream does not exist.")
	if got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: group}); !slices.Equal(got, []string{"x"}) {
		t.Errorf("left of two streams: %q", got)
	}
	do(b, b.CreateLogStream, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: aws.String("a")})
	if got := do(b, b.GetLogEvents, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: aws.String("a")}).Events; len(got) != 0 {
		t.Errorf("a new stream has events of a former one: %+v", got)
	}
}

func TestPutLogEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream("g", "s")
	now := b.clock.Now().UnixMilli()
	events := func(times ...int64) *cloudwatchlogs.PutLogEventsInput {
		in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s")}
		for _, at := range times {
			in.LogEvents = append(in.LogEvents, types.InputLogEvent{Timestamp: aws.Int64(now + at*1000), Message: aws.String(fmt.Sprint(at))})
		}
		return in
	}
	const day = 24 * 3600
	refused(b, b.PutLogEvents, events(1, 0), "InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order.")
	refused(b, b.PutLogEvents, events(-day-1, 0), "InvalidParameterException", "cannot span more than 24 hours")
	big := events(0)
	big.LogEvents[0].Message = aws.String(strings.Repeat("x", maxBatch-eventOverhead+1))
	refused(b, b.PutLogEvents, big, "InvalidParameterException", "Upload too large: 1048577 bytes exceeds limit of 1048576")
	absent := events(0)
	absent.LogStreamName = aws.String("absent")
	refused(b, b.PutLogEvents, absent, "ResourceNotFoundException", "The specified log stream does not exist.")
	absent.LogGroupName = aws.String("absent")
	refused(b, b.PutLogEvents, absent, "ResourceNotFoundException", "The specified log group does not exist.")
	if got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g")}); len(got) != 0 {
		t.Fatalf("refusals have left %q", got)
	}

	do(b, b.PutRetentionPolicy, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: aws.String("g"), RetentionInDays: aws.Int32(7)})
	out := do(b, b.PutLogEvents, events(-15*day, -14*day-1, -8*day, -1, 0, 1, 2*3600, 2*3600+1, day))
	r := out.RejectedLogEventsInfo
	if r == nil || *r.TooOldLogEventEndIndex != 2 || *r.ExpiredLogEventEndIndex != 3 || *r.TooNewLogEventStartIndex != 7 || len(*out.NextSequenceToken) != 56 {
		t.Errorf("rejected: %+v", out)
	}
	if got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g")}); !slices.Equal(got, []string{"-1", "0", "1", "7200"}) {
		t.Errorf("kept: %q", got)
	}
	if out := do(b, b.PutLogEvents, events(-15*day)); out.RejectedLogEventsInfo == nil || out.NextSequenceToken == nil {
		t.Errorf("all rejected: %+v", out)
	}
	big.LogEvents[0].Message = aws.String(strings.Repeat("x", maxBatch-eventOverhead))
	if out := do(b, b.PutLogEvents, big); out.RejectedLogEventsInfo != nil {
		t.Errorf("the largest: %+v", out.RejectedLogEventsInfo)
	}
}

// Events of many streams, put out of order and by many at once, come out in their order, each once,
// however the pages are cut, and by stream as well as over all.
func TestOrderAndPages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const streams, rounds = 3, 12
	b.stream("g", "s0", "s1", "s2")
	filler := strings.Repeat(".", 500)
	var want []string // as "<second> <stream> <order of putting within the two>"
	var wg sync.WaitGroup
	for i := range streams {
		var mine []string
		for round := range rounds {
			for k := range 10 {
				at := (round*7919+k)%5000 + k // seconds, over more than an hour
				mine = append(mine, fmt.Sprintf("%06d s%d %03d", at, i, round*10+k))
			}
		}
		want = append(want, mine...)
		wg.Go(func() {
			for round := range rounds {
				in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String(fmt.Sprintf("s%d", i))}
				for _, text := range mine[round*10 : round*10+10] {
					at := 0
					fmt.Sscanf(text, "%d", &at)
					in.LogEvents = append(in.LogEvents, types.InputLogEvent{Timestamp: aws.Int64(b.clock.Now().UnixMilli() + int64(at)*1000), Message: aws.String(text + filler)})
				}
				slices.SortStableFunc(in.LogEvents, func(a, b types.InputLogEvent) int { return int(*a.Timestamp - *b.Timestamp) })
				if _, err := b.PutLogEvents(b.ctx, in); err != nil {
					t.Errorf("PutLogEvents: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for i := range 200 {
		at := b.clock.Now().Add(time.Duration(i*30) * time.Second)
		b.ran.log(at, "fn", "x", fmt.Sprintf("%06d", i*30))
	}
	slices.Sort(want)
	for _, limit := range []int32{1, 7, 100, 10000} {
		got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g"), Limit: &limit})
		for i := range got {
			got[i] = strings.TrimSuffix(got[i], filler)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d at a time: %d events, want %d: %q", limit, len(got), len(want), got)
		}
	}
	part := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g"), StartTime: aws.Int64(b.clock.Now().UnixMilli() + 1000_000), EndTime: aws.Int64(b.clock.Now().UnixMilli() + 3000_000), LogStreamNamePrefix: aws.String("s1")})
	wantPart := slices.DeleteFunc(slices.Clone(want), func(s string) bool {
		return s < "001000" || s >= "003001" || !strings.Contains(s, " s1 ")
	})
	if len(part) != len(wantPart) || len(part) < 5 {
		t.Errorf("between two times: %d events, want %d", len(part), len(wantPart))
	}

	// One stream, in both directions.
	own := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return !strings.Contains(s, " s2 ") })
	for _, limit := range []int32{1, 7, 50, 10000} {
		for _, head := range []bool{true, false} {
			in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s2"), Limit: &limit, StartFromHead: &head}
			var got []string
			for range 1000 {
				out := do(b, b.GetLogEvents, in)
				var page []string
				for _, e := range out.Events {
					page = append(page, strings.TrimSuffix(*e.Message, filler))
				}
				next := out.NextForwardToken
				if head {
					got = append(got, page...)
				} else {
					got, next = append(page, got...), out.NextBackwardToken
				}
				if in.NextToken != nil && *next == *in.NextToken {
					if len(page) > 0 {
						t.Errorf("the token %s came back with events", *next)
					}
					break
				}
				in.NextToken = next
			}
			if !slices.Equal(got, own) {
				t.Errorf("%d at a time, from the head %v: %d events, want %d", limit, head, len(got), len(own))
			}
		}
	}
}

// Pages of events are followed while more come.
func TestFollowing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream("g", "s")
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s")}
	read := func() string {
		t.Helper()
		out := do(b, b.GetLogEvents, in)
		in.NextToken = out.NextForwardToken
		var texts []string
		for _, e := range out.Events {
			texts = append(texts, *e.Message)
		}
		return strings.Join(texts, " ")
	}
	if got := read(); got != "" {
		t.Errorf("an empty stream: %q", got)
	}
	b.put("g", "s", 0, "a", "b")
	if got := read(); got != "a b" {
		t.Errorf("first: %q", got)
	}
	if got := read(); got != "" {
		t.Errorf("nothing new: %q", got)
	}
	b.put("g", "s", 0, "c")
	b.put("g", "s", time.Second, "d")
	if got := read(); got != "c d" {
		t.Errorf("new ones: %q", got)
	}
	// From the end that it stands at, the page before is the last one again.
	read()
	out := do(b, b.GetLogEvents, &cloudwatchlogs.GetLogEventsInput{LogGroupName: in.LogGroupName, LogStreamName: in.LogStreamName, NextToken: in.NextToken})
	back := do(b, b.GetLogEvents, &cloudwatchlogs.GetLogEventsInput{LogGroupName: in.LogGroupName, LogStreamName: in.LogStreamName, NextToken: out.NextBackwardToken, Limit: aws.Int32(2)})
	if len(back.Events) != 2 || *back.Events[0].Message != "c" || *back.Events[1].Message != "d" {
		t.Errorf("backwards: %+v", back.Events)
	}
	for _, token := range []string{"", "x", "f/1/s", "g/" + strings.Repeat("0", 39) + "/s", "f/" + strings.Repeat("9", 39) + "/s"} {
		refused(b, b.GetLogEvents, &cloudwatchlogs.GetLogEventsInput{LogGroupName: in.LogGroupName, LogStreamName: in.LogStreamName, NextToken: &token}, "InvalidParameterException", "The specified nextToken is invalid.")
		refused(b, b.FilterLogEvents, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: in.LogGroupName, NextToken: aws.String(token + "!")}, "InvalidParameterException", "The specified nextToken is invalid.")
	}
	refused(b, b.GetLogEvents, &cloudwatchlogs.GetLogEventsInput{LogGroupName: in.LogGroupName, LogStreamName: aws.String("absent")}, "ResourceNotFoundException", "The specified log stream does not exist.")
	refused(b, b.GetLogEvents, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("absent"), LogStreamName: in.LogStreamName}, "ResourceNotFoundException", "The specified log group does not exist.")
	refused(b, b.FilterLogEvents, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: in.LogGroupName, LogStreamNames: []string{"s"}, LogStreamNamePrefix: aws.String("s")}, "InvalidParameterException", "mutually exclusive")
}

// A page that is full by size ends, and the next one goes on.
func TestPagesBySize(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream("g", "s")
	for i := range 6 {
		b.put("g", "s", time.Duration(i)*time.Second, fmt.Sprint(i)+strings.Repeat("x", 400<<10))
	}
	if got := do(b, b.FilterLogEvents, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g")}); len(got.Events) != 2 || got.NextToken == nil {
		t.Errorf("%d events on a page, more: %v", len(got.Events), got.NextToken != nil)
	}
	if got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g")}); len(got) != 6 {
		t.Errorf("%d events in all", len(got))
	}
	for head, first := range map[bool]string{true: "0", false: "4"} {
		got := do(b, b.GetLogEvents, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), StartFromHead: &head})
		if len(got.Events) != 2 || (*got.Events[0].Message)[:1] != first {
			t.Errorf("from the head %v: %d events", head, len(got.Events))
		}
	}
}

// A function's group is there once it has logged, with its streams and events.
func TestFunctionsGroup(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	group := aws.String("/aws/lambda/fn")
	refused(b, b.FilterLogEvents, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group}, "ResourceNotFoundException", "The specified log group does not exist.")
	at := b.clock.Now()
	b.ran.log(at, "fn", "2026/03/01/[$LATEST]a", "START")
	b.ran.log(at, "fn", "2026/03/01/[$LATEST]a", "")
	b.ran.log(at.Add(time.Second), "fn", "2026/03/01/[$LATEST]b", "START")
	b.ran.log(at.Add(time.Millisecond), "fn", "2026/03/01/[$LATEST]a", "END") // written late
	b.ran.log(at, "fn2", "s", "other")
	out := do(b, b.FilterLogEvents, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group})
	var got []string
	for _, e := range out.Events {
		got = append(got, *e.LogStreamName+" "+*e.Message)
	}
	if want := []string{"2026/03/01/[$LATEST]a START\n", "2026/03/01/[$LATEST]a \n", "2026/03/01/[$LATEST]a END\n", "2026/03/01/[$LATEST]b START\n"}; !slices.Equal(got, want) {
		t.Errorf("events: %q, want %q", got, want)
	}
	if got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, Limit: aws.Int32(1), FilterPattern: aws.String("START")}); len(got) != 2 {
		t.Errorf("by a pattern: %q", got)
	}
	if got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, Limit: aws.Int32(1), LogStreamNames: []string{"2026/03/01/[$LATEST]a"}}); len(got) != 3 {
		t.Errorf("of a stream: %q", got)
	}
	streams := do(b, b.DescribeLogStreams, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, OrderBy: "LastEventTime", Descending: aws.Bool(true)}).LogStreams
	if len(streams) != 2 || *streams[0].LogStreamName != "2026/03/01/[$LATEST]b" || *streams[1].FirstEventTimestamp != at.UnixMilli() || *streams[1].LastEventTimestamp != at.UnixMilli()+1 {
		t.Errorf("streams: %+v", streams)
	}
	stream := aws.String("2026/03/01/[$LATEST]a")
	one := do(b, b.GetLogEvents, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, Limit: aws.Int32(1)})
	if len(one.Events) != 1 || *one.Events[0].Message != "END\n" {
		t.Errorf("the last event: %+v", one.Events)
	}
	two := do(b, b.GetLogEvents, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, NextToken: one.NextBackwardToken})
	if len(two.Events) != 2 || *two.Events[1].Message != "\n" {
		t.Errorf("those before: %+v", two.Events)
	}
	refused(b, b.GetLogEvents, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: aws.String("absent")}, "ResourceNotFoundException", "log stream")
	refused(b, b.DeleteLogStream, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: group, LogStreamName: stream}, "InvalidParameterException", "is a function's")
	refused(b, b.CreateLogStream, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}, "ResourceAlreadyExistsException", "log stream")
	refused(b, b.PutLogEvents, &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream}, "ResourceNotFoundException", "log stream")
	refused(b, b.CreateLogGroup, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}, "ResourceAlreadyExistsException", "log group")

	// Clients may add streams of their own; events come together.
	do(b, b.CreateLogStream, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: aws.String("mine")})
	b.put(*group, "mine", time.Millisecond, "between")
	if got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, Limit: aws.Int32(2)}); !slices.Equal(got, []string{"START", "", "END", "between", "START"}) {
		t.Errorf("together: %q", got)
	}

	do(b, b.DeleteLogGroup, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group})
	refused(b, b.FilterLogEvents, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group}, "ResourceNotFoundException", "log group")
	b.ran.log(at, "fn", "c", "again")
	if got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: group}); !slices.Equal(got, []string{"again"}) {
		t.Errorf("after the group was deleted: %q", got)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream("g", "s")
	b.put("g", "s", 0, "old")
	b.ran.log(b.clock.Now(), "fn", "x", "old")
	b.clock.Advance(20 * time.Hour)
	b.put("g", "s", 0, "new")
	b.ran.log(b.clock.Now(), "fn", "x", "new")
	b.clock.Advance(8 * time.Hour)
	for _, group := range []string{"g", "/aws/lambda/fn"} {
		refused(b, b.PutRetentionPolicy, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &group, RetentionInDays: aws.Int32(2)}, "InvalidParameterException", "enum value set")
		do(b, b.PutRetentionPolicy, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &group, RetentionInDays: aws.Int32(1)})
		if got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group}); !slices.Equal(got, []string{"new"}) {
			t.Errorf("%s: %q", group, got)
		}
		if got := do(b, b.DescribeLogGroups, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &group}).LogGroups; *got[0].RetentionInDays != 1 {
			t.Errorf("%s: %+v", group, got)
		}
	}
	sweep := func() time.Time {
		t.Helper()
		next, err := b.Sweep(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	if next := sweep(); !next.Equal(b.clock.Now().Add(sweepPause)) {
		t.Errorf("the next sweep is due at %v", next)
	}
	count := func(kind string) int {
		t.Helper()
		list, err := b.store.List(b.ctx, kind, "", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if n := count(kindChunk); n != 1 {
		t.Errorf("%d chunks are left, want that of the new event", n)
	}
	if got := do(b, b.DescribeLogGroups, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("g")}).LogGroups; *got[0].StoredBytes != 3+eventOverhead {
		t.Errorf("%d bytes are stored", *got[0].StoredBytes)
	}
	if len(b.ran.lines) != 2 {
		t.Errorf("a function's log was dropped while some of it is new")
	}
	b.clock.Advance(20 * time.Hour)
	sweep()
	if n := count(kindChunk); n != 0 || len(b.ran.lines) != 0 {
		t.Errorf("%d chunks and %d lines of functions are left", n, len(b.ran.lines))
	}
	b.put("g", "s", 0, "newest") // the chunk that was open has gone
	do(b, b.DeleteRetentionPolicy, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: aws.String("g")})
	b.clock.Advance(100 * 24 * time.Hour)
	sweep()
	if got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g")}); !slices.Equal(got, []string{"newest"}) {
		t.Errorf("without a retention: %q", got)
	}

	// What a deleted group has left behind goes, and a new one of its name is empty.
	do(b, b.DeleteLogGroup, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("g")})
	b.stream("g", "s")
	if got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g")}); len(got) != 0 {
		t.Errorf("a new group has %q", got)
	}
	sweep()
	if chunks, streams, garbage := count(kindChunk), count(kindStream), count(KindGarbage); chunks != 0 || streams != 1 || garbage != 0 {
		t.Errorf("%d chunks, %d streams and %d deleted groups are left", chunks, streams, garbage)
	}
}

// Writers of one stream take turns; none fails and no event is lost.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream("g", "s")
	var wg sync.WaitGroup
	const writers, each = 20, 10
	for i := range writers {
		wg.Go(func() {
			for k := range each {
				in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), LogEvents: []types.InputLogEvent{{Timestamp: aws.Int64(b.clock.Now().UnixMilli()), Message: aws.String(fmt.Sprint(i*each + k))}}}
				if _, err := b.PutLogEvents(b.ctx, in); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := b.all(&cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g")})
	slices.Sort(got)
	if len(slices.Compact(got)) != writers*each {
		t.Errorf("%d events, want %d", len(slices.Compact(got)), writers*each)
	}
}
