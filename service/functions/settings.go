package functions

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"countersign/service/functions/runner"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// What a new function has where nothing is said.
const (
	defaultTimeout = 3   // seconds
	defaultMemory  = 128 // MB
	defaultStorage = 512 // MB
)

func defaultLogGroup(function string) string { return "/aws/lambda/" + function }

// settings are what CreateFunction and UpdateFunctionConfiguration have in
// common. A nil member changes nothing.
type settings struct {
	description, handler, role *string
	runtime                    types.Runtime
	timeout, memory            *int32
	environment                *types.Environment
	storage                    *types.EphemeralStorage
	logging                    *types.LoggingConfig
	tracing                    *types.TracingConfig
	// refused names the parameters that are set and not built.
	refused []string
}

func ofCreate(in *lambda.CreateFunctionInput) settings {
	return settings{
		description: in.Description, handler: in.Handler, role: in.Role, runtime: in.Runtime, timeout: in.Timeout, memory: in.MemorySize,
		environment: in.Environment, storage: in.EphemeralStorage, logging: in.LoggingConfig, tracing: in.TracingConfig,
		refused: named(
			"PackageType "+string(in.PackageType), in.PackageType != "" && in.PackageType != types.PackageTypeZip,
			"CodeSigningConfigArn", in.CodeSigningConfigArn != nil,
			"TenancyConfig", in.TenancyConfig != nil,
			"PublishTo", in.PublishTo != "",
			"CapacityProviderConfig", in.CapacityProviderConfig != nil,
			"DurableConfig", in.DurableConfig != nil,
			"FileSystemConfigs", len(in.FileSystemConfigs) > 0,
			"ImageConfig", in.ImageConfig != nil,
			"KMSKeyArn", aws.ToString(in.KMSKeyArn) != "",
			"Layers", len(in.Layers) > 0,
			"DeadLetterConfig", in.DeadLetterConfig != nil && aws.ToString(in.DeadLetterConfig.TargetArn) != "",
			"SnapStart", in.SnapStart != nil && in.SnapStart.ApplyOn != types.SnapStartApplyOnNone && in.SnapStart.ApplyOn != "",
			"VpcConfig", inVPC(in.VpcConfig),
		),
	}
}

func ofUpdate(in *lambda.UpdateFunctionConfigurationInput) settings {
	return settings{
		description: in.Description, handler: in.Handler, role: in.Role, runtime: in.Runtime, timeout: in.Timeout, memory: in.MemorySize,
		environment: in.Environment, storage: in.EphemeralStorage, logging: in.LoggingConfig, tracing: in.TracingConfig,
		refused: named(
			"CapacityProviderConfig", in.CapacityProviderConfig != nil,
			"DurableConfig", in.DurableConfig != nil,
			"FileSystemConfigs", len(in.FileSystemConfigs) > 0,
			"ImageConfig", in.ImageConfig != nil,
			"KMSKeyArn", aws.ToString(in.KMSKeyArn) != "",
			"Layers", len(in.Layers) > 0,
			"DeadLetterConfig", in.DeadLetterConfig != nil && aws.ToString(in.DeadLetterConfig.TargetArn) != "",
			"SnapStart", in.SnapStart != nil && in.SnapStart.ApplyOn != types.SnapStartApplyOnNone && in.SnapStart.ApplyOn != "",
			"VpcConfig", inVPC(in.VpcConfig),
		),
	}
}

// inVPC tells whether a VPC is asked for: empty lists mean none.
func inVPC(v *types.VpcConfig) bool {
	return v != nil && (len(v.SubnetIds) > 0 || len(v.SecurityGroupIds) > 0)
}

// named takes pairs of a name and whether it counts, and returns the names that do.
func named(pairs ...any) (names []string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1].(bool) {
			names = append(names, pairs[i].(string))
		}
	}
	return names
}

var roleARN = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)

