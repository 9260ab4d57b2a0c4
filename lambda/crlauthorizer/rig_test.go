package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
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

// issue makes a certificate, by itself without an issuer, that names
// distribution points; one of a CA or of a client.
func issue(t testing.TB, name string, issuer *made, ca bool, points ...string) *made {
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
		BasicConstraintsValid: true, IsCA: ca, KeyUsage: x509.KeyUsageDigitalSignature, CRLDistributionPoints: points,
	}
	if ca {
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
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

// list makes a CRL of an issuer, for ten hours from a time on.
func list(t testing.TB, issuer *made, from time.Time, revoked ...*made) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(from.Unix()), ThisUpdate: from, NextUpdate: from.Add(10 * time.Hour)}
	for _, r := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: r.SerialNumber, RevocationTime: from, ReasonCode: 1})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, issuer.Certificate, issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// A shop serves files: by URL, and as S3 in the path to those who sign.
type shop struct {
	url string

	mu     sync.Mutex
	files  map[string][]byte // by path
	status int               // of every answer, when not 0
	stall  bool              // no answers
	asked  map[string]int    // requests by path
	signed int               // of them with a signature
	denied bool              // those
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked[r.URL.Path]++
	file, ok := s.files[r.URL.Path]
	status, stall, denied := s.status, s.stall, false
	if r.Header.Get("Authorization") != "" {
		s.signed++
		denied = s.denied
	}
	s.mu.Unlock()
	switch {
	case stall:
		<-r.Context().Done()
	case denied:
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
	case status == http.StatusFound:
		http.Redirect(w, r, s.url+"/elsewhere", status)
	case status != 0:
		w.WriteHeader(status)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>")
	default:
		w.Write(file)
	}
}

func (s *shop) put(path string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = data
}

func (s *shop) fail(status int, stall bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.stall = status, stall
}

func (s *shop) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

// A rig is an authorizer with a clock, a shop and a hierarchy.
type rig struct {
	t                 testing.TB
	shop              *shop
	at                time.Time
	a                 *authorizer
	root, sub, client *made
}

// newRig configures an authorizer by environment, "NAME=value" each; URL
// in a value is the shop's. Without TRUST_STORE it is the hierarchy.
func newRig(t testing.TB, env ...string) *rig {
	t.Helper()
	r := &rig{t: t, shop: &shop{files: map[string][]byte{}, asked: map[string]int{}}, at: testTime()}
	server := httptest.NewServer(r.shop)
	t.Cleanup(server.Close)
	r.shop.url = server.URL
	r.root = issue(t, "root", nil, true)
	r.sub = issue(t, "sub", r.root, true)
	r.client = issue(t, "client", r.sub, false, server.URL+"/point.crl")
	r.shop.put("/sub.crl", list(t, r.sub, testTime().Add(-time.Hour)))
	r.configure(env...)
	return r
}

func (r *rig) configure(env ...string) {
	r.t.Helper()
	values := map[string]string{"TRUST_STORE": r.root.pem() + r.sub.pem(), "CRL_TIMEOUT": "200ms"}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		values[name] = strings.ReplaceAll(value, "URL", r.shop.url)
	}
	c, err := parseConfig(func(name string) string { return values[name] })
	if err != nil {
		r.t.Fatal(err)
	}
	r.a = newAuthorizer(c, &fetcher{s3: s3Of(r), http: http.DefaultTransport}, func() time.Time { return r.at }, slog.New(slog.DiscardHandler))
}

// s3Of is a client for the shop as S3.
func s3Of(r *rig) *s3.Client {
	return s3.New(s3.Options{
		Region: "eu-west-1", BaseEndpoint: &r.shop.url, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""), Retryer: aws.NopRetryer{},
	})
}

// want demands the decision on a certificate.
func (r *rig) want(what, certificate string, allowed bool, reason pki.Reason, detail string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	d := r.a.decide(ctx, certificate)
	if d.allowed != allowed || d.reason != reason || !strings.Contains(d.detail, detail) {
		r.t.Errorf("%s: got allowed %v, %s, %q; want %v, %s, %q", what, d.allowed, d.reason, d.detail, allowed, reason, detail)
	}
}

// ask sends an event of a payload format through the handler and gives the answer in JSON.
func (r *rig) ask(event string) (string, error) {
	r.t.Helper()
	out, err := r.a.handle(context.Background(), json.RawMessage(event))
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(out)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text), nil
}

const routeARN = "arn:aws:execute-api:eu-west-1:000000000000:abcdef1234/$default/GET/pets/1"

func event(version, certificate string) string {
	quoted, err := json.Marshal(certificate)
	if err != nil {
		panic(err) // strings always encode
	}
	switch version {
	case "2.0":
		return fmt.Sprintf(`{"version":"2.0","type":"REQUEST","routeArn":%q,"identitySource":[],"routeKey":"GET /pets/{id}","headers":{},"requestContext":{"authentication":{"clientCert":{"clientCertPem":%s,"serialNumber":"1"}},"http":{"method":"GET"}}}`, routeARN, quoted)
	case "1.0":
		return fmt.Sprintf(`{"version":"1.0","type":"REQUEST","methodArn":%q,"identitySource":"","authorizationToken":"","headers":{},"requestContext":{"identity":{"clientCert":{"clientCertPem":%s}}}}`, routeARN, quoted)
	}
	return fmt.Sprintf(`{"type":"REQUEST","methodArn":%q,"headers":null,"requestContext":{"identity":{"apiKey":null,"clientCert":{"clientCertPem":%s}}}}`, routeARN, quoted)
}
