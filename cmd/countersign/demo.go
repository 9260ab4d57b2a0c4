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
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"countersign/node"

	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"
)

// Names of the demonstration. The top-level domain test is reserved for such use (RFC 6761).
const (
	demoZone   = "countersign.test"
	demoDomain = "api.countersign.test"
	demoSpare  = "second.countersign.test"
	demoRegion = "us-east-1"
	demoStack  = "demo"
)

func demoCommand() *cobra.Command {
	var flags nodeFlags
	var exit, asJSON bool
	c := &cobra.Command{
		Use:       "demo [crl]",
		ValidArgs: []string{"crl"},
		Short:     "Start a node, deploy mutual TLS from the root CA to the API, and walk through its calls",
		Long: `Start a node in a new folder and deploy templates/http-api to it as a stack: a root and a
subordinate private CA, a client certificate, a versioned trust store, a DNS-validated server
certificate, Lambda functions and an HTTP API with mutual TLS on its own domain. Then call the API
without a certificate, with it, and after the certificate was revoked.

'countersign demo crl' deploys templates/http-api-crl, whose Lambda authorizer refuses revoked clients by
the list that the CA publishes; the gateway, which would refuse them first, leaves that to it there.

The node stays up until interrupted, and the commands that repeat the calls are printed. It needs
nothing but Go (it compiles the Lambda functions from this checkout) and no privileges.`,
		Example: `  countersign demo
  countersign demo crl
  countersign demo --data demo-data              keep what it makes
  countersign demo --listen 127.0.0.1:0 --gateway-listen 127.0.0.1:0 --dns-listen 127.0.0.1:0
  countersign demo --exit --json | jq -r '"\(.milliseconds) ms \(.step)"'`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] != "crl" {
				return exitError{statusUsage, fmt.Sprintf("demo takes 'crl' or nothing, not %q\nRun 'countersign demo --help' for what it shows.", strings.Join(args, " "))}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := fromEnvironment(c); err != nil {
				return err
			}
			return runDemo(c, flags, len(args) == 1, exit, asJSON)
		},
	}
	flags.bind(c)
	c.Flags().BoolVar(&exit, "exit", false, "end after the last call")
	c.Flags().BoolVar(&asJSON, "json", false, "print each step as one JSON object a line")
	c.Flags().Lookup("data").Usage = "folder for the node's data (default: a new one, removed at the end) [$COUNTERSIGN_DATA]"
	c.Flags().Lookup("data").DefValue = ""
	return c
}

func runDemo(c *cobra.Command, flags nodeFlags, crl, exit, asJSON bool) (err error) {
	ctx := c.Context()
	if !c.Flags().Changed("data") {
		dir, err := os.MkdirTemp("", "countersign-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		flags.Data = filepath.Join(dir, "data")
	}
	if _, err := node.ReadEndpoints(flags.Data); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%s holds a node already, and the demonstration makes its own: name a new folder with --data, or leave --data and COUNTERSIGN_DATA out", flags.Data)
	}
	r := &reporter{out: c.OutOrStdout(), palette: colours(c.OutOrStdout()), json: asJSON}
	d := &demo{report: r, data: flags.Data, files: filepath.Join(flags.Data, "demo"), crl: crl, template: "http-api"}
	if crl {
		d.template, flags.LeaveRevocation = "http-api-crl", true
	}

	config, err := flags.config(ctx, c.ErrOrStderr())
	if err != nil {
		return err
	}
	err = r.step("read templates/"+d.template, func() (string, error) { return "for the Go programs in lambda/", d.open(ctx) })
	if err != nil {
		return interrupted(ctx, err)
	}
	var n *node.Node
	err = r.step("start a node", func() (string, error) {
		n, err = node.Start(ctx, config)
		if err != nil {
			return "", err
		}
		return n.Endpoints().Endpoint, nil
	})
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() {
		if closed := n.Close(); err == nil {
			err = closed
		}
	}()
	if err := d.run(ctx, n); err != nil {
		return interrupted(ctx, err)
	}
	if exit {
		if !asJSON {
			fmt.Fprintf(r.out, "\nThe node ends now; without --exit it stays up for these commands.\n")
		}
		return nil
	}
	if !asJSON {
		fmt.Fprintf(r.out, "\nThe node stays up; press Ctrl-C to end it.\n")
	}
	return wait(ctx, n, c.ErrOrStderr())
}

