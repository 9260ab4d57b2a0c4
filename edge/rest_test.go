package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign/edge/snapshot"
)

const restID = "rest123456"

// restAPI is a REST API with one stage; its routes are in the order of selection.
func (w *world) restAPI(routes ...*snapshot.Route) (*snapshot.API, *snapshot.Stage) {
	stage := &snapshot.Stage{Name: "prod", Deployment: "dep123", Routes: routes, Variables: map[string]string{"color": "blue"}}
	for n, r := range routes {
		r.ResourceID = fmt.Sprintf("res%03d", n)
	}
	return &snapshot.API{
		REST: true, ID: restID, Account: "111122223333", Region: "eu-central-1", Name: "test", Host: restID + ".execute-api.eu-central-1.amazonaws.com",
		Stages: map[string]*snapshot.Stage{"prod": stage},
	}, stage
}

// restDomain is a domain name whose mapping "shop" leads to a stage, and whose mapping "any" leaves it to the caller.
func (w *world) restDomain(name string, api *snapshot.API, stage *snapshot.Stage) *snapshot.Domain {
	d := w.domain(name, nil)
	d.Mappings = []snapshot.Mapping{{Segments: []string{"shop"}, API: api, Stage: stage}, {Segments: []string{"any"}, API: api}, {API: api, Stage: stage}}
	return d
}

// reach publishes the domain, and the default endpoint beside it.
func (w *world) reach(d *snapshot.Domain) {
	w.t.Helper()
	s := snapshotOf(d)
	s.Default = issue(w.t, w.roots, ecKey(w.t), "default", asServer(restID+".execute-api.eu-central-1.amazonaws.com")).tls()
	w.publish(s)
}

func toFunction() *snapshot.Integration {
	return &snapshot.Integration{ID: "res/GET", Type: snapshot.AWSProxy, Function: "arn:aws:lambda:eu-central-1:111122223333:function:echo", Timeout: 29 * time.Second}
}

