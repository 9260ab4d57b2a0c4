package zones

import (
	"fmt"
	"slices"
	"strings"
)

// A name is a domain name in the one form that records hold: absolute, lower
// case, each octet outside [a-z0-9-_] of a label as \ooo, but a "*" that is the
// whole first label as it is. Route 53 shows the "*" as \052 too.
type name string

// parseName reads a name as callers write it: any case, with or without the
// dot at the end, octets plain or as \ooo.
// https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html
func parseName(text string) (name, error) {
	fail := func(why string) (name, error) {
		return "", fmt.Errorf("FATAL problem: %s (Value is not a valid domain name) encountered with '%s'", why, text)
	}
	text = strings.TrimSuffix(text, ".")
	if text == "" {
		return fail("DomainLabelEmpty")
	}
	var b strings.Builder
	length := 1 // octets on the wire: the root label
	for n, label := range strings.Split(text, ".") {
		octets, ok := unescape(label)
		switch {
		case !ok:
			return fail("InvalidEscape")
		case len(octets) == 0:
			return fail("DomainLabelEmpty")
		case len(octets) > 63:
			return fail("DomainLabelTooLong")
		}
		length += 1 + len(octets)
		if n == 0 && string(octets) == "*" {
			b.WriteString("*.")
			continue
		}
		for _, c := range octets {
			switch {
			case c >= 'A' && c <= 'Z':
				b.WriteByte(c + 'a' - 'A')
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
				b.WriteByte(c)
			default:
				fmt.Fprintf(&b, `\%03o`, c)
			}
		}
		b.WriteByte('.')
	}
	if length > 255 {
		return fail("DomainNameTooLong")
	}
	return name(b.String()), nil
}

// unescape reads \ooo, three octal digits.
func unescape(label string) (octets []byte, ok bool) {
	for i := 0; i < len(label); i++ {
		if label[i] != '\\' {
			octets = append(octets, label[i])
			continue
		}
		if i+3 >= len(label) {
			return nil, false
		}
		value := 0
		for _, d := range label[i+1 : i+4] {
			if d < '0' || d > '7' {
				return nil, false
			}
			value = value*8 + int(d-'0')
		}
		if value > 255 {
			return nil, false
		}
		octets = append(octets, byte(value))
		i += 3
	}
	return octets, true
}

// String is the form of answers.
func (n name) String() string {
	if rest, ok := strings.CutPrefix(string(n), "*."); ok {
		return `\052.` + rest
	}
	return string(n)
}

// presentation is the form of zone files, in which escapes are decimal (RFC
// 1035 section 5.1).
func (n name) presentation() string {
	if !strings.Contains(string(n), `\`) {
		return string(n)
	}
	var b strings.Builder
	for i := 0; i < len(n); i++ {
		if n[i] == '\\' {
			fmt.Fprintf(&b, `\%03d`, (n[i+1]-'0')*64+(n[i+2]-'0')*8+(n[i+3]-'0'))
			i += 3
			continue
		}
		b.WriteByte(n[i])
	}
	return b.String()
}

// sortKey orders names by label from the right, as Route 53 lists them, with a
// parent before its children.
func (n name) sortKey() string {
	labels := strings.Split(strings.TrimSuffix(string(n), "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, "\x00") + "\x00"
}

// within tells whether n is zone or below it.
func (n name) within(zone name) bool {
	return n == zone || strings.HasSuffix(string(n), "."+string(zone))
}
