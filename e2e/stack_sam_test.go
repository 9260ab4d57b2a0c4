package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// samBucket is a stack like the one that "sam deploy --guided" makes for artifacts.
const samBucket = `
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Description: Managed Stack for AWS SAM CLI
Metadata: {SamCliInfo: {version: 1.150.0, installationId: x, stackVersion: 1.0.0}}
Resources:
  SamCliSourceBucket:
    Type: AWS::S3::Bucket
    Properties:
      PublicAccessBlockConfiguration: {BlockPublicAcls: "true", BlockPublicPolicy: "true", IgnorePublicAcls: "true", RestrictPublicBuckets: "true"}
      BucketEncryption: {ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: aws:kms}}]}
      VersioningConfiguration: {Status: Enabled}
      Tags: [{Key: ManagedStackSource, Value: AwsSamCli}]
  SamCliSourceBucketBucketPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref SamCliSourceBucket
      PolicyDocument:
        Statement:
          - Action: [s3:GetObject]
            Effect: Allow
            Resource: !Join ['', ['arn:', !Ref 'AWS::Partition', ':s3:::', !Ref SamCliSourceBucket, '/*']]
            Principal: {Service: serverlessrepo.amazonaws.com}
            Condition: {StringEquals: {'aws:SourceAccount': !Ref 'AWS::AccountId'}}
          - Action: s3:*
            Effect: Deny
            Principal: '*'
            Resource:
              - !Join ['', ['arn:', !Ref 'AWS::Partition', ':s3:::', !Ref SamCliSourceBucket]]
              - !Join ['', ['arn:', !Ref 'AWS::Partition', ':s3:::', !Ref SamCliSourceBucket, '/*']]
            Condition: {Bool: {'aws:SecureTransport': 'false'}}
Outputs:
  SourceBucket: {Value: !Ref SamCliSourceBucket}
`

// samDeployed brings a stack to a template with the calls of "sam deploy", in its order.
func (s *system) samDeployed(stack, set string, in *cloudformation.CreateChangeSetInput) cfntypes.Stack {
	s.t.Helper()
	c, ctx := s.cfn(), context.Background()
	in.StackName, in.ChangeSetName, in.ChangeSetType = &stack, &set, cfntypes.ChangeSetTypeCreate
	if out, err := c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack}); err == nil && out.Stacks[0].StackStatus != cfntypes.StackStatusReviewInProgress {
		in.ChangeSetType = cfntypes.ChangeSetTypeUpdate
	}
	made := must(c.CreateChangeSet(ctx, in))(s.t)
	for {
		out := must(c.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: made.Id}))(s.t)
		if out.Status == cfntypes.ChangeSetStatusCreateComplete {
			break
		}
		if out.Status == cfntypes.ChangeSetStatusFailed {
			s.t.Fatalf("change set: %s", aws.ToString(out.StatusReason))
		}
		time.Sleep(10 * time.Millisecond)
	}
	// Its pages are read anew, for the table of changes; the newest event's time is remembered.
	pages := cloudformation.NewDescribeChangeSetPaginator(c, &cloudformation.DescribeChangeSetInput{ChangeSetName: made.Id, StackName: &stack})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, change := range page.Changes {
			switch change.ResourceChange.Action {
			case cfntypes.ChangeActionAdd, cfntypes.ChangeActionModify, cfntypes.ChangeActionRemove:
			default:
				s.t.Errorf("the SAM CLI has no row for the action %s", change.ResourceChange.Action)
			}
		}
	}
	since := *must(c.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &stack}))(s.t).StackEvents[0].Timestamp
	must(c.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: made.Id, StackName: &stack, DisableRollback: aws.Bool(false)}))(s.t)
	for ended := false; !ended; time.Sleep(10 * time.Millisecond) {
		for _, e := range must(c.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &stack}))(s.t).StackEvents {
			if !e.Timestamp.After(since) {
				break
			}
			ended = ended || *e.ResourceType == "AWS::CloudFormation::Stack" && *e.LogicalResourceId == stack && *e.PhysicalResourceId == *made.StackId &&
				!strings.Contains(string(e.ResourceStatus), "IN_PROGRESS")
		}
	}
	var err error
	if in.ChangeSetType == cfntypes.ChangeSetTypeCreate {
		err = cloudformation.NewStackCreateCompleteWaiter(c).Wait(ctx, &cloudformation.DescribeStacksInput{StackName: &stack}, time.Minute)
	} else {
		err = cloudformation.NewStackUpdateCompleteWaiter(c).Wait(ctx, &cloudformation.DescribeStacksInput{StackName: &stack}, time.Minute)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return must(c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack}))(s.t).Stacks[0]
}

// The calls of "sam deploy --guided" and of "sam delete", with the template of article 1.
func TestArticle1WithTheCallsOfSAM(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), context.Background()
	c := s.cfn()
	managed := s.samDeployed("aws-sam-cli-managed-default", "InitialCreation", &cloudformation.CreateChangeSetInput{
		TemplateBody: aws.String(samBucket), Tags: []cfntypes.Tag{{Key: aws.String("ManagedStackSource"), Value: aws.String("AwsSamCli")}},
		Capabilities: []cfntypes.Capability{cfntypes.CapabilityCapabilityIam},
	})
	bucket := outputsOf(managed)["SourceBucket"]
	same(t, "tag", *managed.Tags[0].Key+"="+*managed.Tags[0].Value, "ManagedStackSource=AwsSamCli")

	const domain = "api.sam.test"
	zone := must(s.route53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("sam.test"), CallerReference: aws.String("1")}))(t)
	template := s.article1("sam-code")
	key := "article/0123.template"
	_, err := s.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	wantCode(t, err, "NotFound")
	must(s.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(template), ServerSideEncryption: s3types.ServerSideEncryptionAes256}))(t)
	k := s.samDeployed("article", fmt.Sprintf("samcli-deploy%d", time.Now().Unix()), &cloudformation.CreateChangeSetInput{
		TemplateURL:  aws.String(s.node.Endpoints().Endpoint + "/" + bucket + "/" + key),
		Capabilities: []cfntypes.Capability{cfntypes.CapabilityCapabilityIam, cfntypes.CapabilityCapabilityAutoExpand},
		Parameters: []cfntypes.Parameter{
			{ParameterKey: aws.String("HostedZoneId"), ParameterValue: aws.String(strings.TrimPrefix(*zone.HostedZone.Id, "/hostedzone/"))},
			{ParameterKey: aws.String("DomainName"), ParameterValue: aws.String(domain)}, {ParameterKey: aws.String("TruststoreKey"), ParameterValue: aws.String("truststore.pem")},
		},
	})
	client := s.exported(outputsOf(k)["ClientOneCertArn"])
	s.caller(client).get(domain, "", "/").want(t, 200, `"subjectDN":"CN=`+domain+`"`)
	s.caller(nil).get(domain, "", "/").wantRefused(t, "certificate required")

	// sam delete
	must(c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String("article")}))(t)
	original := must(c.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: aws.String("article"), TemplateStage: cfntypes.TemplateStageOriginal}))(t)
	same(t, "template", *original.TemplateBody, template)
	_, err = c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String("article-1234-CompanionStack")})
	wantCode(t, err, "ValidationError")
	must(c.ListChangeSets(ctx, &cloudformation.ListChangeSetsInput{StackName: aws.String("article")}))(t)
	must(c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String("article")}))(t)
	if err := cloudformation.NewStackDeleteCompleteWaiter(c).Wait(ctx, &cloudformation.DescribeStacksInput{StackName: k.StackId}, time.Minute); err != nil {
		t.Fatal(err)
	}
}
