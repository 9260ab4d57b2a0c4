package objects

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"countersign/arn"
	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// ResourceTypes are the CloudFormation resource types of S3.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_S3.html
func (s *Service) ResourceTypes() []resource.Type {
	b, p := bucketResources{s}, policyResources{s}
	return []resource.Type{
		resource.Define(resource.Spec[bucketProperties]{
			Name: "AWS::S3::Bucket", Attributes: []string{"Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"}, Tags: "Tags",
			Naming: &resource.Naming{Property: "BucketName", Limit: 63, Lower: true},
			Known: []string{"AbacStatus", "AccelerateConfiguration", "AnalyticsConfigurations", "BucketNamePrefix", "BucketNamespace", "CorsConfiguration", "IntelligentTieringConfigurations",
				"InventoryConfigurations", "LoggingConfiguration", "MetadataConfiguration", "MetadataTableConfiguration", "MetricsConfigurations", "NotificationConfiguration",
				"ObjectLockConfiguration", "ObjectLockEnabled", "ReplicationConfiguration", "WebsiteConfiguration",
				"LifecycleConfiguration.Rules.NoncurrentVersionTransition", "LifecycleConfiguration.Rules.NoncurrentVersionTransitions",
				"LifecycleConfiguration.Rules.Transition", "LifecycleConfiguration.Rules.Transitions"},
			Check: checkBucket, Create: b.create, Update: b.update, Delete: b.delete, Find: b.find,
		}),
		resource.Define(resource.Spec[policyProperties]{
			Name:   "AWS::S3::BucketPolicy",
			Create: p.create, Update: p.update, Delete: p.delete, Find: p.find,
		}),
	}
}

type bucketProperties struct {
	BucketName                     string `cfn:"replace"`
	AccessControl                  string
	BucketEncryption               *encryptionProperties
	LifecycleConfiguration         *lifecycleProperties
	OwnershipControls              *types.OwnershipControls
	PublicAccessBlockConfiguration *types.PublicAccessBlockConfiguration
	VersioningConfiguration        *struct {
		Status types.BucketVersioningStatus `cfn:"required"`
	}
	Tags []resource.Tag
}

type encryptionProperties struct {
	ServerSideEncryptionConfiguration []struct {
		BlockedEncryptionTypes        *types.BlockedEncryptionTypes
		BucketKeyEnabled              *bool
		ServerSideEncryptionByDefault *types.ServerSideEncryptionByDefault
	} `cfn:"required"`
}

func (p *encryptionProperties) sdk() *types.ServerSideEncryptionConfiguration {
	out := &types.ServerSideEncryptionConfiguration{}
	for _, r := range p.ServerSideEncryptionConfiguration {
		out.Rules = append(out.Rules, types.ServerSideEncryptionRule{
			ApplyServerSideEncryptionByDefault: r.ServerSideEncryptionByDefault, BucketKeyEnabled: r.BucketKeyEnabled, BlockedEncryptionTypes: r.BlockedEncryptionTypes,
		})
	}
	return out
}

// cannedACLs are the values of AccessControl. Which of them a bucket can have is for the operations to say.
var cannedACLs = map[string]types.BucketCannedACL{
	"AuthenticatedRead": "authenticated-read", "AwsExecRead": "aws-exec-read", "BucketOwnerFullControl": "bucket-owner-full-control", "BucketOwnerRead": "bucket-owner-read",
	"LogDeliveryWrite": "log-delivery-write", "Private": "private", "PublicRead": "public-read", "PublicReadWrite": "public-read-write",
}

func checkBucket(p *bucketProperties) (problems []resource.Problem) {
	if p.AccessControl != "" && cannedACLs[p.AccessControl] == "" {
		problems = append(problems, resource.Problem{Path: []string{"AccessControl"}, Message: p.AccessControl + " is not a valid value of AccessControl"})
	}
	if p.LifecycleConfiguration != nil {
		problems = append(problems, p.LifecycleConfiguration.check()...)
	}
	return problems
}

// bucketResources is AWS::S3::Bucket.
type bucketResources struct{ *Service }

