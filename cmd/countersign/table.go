package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A table lines up columns whose cells may be coloured, which text/tabwriter
// would count as text.
type table struct {
	w    io.Writer
	rows [][]string
}

// newTable starts a table, with a line of titles where there are any.
func newTable(w io.Writer, p palette, titles ...string) *table {
	t := &table{w: w}
	if len(titles) > 0 {
		for i := range titles {
			titles[i] = p.dim(titles[i])
		}
		t.row(titles...)
	}
	return t
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// flush prints the table. Lines do not end in spaces.
func (t *table) flush() error {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], visible(cell))
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-visible(cell)+2))
			}
		}
		if _, err := fmt.Fprintln(t.w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// visible is how many characters of s are seen: escape sequences of a palette are not.
func visible(s string) int {
	n := utf8.RuneCountInString(s)
	for rest := s; ; {
		_, after, ok := strings.Cut(rest, "\x1b[")
		if !ok {
			return n
		}
		code, tail, _ := strings.Cut(after, "m")
		n -= 2 + len(code) + 1
		rest = tail
	}
}
