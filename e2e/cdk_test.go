package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An app of the CDK, from bootstrap to destroy: cdk.sh, where Node is installed and COUNTERSIGN_CDK is set
// (the CDK is a download of 200 MB, which a plain run of the tests is not to make).
func TestCDK(t *testing.T) {
	if os.Getenv("COUNTERSIGN_CDK") == "" {
		t.Skip("set COUNTERSIGN_CDK=1 to have the CDK installed and run")
	}
	for _, tool := range []string{"bash", "node", "npm", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	t.Parallel()
	s := start(t)
	code := t.TempDir()
	packed := must(echo())(t)
	r := must(zip.NewReader(bytes.NewReader(packed), int64(len(packed))))(t)
	f := must(r.Open("bootstrap"))(t)
	if err := os.WriteFile(filepath.Join(code, "bootstrap"), must(io.ReadAll(f))(t), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	script := exec.CommandContext(ctx, "bash", "cdk.sh", code)
	endpoints, pair := s.node.Endpoints(), s.node.Credentials()
	script.Env = append(os.Environ(),
		"AWS_ENDPOINT_URL="+endpoints.Endpoint, "AWS_ACCESS_KEY_ID="+pair.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+pair.SecretAccessKey, "AWS_REGION="+region,
		"COUNTERSIGN_GATEWAY="+endpoints.Gateway, "COUNTERSIGN_CACERT="+endpoints.CACert, "NO_PROXY=127.0.0.1,localhost,.amazonaws.com", "no_proxy=127.0.0.1,localhost,.amazonaws.com")
	script.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	script.Cancel = func() error { return syscall.Kill(-script.Process.Pid, syscall.SIGKILL) }
	script.WaitDelay = 5 * time.Second
	out, err := script.CombinedOutput()
	t.Logf("cdk.sh:\n%s", out)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 77 {
		t.Skip("the CDK cannot be installed here")
	}
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "  ok  destroy\n") {
		t.Error("the script did not come to its end")
	}
}
