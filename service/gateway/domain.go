package gateway

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"countersign/arn"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// domainName: labels of letters, digits and inner hyphens; a wildcard may stand
// for the first.
var domainName = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// CreateDomainName makes a custom domain name. The trust store of
// mutualTlsAuthentication is read now, at the version given or, without one, the
// current one.
func (s *Service) CreateDomainName(ctx context.Context, in *apigatewayv2.CreateDomainNameInput) (*apigatewayv2.CreateDomainNameOutput, error) {
	name := strings.ToLower(aws.ToString(in.DomainName))
	if len(name) > 253 || !domainName.MatchString(name) || strings.HasSuffix(name, ".amazonaws.com") {
		return nil, badRequest("Invalid domain name specified: %q is not a domain name that can be served here", aws.ToString(in.DomainName))
	}
	if err := unsupportedRouting(in.RoutingMode); err != nil {
		return nil, err
	}
	if err := checkTags(ctx, in.Tags); err != nil {
		return nil, err
	}
	if len(in.DomainNameConfigurations) != 1 {
		return nil, badRequest("Invalid input. Expected one domain name configuration")
	}
	id, err := s.randomID(10)
	if err != nil {
		return nil, err
	}
	account, region := scope(ctx)
	d := domain{
		Name: name, Account: account, Region: region, Created: s.now().UTC(), Tags: in.Tags,
		Made: madeBy(ctx).by(), GatewayName: "d-" + id + ".execute-api." + region + "." + suffix(region), IPAddressType: string(types.IpAddressTypeIpv4),
	}
	if err := applyConfiguration(&d, in.DomainNameConfigurations[0]); err != nil {
		return nil, err
	}
	b := new(store.Batch)
	if err := s.applyMutual(ctx, &d, in.MutualTlsAuthentication, b); err != nil {
		return nil, err
	}
	if err := s.checkCertificates(ctx, d); err != nil {
		return nil, err
	}
	b.Create(KindDomain, d.Name, encode(d))
	if _, err := s.store.Commit(ctx, b); errors.Is(err, store.ErrExists) {
		if d, _, err := s.getDomain(ctx, name); err == nil && d.Made != "" && d.Made == madeBy(ctx).by() {
			return fill[apigatewayv2.CreateDomainNameOutput](d.sdk()), nil
		}
		return nil, conflict("The domain name you provided already exists.")
	} else if err != nil {
		return nil, fmt.Errorf("write domain name %s: %w", name, err)
	}
	return fill[apigatewayv2.CreateDomainNameOutput](d.sdk()), nil
}

func unsupportedRouting(mode types.RoutingMode) error {
	if mode != "" && mode != types.RoutingModeApiMappingOnly {
		return notBuilt("routingMode " + string(mode))
	}
	return nil
}

// applyConfiguration carries the members that are given over to d.
func applyConfiguration(d *domain, c types.DomainNameConfiguration) error {
	switch {
	case c.EndpointType != "" && c.EndpointType != types.EndpointTypeRegional:
		return badRequest("endpointType %s is not supported: a domain name of an HTTP API is REGIONAL", c.EndpointType)
	case c.SecurityPolicy != "" && c.SecurityPolicy != types.SecurityPolicyTls12:
		return badRequest("securityPolicy %s is not supported: the minimum is TLS_1_2", c.SecurityPolicy)
	}
	set(&d.Certificate, c.CertificateArn)
	set(&d.Ownership, c.OwnershipVerificationCertificateArn)
	if c.IpAddressType != "" {
		d.IPAddressType = string(c.IpAddressType)
	}
	if d.Certificate == "" {
		return badRequest("Invalid input. A domain name configuration needs a certificateArn")
	}
	return nil
}

// checkCertificates demands that the server certificate is issued and covers
// the name; an imported or private one on a mutual TLS domain needs proof that
// the caller owns the name, which is an ACM-issued certificate for it.
func (s *Service) checkCertificates(ctx context.Context, d domain) error {
	server, err := s.serverCertificate(ctx, d, d.Certificate)
	if err != nil {
		return err
	}
	if d.Mutual == nil || server.Type == "AMAZON_ISSUED" {
		return nil
	}
	if d.Ownership == "" {
		return badRequest("Missing ownershipVerificationCertificate.")
	}
	owner, err := s.serverCertificate(ctx, d, d.Ownership)
	if err != nil {
		return err
	}
	if owner.Type != "AMAZON_ISSUED" {
		return badRequest("Invalid ownershipVerificationCertificate: %s is of type %s; it must be a certificate that ACM issued", d.Ownership, owner.Type)
	}
	return nil
}

