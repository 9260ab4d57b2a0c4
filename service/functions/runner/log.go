package runner

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	tailSize    = 4 << 10  // what LogType Tail returns, as on AWS
	lineSize    = 64 << 10 // a longer line is cut into pieces
	rotateBytes = 10 << 20 // then the log becomes .1 and the former .1 goes
)

// logs keeps the open log files, one for each function however many of its
// environments write.
type logs struct {
	dir string
	now func() time.Time

	mu   sync.Mutex
	open map[string]*logFile // by path below dir
}

// A logFile is a function's log on disk: lines with a time and the stream's
// name in front. It never fails its user: what cannot be written is lost,
// as a function must not stop because a disk is full.
type logFile struct {
	logs *logs
	name string

	users int // guarded by logs.mu

	mu   sync.Mutex
	file *os.File // nil when it could not be opened
	size int64
}

// take opens the log of a name such as "000000000000/us-east-1/fn.log", or
// shares it. Each take needs one release.
func (l *logs) take(name string) (*logFile, error) {
	if !validLog(name) {
		return nil, fmt.Errorf("log file %q: not a name below the folder of logs", name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.open[name]; f != nil {
		f.users++
		return f, nil
	}
	f := &logFile{logs: l, name: name, users: 1}
	if err := f.reopen(); err != nil {
		return nil, err
	}
	l.open[name] = f
	return f, nil
}

// validLog tells names of logs from others. A Region is what a client has signed
// for, so it may be anything without a slash.
func validLog(name string) bool { return path.Clean(name) == name && filepath.IsLocal(name) }

func (f *logFile) release() {
	f.logs.mu.Lock()
	defer f.logs.mu.Unlock()
	if f.users--; f.users > 0 {
		return
	}
	delete(f.logs.open, f.name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}

// reopen opens the file for appending. The caller holds f.mu, or has f alone.
func (f *logFile) reopen() error {
	name := filepath.Join(f.logs.dir, filepath.FromSlash(f.name))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	f.file, f.size = file, info.Size()
	return nil
}

// write appends whole lines, each with the time and stream in front.
func (f *logFile) write(stream string, lines []byte) {
	f.mu.Lock() // before the time is taken: lines stand in its order
	defer f.mu.Unlock()
	var out bytes.Buffer
	at := stamp(f.logs.now())
	for line := range bytes.Lines(lines) {
		fmt.Fprintf(&out, "%s %s %s\n", at, stream, bytes.TrimSuffix(line, []byte("\n")))
	}
	if f.file == nil {
		return
	}
	if f.size+int64(out.Len()) > rotateBytes && f.size > 0 {
		name := f.file.Name()
		f.file.Close()
		f.file = nil
		os.Rename(name, name+".1")
		if f.reopen() != nil {
			return
		}
	}
	n, _ := f.file.Write(out.Bytes())
	f.size += int64(n)
}

// An output is what one environment writes to its standard output and error:
// one pipe, split into lines, kept in the function's log and, during an
// invocation, in a tail.
type output struct {
	log    *logFile
	stream string // its name
	pipe   *os.File
	closed chan struct{} // the reader has ended

	mu      sync.Mutex // guards what follows and reading from the pipe
	partial []byte     // of a line that has not ended
	tail    *tail      // of the invocation under way, or nil
}

// newOutput makes the pipe and starts its reader; child is the end for the
// process, which the caller closes once it has started.
func newOutput(log *logFile, stream string) (o *output, child *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	// The two ends are separate open files: ours never blocks, the process's does, as it expects.
	if err := syscall.SetNonblock(int(w.Fd()), false); err != nil {
		r.Close()
		w.Close()
		return nil, nil, err
	}
	o = &output{log: log, stream: stream, pipe: r, closed: make(chan struct{})}
	go o.read()
	return o, w, nil
}

// read takes what arrives until the last writer or close has closed the pipe.
func (o *output) read() {
	defer close(o.closed)
	conn, err := o.pipe.SyscallConn()
	if err != nil {
		return
	}
	// The poller reports an edge: this may only wait again once the pipe is empty.
	conn.Read(func(fd uintptr) bool {
		for {
			if ended, empty := o.take(fd); ended || empty {
				return ended
			}
		}
	})
}

// drain takes everything that was written to the pipe before the call.
func (o *output) drain() {
	conn, err := o.pipe.SyscallConn()
	if err != nil {
		return
	}
	conn.Control(func(fd uintptr) { o.take(fd) })
}

// take reads what the pipe holds, under the lock, so that when it returns all
// that was read has been filed. It reports whether the pipe has ended or is empty.
func (o *output) take(fd uintptr) (ended, empty bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var buf [16 << 10]byte
	// More than a pipe holds (64 KiB), so that drain reaches what was there when it
	// began; and bounded, as a process that never stops writing must not hold the lock.
	for range 16 {
		n, err := syscall.Read(int(fd), buf[:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return false, true
		case err != nil || n <= 0:
			return true, false
		}
		o.append(buf[:n])
	}
	return false, false
}

// append files the whole lines of p and keeps the rest. The caller holds o.mu.
func (o *output) append(p []byte) {
	if o.tail != nil {
		o.tail.Write(p)
	}
	o.partial = append(o.partial, p...)
	end := bytes.LastIndexByte(o.partial, '\n') + 1
	if end == 0 && len(o.partial) >= lineSize {
		end = len(o.partial)
	}
	if end > 0 {
		o.log.write(o.stream, o.partial[:end])
		o.partial = append(o.partial[:0], o.partial[end:]...)
	}
}

// platform writes a line of our own, after whatever the process has written.
func (o *output) platform(line string) {
	o.drain()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.partial) > 0 {
		o.append([]byte("\n"))
	}
	o.append([]byte(line))
}

// follow makes t the tail of what is written from now on; nil ends it.
func (o *output) follow(t *tail) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = t
}

// followed is the tail of what is being written.
func (o *output) followed() *tail {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tail
}

// close files what is left and releases the log. Writers that are still alive get EPIPE.
func (o *output) close() {
	o.drain()
	o.pipe.Close()
	<-o.closed
	o.mu.Lock()
	if len(o.partial) > 0 {
		o.append([]byte("\n"))
	}
	o.mu.Unlock()
	o.log.release()
}

// A tail keeps the last tailSize bytes written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) > tailSize {
		p = p[len(p)-tailSize:]
	}
	t.b = append(t.b, p...)
	if over := len(t.b) - tailSize; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return n, nil
}

var _ io.Writer = (*tail)(nil)
