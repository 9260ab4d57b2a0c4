package stacks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"countersign/service/stacks/resource"
	"countersign/service/stacks/template"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// A resourceChange is one that a change set foresees.
type resourceChange struct {
	Action                      string // Add, Modify, Remove
	LogicalID, PhysicalID, Type string
	Replacement                 string `json:",omitempty"` // True, False, Conditional; of Modify
	Policy                      string `json:",omitempty"` // Delete, Retain, ReplaceAndDelete, ReplaceAndRetain
	Scope                       []string
	Details                     []changeDetail
}

type changeDetail struct {
	Attribute, Name string
	Recreation      string // Never, Conditionally, Always
	Evaluation      string // Static, Dynamic
	Source, Entity  string
	Before, After   string `json:",omitempty"`
}

// A foresight computes what a target would change, and checks it on the way.
type foresight struct {
	s        *Service
	ctx      context.Context // of the call that it is made for
	k        *stack
	p        *prepared
	records  map[string]*resourceRecord
	unknown  map[string]bool // ids whose Ref and attributes are known only later
	loose    map[string]bool // ids whose attributes are known only later
	problems []string
}

// foresee tells what would change if the stack became p. An error is one of the template.
func (s *Service) foresee(ctx context.Context, k *stack, p *prepared, records map[string]*resourceRecord) ([]resourceChange, error) {
	ctx = resource.WithGate(ctx, s.Gate)
	f := &foresight{s: s, ctx: ctx, k: k, p: p, records: records, unknown: map[string]bool{}, loose: map[string]bool{}}
	var changes []resourceChange
	seen := map[string]bool{}
	var unrecognized []string
	for _, id := range f.order() {
		seen[id] = true
		r := p.bound.Resource(id)
		t, ok := s.lookUp(r.Type)
		if !ok {
			if !slices.Contains(unrecognized, r.Type) {
				unrecognized = append(unrecognized, r.Type)
			}
			continue
		}
		c, err := f.resource(ctx, k, id, r, t)
		if err != nil {
			return nil, err
		}
		if c != nil {
			changes = append(changes, *c)
		}
	}
	if len(unrecognized) > 0 {
		slices.Sort(unrecognized)
		return nil, invalid("Template format error: Unrecognized resource types: [%s]", strings.Join(unrecognized, ", "))
	}
	if _, err := p.bound.Outputs(ctx, f, template.KeepDynamic); err != nil {
		return nil, templateError(err)
	}
	if len(f.problems) > 0 {
		return nil, invalid("Properties validation failed: %s", strings.Join(f.problems, "; "))
	}
	for _, id := range slices.Sorted(maps.Keys(records)) {
		rec := records[id]
		if seen[id] || rec.Now.PhysicalID == "" {
			continue
		}
		c := resourceChange{Action: "Remove", LogicalID: id, PhysicalID: rec.Now.PhysicalID, Type: rec.Now.Type, Policy: "Delete"}
		if strings.HasPrefix(rec.Now.Deletion, "Retain") {
			c.Policy = "Retain"
		}
		changes = append(changes, c)
	}
	slices.SortFunc(changes, func(a, b resourceChange) int { return strings.Compare(a.LogicalID, b.LogicalID) })
	return changes, nil
}

