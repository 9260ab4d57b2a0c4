package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"countersign/call"
	"countersign/store"
)

// Kinds of record. A write of KindAPI or KindDomain calls for a new snapshot.
//
//	KindAPI         <account>/<region>/<api id>                    an API with its routes, integrations, authorizers and stages
//	kindDeployment  <account>/<region>/<api id>/<deployment id>    what a deployment froze
//	KindDomain      <domain name>                                  a domain name with its mappings
//	kindTrust       <domain name>/<SHA-256>                        the trust store's bytes as they were read
//
// Everything that an API consists of stands in one record, so that a change and
// the automatic deployment that follows from it are one write. Domain names are
// unique on the installation, over all accounts and Regions, because a client
// reaches them by name alone.
const (
	KindAPI        = "apigateway/api"
	KindDomain     = "apigateway/domain"
	kindDeployment = "apigateway/deployment"
	kindTrust      = "apigateway/truststore"
)

type api struct {
	ID, Account, Region    string
	Name                   string
	Description, Version   string `json:",omitempty"`
	DisableDefaultEndpoint bool   `json:",omitempty"`
	IPAddressType          string
	Created                time.Time
	Tags                   map[string]string `json:",omitempty"`
	Imported               []string          `json:",omitempty"` // keys of those Tags that the last import's document gave
	CORS                   *cors             `json:",omitempty"`
	Authorizers            []authorizer      `json:",omitempty"`
	Integrations           []integration
	Routes                 []route
	Stages                 []stage
}

type integration struct {
	ID          string
	Managed     bool   `json:",omitempty"` // made by quick create
	Type        string // HTTP_PROXY or AWS_PROXY
	URI         string // as given
	Method      string `json:",omitempty"`
	Payload     string
	Timeout     int32  // milliseconds
	Description string `json:",omitempty"`
}

type route struct {
	ID            string
	Managed       bool `json:",omitempty"`
	Key           string
	Integration   string   `json:",omitempty"` // id
	OperationName string   `json:",omitempty"`
	Authorization string   `json:",omitempty"` // CUSTOM or JWT; "" is NONE
	Authorizer    string   `json:",omitempty"` // id
	Scopes        []string `json:",omitempty"`
}

type stage struct {
	Name              string
	Managed           bool   `json:",omitempty"`
	Description       string `json:",omitempty"`
	AutoDeploy        bool   `json:",omitempty"`
	Deployment        string `json:",omitempty"` // id; empty: nothing is deployed
	DeploymentMessage string `json:",omitempty"`
	Variables         map[string]string
	Tags              map[string]string `json:",omitempty"`
	Created, Updated  time.Time
	CacheResets       uint64 `json:",omitempty"` // of what authorizers answered
	Made              string `json:",omitempty"` // the change of a stack that made it

	Defaults *routeSettings           `json:",omitempty"`
	Settings map[string]routeSettings `json:",omitempty"` // by route key
}

// routeSettings hold routes to a rate.
type routeSettings struct {
	Burst *int32   `json:",omitempty"`
	Rate  *float64 `json:",omitempty"` // requests per second
}

type deployment struct {
	ID           string
	Description  string `json:",omitempty"`
	Automatic    bool   `json:",omitempty"`
	Created      time.Time
	Routes       []route
	Integrations []integration
	Authorizers  []authorizer `json:",omitempty"`
	CORS         *cors        `json:",omitempty"`
}

type authorizer struct {
	ID       string
	Name     string
	Type     string   // REQUEST or JWT
	Sources  []string `json:",omitempty"` // as given
	URI      string   `json:",omitempty"` // REQUEST: of the function, as given
	Payload  string   `json:",omitempty"`
	Simple   bool     `json:",omitempty"`
	TTL      int32    `json:",omitempty"` // seconds
	Issuer   string   `json:",omitempty"` // JWT
	Audience []string `json:",omitempty"`
}

// cors is never changed once it is part of a record, because deployments share it.
type cors struct {
	Origins     []string `json:",omitempty"`
	Methods     []string `json:",omitempty"`
	Headers     []string `json:",omitempty"`
	Expose      []string `json:",omitempty"`
	Credentials bool     `json:",omitempty"`
	MaxAge      *int32   `json:",omitempty"`
}

type domain struct {
	Name, Account, Region string
	Certificate           string // ARN
	Ownership             string `json:",omitempty"` // ARN of the ownership verification certificate
	IPAddressType         string
	GatewayName           string // d-<10>.execute-api.<region>.amazonaws.com
	Created               time.Time
	Tags                  map[string]string `json:",omitempty"`
	Made                  string            `json:",omitempty"` // the change of a stack that made it
	Mutual                *mutual           `json:",omitempty"`
	Mappings              []mapping
}

