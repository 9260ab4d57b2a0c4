package stacks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// start begins an operation on a stack that nothing is being done to: op, what check does to the stack, and the
// first event are one commit. Op.Phase is phaseApply unless it is set. Role is whom the operation acts as; empty: the caller.
func (s *Service) start(ctx context.Context, k *stack, op *operation, role string, check func(k *stack, b *store.Batch) error) (*stack, error) {
	if err := s.prime(ctx, k, op, role); err != nil {
		return nil, err
	}
	k, err := s.edit(ctx, k.key(), func(k *stack, b *store.Batch) error {
		if k.Operation != "" {
			return cannotUpdate(k.arn(), k.Status)
		}
		if err := check(k, b); err != nil {
			return err
		}
		k.RoleARN = role
		return s.launch(k, b, op)
	})
	if err == nil {
		s.linger(ctx, op)
	}
	return k, err
}

// linger waits for an operation's end, for a while. Calls of stacks themselves do not wait.
func (s *Service) linger(ctx context.Context, op *operation) {
	if s.Linger <= 0 || nested(ctx) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.Linger)
	defer cancel()
	for at := s.Store.Revision(); ; {
		now, _, err := load[operation](ctx, s, KindOperation, op.key())
		if err != nil || now.ID != op.ID {
			return // it has ended, or we have waited long enough
		}
		if at, err = s.Store.Wait(ctx, at); err != nil {
			return
		}
	}
}

// prime fills in what every operation has.
func (s *Service) prime(ctx context.Context, k *stack, op *operation, role string) (err error) {
	op.Stack, op.Account, op.Region, op.Principal = k.ID, k.Account, k.Region, call.From(ctx).Principal
	op.Nested = nested(ctx)
	if op.Phase == "" {
		op.Phase = phaseApply
	}
	if op.ID, err = s.newID(); err != nil || role == "" {
		return err
	}
	if s.Roles == nil {
		return notBuilt("RoleARN")
	}
	if op.Principal, err = s.Roles(ctx, role); err != nil {
		return invalid("Role %s is invalid or cannot be assumed", role)
	}
	return nil
}

// launch moves a stack into an operation.
func (s *Service) launch(k *stack, b *store.Batch, op *operation) error {
	k.Operation, k.Reason = op.ID, "User Initiated"
	if k.TimeoutMinutes > 0 && op.Create {
		op.Deadline = s.Now().Add(time.Duration(k.TimeoutMinutes) * time.Minute)
	}
	if op.Phase == phaseApply {
		if k.Tried != "" {
			b.Delete(kindTarget, targetKey(k.ID, k.Tried)) // it failed, and was left so
		}
		k.Tried = op.Target
	}
	switch {
	case op.Phase == phaseDelete:
		k.Status = "DELETE_IN_PROGRESS"
	case op.Phase == phaseRollback && k.Target == "":
		k.Status = "ROLLBACK_IN_PROGRESS"
	case op.Phase == phaseRollback:
		k.Status = "UPDATE_ROLLBACK_IN_PROGRESS"
	case op.Create:
		k.Status = "CREATE_IN_PROGRESS"
	default:
		k.Status, k.Updated = "UPDATE_IN_PROGRESS", s.Now().UTC()
	}
	b.Create(KindOperation, op.key(), encode(op))
	return s.stackEvent(b, k, op, k.Reason)
}

// CreateStack makes a stack and begins to create its resources.
func (s *Service) CreateStack(ctx context.Context, in *cloudformation.CreateStackInput) (*cloudformation.CreateStackOutput, error) {
	k, err := s.createStack(ctx, in, "")
	if err != nil {
		return nil, err
	}
	return &cloudformation.CreateStackOutput{StackId: aws.String(k.arn())}, nil
}

