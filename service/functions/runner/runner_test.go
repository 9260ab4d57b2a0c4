package runner_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"countersign/service/functions/runner"
	"countersign/service/functions/runner/runnertest"

	"github.com/google/uuid"
)

// A bench is a runner with a clock that can be moved.
type bench struct {
	*runner.Runner
	t   *testing.T
	dir string

	mu     sync.Mutex
	offset time.Duration
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.offset)
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offset += d
}

// testDir is a folder that other users can enter, unlike t.TempDir.
func testDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "runner")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newBench(t *testing.T, change func(*runner.Config)) *bench {
	t.Helper()
	b := &bench{t: t, dir: testDir(t)}
	cfg := runner.Config{
		Dir: filepath.Join(b.dir, "functions"), Now: b.now, Rand: rand.Reader,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	b.Runner, err = runner.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		b.Close(ctx)
	})
	return b
}

func architecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

func code(zip []byte) runner.Code {
	return runner.Code{SHA256: sha256.Sum256(zip), Size: int64(len(zip)),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(zip)), nil }}
}

func function(t *testing.T, change func(*runner.Function)) runner.Function {
	t.Helper()
	fn := runner.Function{
		ARN: "arn:aws:lambda:eu-west-1:000000000000:function:fn", Name: "fn", Account: "000000000000", Region: "eu-west-1",
		Version: "$LATEST", Revision: "1", Runtime: "provided.al2023", Handler: "h.main", Role: "arn:aws:iam::000000000000:role/fn",
		LogGroup: "/aws/lambda/fn", Architecture: architecture(), Memory: 128, Storage: 512, Timeout: 20 * time.Second,
		Reserved: -1, Code: code(runnertest.HandlerZip(t, "fn")),
	}
	if change != nil {
		change(&fn)
	}
	return fn
}

func (b *bench) invoke(fn runner.Function, event string) runner.Result {
	b.t.Helper()
	res, err := b.Invoke(b.t.Context(), fn, invocation(event))
	if err != nil {
		b.t.Fatalf("Invoke(%.100s): %v", event, err)
	}
	return res
}

func invocation(event string) runner.Invocation {
	return runner.Invocation{RequestID: uuid.NewString(), InvokedARN: "arn:aws:lambda:eu-west-1:000000000000:function:fn", Payload: []byte(event)}
}

func (b *bench) pid(fn runner.Function) int {
	b.t.Helper()
	var out struct{ PID int }
	res := b.invoke(fn, `{"do":"pid"}`)
	if err := json.Unmarshal(res.Payload, &out); err != nil || res.Error != "" {
		b.t.Fatalf("pid: %s %s", res.Error, res.Payload)
	}
	return out.PID
}

