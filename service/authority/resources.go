package authority

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/service/stacks/resource"
)

// ResourceTypes are the CloudFormation resource types of AWS Private CA.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ACMPCA.html
func (s *Service) ResourceTypes() []resource.Type {
	a, c, v, p := authorities{s}, issuedCertificates{s}, activations{s}, grants{s}
	return []resource.Type{
		resource.Define(resource.Spec[authorityProperties]{
			Name: "AWS::ACMPCA::CertificateAuthority", Attributes: []string{"Arn", "CertificateSigningRequest"}, Tags: "Tags",
			Create: a.create, Update: a.update, Delete: a.delete, Find: a.find,
		}),
		resource.Define(resource.Spec[certificateProperties]{
			Name: "AWS::ACMPCA::Certificate", Attributes: []string{"Arn", "Certificate"},
			Create: c.create, Delete: c.delete,
		}),
		resource.Define(resource.Spec[activationProperties]{
			Name: "AWS::ACMPCA::CertificateAuthorityActivation", Attributes: []string{"CompleteCertificateChain"},
			Create: v.activate, Update: v.activate, Delete: v.deactivate,
		}),
		resource.Define(resource.Spec[permissionProperties]{
			Name:   "AWS::ACMPCA::Permission",
			Create: p.create, Delete: p.delete, Find: p.find,
		}),
	}
}

// pollTime is how long to wait before looking again whether a key or a
// certificate has been made. A write to the store ends the wait.
const pollTime = time.Second

type authorityProperties struct {
	Type                       types.CertificateAuthorityType      `cfn:"required,replace"`
	KeyAlgorithm               types.KeyAlgorithm                  `cfn:"required,replace"`
	SigningAlgorithm           types.SigningAlgorithm              `cfn:"required,replace"`
	Subject                    *types.ASN1Subject                  `cfn:"required,replace"`
	CsrExtensions              *types.CsrExtensions                `cfn:"replace"`
	KeyStorageSecurityStandard types.KeyStorageSecurityStandard    `cfn:"replace"`
	UsageMode                  types.CertificateAuthorityUsageMode `cfn:"replace"`
	RevocationConfiguration    *types.RevocationConfiguration
	Tags                       []resource.Tag
}

func (p *authorityProperties) configuration() *types.CertificateAuthorityConfiguration {
	return &types.CertificateAuthorityConfiguration{
		KeyAlgorithm: p.KeyAlgorithm, SigningAlgorithm: p.SigningAlgorithm, Subject: p.Subject, CsrExtensions: p.CsrExtensions,
	}
}

// authorities is AWS::ACMPCA::CertificateAuthority.
type authorities struct{ *Service }

// create makes an authority and waits for its CSR. It is without a certificate
// then: an AWS::ACMPCA::CertificateAuthorityActivation brings it one.
func (s authorities) create(ctx context.Context, c *resource.Change[authorityProperties]) (resource.Result, error) {
	id, p := c.PhysicalID, &c.Properties
	if id == "" {
		out, err := resource.Do(ctx, s.CreateCertificateAuthority, &acmpca.CreateCertificateAuthorityInput{
			CertificateAuthorityType: p.Type, CertificateAuthorityConfiguration: p.configuration(), RevocationConfiguration: p.RevocationConfiguration,
			KeyStorageSecurityStandard: p.KeyStorageSecurityStandard, UsageMode: p.UsageMode, Tags: sdkTags(p.Tags), IdempotencyToken: &c.Token,
		})
		if err != nil {
			return resource.Result{}, err
		}
		id = *out.CertificateAuthorityArn
		if err := c.Initiated(id); err != nil {
			return resource.Result{}, err
		}
	}
	for {
		out, err := resource.Do(ctx, s.DescribeCertificateAuthority, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &id})
		if err != nil {
			return resource.Result{}, err
		}
		switch ca := out.CertificateAuthority; ca.Status {
		case types.CertificateAuthorityStatusCreating:
			if err := c.Pause(ctx, pollTime); err != nil {
				return resource.Result{}, err
			}
		case types.CertificateAuthorityStatusFailed:
			return resource.Result{}, invalidState("the certificate authority %s could not be made: %s", id, ca.FailureReason)
		default:
			return s.result(ctx, id)
		}
	}
}