// wantREST demands an answer in the form of REST APIs; "" for an error type that is not to be there.
func (w *world) wantREST(what string, r *response, status int, body, errorType string) {
	w.t.Helper()
	if r.status != status || body != "" && r.body != body {
		w.t.Errorf("%s: answer %d %q, want %d %q", what, r.status, r.body, status, body)
	}
	if got := r.header.Get("X-Amzn-Errortype"); got != errorType {
		w.t.Errorf("%s: error type %q, want %q", what, got, errorType)
	}
	if id := r.header.Get("X-Amzn-Requestid"); !uuidForm.MatchString(id) || r.header.Get("X-Amz-Apigw-Id") == "" || r.header.Get("Apigw-Requestid") != "" {
		w.t.Errorf("%s: ids in %v", what, r.header)
	}
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// Whole events compared with reviewed files: mutual TLS on a mapping, and the default endpoint.
func TestEventsREST(t *testing.T) {
	t.Parallel()
	fn := &lambda{answer: `{"statusCode":200}`}
	w := newWorld(t, func(c *Config) { c.Invoker = fn })
	anchor := root(t, "Client, Root")
	leaf := issue(t, anchor, ecKey(t), "My Client", asClient, func(c *goCertificate) {
		c.SerialNumber = big.NewInt(77)
		c.NotAfter = time.Date(2031, 8, 5, 9, 36, 4, 0, time.UTC)
		c.RawSubject = certificateOrder(t)
	})
	r := route("POST /pets/{id}/{rest+}", toFunction())
	r.Operation = "petRest"
	r.Integration.Parameters = []snapshot.Parameter{{To: snapshot.FromHeader, Name: "X-Client", Value: snapshot.Source{From: snapshot.FromContext, Name: "identity.clientCert.subjectDN"}}}
	api, stage := w.restAPI(r, route("GET /", toFunction()))
	stage.BinaryTypes = []string{"image/png"}
	d := w.restDomain("api.example.com", api, stage)
	d.Mutual = &snapshot.Mutual{Trust: store(anchor)}
	w.reach(d)
	_, port, _ := strings.Cut(w.addr, ":")
	body := `{"a":"<&>"}`
	conn := w.dial(w.config("api.example.com", leaf.tls(anchor)))
	reply := w.ask(conn, "POST /shop/pets/a%20b/x/%C3%A4/?q=1&q=a%2Cb&empty=&plus=a+b HTTP/1.1\r\nHost: API.example.com:"+port+"\r\n"+
		"User-Agent: test/1.0\r\nContent-Type: application/json; charset=utf-8\r\nCookie: a=b; c=d\r\nX-Two: one\r\nX-Two: two\r\nx-client: forged\r\nX_Client: forged\r\nX-Forwarded-For: 1.2.3.4\r\n"+
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
	w.wantREST("mapping", reply, 200, "", "")
	in := fn.last(t)
	golden(t, "event-rest-mutual.json", in.Payload, port)
	if want := "arn:aws:execute-api:eu-central-1:111122223333:rest123456/prod/POST/pets/{id}/{rest+}"; in.SourceARN != want {
		t.Errorf("source %s, want %s", in.SourceARN, want)
	}
	if trace := reply.header.Get("X-Amzn-Trace-Id"); !strings.Contains(string(in.Payload), `"`+trace+`"`) || trace == "" {
		t.Errorf("the answer's trace %q is not the event's", trace)
	}
	w.wantREST("default endpoint", w.ask(w.dial(w.config(api.Host, nil)), get(api.Host, "/prod")), 200, "", "")
	golden(t, "event-rest-default.json", fn.last(t).Payload, port)
}

// The path of an event depends on how the stage was reached.
func TestPathsREST(t *testing.T) {
	t.Parallel()
	fn := &lambda{answer: `{}`}
	w := newWorld(t, func(c *Config) { c.Invoker = fn })
	api, stage := w.restAPI(route("ANY /{p+}", toFunction()), route("ANY /", toFunction()))
	w.reach(w.restDomain("a.example.com", api, stage))
	for _, c := range []struct{ host, path, want, context, proxy string }{
		{api.Host, "/prod/x/y", "/x/y", "/prod/x/y", "x/y"},
		{api.Host, "/prod/x/", "/x/", "/prod/x/", "x"},
		{api.Host, "/prod", "/", "/prod", ""},
		{"a.example.com", "/x%2Fy", "/x%2Fy", "/x%2Fy", "x%2Fy"},
		{"a.example.com", "/shop/x", "/shop/x", "/shop/x", "x"},
		{"a.example.com", "/any/prod/x", "/any/prod/x", "/any/prod/x", "x"},
		{"a.example.com", "/", "/", "/", ""},
	} {
		w.wantREST(c.path, w.ask(w.dial(w.config(c.host, nil)), get(c.host, c.path)), 200, "", "")
		var event struct {
			Path           string
			PathParameters map[string]string
			RequestContext struct{ Path string }
		}
		if err := json.Unmarshal(fn.last(t).Payload, &event); err != nil {
			t.Fatal(err)
		}
		if event.Path != c.want || event.RequestContext.Path != c.context || event.PathParameters["p"] != c.proxy {
			t.Errorf("%s%s: %+v, want %q, %q, %q", c.host, c.path, event, c.want, c.context, c.proxy)
		}
	}
}

// What the gateway itself says, in the words of REST APIs.
func TestAnswersREST(t *testing.T) {
	t.Parallel()
	fn := &lambda{answer: `{"statusCode":200}`}
	w := newWorld(t, func(c *Config) { c.Invoker = fn })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	slow, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slow.Close() })
	late := toHTTP("http://" + slow.Addr().String())
	late.Timeout = 50 * time.Millisecond
	throttled := route("GET /throttled", toFunction())
	throttled.Throttle = &snapshot.Throttle{}
	unready := route("GET /unready", nil)
	unready.Unavailable = "the method has no integration"
	api, stage := w.restAPI(route("GET /f", toFunction()), route("GET /down", toHTTP("http://"+address)), route("GET /late", late), throttled, unready)
	w.reach(w.restDomain("a.example.com", api, stage))
	ask := func(path string) *response {
		t.Helper()
		return w.ask(w.dial(w.config("a.example.com", nil)), get("a.example.com", path))
	}
	const internal = `{"message": "Internal server error"}`
	w.wantREST("no resource", ask("/none"), 403, `{"message":"Missing Authentication Token"}`, "MissingAuthenticationTokenException")
	w.wantREST("no method", w.ask(w.dial(w.config("a.example.com", nil)), with("PUT", "a.example.com", "/f", "Content-Length: 0")), 403, `{"message":"Missing Authentication Token"}`, "MissingAuthenticationTokenException")
	w.wantREST("no stage", ask("/any/none/f"), 403, `{"message":"Forbidden"}`, "ForbiddenException")
	w.wantREST("no stage at all", ask("/any"), 403, `{"message":"Forbidden"}`, "ForbiddenException")
	w.wantREST("down", ask("/down"), 504, `{"message": "Network error communicating with endpoint"}`, "InternalServerErrorException")
	w.wantREST("late", ask("/late"), 504, `{"message": "Endpoint request timed out"}`, "InternalServerErrorException")
	w.wantREST("throttled", ask("/throttled"), 429, `{"message":"Too Many Requests"}`, "TooManyRequestsException")
	w.wantREST("unready", ask("/unready"), 500, internal, "InternalServerErrorException")
	for what, c := range map[string]struct {
		answer, failure string
		err             error
		status          int
		body            string
	}{
		"function failed":     {`{"errorMessage":"x"}`, "Unhandled", nil, 502, internal},
		"no JSON":             {`nonsense`, "", nil, 502, internal},
		"a list":              {`[]`, "", nil, 502, internal},
		"null":                {`null`, "", nil, 502, internal},
		"text":                {`"x"`, "", nil, 502, internal},
		"unknown member":      {`{"statusCode":200,"Body":"x"}`, "", nil, 502, internal},
		"status":              {`{"statusCode":"abc"}`, "", nil, 502, internal},
		"informational":       {`{"statusCode":101}`, "", nil, 502, internal},
		"body is an object":   {`{"body":{"a":1}}`, "", nil, 502, internal},
		"header of an object": {`{"headers":{"a":{}}}`, "", nil, 502, internal},
		"split":               {`{"headers":{"a":"b\r\nc: d"}}`, "", nil, 502, internal},
		"not permitted":       {"", "", ErrNotPermitted, 500, internal},
		"throttled":           {"", "", ErrThrottled, 500, internal},
		"timeout":             {"", "", ErrTimeout, 504, `{"message": "Endpoint request timed out"}`},
		"internal":            {"", "", errors.New("x"), 500, internal},
	} {
		fn.set(c.answer, c.failure, c.err)
		w.wantREST(what, ask("/f"), c.status, c.body, "InternalServerErrorException")
	}

	host := api.Host
	w.wantREST("default endpoint without a stage", w.ask(w.dial(w.config(host, nil)), get(host, "/")), 403, `{"message":"Forbidden"}`, "ForbiddenException")
	off, offStage := w.restAPI(route("GET /f", toFunction()))
	off.DisableDefaultEndpoint = true
	w.reach(w.restDomain("a.example.com", off, offStage))
	w.wantREST("default endpoint that is off", w.ask(w.dial(w.config(host, nil)), get(host, "/prod/f")), 403, `{"message":"Forbidden"}`, "ForbiddenException")
	fn.set(`{}`, "", nil)
	w.wantREST("domain", ask("/f"), 200, "", "")
}

