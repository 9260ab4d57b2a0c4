package stacks

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"countersign/call"
	"countersign/keys"
	"countersign/service/stacks/resource"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"
)

// Objects reads templates that lie in a bucket.
type Objects interface {
	GetObject(context.Context, *s3.GetObjectInput) (*s3.GetObjectOutput, error)
}

// Functions invokes the providers of custom resources.
type Functions interface {
	Invoke(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error)
}

// Values resolves dynamic references: {{resolve:ssm:…}} and its like.
type Values interface {
	Resolve(ctx context.Context, service, reference string) (string, error)
}

// Config is what a Service is built from. All of it is required but Values,
// Settle, Roles and Logger.
type Config struct {
	Store     store.Store
	Sealer    *keys.Sealer // seals arguments and properties: they may hold secrets
	Objects   Objects
	Functions Functions
	Values    Values // nil: dynamic references are refused
	Types     []resource.Type

	// Gate checks and authorises every call that a stack makes; see resource.Gate.
	Gate resource.Gate

	// Settle waits until the data planes show what was written.
	Settle func(ctx context.Context)

	// Roles turns a stack's RoleARN into the principal that its calls are made as; nil:
	// RoleARN is refused.
	Roles func(ctx context.Context, roleARN string) (call.Principal, error)

	// Endpoint is where this node's AWS endpoint is: callbacks of custom resources lead
	// there, and template URLs below it name objects of this node.
	Endpoint string

	// Linger is how long the answer to a call that began an operation waits for its end. Clients that
	// poll twice a minute see a stack that is made in a second at once. 0: not at all.
	Linger time.Duration

	Now    func() time.Time
	Rand   io.Reader
	Logger *slog.Logger
}

// A Service carries out the operations of CloudFormation. It is safe for
// concurrent use; what an operation returned without error is durable.
type Service struct {
	Config
	types map[string]resource.Type
	rand  sync.Mutex     // of Config.Rand
	ticks atomic.Int64   // of the last event
	turns [16]sync.Mutex // of those who write callbacks, by key
}

// New builds a Service. Two types of one name are a bug.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Sealer == nil || c.Objects == nil || c.Functions == nil || c.Gate == nil || c.Now == nil || c.Rand == nil {
		return nil, fmt.Errorf("stacks.New: Store, Sealer, Objects, Functions, Gate, Now and Rand are required")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Settle == nil {
		c.Settle = func(context.Context) {}
	}
	s := &Service{Config: c, types: map[string]resource.Type{}}
	for _, t := range append(s.ownTypes(), c.Types...) {
		if _, twice := s.types[t.Name]; twice {
			return nil, fmt.Errorf("stacks.New: resource type %s is declared twice", t.Name)
		}
		s.types[t.Name] = t
	}
	return s, nil
}

func (s *Service) newID() (string, error) {
	s.rand.Lock()
	defer s.rand.Unlock()
	id, err := uuid.NewRandomFromReader(s.Rand)
	if err != nil {
		return "", fmt.Errorf("read randomness for an id: %w", err)
	}
	return id.String(), nil
}

// random gives n characters of A–Z and 0–9, for generated names.
func (s *Service) random(n int) (string, error) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	raw := make([]byte, n)
	s.rand.Lock()
	defer s.rand.Unlock()
	if _, err := io.ReadFull(s.Rand, raw); err != nil {
		return "", fmt.Errorf("read randomness for a name: %w", err)
	}
	for i, b := range raw {
		raw[i] = letters[int(b)%len(letters)] // the bias tells nobody anything: a name is no secret
	}
	return string(raw), nil
}

// tick is a moment that no other event of this node has, for keys that sort the newest first.
func (s *Service) tick() (descending string, at time.Time) {
	now := s.Now().UTC()
	for {
		last := s.ticks.Load()
		next := max(now.UnixNano(), last+1)
		if s.ticks.CompareAndSwap(last, next) {
			return fmt.Sprintf("%019d", math.MaxInt64-next), now
		}
	}
}
