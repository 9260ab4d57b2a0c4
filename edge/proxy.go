package edge

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"countersign/edge/snapshot"
)

// A proxy is an HTTP_PROXY integration with its URI taken apart.
type proxy struct {
	upstream *upstream
	host     string // Host header: as the URI has it
	method   string // "": the caller's
	path     []piece
	query    []piece
	timeout  time.Duration

	// Of a REST API.
	values  map[string]snapshot.Parameter // what stands for the variables of the URI
	headers []snapshot.Parameter          // set in the request, by canonical name
	queries []snapshot.Parameter
}

// A piece of a URI is literal text or a path variable.
type piece struct {
	text  string
	param string
}

func (e *Edge) compileProxy(v *view, in *snapshot.Integration) (*proxy, error) {
	text := in.URI
	authority, rest := text, ""
	if i := strings.Index(text, "://"); i >= 0 {
		if j := strings.IndexAny(text[i+3:], "/?#"); j >= 0 {
			authority, rest = text[:i+3+j], text[i+3+j:]
		}
	}
	// A variable in the authority would let the caller choose the backend.
	u, err := url.Parse(authority)
	if err != nil || u.Host == "" || strings.ContainsAny(u.Host, "{}") || u.User != nil {
		return nil, fmt.Errorf("URI %q is not an absolute http or https URL with a fixed host", text)
	}
	key := upstreamKey{tls: u.Scheme == "https", host: u.Hostname(), port: u.Port()}
	switch u.Scheme {
	case "http", "https":
	default:
		return nil, fmt.Errorf("URI %q is neither http nor https", text)
	}
	if key.port == "" {
		key.port = map[bool]string{false: "80", true: "443"}[key.tls]
	}
	rest, _, _ = strings.Cut(rest, "#")
	path, query, _ := strings.Cut(rest, "?")
	p := &proxy{host: u.Host, timeout: integrationTimeout(in)}
	if p.path, err = pieces(path); err != nil {
		return nil, fmt.Errorf("URI %q: %w", text, err)
	}
	if p.query, err = pieces(query); err != nil {
		return nil, fmt.Errorf("URI %q: %w", text, err)
	}
	if in.Method != "" && in.Method != "ANY" {
		if !validToken(in.Method) {
			return nil, fmt.Errorf("method %q is not a token", in.Method)
		}
		p.method = in.Method
	}
	if err := p.addParameters(in.Parameters); err != nil {
		return nil, err
	}
	p.upstream = e.upstreams.get(key)
	v.upstreams[key] = p.upstream
	return p, nil
}

// pieces splits a template at its {variables}; {name+} is the same as {name}.
func pieces(template string) ([]piece, error) {
	var all []piece
	for template != "" {
		open := strings.IndexByte(template, '{')
		if open < 0 {
			open = len(template)
		}
		if text := template[:open]; text != "" {
			if strings.IndexByte(text, '}') >= 0 {
				return nil, errors.New("a } without {")
			}
			all = append(all, piece{text: escapeURI(text)})
		}
		if template = template[open:]; template == "" {
			break
		}
		end := strings.IndexByte(template, '}')
		if end < 0 {
			return nil, errors.New("a { without }")
		}
		name := strings.TrimSuffix(template[1:end], "+")
		if name == "" {
			return nil, errors.New("a variable without a name")
		}
		all = append(all, piece{param: name})
		template = template[end+1:]
	}
	return all, nil
}

// proxy calls the backend and copies its answer.
func (x *exchange) proxy(p *proxy) *answer {
	call := calls.Get().(*upstreamCall)
	defer call.release()
	call.method = p.method
	if call.method == "" {
		call.method = x.r.Method
	}
	var bad *answer
	if call.head, bad = x.requestHead(call.head[:0], call.method, p); bad != nil {
		return bad
	}
	call.body = x.body
	call.maxBody = x.edge.cfg.Limits.BodyBytes
	response, err := p.upstream.do(x.r.Context(), call, p.timeout, x.now)
	if err != nil {
		if x.r.Context().Err() != nil {
			abandon()
		}
		x.fault("backend call failed", err)
		switch {
		case errors.Is(err, errTooLarge):
			return &answerInternal
		case errors.Is(err, errTimeout):
			return &answerTimedOut
		}
		return &answerUnreachable
	}
	x.copyResponse(response, call)
	return nil
}

