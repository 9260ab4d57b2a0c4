package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// Every operation of CloudWatch Logs that is built, and its most important refusals.
func TestLogs(t *testing.T) {
	t.Parallel()
	start(t).parts(map[string]func(*system){
		"clients":   logsOfClients,
		"functions": logsOfFunctions,
	})
}

func logsOfClients(s *system) {
	t, ctx := s.t, context.Background()
	group, stream := aws.String("/clients/app"), aws.String("one")
	must(s.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group, Tags: map[string]string{"a": "1"}}))(t)
	_, err := s.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
	var exists *logtypes.ResourceAlreadyExistsException
	if !errors.As(err, &exists) {
		t.Errorf("create again: %v", err)
	}
	must(s.logs.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(7)}))(t)
	groups := must(s.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: group}))(t).LogGroups
	if len(groups) != 1 || *groups[0].RetentionInDays != 7 || *groups[0].Arn != "arn:aws:logs:"+region+":"+account+":log-group:/clients/app:*" {
		t.Errorf("groups: %+v", groups)
	}
	must(s.logs.DeleteRetentionPolicy(ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: group}))(t)

	arn := groups[0].LogGroupArn
	must(s.logs.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"b": "2"}}))(t)
	must(s.logs.UntagResource(ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}}))(t)
	//lint:ignore SA1019 clients still call it
	must(s.logs.TagLogGroup(ctx, &cloudwatchlogs.TagLogGroupInput{LogGroupName: group, Tags: map[string]string{"c": "3", "d": "4"}}))(t)
	//lint:ignore SA1019 clients still call it
	must(s.logs.UntagLogGroup(ctx, &cloudwatchlogs.UntagLogGroupInput{LogGroupName: group, Tags: []string{"d"}}))(t)
	same(t, "tags", must(s.logs.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: arn}))(t).Tags, map[string]string{"b": "2", "c": "3"})
	//lint:ignore SA1019 likewise
	same(t, "tags", must(s.logs.ListTagsLogGroup(ctx, &cloudwatchlogs.ListTagsLogGroupInput{LogGroupName: group}))(t).Tags, map[string]string{"b": "2", "c": "3"})

	must(s.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}))(t)
	now := time.Now().UnixMilli()
	event := func(at int64, text string) logtypes.InputLogEvent {
		return logtypes.InputLogEvent{Timestamp: aws.Int64(now + at), Message: &text}
	}
	put := must(s.logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: []logtypes.InputLogEvent{
		event(0, "hello"), event(0, `{"level":"error","code":500}`), event(1, "bye"),
	}}))(t)
	if put.RejectedLogEventsInfo != nil || put.NextSequenceToken == nil {
		t.Errorf("put: %+v", put)
	}
	_, err = s.logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: aws.String("absent"), LogEvents: []logtypes.InputLogEvent{event(0, "x")}})
	wantCode(t, err, "ResourceNotFoundException")
	events := must(s.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, StartFromHead: aws.Bool(true)}))(t)
	if len(events.Events) != 3 || *events.Events[2].Message != "bye" || *events.Events[2].Timestamp != now+1 {
		t.Errorf("events: %+v", events.Events)
	}
	again := must(s.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupIdentifier: arn, LogStreamName: stream, NextToken: events.NextForwardToken}))(t)
	same(t, "the token at the end", *again.NextForwardToken, *events.NextForwardToken)
	found := must(s.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, FilterPattern: aws.String("{ $.code >= 500 }")}))(t).Events
	if len(found) != 1 || !strings.Contains(*found[0].Message, "error") {
		t.Errorf("found: %+v", found)
	}
	_, err = s.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, Limit: aws.Int32(10001)})
	wantCode(t, err, "InvalidParameterException")
	_, err = s.logs.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{StartTime: aws.Int64(0), EndTime: aws.Int64(1), QueryString: aws.String("fields @message")})
	wantCode(t, err, "NotImplementedException")

	must(s.logs.DeleteLogStream(ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: group, LogStreamName: stream}))(t)
	must(s.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group}))(t)
	_, err = s.logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group})
	var absent *logtypes.ResourceNotFoundException
	if !errors.As(err, &absent) || absent.ErrorMessage() != "The specified log group does not exist." {
		t.Errorf("a deleted group: %v", err)
	}
}

// What a function prints is read as its log, under the names that the function itself sees.
func logsOfFunctions(s *system) {
	t, ctx := s.t, context.Background()
	group := aws.String("/aws/lambda/logging")
	s.function("logging")
	_, err := s.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group})
	wantCode(t, err, "ResourceNotFoundException")
	before := s.clock.now().Add(-time.Second).UnixMilli()
	out := must(s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("logging"), Payload: []byte(`{}`)}))(t)
	if out.FunctionError != nil {
		t.Fatalf("the function failed: %s", out.Payload)
	}
	// The last line is written right after the answer.
	var events []logtypes.FilteredLogEvent
	for range 200 {
		events = must(s.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, StartTime: &before}))(t).Events
		if n := len(events); n > 0 && strings.HasPrefix(*events[n-1].Message, "REPORT RequestId: ") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	var begins []string
	for _, e := range events {
		begin, _, _ := strings.Cut(*e.Message, " ")
		begins = append(begins, begin)
	}
	same(t, "lines", strings.Join(begins, " "), "INIT_START START END REPORT")
	streams := must(s.logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, OrderBy: logtypes.OrderByLastEventTime, Descending: aws.Bool(true)}))(t).LogStreams
	if len(streams) != 1 || !strings.HasPrefix(*streams[0].LogStreamName, s.clock.now().UTC().Format("2006/01/02/")+"[$LATEST]") || len(*streams[0].LogStreamName) != len("2026/01/02/[$LATEST]")+32 {
		t.Fatalf("streams: %+v", streams)
	}
	got := must(s.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: streams[0].LogStreamName}))(t).Events
	same(t, "lines of the stream", len(got), len(events))
	if last := *got[len(got)-1].Message; !strings.HasSuffix(last, "\n") {
		t.Errorf("the last line %q has no end", last)
	}
	found := must(s.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, FilterPattern: aws.String(`"Version: $LATEST"`)}))(t).Events
	same(t, "found", len(found), 1)
	must(s.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group}))(t)
	_, err = s.logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group})
	wantCode(t, err, "ResourceNotFoundException")
}
