package edge

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/edge/snapshot"

	"github.com/go-jose/go-jose/v4"
)

const issuerURL = "https://issuer.example.com/pool"

// An issuerServer is a Fetcher that publishes an issuer's documents.
type issuerServer struct {
	mu        sync.Mutex
	documents map[string]string
	failure   error
	fetched   []string
}

func (i *issuerServer) Fetch(ctx context.Context, url string, limit int64) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetched = append(i.fetched, url)
	if _, ok := ctx.Deadline(); !ok {
		return nil, errors.New("fetched without a deadline")
	}
	if i.failure != nil {
		return nil, i.failure
	}
	document, ok := i.documents[url]
	if !ok || int64(len(document)) > limit {
		return nil, errors.New("404 or too long")
	}
	return []byte(document), nil
}

func (i *issuerServer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.fetched)
}

func (i *issuerServer) set(failure error, keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		panic(err)
	}
	i.failure, i.documents = failure, map[string]string{
		issuerURL + "/.well-known/openid-configuration": `{"issuer":"` + issuerURL + `","jwks_uri":"https://keys.example.com/jwks"}`,
		"https://keys.example.com/jwks":                 string(set),
	}
}

func testRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	return rsaKey(t, bits).(*rsa.PrivateKey)
}

func public(key *rsa.PrivateKey, id string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: &key.PublicKey, KeyID: id}
}

