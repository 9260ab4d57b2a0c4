package node

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"countersign/keys"
)

// metricsPath is where metrics are shown, on the port of the AWS endpoint.
const metricsPath = "/_countersign/metrics"

// metricsToken is what a reader of metrics must show. It follows from the master
// key, so that all nodes of an installation have the same one, and stands in a file of the
// data folder, from which Prometheus can read it.
func metricsToken(c Config, sealer *keys.Sealer) (string, error) {
	token := hex.EncodeToString(sealer.Derive("metrics token", 32))
	path := filepath.Join(c.Data, metricsFile)
	was, err := os.ReadFile(path)
	switch {
	case err == nil && string(bytes.TrimSpace(was)) == token:
		return token, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("read the token for metrics: %w", err)
	}
	// Without a newline: it is sent as it stands.
	return token, writeDurably(path, []byte(token))
}

// A metricsHandler shows metrics to those who have the token, and passes
// everything else on. Where a request comes from does not count: behind a proxy on this
// machine everybody comes from here.
type metricsHandler struct {
	token string
	show  http.Handler
	next  http.Handler
}

func (h *metricsHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != metricsPath {
		h.next.ServeHTTP(w, r)
		return
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
	case !h.allows(r):
		w.Header().Set("Www-Authenticate", "Bearer")
		http.Error(w, "metrics need the token in the file "+metricsFile+" of the node's data folder: Authorization: Bearer <token>", http.StatusUnauthorized)
	default:
		w.Header().Set("Cache-Control", "no-store")
		h.show.ServeHTTP(w, r)
	}
}

// allows compares in constant time.
func (h *metricsHandler) allows(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(h.token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(given[:], want[:]) == 1
}
