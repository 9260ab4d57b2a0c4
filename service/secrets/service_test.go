package secrets

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/call"
	"countersign/keys"
	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"
)

const (
	testAccount = "123456789012"
	testRegion  = "eu-central-1"
)

// A bench is a service on a real store, with a clock that the test moves.
type bench struct {
	*Service
	t     testing.TB
	ctx   context.Context
	store store.Store
	clock *storetest.Clock
}

func newBench(t testing.TB) *bench {
	t.Helper()
	clock := storetest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	b := &bench{t: t, clock: clock, store: storetest.NewAt(t, clock.Now)}
	b.ctx = call.With(t.Context(), call.Call{Account: testAccount, Region: testRegion, Principal: call.Principal{Account: testAccount, ARN: "arn:aws:iam::" + testAccount + ":root"}})
	b.restart(newSealer(t))
	return b
}

// restart makes the service anew, under a master key.
func (b *bench) restart(sealer *keys.Sealer) {
	b.t.Helper()
	s, err := New(Config{Store: b.store, Sealer: sealer, Now: b.clock.Now, Rand: rand.Reader})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Service = s
}

func newSealer(t testing.TB) *keys.Sealer {
	t.Helper()
	master, _, err := keys.NewMaster(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keys.NewSealer(master)
}

// do calls an operation that must succeed.
func do[I, O any](b *bench, operation func(context.Context, *I) (*O, error), in *I) *O {
	b.t.Helper()
	out, err := operation(b.ctx, in)
	if err != nil {
		b.t.Fatalf("%T: %v", in, err)
	}
	return out
}

// refused calls an operation that must fail with a code, and with a text in its message.
func refused[I, O any](b *bench, operation func(context.Context, *I) (*O, error), in *I, code, text string) {
	b.t.Helper()
	_, err := operation(b.ctx, in)
	wantError(b.t, fmt.Sprintf("%T", in), err, code, text)
}

func wantError(t testing.TB, what string, err error, code, text string) {
	t.Helper()
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != code || !strings.Contains(coded.ErrorMessage(), text) {
		t.Errorf("%s: got %v, want %s with %q", what, err, code, text)
	}
}

func token() *string { return aws.String(uuid.NewString()) }

// secret makes a secret and gives its ARN and the id of its version.
func (b *bench) secret(name, value string) (arn, version *string) {
	b.t.Helper()
	out := do(b, b.CreateSecret, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value, ClientRequestToken: token()})
	return out.ARN, out.VersionId
}

func (b *bench) parameter(name, value string) {
	b.t.Helper()
	do(b, b.PutParameter, &ssm.PutParameterInput{Name: &name, Value: &value, Type: "String"})
}

