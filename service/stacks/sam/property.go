package sam

import (
	"encoding/json"
	"slices"
	"strings"
)

// A property is one that a SAM resource or event may have.
type property struct {
	name string
	kind kind
	rule rule
}

// kind is the type a property must have.
type kind int

const (
	anything kind = iota
	text
	mapping
	list
	whole // an integer; Python's booleans are integers
	boolean
	textOrMap
	booleanOrMap
	textsOrMaps // a list of them
	policyList  // a name, a statement, or a list of both
	mapOfMaps
	retainOrDelete
)

// rule says more of a property; rules combine.
type rule int

const (
	required  rule = 1 << iota
	literal        // an intrinsic function may not stand for it
	unfitting      // known to SAM, not built here
)

func (k kind) fits(v any) bool {
	_, isText := v.(string)
	_, isMap := v.(object)
	_, isBool := v.(bool)
	items, isList := v.([]any)
	each := func(k kind) bool {
		return isList && !slices.ContainsFunc(items, func(item any) bool { return !k.fits(item) })
	}
	switch k {
	case text:
		return isText
	case mapping:
		return isMap
	case list:
		return isList
	case boolean:
		return isBool
	case whole:
		number, ok := v.(json.Number)
		return isBool || ok && !strings.ContainsAny(number.String(), ".eE")
	case textOrMap:
		return isText || isMap
	case booleanOrMap:
		return isBool || isMap
	case textsOrMaps:
		return each(textOrMap)
	case policyList:
		return isText || isMap || each(textOrMap)
	case mapOfMaps:
		for _, item := range asMap(v) {
			if _, ok := item.(object); !ok {
				return false
			}
		}
		return isMap
	case retainOrDelete:
		return v == "Retain" || v == "Delete"
	}
	return true
}

// wrong is what AWS says of a value that does not fit.
func (p property) wrong(id string) error {
	switch p.kind {
	case text:
		return badResource(id, "Property '%s' should be a string.", p.name)
	case mapping:
		return badResource(id, "Property '%s' should be a map.", p.name)
	case retainOrDelete:
		return badResource(id, "Property '%s' should be a one of the strings: 'Delete' or 'Retain'.", p.name)
	}
	return badResource(id, "Type of property '%s' is invalid.", p.name)
}

// check holds properties against a table, in AWS's order: unknown names first,
// then the table from its top.
func check(id, resourceType string, table []property, given object) error {
	for _, name := range sorted(given) {
		if !slices.ContainsFunc(table, func(p property) bool { return p.name == name }) {
			return badResource(id, "property %s not defined for resource of type %s", name, resourceType)
		}
	}
	for _, p := range table {
		value := given[p.name]
		if m, ok := value.(object); ok && len(m) == 1 && p.rule&literal == 0 && p.rule&unfitting == 0 {
			continue // it may be an intrinsic function
		}
		switch {
		case value == nil && p.rule&required != 0:
			return badResource(id, "Missing required property '%s'.", p.name)
		case value == nil:
		case !p.kind.fits(value):
			return p.wrong(id)
		case p.rule&unfitting != 0 && truthy(value):
			return notBuilt(id, "Property '"+p.name+"' of "+resourceType)
		}
	}
	return nil
}

var functionProperties = []property{
	{"FunctionName", textOrMap, 0},
	{"Handler", anything, 0},
	{"Runtime", anything, 0},
	{"CodeUri", anything, 0},
	{"ImageUri", anything, 0},
	{"PackageType", anything, 0},
	{"InlineCode", anything, 0},
	{"DeadLetterQueue", mapping, 0},
	{"Description", anything, 0},
	{"MemorySize", anything, 0},
	{"Timeout", anything, 0},
	{"VpcConfig", anything, 0},
	{"Role", text, 0},
	{"AssumeRolePolicyDocument", mapping, 0},
	{"Policies", policyList, 0},
	{"RolePath", anything, 0},
	{"PermissionsBoundary", text, 0},
	{"Environment", mapOfMaps, 0},
	{"Events", mapOfMaps, 0},
	{"Tags", mapping, 0},
	{"PropagateTags", boolean, 0},
	{"Tracing", textOrMap, 0},
	{"KmsKeyArn", anything, 0},
	{"DeploymentPreference", mapping, unfitting},
	{"ReservedConcurrentExecutions", anything, 0},
	{"Layers", textsOrMaps, 0},
	{"EventInvokeConfig", mapping, unfitting},
	{"EphemeralStorage", anything, 0},
	{"AutoPublishAlias", text, 0},
	{"AutoPublishCodeSha256", text, 0},
	{"AutoPublishAliasAllProperties", boolean, literal},
	{"VersionDescription", anything, 0},
	{"ProvisionedConcurrencyConfig", anything, 0},
	{"FileSystemConfigs", anything, 0},
	{"ImageConfig", anything, 0},
	{"CodeSigningConfigArn", anything, 0},
	{"Architectures", anything, 0},
	{"SnapStart", mapping, 0},
	{"FunctionUrlConfig", mapping, unfitting},
	{"RuntimeManagementConfig", anything, 0},
	{"LoggingConfig", anything, 0},
	{"RecursiveLoop", anything, 0},
	{"SourceKMSKeyArn", anything, 0},
	{"CapacityProviderConfig", mapping, unfitting},
	{"FunctionScalingConfig", mapping, unfitting},
	{"VersionDeletionPolicy", retainOrDelete, 0},
	{"PublishToLatestPublished", anything, unfitting},
	{"TenancyConfig", anything, 0},
	{"DurableConfig", mapping, 0},
}

