package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"countersign/pki"
)

// Statuses of verify: the certificate was judged, or it could not be.
const (
	statusInvalid = 1
	statusCannot  = 2
)

// maxChainBytes bounds the file with the chain.
const maxChainBytes = 1 << 20

type verifyFlags struct {
	trustStore, chain, at, usage, host, crl string
	maxDepth                                int
	gateway                                 bool
}

func verifyCommand() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify --trust-store roots.pem --chain chain.pem",
		Short: "Say whether a certificate is valid, and why not",
		Long: `Verify judges a certificate with the verifier that the gateway uses, and says why.

The chain file has the certificate first; further certificates may be used as intermediates.
Every certificate of the trust store is an anchor: a path may end at an intermediate. The
certificate is judged by RFC 5280 to the letter, and its keys and signatures by the rules of
API Gateway: RSA from 2048 bits or P-256, P-384, P-521, and SHA-256 or stronger.

With --gateway the judgment is exactly that of a custom domain name with mutual TLS: only
self-signed certificates of the trust store are anchors, intermediates come from the trust
store alone, at most 4 CA certificates, for client use, and without those demands of RFC
5280 on CAs that only a pedant would make.

With --crl each certificate below the anchor is looked up in the lists of its issuer. The
first certificate's issuer must have a list that is signed, current and covers it. Another
issuer may have none; if it has one, it must be usable.

The last line of standard output is a JSON object:

  {"valid":false,"reason":"ClientCertExpired","detail":"…","path":[]}

"reason" is a stable code, the one in the gateway's logs: Valid, ClientCertInvalid,
ClientCertUntrusted, ClientCertNotYetValid, ClientCertExpired, ClientCertTypeUnsupported,
ClientCertPurposeInvalid, ClientCertMaxChainDepthExceeded, ClientCertMaxSizeExceeded,
ClientCertCrlHit, ClientCertCrlProcessingError, NameConstraintViolated, NameMismatch or
PolicyViolated. "path" names the certificates from the first to the anchor.

Exit status: 0 valid, 1 not valid, 2 the files or flags do not allow a judgment.`,
		Example: `  countersign verify --trust-store roots.pem --chain client.pem --usage client
  countersign verify --trust-store truststore.pem --chain client.pem --gateway
  countersign verify --trust-store roots.pem --chain server.pem --usage server --host api.example.com
  countersign verify --trust-store roots.pem --chain client.pem --crl ca.crl --at 2027-01-01T00:00:00Z`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return exitError{statusCannot, fmt.Sprintf("%q is not a flag; run '%s --help'", args[0], c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			if f.gateway {
				for _, other := range []string{"usage", "host", "max-depth"} {
					if c.Flags().Changed(other) {
						return exitError{statusCannot, "--gateway decides what --" + other + " would: give one of the two"}
					}
				}
			}
			if c.Flags().Changed("max-depth") && f.maxDepth < 0 {
				return exitError{statusCannot, "--max-depth must not be negative"}
			}
			verdict, err := f.judge(c.ErrOrStderr())
			if err != nil {
				return exitError{statusCannot, err.Error()}
			}
			if err := printVerdict(c.OutOrStdout(), verdict); err != nil {
				return exitError{statusCannot, fmt.Sprintf("write the verdict: %v", err)}
			}
			if !verdict.Valid() {
				return exitError{statusInvalid, ""}
			}
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.trustStore, "trust-store", "", "PEM file of trusted CA certificates (required)")
	flags.StringVar(&f.chain, "chain", "", "PEM file of the certificate, then its intermediates (required)")
	flags.StringVar(&f.at, "at", "", "moment to judge at, RFC 3339 (default: now)")
	flags.StringVar(&f.usage, "usage", "any", "what the certificate is for: client, server or any")
	flags.StringVar(&f.host, "host", "", "DNS name or IP address that the certificate must be for")
	flags.StringVar(&f.crl, "crl", "", "file of revocation lists, PEM or one DER")
	flags.IntVar(&f.maxDepth, "max-depth", pki.NoLimit, "most intermediates between certificate and anchor; 0: an anchor issued it (default: no limit)")
	flags.BoolVar(&f.gateway, "gateway", false, "judge exactly as an API Gateway domain name does")
	flags.Lookup("max-depth").DefValue = ""
	return c
}

