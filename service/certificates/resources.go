package certificates

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"

	"countersign/service/stacks/resource"
)

// Zones writes the records that prove names into hosted zones. Only the
// CloudFormation type does that; RequestCertificate leaves it to the caller.
type Zones interface {
	ChangeResourceRecordSets(context.Context, *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error)
}

const (
	recordTTL  = 300             // seconds, of validation records
	statusTime = 5 * time.Second // between looks at a request; a write to the store ends the wait
)

// ResourceTypes are the CloudFormation resource types of ACM.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-certificatemanager-certificate.html
func (s *Service) ResourceTypes() []resource.Type {
	r := requested{s}
	return []resource.Type{resource.Define(resource.Spec[certificateProperties]{
		Name: "AWS::CertificateManager::Certificate", Attributes: []string{"CertificateArn", "Id"}, Tags: "Tags",
		Check: checkCertificate, Create: r.create, Update: r.update, Delete: r.delete, Find: r.find,
	})}
}

type certificateProperties struct {
	DomainName              string                   `cfn:"required,replace"`
	SubjectAlternativeNames []string                 `cfn:"replace"`
	CertificateAuthorityArn *string                  `cfn:"replace"`
	DomainValidationOptions []domainValidationOption `cfn:"replace"`
	ValidationMethod        types.ValidationMethod   `cfn:"replace"`
	KeyAlgorithm            types.KeyAlgorithm       `cfn:"replace"`
	// Whether a certificate can be exported is settled when it is requested.
	CertificateExport types.CertificateExport `cfn:"replace"`
	// Accepted and ignored, as ACM does.
	CertificateTransparencyLoggingPreference types.CertificateTransparencyLoggingPreference
	Tags                                     []resource.Tag
}

type domainValidationOption struct {
	DomainName       string `cfn:"required"`
	HostedZoneId     string
	ValidationDomain string
}

func checkCertificate(p *certificateProperties) (problems []resource.Problem) {
	for i, o := range p.DomainValidationOptions {
		path := []string{"DomainValidationOptions", fmt.Sprint(i)}
		switch {
		case o.HostedZoneId != "" && o.ValidationDomain != "":
			problems = append(problems, resource.Problem{Path: path, Message: "Only one of HostedZoneId and ValidationDomain can be given"})
		case o.HostedZoneId != "" && p.ValidationMethod == types.ValidationMethodEmail:
			problems = append(problems, resource.Problem{Path: append(path, "HostedZoneId"), Message: "HostedZoneId is for ValidationMethod DNS"})
		}
	}
	return problems
}

// requested is AWS::CertificateManager::Certificate.
type requested struct{ *Service }

// create requests a certificate and waits until it is ISSUED. Records that prove
// names are written into the hosted zones that the template gives; for the others the user has to, and meanwhile the
// resource is in creation, for 72 hours at most.
func (s requested) create(ctx context.Context, c *resource.Change[certificateProperties]) (resource.Result, error) {
	id := c.PhysicalID
	if id == "" {
		in, err := request(&c.Properties)
		if err != nil {
			return resource.Result{}, err
		}
		in.IdempotencyToken = aws.String(strings.ReplaceAll(c.Token, "-", "")) // 32 letters and digits at most
		out, err := resource.Do(ctx, s.RequestCertificate, in)
		if err != nil {
			return resource.Result{}, err
		}
		id = *out.CertificateArn
		if err := c.Initiated(id); err != nil {
			return resource.Result{}, err
		}
	}
	written := false
	for {
		out, err := resource.Do(ctx, s.DescribeCertificate, &acm.DescribeCertificateInput{CertificateArn: &id})
		if err != nil {
			return resource.Result{}, err
		}
		switch d := out.Certificate; d.Status {
		case types.CertificateStatusIssued:
			return issuedResult(id), nil
		case types.CertificateStatusPendingValidation:
		case types.CertificateStatusValidationTimedOut:
			return resource.Result{}, notStabilised("the names of certificate %s were not validated within 72 hours: its status is %s", id, d.Status)
		default:
			return resource.Result{}, notStabilised("certificate %s was not issued: its status is %s, for the reason %s", id, d.Status, d.FailureReason)
		}
		if !written {
			if err := s.writeRecords(ctx, c.Properties.DomainValidationOptions, out.Certificate); err != nil {
				return resource.Result{}, err
			}
			written = true
		}
		if err := c.Pause(ctx, statusTime); err != nil {
			return resource.Result{}, err
		}
	}
}

