package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"countersign/edge/snapshot"
	"countersign/policy"
)

const authorizerARN = "arn:aws:lambda:eu-central-1:111122223333:function:authorizer"

// lambdas answers by function.
type lambdas struct{ authorizer, echo *lambda }

func newLambdas(answer string) *lambdas {
	return &lambdas{authorizer: &lambda{answer: answer}, echo: &lambda{answer: `{"statusCode":200,"body":"in"}`}}
}

func (l *lambdas) Invoke(ctx context.Context, in Invocation) ([]byte, string, error) {
	if in.FunctionARN == authorizerARN {
		// The timers of a context are the real clock's.
		if end, ok := ctx.Deadline(); !ok || time.Until(end) > authorizerTimeout || time.Until(end) < authorizerTimeout/2 {
			return nil, "", fmt.Errorf("an authorizer has until %v", end)
		}
		return l.authorizer.Invoke(ctx, in)
	}
	return l.echo.Invoke(ctx, in)
}

func (l *lambda) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls)
}

// parsedPolicy adapts package policy as the node does.
type parsedPolicy struct{ document *policy.Document }

func (p parsedPolicy) Evaluate(action, resource string, keys map[string][]string) Effect {
	return map[policy.Decision]Effect{policy.Allow: Allow, policy.Deny: Deny}[p.document.Evaluate(policy.Request{Action: action, Resource: resource, Keys: keys}).Decision]
}

func parsePolicy(document []byte) (Policy, error) {
	d, err := policy.Parse(document, policy.Identity)
	return parsedPolicy{d}, err
}

func parseResourcePolicy(document []byte) (Policy, error) {
	d, err := policy.Parse(document, policy.Resource)
	return parsedPolicy{d}, err
}

func header(names ...string) []snapshot.Source {
	var all []snapshot.Source
	for _, n := range names {
		all = append(all, snapshot.Source{From: snapshot.FromHeader, Name: n})
	}
	return all
}

func request(format string, simple bool, ttl time.Duration, sources ...snapshot.Source) *snapshot.Authorizer {
	return &snapshot.Authorizer{ID: "auth12", Type: snapshot.RequestAuthorizer, Function: authorizerARN, Payload: format, Simple: simple, TTL: ttl, Sources: sources}
}

func guarded(r *snapshot.Route, a *snapshot.Authorizer, scopes ...string) *snapshot.Route {
	r.Authorizer, r.Scopes = a, scopes
	return r
}

func guardedWorld(t testing.TB, fn *lambdas) *world {
	return newWorld(t, func(c *Config) { c.Invoker, c.ParsePolicy = fn, parsePolicy })
}

// with is a request with header lines.
func with(method, host, path string, lines ...string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

// Whole events of authorizers, compared with reviewed files, and what the
// integration is told of their answer.
func TestAuthorizerEvents(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"1.0", "2.0"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			fn := newLambdas(`{"principalId":"me","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*"}]},
				"context":{"text":"<a>","number":1.50,"list":[1,"b"],"none":null}}`)
			w := guardedWorld(t, fn)
			anchor := root(t, "Client, Root")
			leaf := issue(t, anchor, ecKey(t), "My Client", asClient, func(c *goCertificate) { c.SerialNumber = big.NewInt(77) })
			d := w.domain("api.example.com", store(anchor))
			api := w.api("api1234567")
			a := request(format, false, 0, header("authorization")[0], snapshot.Source{From: snapshot.FromQuery, Name: "q"},
				snapshot.Source{From: snapshot.FromStageVariable, Name: "color"}, snapshot.Source{From: snapshot.FromContext, Name: "identity.clientCert.subjectDN"})
			api.Stages["prod"] = &snapshot.Stage{Name: "prod", Variables: map[string]string{"color": "blue"},
				Routes: []*snapshot.Route{guarded(route("POST /pets/{id}", toLambda(format)), a)}}
			d.Mappings = []snapshot.Mapping{{Segments: []string{"shop"}, API: api, Stage: api.Stages["prod"]}}
			w.publish(snapshotOf(d))
			_, port, _ := strings.Cut(w.addr, ":")
			conn := w.dial(w.config("api.example.com", leaf.tls(anchor)))
			r := w.ask(conn, with("POST", "api.example.com:"+port, "/shop/pets/a%20b?q=1&q=2", "User-Agent: test/1.0", "Authorization: secret", "Cookie: a=b", "Content-Length: 4")+"body")
			w.wantStatus(r, 200, "in")
			in := fn.authorizer.last(t)
			golden(t, "authorizer-"+format+".json", in.Payload, port)
			if want := "arn:aws:execute-api:eu-central-1:111122223333:api1234567/authorizers/auth12"; in.SourceARN != want || in.Account != "111122223333" {
				t.Errorf("invoked as %s of %s, want %s", in.SourceARN, in.Account, want)
			}
			var event struct {
				Body           string
				RequestContext struct{ Authorizer json.RawMessage }
			}
			if err := json.Unmarshal(fn.echo.last(t).Payload, &event); err != nil {
				t.Fatal(err)
			}
			want := `{"lambda":{"text":"<a>","number":1.50,"list":[1,"b"],"none":null}}`
			if format == "1.0" {
				want = `{"list":[1,"b"],"none":null,"number":1.50,"principalId":"me","text":"<a>"}`
			}
			if string(event.RequestContext.Authorizer) != want || event.Body != "Ym9keQ==" {
				t.Errorf("the integration is told %s and body %q, want %s", event.RequestContext.Authorizer, event.Body, want)
			}
		})
	}
}

