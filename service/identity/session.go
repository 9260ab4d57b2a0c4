package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"countersign/arn"
	"countersign/call"
)

const (
	temporaryPrefix = "ASIA"
	maxToken        = 4096 // characters of a session token that are looked at
	maxLife         = 36 * time.Hour
)

// sessionName is what STS allows as a role session's name.
var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// A session is what a session token says. Its form is read by other nodes of
// the same installation: fields may be added, never renamed.
type session struct {
	Secret  string `json:"secret"`
	Role    string `json:"role"` // ARN
	Name    string `json:"name"`
	Expires int64  `json:"expires"` // Unix seconds
}

// Session makes credentials that act as a role for life, at most 36 hours.
// They need no storage, and are good on every node with the same token key.
// RoleARN must be a role of this account; it is not looked up. Errors are the
// caller's bug or a failing source of randomness.
func (s *Service) Session(_ context.Context, roleARN, name string, life time.Duration) (accessKeyID, secret, token string, expires time.Time, err error) {
	fail := func(err error) (string, string, string, time.Time, error) {
		return "", "", "", time.Time{}, fmt.Errorf("session for %s: %w", roleARN, err)
	}
	if _, err := s.rolePrincipal(roleARN, name); err != nil {
		return fail(err)
	}
	if !sessionName.MatchString(name) {
		return fail(fmt.Errorf("%q is not a role session name: 2 to 64 letters, digits and _+=,.@-", name))
	}
	if life <= 0 || life > maxLife {
		return fail(fmt.Errorf("life of %v is not within %v", life, maxLife))
	}
	random := make([]byte, 10+30+s.token.NonceSize())
	if _, err := io.ReadFull(s.rand, random); err != nil {
		return fail(err)
	}
	id, key, nonce := random[:10], random[10:40], random[40:]
	accessKeyID = temporaryPrefix + base32.StdEncoding.EncodeToString(id)
	secret = base64.StdEncoding.EncodeToString(key)
	expires = s.now().Add(life).UTC().Truncate(time.Second)
	plain, err := json.Marshal(session{Secret: secret, Role: roleARN, Name: name, Expires: expires.Unix()})
	if err != nil {
		return fail(err)
	}
	// The access key id is bound to the token as associated data: neither is
	// good with another's other half.
	sealed := s.token.Seal(nonce, nonce, plain, associated(accessKeyID))
	return accessKeyID, secret, base64.StdEncoding.EncodeToString(sealed), expires, nil
}

func associated(accessKeyID string) []byte { return []byte("countersign session 1 " + accessKeyID) }

// open reads a session token back.
func (s *Service) open(accessKeyID, token string) (Credential, error) {
	if len(token) > maxToken {
		return Credential{}, ErrInvalidToken
	}
	sealed, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(sealed) < s.token.NonceSize() {
		return Credential{}, ErrInvalidToken
	}
	nonce, box := sealed[:s.token.NonceSize()], sealed[s.token.NonceSize():]
	plain, err := s.token.Open(nil, nonce, box, associated(accessKeyID))
	if err != nil {
		return Credential{}, ErrInvalidToken
	}
	var t session
	if err := json.Unmarshal(plain, &t); err != nil {
		return Credential{}, fmt.Errorf("read a session token of our own: %w", err)
	}
	expires := time.Unix(t.Expires, 0).UTC()
	if !s.now().Before(expires) {
		return Credential{}, ErrExpired
	}
	p, err := s.rolePrincipal(t.Role, t.Name)
	if err != nil {
		return Credential{}, ErrInvalidToken
	}
	p.AccessKeyID = accessKeyID
	return Credential{SecretAccessKey: t.Secret, Principal: p, Expires: expires}, nil
}

// rolePrincipal is who acts in a session of a role.
func (s *Service) rolePrincipal(roleARN, name string) (call.Principal, error) {
	role, err := arn.Parse(roleARN)
	if err != nil {
		return call.Principal{}, err
	}
	path, ok := strings.CutPrefix(role.Resource, "role/")
	short := path[strings.LastIndexByte(path, '/')+1:] // without the role's path
	if role.Service != "iam" || !ok || short == "" {
		return call.Principal{}, fmt.Errorf("%q is not the ARN of a role", roleARN)
	}
	if role.Account != s.account {
		return call.Principal{}, fmt.Errorf("role %s is of another account than %s", roleARN, s.account)
	}
	assumed := arn.ARN{Partition: role.Partition, Service: "sts", Account: role.Account, Resource: "assumed-role/" + short + "/" + name}
	return call.Principal{Account: role.Account, ARN: assumed.String(), ID: roleID(roleARN) + ":" + name}, nil
}

// roleID is a role's unique id, AROA and 17 characters. No role is on record, so
// it is made from the ARN, always the same one.
func roleID(roleARN string) string {
	sum := sha256.Sum256([]byte(roleARN))
	return "AROA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}