// interrupted gives the interruption where err is what came of one.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// A reporter shows each step as it happens: what was made, and how long it took.
type reporter struct {
	out     io.Writer
	palette palette
	json    bool
}

func (r *reporter) step(name string, do func() (made string, err error)) error {
	live := r.palette.on && !r.json
	if live {
		fmt.Fprintf(r.out, "  %s %s", r.palette.dim("…"), name)
	}
	start := time.Now()
	made, err := do()
	took := time.Since(start)
	if live {
		fmt.Fprint(r.out, "\r\x1b[K")
	}
	if err != nil {
		if !r.json {
			fmt.Fprintf(r.out, "  %s %s\n", r.palette.red("✗"), name)
		}
		// What the service said is for the user; the SDK's account of the call is not.
		if refused := smithy.APIError(nil); errors.As(err, &refused) {
			return fmt.Errorf("%s: %s: %s", name, refused.ErrorCode(), refused.ErrorMessage())
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return r.done(name, made, took)
}

// done shows a step that is over.
func (r *reporter) done(name, made string, took time.Duration) error {
	if r.json {
		return json.NewEncoder(r.out).Encode(map[string]any{"step": name, "made": made, "milliseconds": float64(took.Microseconds()) / 1000})
	}
	_, err := fmt.Fprintf(r.out, "  %s %-70s %8.1f ms  %s\n", r.palette.green("✓"), name, float64(took.Microseconds())/1000, r.palette.dim(made))
	return err
}

func (r *reporter) heading(text string) {
	if !r.json {
		fmt.Fprintf(r.out, "\n%s\n", r.palette.bold(text))
	}
}

// client makes an HTTPS client for the demonstration's domain: names lead to
// the gateway's address, the node's local root is trusted, and the certificate, if
// any, is presented. Every call opens a connection of its own.
func (d *demo) client(gateway string, certificate *tls.Certificate) (*http.Client, error) {
	root, err := os.ReadFile(d.cacert)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return nil, fmt.Errorf("%s holds no certificate", d.cacert)
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: config, DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, gateway)
			},
		},
	}, nil
}

// call makes one request and says what came back: the status and body, or how
// the handshake was refused.
func (d *demo) call(ctx context.Context, gateway string, certificate *tls.Certificate) (status int, body []byte, refused error, err error) {
	client, err := d.client(gateway, certificate)
	if err != nil {
		return 0, nil, nil, err
	}
	_, port, err := net.SplitHostPort(gateway)
	if err != nil {
		return 0, nil, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+net.JoinHostPort(demoDomain, port)+"/", nil)
	if err != nil {
		return 0, nil, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return 0, nil, nil, ctx.Err()
		}
		return 0, nil, err, nil
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, body, nil, err
}

// calls makes the three calls and demands the outcome of each.
func (d *demo) calls(ctx context.Context, gateway string, certificate *tls.Certificate, revoke func() error) error {
	r := d.report
	err := r.step("call without a certificate: refused", func() (string, error) {
		status, _, refused, err := d.call(ctx, gateway, nil)
		if err == nil && refused == nil {
			err = fmt.Errorf("it was answered with status %d; the handshake should have failed", status)
		}
		return "handshake failed: " + lastPart(refused), err
	})
	if err != nil {
		return err
	}
	err = r.step("call with the certificate: admitted", func() (string, error) {
		status, body, refused, err := d.call(ctx, gateway, certificate)
		if err = errors.Join(err, refused); err != nil {
			return "", err
		}
		var event struct {
			RequestContext struct {
				Authentication struct {
					ClientCert struct {
						SubjectDN    string `json:"subjectDN"`
						IssuerDN     string `json:"issuerDN"`
						SerialNumber string `json:"serialNumber"`
					} `json:"clientCert"`
				} `json:"authentication"`
			} `json:"requestContext"`
		}
		if status != http.StatusOK {
			return "", fmt.Errorf("status %d: %s", status, body)
		}
		if err := json.Unmarshal(body, &event); err != nil {
			return "", fmt.Errorf("the answer is not the event: %w", err)
		}
		seen := event.RequestContext.Authentication.ClientCert
		if seen.SubjectDN == "" {
			return "", fmt.Errorf("the function did not see the client certificate: %s", body)
		}
		return fmt.Sprintf("%d; the function saw %s, issued by %s", status, seen.SubjectDN, seen.IssuerDN), nil
	})
	if err != nil {
		return err
	}
	if err := revoke(); err != nil {
		return err
	}
	return r.step("call with the revoked certificate: refused", func() (string, error) {
		status, body, refused, err := d.call(ctx, gateway, certificate)
		if err = errors.Join(err, refused); err != nil {
			return "", err
		}
		if status != http.StatusForbidden {
			return "", fmt.Errorf("status %d: %s", status, body)
		}
		return fmt.Sprintf("%d %s", status, strings.TrimSpace(string(body))), nil
	})
}

