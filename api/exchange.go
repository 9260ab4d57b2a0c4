package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"countersign/call"
	"countersign/wire"
	"countersign/wire/shape"
	"countersign/wire/sigv4"

	"github.com/aws/smithy-go"
)

// An exchange is one request on its way to its answer. It fills up as it goes,
// so that wherever it ends the answer has the right form and the log line says
// how far it came.
type exchange struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	start time.Time

	call     call.Call
	service  *service         // whose error form applies
	op       *shape.Operation // nil until it is known
	verified bool             // the signature holds
	answered bool             // the head of the answer is out
}

func (x *exchange) serve() {
	x.service = x.s.fallback(x.r)
	x.call = call.Call{
		RequestID: x.s.cfg.NewRequestID(),
		Account:   x.s.cfg.Account,
		Signing:   call.Anonymous,
		UserAgent: x.r.UserAgent(),
		Host:      x.r.Host,
		Secure:    x.r.TLS != nil,
	}
	if peer, err := netip.ParseAddrPort(x.r.RemoteAddr); err == nil {
		x.call.Source = peer.Addr().Unmap()
	}
	defer func() {
		// A panic in an operation costs its caller an answer, and nobody else.
		switch v := recover(); {
		case v == nil:
		case v == http.ErrAbortHandler || x.answered:
			panic(http.ErrAbortHandler)
		default:
			x.s.cfg.Logger.Error("panic", "request", x.call.RequestID, "service", x.call.Service, "operation", x.call.Operation,
				"panic", v, "stack", string(debug.Stack()))
			x.answer(nil, errors.New("panic in an operation"))
		}
	}()
	res, err := x.run()
	x.answer(res, err)
}

// run carries the request to its answer.
func (x *exchange) run() (*wire.Response, error) {
	claim, err := sigv4.Parse(x.r)
	found := x.s.route(x.r, claim)
	if found == nil {
		return nil, x.s.unknownService(claim)
	}
	x.service = found
	x.call.Service = x.service.model.SigningName
	var in *wire.Request
	var unsigned error // what to answer unless the operation may be anonymous
	if err != nil {
		if unsigned = x.service.family.refuse(err, x.r); !x.mayBeAnonymous(err) {
			return nil, unsigned
		}
		in = &wire.Request{Path: escapedPath(x.r), Query: x.r.URL.Query(), Header: x.r.Header}
	} else {
		if in, err = x.verify(claim); err != nil {
			return nil, err
		}
		x.verified = true
	}

	if x.service.family == familyS3 {
		err = x.selectS3(in)
	} else {
		x.op, err = x.service.operation(x.r, in.Body)
	}
	if err != nil {
		return nil, err
	}
	x.call.Operation = x.op.Name
	if unsigned != nil {
		if x.op.Name != "GetObject" && x.op.Name != "HeadObject" {
			return nil, unsigned
		}
		if err := checkAnonymous(in.Query); err != nil {
			return nil, err
		}
	}
	operation, ok := x.service.built[x.op.Name]
	if !ok {
		return nil, x.service.family.notBuilt(x.service.model.ID, x.op.Name)
	}

	ctx := call.With(x.r.Context(), x.call)
	if unsigned == nil { // else the bucket and the object decide, and there is no body
		if err := x.authorize(ctx); err != nil {
			return nil, err
		}
	}
	if x.service.family == familyS3 && unsigned == nil {
		if err := readS3Body(x.op, in); err != nil {
			return nil, err
		}
	}
	input := operation.input()
	if err := wire.Decode(x.op, in, input); err != nil {
		return nil, err
	}
	output, err := operation.invoke(ctx, input)
	if err != nil {
		return nil, err
	}
	if x.s.cfg.Settle != nil && !readOnly(x.op) {
		x.s.cfg.Settle(ctx)
	}
	return wire.Encode(x.op, output, x.call.RequestID)
}