func statement(effect, action, resource string) string {
	return fmt.Sprintf(`{"Effect":%q,"Action":%q,"Resource":"arn:aws:execute-api:eu-central-1:111122223333:api1234567/%s"}`, effect, action, resource)
}

func policyAnswer(statements ...string) string {
	return `{"principalId":"me","policyDocument":{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}}`
}

// Every answer that a function can give, and what becomes of the request.
func TestAuthorizerAnswers(t *testing.T) {
	t.Parallel()
	fn := newLambdas("")
	w := guardedWorld(t, fn)
	simple, full := request("2.0", true, 0), request("2.0", false, 0)
	w.publish(snapshotOf(w.domain("a.example.com", nil, guarded(route("GET /simple", toLambda("2.0")), simple),
		guarded(route("GET /policy/{id}", toLambda("2.0")), full), route("GET /open", toLambda("2.0")))))
	conn := w.dial(w.config("a.example.com", nil))
	const unauthorized, forbidden, failed = `{"message":"Unauthorized"}`, `{"message":"Forbidden"}`, `{"message":"Internal Server Error"}`
	for _, test := range []struct {
		path, answer, failure string
		err                   error
		status                int
		body                  string
	}{
		{"/simple", `{"isAuthorized":true}`, "", nil, 200, "in"},
		{"/simple", `{"isAuthorized":true,"context":null}`, "", nil, 200, "in"},
		{"/simple", `{"isAuthorized":false,"context":{"a":1}}`, "", nil, 403, forbidden},
		{"/simple", `{"isauthorized":true}`, "", nil, 500, failed},
		{"/simple", `{"isAuthorized":"true"}`, "", nil, 200, "in"},
		{"/simple", `{"isAuthorized":"false"}`, "", nil, 403, forbidden},
		{"/simple", `{"isAuthorized":"yes"}`, "", nil, 500, failed},
		{"/simple", `{"isAuthorized":1}`, "", nil, 500, failed},
		{"/simple", `{"isAuthorized":null}`, "", nil, 500, failed},
		{"/simple", `{}`, "", nil, 500, failed},
		{"/simple", `null`, "", nil, 500, failed},
		{"/simple", `[true]`, "", nil, 500, failed},
		{"/simple", `not JSON`, "", nil, 500, failed},
		{"/simple", ``, "", nil, 500, failed},
		{"/simple", `{"isAuthorized":true,"context":"text"}`, "", nil, 500, failed},
		{"/simple", policyAnswer(statement("Allow", "execute-api:Invoke", "*")), "", nil, 500, failed},
		{"/simple", `{"isAuthorized":true}`, "Unhandled", nil, 500, failed},
		{"/simple", `{"isAuthorized":true}`, "", ErrNotPermitted, 500, failed},
		{"/simple", ``, "", ErrTimeout, 500, failed},
		{"/simple", ``, "", errors.New("broken"), 500, failed},
		{"/policy/1", policyAnswer(statement("Allow", "execute-api:Invoke", "$default/GET/policy/1")), "", nil, 200, "in"},
		{"/policy/1", policyAnswer(statement("Allow", "execute-api:*", "*/policy/?")), "", nil, 200, "in"},
		{"/policy/1", policyAnswer(statement("Allow", "execute-api:Invoke", "$default/POST/policy/1")), "", nil, 403, forbidden},
		{"/policy/1", policyAnswer(statement("Allow", "execute-api:Invoke", "prod/GET/*")), "", nil, 403, forbidden},
		{"/policy/1", policyAnswer(statement("Allow", "execute-api:ManageConnections", "*")), "", nil, 403, forbidden},
		{"/policy/1", policyAnswer(statement("Allow", "execute-api:Invoke", "*"), statement("Deny", "execute-api:Invoke", "$default/GET/policy/1")), "", nil, 403, forbidden},
		{"/policy/%31", policyAnswer(statement("Allow", "execute-api:Invoke", "*"), statement("Deny", "execute-api:Invoke", "$default/GET/policy/1")), "", nil, 403, forbidden},
		{"/%70olicy/1", policyAnswer(statement("Allow", "execute-api:Invoke", "*"), statement("Deny", "execute-api:Invoke", "$default/GET/policy/1")), "", nil, 403, forbidden},
		{"/policy/a%2Fb", policyAnswer(statement("Allow", "execute-api:Invoke", "$default/GET/policy/a/b")), "", nil, 403, forbidden},
		{"/policy/1", `{"policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}}`, "", nil, 500, failed},
		{"/policy/1", `{"principalId":"me"}`, "", nil, 500, failed},
		{"/policy/1", `{"principalId":"me","policyDocument":{"Statement":[]}}`, "", nil, 500, failed},
		{"/policy/1", `{"principalId":"me","policyDocument":"text"}`, "", nil, 500, failed},
		{"/policy/1", `{"isAuthorized":true}`, "", nil, 500, failed},
		{"/policy/" + strings.Repeat("x", 1600), `never asked`, "", nil, 414, ""},
		{"/open", `never asked`, "", nil, 200, "in"},
	} {
		fn.authorizer.set(test.answer, test.failure, test.err)
		before := fn.echo.count()
		r := w.ask(conn, get("a.example.com", test.path))
		if r.status != test.status || test.body != "" && r.body != test.body {
			t.Errorf("%.40s answered %.80s %q %v: got %d %s, want %d %s", test.path, test.answer, test.failure, test.err, r.status, r.body, test.status, test.body)
		}
		if called := fn.echo.count() > before; called != (test.status == 200) {
			t.Errorf("%.40s answered %.80s: integration called: %v", test.path, test.answer, called)
		}
	}
	// Without what would evaluate a policy, nobody is let in by one.
	bare := newWorld(t, func(c *Config) { c.Invoker = fn })
	fn.authorizer.set(policyAnswer(statement("Allow", "execute-api:Invoke", "*")), "", nil)
	bare.publish(snapshotOf(bare.domain("a.example.com", nil, guarded(route("GET /", toLambda("2.0")), full))))
	bare.wantStatus(bare.ask(bare.dial(bare.config("a.example.com", nil)), get("a.example.com", "/")), 500, failed)
}