// Nothing that is stored shows a value, and a value opens with the key and in the
// place that it was sealed with and for.
func TestAtRest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	sealer := newSealer(t)
	b.restart(sealer)
	const hidden = "correct horse battery staple"
	id, first := b.secret("db/password", hidden)
	second := do(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: id, SecretBinary: []byte(hidden), ClientRequestToken: token()}).VersionId
	for _, kind := range []ssmtypes.ParameterType{"String", "SecureString"} {
		for _, overwrite := range []bool{false, true} {
			do(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("/p/" + string(kind)), Value: aws.String(hidden), Type: kind, Overwrite: &overwrite})
		}
	}
	for _, kind := range []string{kindSecret, kindValue, kindParameter, kindHistory} {
		records, err := b.store.List(b.ctx, kind, "", "", 0)
		if err != nil || len(records) == 0 {
			t.Fatalf("%s: %d records, %v", kind, len(records), err)
		}
		for _, r := range records {
			if bytes.Contains(r.Value, []byte("horse")) || bytes.Contains(r.Value, []byte(base64.StdEncoding.EncodeToString([]byte(hidden))[:20])) {
				t.Errorf("%s %s shows the value: %s", kind, r.Key, r.Value)
			}
		}
	}

	// After a restart with the same key all is there; with another one nothing opens.
	read := func() error {
		_, one := b.GetSecretValue(b.ctx, &secretsmanager.GetSecretValueInput{SecretId: id})
		_, two := b.GetParameter(b.ctx, &ssm.GetParameterInput{Name: aws.String("/p/SecureString"), WithDecryption: aws.Bool(true)})
		_, three := b.GetParameter(b.ctx, &ssm.GetParameterInput{Name: aws.String("/p/String:1")})
		if (one == nil) != (two == nil) || (one == nil) != (three == nil) {
			t.Errorf("a secret: %v; parameters: %v, %v", one, two, three)
		}
		return one
	}
	b.restart(sealer)
	if err := read(); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	b.restart(newSealer(t))
	if err := read(); !errors.Is(err, keys.ErrMaster) || errors.As(err, new(smithy.APIError)) {
		t.Errorf("with another master key: %v, want %v and nothing for the client", err, keys.ErrMaster)
	}

	// A value in the place of another one is refused.
	b.restart(sealer)
	x, err := b.find(b.ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.store.Get(b.ctx, kindValue, x.valueKey(*first))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Commit(b.ctx, new(store.Batch).Put(kindValue, x.valueKey(*second), r.Value)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.GetSecretValue(b.ctx, &secretsmanager.GetSecretValueInput{SecretId: id}); !errors.Is(err, keys.ErrSealed) {
		t.Errorf("the value of another version: %v, want %v", err, keys.ErrSealed)
	}
}

// Reading secrets by way of other operations needs the right to read them.
func TestInnerCallsAskTheGate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.secret("open", "1")
	closed, _ := b.secret("closed", "2")
	var asked []string
	b.gate = func(ctx context.Context, input any) (context.Context, error) {
		in, ok := input.(*secretsmanager.GetSecretValueInput)
		if !ok {
			return ctx, nil
		}
		asked = append(asked, *in.SecretId)
		if *in.SecretId == "closed" || *in.SecretId == *closed {
			return ctx, coded("AccessDeniedException", "no")
		}
		return ctx, nil
	}
	out := do(b, b.BatchGetSecretValue, &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"open", "closed", "absent"}})
	if len(out.SecretValues) != 1 || *out.SecretValues[0].SecretString != "1" || len(out.Errors) != 2 || *out.Errors[0].ErrorCode != "AccessDeniedException" || *out.Errors[1].ErrorCode != "ResourceNotFoundException" {
		t.Errorf("values %+v, errors %+v", out.SecretValues, out.Errors)
	}
	out = do(b, b.BatchGetSecretValue, &secretsmanager.BatchGetSecretValueInput{Filters: []smtypes.Filter{{Key: "name", Values: []string{"closed"}}}})
	if len(out.SecretValues) != 0 || len(out.Errors) != 1 {
		t.Errorf("by filter: values %+v, errors %+v", out.SecretValues, out.Errors)
	}
	refused(b, b.GetParameter, &ssm.GetParameterInput{Name: aws.String(referencePath + "closed"), WithDecryption: aws.Bool(true)}, "AccessDeniedException", "no")
	if len(asked) != 5 {
		t.Errorf("the gate was asked about %q", asked)
	}
}

// Concurrent writers lose nothing, and none of them fails.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, _ := b.secret("busy", "0")
	b.parameter("busy", "0")
	const writers = 8
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			value := fmt.Sprint(i)
			if _, err := b.PutSecretValue(b.ctx, &secretsmanager.PutSecretValueInput{SecretId: id, SecretString: &value, ClientRequestToken: token()}); err != nil {
				t.Errorf("PutSecretValue: %v", err)
			}
			if _, err := b.PutParameter(b.ctx, &ssm.PutParameterInput{Name: aws.String("busy"), Value: &value, Overwrite: aws.Bool(true)}); err != nil {
				t.Errorf("PutParameter: %v", err)
			}
		})
	}
	wg.Wait()
	versions := do(b, b.ListSecretVersionIds, &secretsmanager.ListSecretVersionIdsInput{SecretId: id, IncludeDeprecated: aws.Bool(true)}).Versions
	if len(versions) != writers+1 {
		t.Errorf("%d versions of the secret, want %d", len(versions), writers+1)
	}
	if got := do(b, b.GetParameterHistory, &ssm.GetParameterHistoryInput{Name: aws.String("busy")}).Parameters; len(got) != writers+1 || got[writers].Version != writers+1 {
		t.Errorf("%d versions of the parameter, want %d", len(got), writers+1)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{}); err == nil {
		t.Error("a service without a store was made")
	}
}