// verify proves the claim, and returns the request with its body: read whole
// and hashed, or for S3 as a stream that checks itself.
func (x *exchange) verify(claim *sigv4.Claim) (*wire.Request, error) {
	f := x.service.family
	x.call.Region, x.call.Signing = claim.Region, call.Header
	if claim.Presigned {
		x.call.Signing = call.Presigned
	}
	allowed := skew
	if f == familyS3 {
		allowed = s3Skew
	}
	if err := claim.CheckTime(x.s.cfg.Now(), allowed); err != nil {
		return nil, f.refuse(err, x.r)
	}
	x.call.Principal.AccessKeyID = claim.AccessKeyID // for the log; nobody yet
	credential, err := x.s.cfg.Credentials(x.r.Context(), claim.AccessKeyID, claim.Token)
	if err != nil {
		return nil, f.refuseKey(err, claim)
	}
	in := &wire.Request{Path: escapedPath(x.r), Query: x.r.URL.Query(), Header: x.r.Header}
	var hash string
	if f == familyS3 {
		switch hash = claim.PayloadHash; {
		case hash == "" && claim.Presigned:
			hash = sigv4.UnsignedPayload
		case hash == "":
			return nil, apiError{"InvalidRequest", "Missing required header for this request: x-amz-content-sha256", http.StatusBadRequest, nil}
		}
	} else {
		counted := &countedBody{Reader: x.r.Body, held: &x.s.held, limit: x.s.cfg.BodyMemory}
		in.Body, err = readBody(x.r, counted, x.service.bodyLimit())
		// From here on it is the caller's who is known, or it is dropped.
		defer counted.release()
		if err != nil {
			return nil, f.unreadable(err)
		}
		hash = sigv4.HashPayload(in.Body)
	}
	proof, err := x.s.verifier.Check(x.r, claim, credential.SecretAccessKey, hash)
	if err != nil {
		return nil, f.refuse(err, x.r)
	}
	x.call.Principal = credential.Principal
	if f == familyS3 {
		return in, prepareS3(x.r, in, claim, hash, proof)
	}
	return in, nil
}

func (x *exchange) authorize(ctx context.Context) error {
	if x.s.cfg.Authorize != nil {
		return x.s.cfg.Authorize(ctx, x.call)
	}
	if x.call.Principal.Account != x.s.cfg.Account {
		return x.service.family.accessDenied(x.call)
	}
	return nil
}

// answer writes res, or what err is on the wire, once.
func (x *exchange) answer(res *wire.Response, err error) {
	code := ""
	if err != nil {
		code = x.errorCode(err)
		res = x.encodeError(err)
	}
	h := res.Header
	if x.service.family == familyS3 {
		if err == nil {
			finishS3(x.op, res)
		}
		h.Set("X-Amz-Request-Id", x.call.RequestID)
		h.Set("X-Amz-Id-2", hostID(x.call.RequestID))
	} else {
		h.Set("X-Amzn-Requestid", x.call.RequestID)
	}
	took := x.s.cfg.Now().Sub(x.start)
	if x.verified && x.s.cfg.Audit != nil {
		x.s.cfg.Audit(call.With(x.r.Context(), x.call), x.call, Outcome{Status: res.Status, Code: code, Took: took})
	}
	if x.s.cfg.Observe != nil {
		x.s.cfg.Observe(x.call.Service, x.call.Operation, Outcome{Status: res.Status, Code: code, Took: took})
	}

	bodiless := x.r.Method == http.MethodHead || res.Status == http.StatusNoContent || res.Status == http.StatusNotModified
	if res.Stream == nil && !bodiless {
		h.Set("Content-Length", strconv.Itoa(len(res.Body)))
	}
	for name, values := range h {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			// boto3 takes the name of an object's metadata as it is spelt here.
			name = strings.ToLower(name)
		}
		x.w.Header()[name] = values
	}
	x.answered = true
	x.w.WriteHeader(res.Status)
	cut := false
	if res.Stream != nil {
		if !bodiless {
			_, copyErr := io.Copy(x.w, res.Stream)
			cut = copyErr != nil
		}
		res.Stream.Close()
	} else if !bodiless {
		_, _ = x.w.Write(res.Body) // it fails when the caller has gone
	}
	x.log(res.Status, code, took, cut)
	if cut {
		// The caller must see a broken answer, not a short one that looks whole.
		panic(http.ErrAbortHandler)
	}
}

