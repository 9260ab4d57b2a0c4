package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"countersign/pki"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/spf13/cobra"
)

func caCommand() *cobra.Command {
	return groupCommand("ca", "Make and look at certificate authorities",
		`Make and look at certificate authorities, through the operations of AWS Private CA: whatever is
done here can be done with 'aws acm-pca' as well.`,
		caCreateCommand(), caListCommand(), caShowCommand(), caTreeCommand(), caImportCommand(), caCeremonyCommand())
}

// A ca is a certificate authority as these verbs show it, and the JSON of it.
type ca struct {
	ARN       string     `json:"arn"`
	ID        string     `json:"id"`
	Name      string     `json:"name"` // the common name, or the first attribute of the subject
	Type      string     `json:"type"`
	Status    string     `json:"status"`
	Key       string     `json:"keyAlgorithm"`
	Signing   string     `json:"signingAlgorithm"`
	Usage     string     `json:"usageMode"`
	Serial    string     `json:"serial,omitempty"`
	NotBefore *time.Time `json:"notBefore,omitempty"`
	NotAfter  *time.Time `json:"notAfter,omitempty"`
	DaysLeft  *int       `json:"daysLeft,omitempty"`
}

func newCA(of types.CertificateAuthority, now time.Time) ca {
	c := ca{ARN: aws.ToString(of.Arn), Type: string(of.Type), Status: string(of.Status), Usage: string(of.UsageMode), Serial: aws.ToString(of.Serial), NotBefore: of.NotBefore, NotAfter: of.NotAfter}
	c.ID = c.ARN[strings.LastIndex(c.ARN, "/")+1:]
	if config := of.CertificateAuthorityConfiguration; config != nil {
		c.Key, c.Signing = string(config.KeyAlgorithm), string(config.SigningAlgorithm)
		c.Name = nameOf(config.Subject)
	}
	if c.NotAfter != nil {
		days := daysUntil(*c.NotAfter, now)
		c.DaysLeft = &days
	}
	return c
}

// nameOf is what people call the holder of a subject.
func nameOf(s *types.ASN1Subject) string {
	if s == nil {
		return ""
	}
	for _, v := range []*string{s.CommonName, s.OrganizationalUnit, s.Organization} {
		if aws.ToString(v) != "" {
			return *v
		}
	}
	name := ""
	for _, a := range s.CustomAttributes {
		if name == "" || aws.ToString(a.ObjectIdentifier) == pki.CommonName {
			name = aws.ToString(a.Value)
		}
	}
	return name
}

// daysUntil counts whole days, rounded down: 0 is the last day, below it is over.
func daysUntil(end, now time.Time) int {
	return int(math.Floor(end.Sub(now).Hours() / 24))
}

// left says how long something lasts, red in the last week, yellow in the last month.
func (p palette) left(end *time.Time, now time.Time) string {
	if end == nil {
		return "-"
	}
	text, days := "", daysUntil(*end, now)
	switch {
	case days < -1:
		text = fmt.Sprintf("ended %d days ago", -days)
	case end.Before(now):
		text = "ended"
	case days == 0:
		text = fmt.Sprintf("%d hours", int(end.Sub(now).Hours()))
	case days == 1:
		text = "1 day"
	default:
		text = fmt.Sprintf("%d days", days)
	}
	switch {
	case days < 7:
		return p.red(text)
	case days < 30:
		return p.yellow(text)
	}
	return p.green(text)
}

// state colours a status.
func (p palette) state(status string) string {
	switch status {
	case "ACTIVE":
		return p.green(status)
	case "EXPIRED", "FAILED", "DELETED":
		return p.red(status)
	}
	return p.yellow(status)
}

// authorities lists all of the account's in the Region.
func (s *session) authorities(ctx context.Context) ([]ca, error) {
	all := []ca{}
	for pages := acmpca.NewListCertificateAuthoritiesPaginator(s.pca, &acmpca.ListCertificateAuthoritiesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, one := range page.CertificateAuthorities {
			all = append(all, newCA(one, s.now))
		}
	}
	return all, nil
}

// find resolves what a person calls an authority: its ARN, its id or at least
// four characters of its beginning, or its name.
func (s *session) find(ctx context.Context, name string) (ca, error) {
	if strings.HasPrefix(name, "arn:") {
		out, err := s.pca.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &name})
		if err != nil {
			return ca{}, err
		}
		return newCA(*out.CertificateAuthority, s.now), nil
	}
	all, err := s.authorities(ctx)
	if err != nil {
		return ca{}, err
	}
	var found []ca
	for _, c := range all {
		if c.Name == name || c.ID == name || len(name) >= 4 && strings.HasPrefix(c.ID, name) {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return ca{}, fmt.Errorf("there is no certificate authority %q in %s: 'countersign ca list' shows what there is; --region chooses another Region", name, s.config.Region)
	}
	ids := make([]string, len(found))
	for i, c := range found {
		ids[i] = c.ID + " (" + c.Status + ")"
	}
	return ca{}, fmt.Errorf("%d certificate authorities are called %q; name one by its id: %s", len(found), name, strings.Join(ids, ", "))
}

