package certificates

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"countersign/pki"
)

// DescribeCertificate answers all that is known of a certificate but the
// certificate itself.
func (s *Service) DescribeCertificate(ctx context.Context, in *acm.DescribeCertificateInput) (*acm.DescribeCertificateOutput, error) {
	r, err := s.load(ctx, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	leaf, err := r.leaf()
	if err != nil {
		return nil, err
	}
	users, err := s.inUse(ctx, r.arn())
	if err != nil {
		return nil, err
	}
	d := &types.CertificateDetail{
		CertificateArn:           aws.String(r.arn()),
		CertificateKeyPairOrigin: origin(r),
		CreatedAt:                aws.Time(r.CreatedAt),
		DomainName:               aws.String(r.Domain),
		SubjectAlternativeNames:  r.Names,
		KeyAlgorithm:             types.KeyAlgorithm(r.Algorithm),
		Status:                   types.CertificateStatus(r.status(leaf, s.now())),
		Type:                     types.CertificateType(r.Source),
		FailureReason:            types.FailureReason(r.FailureReason),
		InUseBy:                  append([]string{}, users...),
		IssuedAt:                 timeOrNil(r.IssuedAt),
		ImportedAt:               timeOrNil(r.ImportedAt),
		RenewalEligibility:       types.RenewalEligibilityIneligible,
		Options: &types.CertificateOptions{
			CertificateTransparencyLoggingPreference: types.CertificateTransparencyLoggingPreferenceEnabled,
			Export:                                   exportOption(r),
		},
	}
	if r.Source == private {
		d.CertificateAuthorityArn = aws.String(r.Authority)
	}
	for _, v := range r.Validations {
		d.DomainValidationOptions = append(d.DomainValidationOptions, s.describeValidation(r, v))
	}
	if leaf == nil {
		return &acm.DescribeCertificateOutput{Certificate: d}, nil
	}
	d.Serial = aws.String(pki.SerialColons(leaf.SerialNumber))
	d.Subject = aws.String(pki.FormatName(leaf.RawSubject))
	d.Issuer = aws.String(issuerName(leaf))
	d.NotBefore, d.NotAfter = aws.Time(leaf.NotBefore), aws.Time(leaf.NotAfter)
	d.SignatureAlgorithm = aws.String(signatureName(leaf.SignatureAlgorithm))
	for _, u := range keyUsages(leaf) {
		d.KeyUsages = append(d.KeyUsages, types.KeyUsage{Name: u})
	}
	d.ExtendedKeyUsages = extendedKeyUsages(leaf)
	return &acm.DescribeCertificateOutput{Certificate: d}, nil
}

func (s *Service) describeValidation(r *record, v validation) types.DomainValidation {
	name, value := s.validationRecord(r.Account, v.Name)
	d := types.DomainValidation{
		DomainName:       aws.String(v.Name),
		ValidationDomain: aws.String(v.Name),
		ValidationMethod: types.ValidationMethodDns,
		ValidationStatus: types.DomainStatusPendingValidation,
		ResourceRecord:   &types.ResourceRecord{Name: aws.String(name), Type: types.RecordTypeCname, Value: aws.String(value)},
	}
	switch {
	case v.Done:
		d.ValidationStatus = types.DomainStatusSuccess
	case r.State != pending:
		d.ValidationStatus = types.DomainStatusFailed
	}
	return d
}

func origin(r *record) types.CertificateKeyPairOrigin {
	if r.Source == imported {
		return types.CertificateKeyPairOriginCustomerProvided
	}
	return types.CertificateKeyPairOriginAwsManaged
}

// exportOption says whether a certificate can be exported: private ones always.
func exportOption(r *record) types.CertificateExport {
	if r.Source == private || r.Exportable {
		return types.CertificateExportEnabled
	}
	return types.CertificateExportDisabled
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// issuerName is an issuer for people: its organization, or else its common
// name, or else all of it.
func issuerName(c *x509.Certificate) string {
	if len(c.Issuer.Organization) > 0 {
		return c.Issuer.Organization[0]
	}
	if c.Issuer.CommonName != "" {
		return c.Issuer.CommonName
	}
	return pki.FormatName(c.RawIssuer)
}

// signatureName writes "SHA256-RSA" as ACM does: "SHA256WITHRSA".
func signatureName(a x509.SignatureAlgorithm) string {
	hash, key, ok := strings.Cut(a.String(), "-")
	if key == "RSAPSS" {
		return hash + "WITHRSAANDMGF1"
	}
	if ok {
		switch hash {
		case "ECDSA":
			return key + "WITHECDSA"
		case "DSA":
			return key + "WITHDSA"
		}
		return hash + "WITH" + key
	}
	return strings.ToUpper(a.String())
}

func keyUsages(c *x509.Certificate) []types.KeyUsageName {
	var names []types.KeyUsageName
	for _, u := range []struct {
		bit  x509.KeyUsage
		name types.KeyUsageName
	}{
		{x509.KeyUsageDigitalSignature, types.KeyUsageNameDigitalSignature},
		{x509.KeyUsageContentCommitment, types.KeyUsageNameNonRepudation},
		{x509.KeyUsageKeyEncipherment, types.KeyUsageNameKeyEncipherment},
		{x509.KeyUsageDataEncipherment, types.KeyUsageNameDataEncipherment},
		{x509.KeyUsageKeyAgreement, types.KeyUsageNameKeyAgreement},
		{x509.KeyUsageCertSign, types.KeyUsageNameCertificateSigning},
		{x509.KeyUsageCRLSign, types.KeyUsageNameCrlSigning},
		{x509.KeyUsageEncipherOnly, types.KeyUsageNameEnchiperOnly},
		{x509.KeyUsageDecipherOnly, types.KeyUsageNameDecipherOnly},
	} {
		if c.KeyUsage&u.bit != 0 {
			names = append(names, u.name)
		}
	}
	return names
}

// extendedKeyUsages lists them in the order of the certificate.
func extendedKeyUsages(c *x509.Certificate) []types.ExtendedKeyUsage {
	var out []types.ExtendedKeyUsage
	for _, e := range c.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 37}) {
			continue
		}
		var ids []asn1.ObjectIdentifier
		if rest, err := asn1.Unmarshal(e.Value, &ids); err != nil || len(rest) > 0 {
			return nil // crypto/x509 has parsed it before: this does not happen
		}
		for _, id := range ids {
			out = append(out, types.ExtendedKeyUsage{Name: usageName(id.String()), OID: aws.String(id.String())})
		}
	}
	return out
}