func (s *Service) createStack(ctx context.Context, in *cloudformation.CreateStackInput, parent string) (*stack, error) {
	if err := unsupported(in.NotificationARNs, in.RollbackConfiguration, in.ResourceTypes); err != nil {
		return nil, err
	}
	if in.StackPolicyBody != nil || in.StackPolicyURL != nil {
		return nil, notBuilt("a stack policy")
	}
	if in.OnFailure != "" && in.DisableRollback != nil {
		return nil, invalid("You cannot specify both DisableRollback and OnFailure")
	}
	name := aws.ToString(in.StackName)
	if _, _, err := s.find(ctx, name, false); err == nil {
		return nil, &types.AlreadyExistsException{Message: aws.String(fmt.Sprintf("Stack [%s] already exists", name))}
	} else if !isInvalid(err) {
		return nil, err
	}
	k, err := s.newStack(ctx, name)
	if err != nil {
		return nil, err
	}
	p, err := s.prepare(ctx, k, wish{
		body: in.TemplateBody, url: in.TemplateURL, parameters: in.Parameters, tags: in.Tags, capabilities: in.Capabilities, roleARN: in.RoleARN, direct: true,
	})
	if err != nil {
		return nil, unwrapTransform(err)
	}
	if _, err := s.foresee(ctx, k, p, nil); err != nil {
		return nil, err
	}
	rollback := in.DeploymentConfig != nil && aws.ToBool(in.DeploymentConfig.DisableRollback)
	op := operation{
		Create: true, Target: p.target.ID, ClientToken: aws.ToString(in.ClientRequestToken), RetainExceptOnCreate: aws.ToBool(in.RetainExceptOnCreate),
		DisableRollback: aws.ToBool(in.DisableRollback) || rollback || in.OnFailure == types.OnFailureDoNothing, DeleteOnFailure: in.OnFailure == types.OnFailureDelete,
	}
	k.TimeoutMinutes, k.DisableRollback = aws.ToInt32(in.TimeoutInMinutes), op.DisableRollback
	k.TerminationProtection = aws.ToBool(in.EnableTerminationProtection)
	k.Parameters, k.Tags, k.Capabilities, k.Description = p.shown, p.target.Tags, p.target.Capabilities, p.template.Description
	if parent != "" {
		above, _, err := s.find(ctx, parent, false)
		if err != nil {
			return nil, err
		}
		k.Parent, k.Root = parent, cmp.Or(above.Root, parent)
	}
	b := new(store.Batch)
	if err := s.putTarget(b, k.ID, p.target); err != nil {
		return nil, err
	}
	if err := s.prime(ctx, k, &op, p.target.RoleARN); err != nil {
		return nil, err
	}
	k.RoleARN = p.target.RoleARN
	if err := s.launch(k, b, &op); err != nil {
		return nil, err
	}
	b.Create(kindName, k.nameKey(), []byte(k.ID)).Create(kindStack, k.key(), encode(k))
	_, err = s.Store.Commit(ctx, b)
	if errors.Is(err, store.ErrExists) {
		return nil, &types.AlreadyExistsException{Message: aws.String(fmt.Sprintf("Stack [%s] already exists", name))}
	}
	if err != nil {
		return nil, fmt.Errorf("write stack %s: %w", name, err)
	}
	s.linger(ctx, &op)
	return k, nil
}

func unwrapTransform(err error) error {
	var t *transformError
	if errors.As(err, &t) {
		return t.err
	}
	return err
}

// UpdateStack begins to make a stack what the input says.
func (s *Service) UpdateStack(ctx context.Context, in *cloudformation.UpdateStackInput) (*cloudformation.UpdateStackOutput, error) {
	if err := unsupported(in.NotificationARNs, in.RollbackConfiguration, in.ResourceTypes); err != nil {
		return nil, err
	}
	if in.StackPolicyBody != nil || in.StackPolicyURL != nil || in.StackPolicyDuringUpdateBody != nil || in.StackPolicyDuringUpdateURL != nil {
		return nil, notBuilt("a stack policy")
	}
	k, _, err := s.find(ctx, aws.ToString(in.StackName), false)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(settledStates, k.Status) {
		return nil, cannotUpdate(k.arn(), k.Status)
	}
	p, err := s.prepare(ctx, k, wish{
		body: in.TemplateBody, url: in.TemplateURL, previous: aws.ToBool(in.UsePreviousTemplate), parameters: in.Parameters, tags: in.Tags, keepTags: in.Tags == nil,
		capabilities: in.Capabilities, roleARN: in.RoleARN, direct: true,
	})
	if err != nil {
		return nil, unwrapTransform(err)
	}
	records, err := s.resources(ctx, k.ID)
	if err != nil {
		return nil, err
	}
	changes, err := s.foresee(ctx, k, p, records)
	if err != nil {
		return nil, err
	}
	if same, err := s.unchanged(ctx, k, p, changes, records); err != nil {
		return nil, err
	} else if same {
		return nil, invalid(noUpdates)
	}
	was := k.Target
	rollback := in.DeploymentConfig != nil && aws.ToBool(in.DeploymentConfig.DisableRollback)
	op := operation{
		Target: p.target.ID, ClientToken: aws.ToString(in.ClientRequestToken), DisableRollback: aws.ToBool(in.DisableRollback) || rollback,
		RetainExceptOnCreate: aws.ToBool(in.RetainExceptOnCreate),
	}
	k, err = s.start(ctx, k, &op, p.target.RoleARN, func(k *stack, b *store.Batch) error {
		if !slices.Contains(settledStates, k.Status) {
			return cannotUpdate(k.arn(), k.Status)
		}
		if k.Target != was {
			return invalid("Stack:%s was changed by another call meanwhile; update it again", k.arn())
		}
		return s.putTarget(b, k.ID, p.target)
	})
	if err != nil {
		return nil, err
	}
	return &cloudformation.UpdateStackOutput{StackId: aws.String(k.arn())}, nil
}

