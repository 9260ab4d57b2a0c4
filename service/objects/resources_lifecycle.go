package objects

import (
	"strconv"
	"time"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// lifecycleProperties is a lifecycle configuration as CloudFormation spells it,
// which is not as S3 does.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-rule.html
type lifecycleProperties struct {
	Rules                              []ruleProperties `cfn:"required"`
	TransitionDefaultMinimumObjectSize types.TransitionDefaultMinimumObjectSize
}

type ruleProperties struct {
	Id     *string
	Status types.ExpirationStatus `cfn:"required"`

	Prefix                *string
	ObjectSizeGreaterThan *int64
	ObjectSizeLessThan    *int64
	TagFilters            []resource.Tag

	AbortIncompleteMultipartUpload    *types.AbortIncompleteMultipartUpload
	ExpirationDate                    string
	ExpirationInDays                  *int32
	ExpiredObjectDeleteMarker         *bool
	NoncurrentVersionExpiration       *types.NoncurrentVersionExpiration
	NoncurrentVersionExpirationInDays *int32 // the older spelling
}

func (p *lifecycleProperties) check() (problems []resource.Problem) {
	for i, r := range p.Rules {
		path := []string{"LifecycleConfiguration", "Rules", strconv.Itoa(i)}
		if _, err := parseDate(r.ExpirationDate); err != nil {
			problems = append(problems, resource.Problem{Path: append(path, "ExpirationDate"), Message: "ExpirationDate must be a time in ISO 8601 format, such as 2026-12-31T00:00:00Z"})
		}
		if r.NoncurrentVersionExpiration != nil && r.NoncurrentVersionExpirationInDays != nil {
			problems = append(problems, resource.Problem{Path: path, Message: "Only one of NoncurrentVersionExpiration and NoncurrentVersionExpirationInDays can be given"})
		}
	}
	return problems
}

// parseDate reads a time or a date; the zero time for none.
func parseDate(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

func (p *lifecycleProperties) sdk(bucket string) *s3.PutBucketLifecycleConfigurationInput {
	c := &types.BucketLifecycleConfiguration{}
	for _, r := range p.Rules {
		c.Rules = append(c.Rules, r.sdk())
	}
	return &s3.PutBucketLifecycleConfigurationInput{Bucket: &bucket, LifecycleConfiguration: c, TransitionDefaultMinimumObjectSize: p.TransitionDefaultMinimumObjectSize}
}

func (r *ruleProperties) sdk() types.LifecycleRule {
	out := types.LifecycleRule{ID: r.Id, Status: r.Status, AbortIncompleteMultipartUpload: r.AbortIncompleteMultipartUpload, NoncurrentVersionExpiration: r.NoncurrentVersionExpiration}
	tags := sdkTags(r.TagFilters)
	switch {
	case len(tags) == 0 && r.ObjectSizeGreaterThan == nil && r.ObjectSizeLessThan == nil:
		out.Filter = &types.LifecycleRuleFilter{Prefix: aws.String(aws.ToString(r.Prefix))}
	default: // one condition more or less: the operation makes no difference
		out.Filter = &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: r.Prefix, Tags: tags, ObjectSizeGreaterThan: r.ObjectSizeGreaterThan, ObjectSizeLessThan: r.ObjectSizeLessThan}}
	}
	if r.NoncurrentVersionExpirationInDays != nil {
		out.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{NoncurrentDays: r.NoncurrentVersionExpirationInDays}
	}
	date, err := parseDate(r.ExpirationDate)
	if r.ExpirationInDays != nil || r.ExpiredObjectDeleteMarker != nil || err == nil && !date.IsZero() {
		out.Expiration = &types.LifecycleExpiration{Days: r.ExpirationInDays, ExpiredObjectDeleteMarker: r.ExpiredObjectDeleteMarker}
		if !date.IsZero() {
			out.Expiration.Date = &date
		}
	}
	return out
}
