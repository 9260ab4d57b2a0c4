package sam

import "strings"

// references maps a resource and a property of it that SAM lets templates refer
// to (Function.Alias, Api.Stage, …) to the logical id of the resource meant.
type references map[string]map[string]string

func (r references) add(id, property, target string) {
	if r[id] == nil {
		r[id] = map[string]string{}
	}
	r[id][property] = target
}

// rewrite copies a tree with every reference to a derived resource replaced:
// {"Ref": "Api.Stage"}, {"Fn::GetAtt": ["Function.Version", "Version"]} and ${Api.Stage}.
// Nothing of the copy is shared, with the argument or within itself.
func (r references) rewrite(v any) any {
	switch v := v.(type) {
	case object:
		out := make(object, len(v))
		for key, item := range v {
			out[key] = r.rewrite(item)
		}
		switch name, arg := intrinsic(out); name {
		case "Ref":
			out[name] = r.inRef(arg)
		case "Fn::GetAtt":
			out[name] = r.inGetAtt(arg)
		case "Fn::Sub":
			out[name] = r.inSub(arg)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = r.rewrite(item)
		}
		return out
	}
	return v
}

func (r references) inRef(arg any) any {
	text, _ := arg.(string)
	id, property, _ := strings.Cut(text, ".")
	if target := r[id][property]; target != "" {
		return target
	}
	return arg
}

func (r references) inGetAtt(arg any) any {
	list, _ := arg.([]any)
	if len(list) < 2 {
		return arg
	}
	parts := make([]string, len(list))
	for i, item := range list {
		text, ok := item.(string)
		if !ok {
			return arg
		}
		parts[i] = text
	}
	parts = strings.Split(strings.Join(parts, "."), ".")
	target := r[parts[0]][parts[1]]
	if target == "" {
		return arg
	}
	out := []any{target}
	for _, part := range parts[2:] {
		out = append(out, part)
	}
	return out
}

func (r references) inSub(arg any) any {
	replace := func(text string) string {
		return variable.ReplaceAllStringFunc(text, func(whole string) string {
			parts := strings.SplitN(whole[2:len(whole)-1], ".", 3)
			if len(parts) < 2 {
				return whole
			}
			target := r[parts[0]][parts[1]]
			if target == "" {
				return whole
			}
			return "${" + strings.Join(append([]string{target}, parts[2:]...), ".") + "}"
		})
	}
	switch arg := arg.(type) {
	case string:
		return replace(arg)
	case []any:
		if len(arg) > 0 {
			if text, ok := arg[0].(string); ok {
				arg[0] = replace(text) // arg is a copy already: see rewrite
			}
		}
	}
	return arg
}