func issuedResult(id string) resource.Result {
	return resource.Result{PhysicalID: id, Attributes: map[string]any{"CertificateArn": id, "Id": id}}
}

// notStabilised is CloudFormation's word for what was begun and did not come to an end.
func notStabilised(format string, a ...any) error {
	return &smithy.GenericAPIError{Code: "NotStabilized", Message: fmt.Sprintf(format, a...), Fault: smithy.FaultClient}
}

// request is the operation's input for the properties.
func request(p *certificateProperties) (*acm.RequestCertificateInput, error) {
	in := &acm.RequestCertificateInput{
		DomainName: &p.DomainName, SubjectAlternativeNames: p.SubjectAlternativeNames, CertificateAuthorityArn: p.CertificateAuthorityArn,
		ValidationMethod: p.ValidationMethod, KeyAlgorithm: p.KeyAlgorithm,
	}
	if p.CertificateExport != "" || p.CertificateTransparencyLoggingPreference != "" {
		in.Options = &types.CertificateOptions{Export: p.CertificateExport, CertificateTransparencyLoggingPreference: p.CertificateTransparencyLoggingPreference}
	}
	for _, o := range p.DomainValidationOptions {
		// A record for a name that the certificate has not got would be waited for in vain.
		if o.DomainName != p.DomainName && !slices.Contains(p.SubjectAlternativeNames, o.DomainName) {
			return nil, invalidValidation("the domain name %s of DomainValidationOptions is not one of the certificate's", o.DomainName)
		}
		if o.ValidationDomain != "" {
			in.DomainValidationOptions = append(in.DomainValidationOptions, types.DomainValidationOption{DomainName: &o.DomainName, ValidationDomain: &o.ValidationDomain})
		}
	}
	for _, t := range p.Tags {
		in.Tags = append(in.Tags, types.Tag{Key: &t.Key, Value: &t.Value})
	}
	return in, nil
}

