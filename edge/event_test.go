package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/edge/snapshot"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// lambda is an Invoker that keeps the events and answers with what it is told.
type lambda struct {
	mu      sync.Mutex
	calls   []Invocation
	answer  string
	failure string
	err     error
	wait    chan struct{} // not nil: wait for it or for the context
}

func (l *lambda) Invoke(ctx context.Context, in Invocation) ([]byte, string, error) {
	in.Payload = bytes.Clone(in.Payload)
	l.mu.Lock()
	l.calls = append(l.calls, in)
	answer, failure, err, wait := l.answer, l.failure, l.err, l.wait
	l.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
	return []byte(answer), failure, err
}

func (l *lambda) set(answer, failure string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer, l.failure, l.err = answer, failure, err
}

func (l *lambda) last(t testing.TB) Invocation {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.calls) == 0 {
		t.Fatal("the function was not invoked")
	}
	return l.calls[len(l.calls)-1]
}

func toLambda(format string) *snapshot.Integration {
	return &snapshot.Integration{ID: "int7777", Type: snapshot.AWSProxy, Payload: format,
		Function: "arn:aws:lambda:eu-central-1:111122223333:function:echo"}
}

// What differs from run to run, and what stands for it in the golden files.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`"(requestId|extendedRequestId)": "[A-Za-z0-9_-]{15}="`), `"$1": "REQUEST-ID"`},
	{regexp.MustCompile(`"requestId": "[0-9a-f-]{36}"`), `"requestId": "UUID"`},
	{regexp.MustCompile(`Root=1-735fdd40-[0-9a-f]{24}`), `Root=1-735fdd40-RANDOM`},
	{regexp.MustCompile(`-----BEGIN CERTIFICATE-----\\n([A-Za-z0-9+/]{64}\\n)+[A-Za-z0-9+/]{0,63}={0,2}\\n-----END CERTIFICATE-----\\n`), `PEM-64-COLUMNS`},
}

func golden(t *testing.T, name string, event []byte, port string) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, event, "", "  "); err != nil {
		t.Fatalf("%v in %s", err, event)
	}
	got := strings.ReplaceAll(indented.String(), port, "PORT") + "\n"
	for _, v := range volatile {
		got = v.pattern.ReplaceAllString(got, v.with)
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", file, got)
	}
}

// TestEvents compares whole events with reviewed files: mutual TLS on a
// mapping with a named stage, and a plain request of the $default route.
func TestEvents(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"1.0", "2.0"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			fn := &lambda{answer: `{"statusCode":200}`}
			w := newWorld(t, func(c *Config) { c.Invoker = fn })
			anchor := root(t, "Client, Root")
			leaf := issue(t, anchor, ecKey(t), "My Client", asClient, func(c *goCertificate) {
				c.SerialNumber = new(big.Int).SetBytes([]byte{0x4a, 0x11, 0, 0x22, 0x33, 0x44, 0x55, 0x66, 0x9e, 0x3f, 0x5c, 0x92, 0xd1, 0xe8, 0x7b, 0x6c})
				c.NotAfter = time.Date(2031, 8, 5, 9, 36, 4, 0, time.UTC)
				c.RawSubject = certificateOrder(t)
			})
			d := w.domain("api.example.com", store(anchor))
			api := w.api("api1234567")
			api.Stages["prod"] = &snapshot.Stage{Name: "prod", Variables: map[string]string{"color": "blue"},
				Routes: []*snapshot.Route{route("POST /pets/{id}/{rest+}", toLambda(format))}}
			api.Stages["$default"].Routes = []*snapshot.Route{route("$default", toLambda(format))}
			d.Mappings = []snapshot.Mapping{{Segments: []string{"shop"}, API: api, Stage: api.Stages["prod"]}, {API: api, Stage: api.Stages["$default"]}}
			w.publish(snapshotOf(d))
			_, port, _ := strings.Cut(w.addr, ":")
			conn := w.dial(w.config("api.example.com", leaf.tls(anchor)))

			body := `{"a":"<&>"}`
			r := w.ask(conn, "POST /shop/pets/a%20b/x/%C3%A4?q=1&q=a%2Cb&empty=&flag&plus=a+b HTTP/1.1\r\nHost: API.example.com:"+port+"\r\n"+
				"User-Agent: test/1.0\r\nContent-Type: application/json; charset=utf-8\r\nCookie: a=b; c=d\r\nX-Two: one\r\nX-Two: two\r\n"+
				"X-Amzn-Mtls-Clientcert-Subject: CN=forged\r\nx-forwarded-for: 1.2.3.4\r\nX-Amzn-Trace-Id: Root=forged\r\nX_Amzn_Oidc_Data: forged\r\n"+
				"Connection: keep-alive, X-Hop\r\nX-Hop: gone\r\n"+
				fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
			w.wantStatus(r, 200, "")
			in := fn.last(t)
			golden(t, "event-"+format+"-mutual.json", in.Payload, port)
			if want := "arn:aws:execute-api:eu-central-1:111122223333:api1234567/prod/POST/pets/{id}/{rest+}"; in.SourceARN != want {
				t.Errorf("source %s, want %s", in.SourceARN, want)
			}
			if in.Account != "111122223333" || in.FunctionARN != "arn:aws:lambda:eu-central-1:111122223333:function:echo" {
				t.Errorf("invocation %+v", in)
			}

			w.wantStatus(w.ask(conn, get("api.example.com", "/")), 200, "")
			in = fn.last(t)
			golden(t, "event-"+format+"-default.json", in.Payload, port)
			if want := "arn:aws:execute-api:eu-central-1:111122223333:api1234567/$default/$default"; in.SourceARN != want {
				t.Errorf("source %s, want %s", in.SourceARN, want)
			}
		})
	}
}

