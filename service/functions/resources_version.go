package functions

import (
	"context"
	"strings"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

type versionProperties struct {
	FunctionName string  `cfn:"required,replace"`
	Description  *string `cfn:"replace"`
	CodeSha256   *string `cfn:"replace"`
}

// versionResources is AWS::Lambda::Version.
type versionResources struct{ *Service }

// create publishes $LATEST. That there is nothing new to publish is an error, as
// on AWS: two resources would share a version, and the first to go would take it with it.
func (s versionResources) create(ctx context.Context, c *resource.Change[versionProperties]) (resource.Result, error) {
	p := &c.Properties
	if c.PhysicalID != "" {
		out, err := resource.Do(ctx, s.GetFunctionConfiguration, &lambda.GetFunctionConfigurationInput{FunctionName: &c.PhysicalID})
		if err != nil {
			return resource.Result{}, err
		}
		return versionResult(*out.FunctionArn, *out.Version), nil
	}
	before, err := s.published(ctx, p.FunctionName)
	if err != nil {
		return resource.Result{}, err
	}
	out, err := resource.Do(ctx, s.PublishVersion, &lambda.PublishVersionInput{FunctionName: &p.FunctionName, Description: p.Description, CodeSha256: p.CodeSha256})
	if err != nil {
		return resource.Result{}, err
	}
	for _, v := range before {
		if *v.Version == *out.Version {
			return resource.Result{}, &smithy.GenericAPIError{Code: "AlreadyExists", Fault: smithy.FaultClient,
				Message: "A version for this Lambda function exists ( " + *out.Version + " ). Modify the function to create a new version."}
		}
	}
	return versionResult(*out.FunctionArn, *out.Version), nil
}

func versionResult(arn, number string) resource.Result {
	return resource.Result{PhysicalID: arn, Attributes: map[string]any{"FunctionArn": arn, "Version": number}}
}

// published lists a function's versions, $LATEST first, then the oldest first.
func (s *Service) published(ctx context.Context, name string) (all []types.FunctionConfiguration, err error) {
	page := &lambda.ListVersionsByFunctionInput{FunctionName: &name}
	for {
		out, err := resource.Do(ctx, s.ListVersionsByFunction, page)
		if err != nil {
			return nil, err
		}
		all = append(all, out.Versions...)
		if page.Marker = out.NextMarker; page.Marker == nil {
			return all, nil
		}
	}
}

func (s versionResources) delete(ctx context.Context, c *resource.Change[versionProperties]) error {
	_, err := resource.Do(ctx, s.DeleteFunction, &lambda.DeleteFunctionInput{FunctionName: &c.PhysicalID})
	return unlessGone(err)
}

// find looks for a version that was published of $LATEST as it still is.
func (s versionResources) find(ctx context.Context, c *resource.Change[versionProperties]) (string, error) {
	all, err := s.published(ctx, c.Properties.FunctionName)
	if err != nil || len(all) < 2 {
		return "", unlessGone(err)
	}
	now, last := all[0], all[len(all)-1]
	if *last.CodeSha256 != *now.CodeSha256 || *last.LastModified != *now.LastModified || c.Properties.Description != nil && *c.Properties.Description != *last.Description {
		return "", nil
	}
	return *last.FunctionArn, nil
}

type aliasProperties struct {
	FunctionName    string `cfn:"required,replace"`
	Name            string `cfn:"required,replace"`
	FunctionVersion string `cfn:"required"`
	Description     string
	RoutingConfig   *struct {
		AdditionalVersionWeights []struct {
			FunctionVersion string  `cfn:"required"`
			FunctionWeight  float64 `cfn:"required"`
		}
	}
}

func checkAlias(p *aliasProperties) []resource.Problem {
	if p.RoutingConfig != nil && len(p.RoutingConfig.AdditionalVersionWeights) > 0 {
		return []resource.Problem{{Path: []string{"RoutingConfig"}, Message: "RoutingConfig is not built in this version of Countersign; leave it out"}}
	}
	return nil
}

// aliasResources is AWS::Lambda::Alias.
type aliasResources struct{ *Service }

func (s aliasResources) create(ctx context.Context, c *resource.Change[aliasProperties]) (resource.Result, error) {
	if c.PhysicalID != "" {
		return s.update(ctx, c)
	}
	p := &c.Properties
	out, err := resource.Do(ctx, s.CreateAlias, &lambda.CreateAliasInput{FunctionName: &p.FunctionName, Name: &p.Name, FunctionVersion: &p.FunctionVersion, Description: &p.Description})
	if err != nil {
		return resource.Result{}, err
	}
	return aliasResult(*out.AliasArn), nil
}

func aliasResult(arn string) resource.Result {
	return resource.Result{PhysicalID: arn, Attributes: map[string]any{"AliasArn": arn}}
}

func (s aliasResources) update(ctx context.Context, c *resource.Change[aliasProperties]) (resource.Result, error) {
	p := &c.Properties
	out, err := resource.Do(ctx, s.UpdateAlias, &lambda.UpdateAliasInput{FunctionName: &p.FunctionName, Name: &p.Name, FunctionVersion: &p.FunctionVersion, Description: &p.Description})
	if err != nil {
		return resource.Result{}, err
	}
	return aliasResult(*out.AliasArn), nil
}

func (s aliasResources) delete(ctx context.Context, c *resource.Change[aliasProperties]) error {
	// The ARN names function and alias, also where the properties can no longer be read.
	i := strings.LastIndexByte(c.PhysicalID, ':')
	function, name := c.PhysicalID[:max(i, 0)], c.PhysicalID[i+1:]
	_, err := resource.Do(ctx, s.DeleteAlias, &lambda.DeleteAliasInput{FunctionName: &function, Name: &name})
	return unlessGone(err)
}

func (s aliasResources) find(ctx context.Context, c *resource.Change[aliasProperties]) (string, error) {
	p := &c.Properties
	out, err := resource.Do(ctx, s.GetAlias, &lambda.GetAliasInput{FunctionName: &p.FunctionName, Name: &p.Name})
	if err != nil {
		return "", unlessGone(err)
	}
	if *out.FunctionVersion != p.FunctionVersion || aws.ToString(out.Description) != p.Description {
		return "", nil
	}
	return *out.AliasArn, nil
}
