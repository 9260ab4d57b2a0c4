package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// RESTResourceTypes are the CloudFormation types of REST APIs. What they make
// they make once, however often an attempt is cut off: see making.
func (s *Service) RESTResourceTypes() []resource.Type {
	r := s.REST()
	return []resource.Type{
		r.apiResource(), r.resourceResource(), r.methodResource(), r.deploymentResource(), r.stageResource(), r.authorizerResource(),
		r.domainResource(), r.mappingResource(), r.accountResource(),
	}
}

type restAPIProperties struct {
	Body                      any // an API definition, as an object or as text
	BodyS3Location            *restBodyLocation
	FailOnWarnings            *bool
	Mode                      string // of later imports: overwrite or merge
	Parameters                any    // of the import: an object
	Name                      string
	Description               string
	BinaryMediaTypes          []string
	ApiKeySourceType          string
	DisableExecuteApiEndpoint *bool
	EndpointConfiguration     *restEndpoint
	Policy                    any
	SecurityPolicy            string
	Tags                      []resource.Tag
}

type restBodyLocation struct{ Bucket, Key, Version, ETag string }

type restEndpoint struct {
	Types         []string
	IpAddressType string
}

func (e *restEndpoint) sdk() *types.EndpointConfiguration {
	if e == nil {
		return nil
	}
	out := &types.EndpointConfiguration{IpAddressType: types.IpAddressType(e.IpAddressType)}
	for _, t := range e.Types {
		out.Types = append(out.Types, types.EndpointType(t))
	}
	return out
}

