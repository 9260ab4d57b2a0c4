package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/pki"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func testTime() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

// A made is a certificate of a test with its key.
type made struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

func (m *made) pem() string { return pki.EncodePEM(pki.PEMCertificate, m.Raw) }

// issue makes a CA certificate, by itself without an issuer; change edits it.
func issue(t testing.TB, name string, issuer *made, change func(*x509.Certificate)) *made {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: testTime().Add(-time.Hour), NotAfter: testTime().AddDate(1, 0, 0),
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: -1, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.Certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &made{c, key}
}

// A version is one of an object in the fake S3; a delete marker has no body.
type version struct {
	key, id string
	body    []byte
	meta    http.Header
	marker  bool
}

// A bucket is S3 with one bucket, spoken to in the path.
type bucket struct {
	name        string
	unversioned bool
	deny        string // "versions": what S3CrudPolicy does not allow; "all"
	delay       time.Duration

	mu       sync.Mutex
	next     int
	versions []version // the newest last
	puts     int
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case <-r.Context().Done():
		return
	case <-time.After(b.delay):
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	id := query.Get("versionId")
	fail := func(status int, code string) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>as the test wants it</Message></Error>", code)
		}
	}
	switch {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
		fail(http.StatusForbidden, "AccessDenied")
	case name != b.name:
		fail(http.StatusNotFound, "NoSuchBucket")
	case b.deny == "all", b.deny == "versions" && (query.Has("versions") || r.Method == http.MethodDelete && id != ""):
		fail(http.StatusForbidden, "AccessDenied")
	case query.Has("versions"):
		b.list(w, query.Get("prefix"))
	case r.Method == http.MethodHead:
		v := b.find(key, id)
		if v == nil || v.marker {
			fail(http.StatusNotFound, "NoSuchKey")
			return
		}
		for k, values := range v.meta {
			w.Header()[k] = values
		}
		if !b.unversioned {
			w.Header().Set("X-Amz-Version-Id", v.id)
		}
	case r.Method == http.MethodPut:
		b.puts++
		meta := http.Header{}
		for k, values := range r.Header {
			if strings.HasPrefix(k, "X-Amz-Meta-") {
				meta[k] = values
			}
		}
		if id := b.add(version{key: key, body: unchunked(r, body), meta: meta}); !b.unversioned {
			w.Header().Set("X-Amz-Version-Id", id)
		}
	case r.Method == http.MethodDelete:
		switch {
		case id != "":
			b.versions = slices.DeleteFunc(b.versions, func(v version) bool { return v.key == key && v.id == id })
		case b.unversioned:
			b.versions = slices.DeleteFunc(b.versions, func(v version) bool { return v.key == key })
		default:
			b.add(version{key: key, marker: true})
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		fail(http.StatusNotImplemented, "NotImplemented")
	}
}

func (b *bucket) add(v version) string {
	b.next++
	v.id = fmt.Sprintf("v%d", b.next)
	b.versions = append(b.versions, v)
	return v.id
}

func (b *bucket) find(key, id string) *version {
	for i := len(b.versions) - 1; i >= 0; i-- {
		if v := &b.versions[i]; v.key == key && (id == "" || v.id == id) {
			return v
		}
	}
	return nil
}

// list answers with everything below a prefix.

func (b *bucket) list(w http.ResponseWriter, prefix string) {
	type entry struct{ Key, VersionId string }
	answer := struct {
		XMLName      xml.Name `xml:"ListVersionsResult"`
		Version      []entry
		DeleteMarker []entry
	}{}
	for _, v := range b.versions {
		if !strings.HasPrefix(v.key, prefix) {
			continue
		}
		if e := (entry{v.key, v.id}); v.marker {
			answer.DeleteMarker = append(answer.DeleteMarker, e)
		} else {
			answer.Version = append(answer.Version, e)
		}
	}
	xml.NewEncoder(w).Encode(answer) // the client sees a broken answer
}

// unchunked takes a body with a trailing checksum apart; the SDK sends those
// only over HTTPS, but may change its mind.
func unchunked(r *http.Request, body []byte) []byte {
	if !strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		return body
	}
	var out []byte
	for {
		head, rest, ok := bytes.Cut(body, []byte("\r\n"))
		var n int
		if _, err := fmt.Sscanf(string(head), "%x", &n); err != nil || !ok || n == 0 || n > len(rest) {
			return out
		}
		out = append(out, rest[:n]...)
		body = bytes.TrimPrefix(rest[n:], []byte("\r\n"))
	}
}

// keys are the versions that are there, "-" before a marker.
func (b *bucket) keys() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, v := range b.versions {
		if v.marker {
			v.id = "-" + v.id
		}
		list = append(list, v.key+"@"+v.id)
	}
	return strings.Join(list, " ")
}

func (b *bucket) body(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v := b.find(key, ""); v != nil {
		return string(v.body)
	}
	return ""
}

