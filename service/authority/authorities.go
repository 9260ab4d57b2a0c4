package authority

import (
	"context"
	"crypto/elliptic"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/google/uuid"

	"countersign/arn"
	"countersign/call"
	"countersign/keys"
	"countersign/pki"
	"countersign/store"
)

// Limits of AWS Private CA.
const (
	maxAuthorities = 200 // per account and Region; deleted ones count until their window closes
	maxPage        = 100 // ListCertificateAuthorities, whatever MaxResults says
	restoreDays    = 30  // when DeleteCertificateAuthority names no window
)

// CreateCertificateAuthority makes an authority. When it returns, the
// authority is durable: PENDING_CERTIFICATE, its CSR ready to be fetched, or
// CREATING where the key takes long to make (Algorithm.Slow); then MakeKeys ends
// the state, on this node or another, whatever happens in between.
func (s *Service) CreateCertificateAuthority(ctx context.Context, in *acmpca.CreateCertificateAuthorityInput) (*acmpca.CreateCertificateAuthorityOutput, error) {
	r, err := s.newRecord(ctx, in)
	if err != nil {
		return nil, err
	}
	t, err := newToken(ctx, "create", in.IdempotencyToken, r.Root, r.Algorithm, r.Signing, r.Subject, r.CSRExtensions)
	if err != nil {
		return nil, err
	}
	if was, err := s.answer(ctx, t); err != nil || was != "" {
		return &acmpca.CreateCertificateAuthorityOutput{CertificateAuthorityArn: aws.String(was)}, err
	}
	there, err := s.store.List(ctx, KindAuthority, r.Account+"/"+r.Region+"/", "", 0)
	if err != nil {
		return nil, err
	}
	if len(there) >= maxAuthorities {
		return nil, limitExceeded("account %s has %d private certificate authorities in %s, which is the limit; deleted ones count until they can no longer be restored", r.Account, len(there), r.Region)
	}

	b := &store.Batch{}
	if r.Algorithm.Slow() {
		b.Create(KindPending, r.key(), []byte("{}"))
	} else if err := s.makeKey(b, r); err != nil {
		return nil, err
	}
	value, err := r.encode()
	if err != nil {
		return nil, err
	}
	b.Create(KindAuthority, r.key(), value)
	if err := s.remember(b, t, r.arn()); err != nil {
		return nil, err
	}
	if _, err := s.store.Commit(ctx, b); errors.Is(err, store.ErrExists) {
		// Another call with the same token came first: ids do not collide.
		if was, err := s.answer(ctx, t); err != nil || was != "" {
			return &acmpca.CreateCertificateAuthorityOutput{CertificateAuthorityArn: aws.String(was)}, err
		}
		return nil, err
	} else if err != nil {
		return nil, err
	}
	return &acmpca.CreateCertificateAuthorityOutput{CertificateAuthorityArn: aws.String(r.arn())}, nil
}

