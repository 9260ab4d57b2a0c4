package gateway

import (
	"context"
	"math"
	"slices"

	"countersign/edge/snapshot"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// What is left out of a throttle whose other half is given: the account's limits on AWS.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const (
	accountRate  = 10000 // requests per second
	accountBurst = 5000
)

// newRouteSettings checks throttling settings. Those that say nothing are none.
func newRouteSettings(in *types.RouteSettings) (*routeSettings, error) {
	switch {
	case in == nil:
		return nil, nil
	case aws.ToBool(in.DataTraceEnabled), in.LoggingLevel != "" && in.LoggingLevel != types.LoggingLevelOff:
		return nil, badRequest("dataTraceEnabled and loggingLevel are for WebSocket APIs only")
	case aws.ToBool(in.DetailedMetricsEnabled):
		return nil, notBuilt("detailedMetricsEnabled")
	case in.ThrottlingBurstLimit != nil && *in.ThrottlingBurstLimit < 0:
		return nil, badRequest("Invalid value %d for throttlingBurstLimit: it cannot be negative", *in.ThrottlingBurstLimit)
	case in.ThrottlingRateLimit != nil && !(*in.ThrottlingRateLimit >= 0 && *in.ThrottlingRateLimit <= math.MaxInt32):
		return nil, badRequest("Invalid value %v for throttlingRateLimit: give 0 to %d requests per second", *in.ThrottlingRateLimit, math.MaxInt32)
	case in.ThrottlingBurstLimit == nil && in.ThrottlingRateLimit == nil:
		return nil, nil
	}
	return &routeSettings{Burst: in.ThrottlingBurstLimit, Rate: in.ThrottlingRateLimit}, nil
}

// setRouteSettings sets what is given: the defaults as a whole, and those of each route that is named.
func (g *stage) setRouteSettings(a *api, defaults *types.RouteSettings, settings map[string]types.RouteSettings) error {
	if defaults != nil {
		var err error
		if g.Defaults, err = newRouteSettings(defaults); err != nil {
			return err
		}
	}
	for key, in := range settings {
		if !slices.ContainsFunc(a.Routes, func(r route) bool { return r.Key == key }) {
			return badRequest("Unable to find Route by key %s within the provided RouteSettings", key)
		}
		one, err := newRouteSettings(&in)
		if err != nil {
			return err
		}
		if one == nil {
			delete(g.Settings, key)
			continue
		}
		if g.Settings == nil {
			g.Settings = map[string]routeSettings{}
		}
		g.Settings[key] = *one
	}
	return nil
}

// throttle is what holds for a route: its own settings, else the stage's; nil: nothing.
func (g *stage) throttle(key string) *snapshot.Throttle {
	defaults := routeSettings{}
	if g.Defaults != nil {
		defaults = *g.Defaults
	}
	return g.Settings[key].throttle(defaults)
}

// throttle fills in what the settings leave out; nil: nothing is said.
func (own routeSettings) throttle(defaults routeSettings) *snapshot.Throttle {
	if own.Burst == nil {
		own.Burst = defaults.Burst
	}
	if own.Rate == nil {
		own.Rate = defaults.Rate
	}
	if own.Burst == nil && own.Rate == nil {
		return nil
	}
	t := &snapshot.Throttle{Rate: accountRate, Burst: accountBurst}
	set(&t.Rate, own.Rate)
	set(&t.Burst, own.Burst)
	return t
}

// DeleteRouteSettings gives a route the settings of its stage again.
func (s *Service) DeleteRouteSettings(ctx context.Context, in *apigatewayv2.DeleteRouteSettingsInput) (*apigatewayv2.DeleteRouteSettingsOutput, error) {
	_, err := s.editAPI(ctx, aws.ToString(in.ApiId), false, func(a *api, _ *store.Batch) error {
		n, err := a.stage(aws.ToString(in.StageName))
		if err != nil {
			return err
		}
		g := &a.Stages[n]
		if _, there := g.Settings[aws.ToString(in.RouteKey)]; !there {
			return notFound("Route Settings", aws.ToString(in.RouteKey))
		}
		delete(g.Settings, *in.RouteKey)
		g.Updated = s.now().UTC()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteRouteSettingsOutput{}, nil
}

func (r routeSettings) sdk() types.RouteSettings {
	return types.RouteSettings{DetailedMetricsEnabled: aws.Bool(false), ThrottlingBurstLimit: r.Burst, ThrottlingRateLimit: r.Rate}
}
