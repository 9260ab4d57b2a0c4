package objects

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"countersign/arn"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const maxPolicy = 20 << 10 // bytes

// PutBucketPolicy keeps a bucket policy after checking its form. It is not
// evaluated by this package. A public policy is refused while the bucket's
// public access block says so.
func (s *Service) PutBucketPolicy(ctx context.Context, in *s3.PutBucketPolicyInput) (*s3.PutBucketPolicyOutput, error) {
	document := aws.ToString(in.Policy)
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		p, err := parsePolicy(document, bk.Name)
		if err != nil {
			return err
		}
		if bk.PublicAccess != nil && bk.PublicAccess.BlockPolicy && p.public() {
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
	return &s3.GetBucketPolicyStatusOutput{PolicyStatus: &types.PolicyStatus{IsPublic: aws.Bool(p.public())}}, nil
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

var (
	errPrincipal = errors.New("not a principal")
	errNotScalar = errors.New("neither string, number nor boolean")
)

// A policyDocument is as much of a bucket policy as its form needs.
type policyDocument struct {
	Version   string
	ID        string `json:"Id"`
	Statement oneOrMany[statement]
}

type statement struct {
	Sid          string
	Effect       string
	Principal    *principal
	NotPrincipal *principal
	Action       oneOrMany[string]
	NotAction    oneOrMany[string]
	Resource     oneOrMany[string]
	NotResource  oneOrMany[string]
	Condition    map[string]map[string]oneOrMany[scalar]
}

// oneOrMany reads a value or a list of values.
type oneOrMany[T any] []T

func (m *oneOrMany[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return strictly(b, (*[]T)(m))
	}
	var one T
	if err := strictly(b, &one); err != nil {
		return err
	}
	*m = oneOrMany[T]{one}
	return nil
}

// scalar reads a string, number or boolean and keeps its text.
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*s = scalar(text)
		return nil
	}
	var other any
	if err := json.Unmarshal(b, &other); err != nil {
		return err
	}
	switch other.(type) {
	case bool, float64:
		*s = scalar(b)
		return nil
	}
	return errNotScalar
}

// A principal is "*", or kinds of principal with their names.
type principal struct {
	Everyone bool
	Names    map[string]oneOrMany[string]
}

func (p *principal) UnmarshalJSON(b []byte) error {
	var star string
	if json.Unmarshal(b, &star) == nil {
		if star != "*" {
			return errPrincipal
		}
		p.Everyone = true
		return nil
	}
	if json.Unmarshal(b, &p.Names) != nil {
		return errPrincipal
	}
	for kind, names := range p.Names {
		if !slices.Contains([]string{"AWS", "Service", "Federated", "CanonicalUser"}, kind) || len(names) == 0 {
			return errPrincipal
		}
		if kind == "AWS" && slices.Contains(names, "*") {
			p.Everyone = true
		}
	}
	return nil
}

// strictly decodes b and refuses members that v does not have.
func strictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// parsePolicy checks the form of a policy for a bucket. It bounds the size and
// relies on encoding/json to bound the depth.
func parsePolicy(document, bucket string) (*policyDocument, error) {
	malformed := func(text string) error { return refuse(400, "MalformedPolicy", text) }
	if len(document) > maxPolicy {
		return nil, malformed("Policy exceeds the maximum allowed document size.")
	}
	if !strings.HasPrefix(strings.TrimLeft(document, " \t\r\n"), "{") || !json.Valid([]byte(document)) {
		return nil, malformed("Policies must be valid JSON and the first byte must be '{'")
	}
	p := new(policyDocument)
	if err := strictly([]byte(document), p); err != nil {
		// The texts of encoding/json name our types; what a client can use of them is the field.
		if errors.Is(err, errPrincipal) {
			return nil, malformed("Invalid principal in policy")
		}
		if _, element, ok := strings.Cut(err.Error(), "unknown field "); ok {
			return nil, malformed("Policy has an unknown element: " + element)
		}
		return nil, malformed("This policy contains invalid Json")
	}
	if p.Version != "" && p.Version != "2012-10-17" && p.Version != "2008-10-17" {
		return nil, malformed("The policy must contain a valid version string")
	}
	if len(p.Statement) == 0 {
		return nil, malformed("Could not parse the policy: Statement is empty!")
	}
	for _, st := range p.Statement {
		switch {
		case st.Effect == "":
			return nil, malformed("Missing required field Effect")
		case st.Effect != "Allow" && st.Effect != "Deny":
			return nil, malformed("Invalid effect: " + st.Effect)
		case (st.Principal == nil) == (st.NotPrincipal == nil):
			return nil, malformed("Missing required field Principal")
		case (len(st.Action) == 0) == (len(st.NotAction) == 0):
			return nil, malformed("Missing required field Action")
		case (len(st.Resource) == 0) == (len(st.NotResource) == 0):
			return nil, malformed("Missing required field Resource")
		}
		for _, a := range slices.Concat(st.Action, st.NotAction) {
			if a != "*" && !strings.HasPrefix(strings.ToLower(a), "s3:") {
				return nil, malformed("Policy has invalid action")
			}
		}
		for _, r := range slices.Concat(st.Resource, st.NotResource) {
			a, err := arn.Parse(r)
			name, _, _ := strings.Cut(a.Resource, "/")
			if err != nil || a.Service != "s3" || a.Region != "" || a.Account != "" || name != bucket {
				return nil, malformed("Policy has invalid resource")
			}
		}
	}
	return p, nil
}

// public reports whether the policy lets anybody in without a condition that
// names who. https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
func (p *policyDocument) public() bool {
	for _, st := range p.Statement {
		if st.Effect != "Allow" {
			continue
		}
		everyone := st.NotPrincipal != nil || st.Principal.Everyone
		if everyone && !fixed(st.Condition) {
			return true
		}
	}
	return false
}

// fixed reports whether a condition ties a statement to fixed values of a key
// that tells callers apart.
func fixed(condition map[string]map[string]oneOrMany[scalar]) bool {
	keys := []string{"aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceaccount", "aws:sourceowner", "aws:sourceip", "aws:principalorgid",
		"aws:principalarn", "aws:principalaccount", "aws:userid", "s3:dataaccesspointarn", "s3:dataaccesspointaccount"}
	for operator, tests := range condition {
		o := strings.ToLower(operator)
		if strings.Contains(o, "not") || strings.HasSuffix(o, "ifexists") {
			continue
		}
		for key, values := range tests {
			wild := slices.ContainsFunc(values, func(v scalar) bool {
				return strings.ContainsAny(string(v), "*?") && !strings.HasPrefix(string(v), "arn:") || v == "0.0.0.0/0" || v == "::/0"
			})
			if slices.Contains(keys, strings.ToLower(key)) && !wild && len(values) > 0 {
				return true
			}
		}
	}
	return false
}
