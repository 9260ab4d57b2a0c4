package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// cfn is a client of CloudFormation.
func (s *system) cfn() *cloudformation.Client {
	return cloudformation.NewFromConfig(s.aws(s.node.Credentials().AccessKeyID, s.node.Credentials().SecretAccessKey))
}

// settled waits until nothing is being done to a stack, and demands its status.
func (s *system) settled(stack string, want types.StackStatus) types.Stack {
	s.t.Helper()
	c, ctx := s.cfn(), context.Background()
	var got types.Stack
	for range 1200 {
		got = must(c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack}))(s.t).Stacks[0]
		if !strings.HasSuffix(string(got.StackStatus), "_IN_PROGRESS") {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if got.StackStatus != want {
		for _, e := range must(c.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &stack}))(s.t).StackEvents {
			s.t.Log(*e.LogicalResourceId, e.ResourceStatus, aws.ToString(e.ResourceStatusReason))
		}
		s.t.Fatalf("stack %s is %s (%s), not %s", stack, got.StackStatus, aws.ToString(got.StackStatusReason), want)
	}
	return got
}

func outputsOf(k types.Stack) map[string]string {
	out := map[string]string{}
	for _, o := range k.Outputs {
		out[*o.OutputKey] = *o.OutputValue
	}
	return out
}

// Every operation of CloudFormation, on zones: they are made at once.
func TestCloudFormation(t *testing.T) {
	t.Parallel()
	s := start(t)
	c, ctx := s.cfn(), context.Background()
	zone := func(comment string) *string {
		return aws.String(`
Parameters: {Name: {Type: String, Default: one.test}}
Resources:
  Zone: {Type: AWS::Route53::HostedZone, Properties: {Name: !Ref Name, HostedZoneConfig: {Comment: ` + comment + `}}}
Outputs: {Id: {Value: !Ref Zone, Export: {Name: zone}}}
`)
	}
	name := aws.String("zones")

	valid := must(c.ValidateTemplate(ctx, &cloudformation.ValidateTemplateInput{TemplateBody: zone("a")}))(t)
	same(t, "parameters", *valid.Parameters[0].ParameterKey, "Name")
	_, err := c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name})
	wantCode(t, err, "ValidationError")

	set := must(c.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{StackName: name, ChangeSetName: aws.String("first"), ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: zone("a")}))(t)
	if err := cloudformation.NewChangeSetCreateCompleteWaiter(c).Wait(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: set.Id}, time.Minute); err != nil {
		t.Fatal(err)
	}
	same(t, "change sets", len(must(c.ListChangeSets(ctx, &cloudformation.ListChangeSetsInput{StackName: name}))(t).Summaries), 1)
	must(c.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{StackName: name, ChangeSetName: aws.String("second"), ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: zone("b")}))(t)
	must(c.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{StackName: name, ChangeSetName: aws.String("second")}))(t)
	must(c.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: name, ChangeSetName: aws.String("first")}))(t)
	if err := cloudformation.NewStackCreateCompleteWaiter(c).Wait(ctx, &cloudformation.DescribeStacksInput{StackName: name}, time.Minute); err != nil {
		t.Fatal(err)
	}
	id := outputsOf(s.settled(*name, types.StackStatusCreateComplete))["Id"]

	same(t, "resources", *must(c.ListStackResources(ctx, &cloudformation.ListStackResourcesInput{StackName: name}))(t).StackResourceSummaries[0].PhysicalResourceId, id)
	same(t, "resource", *must(c.DescribeStackResource(ctx, &cloudformation.DescribeStackResourceInput{StackName: name, LogicalResourceId: aws.String("Zone")}))(t).StackResourceDetail.PhysicalResourceId, id)
	same(t, "owner", *must(c.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{PhysicalResourceId: &id}))(t).StackResources[0].StackName, *name)
	same(t, "template", *must(c.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: name}))(t).TemplateBody, *zone("a"))
	same(t, "types", strings.Join(must(c.GetTemplateSummary(ctx, &cloudformation.GetTemplateSummaryInput{StackName: name}))(t).ResourceTypes, " "), "AWS::Route53::HostedZone")
	same(t, "exports", *must(c.ListExports(ctx, &cloudformation.ListExportsInput{}))(t).Exports[0].Value, id)

	must(c.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: aws.String("user"), TemplateBody: aws.String(`
Resources: {Record: {Type: AWS::Route53::RecordSet, Properties: {HostedZoneId: !ImportValue zone, Name: www.one.test, Type: TXT, TTL: "60", ResourceRecords: ['"x"']}}}`)}))(t)
	s.settled("user", types.StackStatusCreateComplete)
	same(t, "imports", strings.Join(must(c.ListImports(ctx, &cloudformation.ListImportsInput{ExportName: aws.String("zone")}))(t).Imports, " "), "user")

	// An update that fails and is left as it is; then it is rolled back.
	broken := aws.String(strings.Replace(*zone("b"), "Resources:", "Resources:\n  Bad: {Type: AWS::Route53::RecordSet, DependsOn: Zone, Properties: {HostedZoneId: !Ref Zone, Name: elsewhere.test, Type: A, TTL: '1', ResourceRecords: [192.0.2.1]}}", 1))
	must(c.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, TemplateBody: broken, DisableRollback: aws.Bool(true)}))(t)
	s.settled(*name, types.StackStatusUpdateFailed)
	must(c.RollbackStack(ctx, &cloudformation.RollbackStackInput{StackName: name}))(t)
	s.settled(*name, types.StackStatusUpdateRollbackComplete)

	// What is under way can be cancelled: nobody signals.
	waiting := aws.String(strings.Replace(*zone("c"), "Resources:", "Resources:\n  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}\n  Wait: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref Handle, Timeout: 600}}", 1))
	go func() { // the answer waits for a while
		_, _ = c.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, TemplateBody: waiting})
	}()
	for range 400 {
		if _, err = c.CancelUpdateStack(ctx, &cloudformation.CancelUpdateStackInput{StackName: name}); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.settled(*name, types.StackStatusUpdateRollbackComplete)
	_, err = c.ContinueUpdateRollback(ctx, &cloudformation.ContinueUpdateRollbackInput{StackName: name})
	wantCode(t, err, "ValidationError") // there is nothing to continue: see TestRollbackThatFails in service/stacks

	must(c.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: name, EnableTerminationProtection: aws.Bool(true)}))(t)
	_, err = c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name})
	wantCode(t, err, "ValidationError")
	must(c.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: name, EnableTerminationProtection: aws.Bool(false)}))(t)
	for _, stack := range []string{"user", *name} {
		arn := s.settled(stack, map[string]types.StackStatus{"user": types.StackStatusCreateComplete, *name: types.StackStatusUpdateRollbackComplete}[stack]).StackId
		must(c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &stack}))(t)
		s.settled(*arn, types.StackStatusDeleteComplete)
	}
	same(t, "stacks that were", len(must(c.ListStacks(ctx, &cloudformation.ListStacksInput{StackStatusFilter: []types.StackStatus{types.StackStatusDeleteComplete}}))(t).StackSummaries), 2)
}
