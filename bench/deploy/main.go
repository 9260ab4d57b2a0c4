// Command deploy measures the first deployment of templates/http-api to an empty node: the wall
// clock of `countersign deploy` from the change set to the stack at rest, without what the Go
// toolchain takes to build the functions, and of each resource. Node and client are one process
// on all of the machine's cores, as with `countersign demo`. It runs in a checkout.
//
//	go run ./bench/deploy
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"countersign/deploy"
	"countersign/node"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/route53"
)

// bar is the limit of the whole: everything from starting the node to the stack at rest, the Go build excepted.
const bar = 5 * time.Second

var errMissed = errors.New("a bar was missed")

func main() {
	template := flag.String("template", "templates/http-api", "folder that is deployed")
	rounds := flag.Int("rounds", 5, "rounds, each with a node of its own; the median counts")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, *template, max(*rounds, 1)); err != nil {
		fmt.Fprintln(os.Stderr, "bench/deploy:", err)
		os.Exit(1)
	}
}

const row = "%-62s %10s  %s\n"

// run deploys in rounds and prints the median of every part.
func run(ctx context.Context, template string, rounds int) error {
	var names []string // in the order of the last round
	parts := map[string][]time.Duration{}
	for range rounds {
		names = names[:0]
		err := deployment(ctx, template, func(name string, took time.Duration) {
			names = append(names, name)
			parts[name] = append(parts[name], took)
		})
		if err != nil {
			return err
		}
	}
	fmt.Printf(row, "First deploy of "+template, "ms", "bar")
	for _, name := range names {
		verdict := "–"
		took := median(parts[name])
		if name == whole {
			verdict = fmt.Sprintf("< %s met", bar)
			if took >= bar {
				verdict = fmt.Sprintf("< %s MISSED", bar)
			}
		}
		fmt.Printf(row, name, fmt.Sprintf("%.1f", float64(took.Microseconds())/1000), verdict)
	}
	if median(parts[whole]) >= bar {
		return errMissed
	}
	return nil
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// whole names the sum that has the bar.
const whole = "all, the Go build excepted"

// deployment brings an empty node up, deploys to it, and tells of every part as it ends.
func deployment(ctx context.Context, template string, part func(name string, took time.Duration)) (err error) {
	dir, err := os.MkdirTemp("", "countersign-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	folder, err := deploy.Open(template)
	if err != nil {
		return err
	}
	start := time.Now()
	n, err := node.Start(ctx, node.Config{Data: filepath.Join(dir, "data"), Listen: "127.0.0.1:0", GatewayListen: "127.0.0.1:0", DNSListen: "127.0.0.1:0",
		Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	part("node started", time.Since(start))

	pair := n.Credentials()
	config := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(n.Endpoints().Endpoint), Credentials: credentials.NewStaticCredentialsProvider(pair.AccessKeyID, pair.SecretAccessKey, "")}
	begun := time.Now()
	zone, err := route53.NewFromConfig(config).CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("countersign.test"), CallerReference: aws.String("bench")})
	if err != nil {
		return err
	}
	part("hosted zone made", time.Since(begun))

	architecture := "x86_64"
	if runtime.GOARCH == "arm64" {
		architecture = "arm64"
	}
	var built time.Duration
	out, err := deploy.New(folder, config, deploy.Options{
		Stack: "bench",
		Parameters: map[string]string{
			"DomainName": "api.countersign.test", "HostedZoneId": strings.TrimPrefix(*zone.HostedZone.Id, "/hostedzone/"), "Architecture": architecture,
		},
		Report: func(v any) {
			switch v := v.(type) {
			case deploy.Step:
				built += v.Built
				part(v.Name, v.Took-v.Built)
			case deploy.Event:
				if v.Done() {
					part(v.LogicalID+" ("+v.Type+")", v.Took)
				}
			}
		},
	}).Run(ctx)
	if err != nil {
		return err
	}
	if !out.Changed {
		return errors.New("nothing was deployed")
	}
	part("deploy", out.Took-built)
	part(whole, time.Since(start)-built)
	return nil
}
