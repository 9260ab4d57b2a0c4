package objects

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/uuid"
)

const (
	maxRules  = 1000
	maxRuleID = 255 // characters
)

// lifecycle is the stored form of a lifecycle configuration. ExpireObjects
// carries it out.
type lifecycle struct {
	Rules []lifecycleRule
	// MinimumSize is shown as it was given: it is about transitions, and there are none.
	MinimumSize string `json:",omitempty"`
}

// A lifecycleRule says what goes, and when. Days are counted as S3 does; see due.
type lifecycleRule struct {
	ID      string
	Enabled bool

	// What it is for. Plain says that the prefix was given beside the rule's Filter, as was usual once.
	Plain        bool   `json:",omitempty"`
	Prefix       string `json:",omitempty"`
	Tags         []tag  `json:",omitempty"`
	Above, Below *int64 `json:",omitempty"` // size in bytes, exclusive

	Days    int32     `json:",omitempty"` // current versions, after so many days
	Date    time.Time `json:",omitzero"`  // or from that midnight on
	Markers *bool     `json:",omitempty"` // delete markers with nothing behind them

	NoncurrentDays  int32 `json:",omitempty"` // since it was no longer current
	NewerNoncurrent int32 `json:",omitempty"` // as many of those that are noncurrent stay

	AbortDays int32 `json:",omitempty"` // multipart uploads, after they were begun
}

// PutBucketLifecycleConfiguration sets the rules by which objects and multipart
// uploads go. They are carried out at the next midnight UTC, and each one after.
func (s *Service) PutBucketLifecycleConfiguration(ctx context.Context, in *s3.PutBucketLifecycleConfigurationInput) (*s3.PutBucketLifecycleConfigurationOutput, error) {
	c := in.LifecycleConfiguration
	if c == nil || len(c.Rules) == 0 || len(c.Rules) > maxRules {
		return nil, malformedXML()
	}
	l := &lifecycle{MinimumSize: string(cmp.Or(in.TransitionDefaultMinimumObjectSize, types.TransitionDefaultMinimumObjectSizeAllStorageClasses128k))}
	seen := map[string]bool{}
	for _, r := range c.Rules {
		rule, err := s.readRule(r)
		if err != nil {
			return nil, err
		}
		if seen[rule.ID] {
			return nil, invalidArgument("Rule ID must be unique. Found same ID for more than one rule", "ID", rule.ID)
		}
		seen[rule.ID] = true
		l.Rules = append(l.Rules, rule)
	}
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		bk.Lifecycle = l
		return nil
	})
	return &s3.PutBucketLifecycleConfigurationOutput{TransitionDefaultMinimumObjectSize: types.TransitionDefaultMinimumObjectSize(l.MinimumSize)}, err
}

// readRule checks one rule.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
func (s *Service) readRule(in types.LifecycleRule) (lifecycleRule, error) {
	r := lifecycleRule{ID: aws.ToString(in.ID)}
	switch in.Status {
	case types.ExpirationStatusEnabled:
		r.Enabled = true
	case types.ExpirationStatusDisabled:
	default:
		return r, malformedXML()
	}
	if utf8.RuneCountInString(r.ID) > maxRuleID {
		return r, invalidArgument("ID length should not exceed allowed limit of 255", "ID", r.ID)
	}
	if r.ID == "" {
		id, err := uuid.NewRandomFromReader(s.rand)
		if err != nil {
			return r, fmt.Errorf("draw an id: %w", err)
		}
		r.ID = id.String()
	}
	if len(in.Transitions) > 0 || len(in.NoncurrentVersionTransitions) > 0 {
		return r, notBuilt("Transition", "Transitions to other storage classes are not built in this version of Countersign.")
	}
	if err := r.readFilter(in); err != nil {
		return r, err
	}
	if err := r.readActions(in); err != nil {
		return r, err
	}
	return r, nil
}

