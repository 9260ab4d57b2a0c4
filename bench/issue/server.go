package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"countersign/node"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

const region = "us-east-1"

// A server is a process under measurement. It runs Go on one core.
type server struct {
	pid  int
	stop func()
	base job            // all that a load must know to talk to it
	cas  map[string]job // what it must know of a CA besides, by name
}

func (s *server) job(ca string, clients, count int) job {
	j := s.base
	if of, ok := s.cas[ca]; ok {
		j.CA, j.Algorithm, j.Issuer = of.CA, of.Algorithm, of.Issuer
	}
	j.Clients, j.Count = clients, count
	return j
}

// start runs a command as a server process.
func start(cmd *exec.Cmd) (*server, error) {
	cmd.Env = append(cmd.Environ(), "GOMAXPROCS=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &server{pid: cmd.Process.Pid, stop: func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}}, nil
}

// settle is how long a server is left alone after a load, so that what it put
// off is counted, too.
const settle = 150 * time.Millisecond

// measure has a process of its own make the load, and returns the server's CPU
// time for one certificate, and certificates per second.
func (s *server) measure(ctx context.Context, j job) (cost time.Duration, rate float64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.CommandContext(ctx, self, "load")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, cmd.Wait()) }()
	defer in.Close()
	tell, said := json.NewEncoder(in), json.NewDecoder(out)
	if err := tell.Encode(j); err != nil {
		return 0, 0, err
	}
	var took time.Duration
	if err := said.Decode(&took); err != nil { // it has prepared and connected
		return 0, 0, fmt.Errorf("prepare the load: %w", err)
	}
	before, err := cpuTime(s.pid)
	if err != nil {
		return 0, 0, err
	}
	if err := tell.Encode("go"); err != nil {
		return 0, 0, err
	}
	if err := said.Decode(&took); err != nil {
		return 0, 0, fmt.Errorf("load: %w", err)
	}
	time.Sleep(settle)
	after, err := cpuTime(s.pid)
	if err != nil {
		return 0, 0, err
	}
	return (after - before) / time.Duration(j.Count), float64(j.Count) / took.Seconds(), nil
}

// running is what the node's process says of itself.
type running struct {
	Endpoint, KeyID, Secret string
}

// serve is the node under measurement.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	dir := flags.String("dir", "", "data folder")
	profile := flags.String("profile", "", "CPU profile to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	n, err := node.Start(ctx, node.Config{Data: *dir, Listen: "127.0.0.1:0", GatewayListen: "127.0.0.1:0", DNSListen: "127.0.0.1:0",
		Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		return err
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return errors.Join(err, n.Close())
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(err, n.Close())
		}
		defer pprof.StopCPUProfile()
	}
	c := n.Credentials()
	if err := json.NewEncoder(os.Stdout).Encode(running{n.Endpoints().Endpoint, c.AccessKeyID, c.SecretAccessKey}); err != nil {
		return errors.Join(err, n.Close())
	}
	select {
	case <-ctx.Done():
	case <-n.Failed():
	}
	return n.Close()
}

// startNode starts a node and gives it a CA of either kind of key, below a root.
func startNode(ctx context.Context, dir, profile string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "serve", "-dir", dir, "-profile", profile)
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s, err := start(cmd)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*server, error) {
		s.stop()
		return nil, fmt.Errorf("start the node: %w", err)
	}
	var r running
	if err := json.NewDecoder(bufio.NewReader(said)).Decode(&r); err != nil {
		return fail(err)
	}
	// The endpoint speaks HTTPS on the same port. step-ca speaks nothing else.
	s.base = job{Endpoint: "https://" + strings.TrimPrefix(r.Endpoint, "http://"), KeyID: r.KeyID, Secret: r.Secret}
	s.cas = map[string]job{}
	pca := acmpca.New(acmpca.Options{Region: region, BaseEndpoint: &r.Endpoint, Credentials: credentials.NewStaticCredentialsProvider(r.KeyID, r.Secret, "")})
	for name, kind := range map[string]struct {
		key       types.KeyAlgorithm
		algorithm types.SigningAlgorithm
	}{
		"P-256":    {types.KeyAlgorithmEcPrime256v1, types.SigningAlgorithmSha256withecdsa},
		"RSA-2048": {types.KeyAlgorithmRsa2048, types.SigningAlgorithmSha256withrsa},
	} {
		a := authorities{ctx, pca, kind.key, kind.algorithm}
		if s.cas[name], err = a.issuing(); err != nil {
			return fail(fmt.Errorf("make a CA of %s: %w", name, err))
		}
	}
	return s, nil
}

// authorities makes CAs.
type authorities struct {
	ctx       context.Context
	pca       *acmpca.Client
	key       types.KeyAlgorithm
	algorithm types.SigningAlgorithm
}

// issuing makes a root, and below it the CA that certificates come from.
func (a authorities) issuing() (job, error) {
	root, csr, err := a.create(types.CertificateAuthorityTypeRoot)
	if err != nil {
		return job{}, err
	}
	rootPEM, err := a.install(root, root, csr, "RootCACertificate", 3650, nil)
	if err != nil {
		return job{}, err
	}
	ca, csr, err := a.create(types.CertificateAuthorityTypeSubordinate)
	if err != nil {
		return job{}, err
	}
	caPEM, err := a.install(root, ca, csr, "SubordinateCACertificate_PathLen0", 1825, rootPEM)
	if err != nil {
		return job{}, err
	}
	block, _ := pem.Decode(caPEM)
	return job{CA: ca, Algorithm: string(a.algorithm), Issuer: block.Bytes}, nil
}

func (a authorities) create(kind types.CertificateAuthorityType) (ca string, csr []byte, err error) {
	created, err := a.pca.CreateCertificateAuthority(a.ctx, &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: kind,
		CertificateAuthorityConfiguration: &types.CertificateAuthorityConfiguration{KeyAlgorithm: a.key, SigningAlgorithm: a.algorithm,
			Subject: &types.ASN1Subject{CommonName: aws.String("Bench " + string(kind))}},
	})
	if err != nil {
		return "", nil, err
	}
	request := &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: created.CertificateAuthorityArn}
	if err := acmpca.NewCertificateAuthorityCSRCreatedWaiter(a.pca).Wait(a.ctx, request, time.Minute); err != nil {
		return "", nil, err
	}
	got, err := a.pca.GetCertificateAuthorityCsr(a.ctx, request)
	if err != nil {
		return "", nil, err
	}
	return *created.CertificateAuthorityArn, []byte(*got.Csr), nil
}

// install has issuer sign ca's request, and ca take the certificate.
func (a authorities) install(issuer, ca string, csr []byte, template string, days int64, chain []byte) ([]byte, error) {
	issued, err := a.pca.IssueCertificate(a.ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &issuer, Csr: csr, SigningAlgorithm: a.algorithm,
		TemplateArn: aws.String("arn:aws:acm-pca:::template/" + template + "/V1"), Validity: &types.Validity{Type: types.ValidityPeriodTypeDays, Value: &days}})
	if err != nil {
		return nil, err
	}
	got, err := a.pca.GetCertificate(a.ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &issuer, CertificateArn: issued.CertificateArn})
	if err != nil {
		return nil, err
	}
	own := []byte(*got.Certificate)
	_, err = a.pca.ImportCertificateAuthorityCertificate(a.ctx, &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca, Certificate: own, CertificateChain: chain})
	return own, err
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