// The path of an event depends on how the stage was reached.
func TestEventPaths(t *testing.T) {
	t.Parallel()
	fn := &lambda{answer: `{"statusCode":200}`}
	w := newWorld(t, func(c *Config) { c.Invoker = fn })
	for _, c := range []struct{ format, path, want string }{
		{"1.0", "/p", "/p"}, {"2.0", "/p", "/p"},
		{"1.0", "/s/p", "/s/p"}, {"2.0", "/s/p", "/s/p"},
		{"1.0", "/m/p", "/m/p"}, {"2.0", "/m/p", "/s/p"},
		{"1.0", "/d/p", "/d/p"}, {"2.0", "/d/p", "/p"},
	} {
		api := w.api("api1234567", route("ANY /{p+}", toLambda(c.format)))
		api.Stages["s"] = &snapshot.Stage{Name: "s", Routes: api.Stages["$default"].Routes}
		d := w.domain("a.example.com", nil)
		d.Mappings = []snapshot.Mapping{
			{Segments: []string{"m"}, API: api, Stage: api.Stages["s"]},
			{Segments: []string{"d"}, API: api, Stage: api.Stages["$default"]},
		}
		s := snapshotOf(d)
		s.Default = issue(t, w.roots, ecKey(t), "default", asServer(api.Host)).tls()
		w.publish(s)
		host := api.Host
		if strings.HasPrefix(c.path, "/m") || strings.HasPrefix(c.path, "/d") {
			host = "a.example.com"
		}
		w.wantStatus(w.ask(w.dial(w.config(host, nil)), get(host, c.path)), 200, "")
		var event struct {
			Path           string
			RawPath        string
			RequestContext struct {
				Path string
				HTTP struct{ Path string }
			}
		}
		if err := json.Unmarshal(fn.last(t).Payload, &event); err != nil {
			t.Fatal(err)
		}
		got := event.Path + event.RawPath
		if got != c.want || event.RequestContext.Path+event.RequestContext.HTTP.Path != c.want {
			t.Errorf("%s %s %s: %q, want %q", c.format, host, c.path, got, c.want)
		}
	}
}

