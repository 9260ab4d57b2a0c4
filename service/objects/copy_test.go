package objects

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bucketOf("alpha", "Enabled")
	plain := w.bucketOf("beta", "")
	body := large(200 << 10)
	_, err := w.PutObject(w.ctx(), &s3.PutObjectInput{Bucket: &b, Key: aws.String("a b/ü"), Body: strings.NewReader(body), ContentType: aws.String("text/x"),
		Metadata: map[string]string{"m": "1"}, Tagging: aws.String("t=1"), ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: sha256Of(body)})
	if err != nil {
		t.Fatal(err)
	}
	old := w.want(b, "a b/ü", nil, body)
	w.put(b, "a b/ü", "newer")
	src := b + "/a%20b/%C3%BC?versionId=" + *old.VersionId

	out, err := w.CopyObject(w.ctx(), &s3.CopyObjectInput{Bucket: &plain, Key: aws.String("copy"), CopySource: &src})
	if err != nil {
		t.Fatal(err)
	}
	if *out.CopyObjectResult.ETag != *old.ETag || *out.CopySourceVersionId != *old.VersionId || aws.ToString(out.CopyObjectResult.ChecksumSHA256) != *sha256Of(body) {
		t.Errorf("copy: %+v %+v", out, out.CopyObjectResult)
	}
	got := w.want(plain, "copy", nil, body)
	if *got.ContentType != "text/x" || got.Metadata["m"] != "1" || *got.TagCount != 1 {
		t.Errorf("copied: %+v", got)
	}
	if _, err = w.CopyObject(w.ctx(), &s3.CopyObjectInput{Bucket: &plain, Key: aws.String("copy2"), CopySource: aws.String("/" + src),
		MetadataDirective: types.MetadataDirectiveReplace, TaggingDirective: types.TaggingDirectiveReplace, ContentType: aws.String("text/y")}); err != nil {
		t.Fatal(err)
	}
	got = w.want(plain, "copy2", nil, body)
	if *got.ContentType != "text/y" || len(got.Metadata) != 0 || got.TagCount != nil {
		t.Errorf("replaced: %+v", got)
	}
	// The copy lives on its own.
	w.delete(b, "a b/ü", old.VersionId)
	w.want(plain, "copy", nil, body)

	marker := w.delete(b, "a b/ü", nil).VersionId
	for name, c := range map[string]struct {
		in     s3.CopyObjectInput
		status int
		code   string
	}{
		"itself":             {s3.CopyObjectInput{Key: aws.String("copy"), CopySource: aws.String("beta/copy")}, 400, "InvalidRequest"},
		"hidden by a marker": {s3.CopyObjectInput{CopySource: aws.String("alpha/a b/ü")}, 404, "NoSuchKey"},
		"marker":             {s3.CopyObjectInput{CopySource: aws.String("alpha/a b/ü?versionId=" + *marker)}, 400, "InvalidRequest"},
		"no key":             {s3.CopyObjectInput{CopySource: aws.String("alpha/")}, 400, "InvalidArgument"},
		"encoding":           {s3.CopyObjectInput{CopySource: aws.String("alpha/%zz")}, 400, "InvalidArgument"},
		"version":            {s3.CopyObjectInput{CopySource: aws.String("beta/copy?versionId=x")}, 400, "InvalidArgument"},
		"condition":          {s3.CopyObjectInput{CopySource: aws.String("beta/copy"), CopySourceIfNoneMatch: old.ETag}, 412, "PreconditionFailed"},
		"condition 2":        {s3.CopyObjectInput{CopySource: aws.String("beta/copy"), CopySourceIfMatch: aws.String("x")}, 412, "PreconditionFailed"},
		"exists":             {s3.CopyObjectInput{Key: aws.String("copy2"), CopySource: aws.String("beta/copy"), IfNoneMatch: aws.String("*")}, 412, "PreconditionFailed"},
		"directive":          {s3.CopyObjectInput{CopySource: aws.String("beta/copy"), MetadataDirective: "MERGE"}, 400, "InvalidArgument"},
	} {
		in := c.in
		in.Bucket = &plain
		if in.Key == nil {
			in.Key = aws.String("other")
		}
		_, err := w.CopyObject(w.ctx(), &in)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		refused(t, err, c.status, c.code)
	}
	// Onto itself with something changed is how metadata are edited.
	if _, err := w.CopyObject(w.ctx(), &s3.CopyObjectInput{Bucket: &plain, Key: aws.String("copy"), CopySource: aws.String("beta/copy"),
		MetadataDirective: types.MetadataDirectiveReplace, Metadata: map[string]string{"m": "2"}}); err != nil {
		t.Fatal(err)
	}
	if got := w.want(plain, "copy", nil, body); got.Metadata["m"] != "2" {
		t.Errorf("edited metadata: %v", got.Metadata)
	}
}
