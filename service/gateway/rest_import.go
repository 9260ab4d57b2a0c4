package gateway

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"countersign/arn"
	"countersign/service/gateway/openapi"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/smithy-go"
)

// ImportRestApi makes a REST API of a Swagger 2.0 or OpenAPI 3.0 document in one commit. What cannot be
// made is an error, all such errors at once, and nothing is made; what has no effect here (models) is a warning.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api.html
func (r *REST) ImportRestApi(ctx context.Context, in *apigateway.ImportRestApiInput) (*apigateway.ImportRestApiOutput, error) {
	i, err := readREST(ctx, in.Body, in.Parameters, in.FailOnWarnings)
	if err != nil {
		return nil, err
	}
	a, err := r.newAPI(ctx)
	if err != nil {
		return nil, err
	}
	if m := madeBy(ctx); m != nil {
		a.Tags = maps.Clone(m.tags)
		i.disable = cmp.Or(m.disable, i.disable)
	}
	if err := r.apply(i, &a, types.PutModeOverwrite); err != nil {
		return nil, err
	}
	if err := r.create(ctx, &a); err != nil {
		return nil, err
	}
	out := fill[apigateway.ImportRestApiOutput](a.sdk())
	out.Warnings = i.warnings
	return out, nil
}

// PutRestApi brings a document into an API in one commit: with the mode overwrite its resources, methods, authorizers and
// binary media types are those of the document alone; with merge, which is the default, what the document does not
// have stays. Resources of the same path and authorizers of the same name keep their ids. Stages stay. So do a resource policy
// and disableExecuteApiEndpoint of which the document says nothing, in both modes: silence does not open an API.
func (r *REST) PutRestApi(ctx context.Context, in *apigateway.PutRestApiInput) (*apigateway.PutRestApiOutput, error) {
	i, err := readREST(ctx, in.Body, in.Parameters, in.FailOnWarnings)
	if err != nil {
		return nil, err
	}
	mode := in.Mode
	if mode == "" {
		mode = types.PutModeMerge
	}
	if m := madeBy(ctx); m != nil {
		i.disable = cmp.Or(m.disable, i.disable)
	}
	a, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error { return r.apply(i, a, mode) })
	if err != nil {
		return nil, err
	}
	out := fill[apigateway.PutRestApiOutput](a.sdk())
	out.Warnings = i.warnings
	return out, nil
}

// An importedREST is what a document asks for; ids are given by apply.
type importedREST struct {
	name, description, version string
	disable                    *bool
	endpoint                   *types.EndpointConfiguration // nil: nothing is said
	policy                     string                       // likewise ""
	binaryTypes                []string
	authorizers                []restAuthorizer
	paths                      []string // that there are to be resources for
	methods                    []importedMethod
	warnings                   []string
}

// An importedMethod has no ids yet: Authorizer is a name.
type importedMethod struct {
	restMethod
	path string
}

// importParameters are what the query of an import may have beside its modes.
var importParameters = []string{"basepath", "endpointConfigurationTypes", "ignore"}

func readREST(ctx context.Context, body []byte, parameters map[string]string, failOnWarnings bool) (*importedREST, error) {
	account, region := scope(ctx)
	for name := range parameters {
		if !slices.Contains(importParameters, name) {
			return nil, badRequest("Invalid parameter: %q is not one of %s", name, strings.Join(importParameters, ", "))
		}
	}
	d, err := openapi.Parse(body, openapi.Options{Account: account, Region: region, Partition: arn.Partition(region)})
	if err != nil {
		return nil, badRequest("Invalid OpenAPI input. %v", err)
	}
	prefix, err := d.Prefix(parameters["basepath"])
	if err != nil {
		return nil, badRequest("Invalid parameter: %v", err)
	}
	c := restConversion{document: d, prefix: prefix}
	c.convert(parameters["endpointConfigurationTypes"])
	if err := c.failed(); err != nil {
		return nil, err
	}
	if failOnWarnings && len(d.Warnings) > 0 {
		return nil, badRequest("Warnings found during import:\n\t%s", strings.Join(d.Warnings, "\n\t"))
	}
	c.warnings = slices.Concat(d.Warnings, c.notes)
	return &c.importedREST, nil
}

