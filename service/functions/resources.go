package functions

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"

	"countersign/service/stacks/resource"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

// ResourceTypes are the CloudFormation resource types of Lambda.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Lambda.html
func (s *Service) ResourceTypes() []resource.Type {
	f, p, v, a, e := functionResources{s}, permissionResources{s}, versionResources{s}, aliasResources{s}, eventResources{s}
	return []resource.Type{
		resource.Define(resource.Spec[functionProperties]{
			Name: "AWS::Lambda::Function", Attributes: []string{"Arn", "SnapStartResponse", "SnapStartResponse.*"}, Tags: "Tags",
			Naming: &resource.Naming{Property: "FunctionName", Limit: 64},
			Known: []string{"CapacityProviderConfig", "CodeSigningConfigArn", "Code.ImageUri", "Code.SourceKMSKeyArn", "DurableConfig", "FileSystemConfigs", "FunctionScalingConfig",
				"ImageConfig", "KmsKeyArn", "PublishToLatestPublished", "RecursiveLoop", "RuntimeManagementConfig", "TenancyConfig"},
			Check: checkFunction, Create: f.create, Update: f.update, Delete: f.delete, Find: f.find,
		}),
		resource.Define(resource.Spec[permissionProperties]{
			Name: "AWS::Lambda::Permission", Attributes: []string{"Id"}, Known: []string{"FunctionUrlAuthType", "InvokedViaFunctionUrl"},
			Create: p.create, Delete: p.delete,
		}),
		resource.Define(resource.Spec[versionProperties]{
			Name: "AWS::Lambda::Version", Attributes: []string{"FunctionArn", "Version"}, Known: []string{"FunctionScalingConfig", "ProvisionedConcurrencyConfig", "RuntimePolicy"},
			Create: v.create, Delete: v.delete, Find: v.find,
		}),
		resource.Define(resource.Spec[aliasProperties]{
			Name: "AWS::Lambda::Alias", Attributes: []string{"AliasArn"}, Known: []string{"ProvisionedConcurrencyConfig"},
			Check: checkAlias, Create: a.create, Update: a.update, Delete: a.delete, Find: a.find,
		}),
		resource.Define(resource.Spec[eventProperties]{
			Name: "AWS::Lambda::EventInvokeConfig", Known: []string{"DestinationConfig"},
			Create: e.create, Update: e.update, Delete: e.delete, Find: e.find,
		}),
	}
}

type functionProperties struct {
	FunctionName string            `cfn:"replace"`
	PackageType  types.PackageType `cfn:"replace"`
	Code         *functionCode     `cfn:"required"`
	Role         string            `cfn:"required"`

	Architectures                []types.Architecture
	Description                  string
	Environment                  *types.Environment
	EphemeralStorage             *types.EphemeralStorage
	Handler                      string
	LoggingConfig                *types.LoggingConfig
	MemorySize                   *int32
	ReservedConcurrentExecutions *int32
	Runtime                      types.Runtime
	Timeout                      *int32
	TracingConfig                *types.TracingConfig
	Tags                         []resource.Tag

	// Not built, but tools give empty ones: the operations tell.
	DeadLetterConfig *types.DeadLetterConfig
	Layers           []string
	SnapStart        *types.SnapStart
	VpcConfig        *types.VpcConfig
}

type functionCode struct {
	S3Bucket, S3Key, S3ObjectVersion *string
	S3ObjectStorageMode              types.S3ObjectStorageMode
	ZipFile                          *string // source text, unlike the operations' member of that name
}

