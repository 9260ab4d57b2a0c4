package functions_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"countersign/call"
	"countersign/service/functions"
	"countersign/service/functions/runner/runnertest"
	"countersign/service/stacks/resource/resourcetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

const (
	functionType   = "AWS::Lambda::Function"
	permissionType = "AWS::Lambda::Permission"
	versionType    = "AWS::Lambda::Version"
	aliasType      = "AWS::Lambda::Alias"
	eventType      = "AWS::Lambda::EventInvokeConfig"
)

func newStack(t *testing.T) (*lab, *resourcetest.Stack) {
	l := newLab(t, func(c *functions.Config) {
		script := func(code string) []byte {
			return runnertest.Zip(t, runnertest.File{Name: "bootstrap", Body: []byte("#!/bin/sh\nexit " + code + "\n")})
		}
		c.Objects = objects{"code/fn.zip?": runnertest.HandlerZip(t, "fn"), "code/new.zip?": script("5"), "code/new.zip?v1": script("6")}
	})
	return l, resourcetest.New(t, call.Through(l.ctx, call.CloudFormation), account, region, l.ResourceTypes())
}

// functionProperties is a function in order, with more properties.
func functionProperties(more string) string {
	return `{"Code": {"S3Bucket": "code", "S3Key": "fn.zip"}, "Role": "` + role + `", "Runtime": "provided.al2023", "Handler": "bootstrap", "Architectures": ["` + string(architectures()[0]) + `"]` + more + `}`
}

