package api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/service/functions"
	"countersign/service/functions/runner/runnertest"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// TestLambda runs the SDK's client, and its waiters, against Lambda over HTTP.
func TestLambda(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "lambda") // unlike t.TempDir one that functions' user can enter
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := functions.New(functions.Config{Store: storetest.New(t), Dir: filepath.Join(dir, "functions"), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	n := startNode(t, (*httptest.Server).Start, func(c *Config) {
		// In place of the small one that the other tests use.
		c.Services = slices.DeleteFunc(c.Services, func(v Service) bool { return v.ID == "lambda" })
		c.Services = append(c.Services, Lambda(s))
	})
	client := lambda.NewFromConfig(n.config())
	ctx := t.Context()
	name := aws.String("fn")
	architecture := types.ArchitectureX8664
	if runtime.GOARCH == "arm64" {
		architecture = types.ArchitectureArm64
	}
	made, err := client.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: name, Role: aws.String("arn:aws:iam::123456789012:role/fn"), Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Code: &types.FunctionCode{ZipFile: runnertest.HandlerZip(t, "fn")}, Architectures: []types.Architecture{architecture}, Timeout: aws.Int32(10),
		Environment: &types.Environment{Variables: map[string]string{"COLOUR": "blue"}}, Tags: map[string]string{"k": "v"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := lambda.NewFunctionActiveV2Waiter(client).Wait(ctx, &lambda.GetFunctionInput{FunctionName: made.FunctionArn}, time.Minute); err != nil {
		t.Fatal(err)
	}
	out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, Payload: []byte(`{"do":"env"}`), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatal(err)
	}
	tail, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if out.StatusCode != 200 || out.FunctionError != nil || aws.ToString(out.ExecutedVersion) != "$LATEST" || !strings.Contains(string(out.Payload), `"COLOUR=blue"`) ||
		err != nil || !strings.Contains(string(tail), "REPORT RequestId: ") {
		t.Errorf("Invoke: %+v %s %q", out, out.Payload, tail)
	}
	out, err = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: made.FunctionArn, Payload: []byte(`{"do":"error","text":"no"}`)})
	if err != nil || out.StatusCode != 200 || aws.ToString(out.FunctionError) != "Unhandled" || string(out.Payload) != `{"errorMessage":"no","errorType":"failed"}` {
		t.Errorf("failing function: %v %+v", err, out)
	}
	for kind, status := range map[types.InvocationType]int32{types.InvocationTypeEvent: 202, types.InvocationTypeDryRun: 204} {
		out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, InvocationType: kind})
		if err != nil || out.StatusCode != status || len(out.Payload) > 0 {
			t.Errorf("%s: %v %+v", kind, err, out)
		}
	}
	if _, err := client.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: runnertest.HandlerZip(t, "new")}); err != nil {
		t.Error(err)
	}
	if err := lambda.NewFunctionUpdatedV2Waiter(client).Wait(ctx, &lambda.GetFunctionInput{FunctionName: name}, time.Minute); err != nil {
		t.Error(err)
	}
	if _, err := client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: name, Timeout: aws.Int32(9)}); err != nil {
		t.Error(err)
	}
	if _, err := client.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: name, StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com")}); err != nil {
		t.Error(err)
	}
	if out, err := client.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: name}); err != nil || !strings.Contains(aws.ToString(out.Policy), `"Sid":"s"`) {
		t.Errorf("GetPolicy: %v %+v", err, out)
	}
	if _, err := client.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: name, StatementId: aws.String("s")}); err != nil {
		t.Error(err)
	}
	if out, err := client.ListTags(ctx, &lambda.ListTagsInput{Resource: made.FunctionArn}); err != nil || out.Tags["k"] != "v" {
		t.Errorf("ListTags: %v %+v", err, out)
	}
	if _, err := client.UntagResource(ctx, &lambda.UntagResourceInput{Resource: made.FunctionArn, TagKeys: []string{"k"}}); err != nil {
		t.Error(err)
	}
	if out, err := client.ListFunctions(ctx, &lambda.ListFunctionsInput{}); err != nil || len(out.Functions) != 1 || *out.Functions[0].Timeout != 9 {
		t.Errorf("ListFunctions: %v %+v", err, out)
	}
	if v, err := client.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: name}); err != nil || *v.Version != "1" {
		t.Errorf("PublishVersion: %v %+v", err, v)
	}
	if _, err := client.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		t.Error(err)
	}
	var throttled *types.TooManyRequestsException
	if _, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: name}, func(o *lambda.Options) { o.RetryMaxAttempts = 1 }); !errors.As(err, &throttled) ||
		throttled.Reason != types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded {
		t.Errorf("throttled: %v", err)
	}
	if _, err := client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: name}); err != nil {
		t.Error(err)
	}
	var missing *types.ResourceNotFoundException
	if _, err := client.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: name}); !errors.As(err, &missing) || !strings.HasPrefix(missing.ErrorMessage(), "Function not found: arn:aws:lambda:") {
		t.Errorf("deleted: %v", err)
	}
	var invalid *types.InvalidParameterValueException
	if _, err := client.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: name, Role: aws.String("arn:aws:iam::123456789012:role/fn"), Runtime: types.RuntimePython312, Handler: aws.String("x.y"),
		Code: &types.FunctionCode{ZipFile: runnertest.Zip(t)},
	}); !errors.As(err, &invalid) {
		t.Errorf("python: %v", err)
	}
}
