package gateway

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"countersign/arn"
	"countersign/service/gateway/openapi"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/smithy-go"
)

// ImportApi makes an HTTP API of an OpenAPI 3.0 document: routes, integrations,
// authorizers, CORS and tags in one commit. What in the document would keep a
// route from working on AWS is a warning, and the route is left out; with FailOnWarnings
// nothing is made. What AWS has and this version does not build is an error.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
func (s *Service) ImportApi(ctx context.Context, in *apigatewayv2.ImportApiInput) (*apigatewayv2.ImportApiOutput, error) {
	i, err := readImport(ctx, aws.ToString(in.Body), aws.ToString(in.Basepath), in.FailOnWarnings)
	if err != nil {
		return nil, err
	}
	id, err := s.newID(ctx, apiIDLength)
	if err != nil {
		return nil, err
	}
	account, region := scope(ctx)
	a := api{ID: id, Account: account, Region: region, Created: s.now().UTC(), IPAddressType: string(types.IpAddressTypeIpv4)}
	if err := s.apply(ctx, i, &a); err != nil {
		return nil, err
	}
	if err := s.createAPI(ctx, &a, new(store.Batch)); err != nil {
		return nil, err
	}
	out := fill[apigatewayv2.ImportApiOutput](a.sdk())
	out.ImportInfo, out.Warnings = i.info, i.warnings
	return out, nil
}

// ReimportApi makes an API what a document says, in one commit. Routes and authorizers that
// were there under the same key or name keep their ids. Stages stay, tags that no document
// brought stay, and so does disableExecuteApiEndpoint where the document does not mention it.
func (s *Service) ReimportApi(ctx context.Context, in *apigatewayv2.ReimportApiInput) (*apigatewayv2.ReimportApiOutput, error) {
	i, err := readImport(ctx, aws.ToString(in.Body), aws.ToString(in.Basepath), in.FailOnWarnings)
	if err != nil {
		return nil, err
	}
	a, err := s.editAPI(ctx, aws.ToString(in.ApiId), true, func(a *api, _ *store.Batch) error { return s.apply(ctx, i, a) })
	if err != nil {
		return nil, err
	}
	out := fill[apigatewayv2.ReimportApiOutput](a.sdk())
	out.ImportInfo, out.Warnings = i.info, i.warnings
	return out, nil
}

// An imported is what a document asks for, judged; ids are given by apply.
type imported struct {
	name, description, version string
	disable                    *bool
	cors                       *cors
	tags                       map[string]string
	authorizers                []authorizer
	integrations               []integration
	routes                     []importedRoute
	info, warnings             []string
}

// An importedRoute has no ids yet: integration is an index, -1 for none; Authorizer is a name.
type importedRoute struct {
	route
	integration int
}

// readImport reads and judges a document. For a stack, it fails also when parts were left out,
// unless the template says FailOnWarnings: false. A stack shows warnings to
// nobody, and would be complete without the routes that it asks for.
func readImport(ctx context.Context, body, basepath string, failOnWarnings *bool) (*imported, error) {
	account, region := scope(ctx)
	d, err := openapi.Parse([]byte(body), openapi.Options{Account: account, Region: region, Partition: arn.Partition(region)})
	if err != nil {
		return nil, badRequest("Invalid OpenAPI input. %v", err)
	}
	prefix, err := d.Prefix(basepath)
	if err != nil {
		return nil, badRequest("Invalid parameter: %v", err)
	}
	c := conversion{document: d, prefix: prefix, shared: map[string]int{}}
	c.warnings = d.Warnings
	if err := c.convert(); err != nil {
		return nil, err
	}
	fatal := c.warnings
	if !aws.ToBool(failOnWarnings) {
		fatal = nil
	}
	if failOnWarnings == nil && madeBy(ctx) != nil {
		fatal = c.left
	}
	if len(fatal) > 0 {
		return nil, badRequest("Warnings found during import:\n\t%s", strings.Join(fatal, "\n\t"))
	}
	return &c.imported, nil
}

// apply makes a what the document asks for. What was there under the same name keeps its id.
func (s *Service) apply(ctx context.Context, i *imported, a *api) error {
	made := madeBy(ctx)
	var err error
	a.Name, a.Description, a.Version, a.CORS = i.name, i.description, i.version, i.cors
	switch {
	case i.disable != nil:
		a.DisableDefaultEndpoint = *i.disable
	case made != nil: // a template says all there is to say
		a.DisableDefaultEndpoint = false
	}
	if err := a.importTags(made, i.tags); err != nil {
		return err
	}
	names := map[string]string{} // of authorizers → id
	authorizers := slices.Clone(i.authorizers)
	for n := range authorizers {
		z := &authorizers[n]
		if was := slices.IndexFunc(a.Authorizers, func(old authorizer) bool { return old.Name == z.Name }); was >= 0 {
			z.ID = a.Authorizers[was].ID
		} else if z.ID, err = s.randomID(authorizerIDLength); err != nil {
			return err
		}
		names[z.Name] = z.ID
	}
	integrations := slices.Clone(i.integrations)
	routes := make([]route, len(i.routes))
	taken := map[string]bool{}
	for n, r := range i.routes {
		routes[n] = r.route
		routes[n].Authorizer = names[r.Authorizer]
		var old route
		if was := slices.IndexFunc(a.Routes, func(old route) bool { return old.Key == r.Key }); was >= 0 {
			old = a.Routes[was]
			routes[n].ID = old.ID
		} else if routes[n].ID, err = s.randomID(routeIDLength); err != nil {
			return err
		}
		if r.integration < 0 {
			continue
		}
		target := &integrations[r.integration]
		if target.ID == "" && old.Integration != "" && !taken[old.Integration] {
			target.ID = old.Integration
		} else if target.ID == "" {
			if target.ID, err = s.randomID(integrationIDLength); err != nil {
				return err
			}
		}
		taken[target.ID] = true
		routes[n].Integration = target.ID
	}
	a.Authorizers, a.Integrations, a.Routes = authorizers, integrations, routes
	return checkRoutes(a) // convert has left out what cannot be
}

// importTags adds a document's tags to those that a has, and those that an import before this
// one brought go when it has them no longer. A stack's come and go likewise.
func (a *api) importTags(made *making, tags map[string]string) error {
	all := maps.Clone(a.Tags)
	if all == nil {
		all = map[string]string{}
	}
	for _, k := range a.Imported {
		delete(all, k)
	}
	if made != nil {
		for k := range made.oldTags {
			delete(all, k)
		}
		maps.Copy(all, made.tags)
	}
	maps.Copy(all, tags)
	a.Imported = slices.Sorted(maps.Keys(tags))
	if err := countTags(all); err != nil {
		return err
	}
	if a.Tags = all; len(all) == 0 {
		a.Tags = nil
	}
	return nil
}

// reason is the text of an error that is the caller's to see.
func reason(err error) string {
	var coded smithy.APIError
	if errors.As(err, &coded) {
		return coded.ErrorMessage()
	}
	return err.Error()
}
