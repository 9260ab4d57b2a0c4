package authority

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/google/uuid"

	"countersign/arn"
	"countersign/call"
	"countersign/keys"
	"countersign/store"
)

// A Config is what a Service is made of. Logger and Generate may be nil.
type Config struct {
	Store   store.Store
	Sealer  *keys.Sealer
	Buckets Buckets // for CRLs and audit reports; nil: there can be none
	// Generate makes private keys, a keys.Pool's for one; nil: keys.Generate with Rand.
	Generate func(keys.Algorithm) (crypto.Signer, error)
	Now      func() time.Time
	Rand     io.Reader // safe for concurrent use
	Logger   *slog.Logger
	// CRLWritten, when not nil, is told of every list that was to be written to its
	// bucket; err says why it was not.
	CRLWritten func(err error)
}

// A Service carries out the operations of AWS Private CA. Its methods are safe
// for concurrent use. It keeps nothing in memory but unsealed signers, which any
// other node can unseal as well, records for as long as nobody writes one, and
// the last certificates issued, which never change.
type Service struct {
	store    store.Store
	sealer   *keys.Sealer
	generate func(keys.Algorithm) (crypto.Signer, error)
	now      func() time.Time
	rand     io.Reader
	log      *slog.Logger
	signers  signers
	records  recordCache
	recent   recentRows
	ocsp     responder
	buckets  Buckets
	wrote    func(error)

	aliases     crlAliases
	startedCRLs sync.Map // keys of kindCRL that are in the store, so that issuing need not look
}

// New makes a Service.
func New(cfg Config) *Service {
	s := &Service{store: cfg.Store, sealer: cfg.Sealer, buckets: cfg.Buckets, generate: cfg.Generate, rand: cfg.Rand, log: cfg.Logger, wrote: cfg.CRLWritten}
	// Records hold UTC: what is answered must not depend on where a node stands.
	s.now = func() time.Time { return cfg.Now().UTC() }
	s.ocsp.slots = newSlots()
	if s.generate == nil {
		s.generate = func(a keys.Algorithm) (crypto.Signer, error) { return keys.Generate(a, cfg.Rand) }
	}
	if s.wrote == nil {
		s.wrote = func(error) {}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// parseARN takes the id out of an authority's ARN. The authority must be of
// the account and Region that the call is for: there is no sharing yet.
func parseARN(ctx context.Context, s *string) (account, region, id string, err error) {
	text := aws.ToString(s)
	a, err := arn.Parse(text)
	if err != nil || a.Service != "acm-pca" {
		return "", "", "", invalidARN("%s is not the ARN of a private certificate authority", text)
	}
	id, ok := strings.CutPrefix(a.Resource, "certificate-authority/")
	if !ok || uuid.Validate(id) != nil || len(id) != 36 {
		return "", "", "", invalidARN("%s is not the ARN of a private certificate authority: want arn:%s:acm-pca:<region>:<account>:certificate-authority/<uuid>", text, a.Partition)
	}
	if c := call.From(ctx); a.Account != c.Account || a.Region != c.Region || a.Partition != arn.Partition(c.Region) {
		return "", "", "", notFound("Could not find certificate authority %s in account %s and Region %s", text, c.Account, c.Region)
	}
	return a.Account, a.Region, id, nil
}

// load reads the authority that an ARN names, deleted ones in their window among them.
func (s *Service) load(ctx context.Context, name *string) (*record, error) {
	account, region, id, err := parseARN(ctx, name)
	if err != nil {
		return nil, err
	}
	got, err := s.store.Get(ctx, KindAuthority, account+"/"+region+"/"+id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("Could not find certificate authority %s", *name)
	}
	if err != nil {
		return nil, err
	}
	r, err := decode(got)
	if err != nil {
		return nil, err
	}
	if r.gone(s.now()) {
		return nil, notFound("Could not find certificate authority %s", *name)
	}
	return r, nil
}

// attempts bounds how often a change starts over because another write came in
// between.
const attempts = 20

// update changes one authority: change sees the record as it stands and may
// alter it or refuse. On return without error the change is durable; one that
// changes nothing is not written. When others write the same record all the time
// it gives up with ConcurrentModificationException.
func (s *Service) update(ctx context.Context, name *string, change func(*record) error) error {
	for range attempts {
		r, err := s.load(ctx, name)
		if err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		value, err := r.encode()
		if err != nil || bytes.Equal(value, r.stored) {
			return err
		}
		_, err = s.store.Commit(ctx, r.replace(value))
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return concurrent(name)
}

func concurrent(name *string) error {
	return &types.ConcurrentModificationException{Message: aws.String("certificate authority " + aws.ToString(name) + " is being changed by others; try again")}
}

// replace is a batch that writes r, encoded as value, over the revision it was read at.
func (r *record) replace(value []byte) *store.Batch {
	// A deleted authority is swept with its key when its window closes.
	return &store.Batch{Ops: append([]store.Op{store.PutOp{
		Kind: KindAuthority, Key: r.key(), Value: value, Was: r.revision, Expires: r.RestorableUntil,
	}}, r.also...)}
}

// notDeleted is the rule of the operations on tags and permissions.
func notDeleted(r *record) error {
	if r.State == deleted {
		return invalidState("The certificate authority is in the DELETED state and must be restored to complete this action.")
	}
	return nil
}
