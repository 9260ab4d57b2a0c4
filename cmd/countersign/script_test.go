package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/node"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts run the command, and a small AWS client, as programs.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"countersign": func() { os.Exit(run()) },
		"client":      client,
	})
}

// TestScripts runs testdata/script/*.txtar: what a person types, what comes
// out. There every node listens on ports that the system chooses, unless flags
// say otherwise. The commands beside testscript's own:
//
//	up dir              wait until the node of a data folder answers; sets $endpoint and $gateway
//	waitfor file regexp wait until a file holds a text
//	mode perm file      demand a file's permissions
//	pem file type       demand one PEM block, and of a CERTIFICATE that it is one
//	jsonl keys          demand that each line of stdout is a JSON object with the keys (comma-separated)
//	lines n             demand that stderr has n lines
//	empty dir           demand that a folder is empty
//	idle dir            demand that no process runs a program below dir, or works there
//	damage dir sql      change the database of a stopped node's folder
func TestScripts(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	forGo, err := goEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			// A folder of its own shows what is left behind. Functions of a node
			// that root runs have a user of their own, who must reach them in it.
			temporary, err := os.MkdirTemp("", "countersign-scripts-")
			if err != nil {
				return err
			}
			e.Defer(func() { os.RemoveAll(temporary) })
			if err := os.Chmod(temporary, 0o711); err != nil {
				return err
			}
			command, err := exec.LookPath("countersign") // testscript.Main has put it there
			if err != nil {
				return err
			}
			for name, value := range map[string]string{
				"CHECKOUT": root, "COUNTERSIGN": command, "TMPDIR": temporary, "HOME": e.WorkDir, "TERM": "xterm",
				"COUNTERSIGN_LISTEN": "127.0.0.1:0", "COUNTERSIGN_GATEWAY_LISTEN": "127.0.0.1:0", "COUNTERSIGN_DNS_LISTEN": "127.0.0.1:0",
			} {
				e.Setenv(name, value)
			}
			e.Vars = append(e.Vars, forGo...)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"up": up, "waitfor": waitFor, "mode": mode, "pem": onePEM, "jsonl": jsonLines, "lines": lines, "empty": empty, "idle": idle, "damage": damage,
		},
	})
}

// goEnvironment is what the go command needs to find its caches from another HOME.
func goEnvironment() ([]string, error) {
	out, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOFLAGS").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	values := map[string]string{}
	if err := json.Unmarshal(out, &values); err != nil {
		return nil, err
	}
	var vars []string
	for name, value := range values {
		vars = append(vars, name+"="+value)
	}
	return vars, nil
}

// patience bounds every waiting; a machine under load is slow.
const patience = time.Minute

// poll calls done until it is true.
func poll(ts *testscript.TestScript, what string, done func() bool) {
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// arguments demands a number of arguments and no negation.
func arguments(ts *testscript.TestScript, neg bool, args []string, usage string) {
	if want := strings.Fields(usage); neg || len(args) != len(want)-1 {
		ts.Fatalf("usage: %s", usage)
	}
}

func up(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "up dir")
	var e node.Endpoints
	poll(ts, "the node of "+args[0]+" answers", func() bool {
		var err error
		if e, err = node.ReadEndpoints(ts.MkAbs(args[0])); err != nil {
			return false
		}
		response, err := http.Get(e.Endpoint + healthPath)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	ts.Setenv("endpoint", e.Endpoint)
	ts.Setenv("gateway", e.Gateway)
}

const healthPath = "/_countersign/health"

func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "waitfor file regexp")
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var text []byte
	defer func() { ts.Logf("%s:\n%s", args[0], text) }()
	poll(ts, args[0]+" holds "+args[1], func() bool {
		text, _ = os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		return want.Match(text)
	})
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "mode perm file")
	want, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := info.Mode().Perm(); got != fs.FileMode(want) {
		ts.Fatalf("%s has mode %v, want %v", args[1], got, fs.FileMode(want))
	}
}

func onePEM(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "pem file type")
	block, rest := pem.Decode([]byte(ts.ReadFile(args[0])))
	if block == nil || len(rest) > 0 || block.Type != args[1] {
		ts.Fatalf("%s is not one PEM block of type %s", args[0], args[1])
	}
	if block.Type == "CERTIFICATE" {
		_, err := x509.ParseCertificate(block.Bytes)
		ts.Check(err)
	}
}

func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "jsonl keys")
	text := strings.TrimSuffix(ts.ReadFile("stdout"), "\n")
	for line := range strings.SplitSeq(text, "\n") {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("%q: %v", line, err)
		}
		for key := range strings.SplitSeq(args[0], ",") {
			if value, ok := object[key]; !ok || value == "" {
				ts.Fatalf("%q has no %s", line, key)
			}
		}
	}
}

func lines(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "lines n")
	text := ts.ReadFile("stderr")
	if got := strconv.Itoa(strings.Count(text, "\n")); got != args[0] {
		ts.Fatalf("standard error has %s lines, want %s:\n%s", got, args[0], text)
	}
}

func empty(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "empty dir")
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, e := range entries {
		ts.Fatalf("%s holds %s", args[0], e.Name())
	}
}

func idle(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "idle dir")
	below := ts.MkAbs(args[0]) + string(filepath.Separator)
	links, err := filepath.Glob("/proc/[0-9]*/*") // none where there is no /proc
	ts.Check(err)
	for _, link := range links {
		if name := filepath.Base(link); name != "exe" && name != "cwd" {
			continue
		}
		// A process that has ended meanwhile, or that is not ours to look at, has no link.
		if at, err := os.Readlink(link); err == nil && strings.HasPrefix(at+string(filepath.Separator), below) {
			ts.Fatalf("process %s still has %s %s", filepath.Base(filepath.Dir(link)), filepath.Base(link), at)
		}
	}
}

// client is the program of that name in scripts: an AWS client that takes
// everything from the usual variables.
//
//	client whoami
//	client make-bucket name
//	client buckets
//	client health url cacert
func client() {
	if err := clientCall(os.Args[1:]); err != nil {
		var refused smithy.APIError
		if errors.As(err, &refused) {
			err = errors.New(refused.ErrorCode())
		}
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func clientCall(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	config := aws.Config{
		Region: os.Getenv("AWS_REGION"), BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL")),
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	}
	buckets := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	switch {
	case len(args) == 1 && args[0] == "whoami":
		out, err := sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return err
		}
		_, err = fmt.Println(*out.Account, *out.Arn)
		return err
	case len(args) == 2 && args[0] == "make-bucket":
		_, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &args[1]})
		return err
	case len(args) == 1 && args[0] == "buckets":
		out, err := buckets.ListBuckets(ctx, &s3.ListBucketsInput{})
		if err != nil {
			return err
		}
		for _, b := range out.Buckets {
			fmt.Println(*b.Name)
		}
		return nil
	case len(args) == 3 && args[0] == "health":
		return health(ctx, args[1], args[2])
	}
	return fmt.Errorf("unknown arguments %q", args)
}

func health(ctx context.Context, url, cacert string) error {
	text, err := os.ReadFile(cacert)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+healthPath, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, response.TLS != nil, string(body))
	return err
}
