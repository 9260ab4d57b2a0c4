package functions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// CreateFunction makes a function from a zip file. On return it is durable and Active.
func (s *Service) CreateFunction(ctx context.Context, in *lambda.CreateFunctionInput) (*lambda.CreateFunctionOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	f := &function{Account: ref.account, Region: ref.region, Name: ref.name, Tags: in.Tags,
		Latest: version{Number: latest, Timeout: defaultTimeout, Memory: defaultMemory, Storage: defaultStorage, Architecture: string(types.ArchitectureX8664)}}
	v := &f.Latest
	wanted := ofCreate(in)
	if err := wanted.apply(v); err != nil {
		return nil, err
	}
	if v.Runtime == "" || v.Handler == "" {
		return nil, invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	if v.Role == "" {
		return nil, constraint("null", "role", "Member must not be null")
	}
	if err := s.checkRole(ctx, v.Role); err != nil {
		return nil, err
	}
	if err := chooseArchitecture(v, in.Architectures); err != nil {
		return nil, err
	}
	if err := checkTags(ctx, in.Tags); err != nil {
		return nil, err
	}
	if err := countTags(in.Tags); err != nil {
		return nil, err
	}
	exists := func() error { return conflict("Function already exist: %s", f.Name) }
	if old, err := s.read(ctx, ref.account, ref.region, ref.name); err != nil {
		return nil, err
	} else if old != nil {
		return nil, exists()
	}
	p, err := s.accept(ctx, in.Code)
	if err != nil {
		return nil, err
	}
	defer p.done()
	b := new(store.Batch)
	if v.Code, err = s.keep(ctx, p, nil, b); err != nil {
		return nil, err
	}
	if v.Generation, err = s.newID(); err != nil {
		return nil, err
	}
	if err := s.touch(v); err != nil {
		return nil, err
	}
	shown := v
	if in.Publish {
		if shown, err = s.publish(f, nil); err != nil {
			return nil, err
		}
	}
	value, err := s.encode(f)
	if err != nil {
		return nil, err
	}
	_, err = s.store.Commit(ctx, b.Create(kindFunction, f.key(), value))
	if errors.Is(err, store.ErrExists) {
		return nil, exists()
	} else if err != nil {
		return nil, fmt.Errorf("write function %s: %w", f.Name, err)
	}
	return shaped[lambda.CreateFunctionOutput](describe(f, shown, "")), nil
}

// checkRole refuses an execution role that Lambda cannot assume, when a function is
// given it. It is looked at again whenever an environment is started.
func (s *Service) checkRole(ctx context.Context, role string) error {
	if s.cfg.Roles == nil {
		return nil
	}
	if trusted, err := s.cfg.Roles.Trusts(ctx, role); err != nil || trusted {
		return err
	}
	return invalid(cannotAssume)
}

// chooseArchitecture takes over the one architecture that may be given.
func chooseArchitecture(v *version, given []types.Architecture) error {
	switch {
	case len(given) > 1:
		return constraint(given, "architectures", "Member must have length less than or equal to 1")
	case len(given) == 1:
		v.Architecture = string(given[0])
	}
	return nil
}

// GetFunction describes a function, without a link to its code.
func (s *Service) GetFunction(ctx context.Context, in *lambda.GetFunctionInput) (*lambda.GetFunctionOutput, error) {
	ref, err := resolve(ctx, aws.ToString(in.FunctionName), aws.ToString(in.Qualifier))
	if err != nil {
		return nil, err
	}
	f, v, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	c := describe(f, v, ref.qualifier)
	out := &lambda.GetFunctionOutput{Configuration: &c, Code: &types.FunctionCodeLocation{RepositoryType: aws.String("S3")}}
	if len(f.Tags) > 0 {
		out.Tags = f.Tags
	}
	if f.Reserved != nil {
		out.Concurrency = &types.Concurrency{ReservedConcurrentExecutions: f.Reserved}
	}
	return out, nil
}

// GetFunctionConfiguration describes a version of a function.
func (s *Service) GetFunctionConfiguration(ctx context.Context, in *lambda.GetFunctionConfigurationInput) (*lambda.GetFunctionConfigurationOutput, error) {
	ref, err := resolve(ctx, aws.ToString(in.FunctionName), aws.ToString(in.Qualifier))
	if err != nil {
		return nil, err
	}
	f, v, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	return shaped[lambda.GetFunctionConfigurationOutput](describe(f, v, ref.qualifier)), nil
}

// UpdateFunctionCode replaces the code of $LATEST. Invocations that begin after
// it has returned run the new code; those under way end with the old.
func (s *Service) UpdateFunctionCode(ctx context.Context, in *lambda.UpdateFunctionCodeInput) (*lambda.UpdateFunctionCodeOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	if in.PublishTo != "" {
		return nil, notBuilt("PublishTo")
	}
	if _, _, err := s.find(ctx, ref); err != nil {
		return nil, err
	}
	p, err := s.accept(ctx, &types.FunctionCode{ZipFile: in.ZipFile, ImageUri: in.ImageUri, S3Bucket: in.S3Bucket, S3Key: in.S3Key,
		S3ObjectVersion: in.S3ObjectVersion, S3ObjectStorageMode: in.S3ObjectStorageMode, SourceKMSKeyArn: in.SourceKMSKeyArn})
	if err != nil {
		return nil, err
	}
	defer p.done()
	var shown *version
	edit := func(f *function, b *store.Batch) (err error) {
		v := &f.Latest
		shown = v
		if in.RevisionId != nil && *in.RevisionId != v.RevisionID {
			return stale()
		}
		if err := chooseArchitecture(v, in.Architectures); err != nil {
			return err
		}
		if in.DryRun {
			v.Code.SHA256, v.Code.Size = p.code.SHA256, p.code.Size
			return nil
		}
		if v.Code, err = s.keep(ctx, p, f.versions(), b); err != nil {
			return err
		}
		if v.Generation, err = s.newID(); err != nil {
			return err
		}
		if err := s.touch(v); err != nil {
			return err
		}
		if in.Publish {
			shown, err = s.publish(f, nil)
		}
		return err
	}
	var f *function
	if in.DryRun {
		f, _, err = s.find(ctx, ref)
		if err == nil {
			err = edit(f, nil)
		}
	} else {
		f, err = s.change(ctx, ref, edit)
	}
	if err != nil {
		return nil, err
	}
	return shaped[lambda.UpdateFunctionCodeOutput](describe(f, shown, "")), nil
}

// UpdateFunctionConfiguration changes what is given of $LATEST's configuration.
func (s *Service) UpdateFunctionConfiguration(ctx context.Context, in *lambda.UpdateFunctionConfigurationInput) (*lambda.UpdateFunctionConfigurationOutput, error) {
	ref, err := unqualified(ctx, aws.ToString(in.FunctionName))
	if err != nil {
		return nil, err
	}
	wanted := ofUpdate(in)
	f, err := s.change(ctx, ref, func(f *function, _ *store.Batch) (err error) {
		v := &f.Latest
		if in.RevisionId != nil && *in.RevisionId != v.RevisionID {
			return stale()
		}
		if err := wanted.apply(v); err != nil {
			return err
		}
		if wanted.role != nil {
			if err := s.checkRole(ctx, v.Role); err != nil {
				return err
			}
		}
		if v.Generation, err = s.newID(); err != nil {
			return err
		}
		return s.touch(v)
	})
	if err != nil {
		return nil, err
	}
	return shaped[lambda.UpdateFunctionConfigurationOutput](describe(f, &f.Latest, "")), nil
}

// DeleteFunction deletes a published version, or the whole function with its
// versions, aliases, permissions and code. Its queued events find nothing to run, and its log stays on disk.
func (s *Service) DeleteFunction(ctx context.Context, in *lambda.DeleteFunctionInput) (*lambda.DeleteFunctionOutput, error) {
	ref, err := resolve(ctx, aws.ToString(in.FunctionName), aws.ToString(in.Qualifier))
	if err != nil {
		return nil, err
	}
	out := &lambda.DeleteFunctionOutput{StatusCode: 204}
	switch {
	case ref.qualifier == latest:
		return nil, invalid("$LATEST version cannot be deleted without deleting the function.")
	case ref.qualifier != "":
		return out, s.deleteVersion(ctx, ref)
	}
	f, _, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	// Only as it was read: new code or a version published meanwhile would leave its blob behind.
	b := new(store.Batch).DeleteIf(kindFunction, f.key(), f.revision)
	for id := range f.blobs() {
		b.DropBlob(id)
	}
	_, err = s.store.Commit(ctx, b)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, functionNotFound(ref.arn())
	case errors.Is(err, store.ErrConflict):
		return nil, conflict("The operation cannot be performed at this time. An update is in progress for resource: %s", ref.arn())
	case err != nil:
		return nil, fmt.Errorf("delete function %s: %w", f.Name, err)
	}
	s.runner.Retire(f.arn())
	return out, nil
}

