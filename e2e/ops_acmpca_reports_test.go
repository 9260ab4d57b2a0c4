package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/crypto/ocsp"
)

// Audit reports, resource policies and OCSP of ACM Private CA.
func TestACMPCAReports(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	in := ecAuthority(pcatypes.CertificateAuthorityTypeRoot, "reports")
	in.RevocationConfiguration = &pcatypes.RevocationConfiguration{OcspConfiguration: &pcatypes.OcspConfiguration{Enabled: aws.Bool(true)}}
	ca := *must(s.pca.CreateCertificateAuthority(ctx, in))(t).CertificateAuthorityArn
	csr := must(pcaCSR(ctx, s.pca, ca))(t)
	root := must(s.pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &ca, Csr: []byte(csr), Validity: validity(3650),
		SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa, TemplateArn: aws.String("arn:aws:acm-pca:::template/RootCACertificate/V1")}))(t)
	text := must(pcaCertificate(ctx, s.pca, ca, *root.CertificateArn))(t)
	must(s.pca.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca, Certificate: []byte(text)}))(t)

	must(s.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("audit-reports"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))(t)
	_, err := s.pca.CreateCertificateAuthorityAuditReport(ctx, &acmpca.CreateCertificateAuthorityAuditReportInput{
		CertificateAuthorityArn: &ca, S3BucketName: aws.String("audit-reports"), AuditReportResponseFormat: pcatypes.AuditReportResponseFormatJson})
	wantCode(t, err, "InvalidArgsException") // the bucket does not allow it
	must(s.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("audit-reports"), Policy: aws.String(`{"Version":"2012-10-17","Statement":[{
		"Effect":"Allow","Principal":{"Service":"acm-pca.amazonaws.com"},"Action":["s3:PutObject","s3:PutObjectAcl","s3:GetBucketAcl","s3:GetBucketLocation"],
		"Resource":["arn:aws:s3:::audit-reports/*","arn:aws:s3:::audit-reports"],
		"Condition":{"StringEquals":{"aws:SourceAccount":"` + account + `","aws:SourceArn":"` + ca + `"}}}]}`)}))(t)
	made := must(s.pca.CreateCertificateAuthorityAuditReport(ctx, &acmpca.CreateCertificateAuthorityAuditReportInput{
		CertificateAuthorityArn: &ca, S3BucketName: aws.String("audit-reports"), AuditReportResponseFormat: pcatypes.AuditReportResponseFormatJson}))(t)
	waiter := acmpca.NewAuditReportCreatedWaiter(s.pca, func(o *acmpca.AuditReportCreatedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
	})
	done := must(waiter.WaitForOutput(ctx, &acmpca.DescribeCertificateAuthorityAuditReportInput{CertificateAuthorityArn: &ca, AuditReportId: made.AuditReportId}, 10*time.Second))(t)
	same(t, "status of the report", done.AuditReportStatus, pcatypes.AuditReportStatusSuccess)
	object := must(s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: done.S3BucketName, Key: made.S3Key}))(t)
	defer object.Body.Close()
	var rows []map[string]string
	if err := json.Unmarshal(must(io.ReadAll(object.Body))(t), &rows); err != nil || len(rows) != 1 || rows[0]["certificateArn"] != *root.CertificateArn {
		t.Errorf("rows %v, %v", rows, err)
	}
	_, err = s.pca.CreateCertificateAuthorityAuditReport(ctx, &acmpca.CreateCertificateAuthorityAuditReportInput{
		CertificateAuthorityArn: &ca, S3BucketName: aws.String("audit-reports"), AuditReportResponseFormat: pcatypes.AuditReportResponseFormatCsv})
	wantCode(t, err, "InvalidStateException")

	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"555555555555"},"Action":"acm-pca:ListTags","Resource":"` + ca + `"}]}`
	must(s.pca.PutPolicy(ctx, &acmpca.PutPolicyInput{ResourceArn: &ca, Policy: &policy}))(t)
	same(t, "policy", *must(s.pca.GetPolicy(ctx, &acmpca.GetPolicyInput{ResourceArn: &ca}))(t).Policy, policy)
	must(s.pca.DeletePolicy(ctx, &acmpca.DeletePolicyInput{ResourceArn: &ca}))(t)
	_, err = s.pca.GetPolicy(ctx, &acmpca.GetPolicyInput{ResourceArn: &ca})
	wantCode(t, err, "ResourceNotFoundException")

	issuer := parse(t, text)
	query := must(ocsp.CreateRequest(issuer, issuer, nil))(t)
	request := must(http.NewRequest("POST", s.node.Endpoints().Endpoint, bytes.NewReader(query)))(t)
	request.Host = "ocsp.acm-pca." + region + ".amazonaws.com"
	request.Header.Set("Content-Type", "application/ocsp-request")
	response := must(http.DefaultClient.Do(request))(t)
	defer response.Body.Close()
	answer := must(ocsp.ParseResponse(must(io.ReadAll(response.Body))(t), issuer))(t)
	same(t, "OCSP status", answer.Status, ocsp.Good)
}
