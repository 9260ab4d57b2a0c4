package edge

import (
	"net/url"
	"strings"
	"testing"

	"countersign/edge/snapshot"
)

// routes of the table below, in the order in which compile.go of
// service/gateway puts them: the most specific first.
var tableKeys = []string{
	"GET /",
	"GET /pets",
	"POST /pets",
	"GET /pets/dog",
	"ANY /pets/dog",
	"GET /pets/{id}",
	"GET /pets/{id}/toys",
	"ANY /files/deep/{rest+}",
	"GET /files/{rest+}",
	"ANY /{proxy+}",
}

func tableRoutes(withDefault bool) []*snapshot.Route {
	var all []*snapshot.Route
	for _, key := range tableKeys {
		all = append(all, route(key, toHTTP("http://127.0.0.1")))
	}
	if withDefault {
		all = append(all, route("$default", toHTTP("http://127.0.0.1")))
	}
	return all
}

func TestRouteSelection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, path, key, params string }{
		{"GET", "/", "GET /", ""},
		{"POST", "/", "$default", ""},
		{"GET", "/pets", "GET /pets", ""},
		{"GET", "/%70ets", "GET /pets", ""},
		{"GET", "/Pets", "ANY /{proxy+}", "proxy=Pets"},
		{"GET", "/pets/", "ANY /{proxy+}", "proxy=pets/"},
		{"POST", "/pets", "POST /pets", ""},
		{"DELETE", "/pets", "ANY /{proxy+}", "proxy=pets"},
		{"GET", "/pets/dog", "GET /pets/dog", ""},
		{"GET", "/pets/do%67", "GET /pets/dog", ""},
		{"PUT", "/pets/dog", "ANY /pets/dog", ""},
		{"GET", "/pets/cat", "GET /pets/{id}", "id=cat"},
		{"GET", "/pets/a%2Fb", "GET /pets/{id}", "id=a%2Fb"},
		{"GET", "/pets/dog/toys", "GET /pets/{id}/toys", "id=dog"},
		{"HEAD", "/pets/cat", "ANY /{proxy+}", "proxy=pets/cat"},
		{"GET", "/files/a/b", "GET /files/{rest+}", "rest=a/b"},
		{"POST", "/files/a/b", "ANY /{proxy+}", "proxy=files/a/b"},
		{"POST", "/files/deep/b/", "ANY /files/deep/{rest+}", "rest=b/"},
		{"GET", "/files/deep", "GET /files/{rest+}", "rest=deep"},
		{"GET", "/files/", "ANY /{proxy+}", "proxy=files/"},
		{"GET", "//", "ANY /{proxy+}", "proxy=/"},
		{"GET", "/%zz", "ANY /{proxy+}", "proxy=%zz"},
	} {
		r, params := routeFor(tableRoutes(true), c.method, c.path)
		var got []string
		for _, p := range params {
			got = append(got, p.name+"="+p.value)
		}
		if r.Key != c.key || strings.Join(got, ",") != c.params {
			t.Errorf("%s %s: %s %v, want %s %s", c.method, c.path, r.Key, got, c.key, c.params)
		}
	}
	if r, _ := routeFor(tableRoutes(false), "POST", "/"); r != nil {
		t.Errorf("POST / without $default: %s", r.Key)
	}
}

