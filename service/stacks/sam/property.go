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
	anyValue kind = iota
	aText
	otherText // text, of which AWS says only that the type is wrong
	aMap
	aList
	anInt // Python's booleans are integers
	aBool
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
	required rule = 1 << iota
	literal       // an intrinsic function may not stand for it
	unbuilt       // known to SAM, not built here
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
	case aText, otherText:
		return isText
	case aMap:
		return isMap
	case aList:
		return isList
	case aBool:
		return isBool
	case anInt:
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
	case aText:
		return badResource(id, "Property '%s' should be a string.", p.name)
	case aMap:
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
		if m, ok := value.(object); ok && len(m) == 1 && p.rule&literal == 0 && p.rule&unbuilt == 0 {
			continue // it may be an intrinsic function
		}
		switch {
		case value == nil && p.rule&required != 0:
			return badResource(id, "Missing required property '%s'.", p.name)
		case value == nil:
		case !p.kind.fits(value):
			return p.wrong(id)
		case p.rule&unbuilt != 0 && truthy(value):
			return notBuilt(id, "Property '"+p.name+"' of "+resourceType)
		}
	}
	return nil
}

var functionProperties = []property{
	{"FunctionName", textOrMap, 0},
	{"Handler", anyValue, 0},
	{"Runtime", anyValue, 0},
	{"CodeUri", anyValue, 0},
	{"ImageUri", anyValue, 0},
	{"PackageType", anyValue, 0},
	{"InlineCode", anyValue, 0},
	{"DeadLetterQueue", aMap, 0},
	{"Description", anyValue, 0},
	{"MemorySize", anyValue, 0},
	{"Timeout", anyValue, 0},
	{"VpcConfig", anyValue, 0},
	{"Role", aText, 0},
	{"AssumeRolePolicyDocument", aMap, 0},
	{"Policies", policyList, 0},
	{"RolePath", anyValue, 0},
	{"PermissionsBoundary", aText, 0},
	{"Environment", mapOfMaps, 0},
	{"Events", mapOfMaps, 0},
	{"Tags", aMap, 0},
	{"PropagateTags", aBool, 0},
	{"Tracing", textOrMap, 0},
	{"KmsKeyArn", anyValue, 0},
	{"DeploymentPreference", aMap, unbuilt},
	{"ReservedConcurrentExecutions", anyValue, 0},
	{"Layers", textsOrMaps, 0},
	{"EventInvokeConfig", aMap, unbuilt},
	{"EphemeralStorage", anyValue, 0},
	{"AutoPublishAlias", otherText, 0},
	{"AutoPublishCodeSha256", otherText, 0},
	{"AutoPublishAliasAllProperties", aBool, literal},
	{"VersionDescription", anyValue, 0},
	{"ProvisionedConcurrencyConfig", anyValue, 0},
	{"FileSystemConfigs", anyValue, 0},
	{"ImageConfig", anyValue, 0},
	{"CodeSigningConfigArn", anyValue, 0},
	{"Architectures", anyValue, 0},
	{"SnapStart", aMap, 0},
	{"FunctionUrlConfig", aMap, unbuilt},
	{"RuntimeManagementConfig", anyValue, 0},
	{"LoggingConfig", anyValue, 0},
	{"RecursiveLoop", anyValue, 0},
	{"SourceKMSKeyArn", anyValue, 0},
	{"CapacityProviderConfig", aMap, unbuilt},
	{"FunctionScalingConfig", aMap, unbuilt},
	{"VersionDeletionPolicy", retainOrDelete, 0},
	{"PublishToLatestPublished", anyValue, 0},
	{"TenancyConfig", anyValue, 0},
	{"DurableConfig", aMap, 0},
}

var apiProperties = []property{
	{"Name", textOrMap, 0},
	{"StageName", textOrMap, required},
	{"Tags", aMap, 0},
	{"PropagateTags", aBool, 0},
	{"DefinitionBody", aMap, 0},
	{"DefinitionUri", textOrMap, 0},
	{"MergeDefinitions", aBool, literal},
	{"CacheClusterEnabled", aBool, 0},
	{"CacheClusterSize", aText, 0},
	{"Variables", aMap, 0},
	{"EndpointConfiguration", textOrMap, 0},
	{"MethodSettings", aList, 0},
	{"BinaryMediaTypes", aList, 0},
	{"MinimumCompressionSize", anInt, 0},
	{"Cors", textOrMap, 0},
	{"Auth", aMap, 0},
	{"GatewayResponses", aMap, 0},
	{"AccessLogSetting", aMap, 0},
	{"CanarySetting", aMap, 0},
	{"TracingEnabled", aBool, 0},
	{"OpenApiVersion", aText, 0},
	{"Models", aMap, 0},
	{"Domain", aMap, 0},
	{"FailOnWarnings", aBool, 0},
	{"Description", aText, 0},
	{"Mode", aText, 0},
	{"DisableExecuteApiEndpoint", aBool, 0},
	{"ApiKeySourceType", aText, 0},
	{"AlwaysDeploy", aBool, literal},
	{"Policy", textOrMap, 0},
	{"SecurityPolicy", aText, 0},
	{"EndpointAccessMode", aText, 0},
}

var httpAPIProperties = []property{
	{"Name", anyValue, 0},
	{"StageName", textOrMap, 0},
	{"Tags", aMap, 0},
	{"PropagateTags", aBool, 0},
	{"DefinitionBody", aMap, 0},
	{"DefinitionUri", textOrMap, 0},
	{"StageVariables", aMap, 0},
	{"CorsConfiguration", booleanOrMap, 0},
	{"AccessLogSettings", aMap, 0},
	{"DefaultRouteSettings", aMap, 0},
	{"Auth", aMap, 0},
	{"RouteSettings", aMap, 0},
	{"Domain", aMap, 0},
	{"FailOnWarnings", aBool, 0},
	{"Description", aText, 0},
	{"DisableExecuteApiEndpoint", aBool, 0},
}

var apiEventProperties = []property{
	{"Path", aText, required},
	{"Method", aText, required},
	{"RestApiId", aText, required},
	{"Stage", aText, 0},
	{"Auth", aMap, 0},
	{"RequestModel", aMap, 0},
	{"RequestParameters", aList, 0},
	{"TimeoutInMillis", anInt, 0},
	{"ResponseTransferMode", aText, 0},
}

var httpAPIEventProperties = []property{
	{"Path", aText, 0},
	{"Method", aText, 0},
	{"ApiId", aText, 0},
	{"Stage", aText, 0},
	{"Auth", aMap, 0},
	{"TimeoutInMillis", anInt, 0},
	{"RouteSettings", aMap, 0},
	{"PayloadFormatVersion", aText, 0},
}

var scheduleEventProperties = []property{
	{"Schedule", aText, required},
	{"RuleName", aText, 0},
	{"Input", aText, 0},
	{"Enabled", aBool, 0},
	{"State", aText, 0},
	{"Name", aText, 0},
	{"Description", aText, 0},
	{"DeadLetterConfig", aMap, 0},
	{"RetryPolicy", aMap, 0},
}
