package secrets

import (
	"context"
	"fmt"
	"time"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

const suffixLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// CreateSecret makes a secret, with its first version if a value is given. It may
// be repeated with the same ClientRequestToken and value.
func (s *Service) CreateSecret(ctx context.Context, in *secretsmanager.CreateSecretInput) (*secretsmanager.CreateSecretOutput, error) {
	c := call.From(ctx)
	token, err := requestToken(in.ClientRequestToken)
	if err != nil {
		return nil, err
	}
	value, given, err := inputValue(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if len(in.AddReplicaRegions) > 0 {
		return nil, invalidParameter(notBuilt, "AddReplicaRegions")
	}
	if aws.ToString(in.Type) != "" {
		return nil, invalidParameter(notBuilt, "Type")
	}
	name, tags := aws.ToString(in.Name), map[string]string{}
	if err := checkSecretName(name); err != nil {
		return nil, err
	}
	for _, t := range in.Tags {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	if err := checkTags(ctx, nil, tags, invalidParameter, invalidParameter); err != nil {
		return nil, err
	}
	for range attempts {
		former, err := s.readSecret(ctx, scope(ctx)+name)
		if err != nil {
			return nil, err
		}
		if former != nil {
			return s.createdBefore(ctx, former, token, value, given)
		}
		x := &secret{
			Account: c.Account, Region: c.Region, Name: name, Token: token, Description: aws.ToString(in.Description),
			KMSKey: aws.ToString(in.KmsKeyId), Tags: tags, Created: s.now().UTC(), Changed: s.now().UTC(),
		}
		if x.Suffix, err = s.pick(suffixLetters, suffixLength); err != nil {
			return nil, err
		}
		b := new(store.Batch)
		if given {
			if err := s.addVersion(x, b, token, []string{stageCurrent}, value); err != nil {
				return nil, err
			}
		}
		record, err := encode(x)
		if err != nil {
			return nil, err
		}
		_, err = s.store.Commit(ctx, b.Create(kindSecret, x.key(), record))
		if err == nil {
			return created(x, given), nil
		}
		if !overtaken(err) {
			return nil, fmt.Errorf("write secret %s: %w", x.Name, err)
		}
	}
	return nil, busySecret(name)
}

// createdBefore answers a CreateSecret whose name is in use: it may be the second try.
func (s *Service) createdBefore(ctx context.Context, x *secret, token string, value secretValue, given bool) (*secretsmanager.CreateSecretOutput, error) {
	if !x.Deletion.IsZero() {
		return nil, invalidRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if x.Token != token || given != (x.version(token) != nil) {
		return nil, secretExists(x.Name)
	}
	if given {
		if same, err := s.holds(ctx, x, token, value); err != nil {
			return nil, err
		} else if !same {
			return nil, tokenUsed(token, x.arn())
		}
	}
	return created(x, given), nil
}

func created(x *secret, given bool) *secretsmanager.CreateSecretOutput {
	out := &secretsmanager.CreateSecretOutput{ARN: aws.String(x.arn()), Name: &x.Name}
	if given {
		out.VersionId = &x.Token
	}
	return out
}

// requestToken demands the token that SDKs make by themselves.
func requestToken(token *string) (string, error) {
	if token == nil {
		return "", invalidRequest("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	}
	return *token, nil
}

// inputValue reads the value that a call brings, and whether it does.
func inputValue(text *string, binary []byte) (v secretValue, given bool, err error) {
	if text != nil && len(binary) > 0 {
		return v, false, invalidParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	}
	return secretValue{text, binary}, text != nil || len(binary) > 0, nil
}

// holds reports whether a version has that value.
func (s *Service) holds(ctx context.Context, x *secret, version string, value secretValue) (bool, error) {
	have, err := s.value(ctx, x, version)
	return err == nil && have.equal(value), err
}

// DescribeSecret shows all of a secret but its value.
func (s *Service) DescribeSecret(ctx context.Context, in *secretsmanager.DescribeSecretInput) (*secretsmanager.DescribeSecretOutput, error) {
	x, err := s.find(ctx, in.SecretId)
	if err != nil {
		return nil, err
	}
	return &secretsmanager.DescribeSecretOutput{
		ARN: aws.String(x.arn()), Name: &x.Name, Description: optional(x.Description), KmsKeyId: optional(x.KMSKey), Tags: x.tagList(),
		CreatedDate: &x.Created, LastChangedDate: &x.Changed, LastAccessedDate: date(x.Accessed), DeletedDate: date(x.Deletion), VersionIdsToStages: x.stages(),
	}, nil
}

// stages are the staging labels by version, of those that have any.
func (x *secret) stages() map[string][]string {
	var out map[string][]string
	for _, v := range x.Versions {
		if len(v.Stages) > 0 {
			if out == nil {
				out = map[string][]string{}
			}
			out[v.ID] = v.Stages
		}
	}
	return out
}

// UpdateSecret changes description and key label, and makes a new current version
// if a value is given.
func (s *Service) UpdateSecret(ctx context.Context, in *secretsmanager.UpdateSecretInput) (*secretsmanager.UpdateSecretOutput, error) {
	token, err := requestToken(in.ClientRequestToken)
	if err != nil {
		return nil, err
	}
	value, given, err := inputValue(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if aws.ToString(in.Type) != "" {
		return nil, invalidParameter(notBuilt, "Type")
	}
	x, err := s.editAlive(ctx, in.SecretId, func(x *secret, b *store.Batch) error {
		if in.Description != nil {
			x.Description = *in.Description
		}
		if in.KmsKeyId != nil {
			x.relabel(*in.KmsKeyId)
		}
		x.Changed = s.now().UTC()
		if !given {
			return nil
		}
		if x.version(token) != nil {
			if same, err := s.holds(ctx, x, token, value); err != nil {
				return err
			} else if !same {
				return tokenUsed(token, x.arn())
			}
			return nil
		}
		return s.addVersion(x, b, token, []string{stageCurrent}, value)
	})
	if err != nil {
		return nil, err
	}
	out := &secretsmanager.UpdateSecretOutput{ARN: aws.String(x.arn()), Name: &x.Name}
	if given {
		out.VersionId = &token
	}
	return out, nil
}

// relabel notes another KMS key, for the secret and for the versions that AWS
// would encrypt again with it.
func (x *secret) relabel(key string) {
	x.KMSKey = key
	for _, stage := range []string{stageCurrent, stagePending, stagePrevious} {
		if v := x.staged(stage); v != nil {
			v.KMSKey = key
		}
	}
}

// Recovery windows in days.
const (
	minRecovery     = 7
	maxRecovery     = 30
	defaultRecovery = 30
)

// DeleteSecret schedules a secret for deletion, or deletes it at once if forced.
func (s *Service) DeleteSecret(ctx context.Context, in *secretsmanager.DeleteSecretInput) (*secretsmanager.DeleteSecretOutput, error) {
	force := aws.ToBool(in.ForceDeleteWithoutRecovery)
	days := int64(defaultRecovery)
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
		if force {
			return nil, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
	}
	if days < minRecovery || days > maxRecovery {
		return nil, invalidParameter("The RecoveryWindowInDays value must be between %d and %d days (inclusive).", minRecovery, maxRecovery)
	}
	if force {
		return s.forget(ctx, in.SecretId)
	}
	x, err := s.editAlive(ctx, in.SecretId, func(x *secret, b *store.Batch) error {
		x.Deletion = s.now().UTC().Add(time.Duration(days) * 24 * time.Hour)
		b.Put(KindDeletion, x.deletionKey(), nil)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &secretsmanager.DeleteSecretOutput{ARN: aws.String(x.arn()), Name: &x.Name, DeletionDate: &x.Deletion}, nil
}

// forget deletes a secret at once. As on AWS, that there is none is a success.
func (s *Service) forget(ctx context.Context, id *string) (*secretsmanager.DeleteSecretOutput, error) {
	now := s.now().UTC()
	for range attempts {
		x, err := s.find(ctx, id)
		if isSecretNotFound(err) {
			return s.forgotten(ctx, *id, now)
		}
		if err != nil {
			return nil, err
		}
		err = s.remove(ctx, x)
		if err == nil {
			return &secretsmanager.DeleteSecretOutput{ARN: aws.String(x.arn()), Name: &x.Name, DeletionDate: &now}, nil
		}
		if !overtaken(err) {
			return nil, err
		}
	}
	return nil, busySecret(*id)
}

// forgotten answers the forced deletion of a secret that is not there.
func (s *Service) forgotten(ctx context.Context, id string, now time.Time) (*secretsmanager.DeleteSecretOutput, error) {
	c := call.From(ctx)
	names, err := candidates(id, c.Account, c.Region)
	if err != nil {
		return nil, err
	}
	x := secret{Account: c.Account, Region: c.Region, Name: names[0][0], Suffix: names[0][1]}
	if x.Suffix == "" {
		if x.Suffix, err = s.pick(suffixLetters, suffixLength); err != nil {
			return nil, err
		}
	}
	return &secretsmanager.DeleteSecretOutput{ARN: aws.String(x.arn()), Name: &x.Name, DeletionDate: &now}, nil
}

// remove deletes a secret as it was read, with all its values.
func (s *Service) remove(ctx context.Context, x *secret) error {
	b := new(store.Batch).DeleteIf(kindSecret, x.key(), x.revision)
	if !x.Deletion.IsZero() {
		b.Delete(KindDeletion, x.deletionKey())
	}
	for _, v := range x.Versions {
		b.Delete(kindValue, x.valueKey(v.ID))
	}
	if _, err := s.store.Commit(ctx, b); err != nil {
		return fmt.Errorf("delete secret %s: %w", x.Name, err)
	}
	return nil
}

// RestoreSecret takes a scheduled deletion back. There may be none.
func (s *Service) RestoreSecret(ctx context.Context, in *secretsmanager.RestoreSecretInput) (*secretsmanager.RestoreSecretOutput, error) {
	x, err := s.edit(ctx, in.SecretId, func(x *secret, b *store.Batch) error {
		if x.Deletion.IsZero() {
			return errSame
		}
		b.Delete(KindDeletion, x.deletionKey())
		x.Deletion = time.Time{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &secretsmanager.RestoreSecretOutput{ARN: aws.String(x.arn()), Name: &x.Name}, nil
}

// DeleteDue deletes the secrets whose recovery window has ended, and says when the
// next one does. It is a job.
func (s *Service) DeleteDue(ctx context.Context) (next time.Time, err error) {
	for {
		list, err := s.store.List(ctx, KindDeletion, "", "", 100)
		if err != nil || len(list) == 0 {
			return time.Time{}, err
		}
		for _, r := range list {
			due, key, err := parseDeletion(r.Key)
			if err != nil {
				return time.Time{}, err
			}
			if due.After(s.now()) {
				return due, nil
			}
			x, err := s.readSecret(ctx, key)
			if err != nil {
				return time.Time{}, err
			}
			if x == nil || x.deletionKey() != r.Key { // restored, or another one by now
				_, err = s.store.Commit(ctx, new(store.Batch).DeleteIf(KindDeletion, r.Key, r.Revision))
			} else {
				err = s.remove(ctx, x)
			}
			if err != nil && !overtaken(err) { // whoever was faster leaves a reason to come back
				return time.Time{}, err
			}
		}
	}
}