// newRecord checks what CreateCertificateAuthority asks for.
func (s *Service) newRecord(ctx context.Context, in *acmpca.CreateCertificateAuthorityInput) (*record, error) {
	c := call.From(ctx)
	config := in.CertificateAuthorityConfiguration
	if config == nil {
		return nil, invalidArgs("CertificateAuthorityConfiguration is required")
	}
	now := s.now()
	r := &record{
		Account: c.Account, Region: c.Region,
		Root:       in.CertificateAuthorityType == types.CertificateAuthorityTypeRoot,
		ShortLived: in.UsageMode == types.CertificateAuthorityUsageModeShortLivedCertificate,
		Storage:    string(in.KeyStorageSecurityStandard),
		Algorithm:  keys.Algorithm(config.KeyAlgorithm),
		Signing:    string(config.SigningAlgorithm),
		State:      creating, CreatedAt: now, ChangedAt: now,
	}
	if !r.Root && in.CertificateAuthorityType != types.CertificateAuthorityTypeSubordinate {
		return nil, invalidArgs("the certificate authority type %q is not valid; use ROOT or SUBORDINATE", in.CertificateAuthorityType)
	}
	if err := checkAlgorithms(r.Algorithm, pki.Algorithm(r.Signing)); err != nil {
		return nil, err
	}
	var err error
	if r.Subject, err = parseSubject(config.Subject); err != nil {
		return nil, err
	}
	if _, err := csrExtensions(config.CsrExtensions); err != nil {
		return nil, err
	}
	r.CSRExtensions = config.CsrExtensions
	if r.Storage, err = storageStandard(r.Region, in.KeyStorageSecurityStandard); err != nil {
		return nil, err
	}
	if v := in.RevocationConfiguration; v != nil {
		if r.OCSP, err = parseOCSP(v.OcspConfiguration); err != nil {
			return nil, err
		}
	}
	if r.Tags, err = parseTags(ctx, in.Tags); err != nil {
		return nil, err
	}
	id, err := uuid.NewRandomFromReader(s.rand)
	if err != nil {
		return nil, err
	}
	r.ID = id.String()
	if v := in.RevocationConfiguration; v != nil { // last: it asks the bucket, in the authority's name
		if r.CRL, err = s.parseCRL(ctx, r, v.CrlConfiguration); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// storageStandard is the KeyStorageSecurityStandard of a new authority. Regions
// of China know their own only, all others those of FIPS. It is a label here: what
// keeps keys is described in docs/differences-from-aws.md.
func storageStandard(region string, asked types.KeyStorageSecurityStandard) (string, error) {
	can := []types.KeyStorageSecurityStandard{types.KeyStorageSecurityStandardFips1402Level3OrHigher, types.KeyStorageSecurityStandardFips1402Level2OrHigher}
	if arn.Partition(region) == "aws-cn" {
		can = []types.KeyStorageSecurityStandard{types.KeyStorageSecurityStandardCcpcLevel1OrHigher}
	}
	if asked == "" {
		return string(can[0]), nil
	}
	if !slices.Contains(can, asked) {
		return "", invalidArgs("A certificate authority cannot be created in this region with the specified security standard.")
	}
	return string(asked), nil
}

// checkAlgorithms demands a key that can be made here and a signing algorithm
// of its family. ML-DSA and SM2 are refused as in a Region that has not got them.
func checkAlgorithms(key keys.Algorithm, signing pki.Algorithm) error {
	var can []pki.Algorithm
	switch {
	case key.Family() == keys.RSA && key != keys.RSA1024:
		can = pki.RSAAlgorithms()
	case key == keys.P521:
		can = pki.ECAlgorithms(elliptic.P521())
	case key.Family() == keys.EC:
		can = pki.ECAlgorithms(elliptic.P256())
	default:
		return invalidArgs("The key algorithm %s is not supported in this Region. Use RSA_2048, RSA_3072, RSA_4096, EC_prime256v1, EC_secp384r1 or EC_secp521r1.", key)
	}
	if slices.Contains(can, signing) {
		return nil
	}
	names := make([]string, len(can))
	for i, a := range can {
		names[i] = string(a)
	}
	return invalidArgs("the signing algorithm %s does not fit a key of algorithm %s; use %s", signing, key, strings.Join(names, ", "))
}

// DescribeCertificateAuthority answers all that is known of an authority,
// deleted ones in their restoration window among them.
func (s *Service) DescribeCertificateAuthority(ctx context.Context, in *acmpca.DescribeCertificateAuthorityInput) (*acmpca.DescribeCertificateAuthorityOutput, error) {
	r, err := s.load(ctx, in.CertificateAuthorityArn)
	if err != nil {
		return nil, err
	}
	ca, err := s.describe(r)
	if err != nil {
		return nil, err
	}
	return &acmpca.DescribeCertificateAuthorityOutput{CertificateAuthority: ca}, nil
}

func (s *Service) describe(r *record) (*types.CertificateAuthority, error) {
	now := s.now()
	status, err := r.status(now)
	if err != nil {
		return nil, err
	}
	out := &types.CertificateAuthority{
		Arn:               aws.String(r.arn()),
		OwnerAccount:      aws.String(r.Account),
		CreatedAt:         aws.Time(r.CreatedAt),
		LastStateChangeAt: aws.Time(r.ChangedAt),
		Type:              types.CertificateAuthorityTypeSubordinate,
		Status:            types.CertificateAuthorityStatus(status),
		FailureReason:     types.FailureReason(r.FailureReason),
		CertificateAuthorityConfiguration: &types.CertificateAuthorityConfiguration{
			KeyAlgorithm:     types.KeyAlgorithm(r.Algorithm),
			SigningAlgorithm: types.SigningAlgorithm(r.Signing),
			Subject:          r.Subject.describe(),
			CsrExtensions:    r.CSRExtensions,
		},
		RevocationConfiguration: &types.RevocationConfiguration{
			CrlConfiguration:  r.CRL.describe(),
			OcspConfiguration: r.OCSP.describe(),
		},
		KeyStorageSecurityStandard: types.KeyStorageSecurityStandard(r.Storage),
		UsageMode:                  types.CertificateAuthorityUsageModeGeneralPurpose,
	}
	if r.Root {
		out.Type = types.CertificateAuthorityTypeRoot
	}
	if r.ShortLived {
		out.UsageMode = types.CertificateAuthorityUsageModeShortLivedCertificate
	}
	if r.State == deleted {
		out.RestorableUntil = aws.Time(r.RestorableUntil)
	}
	c, err := r.certificate()
	if err != nil || c == nil {
		return out, err
	}
	out.Serial = aws.String(pki.SerialColons(c.SerialNumber))
	out.NotBefore, out.NotAfter = aws.Time(c.NotBefore), aws.Time(c.NotAfter)
	if status == expired {
		out.LastStateChangeAt = aws.Time(c.NotAfter)
	}
	return out, nil
}

// ListCertificateAuthorities answers the account's authorities in the Region,
// at most 100 at a time.
func (s *Service) ListCertificateAuthorities(ctx context.Context, in *acmpca.ListCertificateAuthoritiesInput) (*acmpca.ListCertificateAuthoritiesOutput, error) {
	out := &acmpca.ListCertificateAuthoritiesOutput{CertificateAuthorities: []types.CertificateAuthority{}}
	after, err := decodePage(in.NextToken)
	if err != nil {
		return nil, err
	}
	if in.ResourceOwner == types.ResourceOwnerOtherAccounts {
		return out, nil // there is no way yet to share one
	}
	size := maxPage
	if n := int(aws.ToInt32(in.MaxResults)); n > 0 {
		size = min(size, n)
	}
	c := call.From(ctx)
	prefix := c.Account + "/" + c.Region + "/"
	if after != "" {
		after = prefix + after
	}
	for len(out.CertificateAuthorities) < size {
		got, err := s.store.List(ctx, KindAuthority, prefix, after, size+1)
		if err != nil {
			return nil, err
		}
		for _, one := range got {
			if len(out.CertificateAuthorities) == size {
				out.NextToken = encodePage(strings.TrimPrefix(after, prefix))
				break
			}
			after = one.Key
			r, err := decode(one)
			if err != nil {
				return nil, err
			}
			if r.gone(s.now()) {
				continue
			}
			ca, err := s.describe(r)
			if err != nil {
				return nil, err
			}
			out.CertificateAuthorities = append(out.CertificateAuthorities, *ca)
		}
		if len(got) <= size {
			break
		}
	}
	return out, nil
}

// UpdateCertificateAuthority enables or disables an authority, or OCSP or CRLs
// for it: certificates issued from then on name the responder and their list.
// Setting the status it has already is a success that changes nothing.
func (s *Service) UpdateCertificateAuthority(ctx context.Context, in *acmpca.UpdateCertificateAuthorityInput) (*acmpca.UpdateCertificateAuthorityOutput, error) {
	return &acmpca.UpdateCertificateAuthorityOutput{}, s.update(ctx, in.CertificateAuthorityArn, func(r *record) error {
		status, err := r.status(s.now())
		if err != nil {
			return err
		}
		if status != active && status != disabled {
			return invalidState("certificate authority %s is %s; only an ACTIVE or DISABLED one can be updated", r.arn(), status)
		}
		if v := in.RevocationConfiguration; v != nil { // what is left out stays as it is
			if v.OcspConfiguration != nil {
				if r.OCSP, err = parseOCSP(v.OcspConfiguration); err != nil {
					return err
				}
			}
			if v.CrlConfiguration != nil {
				crl, err := s.parseCRL(ctx, r, v.CrlConfiguration)
				if err != nil {
					return err
				}
				if !crl.equal(r.CRL) {
					r.CRL, r.also = crl, (&store.Batch{}).Put(KindCRLDue, r.key(), []byte("{}")).Ops
				}
			}
		}
		switch in.Status {
		case "":
		case types.CertificateAuthorityStatusActive:
			r.set(active, s.now())
		case types.CertificateAuthorityStatusDisabled:
			r.set(disabled, s.now())
		default:
			return invalidArgs("the status %s cannot be set; use ACTIVE or DISABLED", in.Status)
		}
		return nil
	})
}

// DeleteCertificateAuthority starts an authority's restoration window, 7 to 30
// days long. One that never had a key is gone at once. What it issued and
// revoked stays in the ledger.
func (s *Service) DeleteCertificateAuthority(ctx context.Context, in *acmpca.DeleteCertificateAuthorityInput) (*acmpca.DeleteCertificateAuthorityOutput, error) {
	days := restoreDays
	if in.PermanentDeletionTimeInDays != nil {
		if days = int(*in.PermanentDeletionTimeInDays); days < 7 || days > 30 {
			return nil, validation("PermanentDeletionTimeInDays is %d; it must be 7 to 30", days)
		}
	}
	for range attempts {
		r, err := s.load(ctx, in.CertificateAuthorityArn)
		if err != nil {
			return nil, err
		}
		now := s.now()
		status, err := r.status(now)
		if err != nil {
			return nil, err
		}
		var b *store.Batch
		switch status {
		case creating, failed:
			b = (&store.Batch{}).DeleteIf(KindAuthority, r.key(), r.revision).Delete(KindPending, r.key())
		case pending, disabled, expired:
			r.Before, r.RestorableUntil = r.State, now.Add(time.Duration(days)*24*time.Hour)
			r.set(deleted, now)
			value, err := r.encode()
			if err != nil {
				return nil, err
			}
			b = r.replace(value)
		default:
			return nil, invalidState("The certificate authority is not in a valid state for deletion.")
		}
		_, err = s.store.Commit(ctx, b)
		if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.signers.drop(r.ID)
		return &acmpca.DeleteCertificateAuthorityOutput{}, nil
	}
	return nil, concurrent(in.CertificateAuthorityArn)
}

// RestoreCertificateAuthority takes a deletion back: the authority is again
// what it was before.
func (s *Service) RestoreCertificateAuthority(ctx context.Context, in *acmpca.RestoreCertificateAuthorityInput) (*acmpca.RestoreCertificateAuthorityOutput, error) {
	return &acmpca.RestoreCertificateAuthorityOutput{}, s.update(ctx, in.CertificateAuthorityArn, func(r *record) error {
		if r.State != deleted {
			return invalidState("certificate authority %s is %s; only a DELETED one can be restored", r.arn(), r.State)
		}
		r.set(r.Before, s.now())
		r.Before, r.RestorableUntil = "", time.Time{}
		if r.CRL != nil { // its lists rested meanwhile
			r.also = (&store.Batch{}).Put(KindCRLDue, r.key(), []byte("{}")).Ops
		}
		return nil
	})
}
