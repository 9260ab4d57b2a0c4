package api

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"countersign/wire/sigv4"
)

// FuzzRequest sends anything at all, well signed, to every service: whatever it
// is, there is an answer with a request id and in the right form, and no panic.
func FuzzRequest(f *testing.F) {
	for _, s := range []struct{ service, method, target, header, value, body string }{
		{"acm", "POST", "/", "X-Amz-Target", "CertificateManager.ListCertificates", `{"MaxItems":5}`},
		{"acm", "POST", "/", "X-Amz-Target", "CertificateManager.DeleteCertificate", `{"CertificateArn":["x"]}`},
		{"sts", "POST", "/", "Content-Type", "application/x-www-form-urlencoded", "Action=GetCallerIdentity&Version=2011-06-15"},
		{"sts", "GET", "/?Action=AssumeRole&Version=2011-06-15&Tags.member.1.Key=x", "", "", ""},
		{"apigateway", "GET", "/v2/tags/arn%3Aaws%2F%00", "", "", ""},
		{"apigateway", "GET", "/v2/apis?maxResults=x", "", "", ""},
		{"lambda", "POST", "/2015-03-31/functions/f/invocations", "X-Amz-Invocation-Type", "Event", "{}"},
		{"route53", "GET", "/2013-04-01/hostedzonecount", "", "", ""},
		{"s3", "PUT", "/bucket/key%00//../%ff?acl", "X-Amz-Acl", "private", "<x"},
		{"s3", "PUT", "/bucket/key", "Content-Md5", "x", "hello"},
		{"s3", "POST", "/bucket?delete", "Content-Md5", "1B2M2Y8AsgTpgAmY7PhCfg==", "<Delete><Object><Key>a</Key></Object></Delete>"},
		{"s3", "GET", "/bucket/none%01%ff", "Range", "bytes=1-", ""},
		{"nobody", "GET", "/", "", "", ""},
	} {
		f.Add(s.service, s.method, s.target, s.header, s.value, s.body)
	}
	n := startNode(f, (*httptest.Server).Start)
	n.Close() // requests are handed straight to the handler
	f.Fuzz(func(t *testing.T, service, method, target, header, value, body string) {
		// What net/http would not let through cannot reach the handler.
		u, err := url.ParseRequestURI(target)
		if err != nil || method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || strings.ContainsAny(target, " \r\n") {
			t.Skip()
		}
		r := &http.Request{
			Method: method, URL: u, RequestURI: target, Host: "127.0.0.1:4566", RemoteAddr: "127.0.0.1:1", Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}
		if header != "" {
			r.Header.Set(header, value)
		}
		sigv4.Sign(r, sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, testRegion, service, n.now(), sigv4.HashPayload([]byte(body)))
		w := httptest.NewRecorder()
		func() {
			// A broken stream ends with http.ErrAbortHandler; nothing else may.
			defer func() {
				if v := recover(); v != nil && v != http.ErrAbortHandler {
					panic(v)
				}
			}()
			n.api.ServeHTTP(w, r)
		}()
		if log := n.logged(); strings.Contains(log, "level=ERROR") && !strings.Contains(log, "a bug") && !strings.Contains(log, "secret-place") {
			t.Fatal(log)
		}
		n.mu.Lock()
		n.log.Reset()
		n.mu.Unlock()
		if u.Path != "/_countersign/health" && w.Header().Get("X-Amzn-Requestid") == "" && w.Header().Get("X-Amz-Request-Id") == "" {
			t.Fatalf("an answer without a request id: %d %v", w.Code, w.Header())
		}
		if strings.HasSuffix(w.Header().Get("Content-Type"), "/xml") && service != "s3" || w.Code >= 400 && service == "s3" && method != "HEAD" {
			d := xml.NewDecoder(strings.NewReader(w.Body.String()))
			for {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("broken XML: %v in %s", err, w.Body)
				}
			}
		}
	})
}
