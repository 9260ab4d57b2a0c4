package main

import (
	"context"
	"errors"
	"fmt"

	"countersign/node"

	"github.com/spf13/cobra"
)

// Statuses of fsck: the folder was judged, or it could not be.
const (
	statusDisagrees = 1
	statusUnchecked = 2
)

func fsckCommand() *cobra.Command {
	var flags nodeFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Prove that what is in a stopped node's folder agrees, or name what does not",
		Long: `Prove that what is in the data folder of a stopped node agrees, or name what does not:

  the database         its tables and indexes, by SQLite's own check
  authorities          every key opens, and is that of the request, the certificate and its chain
  the ledger           every certificate parses, has the serial number, dates, subject and issuer that
                       the ledger says, and bears the authority's signature; deterministic signatures
                       are made again from the to-be-signed bytes, and must come out the same
  certificates         those of authorities and of ACM are in the ledger, byte for byte; what was answered
                       under an idempotency token exists
  CRLs                 those in buckets are the ones written last, signed by their authority, and revoke
                       what the ledger says is revoked
  objects, packages    every version has the bytes that were uploaded, by size, ETag and checksum;
                       nothing is kept that nothing refers to

Nothing is repaired. The sealing key is needed, as for serve.

Exit status: 0 all agrees, 1 something does not and was named, 2 it could not be checked.`,
		Example: `  countersign fsck --data /var/lib/countersign
  countersign fsck --json | jq -r '.findings[] | .resource + ": " + .problem'`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c); err != nil {
				return err
			}
			config, err := flags.config(c.Context(), c.ErrOrStderr())
			if err != nil {
				return exitError{statusUnchecked, err.Error()}
			}
			findings := []node.Finding{}
			p := colours(c.OutOrStdout())
			done, err := node.Check(c.Context(), config, func(f node.Finding) {
				if asJSON {
					findings = append(findings, f)
					return
				}
				fmt.Fprintf(c.OutOrStdout(), "%s\n  %s\n", p.red(f.Resource), f.Problem)
			})
			if err != nil {
				if errors.Is(err, context.Canceled) {
					return err
				}
				return exitError{statusUnchecked, err.Error()}
			}
			if asJSON {
				s := session{out: c.OutOrStdout()}
				err = s.encode(struct {
					node.Checked
					Findings []node.Finding `json:"findings"`
				}{done, findings})
			} else {
				err = tellChecked(c, p, done)
			}
			if err == nil && done.Findings > 0 {
				err = exitError{statusDisagrees, ""}
			}
			return err
		},
	}
	c.Flags().StringVar(&flags.Data, "data", node.DefaultData, "the node's data folder [$COUNTERSIGN_DATA]")
	c.Flags().BoolVar(&asJSON, "json", false, "answer in one JSON object")
	return c
}

func tellChecked(c *cobra.Command, p palette, done node.Checked) error {
	l := done.Ledger
	verdict := p.green("All agrees.")
	switch done.Findings {
	case 0:
	case 1:
		verdict = p.red("One thing does not agree.")
	default:
		verdict = p.red(fmt.Sprintf("%d things do not agree.", done.Findings))
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s Checked %d authorities, %d certificates in the ledger, %d of ACM, %d CRLs, %d object versions in %d buckets (%d bytes), %d function packages, %d values of secrets and parameters.\n",
		verdict, l.Authorities, l.Certificates, done.Inventory, done.CRLs, done.Objects.Versions, done.Objects.Buckets, done.Objects.Bytes, done.Packages, done.Secrets)
	if err == nil && l.Unsigned > 0 {
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d of the ledger's certificates have no recorded signature: it is made when they are asked for.\n", l.Unsigned)
	}
	if err == nil && l.Unverified > 0 {
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d could not be verified: their authority was deleted, and its key with it.\n", l.Unverified)
	}
	if err == nil && l.SerialOnly > 0 {
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d are known by their serial number only: they came with an imported authority.\n", l.SerialOnly)
	}
	return err
}