func (s *Service) serverCertificate(ctx context.Context, d domain, certificate string) (ServerCertificate, error) {
	a, err := arn.Parse(certificate)
	if err != nil || a.Service != "acm" || a.Region != d.Region || a.Account != d.Account {
		return ServerCertificate{}, badRequest("The provided certificate is not valid: %q is not the ARN of an ACM certificate of account %s in Region %s", certificate, d.Account, d.Region)
	}
	c, err := s.certificates.ServerCertificate(ctx, certificate)
	if isNotFound(err) {
		return c, badRequest("The provided certificate does not exist: %s", certificate)
	}
	if err != nil {
		return c, fmt.Errorf("read certificate %s: %w", certificate, err)
	}
	if c.Status != "ISSUED" || c.TLS == nil {
		return c, badRequest("The provided certificate must be issued, and %s is in status %s", certificate, c.Status)
	}
	if !covers(c.TLS.Leaf.DNSNames, d.Name) {
		return c, badRequest("The domain name %s to be created is not covered by the provided certificate %s (%s)", d.Name, certificate, strings.Join(c.TLS.Leaf.DNSNames, ", "))
	}
	return c, nil
}

// covers tells whether a certificate's names serve a domain name: the name
// itself, or the wildcard one label up. A wildcard domain name needs the wildcard.
func covers(names []string, domain string) bool {
	_, parent, _ := strings.Cut(domain, ".")
	for _, n := range names {
		if n = strings.ToLower(n); n == domain || n == "*."+parent {
			return true
		}
	}
	return false
}

// GetDomainName reads one domain name.
func (s *Service) GetDomainName(ctx context.Context, in *apigatewayv2.GetDomainNameInput) (*apigatewayv2.GetDomainNameOutput, error) {
	d, _, err := s.getDomain(ctx, aws.ToString(in.DomainName))
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.GetDomainNameOutput](d.sdk()), nil
}

