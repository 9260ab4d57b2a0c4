package authority

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/arn"
	"countersign/call"
	"countersign/pki"
	"countersign/store"
)

// IssueCertificate issues a certificate. When it returns, its serial number and
// to-be-signed bytes are durable, in one commit with the idempotency token; the
// signature is made after that and recorded without waiting.
func (s *Service) IssueCertificate(ctx context.Context, in *acmpca.IssueCertificateInput) (*acmpca.IssueCertificateOutput, error) {
	_, _, id, err := parseARN(ctx, in.CertificateAuthorityArn)
	if err != nil {
		return nil, err
	}
	t, err := newToken(ctx, "issue/"+id, in.IdempotencyToken, in.Csr, in.TemplateArn, in.ApiPassthrough)
	if err != nil {
		return nil, err
	}
	for range attempts {
		r, err := s.current(ctx, in.CertificateAuthorityArn)
		if err != nil {
			return nil, err
		}
		if was, err := s.answer(ctx, t); err != nil || was != "" {
			return &acmpca.IssueCertificateOutput{CertificateArn: aws.String(was)}, err
		}
		row, err := s.prepare(ctx, r, in)
		if err != nil {
			return nil, err
		}
		name := r.arn() + "/certificate/" + pki.Serial(row.Serial).Hex()
		// The check keeps an authority that is disabled or deleted at this very
		// moment from issuing once more.
		b := (&store.Batch{}).Check(KindAuthority, r.key(), r.revision).Issue(row)
		if err := s.remember(b, t, name); err != nil {
			return nil, err
		}
		list, err := s.startCRL(ctx, b, r, row)
		if err != nil {
			return nil, err
		}
		_, err = s.store.Commit(ctx, b)
		switch {
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
			s.records.drop(r.key())
			continue // the authority was written since
		case errors.Is(err, store.ErrExists):
			continue // the token was used meanwhile, or the serial before: next time it is answered, or another
		case err != nil:
			return nil, err
		}
		if list != "" {
			s.startedCRLs.Store(list, nil)
		}
		if row, err = s.sign(ctx, r, row); err != nil {
			// It is issued all the same: GetCertificate signs what was recorded.
			s.log.ErrorContext(ctx, "certificate recorded but not signed yet", "certificate", name, "err", err)
		} else {
			s.recent.put(row)
		}
		return &acmpca.IssueCertificateOutput{CertificateArn: aws.String(name)}, nil
	}
	return nil, concurrent(in.CertificateAuthorityArn)
}

// prepare checks a request against the authority as it stands, in AWS's order,
// and makes the ledger row of the certificate.
func (s *Service) prepare(ctx context.Context, r *record, in *acmpca.IssueCertificateInput) (store.Certificate, error) {
	none := store.Certificate{}
	now := s.now()
	template, err := template(in.TemplateArn)
	if err != nil {
		return none, err
	}
	status, err := r.status(now)
	if err != nil {
		return none, err
	}
	// A root that waits for its certificate may sign that one: this is how
	// every root starts.
	if status != active && !(status == pending && r.Root && template.IsRoot()) {
		return none, invalidState("The certificate authority is not in a valid state for issuing certificates")
	}
	key, err := s.signer(r) // before anything is recorded: it may not open
	if err != nil {
		return none, err
	}
	algorithm := pki.Algorithm(in.SigningAlgorithm)
	if err := algorithm.Check(key.Public()); err != nil {
		return none, issuingError(err)
	}
	request, err := pki.ParseRequest(in.Csr)
	if err != nil {
		return none, issuingError(err)
	}

	var path []*x509.Certificate // the authority's certificate and those above it
	if template.IsRoot() {
		if !r.Root {
			return none, invalidArgs("certificate authority %s is subordinate; the template %s is for roots", r.arn(), template.Name)
		}
		if err := pki.CheckRoot(request, key.Public()); err != nil {
			return none, issuingError(err)
		}
	} else if path, err = r.path(); err != nil {
		return none, err
	}
	from, to, err := window(now, in)
	if err != nil {
		return none, err
	}
	issuance := pki.Issuance{Template: template, Request: request, Algorithm: algorithm, NotBefore: from, NotAfter: to}
	if template.FromAPI() {
		if issuance.Passthrough, err = parsePassthrough(in.ApiPassthrough); err != nil {
			return none, err
		}
	}
	if !template.IsRoot() {
		if err := pki.CheckWindow(template, path[0], now, to, r.ShortLived); err != nil {
			return none, issuingError(err)
		}
		issuance.Issuer = path[0]
		issuance.OCSPURL = r.OCSP.url(r.Region)
	}
	if issuance.Serial, err = pki.NewSerial(s.rand); err != nil {
		return none, err
	}
	if !template.IsRoot() {
		issuance.CRLURL = r.CRL.point(r.ID, store.Serial(issuance.Serial))
		issuance.OmitPoints = r.CRL != nil && r.CRL.Omit
	}
	tbs, err := issuance.TBS()
	if err != nil {
		return none, issuingError(err)
	}
	// What the path above allows, path lengths and names, is judged here, too.
	if err := issuance.Lint(tbs, path); err != nil {
		return none, issuingError(err)
	}
	return store.Certificate{
		Authority: r.ID,
		Serial:    store.Serial(issuance.Serial),
		TBS:       tbs,
		Template:  template.ARN(arn.Partition(r.Region)),
		Requester: requester(ctx),
		IssuedAt:  now,
		NotBefore: from,
		NotAfter:  to,
		Subject:   pki.ReversedName(issuance.Subject()),
	}, nil
}

