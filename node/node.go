package node

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"countersign/api"
	"countersign/edge"
	"countersign/edge/snapshot"
	"countersign/jobs"
	"countersign/keys"
	"countersign/metrics"
	"countersign/nameserver"
	"countersign/service/authority"
	"countersign/service/certificates"
	"countersign/service/functions"
	"countersign/service/gateway"
	"countersign/service/identity"
	"countersign/service/logs"
	"countersign/service/objects"
	"countersign/service/secrets"
	"countersign/service/stacks"
	"countersign/service/zones"
	"countersign/store"
	"countersign/store/sqlite"

	"github.com/google/uuid"
)

// A Node is one running Countersign. Make it with Start, end it with Close.
type Node struct {
	config      Config
	credentials Credentials
	endpoints   Endpoints

	metrics      *metrics.Metrics
	metricsToken string
	store        *sqlite.Store
	pool         *keys.Pool
	identity     *identity.Service
	objects      *objects.Service
	authority    *authority.Service
	certificates *certificates.Service
	defaultTLS   *localCertificate // of the default endpoints
	givenTLS     *tls.Certificate  // of the AWS endpoint; nil: one of the local root
	zones        *zones.Service
	functions    *functions.Service
	gateway      *gateway.Service
	secrets      *secrets.Service
	logs         *logs.Service
	stacks       *stacks.Service
	endpoint     *api.Server
	edge         *edge.Edge
	names        *nameserver.Server
	publisher    *publisher
	server       *http.Server

	// Open from bind on; serve hands them to their servers.
	awsListener, gatewayListener, dnsListener net.Listener
	dnsPackets                                net.PacketConn

	stops   []stop         // run in reverse by Close
	running sync.WaitGroup // every goroutine of the node
	once    sync.Once
	closed  error
	failure error
	failed  chan struct{} // closed after failure is set
	failing sync.Once
}

// A stop ends one part. It has until ctx ends to be orderly about it.
type stop struct {
	what string
	do   func(ctx context.Context) error
}

// stopTime bounds how long Close is orderly.
const stopTime = 15 * time.Second

// Limits of the AWS endpoint. Bodies are bounded by api, and by paced.
const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	headerSize = 64 << 10
)

// Start builds every part in order and returns when the node serves. When it
// fails, nothing is left running. Cancelling ctx later does not stop the node: Close does.
func Start(ctx context.Context, c Config) (_ *Node, err error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &Node{config: c, failed: make(chan struct{}), metrics: metrics.New()}
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	for _, build := range []func(context.Context) error{
		n.loadTLS, n.openStore, n.bind, n.buildServices, n.buildDataPlanes, n.serve,
	} {
		if err := build(ctx); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *Node) onStop(what string, do func(ctx context.Context) error) {
	n.stops = append(n.stops, stop{what, do})
}

// background runs part of the node; when it ends by itself with an error, the node has failed.
func (n *Node) background(what string, run func() error) {
	n.running.Go(func() {
		if err := run(); err != nil {
			n.failing.Do(func() {
				n.failure = fmt.Errorf("%s: %w", what, err)
				n.config.Logger.Error("the node has failed", "part", what, "error", err)
				close(n.failed)
			})
		}
	})
}

// Failed is closed when a part of the node ended by itself. Close tells why.
func (n *Node) Failed() <-chan struct{} { return n.failed }

// Endpoints tells where the node listens.
func (n *Node) Endpoints() Endpoints { return n.endpoints }

// Credentials are the root key pair.
func (n *Node) Credentials() Credentials { return n.credentials }

// Close stops everything in reverse order and waits for it. It is orderly for
// 15 seconds: requests are finished, what was acknowledged is on disk already.
// It returns what went wrong, a failure of the running node first.
func (n *Node) Close() error {
	n.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		var errs []error
		for i := len(n.stops) - 1; i >= 0; i-- {
			if err := n.stops[i].do(ctx); err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", n.stops[i].what, err))
			}
		}
		n.running.Wait()
		if n.store != nil {
			if err := n.store.Close(); err != nil {
				errs = append(errs, fmt.Errorf("close the store: %w", err))
			}
		}
		n.closed = errors.Join(append([]error{n.failure}, errs...)...)
	})
	return n.closed
}

