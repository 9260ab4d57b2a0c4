package runner

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// use says what an environment is doing for the pool.
type use int

const (
	busy      use = iota // starting, or an invocation has it
	finishing            // it has answered and not asked for more yet
	claimed              // finishing, and an invocation waits for it
	handed               // given to the one that waited
	idle                 // it waits for an event
	gone                 // out of the pool: its process ends or has ended
)

// phase is where an environment is in the Runtime API's life.
type phase int

const (
	starting   phase = iota // before the first GET next
	waiting                 // a GET next waits for an event
	detached                // that GET was broken off; another may come
	running                 // an event was delivered
	responding              // its response is being read
	responded               // and was taken
	over                    // init failed, time is up, or it ends: nothing is accepted
)

// An environment is one process that serves one invocation at a time.
type environment struct {
	r       *Runner
	fn      Function
	id      string // 32 hexadecimal digits, in the log stream's name
	stream  string // the log stream's name
	dir     string // run/<id>: its temporary folder
	cmd     *exec.Cmd
	out     *output
	server  *http.Server
	expires time.Time // of its credentials; zero: it has none, or they do not end

	asked    chan struct{} // a GET next has come: it is free
	events   chan delivery // taken by the GET next that waits
	outcomes chan outcome  // of the invocation under way, or of the initialisation
	exited   chan struct{} // closed when no process of it is left
	free     chan struct{} // token from release to claim

	// Guarded by r.mu.
	use      use
	lastUsed time.Time
	retired  bool

	mu      sync.Mutex // guards what follows
	phase   phase
	current string // request id of the event that was delivered
	reaped  bool   // its process id may belong to another
	holders int    // who may still write to out
	closed  bool   // out was closed
}

// A delivery is an event on its way to the process.
type delivery struct {
	*Invocation
	deadline time.Time
	tail     *tail
}

// coldStart starts an environment and has it do the invocation. As on Lambda an
// initialisation that fails, or takes longer than InitTimeout, is tried once more as part of
// the invocation, within the function's own timeout; what the second says is the answer.
func (r *Runner) coldStart(ctx context.Context, fn *Function, inv *Invocation, answer func(Result)) error {
	began := r.cfg.Now()
	tree, err := r.trees.get(ctx, &fn.Code)
	if err != nil {
		return fmt.Errorf("unpack code of %s: %w", fn.ARN, err)
	}
	budget := fn.Timeout
	for attempt := 1; ; attempt++ {
		env, err := r.start(ctx, fn, tree)
		if err != nil {
			reason, ok := asEntrypoint(err)
			if !ok {
				return fmt.Errorf("start %s: %w", fn.ARN, err)
			}
			answer(Result{Payload: invalidEntrypoint(inv.RequestID, reason).payload, Error: "Unhandled"})
			return nil
		}
		limit := r.cfg.InitTimeout
		if attempt > 1 {
			limit = fn.Timeout
		}
		clock := time.NewTimer(limit)
		tried := r.cfg.Now()
		failed := env.awaitReady(inv, clock.C, limit)
		clock.Stop()
		if failed == nil {
			if attempt > 1 {
				budget = max(budget-r.cfg.Now().Sub(tried), time.Millisecond)
			}
			if !env.invoke(inv, budget, r.cfg.Now().Sub(began), answer) {
				// It asked for an event and ended before one could be given.
				answer(env.refuse(inv, exited(inv.RequestID, exitReason(env.cmd.ProcessState))))
			}
			env.drop()
			return nil
		}
		env.end()
		if attempt > 1 {
			answer(env.refuse(inv, *failed))
			env.drop()
			return nil
		}
		env.drop()
	}
}

