package sam

import "fmt"

// source is a SAM resource that is being expanded.
type source struct {
	id, kind   string
	props      object
	dependsOn  any
	attributes object // for the resource that takes its place
	passed     object // for those made beside it
	made       []made
}

// made is a resource of the result.
type made struct {
	id       string
	resource object
}

func newSource(id string, resource object) *source {
	s := &source{id: id, kind: typeOf(resource), attributes: object{}, passed: object{}}
	s.props = asMap(resource["Properties"])
	s.dependsOn = resource["DependsOn"]
	for _, name := range []string{"Condition", "DeletionPolicy", "UpdateReplacePolicy"} {
		if value, ok := resource[name]; ok {
			s.attributes[name], s.passed[name] = value, value
		}
	}
	for _, name := range []string{"UpdatePolicy", "Metadata"} {
		if value, ok := resource[name]; ok {
			s.attributes[name] = value
		}
	}
	return s
}

// replace makes the resource that takes the place of the SAM resource.
func (s *source) replace(resourceType string, props object) object {
	resource := object{"Type": resourceType, "Properties": prune(props)}
	for name, value := range s.attributes {
		resource[name] = value
	}
	if truthy(s.dependsOn) {
		resource["DependsOn"] = s.dependsOn
	}
	s.made = append(s.made, made{s.id, resource})
	return resource
}

// add makes a resource beside the main one.
func (s *source) add(id, resourceType string, props object) (object, error) {
	if err := checkLogicalID(id); err != nil {
		return nil, err
	}
	resource := object{"Type": resourceType, "Properties": prune(props)}
	for name, value := range s.passed {
		resource[name] = value
	}
	s.made = append(s.made, made{id, resource})
	return resource, nil
}

// taggable are the types made here that have tags, and whether those are a
// mapping, not a list.
var taggable = map[string]bool{
	"AWS::Lambda::Function":         false,
	"AWS::IAM::Role":                false,
	"AWS::ApiGateway::RestApi":      false,
	"AWS::ApiGateway::Stage":        false,
	"AWS::ApiGateway::DomainName":   false,
	"AWS::ApiGatewayV2::Stage":      true,
	"AWS::ApiGatewayV2::DomainName": true,
}

// propagateTags puts the tags of the SAM resource, and no others, on all that was made.
func (s *source) propagateTags(tags object) {
	if len(tags) == 0 {
		return
	}
	for _, m := range s.made {
		asMapping, ok := taggable[typeOf(m.resource)]
		switch {
		case ok && asMapping:
			asMap(m.resource["Properties"])["Tags"] = tags
		case ok:
			asMap(m.resource["Properties"])["Tags"] = tagList(tags)
		}
	}
}

// place puts what was made into the result. A logical id that the template has
// already is a problem, unless it is that of the SAM resource itself.
func (t *transform) place(s *source) {
	for _, m := range s.made {
		if taken, ok := t.source[m.id]; ok && m.id != s.id && !shared(typeOf(taken), typeOf(m.resource)) {
			t.problems = append(t.problems, Problem{s.id, fmt.Sprintf("Transforming resource with id [%s] attempts to create a new"+
				" resource with id [%s] and type \"%s\". A resource with that id already"+
				" exists within this template. Please use a different id for that resource.", s.id, m.id, typeOf(m.resource))})
			continue
		}
		t.out[m.id] = m.resource
	}
}

// shared tells the types of which a template may write a resource that an
// expansion makes as well: the expansion's takes its place.
func shared(taken, made string) bool {
	return taken == made && (made == "AWS::ApiGateway::DomainName" || made == "AWS::ApiGateway::BasePathMapping")
}