// A body beyond the limit, and one whose event is too large for a function.
func TestLargeREST(t *testing.T) {
	t.Parallel()
	fn := &lambda{answer: `{}`}
	w := newWorld(t, func(c *Config) { c.Invoker = fn; c.Limits.BodyBytes = 7 << 20 })
	api, stage := w.restAPI(route("POST /f", toFunction()))
	w.reach(w.restDomain("a.example.com", api, stage))
	for size, sent := range map[int]int{largestEvent + 1: largestEvent + 1, 8 << 20: 0} {
		conn := w.dial(w.config("a.example.com", nil))
		r, err := exchange1(conn, with("POST", "a.example.com", "/f", fmt.Sprintf("Content-Length: %d", size), "Content-Type: text/plain")+strings.Repeat("x", sent))
		if err != nil {
			t.Fatal(err)
		}
		w.wantREST(fmt.Sprint(size), r, 413, `{"message":"HTTP content length exceeded 10485760 bytes."}`, "RequestTooLargeException")
	}
}

// What a function's result becomes.
func TestResultsREST(t *testing.T) {
	t.Parallel()
	fn := &lambda{}
	w := newWorld(t, func(c *Config) { c.Invoker = fn })
	api, stage := w.restAPI(route("ANY /{p+}", toFunction()))
	stage.BinaryTypes = []string{"image/png"}
	w.reach(w.restDomain("a.example.com", api, stage))
	ask := func(result string, lines ...string) *response {
		t.Helper()
		fn.set(result, "", nil)
		return w.ask(w.dial(w.config("a.example.com", nil)), with("GET", "a.example.com", "/f", lines...))
	}
	r := ask(`{}`)
	if r.status != 200 || r.body != "" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("an empty object: %+v", r)
	}
	r = ask(`{"statusCode":"201","headers":{"X-One":"1","X-Both":"c","x-num":7,"x-bool":true,"x-null":null},"multiValueHeaders":{"X-Both":["a","b"],"Set-Cookie":["a=1","b=2"]},"body":"x"}`)
	if r.status != 201 || r.body != "x" || fmt.Sprint(r.header["X-Both"], r.header["Set-Cookie"], r.header["X-Num"], r.header["X-Bool"], r.header["X-Null"]) != "[a b c] [a=1 b=2] [7] [true] []" {
		t.Errorf("headers merge: %+v", r)
	}
	if r = ask(`{"headers":{"X-Both":"a"},"multiValueHeaders":{"X-Both":["a"]}}`); fmt.Sprint(r.header["X-Both"]) != "[a]" {
		t.Errorf("the same value twice: %v", r.header)
	}
	r = ask(`{"headers":{"Date":"then","Server":"mine","Connection":"close","content-length":"7","WWW-Authenticate":"Basic","X-Amzn-RequestId":"forged","X-Amzn-ErrorType":"forged","Transfer-Encoding":"chunked","Content-Type":"text/html"},"body":"x"}`)
	for name, want := range map[string]string{"Date": "then", "Server": "mine", "Connection": "close", "Content-Length": "7", "Www-Authenticate": "Basic", "X-Amzn-Requestid": "forged"} {
		if got := r.header.Get("X-Amzn-Remapped-" + name); got != want {
			t.Errorf("remapped %s: %q", name, got)
		}
	}
	if r.body != "x" || r.header.Get("Server") != "" || r.header.Get("Content-Type") != "text/html" {
		t.Errorf("remapped: %+v", r)
	}
	w.wantREST("forged headers", r, 200, "x", "")
	const png = `{"body":"iVBORw==","isBase64Encoded":true}`
	for accept, want := range map[string]string{
		"": "iVBORw==", "image/png": "\x89PNG", "IMAGE/png;q=1, text/html": "\x89PNG", "text/html, image/png": "iVBORw==",
	} {
		lines := []string{"Accept: " + accept}
		if accept == "" {
			lines = nil
		}
		if r = ask(png, lines...); r.body != want {
			t.Errorf("Accept %q: %q", accept, r.body)
		}
	}
	if r = ask(`{"body":"%%%","isBase64Encoded":true}`, "Accept: image/png"); r.status != 502 {
		t.Errorf("no base64: %+v", r)
	}
	fn.set(`{"body":"abc"}`, "", nil)
	if r = w.ask(w.dial(w.config("a.example.com", nil)), with("HEAD", "a.example.com", "/f")); r.status != 200 || r.body != "" || r.header.Get("Content-Length") != "3" {
		t.Errorf("HEAD: %+v", r)
	}
}

