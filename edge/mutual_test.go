package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/edge/snapshot"
	"countersign/pki"
)

const forbidden = `{"message":"Forbidden"}`

// TestClients goes through the kinds of clients, with both versions of TLS.
func TestClients(t *testing.T) {
	t.Parallel()
	anchor := root(t, "Client Root")
	sub := anchor.sub(t, "Client Sub", 0)
	below := issue(t, sub, ecKey(t), "Too Deep", asCA(-1)) // against the sub's path length 0
	deep := anchor
	for _, name := range []string{"L1", "L2", "L3", "L4"} {
		deep = deep.sub(t, name, -1)
	}
	absent := anchor.sub(t, "Not In Bundle", 0)
	stranger := root(t, "Stranger")
	own := issue(t, nil, ecKey(t), "Own", asClient)
	bundle := []*entity{anchor, sub, below, deep.issuer.issuer.issuer, deep.issuer.issuer, deep.issuer, deep, own}
	revokedLeaf := sub.client(t, "revoked")
	revokedSub := anchor.sub(t, "Revoked Sub", 0)
	bundle = append(bundle, revokedSub)

	withUsage := func(usages ...x509.ExtKeyUsage) tweak {
		return func(c *x509.Certificate) { c.ExtKeyUsage = usages }
	}
	rsaRoot := issue(t, nil, rsaKey(t, 2048), "RSA Root", asCA(-1))
	bundle = append(bundle, rsaRoot)

	cases := []struct {
		name   string
		cert   *tls.Certificate
		reason pki.Reason
	}{
		{"valid", sub.client(t, "valid").tls(), pki.Valid},
		{"valid, with its chain", sub.client(t, "valid").tls(sub, anchor), pki.Valid},
		{"valid, RSA-2048", issue(t, rsaRoot, rsaKey(t, 2048), "rsa", asClient).tls(), pki.Valid},
		{"no extended key usage", sub.client(t, "no EKU", withUsage()).tls(), pki.Valid},
		{"self-signed in bundle", own.tls(), pki.Valid},
		{"wrong CA", stranger.client(t, "wrong").tls(stranger), pki.Untrusted},
		{"self-signed not in bundle", issue(t, nil, ecKey(t), "Self", asClient).tls(), pki.Untrusted},
		{"intermediate missing", absent.client(t, "orphan").tls(), pki.Untrusted},
		{"intermediate sent by the client only", absent.client(t, "orphan").tls(absent), pki.Untrusted},
		{"expired", sub.client(t, "old", func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Second) }).tls(), pki.Expired},
		{"not yet valid", sub.client(t, "new", func(c *x509.Certificate) { c.NotBefore = start.Add(time.Minute) }).tls(), pki.NotYetValid},
		{"server authentication only", sub.client(t, "server", withUsage(x509.ExtKeyUsageServerAuth)).tls(), pki.PurposeInvalid},
		{"RSA-1024", issue(t, sub, rsaKey(t, 1024), "short", asClient).tls(), pki.TypeUnsupported},
		{"SHA-1", issue(t, rsaRoot, ecKey(t), "sha1", asClient, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }).tls(), pki.TypeUnsupported},
		{"path length broken", below.client(t, "below").tls(), pki.DepthExceeded},
		{"chain too deep", deep.client(t, "deep").tls(), pki.DepthExceeded},
		{"a CA as client", sub.tls(), pki.PurposeInvalid},
		{"revoked leaf", revokedLeaf.tls(), pki.CRLHit},
		{"revoked intermediate", revokedSub.client(t, "below revoked").tls(), pki.CRLHit},
	}

	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, c := range cases {
			t.Run(tls.VersionName(version)+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				up := newBackend(t)
				w := newWorld(t)
				w.edge.Revocations().Add(IssuerKey(sub.cert), revokedLeaf.cert.SerialNumber.Bytes())
				w.edge.Revocations().Add(IssuerKey(anchor.cert), revokedSub.cert.SerialNumber.Bytes())
				w.publish(snapshotOf(w.domain("mtls.example.com", store(bundle...), route("GET /hello", toHTTP(up.url+"/up")))))
				config := w.config("mtls.example.com", c.cert)
				config.MaxVersion = version
				conn := w.dial(config)
				r := w.ask(conn, get("mtls.example.com", "/hello"))
				d := w.decision(0)
				if d.Reason != c.reason {
					t.Errorf("reason %s (%s), want %s", d.Reason, d.Detail, c.reason)
				}
				if d.Subject == "" || d.Serial == "" || d.Fingerprint == "" || d.Domain != "mtls.example.com" || !strings.HasPrefix(d.ID, "TID_") {
					t.Errorf("the decision does not say who was judged: %+v", d)
				}
				if c.reason == pki.Valid {
					w.wantStatus(r, 200, "hello")
					w.wantStatus(w.ask(conn, get("mtls.example.com", "/hello")), 200, "hello")
					return
				}
				w.wantStatus(r, 403, forbidden)
				if got := r.header.Get("X-Amzn-Errortype"); got != "ForbiddenException" {
					t.Errorf("x-amzn-errortype %q", got)
				}
				if !r.closed {
					t.Error("the connection is not closed after the refusal")
				}
				if up.count() != 0 {
					t.Error("the request reached the backend")
				}
			})
		}
	}
}

