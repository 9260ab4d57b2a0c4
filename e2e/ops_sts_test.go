package e2e

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// STS, and what becomes of a caller whose key or signature is not right.
func TestSTS(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	got := must(s.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	same(t, "caller", [3]string{*got.Account, *got.Arn, *got.UserId}, [3]string{account, "arn:aws:iam::" + account + ":root", account})
	_, err := s.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/any"), RoleSessionName: aws.String("any")})
	wantCode(t, err, "NotImplemented")

	for name, c := range map[string]struct{ id, secret, sts, acm, s3 string }{
		"an unknown key":  {"AKIAUNKNOWNUNKNOWN00", "secret", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"},
		"a wrong secret":  {s.node.Credentials().AccessKeyID, "secret", "SignatureDoesNotMatch", "InvalidSignatureException", "SignatureDoesNotMatch"},
		"the pair of dev": {"test", "test", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"},
	} {
		t.Run(name, func(t *testing.T) {
			config := s.aws(c.id, c.secret)
			_, err := sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			wantCode(t, err, c.sts)
			_, err = acm.NewFromConfig(config).ListCertificates(ctx, &acm.ListCertificatesInput{})
			wantCode(t, err, c.acm)
			_, err = s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }).ListBuckets(ctx, &s3.ListBucketsInput{})
			wantCode(t, err, c.s3)
		})
	}
}