func caListCommand() *cobra.Command {
	return onNode(&cobra.Command{
		Use: "list", Short: "List the certificate authorities",
		Long: `List the certificate authorities of the account in the Region, with the days that their
certificates still last: on a terminal red in the last week, yellow in the last month.`,
		Example: `  countersign ca list
  countersign ca list --json | jq -r '.[] | select(.daysLeft < 30) | .name'`,
		Args: noArguments,
	}, func(ctx context.Context, s *session, _ []string) error {
		all, err := s.authorities(ctx)
		if err != nil {
			return err
		}
		if s.json {
			return s.encode(all)
		}
		if len(all) == 0 {
			_, err := fmt.Fprintf(s.out, "No certificate authorities in %s. Make one:\n  countersign ca create --name \"Example Root CA\"\n", s.config.Region)
			return err
		}
		t := newTable(s.out, s.palette, "NAME", "TYPE", "STATUS", "KEY", "LEFT", "ID")
		for _, c := range all {
			t.row(c.Name, c.Type, s.palette.state(c.Status), c.Key, s.palette.left(c.NotAfter, s.now), c.ID)
		}
		return t.flush()
	})
}

func caShowCommand() *cobra.Command {
	var csr, certificate, chain bool
	c := &cobra.Command{
		Use: "show name|id|arn", Short: "Show a certificate authority, its certificate or its request",
		Long: `Show a certificate authority. It is named by its common name, its id (four characters of its
beginning will do) or its ARN. With --csr, --certificate or --chain only that is printed, as PEM.`,
		Example: `  countersign ca show "Example Root CA"
  countersign ca show 1b2c --csr > ca.csr
  countersign ca show 1b2c --certificate --chain > truststore.pem`,
		Args: oneArgument("the name, id or ARN of one certificate authority"),
	}
	c.Flags().BoolVar(&csr, "csr", false, "print the certificate signing request")
	c.Flags().BoolVar(&certificate, "certificate", false, "print the authority's certificate")
	c.Flags().BoolVar(&chain, "chain", false, "print the certificates above it, the issuer first")
	return onNode(c, func(ctx context.Context, s *session, args []string) error {
		one, err := s.find(ctx, args[0])
		if err != nil {
			return err
		}
		if csr || certificate || chain {
			return s.printPEM(ctx, one, csr, certificate, chain)
		}
		if s.json {
			return s.encode(one)
		}
		t := newTable(s.out, s.palette)
		t.row("Name", s.palette.bold(one.Name))
		t.row("ARN", one.ARN)
		t.row("Type", one.Type+", "+one.Usage)
		t.row("Status", s.palette.state(one.Status))
		t.row("Key", one.Key+", signs with "+one.Signing)
		if one.NotAfter != nil {
			t.row("Serial", one.Serial)
			t.row("Valid", one.NotBefore.UTC().Format(time.RFC3339)+" to "+one.NotAfter.UTC().Format(time.RFC3339))
			t.row("Left", s.palette.left(one.NotAfter, s.now))
		}
		if err := t.flush(); err != nil {
			return err
		}
		if one.Status == string(types.CertificateAuthorityStatusPendingCertificate) {
			_, err = fmt.Fprintf(s.out, "\nIt waits for its certificate. Have its request signed, then import what comes back:\n  countersign ca show %[1]s --csr > ca.csr\n  countersign ca import --ca %[1]s --certificate ca.pem --chain chain.pem\n", one.ID)
		}
		return err
	})
}

func (s *session) printPEM(ctx context.Context, one ca, csr, certificate, chain bool) error {
	if csr {
		text, err := s.request(ctx, one.ARN)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(s.out, strings.TrimSpace(text)); err != nil {
			return err
		}
	}
	if !certificate && !chain {
		return nil
	}
	out, err := s.pca.GetCertificateAuthorityCertificate(ctx, &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &one.ARN})
	if err != nil {
		return err
	}
	if certificate {
		if _, err := fmt.Fprintln(s.out, strings.TrimSpace(*out.Certificate)); err != nil {
			return err
		}
	}
	if chain && aws.ToString(out.CertificateChain) != "" {
		_, err = fmt.Fprintln(s.out, strings.TrimSpace(*out.CertificateChain))
	}
	return err
}

