package stacks

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"countersign/service/stacks/template"
	"countersign/store"
)

// lookup answers a template's questions about the resources of a stack that is
// being worked on: they exist, because dependencies come first.
type lookup struct {
	x   *execution
	ctx context.Context // of the evaluation that asks
}

func (l lookup) Ref(id string) (any, error) {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	rec := l.x.records[id]
	if rec == nil || rec.Now.PhysicalID == "" {
		return nil, words("Resource %s does not exist", id)
	}
	return rec.Now.Ref, nil
}

func (l lookup) GetAtt(id, attribute string) (any, error) {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	rec := l.x.records[id]
	if rec == nil || rec.Now.PhysicalID == "" {
		return nil, words("Resource %s does not exist", id)
	}
	return attributeOf(id, rec.Now, attribute)
}

// attributeOf reads an attribute, whose name may lead into maps with dots.
func attributeOf(id string, now state, attribute string) (any, error) {
	if v, ok := now.Attributes[attribute]; ok {
		return v, nil
	}
	at := any(now.Attributes)
	for part := range strings.SplitSeq(attribute, ".") {
		m, _ := at.(map[string]any)
		v, ok := m[part]
		if !ok {
			if custom(now.Type) {
				return nil, words("CustomResource attribute error: Vendor response doesn't contain %s attribute in object %s", attribute, now.PhysicalID)
			}
			return nil, words("Attribute %s of resource %s does not exist", attribute, id)
		}
		at = v
	}
	return at, nil
}

// Import reads an export of another stack, and remembers that it was read.
func (l lookup) Import(name string) (any, error) {
	e, revision, err := load[export](l.ctx, l.x.s, kindExport, exportKey(l.x.op.Account, l.x.op.Region, name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, words("No export named %s found.", name)
	}
	if err != nil {
		return nil, err
	}
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	l.x.imports[name] = revision
	return e.Value, nil
}

// Dynamic resolves a reference in an output.
func (l lookup) Dynamic(ctx context.Context, service, reference string) (string, error) {
	return l.x.s.dynamic(ctx, service, reference)
}

func (s *Service) dynamic(ctx context.Context, service, reference string) (string, error) {
	if s.Values == nil {
		return "", notBuilt("{{resolve:" + service + ":…}}")
	}
	return s.Values.Resolve(ctx, service, reference)
}

// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
var dynamicReference = regexp.MustCompile(`\{\{resolve:([^:{}]+):([^{}]+)\}\}`)

// resolveDynamic replaces dynamic references. A custom resource gets secrets as
// references: its provider is code of the template's.
func (x *execution) resolveDynamic(ctx context.Context, typ string, v any) (any, error) {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = x.resolveDynamic(ctx, typ, e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			var err error
			if out[k], err = x.resolveDynamic(ctx, typ, e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case string:
		var failed error
		out := dynamicReference.ReplaceAllStringFunc(v, func(match string) string {
			m := dynamicReference.FindStringSubmatch(match)
			if failed != nil || custom(typ) && m[1] != "ssm" {
				return match
			}
			if _, ok := template.ParseReference(m[1], m[2]); !ok {
				failed = words("Template error: the dynamic reference %s is malformed", match)
				return match
			}
			s, err := x.s.dynamic(ctx, m[1], m[2])
			if err != nil {
				failed = words("%s: %s", match, message(err))
			}
			return s
		})
		return out, failed
	}
	return v, nil
}