// creation is the input that makes the function.
func (p *functionProperties) creation() *lambda.CreateFunctionInput {
	in := &lambda.CreateFunctionInput{
		FunctionName: &p.FunctionName, PackageType: p.PackageType, Role: optional(p.Role), Architectures: p.Architectures, Description: &p.Description,
		Environment: p.Environment, EphemeralStorage: p.EphemeralStorage, Handler: optional(p.Handler), LoggingConfig: p.LoggingConfig, MemorySize: p.MemorySize,
		Runtime: p.Runtime, Timeout: p.Timeout, TracingConfig: p.TracingConfig, Tags: map[string]string{},
		DeadLetterConfig: p.DeadLetterConfig, Layers: p.Layers, SnapStart: p.SnapStart, VpcConfig: p.VpcConfig,
	}
	if c := p.Code; c != nil {
		in.Code = &types.FunctionCode{S3Bucket: c.S3Bucket, S3Key: c.S3Key, S3ObjectVersion: c.S3ObjectVersion, S3ObjectStorageMode: c.S3ObjectStorageMode}
	}
	for _, t := range p.Tags {
		in.Tags[t.Key] = t.Value
	}
	return in
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// configuration is all that UpdateFunctionConfiguration can change. What the
// template does not say is what it is for a new function.
func (p *functionProperties) configuration() *lambda.UpdateFunctionConfigurationInput {
	in := &lambda.UpdateFunctionConfigurationInput{
		FunctionName: &p.FunctionName, Role: &p.Role, Description: &p.Description, Handler: &p.Handler, Runtime: p.Runtime,
		Environment: &types.Environment{}, EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(defaultStorage)},
		LoggingConfig: &types.LoggingConfig{LogFormat: types.LogFormatText, LogGroup: aws.String(defaultLogGroup(p.FunctionName))},
		MemorySize:    aws.Int32(defaultMemory), Timeout: aws.Int32(defaultTimeout), TracingConfig: &types.TracingConfig{Mode: types.TracingModePassThrough},
		DeadLetterConfig: p.DeadLetterConfig, Layers: p.Layers, SnapStart: p.SnapStart, VpcConfig: p.VpcConfig,
	}
	if p.Environment != nil && p.Environment.Variables != nil {
		in.Environment = p.Environment
	}
	if p.EphemeralStorage != nil && p.EphemeralStorage.Size != nil {
		in.EphemeralStorage = p.EphemeralStorage
	}
	if l := p.LoggingConfig; l != nil {
		with := *l
		with.LogFormat, with.LogGroup = cmp.Or(l.LogFormat, in.LoggingConfig.LogFormat), cmp.Or(l.LogGroup, in.LoggingConfig.LogGroup)
		in.LoggingConfig = &with
	}
	if p.TracingConfig != nil {
		in.TracingConfig = p.TracingConfig
	}
	in.MemorySize, in.Timeout = cmp.Or(p.MemorySize, in.MemorySize), cmp.Or(p.Timeout, in.Timeout)
	return in
}

// checkFunction refuses what cannot run here before anything is made.
func checkFunction(p *functionProperties) []resource.Problem {
	if p.Code != nil && p.Code.ZipFile != nil {
		return []resource.Problem{{Path: []string{"Code", "ZipFile"}, Message: "ZipFile in a template is source text of an interpreted runtime, and this version of Countersign runs executables: " +
			"build one that is named bootstrap, and give the S3Bucket and S3Key of a zip file with it, as sam deploy does"}}
	}
	wanted := ofCreate(p.creation())
	var coded smithy.APIError
	if err := wanted.apply(&version{}); errors.As(err, &coded) {
		return []resource.Problem{{Message: coded.ErrorMessage()}}
	}
	return nil
}

// functionResources is AWS::Lambda::Function.
type functionResources struct{ *Service }

func (s functionResources) create(ctx context.Context, c *resource.Change[functionProperties]) (resource.Result, error) {
	p := &c.Properties
	name := "" // the property may be an ARN
	out, err := resource.Do(ctx, s.CreateFunction, p.creation())
	switch {
	case err == nil:
		name = *out.FunctionName
	case errors.As(err, new(*types.ResourceConflictException)):
		found, findErr := s.find(ctx, c)
		if findErr != nil {
			return resource.Result{}, findErr
		}
		if name = cmp.Or(found, c.PhysicalID); name == "" {
			return resource.Result{}, err
		}
	default:
		return resource.Result{}, err
	}
	if err := c.Initiated(name); err != nil {
		return resource.Result{}, err
	}
	if err := s.reserve(ctx, name, nil, p.ReservedConcurrentExecutions); err != nil {
		return resource.Result{}, err
	}
	return s.result(ctx, name)
}

