package edge

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/edge/snapshot"
)

// raw is a backend whose every connection is handled by a function.
func raw(t testing.TB, handle func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c, bufio.NewReader(c))
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// answering reads a request and answers with the text, again and again.
func answering(text string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

// open is a world with one domain without mutual TLS.
func open(t testing.TB, routes []*snapshot.Route, change ...func(*Config)) *world {
	w := newWorld(t, change...)
	w.publish(snapshotOf(w.domain("a.example.com", nil, routes...)))
	return w
}

func (w *world) get(path string) *response {
	w.t.Helper()
	conn := w.dial(w.config("a.example.com", nil))
	defer conn.Close()
	return w.ask(conn, get("a.example.com", path))
}

// What the backend sees: byte for byte the request line, and the set of headers.
func TestProxyRequest(t *testing.T) {
	t.Parallel()
	up := newBackend(t)
	host := strings.TrimPrefix(up.url, "http://")
	w := open(t, []*snapshot.Route{
		route("GET /fixed", toHTTP(up.url+"/to/here?k=v")),
		route("GET /bare", toHTTP(up.url)),
		route("ANY /pets/{id}", toHTTP(up.url+"/animals/{id}?who={id}")),
		route("ANY /all/{proxy+}", toHTTP(up.url+"/base/{proxy}")),
		route("POST /get", &snapshot.Integration{Type: snapshot.HTTPProxy, URI: up.url + "/x", Method: "GET"}),
		route("$default", toHTTP(up.url+"/base/")),
	})
	conn := w.dial(w.config("a.example.com", nil))
	for _, c := range []struct{ request, line string }{
		{"GET /fixed HTTP/1.1", "GET /to/here?k=v HTTP/1.1"},
		{"GET /fixed?a=b%20c HTTP/1.1", "GET /to/here?k=v&a=b%20c HTTP/1.1"},
		{"GET /bare HTTP/1.1", "GET / HTTP/1.1"},
		{"GET /bare?x HTTP/1.1", "GET /?x HTTP/1.1"},
		{"GET /pets/a%2Fb HTTP/1.1", "GET /animals/a%2Fb?who=a%2Fb HTTP/1.1"},
		{"GET /pets/a&b=c;d+e HTTP/1.1", "GET /animals/a&b=c;d+e?who=a%26b%3Dc%3Bd%2Be HTTP/1.1"},
		{"PUT /all/x/y/ HTTP/1.1", "PUT /base/x/y/ HTTP/1.1"},
		{"POST /get HTTP/1.1", "GET /x HTTP/1.1"},
		{"DELETE /else/where?q=1 HTTP/1.1", "DELETE /base/else/where?q=1 HTTP/1.1"},
		{"OPTIONS / HTTP/1.1", "OPTIONS /base/ HTTP/1.1"},
	} {
		w.wantStatus(w.ask(conn, c.request+"\r\nHost: a.example.com\r\nContent-Length: 0\r\n\r\n"), 200, "hello")
		if line, _, _ := strings.Cut(up.last(t), "\r\n"); line != c.line {
			t.Errorf("%s arrived as %s, want %s", c.request, line, c.line)
		}
	}

	w.wantStatus(w.ask(conn, "POST /x HTTP/1.1\r\nHost: a.example.com:8443\r\nUser-Agent: me\r\nX-Mine: 1\r\nx-mine: 2\r\nAuthorization: Basic abc\r\n"+
		"Connection: keep-alive, X-Hop, Via\r\nX-Hop: gone\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: gone\r\n"+
		"Forwarded: for=9.9.9.9\r\nVia: 1.1 evil\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Client-Cert: Subject=evil\r\nClient-Cert: :AAAA:\r\n"+
		"X-Amzn-Mtls-Clientcert-Subject: CN=evil\r\nx-amzn-mtls-clientcert: evil\r\nX_Amzn_Mtls_Clientcert_Leaf: evil\r\nSSL-Client-S-DN: CN=evil\r\n"+
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 200, "hello")
	head, body, _ := strings.Cut(up.last(t), "\r\n\r\n")
	got := map[string]bool{}
	for _, line := range strings.Split(head, "\r\n") {
		got[line] = true
	}
	want := []string{"POST /base/x HTTP/1.1", "Host: " + host, "User-Agent: me", "X-Mine: 1", "X-Mine: 2", "Authorization: Basic abc",
		"Via: HTTP/1.1 AmazonAPIGateway", `Forwarded: for=127.0.0.1;host="a.example.com:8443";proto=https`, "Content-Length: 5"}
	for _, line := range want {
		if !got[line] {
			t.Errorf("%q did not arrive in\n%s", line, head)
		}
		delete(got, line)
	}
	if len(got) > 0 {
		t.Errorf("what should not have arrived: %v", got)
	}
	if body != "abcde" {
		t.Errorf("body %q", body)
	}
}

// The same through HTTP/2, where the request line is not one: what would break
// the backend's line is encoded.
func TestProxyRequestHTTP2(t *testing.T) {
	t.Parallel()
	up := newBackend(t)
	w := open(t, []*snapshot.Route{route("$default", toHTTP(up.url))})
	cc := w.dialH2(w.config("a.example.com", nil))
	req, _ := http.NewRequest("POST", "https://a.example.com/p", strings.NewReader("body"))
	req.URL.RawQuery = "q=a HTTP/1.1#x"
	req.Header.Set("X-Amzn-Oidc-Data", "forged")
	if status, body := roundTripH2(t, cc, req); status != 200 || body != "hello" {
		t.Fatalf("answer %d %q", status, body)
	}
	got := up.last(t)
	if !strings.HasPrefix(got, "POST /p?q=a%20HTTP/1.1%23x HTTP/1.1\r\nHost: 127.0.0.1:") || strings.Contains(got, "forged") || !strings.HasSuffix(got, "\r\n\r\nbody") {
		t.Errorf("arrived:\n%s", got)
	}
	if n := strings.Count(strings.ToLower(got), "\r\nhost:"); n != 1 {
		t.Errorf("%d Host headers", n)
	}
}

// What a client puts into a path never leaves the path of the integration.
func TestProxyTraversal(t *testing.T) {
	t.Parallel()
	up := newBackend(t)
	w := open(t, []*snapshot.Route{route("GET /a/{id}", toHTTP(up.url+"/in/{id}")), route("$default", toHTTP(up.url+"/in"))})
	for _, path := range []string{"/../x", "/x/%2e%2e/y", "/a/..", "/a/..%2fx", "/a/%2e%2e%5cx", "/./x", "/..;/x"} {
		w.wantStatus(w.get(path), 400, `{"message":"Bad Request"}`)
	}
	if up.count() != 0 {
		t.Errorf("the backend saw %q", up.last(t))
	}
}

func TestProxyResponse(t *testing.T) {
	t.Parallel()
	const unavailable, internal = `{"message":"Service Unavailable"}`, `{"message":"Internal Server Error"}`
	for _, c := range []struct {
		name, answer string
		status       int
		body         string
	}{
		{"plain", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
		{"chunked", "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n", 201, "ok"},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		{"not modified", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", 304, ""},
		{"error", "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", 500, "no"},
		{"early hints", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
		{"switching", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 503, unavailable},
		{"informational only", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 9), 503, unavailable},
		{"no HTTP", "SSH-2.0-x\r\n\r\n", 503, unavailable},
		{"status 000", "HTTP/1.1 000 x\r\nContent-Length: 0\r\n\r\n", 503, unavailable},
		{"status 999", "HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n", 503, unavailable},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", 503, unavailable},
		{"large announced", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", 500, internal},
		{"large headers", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100<<10) + "\r\nContent-Length: 0\r\n\r\n", 503, unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := open(t, []*snapshot.Route{route("GET /", toHTTP(raw(t, answering(c.answer))))})
			w.wantStatus(w.get("/"), c.status, c.body)
			r := w.get("/")
			w.wantStatus(r, c.status, c.body)
			if len(r.header["Trailer"]) > 0 || len(r.header["X-Trailer"]) > 0 || r.header.Get("Transfer-Encoding") != "" {
				t.Errorf("headers %v", r.header)
			}
		})
	}
	t.Run("headers", func(t *testing.T) {
		t.Parallel()
		w := open(t, []*snapshot.Route{route("GET /", toHTTP(raw(t, answering("HTTP/1.1 200 OK\r\nServer: mine\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nKeep-Alive: x\r\n"+
			"Connection: X-Hop\r\nX-Hop: gone\r\nApigw-Requestid: theirs\r\nContent-Length: 0\r\n\r\n"))))})
		r := w.get("/")
		if r.header.Get("Server") != "mine" || strings.Join(r.header["Set-Cookie"], "|") != "a|b" || r.header.Get("X-Hop")+r.header.Get("Keep-Alive") != "" ||
			r.header.Get("Apigw-Requestid") == "theirs" || len(r.header["Content-Type"]) > 0 {
			t.Errorf("headers %v", r.header)
		}
	})
	t.Run("large in chunks", func(t *testing.T) {
		t.Parallel()
		w := open(t, []*snapshot.Route{route("GET /", toHTTP(raw(t, func(c net.Conn, r *bufio.Reader) {
			_, _ = http.ReadRequest(r)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<20, strings.Repeat("x", 1<<20))
			for range 12 {
				if _, err := io.WriteString(c, chunk); err != nil {
					return
				}
			}
		})))})
		w.wantStatus(w.get("/"), 500, internal)
	})
	t.Run("until close", func(t *testing.T) {
		t.Parallel()
		w := open(t, []*snapshot.Route{route("GET /", toHTTP(raw(t, func(c net.Conn, r *bufio.Reader) {
			_, _ = http.ReadRequest(r)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\nuntil the end")
		})))})
		w.wantStatus(w.get("/"), 200, "until the end")
	})
	t.Run("cut short", func(t *testing.T) {
		t.Parallel()
		w := open(t, []*snapshot.Route{route("GET /", toHTTP(raw(t, func(c net.Conn, r *bufio.Reader) {
			_, _ = http.ReadRequest(r)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
		})))})
		w.wantStatus(w.get("/"), 503, unavailable)
	})
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		w := open(t, []*snapshot.Route{route("GET /", toHTTP("http://"+l.Addr().String()))})
		w.wantStatus(w.get("/"), 503, unavailable)
	})
	t.Run("HEAD", func(t *testing.T) {
		t.Parallel()
		w := open(t, []*snapshot.Route{route("ANY /", toHTTP(raw(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\n"))))})
		conn := w.dial(w.config("a.example.com", nil))
		for range 2 {
			r := w.ask(conn, "HEAD / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
			if r.status != 200 || r.body != "" || r.header.Get("Content-Length") != "123" {
				t.Errorf("answer %+v", r)
			}
		}
	})
}

func TestProxyTimeout(t *testing.T) {
	t.Parallel()
	url := raw(t, func(c net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	drip := raw(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
		for {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	short := func(url string) *snapshot.Integration {
		return &snapshot.Integration{Type: snapshot.HTTPProxy, URI: url, Timeout: 60 * time.Millisecond}
	}
	w := open(t, []*snapshot.Route{route("GET /silent", short(url)), route("GET /drip", short(drip))})
	for _, path := range []string{"/silent", "/drip"} {
		began := time.Now()
		w.wantStatus(w.get(path), 503, `{"message":"Service Unavailable"}`)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v", path, took)
		}
	}
}

// A kept connection that the backend has closed costs the client nothing; one
// that breaks in the middle of a POST is not tried again.
func TestProxyKeptConnections(t *testing.T) {
	t.Parallel()
	var connections, requests atomic.Int32
	url := raw(t, func(c net.Conn, r *bufio.Reader) {
		connections.Add(1)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		requests.Add(1)
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}) // and closes
	w := open(t, []*snapshot.Route{route("ANY /", toHTTP(url))})
	conn := w.dial(w.config("a.example.com", nil))
	for i, method := range []string{"GET", "GET", "POST", "POST", "GET"} {
		time.Sleep(20 * time.Millisecond) // the close arrives
		w.wantStatus(w.ask(conn, method+" / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 0\r\n\r\n"), 200, "ok")
		if got := int(requests.Load()); got != i+1 {
			t.Errorf("%d requests arrived after %d", got, i+1)
		}
	}

	var posts atomic.Int32
	url = raw(t, func(c net.Conn, r *bufio.Reader) {
		for first := true; ; first = false {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			posts.Add(1)
			if !first {
				return // as if it had crashed while it worked
			}
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	w = open(t, []*snapshot.Route{route("ANY /", toHTTP(url))})
	post := "POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 0\r\n\r\n"
	conn = w.dial(w.config("a.example.com", nil))
	w.wantStatus(w.ask(conn, post), 200, "ok")
	w.wantStatus(w.ask(conn, post), 503, "")
	if posts.Load() != 2 {
		t.Errorf("the backend saw %d POSTs, want 2", posts.Load())
	}
}

// Connections are kept: many requests, one connection.
func TestProxyReuse(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	w := open(t, []*snapshot.Route{route("ANY /", toHTTP(server.URL))})
	conn := w.dial(w.config("a.example.com", nil))
	for i := range 50 {
		body := strings.Repeat("x", i*1000)
		r := w.ask(conn, fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		if r.status != 200 || r.body != body {
			t.Errorf("%d and %d bytes came back, want %d", r.status, len(r.body), len(body))
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestProxyHTTPS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "secure ", r.Proto) }))
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	routes := []*snapshot.Route{route("GET /", toHTTP(server.URL))}
	w := open(t, routes, func(c *Config) { c.UpstreamTLS = &tls.Config{RootCAs: pool, ServerName: "example.com", Time: time.Now} })
	for range 3 {
		w.wantStatus(w.get("/"), 200, "secure HTTP/1.1")
	}
	w = open(t, routes, func(c *Config) { c.UpstreamTLS = &tls.Config{Time: time.Now} }) // not trusted
	w.wantStatus(w.get("/"), 503, "")
}

func TestRequestLimits(t *testing.T) {
	t.Parallel()
	up := newBackend(t)
	w := open(t, []*snapshot.Route{route("$default", toHTTP(up.url))}, func(c *Config) {
		c.Limits = Limits{BodyBytes: 1000, BodyTimeout: 100 * time.Millisecond, HeaderTimeout: 200 * time.Millisecond, HandshakeTimeout: 200 * time.Millisecond}
	})
	ask := func(text string) *response {
		conn := w.dial(w.config("a.example.com", nil))
		defer conn.Close()
		return w.ask(conn, text)
	}
	head := "POST / HTTP/1.1\r\nHost: a.example.com\r\n"
	w.wantStatus(ask(head+"Content-Length: 1000\r\n\r\n"+strings.Repeat("x", 1000)), 200, "hello")
	const tooLarge = `{"message":"Request Entity Too Large"}`
	w.wantStatus(ask(head+"Content-Length: 1001\r\n\r\n"+strings.Repeat("x", 1001)), 413, tooLarge)
	w.wantStatus(ask(head+"Content-Length: 99999999999\r\n\r\n"), 413, tooLarge)
	w.wantStatus(ask(head+"Transfer-Encoding: chunked\r\n\r\n3e9\r\n"+strings.Repeat("x", 1001)+"\r\n0\r\n\r\n"), 413, tooLarge)
	w.wantStatus(ask(head+"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 400, "")

	// 10,240 bytes of request line and headers, to the byte.
	fit := 10240 - len("GET / HTTP/1.1\r\nHost: a.example.com\r\nX-A: \r\n")
	w.wantStatus(ask("GET / HTTP/1.1\r\nHost: a.example.com\r\nX-A: "+strings.Repeat("a", fit)+"\r\n\r\n"), 200, "hello")
	w.wantStatus(ask("GET / HTTP/1.1\r\nHost: a.example.com\r\nX-A: "+strings.Repeat("a", fit+1)+"\r\n\r\n"), 431, `{"message":"Request Header Fields Too Large"}`)
	conn := w.dial(w.config("a.example.com", nil))
	if r, err := exchange1(conn, "GET / HTTP/1.1\r\nHost: a.example.com\r\nX-A: "+strings.Repeat("a", 100_000)+"\r\n\r\n"); err == nil && r.status != 431 {
		t.Errorf("100 KB of headers: %d", r.status)
	}

	// Slow clients: in the handshake, in the headers, in the body.
	slow, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := slow.Write([]byte{22, 3, 1}); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, "handshake", slow)
	conn = w.dial(w.config("a.example.com", nil))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a.ex"); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, "headers", conn)
	w.wantStatus(ask(head+"Content-Length: 10\r\n\r\nabc"), 408, `{"message":"Request Timeout"}`)
	cc := w.dialH2(w.config("a.example.com", nil))
	body, writer := io.Pipe()
	defer writer.Close()
	go writer.Write([]byte("abc"))
	req, _ := http.NewRequest("POST", "https://a.example.com/", body)
	if status, _ := roundTripH2(t, cc, req); status != 408 {
		t.Errorf("slow body over HTTP/2: %d", status)
	}
	w.wantStatus(w.get("/"), 200, "hello")
}

// wantClosed reads until the server closes.
func wantClosed(t testing.TB, what string, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, c); err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Errorf("%s: a slow client is not cut off", what)
		}
	}
}

func TestGatewayAnswers(t *testing.T) {
	t.Parallel()
	up := newBackend(t)
	w := newWorld(t)
	api := w.api("api1234567", route("GET /here", toHTTP(up.url)), &snapshot.Route{Key: "GET /later", Method: "GET", Segments: []snapshot.Segment{{Literal: "later"}}, Unavailable: "authorizers are not built"},
		route("GET /none", nil), route("GET /fn", toLambda("2.0")))
	disabled := w.api("disabled00", route("$default", toHTTP(up.url)))
	disabled.DisableDefaultEndpoint = true
	staged := w.api("staged0000")
	staged.Stages = map[string]*snapshot.Stage{"dev": {Name: "dev", Routes: []*snapshot.Route{route("GET /here", toHTTP(up.url))}}}
	d := w.domain("a.example.com", nil)
	d.Mappings = []snapshot.Mapping{{Segments: []string{"v1"}, API: api, Stage: api.Stages["$default"]}}
	s := snapshotOf(d)
	s.APIs[disabled.ID], s.APIs[staged.ID] = disabled, staged
	s.Default = issue(t, w.roots, ecKey(t), "default", asServer(api.Host, disabled.Host, staged.Host)).tls()
	w.publish(s)
	for _, c := range []struct {
		host, line string
		status     int
		body       string
	}{
		{"a.example.com", "GET /v1/here HTTP/1.1", 200, "hello"},
		{"a.example.com", "GET /here HTTP/1.1", 403, forbidden},
		{"a.example.com", "GET /v1/there HTTP/1.1", 404, `{"message":"Not Found"}`},
		{"a.example.com", "POST /v1/here HTTP/1.1", 404, `{"message":"Not Found"}`},
		{"a.example.com", "OPTIONS * HTTP/1.1", 400, `{"message":"Bad Request"}`},
		{"a.example.com", "GET /v1/later HTTP/1.1", 500, `{"message":"Internal Server Error"}`},
		{"a.example.com", "GET /v1/none HTTP/1.1", 500, `{"message":"Internal Server Error"}`},
		{"a.example.com", "GET /v1/fn HTTP/1.1", 500, `{"message":"Internal Server Error"}`}, // there is no Invoker
		{api.Host, "GET /here HTTP/1.1", 200, "hello"},
		{disabled.Host, "GET /here HTTP/1.1", 404, `{"message":"Not Found"}`},
		{staged.Host, "GET /dev/here HTTP/1.1", 200, "hello"},
		{staged.Host, "GET /here HTTP/1.1", 404, `{"message":"Not Found"}`},
	} {
		conn := w.dial(w.config(c.host, nil))
		r := w.ask(conn, c.line+"\r\nHost: "+c.host+"\r\n\r\n")
		w.wantStatus(r, c.status, c.body)
		if c.status != 200 && r.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: content type %q", c.host, c.line, r.header.Get("Content-Type"))
		}
	}
}

// A client that closes its side before the answer is not told that all is well.
func TestClientStopsSending(t *testing.T) {
	t.Parallel()
	w := open(t, []*snapshot.Route{route("GET /", toHTTP(raw(t, func(c net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })))})
	conn := w.dial(w.config("a.example.com", nil))
	if _, err := io.WriteString(conn, get("a.example.com", "/")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if r, err := readResponse(bufio.NewReader(conn), "GET"); err == nil {
		t.Errorf("answer %d %q", r.status, r.body)
	}
}

// All bodies together are bounded, and what ended is given back.
func TestBodyMemory(t *testing.T) {
	t.Parallel()
	up := newBackend(t)
	w := open(t, []*snapshot.Route{route("$default", toHTTP(up.url))}, func(c *Config) { c.Limits.BodyMemory = 1500 })
	first := w.dial(w.config("a.example.com", nil))
	head := "POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 1000\r\n\r\n"
	if _, err := io.WriteString(first, head+strings.Repeat("x", 999)); err != nil {
		t.Fatal(err)
	}
	for i := 0; w.edge.held.Load() < 999; i++ {
		if i == 1000 {
			t.Fatal("the body is not counted")
		}
		time.Sleep(5 * time.Millisecond)
	}
	second := w.dial(w.config("a.example.com", nil))
	w.wantStatus(w.ask(second, head+strings.Repeat("y", 1000)), 503, "")
	w.wantStatus(w.ask(first, "x"), 200, "hello")
	w.wantStatus(w.ask(first, head+strings.Repeat("z", 1000)), 200, "hello")
	if n := w.edge.held.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// A client that leaves ends the call to the backend.
func TestClientLeavesBackend(t *testing.T) {
	t.Parallel()
	got, ended := make(chan struct{}), make(chan struct{})
	url := raw(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		close(got)
		_, _ = io.Copy(io.Discard, r)
		close(ended)
	})
	w := open(t, []*snapshot.Route{route("GET /", toHTTP(url))})
	conn := w.dial(w.config("a.example.com", nil))
	if _, err := io.WriteString(conn, get("a.example.com", "/")); err != nil {
		t.Fatal(err)
	}
	<-got
	conn.Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the call goes on")
	}
}

// Shutdown lets requests finish, and nothing is left behind. Not parallel: it
// counts goroutines.
func TestShutdown(t *testing.T) {
	before := runtime.NumGoroutine()
	release := make(chan struct{})
	got := make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	backendListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	backend := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(got)
			<-release
		}
		fmt.Fprint(w, "done")
	})}
	go backend.Serve(backendListener)
	w := &world{t: t, clock: newClock(), roots: root(t, "Server Root"), addr: l.Addr().String()}
	if w.edge, err = New(Config{Now: w.clock.now, Rand: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- w.edge.Serve(ctx, l) }()
	w.publish(snapshotOf(w.domain("a.example.com", nil, route("$default", toHTTP("http://"+backendListener.Addr().String())))))

	idle := w.dial(w.config("a.example.com", nil))
	w.wantStatus(w.ask(idle, get("a.example.com", "/quick")), 200, "done")
	half, err := net.Dial("tcp", w.addr) // never finishes its handshake
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan *response, 1)
	busy := w.dial(w.config("a.example.com", nil))
	go func() {
		r, err := exchange1(busy, get("a.example.com", "/slow"))
		if err != nil {
			t.Errorf("the request in flight: %v", err)
		}
		answered <- r
	}()
	<-got
	cancel()
	select {
	case err := <-served:
		t.Fatalf("Serve returned %v while a request was in flight", err)
	case <-time.After(50 * time.Millisecond):
	}
	if _, err := net.Dial("tcp", w.addr); err == nil {
		t.Error("the listener still accepts")
	}
	close(release)
	if r := <-answered; r == nil || r.status != 200 || r.body != "done" {
		t.Errorf("answer %+v", r)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	wantClosed(t, "idle", idle)
	wantClosed(t, "handshake", half)
	if err := w.edge.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := w.edge.Serve(context.Background(), l); err != ErrClosed {
		t.Errorf("Serve after Shutdown: %v", err)
	}
	for _, c := range []io.Closer{idle, half, busy} {
		c.Close()
	}
	backend.Close()
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i == 500 {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(10 * time.Millisecond)
	}
}
