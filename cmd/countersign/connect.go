package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"countersign/node"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"
)

// awsConfig is how this program's SDK clients reach a node.
func awsConfig(endpoint, region, accessKeyID, secretAccessKey, sessionToken string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, secretAccessKey, sessionToken),
		// The node is near: whoever typed a command should not wait for back-off.
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, 200*time.Millisecond })
		},
	}
}

// A session is what a verb that works on a node has: clients, and where its
// answers go.
type session struct {
	pca      *acmpca.Client
	config   aws.Config
	endpoint string
	data     string // the node's folder; empty: the endpoint came from the environment

	out     io.Writer
	palette palette
	json    bool
	now     time.Time
}

// connectionHelp is part of the help of every verb that works on a node.
const connectionHelp = `
The node is the one of --data (or $COUNTERSIGN_DATA) if that is given, else the one that
AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY name, else that of ./countersign-data.`

// onNode makes c a verb that works on a running node through the AWS APIs: it
// adds the flags that say which, and how to answer.
func onNode(c *cobra.Command, run func(ctx context.Context, s *session, args []string) error) *cobra.Command {
	var data, region string
	var asJSON bool
	c.Flags().StringVar(&data, "data", "", "the data folder of the node [$COUNTERSIGN_DATA]")
	c.Flags().StringVar(&region, "region", defaultRegion(), "AWS Region to work in")
	c.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	c.Long = strings.TrimRight(c.Long, "\n") + "\n" + connectionHelp
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := fromEnvironment(c); err != nil {
			return err
		}
		s := &session{out: c.OutOrStdout(), palette: colours(c.OutOrStdout()), json: asJSON, now: time.Now()}
		if err := s.connect(data, region); err != nil {
			return err
		}
		return s.explain(run(c.Context(), s, args))
	}
	return c
}

func (s *session) connect(data, region string) error {
	endpoint, id, secret := os.Getenv("AWS_ENDPOINT_URL"), os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	token := os.Getenv("AWS_SESSION_TOKEN")
	if data != "" || endpoint == "" || id == "" || secret == "" {
		if data == "" {
			data = node.DefaultData
		}
		variables, err := awsEnvironment(data, region)
		if err != nil {
			return err
		}
		of := map[string]string{}
		for _, v := range variables {
			of[v[0]] = v[1]
		}
		endpoint, id, secret, token = of["AWS_ENDPOINT_URL"], of["AWS_ACCESS_KEY_ID"], of["AWS_SECRET_ACCESS_KEY"], ""
		s.data = data
	}
	s.endpoint = endpoint
	s.config = awsConfig(endpoint, region, id, secret, token)
	s.pca = acmpca.NewFromConfig(s.config)
	return nil
}

// explain turns what the SDK says of a refused or failed call into one line
// that says what to do next. Errors of our own pass.
func (s *session) explain(err error) error {
	var refused smithy.APIError
	var dial *net.OpError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &refused):
		return fmt.Errorf("%s%s", refused.ErrorMessage(), hint(refused.ErrorCode()))
	case errors.As(err, &dial):
		start := "is AWS_ENDPOINT_URL right?"
		if s.data != "" {
			start = "start it with 'countersign serve --data " + shellQuote(s.data) + "'"
		}
		return fmt.Errorf("no node answers at %s: %s", s.endpoint, start)
	}
	return err
}

// hint is what to do about an error code, after its message; the code itself
// where nothing better is known, so that it can be looked up.
func hint(code string) string {
	switch code {
	case "ResourceNotFoundException":
		return " (ResourceNotFoundException): 'countersign ca list' shows what there is; --region chooses another Region"
	case "SignatureDoesNotMatch", "InvalidClientTokenId", "UnrecognizedClientException":
		return " (" + code + "): 'countersign env' prints the key pair of the node"
	case "InvalidStateException":
		return " (InvalidStateException): 'countersign ca show' tells its state"
	}
	return " (" + code + ")"
}

// encode prints v as JSON for programs.
func (s *session) encode(v any) error {
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// oneArgument is the Args of a verb that works on one thing.
func oneArgument(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return exitError{statusUsage, fmt.Sprintf("%s takes %s\nRun '%s --help' for an example.", c.CommandPath(), what, c.CommandPath())}
	}
}

// groupCommand is a command that has verbs and does nothing by itself.
func groupCommand(use, short, long string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: unknownVerb, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(verbs...)
	return c
}
