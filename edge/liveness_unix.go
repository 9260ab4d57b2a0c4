//go:build unix

package edge

import (
	"net"
	"syscall"
)

// A liveness looks whether the other side has closed an idle connection,
// without waiting and without taking a byte from it.
type liveness struct {
	raw     syscall.RawConn // nil: cannot tell
	mayTalk bool            // TLS: a session ticket may have come meanwhile
}

func (l *liveness) watch(c net.Conn, mayTalk bool) {
	if s, ok := c.(syscall.Conn); ok {
		l.raw, _ = s.SyscallConn()
	}
	l.mayTalk = mayTalk
}

func (l *liveness) check() bool {
	if l.raw == nil {
		return true
	}
	alive := false
	err := l.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		switch {
		case err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR:
			alive = true
		case err == nil && n > 0:
			alive = l.mayTalk
		}
		return true // never wait
	})
	return err == nil && alive
}
