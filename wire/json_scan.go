package wire

import (
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

func (r *jsonReader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// peek skips white space and returns the next byte, 0 at the end.
func (r *jsonReader) peek() byte {
	r.space()
	if r.pos == len(r.data) {
		return 0
	}
	return r.data[r.pos]
}

func (r *jsonReader) enter() error {
	if r.depth++; r.depth > maxDepth {
		return broken("the request is nested deeper than %d", maxDepth)
	}
	r.pos++
	return nil
}

// next moves past a comma, or past the closing byte and reports the end.
func (r *jsonReader) next(first *bool, closing byte) (more bool, err error) {
	if r.elements++; r.elements > maxElements {
		return false, broken("the request has more than %d elements", maxElements)
	}
	c := r.peek()
	if c == closing {
		r.pos++
		r.depth--
		return false, nil
	}
	if *first {
		*first = false
		return true, nil
	}
	if c != ',' {
		return false, r.unexpected()
	}
	r.pos++
	if r.peek() == closing {
		return false, r.unexpected()
	}
	return true, nil
}

func (r *jsonReader) unexpected() error {
	if r.pos >= len(r.data) {
		return broken("unexpected end of JSON")
	}
	return broken("unexpected character in JSON, at byte %d", r.pos)
}

func (r *jsonReader) key() ([]byte, error) {
	if r.peek() != '"' {
		return nil, r.unexpected()
	}
	k, err := r.string()
	if err != nil {
		return nil, err
	}
	if r.peek() != ':' {
		return nil, r.unexpected()
	}
	r.pos++
	return k, nil
}

func (r *jsonReader) literal(s string) bool {
	if len(r.data)-r.pos >= len(s) && string(r.data[r.pos:r.pos+len(s)]) == s {
		r.pos += len(s)
		return true
	}
	return false
}

// skip reads a value of any type and drops it.
func (r *jsonReader) skip() error {
	switch c := r.peek(); {
	case c == '{' || c == '[':
		closing := c + 2 // '{'+2 is '}', '['+2 is ']'
		if err := r.enter(); err != nil {
			return err
		}
		for first := true; ; {
			more, err := r.next(&first, closing)
			if err != nil || !more {
				return err
			}
			if c == '{' {
				if _, err := r.key(); err != nil {
					return err
				}
			}
			if err := r.skip(); err != nil {
				return err
			}
		}
	case c == '"':
		_, err := r.string()
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, err := r.number()
		return err
	case r.literal("true"), r.literal("false"), r.literal("null"):
		return nil
	}
	return r.unexpected()
}

// number reads a JSON number and returns its text.
func (r *jsonReader) number() ([]byte, error) {
	start := r.pos
	digits := func() bool {
		n := r.pos
		for r.pos < len(r.data) && r.data[r.pos] >= '0' && r.data[r.pos] <= '9' {
			r.pos++
		}
		return r.pos > n
	}
	at := func(c byte) bool { return r.pos < len(r.data) && r.data[r.pos] == c }
	if at('-') {
		r.pos++
	}
	if at('0') {
		r.pos++
	} else if !digits() {
		return nil, r.unexpected()
	}
	if at('.') {
		r.pos++
		if !digits() {
			return nil, r.unexpected()
		}
	}
	if at('e') || at('E') {
		r.pos++
		if at('+') || at('-') {
			r.pos++
		}
		if !digits() {
			return nil, r.unexpected()
		}
	}
	return r.data[start:r.pos], nil
}

// string reads a JSON string. The result is good until the body goes: it
// aliases the body where there was nothing to unescape.
func (r *jsonReader) string() ([]byte, error) {
	r.pos++
	start := r.pos
	ascii := true
	for ; r.pos < len(r.data); r.pos++ {
		switch c := r.data[r.pos]; {
		case c == '"':
			s := r.data[start:r.pos]
			r.pos++
			if !ascii && !utf8.Valid(s) {
				return nil, broken("a string is not valid UTF-8")
			}
			return s, nil
		case c == '\\':
			return r.escaped(start)
		case c < ' ':
			return nil, r.unexpected()
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, r.unexpected()
}

// escaped goes on reading a string at its first backslash.
func (r *jsonReader) escaped(start int) ([]byte, error) {
	s := append([]byte(nil), r.data[start:r.pos]...)
	for r.pos < len(r.data) {
		c := r.data[r.pos]
		switch {
		case c == '"':
			r.pos++
			if !utf8.Valid(s) {
				return nil, broken("a string is not valid UTF-8")
			}
			return s, nil
		case c < ' ':
			return nil, r.unexpected()
		case c != '\\':
			s = append(s, c)
			r.pos++
			continue
		}
		if r.pos++; r.pos == len(r.data) {
			break
		}
		switch c = r.data[r.pos]; c {
		case '"', '\\', '/':
			s = append(s, c)
		case 'b':
			s = append(s, '\b')
		case 'f':
			s = append(s, '\f')
		case 'n':
			s = append(s, '\n')
		case 'r':
			s = append(s, '\r')
		case 't':
			s = append(s, '\t')
		case 'u':
			u, ok := r.hex4(r.pos + 1)
			if !ok {
				return nil, r.unexpected()
			}
			r.pos += 4
			if utf16.IsSurrogate(u) {
				var low rune
				if len(r.data)-r.pos > 2 && r.data[r.pos+1] == '\\' && r.data[r.pos+2] == 'u' {
					low, _ = r.hex4(r.pos + 3)
				}
				if u = utf16.DecodeRune(u, low); u == utf8.RuneError {
					return nil, broken("a string has half of a surrogate pair, at byte %d", r.pos)
				}
				r.pos += 6
			}
			s = utf8.AppendRune(s, u)
		default:
			return nil, r.unexpected()
		}
		r.pos++
	}
	return nil, r.unexpected()
}

func (r *jsonReader) hex4(at int) (rune, bool) {
	if len(r.data)-at < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(r.data[at:at+4]), 16, 16)
	return rune(n), err == nil
}

// integer parses a decimal integer, also where it is written as 3.0 or 3e2.
func integer(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil {
		return n, nil
	}
	f, ferr := strconv.ParseFloat(s, 64)
	// Beyond 2⁵³ a float no longer says which integer was meant.
	if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, err
	}
	return int64(f), nil
}
