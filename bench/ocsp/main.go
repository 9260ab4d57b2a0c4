// Command ocsp measures what OCSP answers cost: CPU time of a node on one
// core, per answer, over HTTP connections that are kept alive. It answers for no
// AWS API. The load comes from this process, the node is one of its own.
//
//	go run ./bench/ocsp
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"countersign/node"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"golang.org/x/crypto/ocsp"
)

const (
	region = "us-east-1"
	host   = "ocsp.acm-pca." + region + ".amazonaws.com"
	bar    = 5000 // answers from the cache per second of one core
)

type options struct {
	answers      int // in a round
	certificates int
	rounds       int
	workers      int
}

// running is what the server process says of itself.
type running struct {
	Endpoint, KeyID, Secret string
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		exit(serve(os.Args[2]))
	}
	var o options
	flag.IntVar(&o.answers, "answers", 20000, "answers in a round")
	flag.IntVar(&o.certificates, "certificates", 200, "certificates that are asked about")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; the median counts")
	flag.IntVar(&o.workers, "workers", 8, "connections at the same time")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/ocsp:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve is the process under measurement.
func serve(dir string) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	n, err := node.Start(ctx, node.Config{Data: dir, Listen: "127.0.0.1:0", GatewayListen: "127.0.0.1:0", DNSListen: "127.0.0.1:0",
		Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		return err
	}
	c := n.Credentials()
	if err := json.NewEncoder(os.Stdout).Encode(running{n.Endpoints().Endpoint, c.AccessKeyID, c.SecretAccessKey}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-n.Failed():
	}
	return n.Close()
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "countersign-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	server := exec.CommandContext(ctx, self, "serve", dir)
	server.Env = append(os.Environ(), "GOMAXPROCS=1")
	server.Stderr = os.Stderr
	server.Cancel = func() error { return server.Process.Signal(os.Interrupt) }
	server.WaitDelay = 20 * time.Second
	said, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	}()
	var r running
	if err := json.NewDecoder(bufio.NewReader(said)).Decode(&r); err != nil {
		return fmt.Errorf("start the node: %w", err)
	}

	fmt.Printf(row, "OCSP on one core", "CPU µs", "answers/s", "bar")
	missed := false
	for _, l := range []struct {
		name      string
		key       types.KeyAlgorithm
		algorithm types.SigningAlgorithm
		method    string
		nonce     bool
	}{
		{"GET, from the cache, EC P-256", types.KeyAlgorithmEcPrime256v1, types.SigningAlgorithmSha256withecdsa, "GET", false},
		{"POST, from the cache, EC P-256", types.KeyAlgorithmEcPrime256v1, types.SigningAlgorithmSha256withecdsa, "POST", false},
		{"POST, from the cache, RSA-2048", types.KeyAlgorithmRsa2048, types.SigningAlgorithmSha256withrsa, "POST", false},
		{"POST with a nonce, EC P-256", types.KeyAlgorithmEcPrime256v1, types.SigningAlgorithmSha256withecdsa, "POST", true},
		{"POST with a nonce, RSA-2048", types.KeyAlgorithmRsa2048, types.SigningAlgorithmSha256withrsa, "POST", true},
	} {
		issuer, leaves, err := authority(ctx, r, l.key, l.algorithm, o.certificates)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		var queries [][]byte
		for _, leaf := range leaves {
			query, err := ocsp.CreateRequest(leaf, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1})
			if err != nil {
				return err
			}
			if l.nonce {
				if query, err = withNonce(query); err != nil {
					return err
				}
			}
			queries = append(queries, query)
		}
		count := o.answers
		if l.nonce {
			count /= 10
		}
		var costs []time.Duration
		for round := range o.rounds + 1 {
			cost, err := measure(ctx, server.Process.Pid, r.Endpoint, l.method, queries, count, o.workers, issuer)
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			if round > 0 { // the first one warms up, and fills the cache
				costs = append(costs, cost)
			}
		}
		slices.Sort(costs)
		median := costs[len(costs)/2]
		rate, verdict := float64(time.Second)/float64(median), "–"
		if !l.nonce {
			verdict = fmt.Sprintf("≥ %d met", bar)
			if rate < bar {
				verdict, missed = fmt.Sprintf("≥ %d MISSED", bar), true
			}
		}
		fmt.Printf(row, l.name, strconv.FormatFloat(float64(median)/1e3, 'f', 1, 64), strconv.FormatFloat(rate, 'f', 0, 64), verdict)
	}
	if missed {
		return errors.New("a bar was missed")
	}
	return nil
}

const row = "%-40s %8s %10s  %s\n"

