package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/arn"
	"countersign/store"
)

// Kinds of records.
//
//	kindSecret     <account>/<region>/<name>
//	kindValue      <account>/<region>/<name>-<suffix>:<version id>          the sealed value of a version
//	KindDeletion   <due, Unix milliseconds in 15 digits>/<key of the secret>  empty; a secret that is to go
//	kindParameter  <account>/<region>/<name, with a slash in front>         with its newest version
//	kindHistory    <account>/<region>/<name>:<version in 10 digits>         a former version
const (
	kindSecret    = "secretsmanager/secret"
	kindValue     = "secretsmanager/value"
	KindDeletion  = "secretsmanager/deletion"
	kindParameter = "ssm/parameter"
	kindHistory   = "ssm/history"
)

// A secret is what is kept of one, without its values.
type secret struct {
	Account, Region, Name string
	// Suffix is the six random characters at the end of the ARN. By them a secret
	// differs from a former one of the same name.
	Suffix      string
	Token       string // of the CreateSecret that made it
	Description string `json:",omitempty"`
	KMSKey      string `json:",omitempty"` // a label; empty: the service's own
	Created     time.Time
	Changed     time.Time
	Accessed    time.Time         `json:",omitzero"` // the day
	Deletion    time.Time         `json:",omitzero"` // when it goes; zero: it stays
	Tags        map[string]string `json:",omitempty"`
	Policy      string            `json:",omitempty"`
	Versions    []version         `json:",omitempty"` // oldest first

	revision store.Revision
}

// A version is one value of a secret, without the value.
type version struct {
	ID       string
	Stages   []string `json:",omitempty"` // sorted; none: deprecated
	KMSKey   string   `json:",omitempty"`
	Created  time.Time
	Accessed time.Time `json:",omitzero"` // the day
}

// A secretValue is what a version holds: one of the two.
type secretValue struct {
	String *string `json:",omitempty"`
	Binary []byte  `json:",omitempty"`
}

func (v secretValue) equal(w secretValue) bool {
	if v.String == nil || w.String == nil {
		return v.String == w.String && string(v.Binary) == string(w.Binary)
	}
	return *v.String == *w.String
}

func (x *secret) key() string { return x.Account + "/" + x.Region + "/" + x.Name }

func (x *secret) arn() string {
	return arn.New("secretsmanager", x.Region, x.Account, "secret:"+x.Name+"-"+x.Suffix).String()
}

// valueKey is the key of a version's value. No name holds a colon.
func (x *secret) valueKey(version string) string { return x.key() + "-" + x.Suffix + ":" + version }

func (x *secret) valueOwner(version string) string { return x.arn() + " version " + version }

// deletionKey is the key of the record that has the secret deleted when its time has come.
func (x *secret) deletionKey() string {
	return fmt.Sprintf("%015d/%s", x.Deletion.UnixMilli(), x.key())
}

// parseDeletion takes a deletionKey apart.
func parseDeletion(record string) (due time.Time, key string, err error) {
	ms, key, ok := strings.Cut(record, "/")
	n, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil {
		return due, "", fmt.Errorf("the record %s %q is damaged", KindDeletion, record)
	}
	return time.UnixMilli(n), key, nil
}

// version finds a version by id; nil if there is none.
func (x *secret) version(id string) *version {
	for i := range x.Versions {
		if x.Versions[i].ID == id {
			return &x.Versions[i]
		}
	}
	return nil
}

// staged finds the version that a staging label is attached to; nil if there is none.
func (x *secret) staged(stage string) *version {
	for i := range x.Versions {
		if slices.Contains(x.Versions[i].Stages, stage) {
			return &x.Versions[i]
		}
	}
	return nil
}

// A parameter is what is kept of one: its newest version and what all versions share.
type parameter struct {
	Account, Region string
	Name            string            // as it was created; names at the top may lack the slash
	Tags            map[string]string `json:",omitempty"`
	Labels          map[string]int64  `json:",omitempty"` // version by label
	First           int64             // the oldest version that is kept
	Newest          parameterVersion

	revision store.Revision
}

// A parameterVersion is one version of a parameter.
type parameterVersion struct {
	Version        int64
	Type           string
	Sealed         []byte // the value
	Description    string `json:",omitempty"`
	AllowedPattern string `json:",omitempty"`
	KeyID          string `json:",omitempty"` // a label; of SecureString alone
	Tier           string // Standard or Advanced
	Modified       time.Time
	User           string // ARN of the principal
}

func (p *parameter) key() string { return p.Account + "/" + p.Region + "/" + rooted(p.Name) }

func (p *parameter) historyKey(version int64) string {
	return fmt.Sprintf("%s:%010d", p.key(), version)
}

func (p *parameter) arn() string { return parameterARN(p.Account, p.Region, p.Name) }

func (p *parameter) valueOwner(version int64) string {
	return fmt.Sprintf("%s version %d", p.arn(), version)
}

func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a record: %w", err)
	}
	return b, nil
}

func decodeSecret(r store.Record) (*secret, error) {
	x := &secret{revision: r.Revision}
	if err := json.Unmarshal(r.Value, x); err != nil {
		return nil, fmt.Errorf("decode record %s %s: %w", r.Kind, r.Key, err)
	}
	return x, nil
}

func decodeParameter(r store.Record) (*parameter, error) {
	p := &parameter{revision: r.Revision}
	if err := json.Unmarshal(r.Value, p); err != nil {
		return nil, fmt.Errorf("decode record %s %s: %w", r.Kind, r.Key, err)
	}
	return p, nil
}

// readSecret gets the secret under a key; nil without error if there is none.
func (s *Service) readSecret(ctx context.Context, key string) (*secret, error) {
	r, err := s.store.Get(ctx, kindSecret, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", key, err)
	}
	return decodeSecret(r)
}

// readParameter gets the parameter under a key; nil without error if there is none.
func (s *Service) readParameter(ctx context.Context, key string) (*parameter, error) {
	r, err := s.store.Get(ctx, kindParameter, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read parameter %s: %w", key, err)
	}
	return decodeParameter(r)
}

// putValue adds the sealed value of a version to the batch.
func (s *Service) putValue(b *store.Batch, x *secret, version string, v secretValue) error {
	plain, err := encode(v)
	if err != nil {
		return err
	}
	defer clear(plain)
	sealed, err := s.sealer.Seal(s.rand, plain, x.valueOwner(version))
	if err != nil {
		return err
	}
	b.Create(kindValue, x.valueKey(version), sealed)
	return nil
}

// value opens the value of a version. ErrNotFound of the store means that the
// version has gone since x was read.
func (s *Service) value(ctx context.Context, x *secret, version string) (v secretValue, err error) {
	r, err := s.store.Get(ctx, kindValue, x.valueKey(version))
	if err != nil {
		return v, fmt.Errorf("read a value of %s: %w", x.arn(), err)
	}
	plain, err := s.sealer.Open(r.Value, x.valueOwner(version))
	if err != nil {
		return v, err
	}
	defer clear(plain)
	if err := json.Unmarshal(plain, &v); err != nil {
		return v, fmt.Errorf("decode a value of %s: the record is damaged", x.arn()) // the error would repeat some of it
	}
	return v, nil
}

// parameterValue opens the value of a version.
func (s *Service) parameterValue(p *parameter, v *parameterVersion) (string, error) {
	plain, err := s.sealer.Open(v.Sealed, p.valueOwner(v.Version))
	return string(plain), err
}
