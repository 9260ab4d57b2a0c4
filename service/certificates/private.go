package certificates

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pca "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/smithy-go"

	"countersign/keys"
	"countersign/pki"
	"countersign/store"
)

// privateDays is the life of a certificate from a private authority ("13 months").
const privateDays = 395

// issuePrivately has r's authority issue it, and records the outcome: ISSUED,
// or FAILED when the authority refuses. An error means that the outcome is open;
// call it again. Calling it twice, even at the same time, issues one certificate:
// the request is fixed, and the certificate's id is the idempotency token.
func (s *Service) issuePrivately(ctx context.Context, r *record) error {
	leaf, chain, err := s.fromAuthority(ctx, r)
	if reason, final := failureReason(err); final {
		return s.finish(ctx, r, func(r *record) { r.State, r.FailureReason = failed, string(reason) })
	}
	if err != nil {
		return fmt.Errorf("issue %s from %s: %w", r.arn(), r.Authority, err)
	}
	now := s.now()
	return s.finish(ctx, r, func(r *record) {
		r.State, r.IssuedAt, r.Certificate, r.Chain = issued, now, leaf, chain
	})
}

// errShortLived: the authority is for certificates of seven days, which is less
// than ACM's.
var errShortLived = errors.New("the certificate authority is in SHORT_LIVED_CERTIFICATE mode")

func (s *Service) fromAuthority(ctx context.Context, r *record) (leaf []byte, chain [][]byte, err error) {
	described, err := s.authority.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &r.Authority})
	if err != nil {
		return nil, nil, err
	}
	ca := described.CertificateAuthority
	if ca.UsageMode == pca.CertificateAuthorityUsageModeShortLivedCertificate {
		return nil, nil, errShortLived
	}
	done, err := s.authority.IssueCertificate(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &r.Authority,
		Csr:                     []byte(pki.EncodePEM(pki.PEMRequest, r.CSR)),
		SigningAlgorithm:        signingAlgorithm(keys.Algorithm(ca.CertificateAuthorityConfiguration.KeyAlgorithm)),
		Validity:                &pca.Validity{Type: pca.ValidityPeriodTypeDays, Value: aws.Int64(privateDays)},
		IdempotencyToken:        aws.String(r.ID),
	})
	if err != nil {
		return nil, nil, err
	}
	got, err := s.authority.GetCertificate(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &r.Authority, CertificateArn: done.CertificateArn})
	if err != nil {
		return nil, nil, err
	}
	certs, err := decodeChain([]byte(aws.ToString(got.Certificate) + "\n" + aws.ToString(got.CertificateChain)))
	if err != nil {
		return nil, nil, err
	}
	return certs[0], certs[1:], nil
}

// signingAlgorithm is how ACM has an authority sign: by the authority's key.
func signingAlgorithm(key keys.Algorithm) pca.SigningAlgorithm {
	switch key {
	case keys.P256:
		return pca.SigningAlgorithmSha256withecdsa
	case keys.P384:
		return pca.SigningAlgorithmSha384withecdsa
	case keys.P521:
		return pca.SigningAlgorithmSha512withecdsa
	}
	return pca.SigningAlgorithmSha256withrsa
}

// decodeChain reads what an authority answered: one certificate or more.
func decodeChain(text []byte) ([][]byte, error) {
	var chain [][]byte
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("parse a certificate of the authority: %w", err)
		}
		chain, text = append(chain, block.Bytes), rest
	}
	if len(chain) == 0 {
		return nil, errors.New("the authority answered without a certificate")
	}
	return chain, nil
}

// failureReason tells how an authority's refusal is shown in a certificate.
// final is false for errors that may pass: those without an AWS code are internal,
// and some codes say to try again.
func failureReason(err error) (reason types.FailureReason, final bool) {
	if errors.Is(err, errShortLived) {
		return types.FailureReasonPcaInvalidArgs, true
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return "", false
	}
	switch api.ErrorCode() {
	case "ConcurrentModificationException", "RequestInProgressException", "ThrottlingException":
		return "", false
	case "AccessDeniedException":
		return types.FailureReasonPcaAccessDenied, true
	case "InvalidStateException":
		return types.FailureReasonPcaInvalidState, true
	case "LimitExceededException":
		return types.FailureReasonPcaLimitExceeded, true
	case "RequestFailedException":
		return types.FailureReasonPcaRequestFailed, true
	case "ResourceNotFoundException":
		return types.FailureReasonPcaResourceNotFound, true
	case "InvalidArnException":
		return types.FailureReasonPcaInvalidArn, true
	case "InvalidArgsException":
		return types.FailureReasonPcaInvalidArgs, true
	case "ValidationException":
		// One code for two refusals; the other is that the authority ends before the certificate would.
		if strings.Contains(api.ErrorMessage(), "name constraints") {
			return types.FailureReasonPcaNameConstraintsValidation, true
		}
		return types.FailureReasonPcaInvalidDuration, true
	}
	return types.FailureReasonOther, true
}

// finish ends a request: change sets the outcome, which is durable on return
// together with the end of the pending work. A request that has ended already, or
// was deleted, stays as it is.
func (s *Service) finish(ctx context.Context, r *record, change func(*record)) error {
	for range attempts {
		now, err := s.read(ctx, r.key(), r.arn())
		var gone *types.ResourceNotFoundException
		if errors.As(err, &gone) {
			return nil
		}
		if err != nil {
			return err
		}
		if now.State != pending {
			return nil
		}
		again, err := s.change(ctx, now, func(r *record, b *store.Batch) error {
			change(r)
			b.Delete(KindPending, r.key())
			return nil
		})
		if !again {
			return err
		}
	}
	return fmt.Errorf("record the outcome of %s: it is being changed by others all the time", r.arn())
}
