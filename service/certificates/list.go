package certificates

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"countersign/call"
)

const (
	maxItems     = 1000 // of one page
	summaryNames = 100  // that a summary shows
)

// A listed is a certificate on its way into a list.
type listed struct {
	record  *record
	summary types.CertificateSummary
}

// sortKey orders by creation; ids make it total.
func (l listed) sortKey() string {
	return l.record.CreatedAt.UTC().Format("20060102150405.000000000") + "/" + l.record.ID
}

// ListCertificates answers the account's certificates in the Region, by time of
// creation. Filters of one sort are alternatives; those of different sorts must
// all hold. Without Includes.KeyTypes only RSA_1024 and RSA_2048 are shown.
func (s *Service) ListCertificates(ctx context.Context, in *acm.ListCertificatesInput) (*acm.ListCertificatesOutput, error) {
	if (in.SortBy == "") != (in.SortOrder == "") {
		return nil, &types.InvalidArgsException{Message: aws.String("SortBy and SortOrder must be given together, or neither")}
	}
	after, err := decodePage(in.NextToken)
	if err != nil {
		return nil, err
	}
	c := call.From(ctx)
	got, err := s.store.List(ctx, KindCertificate, c.Account+"/"+c.Region+"/", "", 0)
	if err != nil {
		return nil, err
	}
	var all []listed
	for _, one := range got {
		r, err := decode(one)
		if err != nil {
			return nil, err
		}
		summary, err := s.summarise(r)
		if err != nil {
			return nil, err
		}
		if shown(in, summary) {
			all = append(all, listed{r, summary})
		}
	}
	order := cmp.Compare[string]
	if in.SortOrder == types.SortOrderDescending {
		order = func(a, b string) int { return cmp.Compare(b, a) }
	}
	slices.SortFunc(all, func(a, b listed) int { return order(a.sortKey(), b.sortKey()) })
	for after != "" && len(all) > 0 && order(all[0].sortKey(), after) <= 0 {
		all = all[1:]
	}
	size := maxItems
	if n := int(aws.ToInt32(in.MaxItems)); n > 0 {
		size = min(size, n)
	}
	out := &acm.ListCertificatesOutput{CertificateSummaryList: []types.CertificateSummary{}}
	if len(all) > size {
		all = all[:size]
		out.NextToken = aws.String(base64.RawURLEncoding.EncodeToString([]byte(all[size-1].sortKey())))
	}
	for _, l := range all {
		users, err := s.inUse(ctx, l.record.arn())
		if err != nil {
			return nil, err
		}
		l.summary.InUse = aws.Bool(len(users) > 0)
		out.CertificateSummaryList = append(out.CertificateSummaryList, l.summary)
	}
	return out, nil
}

// decodePage reads a NextToken: the sort key of the last certificate shown.
func decodePage(next *string) (after string, err error) {
	if next == nil {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*next)
	if err != nil || !strings.Contains(string(b), "/") {
		return "", &types.InvalidArgsException{Message: aws.String("the token in NextToken is not one that ListCertificates has answered")}
	}
	return string(b), nil
}

func (s *Service) summarise(r *record) (types.CertificateSummary, error) {
	leaf, err := r.leaf()
	if err != nil {
		return types.CertificateSummary{}, err
	}
	sum := types.CertificateSummary{
		CertificateArn:                       aws.String(r.arn()),
		CertificateKeyPairOrigin:             origin(r),
		CreatedAt:                            aws.Time(r.CreatedAt),
		DomainName:                           aws.String(r.Domain),
		SubjectAlternativeNameSummaries:      r.Names[:min(len(r.Names), summaryNames)],
		HasAdditionalSubjectAlternativeNames: aws.Bool(len(r.Names) > summaryNames),
		Exported:                             aws.Bool(r.Exported),
		ExportOption:                         exportOption(r),
		IssuedAt:                             timeOrNil(r.IssuedAt),
		ImportedAt:                           timeOrNil(r.ImportedAt),
		KeyAlgorithm:                         types.KeyAlgorithm(r.Algorithm),
		RenewalEligibility:                   types.RenewalEligibilityIneligible,
		Status:                               types.CertificateStatus(r.status(leaf, s.now())),
		Type:                                 types.CertificateType(r.Source),
	}
	if leaf != nil {
		sum.NotBefore, sum.NotAfter = aws.Time(leaf.NotBefore), aws.Time(leaf.NotAfter)
		sum.KeyUsages = keyUsages(leaf)
		for _, u := range extendedKeyUsages(leaf) {
			sum.ExtendedKeyUsages = append(sum.ExtendedKeyUsages, u.Name)
		}
	}
	return sum, nil
}

// shown applies the filters of a request.
func shown(in *acm.ListCertificatesInput, c types.CertificateSummary) bool {
	if len(in.CertificateStatuses) > 0 && !slices.Contains(in.CertificateStatuses, c.Status) {
		return false
	}
	if len(in.CertificateKeyPairOrigins) > 0 && !slices.Contains(in.CertificateKeyPairOrigins, c.CertificateKeyPairOrigin) {
		return false
	}
	f := in.Includes
	if f == nil {
		f = &types.Filters{}
	}
	kinds := f.KeyTypes
	if kinds == nil {
		kinds = []types.KeyAlgorithm{types.KeyAlgorithmRsa1024, types.KeyAlgorithmRsa2048}
	}
	if !slices.Contains(kinds, c.KeyAlgorithm) {
		return false
	}
	if f.ExportOption != "" && f.ExportOption != c.ExportOption || f.ManagedBy != "" && f.ManagedBy != c.ManagedBy {
		return false
	}
	if len(f.KeyUsage) > 0 && !slices.ContainsFunc(c.KeyUsages, func(u types.KeyUsageName) bool { return slices.Contains(f.KeyUsage, u) }) {
		return false
	}
	return len(f.ExtendedKeyUsage) == 0 || slices.ContainsFunc(c.ExtendedKeyUsages, func(u types.ExtendedKeyUsageName) bool { return slices.Contains(f.ExtendedKeyUsage, u) })
}
