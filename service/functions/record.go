package functions

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"countersign/arn"
	"countersign/store"
)

// Kinds of records. A function's record holds all of it, so that every change
// is one write; a queued event is its own, under a key that begins with when it is due.
const (
	kindFunction = "lambda/function" // <account>/<region>/<name>
	kindEvent    = "lambda/event"    // <due, Unix milliseconds in 14 digits>/<id>
)

const latest = "$LATEST"

// A function is what is kept of one.
type function struct {
	Account, Region, Name string

	Latest    version
	Published []version `json:",omitempty"` // oldest first
	Numbered  int       `json:",omitempty"` // highest version number given; never used again
	Aliases   []alias   `json:",omitempty"` // by name
	// Policies holds the statements by qualifier; the empty one is that of the unqualified ARN.
	Policies map[string][]statement `json:",omitempty"`
	Tags     map[string]string      `json:",omitempty"`
	Reserved *int32                 `json:",omitempty"` // reserved concurrency
	Retries  *retries               `json:",omitempty"` // how events are retried

	revision store.Revision // of the record; zero for a new one
}

// A version is code with its configuration: $LATEST, or one that was published and stays.
type version struct {
	Number       string // "$LATEST", "1", …
	Description  string `json:",omitempty"`
	Runtime      string
	Handler      string
	Role         string
	Timeout      int32 // seconds
	Memory       int32 // MB
	Storage      int32 // MB
	Architecture string
	LogGroup     string `json:",omitempty"` // where it is not the default
	Tracing      string `json:",omitempty"` // Active or PassThrough; empty: PassThrough
	// Variables are the environment's. A record has them sealed, in Environment; one that was
	// written before they were sealed has them as they are.
	Variables   map[string]string `json:",omitempty"`
	Environment []byte            `json:",omitempty"`
	Code        code
	Modified    time.Time
	RevisionID  string // changes with every write
	Generation  string // changes with code and configuration: environments belong to one
}

// code is a deployment package.
type code struct {
	SHA256 string // of the zip file, hexadecimal
	Size   int64  // of the zip file
	Blob   store.BlobID
}

func (c code) sum() (sum [32]byte, err error) {
	b, err := hex.DecodeString(c.SHA256)
	if err != nil || len(b) != len(sum) {
		return sum, fmt.Errorf("recorded hash of code %q is broken", c.SHA256)
	}
	return [32]byte(b), nil
}

// base64 is the form that the API shows.
func (c code) base64() string {
	sum, err := c.sum()
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(sum[:])
}

// An alias is a name for a version.
type alias struct {
	Name        string
	Version     string
	Description string `json:",omitempty"`
	RevisionID  string
}

// retries is how an event is tried again.
type retries struct {
	Attempts *int32 `json:",omitempty"` // nil: 2
	MaxAge   *int32 `json:",omitempty"` // seconds; nil: 6 hours
	Modified time.Time
}

func functionKey(account, region, name string) string { return account + "/" + region + "/" + name }

func (f *function) key() string { return functionKey(f.Account, f.Region, f.Name) }

// arn is the function's ARN without a qualifier.
func (f *function) arn() string {
	return arn.New("lambda", f.Region, f.Account, "function:"+f.Name).String()
}

// qualified is its ARN with a qualifier; the empty one leaves it out.
func (f *function) qualified(qualifier string) string {
	if qualifier == "" {
		return f.arn()
	}
	return f.arn() + ":" + qualifier
}

func (f *function) versions() []*version {
	all := []*version{&f.Latest}
	for i := range f.Published {
		all = append(all, &f.Published[i])
	}
	return all
}

func (f *function) alias(name string) *alias {
	for i := range f.Aliases {
		if f.Aliases[i].Name == name {
			return &f.Aliases[i]
		}
	}
	return nil
}

// version finds what a qualifier names: a version or an alias; the empty one is $LATEST. nil if nothing.
func (f *function) version(qualifier string) *version {
	if a := f.alias(qualifier); a != nil {
		qualifier = a.Version
	}
	if qualifier == "" || qualifier == latest {
		return &f.Latest
	}
	for i := range f.Published {
		if f.Published[i].Number == qualifier {
			return &f.Published[i]
		}
	}
	return nil
}

// blobs are those that the function's code needs.
func (f *function) blobs() map[store.BlobID]bool {
	used := make(map[store.BlobID]bool)
	for _, v := range f.versions() {
		used[v.Code.Blob] = true
	}
	return used
}

