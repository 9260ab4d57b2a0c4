// Command issue measures what durable issuance costs: CPU time of a whole node for
// one P-256 certificate made from a CSR through the AWS Private CA API, beside
// step-ca in the same run and beside the bare cost of the cryptography. Servers
// and load are processes of their own. It answers for no AWS API.
//
//	go run ./bench/issue
//
// step-ca is built on first use into the user's cache folder, which takes minutes
// and the network. Without it only the node is measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Bars of the figures: the most that a certificate may cost.
const (
	stepBar = 1.0 / 3 // in costs of step-ca
	bareBar = 2.0     // in costs of checking the CSR and signing
	rsaBar  = 1.2     // in costs of the RSA-2048 signature
)

type options struct {
	count   int // certificates in a round
	rounds  int
	stepCA  bool
	profile string
	clients string
	only    string
}

// roles are what this program runs itself as.
var roles = map[string]func(args []string) error{"serve": serve, "load": load}

func main() {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := roles[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintf(os.Stderr, "bench/issue %s: %v\n", os.Args[1], err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.count, "count", 800, "certificates in a round; half as many where one client is alone, or the CA has RSA")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the median counts")
	flag.BoolVar(&o.stepCA, "step-ca", true, "measure step-ca as well")
	flag.StringVar(&o.clients, "clients", "1,16,64", "clients at the same time")
	flag.StringVar(&o.only, "only", "", "rows whose name has this in it; for profiles")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the node to this file")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/issue:", err)
		os.Exit(1)
	}
}

// A series is one row of the result: what one server does, for so many clients.
type series struct {
	name    string
	server  *server
	job     job
	costs   []time.Duration // CPU per certificate, one for each round
	rates   []float64       // certificates per second
	against *series         // step-ca's row; nil: none
	bare    time.Duration   // of the cryptography alone
	limit   float64         // in bare; 0: no bar of that kind
}

const row = "%-44s %8s %8s %10s %9s  %s\n"

func run(ctx context.Context, o options) error {
	var binary string
	if o.stepCA {
		var err error
		if binary, err = buildStepCA(ctx); err != nil {
			fmt.Printf("step-ca cannot be built, only the node is measured: %v\n", err)
		}
	}
	dir, err := os.MkdirTemp("", "countersign-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	check, sign, rsaSign, err := bare(o.rounds)
	if err != nil {
		return err
	}
	fmt.Printf("bare: CSR checked in %s µs, signed with P-256 in %s µs, with RSA-2048 in %s µs\n", micros(check), micros(sign), micros(rsaSign))

	node, err := startNode(ctx, filepath.Join(dir, "node"), o.profile)
	if err != nil {
		return err
	}
	defer node.stop()
	var other *server
	if binary != "" {
		if other, err = startStepCA(ctx, binary, filepath.Join(dir, "step-ca")); err != nil {
			return fmt.Errorf("start step-ca: %w", err)
		}
		defer other.stop()
		fmt.Printf("beside step-ca %s, its database badgerv2 syncing every write, as its own set-up leaves it\n", stepVersion)
	}

	fmt.Printf(row, "certificates durably issued", "CPU µs", "bare", "step-ca", "per s", "bars")
	missed := false
	for text := range strings.SplitSeq(o.clients, ",") {
		clients, err := strconv.Atoi(text)
		if err != nil || clients < 1 {
			return fmt.Errorf("-clients %s: want numbers with commas between them", o.clients)
		}
		count := o.count
		if clients == 1 {
			count /= 2
		}
		part := func(name string, s *server, target string) *series {
			return &series{name: fmt.Sprintf("%s, %d clients", name, clients), server: s, job: s.job(target, clients, count)}
		}
		var all []*series
		var theirs *series
		if other != nil {
			theirs = part("step-ca", other, "")
			all = append(all, theirs)
		}
		issue, fetch := part("issue", node, "P-256"), part("issue and fetch", node, "P-256")
		fetch.job.Fetch = true
		issue.bare, issue.limit, issue.against = check+sign, bareBar, theirs
		fetch.bare, fetch.limit, fetch.against = check+sign, bareBar, theirs
		all = append(all, issue, fetch)
		if clients == 16 {
			rsa := part("issue, CA of RSA-2048", node, "RSA-2048")
			rsa.job.Count /= 2
			rsa.bare, rsa.limit = rsaSign, rsaBar
			all = append(all, rsa)
		}
		all = slices.DeleteFunc(all, func(s *series) bool { return !strings.Contains(s.name, o.only) })
		for round := range o.rounds + 1 {
			for _, s := range all {
				cost, rate, err := s.server.measure(ctx, s.job)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				if round > 0 { // the first one warms up
					s.costs, s.rates = append(s.costs, cost), append(s.rates, rate)
				}
			}
		}
		for _, s := range all {
			missed = !s.show() || missed
		}
	}
	if missed {
		return errors.New("a bar was missed")
	}
	return nil
}

// show prints the row, and says whether its bars are met.
func (s *series) show() bool {
	cost := middle(s.costs)
	met := true
	var verdicts []string
	judge := func(ratio, limit float64) string {
		verdict := "met"
		if ratio > limit {
			verdict, met = "MISSED", false
		}
		verdicts = append(verdicts, fmt.Sprintf("≤ %.2f %s", limit, verdict))
		return fmt.Sprintf("%.2f×", ratio)
	}
	beside, above := "–", "–"
	if s.bare > 0 {
		above = judge(float64(cost)/float64(s.bare), s.limit)
	}
	if s.against != nil {
		beside = judge(float64(cost)/float64(middle(s.against.costs)), stepBar)
	}
	fmt.Printf(row, s.name, micros(cost), above, beside, strconv.FormatFloat(middle(s.rates), 'f', 0, 64), strings.Join(verdicts, ", "))
	return met
}

func middle[T time.Duration | float64](all []T) T {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

func micros(d time.Duration) string { return strconv.FormatFloat(float64(d)/1e3, 'f', 0, 64) }