// apiResource is AWS::ApiGateway::RestApi. Properties beside a Body win over what the document says.
func (r *REST) apiResource() resource.Type {
	return resource.Define(resource.Spec[restAPIProperties]{
		Name: "AWS::ApiGateway::RestApi", Attributes: []string{"RestApiId", "RootResourceId"}, Tags: "Tags",
		Known: []string{"CloneFrom", "EndpointAccessMode", "MinimumCompressionSize", "EndpointConfiguration.VpcEndpointIds"},
		Check: checkRESTProperties,
		Create: func(ctx context.Context, c *resource.Change[restAPIProperties]) (resource.Result, error) {
			p := &c.Properties
			ctx = withMaking(ctx, making{token: c.Token, tags: tagMap(p.Tags), disable: p.DisableExecuteApiEndpoint})
			if !p.imported() {
				policy, err := p.policy()
				if err != nil {
					return resource.Result{}, err
				}
				out, err := resource.Do(ctx, r.CreateRestApi, &apigateway.CreateRestApiInput{
					Name: optional(p.Name), Description: optional(p.Description), BinaryMediaTypes: p.binaryTypes(), ApiKeySource: types.ApiKeySourceType(p.ApiKeySourceType),
					DisableExecuteApiEndpoint: aws.ToBool(p.DisableExecuteApiEndpoint), EndpointConfiguration: p.EndpointConfiguration.sdk(), Policy: optional(policy),
					SecurityPolicy: types.SecurityPolicy(p.SecurityPolicy), Tags: tagMap(p.Tags),
				})
				if err != nil {
					return resource.Result{}, err
				}
				return restResult(*out.Id, *out.RootResourceId), nil
			}
			body, parameters, err := r.definition(ctx, p)
			if err != nil {
				return resource.Result{}, err
			}
			out, err := resource.Do(ctx, r.ImportRestApi, &apigateway.ImportRestApiInput{Body: body, Parameters: parameters, FailOnWarnings: aws.ToBool(p.FailOnWarnings)})
			if err != nil {
				return resource.Result{}, err
			}
			return r.settle(ctx, *out.Id, p, body)
		},
		Update: func(ctx context.Context, c *resource.Change[restAPIProperties]) (resource.Result, error) {
			p := &c.Properties
			var body []byte
			if p.imported() {
				var parameters map[string]string
				var err error
				if body, parameters, err = r.definition(ctx, p); err != nil {
					return resource.Result{}, err
				}
				ctx := withMaking(ctx, making{token: c.Token, disable: p.DisableExecuteApiEndpoint})
				if _, err := resource.Do(ctx, r.PutRestApi, &apigateway.PutRestApiInput{
					RestApiId: &c.PhysicalID, Body: body, Parameters: parameters, FailOnWarnings: aws.ToBool(p.FailOnWarnings),
					Mode: types.PutMode(orDefault(p.Mode, string(types.PutModeOverwrite))),
				}); err != nil {
					return resource.Result{}, err
				}
			}
			result, err := r.settle(ctx, c.PhysicalID, p, body)
			if err != nil {
				return resource.Result{}, err
			}
			return result, r.retag(ctx, resourceARN(c.Stack, "/restapis/"+c.PhysicalID), c.Old.Tags, p.Tags)
		},
		Delete: func(ctx context.Context, c *resource.Change[restAPIProperties]) error {
			_, err := resource.Do(ctx, r.DeleteRestApi, &apigateway.DeleteRestApiInput{RestApiId: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[restAPIProperties]) (string, error) {
			id := makingOf(c).id(restAPIID)
			_, err := resource.Do(ctx, r.GetRestApi, &apigateway.GetRestApiInput{RestApiId: &id})
			return found(id, err)
		},
	})
}

func restResult(id, root string) resource.Result {
	return resource.Result{PhysicalID: id, Attributes: map[string]any{"RestApiId": id, "RootResourceId": root}}
}

// binaryTypes are written with ~1 for a slash in templates.
func (p *restAPIProperties) binaryTypes() []string {
	var all []string
	for _, t := range p.BinaryMediaTypes {
		all = append(all, strings.ReplaceAll(t, "~1", "/"))
	}
	return all
}

func (p *restAPIProperties) imported() bool { return p.Body != nil || p.BodyS3Location != nil }

func (p *restAPIProperties) policy() (string, error) {
	if p.Policy == nil {
		return "", nil
	}
	text, err := resource.JSON(p.Policy)
	if err != nil {
		return "", badRequest("property Policy: %v", err)
	}
	return text, nil
}

func checkRESTProperties(p *restAPIProperties) []resource.Problem {
	problem := func(path []string, format string, args ...any) []resource.Problem {
		return []resource.Problem{{Path: path, Message: fmt.Sprintf(format, args...)}}
	}
	switch {
	case p.Body != nil && p.BodyS3Location != nil:
		return problem([]string{"BodyS3Location"}, "Only one of Body and BodyS3Location can be specified")
	case p.Mode != "" && p.Mode != string(types.PutModeOverwrite) && p.Mode != string(types.PutModeMerge):
		return problem([]string{"Mode"}, "Mode is overwrite or merge")
	}
	if p.Body == nil || !complete(p.Body) {
		return nil
	}
	if _, err := readBody(p.Body); err != nil {
		return problem([]string{"Body"}, "Invalid OpenAPI input. %v", err)
	}
	return nil
}

// definition is the text of the API definition that the properties give or lead to, with the parameters of its import.
func (r *REST) definition(ctx context.Context, p *restAPIProperties) ([]byte, map[string]string, error) {
	if problems := checkRESTProperties(p); len(problems) > 0 {
		return nil, nil, badRequest("%s", (&resource.PropertyError{Problem: problems[0]}).Error())
	}
	parameters, err := variablesOf("Parameters", p.Parameters)
	if err != nil {
		return nil, nil, err
	}
	if at := p.BodyS3Location; at != nil {
		text, err := r.s.documentAt(ctx, &bodyLocation{Bucket: at.Bucket, Key: at.Key, Version: at.Version, Etag: at.ETag})
		return []byte(text), parameters, err
	}
	text, err := resource.JSON(p.Body)
	if err != nil {
		return nil, nil, badRequest("property Body: %v", err)
	}
	return []byte(text), parameters, nil
}

// settle brings an API to what the properties say beside the document, if there is one; what neither says goes back to its
// default. An import does not open what was closed, so that there is no moment in which an API is open that should not be.
func (r *REST) settle(ctx context.Context, id string, p *restAPIProperties, body []byte) (resource.Result, error) {
	got, err := resource.Do(ctx, r.GetRestApi, &apigateway.GetRestApiInput{RestApiId: &id})
	if err != nil {
		return resource.Result{}, err
	}
	var said importedREST
	if body != nil {
		parameters, err := variablesOf("Parameters", p.Parameters)
		if err != nil {
			return resource.Result{}, err
		}
		i, err := readREST(ctx, body, parameters, false)
		if err != nil {
			return resource.Result{}, err
		}
		said = *i
	}
	var operations []types.PatchOperation
	replace := func(path, value string) {
		operations = append(operations, types.PatchOperation{Op: types.OpReplace, Path: &path, Value: &value})
	}
	if p.Name != "" && p.Name != aws.ToString(got.Name) {
		replace("/name", p.Name)
	}
	if description := orDefault(p.Description, said.description); description != aws.ToString(got.Description) {
		replace("/description", description)
	}
	disable := said.disable
	if p.DisableExecuteApiEndpoint != nil {
		disable = p.DisableExecuteApiEndpoint
	}
	if aws.ToBool(disable) != got.DisableExecuteApiEndpoint {
		replace("/disableExecuteApiEndpoint", fmt.Sprint(aws.ToBool(disable)))
	}
	policy, err := p.policy()
	if err != nil {
		return resource.Result{}, err
	}
	if policy = orDefault(policy, said.policy); policy != "" || got.Policy != nil {
		replace("/policy", policy)
	}
	if p.ApiKeySourceType != "" {
		replace("/apiKeySource", p.ApiKeySourceType)
	}
	if p.SecurityPolicy != "" {
		replace("/securityPolicy", p.SecurityPolicy)
	}
	endpoint := said.endpoint
	if p.EndpointConfiguration != nil {
		endpoint = p.EndpointConfiguration.sdk()
	}
	if endpoint == nil {
		endpoint = &types.EndpointConfiguration{}
	}
	kind, address := types.EndpointTypeEdge, types.IpAddressTypeIpv4
	if len(endpoint.Types) > 0 {
		kind = endpoint.Types[0]
	}
	if endpoint.IpAddressType != "" {
		address = endpoint.IpAddressType
	}
	if was := got.EndpointConfiguration.Types[0]; was != kind {
		replace("/endpointConfiguration/types/"+string(was), string(kind))
	}
	if got.EndpointConfiguration.IpAddressType != address {
		replace("/endpointConfiguration/ipAddressType", string(address))
	}
	operations = append(operations, binaryChanges(got.BinaryMediaTypes, append(said.binaryTypes, p.binaryTypes()...), p.Mode)...)
	if len(operations) > 0 {
		if _, err := resource.Do(ctx, r.UpdateRestApi, &apigateway.UpdateRestApiInput{RestApiId: &id, PatchOperations: operations}); err != nil {
			return resource.Result{}, err
		}
	}
	return restResult(id, *got.RootResourceId), nil
}

// binaryChanges turns one list of media types into another; a merge takes none away.
func binaryChanges(old, now []string, mode string) (operations []types.PatchOperation) {
	for _, t := range now {
		if !slices.Contains(old, t) {
			operations = append(operations, types.PatchOperation{Op: types.OpAdd, Path: aws.String("/binaryMediaTypes/" + escapePatch(t))})
		}
	}
	for _, t := range old {
		if !slices.Contains(now, t) && mode != string(types.PutModeMerge) {
			operations = append(operations, types.PatchOperation{Op: types.OpRemove, Path: aws.String("/binaryMediaTypes/" + escapePatch(t))})
		}
	}
	return operations
}

func tagMap(tags []resource.Tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

// retag brings the tags of a resource from old to now. Those that somebody else
// has put on it stay out of it.
func (r *REST) retag(ctx context.Context, resourceARN string, old, now []resource.Tag) error {
	set, removed := resource.TagChanges(old, now)
	if len(removed) > 0 {
		if _, err := resource.Do(ctx, r.UntagResource, &apigateway.UntagResourceInput{ResourceArn: &resourceARN, TagKeys: removed}); err != nil {
			return err
		}
	}
	if len(set) == 0 {
		return nil
	}
	_, err := resource.Do(ctx, r.TagResource, &apigateway.TagResourceInput{ResourceArn: &resourceARN, Tags: tagMap(set)})
	return err
}

// mapChanges are the operations that turn one map of texts below a path into another.
func mapChanges(path string, old, now map[string]string) (operations []types.PatchOperation) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if was, there := old[name]; !there || was != now[name] {
			operations = append(operations, types.PatchOperation{Op: types.OpReplace, Path: aws.String(path + escapePatch(name)), Value: aws.String(now[name])})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, stays := now[name]; !stays {
			operations = append(operations, types.PatchOperation{Op: types.OpRemove, Path: aws.String(path + escapePatch(name))})
		}
	}
	return operations
}
