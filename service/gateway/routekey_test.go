package gateway

import (
	"math/rand/v2"
	"slices"
	"testing"

	"countersign/edge/snapshot"
)

// However routes come, those that match the same requests are tried in the same order.
func TestRouteOrderIsTotal(t *testing.T) {
	t.Parallel()
	keys := []string{
		"GET /a", "GET /a/b", "ANY /a/b", "GET /a/{x}", "ANY /a/{x}", "GET /{y}/b", "GET /{y}/{x}", "GET /a/b/c", "GET /a/", "GET /",
		"GET /a/b/{proxy+}", "GET /a/{proxy+}", "ANY /a/{proxy+}", "GET /{y}/{proxy+}", "ANY /{proxy+}", "$default",
	}
	before := [][2]string{
		{"GET /a/b", "ANY /a/b"}, {"ANY /a/b", "GET /a/{x}"}, {"GET /a/{x}", "ANY /a/{x}"}, {"ANY /a/{x}", "GET /{y}/b"}, {"GET /{y}/b", "GET /{y}/{x}"},
		{"GET /{y}/{x}", "GET /a/b/{proxy+}"}, {"GET /a/b/{proxy+}", "GET /a/{proxy+}"}, {"GET /a/{proxy+}", "ANY /a/{proxy+}"}, {"ANY /a/{proxy+}", "GET /{y}/{proxy+}"},
		{"GET /{y}/{proxy+}", "ANY /{proxy+}"}, {"ANY /{proxy+}", "$default"}, {"GET /a/b/c", "GET /a/b/{proxy+}"},
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		routes := make([]*snapshot.Route, len(keys))
		for i, key := range keys {
			method, segments, err := parseRouteKey(key)
			if err != nil {
				t.Fatal(err)
			}
			routes[i] = &snapshot.Route{Key: key, Method: method, Segments: segments}
		}
		sortRoutes(routes)
		at := func(key string) int {
			return slices.IndexFunc(routes, func(r *snapshot.Route) bool { return r.Key == key })
		}
		for _, pair := range before {
			if at(pair[0]) > at(pair[1]) {
				t.Fatalf("of %q, %s is tried before %s", keys, pair[1], pair[0])
			}
		}
	}
}
