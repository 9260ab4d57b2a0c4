// Package call carries what is known of one API call through its context: who
// asks, for which account and Region, and the id under which logs, audit and
// the answer name it. The api package puts it there after it has verified the
// signature; services read it. It answers for no AWS API of its own.
package call

import (
	"context"
	"net/netip"
	"strings"
)

// A Principal is who a call acts for. It is set before any operation runs.
type Principal struct {
	Account     string // 12 digits
	ARN         string // as sts:GetCallerIdentity answers it
	ID          string // unique id: the account id for root, AIDA…, AROA…:session
	AccessKeyID string // the key that signed; empty for a service
	Role        string // of a session of a role, the role's ARN
	Service     string // service principal such as "apigateway.amazonaws.com"; empty for a person or role
}

// Signing says how the request proved its principal.
type Signing string

const (
	Anonymous Signing = "anonymous" // no signature; only where an operation allows it
	Header    Signing = "header"    // SigV4 Authorization header
	Presigned Signing = "presigned" // SigV4 query string
	Internal  Signing = "internal"  // made by a service of this node, no request
)

// A Call is one operation on its way. It is a value: With stores a copy.
type Call struct {
	RequestID string // UUID, unique per request
	Account   string // the account that owns what the call touches
	Region    string // from the credential scope
	Service   string // signing name, "acm-pca"
	Operation string // "IssueCertificate"
	Principal Principal
	Signing   Signing
	Via       string     // service principal that calls for Principal, with its rights; empty: Principal itself does
	Source    netip.Addr // the peer
	UserAgent string
	Host      string // Host header as received
	Secure    bool   // the request came over TLS
}

type key struct{}

// With returns a context that carries c.
func With(ctx context.Context, c Call) context.Context {
	return context.WithValue(ctx, key{}, &c)
}

// From returns the call that ctx carries, or a zero Call when there is none.
func From(ctx context.Context) Call {
	if c, ok := ctx.Value(key{}).(*Call); ok {
		return *c
	}
	return Call{}
}

// As returns a context for a call that a service of this node makes on its
// own behalf, in the account and Region of the call in ctx.
func As(ctx context.Context, service string) context.Context {
	c := From(ctx)
	c.Principal = Principal{Account: c.Account, Service: service}
	c.Signing, c.Via = Internal, ""
	return With(ctx, c)
}

// CloudFormation is the service principal of stacks.
const CloudFormation = "cloudformation.amazonaws.com"

// Through returns a context for calls that a service of this node makes for
// the principal of the call in ctx and with its rights, as a stack does for its
// resources. No request can set it.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html
func Through(ctx context.Context, service string) context.Context {
	c := From(ctx)
	c.Via = service
	return With(ctx, c)
}

// SystemTag reports whether a tag key is one of AWS's own: it begins with
// "aws:", in whatever case. Such tags do not count towards a resource's limit.
func SystemTag(key string) bool {
	return len(key) >= 4 && strings.EqualFold(key[:4], "aws:")
}

// MayTag reports whether the call may set or remove a tag with the key. All but
// system tags are open to everybody; those of CloudFormation to CloudFormation.
func (c Call) MayTag(key string) bool {
	return !SystemTag(key) || c.Via == CloudFormation && strings.HasPrefix(key, "aws:cloudformation:")
}
