package pki

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestCheckImport(t *testing.T) {
	t.Parallel()
	now := testTime()
	root := newRoot(t, "root")
	one := newInter(t, "one", root)
	two := newInter(t, "two", one)
	bound := newRoot(t, "bound", pathLength(0))
	text := func(list ...made) []byte { return []byte(EncodeChainBare(certs(list...))) }
	sub := func(c made, chain ...made) Import {
		return Import{Key: c.PublicKey, Subject: c.RawSubject, Certificate: text(c), Chain: text(chain...), At: now}
	}
	self := func(c made) Import {
		return Import{Root: true, Key: c.PublicKey, Subject: c.RawSubject, Certificate: text(c), At: now}
	}
	change := func(in Import, f func(*Import)) Import { f(&in); return in }
	constrained := newRoot(t, "constrained", with(oidNameConstraints, true, func(t testing.TB) []byte { return nameConstraints(t, names(t, "dn:allowed"), nil) }))
	deep := []made{root}
	for range 4 {
		deep = append([]made{newInter(t, "deep", deep[0], func(d *draft) { d.subject = cn(t, "deep", string(rune('a'+len(deep)))) })}, deep...)
	}

	for name, c := range map[string]struct {
		in    Import
		fault ImportFault // "": accepted
		text  string
	}{
		"root":                     {self(root), "", ""},
		"subordinate":              {sub(one, root), "", ""},
		"subordinate of two":       {sub(two, one, root), "", ""},
		"blank lines":              {change(sub(one, root), func(i *Import) { i.Chain = append([]byte("\n\n"), append(i.Chain, "\n\n"...)...) }), "", ""},
		"name constraints":         {sub(newInter(t, "allowed", constrained), constrained), "", ""},
		"names not allowed":        {sub(newInter(t, "other", constrained), constrained), ImportMalformed, "not permitted"},
		"four levels":              {sub(deep[1], deep[2:]...), "", ""},
		"five levels":              {sub(deep[0], deep[1:]...), "", ""},
		"six levels":               {sub(newInter(t, "six", deep[0]), deep...), ImportMalformed, "5 levels"},
		"another key":              {change(sub(one, root), func(i *Import) { i.Key = root.PublicKey }), ImportMismatch, "key"},
		"another subject":          {change(sub(one, root), func(i *Import) { i.Subject = root.RawSubject }), ImportMismatch, "subject"},
		"no PEM":                   {change(sub(one, root), func(i *Import) { i.Certificate = one.Raw }), ImportMalformed, "PEM"},
		"nothing":                  {change(sub(one, root), func(i *Import) { i.Certificate = nil }), ImportMalformed, "PEM"},
		"two certificates":         {change(sub(one, root), func(i *Import) { i.Certificate = text(one, root) }), ImportMalformed, "2 certificates"},
		"text around":              {change(sub(one, root), func(i *Import) { i.Certificate = append(i.Certificate, "\ntrailing"...) }), ImportMalformed, "PEM"},
		"broken DER":               {change(sub(one, root), func(i *Import) { i.Certificate = []byte(EncodePEM(PEMCertificate, one.Raw[:40])) }), ImportMalformed, "certificate 1"},
		"another block":            {change(sub(one, root), func(i *Import) { i.Certificate = []byte(EncodePEM(PEMRequest, one.Raw)) }), ImportMalformed, "CERTIFICATE REQUEST"},
		"too large":                {change(sub(one, root), func(i *Import) { i.Certificate = make([]byte, MaxImportBytes+1) }), ImportMalformed, "limit"},
		"chain too large":          {change(sub(one, root), func(i *Import) { i.Chain = make([]byte, MaxImportChainBytes+1) }), ImportMalformed, "limit"},
		"chain that is no PEM":     {change(sub(one, root), func(i *Import) { i.Chain = []byte("x") }), ImportMalformed, "chain"},
		"root with a chain":        {change(self(root), func(i *Import) { i.Chain = text(root) }), ImportInvalid, "no certificate chain"},
		"root that is none":        {self(one), ImportMalformed, "self-signed"},
		"subordinate that is root": {sub(root, root), ImportMalformed, "not be self-signed"},
		"without chain":            {sub(one), ImportInvalid, "chain"},
		"chain of another":         {sub(one, newRoot(t, "root")), ImportMismatch, "not signed"},
		"chain out of order":       {sub(two, root, one), ImportMismatch, "not signed"},
		"chain without the root":   {sub(two, one), ImportMismatch, "self-signed root"},
		"chain with itself":        {sub(one, one, root), ImportMismatch, "not signed"},
		"no CA":                    {self(newRoot(t, "x", with(oidBasicConstraints, true, func(t testing.TB) []byte { return basicConstraints(t, false, -1) }))), ImportMalformed, "no CA"},
		"no basic constraints":     {self(newRoot(t, "x", without(oidBasicConstraints))), ImportMalformed, "no basic constraints"},
		"not critical":             {self(newRoot(t, "x", with(oidBasicConstraints, false, func(t testing.TB) []byte { return basicConstraints(t, true, -1) }))), ImportMalformed, "critical"},
		"path length":              {sub(newInter(t, "x", bound), bound), ImportMalformed, "path length"},
		"critical CRL points": {self(newRoot(t, "x", with(oidCRLDistributionPoints, true, func(t testing.TB) []byte {
			return sequence(t, sequence(t, []byte{0x81, 2, 6, 0x40}))
		}))), ImportMalformed, "2.5.29.31"},
		"critical policy constraints": {self(newRoot(t, "x", with(oidPolicyConstraints, true, func(t testing.TB) []byte { return sequence(t, []byte{0x80, 1, 0}) }))), ImportMalformed, "2.5.29.36"},
		"ended":                       {self(newRoot(t, "x", period(now.AddDate(-2, 0, 0), now.Add(-time.Second)))), ImportMalformed, "ended"},
		"to come":                     {self(newRoot(t, "x", period(now.Add(time.Hour), now.AddDate(1, 0, 0)))), ImportMalformed, "not valid before"},
	} {
		got, chain, err := CheckImport(c.in)
		var rejected *ImportError
		switch {
		case c.fault == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.fault == "":
			if !SameKey(got.PublicKey, c.in.Key) || (len(chain) == 0) != c.in.Root {
				t.Errorf("%s: %v with %d", name, got.Subject, len(chain))
			}
		case !errors.As(err, &rejected) || rejected.Fault != c.fault || !strings.Contains(err.Error(), c.text):
			t.Errorf("%s: got %v, want %s about %q", name, err, c.fault, c.text)
		}
	}
}
