package runner

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// serve answers the Runtime API for one environment until its process has gone.
// Clients keep one connection open and wait on it without a timeout, so there is none here.
func (e *environment) serve(l net.Listener) {
	type connKey struct{}
	e.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if c, ok := req.Context().Value(connKey{}).(*peer); e.r.peers && (!ok || !c.belongs(e.cmd.Process.Pid)) {
				w.Header().Set("Connection", "close")
				runtimeError(w, http.StatusForbidden, "Forbidden", "this Runtime API belongs to another process")
				return
			}
			e.route(w, req)
		}),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, newPeer(c))
		},
		MaxHeaderBytes: 2 << 20, // Lambda-Runtime-Function-Xray-Error-Cause may have 1 MiB
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	go e.server.Serve(l)
}

// A peer is the other end of a connection, judged once.
type peer struct {
	client, server netip.AddrPort
	once           sync.Once
	ok             bool
}

func newPeer(c net.Conn) *peer {
	p := new(peer)
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		p.client = a.AddrPort()
	}
	if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
		p.server = a.AddrPort()
	}
	return p
}

// belongs reports whether a process of pid's session made the connection. An error is a no.
func (p *peer) belongs(pid int) bool {
	p.once.Do(func() { p.ok, _ = ownedBy(pid, p.client, p.server) })
	return p.ok
}

// route is the Runtime API's table (2018-06-01), with as much of the Extensions
// API as a runtime uses to be sent SIGTERM.
func (e *environment) route(w http.ResponseWriter, req *http.Request) {
	const invocation = "/2018-06-01/runtime/invocation/"
	path := req.URL.Path
	id, verb, _ := strings.Cut(strings.TrimPrefix(path, invocation), "/")
	switch {
	case path == invocation+"next" && req.Method == http.MethodGet:
		e.next(w, req)
	case strings.HasPrefix(path, invocation) && verb == "response" && req.Method == http.MethodPost:
		e.response(w, req, id)
	case strings.HasPrefix(path, invocation) && verb == "error" && req.Method == http.MethodPost:
		e.errorResponse(w, req, id)
	case path == "/2018-06-01/runtime/init/error" && req.Method == http.MethodPost:
		e.initError(w, req)
	case path == "/2020-01-01/extension/register" && req.Method == http.MethodPost:
		e.registerExtension(w)
	case path == "/2020-01-01/extension/event/next" && req.Method == http.MethodGet:
		// It has asked for no events, and shutdown comes as a signal: it waits for its end.
		select {
		case <-req.Context().Done():
		case <-e.exited:
		}
	case path == "/2018-06-01/ping" || path == "/ping":
		io.WriteString(w, "pong")
	case path == "/2022-07-01/telemetry" || path == "/2020-08-15/logs":
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, `{"errorMessage":"Telemetry API is not supported","errorType":"Telemetry.NotSupported"}`)
	default:
		runtimeError(w, http.StatusNotFound, "NotFound", req.Method+" "+path+" is not part of this Runtime API")
	}
}

// next waits for an event. Asking means that the former invocation is finished.
func (e *environment) next(w http.ResponseWriter, req *http.Request) {
	e.mu.Lock()
	switch e.phase {
	case starting, responded:
		e.phase = waiting
		e.asked <- struct{}{} // has room: each of the two phases is left once before it is taken
	case detached:
		e.phase = waiting
	default:
		e.mu.Unlock()
		invalidTransition(w)
		return
	}
	e.mu.Unlock()

	var d delivery
	select {
	case d = <-e.events:
	case <-e.exited:
		return
	case <-req.Context().Done():
		e.mu.Lock()
		if e.phase == waiting {
			e.phase = detached
		}
		e.mu.Unlock()
		return
	}
	e.mu.Lock()
	if e.phase == over {
		e.mu.Unlock()
		invalidTransition(w)
		return
	}
	e.phase, e.current = running, d.RequestID
	e.mu.Unlock()
	e.out.follow(nil) // whatever came before belongs to nobody's tail
	e.out.drain()
	e.out.follow(d.tail)
	e.out.platform("START RequestId: " + d.RequestID + " Version: " + e.fn.Version + "\n")

	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", d.RequestID)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(d.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", d.InvokedARN)
	h.Set("Lambda-Runtime-Trace-Id", d.Trace)
	if len(d.ClientContext) > 0 {
		h.Set("Lambda-Runtime-Client-Context", string(d.ClientContext))
	}
	h.Set("Content-Length", strconv.Itoa(len(d.Payload)))
	w.Write(d.Payload)
}

