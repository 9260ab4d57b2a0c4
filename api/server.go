// Package api is the life of one AWS request: route, verify the signature,
// authorise, decode, call the operation, encode, audit. It answers for every
// AWS API that it is given a Service for, on one http.Handler, in plain HTTP or
// TLS alike.
//
// The files named after AWS APIs list the operations that are built. Every other
// operation of a model answers with an error that names it.
//
// It does not make listeners, nor set their time limits; it serves no browser
// (CORS, S3's POST forms), evaluates no policy itself (Config.Authorize), and
// serves nobody anonymously but the health check and readers of public objects.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"countersign/call"
	"countersign/service/identity"
	"countersign/wire/shape"
	"countersign/wire/sigv4"
)

// Config is what a Server needs. Services, Credentials, Account, Now and
// NewRequestID are required.
type Config struct {
	Services []Service

	// Credentials finds the secret of an access key. It answers with the errors
	// of package identity for a key that must not be used; any other error is
	// an internal failure.
	Credentials func(ctx context.Context, accessKeyID, sessionToken string) (identity.Credential, error)

	Account      string // the account that this node serves
	Now          func() time.Time
	NewRequestID func() string // unique; a UUID
	Logger       *slog.Logger  // nil: nothing is logged

	// Suffixes are host names below which buckets may be addressed, as in
	// BUCKET.SUFFIX and BUCKET.s3.SUFFIX; those of AWS and "localhost" are known.
	Suffixes []string

	// BodyMemory bounds the bytes of all bodies that are held at one time while
	// their signatures are not proved: who signs is not known before the whole body
	// is read, for every service but S3. What is beyond is answered 503. 0: 512 MiB.
	BodyMemory int64

	// Settle, when not nil, is called after every operation that succeeded and
	// may have changed something, before its answer is written: what the caller
	// does next must find the data plane up to date.
	Settle func(ctx context.Context)

	// Authorize decides whether the principal of a verified call may make it; an
	// error refuses, and is the answer when it is an API error. Nil: every
	// principal of the account may do everything.
	Authorize func(ctx context.Context, c call.Call) error

	// Audit, when not nil, is told of every call whose signature was verified,
	// when its outcome is known and before the answer is written.
	Audit func(ctx context.Context, c call.Call, o Outcome)

	// Observe, when not nil, is told how every request ended, whoever made it:
	// what was called is empty as far as it was not found out.
	Observe func(service, operation string, o Outcome)
}

// An Outcome is how a call ended.
type Outcome struct {
	Status int
	Code   string // error code; empty: success
	Took   time.Duration
}

// How far a request's time may be from ours.
const (
	skew   = 5 * time.Minute
	s3Skew = 15 * time.Minute
)

// A Server is the AWS endpoint. It is safe for concurrent use.
type Server struct {
	cfg      Config
	services []*service // in the order given
	buckets  bucketHosts
	verifier sigv4.Verifier
	held     atomic.Int64 // bytes of bodies; see Config.BodyMemory
	byInput  map[reflect.Type]place
}

// A service is a Service with its model.
type service struct {
	model  *shape.Model
	family family
	built  map[string]Operation
	routes *routes // REST protocols, S3 excepted
}

// New checks cfg against the models: an operation that the model does not have
// is an error.
func New(cfg Config) (*Server, error) {
	if cfg.Credentials == nil || cfg.Account == "" || cfg.Now == nil || cfg.NewRequestID == nil {
		return nil, errors.New("api: Credentials, Account, Now and NewRequestID are required")
	}
	if len(cfg.Services) == 0 {
		return nil, errors.New("api: there are no services")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.BodyMemory == 0 {
		cfg.BodyMemory = 512 << 20
	}
	s := &Server{cfg: cfg, buckets: newBucketHosts(cfg.Suffixes)}
	for _, given := range cfg.Services {
		model, ok := shape.Service(given.ID)
		if !ok {
			return nil, fmt.Errorf("api: there is no model of a service %q", given.ID)
		}
		if slices.ContainsFunc(s.services, func(v *service) bool { return v.model == model }) {
			return nil, fmt.Errorf("api: service %q is given twice", given.ID)
		}
		v := &service{model: model, family: familyOf(model), built: map[string]Operation{}}
		for _, o := range given.Operations {
			if _, ok := model.Operations[o.Name]; !ok {
				return nil, fmt.Errorf("api: the model of %s has no operation %s", given.ID, o.Name)
			}
			if _, twice := v.built[o.Name]; twice {
				return nil, fmt.Errorf("api: %s %s is given twice", given.ID, o.Name)
			}
			v.built[o.Name] = o
		}
		if v.family == familyREST || v.family == familyXML {
			v.routes = newRoutes(model)
		}
		s.services = append(s.services, v)
	}
	s.indexInputs()
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_countersign/health" {
		s.health(w, r)
		return
	}
	x := &exchange{s: s, w: w, r: r, start: s.cfg.Now()}
	x.serve()
}

// health answers to load balancers and scripts that wait for a node to start. It
// needs no signature and says nothing that is secret.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	ids := make([]string, len(s.services))
	for i, v := range s.services {
		ids[i] = `"` + v.model.ID + `"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintf(w, "{\"status\":\"ok\",\"services\":[%s]}\n", strings.Join(ids, ","))
}
