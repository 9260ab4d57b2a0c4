package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// Lives of certificates that nobody gave a length.
const (
	rootDays        = 3650
	subordinateDays = 1825
)

type caCreateFlags struct {
	name, organization, unit, country, state, locality string
	parent, key                                        string
	days, pathLen                                      int
	shortLived, csr                                    bool
	tags                                               map[string]string
}

func caCreateCommand() *cobra.Command {
	var f caCreateFlags
	c := &cobra.Command{
		Use: "create --name name", Short: "Make a certificate authority, ready to issue",
		Long: `Make a certificate authority and give it its certificate, so that it is ACTIVE: a root signs its
own, a subordinate (--parent) has it signed by another authority of this node. With --csr a
subordinate is left waiting and its request is printed, for a CA elsewhere to sign.

Its life is 3650 days for a root, 1825 for a subordinate, or what is left of its parent's.`,
		Example: `  countersign ca create --name "Example Root CA" --organization Example --country DE
  countersign ca create --name "Example Issuing CA" --parent "Example Root CA" --days 730
  countersign ca create --name "Below an offline root" --csr > ca.csr`,
		Args: noArguments,
		// What makes no sense is told before a node is looked for.
		PreRunE: func(*cobra.Command, []string) error { return f.check() },
	}
	flags := c.Flags()
	flags.StringVar(&f.name, "name", "", "common name (required)")
	flags.StringVar(&f.organization, "organization", "", "organization of the subject")
	flags.StringVar(&f.unit, "unit", "", "organizational unit of the subject")
	flags.StringVar(&f.country, "country", "", "country of the subject, two letters")
	flags.StringVar(&f.state, "state", "", "state or province of the subject")
	flags.StringVar(&f.locality, "locality", "", "locality of the subject")
	flags.StringVar(&f.parent, "parent", "", "make a subordinate of this authority (name, id or ARN)")
	flags.StringVar(&f.key, "key", string(types.KeyAlgorithmEcPrime256v1), "key algorithm: EC_prime256v1, EC_secp384r1, EC_secp521r1, RSA_2048, RSA_3072 or RSA_4096")
	flags.IntVar(&f.days, "days", 0, "how long its certificate lasts")
	flags.IntVar(&f.pathLen, "path-len", 0, "how many levels of authorities may be below a subordinate, 0 to 3")
	flags.BoolVar(&f.shortLived, "short-lived", false, "it will issue certificates of at most 7 days, which need no revocation")
	flags.BoolVar(&f.csr, "csr", false, "make a subordinate and print its request")
	flags.StringToStringVar(&f.tags, "tag", nil, "tags, as key=value")
	return onNode(c, func(ctx context.Context, s *session, _ []string) error {
		return f.create(ctx, s)
	})
}

func (f *caCreateFlags) check() error {
	switch {
	case f.name == "":
		return exitError{statusUsage, "a certificate authority needs a name: --name \"Example Root CA\""}
	case f.csr && f.parent != "":
		return exitError{statusUsage, "--csr is for a parent elsewhere, --parent for one of this node: give one of the two"}
	case f.csr && f.days != 0:
		return exitError{statusUsage, "who signs the request decides how long the certificate lasts: leave --days out"}
	case f.pathLen < 0 || f.pathLen > 3:
		return exitError{statusUsage, fmt.Sprintf("--path-len %d: give 0 to 3", f.pathLen)}
	case f.pathLen > 0 && f.parent == "":
		return exitError{statusUsage, "--path-len is for subordinates: name the authority to sign with --parent"}
	case f.days < 0:
		return exitError{statusUsage, fmt.Sprintf("--days %d: give a number of days from 1", f.days)}
	}
	return nil
}

// signingFor is the usual signing algorithm of a key.
func signingFor(key string) types.SigningAlgorithm {
	switch types.KeyAlgorithm(key) {
	case types.KeyAlgorithmEcSecp384r1:
		return types.SigningAlgorithmSha384withecdsa
	case types.KeyAlgorithmEcSecp521r1:
		return types.SigningAlgorithmSha512withecdsa
	case types.KeyAlgorithmRsa2048, types.KeyAlgorithmRsa3072, types.KeyAlgorithmRsa4096:
		return types.SigningAlgorithmSha256withrsa
	}
	return types.SigningAlgorithmSha256withecdsa
}