// hostID is S3's second request id, which AWS uses to find a log.
func hostID(requestID string) string {
	sum := sha256.Sum256([]byte(requestID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// encodeError also logs what the caller is not told.
func (x *exchange) encodeError(err error) *wire.Response {
	var known smithy.APIError
	if !errors.As(err, &known) && x.r.Context().Err() == nil { // else the caller hung up, and that is why
		x.s.cfg.Logger.Error("internal failure", "request", x.call.RequestID, "service", x.call.Service,
			"operation", x.call.Operation, "error", err)
	}
	ctx := wire.ErrorContext{RequestID: x.call.RequestID, Head: x.r.Method == http.MethodHead}
	if x.service.family == familyS3 {
		ctx.HostID, ctx.Resource = hostID(x.call.RequestID), x.r.URL.Path
	}
	return wire.EncodeError(x.service.model, err, ctx)
}

func (x *exchange) errorCode(err error) string {
	var known smithy.APIError
	if errors.As(err, &known) {
		return known.ErrorCode()
	}
	return "InternalFailure"
}

// log writes the one line of a request. Bodies, resources, signatures and
// tokens are not in it. A line without a principal has a key that proved nothing.
func (x *exchange) log(status int, code string, took time.Duration, cut bool) {
	level := slog.LevelInfo
	if status >= 500 && status != http.StatusNotImplemented || cut {
		level = slog.LevelWarn
	}
	if !x.s.cfg.Logger.Enabled(x.r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request", x.call.RequestID),
		slog.String("service", x.call.Service),
		slog.String("operation", x.call.Operation),
		slog.String("principal", x.call.Principal.ARN),
		slog.String("key", x.call.Principal.AccessKeyID),
		slog.String("source", x.call.Source.String()),
		slog.Int("status", status),
		slog.Duration("took", took),
	}
	if code != "" {
		attrs = append(attrs, slog.String("code", code))
	}
	if cut {
		attrs = append(attrs, slog.Bool("cut", true))
	}
	x.s.cfg.Logger.LogAttrs(x.r.Context(), level, "call", attrs...)
}

// errTooLarge is a body beyond its service's limit.
var errTooLarge = errors.New("the request body is too large")

// errBusy is a body for which there is no memory now.
var errBusy = errors.New("request bodies take too much memory")

// A countedBody counts what all requests together hold of their bodies.
type countedBody struct {
	io.Reader
	held  *atomic.Int64
	limit int64
	n     int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.n += int64(n)
	if b.held.Add(int64(n)) > b.limit {
		return n, errBusy
	}
	return n, err
}

func (b *countedBody) release() { b.held.Add(-b.n) }

// bodyRoom is the most that is allocated for a body before it has come.
const bodyRoom = 64 << 10

// readBody reads a request's body from its counted reader whole, up to limit bytes.
func readBody(r *http.Request, body io.Reader, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errTooLarge
	}
	if r.ContentLength == 0 || r.Body == nil {
		return nil, nil
	}
	// What is announced is made room for at once, but not for much that may never come.
	whole := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), bodyRoom)+bytes.MinRead))
	_, err := whole.ReadFrom(io.LimitReader(body, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(whole.Len()) > limit:
		return nil, errTooLarge
	}
	return whole.Bytes(), nil
}

// escapedPath is the path as it came over the wire.
func escapedPath(r *http.Request) string {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil && u.IsAbs() {
		return u.EscapedPath()
	}
	for i := range len(r.RequestURI) {
		if r.RequestURI[i] == '?' {
			return r.RequestURI[:i]
		}
	}
	return r.RequestURI
}
