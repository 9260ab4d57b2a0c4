package pki

import (
	"encoding/asn1"
	"errors"
	"math"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const anyPolicy = "2.5.29.32.0"

// policyExtensions are the four extensions about certificate policies (RFC
// 5280 sections 4.2.1.4, .5, .11, .14).
type policyExtensions struct {
	policies        []string            // nil: no certificatePolicies extension
	mappings        map[string][]string // issuer's policy to the subject's
	requireExplicit *int                // nil: absent, as the next two
	inhibitMapping  *int
	inhibitAny      *int
}

// read takes in one of the extensions.
func (p *policyExtensions) read(id oid, value []byte) error {
	bad := errors.New("malformed extension about policies")
	input := cryptobyte.String(value)
	if id.Equal(oidInhibitAnyPolicy) {
		if !readCounter(&input, cbasn1.INTEGER, &p.inhibitAny) || !input.Empty() || p.inhibitAny == nil {
			return bad
		}
		return nil
	}
	var seq cryptobyte.String
	if !input.ReadASN1(&seq, cbasn1.SEQUENCE) || !input.Empty() || seq.Empty() {
		return bad
	}
	switch {
	case id.Equal(oidCertificatePolicies):
		seen := map[string]bool{}
		for !seq.Empty() {
			var info cryptobyte.String
			var policy asn1.ObjectIdentifier
			if !seq.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&policy) {
				return bad
			}
			if seen[policy.String()] {
				return errors.New("the same certificate policy twice")
			}
			seen[policy.String()] = true
			p.policies = append(p.policies, policy.String())
		}
	case id.Equal(oidPolicyMappings):
		p.mappings = map[string][]string{}
		for !seq.Empty() {
			var pair cryptobyte.String
			var from, to asn1.ObjectIdentifier
			if !seq.ReadASN1(&pair, cbasn1.SEQUENCE) || !pair.ReadASN1ObjectIdentifier(&from) || !pair.ReadASN1ObjectIdentifier(&to) || !pair.Empty() {
				return bad
			}
			if from.String() == anyPolicy || to.String() == anyPolicy {
				return errors.New("a policy mapping to or from anyPolicy")
			}
			p.mappings[from.String()] = append(p.mappings[from.String()], to.String())
		}
	case id.Equal(oidPolicyConstraints):
		if !readCounter(&seq, cbasn1.Tag(0).ContextSpecific(), &p.requireExplicit) ||
			!readCounter(&seq, cbasn1.Tag(1).ContextSpecific(), &p.inhibitMapping) || !seq.Empty() {
			return bad
		}
	}
	return nil
}

// readCounter reads an optional SkipCerts (0..MAX) under a tag; absent leaves
// n alone. Numbers beyond any path are all the same.
func readCounter(input *cryptobyte.String, tag cbasn1.Tag, n **int) bool {
	var content cryptobyte.String
	var present bool
	if !input.ReadOptionalASN1(&content, &present, tag) {
		return false
	}
	if !present {
		return true
	}
	if len(content) == 0 || content[0]&0x80 != 0 || len(content) > 1 && content[0] == 0 && content[1]&0x80 == 0 {
		return false
	}
	count := 0
	for _, octet := range content {
		if count > math.MaxInt16 {
			break
		}
		count = count<<8 | int(octet)
	}
	*n = &count
	return true
}

// checkPolicies is RFC 5280 section 6.1 as far as policies go, for a user who
// accepts any policy: the path is refused only when some certificate demands
// an explicit policy and none is valid for the whole path. With that user the
// policy tree is no more than the set of policies of its deepest level. path
// is leaf … anchor.
func checkPolicies(path []*entity) *fault {
	n := len(path) - 1
	explicit, mapping, inhibitAny := n+1, n+1, n+1
	valid := map[string]bool{anyPolicy: true}
	for i := n - 1; i >= 0; i-- {
		c := path[i]
		p := c.policies
		last := i == 0
		valid = narrow(valid, p.policies, inhibitAny > 0 || !last && c.selfIssued)
		if explicit == 0 && len(valid) == 0 {
			break
		}
		if last {
			if p.requireExplicit != nil && *p.requireExplicit == 0 {
				explicit = 0
			}
			break
		}
		valid = mapPolicies(valid, p.mappings, mapping > 0)
		if !c.selfIssued {
			explicit, mapping, inhibitAny = max(explicit-1, 0), max(mapping-1, 0), max(inhibitAny-1, 0)
		}
		explicit, mapping, inhibitAny = lower(explicit, p.requireExplicit), lower(mapping, p.inhibitMapping), lower(inhibitAny, p.inhibitAny)
	}
	// Section 6.1.5 (a): the last certificate counts as well.
	if n > 0 && explicit > 0 {
		explicit--
	}
	if explicit == 0 && n > 0 && len(valid) == 0 {
		return faultf(PolicyViolated, "must have a certificate policy that is valid for its whole path, and has none")
	}
	return nil
}

func lower(counter int, limit *int) int {
	if limit == nil {
		return counter
	}
	return min(counter, *limit)
}

// narrow intersects the valid policies with those of the next certificate.
func narrow(valid map[string]bool, policies []string, anyCounts bool) map[string]bool {
	next := map[string]bool{}
	for _, p := range policies {
		switch {
		case p == anyPolicy:
			if anyCounts {
				for v := range valid {
					next[v] = true
				}
			}
		case valid[p] || valid[anyPolicy]:
			next[p] = true
		}
	}
	return next
}

// mapPolicies translates into the policies of the next domain, or drops what
// may not be translated.
func mapPolicies(valid map[string]bool, mappings map[string][]string, allowed bool) map[string]bool {
	if len(mappings) == 0 {
		return valid
	}
	next := map[string]bool{}
	for v := range valid {
		to, mapped := mappings[v]
		switch {
		case !mapped:
			next[v] = true
		case allowed:
			for _, t := range to {
				next[t] = true
			}
		}
	}
	if allowed && valid[anyPolicy] {
		for _, to := range mappings {
			for _, t := range to {
				next[t] = true
			}
		}
	}
	return next
}
