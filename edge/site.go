package edge

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"

	"countersign/edge/snapshot"
	"countersign/keys/rsasign"
)

// A view is a snapshot prepared for use: names resolved, TLS configurations
// and integrations built. It never changes.
type view struct {
	revision  uint64
	exact     map[string]*site         // custom domain names
	wildcard  map[string]*site         // "*.example.com" under "example.com"
	endpoints map[string]*snapshot.API // default endpoints by host name
	fallback  *site                    // for default endpoints; nil: none is served
	closed    map[string]bool          // names of domains that cannot be served, which nothing else may stand in for
	broken    map[*snapshot.API]bool   // APIs that cannot be served
	proxies   map[*snapshot.Integration]*proxy
	upstreams map[upstreamKey]*upstream
	guards    map[guardKey]*guard
	policies  map[*snapshot.Stage]Policy // resource policies
	issuers   map[string]*issuer         // by URL
	throttles map[throttleKey]*throttle
	throttled map[*snapshot.Route]*throttle
	problems  []Problem
}

// A site is what the SNI of a connection leads to: a custom domain, or all
// default endpoints together.
type site struct {
	domain *snapshot.Domain // nil for the default endpoints
	name   string           // of the domain, maybe a wildcard; "" for the default endpoints
	tls    *tls.Config
	trust  *trust // nil: no client certificate is asked for
}

// site finds what serves an SNI in normal form; nil if nothing does. A client
// that sends none gets the default endpoints, as on AWS.
func (v *view) site(sni string) *site {
	if v == nil || v.closed[sni] {
		return nil
	}
	if s := v.exact[sni]; s != nil {
		return s
	}
	if parent, ok := wildcardParent(sni); ok {
		if s := v.wildcard[parent]; s != nil {
			return s
		}
	}
	if sni == "" || v.endpoints[sni] != nil || isDefaultEndpoint(sni) {
		return v.fallback
	}
	return nil
}

// serves reports whether a request for host may travel on a connection that
// was opened with sni and leads to s. A connection without SNI reaches default
// endpoints only; one with the name of a default endpoint reaches that one.
func (v *view) serves(s *site, sni, host string) bool {
	if host == sni {
		return true
	}
	if s.domain == nil {
		return sni == "" && v.site(host) == s && host != ""
	}
	return v.site(host) == s
}

// compile checks a snapshot and prepares what of it can be served. From before
// it takes over what has not changed: verified chains and pools of backend connections.
func (e *Edge) compile(s *snapshot.Snapshot, before *view) *view {
	v := &view{
		revision:  s.Revision,
		exact:     map[string]*site{},
		wildcard:  map[string]*site{},
		endpoints: map[string]*snapshot.API{},
		closed:    map[string]bool{},
		broken:    map[*snapshot.API]bool{},
		proxies:   map[*snapshot.Integration]*proxy{},
		upstreams: map[upstreamKey]*upstream{},
		guards:    map[guardKey]*guard{},
		policies:  map[*snapshot.Stage]Policy{},
		issuers:   map[string]*issuer{},
		throttles: map[throttleKey]*throttle{},
		throttled: map[*snapshot.Route]*throttle{},
	}
	for _, id := range slices.Sorted(maps.Keys(s.APIs)) {
		api := s.APIs[id]
		if !e.serveAPI(v, id, api) {
			continue
		}
		if host := normalName(api.Host); host != "" {
			if other := v.endpoints[host]; other != nil && other != api {
				v.problem("API "+id, fmt.Errorf("API %s has the same default endpoint %s", other.ID, host))
				continue
			}
			v.endpoints[host] = api
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Domains)) {
		switch d := s.Domains[name]; {
		case d != nil && d.Unavailable != "": // known to whoever made the snapshot
			v.closed[normalName(name)] = true
		default:
			if err := e.compileDomain(v, before, name, d); err != nil {
				v.problem("domain "+name, err)
				v.closed[normalName(name)] = true
			}
		}
	}
	if s.Default != nil {
		certificate, err := checkCertificate(s.Default)
		if err != nil {
			v.problem("default endpoints", err)
			return v
		}
		v.fallback = &site{tls: e.tlsConfig(certificate, false)}
		v.fallback.tls.SetSessionTicketKeys([][32]byte{ticketKey(e.defaultKey, "", nil)})
	}
	return v
}

func (v *view) problem(resource string, err error) {
	v.problems = append(v.problems, Problem{resource, err})
}