func (r *lifecycleRule) readFilter(in types.LifecycleRule) error {
	plain := plainPrefix(&in)
	if (*plain == nil) == (in.Filter == nil) {
		return malformedXML()
	}
	if *plain != nil {
		r.Plain, r.Prefix = true, **plain
		return nil
	}
	f, given := *in.Filter, 0
	for _, is := range []bool{f.Prefix != nil, f.Tag != nil, f.ObjectSizeGreaterThan != nil, f.ObjectSizeLessThan != nil, f.And != nil} {
		if is {
			given++
		}
	}
	if given > 1 {
		return malformedXML()
	}
	var tags []types.Tag
	if f.Tag != nil {
		tags = []types.Tag{*f.Tag}
	}
	r.Prefix, r.Above, r.Below = aws.ToString(f.Prefix), f.ObjectSizeGreaterThan, f.ObjectSizeLessThan
	if a := f.And; a != nil {
		tags, r.Prefix, r.Above, r.Below = a.Tags, aws.ToString(a.Prefix), a.ObjectSizeGreaterThan, a.ObjectSizeLessThan
	}
	if r.Above != nil && (*r.Above < 0 || r.Below != nil && *r.Above >= *r.Below) || r.Below != nil && *r.Below < 1 {
		return invalidRequest("'ObjectSizeGreaterThan' and 'ObjectSizeLessThan' must be positive, and the first less than the second")
	}
	var err error
	r.Tags, err = readTags(tags, maxObjectTags, nil)
	return err
}

// plainPrefix is where rules without a Filter have their prefix. S3 goes on
// taking such rules, though Filter has replaced them.
func plainPrefix(r *types.LifecycleRule) **string {
	return &r.Prefix //lint:ignore SA1019 clients send it
}

func (r *lifecycleRule) readActions(in types.LifecycleRule) error {
	positive := func(days *int32, member, action string) (int32, error) {
		if days == nil || *days <= 0 {
			return 0, invalidArgument("'"+member+"' for "+action+" action must be a positive integer", member, decimal(int64(aws.ToInt32(days))))
		}
		return *days, nil
	}
	var err error
	actions := 0
	if e := in.Expiration; e != nil {
		actions++
		switch {
		case e.Date != nil && (e.Days != nil || e.ExpiredObjectDeleteMarker != nil), e.Days != nil && e.ExpiredObjectDeleteMarker != nil:
			return malformedXML()
		case e.Date != nil:
			if r.Date = e.Date.UTC(); !r.Date.Equal(r.Date.Truncate(24 * time.Hour)) {
				return invalidArgument("'Date' must be at midnight GMT", "Date", r.Date.Format(time.RFC3339))
			}
		case e.Days != nil:
			if r.Days, err = positive(e.Days, "Days", "Expiration"); err != nil {
				return err
			}
		case e.ExpiredObjectDeleteMarker != nil:
			r.Markers = e.ExpiredObjectDeleteMarker
		default:
			return malformedXML()
		}
	}
	if n := in.NoncurrentVersionExpiration; n != nil {
		actions++
		if r.NoncurrentDays, err = positive(n.NoncurrentDays, "NoncurrentDays", "NoncurrentVersionExpiration"); err != nil {
			return err
		}
		if n.NewerNoncurrentVersions != nil {
			if r.NewerNoncurrent = *n.NewerNoncurrentVersions; r.NewerNoncurrent < 1 || r.NewerNoncurrent > 100 {
				return invalidArgument("'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be between 1 and 100", "NewerNoncurrentVersions", decimal(int64(r.NewerNoncurrent)))
			}
		}
	}
	if a := in.AbortIncompleteMultipartUpload; a != nil {
		actions++
		if r.AbortDays, err = positive(a.DaysAfterInitiation, "DaysAfterInitiation", "AbortIncompleteMultipartUpload"); err != nil {
			return err
		}
	}
	selective := len(r.Tags) > 0 || r.Above != nil || r.Below != nil
	switch {
	case actions == 0:
		return invalidRequest("At least one action needs to be specified in a rule")
	case selective && r.AbortDays > 0:
		return invalidRequest("AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.")
	case selective && r.Markers != nil:
		return invalidRequest("ExpiredObjectDeleteMarker cannot be specified with Tags or object sizes.")
	}
	return nil
}

