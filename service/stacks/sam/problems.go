package sam

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Error says why a template cannot be expanded. Its text is AWS's; CloudFormation
// puts "Transform AWS::Serverless-2016-10-31 failed with: " before it.
type Error struct {
	Problems []Problem // sorted by text, each text once
}

// A Problem is one thing that is wrong with a template.
type Problem struct {
	LogicalID string // of the resource; empty when it is the template's own
	Text      string // the sentence or sentences that AWS prints
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Invalid Serverless Application Specification document. Number of errors found: %d.", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteByte(' ')
		b.WriteString(p.Text)
	}
	return b.String()
}

// resourceProblem stops the expansion of one resource; the others go on, so that
// all problems are reported at once.
type resourceProblem struct{ Problem }

// documentProblem stops the expansion of the template: what follows could not be trusted.
type documentProblem struct{ problems []Problem }

// eventProblem is one of an event; its function says whose event it is.
type eventProblem struct{ event, message string }

func (p *resourceProblem) Error() string { return p.Text }
func (p *documentProblem) Error() string { return (&Error{p.problems}).Error() }
func (p *eventProblem) Error() string {
	return fmt.Sprintf("Event with id [%s] is invalid. %s", p.event, p.message)
}

// of gives the problem as one of the function that has the event.
func (p *eventProblem) of(functionID string) Problem { return problemOf(functionID, "%s", p.Error()) }

func problemOf(id, format string, args ...any) Problem {
	return Problem{id, fmt.Sprintf("Resource with id [%s] is invalid. ", id) + short(fmt.Sprintf(format, args...))}
}

// short bounds a message that quotes a value of the template.
func short(message string) string {
	const most = 4 << 10
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most], "") + "…"
}

func badResource(id, format string, args ...any) error {
	return &resourceProblem{problemOf(id, format, args...)}
}

func badEvent(id, format string, args ...any) error {
	return &eventProblem{id, short(fmt.Sprintf(format, args...))}
}

func structureText(format string, args ...any) string {
	return "Structure of the SAM template is invalid. " + short(fmt.Sprintf(format, args...))
}

// badStructure is a problem of one resource that AWS words as one of the template.
func badStructure(format string, args ...any) error {
	return &resourceProblem{Problem{"", structureText(format, args...)}}
}

// badDocument gives up on the template for one problem.
func badDocument(format string, args ...any) error {
	return &documentProblem{[]Problem{{"", structureText(format, args...)}}}
}

// stop makes a resource's problem one that ends the expansion.
func stop(err error) error {
	if resource, ok := err.(*resourceProblem); ok {
		return &documentProblem{[]Problem{resource.Problem}}
	}
	return err
}

// notBuilt names something of SAM that this package does not expand.
func notBuilt(id, what string) error {
	return badResource(id, "%s is not supported.", what)
}

// ofResource turns a problem of an event into one of the resource that has the event.
func ofResource(id string, err error) error {
	if event, ok := err.(*eventProblem); ok {
		return &resourceProblem{event.of(id)}
	}
	return err
}

// newError sorts problems and leaves out what is said twice.
func newError(problems []Problem) *Error {
	problems = slices.Clone(problems)
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Text, b.Text) })
	return &Error{slices.CompactFunc(problems, func(a, b Problem) bool { return a.Text == b.Text })}
}

// A subject is what a value belongs to, so that a check can say whose value is wrong.
type subject struct {
	id    string
	event bool
}

func of(id string) subject      { return subject{id: id} }
func ofEvent(id string) subject { return subject{id: id, event: true} }

func (s subject) problem(format string, args ...any) error {
	if s.event {
		return badEvent(s.id, format, args...)
	}
	return badResource(s.id, format, args...)
}

func (s subject) mapping(path string, v any) (object, error) {
	m, ok := v.(object)
	if !ok {
		return nil, s.problem("Property '%s' should be a map.", path)
	}
	return m, nil
}

func (s subject) list(path string, v any) ([]any, error) {
	l, ok := v.([]any)
	if !ok {
		return nil, s.problem("Property '%s' should be a list.", path)
	}
	return l, nil
}

func (s subject) text(path string, v any) (string, error) {
	t, ok := v.(string)
	if !ok {
		return "", s.problem("Property '%s' should be a string.", path)
	}
	return t, nil
}

func (s subject) texts(path string, v any) ([]string, error) {
	list, err := s.list(path, v)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(list))
	for i, item := range list {
		if out[i], err = s.text(fmt.Sprintf("%s[%d]", path, i), item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s subject) boolean(path string, v any) (bool, error) {
	b, ok := v.(bool)
	if !ok {
		return false, s.problem("Property '%s' should be a boolean.", path)
	}
	return b, nil
}

func (s subject) given(path string, v any) error {
	if v == nil {
		return s.problem("Property '%s' is required.", path)
	}
	return nil
}

// show writes a value the way AWS's messages do: as Python prints it.
func show(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return quoted(v)
}

func quoted(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case json.Number:
		return v.String()
	case string:
		return "'" + strings.ReplaceAll(v, "'", `\'`) + "'"
	case []string:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = quoted(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = quoted(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case object:
		parts := make([]string, 0, len(v))
		for _, key := range sorted(v) {
			parts = append(parts, quoted(key)+": "+quoted(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}
