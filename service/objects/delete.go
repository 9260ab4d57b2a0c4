package objects

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// DeleteObject deletes. Without VersionId it hides the key behind a delete marker
// where the bucket has, or had, versioning, and removes the object otherwise;
// with VersionId it removes that version for good. What is not there is no error.
func (s *Service) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	if in.MFA != nil {
		return nil, notBuilt("x-amz-mfa", "MFA delete is not built in this version of Countersign.")
	}
	d, err := s.remove(ctx, in.Bucket, in.ExpectedBucketOwner, deletion{
		key: aws.ToString(in.Key), id: in.VersionId, match: in.IfMatch, size: in.IfMatchSize, modified: in.IfMatchLastModifiedTime,
	})
	if err != nil {
		return nil, err
	}
	out := &s3.DeleteObjectOutput{VersionId: d.id}
	if d.marker {
		out.DeleteMarker = aws.Bool(true)
	}
	return out, nil
}

type deletion struct {
	key      string
	id       *string // nil: the key
	match    *string // If-Match
	size     *int64
	modified *time.Time
}

// deleted is what came of a deletion.
type deleted struct {
	id     *string // of the version removed or the marker made
	marker bool    // that was, or is, a delete marker
}

func (s *Service) remove(ctx context.Context, name, expected *string, d deletion) (done deleted, err error) {
	if err := checkKey(d.key); err != nil {
		return deleted{}, err
	}
	if d.size != nil || d.modified != nil {
		return deleted{}, notBuilt("x-amz-if-match-size", "Conditions on size and time are for directory buckets.")
	}
	err = s.commit(ctx, headKey(aws.ToString(name), d.key), func(b *store.Batch) error {
		bk, err := s.bucket(ctx, name, expected)
		if err != nil {
			return err
		}
		h, err := s.head(ctx, bk.Name, d.key)
		if err != nil {
			return err
		}
		if d.match != nil {
			// The condition is on the current version whichever is to be deleted.
			// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
			switch {
			case h == nil:
				return noSuchKey(d.key)
			case h.Current.Marker || !matches(*d.match, h.Current.ETag):
				return preconditionFailed("If-Match")
			}
		}
		if d.id != nil {
			done, err = s.removeVersion(ctx, b, bk, h, d.key, *d.id)
			return err
		}
		done, err = s.removeKey(ctx, b, bk, h, d.key)
		return err
	})
	return done, err
}

// removeKey adds to b what DELETE without a version id does.
func (s *Service) removeKey(ctx context.Context, b *store.Batch, bk *bucket, h *head, key string) (deleted, error) {
	if bk.Versioning == "" {
		if h == nil {
			return deleted{}, nil
		}
		done, err := s.removeVersion(ctx, b, bk, h, key, nullID)
		done.id = nil
		return done, err
	}
	marker := &version{Key: key, Marker: true}
	if err := s.place(ctx, b, bk, marker, writeCondition{}); err != nil {
		return deleted{}, err
	}
	return deleted{id: &marker.ID, marker: true}, nil
}

// removeVersion adds to b the removal of one version; the next newest becomes current.
func (s *Service) removeVersion(ctx context.Context, b *store.Batch, bk *bucket, h *head, key, id string) (deleted, error) {
	v, err := s.find(ctx, bk, key, id)
	if err != nil {
		return deleted{}, err
	}
	done := deleted{id: &id}
	if v == nil {
		return done, nil
	}
	if h == nil {
		return deleted{}, errStale
	}
	done.marker = v.Marker
	if err := s.drop(ctx, b, bk.Name, v); err != nil {
		return deleted{}, err
	}
	hold(b, bk)
	next := *h
	if next.Null == v.Sequence {
		next.Null = 0
	}
	if v.Sequence == h.Current.Sequence {
		older, err := s.store.List(ctx, kindVersion, versionPrefix(bk.Name, key), versionKey(bk.Name, key, v.Sequence), 1)
		if err != nil {
			return deleted{}, fmt.Errorf("find the version before: %w", err)
		}
		if len(older) == 0 {
			b.DeleteIf(kindHead, headKey(bk.Name, key), h.rev)
			return done, nil
		}
		current, err := decode[version](older[0])
		if err != nil {
			return deleted{}, err
		}
		next.Current = *current
	}
	b.Replace(kindHead, headKey(bk.Name, key), encode(next), h.rev)
	return done, nil
}

const (
	maxDeletes      = 1000 // keys of one DeleteObjects
	deletesAtOnce   = 32   // they share the store's commits
	internalMessage = "We encountered an internal error. Please try again."
)

// DeleteObjects deletes up to a thousand keys or versions, each as DeleteObject
// does and on its own: some may fail. Answers are in the order of the request.
func (s *Service) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (*s3.DeleteObjectsOutput, error) {
	if in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > maxDeletes {
		return nil, malformedXML()
	}
	if in.MFA != nil {
		return nil, notBuilt("x-amz-mfa", "MFA delete is not built in this version of Countersign.")
	}
	if _, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner); err != nil {
		return nil, err
	}
	objects := in.Delete.Objects
	done := make([]deleted, len(objects))
	failed := make([]error, len(objects))
	var group sync.WaitGroup
	turns := make(chan struct{}, deletesAtOnce)
	for i, o := range objects {
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			done[i], failed[i] = s.remove(ctx, in.Bucket, in.ExpectedBucketOwner, deletion{
				key: aws.ToString(o.Key), id: o.VersionId, match: o.ETag, size: o.Size, modified: o.LastModifiedTime,
			})
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := &s3.DeleteObjectsOutput{}
	for i, o := range objects {
		if err := failed[i]; err != nil {
			shown := types.Error{Key: o.Key, VersionId: o.VersionId, Code: aws.String("InternalError"), Message: aws.String(internalMessage)}
			var api smithy.APIError
			if errors.As(err, &api) {
				shown.Code, shown.Message = aws.String(api.ErrorCode()), aws.String(api.ErrorMessage())
			}
			out.Errors = append(out.Errors, shown)
			continue
		}
		if aws.ToBool(in.Delete.Quiet) {
			continue
		}
		shown := types.DeletedObject{Key: o.Key, VersionId: o.VersionId}
		if done[i].marker {
			shown.DeleteMarker, shown.DeleteMarkerVersionId = aws.Bool(true), done[i].id
		}
		out.Deleted = append(out.Deleted, shown)
	}
	return out, nil
}
