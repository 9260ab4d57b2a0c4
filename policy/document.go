package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Limits bound what one document can make an evaluation do.
const (
	maxDocument   = 128 << 10 // bytes; the largest that a service of AWS takes has 80 KB
	maxStatements = 1000
)

// A Kind says where a document is attached, which decides about Principal and Resource.
type Kind int

const (
	Resource Kind = iota // to a resource: every statement names principals
	Identity             // to a user, group or role: none does
	Trust                // to a role, for who may assume it: every statement names principals, none resources
)

// A Fault tells the ways a document can be wrong apart, for services that have
// a text for each.
type Fault string

// Faults of Parse.
const (
	FaultSize      Fault = "size"
	FaultJSON      Fault = "json"      // no JSON object, or a member twice
	FaultElement   Fault = "element"   // an element the language does not have, or of another type
	FaultVersion   Fault = "version"   // neither 2012-10-17 nor 2008-10-17
	FaultStatement Fault = "statement" // there is none, or too many
	FaultEffect    Fault = "effect"    // missing, or neither Allow nor Deny
	FaultPrincipal Fault = "principal" // missing, not allowed here, or malformed
	FaultAction    Fault = "action"    // missing, both Action and NotAction, or malformed
	FaultResource  Fault = "resource"  // missing, or both Resource and NotResource
	FaultCondition Fault = "condition" // an unknown operator, or values that do not fit it
)

// A ParseError says why a document is refused. Element is what it is about.
type ParseError struct {
	Fault   Fault
	Element string
	Message string
}

func (e *ParseError) Error() string { return e.Message }

func refuse(fault Fault, element, format string, a ...any) error {
	return &ParseError{fault, element, fmt.Sprintf(format, a...)}
}

// A Document is a parsed policy. It never changes and is safe for concurrent use.
type Document struct {
	Version    string // "2012-10-17" or "2008-10-17"; empty where it is left out, which means the latter
	ID         string
	Statements []Statement
	variables  bool // Version 2012-10-17
}

// A Statement is one of a document's. Of each element and its negation exactly
// one is set; principals only in resource and trust policies, resources in all but trust policies.
type Statement struct {
	Sid                        string
	Deny                       bool
	Principals, NotPrincipals  *Principals
	Actions, NotActions        []string
	Resources, NotResources    []string
	Conditions                 []Condition // all must hold
	actions, resources         []pattern   // of Actions or NotActions, Resources or NotResources
	actionsNegated, resNegated bool
}

// Principals is a Principal element.
type Principals struct {
	Everyone  bool     // "*" or {"AWS": "*"}
	AWS       []string // ARNs and account numbers
	Services  []string // "acm-pca.amazonaws.com"
	Federated []string
	Canonical []string // canonical user ids
}

// A Condition is one key of one operator.
type Condition struct {
	Operator string // as in the document, "ForAnyValue:StringLikeIfExists"
	Key      string // lower case
	Values   []string
	op       operator
	patterns []pattern // of Values, for operators that compare text
}

// Parse reads a policy. The error is a *ParseError.
func Parse(document []byte, kind Kind) (*Document, error) {
	if len(document) > maxDocument {
		return nil, refuse(FaultSize, "", "the policy has %d bytes; the limit is %d", len(document), maxDocument)
	}
	members, err := object(document)
	if err != nil {
		return nil, refuse(FaultJSON, "", "the policy is not a JSON object: %v", err)
	}
	d := &Document{}
	var statements []json.RawMessage
	for _, m := range members {
		switch m.name {
		case "Version":
			var version string
			if json.Unmarshal(m.value, &version) != nil || version != "2012-10-17" && version != "2008-10-17" {
				return nil, refuse(FaultVersion, m.name, "the version of the policy must be 2012-10-17 or 2008-10-17")
			}
			d.Version, d.variables = version, version == "2012-10-17"
		case "Id":
			if json.Unmarshal(m.value, &d.ID) != nil {
				return nil, refuse(FaultElement, m.name, "Id must be a string")
			}
		case "Statement":
			if statements, err = list(m.value); err != nil {
				return nil, refuse(FaultJSON, m.name, "%v", err)
			}
		default:
			return nil, refuse(FaultElement, m.name, "the policy has an unknown element %q", m.name)
		}
	}
	if len(statements) == 0 || len(statements) > maxStatements {
		return nil, refuse(FaultStatement, "Statement", "the policy has %d statements; it must have 1 to %d", len(statements), maxStatements)
	}
	for i, raw := range statements {
		s, err := parseStatement(raw, kind, d.variables)
		if err != nil {
			var known *ParseError
			if errors.As(err, &known) {
				known.Message = fmt.Sprintf("statement %d: %s", i+1, known.Message)
			}
			return nil, err
		}
		d.Statements = append(d.Statements, *s)
	}
	return d, nil
}

