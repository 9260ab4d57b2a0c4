package logs

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// parseCondition reads a filter pattern for events that are JSON:
//
//	{ ($.user.name = "a*" || $.codes[0] >= 400) && $.gone NOT EXISTS }
//
// Comparisons are = != < <= > >=, IS NULL, IS TRUE, IS FALSE and NOT EXISTS; * in a text stands for any
// characters. An event that is no JSON does not fit, nor does one without the field, but for NOT EXISTS.
func parseCondition(pattern string) (fits func(message string) bool, err error) {
	inner, ok := strings.CutSuffix(strings.TrimPrefix(pattern, "{"), "}")
	if !ok {
		return nil, invalid("Invalid filter pattern: } is missing")
	}
	p := &conditionParser{rest: inner}
	test, err := p.either()
	if err != nil {
		return nil, err
	}
	if p.skip(); p.rest != "" {
		return nil, p.wrong("an end")
	}
	return func(message string) bool {
		d := json.NewDecoder(strings.NewReader(message))
		d.UseNumber()
		var v any
		if d.Decode(&v) != nil {
			return false
		}
		return test(v)
	}, nil
}

// A condition is put to an event.
type condition func(event any) bool

// A conditionParser reads a condition from the front of what is left of a pattern.
// Patterns have at most 1,024 characters, which bounds how deep they nest.
type conditionParser struct{ rest string }

func (p *conditionParser) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *conditionParser) take(token string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *conditionParser) wrong(want string) error {
	at := p.rest
	if len(at) > 20 {
		at = strings.ToValidUTF8(at[:20], "") + "…"
	}
	return invalid("Invalid filter pattern: want %s at %q", want, at)
}

func (p *conditionParser) either() (condition, error) {
	return p.chain("||", p.both, func(a, b condition) condition { return func(v any) bool { return a(v) || b(v) } })
}

func (p *conditionParser) both() (condition, error) {
	return p.chain("&&", p.one, func(a, b condition) condition { return func(v any) bool { return a(v) && b(v) } })
}

func (p *conditionParser) chain(operator string, part func() (condition, error), join func(a, b condition) condition) (condition, error) {
	left, err := part()
	for err == nil && p.take(operator) {
		var right condition
		if right, err = part(); err == nil {
			left = join(left, right)
		}
	}
	return left, err
}

func (p *conditionParser) one() (condition, error) {
	if p.take("(") {
		c, err := p.either()
		if err == nil && !p.take(")") {
			err = p.wrong(")")
		}
		return c, err
	}
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	switch {
	case p.take("NOT EXISTS"):
		return func(v any) bool { _, ok := follow(v, path); return !ok }, nil
	case p.take("IS"):
		for word, want := range map[string]any{"NULL": nil, "TRUE": true, "FALSE": false} {
			if p.take(word) {
				return func(v any) bool { have, ok := follow(v, path); return ok && have == want }, nil
			}
		}
		return nil, p.wrong("NULL, TRUE or FALSE")
	}
	for _, operator := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.take(operator) {
			compare, err := p.value(operator)
			if err != nil {
				return nil, err
			}
			return func(v any) bool { have, ok := follow(v, path); return ok && compare(have) }, nil
		}
	}
	return nil, p.wrong("a comparison")
}

// A step leads from a JSON value to one that it holds: by name, or by index if name is empty.
type step struct {
	name  string
	index int
}

// path reads $.a.b[0]["c"].
func (p *conditionParser) path() (path []step, err error) {
	if !p.take("$") {
		return nil, p.wrong("$")
	}
	for {
		switch {
		case strings.HasPrefix(p.rest, `["`):
			name, rest, ok := unquote(p.rest[1:])
			if !ok || name == "" || !strings.HasPrefix(rest, "]") {
				return nil, p.wrong(`["name"]`)
			}
			path, p.rest = append(path, step{name: name}), rest[1:]
		case strings.HasPrefix(p.rest, "["):
			digits, rest, ok := strings.Cut(p.rest[1:], "]")
			n, err := strconv.ParseUint(digits, 10, 31)
			if !ok || err != nil {
				return nil, p.wrong("[number]")
			}
			path, p.rest = append(path, step{index: int(n)}), rest
		case strings.HasPrefix(p.rest, "."):
			end := strings.IndexFunc(p.rest[1:], func(r rune) bool { return strings.ContainsRune(".[] \t\r\n=!<>()&|\"", r) })
			if end < 0 {
				end = len(p.rest) - 1
			}
			name := p.rest[1 : 1+end]
			if name == "" || name == "*" {
				return nil, p.wrong("a name")
			}
			path, p.rest = append(path, step{name: name}), p.rest[1+end:]
		default:
			if len(path) == 0 {
				return nil, p.wrong(".")
			}
			return path, nil
		}
	}
}

func follow(v any, path []step) (any, bool) {
	for _, s := range path {
		if s.name == "" {
			list, _ := v.([]any)
			if s.index >= len(list) {
				return nil, false
			}
			v = list[s.index]
			continue
		}
		object, _ := v.(map[string]any)
		var ok bool
		if v, ok = object[s.name]; !ok {
			return nil, false
		}
	}
	return v, true
}

// value reads what a field is compared with.
func (p *conditionParser) value(operator string) (func(have any) bool, error) {
	p.skip()
	if strings.HasPrefix(p.rest, `"`) {
		text, rest, ok := unquote(p.rest)
		if !ok {
			return nil, p.wrong("the end of a text")
		}
		p.rest = rest
		return textual(text, operator, p)
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return strings.ContainsRune(" \t\r\n()&|", r) })
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	if word == "" || word[0] == '%' {
		return nil, p.wrong("a value")
	}
	p.rest = p.rest[end:]
	if !numeral.MatchString(word) {
		return textual(word, operator, p)
	}
	return func(have any) bool {
		n, ok := have.(json.Number)
		if !ok {
			text, _ := have.(string)
			return operator == "=" && text == word
		}
		switch c := compareNumbers(string(n), word); operator {
		case "=":
			return c == 0
		case "!=":
			return c != 0
		case "<":
			return c < 0
		case "<=":
			return c <= 0
		case ">":
			return c > 0
		default:
			return c >= 0
		}
	}, nil
}

var numeral = regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`)

// compareNumbers compares integers exactly and others as floating-point numbers, in which what is
// too large is infinite.
func compareNumbers(a, b string) int {
	i, notA := strconv.ParseInt(a, 10, 64)
	j, notB := strconv.ParseInt(b, 10, 64)
	if notA == nil && notB == nil {
		return cmp.Compare(i, j)
	}
	f, _ := strconv.ParseFloat(a, 64)
	g, _ := strconv.ParseFloat(b, 64)
	return cmp.Compare(f, g)
}

// textual compares a field with a text, in which * stands for any characters.
func textual(want, operator string, p *conditionParser) (func(have any) bool, error) {
	if operator != "=" && operator != "!=" {
		return nil, p.wrong("a number after " + operator + ", before this")
	}
	return func(have any) bool {
		text, ok := have.(string)
		if n, isNumber := have.(json.Number); isNumber {
			text, ok = string(n), true
		}
		return ok && glob(want, text) == (operator == "=")
	}, nil
}

// glob matches a text against a pattern in which * stands for any characters.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return pattern == text
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return true
}
