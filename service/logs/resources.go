package logs

import (
	"cmp"
	"context"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// ResourceTypes are the CloudFormation resource types of CloudWatch Logs.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html
func (s *Service) ResourceTypes() []resource.Type {
	g := groupResources{s}
	return []resource.Type{resource.Define(resource.Spec[groupProperties]{
		Name: "AWS::Logs::LogGroup", Attributes: []string{"Arn"}, Tags: "Tags",
		Naming: &resource.Naming{Property: "LogGroupName", Limit: 512},
		Known:  []string{"BearerTokenAuthenticationEnabled", "DataProtectionPolicy", "DeletionProtectionEnabled", "FieldIndexPolicies", "ResourcePolicyDocument"},
		Create: g.create, Update: g.update, Delete: g.delete, Find: g.find,
	})}
}

type groupProperties struct {
	LogGroupName    string `cfn:"replace"`
	RetentionInDays *int32
	KmsKeyId        *string
	LogGroupClass   types.LogGroupClass
	Tags            []resource.Tag
}

// groupResources is AWS::Logs::LogGroup.
type groupResources struct{ *Service }

func (s groupResources) create(ctx context.Context, c *resource.Change[groupProperties]) (resource.Result, error) {
	p := &c.Properties
	in := &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &p.LogGroupName, KmsKeyId: p.KmsKeyId, LogGroupClass: p.LogGroupClass}
	for _, t := range p.Tags {
		if in.Tags == nil {
			in.Tags = map[string]string{}
		}
		in.Tags[t.Key] = t.Value
	}
	_, err := resource.Do(ctx, s.CreateLogGroup, in)
	if resource.IsExists(err) {
		if id, failed := s.find(ctx, c); failed != nil {
			return resource.Result{}, failed
		} else if id != "" {
			err = nil // an earlier attempt made it
		}
	}
	if err != nil {
		return resource.Result{}, err
	}
	if err := c.Initiated(p.LogGroupName); err != nil {
		return resource.Result{}, err
	}
	if err := s.retain(ctx, p.LogGroupName, p.RetentionInDays); err != nil {
		return resource.Result{}, err
	}
	return result(c), nil
}

func result(c *resource.Change[groupProperties]) resource.Result {
	g := owned(c)
	return resource.Result{PhysicalID: g.Name, Attributes: map[string]any{"Arn": g.arn() + ":*"}}
}

// owned is the group of a resource, by name alone.
func owned(c *resource.Change[groupProperties]) *group {
	return &group{Account: c.Stack.Account, Region: c.Stack.Region, Name: cmp.Or(c.PhysicalID, c.Properties.LogGroupName)}
}

// retain sets the retention; nil: events stay.
func (s groupResources) retain(ctx context.Context, name string, days *int32) (err error) {
	if days == nil {
		_, err = resource.Do(ctx, s.DeleteRetentionPolicy, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: &name})
	} else {
		_, err = resource.Do(ctx, s.PutRetentionPolicy, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &name, RetentionInDays: days})
	}
	return err
}

func (s groupResources) update(ctx context.Context, c *resource.Change[groupProperties]) (resource.Result, error) {
	p, old := &c.Properties, &c.Old
	switch {
	case aws.ToString(p.KmsKeyId) != aws.ToString(old.KmsKeyId):
		return resource.Result{}, invalid("A change of KmsKeyId is not built in this version of Countersign: give the log group another name, or leave the key as it is.")
	case p.LogGroupClass != old.LogGroupClass:
		return resource.Result{}, invalid("The class of a log group cannot be changed: give the log group another name.")
	}
	if aws.ToInt32(p.RetentionInDays) != aws.ToInt32(old.RetentionInDays) {
		if err := s.retain(ctx, c.PhysicalID, p.RetentionInDays); err != nil {
			return resource.Result{}, err
		}
	}
	arn := owned(c).arn()
	set, removed := resource.TagChanges(old.Tags, p.Tags)
	if len(removed) > 0 {
		if _, err := resource.Do(ctx, s.UntagResource, &cloudwatchlogs.UntagResourceInput{ResourceArn: &arn, TagKeys: removed}); err != nil {
			return resource.Result{}, err
		}
	}
	if len(set) > 0 {
		in := &cloudwatchlogs.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{}}
		for _, t := range set {
			in.Tags[t.Key] = t.Value
		}
		if _, err := resource.Do(ctx, s.TagResource, in); err != nil {
			return resource.Result{}, err
		}
	}
	return result(c), nil
}

func (s groupResources) delete(ctx context.Context, c *resource.Change[groupProperties]) error {
	_, err := resource.Do(ctx, s.DeleteLogGroup, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &c.PhysicalID})
	if resource.IsNotFound(err) {
		return nil
	}
	return err
}

func (s groupResources) find(ctx context.Context, c *resource.Change[groupProperties]) (string, error) {
	out, err := resource.Do(ctx, s.ListTagsForResource, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: aws.String(owned(c).arn())})
	if resource.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var tags []resource.Tag
	for k, v := range out.Tags {
		tags = append(tags, resource.Tag{Key: k, Value: v})
	}
	if !c.Ours(tags) {
		return "", nil
	}
	return c.Properties.LogGroupName, nil
}
