package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/wire/shape"

	"github.com/aws/smithy-go"
)

// snapshots returns the files of a folder of recorded requests or answers that
// the SDK's module of a service ships, by name without extension; none where
// it ships none.
func snapshots(t *testing.T, service, folder, ext string) map[string]string {
	t.Helper()
	name := strings.ReplaceAll(service, "-", "")
	if service == "logs" {
		name = "cloudwatchlogs"
	}
	module := "github.com/aws/aws-sdk-go-v2/service/" + name
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), folder, "*"+ext))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ext)] = string(b)
	}
	return out
}

// sections splits a recording into its first line, headers and body.
func sections(s string) (line string, h http.Header, body string) {
	line, s, _ = strings.Cut(s, "\n")
	h = http.Header{}
	for {
		var l string
		l, s, _ = strings.Cut(s, "\n")
		if l == "" {
			if len(h) == 0 && s != "" && body == "" && strings.Contains(line, " ") {
				body = "\n" // requests have an empty line before the headers too
				continue
			}
			return line, h, s
		}
		k, v, _ := strings.Cut(l, ": ")
		h.Add(k, v)
	}
}

// TestRequestSnapshots decodes the requests that the SDK's own tests record,
// all members set, and checks every member of the Input.
func TestRequestSnapshots(t *testing.T) {
	t.Parallel()
	total := 0
	for _, id := range shape.Services() {
		m, _ := shape.Service(id)
		client := clients(testConfig(httptest.NewServer(nil)))[id]
		for name, snap := range snapshots(t, id, "request_snapshot", ".request.snap") {
			op := m.Operations[name]
			if op == nil || op.EventStream() {
				continue // listed by TestModelsAndSDK
			}
			total++
			line, h, body := sections(snap)
			_, target, _ := strings.Cut(line, " ")
			u, err := url.Parse("http://host" + target)
			if err != nil {
				t.Fatal(err)
			}
			req := &Request{Path: u.EscapedPath(), Query: u.Query(), Header: h, Body: []byte(body)}
			if id == "s3" && strings.HasPrefix(op.Path, "/{Bucket}") {
				req.Path = "/__Bucket__" + req.Path // recorded with the bucket in the host
			}
			if op.StreamsInput() {
				req.Body, req.Stream = nil, strings.NewReader(body)
			}
			_, inType, _ := method(t, client, op)
			in := reflect.New(inType)
			if err := decodeAnd(op, req, in.Interface(), unchecked); err != nil {
				t.Errorf("%s %s: %v", id, name, err)
				continue
			}
			if op.Input == nil {
				continue
			}
			p, err := planFor(op.Input, inType)
			if err != nil {
				t.Fatal(err)
			}
			for _, msg := range recorded(p, in.Elem(), "", map[*shape.Shape]int{}) {
				t.Errorf("%s %s: %s", id, name, msg)
			}
		}
	}
	if total < 300 {
		t.Errorf("only %d recordings found", total)
	}
}

// recorded lists where a value is not what the recordings hold: strings named
// after their member, two elements a list, 1, true, the first instant of 2000.
func recorded(p *plan, v reflect.Value, path string, depth map[*shape.Shape]int) []string {
	bad := func(want string) []string { return []string{fmt.Sprintf("%s: got %s, want %s", path, show(v), want)} }
	x, ok := p.present(v)
	if !ok {
		if path == ".ContentLength" || depth[p.shape] > 0 {
			return nil // sent by the transport; recursion ends somewhere
		}
		return bad("a value")
	}
	var out []string
	switch p.kind {
	case kindString:
		name := path[strings.LastIndexAny(path, ".")+1:]
		s := x.String()
		switch {
		case p.typ.Name() != "string": // an enum
		case strings.ContainsAny(name, "[]") && strings.HasPrefix(s, "__") && strings.HasSuffix(s, "__"):
		case s != "__"+name+"__" && !strings.HasSuffix(s, "Member"+name+"__") && s != name+"-value":
			return bad("__" + name + "__")
		}
	case kindBool:
		if !x.Bool() {
			return bad("true")
		}
	case kindInt:
		if x.Int() != 1 {
			return bad("1")
		}
	case kindFloat:
		if x.Float() != 1 {
			return bad("1")
		}
	case kindBlob:
		if string(x.Bytes()) != "blob" {
			return bad("blob")
		}
	case kindTime:
		if !x.Interface().(time.Time).Equal(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) {
			return bad("2000-01-01")
		}
	case kindStream:
		if b, _ := io.ReadAll(x.Interface().(io.Reader)); len(b) == 0 {
			return bad("a body")
		}
	case kindStruct:
		if depth[p.shape] > 0 && x.IsZero() {
			return nil // and so does recursion through a list
		}
		depth[p.shape]++
		for i := range p.fields {
			f := &p.fields[i]
			out = append(out, recorded(f.plan, x.Field(f.index), path+"."+f.Field, depth)...)
		}
		depth[p.shape]--
	case kindUnion:
		f, y, _ := p.variantOf(x)
		depth[p.shape]++
		out = recorded(f.plan, y, path+"."+f.Field, depth)
		depth[p.shape]--
	case kindList:
		if x.Len() != 2 && depth[p.elem.shape] == 0 {
			return bad("two elements")
		}
		for i := range x.Len() {
			out = append(out, recorded(p.elem, x.Index(i), fmt.Sprintf("%s[%d]", path, i), depth)...)
		}
	case kindMap:
		if x.Len() == 0 {
			return bad("entries")
		}
		for _, k := range x.MapKeys() {
			out = append(out, recorded(p.elem, x.MapIndex(k), fmt.Sprintf("%s[%s]", path, k), depth)...)
		}
	}
	return out
}

