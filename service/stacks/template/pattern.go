package template

import (
	"errors"
	"regexp"
	"strings"
)

// A pattern is an AllowedPattern. CloudFormation matches with Java's engine, which looks
// ahead and back; Go's, which nobody can make slow, does not. Looking ahead at the very
// beginning, which is how templates ask for "a digit and a letter somewhere", needs no such engine: each is an
// expression of its own that must match there, or must not.
type pattern struct {
	ahead []lookahead
	whole *regexp.Regexp
}

type lookahead struct {
	re     *regexp.Regexp
	wanted bool
}

// compilePattern compiles an AllowedPattern. What Go would read otherwise than
// Java, or not at all, is an error.
func compilePattern(text string) (*pattern, error) {
	if strings.Contains(text, "&&[") {
		return nil, errors.New("it intersects character classes (&&)")
	}
	p := &pattern{}
	text = strings.TrimPrefix(text, "^")
	for strings.HasPrefix(text, "(?=") || strings.HasPrefix(text, "(?!") {
		end := closing(text)
		if end < 0 {
			return nil, errors.New("a parenthesis is not closed")
		}
		re, err := regexp.Compile(`\A(?:` + text[3:end] + `)`)
		if err != nil {
			return nil, err
		}
		p.ahead = append(p.ahead, lookahead{re: re, wanted: text[2] == '='})
		text = text[end+1:]
	}
	if len(p.ahead) > 0 && alternatives(text) {
		return nil, errors.New("it looks ahead in only one of several alternatives")
	}
	var err error
	p.whole, err = regexp.Compile(`\A(?:` + text + `)\z`)
	return p, err
}

func (p *pattern) match(v string) bool {
	for _, a := range p.ahead {
		if a.re.MatchString(v) != a.wanted {
			return false
		}
	}
	return p.whole.MatchString(v)
}

// closing is where the group that text begins with ends; -1: nowhere.
func closing(text string) int {
	end := -1
	scanPattern(text, func(i, depth int) bool {
		if text[i] == ')' && depth == 0 {
			end = i
		}
		return end < 0
	})
	return end
}

// alternatives reports whether text has a | outside of all groups.
func alternatives(text string) bool {
	found := false
	scanPattern(text, func(i, depth int) bool {
		found = found || text[i] == '|' && depth == 0
		return !found
	})
	return found
}

// scanPattern calls visit for each byte that is neither escaped nor in a
// character class, with the number of groups that are open behind it, until visit returns false.
func scanPattern(text string, visit func(i, depth int) bool) {
	depth, class := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
			continue
		case class:
			class = c != ']'
			continue
		case c == '[':
			class = true
			if strings.HasPrefix(text[i+1:], "^]") {
				i += 2
			} else if strings.HasPrefix(text[i+1:], "]") {
				i++
			}
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		if !visit(i, depth) {
			return
		}
	}
}
