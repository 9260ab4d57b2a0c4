package runner

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// stampLayout is how a line of a log begins; behind it stand a blank, the stream, a blank and the text.
const stampLayout = "2006-01-02T15:04:05.000Z"

// readSize bounds a line that is read: the longest that is written, and what stands in front.
const readSize = 2*lineSize + 1<<10

// A LogLine is one line that a function has logged.
type LogLine struct {
	At     time.Time
	Stream string // AWS_LAMBDA_LOG_STREAM_NAME of the environment
	Text   string // without the newline
}

// A Log is what is kept of a function's log.
type Log struct {
	Function string
	First    time.Time // of its first line
	Bytes    int64
}

// Logs lists the logs of functions of an account and Region that hold something.
func (r *Runner) Logs(account, region string) ([]Log, error) {
	if !validLog(account + "/" + region + "/x") {
		return nil, nil
	}
	entries, err := os.ReadDir(filepath.Join(r.logs.dir, account, region))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Log
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".log")
		if !ok {
			continue
		}
		log := Log{Function: name}
		err := r.logs.read(account+"/"+region+"/"+e.Name(), func(f *os.File, size int64) error {
			log.Bytes += size
			if !log.First.IsZero() {
				return nil
			}
			return lines(f, func(line []byte) bool {
				l, ok := parseLine(line)
				log.First = l.At
				return !ok
			})
		})
		if err != nil {
			return nil, err
		}
		if !log.First.IsZero() {
			list = append(list, log)
		}
	}
	return list, nil
}

// ReadLog calls yield with the lines of a function's log that were written from from
// on and before to, in the order in which they stand there, until it answers false.
func (r *Runner) ReadLog(account, region, function string, from, to time.Time, yield func(LogLine) bool) error {
	// Lines that are not wanted are told by their first bytes alone.
	first, last := []byte(stamp(from)), []byte(stamp(to))
	more := true
	return r.logs.read(account+"/"+region+"/"+function+".log", func(f *os.File, _ int64) error {
		if !more {
			return nil
		}
		return lines(f, func(line []byte) bool {
			if len(line) < len(stampLayout) || bytes.Compare(line[:len(stampLayout)], first) < 0 || bytes.Compare(line[:len(stampLayout)], last) >= 0 {
				return true
			}
			if l, ok := parseLine(line); ok {
				more = yield(l)
			}
			return more
		})
	})
}

// stamp is a time as lines have it; times that cannot be written so are put at the edge.
func stamp(t time.Time) string {
	switch t = t.UTC(); {
	case t.Year() < 0:
		return "0000"
	case t.Year() > 9999:
		return "9999-99"
	}
	return t.Format(stampLayout)
}

// DropLog removes what a function has logged, file by file, where all of a file
// is older than before. A function that is running logs on.
func (r *Runner) DropLog(account, region, function string, before time.Time) error {
	name := account + "/" + region + "/" + function + ".log"
	return r.logs.locked(name, func(path string, open *logFile) error {
		for _, p := range []string{path + ".1", path} {
			at, err := lastLine(p)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			switch {
			case !at.Before(before):
			case p == path && open != nil:
				// Its environments go on writing into the same file.
				if err := os.Truncate(path, 0); err != nil {
					return err
				}
				open.size = 0
			default:
				if err := os.Remove(p); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// locked calls do with the path of a log, while nobody writes to it, and with the
// logFile if it is open.
func (l *logs) locked(name string, do func(path string, open *logFile) error) error {
	if !validLog(name) {
		return fs.ErrNotExist
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	open := l.open[name]
	if open != nil {
		open.mu.Lock()
		defer open.mu.Unlock()
	}
	return do(filepath.Join(l.dir, filepath.FromSlash(name)), open)
}

// read calls do with the files of a log, the older one first, as they are at one
// moment; a log that is not there has none.
func (l *logs) read(name string, do func(f *os.File, size int64) error) error {
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	err := l.locked(name, func(path string, _ *logFile) error {
		for _, p := range []string{path + ".1", path} {
			f, err := os.Open(p)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range files {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if err := do(f, info.Size()); err != nil {
			return err
		}
	}
	return nil
}

// lines calls yield with whole lines, without their ends, until it answers false. What is longer than a
// line can be is passed over; so is a line that has not ended.
func lines(r io.Reader, yield func(line []byte) bool) error {
	b := bufio.NewReaderSize(r, readSize)
	for skip := false; ; {
		line, err := b.ReadSlice('\n')
		switch {
		case err == bufio.ErrBufferFull:
			skip = true
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case skip:
			skip = false
		case !yield(line[:len(line)-1]):
			return nil
		}
	}
}

// lastLine is when the last line of a file was written; the zero time if there is none.
func lastLine(path string) (at time.Time, err error) {
	f, err := os.Open(path)
	if err != nil {
		return at, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return at, err
	}
	from := max(info.Size()-2*readSize, 0)
	return at, lines(io.NewSectionReader(f, from, math.MaxInt64-from), func(line []byte) bool {
		if l, ok := parseLine(line); ok {
			at = l.At
		}
		return true
	})
}

// parseLine takes a line of a log apart.
func parseLine(line []byte) (l LogLine, ok bool) {
	if len(line) <= len(stampLayout) || line[len(stampLayout)] != ' ' {
		return l, false
	}
	at, err := time.Parse(stampLayout, string(line[:len(stampLayout)]))
	if err != nil {
		return l, false
	}
	stream, text, ok := bytes.Cut(line[len(stampLayout)+1:], []byte(" "))
	return LogLine{at, string(stream), string(text)}, ok && len(stream) > 0
}
