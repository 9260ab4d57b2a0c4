package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"countersign/store"
)

// Kinds of record of REST APIs. A write of KindREST calls for a new snapshot.
//
//	KindREST            <account>/<region>/<api id>                    a REST API with its resources, methods, authorizers and stages
//	kindRESTDeployment  <account>/<region>/<api id>/<deployment id>    what a deployment froze
//	kindAccount         <account>/<region>                             settings of the account
//
// Domain names and their mappings are those of HTTP APIs (KindDomain).
const (
	KindREST           = "apigateway/restapi"
	kindRESTDeployment = "apigateway/restdeployment"
	kindAccount        = "apigateway/account"
)

type restAPI struct {
	ID, Account, Region    string
	Name                   string
	Description, Version   string `json:",omitempty"`
	DisableDefaultEndpoint bool   `json:",omitempty"`
	EndpointType           string // REGIONAL or EDGE, which is served like the former
	IPAddressType          string
	BinaryTypes            []string        `json:",omitempty"`
	Policy                 json.RawMessage `json:",omitempty"` // resource policy with whole ARNs
	Created                time.Time
	Tags                   map[string]string `json:",omitempty"`
	Resources              []restResource    // the root first
	Authorizers            []restAuthorizer  `json:",omitempty"`
	Stages                 []restStage       `json:",omitempty"`
}

type restResource struct {
	ID      string
	Parent  string       `json:",omitempty"` // id; "": the root
	Part    string       `json:",omitempty"` // of the path
	Methods []restMethod `json:",omitempty"` // by name
}

type restMethod struct {
	Method        string
	Authorization string               `json:",omitempty"` // CUSTOM; "" is NONE
	Authorizer    string               `json:",omitempty"` // id
	OperationName string               `json:",omitempty"`
	Parameters    map[string]bool      `json:",omitempty"` // "method.request.path.id" → required, which only a request validator would look at
	Models        map[string]string    `json:",omitempty"` // content type → model
	Responses     []restMethodResponse `json:",omitempty"` // by status
	Integration   *restIntegration     `json:",omitempty"`
	Made          string               `json:",omitempty"` // the change of a stack that made it
}

type restMethodResponse struct {
	Status     string
	Models     map[string]string `json:",omitempty"`
	Parameters map[string]bool   `json:",omitempty"` // "method.response.header.X"
}

type restIntegration struct {
	Type            string // AWS_PROXY, HTTP_PROXY or MOCK
	URI             string `json:",omitempty"`
	Method          string `json:",omitempty"`
	Timeout         int32  // milliseconds
	Passthrough     string
	ContentHandling string                    `json:",omitempty"`
	CacheNamespace  string                    `json:",omitempty"`
	CacheKeys       []string                  `json:",omitempty"`
	Parameters      map[string]string         `json:",omitempty"` // "integration.request.header.X" → expression
	Templates       map[string]string         `json:",omitempty"` // content type → template
	Responses       []restIntegrationResponse `json:",omitempty"` // by status
}

type restIntegrationResponse struct {
	Status          string
	Pattern         *string           `json:",omitempty"` // nil or "": the default
	ContentHandling string            `json:",omitempty"`
	Parameters      map[string]string `json:",omitempty"` // "method.response.header.X" → expression
	Templates       map[string]string `json:",omitempty"`
}

type restAuthorizer struct {
	ID         string
	Name       string
	Type       string // TOKEN or REQUEST
	URI        string // of the function, as given
	Source     string // as given: "method.request.header.Authorization"; of a REQUEST authorizer several with commas
	Validation string `json:",omitempty"` // what the token of a TOKEN authorizer must look like
	TTL        int32  // seconds
	AuthType   string `json:",omitempty"`
}

type restStage struct {
	Name             string
	Deployment       string            // id
	Before           string            `json:",omitempty"` // the deployment that CreateDeployment took the stage from
	Description      string            `json:",omitempty"`
	Variables        map[string]string `json:",omitempty"`
	Tags             map[string]string `json:",omitempty"`
	Settings         []methodSettings  `json:",omitempty"` // by key
	Created, Updated time.Time
	CacheResets      uint64 `json:",omitempty"` // of what authorizers answered
	Made             string `json:",omitempty"` // the change of a stack that made it
}

