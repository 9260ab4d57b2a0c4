// Package edge is the data plane: it ends TLS, judges client certificates and
// carries requests to HTTP backends and Lambda functions, as the regional
// endpoints of Amazon API Gateway do for HTTP APIs and REST APIs (custom domain names
// with mutual TLS, default endpoints, API mappings, stages, routes, throttling, the
// integrations HTTP_PROXY, AWS_PROXY and MOCK, CORS, REQUEST, TOKEN and JWT
// authorizers, resource policies). It runs off an immutable [snapshot.Snapshot] and
// never waits for a database.
//
// What happens to a client, in the order of the files: server.go accepts the
// connection and completes the handshake, tls.go picks the certificate by
// SNI, client.go judges the client certificate, handler.go checks Host
// against SNI and every request again, cors.go answers browsers, route.go finds
// the route, authorizer.go decides who may call it, proxy.go and function.go call
// the integration. What REST APIs do otherwise is in rest.go and rest_proxy.go.
//
// Left out so far: IAM authorization, parameter mapping of HTTP APIs, templates in
// VTL, access logs in CLF, WebSockets, and of AWS's TLS_1_2 policy the CBC cipher
// suites with SHA-256 and SHA-384, which crypto/tls does not have or does not
// run in constant time.
package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"countersign/edge/snapshot"
)

// An Invoker runs Lambda functions for the gateway.
type Invoker interface {
	// Invoke runs the function and waits for its result. functionError is not
	// empty when the function itself failed ("Unhandled"); err is one of
	// ErrNotPermitted, ErrThrottled, ErrTimeout (wrapped or bare) or something
	// internal. The context ends when the client goes away or the integration
	// timeout passes. The payload is not used after Invoke has returned.
	Invoke(ctx context.Context, in Invocation) (payload []byte, functionError string, err error)
}

// An Invocation is one call of a function by the gateway.
type Invocation struct {
	FunctionARN string // with its qualifier if any
	SourceARN   string // arn:aws:execute-api:{region}:{account}:{api}/{stage}/{METHOD}/{path}
	Account     string // owner of the API
	Payload     []byte // the event
}

// A Policy is what a Lambda authorizer has answered, or the resource policy of a REST API, read
// once and asked for every request that it covers. It is safe for concurrent use.
type Policy interface {
	// Evaluate says what the policy makes of the action on the resource (an
	// ARN). Keys are condition keys in lower case.
	Evaluate(action, resource string, keys map[string][]string) Effect
}

// An Effect is what a policy says of a request.
type Effect int

// Effects. A policy in which nothing is about the request does not allow it.
const (
	Silent Effect = iota
	Allow
	Deny
)

// A PolicyParser reads a policy document. An error means that it is malformed.
type PolicyParser func(document []byte) (Policy, error)

// A Fetcher reads the public documents of token issuers.
type Fetcher interface {
	// Fetch gets an https URL and gives the body of a 200. It ends with the
	// context. A body of more than limit bytes is an error, as is everything but a 200.
	Fetch(ctx context.Context, url string, limit int64) ([]byte, error)
}

// Errors of an Invoker.
var (
	ErrNotPermitted = errors.New("the function's policy does not let the API invoke it")
	ErrThrottled    = errors.New("the function has no free concurrency")
	ErrTimeout      = errors.New("the function did not finish in time")
)

// Metrics count what happens, on the goroutines that it happens on: they must
// take no lock and not allocate.
type Metrics interface {
	Handshake(reason string, resumed bool) // pki.Valid or why the client was refused
	Refused(reason string)                 // at a request, after the handshake let it in
	Request(status int)                    // 0: it was not answered
}

// Limits bound what clients and backends may take. A zero field means the
// value in its comment.
type Limits struct {
	HeaderBytes      int           // request line and headers together: 10,240
	BodyBytes        int           // request or response body: 10 MiB
	BodyMemory       int           // of all request bodies at one time: 1 GiB
	HandshakeTimeout time.Duration // 10 s
	HeaderTimeout    time.Duration // from the first byte of a request to the end of its headers: 10 s
	BodyTimeout      time.Duration // for the whole request body: 60 s
	IdleTimeout      time.Duration // between requests: 60 s
	WriteTimeout     time.Duration // from the end of the headers to the end of the answer: 150 s
	DrainTimeout     time.Duration // for requests in flight when Serve's context ends: 10 s
	Connections      int           // open at the same time: 20,000
	Streams          int           // of one HTTP/2 connection: 128
	VerifiedChains   int           // remembered per trust store: 65,536
	UpstreamIdle     int           // idle connections kept per backend: 256
	AuthorizerMemory int           // of remembered answers of authorizers, about: 64 MiB
}

