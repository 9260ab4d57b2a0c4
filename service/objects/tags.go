package objects

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	maxObjectTags = 10
	maxBucketTags = 50
	maxTagKey     = 128 // characters
	maxTagValue   = 256
)

// readTags checks a tag set. System tags do not count, and may be in it where
// system, which may be nil, says so.
func readTags(in []types.Tag, most int, system func(tag) bool) ([]tag, error) {
	users := 0
	for _, t := range in {
		if !call.SystemTag(aws.ToString(t.Key)) {
			users++
		}
	}
	if users > most {
		what := "Object"
		if most == maxBucketTags {
			what = "Bucket"
		}
		return nil, refuse(400, "BadRequest", fmt.Sprintf("%s tags cannot be greater than %d", what, most))
	}
	var tags []tag
	seen := map[string]bool{}
	for _, t := range in {
		k, v := aws.ToString(t.Key), aws.ToString(t.Value)
		switch {
		case k == "" || utf8.RuneCountInString(k) > maxTagKey || !utf8.ValidString(k):
			return nil, refuse(400, "InvalidTag", "The TagKey you have provided is invalid").field("TagKey", k)
		case utf8.RuneCountInString(v) > maxTagValue || !utf8.ValidString(v):
			return nil, refuse(400, "InvalidTag", "The TagValue you have provided is invalid").field("TagKey", k).field("TagValue", v)
		case call.SystemTag(k) && (system == nil || !system(tag{k, v})):
			return nil, refuse(400, "InvalidTag", "System tags cannot be added/updated by requester").field("TagKey", k)
		case seen[k]:
			return nil, refuse(400, "InvalidTag", "Cannot provide multiple Tags with the same key").field("TagKey", k)
		}
		seen[k] = true
		tags = append(tags, tag{k, v})
	}
	return tags, nil
}

// parseTagging reads the header x-amz-tagging: key=value pairs as in a URL query.
func parseTagging(header *string) ([]tag, error) {
	if header == nil || *header == "" {
		return nil, nil
	}
	bad := invalidArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.", "x-amz-tagging", *header)
	var set []types.Tag
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(*header, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || seen[name] {
			return nil, bad
		}
		value, err = url.QueryUnescape(value)
		if err != nil {
			return nil, bad
		}
		seen[name] = true
		set = append(set, types.Tag{Key: &name, Value: &value})
	}
	return readTags(set, maxObjectTags, nil)
}

func showTags(tags []tag) []types.Tag {
	out := make([]types.Tag, 0, len(tags))
	for _, t := range tags {
		out = append(out, types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
	}
	return out
}

// PutBucketTagging replaces a bucket's tags.
func (s *Service) PutBucketTagging(ctx context.Context, in *s3.PutBucketTaggingInput) (*s3.PutBucketTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, malformedXML()
	}
	c := call.From(ctx)
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		// A set that takes over the bucket's system tags as they are does not change them.
		tags, err := readTags(in.Tagging.TagSet, maxBucketTags, func(t tag) bool { return c.MayTag(t.Key) || slices.Contains(bk.Tags, t) })
		if err != nil {
			return err
		}
		return bk.retag(ctx, tags)
	})
	return &s3.PutBucketTaggingOutput{}, err
}

// GetBucketTagging shows a bucket's tags; NoSuchTagSet when it has none.
func (s *Service) GetBucketTagging(ctx context.Context, in *s3.GetBucketTaggingInput) (*s3.GetBucketTaggingOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if len(bk.Tags) == 0 {
		return nil, refuse(404, "NoSuchTagSet", "The TagSet does not exist").field("BucketName", bk.Name)
	}
	return &s3.GetBucketTaggingOutput{TagSet: showTags(bk.Tags)}, nil
}

// DeleteBucketTagging takes a bucket's tags away.
func (s *Service) DeleteBucketTagging(ctx context.Context, in *s3.DeleteBucketTaggingInput) (*s3.DeleteBucketTaggingOutput, error) {
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error { return bk.retag(ctx, nil) })
	return &s3.DeleteBucketTaggingOutput{}, err
}

// retag gives the bucket other tags. Its system tags go with CloudFormation only.
func (bk *bucket) retag(ctx context.Context, tags []tag) error {
	c := call.From(ctx)
	for _, t := range bk.Tags {
		kept := slices.ContainsFunc(tags, func(n tag) bool { return n.Key == t.Key })
		if !kept && !c.MayTag(t.Key) {
			return refuse(400, "InvalidTag", "System Tags cannot be removed by requester").field("TagKey", t.Key)
		}
	}
	bk.Tags = tags
	return nil
}

// GetObjectTagging shows a version's tags; an empty set when it has none.
func (s *Service) GetObjectTagging(ctx context.Context, in *s3.GetObjectTaggingInput) (*s3.GetObjectTaggingOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	v, err := s.lookup(ctx, bk, aws.ToString(in.Key), in.VersionId, "GET")
	if err != nil {
		return nil, err
	}
	return &s3.GetObjectTaggingOutput{TagSet: showTags(v.Tags), VersionId: bk.shown(v.ID)}, nil
}

// PutObjectTagging replaces a version's tags.
func (s *Service) PutObjectTagging(ctx context.Context, in *s3.PutObjectTaggingInput) (*s3.PutObjectTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, malformedXML()
	}
	tags, err := readTags(in.Tagging.TagSet, maxObjectTags, nil)
	if err != nil {
		return nil, err
	}
	id, err := s.alter(ctx, in.Bucket, in.ExpectedBucketOwner, aws.ToString(in.Key), in.VersionId, "PUT", retag(tags))
	return &s3.PutObjectTaggingOutput{VersionId: id}, err
}

// DeleteObjectTagging takes a version's tags away.
func (s *Service) DeleteObjectTagging(ctx context.Context, in *s3.DeleteObjectTaggingInput) (*s3.DeleteObjectTaggingOutput, error) {
	id, err := s.alter(ctx, in.Bucket, in.ExpectedBucketOwner, aws.ToString(in.Key), in.VersionId, "DELETE", retag(nil))
	return &s3.DeleteObjectTaggingOutput{VersionId: id}, err
}

func retag(tags []tag) func(*bucket, *version) error {
	return func(_ *bucket, v *version) error {
		v.Tags = tags
		return nil
	}
}

// alter changes what is kept beside the bytes of a version. Durable on return.
func (s *Service) alter(ctx context.Context, name, expected *string, key string, id *string, method string, change func(*bucket, *version) error) (shown *string, err error) {
	err = s.commit(ctx, headKey(aws.ToString(name), key), func(b *store.Batch) error {
		bk, err := s.bucket(ctx, name, expected)
		if err != nil {
			return err
		}
		// The head is read before the version, so that a version newer than the head cannot slip in unseen.
		h, err := s.head(ctx, bk.Name, key)
		if err != nil {
			return err
		}
		v, err := s.lookup(ctx, bk, key, id, method)
		if err != nil {
			return err
		}
		if h == nil {
			return errStale
		}
		if err := change(bk, v); err != nil {
			return err
		}
		if v.Sequence == h.Current.Sequence {
			h.Current = *v
		}
		shown = bk.shown(v.ID)
		hold(b, bk)
		b.Put(kindVersion, versionKey(bk.Name, key, v.Sequence), encode(v))
		b.Replace(kindHead, headKey(bk.Name, key), encode(h), h.rev)
		return nil
	})
	return shown, err
}
