package logs

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/arn"
	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// retentions are the days that a retention may have.
var retentions = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// readGroup gets the record of a group; nil without error if there is none.
func (s *Service) readGroup(ctx context.Context, key string) (*group, error) {
	r, err := s.store.Get(ctx, KindGroup, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read log group %s: %w", key, err)
	}
	g := &group{revision: r.Revision}
	return g, decode(r, g)
}

// functionLogs are what the functions of an account and Region have logged, by group.
func (s *Service) functionLogs(ctx context.Context, account, region string) (map[string][]functionLog, error) {
	byGroup := map[string][]functionLog{}
	if s.functions == nil {
		return byGroup, nil
	}
	return byGroup, s.functions.Logs(ctx, account, region, func(function, group string, first time.Time, bytes int64) {
		byGroup[group] = append(byGroup[group], functionLog{function, first, bytes})
	})
}

// implied is the group of functions that nobody has made.
func implied(ctx context.Context, name string, logs []functionLog) *group {
	c := call.From(ctx)
	g := &group{Account: c.Account, Region: c.Region, Name: name, functions: logs}
	for _, l := range logs {
		if g.Created.IsZero() || l.first.Before(g.Created) {
			g.Created = l.first
		}
	}
	return g
}

// lookUp finds a group, made or implied; nil without error if there is none.
func (s *Service) lookUp(ctx context.Context, name string) (*group, error) {
	g, err := s.readGroup(ctx, scope(ctx)+name)
	if err != nil {
		return nil, err
	}
	c := call.From(ctx)
	logs, err := s.functionLogs(ctx, c.Account, c.Region)
	if err != nil {
		return nil, err
	}
	if g == nil && len(logs[name]) > 0 {
		return implied(ctx, name, logs[name]), nil
	}
	if g != nil {
		g.functions = logs[name]
	}
	return g, nil
}

// find is lookUp for operations that need the group.
func (s *Service) find(ctx context.Context, name string) (*group, error) {
	g, err := s.lookUp(ctx, name)
	if err == nil && g == nil {
		return nil, notFound("log group")
	}
	return g, err
}

// identified is the group that a name or an identifier, which may be an ARN, means.
func (s *Service) identified(ctx context.Context, name, identifier *string) (*group, error) {
	switch {
	case name != nil && identifier != nil:
		return nil, exclusive()
	case name != nil:
		return s.find(ctx, *name)
	case identifier == nil:
		return nil, invalid("Pass logGroupName or logGroupIdentifier.")
	}
	plain, err := groupName(ctx, *identifier)
	if err != nil {
		return nil, err
	}
	return s.find(ctx, plain)
}

// groupName reads the name or ARN of a group. That of another account or Region leads nowhere.
func groupName(ctx context.Context, text string) (string, error) {
	if !strings.HasPrefix(text, "arn:") {
		return text, nil
	}
	c := call.From(ctx)
	a, err := arn.Parse(text)
	name, ok := strings.CutPrefix(a.Resource, "log-group:")
	name = strings.TrimSuffix(name, ":*")
	if err != nil || a.Service != "logs" || !ok || name == "" || strings.Contains(name, ":") {
		return "", invalid("%q is not the ARN of a log group", text)
	}
	if a.Account != c.Account || a.Region != c.Region || a.Partition != arn.Partition(c.Region) {
		return "", notFound("log group")
	}
	return name, nil
}

// editGroup changes a group; that of a function that nobody made is made. change is
// run again when somebody else wrote first.
func (s *Service) editGroup(ctx context.Context, name string, change func(g *group) error) (*group, error) {
	for range attempts {
		g, err := s.find(ctx, name)
		if err != nil {
			return nil, err
		}
		if g.ID == "" {
			if g.ID, err = s.newID(); err != nil {
				return nil, err
			}
		}
		if err := change(g); err != nil {
			return nil, err
		}
		record, err := encode(g)
		if err != nil {
			return nil, err
		}
		at, err := s.store.Commit(ctx, new(store.Batch).Replace(KindGroup, g.key(), record, g.revision))
		if err == nil {
			g.revision = at
			return g, nil
		}
		if !overtaken(err) {
			return nil, fmt.Errorf("write log group %s: %w", name, err)
		}
	}
	return nil, busy("the log group " + name)
}

