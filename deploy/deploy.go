package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"go.yaml.in/yaml/v3"
)

// Options say what to deploy and how.
type Options struct {
	Stack        string            // name
	Parameters   map[string]string // those left out keep the stack's values, or take their defaults
	Capabilities []string          // nil: CAPABILITY_IAM
	Tags         map[string]string // nil: those of the stack stay
	Bucket       string            // for artifacts; empty: one made for the purpose

	// Confirm is asked before anything of the stack is changed; nil: yes.
	Confirm func(ctx context.Context, p Plan) (bool, error)

	// Report is told of every Step, Plan and Event; nil: nobody is.
	Report func(any)
}

// A Deployment is one folder on its way to a stack.
type Deployment struct {
	Options
	folder *Folder
	region string

	endpoint string // of a node; empty: AWS
	local    bool
	ready    bool // the bucket is
	cfn      *cloudformation.Client
	s3       *s3.Client
	sts      *sts.Client
}

// New prepares a deployment with the clients of cfg. A BaseEndpoint in it is a node.
func New(f *Folder, cfg aws.Config, o Options) *Deployment {
	d := &Deployment{Options: o, folder: f, region: cfg.Region, endpoint: aws.ToString(cfg.BaseEndpoint)}
	d.local = d.endpoint != ""
	d.cfn, d.sts = cloudformation.NewFromConfig(cfg), sts.NewFromConfig(cfg)
	d.s3 = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = d.local })
	return d
}

func (d *Deployment) report(v any) {
	if d.Report != nil {
		d.Report(v)
	}
}

// A Plan is what will be done to the stack.
type Plan struct {
	Stack   string
	New     bool // the stack does not exist yet
	Changes []Change
}

// A Change is what will be done to one resource.
type Change struct {
	Action          string // Add, Modify, Remove, Replace; "Replace?" where that is known only later
	LogicalID, Type string
	Properties      []string // of Modify and Replace: those that change
}

// An Event is a step of a resource, or of the stack itself.
type Event struct {
	LogicalID, PhysicalID, Type, Status, Reason string
	Took                                        time.Duration // since the resource was begun with, where Status is its last
	At                                          time.Time
}

// Done reports whether it is the last event of its resource.
func (e Event) Done() bool { return !strings.HasSuffix(e.Status, "_IN_PROGRESS") }

// Failed reports whether the resource, or the stack, did not become what it was to be.
func (e Event) Failed() bool { return strings.HasSuffix(e.Status, "_FAILED") }

// An Outcome is a stack after its deployment.
type Outcome struct {
	Stack   string // ARN
	Changed bool   // false: there was nothing to do
	Outputs []Output
	Domains []string // custom domain names with mutual TLS that the stack has
	Took    time.Duration
}

// An Output is one of the stack's.
type Output struct{ Key, Value, Description string }

// ErrDeclined is what Run answers when Confirm said no. Nothing of the stack was changed.
var ErrDeclined = errors.New("not deployed")

// A FailedError tells why a deployment failed: the first cause, and where its resource
// stands in the template.
type FailedError struct {
	Stack, Status string
	Cause         Event
	Template      string
	Line          int // 0: not in the template's text
}

func (e *FailedError) Error() string {
	where := ""
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d: ", e.Template, e.Line)
	}
	if e.Cause.LogicalID == "" {
		return fmt.Sprintf("%sstack %s is %s: %s", where, e.Stack, e.Status, cmp.Or(e.Cause.Reason, "no reason was given"))
	}
	return fmt.Sprintf("%s%s (%s): %s\nstack %s is %s", where, e.Cause.LogicalID, e.Cause.Type, cmp.Or(e.Cause.Reason, e.Cause.Status), e.Stack, e.Status)
}

// Run deploys the folder, and returns when the stack has come to rest. What was uploaded stays where it is.
func (d *Deployment) Run(ctx context.Context) (*Outcome, error) {
	start := time.Now()
	if err := d.take(ctx, d.folder); err != nil {
		return nil, err
	}
	text, err := d.folder.rewritten(d.endpoint)
	if err != nil {
		return nil, err
	}
	stack, err := d.describe(ctx)
	if err != nil {
		return nil, err
	}
	set, plan, err := d.plan(ctx, stack, text)
	if err != nil {
		return nil, err
	}
	out := &Outcome{}
	if set != nil {
		d.report(plan)
		if err := d.confirm(ctx, plan, set); err != nil {
			return nil, err
		}
		if err := d.execute(ctx, set); err != nil {
			return nil, err
		}
		out.Changed = true
	}
	if stack, err = d.describe(ctx); err != nil {
		return nil, err
	}
	if stack == nil {
		return nil, fmt.Errorf("stack %s was deleted meanwhile", d.Stack)
	}
	out.Stack, out.Took = aws.ToString(stack.StackId), time.Since(start)
	for _, o := range stack.Outputs {
		out.Outputs = append(out.Outputs, Output{aws.ToString(o.OutputKey), aws.ToString(o.OutputValue), aws.ToString(o.Description)})
	}
	out.Domains, err = d.domains(ctx)
	return out, err
}

