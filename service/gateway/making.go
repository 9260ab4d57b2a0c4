package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
)

// A making says for which change of a stack an operation runs. With it operations that
// create are idempotent: ids follow from the token, so that an attempt which was
// cut off by a crash is found by the next one, and never mistaken for what it replaces.
type making struct {
	token string

	// Of the resource, the stack's and CloudFormation's own among them; an import sets and removes them by these.
	tags, oldTags map[string]string

	// What a template says beside a document, so that one import does both; nil: nothing.
	disable *bool
}

type makingKey struct{}

func withMaking(ctx context.Context, m making) context.Context {
	return context.WithValue(ctx, makingKey{}, &m)
}

// madeBy is nil for calls of people.
func madeBy(ctx context.Context) *making {
	m, _ := ctx.Value(makingKey{}).(*making)
	return m
}

// by names the change in a record; empty for people.
func (m *making) by() string {
	if m == nil {
		return ""
	}
	return m.token
}

// id is the id of n letters and digits of what the change makes.
func (m making) id(n int) string {
	sum := sha256.Sum256([]byte("id\x00" + m.token))
	return spell(sum[:], n)
}

// newID makes an id for what a call creates: by chance, or of its making.
func (s *Service) newID(ctx context.Context, n int) (string, error) {
	if m := madeBy(ctx); m != nil {
		return m.id(n), nil
	}
	return s.randomID(n)
}

// Lengths of ids.
const (
	apiIDLength         = 10
	routeIDLength       = 7
	integrationIDLength = 7
	authorizerIDLength  = 6
	deploymentIDLength  = 6
	mappingIDLength     = 6
)

const idLetters = "abcdefghijklmnopqrstuvwxyz0123456789"

// spell writes an id of n lower-case letters and digits, the first a letter, as
// API Gateway's are. It takes 2n bytes.
func spell(raw []byte, n int) string {
	id := make([]byte, n)
	for i := range id {
		letters := idLetters
		if i == 0 {
			letters = idLetters[:26]
		}
		id[i] = letters[int(binary.BigEndian.Uint16(raw[2*i:]))%len(letters)]
	}
	return string(id)
}
