package call

import (
	"context"
	"testing"
)

func TestMayTag(t *testing.T) {
	t.Parallel()
	user := With(context.Background(), Call{Account: "000000000000", Principal: Principal{Account: "000000000000"}})
	stack := Through(user, CloudFormation)
	for _, test := range []struct {
		ctx  context.Context
		key  string
		want bool
	}{
		{user, "Name", true},
		{user, "aws", true},
		{user, "aws:cloudformation:stack-id", false},
		{user, "AWS:x", false},
		{stack, "Name", true},
		{stack, "aws:cloudformation:stack-id", true},
		{stack, "AWS:cloudformation:stack-id", false},
		{stack, "aws:autoscaling:groupName", false},
		{Through(user, "lambda.amazonaws.com"), "aws:cloudformation:stack-id", false},
		// A service that acts on its own behalf acts for no stack.
		{As(stack, "acm.amazonaws.com"), "aws:cloudformation:stack-id", false},
	} {
		if got := From(test.ctx).MayTag(test.key); got != test.want {
			t.Errorf("via %q, MayTag(%q) = %t, want %t", From(test.ctx).Via, test.key, got, test.want)
		}
	}
	if got := From(stack).Principal; got != From(user).Principal {
		t.Errorf("Through changed the principal to %+v", got)
	}
}
