package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/edge/snapshot"
	"countersign/pki"
)

// start is when every test begins: far from today, so that a test that passes
// does not do so by the wall clock.
var start = time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)

type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(start.UnixNano())
	return c
}
func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

var serials atomic.Int64

// An entity is a certificate with its key and, but for a root, its issuer.
type entity struct {
	cert   *x509.Certificate
	key    crypto.Signer
	issuer *entity
}

// tweak changes a certificate template before it is signed.
type tweak func(*x509.Certificate)

func ecKey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issue signs a certificate; a nil issuer makes it self-signed.
func issue(t testing.TB, issuer *entity, key crypto.Signer, name string, tweaks ...tweak) *entity {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1000 + serials.Add(1)),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"Example"}},
		NotBefore:    start.Add(-24 * time.Hour),
		NotAfter:     start.Add(90 * 24 * time.Hour),
	}
	for _, f := range tweaks {
		f(template)
	}
	e := &entity{key: key, issuer: issuer}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if e.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return e
}

func asCA(pathLen int) tweak {
	return func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		c.MaxPathLen, c.MaxPathLenZero = pathLen, pathLen == 0
		c.NotBefore, c.NotAfter = start.Add(-100*24*time.Hour), start.Add(1000*24*time.Hour)
	}
}

func asClient(c *x509.Certificate) {
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
}

func asServer(names ...string) tweak {
	return func(c *x509.Certificate) {
		c.KeyUsage, c.ExtKeyUsage, c.DNSNames = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, names
	}
}

func root(t testing.TB, name string) *entity { return issue(t, nil, ecKey(t), name, asCA(-1)) }

func (e *entity) sub(t testing.TB, name string, pathLen int) *entity {
	return issue(t, e, ecKey(t), name, asCA(pathLen))
}

func (e *entity) client(t testing.TB, name string, tweaks ...tweak) *entity {
	return issue(t, e, ecKey(t), name, append([]tweak{asClient}, tweaks...)...)
}

// tls is the certificate with what is to be sent beside it.
func (e *entity) tls(beside ...*entity) *tls.Certificate {
	c := &tls.Certificate{Certificate: [][]byte{e.cert.Raw}, PrivateKey: e.key, Leaf: e.cert}
	for _, b := range beside {
		c.Certificate = append(c.Certificate, b.cert.Raw)
	}
	return c
}

func store(entities ...*entity) *pki.TrustStore {
	var certs []*x509.Certificate
	for _, e := range entities {
		certs = append(certs, e.cert)
	}
	return pki.NewTrustStore(certs...)
}

