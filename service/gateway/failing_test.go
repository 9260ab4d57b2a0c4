package gateway

import (
	"errors"
	"testing"

	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/smithy-go"
)

func TestWritesThatFailLeaveNothing(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk full")
	fail := false
	f, ctx := setUpOn(t, storetest.FailBefore(storetest.New(t), func(*store.Batch) error {
		if fail {
			return broken
		}
		return nil
	}))
	id := f.api(t, ctx)
	fail = true
	_, err := f.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: &id, RouteKey: aws.String("GET /")})
	var coded smithy.APIError
	if !errors.Is(err, broken) || errors.As(err, &coded) {
		t.Errorf("got %v; a failing disk is an internal error", err)
	}
	fail = false
	if got := must(f.GetRoutes(ctx, &apigatewayv2.GetRoutesInput{ApiId: &id}))(t); len(got.Items) != 0 {
		t.Errorf("a failed write left %+v", got.Items)
	}
}
