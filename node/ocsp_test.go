package node

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/miekg/dns"
	"golang.org/x/crypto/ocsp"
)

// ocspRig is a node with a root that OCSP answers for, and a certificate of it.
type ocspRig struct {
	t        *testing.T
	endpoint string
	pca      *acmpca.Client
	ca, id   string
	issuer   *x509.Certificate
	leaf     *x509.Certificate
	query    []byte
}

func newOCSPRig(t *testing.T, cname string) *ocspRig {
	t.Helper()
	n, err := Start(t.Context(), Config{Data: t.TempDir(), Listen: "127.0.0.1:0", GatewayListen: "127.0.0.1:0", DNSListen: "127.0.0.1:0", Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	c := n.Credentials()
	r := &ocspRig{t: t, endpoint: n.Endpoints().Endpoint}
	r.pca = acmpca.New(acmpca.Options{Region: "eu-west-1", BaseEndpoint: &r.endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")})
	ctx := context.Background()
	config := &types.OcspConfiguration{Enabled: aws.Bool(true)}
	if cname != "" {
		config.OcspCustomCname = &cname
	}
	created, err := r.pca.CreateCertificateAuthority(ctx, &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: types.CertificateAuthorityTypeRoot,
		CertificateAuthorityConfiguration: &types.CertificateAuthorityConfiguration{KeyAlgorithm: types.KeyAlgorithmEcPrime256v1,
			SigningAlgorithm: types.SigningAlgorithmSha256withecdsa, Subject: &types.ASN1Subject{CommonName: aws.String("Root")}},
		RevocationConfiguration: &types.RevocationConfiguration{OcspConfiguration: config},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.ca = *created.CertificateAuthorityArn
	r.id = r.ca[strings.LastIndex(r.ca, "/")+1:]
	csr, err := r.pca.GetCertificateAuthorityCsr(ctx, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &r.ca})
	if err != nil {
		t.Fatal(err)
	}
	r.issuer = r.issue([]byte(*csr.Csr), "RootCACertificate", 3650)
	if _, err := r.pca.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &r.ca,
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.issuer.Raw})}); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "client"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	r.leaf = r.issue(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), "EndEntityCertificate", 30)
	if r.query, err = ocsp.CreateRequest(r.leaf, r.issuer, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *ocspRig) issue(csr []byte, template string, days int64) *x509.Certificate {
	r.t.Helper()
	ctx := context.Background()
	issued, err := r.pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &r.ca, Csr: csr,
		SigningAlgorithm: types.SigningAlgorithmSha256withecdsa, TemplateArn: aws.String("arn:aws:acm-pca:::template/" + template + "/V1"),
		Validity: &types.Validity{Type: types.ValidityPeriodTypeDays, Value: &days}})
	if err != nil {
		r.t.Fatal(err)
	}
	got, err := r.pca.GetCertificate(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &r.ca, CertificateArn: issued.CertificateArn})
	if err != nil {
		r.t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(*got.Certificate))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// send makes a request at the endpoint under a host name.
func (r *ocspRig) send(method, host, path string, body []byte, header ...string) (*http.Response, []byte) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.endpoint+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Host = host
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response, answer
}

func (r *ocspRig) want(what string, response *http.Response, answer []byte, status int) {
	r.t.Helper()
	got, err := ocsp.ParseResponseForCert(answer, r.leaf, r.issuer)
	if err != nil || got.Status != status || response.StatusCode != 200 || response.Header.Get("Content-Type") != ocspResponseType {
		r.t.Errorf("%s: %s %v %s: %+v, %v", what, response.Status, response.Header, answer[:min(len(answer), 200)], got, err)
	}
}

const ocspName = "ocsp.acm-pca.eu-west-1.amazonaws.com"

