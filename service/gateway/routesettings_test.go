package gateway

import (
	"math"
	"testing"

	"countersign/edge/snapshot"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	v2 "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

func TestRouteSettings(t *testing.T) {
	t.Parallel()
	f, ctx := setUp(t)
	id := f.api(t, ctx)
	for _, key := range []string{"GET /a", "GET /b"} {
		must(f.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: &id, RouteKey: &key}))(t)
	}
	served := func() map[string]*snapshot.Throttle {
		t.Helper()
		_, apis, problems, err := f.Compile(ctx)
		if err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		all := map[string]*snapshot.Throttle{}
		for _, r := range apis[id].Stages["live"].Routes {
			all[r.Key] = r.Throttle
		}
		return all
	}
	made := must(f.CreateStage(ctx, &apigatewayv2.CreateStageInput{
		ApiId: &id, StageName: aws.String("live"), AutoDeploy: aws.Bool(true), DefaultRouteSettings: &v2.RouteSettings{ThrottlingRateLimit: aws.Float64(10), ThrottlingBurstLimit: aws.Int32(5)},
		RouteSettings: map[string]v2.RouteSettings{"GET /a": {ThrottlingRateLimit: aws.Float64(0.5)}},
	}))(t)
	if *made.DefaultRouteSettings.ThrottlingBurstLimit != 5 || *made.RouteSettings["GET /a"].ThrottlingRateLimit != 0.5 || made.RouteSettings["GET /a"].ThrottlingBurstLimit != nil {
		t.Errorf("made %+v %+v", made.DefaultRouteSettings, made.RouteSettings)
	}
	same(t, "served", served(), map[string]*snapshot.Throttle{"GET /a": {Rate: 0.5, Burst: 5}, "GET /b": {Rate: 10, Burst: 5}})

	update := func(in *apigatewayv2.UpdateStageInput) error {
		in.ApiId, in.StageName = &id, aws.String("live")
		_, err := f.UpdateStage(ctx, in)
		return err
	}
	if err := update(&apigatewayv2.UpdateStageInput{DefaultRouteSettings: &v2.RouteSettings{}, RouteSettings: map[string]v2.RouteSettings{"GET /b": {ThrottlingBurstLimit: aws.Int32(0)}}}); err != nil {
		t.Fatal(err)
	}
	same(t, "served", served(), map[string]*snapshot.Throttle{"GET /a": {Rate: 0.5, Burst: accountBurst}, "GET /b": {Rate: accountRate, Burst: 0}})
	remove := &apigatewayv2.DeleteRouteSettingsInput{ApiId: &id, StageName: aws.String("live"), RouteKey: aws.String("GET /a")}
	must(f.DeleteRouteSettings(ctx, remove))(t)
	same(t, "served", served(), map[string]*snapshot.Throttle{"GET /a": nil, "GET /b": {Rate: accountRate, Burst: 0}})
	_, err := f.DeleteRouteSettings(ctx, remove)
	wantError(t, err, "NotFoundException", "Route Settings")

	for want, in := range map[string]*apigatewayv2.UpdateStageInput{
		"Unable to find Route by key GET /c within the provided RouteSettings": {RouteSettings: map[string]v2.RouteSettings{"GET /c": {}}},
		"throttlingBurstLimit":                   {DefaultRouteSettings: &v2.RouteSettings{ThrottlingBurstLimit: aws.Int32(-1)}},
		"throttlingRateLimit":                    {DefaultRouteSettings: &v2.RouteSettings{ThrottlingRateLimit: aws.Float64(math.NaN())}},
		"Invalid value -1 for":                   {RouteSettings: map[string]v2.RouteSettings{"GET /a": {ThrottlingRateLimit: aws.Float64(-1)}}},
		"detailedMetricsEnabled is not built":    {DefaultRouteSettings: &v2.RouteSettings{DetailedMetricsEnabled: aws.Bool(true)}},
		"are for WebSocket APIs only":            {DefaultRouteSettings: &v2.RouteSettings{LoggingLevel: v2.LoggingLevelInfo}},
		"accessLogSettings is not built in this": {AccessLogSettings: &v2.AccessLogSettings{}},
	} {
		wantError(t, update(in), "BadRequestException", want)
	}
	same(t, "after refusals", served(), map[string]*snapshot.Throttle{"GET /a": nil, "GET /b": {Rate: accountRate, Burst: 0}})
}

func TestRouteSettingsOfAStack(t *testing.T) {
	t.Parallel()
	d, f := drive(t)
	api := d.create(t, "Api", "Api", map[string]any{"Name": "x", "ProtocolType": "HTTP"})
	d.create(t, "Route", "Route", map[string]any{"ApiId": api.PhysicalID, "RouteKey": "GET /a"})
	stage := d.create(t, "Stage", "Stage", map[string]any{
		"ApiId": api.PhysicalID, "StageName": "live", "DefaultRouteSettings": map[string]any{"ThrottlingBurstLimit": "5", "ThrottlingRateLimit": "2.5", "DetailedMetricsEnabled": "false"},
		"RouteSettings": map[string]any{"GET /a": map[string]any{"ThrottlingBurstLimit": "1"}},
	})
	got := func() *apigatewayv2.GetStageOutput {
		t.Helper()
		return must(f.GetStage(d.ctx, &apigatewayv2.GetStageInput{ApiId: &api.PhysicalID, StageName: aws.String("live")}))(t)
	}
	if s := got(); *s.DefaultRouteSettings.ThrottlingRateLimit != 2.5 || *s.RouteSettings["GET /a"].ThrottlingBurstLimit != 1 {
		t.Errorf("made %+v", s)
	}
	d.update(t, &stage, map[string]any{"ApiId": api.PhysicalID, "StageName": "live"})
	if s := got(); s.DefaultRouteSettings.ThrottlingRateLimit != nil || len(s.RouteSettings) != 0 {
		t.Errorf("after the update %+v %+v", s.DefaultRouteSettings, s.RouteSettings)
	}
}
