package secrets

import (
	"context"
	"errors"
	"slices"
	"time"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
)

// PutSecretValue makes a new version. Without VersionStages it becomes the
// current one. It may be repeated with the same ClientRequestToken and value.
func (s *Service) PutSecretValue(ctx context.Context, in *secretsmanager.PutSecretValueInput) (*secretsmanager.PutSecretValueOutput, error) {
	token, err := requestToken(in.ClientRequestToken)
	if err != nil {
		return nil, err
	}
	value, given, err := inputValue(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if !given {
		return nil, invalidRequest("You must provide either SecretString or SecretBinary.")
	}
	if in.RotationToken != nil {
		return nil, invalidParameter(notBuilt, "RotationToken")
	}
	stages := slices.Compact(slices.Sorted(slices.Values(in.VersionStages)))
	x, err := s.editAlive(ctx, in.SecretId, func(x *secret, b *store.Batch) error {
		if x.version(token) != nil {
			if same, err := s.holds(ctx, x, token, value); err != nil {
				return err
			} else if !same {
				return tokenUsed(token, x.arn())
			}
			return errSame
		}
		attached := stages
		if len(attached) == 0 {
			attached = []string{stageCurrent}
		}
		if len(x.Versions) == 0 && !slices.Contains(attached, stageCurrent) {
			attached = append(slices.Clone(attached), stageCurrent)
		}
		return s.addVersion(x, b, token, attached, value)
	})
	if err != nil {
		return nil, err
	}
	return &secretsmanager.PutSecretValueOutput{ARN: aws.String(x.arn()), Name: &x.Name, VersionId: &token, VersionStages: x.version(token).Stages}, nil
}

// GetSecretValue reads a version: the current one, or what stage and id name.
func (s *Service) GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
	for range attempts {
		x, err := s.alive(ctx, in.SecretId)
		if err != nil {
			return nil, err
		}
		v, err := x.choose(in.VersionId, in.VersionStage)
		if err != nil {
			return nil, err
		}
		value, err := s.value(ctx, x, v.ID)
		if errors.Is(err, store.ErrNotFound) { // it has gone between the two reads
			continue
		}
		if err != nil {
			return nil, err
		}
		s.noteAccess(x, v)
		return &secretsmanager.GetSecretValueOutput{
			ARN: aws.String(x.arn()), Name: &x.Name, VersionId: &v.ID, VersionStages: v.Stages, CreatedDate: &v.Created,
			SecretString: value.String, SecretBinary: value.Binary,
		}, nil
	}
	return nil, busySecret(aws.ToString(in.SecretId))
}

// choose finds the version that a caller wants.
func (x *secret) choose(id, stage *string) (*version, error) {
	if id == nil {
		label := stageCurrent
		if stage != nil {
			label = *stage
		}
		v := x.staged(label)
		if v == nil {
			return nil, valueNotFound("staging label", label)
		}
		return v, nil
	}
	v := x.version(*id)
	switch {
	case v == nil:
		return nil, valueNotFound("VersionId", *id)
	case stage != nil && !slices.Contains(v.Stages, *stage):
		return nil, invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return v, nil
}

// noteAccess notes the day on which a value was read, once a day, without making
// the reader wait: a note that is lost is made by the next one.
func (s *Service) noteAccess(x *secret, v *version) {
	day := s.now().UTC().Truncate(24 * time.Hour)
	if v.Accessed.Equal(day) {
		return
	}
	v.Accessed, x.Accessed = day, day
	if record, err := encode(x); err == nil {
		s.store.Later(new(store.Batch).Replace(kindSecret, x.key(), record, x.revision))
	}
}

// BatchGetSecretValue reads the current values of several secrets. One that
// cannot be read is told of in Errors.
func (s *Service) BatchGetSecretValue(ctx context.Context, in *secretsmanager.BatchGetSecretValueInput) (*secretsmanager.BatchGetSecretValueOutput, error) {
	if (len(in.SecretIdList) > 0) == (len(in.Filters) > 0) {
		return nil, invalidParameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	}
	out := &secretsmanager.BatchGetSecretValueOutput{SecretValues: []smtypes.SecretValueEntry{}, Errors: []smtypes.APIErrorType{}}
	ids := in.SecretIdList
	if len(in.Filters) > 0 {
		limit := int32(20)
		if in.MaxResults != nil {
			limit = *in.MaxResults
		}
		page, err := inner(ctx, s, s.ListSecrets, &secretsmanager.ListSecretsInput{Filters: in.Filters, MaxResults: &limit, NextToken: in.NextToken})
		if err != nil {
			return nil, err
		}
		for _, e := range page.SecretList {
			ids = append(ids, *e.ARN)
		}
		out.NextToken = page.NextToken
	} else if in.MaxResults != nil {
		return nil, invalidParameter("'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.")
	}
	for _, id := range ids {
		got, err := inner(ctx, s, s.GetSecretValue, &secretsmanager.GetSecretValueInput{SecretId: &id})
		var refused smithy.APIError
		switch {
		case err == nil:
			out.SecretValues = append(out.SecretValues, smtypes.SecretValueEntry{
				ARN: got.ARN, Name: got.Name, VersionId: got.VersionId, VersionStages: got.VersionStages, CreatedDate: got.CreatedDate,
				SecretString: got.SecretString, SecretBinary: got.SecretBinary,
			})
		case errors.As(err, &refused):
			out.Errors = append(out.Errors, smtypes.APIErrorType{SecretId: &id, ErrorCode: aws.String(refused.ErrorCode()), Message: aws.String(refused.ErrorMessage())})
		default:
			return nil, err
		}
	}
	return out, nil
}
