package gateway

import (
	"context"
	"strings"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

type restDomainProperties struct {
	DomainName                          string `cfn:"required,replace"`
	CertificateArn                      string // of an edge-optimised domain name, which is refused
	RegionalCertificateArn              string
	OwnershipVerificationCertificateArn string
	EndpointConfiguration               *restEndpoint
	MutualTlsAuthentication             *domainMutual
	RoutingMode                         string
	SecurityPolicy                      string
	Tags                                []resource.Tag
}

// domainResource is AWS::ApiGateway::DomainName. A new certificate or trust store takes
// over in place: the name is served all the while.
func (r *REST) domainResource() resource.Type {
	return resource.Define(resource.Spec[restDomainProperties]{
		Name: "AWS::ApiGateway::DomainName", Tags: "Tags", Known: []string{"EndpointAccessMode"},
		Attributes: []string{"RegionalDomainName", "RegionalHostedZoneId", "DistributionDomainName", "DistributionHostedZoneId", "DomainNameArn"},
		Create: func(ctx context.Context, c *resource.Change[restDomainProperties]) (resource.Result, error) {
			p := &c.Properties
			in := &apigateway.CreateDomainNameInput{
				DomainName: &p.DomainName, CertificateArn: optional(p.CertificateArn), RegionalCertificateArn: optional(p.RegionalCertificateArn),
				OwnershipVerificationCertificateArn: optional(p.OwnershipVerificationCertificateArn), EndpointConfiguration: p.EndpointConfiguration.sdk(),
				RoutingMode: types.RoutingMode(p.RoutingMode), SecurityPolicy: types.SecurityPolicy(p.SecurityPolicy), Tags: tagMap(p.Tags),
			}
			if m := p.MutualTlsAuthentication; m != nil {
				in.MutualTlsAuthentication = &types.MutualTlsAuthenticationInput{TruststoreUri: optional(m.TruststoreUri), TruststoreVersion: optional(m.TruststoreVersion)}
			}
			out, err := resource.Do(inStack(ctx, c), r.CreateDomainName, in)
			if err != nil {
				return resource.Result{}, err
			}
			return restDomainResult(fill[types.DomainName](*out)), nil
		},
		Update: func(ctx context.Context, c *resource.Change[restDomainProperties]) (resource.Result, error) {
			p, old := &c.Properties, &c.Old
			if p.CertificateArn != "" || p.RegionalCertificateArn == "" {
				return resource.Result{}, badRequest("A regionalCertificateArn is required, and no certificateArn: edge-optimised domain names are not built")
			}
			var operations []types.PatchOperation
			replace := func(path, value, was string) {
				if value != was {
					operations = append(operations, types.PatchOperation{Op: types.OpReplace, Path: &path, Value: &value})
				}
			}
			replace("/regionalCertificateArn", p.RegionalCertificateArn, old.RegionalCertificateArn)
			replace("/ownershipVerificationCertificateArn", p.OwnershipVerificationCertificateArn, old.OwnershipVerificationCertificateArn)
			replace("/securityPolicy", orDefault(p.SecurityPolicy, string(types.SecurityPolicyTls12)), orDefault(old.SecurityPolicy, string(types.SecurityPolicyTls12)))
			replace("/routingMode", orDefault(p.RoutingMode, string(types.RoutingModeBasePathMappingOnly)), orDefault(old.RoutingMode, string(types.RoutingModeBasePathMappingOnly)))
			replace("/endpointConfiguration/ipAddressType", p.EndpointConfiguration.address(), old.EndpointConfiguration.address())
			if e := p.EndpointConfiguration; e != nil && len(e.Types) > 0 {
				replace("/endpointConfiguration/types/REGIONAL", e.Types[0], string(types.EndpointTypeRegional))
			}
			var now, was domainMutual
			if p.MutualTlsAuthentication != nil {
				now = *p.MutualTlsAuthentication
			}
			if old.MutualTlsAuthentication != nil {
				was = *old.MutualTlsAuthentication
			}
			if now != was { // the object is read again
				replace("/mutualTlsAuthentication/truststoreUri", now.TruststoreUri, "-")
				replace("/mutualTlsAuthentication/truststoreVersion", now.TruststoreVersion, "")
			}
			if len(operations) > 0 {
				if _, err := resource.Do(ctx, r.UpdateDomainName, &apigateway.UpdateDomainNameInput{DomainName: &c.PhysicalID, PatchOperations: operations}); err != nil {
					return resource.Result{}, err
				}
			}
			got, err := resource.Do(ctx, r.GetDomainName, &apigateway.GetDomainNameInput{DomainName: &c.PhysicalID})
			if err != nil {
				return resource.Result{}, err
			}
			return restDomainResult(fill[types.DomainName](*got)), r.retag(ctx, *got.DomainNameArn, old.Tags, p.Tags)
		},
		Delete: func(ctx context.Context, c *resource.Change[restDomainProperties]) error {
			_, err := resource.Do(ctx, r.DeleteDomainName, &apigateway.DeleteDomainNameInput{DomainName: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[restDomainProperties]) (string, error) {
			name := strings.ToLower(c.Properties.DomainName)
			if _, err := resource.Do(ctx, r.GetDomainName, &apigateway.GetDomainNameInput{DomainName: &name}); err != nil {
				return "", gone(err)
			}
			d, _, err := r.s.getDomain(ctx, name)
			if err != nil || d.Made != c.Token {
				return "", gone(err) // somebody else's
			}
			return d.Name, nil
		},
	})
}

func (e *restEndpoint) address() string {
	if e == nil || e.IpAddressType == "" {
		return string(types.IpAddressTypeIpv4)
	}
	return e.IpAddressType
}

// restDomainResult has the distribution's attributes too, empty: there is none.
func restDomainResult(d *types.DomainName) resource.Result {
	return resource.Result{PhysicalID: *d.DomainName, Attributes: map[string]any{
		"DomainNameArn": aws.ToString(d.DomainNameArn), "RegionalDomainName": aws.ToString(d.RegionalDomainName), "RegionalHostedZoneId": aws.ToString(d.RegionalHostedZoneId),
		"DistributionDomainName": "", "DistributionHostedZoneId": "",
	}}
}

type restMappingProperties struct {
	DomainName string `cfn:"required,replace"`
	BasePath   string `cfn:"replace"`
	RestApiId  string
	Stage      string
}

// mappingResource is AWS::ApiGateway::BasePathMapping.
func (r *REST) mappingResource() resource.Type {
	id := func(p *restMappingProperties) string { return p.DomainName + "|" + orDefault(p.BasePath, noBasePath) }
	return resource.Define(resource.Spec[restMappingProperties]{
		Name: "AWS::ApiGateway::BasePathMapping",
		Create: func(ctx context.Context, c *resource.Change[restMappingProperties]) (resource.Result, error) {
			p := &c.Properties
			_, err := resource.Do(inStack(ctx, c), r.CreateBasePathMapping, &apigateway.CreateBasePathMappingInput{
				DomainName: &p.DomainName, RestApiId: &p.RestApiId, BasePath: optional(p.BasePath), Stage: optional(p.Stage),
			})
			return resource.Result{PhysicalID: id(p)}, err
		},
		Update: func(ctx context.Context, c *resource.Change[restMappingProperties]) (resource.Result, error) {
			p := &c.Properties
			_, err := resource.Do(ctx, r.UpdateBasePathMapping, &apigateway.UpdateBasePathMappingInput{
				DomainName: &p.DomainName, BasePath: aws.String(orDefault(p.BasePath, noBasePath)), PatchOperations: []types.PatchOperation{
					{Op: types.OpReplace, Path: aws.String("/restapiId"), Value: &p.RestApiId},
					{Op: types.OpReplace, Path: aws.String("/stage"), Value: &p.Stage},
				},
			})
			return resource.Result{PhysicalID: c.PhysicalID}, err
		},
		Delete: func(ctx context.Context, c *resource.Change[restMappingProperties]) error {
			p := &c.Properties
			_, err := resource.Do(ctx, r.DeleteBasePathMapping, &apigateway.DeleteBasePathMappingInput{DomainName: &p.DomainName, BasePath: aws.String(orDefault(p.BasePath, noBasePath))})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[restMappingProperties]) (string, error) {
			p := &c.Properties
			if _, err := resource.Do(ctx, r.GetBasePathMapping, &apigateway.GetBasePathMappingInput{DomainName: &p.DomainName, BasePath: aws.String(orDefault(p.BasePath, noBasePath))}); err != nil {
				return "", gone(err)
			}
			d, _, err := r.s.getDomain(ctx, p.DomainName)
			if err != nil {
				return "", gone(err)
			}
			if _, err := d.mapping(makingOf(c).id(mappingIDLength)); err != nil {
				return "", nil // somebody else's
			}
			return id(p), nil
		},
	})
}

type accountProperties struct{ CloudWatchRoleArn string }

// accountResource is AWS::ApiGateway::Account. What it says is the account's, not the stack's: nothing is taken
// back when it goes, as on AWS.
func (r *REST) accountResource() resource.Type {
	const id = "APIGatewayAccountConfig"
	apply := func(ctx context.Context, c *resource.Change[accountProperties]) (resource.Result, error) {
		_, err := resource.Do(ctx, r.UpdateAccount, &apigateway.UpdateAccountInput{PatchOperations: []types.PatchOperation{
			{Op: types.OpReplace, Path: aws.String("/cloudwatchRoleArn"), Value: &c.Properties.CloudWatchRoleArn},
		}})
		return resource.Result{PhysicalID: id, Attributes: map[string]any{"Id": id}}, err
	}
	return resource.Define(resource.Spec[accountProperties]{
		Name: "AWS::ApiGateway::Account", Attributes: []string{"Id"}, Create: apply, Update: apply,
		Delete: func(context.Context, *resource.Change[accountProperties]) error { return nil },
		Find:   func(context.Context, *resource.Change[accountProperties]) (string, error) { return "", nil },
	})
}