// signed is a token; kid "" leaves it out.
func signed(t testing.TB, algorithm jose.SignatureAlgorithm, key any, kid, claims string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func claimsOf(t testing.TB, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": issuerURL, "aud": "app", "exp": start.Add(time.Hour).Unix(), "nbf": start.Unix(), "iat": start.Unix(), "sub": "me"}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == "absent" })
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	key, other, weak := testRSA(t, 2048), testRSA(t, 2048), testRSA(t, 1024)
	published := &issuerServer{}
	bound := public(other, "rs384")
	bound.Algorithm = "RS384"
	encryption := public(other, "enc")
	encryption.Use = "enc"
	published.set(nil, public(key, "one"), public(weak, "weak"), bound, encryption, jose.JSONWebKey{Key: ecKey(t).Public(), KeyID: "ec"})
	fn := &lambda{answer: `{"statusCode":200,"body":"in"}`}
	w := newWorld(t, func(c *Config) { c.Invoker, c.Fetcher = fn, published })
	a := &snapshot.Authorizer{ID: "jwt", Type: snapshot.JWTAuthorizer, Sources: header("authorization"), Issuer: issuerURL, Audience: []string{"app", "app2"}}
	query := &snapshot.Authorizer{ID: "query", Type: snapshot.JWTAuthorizer, Sources: []snapshot.Source{{From: snapshot.FromQuery, Name: "t"}}, Issuer: issuerURL, Audience: []string{"app"}}
	w.publish(snapshotOf(w.domain("a.example.com", nil, guarded(route("GET /any", toLambda("2.0")), a), guarded(route("GET /scoped", toLambda("2.0")), a, "read", "write"),
		guarded(route("GET /query", toLambda("1.0")), query), route("GET /open", toLambda("2.0")))))
	conn := w.dial(w.config("a.example.com", nil))
	good := func(changes map[string]any) string { return signed(t, jose.RS256, key, "one", claimsOf(t, changes)) }
	parts := strings.Split(good(nil), ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"one"}`)) + "." + parts[1] + "."
	tampered := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(claimsOf(t, map[string]any{"sub": "root"}))) + "." + parts[2]
	der, err := json.Marshal(public(key, "one"))
	if err != nil {
		t.Fatal(err)
	}
	const audience, expired, early, malformed, unknown = "the token does not have a valid audience", "the token has expired", "the token is not valid yet",
		"the token is malformed or signed with an algorithm other than RS256, RS384 and RS512", "the token's key is not one of the issuer's"
	for name, test := range map[string]struct {
		path, token string
		refused     string // "": let in
	}{
		"good":                       {"/any", "Bearer " + good(nil), ""},
		"without Bearer":             {"/any", good(nil), ""},
		"bearer":                     {"/any", "bearer  " + good(nil), ""},
		"RS512":                      {"/any", signed(t, jose.RS512, key, "one", claimsOf(t, nil)), ""},
		"key bound to its algorithm": {"/any", signed(t, jose.RS384, other, "rs384", claimsOf(t, nil)), ""},
		"key of another algorithm":   {"/any", signed(t, jose.RS256, other, "rs384", claimsOf(t, nil)), unknown},
		"aud in a list":              {"/any", good(map[string]any{"aud": []string{"x", "app2"}}), ""},
		"client_id without aud":      {"/any", good(map[string]any{"aud": "absent", "client_id": "app"}), ""},
		"client_id beside aud":       {"/any", good(map[string]any{"aud": "x", "client_id": "app"}), audience},
		"client_id in a list":        {"/any", good(map[string]any{"aud": "absent", "client_id": []string{"app"}}), audience},
		"no aud":                     {"/any", good(map[string]any{"aud": "absent"}), audience},
		"aud null":                   {"/any", good(map[string]any{"aud": nil, "client_id": "app"}), audience},
		"another issuer":             {"/any", good(map[string]any{"iss": issuerURL + "/"}), "the token does not have a valid issuer"},
		"no issuer":                  {"/any", good(map[string]any{"iss": "absent"}), "the token does not have a valid issuer"},
		"expires now":                {"/any", good(map[string]any{"exp": start.Unix()}), expired},
		"expires in a second":        {"/any", good(map[string]any{"exp": start.Unix() + 1}), ""},
		"never expires":              {"/any", good(map[string]any{"exp": "absent"}), expired},
		"exp is text":                {"/any", good(map[string]any{"exp": "9999999999"}), expired},
		"not before":                 {"/any", good(map[string]any{"nbf": start.Unix() + 1}), early},
		"issued later":               {"/any", good(map[string]any{"iat": start.Unix() + 1}), early},
		"without nbf and iat":        {"/any", good(map[string]any{"nbf": "absent", "iat": "absent"}), ""},
		"alg none":                   {"/any", none, malformed},
		"HMAC with the public key":   {"/any", signed(t, jose.HS256, der, "one", claimsOf(t, nil)), malformed},
		"PSS":                        {"/any", signed(t, jose.PS256, key, "one", claimsOf(t, nil)), malformed},
		"ECDSA":                      {"/any", signed(t, jose.ES256, ecKey(t), "ec", claimsOf(t, nil)), malformed},
		"tampered with":              {"/any", tampered, "the token's signature is invalid"},
		"signed by another key":      {"/any", signed(t, jose.RS256, other, "one", claimsOf(t, nil)), "the token's signature is invalid"},
		"unknown key":                {"/any", signed(t, jose.RS256, key, "two", claimsOf(t, nil)), unknown},
		"no kid":                     {"/any", signed(t, jose.RS256, key, "", claimsOf(t, nil)), "the token does not name its key"},
		"key for encryption":         {"/any", signed(t, jose.RS256, other, "enc", claimsOf(t, nil)), unknown},
		"claims are a list":          {"/any", signed(t, jose.RS256, key, "one", `[1]`), "the token's claims are not a JSON object"},
		"claims are null":            {"/any", signed(t, jose.RS256, key, "one", `null`), "the token's claims are not a JSON object"},
		"no token":                   {"/any", "hello", malformed},
		"dots":                       {"/any", "..", malformed},
		"a scope":                    {"/scoped", good(map[string]any{"scope": "x write"}), ""},
		"scp":                        {"/scoped", good(map[string]any{"scp": []string{"read"}}), ""},
		"scope wins over scp":        {"/scoped", good(map[string]any{"scope": "x", "scp": []string{"read"}}), "403"},
		"no scope":                   {"/scoped", good(nil), "403"},
		"part of a scope":            {"/scoped", good(map[string]any{"scope": "reader"}), "403"},
		"expired, of a scope":        {"/scoped", good(map[string]any{"exp": 1, "scope": "read"}), expired},
		"in the query":               {"/query?t=" + good(nil), "", ""},
		"twice in the query":         {"/query?t=" + good(nil) + "&t=x", "", "the token cannot be verified"},
	} {
		lines := []string{}
		if test.token != "" {
			lines = append(lines, "Authorization: "+test.token)
		}
		r := w.ask(conn, with("GET", "a.example.com", test.path, lines...))
		status, challenge := 200, ""
		scopes := ""
		if test.path == "/scoped" {
			scopes = "read write"
		}
		switch test.refused {
		case "":
		case "403":
			status, challenge = 403, `Bearer scope="read write" error="insufficient_scope" error_description="the token has none of the scopes of the route"`
		default:
			status, challenge = 401, `Bearer scope="`+scopes+`" error="invalid_token" error_description="`+test.refused+`"`
		}
		if got := r.header.Get("Www-Authenticate"); r.status != status || got != challenge {
			t.Errorf("%s: %d %s, want %d %s", name, r.status, got, status, challenge)
		}
	}
	for what, lines := range map[string][]string{"no header": nil, "an empty header": {"Authorization:"}} {
		r := w.ask(conn, with("GET", "a.example.com", "/any", lines...))
		if r.status != 401 || r.body != `{"message":"Unauthorized"}` || r.header.Get("Www-Authenticate") != "Bearer" {
			t.Errorf("%s: %d %s %v", what, r.status, r.body, r.header)
		}
	}
	if r := w.ask(conn, with("GET", "a.example.com", "/any", "Authorization: "+good(nil), "Authorization: "+good(nil))); r.status != 401 {
		t.Errorf("two tokens: %d", r.status)
	}
	if len(w.edge.view.Load().issuers) != 1 {
		t.Error("two authorizers of one issuer do not share its keys")
	}

	// What integrations are told, in both formats.
	w.wantStatus(w.ask(conn, with("GET", "a.example.com", "/scoped", "Authorization: "+good(map[string]any{
		"scope": "read x", "groups": []any{"a", 1, true}, "n": 1.5, "big": json.Number("12345678901234567890"), "yes": true, "none": nil, "nbf": "absent", "iat": "absent",
	}))), 200, "in")
	told := func(want string) {
		t.Helper()
		var event struct {
			RequestContext struct{ Authorizer json.RawMessage }
		}
		if err := json.Unmarshal(fn.last(t).Payload, &event); err != nil || string(event.RequestContext.Authorizer) != want {
			t.Errorf("authorizer %s (%v), want %s", event.RequestContext.Authorizer, err, want)
		}
	}
	told(fmt.Sprintf(`{"jwt":{"claims":{"aud":"app","big":"12345678901234567890","exp":"%d","groups":"[a 1 true]","iss":%q,"n":"1.5","scope":"read x","sub":"me","yes":"true"},"scopes":["read"]}}`,
		start.Add(time.Hour).Unix(), issuerURL))
	w.wantStatus(w.ask(conn, with("GET", "a.example.com", "/query?t="+good(map[string]any{"nbf": "absent", "iat": "absent"}))), 200, "in")
	told(fmt.Sprintf(`{"claims":{"aud":"app","exp":"%d","iss":%q,"sub":"me"},"scopes":null}`, start.Add(time.Hour).Unix(), issuerURL))
}

// Keys are fetched when they are needed, not again before two hours are over
// or a new one appears, and never often.
func TestIssuerKeys(t *testing.T) {
	t.Parallel()
	one, two := testRSA(t, 2048), testRSA(t, 2048)
	published := &issuerServer{}
	published.set(errors.New("down"))
	w := newWorld(t, func(c *Config) { c.Invoker, c.Fetcher = &lambda{answer: `{"statusCode":200}`}, published })
	a := &snapshot.Authorizer{ID: "jwt", Type: snapshot.JWTAuthorizer, Sources: header("authorization"), Issuer: issuerURL, Audience: []string{"app"}}
	s := snapshotOf(w.domain("a.example.com", nil, guarded(route("GET /", toLambda("2.0")), a)))
	w.publish(s)
	conn := w.dial(w.config("a.example.com", nil))
	long := map[string]any{"exp": start.Add(1000 * time.Hour).Unix()}
	first, second := signed(t, jose.RS256, one, "one", claimsOf(t, long)), signed(t, jose.RS256, two, "two", claimsOf(t, long))
	expect := func(what, token string, status, fetches int, description string) {
		t.Helper()
		before := published.count()
		r := w.ask(conn, with("GET", "a.example.com", "/", "Authorization: Bearer "+token))
		if got := published.count() - before; r.status != status || got != fetches || !strings.Contains(r.header.Get("Www-Authenticate"), description) {
			t.Errorf("%s: %d %q after %d fetches, want %d %q after %d", what, r.status, r.header.Get("Www-Authenticate"), got, status, description, fetches)
		}
	}
	const down, unknown = "OIDC discovery endpoint communication error", "is not one of the issuer's"
	expect("the issuer is down", first, 401, 1, down)
	published.set(nil, public(one, "one"))
	expect("at once again", first, 401, 0, down)
	w.clock.advance(retryFailed)
	expect("later", first, 200, 2, "")
	expect("from memory", first, 200, 0, "")
	published.set(nil, public(one, "one"), public(two, "two"))
	expect("a new key at once", second, 401, 0, unknown)
	w.clock.advance(retryUnknown)
	expect("a new key later", second, 200, 2, "")
	w.publish(s)
	expect("after a publication", first, 200, 0, "")
	w.clock.advance(keysLast)
	published.set(errors.New("down"))
	expect("old keys and no issuer", first, 401, 1, down)
	published.set(nil, public(two, "two"))
	w.clock.advance(retryFailed)
	expect("a key that was withdrawn", first, 401, 2, unknown)
	expect("the other one", second, 200, 0, "")

	// Documents that are not what they should be.
	for name, change := range map[string]func(map[string]string){
		"another issuer": func(d map[string]string) {
			d[issuerURL+"/.well-known/openid-configuration"] = `{"issuer":"https://evil.test","jwks_uri":"https://keys.example.com/jwks"}`
		},
		"keys without TLS": func(d map[string]string) {
			d[issuerURL+"/.well-known/openid-configuration"] = `{"issuer":"` + issuerURL + `","jwks_uri":"http://keys.example.com/jwks"}`
		},
		"no JSON":          func(d map[string]string) { d[issuerURL+"/.well-known/openid-configuration"] = `<html>` },
		"keys are no JSON": func(d map[string]string) { d["https://keys.example.com/jwks"] = `<html>` },
		"too many bytes":   func(d map[string]string) { d["https://keys.example.com/jwks"] += strings.Repeat(" ", issuerBytes) },
		"no keys":          func(d map[string]string) { delete(d, "https://keys.example.com/jwks") },
	} {
		w.clock.advance(keysLast)
		published.mu.Lock()
		change(published.documents)
		published.mu.Unlock()
		before := published.count()
		r := w.ask(conn, with("GET", "a.example.com", "/", "Authorization: Bearer "+second))
		if r.status != 401 || !strings.Contains(r.header.Get("Www-Authenticate"), down) || published.count() == before {
			t.Errorf("%s: %d %v", name, r.status, r.header)
		}
		published.set(nil, public(two, "two"))
	}
}

// Foreign bytes: no token and no set of keys makes the edge panic, and none is
// let in that the key did not sign.
func FuzzToken(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	good := signed(f, jose.RS256, key, "one", claimsOf(f, nil))
	f.Add(good)
	f.Add("a.b.c")
	f.Add(`{"payload":"","signatures":[]}`)
	i := &issuer{url: issuerURL}
	i.keys.Store(&keySet{byID: map[string][]jose.JSONWebKey{"one": {public(key, "one")}}, at: start})
	g := &guard{Authorizer: &snapshot.Authorizer{Issuer: issuerURL, Audience: []string{"app"}}, issuer: i}
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := g.verify(context.Background(), token, start); err == nil && strings.SplitN(token, ".", 3)[0] != strings.SplitN(good, ".", 3)[0] {
			t.Errorf("%q was let in", token)
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC"},null,5,{"kty":"RSA","kid":"a","x5c":["AAAA"]}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, err := readKeys(document)
		for id := range keys {
			if id == "" || err != nil {
				t.Errorf("keys %v with error %v", keys, err)
			}
		}
	})
}

func FuzzVerdict(f *testing.F) {
	f.Add([]byte(`{"isAuthorized":true,"context":{"a":1}}`), true)
	f.Add([]byte(policyAnswer(statement("Allow", "execute-api:Invoke", "*"))), false)
	f.Fuzz(func(t *testing.T, payload []byte, simple bool) {
		v, err := readVerdict(payload, simple, parsePolicy)
		if err != nil {
			return
		}
		if simple != (v.policy == nil) {
			t.Errorf("%s: policy %v", payload, v.policy)
		}
		if _, err := marshalEvent(v.v2()); err != nil {
			t.Error(err)
		}
		if _, err := marshalEvent(v.v1()); err != nil {
			t.Error(err)
		}
	})
}
