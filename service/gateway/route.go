package gateway

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// CreateRoute adds a route; its key must be new to the API.
func (s *Service) CreateRoute(ctx context.Context, in *apigatewayv2.CreateRouteInput) (*apigatewayv2.CreateRouteOutput, error) {
	if err := unsupportedRoute(in); err != nil {
		return nil, err
	}
	r := route{Key: aws.ToString(in.RouteKey), OperationName: aws.ToString(in.OperationName)}
	r.authorize(in.AuthorizationType, in.AuthorizerId, in.AuthorizationScopes)
	var err error
	if r.ID, err = s.newID(ctx, routeIDLength); err != nil {
		return nil, err
	}
	if r.Integration, err = routeTarget(in.Target); err != nil {
		return nil, err
	}
	_, err = s.editAPI(ctx, aws.ToString(in.ApiId), true, func(a *api, _ *store.Batch) error {
		if n, err := a.route(r.ID); err == nil && madeBy(ctx) != nil {
			r = a.Routes[n] // of an earlier attempt
			return nil
		}
		if len(a.Routes) >= maxRoutes {
			return badRequest("Maximum number of routes (%d) for API %s reached", maxRoutes, a.ID)
		}
		a.Routes = append(a.Routes, r)
		return checkRoutes(a)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.CreateRouteOutput](r.sdk()), nil
}

func unsupportedRoute(in *apigatewayv2.CreateRouteInput) error {
	switch {
	case in.AuthorizationType == types.AuthorizationTypeAwsIam:
		return notBuilt("authorizationType " + string(in.AuthorizationType))
	case aws.ToBool(in.ApiKeyRequired), in.ModelSelectionExpression != nil, len(in.RequestModels) > 0, len(in.RequestParameters) > 0, in.RouteResponseSelectionExpression != nil:
		return badRequest("apiKeyRequired, modelSelectionExpression, requestModels, requestParameters and routeResponseSelectionExpression are for WebSocket APIs only")
	}
	return nil
}

// authorize sets what the input names; NONE takes the authorizer away.
func (r *route) authorize(kind types.AuthorizationType, authorizer *string, scopes []string) {
	switch kind {
	case "":
	case types.AuthorizationTypeNone:
		r.Authorization, r.Authorizer, r.Scopes = "", "", nil
	default:
		r.Authorization = string(kind)
	}
	set(&r.Authorizer, authorizer)
	if scopes != nil {
		r.Scopes = scopes
	}
}

// routeTarget takes "integrations/<id>" apart. A route may have no target yet.
func routeTarget(target *string) (string, error) {
	if aws.ToString(target) == "" {
		return "", nil
	}
	id, ok := strings.CutPrefix(*target, "integrations/")
	if !ok || id == "" {
		return "", badRequest("Invalid target %q: want integrations/<integration id>", *target)
	}
	return id, nil
}

// checkRoutes judges all routes of an API together: keys well formed and
// unique, integrations and authorizers there, path variables known.
func checkRoutes(a *api) error {
	seen := map[string]bool{}
	for _, r := range a.Routes {
		var i integration
		if r.Integration != "" {
			n := slices.IndexFunc(a.Integrations, func(i integration) bool { return i.ID == r.Integration })
			if n < 0 {
				return badRequest("Invalid integration identifier specified: API %s has no integration %s", a.ID, r.Integration)
			}
			i = a.Integrations[n]
		}
		if err := checkRoute(r, i); err != nil {
			return err
		}
		if err := checkAuthorization(r, a.Authorizers); err != nil {
			return err
		}
		method, segments, _ := parseRouteKey(r.Key)
		shape := routeShape(method, segments)
		if seen[shape] {
			return conflict("Route with key %s already exists for this API", r.Key)
		}
		seen[shape] = true
	}
	return nil
}

func checkRoute(r route, i integration) error {
	_, segments, err := parseRouteKey(r.Key)
	if err != nil {
		return err
	}
	if i.Type != string(types.IntegrationTypeHttpProxy) {
		return nil
	}
	for _, v := range uriVariable.FindAllStringSubmatch(i.URI, -1) {
		name := strings.TrimSuffix(v[1], "+")
		if !slices.ContainsFunc(segments, func(s segment) bool { return s.Param == name }) {
			return badRequest("Invalid integration URI %q: route %s has no path variable {%s}", i.URI, r.Key, name)
		}
	}
	return nil
}

// GetRoute reads one route.
func (s *Service) GetRoute(ctx context.Context, in *apigatewayv2.GetRouteInput) (*apigatewayv2.GetRouteOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	n, err := a.route(aws.ToString(in.RouteId))
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.GetRouteOutput](a.Routes[n].sdk()), nil
}