// requestHead writes the request line and the headers for the backend.
func (x *exchange) requestHead(b []byte, method string, p *proxy) ([]byte, *answer) {
	b = append(b, method...)
	b = append(b, ' ')
	start := len(b)
	for _, part := range p.path {
		b = append(b, part.text...)
		if part.param != "" {
			b = appendEscaped(b, x.uriValue(p, part.param, false), false)
		}
	}
	if x.route.Key == defaultRoute {
		if len(b) > start && b[len(b)-1] == '/' {
			b = b[:len(b)-1]
		}
		b = appendEscaped(b, x.stageURL, false)
	}
	if len(b) == start {
		b = append(b, '/')
	}
	// What a client puts into the path stays below the path of the integration.
	if hasDotSegment(string(b[start:])) {
		return b, &answerBadRequest
	}
	separator := byte('?')
	if len(p.query) > 0 {
		b = append(b, separator)
		separator = '&'
		for _, part := range p.query {
			b = append(b, part.text...)
			if part.param != "" {
				b = appendEscaped(b, x.uriValue(p, part.param, true), true)
			}
		}
	}
	if query := x.passedQuery(p); query != "" {
		b = append(b, separator)
		b = appendEscaped(b, query, false)
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, p.host...)
	b = append(b, "\r\n"...)
	connection := x.r.Header["Connection"]
	for name, values := range x.r.Header {
		if isHop(name) || len(connection) > 0 && named(connection, name) || x.api.REST && p.replaces(name) {
			continue
		}
		for _, value := range values {
			b = appendHeader(b, name, value)
		}
	}
	if x.api.REST {
		b = x.appendHeadersREST(b, p)
	} else {
		b = append(b, "Via: HTTP/1.1 AmazonAPIGateway\r\nForwarded: for="...)
		b = appendNode(b, x.sourceIP())
		b = append(b, ";host="...)
		b = appendForwardedHost(b, x.r.Host)
		b = append(b, ";proto=https\r\n"...)
	}
	if len(x.body) > 0 || method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions && method != http.MethodDelete {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(x.body)), 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...), nil
}

// appendHeader writes a header line. net/http has checked name and value on
// their way in; a line break here would be a second request.
func appendHeader(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// appendNode writes an address as RFC 7239 has it.
func appendNode(b []byte, ip string) []byte {
	if strings.IndexByte(ip, ':') < 0 {
		return append(b, ip...)
	}
	b = append(b, "\"["...)
	b = append(b, ip...)
	return append(b, "]\""...)
}

// appendForwardedHost quotes a host that is no token, because of its port.
func appendForwardedHost(b []byte, host string) []byte {
	if validToken(host) {
		return append(b, host...)
	}
	b = append(b, '"')
	for i := range len(host) {
		if host[i] == '"' || host[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, host[i])
	}
	return append(b, '"')
}

// copyResponse sends the backend's answer to the client.
func (x *exchange) copyResponse(r *http.Response, call *upstreamCall) {
	h := x.w.Header()
	connection := r.Header["Connection"]
	for name, values := range r.Header {
		if x.api.REST {
			remap(h, name, values)
			continue
		}
		if isHop(name) || len(connection) > 0 && named(connection, name) {
			continue
		}
		x.copyHeader(h, name, values)
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // net/http would guess one
	}
	body := call.response.Bytes()
	switch {
	case call.method == http.MethodHead:
		if length := r.Header["Content-Length"]; len(length) == 1 {
			h["Content-Length"] = length
		}
	case bodyAllowed(r.StatusCode):
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.w.WriteHeader(r.StatusCode)
	if call.method != http.MethodHead && len(body) > 0 {
		_, _ = x.w.Write(body) // a client that left is no error of ours
	}
}

// copyHeader puts a header of the integration's answer into the gateway's, but
// for those that the gateway answers for itself.
func (x *exchange) copyHeader(h http.Header, name string, values []string) {
	switch {
	case name == "Apigw-Requestid", x.stage.CORS != nil && strings.HasPrefix(name, "Access-Control-"):
	case name == "Vary" && len(h[name]) > 0: // cors has said something already
		h[name] = append(h[name], values...)
	default:
		h[name] = values
	}
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// param is a path variable as the client sent it, percent-encoded; "" if the
// route has none of that name.
func (x *exchange) param(name string) string {
	for i := range x.params {
		if x.params[i].name == name {
			return x.params[i].value
		}
	}
	return ""
}

// escapeURI keeps a template of ours within the bytes a request line may have.
func escapeURI(s string) string { return string(appendEscaped(nil, s, false)) }

// appendEscaped copies a part of a URI. Whatever would end the request line is
// encoded, and inside one parameter of a query also what would end that.
func appendEscaped(b []byte, s string, parameter bool) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || c == '#' || parameter && (c == '&' || c == '=' || c == '+' || c == ';') {
			b = append(b, '%', digits[c>>4], digits[c&15])
			continue
		}
		b = append(b, c)
	}
	return b
}

// validToken is RFC 9110's token.
func validToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			continue
		}
		return false
	}
	return s != ""
}