// A preflight is answered before the authorizer; a refusal carries the headers that let a page read it.
func TestAuthorizerWithCORS(t *testing.T) {
	t.Parallel()
	fn := newLambdas(`{"isAuthorized":false}`)
	w := guardedWorld(t, fn)
	d := w.domain("a.example.com", nil, guarded(route("$default", toLambda("2.0")), request("2.0", true, 0, header("x-key")...)))
	d.Mappings[0].Stage.CORS = &snapshot.CORS{Origins: []string{"https://app.test"}}
	w.publish(snapshotOf(d))
	conn := w.dial(w.config("a.example.com", nil))
	w.wantStatus(w.ask(conn, with("OPTIONS", "a.example.com", "/", "Origin: https://app.test", "Access-Control-Request-Method: GET")), 204, "")
	if fn.authorizer.count() != 0 {
		t.Error("a preflight reached the authorizer")
	}
	r := w.ask(conn, with("GET", "a.example.com", "/", "Origin: https://app.test"))
	w.wantStatus(r, 401, `{"message":"Unauthorized"}`)
	if got := r.header.Get("Access-Control-Allow-Origin"); got != "https://app.test" {
		t.Errorf("401 with Access-Control-Allow-Origin %q", got)
	}
}

// What a client writes into its path is never a pattern in the ARN.
func TestRequestARN(t *testing.T) {
	t.Parallel()
	fn := newLambdas(`{"isAuthorized":true}`)
	w := guardedWorld(t, fn)
	w.publish(snapshotOf(w.domain("a.example.com", nil, guarded(route("$default", toLambda("2.0")), request("2.0", true, 0)))))
	conn := w.dial(w.config("a.example.com", nil))
	for path, want := range map[string]string{
		"/": "/", "/a/b/": "/a/b/", "/a%2fb%61": "/a%2Fba", "/*/%2A?q=*": "/%2A/%2A", "/%3f": "/%3F", "/${a}/$b": "/%24{a}/$b", "/%C3%A4": "/ä",
	} {
		w.wantStatus(w.ask(conn, get("a.example.com", path)), 200, "in")
		var event struct{ RouteARN string }
		if err := json.Unmarshal(fn.authorizer.last(t).Payload, &event); err != nil {
			t.Fatal(err)
		}
		if want = "arn:aws:execute-api:eu-central-1:111122223333:api1234567/$default/GET" + want; event.RouteARN != want {
			t.Errorf("%s: %s, want %s", path, event.RouteARN, want)
		}
	}
}

