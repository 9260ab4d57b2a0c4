package wire_test

import (
	"testing"
	"time"

	"countersign/wire"
	"countersign/wire/shape"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

func operation(t testing.TB, service, name string) *shape.Operation {
	t.Helper()
	m, ok := shape.Service(service)
	if !ok {
		t.Fatalf("no model %q", service)
	}
	op := m.Operations[name]
	if op == nil {
		t.Fatalf("no operation %s in %s", name, service)
	}
	return op
}

func TestJSONMembers(t *testing.T) {
	t.Parallel()
	op := operation(t, "acm-pca", "IssueCertificate")
	var in acmpca.IssueCertificateInput
	err := wire.Decode(op, &wire.Request{Body: []byte(`{
		"CertificateAuthorityArn": "arn:aws:acm-pca:eu-west-1:000000000000:certificate-authority/11111111-2222-3333-4444-555555555555",
		"Csr": "LS0tLS0=", "SigningAlgorithm": "SHA256WITHECDSA", "Unknown": [{"a": [1, 2.5e3, null, true, "\ud83d\ude00"]}],
		"Validity": {"Type": "DAYS", "Value": 365}, "IdempotencyToken": null}`)}, &in)
	if err != nil {
		t.Fatal(err)
	}
	if string(in.Csr) != "-----" || in.SigningAlgorithm != types.SigningAlgorithmSha256withecdsa || in.IdempotencyToken != nil {
		t.Errorf("got %+v", in)
	}
	if in.Validity == nil || *in.Validity.Value != 365 || in.Validity.Type != types.ValidityPeriodTypeDays {
		t.Errorf("validity: got %+v", in.Validity)
	}

	op = operation(t, "acm-pca", "DescribeCertificateAuthority")
	res, err := wire.Encode(op, &acmpca.DescribeCertificateAuthorityOutput{CertificateAuthority: &types.CertificateAuthority{
		Arn: aws.String("a\"\n\x01é"), CreatedAt: aws.Time(time.UnixMilli(1600000000123)), Status: types.CertificateAuthorityStatusActive,
		RevocationConfiguration: &types.RevocationConfiguration{CrlConfiguration: &types.CrlConfiguration{Enabled: aws.Bool(false)}},
	}}, "id")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"CertificateAuthority":{"Arn":"a\"\n\u0001é","CreatedAt":1600000000.123,"Status":"ACTIVE","RevocationConfiguration":{"CrlConfiguration":{"Enabled":false}}}}`
	if string(res.Body) != want {
		t.Errorf("got  %s\nwant %s", res.Body, want)
	}
}
