package objects

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// PutPublicAccessBlock sets the four switches; a switch not given is off.
func (s *Service) PutPublicAccessBlock(ctx context.Context, in *s3.PutPublicAccessBlockInput) (*s3.PutPublicAccessBlockOutput, error) {
	c := in.PublicAccessBlockConfiguration
	if c == nil {
		return nil, malformedXML()
	}
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		bk.PublicAccess = &publicAccess{
			BlockACLs: aws.ToBool(c.BlockPublicAcls), IgnoreACLs: aws.ToBool(c.IgnorePublicAcls),
			BlockPolicy: aws.ToBool(c.BlockPublicPolicy), Restrict: aws.ToBool(c.RestrictPublicBuckets),
		}
		return nil
	})
	return &s3.PutPublicAccessBlockOutput{}, err
}

// GetPublicAccessBlock shows the four switches.
func (s *Service) GetPublicAccessBlock(ctx context.Context, in *s3.GetPublicAccessBlockInput) (*s3.GetPublicAccessBlockOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	p := bk.PublicAccess
	if p == nil {
		return nil, refuse(404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found").field("BucketName", bk.Name)
	}
	return &s3.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
		BlockPublicAcls: aws.Bool(p.BlockACLs), IgnorePublicAcls: aws.Bool(p.IgnoreACLs),
		BlockPublicPolicy: aws.Bool(p.BlockPolicy), RestrictPublicBuckets: aws.Bool(p.Restrict),
	}}, nil
}

// DeletePublicAccessBlock takes the switches away.
func (s *Service) DeletePublicAccessBlock(ctx context.Context, in *s3.DeletePublicAccessBlockInput) (*s3.DeletePublicAccessBlockOutput, error) {
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		bk.PublicAccess = nil
		return nil
	})
	return &s3.DeletePublicAccessBlockOutput{}, err
}

func checkOwnership(o string) error {
	if !slices.Contains(types.ObjectOwnership("").Values(), types.ObjectOwnership(o)) {
		return invalidArgument("Invalid x-amz-object-ownership header: "+o, "x-amz-object-ownership", o)
	}
	return nil
}

// PutBucketOwnershipControls sets who owns new objects. Without ACLs every
// setting means the same here: the bucket's owner does.
func (s *Service) PutBucketOwnershipControls(ctx context.Context, in *s3.PutBucketOwnershipControlsInput) (*s3.PutBucketOwnershipControlsOutput, error) {
	if in.OwnershipControls == nil || len(in.OwnershipControls.Rules) != 1 {
		return nil, malformedXML()
	}
	o := string(in.OwnershipControls.Rules[0].ObjectOwnership)
	if checkOwnership(o) != nil {
		return nil, malformedXML()
	}
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		bk.Ownership = o
		return nil
	})
	return &s3.PutBucketOwnershipControlsOutput{}, err
}

// GetBucketOwnershipControls shows who owns new objects.
func (s *Service) GetBucketOwnershipControls(ctx context.Context, in *s3.GetBucketOwnershipControlsInput) (*s3.GetBucketOwnershipControlsOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if bk.Ownership == "" {
		return nil, refuse(404, "OwnershipControlsNotFoundError", "The bucket ownership controls were not found").field("BucketName", bk.Name)
	}
	return &s3.GetBucketOwnershipControlsOutput{OwnershipControls: &types.OwnershipControls{
		Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnership(bk.Ownership)}},
	}}, nil
}

// DeleteBucketOwnershipControls takes the setting away.
func (s *Service) DeleteBucketOwnershipControls(ctx context.Context, in *s3.DeleteBucketOwnershipControlsInput) (*s3.DeleteBucketOwnershipControlsOutput, error) {
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		bk.Ownership = ""
		return nil
	})
	return &s3.DeleteBucketOwnershipControlsOutput{}, err
}

// PutBucketEncryption sets how new objects are labelled by default.
func (s *Service) PutBucketEncryption(ctx context.Context, in *s3.PutBucketEncryptionInput) (*s3.PutBucketEncryptionOutput, error) {
	c := in.ServerSideEncryptionConfiguration
	if c == nil || len(c.Rules) != 1 {
		return nil, malformedXML()
	}
	rule := c.Rules[0]
	e := encryption{Algorithm: string(types.ServerSideEncryptionAes256), BucketKey: aws.ToBool(rule.BucketKeyEnabled)}
	if d := rule.ApplyServerSideEncryptionByDefault; d != nil {
		e.Algorithm, e.Key = string(d.SSEAlgorithm), aws.ToString(d.KMSMasterKeyID)
	}
	if b := rule.BlockedEncryptionTypes; b != nil {
		for _, t := range b.EncryptionType {
			if t != types.EncryptionTypeNone && t != types.EncryptionTypeSseC {
				return nil, malformedXML()
			}
			e.Blocked = append(e.Blocked, string(t))
		}
	}
	switch types.ServerSideEncryption(e.Algorithm) {
	case types.ServerSideEncryptionAes256:
		if e.Key != "" {
			return nil, invalidArgument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse", "KMSMasterKeyID", e.Key)
		}
	case types.ServerSideEncryptionAwsKms, types.ServerSideEncryptionAwsKmsDsse:
	default:
		return nil, malformedXML()
	}
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		bk.Encryption = &e
		return nil
	})
	return &s3.PutBucketEncryptionOutput{}, err
}

// GetBucketEncryption shows the default; AES256 where none was set, as since January 2023.
func (s *Service) GetBucketEncryption(ctx context.Context, in *s3.GetBucketEncryptionInput) (*s3.GetBucketEncryptionOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	e := bk.encryption()
	rule := types.ServerSideEncryptionRule{
		ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryption(e.Algorithm), KMSMasterKeyID: text(e.Key)},
		BucketKeyEnabled:                   aws.Bool(e.BucketKey),
	}
	if len(e.Blocked) > 0 {
		rule.BlockedEncryptionTypes = &types.BlockedEncryptionTypes{}
		for _, t := range e.Blocked {
			rule.BlockedEncryptionTypes.EncryptionType = append(rule.BlockedEncryptionTypes.EncryptionType, types.EncryptionType(t))
		}
	}
	return &s3.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{rule}}}, nil
}

// DeleteBucketEncryption goes back to AES256.
func (s *Service) DeleteBucketEncryption(ctx context.Context, in *s3.DeleteBucketEncryptionInput) (*s3.DeleteBucketEncryptionOutput, error) {
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		bk.Encryption = nil
		return nil
	})
	return &s3.DeleteBucketEncryptionOutput{}, err
}

// encryption is the bucket's default for new objects.
func (bk *bucket) encryption() encryption {
	if bk.Encryption != nil {
		return *bk.Encryption
	}
	return encryption{Algorithm: string(types.ServerSideEncryptionAes256)}
}