// alive reports whether a process exists and is not a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return runtime.GOOS != "linux" && syscall.Kill(pid, 0) == nil
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("waited in vain: " + what)
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, nil)

	res := b.invoke(fn, `{"do":"echo","value":{"a":[1,2]}}`)
	if res.Error != "" || string(res.Payload) != `{"a":[1,2]}` {
		t.Errorf("echo: %q %s", res.Error, res.Payload)
	}
	if !strings.HasPrefix(res.Trace, "Root=1-") {
		t.Errorf("trace %q", res.Trace)
	}

	first, second := b.pid(fn), b.pid(fn)
	if first != second {
		t.Errorf("two calls one after the other were served by processes %d and %d", first, second)
	}

	res = b.invoke(fn, `{"do":"error","text":"no such pet"}`)
	if want := `{"errorMessage":"no such pet","errorType":"failed"}`; res.Error != "Unhandled" || string(res.Payload) != want {
		t.Errorf("error: %q %s, want %s", res.Error, res.Payload, want)
	}
	if p := b.pid(fn); p != first {
		t.Error("a handler's error cost the environment")
	}

	res = b.invoke(fn, `{"do":"panic","text":"at the disco"}`)
	var failure struct {
		ErrorMessage, ErrorType string
		StackTrace              []struct {
			Path  string
			Line  int
			Label string
		}
	}
	if err := json.Unmarshal(res.Payload, &failure); err != nil || res.Error != "Unhandled" || failure.ErrorMessage != "at the disco" || len(failure.StackTrace) == 0 {
		t.Errorf("panic: %q %s", res.Error, res.Payload)
	}
	if p := b.pid(fn); p == first {
		t.Error("the process that panicked serves on")
	}
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, nil)
	big := strings.Repeat("y", 5<<20)
	if res := b.invoke(fn, `{"do":"echo","value":"`+big+`"}`); string(res.Payload) != `"`+big+`"` {
		t.Errorf("5 MB came back as %d bytes, error %q", len(res.Payload), res.Error)
	}
	if res := b.invoke(fn, fmt.Sprintf(`{"do":"bytes","bytes":%d}`, runner.MaxPayload-2)); len(res.Payload) != runner.MaxPayload || res.Error != "" {
		t.Errorf("the largest response: %d bytes, error %q", len(res.Payload), res.Error)
	}
	res := b.invoke(fn, fmt.Sprintf(`{"do":"bytes","bytes":%d}`, runner.MaxPayload-1))
	want := `{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}`
	if res.Error != "Unhandled" || string(res.Payload) != want {
		t.Errorf("too large a response: %q %.200s", res.Error, res.Payload)
	}
	if res := b.invoke(fn, `{"do":"echo","value":1}`); string(res.Payload) != "1" {
		t.Errorf("after it: %s", res.Payload)
	}
	// aws-lambda-go reports this in trailers behind the half response.
	res = b.invoke(fn, `{"do":"cut"}`)
	if !strings.Contains(string(res.Payload), `"errorMessage":"the source ran dry"`) || res.Error != "Unhandled" {
		t.Errorf("cut response: %q %s", res.Error, res.Payload)
	}
}

func TestExit(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, nil)
	for event, reason := range map[string]string{
		`{"do":"exit","bytes":3}`: "Runtime exited with error: exit status 3",
		`{"do":"exit","bytes":0}`: "Runtime exited without providing a reason",
		`{"do":"kill"}`:           "Runtime exited with error: signal: killed",
	} {
		inv := invocation(event)
		res, err := b.Invoke(t.Context(), fn, inv)
		want := `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + inv.RequestID + ` Error: ` + reason + `"}`
		if err != nil || res.Error != "Unhandled" || string(res.Payload) != want {
			t.Errorf("%s: %v %q %s, want %s", event, err, res.Error, res.Payload, want)
		}
		if tail := string(res.Tail); !strings.Contains(tail, "Status: error\tError Type: Runtime.ExitError") {
			t.Errorf("%s: tail %q", event, tail)
		}
	}
}

func TestTimeoutKillsTheTree(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, func(f *runner.Function) { f.Timeout = time.Second })
	b.pid(fn) // warm, so that the second covers no start
	file := filepath.Join(b.dir, "pids")
	os.WriteFile(file, nil, 0o666)
	os.Chmod(file, 0o666)
	inv := invocation(fmt.Sprintf(`{"do":"children","ms":60000,"text":%q}`, file))
	began := time.Now()
	res, err := b.Invoke(t.Context(), fn, inv)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ` + inv.RequestID + ` Error: Task timed out after 1.00 seconds"}`
	if string(res.Payload) != want || res.Error != "Unhandled" {
		t.Errorf("%q %s, want %s", res.Error, res.Payload, want)
	}
	if took := time.Since(began); took < time.Second || took > 4*time.Second {
		t.Errorf("took %v", took)
	}
	if !strings.Contains(string(res.Tail), inv.RequestID+" Task timed out after 1.00 seconds") || !strings.Contains(string(res.Tail), "Status: timeout") {
		t.Errorf("tail %q", res.Tail)
	}
	pids, _ := os.ReadFile(file)
	fields := strings.Fields(string(pids))
	if len(fields) != 3 {
		t.Fatalf("pids %q", pids)
	}
	for i, f := range fields {
		pid, _ := strconv.Atoi(f)
		waitFor(t, "process "+strconv.Itoa(i)+" of the environment ends", func() bool { return !alive(pid) })
	}
	if b.pid(fn) == 0 {
		t.Error("no new environment")
	}
}

