package identity

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"countersign/call"
	"countersign/store"

	"golang.org/x/crypto/chacha20poly1305"
)

// Config is what a Service needs. All of it is required but Dev.
type Config struct {
	Store               store.Store
	Account             string // 12 digits
	RootAccessKeyID     string
	RootSecretAccessKey string
	TokenKey            []byte // 32 bytes; seals session tokens, the same on every node
	Dev                 bool   // the pair test/test is root as well
	Now                 func() time.Time
	Rand                io.Reader
}

// A Service knows the keys that callers sign with, and the roles that they may
// assume. It is safe for concurrent use; what an operation returned without error is durable.
type Service struct {
	store   store.Store
	account string
	root    map[string]string // secret by access key id
	token   cipher.AEAD
	now     func() time.Time
	rand    io.Reader
}

// New checks cfg.
func New(cfg Config) (*Service, error) {
	switch {
	case len(cfg.Account) != 12 || strings.Trim(cfg.Account, "0123456789") != "":
		return nil, fmt.Errorf("account %q is not 12 digits", cfg.Account)
	case cfg.RootAccessKeyID == "" || cfg.RootSecretAccessKey == "":
		return nil, errors.New("the root key pair is empty")
	case cfg.Store == nil || cfg.Now == nil || cfg.Rand == nil:
		return nil, errors.New("identity needs a store, a clock and a source of randomness")
	}
	token, err := chacha20poly1305.NewX(cfg.TokenKey)
	if err != nil {
		return nil, fmt.Errorf("token key: %w", err)
	}
	s := &Service{
		store: cfg.Store, account: cfg.Account, token: token, now: cfg.Now, rand: cfg.Rand,
		root: map[string]string{cfg.RootAccessKeyID: cfg.RootSecretAccessKey},
	}
	if cfg.Dev {
		s.root["test"] = "test"
	}
	return s, nil
}

// A Credential is a secret and who acts with it.
type Credential struct {
	SecretAccessKey string
	Principal       call.Principal
	Expires         time.Time // zero: never
}

// Credential finds the secret that requests of accessKeyID are signed with.
// SessionToken is the request's, empty when it has none. The request is not
// proved by this: its signature is, with the secret. Errors are ErrUnknownKey,
// ErrInvalidToken and ErrExpired; others are the store's.
func (s *Service) Credential(ctx context.Context, accessKeyID, sessionToken string) (Credential, error) {
	if secret, ok := s.root[accessKeyID]; ok {
		if sessionToken != "" {
			return Credential{}, ErrInvalidToken
		}
		p := s.rootPrincipal()
		p.AccessKeyID = accessKeyID
		return Credential{SecretAccessKey: secret, Principal: p}, nil
	}
	if !strings.HasPrefix(accessKeyID, temporaryPrefix) || sessionToken == "" {
		return Credential{}, ErrUnknownKey
	}
	return s.open(ctx, accessKeyID, sessionToken)
}
