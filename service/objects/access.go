package objects

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"countersign/arn"
	"countersign/call"
	"countersign/policy"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// says is what the bucket's policy says to a request about the bucket, or about
// a key in it. A policy that cannot be read any more denies.
func (s *Service) says(bk *bucket, key, action string, who policy.Principal, keys map[string][]string) (policy.Decision, error) {
	if bk.Policy == "" {
		return policy.Silent, nil
	}
	p, err := parsePolicy(bk.Policy, bk.Name)
	if err != nil {
		return policy.Deny, err
	}
	resource := bk.Name
	if key != "" {
		resource += "/" + key
	}
	now := s.now().UTC()
	keys["aws:currenttime"] = []string{now.Format(time.RFC3339)}
	keys["aws:epochtime"] = []string{strconv.FormatInt(now.Unix(), 10)}
	return p.Evaluate(policy.Request{Principal: who, Action: action, Resource: arn.New("s3", "", "", resource).String(), Keys: keys}).Decision, nil
}

// visible reads the version that a request without a signature asks for, when
// everybody may read it: by the bucket's policy, or by the version's own ACL. What
// it returns is the very version that it judged. Whether an object exists is only
// told where everybody may list the bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html
func (s *Service) visible(ctx context.Context, r reading) (*bucket, *version, error) {
	bk, err := s.readBucket(ctx, aws.ToString(r.bucket))
	if err != nil {
		return nil, nil, err
	}
	if r.expected != nil && *r.expected != bk.Account {
		return nil, nil, accessDenied()
	}
	key := aws.ToString(r.key)
	action := "s3:GetObject"
	if r.version != nil {
		action = "s3:GetObjectVersion"
	}
	allowed, err := s.everybody(ctx, bk, key, action)
	if err != nil {
		return nil, nil, err
	}
	v, missing := s.lookup(ctx, bk, key, r.version, r.method)
	if missing == nil {
		if allowed == policy.Allow || allowed == policy.Silent && v.Public && bk.hasACLs() && (bk.PublicAccess == nil || !bk.PublicAccess.IgnoreACLs) {
			return bk, v, nil
		}
		return nil, nil, accessDenied()
	}
	var client smithy.APIError
	if !errors.As(missing, &client) {
		return nil, nil, missing
	}
	listed, err := s.everybody(ctx, bk, "", "s3:ListBucket")
	switch {
	case err != nil:
		return nil, nil, err
	case listed == policy.Allow && allowed == policy.Allow:
		return nil, nil, missing
	}
	return nil, nil, accessDenied()
}

// everybody is what the bucket's policy says to a request without a signature.
// RestrictPublicBuckets takes from a public policy what it gives to strangers.
func (s *Service) everybody(ctx context.Context, bk *bucket, key, action string) (policy.Decision, error) {
	c := call.From(ctx)
	keys := map[string][]string{
		"aws:securetransport": {strconv.FormatBool(c.Secure)}, "aws:sourceip": {c.Source.String()}, "aws:useragent": {c.UserAgent}, "s3:authtype": {"None"},
	}
	d, err := s.says(bk, key, action, policy.Principal{}, keys)
	if err != nil || d != policy.Allow || bk.PublicAccess == nil || !bk.PublicAccess.Restrict {
		return d, err
	}
	p, err := parsePolicy(bk.Policy, bk.Name)
	if err != nil || public(p) {
		return policy.Silent, err
	}
	return d, nil
}

// A Delivery is an object that a service of AWS writes on behalf of a resource:
// a certificate authority its CRL. The bucket's policy must let it.
type Delivery struct {
	Service string // service principal, "acm-pca.amazonaws.com"
	Source  string // ARN of the resource
	Bucket  string
	Key     string
	ACL     string // public-read, or bucket-owner-full-control
}

// deliveryActions are what a bucket's policy must allow, in the order in which
// AWS Private CA asks for them.
var deliveryActions = []string{"s3:GetBucketAcl", "s3:GetBucketLocation", "s3:PutObject", "s3:PutObjectAcl"}

// CheckDelivery tells whether a delivery would be accepted now, and the Region
// of its bucket. lacking is the action that the bucket's policy does not allow
// the service; err is everything else that is in its way.
func (s *Service) CheckDelivery(ctx context.Context, d Delivery) (region, lacking string, err error) {
	bk, lacking, err := s.accepts(ctx, d)
	if err != nil || lacking != "" {
		return "", lacking, err
	}
	return bk.Region, "", nil
}

func (s *Service) accepts(ctx context.Context, d Delivery) (bk *bucket, lacking string, err error) {
	if bk, err = s.readBucket(ctx, d.Bucket); err != nil {
		return nil, "", err
	}
	source, err := arn.Parse(d.Source)
	if err != nil {
		return nil, "", err
	}
	for _, action := range deliveryActions {
		key := ""
		keys := map[string][]string{
			"aws:sourcearn": {d.Source}, "aws:sourceaccount": {source.Account},
			"aws:principalisawsservice": {"true"}, "aws:principalservicename": {d.Service}, "aws:securetransport": {"true"},
		}
		if action == "s3:PutObject" || action == "s3:PutObjectAcl" {
			key, keys["s3:x-amz-acl"] = d.Key, []string{d.ACL}
		}
		switch said, err := s.says(bk, key, action, policy.Principal{Service: d.Service}, keys); {
		case err != nil:
			return nil, "", err
		case said != policy.Allow:
			return nil, action, nil
		}
	}
	if d.ACL == string(types.ObjectCannedACLPublicRead) {
		if err := bk.admitsACL(); err != nil {
			return nil, "", err
		}
	}
	return bk, "", nil
}

// Deliver writes an object after the checks of CheckDelivery. Durable on return;
// the policy decides anew each time. A size below zero is not known.
func (s *Service) Deliver(ctx context.Context, d Delivery, contentType string, body io.Reader, size int64) (lacking string, err error) {
	bk, lacking, err := s.accepts(ctx, d)
	if err != nil || lacking != "" {
		return lacking, err
	}
	// From here on it is a write in the bucket's own account and Region.
	c := call.From(ctx)
	c.Account, c.Region = bk.Account, bk.Region
	c.Principal, c.Signing = call.Principal{Account: bk.Account, Service: d.Service}, call.Internal
	in := &s3.PutObjectInput{Bucket: &d.Bucket, Key: &d.Key, ACL: types.ObjectCannedACL(d.ACL), ContentType: &contentType, Body: body}
	if size >= 0 {
		in.ContentLength = &size
	}
	_, err = s.PutObject(call.With(ctx, c), in)
	return "", err
}