// template looks a template up. Only ARNs will do, as at AWS.
func template(name *string) (*pki.Template, error) {
	if name != nil && !strings.HasPrefix(*name, "arn:") {
		return nil, invalidArgs("%q is not the ARN of a certificate template", *name)
	}
	t, err := pki.LookupTemplate(aws.ToString(name))
	if err != nil {
		return nil, issuingError(err)
	}
	return t, nil
}

// window is the validity that a request asks for.
func window(now time.Time, in *acmpca.IssueCertificateInput) (from, to time.Time, err error) {
	if in.Validity == nil {
		return from, to, validation("Validity is required")
	}
	var start *pki.Validity
	if v := in.ValidityNotBefore; v != nil {
		start = &pki.Validity{Type: pki.ValidityType(v.Type), Value: aws.ToInt64(v.Value)}
	}
	end := pki.Validity{Type: pki.ValidityType(in.Validity.Type), Value: aws.ToInt64(in.Validity.Value)}
	if from, to, err = pki.Window(now, end, start); err != nil {
		return from, to, issuingError(err)
	}
	return from, to, nil
}

// requester is who the ledger says asked for a certificate.
func requester(ctx context.Context) string {
	p := call.From(ctx).Principal
	if p.Service != "" {
		return p.Service
	}
	return p.ARN
}

// path is the authority's certificate and those above it, the root last.
func (r *record) path() ([]*x509.Certificate, error) {
	if r.parsed != nil {
		return r.parsed, nil
	}
	own, err := r.certificate()
	if err != nil {
		return nil, err
	}
	if own == nil {
		return nil, fmt.Errorf("%s is %s but has no certificate", r.arn(), r.State)
	}
	above, err := r.chain()
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{own}, above...), nil
}

// sign makes the signature of a ledger row, unless it has one, hands it to the
// store, and returns the row with it. A deterministic signature is the same every
// time and may be recorded later. Of the others the first one that is recorded
// counts: a certificate leaves only with a signature read back from the ledger.
func (s *Service) sign(ctx context.Context, r *record, row store.Certificate) (store.Certificate, error) {
	if len(row.Signature) > 0 {
		return row, nil
	}
	algorithm, err := pki.TBSAlgorithm(row.TBS)
	if err != nil {
		return row, err
	}
	key, err := s.signer(r)
	if err != nil {
		return row, err
	}
	signature, err := pki.Sign(row.TBS, algorithm, key)
	if err != nil {
		return row, err
	}
	record := (&store.Batch{}).Sign(row.Authority, row.Serial, signature)
	if algorithm.Deterministic() {
		s.store.Later(record)
		row.Signature = signature
		return row, nil
	}
	if _, err := s.store.Commit(ctx, record); err != nil {
		return row, fmt.Errorf("record a signature: %w", err)
	}
	return s.store.Certificate(ctx, row.Authority, row.Serial)
}

// assemble puts the certificate of a signed row together.
func assemble(row store.Certificate) ([]byte, error) {
	algorithm, err := pki.TBSAlgorithm(row.TBS)
	if err != nil {
		return nil, err
	}
	return pki.Assemble(row.TBS, algorithm, row.Signature)
}

// GetCertificate answers an issued certificate and the chain above it, PEM
// without newlines at the ends. A root's own certificate has no chain.
func (s *Service) GetCertificate(ctx context.Context, in *acmpca.GetCertificateInput) (*acmpca.GetCertificateOutput, error) {
	r, err := s.current(ctx, in.CertificateAuthorityArn)
	if err != nil {
		return nil, err
	}
	serial, err := parseCertificateARN(r, aws.ToString(in.CertificateArn))
	if err != nil {
		return nil, err
	}
	if r.State == creating || r.State == failed || r.State == deleted {
		return nil, invalidState("The certificate authority %s is not in the correct state to have issued certificates.", r.arn())
	}
	row, ok := s.recent.get(r.ID, serial)
	if !ok {
		row, err = s.store.Certificate(ctx, r.ID, serial)
		if errors.Is(err, store.ErrNotFound) {
			return nil, notFound("Could not find certificate %s", *in.CertificateArn)
		}
		if err != nil {
			return nil, err
		}
		if len(row.TBS) == 0 { // see Adopt
			return nil, notFound("Could not find certificate %s: only its serial number came with the certificate authority when it was imported", *in.CertificateArn)
		}
		if row, err = s.sign(ctx, r, row); err != nil {
			return nil, fmt.Errorf("sign %s: %w", *in.CertificateArn, err)
		}
	}
	der, err := assemble(row)
	if err != nil {
		return nil, err
	}
	out := &acmpca.GetCertificateOutput{Certificate: aws.String(pki.EncodePEMBare(pki.PEMCertificate, der))}
	if isRoot(row) {
		return out, nil
	}
	if out.CertificateChain = r.above; out.CertificateChain == nil {
		path, err := r.path()
		if err != nil {
			return nil, err
		}
		out.CertificateChain = aws.String(pki.EncodeChainBare(path))
	}
	return out, nil
}