func parseStatement(raw json.RawMessage, kind Kind, variables bool) (*Statement, error) {
	members, err := object(raw)
	if err != nil {
		return nil, refuse(FaultJSON, "Statement", "a statement is not a JSON object: %v", err)
	}
	s := &Statement{}
	effect := ""
	has := map[string]bool{}
	for _, m := range members {
		has[m.name] = true
		switch m.name {
		case "Sid":
			if json.Unmarshal(m.value, &s.Sid) != nil {
				err = refuse(FaultElement, m.name, "Sid must be a string")
			}
		case "Effect":
			if json.Unmarshal(m.value, &effect) != nil || effect != "Allow" && effect != "Deny" {
				err = refuse(FaultEffect, effect, "the effect %q is neither Allow nor Deny", effect)
			}
			s.Deny = effect == "Deny"
		case "Principal":
			s.Principals, err = parsePrincipals(m.value)
		case "NotPrincipal":
			s.NotPrincipals, err = parsePrincipals(m.value)
		case "Action":
			s.Actions, err = texts(m.value, FaultAction, m.name)
		case "NotAction":
			s.NotActions, err = texts(m.value, FaultAction, m.name)
		case "Resource":
			s.Resources, err = texts(m.value, FaultResource, m.name)
		case "NotResource":
			s.NotResources, err = texts(m.value, FaultResource, m.name)
		case "Condition":
			s.Conditions, err = parseConditions(m.value, variables)
		default:
			err = refuse(FaultElement, m.name, "there is no element %q", m.name)
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case !has["Effect"]:
		return nil, refuse(FaultEffect, "", "Effect is missing")
	case kind == Identity && (has["Principal"] || has["NotPrincipal"]):
		return nil, refuse(FaultPrincipal, "Principal", "a policy of an identity does not name principals")
	case kind == Resource && has["Principal"] == has["NotPrincipal"]:
		return nil, refuse(FaultPrincipal, "", "a policy of a resource has either Principal or NotPrincipal")
	case kind == Trust && has["Principal"] == has["NotPrincipal"]:
		return nil, refuse(FaultPrincipal, "", "a trust policy has either Principal or NotPrincipal")
	case kind == Trust && (has["Resource"] || has["NotResource"]):
		return nil, refuse(FaultResource, "Resource", "a trust policy is about its role: it names no resource")
	case has["Action"] == has["NotAction"]:
		return nil, refuse(FaultAction, "", "a statement has either Action or NotAction")
	case kind != Trust && has["Resource"] == has["NotResource"]:
		return nil, refuse(FaultResource, "", "a statement has either Resource or NotResource")
	}
	s.actionsNegated, s.resNegated = has["NotAction"], has["NotResource"]
	for _, a := range slices.Concat(s.Actions, s.NotActions) {
		service, name, ok := strings.Cut(a, ":")
		if a != "*" && (!ok || service == "" || name == "" || strings.ContainsAny(a, " \t\n")) {
			return nil, refuse(FaultAction, a, "%q is not an action: want service:Action", a)
		}
		s.actions = append(s.actions, plain(strings.ToLower(a)))
	}
	for _, r := range slices.Concat(s.Resources, s.NotResources) {
		s.resources = append(s.resources, compile(r, variables))
	}
	if kind == Trust {
		s.resources = []pattern{compile("*", false)}
	}
	return s, nil
}

func parsePrincipals(raw json.RawMessage) (*Principals, error) {
	p := &Principals{}
	var star string
	if json.Unmarshal(raw, &star) == nil {
		if star != "*" {
			return nil, refuse(FaultPrincipal, star, "the principal %q must be \"*\" or an object", star)
		}
		p.Everyone = true
		return p, nil
	}
	members, err := object(raw)
	if err != nil || len(members) == 0 {
		return nil, refuse(FaultPrincipal, "", "a principal is \"*\" or an object with AWS, Service, Federated or CanonicalUser")
	}
	for _, m := range members {
		names, err := texts(m.value, FaultPrincipal, m.name)
		if err != nil {
			return nil, err
		}
		switch m.name {
		case "AWS":
			for _, n := range names {
				switch {
				case n == "*":
					p.Everyone = true
				case strings.Contains(n, "*"):
					return nil, refuse(FaultPrincipal, n, "the principal %q has a wildcard within", n)
				case !strings.HasPrefix(n, "arn:") && !isAccount(n):
					return nil, refuse(FaultPrincipal, n, "the principal %q is neither an ARN nor an account number", n)
				default:
					p.AWS = append(p.AWS, n)
				}
			}
		case "Service":
			for _, n := range names {
				if !strings.Contains(n, ".") || strings.ContainsAny(n, "*? ") {
					return nil, refuse(FaultPrincipal, n, "%q is not a service principal", n)
				}
			}
			p.Services = names
		case "Federated":
			p.Federated = names
		case "CanonicalUser":
			p.Canonical = names
		default:
			return nil, refuse(FaultPrincipal, m.name, "there is no kind of principal %q", m.name)
		}
	}
	return p, nil
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

type member struct {
	name  string
	value json.RawMessage
}

// object reads a JSON object with names to the letter, and none of them twice:
// what one reader takes for the first and another for the last is refused.
func object(raw []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	open, err := d.Token()
	if err != nil {
		return nil, err
	}
	if open != json.Delim('{') {
		return nil, errors.New("it does not begin with {")
	}
	var members []member
	seen := map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)} // in an object the decoder demands it
		if seen[m.name] {
			return nil, fmt.Errorf("it has %q twice", m.name)
		}
		seen[m.name] = true
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows after it")
	}
	return members, nil
}

// list reads a value or a list of values.
func list(raw json.RawMessage) ([]json.RawMessage, error) {
	if len(raw) > 0 && raw[0] == '[' {
		var all []json.RawMessage
		err := json.Unmarshal(raw, &all)
		return all, err
	}
	return []json.RawMessage{raw}, nil
}

// texts reads a string or a list of strings that is not empty.
func texts(raw json.RawMessage, fault Fault, element string) ([]string, error) {
	all, err := list(raw)
	if err != nil || len(all) == 0 {
		return nil, refuse(fault, element, "%s must be a string or a list of strings", element)
	}
	out := make([]string, len(all))
	for i, one := range all {
		if len(one) == 0 || one[0] != '"' || json.Unmarshal(one, &out[i]) != nil || out[i] == "" {
			return nil, refuse(fault, element, "%s must be a string or a list of strings, none of them empty", element)
		}
	}
	return out, nil
}
