package nameserver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A failOnError keeps what was logged as an error, such as a panic.
type failOnError struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (f *failOnError) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out.Write(b)
}

func (f *failOnError) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelError}))
}

func (f *failOnError) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.out.Reset()
	return f.out.String()
}

func dialTCP(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func framed(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
}

func readFramed(c net.Conn) (*dns.Msg, error) {
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	return m, m.Unpack(b)
}

// closed waits until the other side has closed a connection.
func closed(t testing.TB, c net.Conn) {
	t.Helper()
	var b [1]byte
	if n, err := c.Read(b[:]); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is not closed: %d bytes, %v", n, err)
	}
}

func TestPipelining(t *testing.T) {
	t.Parallel()
	address, _ := listen(t, newServer(t, Config{}, example()))
	c := dialTCP(t, address)
	var all []byte
	var ids []uint16
	for i := range 50 {
		q := question(fmt.Sprintf("h%d.wild.example.com.", i), dns.TypeA)
		ids = append(ids, q.Id)
		all = append(all, framed(t, q)...)
	}
	go func() { // in pieces that keep to no boundary
		for len(all) > 0 {
			n := min(7, len(all))
			c.Write(all[:n])
			all = all[n:]
		}
	}()
	for i, id := range ids {
		got, err := readFramed(c)
		if err != nil || got.Id != id || len(got.Answer) != 1 {
			t.Fatalf("answer %d: %v, %v", i, got, err)
		}
	}
}

