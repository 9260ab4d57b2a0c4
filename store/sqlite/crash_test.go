package sqlite_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/store"
	"countersign/store/sqlite"
)

// crashChild names the variable by which the test binary learns that it is to
// be the victim: "<round> <folder>".
const crashChild = "COUNTERSIGN_TEST_CRASH"

func TestMain(m *testing.M) {
	if victim := os.Getenv(crashChild); victim != "" {
		round, dir, _ := strings.Cut(victim, " ")
		fmt.Fprintln(os.Stderr, "victim:", writeUntilKilled(round, dir))
		os.Exit(3)
	}
	os.Exit(m.Run())
}

// TestKill kills a process that writes, again and again, and looks whether
// everything is there that the process was told is durable.
func TestKill(t *testing.T) {
	t.Parallel()
	duration := 15 * time.Second
	if testing.Short() {
		duration = 3 * time.Second
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	var dir string
	var acks []string
	rounds, total := 0, 0
	// A busy machine starts its victims slowly: they get more time until enough was acknowledged.
	for began := time.Now(); rounds < 100 && (time.Since(began) < duration || total < 10*rounds && time.Since(began) < 5*duration); rounds++ {
		if rounds%8 == 0 { // a new folder, whose making is interrupted too
			dir, acks = filepath.Join(t.TempDir(), strconv.Itoa(rounds)), nil
		}
		delay := time.Duration(random.IntN(300)) * time.Millisecond
		if rounds%8 == 0 {
			delay = time.Duration(random.IntN(40)) * time.Millisecond
		}
		// Every other victim is killed that long after its first acknowledgement, the rest after their start.
		got := killAfter(t, rounds, dir, delay, rounds%2 == 1)
		total += len(got)
		acks = append(acks, got...)
		examine(t, dir, acks)
		if t.Failed() {
			t.Fatalf("round %d, killed after %v with %d acknowledgements", rounds, delay, len(got))
		}
	}
	t.Logf("%d rounds, %d acknowledgements", rounds, total)
	if total < 10*rounds {
		t.Errorf("%d acknowledgements in %d rounds: too few to prove anything", total, rounds)
	}
}

// killAfter runs a victim on dir for about d, counted from its start or from its
// first acknowledgement, and returns what it acknowledged.
func killAfter(t *testing.T, round int, dir string, d time.Duration, writing bool) []string {
	t.Helper()
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", crashChild, round, dir))
	var stderr strings.Builder
	victim.Stderr = &stderr
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(d, func() { _ = victim.Process.Kill() })
	if writing {
		kill.Reset(time.Minute) // should it never write
	}
	defer kill.Stop()
	var acks []string
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil { // a line without its end was not acknowledged
			break
		}
		acks = append(acks, strings.TrimSuffix(line, "\n"))
		if writing && len(acks) == 1 {
			kill.Reset(d)
		}
	}
	var exit *exec.ExitError
	if err := victim.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the victim ended by itself: %v\n%s", err, stderr.String())
	}
	return acks
}

