package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// REST carries out the operations of API Gateway v1 on the records of a Service. It is
// a type of its own because v1 and v2 have operations of the same names. Like a Service it
// is safe for concurrent use, and what an operation returned without error is durable.
type REST struct{ s *Service }

// REST gives the operations of API Gateway v1.
func (s *Service) REST() *REST { return &REST{s} }

// Quotas of one REST API, as on AWS.
const (
	maxResources   = 300
	restAPIID      = apiIDLength
	rootIDLength   = 10
	resourceIDSize = 6
	maxBinaryTypes = 100 // ours
)

// CreateRestApi makes a REST API with its root resource.
func (r *REST) CreateRestApi(ctx context.Context, in *apigateway.CreateRestApiInput) (*apigateway.CreateRestApiOutput, error) {
	switch {
	case in.ApiKeySource != "" && in.ApiKeySource != types.ApiKeySourceTypeHeader:
		return nil, notBuilt("apiKeySource " + string(in.ApiKeySource))
	case aws.ToString(in.CloneFrom) != "":
		return nil, notBuilt("cloneFrom")
	case in.MinimumCompressionSize != nil:
		return nil, notBuilt("minimumCompressionSize")
	case in.Description != nil && *in.Description == "":
		return nil, badRequest("Description cannot be an empty string")
	}
	if err := unsupportedPolicy(in.SecurityPolicy, in.EndpointAccessMode); err != nil {
		return nil, err
	}
	if err := checkTags(ctx, in.Tags); err != nil {
		return nil, err
	}
	a, err := r.newAPI(ctx)
	if err != nil {
		return nil, err
	}
	a.Name, a.Description, a.Version = aws.ToString(in.Name), aws.ToString(in.Description), aws.ToString(in.Version)
	a.DisableDefaultEndpoint, a.BinaryTypes, a.Tags = in.DisableExecuteApiEndpoint, in.BinaryMediaTypes, in.Tags
	if err := a.setEndpoint(in.EndpointConfiguration); err != nil {
		return nil, err
	}
	if err := a.setPolicy(aws.ToString(in.Policy)); err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	if err := r.create(ctx, &a); err != nil {
		return nil, err
	}
	return fill[apigateway.CreateRestApiOutput](a.sdk()), nil
}

// newAPI is an API that has nothing but ids and a root.
func (r *REST) newAPI(ctx context.Context) (restAPI, error) {
	id, err := r.s.newID(ctx, restAPIID)
	if err != nil {
		return restAPI{}, err
	}
	root, err := r.s.randomID(rootIDLength)
	if err != nil {
		return restAPI{}, err
	}
	account, region := scope(ctx)
	return restAPI{
		ID: id, Account: account, Region: region, Created: r.s.now().UTC(), EndpointType: string(types.EndpointTypeEdge),
		IPAddressType: string(types.IpAddressTypeIpv4), Resources: []restResource{{ID: root}},
	}, nil
}

// create commits a new API. When an earlier attempt of the same making did, a becomes what that one made.
func (r *REST) create(ctx context.Context, a *restAPI) error {
	_, err := r.s.store.Commit(ctx, new(store.Batch).Create(KindREST, a.key(), encode(*a)))
	if errors.Is(err, store.ErrExists) && madeBy(ctx) != nil {
		*a, _, err = r.s.getREST(ctx, a.ID)
		return err
	}
	if err != nil {
		return fmt.Errorf("write REST API %s: %w", a.ID, err)
	}
	return nil
}

func unsupportedPolicy(policy types.SecurityPolicy, access types.EndpointAccessMode) error {
	switch {
	case policy != "" && policy != types.SecurityPolicyTls12:
		return badRequest("securityPolicy %s is not supported: the minimum is TLS_1_2", policy)
	case access != "":
		return notBuilt("endpointAccessMode")
	}
	return nil
}

// setEndpoint takes over the endpoint type. EDGE is what AWS gives an API that says nothing; here
// it is a name that is kept, and the API is served like a REGIONAL one.
func (a *restAPI) setEndpoint(c *types.EndpointConfiguration) error {
	if c == nil {
		return nil
	}
	if len(c.VpcEndpointIds) > 0 {
		return notBuilt("endpointConfiguration.vpcEndpointIds")
	}
	if len(c.Types) > 1 {
		return badRequest("Only one endpoint type is allowed")
	}
	for _, t := range c.Types {
		if t == types.EndpointTypePrivate {
			return notBuilt("endpoint type PRIVATE")
		}
		a.EndpointType = string(t)
	}
	if c.IpAddressType != "" {
		a.IPAddressType = string(c.IpAddressType)
	}
	return nil
}

