package gateway

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/edge/snapshot"
)

func (s *Service) compileREST(ctx context.Context, a restAPI) (*snapshot.API, error) {
	out := &snapshot.API{
		REST: true, ID: a.ID, Account: a.Account, Region: a.Region, Name: a.Name, Host: a.host(),
		DisableDefaultEndpoint: a.DisableDefaultEndpoint, Stages: make(map[string]*snapshot.Stage, len(a.Stages)),
	}
	for _, g := range a.Stages {
		d, _, err := load[restDeployment](ctx, s.store, kindRESTDeployment, a.deploymentKey(g.Deployment))
		if err != nil {
			return nil, fmt.Errorf("stage %s: %w", g.Name, err)
		}
		compiled := &snapshot.Stage{Name: g.Name, AuthorizerEpoch: g.CacheResets, Deployment: d.ID, BinaryTypes: d.BinaryTypes, Policy: d.Policy}
		if len(g.Variables) > 0 {
			compiled.Variables = g.Variables
		}
		if compiled.Routes, err = d.routes(&g); err != nil {
			return nil, fmt.Errorf("stage %s: %w", g.Name, err)
		}
		out.Stages[g.Name] = compiled
	}
	return out, nil
}

// routes are the methods of a deployment in the order in which the edge tries them: from left to right
// a literal segment before a variable, then the method itself before ANY. So a request is
// for the first resource of its path that has a method for it.
func (d *restDeployment) routes(g *restStage) ([]*snapshot.Route, error) {
	authorizers := make(map[string]*snapshot.Authorizer, len(d.Authorizers))
	for _, z := range d.Authorizers {
		c, err := z.compile()
		if err != nil {
			return nil, fmt.Errorf("authorizer %s: %w", z.ID, err)
		}
		authorizers[z.ID] = c
	}
	path := paths(d.Resources)
	var routes []*snapshot.Route
	for _, one := range d.Resources {
		for _, m := range one.Methods {
			where := m.Method + " " + path[one.ID]
			method, segments, err := parseRouteKey(where)
			if err != nil {
				return nil, fmt.Errorf("method %s: %w", where, err)
			}
			r := &snapshot.Route{Key: where, Method: method, Segments: segments, ResourceID: one.ID, Operation: m.OperationName, Throttle: g.throttle(path[one.ID], m.Method)}
			if m.Integration == nil {
				r.Unavailable = "the method has no integration"
			} else if r.Integration, err = m.compile(one.ID); err != nil {
				return nil, fmt.Errorf("method %s: %w", where, err)
			}
			if m.Integration != nil && m.Integration.Type == snapshot.AWSProxy && m.Integration.Method != "POST" {
				r.Unavailable = "an AWS_PROXY integration has the HTTP method POST, not " + m.Integration.Method
			}
			if m.Authorization != "" {
				if r.Authorizer = authorizers[m.Authorizer]; r.Authorizer == nil {
					r.Unavailable = "the method's authorizer is missing"
				}
			}
			routes = append(routes, r)
		}
	}
	sortMethods(routes)
	return routes, nil
}

func sortMethods(routes []*snapshot.Route) {
	rank := func(s segment) int {
		switch {
		case s.Greedy:
			return 2
		case s.Param != "":
			return 1
		}
		return 0
	}
	slices.SortStableFunc(routes, func(x, y *snapshot.Route) int {
		for i := range min(len(x.Segments), len(y.Segments)) {
			xs, ys := x.Segments[i], y.Segments[i]
			if c := cmp.Or(cmp.Compare(rank(xs), rank(ys)), cmp.Compare(xs.Literal, ys.Literal), cmp.Compare(xs.Param, ys.Param)); c != 0 {
				return c
			}
		}
		if c := cmp.Compare(len(x.Segments), len(y.Segments)); c != 0 {
			return c
		}
		if xAny, yAny := x.Method == "ANY", y.Method == "ANY"; xAny != yAny {
			if yAny {
				return -1
			}
			return 1
		}
		return cmp.Compare(x.Method, y.Method)
	})
}

// compile makes the integration of a method.
func (m *restMethod) compile(resource string) (*snapshot.Integration, error) {
	i := m.Integration
	out := &snapshot.Integration{ID: resource + "/" + m.Method, Type: i.Type, Timeout: time.Duration(i.Timeout) * time.Millisecond}
	var err error
	if out.Parameters, err = i.parameters(m); err != nil {
		return nil, err
	}
	switch i.Type {
	case snapshot.AWSProxy:
		out.Function, err = restFunction(i.URI)
	case snapshot.HTTPProxy:
		out.URI, out.Method = i.URI, i.Method
	case snapshot.Mock:
		out.Strict = i.Passthrough == "NEVER" || i.Passthrough == "WHEN_NO_TEMPLATES" && len(i.Templates) > 0
		out.Answers, err = m.answers()
	}
	return out, err
}

// mockStatus finds the status in the request template of a MOCK integration, {"statusCode": 200}. Names may stand without quotes.
var mockStatus = regexp.MustCompile(`[{,]\s*["']?statusCode["']?\s*:\s*["']?([1-5][0-9][0-9])["']?\s*[,}]`)

// answers are what a MOCK integration says to a request of each content type.
func (m *restMethod) answers() (map[string]*snapshot.MockAnswer, error) {
	all := map[string]*snapshot.MockAnswer{}
	for contentType, template := range m.Integration.Templates {
		answer := &snapshot.MockAnswer{}
		if found := mockStatus.FindStringSubmatch(template); found != nil {
			chosen, err := m.Integration.choose(found[1])
			if err != nil {
				return nil, err
			}
			// AWS answers 500 too where the method does not declare the status.
			if chosen != nil && m.response(chosen.Status) != nil {
				if answer, err = chosen.answer(); err != nil {
					return nil, err
				}
			}
		}
		all[strings.ToLower(contentType)] = answer
	}
	return all, nil
}

// choose finds the response for a status: the first whose pattern fits, else the default; nil: none.
func (i *restIntegration) choose(status string) (*restIntegrationResponse, error) {
	var otherwise *restIntegrationResponse
	for n := range i.Responses {
		p := &i.Responses[n]
		pattern, err := p.selection()
		switch {
		case err != nil:
			return nil, err
		case pattern == nil && otherwise == nil:
			otherwise = p
		case pattern != nil && pattern.MatchString(status):
			return p, nil
		}
	}
	return otherwise, nil
}

func (p *restIntegrationResponse) answer() (*snapshot.MockAnswer, error) {
	status, err := strconv.Atoi(p.Status)
	if err != nil || status < 200 {
		return &snapshot.MockAnswer{}, nil // an informational status would not end the exchange
	}
	out := &snapshot.MockAnswer{Status: status, Bodies: p.Templates}
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		text, err := quoted(p.Parameters[name])
		if err != nil {
			return nil, err
		}
		if out.Header == nil {
			out.Header = map[string]string{}
		}
		out.Header[strings.TrimPrefix(name, "method.response.header.")] = text
	}
	return out, nil
}