// replay serves one recorded answer.
type replay struct {
	status int
	header http.Header
	body   []byte
}

func (r *replay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	io.Copy(io.Discard, req.Body)
	for k, v := range r.header {
		w.Header()[k] = v
	}
	w.WriteHeader(r.status)
	w.Write(r.body)
}

func replayed(t *testing.T, snap string) *replay {
	t.Helper()
	line, h, body := sections(snap)
	status, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("status %q: %v", line, err)
	}
	return &replay{status, h, []byte(body)}
}

// ask calls an operation with an Input that has what is required.
func ask(t *testing.T, client any, op *shape.Operation) (out any, err error) {
	t.Helper()
	call, inType, _ := method(t, client, op)
	in := reflect.New(inType)
	if op.Input != nil {
		fillStruct(t, op, newFiller(1, 0, true), op.Input, in)
	}
	results := call.Call([]reflect.Value{reflect.ValueOf(context.Background()), in})
	err, _ = results[1].Interface().(error)
	return results[0].Interface(), err
}

// TestResponseSnapshots has the real client read the answers and errors that
// the SDK's own tests record, and encodes what it made of them: the result must
// be the recording again.
func TestResponseSnapshots(t *testing.T) {
	t.Parallel()
	total := 0
	for _, id := range []string{"acm", "acm-pca", "cloudformation", "iam", "lambda", "logs", "secretsmanager", "ssm"} { // the others ship none
		m, _ := shape.Service(id)
		var current *replay
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.ServeHTTP(w, r) }))
		defer server.Close()
		client := clients(testConfig(server))[id]
		for name, snap := range snapshots(t, id, "response_snapshot", ".response.snap") {
			op := m.Operations[name]
			if op == nil || op.EventStream() {
				continue
			}
			total++
			current = replayed(t, snap)
			out, err := ask(t, client, op)
			if err != nil {
				t.Errorf("%s %s: client: %v", id, name, err)
				continue
			}
			res, err := Encode(op, out, "id")
			if err != nil {
				t.Errorf("%s %s: %v", id, name, err)
				continue
			}
			if res.Status == http.StatusNoContent {
				continue // recorded with a body all the same
			}
			// The status is 200 in all recordings.
			if m.Protocol == shape.Query {
				sameXML(t, id+" "+name, op, res.Body, current.body)
				continue
			}
			sameJSON(t, id+" "+name, op.Output, res.Body, current.body)
			sameHeaders(t, id+" "+name, res.Header, current.header)
		}
		for name, snap := range snapshots(t, id, "response_snapshot", ".error.snap") {
			s := m.Errors[name]
			if s == nil {
				continue
			}
			op := declares(m, name)
			if op == nil {
				continue
			}
			total++
			current = replayed(t, snap)
			_, err := ask(t, client, op)
			var api smithy.APIError
			if !errors.As(err, &api) || api.ErrorCode() != s.Code() {
				t.Errorf("%s %s: client: %v", id, name, err)
				continue
			}
			res := EncodeError(m, api, ErrorContext{RequestID: "id"})
			if res.Status != current.status {
				t.Errorf("%s %s: status %d, want %d", id, name, res.Status, current.status)
			}
			switch m.Protocol {
			case shape.Query:
				continue // TestErrorLoopback reads the members back
			case shape.JSON:
				if !wordless(m, s) { // else we send a message all the same
					sameJSON(t, id+" "+name, s, res.Body, current.body)
				}
			}
			sameHeaders(t, id+" "+name, res.Header, current.header)
		}
	}
	if total < 900 {
		t.Errorf("only %d recordings found", total)
	}
}

// declares finds an operation that declares an exception, always the same.
func declares(m *shape.Model, exception string) *shape.Operation {
	var best *shape.Operation
	for _, op := range m.Operations {
		for _, e := range op.Errors {
			if e == exception && !op.EventStream() && (best == nil || op.Name < best.Name) {
				best = op
			}
		}
	}
	return best
}

