package logs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// searchSize bounds how much of messages one page of FilterLogEvents looks through. A page
// that ends there may be empty, and leads on.
const searchSize = 32 << 20

// FilterLogEvents reads a page of the events of a group that a pattern fits, over all of its
// streams or some, by time.
func (s *Service) FilterLogEvents(ctx context.Context, in *cloudwatchlogs.FilterLogEventsInput) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	prefix := aws.ToString(in.LogStreamNamePrefix)
	if prefix != "" && len(in.LogStreamNames) > 0 {
		return nil, invalid("logStreamNamePrefix and logStreamNames are mutually exclusive parameters.")
	}
	fits, err := parsePattern(aws.ToString(in.FilterPattern))
	if err != nil {
		return nil, err
	}
	from, to := aws.ToInt64(in.StartTime), int64(math.MaxInt64)
	if in.EndTime != nil && *in.EndTime < to {
		to = *in.EndTime + 1 // unlike GetLogEvents, this one takes its end in
	}
	after := place{At: -1}
	if in.NextToken != nil {
		if after, err = parsePlace(*in.NextToken); err != nil {
			return nil, err
		}
	}
	g, err := s.identified(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	limit := maxEvents
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	wanted := func(e *event) bool {
		return e.place.compare(after) > 0 && strings.HasPrefix(e.Stream, prefix) && (len(in.LogStreamNames) == 0 || slices.Contains(in.LogStreamNames, e.Stream)) && fits(e.message)
	}
	out := &cloudwatchlogs.FilterLogEventsOutput{Events: []types.FilteredLogEvent{}, SearchedLogStreams: []types.SearchedLogStream{}}
	size, searched, last := 0, 0, after
	err = s.scan(ctx, g, max(from, after.At), to, "", wanted, func(e *event) bool {
		n := len(e.message) + eventOverhead
		full := len(out.Events) == limit || size > 0 && size+n > maxPage
		match := wanted(e)
		if match && full || searched > searchSize {
			out.NextToken = last.token()
			return false
		}
		searched, last = searched+n, e.place
		if match {
			size += n
			out.Events = append(out.Events, types.FilteredLogEvent{
				EventId: aws.String(e.id()), LogStreamName: aws.String(e.Stream), Timestamp: aws.Int64(e.At), IngestionTime: aws.Int64(e.ingested), Message: aws.String(e.message),
			})
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// id names an event within its group: always the same, and no other's.
func (e *event) id() string {
	h := fnv.New64a()
	h.Write([]byte(e.Stream))
	return fmt.Sprintf("%016d%020d%020d", e.At, h.Sum64(), e.Number)
}

// token is a place as a page token: what stands behind it comes next.
func (p place) token() *string {
	text, _ := json.Marshal(p) // numbers and a text always can be
	return aws.String(base64.RawURLEncoding.EncodeToString(text))
}

func parsePlace(token string) (p place, err error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(text, &p) != nil || p.At < 0 {
		return p, invalidToken()
	}
	return p, nil
}