// kindInstallation is the one record of the node's own: what may not change
// between starts.
const kindInstallation = "node/installation"

type installation struct {
	ID      string // UUID
	Account string
}

func (n *Node) openStore(ctx context.Context) error {
	c := &n.config
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w; choose another with --data", err)
	}
	var err error
	n.store, err = sqlite.Open(ctx, c.Data, sqlite.Options{Now: c.Now, Logger: c.Logger, Observe: n.metrics.Commit})
	if errors.Is(err, sqlite.ErrLocked) {
		return fmt.Errorf("%w; stop it first, or choose another folder with --data", err)
	}
	return err
}

// install reads the installation's record, or writes it at the first start.
func (n *Node) install(ctx context.Context) (installation, error) {
	got, err := n.store.Get(ctx, kindInstallation, "this")
	var i installation
	switch {
	case err == nil:
		if err := json.Unmarshal(got.Value, &i); err != nil {
			return i, fmt.Errorf("decode the installation's record: %w", err)
		}
		if i.Account != n.config.Account {
			return i, fmt.Errorf("the data folder belongs to account %s, not %s: pass --account-id %s, or another --data", i.Account, n.config.Account, i.Account)
		}
		return i, nil
	case !errors.Is(err, store.ErrNotFound):
		return i, err
	}
	id, err := uuid.NewRandomFromReader(n.config.Rand)
	if err != nil {
		return i, err
	}
	i = installation{ID: id.String(), Account: n.config.Account}
	value, err := json.Marshal(i)
	if err != nil {
		return i, err
	}
	_, err = n.store.Commit(ctx, new(store.Batch).Create(kindInstallation, "this", value))
	return i, err
}

// buildDataPlanes makes the edge and the name server and shows them what the
// store holds, before anything listens.
func (n *Node) buildDataPlanes(ctx context.Context) error {
	c := n.config
	var err error
	n.edge, err = edge.New(edge.Config{
		Now: c.Now, Rand: c.Rand, Invoker: invoker{n.functions}, ParsePolicy: parseAuthorizerPolicy, ParseResourcePolicy: parseResourcePolicy, Fetcher: newIssuers(c.IssuerRoots), Logger: c.Logger.With("part", "edge"),
		Metrics: n.metrics,
	})
	if err != nil {
		return err
	}
	addresses, err := gatewayAddresses(c)
	if err != nil {
		return err
	}
	endpoint, err := parseAddresses("--endpoint-addresses", c.EndpointAddresses)
	if err != nil {
		return err
	}
	n.names = nameserver.New(nameserver.Config{Addresses: addresses, EndpointAddresses: endpoint, Logger: c.Logger.With("part", "nameserver")})
	revocations := n.edge.Revocations()
	if c.LeaveRevocation {
		revocations = edge.NewRevocations() // that nobody looks at
		c.Logger.Warn("the gateway admits clients whose certificate was revoked; only authorizers refuse them (--leave-revocation)")
	}
	n.publisher = &publisher{
		store: n.store, authority: n.authority, revocations: revocations, log: c.Logger.With("part", "publisher"),
		feeds: []*feed{
			{name: "API gateway", kinds: []string{gateway.KindAPI, gateway.KindREST, gateway.KindDomain, certificates.KindCertificate}, publish: n.publishGateway},
			{name: "name server", kinds: []string{zones.KindZone, zones.KindRecordSet}, publish: n.publishZones},
		},
	}
	n.publisher.revoked = &revocationLog{publisher: n.publisher, folder: c.Data, random: c.Rand, limits: defaultRevocationLimits}
	return n.publisher.start(ctx)
}

