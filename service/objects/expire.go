package objects

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// servicePrincipal is who deletes what lifecycle rules say.
const servicePrincipal = "s3.amazonaws.com"

// ExpireObjects carries out the lifecycle rules of all buckets: it deletes and
// hides objects, removes old versions and delete markers, and ends multipart uploads. It is the body of a job: run it at
// start and when next has come, which is the midnight that follows. A bucket that cannot be worked on keeps no
// other one waiting; the error names them all.
func (s *Service) ExpireObjects(ctx context.Context) (next time.Time, err error) {
	now := s.now().UTC()
	next = now.Truncate(24 * time.Hour).Add(24 * time.Hour)
	buckets, err := s.store.List(ctx, kindBucket, "", "", 0)
	if err != nil {
		return next, fmt.Errorf("list buckets: %w", err)
	}
	var failed []error
	for _, r := range buckets {
		bk, err := decode[bucket](r)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if bk.Lifecycle == nil {
			continue
		}
		of := call.With(ctx, call.Call{Account: bk.Account, Region: bk.Region, Service: "s3", Signing: call.Internal,
			Principal: call.Principal{Account: bk.Account, Service: servicePrincipal}})
		e := expiry{Service: s, name: bk.Name, rules: bk.Lifecycle, now: now}
		if err := errors.Join(e.versions(of), e.uploads(of)); err != nil && !errors.Is(err, errRulesChanged) {
			failed = append(failed, fmt.Errorf("expire objects of bucket %s: %w", bk.Name, err))
		}
		if ctx.Err() != nil {
			return next, ctx.Err()
		}
	}
	return next, errors.Join(failed...)
}

// errRulesChanged ends the work on a bucket whose rules, or which itself, is no
// longer what it was: the next run sees what is right then.
var errRulesChanged = errors.New("the lifecycle rules were changed meanwhile")

// An expiry is one run for one bucket.
type expiry struct {
	*Service
	name  string
	rules *lifecycle
	now   time.Time
}

// A step is a version on its way through versions.
type step struct {
	version    *version
	newer      *version // of the same key; nil: version is current
	noncurrent int      // how many noncurrent ones are newer
	oldest     bool
}

// versions walks through all versions, key by key and the newest first.
func (e *expiry) versions(ctx context.Context) error {
	var waiting *step // until it is known whether an older one follows
	after := ""
	for {
		records, err := e.store.List(ctx, kindVersion, keyPrefix(e.name), after, scanPage)
		if err != nil {
			return err
		}
		for _, r := range records {
			after = r.Key
			v, err := decode[version](r)
			if err != nil {
				return err
			}
			next := &step{version: v}
			if waiting != nil && waiting.version.Key == v.Key {
				next.newer = waiting.version
				if waiting.newer != nil {
					next.noncurrent = waiting.noncurrent + 1
				}
			} else if waiting != nil {
				waiting.oldest = true
			}
			if err := e.judge(ctx, waiting); err != nil {
				return err
			}
			waiting = next
		}
		if len(records) < scanPage {
			break
		}
	}
	if waiting != nil {
		waiting.oldest = true
	}
	return e.judge(ctx, waiting)
}

// judge removes a version if a rule says so.
func (e *expiry) judge(ctx context.Context, at *step) error {
	if at == nil {
		return nil
	}
	for i := range e.rules.Rules {
		if r := &e.rules.Rules[i]; r.covers(at.version) && r.expires(at, e.now) {
			return e.removeStep(ctx, at)
		}
	}
	return nil
}

func (r *lifecycleRule) expires(at *step, now time.Time) bool {
	old := r.Days > 0 && !now.Before(due(at.version.Modified, r.Days)) || !r.Date.IsZero() && !now.Before(r.Date)
	switch {
	case at.newer != nil:
		return r.NoncurrentDays > 0 && !now.Before(due(at.newer.Modified, r.NoncurrentDays)) && at.noncurrent >= int(r.NewerNoncurrent)
	case at.version.Marker: // one that hides something stays
		return at.oldest && (aws.ToBool(r.Markers) || r.Days > 0 && old)
	}
	return old
}

// removeStep removes a version for good, or hides a current one where the
// bucket has versioning, if it still is what it was.
func (e *expiry) removeStep(ctx context.Context, at *step) error {
	v := at.version
	return e.commit(ctx, headKey(e.name, v.Key), func(b *store.Batch) error {
		bk, err := e.unchanged(ctx)
		if err != nil {
			return err
		}
		h, err := e.head(ctx, bk.Name, v.Key)
		if err != nil {
			return err
		}
		if h == nil || (h.Current.Sequence == v.Sequence) != (at.newer == nil) || v.ID == nullID && h.Null != v.Sequence {
			return nil // somebody was faster
		}
		if at.newer == nil && !v.Marker {
			_, err = e.removeKey(ctx, b, bk, h, v.Key)
			return err
		}
		_, err = e.removeVersion(ctx, b, bk, h, v.Key, v.ID)
		return err
	})
}

// unchanged reads the bucket again.
func (e *expiry) unchanged(ctx context.Context) (*bucket, error) {
	bk, err := e.bucket(ctx, &e.name, nil)
	var gone *refusal
	if errors.As(err, &gone) {
		return nil, errRulesChanged
	}
	if err == nil && !reflect.DeepEqual(bk.Lifecycle, e.rules) {
		return nil, errRulesChanged
	}
	return bk, err
}

// uploads ends multipart uploads that have taken too long.
func (e *expiry) uploads(ctx context.Context) error {
	after := ""
	for {
		records, err := e.store.List(ctx, kindUpload, keyPrefix(e.name), after, scanPage)
		if err != nil {
			return err
		}
		for _, r := range records {
			after = r.Key
			u, err := readUpload(r)
			if err != nil {
				return err
			}
			if err := e.judgeUpload(ctx, u); err != nil {
				return err
			}
		}
		if len(records) < scanPage {
			return nil
		}
	}
}

func (e *expiry) judgeUpload(ctx context.Context, u *upload) error {
	for i := range e.rules.Rules {
		r := &e.rules.Rules[i]
		if r.AbortDays == 0 || !r.covers(&version{Key: u.Template.Key}) || e.now.Before(due(u.Initiated, r.AbortDays)) {
			continue
		}
		return e.commit(ctx, u.ID, func(b *store.Batch) error {
			bk, err := e.unchanged(ctx)
			if err != nil {
				return err
			}
			now, err := e.upload(ctx, bk, u.Template.Key, u.ID)
			var gone *refusal
			if errors.As(err, &gone) {
				return nil // completed or aborted meanwhile
			}
			if err != nil {
				return err
			}
			return e.dropUpload(ctx, b, now, nil)
		})
	}
	return nil
}
