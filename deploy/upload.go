package deploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// A Step is something that was done on the way.
type Step struct {
	Name, Detail string
	Took         time.Duration
	Built        time.Duration // of Took: what it took to read, compile or zip, before anything was sent
}

// take builds and uploads all that the folder's template points at, nested templates included.
func (d *Deployment) take(ctx context.Context, f *Folder) error {
	type source struct{ path, arch, runtime string }
	done := map[source]location{}
	for _, a := range f.artifacts {
		arch, err := f.architecture(a, d.Parameters)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", f.Template, a.node.Line, err)
		}
		from := source{a.path, arch, a.runtime}
		if at, ok := done[from]; ok {
			a.location = at
			continue
		}
		start := time.Now()
		var data []byte
		var how string
		extension := ".zip"
		if a.kind == nestedTemplate {
			if err := d.take(ctx, a.nested); err != nil {
				return err
			}
			data, err = a.nested.rewritten(d.endpoint)
			how, extension = "read", ".template"
		} else {
			data, how, err = pack(ctx, a, arch)
			if a.kind == wholeFile {
				extension = filepath.Ext(a.path)
			}
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %s of %s: %w", f.Template, a.node.Line, a.property, a.users[0], err)
		}
		built := time.Since(start)
		at, sent, err := d.put(ctx, data, extension)
		if err != nil {
			return fmt.Errorf("upload %s: %w", a.path, err)
		}
		if !sent {
			how += ", there already"
		}
		a.location, done[from] = at, at
		d.report(Step{Name: a.property + " of " + a.users[0], Detail: fmt.Sprintf("%s, %s", how, size(len(data))), Took: time.Since(start), Built: built})
	}
	return nil
}

func size(n int) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// put uploads bytes under a name that is their hash. Sent is false when they were there.
func (d *Deployment) put(ctx context.Context, data []byte, extension string) (at location, sent bool, err error) {
	if err := d.bucket(ctx); err != nil {
		return location{}, false, err
	}
	sum := sha256.Sum256(data)
	at = location{d.Bucket, d.Stack + "/" + hex.EncodeToString(sum[:16]) + extension}
	if _, err := d.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &at.Bucket, Key: &at.Key}); err == nil {
		return at, false, nil
	} else if !isMissing(err) {
		return at, false, err
	}
	_, err = d.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &at.Bucket, Key: &at.Key, Body: bytes.NewReader(data)})
	return at, true, err
}

func isMissing(err error) bool {
	var coded smithy.APIError
	return errors.As(err, &coded) && (coded.ErrorCode() == "NotFound" || coded.ErrorCode() == "NoSuchKey" || coded.ErrorCode() == "NoSuchBucket")
}

// bucket sees to it that there is a bucket for artifacts. The one that it makes is named
// after the account and Region, private and versioned.
func (d *Deployment) bucket(ctx context.Context) error {
	if d.ready {
		return nil
	}
	if d.Bucket != "" {
		d.ready = true
		return nil
	}
	who, err := d.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return err
	}
	d.Bucket = "countersign-deploy-" + aws.ToString(who.Account) + "-" + d.region
	_, err = d.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &d.Bucket, ExpectedBucketOwner: who.Account})
	switch {
	case err == nil:
		d.ready = true
		return nil
	case !isMissing(err):
		return fmt.Errorf("look for the bucket %s: %w", d.Bucket, err)
	}
	in := &s3.CreateBucketInput{Bucket: &d.Bucket}
	if d.region != "us-east-1" {
		in.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(d.region)}
	}
	start := time.Now()
	var owned *s3types.BucketAlreadyOwnedByYou
	if _, err := d.s3.CreateBucket(ctx, in); err != nil && !errors.As(err, &owned) {
		return fmt.Errorf("create the bucket %s: %w", d.Bucket, err)
	}
	_, err = d.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &d.Bucket, PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{
		BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
	}})
	if err != nil {
		return fmt.Errorf("close the bucket %s to the public: %w", d.Bucket, err)
	}
	d.report(Step{Name: "bucket for artifacts", Detail: d.Bucket, Took: time.Since(start)})
	d.ready = true
	return nil
}