// Which bodies are text in an event.
func TestBinaryBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		types string
		kind  string
		want  bool
	}{
		{"", "image/png", false}, {"image/png", "image/png", true}, {"image/png", "Image/PNG; a=b", true}, {"image/png", "image/jpeg", false}, {"image/*", "image/png", false},
		{"*/*", "", true}, {"*/*", "text/plain", true}, {"application/json", "", true}, {"a/b image/png", "image/png", true},
	} {
		if got := isBinary(strings.Fields(c.types), c.kind); got != c.want {
			t.Errorf("%q among %q: %t", c.kind, c.types, got)
		}
	}
}

// A MOCK integration answers by itself.
func TestMock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := route("ANY /cors", &snapshot.Integration{ID: "m", Type: snapshot.Mock, Answers: map[string]*snapshot.MockAnswer{
		"application/json": {Status: 200, Header: map[string]string{"Access-Control-Allow-Origin": "*", "X-From": "mock"}, Bodies: map[string]string{"application/json": `{"a":1}`, "text/plain": "a"}},
		"text/plain":       {Status: 204, Bodies: map[string]string{"application/json": "{}"}},
		"text/xml":         {},
	}})
	strict := route("ANY /strict", &snapshot.Integration{ID: "s", Type: snapshot.Mock, Strict: true, Answers: map[string]*snapshot.MockAnswer{"text/plain": {Status: 200}}})
	api, stage := w.restAPI(r, strict)
	w.reach(w.restDomain("a.example.com", api, stage))
	ask := func(method, path string, lines ...string) *response {
		t.Helper()
		return w.ask(w.dial(w.config("a.example.com", nil)), with(method, "a.example.com", path, lines...))
	}
	got := ask("OPTIONS", "/cors")
	w.wantREST("preflight", got, 200, `{"a":1}`, "")
	if got.header.Get("Access-Control-Allow-Origin") != "*" || got.header.Get("X-From") != "mock" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", got.header)
	}
	w.wantREST("text", ask("GET", "/cors", "Accept: text/plain;q=0.5, application/json"), 200, "a", "")
	w.wantREST("HEAD", ask("HEAD", "/cors"), 200, "", "")
	w.wantREST("204", ask("GET", "/cors", "Content-Type: text/plain"), 204, "", "")
	w.wantREST("no answer", ask("GET", "/cors", "Content-Type: text/xml"), 500, `{"message": "Internal server error"}`, "InternalServerErrorException")
	w.wantREST("unknown type", ask("GET", "/cors", "Content-Type: image/png"), 500, `{"message": "Internal server error"}`, "InternalServerErrorException")
	w.wantREST("no type", ask("GET", "/cors", "Content-Type: ;;"), 415, `{"message":"Unsupported Media Type"}`, "BadRequestException")
	w.wantREST("strict", ask("GET", "/strict"), 415, `{"message":"Unsupported Media Type"}`, "BadRequestException")
	w.wantREST("strict, text", ask("GET", "/strict", "Content-Type: text/plain"), 200, "", "")
}