// apply makes a what the document asks for. It fails with all that is wrong at once.
func (r *REST) apply(i *importedREST, a *restAPI, mode types.PutMode) error {
	a.Name, a.Description, a.Version = i.name, i.description, i.version
	set(&a.DisableDefaultEndpoint, i.disable)
	if err := a.setEndpoint(i.endpoint); err != nil {
		return err
	}
	if i.policy != "" {
		if err := a.setPolicy(i.policy); err != nil {
			return err
		}
	}
	old := restAPI{Resources: a.Resources, Authorizers: a.Authorizers}
	if mode == types.PutModeOverwrite {
		a.BinaryTypes, a.Authorizers, a.Resources = nil, nil, []restResource{{ID: old.root()}}
	}
	a.BinaryTypes = append(a.BinaryTypes, i.binaryTypes...)
	if err := a.check(); err != nil {
		return err
	}
	ids, err := r.importAuthorizers(i, a, &old)
	if err != nil {
		return err
	}
	var wrong []string
	for _, path := range i.paths {
		if _, err := r.place(a, &old, path); err != nil {
			if !errors.As(err, new(smithy.APIError)) {
				return err
			}
			wrong = append(wrong, "Unable to create resource at path '"+path+"': "+reason(err))
		}
	}
	for _, m := range i.methods {
		at, err := r.place(a, &old, m.path)
		if err != nil {
			continue // it stands among paths, and has been said
		}
		made := m.restMethod
		made.Authorizer = ids[m.Authorizer]
		if made.Integration != nil {
			integration := *made.Integration
			integration.CacheNamespace = orDefault(integration.CacheNamespace, at.ID)
			made.Integration = &integration
		}
		if err := made.checkAlone(a); err != nil {
			wrong = append(wrong, "Unable to put method '"+m.Method+"' on resource at path '"+m.path+"': "+reason(err))
			continue
		}
		if made.Integration != nil {
			if err := made.Integration.check(&made); err != nil {
				wrong = append(wrong, "Unable to put integration on '"+m.Method+"' for resource at path '"+m.path+"': "+reason(err))
				continue
			}
		}
		at.Methods = slices.DeleteFunc(at.Methods, func(old restMethod) bool { return old.Method == made.Method })
		at.putMethod(made)
	}
	if len(a.Resources) > maxResources {
		return limitExceeded("Maximum number of resources (%d) for API %s reached", maxResources, a.ID)
	}
	return importErrors(wrong, nil)
}

// importAuthorizers adds the document's authorizers; those of a name that is there already take its place.
func (r *REST) importAuthorizers(i *importedREST, a, old *restAPI) (ids map[string]string, err error) {
	ids = map[string]string{}
	for _, z := range old.Authorizers {
		ids[z.Name] = z.ID
	}
	for _, z := range i.authorizers {
		z.ID = ids[z.Name]
		if z.ID == "" {
			if z.ID, err = r.s.randomID(authorizerIDLength); err != nil {
				return nil, err
			}
			ids[z.Name] = z.ID
		}
		a.Authorizers = slices.DeleteFunc(a.Authorizers, func(old restAuthorizer) bool { return old.Name == z.Name })
		a.Authorizers = append(a.Authorizers, z)
	}
	return ids, a.checkAuthorizers()
}

// place finds the resource of a path, and makes it and what leads to it where it is not there. A resource
// that was there before has its id again.
func (r *REST) place(a, old *restAPI, path string) (*restResource, error) {
	at, was := a.root(), old.root()
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if part == "" {
			if strings.Trim(path, "/") == "" {
				break
			}
			return nil, badRequest("there is an empty segment in it")
		}
		was = old.child(was, part)
		if found := a.child(at, part); found != "" {
			at = found
			continue
		}
		made := restResource{ID: was, Parent: at, Part: part}
		if made.ID == "" {
			var err error
			if made.ID, err = r.s.randomID(resourceIDSize); err != nil {
				return nil, err
			}
		}
		if err := a.checkPlace(made); err != nil {
			return nil, err
		}
		a.Resources = append(a.Resources, made)
		at = made.ID
	}
	return a.resource(at)
}

// child is the id of the resource of a name below another one; "" if there is none.
func (a *restAPI) child(parent, part string) string {
	for _, r := range a.Resources {
		if parent != "" && r.Parent == parent && r.Part == part {
			return r.ID
		}
	}
	return ""
}

// importErrors is the error of an import that cannot be; nil if nothing is wrong.
func importErrors(wrong, warnings []string) error {
	if len(wrong) == 0 {
		return nil
	}
	text := "Errors found during import:\n\t" + strings.Join(wrong, "\n\t")
	if len(warnings) > 0 {
		text += "\nAdditionally, these warnings were found:\n\t" + strings.Join(warnings, "\n\t")
	}
	return badRequest("%s", text)
}