func (s authorities) result(ctx context.Context, id string) (resource.Result, error) {
	csr, err := resource.Do(ctx, s.GetCertificateAuthorityCsr, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &id})
	if err != nil {
		return resource.Result{}, err
	}
	return resource.Result{PhysicalID: id, Attributes: map[string]any{"Arn": id, "CertificateSigningRequest": *csr.Csr}}, nil
}

// update changes revocation and tags. What is left out of the revocation
// configuration is disabled, unlike in UpdateCertificateAuthority.
func (s authorities) update(ctx context.Context, c *resource.Change[authorityProperties]) (resource.Result, error) {
	if now := revocation(c.Properties.RevocationConfiguration); !reflect.DeepEqual(now, revocation(c.Old.RevocationConfiguration)) {
		_, err := resource.Do(ctx, s.UpdateCertificateAuthority, &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: &c.PhysicalID, RevocationConfiguration: now})
		if err != nil {
			return resource.Result{}, err
		}
	}
	set, removed := resource.TagChanges(c.Old.Tags, c.Properties.Tags)
	if len(removed) > 0 {
		in := &acmpca.UntagCertificateAuthorityInput{CertificateAuthorityArn: &c.PhysicalID}
		for _, k := range removed {
			in.Tags = append(in.Tags, types.Tag{Key: &k})
		}
		if _, err := resource.Do(ctx, s.UntagCertificateAuthority, in); err != nil {
			return resource.Result{}, err
		}
	}
	if len(set) > 0 {
		if _, err := resource.Do(ctx, s.TagCertificateAuthority, &acmpca.TagCertificateAuthorityInput{CertificateAuthorityArn: &c.PhysicalID, Tags: sdkTags(set)}); err != nil {
			return resource.Result{}, err
		}
	}
	return s.result(ctx, c.PhysicalID)
}

// revocation is a whole configuration: every part is there.
func revocation(in *types.RevocationConfiguration) *types.RevocationConfiguration {
	out := types.RevocationConfiguration{}
	if in != nil {
		out = *in
	}
	if out.CrlConfiguration == nil {
		out.CrlConfiguration = &types.CrlConfiguration{Enabled: aws.Bool(false)}
	}
	if out.OcspConfiguration == nil {
		out.OcspConfiguration = &types.OcspConfiguration{Enabled: aws.Bool(false)}
	}
	return &out
}

// delete starts the restoration window of 30 days. An ACTIVE authority is
// refused, as on AWS: deleting its activation disables it first.
func (s authorities) delete(ctx context.Context, c *resource.Change[authorityProperties]) error {
	out, err := resource.Do(ctx, s.DescribeCertificateAuthority, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &c.PhysicalID})
	if err == nil && out.CertificateAuthority.Status != types.CertificateAuthorityStatusDeleted {
		_, err = resource.Do(ctx, s.DeleteCertificateAuthority, &acmpca.DeleteCertificateAuthorityInput{CertificateAuthorityArn: &c.PhysicalID})
	}
	return unlessGone(err)
}

// find looks for an authority of the resource that nobody has activated yet.
func (s authorities) find(ctx context.Context, c *resource.Change[authorityProperties]) (string, error) {
	subject, err := parseSubject(c.Properties.Subject)
	if err != nil {
		return "", nil // it was refused
	}
	want := c.Properties.configuration()
	want.Subject = subject.describe()
	page := &acmpca.ListCertificateAuthoritiesInput{}
	for {
		list, err := resource.Do(ctx, s.ListCertificateAuthorities, page)
		if err != nil {
			return "", err
		}
		for _, ca := range list.CertificateAuthorities {
			if ca.Status != types.CertificateAuthorityStatusCreating && ca.Status != types.CertificateAuthorityStatusPendingCertificate {
				continue
			}
			if ca.Type != c.Properties.Type || !reflect.DeepEqual(ca.CertificateAuthorityConfiguration, want) {
				continue // what the resource was before it was replaced
			}
			tags, err := s.tags(ctx, *ca.Arn)
			if err != nil {
				return "", err
			}
			if c.Ours(tags) {
				return *ca.Arn, nil
			}
		}
		if page.NextToken = list.NextToken; page.NextToken == nil {
			return "", nil
		}
	}
}

