package edge

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"

	"countersign/pki"
)

// cipherSuites are those of AWS's policy TLS_1_2 for TLS 1.2 connections, as
// far as crypto/tls has them and runs them in constant time. Of the policy are
// missing: ECDHE-{ECDSA,RSA}-AES{128-SHA256,256-SHA384} and AES{128,256}-SHA256.
// TLS 1.3 suites are not configurable in Go, and are AWS's.
func cipherSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	}
}

// tlsConfig makes the configuration of a site. It is shared by its
// connections and made only when a snapshot is published.
//
// A mutual site demands some client certificate, else the handshake fails with
// the alert certificate_required. What certificate it is, is judged by
// [Edge.admit] when the handshake has ended and before a request is read: on
// resumed sessions like on full handshakes, which crypto/tls's own
// verification does not do.
func (e *Edge) tlsConfig(certificate *tls.Certificate, mutual bool) *tls.Config {
	c := &tls.Config{
		Time:         e.cfg.Now,
		Rand:         e.cfg.Rand,
		Certificates: []tls.Certificate{*certificate},
		MinVersion:   tls.VersionTLS12,
		CipherSuites: cipherSuites(),
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if mutual {
		c.ClientAuth = tls.RequireAnyClientCert
	}
	return c
}

// ticketKey makes the key of a site's session tickets from the key of the
// snapshot, so that sites never share one and sessions end when the trust
// store changes, whatever the snapshot says.
func ticketKey(key [32]byte, name string, t *trust) [32]byte {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("countersign session tickets\x00" + name + "\x00"))
	if t != nil {
		h.Write(t.fingerprint[:])
	}
	return [32]byte(h.Sum(nil))
}

// listenerConfig is what every connection starts with; GetConfigForClient
// replaces it by the configuration of the site that the SNI names.
func (e *Edge) listenerConfig() *tls.Config {
	// Without a certificate crypto/tls answers unrecognized_name, and nothing
	// about any domain is learned.
	nobody := &tls.Config{Time: e.cfg.Now, Rand: e.cfg.Rand, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}
	c := nobody.Clone()
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		conn := hello.Conn.(*conn)
		conn.hello = true
		conn.sni = normalName(hello.ServerName)
		conn.view = e.view.Load()
		conn.site = conn.view.site(conn.sni)
		if conn.site == nil {
			return nobody, nil
		}
		return conn.site.tls, nil
	}
	return c
}

// admit judges a connection whose handshake has ended.
func (e *Edge) admit(c *conn, state *tls.ConnectionState) {
	c.version, c.resumed = state.Version, state.DidResume
	c.chain = state.PeerCertificates
	b := e.bind(c, c.view, c.site)
	c.bound.Store(b)
	e.decide(c, b.judged, c.site.name, b.reason, b.detail, false)
}

// handshakeReason names why a handshake failed. crypto/tls has no error value
// for the missing certificate.
func handshakeReason(c *conn, err error) pki.Reason {
	switch {
	case c.hello && c.site == nil:
		return UnknownServerName
	case c.site != nil && c.site.trust != nil && err.Error() == "tls: client didn't provide a certificate":
		return pki.Missing
	}
	return HandshakeFailed
}
