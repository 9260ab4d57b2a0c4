package authority

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/smithy-go"

	"countersign/call"
	"countersign/pki"
	"countersign/store"
)

// buckets are Objects in memory, with one bucket, reports.
type buckets struct {
	mu      sync.Mutex
	objects map[string]string
	callers []call.Call
	fault   error // what Deliver answers after it has read some of the body
	lacking string

	deliveries []Delivery
}

func (b *buckets) CheckDelivery(_ context.Context, d Delivery) (region, lacking string, err error) {
	switch d.Bucket {
	case "reports":
		return testRegion, "", nil
	case "closed":
		return "", "s3:PutObject", nil
	}
	return "", "", &smithy.GenericAPIError{Code: "NoSuchBucket", Message: "The specified bucket does not exist"}
}

func (b *buckets) Deliver(ctx context.Context, d Delivery, contentType string, body io.Reader, size int64) (lacking string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.callers, b.deliveries = append(b.callers, call.From(ctx)), append(b.deliveries, d)
	if b.fault != nil || b.lacking != "" {
		_, _ = body.Read(make([]byte, 1))
		return b.lacking, b.fault
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return "", &smithy.GenericAPIError{Code: "IncompleteBody"}
	}
	if size >= 0 && size != int64(len(text)) {
		return "", fmt.Errorf("%d bytes of %d", len(text), size)
	}
	b.objects[d.Bucket+"/"+d.Key+" "+contentType] = string(text)
	return "", nil
}

// newReportBench is a bench with buckets and an active root.
func newReportBench(t *testing.T) (*bench, *buckets, string) {
	t.Helper()
	b, o := newBench(t), &buckets{objects: map[string]string{}}
	b.config.Buckets = o
	b.Service = New(b.config)
	return b, o, b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
}

func (b *bench) order(t testing.TB, ca, bucket string, format types.AuditReportResponseFormat) (*acmpca.CreateCertificateAuthorityAuditReportOutput, error) {
	t.Helper()
	return b.CreateCertificateAuthorityAuditReport(caller(t.Context()), &acmpca.CreateCertificateAuthorityAuditReportInput{
		CertificateAuthorityArn: &ca, S3BucketName: &bucket, AuditReportResponseFormat: format})
}

func (b *bench) wantReport(t testing.TB, ca, id string, want types.AuditReportStatus) {
	t.Helper()
	out, err := b.DescribeCertificateAuthorityAuditReport(caller(t.Context()), &acmpca.DescribeCertificateAuthorityAuditReportInput{CertificateAuthorityArn: &ca, AuditReportId: &id})
	if err != nil {
		t.Fatal(err)
	}
	if out.AuditReportStatus != want || *out.S3BucketName != "reports" || !strings.Contains(*out.S3Key, id) || out.CreatedAt == nil {
		t.Errorf("got %s in %s at %s of %v, want %s", out.AuditReportStatus, *out.S3Key, *out.S3BucketName, out.CreatedAt, want)
	}
}