// ListFunctions pages through the functions of the account in this Region, in the order of their names.
func (s *Service) ListFunctions(ctx context.Context, in *lambda.ListFunctionsInput) (*lambda.ListFunctionsOutput, error) {
	c := call.From(ctx)
	if in.MasterRegion != nil && *in.MasterRegion != "ALL" && *in.MasterRegion != c.Region {
		return nil, notBuilt("MasterRegion of another Region")
	}
	prefix, limit := functionKey(c.Account, c.Region, ""), pageSize(in.MaxItems)
	after := ""
	if in.Marker != nil {
		after = prefix + *in.Marker
	}
	records, err := s.store.List(ctx, kindFunction, prefix, after, limit+1)
	if err != nil {
		return nil, fmt.Errorf("list functions: %w", err)
	}
	out := &lambda.ListFunctionsOutput{Functions: []types.FunctionConfiguration{}}
	for i, r := range records {
		if i == limit {
			out.NextMarker = aws.String(strings.TrimPrefix(records[i-1].Key, prefix))
			break
		}
		f, err := s.decode(r)
		if err != nil {
			return nil, err
		}
		if in.FunctionVersion != types.FunctionVersionAll {
			out.Functions = append(out.Functions, describe(f, &f.Latest, ""))
			continue
		}
		for _, v := range f.versions() {
			out.Functions = append(out.Functions, describe(f, v, v.Number))
		}
	}
	return out, nil
}

