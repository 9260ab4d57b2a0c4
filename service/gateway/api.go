package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"countersign/arn"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// Quotas of one API, as on AWS.
const (
	maxRoutes       = 300
	maxIntegrations = 300
	maxStages       = 10
	maxTags         = 50
)

const selectionExpression = "${request.method} ${request.path}" // the only one an HTTP API may have

// CreateApi makes an HTTP API. With Target it makes, in the same commit, an
// integration, a route and an auto-deploying $default stage as well (quick create).
func (s *Service) CreateApi(ctx context.Context, in *apigatewayv2.CreateApiInput) (*apigatewayv2.CreateApiOutput, error) {
	if in.ProtocolType != types.ProtocolTypeHttp {
		return nil, notBuilt("protocolType " + string(in.ProtocolType))
	}
	if err := unsupportedAPI(in.ApiKeySelectionExpression, in.CredentialsArn, in.RouteSelectionExpression, in.DisableSchemaValidation); err != nil {
		return nil, err
	}
	if in.RouteKey != nil && in.Target == nil {
		return nil, badRequest("routeKey needs a target: quick create makes the route and its integration together")
	}
	if err := checkTags(ctx, in.Tags); err != nil {
		return nil, err
	}
	c, err := newCORS(in.CorsConfiguration)
	if err != nil {
		return nil, err
	}
	id, err := s.newID(ctx, apiIDLength)
	if err != nil {
		return nil, err
	}
	account, region := scope(ctx)
	a := api{
		ID: id, Account: account, Region: region, Created: s.now().UTC(),
		Name: aws.ToString(in.Name), Description: aws.ToString(in.Description), Version: aws.ToString(in.Version),
		DisableDefaultEndpoint: aws.ToBool(in.DisableExecuteApiEndpoint),
		IPAddressType:          orDefault(string(in.IpAddressType), string(types.IpAddressTypeIpv4)),
		Tags:                   in.Tags,
		CORS:                   c,
	}
	b := new(store.Batch)
	if in.Target != nil {
		if err := s.quickCreate(ctx, &a, b, *in.Target, aws.ToString(in.RouteKey)); err != nil {
			return nil, err
		}
	}
	if err := s.createAPI(ctx, &a, b); err != nil {
		return nil, err
	}
	return fill[apigatewayv2.CreateApiOutput](a.sdk()), nil
}

// createAPI commits a new API. When an earlier attempt of the same making did, a becomes what that one made.
func (s *Service) createAPI(ctx context.Context, a *api, b *store.Batch) error {
	b.Create(KindAPI, apiKey(a.Account, a.Region, a.ID), encode(*a))
	_, err := s.store.Commit(ctx, b)
	if errors.Is(err, store.ErrExists) && madeBy(ctx) != nil {
		*a, _, err = s.getAPI(ctx, a.ID)
		return err
	}
	if err != nil {
		return fmt.Errorf("write API %s: %w", a.ID, err)
	}
	return nil
}

// quickCreate adds the managed integration, route and stage for a target, which
// is a Lambda function or a URL.
func (s *Service) quickCreate(ctx context.Context, a *api, b *store.Batch, target, key string) error {
	i, err := s.quickIntegration(target)
	if err != nil {
		return err
	}
	r := route{Managed: true, Key: orDefault(key, "$default"), Integration: i.ID}
	if err := checkRoute(r, i); err != nil {
		return err
	}
	if r.ID, err = s.randomID(routeIDLength); err != nil {
		return err
	}
	now := s.now().UTC()
	a.Integrations, a.Routes = []integration{i}, []route{r}
	a.Stages = []stage{{Name: "$default", Managed: true, AutoDeploy: true, Created: now, Updated: now}}
	return s.autoDeploy(ctx, a, b)
}

func (s *Service) quickIntegration(target string) (integration, error) {
	in := &apigatewayv2.CreateIntegrationInput{IntegrationType: types.IntegrationTypeHttpProxy, IntegrationUri: &target, IntegrationMethod: aws.String("ANY")}
	if strings.HasPrefix(target, "arn:") {
		in.IntegrationType, in.IntegrationMethod, in.PayloadFormatVersion = types.IntegrationTypeAwsProxy, nil, aws.String("2.0")
	}
	i, err := newIntegration(in)
	if err != nil {
		return integration{}, err
	}
	i.Managed = true
	i.ID, err = s.randomID(integrationIDLength)
	return i, err
}

// unsupportedAPI refuses what this version would have to ignore.
func unsupportedAPI(keySelection *string, credentials, selection *string, skipValidation *bool) error {
	switch {
	case keySelection != nil:
		return badRequest("apiKeySelectionExpression is for WebSocket APIs only")
	case aws.ToString(credentials) != "":
		return notBuilt("credentialsArn")
	case selection != nil && *selection != selectionExpression:
		return badRequest("routeSelectionExpression of an HTTP API must be %s", selectionExpression)
	case aws.ToBool(skipValidation):
		return badRequest("disableSchemaValidation is for WebSocket APIs only")
	}
	return nil
}

// GetApi reads one API.
func (s *Service) GetApi(ctx context.Context, in *apigatewayv2.GetApiInput) (*apigatewayv2.GetApiOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.GetApiOutput](a.sdk()), nil
}

