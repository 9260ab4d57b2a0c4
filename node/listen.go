package node

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listenTCP listens, and says in the user's terms when it cannot.
func listenTCP(what, flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	return l, listenError(what, flag, address, err)
}

func listenError(what, flag, address string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s cannot listen on %s: another program has that port; stop it, or choose another with %s", what, address, flag)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s cannot listen on %s: ports below 1024 need privileges; choose another with %s", what, address, flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s cannot listen on %s: this machine has no such address; choose one that it has, or 127.0.0.1, with %s", what, address, flag)
	case errors.As(err, new(*net.DNSError)):
		return fmt.Errorf("%s cannot listen on %s: its host name leads to no address; choose another with %s", what, address, flag)
	}
	return fmt.Errorf("%s cannot listen on %s: %w (set it with %s)", what, address, err, flag)
}

// checkAddress refuses what no listener can take, with an example of what one can.
func checkAddress(flag, address, example string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s %q is not an address to listen on: give a host and a port from 0 to 65535, such as %s", flag, address, example)
	}
	return nil
}

// maxConnections is how many connections the AWS endpoint has open at one time.
const maxConnections = 10_000

// sniffTime is how long a new connection may take to send its first byte.
const sniffTime = 10 * time.Second

// A splitter serves HTTP and HTTPS on one port: the first byte of a TLS
// connection is 22, the record type of a handshake (RFC 8446 section 5.1), which
// no HTTP request starts with. It hands connections on through two listeners.
type splitter struct {
	net.Listener
	plain, secure *half
	waiting       sync.WaitGroup // one per connection whose first byte is awaited
	most          int64
	open          atomic.Int64 // connections
	log           *slog.Logger
	mu            sync.Mutex
	sniffed       map[net.Conn]struct{} // those connections, to close them at the end
	closed        bool
}

func newSplitter(l net.Listener, most int64, log *slog.Logger) *splitter {
	return &splitter{
		Listener: l, most: most, log: log, sniffed: map[net.Conn]struct{}{},
		plain:  &half{l.Addr(), make(chan net.Conn), make(chan struct{}), sync.Once{}},
		secure: &half{l.Addr(), make(chan net.Conn), make(chan struct{}), sync.Once{}},
	}
}

// run accepts until the listener is closed, then waits for what is under way.
// What many clients can bring about, such as there being no file descriptor left,
// does not end it.
func (s *splitter) run() error {
	defer s.waiting.Wait()
	var pause time.Duration
	for {
		c, err := s.Accept()
		var temporary interface{ Temporary() bool }
		if errors.As(err, &temporary) && temporary.Temporary() {
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("the AWS endpoint cannot accept a connection", "error", err, "pause", pause)
			time.Sleep(pause) // until some have ended
			continue
		}
		pause = 0
		if err != nil {
			s.mu.Lock()
			s.closed = true
			for c := range s.sniffed {
				c.Close()
			}
			s.mu.Unlock()
			s.plain.Close()
			s.secure.Close()
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		if s.open.Add(1) > s.most {
			s.log.Warn("the AWS endpoint has too many connections; one is closed unanswered", "limit", s.most)
			s.open.Add(-1)
			c.Close()
			continue
		}
		c = &counted{Conn: c, open: &s.open}
		s.mu.Lock()
		if s.closed {
			c.Close()
		} else {
			s.sniffed[c] = struct{}{}
		}
		s.mu.Unlock()
		s.waiting.Go(func() { s.sort(c) })
	}
}

func (s *splitter) sort(c net.Conn) {
	c.SetReadDeadline(time.Now().Add(sniffTime)) // a network timeout, not a date: the socket has a clock of its own
	r := bufio.NewReaderSize(c, 512)
	first, err := r.Peek(1)
	c.SetReadDeadline(time.Time{})
	s.mu.Lock()
	delete(s.sniffed, c)
	s.mu.Unlock()
	if err != nil {
		c.Close()
		return
	}
	to := s.plain
	if first[0] == 22 {
		to = s.secure
	}
	select {
	case to.conns <- &peeked{c, r}:
	case <-to.done:
		c.Close()
	}
}

// A counted connection gives its place to another one when it is closed.
type counted struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// CloseWrite lets net/http end an answer before the connection: closing at once
// would take the answer away from a client that is still sending.
func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// A peeked connection gives back what was read of it to see what it is.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) {
	if p.r == nil {
		return p.Conn.Read(b)
	}
	n, err := p.r.Read(b)
	if p.r.Buffered() == 0 {
		p.r = nil // from here on without the buffer
	}
	return n, err
}

func (p *peeked) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

type half struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (h *half) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *half) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *half) Addr() net.Addr { return h.addr }