func TestTCPClientsAreBounded(t *testing.T) {
	t.Parallel()
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		address, _ := listen(t, newServer(t, Config{IdleTimeout: 50 * time.Millisecond}, example()))
		closed(t, dialTCP(t, address))
	})
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		address, _ := listen(t, newServer(t, Config{IdleTimeout: 100 * time.Millisecond}, example()))
		c := dialTCP(t, address)
		for _, b := range framed(t, question("www.example.com.", dns.TypeA))[:20] {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		closed(t, c)
	})
	t.Run("never reads", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, Config{IdleTimeout: time.Minute, WriteTimeout: 50 * time.Millisecond}, example())
		address, _ := listen(t, s)
		c := dialTCP(t, address)
		q := framed(t, question("many.example.com.", dns.TypeA))
		for {
			if _, err := c.Write(q); err != nil { // once the server has given up
				if strings.Contains(err.Error(), "timeout") {
					t.Error("the server waits for a client that does not read")
				}
				return
			}
		}
	})
	t.Run("oversize", func(t *testing.T) {
		t.Parallel()
		address, _ := listen(t, newServer(t, Config{}, example()))
		c := dialTCP(t, address)
		c.Write([]byte{0xff, 0xff})
		closed(t, c)
	})
	t.Run("silence for an answer", func(t *testing.T) {
		t.Parallel()
		address, _ := listen(t, newServer(t, Config{}, example()))
		c := dialTCP(t, address)
		q := question("www.example.com.", dns.TypeA)
		q.Response = true
		c.Write(framed(t, q))
		closed(t, c)
	})
	t.Run("too many", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, Config{MaxConnections: 3, IdleTimeout: time.Minute}, example())
		address, _ := listen(t, s)
		ask := func(c net.Conn) error {
			if _, err := c.Write(framed(t, question("www.example.com.", dns.TypeA))); err != nil {
				return err
			}
			_, err := readFramed(c)
			return err
		}
		var open []net.Conn
		for range 3 {
			c := dialTCP(t, address)
			if err := ask(c); err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
		}
		if err := ask(dialTCP(t, address)); err == nil {
			t.Error("a fourth connection was served")
		}
		open[0].Close()
		for deadline := time.Now().Add(5 * time.Second); ask(dialTCP(t, address)) != nil; {
			if time.Now().After(deadline) {
				t.Fatal("no connection is served after one was closed")
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func TestClients(t *testing.T) {
	t.Parallel()
	a, b, local := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("127.0.0.1")
	c := clients{max: 6, maxPerSource: 2}
	steps := []struct {
		source netip.Addr
		want   bool
	}{{a, true}, {a, true}, {a, false}, {b, true}, {local, true}, {local, true}, {local, true}, {b, false}}
	for i, s := range steps {
		if got := c.enter(s.source); got != s.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	for _, s := range steps {
		if s.want {
			c.leave(s.source)
		}
	}
	if c.open != 0 || len(c.bySource) != 0 {
		t.Errorf("left behind: %d, %v", c.open, c.bySource)
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	uses := func(l *limiter, source string, times int) (allowed int) {
		for range times {
			if l.allow(netip.MustParseAddr(source), at) {
				allowed++
			}
		}
		return allowed
	}
	l := newLimiter(10, false)
	if n := uses(l, "192.0.2.1", 100); n != 20 {
		t.Errorf("%d at once, want 20", n)
	}
	if n := uses(l, "::ffff:192.0.2.1", 100); n != 0 {
		t.Errorf("%d more in the IPv6 form of the address", n)
	}
	if n := uses(l, "192.0.2.2", 100); n != 20 {
		t.Errorf("another source: %d at once, want 20", n)
	}
	if n := uses(l, "2001:db8::1", 15) + uses(l, "2001:db8::ffff:1", 15) + uses(l, "fe80::1%eth0", 20); n != 40 {
		t.Errorf("two IPv6 networks: %d, want 40", n)
	}
	if n := uses(l, "127.0.0.1", 1000) + uses(l, "::1", 1000) + uses(l, "127.9.9.9", 1000); n != 3000 {
		t.Errorf("loopback: %d of 3000", n)
	}
	at = at.Add(500 * time.Millisecond)
	if n := uses(l, "192.0.2.1", 100); n != 5 {
		t.Errorf("%d after half a second, want 5", n)
	}
	at = at.Add(time.Hour)
	if n := uses(l, "192.0.2.1", 100); n != 20 {
		t.Errorf("%d after an hour, want 20", n)
	}
	at = at.Add(-time.Minute) // a clock that is set back shuts nobody out for good, and lets nobody do more
	if n := uses(l, "192.0.2.1", 100); n != 0 {
		t.Errorf("%d after the clock was set back", n)
	}
	at = at.Add(2 * time.Minute)
	if n := uses(l, "192.0.2.1", 100); n != 20 {
		t.Errorf("%d later, want 20", n)
	}
	if n := uses(newLimiter(10, true), "127.0.0.1", 100); n != 20 {
		t.Errorf("loopback when limited: %d, want 20", n)
	}
	if n := uses(newLimiter(-1, true), "192.0.2.1", 1000); n != 1000 {
		t.Errorf("without a limit: %d", n)
	}
	// The zero Addr is a source like any other.
	if !l.allow(netip.Addr{}, at) {
		t.Error("the first use of an unknown source")
	}
}

// The allowance holds when several goroutines use it at once.
func TestLimiterConcurrently(t *testing.T) {
	t.Parallel()
	l, at := newLimiter(50, false), time.Unix(1e9, 0)
	var group sync.WaitGroup
	counts := make([]int, 8)
	for i := range counts {
		group.Go(func() {
			for range 100 {
				if l.allow(netip.MustParseAddr("192.0.2.1"), at) {
					counts[i]++
				}
			}
		})
	}
	group.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	if total != 100 {
		t.Errorf("%d were allowed, want 100", total)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	at := time.Now() // and does not move
	address, _ := listen(t, newServer(t, Config{QueriesPerSecond: 5, LimitLoopback: true, Now: func() time.Time { return at }}, example()))
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	full, truncated := 0, 0
	wire := framed(t, question("www.example.com.", dns.TypeA))[2:]
	buffer := make([]byte, 4096)
	for range 30 {
		if _, err := c.Write(wire); err != nil {
			t.Fatal(err)
		}
	}
	for {
		wait := 5 * time.Second
		if full+truncated >= 20 {
			wait = 100 * time.Millisecond // for what should not come
		}
		c.SetReadDeadline(time.Now().Add(wait))
		n, err := c.Read(buffer)
		if err != nil {
			break
		}
		got := new(dns.Msg)
		if err := got.Unpack(buffer[:n]); err != nil {
			t.Fatal(err)
		}
		switch {
		case got.Truncated && len(got.Answer) == 0 && n <= len(wire):
			truncated++
		case len(got.Answer) == 2:
			full++
		default:
			t.Fatalf("got %v", got)
		}
	}
	if full != 10 || truncated != 10 {
		t.Errorf("of 30 queries %d were answered and %d sent to TCP, want 10 and 10", full, truncated)
	}
	// TCP has its own allowance.
	conn := dialTCP(t, address)
	answered := 0
	for range 30 {
		conn.Write(framed(t, question("www.example.com.", dns.TypeA)))
		if _, err := readFramed(conn); err != nil {
			break
		}
		answered++
	}
	if answered != 10 {
		t.Errorf("%d answers over TCP, want 10", answered)
	}
}

// By default a test suite on the same machine never meets the limit.
func TestLoopbackIsNotLimited(t *testing.T) {
	t.Parallel()
	address, _ := listen(t, newServer(t, Config{QueriesPerSecond: 1}, example()))
	for range 100 {
		if got := exchange(t, "udp", address, question("www.example.com.", dns.TypeA)); len(got.Answer) != 2 {
			t.Fatalf("got %v", got)
		}
	}
}

// An answer leaves from the address that was asked, also on a socket of all
// addresses: a connected client socket takes no other.
func TestAnswersFromTheAddressAsked(t *testing.T) {
	t.Parallel()
	for _, at := range []string{":0", "0.0.0.0:0"} {
		address, _ := listenOn(t, newServer(t, Config{}, example()), at)
		_, port, _ := net.SplitHostPort(address)
		for _, host := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
			if host == "::1" && at != ":0" {
				continue
			}
			to := net.JoinHostPort(host, port)
			probe, err := net.Dial("tcp", to)
			if err != nil {
				t.Logf("no %s on this machine: %v", host, err)
				continue
			}
			probe.Close()
			if got := exchange(t, "udp", to, question("www.example.com.", dns.TypeA)); len(got.Answer) != 2 {
				t.Errorf("%s on %s: %v", to, at, got)
			}
		}
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	s := newServer(t, Config{IdleTimeout: time.Minute}, example())
	address, stop := listen(t, s)
	idle := dialTCP(t, address)
	if _, err := idle.Write(framed(t, question("www.example.com.", dns.TypeA))); err != nil {
		t.Fatal(err)
	}
	if _, err := readFramed(idle); err != nil {
		t.Fatal(err)
	}
	stop()
	closed(t, idle)
	for _, network := range []string{"udp", "tcp"} { // both ports are free
		switch network {
		case "udp":
			p, err := net.ListenPacket("udp", address)
			if err != nil {
				t.Fatal(err)
			}
			p.Close()
		case "tcp":
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
		}
	}
	if s.clients.open != 0 {
		t.Errorf("%d connections are still counted", s.clients.open)
	}
}

// When one socket breaks, Serve stops the other, and all connections, and says
// which it was.
func TestBrokenSocket(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"UDP", "TCP"} {
		s := newServer(t, Config{IdleTimeout: time.Minute}, example())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Serve(t.Context(), p, l) }()
		c := dialTCP(t, l.Addr().String())
		c.Write(framed(t, question("www.example.com.", dns.TypeA)))
		if _, err := readFramed(c); err != nil {
			t.Fatal(err)
		}
		if which == "UDP" {
			p.Close()
		} else {
			l.Close()
		}
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), which) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("a broken %s socket: %v", which, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("Serve goes on without its %s socket", which)
		}
		closed(t, c)
	}
}

// Queries while snapshots come see one snapshot each, whole.
func TestPublishWhileServing(t *testing.T) {
	t.Parallel()
	s := newServer(t, Config{}, nil)
	publish := func(i int) {
		ip := fmt.Sprintf("192.0.2.%d", i%250)
		d := dnsOf(zoneOf("p.test.", rs("www.p.test.", "A", 60, ip), rs("c.p.test.", "CNAME", 60, "www.p.test."), rs("text.p.test.", "TXT", 60, `"`+ip+`"`)))
		d.Revision = uint64(i)
		if err := s.Publish(d); err != nil {
			t.Error(err)
		}
	}
	publish(1)
	address, _ := listen(t, s)
	var group sync.WaitGroup
	for _, network := range []string{"udp", "tcp", "udp"} {
		group.Go(func() {
			client := &dns.Client{Net: network, Timeout: 5 * time.Second}
			for range 100 {
				got, _, err := client.Exchange(question("C.p.test.", dns.TypeA), address)
				if err != nil || len(got.Answer) != 2 {
					t.Errorf("%v, %v", got, err)
					return
				}
			}
		})
	}
	for i := 2; i < 200; i++ {
		publish(i)
	}
	group.Wait()
}
