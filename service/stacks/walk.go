package stacks

import (
	"context"
	"errors"
)

// errSkipped is why a node was never begun: what it needs failed, or the walk was stopped.
var errSkipped = errors.New("not begun")

// parallel bounds how many resources of a stack are worked on at a time.
const parallel = 24

// walk does every node when all that it needs has been done, side by side where
// that allows it. After a failure nothing new is begun when stop is true; otherwise only what needs the failed
// node is left out. The answer has the error of every node that was not done.
// Needs that are no nodes count as done. A circle is left out whole when stop is true; otherwise it is
// broken somewhere, for no order is right.
func walk(ctx context.Context, nodes []string, needs func(string) []string, stop bool, do func(context.Context, string) error) map[string]error {
	waiting := make(map[string]int, len(nodes)) // how many needs are not done
	for _, n := range nodes {
		waiting[n] = 0
	}
	needed := map[string][]string{} // the other way round
	for _, n := range nodes {
		seen := map[string]bool{}
		for _, m := range needs(n) {
			if _, is := waiting[m]; is && m != n && !seen[m] {
				seen[m] = true
				waiting[n]++
				needed[m] = append(needed[m], n)
			}
		}
	}
	type result struct {
		node string
		err  error
	}
	results := make(chan result)
	failed := map[string]error{}
	var ready []string
	for _, n := range nodes { // in the order given
		if waiting[n] == 0 {
			ready = append(ready, n)
		}
	}
	running, halted := 0, false
	for {
		for len(ready) > 0 && running < parallel && !halted && ctx.Err() == nil {
			n := ready[0]
			ready = ready[1:]
			delete(waiting, n)
			running++
			go func() { results <- result{n, do(ctx, n)} }()
		}
		if running == 0 {
			if !stop && ctx.Err() == nil {
				if n, stuck := inCircle(nodes, waiting, needed, failed); stuck {
					ready = append(ready, n)
					continue
				}
			}
			break
		}
		r := <-results
		running--
		if r.err != nil {
			failed[r.node] = r.err
			halted = halted || stop
			continue
		}
		for _, n := range needed[r.node] {
			if _, still := waiting[n]; !still {
				continue // a circle was broken there
			}
			if waiting[n]--; waiting[n] == 0 {
				ready = append(ready, n)
			}
		}
	}
	for n := range waiting {
		failed[n] = errSkipped
	}
	return failed
}

// inCircle finds a node that waits though nothing that it needs, at any remove, has failed.
func inCircle(nodes []string, waiting map[string]int, needed map[string][]string, failed map[string]error) (string, bool) {
	blocked := map[string]bool{}
	var block func(n string)
	block = func(n string) {
		for _, m := range needed[n] {
			if !blocked[m] {
				blocked[m] = true
				block(m)
			}
		}
	}
	for n := range failed {
		block(n)
	}
	for _, n := range nodes {
		if _, waits := waiting[n]; waits && !blocked[n] {
			return n, true
		}
	}
	return "", false
}

// reversed turns needs round: what must be gone before a node is.
func reversed(nodes []string, needs func(string) []string) func(string) []string {
	out := map[string][]string{}
	for _, n := range nodes {
		for _, m := range needs(n) {
			out[m] = append(out[m], n)
		}
	}
	return func(n string) []string { return out[n] }
}
