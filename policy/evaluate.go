package policy

import (
	"slices"
	"strings"
)

// A Principal is who asks. The zero value is anonymous.
type Principal struct {
	ARN       string // of the user, the role session or the account's root
	Role      string // of a role session: the role's ARN
	Account   string // 12 digits
	Service   string // a service principal; then nothing else is set
	Federated string // identity provider
	Canonical string // canonical user id
}

// A Request is what a document is asked about.
type Request struct {
	Principal Principal
	Action    string              // "s3:PutObject", in any case
	Resource  string              // ARN
	Keys      map[string][]string // condition keys, lower case
}

// A Decision is what one document says.
type Decision int

// Decisions. Without a statement that fits, a document says nothing, which
// allows nothing.
const (
	Silent Decision = iota
	Allow
	Deny // explicit: wins over everything
)

// A Via says by what name a resource policy allows: a policy that names an
// account leaves the decision about its users and roles to the policies there.
type Via int

// Ways to be named, the weakest first.
const (
	ViaNone Via = iota
	ViaAccount
	ViaRole      // the role of the session
	ViaPrincipal // itself
	ViaEveryone
)

// A Verdict is a decision, the statement that made it (its index), and for
// Allow in resource policies the strongest way the principal was named.
type Verdict struct {
	Decision  Decision
	Statement int
	Via       Via
}

// Evaluate decides: a statement that denies wins, then one that allows.
func (d *Document) Evaluate(r Request) Verdict {
	v := Verdict{Statement: -1}
	for i := range d.Statements {
		via, ok := d.Statements[i].applies(r)
		switch {
		case !ok:
		case d.Statements[i].Deny:
			return Verdict{Deny, i, ViaNone}
		case v.Decision == Silent || via > v.Via:
			v = Verdict{Allow, i, via}
		}
	}
	return v
}

// applies reports whether a statement is about a request.
func (s *Statement) applies(r Request) (Via, bool) {
	via := ViaNone
	switch {
	case s.Principals != nil:
		if via = s.Principals.name(r.Principal); via == ViaNone {
			return via, false
		}
	case s.NotPrincipals != nil:
		if s.NotPrincipals.name(r.Principal) != ViaNone {
			return via, false
		}
		via = ViaEveryone
	}
	action := []rune(strings.ToLower(r.Action))
	if slices.ContainsFunc(s.actions, func(p pattern) bool { return glob(p.pieces[0].text, action) }) == s.actionsNegated {
		return via, false
	}
	resource := []rune(r.Resource)
	matches := func(p pattern) bool {
		resolved, ok := p.resolve(r.Keys)
		return ok && glob(resolved, resource)
	}
	if slices.ContainsFunc(s.resources, matches) == s.resNegated {
		return via, false
	}
	if !s.Deny && s.unresolved(r.Keys) {
		return via, false
	}
	for i := range s.Conditions {
		if !s.Conditions[i].holds(r.Keys) {
			return via, false
		}
	}
	return via, true
}

// unresolved reports whether a negated element has a variable without a value.
// It matches nothing, so that its negation would match everything: no statement
// allows anything on that ground.
func (s *Statement) unresolved(keys map[string][]string) bool {
	lacks := func(p pattern) bool {
		_, ok := p.resolve(keys)
		return !ok
	}
	if s.resNegated && slices.ContainsFunc(s.resources, lacks) {
		return true
	}
	return slices.ContainsFunc(s.Conditions, func(c Condition) bool { return c.op.negated && slices.ContainsFunc(c.patterns, lacks) })
}

// name is how the element names a principal; ViaNone: not at all.
func (p *Principals) name(who Principal) Via {
	switch {
	case p.Everyone:
		return ViaEveryone
	case who.Service != "":
		if slices.Contains(p.Services, who.Service) {
			return ViaPrincipal
		}
		return ViaNone
	case who.ARN != "" && slices.Contains(p.AWS, who.ARN),
		who.Federated != "" && slices.Contains(p.Federated, who.Federated),
		who.Canonical != "" && slices.Contains(p.Canonical, who.Canonical):
		return ViaPrincipal
	case who.Role != "" && slices.Contains(p.AWS, who.Role):
		return ViaRole
	case who.Account == "":
		return ViaNone
	}
	for _, name := range p.AWS {
		if name == who.Account || strings.HasSuffix(name, ":iam::"+who.Account+":root") {
			return ViaAccount
		}
	}
	return ViaNone
}
