package logs

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

// Functions is what this node's functions have logged. The functions service keeps it.
type Functions interface {
	// Logs calls yield with every function of an account and Region that has logged, its log
	// group, the time of its first line and the bytes that are kept.
	Logs(ctx context.Context, account, region string, yield func(function, group string, first time.Time, bytes int64)) error

	// ReadLog calls yield with the lines that a function has logged from from on and
	// before to, in the order in which they stand in its log, until it answers false.
	ReadLog(ctx context.Context, account, region, function string, from, to time.Time, yield func(at time.Time, stream, text string) bool) error

	// DropLog removes what a function has logged where all of a file is older than before.
	DropLog(ctx context.Context, account, region, function string, before time.Time) error
}

// Config is what a Service is made from. All but Functions are required.
type Config struct {
	Store     store.Store
	Functions Functions // nil: there are none
	Now       func() time.Time
	Rand      io.Reader // ids; safe for concurrent use
}

// A Service is CloudWatch Logs. It is safe for concurrent use; what an operation
// returned without error is durable.
type Service struct {
	store     store.Store
	functions Functions
	now       func() time.Time
	rand      io.Reader

	// Writers of one stream take turns, rather than overtake each other at the store.
	turns [64]sync.Mutex
	seed  maphash.Seed
}

// New makes a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Now == nil || c.Rand == nil {
		return nil, errors.New("logs.New: Store, Now and Rand are required")
	}
	return &Service{store: c.Store, functions: c.Functions, now: c.Now, rand: c.Rand, seed: maphash.MakeSeed()}, nil
}

func (s *Service) turn(key string) *sync.Mutex {
	return &s.turns[maphash.String(s.seed, key)%uint64(len(s.turns))]
}

// attempts bounds how often a change starts again because somebody else wrote first.
const attempts = 16

// overtaken reports whether a commit failed because what it was built on has changed.
func overtaken(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists)
}

// scope is how keys of the call's account and Region begin.
func scope(ctx context.Context) string {
	c := call.From(ctx)
	return c.Account + "/" + c.Region + "/"
}