// A world is an edge with a server root, a clock and a record of decisions.
type world struct {
	t         testing.TB
	clock     *clock
	edge      *Edge
	addr      string
	roots     *entity // of server certificates
	mu        sync.Mutex
	decisions []Decision
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), roots: root(t, "Server Root")}
	cfg := Config{Now: w.clock.now, Rand: rand.Reader, OnDecision: func(d Decision) {
		w.mu.Lock()
		w.decisions = append(w.decisions, d)
		w.mu.Unlock()
	}}
	if testing.Verbose() {
		cfg.Logger = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	for _, f := range change {
		f(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.edge = e
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := e.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return w
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

func (w *world) publish(s *snapshot.Snapshot) {
	w.t.Helper()
	if problems, err := w.edge.Publish(s); err != nil || len(problems) > 0 {
		w.t.Fatal(problems, err)
	}
}

// decision waits for the n-th decision (from 0) and returns it.
func (w *world) decision(n int) Decision {
	w.t.Helper()
	for range 500 {
		w.mu.Lock()
		if len(w.decisions) > n {
			d := w.decisions[n]
			w.mu.Unlock()
			return d
		}
		w.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("decision %d was not made", n)
	return Decision{}
}

// lastDecision returns the latest, which the caller knows to have been made.
func (w *world) lastDecision() Decision {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.decisions[len(w.decisions)-1]
}

// site is a domain with one API, one stage and the given routes.
func (w *world) domain(name string, trust *pki.TrustStore, routes ...*snapshot.Route) *snapshot.Domain {
	api := w.api("api1234567", routes...)
	d := &snapshot.Domain{
		Name: name, Account: "111122223333", Region: "eu-central-1",
		Certificate: issue(w.t, w.roots, ecKey(w.t), name, asServer(name)).tls(),
		Mappings:    []snapshot.Mapping{{API: api, Stage: api.Stages["$default"]}},
	}
	_, _ = rand.Read(d.TicketKey[:])
	if trust != nil {
		d.Mutual = &snapshot.Mutual{Trust: trust}
	}
	return d
}

func (w *world) api(id string, routes ...*snapshot.Route) *snapshot.API {
	return &snapshot.API{
		ID: id, Account: "111122223333", Region: "eu-central-1", Name: "test", Host: id + ".execute-api.eu-central-1.amazonaws.com",
		Stages: map[string]*snapshot.Stage{"$default": {Name: "$default", Routes: routes}},
	}
}

func snapshotOf(domains ...*snapshot.Domain) *snapshot.Snapshot {
	s := &snapshot.Snapshot{Revision: 1, Domains: map[string]*snapshot.Domain{}, APIs: map[string]*snapshot.API{}}
	for _, d := range domains {
		s.Domains[d.Name] = d
		for _, m := range d.Mappings {
			if m.API != nil {
				s.APIs[m.API.ID] = m.API
			}
		}
	}
	return s
}

func toHTTP(uri string) *snapshot.Integration {
	return &snapshot.Integration{ID: "int1234", Type: snapshot.HTTPProxy, URI: uri}
}

func route(key string, in *snapshot.Integration) *snapshot.Route {
	if key == "$default" {
		return &snapshot.Route{Key: key, Integration: in}
	}
	method, path, _ := strings.Cut(key, " ")
	r := &snapshot.Route{Key: key, Method: method, Segments: []snapshot.Segment{}, Integration: in}
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		switch {
		case part == "":
		case strings.HasSuffix(part, "+}"):
			r.Segments = append(r.Segments, snapshot.Segment{Param: part[1 : len(part)-2], Greedy: true})
		case strings.HasPrefix(part, "{"):
			r.Segments = append(r.Segments, snapshot.Segment{Param: part[1 : len(part)-1]})
		default:
			r.Segments = append(r.Segments, snapshot.Segment{Literal: part})
		}
	}
	return r
}

// config is what a client of the domain uses.
func (w *world) config(name string, cert *tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(w.roots.cert)
	c := &tls.Config{RootCAs: pool, ServerName: name, Time: w.clock.now}
	if cert != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	return c
}

// dial completes a handshake from the client's point of view. With TLS 1.3 a
// refusal of the server shows at the first read only.
func (w *world) dial(c *tls.Config) *tls.Conn {
	w.t.Helper()
	conn, err := tls.Dial("tcp", w.addr, c)
	if err != nil {
		w.t.Fatalf("dial %s: %v", c.ServerName, err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return conn
}

// response is an HTTP response that has been read.
type response struct {
	status int
	header http.Header
	body   string
	closed bool // the server will close the connection
}

// exchange sends raw text and reads one response.
func exchange1(conn net.Conn, text string) (*response, error) {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		return nil, err
	}
	method, _, _ := strings.Cut(text, " ")
	return readResponse(bufio.NewReader(conn), method)
}

func readResponse(r *bufio.Reader, method string) (*response, error) {
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &response{resp.StatusCode, resp.Header, string(body), resp.Close}, nil
}

func (w *world) ask(conn net.Conn, text string) *response {
	w.t.Helper()
	r, err := exchange1(conn, text)
	if err != nil {
		w.t.Fatalf("%q: %v", text, err)
	}
	return r
}

func get(host, path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
}

func (w *world) wantStatus(r *response, status int, body string) {
	w.t.Helper()
	if r.status != status || body != "" && r.body != body {
		w.t.Errorf("answer %d %q, want %d %q", r.status, r.body, status, body)
	}
	if r.header.Get("Apigw-Requestid") == "" {
		w.t.Errorf("no apigw-requestid in %v", r.header)
	}
}

// backend is an upstream that keeps what it was sent and answers "hello".
type backend struct {
	url      string
	mu       sync.Mutex
	requests []string // as they came
}

// newBackend speaks just enough HTTP/1.1 to show the exact bytes.
func newBackend(t testing.TB) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{url: "http://" + l.Addr().String()}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.serve(c)
		}
	}()
	return b
}

func (b *backend) serve(c net.Conn) {
	defer c.Close()
	var seen bytes.Buffer
	r := bufio.NewReader(io.TeeReader(c, &seen))
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		b.mu.Lock()
		b.requests = append(b.requests, seen.String())
		b.mu.Unlock()
		seen.Reset()
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	}
}

func (b *backend) last(t testing.TB) string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.requests) == 0 {
		t.Fatal("the backend was not called")
	}
	return b.requests[len(b.requests)-1]
}

func (b *backend) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.requests)
}

type goCertificate = x509.Certificate

// certificateOrder is a subject whose attributes are not in the order that
// pkix.Name would give them.
func certificateOrder(t testing.TB) []byte {
	t.Helper()
	value := func(id []int, s string) pkix.RelativeDistinguishedNameSET {
		return pkix.RelativeDistinguishedNameSET{{Type: id, Value: s}}
	}
	der, err := asn1.Marshal(pkix.RDNSequence{
		value([]int{2, 5, 4, 6}, "US"), value([]int{2, 5, 4, 8}, "Washington"), value([]int{2, 5, 4, 7}, "Seattle"),
		value([]int{2, 5, 4, 10}, "Amazon Web Services"), value([]int{2, 5, 4, 11}, "Security"), value([]int{2, 5, 4, 3}, "My Client"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return der
}
