package certificates

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/google/uuid"

	"countersign/arn"
	"countersign/call"
	"countersign/keys"
	"countersign/store"
)

// tokenLife is how long RequestCertificate remembers an idempotency token.
const tokenLife = time.Hour

// maxNames is the most names a certificate can have, the domain name included.
const maxNames = 100

// RequestCertificate asks for a certificate. When it returns, the request is
// durable with its private key. A private one is then usually ISSUED, or FAILED
// with the reason of the certificate authority; if not, ValidatePending goes on
// with it. One that needs validation is PENDING_VALIDATION.
func (s *Service) RequestCertificate(ctx context.Context, in *acm.RequestCertificateInput) (*acm.RequestCertificateOutput, error) {
	r, err := s.newRecord(ctx, in)
	if err != nil {
		return nil, err
	}
	token := tokenOf(r, in.IdempotencyToken)
	if was, err := s.answer(ctx, token); err != nil || was != "" {
		return &acm.RequestCertificateOutput{CertificateArn: aws.String(was)}, err
	}
	if r.Source == private {
		if err := s.checkFamily(ctx, r); err != nil {
			return nil, err
		}
	}
	key, err := s.generate(r.Algorithm)
	if err != nil {
		return nil, err
	}
	if r.CSR, err = s.request(key, r.Names); err != nil {
		return nil, err
	}
	if r.Key, err = s.sealer.SealKey(s.rand, key, r.arn()); err != nil {
		return nil, err
	}
	value, err := r.encode()
	if err != nil {
		return nil, err
	}
	b := (&store.Batch{}).Create(KindCertificate, r.key(), value).Create(KindPending, r.key(), []byte("{}"))
	if token != "" {
		expires := s.now().Add(tokenLife)
		value, err := json.Marshal(answered{r.arn(), expires})
		if err != nil {
			return nil, err
		}
		b.CreateUntil(kindToken, token, value, expires)
	}
	if _, err = s.store.Commit(ctx, b); errors.Is(err, store.ErrExists) {
		// Another call with the same token came first: ids do not collide.
		if was, err := s.answer(ctx, token); err != nil || was != "" {
			return &acm.RequestCertificateOutput{CertificateArn: aws.String(was)}, err
		}
		return nil, err
	} else if err != nil {
		return nil, err
	}
	if r.Source == private {
		if err := s.issuePrivately(ctx, r); err != nil {
			s.log.ErrorContext(ctx, "certificate requested but not issued yet", "certificate", r.arn(), "err", err)
		}
	}
	return &acm.RequestCertificateOutput{CertificateArn: aws.String(r.arn())}, nil
}

// newRecord checks what RequestCertificate asks for.
func (s *Service) newRecord(ctx context.Context, in *acm.RequestCertificateInput) (*record, error) {
	c := call.From(ctx)
	r := &record{
		Account: c.Account, Region: c.Region, Source: public, State: pending, CreatedAt: s.now(),
		Domain: aws.ToString(in.DomainName), Algorithm: keys.Algorithm(in.KeyAlgorithm),
	}
	if len(r.Domain) > maxCommonName {
		return nil, invalidParameter("the first domain name has %d characters, which is more than the 64 that a common name can have; make it a subject alternative name", len(r.Domain))
	}
	for _, name := range append([]string{r.Domain}, in.SubjectAlternativeNames...) {
		if err := checkDomain(name); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(r.Names, func(have string) bool { return strings.EqualFold(have, name) }) {
			r.Names = append(r.Names, name)
		}
	}
	if len(r.Names) > maxNames {
		return nil, &types.LimitExceededException{Message: aws.String(fmt.Sprintf("a certificate can have at most %d names, not %d", maxNames, len(r.Names)))}
	}
	switch r.Algorithm {
	case "":
		r.Algorithm = keys.RSA2048
	case keys.RSA2048, keys.P256, keys.P384:
	default:
		return nil, invalidParameter("a certificate with KeyAlgorithm %s can be imported, not requested; use RSA_2048, EC_prime256v1 or EC_secp384r1", r.Algorithm)
	}
	if in.ManagedBy != "" {
		return nil, invalidParameter("ManagedBy %s is not built in this version of Countersign; leave it out", in.ManagedBy)
	}
	if o := in.Options; o != nil {
		if o.ValidationMethod != "" {
			return nil, invalidParameter("Options.ValidationMethod is for UpdateCertificateOptions; use ValidationMethod")
		}
		// CertificateTransparencyLoggingPreference is accepted and ignored, as AWS does.
		r.Exportable = o.Export == types.CertificateExportEnabled
	}
	var err error
	if r.Tags, err = parseTags(ctx, in.Tags); err != nil {
		return nil, err
	}
	if in.CertificateAuthorityArn != nil {
		r.Source, r.Authority = private, *in.CertificateAuthorityArn
		if a, err := arn.Parse(r.Authority); err != nil || a.Service != "acm-pca" {
			return nil, invalidARN("%q is not the ARN of a private certificate authority", r.Authority)
		}
	} else if err := checkValidation(r, in); err != nil {
		return nil, err
	}
	id, err := uuid.NewRandomFromReader(s.rand)
	if err != nil {
		return nil, err
	}
	r.ID = id.String()
	return r, nil
}