func TestInit(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *runner.Config) { c.InitTimeout = 500 * time.Millisecond })
	with := func(at string) runner.Function {
		return function(t, func(f *runner.Function) {
			f.Variables = map[string]string{"AT_INIT": at, "MARK": filepath.Join(b.dir, "marks", "m")}
			f.Revision, f.Name = at, strings.ReplaceAll(at, " ", "-")
			f.Timeout = 5 * time.Second
		})
	}
	res := b.invoke(with("exit"), `{}`)
	if !strings.Contains(string(res.Payload), "Runtime exited with error: exit status 3") || res.Error != "Unhandled" {
		t.Errorf("exit: %s", res.Payload)
	}
	if tail := string(res.Tail); !strings.Contains(tail, "leaving early\nSTART RequestId: ") || !strings.Contains(tail, "REPORT") {
		t.Errorf("exit: tail %q", tail)
	}
	res = b.invoke(with("exit0"), `{}`)
	if !strings.Contains(string(res.Payload), "Runtime exited without providing a reason") {
		t.Errorf("exit0: %s", res.Payload)
	}
	res = b.invoke(with("error"), `{}`)
	if string(res.Payload) != `{"errorMessage":"no configuration","errorType":"Runtime.NoConfig"}` || res.Error != "Unhandled" {
		t.Errorf("error: %s", res.Payload)
	}
	fn := with("sleep")
	fn.Timeout = time.Second
	res = b.invoke(fn, `{}`)
	if !strings.Contains(string(res.Payload), "Task timed out after 1.00 seconds") {
		t.Errorf("sleep: %s", res.Payload)
	}
	// Too slow for the initialisation, and well within the function's own time at the second attempt.
	marks := filepath.Join(b.dir, "marks")
	os.Mkdir(marks, 0o777)
	os.Chmod(marks, 0o777)
	if res = b.invoke(with("slow once"), `{"do":"echo","value":1}`); string(res.Payload) != "1" {
		t.Errorf("slow once: %s", res.Payload)
	}
}

