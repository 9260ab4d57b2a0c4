package main

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestVerifyScripts runs testdata/verify/*.txtar. In them, "verify n flags…"
// runs the verb and demands the exit status n.
func TestVerifyScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/verify",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"verify": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) == 0 {
					ts.Fatalf("usage: verify status flags…")
				}
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				full := []string{"verify"}
				for i, a := range args[1:] {
					// Files are in the script's folder, and the process is elsewhere.
					if previous := args[i]; previous == "--trust-store" || previous == "--chain" || previous == "--crl" {
						a = ts.MkAbs(a)
					}
					full = append(full, a)
				}
				root := rootCommand()
				root.SetArgs(full)
				root.SetOut(ts.Stdout())
				root.SetErr(ts.Stderr())
				status := 0
				if err := root.Execute(); err != nil {
					status = 1
					var exit exitError
					if errors.As(err, &exit) {
						status = exit.status
					}
					if text := err.Error(); text != "" {
						fmt.Fprintln(ts.Stderr(), text)
					}
				}
				if status != want {
					ts.Fatalf("exit status %d, want %d", status, want)
				}
			},
		},
	})
}
