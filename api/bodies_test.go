package api

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"countersign/wire/sigv4"
)

// Whoever knows an access key id, which is no secret, can send bodies that are
// read before the signature is looked at. Together they take no more memory than
// they are allowed, and what they took is free when they end.
func TestUnprovenBodiesAreBounded(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start, func(c *Config) { c.BodyMemory = 1000 })
	list := func() (status int, body string) {
		t.Helper()
		payload := []byte(`{"CertificateStatuses":["ISSUED"]` + strings.Repeat(" ", 200) + `}`)
		r, err := http.NewRequest("POST", n.URL+"/", bytes.NewReader(payload))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "CertificateManager.ListCertificates")
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		sigv4.Sign(r, sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, testRegion, "acm", n.now(), sigv4.HashPayload(payload))
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	if status, body := list(); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	c, err := net.Dial("tcp", n.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	at := n.now().UTC()
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: CertificateManager.ListCertificates\r\nX-Amz-Date: %s\r\nContent-Length: 2000\r\n"+
		"Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/acm/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=%s\r\n\r\n%s",
		at.Format(sigv4.TimeFormat), testKey, at.Format("20060102"), testRegion, strings.Repeat("a", 64), strings.Repeat("x", 900))
	becomes := func(want int) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			status, body := list()
			if status == want && (want == 200 || strings.Contains(body, "ServiceUnavailableException")) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d %s, want %d", status, body, want)
			}
		}
	}
	becomes(http.StatusServiceUnavailable)
	c.Close()
	becomes(http.StatusOK)
	if held := n.api.held.Load(); held != 0 {
		t.Errorf("%d bytes are held when nobody sends any", held)
	}
}
