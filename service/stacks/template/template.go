package template

import "slices"

// Limits of a template.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const (
	MaxResources   = 500
	MaxParameters  = 200
	MaxOutputs     = 200
	MaxMappings    = 200
	maxMapKeys     = 200 // of a mapping, and of one of its keys
	maxNameLength  = 255
	maxDescription = 1024 // bytes
	maxValueLength = 4096 // bytes, of a parameter
	maxDynamic     = 60   // dynamic references in a template

	maxParameterDescription = 4000 // bytes
)

// A Template is a template that was found to be in order. It is not changed
// after Load, and what it gives away is not to be changed either.
type Template struct {
	Description string
	Transforms  []string // those that it still declares
	Metadata    map[string]any
	Parameters  map[string]*Parameter
	Mappings    map[string]map[string]map[string]any // name, top-level key, second-level key: a scalar or a list
	Conditions  map[string]any
	Rules       map[string]*Rule
	Resources   map[string]*Resource
	Outputs     map[string]*Output

	at         atlas
	extensions bool // AWS::LanguageExtensions
}

// A Resource is a member of the Resources section. In a Template its parts are
// as written; in a Bound, each Fn::If in them is decided.
type Resource struct {
	ID, Type            string
	Condition           string   // "": none
	DependsOn           []string // as declared
	DeletionPolicy      string   // Delete, Retain, RetainExceptOnCreate or Snapshot; "": the type's default
	UpdateReplacePolicy string   // Delete, Retain or Snapshot; "": Delete
	Properties          map[string]any
	Metadata            map[string]any
	CreationPolicy      map[string]any
	UpdatePolicy        map[string]any
	Version             string // of a custom resource

	policies map[string]any // DeletionPolicy and UpdateReplacePolicy that are functions, until Bind
}

// A part is one of a resource's objects in which functions may stand.
type part struct {
	name string
	m    *map[string]any
}

func (r *Resource) parts() []part {
	return []part{{"Properties", &r.Properties}, {"Metadata", &r.Metadata}, {"CreationPolicy", &r.CreationPolicy}, {"UpdatePolicy", &r.UpdatePolicy}}
}

// An Output is a member of the Outputs section.
type Output struct {
	Name        string
	Description string
	Condition   string
	Value       any
	ExportName  any // nil: not exported
}

// A Rule is a member of the Rules section: what must hold of the parameters.
type Rule struct {
	Name       string
	Condition  any // nil: always
	Assertions []Assertion
}

// An Assertion is a rule function that must be true.
type Assertion struct {
	Assert      any
	Description string
}

var sections = []string{
	"AWSTemplateFormatVersion", "Conditions", "Description", "Hooks", "Mappings", "Metadata", "Outputs", "Parameters", "Resources", "Rules", "Transform",
}

// Load judges a template whose transforms have run: that it is well-formed, that its functions
// are and stand where they may, that no reference leads nowhere, and that it keeps the limits. What holds only for certain
// values of the parameters, Bind judges. root is kept, not copied. at says where paths stand in the text; it may
// be nil. Errors are of type *Error.
//
// AWS::LanguageExtensions is no transform that runs before: a template that declares it may use its functions.
func Load(root map[string]any, at func(path ...string) Position) (*Template, error) {
	l := loader{at: at, root: root, t: &Template{at: at}}
	for _, step := range []func() error{
		l.document, l.parameters, l.mappings, l.conditions, l.rules, l.resources, l.outputs, // each is read…
		l.checkConditions, l.checkRules, l.checkResources, l.checkOutputs, l.checkCycles, // …and then judged with all names known
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return l.t, nil
}

// HasTransform reports whether the template declares a transform by this name.
func (t *Template) HasTransform(name string) bool { return slices.Contains(t.Transforms, name) }
