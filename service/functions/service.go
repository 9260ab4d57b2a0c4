package functions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"countersign/keys"
	"countersign/service/functions/runner"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"
)

// Objects reads code packages that lie in a bucket. The objects service does.
type Objects interface {
	GetObject(context.Context, *s3.GetObjectInput) (*s3.GetObjectOutput, error)
}

// Roles are the execution roles of functions. The identity service knows them.
type Roles interface {
	runner.Sessions
	// Trusts reports whether there is the role and Lambda may assume it now.
	Trusts(ctx context.Context, roleARN string) (bool, error)
}

// Config is what a Service is made from. Store, Dir, Now and Rand are required.
type Config struct {
	Store   store.Store
	Objects Objects // nil: code can only come inside the request
	// Sealer seals environment variables in the store; nil: they are stored as they are. What was
	// written without one is read, and sealed at the next write.
	Sealer *keys.Sealer

	// Dir holds unpacked code, temporary files and logs/<account>/<region>/<function>.log;
	// see runner.Config.
	Dir         string
	Roles       Roles  // nil: functions get no credentials, and no role is looked at
	Endpoint    string // AWS_ENDPOINT_URL of functions
	Roots       []byte // PEM of the roots that functions trust; empty: the system's
	Concurrency int    // invocations at a time; 0: 100
	User        string // whom functions run as where the node runs as root; empty: nobody

	// Node is the same after a restart and differs from that of other nodes on the same store: by it a
	// node knows the events that it was working on when it was killed.
	Node string

	Now    func() time.Time
	Rand   io.Reader
	Logger *slog.Logger // nil: discarded
}

// A Service is Lambda. It is safe for concurrent use.
type Service struct {
	cfg    Config
	store  store.Store
	runner *runner.Runner
	rand   io.Reader
	log    *slog.Logger
	queue  queue

	mu    sync.Mutex
	cache map[string]cached // by record key; for invocations, which must not wait for the database
}

type cached struct {
	fn *function
	at store.Revision // Changed(kindFunction) from before it was read
}

// New makes the Service, prepares cfg.Dir, and ends what a former one there has left running. Run has to be
// called for events to be carried out and idle environments to end; Close ends all processes.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Now == nil || cfg.Rand == nil {
		return nil, errors.New("functions.New: Store, Now and Rand are required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, store: cfg.Store, rand: &lockedReader{r: cfg.Rand}, log: cfg.Logger, cache: make(map[string]cached)}
	run, err := s.newID()
	if err != nil {
		return nil, err
	}
	s.queue.init(run)
	s.runner, err = runner.New(runner.Config{
		Dir: cfg.Dir, Sessions: cfg.Roles, Endpoint: cfg.Endpoint, Roots: cfg.Roots, Concurrency: cfg.Concurrency,
		User: cfg.User, Now: cfg.Now, Rand: s.rand, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare to run functions: %w", err)
	}
	return s, nil
}

// Run carries out events and ends idle environments until ctx ends.
func (s *Service) Run(ctx context.Context) {
	if err := s.sweepCode(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("functions: remove code that is no longer used", "error", err)
	}
	for {
		// Looking once a minute costs nothing, and notices what no timer can: a clock that was
		// moved, an environment that has become idle.
		wait := time.Minute
		next, err := s.RunQueue(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("functions: run queued events", "error", err)
			wait = 5 * time.Second
		}
		for _, due := range []time.Time{next, s.runner.Reap()} {
			if !due.IsZero() {
				wait = min(wait, max(due.Sub(s.cfg.Now()), 0))
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.queue.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Close refuses new invocations and waits until ctx ends for those under way; then their
// processes are killed. On return none is left. Events that were cut off are carried out after the next start. The
// store must still be open.
func (s *Service) Close(ctx context.Context) error {
	s.queue.close()
	err := s.runner.Close(ctx)
	s.queue.workers.Wait()
	return err
}

// sweepCode removes unpacked code that no function has.
func (s *Service) sweepCode(ctx context.Context) error {
	records, err := s.store.List(ctx, kindFunction, "", "", 0)
	if err != nil {
		return err
	}
	used := make(map[[32]byte]bool)
	for _, r := range records {
		fn, err := decodeFunction(r)
		if err != nil {
			return err
		}
		for _, v := range fn.versions() {
			sum, err := v.Code.sum()
			if err != nil {
				return err
			}
			used[sum] = true
		}
	}
	return s.runner.KeepCode(used)
}

// newID makes a UUID.
func (s *Service) newID() (string, error) {
	id, err := uuid.NewRandomFromReader(s.rand)
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return id.String(), nil
}

// lockedReader makes a source of randomness safe for concurrent use.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}