// A backend of a REST API gets what parameters set, what the client sent otherwise, and the gateway's headers.
func TestProxyREST(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	up := newBackend(t)
	anchor := root(t, "Client Root")
	leaf := anchor.client(t, "My Client")
	in := toHTTP(up.url + "/base/{a}/{b}?fixed=1&v={c}")
	source := func(from, name string) snapshot.Source { return snapshot.Source{From: from, Name: name} }
	in.Parameters = []snapshot.Parameter{
		{To: snapshot.FromPath, Name: "a", Value: source(snapshot.FromPath, "id")},
		{To: snapshot.FromPath, Name: "b", Value: source(snapshot.FromHeader, "x-part")},
		{To: snapshot.FromPath, Name: "c", Value: source(snapshot.FromStageVariable, "color")},
		{To: snapshot.FromHeader, Name: "x-client-subject", Value: source(snapshot.FromContext, "identity.clientCert.subjectDN")},
		{To: snapshot.FromHeader, Name: "X-Pem", Value: source(snapshot.FromContext, "identity.clientCert.clientCertPem")},
		{To: snapshot.FromHeader, Name: "X-Literal", Value: source(snapshot.FromLiteral, "as it is")},
		{To: snapshot.FromHeader, Name: "X-Absent", Value: source(snapshot.FromQuery, "absent")},
		{To: snapshot.FromQuery, Name: "q", Value: source(snapshot.FromLiteral, "a&b=c")},
		{To: snapshot.FromQuery, Name: "from", Value: source(snapshot.FromQuery, "two")},
	}
	api, stage := w.restAPI(route("ANY /pets/{id}", in))
	d := w.restDomain("a.example.com", api, stage)
	d.Mutual = &snapshot.Mutual{Trust: store(anchor)}
	w.reach(d)
	ask := func(path string, lines ...string) *response {
		t.Helper()
		return w.ask(w.dial(w.config("a.example.com", leaf.tls())), with("GET", "a.example.com", path, lines...))
	}
	r := ask("/pets/a%20b?q=client&two=1&two=2&kept=x", "X-Part: p/q?r", "X-Client-Subject: CN=forged", "X_Client_Subject: CN=forged", "X-Absent: client", "Max-Forwards: 3", "Authorization: kept")
	w.wantREST("proxied", r, 200, "hello", "")
	sent := up.last(t)
	line, headers, _ := strings.Cut(sent, "\r\n")
	if want := "GET /base/a%20b/p%2Fq%3Fr?fixed=1&v=blue&two=1&two=2&kept=x&q=a%26b%3Dc&from=2 HTTP/1.1"; line != want {
		t.Errorf("request line %q,\nwant %q", line, want)
	}
	for _, want := range []string{
		"X-Client-Subject: O=Example,CN=My Client\r\n", "X-Literal: as it is\r\n", "Authorization: kept\r\n", "x-amzn-apigateway-api-id: rest123456\r\n", "X-Amzn-Trace-Id: Root=1-",
		"X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Port: ", "X-Pem: -----BEGIN CERTIFICATE----- M", " -----END CERTIFICATE-----\r\n",
	} {
		if !strings.Contains(headers, want) {
			t.Errorf("%q is not in\n%s", want, headers)
		}
	}
	for _, no := range []string{"forged", "X-Absent", "Max-Forwards", "Forwarded: ", "Via: "} {
		if strings.Contains(strings.ReplaceAll(headers, "X-Forwarded", "X"), no) {
			t.Errorf("%q is in\n%s", no, headers)
		}
	}
	if r.header.Get("X-Amzn-Remapped-Content-Length") != "5" {
		t.Errorf("answer headers %v", r.header)
	}
	if r = ask("/pets/x", "X-Part: .."); r.status != 400 {
		t.Errorf("a parameter led out of the path: %d", r.status)
	}
	if r = ask("/pets/%2e%2e", "X-Part: p"); r.status != 400 {
		t.Errorf("a variable led out of the path: %d", r.status)
	}
	if before := up.count(); before != 1 {
		t.Errorf("%d requests", before)
	}
}

