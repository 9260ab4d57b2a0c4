package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"countersign/keys"
	"countersign/pki"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

func certCommand() *cobra.Command {
	return groupCommand("cert", "Issue, look at and revoke certificates",
		`Issue, look at and revoke certificates, through the operations of AWS Private CA: whatever is done
here can be done with 'aws acm-pca' as well.`,
		certIssueCommand(), certListCommand(), certShowCommand(), certRevokeCommand())
}

// certDays is the life of a certificate that nobody gave a length.
const certDays = 90

// A cert is a certificate as these verbs show it, and the JSON of it.
type cert struct {
	ARN       string    `json:"arn"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	Names     []string  `json:"names"` // subject alternative names
	CA        bool      `json:"ca"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	DaysLeft  int       `json:"daysLeft"`
	Files     []string  `json:"files,omitempty"` // written by issue

	out *acmpca.GetCertificateOutput
}

func (s *session) newCert(arn string, out *acmpca.GetCertificateOutput) (cert, error) {
	list, err := parseCertificates(aws.ToString(out.Certificate))
	if err != nil {
		return cert{}, fmt.Errorf("the certificate %s: %w", arn, err)
	}
	c := list[0]
	one := cert{
		ARN: arn, Subject: pki.FormatName(c.RawSubject), Issuer: pki.FormatName(c.RawIssuer), Serial: pki.SerialColons(c.SerialNumber), Names: []string{}, CA: c.IsCA,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, DaysLeft: daysUntil(c.NotAfter, s.now), out: out,
	}
	one.Names = append(append(one.Names, c.DNSNames...), c.EmailAddresses...)
	for _, ip := range c.IPAddresses {
		one.Names = append(one.Names, ip.String())
	}
	for _, u := range c.URIs {
		one.Names = append(one.Names, u.String())
	}
	return one, nil
}

// issue has a certificate issued and fetches it.
func (s *session) issue(ctx context.Context, in *acmpca.IssueCertificateInput) (cert, error) {
	token, err := uuid.NewRandomFromReader(rand.Reader)
	if err != nil {
		return cert{}, err
	}
	in.IdempotencyToken = aws.String(token.String()) // of the SDK's own retries
	issued, err := s.pca.IssueCertificate(ctx, in)
	if err != nil {
		return cert{}, err
	}
	waiter := acmpca.NewCertificateIssuedWaiter(s.pca, func(o *acmpca.CertificateIssuedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	})
	out, err := waiter.WaitForOutput(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: in.CertificateAuthorityArn, CertificateArn: issued.CertificateArn}, time.Minute)
	if err != nil {
		return cert{}, err
	}
	return s.newCert(*issued.CertificateArn, out)
}

type certIssueFlags struct {
	ca, csr, name, key, template, out string
	names                             []string
	days                              int
}

func certIssueCommand() *cobra.Command {
	var f certIssueFlags
	c := &cobra.Command{
		Use: "issue --ca name", Short: "Issue a certificate, from a request or with a new key",
		Long: `Issue a certificate. With --csr the request is yours, and no key is made. Without it a key is made
on this machine, never sent anywhere, and kept beside the certificate: --out client writes
client.key (mode 0600), client.pem and client-chain.pem. Files that are there are not overwritten.

The template decides what the certificate is for: EndEntityCertificate (server and client),
EndEntityClientAuthCertificate, EndEntityServerAuthCertificate, CodeSigningCertificate, …`,
		Example: `  countersign cert issue --ca "Example Issuing CA" --name client.example.test --out client
  countersign cert issue --ca 1b2c --name api.example.test --san api.example.test,192.0.2.7 --template EndEntityServerAuthCertificate --out api
  countersign cert issue --ca 1b2c --csr client.csr --days 30 > client.pem`,
		Args: noArguments,
		// What makes no sense is told before a node is looked for.
		PreRunE: func(*cobra.Command, []string) error { return f.check() },
	}
	flags := c.Flags()
	flags.StringVar(&f.ca, "ca", "", "the authority to issue it: name, id or ARN (required)")
	flags.StringVar(&f.csr, "csr", "", "file with the certificate signing request, PEM")
	flags.StringVar(&f.name, "name", "", "common name, for a new key")
	flags.StringSliceVar(&f.names, "san", nil, "subject alternative names, for a new key: DNS names, IP addresses, e-mail addresses, URIs (default: --name, where it is a DNS name)")
	flags.StringVar(&f.key, "key", string(keys.P256), "algorithm of the new key: EC_prime256v1, EC_secp384r1, EC_secp521r1, RSA_2048, RSA_3072 or RSA_4096")
	flags.StringVar(&f.template, "template", pki.DefaultTemplate, "certificate template: name or ARN")
	flags.IntVar(&f.days, "days", 0, "how long it lasts (default 90, 7 for a short-lived authority, or what is left of the authority's life)")
	flags.StringVar(&f.out, "out", "", "prefix of the files to write (default, with --csr: standard output)")
	return onNode(c, func(ctx context.Context, s *session, _ []string) error {
		return f.issue(ctx, s)
	})
}

