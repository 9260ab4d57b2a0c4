package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"countersign/call"
	"countersign/edge/snapshot"
	"countersign/pki"
	"countersign/store"
)

// A Problem is something that keeps one domain name or API from being served
// as it is configured. The others are served all the same.
type Problem struct {
	Resource string // "domain name api.example.com"
	Err      error
}

// trustCache keeps trust stores parsed between compilations: a bundle is
// parsed once, and the edge sees from the pointer that it did not change.
type trustCache struct {
	mu     sync.Mutex
	parsed map[string]parsedTrust // by record key of kindTrust
}

type parsedTrust struct {
	store *pki.TrustStore
	live  bool // seen by the compilation under way
}

// Compile makes the data plane's view of all accounts and Regions. One domain
// name or API that cannot be served holds no other one up: it is reported, the
// name is marked unavailable, so that it fails closed and no wildcard stands in for
// it, and the API is left out, its mappings leading to a route that answers 500.
func (s *Service) Compile(ctx context.Context) (map[string]*snapshot.Domain, map[string]*snapshot.API, []Problem, error) {
	apis := map[string]*snapshot.API{}
	problems, err := compileKind(ctx, s, KindAPI, apis, s.compileAPI)
	if err != nil {
		return nil, nil, nil, err
	}
	more, err := compileKind(ctx, s, KindREST, apis, s.compileREST)
	if err != nil {
		return nil, nil, nil, err
	}
	problems = append(problems, more...)
	records, err := s.store.List(ctx, KindDomain, "", "", 0)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("list domain names: %w", err)
	}
	s.trust.mu.Lock()
	defer s.trust.mu.Unlock()
	domains := make(map[string]*snapshot.Domain, len(records))
	for _, r := range records {
		d, err := decode[domain](r)
		var compiled *snapshot.Domain
		if err == nil {
			compiled, err = s.compileDomain(ctx, d, apis)
		}
		if err != nil { // the key of a domain's record is its name
			problems = append(problems, Problem{"domain name " + r.Key, err})
			compiled = &snapshot.Domain{Name: r.Key, Unavailable: err.Error()}
		}
		domains[r.Key] = compiled
	}
	maps.DeleteFunc(s.trust.parsed, func(_ string, p parsedTrust) bool { return !p.live })
	for key, p := range s.trust.parsed {
		s.trust.parsed[key] = parsedTrust{store: p.store}
	}
	return domains, apis, problems, nil
}

// compileKind adds the APIs of one kind to apis. It says which of them cannot be served.
func compileKind[T any](ctx context.Context, s *Service, kind string, apis map[string]*snapshot.API, compile func(context.Context, T) (*snapshot.API, error)) ([]Problem, error) {
	records, err := s.store.List(ctx, kind, "", "", 0)
	if err != nil {
		return nil, fmt.Errorf("list records of kind %s: %w", kind, err)
	}
	var problems []Problem
	for _, r := range records {
		a, err := decode[T](r)
		var compiled *snapshot.API
		if err == nil {
			compiled, err = compile(ctx, a)
		}
		if err != nil { // the key ends with the API's id
			problems = append(problems, Problem{"API " + r.Key[strings.LastIndexByte(r.Key, '/')+1:], err})
			continue
		}
		apis[compiled.ID] = compiled
	}
	return problems, nil
}

func (s *Service) compileAPI(ctx context.Context, a api) (*snapshot.API, error) {
	out := &snapshot.API{
		ID: a.ID, Account: a.Account, Region: a.Region, Name: a.Name, Host: a.host(),
		DisableDefaultEndpoint: a.DisableDefaultEndpoint, Stages: make(map[string]*snapshot.Stage, len(a.Stages)),
	}
	for _, g := range a.Stages {
		compiled := &snapshot.Stage{Name: g.Name, AuthorizerEpoch: g.CacheResets}
		if len(g.Variables) > 0 {
			compiled.Variables = g.Variables
		}
		out.Stages[g.Name] = compiled
		if g.Deployment == "" {
			continue
		}
		d, _, err := load[deployment](ctx, s.store, kindDeployment, deploymentKey(a, g.Deployment))
		if err != nil {
			return nil, fmt.Errorf("stage %s: %w", g.Name, err)
		}
		compiled.CORS = d.CORS.compile()
		if compiled.Routes, err = compileRoutes(d); err != nil {
			return nil, fmt.Errorf("stage %s: %w", g.Name, err)
		}
		for _, r := range compiled.Routes {
			r.Throttle = g.throttle(r.Key)
		}
	}
	return out, nil
}

