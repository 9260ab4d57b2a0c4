package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTableCountsWhatIsSeen(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := palette{on: true}
	table := newTable(&out, p, "NAME", "STATE", "ID")
	table.row("Ünsere CA", p.state("ACTIVE"), "1")
	table.row("x", p.state("PENDING_CERTIFICATE"), "2")
	if err := table.flush(); err != nil {
		t.Fatal(err)
	}
	plain := out.String()
	for _, code := range []string{"1", "2", "31", "32", "33", "0"} {
		plain = strings.ReplaceAll(plain, "\x1b["+code+"m", "")
	}
	const want = "NAME       STATE                ID\nÜnsere CA  ACTIVE               1\nx          PENDING_CERTIFICATE  2\n"
	if plain != want {
		t.Errorf("got\n%s\nwant\n%s", plain, want)
	}
	if plain == out.String() {
		t.Error("nothing was coloured")
	}
}

func TestLeftTurnsRedAtTheEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	on := palette{on: true}
	for _, c := range []struct {
		in   time.Duration
		want string
	}{
		{-72 * time.Hour, on.red("ended 3 days ago")}, {-time.Minute, on.red("ended")}, {5*time.Hour + time.Minute, on.red("5 hours")}, {25 * time.Hour, on.red("1 day")},
		{7*24*time.Hour - 1, on.red("6 days")}, {7 * 24 * time.Hour, on.yellow("7 days")}, {30*24*time.Hour - 1, on.yellow("29 days")}, {30 * 24 * time.Hour, on.green("30 days")},
	} {
		end := now.Add(c.in)
		if got := on.left(&end, now); got != c.want {
			t.Errorf("%v: %q, want %q", c.in, got, c.want)
		}
		if got := (palette{}).left(&end, now); strings.Contains(got, "\x1b") {
			t.Errorf("%v: coloured %q without a terminal", c.in, got)
		}
	}
	if got := on.left(nil, now); got != "-" {
		t.Errorf("no end: %q", got)
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	t.Parallel()
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if colours(file).on || colours(&bytes.Buffer{}).on {
		t.Error("a file gets colours")
	}
}
