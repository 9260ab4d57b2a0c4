package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"
)

// A listed is a certificate of an audit report, and the JSON of it.
type listed struct {
	ARN       string     `json:"arn"`
	Subject   string     `json:"subject"`
	Serial    string     `json:"serial"`
	Status    string     `json:"status"` // VALID, EXPIRED or REVOKED
	NotBefore time.Time  `json:"notBefore"`
	NotAfter  time.Time  `json:"notAfter"`
	DaysLeft  int        `json:"daysLeft"`
	RevokedAt *time.Time `json:"revokedAt,omitempty"`
	Reason    string     `json:"revocationReason,omitempty"`
	Template  string     `json:"template,omitempty"`
}

func certListCommand() *cobra.Command {
	var authority, bucket string
	var all bool
	c := &cobra.Command{
		Use: "list --ca name", Short: "List what an authority issued",
		Long: `List what an authority issued, the latest first. AWS has no operation for it but the audit report, so this
orders one (CreateCertificateAuthorityAuditReport), waits, and reads it from its bucket. An authority
makes a report every 30 minutes at most: in between, the newest one in the bucket is read, and its
age is told on standard error.

The bucket of --bucket must let acm-pca.amazonaws.com write. Without --bucket,
countersign-audit-<account>-<region> is used, and made where there is none.`,
		Example: `  countersign cert list --ca "Example Issuing CA"
  countersign cert list --ca 1b2c --all --json | jq -r '.[] | select(.status == "REVOKED") | .serial'`,
		Args: noArguments,
		PreRunE: func(*cobra.Command, []string) error {
			if authority == "" {
				return exitError{statusUsage, "say whose certificates: --ca name; 'countersign ca list' shows what there is"}
			}
			return nil
		},
	}
	c.Flags().StringVar(&authority, "ca", "", "the authority: name, id or ARN (required)")
	c.Flags().StringVar(&bucket, "bucket", "", "bucket for the audit report")
	c.Flags().BoolVar(&all, "all", false, "list expired and revoked certificates as well")
	return onNode(c, func(ctx context.Context, s *session, _ []string) error {
		from, err := s.find(ctx, authority)
		if err != nil {
			return err
		}
		rows, made, err := s.report(ctx, from, bucket)
		if err != nil {
			return err
		}
		if age := s.now.Sub(made); age > time.Minute {
			fmt.Fprintf(c.ErrOrStderr(), "The audit report is %d minutes old; there can be a new one 30 minutes after it.\n", int(age.Minutes()))
		}
		shown := []listed{}
		for i := len(rows) - 1; i >= 0; i-- { // reports have the latest last
			if all || rows[i].Status == "VALID" {
				shown = append(shown, rows[i])
			}
		}
		if s.json {
			return s.encode(shown)
		}
		if len(shown) == 0 {
			_, err := fmt.Fprintf(s.out, "%s has no valid certificates; --all lists the %d that ended or were revoked.\n", from.Name, len(rows))
			return err
		}
		t := newTable(s.out, s.palette, "SUBJECT", "STATUS", "LEFT", "SERIAL")
		for _, r := range shown {
			status, left := s.palette.green(r.Status), s.palette.left(&r.NotAfter, s.now)
			if r.Status != "VALID" {
				status = s.palette.red(r.Status)
			}
			t.row(r.Subject, status, left, r.Serial)
		}
		return t.flush()
	})
}