// simple is a world with one mutual domain, one issuer and one backend.
type simple struct {
	*world
	anchor, sub *entity
	up          *backend
	dom         *snapshot.Domain
}

func newSimple(t *testing.T, change ...func(*Config)) *simple {
	s := &simple{world: newWorld(t, change...), up: newBackend(t), anchor: root(t, "Client Root")}
	s.sub = s.anchor.sub(t, "Client Sub", 0)
	s.dom = s.domain("mtls.example.com", store(s.anchor, s.sub), route("GET /hello", toHTTP(s.up.url+"/up")), route("POST /hello", toHTTP(s.up.url+"/up")))
	s.publish(snapshotOf(s.dom))
	return s
}

// A client that is still sending its request when it is refused learns why: the
// connection is not reset under it.
func TestRefusalReachesAnEagerClient(t *testing.T) {
	t.Parallel()
	s := newSimple(t)
	conn, err := tls.Dial("tcp", s.addr, s.config("mtls.example.com", nil))
	if err != nil {
		t.Fatal(err) // in TLS 1.3 the client's part ends before the server has judged it
	}
	defer conn.Close()
	for range 3 {
		if _, err := conn.Write([]byte(get("mtls.example.com", "/hello"))); err != nil {
			t.Fatalf("send: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || err.Error() != "remote error: tls: certificate required" {
		t.Errorf("got error %v, want the alert", err)
	}
	if got := s.lastDecision(); got.Reason != pki.Missing {
		t.Errorf("recorded %+v", got)
	}
}

func TestNoClientCertificate(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := newSimple(t)
		config := s.config("mtls.example.com", nil)
		config.MaxVersion = version
		conn, err := tls.Dial("tcp", s.addr, config)
		if err == nil {
			_, err = exchange1(conn, get("mtls.example.com", "/hello"))
			conn.Close()
		}
		want := "remote error: tls: certificate required"
		if version == tls.VersionTLS12 {
			want = "remote error: tls: handshake failure" // TLS 1.2 has no other (RFC 5246, 7.4.6)
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", tls.VersionName(version), err, want)
		}
		if d := s.decision(0); d.Reason != pki.Missing || d.Domain != "mtls.example.com" || d.Remote == "" {
			t.Errorf("decision %+v, want %s", d, pki.Missing)
		}
		if s.up.count() != 0 {
			t.Error("the request reached the backend")
		}
	}
}

func TestUnknownServerName(t *testing.T) {
	t.Parallel()
	s := newSimple(t)
	for _, name := range []string{"other.example.com", "a.mtls.example.com", "example.com", ""} {
		seen := false
		config := s.config(name, nil)
		config.InsecureSkipVerify = true // it is the server's refusal that is tested
		config.VerifyConnection = func(tls.ConnectionState) error { seen = true; return nil }
		_, err := tls.Dial("tcp", s.addr, config)
		if err == nil || err.Error() != "remote error: tls: unrecognized name" {
			t.Errorf("%q: %v, want alert unrecognized_name", name, err)
		}
		if seen {
			t.Errorf("%q: a certificate was presented", name)
		}
		if d := s.decision(0); d.Reason != UnknownServerName {
			t.Errorf("%q: %s, want %s", name, d.Reason, UnknownServerName)
		}
	}
}

func TestOldTLS(t *testing.T) {
	t.Parallel()
	s := newSimple(t)
	config := s.config("mtls.example.com", s.sub.client(t, "c").tls())
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := tls.Dial("tcp", s.addr, config); err == nil {
		t.Fatal("TLS 1.1 was accepted")
	}
	if d := s.decision(0); d.Reason != HandshakeFailed {
		t.Errorf("reason %s, want %s", d.Reason, HandshakeFailed)
	}
}

// dialResumed makes a full handshake, one request so that the ticket arrives,
// and a second connection, which must be resumed unless the test says not.
func (w *world) dialResumed(config *tls.Config, between func(), wantResumed bool) *tls.Conn {
	w.t.Helper()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	first := w.dial(config)
	if r := w.ask(first, get(config.ServerName, "/hello")); r.status != 200 {
		w.t.Fatalf("first connection: %d %s", r.status, r.body)
	}
	first.Close()
	between()
	second := w.dial(config)
	if got := second.ConnectionState().DidResume; got != wantResumed {
		w.t.Fatalf("resumed: %v, want %v", got, wantResumed)
	}
	return second
}

// Every session that is resumed is judged again.
func TestResumption(t *testing.T) {
	t.Parallel()
	versions := []uint16{tls.VersionTLS12, tls.VersionTLS13}
	run := func(name string, wantResumed bool, status int, reason pki.Reason, between func(s *simple, leaf *entity)) {
		for _, version := range versions {
			t.Run(tls.VersionName(version)+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := newSimple(t)
				leaf := s.sub.client(t, "resumer")
				config := s.config("mtls.example.com", leaf.tls())
				config.MaxVersion = version
				conn := s.dialResumed(config, func() { between(s, leaf) }, wantResumed)
				r := s.ask(conn, get("mtls.example.com", "/hello"))
				s.wantStatus(r, status, "")
				d := s.lastDecision()
				if d.Reason != reason || d.Resumed != wantResumed {
					t.Errorf("decision %s, resumed %v; want %s, %v", d.Reason, d.Resumed, reason, wantResumed)
				}
			})
		}
	}
	run("unchanged", true, 200, pki.Valid, func(*simple, *entity) {})
	run("leaf revoked", true, 403, pki.CRLHit, func(s *simple, leaf *entity) {
		s.edge.Revocations().Add(IssuerKey(s.sub.cert), leaf.cert.SerialNumber.Bytes())
	})
	run("intermediate revoked", true, 403, pki.CRLHit, func(s *simple, _ *entity) {
		s.edge.Revocations().Add(IssuerKey(s.anchor.cert), s.sub.cert.SerialNumber.Bytes())
	})
	run("trust store changed", false, 403, pki.Untrusted, func(s *simple, _ *entity) {
		d := *s.dom
		d.Mutual = &snapshot.Mutual{Trust: store(root(t, "Another Root"))}
		s.publish(snapshotOf(&d)) // the ticket key of the snapshot stays: ours must not
	})
	run("trust store changed and back", false, 200, pki.Valid, func(s *simple, _ *entity) {
		d := *s.dom
		d.Mutual = &snapshot.Mutual{Trust: store(s.anchor, s.sub, root(t, "One More"))}
		s.publish(snapshotOf(&d))
	})
	run("unrelated publish", true, 200, pki.Valid, func(s *simple, _ *entity) {
		d := *s.dom
		d.Mutual = &snapshot.Mutual{Trust: store(s.anchor, s.sub)} // parsed again, the same certificates
		s.publish(snapshotOf(&d, s.domain("more.example.com", nil)))
	})
}

