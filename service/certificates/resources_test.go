package certificates

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	pca "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"countersign/call"
	"countersign/service/stacks/resource/resourcetest"
)

const certificateType = "AWS::CertificateManager::Certificate"

// hostedZone is one hosted zone, Z1, that the bench's DNS serves.
type hostedZone struct {
	*zone
	changes []route53types.Change
}

func (z *hostedZone) ChangeResourceRecordSets(ctx context.Context, in *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error) {
	if *in.HostedZoneId != "Z1" {
		return nil, &route53types.NoSuchHostedZone{Message: aws.String("No hosted zone found with ID: " + *in.HostedZoneId)}
	}
	if c := call.From(ctx); c.Via != call.CloudFormation || c.Principal.ARN == "" {
		return nil, errors.New("not called for the principal of the stack")
	}
	z.changes = append(z.changes, in.ChangeBatch.Changes...)
	for _, c := range in.ChangeBatch.Changes {
		z.set(*c.ResourceRecordSet.Name, *c.ResourceRecordSet.ResourceRecords[0].Value)
	}
	return &route53.ChangeResourceRecordSetsOutput{}, nil
}

func newStack(t *testing.T) (*bench, *hostedZone, *resourcetest.Stack) {
	b := newBench(t)
	zones := &hostedZone{zone: b.zone}
	b.config.Zones = zones
	b.Service = New(b.config)
	ctx := call.Through(caller(t.Context()), call.CloudFormation)
	return b, zones, resourcetest.New(t, ctx, testAccount, testRegion, b.ResourceTypes())
}

func (b *bench) privateProperties(more string) string {
	return `{"DomainName": "client.example.com", "KeyAlgorithm": "EC_prime256v1", "CertificateAuthorityArn": "` + b.authority.arn + `"` + more + `}`
}

