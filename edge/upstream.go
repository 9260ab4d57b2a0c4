package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// The client side of HTTP_PROXY: HTTP/1.1 with kept connections. net/http's
// Transport hands every request to two goroutines of the connection and back;
// here the goroutine of the request writes and reads itself, which costs about
// half. Bodies are whole on both sides, so there is nothing to interleave.

// upstreamKey says which backend connections are interchangeable.
type upstreamKey struct {
	tls        bool
	host, port string
}

// upstreams are the backends of the snapshots; their connections outlive a snapshot.
type upstreams struct {
	cfg  Config
	tls  *tls.Config
	mu   sync.Mutex
	byID map[upstreamKey]*upstream
}

func (u *upstreams) init(cfg Config) {
	u.cfg, u.byID = cfg, map[upstreamKey]*upstream{}
	u.tls = &tls.Config{}
	if cfg.UpstreamTLS != nil {
		u.tls = cfg.UpstreamTLS.Clone()
	}
	u.tls.MinVersion = max(u.tls.MinVersion, tls.VersionTLS12)
	u.tls.NextProtos = []string{"http/1.1"}
	if u.tls.Time == nil {
		u.tls.Time = cfg.Now
	}
	if u.tls.ClientSessionCache == nil {
		u.tls.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	if u.cfg.Dial == nil {
		u.cfg.Dial = (&net.Dialer{}).DialContext
	}
}

// get finds or makes the backend of a key.
func (u *upstreams) get(key upstreamKey) *upstream {
	u.mu.Lock()
	defer u.mu.Unlock()
	if found := u.byID[key]; found != nil {
		return found
	}
	made := &upstream{key: key, owner: u, address: net.JoinHostPort(key.host, key.port)}
	if key.tls {
		made.tls = u.tls.Clone()
		if made.tls.ServerName == "" {
			made.tls.ServerName = key.host
		}
	}
	u.byID[key] = made
	return made
}

// retain closes the idle connections of backends that are not in use any more.
// A request that still has one keeps it, and closes it.
func (u *upstreams) retain(used map[upstreamKey]*upstream) {
	u.mu.Lock()
	var unused []*upstream
	for key, up := range u.byID {
		if used[key] == nil {
			unused = append(unused, up)
			delete(u.byID, key)
		}
	}
	u.mu.Unlock()
	for _, up := range unused {
		up.close()
	}
}

// upstreamShards is how many parts the idle connections of a backend are kept
// in, so that requests do not queue for one lock.
const upstreamShards = 8

// An upstream is a backend with its idle connections.
type upstream struct {
	key     upstreamKey
	owner   *upstreams
	address string
	tls     *tls.Config // nil: plain
	shards  [upstreamShards]struct {
		mu     sync.Mutex
		idle   []*upstreamConn // most recently used last
		closed bool
		_      [32]byte
	}
}

// An upstreamConn is a connection to a backend, used by one request at a time.
type upstreamConn struct {
	net.Conn
	raw       net.Conn // below TLS
	alive     liveness
	reader    *bufio.Reader
	allowance int64 // bytes that may still be read: bounds the headers
	idleSince time.Time
	cut       *time.Timer // ends what is in progress when the time is up
	cutNow    func()
}

// Limits of what a backend may send as headers, and of an idle connection.
const (
	maxResponseHeader = 64 << 10
	upstreamBuffer    = 4 << 10
	upstreamIdleTime  = 50 * time.Second // below the 60 s that many servers wait
	unlimited         = 1 << 62
)

var (
	errTooLarge       = errors.New("the response is larger than the gateway passes on")
	errHeaderTooLarge = errors.New("the response's headers are too large")
	errTimeout        = errors.New("the backend did not answer in time")
)

// Read bounds how much of a response is read before its end is known.
func (c *upstreamConn) Read(p []byte) (int, error) {
	if c.allowance <= 0 {
		return 0, errHeaderTooLarge
	}
	if int64(len(p)) > c.allowance {
		p = p[:c.allowance]
	}
	n, err := c.Conn.Read(p)
	c.allowance -= int64(n)
	return n, err
}

// An upstreamCall is a request to a backend and the buffers for it.
type upstreamCall struct {
	method   string
	head     []byte // request line and headers, to the empty line
	body     []byte
	maxBody  int // of the response
	response *bytes.Buffer
	request  http.Request // what http.ReadResponse wants to know
}

var calls = sync.Pool{New: func() any { return new(upstreamCall) }}

func (c *upstreamCall) release() {
	if c.response != nil {
		giveBack(c.response)
	}
	*c = upstreamCall{head: c.head[:0]}
	calls.Put(c)
}

// do sends the call and reads the whole response; its body is in
// call.response. The context ends it early, as does the timeout, which spans
// connecting and, anew, everything from the first byte sent to the last one
// read. now is only compared with other readings of the same clock.
func (u *upstream) do(ctx context.Context, call *upstreamCall, timeout time.Duration, now time.Time) (*http.Response, error) {
	if call.response == nil {
		call.response = bodies.Get().(*bytes.Buffer)
	}
	if c := u.take(now, !idempotent(call.method)); c != nil {
		response, fresh, err := u.exchange(ctx, c, call, timeout, now)
		// A connection that the backend closed meanwhile is nobody's fault. The
		// request is sent again if it cannot have been carried out twice.
		if err == nil || !fresh || !idempotent(call.method) || ctx.Err() != nil || errors.Is(err, errTimeout) {
			return response, err
		}
	}
	c, err := u.dial(ctx, timeout)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", u.address, err)
	}
	response, _, err := u.exchange(ctx, c, call, timeout, now)
	return response, err
}