// sameJSON wants what the recording has, down to its last member that our model
// knows; the SDK may be newer than the model. Nothing may be in got besides.
func sameJSON(t *testing.T, what string, s *shape.Shape, got, want []byte) {
	t.Helper()
	if len(want) == 0 {
		want = []byte("{}") // some recordings have no body at all
	}
	if s == nil && string(got) == "{}" {
		return // the model knows of no answer
	}
	if s == nil || s.Payload != nil && s.Payload.Shape.Type == shape.Blob {
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
		return
	}
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Errorf("%s: got %q: %v", what, got, err)
		return
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatalf("%s: the recording: %v", what, err)
	}
	for _, d := range jsonDiff(s, g, w, "") {
		t.Errorf("%s: %s", what, d)
	}
}

func jsonDiff(s *shape.Shape, got, want any, path string) []string {
	bad := []string{fmt.Sprintf("%s: got %v, want %v", path, got, want)}
	var out []string
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return bad
		}
		members := map[string]*shape.Shape{"__type": nil}
		for _, m := range s.Members {
			if m.Location == shape.Body {
				members[m.Wire] = m.Shape
			}
		}
		for k := range g {
			if _, ok := w[k]; !ok {
				out = append(out, path+"."+k+": not in the recording")
			}
		}
		for k, x := range w {
			m, ok := members[k]
			if s.Type == shape.Map {
				m, ok = s.Member.Shape, true
			}
			if ok {
				out = append(out, jsonDiff(m, g[k], x, path+"."+k)...)
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return bad
		}
		for i := range w {
			out = append(out, jsonDiff(s.Member.Shape, g[i], w[i], fmt.Sprintf("%s[%d]", path, i))...)
		}
	default:
		if got != want {
			return bad
		}
	}
	return out
}

// sameXML wants the same of an answer of the query protocol. Our answer alone
// has the id of the request.
func sameXML(t *testing.T, what string, op *shape.Operation, got, want []byte) {
	t.Helper()
	g, err := parseXML(got)
	if err != nil {
		t.Errorf("%s: got %q: %v", what, got, err)
		return
	}
	w, err := parseXML(want)
	if err != nil {
		t.Fatalf("%s: the recording: %v", what, err)
	}
	if g.name != w.name || len(g.all("ResponseMetadata")) != 1 {
		t.Errorf("%s: got %q, want %q", what, got, want)
		return
	}
	if op.Output == nil {
		return
	}
	gr, wr := g.all(op.ResultWrapper), w.all(op.ResultWrapper)
	if len(gr) != 1 || len(wr) != 1 {
		t.Errorf("%s: got %q, want %q", what, got, want)
		return
	}
	for _, d := range xmlDiff(op.Output, gr[0], wr[0], op.ResultWrapper) {
		t.Errorf("%s: %s", what, d)
	}
}

func xmlDiff(s *shape.Shape, got, want *node, path string) []string {
	var out []string
	of := func(c *node) *shape.Shape { // the shape of a child, nil: not in the model
		switch s.Type {
		case shape.List:
			return s.Member.Shape
		case shape.Map:
			entry := *s
			entry.Type, entry.Members = shape.Structure, []*shape.Member{s.Key, s.Member}
			return &entry
		}
		for _, m := range s.Members {
			if m.Wire == c.name {
				return m.Shape
			}
		}
		return nil
	}
	known := slices.DeleteFunc(slices.Clone(want.children), func(c *node) bool { return of(c) == nil })
	for _, c := range got.children {
		if len(want.all(c.name)) == 0 {
			out = append(out, path+"."+c.name+": not in the recording")
		}
	}
	for _, c := range known {
		g, w := got.all(c.name), want.all(c.name)
		if len(g) != len(w) {
			out = append(out, fmt.Sprintf("%s.%s: got %d, want %d", path, c.name, len(g), len(w)))
			continue
		}
		i := slices.Index(w, c)
		out = append(out, xmlDiff(of(c), g[i], w[i], fmt.Sprintf("%s.%s[%d]", path, c.name, i))...)
	}
	if len(want.children) == 0 && got.text != want.text {
		out = append(out, fmt.Sprintf("%s: got %q, want %q", path, got.text, want.text))
	}
	return out
}

// sameHeaders wants every recorded header; the recordings of awsJson repeat the
// request's target.
func sameHeaders(t *testing.T, what string, got, want http.Header) {
	t.Helper()
	for k, v := range want {
		if k != "X-Amz-Target" && got.Get(k) != v[0] {
			t.Errorf("%s: header %s: got %q, want %q", what, k, got.Get(k), v[0])
		}
	}
}
