package gateway

import (
	"context"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	v2 "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// Domain names are the same things in v1 and v2: what one makes the other shows. The operations
// here translate, and those of v2 decide.

// CreateDomainName makes a Regional custom domain name. The trust store of
// mutualTlsAuthentication is read now, at the version given or, without one, the current one.
func (r *REST) CreateDomainName(ctx context.Context, in *apigateway.CreateDomainNameInput) (*apigateway.CreateDomainNameOutput, error) {
	switch {
	case in.CertificateBody != nil, in.CertificatePrivateKey != nil, in.CertificateChain != nil:
		return nil, badRequest("certificateBody, certificatePrivateKey and certificateChain are not supported: import the certificate into ACM and give its ARN")
	case aws.ToString(in.Policy) != "":
		return nil, notBuilt("policy of a domain name (endpoint type PRIVATE)")
	case in.RoutingMode != "" && in.RoutingMode != types.RoutingModeBasePathMappingOnly:
		return nil, notBuilt("routingMode " + string(in.RoutingMode))
	case in.EndpointAccessMode != "":
		return nil, notBuilt("endpointAccessMode")
	}
	endpoint, err := domainEndpoint(in.EndpointConfiguration, in.RegionalCertificateArn, in.CertificateArn, in.MutualTlsAuthentication != nil)
	if err != nil {
		return nil, err
	}
	out, err := r.s.CreateDomainName(ctx, &apigatewayv2.CreateDomainNameInput{
		DomainName: in.DomainName, Tags: in.Tags, MutualTlsAuthentication: mutualV2(in.MutualTlsAuthentication),
		DomainNameConfigurations: []v2.DomainNameConfiguration{{
			CertificateArn: in.RegionalCertificateArn, EndpointType: v2.EndpointTypeRegional, IpAddressType: endpoint,
			SecurityPolicy: v2.SecurityPolicy(in.SecurityPolicy), OwnershipVerificationCertificateArn: in.OwnershipVerificationCertificateArn,
		}},
	})
	if err != nil {
		return nil, err
	}
	d, _, err := r.s.getDomain(ctx, *out.DomainName)
	if err != nil {
		return nil, err
	}
	return fill[apigateway.CreateDomainNameOutput](d.sdkREST()), nil
}

// domainEndpoint demands a Regional endpoint and gives its IP address type. On AWS a domain name
// that says nothing is edge-optimised; here one with a Regional certificate is taken for what it is.
func domainEndpoint(c *types.EndpointConfiguration, regional, edge *string, mutual bool) (v2.IpAddressType, error) {
	kind := types.EndpointTypeEdge
	if regional != nil && edge == nil {
		kind = types.EndpointTypeRegional
	}
	var address v2.IpAddressType
	if c != nil {
		if len(c.Types) > 1 {
			return "", badRequest("Only one endpoint type is allowed")
		}
		for _, t := range c.Types {
			kind = t
		}
		address = v2.IpAddressType(c.IpAddressType)
	}
	switch {
	case kind != types.EndpointTypeRegional && mutual:
		return "", badRequest("Mutual TLS is supported for REGIONAL domain names only, not for %s", kind)
	case kind != types.EndpointTypeRegional:
		return "", badRequest("A domain name of endpoint type %s is not built in this version of Countersign; use REGIONAL, with a regionalCertificateArn", kind)
	case regional == nil:
		return "", badRequest("A regionalCertificateArn is required for the endpoint type REGIONAL")
	case edge != nil:
		return "", badRequest("certificateArn is for the endpoint type EDGE; use regionalCertificateArn")
	}
	return address, nil
}

// noDomainID refuses what tells private domain names of the same name apart; there are none here.
func noDomainID(id *string) error {
	if aws.ToString(id) != "" {
		return notBuilt("domainNameId (endpoint type PRIVATE)")
	}
	return nil
}

func mutualV2(in *types.MutualTlsAuthenticationInput) *v2.MutualTlsAuthenticationInput {
	if in == nil {
		return nil
	}
	return &v2.MutualTlsAuthenticationInput{TruststoreUri: in.TruststoreUri, TruststoreVersion: in.TruststoreVersion}
}

// GetDomainName reads one domain name.
func (r *REST) GetDomainName(ctx context.Context, in *apigateway.GetDomainNameInput) (*apigateway.GetDomainNameOutput, error) {
	if err := noDomainID(in.DomainNameId); err != nil {
		return nil, err
	}
	d, _, err := r.s.getDomain(ctx, aws.ToString(in.DomainName))
	if err != nil {
		return nil, err
	}
	return fill[apigateway.GetDomainNameOutput](d.sdkREST()), nil
}

// GetDomainNames lists the domain names of the caller's account and Region.
func (r *REST) GetDomainNames(ctx context.Context, in *apigateway.GetDomainNamesInput) (*apigateway.GetDomainNamesOutput, error) {
	if in.ResourceOwner == types.ResourceOwnerOtherAccounts {
		return &apigateway.GetDomainNamesOutput{Items: []types.DomainName{}}, nil // nobody shares any
	}
	all, err := r.s.domains(ctx)
	if err != nil {
		return nil, err
	}
	items, next, err := restPage(all, func(d domain) string { return d.Name }, in.Limit, in.Position)
	if err != nil {
		return nil, err
	}
	out := &apigateway.GetDomainNamesOutput{Position: next, Items: []types.DomainName{}}
	for _, d := range items {
		out.Items = append(out.Items, d.sdkREST())
	}
	return out, nil
}

// UpdateDomainName changes what the patch operations name. With a trust store among it, that is read
// again; an empty /mutualTlsAuthentication/truststoreUri turns mutual TLS off.
func (r *REST) UpdateDomainName(ctx context.Context, in *apigateway.UpdateDomainNameInput) (*apigateway.UpdateDomainNameOutput, error) {
	if err := noDomainID(in.DomainNameId); err != nil {
		return nil, err
	}
	var configuration v2.DomainNameConfiguration
	var mutual *v2.MutualTlsAuthenticationInput
	trust := func(path string, field func(*v2.MutualTlsAuthenticationInput) **string) patch {
		return patch{path, anyChange, func(op, value string, _ []string) error {
			if mutual == nil {
				mutual = &v2.MutualTlsAuthenticationInput{}
			}
			*field(mutual) = aws.String(value)
			return nil
		}}
	}
	text := func(path string, field **string) patch {
		return patch{path, anyChange, func(_, value string, _ []string) error { *field = aws.String(value); return nil }}
	}
	err := applyPatches(in.PatchOperations, []patch{
		text("/regionalCertificateArn", &configuration.CertificateArn),
		text("/ownershipVerificationCertificateArn", &configuration.OwnershipVerificationCertificateArn),
		trust("/mutualTlsAuthentication/truststoreUri", func(m *v2.MutualTlsAuthenticationInput) **string { return &m.TruststoreUri }),
		trust("/mutualTlsAuthentication/truststoreVersion", func(m *v2.MutualTlsAuthenticationInput) **string { return &m.TruststoreVersion }),
		{"/securityPolicy", replaceOnly, func(_, value string, _ []string) error {
			configuration.SecurityPolicy = v2.SecurityPolicy(value)
			return nil
		}},
		{"/endpointConfiguration/types/*", replaceOnly, func(_, value string, _ []string) error {
			configuration.EndpointType = v2.EndpointType(value)
			return nil
		}},
		{"/endpointConfiguration/ipAddressType", replaceOnly, func(_, value string, _ []string) error {
			configuration.IpAddressType = v2.IpAddressType(value)
			return checkIPAddressType(value)
		}},
		unbuiltPatch("/routingMode", replaceOnly, "routingMode", string(types.RoutingModeBasePathMappingOnly)),
		unbuiltPatch("/endpointAccessMode", replaceOnly, "endpointAccessMode", ""),
		unbuiltPatch("/certificateArn", replaceOnly, "certificateArn (endpoint type EDGE)", ""),
		unbuiltPatch("/policy", replaceOnly, "policy of a domain name", ""),
	})
	if err != nil {
		return nil, err
	}
	out, err := r.s.UpdateDomainName(ctx, &apigatewayv2.UpdateDomainNameInput{
		DomainName: in.DomainName, DomainNameConfigurations: []v2.DomainNameConfiguration{configuration}, MutualTlsAuthentication: mutual,
	})
	if err != nil {
		return nil, err
	}
	d, _, err := r.s.getDomain(ctx, *out.DomainName)
	if err != nil {
		return nil, err
	}
	return fill[apigateway.UpdateDomainNameOutput](d.sdkREST()), nil
}

// DeleteDomainName removes a domain name with its mappings.
func (r *REST) DeleteDomainName(ctx context.Context, in *apigateway.DeleteDomainNameInput) (*apigateway.DeleteDomainNameOutput, error) {
	if err := noDomainID(in.DomainNameId); err != nil {
		return nil, err
	}
	if _, err := r.s.DeleteDomainName(ctx, &apigatewayv2.DeleteDomainNameInput{DomainName: in.DomainName}); err != nil {
		return nil, err
	}
	return &apigateway.DeleteDomainNameOutput{}, nil
}

func (d domain) sdkREST() types.DomainName {
	out := types.DomainName{
		DomainName: &d.Name, DomainNameArn: aws.String(d.arn()), DomainNameStatus: types.DomainNameStatusAvailable, RegionalCertificateArn: &d.Certificate,
		RegionalDomainName: &d.GatewayName, RegionalHostedZoneId: aws.String(hostedZone(d.Region)), OwnershipVerificationCertificateArn: optional(d.Ownership),
		EndpointConfiguration: &types.EndpointConfiguration{Types: []types.EndpointType{types.EndpointTypeRegional}, IpAddressType: types.IpAddressType(d.IPAddressType)},
		RoutingMode:           types.RoutingModeBasePathMappingOnly, SecurityPolicy: types.SecurityPolicyTls12, Tags: d.Tags,
	}
	if m := d.Mutual; m != nil {
		out.MutualTlsAuthentication = &types.MutualTlsAuthentication{TruststoreUri: &m.URI, TruststoreWarnings: m.Warnings}
		if m.VersionGiven {
			out.MutualTlsAuthentication.TruststoreVersion = &m.Version
		}
	}
	return out
}

// noBasePath is how v1 spells the mapping without a base path, and one without a stage.
const noBasePath = "(none)"

// CreateBasePathMapping sends requests below a base path of a domain name to a REST API: to one stage of
// it or, without one, to the stage that the next segment of the path names.
func (r *REST) CreateBasePathMapping(ctx context.Context, in *apigateway.CreateBasePathMappingInput) (*apigateway.CreateBasePathMappingOutput, error) {
	if err := noDomainID(in.DomainNameId); err != nil {
		return nil, err
	}
	m := mapping{API: aws.ToString(in.RestApiId), Stage: some(in.Stage), Key: some(in.BasePath)}
	var err error
	if m.ID, err = r.s.newID(ctx, mappingIDLength); err != nil {
		return nil, err
	}
	_, err = r.s.editDomain(ctx, aws.ToString(in.DomainName), func(d *domain, b *store.Batch) error {
		if n, err := d.mapping(m.ID); err == nil && madeBy(ctx) != nil {
			m = d.Mappings[n] // of an earlier attempt
			return nil
		}
		if err := r.checkMapping(ctx, d, m, b); err != nil {
			return err
		}
		d.Mappings = append(d.Mappings, m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.CreateBasePathMappingOutput](m.sdkREST()), nil
}

// some reads a base path or a stage, which may be spelt as none.
func some(s *string) string {
	if v := aws.ToString(s); v != noBasePath {
		return v
	}
	return ""
}

// checkMapping judges a mapping that v1 makes.
func (r *REST) checkMapping(ctx context.Context, d *domain, m mapping, b *store.Batch) error {
	if err := checkMappingKey(m.Key); err != nil {
		return badRequest("API Gateway V1 doesn't support the base path %q: it has letters, digits and $-_.+!*'() in one segment", m.Key)
	}
	for _, c := range m.Key {
		if c == '/' {
			return badRequest("API Gateway V1 doesn't support the slash character (/) in base path mappings. To create a multi-level base path mapping, use API Gateway V2.")
		}
	}
	if err := r.s.restTarget(ctx, m, b); err != nil {
		return err
	}
	for _, other := range d.Mappings {
		if other.Key == m.Key && other.ID != m.ID {
			return conflict("Base path already exists for this domain name")
		}
	}
	return nil
}

// basePath finds a mapping by its base path.
func (d *domain) basePath(path *string) (*mapping, error) {
	key := some(path)
	for n := range d.Mappings {
		if d.Mappings[n].Key == key {
			return &d.Mappings[n], nil
		}
	}
	return nil, invalid("base path mapping identifier")
}

// GetBasePathMapping reads one mapping.
func (r *REST) GetBasePathMapping(ctx context.Context, in *apigateway.GetBasePathMappingInput) (*apigateway.GetBasePathMappingOutput, error) {
	if err := noDomainID(in.DomainNameId); err != nil {
		return nil, err
	}
	d, _, err := r.s.getDomain(ctx, aws.ToString(in.DomainName))
	if err != nil {
		return nil, err
	}
	m, err := d.basePath(in.BasePath)
	if err != nil {
		return nil, err
	}
	return fill[apigateway.GetBasePathMappingOutput](m.sdkREST()), nil
}

// GetBasePathMappings lists a domain name's mappings, those to HTTP APIs among them.
func (r *REST) GetBasePathMappings(ctx context.Context, in *apigateway.GetBasePathMappingsInput) (*apigateway.GetBasePathMappingsOutput, error) {
	if err := noDomainID(in.DomainNameId); err != nil {
		return nil, err
	}
	d, _, err := r.s.getDomain(ctx, aws.ToString(in.DomainName))
	if err != nil {
		return nil, err
	}
	d.sortMappings()
	items, next, err := restPage(d.Mappings, func(m mapping) string { return m.ID }, in.Limit, in.Position)
	if err != nil {
		return nil, err
	}
	out := &apigateway.GetBasePathMappingsOutput{Position: next, Items: []types.BasePathMapping{}}
	for _, m := range items {
		out.Items = append(out.Items, m.sdkREST())
	}
	return out, nil
}

// UpdateBasePathMapping changes what the patch operations name.
func (r *REST) UpdateBasePathMapping(ctx context.Context, in *apigateway.UpdateBasePathMappingInput) (*apigateway.UpdateBasePathMappingOutput, error) {
	if err := noDomainID(in.DomainNameId); err != nil {
		return nil, err
	}
	var updated mapping
	_, err := r.s.editDomain(ctx, aws.ToString(in.DomainName), func(d *domain, b *store.Batch) error {
		m, err := d.basePath(in.BasePath)
		if err != nil {
			return err
		}
		text := func(path string, field *string) patch {
			return patch{path, replaceOnly, func(_, value string, _ []string) error { *field = some(&value); return nil }}
		}
		if err := applyPatches(in.PatchOperations, []patch{text("/basePath", &m.Key), text("/stage", &m.Stage), text("/restapiId", &m.API), text("/restApiId", &m.API)}); err != nil {
			return err
		}
		updated = *m
		return r.checkMapping(ctx, d, *m, b)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigateway.UpdateBasePathMappingOutput](updated.sdkREST()), nil
}

// DeleteBasePathMapping removes a mapping.
func (r *REST) DeleteBasePathMapping(ctx context.Context, in *apigateway.DeleteBasePathMappingInput) (*apigateway.DeleteBasePathMappingOutput, error) {
	if err := noDomainID(in.DomainNameId); err != nil {
		return nil, err
	}
	_, err := r.s.editDomain(ctx, aws.ToString(in.DomainName), func(d *domain, _ *store.Batch) error {
		m, err := d.basePath(in.BasePath)
		if err != nil {
			return err
		}
		d.drop(m.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigateway.DeleteBasePathMappingOutput{}, nil
}

func (m mapping) sdkREST() types.BasePathMapping {
	return types.BasePathMapping{BasePath: aws.String(orDefault(m.Key, noBasePath)), RestApiId: &m.API, Stage: optional(m.Stage)}
}
