package metrics

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/store"
)

func text(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	return string(body)
}

func TestWhatIsCountedIsShown(t *testing.T) {
	t.Parallel()
	m := New()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 25 {
				m.Call("acm-pca", "IssueCertificate", "", time.Millisecond)
				m.Handshake("Valid", true)
			}
		})
	}
	group.Wait()
	m.Call("s3", "GetObject", "NoSuchKey", time.Millisecond)
	m.Handshake("ClientCertCrlHit", false)
	m.Refused("ClientCertCrlHit")
	for _, status := range []int{200, 204, 403, 0, 999} {
		m.Request(status)
	}
	b := new(store.Batch).Issue(store.Certificate{}).Issue(store.Certificate{}).Revoke("a", store.Serial{}, time.Time{}, 0).Put("k", "k", nil)
	m.Commit(b, time.Millisecond, nil)
	m.Commit(b, time.Millisecond, fmt.Errorf("commit: %w", store.ErrConflict))
	m.Commit(b, time.Millisecond, errors.New("disk full"))
	m.CRL(nil)
	m.CRL(errors.New("the bucket refuses"))
	m.OCSP("successful")
	m.JobFailed("publish CRLs")
	got := text(t, m)
	for _, want := range []string{
		`countersign_api_calls_total{code="",operation="IssueCertificate",service="acm-pca"} 100`,
		`countersign_api_calls_total{code="NoSuchKey",operation="GetObject",service="s3"} 1`,
		`countersign_api_call_seconds_count 101`,
		`countersign_gateway_handshakes_total{kind="resumed",reason="Valid"} 100`,
		`countersign_gateway_handshakes_total{kind="full",reason="ClientCertCrlHit"} 1`,
		`countersign_gateway_late_refusals_total{reason="ClientCertCrlHit"} 1`,
		`countersign_gateway_requests_total{class="2xx"} 2`,
		`countersign_gateway_requests_total{class="4xx"} 1`,
		`countersign_gateway_requests_total{class="0xx"} 2`,
		`countersign_certificates_issued_total 2`,
		`countersign_certificates_revoked_total 1`,
		`countersign_store_commits_total{result="committed"} 1`,
		`countersign_store_commits_total{result="refused"} 1`,
		`countersign_store_commits_total{result="failed"} 1`,
		`countersign_store_commit_seconds_count 1`,
		`countersign_crl_writes_total{result="written"} 1`,
		`countersign_crl_writes_total{result="failed"} 1`,
		`countersign_ocsp_answers_total{status="successful"} 1`,
		`countersign_job_failures_total{job="publish CRLs"} 1`,
		`go_goroutines `, `process_cpu_seconds_total `,
	} {
		if !strings.Contains(got, want+"\n") && !(strings.HasSuffix(want, " ") && strings.Contains(got, "\n"+want)) {
			t.Errorf("%s is not shown", want)
		}
	}
}

func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	m := New()
	for i := range maxSeries + 100 {
		m.OCSP(fmt.Sprint(i))
	}
	if n := strings.Count(text(t, m), "countersign_ocsp_answers_total{"); n != maxSeries+1 {
		t.Errorf("%d series, want %d and one for all others", n, maxSeries)
	}
}

func TestCountingTakesNoMemory(t *testing.T) {
	m := New()
	count := func() {
		m.Handshake("Valid", false)
		m.Request(200)
		m.Call("acm-pca", "IssueCertificate", "", time.Millisecond)
	}
	count()
	if n := testing.AllocsPerRun(100, count); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHandshake(b *testing.B) {
	m := New()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Handshake("Valid", false)
		}
	})
}
