package stacks

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"countersign/store"
)

// A callback is a URL that somebody outside may PUT one document to: the provider of a
// custom resource its answer, a wait condition's parties their signals. On AWS it is a
// presigned URL of S3; here it leads to the AWS endpoint, below CallbackPath. The token in
// it is the only proof, so what is kept is its hash.

// CallbackPath is where callbacks lead on the AWS endpoint.
const CallbackPath = "/_countersign/cloudformation/"

// Limits of what is taken in.
const (
	MaxCallback = 4096 // bytes of a document, as on AWS
	maxSignals  = 256  // that one wait condition's handle keeps
	tokenBytes  = 32
)

// Why Answer refuses a document.
var (
	ErrNoCallback = errors.New("the URL is not one that an answer is awaited at, or its time is over")
	ErrAnswered   = errors.New("there are as many signals as are taken")
)

type callback struct {
	Stack, LogicalID string
	Many             bool // a wait condition's handle: more than one document
	Sent             bool `json:",omitempty"` // the provider was told
	Expires          time.Time
	Answers          [][]byte `json:",omitempty"`
}

// callbackToken is the token of a change: the same at every attempt, and nobody's
// to guess, since it comes from a secret of the installation.
func (s *Service) callbackToken(change string) string {
	return base64.RawURLEncoding.EncodeToString(s.Sealer.Derive("cloudformation callback "+change, tokenBytes))
}

func callbackKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func (s *Service) callbackURL(token string) string {
	return strings.TrimSuffix(s.Endpoint, "/") + CallbackPath + token
}

// openCallback makes a callback, or finds the one that an earlier attempt made.
func (s *Service) openCallback(ctx context.Context, token string, c callback) (*callback, error) {
	key := callbackKey(token)
	value, err := s.seal(c, kindCallback, key)
	if err != nil {
		return nil, err
	}
	_, err = s.Store.Commit(ctx, new(store.Batch).CreateUntil(kindCallback, key, value, c.Expires.Add(time.Hour)))
	if errors.Is(err, store.ErrExists) {
		have, _, err := s.callback(ctx, key)
		return have, err
	}
	if err != nil {
		return nil, fmt.Errorf("prepare a callback for %s: %w", c.LogicalID, err)
	}
	return &c, nil
}

// callback reads a callback. It is sealed: what a provider answers may hold secrets.
func (s *Service) callback(ctx context.Context, key string) (*callback, store.Revision, error) {
	r, err := s.Store.Get(ctx, kindCallback, key)
	if err != nil {
		return nil, 0, err
	}
	c, err := unseal[callback](s, r)
	return c, r.Revision, err
}

// editCallback changes a callback. Those who write the same one on this node take turns.
func (s *Service) editCallback(ctx context.Context, token string, change func(c *callback) error) error {
	key := callbackKey(token)
	turn := &s.turns[key[0]%byte(len(s.turns))]
	turn.Lock()
	defer turn.Unlock()
	for range attempts {
		c, revision, err := s.callback(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			return ErrNoCallback
		}
		if err != nil {
			return err
		}
		if err := change(c); err != nil {
			return err
		}
		value, err := s.seal(c, kindCallback, key)
		if err != nil {
			return err
		}
		_, err = s.Store.Commit(ctx, new(store.Batch).ReplaceUntil(kindCallback, key, value, revision, c.Expires.Add(time.Hour)))
		switch {
		case errors.Is(err, store.ErrNotFound):
			return ErrNoCallback
		case !errors.Is(err, store.ErrConflict):
			return err
		}
	}
	return store.ErrConflict
}

func (s *Service) callbackAnswers(ctx context.Context, token string) ([][]byte, error) {
	c, _, err := s.callback(ctx, callbackKey(token))
	if err != nil {
		return nil, err
	}
	return c.Answers, nil
}

func (s *Service) closeCallback(ctx context.Context, token string) error {
	_, err := s.Store.Commit(ctx, new(store.Batch).Delete(kindCallback, callbackKey(token)))
	return err
}

// Answer takes a document that was PUT to a callback's URL. On return without error it is durable.
// ErrNoCallback and ErrAnswered refuse it.
func (s *Service) Answer(ctx context.Context, token string, body io.Reader) error {
	if len(token) > 100 {
		return ErrNoCallback
	}
	document, err := io.ReadAll(io.LimitReader(body, MaxCallback+1))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if len(document) > MaxCallback {
		// Kept as what it is: whoever waits must learn of it, not run into the timeout.
		document = document[:MaxCallback+1]
	}
	return s.editCallback(ctx, token, func(c *callback) error {
		switch {
		case !s.Now().Before(c.Expires):
			return ErrNoCallback
		case !c.Many:
			c.Answers = nil // as an object in a bucket would be, it is overwritten until it is read
		case len(c.Answers) >= maxSignals:
			return ErrAnswered
		}
		c.Answers = append(c.Answers, document)
		return nil
	})
}
