package functions_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/service/functions"
	"countersign/store/sqlite"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func (l *lab) event(name, payload string) {
	l.t.Helper()
	out, err := l.Invoke(l.ctx, &lambda.InvokeInput{FunctionName: aws.String(name), Payload: []byte(payload), InvocationType: types.InvocationTypeEvent})
	if err != nil || out.StatusCode != 202 || out.Payload != nil {
		l.t.Fatalf("Invoke Event: %v %+v", err, out)
	}
}

func (l *lab) runQueue() time.Time {
	l.t.Helper()
	next, err := l.RunQueue(l.ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	return next
}

// queued is the keys of the events in the store.
func (l *lab) queued() (keys []string) {
	l.t.Helper()
	records, err := l.store.List(l.ctx, "lambda/event", "", "", 0)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range records {
		keys = append(keys, r.Key)
	}
	return keys
}

// starts counts the invocations in a function's log.
func (l *lab) starts(name string) int {
	text, _ := os.ReadFile(filepath.Join(l.dir, "data/logs", account, region, name+".log"))
	return strings.Count(string(text), "REPORT RequestId: ")
}

func TestEvent(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.create("fn", nil)
	mark := filepath.Join(l.dir, "mark")
	l.event("fn", fmt.Sprintf(`{"do":"write","text":%q,"bytes":1}`, mark))
	if len(l.queued()) != 1 {
		t.Fatal("nothing is queued")
	}
	l.runQueue()
	waitFor(t, "the event runs and leaves the queue", func() bool {
		_, err := os.Stat(mark)
		return err == nil && len(l.queued()) == 0
	})
	if next := l.runQueue(); !next.IsZero() {
		t.Errorf("next %v", next)
	}
}

func TestEventRetries(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.create("fn", nil)
	l.event("fn", `{"do":"error","text":"never"}`)
	for attempt, pause := range []time.Duration{time.Minute, 2 * time.Minute} {
		before := l.now()
		l.runQueue()
		waitFor(t, "the attempt is filed", func() bool {
			next := l.runQueue()
			return l.starts("fn") == attempt+1 && !next.IsZero() && next.Sub(before) < 10*time.Minute
		})
		next := l.runQueue()
		if d := next.Sub(l.now()); d < pause-20*time.Second || d > pause {
			t.Errorf("attempt %d: the next in %v", attempt+1, d)
		}
		l.advance(pause - 30*time.Second)
		l.runQueue()
		time.Sleep(100 * time.Millisecond)
		if n := l.starts("fn"); n != attempt+1 {
			t.Errorf("too early: %d attempts", n)
		}
		l.advance(30 * time.Second)
	}
	l.runQueue()
	waitFor(t, "the event is given up after its third attempt", func() bool { return len(l.queued()) == 0 })
	if n := l.starts("fn"); n != 3 {
		t.Errorf("%d attempts", n)
	}

	// As configured.
	if _, err := l.PutFunctionEventInvokeConfig(l.ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("fn"), MaximumRetryAttempts: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	l.event("fn", `{"do":"error","text":"once"}`)
	l.runQueue()
	waitFor(t, "the event is given up", func() bool { return len(l.queued()) == 0 })
	if n := l.starts("fn"); n != 4 {
		t.Errorf("%d attempts", n)
	}

	// Throttled events wait, until they are too old.
	if _, err := l.PutFunctionConcurrency(l.ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("fn"), ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	l.event("fn", `{"do":"pid"}`)
	tries := 0
	for end := l.now().Add(7 * time.Hour); len(l.queued()) > 0; tries++ {
		if l.now().After(end) {
			t.Fatal("the event is still there")
		}
		l.runQueue()
		waitFor(t, "the attempt is filed", func() bool {
			next := l.runQueue()
			return len(l.queued()) == 0 || !next.IsZero() && next.Sub(l.now()) <= 5*time.Minute
		})
		if len(l.queued()) > 0 {
			l.advance(l.runQueue().Sub(l.now()) + time.Millisecond)
		}
	}
	if tries < 70 || tries > 90 || l.starts("fn") != 4 {
		t.Errorf("%d tries, %d invocations", tries, l.starts("fn"))
	}

	// One for a function that has gone is dropped.
	l.event("fn", `{}`)
	if _, err := l.DeleteFunction(l.ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("fn")}); err != nil {
		t.Fatal(err)
	}
	l.runQueue()
	waitFor(t, "the event is dropped", func() bool { return len(l.queued()) == 0 })
}

func TestRun(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.create("fn", nil)
	ctx, cancel := context.WithCancel(l.ctx)
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	for i := range 10 {
		l.event("fn", fmt.Sprintf(`{"do":"write","text":%q,"bytes":1}`, filepath.Join(l.dir, fmt.Sprint("mark", i))))
	}
	waitFor(t, "all events run at once, without a timer", func() bool { return len(l.queued()) == 0 })
	if marks, _ := filepath.Glob(filepath.Join(l.dir, "mark*")); len(marks) != 10 {
		t.Errorf("%d marks", len(marks))
	}
	cancel()
	<-done
}

// An event that is at work when the node closes is carried out after the next start.
func TestCloseKeepsEvents(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.create("fn", nil)
	l.event("fn", `{"do":"sleep","ms":8000}`)
	l.runQueue()
	waitFor(t, "the event is at work", func() bool {
		text, _ := os.ReadFile(filepath.Join(l.dir, "data/logs", account, region, "fn.log"))
		return strings.Contains(string(text), "START RequestId")
	})
	ctx, cancel := context.WithTimeout(l.ctx, 100*time.Millisecond)
	defer cancel()
	l.Close(ctx)
	keys := l.queued()
	if len(keys) != 1 {
		t.Fatalf("queued: %v", keys)
	}
	ms, _ := strconv.ParseInt(keys[0][:14], 10, 64)
	if due := time.UnixMilli(ms); due.After(l.now()) {
		t.Errorf("due only at %v", due)
	}
}

// TestKill9 kills a node that has acknowledged events and is at work on some.
// After the restart every one has been carried out, and no process of the killed node is left.
func TestKill9(t *testing.T) {
	if dir := os.Getenv("FUNCTIONS_TEST_NODE"); dir != "" {
		runNode(t, dir)
		return
	}
	t.Parallel()
	dir := openDir(t)
	os.Mkdir(filepath.Join(dir, "db"), 0o700)
	var acknowledged []string
	for range 3 {
		node := exec.Command(os.Args[0], "-test.run=^TestKill9$")
		node.Env = append(os.Environ(), "FUNCTIONS_TEST_NODE="+dir)
		out, err := node.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for lines := bufio.NewScanner(out); n < 12 && lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "acknowledged "); ok {
				acknowledged = append(acknowledged, id)
				n++
			}
		}
		node.Process.Kill()
		node.Wait()
		if n < 12 {
			t.Fatalf("the node acknowledged %d events", n)
		}
	}
	var pids []string
	for _, file := range glob(dir, "pids-*") {
		text, _ := os.ReadFile(file)
		pids = append(pids, strings.Fields(string(text))...)
	}

	st, err := sqlite.Open(t.Context(), filepath.Join(dir, "db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s, err := functions.New(functions.Config{Store: st, Dir: filepath.Join(dir, "data"), Node: "n", Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pids {
		if stat, err := os.ReadFile("/proc/" + p + "/stat"); err == nil && !strings.Contains(string(stat), ") Z ") {
			t.Errorf("a process of the killed node is alive: %.60s", stat)
		}
	}
	ctx, cancel := context.WithCancel(caller(t.Context()))
	defer cancel()
	go s.Run(ctx)
	waitFor(t, "every acknowledged event is carried out", func() bool {
		for _, id := range acknowledged {
			if _, err := os.Stat(filepath.Join(dir, "done-"+id)); err != nil {
				return false
			}
		}
		return true
	})
	cancel()
	end, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	s.Close(end)
}

func glob(dir, pattern string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, pattern))
	return files
}

