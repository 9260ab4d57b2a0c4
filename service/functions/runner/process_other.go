//go:build unix && !linux

package runner

import (
	"errors"
	"net/netip"
	"os/exec"
	"syscall"
)

// A spawner starts processes. On this system there is no death signal and no
// attribute to set first, so it adds nothing; see process_linux.go.
type spawner struct{}

func newSpawner(*user) *spawner                                          { return &spawner{} }
func (*spawner) start(cmd *exec.Cmd, storage int64) (limited, err error) { return nil, cmd.Start() }
func (*spawner) close()                                                  {}
func killMarked(marks [][]byte)                                          {}
func peakMemory(pid int) int64                                           { return 0 }
func awaitExit(pid int)                                                  {}

// peakMemoryUnit is that of Rusage.Maxrss in bytes.
const peakMemoryUnit = 1

// attributes puts a process in its own session, and so its own process group.
func attributes(u *user) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true}
	if u != nil {
		a.Credential = &syscall.Credential{Uid: u.uid, Gid: u.gid, Groups: []uint32{}}
	}
	return a
}

func ownedBy(pid int, client, server netip.AddrPort) (bool, error) {
	return false, errors.New("the owner of a connection is only known on Linux")
}
