package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

func deploymentKey(a api, id string) string { return apiKey(a.Account, a.Region, a.ID) + "/" + id }

// freeze makes a deployment of the API as it stands.
func (s *Service) freeze(a *api, id, description string, automatic bool) deployment {
	return deployment{
		ID: id, Description: description, Automatic: automatic, Created: s.now().UTC(),
		Routes: a.Routes, Integrations: a.Integrations, Authorizers: a.Authorizers, CORS: a.CORS,
	}
}

// autoDeploy points every auto-deploying stage of a at a new deployment of it,
// and drops the automatic deployment that the stage had before: it could never
// be chosen again without being made anew.
func (s *Service) autoDeploy(ctx context.Context, a *api, b *store.Batch) error {
	if !slices.ContainsFunc(a.Stages, func(g stage) bool { return g.AutoDeploy }) {
		return nil
	}
	id, err := s.randomID(deploymentIDLength)
	if err != nil {
		return err
	}
	d := s.freeze(a, id, "Automatic deployment triggered by changes to the Api configuration", true)
	replaced := map[string]bool{}
	for n := range a.Stages {
		g := &a.Stages[n]
		if !g.AutoDeploy {
			continue
		}
		if g.Deployment != "" {
			replaced[g.Deployment] = true
		}
		g.Deployment, g.Updated = d.ID, d.Created
		g.DeploymentMessage = fmt.Sprintf("Successfully deployed stage with deployment ID '%s'", d.ID)
	}
	for id := range replaced {
		old, _, err := load[deployment](ctx, s.store, kindDeployment, deploymentKey(*a, id))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		inUse := slices.ContainsFunc(a.Stages, func(g stage) bool { return g.Deployment == id })
		if old.Automatic && !inUse {
			b.Delete(kindDeployment, deploymentKey(*a, id))
		}
	}
	b.Create(kindDeployment, deploymentKey(*a, d.ID), encode(d))
	return nil
}

// CreateDeployment freezes routes, integrations, authorizers and CORS; with StageName it points
// that stage at the result in the same commit.
func (s *Service) CreateDeployment(ctx context.Context, in *apigatewayv2.CreateDeploymentInput) (*apigatewayv2.CreateDeploymentOutput, error) {
	id, err := s.newID(ctx, deploymentIDLength)
	if err != nil {
		return nil, err
	}
	var d deployment
	_, err = s.editAPI(ctx, aws.ToString(in.ApiId), false, func(a *api, b *store.Batch) error {
		if len(a.Routes) == 0 {
			return badRequest("Unable to deploy API because no routes exist in this API")
		}
		if madeBy(ctx) != nil {
			var err error
			if d, _, err = s.getDeployment(ctx, *a, id); err == nil {
				return nil // of an earlier attempt
			}
		}
		d = s.freeze(a, id, aws.ToString(in.Description), false)
		b.Create(kindDeployment, deploymentKey(*a, d.ID), encode(d))
		if in.StageName == nil {
			return nil
		}
		n, err := a.stage(*in.StageName)
		if err != nil {
			return err
		}
		if a.Stages[n].AutoDeploy {
			return badRequest("Deployment ID cannot be set on stage %s because auto-deploy is enabled", *in.StageName)
		}
		a.Stages[n].Deployment, a.Stages[n].Updated = d.ID, d.Created
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.CreateDeploymentOutput](d.sdk()), nil
}

func (s *Service) getDeployment(ctx context.Context, a api, id string) (deployment, store.Revision, error) {
	d, revision, err := load[deployment](ctx, s.store, kindDeployment, deploymentKey(a, id))
	if errors.Is(err, store.ErrNotFound) {
		return d, 0, notFound("Deployment", id)
	}
	return d, revision, err
}

// GetDeployment reads one deployment.
func (s *Service) GetDeployment(ctx context.Context, in *apigatewayv2.GetDeploymentInput) (*apigatewayv2.GetDeploymentOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	d, _, err := s.getDeployment(ctx, a, aws.ToString(in.DeploymentId))
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.GetDeploymentOutput](d.sdk()), nil
}

// GetDeployments lists an API's deployments.
func (s *Service) GetDeployments(ctx context.Context, in *apigatewayv2.GetDeploymentsInput) (*apigatewayv2.GetDeploymentsOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	records, err := s.store.List(ctx, kindDeployment, deploymentKey(a, ""), "", 0)
	if err != nil {
		return nil, fmt.Errorf("list deployments of API %s: %w", a.ID, err)
	}
	items := make([]types.Deployment, 0, len(records))
	for _, r := range records {
		d, err := decode[deployment](r)
		if err != nil {
			return nil, err
		}
		items = append(items, d.sdk())
	}
	slices.SortFunc(items, func(x, y types.Deployment) int { return cmp.Compare(*x.DeploymentId, *y.DeploymentId) })
	items, next, err := page(items, func(d types.Deployment) string { return *d.DeploymentId }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.GetDeploymentsOutput{Items: items, NextToken: next}, nil
}

// UpdateDeployment changes a deployment's description; what it froze stays.
func (s *Service) UpdateDeployment(ctx context.Context, in *apigatewayv2.UpdateDeploymentInput) (*apigatewayv2.UpdateDeploymentOutput, error) {
	a, _, err := s.getAPI(ctx, aws.ToString(in.ApiId))
	if err != nil {
		return nil, err
	}
	d, revision, err := s.getDeployment(ctx, a, aws.ToString(in.DeploymentId))
	if err != nil {
		return nil, err
	}
	set(&d.Description, in.Description)
	b := new(store.Batch).Replace(kindDeployment, deploymentKey(a, d.ID), encode(d), revision)
	if _, err := s.store.Commit(ctx, b); err != nil {
		return nil, changed(err, "deployment "+d.ID)
	}
	return fill[apigatewayv2.UpdateDeploymentOutput](d.sdk()), nil
}

// DeleteDeployment removes a deployment that no stage serves.
func (s *Service) DeleteDeployment(ctx context.Context, in *apigatewayv2.DeleteDeploymentInput) (*apigatewayv2.DeleteDeploymentOutput, error) {
	id := aws.ToString(in.DeploymentId)
	_, err := s.editAPI(ctx, aws.ToString(in.ApiId), false, func(a *api, b *store.Batch) error {
		if _, _, err := s.getDeployment(ctx, *a, id); err != nil {
			return err
		}
		if slices.ContainsFunc(a.Stages, func(g stage) bool { return g.Deployment == id }) {
			return badRequest("Active stages pointing to this deployment must be moved or deleted")
		}
		b.Delete(kindDeployment, deploymentKey(*a, id))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteDeploymentOutput{}, nil
}

func (d deployment) sdk() types.Deployment {
	return types.Deployment{
		DeploymentId: &d.ID, AutoDeployed: &d.Automatic, CreatedDate: &d.Created,
		DeploymentStatus: types.DeploymentStatusDeployed, Description: optional(d.Description),
	}
}