// idempotent tells the methods that may be repeated (RFC 9110, 9.2.2).
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return false
}

// exchange carries one call over c and keeps or closes it afterwards. fresh
// reports that no byte of a response had come.
func (u *upstream) exchange(ctx context.Context, c *upstreamConn, call *upstreamCall, timeout time.Duration, now time.Time) (response *http.Response, fresh bool, err error) {
	if c.cut == nil {
		c.cut = time.AfterFunc(timeout, c.cutNow)
	} else {
		c.cut.Reset(timeout)
	}
	stopWatching := context.AfterFunc(ctx, c.cutNow)
	keep := false
	response, keep, fresh, err = c.roundTrip(call)
	uncut, unwatched := c.cut.Stop(), stopWatching()
	if err != nil && !uncut {
		err = errTimeout
	}
	if keep && err == nil && uncut && unwatched {
		u.give(c, now)
	} else {
		c.Close()
	}
	if err != nil {
		return nil, fresh, err
	}
	return response, fresh, nil
}

// roundTrip writes the request and reads the response with its body.
func (c *upstreamConn) roundTrip(call *upstreamCall) (response *http.Response, keep, fresh bool, err error) {
	c.allowance = maxResponseHeader
	if err := c.send(call); err != nil {
		return nil, false, true, fmt.Errorf("send: %w", err)
	}
	if _, err := c.reader.Peek(1); err != nil {
		return nil, false, true, fmt.Errorf("no response: %w", err)
	}
	call.request.Method = call.method
	for range 5 { // informational responses, if any, and the final one
		if response, err = http.ReadResponse(c.reader, &call.request); err != nil {
			return nil, false, false, fmt.Errorf("read response: %w", err)
		}
		if response.StatusCode < 100 || response.StatusCode >= 200 {
			break
		}
		if response.StatusCode == http.StatusSwitchingProtocols {
			return nil, false, false, errors.New("the backend switched protocols unasked")
		}
	}
	if response.StatusCode < 200 || response.StatusCode > 599 {
		return nil, false, false, fmt.Errorf("the backend answered with status %d", response.StatusCode)
	}
	if response.ContentLength > int64(call.maxBody) && call.method != http.MethodHead {
		return nil, false, false, errTooLarge
	}
	c.allowance = unlimited // the body is bounded below
	call.response.Reset()
	if response.Body != http.NoBody {
		if n := response.ContentLength; n > 0 {
			call.response.Grow(int(min(n, largestPooled)) + bytes.MinRead)
		}
		n, err := call.response.ReadFrom(io.LimitReader(response.Body, int64(call.maxBody)+1))
		if err != nil {
			return nil, false, false, fmt.Errorf("read body: %w", err)
		}
		if n > int64(call.maxBody) {
			return nil, false, false, errTooLarge
		}
	}
	// Bytes that follow belong to no request of ours.
	return response, !response.Close && c.reader.Buffered() == 0, false, nil
}