func token(ttl time.Duration, pattern string) *snapshot.Authorizer {
	return &snapshot.Authorizer{ID: "token1", Type: snapshot.TokenAuthorizer, Function: authorizerARN, TTL: ttl, Pattern: pattern, Sources: header("Authorization")}
}

func asking(ttl time.Duration, sources ...snapshot.Source) *snapshot.Authorizer {
	return &snapshot.Authorizer{ID: "reqst1", Type: snapshot.RequestAuthorizer, Function: authorizerARN, TTL: ttl, Sources: sources}
}

// Lambda authorizers of REST APIs: what they are asked, what their answers lead to.
func TestAuthorizersREST(t *testing.T) {
	t.Parallel()
	fn := newLambdas(policyAnswer(statement("Allow", "execute-api:Invoke", "*")))
	fn.echo.set(`{"body":"in"}`, "", nil)
	w := newWorld(t, func(c *Config) { c.Invoker, c.ParsePolicy = fn, parsePolicy })
	anchor := root(t, "Client, Root")
	leaf := issue(t, anchor, ecKey(t), "My Client", asClient, func(c *goCertificate) { c.SerialNumber = big.NewInt(77) })
	api, stage := w.restAPI(
		guarded(route("POST /pets/{id}", toFunction()), asking(0, header("x-key")[0], snapshot.Source{From: snapshot.FromQuery, Name: "q"})),
		guarded(route("GET /token", toFunction()), token(time.Minute, `^Bearer [a-z]+$`)),
		guarded(route("GET /other", toFunction()), token(time.Minute, `^Bearer [a-z]+$`)),
		guarded(route("GET /open", toFunction()), asking(0)),
	)
	api.ID = "api1234567" // as statement has it
	d := w.restDomain("api.example.com", api, stage)
	d.Mutual = &snapshot.Mutual{Trust: store(anchor)}
	w.publish(snapshotOf(d))
	_, port, _ := strings.Cut(w.addr, ":")
	ask := func(method, path string, lines ...string) *response {
		t.Helper()
		return w.ask(w.dial(w.config("api.example.com", leaf.tls(anchor))), with(method, "api.example.com:"+port, path, lines...))
	}
	w.wantREST("request", ask("POST", "/shop/pets/a%20b?q=1&q=2", "User-Agent: test/1.0", "X-Key: secret", "Content-Length: 0"), 200, "in", "")
	in := fn.authorizer.last(t)
	golden(t, "authorizer-rest-request.json", in.Payload, port)
	if want := "arn:aws:execute-api:eu-central-1:111122223333:api1234567/authorizers/reqst1"; in.SourceARN != want {
		t.Errorf("invoked as %s, want %s", in.SourceARN, want)
	}
	w.wantREST("no source", ask("POST", "/pets/x", "X-Key: secret", "Content-Length: 0"), 401, `{"message":"Unauthorized"}`, "UnauthorizedException")
	w.wantREST("no token", ask("GET", "/token"), 401, `{"message":"Unauthorized"}`, "UnauthorizedException")
	before := fn.authorizer.count()
	w.wantREST("token of another form", ask("GET", "/token", "Authorization: Bearer 7"), 401, `{"message":"Unauthorized"}`, "UnauthorizedException")
	if fn.authorizer.count() != before {
		t.Error("the function was asked about a token of another form")
	}
	for range 2 {
		w.wantREST("token", ask("GET", "/token", "Authorization: Bearer me"), 200, "in", "")
	}
	w.wantREST("token elsewhere", ask("GET", "/other/", "Authorization: Bearer me"), 200, "in", "")
	if got := fn.authorizer.count() - before; got != 1 {
		t.Errorf("the function was asked %d times for one identity", got)
	}
	if got, want := string(fn.authorizer.last(t).Payload), `{"type":"TOKEN","authorizationToken":"Bearer me","methodArn":"arn:aws:execute-api:eu-central-1:111122223333:api1234567/prod/GET/token"}`; got != want {
		t.Errorf("a TOKEN authorizer is asked %s, want %s", got, want)
	}

	const failed = `{"message":null}`
	n := 0
	for what, c := range map[string]struct {
		answer, failure string
		err             error
		status          int
		body, errorType string
	}{
		"denied":             {policyAnswer(statement("Deny", "execute-api:Invoke", "*")), "", nil, 403, `{"Message":"User is not authorized to access this resource with an explicit deny"}`, "AccessDeniedException"},
		"not mentioned":      {policyAnswer(statement("Allow", "execute-api:Invoke", "prod/GET/elsewhere")), "", nil, 403, `{"Message":"User is not authorized to access this resource"}`, "AccessDeniedException"},
		"unknown":            {`{"errorMessage":"Unauthorized","errorType":"Error"}`, "Unhandled", nil, 401, `{"message":"Unauthorized"}`, "UnauthorizedException"},
		"failed":             {`{"errorMessage":"unauthorized"}`, "Unhandled", nil, 500, failed, "AuthorizerConfigurationException"},
		"error":              {"", "", errors.New("x"), 500, failed, "AuthorizerConfigurationException"},
		"nonsense":           {`nonsense`, "", nil, 500, failed, "AuthorizerConfigurationException"},
		"simple":             {`{"isAuthorized":true}`, "", nil, 500, failed, "AuthorizerConfigurationException"},
		"context of objects": {strings.TrimSuffix(policyAnswer(statement("Allow", "execute-api:Invoke", "*")), "}") + `,"context":{"a":{}}}`, "", nil, 500, failed, "AuthorizerConfigurationException"},
	} {
		fn.authorizer.set(c.answer, c.failure, c.err)
		n++
		w.wantREST(what, ask("GET", "/token", "Authorization: Bearer "+strings.Repeat("x", n)), c.status, c.body, c.errorType)
	}
	fn.authorizer.set(strings.TrimSuffix(policyAnswer(statement("Allow", "execute-api:Invoke", "prod/GET/open")), "}")+`,"context":{"text":"<a>","number":1.50,"yes":true,"none":null}}`, "", nil)
	w.wantREST("context", ask("GET", "/open"), 200, "in", "")
	var event struct {
		RequestContext struct{ Authorizer json.RawMessage }
	}
	if err := json.Unmarshal(fn.echo.last(t).Payload, &event); err != nil {
		t.Fatal(err)
	}
	if got, want := string(event.RequestContext.Authorizer), `{"number":"1.50","principalId":"me","text":"<a>","yes":"true"}`; got != want {
		t.Errorf("the integration is told %s, want %s", got, want)
	}
}

