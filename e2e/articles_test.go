package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The articles as a person follows them: articles.sh with the AWS CLI, openssl
// and curl, against a node of this test's.
func TestArticles(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the AWS CLI some eighty times")
	}
	var missing []string
	for _, tool := range [][]string{{"bash", "--version"}, {"aws", "--version"}, {"openssl", "version"}, {"curl", "--version"}} {
		// It is run, not only looked for: a version manager's stand-in may have nothing behind it.
		if err := exec.Command(tool[0], tool[1:]...).Run(); err != nil {
			missing = append(missing, tool[0])
		}
	}
	if len(missing) > 0 {
		t.Skipf("not installed: %s", strings.Join(missing, ", "))
	}
	t.Parallel()

	s := start(t)
	function := filepath.Join(t.TempDir(), "echo.zip")
	if err := os.WriteFile(function, must(echo())(t), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	script := exec.CommandContext(ctx, "bash", "articles.sh", function)
	endpoints, pair := s.node.Endpoints(), s.node.Credentials()
	script.Env = append(os.Environ(),
		"AWS_ENDPOINT_URL="+endpoints.Endpoint, "AWS_ACCESS_KEY_ID="+pair.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+pair.SecretAccessKey,
		"COUNTERSIGN_GATEWAY="+endpoints.Gateway, "COUNTERSIGN_DNS="+endpoints.DNS, "COUNTERSIGN_CACERT="+endpoints.CACert,
		"TMPDIR="+t.TempDir(), "NO_PROXY=*", "no_proxy=*")
	// When it takes too long, its aws and curl end with it.
	script.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	script.Cancel = func() error { return syscall.Kill(-script.Process.Pid, syscall.SIGKILL) }
	script.WaitDelay = 5 * time.Second
	out, err := script.CombinedOutput()
	t.Logf("articles.sh:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(out), "\nall is well\n") {
		t.Error("the script did not come to its end")
	}
}