type mutual struct {
	URI          string
	Version      string // as read; "null" or "" where the bucket keeps no versions
	VersionGiven bool   // the caller chose the version
	SHA256       string // of the bytes, kept under kindTrust
	Warnings     []string
}

type mapping struct {
	ID, API, Stage, Key string
}

func apiKey(account, region, id string) string { return account + "/" + region + "/" + id }

func scope(ctx context.Context) (account, region string) {
	c := call.From(ctx)
	return c.Account, c.Region
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("gateway: a record cannot be encoded: %v", err)) // the types above always can
	}
	return b
}

func decode[T any](r store.Record) (T, error) {
	var v T
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return v, fmt.Errorf("decode %s %s: %w", r.Kind, r.Key, err)
	}
	return v, nil
}

func load[T any](ctx context.Context, s store.Store, kind, key string) (T, store.Revision, error) {
	r, err := s.Get(ctx, kind, key)
	if err != nil {
		var none T
		return none, 0, err
	}
	v, err := decode[T](r)
	return v, r.Revision, err
}

// getAPI reads an API of the caller's account and Region.
func (s *Service) getAPI(ctx context.Context, id string) (api, store.Revision, error) {
	account, region := scope(ctx)
	a, revision, err := load[api](ctx, s.store, KindAPI, apiKey(account, region, id))
	if errors.Is(err, store.ErrNotFound) {
		return api{}, 0, notFound("API", id)
	}
	return a, revision, err
}

// attempts bounds how often an edit starts again because somebody else wrote first.
const attempts = 16

// editLocks let edits of the same record wait for one another instead of starting again:
// a stack makes dozens of routes at once. Other nodes, which know nothing of them, are what attempts are for.
type editLocks [64]sync.Mutex

func (l *editLocks) of(key string) *sync.Mutex {
	h := fnv.New32a()
	h.Write([]byte(key))
	return &l[h.Sum32()%uint32(len(l))]
}

// editRecord changes one record under its lock: get reads it, edit works on the value and may add writes of its
// own to the batch. It starts again when somebody else wrote first. An edit that changes nothing writes nothing.
func editRecord[T any](ctx context.Context, s *Service, kind, lock, what string, get func() (T, string, store.Revision, error), edit func(v *T, b *store.Batch) error) (T, error) {
	var none T
	mu := s.edits.of(lock)
	mu.Lock()
	defer mu.Unlock()
	for range attempts {
		v, key, revision, err := get()
		if err != nil {
			return none, err
		}
		before, b := encode(v), new(store.Batch)
		if err := edit(&v, b); err != nil {
			return none, err
		}
		after := encode(v)
		if len(b.Ops) == 0 && bytes.Equal(after, before) {
			return v, nil
		}
		b.Replace(kind, key, after, revision)
		if _, err = s.store.Commit(ctx, b); err == nil {
			return v, nil
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return none, fmt.Errorf("write %s: %w", what, err)
		}
	}
	return none, conflict("%s is being changed by others; try again", what)
}

// editAPI changes one API. When deploys is true every auto-deploy stage gets a new deployment
// in the same commit.
func (s *Service) editAPI(ctx context.Context, id string, deploys bool, edit func(a *api, b *store.Batch) error) (api, error) {
	get := func() (api, string, store.Revision, error) {
		a, revision, err := s.getAPI(ctx, id)
		return a, apiKey(a.Account, a.Region, a.ID), revision, err
	}
	return editRecord(ctx, s, KindAPI, id, "API "+id, get, func(a *api, b *store.Batch) error {
		if err := edit(a, b); err != nil || !deploys {
			return err
		}
		return s.autoDeploy(ctx, a, b)
	})
}

// getDomain reads a domain name of the caller's account and Region.
func (s *Service) getDomain(ctx context.Context, name string) (domain, store.Revision, error) {
	account, region := scope(ctx)
	d, revision, err := load[domain](ctx, s.store, KindDomain, strings.ToLower(name))
	if errors.Is(err, store.ErrNotFound) || err == nil && (d.Account != account || d.Region != region) {
		return domain{}, 0, notFound("domain name", name)
	}
	return d, revision, err
}

// editDomain changes one domain name.
func (s *Service) editDomain(ctx context.Context, name string, edit func(d *domain, b *store.Batch) error) (domain, error) {
	get := func() (domain, string, store.Revision, error) {
		d, revision, err := s.getDomain(ctx, name)
		return d, d.Name, revision, err
	}
	return editRecord(ctx, s, KindDomain, strings.ToLower(name), "domain name "+name, get, edit)
}