// isRoot reports whether a ledger row is of a certificate that its authority
// issued to itself.
func isRoot(row store.Certificate) bool {
	t, err := pki.LookupTemplate(row.Template)
	return err == nil && t.IsRoot()
}

// parseCertificateARN takes the serial number out of the ARN of a certificate
// of authority r.
func parseCertificateARN(r *record, name string) (store.Serial, error) {
	bad := invalidARN("%s is not the ARN of a certificate: want <ARN of the certificate authority>/certificate/<32 hexadecimal digits>", name)
	a, err := arn.Parse(name)
	if err != nil || a.Service != "acm-pca" {
		return store.Serial{}, bad
	}
	authority, digits, ok := strings.Cut(name, "/certificate/")
	if !ok || len(digits) != 32 || strings.ToLower(digits) != digits {
		return store.Serial{}, bad
	}
	serial, err := parseSerial(digits)
	if err != nil {
		return store.Serial{}, bad
	}
	if authority != r.arn() {
		return store.Serial{}, notFound("Could not find certificate %s: it is not of certificate authority %s", name, r.arn())
	}
	return serial, nil
}

// parseSerial reads a serial number in any of the forms that people paste. It
// fails with store.ErrNotFound for a number that no certificate here can have.
func parseSerial(text string) (store.Serial, error) {
	n, err := pki.ParseSerial(text)
	if err != nil {
		return store.Serial{}, err
	}
	var serial store.Serial
	if n.BitLen() > 8*len(serial) {
		return store.Serial{}, store.ErrNotFound
	}
	n.FillBytes(serial[:])
	return serial, nil
}

// reasonCode is the CRL reason code (RFC 5280 section 5.3.1) of a reason.
func reasonCode(r types.RevocationReason) (int, error) {
	switch r {
	case types.RevocationReasonUnspecified:
		return 0, nil
	case types.RevocationReasonKeyCompromise:
		return 1, nil
	case types.RevocationReasonCertificateAuthorityCompromise:
		return 2, nil
	case types.RevocationReasonAffiliationChanged:
		return 3, nil
	case types.RevocationReasonSuperseded:
		return 4, nil
	case types.RevocationReasonCessationOfOperation:
		return 5, nil
	case types.RevocationReasonPrivilegeWithdrawn:
		return 9, nil
	case types.RevocationReasonAACompromise:
		return 10, nil
	}
	return 0, invalidRequest("the revocation reason %q is not valid", r)
}

// RevokeCertificate revokes a certificate for good. When it returns the
// revocation is durable and in the feed that the data plane follows. It works on
// ACTIVE, DISABLED and EXPIRED authorities.
func (s *Service) RevokeCertificate(ctx context.Context, in *acmpca.RevokeCertificateInput) (*acmpca.RevokeCertificateOutput, error) {
	r, err := s.load(ctx, in.CertificateAuthorityArn)
	if err != nil {
		return nil, err
	}
	if r.State != active && r.State != disabled { // EXPIRED is stored as one of them
		return nil, invalidState("certificate authority %s is %s; only an ACTIVE, DISABLED or EXPIRED one can revoke certificates", r.arn(), r.State)
	}
	reason, err := reasonCode(in.RevocationReason)
	if err != nil {
		return nil, err
	}
	missing := notFound("Could not find certificate with serial %s of certificate authority %s", aws.ToString(in.CertificateSerial), r.arn())
	serial, err := parseSerial(aws.ToString(in.CertificateSerial))
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, invalidRequest("%s", err)
	}
	row, err := s.store.Certificate(ctx, r.ID, serial)
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	if isRoot(row) {
		return nil, invalidRequest("The self-signed certificate of the root certificate authority %s cannot be revoked", r.arn())
	}
	_, err = s.store.Commit(ctx, (&store.Batch{}).Revoke(r.ID, serial, s.now(), reason))
	if errors.Is(err, store.ErrRevoked) {
		return nil, &types.RequestAlreadyProcessedException{Message: aws.String(
			"The certificate with serial " + pki.Serial(serial).Colons() + " has already been revoked.")}
	}
	if err != nil {
		return nil, err
	}
	return &acmpca.RevokeCertificateOutput{}, nil
}