// describe reads the stack; nil if there is none.
func (d *Deployment) describe(ctx context.Context) (*types.Stack, error) {
	out, err := d.cfn.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &d.Stack})
	if err != nil {
		var coded smithy.APIError
		if errors.As(err, &coded) && coded.ErrorCode() == "ValidationError" && strings.Contains(coded.ErrorMessage(), "does not exist") {
			return nil, nil
		}
		return nil, err
	}
	return &out.Stacks[0], nil
}

// plan makes a change set; nil if there is nothing to change.
func (d *Deployment) plan(ctx context.Context, stack *types.Stack, text []byte) (*cloudformation.DescribeChangeSetOutput, Plan, error) {
	p := Plan{Stack: d.Stack, New: stack == nil || stack.StackStatus == types.StackStatusReviewInProgress}
	in := &cloudformation.CreateChangeSetInput{
		StackName: &d.Stack, ChangeSetName: aws.String(fmt.Sprintf("countersign-deploy-%d", time.Now().UnixMilli())), ChangeSetType: types.ChangeSetTypeUpdate,
		Description: aws.String("made by countersign deploy"), Parameters: d.arguments(stack),
	}
	if p.New {
		in.ChangeSetType = types.ChangeSetTypeCreate
	}
	if stack != nil && stack.StackStatus == types.StackStatusRollbackComplete {
		return nil, p, fmt.Errorf("stack %s was rolled back when it was created and can only be deleted: run 'countersign delete %s', then deploy again", d.Stack, d.Stack)
	}
	for _, c := range d.Capabilities {
		in.Capabilities = append(in.Capabilities, types.Capability(c))
	}
	if d.Capabilities == nil {
		in.Capabilities = []types.Capability{types.CapabilityCapabilityIam}
	}
	for _, k := range slices.Sorted(maps.Keys(d.Tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(k), Value: aws.String(d.Tags[k])})
	}
	if len(text) <= 51_200 {
		in.TemplateBody = aws.String(string(text))
	} else {
		at, _, err := d.put(ctx, text, ".template")
		if err != nil {
			return nil, p, fmt.Errorf("upload the template: %w", err)
		}
		in.TemplateURL = aws.String(at.url(d.endpoint))
	}
	start := time.Now()
	made, err := d.cfn.CreateChangeSet(ctx, in)
	if err != nil {
		return nil, p, err
	}
	set, err := d.awaitChangeSet(ctx, made.Id)
	if err != nil {
		return nil, p, err
	}
	d.report(Step{Name: "change set", Detail: aws.ToString(set.ChangeSetName), Took: time.Since(start)})
	if set.Status == types.ChangeSetStatusFailed {
		reason := aws.ToString(set.StatusReason)
		_, _ = d.cfn.DeleteChangeSet(context.WithoutCancel(ctx), &cloudformation.DeleteChangeSetInput{ChangeSetName: made.Id})
		if strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed") {
			return nil, p, nil
		}
		d.abandon(ctx, p)
		return nil, p, fmt.Errorf("%s: %s", d.folder.Template, reason)
	}
	p.Changes = changes(set)
	return set, p, nil
}