// runtimes that run here.
var runtimes = []types.Runtime{types.RuntimeProvidedal2023, types.RuntimeProvidedal2}

// apply checks the settings and puts those that are set into v.
func (c *settings) apply(v *version) error {
	if len(c.refused) > 0 {
		return notBuilt(c.refused[0])
	}
	if c.runtime != "" {
		if !slices.Contains(runtimes, c.runtime) {
			return invalid("The runtime parameter of %s is not supported: this version of Countersign runs %s and %s. "+
				"Build the function as an executable named bootstrap, with aws-lambda-go for example.", c.runtime, runtimes[0], runtimes[1])
		}
		v.Runtime = string(c.runtime)
	}
	if c.role != nil {
		if !roleARN.MatchString(*c.role) {
			return constraint(*c.role, "role", `Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`)
		}
		v.Role = *c.role
	}
	if c.handler != nil {
		if len(*c.handler) > 128 || strings.ContainsAny(*c.handler, " \t\r\n\x00") {
			return constraint(*c.handler, "handler", `Member must satisfy regular expression pattern: [^\s]+ and have length less than or equal to 128`)
		}
		v.Handler = *c.handler
	}
	if c.description != nil {
		if len([]rune(*c.description)) > 256 {
			return constraint(*c.description, "description", "Member must have length less than or equal to 256")
		}
		v.Description = *c.description
	}
	if err := inRange(c.timeout, &v.Timeout, "timeout", 1, 900); err != nil {
		return err
	}
	if err := inRange(c.memory, &v.Memory, "memorySize", 128, 10240); err != nil {
		return err
	}
	if c.storage != nil {
		if err := inRange(c.storage.Size, &v.Storage, "ephemeralStorage.size", 512, 10240); err != nil {
			return err
		}
	}
	if c.environment != nil {
		if err := checkVariables(c.environment.Variables); err != nil {
			return err
		}
		v.Variables = c.environment.Variables
	}
	if l := c.logging; l != nil {
		if l.LogFormat == types.LogFormatJson || l.ApplicationLogLevel != "" || l.SystemLogLevel != "" {
			return notBuilt("LoggingConfig with LogFormat JSON or log levels")
		}
		if l.LogGroup != nil {
			v.LogGroup = *l.LogGroup
		}
	}
	if c.tracing != nil {
		if !slices.Contains(types.TracingMode("").Values(), c.tracing.Mode) {
			return constraint(c.tracing.Mode, "tracingConfig.mode", "Member must satisfy enum value set: [Active, PassThrough]")
		}
		v.Tracing = string(c.tracing.Mode)
	}
	return nil
}

func inRange(from, to *int32, member string, least, most int32) error {
	switch {
	case from == nil:
		return nil
	case *from < least:
		return constraint(*from, member, "Member must have value greater than or equal to "+itoa(least))
	case *from > most:
		return constraint(*from, member, "Member must have value less than or equal to "+itoa(most))
	}
	*to = *from
	return nil
}

var variableName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)

// checkVariables holds environment variables to Lambda's rules: names, those
// that it sets itself, and 4 KB in all, measured as JSON.
func checkVariables(vars map[string]string) error {
	const whatever = "Lambda was unable to configure your environment variables because the environment variables you have provided "
	var taken []string
	for name, value := range vars {
		if !variableName.MatchString(name) {
			return constraint(name, "environment.variables", "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]")
		}
		if strings.ContainsRune(value, 0) {
			return invalid(whatever+"contain a NUL character: %s", name)
		}
		if runner.IsReserved(name) {
			taken = append(taken, name)
		}
	}
	if len(taken) > 0 {
		slices.Sort(taken)
		return invalid(whatever+"contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(taken, ", "))
	}
	if text, err := json.Marshal(vars); err != nil {
		return err
	} else if len(text) > 4096 && len(vars) > 0 {
		return invalid(whatever+"exceeded the 4KB limit. String measured: %s…", text[:512])
	}
	return nil
}
