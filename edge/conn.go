package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"sync/atomic"
	"time"

	"countersign/pki"
)

// A conn is one accepted connection, below TLS. Its plain fields are written
// by the goroutine of the handshake and only read after it.
type conn struct {
	net.Conn
	server *server
	id     string // of its decision

	hello   bool  // a ClientHello was read
	view    *view // in force then
	site    *site // chosen then; nil: unknown SNI
	sni     string
	version uint16
	resumed bool
	chain   []*x509.Certificate // as presented, leaf first

	bound  atomic.Pointer[binding]
	closed atomic.Bool
}

// Close closes the connection and gives its place to another one.
func (c *conn) Close() error {
	if !c.closed.Swap(true) {
		c.server.open.Add(-1)
	}
	return c.Conn.Close()
}

// What is read of a client after its handshake was refused, and for how long.
const (
	alertTime  = 500 * time.Millisecond
	alertBytes = 64 << 10
)

// closeAfterAlert closes a connection whose handshake failed so that the client
// learns why. In TLS 1.3 it may have sent a request behind its part of the
// handshake. Closing with that unread would reset the connection, and a reset takes
// the alert away from a client that has not read it yet (RFC 1122, 4.2.2.13).
func (c *conn) closeAfterAlert() {
	defer c.Close()
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	late := time.AfterFunc(alertTime, func() { c.Close() })
	defer late.Stop()
	io.CopyN(io.Discard, c.Conn, alertBytes) // until the client closes, mostly
}

// A binding is what a connection may do under one view. Another view, a new
// revocation or the passing of time replaces it.
type binding struct {
	view   *view
	site   *site
	client *client // nil: none is asked for, or it was refused
	judged time.Time
	reason pki.Reason
	detail string

	changes atomic.Uint64 // of Revocations, when the client was last looked up
}

// bind judges the connection for the site under the view.
func (e *Edge) bind(c *conn, v *view, s *site) *binding {
	b := &binding{view: v, site: s, reason: pki.Valid, judged: e.cfg.Now()}
	if s.trust == nil {
		return b
	}
	b.changes.Store(e.revocations.Changes()) // before the lookup: what comes after it is looked up again
	b.client, b.reason, b.detail = s.trust.judge(c.chain, b.judged, e.revocations)
	return b
}

// recheck is what every request on the connection goes through first: it
// returns a binding that holds for this view, this moment and every revocation
// so far; nil if the connection's name is no longer served, or asks for a
// certificate that the connection did not present. Unless something changed it
// is a few comparisons and takes no lock.
func (e *Edge) recheck(c *conn, v *view, now time.Time) *binding {
	b := c.bound.Load()
	if b.view != v {
		if b = e.rebind(c, b, v); b == nil {
			return nil
		}
	}
	if b.client == nil {
		return b
	}
	if changes := e.revocations.Changes(); !b.client.timely(now) {
		return e.rejudge(c, v, b.site)
	} else if b.changes.Load() != changes {
		if reason, _ := b.client.revokedIn(e.revocations); reason != pki.Valid {
			return e.rejudge(c, v, b.site)
		}
		b.changes.Store(changes)
	}
	return b
}

// rebind moves the connection to another view. What was found out about the
// client stays true as long as the trust store is the same.
func (e *Edge) rebind(c *conn, old *binding, v *view) *binding {
	s := v.site(c.sni)
	switch {
	case s == nil:
		return nil
	case s.trust != nil && len(c.chain) == 0:
		return nil // it became mutual since: the client has to connect again
	case s.trust != old.site.trust:
		return e.rejudge(c, v, s)
	}
	b := &binding{view: v, site: s, client: old.client, judged: old.judged, reason: old.reason, detail: old.detail}
	b.changes.Store(old.changes.Load())
	c.bound.Store(b)
	return b
}

// rejudge judges the client anew, and records it if that ends in a refusal.
func (e *Edge) rejudge(c *conn, v *view, s *site) *binding {
	b := e.bind(c, v, s)
	c.bound.Store(b)
	if b.reason != pki.Valid {
		e.decide(c, b.judged, s.name, b.reason, b.detail, true)
	}
	return b
}

// connKey is the key of the conn in the context of its requests.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c.(*tls.Conn).NetConn().(*conn))
}