// A resource policy alone has to allow; beside an authorizer one of both has to; what it denies is denied.
func TestResourcePolicy(t *testing.T) {
	t.Parallel()
	allow, silent := policyAnswer(statement("Allow", "execute-api:Invoke", "*")), policyAnswer(statement("Allow", "execute-api:Invoke", "none"))
	deny := policyAnswer(statement("Deny", "execute-api:Invoke", "*"))
	rule := func(effect, address string) string {
		return fmt.Sprintf(`{"Effect":%q,"Principal":"*","Action":"execute-api:Invoke","Resource":"arn:aws:execute-api:eu-central-1:111122223333:api1234567/*","Condition":{"IpAddress":{"aws:SourceIp":%q}}}`, effect, address)
	}
	const us, them = "127.0.0.0/8", "192.0.2.0/24"
	fn := newLambdas("")
	fn.echo.set(`{"body":"in"}`, "", nil)
	w := newWorld(t, func(c *Config) {
		c.Invoker, c.ParsePolicy, c.ParseResourcePolicy = fn, parsePolicy, parseResourcePolicy
	})
	for _, c := range []struct {
		policy, path, answer string
		status               int
		body                 string
	}{
		{rule("Allow", us), "/open", "", 200, "in"},
		{rule("Allow", them), "/open", "", 403, `{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:eu-central-1:********3333:api1234567/prod/GET/open"}`},
		{rule("Allow", us) + "," + rule("Deny", us), "/open", "", 403, `{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:eu-central-1:********3333:api1234567/prod/GET/open with an explicit deny"}`},
		{rule("Allow", us), "/guarded", silent, 200, "in"},
		{rule("Allow", them), "/guarded", allow, 200, "in"},
		{rule("Allow", them), "/guarded", silent, 403, `{"Message":"User is not authorized to access this resource"}`},
		{rule("Allow", us), "/guarded", deny, 403, `{"Message":"User is not authorized to access this resource with an explicit deny"}`},
		{rule("Deny", us), "/guarded", allow, 403, ""},
	} {
		fn.authorizer.set(c.answer, "", nil)
		api, stage := w.restAPI(route("GET /open", toFunction()), guarded(route("GET /guarded", toFunction()), asking(0)))
		api.ID = "api1234567"
		stage.Policy = json.RawMessage(`{"Version":"2012-10-17","Statement":[` + c.policy + `]}`)
		d := w.restDomain("a.example.com", api, stage)
		w.publish(snapshotOf(d))
		asked := fn.authorizer.count()
		r := w.ask(w.dial(w.config("a.example.com", nil)), get("a.example.com", c.path))
		if r.status != c.status || c.body != "" && r.body != c.body {
			t.Errorf("%s with %s and %s: %d %s", c.path, c.policy, c.answer, r.status, r.body)
		}
		if strings.Contains(c.policy, "Deny") && fn.authorizer.count() != asked {
			t.Errorf("%s: an authorizer was asked about who is denied", c.policy)
		}
	}
	// One that cannot be read is not passed over.
	api, stage := w.restAPI(route("GET /open", toFunction()))
	stage.Policy = json.RawMessage(`{"Statement":[]}`)
	d := w.restDomain("a.example.com", api, stage)
	if problems, err := w.edge.Publish(snapshotOf(d)); err != nil || len(problems) != 1 {
		t.Errorf("%v, %v", problems, err)
	}
	w.wantREST("unreadable", w.ask(w.dial(w.config("a.example.com", nil)), get("a.example.com", "/open")), 500, "", "InternalServerErrorException")
}

