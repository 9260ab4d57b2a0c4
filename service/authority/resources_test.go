package authority

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/call"
	"countersign/service/stacks/resource/resourcetest"
)

func newStack(t *testing.T) (*bench, *resourcetest.Stack) {
	b := newBench(t)
	ctx := call.Through(caller(t.Context()), call.CloudFormation)
	return b, resourcetest.New(t, ctx, testAccount, testRegion, b.ResourceTypes())
}

const (
	authorityType   = "AWS::ACMPCA::CertificateAuthority"
	certificateType = "AWS::ACMPCA::Certificate"
	activationType  = "AWS::ACMPCA::CertificateAuthorityActivation"
	permissionType  = "AWS::ACMPCA::Permission"
)

func quote(s any) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func rootProperties(more string) string {
	return `{"Type": "ROOT", "KeyAlgorithm": "EC_prime256v1", "SigningAlgorithm": "SHA256WITHECDSA",
		"Subject": {"CommonName": "Root", "Country": "DE", "Organization": ""}` + more + `}`
}

// rootOf makes an active root as a template does, with three resources.
func rootOf(s *resourcetest.Stack) (authority, certificate, activation *resourcetest.Resource) {
	s.Helper()
	authority = s.Create(authorityType, "Root", rootProperties(""))
	certificate = s.Create(certificateType, "RootCertificate", `{"CertificateAuthorityArn": `+quote(authority.PhysicalID)+`,
		"CertificateSigningRequest": `+quote(authority.Attributes["CertificateSigningRequest"])+`, "SigningAlgorithm": "SHA256WITHECDSA",
		"TemplateArn": "arn:aws:acm-pca:::template/RootCACertificate/V1", "Validity": {"Type": "YEARS", "Value": "10"}}`)
	activation = s.Create(activationType, "RootActivation", `{"CertificateAuthorityArn": `+quote(authority.PhysicalID)+`, "Certificate": `+quote(certificate.Attributes["Certificate"])+`}`)
	return authority, certificate, activation
}

// The hierarchy of the SAM articles, made and deleted in the order of a stack.
func TestResourcesHierarchy(t *testing.T) {
	t.Parallel()
	b, s := newStack(t)
	root, certificate, activation := rootOf(s)
	b.wantStatus(t, root.PhysicalID, types.CertificateAuthorityStatusActive)
	if activation.PhysicalID != root.PhysicalID || activation.Attributes["CompleteCertificateChain"] != certificate.Attributes["Certificate"] {
		t.Errorf("activation: %+v", activation.Result)
	}
	if got := certificate.Attributes["Arn"].(string); certificate.PhysicalID != got+"|"+root.PhysicalID || !strings.HasPrefix(got, root.PhysicalID+"/certificate/") {
		t.Errorf("certificate: %+v", certificate.Result)
	}

	sub := s.Create(authorityType, "Sub", strings.NewReplacer("ROOT", "SUBORDINATE", `"Root"`, `"Sub"`).Replace(rootProperties("")))
	subCertificate := s.Create(certificateType, "SubCertificate", `{"CertificateAuthorityArn": `+quote(root.PhysicalID)+`,
		"CertificateSigningRequest": `+quote(sub.Attributes["CertificateSigningRequest"])+`, "SigningAlgorithm": "SHA256WITHECDSA",
		"TemplateArn": "arn:aws:acm-pca:::template/SubordinateCACertificate_PathLen3/V1", "Validity": {"Type": "YEARS", "Value": 3}}`)
	chain := activation.Attributes["CompleteCertificateChain"].(string)
	subActivation := s.Create(activationType, "SubActivation", `{"CertificateAuthorityArn": `+quote(sub.PhysicalID)+`,
		"Certificate": `+quote(subCertificate.Attributes["Certificate"])+`, "CertificateChain": `+quote(chain)+`}`)
	b.wantStatus(t, sub.PhysicalID, types.CertificateAuthorityStatusActive)
	if want := subCertificate.Attributes["Certificate"].(string) + "\n" + chain; subActivation.Attributes["CompleteCertificateChain"] != want {
		t.Errorf("CompleteCertificateChain = %q, want %q", subActivation.Attributes["CompleteCertificateChain"], want)
	}
	leaf := parsePEM(t, subCertificate.Attributes["Certificate"].(string))
	if leaf.MaxPathLen != 3 || leaf.NotAfter.Sub(b.clock.Now()) < 3*365*24*time.Hour {
		t.Errorf("path length %d, not after %s", leaf.MaxPathLen, leaf.NotAfter)
	}

	// An ACTIVE authority cannot be deleted; its activation has to go first.
	wantError(t, s.TryDelete(sub), "InvalidStateException", "not in a valid state for deletion")
	for _, r := range []*resourcetest.Resource{subActivation, subCertificate, sub, activation, certificate, root} {
		s.Delete(r)
	}
	b.wantStatus(t, root.PhysicalID, types.CertificateAuthorityStatusDeleted)
	b.clock.Add(31 * 24 * time.Hour)
	for _, r := range []*resourcetest.Resource{activation, root} {
		s.Delete(r) // gone for good, and still no error
	}
}