// DeleteStack begins to delete a stack. A name that no stack has is a success, and so is a
// stack that is being deleted. One that is still being created is given up.
func (s *Service) DeleteStack(ctx context.Context, in *cloudformation.DeleteStackInput) (*cloudformation.DeleteStackOutput, error) {
	k, _, err := s.find(ctx, aws.ToString(in.StackName), true)
	if isInvalid(err) && !strings.HasPrefix(message(err), "\"") {
		return &cloudformation.DeleteStackOutput{}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.startDelete(ctx, k, in); err != nil {
		return nil, err
	}
	return &cloudformation.DeleteStackOutput{}, nil
}

// errNothing ends an edit that has nothing to write.
var errNothing = errors.New("nothing to do")

func (s *Service) startDelete(ctx context.Context, k *stack, in *cloudformation.DeleteStackInput) error {
	role := cmp.Or(aws.ToString(in.RoleARN), k.RoleARN)
	op := &operation{
		Phase: phaseDelete, ClientToken: aws.ToString(in.ClientRequestToken), Retain: in.RetainResources, Force: in.DeletionMode == types.DeletionModeForceDeleteStack,
	}
	if k.Status != review && !k.deleted() {
		if err := s.prime(ctx, k, op, role); err != nil {
			return err
		}
	}
	_, err := s.edit(ctx, k.key(), func(k *stack, b *store.Batch) error {
		switch {
		case k.deleted(), k.Status == "DELETE_IN_PROGRESS":
			return errNothing
		case k.TerminationProtection:
			return invalid("Stack [%s] cannot be deleted while TerminationProtection is enabled", k.Name)
		case len(in.RetainResources) > 0 && k.Status != "DELETE_FAILED":
			return invalid("Invalid operation on stack [%s]. When you delete a stack, specify which resources to retain only when the stack is in the DELETE_FAILED state.", k.arn())
		case k.Status == review:
			return s.bury(ctx, k, b, nil)
		case op.ID == "": // it was in review
			return cannotUpdate(k.arn(), k.Status)
		case k.Operation != "":
			return s.takeOver(ctx, k, b, op)
		}
		for _, id := range in.RetainResources {
			if _, err := s.Store.Get(ctx, kindResource, resourceKey(k.ID, id)); errors.Is(err, store.ErrNotFound) {
				return invalid("The specified resources to retain must be in a valid state. Resource %s does not exist", id)
			}
		}
		k.RoleARN = role
		return s.launch(k, b, op)
	})
	switch {
	case errors.Is(err, errNothing):
		return nil
	case err != nil:
		return err
	case op.ID != "":
		s.linger(ctx, op)
	}
	return nil
}

// takeOver makes the creation of a stack that is under way its deletion: what carries it out gives
// up, and goes on with the deletion at its next commit (execution.commit).
func (s *Service) takeOver(ctx context.Context, k *stack, b *store.Batch, op *operation) error {
	now, revision, err := load[operation](ctx, s, KindOperation, k.key())
	if err != nil {
		return fmt.Errorf("read the operation of stack %s: %w", k.Name, err)
	}
	if !now.Create {
		return invalid("Stack [%s] cannot be deleted while in status %s", k.arn(), k.Status)
	}
	now.Cancel, now.Force, now.Principal, now.ClientToken = true, op.Force, op.Principal, op.ClientToken
	op.ID = now.ID
	k.Status, k.Reason = "DELETE_IN_PROGRESS", "User Initiated"
	b.Replace(KindOperation, k.key(), encode(now), revision)
	return s.stackEvent(b, k, now, k.Reason)
}

// UpdateTerminationProtection sets whether DeleteStack is refused.
func (s *Service) UpdateTerminationProtection(ctx context.Context, in *cloudformation.UpdateTerminationProtectionInput) (*cloudformation.UpdateTerminationProtectionOutput, error) {
	k, _, err := s.find(ctx, aws.ToString(in.StackName), false)
	if err != nil {
		return nil, err
	}
	if k.Parent != "" {
		return nil, invalid("Termination protection cannot be changed on the nested stack [%s]: change it on its root", k.Name)
	}
	k, err = s.edit(ctx, k.key(), func(k *stack, _ *store.Batch) error {
		k.TerminationProtection = aws.ToBool(in.EnableTerminationProtection)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &cloudformation.UpdateTerminationProtectionOutput{StackId: aws.String(k.arn())}, nil
}

// RollbackStack undoes an update or creation that failed and was left as it was.
func (s *Service) RollbackStack(ctx context.Context, in *cloudformation.RollbackStackInput) (*cloudformation.RollbackStackOutput, error) {
	k, _, err := s.find(ctx, aws.ToString(in.StackName), false)
	if err != nil {
		return nil, err
	}
	op := operation{
		Phase: phaseRollback, Create: k.Target == "", ClientToken: aws.ToString(in.ClientRequestToken), RetainExceptOnCreate: aws.ToBool(in.RetainExceptOnCreate),
	}
	k, err = s.start(ctx, k, &op, cmp.Or(aws.ToString(in.RoleARN), k.RoleARN), func(k *stack, _ *store.Batch) error {
		if k.Status != "CREATE_FAILED" && k.Status != "UPDATE_FAILED" {
			return invalid("Stack:%s is in %s state and can not be rolled back: it must be CREATE_FAILED or UPDATE_FAILED.", k.arn(), k.Status)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &cloudformation.RollbackStackOutput{StackId: aws.String(k.arn())}, nil
}

// ContinueUpdateRollback tries a rollback again that failed.
func (s *Service) ContinueUpdateRollback(ctx context.Context, in *cloudformation.ContinueUpdateRollbackInput) (*cloudformation.ContinueUpdateRollbackOutput, error) {
	k, _, err := s.find(ctx, aws.ToString(in.StackName), false)
	if err != nil {
		return nil, err
	}
	op := operation{Phase: phaseRollback, ClientToken: aws.ToString(in.ClientRequestToken), Skip: in.ResourcesToSkip}
	_, err = s.start(ctx, k, &op, cmp.Or(aws.ToString(in.RoleARN), k.RoleARN), func(k *stack, _ *store.Batch) error {
		if k.Status != "UPDATE_ROLLBACK_FAILED" {
			return invalid("Stack:%s is in %s state and can not continue its rollback: it must be UPDATE_ROLLBACK_FAILED.", k.arn(), k.Status)
		}
		for _, id := range in.ResourcesToSkip {
			if _, err := s.Store.Get(ctx, kindResource, resourceKey(k.ID, id)); errors.Is(err, store.ErrNotFound) {
				return invalid("Resource %s to skip does not exist in stack %s", id, k.Name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &cloudformation.ContinueUpdateRollbackOutput{}, nil
}

// CancelUpdateStack makes an update that is under way fail and roll back.
func (s *Service) CancelUpdateStack(ctx context.Context, in *cloudformation.CancelUpdateStackInput) (*cloudformation.CancelUpdateStackOutput, error) {
	k, _, err := s.find(ctx, aws.ToString(in.StackName), false)
	if err != nil {
		return nil, err
	}
	if k.Status != "UPDATE_IN_PROGRESS" {
		return nil, errNotCancelled
	}
	if err := s.cancel(ctx, k); err != nil {
		return nil, err
	}
	return &cloudformation.CancelUpdateStackOutput{}, nil
}

var errNotCancelled = invalid("CancelUpdateStack cannot be called from current stack status")

// cancel makes an update give up, if it has not come too far.
func (s *Service) cancel(ctx context.Context, k *stack) error {
	for range attempts {
		op, revision, err := load[operation](ctx, s, KindOperation, k.key())
		if errors.Is(err, store.ErrNotFound) || err == nil && op.Phase != phaseApply {
			return errNotCancelled
		}
		if err != nil {
			return err
		}
		op.Cancel = true
		_, err = s.Store.Commit(ctx, new(store.Batch).Replace(KindOperation, k.key(), encode(op), revision))
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("cancel the update of stack %s: %w", k.Name, err)
		}
	}
	return errNotCancelled
}