// Over HTTP/2 the same is said; header names are in lower case there.
func TestHTTP2REST(t *testing.T) {
	t.Parallel()
	fn := &lambda{answer: `{"body":"in"}`}
	w := newWorld(t, func(c *Config) { c.Invoker = fn })
	api, stage := w.restAPI(route("GET /f", toFunction()))
	w.reach(w.restDomain("a.example.com", api, stage))
	transport := &http.Transport{TLSClientConfig: w.config("a.example.com", nil), ForceAttemptHTTP2: true}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, w.addr)
	}
	defer transport.CloseIdleConnections()
	for path, want := range map[string]int{"/f": 200, "/none": 403} {
		r, err := transport.RoundTrip(mustRequest(t, "https://a.example.com"+path))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.ProtoMajor != 2 || r.StatusCode != want || !uuidForm.MatchString(r.Header.Get("X-Amzn-Requestid")) {
			t.Errorf("%s: %s %d %v %s", path, r.Proto, r.StatusCode, r.Header, body)
		}
	}
}

func mustRequest(t testing.TB, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// FuzzResultREST: whatever a function answers is a response that HTTP can carry, or an error.
func FuzzResultREST(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"statusCode":200,"headers":{"a":"b"},"multiValueHeaders":{"c":["d",1,true,null]},"body":"x","isBase64Encoded":true}`, `{"body":"eA==","isBase64Encoded":true}`,
		`[]`, `null`, `"x"`, `{"statusCode":"404"}`, `{"headers":{"a":{}}}`, `{"headers":{"":""}}`,
	} {
		f.Add([]byte(seed))
	}
	x := &exchange{r: mustRequest(f, "https://a.example.com/"), target: target{stage: &snapshot.Stage{BinaryTypes: []string{"*/*"}}}}
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := x.resultREST(payload)
		if err != nil {
			return
		}
		if r.status < 200 || r.status > 599 {
			t.Fatalf("status %d", r.status)
		}
		var head bytes.Buffer
		h := http.Header{}
		for name, values := range r.header {
			remap(h, name, values)
		}
		if err := h.Write(&head); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(head.String(), "\n"); lines != strings.Count(head.String(), "\r\n") {
			t.Fatalf("a header with a line of its own: %q", head.String())
		}
	})
}

// FuzzFlatContext: what authorizers give along is text, or an error.
func FuzzFlatContext(f *testing.F) {
	for _, seed := range []string{`{"a":"b","c":1.50,"d":true,"e":null}`, `{"a":{}}`, `{"a":[]}`, `{}`, `{"":""}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, context []byte) {
		flat, err := flatContext(context)
		if err != nil || flat == nil {
			return
		}
		var members map[string]string
		if err := json.Unmarshal(flat, &members); err != nil {
			t.Fatalf("%s of %s: %v", flat, context, err)
		}
	})
}