// start makes an environment and its process. The caller holds it, and gives it back with drop.
func (r *Runner) start(ctx context.Context, fn *Function, tree string) (*environment, error) {
	if err := checkEntrypoint(tree, fn.Architecture); err != nil {
		return nil, err
	}
	var id [16]byte
	if _, err := io.ReadFull(r.rand, id[:]); err != nil {
		return nil, err
	}
	e := &environment{
		r: r, fn: *fn, id: hex.EncodeToString(id[:]),
		asked: make(chan struct{}, 1), events: make(chan delivery), outcomes: make(chan outcome, 1),
		exited: make(chan struct{}), free: make(chan struct{}, 1),
		holders: 2, // the caller and wait
	}
	e.dir = filepath.Join(r.work, "run", e.id)
	e.stream = r.cfg.Now().UTC().Format("2006/01/02/") + "[" + fn.Version + "]" + e.id
	var credentials [3]string
	if r.cfg.Sessions != nil {
		key, secret, token, expires, err := r.cfg.Sessions.Session(ctx, fn.Role, fn.Name, max(r.cfg.SessionLife, fn.Timeout+10*time.Minute))
		if err != nil {
			return nil, fmt.Errorf("session of role %s: %w", fn.Role, err)
		}
		credentials, e.expires = [3]string{key, secret, token}, expires
	}
	// What is made from here on is undone by these in turn, until the process is there and wait does it.
	var undo []func()
	started := false
	defer func() {
		for i := len(undo) - 1; !started && i >= 0; i-- {
			undo[i]()
		}
	}()
	if err := e.makeDir(); err != nil {
		return nil, err
	}
	undo = append(undo, func() { os.RemoveAll(e.dir) })
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	undo = append(undo, func() { listener.Close() })
	log, err := r.logs.take(fn.Account + "/" + fn.Region + "/" + fn.Name + ".log")
	if err != nil {
		return nil, err
	}
	out, stdout, err := newOutput(log, e.stream)
	if err != nil {
		log.release()
		return nil, err
	}
	e.out = out
	undo = append(undo, out.close)
	defer stdout.Close()
	out.follow(new(tail))
	out.platform("INIT_START Runtime Version: " + fn.Runtime + "\n")

	e.cmd = exec.Command(filepath.Join(tree, "bootstrap"))
	e.cmd.Dir = tree
	e.cmd.Env = e.variables(tree, listener.Addr().String(), credentials)
	e.cmd.Stdout, e.cmd.Stderr = stdout, stdout
	e.cmd.SysProcAttr = attributes(r.user)

	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, ErrClosed
	}
	r.all[e] = struct{}{}
	r.mu.Unlock()
	undo = append(undo, func() { r.forget(e) })
	// Held while the process is started, so that kill finds either none or its id.
	e.mu.Lock()
	limited, err := r.spawn.start(e.cmd, int64(fn.Storage)<<20)
	e.mu.Unlock()
	if err != nil {
		return nil, startError(err)
	}
	if limited != nil {
		r.cfg.Logger.Warn("functions: a process runs without resource limits", "function", fn.ARN, "error", limited)
	}
	started = true
	r.mu.Lock()
	if r.closed { // Close may have looked before there was a process
		defer e.kill()
	} else {
		pool := r.pools[fn.key()]
		if pool == nil {
			pool = make(map[*environment]struct{})
			r.pools[fn.key()] = pool
		}
		pool[e] = struct{}{}
	}
	r.mu.Unlock()
	e.serve(listener) // before wait, which closes the server when the process ends
	r.live.Add(1)
	go e.wait()
	return e, nil
}

// makeDir makes the environment's folder, with a temporary folder that only its user can enter.
func (e *environment) makeDir() error {
	tmp := filepath.Join(e.dir, "tmp")
	if err := os.Mkdir(e.dir, 0o711); err != nil {
		return err
	}
	err := errors.Join(os.Chmod(e.dir, 0o711), os.Mkdir(tmp, 0o700))
	if u := e.r.user; u != nil && err == nil {
		err = os.Chown(tmp, int(u.uid), int(u.gid))
	}
	if err != nil {
		os.RemoveAll(e.dir)
	}
	return err
}

// startError words why the system would not run the bootstrap.
func startError(err error) error {
	for _, about := range []error{syscall.ENOEXEC, fs.ErrNotExist, fs.ErrPermission} {
		if errors.Is(err, about) {
			return &entrypointError{"fork/exec /var/task/bootstrap: " + errors.Unwrap(err).Error()}
		}
	}
	return err
}

// wait follows the process to its end, ends what it left behind, and cleans up.
func (e *environment) wait() {
	defer e.r.live.Done()
	pid := e.cmd.Process.Pid
	awaitExit(pid)
	// Its children may live on. While the leader is not waited for, nobody else can have the group's id.
	syscall.Kill(-pid, syscall.SIGKILL)
	e.mu.Lock()
	e.reaped = true
	e.mu.Unlock()
	e.cmd.Wait() // the error says how it ended, which ProcessState has
	killMarked([][]byte{mark(e.id)})
	close(e.exited)
	e.r.discard(e)
	e.r.forget(e)
	e.server.Close()
	e.drop()
	os.RemoveAll(e.dir)
}

func (r *Runner) forget(e *environment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, e)
}

// hold keeps the output open until drop.
func (e *environment) hold() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.holders++
}

func (e *environment) drop() {
	e.mu.Lock()
	e.holders--
	last := e.holders == 0 && e.reaped && !e.closed
	e.closed = e.closed || last
	e.mu.Unlock()
	if last {
		e.out.close()
	}
}

// signal sends to the whole process group, unless it is gone.
func (e *environment) signal(s syscall.Signal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.reaped && e.cmd.Process != nil {
		syscall.Kill(-e.cmd.Process.Pid, s)
	}
}

func (e *environment) kill() { e.signal(syscall.SIGKILL) }

// shutDown lets the process end by itself: SIGTERM, then SIGKILL.
func (e *environment) shutDown() {
	e.signal(syscall.SIGTERM)
	time.AfterFunc(e.r.cfg.ShutdownGrace, e.kill)
}

