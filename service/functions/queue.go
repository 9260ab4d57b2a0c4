package functions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// How queued events are carried out. The numbers are Lambda's, as far as it states them.
const (
	maxAge       = 6 * time.Hour
	maxRetries   = 2
	maxPause     = 5 * time.Minute  // between attempts of an event that is throttled
	claimTime    = 35 * time.Minute // longer than an attempt can last: the longest timeout twice, and some
	eventWorkers = 50               // events at work at a time on one node
	eventPage    = 20               // events read at a time; each may have a payload of 1 MiB
	lookAgain    = 10 * time.Second // when all workers are taken, unless one wakes the queue before
)

// An event is an invocation of type Event. Its key says when it needs attention: when it is due,
// or, while a node works on it, when that node must have died.
type event struct {
	Account, Region, Name string
	Qualifier             string `json:",omitempty"`
	ID                    string // request id, the same for every attempt
	Payload               []byte
	ClientContext         []byte `json:",omitempty"`
	Accepted              time.Time
	Failures              int    `json:",omitempty"` // attempts in which the function failed
	Pauses                int    `json:",omitempty"` // attempts that could not be made
	Claim                 *claim `json:",omitempty"`
}

// A claim says which process works on an event.
type claim struct{ Node, Run string }

// queue is the state of this process's work on events.
type queue struct {
	run     string        // this process
	wake    chan struct{} // something is due
	slots   chan struct{} // a token for each event at work
	workers sync.WaitGroup

	mu        sync.Mutex // held through a pass, so that there is one at a time
	recovered bool       // claims of a former process of this node were taken over

	closing context.Context
	stop    context.CancelFunc
}

func (q *queue) init(run string) {
	q.run = run
	q.wake = make(chan struct{}, 1)
	q.slots = make(chan struct{}, eventWorkers)
	q.closing, q.stop = context.WithCancel(context.Background())
}

// close lets no further event begin.
func (q *queue) close() {
	q.stop()
	q.mu.Lock() // waits for a pass to end
	defer q.mu.Unlock()
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// eventKey sorts by time. A time before 1970 or after 5138 does not occur.
func eventKey(due time.Time, id string) string {
	return fmt.Sprintf("%014d/%s", max(due.UnixMilli(), 0), id)
}

func dueOf(key string) (time.Time, error) {
	var ms int64
	if _, err := fmt.Sscanf(key, "%014d/", &ms); err != nil {
		return time.Time{}, fmt.Errorf("key %q of a queued event: %w", key, err)
	}
	return time.UnixMilli(ms), nil
}

// enqueue makes an event durable.
func (s *Service) enqueue(ctx context.Context, e *event) error {
	now := s.cfg.Now()
	e.Accepted = now.UTC()
	value, err := json.Marshal(e)
	if err != nil {
		return err
	}
	// A client may repeat its request id, so the key has one of its own.
	id, err := s.newID()
	if err != nil {
		return err
	}
	if _, err := s.store.Commit(ctx, new(store.Batch).Create(kindEvent, eventKey(now, id), value)); err != nil {
		return fmt.Errorf("queue event for %s: %w", e.Name, err)
	}
	s.queue.poke()
	return nil
}

// RunQueue begins every event that is due, as far as there are workers, and returns when the next needs attention: the zero time
// if there is none. It does not wait for the functions. An event that this node worked on when it was killed is due at once.
func (s *Service) RunQueue(ctx context.Context) (next time.Time, err error) {
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.recovered {
		if err := s.recoverEvents(ctx); err != nil {
			return time.Time{}, err
		}
		q.recovered = true
	}
	after := ""
	for q.closing.Err() == nil {
		records, err := s.store.List(ctx, kindEvent, "", after, eventPage)
		if err != nil {
			return time.Time{}, fmt.Errorf("list queued events: %w", err)
		}
		for _, r := range records {
			after = r.Key
			due, err := dueOf(r.Key)
			if err != nil {
				return time.Time{}, err
			}
			now := s.cfg.Now()
			if due.After(now) {
				return due, nil
			}
			select {
			case q.slots <- struct{}{}:
			default:
				return now.Add(lookAgain), nil
			}
			e, key, revision, err := s.claimEvent(ctx, r)
			if err != nil || e == nil {
				<-q.slots
				if err != nil {
					return time.Time{}, err
				}
				continue
			}
			q.workers.Go(func() {
				defer func() {
					<-q.slots
					q.poke()
				}()
				s.work(e, key, revision)
			})
		}
		if len(records) < eventPage {
			return time.Time{}, nil
		}
	}
	return time.Time{}, nil
}

// recoverEvents makes due what a former process of this node had claimed.
func (s *Service) recoverEvents(ctx context.Context) error {
	after := ""
	for {
		records, err := s.store.List(ctx, kindEvent, "", after, eventPage)
		if err != nil {
			return fmt.Errorf("list queued events: %w", err)
		}
		for _, r := range records {
			after = r.Key
			e := new(event)
			if err := json.Unmarshal(r.Value, e); err != nil {
				return fmt.Errorf("decode queued event %s: %w", r.Key, err)
			}
			if e.Claim == nil || e.Claim.Node != s.cfg.Node || e.Claim.Run == s.queue.run {
				continue
			}
			e.Claim = nil
			if _, _, err := s.moveEvent(ctx, e, r.Key, r.Revision, s.cfg.Now()); err != nil && !lost(err) {
				return err
			}
		}
		if len(records) < eventPage {
			return nil
		}
	}
}

// claimEvent takes an event for this process. nil without error: another has it.
func (s *Service) claimEvent(ctx context.Context, r store.Record) (*event, string, store.Revision, error) {
	e := new(event)
	if err := json.Unmarshal(r.Value, e); err != nil {
		return nil, "", 0, fmt.Errorf("decode queued event %s: %w", r.Key, err)
	}
	e.Claim = &claim{s.cfg.Node, s.queue.run}
	key, revision, err := s.moveEvent(ctx, e, r.Key, r.Revision, s.cfg.Now().Add(claimTime))
	if lost(err) {
		return nil, "", 0, nil
	}
	return e, key, revision, err
}

// lost tells that another process has moved or finished an event.
func lost(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound)
}

