//go:debug rsa1024min=0

package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

// An entity is a certificate of a CA that is not the node's, with its key.
type entity struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func p256(t *testing.T) crypto.Signer {
	t.Helper()
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
}

// sign makes a certificate of issuer, or a self-signed one.
func sign(t *testing.T, issuer *entity, key crypto.Signer, name string, change ...func(*x509.Certificate)) *entity {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62)))(t), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range change {
		c(template)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer))(t)
	return &entity{must(x509.ParseCertificate(der))(t), key}
}

// ca makes a certificate a CA's, with a path length unless it is negative.
func ca(pathLen int) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil
		c.MaxPathLen, c.MaxPathLenZero = pathLen, pathLen == 0
	}
}

// tls is what the client presents: the certificate, and those it sends along.
func (e *entity) tls(along ...*entity) *tls.Certificate {
	c := &tls.Certificate{Certificate: [][]byte{e.cert.Raw}, PrivateKey: e.key}
	for _, a := range along {
		c.Certificate = append(c.Certificate, a.cert.Raw)
	}
	return c
}

// Every client certificate that must not pass, on a real connection: all but the
// missing one complete the handshake and are answered 403, as API Gateway does.
func TestClientsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	root := sign(t, nil, p256(t), "Root", ca(-1))
	sub := sign(t, root, p256(t), "Sub", ca(-1))
	rsaRoot := sign(t, nil, must(rsa.GenerateKey(rand.Reader, 2048))(t), "RSA Root", ca(-1))
	short := sign(t, nil, p256(t), "Short Root", ca(0))
	below := sign(t, short, p256(t), "Below Short", ca(-1))
	absent := sign(t, root, p256(t), "Absent from the bundle", ca(-1))
	stranger := sign(t, nil, p256(t), "Stranger", ca(-1))
	alone := sign(t, nil, p256(t), "Self-signed client")

	s.bucket("truststore")
	s.put("truststore", "t.pem", pemOf(root.cert.Raw, sub.cert.Raw, rsaRoot.cert.Raw, short.cert.Raw, below.cert.Raw, alone.cert.Raw))
	const name = "api.example.test"
	s.domain(name, s.serverCertificate("example.test", name), s.echoAPI("echo"), "s3://truststore/t.pem")

	for what, c := range map[string]*tls.Certificate{
		"of the root":                   sign(t, root, p256(t), "client").tls(),
		"of the subordinate":            sign(t, sub, p256(t), "client").tls(),
		"of the RSA root":               sign(t, rsaRoot, p256(t), "client").tls(),
		"with an RSA-2048 key":          sign(t, sub, must(rsa.GenerateKey(rand.Reader, 2048))(t), "client").tls(),
		"self-signed and in the bundle": alone.tls(),
	} {
		if got := s.caller(c).get(name, "", "/"); got.status != 200 {
			t.Errorf("%s: got %+v; want it admitted", what, got)
		}
	}
	s.caller(nil).get(name, "", "/").wantRefused(t, "certificate required")
	for what, c := range map[string]*tls.Certificate{
		"of another CA":                           sign(t, stranger, p256(t), "client").tls(),
		"of another CA, which it sends along":     sign(t, stranger, p256(t), "client").tls(stranger),
		"of a CA with a name from the bundle":     sign(t, sign(t, nil, p256(t), "Root", ca(-1)), p256(t), "client").tls(),
		"self-signed and not in the bundle":       sign(t, nil, p256(t), "client").tls(),
		"expired":                                 sign(t, sub, p256(t), "client", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }).tls(),
		"not yet valid":                           sign(t, sub, p256(t), "client", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }).tls(),
		"for servers only":                        sign(t, sub, p256(t), "client", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }).tls(),
		"with an RSA-1024 key":                    sign(t, sub, must(rsa.GenerateKey(rand.Reader, 1024))(t), "client").tls(),
		"signed with SHA-1":                       sign(t, rsaRoot, p256(t), "client", func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }).tls(),
		"below a CA whose path length forbids it": sign(t, below, p256(t), "client").tls(),
		"whose issuer is not in the bundle":       sign(t, absent, p256(t), "client").tls(),
		"whose issuer only it sends along":        sign(t, absent, p256(t), "client").tls(absent),
		"that is a CA's":                          sub.tls(),
		"that may sign certificates": sign(t, sub, p256(t), "client", func(c *x509.Certificate) {
			c.KeyUsage |= x509.KeyUsageCertSign
		}).tls(),
	} {
		for _, http2 := range []bool{false, true} {
			client := s.caller(c)
			client.http2 = http2
			if got := client.get(name, "", "/"); got.status != 403 || got.body != `{"message":"Forbidden"}` || got.header.Get("X-Amzn-Errortype") != "ForbiddenException" {
				t.Errorf("a certificate %s (HTTP/2 %v): got %+v; want 403", what, http2, got)
			}
		}
	}
}

// A certificate that was good when the session began is refused once it has
// ended, on a resumed session too. The clock is the node's own.
func TestExpiryOnResumption(t *testing.T) {
	t.Parallel()
	s := start(t)
	root := sign(t, nil, p256(t), "Root", ca(-1), func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(1, 0, 0) })
	s.bucket("truststore")
	s.put("truststore", "t.pem", pemOf(root.cert.Raw))
	const name = "api.example.test"
	s.domain(name, s.serverCertificate("example.test", name), s.echoAPI("echo"), "s3://truststore/t.pem")
	client := s.caller(sign(t, root, p256(t), "client", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Hour) }).tls())
	client.sessions = tls.NewLRUClientSessionCache(4)
	client.get(name, "", "/").want(t, 200, "")
	if got := client.get(name, "", "/"); !got.resumed || got.status != 200 {
		t.Fatalf("the second connection: %+v; want the session resumed", got)
	}
	s.clock.advance(2 * time.Hour)
	client.get(name, "", "/").want(t, 403, `{"message":"Forbidden"}`)
}