func (f *certIssueFlags) check() error {
	switch {
	case f.ca == "":
		return exitError{statusUsage, "say which authority issues it: --ca name; 'countersign ca list' shows what there is"}
	case (f.csr == "") == (f.name == ""):
		return exitError{statusUsage, "give --name for a new key, or --csr with a request of yours"}
	case f.csr != "" && len(f.names) > 0:
		return exitError{statusUsage, "the request of --csr has its names in it: leave --san out"}
	case f.csr == "" && f.out == "":
		return exitError{statusUsage, "a new key needs a place: --out client writes client.key, client.pem and client-chain.pem"}
	case f.days < 0:
		return exitError{statusUsage, fmt.Sprintf("--days %d: give a number of days from 1", f.days)}
	}
	for _, file := range f.files() {
		if _, err := os.Lstat(file); err == nil {
			return fmt.Errorf("%s is there already: choose another --out, or move it away", file)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// files are what the flags have written.
func (f *certIssueFlags) files() []string {
	switch {
	case f.out == "":
		return nil
	case f.csr != "":
		return []string{f.out + ".pem", f.out + "-chain.pem"}
	}
	return []string{f.out + ".key", f.out + ".pem", f.out + "-chain.pem"}
}

func (f *certIssueFlags) issue(ctx context.Context, s *session) error {
	from, err := s.find(ctx, f.ca)
	if err != nil {
		return err
	}
	var request []byte
	if f.csr != "" {
		request, err = readInput("csr", f.csr, 64<<10)
	} else {
		request, err = f.newKey()
	}
	if err != nil {
		return err
	}
	days := f.days
	if days == 0 {
		if days = untilEnd(certDays, from); from.Usage == string(types.CertificateAuthorityUsageModeShortLivedCertificate) {
			days = min(days, 7)
		}
	}
	made, err := s.issue(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &from.ARN, Csr: request, SigningAlgorithm: types.SigningAlgorithm(from.Signing), TemplateArn: aws.String(templateARN(f.template)),
		Validity: &types.Validity{Type: types.ValidityPeriodTypeDays, Value: aws.Int64(int64(days))},
	})
	if err != nil {
		return err
	}
	leaf, chain := strings.TrimSpace(*made.out.Certificate)+"\n", strings.TrimSpace(aws.ToString(made.out.CertificateChain))+"\n"
	if f.out != "" {
		if err := writeNew(f.out+".pem", []byte(leaf), 0o644); err != nil {
			return err
		}
		if err := writeNew(f.out+"-chain.pem", []byte(chain), 0o644); err != nil {
			return err
		}
		made.Files = f.files()
	}
	switch {
	case s.json:
		return s.encode(made)
	case f.out == "":
		_, err = fmt.Fprint(s.out, leaf, chain)
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s until %s, written to %s.\n  %s\n", s.palette.bold(made.Subject), made.NotAfter.UTC().Format(time.DateOnly), strings.Join(made.Files, ", "), made.ARN)
	return err
}

// newKey makes a key, keeps it, and gives a request for it. The key is on disk
// before the certificate exists: the other way round it could be lost.
func (f *certIssueFlags) newKey() ([]byte, error) {
	key, err := keys.Generate(keys.Algorithm(f.key), rand.Reader)
	if err != nil {
		return nil, exitError{statusUsage, fmt.Sprintf("--key %q: give EC_prime256v1, EC_secp384r1, EC_secp521r1, RSA_2048, RSA_3072 or RSA_4096", f.key)}
	}
	request, err := f.request(key)
	if err != nil {
		return nil, err
	}
	der, err := keys.Marshal(key)
	if err != nil {
		return nil, err
	}
	return request, writeNew(f.out+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func (f *certIssueFlags) request(key crypto.Signer) ([]byte, error) {
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: f.name}}
	names := f.names
	if len(names) == 0 && strings.Contains(f.name, ".") && !strings.ContainsAny(f.name, " @/:") {
		names = []string{f.name}
	}
	for _, name := range names {
		switch ip := net.ParseIP(name); {
		case ip != nil:
			template.IPAddresses = append(template.IPAddresses, ip)
		case strings.Contains(name, "://"):
			u, err := url.Parse(name)
			if err != nil {
				return nil, exitError{statusUsage, fmt.Sprintf("--san %q is no URI: %v", name, err)}
			}
			template.URIs = append(template.URIs, u)
		case strings.Contains(name, "@"):
			template.EmailAddresses = append(template.EmailAddresses, name)
		default:
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	return []byte(pki.EncodePEM(pki.PEMRequest, der)), nil
}

// writeNew writes a file that must not be there, and has it on disk on return.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// certificateName is how a certificate is named on the command line: its ARN,
// or with --ca its serial number.
func (s *session) certificateName(ctx context.Context, authority, name string) (arn, of string, err error) {
	if strings.HasPrefix(name, "arn:") {
		of, _, ok := strings.Cut(name, "/certificate/")
		if !ok {
			return "", "", fmt.Errorf("%s is not the ARN of a certificate: it would end with /certificate/ and 32 digits", name)
		}
		return name, of, nil
	}
	if authority == "" {
		return "", "", exitError{statusUsage, fmt.Sprintf("%q is not an ARN: name the certificate by its ARN, or by its serial number and --ca", name)}
	}
	serial, err := pki.ParseSerial(name)
	if err != nil {
		return "", "", exitError{statusUsage, err.Error()}
	}
	from, err := s.find(ctx, authority)
	if err != nil {
		return "", "", err
	}
	return fmt.Sprintf("%s/certificate/%032x", from.ARN, serial), from.ARN, nil
}

func certShowCommand() *cobra.Command {
	var authority string
	var asPEM, chain bool
	c := &cobra.Command{
		Use: "show arn|serial", Short: "Show a certificate",
		Long: `Show a certificate that an authority of the node issued. It is named by its ARN, or by its serial
number together with --ca. With --pem or --chain only that is printed, as PEM.`,
		Example: `  countersign cert show --ca "Example Issuing CA" 4f:0a:…
  countersign cert show arn:aws:acm-pca:…/certificate/4f0a… --pem | openssl x509 -text`,
		Args: oneArgument("the ARN of one certificate, or its serial number"),
	}
	c.Flags().StringVar(&authority, "ca", "", "the authority that issued it, where a serial number is given")
	c.Flags().BoolVar(&asPEM, "pem", false, "print the certificate")
	c.Flags().BoolVar(&chain, "chain", false, "print the certificates above it, the issuer first")
	return onNode(c, func(ctx context.Context, s *session, args []string) error {
		arn, of, err := s.certificateName(ctx, authority, args[0])
		if err != nil {
			return err
		}
		out, err := s.pca.GetCertificate(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &of, CertificateArn: &arn})
		if err != nil {
			return err
		}
		if asPEM || chain {
			text := ""
			if asPEM {
				text = strings.TrimSpace(*out.Certificate) + "\n"
			}
			if above := strings.TrimSpace(aws.ToString(out.CertificateChain)); chain && above != "" {
				text += above + "\n"
			}
			_, err := fmt.Fprint(s.out, text)
			return err
		}
		one, err := s.newCert(arn, out)
		if err != nil {
			return err
		}
		if s.json {
			return s.encode(one)
		}
		t := newTable(s.out, s.palette)
		t.row("Subject", s.palette.bold(one.Subject))
		t.row("Issuer", one.Issuer)
		t.row("Serial", one.Serial)
		if len(one.Names) > 0 {
			t.row("Names", strings.Join(one.Names, ", "))
		}
		t.row("Valid", one.NotBefore.UTC().Format(time.RFC3339)+" to "+one.NotAfter.UTC().Format(time.RFC3339))
		t.row("Left", s.palette.left(&one.NotAfter, s.now))
		t.row("ARN", one.ARN)
		return t.flush()
	})
}

func certRevokeCommand() *cobra.Command {
	var authority, reason string
	c := &cobra.Command{
		Use: "revoke arn|serial", Short: "Revoke a certificate for good",
		Long: `Revoke a certificate for good. It is named by its ARN, or by its serial number together with --ca.
The gateway of the node refuses it from then on.

Reasons: unspecified, key-compromise, certificate-authority-compromise, affiliation-changed, superseded,
cessation-of-operation, privilege-withdrawn, a-a-compromise.`,
		Example: `  countersign cert revoke --ca "Example Issuing CA" 4f:0a:… --reason key-compromise`,
		Args:    oneArgument("the ARN of one certificate, or its serial number"),
	}
	c.Flags().StringVar(&authority, "ca", "", "the authority that issued it, where a serial number is given")
	c.Flags().StringVar(&reason, "reason", "unspecified", "why")
	return onNode(c, func(ctx context.Context, s *session, args []string) error {
		arn, of, err := s.certificateName(ctx, authority, args[0])
		if err != nil {
			return err
		}
		_, digits, _ := strings.Cut(arn, "/certificate/")
		code := types.RevocationReason(strings.ToUpper(strings.ReplaceAll(reason, "-", "_")))
		if _, err := s.pca.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &of, CertificateSerial: &digits, RevocationReason: code}); err != nil {
			return err
		}
		if s.json {
			return s.encode(map[string]string{"arn": arn, "reason": string(code)})
		}
		_, err = fmt.Fprintf(s.out, "%s is revoked: %s.\n", arn, code)
		return err
	})
}
