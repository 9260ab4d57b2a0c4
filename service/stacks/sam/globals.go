package sam

import (
	"fmt"
	"slices"
	"strings"
)

// globalProperties are the sections of Globals and the properties that each may
// set. AWS prints them in this order.
var globalProperties = map[string][]string{
	"Function": strings.Fields(`Handler Runtime CodeUri DeadLetterQueue Description MemorySize Timeout VpcConfig
		Environment Tags PropagateTags Tracing KmsKeyArn AutoPublishAlias AutoPublishAliasAllProperties Layers
		DeploymentPreference RolePath PermissionsBoundary ReservedConcurrentExecutions ProvisionedConcurrencyConfig
		AssumeRolePolicyDocument EventInvokeConfig FileSystemConfigs CodeSigningConfigArn Architectures SnapStart
		EphemeralStorage FunctionUrlConfig RuntimeManagementConfig LoggingConfig RecursiveLoop SourceKMSKeyArn
		TenancyConfig DurableConfig CapacityProviderConfig FunctionScalingConfig PublishToLatestPublished
		VersionDeletionPolicy`),
	"Api": strings.Fields(`Auth Name DefinitionUri CacheClusterEnabled CacheClusterSize MergeDefinitions Variables
		EndpointConfiguration MethodSettings BinaryMediaTypes MinimumCompressionSize Cors GatewayResponses
		AccessLogSetting CanarySetting TracingEnabled OpenApiVersion Domain AlwaysDeploy PropagateTags
		SecurityPolicy EndpointAccessMode`),
	"HttpApi": strings.Fields(`Auth AccessLogSettings StageVariables Tags CorsConfiguration DefaultRouteSettings
		Domain RouteSettings FailOnWarnings PropagateTags`),
	"SimpleTable":  {"SSESpecification"},
	"StateMachine": {"PropagateTags"},
	"LayerVersion": {"PublishLambdaVersion"},
	"CapacityProvider": strings.Fields(`VpcConfig OperatorRole Tags InstanceRequirements ScalingConfig KmsKeyArn
		PropagateTags`),
	"WebSocketApi": strings.Fields(`AccessLogSettings ApiKeySelectionExpression DefaultRouteSettings
		DisableExecuteApiEndpoint DisableSchemaValidation Domain FailOnWarnings IpAddressType PropagateTags
		RouteSelectionExpression RouteSettings StageVariables Tags`),
}

// mergeGlobals copies the Globals section into the resources it is for, and
// takes it out of the template.
func (t *transform) mergeGlobals() error {
	given, ok := t.template["Globals"]
	if ok {
		sections, err := checkGlobals(given)
		if err != nil {
			return err
		}
		if size, _ := measure(sections); size*len(t.source) > 4*maxSize {
			return badGlobals("It is too large to be copied into %d resources.", len(t.source))
		}
		for _, id := range sorted(t.source) {
			resource := asMap(t.source[id])
			section, ok := sections[strings.TrimPrefix(typeOf(resource), typePrefix)].(object)
			if !ok || !builds(typeOf(resource)) {
				continue
			}
			if section, err = withoutIgnored(id, section, resource["IgnoreGlobals"]); err != nil {
				return err
			}
			resource["Properties"] = merge(section, asMap(resource["Properties"]))
		}
	}
	delete(t.template, "Globals")
	t.adoptOpenAPIVersions()
	return nil
}

func badGlobals(format string, args ...any) error {
	return &documentProblem{[]Problem{{"", "'Globals' section is invalid. " + fmt.Sprintf(format, args...)}}}
}

func checkGlobals(given any) (object, error) {
	sections, ok := given.(object)
	if !ok {
		return nil, badGlobals("It must be a non-empty dictionary")
	}
	for _, name := range sorted(sections) {
		allowed, ok := globalProperties[name]
		if !ok {
			return nil, badGlobals("'%s' is not supported. Must be one of the following values - %s", name, quoted(sorted(globalProperties)))
		}
		section, ok := sections[name].(object)
		if !ok {
			return nil, badGlobals("Value of ${section} must be a dictionary") // the dollar sign is AWS's
		}
		for _, key := range sorted(section) {
			if !slices.Contains(allowed, key) {
				return nil, badGlobals("'%s' is not a supported property of '%s'. Must be one of the following values - %s", key, name, quoted(allowed))
			}
		}
	}
	return sections, nil
}

// withoutIgnored leaves out what the resource's IgnoreGlobals names: "*" or a list.
func withoutIgnored(id string, section object, ignored any) (object, error) {
	bad := func(more string) error {
		return stop(badResource(id, "Resource %s has invalid resource attribute 'IgnoreGlobals'%s.", id, more))
	}
	if !truthy(ignored) {
		return section, nil
	}
	if ignored == "*" {
		return nil, nil
	}
	names, ok := ignored.([]any)
	if !ok {
		return nil, bad("")
	}
	kept := make(object, len(section))
	for name, value := range section {
		kept[name] = value
	}
	for _, item := range names {
		name, _ := item.(string)
		if _, ok := kept[name]; !ok {
			return nil, bad(" on item '" + show(item) + "'")
		}
		delete(kept, name)
	}
	return kept, nil
}

// merge lays the properties of a resource over global ones: mappings are merged
// member by member, lists are joined, global items first, and of all else the
// resource's wins. An intrinsic function is a value like any other.
func merge(global, local object) object {
	out := make(object, len(global)+len(local))
	for key, value := range global {
		out[key] = clone(value)
	}
	for key, value := range local {
		out[key] = mergeValue(out[key], value)
	}
	return out
}

func mergeValue(global, local any) any {
	switch l := local.(type) {
	case object:
		if g, ok := global.(object); ok && !isIntrinsic(g) && !isIntrinsic(l) {
			return merge(g, l)
		}
	case []any:
		if g, ok := global.([]any); ok {
			return slices.Concat(g, l)
		}
	}
	return local
}
