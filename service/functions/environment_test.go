package functions_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"countersign/keys"
	"countersign/service/functions"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Environment variables hold passwords: the store has them sealed, for their
// function alone. Records from before they were sealed are read, and sealed by the next write.
func TestEnvironmentIsSealed(t *testing.T) {
	t.Parallel()
	const secret = "correct horse battery staple"
	l := newLab(t, nil)
	sealer := func() *keys.Sealer {
		master, _, err := keys.NewMaster(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return keys.NewSealer(master)
	}
	with := func(s *keys.Sealer) *functions.Service {
		t.Helper()
		made, err := functions.New(functions.Config{Store: l.store, Sealer: s, Dir: t.TempDir(), Node: "other", Now: l.now, Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { made.Close(l.ctx) })
		return made
	}
	stored := func(name string) bool { // in plain text
		t.Helper()
		r, err := l.store.Get(l.ctx, "lambda/function", account+"/"+region+"/"+name)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(r.Value, []byte(secret))
	}
	environment := func(in *lambda.CreateFunctionInput) {
		in.Environment = &types.Environment{Variables: map[string]string{"PASSWORD": secret}}
		in.Publish = true
	}
	l.create("old", environment)
	if !stored("old") {
		t.Fatal("without a Sealer the variables are stored as they are; this test relies on it")
	}

	own := sealer()
	sealing := with(own)
	shows := func(s *functions.Service, name, version string) {
		t.Helper()
		got, err := s.GetFunctionConfiguration(l.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name, Qualifier: &version})
		if err != nil || got.Environment == nil || got.Environment.Variables["PASSWORD"] != secret {
			t.Errorf("%s version %s: %+v, %v", name, version, got, err)
		}
	}
	shows(sealing, "old", "1")
	if _, err := sealing.UpdateFunctionConfiguration(l.ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("old"), Timeout: aws.Int32(5)}); err != nil {
		t.Fatal(err)
	}
	in := request(t, "new")
	environment(in)
	if out, err := sealing.CreateFunction(l.ctx, in); err != nil || out.Environment.Variables["PASSWORD"] != secret {
		t.Fatalf("%+v, %v", out, err)
	}
	for _, name := range []string{"old", "new"} {
		if stored(name) {
			t.Errorf("%s: the secret is in the store", name)
		}
		for _, version := range []string{"$LATEST", "1"} {
			shows(sealing, name, version)
		}
	}
	if list, err := sealing.ListFunctions(l.ctx, &lambda.ListFunctionsInput{}); err != nil || len(list.Functions) != 2 || list.Functions[0].Environment.Variables["PASSWORD"] != secret {
		t.Errorf("listed %+v, %v", list, err)
	}

	if _, err := with(sealer()).GetFunction(l.ctx, &lambda.GetFunctionInput{FunctionName: aws.String("new")}); !errors.Is(err, keys.ErrMaster) {
		t.Errorf("with another master key: %v", err)
	}
	if _, err := with(nil).GetFunction(l.ctx, &lambda.GetFunctionInput{FunctionName: aws.String("new")}); err == nil {
		t.Error("sealed variables were read without a key")
	}
}
