package functions_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/call"
	"countersign/service/functions"
	"countersign/service/functions/runner/runnertest"
	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
	role    = "arn:aws:iam::123456789012:role/fn"
)

func arnOf(name string) string {
	return "arn:aws:lambda:" + region + ":" + account + ":function:" + name
}

// A lab is a Lambda service with a clock that runs and can be moved.
type lab struct {
	*functions.Service
	t     *testing.T
	store store.Store
	dir   string // that functions can write to
	ctx   context.Context

	mu     sync.Mutex
	offset time.Duration
}

func (l *lab) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Add(l.offset)
}

func (l *lab) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.offset += d
}

// caller is the context of a call by the account's root.
func caller(ctx context.Context) context.Context {
	return call.With(ctx, call.Call{Account: account, Region: region, Service: "lambda", Signing: call.Header,
		Principal: call.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root"}})
}

// openDir is a folder that functions, which run as another user where the test runs as root, can use.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "functions")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newLab(t *testing.T, change func(*functions.Config)) *lab {
	t.Helper()
	l := &lab{t: t, dir: openDir(t), ctx: caller(t.Context())}
	l.store = storetest.NewAt(t, l.now)
	cfg := functions.Config{Store: l.store, Dir: filepath.Join(l.dir, "data"), Node: "test", Now: l.now, Rand: rand.Reader,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&cfg)
	}
	var err error
	if l.Service, err = functions.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		l.Close(ctx)
	})
	return l
}

func architectures() []types.Architecture {
	if runtime.GOARCH == "arm64" {
		return []types.Architecture{types.ArchitectureArm64}
	}
	return []types.Architecture{types.ArchitectureX8664}
}

// request is a CreateFunction that is in order.
func request(t testing.TB, name string) *lambda.CreateFunctionInput {
	return requestWith(runnertest.HandlerZip(t, name), name)
}

func requestWith(zip []byte, name string) *lambda.CreateFunctionInput {
	return &lambda.CreateFunctionInput{
		FunctionName: aws.String(name), Role: aws.String(role), Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Code: &types.FunctionCode{ZipFile: zip}, Architectures: architectures(), Timeout: aws.Int32(10),
	}
}

func (l *lab) create(name string, change func(*lambda.CreateFunctionInput)) *lambda.CreateFunctionOutput {
	l.t.Helper()
	in := request(l.t, name)
	if change != nil {
		change(in)
	}
	out, err := l.CreateFunction(l.ctx, in)
	if err != nil {
		l.t.Fatalf("CreateFunction %s: %v", name, err)
	}
	return out
}

func (l *lab) invoke(name, event string) *lambda.InvokeOutput {
	l.t.Helper()
	out, err := l.Invoke(l.ctx, &lambda.InvokeInput{FunctionName: aws.String(name), Payload: []byte(event)})
	if err != nil {
		l.t.Fatalf("Invoke %s: %v", name, err)
	}
	return out
}

