package logs

import (
	"strings"
)

// parsePattern reads a filter pattern and gives the test that messages are put to. There are two sorts:
// terms, and conditions on events that are JSON.
//
//	one "two words" -without   all of them, and none with a hyphen in front
//	?one ?two                  one of them
//	{ $.level = "error" }      see parseCondition
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
func parsePattern(pattern string) (fits func(message string) bool, err error) {
	pattern = strings.TrimSpace(pattern)
	switch {
	case pattern == "":
		return func(string) bool { return true }, nil
	case pattern[0] == '{':
		return parseCondition(pattern)
	case pattern[0] == '[':
		return nil, invalid("Filter patterns for space-delimited events are not built in this version of Countersign: search for terms, or for JSON fields with { $.field = value }.")
	case pattern[0] == '%':
		return nil, invalid("Filter patterns of regular expressions are not built in this version of Countersign: search for terms, or for JSON fields with { $.field = value }.")
	}
	var all, some, none []string
	for pattern != "" {
		into := &all
		switch pattern[0] {
		case '?':
			into, pattern = &some, pattern[1:]
		case '-':
			into, pattern = &none, pattern[1:]
		}
		term, rest, err := cutTerm(pattern)
		if err != nil {
			return nil, err
		}
		*into = append(*into, term)
		pattern = strings.TrimLeft(rest, " \t\r\n")
	}
	if len(all)+len(none) > 0 {
		some = nil // as on AWS, where terms of both sorts are given
	}
	return func(message string) bool {
		for _, term := range all {
			if !strings.Contains(message, term) {
				return false
			}
		}
		for _, term := range none {
			if strings.Contains(message, term) {
				return false
			}
		}
		for _, term := range some {
			if strings.Contains(message, term) {
				return true
			}
		}
		return len(some) == 0
	}, nil
}

// cutTerm takes a term, which may be quoted, off the front of a pattern.
func cutTerm(pattern string) (term, rest string, err error) {
	if !strings.HasPrefix(pattern, `"`) {
		end := strings.IndexAny(pattern, " \t\r\n")
		if end < 0 {
			end = len(pattern)
		}
		if end == 0 {
			return "", "", invalid("Invalid filter pattern: a term is empty")
		}
		return pattern[:end], pattern[end:], nil
	}
	term, rest, ok := unquote(pattern)
	if !ok || term == "" {
		return "", "", invalid("Invalid filter pattern: a quoted term is empty or does not end")
	}
	return term, rest, nil
}

// unquote reads a text in double quotes, in which a backslash makes the next
// character stand for itself, from the front of s.
func unquote(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
