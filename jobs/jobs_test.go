package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/jobs"
	"countersign/store"
	"countersign/store/storetest"
)

// The tests run in synctest bubbles: their clock moves by itself when everybody
// waits, so that pauses and leases take their true length in no time.

// start runs r until the returned function stops it and has waited for it.
func start(t *testing.T, r *jobs.Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func commit(t *testing.T, s store.Store, kind string) {
	t.Helper()
	if _, err := s.Commit(t.Context(), new(store.Batch).Put(kind, "a", nil)); err != nil {
		t.Fatal(err)
	}
}

// runs counts, and says how many runs there were after d.
type runs struct{ n atomic.Int32 }

func (r *runs) after(t *testing.T, d time.Duration, want int32) {
	t.Helper()
	time.Sleep(d)
	if got := r.n.Load(); got != want {
		t.Fatalf("after another %v: %d runs, want %d", d, got, want)
	}
}

func TestReasonsToRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := storetest.New(t)
		var n runs
		var again atomic.Int64
		r := &jobs.Runner{Store: s, Now: time.Now, Holder: "node-1", Jobs: []jobs.Job{{
			Name: "count", Kinds: []string{"a", "b"},
			Run: func(context.Context) (time.Time, error) {
				n.n.Add(1)
				if d := again.Swap(0); d != 0 {
					return time.Now().Add(time.Duration(d)), nil
				}
				return time.Time{}, nil
			},
		}}}
		defer start(t, r)()
		n.after(t, time.Second, 1)
		n.after(t, 10*time.Minute, 1)
		commit(t, s, "b")
		n.after(t, 100*time.Millisecond, 2)
		commit(t, s, "c") // none of its kinds
		n.after(t, time.Minute, 2)
		again.Store(int64(20 * time.Minute))
		r.Poke("count")
		n.after(t, time.Second, 3)
		n.after(t, 20*time.Minute-3*time.Second, 3)
		n.after(t, 3*time.Second, 4)
		n.after(t, 10*time.Minute, 4)
		r.Poke("nobody")
		n.after(t, time.Minute, 4)
	})
}

func TestMovedClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := storetest.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		var n runs
		r := &jobs.Runner{Store: storetest.NewAt(t, clock.Now), Now: clock.Now, Holder: "node-1", Jobs: []jobs.Job{{
			Name: "yearly",
			Run: func(context.Context) (time.Time, error) {
				n.n.Add(1)
				return clock.Now().Add(365 * 24 * time.Hour), nil
			},
		}}}
		defer start(t, r)()
		n.after(t, time.Minute, 1)
		clock.Advance(364 * 24 * time.Hour)
		n.after(t, time.Minute, 1)
		clock.Advance(24 * time.Hour)
		n.after(t, 2*time.Second, 2)
	})
}

func TestCommitDuringARunLeadsToAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := storetest.New(t)
		var n runs
		r := &jobs.Runner{Store: s, Now: time.Now, Holder: "node-1", Jobs: []jobs.Job{{
			Name: "slow", Kinds: []string{"a"},
			Run: func(context.Context) (time.Time, error) {
				n.n.Add(1)
				time.Sleep(time.Minute)
				return time.Time{}, nil
			},
		}}}
		defer start(t, r)()
		n.after(t, time.Second, 1)
		for range 5 {
			commit(t, s, "a")
		}
		n.after(t, 30*time.Second, 1)
		n.after(t, 40*time.Second, 2)
		n.after(t, 10*time.Minute, 2)
	})
}

func TestFailuresBackOffAndAreLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var mu sync.Mutex
		var at []time.Time
		var broken atomic.Bool
		broken.Store(true)
		began := time.Now()
		r := &jobs.Runner{Store: storetest.New(t), Now: time.Now, Logger: slog.New(slog.NewTextHandler(&log, nil)), Holder: "node-1", Jobs: []jobs.Job{{
			Name: "broken",
			Run: func(context.Context) (time.Time, error) {
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Now())
				if !broken.Load() {
					return time.Time{}, nil
				}
				if len(at) == 3 {
					panic("a bug")
				}
				return time.Now(), errors.New("the CRL bucket is gone")
			},
		}}}
		stop := start(t, r)
		time.Sleep(5*time.Minute + 5*time.Second)
		mu.Lock()
		count := len(at)
		// A tick may pass before the end of each pause is noticed.
		for i, pause := range []time.Duration{0, 1, 2, 4, 8, 16, 32, 60, 60, 60} {
			from := began
			if i > 0 {
				from = at[i-1]
			}
			if got := at[i].Sub(from); got < pause*time.Second || got > (pause+1)*time.Second {
				t.Errorf("run %d came %v after the one before, want %d s", i, got, pause)
			}
		}
		mu.Unlock()
		r.Poke("broken") // does not wait for the pause
		time.Sleep(time.Second)
		mu.Lock()
		if len(at) != count+1 {
			t.Errorf("a poke during a pause: %d runs, want %d", len(at), count+1)
		}
		mu.Unlock()
		broken.Store(false)
		time.Sleep(2 * time.Minute)
		mu.Lock()
		if len(at) != count+2 {
			t.Errorf("a run that succeeds ends the failures: %d runs, want %d", len(at), count+2)
		}
		mu.Unlock()
		stop()
		for _, want := range []string{"job=broken", "the CRL bucket is gone", "panic: a bug", "pause=1m0s"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, log.String())
			}
		}
	})
}

func TestTwoRunnersOneJobAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := storetest.New(t)
		var running, most atomic.Int32
		var mu sync.Mutex
		count := map[string]int{}
		runner := func(holder string) *jobs.Runner {
			return &jobs.Runner{Store: s, Now: time.Now, Holder: holder, Jobs: []jobs.Job{{
				Name: "shared", Kinds: []string{"a"},
				Run: func(ctx context.Context) (time.Time, error) {
					most.Store(max(most.Load(), running.Add(1)))
					defer running.Add(-1)
					mu.Lock()
					count[holder]++
					mu.Unlock()
					time.Sleep(2 * time.Minute) // far beyond the life of an unrenewed lease
					return time.Time{}, ctx.Err()
				},
			}}}
		}
		stop1, stop2 := start(t, runner("node-1")), start(t, runner("node-2"))
		for range 10 {
			time.Sleep(time.Minute)
			commit(t, s, "a")
		}
		time.Sleep(10 * time.Minute)
		stop1()
		stop2()
		if most.Load() != 1 {
			t.Errorf("%d runs at once, want 1", most.Load())
		}
		if count["node-1"] < 1 || count["node-2"] < 1 || count["node-1"]+count["node-2"] < 5 {
			t.Errorf("runs by holder: %v, want each to have had a turn, and a run per two minutes", count)
		}
	})
}

func TestAnotherTakesOverWhenTheHolderDies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := storetest.New(t)
		// node-1 dies in the middle of a run: its lease is never renewed or given back.
		dead := storetest.FailBefore(s, func(b *store.Batch) error {
			if len(b.Ops) == 2 { // taking the lease: it must not exist, then it is written
				return nil
			}
			return errors.New("died")
		})
		var n1, n2 runs
		ended := make(chan error, 8)
		r1 := &jobs.Runner{Store: dead, Now: time.Now, Holder: "node-1", Jobs: []jobs.Job{{Name: "shared", Run: func(ctx context.Context) (time.Time, error) {
			n1.n.Add(1)
			<-ctx.Done() // the lease runs out
			ended <- context.Cause(ctx)
			return time.Time{}, nil
		}}}}
		stop1 := start(t, r1)
		n1.after(t, time.Second, 1)
		r2 := &jobs.Runner{Store: s, Now: time.Now, Holder: "node-2", Jobs: []jobs.Job{{Name: "shared", Run: func(ctx context.Context) (time.Time, error) {
			n2.n.Add(1)
			<-ctx.Done()
			return time.Time{}, ctx.Err()
		}}}}
		stop2 := start(t, r2)
		n2.after(t, 28*time.Second, 0)
		n2.after(t, 4*time.Second, 1)
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "lease was lost") || !strings.Contains(err.Error(), "died") {
			t.Errorf("why the run that lost its lease was ended: got %v", err)
		}
		n1.after(t, 10*time.Minute, 1) // node-2 holds it
		stop2()
		n1.after(t, 20*time.Second, 2) // and gives it back
		stop1()
	})
}

func TestRenewalThatTookEffectUnnoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var renewals atomic.Int32
		s := storetest.FailAfter(storetest.New(t), func(b *store.Batch) error {
			if len(b.Ops) == 1 && renewals.Add(1)%2 == 1 { // every other one
				return errors.New("timeout")
			}
			return nil
		})
		r := &jobs.Runner{Store: s, Now: time.Now, Holder: "node-1", Jobs: []jobs.Job{{Name: "long", Run: func(ctx context.Context) (time.Time, error) {
			select {
			case <-ctx.Done():
				t.Errorf("the run was ended: %v", context.Cause(ctx))
			case <-time.After(10 * time.Minute):
			}
			return time.Time{}, nil
		}}}}
		stop := start(t, r)
		time.Sleep(11 * time.Minute)
		stop()
		if renewals.Load() < 20 {
			t.Errorf("%d renewals in ten minutes, want a lease of 30 seconds renewed all the time", renewals.Load())
		}
	})
}

func TestLeaseOfADeadPredecessorIsTakenOverAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := storetest.New(t)
		left := new(store.Batch).CreateUntil("jobs/lease", "job", []byte(`{"holder":"node-1"}`), time.Now().Add(time.Hour)).
			CreateUntil("jobs/lease", "other", []byte(`{"holder":"node-2"}`), time.Now().Add(10*time.Minute))
		if _, err := s.Commit(t.Context(), left); err != nil {
			t.Fatal(err)
		}
		var mine, other runs
		r := &jobs.Runner{Store: s, Now: time.Now, Holder: "node-1", Jobs: []jobs.Job{
			{Name: "job", Run: func(context.Context) (time.Time, error) { mine.n.Add(1); return time.Time{}, nil }},
			{Name: "other", Run: func(context.Context) (time.Time, error) { other.n.Add(1); return time.Time{}, nil }},
		}}
		defer start(t, r)()
		mine.after(t, 100*time.Millisecond, 1)
		other.after(t, 9*time.Minute, 0)
		other.after(t, 2*time.Minute, 1)
		if list, err := s.List(t.Context(), "jobs/lease", "", "", 0); err != nil || len(list) != 0 {
			t.Errorf("leases after the runs: got %v, %v, want none", list, err)
		}
	})
}

func TestRunWaitsForJobsAndKeepsTheirLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := storetest.New(t)
		var stopping, stopped runs
		r := &jobs.Runner{Store: s, Now: time.Now, Holder: "node-1", Jobs: []jobs.Job{{Name: "slow", Run: func(ctx context.Context) (time.Time, error) {
			<-ctx.Done()
			stopping.n.Add(1)
			time.Sleep(5 * time.Minute)
			if _, err := s.Get(t.Context(), "jobs/lease", "slow"); err != nil {
				t.Errorf("the lease of a run that is slow to stop: %v", err)
			}
			stopped.n.Add(1)
			return time.Time{}, ctx.Err()
		}}}}
		stop := start(t, r)
		stopping.after(t, time.Minute, 0)
		stop()
		stopped.after(t, 0, 1)
		if _, err := s.Get(t.Context(), "jobs/lease", "slow"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the lease after Run: got %v, want ErrNotFound", err)
		}
	})
}

func TestRunRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	run := func(context.Context) (time.Time, error) { t.Error("a job ran"); return time.Time{}, nil }
	for name, r := range map[string]*jobs.Runner{
		"no holder": {Store: s, Now: time.Now, Jobs: []jobs.Job{{Name: "a", Run: run}}},
		"no name":   {Store: s, Now: time.Now, Holder: "node-1", Jobs: []jobs.Job{{Run: run}}},
		"same name": {Store: s, Now: time.Now, Holder: "node-1", Jobs: []jobs.Job{{Name: "a", Run: run}, {Name: "a", Run: run}}},
	} {
		if err := r.Run(t.Context()); err == nil {
			t.Errorf("%s: Run returned no error", name)
		}
	}
}
