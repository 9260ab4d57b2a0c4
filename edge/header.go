package edge

import (
	"net/http"
	"strings"
)

// What an inbound header name is, in lower case and with "-" for "_": a
// backend that reads headers as environment variables does not tell them apart.
const longestHeader = 40

// foldHeader writes the comparable form of a name into buf; "" when the name is
// longer than any that concerns us.
func foldHeader(buf *[longestHeader]byte, name string) []byte {
	if len(name) > longestHeader {
		return nil
	}
	b := buf[:len(name)]
	for i := range b {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '_':
			c = '-'
		}
		b[i] = c
	}
	return b
}

// isForged tells the names under which the gateway, or a proxy like it, states
// who the client is and how the request came. Copies that a client sends are
// removed before anything else looks at the request.
func isForged(name string) bool {
	if len(name) < 3 {
		return false
	}
	switch name[0] | 0x20 {
	case 'x', 'f', 'v', 'c', 's':
	default:
		return false
	}
	if len(name) > longestHeader { // of the long ones only the families matter
		name = name[:longestHeader]
	}
	var buf [longestHeader]byte
	folded := foldHeader(&buf, name)
	switch string(folded) {
	case "forwarded", "via",
		"x-forwarded-client-cert", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip",
		"client-cert", "client-cert-chain", "x-client-cert", "ssl-client-cert", "x-ssl-client-cert":
		return true
	}
	return hasPrefix(folded, "x-amzn-") || hasPrefix(folded, "x-amz-apigw-") || hasPrefix(folded, "x-ssl-client-") ||
		hasPrefix(folded, "ssl-client-") || hasPrefix(folded, "x-client-cert-")
}

// isHop tells the headers that concern one connection only (RFC 9110, 7.6.1),
// and those that net/http has already acted upon.
func isHop(name string) bool {
	if len(name) < 2 {
		return false
	}
	var buf [longestHeader]byte
	switch string(foldHeader(&buf, name)) {
	case "connection", "proxy-connection", "keep-alive", "te", "trailer", "trailers", "transfer-encoding", "upgrade",
		"proxy-authenticate", "proxy-authorization", "proxy-authentication-info", "expect", "host", "content-length", "http2-settings":
		return true
	}
	return false
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// named tells whether the values of a Connection header name this one.
func named(connection []string, name string) bool {
	for _, line := range connection {
		for line != "" {
			var token string
			token, line, _ = strings.Cut(line, ",")
			if strings.EqualFold(strings.TrimSpace(token), name) {
				return true
			}
		}
	}
	return false
}

// strip removes from a request's headers what a client may not say.
func strip(h http.Header) {
	for name := range h {
		if isForged(name) {
			delete(h, name)
		}
	}
}

// headerSize is what the request line and the headers have, as HTTP/1.1 would
// write them, without the empty line.
func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(" ") + len(" HTTP/1.1\r\n") + len("Host: \r\n") + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(": \r\n") + len(v)
		}
	}
	return n
}