func TestOCSPOverHTTP(t *testing.T) {
	t.Parallel()
	r := newOCSPRig(t, "")
	if len(r.leaf.OCSPServer) != 1 || r.leaf.OCSPServer[0] != "http://"+ocspName {
		t.Errorf("the certificate names the responder %q", r.leaf.OCSPServer)
	}
	encoded := base64.StdEncoding.EncodeToString(r.query)
	media := []string{"Content-Type", ocspRequestType}
	for what, c := range map[string]struct{ host, prefix string }{
		"by host": {ocspName, "/"}, "by host with a port": {ocspName + ":80", "/"}, "by path": {"", "/ocsp/" + r.id},
	} {
		response, answer := r.send("POST", c.host, c.prefix, r.query, media...)
		r.want(what+", POST", response, answer, ocsp.Good)
		for form, path := range map[string]string{"as it is": encoded, "escaped": url.QueryEscape(encoded), "no padding": strings.TrimRight(encoded, "=")} {
			response, answer := r.send("GET", c.host, strings.TrimSuffix(c.prefix, "/")+"/"+path, nil)
			r.want(what+", GET "+form, response, answer, ocsp.Good)
		}
	}

	response, answer := r.send("GET", ocspName, "/"+encoded, nil)
	h := response.Header
	if h.Get("Cache-Control") != "max-age=600,public,no-transform,must-revalidate" || h.Get("Last-Modified") == "" || h.Get("Expires") == "" || h.Get("ETag") == "" {
		t.Errorf("headers for caches: %v", h)
	}
	if response, body := r.send("GET", ocspName, "/"+encoded, nil, "If-None-Match", h.Get("ETag")); response.StatusCode != 304 || len(body) > 0 {
		t.Errorf("with its ETag: %s, %d bytes", response.Status, len(body))
	}
	if response, body := r.send("HEAD", ocspName, "/"+encoded, nil); response.StatusCode != 200 || len(body) > 0 || response.ContentLength != int64(len(answer)) {
		t.Errorf("HEAD: %s, %d bytes of %d", response.Status, len(body), response.ContentLength)
	}

	serial := r.leaf.SerialNumber.Text(16)
	if _, err := r.pca.RevokeCertificate(context.Background(), &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &r.ca, CertificateSerial: &serial,
		RevocationReason: types.RevocationReasonKeyCompromise}); err != nil {
		t.Fatal(err)
	}
	response, answer = r.send("GET", ocspName, "/"+encoded, nil, "If-None-Match", h.Get("ETag"))
	r.want("revoked", response, answer, ocsp.Revoked)
}

func TestOCSPOverHTTPRefuses(t *testing.T) {
	t.Parallel()
	r := newOCSPRig(t, "")
	media := []string{"Content-Type", ocspRequestType}
	for what, c := range map[string]struct {
		method, path string
		body         []byte
		header       []string
		want         int // HTTP status; 0: an OCSP answer "malformed"
	}{
		"no base64":   {"GET", "/***", nil, nil, 0},
		"nothing":     {"GET", "/", nil, nil, 0},
		"no request":  {"POST", "/", []byte("no request"), media, 0},
		"too large":   {"POST", "/", make([]byte, 1<<20), media, 0},
		"long path":   {"GET", "/" + strings.Repeat("A", 40<<10), nil, nil, 0},
		"other media": {"POST", "/", r.query, []string{"Content-Type", "text/plain"}, 415},
		"method":      {"PUT", "/", r.query, media, 405},
	} {
		response, answer := r.send(c.method, ocspName, c.path, c.body, c.header...)
		if c.want != 0 {
			if response.StatusCode != c.want {
				t.Errorf("%s: %s", what, response.Status)
			}
			continue
		}
		_, err := ocsp.ParseResponse(answer, nil)
		if got, ok := err.(ocsp.ResponseError); !ok || got.Status != ocsp.Malformed || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %v, %v", what, response.Status, response.Header, err)
		}
	}
	// The AWS APIs are still there, and a bucket may be called ocsp.
	for what, c := range map[string]struct {
		host, path string
		header     []string
	}{
		"another authority's id": {"", "/ocsp/00000000-0000-4000-8000-000000000000", nil},
		"a signed request":       {"", "/ocsp/" + r.id, []string{"Authorization", "AWS4-HMAC-SHA256 Credential=x"}},
		"S3 presigned":           {"", "/ocsp/" + r.id + "?X-Amz-Signature=0", nil},
	} {
		if response, answer := r.send("GET", c.host, c.path, nil, c.header...); response.Header.Get("Content-Type") == ocspResponseType || !bytes.Contains(answer, []byte("<Error>")) {
			t.Errorf("%s: %s %v %s", what, response.Status, response.Header, answer)
		}
	}
}