// The clock moves past the end of an intermediate: crypto/tls itself only
// looks at the leaf of a resumed session.
func TestResumedAfterExpiry(t *testing.T) {
	t.Parallel()
	s := newSimple(t)
	short := issue(t, s.anchor, ecKey(t), "Short Sub", asCA(0), func(c *x509.Certificate) { c.NotAfter = start.Add(time.Hour) })
	d := *s.dom
	d.Mutual = &snapshot.Mutual{Trust: store(s.anchor, short)}
	s.publish(snapshotOf(&d))
	config := s.config("mtls.example.com", short.client(t, "outlives its CA").tls())
	conn := s.dialResumed(config, func() { s.clock.advance(2 * time.Hour) }, true)
	s.wantStatus(s.ask(conn, get("mtls.example.com", "/hello")), 403, forbidden)
	if d := s.lastDecision(); d.Reason != pki.Expired || !d.Resumed {
		t.Errorf("decision %+v, want a resumed %s", d, pki.Expired)
	}

	leaf := s.anchor.client(t, "short", func(c *x509.Certificate) { c.NotAfter = start.Add(4 * time.Hour) })
	config = s.config("mtls.example.com", leaf.tls())
	conn = s.dialResumed(config, func() { s.clock.advance(3 * time.Hour) }, false)
	s.wantStatus(s.ask(conn, get("mtls.example.com", "/hello")), 403, forbidden)
	if d := s.lastDecision(); d.Reason != pki.Expired {
		t.Errorf("decision %s, want %s", d.Reason, pki.Expired)
	}
}

