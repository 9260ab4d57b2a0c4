package sam

import (
	"slices"
	"strings"
)

// Name is how a template asks for this transform.
const Name = "AWS::Serverless-2016-10-31"

const (
	typePrefix      = "AWS::Serverless::"
	functionType    = typePrefix + "Function"
	apiType         = typePrefix + "Api"
	httpAPIType     = typePrefix + "HttpApi"
	implicitAPI     = "ServerlessRestApi"
	implicitHTTPAPI = "ServerlessHttpApi"
)

// Input is what an expansion depends on beside the template.
type Input struct {
	// Parameters are the values given for the template's parameters. The defaults
	// of the template serve for the others. A parameter that names another
	// store (AWS::SSM::Parameter::Value<…>) has its value here, not its name.
	Parameters map[string]string
	Region     string // "eu-central-1"
	Partition  string // "aws"

	// Run is a text that differs from one expansion to the next, a time say.
	// Only an Api with AlwaysDeploy depends on it; such an Api needs it.
	Run string
}

// Transform expands a template. The argument is not changed, and the result
// shares nothing with it. The same input gives the same result. The error is
// an *Error.
func Transform(root map[string]any, in Input) (map[string]any, error) {
	t := &transform{
		in:        in,
		managed:   map[string]bool{},
		refs:      references{},
		zones:     map[string]object{},
		functions: map[string][]string{},
		opened:    map[string]bool{},
		resolved:  map[string]bool{},
		policies:  map[string]*resourcePolicy{},
	}
	out, err := t.expand(root)
	if err != nil {
		t.note(err)
	}
	if len(t.problems) > 0 {
		return nil, newError(t.problems)
	}
	return out, nil
}

// transform is the state of one expansion.
type transform struct {
	in       Input
	params   *parameters
	template object // a copy, changed on the way
	source   object // its resources, SAM's and others, with the implicit APIs
	out      object // the resources of the result

	managed   map[string]bool            // APIs whose definition we write: the template gives none
	refs      references                 // what Function.Alias and the like stand for
	zones     map[string]object          // record set groups by logical id; APIs of one zone share one
	functions map[string][]string        // names of the functions behind an Api: a new name is a new deployment
	opened    map[string]bool            // Apis whose definitions were checked once
	resolved  map[string]bool            // Apis whose Auth has values for references already
	policies  map[string]*resourcePolicy // of Apis, as far as events add to them
	problems  []Problem
}

// note keeps a problem; a problem of the document replaces all others.
func (t *transform) note(err error) {
	switch err := err.(type) {
	case *documentProblem:
		t.problems = err.problems
	case *resourceProblem:
		t.problems = append(t.problems, err.Problem)
	default:
		t.problems = append(t.problems, Problem{"", structureText("%s", err)})
	}
}

func (t *transform) expand(root object) (object, error) {
	if size, depth := measure(root); size > maxSize || depth > maxDepth {
		return nil, badDocument("It is larger than %d bytes or nested deeper than %d levels.", maxSize, maxDepth)
	}
	t.template = clone(root).(object)
	t.params = newParameters(t.template, t.in)
	if err := t.checkStructure(); err != nil {
		return nil, err
	}
	t.refuseUnknown()
	t.addDefinitions()
	for _, kind := range []implicitKind{implicitREST, implicitHTTP} {
		if err := t.addImplicitAPI(kind); err != nil {
			return nil, err
		}
	}
	if err := t.mergeGlobals(); err != nil {
		return nil, err
	}

	t.out = object{}
	for id, resource := range t.source {
		if !strings.HasPrefix(typeOf(resource), typePrefix) {
			t.out[id] = resource
		}
	}
	// Functions first: their events write into the definitions of the APIs.
	for _, types := range [][]string{{functionType}, {apiType, httpAPIType}} {
		for _, id := range sorted(t.source) {
			if !slices.Contains(types, typeOf(t.source[id])) {
				continue
			}
			err := t.convert(id)
			if document, ok := err.(*documentProblem); ok {
				return nil, document
			}
			if err != nil {
				t.note(err)
			}
		}
	}
	if len(t.problems) > 0 {
		return nil, nil
	}

	delete(t.template, "Transform")
	t.template["Resources"] = t.out
	if size, _ := measure(t.template); size > maxSize {
		return nil, badDocument("It expands to more than %d bytes.", maxSize)
	}
	return t.refs.rewrite(t.template).(object), nil
}

// checkStructure holds the template to what the rest relies on.
func (t *transform) checkStructure() error {
	t.source = asMap(t.template["Resources"])
	if len(t.source) == 0 {
		return badDocument("'Resources' section is required")
	}
	for _, id := range sorted(t.source) {
		if _, ok := t.source[id].(object); !ok {
			return badDocument("All 'Resources' must be Objects. If you're using YAML, this may be an indentation issue.")
		}
	}
	for _, id := range sorted(t.source) {
		resource := asMap(t.source[id])
		if !builds(typeOf(resource)) {
			continue
		}
		if condition := resource["Condition"]; truthy(condition) {
			if _, ok := condition.(string); !ok {
				return badDocument("Every Condition member must be a string.")
			}
		}
		if _, given := resource["Properties"]; !given {
			resource["Properties"] = object{}
		} else if _, ok := resource["Properties"].(object); !ok {
			return stop(badResource(id, "Attribute 'Properties' should be a map."))
		}
	}
	return nil
}

// refuseUnknown names what this package does not expand.
func (t *transform) refuseUnknown() {
	for _, id := range sorted(t.source) {
		resource := asMap(t.source[id])
		if kind := typeOf(resource); strings.HasPrefix(kind, typePrefix) && !builds(kind) {
			t.note(notBuilt(id, "Resource type "+kind))
		}
		if _, ok := resource["Connectors"]; ok {
			t.note(notBuilt(id, "Attribute 'Connectors'"))
		}
	}
}

func builds(resourceType string) bool {
	return resourceType == functionType || resourceType == apiType || resourceType == httpAPIType
}

func typeOf(resource any) string {
	kind, _ := asMap(resource)["Type"].(string)
	return kind
}

// properties gives those of a resource of the template.
func (t *transform) properties(id string) object { return asMap(asMap(t.source[id])["Properties"]) }

// convert expands one SAM resource.
func (t *transform) convert(id string) error {
	if err := checkLogicalID(id); err != nil {
		return err
	}
	s := newSource(id, asMap(t.source[id]))
	switch s.kind {
	case functionType:
		return t.convertFunction(s)
	case apiType:
		return t.convertAPI(s)
	}
	return t.convertHTTPAPI(s)
}
