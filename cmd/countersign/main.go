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
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() {
	os.Exit(run())
}

// run carries out one command line and gives the exit status: 0 for success,
// the status an exitError asks for, 2 for a usage error, 130 when an interruption
// left something unfinished, else 1.
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
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "countersign: interrupted")
		return statusInterrupted
	}
	fmt.Fprintln(os.Stderr, "countersign:", err)
	return 1
}

// statusInterrupted is what shells give for a program that SIGINT ended.
const statusInterrupted = 128 + int(syscall.SIGINT)

// statusUsage is for command lines that make no sense.
const statusUsage = 2

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
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
		// Without a RunE of its own, cobra answers an unknown verb with the help and success.
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("countersign {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(serveCommand(), demoCommand(), envCommand(), deployCommand(), deleteCommand(), caCommand(), certCommand(), fsckCommand(), verifyCommand(), versionCommand())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE = unknownVerb, root.RunE
			for _, shell := range c.Commands() {
				shell.Args = noArguments
			}
		}
	}
	root.SetHelpCommand(helpCommand(root))
	return root
}

// unknownVerb is the Args of a command that has verbs and takes nothing else.
func unknownVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("%s has no verb %q", c.CommandPath(), args[0])
	for distance := 1; distance <= 2; distance++ {
		c.SuggestionsMinimumDistance = distance
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
			break
		}
	}
	return exitError{statusUsage, fmt.Sprintf("%s\nRun '%s --help' for what there is.", text, c.CommandPath())}
}

// noArguments is the Args of a verb that takes flags alone.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return exitError{statusUsage, fmt.Sprintf("%s takes flags only, no %q\nRun '%s --help' for the flags it takes.", c.Name(), args[0], c.CommandPath())}
}

// flagError says what is wrong with a flag, without the words of the parser.
func flagError(c *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		err = fmt.Errorf("--%s %q: want %s", value.GetFlag().Name, value.GetValue(), wanted(value.GetFlag()))
	}
	return exitError{statusUsage, fmt.Sprintf("%v\nRun '%s --help' for the flags it takes.", err, c.CommandPath())}
}

// wanted says what a flag takes.
func wanted(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "int":
		return "a whole number"
	}
	return "a " + f.Value.Type()
}

// helpCommand is cobra's, but asking for help on a verb that is not there is an error.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [verb]",
		Short: "Explain a verb, as --help does",
		Example: `  countersign help serve
  countersign serve --help`,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var verbs []string
			if len(args) == 0 {
				for _, c := range root.Commands() {
					if c.IsAvailableCommand() {
						verbs = append(verbs, c.Name()+"\t"+c.Short)
					}
				}
			}
			return verbs, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			of := root
			for _, name := range args {
				i := slices.IndexFunc(of.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
				if i < 0 {
					return unknownVerb(of, []string{name})
				}
				of = of.Commands()[i]
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}
