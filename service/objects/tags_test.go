package objects

import (
	"context"
	"testing"

	"countersign/call"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestSystemTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "")
	user, stack := w.ctx(), call.Through(w.ctx(), call.CloudFormation)
	put := func(ctx context.Context, pairs ...string) error {
		in := &s3.PutBucketTaggingInput{Bucket: &b, Tagging: &types.Tagging{}}
		for i := 0; i < len(pairs); i += 2 {
			in.Tagging.TagSet = append(in.Tagging.TagSet, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
		}
		_, err := w.PutBucketTagging(ctx, in)
		return err
	}
	const name = "aws:cloudformation:stack-name"
	says(t, put(user, name, "s"), 400, "InvalidTag", "System tags cannot be added/updated by requester")
	if err := put(stack, name, "s", "a", "1"); err != nil {
		t.Fatal(err)
	}
	says(t, put(user, name, "other"), 400, "InvalidTag", "System tags cannot be added/updated by requester")
	says(t, put(user, "a", "2"), 400, "InvalidTag", "System Tags cannot be removed by requester")
	_, err := w.DeleteBucketTagging(user, &s3.DeleteBucketTaggingInput{Bucket: &b})
	says(t, err, 400, "InvalidTag", "System Tags cannot be removed by requester")
	if err := put(user, name, "s", "a", "2"); err != nil {
		t.Errorf("a set with the system tags as they are: %v", err)
	}
	got, err := w.GetBucketTagging(user, &s3.GetBucketTaggingInput{Bucket: &b})
	if err != nil || len(got.TagSet) != 2 || *got.TagSet[0].Value != "s" || *got.TagSet[1].Value != "2" {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = w.PutObjectTagging(stack, &s3.PutObjectTaggingInput{Bucket: &b, Key: aws.String("k"), Tagging: &types.Tagging{TagSet: got.TagSet}})
	refused(t, err, 400, "InvalidTag") // stacks have no objects
	if err := put(stack, "a", "3"); err != nil {
		t.Error(err)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "Enabled")
	first := w.put(b, "k", "one").VersionId
	second := w.put(b, "k", "two").VersionId
	set := func(id *string, value string) {
		t.Helper()
		out, err := w.PutObjectTagging(w.ctx(), &s3.PutObjectTaggingInput{Bucket: &b, Key: aws.String("k"), VersionId: id,
			Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("t"), Value: &value}}}})
		if err != nil {
			t.Fatal(err)
		}
		if id != nil && *out.VersionId != *id {
			t.Errorf("tagged version %s, want %s", *out.VersionId, *id)
		}
	}
	get := func(id *string) string {
		t.Helper()
		out, err := w.GetObjectTagging(w.ctx(), &s3.GetObjectTaggingInput{Bucket: &b, Key: aws.String("k"), VersionId: id})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.TagSet) == 0 {
			return ""
		}
		return *out.TagSet[0].Value
	}
	set(first, "old")
	set(nil, "new")
	if get(first) != "old" || get(second) != "new" || get(nil) != "new" {
		t.Errorf("tags: %q %q %q", get(first), get(second), get(nil))
	}
	w.want(b, "k", first, "one")
	w.want(b, "k", nil, "two")
	if _, err := w.DeleteObjectTagging(w.ctx(), &s3.DeleteObjectTaggingInput{Bucket: &b, Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	if get(nil) != "" || get(first) != "old" {
		t.Errorf("after deletion: %q %q", get(nil), get(first))
	}
	_, err := w.GetObjectTagging(w.ctx(), &s3.GetObjectTaggingInput{Bucket: &b, Key: aws.String("none")})
	refused(t, err, 404, "NoSuchKey")
}
