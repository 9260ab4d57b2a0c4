package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// CreateDeployment freezes resources, methods, authorizers, binary media types and the resource policy. With
// StageName it points that stage at the result in the same commit, and makes the stage if it is not there.
func (r *REST) CreateDeployment(ctx context.Context, in *apigateway.CreateDeploymentInput) (*apigateway.CreateDeploymentOutput, error) {
	switch {
	case in.CanarySettings != nil:
		return nil, notBuilt("canarySettings")
	case in.StageName == nil && (in.StageDescription != nil || len(in.Variables) > 0):
		return nil, badRequest("stageDescription and variables need a stageName")
	}
	if err := unsupportedRESTStage(aws.ToBool(in.CacheClusterEnabled), in.TracingEnabled, nil, nil); err != nil {
		return nil, err
	}
	id, err := r.s.newID(ctx, deploymentIDLength)
	if err != nil {
		return nil, err
	}
	var d restDeployment
	_, err = r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, b *store.Batch) error {
		if madeBy(ctx) != nil {
			var err error
			if d, _, err = r.s.getRESTDeployment(ctx, *a, id); err == nil {
				return nil // of an earlier attempt
			}
		}
		if err := a.checkDeployable(); err != nil {
			return err
		}
		d = restDeployment{
			ID: id, Description: aws.ToString(in.Description), Created: r.s.now().UTC(),
			Resources: a.Resources, Authorizers: a.Authorizers, BinaryTypes: a.BinaryTypes, Policy: a.Policy,
		}
		b.Create(kindRESTDeployment, a.deploymentKey(d.ID), encode(d))
		if in.StageName == nil {
			return nil
		}
		g, err := a.stage(*in.StageName)
		if err != nil {
			if g, err = a.addStage(restStage{Name: *in.StageName, Created: d.Created, Made: madeBy(ctx).by()}); err != nil {
				return err
			}
		}
		g.Deployment, g.Before, g.Updated = d.ID, g.Deployment, d.Created
		set(&g.Description, in.StageDescription)
		if in.Variables != nil {
			g.Variables = in.Variables
		}
		return checkVariables(g.Variables)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.CreateDeploymentOutput](d.sdk()), nil
}

// checkDeployable demands methods, each with an integration.
func (a *restAPI) checkDeployable() error {
	some := false
	for _, one := range a.Resources {
		for _, m := range one.Methods {
			if some = true; m.Integration == nil {
				return badRequest("No integration defined for method")
			}
		}
	}
	if !some {
		return badRequest("The REST API doesn't contain any methods")
	}
	return nil
}

func (s *Service) getRESTDeployment(ctx context.Context, a restAPI, id string) (restDeployment, store.Revision, error) {
	d, revision, err := load[restDeployment](ctx, s.store, kindRESTDeployment, a.deploymentKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return d, 0, invalid("Deployment identifier")
	}
	return d, revision, err
}

// GetDeployment reads one deployment; embed=apisummary shows what it froze.
func (r *REST) GetDeployment(ctx context.Context, in *apigateway.GetDeploymentInput) (*apigateway.GetDeploymentOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	d, _, err := r.s.getRESTDeployment(ctx, a, aws.ToString(in.DeploymentId))
	if err != nil {
		return nil, err
	}
	out := fill[apigateway.GetDeploymentOutput](d.sdk())
	if slices.Contains(in.Embed, "apisummary") {
		out.ApiSummary = d.summary()
	}
	return out, nil
}

// GetDeployments lists an API's deployments.
func (r *REST) GetDeployments(ctx context.Context, in *apigateway.GetDeploymentsInput) (*apigateway.GetDeploymentsOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	records, err := r.s.store.List(ctx, kindRESTDeployment, a.deploymentKey(""), "", 0)
	if err != nil {
		return nil, fmt.Errorf("list deployments of REST API %s: %w", a.ID, err)
	}
	items := make([]types.Deployment, 0, len(records))
	for _, record := range records {
		d, err := decode[restDeployment](record)
		if err != nil {
			return nil, err
		}
		items = append(items, d.sdk())
	}
	slices.SortFunc(items, func(x, y types.Deployment) int { return cmp.Compare(*x.Id, *y.Id) })
	items, next, err := restPage(items, func(d types.Deployment) string { return *d.Id }, in.Limit, in.Position)
	if err != nil {
		return nil, err
	}
	return &apigateway.GetDeploymentsOutput{Items: items, Position: next}, nil
}

// UpdateDeployment changes a deployment's description; what it froze stays.
func (r *REST) UpdateDeployment(ctx context.Context, in *apigateway.UpdateDeploymentInput) (*apigateway.UpdateDeploymentOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	d, revision, err := r.s.getRESTDeployment(ctx, a, aws.ToString(in.DeploymentId))
	if err != nil {
		return nil, err
	}
	if err := applyPatches(in.PatchOperations, []patch{replaceText("/description", &d.Description)}); err != nil {
		return nil, err
	}
	b := new(store.Batch).Replace(kindRESTDeployment, a.deploymentKey(d.ID), encode(d), revision)
	if _, err := r.s.store.Commit(ctx, b); err != nil {
		return nil, changed(err, "deployment "+d.ID)
	}
	return fill[apigateway.UpdateDeploymentOutput](d.sdk()), nil
}

// DeleteDeployment removes a deployment that no stage serves.
func (r *REST) DeleteDeployment(ctx context.Context, in *apigateway.DeleteDeploymentInput) (*apigateway.DeleteDeploymentOutput, error) {
	id := aws.ToString(in.DeploymentId)
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, b *store.Batch) error {
		if _, _, err := r.s.getRESTDeployment(ctx, *a, id); err != nil {
			return err
		}
		if slices.ContainsFunc(a.Stages, func(g restStage) bool { return g.Deployment == id }) {
			return badRequest("Active stages pointing to this deployment must be moved or deleted")
		}
		b.Delete(kindRESTDeployment, a.deploymentKey(id))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigateway.DeleteDeploymentOutput{}, nil
}

func (d restDeployment) sdk() types.Deployment {
	return types.Deployment{Id: &d.ID, CreatedDate: &d.Created, Description: optional(d.Description)}
}

// summary is by path and method.
func (d restDeployment) summary() map[string]map[string]types.MethodSnapshot {
	all := map[string]map[string]types.MethodSnapshot{}
	path := paths(d.Resources)
	for _, one := range d.Resources {
		for _, m := range one.Methods {
			if all[path[one.ID]] == nil {
				all[path[one.ID]] = map[string]types.MethodSnapshot{}
			}
			all[path[one.ID]][m.Method] = types.MethodSnapshot{AuthorizationType: aws.String(orDefault(m.Authorization, authorizationNone))}
		}
	}
	return all
}