var apiProperties = []property{
	{"Name", textOrMap, 0},
	{"StageName", textOrMap, required},
	{"Tags", mapping, 0},
	{"PropagateTags", boolean, 0},
	{"DefinitionBody", mapping, 0},
	{"DefinitionUri", textOrMap, 0},
	{"MergeDefinitions", boolean, literal},
	{"CacheClusterEnabled", boolean, 0},
	{"CacheClusterSize", text, 0},
	{"Variables", mapping, 0},
	{"EndpointConfiguration", textOrMap, 0},
	{"MethodSettings", list, 0},
	{"BinaryMediaTypes", list, 0},
	{"MinimumCompressionSize", whole, 0},
	{"Cors", textOrMap, 0},
	{"Auth", mapping, 0},
	{"GatewayResponses", mapping, 0},
	{"AccessLogSetting", mapping, 0},
	{"CanarySetting", mapping, 0},
	{"TracingEnabled", boolean, 0},
	{"OpenApiVersion", text, 0},
	{"Models", mapping, 0},
	{"Domain", mapping, 0},
	{"FailOnWarnings", boolean, 0},
	{"Description", text, 0},
	{"Mode", text, 0},
	{"DisableExecuteApiEndpoint", boolean, 0},
	{"ApiKeySourceType", text, 0},
	{"AlwaysDeploy", boolean, literal},
	{"Policy", textOrMap, 0},
	{"SecurityPolicy", text, 0},
	{"EndpointAccessMode", text, 0},
}

var httpAPIProperties = []property{
	{"Name", anything, 0},
	{"StageName", textOrMap, 0},
	{"Tags", mapping, 0},
	{"PropagateTags", boolean, 0},
	{"DefinitionBody", mapping, 0},
	{"DefinitionUri", textOrMap, 0},
	{"StageVariables", mapping, 0},
	{"CorsConfiguration", booleanOrMap, 0},
	{"AccessLogSettings", mapping, 0},
	{"DefaultRouteSettings", mapping, 0},
	{"Auth", mapping, 0},
	{"RouteSettings", mapping, 0},
	{"Domain", mapping, 0},
	{"FailOnWarnings", boolean, 0},
	{"Description", text, 0},
	{"DisableExecuteApiEndpoint", boolean, 0},
}

var apiEventProperties = []property{
	{"Path", text, required},
	{"Method", text, required},
	{"RestApiId", text, required},
	{"Stage", text, 0},
	{"Auth", mapping, 0},
	{"RequestModel", mapping, 0},
	{"RequestParameters", list, 0},
	{"TimeoutInMillis", whole, 0},
	{"ResponseTransferMode", text, 0},
}

var httpAPIEventProperties = []property{
	{"Path", text, 0},
	{"Method", text, 0},
	{"ApiId", text, 0},
	{"Stage", text, 0},
	{"Auth", mapping, 0},
	{"TimeoutInMillis", whole, 0},
	{"RouteSettings", mapping, 0},
	{"PayloadFormatVersion", text, 0},
}

var scheduleEventProperties = []property{
	{"Schedule", text, required},
	{"RuleName", text, 0},
	{"Input", text, 0},
	{"Enabled", boolean, 0},
	{"State", text, 0},
	{"Name", text, 0},
	{"Description", text, 0},
	{"DeadLetterConfig", mapping, 0},
	{"RetryPolicy", mapping, 0},
}
