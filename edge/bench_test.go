package edge

import (
	"bufio"
	"io"
	"net/http"
	"testing"
)

// BenchmarkRequest is one request on an open mutual TLS connection through a
// route without authorizer to an HTTP backend. The client and the backend are
// in the figures; what matters is that they do not rise.
func BenchmarkRequest(b *testing.B) {
	w := newWorld(b)
	up := newBackend(b)
	anchor := root(b, "Client Root")
	w.publish(snapshotOf(w.domain("api.example.com", store(anchor), route("GET /hello", toHTTP(up.url)))))
	conn := w.dial(w.config("api.example.com", anchor.client(b, "client").tls()))
	reader := bufio.NewReader(conn)
	request := get("api.example.com", "/hello")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.WriteString(conn, request); err != nil {
			b.Fatal(err)
		}
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
			b.Fatal(resp.Status, err)
		}
	}
}
