package template

import (
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

// dynamic resolves the dynamic references in the text of a tree that has been
// evaluated, in place. What they stand for is not searched for more of them.
func (e *evaluator) dynamic(v any, path []string) (any, error) {
	if slices.Contains(e.options, KeepDynamic) {
		return v, nil
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sorted(v) {
			m, err := e.dynamic(v[k], append(path, k))
			if err != nil {
				return nil, err
			}
			v[k] = m
		}
	case []any:
		for i := range v {
			m, err := e.dynamic(v[i], append(path, strconv.Itoa(i)))
			if err != nil {
				return nil, err
			}
			v[i] = m
		}
	case string:
		return e.resolve(v, path)
	}
	return v, nil
}

// resolve resolves the dynamic references in a text.
func (e *evaluator) resolve(text string, path []string) (string, error) {
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
			return "", e.refuse(path, "Template error: the dynamic reference %s%s}} is malformed.", dynamicOpen, inner)
		}
		value := dynamicOpen + inner + "}}"
		if service == "ssm" || !slices.Contains(e.options, KeepSecrets) {
			if e.resolved++; e.resolved > maxDynamic {
				return "", e.refuse(path, "Template error: there are more than %d dynamic references", maxDynamic)
			}
			if e.lookup == nil {
				return "", e.refuse(path, "Template error: a dynamic reference cannot be resolved here")
			}
			var err error
			if value, err = e.lookup.Dynamic(e.ctx, service, reference); err != nil {
				return "", e.failed(path, err)
			}
		}
		if err := e.spend(path, len(value)+len(before)); err != nil {
			return "", err
		}
		out.WriteString(value)
		text = rest
	}
}
