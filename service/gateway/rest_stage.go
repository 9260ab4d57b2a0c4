package gateway

import (
	"cmp"
	"context"
	"regexp"
	"slices"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

var restStageName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// unsupportedRESTStage refuses what a stage of this version does not do.
func unsupportedRESTStage(cache bool, tracing *bool, canary *types.CanarySettings, documentation *string) error {
	switch {
	case cache:
		return notBuilt("cacheClusterEnabled")
	case aws.ToBool(tracing):
		return notBuilt("tracingEnabled")
	case canary != nil:
		return notBuilt("canarySettings")
	case aws.ToString(documentation) != "":
		return notBuilt("documentationVersion")
	}
	return nil
}

// addStage adds a stage; its name must be new to the API.
func (a *restAPI) addStage(g restStage) (*restStage, error) {
	if !restStageName.MatchString(g.Name) {
		return nil, badRequest("Stage name only allows a-zA-Z0-9_- characters, at most 128 of them")
	}
	if len(a.Stages) >= maxStages {
		return nil, limitExceeded("Maximum number of stages (%d) for API %s reached", maxStages, a.ID)
	}
	a.Stages = append(a.Stages, g)
	return &a.Stages[len(a.Stages)-1], nil
}

// CreateStage adds a stage that serves a deployment.
func (r *REST) CreateStage(ctx context.Context, in *apigateway.CreateStageInput) (*apigateway.CreateStageOutput, error) {
	if err := unsupportedRESTStage(in.CacheClusterEnabled, &in.TracingEnabled, in.CanarySettings, in.DocumentationVersion); err != nil {
		return nil, err
	}
	if err := checkVariables(in.Variables); err != nil {
		return nil, err
	}
	if err := checkTags(ctx, in.Tags); err != nil {
		return nil, err
	}
	now := r.s.now().UTC()
	made := restStage{
		Name: aws.ToString(in.StageName), Deployment: aws.ToString(in.DeploymentId), Description: aws.ToString(in.Description),
		Variables: in.Variables, Tags: in.Tags, Created: now, Updated: now, Made: madeBy(ctx).by(),
	}
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		if old, err := a.stage(made.Name); err == nil {
			if old.Made != "" && old.Made == made.Made {
				made = *old // an earlier attempt made it
				return nil
			}
			return conflict("Stage already exists")
		}
		if _, _, err := r.s.getRESTDeployment(ctx, *a, made.Deployment); err != nil {
			return err
		}
		_, err := a.addStage(made)
		return err
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.CreateStageOutput](made.sdk()), nil
}

// GetStage reads one stage.
func (r *REST) GetStage(ctx context.Context, in *apigateway.GetStageInput) (*apigateway.GetStageOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	g, err := a.stage(aws.ToString(in.StageName))
	if err != nil {
		return nil, err
	}
	return fill[apigateway.GetStageOutput](g.sdk()), nil
}

// GetStages lists an API's stages, or those that serve one deployment.
func (r *REST) GetStages(ctx context.Context, in *apigateway.GetStagesInput) (*apigateway.GetStagesOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	out := &apigateway.GetStagesOutput{Item: []types.Stage{}}
	slices.SortFunc(a.Stages, func(x, y restStage) int { return cmp.Compare(x.Name, y.Name) })
	for _, g := range a.Stages {
		if in.DeploymentId == nil || *in.DeploymentId == g.Deployment {
			out.Item = append(out.Item, g.sdk())
		}
	}
	return out, nil
}

// UpdateStage changes what the patch operations name.
func (r *REST) UpdateStage(ctx context.Context, in *apigateway.UpdateStageInput) (*apigateway.UpdateStageOutput, error) {
	var updated restStage
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		g, err := a.stage(aws.ToString(in.StageName))
		if err != nil {
			return err
		}
		before := g.Deployment
		operations, err := g.applySettings(in.PatchOperations)
		if err != nil {
			return err
		}
		if err := applyPatches(operations, g.patches()); err != nil {
			return err
		}
		if g.Deployment != before {
			if _, _, err := r.s.getRESTDeployment(ctx, *a, g.Deployment); err != nil {
				return err
			}
			g.Before = ""
		}
		if err := checkVariables(g.Variables); err != nil {
			return err
		}
		g.Updated = r.s.now().UTC()
		updated = *g
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.UpdateStageOutput](updated.sdk()), nil
}

func (g *restStage) patches() []patch {
	return []patch{
		replaceText("/deploymentId", &g.Deployment),
		replaceText("/description", &g.Description),
		replaceIn("/variables/*", anyChange, &g.Variables),
		unbuiltPatch("/cacheClusterEnabled", replaceOnly, "cacheClusterEnabled", "false"),
		unbuiltPatch("/cacheClusterSize", replaceOnly, "cacheClusterSize", ""),
		unbuiltPatch("/clientCertificateId", replaceOnly, "clientCertificateId", ""),
		unbuiltPatch("/accessLogSettings", anyChange, "accessLogSettings", ""),
		unbuiltPatch("/accessLogSettings/*", anyChange, "accessLogSettings", ""),
		unbuiltPatch("/canarySettings", anyChange, "canarySettings", ""),
		unbuiltPatch("/canarySettings/*", anyChange, "canarySettings", ""),
		unbuiltPatch("/documentationVersion", replaceOnly, "documentationVersion", ""),
		unbuiltPatch("/tracingEnabled", replaceOnly, "tracingEnabled", "false"),
		unbuiltPatch("/webAclArn", replaceOnly, "webAclArn", ""),
	}
}

// DeleteStage removes a stage that no base path mapping leads to.
func (r *REST) DeleteStage(ctx context.Context, in *apigateway.DeleteStageInput) (*apigateway.DeleteStageOutput, error) {
	name := aws.ToString(in.StageName)
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		if _, err := a.stage(name); err != nil {
			return err
		}
		mapped, err := r.s.mappedTo(ctx, a.Account, a.Region, func(m mapping) bool { return m.API == a.ID && m.Stage == name })
		if err != nil {
			return err
		}
		if len(mapped) > 0 {
			return badRequest("Deleting stage %s failed. Please remove all base path mappings related to the stage in your domains: %s", name, domainsOf(mapped))
		}
		a.Stages = slices.DeleteFunc(a.Stages, func(g restStage) bool { return g.Name == name })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigateway.DeleteStageOutput{}, nil
}

// FlushStageAuthorizersCache makes a stage forget what its authorizers answered.
func (r *REST) FlushStageAuthorizersCache(ctx context.Context, in *apigateway.FlushStageAuthorizersCacheInput) (*apigateway.FlushStageAuthorizersCacheOutput, error) {
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		g, err := a.stage(aws.ToString(in.StageName))
		if err != nil {
			return err
		}
		g.CacheResets++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigateway.FlushStageAuthorizersCacheOutput{}, nil
}

func (g restStage) sdk() types.Stage {
	out := types.Stage{
		StageName: &g.Name, DeploymentId: &g.Deployment, Description: optional(g.Description), CreatedDate: &g.Created, LastUpdatedDate: &g.Updated,
		CacheClusterStatus: types.CacheClusterStatusNotAvailable, Variables: g.Variables, Tags: g.Tags, MethodSettings: map[string]types.MethodSetting{},
	}
	for _, m := range g.Settings {
		out.MethodSettings[m.Key] = m.sdk()
	}
	return out
}
