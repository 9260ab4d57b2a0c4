package runner

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A spawner starts every process from one thread that lives as long as any of
// them may. PR_SET_PDEATHSIG fires when the *thread* that forked ends, not the process,
// so a thread of the scheduler's choosing would not do; and no_new_privs belongs
// to a thread and is inherited, so setting it here sets it for functions alone.
type spawner struct{ requests chan func() }

func newSpawner(u *user) *spawner {
	s := &spawner{requests: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked: no other goroutine may inherit what is set here
		// An old kernel without it runs functions all the same.
		_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if u != nil {
			// prlimit(2) asks for CAP_SYS_RESOURCE, which containers do not have, or a caller
			// whose *real* ids are those of the process. These are raw calls because
			// they are for this thread only; its effective ids, and so its rights, stay root's.
			unix.RawSyscall(unix.SYS_SETRESGID, uintptr(u.gid), ^uintptr(0), ^uintptr(0))
			unix.RawSyscall(unix.SYS_SETRESUID, uintptr(u.uid), ^uintptr(0), ^uintptr(0))
		}
		for f := range s.requests {
			f()
		}
	}()
	return s
}

// start starts a process and bounds it. limited is why it could not be bounded, which is no
// failure: these bounds protect the machine from accidents.
func (s *spawner) start(cmd *exec.Cmd, storage int64) (limited, err error) {
	done := make(chan struct{})
	s.requests <- func() {
		defer close(done)
		if err = cmd.Start(); err == nil {
			limited = limit(cmd.Process.Pid, storage)
		}
	}
	<-done
	return limited, err
}

// close ends the thread, and with it whatever it started and still runs.
func (s *spawner) close() { close(s.requests) }

// attributes puts a process in its own session, and so its own process group,
// has the kernel kill it when the node dies, and changes its user if u is not nil.
func attributes(u *user) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if u != nil {
		a.Credential = &syscall.Credential{Uid: u.uid, Gid: u.gid, Groups: []uint32{}}
	}
	return a
}

// limit bounds a process that has just started. The number of processes is not
// bounded, as the kernel counts it per user, over all environments together.
func limit(pid int, storage int64) error {
	for resource, bound := range map[int]uint64{
		unix.RLIMIT_NOFILE: 1024, // Lambda's quota
		unix.RLIMIT_CORE:   0,
		unix.RLIMIT_FSIZE:  uint64(storage),
	} {
		if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: bound, Max: bound}, nil); err != nil && err != unix.ESRCH {
			return fmt.Errorf("set resource limit %d: %w", resource, err)
		}
	}
	return nil
}

// awaitExit returns when the process has ended, and leaves it a zombie: until
// it is waited for its id, and so that of its group, cannot be used again.
func awaitExit(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// killMarked kills every process in whose environment variables one of the
// marks occurs: children that outlive an environment's process, also those that
// made a session of their own and so left its group. It returns when they have ended.
func killMarked(marks [][]byte) {
	// Again until nothing is found: what was killed may have forked before.
	for range 10 {
		if !killMarkedOnce(marks) {
			return
		}
	}
}

func killMarkedOnce(marks [][]byte) (found bool) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		found = killIfMarked(pid, marks) || found
	}
	return found
}

// killIfMarked takes a handle of the process before it looks, so that no later one with the same id is hit.
func killIfMarked(pid int, marks [][]byte) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ") // empty once it has ended
	if err != nil || !slices.ContainsFunc(marks, func(mark []byte) bool { return bytes.Contains(environ, mark) }) {
		return false
	}
	if unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil {
		unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 1000) // readable when it has ended
	}
	return true
}

// peakMemory is the most memory that a running process has had, in bytes; 0 if unknown.
func peakMemory(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(line), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// peakMemoryUnit is that of Rusage.Maxrss in bytes.
const peakMemoryUnit = 1 << 10

// ownedBy reports whether the TCP connection from client to server, both on
// this machine, was made by a process of the session that pid leads. The error says that it
// cannot be found out here.
func ownedBy(pid int, client, server netip.AddrPort) (bool, error) {
	inode, err := socketInode(client, server)
	if err != nil {
		return false, err
	}
	link := "socket:[" + inode + "]"
	if holds(pid, link) {
		return true, nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		p, err := strconv.Atoi(e.Name())
		if err != nil || p == pid {
			continue
		}
		if sid, err := unix.Getsid(p); err == nil && sid == pid && holds(p, link) {
			return true, nil
		}
	}
	return false, nil
}

// holds reports whether a process has an open file that is the one link names.
func holds(pid int, link string) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if target, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && target == link {
			return true
		}
	}
	return false
}

// socketInode looks in proc_net_tcp(5) for the client's end of a connection over IPv4.
func socketInode(client, server netip.AddrPort) (string, error) {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	local, remote := tableAddress(client), tableAddress(server)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 9 && f[1] == local && f[2] == remote {
			return f[9], nil
		}
	}
	return "", fmt.Errorf("connection from %s to %s is not in /proc/net/tcp", client, server)
}

// tableAddress writes an address as the kernel's table does: the IPv4 address
// as one number in the machine's byte order.
func tableAddress(a netip.AddrPort) string {
	ip := a.Addr().Unmap().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), a.Port())
}
