package authority

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"countersign/call"
	"countersign/store"
)

// tokenLife is how long an idempotency token is remembered (model of
// CreateCertificateAuthority and IssueCertificate).
const tokenLife = 5 * time.Minute

// A token is an idempotency token as a caller gave it: for one operation, and
// for one authority where the operation has one.
type token struct {
	key         string // of its record; empty: none was given
	fingerprint string // of the parameters that may not differ
}

// answered is what is stored under a token, in the same batch as what it made.
type answered struct {
	ARN         string
	Fingerprint string
	Expires     time.Time
}

// newToken scopes text to the call's account and Region, and scope. The
// parameters are those that tell two requests under one token apart.
func newToken(ctx context.Context, scope string, text *string, parameters ...any) (token, error) {
	if text == nil || *text == "" {
		return token{}, nil
	}
	c := call.From(ctx)
	form, err := json.Marshal(parameters)
	if err != nil {
		return token{}, fmt.Errorf("fingerprint a request: %w", err)
	}
	sum, name := sha256.Sum256(form), sha256.Sum256([]byte(*text))
	return token{
		key:         c.Account + "/" + c.Region + "/" + scope + "/" + hex.EncodeToString(name[:]),
		fingerprint: hex.EncodeToString(sum[:]),
	}, nil
}

// answer is the ARN that was answered to the token before; empty when it is
// new or its five minutes are over.
func (s *Service) answer(ctx context.Context, t token) (string, error) {
	if t.key == "" {
		return "", nil
	}
	got, err := s.store.Get(ctx, kindToken, t.key)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var a answered
	if err := json.Unmarshal(got.Value, &a); err != nil {
		return "", fmt.Errorf("decode idempotency token: %w", err)
	}
	if !s.now().Before(a.Expires) {
		return "", nil
	}
	if a.Fingerprint != t.fingerprint {
		return "", invalidArgs("the idempotency token was used within the last 5 minutes with other parameters; use a new token for a new request")
	}
	return a.ARN, nil
}

// remember adds the token to the batch that makes what arn names. The commit
// fails with ErrExists when another call with the same token was faster.
func (s *Service) remember(b *store.Batch, t token, arn string) error {
	if t.key == "" {
		return nil
	}
	a := answered{ARN: arn, Fingerprint: t.fingerprint, Expires: s.now().Add(tokenLife)}
	value, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode idempotency token: %w", err)
	}
	b.CreateUntil(kindToken, t.key, value, a.Expires)
	return nil
}