// What is remembered, for whom, for how long, and what makes it forgotten.
func TestAuthorizerCache(t *testing.T) {
	t.Parallel()
	fn := newLambdas(`{"isAuthorized":true,"context":{"n":1}}`)
	w := guardedWorld(t, fn)
	perRoute := request("2.0", true, time.Minute, append(header("x-key"), snapshot.Source{From: snapshot.FromContext, Name: "routeKey"})...)
	perRoute.ID = "route1"
	policies := request("1.0", false, time.Minute, header("x-key")...)
	policies.ID = "policy"
	d := w.domain("a.example.com", nil,
		guarded(route("GET /a", toLambda("2.0")), request("2.0", true, time.Minute, header("x-key", "x-other")...)),
		guarded(route("GET /b", toLambda("2.0")), perRoute), guarded(route("GET /c", toLambda("2.0")), perRoute),
		guarded(route("GET /d/{id}", toLambda("2.0")), policies))
	s := snapshotOf(d)
	w.publish(s)
	conn := w.dial(w.config("a.example.com", nil))
	expect := func(what, path string, status, calls int, lines ...string) {
		t.Helper()
		before := fn.authorizer.count()
		r := w.ask(conn, with("GET", "a.example.com", path, lines...))
		if got := fn.authorizer.count() - before; r.status != status || got != calls {
			t.Errorf("%s: status %d after %d calls of the authorizer, want %d after %d", what, r.status, got, status, calls)
		}
	}
	expect("no identity", "/a", 401, 0)
	expect("half an identity", "/a", 401, 0, "x-key: 1")
	expect("an empty one", "/a", 401, 0, "x-key: 1", "x-other:")
	expect("first", "/a", 200, 1, "x-key: 1", "x-other: 2")
	expect("again", "/a", 200, 0, "X-Other: 2", "X-Key: 1")
	expect("parts moved from one source to the next", "/a", 200, 1, "x-key: 12", "x-other: 2")
	expect("two values, joined the same", "/a", 200, 1, "x-key: 1,2", "x-other: 2")
	expect("two values, joined the same", "/a", 200, 1, "x-key: 1", "x-key: 2", "x-other: 2")
	expect("of one route", "/b", 200, 1, "x-key: 1")
	expect("of another route", "/c", 200, 1, "x-key: 1")
	w.clock.advance(59 * time.Second)
	expect("just before the end", "/a", 200, 0, "x-key: 1", "x-other: 2")
	w.clock.advance(time.Second)
	expect("after the end", "/a", 200, 1, "x-key: 1", "x-other: 2")
	w.publish(s)
	expect("after a publication without a change", "/a", 200, 0, "x-key: 1", "x-other: 2")

	// A refusal is remembered, a failure is not.
	fn.authorizer.set(`{"isAuthorized":false}`, "", nil)
	expect("refused", "/a", 403, 1, "x-key: bad", "x-other: 2")
	fn.authorizer.set(`{"isAuthorized":true}`, "", nil)
	expect("refused from memory", "/a", 403, 0, "x-key: bad", "x-other: 2")
	fn.authorizer.set(``, "Unhandled", nil)
	expect("failed", "/a", 500, 1, "x-key: new", "x-other: 2")
	fn.authorizer.set(`{"isAuthorized":true}`, "", nil)
	expect("after a failure", "/a", 200, 1, "x-key: new", "x-other: 2")

	// A remembered policy is applied to each path.
	fn.authorizer.set(policyAnswer(statement("Allow", "execute-api:Invoke", "*/d/mine")), "", nil)
	expect("by policy", "/d/mine", 200, 1, "x-key: 1")
	expect("by the same policy", "/d/theirs", 403, 0, "x-key: 1")

	// ResetAuthorizersCache raises the epoch.
	fn.authorizer.set(`{"isAuthorized":false}`, "", nil)
	d.Mappings[0].Stage.AuthorizerEpoch++
	w.publish(s)
	expect("after a reset", "/a", 403, 1, "x-key: 1", "x-other: 2")
}