// A session of one domain is worth nothing on another, even if the snapshot
// gives both the same ticket key and the same trust store.
func TestResumedOnAnotherDomain(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := newSimple(t)
		other := s.domain("other.example.com", s.dom.Mutual.Trust, route("GET /hello", toHTTP(s.up.url)))
		other.TicketKey = s.dom.TicketKey
		open := s.domain("open.example.com", nil, route("GET /hello", toHTTP(s.up.url)))
		open.TicketKey = s.dom.TicketKey
		s.publish(snapshotOf(s.dom, other, open))
		for _, from := range []string{"mtls.example.com", "open.example.com"} {
			config := s.config(from, s.sub.client(t, "c").tls())
			config.MaxVersion = version
			config.ClientSessionCache = oneSession{tls.NewLRUClientSessionCache(1)}
			config.InsecureSkipVerify = true // Go's client would not offer the session for another name
			first := s.dial(config)
			s.wantStatus(s.ask(first, get(from, "/hello")), 200, "hello")
			first.Close()
			config.ServerName = "other.example.com"
			second := s.dial(config)
			if second.ConnectionState().DidResume {
				t.Errorf("%s: a session of %s was resumed on other.example.com", tls.VersionName(version), from)
			}
		}
	}
}

// oneSession offers whatever session there is, for any server.
type oneSession struct{ tls.ClientSessionCache }

func (c oneSession) Get(string) (*tls.ClientSessionState, bool) { return c.ClientSessionCache.Get("") }
func (c oneSession) Put(_ string, s *tls.ClientSessionState)    { c.ClientSessionCache.Put("", s) }