// CreateLogGroup makes a group.
func (s *Service) CreateLogGroup(ctx context.Context, in *cloudwatchlogs.CreateLogGroupInput) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	c, name := call.From(ctx), aws.ToString(in.LogGroupName)
	switch {
	case strings.HasPrefix(strings.ToLower(name), "aws/"):
		return nil, invalid("Log groups starting with AWS/ are reserved for AWS.")
	case in.LogGroupClass == types.LogGroupClassDelivery:
		return nil, notBuilt("logGroupClass DELIVERY")
	case aws.ToBool(in.DeletionProtectionEnabled):
		return nil, notBuilt("deletionProtectionEnabled")
	}
	if err := checkTags(ctx, nil, in.Tags); err != nil {
		return nil, err
	}
	former, err := s.lookUp(ctx, name)
	if err != nil {
		return nil, err
	}
	if former != nil {
		return nil, exists("log group")
	}
	g := &group{Account: c.Account, Region: c.Region, Name: name, Created: s.now().UTC(), KMSKey: aws.ToString(in.KmsKeyId), Class: string(in.LogGroupClass), Tags: in.Tags}
	if g.ID, err = s.newID(); err != nil {
		return nil, err
	}
	record, err := encode(g)
	if err != nil {
		return nil, err
	}
	_, err = s.store.Commit(ctx, new(store.Batch).Create(KindGroup, g.key(), record))
	if errors.Is(err, store.ErrExists) {
		return nil, exists("log group")
	}
	if err != nil {
		return nil, fmt.Errorf("write log group %s: %w", name, err)
	}
	return &cloudwatchlogs.CreateLogGroupOutput{}, nil
}

// DeleteLogGroup deletes a group with all its events, also those that functions
// have logged. What is put or logged afterwards is of another group.
func (s *Service) DeleteLogGroup(ctx context.Context, in *cloudwatchlogs.DeleteLogGroupInput) (*cloudwatchlogs.DeleteLogGroupOutput, error) {
	name := aws.ToString(in.LogGroupName)
	for range attempts {
		g, err := s.find(ctx, name)
		if err != nil {
			return nil, err
		}
		// The logs of functions go first: without the record they would make up a group of their own.
		for _, l := range g.functions {
			if err := s.functions.DropLog(ctx, g.Account, g.Region, l.function, forever); err != nil {
				return nil, err
			}
		}
		if g.revision == 0 {
			return &cloudwatchlogs.DeleteLogGroupOutput{}, nil
		}
		_, err = s.store.Commit(ctx, new(store.Batch).DeleteIf(KindGroup, g.key(), g.revision).Put(KindGarbage, g.ID, nil))
		if err == nil {
			return &cloudwatchlogs.DeleteLogGroupOutput{}, nil
		}
		if !overtaken(err) {
			return nil, fmt.Errorf("delete log group %s: %w", name, err)
		}
	}
	return nil, busy("the log group " + name)
}

// forever is later than any event.
var forever = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)

// DescribeLogGroups lists groups by name: those that were made, and those of functions that have logged.
func (s *Service) DescribeLogGroups(ctx context.Context, in *cloudwatchlogs.DescribeLogGroupsInput) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	after, ok := decodePage(in.NextToken)
	if !ok {
		return nil, invalidToken()
	}
	names := map[string]bool{}
	for _, identifier := range in.LogGroupIdentifiers {
		name, err := groupName(ctx, identifier)
		if err != nil {
			return nil, err
		}
		names[name] = true
	}
	groups, err := s.groups(ctx)
	if err != nil {
		return nil, err
	}
	limit := 50
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: []types.LogGroup{}}
	for _, g := range groups {
		switch {
		case g.Name <= after,
			!strings.HasPrefix(g.Name, aws.ToString(in.LogGroupNamePrefix)),
			!strings.Contains(g.Name, aws.ToString(in.LogGroupNamePattern)),
			in.LogGroupClass != "" && in.LogGroupClass != g.class(),
			len(names) > 0 && !names[g.Name]:
			continue
		}
		if len(out.LogGroups) == limit {
			out.NextToken = encodePage(*out.LogGroups[limit-1].LogGroupName)
			break
		}
		one, err := s.described(ctx, g)
		if err != nil {
			return nil, err
		}
		out.LogGroups = append(out.LogGroups, one)
	}
	return out, nil
}