// awaitChangeSet waits until a change set is worked out, with all its pages.
func (d *Deployment) awaitChangeSet(ctx context.Context, id *string) (*cloudformation.DescribeChangeSetOutput, error) {
	for wait := d.pace(); ; {
		set, err := d.cfn.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: id})
		if err != nil {
			return nil, err
		}
		if set.Status != types.ChangeSetStatusCreatePending && set.Status != types.ChangeSetStatusCreateInProgress {
			for token := set.NextToken; token != nil; {
				more, err := d.cfn.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: id, NextToken: token})
				if err != nil {
					return nil, err
				}
				set.Changes = append(set.Changes, more.Changes...)
				token = more.NextToken
			}
			return set, nil
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// pace is how often to look: a node is near and has no quota of calls.
func (d *Deployment) pace() time.Duration {
	if d.local {
		return 50 * time.Millisecond
	}
	return 2 * time.Second
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// arguments are the parameters of the call. What is not given keeps the stack's value.
func (d *Deployment) arguments(stack *types.Stack) []types.Parameter {
	var out []types.Parameter
	before := map[string]bool{}
	if stack != nil {
		for _, p := range stack.Parameters {
			before[aws.ToString(p.ParameterKey)] = true
		}
	}
	declared := map[string]bool{}
	for _, p := range d.folder.Parameters() {
		declared[p.Name] = true
		if v, given := d.Parameters[p.Name]; given {
			out = append(out, types.Parameter{ParameterKey: aws.String(p.Name), ParameterValue: aws.String(v)})
		} else if before[p.Name] {
			out = append(out, types.Parameter{ParameterKey: aws.String(p.Name), UsePreviousValue: aws.Bool(true)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Parameters)) {
		if !declared[name] { // CloudFormation says what is wrong with it
			out = append(out, types.Parameter{ParameterKey: aws.String(name), ParameterValue: aws.String(d.Parameters[name])})
		}
	}
	return out
}

func changes(set *cloudformation.DescribeChangeSetOutput) []Change {
	var out []Change
	for _, c := range set.Changes {
		r := c.ResourceChange
		if r == nil {
			continue
		}
		change := Change{Action: string(r.Action), LogicalID: aws.ToString(r.LogicalResourceId), Type: aws.ToString(r.ResourceType)}
		switch r.Replacement {
		case types.ReplacementTrue:
			change.Action = "Replace"
		case types.ReplacementConditional:
			change.Action = "Replace?"
		}
		for _, detail := range r.Details {
			if detail.Target == nil {
				continue
			}
			name := cmp.Or(aws.ToString(detail.Target.Name), string(detail.Target.Attribute))
			if !slices.Contains(change.Properties, name) {
				change.Properties = append(change.Properties, name)
			}
		}
		out = append(out, change)
	}
	return out
}

// confirm asks; a change set that is declined is dropped.
func (d *Deployment) confirm(ctx context.Context, p Plan, set *cloudformation.DescribeChangeSetOutput) error {
	if d.Confirm == nil {
		return nil
	}
	yes, err := d.Confirm(ctx, p)
	if err == nil && yes {
		return nil
	}
	_, _ = d.cfn.DeleteChangeSet(context.WithoutCancel(ctx), &cloudformation.DeleteChangeSetInput{ChangeSetName: set.ChangeSetId})
	d.abandon(ctx, p)
	if err != nil {
		return err
	}
	return ErrDeclined
}

// abandon removes a stack that exists for its change set only.
func (d *Deployment) abandon(ctx context.Context, p Plan) {
	if p.New {
		_, _ = d.cfn.DeleteStack(context.WithoutCancel(ctx), &cloudformation.DeleteStackInput{StackName: &d.Stack})
	}
}

// execute carries out a change set and follows it to the end.
func (d *Deployment) execute(ctx context.Context, set *cloudformation.DescribeChangeSetOutput) error {
	last, err := d.newest(ctx, set.StackId)
	if err != nil {
		return err
	}
	return d.begin(ctx, aws.ToString(set.StackId), last, func(ctx context.Context) error {
		_, err := d.cfn.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: set.ChangeSetId})
		return err
	}, "CREATE_COMPLETE", "UPDATE_COMPLETE")
}

// begin begins an operation and follows it at the same time: a node answers the call only when a short one is over.
func (d *Deployment) begin(ctx context.Context, stack, after string, call func(context.Context) error, good ...string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	called := make(chan error, 1)
	go func() {
		err := call(ctx)
		if err != nil {
			cancel(err)
		}
		called <- err
	}()
	err := d.follow(ctx, stack, after, good...)
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			return cause
		}
	}
	if err == nil {
		err = <-called
	}
	return err
}

// newest is the id of the stack's newest event.
func (d *Deployment) newest(ctx context.Context, stack *string) (string, error) {
	out, err := d.cfn.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: stack})
	if err != nil {
		return "", err
	}
	if len(out.StackEvents) == 0 {
		return "", nil
	}
	return aws.ToString(out.StackEvents[0].EventId), nil
}

