package identity

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"countersign/arn"
	"countersign/policy"

	"github.com/aws/smithy-go"
)

// Quotas of documents, in characters without white space.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxTrust   = 2048
	maxManaged = 6144
	maxInline  = 10240 // of all inline policies of a role together
)

// size counts a document as IAM does.
func size(document string) int {
	n := 0
	for _, r := range document {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// shownDocument is a document as answers carry it: percent-encoded by RFC 3986.
func shownDocument(document string) *string {
	s := strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
	return &s
}

// checkDocument judges a policy that says what somebody may do. Inline ones may leave
// their version out, as those that SAM writes do; managed ones may not.
func checkDocument(document string, managed bool) error {
	d, err := policy.Parse([]byte(document), policy.Identity)
	if err != nil {
		return malformed(document, policy.Identity, err)
	}
	if managed && d.Version != "2012-10-17" {
		return malformedDocument("Policy document must be version 2012-10-17 or greater.")
	}
	for _, st := range d.Statements {
		for _, r := range slices.Concat(st.Resources, st.NotResources) {
			if r != "*" && !strings.HasPrefix(r, "arn:") {
				return malformedDocument("Resource %s must be in ARN format or \"*\".", r)
			}
		}
	}
	return uniqueIDs(d)
}

// checkTrust judges a policy that says who may assume a role, and returns the ids of
// the roles of this account that it names: see role.Trusted.
func (s *Service) checkTrust(ctx context.Context, document string) (map[string]string, error) {
	d, err := policy.Parse([]byte(document), policy.Trust)
	if err != nil {
		return nil, malformed(document, policy.Trust, err)
	}
	if size(document) > maxTrust {
		return nil, limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", maxTrust)
	}
	named := map[string]string{}
	for _, st := range d.Statements {
		for _, a := range slices.Concat(st.Actions, st.NotActions) {
			if !strings.HasPrefix(strings.ToLower(a), "sts:") {
				return nil, malformedDocument("AssumeRole policy may only specify STS AssumeRole actions.")
			}
		}
		for _, principals := range []*policy.Principals{st.Principals, st.NotPrincipals} {
			if principals == nil {
				continue
			}
			for _, p := range principals.AWS {
				id, err := s.principalID(ctx, p)
				if err != nil {
					return nil, err
				}
				if id != "" {
					named[p] = id
				}
			}
		}
	}
	return named, uniqueIDs(d)
}

// principalID is the unique id of the role that a principal of this account is, or is
// a session of. Empty: an account, or somebody of another account, whom nobody can look up.
func (s *Service) principalID(ctx context.Context, principal string) (string, error) {
	a, err := arn.Parse(principal)
	if err != nil || a.Account != s.account {
		return "", nil
	}
	invalid := malformedDocument("Invalid principal in policy: \"AWS\":\"%s\"", principal)
	var name string
	switch path, isRole := strings.CutPrefix(a.Resource, "role/"); {
	case a.Service == "iam" && a.Resource == "root":
		return "", nil
	case a.Service == "iam" && isRole:
		name = path[strings.LastIndexByte(path, '/')+1:]
	case a.Service == "sts" && strings.HasPrefix(a.Resource, "assumed-role/"):
		name = strings.Split(a.Resource, "/")[1]
	default:
		return "", invalid // a user: there are none
	}
	r, _, err := s.role(ctx, s.account, name)
	var missing smithy.APIError
	switch {
	case errors.As(err, &missing), err == nil && a.Service == "iam" && r.arn() != principal:
		return "", invalid
	case err != nil:
		return "", err
	}
	return r.ID, nil
}

// uniqueIDs holds statements to one Sid each.
func uniqueIDs(d *policy.Document) error {
	seen := map[string]bool{}
	for _, st := range d.Statements {
		if st.Sid != "" && seen[st.Sid] {
			return malformedDocument("Statement IDs (SID) in a single policy must be unique.")
		}
		seen[st.Sid] = true
	}
	return nil
}

// malformed words what is wrong with a document as IAM does. Where IAM says no more
// than that there are errors, what they are follows.
func malformed(document string, kind policy.Kind, err error) error {
	var bad *policy.ParseError
	if !errors.As(err, &bad) {
		return err
	}
	missing := bad.Element == ""
	switch {
	case !json.Valid([]byte(document)):
		return malformedDocument("This policy contains invalid Json")
	case bad.Fault == policy.FaultPrincipal && kind == policy.Identity:
		return malformedDocument("Policy document should not specify a principal.")
	case bad.Fault == policy.FaultPrincipal && missing:
		return malformedDocument("Missing required field Principal")
	case bad.Fault == policy.FaultPrincipal:
		return malformedDocument("Invalid principal in policy: %s", bad.Element)
	case bad.Fault == policy.FaultResource && kind == policy.Trust:
		return malformedDocument("Has prohibited field Resource")
	case bad.Fault == policy.FaultResource && missing:
		return malformedDocument("Policy statement must contain resources.")
	case bad.Fault == policy.FaultAction && missing:
		return malformedDocument("Policy statement must contain actions.")
	case bad.Fault == policy.FaultAction && !strings.Contains(bad.Element, ":") && bad.Element != "Action" && bad.Element != "NotAction":
		return malformedDocument("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
	}
	return malformedDocument("Syntax errors in policy. %s", bad.Message)
}