// GetRoutes lists an API's routes.
func (s *Service) GetRoutes(ctx context.Context, in *apigatewayv2.GetRoutesInput) (*apigatewayv2.GetRoutesOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(a.Routes, func(x, y route) int { return cmp.Compare(x.ID, y.ID) })
	items, next, err := page(a.Routes, func(r route) string { return r.ID }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &apigatewayv2.GetRoutesOutput{NextToken: next, Items: []types.Route{}}
	for _, r := range items {
		out.Items = append(out.Items, r.sdk())
	}
	return out, nil
}

// UpdateRoute changes what the input names.
func (s *Service) UpdateRoute(ctx context.Context, in *apigatewayv2.UpdateRouteInput) (*apigatewayv2.UpdateRouteOutput, error) {
	if err := unsupportedRoute(fill[apigatewayv2.CreateRouteInput](*in)); err != nil {
		return nil, err
	}
	target, err := routeTarget(in.Target)
	if err != nil {
		return nil, err
	}
	var updated route
	_, err = s.editAPI(ctx, aws.ToString(in.ApiId), true, func(a *api, _ *store.Batch) error {
		n, err := a.route(aws.ToString(in.RouteId))
		if err != nil {
			return err
		}
		r := &a.Routes[n]
		if r.Managed {
			return badRequest("Route %s was made by quick create; update it through UpdateApi", r.ID)
		}
		set(&r.Key, in.RouteKey)
		set(&r.OperationName, in.OperationName)
		r.authorize(in.AuthorizationType, in.AuthorizerId, in.AuthorizationScopes)
		if in.Target != nil {
			r.Integration = target
		}
		updated = *r
		return checkRoutes(a)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.UpdateRouteOutput](updated.sdk()), nil
}

// DeleteRoute removes a route.
func (s *Service) DeleteRoute(ctx context.Context, in *apigatewayv2.DeleteRouteInput) (*apigatewayv2.DeleteRouteOutput, error) {
	_, err := s.editAPI(ctx, aws.ToString(in.ApiId), true, func(a *api, _ *store.Batch) error {
		n, err := a.route(aws.ToString(in.RouteId))
		if err != nil {
			return err
		}
		a.Routes = slices.Delete(a.Routes, n, n+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteRouteOutput{}, nil
}

func (a *api) route(id string) (int, error) {
	n := slices.IndexFunc(a.Routes, func(r route) bool { return r.ID == id })
	if n < 0 {
		return 0, notFound("Route", id)
	}
	return n, nil
}

func (r route) sdk() types.Route {
	out := types.Route{
		RouteId: &r.ID, RouteKey: &r.Key, ApiGatewayManaged: managed(r.Managed), ApiKeyRequired: aws.Bool(false),
		AuthorizationType: types.AuthorizationType(orDefault(r.Authorization, string(types.AuthorizationTypeNone))), AuthorizerId: optional(r.Authorizer),
		AuthorizationScopes: r.Scopes, OperationName: optional(r.OperationName),
	}
	if r.Integration != "" {
		out.Target = aws.String("integrations/" + r.Integration)
	}
	return out
}
