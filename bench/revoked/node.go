package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"countersign/node"
)

// A server is a node in a process of its own.
type server struct {
	running
	took time.Duration // from its process's start until it served
	pid  int
	stop func()
}

// running is what the node's process says of itself.
type running struct {
	Endpoint, Gateway, KeyID, Secret string
}

// serve is the node's process.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	data := flags.String("data", "", "data folder")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	n, err := node.Start(ctx, node.Config{Data: *data, Listen: "127.0.0.1:0", GatewayListen: "127.0.0.1:0", DNSListen: "127.0.0.1:0",
		Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		return err
	}
	c, at := n.Credentials(), n.Endpoints()
	if err := json.NewEncoder(os.Stdout).Encode(running{at.Endpoint, at.Gateway, c.AccessKeyID, c.SecretAccessKey}); err != nil {
		return errors.Join(err, n.Close())
	}
	select {
	case <-ctx.Done():
	case <-n.Failed():
	}
	return n.Close()
}

func start(ctx context.Context, data string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "serve", "-data", data)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{pid: cmd.Process.Pid, stop: func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}}
	if err := json.NewDecoder(bufio.NewReader(said)).Decode(&s.running); err != nil {
		s.stop()
		return nil, fmt.Errorf("start the node: %w", err)
	}
	s.took = time.Since(began)
	return s, nil
}

// memory is the resident memory of the node's process.
func (s *server) memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.pid))
	if err != nil {
		return 0, err
	}
	field := strings.Fields(string(text))
	pages, err := strconv.ParseInt(field[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
