// Command revoked measures a node whose ledger holds 10,000,000 revoked
// certificates: how long it takes to start, and how long after RevokeCertificate a
// client is refused at the gateway. It answers for no AWS API. The node is a whole one, set up by
// countersign demo; the ledger is filled through the database, past the API, which
// would take hours.
//
//	go run ./bench/revoked
//
// It takes some minutes, and 5 GB in the folder for temporary files. Linux only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Bars of the figures.
const (
	refuseBar = 100 * time.Millisecond
	// slowerBar is what a start may take longer than with an empty ledger: what
	// opening the file and reading the rest of the feed take.
	slowerBar = 200 * time.Millisecond
)

type options struct {
	revoked int
	starts  int
	rounds  int
	dir     string
}

// roles are what this program runs itself as.
var roles = map[string]func(args []string) error{"serve": serve}

func main() {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := roles[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintf(os.Stderr, "bench/revoked %s: %v\n", os.Args[1], err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.revoked, "revoked", 10_000_000, "revoked certificates in the ledger")
	flag.IntVar(&o.starts, "starts", 5, "starts; the median counts")
	flag.IntVar(&o.rounds, "rounds", 25, "certificates that are revoked and refused; the median and the slowest count")
	flag.StringVar(&o.dir, "dir", "", "folder that the node's is made in (default: that for temporary files)")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/revoked:", err)
		os.Exit(1)
	}
}

const row = "%-66s %10s  %s\n"

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.dir, "countersign-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	data := filepath.Join(dir, "node")
	demo := exec.CommandContext(ctx, "go", "run", "./cmd/countersign", "demo", "--exit", "--data", data,
		"--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--dns-listen", "127.0.0.1:0")
	if out, err := demo.CombinedOutput(); err != nil {
		return fmt.Errorf("countersign demo (run this in the checkout's root): %w\n%s", err, out)
	}

	missed := false
	show := func(name string, took time.Duration, limit time.Duration) {
		verdict := "–"
		if limit > 0 {
			verdict = fmt.Sprintf("≤ %s met", limit.Round(time.Millisecond))
			if took > limit {
				verdict, missed = fmt.Sprintf("≤ %s MISSED", limit.Round(time.Millisecond)), true
			}
		}
		fmt.Printf(row, name, took.Round(100*time.Microsecond), verdict)
	}
	fmt.Printf(row, "", "time", "bar")
	empty, err := starts(ctx, data, o.starts)
	if err != nil {
		return err
	}
	show("start, nothing revoked", empty, 0)

	n, err := start(ctx, data)
	if err != nil {
		return err
	}
	c, err := newClient(ctx, n)
	if err == nil {
		err = c.prepare(1)
	}
	n.stop()
	if err != nil {
		return err
	}
	began := time.Now()
	size, err := fill(ctx, data, c.authorityID(), o.revoked)
	if err != nil {
		return fmt.Errorf("fill the ledger: %w", err)
	}
	fmt.Printf("(%d revoked certificates written to the ledger in %s; the database has %.1f GB)\n", o.revoked, time.Since(began).Round(time.Second), float64(size)/1e9)

	// The first start finds no file.
	began = time.Now()
	if n, err = start(ctx, data); err != nil {
		return err
	}
	show("start without a file of them: the node serves after", n.took, 0)
	if c, err = newClient(ctx, n); err != nil {
		n.stop()
		return err
	}
	if err = c.prepare(1); err == nil {
		err = c.until(ctx, 0, 200)
	}
	if err != nil {
		n.stop()
		return err
	}
	show("and lets clients in after", time.Since(began), 0)
	err = settled(ctx, data, o.revoked)
	n.stop()
	if err != nil {
		return err
	}

	full, err := starts(ctx, data, o.starts)
	if err != nil {
		return err
	}
	show("start with the file", full, empty+slowerBar)
	if n, err = start(ctx, data); err != nil {
		return err
	}
	defer n.stop()
	if c, err = newClient(ctx, n); err != nil {
		return err
	}
	if err := c.prepare(o.rounds); err != nil {
		return err
	}
	var costs []time.Duration
	for i := range o.rounds {
		took, err := c.revoke(ctx, i)
		if err != nil {
			return err
		}
		costs = append(costs, took)
	}
	slices.Sort(costs)
	show("RevokeCertificate sent to client refused, median", costs[len(costs)/2], refuseBar)
	show("the slowest", costs[len(costs)-1], refuseBar)
	if memory, err := n.memory(); err == nil {
		fmt.Printf("(resident memory of the node: %d MB)\n", memory>>20)
	}
	if missed {
		return errors.New("a bar was missed")
	}
	return nil
}

// starts starts and stops the node, and returns the median of the times until it serves.
func starts(ctx context.Context, data string, n int) (time.Duration, error) {
	var took []time.Duration
	for range n {
		s, err := start(ctx, data)
		if err != nil {
			return 0, err
		}
		s.stop()
		took = append(took, s.took)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
