package stacks

import (
	"context"
	"regexp"
	"strings"

	"countersign/arn"
	"countersign/service/stacks/resource"
)

// Types of CloudFormation's own.
const (
	typeStack           = "AWS::CloudFormation::Stack"
	typeWaitCondition   = "AWS::CloudFormation::WaitCondition"
	typeWaitHandle      = "AWS::CloudFormation::WaitConditionHandle"
	typeCustom          = "AWS::CloudFormation::CustomResource"
	typeCDKMetadata     = "AWS::CDK::Metadata"
	typeRepository      = "AWS::ECR::Repository"
	customPrefix        = "Custom::"
	maxCustomTypeLength = 60
)

// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html
var customType = regexp.MustCompile(`^Custom::[A-Za-z0-9_@-]+$`)

func custom(typ string) bool { return typ == typeCustom || strings.HasPrefix(typ, customPrefix) }

// lookUp finds a type by the name that a template gives.
func (s *Service) lookUp(name string) (resource.Type, bool) {
	if strings.HasPrefix(name, customPrefix) {
		if len(name) > maxCustomTypeLength || !customType.MatchString(name) {
			return resource.Type{}, false
		}
		name = typeCustom
	}
	t, ok := s.types[name]
	return t, ok
}

func (s *Service) ownTypes() []resource.Type {
	return []resource.Type{s.customResource(), s.nestedStack(), s.waitCondition(), s.waitHandle(), cdkMetadata(), repository()}
}

// cdkMetadata is in every stack of the CDK. It stands for nothing, on AWS as well.
func cdkMetadata() resource.Type {
	type properties struct {
		Rest map[string]any `cfn:"rest"`
	}
	made := func(_ context.Context, c *resource.Change[properties]) (resource.Result, error) {
		return resource.Result{PhysicalID: c.LogicalID + "-" + c.Token}, nil
	}
	return resource.Define(resource.Spec[properties]{
		Name: typeCDKMetadata, Create: made,
		Update: func(_ context.Context, c *resource.Change[properties]) (resource.Result, error) {
			return resource.Result{PhysicalID: c.PhysicalID}, nil
		},
		Delete: func(context.Context, *resource.Change[properties]) error { return nil },
	})
}

// repository is a name without a registry behind it: every bootstrap stack of the CDK has
// one, whether images are used or not. Pushing to it fails, since nothing listens.
func repository() resource.Type {
	type properties struct {
		RepositoryName string         `cfn:"replace"`
		Rest           map[string]any `cfn:"rest"`
	}
	result := func(c *resource.Change[properties]) resource.Result {
		name := c.Properties.RepositoryName
		return resource.Result{PhysicalID: name, Attributes: map[string]any{
			"Arn":           arn.New("ecr", c.Stack.Region, c.Stack.Account, "repository/"+name).String(),
			"RepositoryUri": c.Stack.Account + ".dkr.ecr." + c.Stack.Region + "." + suffix(c.Stack.Region) + "/" + name,
		}}
	}
	return resource.Define(resource.Spec[properties]{
		Name: typeRepository, Attributes: []string{"Arn", "RepositoryUri"}, Naming: &resource.Naming{Property: "RepositoryName", Limit: 256, Lower: true},
		Create: func(_ context.Context, c *resource.Change[properties]) (resource.Result, error) {
			return result(c), nil
		},
		Update: func(_ context.Context, c *resource.Change[properties]) (resource.Result, error) {
			return result(c), nil
		},
		Delete: func(context.Context, *resource.Change[properties]) error { return nil },
	})
}
