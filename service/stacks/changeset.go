package stacks

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"countersign/arn"
	"countersign/call"
	"countersign/service/stacks/template"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Reasons that clients read to tell an empty change set from a failed one.
const (
	noChanges = "The submitted information didn't contain changes. Submit different information to create a change set."
	noUpdates = "No updates are to be performed."
)

var (
	stackName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]{0,127}$`)
	// settledStates are those that an update may begin in.
	settledStates = []string{"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED", "CREATE_FAILED"}
)

const review = "REVIEW_IN_PROGRESS"

// CreateChangeSet works out what would change, and keeps it. The answer comes when that is done, whatever
// the status of the change set is then. With type CREATE a stack that does not exist is made, in review.
func (s *Service) CreateChangeSet(ctx context.Context, in *cloudformation.CreateChangeSetInput) (*cloudformation.CreateChangeSetOutput, error) {
	if err := unsupported(in.NotificationARNs, in.RollbackConfiguration, in.ResourceTypes); err != nil {
		return nil, err
	}
	switch {
	// ImportExistingResources, which the CDK sends, changes nothing where the resources do not exist; where
	// one does, its creation fails and says so.
	case len(in.ResourcesToImport) > 0 || in.ChangeSetType == types.ChangeSetTypeImport:
		return nil, notBuilt("importing resources")
	case in.DeploymentMode != "":
		return nil, notBuilt("DeploymentMode " + string(in.DeploymentMode))
	}
	name, kind := aws.ToString(in.ChangeSetName), in.ChangeSetType
	if !stackName.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'changeSetName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	}
	if kind == "" {
		kind = types.ChangeSetTypeUpdate
	}
	w := wish{
		body: in.TemplateBody, url: in.TemplateURL, previous: aws.ToBool(in.UsePreviousTemplate), parameters: in.Parameters, tags: in.Tags,
		keepTags: in.Tags == nil && kind == types.ChangeSetTypeUpdate, capabilities: in.Capabilities, roleARN: in.RoleARN,
	}
	k, fresh, err := s.forChangeSet(ctx, aws.ToString(in.StackName), name, kind)
	if err != nil {
		return nil, err
	}
	c := &changeSet{
		Name: name, Type: string(kind), Stack: k.ID, Created: s.Now().UTC(), Description: aws.ToString(in.Description), Base: k.Target,
		Status: "CREATE_COMPLETE", Execution: "AVAILABLE", OnFailure: string(in.OnStackFailure), IncludeNested: aws.ToBool(in.IncludeNestedStacks), ClientToken: aws.ToString(in.ClientToken),
	}
	if c.ID, err = s.newID(); err != nil {
		return nil, err
	}
	b := new(store.Batch)
	p, err := s.prepare(ctx, k, w)
	if err == nil {
		c.Parameters, c.Target = p.shown, p.target.ID
		err = s.foreseeInto(ctx, c, k, p)
	}
	var transform *transformError
	switch {
	case errors.As(err, &transform), p != nil && isInvalid(err):
		c.Status, c.Execution, c.Reason = "FAILED", "UNAVAILABLE", message(err)
	case err != nil:
		return nil, err
	}
	if p != nil {
		if err := s.putTarget(b, k.ID, p.target); err != nil {
			return nil, err
		}
	}
	return s.keepChangeSet(ctx, b, k, c, fresh)
}

// foreseeInto fills in what the change set changes.
func (s *Service) foreseeInto(ctx context.Context, c *changeSet, k *stack, p *prepared) error {
	records, err := s.resources(ctx, k.ID)
	if err != nil {
		return err
	}
	if c.Changes, err = s.foresee(ctx, k, p, records); err != nil {
		return err
	}
	same, err := s.unchanged(ctx, k, p, c.Changes, records)
	if err != nil {
		return err
	}
	if same {
		c.Status, c.Execution, c.Reason = "FAILED", "UNAVAILABLE", noChanges
	}
	return nil
}

// unchanged reports whether nothing at all would be different: neither resources nor outputs nor tags.
func (s *Service) unchanged(ctx context.Context, k *stack, p *prepared, changes []resourceChange, records map[string]*resourceRecord) (bool, error) {
	if k.Target == "" || len(changes) > 0 || !slices.Equal(k.Tags, p.target.Tags) || k.Description != p.template.Description || k.RoleARN != p.target.RoleARN {
		return false, nil
	}
	for _, rec := range records {
		if rec.Before != nil || rec.Fresh || rec.Change != nil {
			return false, nil // a failed update was left as it was
		}
	}
	f := &foresight{s: s, ctx: ctx, k: k, p: p, records: records, unknown: map[string]bool{}, loose: map[string]bool{}}
	outputs, err := p.bound.Outputs(ctx, f, template.KeepDynamic)
	if err != nil {
		return false, templateError(err)
	}
	if len(outputs) != len(k.Outputs) {
		return false, nil
	}
	for i, o := range outputs {
		if have := k.Outputs[i]; have != shownOutput(o) {
			return false, nil
		}
	}
	return true, nil
}

// isInvalid reports whether an error is one about the template or its properties.
func isInvalid(err error) bool {
	var coded interface{ ErrorCode() string }
	return errors.As(err, &coded) && coded.ErrorCode() == "ValidationError"
}

func unsupported(topics []string, rollback *types.RollbackConfiguration, resourceTypes []string) error {
	switch {
	case len(topics) > 0:
		return notBuilt("NotificationARNs")
	case rollback != nil && (len(rollback.RollbackTriggers) > 0 || aws.ToInt32(rollback.MonitoringTimeInMinutes) > 0):
		return notBuilt("RollbackConfiguration")
	case len(resourceTypes) > 0:
		return notBuilt("ResourceTypes")
	}
	return nil
}

// forChangeSet finds the stack of a new change set, or makes one up.
func (s *Service) forChangeSet(ctx context.Context, name, set string, kind types.ChangeSetType) (k *stack, fresh bool, err error) {
	k, _, err = s.find(ctx, name, false)
	exists := err == nil
	if err != nil && !isInvalid(err) {
		return nil, false, err
	}
	switch {
	case kind == types.ChangeSetTypeCreate && !exists:
		if strings.HasPrefix(name, "arn:") {
			return nil, false, err
		}
		k, err = s.newStack(ctx, name)
		if err != nil {
			return nil, false, err
		}
		k.Status, k.Reason = review, "User Initiated"
		return k, true, nil
	case kind == types.ChangeSetTypeCreate && k.Status != review:
		return nil, false, &types.AlreadyExistsException{Message: aws.String(fmt.Sprintf("Stack [%s] already exists and cannot be created again with the changeSet [%s].", k.Name, set))}
	case !exists:
		return nil, false, err
	case kind == types.ChangeSetTypeUpdate && !slices.Contains(settledStates, k.Status):
		return nil, false, cannotUpdate(k.arn(), k.Status)
	}
	return k, false, nil
}

// newStack is a stack that is on record nowhere yet.
func (s *Service) newStack(ctx context.Context, name string) (*stack, error) {
	if !stackName.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	c := call.From(ctx)
	return &stack{ID: id, Account: c.Account, Region: c.Region, Name: name, Created: s.Now().UTC()}, nil
}

// create adds a stack that is new to a batch.
func (s *Service) create(b *store.Batch, k *stack, op *operation) error {
	b.Create(kindName, k.nameKey(), []byte(k.ID))
	b.Create(kindStack, k.key(), encode(k))
	return s.stackEvent(b, k, op, "User Initiated")
}

// keepChangeSet writes a change set, and its stack when that is new. One of the same name that was executed makes way.
func (s *Service) keepChangeSet(ctx context.Context, b *store.Batch, k *stack, c *changeSet, fresh bool) (*cloudformation.CreateChangeSetOutput, error) {
	key := changeSetKey(k, c.Name)
	have, revision, err := load[changeSet](ctx, s, kindChangeSet, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		revision = 0
	case err != nil:
		return nil, err
	case have.Execution == "EXECUTE_COMPLETE":
	case c.ClientToken != "" && have.ClientToken == c.ClientToken: // the same call again, as after an answer that was lost
		return &cloudformation.CreateChangeSetOutput{Id: aws.String(have.arn(k)), StackId: aws.String(k.arn())}, nil
	default:
		return nil, changeSetExists(c.Name)
	}
	b.Replace(kindChangeSet, key, encode(c), revision)
	if fresh {
		k.ChangeSet = c.arn(k)
		if err := s.create(b, k, nil); err != nil {
			return nil, err
		}
	} else {
		r, err := s.Store.Get(ctx, kindName, k.nameKey())
		if errors.Is(err, store.ErrNotFound) || err == nil && string(r.Value) != k.ID {
			return nil, noStack(k.Name) // it was deleted meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("find stack %s: %w", k.Name, err)
		}
		b.Check(kindName, k.nameKey(), r.Revision)
	}
	_, err = s.Store.Commit(ctx, b)
	switch {
	case errors.Is(err, store.ErrExists) && fresh:
		return nil, &types.AlreadyExistsException{Message: aws.String(fmt.Sprintf("Stack [%s] already exists", k.Name))}
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrExists):
		if _, err := s.Store.Get(ctx, kindName, k.nameKey()); errors.Is(err, store.ErrNotFound) {
			return nil, noStack(k.Name)
		}
		return nil, changeSetExists(c.Name) // somebody else was faster
	case err != nil:
		return nil, fmt.Errorf("write change set %s: %w", c.Name, err)
	}
	return &cloudformation.CreateChangeSetOutput{Id: aws.String(c.arn(k)), StackId: aws.String(k.arn())}, nil
}

func changeSetExists(name string) error {
	return &types.AlreadyExistsException{Message: aws.String(fmt.Sprintf("ChangeSet %s cannot be created due to a mismatch with existing attribute Name", name))}
}

// findChangeSet reads a change set by its ARN, or by its name and its stack.
func (s *Service) findChangeSet(ctx context.Context, name string, stackName *string) (*changeSet, *stack, store.Revision, error) {
	if strings.HasPrefix(name, "arn:") {
		a, err := arn.Parse(name)
		parts := strings.Split(a.Resource, "/")
		if err != nil || a.Service != "cloudformation" || len(parts) != 3 || parts[0] != "changeSet" {
			return nil, nil, 0, invalid("%q is not the ARN of a change set", name)
		}
		c := call.From(ctx)
		records, err := s.Store.List(ctx, kindChangeSet, c.Account+"/"+c.Region+"/", "", 0)
		if err != nil {
			return nil, nil, 0, fmt.Errorf("list change sets: %w", err)
		}
		for _, r := range records {
			if !strings.HasSuffix(r.Key, "/"+parts[1]) {
				continue
			}
			set, err := decode[changeSet](r)
			if err != nil {
				return nil, nil, 0, err
			}
			if set.ID == parts[2] {
				k, _, err := load[stack](ctx, s, kindStack, c.Account+"/"+c.Region+"/"+set.Stack)
				return set, k, r.Revision, err
			}
		}
		return nil, nil, 0, noChangeSet(name)
	}
	if aws.ToString(stackName) == "" {
		return nil, nil, 0, invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
	}
	k, _, err := s.find(ctx, *stackName, false)
	if err != nil {
		return nil, nil, 0, err
	}
	c, revision, err := load[changeSet](ctx, s, kindChangeSet, changeSetKey(k, name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, k, 0, noChangeSet(name)
	}
	return c, k, revision, err
}

// DescribeChangeSet shows a change set.
func (s *Service) DescribeChangeSet(ctx context.Context, in *cloudformation.DescribeChangeSetInput) (*cloudformation.DescribeChangeSetOutput, error) {
	c, k, _, err := s.findChangeSet(ctx, aws.ToString(in.ChangeSetName), in.StackName)
	if err != nil {
		return nil, err
	}
	out := &cloudformation.DescribeChangeSetOutput{
		ChangeSetId: aws.String(c.arn(k)), ChangeSetName: &c.Name, StackId: aws.String(k.arn()), StackName: &k.Name, CreationTime: &c.Created,
		Status: types.ChangeSetStatus(c.Status), ExecutionStatus: c.execution(k), IncludeNestedStacks: &c.IncludeNested,
		Parameters: shownParameters(c.Parameters), Changes: []types.Change{}, Tags: []types.Tag{}, NotificationARNs: []string{}, Capabilities: []types.Capability{},
		RollbackConfiguration: &types.RollbackConfiguration{},
	}
	if c.Reason != "" {
		out.StatusReason = &c.Reason
	}
	if c.Description != "" {
		out.Description = &c.Description
	}
	out.OnStackFailure = types.OnStackFailure(c.OnFailure)
	if c.Target != "" {
		t, err := s.target(ctx, k.ID, c.Target)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err == nil {
			out.Tags, out.Capabilities = shownTags(t.Tags), shownCapabilities(t.Capabilities)
		}
	}
	changes, next, err := page(c.Changes, func(c resourceChange) string { return c.LogicalID }, in.NextToken, 100)
	if err != nil {
		return nil, err
	}
	out.NextToken = next
	for i := range changes {
		out.Changes = append(out.Changes, changes[i].sdk(aws.ToBool(in.IncludePropertyValues)))
	}
	return out, nil
}

// execution is the execution status: a change set of what the stack was before it changed is obsolete.
func (c *changeSet) execution(k *stack) types.ExecutionStatus {
	if c.Execution == "AVAILABLE" && c.Base != k.Target {
		return types.ExecutionStatusObsolete
	}
	return types.ExecutionStatus(c.Execution)
}

// ListChangeSets lists a stack's change sets, those that were executed excepted.
func (s *Service) ListChangeSets(ctx context.Context, in *cloudformation.ListChangeSetsInput) (*cloudformation.ListChangeSetsOutput, error) {
	k, _, err := s.find(ctx, aws.ToString(in.StackName), false)
	if err != nil {
		return nil, err
	}
	records, err := s.Store.List(ctx, kindChangeSet, k.key()+"/", "", 0)
	if err != nil {
		return nil, fmt.Errorf("list change sets: %w", err)
	}
	records, next, err := page(records, func(r store.Record) string { return r.Key }, in.NextToken, 100)
	if err != nil {
		return nil, err
	}
	out := &cloudformation.ListChangeSetsOutput{Summaries: []types.ChangeSetSummary{}, NextToken: next}
	for _, r := range records {
		c, err := decode[changeSet](r)
		if err != nil {
			return nil, err
		}
		if c.Execution == "EXECUTE_COMPLETE" {
			continue
		}
		item := types.ChangeSetSummary{
			ChangeSetId: aws.String(c.arn(k)), ChangeSetName: &c.Name, StackId: aws.String(k.arn()), StackName: &k.Name, CreationTime: &c.Created,
			Status: types.ChangeSetStatus(c.Status), ExecutionStatus: c.execution(k), IncludeNestedStacks: &c.IncludeNested,
		}
		if c.Reason != "" {
			item.StatusReason = &c.Reason
		}
		if c.Description != "" {
			item.Description = &c.Description
		}
		out.Summaries = append(out.Summaries, item)
	}
	return out, nil
}

// DeleteChangeSet drops a change set. That there is none is a success, as long as the stack exists. The
// last change set of a stack in review leaves the stack in review.
func (s *Service) DeleteChangeSet(ctx context.Context, in *cloudformation.DeleteChangeSetInput) (*cloudformation.DeleteChangeSetOutput, error) {
	c, k, revision, err := s.findChangeSet(ctx, aws.ToString(in.ChangeSetName), in.StackName)
	var missing *types.ChangeSetNotFoundException
	if errors.As(err, &missing) {
		return &cloudformation.DeleteChangeSetOutput{}, nil
	}
	if err != nil {
		return nil, err
	}
	if c.Execution == "EXECUTE_IN_PROGRESS" {
		return nil, invalidChangeSet("ChangeSet [%s] cannot be deleted in its current execution status of [%s]", c.arn(k), c.Execution)
	}
	b := new(store.Batch).DeleteIf(kindChangeSet, changeSetKey(k, c.Name), revision)
	if c.Target != "" && c.Target != k.Target && c.Target != k.Tried && c.Execution != "EXECUTE_COMPLETE" { // else it is what the stack is becoming
		b.Delete(kindTarget, targetKey(k.ID, c.Target))
	}
	_, err = s.Store.Commit(ctx, b)
	switch {
	case errors.Is(err, store.ErrConflict): // it was executed meanwhile
		return nil, invalidChangeSet("ChangeSet [%s] cannot be deleted: it is being executed", c.arn(k))
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("delete change set %s: %w", c.Name, err)
	}
	return &cloudformation.DeleteChangeSetOutput{}, nil
}

func invalidChangeSet(format string, args ...any) error {
	return &types.InvalidChangeSetStatusException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// ExecuteChangeSet begins to carry out a change set. The stack's other change sets go: they were worked out against what the stack was.
func (s *Service) ExecuteChangeSet(ctx context.Context, in *cloudformation.ExecuteChangeSetInput) (*cloudformation.ExecuteChangeSetOutput, error) {
	c, k, _, err := s.findChangeSet(ctx, aws.ToString(in.ChangeSetName), in.StackName)
	if err != nil {
		return nil, err
	}
	if c.Execution == "EXECUTE_IN_PROGRESS" || c.Execution == "EXECUTE_COMPLETE" {
		if token := aws.ToString(in.ClientRequestToken); token != "" && token == c.ClientToken {
			return &cloudformation.ExecuteChangeSetOutput{}, nil
		}
	}
	if now := c.execution(k); now != types.ExecutionStatusAvailable {
		return nil, invalidChangeSet("ChangeSet [%s] cannot be executed in its current execution status of [%s]", c.arn(k), now)
	}
	op := operation{
		Target: c.Target, ClientToken: aws.ToString(in.ClientRequestToken), DisableRollback: aws.ToBool(in.DisableRollback) || c.OnFailure == "DO_NOTHING",
		DeleteOnFailure: c.OnFailure == "DELETE", RetainExceptOnCreate: aws.ToBool(in.RetainExceptOnCreate), Create: c.Type == "CREATE",
	}
	t, err := s.target(ctx, k.ID, c.Target)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noChangeSet(c.arn(k)) // it was deleted meanwhile
	}
	if err != nil {
		return nil, err
	}
	_, err = s.start(ctx, k, &op, t.RoleARN, func(k *stack, b *store.Batch) error {
		allowed := settledStates
		if op.Create {
			allowed = []string{review}
		}
		if !slices.Contains(allowed, k.Status) {
			return cannotUpdate(k.arn(), k.Status)
		}
		if k.Target != c.Base {
			return invalidChangeSet("ChangeSet [%s] cannot be executed in its current execution status of [%s]", c.arn(k), types.ExecutionStatusObsolete)
		}
		k.ChangeSet = c.arn(k)
		if k.Target == "" {
			k.Parameters, k.Tags, k.Capabilities = c.Parameters, t.Tags, t.Capabilities
			k.Description, _ = t.Processed["Description"].(string)
		}
		others, err := s.Store.List(ctx, kindChangeSet, k.key()+"/", "", 0)
		if err != nil {
			return fmt.Errorf("list change sets: %w", err)
		}
		found := false // it may have been deleted, or executed by somebody else, since it was read
		for _, r := range others {
			o, err := decode[changeSet](r)
			if err != nil {
				return err
			}
			if o.ID == c.ID {
				if found = o.Execution == "AVAILABLE"; !found {
					return invalidChangeSet("ChangeSet [%s] cannot be executed in its current execution status of [%s]", c.arn(k), o.Execution)
				}
				done := *c
				done.Execution, done.ClientToken = "EXECUTE_COMPLETE", op.ClientToken
				b.ReplaceUntil(kindChangeSet, r.Key, encode(done), r.Revision, s.Now().Add(24*time.Hour))
				continue
			}
			b.Delete(kindChangeSet, r.Key)
			if o.Target != "" && o.Target != k.Target && o.Target != k.Tried && o.Target != c.Target {
				b.Delete(kindTarget, targetKey(k.ID, o.Target))
			}
		}
		if !found {
			return noChangeSet(c.arn(k))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &cloudformation.ExecuteChangeSetOutput{}, nil
}
