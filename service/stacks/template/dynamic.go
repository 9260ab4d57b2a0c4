package template

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// dynamicOpen begins a dynamic reference: {{resolve:service:reference}}.
const dynamicOpen = "{{resolve:"

// A DynamicReference is what stands between the service and the closing braces,
// taken apart.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
type DynamicReference struct {
	Service string // ssm, ssm-secure or secretsmanager

	Name    string // of the parameter; name or ARN of the secret
	Version string // ssm, ssm-secure: a number; "": the latest

	JSONKey      string // secretsmanager: which member of the secret; "": the whole
	VersionStage string // secretsmanager
	VersionID    string // secretsmanager
}

var (
	exportName    = regexp.MustCompile(`^[A-Za-z0-9:-]{1,255}$`)
	parameterName = regexp.MustCompile(`^[a-zA-Z0-9_.\-/]+$`)
	versionNumber = regexp.MustCompile(`^[0-9]+$`)
	secretName    = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]+$`)
	secretARN     = regexp.MustCompile(`^(arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]+)(?::(.*))?$`)
)

// ParseReference takes a dynamic reference apart. ok is false when it is malformed.
func ParseReference(service, reference string) (r DynamicReference, ok bool) {
	r.Service = service
	switch service {
	case "ssm", "ssm-secure":
		name, version, versioned := strings.Cut(reference, ":")
		r.Name, r.Version = name, version
		return r, parameterName.MatchString(name) && (!versioned || versionNumber.MatchString(version))
	case "secretsmanager":
		rest := ""
		if m := secretARN.FindStringSubmatch(reference); m != nil {
			r.Name, rest = m[1], m[2]
		} else if r.Name, rest, _ = strings.Cut(reference, ":"); !secretName.MatchString(r.Name) {
			return r, false
		}
		parts := strings.Split(rest, ":")
		if len(parts) > 4 || parts[0] != "" && parts[0] != "SecretString" {
			return r, false
		}
		parts = append(parts, "", "", "", "")
		r.JSONKey, r.VersionStage, r.VersionID = parts[1], parts[2], parts[3]
		return r, r.VersionStage == "" || r.VersionID == ""
	}
	return r, false
}

// ResolveDynamic copies a tree that was evaluated with KeepDynamic, with its dynamic
// references resolved; with KeepSecrets only those to plain parameters. What a reference stands for is
// not searched for more of them. Errors are of type *Error, with what resolve answered as their cause; their paths begin at the tree.
func ResolveDynamic(ctx context.Context, tree any, resolve func(ctx context.Context, service, reference string) (string, error), options ...Option) (any, error) {
	r := resolver{ctx: ctx, resolve: resolve, keepSecrets: slices.Contains(options, KeepSecrets)}
	return r.value(tree, nil)
}

// A resolver resolves dynamic references.
type resolver struct {
	at          atlas
	ctx         context.Context
	resolve     func(ctx context.Context, service, reference string) (string, error)
	keepSecrets bool
	seen        int // references resolved, at most maxDynamic
	work        int // bytes of text made, at most maxWork
}

func (r *resolver) value(v any, path []string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range sorted(v) {
			m, err := r.value(v[k], append(path, k))
			if err != nil {
				return nil, err
			}
			out[k] = m
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			m, err := r.value(e, append(path, strconv.Itoa(i)))
			if err != nil {
				return nil, err
			}
			out[i] = m
		}
		return out, nil
	case string:
		return r.text(v, path)
	}
	return v, nil
}

func (r *resolver) text(text string, path []string) (string, error) {
	if !strings.Contains(text, dynamicOpen) {
		return text, nil
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, dynamicOpen)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		inner, rest, closed := strings.Cut(after, "}}")
		service, reference, _ := strings.Cut(inner, ":")
		if _, ok := ParseReference(service, reference); !closed || !ok {
			return "", r.at.refuse(path, "Template error: the dynamic reference %s%s is malformed.", dynamicOpen, shorten(after))
		}
		value := dynamicOpen + inner + "}}"
		if service == "ssm" || !r.keepSecrets {
			if r.seen++; r.seen > maxDynamic {
				return "", r.at.refuse(path, "Template error: there are more than %d dynamic references", maxDynamic)
			}
			if r.resolve == nil {
				return "", r.at.refuse(path, "Template error: there is nothing to resolve dynamic references with")
			}
			var err error
			if value, err = r.resolve(r.ctx, service, reference); err != nil {
				return "", r.at.failed(path, err)
			}
		}
		if r.work += len(before) + len(value); r.work > maxWork {
			return "", r.at.refuse(path, "Template error: the dynamic references make more than %d MB of text", maxWork>>20)
		}
		out.WriteString(value)
		text = rest
	}
}

// shorten is what a message shows of a malformed reference.
func shorten(after string) string {
	if inner, _, closed := strings.Cut(after, "}}"); closed && len(inner) <= 200 {
		return inner + "}}"
	}
	return after[:min(len(after), 40)] + "…"
}