func lastPart(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+2:]
	}
	return text
}

// save writes the client's files, where the printed commands find them.
func (d *demo) save(name string, data []byte) error {
	if err := os.MkdirAll(d.files, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.files, name), data, 0o600)
}

// repeat prints the commands that make the calls again and look at what was made.
func (d *demo) repeat(e node.Endpoints) {
	r := d.report
	if r.json {
		return
	}
	host, port, _ := net.SplitHostPort(dialable(e.Gateway))
	curl := fmt.Sprintf("curl --cacert %s --resolve %s:%s:%s", shellQuote(d.cacert), demoDomain, port, host)
	url := fmt.Sprintf("https://%s:%s/", demoDomain, port)
	aws := "aws --endpoint-url http://" + dialable(strings.TrimPrefix(e.Endpoint, "http://"))
	with := func(name string) string {
		return fmt.Sprintf("%s --cert %s --key %s %s", curl, shellQuote(filepath.Join(d.files, name+".pem")), shellQuote(filepath.Join(d.files, name+".key")), url)
	}
	r.heading("In another terminal")
	fmt.Fprintf(r.out, "  eval \"$(%s env --data %s --region %s)\"\n", shellQuote(os.Args[0]), shellQuote(d.data), demoRegion)
	r.heading("Repeat the calls")
	for _, c := range []struct{ outcome, command string }{
		{"refused in the handshake: no certificate", curl + " " + url},
		{"200: the second certificate", with("spare")},
		{"403: the revoked certificate", with("client")},
		{"revoke the second one as well", fmt.Sprintf("%s acm-pca revoke-certificate --certificate-authority-arn %s --certificate-serial %s --revocation-reason KEY_COMPROMISE", aws, d.outputs["ClientCAArn"], d.spareSerial)},
	} {
		fmt.Fprintf(r.out, "  %s\n  %s\n", r.palette.dim("# "+c.outcome), c.command)
	}
	r.heading("Look at what was made")
	bucket, _, _ := strings.Cut(strings.TrimPrefix(d.outputs["TrustStore"], "s3://"), "/")
	for _, command := range []string{
		"acm-pca list-certificate-authorities",
		"acm export-certificate --certificate-arn " + d.outputs["ClientOneCertArn"] + " --passphrase $(echo -n secret | base64)",
		"cloudformation describe-stack-events --stack-name " + demoStack,
		"s3api list-object-versions --bucket " + bucket,
		"apigatewayv2 get-domain-name --domain-name " + demoDomain,
	} {
		fmt.Fprintf(r.out, "  %s %s\n", aws, command)
	}
	dnsHost, dnsPort, _ := net.SplitHostPort(dialable(e.DNS))
	fmt.Fprintf(r.out, "  dig @%s -p %s %s A\n", dnsHost, dnsPort, demoDomain)
}

func decodeKey(text string) ([]byte, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "ENCRYPTED PRIVATE KEY" {
		return nil, errors.New("the exported key is not PEM of type ENCRYPTED PRIVATE KEY")
	}
	return block.Bytes, nil
}