// authority makes a root that OCSP answers for, and certificates of it.
func authority(ctx context.Context, r running, key types.KeyAlgorithm, algorithm types.SigningAlgorithm, count int) (*x509.Certificate, []*x509.Certificate, error) {
	pca := acmpca.New(acmpca.Options{Region: region, BaseEndpoint: &r.Endpoint, Credentials: credentials.NewStaticCredentialsProvider(r.KeyID, r.Secret, "")})
	created, err := pca.CreateCertificateAuthority(ctx, &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: types.CertificateAuthorityTypeRoot,
		CertificateAuthorityConfiguration: &types.CertificateAuthorityConfiguration{KeyAlgorithm: key, SigningAlgorithm: algorithm,
			Subject: &types.ASN1Subject{CommonName: aws.String("Bench")}},
		RevocationConfiguration: &types.RevocationConfiguration{OcspConfiguration: &types.OcspConfiguration{Enabled: aws.Bool(true)}},
	})
	if err != nil {
		return nil, nil, err
	}
	ca := created.CertificateAuthorityArn
	request := &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: ca}
	if err := acmpca.NewCertificateAuthorityCSRCreatedWaiter(pca).Wait(ctx, request, time.Minute); err != nil {
		return nil, nil, err
	}
	csr, err := pca.GetCertificateAuthorityCsr(ctx, request)
	if err != nil {
		return nil, nil, err
	}
	issue := func(csr []byte, template string, days int64) (*x509.Certificate, error) {
		issued, err := pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: ca, Csr: csr, SigningAlgorithm: algorithm,
			TemplateArn: aws.String("arn:aws:acm-pca:::template/" + template + "/V1"), Validity: &types.Validity{Type: types.ValidityPeriodTypeDays, Value: &days}})
		if err != nil {
			return nil, err
		}
		got, err := pca.GetCertificate(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: ca, CertificateArn: issued.CertificateArn})
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode([]byte(*got.Certificate))
		return x509.ParseCertificate(block.Bytes)
	}
	root, err := issue([]byte(*csr.Csr), "RootCACertificate", 365)
	if err != nil {
		return nil, nil, err
	}
	if _, err := pca.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: ca,
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})}); err != nil {
		return nil, nil, err
	}
	client, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "client"}}, client)
	if err != nil {
		return nil, nil, err
	}
	var leaves []*x509.Certificate
	for range count {
		leaf, err := issue(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), "EndEntityCertificate", 30)
		if err != nil {
			return nil, nil, err
		}
		leaves = append(leaves, leaf)
	}
	return root, leaves, nil
}

// withNonce gives a request one of 32 octets. It need not be fresh: the node
// remembers none.
func withNonce(query []byte) ([]byte, error) {
	var outer struct{ TBS struct{ List asn1.RawValue } }
	if _, err := asn1.Unmarshal(query, &outer); err != nil {
		return nil, err
	}
	value, err := asn1.Marshal(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		return nil, err
	}
	type extension struct {
		ID    asn1.ObjectIdentifier
		Value []byte
	}
	type tbs struct {
		List       asn1.RawValue
		Extensions []extension `asn1:"explicit,tag:2"`
	}
	return asn1.Marshal(struct{ TBS tbs }{tbs{outer.TBS.List, []extension{{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, value}}}})
}

// measure asks count times and returns the node's CPU time per answer.
func measure(ctx context.Context, pid int, endpoint, method string, queries [][]byte, count, workers int, issuer *x509.Certificate) (time.Duration, error) {
	before, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	defer client.CloseIdleConnections()
	var wait sync.WaitGroup
	var next atomic.Int64
	failed := make(chan error, workers)
	for range workers {
		wait.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				if err := ask(ctx, client, endpoint, method, queries[i%len(queries)], issuer, i < len(queries)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wait.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	after, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	return (after - before) / time.Duration(count), nil
}

// ask makes one request. Of some answers the signature is verified as well.
func ask(ctx context.Context, client *http.Client, endpoint, method string, query []byte, issuer *x509.Certificate, verify bool) error {
	target, body := endpoint+"/", io.Reader(bytes.NewReader(query))
	if method == "GET" {
		target, body = target+url.QueryEscape(base64.StdEncoding.EncodeToString(query)), nil
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return err
	}
	request.Host = host
	request.Header.Set("Content-Type", "application/ocsp-request")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if len(answer) < 100 { // it says that there is none
		return fmt.Errorf("%s: %x", response.Status, answer)
	}
	if !verify {
		return nil
	}
	got, err := ocsp.ParseResponse(answer, issuer)
	if err != nil || got.Status != ocsp.Good {
		return fmt.Errorf("%s: %+v, %w", response.Status, got, err)
	}
	return nil
}

// cpuTime is what a process has used so far, of user and system time (proc(5),
// fields 14 and 15 of stat).
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, fmt.Errorf("read CPU time (Linux only): %w", err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
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
