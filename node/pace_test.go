package node

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A client that stops sending a body, or taking an answer, is given up; one that
// is only slow is not.
func TestStalledClientsAreGivenUp(t *testing.T) {
	t.Parallel()
	const stall = 250 * time.Millisecond
	ended := make(chan error, 16)
	server := httptest.NewServer(paced(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/large" {
			for err == nil {
				_, err = w.Write(make([]byte, 1<<20))
			}
		}
		if err == nil && r.URL.Path == "/wait" {
			select {
			case <-r.Context().Done():
				err = context.Cause(r.Context())
			case <-time.After(2 * stall):
			}
		}
		if n > 0 || err != nil || r.URL.Path == "/wait" {
			ended <- err
		}
	}), stall))
	t.Cleanup(server.Close)
	dial := func(head string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, head)
		return c
	}
	result := func() error {
		t.Helper()
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			t.Fatal("the request is still held")
			return nil
		}
	}

	dial("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5368709120\r\n\r\nsome of it")
	if err := result(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a stalled upload ended with %v", err)
	}
	dial("GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
	if err := result(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an answer that nobody takes ended with %v", err)
	}
	// Slow, with an answer that takes longer than the time between two pieces,
	// and another request on the same connection.
	slow := dial("PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n")
	answers := bufio.NewReader(slow)
	for range 2 {
		for range 4 {
			time.Sleep(stall * 2 / 3)
			io.WriteString(slow, "x")
		}
		if err := result(); err != nil {
			t.Errorf("a slow upload ended with %v", err)
		}
		res, err := http.ReadResponse(answers, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("answer to a slow upload: %v, %v", res, err)
		}
		time.Sleep(2 * stall)
		io.WriteString(slow, "PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n")
	}
}

// A failingListener fails a few times as a machine out of file descriptors does.
type failingListener struct {
	net.Listener
	left int
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.left--; l.left >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

// Clients can use up the node's file descriptors or its connections. That must
// not end it, and has passed when they have.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	split := newSplitter(&failingListener{l, 3}, 2, slog.New(slog.DiscardHandler))
	ran := make(chan error, 1)
	go func() { ran <- split.run() }()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})}
	go server.Serve(split.plain)
	t.Cleanup(func() {
		server.Close()
		l.Close()
		if err := <-ran; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	ask := func() (net.Conn, error) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		line, err := bufio.NewReader(c).ReadString('\n')
		if err == nil && !strings.HasPrefix(line, "HTTP/1.1 200") {
			t.Errorf("answer %q", line)
		}
		return c, err
	}
	first, err := ask()
	if err != nil {
		t.Fatalf("after the listener had failed: %v", err)
	}
	if _, err := ask(); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(); err == nil {
		t.Error("a third connection was served")
	}
	first.Close()
	for end := time.Now().Add(10 * time.Second); ; {
		if _, err := ask(); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("no connection is served after one was closed")
		}
		time.Sleep(time.Millisecond)
	}
}
