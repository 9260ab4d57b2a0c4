package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"countersign/edge/snapshot"
	"countersign/pki"
)

// An exchange is one request and its answer.
type exchange struct {
	edge    *Edge
	w       http.ResponseWriter
	r       *http.Request
	conn    *conn
	view    *view
	site    *site
	client  *client // nil: no client certificate was asked for
	now     time.Time
	id      string         // apigw-requestid, or x-amzn-RequestId
	more    string         // of a REST API: x-amz-apigw-id, the extended request id
	traced  string         // X-Amzn-Trace-Id, once it was asked for
	host    string         // normal form
	body    []byte         // whole; of a pooled buffer
	granted *grant         // nil: the route has no authorizer
	counted *countedReader // nil: there is no body
	out     watchedWriter  // what w is where requests are counted
	target
}

// A watchedWriter knows the status of the answer.
type watchedWriter struct {
	http.ResponseWriter
	status int // 0: not written yet
}

// Unwrap is for http.ResponseController.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watchedWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// ServeHTTP carries one request. It must only be reached through Serve, which
// puts the connection into the context.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchange{edge: e, w: w, r: r, now: e.cfg.Now(), id: e.ids.request(), view: e.view.Load()}
	if e.cfg.Metrics != nil {
		x.out.ResponseWriter = w
		w = &x.out
		x.w = w
		defer func() { e.cfg.Metrics.Request(x.out.status) }()
	}
	w.Header()["Apigw-Requestid"] = []string{x.id}
	x.conn, _ = r.Context().Value(connKey{}).(*conn)
	if x.conn == nil {
		e.log.Error("a request without a connection: the handler was not reached through Serve")
		answerInternal.write(w)
		return
	}
	if refused := x.enter(); refused != nil {
		x.refuse(refused)
		return
	}
	if refused := x.find(); refused != nil {
		x.refuse(refused)
		return
	}
	if x.route.Throttle != nil {
		if refused := x.throttle(); refused != nil {
			x.refuse(refused)
			return
		}
	}
	if x.route.Authorizer != nil || x.stage.Policy != nil {
		if refused := x.authorize(); refused != nil {
			x.refuse(refused)
			return
		}
	}
	buffer := bodies.Get().(*bytes.Buffer)
	defer giveBack(buffer)
	defer func() { x.counted.release() }()
	if refused := x.readBody(buffer); refused != nil {
		x.refuse(refused)
		return
	}
	var failed *answer
	switch x.route.Integration.Type {
	case snapshot.HTTPProxy:
		failed = x.proxy(x.view.proxies[x.route.Integration])
	case snapshot.Mock:
		failed = x.mock()
	default: // checkRoute lets nothing else through
		failed = x.invoke()
	}
	if failed != nil {
		x.refuse(failed)
	}
}

// enter decides whether the request may come in at all: the client again, the
// host it asks for, the size of what it sent.
func (x *exchange) enter() *answer {
	b := x.edge.recheck(x.conn, x.view, x.now)
	if b == nil {
		return &answerReconnect
	}
	if b.reason != pki.Valid {
		x.edge.log.Info("request refused", "request", x.id, "decision", x.conn.id, "reason", string(b.reason), "domain", b.site.name)
		return &answerRefused
	}
	x.site, x.client = b.site, b.client
	// A client that one domain let in never reaches another through Host, be
	// it HTTP/1.1 or a reused HTTP/2 connection (RFC 9110, 7.4 and 15.5.20).
	if x.host = hostName(x.r.Host); !x.view.serves(b.site, x.conn.sni, x.host) {
		return &answerMisdirected
	}
	if headerSize(x.r) > x.edge.cfg.Limits.HeaderBytes {
		return &answerHeaderTooBig
	}
	strip(x.r.Header)
	return nil
}

