package authority

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/smithy-go"

	"countersign/pki"
	"countersign/store"
)

// WriteAuditReports writes every report that was ordered. It is the body of a
// job: run it at start and whenever KindReport was written. A report whose bucket
// refuses it is FAILED; any other fault is an error, and the next run writes the
// report again from its beginning.
func (s *Service) WriteAuditReports(ctx context.Context) (next time.Time, err error) {
	waiting, err := s.store.List(ctx, KindReport, "", "", 0)
	if err != nil {
		return time.Time{}, err
	}
	for _, w := range waiting {
		if err := s.writeReport(ctx, w.Key); err != nil {
			return time.Time{}, fmt.Errorf("write audit report %s: %w", w.Key, err)
		}
	}
	return time.Time{}, nil
}

func (s *Service) writeReport(ctx context.Context, key string) error {
	done := new(store.Batch).Delete(KindReport, key)
	got, err := s.store.Get(ctx, kindReport, key)
	if err != nil {
		return err
	}
	var p report
	if err := json.Unmarshal(got.Value, &p); err != nil {
		return fmt.Errorf("decode %s: %w", got.Kind, err)
	}
	p.Status = string(types.AuditReportStatusSuccess)
	err = s.putReport(ctx, strings.TrimSuffix(key, "/"+p.ID), p)
	var refused smithy.APIError
	switch {
	case errors.As(err, &refused), errors.Is(err, store.ErrNotFound): // the bucket, or the authority is gone
		s.log.WarnContext(ctx, "audit report failed", "report", key, "bucket", p.Bucket, "err", err)
		p.Status = string(types.AuditReportStatusFailed)
	case err != nil:
		return err
	}
	value, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = s.store.Commit(ctx, done.Replace(kindReport, key, value, got.Revision))
	return err
}

// putReport streams the rows into the bucket, so that an authority of any size
// takes little memory.
func (s *Service) putReport(ctx context.Context, authority string, p report) error {
	got, err := s.store.Get(ctx, KindAuthority, authority)
	if err != nil {
		return err
	}
	r, err := decode(got)
	if err != nil {
		return err
	}
	from, to := io.Pipe()
	rows := make(chan error, 1)
	go func() {
		err := s.writeRows(ctx, r, p.CSV, to)
		to.CloseWithError(err)
		rows <- err
	}()
	media := "application/json"
	if p.CSV {
		media = "text/csv"
	}
	lacking, err := s.buckets.Deliver(r.writing(ctx), p.delivery(r), media, from, -1)
	if lacking != "" {
		err = &smithy.GenericAPIError{Code: "AccessDenied", Message: "the bucket's policy does not allow " + servicePrincipal + " " + lacking, Fault: smithy.FaultClient}
	}
	from.CloseWithError(errUnread) // ends the writer if the bucket refused before the end
	if fault := <-rows; fault != nil && !errors.Is(fault, errUnread) {
		return fault // what the bucket says of a broken stream is of no interest
	}
	return err
}

var errUnread = errors.New("the bucket did not take the whole report")

// reportTime is how audit reports write times; they are UTC.
const reportTime = "2006-01-02T15:04:05-0700"

// reportPage is how many rows are read at a time.
const reportPage = 1000

// A reportRow is a certificate as reports show it, in the order of the columns.
type reportRow struct {
	Account   string `json:"awsAccountId"`
	Service   string `json:"requestedByServicePrincipal,omitempty"`
	ARN       string `json:"certificateArn"`
	Serial    string `json:"serial"`
	Subject   string `json:"subject"`
	NotBefore string `json:"notBefore"`
	NotAfter  string `json:"notAfter"`
	IssuedAt  string `json:"issuedAt"`
	RevokedAt string `json:"revokedAt,omitempty"`
	Reason    string `json:"revocationReason,omitempty"`
	Template  string `json:"templateArn"`
}

func reportHeader() []string {
	return []string{"awsAccountId", "requestedByServicePrincipal", "certificateArn", "serial", "subject", "notBefore", "notAfter",
		"issuedAt", "revokedAt", "revocationReason", "templateArn"}
}

func (r reportRow) columns() []string {
	return []string{r.Account, r.Service, r.ARN, r.Serial, r.Subject, r.NotBefore, r.NotAfter, r.IssuedAt, r.RevokedAt, r.Reason, r.Template}
}

func newReportRow(r *record, c store.Certificate) reportRow {
	at := func(t time.Time) string { return t.UTC().Format(reportTime) }
	serial := pki.Serial(c.Serial)
	row := reportRow{
		Account: r.Account, ARN: r.arn() + "/certificate/" + serial.Hex(), Serial: serial.Colons(), Subject: c.Subject,
		NotBefore: at(c.NotBefore), NotAfter: at(c.NotAfter), IssuedAt: at(c.IssuedAt), Template: c.Template,
	}
	if !strings.HasPrefix(c.Requester, "arn:") { // see requester
		row.Service = c.Requester
	}
	if !c.RevokedAt.IsZero() {
		row.RevokedAt, row.Reason = at(c.RevokedAt), reasonName(c.Reason)
	}
	return row
}

// reasonName is the name of a CRL reason code; the inverse of reasonCode.
func reasonName(code int) string {
	for _, name := range types.RevocationReason("").Values() {
		if c, err := reasonCode(name); err == nil && c == code {
			return string(name)
		}
	}
	return string(types.RevocationReasonUnspecified)
}

// writeRows writes every row of the ledger that an authority has, in the order
// of issuance.
func (s *Service) writeRows(ctx context.Context, r *record, asCSV bool, w io.Writer) error {
	out := bufio.NewWriter(w)
	table := csv.NewWriter(out)
	before := "[\n"
	write := func(row reportRow) error {
		if asCSV {
			return table.Write(row.columns())
		}
		text, err := json.Marshal(row)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s%s", before, text)
		before = ",\n"
		return err
	}
	if asCSV {
		if err := table.Write(reportHeader()); err != nil {
			return err
		}
	}
	for after := int64(0); ; {
		rows, err := s.store.Certificates(ctx, r.ID, after, reportPage)
		if err != nil {
			return err
		}
		for _, c := range rows {
			if err := write(newReportRow(r, c)); err != nil {
				return err
			}
			after = c.Sequence
		}
		if len(rows) < reportPage {
			break
		}
	}
	if !asCSV {
		end := "\n]\n"
		if before == "[\n" {
			end = "[]\n"
		}
		if _, err := io.WriteString(out, end); err != nil {
			return err
		}
	}
	table.Flush()
	if err := table.Error(); err != nil {
		return err
	}
	return out.Flush()
}