// judge reads the files and verifies. An error means that there is nothing to
// be judged.
func (f verifyFlags) judge(notes io.Writer) (pki.Verdict, error) {
	policy, err := f.policy()
	if err != nil {
		return pki.Verdict{}, err
	}
	data, err := readInput("trust-store", f.trustStore, pki.MaxTrustStoreBytes)
	if err != nil {
		return pki.Verdict{}, err
	}
	trust, warnings, err := pki.ParseTrustStore(data)
	for _, w := range warnings {
		fmt.Fprintf(notes, "%s: %s\n", f.trustStore, w.Text)
	}
	switch {
	case errors.Is(err, pki.ErrNoCertificate):
		// There were certificates, and none can be trusted.
		trust = pki.NewTrustStore()
	case err != nil:
		return pki.Verdict{}, fmt.Errorf("%s: %w", f.trustStore, err)
	}
	if data, err = readInput("chain", f.chain, maxChainBytes); err != nil {
		return pki.Verdict{}, err
	}
	chain, bad, err := parseChain(data, notes, f.chain)
	if err != nil {
		return pki.Verdict{}, fmt.Errorf("%s: %w", f.chain, err)
	}
	if bad != nil {
		return *bad, nil
	}
	if f.crl != "" {
		if data, err = readInput("crl", f.crl, pki.MaxCRLBytes); err != nil {
			return pki.Verdict{}, err
		}
		lists, err := pki.ParseCRLs(data)
		switch {
		case errors.Is(err, pki.ErrNoCRL):
			return pki.Verdict{}, fmt.Errorf("%s: %w", f.crl, err)
		case err != nil:
			return pki.Verdict{Reason: pki.CRLProcessingError, Detail: err.Error()}, nil
		}
		policy.CRLs = pki.NewCRLSet(lists...)
	}
	return trust.Verify(chain, policy), nil
}

// policy makes what is asked for of the flags.
func (f verifyFlags) policy() (pki.Policy, error) {
	at := time.Now()
	if f.at != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, f.at); err != nil {
			return pki.Policy{}, fmt.Errorf("--at %q is no time in RFC 3339 form, such as 2027-01-31T12:00:00Z", f.at)
		}
	}
	if f.gateway {
		return pki.GatewayPolicy(at), nil
	}
	p := pki.Policy{At: at, Host: f.host, MaxDepth: f.maxDepth, Strict: true}
	switch f.usage {
	case "any":
	case "client":
		p.Usage = pki.ClientAuth
	case "server":
		p.Usage = pki.ServerAuth
	default:
		return pki.Policy{}, fmt.Errorf("--usage %q is none of client, server and any", f.usage)
	}
	return p, nil
}

// readInput reads a file named by a flag, up to limit bytes.
func readInput(flag, name string, limit int64) ([]byte, error) {
	if name == "" {
		return nil, fmt.Errorf("--%s is required: run 'countersign verify --help'", flag)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return data, nil
}

// parseChain reads the certificates of the chain file. A first one that cannot
// be read has a verdict already; others that cannot are of no help and left out.
func parseChain(data []byte, notes io.Writer, name string) (chain []*x509.Certificate, bad *pki.Verdict, err error) {
	count := 0
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != pki.PEMCertificate {
			continue
		}
		count++
		c, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err == nil:
			chain = append(chain, c)
		case count == 1:
			v := pki.Unreadable(err)
			return nil, &v, nil
		default:
			fmt.Fprintf(notes, "%s: entry %d is left out: %v\n", name, count, err)
		}
	}
	if count == 0 {
		return nil, nil, errors.New("there is no PEM block of type CERTIFICATE")
	}
	return chain, nil, nil
}

// printVerdict writes the verdict: for people on a terminal, and always as the
// JSON object of the last line.
func printVerdict(w io.Writer, v pki.Verdict) error {
	path := make([]string, len(v.Path))
	for i, c := range v.Path {
		path[i] = pki.FormatName(c.RawSubject)
	}
	if isTerminal(w) {
		p := colours(w)
		if v.Valid() {
			fmt.Fprintln(w, p.green("valid"))
		} else {
			fmt.Fprintf(w, "%s: %s\n", p.red("not valid"), v.Detail)
		}
		for i, subject := range path {
			fmt.Fprintf(w, "%s%s\n", strings.Repeat("  ", i+1), subject)
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		Valid  bool       `json:"valid"`
		Reason pki.Reason `json:"reason"`
		Detail string     `json:"detail"`
		Path   []string   `json:"path"`
	}{v.Valid(), v.Reason, v.Detail, path})
}
