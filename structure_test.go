// Package countersign_test holds the tests of the house itself: who may import
// whom, and that every package says what it is. There is no code at the root.
package countersign_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "countersign"

// A rule says that packages below from may not import what is below to. The
// reason is printed, so that whoever trips it learns the design.
type rule struct {
	from, to string
	except   []string // packages below to that are allowed
	reason   string
	exempt   string // a package below from that the rule is not for
}

var rules = []rule{
	{"service", "service", []string{"service/stacks/resource"}, "a service never imports a sibling: it declares the few methods it needs, and node passes the sibling in", ""},
	{"service", "wire", nil, "SDK structs are a service's vocabulary; the wire forms belong to api and wire", ""},
	{"service", "api", nil, "imports point inward: api calls services", ""},
	{"service", "node", nil, "imports point inward: node builds services", ""},
	{"service", "edge", []string{"edge/snapshot"}, "a service feeds the data plane with snapshot values only", ""},
	{"service", "nameserver", nil, "a service feeds the data plane with snapshot values only", ""},
	{"service", "net/http", nil, "a service that wants a status code wants a better error (the runner is Lambda's Runtime API, which is HTTP)", "service/functions/runner"},
	{"edge", "service", nil, "the data plane runs off snapshots; it declares what it calls, and node supplies it", ""},
	{"edge", "store", nil, "a handshake never waits for the database", ""},
	{"edge", "api", nil, "the data plane and the control plane share no code path", ""},
	{"edge", "github.com/aws", nil, "the data plane knows no SDK", ""},
	{"nameserver", "service", nil, "the name server runs off snapshots", ""},
	{"nameserver", "store", nil, "an answer never waits for the database", ""},
	{"pki", module, []string{"arn", "pki"}, "pki is pure: values, a time, a random source and a signer", ""},
	{"pki", "github.com", nil, "pki depends on the standard library and x/crypto", ""},
	{"pki", "net/http", nil, "pki opens no connections", ""},
	{"policy", module, []string{"policy"}, "policy is pure: a document, a request, a verdict", ""},
	{"arn", module, []string{"arn"}, "arn depends on nothing", ""},
	{"call", module, []string{"call"}, "call depends on nothing", ""},
	{"wire", module, []string{"wire"}, "wire knows protocols, not services", ""},
	{"store", module, []string{"store", "store/storetest"}, "the store knows bytes, not services", ""},
	{"metrics", module, []string{"metrics", "store"}, "metrics are told by node what to count; nobody else knows how", ""},
	{"api", "node", nil, "imports point inward: node builds api", ""},
	{"api", "edge", nil, "the data plane and the control plane share no code path", ""},
	{"api", "store", nil, "operations live in services", ""},
	{"ceremony", module, []string{"ceremony", "keys", "pki"}, "an offline root needs no node, no store and no network", ""},
	{"ceremony", "net/http", nil, "a ceremony opens no connections", ""},
	{"service/stacks/template", module, []string{"service/stacks/template"}, "a template is read without knowing any service", ""},
	{"service/stacks/sam", module, []string{"service/stacks/sam", "service/stacks/template"}, "the SAM transform is pure: a template in, a template out", ""},
	{"service/stacks/resource", module, []string{"service/stacks/resource", "service/stacks/template"}, "a resource type is declared without knowing the engine", ""},
	{"service/gateway/openapi", module, []string{"service/gateway/openapi"}, "an API definition is read without knowing what an API is here", ""},
	{"deploy", module, []string{"deploy"}, "what deploys to a node deploys to AWS: it knows public operations only", ""},
	{"lambda", module, []string{"lambda", "pki"}, "the Lambda programs run on AWS too: pki and the SDK are all they have", ""},
}

type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Name,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages; the test is looking in the wrong place", len(all))
	}
	return all
}

func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func TestImportRules(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imported := range p.Imports {
			if reason := forbidden(from, imported); reason != "" {
				t.Errorf("%s imports %s: %s", from, imported, reason)
			}
		}
	}
}

// forbidden gives the reason why from (relative to the module) may not import
// the package, or "".
func forbidden(from, imported string) string {
	to, ours := strings.CutPrefix(imported, module+"/")
	for _, r := range rules {
		if !below(from, r.from) || r.exempt != "" && below(from, r.exempt) {
			continue
		}
		// A service's own sub-packages are part of it.
		if r.from == "service" && r.to == "service" && ours && service(from) == service(to) {
			continue
		}
		hit := below(to, r.to) && (ours || strings.Contains(r.to, ".") || r.to == "net/http") || r.to == module && ours
		if !hit {
			continue
		}
		allowed := false
		for _, e := range r.except {
			allowed = allowed || below(to, e)
		}
		if !allowed {
			return r.reason
		}
	}
	return ""
}

func service(path string) string {
	parts := strings.SplitN(path, "/", 3)
	if len(parts) < 2 {
		return path
	}
	return parts[1]
}

// The rules must be able to fail: each of these edges is one the design forbids.
func TestImportRulesCanFail(t *testing.T) {
	t.Parallel()
	for _, edge := range [][2]string{
		{"service/gateway", module + "/service/objects"},
		{"service/gateway/x", module + "/wire"},
		{"service/objects", "net/http"},
		{"edge", module + "/store"},
		{"edge", "github.com/aws/aws-sdk-go-v2/service/s3"},
		{"pki", module + "/store"},
		{"pki", "github.com/google/uuid"},
		{"wire/shape", module + "/call"},
		{"lambda/echo", module + "/store"},
	} {
		if forbidden(edge[0], edge[1]) == "" {
			t.Errorf("%s may import %s; the rule for it is gone", edge[0], edge[1])
		}
	}
	for _, edge := range [][2]string{
		{"service/gateway", module + "/edge/snapshot"},
		{"service/functions", module + "/service/functions/runner"},
		{"lambda/truststore", module + "/pki"},
		{"pki", "golang.org/x/crypto/cryptobyte"},
		{"node", module + "/service/objects"},
	} {
		if reason := forbidden(edge[0], edge[1]); reason != "" {
			t.Errorf("%s may not import %s: %s", edge[0], edge[1], reason)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		documented := false
		for _, f := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Doc != nil && len(parsed.Doc.Text()) > 40 {
				documented = true
			}
		}
		if !documented {
			t.Errorf("%s has no package comment: say what it is, which AWS API it answers for, what it leaves out", p.ImportPath)
		}
	}
}
