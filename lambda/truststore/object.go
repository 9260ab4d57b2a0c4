package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// User metadata of the objects written here.
const (
	ownerKey  = "countersign-owner"  // digest of the stack and the logical id
	digestKey = "countersign-sha256" // of the content
)

// digest is SHA-256 in hexadecimal.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// owner identifies the resource of an event.
func (e *event) owner() string { return digest(e.StackID + "\n" + e.LogicalResourceID) }

// A bundle is a trust store in its bucket.
type bundle struct {
	s3    *s3.Client
	place properties
	owner string
}

// write makes content the current version and gives the version's id. When it
// already is, and the same owner wrote it, then nothing is written.
func (b *bundle) write(ctx context.Context, content []byte) (version string, err error) {
	notVersioned := fmt.Errorf("the bucket %s keeps no versions: enable versioning on it", b.place.bucket)
	sum := digest(string(content))
	current, err := b.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.place.bucket, Key: &b.place.key})
	switch {
	case isNotFound(err): // of the bucket too: writing tells which
	case err != nil:
		return "", untouched{b.failed("look at", err)}
	case aws.ToString(current.VersionId) == "":
		return "", untouched{notVersioned} // and somebody's object would be overwritten
	case current.Metadata[ownerKey] == b.owner && current.Metadata[digestKey] == sum && *current.VersionId != "null":
		return *current.VersionId, nil
	}
	out, err := b.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.place.bucket, Key: &b.place.key, Body: bytes.NewReader(content), ContentType: aws.String("application/x-pem-file"),
		Metadata: map[string]string{ownerKey: b.owner, digestKey: sum},
	})
	if err != nil {
		return "", b.failed("write", err)
	}
	if v := aws.ToString(out.VersionId); v != "" && v != "null" {
		return v, nil
	}
	if _, err := b.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.place.bucket, Key: &b.place.key}); err != nil {
		return "", fmt.Errorf("%w; %w", notVersioned, b.failed("remove what was written to", err))
	}
	return "", notVersioned
}

// remove deletes the owner's versions. What is not there is removed.
func (b *bundle) remove(ctx context.Context) error {
	err := b.removeVersions(ctx)
	if isDenied(err) {
		err = b.hide(ctx)
	}
	if isNotFound(err) {
		return nil
	}
	return err
}

// removeVersions deletes every version of the owner's, and the delete markers
// if nothing else is under the key then: they would keep the bucket from being
// deleted.
func (b *bundle) removeVersions(ctx context.Context) error {
	var versions, markers []string
	pages := s3.NewListObjectVersionsPaginator(b.s3, &s3.ListObjectVersionsInput{Bucket: &b.place.bucket, Prefix: &b.place.key})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return b.failed("list the versions of", err)
		}
		for _, v := range page.Versions {
			if aws.ToString(v.Key) == b.place.key {
				versions = append(versions, aws.ToString(v.VersionId))
			}
		}
		for _, m := range page.DeleteMarkers {
			if aws.ToString(m.Key) == b.place.key {
				markers = append(markers, aws.ToString(m.VersionId))
			}
		}
	}
	others := false
	for _, v := range versions {
		head, err := b.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.place.bucket, Key: &b.place.key, VersionId: &v})
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return b.failed("look at version "+v+" of", err)
		}
		if head.Metadata[ownerKey] != b.owner {
			others = true
			continue
		}
		if err := b.deleteVersion(ctx, v); err != nil {
			return err
		}
	}
	if others {
		return nil
	}
	for _, m := range markers {
		if err := b.deleteVersion(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (b *bundle) deleteVersion(ctx context.Context, version string) error {
	_, err := b.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.place.bucket, Key: &b.place.key, VersionId: &version})
	if err != nil && !isNotFound(err) {
		return b.failed("delete version "+version+" of", err)
	}
	return nil
}

// hide puts a delete marker over the object, if it is the owner's.
func (b *bundle) hide(ctx context.Context) error {
	current, err := b.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.place.bucket, Key: &b.place.key})
	if err != nil {
		return b.failed("look at", err)
	}
	if current.Metadata[ownerKey] != b.owner {
		return nil
	}
	if _, err := b.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.place.bucket, Key: &b.place.key}); err != nil {
		return b.failed("delete", err)
	}
	return nil
}

// failed says what could not be done, in the words of S3 where there are any.
func (b *bundle) failed(what string, err error) error { return &objectError{what, b.place.uri(), err} }

type objectError struct {
	what, uri string
	err       error
}

func (e *objectError) Unwrap() error { return e.err }

func (e *objectError) Error() string {
	text := e.err.Error()
	var coded smithy.APIError
	if errors.As(e.err, &coded) {
		text = coded.ErrorCode()
		if m := coded.ErrorMessage(); m != "" {
			text += ": " + m
		}
	}
	return fmt.Sprintf("%s %s: %s", e.what, e.uri, text)
}

// isNotFound: an answer to HEAD has no body, so its code is the bare status.
func isNotFound(err error) bool {
	return hasCode(err, "NotFound", "NoSuchBucket", "NoSuchKey", "NoSuchVersion")
}

func isDenied(err error) bool { return hasCode(err, "AccessDenied", "Forbidden") }

func hasCode(err error, codes ...string) bool {
	var coded smithy.APIError
	if !errors.As(err, &coded) {
		return false
	}
	for _, c := range codes {
		if coded.ErrorCode() == c {
			return true
		}
	}
	return false
}
