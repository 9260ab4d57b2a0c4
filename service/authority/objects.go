package authority

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"countersign/call"
)

// Objects are the buckets that audit reports and CRLs are written to.
// Operations see the account and Region of the authority, and servicePrincipal as
// who calls.
type Objects interface {
	HeadBucket(ctx context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error)
	GetBucketPolicy(ctx context.Context, in *s3.GetBucketPolicyInput) (*s3.GetBucketPolicyOutput, error)
	PutObject(ctx context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error)
}

// servicePrincipal is who writes to a bucket on behalf of an authority.
const servicePrincipal = "acm-pca.amazonaws.com"

// writing is a context for calls of Objects on behalf of r.
func (r *record) writing(ctx context.Context) context.Context {
	return call.With(ctx, call.Call{Account: r.Account, Region: r.Region, Service: "acm-pca", Signing: call.Internal,
		Principal: call.Principal{Account: r.Account, Service: servicePrincipal}})
}