// A route key may end in a slash; it is then another path.
func TestTrailingSlash(t *testing.T) {
	t.Parallel()
	slash := &snapshot.Route{Key: "GET /pets/", Method: "GET", Segments: []snapshot.Segment{{Literal: "pets"}, {}}}
	if err := checkRoute(slash, false, false); err != nil {
		t.Fatal(err)
	}
	routes := []*snapshot.Route{slash, route("GET /pets", nil)}
	for path, want := range map[string]string{"/pets/": "GET /pets/", "/pets": "GET /pets", "/pets//": "", "/pets/x": ""} {
		got := ""
		if r, _ := routeFor(routes, "GET", path); r != nil {
			got = r.Key
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestMappingSelection(t *testing.T) {
	t.Parallel()
	api, stage := &snapshot.API{}, &snapshot.Stage{}
	mapping := func(key string) snapshot.Mapping {
		m := snapshot.Mapping{API: api, Stage: stage}
		if key != "" {
			m.Segments = strings.Split(key, "/")
		}
		return m
	}
	with := []snapshot.Mapping{mapping("a/b/c"), mapping("a/b"), mapping("x"), mapping("")}
	for _, c := range []struct {
		path, key, below string
	}{
		{"/a/b/c", "a/b/c", "/"},
		{"/a/b/c/", "a/b/c", "/"},
		{"/a/b/c/d", "a/b/c", "/d"},
		{"/a/b/cc", "a/b", "/cc"},
		{"/a/b", "a/b", "/"},
		{"/a/%62/d", "a/b", "/d"},
		{"/a", "", "/a"},
		{"/x//y", "x", "//y"},
		{"/xy", "", "/xy"},
		{"/", "", "/"},
	} {
		m, below := mappingFor(with, c.path)
		if m == nil || strings.Join(m.Segments, "/") != c.key || below != c.below {
			t.Errorf("%s: %+v below %q, want %q below %q", c.path, m, below, c.key, c.below)
		}
	}
	if m, _ := mappingFor(with[:3], "/a"); m != nil {
		t.Errorf("a path outside every mapping found %v", m.Segments)
	}
}

func TestStageSelection(t *testing.T) {
	t.Parallel()
	dev, def := &snapshot.Stage{Name: "dev"}, &snapshot.Stage{Name: "$default"}
	api := &snapshot.API{Stages: map[string]*snapshot.Stage{"dev": dev, "$default": def}}
	for _, c := range []struct {
		path  string
		stage *snapshot.Stage
		below string
	}{
		{"/dev/a", dev, "/a"},
		{"/dev", dev, "/"},
		{"/dev/", dev, "/"},
		{"/devil", def, "/devil"},
		{"/a/dev", def, "/a/dev"},
		{"/$default/a", def, "/$default/a"},
		{"/", def, "/"},
	} {
		if s, below := stageFor(api, c.path); s != c.stage || below != c.below {
			t.Errorf("%s: %v below %q", c.path, s, below)
		}
	}
	if s, _ := stageFor(&snapshot.API{Stages: map[string]*snapshot.Stage{"dev": dev}}, "/a"); s != nil {
		t.Error("a stage was found where there is none")
	}
}

func TestDotSegments(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/a/b": false, "/a.b/..c/...": false, "/a%2Fb": false,
		"/..": true, "/a/../b": true, "/a/./b": true, "/%2e%2e/a": true, "/a%2f..%2fb": true,
		"/a%5c..%5cb": true, "/..;/a": true, "/..;x=1/a": true, "/.%zz": true,
	} {
		if got := hasDotSegment(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestHostNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a.example.com": "a.example.com", "A.Example.Com.": "a.example.com", "a:443": "a", "a.:443": "a", "A:": "a",
		"[::1]:443": "[::1]", "[::1]": "[::1]", "": "", ".": "", "a..": "a.", "A\u212a": "a\u212a", "A\xfc": "a\xfc",
	} {
		if got := hostName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzHostName(f *testing.F) {
	for _, s := range []string{"A.example.com.:443", "[::1]:443", "::1", ":", "a:b:c", "[", "]:", ".", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name := hostName(host)
		if strings.ContainsAny(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") || len(name) > len(host) {
			t.Errorf("%q became %q", host, name)
		}
		// A name that SNI may have is its own Host, with and without a port.
		if name != "" && !strings.ContainsAny(name, ":[]") && !strings.HasSuffix(name, ".") {
			for _, same := range []string{name, name + ":8443", name + ".", name + ".:1"} {
				if got := hostName(same); got != name {
					t.Errorf("%q became %q, want %q", same, got, name)
				}
			}
		}
	})
}

func FuzzRoute(f *testing.F) {
	for _, key := range tableKeys {
		_, path, _ := strings.Cut(key, " ")
		f.Add("GET", path)
	}
	f.Add("POST", "/files/deep//%2e%2e/")
	f.Add("GET", "//")
	f.Add("", "/%")
	routes := tableRoutes(true)
	f.Fuzz(func(t *testing.T, method, path string) {
		if !strings.HasPrefix(path, "/") {
			return // find refuses it before
		}
		r, params := routeFor(routes, method, path)
		if r == nil {
			t.Fatal("$default was not found")
		}
		if r.Key == "$default" {
			return
		}
		// Variables put back into the route's path give the path of the request.
		var built strings.Builder
		for _, s := range r.Segments {
			built.WriteByte('/')
			if s.Param == "" {
				built.WriteString(s.Literal)
				continue
			}
			if params[0].name != s.Param || params[0].value == "" {
				t.Fatalf("%s: %v", r.Key, params)
			}
			built.WriteString(params[0].value)
			params = params[1:]
		}
		if built.Len() == 0 {
			built.WriteByte('/')
		}
		same := built.String() == path
		if !same {
			a, errA := url.PathUnescape(built.String())
			b, errB := url.PathUnescape(path)
			same = errA != nil || errB != nil || a == b
		}
		if !same {
			t.Errorf("%q matched %s and came back as %q", path, r.Key, built.String())
		}
	})
}
