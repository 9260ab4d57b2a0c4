// Command bench measures what the data plane costs beside nginx: CPU
// microseconds of the server process for a full mutual TLS handshake, a resumed
// one, and a keep-alive request that is passed on to a local backend. It
// answers for no AWS API. Both servers have one worker, the same certificates
// and keys, the same backend and the same load, in the same run, turn by turn;
// load and backend are processes of their own. Without nginx on the machine
// only the gateway is measured.
//
//	go run ./bench
//
// It leaves out throughput and latency: those say more about the machine and
// the load generator than about the server.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the flags of the measurement.
type options struct {
	handshakes  int
	resumptions int
	requests    int
	rounds      int
	workers     int
	profile     string
}

// A server is a process under measurement.
type server struct {
	name string
	addr string
	pid  int // of the process that does the work
	stop func()
}

// A load is a row of the result.
type load struct {
	name  string
	mode  string // of the load process
	keys  string // p256 or rsa
	extra []string
	count int
	bar   float64 // the most that the gateway may cost, in costs of nginx; 0: none
	alone bool    // nginx cannot do it
}

func main() {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := roles[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintf(os.Stderr, "bench %s: %v\n", os.Args[1], err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.handshakes, "handshakes", 3000, "full handshakes in a round")
	flag.IntVar(&o.resumptions, "resumptions", 4000, "resumed handshakes in a round")
	flag.IntVar(&o.requests, "requests", 30000, "requests in a round")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; the median counts")
	flag.IntVar(&o.workers, "workers", 8, "connections at the same time")
	flag.StringVar(&o.profile, "profile", "", "write CPU profiles of the gateway to files with this prefix")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// roles are what this program runs itself as.
var roles = map[string]func(args []string) error{
	"gateway": runGateway,
	"backend": runBackend,
	"load":    runLoad,
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "countersign-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// Clients that come for the first time do so in every round; warming up is one.
	for keys, firsts := range map[string]int{"p256": o.handshakes * (o.rounds + 1), "rsa": 0} {
		if err := writeMaterial(dir, keys, firsts); err != nil {
			return fmt.Errorf("make certificates: %w", err)
		}
	}
	backend, err := startSelf(ctx, nil, "backend")
	if err != nil {
		return err
	}
	defer backend.stop()

	loads := []load{
		{name: "full handshake, P-256", mode: "full", keys: "p256", count: o.handshakes, bar: 0.5},
		{name: "full handshake, P-256, every client for the first time", mode: "first", keys: "p256", count: o.handshakes},
		{name: "full handshake, P-256, X25519MLKEM768", mode: "full", keys: "p256", extra: []string{"-group", "hybrid"}, count: o.handshakes, alone: true},
		{name: "full handshake, RSA-2048", mode: "full", keys: "rsa", count: o.handshakes, bar: 0.5},
		{name: "resumed handshake, P-256", mode: "resumed", keys: "p256", count: o.resumptions, bar: 1},
		{name: "resumed handshake, RSA-2048", mode: "resumed", keys: "rsa", count: o.resumptions, bar: 1},
		{name: "request, keep-alive, 1 KiB", mode: "requests", keys: "p256", count: o.requests, bar: 3},
	}
	version := nginxVersion()
	if version == "" {
		fmt.Println("nginx is not installed (Debian: apt-get install nginx-light): only the gateway is measured")
	} else {
		fmt.Println("beside", version)
	}
	fmt.Printf(row, "CPU µs per operation", "gateway", "nginx", "ratio", "bar")
	for _, keys := range []string{"p256", "rsa"} {
		gateway, err := startGateway(ctx, dir, keys, backend.addr, o.profile)
		if err != nil {
			return err
		}
		servers := []*server{gateway}
		if version != "" {
			nginx, err := startNginx(ctx, dir, keys, backend.addr)
			if err != nil {
				gateway.stop()
				return err
			}
			servers = append(servers, nginx)
		}
		for _, l := range loads {
			if l.keys == keys {
				err = compare(ctx, dir, o, l, servers)
			}
			if err != nil {
				break
			}
		}
		for _, s := range servers {
			s.stop()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compare measures one load on each server in turn, round by round, and
// prints a row with the medians.
func compare(ctx context.Context, dir string, o options, l load, servers []*server) error {
	if l.alone {
		servers = servers[:1]
	}
	costs := make([][]float64, len(servers))
	for round := range o.rounds + 1 {
		for i, s := range servers {
			cost, err := measure(ctx, dir, o, l, s, round)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", l.name, s.name, err)
			}
			if round > 0 { // the first one warms up
				costs[i] = append(costs[i], cost)
			}
		}
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	gateway := median(costs[0])
	cost := func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
	if len(servers) < 2 {
		fmt.Printf(row, l.name, cost(gateway), "–", "–", "–")
		return nil
	}
	nginx := median(costs[1])
	bar := "–"
	if l.bar > 0 {
		bar = fmt.Sprintf("≤ %.1f× met", l.bar)
		if gateway > l.bar*nginx {
			bar = fmt.Sprintf("≤ %.1f× MISSED", l.bar)
		}
	}
	fmt.Printf(row, l.name, cost(gateway), cost(nginx), fmt.Sprintf("%.2f×", gateway/nginx), bar)
	return nil
}

// row is a line of the result.
const row = "%-56s %8s %8s %7s  %s\n"

// measure runs one load against a server and returns its CPU time for one
// operation in microseconds.
func measure(ctx context.Context, dir string, o options, l load, s *server, round int) (float64, error) {
	before, err := cpuTime(s.pid)
	if err != nil {
		return 0, err
	}
	args := append([]string{"load", "-mode", l.mode, "-addr", s.addr, "-dir", dir, "-keys", l.keys,
		"-count", strconv.Itoa(l.count), "-skip", strconv.Itoa(round * l.count), "-workers", strconv.Itoa(o.workers)}, l.extra...)
	cmd := exec.CommandContext(ctx, self(), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	time.Sleep(50 * time.Millisecond) // connections that are closed are still being cleaned up
	after, err := cpuTime(s.pid)
	if err != nil {
		return 0, err
	}
	return float64((after - before).Microseconds()) / float64(l.count), nil
}

// self is the path of this program, to run it in another role.
func self() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// startSelf starts this program in a role that prints its address first.
func startSelf(ctx context.Context, env []string, role string, args ...string) (*server, error) {
	cmd := exec.CommandContext(ctx, self(), append([]string{role}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var addr string
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	stop := func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
	return &server{name: role, addr: addr, pid: cmd.Process.Pid, stop: stop}, nil
}

func startGateway(ctx context.Context, dir, keys, backend, profile string) (*server, error) {
	args := []string{"-dir", dir, "-keys", keys, "-backend", backend}
	if profile != "" {
		args = append(args, "-profile", profile+"-"+keys+".pprof")
	}
	return startSelf(ctx, []string{"GOMAXPROCS=1"}, "gateway", args...)
}

// cpuTime is what a process has used so far, of user and system time, all
// threads together (proc(5), fields 14 and 15 of stat).
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, fmt.Errorf("read CPU time (Linux only): %w", err)
	}
	_, rest, ok := strings.Cut(string(text), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("read CPU time: unexpected form of /proc/%d/stat", pid)
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil // USER_HZ is 100 everywhere
}
