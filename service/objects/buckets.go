package objects

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"countersign/arn"
	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// readBucket reads a bucket whoever owns it.
func (s *Service) readBucket(ctx context.Context, name string) (*bucket, error) {
	r, err := s.store.Get(ctx, kindBucket, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuchBucket(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read bucket %s: %w", name, err)
	}
	bk, err := decode[bucket](r)
	if err != nil {
		return nil, err
	}
	bk.rev = r.Revision
	return bk, nil
}

// owned reads a bucket of the calling account, wherever it is. expected is the
// header x-amz-expected-bucket-owner.
func (s *Service) owned(ctx context.Context, name, expected *string) (*bucket, error) {
	bk, err := s.readBucket(ctx, aws.ToString(name))
	if err != nil {
		return nil, err
	}
	if call.From(ctx).Signing == call.Anonymous || bk.Account != account(ctx) || expected != nil && *expected != bk.Account {
		return nil, accessDenied()
	}
	return bk, nil
}

// bucket reads a bucket of the calling account in the Region that the call was
// made to. A call to another Region is redirected, as AWS does.
func (s *Service) bucket(ctx context.Context, name, expected *string) (*bucket, error) {
	bk, err := s.owned(ctx, name, expected)
	if err != nil {
		return nil, err
	}
	if region := call.From(ctx).Region; region != "" && region != bk.Region {
		return nil, refuse(301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.").
			field("Endpoint", "s3."+bk.Region+".amazonaws.com").field("Bucket", bk.Name).
			header("x-amz-bucket-region", bk.Region)
	}
	return bk, nil
}

// CreateBucket makes a bucket in the Region of the call, or from us-east-1 in
// the Region that the configuration names. Making one's own bucket again
// succeeds in us-east-1 and is BucketAlreadyOwnedByYou elsewhere.
func (s *Service) CreateBucket(ctx context.Context, in *s3.CreateBucketInput) (*s3.CreateBucketOutput, error) {
	name := aws.ToString(in.Bucket)
	if err := checkBucketName(name); err != nil {
		return nil, err
	}
	if aws.ToBool(in.ObjectLockEnabledForBucket) {
		return nil, notBuilt("x-amz-bucket-object-lock-enabled", "Object Lock is not built in this version of Countersign.")
	}
	if in.BucketNamespace != "" && in.BucketNamespace != types.BucketNamespaceGlobal {
		return nil, notBuilt("x-amz-bucket-namespace", "Bucket names are global in this version of Countersign.")
	}
	if err := checkACL(string(in.ACL), in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP); err != nil {
		return nil, err
	}
	region := call.From(ctx).Region
	if region == "" {
		region = "us-east-1"
	}
	var tags []types.Tag
	if c := in.CreateBucketConfiguration; c != nil {
		if c.Bucket != nil || c.Location != nil {
			return nil, invalidRequest("Directory buckets are not built in this version of Countersign: give LocationConstraint only.")
		}
		tags = c.Tags
	}
	region, err := locate(region, in.CreateBucketConfiguration)
	if err != nil {
		return nil, err
	}
	ownership := string(types.ObjectOwnershipBucketOwnerEnforced)
	if in.ObjectOwnership != "" {
		ownership = string(in.ObjectOwnership)
	}
	if err := checkOwnership(ownership); err != nil {
		return nil, err
	}
	kept, err := readTags(tags, maxBucketTags, func(t tag) bool { return call.From(ctx).MayTag(t.Key) })
	if err != nil {
		return nil, err
	}
	bk := bucket{
		Name: name, Account: account(ctx), Region: region, Created: s.stamp(),
		Ownership: ownership, Tags: kept,
		// Since April 2023 new buckets block public access unless told otherwise.
		PublicAccess: &publicAccess{true, true, true, true},
	}
	out := &s3.CreateBucketOutput{
		Location:  aws.String("/" + name),
		BucketArn: aws.String(arn.New("s3", "", "", name).String()),
	}
	_, err = s.store.Commit(ctx, new(store.Batch).Create(kindBucket, name, encode(bk)))
	switch {
	case err == nil:
		return out, nil
	case !errors.Is(err, store.ErrExists):
		return nil, fmt.Errorf("create bucket %s: %w", name, err)
	}
	old, err := s.readBucket(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case old.Account != bk.Account:
		return nil, (&refusal{APIError: &types.BucketAlreadyExists{Message: aws.String("The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.")}, status: 409}).
			field("BucketName", name)
	case old.Region == "us-east-1" && region == "us-east-1":
		return out, nil
	}
	return nil, (&refusal{APIError: &types.BucketAlreadyOwnedByYou{Message: aws.String("Your previous request to create the named bucket succeeded and you already own it.")}, status: 409}).
		field("BucketName", name)
}

// locate is the Region for a new bucket: an endpoint makes buckets in its own
// Region only, except that of us-east-1, where the constraint decides.
func locate(endpoint string, c *types.CreateBucketConfiguration) (string, error) {
	wanted := ""
	if c != nil {
		wanted = string(c.LocationConstraint)
	}
	if wanted == string(types.BucketLocationConstraintEu) {
		wanted = "eu-west-1"
	}
	switch {
	case endpoint == "us-east-1" && wanted == "":
		return endpoint, nil
	case wanted == "us-east-1", strings.ContainsAny(wanted, " /\x00") || len(wanted) > 64:
		return "", refuse(400, "InvalidLocationConstraint", "The specified location-constraint is not valid").field("LocationConstraint", wanted)
	case endpoint == "us-east-1":
		return wanted, nil
	case wanted == "":
		return "", refuse(400, "IllegalLocationConstraintException", "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	case wanted != endpoint:
		return "", refuse(400, "IllegalLocationConstraintException", "The "+wanted+" location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	return endpoint, nil
}

// HeadBucket tells whether the caller has the bucket, and where it is.
func (s *Service) HeadBucket(ctx context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, headed(err)
	}
	return &s3.HeadBucketOutput{
		BucketRegion:     aws.String(bk.Region),
		BucketArn:        aws.String(arn.New("s3", "", "", bk.Name).String()),
		AccessPointAlias: aws.Bool(false),
	}, nil
}

// DeleteBucket deletes a bucket without versions and delete markers. Multipart
// uploads under way end with it.
func (s *Service) DeleteBucket(ctx context.Context, in *s3.DeleteBucketInput) (*s3.DeleteBucketOutput, error) {
	name := aws.ToString(in.Bucket)
	err := s.commit(ctx, name, func(b *store.Batch) error {
		bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		// Clear Used before looking: a write after that has to set it again,
		// which moves the revision that the deletion below insists on.
		if bk.Used {
			bk.Used = false
			if bk.rev, err = s.store.Commit(ctx, new(store.Batch).Replace(kindBucket, name, encode(bk), bk.rev)); err != nil {
				return err
			}
		}
		found, err := s.store.List(ctx, kindHead, keyPrefix(name), "", 1)
		if err != nil {
			return fmt.Errorf("look into bucket %s: %w", name, err)
		}
		if len(found) > 0 {
			text := "The bucket you tried to delete is not empty"
			if bk.Versioning != "" {
				text += ". You must delete all versions in the bucket."
			}
			return refuse(409, "BucketNotEmpty", text).field("BucketName", name)
		}
		uploads, err := s.store.List(ctx, kindUpload, keyPrefix(name), "", 0)
		if err != nil {
			return fmt.Errorf("list uploads of bucket %s: %w", name, err)
		}
		for _, r := range uploads {
			u, err := readUpload(r)
			if err != nil {
				return err
			}
			if err := s.dropUpload(ctx, b, u, nil); err != nil {
				return err
			}
		}
		b.DeleteIf(kindBucket, name, bk.rev)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &s3.DeleteBucketOutput{}, nil
}

// ListBuckets lists the account's buckets of all Regions by name.
func (s *Service) ListBuckets(ctx context.Context, in *s3.ListBucketsInput) (*s3.ListBucketsOutput, error) {
	limit := 10000
	if in.MaxBuckets != nil {
		limit = int(*in.MaxBuckets)
		if limit < 1 || limit > 10000 {
			return nil, invalidArgument("Argument max-buckets must be an integer between 1 and 10000.", "max-buckets", decimal(limit))
		}
	}
	prefix := aws.ToString(in.Prefix)
	after := ""
	if in.ContinuationToken != nil {
		var err error
		if after, err = openToken(*in.ContinuationToken, "buckets", prefix); err != nil {
			return nil, err
		}
	}
	out := &s3.ListBucketsOutput{Owner: owner(account(ctx)), Prefix: in.Prefix, Buckets: []types.Bucket{}}
	for {
		records, err := s.store.List(ctx, kindBucket, prefix, after, 1000)
		if err != nil {
			return nil, fmt.Errorf("list buckets: %w", err)
		}
		for _, r := range records {
			bk, err := decode[bucket](r)
			if err != nil {
				return nil, err
			}
			if bk.Account == account(ctx) && (in.BucketRegion == nil || *in.BucketRegion == bk.Region) {
				if len(out.Buckets) == limit {
					out.ContinuationToken = aws.String(sealToken(after, "buckets", prefix))
					return out, nil
				}
				shown := types.Bucket{Name: aws.String(bk.Name), CreationDate: aws.Time(bk.Created), BucketArn: aws.String(arn.New("s3", "", "", bk.Name).String())}
				// S3 names the Region only in answers to paginated or filtered requests.
				if in.MaxBuckets != nil || in.BucketRegion != nil || in.Prefix != nil || in.ContinuationToken != nil {
					shown.BucketRegion = aws.String(bk.Region)
				}
				out.Buckets = append(out.Buckets, shown)
			}
			after = r.Key
		}
		if len(records) < 1000 {
			return out, nil
		}
	}
}

// GetBucketLocation names a bucket's Region; empty for us-east-1. It may be asked in any Region.
func (s *Service) GetBucketLocation(ctx context.Context, in *s3.GetBucketLocationInput) (*s3.GetBucketLocationOutput, error) {
	bk, err := s.owned(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	out := &s3.GetBucketLocationOutput{}
	if bk.Region != "us-east-1" {
		out.LocationConstraint = types.BucketLocationConstraint(bk.Region)
	}
	return out, nil
}

// GetBucketVersioning tells Enabled, Suspended, or nothing when it was never set.
func (s *Service) GetBucketVersioning(ctx context.Context, in *s3.GetBucketVersioningInput) (*s3.GetBucketVersioningOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3.GetBucketVersioningOutput{Status: types.BucketVersioningStatus(bk.Versioning)}, nil
}

// PutBucketVersioning enables or suspends versioning. Every write that begins
// to commit afterwards follows the new state.
func (s *Service) PutBucketVersioning(ctx context.Context, in *s3.PutBucketVersioningInput) (*s3.PutBucketVersioningOutput, error) {
	c := in.VersioningConfiguration
	if c == nil || c.Status != types.BucketVersioningStatusEnabled && c.Status != types.BucketVersioningStatusSuspended {
		return nil, refuse(400, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	if c.MFADelete == types.MFADeleteEnabled || in.MFA != nil {
		return nil, notBuilt("x-amz-mfa", "MFA delete is not built in this version of Countersign.")
	}
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		bk.Versioning = string(c.Status)
		return nil
	})
	return &s3.PutBucketVersioningOutput{}, err
}

// configure changes a bucket's record. Durable on return.
func (s *Service) configure(ctx context.Context, name, expected *string, change func(bk *bucket) error) error {
	return s.commit(ctx, aws.ToString(name), func(b *store.Batch) error {
		bk, err := s.bucket(ctx, name, expected)
		if err != nil {
			return err
		}
		if err := change(bk); err != nil {
			return err
		}
		b.Replace(kindBucket, bk.Name, encode(bk), bk.rev)
		return nil
	})
}