// find selects the API, its stage and its route.
func (x *exchange) find() *answer {
	path := x.r.URL.EscapedPath()
	if path == "" && x.r.Method != http.MethodConnect {
		path = "/"
	}
	if !strings.HasPrefix(path, "/") { // OPTIONS *, CONNECT
		return &answerBadRequest
	}
	var below string
	if x.site.domain != nil {
		m, rest := mappingFor(x.site.domain.Mappings, path)
		if m == nil {
			return &answerForbidden
		}
		x.api, x.stage, below = m.API, m.Stage, rest
		if x.api.REST {
			x.startREST()
		}
		if x.view.broken[x.api] {
			x.edge.log.Warn("the API cannot be served", "request", x.id, "api", x.api.ID)
			return &answerInternal
		}
		if x.stage == nil { // the caller names it
			if x.stage, below = stageFor(x.api, rest); x.stage == nil {
				return &answerForbidden
			}
		}
	} else {
		x.api, x.apiHost = x.view.endpoints[x.host], true
		if x.api == nil {
			return &answerForbidden
		}
		unknown := &answerNotFound
		if x.api.REST {
			x.startREST()
			unknown = &answerForbidden
		}
		if x.api.DisableDefaultEndpoint {
			return unknown
		}
		if x.stage, below = stageFor(x.api, path); x.stage == nil {
			return unknown
		}
	}
	x.below = below
	unknown := &answerNotFound
	if x.api.REST { // where a slash at the end makes no difference
		unknown = &restNoMethod
		if below = strings.TrimRight(below, "/"); below == "" {
			below = "/"
		}
	}
	x.stageURL = below
	if x.stage.Name != defaultRoute {
		x.stageURL = "/" + x.stage.Name + below
	}
	if x.stage.CORS != nil && x.cors(x.stage.CORS) {
		return &answerPreflight
	}
	if x.route, x.params = routeFor(x.stage.Routes, x.r.Method, below); x.route == nil {
		return unknown
	}
	in := x.route.Integration
	if x.route.Unavailable != "" || in == nil || in.Type == snapshot.HTTPProxy && x.view.proxies[in] == nil {
		why := x.route.Unavailable
		switch {
		case why == "" && in == nil:
			why = "the route has no integration"
		case why == "":
			why = "its integration cannot be called"
		}
		x.fault("route cannot serve", errors.New(why))
		return &answerInternal
	}
	return nil
}

// bodies are buffers for request and response bodies.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// largestPooled keeps a few large bodies from pinning memory for good.
const largestPooled = 256 << 10

func giveBack(b *bytes.Buffer) {
	if b.Cap() <= largestPooled {
		b.Reset()
		bodies.Put(b)
	}
}

// longAgo as a deadline ends an operation at once.
var longAgo = time.Unix(1, 0)

// readBody reads the whole body, as API Gateway does before it calls an
// integration: a backend never waits for a slow client.
func (x *exchange) readBody(buffer *bytes.Buffer) *answer {
	if x.r.Body == nil || x.r.Body == http.NoBody {
		return nil
	}
	limit := int64(x.edge.cfg.Limits.BodyBytes)
	if x.r.ContentLength > limit {
		return &answerTooLarge
	}
	// A deadline would have to be computed from the wall clock, which is not
	// ours to read: a timer sets one that has passed.
	control := http.NewResponseController(x.w)
	slow := time.AfterFunc(x.edge.cfg.Limits.BodyTimeout, func() { _ = control.SetReadDeadline(longAgo) })
	if n := x.r.ContentLength; n > 0 {
		buffer.Grow(int(min(n, largestPooled)) + bytes.MinRead) // more only as it arrives
	}
	counted := &countedReader{from: io.LimitReader(x.r.Body, limit+1), held: &x.edge.held, limit: int64(x.edge.cfg.Limits.BodyMemory)}
	x.counted = counted
	n, err := buffer.ReadFrom(counted)
	inTime := slow.Stop()
	switch {
	case errors.Is(err, errNoMemory):
		x.edge.log.Warn("request bodies take too much memory; one is refused", "request", x.id, "limit", counted.limit)
		refused := answerNotAvailable
		refused.close = true
		return &refused
	case n > limit:
		return &answerTooLarge
	case !inTime:
		return &answerSlow
	case err != nil:
		refused := answerBadRequest
		refused.close = true
		return &refused
	}
	x.body = buffer.Bytes()
	return nil
}

var errNoMemory = errors.New("too much memory is held by request bodies")

// A countedReader counts what all requests together hold of their bodies.
type countedReader struct {
	from  io.Reader
	held  *atomic.Int64
	limit int64
	n     int64
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.n += int64(n)
	if r.held.Add(int64(n)) > r.limit {
		return n, errNoMemory
	}
	return n, err
}

// release gives back what was counted; nil-safe.
func (r *countedReader) release() {
	if r != nil {
		r.held.Add(-r.n)
	}
}

// abandon ends a request whose client has gone, or has stopped listening: by
// returning, the handler would have net/http say 200. This is how it is told
// to say nothing.
func abandon() { panic(http.ErrAbortHandler) }

// integrationContext ends when the client goes away or the integration's time is up.
func (x *exchange) integrationContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(x.r.Context(), integrationTimeout(x.route.Integration))
}

// integrationTimeout is 30 seconds unless the integration says less.
func integrationTimeout(in *snapshot.Integration) time.Duration {
	const most = 30 * time.Second
	if in.Timeout <= 0 || in.Timeout > most {
		return most
	}
	return in.Timeout
}

// fault logs what went wrong on our side or the backend's; the client only
// learns the request id.
func (x *exchange) fault(what string, err error) {
	x.edge.log.Warn(what, "request", x.id, "api", x.api.ID, "stage", x.stage.Name, "route", x.route.Key, "error", err)
}