func (e *Edge) compileDomain(v, before *view, name string, d *snapshot.Domain) error {
	if d == nil {
		return fmt.Errorf("it is nil")
	}
	if d.Name != name || name == "" || normalName(name) != name {
		return fmt.Errorf("its name %q is not the normal form of its key", d.Name)
	}
	certificate, err := checkCertificate(d.Certificate)
	if err != nil {
		return err
	}
	s := &site{domain: d, name: name, tls: e.tlsConfig(certificate, d.Mutual != nil)}
	if d.Mutual != nil {
		if d.Mutual.Trust == nil || len(d.Mutual.Trust.Certificates()) == 0 {
			return fmt.Errorf("it demands client certificates but has no trust store")
		}
		s.trust = e.trustFor(before, name, d.Mutual)
	}
	switch {
	case d.TicketKey != [32]byte{}:
		s.tls.SetSessionTicketKeys([][32]byte{ticketKey(d.TicketKey, name, s.trust)})
	case d.Mutual != nil:
		return fmt.Errorf("it demands client certificates but has no session ticket key: sessions could be forged")
	default:
		s.tls.SessionTicketsDisabled = true
	}
	for i, m := range d.Mappings {
		if m.API == nil || m.Stage == nil && !m.API.REST {
			return fmt.Errorf("API mapping %d leads nowhere", i)
		}
		if len(m.Segments) == 0 && i != len(d.Mappings)-1 {
			return fmt.Errorf("API mapping %d, for every path, is not the last one", i)
		}
		if e.serveAPI(v, m.API.ID, m.API) && m.Stage != nil && m.API.Stages[m.Stage.Name] != m.Stage {
			if err := e.compileStage(v, m.API, m.Stage); err != nil {
				return fmt.Errorf("API mapping %d: stage %s: %w", i, m.Stage.Name, err)
			}
		}
	}
	if parent, ok := wildcardParent(name); ok && name[:len(name)-len(parent)] == "*." {
		v.wildcard[parent] = s
	} else {
		v.exact[name] = s
	}
	return nil
}

// trustFor takes over the trust of the same domain from the view before when
// its certificates are the same.
func (e *Edge) trustFor(before *view, name string, m *snapshot.Mutual) *trust {
	if old := before.named(name); old != nil && old.trust != nil {
		if old.trust.store == m.Trust || old.trust.fingerprint == trustFingerprint(m.Trust) {
			return old.trust
		}
	}
	return newTrust(m, e.cfg.Limits.VerifiedChains)
}

// named finds a site by the name of its domain, wildcards included.
func (v *view) named(name string) *site {
	if v == nil {
		return nil
	}
	if s := v.exact[name]; s != nil {
		return s
	}
	if parent, ok := wildcardParent(name); ok {
		if s := v.wildcard[parent]; s != nil && s.name == name {
			return s
		}
	}
	return nil
}

// serveAPI prepares an API, once, and reports whether it can be served. From a
// broken one nothing is served, for a route that is left out would have its
// requests fall to another one.
func (e *Edge) serveAPI(v *view, id string, api *snapshot.API) bool {
	if broken, known := v.broken[api]; known {
		return !broken
	}
	err := e.compileAPI(v, api)
	if err != nil {
		v.problem("API "+id, err)
	}
	v.broken[api] = err != nil
	return err == nil
}

func (e *Edge) compileAPI(v *view, api *snapshot.API) error {
	if api == nil {
		return fmt.Errorf("it is nil")
	}
	for _, name := range slices.Sorted(maps.Keys(api.Stages)) {
		stage := api.Stages[name]
		if stage == nil {
			return fmt.Errorf("stage %s is nil", name)
		}
		if err := e.compileStage(v, api, stage); err != nil {
			return fmt.Errorf("stage %s: %w", name, err)
		}
	}
	return nil
}

func (e *Edge) compileStage(v *view, api *snapshot.API, stage *snapshot.Stage) error {
	if stage.Policy != nil {
		if e.cfg.ParseResourcePolicy == nil {
			return fmt.Errorf("its resource policy cannot be evaluated here")
		}
		policy, err := e.cfg.ParseResourcePolicy(stage.Policy)
		if err != nil {
			return fmt.Errorf("its resource policy: %w", err)
		}
		v.policies[stage] = policy
	}
	for i, r := range stage.Routes {
		if err := checkRoute(r, i == len(stage.Routes)-1, api.REST); err != nil {
			return fmt.Errorf("route %d: %w", i, err)
		}
		if r.Authorizer != nil {
			if err := e.compileGuard(v, api, stage, r.Authorizer); err != nil {
				return fmt.Errorf("route %s: authorizer %s: %w", r.Key, r.Authorizer.ID, err)
			}
		}
		if r.Throttle != nil {
			e.compileThrottle(v, api, stage, r)
		}
		in := r.Integration
		if in == nil || in.Type != snapshot.HTTPProxy || v.proxies[in] != nil || r.Unavailable != "" {
			continue
		}
		p, err := e.compileProxy(v, in)
		if err != nil { // find answers 500 where there is no proxy
			v.problem("API "+api.ID, fmt.Errorf("stage %s: route %s: integration %s: %w", stage.Name, r.Key, in.ID, err))
			continue
		}
		v.proxies[in] = p
	}
	return nil
}

// checkCertificate makes sure that a handshake will not fail for want of a key
// or of a parsed leaf.
func checkCertificate(c *tls.Certificate) (*tls.Certificate, error) {
	if c == nil || len(c.Certificate) == 0 {
		return nil, fmt.Errorf("it has no server certificate")
	}
	if c.PrivateKey == nil {
		return nil, fmt.Errorf("its server certificate has no private key")
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("its server certificate: %w", err)
	}
	signer, ok := c.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("its private key, a %T, cannot sign", c.PrivateKey)
	}
	if public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(leaf.PublicKey) {
		return nil, fmt.Errorf("its private key is not that of its server certificate")
	}
	checked := *c
	checked.Leaf = leaf
	checked.PrivateKey = rsasign.Wrap(signer)
	return &checked, nil
}
