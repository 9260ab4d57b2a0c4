package authority

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"

	"countersign/store"
)

// Kinds of audit reports.
const (
	// KindReport: a report that is still to be written, key <account>/<region>/<authority>/<report>.
	// WriteAuditReports works it off.
	KindReport = "acm-pca/report-pending"

	kindReport = "acm-pca/report"        // every report, same key
	kindLatest = "acm-pca/report-latest" // the last one of an authority, key as KindAuthority
)

// reportPause is how long after a report the next one may be asked for.
const reportPause = 30 * time.Minute

// A report is the stored form of an audit report. Its rows are in the object only.
type report struct {
	ID        string
	Bucket    string
	Key       string
	CSV       bool // else JSON
	Status    string
	CreatedAt time.Time
}

func (r *record) reportKey(id string) string { return r.key() + "/" + id }

// CreateCertificateAuthorityAuditReport orders a report of every certificate
// that an authority ever issued. When it returns the order is durable;
// WriteAuditReports carries it out. An authority has one report in 30 minutes, not
// counting those that failed.
func (s *Service) CreateCertificateAuthorityAuditReport(ctx context.Context, in *acmpca.CreateCertificateAuthorityAuditReportInput) (*acmpca.CreateCertificateAuthorityAuditReportOutput, error) {
	r, err := s.load(ctx, in.CertificateAuthorityArn)
	if err != nil {
		return nil, err
	}
	if err := notDeleted(r); err != nil {
		return nil, err
	}
	if r.State != active && r.State != disabled { // EXPIRED is stored as one of them
		return nil, invalidState("certificate authority %s is %s; only an ACTIVE, DISABLED or EXPIRED one has an audit report", r.arn(), r.State)
	}
	now := s.now()
	made := report{Bucket: aws.ToString(in.S3BucketName), Status: string(types.AuditReportStatusCreating), CreatedAt: now}
	extension := "json"
	switch in.AuditReportResponseFormat {
	case types.AuditReportResponseFormatJson:
	case types.AuditReportResponseFormatCsv:
		made.CSV, extension = true, "csv"
	default:
		return nil, invalidArgs("the audit report format %q is not valid; use JSON or CSV", in.AuditReportResponseFormat)
	}
	was, err := s.checkPause(ctx, r, now)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewRandomFromReader(s.rand)
	if err != nil {
		return nil, err
	}
	made.ID = id.String()
	made.Key = "audit-report/" + r.ID + "/" + made.ID + "." + extension
	if err := s.checkBucket(ctx, r, made); err != nil {
		return nil, err
	}
	value, err := json.Marshal(made)
	if err != nil {
		return nil, fmt.Errorf("encode audit report: %w", err)
	}
	_, err = s.store.Commit(ctx, new(store.Batch).
		Create(kindReport, r.reportKey(made.ID), value).
		Create(KindReport, r.reportKey(made.ID), []byte("{}")).
		Replace(kindLatest, r.key(), value, was))
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) {
		return nil, inProgress("An audit report of certificate authority %s is being created", r.arn())
	}
	if err != nil {
		return nil, err
	}
	return &acmpca.CreateCertificateAuthorityAuditReportOutput{AuditReportId: aws.String(made.ID), S3Key: aws.String(made.Key)}, nil
}

// delivery is how a report goes into its bucket.
func (p report) delivery(r *record) Delivery {
	return Delivery{Service: servicePrincipal, Source: r.arn(), Bucket: p.Bucket, Key: p.Key, ACL: string(s3types.ObjectCannedACLBucketOwnerFullControl)}
}

// checkBucket demands a bucket that takes the report, as its policy says.
func (s *Service) checkBucket(ctx context.Context, r *record, p report) error {
	if s.buckets == nil {
		return invalidArgs("there can be no audit reports: this installation has no buckets")
	}
	_, lacking, err := s.buckets.CheckDelivery(r.writing(ctx), p.delivery(r))
	var refused smithy.APIError
	switch {
	case lacking != "":
		return invalidArgs("The ACM Private CA Service Principal '%s' requires '%s' permissions for your S3 bucket '%s'. Check your S3 bucket permissions and try again.", servicePrincipal, lacking, p.Bucket)
	case errors.As(err, &refused):
		return invalidArgs("the S3 bucket %s cannot take the audit report: %s", p.Bucket, refused.ErrorMessage())
	}
	return err
}

// checkPause refuses a report that comes too soon after another one. The
// revision is that of the record of the latest report; zero: there is none.
func (s *Service) checkPause(ctx context.Context, r *record, now time.Time) (store.Revision, error) {
	got, err := s.store.Get(ctx, kindLatest, r.key())
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var latest report
	if err := json.Unmarshal(got.Value, &latest); err != nil {
		return 0, fmt.Errorf("decode %s %s: %w", got.Kind, got.Key, err)
	}
	until := latest.CreatedAt.Add(reportPause)
	if !now.Before(until) {
		return got.Revision, nil
	}
	last, err := s.report(ctx, r, latest.ID)
	if err != nil {
		return 0, err
	}
	switch types.AuditReportStatus(last.Status) {
	case types.AuditReportStatusFailed:
		return got.Revision, nil
	case types.AuditReportStatusCreating:
		return 0, inProgress("The audit report %s of certificate authority %s is being created", latest.ID, r.arn())
	}
	return 0, invalidState("certificate authority %s had an audit report in the last 30 minutes; the next one can be created from %s on", r.arn(), until.Format(time.RFC3339))
}

// report reads one report.
func (s *Service) report(ctx context.Context, r *record, id string) (report, error) {
	var found report
	got, err := s.store.Get(ctx, kindReport, r.reportKey(id))
	if err != nil {
		return found, err
	}
	if err := json.Unmarshal(got.Value, &found); err != nil {
		return found, fmt.Errorf("decode %s %s: %w", got.Kind, got.Key, err)
	}
	return found, nil
}

// DescribeCertificateAuthorityAuditReport tells how far a report is. SUCCESS:
// the object is there.
func (s *Service) DescribeCertificateAuthorityAuditReport(ctx context.Context, in *acmpca.DescribeCertificateAuthorityAuditReportInput) (*acmpca.DescribeCertificateAuthorityAuditReportOutput, error) {
	r, err := s.load(ctx, in.CertificateAuthorityArn)
	if err != nil {
		return nil, err
	}
	id := aws.ToString(in.AuditReportId)
	found, err := s.report(ctx, r, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("Could not find audit report %s of certificate authority %s", id, r.arn())
	}
	if err != nil {
		return nil, err
	}
	return &acmpca.DescribeCertificateAuthorityAuditReportOutput{
		AuditReportStatus: types.AuditReportStatus(found.Status), CreatedAt: aws.Time(found.CreatedAt),
		S3BucketName: aws.String(found.Bucket), S3Key: aws.String(found.Key),
	}, nil
}