func (n *Node) publishGateway(ctx context.Context, r store.Revision) error {
	domains, apis, problems, err := n.gateway.Compile(ctx)
	if err != nil {
		return err
	}
	for _, p := range problems {
		n.config.Logger.Error("not served", "resource", p.Resource, "error", p.Err)
	}
	// Without a certificate of their own default endpoints cannot be served.
	// That holds nothing else up, and is tried again.
	fallback, failed := n.defaultCertificate(ctx, apis)
	if _, err := n.edge.Publish(&snapshot.Snapshot{Revision: uint64(r), Domains: domains, APIs: apis, Default: fallback}); err != nil {
		return err
	}
	if failed != nil {
		return partial{failed}
	}
	return nil
}

func (n *Node) publishZones(ctx context.Context, r store.Revision) error {
	dns, err := n.zones.Compile(ctx)
	if err != nil {
		return err
	}
	dns.Revision = uint64(r)
	return n.names.Publish(dns)
}

// bind opens every port, so that a port in use is noticed before anything is
// made. Connections wait until serve.
func (n *Node) bind(context.Context) (err error) {
	c := n.config
	if n.awsListener, err = listenTCP("the AWS endpoint", "--listen", c.Listen); err != nil {
		return err
	}
	n.onStop("the AWS endpoint's port", closeOnce(n.awsListener))
	if n.gatewayListener, err = listenTCP("the API gateway", "--gateway-listen", c.GatewayListen); err != nil {
		return err
	}
	n.onStop("the gateway's port", closeOnce(n.gatewayListener))
	if n.dnsListener, n.dnsPackets, err = listenDNS(c.DNSListen); err != nil {
		return err
	}
	n.onStop("the name server's port", func(context.Context) error {
		return errors.Join(ignoreClosed(n.dnsListener.Close()), ignoreClosed(n.dnsPackets.Close()))
	})
	root, err := filepath.Abs(filepath.Join(c.Data, localRootFile))
	if err != nil {
		return err
	}
	n.endpoints = Endpoints{
		Endpoint: "http://" + n.awsListener.Addr().String(), Gateway: n.gatewayListener.Addr().String(), DNS: n.dnsListener.Addr().String(),
		Account: c.Account, CACert: root,
	}
	return nil
}

// serve starts everything that runs until Close.
func (n *Node) serve(ctx context.Context) error {
	c := n.config
	handler, err := n.handler()
	if err != nil {
		return err
	}
	secure, err := n.endpointTLS(ctx)
	if err != nil {
		return err
	}
	if err := n.writeFiles(ctx); err != nil {
		return err
	}

	running, end := context.WithCancel(context.Background())
	n.onStop("background work", func(context.Context) error { end(); return nil })
	n.background("publisher", func() error { n.publisher.run(running); return nil })
	n.background("functions", func() error { n.functions.Run(running); return nil })
	n.background("jobs", func() error { return n.jobRunner().Run(running) })
	n.background("name server", func() error { return n.names.Serve(running, n.dnsPackets, n.dnsListener) })
	n.background("API gateway", func() error {
		// A node may be stopped before this goroutine has begun.
		if err := n.edge.Serve(running, n.gatewayListener); !errors.Is(err, edge.ErrClosed) {
			return err
		}
		return nil
	})
	n.onStop("the API gateway", n.edge.Shutdown)

	n.server = &http.Server{
		Handler: paced(handler, stallTime), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: headerSize,
		ErrorLog: errorLog(c.Logger.With("part", "endpoint")),
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: 128, SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: stallTime},
	}
	split := newSplitter(n.awsListener, maxConnections, c.Logger.With("part", "endpoint"))
	n.background("AWS endpoint", split.run)
	n.background("AWS endpoint, HTTP", func() error { return ignoreServerClosed(n.server.Serve(split.plain)) })
	n.background("AWS endpoint, HTTPS", func() error {
		return ignoreServerClosed(n.server.Serve(tls.NewListener(split.secure, secure)))
	})
	n.onStop("the AWS endpoint", func(ctx context.Context) error {
		if err := n.server.Shutdown(ctx); err != nil {
			return errors.Join(err, n.server.Close())
		}
		return nil
	})
	return nil
}