func TestResourceAuthority(t *testing.T) {
	t.Parallel()
	b, s := newStack(t)
	s.Tags["team"] = "pki"
	root := s.Create(authorityType, "Root", rootProperties(`, "UsageMode": "SHORT_LIVED_CERTIFICATE", "KeyStorageSecurityStandard": "FIPS_140_2_LEVEL_2_OR_HIGHER",
		"CsrExtensions": {"KeyUsage": {"KeyCertSign": "true", "CRLSign": true}}, "RevocationConfiguration": {"OcspConfiguration": {"Enabled": "true"}},
		"Tags": [{"Key": "team", "Value": "mine"}, {"Key": "old"}]`))
	if got := root.Initiated; len(got) != 1 || got[0] != root.PhysicalID || root.Ref != "" || root.Attributes["Arn"] != root.PhysicalID {
		t.Errorf("initiated %v: %+v", got, root.Result)
	}
	ca := b.describe1(t, root.PhysicalID)
	if ca.Status != types.CertificateAuthorityStatusPendingCertificate || ca.UsageMode != types.CertificateAuthorityUsageModeShortLivedCertificate || !*ca.RevocationConfiguration.OcspConfiguration.Enabled ||
		!ca.CertificateAuthorityConfiguration.CsrExtensions.KeyUsage.KeyCertSign {
		t.Errorf("described as %+v", ca)
	}
	tags := func() (got string) {
		out, err := b.ListTags(caller(t.Context()), &acmpca.ListTagsInput{CertificateAuthorityArn: &root.PhysicalID})
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range out.Tags {
			got += strings.TrimPrefix(*tag.Key, "aws:cloudformation:") + "=" + *tag.Value + " "
		}
		return got
	}
	if want := "logical-id=Root stack-id=" + s.Stack.ID + " stack-name=stack old= team=mine "; tags() != want {
		t.Errorf("tags %s, want %s", tags(), want)
	}

	// The token answers for five minutes; after that the tags do.
	s.Again(root)
	b.clock.Add(time.Hour)
	s.Found(root)
	other := s.New(authorityType, "Other", rootProperties(""))
	if id := s.Find(other); id != "" {
		t.Errorf("found %s for another resource", id)
	}
	other = s.New(authorityType, "Root", strings.ReplaceAll(rootProperties(""), `"Root"`, `"Other"`))
	if id := s.Find(other); id != "" {
		t.Errorf("found %s, which is being replaced", id)
	}

	s.Replaces(authorityType, true, "Type", "KeyAlgorithm", "SigningAlgorithm", "Subject", "CsrExtensions", "KeyStorageSecurityStandard", "UsageMode")
	s.Replaces(authorityType, false, "RevocationConfiguration", "Tags")
	s.Delete(root)

	for _, bad := range [][3]string{
		{strings.ReplaceAll(rootProperties(""), "ROOT", "LEAF"), "InvalidArgsException", "certificate authority type"},
		{strings.ReplaceAll(rootProperties(""), "SHA256WITHECDSA", "SHA256WITHRSA"), "InvalidArgsException", "does not fit"},
		{rootProperties(`, "RevocationConfiguration": {"CrlConfiguration": {"Enabled": true}}`), "InvalidArgsException", "S3BucketName"},
		{`{"Type": "ROOT"}`, "", "Property Subject cannot be empty."},
		{rootProperties(`, "Subjects": {}`), "", "Encountered unsupported property Subjects"},
		{rootProperties(`, "Tags": [{"Key": "aws:x", "Value": "1"}]`), "", "aws: prefixed tag key names"},
	} {
		s.Refused(authorityType, bad[0], bad[1], bad[2])
	}
}

