package objects

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// The reads in this file are of configurations that cannot be set here.
// Terraform and the CDK make them for every bucket; the answers are those of S3
// for a bucket that has none.

// missing answers for a bucket that exists without the configuration.
func (s *Service) missing(ctx context.Context, name, expected *string, code, message string) error {
	bk, err := s.bucket(ctx, name, expected)
	if err != nil {
		return err
	}
	return refuse(404, code, message).field("BucketName", bk.Name)
}

// GetBucketCors answers NoSuchCORSConfiguration.
func (s *Service) GetBucketCors(ctx context.Context, in *s3.GetBucketCorsInput) (*s3.GetBucketCorsOutput, error) {
	return nil, s.missing(ctx, in.Bucket, in.ExpectedBucketOwner, "NoSuchCORSConfiguration", "The CORS configuration does not exist")
}

// GetBucketReplication answers ReplicationConfigurationNotFoundError.
func (s *Service) GetBucketReplication(ctx context.Context, in *s3.GetBucketReplicationInput) (*s3.GetBucketReplicationOutput, error) {
	return nil, s.missing(ctx, in.Bucket, in.ExpectedBucketOwner, "ReplicationConfigurationNotFoundError", "The replication configuration was not found")
}

// GetBucketWebsite answers NoSuchWebsiteConfiguration.
func (s *Service) GetBucketWebsite(ctx context.Context, in *s3.GetBucketWebsiteInput) (*s3.GetBucketWebsiteOutput, error) {
	return nil, s.missing(ctx, in.Bucket, in.ExpectedBucketOwner, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
}

// GetObjectLockConfiguration answers ObjectLockConfigurationNotFoundError.
func (s *Service) GetObjectLockConfiguration(ctx context.Context, in *s3.GetObjectLockConfigurationInput) (*s3.GetObjectLockConfigurationOutput, error) {
	return nil, s.missing(ctx, in.Bucket, in.ExpectedBucketOwner, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
}

// GetBucketLogging answers that logging is off.
func (s *Service) GetBucketLogging(ctx context.Context, in *s3.GetBucketLoggingInput) (*s3.GetBucketLoggingOutput, error) {
	_, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &s3.GetBucketLoggingOutput{}, err
}

// GetBucketNotificationConfiguration answers that nobody is notified.
func (s *Service) GetBucketNotificationConfiguration(ctx context.Context, in *s3.GetBucketNotificationConfigurationInput) (*s3.GetBucketNotificationConfigurationOutput, error) {
	_, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &s3.GetBucketNotificationConfigurationOutput{}, err
}

// GetBucketAccelerateConfiguration answers that acceleration was never set.
func (s *Service) GetBucketAccelerateConfiguration(ctx context.Context, in *s3.GetBucketAccelerateConfigurationInput) (*s3.GetBucketAccelerateConfigurationOutput, error) {
	_, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &s3.GetBucketAccelerateConfigurationOutput{}, err
}

// GetBucketRequestPayment answers that the owner pays.
func (s *Service) GetBucketRequestPayment(ctx context.Context, in *s3.GetBucketRequestPaymentInput) (*s3.GetBucketRequestPaymentOutput, error) {
	_, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &s3.GetBucketRequestPaymentOutput{Payer: types.PayerBucketOwner}, err
}

// ListBucketAnalyticsConfigurations answers with an empty list.
func (s *Service) ListBucketAnalyticsConfigurations(ctx context.Context, in *s3.ListBucketAnalyticsConfigurationsInput) (*s3.ListBucketAnalyticsConfigurationsOutput, error) {
	_, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &s3.ListBucketAnalyticsConfigurationsOutput{IsTruncated: aws.Bool(false)}, err
}

// ListBucketIntelligentTieringConfigurations answers with an empty list.
func (s *Service) ListBucketIntelligentTieringConfigurations(ctx context.Context, in *s3.ListBucketIntelligentTieringConfigurationsInput) (*s3.ListBucketIntelligentTieringConfigurationsOutput, error) {
	_, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &s3.ListBucketIntelligentTieringConfigurationsOutput{IsTruncated: aws.Bool(false)}, err
}

// ListBucketInventoryConfigurations answers with an empty list.
func (s *Service) ListBucketInventoryConfigurations(ctx context.Context, in *s3.ListBucketInventoryConfigurationsInput) (*s3.ListBucketInventoryConfigurationsOutput, error) {
	_, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &s3.ListBucketInventoryConfigurationsOutput{IsTruncated: aws.Bool(false)}, err
}

// ListBucketMetricsConfigurations answers with an empty list.
func (s *Service) ListBucketMetricsConfigurations(ctx context.Context, in *s3.ListBucketMetricsConfigurationsInput) (*s3.ListBucketMetricsConfigurationsOutput, error) {
	_, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	return &s3.ListBucketMetricsConfigurationsOutput{IsTruncated: aws.Bool(false)}, err
}