// writeUntilKilled is the victim. After each call that returned it writes one
// line of what the call promised.
func writeUntilKilled(round, dir string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	acknowledge := func(line ...any) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = os.Stdout.WriteString(fmt.Sprintln(line...)) // the pipe's end is our death
	}
	failed := make(chan error)
	forever := func(write func(n int) error) {
		go func() {
			for n := 0; ; n++ {
				if err := write(n); err != nil {
					failed <- err
				}
			}
		}()
	}
	for i := range 4 {
		forever(func(n int) error {
			key := fmt.Sprintf("%s-%d-%d", round, i, n)
			at, err := s.Commit(ctx, new(store.Batch).Create("x", key, []byte(key)).Create("y", key, []byte(key)))
			if err != nil {
				return err
			}
			acknowledge("record", key, at)
			if !isDeleted(key) {
				return nil
			}
			if at, err = s.Commit(ctx, new(store.Batch).DeleteIf("x", key, at).Delete("y", key)); err != nil {
				return err
			}
			acknowledge("deleted", key, at)
			return nil
		})
	}
	for i := range 3 {
		forever(func(n int) error {
			sum := sha256.Sum256(fmt.Append(nil, round, i, n))
			c := store.Certificate{Authority: "ca", Serial: store.Serial(sum[:16]), TBS: sum[:]}
			at, err := s.Commit(ctx, new(store.Batch).Issue(c))
			if err != nil {
				return err
			}
			acknowledge("issued", fmt.Sprintf("%x", c.Serial), at)
			s.Later(new(store.Batch).Sign(c.Authority, c.Serial, sum[16:]))
			if n%2 != 0 {
				return nil
			}
			if at, err = s.Commit(ctx, new(store.Batch).Revoke(c.Authority, c.Serial, time.Now(), n%10)); err != nil {
				return err
			}
			acknowledge("revoked", fmt.Sprintf("%x", c.Serial), at)
			return nil
		})
	}
	for i := range 2 {
		forever(func(n int) error {
			seed := sha256.Sum256(fmt.Append(nil, round, i, n))
			data := make([]byte, binary.BigEndian.Uint32(seed[:])%(2<<20))
			_, _ = rand.NewChaCha8(seed).Read(data) // never fails
			w, err := s.NewBlob(ctx)
			if err != nil {
				return err
			}
			if _, err := w.Write(data); err != nil {
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
			acknowledge("blob", w.ID(), fmt.Sprintf("%x", sha256.Sum256(data)))
			at, err := s.Commit(ctx, new(store.Batch).KeepBlob(w.ID()))
			if err != nil {
				return err
			}
			acknowledge("kept", w.ID(), at)
			return nil
		})
	}
	return <-failed
}

// isDeleted reports whether the victim deletes a record after it has made it.
func isDeleted(key string) bool {
	n, err := strconv.Atoi(key[strings.LastIndex(key, "-")+1:])
	return err == nil && n%3 == 0
}

// examine opens dir and holds it against all that was acknowledged.
func examine(t *testing.T, dir string, acks []string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Errorf("open after a kill: %v", err)
		return
	}
	defer s.Close()
	ctx := t.Context()

	records := map[string]bool{} // by key: there, or deleted
	var newest store.Revision
	for _, ack := range acks {
		f := strings.Fields(ack)
		what, id, rest := f[0], f[1], f[2]
		if what == "blob" {
			r, err := s.OpenBlob(ctx, store.BlobID(id), 0, -1)
			if err != nil {
				t.Errorf("%s: %v", ack, err)
				continue
			}
			sum := sha256.New()
			if _, err := io.Copy(sum, r); err != nil {
				t.Errorf("%s: %v", ack, err)
			}
			r.Close()
			if got := fmt.Sprintf("%x", sum.Sum(nil)); got != rest {
				t.Errorf("%s: its bytes now sum to %s", ack, got)
			}
			continue
		}
		at, err := strconv.ParseUint(rest, 10, 64)
		if err != nil {
			t.Fatalf("acknowledgement %q: %v", ack, err)
		}
		newest = max(newest, store.Revision(at))
		switch what {
		case "record":
			records[id] = true
		case "deleted":
			records[id] = false
		case "issued", "revoked":
			serial, err := hex.DecodeString(id)
			if err != nil {
				t.Fatalf("acknowledgement %q: %v", ack, err)
			}
			c, err := s.Certificate(ctx, "ca", store.Serial(serial))
			if err != nil {
				t.Errorf("%s: %v", ack, err)
			} else if what == "revoked" && c.RevokedAt.IsZero() {
				t.Errorf("%s: it is not revoked", ack)
			}
		}
	}
	for key, there := range records {
		x, errX := s.Get(ctx, "x", key)
		y, errY := s.Get(ctx, "y", key)
		gone := errors.Is(errX, store.ErrNotFound) && errors.Is(errY, store.ErrNotFound)
		whole := errX == nil && errY == nil && string(x.Value) == key && string(y.Value) == key && x.Revision == y.Revision
		// The deletion of a record may have taken effect without its acknowledgement.
		if there && !whole && !(gone && isDeleted(key)) || !there && !gone {
			t.Errorf("record %s, there: %v; read %q, %v and %q, %v", key, there, x.Value, errX, y.Value, errY)
		}
	}
	if s.Revision() < newest {
		t.Errorf("revision %d after reopening, but %d was acknowledged", s.Revision(), newest)
	}
}