// A desk takes the answers as CloudFormation does.
type desk struct {
	url string

	mu       sync.Mutex
	statuses []int // of the next answers; 200 after them
	answers  []response
	faults   []string
	tries    int
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries++
	var answer response
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	switch {
	case err != nil:
		d.faults = append(d.faults, err.Error())
	case r.Method != http.MethodPut || r.Header.Get("Content-Type") != "" || r.ContentLength != int64(len(body)) || len(body) > maxResponse:
		d.faults = append(d.faults, fmt.Sprintf("%s of %d bytes (%d announced) with %v", r.Method, len(body), r.ContentLength, r.Header))
	case r.URL.Query().Get("X-Amz-Signature") != "s" || !strings.Contains(r.URL.EscapedPath(), "arn%3Aaws"):
		d.faults = append(d.faults, "not the URL of the event: "+r.URL.String())
	}
	if len(d.statuses) > 0 {
		status := d.statuses[0]
		d.statuses = d.statuses[1:]
		if status == http.StatusTemporaryRedirect || status == http.StatusFound {
			http.Redirect(w, r, r.URL.String(), status)
			return
		}
		if status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
	}
	d.answers = append(d.answers, answer)
}

// A rig is the function between a fake CloudFormation and a fake S3.
type rig struct {
	t testing.TB
	*provider
	bucket *bucket
	desk   *desk
	hier   [2]*made // root, subordinate
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, bucket: &bucket{name: "trust"}, desk: &desk{}}
	store, answers := httptest.NewServer(r.bucket), httptest.NewServer(r.desk)
	t.Cleanup(store.Close)
	t.Cleanup(answers.Close)
	r.desk.url = answers.URL + "/arn%3Aaws%3Acloudformation/x?X-Amz-Signature=s"
	r.provider = &provider{
		s3: s3.New(s3.Options{
			Region: "eu-west-1", BaseEndpoint: &store.URL, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
			Retryer: aws.NopRetryer{},
		}),
		http: http.DefaultTransport, now: testTime, log: slog.New(slog.DiscardHandler),
	}
	root := issue(t, "root", nil, nil)
	r.hier = [2]*made{root, issue(t, "sub", root, nil)}
	return r
}

// certs is the property Certs of the rig's hierarchy, the subordinate CA first.
func (r *rig) certs() []string { return []string{r.hier[1].pem(), r.hier[0].pem()} }

func props(bucket, key string, certs any) map[string]any {
	return map[string]any{"ServiceToken": "arn:aws:lambda:eu-west-1:000000000000:function:f", "TrustStoreBucket": bucket, "TrustStoreKey": key, "Certs": certs}
}

// send has the function handle a request, within 20 seconds unless ctx ends
// earlier, and gives the answer that CloudFormation got.
func (r *rig) send(ctx context.Context, kind, physicalID string, properties any) response {
	r.t.Helper()
	return r.sendAs(ctx, "Store", kind, physicalID, properties)
}

func (r *rig) sendAs(ctx context.Context, logicalID, kind, physicalID string, properties any) response {
	r.t.Helper()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
	}
	e := map[string]any{
		"RequestType": kind, "RequestId": "request-1", "ResponseURL": r.desk.url, "StackId": "arn:aws:cloudformation:eu-west-1:000000000000:stack/s/1",
		"LogicalResourceId": logicalID, "ResourceType": "Custom::TrustedStore", "ResourceProperties": properties,
	}
	if physicalID != "" {
		e["PhysicalResourceId"] = physicalID
	}
	data, err := json.Marshal(e)
	if err != nil {
		r.t.Fatal(err)
	}
	before := len(r.desk.answers)
	if err := r.handle(ctx, data); err != nil {
		r.t.Fatalf("%s: %v", kind, err)
	}
	if ctx.Err() != nil {
		r.t.Errorf("%s: the answer came after the deadline", kind)
	}
	r.desk.mu.Lock()
	defer r.desk.mu.Unlock()
	if len(r.desk.faults) > 0 || len(r.desk.answers) != before+1 {
		r.t.Fatalf("%s: %d answers, faults %q", kind, len(r.desk.answers)-before, r.desk.faults)
	}
	a := r.desk.answers[before]
	if a.StackID != e["StackId"] || a.RequestID != "request-1" || a.LogicalResourceID != logicalID || a.PhysicalResourceID == "" || (a.Status == "FAILED") != (a.Reason != "") {
		r.t.Errorf("%s: answer %+v", kind, a)
	}
	return a
}

func (r *rig) wantFailed(a response, reason string) {
	r.t.Helper()
	if a.Status != "FAILED" || !strings.Contains(a.Reason, reason) {
		r.t.Errorf("got %s %q, want FAILED with %q", a.Status, a.Reason, reason)
	}
}

func (r *rig) wantKeys(want string) {
	r.t.Helper()
	if got := r.bucket.keys(); got != want {
		r.t.Errorf("in the bucket: %q, want %q", got, want)
	}
}