// wantError checks an error's code and a part of its message.
func wantError(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != code || !strings.Contains(coded.ErrorMessage(), message) {
		t.Errorf("%s: got %v, want %s with %q", what, err, code, message)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("waited in vain: " + what)
}

func TestLifeOfAFunction(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	made := l.create("fn", func(in *lambda.CreateFunctionInput) {
		in.Description, in.Tags = aws.String("first"), map[string]string{"team": "trust"}
		in.Environment = &types.Environment{Variables: map[string]string{"COLOUR": "blue"}}
		in.MemorySize = aws.Int32(256)
	})
	zip := runnertest.HandlerZip(t, "fn")
	sum := sha256.Sum256(zip)
	if *made.FunctionArn != arnOf("fn") || made.State != types.StateActive || made.LastUpdateStatus != types.LastUpdateStatusSuccessful ||
		*made.Version != "$LATEST" || made.CodeSize != int64(len(zip)) || *made.CodeSha256 != base64.StdEncoding.EncodeToString(sum[:]) ||
		*made.MemorySize != 256 || made.Environment.Variables["COLOUR"] != "blue" || *made.EphemeralStorage.Size != 512 || *made.LoggingConfig.LogGroup != "/aws/lambda/fn" {
		t.Errorf("created %+v", made)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000+0000", *made.LastModified); err != nil {
		t.Error(err)
	}
	_, err := l.CreateFunction(l.ctx, request(t, "fn"))
	wantError(t, "again", err, "ResourceConflictException", "Function already exist: fn")

	for _, name := range []string{"fn", arnOf("fn"), account + ":function:fn", "function:fn", "fn:$LATEST", arnOf("fn") + ":$LATEST"} {
		got, err := l.GetFunction(l.ctx, &lambda.GetFunctionInput{FunctionName: aws.String(name)})
		if err != nil || *got.Configuration.RevisionId != *made.RevisionId || got.Tags["team"] != "trust" {
			t.Errorf("GetFunction(%s): %v %+v", name, err, got)
		}
	}
	for name, code := range map[string]string{
		"other": "ResourceNotFoundException", "fn:1": "ResourceNotFoundException", "fn:live": "ResourceNotFoundException",
		"arn:aws:lambda:us-east-1:123456789012:function:fn": "ResourceNotFoundException",
		"999999999999:function:fn":                          "AccessDeniedException",
		"a b":                                               "ValidationException", "": "ValidationException", "fn:a:b": "ValidationException",
		strings.Repeat("a", 65): "ValidationException",
	} {
		_, err := l.GetFunction(l.ctx, &lambda.GetFunctionInput{FunctionName: aws.String(name)})
		wantError(t, name, err, code, "")
	}
	_, err = l.GetFunctionConfiguration(l.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("nix")})
	wantError(t, "missing", err, "ResourceNotFoundException", "Function not found: "+arnOf("nix"))

	// A change of the configuration is seen by the next invocation, and only what is given changes.
	if out := l.invoke("fn", `{"do":"env"}`); !strings.Contains(string(out.Payload), `"COLOUR=blue"`) {
		t.Errorf("environment: %s", out.Payload)
	}
	changed, err := l.UpdateFunctionConfiguration(l.ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("fn"), RevisionId: made.RevisionId,
		Environment: &types.Environment{Variables: map[string]string{"COLOUR": "red"}}, Timeout: aws.Int32(7)})
	if err != nil || *changed.Timeout != 7 || *changed.MemorySize != 256 || *changed.Description != "first" || *changed.RevisionId == *made.RevisionId {
		t.Fatalf("UpdateFunctionConfiguration: %v %+v", err, changed)
	}
	if out := l.invoke("fn", `{"do":"env"}`); !strings.Contains(string(out.Payload), `"COLOUR=red"`) {
		t.Errorf("environment after the update: %s", out.Payload)
	}
	_, err = l.UpdateFunctionConfiguration(l.ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("fn"), RevisionId: made.RevisionId})
	wantError(t, "stale revision", err, "PreconditionFailedException", "Revision Id")

	// New code.
	script := runnertest.Zip(t, runnertest.File{Name: "bootstrap", Body: []byte("#!/bin/sh\necho new code; exit 9\n")})
	dry, err := l.UpdateFunctionCode(l.ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("fn"), ZipFile: script, DryRun: true})
	if err != nil || dry.CodeSize != int64(len(script)) || *dry.RevisionId != *changed.RevisionId {
		t.Errorf("dry run: %v %+v", err, dry)
	}
	if out := l.invoke("fn", `{"do":"echo","value":1}`); string(out.Payload) != "1" {
		t.Errorf("after the dry run: %s", out.Payload)
	}
	if _, err := l.UpdateFunctionCode(l.ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("fn"), ZipFile: script}); err != nil {
		t.Fatal(err)
	}
	if out := l.invoke("fn", `{}`); !strings.Contains(string(out.Payload), "exit status 9") || aws.ToString(out.FunctionError) != "Unhandled" || out.StatusCode != 200 {
		t.Errorf("new code: %s", out.Payload)
	}

	// Tags, list, deletion.
	if _, err := l.TagResource(l.ctx, &lambda.TagResourceInput{Resource: aws.String(arnOf("fn")), Tags: map[string]string{"a": "1", "team": "x"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.UntagResource(l.ctx, &lambda.UntagResourceInput{Resource: aws.String(arnOf("fn")), TagKeys: []string{"a", "zz"}}); err != nil {
		t.Fatal(err)
	}
	system := &lambda.TagResourceInput{Resource: aws.String(arnOf("fn")), Tags: map[string]string{"aws:cloudformation:stack-name": "s"}}
	_, err = l.TagResource(l.ctx, system)
	wantError(t, "a system tag", err, "InvalidParameterValueException", "reserved")
	if _, err := l.TagResource(call.Through(l.ctx, call.CloudFormation), system); err != nil {
		t.Fatal(err)
	}
	untag := &lambda.UntagResourceInput{Resource: aws.String(arnOf("fn")), TagKeys: []string{"aws:cloudformation:stack-name"}}
	_, err = l.UntagResource(l.ctx, untag)
	wantError(t, "a system tag", err, "InvalidParameterValueException", "reserved")
	if _, err := l.UntagResource(call.Through(l.ctx, call.CloudFormation), untag); err != nil {
		t.Fatal(err)
	}
	tags, err := l.ListTags(l.ctx, &lambda.ListTagsInput{Resource: aws.String(arnOf("fn"))})
	if err != nil || len(tags.Tags) != 1 || tags.Tags["team"] != "x" {
		t.Errorf("tags %v %+v", err, tags)
	}
	for i := range 4 {
		l.create(fmt.Sprintf("g%d", i), func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = script })
	}
	var names []string
	var marker *string
	for {
		out, err := l.ListFunctions(l.ctx, &lambda.ListFunctionsInput{MaxItems: aws.Int32(2), Marker: marker})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range out.Functions {
			names = append(names, *f.FunctionName)
		}
		if marker = out.NextMarker; marker == nil {
			break
		}
	}
	if fmt.Sprint(names) != "[fn g0 g1 g2 g3]" {
		t.Errorf("listed %v", names)
	}
	settings, err := l.GetAccountSettings(l.ctx, &lambda.GetAccountSettingsInput{})
	if err != nil || settings.AccountUsage.FunctionCount != 5 || settings.AccountUsage.TotalCodeSize != 5*int64(len(script)) {
		t.Errorf("account settings %v %+v", err, settings)
	}
	if _, err := l.DeleteFunction(l.ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("fn")}); err != nil {
		t.Fatal(err)
	}
	_, err = l.Invoke(l.ctx, &lambda.InvokeInput{FunctionName: aws.String("fn")})
	wantError(t, "deleted", err, "ResourceNotFoundException", "Function not found: "+arnOf("fn"))
	_, err = l.DeleteFunction(l.ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("fn")})
	wantError(t, "deleted twice", err, "ResourceNotFoundException", "")
	// The same name again is another function.
	l.create("fn", nil)
	if out := l.invoke("fn", `{"do":"echo","value":2}`); string(out.Payload) != "2" {
		t.Errorf("made anew: %s", out.Payload)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	tiny := runnertest.Zip(t, runnertest.File{Name: "bootstrap", Body: []byte("#!")})
	// Its directory declares more than 250 MB.
	bomb := runnertest.Zip(t, runnertest.File{Name: "x", Body: make([]byte, 1000)})
	binary.LittleEndian.PutUint32(bomb[bytes.LastIndex(bomb, []byte("PK\x01\x02"))+24:], 262144001)
	big := make(map[string]string)
	for i := range 50 {
		big[fmt.Sprintf("NAME_%d", i)] = strings.Repeat("v", 100)
	}
	tags := make(map[string]string)
	for i := range 51 {
		tags[fmt.Sprint(i)] = ""
	}
	const bad, validation = "InvalidParameterValueException", "ValidationException"
	for name, c := range map[string]struct {
		change        func(*lambda.CreateFunctionInput)
		code, message string
	}{
		"other runtime":  {func(in *lambda.CreateFunctionInput) { in.Runtime = types.RuntimePython312 }, bad, "python3.12 is not supported"},
		"old runtime":    {func(in *lambda.CreateFunctionInput) { in.Runtime = types.RuntimeGo1x }, bad, "go1.x is not supported"},
		"no runtime":     {func(in *lambda.CreateFunctionInput) { in.Runtime = "" }, bad, "Runtime and Handler are mandatory"},
		"no handler":     {func(in *lambda.CreateFunctionInput) { in.Handler = nil }, bad, "Runtime and Handler are mandatory"},
		"spaced handler": {func(in *lambda.CreateFunctionInput) { in.Handler = aws.String("a b") }, validation, "handler"},
		"role":           {func(in *lambda.CreateFunctionInput) { in.Role = aws.String("admin") }, validation, "'role'"},
		"no role":        {func(in *lambda.CreateFunctionInput) { in.Role = nil }, validation, "'role'"},
		"timeout 0":      {func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(0) }, validation, "'timeout'"},
		"timeout 901":    {func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(901) }, validation, "less than or equal to 900"},
		"memory":         {func(in *lambda.CreateFunctionInput) { in.MemorySize = aws.Int32(127) }, validation, "greater than or equal to 128"},
		"storage": {func(in *lambda.CreateFunctionInput) {
			in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(1)}
		}, validation, "512"},
		"reserved variable": {variables(map[string]string{"AWS_REGION": "x", "AWS_ACCESS_KEY_ID": "y"}), bad, "Reserved keys used in this request: AWS_ACCESS_KEY_ID, AWS_REGION"},
		"variable's name":   {variables(map[string]string{"A=B": "x"}), validation, "Map keys"},
		"NUL":               {variables(map[string]string{"AB": "x\x00y"}), bad, "NUL"},
		"variables' size":   {variables(big), bad, "exceeded the 4KB limit"},
		"image":             {func(in *lambda.CreateFunctionInput) { in.PackageType = types.PackageTypeImage }, bad, "PackageType Image is not built"},
		"layers":            {func(in *lambda.CreateFunctionInput) { in.Layers = []string{"arn"} }, bad, "Layers is not built"},
		"vpc":               {func(in *lambda.CreateFunctionInput) { in.VpcConfig = &types.VpcConfig{SubnetIds: []string{"s"}} }, bad, "VpcConfig is not built"},
		"tracing": {func(in *lambda.CreateFunctionInput) {
			in.TracingConfig = &types.TracingConfig{Mode: "Always"}
		}, validation, "tracingConfig.mode"},
		"JSON logs": {func(in *lambda.CreateFunctionInput) {
			in.LoggingConfig = &types.LoggingConfig{LogFormat: types.LogFormatJson}
		}, bad, "LogFormat JSON"},
		"two architectures": {func(in *lambda.CreateFunctionInput) { in.Architectures = []types.Architecture{"x86_64", "arm64"} }, validation, "architectures"},
		"tags":              {func(in *lambda.CreateFunctionInput) { in.Tags = tags }, bad, "50 tags"},
		"aws tag":           {func(in *lambda.CreateFunctionInput) { in.Tags = map[string]string{"aws:x": ""} }, bad, "reserved"},
		"no code":           {func(in *lambda.CreateFunctionInput) { in.Code = nil }, bad, "source for function code"},
		"empty code":        {func(in *lambda.CreateFunctionInput) { in.Code = &types.FunctionCode{} }, bad, "source for function code"},
		"zero bytes":        {func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = []byte{} }, bad, "non-empty zip"},
		"not a zip":         {func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = []byte("hello, this is not a zip file") }, bad, "Could not unzip uploaded file"},
		"escaping zip": {func(in *lambda.CreateFunctionInput) {
			in.Code.ZipFile = runnertest.Zip(t, runnertest.File{Name: "../x"})
		}, bad, "leaves the package"},
		"too large": {func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = make([]byte, 50<<20+1) }, "RequestTooLargeException", "70167211"},
		"bomb": {func(in *lambda.CreateFunctionInput) {
			in.Code.ZipFile = runnertest.Zip(t, runnertest.File{Name: "x", Body: make([]byte, 251<<20)})
		}, bad, "Unzipped size must be smaller than 262144000 bytes"},
		"two sources": {func(in *lambda.CreateFunctionInput) { in.Code.S3Bucket = aws.String("b") }, bad, "ZipFile"},
		"S3 without S3": {func(in *lambda.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: aws.String("b"), S3Key: aws.String("k")}
		}, bad, "S3Bucket"},
		"qualified name": {func(in *lambda.CreateFunctionInput) { in.FunctionName = aws.String("x:1") }, bad, "takes no version"},
	} {
		in := requestWith(tiny, "fn")
		c.change(in)
		_, err := l.CreateFunction(l.ctx, in)
		wantError(t, name, err, c.code, c.message)
	}
	if out, err := l.ListFunctions(l.ctx, &lambda.ListFunctionsInput{}); err != nil || len(out.Functions) > 0 {
		t.Errorf("after refusals: %v %+v", err, out)
	}
}

