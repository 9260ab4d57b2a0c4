package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"
)

func TestValidityEnd(t *testing.T) {
	t.Parallel()
	issued := time.Date(2026, 1, 31, 10, 20, 30, 999, time.FixedZone("", 7200))
	for _, c := range []struct {
		v    Validity
		want string // "": refused
	}{
		{Validity{Days, 1}, "2026-02-01T08:20:30Z"},
		{Validity{Days, 365}, "2027-01-31T08:20:30Z"},
		{Validity{Months, 1}, "2026-02-28T08:20:30Z"},
		{Validity{Months, 13}, "2027-02-28T08:20:30Z"},
		{Validity{Months, 25}, "2028-02-29T08:20:30Z"},
		{Validity{Years, 10}, "2036-01-31T08:20:30Z"},
		{Validity{Absolute, 1893456000}, "2030-01-01T00:00:00Z"},
		{Validity{EndDate, 300102030405}, "2030-01-02T03:04:05Z"},
		{Validity{EndDate, 491231235959}, "2049-12-31T23:59:59Z"},
		{Validity{EndDate, 500101000000}, "1950-01-01T00:00:00Z"},
		{Validity{EndDate, 90102030405}, "2009-01-02T03:04:05Z"},
		{Validity{EndDate, 20501231235959}, "2050-12-31T23:59:59Z"},
		{Validity{EndDate, 99991231235959}, "9999-12-31T23:59:59Z"},
		{Validity{EndDate, 20301301000000}, ""},
		{Validity{EndDate, 20300230000000}, ""},
		{Validity{EndDate, 2030010203040}, ""},
		{Validity{EndDate, 1}, ""},
		{Validity{Days, 0}, ""},
		{Validity{Days, -1}, ""},
		{Validity{Years, 7974}, ""},
		{Validity{Years, math.MaxInt64}, ""},
		{Validity{Days, math.MaxInt64}, ""},
		{Validity{Absolute, math.MaxInt64}, ""},
		{Validity{"WEEKS", 1}, ""},
	} {
		end, err := c.v.End(issued)
		var rule *RuleError
		if c.want == "" {
			if !errors.As(err, &rule) || rule.Rule != RuleValidity {
				t.Errorf("%v: got %v, %v", c.v, end, err)
			}
		} else if err != nil || end.Format(time.RFC3339Nano) != c.want {
			t.Errorf("%v: got %v, %v, want %s", c.v, end.Format(time.RFC3339Nano), err, c.want)
		}
	}
	// 29 February plus a year is the last of February.
	if end, err := (Validity{Years, 1}).End(time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC)); err != nil || end.Format(time.DateOnly) != "2029-02-28" {
		t.Errorf("got %v, %v", end, err)
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	issued := testTime().Add(500 * time.Millisecond)
	from, to, err := Window(issued, Validity{Days, 365}, nil)
	if err != nil || to.Sub(from) != 365*24*time.Hour+time.Hour || !from.Equal(testTime().Add(-time.Hour)) {
		t.Errorf("default: %v %v %v", from, to, err)
	}
	start := Validity{Absolute, testTime().AddDate(0, 0, 10).Unix()}
	from, to, err = Window(issued, Validity{Days, 30}, &start)
	if err != nil || !from.Equal(testTime().AddDate(0, 0, 10)) || !to.Equal(testTime().AddDate(0, 0, 30)) {
		t.Errorf("given start: %v %v %v", from, to, err)
	}
	for name, c := range map[string]struct {
		end   Validity
		start *Validity
	}{
		"start that is a span":   {Validity{Days, 30}, &Validity{Days, 1}},
		"end before start":       {Validity{Days, 5}, &start},
		"end in the past":        {Validity{Absolute, testTime().Unix() - 1}, nil},
		"end now":                {Validity{Absolute, testTime().Unix()}, nil},
		"start in no known form": {Validity{Days, 5}, &Validity{Absolute, 0}},
	} {
		var rule *RuleError
		if _, _, err := Window(issued, c.end, c.start); !errors.As(err, &rule) || rule.Rule != RuleValidity {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func ruleOf(err error) Rule {
	var rule *RuleError
	if errors.As(err, &rule) {
		return rule.Rule
	}
	if err != nil {
		return Rule(err.Error())
	}
	return ""
}

func TestCheckWindow(t *testing.T) {
	t.Parallel()
	ca := newRoot(t, "root")
	end := ca.NotAfter
	for _, c := range []struct {
		template string
		end      time.Time
		short    bool
		want     Rule
	}{
		{"EndEntityCertificate", end, false, ""},
		{"EndEntityCertificate", end.Add(time.Second), false, RuleNesting},
		{"SubordinateCACertificate_PathLen0", end, false, RuleNesting},
		{"SubordinateCACertificate_PathLen0", end.Add(-time.Second), false, ""},
		{"RootCACertificate", end.AddDate(50, 0, 0), true, ""},
		{"EndEntityCertificate", testTime().Add(ShortLivedLimit), true, ""},
		{"EndEntityCertificate", testTime().Add(ShortLivedLimit + time.Second), true, RuleShortLived},
	} {
		if got := ruleOf(CheckWindow(template(t, c.template), ca.Certificate, testTime(), c.end, c.short)); got != c.want {
			t.Errorf("%s until %v: got %q, want %q", c.template, c.end, got, c.want)
		}
	}
}

func TestCheckIssuer(t *testing.T) {
	t.Parallel()
	tower := func(lengths ...int) []*x509.Certificate {
		top := newRoot(t, "root", pathLength(lengths[0]))
		list := certs(top)
		for i, n := range lengths[1:] {
			top = newInter(t, fmt.Sprint(i), top, pathLength(n))
			list = append(certs(top), list...)
		}
		return list
	}
	for _, c := range []struct {
		template string
		chain    []*x509.Certificate
		want     Rule
	}{
		{"EndEntityCertificate", tower(-1, 0), ""},
		{"SubordinateCACertificate_PathLen3", tower(-1), ""},
		{"SubordinateCACertificate_PathLen3", tower(-1, 3), RulePathLength},
		{"SubordinateCACertificate_PathLen2", tower(-1, 3), ""},
		{"SubordinateCACertificate_PathLen0", tower(-1, 0), RulePathLength},
		{"SubordinateCACertificate_PathLen0", tower(0), RulePathLength},
		{"SubordinateCACertificate_PathLen0", tower(-1, 1), ""},
		{"SubordinateCACertificate_PathLen1", tower(2, -1), RulePathLength},
		{"SubordinateCACertificate_PathLen0", tower(-1, 3, 2, 1), ""},
		{"SubordinateCACertificate_PathLen0", tower(-1, -1, -1, -1, -1), RuleDepth},
		{"RootCACertificate", nil, ""},
	} {
		if got := ruleOf(CheckIssuer(template(t, c.template), c.chain)); got != c.want {
			t.Errorf("%s under %d: got %q, want %q", c.template, len(c.chain), got, c.want)
		}
	}
}

func TestCheckRoot(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	r := request(t, key, x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}})
	if err := CheckRoot(r, key.Public()); err != nil {
		t.Error(err)
	}
	if got := ruleOf(CheckRoot(r, newKey(t).Public())); got != RuleRoot {
		t.Errorf("got %q", got)
	}
}
