package objects

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

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
