package zones

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/call"
	"countersign/store"
)

// Kinds of record. A write of KindZone or KindRecordSet calls for a new snapshot.
//
//	KindZone       <account>/<zone id>
//	KindRecordSet  <zone id>/<labels from the right, each ended by NUL>NUL<type>
//	kindApex       <zone name>            value: <account>/<zone id>; keeps a name from being served twice
//	kindReference  <account>/<caller reference>
//	kindChange     <account>/<change id>  kept for a day
const (
	KindZone      = "route53/zone"
	KindRecordSet = "route53/recordset"
	kindApex      = "route53/apex"
	kindReference = "route53/reference"
	kindChange    = "route53/change"
)

type zone struct {
	ID, Account string
	Name        name
	Reference   string
	Comment     string `json:",omitempty"`
	Created     time.Time
	Sets        int64 // record sets, SOA and NS among them
	Tags        map[string]string
}

type recordSet struct {
	Name   name
	Type   string
	TTL    uint32   `json:",omitempty"`
	Values []string `json:",omitempty"` // as given
	Alias  *alias   `json:",omitempty"`
}

type alias struct {
	Name                 name
	Zone                 string
	EvaluateTargetHealth bool
}

type change struct {
	ID        string
	Comment   string `json:",omitempty"`
	Submitted time.Time
}

func account(ctx context.Context) string { return call.From(ctx).Account }

func setKey(zone string, n name, kind string) string {
	return zone + "/" + n.sortKey() + "\x00" + kind
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("zones: a record cannot be encoded: %v", err)) // the types above always can
	}
	return b
}

func decode[T any](r store.Record) (T, error) {
	var v T
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return v, fmt.Errorf("decode %s %q: %w", r.Kind, r.Key, err)
	}
	return v, nil
}

// bareID takes the prefix off that answers carry: "/hostedzone/Z…", "/change/C…".
func bareID(id, noun string) string {
	id = strings.TrimPrefix(id, "/")
	return strings.TrimPrefix(id, noun+"/")
}

func (s *Service) getZone(ctx context.Context, id string) (zone, store.Revision, error) {
	id = bareID(id, "hostedzone")
	r, err := s.store.Get(ctx, KindZone, account(ctx)+"/"+id)
	if errors.Is(err, store.ErrNotFound) {
		return zone{}, 0, noSuchZone(id)
	}
	if err != nil {
		return zone{}, 0, err
	}
	z, err := decode[zone](r)
	return z, r.Revision, err
}

// attempts bounds how often an edit starts again because somebody else wrote first.
const attempts = 16

// editZone changes one zone. edit may add writes to the batch and is run again
// when another writer was faster, so that every batch sees the zone whole.
func (s *Service) editZone(ctx context.Context, id string, edit func(z *zone, b *store.Batch) error) (zone, error) {
	for range attempts {
		z, revision, err := s.getZone(ctx, id)
		if err != nil {
			return zone{}, err
		}
		b := new(store.Batch)
		if err := edit(&z, b); err != nil {
			return zone{}, err
		}
		b.Replace(KindZone, z.Account+"/"+z.ID, encode(z), revision)
		if _, err = s.store.Commit(ctx, b); err == nil {
			return z, nil
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return zone{}, fmt.Errorf("write hosted zone %s: %w", z.ID, err)
		}
	}
	return zone{}, busy(id)
}
