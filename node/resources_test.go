package node

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"countersign/call"
	"countersign/service/functions/runner/runnertest"
	"countersign/service/stacks/resource"
	"countersign/service/stacks/resource/resourcetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// TestResourceTypes makes and deletes what the templates of the articles hold,
// behind the gate that calls over the wire have to pass too.
func TestResourceTypes(t *testing.T) {
	t.Parallel()
	n, err := Start(t.Context(), testConfig(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	const region = "eu-west-1"
	account := n.config.Account
	user := call.With(t.Context(), call.Call{Account: account, Region: region, Signing: call.Header,
		Principal: call.Principal{Account: account, ID: account, ARN: "arn:aws:iam::" + account + ":root"}})
	s := resourcetest.New(t, call.Through(user, call.CloudFormation), account, region, n.resourceTypes())
	s.Context = resource.WithGate(call.Through(user, call.CloudFormation), n.gate)
	s.Pause = func(ctx context.Context, _ time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
			return nil
		}
	}

	var made []*resourcetest.Resource
	create := func(typ, id, properties string, values ...any) *resourcetest.Resource {
		t.Helper()
		for _, v := range values {
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			properties = strings.Replace(properties, "%", string(text), 1)
		}
		r := s.Create(typ, id, properties)
		made = append(made, r)
		return r
	}

	// The hierarchy.
	authority := func(id, kind string) *resourcetest.Resource {
		return create("AWS::ACMPCA::CertificateAuthority", id, `{"Type": %, "KeyAlgorithm": "RSA_2048", "SigningAlgorithm": "SHA256WITHRSA",
			"Subject": {"Country": "DE", "CommonName": %}, "Tags": [{"Key": "team", "Value": "pki"}]}`, kind, id)
	}
	root := authority("PrivateCA", "ROOT")
	rootCertificate := create("AWS::ACMPCA::Certificate", "PrivateCACertificate", `{"CertificateAuthorityArn": %, "CertificateSigningRequest": %, "SigningAlgorithm": "SHA256WITHRSA",
		"TemplateArn": "arn:aws:acm-pca:::template/RootCACertificate/V1", "Validity": {"Type": "YEARS", "Value": 10}}`, root.PhysicalID, root.Attributes["CertificateSigningRequest"])
	rootActivation := create("AWS::ACMPCA::CertificateAuthorityActivation", "PrivateCAActivation", `{"CertificateAuthorityArn": %, "Certificate": %, "Status": "ACTIVE"}`,
		root.PhysicalID, rootCertificate.Attributes["Certificate"])
	sub := authority("MtlsCA", "SUBORDINATE")
	subCertificate := create("AWS::ACMPCA::Certificate", "MtlsCertificate", `{"CertificateAuthorityArn": %, "CertificateSigningRequest": %, "SigningAlgorithm": "SHA256WITHRSA",
		"TemplateArn": "arn:aws:acm-pca:::template/SubordinateCACertificate_PathLen3/V1", "Validity": {"Type": "YEARS", "Value": 3}}`, root.PhysicalID, sub.Attributes["CertificateSigningRequest"])
	create("AWS::ACMPCA::CertificateAuthorityActivation", "MtlsActivation", `{"CertificateAuthorityArn": %, "Certificate": %, "CertificateChain": %}`,
		sub.PhysicalID, subCertificate.Attributes["Certificate"], rootActivation.Attributes["CompleteCertificateChain"])
	create("AWS::ACMPCA::Permission", "Renewal", `{"CertificateAuthorityArn": %, "Actions": ["IssueCertificate", "GetCertificate", "ListPermissions"], "Principal": "acm.amazonaws.com"}`, sub.PhysicalID)

	// A client's certificate, and one that is proved by a record in a zone of the same stack.
	create("AWS::CertificateManager::Certificate", "ClientOneCert", `{"CertificateAuthorityArn": %, "CertificateTransparencyLoggingPreference": "ENABLED", "DomainName": "api.example.com",
		"Tags": [{"Key": "Name", "Value": "ClientOneCert"}]}`, sub.PhysicalID)
	zone := create("AWS::Route53::HostedZone", "Zone", `{"Name": "example.com", "HostedZoneTags": [{"Key": "a", "Value": "b"}]}`)
	certificate := create("AWS::CertificateManager::Certificate", "CustomDomainCert", `{"DomainName": "api.example.com", "ValidationMethod": "DNS", "CertificateTransparencyLoggingPreference": "ENABLED",
		"DomainValidationOptions": [{"DomainName": "api.example.com", "HostedZoneId": %}]}`, zone.PhysicalID)
	create("AWS::Route53::RecordSetGroup", "RecordSetGroup", `{"HostedZoneId": %, "RecordSets": [
		{"Name": "api.example.com", "Type": "A", "AliasTarget": {"HostedZoneId": "ZLY8HYME6SFDD", "DNSName": "d-1.execute-api.eu-west-1.amazonaws.com"}}]}`, zone.PhysicalID)
	create("AWS::Route53::RecordSet", "Record", `{"HostedZoneName": "example.com.", "Name": "a.example.com", "Type": "A", "TTL": "60", "ResourceRecords": ["192.0.2.1"]}`)

	// The trust store's bucket, and a function.
	bucket := create("AWS::S3::Bucket", "TrustStoreBucket", `{"VersioningConfiguration": {"Status": "Enabled"}, "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]},
		"PublicAccessBlockConfiguration": {"BlockPublicAcls": "true", "BlockPublicPolicy": "true", "IgnorePublicAcls": "true", "RestrictPublicBuckets": "true"},
		"LifecycleConfiguration": {"Rules": [{"Id": "CleanupOldVersions", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}]}}`)
	create("AWS::S3::BucketPolicy", "Policy", `{"Bucket": %, "PolicyDocument": {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": %, "Condition": {"Bool": {"aws:SecureTransport": false}}}]}}`,
		bucket.PhysicalID, bucket.Attributes["Arn"])
	trust := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`
	role, err := n.identity.CreateRole(user, &iam.CreateRoleInput{RoleName: aws.String("fn"), AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	zip := runnertest.Zip(t, runnertest.File{Name: "bootstrap", Body: []byte("#!/bin/sh\nexit 1\n")})
	put, err := n.objects.PutObject(user, &s3.PutObjectInput{Bucket: &bucket.PhysicalID, Key: aws.String("code.zip"), Body: strings.NewReader(string(zip))})
	if err != nil {
		t.Fatal(err)
	}
	function := create("AWS::Lambda::Function", "LambdaFunction", `{"Code": {"S3Bucket": %, "S3Key": "code.zip", "S3ObjectVersion": %}, "Role": %, "Runtime": "provided.al2023", "Handler": "bootstrap",
		"TracingConfig": {"Mode": "Active"}, "Tags": [{"Key": "lambda:createdBy", "Value": "SAM"}]}`, bucket.PhysicalID, *put.VersionId, *role.Role.Arn)
	version := create("AWS::Lambda::Version", "Version", `{"FunctionName": %}`, function.PhysicalID)
	alias := create("AWS::Lambda::Alias", "Alias", `{"FunctionName": %, "Name": "live", "FunctionVersion": %}`, function.PhysicalID, version.Attributes["Version"])
	create("AWS::Lambda::Permission", "Permission", `{"FunctionName": %, "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com", "SourceArn": %}`,
		alias.PhysicalID, "arn:aws:execute-api:"+region+":"+account+":api/*/GET/")
	create("AWS::Lambda::EventInvokeConfig", "Events", `{"FunctionName": %, "Qualifier": "$LATEST", "MaximumRetryAttempts": 0}`, function.PhysicalID)

	// The gate holds properties to the model, with AWS's words.
	s.Refused("AWS::ACMPCA::CertificateAuthority", `{"Type": "ROOT", "KeyAlgorithm": "RSA_1", "SigningAlgorithm": "SHA256WITHRSA", "Subject": {"CommonName": "x"}}`, "ValidationException", "enum value set")
	s.Refused("AWS::CertificateManager::Certificate", `{"DomainName": "a.example.com", "ValidationMethod": "CARRIER_PIGEON"}`, "ValidationException", "validationMethod")
	s.Refused("AWS::Lambda::Permission", `{"FunctionName": "a b", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com"}`, "ValidationException", "functionName")

	// Who is not CloudFormation cannot tag as it does.
	tag := &acmpca.TagCertificateAuthorityInput{CertificateAuthorityArn: &root.PhysicalID}
	listed, err := n.authority.ListTags(user, &acmpca.ListTagsInput{CertificateAuthorityArn: &root.PhysicalID})
	if err != nil || len(listed.Tags) != 4 {
		t.Fatalf("tags %+v, %v", listed, err)
	}
	tag.Tags = listed.Tags
	_, err = resource.Do(resource.WithGate(user, n.gate), n.authority.TagCertificateAuthority, tag)
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != "InvalidTagException" {
		t.Errorf("system tags by a user: %v", err)
	}

	// Each is found again, or known again, and then deleted, the last one first.
	for _, r := range made {
		if r.Type.Finds && r.Change.Type != "AWS::ACMPCA::CertificateAuthority" { // those are activated by now
			s.Found(r)
		}
	}
	if _, err := n.objects.DeleteObject(user, &s3.DeleteObjectInput{Bucket: &bucket.PhysicalID, Key: aws.String("code.zip"), VersionId: put.VersionId}); err != nil {
		t.Fatal(err)
	}
	for i := len(made) - 1; i >= 0; i-- {
		if made[i] == zone { // the record that proves the certificate stays, as on AWS
			if err := s.TryDelete(zone); resource.HandlerCode(err) != "ResourceConflict" {
				t.Errorf("delete the zone: %v", err)
			}
			continue
		}
		s.Delete(made[i])
	}
	if certificate.PhysicalID == "" || len(made) != 19 {
		t.Errorf("%d resources", len(made))
	}
}
