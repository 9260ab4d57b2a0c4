package logs

import (
	"strings"
	"testing"

	"countersign/call"
	"countersign/service/stacks/resource/resourcetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

func TestLogGroupResource(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := resourcetest.New(t, call.Through(b.ctx, call.CloudFormation), testAccount, testRegion, b.ResourceTypes())
	const typ = "AWS::Logs::LogGroup"
	r := s.Create(typ, "Log", `{"RetentionInDays": 7, "KmsKeyId": "k", "Tags": [{"Key": "a", "Value": "1"}]}`)
	if !strings.HasPrefix(r.PhysicalID, "stack-Log-") || r.Attributes["Arn"] != groupPrefix+r.PhysicalID+":*" {
		t.Errorf("made: %+v", r.Result)
	}
	s.Again(r)
	s.Found(r)
	state := func() (days int32, tags map[string]string) {
		t.Helper()
		g := do(b, b.DescribeLogGroups, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &r.PhysicalID}).LogGroups[0]
		return aws.ToInt32(g.RetentionInDays), do(b, b.ListTagsForResource, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: g.LogGroupArn}).Tags
	}
	if days, tags := state(); days != 7 || tags["a"] != "1" || tags["aws:cloudformation:logical-id"] != "Log" {
		t.Errorf("retention %d, tags %v", days, tags)
	}
	s.Update(r, `{"RetentionInDays": 30, "KmsKeyId": "k", "Tags": [{"Key": "b", "Value": "2"}]}`)
	if days, tags := state(); days != 30 || tags["b"] != "2" || tags["a"] != "" || len(tags) != 4 {
		t.Errorf("retention %d, tags %v", days, tags)
	}
	s.Update(r, `{"KmsKeyId": "k"}`)
	if days, _ := state(); days != 0 {
		t.Errorf("retention %d", days)
	}
	for _, properties := range []string{`{"KmsKeyId": "other"}`, `{"KmsKeyId": "k", "LogGroupClass": "INFREQUENT_ACCESS"}`} {
		if err := s.TryUpdate(r, properties); err == nil {
			t.Errorf("%s was taken", properties)
		}
	}
	refused(b, b.UntagLogGroup, &cloudwatchlogs.UntagLogGroupInput{LogGroupName: &r.PhysicalID, Tags: []string{"aws:cloudformation:stack-id"}}, "InvalidParameterException", "reserved")
	s.Delete(r)

	b.stream("somebodys")
	s.Refused(typ, `{"LogGroupName": "somebodys"}`, "ResourceAlreadyExistsException", "")
	s.Refused(typ, `{"RetentionInDays": 2}`, "InvalidParameterException", "retentionInDays")
	s.Refused(typ, `{"DataProtectionPolicy": {}}`, "", "DataProtectionPolicy is not built")
	s.Replaces(typ, true, "LogGroupName")
	s.Replaces(typ, false, "RetentionInDays", "Tags")
	if id := s.Find(s.New(typ, "Absent", `{}`)); id != "" {
		t.Errorf("found %s", id)
	}
}
