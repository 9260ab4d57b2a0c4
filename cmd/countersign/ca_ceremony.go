package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"countersign/ceremony"

	"github.com/spf13/cobra"
)

type caCeremonyFlags struct {
	out, sum string
	rehearse bool
}

func caCeremonyCommand() *cobra.Command {
	var f caCeremonyFlags
	c := &cobra.Command{
		Use: "ceremony plan.yaml --out folder", Short: "Make and use an offline root, from a plan that people read beforehand",
		Long: `Make an offline root, sign the requests of subordinates with it, and sign its CRLs ahead, from one
YAML file that people read beforehand. No node and no network are needed.

  title: Example offline root, 2027
  at: 2027-01-15T10:00:00Z          # everything is dated with this moment
  witnesses: [Ada, Grace]           # who will sign the transcript
  root:
    subject: {country: DE, organization: Example, commonName: Example Offline Root}
    key: EC_secp384r1
    years: 20
  sign:
    - name: issuing                 # issuing.pem is written
      csr: issuing.csr              # from 'countersign ca create --name "Issuing CA" --csr'
      sha256: 9f86d0…               # of that file, as its owner told it
      template: SubordinateCACertificate_PathLen0
      years: 5
  crls:
    count: 12                       # signed ahead, to be published one after the other
    everyDays: 30
    overlapDays: 7
    url: http://pki.example.test/root.crl
    revoked: []                     # {serial: 4f:0a…, at: 2027-01-10T00:00:00Z, reason: superseded}

A later ceremony has, instead of subject, key and years, the root that there is:

  root: {certificate: root.pem, keyFile: root.key}

First --rehearse: everything is done with a key that is thrown away and a root that is called
REHEARSAL, and the transcript can be read in peace. It prints the SHA-256 of the plan. The ceremony itself
demands it (--sha256), so that what was reviewed is what is done.

The folder of --out is made. It gets root.pem, root.key (encrypted, mode 0600), a certificate for each
request, the CRLs, the plan, transcript.txt and SHA256SUMS. The passphrase of the key is asked for, or
read from $COUNTERSIGN_KEY_PASSPHRASE.`,
		Example: `  countersign ca ceremony plan.yaml --out rehearsal --rehearse
  countersign ca ceremony plan.yaml --out root-2027 --sha256 5e88…
  countersign ca import --ca "Issuing CA" --certificate root-2027/issuing.pem --chain root-2027/root.pem`,
		Args: oneArgument("the file of one plan"),
		RunE: func(c *cobra.Command, args []string) error { return f.perform(c, args[0]) },
	}
	c.Flags().StringVar(&f.out, "out", "", "folder to make for the results (required)")
	c.Flags().StringVar(&f.sum, "sha256", "", "of the plan, as the rehearsal printed it")
	c.Flags().BoolVar(&f.rehearse, "rehearse", false, "do everything with a key that is thrown away")
	return c
}

func (f *caCeremonyFlags) perform(c *cobra.Command, name string) error {
	switch {
	case f.out == "":
		return exitError{statusUsage, "the results need a place: --out folder"}
	case f.rehearse && f.sum != "":
		return exitError{statusUsage, "--sha256 is for the ceremony itself: leave it out of a rehearsal"}
	case !f.rehearse && f.sum == "":
		return exitError{statusUsage, "say which plan was reviewed: --sha256 with what 'countersign ca ceremony --rehearse' printed"}
	}
	data, err := readInput("plan", name, ceremony.MaxPlanBytes)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	if !f.rehearse && !strings.EqualFold(f.sum, digest) {
		return fmt.Errorf("%s is not the plan that was reviewed: its SHA-256 is %s", name, digest)
	}
	plan, err := ceremony.Parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	// Before anything is made: a root whose key has no place is of no use.
	if err := os.Mkdir(f.out, 0o700); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: name a new folder with --out", f.out)
	} else if err != nil {
		return err
	}
	near := func(file string) string {
		if filepath.IsAbs(file) {
			return file
		}
		return filepath.Join(filepath.Dir(name), file)
	}
	config := ceremony.Config{
		Now: time.Now(), Rand: rand.Reader, Program: "countersign " + versionText(), Rehearsal: f.rehearse, Passphrase: newPassphrase,
		Read: func(file string) ([]byte, error) { return readInput("plan", near(file), 1<<20) },
		Key:  func(file string) (crypto.Signer, error) { return readKey(near(file)) },
	}
	files, err := plan.Run(data, config)
	if err == nil {
		err = writeAll(f.out, files)
	}
	if err != nil {
		os.Remove(f.out) // only if it is empty: what was written stays to be looked at
		return err
	}
	p := colours(c.OutOrStdout())
	if f.rehearse {
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s Read %s, then do it:\n  countersign ca ceremony %s --out %s --sha256 %s\n",
			p.bold("That was a rehearsal."), filepath.Join(f.out, "transcript.txt"), shellQuote(name), shellQuote(strings.TrimSuffix(f.out, "/")+"-real"), digest)
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s %d files are in %s. Print transcript.txt, and have it signed.\nKeep root.key on two media in two places, and its passphrase in a third; the rest is public.\n",
		p.bold("Done."), len(files), f.out)
	return err
}

// newPassphrase asks for one twice, on the terminal.
func newPassphrase() ([]byte, error) {
	first, err := passphrase("Passphrase for the root's key")
	if err != nil || os.Getenv(passphraseVariable) != "" {
		return first, err
	}
	second, err := passphrase("Once more")
	if err == nil && !bytes.Equal(first, second) {
		err = errors.New("the two passphrases differ: nothing was made, start again")
	}
	return first, err
}

// writeAll writes the files, and reads them back: what is on the medium is what
// was verified.
func writeAll(dir string, files []ceremony.File) error {
	for _, f := range files {
		if err := writeNew(filepath.Join(dir, f.Name), f.Data, f.Mode); err != nil {
			return err
		}
	}
	for _, f := range files {
		back, err := os.ReadFile(filepath.Join(dir, f.Name))
		if err != nil {
			return err
		}
		if !bytes.Equal(back, f.Data) {
			return fmt.Errorf("%s was read back changed: do not trust this medium", f.Name)
		}
	}
	return nil
}
