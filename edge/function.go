package edge

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// largestEvent is what Lambda takes as the payload of a synchronous call.
const largestEvent = 6 << 20

// invoke calls the Lambda function of an AWS_PROXY integration.
func (x *exchange) invoke() *answer {
	in := x.route.Integration
	if x.edge.cfg.Invoker == nil {
		x.fault("cannot invoke a function", errors.New("this node runs no functions"))
		return &answerInternal
	}
	var event []byte
	var err error
	if in.Payload == "1.0" {
		event, err = x.eventV1()
	} else {
		event, err = x.eventV2()
	}
	if err != nil {
		x.fault("make event", err)
		return &answerInternal
	}
	if len(event) > largestEvent {
		return &answerTooLarge
	}
	ctx, cancel := x.integrationContext()
	defer cancel()
	payload, functionError, err := x.edge.cfg.Invoker.Invoke(ctx, Invocation{
		FunctionARN: in.Function,
		SourceARN:   x.sourceARN(),
		Account:     x.api.Account,
		Payload:     event,
	})
	switch {
	case x.r.Context().Err() != nil:
		abandon()
	case errors.Is(err, ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		x.fault("function timed out", err)
		return &answerNotAvailable
	case err != nil:
		x.fault("invoke function", err)
		return &answerInternal
	case functionError != "":
		x.fault("function failed", errors.New(functionError))
		return &answerInternal
	}
	result, err := decodeResult(payload, in.Payload)
	if err == nil && len(result.body) > x.edge.cfg.Limits.BodyBytes {
		err = errTooLarge
	}
	if err != nil {
		x.fault("the function's result is no response", err)
		return &answerInternal
	}
	x.send(result)
	return nil
}

// send writes a function's response to the client.
func (x *exchange) send(r *result) {
	h := x.w.Header()
	for name, values := range r.header {
		if !isHop(name) {
			x.copyHeader(h, name, values)
		}
	}
	if bodyAllowed(r.status) {
		h["Content-Length"] = []string{strconv.Itoa(len(r.body))}
	}
	x.w.WriteHeader(r.status)
	if bodyAllowed(r.status) && x.r.Method != http.MethodHead {
		_, _ = x.w.Write(r.body) // a client that left is no error of ours
	}
}

// sourceARN is what a function's policy compares with AWS:SourceArn. The path
// is that of the route, variables and all; $default stands for itself.
func (x *exchange) sourceARN() string {
	arn := "arn:aws:execute-api:" + x.api.Region + ":" + x.api.Account + ":" + x.api.ID + "/" + x.stage.Name + "/"
	if x.route.Key == defaultRoute {
		return arn + defaultRoute
	}
	return arn + x.r.Method + x.routePath()
}

// routePath is the path of the route key: "/pets/{id}" of "GET /pets/{id}".
func (x *exchange) routePath() string {
	if _, path, ok := strings.Cut(x.route.Key, " "); ok {
		return path
	}
	return x.route.Key
}

// sourceIP is the address of the client, without its port.
func (x *exchange) sourceIP() string { return x.conn.clientIP() }

func (c *conn) clientIP() string {
	if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("").String()
	}
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return "unknown"
	}
	return host
}

func (c *conn) localPort() string {
	_, port, err := net.SplitHostPort(c.LocalAddr().String())
	if err != nil {
		return "443"
	}
	return port
}