// What was accepted at the handshake is refused at a request once it is
// revoked, has ended, or is not trusted any more.
func TestRefusedOnOpenConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reason pki.Reason
		change func(s *simple, leaf *entity)
	}{
		"revoked": {pki.CRLHit, func(s *simple, leaf *entity) {
			s.edge.Revocations().Add(IssuerKey(s.sub.cert), leaf.cert.SerialNumber.Bytes())
		}},
		"ended":          {pki.Expired, func(s *simple, _ *entity) { s.clock.advance(365 * 24 * time.Hour) }},
		"clock set back": {pki.NotYetValid, func(s *simple, _ *entity) { s.clock.advance(-365 * 24 * time.Hour) }},
		"trust withdrawn": {pki.Untrusted, func(s *simple, _ *entity) {
			d := *s.dom
			d.Mutual = &snapshot.Mutual{Trust: store(root(t, "Another Root"))}
			s.publish(snapshotOf(&d))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimple(t)
			leaf := s.sub.client(t, "c")
			conn := s.dial(s.config("mtls.example.com", leaf.tls()))
			s.wantStatus(s.ask(conn, get("mtls.example.com", "/hello")), 200, "hello")
			s.edge.Revocations().Add(IssuerKey(s.sub.cert), []byte{99}) // of somebody else
			s.wantStatus(s.ask(conn, get("mtls.example.com", "/hello")), 200, "hello")
			c.change(s, leaf)
			r := s.ask(conn, get("mtls.example.com", "/hello"))
			s.wantStatus(r, 403, forbidden)
			if !r.closed {
				t.Error("the connection is not closed")
			}
			if d := s.lastDecision(); d.Reason != c.reason || !d.Later || d.ID != s.decision(0).ID {
				t.Errorf("decision %+v, want a later one with reason %s", d, c.reason)
			}
		})
	}
}

// A domain that becomes mutual does not go on with connections that were
// opened without a certificate; one that is deleted does not go on at all.
func TestDomainChangesUnderConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	up := newBackend(t)
	open := w.domain("a.example.com", nil, route("GET /hello", toHTTP(up.url)))
	w.publish(snapshotOf(open))
	one, two := w.dial(w.config("a.example.com", nil)), w.dial(w.config("a.example.com", nil))
	w.wantStatus(w.ask(one, get("a.example.com", "/hello")), 200, "hello")
	w.wantStatus(w.ask(two, get("a.example.com", "/hello")), 200, "hello")
	mutual := *open
	mutual.Mutual = &snapshot.Mutual{Trust: store(root(t, "R"))}
	w.publish(snapshotOf(&mutual))
	if r := w.ask(one, get("a.example.com", "/hello")); r.status != 421 || !r.closed {
		t.Errorf("answer %d, closed %v; want 421 and a closed connection", r.status, r.closed)
	}
	w.publish(snapshotOf())
	if r := w.ask(two, get("a.example.com", "/hello")); r.status != 421 || !r.closed {
		t.Errorf("answer %d, closed %v; want 421 and a closed connection", r.status, r.closed)
	}
}