// moveEvent writes an event under the key of another time.
func (s *Service) moveEvent(ctx context.Context, e *event, from string, was store.Revision, due time.Time) (string, store.Revision, error) {
	value, err := json.Marshal(e)
	if err != nil {
		return "", 0, err
	}
	_, id, _ := strings.Cut(from, "/")
	to := eventKey(due, id)
	b := new(store.Batch)
	if to == from {
		b.Replace(kindEvent, to, value, was)
	} else {
		b.DeleteIf(kindEvent, from, was).Create(kindEvent, to, value)
	}
	revision, err := s.store.Commit(ctx, b)
	if err != nil && !lost(err) {
		err = fmt.Errorf("write queued event %s: %w", id, err)
	}
	return to, revision, err
}

// work carries out one claimed event and files the outcome.
func (s *Service) work(e *event, key string, revision store.Revision) {
	ctx := call.With(context.Background(), call.Call{RequestID: e.ID, Account: e.Account, Region: e.Region, Service: "lambda", Operation: "Invoke",
		Principal: call.Principal{Account: e.Account, Service: "lambda.amazonaws.com"}, Signing: call.Internal})
	ref := reference{account: e.Account, region: e.Region, name: e.Name, qualifier: e.Qualifier}
	log := s.log.With("function", ref.arn(), "request", e.ID)
	age, attempts := maxAge, maxRetries
	if f, err := s.readCached(ctx, e.Account, e.Region, e.Name); err == nil && f != nil && f.Retries != nil {
		if f.Retries.MaxAge != nil {
			age = time.Duration(*f.Retries.MaxAge) * time.Second
		}
		if f.Retries.Attempts != nil {
			attempts = int(*f.Retries.Attempts)
		}
	}
	expires := e.Accepted.Add(age)

	res, _, err := s.invoke(ctx, ref, e.ID, e.Payload, e.ClientContext, nil)
	e.Claim = nil
	now := s.cfg.Now()
	due, why := now, ""
	var missing *types.ResourceNotFoundException
	switch {
	case err == nil && res.Error == "":
		why = "done"
	case s.queue.closing.Err() != nil:
		// Cut off, or maybe so: it does not count, and is due when the node is back.
	case errors.As(err, &missing):
		why = aws.ToString(missing.Message)
	case err != nil:
		due = now.Add(min(time.Second<<min(e.Pauses, 20), maxPause))
		e.Pauses++
		log.Info("functions: an event has to wait", "error", err, "until", due)
	default:
		e.Failures++
		due = now.Add(time.Duration(e.Failures) * time.Minute)
		if e.Failures > attempts {
			why = "the function failed in every attempt"
		}
	}
	if why == "" && due.After(expires) {
		why = "it is too old to be tried again"
	}
	switch {
	case why == "":
		_, _, err = s.moveEvent(ctx, e, key, revision, due)
	default:
		if why != "done" {
			log.Warn("functions: an event was dropped", "reason", why, "failures", e.Failures, "accepted", e.Accepted)
		}
		_, err = s.store.Commit(ctx, new(store.Batch).DeleteIf(kindEvent, key, revision))
	}
	if err != nil && !lost(err) {
		log.Error("functions: file the outcome of an event; it will be carried out again", "error", err)
	}
}
