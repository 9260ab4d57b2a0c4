package node

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// scrape reads the metrics of a node as Prometheus does, by name without the prefix.
func scrape(t *testing.T, n *Node) map[string]float64 {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(n.config.Data, metricsFile))
	if err != nil {
		t.Fatal(err)
	}
	status, body := fetchMetrics(t, n, "Bearer "+string(token))
	if status != http.StatusOK {
		t.Fatalf("metrics: %d: %s", status, body)
	}
	shown := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		name, value, ok := cutLast(lines.Text())
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			shown[strings.TrimPrefix(name, "countersign_")] = v
		}
	}
	return shown
}

func cutLast(line string) (name, value string, ok bool) {
	i := strings.LastIndexByte(line, ' ')
	if i < 0 || line[0] == '#' {
		return "", "", false
	}
	return line[:i], line[i+1:], true
}

func fetchMetrics(t *testing.T, n *Node, authorization string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", n.Endpoints().Endpoint+metricsPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := Start(t.Context(), testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	token, err := os.ReadFile(filepath.Join(dir, metricsFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, given := range []string{"", "Bearer", "Bearer ", "Bearer " + string(token[1:]), "Basic " + string(token), string(token)} {
		if status, body := fetchMetrics(t, n, given); status != http.StatusUnauthorized || strings.Contains(body, "countersign_") {
			t.Errorf("with Authorization %q: %d", given, status)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, metricsFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token's file: %v, %v", info, err)
	}

	endpoint := n.Endpoints().Endpoint
	client := func(secret string) *s3.Client {
		return s3.New(s3.Options{Region: "eu-west-1", BaseEndpoint: &endpoint, UsePathStyle: true,
			Credentials: credentials.NewStaticCredentialsProvider(n.Credentials().AccessKeyID, secret, "")})
	}
	if _, err := client(n.Credentials().SecretAccessKey).ListBuckets(t.Context(), &s3.ListBucketsInput{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client("wrong").HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("b")}); err == nil {
		t.Fatal("a wrong key was taken")
	}
	if _, err := tls.Dial("tcp", n.Endpoints().Gateway, &tls.Config{ServerName: "nobody.example"}); err == nil {
		t.Fatal("a handshake with an unknown name succeeded")
	}
	shown := scrape(t, n)
	for name, want := range map[string]float64{
		`api_calls_total{code="",operation="ListBuckets",service="s3"}`:           1,
		`api_calls_total{code="SignatureDoesNotMatch",operation="",service="s3"}`: 1,
		`gateway_handshakes_total{kind="full",reason="UnknownServerName"}`:        1,
		`api_call_seconds_count`:               2,
		`store_commits_total{result="failed"}`: 0,
	} {
		if got, ok := shown[name]; !ok || got != want {
			t.Errorf("%s is %v, %v; want %v", name, got, ok, want)
		}
	}
	if shown[`store_commits_total{result="committed"}`] < 1 || shown["go_goroutines"] < 1 {
		t.Error("commits or goroutines are not counted")
	}
}