func variables(v map[string]string) func(*lambda.CreateFunctionInput) {
	return func(in *lambda.CreateFunctionInput) { in.Environment = &types.Environment{Variables: v} }
}

// objects is a bucket with one object in two versions.
type objects map[string][]byte

func (o objects) GetObject(_ context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	b, ok := o[aws.ToString(in.Bucket)+"/"+aws.ToString(in.Key)+"?"+aws.ToString(in.VersionId)]
	if !ok {
		return nil, &s3types.NoSuchKey{Message: aws.String("The specified key does not exist.")}
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(b))}, nil
}

func TestCodeFromS3(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *functions.Config) {
		c.Objects = objects{
			"code/fn.zip?":   runnertest.HandlerZip(t, "s3"),
			"code/fn.zip?v1": runnertest.Zip(t, runnertest.File{Name: "bootstrap", Body: []byte("#!/bin/sh\nexit 5\n")}),
			"code/text?":     []byte("text"),
		}
	})
	from := func(key, version string) *types.FunctionCode {
		c := &types.FunctionCode{S3Bucket: aws.String("code"), S3Key: aws.String(key)}
		if version != "" {
			c.S3ObjectVersion = aws.String(version)
		}
		return c
	}
	l.create("fn", func(in *lambda.CreateFunctionInput) { in.Code = from("fn.zip", "") })
	if out := l.invoke("fn", `{"do":"echo","value":3}`); string(out.Payload) != "3" {
		t.Errorf("%s", out.Payload)
	}
	if _, err := l.UpdateFunctionCode(l.ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("fn"), S3Bucket: aws.String("code"), S3Key: aws.String("fn.zip"), S3ObjectVersion: aws.String("v1")}); err != nil {
		t.Fatal(err)
	}
	if out := l.invoke("fn", `{}`); !strings.Contains(string(out.Payload), "exit status 5") {
		t.Errorf("version v1: %s", out.Payload)
	}
	for key, want := range map[string]string{"none": "S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.", "text": "Could not unzip"} {
		in := request(t, "g")
		in.Code = from(key, "")
		_, err := l.CreateFunction(l.ctx, in)
		wantError(t, key, err, "InvalidParameterValueException", want)
	}
}

