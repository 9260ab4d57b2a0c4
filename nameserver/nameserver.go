// Package nameserver is the DNS data plane: an authoritative name server (RFC
// 1034, 1035) over UDP and TCP for the hosted zones of package service/zones,
// as Route 53's name servers are for AWS. It runs off an immutable
// [snapshot.DNS] and never waits for a database.
//
// Beside the published zones it has zones of its own, for names of the platform
// that templates and certificates point at: every name below
// execute-api.<region>.amazonaws.com (and .com.cn) and acm-validations.aws has
// the gateway's addresses. Where it is told the AWS endpoint's, s3.<region> and
// ocsp.acm-pca.<region> below amazonaws.com have those, with every bucket's name.
//
// In the order of what happens to a query: udp.go and tcp.go receive it, limit.go
// bounds what one source may ask, message.go reads it and writes the answer,
// answer.go finds the answer in what view.go made of the snapshot.
//
// Left out: recursion and forwarding, zone transfers and dynamic updates
// (refused), DNSSEC signing, DNS cookies, routing policies and health checks.
package nameserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"countersign/edge/snapshot"
)

// Config is what a [Server] is made of. Zero fields mean what their comments say.
type Config struct {
	// Addresses are what names of the platform have: IPv4 ones answer for A,
	// IPv6 ones for AAAA. Empty: such names exist but have no address.
	Addresses []netip.Addr

	// EndpointAddresses are the same for the names of the AWS endpoint that
	// certificates point at: buckets in S3 and OCSP of AWS Private CA. Empty:
	// there are no such names, and the ones that AWS has are somebody else's.
	EndpointAddresses []netip.Addr

	// QueriesPerSecond is how many queries one source, an IPv4 address or an
	// IPv6 /64, may ask over UDP, and as many again over TCP; twice as many may
	// come at once. Zero: 200. Negative: no limit.
	QueriesPerSecond int

	// LimitLoopback holds loopback addresses to the limits of a source, too.
	LimitLoopback bool

	MaxConnections          int           // open TCP connections; zero: 256
	MaxConnectionsPerSource int           // zero: 32
	IdleTimeout             time.Duration // for a TCP client to send its next query whole; zero: 10 s
	WriteTimeout            time.Duration // for a TCP client to take an answer; zero: 5 s

	// Now is the clock of limits and deadlines. It must run as the system's
	// clock does. Nil: the system's clock.
	Now func() time.Time

	Logger *slog.Logger // nil: nothing is logged
}

// A Server answers DNS queries. Its methods are safe for concurrent use.
type Server struct {
	config     Config
	log        *slog.Logger
	publishing sync.Mutex           // one Publish at a time
	view       atomic.Pointer[view] // never nil
	udpLimit   *limiter
	tcpLimit   *limiter // its own, so that spoofed datagrams do not use up a source's connections
	clients    clients
}

// New makes a server that answers SERVFAIL until the first Publish, except for
// the platform's names.
func New(c Config) *Server {
	or(&c.QueriesPerSecond, 200)
	or(&c.MaxConnections, 256)
	or(&c.MaxConnectionsPerSource, 32)
	or(&c.IdleTimeout, 10*time.Second)
	or(&c.WriteTimeout, 5*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		config: c, log: c.Logger,
		udpLimit: newLimiter(c.QueriesPerSecond, c.LimitLoopback),
		tcpLimit: newLimiter(c.QueriesPerSecond, c.LimitLoopback),
		clients:  clients{max: c.MaxConnections, maxPerSource: c.MaxConnectionsPerSource, limitLoopback: c.LimitLoopback},
	}
	s.view.Store(&view{platform: s.platform(), unpublished: true})
	return s
}

func (s *Server) platform() platform {
	return platform{gateway: s.config.Addresses, endpoint: s.config.EndpointAddresses}
}

func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Publish makes d what queries are answered from, whole and at once. When
// something in d cannot be served, the error names it and the server goes on
// with what it had. A d that is older than what is served is passed over.
func (s *Server) Publish(d *snapshot.DNS) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	old := s.view.Load()
	if d != nil && d.Revision < old.revision {
		return nil
	}
	v, err := newView(d, s.platform())
	if err != nil {
		if old.unpublished {
			return fmt.Errorf("nothing is served yet: %w", err)
		}
		return fmt.Errorf("the name server stays at revision %d: %w", old.revision, err)
	}
	for _, apex := range v.hidden {
		s.log.Warn("zone is not served: its names are the platform's own", "zone", apex)
	}
	s.view.Store(v)
	s.log.Debug("published", "revision", v.revision, "zones", len(v.zones))
	return nil
}

// past is a deadline that has passed for every clock.
var past = time.Unix(1, 0)

// Serve answers queries until ctx ends; then it answers what it has begun,
// closes both sockets, waits for everything that it has started and returns
// nil. It returns an error, after the same clean-up, when a socket breaks.
func (s *Server) Serve(ctx context.Context, packets net.PacketConn, listener net.Listener) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	unblock := context.AfterFunc(running, func() {
		packets.SetReadDeadline(past)
		listener.Close()
	})
	defer unblock()

	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		broken error // guarded by mu
	)
	run := func(what string, serve func(context.Context) error) {
		group.Go(func() {
			err := serve(running)
			if err == nil || running.Err() != nil {
				return
			}
			mu.Lock()
			broken = errors.Join(broken, fmt.Errorf("%s: %w", what, err))
			mu.Unlock()
			stop()
		})
	}
	socket := newPacketSocket(packets)
	for range max(2, runtime.GOMAXPROCS(0)) {
		run("DNS over UDP", func(ctx context.Context) error { return s.servePackets(ctx, socket) })
	}
	run("DNS over TCP", func(ctx context.Context) error { return s.serveConnections(ctx, listener) })
	group.Wait()
	listener.Close()
	packets.Close()
	return broken
}
