package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"countersign/pki"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The programs below lambda on a node: truststore writes a trust store as
// CloudFormation asks for it, and crlauthorizer judges clients by it and by a
// CRL, both of them objects of the node's S3.
func TestLambdaPrograms(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	s.bucket("trust")
	s.program("truststore", nil)
	s.program("crlauthorizer", map[string]string{
		"TRUST_STORE": "s3://trust/store.pem", "CRL": "s3://trust/sub.crl", "RESPONSE": "simple", "CRL_MAX_AGE": "1s",
	})

	// CloudFormation's part: the event and the URL for the answer.
	type answer struct {
		Status, Reason     string
		PhysicalResourceID string `json:"PhysicalResourceId"`
		Data               map[string]string
	}
	answers := make(chan answer, 1)
	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a answer
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPut || json.Unmarshal(body, &a) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answers <- a
	}))
	defer desk.Close()
	change := func(kind, id string, certs ...string) answer {
		t.Helper()
		s.ask("truststore", map[string]any{
			"RequestType": kind, "RequestId": kind, "ResponseURL": desk.URL + "/answer?X-Amz-Signature=s", "StackId": "arn:aws:cloudformation:" + region + ":" + account + ":stack/s/1",
			"LogicalResourceId": "Store", "PhysicalResourceId": id, "ResourceType": "Custom::TrustedStore",
			"ResourceProperties": map[string]any{"TrustStoreBucket": "trust", "TrustStoreKey": "store.pem", "Certs": certs},
		}, nil)
		select {
		case a := <-answers:
			return a
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: no answer", kind)
			return answer{}
		}
	}

	// The authorities of the articles; and a pair of our own, whose CRL we can sign.
	h := s.hierarchy()
	made := change("Create", "", h.sub, h.root)
	version := made.Data["ObjectVersion"]
	stored := must(s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("trust"), Key: aws.String("store.pem"), VersionId: &version}))(t)
	defer stored.Body.Close()
	content := must(io.ReadAll(stored.Body))(t)
	if made.Status != "SUCCESS" || made.Data["TrustStoreUri"] != "s3://trust/store.pem" || !bytes.Equal(content, bundle(h.sub, h.root)) {
		t.Fatalf("Create: %+v; version %s:\n%s", made, version, content)
	}
	if a := change("Update", made.PhysicalResourceID, h.sub); a.Status != "FAILED" || !strings.Contains(a.Reason, "Incomplete chain") || a.PhysicalResourceID != made.PhysicalResourceID {
		t.Errorf("Update without the root: %+v", a)
	}
	root := newProgramCA(t, "root", nil)
	sub := newProgramCA(t, "sub", root)
	updated := change("Update", made.PhysicalResourceID, sub.pem(), root.pem())
	if updated.Status != "SUCCESS" || updated.PhysicalResourceID != made.PhysicalResourceID || updated.Data["ObjectVersion"] == version {
		t.Fatalf("Update: %+v", updated)
	}

	good, bad := sub.client(t, "good"), sub.client(t, "bad")
	decide := func(client *x509.Certificate, allowed bool, reason string) {
		t.Helper()
		var got struct {
			IsAuthorized bool
			Context      map[string]string
		}
		s.ask("crlauthorizer", map[string]any{
			"version": "2.0", "type": "REQUEST", "routeArn": "arn:aws:execute-api:" + region + ":" + account + ":abcdef1234/$default/GET/",
			"requestContext": map[string]any{"authentication": map[string]any{"clientCert": map[string]any{"clientCertPem": pki.EncodePEM(pki.PEMCertificate, client.Raw)}}},
		}, &got)
		if got.IsAuthorized != allowed || got.Context["reason"] != reason || got.Context["serial"] != pki.SerialHex(client.SerialNumber) || got.Context["subject"] != "CN="+client.Subject.CommonName {
			t.Errorf("%s: got %+v, want %v, %s", client.Subject.CommonName, got, allowed, reason)
		}
	}
	decide(good, false, "ClientCertCrlProcessingError")
	s.put("trust", "sub.crl", sub.crl(t, 1, bad))
	time.Sleep(1100 * time.Millisecond) // the function's clock is its own: its next attempt comes after a second
	decide(good, true, "Valid")
	decide(bad, false, "ClientCertCrlHit")
	decide(newProgramCA(t, "stranger", nil).client(t, "good"), false, "ClientCertUntrusted")
	s.put("trust", "sub.crl", sub.crl(t, 2, bad, good))
	time.Sleep(1100 * time.Millisecond) // CRL_MAX_AGE
	decide(good, false, "ClientCertCrlHit")

	if gone := change("Delete", made.PhysicalResourceID, sub.pem(), root.pem()); gone.Status != "SUCCESS" {
		t.Errorf("Delete: %+v", gone)
	}
	left := must(s.s3.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: aws.String("trust"), Prefix: aws.String("store.pem")}))(t)
	if len(left.Versions)+len(left.DeleteMarkers) != 0 {
		t.Errorf("after Delete: %d versions and %d delete markers", len(left.Versions), len(left.DeleteMarkers))
	}
}

