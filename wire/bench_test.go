package wire_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign/wire"
	"countersign/wire/shape"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
)

// BenchmarkIssueCertificate is the wire's part of one IssueCertificate: the
// request read and checked, the answer written.
func BenchmarkIssueCertificate(b *testing.B) {
	op := operation(b, "acm-pca", "IssueCertificate")
	csr := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 1000)))
	req := &wire.Request{Path: "/", Header: http.Header{}, Body: []byte(`{"CertificateAuthorityArn":"` + caARN + `","Csr":"` + csr +
		`","SigningAlgorithm":"SHA256WITHRSA","TemplateArn":"arn:aws:acm-pca:::template/EndEntityClientAuthCertificate/V1","Validity":{"Type":"DAYS","Value":365},"IdempotencyToken":"token"}`)}
	b.ReportAllocs()
	for b.Loop() {
		var in acmpca.IssueCertificateInput
		if err := wire.Decode(op, req, &in); err != nil {
			b.Fatal(err)
		}
		if _, err := wire.Encode(op, &acmpca.IssueCertificateOutput{CertificateArn: aws.String(caARN + "/certificate/0123456789abcdef0123456789abcdef")}, "id"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRoute finds the operation among S3's hundred.
func BenchmarkRoute(b *testing.B) {
	m, _ := shape.Service("s3")
	q, h := url.Values{"versionId": {"v"}}, http.Header{"X-Amz-Date": {"x"}}
	b.ReportAllocs()
	for b.Loop() {
		if op, ok := m.Route("GET", "/bucket/some/key", q, h); !ok || op.Name != "GetObject" {
			b.Fatal(op)
		}
	}
}