// create makes a bucket with its tags, by which a repeated attempt knows it for
// its own, and configures it.
func (s bucketResources) create(ctx context.Context, c *resource.Change[bucketProperties]) (resource.Result, error) {
	p := &c.Properties
	there, tags, err := s.tags(ctx, p.BucketName)
	// Another account's bucket is for CreateBucket to refuse. In us-east-1 that would
	// succeed for a bucket of one's own that one may not look at.
	if err != nil && (!isDenied(err) || c.Stack.Region == "us-east-1") {
		return resource.Result{}, err
	}
	switch ours := c.Ours(tags) || c.PhysicalID == p.BucketName; {
	case there && !ours:
		return resource.Result{}, (&refusal{APIError: &types.BucketAlreadyOwnedByYou{Message: aws.String(p.BucketName + " already exists")}, status: 409}).field("BucketName", p.BucketName)
	case !there:
		if _, err := resource.Do(ctx, s.CreateBucket, p.creation(c.Stack.Region)); err != nil {
			return resource.Result{}, err
		}
		if err := c.Initiated(p.BucketName); err != nil {
			return resource.Result{}, err
		}
	}
	if err := s.configureAs(ctx, &bucketProperties{BucketName: p.BucketName, AccessControl: p.AccessControl, OwnershipControls: p.OwnershipControls}, p); err != nil {
		return resource.Result{}, err
	}
	return bucketResult(p.BucketName, c.Stack.Region), nil
}

func (p *bucketProperties) creation(region string) *s3.CreateBucketInput {
	in := &s3.CreateBucketInput{Bucket: &p.BucketName, ACL: cannedACLs[p.AccessControl], CreateBucketConfiguration: &types.CreateBucketConfiguration{Tags: sdkTags(p.Tags)}}
	if region != "us-east-1" {
		in.CreateBucketConfiguration.LocationConstraint = types.BucketLocationConstraint(region)
	}
	if o := p.OwnershipControls; o != nil && len(o.Rules) == 1 {
		in.ObjectOwnership = o.Rules[0].ObjectOwnership
	}
	return in
}

func sdkTags(in []resource.Tag) (out []types.Tag) {
	for _, t := range in {
		out = append(out, types.Tag{Key: &t.Key, Value: &t.Value})
	}
	return out
}