// report gives the newest audit report of an authority, and when it was made.
func (s *session) report(ctx context.Context, of ca, bucket string) ([]listed, time.Time, error) {
	store := s3.NewFromConfig(s.config, func(o *s3.Options) { o.UsePathStyle = true })
	if bucket == "" {
		bucket = "countersign-audit-" + accountOf(of.ARN) + "-" + s.config.Region
		if err := s.reportBucket(ctx, store, bucket, accountOf(of.ARN)); err != nil {
			return nil, time.Time{}, err
		}
	}
	key, made := "", s.now
	ordered, err := s.pca.CreateCertificateAuthorityAuditReport(ctx, &acmpca.CreateCertificateAuthorityAuditReportInput{
		CertificateAuthorityArn: &of.ARN, S3BucketName: &bucket, AuditReportResponseFormat: types.AuditReportResponseFormatJson,
	})
	// AWS has no error of its own for "too soon after another one".
	var running *types.RequestInProgressException
	var soon *types.InvalidStateException
	switch {
	case errors.As(err, &running), errors.As(err, &soon):
		newest, at, listing := newestReport(ctx, store, bucket, of.ID)
		if listing != nil || newest == "" {
			return nil, time.Time{}, err // no report in this bucket: what was refused is what counts
		}
		key, made = newest, at
	case err != nil:
		return nil, time.Time{}, err
	default:
		key = *ordered.S3Key
		waiter := acmpca.NewAuditReportCreatedWaiter(s.pca, func(o *acmpca.AuditReportCreatedWaiterOptions) {
			o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
		})
		if err := waiter.Wait(ctx, &acmpca.DescribeCertificateAuthorityAuditReportInput{CertificateAuthorityArn: &of.ARN, AuditReportId: ordered.AuditReportId}, 5*time.Minute); err != nil {
			return nil, time.Time{}, fmt.Errorf("the audit report did not come: %w", err)
		}
	}
	out, err := store.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, time.Time{}, err
	}
	defer out.Body.Close()
	rows, err := s.readReport(json.NewDecoder(out.Body))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("the audit report s3://%s/%s: %w", bucket, key, err)
	}
	return rows, made, nil
}

// reportBucket makes the bucket for audit reports where there is none, with the
// policy that AWS demands of one.
func (s *session) reportBucket(ctx context.Context, store *s3.Client, bucket, account string) error {
	_, err := store.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket})
	var refused smithy.APIError
	if err == nil || !errors.As(err, &refused) || refused.ErrorCode() != "NotFound" {
		return err
	}
	in := &s3.CreateBucketInput{Bucket: &bucket}
	if s.config.Region != "us-east-1" { // S3 takes this one only by leaving it out
		in.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(s.config.Region)}
	}
	if _, err := store.CreateBucket(ctx, in); err != nil {
		return err
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Service": "acm-pca.amazonaws.com"},
		"Action":    []string{"s3:PutObject", "s3:PutObjectAcl", "s3:GetBucketAcl", "s3:GetBucketLocation"},
		"Resource":  []string{"arn:aws:s3:::" + bucket, "arn:aws:s3:::" + bucket + "/*"},
		"Condition": map[string]any{"StringEquals": map[string]string{"aws:SourceAccount": account}},
	}}})
	if err != nil {
		return err
	}
	_, err = store.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: aws.String(string(policy))})
	return err
}

// newestReport finds the newest report of an authority in a bucket; no key if there is none.
func newestReport(ctx context.Context, store *s3.Client, bucket, id string) (key string, made time.Time, err error) {
	in := &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("audit-report/" + id + "/")}
	for pages := s3.NewListObjectsV2Paginator(store, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", time.Time{}, err
		}
		for _, o := range page.Contents {
			if strings.HasSuffix(*o.Key, ".json") && o.LastModified.After(made) {
				key, made = *o.Key, *o.LastModified
			}
		}
	}
	return key, made, nil
}

// readReport reads the array of a report row by row.
func (s *session) readReport(d *json.Decoder) ([]listed, error) {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.New("it is no JSON array")
	}
	const form = "2006-01-02T15:04:05-0700"
	var rows []listed
	for d.More() {
		var row struct {
			ARN       string `json:"certificateArn"`
			Serial    string `json:"serial"`
			Subject   string `json:"subject"`
			NotBefore string `json:"notBefore"`
			NotAfter  string `json:"notAfter"`
			RevokedAt string `json:"revokedAt"`
			Reason    string `json:"revocationReason"`
			Template  string `json:"templateArn"`
		}
		if err := d.Decode(&row); err != nil {
			return nil, err
		}
		l := listed{ARN: row.ARN, Subject: row.Subject, Serial: row.Serial, Status: "VALID", Reason: row.Reason, Template: row.Template}
		var bad error
		moment := func(text string) time.Time {
			at, err := time.Parse(form, text)
			bad = errors.Join(bad, err)
			return at
		}
		l.NotBefore, l.NotAfter = moment(row.NotBefore), moment(row.NotAfter)
		l.DaysLeft = daysUntil(l.NotAfter, s.now)
		if l.NotAfter.Before(s.now) {
			l.Status = "EXPIRED"
		}
		if row.RevokedAt != "" {
			at := moment(row.RevokedAt)
			l.Status, l.RevokedAt = "REVOKED", &at
		}
		if bad != nil {
			return nil, bad
		}
		rows = append(rows, l)
	}
	return rows, nil
}

// accountOf is the account in an ARN; "" if there is none.
func accountOf(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}