func checkIPAddressType(value string) error {
	if value != string(types.IpAddressTypeIpv4) && value != string(types.IpAddressTypeDualstack) {
		return badRequest("Invalid ipAddressType %q: use ipv4 or dualstack", value)
	}
	return nil
}

// check judges what the API says of itself.
func (a *restAPI) check() error {
	if strings.TrimSpace(a.Name) == "" {
		return badRequest("Name cannot be empty")
	}
	if len(a.Name) > 1024 || len(a.Description) > 1024 || len(a.Version) > 64 {
		return badRequest("name and description have at most 1024 characters, version has at most 64")
	}
	if len(a.BinaryTypes) > maxBinaryTypes {
		return badRequest("Too many binaryMediaTypes: at most %d", maxBinaryTypes)
	}
	slices.Sort(a.BinaryTypes)
	a.BinaryTypes = slices.Compact(a.BinaryTypes)
	for _, t := range a.BinaryTypes {
		if t == "" || len(t) > 128 || strings.ContainsFunc(t, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
			return badRequest("Invalid binary media type %q", t)
		}
	}
	return nil
}

// GetRestApi reads one REST API.
func (r *REST) GetRestApi(ctx context.Context, in *apigateway.GetRestApiInput) (*apigateway.GetRestApiOutput, error) {
	a, _, err := r.s.getREST(ctx, aws.ToString(in.RestApiId))
	if err != nil {
		return nil, err
	}
	return fill[apigateway.GetRestApiOutput](a.sdk()), nil
}

// GetRestApis lists the REST APIs of the caller's account and Region.
func (r *REST) GetRestApis(ctx context.Context, in *apigateway.GetRestApisInput) (*apigateway.GetRestApisOutput, error) {
	account, region := scope(ctx)
	records, err := r.s.store.List(ctx, KindREST, apiKey(account, region, ""), "", 0)
	if err != nil {
		return nil, fmt.Errorf("list REST APIs: %w", err)
	}
	items := make([]types.RestApi, 0, len(records))
	for _, record := range records {
		a, err := decode[restAPI](record)
		if err != nil {
			return nil, err
		}
		items = append(items, a.sdk())
	}
	items, next, err := restPage(items, func(a types.RestApi) string { return *a.Id }, in.Limit, in.Position)
	if err != nil {
		return nil, err
	}
	return &apigateway.GetRestApisOutput{Items: items, Position: next}, nil
}

// restPageSize is how many things a page of v1 has unless the caller asks for another number.
const restPageSize = 25

// restPage cuts a page as page does, by v1's names for limit and token.
func restPage[T any](items []T, id func(T) string, limit *int32, position *string) ([]T, *string, error) {
	n := int32(restPageSize)
	if limit != nil && *limit > 0 {
		n = *limit
	}
	return page(items, id, aws.String(strconv.Itoa(int(n))), position)
}

