package nameserver

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// cells is how many sources a limiter tells apart. Sources that meet in a cell
// share one allowance: that is the price of a memory that no attacker can grow.
const cells = 1 << 16

// A limiter bounds how often each source may do something, by the generic cell
// rate algorithm: a cell holds the time at which its allowance is whole again.
// It takes no lock and never grows.
type limiter struct {
	interval int64 // nanoseconds that one use costs; zero: no limit
	burst    int64 // nanoseconds of use in advance
	loopback bool  // limited too
	seed     maphash.Seed
	cells    []atomic.Int64
	slips    atomic.Uint64
}

// newLimiter allows perSecond uses, and twice as many at once. A negative number
// is no limit.
func newLimiter(perSecond int, loopback bool) *limiter {
	l := &limiter{loopback: loopback, seed: maphash.MakeSeed()}
	if perSecond > 0 {
		l.interval = max(1, int64(time.Second)/int64(perSecond))
		l.burst = 2 * int64(time.Second)
		l.cells = make([]atomic.Int64, cells)
	}
	return l
}

// allow tells whether source may do it once more now, and counts that.
func (l *limiter) allow(source netip.Addr, now time.Time) bool {
	if l.interval == 0 || !l.loopback && source.IsLoopback() {
		return true
	}
	cell := &l.cells[maphash.Comparable(l.seed, sourceOf(source))%cells]
	at := now.UnixNano()
	for {
		old := cell.Load()
		next := max(old, at) + l.interval
		if next-at > l.burst {
			return false
		}
		if cell.CompareAndSwap(old, next) {
			return true
		}
	}
}

// slip tells whether to send a refused source a word: every other time, so that
// a client whose address somebody else is using gets through over TCP, and one
// that did not ask is sent half as many packets as were sent in its name.
func (l *limiter) slip() bool { return l.slips.Add(1)%2 == 0 }

// sourceOf is what counts as one source: an IPv4 address, or the /64 that one
// IPv6 host has all addresses of.
func sourceOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

// clients counts open connections. The zero value has none.
type clients struct {
	max, maxPerSource int
	limitLoopback     bool

	mu       sync.Mutex
	open     int                // guarded by mu
	bySource map[netip.Addr]int // guarded by mu; never more entries than open
}

// enter counts one more connection of source, unless that is too many.
func (c *clients) enter(source netip.Addr) bool {
	exempt := source.IsLoopback() && !c.limitLoopback
	source = sourceOf(source)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.max || !exempt && c.bySource[source] >= c.maxPerSource {
		return false
	}
	if c.bySource == nil {
		c.bySource = make(map[netip.Addr]int)
	}
	c.open++
	c.bySource[source]++
	return true
}

// leave takes back one enter that was allowed.
func (c *clients) leave(source netip.Addr) {
	source = sourceOf(source)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.bySource[source]--; c.bySource[source] == 0 {
		delete(c.bySource, source)
	}
}