// runNode is the node that gets killed: it acknowledges events for ever.
func runNode(t *testing.T, dir string) {
	st, err := sqlite.Open(t.Context(), filepath.Join(dir, "db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := functions.New(functions.Config{Store: st, Dir: filepath.Join(dir, "data"), Node: "n", Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx := caller(t.Context())
	if _, err := s.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("fn")}); err != nil {
		if _, err := s.CreateFunction(ctx, request(t, "fn")); err != nil {
			t.Fatal(err)
		}
	}
	go s.Run(ctx)
	// One invocation with children that outlive it, unless somebody sees to them.
	pids := filepath.Join(dir, fmt.Sprint("pids-", os.Getpid()))
	go s.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("fn"), Payload: fmt.Appendf(nil, `{"do":"children","ms":60000,"text":%q}`, pids)})
	waitFor(t, "children", func() bool { b, _ := os.ReadFile(pids); return len(strings.Fields(string(b))) == 3 })
	for i := 0; ; i++ {
		id := fmt.Sprint(os.Getpid(), "-", i)
		_, err := s.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("fn"), InvocationType: types.InvocationTypeEvent,
			Payload: fmt.Appendf(nil, `{"do":"write","text":%q,"bytes":1}`, filepath.Join(dir, "done-"+id))})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("acknowledged " + id)
	}
}