// A key that takes long is waited for, and an attempt that was cut off meanwhile goes on.
func TestResourceAuthorityWithSlowKey(t *testing.T) {
	t.Parallel()
	b, s := newStack(t)
	r := s.New(authorityType, "Root", strings.NewReplacer("EC_prime256v1", "RSA_3072", "WITHECDSA", "WITHRSA").Replace(rootProperties("")))
	err := s.Try(r)
	if err == nil || len(r.Initiated) != 1 {
		t.Fatalf("got %v, initiated %v; want it to wait", err, r.Initiated)
	}
	r.Change.PhysicalID = r.Initiated[0]
	if got := s.Find(r); got != r.Change.PhysicalID {
		t.Errorf("found %q, want %s", got, r.Change.PhysicalID)
	}
	waits := 0
	s.Pause = func(ctx context.Context, d time.Duration) error {
		if waits++; waits == 2 {
			_, err := b.MakeKeys(ctx)
			return err
		}
		return nil
	}
	if err := s.Try(r); err != nil || r.PhysicalID != r.Change.PhysicalID || waits != 2 || !strings.Contains(r.Attributes["CertificateSigningRequest"].(string), "CERTIFICATE REQUEST") {
		t.Errorf("after %d waits: %v, %+v", waits, err, r.Result)
	}
}

func TestResourceAuthorityUpdate(t *testing.T) {
	t.Parallel()
	b, s := newStack(t)
	root, _, activation := rootOf(s)
	// Stack tags come and go with the stack.
	s.Tags["team"] = "pki"
	s.Update(root, rootProperties(`, "RevocationConfiguration": {"OcspConfiguration": {"Enabled": true, "OcspCustomCname": "ocsp.example.com"}}, "Tags": [{"Key": "a", "Value": "1"}]`))
	if o := b.describe1(t, root.PhysicalID).RevocationConfiguration.OcspConfiguration; !*o.Enabled || *o.OcspCustomCname != "ocsp.example.com" {
		t.Errorf("OCSP: %+v", o)
	}
	root.Change.OldTags = map[string]string{"team": "pki", "gone": "1"}
	delete(s.Tags, "team")
	s.Update(root, rootProperties(""))
	if o := b.describe1(t, root.PhysicalID).RevocationConfiguration.OcspConfiguration; *o.Enabled {
		t.Error("OCSP is still enabled though the template says nothing of it any more")
	}
	out, err := b.ListTags(caller(t.Context()), &acmpca.ListTagsInput{CertificateAuthorityArn: &root.PhysicalID})
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range out.Tags {
		if *tag.Key == "a" || *tag.Key == "team" {
			t.Errorf("the tag %s is still there", *tag.Key)
		}
	}

	properties := quote(activation.Change.Raw)
	s.Update(activation, properties[:len(properties)-1]+`, "Status": "DISABLED"}`)
	b.wantStatus(t, root.PhysicalID, types.CertificateAuthorityStatusDisabled)
	s.Update(activation, properties)
	b.wantStatus(t, root.PhysicalID, types.CertificateAuthorityStatusActive)
	s.Replaces(activationType, true, "CertificateAuthorityArn")
	s.Replaces(activationType, false, "Certificate", "CertificateChain", "Status")
	s.Again(activation)
	s.Refused(activationType, properties[:len(properties)-1]+`, "Status": "EXPIRED"}`, "InvalidArgsException", "EXPIRED")
}

