package edge

import (
	"net/http"
	"strconv"
)

// An answer is what the gateway itself says to a client.
type answer struct {
	status    int
	message   string
	errorType string // of the header x-amzn-errortype; "" for none
	challenge string // of the header WWW-Authenticate; "" for none
	close     bool   // the connection is not used again
}

var (
	answerPreflight     = answer{status: http.StatusNoContent}
	answerBadRequest    = answer{status: http.StatusBadRequest, message: "Bad Request"}
	answerUnauthorized  = answer{status: http.StatusUnauthorized, message: "Unauthorized"}
	answerDenied        = answer{status: http.StatusForbidden, message: "Forbidden"}
	answerForbidden     = answer{status: http.StatusForbidden, message: "Forbidden", errorType: "ForbiddenException"}
	answerRefused       = answer{status: http.StatusForbidden, message: "Forbidden", errorType: "ForbiddenException", close: true}
	answerNotFound      = answer{status: http.StatusNotFound, message: "Not Found"}
	answerSlow          = answer{status: http.StatusRequestTimeout, message: "Request Timeout", close: true}
	answerARNTooLong    = answer{status: http.StatusRequestURITooLong, message: "Request-URI Too Long"}
	answerTooLarge      = answer{status: http.StatusRequestEntityTooLarge, message: "Request Entity Too Large", close: true}
	answerMisdirected   = answer{status: http.StatusMisdirectedRequest, message: "Misdirected Request"}
	answerReconnect     = answer{status: http.StatusMisdirectedRequest, message: "Misdirected Request", close: true}
	answerTooMany       = answer{status: http.StatusTooManyRequests, message: "Too Many Requests"}
	answerHeaderTooBig  = answer{status: http.StatusRequestHeaderFieldsTooLarge, message: "Request Header Fields Too Large"}
	answerInternal      = answer{status: http.StatusInternalServerError, message: "Internal Server Error"}
	answerNotAvailable  = answer{status: http.StatusServiceUnavailable, message: "Service Unavailable"}
	contentTypeJSON     = []string{"application/json"}
	connectionCloseLine = []string{"close"}
)

// write sends the answer in the form of HTTP APIs, {"message":"…"}, unless its
// status has no body.
func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	if !bodyAllowed(a.status) {
		w.WriteHeader(a.status)
		return
	}
	h["Content-Type"] = contentTypeJSON
	if a.errorType != "" {
		h["X-Amzn-Errortype"] = []string{a.errorType}
	}
	if a.challenge != "" {
		h["Www-Authenticate"] = []string{a.challenge}
	}
	if a.close {
		// HTTP/2 has no such header: net/http ends the connection with GOAWAY.
		h["Connection"] = connectionCloseLine
	}
	body := `{"message":"` + a.message + `"}`
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(body)) // a client that left is no error of ours
}
