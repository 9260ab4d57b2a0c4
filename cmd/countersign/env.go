package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"countersign/node"

	"github.com/spf13/cobra"
)

func envCommand() *cobra.Command {
	var data, region string
	var asJSON bool
	c := &cobra.Command{
		Use:   "env",
		Short: "Print the environment that points the AWS CLI and SDKs at a node",
		Long: `Print the exports that point the AWS CLI and the SDKs at the node of a data folder, with its
root key pair. The output holds a secret: it is meant for

  eval "$(countersign env)"

and not for a file or a log. Three variables more are for other tools: COUNTERSIGN_GATEWAY and
COUNTERSIGN_DNS, the addresses of the API gateway and of the name server, and COUNTERSIGN_CACERT,
the file with the certificate of the node's local root.`,
		Example: `  eval "$(countersign env --data /var/lib/countersign --region eu-west-1)"
  aws sts get-caller-identity
  curl --cacert "$COUNTERSIGN_CACERT" --connect-to "::$COUNTERSIGN_GATEWAY" https://api.example.test/
  countersign env --json | jq -r .AWS_ENDPOINT_URL`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c); err != nil {
				return err
			}
			variables, err := awsEnvironment(data, region)
			if err != nil {
				return err
			}
			if asJSON {
				object := map[string]string{}
				for _, v := range variables {
					object[v[0]] = v[1]
				}
				return json.NewEncoder(c.OutOrStdout()).Encode(object)
			}
			// What these would say takes precedence over, or does not fit, the key pair.
			fmt.Fprintln(c.OutOrStdout(), "unset AWS_PROFILE AWS_SESSION_TOKEN")
			for _, v := range variables {
				if _, err := fmt.Fprintf(c.OutOrStdout(), "export %s=%s\n", v[0], shellQuote(v[1])); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&data, "data", node.DefaultData, "the node's data folder [$COUNTERSIGN_DATA]")
	c.Flags().StringVar(&region, "region", defaultRegion(), "AWS Region to work in")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// defaultRegion is the one that the environment names already, or the first of AWS's.
func defaultRegion() string {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return "us-east-1"
}

// awsEnvironment gives names and values, in the order to print them.
func awsEnvironment(data, region string) ([][2]string, error) {
	if data == "" {
		data = node.DefaultData
	}
	endpoints, err := node.ReadEndpoints(data)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%s holds no node: start one with 'countersign serve', or name its folder with --data", data)
	}
	if err != nil {
		return nil, err
	}
	// A pair in the environment is what a node was given instead of making one.
	credentials := node.Credentials{AccessKeyID: os.Getenv("COUNTERSIGN_ROOT_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("COUNTERSIGN_ROOT_SECRET_ACCESS_KEY")}
	if credentials.AccessKeyID == "" || credentials.SecretAccessKey == "" {
		credentials, err = node.ReadCredentials(data)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the node of %s was given its root key pair: set COUNTERSIGN_ROOT_ACCESS_KEY_ID and COUNTERSIGN_ROOT_SECRET_ACCESS_KEY here too", data)
	}
	if err != nil {
		return nil, err
	}
	return [][2]string{
		{"AWS_ENDPOINT_URL", "http://" + dialable(strings.TrimPrefix(endpoints.Endpoint, "http://"))},
		{"AWS_ACCESS_KEY_ID", credentials.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", credentials.SecretAccessKey},
		{"AWS_REGION", region},
		{"AWS_DEFAULT_REGION", region},
		{"COUNTERSIGN_GATEWAY", dialable(endpoints.Gateway)},
		{"COUNTERSIGN_DNS", dialable(endpoints.DNS)},
		{"COUNTERSIGN_CACERT", endpoints.CACert},
	}, nil
}

// dialable is where a program on this machine reaches a listener: one on all
// addresses is reached on loopback, the name that its certificates bear.
func dialable(listening string) string {
	host, port, err := net.SplitHostPort(listening)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return listening
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// shellQuote makes one word of s for a POSIX shell.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:=,@%+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