func TestResourcePrivateCertificate(t *testing.T) {
	t.Parallel()
	b, _, s := newStack(t)
	c := s.Create(certificateType, "ClientOneCert", b.privateProperties(`, "CertificateTransparencyLoggingPreference": "ENABLED",
		"SubjectAlternativeNames": ["www.example.com"], "Tags": [{"Key": "Name", "Value": "ClientOneCert"}]`))
	if len(c.Initiated) != 1 || c.Initiated[0] != c.PhysicalID || c.Attributes["Id"] != c.PhysicalID || c.Attributes["CertificateArn"] != c.PhysicalID {
		t.Errorf("initiated %v: %+v", c.Initiated, c.Result)
	}
	if d := b.describe(t, c.PhysicalID); d.Status != types.CertificateStatusIssued || d.Type != types.CertificateTypePrivate || len(d.SubjectAlternativeNames) != 2 {
		t.Errorf("described as %+v", d)
	}
	tags := func() (got string) {
		out, err := b.ListTagsForCertificate(caller(t.Context()), &acm.ListTagsForCertificateInput{CertificateArn: &c.PhysicalID})
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range out.Tags {
			got += strings.TrimPrefix(*tag.Key, "aws:cloudformation:") + "=" + *tag.Value + " "
		}
		return got
	}
	const system = "logical-id=ClientOneCert stack-id=arn:aws:cloudformation:eu-central-1:123456789012:stack/stack/6a8bcf7e-0000-4000-8000-000000000000 stack-name=stack "
	if want := "Name=ClientOneCert " + system; tags() != want {
		t.Errorf("tags %s, want %s", tags(), want)
	}

	// The token answers for an hour; after that the tags do, for one that nothing uses.
	s.Again(c)
	b.clock.Add(2 * time.Hour)
	s.Found(c)
	properties, err := json.Marshal(c.Change.Raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{
		strings.Replace(string(properties), "www.", "w3.", 1), strings.Replace(string(properties), "EC_prime256v1", "EC_secp384r1", 1),
		strings.Replace(string(properties), "client.", "other.", 1), strings.Replace(string(properties), `"CertificateAuthorityArn"`, `"ValidationMethod": "DNS", "KeyAlgorithm"`, 1),
	} {
		if id := s.Find(s.New(certificateType, "ClientOneCert", other)); id != "" {
			t.Errorf("found %s for %s", id, other)
		}
	}
	if id := s.Find(s.New(certificateType, "Other", string(properties))); id != "" {
		t.Errorf("found %s for another resource", id)
	}
	b.users[c.PhysicalID] = []string{"arn:aws:apigateway:eu-central-1::/domainnames/client.example.com"}
	if id := s.Find(c); id != "" {
		t.Errorf("found %s, which is in use", id)
	}
	wantError(t, s.TryDelete(c), "ResourceInUseException", "domainnames")
	b.users = map[string][]string{}

	c.Change.OldTags = map[string]string{"gone": "1"}
	s.Tags["stack"] = "2"
	s.Update(c, string(properties[:len(properties)-1])+`, "CertificateTransparencyLoggingPreference": "DISABLED", "Tags": [{"Key": "a", "Value": "1"}]}`)
	if want := "a=1 " + system + "stack=2 "; tags() != want {
		t.Errorf("tags after the update %s, want %s", tags(), want)
	}
	s.Replaces(certificateType, true, "DomainName", "SubjectAlternativeNames", "CertificateAuthorityArn", "DomainValidationOptions", "ValidationMethod", "KeyAlgorithm", "CertificateExport")
	s.Replaces(certificateType, false, "CertificateTransparencyLoggingPreference", "Tags")
	s.Delete(c)
}

func TestResourceCertificateRefused(t *testing.T) {
	t.Parallel()
	b, _, s := newStack(t)
	b.authority.set(&pca.InvalidStateException{Message: aws.String("DISABLED")})
	r := s.New(certificateType, "Cert", b.privateProperties(""))
	wantError(t, s.Try(r), "NotStabilized", "PCA_INVALID_STATE")
	if len(r.Initiated) != 1 {
		t.Fatalf("initiated %v: what failed could not be deleted", r.Initiated)
	}
	r.PhysicalID = r.Initiated[0]
	s.Delete(r)

	for _, bad := range [][3]string{
		{`{}`, "", "Property DomainName cannot be empty."},
		{`{"DomainName": "a.example.com"}`, "InvalidParameterException", "pass DNS"},
		{`{"DomainName": "a.example.com", "ValidationMethod": "DNS", "KeyAlgorithm": "RSA_4096"}`, "InvalidParameterException", "RSA_4096"},
		{`{"DomainName": "a.example.com", "ValidationMethod": "DNS", "DomainValidationOptions": [{"DomainName": "b.example.com", "HostedZoneId": "Z1"}]}`, "InvalidDomainValidationOptionsException", "b.example.com"},
		{`{"DomainName": "a.example.com", "ValidationMethod": "DNS", "DomainValidationOptions": [{"DomainName": "a.example.com", "HostedZoneId": "Z2"}]}`, "NoSuchHostedZone", "Z2"},
		{`{"DomainName": "a.example.com", "DomainValidationOptions": [{"DomainName": "a.example.com", "HostedZoneId": "Z1", "ValidationDomain": "example.com"}]}`, "", "Only one of"},
		{`{"DomainName": "a.example.com", "ValidationMethod": "EMAIL", "DomainValidationOptions": [{"DomainName": "a.example.com", "HostedZoneId": "Z1"}]}`, "", "DNS"},
	} {
		s.Refused(certificateType, bad[0], bad[1], bad[2])
	}
}

// With a hosted zone the record is written, and a waiting resource that was cut
// off goes on with the same certificate.
func TestResourceCertificateProvedByHostedZone(t *testing.T) {
	t.Parallel()
	b, zones, s := newStack(t)
	r := s.New(certificateType, "CustomDomainCert", `{"DomainName": "api.example.com", "KeyAlgorithm": "EC_prime256v1", "ValidationMethod": "DNS", "SubjectAlternativeNames": ["*.api.example.com"],
		"DomainValidationOptions": [{"DomainName": "api.example.com", "HostedZoneId": "Z1"}, {"DomainName": "*.api.example.com", "HostedZoneId": "Z1"}]}`)
	s.Pause = func(context.Context, time.Duration) error { return errors.New("killed") }
	if err := s.Try(r); err == nil || err.Error() != "killed" || len(r.Initiated) != 1 {
		t.Fatalf("got %v, initiated %v; want it to wait", err, r.Initiated)
	}
	if len(zones.changes) != 1 {
		t.Fatalf("changes %+v, want one record for both names", zones.changes)
	}
	set := zones.changes[0].ResourceRecordSet
	if zones.changes[0].Action != route53types.ChangeActionUpsert || set.Type != "CNAME" || *set.TTL != 300 || !strings.HasSuffix(*set.Name, ".api.example.com.") {
		t.Errorf("change %+v of %+v", zones.changes[0], set)
	}
	r.Change.PhysicalID = r.Initiated[0]
	s.Pause = func(ctx context.Context, d time.Duration) error {
		_, err := b.ValidatePending(ctx)
		return err
	}
	if err := s.Try(r); err != nil || r.PhysicalID != r.Change.PhysicalID || len(r.Initiated) != 0 {
		t.Errorf("%v, %+v, initiated %v", err, r.Result, r.Initiated)
	}
	b.wantStatus(t, r.PhysicalID, types.CertificateStatusIssued)
	s.Delete(r)
	if len(zones.changes) != 2 { // the two attempts'; deleting leaves the record
		t.Errorf("changes %+v", zones.changes)
	}
}

// Without a hosted zone the user has 72 hours.
func TestResourceCertificateProvedByUser(t *testing.T) {
	t.Parallel()
	b, zones, s := newStack(t)
	const properties = `{"DomainName": "api.example.com", "KeyAlgorithm": "EC_prime256v1", "ValidationMethod": "DNS"}`
	r := s.New(certificateType, "Cert", properties)
	waits := 0
	s.Pause = func(ctx context.Context, d time.Duration) error {
		if waits++; waits == 3 {
			b.publish(t, r.Initiated[0])
		}
		b.clock.Add(d)
		_, err := b.ValidatePending(ctx)
		return err
	}
	if err := s.Try(r); err != nil || waits != 3 || len(zones.changes) != 0 {
		t.Errorf("after %d waits: %v, changes %v", waits, err, zones.changes)
	}

	r = s.New(certificateType, "Late", strings.Replace(properties, "api", "late", 1))
	s.Pause = func(ctx context.Context, d time.Duration) error {
		b.clock.Add(24 * time.Hour)
		_, err := b.ValidatePending(ctx)
		return err
	}
	wantError(t, s.Try(r), "NotStabilized", "72 hours")
}
