package runner

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Sessions gives the credentials of a function's execution role: keys that are valid for life or
// longer. The error wraps ErrRole when Lambda may not assume the role. The identity service does.
type Sessions interface {
	Session(ctx context.Context, roleARN, sessionName string, life time.Duration) (accessKeyID, secret, token string, expires time.Time, err error)
}

// Config is what a Runner is made from. Dir, Now and Rand are required.
type Config struct {
	// Dir holds logs/<account>/<region>/<function>.log, code/<sha256>/ and run/. It is
	// made if it does not exist, and belongs to one Runner at a time.
	Dir string

	Sessions Sessions // nil: functions get no credentials
	Endpoint string   // AWS_ENDPOINT_URL of functions; empty: not set
	// Roots, PEM, is what functions trust instead of the system's roots: for an
	// Endpoint with HTTPS. Empty: the system's. It reaches them as SSL_CERT_FILE and
	// NODE_EXTRA_CA_CERTS. AWS_CA_BUNDLE is not set, because the AWS SDK for Go
	// refuses to start with it where a program brings its own HTTP client.
	Roots []byte

	Concurrency   int           // invocations at a time over all functions; 0: 100
	InitTimeout   time.Duration // for the first start of an environment; 0: 10 s, Lambda's
	IdleTimeout   time.Duration // an environment unused so long is ended; 0: 5 min
	SessionLife   time.Duration // life asked of Sessions; 0: 1 h
	ShutdownGrace time.Duration // between SIGTERM and SIGKILL; 0: 500 ms

	// User names the user functions run as where the node runs as root: a name or
	// "uid:gid". Empty: "nobody". "root" turns the change off. Ignored for other users.
	User string

	Now    func() time.Time
	Rand   io.Reader
	Logger *slog.Logger // nil: discarded
}

// A Function is one version of a function as it is now: all that starting an
// environment for it needs.
type Function struct {
	ARN     string // without version
	Name    string
	Account string
	Region  string
	Version string // "$LATEST" or a number
	// Revision changes with code and configuration: an environment of
	// another revision of the same ARN and Version is not used again.
	Revision string

	Runtime      string
	Handler      string
	Role         string
	LogGroup     string
	Architecture string // "x86_64" or "arm64"
	Memory       int    // MB; told to the function, not enforced
	Storage      int    // MB; the largest file that it may write
	Timeout      time.Duration
	Variables    map[string]string
	Reserved     int // most invocations at a time of all versions; negative: no limit of its own
	Code         Code
}

