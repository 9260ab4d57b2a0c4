package metrics

import (
	"net/http"
	"strconv"
	"time"

	"countersign/store"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are those of one node. All methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	calls      family[[3]string]
	callTime   prometheus.Histogram
	handshakes family[[2]string]
	refused    family[[1]string]
	requests   family[[1]string]
	classes    [6]prometheus.Counter // requests by the hundreds of their status; 0: none
	issued     prometheus.Counter
	revoked    prometheus.Counter
	commits    family[[1]string]
	commitTime prometheus.Histogram
	crls       family[[1]string]
	ocsp       family[[1]string]
	jobs       family[[1]string]
}

// New makes the metrics of a node.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.calls.init(m.registry, "api_calls_total", "Calls of the AWS APIs by service, operation and error code (empty: success; an operation that is not known is empty).", "service", "operation", "code")
	m.callTime = m.histogram("api_call_seconds", "Time from the arrival of an AWS API call to its answer.", 0.0005)
	m.handshakes.init(m.registry, "gateway_handshakes_total", "Handshakes at the gateway by what came of them (Valid, or why the client was refused) and kind (full, resumed).", "reason", "kind")
	m.refused.init(m.registry, "gateway_late_refusals_total", "Clients that were let in and refused at a later request, by reason.", "reason")
	m.requests.init(m.registry, "gateway_requests_total", "Requests at the gateway by class of status.", "class")
	for i := range m.classes {
		m.classes[i] = m.requests.get([1]string{strconv.Itoa(i) + "xx"})
	}
	m.issued = m.counter("certificates_issued_total", "Certificates recorded in the ledger.")
	m.revoked = m.counter("certificates_revoked_total", "Certificates revoked in the ledger.")
	m.commits.init(m.registry, "store_commits_total", "Commits by result (committed, refused: a condition did not hold, failed).", "result")
	m.commitTime = m.histogram("store_commit_seconds", "Time that a commit took until it was durable.", 0.0001)
	m.crls.init(m.registry, "crl_writes_total", "Certificate revocation lists written to their buckets, by result (written, failed).", "result")
	m.ocsp.init(m.registry, "ocsp_answers_total", "Answers of the OCSP responder by response status.", "status")
	m.jobs.init(m.registry, "job_failures_total", "Runs of background jobs that failed.", "job")
	// What an alert asks for is there from the start.
	m.crls.get([1]string{"written"})
	m.crls.get([1]string{"failed"})
	for _, result := range []string{"committed", "refused", "failed"} {
		m.commits.get([1]string{result})
	}
	return m
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

// histogram has 14 buckets, each twice as wide as the one before.
func (m *Metrics) histogram(name, help string, first float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(first, 2, 14)})
	m.registry.MustRegister(h)
	return h
}

// Handler shows the metrics in Prometheus's formats.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4})
}

// Call counts a call of an AWS API. Code is empty for success; operation is
// empty where it is not known.
func (m *Metrics) Call(service, operation, code string, took time.Duration) {
	m.calls.get([3]string{service, operation, code}).Inc()
	m.callTime.Observe(took.Seconds())
}

// Handshake counts a handshake at the gateway.
func (m *Metrics) Handshake(reason string, resumed bool) {
	kind := "full"
	if resumed {
		kind = "resumed"
	}
	m.handshakes.get([2]string{reason, kind}).Inc()
}

// Refused counts a client that is refused after it was let in.
func (m *Metrics) Refused(reason string) { m.refused.get([1]string{reason}).Inc() }

// Request counts a request at the gateway.
func (m *Metrics) Request(status int) {
	class := status / 100
	if class < 0 || class >= len(m.classes) {
		class = 0
	}
	m.classes[class].Inc()
}

// Commit counts a commit of the store, and what it did to the ledger.
func (m *Metrics) Commit(b *store.Batch, took time.Duration, err error) {
	switch {
	case err == nil:
		m.commits.get([1]string{"committed"}).Inc()
	case store.Refused(err):
		m.commits.get([1]string{"refused"}).Inc()
		return
	default:
		m.commits.get([1]string{"failed"}).Inc()
		return
	}
	m.commitTime.Observe(took.Seconds())
	issued, revoked := 0, 0
	for _, op := range b.Ops {
		switch op.(type) {
		case store.IssueOp:
			issued++
		case store.RevokeOp:
			revoked++
		}
	}
	if issued > 0 {
		m.issued.Add(float64(issued))
	}
	if revoked > 0 {
		m.revoked.Add(float64(revoked))
	}
}

// CRL counts a list that was to be written to its bucket; err says why it was not.
func (m *Metrics) CRL(err error) {
	result := "written"
	if err != nil {
		result = "failed"
	}
	m.crls.get([1]string{result}).Inc()
}

// OCSP counts an answer of the responder.
func (m *Metrics) OCSP(status string) { m.ocsp.get([1]string{status}).Inc() }

// JobFailed counts a run of a background job that failed.
func (m *Metrics) JobFailed(job string) { m.jobs.get([1]string{job}).Inc() }
