package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Every operation of Lambda that is built, and its most important refusals.
func TestLambda(t *testing.T) {
	t.Parallel()
	start(t).parts(map[string]func(*system){
		"life":        lambdaLife,
		"invoking":    lambdaInvoking,
		"versions":    lambdaVersions,
		"permissions": lambdaPermissions,
		"settings":    lambdaSettings,
		"refusals":    lambdaRefusals,
	})
}

// A function made, read, changed and deleted; its code from a request and from a bucket.
func lambdaLife(s *system) {
	t, ctx := s.t, context.Background()
	name, code := aws.String("life"), must(echo())(t)
	arn := s.function(*name)
	same(t, "ARN", arn, "arn:aws:lambda:"+region+":"+account+":function:life")
	got := must(s.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: name}))(t)
	sum := sha256.Sum256(code)
	same(t, "code", *got.Configuration.CodeSha256, base64.StdEncoding.EncodeToString(sum[:]))
	same(t, "size", got.Configuration.CodeSize, int64(len(code)))
	same(t, "state", got.Configuration.State, lambdatypes.StateActive)
	must(s.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
		FunctionName: name, Timeout: aws.Int32(7), MemorySize: aws.Int32(256), Environment: &lambdatypes.Environment{Variables: map[string]string{"GREETING": "hello"}},
	}))(t)
	configured := must(s.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &arn}))(t)
	same(t, "timeout", *configured.Timeout, 7)
	same(t, "memory", *configured.MemorySize, 256)
	same(t, "environment", configured.Environment.Variables, map[string]string{"GREETING": "hello"})

	s.bucket("lambda-code")
	s.put("lambda-code", "other.zip", must(zipped("bootstrap", []byte("#!/bin/sh\nexit 1\n")))(t))
	updated := must(s.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: name, S3Bucket: aws.String("lambda-code"), S3Key: aws.String("other.zip")}))(t)
	if *updated.CodeSha256 == *got.Configuration.CodeSha256 || *updated.RevisionId == *configured.RevisionId {
		t.Errorf("after UpdateFunctionCode: %s, revision %s", *updated.CodeSha256, *updated.RevisionId)
	}
	failed := must(s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: name}))(t)
	if failed.FunctionError == nil || !strings.Contains(string(failed.Payload), "Runtime.ExitError") {
		t.Errorf("a program that ends at once: %s %s", aws.ToString(failed.FunctionError), failed.Payload)
	}
	seen := names(must(s.lambda.ListFunctions(ctx, &lambda.ListFunctionsInput{}))(t).Functions, func(f lambdatypes.FunctionConfiguration) string { return *f.FunctionName })
	same(t, "listed", strings.Contains(strings.Join(seen, " "), "life"), true)
	must(s.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: name}))(t)
	_, err := s.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: name})
	wantCode(t, err, "ResourceNotFoundException")
}

func lambdaInvoking(s *system) {
	t, ctx := s.t, context.Background()
	name := aws.String("invoking")
	s.function(*name)
	out := must(s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, Payload: []byte(`{"hello":"wörld"}`), LogType: lambdatypes.LogTypeTail}))(t)
	same(t, "answer", string(out.Payload), `{"hello":"wörld"}`)
	same(t, "status", out.StatusCode, 200)
	same(t, "version", *out.ExecutedVersion, "$LATEST")
	if tail := must(base64.StdEncoding.DecodeString(*out.LogResult))(t); !bytes.Contains(tail, []byte("REPORT RequestId")) {
		t.Errorf("log: %s", tail)
	}
	same(t, "status of a dry run", must(s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, InvocationType: lambdatypes.InvocationTypeDryRun}))(t).StatusCode, 204)
	same(t, "status of an event", must(s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, InvocationType: lambdatypes.InvocationTypeEvent, Payload: []byte(`1`)}))(t).StatusCode, 202)
	_, err := s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, Payload: []byte(`{"hello":`)})
	wantCode(t, err, "InvalidRequestContentException")
	_, err = s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, Payload: append(bytes.Repeat([]byte(" "), 6<<20), "{}"...)})
	wantCode(t, err, "RequestTooLargeException")
}

func lambdaVersions(s *system) {
	t, ctx := s.t, context.Background()
	name := aws.String("versions")
	arn := s.function(*name)
	one := must(s.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: name, Description: aws.String("first")}))(t)
	same(t, "version", *one.Version, "1")
	must(s.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: name, Timeout: aws.Int32(5)}))(t)
	same(t, "second version", *must(s.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: name}))(t).Version, "2")
	listed := must(s.lambda.ListVersionsByFunction(ctx, &lambda.ListVersionsByFunctionInput{FunctionName: name}))(t).Versions
	same(t, "versions", names(listed, func(f lambdatypes.FunctionConfiguration) string { return *f.Version }), []string{"$LATEST", "1", "2"})

	alias := must(s.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1")}))(t)
	same(t, "alias", *alias.AliasArn, arn+":live")
	same(t, "version behind the alias", *must(s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, Qualifier: aws.String("live")}))(t).ExecutedVersion, "1")
	must(s.lambda.UpdateAlias(ctx, &lambda.UpdateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("2"), Description: aws.String("moved")}))(t)
	got := must(s.lambda.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: name, Name: aws.String("live")}))(t)
	same(t, "alias moved", [2]string{*got.FunctionVersion, *got.Description}, [2]string{"2", "moved"})
	same(t, "version behind the alias moved", *must(s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: got.AliasArn}))(t).ExecutedVersion, "2")
	same(t, "aliases", names(must(s.lambda.ListAliases(ctx, &lambda.ListAliasesInput{FunctionName: name, FunctionVersion: aws.String("2")}))(t).Aliases, func(a lambdatypes.AliasConfiguration) string { return *a.Name }), []string{"live"})
	_, err := s.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("2")})
	wantCode(t, err, "ResourceConflictException")
	must(s.lambda.DeleteAlias(ctx, &lambda.DeleteAliasInput{FunctionName: name, Name: aws.String("live")}))(t)
	_, err = s.lambda.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: name, Name: aws.String("live")})
	wantCode(t, err, "ResourceNotFoundException")
}