// end kills the process and waits until it is gone; not for ever, as a
// process that the kernel holds must not hold the caller.
func (e *environment) end() {
	e.mu.Lock()
	e.phase = over
	e.mu.Unlock()
	e.r.discard(e)
	e.kill()
	select {
	case <-e.exited:
	case <-time.After(2 * time.Second):
	}
}

// awaitReady returns nil once the process has asked for its first event, or how it failed.
func (e *environment) awaitReady(inv *Invocation, clock <-chan time.Time, limit time.Duration) *outcome {
	select {
	case <-e.asked:
		return nil
	case o := <-e.outcomes:
		return &o
	case <-e.exited:
		o := e.afterExit(inv.RequestID)
		return &o
	case <-clock:
		o := timedOut(inv.RequestID, limit)
		return &o
	}
}

// afterExit is the outcome of a process that has ended: what it had answered before, if it had.
func (e *environment) afterExit(requestID string) outcome {
	e.mu.Lock()
	reading := e.phase == responding
	e.mu.Unlock()
	if reading { // its last bytes are still being read
		select {
		case o := <-e.outcomes:
			return o
		case <-time.After(time.Second):
		}
	}
	select {
	case o := <-e.outcomes:
		return o
	default:
		return exited(requestID, exitReason(e.cmd.ProcessState))
	}
}

// invoke gives one event to an environment that waits, calls answer, and returns
// once the environment is free again or gone. It reports false, and has not called
// answer, if the process ended before it got the event.
func (e *environment) invoke(inv *Invocation, budget, init time.Duration, answer func(Result)) bool {
	began := e.r.cfg.Now()
	clock := time.NewTimer(budget)
	defer clock.Stop()
	d := delivery{inv, began.Add(budget), new(tail)}
	var out outcome
	select {
	case e.events <- d:
		select {
		case out = <-e.outcomes:
		case <-e.exited:
			out = e.afterExit(inv.RequestID)
		case <-clock.C:
			e.end()
			out = timedOut(inv.RequestID, e.fn.Timeout)
		}
	case <-e.exited:
		return false
	case <-clock.C: // it broke off its request and never asked again
		e.out.follow(d.tail)
		e.out.platform("START RequestId: " + inv.RequestID + " Version: " + e.fn.Version + "\n")
		e.end()
		out = timedOut(inv.RequestID, e.fn.Timeout)
	}
	e.report(inv, out, e.r.cfg.Now().Sub(began), init)
	e.out.follow(nil)
	e.r.answered(e)
	answer(out.result(d.tail))
	select {
	case <-e.asked:
		e.r.release(e)
	case <-e.exited:
	case <-clock.C:
		e.end()
	}
	return true
}

// refuse answers an invocation whose environment could not be initialised.
func (e *environment) refuse(inv *Invocation, out outcome) Result {
	e.out.platform("START RequestId: " + inv.RequestID + " Version: " + e.fn.Version + "\n")
	e.report(inv, out, 0, 0)
	return out.result(e.out.followed())
}

func (o outcome) result(t *tail) Result {
	res := Result{Payload: o.payload}
	if t != nil {
		res.Tail = t.b
	}
	if o.failed {
		res.Error = "Unhandled"
	}
	return res
}

// report writes the lines that end an invocation in the log.
func (e *environment) report(inv *Invocation, out outcome, took, init time.Duration) {
	lines, status := "", ""
	switch out.kind {
	case "Sandbox.Timedout":
		lines = fmt.Sprintf("%s %s Task timed out after %.2f seconds\n\n",
			e.r.cfg.Now().UTC().Format("2006-01-02T15:04:05.000Z"), inv.RequestID, e.fn.Timeout.Seconds())
		status = "Status: timeout\t"
	case "Runtime.ExitError":
		lines = "RequestId: " + inv.RequestID + " Error: " + exitReason(e.cmd.ProcessState) + "\n" + out.kind + "\n"
		status = "Status: error\tError Type: " + out.kind + "\t"
	}
	ms := float64(took) / float64(time.Millisecond)
	lines += fmt.Sprintf("END RequestId: %s\nREPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %.0f ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t",
		inv.RequestID, inv.RequestID, ms, math.Ceil(ms), e.fn.Memory, e.memory()>>20)
	if init > 0 {
		lines += fmt.Sprintf("Init Duration: %.2f ms\t", float64(init)/float64(time.Millisecond))
	}
	e.out.platform(lines + status + "\n")
}

// memory is the most that the process has had, in bytes.
func (e *environment) memory() int64 {
	select {
	case <-e.exited:
		if u, ok := e.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			return int64(u.Maxrss) * peakMemoryUnit
		}
		return 0
	default:
		return peakMemory(e.cmd.Process.Pid)
	}
}
