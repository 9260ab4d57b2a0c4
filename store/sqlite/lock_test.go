package sqlite_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"countersign/store/sqlite"
)

// A process that was killed while it was starting another leaves the lock with
// that one for a moment. Whoever opens the folder next waits for it; nobody waits
// for a process that is alive.
func TestLockOfTheDead(t *testing.T) {
	t.Parallel()
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Skip("there is no program that ends at once:", err)
	}
	dir := t.TempDir()
	hold := func(pid int) *os.File {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(strconv.Itoa(pid) + "\n"); err != nil {
			t.Fatal(err)
		}
		return f
	}

	left := hold(dead.Process.Pid)
	time.AfterFunc(100*time.Millisecond, func() { left.Close() })
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatalf("the holder is dead, and its lock was let go: %v", err)
	}
	s.Close()

	alive := hold(os.Getppid())
	defer alive.Close()
	if _, err := sqlite.Open(t.Context(), dir, sqlite.Options{}); !errors.Is(err, sqlite.ErrLocked) {
		t.Errorf("the holder is alive: got %v, want ErrLocked", err)
	}
}