func TestEntrypoint(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	other := "arm64"
	if architecture() == other {
		other = "x86_64"
	}
	for name, c := range map[string]struct {
		zip  []byte
		arch string
		want string
	}{
		"missing":      {runnertest.Zip(t, runnertest.File{Name: "main", Body: []byte("x")}), architecture(), "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"},
		"folder":       {runnertest.Zip(t, runnertest.File{Name: "bootstrap/x", Body: []byte("x")}), architecture(), "Couldn't find valid bootstrap(s)"},
		"architecture": {runnertest.HandlerZip(t, "x"), other, "change Architectures"},
		"garbage":      {runnertest.Zip(t, runnertest.File{Name: "bootstrap", Body: []byte("\x01\x02garbage")}), architecture(), "exec format error"},
		"broken ELF":   {runnertest.Zip(t, runnertest.File{Name: "bootstrap", Body: []byte("\x7fELFgarbage")}), architecture(), "not a valid ELF"},
		"interpreter":  {runnertest.Zip(t, runnertest.File{Name: "bootstrap", Body: []byte("#!/no/such/program\n")}), architecture(), "no such file"},
	} {
		res := b.invoke(function(t, func(f *runner.Function) { f.Code, f.Architecture, f.Revision = code(c.zip), c.arch, name }), `{}`)
		if res.Error != "Unhandled" || !strings.Contains(string(res.Payload), "Runtime.InvalidEntrypoint") || !strings.Contains(string(res.Payload), c.want) {
			t.Errorf("%s: %q %s", name, res.Error, res.Payload)
		}
	}
	// A script is a bootstrap too. This one answers once with sh and nothing else.
	script := "#!/bin/sh\necho started; exit 7\n"
	res := b.invoke(function(t, func(f *runner.Function) {
		f.Code = code(runnertest.Zip(t, runnertest.File{Name: "bootstrap", Body: []byte(script)}))
		f.Revision = "script"
	}), `{}`)
	if !strings.Contains(string(res.Payload), "exit status 7") || !strings.Contains(string(res.Tail), "started") {
		t.Errorf("script: %s %q", res.Payload, res.Tail)
	}
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *runner.Config) { c.Concurrency = 20 })
	fn := function(t, nil)
	together := func(ms int) map[int]int {
		var mu sync.Mutex
		pids := make(map[int]int)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				res, err := b.Invoke(t.Context(), fn, invocation(fmt.Sprintf(`{"do":"pid","ms":%d}`, ms)))
				var out struct{ PID int }
				if err != nil || json.Unmarshal(res.Payload, &out) != nil || out.PID == 0 {
					t.Errorf("%v %s", err, res.Payload)
				}
				mu.Lock()
				defer mu.Unlock()
				pids[out.PID]++
			})
		}
		wg.Wait()
		return pids
	}
	cold := together(3000)
	if len(cold) != 20 {
		t.Fatalf("20 invocations at a time had %d processes", len(cold))
	}
	time.Sleep(50 * time.Millisecond)
	for pid := range together(500) {
		if cold[pid] == 0 {
			t.Errorf("process %d was started though warm ones were free", pid)
		}
	}

	// Limits: of all, and of the function.
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { b.Invoke(t.Context(), fn, invocation(`{"do":"sleep","ms":1500}`)) })
	}
	time.Sleep(500 * time.Millisecond)
	var throttled *runner.ThrottleError
	if _, err := b.Invoke(t.Context(), fn, invocation(`{}`)); !errors.As(err, &throttled) || throttled.Reserved {
		t.Errorf("21st invocation: %v", err)
	}
	wg.Wait()
	fn.Reserved = 0
	if _, err := b.Invoke(t.Context(), fn, invocation(`{}`)); !errors.As(err, &throttled) || !throttled.Reserved {
		t.Errorf("reserved 0: %v", err)
	}
	fn.Reserved = 1
	for range 5 {
		if _, err := b.Invoke(t.Context(), fn, invocation(`{"do":"pid"}`)); err != nil {
			t.Errorf("reserved 1, one after the other: %v", err)
		}
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, nil)
	inv := invocation(`{"do":"log","text":"first\nsecond\nno end"}`)
	res, err := b.Invoke(t.Context(), fn, inv)
	if err != nil {
		t.Fatal(err)
	}
	tail := string(res.Tail)
	for i, want := range []string{
		"START RequestId: " + inv.RequestID + " Version: $LATEST\nfirst\nsecond\nno endto standard error\n",
		"\nEND RequestId: " + inv.RequestID + "\nREPORT RequestId: " + inv.RequestID + "\tDuration: ",
		" ms\tMemory Size: 128 MB\tMax Memory Used: ", "\tInit Duration: ", " ms\t\n",
	} {
		if !strings.Contains(tail, want) {
			t.Errorf("%d: tail %q has no %q", i, tail, want)
		}
	}
	res = b.invoke(fn, `{"do":"log","text":"`+strings.Repeat(`0123456789\n`, 2000)+`"}`)
	if len(res.Tail) != 4096 || !strings.Contains(string(res.Tail), "END RequestId") || strings.Contains(string(res.Tail), "Init Duration") {
		t.Errorf("long tail: %d bytes, %q", len(res.Tail), res.Tail)
	}
	file := filepath.Join(b.dir, "functions/logs/000000000000/eu-west-1/fn.log")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), " 0123456789\n"); n != 2000 {
		t.Errorf("%d of 2000 lines in %s", n, file)
	}
	if !strings.Contains(string(text), "INIT_START Runtime Version: provided.al2023\n") {
		t.Error("no INIT_START")
	}
}