// UpdateRestApi changes what the patch operations name.
func (r *REST) UpdateRestApi(ctx context.Context, in *apigateway.UpdateRestApiInput) (*apigateway.UpdateRestApiOutput, error) {
	a, err := r.s.editREST(ctx, aws.ToString(in.RestApiId), func(a *restAPI, _ *store.Batch) error {
		if err := applyPatches(in.PatchOperations, a.patches()); err != nil {
			return err
		}
		return a.check()
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.UpdateRestApiOutput](a.sdk()), nil
}

func (a *restAPI) patches() []patch {
	return []patch{
		replaceText("/name", &a.Name),
		{"/description", anyChange, func(_, value string, _ []string) error { a.Description = value; return nil }},
		{"/version", anyChange, func(_, value string, _ []string) error { a.Version = value; return nil }},
		{"/disableExecuteApiEndpoint", replaceOnly, func(_, value string, _ []string) error {
			a.DisableDefaultEndpoint = truth(value)
			return nil
		}},
		{"/policy", anyChange, func(_, value string, _ []string) error { return a.setPolicy(value) }},
		{"/binaryMediaTypes/*", anyChange, func(op, value string, parts []string) error {
			n := slices.Index(a.BinaryTypes, parts[0])
			if op != "add" && n < 0 {
				return badRequest("Invalid patch path /binaryMediaTypes/%s", escapePatch(parts[0]))
			}
			switch op {
			case "add":
				a.BinaryTypes = append(a.BinaryTypes, parts[0])
			case "remove":
				a.BinaryTypes = slices.Delete(a.BinaryTypes, n, n+1)
			default:
				a.BinaryTypes[n] = strings.ReplaceAll(value, "~1", "/")
			}
			return nil
		}},
		{"/endpointConfiguration/types/*", replaceOnly, func(_, value string, _ []string) error {
			return a.setEndpoint(&types.EndpointConfiguration{Types: []types.EndpointType{types.EndpointType(value)}})
		}},
		{"/endpointConfiguration/ipAddressType", replaceOnly, func(_, value string, _ []string) error {
			a.IPAddressType = value
			return checkIPAddressType(value)
		}},
		unbuiltPatch("/minimumCompressionSize", anyChange, "minimumCompressionSize", ""),
		unbuiltPatch("/apiKeySource", replaceOnly, "apiKeySource other than HEADER", string(types.ApiKeySourceTypeHeader)),
		unbuiltPatch("/securityPolicy", replaceOnly, "securityPolicy other than TLS_1_2", string(types.SecurityPolicyTls12)),
		unbuiltPatch("/endpointAccessMode", replaceOnly, "endpointAccessMode", ""),
	}
}

// DeleteRestApi removes a REST API with all that belongs to it. Base path mappings to it go first.
func (r *REST) DeleteRestApi(ctx context.Context, in *apigateway.DeleteRestApiInput) (*apigateway.DeleteRestApiOutput, error) {
	id := aws.ToString(in.RestApiId)
	a, revision, err := r.s.getREST(ctx, id)
	if err != nil {
		return nil, err
	}
	mapped, err := r.s.mappedTo(ctx, a.Account, a.Region, func(m mapping) bool { return m.API == id })
	if err != nil {
		return nil, err
	}
	if len(mapped) > 0 {
		return nil, badRequest("Deleting RestApi %s failed. Please remove all base path mappings related to the RestApi in your domains: %s", id, domainsOf(mapped))
	}
	b := new(store.Batch).DeleteIf(KindREST, a.key(), revision)
	deployments, err := r.s.store.List(ctx, kindRESTDeployment, a.deploymentKey(""), "", 0)
	if err != nil {
		return nil, fmt.Errorf("list deployments of REST API %s: %w", id, err)
	}
	for _, d := range deployments {
		b.Delete(kindRESTDeployment, d.Key)
	}
	if _, err := r.s.store.Commit(ctx, b); err != nil {
		return nil, changed(err, "REST API "+id)
	}
	return &apigateway.DeleteRestApiOutput{}, nil
}

// A mapped is a domain name with the id of a mapping of it.
type mapped struct{ Domain, Mapping string }

// mappedTo finds the mappings of a sort that an account has.
func (s *Service) mappedTo(ctx context.Context, account, region string, is func(mapping) bool) ([]mapped, error) {
	records, err := s.store.List(ctx, KindDomain, "", "", 0)
	if err != nil {
		return nil, fmt.Errorf("list domain names: %w", err)
	}
	var all []mapped
	for _, record := range records {
		d, err := decode[domain](record)
		if err != nil {
			return nil, err
		}
		for _, m := range d.Mappings {
			if is(m) && d.Account == account && d.Region == region {
				all = append(all, mapped{d.Name, m.ID})
			}
		}
	}
	return all, nil
}

func domainsOf(all []mapped) string {
	var names []string
	for _, m := range all {
		if !slices.Contains(names, m.Domain) {
			names = append(names, m.Domain)
		}
	}
	return strings.Join(names, ", ")
}

func (a restAPI) host() string { return defaultHost(a.ID, a.Region) }

func (a restAPI) sdk() types.RestApi {
	out := types.RestApi{
		Id: &a.ID, Name: &a.Name, Description: optional(a.Description), Version: optional(a.Version), CreatedDate: &a.Created, RootResourceId: aws.String(a.root()),
		ApiKeySource: types.ApiKeySourceTypeHeader, DisableExecuteApiEndpoint: a.DisableDefaultEndpoint, BinaryMediaTypes: a.BinaryTypes, Tags: a.Tags,
		EndpointConfiguration: &types.EndpointConfiguration{Types: []types.EndpointType{types.EndpointType(a.EndpointType)}, IpAddressType: types.IpAddressType(a.IPAddressType)},
	}
	if a.Policy != nil {
		out.Policy = aws.String(string(a.Policy))
	}
	return out
}
