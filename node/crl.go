package node

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"countersign/arn"
	"countersign/service/authority"
)

// A crlHandler serves CRLs under the custom CNAMEs of authorities, on the port of
// the AWS endpoint: a request for one becomes the request for its object, which
// the bucket then judges like any other without a signature. Everything else is
// passed on as it is.
type crlHandler struct {
	alias func(ctx context.Context, host, path string) (authority.CRLObject, bool, error)
	log   *slog.Logger
	next  http.Handler
}

func (h *crlHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.HasSuffix(path, ".crl") ||
		r.Header.Get("Authorization") != "" || strings.Contains(r.URL.RawQuery, "Signature=") { // X-Amz-Signature, too
		h.next.ServeHTTP(w, r)
		return
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	o, ok, err := h.alias(r.Context(), strings.TrimSuffix(strings.ToLower(host), "."), path)
	if err != nil {
		h.log.Error("CRL request not routed", "host", r.Host, "error", err)
		http.Error(w, "internal failure", http.StatusInternalServerError)
		return
	}
	if ok {
		suffix := ".amazonaws.com"
		if arn.Partition(o.Region) == "aws-cn" {
			suffix += ".cn"
		}
		r = r.Clone(r.Context())
		r.Host = o.Bucket + ".s3." + o.Region + suffix
		r.URL.Path, r.URL.RawPath = "/"+o.Key, ""
		r.RequestURI = r.URL.EscapedPath()
	}
	h.next.ServeHTTP(w, r)
}