// checkValidation is about certificates whose names have to be proved.
func checkValidation(r *record, in *acm.RequestCertificateInput) error {
	switch in.ValidationMethod {
	case types.ValidationMethodDns:
	case "":
		return invalidParameter("ValidationMethod is missing, which means EMAIL, and that is not built in this version of Countersign; pass DNS")
	default:
		return invalidParameter("ValidationMethod %s is not built in this version of Countersign; pass DNS", in.ValidationMethod)
	}
	for _, o := range in.DomainValidationOptions {
		name, domain := aws.ToString(o.DomainName), base(aws.ToString(o.ValidationDomain))
		if !slices.ContainsFunc(r.Names, func(have string) bool { return strings.EqualFold(have, name) }) {
			return invalidValidation("the domain name %s of DomainValidationOptions is not one of the certificate's", name)
		}
		if of := base(name); of != domain && !strings.HasSuffix(of, "."+domain) {
			return invalidValidation("the validation domain %s is neither %s nor a domain above it", domain, of)
		}
	}
	for _, name := range r.Names {
		r.Validations = append(r.Validations, validation{Name: name})
	}
	return nil
}

// checkDomain demands a host name of two labels or more, the first of which may
// be a wildcard.
func checkDomain(name string) error {
	bad := func(why string) error {
		return invalidParameter("the domain name %q is not valid: %s", name, why)
	}
	if len(name) == 0 || len(name) > 253 {
		return bad("it must have 1 to 253 characters")
	}
	labels := strings.Split(strings.TrimPrefix(name, "*."), ".")
	if len(labels) < 2 {
		return bad("it must have at least two labels")
	}
	for _, label := range labels {
		if len(label) == 0 || len(label) > 63 {
			return bad("each label must have 1 to 63 characters")
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return bad("a label must not start or end with a hyphen")
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
				return bad("labels are letters, digits and hyphens; * can only be the whole leftmost label")
			}
		}
		if len(label) > 4 && label[2:4] == "--" && !strings.EqualFold(label[:4], "xn--") {
			return bad("a label with hyphens in third and fourth place must start with xn--")
		}
	}
	return nil
}

// checkFamily demands that the key is of the same family as the authority's.
// An authority that cannot be described is left to the issuing, which fails with
// its reason.
func (s *Service) checkFamily(ctx context.Context, r *record) error {
	out, err := s.authority.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &r.Authority})
	if err != nil || out.CertificateAuthority == nil || out.CertificateAuthority.CertificateAuthorityConfiguration == nil {
		return nil
	}
	theirs := keys.Algorithm(out.CertificateAuthority.CertificateAuthorityConfiguration.KeyAlgorithm)
	if theirs.Family() != r.Algorithm.Family() {
		return invalidParameter("KeyAlgorithm %s is not of the key family of certificate authority %s, whose key is %s; pass a KeyAlgorithm of that family", r.Algorithm, r.Authority, theirs)
	}
	return nil
}

// answered is what is stored under an idempotency token.
type answered struct {
	ARN     string
	Expires time.Time
}

// tokenOf is the key of a token's record; empty without a token. Other names or
// another authority make it another request.
func tokenOf(r *record, token *string) string {
	if token == nil || *token == "" {
		return ""
	}
	names := slices.Clone(r.Names)
	for i, name := range names {
		names[i] = strings.ToLower(name)
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(*token + "\x00" + r.Authority + "\x00" + strings.Join(names, "\x00")))
	return r.Account + "/" + r.Region + "/" + hex.EncodeToString(sum[:])
}

// answer is the ARN that was answered to a token before, or empty.
func (s *Service) answer(ctx context.Context, token string) (string, error) {
	if token == "" {
		return "", nil
	}
	got, err := s.store.Get(ctx, kindToken, token)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var a answered
	if err := json.Unmarshal(got.Value, &a); err != nil {
		return "", fmt.Errorf("decode idempotency token: %w", err)
	}
	if !s.now().Before(a.Expires) {
		return "", nil
	}
	return a.ARN, nil
}