func TestEnvironmentVariables(t *testing.T) {
	t.Setenv("SECRET_OF_THE_NODE", "yes")
	s := &sessions{life: 2 * time.Hour}
	b := newBench(t, func(c *runner.Config) {
		c.Endpoint, c.Sessions, c.Roots = "http://127.0.0.1:4566", s, []byte("roots")
	})
	fn := function(t, func(f *runner.Function) {
		f.Variables = map[string]string{"COLOUR": "blue", "LANG": "de_DE.UTF-8", "AWS_REGION": "mars-1", "AWS_LAMBDA_RUNTIME_API": "x"}
	})
	s.now = b.now
	res := b.invoke(fn, `{"do":"env"}`)
	var list []string
	if err := json.Unmarshal(res.Payload, &list); err != nil {
		t.Fatalf("%v %s", err, res.Payload)
	}
	env := make(map[string]string)
	for _, v := range list {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	for name, want := range map[string]string{
		"COLOUR": "blue", "LANG": "de_DE.UTF-8", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "_HANDLER": "h.main",
		"AWS_LAMBDA_FUNCTION_NAME": "fn", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "TZ": ":UTC",
		"AWS_ACCESS_KEY_ID": "ASIA1", "AWS_SECRET_ACCESS_KEY": "secret of arn:aws:iam::000000000000:role/fn", "AWS_SESSION_TOKEN": "token for fn",
	} {
		if env[name] != want {
			t.Errorf("%s=%q, want %q", name, env[name], want)
		}
	}
	if root := env["LAMBDA_TASK_ROOT"]; !strings.HasSuffix(root, fmt.Sprintf("/code/%x", fn.Code.SHA256)) || env["PWD"] != "" && env["PWD"] != root {
		t.Errorf("task root %q, PWD %q", root, env["PWD"])
	}
	if roots, err := os.ReadFile(env["SSL_CERT_FILE"]); err != nil || string(roots) != "roots" {
		t.Errorf("SSL_CERT_FILE: %v %q", err, roots)
	}
	for _, name := range []string{"SECRET_OF_THE_NODE", "HOME", "AWS_EXECUTION_ENV", "AWS_CA_BUNDLE"} {
		if v, set := env[name]; set {
			t.Errorf("%s=%q is set", name, v)
		}
	}

	// Credentials that would end during an invocation cost the environment.
	first := b.pid(fn)
	b.advance(90 * time.Minute)
	if b.pid(fn) != first {
		t.Error("a new environment though the credentials are good for half an hour")
	}
	b.advance(29*time.Minute + 30*time.Second)
	if b.pid(fn) == first {
		t.Error("the environment outlives its credentials")
	}
}

type sessions struct {
	now  func() time.Time
	life time.Duration
	n    int
}

func (s *sessions) Session(_ context.Context, role, name string, life time.Duration) (string, string, string, time.Time, error) {
	s.n++
	return "ASIA" + strconv.Itoa(s.n), "secret of " + role, "token for " + name, s.now().Add(s.life), nil
}

func TestContext(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	inv := invocation(`{"do":"context"}`)
	inv.InvokedARN += ":live"
	inv.ClientContext = []byte(`{"custom":{"k":"v"}}`)
	res, err := b.Invoke(t.Context(), function(t, nil), inv)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Request, ARN, Name, Stream string
		Left, Memory               int
		Client                     struct{ Custom map[string]string }
	}
	if err := json.Unmarshal(res.Payload, &got); err != nil {
		t.Fatalf("%v %s", err, res.Payload)
	}
	if got.Request != inv.RequestID || got.ARN != inv.InvokedARN || got.Name != "fn" || got.Memory != 128 || got.Left < 15000 || got.Left > 20000 ||
		!maps.Equal(got.Client.Custom, map[string]string{"k": "v"}) || !strings.Contains(got.Stream, "/[$LATEST]") {
		t.Errorf("%s", res.Payload)
	}
}