func TestHostMustMatchSNI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	up := newBackend(t)
	anchor := root(t, "Client Root")
	trust := store(anchor)
	cert := anchor.client(t, "c").tls()
	s := snapshotOf(
		w.domain("a.example.com", trust, route("ANY /{p+}", toHTTP(up.url))),
		w.domain("b.example.com", trust, route("ANY /{p+}", toHTTP(up.url))),
		w.domain("open.example.com", nil, route("ANY /{p+}", toHTTP(up.url))),
		w.domain("*.wild.example.com", trust, route("ANY /{p+}", toHTTP(up.url))),
		w.domain("special.wild.example.com", trust, route("ANY /{p+}", toHTTP(up.url))),
	)
	api := w.api("defaultapi", route("ANY /{p+}", toHTTP(up.url)))
	second := w.api("secondapi0", route("ANY /{p+}", toHTTP(up.url)))
	s.APIs[api.ID], s.APIs[second.ID] = api, second
	const endpoints = ".execute-api.eu-central-1.amazonaws.com"
	s.Default = issue(t, w.roots, ecKey(t), "default", asServer("*"+endpoints)).tls()
	w.publish(s)

	cases := []struct {
		sni, host string
		status    int
	}{
		{"a.example.com", "a.example.com", 200},
		{"a.example.com", "A.Example.COM", 200},
		{"a.example.com", "a.example.com.", 200},
		{"a.example.com", "a.example.com:8443", 200},
		{"A.EXAMPLE.com", "a.example.com", 200},
		{"a.example.com", "b.example.com", 421},
		{"a.example.com", "open.example.com", 421},
		{"open.example.com", "a.example.com", 421},
		{"open.example.com", "a.example.com:443", 421},
		{"a.example.com", "unknown.example.com", 421},
		{"a.example.com", "127.0.0.1", 421},
		{"a.example.com", "[::1]:443", 421},
		{"a.example.com", "defaultapi" + endpoints, 421},
		{"x.wild.example.com", "x.wild.example.com", 200},
		{"x.wild.example.com", "y.wild.example.com", 200}, // the same domain
		{"x.wild.example.com", "special.wild.example.com", 421},
		{"x.wild.example.com", "x.y.wild.example.com", 421},
		{"defaultapi" + endpoints, "defaultapi" + endpoints, 200},
		{"defaultapi" + endpoints, "secondapi0" + endpoints, 421},
		{"defaultapi" + endpoints, "a.example.com", 421},
		{"defaultapi" + endpoints, "open.example.com", 421},
		{"nosuchapi0" + endpoints, "nosuchapi0" + endpoints, 403},
		{"", "defaultapi" + endpoints, 200},
		{"", "secondapi0" + endpoints, 200},
		{"", "a.example.com", 421},
		{"", "open.example.com", 421},
		{"", "127.0.0.1", 421},
	}
	for _, c := range cases {
		t.Run(c.sni+" "+c.host, func(t *testing.T) {
			t.Parallel()
			config := w.config(c.sni, cert)
			config.InsecureSkipVerify = true // names are what is tested
			conn := w.dial(config)
			if r := w.ask(conn, get(c.host, "/hello")); r.status != c.status {
				t.Errorf("HTTP/1.1: %d %s, want %d", r.status, r.body, c.status)
			}
			// The absolute form overrules Host (RFC 9112, 3.2.2): the check must see the same.
			if r := w.ask(conn, "GET https://"+c.host+"/hello HTTP/1.1\r\nHost: a.example.com\r\n\r\n"); r.status != c.status {
				t.Errorf("absolute form: %d %s, want %d", r.status, r.body, c.status)
			}
			config.NextProtos = []string{"h2"}
			h2 := w.dialH2(config)
			req, _ := http.NewRequest("GET", "https://"+c.host+"/hello", nil)
			if status, _ := roundTripH2(t, h2, req); status != c.status {
				t.Errorf("HTTP/2: %d, want %d", status, c.status)
			}
		})
	}
}

func (w *world) dialH2(config *tls.Config) *http.ClientConn {
	w.t.Helper()
	config = config.Clone()
	config.NextProtos = []string{"h2"}
	conn := w.dial(config)
	if p := conn.ConnectionState().NegotiatedProtocol; p != "h2" {
		w.t.Fatalf("negotiated %q", p)
	}
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	cc, err := transport.NewClientConn(context.Background(), "https", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { cc.Close() })
	return cc
}

