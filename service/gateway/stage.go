package gateway

import (
	"cmp"
	"context"
	"regexp"
	"slices"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

var (
	stageName     = regexp.MustCompile(`^([A-Za-z0-9_-]{1,128}|\$default)$`)
	variableName  = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)
	variableValue = regexp.MustCompile(`^[A-Za-z0-9\-._~:/?#&=,]{0,512}$`)
)

const maxVariables = 100

func checkVariables(variables map[string]string) error {
	if len(variables) > maxVariables {
		return badRequest("Too many stage variables: at most %d", maxVariables)
	}
	for name, value := range variables {
		if !variableName.MatchString(name) || !variableValue.MatchString(value) {
			return badRequest("Invalid stage variable %q: names are letters, digits and _ (64 at most), values also -._~:/?#&=, (512 at most)", name)
		}
	}
	return nil
}

func unsupportedStage(logs *types.AccessLogSettings, certificate *string) error {
	switch {
	case logs != nil:
		return notBuilt("accessLogSettings")
	case aws.ToString(certificate) != "":
		return badRequest("clientCertificateId is for WebSocket APIs only")
	}
	return nil
}

// CreateStage adds a stage. With AutoDeploy it is deployed at once.
func (s *Service) CreateStage(ctx context.Context, in *apigatewayv2.CreateStageInput) (*apigatewayv2.CreateStageOutput, error) {
	if err := unsupportedStage(in.AccessLogSettings, in.ClientCertificateId); err != nil {
		return nil, err
	}
	name := aws.ToString(in.StageName)
	if !stageName.MatchString(name) {
		return nil, badRequest("Stage name only allows a-zA-Z0-9_- characters, at most 128 of them, or the name $default")
	}
	if err := checkVariables(in.StageVariables); err != nil {
		return nil, err
	}
	if err := checkTags(ctx, in.Tags); err != nil {
		return nil, err
	}
	now := s.now().UTC()
	g := stage{
		Name: name, Description: aws.ToString(in.Description), AutoDeploy: aws.ToBool(in.AutoDeploy), Deployment: aws.ToString(in.DeploymentId),
		Variables: in.StageVariables, Tags: in.Tags, Created: now, Updated: now, Made: madeBy(ctx).by(),
	}
	if g.AutoDeploy && g.Deployment != "" {
		return nil, badRequest("Deployment ID cannot be set on stage %s because auto-deploy is enabled", name)
	}
	a, err := s.editAPI(ctx, aws.ToString(in.ApiId), g.AutoDeploy, func(a *api, _ *store.Batch) error {
		if n, err := a.stage(name); err == nil {
			if made := a.Stages[n].Made; made != "" && made == g.Made {
				return nil // an earlier attempt made it
			}
			return conflict("Stage already exists")
		}
		if len(a.Stages) >= maxStages {
			return badRequest("Maximum number of stages (%d) for API %s reached", maxStages, a.ID)
		}
		if g.Deployment != "" {
			if _, _, err := s.getDeployment(ctx, *a, g.Deployment); err != nil {
				return err
			}
		}
		made := g // an edit may start again
		if err := made.setRouteSettings(a, in.DefaultRouteSettings, in.RouteSettings); err != nil {
			return err
		}
		a.Stages = append(a.Stages, made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	n, err := a.stage(name)
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.CreateStageOutput](a.Stages[n].sdk()), nil
}

// GetStage reads one stage.
func (s *Service) GetStage(ctx context.Context, in *apigatewayv2.GetStageInput) (*apigatewayv2.GetStageOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	n, err := a.stage(aws.ToString(in.StageName))
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.GetStageOutput](a.Stages[n].sdk()), nil
}

// GetStages lists an API's stages.
func (s *Service) GetStages(ctx context.Context, in *apigatewayv2.GetStagesInput) (*apigatewayv2.GetStagesOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(a.Stages, func(x, y stage) int { return cmp.Compare(x.Name, y.Name) })
	items, next, err := page(a.Stages, func(g stage) string { return g.Name }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &apigatewayv2.GetStagesOutput{NextToken: next, Items: []types.Stage{}}
	for _, g := range items {
		out.Items = append(out.Items, g.sdk())
	}
	return out, nil
}

// UpdateStage changes what the input names.
func (s *Service) UpdateStage(ctx context.Context, in *apigatewayv2.UpdateStageInput) (*apigatewayv2.UpdateStageOutput, error) {
	if err := unsupportedStage(in.AccessLogSettings, in.ClientCertificateId); err != nil {
		return nil, err
	}
	if err := checkVariables(in.StageVariables); err != nil {
		return nil, err
	}
	name := aws.ToString(in.StageName)
	a, err := s.editAPI(ctx, aws.ToString(in.ApiId), aws.ToBool(in.AutoDeploy), func(a *api, _ *store.Batch) error {
		n, err := a.stage(name)
		if err != nil {
			return err
		}
		g := &a.Stages[n]
		set(&g.Description, in.Description)
		set(&g.AutoDeploy, in.AutoDeploy)
		if in.StageVariables != nil {
			g.Variables = in.StageVariables
		}
		if in.DeploymentId != nil {
			if g.AutoDeploy {
				return badRequest("Deployment ID cannot be set on stage %s because auto-deploy is enabled", name)
			}
			if _, _, err := s.getDeployment(ctx, *a, *in.DeploymentId); err != nil {
				return err
			}
			g.Deployment, g.DeploymentMessage = *in.DeploymentId, ""
		}
		if err := g.setRouteSettings(a, in.DefaultRouteSettings, in.RouteSettings); err != nil {
			return err
		}
		g.Updated = s.now().UTC()
		return nil
	})
	if err != nil {
		return nil, err
	}
	n, err := a.stage(name)
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.UpdateStageOutput](a.Stages[n].sdk()), nil
}

// DeleteStage removes a stage that no API mapping leads to.
func (s *Service) DeleteStage(ctx context.Context, in *apigatewayv2.DeleteStageInput) (*apigatewayv2.DeleteStageOutput, error) {
	name := aws.ToString(in.StageName)
	_, err := s.editAPI(ctx, aws.ToString(in.ApiId), false, func(a *api, b *store.Batch) error {
		n, err := a.stage(name)
		if err != nil {
			return err
		}
		mapped, err := s.mappedTo(ctx, a.Account, a.Region, func(m mapping) bool { return m.API == a.ID && m.Stage == name })
		if err != nil {
			return err
		}
		if len(mapped) > 0 {
			return badRequest("Stage %s is still used by an API mapping of domain name %s; delete the mapping (%s) first", name, mapped[0].Domain, mapped[0].Mapping)
		}
		if g := a.Stages[n]; g.AutoDeploy && g.Deployment != "" {
			b.Delete(kindDeployment, deploymentKey(*a, g.Deployment))
		}
		a.Stages = slices.Delete(a.Stages, n, n+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteStageOutput{}, nil
}

// ResetAuthorizersCache makes a stage forget what its authorizers answered.
func (s *Service) ResetAuthorizersCache(ctx context.Context, in *apigatewayv2.ResetAuthorizersCacheInput) (*apigatewayv2.ResetAuthorizersCacheOutput, error) {
	_, err := s.editAPI(ctx, aws.ToString(in.ApiId), false, func(a *api, _ *store.Batch) error {
		n, err := a.stage(aws.ToString(in.StageName))
		if err != nil {
			return err
		}
		a.Stages[n].CacheResets++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.ResetAuthorizersCacheOutput{}, nil
}

func (a *api) stage(name string) (int, error) {
	n := slices.IndexFunc(a.Stages, func(g stage) bool { return g.Name == name })
	if n < 0 {
		return 0, notFound("stage", name)
	}
	return n, nil
}

func (g stage) sdk() types.Stage {
	defaults := routeSettings{}.sdk()
	if g.Defaults != nil {
		defaults = g.Defaults.sdk()
	}
	settings := make(map[string]types.RouteSettings, len(g.Settings))
	for key, r := range g.Settings {
		settings[key] = r.sdk()
	}
	return types.Stage{
		StageName: &g.Name, ApiGatewayManaged: managed(g.Managed), AutoDeploy: managed(g.AutoDeploy), CreatedDate: &g.Created, LastUpdatedDate: &g.Updated,
		DeploymentId: optional(g.Deployment), Description: optional(g.Description), LastDeploymentStatusMessage: optional(g.DeploymentMessage),
		DefaultRouteSettings: &defaults, RouteSettings: settings,
		StageVariables: orEmpty(g.Variables), Tags: orEmpty(g.Tags),
	}
}
