package functions_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/service/functions"
	"countersign/service/functions/runner"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// roles trusts Lambda with the roles that a test says.
type roles struct {
	mu      sync.Mutex
	trusted map[string]bool
}

func (r *roles) trust(role string, trusted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trusted[role] = trusted
}

func (r *roles) Trusts(_ context.Context, role string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trusted[role], nil
}

func (r *roles) Session(ctx context.Context, role, name string, life time.Duration) (id, secret, token string, expires time.Time, err error) {
	if trusted, _ := r.Trusts(ctx, role); !trusted {
		return "", "", "", time.Time{}, fmt.Errorf("%w: no trust", runner.ErrRole)
	}
	return "ASIATEST", "secret", "token of " + role, time.Now().Add(life), nil
}

// A function's role must let Lambda assume it: when the function is made, when it
// is given another role, and whenever an environment starts.
func TestRole(t *testing.T) {
	t.Parallel()
	r := &roles{trusted: map[string]bool{}}
	l := newLab(t, func(c *functions.Config) { c.Roles = r })
	const cannot = "The role defined for the function cannot be assumed by Lambda."
	_, err := l.CreateFunction(l.ctx, request(t, "fn"))
	wantError(t, "no role", err, "InvalidParameterValueException", cannot)
	if _, err := l.GetFunction(l.ctx, &lambda.GetFunctionInput{FunctionName: aws.String("fn")}); err == nil {
		t.Error("the function was made all the same")
	}
	r.trust(role, true)
	l.create("fn", nil)
	if out := l.invoke("fn", `{"do":"env"}`); !strings.Contains(string(out.Payload), "AWS_SESSION_TOKEN=token of "+role) {
		t.Errorf("the function's credentials: %s", out.Payload)
	}

	other := role + "-other"
	update := func(role *string) error {
		_, err := l.UpdateFunctionConfiguration(l.ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("fn"), Role: role, MemorySize: aws.Int32(256)})
		return err
	}
	wantError(t, "another role", update(&other), "InvalidParameterValueException", cannot)
	if got, err := l.GetFunctionConfiguration(l.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("fn")}); err != nil || *got.Role != role || *got.MemorySize != 128 {
		t.Errorf("after a refused update: %v %+v", err, got)
	}
	r.trust(other, true)
	if err := update(&other); err != nil {
		t.Fatal(err)
	}

	// Trust that is gone ends it at the next start, and does not keep anybody from changing the rest.
	r.trust(other, false)
	_, err = l.Invoke(l.ctx, &lambda.InvokeInput{FunctionName: aws.String("fn")})
	wantError(t, "no trust any more", err, "AccessDeniedException", cannot)
	if err := update(nil); err != nil {
		t.Errorf("an update without a role: %v", err)
	}
	r.trust(other, true)
	if out := l.invoke("fn", `{"do":"env"}`); !strings.Contains(string(out.Payload), "AWS_SESSION_TOKEN=token of "+other) {
		t.Errorf("trusted again: %s", out.Payload)
	}
}