func (b *bench) write(t testing.TB) {
	t.Helper()
	if _, err := b.WriteAuditReports(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAuditReport(t *testing.T) {
	t.Parallel()
	b, o, ca := newReportBench(t)
	byACM, err := b.IssueCertificate(call.As(caller(t.Context()), "acm.amazonaws.com"), leafInput(ca, leafCSR(t, "by, acm")))
	if err != nil {
		t.Fatal(err)
	}
	leaf := b.leaf(t, ca, "client")
	b.clock.Add(time.Hour)
	b.revoke(t, ca, leaf, types.RevocationReasonPrivilegeWithdrawn)
	id := ca[strings.LastIndex(ca, "/")+1:]

	jsonReport, err := b.order(t, ca, "reports", types.AuditReportResponseFormatJson)
	if err != nil {
		t.Fatal(err)
	}
	b.wantReport(t, ca, *jsonReport.AuditReportId, types.AuditReportStatusCreating)
	_, err = b.order(t, ca, "reports", types.AuditReportResponseFormatCsv)
	wantError(t, err, "RequestInProgressException", "is being created")
	b.write(t)
	b.wantReport(t, ca, *jsonReport.AuditReportId, types.AuditReportStatusSuccess)
	if want := "audit-report/" + id + "/" + *jsonReport.AuditReportId + ".json"; *jsonReport.S3Key != want {
		t.Errorf("key %s, want %s", *jsonReport.S3Key, want)
	}
	text := o.objects["reports/"+*jsonReport.S3Key+" application/json"]
	var rows []map[string]string
	if err := json.Unmarshal([]byte(text), &rows); err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v: %s", len(rows), err, text)
	}
	want := map[string]string{
		"awsAccountId": testAccount, "certificateArn": ca + "/certificate/" + pki.SerialHex(leaf.SerialNumber), "serial": pki.SerialColons(leaf.SerialNumber),
		"subject": "CN=client", "notBefore": "2026-03-01T11:00:00+0000", "notAfter": "2026-03-31T12:00:00+0000", "issuedAt": "2026-03-01T12:00:00+0000",
		"revokedAt": "2026-03-01T13:00:00+0000", "revocationReason": "PRIVILEGE_WITHDRAWN", "templateArn": "arn:aws:acm-pca:::template/EndEntityCertificate/V1",
	}
	if fmt.Sprint(rows[2]) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", rows[2], want)
	}
	if rows[1]["requestedByServicePrincipal"] != "acm.amazonaws.com" || rows[1]["certificateArn"] != *byACM.CertificateArn || rows[1]["revokedAt"] != "" {
		t.Errorf("by ACM: %v", rows[1])
	}
	if rows[0]["templateArn"] != *template1("RootCACertificate") || rows[0]["requestedByServicePrincipal"] != "" {
		t.Errorf("the root's own: %v", rows[0])
	}
	if d := o.deliveries[0]; d.Service != servicePrincipal || d.Source != ca || d.ACL != "bucket-owner-full-control" {
		t.Errorf("the report was delivered as %+v", d)
	}
	if c := o.callers[0]; c.Account != testAccount || c.Region != testRegion || c.Principal.Service != servicePrincipal {
		t.Errorf("the report was written by %+v", c)
	}

	_, err = b.order(t, ca, "reports", types.AuditReportResponseFormatCsv)
	wantError(t, err, "InvalidStateException", "in the last 30 minutes")
	b.clock.Add(reportPause)
	b.setStatus(t, ca, types.CertificateAuthorityStatusDisabled)
	csvReport, err := b.order(t, ca, "reports", types.AuditReportResponseFormatCsv)
	if err != nil {
		t.Fatal(err)
	}
	b.write(t)
	table, err := csv.NewReader(strings.NewReader(o.objects["reports/"+*csvReport.S3Key+" text/csv"])).ReadAll()
	if err != nil || len(table) != 4 {
		t.Fatalf("%d lines, %v", len(table), err)
	}
	if got, want := strings.Join(table[0], ","), "awsAccountId,requestedByServicePrincipal,certificateArn,serial,subject,notBefore,notAfter,issuedAt,revokedAt,revocationReason,templateArn"; got != want {
		t.Errorf("header %s, want %s", got, want)
	}
	for i, line := range table[1:] {
		for n, name := range table[0] {
			if line[n] != rows[i][name] {
				t.Errorf("line %d: %s is %q, in JSON %q", i, name, line[n], rows[i][name])
			}
		}
	}
}

// TestAuditReportPages has more rows than are read at a time.
func TestAuditReportPages(t *testing.T) {
	t.Parallel()
	b, _, ca := newReportBench(t)
	r, err := b.load(caller(t.Context()), &ca)
	if err != nil {
		t.Fatal(err)
	}
	const count = 2*reportPage + 7
	batch := new(store.Batch)
	for n := range count {
		batch.Issue(store.Certificate{Authority: r.ID, Serial: store.Serial{1, 15: byte(n), 14: byte(n >> 8)}, TBS: []byte("x"), Template: "t", Requester: "arn:x",
			IssuedAt: b.clock.Now(), NotBefore: b.clock.Now(), NotAfter: b.clock.Now()})
	}
	if _, err := b.store.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := b.writeRows(t.Context(), r, true, &out); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != count+2 { // a header, and the root's own certificate
		t.Errorf("%d lines, want %d", lines, count+2)
	}
	empty := *r
	empty.ID = "none"
	out.Reset()
	if err := b.writeRows(t.Context(), &empty, false, &out); err != nil || out.String() != "[]\n" {
		t.Errorf("without certificates: %q, %v", out.String(), err)
	}
}

