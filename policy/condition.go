package policy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// An operator is a condition operator, taken apart.
type operator struct {
	base     string // lower case, without "not": "stringequals"
	negated  bool
	ifExists bool
	set      string // "", "forallvalues", "foranyvalue"
}

// parseOperator knows every operator of the language.
func parseOperator(name string) (operator, bool) {
	var o operator
	rest := strings.ToLower(name)
	if set, after, ok := strings.Cut(rest, ":"); ok {
		if set != "forallvalues" && set != "foranyvalue" {
			return o, false
		}
		o.set, rest = set, after
	}
	if before, ok := strings.CutSuffix(rest, "ifexists"); ok {
		o.ifExists, rest = true, before
	}
	switch rest {
	case "stringnotequals", "stringnotequalsignorecase", "stringnotlike", "numericnotequals", "datenotequals", "arnnotequals", "arnnotlike":
		o.negated, rest = true, strings.Replace(rest, "not", "", 1)
	case "notipaddress":
		o.negated, rest = true, "ipaddress"
	}
	o.base = rest
	switch rest {
	case "null":
		return o, !o.ifExists && o.set == ""
	case "stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "bool", "binaryequals", "ipaddress",
		"numericequals", "numericlessthan", "numericlessthanequals", "numericgreaterthan", "numericgreaterthanequals",
		"dateequals", "datelessthan", "datelessthanequals", "dategreaterthan", "dategreaterthanequals":
		return o, true
	}
	return o, false
}

func parseConditions(raw json.RawMessage, variables bool) ([]Condition, error) {
	operators, err := object(raw)
	if err != nil {
		return nil, refuse(FaultCondition, "Condition", "Condition must be an object of operators: %v", err)
	}
	var all []Condition
	for _, o := range operators {
		op, ok := parseOperator(o.name)
		if !ok {
			return nil, refuse(FaultCondition, o.name, "there is no condition operator %q", o.name)
		}
		tests, err := object(o.value)
		if err != nil {
			return nil, refuse(FaultCondition, o.name, "the operator %s must be given an object of keys: %v", o.name, err)
		}
		for _, t := range tests {
			c := Condition{Operator: o.name, Key: strings.ToLower(t.name), op: op}
			values, err := list(t.value)
			if err != nil {
				return nil, refuse(FaultCondition, t.name, "%v", err)
			}
			for _, v := range values {
				text, ok := scalar(v)
				if !ok || !op.takes(text) {
					return nil, refuse(FaultCondition, t.name, "the value %s does not fit the operator %s", v, o.name)
				}
				c.Values = append(c.Values, text)
				c.patterns = append(c.patterns, compile(text, variables && (strings.HasPrefix(op.base, "string") || strings.HasPrefix(op.base, "arn"))))
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// scalar reads a string, number or boolean as its text.
func scalar(raw json.RawMessage) (string, bool) {
	var s string
	if json.Unmarshal(raw, &s) == nil && !bytes.Equal(raw, []byte("null")) {
		return s, true
	}
	var other any
	if json.Unmarshal(raw, &other) != nil {
		return "", false
	}
	switch other.(type) {
	case bool, float64:
		return string(raw), true
	}
	return "", false
}

// takes reports whether an operator can be given a value.
func (o operator) takes(v string) bool {
	switch {
	case o.base == "null" || o.base == "bool":
		return strings.EqualFold(v, "true") || strings.EqualFold(v, "false")
	case o.base == "ipaddress":
		_, ok := prefix(v)
		return ok
	case o.base == "binaryequals":
		_, err := base64.StdEncoding.DecodeString(v)
		return err == nil
	case strings.HasPrefix(o.base, "numeric"):
		_, err := strconv.ParseFloat(v, 64)
		return err == nil
	case strings.HasPrefix(o.base, "date"):
		_, ok := date(v)
		return ok
	}
	return true
}

// holds decides one condition. Without the key: operators that compare fail,
// negated ones hold, and so does every one with IfExists and ForAllValues.
func (c *Condition) holds(keys map[string][]string) bool {
	values, present := keys[c.Key]
	present = present && len(values) > 0
	if c.op.base == "null" {
		for _, v := range c.Values {
			if strings.EqualFold(v, "true") != present {
				return true
			}
		}
		return false
	}
	if !present {
		return c.op.ifExists || c.op.set == "forallvalues" || c.op.set == "" && c.op.negated
	}
	// A value fits when one of the condition's matches it; with a negated
	// operator, when none does.
	fits := func(v string) bool {
		for i := range c.Values {
			if c.compare(i, v, keys) {
				return !c.op.negated
			}
		}
		return c.op.negated
	}
	all := c.op.set == "forallvalues" || c.op.set == "" && c.op.negated
	for _, v := range values {
		if fits(v) != all {
			return !all
		}
	}
	return all
}

// compare holds the condition's value number i against one of the request.
func (c *Condition) compare(i int, have string, keys map[string][]string) bool {
	want := c.Values[i]
	switch c.op.base {
	case "stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike":
		p, ok := c.patterns[i].resolve(keys)
		switch {
		case !ok:
			return false
		case c.op.base == "stringequals":
			return string(text(p)) == have
		case c.op.base == "stringequalsignorecase":
			return strings.EqualFold(string(text(p)), have)
		case c.op.base == "stringlike":
			return glob(p, []rune(have))
		}
		return globARN(p, []rune(have))
	case "bool":
		return strings.EqualFold(want, have)
	case "binaryequals":
		a, errA := base64.StdEncoding.DecodeString(want)
		b, errB := base64.StdEncoding.DecodeString(have)
		return errA == nil && errB == nil && bytes.Equal(a, b)
	case "ipaddress":
		network, ok := prefix(want)
		address, err := netip.ParseAddr(have)
		return ok && err == nil && network.Contains(address.Unmap())
	}
	order, ok := 0, false
	if operation, numeric := strings.CutPrefix(c.op.base, "numeric"); numeric {
		order, ok = compareNumbers(have, want)
		return ok && ordered(operation, order)
	}
	order, ok = compareDates(have, want)
	return ok && ordered(strings.TrimPrefix(c.op.base, "date"), order)
}

func ordered(operation string, order int) bool {
	switch operation {
	case "equals":
		return order == 0
	case "lessthan":
		return order < 0
	case "lessthanequals":
		return order <= 0
	case "greaterthan":
		return order > 0
	}
	return order >= 0
}

func compareNumbers(a, b string) (int, bool) {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	switch {
	case errX != nil || errY != nil || x != x || y != y:
		return 0, false
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}

func compareDates(a, b string) (int, bool) {
	x, okX := date(a)
	y, okY := date(b)
	return x.Compare(y), okX && okY
}

// date reads an ISO 8601 date or the seconds since 1970.
func date(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15Z07:00", "2006-01-02", "2006-01", "2006"} {
		// Four digits are a year, not seconds.
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	seconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil || seconds < -1<<40 || seconds > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}

// prefix reads an address or a network.
func prefix(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}
