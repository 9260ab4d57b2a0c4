// Command countersign is mutual TLS, run by you: a private certificate
// authority, a certificate manager, a versioned trust-store bucket and an API
// gateway that truly enforces client certificates, in one program that speaks the
// AWS APIs. There is one file in this folder per verb.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker: see the Makefile.
var version = "unknown"

func main() {
	os.Exit(run())
}

// run carries out one command line and gives the exit status: 0 for success,
// the status an exitError asks for, 2 for a usage error, else 1.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The second Ctrl-C is not caught: it ends the process at once.
	context.AfterFunc(ctx, stop)

	err := rootCommand().ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var exit exitError
	if errors.As(err, &exit) {
		if exit.message != "" {
			fmt.Fprintln(os.Stderr, "countersign:", exit.message)
		}
		return exit.status
	}
	fmt.Fprintln(os.Stderr, "countersign:", err)
	return 1
}

// An exitError ends the program with a status of the verb's choosing.
type exitError struct {
	status  int
	message string // printed to standard error unless empty
}

func (e exitError) Error() string { return e.message }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "countersign",
		Short: "Mutual TLS, run by you: a private CA, certificates, a trust-store bucket and a gateway, speaking the AWS APIs",
		Long: `Countersign is mutual TLS, run by you. One program is a private certificate authority,
a certificate manager, a versioned trust-store bucket and an API gateway that truly enforces
client certificates. It speaks the AWS APIs: the AWS CLI and the SDKs work against it with no
change but the endpoint.

Try it:

  countersign demo                    the whole set-up in a few seconds, and the calls to repeat it
  countersign serve                   a node of your own; data stays in ./countersign-data
  eval "$(countersign env)"           point the AWS CLI and SDKs at it
  aws acm-pca list-certificate-authorities`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return exitError{2, fmt.Sprintf("%v\nRun '%s --help' for the flags it takes.", err, c.CommandPath())}
	})
	root.AddCommand(serveCommand(), demoCommand(), envCommand(), verifyCommand(), versionCommand())
	return root
}