// order lists the target's resources so that what is needed comes first.
func (f *foresight) order() []string {
	needs := f.p.bound.Dependencies()
	var out []string
	done := map[string]bool{}
	var visit func(id string)
	visit = func(id string) {
		if done[id] {
			return
		}
		done[id] = true
		for _, n := range needs[id] {
			visit(n)
		}
		out = append(out, id)
	}
	var ids []string
	for _, r := range f.p.bound.Resources() {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	for _, id := range ids {
		visit(id)
	}
	return out
}

// resource judges one resource; nil: it stays as it is.
func (f *foresight) resource(ctx context.Context, k *stack, id string, r *template.Resource, t resource.Type) (*resourceChange, error) {
	properties, err := f.p.bound.Properties(ctx, id, f, template.KeepDynamic)
	if err != nil {
		return nil, templateError(err)
	}
	for _, problem := range t.Check(properties) {
		f.problems = append(f.problems, f.place(id, problem))
	}
	if r.CreationPolicy != nil {
		f.problems = append(f.problems, f.where("Resources", id, "CreationPolicy")+": "+message(notBuilt("CreationPolicy")))
	}
	if r.UpdatePolicy != nil {
		f.problems = append(f.problems, f.where("Resources", id, "UpdatePolicy")+": "+message(notBuilt("UpdatePolicy")))
	}
	rec := f.records[id]
	if rec == nil || rec.Now.PhysicalID == "" {
		f.unknown[id] = true
		return &resourceChange{Action: "Add", LogicalID: id, Type: r.Type}, nil
	}
	c := &resourceChange{Action: "Modify", LogicalID: id, PhysicalID: rec.Now.PhysicalID, Type: r.Type, Replacement: "False"}
	if rec.Now.Type != r.Type {
		c.Replacement, c.Scope = "True", []string{"Properties"}
		f.replaced(c, rec)
		return c, nil
	}
	for _, name := range changedProperties(rec.Now.Properties, properties) {
		f.detail(c, t, id, name, r.Properties[name], properties[name], rec.Now.Properties[name])
	}
	if t.Tags != "" && !maps.Equal(rec.Now.Tags, stackTags(k, f.p.target.Tags, id)) {
		c.Scope = append(c.Scope, "Tags")
		c.Details = append(c.Details, changeDetail{Attribute: "Tags", Recreation: "Never", Evaluation: "Static", Source: "DirectModification"})
	}
	if metadata, err := f.p.bound.Metadata(ctx, id, f); err != nil {
		return nil, templateError(err)
	} else if !equal(metadataOf(metadata), rec.Now.Metadata) {
		c.Scope = append(c.Scope, "Metadata")
		c.Details = append(c.Details, changeDetail{Attribute: "Metadata", Recreation: "Never", Evaluation: "Static", Source: "DirectModification"})
	}
	if policyOf(r.DeletionPolicy) != rec.Now.Deletion {
		c.Scope = append(c.Scope, "DeletionPolicy")
	}
	if len(c.Scope) == 0 {
		return nil, nil
	}
	if c.Replacement != "False" {
		f.replaced(c, rec)
	} else if custom(r.Type) || r.Type == typeStack {
		f.loose[id] = true // what it answers may be anything
	}
	return c, nil
}

func (f *foresight) replaced(c *resourceChange, rec *resourceRecord) {
	f.unknown[c.LogicalID] = true
	c.Policy = "ReplaceAndDelete"
	if rec.Now.UpdateReplace == "Retain" {
		c.Policy = "ReplaceAndRetain"
	}
}

// detail adds what is known of one changed property.
func (f *foresight) detail(c *resourceChange, t resource.Type, id, name string, source, after, before any) {
	dynamic := unknown(after)
	d := changeDetail{Attribute: "Properties", Name: name, Recreation: "Never", Evaluation: "Static", Source: "DirectModification"}
	if dynamic {
		d.Evaluation = "Dynamic"
	}
	if t.Replaces(name) {
		d.Recreation = "Always"
		switch {
		case dynamic && c.Replacement == "False":
			c.Replacement = "Conditional"
		case !dynamic:
			c.Replacement = "True"
		}
	}
	if !slices.Contains(c.Scope, "Properties") {
		c.Scope = append(c.Scope, "Properties")
	}
	if !dynamic && !f.secret(source) {
		d.Before, d.After = shortJSON(before), shortJSON(after)
	}
	// What makes it change is named where it is a reference that changed.
	for _, ref := range f.p.template.References(source) {
		switch ref.Kind {
		case template.ToParameter:
			d.Source, d.Entity = "ParameterReference", ref.Name
		case template.ToResource:
			if f.unknown[ref.Name] {
				d.Source, d.Entity = "ResourceReference", ref.Name
			}
		case template.ToAttribute:
			if f.unknown[ref.Name] || f.loose[ref.Name] {
				d.Source, d.Entity = "ResourceAttribute", ref.Name+"."+ref.Attribute
			}
		}
	}
	c.Details = append(c.Details, d)
}

// secret reports whether a property takes a NoEcho parameter.
func (f *foresight) secret(source any) bool {
	for _, ref := range f.p.template.References(source) {
		if p := f.p.template.Parameters[ref.Name]; ref.Kind == template.ToParameter && p != nil && p.NoEcho {
			return true
		}
	}
	return false
}

// unknown reports whether a value holds something that is known only later.
func unknown(v any) bool {
	switch v := v.(type) {
	case template.Unknown:
		return true
	case map[string]any:
		for _, e := range v {
			if unknown(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, unknown)
	}
	return false
}

func shortJSON(v any) string {
	if v == nil {
		return ""
	}
	if text, ok := template.Text(v); ok {
		return text
	}
	b := encode(v)
	if len(b) > 2048 {
		return ""
	}
	return string(b)
}

// place names where in the template a problem is.
func (f *foresight) place(id string, p resource.Problem) string {
	return f.where(append([]string{"Resources", id, "Properties"}, p.Path...)...) + ": " + p.Message
}

// where names a place of the template, with its line where that is known.
func (f *foresight) where(path ...string) string {
	where := strings.Join(path, "/")
	if f.p.at != nil {
		if at := f.p.at(path...); at.Line > 0 {
			where += fmt.Sprintf(" (line %d)", at.Line)
		}
	}
	return where
}

// The template's questions: what exists is known, what is to be made is not.

func (f *foresight) Ref(id string) (any, error) {
	if rec := f.records[id]; rec != nil && rec.Now.PhysicalID != "" && !f.unknown[id] {
		return rec.Now.Ref, nil
	}
	return template.Unknown{}, nil
}

func (f *foresight) GetAtt(id, attribute string) (any, error) {
	if r := f.p.bound.Resource(id); r != nil {
		if t, ok := f.s.lookUp(r.Type); ok && !t.HasAttribute(attribute) {
			return nil, invalid("Template error: resource %s does not support attribute type %s in Fn::GetAtt", id, attribute)
		}
	}
	if rec := f.records[id]; rec != nil && rec.Now.PhysicalID != "" && !f.unknown[id] && !f.loose[id] {
		if v, err := attributeOf(id, rec.Now, attribute); err == nil {
			return v, nil
		}
	}
	return template.Unknown{}, nil
}

func (f *foresight) Import(name string) (any, error) {
	e, _, err := load[export](f.ctx, f.s, kindExport, exportKey(f.k.Account, f.k.Region, name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, invalid("No export named %s found.", name)
	}
	if err != nil {
		return nil, err
	}
	return e.Value, nil
}

// Dynamic references are resolved when a resource is made, not before.
func (f *foresight) Dynamic(context.Context, string, string) (string, error) {
	return "", errors.New("a dynamic reference is not resolved in a change set")
}

// sdk is the change as DescribeChangeSet shows it.
func (c *resourceChange) sdk(values bool) types.Change {
	out := types.ResourceChange{
		Action: types.ChangeAction(c.Action), LogicalResourceId: &c.LogicalID, ResourceType: &c.Type, Scope: []types.ResourceAttribute{}, Details: []types.ResourceChangeDetail{},
		Replacement: types.Replacement(c.Replacement), PolicyAction: types.PolicyAction(c.Policy),
	}
	if c.PhysicalID != "" {
		out.PhysicalResourceId = &c.PhysicalID
	}
	for _, s := range c.Scope {
		out.Scope = append(out.Scope, types.ResourceAttribute(s))
	}
	for _, d := range c.Details {
		detail := types.ResourceChangeDetail{
			Evaluation: types.EvaluationType(d.Evaluation), ChangeSource: types.ChangeSource(d.Source),
			Target: &types.ResourceTargetDefinition{Attribute: types.ResourceAttribute(d.Attribute), RequiresRecreation: types.RequiresRecreation(d.Recreation)},
		}
		if d.Name != "" {
			detail.Target.Name = aws.String(d.Name)
		}
		if d.Entity != "" {
			detail.CausingEntity = aws.String(d.Entity)
		}
		if values && d.Attribute == "Properties" {
			detail.Target.Path = aws.String("/Properties/" + d.Name)
			if d.Before != "" {
				detail.Target.BeforeValue = aws.String(d.Before)
			}
			if d.After != "" {
				detail.Target.AfterValue = aws.String(d.After)
			}
		}
		out.Details = append(out.Details, detail)
	}
	return types.Change{Type: types.ChangeTypeResource, ResourceChange: &out}
}
