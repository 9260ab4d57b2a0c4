package certificates

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"countersign/keys"
	"countersign/pki"
	"countersign/store"
)

// ready demands that a certificate was issued.
func ready(r *record) error {
	switch r.State {
	case issued:
		return nil
	case pending:
		return notIssued(r)
	}
	reason := ""
	if r.FailureReason != "" {
		reason = " (" + r.FailureReason + ")"
	}
	return validationFailed("Certificate %s was not issued: its status is %s%s; request it again", r.arn(), r.State, reason)
}

// GetCertificate answers a certificate and the chain above it, PEM with a
// newline after each block.
func (s *Service) GetCertificate(ctx context.Context, in *acm.GetCertificateInput) (*acm.GetCertificateOutput, error) {
	r, err := s.load(ctx, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	if err := ready(r); err != nil {
		return nil, err
	}
	chain, err := r.chain()
	if err != nil {
		return nil, err
	}
	out := &acm.GetCertificateOutput{Certificate: aws.String(pki.EncodePEM(pki.PEMCertificate, r.Certificate))}
	if len(chain) > 0 {
		out.CertificateChain = aws.String(pki.EncodeChain(chain))
	}
	return out, nil
}

// ExportCertificate answers a certificate with its chain and its private key,
// encrypted under the passphrase as AWS does it (pki.EncryptPKCS8). That it was
// exported is durable before the key leaves.
func (s *Service) ExportCertificate(ctx context.Context, in *acm.ExportCertificateInput) (*acm.ExportCertificateOutput, error) {
	if err := checkPassphrase(in.Passphrase); err != nil {
		return nil, err
	}
	r, err := s.load(ctx, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	if r.Source == imported {
		return nil, validationFailed("Certificate %s was imported; only certificates that ACM requested can be exported", r.arn())
	}
	if exportOption(r) != types.CertificateExportEnabled {
		return nil, validationFailed("Certificate %s cannot be exported: it was requested without Options.Export=ENABLED", r.arn())
	}
	if err := ready(r); err != nil {
		return nil, err
	}
	chain, err := r.chain()
	if err != nil {
		return nil, err
	}
	key, err := s.sealer.OpenKey(r.Key, r.arn())
	if err != nil {
		return nil, err
	}
	der, err := keys.Marshal(key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	box, err := pki.EncryptPKCS8(der, in.Passphrase, s.rand)
	if err != nil {
		return nil, fmt.Errorf("encrypt the key of %s: %w", r.arn(), err)
	}
	if !r.Exported {
		if err := s.update(ctx, in.CertificateArn, func(r *record, _ *store.Batch) error { r.Exported = true; return nil }); err != nil {
			return nil, err
		}
	}
	return &acm.ExportCertificateOutput{
		Certificate:      aws.String(pki.EncodePEM(pki.PEMCertificate, r.Certificate)),
		CertificateChain: aws.String(pki.EncodeChain(chain)),
		PrivateKey:       aws.String(pki.EncodePEM(pki.PEMEncryptedKey, box)),
	}, nil
}

// checkPassphrase applies the rules of the user guide: 4 to 128 characters of
// ASCII, without #, $ and %. The passphrase is never trimmed: a newline at its end
// is part of it.
func checkPassphrase(p []byte) error {
	if len(p) < 4 || len(p) > 128 {
		return validationFailed("the passphrase has %d bytes; it must have 4 to 128", len(p))
	}
	for _, c := range p {
		if c >= 0x80 || c == '#' || c == '$' || c == '%' {
			return validationFailed("the passphrase has a character that is not allowed: use ASCII without #, $ and %%")
		}
	}
	return nil
}

// DeleteCertificate removes a certificate with its key. What a private
// authority issued stays valid: revoke it there.
func (s *Service) DeleteCertificate(ctx context.Context, in *acm.DeleteCertificateInput) (*acm.DeleteCertificateOutput, error) {
	for range attempts {
		r, err := s.load(ctx, in.CertificateArn)
		if err != nil {
			return nil, err
		}
		users, err := s.inUse(ctx, r.arn())
		if err != nil {
			return nil, err
		}
		if len(users) > 0 {
			return nil, &types.ResourceInUseException{Message: aws.String(fmt.Sprintf("Certificate %s in account %s is in use by %s", r.arn(), r.Account, users[0]))}
		}
		_, err = s.store.Commit(ctx, (&store.Batch{}).DeleteIf(KindCertificate, r.key(), r.revision).Delete(KindPending, r.key()))
		if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &acm.DeleteCertificateOutput{}, nil
	}
	return nil, &types.ConflictException{Message: aws.String(fmt.Sprintf("certificate %s is being changed by others; try again", aws.ToString(in.CertificateArn)))}
}

// An Info is what is worth knowing about a certificate that a server presents.
type Info struct {
	ARN       string
	Type      string // PRIVATE, AMAZON_ISSUED or IMPORTED
	Status    string // ISSUED, EXPIRED, PENDING_VALIDATION, …
	Domain    string
	Names     []string // host names, wildcards among them, and IP addresses
	Algorithm keys.Algorithm
	NotAfter  time.Time // zero before it is issued
}

// ServerCertificate answers a certificate with its unsealed key, for a data
// plane to present: leaf first, then those above it that are not self-signed. It
// takes the ARN for what it says, whoever asks: the caller has to check that
// account and Region are its own. Before the certificate is issued only Info is
// filled in. No such certificate is a *types.ResourceNotFoundException.
func (s *Service) ServerCertificate(ctx context.Context, name string) (tls.Certificate, Info, error) {
	a, id, err := parseARN(name)
	if err != nil {
		return tls.Certificate{}, Info{}, err
	}
	r, err := s.read(ctx, a.Account+"/"+a.Region+"/"+id, name)
	if err != nil {
		return tls.Certificate{}, Info{}, err
	}
	leaf, err := r.leaf()
	if err != nil {
		return tls.Certificate{}, Info{}, err
	}
	info := Info{ARN: r.arn(), Type: string(r.Source), Status: string(r.status(leaf, s.now())), Domain: r.Domain, Names: r.Names, Algorithm: r.Algorithm}
	if leaf == nil {
		return tls.Certificate{}, info, nil
	}
	info.NotAfter = leaf.NotAfter
	key, err := s.sealer.OpenKey(r.Key, r.arn())
	if err != nil {
		return tls.Certificate{}, info, err
	}
	chain, err := r.chain()
	if err != nil {
		return tls.Certificate{}, info, err
	}
	out := tls.Certificate{Certificate: [][]byte{r.Certificate}, PrivateKey: key, Leaf: leaf}
	for _, c := range chain {
		if string(c.RawSubject) != string(c.RawIssuer) { // who trusts a root has it
			out.Certificate = append(out.Certificate, c.Raw)
		}
	}
	return out, info, nil
}
