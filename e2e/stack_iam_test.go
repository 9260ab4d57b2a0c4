package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const iamTemplate = `
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
      ManagedPolicyArns: [!Sub "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]
      Policies:
        - PolicyName: inline
          PolicyDocument:
            Version: 2012-10-17
            Statement: [{Effect: Allow, Action: "ACTION", Resource: !Sub "arn:aws:s3:::${AWS::StackName}/*"}]
  Policy:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: beside
      Roles: [!Ref Role]
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: "ACTION", Resource: "*"}]}
  Managed:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      Roles: [!Ref Role]
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: "ACTION", Resource: "*"}]}
Outputs:
  Role: {Value: !Ref Role}
  Arn: {Value: !GetAtt Role.Arn}
  Managed: {Value: !Ref Managed}
`

// A stack makes roles and policies, changes and deletes them, with the rights of a role of its own.
func TestStackOfIAM(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	client := cloudformation.NewFromConfig(s.aws(s.node.Credentials().AccessKeyID, s.node.Credentials().SecretAccessKey))
	deploys := must(s.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("deploys"), AssumeRolePolicyDocument: aws.String(
		strings.Replace(lambdaTrust, "lambda.", "cloudformation.", 1))}))(t).Role.Arn
	name, template := aws.String("iam-stack"), func(action string) *string { return aws.String(strings.ReplaceAll(iamTemplate, "ACTION", action)) }
	create := &cloudformation.CreateStackInput{StackName: name, TemplateBody: template("s3:Get*"), RoleARN: deploys, Tags: []cfntypes.Tag{{Key: aws.String("team"), Value: aws.String("blue")}}}
	_, err := client.CreateStack(ctx, create)
	wantCode(t, err, "InsufficientCapabilitiesException")
	create.Capabilities = []cfntypes.Capability{cfntypes.CapabilityCapabilityIam}
	create.RoleARN = aws.String(s.lambdaRole("no-deployer"))
	_, err = client.CreateStack(ctx, create)
	wantCode(t, err, "ValidationError")
	create.RoleARN = deploys
	must(client.CreateStack(ctx, create))(t)
	describe := &cloudformation.DescribeStacksInput{StackName: name}
	made := must(cloudformation.NewStackCreateCompleteWaiter(client, func(o *cloudformation.StackCreateCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	}).WaitForOutput(ctx, describe, time.Minute))(t)
	outputs := map[string]string{}
	for _, o := range made.Stacks[0].Outputs {
		outputs[*o.OutputKey] = *o.OutputValue
	}
	role := aws.String(outputs["Role"])
	same(t, "name", strings.HasPrefix(*role, "iam-stack-Role-"), true)
	got := must(s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: role}))(t).Role
	same(t, "ARN", outputs["Arn"], *got.Arn)
	same(t, "tags", names(got.Tags, func(t iamtypes.Tag) string { return *t.Key + "=" + *t.Value }), []string{"team=blue"})
	same(t, "inline", must(s.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: role}))(t).PolicyNames, []string{"beside", "inline"})
	same(t, "attached", names(must(s.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: role}))(t).AttachedPolicies, func(p iamtypes.AttachedPolicy) string { return *p.PolicyArn }),
		[]string{"arn:aws:iam::" + account + ":policy/" + outputs["Managed"][strings.LastIndex(outputs["Managed"], "/")+1:], "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"})

	must(client.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, TemplateBody: template("s3:Put*"), Capabilities: create.Capabilities, Tags: create.Tags}))(t)
	if err := cloudformation.NewStackUpdateCompleteWaiter(client, func(o *cloudformation.StackUpdateCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	}).Wait(ctx, describe, time.Minute); err != nil {
		t.Fatal(err)
	}
	same(t, "the same role", *must(s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: role}))(t).Role.RoleId, *got.RoleId)
	for _, policy := range []string{"beside", "inline"} {
		document := plain(t, must(s.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: role, PolicyName: &policy}))(t).PolicyDocument)
		same(t, policy+" is changed: "+document, strings.Contains(document, "s3:Put*"), true)
	}
	same(t, "version", *must(s.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(outputs["Managed"])}))(t).Policy.DefaultVersionId, "v2")

	must(client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))(t)
	if err := cloudformation.NewStackDeleteCompleteWaiter(client, func(o *cloudformation.StackDeleteCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	}).Wait(ctx, &cloudformation.DescribeStacksInput{StackName: made.Stacks[0].StackId}, time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err = s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: role})
	wantCode(t, err, "NoSuchEntity")
	same(t, "policies left", len(must(s.iam.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeLocal}))(t).Policies), 0)
}
