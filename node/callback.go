package node

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"countersign/service/stacks"
)

// A callbackHandler takes what providers of custom resources and the parties of
// wait conditions PUT to the URLs that they were given, on the port of the AWS
// endpoint. The token in the URL is the only proof. Everything else is passed on.
type callbackHandler struct {
	answer func(ctx context.Context, token string, body io.Reader) error
	log    *slog.Logger
	next   http.Handler
}

func (h *callbackHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, ours := strings.CutPrefix(r.URL.Path, stacks.CallbackPath)
	switch {
	case !ours:
		h.next.ServeHTTP(w, r)
		return
	case r.Method != http.MethodPut:
		w.Header().Set("Allow", http.MethodPut)
		http.Error(w, "answers are PUT here", http.StatusMethodNotAllowed)
		return
	}
	err := h.answer(r.Context(), token, r.Body)
	switch {
	case errors.Is(err, stacks.ErrNoCallback), errors.Is(err, stacks.ErrAnswered):
		http.Error(w, err.Error(), http.StatusForbidden)
	case err != nil:
		h.log.Error("answer of a custom resource not taken", "error", err) // without the token: it is a secret
		http.Error(w, "internal failure; try again", http.StatusInternalServerError)
	default:
		w.WriteHeader(http.StatusOK) // clients of custom resources demand just this status
	}
}
