package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// runLoad makes a bounded number of operations against a server and fails if
// one of them is not what was asked for.
func runLoad(args []string) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	mode := flags.String("mode", "", "full, first, resumed or requests")
	addr := flags.String("addr", "", "server")
	dir := flags.String("dir", "", "folder of the certificates")
	keys := flags.String("keys", "", "kind of keys")
	group := flags.String("group", "x25519", "key exchange: x25519 or hybrid")
	count := flags.Int("count", 0, "operations")
	skip := flags.Int("skip", 0, "clients that have been there, in mode first")
	workers := flags.Int("workers", 1, "at the same time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pair, err := readPair(*dir, *keys, "client")
	if err != nil {
		return err
	}
	rootPEM, err := os.ReadFile(filepath.Join(*dir, *keys, "server-root.pem"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(rootPEM) {
		return errors.New("no root of the server")
	}
	config := &tls.Config{
		ServerName: host, RootCAs: pool, MinVersion: tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519},
		Certificates:     []tls.Certificate{*pair},
	}
	if *group == "hybrid" {
		config.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768}
	}
	var firsts []*tls.Certificate
	if *mode == "first" {
		if firsts, err = readFirsts(*dir, *keys); err != nil {
			return err
		}
		if len(firsts) < *skip+*count {
			return fmt.Errorf("%d clients, %d of them used, for %d handshakes", len(firsts), *skip, *count)
		}
		firsts = firsts[*skip:]
	}

	// A client that is not accepted still completes the handshake, with either
	// server: one request shows that this one is.
	var one, next atomic.Int64
	if err := requests(config.Clone(), *addr, 1, &one); err != nil {
		return fmt.Errorf("is the client accepted? %w", err)
	}
	var wait sync.WaitGroup
	failed := make(chan error, *workers)
	for range *workers {
		wait.Go(func() {
			c := config.Clone()
			if *mode == "requests" {
				if err := requests(c, *addr, *count, &next); err != nil {
					failed <- err
				}
				return
			}
			if *mode == "resumed" {
				c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			}
			for fresh := true; ; fresh = false {
				i := int(next.Add(1)) - 1
				if i >= *count {
					return
				}
				if firsts != nil {
					c = config.Clone()
					c.Certificates = []tls.Certificate{*firsts[i]}
				}
				if err := handshake(c, *addr, *mode == "resumed" && !fresh); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wait.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// handshake connects, completes TLS, says goodbye and waits for the server to
// close: all that the server does for the connection is then done.
func handshake(c *tls.Config, addr string, wantResumed bool) error {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer raw.Close()
	conn := tls.Client(raw, c)
	if err := conn.Handshake(); err != nil {
		return err
	}
	if state := conn.ConnectionState(); state.DidResume != wantResumed {
		return fmt.Errorf("resumed: %v", state.DidResume)
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // closed without close_notify, as is allowed after ours
	}
	return err
}

// requests sends requests on one connection, one after the other.
func requests(c *tls.Config, addr string, count int, next *atomic.Int64) error {
	conn, err := tls.Dial("tcp", addr, c)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 16<<10)
	request := []byte("GET /path/to/thing?q=1 HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
	for next.Add(1) <= int64(count) {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		length := -1
		for first := true; ; first = false {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return err
			}
			if first && !strings.HasPrefix(string(line), "HTTP/1.1 200 ") {
				return fmt.Errorf("answer %q", line)
			}
			if len(line) <= 2 {
				break
			}
			if name, value, ok := strings.Cut(string(line), ": "); ok && strings.EqualFold(name, "content-length") {
				if _, err := fmt.Sscan(value, &length); err != nil {
					return err
				}
			}
		}
		if length != 1024 {
			return fmt.Errorf("content length %d", length)
		}
		if _, err := r.Discard(length); err != nil {
			return err
		}
	}
	return nil
}
