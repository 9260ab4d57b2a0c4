package policy

import (
	"strings"
	"unicode/utf8"
)

// A pattern is text with wildcards and variables, taken apart once. Characters
// stand for themselves; any and one are wildcards.
type pattern struct {
	pieces []piece
}

// A piece is a run of characters and wildcards, or a variable.
type piece struct {
	text     []rune
	variable string // lower-case condition key; "": text
	fallback string
	hasElse  bool
}

const (
	anyRunes rune = -1 // *
	oneRune  rune = -2 // ?
)

// plain is a pattern without variables.
func plain(s string) pattern { return compile(s, false) }

// compile takes s apart. With variables, ${key} and ${key, 'default'} stand for
// values of the request, and ${*}, ${?} and ${$} for the character itself. What
// looks like a variable and is none stays text, which then matches nothing but itself.
func compile(s string, variables bool) pattern {
	var p pattern
	var text []rune
	flush := func() {
		if text != nil {
			p.pieces = append(p.pieces, piece{text: text})
			text = nil
		}
	}
	for s != "" {
		if variables && strings.HasPrefix(s, "${") {
			if end := strings.IndexByte(s, '}'); end > 0 {
				name := s[2:end]
				switch name {
				case "*", "?", "$":
					text = append(text, rune(name[0]))
				default:
					flush()
					v := piece{variable: strings.ToLower(strings.TrimSpace(name))}
					if key, other, ok := strings.Cut(name, ","); ok {
						other = strings.TrimSpace(other)
						v.variable = strings.ToLower(strings.TrimSpace(key))
						v.fallback, v.hasElse = strings.TrimSuffix(strings.TrimPrefix(other, "'"), "'"), true
					}
					p.pieces = append(p.pieces, v)
				}
				s = s[end+1:]
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		switch r {
		case '*':
			r = anyRunes
		case '?':
			r = oneRune
		}
		text = append(text, r)
	}
	flush()
	return p
}

// resolve puts the request's values in. It fails when a variable has no value,
// or more than one: then the pattern matches nothing.
func (p pattern) resolve(keys map[string][]string) ([]rune, bool) {
	if len(p.pieces) == 1 && p.pieces[0].variable == "" {
		return p.pieces[0].text, true
	}
	var out []rune
	for _, x := range p.pieces {
		if x.variable == "" {
			out = append(out, x.text...)
			continue
		}
		switch values := keys[x.variable]; {
		case len(values) == 1:
			out = append(out, []rune(values[0])...) // wildcards in a value are characters
		case len(values) == 0 && x.hasElse:
			out = append(out, []rune(x.fallback)...)
		default:
			return nil, false
		}
	}
	return out, true
}

// glob reports whether s matches pattern as a whole. It goes back to the last
// star only, so that its cost is bounded by the product of both lengths.
func glob(pattern, s []rune) bool {
	star, from := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == anyRunes:
			star, from = i, j
			i++
		case i < len(pattern) && (pattern[i] == oneRune || pattern[i] == s[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == anyRunes {
		i++
	}
	return i == len(pattern)
}

// text turns wildcards back into characters, for operators without wildcards.
func text(p []rune) []rune {
	out := make([]rune, len(p))
	for i, r := range p {
		switch r {
		case anyRunes:
			r = '*'
		case oneRune:
			r = '?'
		}
		out[i] = r
	}
	return out
}

// globARN matches the six parts of ARNs one by one: a wildcard does not span
// colons but in the last part.
func globARN(pattern, s []rune) bool {
	p, v := parts(pattern), parts(s)
	if len(p) != 6 || len(v) != 6 {
		return false
	}
	for i := range p {
		if !glob(p[i], v[i]) {
			return false
		}
	}
	return true
}

// parts splits at the first five colons.
func parts(s []rune) [][]rune {
	var out [][]rune
	from := 0
	for i, r := range s {
		if r == ':' && len(out) < 5 {
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[from:])
}