// program builds and deploys a program below lambda under its own name.
func (s *system) program(name string, environment map[string]string) {
	s.t.Helper()
	ctx := context.Background()
	bootstrap := filepath.Join(s.t.TempDir(), "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", bootstrap, "countersign/lambda/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	code := must(zipped("bootstrap", must(os.ReadFile(bootstrap))(s.t)))(s.t)
	architecture := lambdatypes.ArchitectureX8664
	if runtime.GOARCH == "arm64" {
		architecture = lambdatypes.ArchitectureArm64
	}
	must(s.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Architectures: []lambdatypes.Architecture{architecture},
		Role: aws.String(s.lambdaRole(name)), Code: &lambdatypes.FunctionCode{ZipFile: code}, Timeout: aws.Int32(20),
		Environment: &lambdatypes.Environment{Variables: environment},
	}))(s.t)
	err := lambda.NewFunctionActiveV2Waiter(s.lambda, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	}).Wait(ctx, &lambda.GetFunctionInput{FunctionName: &name}, time.Minute)
	if err != nil {
		s.t.Fatal(err)
	}
}

// ask invokes a function with an event; with a pointer, its answer is read into it.
func (s *system) ask(function string, event, answer any) {
	s.t.Helper()
	payload := must(json.Marshal(event))(s.t)
	out := must(s.lambda.Invoke(context.Background(), &lambda.InvokeInput{FunctionName: &function, Payload: payload, LogType: lambdatypes.LogTypeTail}))(s.t)
	if out.FunctionError != nil {
		s.t.Fatalf("%s: %s: %s\n%s", function, *out.FunctionError, out.Payload, aws.ToString(out.LogResult))
	}
	if answer != nil {
		if err := json.Unmarshal(out.Payload, answer); err != nil {
			s.t.Fatalf("%s: %v in %s", function, err, out.Payload)
		}
	}
}

// A programCA is a CA whose key the test has, to sign CRLs of its own with.
type programCA struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

func newProgramCA(t *testing.T, name string, issuer *programCA) *programCA {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if issuer == nil {
		issuer = &programCA{template, key}
	}
	der := must(x509.CreateCertificate(rand.Reader, template, issuer.Certificate, key.Public(), issuer.key))(t)
	return &programCA{must(x509.ParseCertificate(der))(t), key}
}

func (c *programCA) pem() string { return pki.EncodePEM(pki.PEMCertificate, c.Raw) }

func (c *programCA) client(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, c.Certificate, key.Public(), c.key))(t)))(t)
}

func (c *programCA) crl(t *testing.T, number int64, revoked ...*x509.Certificate) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	for _, r := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: r.SerialNumber, RevocationTime: time.Now()})
	}
	return must(x509.CreateRevocationList(rand.Reader, template, c.Certificate, c.key))(t)
}