// groups are all of an account and Region, by name.
func (s *Service) groups(ctx context.Context) ([]*group, error) {
	c := call.From(ctx)
	logs, err := s.functionLogs(ctx, c.Account, c.Region)
	if err != nil {
		return nil, err
	}
	records, err := s.store.List(ctx, KindGroup, scope(ctx), "", 0)
	if err != nil {
		return nil, err
	}
	var groups []*group
	for _, r := range records {
		g := &group{revision: r.Revision}
		if err := decode(r, g); err != nil {
			return nil, err
		}
		g.functions = logs[g.Name]
		delete(logs, g.Name)
		groups = append(groups, g)
	}
	for name, list := range logs {
		groups = append(groups, implied(ctx, name, list))
	}
	slices.SortFunc(groups, func(a, b *group) int { return strings.Compare(a.Name, b.Name) })
	return groups, nil
}

func (g *group) class() types.LogGroupClass {
	if g.Class == "" {
		return types.LogGroupClassStandard
	}
	return types.LogGroupClass(g.Class)
}

func (s *Service) described(ctx context.Context, g *group) (types.LogGroup, error) {
	var bytes int64
	for _, l := range g.functions {
		bytes += l.bytes
	}
	if err := s.streams(ctx, g, "", func(st *stream) { bytes += st.Bytes }); err != nil {
		return types.LogGroup{}, err
	}
	out := types.LogGroup{
		LogGroupName: &g.Name, Arn: aws.String(g.arn() + ":*"), LogGroupArn: aws.String(g.arn()), CreationTime: aws.Int64(g.Created.UnixMilli()),
		LogGroupClass: g.class(), StoredBytes: &bytes, MetricFilterCount: aws.Int32(0), DeletionProtectionEnabled: aws.Bool(false),
	}
	if g.Retention > 0 {
		out.RetentionInDays = &g.Retention
	}
	if g.KMSKey != "" {
		out.KmsKeyId = &g.KMSKey
	}
	return out, nil
}

// PutRetentionPolicy sets how long events are kept. Those that are older are not
// shown from then on, and removed within hours.
func (s *Service) PutRetentionPolicy(ctx context.Context, in *cloudwatchlogs.PutRetentionPolicyInput) (*cloudwatchlogs.PutRetentionPolicyOutput, error) {
	days := aws.ToInt32(in.RetentionInDays)
	if !slices.Contains(retentions, days) {
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %s", days, strings.ReplaceAll(fmt.Sprint(retentions), " ", ", "))
	}
	_, err := s.editGroup(ctx, aws.ToString(in.LogGroupName), func(g *group) error { g.Retention = days; return nil })
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.PutRetentionPolicyOutput{}, nil
}

// DeleteRetentionPolicy has events stay.
func (s *Service) DeleteRetentionPolicy(ctx context.Context, in *cloudwatchlogs.DeleteRetentionPolicyInput) (*cloudwatchlogs.DeleteRetentionPolicyOutput, error) {
	_, err := s.editGroup(ctx, aws.ToString(in.LogGroupName), func(g *group) error { g.Retention = 0; return nil })
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.DeleteRetentionPolicyOutput{}, nil
}

// A page token is the name of the last item that was answered.

func encodePage(last string) *string {
	return aws.String(base64.RawURLEncoding.EncodeToString([]byte(last)))
}

func decodePage(token *string) (after string, ok bool) {
	if token == nil {
		return "", true
	}
	b, err := base64.RawURLEncoding.DecodeString(*token)
	return string(b), err == nil && len(b) > 0
}