// dashed are the Regions whose website endpoints have a dash where later ones have a dot.
// https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints
var dashed = []string{"us-east-1", "us-west-1", "us-west-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "eu-west-1", "sa-east-1", "us-gov-west-1"}

func bucketResult(name, region string) resource.Result {
	suffix := ".amazonaws.com"
	if arn.Partition(region) == "aws-cn" {
		suffix += ".cn"
	}
	website := ".s3-website." + region
	if slices.Contains(dashed, region) {
		website = ".s3-website-" + region
	}
	return resource.Result{PhysicalID: name, Attributes: map[string]any{
		"Arn":                 "arn:" + arn.Partition(region) + ":s3:::" + name,
		"DomainName":          name + ".s3" + suffix,
		"DualStackDomainName": name + ".s3.dualstack." + region + suffix,
		"RegionalDomainName":  name + ".s3." + region + suffix,
		"WebsiteURL":          "http://" + name + website + suffix,
	}}
}

// tags reads the tags of a bucket of the account, if it is there.
func (s bucketResources) tags(ctx context.Context, name string) (there bool, tags []resource.Tag, err error) {
	out, err := resource.Do(ctx, s.GetBucketTagging, &s3.GetBucketTaggingInput{Bucket: &name})
	switch code(err) {
	case "":
		if err != nil {
			return false, nil, err
		}
		for _, t := range out.TagSet {
			tags = append(tags, resource.Tag{Key: *t.Key, Value: aws.ToString(t.Value)})
		}
		return true, tags, nil
	case "NoSuchTagSet":
		return true, nil, nil
	case "NoSuchBucket":
		return false, nil, nil
	}
	return false, nil, err
}

// code is the AWS code of an error, or "".
func code(err error) string {
	var coded smithy.APIError
	if !errors.As(err, &coded) {
		return ""
	}
	return coded.ErrorCode()
}

func isDenied(err error) bool { return resource.HandlerCode(err) == "AccessDenied" }

func (s bucketResources) update(ctx context.Context, c *resource.Change[bucketProperties]) (resource.Result, error) {
	if err := s.configureAs(ctx, &c.Old, &c.Properties); err != nil {
		return resource.Result{}, err
	}
	if err := s.retag(ctx, c); err != nil {
		return resource.Result{}, err
	}
	return bucketResult(c.PhysicalID, c.Stack.Region), nil
}

// configureAs brings a bucket from old to now. What a template no longer says is
// as for a new bucket: nothing is public and ACLs do not count. Only versioning leaves its mark: it is suspended.
func (s bucketResources) configureAs(ctx context.Context, old, now *bucketProperties) error {
	name := &now.BucketName
	var err error
	step := func(changed bool, do func() error) {
		if err == nil && changed {
			err = do()
		}
	}
	step(!reflect.DeepEqual(old.VersioningConfiguration, now.VersioningConfiguration), func() error {
		status := types.BucketVersioningStatusSuspended
		if now.VersioningConfiguration != nil {
			status = now.VersioningConfiguration.Status
		}
		return done(resource.Do(ctx, s.PutBucketVersioning, &s3.PutBucketVersioningInput{Bucket: name, VersioningConfiguration: &types.VersioningConfiguration{Status: status}}))
	})
	step(!reflect.DeepEqual(old.BucketEncryption, now.BucketEncryption), func() error {
		if now.BucketEncryption == nil {
			return done(resource.Do(ctx, s.DeleteBucketEncryption, &s3.DeleteBucketEncryptionInput{Bucket: name}))
		}
		return done(resource.Do(ctx, s.PutBucketEncryption, &s3.PutBucketEncryptionInput{Bucket: name, ServerSideEncryptionConfiguration: now.BucketEncryption.sdk()}))
	})
	step(!reflect.DeepEqual(old.OwnershipControls, now.OwnershipControls), func() error {
		controls := now.OwnershipControls
		if controls == nil {
			controls = &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}}}
		}
		return done(resource.Do(ctx, s.PutBucketOwnershipControls, &s3.PutBucketOwnershipControlsInput{Bucket: name, OwnershipControls: controls}))
	})
	step(!reflect.DeepEqual(old.PublicAccessBlockConfiguration, now.PublicAccessBlockConfiguration), func() error {
		block := now.PublicAccessBlockConfiguration
		if block == nil {
			block = &types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true)}
		}
		return done(resource.Do(ctx, s.PutPublicAccessBlock, &s3.PutPublicAccessBlockInput{Bucket: name, PublicAccessBlockConfiguration: block}))
	})
	step(old.AccessControl != now.AccessControl, func() error {
		acl := cannedACLs[now.AccessControl]
		if acl == "" {
			acl = types.BucketCannedACLPrivate
		}
		return done(resource.Do(ctx, s.PutBucketAcl, &s3.PutBucketAclInput{Bucket: name, ACL: acl}))
	})
	step(!reflect.DeepEqual(old.LifecycleConfiguration, now.LifecycleConfiguration), func() error {
		if now.LifecycleConfiguration == nil {
			return done(resource.Do(ctx, s.DeleteBucketLifecycle, &s3.DeleteBucketLifecycleInput{Bucket: name}))
		}
		return done(resource.Do(ctx, s.PutBucketLifecycleConfiguration, now.LifecycleConfiguration.sdk(*name)))
	})
	return err
}

// done drops an output that nobody needs.
func done(_ any, err error) error { return err }