// The cache holds no more than it may.
func TestAuthorizerCacheIsBounded(t *testing.T) {
	t.Parallel()
	var c answerCache
	c.init(16 * 10_000)
	for i := range 5000 {
		key := [32]byte{byte(i), byte(i >> 8)}
		c.remember(key, &verdict{cost: 1000, until: start.Add(time.Hour)}, start)
		if c.recall(key, start) == nil {
			t.Fatal("what was just remembered is gone")
		}
	}
	c.remember([32]byte{1, 255}, &verdict{cost: 10_001, until: start.Add(time.Hour)}, start)
	if c.recall([32]byte{1, 255}, start) != nil {
		t.Error("an answer that is larger than a shard is kept")
	}
	for i := range c.shards {
		held := 0
		for _, v := range c.shards[i].answers {
			held += v.cost
		}
		if held != c.shards[i].held || held > 10_000 {
			t.Errorf("shard %d holds %d bytes and counts %d", i, held, c.shards[i].held)
		}
	}
}

// An authorizer that does not answer takes ten seconds at most; when the client
// leaves, the call ends.
func TestAuthorizerIsLeftWithTheClient(t *testing.T) {
	t.Parallel()
	fn := newLambdas(`{"isAuthorized":true}`)
	fn.authorizer.wait = make(chan struct{})
	w := guardedWorld(t, fn)
	w.publish(snapshotOf(w.domain("a.example.com", nil, guarded(route("GET /", toLambda("2.0")), request("2.0", true, 0)))))
	conn := w.dial(w.config("a.example.com", nil))
	if _, err := conn.Write([]byte(get("a.example.com", "/"))); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if fn.authorizer.count() > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	conn.Close()
	close(fn.authorizer.wait)
	w.wantStatus(w.ask(w.dial(w.config("a.example.com", nil)), get("a.example.com", "/")), 200, "in")
}

// An authorizer that the edge does not know closes its API.
func TestAuthorizerOfUnknownType(t *testing.T) {
	t.Parallel()
	fn := newLambdas("")
	for _, a := range []*snapshot.Authorizer{
		{ID: "x", Type: "TOKEN"}, {ID: "x", Type: snapshot.RequestAuthorizer, Payload: "2.0"}, {ID: "x", Type: snapshot.RequestAuthorizer, Function: authorizerARN, Payload: "3.0"},
		{ID: "x", Type: snapshot.JWTAuthorizer, Sources: header("a"), Issuer: "https://i.test"}, {ID: "x", Type: snapshot.JWTAuthorizer, Issuer: "https://i.test", Audience: []string{"a"}},
	} {
		w := guardedWorld(t, fn)
		if problems, err := w.edge.Publish(snapshotOf(w.domain("a.example.com", nil, guarded(route("GET /", toLambda("2.0")), a)))); err != nil || len(problems) == 0 {
			t.Errorf("%+v: problems %v, error %v", a, problems, err)
		}
		w.wantStatus(w.ask(w.dial(w.config("a.example.com", nil)), get("a.example.com", "/")), 500, "")
	}
	if fn.echo.count() > 0 {
		t.Error("the integration was called")
	}
}

// Every variable that the control plane lets through is an identity source here:
// the authorizer is asked, and with the value.
func TestContextVariables(t *testing.T) {
	t.Parallel()
	fn := newLambdas(`{"isAuthorized":true}`)
	w := guardedWorld(t, fn)
	anchor := root(t, "Client Root")
	var sources []snapshot.Source
	for _, name := range snapshot.ContextVariables() {
		sources = append(sources, snapshot.Source{From: snapshot.FromContext, Name: name})
	}
	w.publish(snapshotOf(w.domain("a.example.com", store(anchor), guarded(route("GET /x", toLambda("2.0")), request("2.0", true, 0, sources...)))))
	conn := w.dial(w.config("a.example.com", anchor.client(t, "client").tls()))
	w.wantStatus(w.ask(conn, with("GET", "a.example.com", "/x", "User-Agent: test")), 200, "in")
	var event struct{ IdentitySource []string }
	if err := json.Unmarshal(fn.authorizer.last(t).Payload, &event); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"111122223333", "api1234567", "a.example.com", "a", "GET", "127.0.0.1", "test"} {
		if event.IdentitySource[i] != want {
			t.Errorf("$context.%s is %q, want %q", sources[i].Name, event.IdentitySource[i], want)
		}
	}
	// One of them without a value is an identity that is missing.
	w.wantStatus(w.ask(conn, get("a.example.com", "/x")), 401, "")
}