// follow reports events after the one named until the stack rests. It fails unless that is in one of the good states.
func (d *Deployment) follow(ctx context.Context, stack, after string, good ...string) error {
	begun := map[string]time.Time{}
	var cause Event
	for {
		events, err := d.since(ctx, stack, after)
		if err != nil {
			return err
		}
		for _, e := range events {
			after = aws.ToString(e.EventId)
			shown := Event{
				LogicalID: aws.ToString(e.LogicalResourceId), PhysicalID: aws.ToString(e.PhysicalResourceId), Type: aws.ToString(e.ResourceType),
				Status: string(e.ResourceStatus), Reason: aws.ToString(e.ResourceStatusReason), At: aws.ToTime(e.Timestamp),
			}
			key := shown.LogicalID
			if at, running := begun[key]; !running && !shown.Done() {
				begun[key] = shown.At
			} else if running && shown.Done() {
				shown.Took = shown.At.Sub(at)
				delete(begun, key)
			}
			if shown.Failed() && cause.LogicalID == "" && shown.PhysicalID != stack && !strings.Contains(shown.Reason, "cancelled") {
				cause = shown
			}
			d.report(shown)
			if shown.PhysicalID == stack && shown.Done() && !strings.HasSuffix(shown.Status, "_CLEANUP_IN_PROGRESS") {
				if slices.Contains(good, shown.Status) {
					return nil
				}
				if cause.LogicalID == "" {
					cause.Reason = shown.Reason
				}
				return &FailedError{Stack: d.Stack, Status: shown.Status, Cause: cause, Template: d.template(), Line: d.line(cause.LogicalID)}
			}
		}
		if err := sleep(ctx, d.pace()); err != nil {
			return fmt.Errorf("%w; the stack goes on without us: 'aws cloudformation describe-stack-events --stack-name %s' tells", err, d.Stack)
		}
	}
}

func (d *Deployment) template() string {
	if d.folder == nil {
		return ""
	}
	return d.folder.Template
}

func (d *Deployment) line(id string) int {
	if d.folder == nil || id == "" {
		return 0
	}
	return d.folder.Line(id)
}

// since lists the events after the one named, the oldest first.
func (d *Deployment) since(ctx context.Context, stack, after string) ([]types.StackEvent, error) {
	var out []types.StackEvent
	in := &cloudformation.DescribeStackEventsInput{StackName: &stack}
	for {
		page, err := d.cfn.DescribeStackEvents(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, e := range page.StackEvents {
			if aws.ToString(e.EventId) == after {
				slices.Reverse(out)
				return out, nil
			}
			out = append(out, e)
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			slices.Reverse(out)
			return out, nil
		}
	}
}

// domains are the stack's custom domain names with mutual TLS.
func (d *Deployment) domains(ctx context.Context) ([]string, error) {
	var out []string
	var root *yaml.Node // of the processed template, read when it is needed
	in := &cloudformation.ListStackResourcesInput{StackName: &d.Stack}
	for {
		page, err := d.cfn.ListStackResources(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, r := range page.StackResourceSummaries {
			kind := aws.ToString(r.ResourceType)
			if kind != "AWS::ApiGatewayV2::DomainName" && kind != "AWS::ApiGateway::DomainName" {
				continue
			}
			if root == nil {
				if root, err = d.processed(ctx); err != nil {
					return nil, err
				}
			}
			if child(root, "Resources", aws.ToString(r.LogicalResourceId), "Properties", "MutualTlsAuthentication") != nil {
				out = append(out, aws.ToString(r.PhysicalResourceId))
			}
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return out, nil
		}
	}
}

// processed is the stack's template as transforms made it.
func (d *Deployment) processed(ctx context.Context) (*yaml.Node, error) {
	out, err := d.cfn.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &d.Stack, TemplateStage: types.TemplateStageProcessed})
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(aws.ToString(out.TemplateBody)), &doc); err != nil || len(doc.Content) != 1 {
		return nil, fmt.Errorf("the processed template of %s cannot be read: %w", d.Stack, err)
	}
	return doc.Content[0], nil
}

// Delete deletes a stack and returns when it is gone. That there is none is a success: gone is false then.
func Delete(ctx context.Context, cfg aws.Config, stack string, retain []string, report func(any)) (gone bool, err error) {
	d := New(nil, cfg, Options{Stack: stack, Report: report})
	have, err := d.describe(ctx)
	if err != nil || have == nil {
		return false, err
	}
	last, err := d.newest(ctx, have.StackId)
	if err != nil {
		return false, err
	}
	return true, d.begin(ctx, aws.ToString(have.StackId), last, func(ctx context.Context) error {
		_, err := d.cfn.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: have.StackId, RetainResources: retain})
		return err
	}, "DELETE_COMPLETE")
}
