package node

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"countersign/pki"
	"countersign/service/authority"
)

// Media types and times of OCSP over HTTP (RFC 6960 appendix A, RFC 5019
// section 6).
const (
	ocspRequestType  = "application/ocsp-request"
	ocspResponseType = "application/ocsp-response"

	// ocspFresh is how long caches between here and the client may keep an answer,
	// which is how much later than the responder they may show a revocation.
	ocspFresh = 10 * time.Minute
)

// A responder is what ocspHandler needs of the authorities.
type responder interface {
	OCSP(ctx context.Context, id string, der []byte) authority.OCSPAnswer
	OCSPHost(ctx context.Context, host string) (own bool, paths []string, err error)
	AnswersOCSP(ctx context.Context, id string) (bool, error)
}

// An ocspHandler answers OCSP on the port of the AWS endpoint and passes
// everything else on. Nobody signs an OCSP request, so one is told by
//   - its host, ocsp.acm-pca.<region>.amazonaws.com, or
//   - its path, /ocsp/<id of the certificate authority>, or
//   - the custom CNAME of an authority as its host and its form: a POST of
//     OCSP's media type, or a GET of base64. So a CNAME that is the endpoint's own
//     name takes nothing away from the AWS APIs.
//
// A request that is signed for AWS is never OCSP.
type ocspHandler struct {
	responder responder
	now       func() time.Time
	log       *slog.Logger
	count     func(status string) // nil: nobody counts
	next      http.Handler
}

func (h *ocspHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, rest, ok, err := h.route(r)
	switch {
	case err != nil:
		h.log.Error("OCSP request not routed", "host", r.Host, "error", err)
		http.Error(w, "internal failure", http.StatusInternalServerError)
	case !ok:
		h.next.ServeHTTP(w, r)
	default:
		h.serve(w, r, id, rest)
	}
}

// route tells whether a request is OCSP's, of which authority (empty: any), and
// what of its path is the request itself when it is a GET.
func (h *ocspHandler) route(r *http.Request) (id, rest string, ok bool, err error) {
	if r.Header.Get("Authorization") != "" || strings.Contains(r.URL.RawQuery, "Signature=") { // X-Amz-Signature, too
		return "", "", false, nil
	}
	path := r.URL.EscapedPath()
	if under, found := strings.CutPrefix(path, "/ocsp/"); found {
		id, rest, _ := strings.Cut(under, "/")
		ok, err := h.responder.AnswersOCSP(r.Context(), id)
		if ok || err != nil {
			return id, rest, ok, err
		}
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	own, paths, err := h.responder.OCSPHost(r.Context(), strings.TrimSuffix(strings.ToLower(host), "."))
	if own || err != nil {
		return "", strings.TrimPrefix(path, "/"), own, err
	}
	for _, p := range paths {
		rest, found := strings.CutPrefix(strings.TrimPrefix(path, "/"), p)
		if !found || p != "" && rest != "" && rest[0] != '/' {
			continue
		}
		rest = strings.TrimPrefix(rest, "/")
		switch r.Method {
		case http.MethodPost:
			ok = isMedia(r, ocspRequestType)
		case http.MethodGet, http.MethodHead:
			der, err := decodeOCSPPath(rest)
			ok = err == nil && len(der) > 0 && der[0] == 0x30
		}
		if ok {
			return "", rest, true, nil
		}
	}
	return "", "", false, nil
}

func isMedia(r *http.Request, want string) bool {
	got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && got == want
}

// decodeOCSPPath reads the URL-encoded base64 of a request. Clients differ in
// what they escape, and some leave the padding out.
func decodeOCSPPath(escaped string) ([]byte, error) {
	if len(escaped) > 2*pki.MaxOCSPRequest {
		return nil, fmt.Errorf("a path of %d characters", len(escaped))
	}
	text, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, err
	}
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
}

// serve answers. Every answer of OCSP has status 200, refusals among them.
func (h *ocspHandler) serve(w http.ResponseWriter, r *http.Request, id, rest string) {
	var der []byte
	var err error
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		der, err = decodeOCSPPath(rest)
	case http.MethodPost:
		if !isMedia(r, ocspRequestType) {
			http.Error(w, "an OCSP request has the media type "+ocspRequestType, http.StatusUnsupportedMediaType)
			return
		}
		der, err = io.ReadAll(http.MaxBytesReader(w, r.Body, pki.MaxOCSPRequest))
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "an OCSP request is a GET or a POST", http.StatusMethodNotAllowed)
		return
	}
	answer := authority.OCSPAnswer{DER: pki.OCSPMalformed.DER()}
	if err == nil {
		answer = h.responder.OCSP(r.Context(), id, der)
	}
	if h.count != nil {
		h.count(ocspStatus(answer.DER))
	}
	h.write(w, r, answer)
}

// write sends an answer with what caches must know (RFC 5019 section 6.2).
func (h *ocspHandler) write(w http.ResponseWriter, r *http.Request, a authority.OCSPAnswer) {
	header := w.Header()
	header.Set("Content-Type", ocspResponseType)
	left := a.NextUpdate.Sub(h.now())
	if a.NextUpdate.IsZero() || left <= 0 {
		header.Set("Cache-Control", "no-store")
	} else {
		age := min(left, ocspFresh)
		sum := sha256.Sum256(a.DER)
		tag := `"` + hex.EncodeToString(sum[:]) + `"`
		header.Set("Cache-Control", "max-age="+strconv.Itoa(int(age.Seconds()))+",public,no-transform,must-revalidate")
		header.Set("Last-Modified", a.ThisUpdate.UTC().Format(http.TimeFormat))
		header.Set("Expires", h.now().Add(age).UTC().Format(http.TimeFormat))
		header.Set("ETag", tag)
		if r.Method != http.MethodPost && r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(a.DER)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.DER) // it fails when the client has gone
	}
}

// ocspStatus names the OCSPResponseStatus of an answer of ours. Those that are
// not successful are five octets long (pki.OCSPError.DER).
func ocspStatus(der []byte) string {
	if len(der) != 5 {
		return "successful"
	}
	switch pki.OCSPError(der[4]) {
	case pki.OCSPMalformed:
		return "malformedRequest"
	case pki.OCSPTryLater:
		return "tryLater"
	case pki.OCSPUnauthorized:
		return "unauthorized"
	}
	return "internalError"
}