// Text is what AWS takes for text; the rest is base64.
func TestEventBodies(t *testing.T) {
	t.Parallel()
	fn := &lambda{answer: `{"statusCode":200}`}
	w := newWorld(t, func(c *Config) { c.Invoker = fn })
	w.publish(snapshotOf(w.domain("a.example.com", nil, route("$default", toLambda("2.0")))))
	conn := w.dial(w.config("a.example.com", nil))
	for _, c := range []struct{ kind, body, want string }{
		{"text/plain", "hi", `"body":"hi"`},
		{"Text/HTML; charset=x", "hi", `"body":"hi"`},
		{"application/json", `{}`, `"body":"{}"`},
		{"application/xml", "<a/>", `"body":"<a/>"`},
		{"application/javascript", "1", `"body":"1"`},
		{"application/x-www-form-urlencoded", "a=b", `"body":"YT1i"`},
		{"application/vnd.x+json", "{}", `"body":"e30="`},
		{"", "hi", `"body":"aGk="`},
		{"text/plain", "\xff", `"body":"/w=="`},
	} {
		w.wantStatus(w.ask(conn, fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", c.kind, len(c.body), c.body)), 200, "")
		event := string(fn.last(t).Payload)
		encoded := fmt.Sprintf(`"isBase64Encoded":%v`, !strings.Contains(c.want, `"`+strings.ReplaceAll(c.body, `"`, `\"`)+`"`))
		if !strings.Contains(event, c.want) || !strings.Contains(event, encoded) {
			t.Errorf("%s %q: no %s and %s in %s", c.kind, c.body, c.want, encoded, event)
		}
	}
	w.wantStatus(w.ask(conn, get("a.example.com", "/")), 200, "")
	if event := string(fn.last(t).Payload); strings.Contains(event, `"body"`) {
		t.Errorf("a body where there is none: %s", event)
	}
}

// What a function answers, as the client sees it.
func TestFunctionResults(t *testing.T) {
	t.Parallel()
	const failed = `{"message":"Internal Server Error"}`
	fn := &lambda{}
	w := newWorld(t, func(c *Config) { c.Invoker = fn })
	w.publish(snapshotOf(w.domain("a.example.com", nil, route("GET /1", toLambda("1.0")), route("GET /2", toLambda("2.0")))))
	for _, c := range []struct {
		path, answer string
		status       int
		body         string
		headers      string // name: value, one per line
	}{
		{"/2", `{"statusCode":201,"body":"made","headers":{"X-A":"b","x-n":7,"x-t":true}}`, 201, "made", "Content-Type: text/plain;charset=UTF-8\nX-A: b\nX-N: 7\nX-T: true"},
		{"/2", `{"statusCode":200,"cookies":["a=b","c=d; Secure"],"headers":{"content-type":"text/html"}}`, 200, "", "Set-Cookie: a=b\nSet-Cookie: c=d; Secure\nContent-Type: text/html"},
		{"/2", `{"statusCode":200,"multiValueHeaders":{"X-M":["1"]}}`, 200, "", "X-M: "},
		{"/2", `{"statusCode":"404","body":"gone"}`, 404, "gone", ""},
		{"/2", `{"statusCode":200,"body":"aGk=","isBase64Encoded":true}`, 200, "hi", ""},
		{"/2", `{"statusCode":200,"body":"???","isBase64Encoded":true}`, 500, failed, ""},
		{"/2", `{"statusCode":200,"body":{"a":1}}`, 200, `{"a":1}`, ""},
		{"/2", `{"statusCode":204,"body":"x"}`, 204, "", ""},
		{"/2", `{"statusCode":200,"headers":{"Connection":"close","Transfer-Encoding":"chunked","Content-Length":"99","apigw-requestid":"x"},"body":"ok"}`, 200, "ok", "Connection: \nContent-Length: 2"},
		{"/2", `{"hello":"world"}`, 200, `{"hello":"world"}`, "Content-Type: application/json"},
		{"/2", `{"body":["a"],"headers":3}`, 200, `{"body":["a"],"headers":3}`, "Content-Type: application/json"},
		{"/2", `"text"`, 200, "text", "Content-Type: application/json"},
		{"/2", `[1,2]`, 200, "[1,2]", ""},
		{"/2", `null`, 200, "null", ""},
		{"/2", ``, 500, failed, ""},
		{"/2", `{"statusCode":`, 500, failed, ""},
		{"/2", `{"statusCode":99}`, 500, failed, ""},
		{"/2", `{"statusCode":101}`, 500, failed, ""},
		{"/2", `{"statusCode":1000}`, 500, failed, ""},
		{"/2", `{"statusCode":200.5}`, 500, failed, ""},
		{"/2", `{"statusCode":200,"headers":{"a\r\nb":"c"}}`, 500, failed, ""},
		{"/2", `{"statusCode":200,"headers":{"a":"b\r\nSet-Cookie: x"}}`, 500, failed, ""},
		{"/2", `{"statusCode":200,"cookies":["a\r\nb: c"]}`, 500, failed, ""},
		{"/2", `{"statusCode":200,"headers":{"a":["b"]}}`, 500, failed, ""},
		{"/1", `{"statusCode":200,"headers":{"x-a":"1","x-b":"2"},"multiValueHeaders":{"x-a":["3","4"]},"body":"b"}`, 200, "b", "X-A: 3\nX-A: 4\nX-B: 2"},
		{"/1", `{"statusCode":200,"cookies":["a=b"]}`, 200, "", "Set-Cookie: "},
		{"/1", `{"hello":"world"}`, 500, failed, ""},
		{"/1", `"text"`, 500, failed, ""},
	} {
		fn.set(c.answer, "", nil)
		conn := w.dial(w.config("a.example.com", nil))
		r := w.ask(conn, get("a.example.com", c.path))
		if r.status != c.status || r.body != c.body {
			t.Errorf("%s %s: %d %q, want %d %q", c.path, c.answer, r.status, r.body, c.status, c.body)
		}
		want := map[string][]string{}
		for line := range strings.SplitSeq(c.headers, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				want[name] = append(want[name], value)
			}
		}
		for name, values := range want {
			if got := strings.Join(r.header[name], "|"); got != strings.Join(values, "|") {
				t.Errorf("%s %s: %s is %q, want %q", c.path, c.answer, name, got, values)
			}
		}
		conn.Close()
	}
	fn.set(`{"statusCode":200,"body":"hello"}`, "", nil)
	conn := w.dial(w.config("a.example.com", nil))
	for _, c := range []struct {
		failure string
		err     error
		status  int
		body    string
	}{
		{"Unhandled", nil, 500, failed},
		{"", ErrNotPermitted, 500, failed},
		{"", fmt.Errorf("wrapped: %w", ErrThrottled), 500, failed},
		{"", ErrTimeout, 503, `{"message":"Service Unavailable"}`},
		{"", errors.New("disk full"), 500, failed},
		{"", nil, 200, "hello"},
	} {
		fn.set(`{"statusCode":200,"body":"hello"}`, c.failure, c.err)
		w.wantStatus(w.ask(conn, get("a.example.com", "/2")), c.status, c.body)
	}
}

func TestFunctionTimeout(t *testing.T) {
	t.Parallel()
	fn := &lambda{wait: make(chan struct{})}
	w := newWorld(t, func(c *Config) { c.Invoker = fn })
	in := toLambda("2.0")
	in.Timeout = 50 * time.Millisecond
	w.publish(snapshotOf(w.domain("a.example.com", nil, route("GET /", in))))
	w.wantStatus(w.ask(w.dial(w.config("a.example.com", nil)), get("a.example.com", "/")), 503, `{"message":"Service Unavailable"}`)
}

// When the client goes away the invocation is cancelled.
func TestClientLeavesFunction(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	started := make(chan struct{})
	w := newWorld(t, func(c *Config) {
		c.Invoker = invokerFunc(func(ctx context.Context, _ Invocation) ([]byte, string, error) {
			close(started)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, "", ctx.Err()
		})
	})
	w.publish(snapshotOf(w.domain("a.example.com", nil, route("GET /", toLambda("2.0")))))
	conn := w.dial(w.config("a.example.com", nil))
	if _, err := conn.Write([]byte(get("a.example.com", "/"))); err != nil {
		t.Fatal(err)
	}
	<-started
	conn.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the invocation goes on")
	}
}

type invokerFunc func(context.Context, Invocation) ([]byte, string, error)

func (f invokerFunc) Invoke(ctx context.Context, in Invocation) ([]byte, string, error) {
	return f(ctx, in)
}

func FuzzDecodeResult(f *testing.F) {
	for _, s := range []string{`{"statusCode":200,"body":"b","headers":{"a":"b"},"cookies":["c"]}`, `"x"`, `null`, `{"statusCode":"200","isBase64Encoded":true,"body":"aGk="}`,
		`{"statusCode":200,"multiValueHeaders":{"a":["b",1]}}`, `[]`, ``, `{"statusCode":{}}`} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, payload []byte, first bool) {
		format := "2.0"
		if first {
			format = "1.0"
		}
		r, err := decodeResult(payload, format)
		if err != nil {
			return
		}
		if r.status < 200 || r.status > 599 {
			t.Errorf("status %d", r.status)
		}
		for name, values := range r.header {
			for _, v := range append(values, name) {
				if strings.ContainsAny(v, "\r\n\x00") {
					t.Errorf("header %q: %q", name, v)
				}
			}
		}
	})
}