func (l *lab) configuration(name string) *lambda.GetFunctionConfigurationOutput {
	l.t.Helper()
	out, err := l.GetFunctionConfiguration(l.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

func TestResourceFunction(t *testing.T) {
	t.Parallel()
	l, s := newStack(t)
	f := s.Create(functionType, "LambdaFunction", functionProperties(`, "MemorySize": "256", "Timeout": 10, "Environment": {"Variables": {"COUNT": 3, "ON": true}},
		"TracingConfig": {"Mode": "Active"}, "EphemeralStorage": {"Size": 600}, "Description": "first", "ReservedConcurrentExecutions": "2", "Layers": [], "VpcConfig": {"SubnetIds": []},
		"SnapStart": {"ApplyOn": "None"}, "LoggingConfig": {"LogGroup": "/mine"}, "Tags": [{"Key": "lambda:createdBy", "Value": "SAM"}]`))
	name := f.PhysicalID
	if !strings.HasPrefix(name, "stack-LambdaFunction-") || len(f.Initiated) != 1 || f.Initiated[0] != name || f.Attributes["Arn"] != arnOf(name) || f.Attributes["SnapStartResponse.ApplyOn"] != "None" {
		t.Errorf("initiated %v: %+v", f.Initiated, f.Result)
	}
	c := l.configuration(name)
	if *c.MemorySize != 256 || *c.Timeout != 10 || c.Environment.Variables["COUNT"] != "3" || c.Environment.Variables["ON"] != "true" || c.TracingConfig.Mode != types.TracingModeActive ||
		*c.EphemeralStorage.Size != 600 || *c.LoggingConfig.LogGroup != "/mine" {
		t.Errorf("configuration %+v", c)
	}
	var variables []string
	if err := json.Unmarshal(l.invoke(name, `{"do":"env"}`).Payload, &variables); err != nil {
		t.Fatal(err)
	}
	traced := false
	for _, v := range variables {
		traced = traced || strings.HasPrefix(v, "_X_AMZN_TRACE_ID=Root=1-")
	}
	if !traced {
		t.Errorf("no trace header in %v", variables)
	}
	tags := func() map[string]string {
		t.Helper()
		out, err := l.GetFunction(l.ctx, &lambda.GetFunctionInput{FunctionName: &name})
		if err != nil {
			t.Fatal(err)
		}
		if n := out.Concurrency; n != nil {
			out.Tags["reserved"] = string(rune('0' + *n.ReservedConcurrentExecutions))
		}
		return out.Tags
	}
	if got := tags(); got["lambda:createdBy"] != "SAM" || got["aws:cloudformation:logical-id"] != "LambdaFunction" || got["reserved"] != "2" {
		t.Errorf("tags %v", got)
	}
	s.Again(f)
	s.Found(f)

	// What a template no longer says is as for a new function.
	s.Update(f, functionProperties(`, "Environment": {"Variables": {"COUNT": "4"}}, "Tags": [{"Key": "a"}]`))
	c = l.configuration(name)
	if *c.MemorySize != 128 || *c.Timeout != 3 || *c.Description != "" || len(c.Environment.Variables) != 1 || c.TracingConfig.Mode != types.TracingModePassThrough ||
		*c.EphemeralStorage.Size != 512 || *c.LoggingConfig.LogGroup != "/aws/lambda/"+name {
		t.Errorf("configuration after the update %+v", c)
	}
	if got := tags(); len(got) != 4 || got["a"] != "" || got["reserved"] != "" {
		t.Errorf("tags after the update %v", got)
	}
	revision := *c.RevisionId
	s.Update(f, functionProperties(`, "Environment": {"Variables": {"COUNT": "4"}}`))
	if c = l.configuration(name); *c.RevisionId != revision {
		t.Error("a change of tags has written the configuration")
	}
	for key, status := range map[string]string{`"S3Key": "new.zip"`: "exit status 5", `"S3Key": "new.zip", "S3ObjectVersion": "v1"`: "exit status 6"} {
		s.Update(f, strings.Replace(functionProperties(""), `"S3Key": "fn.zip"`, key, 1))
		if out := l.invoke(name, `{}`); !strings.Contains(string(out.Payload), status) {
			t.Errorf("with %s: %s", key, out.Payload)
		}
	}
	err := s.TryUpdate(f, strings.Replace(functionProperties(""), "fn.zip", "none.zip", 1))
	wantError(t, "missing code", err, "InvalidParameterValueException", "NoSuchKey")
	err = s.TryUpdate(f, strings.Replace(functionProperties(""), `"Runtime": "provided.al2023", `, "", 1))
	wantError(t, "no runtime", err, "InvalidParameterValueException", "mandatory")

	s.Replaces(functionType, true, "FunctionName", "PackageType")
	s.Replaces(functionType, false, "Code", "Role", "Runtime", "Handler", "Architectures", "Environment", "TracingConfig", "Tags", "ReservedConcurrentExecutions")
	s.Delete(f)
}

func TestResourceFunctionRefused(t *testing.T) {
	t.Parallel()
	l, s := newStack(t)
	l.create("theirs", nil)
	for _, bad := range [][3]string{
		{functionProperties(`, "FunctionName": "theirs"`), "ResourceConflictException", "Function already exist: theirs"},
		{strings.Replace(functionProperties(""), "fn.zip", "none.zip", 1), "InvalidParameterValueException", "NoSuchKey"},
		{strings.Replace(functionProperties(""), "provided.al2023", "nodejs20.x", 1), "", "The runtime parameter of nodejs20.x is not supported"},
		{strings.Replace(functionProperties(""), `"S3Bucket": "code", "S3Key": "fn.zip"`, `"ZipFile": "def handler(): pass"`, 1), "", "ZipFile in a template is source text"},
		{strings.Replace(functionProperties(""), `"S3Bucket": "code", "S3Key": "fn.zip"`, `"ImageUri": "x"`, 1), "", "ImageUri is not built"},
		{functionProperties(`, "PackageType": "Image"`), "", "PackageType Image is not built"},
		{functionProperties(`, "Layers": ["arn"]`), "", "Layers is not built"},
		{functionProperties(`, "VpcConfig": {"SubnetIds": ["subnet-1"]}`), "", "VpcConfig is not built"},
		{functionProperties(`, "KmsKeyArn": "arn"`), "", "KmsKeyArn is not built"},
		{functionProperties(`, "Timeout": 901`), "", "less than or equal to 900"},
		{functionProperties(`, "Timeouts": 9`), "", "Encountered unsupported property Timeouts"},
		{`{"Runtime": "provided.al2023"}`, "", "Property Code cannot be empty."},
	} {
		s.Refused(functionType, bad[0], bad[1], bad[2])
	}
	if id := s.Find(s.New(functionType, "F", functionProperties(`, "FunctionName": "theirs"`))); id != "" {
		t.Errorf("found %s, which is not of the stack", id)
	}
	// A name may be an ARN; what Ref gives is the name.
	f := s.Create(functionType, "ByARN", functionProperties(`, "FunctionName": "`+arnOf("by-arn")+`"`))
	if f.PhysicalID != "by-arn" || f.Initiated[0] != "by-arn" {
		t.Errorf("made %s, initiated %v", f.PhysicalID, f.Initiated)
	}
	s.Again(f)
	s.Found(f)
	s.Delete(f)
	if out := l.invoke("theirs", `{"do":"echo","value":1}`); string(out.Payload) != "1" {
		t.Errorf("the other's function: %s", out.Payload)
	}
}

func TestResourcePermission(t *testing.T) {
	t.Parallel()
	l, s := newStack(t)
	l.create("fn", nil)
	const source = `"SourceArn": "arn:aws:execute-api:eu-west-1:123456789012:api/*/GET/", "SourceAccount": "123456789012"`
	properties := `{"FunctionName": "` + arnOf("fn") + `", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com", ` + source + `}`
	p := s.Create(permissionType, "RootGetPermission", properties)
	if !strings.HasPrefix(p.PhysicalID, "stack-RootGetPermission-") || p.Attributes["Id"] != p.PhysicalID {
		t.Errorf("made %+v", p.Result)
	}
	s.Again(p)
	got, err := l.GetPolicy(l.ctx, &lambda.GetPolicyInput{FunctionName: aws.String("fn")})
	if err != nil || strings.Count(*got.Policy, `"Sid"`) != 1 || !strings.Contains(*got.Policy, `"AWS:SourceArn":"arn:aws:execute-api:eu-west-1:123456789012:api/*/GET/"`) {
		t.Errorf("policy %v, %v", got, err)
	}
	if _, _, err := l.InvokeFor(l.ctx, arnOf("fn"), "arn:aws:execute-api:eu-west-1:123456789012:api/$default/GET/", "apigateway.amazonaws.com", []byte(`{"do":"echo","value":1}`)); err != nil {
		t.Errorf("the permission permits nothing: %v", err)
	}
	s.Replaces(permissionType, true, "FunctionName", "Action", "Principal", "SourceArn", "SourceAccount", "EventSourceToken", "PrincipalOrgID")
	s.Delete(p)
	_, err = l.GetPolicy(l.ctx, &lambda.GetPolicyInput{FunctionName: aws.String("fn")})
	wantError(t, "policy after the deletion", err, "ResourceNotFoundException", "")

	p = s.Create(permissionType, "RootGetPermission", properties)
	if _, err := l.DeleteFunction(l.ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("fn")}); err != nil {
		t.Fatal(err)
	}
	s.Delete(p) // with its function
	s.Refused(permissionType, properties, "ResourceNotFoundException", "Function not found")
	s.Refused(permissionType, strings.Replace(properties, "{", `{"FunctionUrlAuthType": "NONE", `, 1), "", "FunctionUrlAuthType is not built")
}

func TestResourceVersionAndAlias(t *testing.T) {
	t.Parallel()
	l, s := newStack(t)
	f := s.Create(functionType, "Fn", functionProperties(`, "FunctionName": "fn"`))
	v1 := s.Create(versionType, "FnVersion1", `{"FunctionName": "fn", "Description": "one"}`)
	if v1.PhysicalID != arnOf("fn")+":1" || v1.Attributes["Version"] != "1" || v1.Attributes["FunctionArn"] != v1.PhysicalID {
		t.Errorf("made %+v", v1.Result)
	}
	s.Found(v1)
	s.Refused(versionType, `{"FunctionName": "fn"}`, "AlreadyExists", "A version for this Lambda function exists ( 1 ).")
	s.Refused(versionType, `{"FunctionName": "fn", "CodeSha256": "eA=="}`, "InvalidParameterValueException", "CodeSHA256")
	s.Refused(versionType, `{"FunctionName": "none"}`, "ResourceNotFoundException", "none")
	s.Replaces(versionType, true, "FunctionName", "Description", "CodeSha256")

	alias := func(version string) string {
		return `{"FunctionName": "fn", "Name": "live", "FunctionVersion": "` + version + `", "Description": "d"}`
	}
	a := s.Create(aliasType, "FnAliaslive", alias("1"))
	if a.PhysicalID != arnOf("fn")+":live" || a.Attributes["AliasArn"] != a.PhysicalID {
		t.Errorf("made %+v", a.Result)
	}
	s.Found(a)
	s.Refused(aliasType, alias("1"), "ResourceConflictException", "Alias already exists")
	s.Refused(aliasType, strings.Replace(alias("1"), "{", `{"RoutingConfig": {"AdditionalVersionWeights": [{"FunctionVersion": "1", "FunctionWeight": "0.5"}]}, `, 1), "", "RoutingConfig is not built")
	// A permission on the alias, as SAM makes it.
	p := s.Create(permissionType, "Permission", `{"FunctionName": "`+a.PhysicalID+`", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com"}`)
	if _, err := l.GetPolicy(l.ctx, &lambda.GetPolicyInput{FunctionName: aws.String("fn"), Qualifier: aws.String("live")}); err != nil {
		t.Error(err)
	}
	s.Delete(p)

	l.advance(time.Second) // an update within the same millisecond is not told from none
	s.Update(f, strings.Replace(functionProperties(`, "FunctionName": "fn"`), "fn.zip", "new.zip", 1))
	next := s.New(versionType, "FnVersion2", `{"FunctionName": "fn"}`)
	if id := s.Find(next); id != "" {
		t.Errorf("found %s, which was published before the update", id)
	}
	v2 := s.Create(versionType, "FnVersion2", `{"FunctionName": "fn"}`)
	s.Update(a, alias("2"))
	if out, err := l.GetAlias(l.ctx, &lambda.GetAliasInput{FunctionName: aws.String("fn"), Name: aws.String("live")}); err != nil || *out.FunctionVersion != "2" {
		t.Errorf("alias %+v, %v", out, err)
	}
	s.Replaces(aliasType, true, "FunctionName", "Name")
	s.Replaces(aliasType, false, "FunctionVersion", "Description")
	wantError(t, "a version with an alias", s.TryDelete(v2), "ResourceConflictException", "live")
	s.Delete(v1)
	s.Delete(a)
	s.Delete(v2)
	s.Delete(f)
	for _, r := range []*resourcetest.Resource{v1, a, v2} {
		s.Delete(r) // with their function
	}
}

func TestResourceEventInvokeConfig(t *testing.T) {
	t.Parallel()
	l, s := newStack(t)
	l.create("fn", nil)
	e := s.Create(eventType, "Events", `{"FunctionName": "fn", "Qualifier": "$LATEST", "MaximumRetryAttempts": "0", "MaximumEventAgeInSeconds": 60}`)
	s.Found(e)
	s.Refused(eventType, `{"FunctionName": "fn", "Qualifier": "$LATEST"}`, "AlreadyExists", "fn")
	s.Update(e, `{"FunctionName": "fn", "Qualifier": "$LATEST", "MaximumRetryAttempts": "1"}`)
	out, err := l.GetFunctionEventInvokeConfig(l.ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: aws.String("fn")})
	if err != nil || *out.MaximumRetryAttempts != 1 || out.MaximumEventAgeInSeconds != nil {
		t.Errorf("%+v, %v", out, err)
	}
	s.Replaces(eventType, true, "FunctionName", "Qualifier")
	s.Delete(e)
	s.Refused(eventType, `{"FunctionName": "fn", "Qualifier": "live"}`, "InvalidParameterValueException", "Qualifier")
	s.Refused(eventType, `{"FunctionName": "fn", "Qualifier": "$LATEST", "MaximumRetryAttempts": 3}`, "ValidationException", "maximumRetryAttempts")
	s.Refused(eventType, `{"FunctionName": "fn", "Qualifier": "$LATEST", "DestinationConfig": {}}`, "", "DestinationConfig is not built")
}