func TestInvokeForms(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.create("fn", nil)
	in := func(payload string) *lambda.InvokeInput {
		return &lambda.InvokeInput{FunctionName: aws.String("fn"), Payload: []byte(payload)}
	}
	_, err := l.Invoke(l.ctx, in(`{"a":`))
	wantError(t, "not JSON", err, "InvalidRequestContentException", "Could not parse request body into json: unexpected end of JSON input")
	_, err = l.Invoke(l.ctx, in(`"`+strings.Repeat("x", 6<<20)+`"`))
	wantError(t, "too large", err, "RequestTooLargeException", "6291458 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)")
	event := in(`"` + strings.Repeat("x", 1<<20) + `"`)
	event.InvocationType = types.InvocationTypeEvent
	_, err = l.Invoke(l.ctx, event)
	wantError(t, "too large an event", err, "RequestTooLargeException", "limit 1048576 bytes")

	dry := in(`{"do":"exit"}`)
	dry.InvocationType = types.InvocationTypeDryRun
	if out, err := l.Invoke(l.ctx, dry); err != nil || out.StatusCode != 204 || out.Payload != nil {
		t.Errorf("DryRun: %v %+v", err, out)
	}
	dry.FunctionName = aws.String("none")
	_, err = l.Invoke(l.ctx, dry)
	wantError(t, "DryRun", err, "ResourceNotFoundException", "none")

	tail := in(`{"do":"log","text":"hello\n"}`)
	tail.LogType = types.LogTypeTail
	out, err := l.Invoke(l.ctx, tail)
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil || !strings.Contains(string(text), "Version: $LATEST\nhello\nto standard error\nEND RequestId: ") || *out.ExecutedVersion != "$LATEST" {
		t.Errorf("tail: %v %q", err, text)
	}
	if out := l.invoke("fn", `{"do":"log"}`); out.LogResult != nil {
		t.Error("a tail that nobody asked for")
	}

	client := in(`{"do":"context"}`)
	client.ClientContext = aws.String(base64.StdEncoding.EncodeToString([]byte("{\"custom\":\n{\"k\":\"v\"}}")))
	if out, err := l.Invoke(l.ctx, client); err != nil || !strings.Contains(string(out.Payload), `"k":"v"`) || !strings.Contains(string(out.Payload), arnOf("fn")) {
		t.Errorf("client context: %v %s", err, out.Payload)
	}
	for _, bad := range []string{"%%%", base64.StdEncoding.EncodeToString([]byte("{")), base64.StdEncoding.EncodeToString([]byte(`"` + strings.Repeat("x", 4000) + `"`))} {
		client.ClientContext = aws.String(bad)
		_, err := l.Invoke(l.ctx, client)
		wantError(t, "client context", err, "InvalidRequestContentException", "Client context must be")
	}
	// No payload is an empty object.
	if out, err := l.Invoke(l.ctx, &lambda.InvokeInput{FunctionName: aws.String("fn")}); err != nil || !strings.Contains(string(out.Payload), `nothing known as`) {
		t.Errorf("no payload: %v %s", err, out.Payload)
	}

	if _, err := l.PutFunctionConcurrency(l.ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("fn"), ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	_, err = l.Invoke(l.ctx, in(`{}`))
	wantError(t, "stopped", err, "TooManyRequestsException", "Rate Exceeded.")
	var throttled *types.TooManyRequestsException
	if !errors.As(err, &throttled) || throttled.Reason != types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded {
		t.Errorf("reason: %v", err)
	}
	if _, err := l.DeleteFunctionConcurrency(l.ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: aws.String("fn")}); err != nil {
		t.Fatal(err)
	}
	l.invoke("fn", `{"do":"pid"}`)
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.create("fn", nil)
	const gateway = "apigateway.amazonaws.com"
	source := "arn:aws:execute-api:" + region + ":" + account + ":a1b2c3d4e5/$default/GET/pets"
	ask := func() error {
		payload, failed, err := l.InvokeFor(t.Context(), arnOf("fn"), source, gateway, []byte(`{"do":"echo","value":"hi"}`))
		if err == nil && (string(payload) != `"hi"` || failed != "") {
			t.Errorf("InvokeFor: %q %s", failed, payload)
		}
		return err
	}
	_, err := l.GetPolicy(l.ctx, &lambda.GetPolicyInput{FunctionName: aws.String("fn")})
	wantError(t, "no policy", err, "ResourceNotFoundException", "The resource you requested does not exist.")
	if err := ask(); !errors.Is(err, functions.ErrNotPermitted) {
		t.Errorf("without permission: %v", err)
	}
	add := &lambda.AddPermissionInput{FunctionName: aws.String("fn"), StatementId: aws.String("gw"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String(gateway),
		SourceArn: aws.String("arn:aws:execute-api:" + region + ":" + account + ":a1b2c3d4e5/*"), SourceAccount: aws.String(account)}
	out, err := l.AddPermission(l.ctx, add)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Sid":"gw","Effect":"Allow","Principal":{"Service":"apigateway.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + arnOf("fn") +
		`","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/*"},"StringEquals":{"AWS:SourceAccount":"123456789012"}}}`
	if *out.Statement != want {
		t.Errorf("statement\n%s\nwant\n%s", *out.Statement, want)
	}
	if err := ask(); err != nil {
		t.Errorf("with permission: %v", err)
	}
	if _, _, err := l.InvokeFor(t.Context(), arnOf("fn"), strings.Replace(source, "a1b2c3d4e5", "other", 1), gateway, []byte(`{}`)); !errors.Is(err, functions.ErrNotPermitted) {
		t.Errorf("another API: %v", err)
	}
	if _, _, err := l.InvokeFor(t.Context(), arnOf("fn"), source, "s3.amazonaws.com", []byte(`{}`)); !errors.Is(err, functions.ErrNotPermitted) {
		t.Errorf("another service: %v", err)
	}
	_, _, err = l.InvokeFor(t.Context(), arnOf("none"), source, gateway, []byte(`{}`))
	wantError(t, "missing function", err, "ResourceNotFoundException", "")
	if _, failed, err := l.InvokeFor(t.Context(), arnOf("fn"), source, gateway, []byte(`{"do":"error","text":"x"}`)); err != nil || failed != "Unhandled" {
		t.Errorf("failing function: %v %q", err, failed)
	}
	_, err = l.AddPermission(l.ctx, add)
	wantError(t, "again", err, "ResourceConflictException", "The statement id (gw) provided already exists. Please provide a new statement id, or remove the existing statement.")
	policy, err := l.GetPolicy(l.ctx, &lambda.GetPolicyInput{FunctionName: aws.String("fn")})
	if err != nil || *policy.Policy != `{"Version":"2012-10-17","Id":"default","Statement":[`+want+`]}` {
		t.Errorf("policy %v %s", err, aws.ToString(policy.Policy))
	}
	for principal, ok := range map[string]bool{"*": true, "999999999999": true, "arn:aws:iam::999999999999:role/x": true, "s3.amazonaws.com": true, "x": false, "": false, "example.com": false} {
		in := *add
		in.StatementId, in.Principal, in.SourceArn, in.SourceAccount = aws.String("p"), aws.String(principal), nil, nil
		out, err := l.AddPermission(l.ctx, &in)
		if !ok {
			wantError(t, principal, err, "InvalidParameterValueException", "The provided principal was invalid.")
			continue
		}
		if err != nil || strings.Contains(*out.Statement, "Condition") {
			t.Errorf("%s: %v", principal, err)
		}
		if principal == "999999999999" && !strings.Contains(*out.Statement, `{"AWS":"arn:aws:iam::999999999999:root"}`) {
			t.Errorf("account: %s", *out.Statement)
		}
		if _, err := l.RemovePermission(l.ctx, &lambda.RemovePermissionInput{FunctionName: aws.String("fn"), StatementId: aws.String("p")}); err != nil {
			t.Error(err)
		}
	}
	for i := 0; ; i++ {
		in := *add
		in.StatementId = aws.String(fmt.Sprint("many", i))
		if _, err := l.AddPermission(l.ctx, &in); err != nil {
			wantError(t, "policy's size", err, "PolicyLengthExceededException", "bigger than the limit (20480)")
			break
		}
		if i > 100 {
			t.Fatal("no limit")
		}
		defer l.RemovePermission(l.ctx, &lambda.RemovePermissionInput{FunctionName: aws.String("fn"), StatementId: in.StatementId})
	}
	for i := range 100 {
		l.RemovePermission(l.ctx, &lambda.RemovePermissionInput{FunctionName: aws.String("fn"), StatementId: aws.String(fmt.Sprint("many", i))})
	}
	if err := ask(); err != nil {
		t.Errorf("still permitted: %v", err)
	}
	if _, err := l.RemovePermission(l.ctx, &lambda.RemovePermissionInput{FunctionName: aws.String("fn"), StatementId: aws.String("gw")}); err != nil {
		t.Fatal(err)
	}
	if err := ask(); !errors.Is(err, functions.ErrNotPermitted) {
		t.Errorf("permission removed: %v", err)
	}
	_, err = l.RemovePermission(l.ctx, &lambda.RemovePermissionInput{FunctionName: aws.String("fn"), StatementId: aws.String("gw")})
	wantError(t, "removed twice", err, "ResourceNotFoundException", "No policy is associated")
}

func TestVersions(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	made := l.create("fn", func(in *lambda.CreateFunctionInput) { in.Publish = true })
	if *made.Version != "1" || *made.FunctionArn != arnOf("fn")+":1" {
		t.Errorf("published at creation: %s %s", *made.Version, *made.FunctionArn)
	}
	publish := func() string {
		t.Helper()
		out, err := l.PublishVersion(l.ctx, &lambda.PublishVersionInput{FunctionName: aws.String("fn")})
		if err != nil {
			t.Fatal(err)
		}
		return *out.Version
	}
	if v := publish(); v != "1" {
		t.Errorf("nothing changed, and version %s was published", v)
	}
	script := runnertest.Zip(t, runnertest.File{Name: "bootstrap", Body: []byte("#!/bin/sh\nexit 6\n")})
	if _, err := l.UpdateFunctionCode(l.ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("fn"), ZipFile: script}); err != nil {
		t.Fatal(err)
	}
	if v := publish(); v != "2" {
		t.Errorf("version %s", v)
	}
	if out := l.invoke("fn:1", `{"do":"context"}`); !strings.Contains(string(out.Payload), arnOf("fn")+":1") || *out.ExecutedVersion != "1" {
		t.Errorf("version 1: %s", out.Payload)
	}
	if out := l.invoke("fn", `{}`); !strings.Contains(string(out.Payload), "exit status 6") {
		t.Errorf("$LATEST: %s", out.Payload)
	}
	if _, err := l.CreateAlias(l.ctx, &lambda.CreateAliasInput{FunctionName: aws.String("fn"), Name: aws.String("live"), FunctionVersion: aws.String("1")}); err != nil {
		t.Fatal(err)
	}
	if out := l.invoke("fn:live", `{"do":"echo","value":1}`); string(out.Payload) != "1" || *out.ExecutedVersion != "1" {
		t.Errorf("alias: %s", out.Payload)
	}
	_, err := l.DeleteFunction(l.ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("fn"), Qualifier: aws.String("1")})
	wantError(t, "version with an alias", err, "ResourceConflictException", "[live]")
	// A permission on the alias is one for the alias.
	add := &lambda.AddPermissionInput{FunctionName: aws.String("fn"), Qualifier: aws.String("live"), StatementId: aws.String("gw"),
		Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com")}
	if _, err := l.AddPermission(l.ctx, add); err != nil {
		t.Fatal(err)
	}
	const source = "arn:aws:execute-api:eu-west-1:123456789012:api/s/GET/"
	if _, _, err := l.InvokeFor(t.Context(), arnOf("fn")+":live", source, "apigateway.amazonaws.com", []byte(`{"do":"pid"}`)); err != nil {
		t.Errorf("alias: %v", err)
	}
	if _, _, err := l.InvokeFor(t.Context(), arnOf("fn"), source, "apigateway.amazonaws.com", []byte(`{"do":"pid"}`)); !errors.Is(err, functions.ErrNotPermitted) {
		t.Errorf("function: %v", err)
	}
	if _, err := l.UpdateAlias(l.ctx, &lambda.UpdateAliasInput{FunctionName: aws.String("fn"), Name: aws.String("live"), FunctionVersion: aws.String("2")}); err != nil {
		t.Fatal(err)
	}
	if out := l.invoke("fn:live", `{}`); !strings.Contains(string(out.Payload), "exit status 6") {
		t.Errorf("alias moved: %s", out.Payload)
	}
	if _, err := l.DeleteFunction(l.ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("fn"), Qualifier: aws.String("1")}); err != nil {
		t.Fatal(err)
	}
	list, err := l.ListVersionsByFunction(l.ctx, &lambda.ListVersionsByFunctionInput{FunctionName: aws.String("fn")})
	if err != nil || len(list.Versions) != 2 || *list.Versions[1].Version != "2" {
		t.Errorf("versions: %v %+v", err, list)
	}
	aliases, err := l.ListAliases(l.ctx, &lambda.ListAliasesInput{FunctionName: aws.String("fn")})
	if err != nil || len(aliases.Aliases) != 1 || *aliases.Aliases[0].AliasArn != arnOf("fn")+":live" {
		t.Errorf("aliases: %v %+v", err, aliases)
	}
	if _, err := l.DeleteAlias(l.ctx, &lambda.DeleteAliasInput{FunctionName: aws.String("fn"), Name: aws.String("live")}); err != nil {
		t.Fatal(err)
	}
	_, err = l.GetAlias(l.ctx, &lambda.GetAliasInput{FunctionName: aws.String("fn"), Name: aws.String("live")})
	wantError(t, "deleted alias", err, "ResourceNotFoundException", "Cannot find alias arn: "+arnOf("fn")+":live")
}