func (s functionResources) result(ctx context.Context, name string) (resource.Result, error) {
	out, err := resource.Do(ctx, s.GetFunctionConfiguration, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return resource.Result{}, err
	}
	snap := map[string]any{"ApplyOn": string(out.SnapStart.ApplyOn), "OptimizationStatus": string(out.SnapStart.OptimizationStatus)}
	return resource.Result{PhysicalID: *out.FunctionName, Attributes: map[string]any{
		"Arn": *out.FunctionArn, "SnapStartResponse": snap, "SnapStartResponse.ApplyOn": snap["ApplyOn"], "SnapStartResponse.OptimizationStatus": snap["OptimizationStatus"],
	}}, nil
}

// reserve sets, changes or lifts the function's own bound of concurrency.
func (s functionResources) reserve(ctx context.Context, name string, old, now *int32) error {
	var err error
	switch {
	case now != nil && (old == nil || *old != *now):
		_, err = resource.Do(ctx, s.PutFunctionConcurrency, &lambda.PutFunctionConcurrencyInput{FunctionName: &name, ReservedConcurrentExecutions: now})
	case now == nil && old != nil:
		_, err = resource.Do(ctx, s.DeleteFunctionConcurrency, &lambda.DeleteFunctionConcurrencyInput{FunctionName: &name})
	}
	return err
}

func (s functionResources) update(ctx context.Context, c *resource.Change[functionProperties]) (resource.Result, error) {
	p, old := &c.Properties, &c.Old
	if p.Runtime == "" || p.Handler == "" {
		return resource.Result{}, invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	if !reflect.DeepEqual(p.Code, old.Code) || !slices.Equal(p.Architectures, old.Architectures) {
		in := &lambda.UpdateFunctionCodeInput{FunctionName: &p.FunctionName, Architectures: p.Architectures}
		if c := p.Code; c != nil {
			in.S3Bucket, in.S3Key, in.S3ObjectVersion, in.S3ObjectStorageMode = c.S3Bucket, c.S3Key, c.S3ObjectVersion, c.S3ObjectStorageMode
		}
		if len(p.Architectures) == 0 {
			in.Architectures = []types.Architecture{types.ArchitectureX8664}
		}
		if _, err := resource.Do(ctx, s.UpdateFunctionCode, in); err != nil {
			return resource.Result{}, err
		}
	}
	if in := p.configuration(); !reflect.DeepEqual(in, old.configuration()) {
		if _, err := resource.Do(ctx, s.UpdateFunctionConfiguration, in); err != nil {
			return resource.Result{}, err
		}
	}
	if err := s.reserve(ctx, p.FunctionName, old.ReservedConcurrentExecutions, p.ReservedConcurrentExecutions); err != nil {
		return resource.Result{}, err
	}
	r, err := s.result(ctx, p.FunctionName)
	if err != nil {
		return resource.Result{}, err
	}
	arn := r.Attributes["Arn"].(string)
	set, removed := resource.TagChanges(old.Tags, p.Tags)
	if len(removed) > 0 {
		if _, err := resource.Do(ctx, s.UntagResource, &lambda.UntagResourceInput{Resource: &arn, TagKeys: removed}); err != nil {
			return resource.Result{}, err
		}
	}
	if len(set) > 0 {
		in := &lambda.TagResourceInput{Resource: &arn, Tags: map[string]string{}}
		for _, t := range set {
			in.Tags[t.Key] = t.Value
		}
		if _, err := resource.Do(ctx, s.TagResource, in); err != nil {
			return resource.Result{}, err
		}
	}
	return r, nil
}

func (s functionResources) delete(ctx context.Context, c *resource.Change[functionProperties]) error {
	_, err := resource.Do(ctx, s.DeleteFunction, &lambda.DeleteFunctionInput{FunctionName: &c.PhysicalID})
	return unlessGone(err)
}

// unlessGone is err, but nil where it says that there is nothing to delete any more.
func unlessGone(err error) error {
	if resource.IsNotFound(err) {
		return nil
	}
	return err
}

// find looks for the function of that name that was made for this resource.
func (s functionResources) find(ctx context.Context, c *resource.Change[functionProperties]) (string, error) {
	out, err := resource.Do(ctx, s.GetFunction, &lambda.GetFunctionInput{FunctionName: &c.Properties.FunctionName})
	if err != nil {
		return "", unlessGone(err)
	}
	var tags []resource.Tag
	for k, v := range out.Tags {
		tags = append(tags, resource.Tag{Key: k, Value: v})
	}
	if !c.Ours(tags) {
		return "", nil
	}
	return *out.Configuration.FunctionName, nil
}
