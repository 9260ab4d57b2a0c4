package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A response is the answer of a custom resource.
type response struct {
	Status             string
	Reason             string            `json:",omitempty"`
	PhysicalResourceID string            `json:"PhysicalResourceId"`
	StackID            string            `json:"StackId"`
	RequestID          string            `json:"RequestId"`
	LogicalResourceID  string            `json:"LogicalResourceId"`
	Data               map[string]string `json:",omitempty"`
}

const (
	maxResponse = 4096 // what CloudFormation reads
	maxReason   = 1000
)

func (e *event) succeeded(physicalID string) response {
	if physicalID == "" {
		physicalID = e.noID()
	}
	return response{Status: "SUCCESS", PhysicalResourceID: physicalID, StackID: e.StackID, RequestID: e.RequestID, LogicalResourceID: e.LogicalResourceID}
}

// Untouched is an error from before anything was written.
type untouched struct{ error }

func (u untouched) Unwrap() error { return u.error }

// failed answers with the id that the resource has, so that CloudFormation takes
// a failed update for no replacement. A failed Create gets the id that it would
// have had when something may have been written, else noID: the Delete that
// follows tells by it whether it must find what to remove.
func (e *event) failed(err error) response {
	id := e.PhysicalResourceID
	if id == "" {
		id = e.noID()
		var before untouched
		if place, fault := parsePlace(e.ResourceProperties); fault == nil && !errors.As(err, &before) {
			id = place.physicalID()
		}
	}
	r := e.succeeded(id)
	r.Status, r.Reason = "FAILED", shortened(err.Error(), maxReason)
	return r
}

// noID stands in where CloudFormation wants an id and there is nothing.
func (e *event) noID() string { return shortened(e.LogicalResourceID, 200) + "-not-created" }

// shortened cuts a text to at most limit bytes, at a character.
func shortened(text string, limit int) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-3], "") + "..."
}

// encode writes an answer as JSON. What CloudFormation would not read for its
// size becomes an error.
func (r response) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	if b.Len() > maxResponse && r.Reason != "" {
		// Quotation marks and the like take more room in JSON.
		r.Reason = shortened(r.Reason, maxReason/8)
		if b.Reset(); enc.Encode(r) != nil {
			return nil, fmt.Errorf("encode the answer")
		}
	}
	if b.Len() > maxResponse {
		return nil, fmt.Errorf("the answer has %d bytes; CloudFormation reads %d", b.Len(), maxResponse)
	}
	return b.Bytes(), nil
}

// deliver puts an answer to the response URL, again and again while that fails
// in a way that may pass and there is time.
func (p *provider) deliver(ctx context.Context, to string, r response) error {
	body, err := r.encode()
	if err != nil {
		return err
	}
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		again, err := p.deliverOnce(ctx, to, body)
		if err == nil {
			return nil
		}
		p.log.Warn("deliver the answer", "error", err)
		if !again {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// deliverOnce reports whether it makes sense to try again.
func (p *provider) deliverOnce(ctx context.Context, to string, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// No content type: it is not among what was signed into the URL.
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, to, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("the response URL cannot be used: %w", err)
	}
	client := http.Client{Transport: p.http, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		// S3 redirects with 307, which keeps the method. Anything that turns the
		// request into a GET delivers nothing.
		if next.Method != http.MethodPut || len(via) > 3 {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	answer, err := client.Do(request)
	if err != nil {
		return true, fmt.Errorf("deliver the answer: %w", withoutURL(err))
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 1024)) // for the log only
	if answer.StatusCode != http.StatusOK {
		return answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests, fmt.Errorf("deliver the answer: status %d: %q", answer.StatusCode, text)
	}
	return false, nil
}

// withoutURL keeps the response URL, which is a credential, out of the log.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