func compileRoutes(d deployment) ([]*snapshot.Route, error) {
	integrations := make(map[string]*snapshot.Integration, len(d.Integrations))
	for _, i := range d.Integrations {
		c := &snapshot.Integration{ID: i.ID, Type: i.Type, Timeout: time.Duration(i.Timeout) * time.Millisecond}
		if i.Type == snapshot.AWSProxy {
			function, err := functionARN(i.URI)
			if err != nil {
				return nil, fmt.Errorf("integration %s: %w", i.ID, err)
			}
			c.Function, c.Payload = function, i.Payload
		} else {
			c.URI, c.Method = i.URI, i.Method
		}
		integrations[i.ID] = c
	}
	authorizers := make(map[string]*snapshot.Authorizer, len(d.Authorizers))
	for _, z := range d.Authorizers {
		c, err := z.compile()
		if err != nil {
			return nil, fmt.Errorf("authorizer %s: %w", z.ID, err)
		}
		authorizers[z.ID] = c
	}
	routes := make([]*snapshot.Route, 0, len(d.Routes))
	for _, r := range d.Routes {
		method, segments, err := parseRouteKey(r.Key)
		if err != nil {
			return nil, fmt.Errorf("route %s: %w", r.ID, err)
		}
		c := &snapshot.Route{Key: r.Key, Method: method, Segments: segments, Integration: integrations[r.Integration]}
		if c.Integration == nil {
			c.Unavailable = "the route has no integration"
		}
		if r.Authorization != "" {
			if c.Authorizer, c.Scopes = authorizers[r.Authorizer], r.Scopes; c.Authorizer == nil {
				c.Unavailable = "the route's authorizer is missing"
			}
		}
		routes = append(routes, c)
	}
	sortRoutes(routes)
	return routes, nil
}

func (s *Service) compileDomain(ctx context.Context, d domain, apis map[string]*snapshot.API) (*snapshot.Domain, error) {
	// The certificate is read in the name of the domain's owner.
	ctx = call.With(ctx, call.Call{Account: d.Account, Region: d.Region, Signing: call.Internal,
		Principal: call.Principal{Account: d.Account, Service: "apigateway.amazonaws.com"}})
	certificate, err := s.certificates.ServerCertificate(ctx, d.Certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", d.Certificate, err)
	}
	if certificate.TLS == nil {
		return nil, fmt.Errorf("certificate %s is in status %s", d.Certificate, certificate.Status)
	}
	out := &snapshot.Domain{
		Name: d.Name, Account: d.Account, Region: d.Region, ARN: d.arn(), Certificate: certificate.TLS, TicketKey: s.ticketKey(d),
	}
	if d.Mutual != nil {
		trust, err := s.trustStore(ctx, d)
		if err != nil {
			return nil, err
		}
		out.Mutual = &snapshot.Mutual{Trust: trust, URI: d.Mutual.URI, Version: orDefault(d.Mutual.Version, d.Mutual.SHA256)}
	}
	for _, m := range d.Mappings {
		c := unavailableMapping(d, m)
		// A mapping without a stage leaves that to the caller; only REST APIs have such.
		if a := apis[m.API]; a != nil && a.Account == d.Account && a.Region == d.Region && (a.Stages[m.Stage] != nil || a.REST && m.Stage == "") {
			c = snapshot.Mapping{API: a, Stage: a.Stages[m.Stage]}
		}
		if m.Key != "" {
			c.Segments = strings.Split(m.Key, "/")
		}
		out.Mappings = append(out.Mappings, c)
	}
	slices.SortStableFunc(out.Mappings, func(x, y snapshot.Mapping) int { return len(y.Segments) - len(x.Segments) })
	return out, nil
}

// unavailableMapping is for an API that cannot be compiled, which is reported
// where it was tried. Its paths must not fall to a mapping of a shorter one.
func unavailableMapping(d domain, m mapping) snapshot.Mapping {
	stage := &snapshot.Stage{Name: m.Stage, Routes: []*snapshot.Route{{Key: "$default", Unavailable: "API " + m.API + " or its stage " + m.Stage + " cannot be served"}}}
	return snapshot.Mapping{Stage: stage, API: &snapshot.API{
		ID: m.API, Account: d.Account, Region: d.Region, DisableDefaultEndpoint: true, Stages: map[string]*snapshot.Stage{m.Stage: stage},
	}}
}

func (s *Service) trustStore(ctx context.Context, d domain) (*pki.TrustStore, error) {
	key := trustKey(d.Name, d.Mutual.SHA256)
	if p, ok := s.trust.parsed[key]; ok {
		s.trust.parsed[key] = parsedTrust{p.store, true}
		return p.store, nil
	}
	r, err := s.store.Get(ctx, kindTrust, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errors.New("the bytes of its trust store are not in the store")
	}
	if err != nil {
		return nil, err
	}
	trust, _, err := pki.ParseTrustStore(r.Value)
	if err != nil {
		return nil, fmt.Errorf("trust store %s: %w", d.Mutual.URI, err)
	}
	s.trust.parsed[key] = parsedTrust{trust, true}
	return trust, nil
}

// ticketKey derives the key of a domain's session tickets from what its clients
// are judged by, so that a session ends with the trust store that admitted it.
// Every node derives the same key.
func (s *Service) ticketKey(d domain) [32]byte {
	purpose := "session tickets\x00" + d.Name + "\x00" + d.Created.Format(time.RFC3339Nano)
	if d.Mutual != nil {
		purpose += "\x00" + d.Mutual.URI + "\x00" + d.Mutual.Version + "\x00" + d.Mutual.SHA256
	}
	return s.derive(purpose)
}