// send writes head and body, small ones with one call.
func (c *upstreamConn) send(call *upstreamCall) error {
	if len(call.body) <= 16<<10 {
		call.head = append(call.head, call.body...)
		_, err := c.Conn.Write(call.head)
		call.head = call.head[:len(call.head)-len(call.body)]
		return err
	}
	if _, err := c.Conn.Write(call.head); err != nil {
		return err
	}
	_, err := c.Conn.Write(call.body)
	return err
}

// dial opens a connection, with TLS if the backend has it.
func (u *upstream) dial(ctx context.Context, timeout time.Duration) (*upstreamConn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	raw, err := u.owner.cfg.Dial(ctx, "tcp", u.address)
	if err != nil {
		return nil, err
	}
	c := &upstreamConn{Conn: raw, raw: raw}
	if u.tls != nil {
		t := tls.Client(raw, u.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		c.Conn = t
	}
	c.alive.watch(raw, u.tls != nil)
	c.reader = bufio.NewReaderSize(c, upstreamBuffer)
	c.cutNow = func() { _ = raw.SetDeadline(longAgo) }
	return c, nil
}

// take finds an idle connection; nil if there is none. For a request that
// cannot be repeated it makes sure that the backend has not closed it.
func (u *upstream) take(now time.Time, sure bool) *upstreamConn {
	home := rand.Uint32()
	for i := range uint32(upstreamShards) {
		s := &u.shards[(home+i)%upstreamShards]
		for {
			s.mu.Lock()
			n := len(s.idle)
			if n == 0 {
				s.mu.Unlock()
				break
			}
			c := s.idle[n-1]
			s.idle[n-1] = nil
			s.idle = s.idle[:n-1]
			s.mu.Unlock()
			idle := now.Sub(c.idleSince)
			if idle > upstreamIdleTime || (sure || idle > time.Second) && !c.alive.check() {
				c.Close()
				continue
			}
			return c
		}
	}
	return nil
}

// give keeps a connection for the next request.
func (u *upstream) give(c *upstreamConn, now time.Time) {
	c.idleSince = now
	s := &u.shards[rand.Uint32()%upstreamShards]
	s.mu.Lock()
	var drop *upstreamConn
	switch {
	case s.closed:
		drop = c
	default:
		s.idle = append(s.idle, c)
		// The oldest goes when there are too many, or it is too old to be used.
		if oldest := s.idle[0]; len(s.idle) > max(1, u.owner.cfg.Limits.UpstreamIdle/upstreamShards) ||
			now.Sub(oldest.idleSince) > upstreamIdleTime {
			drop = oldest
			s.idle = append(s.idle[:0], s.idle[1:]...)
		}
	}
	s.mu.Unlock()
	if drop != nil {
		drop.Close()
	}
}

// close closes the idle connections and keeps no more.
func (u *upstream) close() {
	for i := range u.shards {
		s := &u.shards[i]
		s.mu.Lock()
		idle := s.idle
		s.idle, s.closed = nil, true
		s.mu.Unlock()
		for _, c := range idle {
			c.Close()
		}
	}
}
