package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// newLogs is a Runner that only keeps logs, by a clock that the test moves.
func newLogs(t testing.TB) (r *Runner, now *time.Time) {
	t.Helper()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &Runner{logs: &logs{dir: t.TempDir(), now: func() time.Time { return at }, open: map[string]*logFile{}}}, &at
}

func (r *Runner) take(t testing.TB, name string) *logFile {
	t.Helper()
	f, err := r.logs.take(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// text is what a log holds between two times, as "stream text|…".
func (r *Runner) text(t testing.TB, function string, from, to time.Time) string {
	t.Helper()
	var list []string
	if err := r.ReadLog("1", "r", function, from, to, func(l LogLine) bool {
		list = append(list, l.Stream+" "+l.Text)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, "|")
}

var beginning, end = time.Time{}, time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestReadLog(t *testing.T) {
	t.Parallel()
	r, now := newLogs(t)
	start := *now
	f := r.take(t, "1/r/fn.log")
	f.write("a", []byte("one\n two \n\n"))
	*now = start.Add(time.Second)
	f.write("b", []byte("three\nfour")) // the end of a stream without a newline
	if got, want := r.text(t, "fn", beginning, end), "a one|a  two |a |b three|b four"; got != want {
		t.Errorf("all: %q, want %q", got, want)
	}
	for _, tt := range []struct {
		from, to time.Duration
		want     string
	}{
		{0, time.Second, "a one|a  two |a "}, {time.Millisecond, time.Second, ""}, {time.Second, time.Second + 1, ""},
		{time.Second, time.Second + time.Millisecond, "b three|b four"}, {-time.Hour, 0, ""},
	} {
		if got := r.text(t, "fn", start.Add(tt.from), start.Add(tt.to)); got != tt.want {
			t.Errorf("from %v to %v: %q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
	n := 0
	if err := r.ReadLog("1", "r", "fn", beginning, end, func(LogLine) bool { n++; return n < 2 }); err != nil || n != 2 {
		t.Errorf("%d lines were given after the second one was enough, %v", n, err)
	}
	if got := r.text(t, "absent", beginning, end) + r.text(t, "../../x", beginning, end); got != "" {
		t.Errorf("logs that are not there hold %q", got)
	}
	logs, err := r.Logs("1", "r")
	if err != nil || len(logs) != 1 || logs[0].Function != "fn" || !logs[0].First.Equal(start) || logs[0].Bytes != 157 {
		t.Errorf("logs: %+v, %v", logs, err)
	}
	for _, where := range [][2]string{{"1", "other"}, {"2", "r"}, {"1", ".."}} {
		if logs, err := r.Logs(where[0], where[1]); err != nil || len(logs) != 0 {
			t.Errorf("logs of %v: %+v, %v", where, logs, err)
		}
	}
}

// A reader finds every line once while the log is rotated, and both files of it.
func TestReadLogWhileItRotates(t *testing.T) {
	t.Parallel()
	r, _ := newLogs(t)
	f := r.take(t, "1/r/fn.log")
	line := strings.Repeat("x", 60<<10) + "\n"
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 300 { // 18 MB: it rotates once
			f.write("a", []byte(fmt.Sprintf("%03d ", i)+line))
		}
	})
	for range 20 {
		last := -1
		err := r.ReadLog("1", "r", "fn", beginning, end, func(l LogLine) bool {
			n := 0
			fmt.Sscanf(l.Text[:3], "%d", &n)
			if n != last+1 || len(l.Text) != 60<<10+4 {
				t.Errorf("line %d with %d bytes follows line %d", n, len(l.Text), last)
				return false
			}
			last = n
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	n := 0
	r.ReadLog("1", "r", "fn", beginning, end, func(LogLine) bool { n++; return true })
	if n != 300 {
		t.Errorf("%d lines, want 300", n)
	}
}

func TestDropLog(t *testing.T) {
	t.Parallel()
	r, now := newLogs(t)
	f := r.take(t, "1/r/fn.log")
	path := filepath.Join(r.logs.dir, "1/r/fn.log")
	f.write("a", []byte("old\n"))
	if err := os.WriteFile(path+".1", []byte("2026-02-01T00:00:00.000Z a older\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	drop := func(before time.Time) {
		t.Helper()
		if err := r.DropLog("1", "r", "fn", before); err != nil {
			t.Fatal(err)
		}
	}
	drop(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	if got := r.text(t, "fn", beginning, end); got != "a older|a old" {
		t.Errorf("nothing was old enough: %q", got)
	}
	drop(now.Add(-time.Second))
	if got := r.text(t, "fn", beginning, end); got != "a old" {
		t.Errorf("the older file: %q", got)
	}
	// What an environment writes after its log was dropped is there.
	drop(end)
	f.write("a", []byte("new\n"))
	if got := r.text(t, "fn", beginning, end); got != "a new" {
		t.Errorf("after all was dropped: %q", got)
	}
	if f.size == 0 || f.size > 100 {
		t.Errorf("the log counts %d bytes", f.size)
	}
	f.release()
	drop(end)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a closed log: %v", err)
	}
	drop(end)
}

// Whatever is in a file, lines come out whole or not at all.
func FuzzLogLines(f *testing.F) {
	f.Add([]byte("2026-03-01T12:00:00.000Z [1]ab text\n2026-03-01T12:00:00.000Z"))
	f.Add([]byte("2026-03-01T12:00:00.000Z  text\n\n\n2026-99-01T12:00:00.000Z a b\n"))
	f.Add([]byte("2026-03-01T12:00:00,000Z a \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := lines(strings.NewReader(string(data)), func(line []byte) bool {
			l, ok := parseLine(line)
			if ok && l.Stream+" "+l.Text != string(line[len(stampLayout)+1:]) {
				t.Fatalf("%q is read as %+v", line, l)
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
