package gateway

import (
	"context"
	"strings"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

type domainProperties struct {
	DomainName               string `cfn:"required,replace"`
	DomainNameConfigurations []domainConfiguration
	MutualTlsAuthentication  *domainMutual
	RoutingMode              string
	Tags                     map[string]string
}

type domainConfiguration struct {
	CertificateArn, EndpointType, SecurityPolicy, IpAddressType, OwnershipVerificationCertificateArn string
}

type domainMutual struct {
	TruststoreUri, TruststoreVersion string
}

func (p *domainProperties) configurations() []types.DomainNameConfiguration {
	var all []types.DomainNameConfiguration
	for _, c := range p.DomainNameConfigurations {
		all = append(all, types.DomainNameConfiguration{
			CertificateArn: optional(c.CertificateArn), EndpointType: types.EndpointType(c.EndpointType), SecurityPolicy: types.SecurityPolicy(c.SecurityPolicy),
			IpAddressType: types.IpAddressType(c.IpAddressType), OwnershipVerificationCertificateArn: optional(c.OwnershipVerificationCertificateArn),
		})
	}
	return all
}

func (m *domainMutual) sdk() *types.MutualTlsAuthenticationInput {
	if m == nil {
		return nil
	}
	return &types.MutualTlsAuthenticationInput{TruststoreUri: optional(m.TruststoreUri), TruststoreVersion: optional(m.TruststoreVersion)}
}

// domainResource is AWS::ApiGatewayV2::DomainName. A new certificate or trust store takes
// over in place: the name is served all the while.
func (s *Service) domainResource() resource.Type {
	return resource.Define(resource.Spec[domainProperties]{
		Name: "AWS::ApiGatewayV2::DomainName", Attributes: []string{"RegionalDomainName", "RegionalHostedZoneId", "DomainNameArn"}, Tags: "Tags",
		Create: func(ctx context.Context, c *resource.Change[domainProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(inStack(ctx, c), s.CreateDomainName, &apigatewayv2.CreateDomainNameInput{
				DomainName: &p.DomainName, DomainNameConfigurations: p.configurations(), MutualTlsAuthentication: p.MutualTlsAuthentication.sdk(),
				RoutingMode: types.RoutingMode(p.RoutingMode), Tags: p.Tags,
			})
			if err != nil {
				return resource.Result{}, err
			}
			return domainResult(*out.DomainName, *out.DomainNameArn, out.DomainNameConfigurations), nil
		},
		Update: func(ctx context.Context, c *resource.Change[domainProperties]) (resource.Result, error) {
			ctx = inStack(ctx, c)
			p := &c.Properties
			in := &apigatewayv2.UpdateDomainNameInput{
				DomainName: &c.PhysicalID, DomainNameConfigurations: p.configurations(), MutualTlsAuthentication: p.mutualSince(c.Old.MutualTlsAuthentication),
				RoutingMode: types.RoutingMode(orDefault(p.RoutingMode, string(types.RoutingModeApiMappingOnly))),
			}
			for n := range in.DomainNameConfigurations { // what a template leaves out again goes
				if cfg := &in.DomainNameConfigurations[n]; cfg.OwnershipVerificationCertificateArn == nil {
					cfg.OwnershipVerificationCertificateArn = aws.String("")
				}
				if cfg := &in.DomainNameConfigurations[n]; cfg.IpAddressType == "" {
					cfg.IpAddressType = types.IpAddressTypeIpv4
				}
			}
			out, err := resource.Do(ctx, s.UpdateDomainName, in)
			if err != nil {
				return resource.Result{}, err
			}
			if err := s.retag(ctx, *out.DomainNameArn, c.Old.Tags, p.Tags); err != nil {
				return resource.Result{}, err
			}
			return domainResult(*out.DomainName, *out.DomainNameArn, out.DomainNameConfigurations), nil
		},
		Delete: func(ctx context.Context, c *resource.Change[domainProperties]) error {
			_, err := resource.Do(ctx, s.DeleteDomainName, &apigatewayv2.DeleteDomainNameInput{DomainName: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[domainProperties]) (string, error) {
			name := strings.ToLower(c.Properties.DomainName)
			if _, err := resource.Do(ctx, s.GetDomainName, &apigatewayv2.GetDomainNameInput{DomainName: &name}); err != nil {
				return "", gone(err)
			}
			d, _, err := s.getDomain(ctx, name)
			if err != nil || d.Made != c.Token {
				return "", gone(err) // somebody else's
			}
			return d.Name, nil
		},
	})
}

// mutualSince is what to say of mutual TLS in an update: nothing when it stays as
// it was, so that an object that has changed meanwhile is not taken over unasked.
func (p *domainProperties) mutualSince(old *domainMutual) *types.MutualTlsAuthenticationInput {
	now := p.MutualTlsAuthentication
	switch {
	case now == nil && old == nil, now != nil && old != nil && *now == *old:
		return nil
	case now == nil:
		return &types.MutualTlsAuthenticationInput{TruststoreUri: aws.String("")}
	}
	return now.sdk()
}

func domainResult(name, arn string, configurations []types.DomainNameConfiguration) resource.Result {
	r := resource.Result{PhysicalID: name, Attributes: map[string]any{"DomainNameArn": arn}}
	for _, c := range configurations {
		r.Attributes["RegionalDomainName"], r.Attributes["RegionalHostedZoneId"] = aws.ToString(c.ApiGatewayDomainName), aws.ToString(c.HostedZoneId)
	}
	return r
}

type mappingProperties struct {
	DomainName    string `cfn:"required,replace"`
	ApiId         string `cfn:"required"`
	Stage         string `cfn:"required"`
	ApiMappingKey string
}

// mappingResource is AWS::ApiGatewayV2::ApiMapping.
func (s *Service) mappingResource() resource.Type {
	return resource.Define(resource.Spec[mappingProperties]{
		Name: "AWS::ApiGatewayV2::ApiMapping", Attributes: []string{"ApiMappingId"},
		Create: func(ctx context.Context, c *resource.Change[mappingProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(inStack(ctx, c), s.CreateApiMapping, &apigatewayv2.CreateApiMappingInput{
				DomainName: &p.DomainName, ApiId: &p.ApiId, Stage: &p.Stage, ApiMappingKey: optional(p.ApiMappingKey),
			})
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.ApiMappingId, "ApiMappingId"), nil
		},
		Update: func(ctx context.Context, c *resource.Change[mappingProperties]) (resource.Result, error) {
			p := &c.Properties
			out, err := resource.Do(ctx, s.UpdateApiMapping, &apigatewayv2.UpdateApiMappingInput{
				DomainName: &p.DomainName, ApiMappingId: &c.PhysicalID, ApiId: &p.ApiId, Stage: &p.Stage, ApiMappingKey: &p.ApiMappingKey,
			})
			if err != nil {
				return resource.Result{}, err
			}
			return made(out.ApiMappingId, "ApiMappingId"), nil
		},
		Delete: func(ctx context.Context, c *resource.Change[mappingProperties]) error {
			_, err := resource.Do(ctx, s.DeleteApiMapping, &apigatewayv2.DeleteApiMappingInput{DomainName: &c.Properties.DomainName, ApiMappingId: &c.PhysicalID})
			return gone(err)
		},
		Find: func(ctx context.Context, c *resource.Change[mappingProperties]) (string, error) {
			id := makingOf(c).id(mappingIDLength)
			_, err := resource.Do(ctx, s.GetApiMapping, &apigatewayv2.GetApiMappingInput{DomainName: &c.Properties.DomainName, ApiMappingId: &id})
			return found(id, err)
		},
	})
}
