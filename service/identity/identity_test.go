package identity_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/call"
	"countersign/service/identity"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

const (
	account       = "123456789012"
	lambdaService = "lambda.amazonaws.com"
	lambdaTrust   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// asRoot is a call of the root key pair.
func asRoot(ctx context.Context) context.Context {
	return as(ctx, call.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root", ID: account, AccessKeyID: "AKIAROOT"})
}

func as(ctx context.Context, p call.Principal) context.Context {
	return call.With(ctx, call.Call{Account: account, Region: "us-east-1", Principal: p, Source: netip.MustParseAddr("192.0.2.7"), Secure: true})
}

// newRole makes a role and returns its ARN.
func newRole(t testing.TB, s *identity.Service, name, path, trust string) string {
	t.Helper()
	out, err := s.CreateRole(asRoot(context.Background()), &iam.CreateRoleInput{RoleName: aws.String(name), Path: aws.String(path), AssumeRolePolicyDocument: aws.String(trust)})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Role.Arn
}

// A clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// newService makes a service of a store of its own, unless change gives it another.
func newService(t testing.TB, c *clock, change func(*identity.Config)) *identity.Service {
	t.Helper()
	cfg := identity.Config{
		Store: storetest.New(t), Account: account, RootAccessKeyID: "AKIAROOT", RootSecretAccessKey: "root secret",
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
	role := newRole(t, s, "worker", "/service-role/", lambdaTrust)
	id, _, token, _, err := s.Session(t.Context(), lambdaService, role, "one", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	otherID, _, _, _, err := s.Session(t.Context(), lambdaService, role, "two", time.Hour)
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
	st := storetest.New(t)
	s := newService(t, c, func(c *identity.Config) { c.Store = st })
	role := newRole(t, s, "worker", "/service-role/", lambdaTrust)
	id, secret, token, expires, err := s.Session(t.Context(), lambdaService, role, "fn@1", time.Hour)
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
	got, err := newService(t, c, func(c *identity.Config) { c.Store = st }).Credential(t.Context(), id, token)
	if err != nil {
		t.Fatal(err)
	}
	if got.SecretAccessKey != secret {
		t.Error("another secret came back")
	}
	if want := "arn:aws:sts::123456789012:assumed-role/worker/fn@1"; got.Principal.ARN != want {
		t.Errorf("ARN %q, want %q", got.Principal.ARN, want)
	}
	if got.Principal.Role != role {
		t.Errorf("role %q, want %q", got.Principal.Role, role)
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

func TestSessionNeedsARoleThatTrusts(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	role := newRole(t, s, "worker", "/", lambdaTrust)
	for _, tt := range []struct {
		service, role, name string
		life                time.Duration
		trust               bool // whether trust is what is missing
	}{
		{lambdaService, "worker", "ok", time.Hour, true},
		{lambdaService, "arn:aws:iam::123456789012:user/worker", "ok", time.Hour, true},
		{lambdaService, "arn:aws:iam::123456789012:role/", "ok", time.Hour, true},
		{lambdaService, "arn:aws:iam::123456789012:role/other", "ok", time.Hour, true},
		{lambdaService, "arn:aws:iam::123456789012:role/path/worker", "ok", time.Hour, true},
		{lambdaService, "arn:aws:iam::123456789012:role/WORKER", "ok", time.Hour, true},
		{lambdaService, "arn:aws:iam::999999999999:role/worker", "ok", time.Hour, true},
		{"ec2.amazonaws.com", role, "ok", time.Hour, true},
		{lambdaService, role, "a b", time.Hour, false},
		{lambdaService, role, "x", time.Hour, false},
		{lambdaService, role, "ok", 0, false},
		{lambdaService, role, "ok", 37 * time.Hour, false},
	} {
		_, _, _, _, err := s.Session(t.Context(), tt.service, tt.role, tt.name, tt.life)
		if err == nil || errors.Is(err, identity.ErrNotTrusted) != tt.trust {
			t.Errorf("Session(%q, %q, %q, %v): %v", tt.service, tt.role, tt.name, tt.life, err)
		}
	}
}

// A session is of one role, not of its name.
func TestSessionEndsWithItsRole(t *testing.T) {
	t.Parallel()
	s := newService(t, newClock(), nil)
	role := newRole(t, s, "worker", "/", lambdaTrust)
	id, _, token, _, err := s.Session(t.Context(), lambdaService, role, "one", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteRole(asRoot(t.Context()), &iam.DeleteRoleInput{RoleName: aws.String("worker")}); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"deleted", "made anew"} {
		if _, err := s.Credential(t.Context(), id, token); !errors.Is(err, identity.ErrInvalidToken) {
			t.Errorf("the role is %s: %v", when, err)
		}
		if when == "deleted" {
			newRole(t, s, "worker", "/", lambdaTrust)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := identity.Config{
		Store: storetest.New(t), Account: account, RootAccessKeyID: "a", RootSecretAccessKey: "b",
		TokenKey: make([]byte, 32), Now: time.Now, Rand: rand.Reader,
	}
	if _, err := identity.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*identity.Config){
		"account":   func(c *identity.Config) { c.Account = "12345678901x" },
		"key":       func(c *identity.Config) { c.RootAccessKeyID = "" },
		"token key": func(c *identity.Config) { c.TokenKey = make([]byte, 16) },
		"store":     func(c *identity.Config) { c.Store = nil },
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
	s := newService(f, newClock(), nil)
	id, _, token, _, err := s.Session(context.Background(), lambdaService, newRole(f, s, "worker", "/", lambdaTrust), "one", time.Hour)
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
