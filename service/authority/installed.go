package authority

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"

	"countersign/pki"
)

// GetCertificateAuthorityCsr answers the request that an authority's
// certificate is made from, PEM without a newline at its end.
func (s *Service) GetCertificateAuthorityCsr(ctx context.Context, in *acmpca.GetCertificateAuthorityCsrInput) (*acmpca.GetCertificateAuthorityCsrOutput, error) {
	r, err := s.load(ctx, in.CertificateAuthorityArn)
	if err != nil {
		return nil, err
	}
	switch r.State {
	case creating:
		return nil, inProgress("The key of certificate authority %s is still being made; ask again in a moment", r.arn())
	case deleted, failed:
		return nil, invalidState("The certificate authority %s is %s, which is not the correct state to have a certificate signing request", r.arn(), r.State)
	}
	return &acmpca.GetCertificateAuthorityCsrOutput{Csr: aws.String(pki.EncodePEMBare(pki.PEMRequest, r.CSR))}, nil
}

// GetCertificateAuthorityCertificate answers an authority's own certificate,
// and for a subordinate the chain above it, the issuer first and the root last.
func (s *Service) GetCertificateAuthorityCertificate(ctx context.Context, in *acmpca.GetCertificateAuthorityCertificateInput) (*acmpca.GetCertificateAuthorityCertificateOutput, error) {
	r, err := s.load(ctx, in.CertificateAuthorityArn)
	if err != nil {
		return nil, err
	}
	if r.State == deleted || r.Certificate == nil {
		// AWS really speaks of the request here.
		return nil, invalidState("The certificate authority %s is not in the correct state to have a certificate signing request.", r.arn())
	}
	chain, err := r.chain()
	if err != nil {
		return nil, err
	}
	out := &acmpca.GetCertificateAuthorityCertificateOutput{Certificate: aws.String(pki.EncodePEMBare(pki.PEMCertificate, r.Certificate))}
	if len(chain) > 0 {
		out.CertificateChain = aws.String(pki.EncodeChainBare(chain))
	}
	return out, nil
}

// ImportCertificateAuthorityCertificate installs an authority's certificate
// after the checks of pki.CheckImport; the authority is ACTIVE then. An authority
// that has one already gets the new one in its place: same key, new dates.
func (s *Service) ImportCertificateAuthorityCertificate(ctx context.Context, in *acmpca.ImportCertificateAuthorityCertificateInput) (*acmpca.ImportCertificateAuthorityCertificateOutput, error) {
	return &acmpca.ImportCertificateAuthorityCertificateOutput{}, s.update(ctx, in.CertificateAuthorityArn, func(r *record) error {
		now := s.now()
		status, err := r.status(now)
		if err != nil {
			return err
		}
		switch status {
		case creating:
			return inProgress("The key of certificate authority %s is still being made; ask again in a moment", r.arn())
		case pending, active, disabled, expired:
		default:
			return invalidState("certificate authority %s is %s; a certificate cannot be imported", r.arn(), status)
		}
		csr, err := x509.ParseCertificateRequest(r.CSR)
		if err != nil {
			return fmt.Errorf("parse the certificate request of %s: %w", r.arn(), err)
		}
		own, chain, err := pki.CheckImport(pki.Import{
			Root: r.Root, Key: csr.PublicKey, Subject: csr.RawSubject,
			Certificate: in.Certificate, Chain: in.CertificateChain, At: now,
		})
		if err != nil {
			return importError(err)
		}
		r.Certificate, r.Chain = own.Raw, nil
		for _, c := range chain {
			r.Chain = append(r.Chain, c.Raw)
		}
		if r.set(active, now); status == expired {
			r.ChangedAt = now
		}
		return nil
	})
}
