package identity_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"countersign/call"
	"countersign/service/identity"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const account = "123456789012"

// A clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newService(t *testing.T, c *clock, change func(*identity.Config)) *identity.Service {
	t.Helper()
	cfg := identity.Config{
		Account: account, RootAccessKeyID: "AKIAROOT", RootSecretAccessKey: "root secret",
		TokenKey: bytes.Repeat([]byte{7}, 32), Now: c.now, Rand: rand.Reader,
	}
	if change != nil {
		change(&cfg)
	}
	s, err := identity.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newClock() *clock { return &clock{time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

func TestRoot(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	got, err := s.Credential(t.Context(), "AKIAROOT", "")
	if err != nil {
		t.Fatal(err)
	}
	if got.SecretAccessKey != "root secret" || got.Principal.ARN != "arn:aws:iam::123456789012:root" || got.Principal.ID != account {
		t.Errorf("root credential: %+v", got)
	}
	out, err := s.GetCallerIdentity(call.With(context.Background(), call.Call{Principal: got.Principal}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(out.Account) != account || aws.ToString(out.UserId) != account || aws.ToString(out.Arn) != got.Principal.ARN {
		t.Errorf("GetCallerIdentity: %+v", out)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newService(t, c, nil)
	role := "arn:aws:iam::123456789012:role/service-role/worker"
	id, _, token, _, err := s.Session(t.Context(), role, "one", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	otherID, _, _, _, err := s.Session(t.Context(), role, "two", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	otherKey := newService(t, c, func(cfg *identity.Config) { cfg.TokenKey = bytes.Repeat([]byte{8}, 32) })
	flipped := []byte(token)
	flipped[60] ^= 1
	for _, tt := range []struct {
		name      string
		s         *identity.Service
		id, token string
		want      error
	}{
		{"unknown", s, "AKIANOBODY", "", identity.ErrUnknownKey},
		{"test without dev", s, "test", "", identity.ErrUnknownKey},
		{"root with a token", s, "AKIAROOT", token, identity.ErrInvalidToken},
		{"session without token", s, id, "", identity.ErrUnknownKey},
		{"token of another key", s, otherID, token, identity.ErrInvalidToken},
		{"changed token", s, id, string(flipped), identity.ErrInvalidToken},
		{"token that is not base64", s, id, "%%%", identity.ErrInvalidToken},
		{"short token", s, id, "AAAA", identity.ErrInvalidToken},
		{"huge token", s, id, strings.Repeat("A", 1<<20), identity.ErrInvalidToken},
		{"another installation", otherKey, id, token, identity.ErrInvalidToken},
	} {
		if _, err := tt.s.Credential(t.Context(), tt.id, tt.token); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestDevPair(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), func(c *identity.Config) { c.Dev = true })
	got, err := s.Credential(t.Context(), "test", "")
	if err != nil || got.SecretAccessKey != "test" || got.Principal.ID != account {
		t.Errorf("test/test: %+v, %v", got, err)
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newService(t, c, nil)
	id, secret, token, expires, err := s.Session(t.Context(), "arn:aws:iam::123456789012:role/service-role/worker", "fn@1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(id, "ASIA") || len(id) != 20 || len(secret) != 40 {
		t.Errorf("key pair %q with a secret of %d characters", id, len(secret))
	}
	if strings.Contains(token, secret) {
		t.Error("the token shows its secret")
	}
	if want := c.at.Add(time.Hour); !expires.Equal(want) {
		t.Errorf("expires %v, want %v", expires, want)
	}
	// A node started later with the same token key knows it.
	got, err := newService(t, c, nil).Credential(t.Context(), id, token)
	if err != nil {
		t.Fatal(err)
	}
	if got.SecretAccessKey != secret {
		t.Error("another secret came back")
	}
	if want := "arn:aws:sts::123456789012:assumed-role/worker/fn@1"; got.Principal.ARN != want {
		t.Errorf("ARN %q, want %q", got.Principal.ARN, want)
	}
	if !strings.HasPrefix(got.Principal.ID, "AROA") || !strings.HasSuffix(got.Principal.ID, ":fn@1") {
		t.Errorf("unique id %q", got.Principal.ID)
	}
	c.at = expires.Add(-time.Second)
	if _, err := s.Credential(t.Context(), id, token); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	c.at = expires
	if _, err := s.Credential(t.Context(), id, token); !errors.Is(err, identity.ErrExpired) {
		t.Errorf("at its end: %v, want ErrExpired", err)
	}
}

func TestSessionNeedsARoleOfThisAccount(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	for _, tt := range []struct {
		role, name string
		life       time.Duration
	}{
		{"worker", "ok", time.Hour},
		{"arn:aws:iam::123456789012:user/worker", "ok", time.Hour},
		{"arn:aws:iam::123456789012:role/", "ok", time.Hour},
		{"arn:aws:iam::999999999999:role/worker", "ok", time.Hour},
		{"arn:aws:iam::123456789012:role/worker", "a b", time.Hour},
		{"arn:aws:iam::123456789012:role/worker", "x", time.Hour},
		{"arn:aws:iam::123456789012:role/worker", "ok", 0},
		{"arn:aws:iam::123456789012:role/worker", "ok", 37 * time.Hour},
	} {
		if _, _, _, _, err := s.Session(t.Context(), tt.role, tt.name, tt.life); err == nil {
			t.Errorf("Session(%q, %q, %v) made credentials", tt.role, tt.name, tt.life)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := identity.Config{
		Account: account, RootAccessKeyID: "a", RootSecretAccessKey: "b",
		TokenKey: make([]byte, 32), Now: time.Now, Rand: rand.Reader,
	}
	if _, err := identity.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*identity.Config){
		"account":   func(c *identity.Config) { c.Account = "12345678901x" },
		"key":       func(c *identity.Config) { c.RootAccessKeyID = "" },
		"token key": func(c *identity.Config) { c.TokenKey = make([]byte, 16) },
		"clock":     func(c *identity.Config) { c.Now = nil },
	} {
		cfg := good
		change(&cfg)
		if _, err := identity.New(cfg); err == nil {
			t.Errorf("New accepts a bad %s", name)
		}
	}
}

// Nobody makes a token without the key.
func FuzzSessionToken(f *testing.F) {
	c := newClock()
	s, err := identity.New(identity.Config{
		Account: account, RootAccessKeyID: "AKIAROOT", RootSecretAccessKey: "root secret",
		TokenKey: bytes.Repeat([]byte{7}, 32), Now: c.now, Rand: rand.Reader,
	})
	if err != nil {
		f.Fatal(err)
	}
	id, _, token, _, err := s.Session(context.Background(), "arn:aws:iam::123456789012:role/worker", "one", time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(id, token[:len(token)-4])
	f.Add("ASIA", "")
	f.Add("AKIAROOT", "")
	f.Fuzz(func(t *testing.T, gotID, gotToken string) {
		got, err := s.Credential(t.Context(), gotID, gotToken)
		switch {
		case err == nil && (gotID == "AKIAROOT" && gotToken == "" || gotID == id && gotToken == token):
		case err == nil:
			t.Fatalf("a credential out of nothing: %+v", got)
		case !errors.Is(err, identity.ErrUnknownKey) && !errors.Is(err, identity.ErrInvalidToken):
			t.Fatalf("got %v", err)
		}
	})
}