// GetApis lists the APIs of the caller's account and Region.
func (s *Service) GetApis(ctx context.Context, in *apigatewayv2.GetApisInput) (*apigatewayv2.GetApisOutput, error) {
	account, region := scope(ctx)
	records, err := s.store.List(ctx, KindAPI, apiKey(account, region, ""), "", 0)
	if err != nil {
		return nil, fmt.Errorf("list APIs: %w", err)
	}
	items := make([]types.Api, 0, len(records))
	for _, r := range records {
		a, err := decode[api](r)
		if err != nil {
			return nil, err
		}
		items = append(items, a.sdk())
	}
	items, next, err := page(items, func(a types.Api) string { return *a.ApiId }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.GetApisOutput{Items: items, NextToken: next}, nil
}

// UpdateApi changes what the input names and leaves the rest. Target and
// RouteKey change the parts that quick create made.
func (s *Service) UpdateApi(ctx context.Context, in *apigatewayv2.UpdateApiInput) (*apigatewayv2.UpdateApiOutput, error) {
	if err := unsupportedAPI(in.ApiKeySelectionExpression, in.CredentialsArn, in.RouteSelectionExpression, in.DisableSchemaValidation); err != nil {
		return nil, err
	}
	c, err := newCORS(in.CorsConfiguration)
	if err != nil {
		return nil, err
	}
	deploys := in.Target != nil || in.RouteKey != nil || in.CorsConfiguration != nil
	a, err := s.editAPI(ctx, aws.ToString(in.ApiId), deploys, func(a *api, _ *store.Batch) error {
		set(&a.Name, in.Name)
		set(&a.Description, in.Description)
		set(&a.Version, in.Version)
		set(&a.DisableDefaultEndpoint, in.DisableExecuteApiEndpoint)
		if in.IpAddressType != "" {
			a.IPAddressType = string(in.IpAddressType)
		}
		if in.CorsConfiguration != nil {
			a.CORS = c
		}
		return s.updateQuick(a, in.Target, in.RouteKey)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.UpdateApiOutput](a.sdk()), nil
}

func (s *Service) updateQuick(a *api, target, key *string) error {
	if target == nil && key == nil {
		return nil
	}
	r := slices.IndexFunc(a.Routes, func(r route) bool { return r.Managed })
	if r < 0 {
		return badRequest("target and routeKey can be updated only on an API made by quick create; update its route and integration instead")
	}
	i := slices.IndexFunc(a.Integrations, func(i integration) bool { return i.ID == a.Routes[r].Integration })
	if target != nil && i >= 0 {
		changed, err := s.quickIntegration(*target)
		if err != nil {
			return err
		}
		changed.ID = a.Integrations[i].ID
		a.Integrations[i] = changed
	}
	set(&a.Routes[r].Key, key)
	return checkRoutes(a)
}

// DeleteApi removes an API with all that belongs to it, and the API mappings
// that lead to it.
func (s *Service) DeleteApi(ctx context.Context, in *apigatewayv2.DeleteApiInput) (*apigatewayv2.DeleteApiOutput, error) {
	id := aws.ToString(in.ApiId)
	a, revision, err := s.getAPI(ctx, id)
	if err != nil {
		return nil, err
	}
	b := new(store.Batch)
	b.DeleteIf(KindAPI, apiKey(a.Account, a.Region, id), revision)
	deployments, err := s.store.List(ctx, kindDeployment, deploymentKey(a, ""), "", 0)
	if err != nil {
		return nil, fmt.Errorf("list deployments of API %s: %w", id, err)
	}
	for _, d := range deployments {
		b.Delete(kindDeployment, d.Key)
	}
	domains, err := s.store.List(ctx, KindDomain, "", "", 0)
	if err != nil {
		return nil, fmt.Errorf("list domain names: %w", err)
	}
	for _, r := range domains {
		d, err := decode[domain](r)
		if err != nil {
			return nil, err
		}
		if d.Account != a.Account || d.Region != a.Region {
			continue
		}
		before := len(d.Mappings)
		if d.Mappings = slices.DeleteFunc(d.Mappings, func(m mapping) bool { return m.API == id }); len(d.Mappings) != before {
			b.Replace(KindDomain, d.Name, encode(d), r.Revision)
		}
	}
	if _, err := s.store.Commit(ctx, b); err != nil {
		return nil, changed(err, "API "+id)
	}
	return &apigatewayv2.DeleteApiOutput{}, nil
}

func (a api) host() string { return defaultHost(a.ID, a.Region) }

// defaultHost is the name of an API's default endpoint.
func defaultHost(id, region string) string {
	return id + ".execute-api." + region + "." + suffix(region)
}

// suffix is the domain that AWS host names of a Region end in.
func suffix(region string) string {
	if arn.Partition(region) == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

func (a api) sdk() types.Api {
	return types.Api{
		ApiId: &a.ID, Name: &a.Name, ProtocolType: types.ProtocolTypeHttp, ApiEndpoint: aws.String("https://" + a.host()),
		RouteSelectionExpression: aws.String(selectionExpression), ApiKeySelectionExpression: aws.String("$request.header.x-api-key"),
		CreatedDate: &a.Created, Description: optional(a.Description), Version: optional(a.Version),
		DisableExecuteApiEndpoint: &a.DisableDefaultEndpoint, IpAddressType: types.IpAddressType(a.IPAddressType), Tags: orEmpty(a.Tags),
		CorsConfiguration: a.CORS.sdk(),
	}
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func orEmpty(tags map[string]string) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}
