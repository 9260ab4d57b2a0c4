package secrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"countersign/call"
	"countersign/keys"
	"countersign/service/stacks/resource"
	"countersign/store"
)

// Config is what a Service is made from. All but Gate are required.
type Config struct {
	Store  store.Store
	Sealer *keys.Sealer

	// Gate lets a call through that one of these operations makes for its caller: reading
	// secrets by BatchGetSecretValue, or as parameters, needs the right to read each of them.
	// Nil: whoever may do the one may do the other.
	Gate resource.Gate

	Now  func() time.Time
	Rand io.Reader // safe for concurrent use
}

// A Service is Secrets Manager and Parameter Store. It is safe for concurrent
// use; what an operation returned without error is durable.
type Service struct {
	store  store.Store
	sealer *keys.Sealer
	gate   resource.Gate
	now    func() time.Time
	rand   io.Reader
}

// New makes a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Sealer == nil || c.Now == nil || c.Rand == nil {
		return nil, errors.New("secrets.New: Store, Sealer, Now and Rand are required")
	}
	return &Service{store: c.Store, sealer: c.Sealer, gate: c.Gate, now: c.Now, rand: c.Rand}, nil
}

// inner makes a call for the caller in ctx, who needs the right to make it.
func inner[I, O any](ctx context.Context, s *Service, operation func(context.Context, *I) (*O, error), in *I) (*O, error) {
	if s.gate == nil {
		return operation(ctx, in)
	}
	return resource.Do(resource.WithGate(ctx, s.gate), operation, in)
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

// pick gives n characters of letters, each as likely as the others.
func (s *Service) pick(letters string, n int) (string, error) {
	out := make([]byte, 0, n)
	// A byte beyond the last whole multiple would favour the first letters.
	limit := 256 - 256%len(letters)
	var raw [64]byte
	for len(out) < n {
		if _, err := io.ReadFull(s.rand, raw[:]); err != nil {
			return "", fmt.Errorf("read randomness: %w", err)
		}
		for _, b := range raw {
			if int(b) < limit && len(out) < n {
				out = append(out, letters[int(b)%len(letters)])
			}
		}
	}
	return string(out), nil
}