func (s authorities) tags(ctx context.Context, id string) (tags []resource.Tag, err error) {
	page := &acmpca.ListTagsInput{CertificateAuthorityArn: &id}
	for {
		out, err := resource.Do(ctx, s.ListTags, page)
		if err != nil {
			return nil, err
		}
		for _, t := range out.Tags {
			tags = append(tags, resource.Tag{Key: *t.Key, Value: aws.ToString(t.Value)})
		}
		if page.NextToken = out.NextToken; page.NextToken == nil {
			return tags, nil
		}
	}
}

func sdkTags(in []resource.Tag) (out []types.Tag) {
	for _, t := range in {
		out = append(out, types.Tag{Key: &t.Key, Value: &t.Value})
	}
	return out
}

// unlessGone is err, but nil where it says that there is nothing to delete any more.
func unlessGone(err error) error {
	if resource.IsNotFound(err) {
		return nil
	}
	return err
}

type certificateProperties struct {
	CertificateAuthorityArn   string                 `cfn:"required,replace"`
	CertificateSigningRequest string                 `cfn:"required,replace"`
	SigningAlgorithm          types.SigningAlgorithm `cfn:"required,replace"`
	Validity                  *types.Validity        `cfn:"required,replace"`
	TemplateArn               *string                `cfn:"replace"`
	ValidityNotBefore         *types.Validity        `cfn:"replace"`
	ApiPassthrough            *types.ApiPassthrough  `cfn:"replace"`
}

// issuedCertificates is AWS::ACMPCA::Certificate.
type issuedCertificates struct{ *Service }

// create issues a certificate and waits until it can be fetched. Its physical
// id is made of two ARNs, as on AWS, whose guide says not to use it: Fn::GetAtt gives the certificate's own.
func (s issuedCertificates) create(ctx context.Context, c *resource.Change[certificateProperties]) (resource.Result, error) {
	p := &c.Properties
	id, _, _ := strings.Cut(c.PhysicalID, "|")
	if id == "" {
		out, err := resource.Do(ctx, s.IssueCertificate, &acmpca.IssueCertificateInput{
			CertificateAuthorityArn: &p.CertificateAuthorityArn, Csr: []byte(p.CertificateSigningRequest), SigningAlgorithm: p.SigningAlgorithm,
			Validity: p.Validity, TemplateArn: p.TemplateArn, ValidityNotBefore: p.ValidityNotBefore, ApiPassthrough: p.ApiPassthrough, IdempotencyToken: &c.Token,
		})
		if err != nil {
			return resource.Result{}, err
		}
		id = *out.CertificateArn
	}
	physical := id + "|" + p.CertificateAuthorityArn
	if c.PhysicalID == "" {
		if err := c.Initiated(physical); err != nil {
			return resource.Result{}, err
		}
	}
	for {
		out, err := resource.Do(ctx, s.GetCertificate, &acmpca.GetCertificateInput{CertificateAuthorityArn: &p.CertificateAuthorityArn, CertificateArn: &id})
		if err == nil {
			return resource.Result{PhysicalID: physical, Attributes: map[string]any{"Arn": id, "Certificate": *out.Certificate}}, nil
		}
		if !errors.As(err, new(*types.RequestInProgressException)) {
			return resource.Result{}, err
		}
		if err := c.Pause(ctx, pollTime); err != nil {
			return resource.Result{}, err
		}
	}
}

// delete does nothing, as on AWS: what was issued is not revoked.
func (s issuedCertificates) delete(context.Context, *resource.Change[certificateProperties]) error {
	return nil
}

type activationProperties struct {
	CertificateAuthorityArn string `cfn:"required,replace"`
	Certificate             string `cfn:"required"`
	CertificateChain        string
	Status                  types.CertificateAuthorityStatus
}

// activations is AWS::ACMPCA::CertificateAuthorityActivation.
type activations struct{ *Service }