// TestOCSPOwnName gives an authority the endpoint's own address as its custom
// CNAME: certificates then name a responder that can be reached, and the AWS
// APIs go on working under it.
func TestOCSPOwnName(t *testing.T) {
	t.Parallel()
	r := newOCSPRig(t, "127.0.0.1/status")
	if len(r.leaf.OCSPServer) != 1 || r.leaf.OCSPServer[0] != "http://127.0.0.1/status" {
		t.Errorf("the certificate names the responder %q", r.leaf.OCSPServer)
	}
	response, answer := r.send("POST", "", "/status", r.query, "Content-Type", ocspRequestType)
	r.want("POST", response, answer, ocsp.Good)
	response, answer = r.send("GET", "", "/status/"+base64.StdEncoding.EncodeToString(r.query), nil)
	r.want("GET", response, answer, ocsp.Good)
	if response, _ := r.send("GET", "", "/_countersign/health", nil); response.StatusCode != 200 || response.Header.Get("Content-Type") != "application/json" {
		t.Errorf("health: %s %v", response.Status, response.Header)
	}
	if response, _ := r.send("POST", "", "/status", r.query, "Content-Type", "application/xml"); response.Header.Get("Content-Type") == ocspResponseType {
		t.Error("a POST of another media type was taken for OCSP")
	}
	if _, err := r.pca.ListCertificateAuthorities(context.Background(), &acmpca.ListCertificateAuthoritiesInput{}); err != nil {
		t.Error(err)
	}
}

func TestOCSPOverHTTPWithOpenSSL(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	r := newOCSPRig(t, "")
	write := func(name string, c *x509.Certificate) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	issuer, leaf := write("issuer.pem", r.issuer), write("leaf.pem", r.leaf)
	for what, args := range map[string][]string{
		"by path": {"-url", r.endpoint + "/ocsp/" + r.id},
		"by host": {"-url", r.endpoint, "-header", "Host=" + ocspName},
	} {
		args = append([]string{"ocsp", "-issuer", issuer, "-cert", leaf, "-CAfile", issuer}, args...)
		out, err := exec.Command(openssl, args...).CombinedOutput() // with a nonce, which it verifies
		if err != nil || !strings.Contains(string(out), "Response verify OK") || !strings.Contains(string(out), leaf+": good") || strings.Contains(string(out), "WARNING") {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
	}
}

// The name server of a node that is told where its endpoint is leads clients of
// a certificate's OCSP URL there.
func TestOCSPName(t *testing.T) {
	t.Parallel()
	n, err := Start(t.Context(), Config{Data: t.TempDir(), Listen: "127.0.0.1:0", GatewayListen: "127.0.0.1:0", DNSListen: "127.0.0.1:0",
		EndpointAddresses: []string{"127.0.0.66"}, Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, name := range []string{ocspName + ".", "bucket.s3.eu-west-1.amazonaws.com."} {
		got, err := dns.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), n.Endpoints().DNS)
		if err != nil || len(got.Answer) != 1 || !strings.HasSuffix(got.Answer[0].String(), "127.0.0.66") {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := Start(t.Context(), Config{Data: t.TempDir(), EndpointAddresses: []string{"endpoint"}, Now: time.Now, Rand: rand.Reader}); err == nil || !strings.Contains(err.Error(), "--endpoint-addresses") {
		t.Errorf("an address that is none: %v", err)
	}
}
