package sam

import (
	"bufio"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// shortHash is the length of the hash in a logical id.
const shortHash = 10

// hashOf gives the hash that AWS puts into logical ids: SHA-1 of the text, or of
// the compact JSON of any other value, in hexadecimal, cut. Nothing gives "".
func hashOf(v any) string {
	if !truthy(v) {
		return ""
	}
	h := sha1.New()
	if text, ok := v.(string); ok {
		_, _ = io.WriteString(h, text)
	} else {
		writeJSON(h, v)
	}
	return hex.EncodeToString(h.Sum(nil))[:shortHash]
}

// withSuffix joins a prefix and a name into a logical id. A name that a logical
// id cannot hold is replaced by its hash.
func withSuffix(prefix, name, end string) string {
	if alphanumeric(name) {
		return prefix + name + end
	}
	return prefix + end + hashOf(name)
}

// alphanumeric reports whether there is a text and it is letters and digits only.
func alphanumeric(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) {
			return false
		}
	}
	return s != ""
}

// maxLogicalID is CloudFormation's limit.
const maxLogicalID = 255

// checkLogicalID refuses what CloudFormation would not take as a logical id.
func checkLogicalID(id string) error {
	for i := range len(id) {
		c := id[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return badResource(id, "Logical ids must be alphanumeric.")
		}
	}
	switch {
	case id == "":
		return badResource(id, "Logical ids must be alphanumeric.")
	case len(id) > maxLogicalID:
		return badResource(id[:maxLogicalID], "Logical ids have at most %d characters.", maxLogicalID)
	}
	return nil
}

// jsonOf gives a value's canonical JSON: equal values have equal JSON.
func jsonOf(v any) string {
	var b strings.Builder
	writeJSON(&b, v)
	return b.String()
}

// writeJSON writes a tree as Python's json.dumps does with sorted keys, no
// spaces and ASCII only: the form that AWS hashes.
func writeJSON(to io.Writer, v any) {
	w := bufio.NewWriter(to)
	defer func() { _ = w.Flush() }() // the writers are hashes: they do not fail
	var write func(v any)
	write = func(v any) {
		switch v := v.(type) {
		case nil:
			_, _ = w.WriteString("null")
		case bool:
			_, _ = w.WriteString(strconv.FormatBool(v))
		case json.Number:
			_, _ = w.WriteString(pythonNumber(v.String()))
		case string:
			writeASCII(w, v)
		case []any:
			_ = w.WriteByte('[')
			for i, item := range v {
				if i > 0 {
					_ = w.WriteByte(',')
				}
				write(item)
			}
			_ = w.WriteByte(']')
		case object:
			_ = w.WriteByte('{')
			for i, key := range sorted(v) {
				if i > 0 {
					_ = w.WriteByte(',')
				}
				writeASCII(w, key)
				_ = w.WriteByte(':')
				write(v[key])
			}
			_ = w.WriteByte('}')
		}
	}
	write(v)
}

func writeASCII(w *bufio.Writer, s string) {
	_ = w.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			_ = w.WriteByte('\\')
			_, _ = w.WriteRune(r)
		case r >= ' ' && r <= '~':
			_, _ = w.WriteRune(r)
		case r == '\n':
			_, _ = w.WriteString(`\n`)
		case r == '\r':
			_, _ = w.WriteString(`\r`)
		case r == '\t':
			_, _ = w.WriteString(`\t`)
		case r == '\b':
			_, _ = w.WriteString(`\b`)
		case r == '\f':
			_, _ = w.WriteString(`\f`)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			_, _ = fmt.Fprintf(w, `\u%04x\u%04x`, high, low)
		default:
			_, _ = fmt.Fprintf(w, `\u%04x`, r)
		}
	}
	_ = w.WriteByte('"')
}

// pythonNumber writes a number as Python would after reading it: whole numbers
// as they are, others as the shortest text that reads back as the same float.
func pythonNumber(text string) string {
	if !strings.ContainsAny(text, ".eE") {
		return text
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	short := strconv.FormatFloat(f, 'e', -1, 64)
	exponent, _ := strconv.Atoi(short[strings.IndexByte(short, 'e')+1:])
	if exponent < -4 || exponent >= 16 {
		return short
	}
	plain := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(plain, ".") {
		plain += ".0"
	}
	return plain
}
