package template

import (
	"context"
	"errors"
	"regexp"
	"strings"
)

// maxDynamic is how many dynamic references one resource may have; on AWS one template.
const maxDynamic = 60

// ErrLeave is how a resolver says that a dynamic reference is to stay as it is.
var ErrLeave = errors.New("leave the reference as it is")

// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
var dynamicReference = regexp.MustCompile(`\{\{resolve:([^:{}]+):([^{}]+)\}\}`)

// ResolveDynamic replaces {{resolve:service:reference}} in every text of a value. Resolve may answer ErrLeave.
func ResolveDynamic(ctx context.Context, v any, resolve func(ctx context.Context, service, reference string) (string, error)) (any, error) {
	count := 0
	var walk func(v any) (any, error)
	walk = func(v any) (any, error) {
		switch v := v.(type) {
		case []any:
			out := make([]any, len(v))
			for i, e := range v {
				var err error
				if out[i], err = walk(e); err != nil {
					return nil, err
				}
			}
			return out, nil
		case map[string]any:
			out := make(map[string]any, len(v))
			for _, k := range sorted(v) {
				var err error
				if out[k], err = walk(v[k]); err != nil {
					return nil, err
				}
			}
			return out, nil
		case string:
			if !strings.Contains(v, "{{resolve:") {
				return v, nil
			}
			var failed error
			out := dynamicReference.ReplaceAllStringFunc(v, func(match string) string {
				if failed != nil {
					return match
				}
				if count++; count > maxDynamic {
					failed = problem("Template format error: more than %d dynamic references in one resource", maxDynamic)
					return match
				}
				m := dynamicReference.FindStringSubmatch(match)
				switch m[1] {
				case "ssm", "ssm-secure", "secretsmanager":
				default:
					failed = problem("Template format error: unsupported service [%s] in dynamic reference %s", m[1], match)
					return match
				}
				s, err := resolve(ctx, m[1], m[2])
				if errors.Is(err, ErrLeave) {
					return match
				}
				if err != nil {
					failed = err
					return match
				}
				return s
			})
			return out, failed
		}
		return v, nil
	}
	return walk(v)
}