func (l Limits) withDefaults() Limits {
	number := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	duration := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	number(&l.HeaderBytes, 10240)
	number(&l.BodyBytes, 10<<20)
	number(&l.BodyMemory, 1<<30)
	number(&l.Connections, 20000)
	number(&l.Streams, 128)
	number(&l.VerifiedChains, 65536)
	number(&l.UpstreamIdle, 256)
	number(&l.AuthorizerMemory, 64<<20)
	duration(&l.HandshakeTimeout, 10*time.Second)
	duration(&l.HeaderTimeout, 10*time.Second)
	duration(&l.BodyTimeout, 60*time.Second)
	duration(&l.IdleTimeout, 60*time.Second)
	duration(&l.WriteTimeout, 150*time.Second)
	duration(&l.DrainTimeout, 10*time.Second)
	return l
}

// Config is what an Edge is made of.
type Config struct {
	Now  func() time.Time // required; safe for concurrent use
	Rand io.Reader        // required; safe for concurrent use, as crypto/rand.Reader is

	Invoker     Invoker      // nil: AWS_PROXY integrations and REQUEST authorizers answer 500
	ParsePolicy PolicyParser // nil: authorizers that answer with a policy answer 500

	// ParseResourcePolicy reads resource policies, which are about everybody who calls; nil: APIs with one are not served.
	ParseResourcePolicy PolicyParser

	Fetcher     Fetcher      // nil: JWT authorizers let nobody in
	Revocations *Revocations // nil: an empty one is made
	Logger      *slog.Logger // nil: nothing is logged

	// OnDecision, when not nil, is called for every handshake that ended in a
	// judgement and for every connection that was refused later. It runs on the
	// connection's goroutine and must be quick.
	OnDecision func(Decision)

	Metrics Metrics // nil: nothing is counted

	// UpstreamTLS is how https backends are called; nil: the system's roots.
	// TLS 1.2 is the least in any case.
	UpstreamTLS *tls.Config

	// Dial opens connections to backends; nil: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Limits Limits
}

// An Edge serves one data plane on any number of listeners. Its methods may be
// called concurrently.
type Edge struct {
	cfg         Config
	log         *slog.Logger
	revocations *Revocations
	ids         idSource
	defaultKey  [32]byte // session tickets of the default endpoints, of this process only

	view      atomic.Pointer[view]
	publish   sync.Mutex // one Publish at a time
	upstreams upstreams
	held      atomic.Int64 // bytes of request bodies
	answers   answerCache  // of authorizers

	mu      sync.Mutex
	servers map[*server]struct{}
	closed  bool
}

// New makes an Edge. It serves nothing before the first Publish: every
// handshake is refused.
func New(cfg Config) (*Edge, error) {
	if cfg.Now == nil || cfg.Rand == nil {
		return nil, errors.New("edge: Config.Now and Config.Rand are required")
	}
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Revocations == nil {
		cfg.Revocations = NewRevocations()
	}
	e := &Edge{
		cfg:         cfg,
		log:         cfg.Logger,
		revocations: cfg.Revocations,
		servers:     map[*server]struct{}{},
	}
	if _, err := io.ReadFull(cfg.Rand, e.defaultKey[:]); err != nil {
		return nil, err
	}
	if err := e.ids.init(cfg.Rand); err != nil {
		return nil, err
	}
	e.upstreams.init(cfg)
	e.answers.init(cfg.Limits.AuthorizerMemory)
	return e, nil
}

// Revocations is the set that every handshake and request is checked against.
func (e *Edge) Revocations() *Revocations { return e.revocations }

// A Problem is a part of a snapshot that cannot be served as it is.
type Problem struct {
	Resource string // "domain api.example.com", "API a1b2c3"
	Err      error
}

// Publish makes the snapshot the one that handshakes and requests see. It
// checks and prepares everything first. What is wrong with one domain, API or
// integration holds nothing else up: it is returned and logged as a problem, and is
// not served. Handshakes with a broken domain fail, also where a wildcard would
// cover its name; an API that is broken answers 500 below its mappings, and so
// does a route whose integration is. Open connections are judged by the new
// snapshot at their next request. Without a snapshot there is an error, and the
// previous one stays in force.
func (e *Edge) Publish(s *snapshot.Snapshot) ([]Problem, error) {
	if s == nil {
		return nil, errors.New("edge: no snapshot")
	}
	e.publish.Lock()
	defer e.publish.Unlock()
	next := e.compile(s, e.view.Load())
	for _, p := range next.problems {
		e.log.Error("not served", "resource", p.Resource, "error", p.Err)
	}
	e.view.Store(next)
	e.upstreams.retain(next.upstreams)
	e.log.Debug("snapshot published", "revision", s.Revision, "domains", len(s.Domains), "apis", len(s.APIs))
	return next.problems, nil
}

// Revision is the revision of the snapshot in force; 0 before the first.
func (e *Edge) Revision() uint64 {
	if v := e.view.Load(); v != nil {
		return v.revision
	}
	return 0
}
