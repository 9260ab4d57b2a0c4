package main

import (
	"context"
	"encoding/pem"
	"fmt"

	"countersign/node"
	"countersign/pki"
	"countersign/service/authority"

	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/spf13/cobra"
)

// Bounds of what import reads.
const (
	maxKeyBytes     = 64 << 10
	maxHistoryBytes = 512 << 20
)

type caImportFlags struct {
	ca, certificate, chain, key string
	history, crls               []string
	shortLived                  bool
}

func caImportCommand() *cobra.Command {
	var f caImportFlags
	c := &cobra.Command{
		Use: "import --certificate ca.pem", Short: "Bring an existing certificate authority, or a certificate that was signed elsewhere",
		Long: `Bring an existing certificate authority, in one of two ways.

Its key stays where it is (--ca): an authority was made here with 'ca create --csr', a CA elsewhere,
such as an offline root, has signed its request, and what came back is installed. This is the
operation ImportCertificateAuthorityCertificate of a running node.

It comes with its key (--key): certificate, chain, key, the history of what it issued and its last
CRL are taken into the folder of a stopped node. No operation of AWS lets a key in, and so none of a
running node does. Nothing is taken in if anything does not match. The passphrase of an encrypted
key is asked for, or read from $COUNTERSIGN_KEY_PASSPHRASE.

A history is a file of PEM certificates, the index.txt of openssl ca, or serial numbers, one per line.`,
		Example: `  countersign ca import --ca "Below an offline root" --certificate ca.pem --chain root.pem
  countersign ca import --data /var/lib/countersign --certificate ca.pem --key ca.key --history index.txt --history newcerts.pem --crl last.crl`,
		Args:    noArguments,
		PreRunE: func(*cobra.Command, []string) error { return f.check() },
	}
	flags := c.Flags()
	flags.StringVar(&f.certificate, "certificate", "", "PEM file of the authority's certificate (required)")
	flags.StringVar(&f.chain, "chain", "", "PEM file of the certificates above it, its issuer first, the root last")
	flags.StringVar(&f.ca, "ca", "", "the authority of a running node that waits for this certificate: name, id or ARN")
	flags.StringVar(&f.key, "key", "", "PEM file of its private key, for the folder of a stopped node")
	flags.StringArrayVar(&f.history, "history", nil, "with --key: file of what it issued; may be repeated")
	flags.StringArrayVar(&f.crls, "crl", nil, "with --key: file of its last CRL, DER or PEM; may be repeated for partitions")
	flags.BoolVar(&f.shortLived, "short-lived", false, "with --key: it will issue certificates of at most 7 days")
	onNode(c, func(ctx context.Context, s *session, _ []string) error { return f.install(ctx, s) })
	running := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.key == "" {
			return running(c, args)
		}
		return f.adopt(c)
	}
	return c
}

func (f *caImportFlags) check() error {
	switch {
	case f.certificate == "":
		return exitError{statusUsage, "the certificate is missing: --certificate ca.pem"}
	case (f.ca == "") == (f.key == ""):
		return exitError{statusUsage, "give --ca for an authority of this node that waits for its certificate, or --key for one that comes with its key"}
	case f.key == "" && (len(f.history) > 0 || len(f.crls) > 0 || f.shortLived):
		return exitError{statusUsage, "--history, --crl and --short-lived go with --key: an authority that was made here has no past"}
	}
	return nil
}

// read gives the certificate and the chain.
func (f *caImportFlags) read() (certificate, chain []byte, err error) {
	if certificate, err = readInput("certificate", f.certificate, pki.MaxImportBytes); err != nil {
		return nil, nil, err
	}
	if f.chain != "" {
		chain, err = readInput("chain", f.chain, pki.MaxImportChainBytes)
	}
	return certificate, chain, err
}

// install gives an authority of a running node the certificate it waits for.
func (f *caImportFlags) install(ctx context.Context, s *session) error {
	certificate, chain, err := f.read()
	if err != nil {
		return err
	}
	one, err := s.find(ctx, f.ca)
	if err != nil {
		return err
	}
	in := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &one.ARN, Certificate: certificate, CertificateChain: chain}
	if _, err := s.pca.ImportCertificateAuthorityCertificate(ctx, in); err != nil {
		return err
	}
	return (&caCreateFlags{}).tell(ctx, s, one.ARN)
}

// adopt takes an authority with its key into the folder of a stopped node.
func (f *caImportFlags) adopt(c *cobra.Command) error {
	if err := fromEnvironment(c); err != nil {
		return err
	}
	ctx := c.Context()
	var flags nodeFlags
	flags.Data, _ = c.Flags().GetString("data") // the flags are onNode's
	region, _ := c.Flags().GetString("region")
	asJSON, _ := c.Flags().GetBool("json")
	config, err := flags.config(ctx, c.ErrOrStderr())
	if err != nil {
		return err
	}
	in, err := f.adoption()
	if err != nil {
		return err
	}
	made, err := node.ImportAuthority(ctx, config, region, in)
	if err != nil {
		return fmt.Errorf("nothing was imported: %w", err)
	}
	s := session{out: c.OutOrStdout()}
	if asJSON {
		return s.encode(map[string]any{"arn": made.ARN, "issued": made.Issued, "revoked": made.Revoked, "notes": append([]string{}, made.Notes...)})
	}
	fmt.Fprintf(s.out, "%s\n%d certificates that it issued are in the ledger, %d of them revoked.\n", made.ARN, made.Issued, made.Revoked)
	for _, note := range made.Notes {
		fmt.Fprintf(s.out, "Note: %s.\n", note)
	}
	_, err = fmt.Fprintf(s.out, `
Its certificates name places where its CRLs and OCSP answers were; keep those served, or let them lead here.
Destroy the other copies of its key: an authority with two keepers can issue what no ledger has.

Try next:
  countersign fsck --data %[1]s
  countersign serve --data %[1]s
`, shellQuote(config.Data))
	return err
}

func (f *caImportFlags) adoption() (in authority.Adoption, err error) {
	in.ShortLived = f.shortLived
	if in.Certificate, in.Chain, err = f.read(); err != nil {
		return in, err
	}
	if in.Key, err = readKey(f.key); err != nil {
		return in, err
	}
	for _, file := range f.history {
		data, err := readInput("history", file, maxHistoryBytes)
		if err != nil {
			return in, err
		}
		past, err := authority.ParseHistory(data)
		if err != nil {
			return in, fmt.Errorf("%s: %w", file, err)
		}
		in.History = append(in.History, past...)
	}
	for _, file := range f.crls {
		data, err := readInput("crl", file, pki.MaxCRLBytes)
		if err != nil {
			return in, err
		}
		if len(data) > 0 && data[0] == 0x30 {
			in.CRLs = append(in.CRLs, data)
			continue
		}
		n := len(in.CRLs)
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == pki.PEMCRL {
				in.CRLs = append(in.CRLs, block.Bytes)
			}
		}
		if len(in.CRLs) == n {
			return in, fmt.Errorf("%s holds no CRL: want DER, or PEM of type %s", file, pki.PEMCRL)
		}
	}
	return in, nil
}
