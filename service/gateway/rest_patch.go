package gateway

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// The updates of API Gateway v1 are lists of patch operations, like those of RFC 6902.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html

// A patch is what the operations of an update may do at a place.
type patch struct {
	path string // "/name"; "*" stands for one part: "/variables/*"
	ops  string // "add remove replace"
	do   func(op, value string, parts []string) error
}

// Sets of operations.
const (
	replaceOnly = "replace"
	addRemove   = "add remove"
	anyChange   = "add remove replace"
)

// replaceText is the patch that sets a text.
func replaceText(path string, field *string) patch {
	return patch{path, replaceOnly, func(_, value string, _ []string) error {
		*field = value
		return nil
	}}
}

// replaceIn is the patch of the members of a map of texts.
func replaceIn(path, ops string, m *map[string]string) patch {
	return patch{path, ops, func(op, value string, parts []string) error {
		if op == "remove" {
			delete(*m, parts[0])
			return nil
		}
		if *m == nil {
			*m = map[string]string{}
		}
		(*m)[parts[0]] = value
		return nil
	}}
}

// replaceFlags is the patch of the members of a map of truth values.
func replaceFlags(path string, m *map[string]bool) patch {
	return patch{path, anyChange, func(op, value string, parts []string) error {
		if op == "remove" {
			delete(*m, parts[0])
			return nil
		}
		if *m == nil {
			*m = map[string]bool{}
		}
		(*m)[parts[0]] = truth(value)
		return nil
	}}
}

// truth reads a truth value as API Gateway does: what is not true is false.
func truth(value string) bool { return strings.EqualFold(value, "true") }

// unbuiltPatch is the patch of something that this version does not build. What leaves it off is fine.
func unbuiltPatch(path, ops, what, off string) patch {
	return patch{path, ops, func(op, value string, _ []string) error {
		if op == "remove" || strings.EqualFold(value, off) {
			return nil
		}
		return notBuilt(what)
	}}
}

// apply carries out the operations in their order. One that no patch takes is refused.
func applyPatches(operations []types.PatchOperation, patches []patch) error {
	for _, o := range operations {
		op, path := string(o.Op), aws.ToString(o.Path)
		var taken, known *patch
		var parts []string
		for n := range patches {
			p := &patches[n]
			found, ok := matchPatch(p.path, path)
			if !ok {
				continue
			}
			known = p
			if slices.Contains(strings.Fields(p.ops), op) {
				taken, parts = p, found
				break
			}
		}
		switch {
		case taken != nil:
		case known != nil:
			return badRequest("Invalid patch operation specified. Must be one of: [%s]", strings.Join(strings.Fields(known.ops), ", "))
		default:
			return badRequest("Invalid patch path  '%s' specified for op '%s'. Must be one of: [%s]", path, op, strings.Join(patchPaths(patches, op), ", "))
		}
		if op != "remove" && o.Value == nil && taken.ops != addRemove {
			return badRequest("Invalid patch operation specified: op '%s' of '%s' needs a value", op, path)
		}
		if err := taken.do(op, aws.ToString(o.Value), parts); err != nil {
			return err
		}
	}
	return nil
}

// matchPatch compares a path with a pattern and gives what stands for its stars (RFC 6901, 4).
func matchPatch(pattern, path string) (parts []string, ok bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	for i, w := range want {
		switch {
		case w == "*" && have[i] != "":
			parts = append(parts, strings.NewReplacer("~1", "/", "~0", "~").Replace(have[i]))
		case w != have[i]:
			return nil, false
		}
	}
	return parts, true
}

// escapePatch writes text as a part of a path.
func escapePatch(part string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(part) }

func patchPaths(patches []patch, op string) []string {
	var all []string
	for _, p := range patches {
		if slices.Contains(strings.Fields(p.ops), op) && !slices.Contains(all, p.path) {
			all = append(all, p.path)
		}
	}
	return all
}
