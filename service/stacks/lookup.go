package stacks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"countersign/service/stacks/template"
	"countersign/store"
)

// lookup answers a template's questions about the resources of a stack that is
// being worked on: they exist, because dependencies come first.
type lookup struct{ x *execution }

func (l lookup) Ref(id string) (any, error) {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	rec := l.x.records[id]
	if rec == nil || rec.Now.PhysicalID == "" {
		return nil, fmt.Errorf("Resource %s does not exist", id)
	}
	return rec.Now.Ref, nil
}

func (l lookup) GetAtt(id, attribute string) (any, error) {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	rec := l.x.records[id]
	if rec == nil || rec.Now.PhysicalID == "" {
		return nil, fmt.Errorf("Resource %s does not exist", id)
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
				return nil, fmt.Errorf("CustomResource attribute error: Vendor response doesn't contain %s attribute in object %s", attribute, now.PhysicalID)
			}
			return nil, fmt.Errorf("Attribute %s of resource %s does not exist", attribute, id)
		}
		at = v
	}
	return at, nil
}

// Import reads an export of another stack, and remembers that it was read.
func (l lookup) Import(ctx context.Context, name string) (any, error) {
	e, revision, err := load[export](ctx, l.x.s, kindExport, exportKey(l.x.op.Account, l.x.op.Region, name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("No export named %s found.", name)
	}
	if err != nil {
		return nil, err
	}
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	l.x.imports[name] = revision
	return e.Value, nil
}

// resolveDynamic replaces dynamic references. A custom resource gets secrets as
// references: its provider is code of the template's.
func (x *execution) resolveDynamic(ctx context.Context, typ string, raw map[string]any) (map[string]any, error) {
	out, err := template.ResolveDynamic(ctx, raw, func(ctx context.Context, service, reference string) (string, error) {
		if custom(typ) && service != "ssm" {
			return "", template.ErrLeave
		}
		if x.s.Values == nil {
			return "", notBuilt("{{resolve:" + service + ":…}}")
		}
		return x.s.Values.Resolve(ctx, service, reference)
	})
	if err != nil {
		return nil, err
	}
	return out.(map[string]any), nil
}
