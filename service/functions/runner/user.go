package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A user is whom processes run as.
type user struct{ uid, gid uint32 }

// chooseUser decides whom processes run as and where code lies. Only root can
// change the user. A user that does not exist is an error where it was asked for by name, and
// where the default is missing functions run as root, which is logged.
func (r *Runner) chooseUser() error {
	r.work = r.cfg.Dir
	if os.Geteuid() != 0 || r.cfg.User == "root" {
		return nil
	}
	name := r.cfg.User
	if name == "" {
		name = "nobody"
	}
	u, err := lookup(name)
	if err != nil {
		if r.cfg.User != "" {
			return fmt.Errorf("user for functions: %w", err)
		}
		r.cfg.Logger.Warn("functions run as root: there is no user nobody", "error", err)
		return nil
	}
	if err := os.Chmod(r.cfg.Dir, 0o711); err != nil {
		return err
	}
	if !reachable(r.cfg.Dir, u) {
		work, err := outside(r.cfg.Dir, u)
		if err != nil {
			r.cfg.Logger.Warn("functions run as root: their user can reach neither the data folder nor a temporary one",
				"user", name, "folder", r.cfg.Dir, "error", err, "cure", "give others the right to pass (chmod o+x) through the folders above it")
			return nil
		}
		r.cfg.Logger.Info("functions' code lies outside of the data folder, which their user cannot enter", "user", name, "folder", work)
		r.work = work
	}
	r.user = &u
	return nil
}

// lookup resolves a user's name, or "uid:gid".
func lookup(name string) (user, error) {
	uid, gid, pair := strings.Cut(name, ":")
	if !pair {
		u, err := osuser.Lookup(name)
		if err != nil {
			return user{}, err
		}
		uid, gid = u.Uid, u.Gid
	}
	u, err1 := strconv.ParseUint(uid, 10, 32)
	g, err2 := strconv.ParseUint(gid, 10, 32)
	return user{uint32(u), uint32(g)}, errors.Join(err1, err2)
}

// reachable reports whether u can pass through dir and all that is above it.
// Groups are not considered, since processes are started without any.
func reachable(dir string, u user) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		need := fs.FileMode(0o001)
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid == u.uid {
			need = 0o100
		} else if ok && st.Gid == u.gid {
			need = 0o010
		}
		if info.Mode()&need == 0 {
			return false
		}
		up := filepath.Dir(dir)
		if up == dir {
			return true
		}
		dir = up
	}
}

// outside makes, or finds again, a folder for what belongs to dir below the
// system's temporary folder, where everybody may make entries: one that is
// there already must be ours and nobody else's to write.
func outside(dir string, u user) (string, error) {
	sum := sha256.Sum256([]byte(dir))
	work := filepath.Join(os.TempDir(), "countersign-functions-"+hex.EncodeToString(sum[:8]))
	if err := os.Mkdir(work, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(work)
	if err != nil {
		return "", err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || st.Uid != uint32(os.Geteuid()) || info.Mode()&0o022 != 0 {
		return "", fmt.Errorf("%s exists and is not a folder of this node", work)
	}
	if err := os.Chmod(work, 0o711); err != nil {
		return "", err
	}
	if !reachable(work, u) {
		return "", fmt.Errorf("%s cannot be reached either", work)
	}
	return work, nil
}

// removeWork removes what is of no use to the next Runner. Unpacked code
// stays, unless it lies where nobody would look for it.
func (r *Runner) removeWork() {
	if r.work != r.cfg.Dir {
		os.RemoveAll(r.work)
		return
	}
	os.RemoveAll(filepath.Join(r.work, "run"))
}
