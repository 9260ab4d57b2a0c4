package sam

import (
	"fmt"
	"slices"
	"strings"
)

// An event may name the API that it belongs to. One that does not belongs to
// the implicit API of its kind, which exists only for such events. This step, which AWS
// takes before it merges Globals, adds the implicit APIs and
// writes the paths and methods of all events into the definitions of the APIs.

// implicitKind is what the two kinds of API differ in here.
type implicitKind struct {
	eventType string
	apiType   string
	reference string // the event's property that names the API
	id        string
	skeleton  func() object
	valid     func(any) bool
}

var (
	implicitREST = implicitKind{"Api", apiType, "RestApiId", implicitAPI, swaggerSkeleton, validSwagger}
	implicitHTTP = implicitKind{"HttpApi", httpAPIType, "ApiId", implicitHTTPAPI, openAPISkeleton, validOpenAPI}
)

// addDefinitions gives an empty definition to the APIs that have none.
func (t *transform) addDefinitions() {
	for _, kind := range []implicitKind{implicitREST, implicitHTTP} {
		for id, resource := range t.source {
			props := t.properties(id)
			if typeOf(resource) != kind.apiType || truthy(props["DefinitionBody"]) || truthy(props["DefinitionUri"]) {
				continue
			}
			props["DefinitionBody"] = kind.skeleton()
			t.managed[id] = true
		}
	}
}

// usage is what the events of one API say about it.
type usage struct {
	conditions      map[string]map[string]any // by path and method; nil where the function has none
	deletionPolicy  []any
	replacePolicies []any
}

func (t *transform) addImplicitAPI(kind implicitKind) error {
	written, isWritten := t.source[kind.id]
	wasManaged := t.managed[kind.id]
	props := object{"DefinitionBody": kind.skeleton()}
	if kind.apiType == apiType {
		props["StageName"] = "Prod"
	}
	implicit := object{"Type": kind.apiType, "Properties": props}
	t.source[kind.id] = implicit
	t.managed[kind.id] = true

	used := map[string]*usage{}
	var problems []Problem
	for _, id := range sorted(t.source) {
		if typeOf(t.source[id]) != functionType {
			continue
		}
		err := t.addEventPaths(kind, asMap(t.source[id]), used)
		if event, ok := err.(*eventProblem); ok {
			problems = append(problems, event.of(id))
		} else if err != nil {
			return stop(err)
		}
	}

	if use := used[kind.id]; use != nil {
		t.conditionImplicit(kind, implicit, use)
		keepStrictest(implicit, "DeletionPolicy", use.deletionPolicy, "Retain", "Delete")
		keepStrictest(implicit, "UpdateReplacePolicy", use.replacePolicies, "Retain", "Snapshot", "Delete")
	}
	for _, id := range sorted(used) {
		if t.managed[id] && typeOf(t.source[id]) == kind.apiType {
			t.conditionPaths(id, used[id])
		}
	}
	if len(asMap(asMap(props["DefinitionBody"])["paths"])) == 0 {
		delete(t.source, kind.id)
		delete(t.managed, kind.id)
		if isWritten {
			t.source[kind.id], t.managed[kind.id] = written, wasManaged
		}
	}
	if len(problems) > 0 {
		return &documentProblem{problems}
	}
	return nil
}

// addEventPaths writes the paths of one function's events into their APIs.
func (t *transform) addEventPaths(kind implicitKind, function object, used map[string]*usage) error {
	events, _ := asMap(function["Properties"])["Events"].(object)
	for _, name := range sorted(events) {
		event := asMap(events[name])
		if event["Type"] != kind.eventType {
			continue
		}
		given, isGiven := event["Properties"]
		if kind.eventType == "Api" && !truthy(given) {
			continue // its conversion reports what is missing
		}
		if !isGiven {
			given = object{}
		}
		props, ok := given.(object)
		if !ok {
			return badEvent(name, "Properties should be a map.")
		}
		event["Properties"] = props

		if _, named := props[kind.reference]; !named {
			t.passTags(kind, asMap(function["Properties"]))
			props[kind.reference] = ref(kind.id)
		}
		if kind.eventType == "HttpApi" && !truthy(props["Path"]) && !truthy(props["Method"]) {
			props["Path"], props["Method"] = defaultRoute, anyMethod
		}
		apiID, path, method, err := eventTarget(kind, name, props)
		if err != nil {
			return err
		}
		use := used[apiID]
		if use == nil {
			use = &usage{conditions: map[string]map[string]any{}}
			used[apiID] = use
		}
		if use.conditions[path] == nil {
			use.conditions[path] = map[string]any{}
		}
		use.conditions[path][method] = function["Condition"]
		use.deletionPolicy = append(use.deletionPolicy, function["DeletionPolicy"])
		use.replacePolicies = append(use.replacePolicies, function["UpdateReplacePolicy"])

		if err := t.addEventPath(kind, name, apiID, path, method); err != nil {
			return err
		}
		if settings, ok := props["RouteSettings"]; ok && kind.eventType == "HttpApi" {
			if err := t.addRouteSettings(name, apiID, path, method, settings, function["Condition"]); err != nil {
				return err
			}
		}
	}
	return nil
}

func eventTarget(kind implicitKind, name string, props object) (apiID, path, method string, err error) {
	who := ofEvent(name)
	for _, property := range []string{"Path", "Method"} {
		if err := who.given(property, props[property]); err != nil {
			return "", "", "", err
		}
	}
	if apiID, err = who.text(kind.reference, referred(props[kind.reference])); err != nil {
		return "", "", "", err
	}
	if path, err = who.text("Path", props["Path"]); err != nil {
		return "", "", "", err
	}
	method, err = who.text("Method", props["Method"])
	return apiID, path, method, err
}

