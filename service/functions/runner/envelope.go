package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// MaxPayload is the most bytes of a response (Lambda: 6 MB and a little; the
// message of Function.ResponseSizeTooLarge names it).
const MaxPayload = 6291556

// An envelope is how Lambda tells a caller that its function failed where the
// function did not say so itself. The wordings are AWS's, as its Runtime Interface Emulator
// and recordings of the service have them.
type envelope struct {
	ErrorType    string `json:"errorType,omitempty"`
	ErrorMessage string `json:"errorMessage"`
}

// outcome is how one invocation, or an initialisation, ended.
type outcome struct {
	payload []byte
	failed  bool   // the function failed: FunctionError is Unhandled
	kind    string // errorType, where we know it; for the report line
}

func failure(kind, format string, args ...any) outcome {
	// Neither field can fail to encode.
	body, _ := json.Marshal(envelope{kind, fmt.Sprintf(format, args...)})
	return outcome{payload: body, failed: true, kind: kind}
}

func timedOut(requestID string, after time.Duration) outcome {
	return failure("Sandbox.Timedout", "RequestId: %s Error: Task timed out after %.2f seconds", requestID, after.Seconds())
}

func exited(requestID, reason string) outcome {
	return failure("Runtime.ExitError", "RequestId: %s Error: %s", requestID, reason)
}

func invalidEntrypoint(requestID, reason string) outcome {
	return failure("Runtime.InvalidEntrypoint", "RequestId: %s Error: %s", requestID, reason)
}

func tooLarge() outcome {
	return failure("Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload)
}

// exitReason words how a process ended as Lambda does: "exit status 2", "signal: killed".
func exitReason(state *os.ProcessState) string {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || status.Exited() && status.ExitStatus() == 0 {
		return "Runtime exited without providing a reason"
	}
	return "Runtime exited with error: " + strings.TrimSuffix(state.String(), " (core dumped)")
}

// An EntrypointError says why a function's code cannot be started. The caller
// of the function gets it as Runtime.InvalidEntrypoint.
type entrypointError struct{ reason string }

func (e *entrypointError) Error() string { return e.reason }

// asEntrypoint tells apart errors that are about the code from those that are
// about this node.
func asEntrypoint(err error) (string, bool) {
	var e *entrypointError
	if errors.As(err, &e) {
		return e.reason, true
	}
	return "", false
}
