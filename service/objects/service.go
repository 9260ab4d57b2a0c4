package objects

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"sync"
	"time"

	"countersign/call"
	"countersign/store"
)

// Config is what a Service needs. Every field is required.
type Config struct {
	Store store.Store
	Now   func() time.Time
	Rand  io.Reader // safe for concurrent use
}

// A Service carries out S3 operations on a store. It is safe for concurrent use
// and keeps nothing in memory that the store does not have.
type Service struct {
	store store.Store
	now   func() time.Time
	rand  io.Reader

	// locks make writers of one key (or of one multipart upload) on this node take
	// turns instead of losing to each other's revisions. They are an economy
	// only: correctness rests on the revisions, which other nodes check as well.
	locks [1024]sync.Mutex
	seed  maphash.Seed
}

// New makes a Service.
func New(c Config) *Service {
	return &Service{store: c.Store, now: c.Now, rand: c.Rand, seed: maphash.MakeSeed()}
}

// attempts bounds how often a write is tried again after losing to others.
const attempts = 64

// errStale is returned by a function given to commit when what it read does not
// fit together because another write came between: it is to be run again.
var errStale = errors.New("read while it was being written")

// commit builds a batch with prepare and commits it, again and again while
// another writer gets in between, so prepare must read everything it decides
// on. An empty batch is not committed. name picks the lock to hold meanwhile.
// On success the batch is durable. An error of prepare comes back as it is.
func (s *Service) commit(ctx context.Context, name string, prepare func(b *store.Batch) error) error {
	lock := &s.locks[maphash.String(s.seed, name)%uint64(len(s.locks))]
	lock.Lock()
	defer lock.Unlock()
	for range attempts {
		b := new(store.Batch)
		err := prepare(b)
		if err == nil && len(b.Ops) == 0 {
			return nil
		}
		if err == nil {
			_, err = s.store.Commit(ctx, b)
		}
		if err == nil || !lost(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return refuse(409, "OperationAborted", "A conflicting conditional operation is currently in progress against this resource. Please try again.")
}

// lost reports whether a commit was refused because of another writer.
func lost(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrNotFound) || errors.Is(err, errStale)
}

// stamp is the time to record for what is written now. S3 shows whole seconds.
func (s *Service) stamp() time.Time { return s.now().UTC().Truncate(time.Second) }

// account is the account that acts in ctx.
func account(ctx context.Context) string { return call.From(ctx).Account }
