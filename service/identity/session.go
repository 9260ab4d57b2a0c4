package identity

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"countersign/arn"
	"countersign/call"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const (
	temporaryPrefix = "ASIA"
	maxToken        = 4096 // characters of a session token that are looked at
	maxLife         = 36 * time.Hour
)

// sessionName is what STS allows as a role session's name.
var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// A session is what a session token says: of a role, or of the account's root. Its form is
// read by other nodes of the same installation: fields may be added, never renamed.
type session struct {
	Secret  string `json:"secret"`
	Role    string `json:"role,omitempty"`    // ARN
	RoleID  string `json:"role_id,omitempty"` // of the role that was assumed; another one may take its name
	Name    string `json:"name,omitempty"`
	Root    bool   `json:"root,omitempty"`
	Expires int64  `json:"expires"` // Unix seconds
}

// temporary are credentials that end.
type temporary struct {
	accessKeyID, secret, token string
	expires                    time.Time
}

// Session makes credentials that act as a role for life, at most 36 hours, for a
// service of AWS that runs here: "lambda.amazonaws.com". They need no storage, are good on every node with
// the same token key, and end when the role is deleted. The error wraps ErrNotTrusted when the service may
// not assume the role; others are the caller's bug, the store's, or of a failing source of randomness.
func (s *Service) Session(ctx context.Context, service, roleARN, name string, life time.Duration) (accessKeyID, secret, token string, expires time.Time, err error) {
	fail := func(err error) (string, string, string, time.Time, error) {
		return "", "", "", time.Time{}, fmt.Errorf("session for %s: %w", roleARN, err)
	}
	if !sessionName.MatchString(name) {
		return fail(fmt.Errorf("%q is not a role session name: 2 to 64 letters, digits and _+=,.@-", name))
	}
	if life <= 0 || life > maxLife {
		return fail(fmt.Errorf("life of %v is not within %v", life, maxLife))
	}
	r, err := s.trusts(ctx, service, roleARN)
	if err != nil {
		return fail(err)
	}
	if r == nil {
		return fail(ErrNotTrusted)
	}
	t, err := s.issue(session{Role: roleARN, RoleID: r.ID, Name: name}, life)
	if err != nil {
		return fail(err)
	}
	return t.accessKeyID, t.secret, t.token, t.expires, nil
}

// issue makes the credentials of a session.
func (s *Service) issue(t session, life time.Duration) (temporary, error) {
	random := make([]byte, 10+30+s.token.NonceSize())
	if _, err := io.ReadFull(s.rand, random); err != nil {
		return temporary{}, fmt.Errorf("read randomness for a session: %w", err)
	}
	id, key, nonce := random[:10], random[10:40], random[40:]
	out := temporary{
		accessKeyID: temporaryPrefix + base32.StdEncoding.EncodeToString(id), secret: base64.StdEncoding.EncodeToString(key),
		expires: s.now().Add(life).UTC().Truncate(time.Second),
	}
	t.Secret, t.Expires = out.secret, out.expires.Unix()
	plain, err := json.Marshal(t)
	if err != nil {
		return temporary{}, err
	}
	// The access key id is bound to the token as associated data: neither is
	// good with another's other half.
	sealed := s.token.Seal(nonce, nonce, plain, associated(out.accessKeyID))
	out.token = base64.StdEncoding.EncodeToString(sealed)
	return out, nil
}

func associated(accessKeyID string) []byte { return []byte("countersign session 1 " + accessKeyID) }

// open reads a session token back. A role that is gone, or that another of its name
// has replaced, has no sessions.
func (s *Service) open(ctx context.Context, accessKeyID, token string) (Credential, error) {
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
	p := s.rootPrincipal()
	if !t.Root {
		r, err := s.roleOf(ctx, t.Role)
		if errors.Is(err, errNoRole) || err == nil && r.ID != t.RoleID {
			return Credential{}, ErrInvalidToken
		}
		if err != nil {
			return Credential{}, err
		}
		p = r.principal(t.Name)
	}
	p.AccessKeyID = accessKeyID
	return Credential{SecretAccessKey: t.Secret, Principal: p, Expires: expires}, nil
}

func (s *Service) rootPrincipal() call.Principal {
	return call.Principal{Account: s.account, ARN: s.rootARN(), ID: s.account}
}

// principal is who acts in a session of a role.
func (r *role) principal(name string) call.Principal {
	// The ARN of a session is without the role's path.
	assumed := arn.New("sts", "", r.Account, "assumed-role/"+r.Name+"/"+name)
	return call.Principal{Account: r.Account, ARN: assumed.String(), ID: r.ID + ":" + name, Role: r.arn()}
}

// errNoRole is why roleOf finds none.
var errNoRole = errors.New("there is no such role in this account")

// roleOf reads the role of an ARN.
func (s *Service) roleOf(ctx context.Context, roleARN string) (*role, error) {
	a, err := arn.Parse(roleARN)
	path, isRole := strings.CutPrefix(a.Resource, "role/")
	if err != nil || a.Service != "iam" || !isRole || a.Account != s.account {
		return nil, errNoRole
	}
	r, _, err := s.role(ctx, s.account, path[strings.LastIndexByte(path, '/')+1:])
	var missing *types.NoSuchEntityException
	if errors.As(err, &missing) || err == nil && r.arn() != roleARN {
		return nil, errNoRole
	}
	return r, err
}
