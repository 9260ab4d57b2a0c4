package edge

import (
	"errors"
	"math"
	"sync/atomic"
	"time"

	"countersign/edge/snapshot"
)

// A throttle holds a route to its rate. It is a token bucket told as time: at is when
// the bucket would be full again, in nanoseconds of the Unix epoch (the generic cell rate
// algorithm, ITU-T I.371). No lock is taken.
type throttle struct {
	limit    snapshot.Throttle
	interval int64 // of one request
	full     int64 // of as many as come at once
	at       atomic.Int64
}

// A throttleKey is what a throttle lasts by when snapshots change.
type throttleKey struct{ api, stage, route string }

func newThrottle(limit snapshot.Throttle) *throttle {
	const most = math.MaxInt64 / 8
	t := &throttle{limit: limit}
	if limit.Rate > 0 && limit.Burst > 0 {
		interval := float64(time.Second) / limit.Rate
		t.interval, t.full = int64(min(interval, most)), int64(min(interval*float64(limit.Burst), most))
	}
	return t
}

// allow takes one request out of the bucket, if there is one. A rate or a burst of 0 allows none.
func (t *throttle) allow(now time.Time) bool {
	if t.limit.Rate <= 0 || t.limit.Burst <= 0 {
		return false
	}
	n := now.UnixNano()
	for {
		at := t.at.Load()
		next := max(at, n)
		if at-n > t.full { // the clock was set back
			next = n
		}
		next += t.interval
		if next-n > t.full {
			return false
		}
		if t.at.CompareAndSwap(at, next) {
			return true
		}
	}
}

// throttle holds the request to the rate of its route.
func (x *exchange) throttle() *answer {
	t := x.view.throttled[x.route]
	switch {
	case t == nil:
		x.fault("throttle cannot decide", errors.New("it was not prepared"))
		return &answerInternal
	case !t.allow(x.now):
		return &answerTooMany
	}
	return nil
}

// compileThrottle takes over the throttle of the same route from the view
// before, unless its limit is another one.
func (e *Edge) compileThrottle(v *view, api *snapshot.API, stage *snapshot.Stage, r *snapshot.Route) {
	key := throttleKey{api.ID, stage.Name, r.Key}
	t := v.throttles[key]
	if t == nil {
		if before := e.view.Load(); before != nil && before.throttles[key] != nil && before.throttles[key].limit == *r.Throttle {
			t = before.throttles[key]
		} else {
			t = newThrottle(*r.Throttle)
		}
		v.throttles[key] = t
	}
	v.throttled[r] = t
}
