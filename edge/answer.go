package edge

import (
	"net/http"
	"strconv"
)

// An answer is what the gateway itself says to a client.
type answer struct {
	status    int
	message   string
	body      string // instead of the message in its JSON form
	errorType string // of the header x-amzn-errortype; "" for none
	challenge string // of the header WWW-Authenticate; "" for none
	close     bool   // the connection is not used again

	rest *answer // what a REST API says instead; nil: the same
}

var (
	answerPreflight      = answer{status: http.StatusNoContent}
	answerBadRequest     = answer{status: http.StatusBadRequest, message: "Bad Request"}
	answerUnauthorized   = answer{status: http.StatusUnauthorized, message: "Unauthorized", rest: &restUnauthorized}
	answerDenied         = answer{status: http.StatusForbidden, message: "Forbidden", rest: &restDenied}
	answerDeniedOutright = answer{status: http.StatusForbidden, message: "Forbidden", rest: &restDeniedOutright}
	answerForbidden      = answer{status: http.StatusForbidden, message: "Forbidden", errorType: "ForbiddenException"}
	answerRefused        = answer{status: http.StatusForbidden, message: "Forbidden", errorType: "ForbiddenException", close: true}
	answerNotFound       = answer{status: http.StatusNotFound, message: "Not Found"}
	answerSlow           = answer{status: http.StatusRequestTimeout, message: "Request Timeout", close: true}
	answerARNTooLong     = answer{status: http.StatusRequestURITooLong, message: "Request-URI Too Long"}
	answerTooLarge       = answer{status: http.StatusRequestEntityTooLarge, message: "Request Entity Too Large", close: true, rest: &restTooLarge}
	answerMisdirected    = answer{status: http.StatusMisdirectedRequest, message: "Misdirected Request"}
	answerReconnect      = answer{status: http.StatusMisdirectedRequest, message: "Misdirected Request", close: true}
	answerTooMany        = answer{status: http.StatusTooManyRequests, message: "Too Many Requests", rest: &restTooMany}
	answerHeaderTooBig   = answer{status: http.StatusRequestHeaderFieldsTooLarge, message: "Request Header Fields Too Large"}
	answerInternal       = answer{status: http.StatusInternalServerError, message: "Internal Server Error", rest: &restInternal}
	answerNoAuthorizer   = answer{status: http.StatusInternalServerError, message: "Internal Server Error", rest: &restNoAuthorizer}
	answerBadResult      = answer{status: http.StatusInternalServerError, message: "Internal Server Error", rest: &restBadResult} // of a function
	answerNotAvailable   = answer{status: http.StatusServiceUnavailable, message: "Service Unavailable"}
	answerUnreachable    = answer{status: http.StatusServiceUnavailable, message: "Service Unavailable", rest: &restUnreachable}
	answerTimedOut       = answer{status: http.StatusServiceUnavailable, message: "Service Unavailable", rest: &restTimedOut}
	contentTypeJSON      = []string{"application/json"}
	connectionCloseLine  = []string{"close"}
)

// What REST APIs say, as far as it is something else. The texts, the space in some of them and the capital
// of Message are AWS's, as recorded.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
var (
	restUnauthorized   = answer{status: http.StatusUnauthorized, message: "Unauthorized", errorType: "UnauthorizedException"}
	restDenied         = answer{status: http.StatusForbidden, body: `{"Message":"User is not authorized to access this resource"}`, errorType: "AccessDeniedException"}
	restDeniedOutright = answer{status: http.StatusForbidden, body: `{"Message":"User is not authorized to access this resource with an explicit deny"}`, errorType: "AccessDeniedException"}
	restNoMethod       = answer{status: http.StatusForbidden, message: "Missing Authentication Token", errorType: "MissingAuthenticationTokenException"}
	restTooLarge       = answer{status: http.StatusRequestEntityTooLarge, message: "HTTP content length exceeded 10485760 bytes.", errorType: "RequestTooLargeException", close: true}
	restMediaType      = answer{status: http.StatusUnsupportedMediaType, message: "Unsupported Media Type", errorType: "BadRequestException"}
	restTooMany        = answer{status: http.StatusTooManyRequests, message: "Too Many Requests", errorType: "TooManyRequestsException"}
	restInternal       = answer{status: http.StatusInternalServerError, body: `{"message": "Internal server error"}`, errorType: "InternalServerErrorException"}
	restNoAuthorizer   = answer{status: http.StatusInternalServerError, body: `{"message":null}`, errorType: "AuthorizerConfigurationException"}
	restBadResult      = answer{status: http.StatusBadGateway, body: `{"message": "Internal server error"}`, errorType: "InternalServerErrorException"}
	restUnreachable    = answer{status: http.StatusGatewayTimeout, body: `{"message": "Network error communicating with endpoint"}`, errorType: "InternalServerErrorException"}
	restTimedOut       = answer{status: http.StatusGatewayTimeout, body: `{"message": "Endpoint request timed out"}`, errorType: "InternalServerErrorException"}
)

// refuse sends an answer in the words of the API's kind.
func (x *exchange) refuse(a *answer) {
	if x.api != nil && x.api.REST {
		if a.rest != nil {
			a = a.rest
		}
		if a.errorType != "" {
			x.w.Header()["x-amzn-ErrorType"] = []string{a.errorType}
			plain := *a
			plain.errorType = ""
			a = &plain
		}
	}
	a.write(x.w)
}

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
	body := a.body
	if body == "" {
		body = `{"message":"` + a.message + `"}`
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(body)) // a client that left is no error of ours
}