// Code is a deployment package.
type Code struct {
	SHA256 [32]byte // of the zip file
	Size   int64    // of the zip file
	// Open reads the zip file. It is called when the tree is not on disk yet.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

func (f *Function) key() string { return f.ARN + ":" + f.Version }

// An Invocation is one event for a function.
type Invocation struct {
	RequestID     string // a UUID
	InvokedARN    string // with the qualifier that the caller used
	Payload       []byte // JSON
	ClientContext []byte // JSON, or nil
	Trace         string // X-Amzn-Trace-Id; empty: one is made
}

// A Result is how an invocation ended for its caller.
type Result struct {
	Payload []byte
	Error   string // X-Amz-Function-Error: empty, or "Unhandled" with Lambda's error object as Payload
	Tail    []byte // the last 4 KiB of what was logged during the invocation
	Trace   string
}

// A ThrottleError says that too many invocations run. Reserved tells the
// function's own limit from that of all.
type ThrottleError struct{ Reserved bool }

func (e *ThrottleError) Error() string {
	if e.Reserved {
		return "the function's reserved concurrency is used up"
	}
	return "the account's concurrency is used up"
}

// ErrClosed is returned by Invoke during and after Close.
var ErrClosed = errors.New("the function runner is shutting down")

// ErrRole is why an environment cannot start: nobody may give it credentials.
var ErrRole = errors.New("the execution role cannot be assumed")

// handOver is how long an invocation waits for an environment that has answered its
// former caller but not asked for more yet, rather than start another.
const handOver = 50 * time.Millisecond

// A Runner runs functions. It is safe for concurrent use.
type Runner struct {
	cfg   Config
	user  *user  // whom processes run as; nil: the node's own
	work  string // holds code/ and run/: cfg.Dir, or a folder that the user can reach
	peers bool   // the owner of a connection can be found out
	spawn *spawner
	logs  *logs
	trees trees
	rand  *lockedReader

	live sync.WaitGroup // environments and invocations

	mu        sync.Mutex
	closed    bool
	running   int                                  // invocations under way
	runningOf map[string]int                       // by function ARN
	all       map[*environment]struct{}            // from start until the process has gone
	pools     map[string]map[*environment]struct{} // by Function.key: those in use, or usable
}

// New prepares cfg.Dir and ends what a former Runner there has left running.
func New(cfg Config) (*Runner, error) {
	if cfg.Dir == "" || cfg.Now == nil || cfg.Rand == nil {
		return nil, errors.New("runner.New: Dir, Now and Rand are required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&cfg.Concurrency, 100)
	setDefault(&cfg.InitTimeout, 10*time.Second)
	setDefault(&cfg.IdleTimeout, 5*time.Minute)
	setDefault(&cfg.SessionLife, time.Hour)
	setDefault(&cfg.ShutdownGrace, 500*time.Millisecond)
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.Dir = dir
	r := &Runner{
		cfg:       cfg,
		logs:      &logs{dir: filepath.Join(dir, "logs"), now: cfg.Now, open: make(map[string]*logFile)},
		rand:      &lockedReader{r: cfg.Rand},
		runningOf: make(map[string]int),
		all:       make(map[*environment]struct{}),
		pools:     make(map[string]map[*environment]struct{}),
	}
	if err := os.MkdirAll(r.logs.dir, 0o700); err != nil {
		return nil, err
	}
	if err := r.chooseUser(); err != nil {
		return nil, err
	}
	if err := r.prepareWork(); err != nil {
		return nil, err
	}
	r.trees.dir = filepath.Join(r.work, "code")
	r.peers = peersKnown()
	if !r.peers {
		cfg.Logger.Warn("functions: cannot tell which process opened a connection; the Runtime API answers any local process")
	}
	r.spawn = newSpawner(r.user)
	return r, nil
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// prepareWork sweeps away a former Runner's processes and folders and makes empty ones.
func (r *Runner) prepareWork() error {
	run := filepath.Join(r.work, "run")
	if left, err := os.ReadDir(run); err == nil && len(left) > 0 {
		var marks [][]byte
		for _, e := range left {
			if len(e.Name()) == 32 {
				marks = append(marks, mark(e.Name()))
			}
		}
		if len(marks) > 0 {
			killMarked(marks)
		}
		if err := os.RemoveAll(run); err != nil {
			return err
		}
	}
	for _, dir := range []string{run, filepath.Join(r.work, "code")} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return err
		}
		// The umask of the node must not decide whether functions can reach their code.
		if err := os.Chmod(dir, 0o711); err != nil {
			return err
		}
	}
	if len(r.cfg.Roots) > 0 {
		if err := os.WriteFile(r.rootsFile(), r.cfg.Roots, 0o644); err != nil {
			return err
		}
		return os.Chmod(r.rootsFile(), 0o644)
	}
	return nil
}

func (r *Runner) rootsFile() string { return filepath.Join(r.work, "run", "roots.pem") }

// Invoke runs one invocation and returns when the function has answered,
// failed, or run out of time. What the function or its code does wrong is in the Result; the
// error is *ThrottleError, ErrClosed, ctx's, or about this node. When ctx ends
// the invocation goes on, as on Lambda, and only its answer is lost.
func (r *Runner) Invoke(ctx context.Context, fn Function, inv Invocation) (Result, error) {
	if inv.Trace == "" {
		inv.Trace = r.newTrace()
	}
	if err := r.admit(&fn); err != nil {
		return Result{}, err
	}
	type answer struct {
		Result
		error
	}
	answered := make(chan answer, 1)
	work := context.WithoutCancel(ctx)
	go func() {
		defer r.live.Done()
		// The concurrency is given back before the caller knows, so that calls one after the
		// other count as one; the environment may be busy a little longer.
		said := false
		err := r.run(work, &fn, &inv, func(res Result) {
			said = true
			r.dismiss(&fn)
			res.Trace = inv.Trace
			answered <- answer{res, nil}
		})
		if !said {
			r.dismiss(&fn)
			answered <- answer{error: err}
		}
	}()
	select {
	case a := <-answered:
		return a.Result, a.error
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// admit counts an invocation in, or refuses it.
func (r *Runner) admit(fn *Function) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return ErrClosed
	case fn.Reserved >= 0 && r.runningOf[fn.ARN] >= fn.Reserved:
		return &ThrottleError{Reserved: true}
	case r.running >= r.cfg.Concurrency:
		return &ThrottleError{}
	}
	r.running++
	r.runningOf[fn.ARN]++
	r.live.Add(1)
	return nil
}

func (r *Runner) dismiss(fn *Function) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	if r.runningOf[fn.ARN]--; r.runningOf[fn.ARN] == 0 {
		delete(r.runningOf, fn.ARN)
	}
}

// run finds or starts an environment, has it do the invocation, calls answer
// at most once, and returns when the environment is free again or gone.
func (r *Runner) run(ctx context.Context, fn *Function, inv *Invocation, answer func(Result)) error {
	// An idle process may end between being chosen and being given the event;
	// as it has not seen it, another may.
	for {
		env := r.reuse(fn)
		if env == nil {
			break
		}
		done := env.invoke(inv, fn.Timeout, 0, answer)
		env.drop()
		if done {
			return nil
		}
	}
	r.makeRoom()
	return r.coldStart(ctx, fn, inv, answer)
}

// reuse picks a warm environment and holds it for the caller; nil if there is none.
func (r *Runner) reuse(fn *Function) *environment {
	r.mu.Lock()
	defer r.mu.Unlock()
	var best, soon *environment
	for e := range r.pools[fn.key()] {
		switch {
		case !r.fresh(e, fn):
			e.retired = true
			if e.use == idle {
				r.discardLocked(e)
			}
		case e.use == idle && (best == nil || e.lastUsed.After(best.lastUsed)):
			best = e // the warmest, so that the others can grow old
		case e.use == finishing:
			soon = e
		}
	}
	if best == nil && soon != nil {
		best = r.claim(soon)
	}
	if best == nil {
		return nil
	}
	best.use = busy
	best.hold()
	return best
}

// claim waits for an environment that has answered to ask for more. The caller
// holds r.mu, and does again on return.
func (r *Runner) claim(e *environment) *environment {
	e.use = claimed
	r.mu.Unlock()
	timer := time.NewTimer(handOver)
	select {
	case <-e.free:
	case <-e.exited:
	case <-timer.C:
	}
	timer.Stop()
	r.mu.Lock()
	switch e.use {
	case handed:
		select { // the token may have come together with the timer
		case <-e.free:
		default:
		}
		return e
	case claimed: // still at it: give it back
		e.use = finishing
	}
	return nil
}

// fresh reports whether an environment may take one more invocation of fn.
func (r *Runner) fresh(e *environment, fn *Function) bool {
	const margin = time.Minute // credentials must outlive the invocation
	return !e.retired && e.fn.Revision == fn.Revision &&
		(e.expires.IsZero() || r.cfg.Now().Add(fn.Timeout+margin).Before(e.expires))
}

// release makes an environment usable again after an invocation.
func (r *Runner) release(e *environment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.lastUsed = r.cfg.Now()
	switch {
	case r.closed || e.retired:
		r.discardLocked(e)
	case e.use == claimed:
		e.use = handed
		e.free <- struct{}{}
	case e.use == busy || e.use == finishing:
		e.use = idle
	}
}

// answered notes that an environment has answered its caller.
func (r *Runner) answered(e *environment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.use == busy {
		e.use = finishing
	}
}

// discardLocked takes an environment out of use and ends its process. The
// caller holds r.mu.
func (r *Runner) discardLocked(e *environment) {
	if e.use == gone {
		return
	}
	e.use = gone
	if pool := r.pools[e.fn.key()]; pool != nil {
		delete(pool, e)
		if len(pool) == 0 {
			delete(r.pools, e.fn.key())
		}
	}
	e.shutDown()
}

func (r *Runner) discard(e *environment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discardLocked(e)
}

// makeRoom ends the longest idle environment when there are as many as there
// may be invocations, so that processes are bounded too.
func (r *Runner) makeRoom() {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	var oldest *environment
	for _, pool := range r.pools {
		for e := range pool {
			n++
			if e.use == idle && (oldest == nil || e.lastUsed.Before(oldest.lastUsed)) {
				oldest = e
			}
		}
	}
	if n >= r.cfg.Concurrency && oldest != nil {
		r.discardLocked(oldest)
	}
}

// Retire ends the environments of all versions of a function: at once where
// they are idle, after their invocation where they are not.
func (r *Runner) Retire(functionARN string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for e := range r.all {
		if e.fn.ARN == functionARN {
			e.retired = true
			if e.use == idle {
				r.discardLocked(e)
			}
		}
	}
}

// Reap ends environments that have been idle for Config.IdleTimeout, and says
// when the next one will have been; the zero time if none is idle.
func (r *Runner) Reap() (next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Now()
	for e := range r.all {
		if e.use != idle {
			continue
		}
		due := e.lastUsed.Add(r.cfg.IdleTimeout)
		if !due.After(now) {
			r.discardLocked(e)
		} else if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return next
}

// KeepCode removes unpacked code that used does not name and no environment runs from. It is
// for start-up, when the trees of functions deleted earlier are still there.
func (r *Runner) KeepCode(used map[[32]byte]bool) error {
	return r.trees.keep(func(sum string) bool {
		b, err := hex.DecodeString(sum)
		if err != nil || len(b) != 32 {
			return false
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for e := range r.all {
			if e.fn.Code.SHA256 == [32]byte(b) {
				return true
			}
		}
		return used[[32]byte(b)]
	})
}

// Close refuses new invocations, ends idle environments, waits until ctx ends for those at work, and
// then kills what is left. On return no process of this Runner is there.
func (r *Runner) Close(ctx context.Context) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		r.live.Wait()
		return nil
	}
	r.closed = true
	for e := range r.all {
		if e.use == idle {
			r.discardLocked(e)
		}
	}
	r.mu.Unlock()

	done := make(chan struct{})
	go func() {
		r.live.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		r.mu.Lock()
		for e := range r.all {
			e.kill()
		}
		r.mu.Unlock()
		<-done
	}
	r.spawn.close()
	r.removeWork()
	return err
}

// newTrace makes a trace header value: the format of X-Ray, not sampled.
func (r *Runner) newTrace() string {
	var b [20]byte
	if _, err := io.ReadFull(r.rand, b[:]); err != nil {
		return ""
	}
	return fmt.Sprintf("Root=1-%08x-%x;Parent=%x;Sampled=0", uint32(r.cfg.Now().Unix()), b[:12], b[12:])
}

// lockedReader makes a source of randomness safe for concurrent use.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}
