package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"countersign/node"

	"github.com/spf13/cobra"
)

// nodeFlags are the flags that say how a node runs. Each has an environment
// variable, which a flag on the command line overrides.
type nodeFlags struct {
	node.Config
	verbose bool
}

// environment names the variable behind each flag.
var environment = map[string]string{
	"data":               "COUNTERSIGN_DATA",
	"listen":             "COUNTERSIGN_LISTEN",
	"gateway-listen":     "COUNTERSIGN_GATEWAY_LISTEN",
	"gateway-addresses":  "COUNTERSIGN_GATEWAY_ADDRESSES",
	"endpoint-addresses": "COUNTERSIGN_ENDPOINT_ADDRESSES",
	"dns-listen":         "COUNTERSIGN_DNS_LISTEN",
	"account-id":         "COUNTERSIGN_ACCOUNT_ID",
	"tls-certificate":    "COUNTERSIGN_TLS_CERTIFICATE",
	"tls-key":            "COUNTERSIGN_TLS_KEY",
	"leave-revocation":   "COUNTERSIGN_LEAVE_REVOCATION",
	"dev":                "COUNTERSIGN_DEV",
}

func (f *nodeFlags) bind(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.Data, "data", node.DefaultData, "folder for everything that must last")
	flags.StringVar(&f.Listen, "listen", node.DefaultListen, "address of the AWS endpoint, HTTP and HTTPS")
	flags.StringVar(&f.GatewayListen, "gateway-listen", node.DefaultGatewayListen, "address of the API gateway, TLS")
	flags.StringSliceVar(&f.GatewayAddresses, "gateway-addresses", nil, "IP addresses that the name server answers for the gateway (default: that of --gateway-listen)")
	flags.StringSliceVar(&f.EndpointAddresses, "endpoint-addresses", nil, "IP addresses that the name server answers for s3.<region> and ocsp.acm-pca.<region> (default: it does not answer for them)")
	flags.StringVar(&f.DNSListen, "dns-listen", node.DefaultDNSListen, "address of the name server, UDP and TCP")
	flags.StringVar(&f.Account, "account-id", node.DefaultAccount, "AWS account id, 12 digits")
	flags.StringVar(&f.TLSCertificate, "tls-certificate", "", "PEM file with the certificate chain for HTTPS of the AWS endpoint (default: one of the local root)")
	flags.StringVar(&f.TLSKey, "tls-key", "", "PEM file with the key of --tls-certificate")
	flags.BoolVar(&f.LeaveRevocation, "leave-revocation", false, "admit clients whose certificate was revoked, as AWS does, and leave them to authorizers")
	flags.BoolVar(&f.Dev, "dev", false, "accept the key pair test/test as root; loopback only")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log every request and decision")
	for name, variable := range environment {
		if flag := flags.Lookup(name); flag != nil {
			flag.Usage += " [$" + variable + "]"
		}
	}
}

// fromEnvironment sets the flags that the command line left alone. An empty
// variable is none.
func fromEnvironment(c *cobra.Command) error {
	for name, variable := range environment {
		flag := c.Flags().Lookup(name)
		value := os.Getenv(variable)
		if flag == nil || value == "" || flag.Changed {
			continue
		}
		if err := c.Flags().Set(name, value); err != nil {
			return exitError{statusUsage, fmt.Sprintf("%s=%q: want %s", variable, value, wanted(flag))}
		}
	}
	return nil
}

// config completes the configuration with what no flag carries: secrets come
// from the environment only, so that they show in no process list.
func (f *nodeFlags) config(ctx context.Context, logs io.Writer) (node.Config, error) {
	c := f.Config
	if c.Data == "" {
		c.Data = node.DefaultData
	}
	c.Now, c.Rand = time.Now, rand.Reader
	c.RootAccessKeyID = os.Getenv("COUNTERSIGN_ROOT_ACCESS_KEY_ID")
	c.RootSecretAccessKey = os.Getenv("COUNTERSIGN_ROOT_SECRET_ACCESS_KEY")
	level := slog.LevelWarn
	if f.verbose {
		level = slog.LevelInfo
	}
	c.Logger = slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: level}))
	var err error
	c.MasterKey, err = masterKey(ctx)
	return c, err
}

