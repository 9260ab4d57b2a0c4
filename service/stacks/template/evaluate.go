package template

import (
	"context"
	"maps"
	"slices"
	"strconv"
)

// A Lookup answers what only the stack's resources, the account and the stores
// know. Ref, GetAtt and Import may answer Unknown{}: known only later. Errors become causes of an *Error.
type Lookup interface {
	// Ref is what a Ref to the resource gives.
	Ref(id string) (any, error)
	// GetAtt is an attribute of the resource, whose name may have dots.
	GetAtt(id, attribute string) (any, error)
	// Import is the value of an export.
	Import(name string) (any, error)
	// Dynamic is what a dynamic reference {{resolve:service:reference}} stands for: the service is ssm,
	// ssm-secure or secretsmanager, and the reference well-formed (see ParseReference).
	Dynamic(ctx context.Context, service, reference string) (string, error)
}

// An Option changes what an evaluation does.
type Option int

const (
	// KeepDynamic leaves dynamic references as they are written.
	KeepDynamic Option = iota + 1
	// KeepSecrets leaves those to secrets as they are written (ssm-secure and
	// secretsmanager), as CloudFormation does in custom resources.
	KeepSecrets
)

// maxWork bounds what one evaluation makes: bytes of text, and some for each
// value. Small templates can ask for much by joining long parameters many times.
const maxWork = 8 << 20

// Properties evaluates the properties of a resource. The tree is the caller's. A
// resource without properties has an empty map. Errors are of type *Error.
func (b *Bound) Properties(ctx context.Context, id string, lookup Lookup, options ...Option) (map[string]any, error) {
	e, r, path, err := b.evaluation(ctx, id, lookup, options)
	if err != nil {
		return nil, err
	}
	path = append(path, "Properties")
	v, err := e.members(r.Properties, path)
	if err != nil {
		return nil, err
	}
	resolved, err := e.dynamic(v, path)
	if err != nil {
		return nil, err
	}
	return resolved.(map[string]any), nil
}

// Metadata evaluates the metadata of a resource, likewise. It is shown to whoever may
// read the stack: CloudFormation resolves no dynamic references in it.
func (b *Bound) Metadata(ctx context.Context, id string, lookup Lookup) (map[string]any, error) {
	e, r, path, err := b.evaluation(ctx, id, lookup, nil)
	if err != nil {
		return nil, err
	}
	return e.members(r.Metadata, append(path, "Metadata"))
}

func (b *Bound) evaluation(ctx context.Context, id string, lookup Lookup, options []Option) (*evaluator, *Resource, []string, error) {
	path := []string{"Resources", id}
	r := b.resources[id]
	if r == nil {
		return nil, nil, nil, b.t.at.refuse(path, "the stack has no resource %s", id)
	}
	e := b.evaluator(ctx, lookup)
	e.options = options
	return e, r, path, nil
}

// An OutputValue is an output with its functions evaluated.
type OutputValue struct {
	Name, Description string
	Value             any    // a string, or Unknown
	Export            string // "": not exported
}

// Outputs evaluates the outputs that the stack has, sorted by name. Of dynamic
// references it resolves only those to plain parameters: outputs are shown.
func (b *Bound) Outputs(ctx context.Context, lookup Lookup, options ...Option) ([]OutputValue, error) {
	var all []OutputValue
	e := b.evaluator(ctx, lookup)
	e.options = append(slices.Clone(options), KeepSecrets)
	for _, name := range sorted(b.outputs) {
		o := b.outputs[name]
		path := []string{"Outputs", name}
		v, err := e.value(o.Value, append(path, "Value"))
		if err != nil {
			return nil, err
		}
		if v, err = e.dynamic(v, append(path, "Value")); err != nil {
			return nil, err
		}
		out := OutputValue{Name: name, Description: o.Description, Value: v}
		if _, unknown := v.(Unknown); !unknown {
			text, ok := Text(v)
			if !ok {
				return nil, malformedOutput(b.t.at, name)
			}
			out.Value = text
		}
		if o.ExportName != nil {
			if out.Export, err = e.export(o.ExportName, name, append(path, "Export", "Name")); err != nil {
				return nil, err
			}
		}
		all = append(all, out)
	}
	return all, nil
}

