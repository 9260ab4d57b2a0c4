package node

import (
	"io"
	"net/http"
	"time"
)

// stallTime is how long a client of the AWS endpoint may take to send the next
// piece of a body, or to take the next piece of an answer. A large object may be
// as slow as it likes, as long as it moves.
const stallTime = time.Minute

// paced passes requests on with both of their bodies bound to move: a client
// that stalls for longer loses its connection (over HTTP/2 its stream), and what
// the request held is free again.
func paced(next http.Handler, stall time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		out := &pacedWriter{ResponseWriter: w, write: pace{set: control.SetWriteDeadline, stall: stall}}
		out.write.clear()       // of the request before on this connection
		defer out.write.renew() // for what net/http still has to send
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &pacedBody{ReadCloser: r.Body, read: pace{set: control.SetReadDeadline, stall: stall}}
		}
		next.ServeHTTP(out, r)
	})
}

// A pace is a deadline that moves on with every use. Sockets have a clock of
// their own, so that these are no dates.
type pace struct {
	set   func(time.Time) error
	stall time.Duration
	last  time.Time
}

// renew gives stall more time. Setting a deadline costs a little, so that one
// set a moment ago is left as it is.
func (p *pace) renew() {
	if now := time.Now(); now.Sub(p.last) > p.stall/8 {
		p.last = now
		_ = p.set(now.Add(p.stall)) // it fails when the connection is gone, which the next use shows
	}
}

func (p *pace) clear() {
	p.last = time.Time{}
	_ = p.set(time.Time{})
}

type pacedBody struct {
	io.ReadCloser
	read pace
}

func (b *pacedBody) Read(p []byte) (int, error) {
	b.read.renew()
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		// From the end of the body on net/http reads by itself, to see the client leave.
		b.read.clear()
	}
	return n, err
}

type pacedWriter struct {
	http.ResponseWriter
	write pace
}

// Unwrap is for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *pacedWriter) Write(p []byte) (int, error) {
	w.write.renew()
	return w.ResponseWriter.Write(p)
}