func usageName(oid string) types.ExtendedKeyUsageName {
	switch oid {
	case "1.3.6.1.5.5.7.3.1":
		return types.ExtendedKeyUsageNameTlsWebServerAuthentication
	case "1.3.6.1.5.5.7.3.2":
		return types.ExtendedKeyUsageNameTlsWebClientAuthentication
	case "1.3.6.1.5.5.7.3.3":
		return types.ExtendedKeyUsageNameCodeSigning
	case "1.3.6.1.5.5.7.3.4":
		return types.ExtendedKeyUsageNameEmailProtection
	case "1.3.6.1.5.5.7.3.5":
		return types.ExtendedKeyUsageNameIpsecEndSystem
	case "1.3.6.1.5.5.7.3.6":
		return types.ExtendedKeyUsageNameIpsecTunnel
	case "1.3.6.1.5.5.7.3.7":
		return types.ExtendedKeyUsageNameIpsecUser
	case "1.3.6.1.5.5.7.3.8":
		return types.ExtendedKeyUsageNameTimeStamping
	case "1.3.6.1.5.5.7.3.9":
		return types.ExtendedKeyUsageNameOcspSigning
	case "2.5.29.37.0":
		return types.ExtendedKeyUsageNameAny
	}
	return types.ExtendedKeyUsageNameCustom
}