// GetBucketLifecycleConfiguration shows the rules, or answers NoSuchLifecycleConfiguration.
func (s *Service) GetBucketLifecycleConfiguration(ctx context.Context, in *s3.GetBucketLifecycleConfigurationInput) (*s3.GetBucketLifecycleConfigurationOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if bk.Lifecycle == nil {
		return nil, refuse(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist").field("BucketName", bk.Name)
	}
	out := &s3.GetBucketLifecycleConfigurationOutput{TransitionDefaultMinimumObjectSize: types.TransitionDefaultMinimumObjectSize(bk.Lifecycle.MinimumSize)}
	for _, r := range bk.Lifecycle.Rules {
		out.Rules = append(out.Rules, r.show())
	}
	return out, nil
}

func (r *lifecycleRule) show() types.LifecycleRule {
	out := types.LifecycleRule{ID: &r.ID, Status: types.ExpirationStatusDisabled}
	if r.Enabled {
		out.Status = types.ExpirationStatusEnabled
	}
	tags := showTags(r.Tags)
	switch {
	case r.Plain:
		*plainPrefix(&out) = &r.Prefix
	case len(tags) == 0 && r.Above == nil && r.Below == nil:
		out.Filter = &types.LifecycleRuleFilter{Prefix: &r.Prefix}
	case len(tags) == 1 && r.Prefix == "" && r.Above == nil && r.Below == nil:
		out.Filter = &types.LifecycleRuleFilter{Tag: &tags[0]}
	case len(tags) == 0 && r.Prefix == "" && (r.Above == nil || r.Below == nil):
		out.Filter = &types.LifecycleRuleFilter{ObjectSizeGreaterThan: r.Above, ObjectSizeLessThan: r.Below}
	default:
		out.Filter = &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: text(r.Prefix), Tags: tags, ObjectSizeGreaterThan: r.Above, ObjectSizeLessThan: r.Below}}
	}
	switch {
	case r.Days > 0:
		out.Expiration = &types.LifecycleExpiration{Days: &r.Days}
	case !r.Date.IsZero():
		out.Expiration = &types.LifecycleExpiration{Date: &r.Date}
	case r.Markers != nil:
		out.Expiration = &types.LifecycleExpiration{ExpiredObjectDeleteMarker: r.Markers}
	}
	if r.NoncurrentDays > 0 {
		out.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{NoncurrentDays: &r.NoncurrentDays}
		if r.NewerNoncurrent > 0 {
			out.NoncurrentVersionExpiration.NewerNoncurrentVersions = &r.NewerNoncurrent
		}
	}
	if r.AbortDays > 0 {
		out.AbortIncompleteMultipartUpload = &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: &r.AbortDays}
	}
	return out
}

// DeleteBucketLifecycle takes the rules away; there may be none.
func (s *Service) DeleteBucketLifecycle(ctx context.Context, in *s3.DeleteBucketLifecycleInput) (*s3.DeleteBucketLifecycleOutput, error) {
	err := s.configure(ctx, in.Bucket, in.ExpectedBucketOwner, func(bk *bucket) error {
		bk.Lifecycle = nil
		return nil
	})
	return &s3.DeleteBucketLifecycleOutput{}, err
}

// covers reports whether the rule is for a version, or with its key alone for an upload.
func (r *lifecycleRule) covers(v *version) bool {
	if !r.Enabled || !strings.HasPrefix(v.Key, r.Prefix) || r.Above != nil && v.Size <= *r.Above || r.Below != nil && v.Size >= *r.Below {
		return false
	}
	for _, t := range r.Tags {
		if !slices.Contains(v.Tags, t) {
			return false
		}
	}
	return true
}

// due is when something that happened at t is so many days old: at the midnight
// UTC that follows, as S3 counts.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html#non-current-days-calculations
func due(t time.Time, days int32) time.Time {
	return t.UTC().AddDate(0, 0, int(days)).Truncate(24 * time.Hour).Add(24 * time.Hour)
}