func roundTripH2(t testing.TB, cc *http.ClientConn, req *http.Request) (int, string) {
	t.Helper()
	resp, err := cc.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// A refused HTTP/2 client is answered, and the connection ends with GOAWAY.
func TestRefusedHTTP2(t *testing.T) {
	t.Parallel()
	s := newSimple(t)
	cc := s.dialH2(s.config("mtls.example.com", root(t, "Stranger").client(t, "c").tls()))
	req, _ := http.NewRequest("GET", "https://mtls.example.com/hello", nil)
	if status, body := roundTripH2(t, cc, req); status != 403 || body != forbidden {
		t.Errorf("answer %d %s", status, body)
	}
	for range 500 {
		if cc.Available() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the connection still takes requests")
}

// One connection carries the requests of its client only as long as it is
// good, in HTTP/2 with requests at the same time too.
func TestRevokedHTTP2(t *testing.T) {
	t.Parallel()
	s := newSimple(t)
	leaf := s.sub.client(t, "c")
	cc := s.dialH2(s.config("mtls.example.com", leaf.tls()))
	req, _ := http.NewRequest("GET", "https://mtls.example.com/hello", nil)
	if status, _ := roundTripH2(t, cc, req); status != 200 {
		t.Fatalf("answer %d before the revocation", status)
	}
	s.edge.Revocations().Add(IssuerKey(s.sub.cert), leaf.cert.SerialNumber.Bytes())
	if status, _ := roundTripH2(t, cc, req); status != 403 {
		t.Errorf("answer %d after the revocation", status)
	}
}

// While it is not known who is revoked nobody is let in, or goes on.
func TestIncompleteRevocationsRefuse(t *testing.T) {
	t.Parallel()
	s := newSimple(t)
	leaf := s.sub.client(t, "c")
	s.edge.Revocations().Hold(errors.New("they are being read"))
	cc := s.dialH2(s.config("mtls.example.com", leaf.tls()))
	req, _ := http.NewRequest("GET", "https://mtls.example.com/hello", nil)
	if status, _ := roundTripH2(t, cc, req); status != 403 {
		t.Errorf("answer %d while revocations are not known", status)
	}
	s.edge.Revocations().Release()
	cc = s.dialH2(s.config("mtls.example.com", leaf.tls()))
	if status, _ := roundTripH2(t, cc, req); status != 200 {
		t.Errorf("answer %d when they are", status)
	}
	s.edge.Revocations().Hold(errors.New("they are read again"))
	if status, _ := roundTripH2(t, cc, req); status != 403 {
		t.Errorf("answer %d on a connection that was admitted, while revocations are not known", status)
	}
}

// Nothing is served before the first snapshot. What is wrong with one domain,
// API or route of a snapshot is not served, and everything else is.
func TestPublishLeavesOutWhatIsBroken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	up := newBackend(t)
	if _, err := tls.Dial("tcp", w.addr, w.config("a.example.com", nil)); err == nil {
		t.Error("a handshake succeeded before the first snapshot")
	}
	if _, err := w.edge.Publish(nil); err == nil {
		t.Error("nil was published")
	}
	// A wildcard that asks for no certificate stands by for every name.
	wild := w.domain("*.example.com", nil, route("$default", toHTTP(up.url)))
	wild.Mappings[0].API.ID, wild.Mappings[0].API.Host = "wild", ""
	good := w.domain("a.example.com", nil, route("GET /hello", toHTTP(up.url)))
	good.Mappings[0].API.ID, good.Mappings[0].API.Host = "good", ""
	trusted := root(t, "R")
	cert := trusted.client(t, "c").tls()
	const (
		closed = iota // no handshake
		fails         // 500
		serves        // another route does
	)
	for name, c := range map[string]struct {
		change func(*snapshot.Domain)
		want   int
	}{
		"unavailable":     {func(d *snapshot.Domain) { d.Unavailable = "its trust store cannot be read" }, closed},
		"no certificate":  {func(d *snapshot.Domain) { d.Certificate = nil }, closed},
		"no private key":  {func(d *snapshot.Domain) { d.Certificate.PrivateKey = nil }, closed},
		"no trust store":  {func(d *snapshot.Domain) { d.Mutual.Trust = nil }, closed},
		"empty store":     {func(d *snapshot.Domain) { d.Mutual.Trust = store() }, closed},
		"no ticket key":   {func(d *snapshot.Domain) { d.TicketKey = [32]byte{} }, closed},
		"upper-case name": {func(d *snapshot.Domain) { d.Name = "B.example.com" }, closed},
		"no API":          {func(d *snapshot.Domain) { d.Mappings[0].API = nil }, closed},
		"no stage":        {func(d *snapshot.Domain) { d.Mappings[0].Stage = nil }, closed},
		"unknown kind":    {func(d *snapshot.Domain) { d.Mappings[0].Stage.Routes[0].Integration.Type = "MOCK" }, fails},
		"relative URI":    {func(d *snapshot.Domain) { d.Mappings[0].Stage.Routes[0].Integration.URI = "/up" }, fails},
		"variable host":   {func(d *snapshot.Domain) { d.Mappings[0].Stage.Routes[0].Integration.URI = "http://{h}/" }, fails},
		"variable port":   {func(d *snapshot.Domain) { d.Mappings[0].Stage.Routes[0].Integration.URI = "http://h:{p}/" }, fails},
		"another scheme":  {func(d *snapshot.Domain) { d.Mappings[0].Stage.Routes[0].Integration.URI = "file:///etc/passwd" }, fails},
		"open brace":      {func(d *snapshot.Domain) { d.Mappings[0].Stage.Routes[0].Integration.URI = "http://h/{p" }, fails},
		"default not last": {func(d *snapshot.Domain) {
			st := d.Mappings[0].Stage
			st.Routes = append([]*snapshot.Route{route("$default", st.Routes[0].Integration)}, st.Routes...)
		}, fails},
		"a broken route beside": {func(d *snapshot.Domain) {
			st := d.Mappings[0].Stage
			st.Routes = append(st.Routes, route("GET /other", &snapshot.Integration{ID: "o", Type: snapshot.HTTPProxy, URI: "ftp://h/"}))
		}, serves},
		"an API below a path": {func(d *snapshot.Domain) { // must not fall to the API above it
			api := w.api("broken0000", route("GET /x", &snapshot.Integration{Type: "MOCK"}))
			d.Mappings = append([]snapshot.Mapping{{Segments: []string{"hello"}, API: api, Stage: api.Stages["$default"]}}, d.Mappings...)
		}, fails},
	} {
		d := w.domain("b.example.com", store(trusted), route("GET /hello", toHTTP(up.url)))
		c.change(d)
		s := snapshotOf(wild, good)
		s.Domains["b.example.com"] = d
		problems, err := w.edge.Publish(s)
		if err != nil || len(problems) == 0 != (d.Unavailable != "") {
			t.Errorf("%s: %v, %v", name, problems, err)
		}
		w.wantStatus(w.ask(w.dial(w.config("a.example.com", nil)), get("a.example.com", "/hello")), 200, "hello")
		w.wantStatus(w.ask(w.dial(w.config("c.example.com", nil)), get("c.example.com", "/hello")), 200, "hello")
		if c.want == closed {
			for _, cert := range []*tls.Certificate{nil, cert} {
				if conn, err := tls.Dial("tcp", w.addr, w.config("b.example.com", cert)); err == nil {
					conn.Close()
					t.Errorf("%s: the handshake succeeded", name)
				}
			}
			if r := w.ask(w.dial(w.config("c.example.com", nil)), get("b.example.com", "/hello")); r.status != 421 {
				t.Errorf("%s: Host of the broken domain on a connection to another: %d", name, r.status)
			}
			continue
		}
		w.wantStatus(w.ask(w.dial(w.config("b.example.com", cert)), get("b.example.com", "/hello")), map[int]int{fails: 500, serves: 200}[c.want], "")
	}
}

// Requests that were sent before the handshake's refusal was read are not served.
func TestPipelinedAfterRefusal(t *testing.T) {
	t.Parallel()
	s := newSimple(t)
	conn := s.dial(s.config("mtls.example.com", root(t, "Stranger").client(t, "c").tls()))
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, strings.Repeat(get("mtls.example.com", "/hello"), 3)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	first, err := readResponse(r, "GET")
	if err != nil || first.status != 403 {
		t.Fatalf("%+v, %v", first, err)
	}
	if second, err := readResponse(r, "GET"); err == nil {
		t.Errorf("a second answer: %+v", second)
	}
	if s.up.count() != 0 {
		t.Error("a request reached the backend")
	}
}