// referred gives the logical id in {"Ref": id}, or the value itself.
func referred(v any) any {
	if id, ok := asMap(v)["Ref"]; ok {
		return id
	}
	return v
}

// addEventPath writes one event's path into a definition that is ours to write.
func (t *transform) addEventPath(kind implicitKind, event, apiID, path, method string) error {
	resource, ok := t.source[apiID]
	if !ok || typeOf(resource) == httpAPIType && kind.apiType != httpAPIType {
		return badEvent(event, "%s must be a valid reference to an '%s' resource in same template.", kind.reference, kind.apiType)
	}
	body := t.properties(apiID)["DefinitionBody"]
	if !t.managed[apiID] || !kind.valid(body) {
		return nil
	}
	return document{body: asMap(body)}.addPath(path, method)
}

// addRouteSettings moves an event's RouteSettings to its API.
func (t *transform) addRouteSettings(event, apiID, path, method string, settings, condition any) error {
	api := t.properties(apiID)
	if api["RouteSettings"] == nil {
		api["RouteSettings"] = object{}
	}
	routes, err := of(apiID).mapping("RouteSettings", api["RouteSettings"])
	if err != nil {
		return err
	}
	if truthy(condition) {
		settings = onlyIf(condition, settings)
	}
	given, err := ofEvent(event).mapping("RouteSettings", settings)
	if err != nil {
		return err
	}
	route := strings.ToUpper(method) + " " + path
	if method == anyMethod {
		route = path
	}
	if _, ok := routes[route].(object); !ok {
		routes[route] = object{}
	}
	for key, value := range given {
		asMap(routes[route])[key] = value
	}
	return nil
}

// passTags gives the implicit API the tags of a function that propagates its own.
func (t *transform) passTags(kind implicitKind, function object) {
	global := asMap(asMap(t.template["Globals"])["Function"])
	either := func(name string) any {
		if truthy(function[name]) {
			return function[name]
		}
		return global[name]
	}
	tags := asMap(either("Tags"))
	if len(tags) == 0 || !truthy(either("PropagateTags")) {
		return
	}
	api := t.properties(kind.id)
	if api["Tags"] == nil {
		api["Tags"] = object{}
	}
	for key, value := range tags {
		asMap(api["Tags"])[key] = value
	}
	api["PropagateTags"] = true
}

// conditionImplicit gives the implicit API a condition when all events have one.
func (t *transform) conditionImplicit(kind implicitKind, implicit object, use *usage) {
	var all []string
	for _, methods := range use.conditions {
		conditions, ok := conditionNames(methods)
		if !ok {
			return
		}
		all = append(all, conditions...)
	}
	slices.Sort(all)
	implicit["Condition"] = t.anyCondition(slices.Compact(all), kind.id+"Condition")
}

// conditionPaths makes a path conditional when all events of it have a condition.
func (t *transform) conditionPaths(id string, use *usage) {
	paths := asMap(asMap(t.properties(id)["DefinitionBody"])["paths"])
	name := strings.NewReplacer("/", "SLASH", "{", "OB", "}", "CB")
	for _, path := range sorted(paths) {
		if conditions, ok := conditionNames(use.conditions[path]); ok {
			paths[path] = onlyIf(t.anyCondition(conditions, id+name.Replace(path)+"PathCondition"), paths[path])
		}
	}
}

// conditionNames gives the conditions of methods, sorted, each once; ok is false
// when there is no method, or one without condition.
func conditionNames(methods map[string]any) (names []string, ok bool) {
	for _, condition := range methods {
		name, isText := condition.(string)
		if !isText {
			return nil, false
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), len(names) > 0
}

// anyCondition gives the name of a condition that holds when any of the given
// ones does. Fn::Or takes at most ten, so more are combined step by step.
func (t *transform) anyCondition(conditions []string, name string) string {
	if len(conditions) == 1 {
		return conditions[0]
	}
	const most = 10
	all, _ := t.template["Conditions"].(object)
	if all == nil {
		all = object{}
		t.template["Conditions"] = all
	}
	for steps := (len(conditions) - 2) / (most - 1); len(conditions) > 1; steps-- {
		combined := name
		if steps > 0 {
			combined = fmt.Sprintf("%s%d", name, steps)
		}
		n := min(most, len(conditions))
		var or []any
		for _, condition := range conditions[:n] {
			or = append(or, object{"Condition": condition})
		}
		all[combined] = object{"Fn::Or": or}
		conditions = append(slices.Clone(conditions[n:]), combined)
	}
	return conditions[0]
}

// keepStrictest sets an attribute to the first of the choices that any function has.
func keepStrictest(resource object, attribute string, given []any, choices ...string) {
	for _, choice := range choices {
		if slices.Contains(given, any(choice)) {
			resource[attribute] = choice
			return
		}
	}
}

// adoptOpenAPIVersions turns our definitions into OpenAPI 3 for the APIs that
// ask for it. Only now is it known: OpenApiVersion may come from Globals.
func (t *transform) adoptOpenAPIVersions() {
	for id, resource := range t.source {
		props := t.properties(id)
		version, ok := props["OpenApiVersion"]
		if typeOf(resource) != apiType || !t.managed[id] || !ok || !openAPI3.MatchString(show(version)) {
			continue
		}
		props["OpenApiVersion"] = show(version)
		if body, ok := props["DefinitionBody"].(object); ok {
			body["openapi"] = show(version)
			delete(body, "swagger")
		}
	}
}