// pageSize is how many items a page has: AWS's default and most is 50 of them.
func pageSize(asked *int32) int {
	if asked == nil || *asked < 1 || *asked > 50 {
		return 50
	}
	return int(*asked)
}

// describe is a version as the API shows it; qualifier is the one that its ARN carries.
func describe(f *function, v *version, qualifier string) types.FunctionConfiguration {
	if qualifier == "" && v.Number != latest {
		qualifier = v.Number
	}
	c := types.FunctionConfiguration{
		FunctionName:     aws.String(f.Name),
		FunctionArn:      aws.String(f.qualified(qualifier)),
		Version:          aws.String(v.Number),
		Description:      aws.String(v.Description),
		Runtime:          types.Runtime(v.Runtime),
		Handler:          aws.String(v.Handler),
		Role:             aws.String(v.Role),
		Timeout:          aws.Int32(v.Timeout),
		MemorySize:       aws.Int32(v.Memory),
		CodeSize:         v.Code.Size,
		CodeSha256:       aws.String(v.Code.base64()),
		LastModified:     aws.String(v.Modified.UTC().Format("2006-01-02T15:04:05.000-0700")),
		RevisionId:       aws.String(v.RevisionID),
		State:            types.StateActive,
		LastUpdateStatus: types.LastUpdateStatusSuccessful,
		PackageType:      types.PackageTypeZip,
		Architectures:    []types.Architecture{types.Architecture(v.Architecture)},
		EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(v.Storage)},
		TracingConfig:    &types.TracingConfigResponse{Mode: cmp.Or(types.TracingMode(v.Tracing), types.TracingModePassThrough)},
		SnapStart:        &types.SnapStartResponse{ApplyOn: types.SnapStartApplyOnNone, OptimizationStatus: types.SnapStartOptimizationStatusOff},
		LoggingConfig:    &types.LoggingConfig{LogFormat: types.LogFormatText, LogGroup: aws.String(v.logGroup(f))},
	}
	if len(v.Variables) > 0 {
		c.Environment = &types.EnvironmentResponse{Variables: v.Variables}
	}
	return c
}

// shaped copies a description into one of the outputs that have the same
// members; the SDK declares each of them anew.
func shaped[O any](c types.FunctionConfiguration) *O {
	out := new(O)
	to, from := reflect.ValueOf(out).Elem(), reflect.ValueOf(c)
	for i := range from.NumField() {
		if name := from.Type().Field(i).Name; from.Type().Field(i).IsExported() {
			to.FieldByName(name).Set(from.Field(i))
		}
	}
	return out
}

func itoa(n int32) string { return strconv.Itoa(int(n)) }
