package edge

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"log/slog"
	"time"

	"countersign/pki"
)

// Reasons of ours that are not about the certificate itself; the others are
// those of package pki.
const (
	// UnknownServerName: the SNI names no domain of the snapshot.
	UnknownServerName pki.Reason = "UnknownServerName"
	// HandshakeFailed stands for every other failure of TLS: no version or
	// cipher in common, a certificate that does not parse, a client that left.
	// It is the name load balancers log it under.
	HandshakeFailed pki.Reason = "UnmappedConnectionError"
)

// A Decision says what became of a connection, and why. It is made once the
// handshake has ended, and once more if a connection that was accepted is
// refused later.
type Decision struct {
	ID       string // TID_ and 32 hex digits
	Time     time.Time
	Reason   pki.Reason // pki.Valid: accepted
	Detail   string     // for people
	Domain   string     // "" for default endpoints and when the SNI was not known
	SNI      string
	Remote   string // address and port of the client
	Protocol string // "TLSv1.3"; "" when the handshake failed
	Resumed  bool
	Later    bool // made at a request on an accepted connection, not at the handshake

	// Of the leaf certificate, when there was one.
	Subject     string // attributes in certificate order
	Issuer      string
	Serial      string // lower-case hex
	Fingerprint string // SHA-256 of the certificate, lower-case hex
}

// Accepted reports whether the connection may carry requests.
func (d *Decision) Accepted() bool { return d.Reason == pki.Valid }

// decide makes the decision for c and hands it to the log and the hook.
func (e *Edge) decide(c *conn, now time.Time, domain string, reason pki.Reason, detail string, later bool) *Decision {
	if m := e.cfg.Metrics; m != nil && later {
		m.Refused(string(reason))
	} else if m != nil {
		m.Handshake(string(reason), c.resumed)
	}
	if reason == pki.Valid && e.cfg.OnDecision == nil && !e.log.Enabled(context.Background(), slog.LevelDebug) {
		return nil // nobody would see it
	}
	d := &Decision{
		ID:      c.id,
		Time:    now,
		Reason:  reason,
		Detail:  detail,
		Domain:  domain,
		SNI:     c.sni,
		Remote:  c.RemoteAddr().String(),
		Resumed: c.resumed,
		Later:   later,
	}
	if c.version != 0 {
		d.Protocol = protocolName(c.version)
	}
	if len(c.chain) > 0 {
		d.describe(c.chain[0])
	}
	if e.cfg.OnDecision != nil {
		e.cfg.OnDecision(*d)
	}
	level, message := slog.LevelDebug, "client accepted"
	if reason != pki.Valid {
		level, message = slog.LevelInfo, "client refused"
	}
	e.log.Log(context.Background(), level, message, "decision", d.ID, "reason", string(d.Reason), "detail", d.Detail,
		"domain", d.Domain, "sni", d.SNI, "remote", d.Remote, "subject", d.Subject, "serial", d.Serial, "later", d.Later)
	return d
}

func (d *Decision) describe(leaf *x509.Certificate) {
	sum := sha256.Sum256(leaf.Raw)
	d.Subject = pki.FormatName(leaf.RawSubject)
	d.Issuer = pki.FormatName(leaf.RawIssuer)
	d.Serial = pki.SerialHex(leaf.SerialNumber)
	d.Fingerprint = hex.EncodeToString(sum[:])
}

// protocolName writes a TLS version as the connection logs do.
func protocolName(version uint16) string {
	switch version {
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return tls.VersionName(version)
}