func TestAuditReportFails(t *testing.T) {
	t.Parallel()
	b, o, ca := newReportBench(t)
	order := func() string {
		t.Helper()
		out, err := b.order(t, ca, "reports", types.AuditReportResponseFormatJson)
		if err != nil {
			t.Fatal(err)
		}
		return *out.AuditReportId
	}
	o.fault = &smithy.GenericAPIError{Code: "NoSuchBucket", Message: "The specified bucket does not exist"}
	id := order()
	b.write(t)
	b.wantReport(t, ca, id, types.AuditReportStatusFailed)
	o.fault, o.lacking = nil, "s3:PutObject" // its policy was changed
	id = order()
	b.write(t)
	b.wantReport(t, ca, id, types.AuditReportStatusFailed)
	o.lacking = ""

	// A failed one does not count for the pause. An internal failure is no verdict:
	// the report is tried again, by another node if need be.
	o.fault = errors.New("disk")
	id = order()
	if _, err := b.WriteAuditReports(t.Context()); err == nil {
		t.Error("an internal failure was no error")
	}
	b.wantReport(t, ca, id, types.AuditReportStatusCreating)
	o.fault = nil
	if _, err := New(b.config).WriteAuditReports(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantReport(t, ca, id, types.AuditReportStatusSuccess)
	if left, err := b.store.List(t.Context(), KindReport, "", "", 0); err != nil || len(left) > 0 {
		t.Errorf("%d orders are left, %v", len(left), err)
	}
}

func TestAuditReportRefuses(t *testing.T) {
	t.Parallel()
	b, _, ca := newReportBench(t)
	_, err := b.order(t, ca, "elsewhere", types.AuditReportResponseFormatJson)
	wantError(t, err, "InvalidArgsException", "the S3 bucket elsewhere cannot take the audit report: The specified bucket does not exist")
	_, err = b.order(t, ca, "closed", types.AuditReportResponseFormatJson)
	wantError(t, err, "InvalidArgsException", "requires 's3:PutObject' permissions for your S3 bucket 'closed'")
	_, err = b.order(t, ca, "reports", "XML")
	wantError(t, err, "InvalidArgsException", "JSON or CSV")
	_, err = b.order(t, b.create(t, createInput(types.CertificateAuthorityTypeRoot, "New")), "reports", types.AuditReportResponseFormatJson)
	wantError(t, err, "InvalidStateException", "PENDING_CERTIFICATE")
	_, err = b.DescribeCertificateAuthorityAuditReport(caller(t.Context()), &acmpca.DescribeCertificateAuthorityAuditReportInput{
		CertificateAuthorityArn: &ca, AuditReportId: aws.String("00000000-0000-4000-8000-000000000000")})
	wantError(t, err, "ResourceNotFoundException", "audit report")
	b.setStatus(t, ca, types.CertificateAuthorityStatusDisabled)
	if _, err := b.DeleteCertificateAuthority(caller(t.Context()), &acmpca.DeleteCertificateAuthorityInput{CertificateAuthorityArn: &ca}); err != nil {
		t.Fatal(err)
	}
	_, err = b.order(t, ca, "reports", types.AuditReportResponseFormatJson)
	wantError(t, err, "InvalidStateException", "must be restored")
}

// TestAuditReportRace orders two at once: one is made.
func TestAuditReportRace(t *testing.T) {
	t.Parallel()
	b, _, ca := newReportBench(t)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = b.order(t, ca, "reports", types.AuditReportResponseFormatJson) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		wantError(t, err, "RequestInProgressException", "")
	}
	if made != 1 {
		t.Errorf("%d reports were made", made)
	}
}