func lambdaPermissions(s *system) {
	t, ctx := s.t, context.Background()
	name := aws.String("permissions")
	arn := s.function(*name)
	add := &lambda.AddPermissionInput{FunctionName: name, StatementId: aws.String("gateway"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com")}
	statement := must(s.lambda.AddPermission(ctx, add))(t).Statement
	_, err := s.lambda.AddPermission(ctx, add)
	wantCode(t, err, "ResourceConflictException")
	var policy struct {
		Statement []struct {
			Sid, Resource string
			Principal     struct{ Service string }
		}
	}
	text := must(s.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: name}))(t).Policy
	if err := json.Unmarshal([]byte(*text), &policy); err != nil || len(policy.Statement) != 1 || policy.Statement[0].Sid != "gateway" || policy.Statement[0].Resource != arn || policy.Statement[0].Principal.Service != "apigateway.amazonaws.com" {
		t.Errorf("policy %s: %v", *text, err)
	}
	same(t, "statement within the policy", strings.Contains(*text, *statement), true)
	must(s.lambda.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: name, StatementId: aws.String("gateway")}))(t)
	_, err = s.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: name})
	wantCode(t, err, "ResourceNotFoundException")
}

func lambdaSettings(s *system) {
	t, ctx := s.t, context.Background()
	name := aws.String("settings")
	arn := s.function(*name)
	must(s.lambda.TagResource(ctx, &lambda.TagResourceInput{Resource: &arn, Tags: map[string]string{"a": "1", "b": "2"}}))(t)
	must(s.lambda.UntagResource(ctx, &lambda.UntagResourceInput{Resource: &arn, TagKeys: []string{"a"}}))(t)
	same(t, "tags", must(s.lambda.ListTags(ctx, &lambda.ListTagsInput{Resource: &arn}))(t).Tags, map[string]string{"b": "2"})

	must(s.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(0)}))(t)
	same(t, "concurrency", *must(s.lambda.GetFunctionConcurrency(ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: name}))(t).ReservedConcurrentExecutions, 0)
	_, err := s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: name})
	wantCode(t, err, "TooManyRequestsException")
	must(s.lambda.DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: name}))(t)
	must(s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: name}))(t)

	_, err = s.lambda.GetFunctionEventInvokeConfig(ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: name})
	wantCode(t, err, "ResourceNotFoundException")
	must(s.lambda.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: name, MaximumRetryAttempts: aws.Int32(1), MaximumEventAgeInSeconds: aws.Int32(60)}))(t)
	retries := must(s.lambda.GetFunctionEventInvokeConfig(ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: name}))(t)
	same(t, "retries", [2]int32{*retries.MaximumRetryAttempts, *retries.MaximumEventAgeInSeconds}, [2]int32{1, 60})
	same(t, "time of the change", time.Since(*retries.LastModified) < time.Minute, true)
	must(s.lambda.DeleteFunctionEventInvokeConfig(ctx, &lambda.DeleteFunctionEventInvokeConfigInput{FunctionName: name}))(t)

	signing := must(s.lambda.GetFunctionCodeSigningConfig(ctx, &lambda.GetFunctionCodeSigningConfigInput{FunctionName: name}))(t)
	same(t, "code signing", aws.ToString(signing.CodeSigningConfigArn), "")
	settings := must(s.lambda.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{}))(t)
	same(t, "functions are counted", settings.AccountUsage.FunctionCount > 0 && settings.AccountUsage.TotalCodeSize > 0, true)
}

func lambdaRefusals(s *system) {
	t, ctx := s.t, context.Background()
	_, err := s.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("none")})
	wantCode(t, err, "ResourceNotFoundException")
	role := s.lambdaRole("refused")
	create := func(change func(*lambda.CreateFunctionInput)) error {
		in := &lambda.CreateFunctionInput{
			FunctionName: aws.String("refused"), Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
			Role: &role, Code: &lambdatypes.FunctionCode{ZipFile: must(zipped("bootstrap", []byte("#!/bin/sh\n")))(t)},
		}
		change(in)
		_, err := s.lambda.CreateFunction(ctx, in)
		return err
	}
	wantCode(t, create(func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = []byte("this is no zip file") }), "InvalidParameterValueException")
	wantCode(t, create(func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = in.Code.ZipFile[:40] }), "InvalidParameterValueException")
	wantCode(t, create(func(in *lambda.CreateFunctionInput) { in.Runtime = lambdatypes.RuntimePython312 }), "InvalidParameterValueException")
	wantCode(t, create(func(in *lambda.CreateFunctionInput) { in.Role = aws.String("no role") }), "ValidationException")
	wantCode(t, create(func(in *lambda.CreateFunctionInput) {
		in.Code = &lambdatypes.FunctionCode{S3Bucket: aws.String("no-such-bucket"), S3Key: aws.String("k")}
	}), "InvalidParameterValueException")
	_, err = s.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("refused")})
	wantCode(t, err, "ResourceNotFoundException")
}
