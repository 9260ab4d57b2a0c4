package stacks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/service/stacks/resource"
	"countersign/store"
)

// handleTime is how long a wait condition's handle takes signals: as long as a condition may wait.
const handleTime = 12 * time.Hour

// waitHandle is a URL that signals are PUT to.
func (s *Service) waitHandle() resource.Type {
	type properties struct{}
	return resource.Define(resource.Spec[properties]{
		Name: typeWaitHandle,
		Create: func(ctx context.Context, c *resource.Change[properties]) (resource.Result, error) {
			token := s.callbackToken("Wait " + c.Token)
			if _, err := s.openCallback(ctx, token, callback{Stack: c.Stack.ID, LogicalID: c.LogicalID, Many: true, Expires: s.Now().Add(handleTime)}); err != nil {
				return resource.Result{}, err
			}
			return resource.Result{PhysicalID: s.callbackURL(token)}, nil
		},
		Delete: func(ctx context.Context, c *resource.Change[properties]) error {
			return s.closeCallback(ctx, s.tokenOf(c.PhysicalID))
		},
	})
}

func (s *Service) tokenOf(url string) string {
	_, token, _ := strings.Cut(url, CallbackPath)
	return token
}

type waitProperties struct {
	Handle  string `cfn:"replace"`
	Timeout int    `cfn:"replace"` // seconds
	Count   *int   `cfn:"replace"`
}

// A signal is what is PUT to a handle.
type signal struct{ Status, Reason, UniqueId, Data string }

// waitCondition is complete when its handle has had as many signals as it counts.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-waitcondition.html
func (s *Service) waitCondition() resource.Type {
	return resource.Define(resource.Spec[waitProperties]{
		Name: typeWaitCondition, Attributes: []string{"Data"},
		Check: func(p *waitProperties) []resource.Problem {
			switch {
			case p.Timeout < 0 || p.Timeout > int(handleTime/time.Second):
				return []resource.Problem{{Path: []string{"Timeout"}, Message: fmt.Sprintf("Timeout must be between 1 and %d seconds", int(handleTime/time.Second))}}
			case p.Count != nil && (*p.Count < 1 || *p.Count > maxSignals):
				return []resource.Problem{{Path: []string{"Count"}, Message: fmt.Sprintf("Count must be between 1 and %d", maxSignals)}}
			}
			return nil
		},
		Create: s.waitForSignals,
		Delete: func(context.Context, *resource.Change[waitProperties]) error { return nil },
	})
}

func (s *Service) waitForSignals(ctx context.Context, c *resource.Change[waitProperties]) (resource.Result, error) {
	if c.Properties.Handle == "" || c.Properties.Timeout == 0 {
		return resource.Result{}, errors.New("a wait condition needs a Handle and a Timeout; CreationPolicy is not built in this version of Countersign")
	}
	count := 1
	if c.Properties.Count != nil {
		count = *c.Properties.Count
	}
	id := c.Stack.ID + "/" + c.LogicalID + "/" + c.Token
	if err := c.Initiated(id); err != nil {
		return resource.Result{}, err
	}
	// The time counts from the first attempt, which the record of the handle cannot tell: from now.
	deadline := s.Now().Add(time.Duration(c.Properties.Timeout) * time.Second)
	for {
		answers, err := s.callbackAnswers(ctx, s.tokenOf(c.Properties.Handle))
		if errors.Is(err, store.ErrNotFound) {
			return resource.Result{}, words("%s is not the handle of a wait condition of this installation", c.Properties.Handle)
		}
		if err != nil {
			return resource.Result{}, err
		}
		data := map[string]string{}
		for _, document := range answers {
			var g signal
			if json.Unmarshal(document, &g) != nil || g.UniqueId == "" {
				continue // no signal; on AWS it is ignored too
			}
			if g.Status == "FAILURE" {
				return resource.Result{}, words("WaitCondition received failed message: '%s' for uniqueId: %s", g.Reason, g.UniqueId)
			}
			if g.Status == "SUCCESS" {
				data[g.UniqueId] = g.Data
			}
		}
		if len(data) >= count {
			return resource.Result{PhysicalID: id, Attributes: map[string]any{"Data": string(encode(data))}}, nil
		}
		left := deadline.Sub(s.Now())
		if left <= 0 {
			return resource.Result{}, words("WaitCondition timed out. Received %d conditions when expecting %d", len(data), count)
		}
		if err := c.Pause(ctx, left); err != nil {
			return resource.Result{}, err
		}
	}
}
