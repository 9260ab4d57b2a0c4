package edge

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"countersign/arn"
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
	switch {
	case x.api.REST:
		event, err = x.eventREST()
	case in.Payload == "1.0":
		event, err = x.eventV1()
	default:
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
		return &answerTimedOut
	case err != nil:
		x.fault("invoke function", err)
		return &answerInternal
	case functionError != "":
		x.fault("function failed", errors.New(functionError))
		return &answerBadResult
	}
	var result *result
	if x.api.REST {
		x.w.Header()["X-Amzn-Trace-Id"] = []string{x.trace()}
		result, err = x.resultREST(payload)
	} else {
		result, err = decodeResult(payload, in.Payload)
	}
	if err == nil && len(result.body) > x.edge.cfg.Limits.BodyBytes {
		err = errTooLarge
	}
	if err != nil {
		x.fault("the function's result is no response", err)
		return &answerBadResult
	}
	x.send(result)
	return nil
}

// send writes a function's response to the client.
func (x *exchange) send(r *result) {
	h := x.w.Header()
	for name, values := range r.header {
		if x.api.REST {
			remap(h, name, values)
		} else if !isHop(name) {
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
	stage := x.executeARN() + "/" + x.stage.Name + "/"
	if x.route.Key == defaultRoute {
		return stage + defaultRoute
	}
	return stage + x.r.Method + x.routePath()
}

// executeARN is the ARN of the API as it is called.
func (x *exchange) executeARN() string {
	return "arn:" + arn.Partition(x.api.Region) + ":execute-api:" + x.api.Region + ":" + x.api.Account + ":" + x.api.ID
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
