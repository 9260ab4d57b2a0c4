package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"countersign/edge"
	"countersign/edge/snapshot"
	"countersign/pki"
)

// runGateway serves the data plane as node does, from a snapshot made here.
func runGateway(args []string) error {
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder of the certificates")
	keys := flags.String("keys", "", "kind of keys")
	backend := flags.String("backend", "", "address of the backend")
	profile := flags.String("profile", "", "CPU profile to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	certificate, err := readPair(*dir, *keys, "server")
	if err != nil {
		return err
	}
	bundle, err := os.ReadFile(filepath.Join(*dir, *keys, "trust.pem"))
	if err != nil {
		return err
	}
	trust, _, err := pki.ParseTrustStore(bundle)
	if err != nil {
		return err
	}
	stage := &snapshot.Stage{Name: "$default", Routes: []*snapshot.Route{{
		Key: "$default", Integration: &snapshot.Integration{ID: "backend", Type: snapshot.HTTPProxy, URI: "http://" + *backend},
	}}}
	api := &snapshot.API{ID: "bench00000", Account: "000000000000", Region: "us-east-1", Stages: map[string]*snapshot.Stage{"$default": stage}}
	domain := &snapshot.Domain{Name: host, Certificate: certificate, Mutual: &snapshot.Mutual{Trust: trust}, Mappings: []snapshot.Mapping{{API: api, Stage: stage}}}
	if _, err := rand.Read(domain.TicketKey[:]); err != nil {
		return err
	}
	e, err := edge.New(edge.Config{Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	if problems, err := e.Publish(&snapshot.Snapshot{Revision: 1, Domains: map[string]*snapshot.Domain{host: domain}}); err != nil || len(problems) > 0 {
		return fmt.Errorf("publish: %v %w", problems, err)
	}
	// A set of revocations as a busy CA has it, so that looking serials up is paid for.
	anchor := trust.Certificates()
	for i := range 100_000 {
		e.Revocations().Add(edge.IssuerKey(anchor[len(anchor)-1]), fmt.Appendf(nil, "serial %d", i))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	fmt.Println(l.Addr())
	return e.Serve(ctx, l)
}

// runBackend answers every request with 1 KiB, as cheaply as it can: it takes
// requests without a body, and takes them for complete at the empty line.
func runBackend([]string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	context.AfterFunc(ctx, func() { l.Close() })
	fmt.Println(l.Addr())
	body := bytes.Repeat([]byte("countersign bench"), 61)[:1024]
	answer := append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"), body...)
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go func() {
			defer c.Close()
			r := bufio.NewReader(c)
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) > 2 {
					continue
				}
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}

// nginxVersion is what nginx -v prints; "" if it is not installed.
func nginxVersion() string {
	out, err := exec.Command(nginxPath(), "-v").CombinedOutput()
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "nginx version: ")
}

// nginxPath looks where Debian puts it, which is not on everybody's PATH.
func nginxPath() string {
	if path, err := exec.LookPath("nginx"); err == nil {
		return path
	}
	return "/usr/sbin/nginx"
}

const nginxConfig = `
daemon off; worker_processes 1; pid %[1]s/nginx.pid; error_log %[1]s/error.log crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 65s;
  client_body_temp_path %[1]s/tmp; proxy_temp_path %[1]s/tmp; fastcgi_temp_path %[1]s/tmp; uwsgi_temp_path %[1]s/tmp; scgi_temp_path %[1]s/tmp;
  upstream backend { server %[3]s; keepalive 64; keepalive_requests 100000000; }
  server {
    listen %[2]s ssl; server_name %[4]s;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets on; ssl_session_timeout 1d;
    ssl_certificate %[1]s/server.pem; ssl_certificate_key %[1]s/server.key;
    ssl_client_certificate %[1]s/trust.pem; ssl_verify_client on; ssl_verify_depth 4;
    location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`

// startNginx runs nginx with one worker and finds that worker's process.
func startNginx(ctx context.Context, dir, keys, backend string) (*server, error) {
	dir = filepath.Join(dir, keys)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := free.Addr().String()
	free.Close()
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, addr, backend, host), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, nginxPath(), "-c", config, "-p", dir, "-e", filepath.Join(dir, "error.log"))
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // killed, it would leave its worker behind
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
	for range 100 {
		time.Sleep(20 * time.Millisecond)
		if worker := child(cmd.Process.Pid); worker != 0 {
			if c, err := net.Dial("tcp", addr); err == nil {
				c.Close()
				return &server{name: "nginx", addr: addr, pid: worker, stop: stop}, nil
			}
		}
	}
	stop()
	log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
	return nil, fmt.Errorf("nginx did not start: %s", log)
}

var parentField = regexp.MustCompile(`(?m)^PPid:\s+(\d+)$`)

// child finds a process whose parent is pid; 0 if there is none.
func child(pid int) int {
	found, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if m := parentField.FindSubmatch(text); m != nil && string(m[1]) == strconv.Itoa(pid) {
			n, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			return n
		}
	}
	return 0
}
