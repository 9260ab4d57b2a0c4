package authority

import (
	"context"

	"countersign/call"
)

// servicePrincipal is who writes to a bucket on behalf of an authority.
const servicePrincipal = "acm-pca.amazonaws.com"

// writing is a context for deliveries on behalf of r.
func (r *record) writing(ctx context.Context) context.Context {
	return call.With(ctx, call.Call{Account: r.Account, Region: r.Region, Service: "acm-pca", Signing: call.Internal,
		Principal: call.Principal{Account: r.Account, Service: servicePrincipal}})
}
