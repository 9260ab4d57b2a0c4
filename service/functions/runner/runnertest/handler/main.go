// Command handler is the function that tests of the runner run: an ordinary
// program of aws-lambda-go that does what its event says.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string          `json:"do"`
	Text  string          `json:"text"`
	Bytes int             `json:"bytes"`
	MS    int             `json:"ms"`
	Value json.RawMessage `json:"value"`
}

type failed struct{ message string }

func (f *failed) Error() string { return f.message }

var calls int

func main() {
	switch os.Getenv("AT_INIT") {
	case "exit":
		fmt.Println("leaving early")
		os.Exit(3)
	case "exit0":
		os.Exit(0)
	case "sleep":
		time.Sleep(time.Hour)
	case "slow once":
		// Slow the first time only: the mark outlives the environment.
		if os.Mkdir(os.Getenv("MARK"), 0o777) == nil {
			time.Sleep(time.Hour)
		}
	case "error":
		body := `{"errorMessage":"no configuration","errorType":"Runtime.NoConfig"}`
		url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
		res, err := http.Post(url, "application/json", strings.NewReader(body))
		fmt.Println("posted", res.StatusCode, err)
		os.Exit(1)
	}
	if path := os.Getenv("SIGTERM_FILE"); path != "" {
		lambda.StartWithOptions(handle, lambda.WithEnableSIGTERM(func() {
			os.WriteFile(path, []byte("terminated"), 0o666)
			os.Exit(0)
		}))
	}
	lambda.Start(handle)
}

// cut is a response whose sending fails half-way.
type cut struct{ sent bool }

func (c *cut) Read(p []byte) (int, error) {
	if c.sent {
		return 0, &failed{"the source ran dry"}
	}
	c.sent = true
	return copy(p, `{"half":`), nil
}

func handle(ctx context.Context, e event) (any, error) {
	calls++
	switch e.Do {
	case "echo":
		return e.Value, nil
	case "pid":
		time.Sleep(time.Duration(e.MS) * time.Millisecond)
		return map[string]int{"pid": os.Getpid(), "calls": calls}, nil
	case "error":
		return nil, &failed{e.Text}
	case "panic":
		panic(e.Text)
	case "exit":
		os.Exit(e.Bytes)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "sleep":
		time.Sleep(time.Duration(e.MS) * time.Millisecond)
		return "slept", nil
	case "bytes":
		return strings.Repeat("x", e.Bytes), nil
	case "length":
		return len(e.Value), nil
	case "log":
		fmt.Print(e.Text)
		fmt.Fprintln(os.Stderr, "to standard error")
		return "logged", nil
	case "env":
		return os.Environ(), nil
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{
			"request": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "client": lc.ClientContext,
			"left": time.Until(deadline).Milliseconds(), "name": lambdacontext.FunctionName,
			"memory": lambdacontext.MemoryLimitInMB, "stream": lambdacontext.LogStreamName,
		}, nil
	case "children":
		// Two children that would live for an hour, one of them in a session of its own
		// and deaf to SIGTERM; then the handler takes longer than it may.
		signal.Ignore(syscall.SIGTERM)
		a := exec.Command("sleep", "3600")
		b := exec.Command("sleep", "3600")
		b.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := errors.Join(a.Start(), b.Start()); err != nil {
			return nil, err
		}
		pids := fmt.Sprintf("%d %d %d", os.Getpid(), a.Process.Pid, b.Process.Pid)
		if err := os.WriteFile(e.Text, []byte(pids), 0o666); err != nil {
			return nil, err
		}
		time.Sleep(time.Duration(e.MS) * time.Millisecond)
		return pids, nil
	case "temp":
		f, err := os.CreateTemp("", "x")
		if err != nil {
			return nil, err
		}
		return map[string]any{"file": f.Name(), "uid": os.Getuid(), "gid": os.Getgid()}, f.Close()
	case "limits":
		var files, core syscall.Rlimit
		err := errors.Join(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files), syscall.Getrlimit(syscall.RLIMIT_CORE, &core))
		status, _ := os.ReadFile("/proc/self/status")
		return map[string]any{"files": files.Max, "core": core.Max, "no_new_privs": bytes.Contains(status, []byte("NoNewPrivs:\t1"))}, err
	case "cut":
		return io.Reader(&cut{}), nil
	case "get":
		res, err := http.Get(e.Text)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return map[string]any{"status": res.StatusCode, "body": string(body)}, err
	case "write":
		return "written", os.WriteFile(e.Text, bytes.Repeat([]byte("x"), e.Bytes), 0o666)
	case "linger":
		// Answers and then keeps the process busy: the runtime asks for no more meanwhile.
		return lingering{strings.NewReader(`"lingering"`), time.Duration(e.MS) * time.Millisecond}, nil
	}
	return nil, fmt.Errorf("nothing known as %q", e.Do)
}

type lingering struct {
	*strings.Reader
	d time.Duration
}

// Close is called by aws-lambda-go after the response was sent.
func (l lingering) Close() error { time.Sleep(l.d); return nil }
