package edge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"testing"
)

// countedMetrics remember what they were told.
type countedMetrics struct {
	mu   sync.Mutex
	seen map[string]int
}

func (m *countedMetrics) add(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen[what]++
}

func (m *countedMetrics) Handshake(reason string, resumed bool) {
	m.add(fmt.Sprintf("handshake %s %v", reason, resumed))
}
func (m *countedMetrics) Refused(reason string) { m.add("refused " + reason) }
func (m *countedMetrics) Request(status int)    { m.add(fmt.Sprintf("request %d", status)) }

func TestMetricsAreTold(t *testing.T) {
	t.Parallel()
	m := &countedMetrics{seen: map[string]int{}}
	w := newWorld(t, func(c *Config) { c.Metrics = m })
	up := newBackend(t)
	anchor := root(t, "Client Root")
	w.publish(snapshotOf(w.domain("api.example.com", store(anchor), route("GET /hello", toHTTP(up.url)))))
	good := anchor.client(t, "good")
	config := w.config("api.example.com", good.tls())
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	call := func(path string, config *tls.Config) int {
		conn := w.dial(config)
		defer conn.Close()
		if _, err := io.WriteString(conn, get("api.example.com", path)); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode
	}
	call("/hello", config)
	call("/nowhere", config) // resumed
	call("/hello", w.config("api.example.com", root(t, "Somebody").client(t, "x").tls()))
	if _, err := tls.Dial("tcp", w.addr, w.config("nobody.example.com", nil)); err == nil {
		t.Error("a handshake with an unknown name succeeded")
	}
	cc := w.dialH2(w.config("api.example.com", good.tls()))
	request, _ := http.NewRequest("GET", "https://api.example.com/hello", nil)
	roundTripH2(t, cc, request)
	w.edge.Revocations().Add(IssuerKey(anchor.cert), good.cert.SerialNumber.Bytes())
	roundTripH2(t, cc, request)

	want := map[string]int{
		"handshake Valid false": 2, "handshake Valid true": 1, "handshake ClientCertUntrusted false": 1, "handshake UnknownServerName false": 1,
		"refused ClientCertCrlHit": 1, "request 200": 2, "request 404": 1, "request 403": 2,
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !maps.Equal(m.seen, want) {
		t.Errorf("told %v, want %v", m.seen, want)
	}
}
