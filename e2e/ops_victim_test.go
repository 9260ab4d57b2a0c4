package e2e

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/node"

	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// victimVariable names the variable by which this binary learns that it is to
// be a node that gets killed; its value is the victim's configuration as JSON.
const victimVariable = "COUNTERSIGN_TEST_VICTIM"

// A victim is a node in a process of its own, always on the same folder and ports.
type victim struct {
	Data, Listen, GatewayListen, DNSListen string
	ID, Secret                             string // of the root key pair

	process *exec.Cmd
	stdin   io.Closer // its end tells the victim that nobody is left to kill it
	stderr  *strings.Builder
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	return &victim{
		Data: filepath.Join(t.TempDir(), "data"), Listen: freePort(t), GatewayListen: freePort(t), DNSListen: freePort(t),
		ID: "AKIAVICTIMVICTIMVICT", Secret: rand.Text(),
	}
}

// freePort picks a loopback address that is free for TCP and UDP. It lies below
// the ports that systems give to outgoing connections: there, a client of
// another test could take it between two lives of the victim.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+mathrand.IntN(20_000)))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		p, err := net.ListenPacket("udp", address)
		l.Close()
		if err != nil {
			continue
		}
		p.Close()
		return address
	}
	t.Fatal("no port is free")
	return ""
}

// runVictim is what the victim does: it says that it is ready and waits.
func runVictim(text string) error {
	var v victim
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err
	}
	n, err := node.Start(context.Background(), node.Config{
		Data: v.Data, Listen: v.Listen, GatewayListen: v.GatewayListen, DNSListen: v.DNSListen,
		RootAccessKeyID: v.ID, RootSecretAccessKey: v.Secret, Now: time.Now, Rand: rand.Reader,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	alone := make(chan error)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		alone <- err
	}()
	select {
	case err := <-alone:
		return err
	case <-n.Failed():
		return n.Close()
	}
}

// spawn starts the process and gives its standard output.
func (v *victim) spawn(t *testing.T) io.Reader {
	t.Helper()
	v.process = exec.Command(must(os.Executable())(t))
	v.process.Env = append(os.Environ(), victimVariable+"="+string(must(json.Marshal(v))(t)))
	v.stderr = new(strings.Builder)
	v.process.Stderr = v.stderr
	v.stdin = must(v.process.StdinPipe())(t)
	stdout := must(v.process.StdoutPipe())(t)
	if err := v.process.Start(); err != nil {
		t.Fatal(err)
	}
	return stdout
}

// start starts the victim and tells how long that took.
func (v *victim) start(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	stdout := bufio.NewReader(v.spawn(t))
	if line, err := stdout.ReadString('\n'); line != "ready\n" {
		v.process.Wait()
		t.Fatalf("the node did not start: %q, %v\n%s", line, err, v.stderr)
	}
	return time.Since(began)
}

// kill kills the victim with SIGKILL and waits for its end. A victim that ended
// by itself fails the test.
func (v *victim) kill(t *testing.T) {
	t.Helper()
	if err := v.process.Process.Kill(); err != nil {
		t.Errorf("kill: %v", err)
	}
	err := v.process.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the node ended by itself: %v\n%s", err, v.stderr)
	}
}

// killStarting kills the victim a while after its process began.
func (v *victim) killStarting(t *testing.T, life time.Duration) {
	t.Helper()
	v.spawn(t)
	time.Sleep(life)
	v.kill(t)
}

// victimClients are clients of one life of the victim.
type victimClients struct {
	pca   *acmpca.Client
	s3    *s3.Client
	close func()
}

func (v *victim) clients() victimClients {
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	config := awsConfig("http://"+v.Listen, v.ID, v.Secret)
	config.HTTPClient = &http.Client{Transport: transport}
	return victimClients{
		acmpca.NewFromConfig(config), s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }), transport.CloseIdleConnections,
	}
}
