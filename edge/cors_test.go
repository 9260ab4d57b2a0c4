package edge

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"countersign/edge/snapshot"
)

// corsHeaders are those of an answer that concern browsers, "name: value".
func corsHeaders(h http.Header) string {
	var lines []string
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods",
		"Access-Control-Allow-Headers", "Access-Control-Expose-Headers", "Access-Control-Max-Age", "Vary"} {
		for _, v := range h[name] {
			lines = append(lines, name+": "+v)
		}
	}
	return strings.ReplaceAll(strings.Join(lines, " | "), "Access-Control-", "")
}

func TestCORS(t *testing.T) {
	t.Parallel()
	fn := &lambda{answer: `{"statusCode":200,"headers":{"Access-Control-Allow-Origin":"https://evil.test","access-control-max-age":"7","vary":"Accept","x-own":"1"},"body":"hi"}`}
	w := newWorld(t, func(c *Config) { c.Invoker = fn })
	age := int32(600)
	one := w.domain("one.example.com", nil, route("GET /hello", toLambda("2.0")))
	stage := one.Mappings[0].Stage
	stage.CORS = &snapshot.CORS{Origins: []string{"https://app.example.com", "http://*"}, Methods: []string{"GET", "PUT"}, Headers: []string{"x-a", "x-b"},
		Expose: []string{"x-own"}, Credentials: true, MaxAge: &age}
	all := w.domain("all.example.com", nil, route("GET /hello", toLambda("2.0")))
	all.Mappings[0].Stage.CORS = &snapshot.CORS{Origins: []string{"*"}, Methods: []string{"*"}, Headers: []string{"*"}}
	star := w.domain("star.example.com", nil, route("GET /hello", toLambda("2.0")))
	star.Mappings[0].Stage.CORS = &snapshot.CORS{Origins: []string{"https://*"}, Methods: []string{"*"}, Headers: []string{"*"}, Credentials: true}
	none := w.domain("none.example.com", nil, route("GET /hello", toLambda("2.0")))
	for i, d := range []*snapshot.Domain{one, all, star, none} {
		d.Mappings[0].API.ID, d.Mappings[0].API.Host = string(rune('a'+i)), ""
	}
	w.publish(snapshotOf(one, all, star, none))
	conns := map[string]net.Conn{}
	for _, test := range []struct {
		host, method, path, headers string
		status                      int
		want                        string
	}{
		{"one", "OPTIONS", "/nowhere", "Origin: https://app.example.com|Access-Control-Request-Method: DELETE", 204,
			"Allow-Origin: https://app.example.com | Allow-Credentials: true | Allow-Methods: GET,PUT | Allow-Headers: x-a,x-b | Max-Age: 600 | Vary: Origin"},
		{"one", "OPTIONS", "/hello", "Origin: http://any.test:81|Access-Control-Request-Method: GET", 204,
			"Allow-Origin: http://any.test:81 | Allow-Credentials: true | Allow-Methods: GET,PUT | Allow-Headers: x-a,x-b | Max-Age: 600 | Vary: Origin"},
		{"one", "OPTIONS", "/hello", "Origin: https://app.example.com.evil.test|Access-Control-Request-Method: GET", 204, "Vary: Origin"},
		{"one", "OPTIONS", "/hello", "Origin: https://app.example.com", 404,
			"Allow-Origin: https://app.example.com | Allow-Credentials: true | Expose-Headers: x-own | Vary: Origin"},
		{"one", "GET", "/hello", "Origin: https://app.example.com", 200,
			"Allow-Origin: https://app.example.com | Allow-Credentials: true | Expose-Headers: x-own | Vary: Origin | Vary: Accept"},
		{"one", "GET", "/hello", "Origin: https://evil.test", 200, "Vary: Origin | Vary: Accept"},
		{"one", "GET", "/hello", "Origin: https://app.example.com|Origin: https://evil.test", 200, "Vary: Origin | Vary: Accept"},
		{"one", "GET", "/hello", "", 200, "Vary: Origin | Vary: Accept"},
		{"one", "GET", "/nowhere", "Origin: https://app.example.com", 404,
			"Allow-Origin: https://app.example.com | Allow-Credentials: true | Expose-Headers: x-own | Vary: Origin"},
		{"all", "OPTIONS", "/hello", "Origin: null|Access-Control-Request-Method: GET|Access-Control-Request-Headers: x-z", 204,
			"Allow-Origin: * | Allow-Methods: * | Allow-Headers: *"},
		{"all", "GET", "/hello", "Origin: null", 200, "Allow-Origin: * | Vary: Accept"},
		{"star", "OPTIONS", "/hello", "Origin: https://a.test|Access-Control-Request-Method: PATCH|Access-Control-Request-Headers: x-y, x-z", 204,
			"Allow-Origin: https://a.test | Allow-Credentials: true | Allow-Methods: PATCH | Allow-Headers: x-y, x-z | Vary: Origin"},
		{"star", "OPTIONS", "/hello", "Origin: http://a.test|Access-Control-Request-Method: PATCH", 204, "Vary: Origin"},
		{"star", "OPTIONS", "/hello", "Origin: https://|Access-Control-Request-Method: PATCH", 204, "Vary: Origin"},
		{"none", "OPTIONS", "/hello", "Origin: https://a.test|Access-Control-Request-Method: GET", 404, ""},
		{"none", "GET", "/hello", "Origin: https://a.test", 200, "Allow-Origin: https://evil.test | Max-Age: 7 | Vary: Accept"},
	} {
		host := test.host + ".example.com"
		if conns[host] == nil {
			conns[host] = w.dial(w.config(host, nil))
		}
		request := test.method + " " + test.path + " HTTP/1.1\r\nHost: " + host + "\r\n"
		if test.headers != "" {
			request += strings.ReplaceAll(test.headers, "|", "\r\n") + "\r\n"
		}
		r := w.ask(conns[host], request+"\r\n")
		w.wantStatus(r, test.status, "")
		if got := corsHeaders(r.header); got != test.want {
			t.Errorf("%s %s %s of %s:\n got %s\nwant %s", test.method, test.path, test.headers, test.host, got, test.want)
		}
		if test.status == 204 && (r.body != "" || r.header.Get("Content-Type") != "") {
			t.Errorf("preflight answered with %v %q", r.header, r.body)
		}
	}
	// A client that mutual TLS refuses is not told anything about CORS.
	anchor := root(t, "Client Root")
	one.Mutual = &snapshot.Mutual{Trust: store(anchor)}
	w.publish(snapshotOf(one))
	stranger := root(t, "Other Root").client(t, "stranger")
	r := w.ask(w.dial(w.config("one.example.com", stranger.tls())), "OPTIONS /hello HTTP/1.1\r\nHost: one.example.com\r\nOrigin: https://app.example.com\r\nAccess-Control-Request-Method: GET\r\n\r\n")
	w.wantStatus(r, 403, `{"message":"Forbidden"}`)
	if got := corsHeaders(r.header); got != "" {
		t.Errorf("a refused client was answered %s", got)
	}
}
