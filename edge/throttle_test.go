package edge

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/edge/snapshot"
)

func TestThrottle(t *testing.T) {
	t.Parallel()
	at := start
	taken := func(th *throttle, after time.Duration, asked int) (n int) {
		at = at.Add(after)
		for range asked {
			if th.allow(at) {
				n++
			}
		}
		return n
	}
	th := newThrottle(snapshot.Throttle{Rate: 10, Burst: 3})
	for _, step := range []struct {
		after       time.Duration
		asked, want int
	}{
		{0, 5, 3}, {99 * time.Millisecond, 2, 0}, {time.Millisecond, 2, 1}, {250 * time.Millisecond, 5, 2}, {50 * time.Millisecond, 5, 1}, {time.Hour, 5, 3},
		{-time.Hour, 5, 3}, // a clock that was set back opens the bucket, and does not close it for an hour
	} {
		if got := taken(th, step.after, step.asked); got != step.want {
			t.Errorf("after %v: %d of %d, want %d", step.after, got, step.asked, step.want)
		}
	}
	for _, limit := range []snapshot.Throttle{{}, {Rate: 5}, {Burst: 5}, {Rate: -1, Burst: -1}} {
		if n := taken(newThrottle(limit), time.Second, 5); n != 0 {
			t.Errorf("%+v lets %d through", limit, n)
		}
	}
	slow := newThrottle(snapshot.Throttle{Rate: 1e-300, Burst: 1 << 30})
	if n := taken(slow, 0, 5); n > 5 {
		t.Errorf("a tiny rate lets %d through", n)
	}
	if n := taken(newThrottle(snapshot.Throttle{Rate: 1e300, Burst: 1}), 0, 100); n != 100 {
		t.Errorf("a huge rate lets %d of 100 through", n)
	}

	// Exactly as many as the bucket holds, whoever asks.
	many := newThrottle(snapshot.Throttle{Rate: 1, Burst: 500})
	var let atomic.Int64
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 200 {
				if many.allow(start) {
					let.Add(1)
				}
			}
		})
	}
	asking.Wait()
	if let.Load() != 500 {
		t.Errorf("%d requests came through a bucket of 500", let.Load())
	}
}

func TestThrottledRoute(t *testing.T) {
	t.Parallel()
	fn := newLambdas(`{"isAuthorized":true}`)
	w := newWorld(t, func(c *Config) { c.Invoker = fn })
	limited, free := route("GET /limited", toLambda("2.0")), route("GET /free", toLambda("2.0"))
	limited.Throttle = &snapshot.Throttle{Rate: 1, Burst: 2}
	limited.Authorizer = &snapshot.Authorizer{ID: "z", Type: snapshot.RequestAuthorizer, Function: authorizerARN, Payload: "2.0", Simple: true}
	domain := w.domain("api.example.com", nil, limited, free)
	w.publish(snapshotOf(domain))
	conn := w.dial(w.config("api.example.com", nil))
	ask := func(path string, status int) {
		t.Helper()
		body := "in"
		if status == 429 {
			body = `{"message":"Too Many Requests"}`
		}
		w.wantStatus(w.ask(conn, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: api.example.com\r\n\r\n", path)), status, body)
	}
	ask("/limited", 200)
	ask("/limited", 200)
	ask("/limited", 429)
	ask("/free", 200)
	if n := fn.authorizer.count(); n != 2 {
		t.Errorf("the authorizer was asked %d times; it is not for what is turned away", n)
	}
	// A new snapshot does not fill the bucket; another limit makes another bucket.
	again := *limited
	again.Throttle = &snapshot.Throttle{Rate: 1, Burst: 2}
	domain.Mappings[0].Stage.Routes = []*snapshot.Route{&again, free}
	w.publish(snapshotOf(domain))
	ask("/limited", 429)
	w.clock.advance(time.Second)
	ask("/limited", 200)
	ask("/limited", 429)
	other := *limited
	other.Throttle = &snapshot.Throttle{Rate: 1, Burst: 1}
	domain.Mappings[0].Stage.Routes = []*snapshot.Route{&other, free}
	w.publish(snapshotOf(domain))
	ask("/limited", 200)
	ask("/limited", 429)
}

func BenchmarkThrottle(b *testing.B) {
	th := newThrottle(snapshot.Throttle{Rate: 1e9, Burst: 1 << 30})
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			th.allow(start)
		}
	})
}
