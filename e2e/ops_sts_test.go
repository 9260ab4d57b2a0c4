package e2e

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/iam"
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
	assume := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/any"), RoleSessionName: aws.String("any")}
	_, err := s.sts.AssumeRole(ctx, assume)
	wantCode(t, err, "AccessDenied")
	must(s.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("any"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"e-1"}}}]}`)}))(t)
	_, err = s.sts.AssumeRole(ctx, assume)
	wantCode(t, err, "AccessDenied")
	assume.ExternalId = aws.String("e-1")
	assumed := must(s.sts.AssumeRole(ctx, assume))(t)

	// The SDK's own way to a role, and what becomes of it when the role goes.
	config := s.aws(s.node.Credentials().AccessKeyID, s.node.Credentials().SecretAccessKey)
	config.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(s.sts, *assume.RoleArn, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.ExternalID = "any", aws.String("e-1")
	}))
	as := sts.NewFromConfig(config)
	same(t, "caller in the role", *must(as.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t).UserId, *assumed.AssumedRoleUser.AssumedRoleId)
	must(acm.NewFromConfig(config).ListCertificates(ctx, &acm.ListCertificatesInput{}))(t)
	must(s.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("any")}))(t)
	_, err = as.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, err, "InvalidClientTokenId")

	own := must(s.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{}))(t).Credentials
	config.Credentials = credentials.NewStaticCredentialsProvider(*own.AccessKeyId, *own.SecretAccessKey, *own.SessionToken)
	same(t, "caller with a session token", *must(sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t).Arn, "arn:aws:iam::"+account+":root")

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
