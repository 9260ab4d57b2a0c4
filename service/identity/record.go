package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"countersign/arn"
	"countersign/call"
	"countersign/store"
)

// Kinds of record. IAM is one for all Regions, and names are unique in an account
// whatever their case.
//
//	KindRole    <account>/<name, lower case>
//	KindPolicy  <account>/<name, lower case>
const (
	KindRole   = "iam/role"
	KindPolicy = "iam/policy"
)

type role struct {
	Account, Name, Path, ID string
	Description             string `json:",omitempty"`
	Trust                   string // as given
	// Trusted are the roles of this account that Trust names, and their ids when it did. A
	// role that is made anew under the same name is another one, and not trusted.
	Trusted    map[string]string `json:",omitempty"`
	MaxSession int32             // seconds
	Boundary   string            `json:",omitempty"` // ARN
	Inline     map[string]string `json:",omitempty"` // documents by policy name
	Attached   []string          `json:",omitempty"` // ARNs of managed policies
	Tags       []tag             `json:",omitempty"`
	Created    time.Time
}

// A managedPolicy is one of the account's own; AWS's are in awspolicies.go.
type managedPolicy struct {
	Account, Name, Path, ID string
	Description             string          `json:",omitempty"`
	Versions                []policyVersion // oldest first
	Default                 string          // id of the version in force
	Last                    int             // number of the newest version that there ever was
	Attached, Bounds        int             // roles that it is attached to, and whose boundary it is
	Tags                    []tag           `json:",omitempty"`
	Created, Updated        time.Time
}

type policyVersion struct {
	ID       string // "v1"
	Document string
	Created  time.Time
}

type tag struct{ Key, Value string }

func (r *role) arn() string {
	return arn.New("iam", "", r.Account, "role"+r.Path+r.Name).String()
}

func (p *managedPolicy) arn() string {
	return arn.New("iam", "", p.Account, "policy"+p.Path+p.Name).String()
}

// version finds a version; nil if there is none.
func (p *managedPolicy) version(id string) *policyVersion {
	for i := range p.Versions {
		if p.Versions[i].ID == id {
			return &p.Versions[i]
		}
	}
	return nil
}

func account(ctx context.Context) string { return call.From(ctx).Account }

func nameKey(account, name string) string { return account + "/" + strings.ToLower(name) }

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("identity: a record cannot be encoded: %v", err)) // the types above always can
	}
	return b
}

func decode[T any](r store.Record) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(r.Value, v); err != nil {
		return nil, fmt.Errorf("decode %s %q: %w", r.Kind, r.Key, err)
	}
	return v, nil
}

// role reads the role of a name; names are told apart by case here, though no two differ by it alone.
func (s *Service) role(ctx context.Context, account, name string) (*role, store.Revision, error) {
	rec, err := s.store.Get(ctx, KindRole, nameKey(account, name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, noSuchRole(name)
	}
	if err != nil {
		return nil, 0, err
	}
	r, err := decode[role](rec)
	if err != nil {
		return nil, 0, err
	}
	if r.Name != name {
		return nil, 0, noSuchRole(name)
	}
	return r, rec.Revision, nil
}

// existing reads the entity of a name, in any case; nil if there is none.
func existing[T any](ctx context.Context, s *Service, kind, name string) (*T, error) {
	rec, err := s.store.Get(ctx, kind, nameKey(account(ctx), name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decode[T](rec)
}

// policy reads one of the account's own policies by its ARN. The error is missing's
// when there is none.
func (s *Service) policy(ctx context.Context, policyARN string, missing func(arn string) error) (*managedPolicy, store.Revision, error) {
	a, err := arn.Parse(policyARN)
	path, isPolicy := strings.CutPrefix(a.Resource, "policy/")
	if err != nil || a.Service != "iam" || !isPolicy {
		return nil, 0, invalidInput("ARN %s is not valid.", policyARN)
	}
	rec, err := s.store.Get(ctx, KindPolicy, nameKey(account(ctx), path[strings.LastIndexByte(path, '/')+1:]))
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, missing(policyARN)
	}
	if err != nil {
		return nil, 0, err
	}
	p, err := decode[managedPolicy](rec)
	if err != nil {
		return nil, 0, err
	}
	if p.arn() != policyARN {
		return nil, 0, missing(policyARN)
	}
	return p, rec.Revision, nil
}

// attempts bounds how often a change starts again because somebody else wrote first.
const attempts = 16

// commit runs change, which reads what it needs and says what to write, until no
// other writer was faster. Durable on return.
func (s *Service) commit(ctx context.Context, change func() (*store.Batch, error)) error {
	for range attempts {
		b, err := change()
		if err != nil {
			return err
		}
		_, err = s.store.Commit(ctx, b)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrExists):
		default:
			return fmt.Errorf("write an entity of IAM: %w", err)
		}
	}
	return busy()
}

// editRole changes one role. edit may add writes to the batch; it runs again when
// another writer was faster.
func (s *Service) editRole(ctx context.Context, name string, edit func(r *role, b *store.Batch) error) (*role, error) {
	var edited *role
	err := s.commit(ctx, func() (*store.Batch, error) {
		r, revision, err := s.role(ctx, account(ctx), name)
		if err != nil {
			return nil, err
		}
		b := new(store.Batch)
		if err := edit(r, b); err != nil {
			return nil, err
		}
		edited = r
		return b.Replace(KindRole, nameKey(r.Account, r.Name), encode(r), revision), nil
	})
	return edited, err
}

// editPolicy changes one of the account's own policies, likewise.
func (s *Service) editPolicy(ctx context.Context, policyARN string, edit func(p *managedPolicy) error) (*managedPolicy, error) {
	if isAWS(policyARN) {
		return nil, outside()
	}
	var edited *managedPolicy
	err := s.commit(ctx, func() (*store.Batch, error) {
		p, revision, err := s.policy(ctx, policyARN, noSuchPolicy)
		if err != nil {
			return nil, err
		}
		if err := edit(p); err != nil {
			return nil, err
		}
		edited = p
		return new(store.Batch).Replace(KindPolicy, nameKey(p.Account, p.Name), encode(p), revision), nil
	})
	return edited, err
}

// outside is the answer to changes of AWS's own policies.
func outside() error { return accessDenied("Policy is outside your own account.") }

// list reads all records of a kind in the caller's account, in the order of their names.
func list[T any](ctx context.Context, s *Service, kind string) ([]*T, error) {
	records, err := s.store.List(ctx, kind, account(ctx)+"/", "", 0)
	if err != nil {
		return nil, err
	}
	all := make([]*T, len(records))
	for i, r := range records {
		if all[i], err = decode[T](r); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// newID makes a unique id: four letters that say of what, and 17 more. For a change of a stack it
// follows from the change's token: so an attempt that was cut off is known by the next one.
func (s *Service) newID(ctx context.Context, prefix string) (string, error) {
	if token, ok := ctx.Value(makingKey{}).(string); ok {
		return madeID(prefix, token), nil
	}
	raw := make([]byte, 11)
	if _, err := io.ReadFull(s.rand, raw); err != nil {
		return "", fmt.Errorf("read randomness for an id: %w", err)
	}
	return prefix + base32.StdEncoding.EncodeToString(raw)[:17], nil
}

type makingKey struct{}

// making is a context for what a change of a stack makes.
func making(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, makingKey{}, token)
}

// madeID is the id of what a change makes.
func madeID(prefix, token string) string {
	sum := sha256.Sum256([]byte(prefix + token))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
}
