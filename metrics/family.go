package metrics

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	namespace = "countersign"

	// maxSeries bounds the counters of a family. Label values are few by nature;
	// should that ever be wrong, what is over is counted as "other".
	maxSeries = 5000
)

// A family holds the counters of one name, by the values of their labels.
type family[L label] struct {
	vector *prometheus.CounterVec
	known  atomic.Pointer[map[L]prometheus.Counter] // never changed, replaced
	mu     sync.Mutex                               // who replaces
}

// A label is as many values as a family has labels.
type label interface {
	[1]string | [2]string | [3]string
}

func (f *family[L]) init(r *prometheus.Registry, name, help string, labels ...string) {
	f.vector = prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	r.MustRegister(f.vector)
	f.known.Store(&map[L]prometheus.Counter{})
}

// get finds a counter, or makes it.
func (f *family[L]) get(values L) prometheus.Counter {
	if c, ok := (*f.known.Load())[values]; ok {
		return c
	}
	return f.add(values)
}

func (f *family[L]) add(values L) prometheus.Counter {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := *f.known.Load()
	if len(known) >= maxSeries {
		values = other[L]()
	}
	if c, ok := known[values]; ok {
		return c
	}
	c := f.vector.WithLabelValues(list(values)...)
	known = maps.Clone(known)
	known[values] = c
	f.known.Store(&known)
	return c
}

func list[L label](values L) []string {
	switch v := any(values).(type) {
	case [1]string:
		return v[:]
	case [2]string:
		return v[:]
	case [3]string:
		return v[:]
	}
	return nil
}

// other stands for all values that are over maxSeries.
func other[L label]() (values L) {
	switch v := any(&values).(type) {
	case *[1]string:
		*v = [1]string{"other"}
	case *[2]string:
		*v = [2]string{"other", "other"}
	case *[3]string:
		*v = [3]string{"other", "other", "other"}
	}
	return values
}