// GetDomainNames lists the domain names of the caller's account and Region.
func (s *Service) GetDomainNames(ctx context.Context, in *apigatewayv2.GetDomainNamesInput) (*apigatewayv2.GetDomainNamesOutput, error) {
	all, err := s.domains(ctx)
	if err != nil {
		return nil, err
	}
	items := []types.DomainName{}
	for _, d := range all {
		items = append(items, d.sdk())
	}
	items, next, err := page(items, func(d types.DomainName) string { return *d.DomainName }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.GetDomainNamesOutput{Items: items, NextToken: next}, nil
}

// domains are those of the caller's account and Region, by name.
func (s *Service) domains(ctx context.Context) ([]domain, error) {
	account, region := scope(ctx)
	records, err := s.store.List(ctx, KindDomain, "", "", 0)
	if err != nil {
		return nil, fmt.Errorf("list domain names: %w", err)
	}
	var all []domain
	for _, r := range records {
		d, err := decode[domain](r)
		if err != nil {
			return nil, err
		}
		if d.Account == account && d.Region == region {
			all = append(all, d)
		}
	}
	return all, nil
}

// UpdateDomainName changes what the input names. With mutualTlsAuthentication
// the trust store is read again, even when its URI and version stay the same.
func (s *Service) UpdateDomainName(ctx context.Context, in *apigatewayv2.UpdateDomainNameInput) (*apigatewayv2.UpdateDomainNameOutput, error) {
	if err := unsupportedRouting(in.RoutingMode); err != nil {
		return nil, err
	}
	if len(in.DomainNameConfigurations) > 1 {
		return nil, badRequest("Invalid input. Expected one domain name configuration")
	}
	d, err := s.editDomain(ctx, aws.ToString(in.DomainName), func(d *domain, b *store.Batch) error {
		for _, c := range in.DomainNameConfigurations {
			if err := applyConfiguration(d, c); err != nil {
				return err
			}
		}
		if err := s.applyMutual(ctx, d, in.MutualTlsAuthentication, b); err != nil {
			return err
		}
		return s.checkCertificates(ctx, *d)
	})
	if err != nil {
		return nil, err
	}
	return fill[apigatewayv2.UpdateDomainNameOutput](d.sdk()), nil
}

// DeleteDomainName removes a domain name with its API mappings.
func (s *Service) DeleteDomainName(ctx context.Context, in *apigatewayv2.DeleteDomainNameInput) (*apigatewayv2.DeleteDomainNameOutput, error) {
	d, revision, err := s.getDomain(ctx, aws.ToString(in.DomainName))
	if err != nil {
		return nil, err
	}
	b := new(store.Batch).DeleteIf(KindDomain, d.Name, revision)
	if d.Mutual != nil {
		b.Delete(kindTrust, trustKey(d.Name, d.Mutual.SHA256))
	}
	if _, err := s.store.Commit(ctx, b); err != nil {
		return nil, changed(err, "domain name "+d.Name)
	}
	return &apigatewayv2.DeleteDomainNameOutput{}, nil
}

// InUse names the domain names, as ARNs, that present the certificate or prove
// ownership with it.
func (s *Service) InUse(ctx context.Context, certificate string) ([]string, error) {
	records, err := s.store.List(ctx, KindDomain, "", "", 0)
	if err != nil {
		return nil, fmt.Errorf("list domain names: %w", err)
	}
	var users []string
	for _, r := range records {
		d, err := decode[domain](r)
		if err != nil {
			return nil, err
		}
		if d.Certificate == certificate || d.Ownership == certificate {
			users = append(users, d.arn())
		}
	}
	return users, nil
}

func (d domain) arn() string {
	return arn.New("apigateway", d.Region, "", "/domainnames/"+d.Name).String()
}

func (d domain) sdk() types.DomainName {
	out := types.DomainName{
		DomainName: &d.Name, DomainNameArn: aws.String(d.arn()), ApiMappingSelectionExpression: aws.String("$request.basepath"),
		RoutingMode: types.RoutingModeApiMappingOnly, Tags: orEmpty(d.Tags),
		DomainNameConfigurations: []types.DomainNameConfiguration{{
			ApiGatewayDomainName: &d.GatewayName, CertificateArn: &d.Certificate, DomainNameStatus: types.DomainNameStatusAvailable,
			EndpointType: types.EndpointTypeRegional, HostedZoneId: aws.String(hostedZone(d.Region)), IpAddressType: types.IpAddressType(d.IPAddressType),
			OwnershipVerificationCertificateArn: optional(d.Ownership), SecurityPolicy: types.SecurityPolicyTls12,
		}},
	}
	if m := d.Mutual; m != nil {
		out.MutualTlsAuthentication = &types.MutualTlsAuthentication{TruststoreUri: &m.URI, TruststoreWarnings: m.Warnings}
		if m.VersionGiven {
			out.MutualTlsAuthentication.TruststoreVersion = &m.Version
		}
	}
	return out
}

// hostedZones are the ids that a Route 53 alias to a Regional domain name of
// API Gateway must name.
// https://docs.aws.amazon.com/general/latest/gr/apigateway.html
var hostedZones = map[string]string{
	"us-east-1": "Z1UJRXOUMOOFQ8", "us-east-2": "ZOJJZC49E0EPZ", "us-west-1": "Z2MUQ32089INYE", "us-west-2": "Z2OJLYMUO9EFXC",
	"eu-west-1": "ZLY8HYME6SFDD", "eu-west-2": "ZJ5UAJN8Y3Z2Q", "eu-west-3": "Z3KY65QIEKYHQQ", "eu-central-1": "Z1U9ULNL0V5AJ3", "eu-north-1": "Z3UWIKFBOOGXPP",
	"ap-northeast-1": "Z1YSHQZHG15GKL", "ap-northeast-2": "Z20JF4UZKIW1U8", "ap-southeast-1": "ZL327KTPIQFUL", "ap-southeast-2": "Z2RPCDW04V8134", "ap-south-1": "Z3VO1THU9YC4UR",
	"sa-east-1": "ZCMLWB8V5SYIT", "ca-central-1": "Z19DQILCV0OWEC",
}

// hostedZone gives the Region's id, or one of ours where AWS's is not in the
// table: aliases resolve by their DNS name, and the id is only carried along.
func hostedZone(region string) string {
	return orDefault(hostedZones[region], "Z0COUNTERSIGN0GATEWAY")
}
