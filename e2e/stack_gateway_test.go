package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// gatewayTemplate is an HTTP API with mutual TLS as SAM writes it; paths is JSON of more paths.
func gatewayTemplate(paths string) *string {
	return aws.String(`{
	"Parameters": {"Function": {"Type": "String"}, "Certificate": {"Type": "String"}, "Trust": {"Type": "String"}},
	"Resources": {
		"Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": {
			"openapi": "3.0.1", "info": {"title": {"Ref": "AWS::StackName"}, "version": "1.0"},
			"servers": [{"x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": true}}],
			"paths": {"/pets/{id}": {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0",
				"uri": {"Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function}/invocations"}}}}` + paths + `}
		}}},
		"Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": true, "Tags": {"httpapi:createdBy": "SAM"}}},
		"Domain": {"Type": "AWS::ApiGatewayV2::DomainName", "Properties": {
			"DomainName": "stack.test", "DomainNameConfigurations": [{"CertificateArn": {"Ref": "Certificate"}, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}],
			"MutualTlsAuthentication": {"TruststoreUri": {"Ref": "Trust"}}}},
		"Mapping": {"Type": "AWS::ApiGatewayV2::ApiMapping", "Properties": {"ApiId": {"Ref": "Api"}, "DomainName": {"Ref": "Domain"}, "Stage": {"Ref": "Stage"}}}
	},
	"Outputs": {"Endpoint": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}, "Api": {"Value": {"Ref": "Api"}}, "Target": {"Value": {"Fn::GetAtt": ["Domain", "RegionalDomainName"]}}}
}`)
}

// A stack makes an API with mutual TLS from a document, changes it in place while it
// is served, takes a change back that cannot be made, and leaves nothing.
func TestStackOfHTTPAPI(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), context.Background()
	stacks := cloudformation.NewFromConfig(s.aws(s.node.Credentials().AccessKeyID, s.node.Credentials().SecretAccessKey))
	one, two := s.hierarchy(), s.hierarchy()
	s.bucket("stack-trust")
	s.put("stack-trust", "one.pem", bundle(one.sub, one.root))
	s.put("stack-trust", "two.pem", bundle(two.sub, two.root))
	function, certificate := s.function("stacked"), s.serverCertificate("stack.test", "stack.test")
	must(s.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: aws.String("stacked"), StatementId: aws.String("gateway"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"),
	}))(t)
	name := aws.String("http-api")
	parameters := func(trust string) []cfntypes.Parameter {
		parameter := func(key, value string) cfntypes.Parameter {
			return cfntypes.Parameter{ParameterKey: &key, ParameterValue: &value}
		}
		return []cfntypes.Parameter{parameter("Function", function), parameter("Certificate", certificate), parameter("Trust", "s3://stack-trust/"+trust)}
	}
	wait := func(status cfntypes.StackStatus) map[string]string {
		t.Helper()
		var got cfntypes.Stack
		for range 600 {
			got = must(stacks.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name}))(t).Stacks[0]
			if got.StackStatus == status {
				outputs := map[string]string{}
				for _, o := range got.Outputs {
					outputs[*o.OutputKey] = *o.OutputValue
				}
				return outputs
			}
			time.Sleep(50 * time.Millisecond)
		}
		for _, e := range must(stacks.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: name}))(t).StackEvents {
			t.Log(*e.LogicalResourceId, e.ResourceStatus, aws.ToString(e.ResourceStatusReason))
		}
		t.Fatalf("the stack is %s, not %s", got.StackStatus, status)
		return nil
	}
	must(stacks.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: gatewayTemplate(""), Parameters: parameters("one.pem")}))(t)
	outputs := wait(cfntypes.StackStatusCreateComplete)
	same(t, "outputs", fmt.Sprint(outputs["Endpoint"], outputs["Target"] != ""), "https://"+defaultHost(outputs["Api"])+"true")
	first, _ := s.clientCertificate(one.subARN, "first.test")
	second, _ := s.clientCertificate(two.subARN, "second.test")
	s.caller(first).get("stack.test", "", "/pets/7").want(t, 200, `"pathParameters":{"id":"7"}`)
	s.caller(second).get("stack.test", "", "/pets/7").want(t, 403, "Forbidden")
	s.caller(nil).get("stack.test", "", "/pets/7").wantRefused(t, "certificate required")
	s.caller(nil).get(defaultHost(outputs["Api"]), "", "/pets/7").want(t, 404, "Not Found")

	more := `, "/new": {"get": {}}, "/$default": {"x-amazon-apigateway-any-method": {"isDefaultRoute": true, "x-amazon-apigateway-integration": {"type": "aws_proxy", "payloadFormatVersion": 2.0, "uri": {"Ref": "Function"}}}}`
	must(stacks.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, TemplateBody: gatewayTemplate(more), Parameters: parameters("two.pem")}))(t)
	same(t, "API after the update", wait(cfntypes.StackStatusUpdateComplete)["Api"], outputs["Api"])
	s.caller(second).get("stack.test", "", "/other").want(t, 200, `"routeKey":"$default"`)
	s.caller(first).get("stack.test", "", "/other").want(t, 403, "Forbidden")

	must(stacks.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, TemplateBody: gatewayTemplate(`, "/x": {"get": {"security": [{"nobody": []}]}}`), Parameters: parameters("one.pem")}))(t)
	wait(cfntypes.StackStatusUpdateRollbackComplete)
	why := ""
	for _, e := range must(stacks.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: name}))(t).StackEvents {
		if *e.LogicalResourceId == "Api" && e.ResourceStatus == cfntypes.ResourceStatusUpdateFailed {
			why = aws.ToString(e.ResourceStatusReason)
		}
	}
	if !strings.Contains(why, `Warnings found during import:\n\tUnable to put method 'GET' on resource at path '/x': Invalid authorizer definition. There is no security scheme 'nobody'`) {
		t.Errorf("the reason is %s", why)
	}
	s.caller(second).get("stack.test", "", "/other").want(t, 200, `"routeKey":"$default"`)

	id := must(stacks.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name}))(t).Stacks[0].StackId
	must(stacks.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))(t)
	name = id
	wait(cfntypes.StackStatusDeleteComplete)
	same(t, "APIs left", len(must(s.gateway.GetApis(ctx, &apigatewayv2.GetApisInput{}))(t).Items), 0)
	same(t, "domain names left", len(must(s.gateway.GetDomainNames(ctx, &apigatewayv2.GetDomainNamesInput{}))(t).Items), 0)
	if gone := s.caller(second).get("stack.test", "", "/other"); gone.refused == nil {
		t.Errorf("a domain name that is gone answers %+v", gone)
	}
}
