package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Position is a place in the text of a template, counted from 1. The zero
// Position is an unknown one.
type Position struct{ Line, Column int }

func (p Position) String() string {
	switch {
	case p.Line == 0:
		return ""
	case p.Column == 0:
		return fmt.Sprintf("line %d", p.Line)
	}
	return fmt.Sprintf("line %d, column %d", p.Line, p.Column)
}

// An Error is what is wrong with a template, with parameters given to it, or
// with what a function was given. Message is worded as AWS words it where AWS has
// words for it; Path leads from the root of the template to the place.
type Error struct {
	Position Position
	Path     []string
	Message  string
	Cause    error // of a Lookup that failed; nil for what the template itself did
}

// Error is the message with the place behind it. CloudFormation's own answers
// have no place: for those that clients compare, take Message.
func (e *Error) Error() string {
	var place []string
	if len(e.Path) > 0 {
		place = append(place, "/"+strings.Join(e.Path, "/"))
	}
	if e.Position.Line > 0 {
		place = append(place, e.Position.String())
	}
	if len(place) == 0 {
		return e.Message
	}
	return e.Message + " (" + strings.Join(place, ", ") + ")"
}

func (e *Error) Unwrap() error { return e.Cause }

// An atlas makes errors: it knows where paths stand in the text.
type atlas func(path ...string) Position

func (a atlas) position(path []string) Position {
	if a == nil {
		return Position{}
	}
	return a(path...)
}

// refuse makes an error about path. The path is copied: walks reuse theirs.
func (a atlas) refuse(path []string, format string, args ...any) *Error {
	return &Error{Position: a.position(path), Path: slices.Clone(path), Message: fmt.Sprintf(format, args...)}
}

// failed is the error of a Lookup as an error about path.
func (a atlas) failed(path []string, err error) error {
	var already *Error
	if errors.As(err, &already) {
		return err
	}
	e := a.refuse(path, "%v", err)
	e.Cause = err
	return e
}