// writeRecords writes the records that prove names into the zones that are
// given for them. They stay when the certificate is deleted: others may be proved by the same ones.
func (s requested) writeRecords(ctx context.Context, options []domainValidationOption, d *types.CertificateDetail) error {
	byZone := map[string][]route53types.Change{}
	var zones []string
	for _, o := range options {
		i := slices.IndexFunc(d.DomainValidationOptions, func(v types.DomainValidation) bool { return strings.EqualFold(*v.DomainName, o.DomainName) })
		if o.HostedZoneId == "" || i < 0 || d.DomainValidationOptions[i].ResourceRecord == nil {
			continue
		}
		record, changes := d.DomainValidationOptions[i].ResourceRecord, byZone[o.HostedZoneId]
		if changes == nil {
			zones = append(zones, o.HostedZoneId)
		}
		if slices.ContainsFunc(changes, func(c route53types.Change) bool { return *c.ResourceRecordSet.Name == *record.Name }) {
			continue // a wildcard and its parent have one record
		}
		byZone[o.HostedZoneId] = append(changes, route53types.Change{
			Action: route53types.ChangeActionUpsert, ResourceRecordSet: &route53types.ResourceRecordSet{
				Name: record.Name, Type: route53types.RRType(record.Type), TTL: aws.Int64(recordTTL),
				ResourceRecords: []route53types.ResourceRecord{{Value: record.Value}},
			},
		})
	}
	for _, zone := range zones {
		if s.zones == nil {
			return invalidValidation("the record for the names of %s cannot be written into %s: this installation has no hosted zones; leave HostedZoneId out", *d.CertificateArn, zone)
		}
		_, err := resource.Do(ctx, s.zones.ChangeResourceRecordSets, &route53.ChangeResourceRecordSetsInput{
			HostedZoneId: &zone, ChangeBatch: &route53types.ChangeBatch{Changes: byZone[zone], Comment: aws.String("validates " + *d.CertificateArn)},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// update changes tags; everything else replaces.
func (s requested) update(ctx context.Context, c *resource.Change[certificateProperties]) (resource.Result, error) {
	set, removed := resource.TagChanges(c.Old.Tags, c.Properties.Tags)
	if len(removed) > 0 {
		in := &acm.RemoveTagsFromCertificateInput{CertificateArn: &c.PhysicalID}
		for _, k := range removed {
			in.Tags = append(in.Tags, types.Tag{Key: &k})
		}
		if _, err := resource.Do(ctx, s.RemoveTagsFromCertificate, in); err != nil {
			return resource.Result{}, err
		}
	}
	if len(set) > 0 {
		in := &acm.AddTagsToCertificateInput{CertificateArn: &c.PhysicalID}
		for _, t := range set {
			in.Tags = append(in.Tags, types.Tag{Key: &t.Key, Value: &t.Value})
		}
		if _, err := resource.Do(ctx, s.AddTagsToCertificate, in); err != nil {
			return resource.Result{}, err
		}
	}
	return issuedResult(c.PhysicalID), nil
}

func (s requested) delete(ctx context.Context, c *resource.Change[certificateProperties]) error {
	_, err := resource.Do(ctx, s.DeleteCertificate, &acm.DeleteCertificateInput{CertificateArn: &c.PhysicalID})
	if resource.IsNotFound(err) {
		return nil
	}
	return err
}

// find looks for a certificate of the resource that is as the properties say and that nothing uses yet.
func (s requested) find(ctx context.Context, c *resource.Change[certificateProperties]) (string, error) {
	page := &acm.ListCertificatesInput{Includes: &types.Filters{KeyTypes: types.KeyAlgorithm("").Values()}}
	for {
		list, err := resource.Do(ctx, s.ListCertificates, page)
		if err != nil {
			return "", err
		}
		for _, one := range list.CertificateSummaryList {
			if *one.DomainName != c.Properties.DomainName {
				continue
			}
			ours, err := s.unused(ctx, c, *one.CertificateArn)
			if err != nil {
				return "", err
			}
			if ours {
				return *one.CertificateArn, nil
			}
		}
		if page.NextToken = list.NextToken; page.NextToken == nil {
			return "", nil
		}
	}
}

// unused reports whether a certificate is what create would make, and was made
// by it for all that can be told.
func (s requested) unused(ctx context.Context, c *resource.Change[certificateProperties], id string) (bool, error) {
	out, err := resource.Do(ctx, s.DescribeCertificate, &acm.DescribeCertificateInput{CertificateArn: &id})
	if err != nil {
		return false, err
	}
	d, p := out.Certificate, c.Properties
	names := map[string]bool{}
	for _, n := range append([]string{p.DomainName}, p.SubjectAlternativeNames...) {
		names[strings.ToLower(n)] = true
	}
	for _, n := range d.SubjectAlternativeNames {
		if !names[strings.ToLower(n)] {
			return false, nil
		}
	}
	algorithm := p.KeyAlgorithm
	if algorithm == "" {
		algorithm = types.KeyAlgorithmRsa2048
	}
	if len(d.SubjectAlternativeNames) != len(names) || d.KeyAlgorithm != algorithm || aws.ToString(d.CertificateAuthorityArn) != aws.ToString(p.CertificateAuthorityArn) || len(d.InUseBy) > 0 {
		return false, nil
	}
	list, err := resource.Do(ctx, s.ListTagsForCertificate, &acm.ListTagsForCertificateInput{CertificateArn: &id})
	if err != nil {
		return false, err
	}
	var tags []resource.Tag
	for _, t := range list.Tags {
		tags = append(tags, resource.Tag{Key: *t.Key, Value: aws.ToString(t.Value)})
	}
	return c.Ours(tags), nil
}
