package functions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"countersign/service/functions/bundle"
	"countersign/service/functions/runner"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// maxRequest is what AWS's message about too large a request names: 50 MiB in base64 and some.
const maxRequest = 70167211

// A parcel is a deployment package as it comes in: checked, and readable at random.
type parcel struct {
	code code // without Blob
	r    io.ReaderAt
	done func()
}

// accept fetches and checks the package that a request means. The caller calls
// done. Nothing is stored.
func (s *Service) accept(ctx context.Context, in *types.FunctionCode) (*parcel, error) {
	switch {
	case in == nil:
		return nil, invalid("Please provide a source for function code.")
	case in.ImageUri != nil:
		return nil, notBuilt("ImageUri (PackageType Image)")
	case in.SourceKMSKeyArn != nil:
		return nil, notBuilt("SourceKMSKeyArn")
	case in.S3ObjectStorageMode != "" && in.S3ObjectStorageMode != types.S3ObjectStorageModeCopy:
		return nil, notBuilt("S3ObjectStorageMode " + string(in.S3ObjectStorageMode))
	}
	fromS3 := in.S3Bucket != nil || in.S3Key != nil || in.S3ObjectVersion != nil
	switch {
	case fromS3 && in.ZipFile != nil:
		return nil, invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case in.ZipFile != nil:
		if len(in.ZipFile) > bundle.MaxUpload {
			return nil, requestTooLarge("Request must be smaller than %d bytes for the CreateFunction operation", maxRequest)
		}
		p := &parcel{r: bytes.NewReader(in.ZipFile), done: func() {}}
		sum := sha256.Sum256(in.ZipFile)
		p.code.SHA256, p.code.Size = hex.EncodeToString(sum[:]), int64(len(in.ZipFile))
		return p, p.check()
	case aws.ToString(in.S3Bucket) != "" && aws.ToString(in.S3Key) != "":
		return s.fetch(ctx, in)
	case fromS3:
		return nil, invalid("S3Bucket and S3Key are both required when code comes from S3.")
	}
	return nil, invalid("Please provide a source for function code.")
}

// fetch takes a package from a bucket into a temporary file.
func (s *Service) fetch(ctx context.Context, in *types.FunctionCode) (*parcel, error) {
	if s.cfg.Objects == nil {
		return nil, notBuilt("S3Bucket")
	}
	out, err := s.cfg.Objects.GetObject(ctx, &s3.GetObjectInput{Bucket: in.S3Bucket, Key: in.S3Key, VersionId: in.S3ObjectVersion})
	var coded smithy.APIError
	if errors.As(err, &coded) {
		return nil, invalid("Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", coded.ErrorCode(), coded.ErrorMessage())
	} else if err != nil {
		return nil, fmt.Errorf("read code s3://%s/%s: %w", aws.ToString(in.S3Bucket), aws.ToString(in.S3Key), err)
	}
	defer out.Body.Close()
	file, err := os.CreateTemp("", "countersign-code-")
	if err != nil {
		return nil, err
	}
	p := &parcel{r: file, done: func() {
		file.Close()
		os.Remove(file.Name())
	}}
	sum := sha256.New()
	p.code.Size, err = io.Copy(io.MultiWriter(file, sum), io.LimitReader(out.Body, bundle.MaxUnpacked+1))
	if err != nil {
		p.done()
		return nil, fmt.Errorf("read code s3://%s/%s: %w", aws.ToString(in.S3Bucket), aws.ToString(in.S3Key), err)
	}
	p.code.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if err := p.check(); err != nil {
		p.done()
		return nil, err
	}
	return p, nil
}

func (p *parcel) check() error {
	if p.code.Size == 0 {
		return invalid("Uploaded file must be a non-empty zip")
	}
	_, err := bundle.Check(p.r, p.code.Size)
	switch {
	case errors.Is(err, bundle.ErrTooLarge):
		return invalid("Unzipped size must be smaller than %d bytes (%v)", bundle.MaxUnpacked, err)
	case err != nil:
		return invalid("Could not unzip uploaded file. Please check your file, then try to upload again. (%v)", err)
	}
	return nil
}

// keep writes the package to the store, where it stays once b is committed. A version
// among those given that has the same bytes lends its blob.
func (s *Service) keep(ctx context.Context, p *parcel, versions []*version, b *store.Batch) (code, error) {
	for _, v := range versions {
		if v.Code.SHA256 == p.code.SHA256 {
			return v.Code, nil
		}
	}
	w, err := s.store.NewBlob(ctx)
	if err != nil {
		return code{}, fmt.Errorf("store code: %w", err)
	}
	if _, err := io.Copy(w, io.NewSectionReader(p.r, 0, p.code.Size)); err != nil {
		w.Abort()
		return code{}, fmt.Errorf("store code: %w", err)
	}
	if err := w.Close(); err != nil {
		return code{}, fmt.Errorf("store code: %w", err)
	}
	c := p.code
	c.Blob = w.ID()
	b.KeepBlob(c.Blob)
	return c, nil
}

// runnable is a version as the runner takes it.
func (s *Service) runnable(f *function, v *version) (runner.Function, error) {
	sum, err := v.Code.sum()
	if err != nil {
		return runner.Function{}, err
	}
	fn := runner.Function{
		ARN: f.arn(), Name: f.Name, Account: f.Account, Region: f.Region, Version: v.Number, Revision: v.Generation,
		Runtime: v.Runtime, Handler: v.Handler, Role: v.Role, LogGroup: v.logGroup(f), Architecture: v.Architecture,
		Memory: int(v.Memory), Storage: int(v.Storage), Timeout: time.Duration(v.Timeout) * time.Second,
		Variables: v.Variables, Reserved: -1,
		Code: runner.Code{SHA256: sum, Size: v.Code.Size, Open: func(ctx context.Context) (io.ReadCloser, error) {
			return s.store.OpenBlob(ctx, v.Code.Blob, 0, -1)
		}},
	}
	if f.Reserved != nil {
		fn.Reserved = int(*f.Reserved)
	}
	return fn, nil
}

func (v *version) logGroup(f *function) string {
	if v.LogGroup != "" {
		return v.LogGroup
	}
	return defaultLogGroup(f.Name)
}
