package functions

import (
	"strings"

	"countersign/arn"
)

// A statement is one permission, in the form in which GetPolicy shows it. It always allows.
type statement struct {
	Sid       string
	Effect    string
	Principal principal
	Action    string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"` // operator → key → value
}

// The conditions that AddPermission can make.
const (
	arnLike      = "ArnLike"
	stringEquals = "StringEquals"

	sourceARN     = "AWS:SourceArn"
	sourceAccount = "AWS:SourceAccount"
)

// A document is a function's policy.
type document struct {
	Version   string
	Id        string
	Statement []statement
}

// A question is what a service asks of a policy.
type question struct {
	service  string // "apigateway.amazonaws.com"
	action   string // "lambda:InvokeFunction"
	resource string // the function's ARN with the qualifier in question
	source   string // ARN on whose behalf
}

// permits reports whether the statement allows what q asks. A condition that
// is not understood is not met.
func (s *statement) permits(q question) bool {
	if s.Effect != "Allow" || s.Resource != q.resource || !actionMatches(s.Action, q.action) {
		return false
	}
	if !s.Principal.any && s.Principal.service != q.service {
		return false
	}
	for operator, pairs := range s.Condition {
		for key, want := range pairs {
			switch {
			case operator == arnLike && key == sourceARN:
				if !matchARN(want, q.source) {
					return false
				}
			case operator == stringEquals && key == sourceAccount:
				if a, err := arn.Parse(q.source); err != nil || a.Account != want {
					return false
				}
			default:
				return false
			}
		}
	}
	return true
}

func actionMatches(pattern, action string) bool {
	return pattern == "*" || pattern == "lambda:*" || strings.EqualFold(pattern, action)
}

// matchARN is ArnLike: the six parts are compared one by one, and in each of
// them * stands for any characters, slashes and (in the last) colons among them, and ? for one. A * does not
// reach over the first five colons. Case counts.
func matchARN(pattern, value string) bool {
	p, v := strings.SplitN(pattern, ":", 6), strings.SplitN(value, ":", 6)
	if len(p) != 6 || len(v) != 6 {
		return false
	}
	for i := range p {
		if !matchWildcards(p[i], v[i]) {
			return false
		}
	}
	return true
}

// matchWildcards compares in time proportional to the product of the lengths
// at worst: on a mismatch it goes back to the last * only.
func matchWildcards(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