// begin takes the right to end the invocation id, or answers why not.
func (e *environment) begin(w http.ResponseWriter, id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.phase != running || id != e.current {
		runtimeError(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return false
	}
	e.phase = responding
	return true
}

// finish files the outcome of the invocation under way. A time-out may have come first.
func (e *environment) finish(o outcome) (taken bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.phase != responding {
		return false
	}
	e.phase = responded
	e.outcomes <- o // has room: one invocation at a time
	return true
}

func (e *environment) response(w http.ResponseWriter, req *http.Request, id string) {
	if mode := req.Header.Get("Lambda-Runtime-Function-Response-Mode"); mode != "" && mode != "streaming" {
		runtimeError(w, http.StatusBadRequest, "Runtime.InvalidResponseModeHeader", "response mode "+strconv.Quote(mode)+" is not known")
		return
	}
	if !e.begin(w, id) {
		return
	}
	body, err := readBounded(req.Body)
	var o outcome
	switch {
	case errors.Is(err, errTooLarge):
		o = tooLarge()
	case err != nil:
		o = failure("Runtime.TruncatedResponse", "Response was cut off before its end.")
	case req.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "":
		// The function failed while its response was already being sent. aws-lambda-go
		// announces this trailer with every response and fills it only then.
		kind := errorType(req.Trailer.Get("Lambda-Runtime-Function-Error-Type"))
		details, err := base64.StdEncoding.DecodeString(req.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		o = outcome{payload: details, failed: true, kind: kind}
		if err != nil || !json.Valid(details) {
			o = failure(kind, "the function failed while it was sending its response")
		}
	default:
		o = outcome{payload: body}
	}
	switch {
	case !e.finish(o):
		invalidTransition(w)
	case o.kind == "Function.ResponseSizeTooLarge":
		runtimeError(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Exceeded maximum allowed payload size ("+strconv.Itoa(MaxPayload)+" bytes).")
	default:
		accepted(w)
	}
}

func (e *environment) errorResponse(w http.ResponseWriter, req *http.Request, id string) {
	if !e.begin(w, id) {
		return
	}
	o := errorOutcome(req)
	if !e.finish(o) {
		invalidTransition(w)
		return
	}
	accepted(w)
}

// initError ends the environment before it has begun.
func (e *environment) initError(w http.ResponseWriter, req *http.Request) {
	e.mu.Lock()
	if e.phase != starting {
		e.mu.Unlock()
		invalidTransition(w)
		return
	}
	e.phase = responding
	e.mu.Unlock()
	o := errorOutcome(req)
	if !e.finish(o) {
		invalidTransition(w)
		return
	}
	e.mu.Lock()
	e.phase = over
	e.mu.Unlock()
	accepted(w)
}

// errorOutcome reads what a runtime posts about a failure. Its body is the answer as it stands.
func errorOutcome(req *http.Request) outcome {
	kind := errorType(req.Header.Get("Lambda-Runtime-Function-Error-Type"))
	body, err := readBounded(req.Body)
	switch {
	case errors.Is(err, errTooLarge):
		return tooLarge()
	case err != nil:
		return failure("Runtime.TruncatedResponse", "Response was cut off before its end.")
	case len(body) == 0:
		return failure(kind, "")
	}
	return outcome{payload: body, failed: true}
}

var knownErrorType = regexp.MustCompile(`^(Runtime|Function)\.[A-Z][a-zA-Z]+$`)

// errorType is a runtime's error type if it has the form that Lambda keeps.
func errorType(s string) string {
	switch {
	case knownErrorType.MatchString(s):
		return s
	case strings.HasPrefix(s, "Function."):
		return "Function.Unknown"
	}
	return "Runtime.Unknown"
}

func (e *environment) registerExtension(w http.ResponseWriter) {
	w.Header().Set("Lambda-Extension-Identifier", e.id[:8]+"-"+e.id[8:12]+"-"+e.id[12:16]+"-"+e.id[16:20]+"-"+e.id[20:])
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{
		"functionName": e.fn.Name, "functionVersion": e.fn.Version, "handler": e.fn.Handler,
	})
}

var errTooLarge = errors.New("body too large")

// readBounded reads a body of up to MaxPayload bytes. Of a larger one it
// discards some more, so that the sender reads our answer rather than a reset.
func readBounded(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, MaxPayload+1))
	if err != nil {
		return nil, err
	}
	if len(body) > MaxPayload {
		io.CopyN(io.Discard, r, 64<<20)
		return nil, errTooLarge
	}
	return body, nil
}

// accepted answers 202: with any other status aws-lambda-go ends its process.
func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`)
}

func invalidTransition(w http.ResponseWriter) {
	runtimeError(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
}

func runtimeError(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(envelope{kind, message})
}

// peersKnown tries on a connection of our own whether owners can be found out here.
func peersKnown() bool {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return false
	}
	defer l.Close()
	c, err := net.DialTimeout("tcp4", l.Addr().String(), time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	client, server := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
	_, err = ownedBy(1, client, server)
	return err == nil
}