func TestResourceCertificate(t *testing.T) {
	t.Parallel()
	b, s := newStack(t)
	root, _, _ := rootOf(s)
	properties := `{"CertificateAuthorityArn": ` + quote(root.PhysicalID) + `, "CertificateSigningRequest": ` + quote(string(leafCSR(t, "client", "client.example.com"))) + `,
		"SigningAlgorithm": "SHA256WITHECDSA", "TemplateArn": "arn:aws:acm-pca:::template/EndEntityClientAuthCertificate_APIPassthrough/V1",
		"Validity": {"Type": "ABSOLUTE", "Value": "1790000000"}, "ValidityNotBefore": {"Type": "ABSOLUTE", "Value": 1772000000},
		"ApiPassthrough": {"Subject": {"CommonName": "passed"}, "Extensions": {"SubjectAlternativeNames": [{"DnsName": "passed.example.com"}],
			"CertificatePolicies": [{"CertPolicyId": "1.2.3.4"}]}}}`
	leaf := s.Create(certificateType, "Leaf", properties)
	c := parsePEM(t, leaf.Attributes["Certificate"].(string))
	if c.Subject.CommonName != "passed" || c.DNSNames[0] != "passed.example.com" || c.NotAfter.Unix() != 1790000000 || c.NotBefore.Unix() != 1772000000 || len(c.Policies) != 1 {
		t.Errorf("issued %s %v, %s to %s", c.Subject, c.DNSNames, c.NotBefore, c.NotAfter)
	}
	s.Again(leaf)
	// An attempt that got as far as Initiated goes on with that certificate, however late.
	b.clock.Add(time.Hour)
	leaf.Change.PhysicalID = leaf.PhysicalID
	s.Again(leaf)
	for _, p := range []string{"CertificateAuthorityArn", "CertificateSigningRequest", "SigningAlgorithm", "TemplateArn", "Validity", "ValidityNotBefore", "ApiPassthrough"} {
		s.Replaces(certificateType, true, p)
	}

	// Deleting the resource revokes nothing.
	s.Delete(leaf)
	serial := leaf.Attributes["Arn"].(string)
	_, err := b.RevokeCertificate(caller(t.Context()), &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &root.PhysicalID,
		CertificateSerial: aws.String(serial[len(serial)-32:]), RevocationReason: types.RevocationReasonSuperseded})
	if err != nil {
		t.Errorf("the certificate is revoked already, or gone: %v", err)
	}

	s.Refused(certificateType, strings.Replace(properties, `"Value": "1790000000"`, `"Value": "soon"`, 1), "", "must be of type Integer")
	s.Refused(certificateType, strings.Replace(properties, `1790000000`, `2790000000`, 1), "ValidationException", "")
	s.Refused(certificateType, strings.Replace(properties, `EndEntityClientAuth`, `Nothing`, 1), "InvalidArgsException", "template")
	s.Refused(certificateType, strings.Replace(properties, `BEGIN CERTIFICATE REQUEST`, `BEGIN`, 1), "MalformedCSRException", "")
}

func TestResourcePermission(t *testing.T) {
	t.Parallel()
	b, s := newStack(t)
	root := s.Create(authorityType, "Root", rootProperties(""))
	properties := `{"CertificateAuthorityArn": ` + quote(root.PhysicalID) + `, "Actions": ["IssueCertificate", "GetCertificate", "ListPermissions"], "Principal": "acm.amazonaws.com"}`
	p := s.Create(permissionType, "Renewal", properties)
	if p.PhysicalID != root.PhysicalID+"|acm.amazonaws.com" {
		t.Errorf("physical id %s", p.PhysicalID)
	}
	s.Found(p)
	// A second one is somebody else's, and must not be taken over: its deletion would take this one away.
	s.Refused(permissionType, properties, "PermissionAlreadyExistsException", "")
	if id := s.Find(s.New(permissionType, "Renewal", strings.Replace(properties, `"GetCertificate", `, "", 1))); id != "" {
		t.Errorf("found %s, which has other actions", id)
	}
	s.Replaces(permissionType, true, "CertificateAuthorityArn", "Actions", "Principal", "SourceAccount")
	s.Delete(p)
	out, err := b.ListPermissions(caller(t.Context()), &acmpca.ListPermissionsInput{CertificateAuthorityArn: &root.PhysicalID})
	if err != nil || len(out.Permissions) != 0 {
		t.Errorf("left over: %+v, %v", out, err)
	}
	again := s.Create(permissionType, "Renewal", properties)
	s.Delete(root)
	s.Delete(again) // with the authority
	s.Refused(permissionType, strings.Replace(properties, "acm.amazonaws.com", "ec2.amazonaws.com", 1), "ValidationException", "ec2.amazonaws.com")
}
