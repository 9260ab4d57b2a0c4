package identity

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"countersign/call"
	"countersign/policy"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
)

const assumeAction = "sts:AssumeRole"

// AssumeRole gives the caller credentials of a role whose trust policy names it, or
// its account. What the session may do is not limited yet: see the package comment. That is also why root may
// assume roles here, which on AWS it may not.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func (s *Service) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	switch {
	case in.Policy != nil:
		return nil, notBuilt("Policy")
	case len(in.PolicyArns) > 0:
		return nil, notBuilt("PolicyArns")
	case len(in.Tags) > 0:
		return nil, notBuilt("Tags")
	case len(in.TransitiveTagKeys) > 0:
		return nil, notBuilt("TransitiveTagKeys")
	case in.SourceIdentity != nil:
		return nil, notBuilt("SourceIdentity")
	case in.SerialNumber != nil || in.TokenCode != nil:
		return nil, notBuilt("multi-factor authentication (SerialNumber, TokenCode)")
	case len(in.ProvidedContexts) > 0:
		return nil, notBuilt("ProvidedContexts")
	}
	c := call.From(ctx)
	if !strings.HasPrefix(*in.RoleArn, "arn:") {
		return nil, validation("%s is invalid", *in.RoleArn)
	}
	// Who may not assume a role does not learn whether there is one.
	denied := accessDenied("User: %s is not authorized to perform: %s on resource: %s", c.Principal.ARN, assumeAction, *in.RoleArn)
	r, err := s.roleOf(ctx, *in.RoleArn)
	if errors.Is(err, errNoRole) {
		return nil, denied
	}
	if err != nil {
		return nil, err
	}
	keys := s.callerKeys(c)
	keys["sts:rolesessionname"] = []string{*in.RoleSessionName}
	if in.ExternalId != nil {
		keys["sts:externalid"] = []string{*in.ExternalId}
	}
	switch decision, err := r.trusts(r.caller(c.Principal), keys); {
	case err != nil:
		return nil, err
	case decision == policy.Deny:
		return nil, accessDenied("User: %s is not authorized to perform: %s on resource: %s with an explicit deny in a resource-based policy",
			c.Principal.ARN, assumeAction, *in.RoleArn)
	case decision != policy.Allow:
		return nil, denied
	}
	seconds := int32(defaultSession)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	switch {
	case c.Principal.Role != "" && seconds > 3600:
		return nil, validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case seconds > r.MaxSession:
		return nil, validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	t, err := s.issue(session{Role: r.arn(), RoleID: r.ID, Name: *in.RoleSessionName}, time.Duration(seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	p := r.principal(*in.RoleSessionName)
	return &sts.AssumeRoleOutput{
		Credentials: t.show(), AssumedRoleUser: &types.AssumedRoleUser{Arn: aws.String(p.ARN), AssumedRoleId: aws.String(p.ID)},
	}, nil
}

func (t temporary) show() *types.Credentials {
	return &types.Credentials{
		AccessKeyId: aws.String(t.accessKeyID), SecretAccessKey: aws.String(t.secret), SessionToken: aws.String(t.token), Expiration: aws.Time(t.expires),
	}
}

// GetSessionToken gives root temporary credentials of its own, for an hour at most as
// on AWS. They may do what root may.
func (s *Service) GetSessionToken(ctx context.Context, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, notBuilt("multi-factor authentication (SerialNumber, TokenCode)")
	}
	p := call.From(ctx).Principal
	if p.ARN != s.rootARN() || strings.HasPrefix(p.AccessKeyID, temporaryPrefix) {
		return nil, accessDenied("Cannot call GetSessionToken with session credentials")
	}
	life := time.Hour
	if in.DurationSeconds != nil {
		life = min(life, time.Duration(*in.DurationSeconds)*time.Second)
	}
	t, err := s.issue(session{Root: true}, life)
	if err != nil {
		return nil, err
	}
	return &sts.GetSessionTokenOutput{Credentials: t.show()}, nil
}

// Trusts reports whether a service of AWS may assume a role: whether there is one, and
// its trust policy says so.
func (s *Service) Trusts(ctx context.Context, service, roleARN string) (bool, error) {
	r, err := s.trusts(ctx, service, roleARN)
	return r != nil, err
}

// Acting is the principal as whom a service of this node acts with a role that
// trusts it, in a session of a name: a stack with its service role. The error wraps ErrNotTrusted when
// there is no such role.
func (s *Service) Acting(ctx context.Context, service, roleARN, name string) (call.Principal, error) {
	r, err := s.trusts(ctx, service, roleARN)
	if err == nil && r == nil {
		err = fmt.Errorf("%s with %s: %w", service, roleARN, ErrNotTrusted)
	}
	if err != nil {
		return call.Principal{}, err
	}
	return r.principal(name), nil
}

// trusts reads a role that a service may assume; nil if it may not.
func (s *Service) trusts(ctx context.Context, service, roleARN string) (*role, error) {
	r, err := s.roleOf(ctx, roleARN)
	if errors.Is(err, errNoRole) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Without aws:SourceArn and aws:SourceAccount, as Lambda is the one who asks: it
	// documents them for policies of functions, not of roles.
	keys := s.clockKeys()
	keys["aws:principalisawsservice"], keys["aws:principalservicename"] = []string{"true"}, []string{service}
	decision, err := r.trusts(policy.Principal{Service: service}, keys)
	if err != nil || decision != policy.Allow {
		return nil, err
	}
	return r, nil
}

// trusts is what the role's trust policy says.
func (r *role) trusts(who policy.Principal, keys map[string][]string) (policy.Decision, error) {
	d, err := policy.Parse([]byte(r.Trust), policy.Trust)
	if err != nil {
		return policy.Deny, fmt.Errorf("read the trust policy of %s: %w", r.arn(), err)
	}
	return d.Evaluate(policy.Request{Principal: who, Action: assumeAction, Resource: r.arn(), Keys: keys}).Decision, nil
}

// caller is the principal whom the trust policy is asked about. One that has the name of a role
// which the policy meant, but is not that role, goes without the name.
func (r *role) caller(p call.Principal) policy.Principal {
	who := policy.Principal{ARN: p.ARN, Role: p.Role, Account: p.Account, Service: p.Service}
	id, _, _ := strings.Cut(p.ID, ":")
	if meant, ok := r.Trusted[who.Role]; ok && meant != id {
		who.Role = ""
	}
	if meant, ok := r.Trusted[who.ARN]; ok && meant != id {
		who.ARN = ""
	}
	return who
}

// callerKeys are the condition keys that every call has.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func (s *Service) callerKeys(c call.Call) map[string][]string {
	keys := s.clockKeys()
	set := func(key, value string) {
		if value != "" {
			keys[key] = []string{value}
		}
	}
	set("aws:principalarn", c.Principal.ARN)
	set("aws:principaltype", "Account")
	if c.Principal.Role != "" {
		set("aws:principalarn", c.Principal.Role) // of sessions, the role
		set("aws:principaltype", "AssumedRole")
		set("aws:multifactorauthpresent", "false")
	}
	set("aws:principalaccount", c.Principal.Account)
	set("aws:userid", c.Principal.ID)
	set("aws:principalisawsservice", "false")
	set("aws:viaawsservice", "false")
	set("aws:securetransport", strconv.FormatBool(c.Secure))
	set("aws:requestedregion", c.Region)
	set("aws:useragent", c.UserAgent)
	if c.Source.IsValid() {
		set("aws:sourceip", c.Source.String())
	}
	return keys
}

func (s *Service) clockKeys() map[string][]string {
	now := s.now().UTC()
	return map[string][]string{"aws:currenttime": {now.Format(time.RFC3339)}, "aws:epochtime": {strconv.FormatInt(now.Unix(), 10)}}
}
