package edge

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"countersign/edge/snapshot"

	"golang.org/x/net/http/httpguts"
)

// addParameters sorts the parameters of a REST API's integration by what they set.
func (p *proxy) addParameters(parameters []snapshot.Parameter) error {
	for _, one := range parameters {
		switch one.To {
		case snapshot.FromHeader:
			if !httpguts.ValidHeaderFieldName(one.Name) || isHop(one.Name) || isForged(one.Name) {
				return fmt.Errorf("a parameter sets the header %q", one.Name)
			}
			one.Name = http.CanonicalHeaderKey(one.Name)
			p.headers = append(p.headers, one)
		case snapshot.FromQuery:
			p.queries = append(p.queries, one)
		case snapshot.FromPath:
			if p.values == nil {
				p.values = map[string]snapshot.Parameter{}
			}
			p.values[one.Name] = one
		default:
			return fmt.Errorf("a parameter sets something unknown, %q", one.To)
		}
	}
	return nil
}

// uriValue is what stands for a variable in the URI of a backend, percent-encoded.
func (x *exchange) uriValue(p *proxy, name string, query bool) string {
	if !x.api.REST {
		return x.param(name)
	}
	source := p.values[name].Value
	value := x.value(source)
	switch {
	case source.From == snapshot.FromPath: // encoded as it came
		return value
	case query:
		return url.QueryEscape(value)
	}
	return url.PathEscape(value)
}

// passedQuery is what the backend gets of the client's query.
func (x *exchange) passedQuery(p *proxy) string {
	if len(p.queries) == 0 {
		return x.r.URL.RawQuery
	}
	var kept []string
	for pair := range strings.SplitSeq(x.r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if pair != "" && !p.setsQuery(unescapeQuery(name)) {
			kept = append(kept, pair)
		}
	}
	for _, one := range p.queries {
		if value := x.value(one.Value); value != "" {
			kept = append(kept, url.QueryEscape(one.Name)+"="+url.QueryEscape(value))
		}
	}
	return strings.Join(kept, "&")
}

func (p *proxy) setsQuery(name string) bool {
	for i := range p.queries {
		if p.queries[i].Name == name {
			return true
		}
	}
	return false
}

// replaces tells the headers of a client that a backend of a REST API does not get, because a parameter
// stands for them or because they are not passed on. "_" is the same as "-", as in isForged.
func (p *proxy) replaces(name string) bool {
	switch name {
	case "Content-Md5", "Max-Forwards", "Server", "Www-Authenticate":
		return true
	}
	for i := range p.headers {
		if want := p.headers[i].Name; len(want) == len(name) && strings.EqualFold(want, strings.ReplaceAll(name, "_", "-")) || want == name {
			return true
		}
	}
	return false
}

// appendHeadersREST writes what a REST API adds to the headers of a request.
func (x *exchange) appendHeadersREST(b []byte, p *proxy) []byte {
	b = appendHeader(b, "x-amzn-apigateway-api-id", x.api.ID)
	b = appendHeader(b, "X-Amzn-Trace-Id", x.trace())
	b = appendHeader(b, "X-Forwarded-For", x.sourceIP())
	b = appendHeader(b, "X-Forwarded-Port", x.conn.localPort())
	b = appendHeader(b, "X-Forwarded-Proto", "https")
	for i := range p.headers {
		if value := headerText(x.value(p.headers[i].Value)); value != "" {
			b = appendHeader(b, p.headers[i].Name, value)
		}
	}
	return b
}

// headerText makes one line of a value: the lines of a certificate in PEM have spaces between them.
func headerText(s string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, s))
}