// retag changes the tags that the template says, and leaves those that others have put on the bucket.
func (s bucketResources) retag(ctx context.Context, c *resource.Change[bucketProperties]) error {
	set, removed := resource.TagChanges(c.Old.Tags, c.Properties.Tags)
	if len(set) == 0 && len(removed) == 0 {
		return nil
	}
	_, has, err := s.tags(ctx, c.PhysicalID)
	if err != nil {
		return err
	}
	tags := slices.DeleteFunc(has, func(t resource.Tag) bool {
		return slices.Contains(removed, t.Key) || slices.ContainsFunc(set, func(n resource.Tag) bool { return n.Key == t.Key })
	})
	if tags = append(tags, set...); len(tags) == 0 {
		return done(resource.Do(ctx, s.DeleteBucketTagging, &s3.DeleteBucketTaggingInput{Bucket: &c.PhysicalID}))
	}
	return done(resource.Do(ctx, s.PutBucketTagging, &s3.PutBucketTaggingInput{Bucket: &c.PhysicalID, Tagging: &types.Tagging{TagSet: sdkTags(tags)}}))
}

// delete deletes the bucket, which must be empty.
func (s bucketResources) delete(ctx context.Context, c *resource.Change[bucketProperties]) error {
	return unlessGone(done(resource.Do(ctx, s.DeleteBucket, &s3.DeleteBucketInput{Bucket: &c.PhysicalID})))
}

// unlessGone is err, but nil where it says that there is nothing to delete any more.
func unlessGone(err error) error {
	if resource.IsNotFound(err) {
		return nil
	}
	return err
}

// find looks for the bucket of that name that was made for this resource.
func (s bucketResources) find(ctx context.Context, c *resource.Change[bucketProperties]) (string, error) {
	_, tags, err := s.tags(ctx, c.Properties.BucketName)
	switch {
	case isDenied(err): // another account's
		return "", nil
	case err != nil:
		return "", err
	case !c.Ours(tags):
		return "", nil
	}
	return c.Properties.BucketName, nil
}

type policyProperties struct {
	Bucket         string `cfn:"required,replace"`
	PolicyDocument any    `cfn:"required"`
}

// policyResources is AWS::S3::BucketPolicy.
type policyResources struct{ *Service }

// create puts a policy on a bucket without one. A policy that is there is
// somebody's, as on AWS.
func (s policyResources) create(ctx context.Context, c *resource.Change[policyProperties]) (resource.Result, error) {
	p := &c.Properties
	if c.PhysicalID == "" {
		_, err := resource.Do(ctx, s.GetBucketPolicy, &s3.GetBucketPolicyInput{Bucket: &p.Bucket})
		if err == nil {
			return resource.Result{}, &smithy.GenericAPIError{Code: "AlreadyExists", Message: "The bucket policy already exists on bucket " + p.Bucket + ".", Fault: smithy.FaultClient}
		}
		if code(err) != "NoSuchBucketPolicy" {
			return resource.Result{}, err
		}
	}
	return s.update(ctx, c)
}

func (s policyResources) update(ctx context.Context, c *resource.Change[policyProperties]) (resource.Result, error) {
	text, err := resource.JSON(c.Properties.PolicyDocument)
	if err != nil {
		return resource.Result{}, err
	}
	if _, err := resource.Do(ctx, s.PutBucketPolicy, &s3.PutBucketPolicyInput{Bucket: &c.Properties.Bucket, Policy: &text}); err != nil {
		return resource.Result{}, err
	}
	return resource.Result{PhysicalID: c.Properties.Bucket}, nil
}

func (s policyResources) delete(ctx context.Context, c *resource.Change[policyProperties]) error {
	return unlessGone(done(resource.Do(ctx, s.DeleteBucketPolicy, &s3.DeleteBucketPolicyInput{Bucket: &c.PhysicalID})))
}

// find looks for the very policy.
func (s policyResources) find(ctx context.Context, c *resource.Change[policyProperties]) (string, error) {
	out, err := resource.Do(ctx, s.GetBucketPolicy, &s3.GetBucketPolicyInput{Bucket: &c.Properties.Bucket})
	if err != nil {
		return "", unlessGone(err)
	}
	text, err := resource.JSON(c.Properties.PolicyDocument)
	if err != nil || text != *out.Policy {
		return "", err
	}
	return c.Properties.Bucket, nil
}