// masterKey is the sealing key's text, or nothing where the data folder's file holds it.
func masterKey(ctx context.Context) ([]byte, error) {
	text, command := os.Getenv("COUNTERSIGN_MASTER_KEY"), os.Getenv("COUNTERSIGN_MASTER_KEY_COMMAND")
	switch {
	case text != "" && command != "":
		return nil, errors.New("COUNTERSIGN_MASTER_KEY and COUNTERSIGN_MASTER_KEY_COMMAND are both set: unset one of them")
	case command == "":
		return []byte(text), nil
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("the command of COUNTERSIGN_MASTER_KEY_COMMAND gave no key (%w): run it by itself to see why", err)
	}
	// Nothing would mean the file in the data folder, which is not what was asked for.
	if len(bytes.TrimSpace(out)) == 0 {
		return nil, errors.New("the command of COUNTERSIGN_MASTER_KEY_COMMAND printed nothing: it should print the key, 32 bytes as base64 or hexadecimal")
	}
	return out, nil
}

func serveCommand() *cobra.Command {
	var flags nodeFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run a node",
		Long: `Run a node: the AWS endpoint, the API gateway and the name server, until interrupted.

Everything that must last is in the data folder. At the first start the node makes there a root
key pair (root-credentials.json), the key that seals private keys (master.key) and a local root
certificate (local-root.pem, for curl --cacert). Keep master.key safe and apart from backups of the
rest: whoever has both has every private key.

Secrets are read from the environment:

  COUNTERSIGN_ROOT_ACCESS_KEY_ID, COUNTERSIGN_ROOT_SECRET_ACCESS_KEY   the root key pair
  COUNTERSIGN_MASTER_KEY             the sealing key, 32 bytes as base64 or hexadecimal
  COUNTERSIGN_MASTER_KEY_COMMAND     a command that prints it

Point the AWS CLI and SDKs at the node from another terminal:

  eval "$(countersign env)"
  aws sts get-caller-identity`,
		Example: `  countersign serve
  countersign serve --data /var/lib/countersign --listen 0.0.0.0:4566 --gateway-listen 0.0.0.0:8443
  countersign serve --dev --data "$(mktemp -d)"         for CI: root is test/test
  COUNTERSIGN_MASTER_KEY_COMMAND='pass show countersign' countersign serve`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c); err != nil {
				return err
			}
			ctx := c.Context()
			config, err := flags.config(ctx, c.ErrOrStderr())
			if err != nil {
				return err
			}
			n, err := node.Start(ctx, config)
			if err != nil {
				return err
			}
			if err := announce(c.OutOrStdout(), n, config.Data, asJSON); err != nil {
				n.Close()
				return err
			}
			return wait(ctx, n, c.ErrOrStderr())
		},
	}
	flags.bind(c)
	c.Flags().BoolVar(&asJSON, "json", false, "announce the addresses as one JSON object")
	return c
}

// announce says what is listening and what to try next.
func announce(w io.Writer, n *node.Node, data string, asJSON bool) error {
	e := n.Endpoints()
	if asJSON {
		return json.NewEncoder(w).Encode(e)
	}
	p := colours(w)
	env := "countersign env"
	if data != node.DefaultData {
		env += " --data " + shellQuote(data)
	}
	_, err := fmt.Fprintf(w, `%s
  AWS endpoint   %s (HTTPS as well)
  API gateway    %s
  name server    %s (UDP and TCP)
  local root     %s (for curl --cacert)
  data           %s

Point the AWS CLI and SDKs here from another terminal:
  eval "$(%s)"
  aws sts get-caller-identity
`, p.bold("Countersign "+versionText()+" is up."), e.Endpoint, e.Gateway, e.DNS, e.CACert, data, env)
	return err
}

// wait blocks until ctx ends or the node fails, then stops the node.
func wait(ctx context.Context, n *node.Node, messages io.Writer) error {
	select {
	case <-ctx.Done():
		fmt.Fprintln(messages, "stopping; press Ctrl-C again to stop at once")
	case <-n.Failed():
	}
	return n.Close()
}