// decodeFunction reads a function's record without its environment variables.
func decodeFunction(r store.Record) (*function, error) {
	f := &function{revision: r.Revision}
	if err := json.Unmarshal(r.Value, f); err != nil {
		return nil, fmt.Errorf("decode record %s %s: %w", r.Kind, r.Key, err)
	}
	return f, nil
}

// environmentOwner is what sealed environment variables are bound to.
func (f *function) environmentOwner() string { return f.arn() + " environment" }

// encode makes a function's record, with its environment variables sealed.
func (s *Service) encode(f *function) ([]byte, error) {
	out := *f
	out.Published = slices.Clone(f.Published)
	for _, v := range out.versions() {
		v.Environment = nil
		if len(v.Variables) == 0 || s.cfg.Sealer == nil {
			continue
		}
		plain, err := json.Marshal(v.Variables)
		if err != nil {
			return nil, err
		}
		if v.Environment, err = s.cfg.Sealer.Seal(s.rand, plain, f.environmentOwner()); err != nil {
			return nil, err
		}
		v.Variables = nil
	}
	return json.Marshal(&out)
}

// decode reads a function's record and opens its environment variables.
func (s *Service) decode(r store.Record) (*function, error) {
	f, err := decodeFunction(r)
	if err != nil {
		return nil, err
	}
	for _, v := range f.versions() {
		if len(v.Environment) == 0 {
			continue
		}
		if s.cfg.Sealer == nil {
			return nil, fmt.Errorf("the environment variables of %s are sealed, and there is no key to open them", f.arn())
		}
		plain, err := s.cfg.Sealer.Open(v.Environment, f.environmentOwner())
		if err != nil {
			return nil, fmt.Errorf("environment variables: %w", err)
		}
		if err := json.Unmarshal(plain, &v.Variables); err != nil {
			return nil, fmt.Errorf("decode environment variables of %s: %w", f.arn(), err)
		}
		v.Environment = nil
	}
	return f, nil
}

// read gets a function; nil without error if there is none.
func (s *Service) read(ctx context.Context, account, region, name string) (*function, error) {
	r, err := s.store.Get(ctx, kindFunction, functionKey(account, region, name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read function %s: %w", name, err)
	}
	return s.decode(r)
}

// readCached is read for invocations: as long as no function of this store has
// been written the database is not asked. The result is shared and must not be changed.
func (s *Service) readCached(ctx context.Context, account, region, name string) (*function, error) {
	key := functionKey(account, region, name)
	at := s.store.Changed(kindFunction) // before reading: what is read is at least as new
	s.mu.Lock()
	c, ok := s.cache[key]
	s.mu.Unlock()
	if ok && c.at == at {
		return c.fn, nil
	}
	fn, err := s.read(ctx, account, region, name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fn == nil {
		delete(s.cache, key) // names that callers make up must not fill it
		return nil, nil
	}
	s.cache[key] = cached{fn, at}
	return fn, nil
}

// change reads a function, has edit change it, and writes it, again from the
// start if somebody else wrote it meanwhile. On return the change is durable. edit may
// add to the batch, and returns errors for the client.
func (s *Service) change(ctx context.Context, ref reference, edit func(f *function, b *store.Batch) error) (*function, error) {
	for range 10 {
		f, err := s.read(ctx, ref.account, ref.region, ref.name)
		if err != nil {
			return nil, err
		}
		if f == nil {
			return nil, functionNotFound(ref.arn())
		}
		before := f.blobs()
		b := new(store.Batch)
		if err := edit(f, b); err != nil {
			return nil, err
		}
		after := f.blobs()
		for _, id := range slices.Sorted(maps.Keys(before)) {
			if !after[id] {
				b.DropBlob(id)
			}
		}
		value, err := s.encode(f)
		if err != nil {
			return nil, err
		}
		b.Replace(kindFunction, f.key(), value, f.revision)
		_, err = s.store.Commit(ctx, b)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound):
			return nil, fmt.Errorf("write function %s: %w", f.Name, err)
		}
	}
	return nil, conflict("The operation cannot be performed at this time. An update is in progress for resource: %s", ref.arn())
}

// touch notes a write to a version.
func (s *Service) touch(v *version) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	v.RevisionID = id
	v.Modified = s.cfg.Now().UTC()
	return nil
}

// number parses a published version's number; 0 for anything else.
func number(v string) int {
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0
	}
	return n
}