// writeFiles keeps what other programs read: where the node listens, and the
// local root's certificate.
func (n *Node) writeFiles(ctx context.Context) error {
	root, err := n.certificates.LocalRoot(ctx)
	if err != nil {
		return fmt.Errorf("read the local root: %w", err)
	}
	if err := writeDurably(n.endpoints.CACert, root); err != nil {
		return err
	}
	if err := os.Chmod(n.endpoints.CACert, 0o644); err != nil {
		return err
	}
	text, err := json.MarshalIndent(n.endpoints, "", "  ")
	if err != nil {
		return err
	}
	return writeDurably(filepath.Join(n.config.Data, endpointsFile), append(text, '\n'))
}

func (n *Node) jobRunner() *jobs.Runner {
	return &jobs.Runner{
		Store: n.store, Now: n.config.Now, Logger: n.config.Logger.With("part", "jobs"), Holder: "node", Failed: n.metrics.JobFailed,
		Jobs: []jobs.Job{
			{Name: "make authority keys", Kinds: []string{authority.KindPending}, Run: n.authority.MakeKeys},
			{Name: "publish CRLs", Kinds: []string{store.KindRevocation, authority.KindCRLDue}, Run: n.authority.PublishCRLs},
			{Name: "write audit reports", Kinds: []string{authority.KindReport}, Run: n.authority.WriteAuditReports},
			{Name: "run stack operations", Kinds: []string{stacks.KindOperation}, Run: n.stacks.Run},
			{Name: "expire objects", Run: n.objects.ExpireObjects},
			{Name: "delete secrets", Kinds: []string{secrets.KindDeletion}, Run: n.secrets.DeleteDue},
			{Name: "remove expired log events", Kinds: []string{logs.KindGroup, logs.KindGarbage}, Run: n.logs.Sweep},
			{Name: "validate certificates", Kinds: []string{certificates.KindPending, zones.KindRecordSet}, Run: n.certificates.ValidatePending},
		},
	}
}

func (n *Node) handler() (http.Handler, error) {
	endpoint, err := api.New(api.Config{
		Services: []api.Service{
			api.ACMPCA(n.authority), api.ACM(n.certificates), api.S3(n.objects), api.Route53(n.zones),
			api.APIGatewayV2(n.gateway), api.APIGateway(n.gateway), api.Lambda(n.functions), api.STS(n.identity), api.IAM(n.identity), api.CloudFormation(n.stacks),
			api.SecretsManager(n.secrets), api.SSM(n.secrets), api.Logs(n.logs),
		},
		Credentials: n.identity.Credential, Account: n.config.Account, Now: n.config.Now,
		NewRequestID: n.requestID, Logger: n.config.Logger.With("part", "api"),
		Settle:  n.publisher.settle,
		Observe: func(service, operation string, o api.Outcome) { n.metrics.Call(service, operation, o.Code, o.Took) },
	})
	if err != nil {
		return nil, err
	}
	n.endpoint = endpoint
	callbacks := &callbackHandler{answer: n.stacks.Answer, log: n.config.Logger.With("part", "cloudformation"), next: endpoint}
	crls := &crlHandler{alias: n.authority.CRLAlias, log: n.config.Logger.With("part", "crl"), next: callbacks}
	ocsp := &ocspHandler{responder: n.authority, now: n.config.Now, log: n.config.Logger.With("part", "ocsp"), count: n.metrics.OCSP, next: crls}
	return &metricsHandler{token: n.metricsToken, show: n.metrics.Handler(), next: ocsp}, nil
}

func (n *Node) requestID() string {
	id, err := uuid.NewRandomFromReader(n.config.Rand)
	if err != nil {
		return uuid.Nil.String() // an id is for finding a log line; a call need not fail for it
	}
	return id.String()
}

func closeOnce(l net.Listener) func(context.Context) error {
	return func(context.Context) error { return ignoreClosed(l.Close()) }
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func ignoreServerClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return ignoreClosed(err)
}