func (e *evaluator) export(v any, output string, path []string) (string, error) {
	v, err := e.value(v, path)
	if err != nil {
		return "", err
	}
	name, ok := v.(string)
	if !ok || !exportName.MatchString(name) {
		return "", e.refuse(path, "Template format error: Output %s is malformed. The Name field of every Export member must be specified and consist only of alphanumeric characters, colons, or hyphens.", output)
	}
	return name, nil
}

// An evaluator evaluates functions for one part of a template.
type evaluator struct {
	ctx      context.Context
	b        *Bound
	lookup   Lookup // nil: see static
	options  []Option
	work     int // see maxWork
	resolver *resolver
}

// dynamic resolves dynamic references as far as the options say.
func (e *evaluator) dynamic(v any, path []string) (any, error) {
	if slices.Contains(e.options, KeepDynamic) {
		return v, nil
	}
	if e.resolver == nil {
		e.resolver = &resolver{at: e.b.t.at, ctx: e.ctx, keepSecrets: slices.Contains(e.options, KeepSecrets)}
		if e.lookup != nil {
			e.resolver.resolve = e.lookup.Dynamic
		}
	}
	return e.resolver.value(v, path)
}

func (b *Bound) evaluator(ctx context.Context, lookup Lookup) *evaluator {
	return &evaluator{ctx: ctx, b: b, lookup: lookup}
}

// static is the evaluator of conditions and names, in which Load lets no
// function stand that asks a Lookup.
func (b *Bound) static() *evaluator { return &evaluator{b: b} }

func (e *evaluator) refuse(path []string, format string, args ...any) error {
	return e.b.t.at.refuse(path, format, args...)
}

// spend counts what is made against maxWork.
func (e *evaluator) spend(path []string, n int) error {
	if e.work += n; e.work > maxWork {
		return e.refuse(path, "Template error: the functions make more than %d MB of text", maxWork>>20)
	}
	return nil
}

// none is what AWS::NoValue gives: the member or element that holds it is left out.
type none struct{}

// value evaluates a value.
func (e *evaluator) value(v any, path []string) (any, error) {
	if name, arg, ok := call(v); ok {
		f, known := functions[name]
		if !known {
			return nil, e.refuse(path, "Template error: %s is not built in this version of Countersign.", name)
		}
		return f.eval(e, arg, append(path, name))
	}
	switch v := v.(type) {
	case map[string]any:
		return e.members(v, path)
	case []any:
		return e.elements(v, path)
	}
	return v, nil
}

func (e *evaluator) members(m map[string]any, path []string) (map[string]any, error) {
	out := make(map[string]any, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if err := e.spend(path, 16+len(k)); err != nil {
			return nil, err
		}
		v, err := e.value(m[k], append(path, k))
		if err != nil {
			return nil, err
		}
		if _, gone := v.(none); !gone {
			out[k] = v
		}
	}
	return out, nil
}

func (e *evaluator) elements(list []any, path []string) ([]any, error) {
	out := make([]any, 0, len(list))
	for i, v := range list {
		if err := e.spend(path, 16); err != nil {
			return nil, err
		}
		v, err := e.value(v, append(path, strconv.Itoa(i)))
		if err != nil {
			return nil, err
		}
		if _, gone := v.(none); !gone {
			out = append(out, v)
		}
	}
	return out, nil
}

// copied is a value from elsewhere, copied: what evaluation gives away is the caller's.
func (e *evaluator) copied(v any, path []string) (any, error) {
	if err := e.spend(path, size(v)); err != nil {
		return nil, err
	}
	return Clone(v), nil
}

func size(v any) int {
	n := 16
	switch v := v.(type) {
	case map[string]any:
		for k, m := range v {
			n += len(k) + size(m)
		}
	case []any:
		for _, m := range v {
			n += size(m)
		}
	}
	return n // text is shared, not copied
}