func TestConfinement(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, func(f *runner.Function) { f.Storage = 1 })
	var temp struct {
		File     string
		UID, GID int
	}
	res := b.invoke(fn, `{"do":"temp"}`)
	if err := json.Unmarshal(res.Payload, &temp); err != nil {
		t.Fatalf("%v %s", err, res.Payload)
	}
	if !strings.HasPrefix(temp.File, filepath.Join(b.dir, "functions/run")) {
		t.Errorf("temporary file %s", temp.File)
	}
	if os.Geteuid() == 0 && temp.UID == 0 {
		t.Error("the function runs as root")
	}
	if runtime.GOOS != "linux" {
		t.Skip("limits are set on Linux")
	}
	res = b.invoke(fn, `{"do":"limits"}`)
	if string(res.Payload) != `{"core":0,"files":1024,"no_new_privs":true}` {
		t.Errorf("limits %s", res.Payload)
	}
	if res = b.invoke(fn, fmt.Sprintf(`{"do":"write","text":%q,"bytes":2000000}`, temp.File)); res.Error == "" {
		t.Error("a file larger than the storage could be written")
	}

	// Another process may not take the function's events.
	api := ""
	res = b.invoke(fn, `{"do":"env"}`)
	for _, v := range strings.Split(string(res.Payload), `"`) {
		if a, ok := strings.CutPrefix(v, "AWS_LAMBDA_RUNTIME_API="); ok {
			api = a
		}
	}
	answer, err := http.Get("http://" + api + "/2018-06-01/runtime/invocation/next")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("a stranger asking for an event got %s", answer.Status)
	}
	if res := b.invoke(fn, `{"do":"get","text":"http://`+api+`/ping"}`); !strings.Contains(string(res.Payload), `"pong"`) {
		t.Errorf("the function itself gets %s", res.Payload)
	}
}

// A data folder that only root can enter does not make functions run as root.
func TestPrivateDataFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root changes the user")
	}
	private := testDir(t)
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *runner.Config) { c.Dir = filepath.Join(private, "functions") })
	var temp struct {
		File string
		UID  int
	}
	res := b.invoke(function(t, nil), `{"do":"temp"}`)
	if err := json.Unmarshal(res.Payload, &temp); err != nil {
		t.Fatalf("%v %s", err, res.Payload)
	}
	work, _, _ := strings.Cut(temp.File, "/run/")
	if temp.UID == 0 || !strings.HasPrefix(work, filepath.Join(os.TempDir(), "countersign-functions-")) {
		t.Errorf("user %d, file %s", temp.UID, temp.File)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(work); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s after Close: %v", work, err)
	}
}

// The log is rotated before it grows without bounds.
func TestLogRotation(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, nil)
	for range 3 {
		b.invoke(fn, `{"do":"log","text":"`+strings.Repeat("z", 5<<20)+`\n"}`)
	}
	dir := filepath.Join(b.dir, "functions/logs/000000000000/eu-west-1")
	for _, name := range []string{"fn.log", "fn.log.1"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() > 11<<20 || info.Size() < 1<<10 {
			t.Errorf("%s: %v %v", name, err, info)
		}
	}
}

func TestRuntimeAPIStates(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, nil)
	env := b.invoke(fn, `{"do":"env"}`)
	_, api, _ := strings.Cut(string(env.Payload), `"AWS_LAMBDA_RUNTIME_API=`)
	api, _, _ = strings.Cut(api, `"`)
	// From inside, while an invocation runs: next is out of turn.
	res := b.invoke(fn, `{"do":"get","text":"http://`+api+`/2018-06-01/runtime/invocation/next"}`)
	if !strings.Contains(string(res.Payload), "InvalidStateTransition") || !strings.Contains(string(res.Payload), "403") {
		t.Errorf("next while running: %s", res.Payload)
	}
	res = b.invoke(fn, `{"do":"get","text":"http://`+api+`/2018-06-01/nothing"}`)
	if !strings.Contains(string(res.Payload), "404") {
		t.Errorf("unknown path: %s", res.Payload)
	}
}

func TestEnvironmentsEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, nil)
	first := b.pid(fn)
	time.Sleep(20 * time.Millisecond)
	next := b.Reap()
	if until := next.Sub(b.now()); until < 4*time.Minute || until > 5*time.Minute {
		t.Errorf("next reaping in %v", until)
	}
	b.advance(5*time.Minute + time.Second)
	if next := b.Reap(); !next.IsZero() {
		t.Errorf("another reaping at %v", next)
	}
	waitFor(t, "the idle process ends", func() bool { return !alive(first) })

	second := b.pid(fn)
	fn.Revision = "2"
	if third := b.pid(fn); third == second {
		t.Error("the former revision's process was used")
	}
	waitFor(t, "the outdated process ends", func() bool { return !alive(second) })

	third := b.pid(fn)
	time.Sleep(20 * time.Millisecond)
	b.Retire(fn.ARN)
	waitFor(t, "the retired process ends", func() bool { return !alive(third) })
}

func TestSIGTERM(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	mark := filepath.Join(b.dir, "terminated")
	os.WriteFile(mark, nil, 0o666)
	os.Chmod(mark, 0o666)
	fn := function(t, func(f *runner.Function) { f.Variables = map[string]string{"SIGTERM_FILE": mark} })
	b.pid(fn)
	time.Sleep(50 * time.Millisecond)
	b.Retire(fn.ARN)
	waitFor(t, "the handler of SIGTERM runs", func() bool {
		got, _ := os.ReadFile(mark)
		return string(got) == "terminated"
	})
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, nil)
	first := b.pid(fn)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := b.Invoke(ctx, fn, invocation(`{"do":"sleep","ms":400}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	time.Sleep(600 * time.Millisecond)
	if b.pid(fn) != first {
		t.Error("the invocation did not go on, or its environment was lost")
	}
}

func TestLinger(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, func(f *runner.Function) { f.Timeout = time.Second })
	first := b.pid(fn)
	began := time.Now()
	if res := b.invoke(fn, `{"do":"linger","ms":3600000}`); string(res.Payload) != `"lingering"` || time.Since(began) > 900*time.Millisecond {
		t.Errorf("%s after %v", res.Payload, time.Since(began))
	}
	if b.pid(fn) == first {
		t.Error("a process that has not asked for more got an event")
	}
	waitFor(t, "the lingering process is ended when its time is up", func() bool { return !alive(first) })
}

func TestClose(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	fn := function(t, nil)
	file := filepath.Join(b.dir, "pids")
	os.WriteFile(file, nil, 0o666)
	os.Chmod(file, 0o666)
	idle := b.pid(fn)
	working := make(chan runner.Result, 1)
	fn2 := fn
	fn2.Revision, fn2.Version = "2", "1"
	go func() {
		res, _ := b.Invoke(context.Background(), fn2, invocation(fmt.Sprintf(`{"do":"children","ms":60000,"text":%q}`, file)))
		working <- res
	}()
	var pids []string
	waitFor(t, "the function is at work", func() bool {
		got, _ := os.ReadFile(file)
		pids = strings.Fields(string(got))
		return len(pids) == 3
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	for _, p := range append(pids, strconv.Itoa(idle)) {
		if pid, _ := strconv.Atoi(p); alive(pid) {
			t.Errorf("process %d is alive after Close", pid)
		}
	}
	if res := <-working; !strings.Contains(string(res.Payload), "signal: killed") {
		t.Errorf("the invocation that was cut off: %s", res.Payload)
	}
	if _, err := b.Invoke(t.Context(), fn, invocation(`{}`)); !errors.Is(err, runner.ErrClosed) {
		t.Errorf("Invoke after Close: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(b.dir, "functions/run")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
