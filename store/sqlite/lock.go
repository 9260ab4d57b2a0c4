package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrLocked is what Open fails with while another process, or another Store of
// this one, has the folder open.
var ErrLocked = errors.New("the data folder is in use")

// lockFolder takes the folder for this process until the file is closed, which
// the system does for a process that dies. The file holds the process id for
// the message that the next one prints; the lock is what counts.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for waited := time.Duration(0); errors.Is(err, syscall.EWOULDBLOCK) && waited < patience(f); waited += lockPause {
		time.Sleep(lockPause)
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w by %s", ErrLocked, holder(f))
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

const lockPause = 10 * time.Millisecond

// patience is how long a lock that is taken is worth waiting for. A process
// that is alive keeps it. Where the process that took it is dead, or is this one
// and may have closed it, a child that was being started at that moment may hold
// it still: the descriptor goes with the exec that is under way, or with the child.
func patience(f *os.File) time.Duration {
	pid, ok := holderID(f)
	switch {
	case !ok:
		return 0
	case pid == os.Getpid():
		return 200 * time.Millisecond
	case errors.Is(syscall.Kill(pid, 0), syscall.ESRCH):
		return 2 * time.Second
	}
	return 0
}

func holderID(f *os.File) (pid int, ok bool) {
	b := make([]byte, 32)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, false
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(b[:n])))
	return pid, err == nil && pid > 0
}

// holder names the process whose id the lock file holds.
func holder(f *os.File) string {
	pid, ok := holderID(f)
	if !ok {
		return "another process"
	}
	if pid == os.Getpid() {
		return "this process (pid " + strconv.Itoa(pid) + ")"
	}
	return "process " + strconv.Itoa(pid)
}

// makeFolder makes dir readable by its owner only. A folder that is there
// keeps its mode: whoever made it chose it, and the files within are 0600.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// A folder is an entry of its parent, and durable when the parent is.
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.Sync()
}
