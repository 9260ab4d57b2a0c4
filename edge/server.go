package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// A server is one listener being served: it completes handshakes itself, to
// know why one failed and to judge clients before HTTP begins, and hands the
// connections to net/http.
type server struct {
	edge     *Edge
	listener net.Listener
	config   *tls.Config
	http     *http.Server
	ready    chan net.Conn // handshakes that succeeded
	stop     chan struct{} // closed when no more are taken
	stopOnce sync.Once
	open     atomic.Int64 // connections

	mu       sync.Mutex
	inFlight map[*conn]struct{} // in the handshake
	pending  sync.WaitGroup     // their goroutines
}

// ErrClosed is what Serve returns on an Edge that was shut down before.
var ErrClosed = errors.New("edge: shut down")

// Serve accepts TLS connections on l until the context ends or Shutdown is
// called, and then returns nil when the requests in flight have been answered
// (or Limits.DrainTimeout has passed). It returns an error only when the
// listener breaks. It closes l in any case.
func (e *Edge) Serve(ctx context.Context, l net.Listener) error {
	s := &server{
		edge:     e,
		listener: l,
		config:   e.listenerConfig(),
		ready:    make(chan net.Conn),
		stop:     make(chan struct{}),
		inFlight: map[*conn]struct{}{},
	}
	limits := e.cfg.Limits
	s.http = &http.Server{
		Handler:                      e,
		DisableGeneralOptionsHandler: true, // OPTIONS * passes the same checks as everything
		ConnContext:                  withConn,
		ErrorLog:                     slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
		MaxHeaderBytes:               limits.HeaderBytes,
		ReadHeaderTimeout:            limits.HeaderTimeout,
		IdleTimeout:                  limits.IdleTimeout,
		WriteTimeout:                 limits.WriteTimeout,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: limits.Streams,
			SendPingTimeout:      30 * time.Second,
			PingTimeout:          15 * time.Second,
			WriteByteTimeout:     30 * time.Second,
		},
	}
	if !e.register(s) {
		l.Close()
		return ErrClosed
	}
	defer e.unregister(s)

	served := make(chan error, 1)
	go func() { served <- s.http.Serve(readyListener{s}) }()
	accepted := make(chan error, 1)
	go func() { accepted <- s.accept() }()

	var err error
	select {
	case <-ctx.Done():
	case <-s.stop:
	case err = <-accepted:
		accepted <- err
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), limits.DrainTimeout)
	defer cancel()
	s.shutdown(drain)
	<-accepted
	<-served
	return err
}

// Shutdown stops accepting on every listener, waits for the requests in flight
// and closes idle connections to backends. It returns the context's error when
// that ends first, with everything closed nevertheless. The Edge cannot serve
// again.
func (e *Edge) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	var all []*server
	for s := range e.servers {
		all = append(all, s)
	}
	e.mu.Unlock()
	var wait sync.WaitGroup
	failed := make([]error, len(all))
	for i, s := range all {
		wait.Go(func() { failed[i] = s.shutdown(ctx) })
	}
	wait.Wait()
	e.upstreams.retain(nil)
	return errors.Join(failed...)
}

func (e *Edge) register(s *server) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.servers[s] = struct{}{}
	return true
}

func (e *Edge) unregister(s *server) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.servers, s)
}

// shutdown ends the server; when it returns no goroutine of a handshake or a
// request is left, unless the context ended first: then their connections are
// closed.
func (s *server) shutdown(ctx context.Context) error {
	s.stopOnce.Do(func() { close(s.stop) })
	s.listener.Close()
	s.mu.Lock()
	for c := range s.inFlight {
		c.Close() // a handshake is nothing to wait for
	}
	s.mu.Unlock()
	s.pending.Wait()
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	return err
}

// accept takes connections until the listener is closed. Each has its own
// goroutine for the handshake, so that a slow one holds nobody up.
func (s *server) accept() error {
	var pause time.Duration
	for {
		raw, err := s.listener.Accept()
		if err != nil {
			select {
			case <-s.stop:
				return nil
			default:
			}
			var temporary interface{ Temporary() bool }
			if !errors.As(err, &temporary) || !temporary.Temporary() {
				return fmt.Errorf("accept on %s: %w", s.listener.Addr(), err)
			}
			// Out of file descriptors, most likely: let some connections end.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.edge.log.Warn("cannot accept a connection", "error", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-s.stop:
			}
			continue
		}
		pause = 0
		c := &conn{Conn: raw, server: s, id: s.edge.ids.decision()}
		if s.open.Add(1) > int64(s.edge.cfg.Limits.Connections) {
			s.edge.log.Warn("too many connections; one is closed unanswered", "limit", s.edge.cfg.Limits.Connections)
			c.Close()
			continue
		}
		if !s.track(c) {
			c.Close()
			continue
		}
		go s.handshake(c)
	}
}

// track counts a handshake; false once the server is stopping.
func (s *server) track(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
		return false
	default:
	}
	s.inFlight[c] = struct{}{}
	s.pending.Add(1)
	return true
}

func (s *server) untrack(c *conn) {
	s.mu.Lock()
	delete(s.inFlight, c)
	s.mu.Unlock()
	s.pending.Done()
}

// handshake completes TLS on c, judges the client, and passes the connection on.
func (s *server) handshake(c *conn) {
	e := s.edge
	defer s.untrack(c)
	defer func() {
		if p := recover(); p != nil { // foreign bytes never take the node down
			e.log.Error("panic in a handshake", "panic", p, "remote", c.RemoteAddr().String(), "stack", string(debug.Stack()))
			c.Close()
		}
	}()
	// A timer that closes the connection costs less than a context that
	// HandshakeContext would watch from a goroutine of its own.
	slow := time.AfterFunc(e.cfg.Limits.HandshakeTimeout, func() { c.Close() })
	t := tls.Server(c, s.config)
	err := t.Handshake()
	inTime := slow.Stop()
	if err != nil {
		reason, detail := handshakeReason(c, err), err.Error()
		if !inTime {
			detail = "the handshake took longer than " + e.cfg.Limits.HandshakeTimeout.String()
		}
		name := ""
		if c.site != nil {
			name = c.site.name
		}
		e.decide(c, e.cfg.Now(), name, reason, detail, false)
		c.closeAfterAlert()
		return
	}
	state := t.ConnectionState()
	e.admit(c, &state)
	select {
	case s.ready <- t:
	case <-s.stop:
		t.Close()
	}
}

// readyListener is what net/http accepts from.
type readyListener struct{ s *server }

func (l readyListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.s.ready:
		return c, nil
	case <-l.s.stop:
		return nil, net.ErrClosed
	}
}

func (l readyListener) Close() error   { return nil }
func (l readyListener) Addr() net.Addr { return l.s.listener.Addr() }