// optional is nil for a flag that was not given.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (f *caCreateFlags) create(ctx context.Context, s *session) error {
	root := f.parent == "" && !f.csr
	var parent ca
	if f.parent != "" {
		var err error
		if parent, err = s.find(ctx, f.parent); err != nil {
			return err
		}
	}
	token, err := uuid.NewRandomFromReader(rand.Reader)
	if err != nil {
		return err
	}
	in := &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: types.CertificateAuthorityTypeSubordinate,
		CertificateAuthorityConfiguration: &types.CertificateAuthorityConfiguration{
			KeyAlgorithm: types.KeyAlgorithm(f.key), SigningAlgorithm: signingFor(f.key),
			Subject: &types.ASN1Subject{
				CommonName: &f.name, Organization: optional(f.organization), OrganizationalUnit: optional(f.unit),
				Country: optional(f.country), State: optional(f.state), Locality: optional(f.locality),
			},
		},
		IdempotencyToken: aws.String(token.String()), // of the SDK's own retries
	}
	if root {
		in.CertificateAuthorityType = types.CertificateAuthorityTypeRoot
	}
	if f.shortLived {
		in.UsageMode = types.CertificateAuthorityUsageModeShortLivedCertificate
	}
	for k, v := range f.tags {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	made, err := s.pca.CreateCertificateAuthority(ctx, in)
	if err != nil {
		return err
	}
	arn := *made.CertificateAuthorityArn
	if err := f.activate(ctx, s, arn, root, parent); err != nil {
		if err = s.explain(err); errors.Is(err, context.Canceled) {
			return err
		}
		return fmt.Errorf("%w\n%s was made and waits for its certificate: sign it, or take it back with\n  aws acm-pca delete-certificate-authority --certificate-authority-arn %s", err, f.name, arn)
	}
	return f.tell(ctx, s, arn)
}

// activate gives a new authority its certificate, unless others are to sign it.
func (f *caCreateFlags) activate(ctx context.Context, s *session, arn string, root bool, parent ca) error {
	csr, err := s.request(ctx, arn)
	if err != nil || f.csr {
		return err
	}
	issuer, signing, template, days := arn, signingFor(f.key), "RootCACertificate", rootDays
	if !root {
		issuer, signing = parent.ARN, types.SigningAlgorithm(parent.Signing)
		template = fmt.Sprintf("SubordinateCACertificate_PathLen%d", f.pathLen)
		days = untilEnd(subordinateDays, parent)
	}
	if f.days != 0 {
		days = f.days
	}
	certificate, err := s.issue(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &issuer, Csr: []byte(csr), SigningAlgorithm: signing, TemplateArn: aws.String(templateARN(template)),
		Validity: &types.Validity{Type: types.ValidityPeriodTypeDays, Value: aws.Int64(int64(days))},
	})
	if err != nil {
		return err
	}
	in := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &arn, Certificate: []byte(*certificate.out.Certificate)}
	if !root {
		in.CertificateChain = []byte(aws.ToString(certificate.out.CertificateChain))
	}
	_, err = s.pca.ImportCertificateAuthorityCertificate(ctx, in)
	return err
}

func (f *caCreateFlags) tell(ctx context.Context, s *session, arn string) error {
	made, err := s.find(ctx, arn)
	if err != nil {
		return err
	}
	switch {
	case f.csr:
		return s.printPEM(ctx, made, true, false, false)
	case s.json:
		return s.encode(made)
	}
	_, err = fmt.Fprintf(s.out, "%s is %s until %s.\n  %s\n\nTry next:\n  countersign cert issue --ca %s --name client.example.test --out client\n",
		s.palette.bold(made.Name), s.palette.state(made.Status), made.NotAfter.UTC().Format(time.DateOnly), made.ARN, shellQuote(made.Name))
	return err
}

// untilEnd is days, or fewer where the issuer ends before: nothing outlives its issuer.
func untilEnd(days int, issuer ca) int {
	if issuer.DaysLeft != nil {
		return max(1, min(days, *issuer.DaysLeft))
	}
	return days
}

// templateARN takes a template's name, with or without its version, or its ARN.
func templateARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return "arn:aws:acm-pca:::template/" + strings.TrimSuffix(name, "/V1") + "/V1"
}
