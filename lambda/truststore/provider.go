package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A provider serves the custom resource.
type provider struct {
	s3   *s3.Client
	http http.RoundTripper // to the response URL
	now  func() time.Time
	log  *slog.Logger
}

// handle serves one request of CloudFormation: it does what is asked and
// delivers the answer. The error is that no answer could be delivered; Lambda
// then repeats the invocation.
func (p *provider) handle(ctx context.Context, data json.RawMessage) error {
	e, err := parseEvent(data)
	if err != nil {
		return err
	}
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	r := p.respond(ctx, e)
	p.log.Info("answer", "request", e.RequestType, "stack", e.StackID, "resource", e.LogicalResourceID, "status", r.Status, "reason", r.Reason, "id", r.PhysicalResourceID)
	return p.deliver(ctx, e.ResponseURL, r)
}

// bounded gives a context with a deadline, a little before Lambda's own.
func (p *provider) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	const unbounded = time.Minute // not on Lambda, which always has a deadline
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithTimeout(ctx, unbounded)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(200*time.Millisecond, time.Until(deadline)/10)))
}

// reserve is the part of the time left that is kept for delivering the answer.
func reserve(left time.Duration) time.Duration { return min(5*time.Second, left/3) }

// respond does what is asked, in the time there is, and gives the answer.
func (p *provider) respond(ctx context.Context, e *event) response {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithDeadline(ctx, deadline.Add(-reserve(time.Until(deadline))))
	defer cancel()

	// The work is waited for no longer than its context lasts, whatever it does
	// with it. Work that goes on behind an answer changes nothing: all it can
	// change is in S3, and every call there has this context.
	done := make(chan response, 1)
	go func() {
		defer func() {
			if fault := recover(); fault != nil {
				done <- e.failed(fmt.Errorf("the function has a fault of its own: %v", fault))
			}
		}()
		done <- p.perform(ctx, e)
	}()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
	}
	select {
	case r := <-done: // both were ready
		return r
	default:
		return e.failed(errOutOfTime)
	}
}

var errOutOfTime = errors.New("the function's time ran out: give it a longer timeout, and see whether it reaches S3")

// perform does what is asked.
func (p *provider) perform(ctx context.Context, e *event) response {
	var r response
	var err error
	switch e.RequestType {
	case "Create", "Update":
		r, err = p.put(ctx, e)
	case "Delete":
		r, err = p.delete(ctx, e)
	default:
		err = fmt.Errorf("the request type %.40q is not known", e.RequestType)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", errOutOfTime, err)
		}
		return e.failed(err)
	}
	return r
}

func (p *provider) put(ctx context.Context, e *event) (response, error) {
	place, err := parseProperties(e.ResourceProperties)
	if err != nil {
		return response{}, untouched{err}
	}
	content, err := join(place.certs, p.now())
	if err != nil {
		return response{}, untouched{err}
	}
	version, err := (&bundle{p.s3, place, e.owner()}).write(ctx, content)
	if err != nil {
		return response{}, err
	}
	r := e.succeeded(place.physicalID())
	r.Data = map[string]string{"TrustStoreUri": place.uri(), "ObjectVersion": version}
	return r, nil
}

func (p *provider) delete(ctx context.Context, e *event) (response, error) {
	// With properties that cannot be read nothing was written: this is the end of
	// a Create that failed.
	if place, err := parsePlace(e.ResourceProperties); err == nil {
		err := (&bundle{p.s3, place, e.owner()}).remove(ctx)
		if err != nil && e.PhysicalResourceID != e.noID() {
			return response{}, err
		}
		if err != nil {
			// The Create failed for the same reason most likely, and wrote nothing. To
			// fail again would leave the stack in ROLLBACK_FAILED.
			p.log.Warn("nothing was created, nothing is removed", "error", err)
		}
	}
	return e.succeeded(e.PhysicalResourceID), nil
}