// activate brings an authority its certificate and the status that is asked for.
// Both operations may be repeated.
func (s activations) activate(ctx context.Context, c *resource.Change[activationProperties]) (resource.Result, error) {
	p := &c.Properties
	in := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &p.CertificateAuthorityArn, Certificate: []byte(p.Certificate)}
	complete := p.Certificate
	if p.CertificateChain != "" {
		in.CertificateChain = []byte(p.CertificateChain)
		complete += "\n" + p.CertificateChain
	}
	if _, err := resource.Do(ctx, s.ImportCertificateAuthorityCertificate, in); err != nil {
		return resource.Result{}, err
	}
	status := p.Status
	if status == "" {
		status = types.CertificateAuthorityStatusActive
	}
	if err := s.set(ctx, p.CertificateAuthorityArn, status); err != nil {
		return resource.Result{}, err
	}
	return resource.Result{PhysicalID: p.CertificateAuthorityArn, Attributes: map[string]any{"CompleteCertificateChain": complete}}, nil
}

func (s activations) set(ctx context.Context, id string, status types.CertificateAuthorityStatus) error {
	_, err := resource.Do(ctx, s.UpdateCertificateAuthority, &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: &id, Status: status})
	return err
}

// deactivate disables the authority, which keeps its certificate. One in a state
// that is not ACTIVE or DISABLED stays as it is.
func (s activations) deactivate(ctx context.Context, c *resource.Change[activationProperties]) error {
	err := s.set(ctx, c.PhysicalID, types.CertificateAuthorityStatusDisabled)
	if errors.As(err, new(*types.InvalidStateException)) {
		return nil
	}
	return unlessGone(err)
}

type permissionProperties struct {
	CertificateAuthorityArn string             `cfn:"required,replace"`
	Actions                 []types.ActionType `cfn:"required,replace"`
	Principal               string             `cfn:"required,replace"`
	SourceAccount           *string            `cfn:"replace"`
}

func (p *permissionProperties) id() string { return p.CertificateAuthorityArn + "|" + p.Principal }

// grants is AWS::ACMPCA::Permission.
type grants struct{ *Service }

func (s grants) create(ctx context.Context, c *resource.Change[permissionProperties]) (resource.Result, error) {
	p := &c.Properties
	_, err := resource.Do(ctx, s.CreatePermission, &acmpca.CreatePermissionInput{
		CertificateAuthorityArn: &p.CertificateAuthorityArn, Actions: p.Actions, Principal: &p.Principal, SourceAccount: p.SourceAccount,
	})
	if err != nil && !(resource.IsExists(err) && c.PhysicalID == p.id()) {
		return resource.Result{}, err
	}
	return resource.Result{PhysicalID: p.id()}, nil
}

func (s grants) delete(ctx context.Context, c *resource.Change[permissionProperties]) error {
	p := &c.Properties
	_, err := resource.Do(ctx, s.DeletePermission, &acmpca.DeletePermissionInput{
		CertificateAuthorityArn: &p.CertificateAuthorityArn, Principal: &p.Principal, SourceAccount: p.SourceAccount,
	})
	if errors.As(err, new(*types.InvalidStateException)) {
		return nil // the authority is deleted, and its permissions with it
	}
	return unlessGone(err)
}

// find looks for the very permission.
func (s grants) find(ctx context.Context, c *resource.Change[permissionProperties]) (string, error) {
	p := &c.Properties
	account := aws.ToString(p.SourceAccount)
	if account == "" {
		account = c.Stack.Account
	}
	page := &acmpca.ListPermissionsInput{CertificateAuthorityArn: &p.CertificateAuthorityArn}
	for {
		out, err := resource.Do(ctx, s.ListPermissions, page)
		if err != nil {
			return "", unlessGone(err)
		}
		for _, there := range out.Permissions {
			if *there.Principal == p.Principal && *there.SourceAccount == account && reflect.DeepEqual(there.Actions, p.Actions) {
				return p.id(), nil
			}
		}
		if page.NextToken = out.NextToken; page.NextToken == nil {
			return "", nil
		}
	}
}
