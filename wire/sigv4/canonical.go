package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// canonicalRequest is the text whose hash is signed.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func canonicalRequest(r *http.Request, service string, signedHeaders []string, payloadHash string) string {
	var b strings.Builder
	b.Grow(512)
	b.WriteString(r.Method)
	b.WriteByte('\n')
	b.WriteString(canonicalPath(rawPath(r), service))
	b.WriteByte('\n')
	b.WriteString(canonicalQuery(r.URL.RawQuery))
	b.WriteByte('\n')
	for _, name := range signedHeaders {
		b.WriteString(name)
		b.WriteByte(':')
		b.WriteString(canonicalHeader(r, name))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(signedHeaders, ";"))
	b.WriteByte('\n')
	b.WriteString(payloadHash)
	return b.String()
}

// stringToSign wraps a canonical request in its time and scope.
func stringToSign(stamp, scope, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return Algorithm + "\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
}

// rawPath is the path as it went over the wire. RequestURI has it before
// net/url has had any say; a request that is about to be sent has none.
func rawPath(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		p, _, _ := strings.Cut(r.RequestURI, "?")
		return p
	}
	if p := r.URL.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

// canonicalPath encodes the path once for S3, exactly as it is, since a key
// may hold "//" and "..". For every other service the path on the wire, already
// encoded, is cleaned and encoded again.
func canonicalPath(raw, service string) string {
	if service == "s3" {
		parts := strings.Split(raw, "/")
		for i, p := range parts {
			if decoded, err := url.PathUnescape(p); err == nil {
				parts[i] = uriEncode(decoded)
			}
		}
		return strings.Join(parts, "/")
	}
	parts := strings.Split(clean(raw), "/")
	for i, p := range parts {
		parts[i] = uriEncode(p)
	}
	return strings.Join(parts, "/")
}

// clean removes empty and dot segments (RFC 3986 section 5.2.4, and AWS's
// squeezing of slashes), and keeps a slash at the end.
func clean(path string) string {
	var out []string
	last := ""
	for part := range strings.SplitSeq(path, "/") {
		last = part
		switch part {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, part)
		}
	}
	if len(out) == 0 {
		return "/"
	}
	s := "/" + strings.Join(out, "/")
	if last == "" || last == "." || last == ".." {
		s += "/"
	}
	return s
}

// A param is one name and value of a query string, decoded.
type param struct{ name, value string }

type params []param

// parseQuery decodes a query string pair by pair. Unlike net/url it drops
// nothing: a pair that does not decode stands for itself, and a semicolon is
// an ordinary character, as it is to AWS.
func parseQuery(raw string) params {
	if raw == "" {
		return nil
	}
	out := make(params, 0, strings.Count(raw, "&")+1)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		out = append(out, param{unescape(name), unescape(value)})
	}
	return out
}

func unescape(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}

func (q params) values(name string) []string {
	var out []string
	for _, p := range q {
		if p.name == name {
			out = append(out, p.value)
		}
	}
	return out
}

// canonicalQuery sorts the parameters by their encoded names, then values, and
// leaves out the signature itself.
func canonicalQuery(raw string) string {
	q := parseQuery(raw)
	pairs := make([]param, 0, len(q))
	for _, p := range q {
		if p.name != "X-Amz-Signature" {
			pairs = append(pairs, param{uriEncode(p.name), uriEncode(p.value)})
		}
	}
	slices.SortStableFunc(pairs, func(a, b param) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name)
		b.WriteByte('=')
		b.WriteString(p.value)
	}
	return b.String()
}

// canonicalHeader is the value of a signed header: several joined with commas,
// trimmed, runs of spaces made one. A server finds some headers in fields of
// the request instead, where net/http has put them. The host is never looked up
// among the headers: over HTTP/2 a header of that name can come beside
// :authority, which is what the request acts on.
func canonicalHeader(r *http.Request, name string) string {
	values := r.Header[http.CanonicalHeaderKey(name)]
	if name == "host" || name == ":authority" {
		values = nil
	}
	if len(values) == 0 {
		switch name {
		case "host", ":authority":
			if r.Host != "" {
				return squeeze(r.Host)
			}
			return squeeze(r.URL.Host)
		case "content-length":
			if r.ContentLength >= 0 {
				return strconv.FormatInt(r.ContentLength, 10)
			}
		case "transfer-encoding":
			return strings.Join(r.TransferEncoding, ",")
		case "trailer":
			names := make([]string, 0, len(r.Trailer))
			for n := range r.Trailer {
				names = append(names, n)
			}
			slices.Sort(names)
			return strings.Join(names, ",")
		}
		return ""
	}
	if len(values) == 1 {
		return squeeze(values[0])
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = squeeze(v)
	}
	return strings.Join(out, ",")
}

func squeeze(s string) string {
	s = strings.Trim(s, " \t")
	if !strings.Contains(s, "  ") {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if s[i] != ' ' || s[i-1] != ' ' {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

const upperHex = "0123456789ABCDEF"

// uriEncode leaves only the unreserved characters of RFC 3986 as they are.
func uriEncode(s string) string {
	n := 0
	for i := range len(s) {
		if !unreserved(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
