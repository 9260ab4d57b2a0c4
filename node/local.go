package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"countersign/service/certificates"
)

// renewBefore is how long before its end a certificate of the local root is
// replaced. They last 198 days.
const renewBefore = 30 * 24 * time.Hour

// A localCertificate is a certificate of the local root for the node's own
// endpoints. It is issued when it is first asked for, again when its names change,
// and again before it ends.
type localCertificate struct {
	from *certificates.Service
	now  func() time.Time
	log  *slog.Logger

	mu    sync.Mutex
	names []string
	held  *tls.Certificate
}

// get gives a certificate for the names. When a new one cannot be had, one that
// still holds for the same names is given instead.
func (l *localCertificate) get(ctx context.Context, names []string) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := l.held != nil && slices.Equal(names, l.names)
	if same && l.now().Before(l.held.Leaf.NotAfter.Add(-renewBefore)) {
		return l.held, nil
	}
	c, err := l.from.IssueLocal(ctx, names)
	if err != nil {
		if same {
			l.log.Error("the certificate of the local root could not be renewed", "names", names, "until", l.held.Leaf.NotAfter, "error", err)
			return l.held, nil
		}
		return nil, fmt.Errorf("issue a certificate of the local root for %v: %w", names, err)
	}
	l.names, l.held = slices.Clone(names), &c
	return l.held, nil
}
