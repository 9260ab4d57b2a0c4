package gateway

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// pathPart: what one resource may be called.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
var pathPart = regexp.MustCompile(`^([a-zA-Z0-9._\-:,$@%!'()*+;=~&]+|\{[a-zA-Z0-9._\-:]+\+?\})$`)

// variable tells a path part that stands for what a caller writes, and one that takes all that follows.
func variable(part string) (is, greedy bool) {
	return strings.HasPrefix(part, "{"), strings.HasSuffix(part, "+}")
}

// CreateResource adds a resource below another one.
func (r *REST) CreateResource(ctx context.Context, in *apigateway.CreateResourceInput) (*apigateway.CreateResourceOutput, error) {
	made := restResource{Parent: aws.ToString(in.ParentId), Part: aws.ToString(in.PathPart)}
	var err error
	if made.ID, err = r.s.newID(ctx, resourceIDSize); err != nil {
		return nil, err
	}
	a, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		if found, err := a.resource(made.ID); err == nil && madeBy(ctx) != nil {
			made = *found // of an earlier attempt
			return nil
		}
		if len(a.Resources) >= maxResources {
			return limitExceeded("Maximum number of resources (%d) for API %s reached", maxResources, a.ID)
		}
		if err := a.checkPlace(made); err != nil {
			return err
		}
		a.Resources = append(a.Resources, made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.CreateResourceOutput](a.sdkResource(made, paths(a.Resources), nil)), nil
}

// checkPlace judges whether a resource may stand below its parent.
func (a *restAPI) checkPlace(r restResource) error {
	parent, err := a.resource(r.Parent)
	if err != nil {
		return err
	}
	if !pathPart.MatchString(r.Part) || len(r.Part) > 255 {
		return badRequest("Resource's path part only allow a-zA-Z0-9._-:,$@%%!'()*+;=~& or an equal number of curly braces at the beginning and the end of it: %q", r.Part)
	}
	if _, greedy := variable(parent.Part); greedy {
		return badRequest("Cannot create a child of a resource with a greedy path variable: %s", parent.Part)
	}
	is, _ := variable(r.Part)
	for _, sibling := range a.children(r.Parent) {
		other, _ := variable(sibling.Part)
		switch {
		case sibling.ID == r.ID:
		case sibling.Part == r.Part:
			return conflict("Another resource with the same parent already has this name: %s", r.Part)
		case is && other:
			return badRequest("A sibling (%s) of this resource already has a variable path part -- only one is allowed", sibling.Part)
		}
	}
	if !is {
		return nil
	}
	name := strings.Trim(r.Part, "{+}")
	for at := parent; at.Parent != ""; at, _ = a.resource(at.Parent) {
		if v, _ := variable(at.Part); v && strings.Trim(at.Part, "{+}") == name {
			return badRequest("Invalid path parameter: {%s} stands twice in one path", name)
		}
	}
	return nil
}

// GetResource reads one resource; embed=methods shows its methods whole.
func (r *REST) GetResource(ctx context.Context, in *apigateway.GetResourceInput) (*apigateway.GetResourceOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	found, err := a.resource(aws.ToString(in.ResourceId))
	if err != nil {
		return nil, err
	}
	return fill[apigateway.GetResourceOutput](a.sdkResource(*found, paths(a.Resources), in.Embed)), nil
}

// GetResources lists an API's resources by path.
func (r *REST) GetResources(ctx context.Context, in *apigateway.GetResourcesInput) (*apigateway.GetResourcesOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	all := paths(a.Resources)
	slices.SortFunc(a.Resources, func(x, y restResource) int { return cmp.Compare(all[x.ID], all[y.ID]) })
	items, next, err := restPage(a.Resources, func(r restResource) string { return all[r.ID] }, in.Limit, in.Position)
	if err != nil {
		return nil, err
	}
	out := &apigateway.GetResourcesOutput{Position: next, Items: []types.Resource{}}
	for _, one := range items {
		out.Items = append(out.Items, a.sdkResource(one, all, in.Embed))
	}
	return out, nil
}

// UpdateResource renames a resource or moves it, with all that is below it.
func (r *REST) UpdateResource(ctx context.Context, in *apigateway.UpdateResourceInput) (*apigateway.UpdateResourceOutput, error) {
	var updated restResource
	a, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		found, err := a.resource(aws.ToString(in.ResourceId))
		if err != nil {
			return err
		}
		if err := applyPatches(in.PatchOperations, []patch{replaceText("/pathPart", &found.Part), replaceText("/parentId", &found.Parent)}); err != nil {
			return err
		}
		updated = *found
		if found.ID == a.root() {
			return badRequest("Root resource cannot be updated")
		}
		for at := found.Parent; at != ""; {
			if at == found.ID {
				return badRequest("Resources cannot be cyclical.")
			}
			up, err := a.resource(at)
			if err != nil {
				return err
			}
			at = up.Parent
		}
		if _, greedy := variable(found.Part); greedy && len(a.children(found.ID)) > 0 {
			return badRequest("Cannot create a child of a resource with a greedy path variable: %s", found.Part)
		}
		return a.checkPlace(*found)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.UpdateResourceOutput](a.sdkResource(updated, paths(a.Resources), nil)), nil
}

// DeleteResource removes a resource with all that is below it.
func (r *REST) DeleteResource(ctx context.Context, in *apigateway.DeleteResourceInput) (*apigateway.DeleteResourceOutput, error) {
	id := aws.ToString(in.ResourceId)
	_, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		if _, err := a.resource(id); err != nil {
			return err
		}
		if id == a.root() {
			return badRequest("Root resource cannot be deleted")
		}
		gone := map[string]bool{id: true}
		for again := true; again; {
			again = false
			for _, r := range a.Resources {
				if gone[r.Parent] && !gone[r.ID] {
					gone[r.ID], again = true, true
				}
			}
		}
		a.Resources = slices.DeleteFunc(a.Resources, func(r restResource) bool { return gone[r.ID] })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigateway.DeleteResourceOutput{}, nil
}

// sdkResource shows methods by name alone unless they are embedded.
func (a restAPI) sdkResource(r restResource, paths map[string]string, embed []string) types.Resource {
	out := types.Resource{Id: &r.ID, ParentId: optional(r.Parent), PathPart: optional(r.Part), Path: aws.String(paths[r.ID])}
	for _, m := range r.Methods {
		if out.ResourceMethods == nil {
			out.ResourceMethods = map[string]types.Method{}
		}
		shown := types.Method{}
		if slices.Contains(embed, "methods") {
			shown = m.sdk()
		}
		out.ResourceMethods[m.Method] = shown
	}
	return out
}
