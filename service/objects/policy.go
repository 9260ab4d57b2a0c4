package objects

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"countersign/arn"
	"countersign/policy"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const maxPolicy = 20 << 10 // bytes

// PutBucketPolicy keeps a bucket policy. It decides about services and about
// requests without a signature (see access.go); the account's own principals are
// api's business. A public policy is refused while the bucket's
// public access block says so.
func (s *Service) PutBucketPolicy(ctx context.Context, in *s3.PutBucketPolicyInput) (*s3.PutBucketPolicyOutput, error) {
	document := aws.ToString(in.Policy)
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		p, err := parsePolicy(document, bk.Name)
		if err != nil {
			return err
		}
		if bk.PublicAccess != nil && bk.PublicAccess.BlockPolicy && public(p) {
			return refuse(403, "AccessDenied", "Access Denied: the policy is public and public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.")
		}
		bk.Policy = document
		return nil
	})
	return &s3.PutBucketPolicyOutput{}, err
}

// GetBucketPolicy shows the policy as it was put.
func (s *Service) GetBucketPolicy(ctx context.Context, in *s3.GetBucketPolicyInput) (*s3.GetBucketPolicyOutput, error) {
	bk, err := s.policied(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3.GetBucketPolicyOutput{Policy: aws.String(bk.Policy)}, nil
}

// GetBucketPolicyStatus tells whether the policy is public.
func (s *Service) GetBucketPolicyStatus(ctx context.Context, in *s3.GetBucketPolicyStatusInput) (*s3.GetBucketPolicyStatusOutput, error) {
	bk, err := s.policied(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	p, err := parsePolicy(bk.Policy, bk.Name)
	if err != nil {
		return nil, err
	}
	return &s3.GetBucketPolicyStatusOutput{PolicyStatus: &types.PolicyStatus{IsPublic: aws.Bool(public(p))}}, nil
}

// DeleteBucketPolicy takes the policy away; there may be none.
func (s *Service) DeleteBucketPolicy(ctx context.Context, in *s3.DeleteBucketPolicyInput) (*s3.DeleteBucketPolicyOutput, error) {
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		bk.Policy = ""
		return nil
	})
	return &s3.DeleteBucketPolicyOutput{}, err
}

func (s *Service) policied(ctx context.Context, name, expected *string) (*bucket, error) {
	bk, err := s.bucket(ctx, name, expected)
	if err != nil {
		return nil, err
	}
	if bk.Policy == "" {
		return nil, refuse(404, "NoSuchBucketPolicy", "The bucket policy does not exist").field("BucketName", bk.Name)
	}
	return bk, nil
}

// parsePolicy checks a policy for a bucket: that it is a policy, and of this bucket.
func parsePolicy(document, bucket string) (*policy.Document, error) {
	malformed := func(text string) error { return refuse(400, "MalformedPolicy", text) }
	if len(document) > maxPolicy {
		return nil, malformed("Policy exceeds the maximum allowed document size.")
	}
	p, err := policy.Parse([]byte(document), policy.Resource)
	var bad *policy.ParseError
	if errors.As(err, &bad) {
		return nil, malformed(policyText(document, bad))
	}
	if err != nil {
		return nil, err
	}
	for _, st := range p.Statements {
		for _, a := range slices.Concat(st.Actions, st.NotActions) {
			if a != "*" && !strings.HasPrefix(strings.ToLower(a), "s3:") {
				return nil, malformed("Policy has invalid action")
			}
		}
		for _, r := range slices.Concat(st.Resources, st.NotResources) {
			a, err := arn.Parse(r)
			name, _, _ := strings.Cut(a.Resource, "/")
			if err != nil || a.Service != "s3" || a.Region != "" || a.Account != "" || name != bucket {
				return nil, malformed("Policy has invalid resource")
			}
		}
	}
	return p, nil
}

// policyText is how S3 words what is wrong with a policy.
func policyText(document string, bad *policy.ParseError) string {
	missing := bad.Element == ""
	switch {
	case !json.Valid([]byte(document)) || !strings.HasPrefix(strings.TrimLeft(document, " \t\r\n"), "{"):
		return "Policies must be valid JSON and the first byte must be '{'"
	case bad.Fault == policy.FaultVersion:
		return "The policy must contain a valid version string"
	case bad.Fault == policy.FaultStatement:
		return "Could not parse the policy: Statement is empty!"
	case bad.Fault == policy.FaultEffect && missing:
		return "Missing required field Effect"
	case bad.Fault == policy.FaultEffect:
		return "Invalid effect: " + bad.Element
	case bad.Fault == policy.FaultPrincipal && missing:
		return "Missing required field Principal"
	case bad.Fault == policy.FaultPrincipal:
		return "Invalid principal in policy"
	case bad.Fault == policy.FaultAction && missing:
		return "Missing required field Action"
	case bad.Fault == policy.FaultResource && missing:
		return "Missing required field Resource"
	case bad.Fault == policy.FaultElement:
		return fmt.Sprintf("Policy has an unknown element: %q", bad.Element)
	}
	return "This policy contains invalid Json"
}

// public reports whether a policy lets anybody in without a condition that
// names who. https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
func public(p *policy.Document) bool {
	for _, st := range p.Statements {
		everyone := st.NotPrincipals != nil || st.Principals.Everyone
		if !st.Deny && everyone && !slices.ContainsFunc(st.Conditions, fixed) {
			return true
		}
	}
	return false
}

// fixed reports whether a condition ties a statement to fixed values of a key
// that tells callers apart.
func fixed(c policy.Condition) bool {
	keys := []string{"aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceaccount", "aws:sourceowner", "aws:sourceip", "aws:principalorgid",
		"aws:principalarn", "aws:principalaccount", "aws:userid", "s3:dataaccesspointarn", "s3:dataaccesspointaccount"}
	o := strings.ToLower(c.Operator)
	if strings.Contains(o, "not") || strings.HasSuffix(o, "ifexists") || strings.HasPrefix(o, "forallvalues:") || o == "null" {
		return false
	}
	wild := slices.ContainsFunc(c.Values, func(v string) bool {
		return strings.ContainsAny(v, "*?") && !strings.HasPrefix(v, "arn:") || v == "0.0.0.0/0" || v == "::/0"
	})
	return slices.Contains(keys, c.Key) && !wild && len(c.Values) > 0
}