// A branch is an authority with those below it.
type branch struct {
	ca
	// Elsewhere says that the authority is none of this node: it is known from
	// the chain of one that is.
	Elsewhere bool      `json:"elsewhere,omitempty"`
	Below     []*branch `json:"below"`

	subject string // with the key what makes a CA the same as another
	parent  string
}

func caTreeCommand() *cobra.Command {
	return onNode(&cobra.Command{
		Use: "tree", Short: "Draw the hierarchies of certificate authorities",
		Long: `Draw who signed whom. Authorities that this node does not hold, such as an offline root, are
drawn where the chain of one that it holds names them.`,
		Example: `  countersign ca tree
  countersign ca tree --json | jq -r '.[].below[].name'`,
		Args: noArguments,
	}, func(ctx context.Context, s *session, _ []string) error {
		roots, err := s.forest(ctx)
		if err != nil {
			return err
		}
		if s.json {
			return s.encode(roots)
		}
		for _, b := range roots {
			if err := s.draw(b, "", ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// forest puts every authority below the one that signed it.
func (s *session) forest(ctx context.Context) ([]*branch, error) {
	all, err := s.authorities(ctx)
	if err != nil {
		return nil, err
	}
	var list []*branch
	by := map[string]*branch{} // by subject and key
	var chains [][]*x509.Certificate
	for _, one := range all {
		b := &branch{ca: one, Below: []*branch{}}
		list = append(list, b)
		if one.NotAfter == nil || one.Status == string(types.CertificateAuthorityStatusDeleted) {
			continue // it has no certificate, or gives none
		}
		out, err := s.pca.GetCertificateAuthorityCertificate(ctx, &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &one.ARN})
		if err != nil {
			return nil, err
		}
		chain, err := parseCertificates(*out.Certificate + "\n" + aws.ToString(out.CertificateChain))
		if err != nil {
			return nil, fmt.Errorf("the certificate of %s: %w", one.ARN, err)
		}
		b.place(chain)
		by[b.subject] = b
		chains = append(chains, chain)
	}
	for _, chain := range chains {
		for i, c := range chain[1:] {
			if by[identity(c)] != nil {
				continue
			}
			end := c.NotAfter
			b := &branch{Elsewhere: true, Below: []*branch{}, ca: ca{Name: pki.FormatName(c.RawSubject), Serial: pki.SerialColons(c.SerialNumber), NotBefore: &c.NotBefore, NotAfter: &end}}
			b.place(chain[1+i:])
			by[b.subject] = b
			list = append(list, b)
		}
	}
	roots := []*branch{}
	for _, b := range list {
		if above := by[b.parent]; b.parent != "" && above != nil {
			above.Below = append(above.Below, b)
		} else {
			roots = append(roots, b)
		}
	}
	return roots, nil
}

// place notes who a branch is and who is above it, from its chain.
func (b *branch) place(chain []*x509.Certificate) {
	b.subject = identity(chain[0])
	if len(chain) > 1 {
		b.parent = identity(chain[1])
	}
}

// identity is what stays the same when a CA's certificate is renewed.
func identity(c *x509.Certificate) string {
	return string(c.RawSubject) + string(c.RawSubjectPublicKeyInfo)
}

func (s *session) draw(b *branch, first, rest string) error {
	p := s.palette
	line := first + p.bold(b.Name)
	if b.Elsewhere {
		line += p.dim("  not on this node")
	} else {
		line += "  " + p.state(b.Status)
	}
	if b.NotAfter != nil {
		line += "  " + p.left(b.NotAfter, s.now)
	}
	if !b.Elsewhere {
		line += "  " + p.dim(b.Key+"  "+b.ID)
	}
	if _, err := fmt.Fprintln(s.out, line); err != nil {
		return err
	}
	for i, below := range b.Below {
		branchMark, space := "├─ ", "│  "
		if i == len(b.Below)-1 {
			branchMark, space = "└─ ", "   "
		}
		if err := s.draw(below, rest+branchMark, rest+space); err != nil {
			return err
		}
	}
	return nil
}

// parseCertificates reads the PEM certificates of an answer.
func parseCertificates(text string) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, errors.New("no PEM certificate")
	}
	return list, nil
}

// request fetches an authority's CSR, waiting for its key.
func (s *session) request(ctx context.Context, arn string) (string, error) {
	in := &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &arn}
	waiter := acmpca.NewCertificateAuthorityCSRCreatedWaiter(s.pca, func(o *acmpca.CertificateAuthorityCSRCreatedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	})
	out, err := waiter.WaitForOutput(ctx, in, time.Minute)
	if err != nil {
		return "", err
	}
	return *out.Csr, nil
}
