package secrets

import (
	"context"
	"slices"
	"time"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// Staging labels that the service moves by itself.
const (
	stageCurrent  = "AWSCURRENT"
	stagePrevious = "AWSPREVIOUS"
	stagePending  = "AWSPENDING"
)

const (
	maxStages   = 20             // labels of one version
	keptLong    = 100            // versions without labels go when there are more versions than this,
	keptAnyway  = 24 * time.Hour // unless they are younger
	maxVersions = 1000           // beyond it no version is added
)

// attach moves a staging label to a version, from wherever it is. Moving AWSCURRENT
// moves AWSPREVIOUS to the version that had it.
func (x *secret) attach(stage string, to *version) {
	from := x.staged(stage)
	if from == to {
		return
	}
	if from != nil {
		from.detach(stage)
	}
	to.Stages = append(to.Stages, stage)
	slices.Sort(to.Stages)
	if stage == stageCurrent && from != nil {
		x.attach(stagePrevious, from)
	}
}

func (v *version) detach(stage string) {
	v.Stages = slices.DeleteFunc(v.Stages, func(s string) bool { return s == stage })
}

// addVersion adds a version with its value, and takes away those that need not be kept.
func (s *Service) addVersion(x *secret, b *store.Batch, id string, stages []string, v secretValue) error {
	now := s.now().UTC()
	if len(x.Versions) >= maxVersions {
		return limitExceeded("A secret has at most %d versions; those without staging labels go a day after they were made.", maxVersions)
	}
	if err := s.putValue(b, x, id, v); err != nil {
		return err
	}
	x.Versions = append(x.Versions, version{ID: id, KMSKey: x.KMSKey, Created: now})
	added := &x.Versions[len(x.Versions)-1]
	former := x.staged(stageCurrent)
	for _, stage := range stages {
		x.attach(stage, added)
	}
	if former != nil && !slices.Contains(former.Stages, stageCurrent) {
		// Recorded of AWS: a version that was pending and current is neither afterwards.
		former.detach(stagePending)
	}
	x.Changed = now
	over := len(x.Versions) - keptLong
	x.Versions = slices.DeleteFunc(x.Versions, func(old version) bool {
		if over <= 0 || len(old.Stages) > 0 || now.Sub(old.Created) < keptAnyway {
			return false
		}
		over--
		b.Delete(kindValue, x.valueKey(old.ID))
		return true
	})
	return nil
}

// UpdateSecretVersionStage moves a staging label to a version, from one, or takes it away.
func (s *Service) UpdateSecretVersionStage(ctx context.Context, in *secretsmanager.UpdateSecretVersionStageInput) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
	stage, to, from := aws.ToString(in.VersionStage), in.MoveToVersionId, in.RemoveFromVersionId
	x, err := s.editAlive(ctx, in.SecretId, func(x *secret, _ *store.Batch) error {
		if to == nil && from == nil {
			return invalidParameter("You must provide MoveToVersionId, RemoveFromVersionId, or both.")
		}
		for _, id := range []*string{to, from} {
			if id != nil && x.version(*id) == nil {
				return valueNotFound("VersionId", *id)
			}
		}
		if holder := x.staged(stage); holder != nil && to != nil && holder.ID != *to {
			if from == nil {
				return invalidParameter("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", stage, holder.ID)
			}
		}
		if from != nil {
			v := x.version(*from)
			if !slices.Contains(v.Stages, stage) {
				return invalidParameter("The parameter RemoveFromVersionId refers to version %s, which staging label %s is not attached to.", v.ID, stage)
			}
			if to == nil {
				if stage == stageCurrent {
					return invalidParameter("You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
				}
				v.detach(stage)
			}
		}
		if to != nil {
			v := x.version(*to)
			if !slices.Contains(v.Stages, stage) && len(v.Stages) >= maxStages {
				return limitExceeded("A version of a secret has at most %d staging labels.", maxStages)
			}
			x.attach(stage, v)
		}
		x.Changed = s.now().UTC()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &secretsmanager.UpdateSecretVersionStageOutput{ARN: aws.String(x.arn()), Name: &x.Name}, nil
}

// ListSecretVersionIds lists versions, oldest first; those without staging labels if asked.
func (s *Service) ListSecretVersionIds(ctx context.Context, in *secretsmanager.ListSecretVersionIdsInput) (*secretsmanager.ListSecretVersionIdsOutput, error) {
	x, err := s.find(ctx, in.SecretId)
	if err != nil {
		return nil, err
	}
	limit := 100
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	list := x.Versions
	if in.NextToken != nil { // the id of the last one that was answered
		after := slices.IndexFunc(list, func(v version) bool { return v.ID == *in.NextToken })
		if after < 0 {
			return nil, invalidToken()
		}
		list = list[after+1:]
	}
	out := &secretsmanager.ListSecretVersionIdsOutput{ARN: aws.String(x.arn()), Name: &x.Name, Versions: []smtypes.SecretVersionsListEntry{}}
	for _, v := range list {
		if len(v.Stages) == 0 && !aws.ToBool(in.IncludeDeprecated) {
			continue
		}
		if len(out.Versions) == limit {
			out.NextToken = out.Versions[limit-1].VersionId
			break
		}
		out.Versions = append(out.Versions, smtypes.SecretVersionsListEntry{
			VersionId: &v.ID, VersionStages: v.Stages, CreatedDate: &v.Created, LastAccessedDate: date(v.Accessed), KmsKeyIds: []string{kmsKey(v.KMSKey)},
		})
	}
	return out, nil
}

// kmsKey names the key of a version as AWS does.
func kmsKey(id string) string {
	if id == "" {
		return "DefaultEncryptionKey"
	}
	return id
}

// date is nil for the zero time.
func date(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