// restDeployment is what a stage serves.
type restDeployment struct {
	ID          string
	Description string `json:",omitempty"`
	Created     time.Time
	Resources   []restResource
	Authorizers []restAuthorizer `json:",omitempty"`
	BinaryTypes []string         `json:",omitempty"`
	Policy      json.RawMessage  `json:",omitempty"`
}

func (a restAPI) key() string { return apiKey(a.Account, a.Region, a.ID) }

func (a restAPI) deploymentKey(id string) string { return a.key() + "/" + id }

// getREST reads a REST API of the caller's account and Region.
func (s *Service) getREST(ctx context.Context, id string) (restAPI, store.Revision, error) {
	account, region := scope(ctx)
	a, revision, err := load[restAPI](ctx, s.store, KindREST, apiKey(account, region, id))
	if errors.Is(err, store.ErrNotFound) {
		return restAPI{}, 0, notFound("API", account+":"+id)
	}
	return a, revision, err
}

// editREST changes one REST API.
func (s *Service) editREST(ctx context.Context, id string, edit func(a *restAPI, b *store.Batch) error) (restAPI, error) {
	get := func() (restAPI, string, store.Revision, error) {
		a, revision, err := s.getREST(ctx, id)
		return a, a.key(), revision, err
	}
	return editRecord(ctx, s, KindREST, id, "REST API "+id, get, edit)
}

// root is the resource that the tree grows from.
func (a *restAPI) root() string { return a.Resources[0].ID }

func (a *restAPI) resource(id string) (*restResource, error) {
	n := slices.IndexFunc(a.Resources, func(r restResource) bool { return r.ID == id })
	if n < 0 {
		return nil, invalid("Resource identifier")
	}
	return &a.Resources[n], nil
}

// children are the resources right below one.
func (a *restAPI) children(id string) []*restResource {
	var all []*restResource
	for n := range a.Resources {
		if a.Resources[n].Parent == id {
			all = append(all, &a.Resources[n])
		}
	}
	return all
}

// paths are the whole paths of all resources by id.
func paths(resources []restResource) map[string]string {
	parts := make(map[string]restResource, len(resources))
	for _, r := range resources {
		parts[r.ID] = r
	}
	all := make(map[string]string, len(resources))
	var path func(id string) string
	path = func(id string) string {
		if p, known := all[id]; known {
			return p
		}
		p := "/"
		if r := parts[id]; r.Parent != "" {
			p = strings.TrimSuffix(path(r.Parent), "/") + "/" + r.Part
		}
		all[id] = p
		return p
	}
	for _, r := range resources {
		path(r.ID)
	}
	return all
}

// method finds a method of a resource.
func (a *restAPI) method(resource, method string) (*restMethod, error) {
	r, err := a.resource(resource)
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(r.Methods, func(m restMethod) bool { return m.Method == method })
	if n < 0 {
		return nil, invalid("Method identifier")
	}
	return &r.Methods[n], nil
}

// integration finds the integration of a method.
func (a *restAPI) integration(resource, method string) (*restMethod, *restIntegration, error) {
	m, err := a.method(resource, method)
	if err != nil {
		return nil, nil, err
	}
	if m.Integration == nil {
		return nil, nil, invalid("Integration identifier")
	}
	return m, m.Integration, nil
}

func (a *restAPI) authorizer(id string) (*restAuthorizer, error) {
	n := slices.IndexFunc(a.Authorizers, func(z restAuthorizer) bool { return z.ID == id })
	if n < 0 {
		return nil, invalid("Authorizer identifier")
	}
	return &a.Authorizers[n], nil
}

func (a *restAPI) stage(name string) (*restStage, error) {
	n := slices.IndexFunc(a.Stages, func(g restStage) bool { return g.Name == name })
	if n < 0 {
		return nil, invalid("stage identifier")
	}
	return &a.Stages[n], nil
}

// putMethod adds a method in its place.
func (r *restResource) putMethod(m restMethod) {
	n, _ := slices.BinarySearchFunc(r.Methods, m.Method, func(m restMethod, name string) int { return cmp.Compare(m.Method, name) })
	r.Methods = slices.Insert(r.Methods, n, m)
}
