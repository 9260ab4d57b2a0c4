package secrets

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"countersign/arn"
	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// suffixLength is how many random characters end a secret's ARN, after a hyphen.
const suffixLength = 6

var secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]+$`)

func checkSecretName(name string) error {
	if !secretName.MatchString(name) {
		return validation("Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	return nil
}

// candidates are the names, and the suffixes if they matter, that a SecretId may
// mean, the likelier first. An ARN that ends in a hyphen and six characters may be whole, or
// lack its suffix and be that of a secret with such a name.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
func candidates(id, account, region string) ([][2]string, error) {
	if !strings.HasPrefix(id, "arn:") {
		return [][2]string{{id, ""}}, checkSecretName(id)
	}
	a, err := arn.Parse(id)
	if err != nil {
		return nil, validation("Invalid secret ARN %q: %v", id, err)
	}
	name, ok := strings.CutPrefix(a.Resource, "secret:")
	if !ok || a.Service != "secretsmanager" || !secretName.MatchString(name) {
		return nil, validation("%q is not the ARN of a secret", id)
	}
	if a.Account != account || a.Region != region || a.Partition != arn.Partition(region) {
		return nil, secretNotFound()
	}
	var out [][2]string
	if cut := len(name) - suffixLength - 1; cut > 0 && name[cut] == '-' {
		out = append(out, [2]string{name[:cut], name[cut+1:]})
	}
	return append(out, [2]string{name, ""}), nil
}

// find reads the secret that an id names: its name, its ARN, or its ARN without
// the random suffix.
func (s *Service) find(ctx context.Context, id *string) (*secret, error) {
	c := call.From(ctx)
	names, err := candidates(aws.ToString(id), c.Account, c.Region)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		x, err := s.readSecret(ctx, scope(ctx)+n[0])
		if err != nil {
			return nil, err
		}
		if x != nil && (n[1] == "" || n[1] == x.Suffix) {
			return x, nil
		}
	}
	return nil, secretNotFound()
}

// alive is find for operations that a secret must not be scheduled for deletion for.
func (s *Service) alive(ctx context.Context, id *string) (*secret, error) {
	x, err := s.find(ctx, id)
	if err == nil && !x.Deletion.IsZero() {
		return nil, markedForDeletion()
	}
	return x, err
}

// errSame ends an edit that has nothing to change, with success.
var errSame = errors.New("nothing to change")

// edit changes a secret. change may add to the batch, is run again when somebody
// else wrote first, and returns errors for the client, or errSame.
func (s *Service) edit(ctx context.Context, id *string, change func(x *secret, b *store.Batch) error) (*secret, error) {
	for range attempts {
		x, err := s.find(ctx, id)
		if err != nil {
			return nil, err
		}
		b := new(store.Batch)
		if err := change(x, b); err == errSame {
			return x, nil
		} else if err != nil {
			return nil, err
		}
		record, err := encode(x)
		if err != nil {
			return nil, err
		}
		_, err = s.store.Commit(ctx, b.Replace(kindSecret, x.key(), record, x.revision))
		if err == nil {
			return x, nil
		}
		if !overtaken(err) {
			return nil, fmt.Errorf("write secret %s: %w", x.Name, err)
		}
	}
	return nil, busySecret(aws.ToString(id))
}

// editAlive is edit for operations that a secret must not be scheduled for deletion for.
func (s *Service) editAlive(ctx context.Context, id *string, change func(x *secret, b *store.Batch) error) (*secret, error) {
	return s.edit(ctx, id, func(x *secret, b *store.Batch) error {
		if !x.Deletion.IsZero() {
			return markedForDeletion()
		}
		return change(x, b)
	})
}
