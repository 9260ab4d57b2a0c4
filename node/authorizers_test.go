package node

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"countersign/edge"
)

// Issuers are reached over TLS that is trusted, and only so much is read.
func TestIssuers(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "in the clear") }))
	t.Cleanup(plain.Close)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ten":
			fmt.Fprint(w, "0123456789")
		case "/moved":
			http.Redirect(w, r, "/ten", http.StatusFound)
		case "/away":
			http.Redirect(w, r, plain.URL, http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	trusted := newIssuers(roots)
	for path, limit := range map[string]int64{"/ten": 10, "/moved": 11} {
		if body, err := trusted.Fetch(context.Background(), server.URL+path, limit); err != nil || string(body) != "0123456789" {
			t.Errorf("%s: %q, %v", path, body, err)
		}
	}
	for address, want := range map[string]string{
		server.URL + "/missing": "404", server.URL + "/away": "away from https", server.URL + "/loop": "redirected too often", plain.URL: "not an https URL", "file:///etc/passwd": "not an https URL",
	} {
		if _, err := trusted.Fetch(context.Background(), address, 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	if _, err := trusted.Fetch(context.Background(), server.URL+"/ten", 9); err == nil || !strings.Contains(err.Error(), "more than 9 bytes") {
		t.Errorf("ten bytes of nine: %v", err)
	}
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := trusted.Fetch(short, server.URL+"/slow", 10); err == nil {
		t.Error("a fetch outlives its context")
	}
	if _, err := newIssuers(x509.NewCertPool()).Fetch(context.Background(), server.URL+"/ten", 10); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an issuer that nobody vouches for: %v", err)
	}
}

func TestAuthorizerPolicies(t *testing.T) {
	t.Parallel()
	const format = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":%q}]}`
	const arn = "arn:aws:execute-api:eu-west-1:000000000000:api/$default/GET/pets"
	p, err := parseAuthorizerPolicy(fmt.Appendf(nil, format, arn))
	if err != nil {
		t.Fatal(err)
	}
	if p.Evaluate("execute-api:Invoke", arn, nil) != edge.Allow || p.Evaluate("execute-api:Invoke", arn+"/1", nil) == edge.Allow || p.Evaluate("lambda:InvokeFunction", arn, nil) == edge.Allow {
		t.Error("the policy does not say what it says")
	}
	for _, document := range []string{
		fmt.Sprintf(format, strings.Repeat("x", 513)), `{}`, ``, `[]`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`,
	} {
		if _, err := parseAuthorizerPolicy([]byte(document)); err == nil {
			t.Errorf("%.80s is taken for the policy of an authorizer", document)
		}
	}
}
