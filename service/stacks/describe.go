package stacks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"countersign/call"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// page cuts one page out of items, which are in a stable order of their own. A token is
// the id of the last item of the page before.
func page[T any](items []T, id func(T) string, token *string, limit int) ([]T, *string, error) {
	if t := aws.ToString(token); t != "" {
		after, err := base64.RawURLEncoding.DecodeString(t)
		n := slices.IndexFunc(items, func(x T) bool { return id(x) == string(after) })
		if err != nil || n < 0 {
			return nil, nil, invalid("NextToken is not one that a previous page returned")
		}
		items = items[n+1:]
	}
	if len(items) <= limit {
		return items, nil, nil
	}
	items = items[:limit]
	return items, aws.String(base64.RawURLEncoding.EncodeToString([]byte(id(items[limit-1])))), nil
}

// all lists the stacks of the caller's account and Region, the newest first.
func (s *Service) all(ctx context.Context) ([]*stack, error) {
	c := call.From(ctx)
	records, err := s.Store.List(ctx, kindStack, c.Account+"/"+c.Region+"/", "", 0)
	if err != nil {
		return nil, fmt.Errorf("list stacks: %w", err)
	}
	out := make([]*stack, 0, len(records))
	for _, r := range records {
		k, err := decode[stack](r)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	slices.SortStableFunc(out, func(a, b *stack) int { return b.Created.Compare(a.Created) })
	return out, nil
}

// DescribeStacks shows one stack, or all that are not deleted.
func (s *Service) DescribeStacks(ctx context.Context, in *cloudformation.DescribeStacksInput) (*cloudformation.DescribeStacksOutput, error) {
	if name := aws.ToString(in.StackName); name != "" {
		k, _, err := s.find(ctx, name, true)
		if err != nil {
			return nil, err
		}
		return &cloudformation.DescribeStacksOutput{Stacks: []types.Stack{k.sdk()}}, nil
	}
	list, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, (*stack).deleted)
	list, next, err := page(list, func(k *stack) string { return k.ID }, in.NextToken, 100)
	if err != nil {
		return nil, err
	}
	out := &cloudformation.DescribeStacksOutput{Stacks: []types.Stack{}, NextToken: next}
	for _, k := range list {
		out.Stacks = append(out.Stacks, k.sdk())
	}
	return out, nil
}

// ListStacks lists stacks, those deleted within 90 days too.
func (s *Service) ListStacks(ctx context.Context, in *cloudformation.ListStacksInput) (*cloudformation.ListStacksOutput, error) {
	list, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	if len(in.StackStatusFilter) > 0 {
		list = slices.DeleteFunc(list, func(k *stack) bool { return !slices.Contains(in.StackStatusFilter, types.StackStatus(k.Status)) })
	}
	list, next, err := page(list, func(k *stack) string { return k.ID }, in.NextToken, 100)
	if err != nil {
		return nil, err
	}
	out := &cloudformation.ListStacksOutput{StackSummaries: []types.StackSummary{}, NextToken: next}
	for _, k := range list {
		full := k.sdk()
		out.StackSummaries = append(out.StackSummaries, types.StackSummary{
			StackId: full.StackId, StackName: full.StackName, StackStatus: full.StackStatus, StackStatusReason: full.StackStatusReason, CreationTime: full.CreationTime,
			LastUpdatedTime: full.LastUpdatedTime, DeletionTime: full.DeletionTime, ParentId: full.ParentId, RootId: full.RootId, TemplateDescription: full.Description,
			DriftInformation: &types.StackDriftInformationSummary{StackDriftStatus: types.StackDriftStatusNotChecked},
		})
	}
	return out, nil
}

func (k *stack) sdk() types.Stack {
	out := types.Stack{
		StackId: aws.String(k.arn()), StackName: &k.Name, StackStatus: types.StackStatus(k.Status), CreationTime: &k.Created,
		Parameters: shownParameters(k.Parameters), Outputs: []types.Output{}, Tags: shownTags(k.Tags), Capabilities: shownCapabilities(k.Capabilities),
		NotificationARNs: []string{}, DisableRollback: &k.DisableRollback, EnableTerminationProtection: &k.TerminationProtection,
		RollbackConfiguration: &types.RollbackConfiguration{}, DriftInformation: &types.StackDriftInformation{StackDriftStatus: types.StackDriftStatusNotChecked},
	}
	text := func(to **string, s string) {
		if s != "" {
			*to = &s
		}
	}
	text(&out.StackStatusReason, k.Reason)
	text(&out.Description, k.Description)
	text(&out.ChangeSetId, k.ChangeSet)
	text(&out.RoleARN, k.RoleARN)
	text(&out.ParentId, k.Parent)
	text(&out.RootId, k.Root)
	if !k.Updated.IsZero() {
		out.LastUpdatedTime = &k.Updated
	}
	if !k.Deleted.IsZero() {
		out.DeletionTime = &k.Deleted
	}
	if k.TimeoutMinutes > 0 {
		out.TimeoutInMinutes = &k.TimeoutMinutes
	}
	for _, o := range k.Outputs {
		shown := types.Output{OutputKey: aws.String(o.Key), OutputValue: aws.String(o.Value)}
		text(&shown.Description, o.Description)
		text(&shown.ExportName, o.Export)
		out.Outputs = append(out.Outputs, shown)
	}
	return out
}

func shownParameters(list []parameter) []types.Parameter {
	out := []types.Parameter{}
	for _, p := range list {
		shown := types.Parameter{ParameterKey: aws.String(p.Key), ParameterValue: aws.String(p.Value)}
		if p.Resolved != "" {
			shown.ResolvedValue = aws.String(p.Resolved)
		}
		out = append(out, shown)
	}
	return out
}

func shownTags(list []tag) []types.Tag {
	out := []types.Tag{}
	for _, t := range list {
		out = append(out, types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
	}
	return out
}

func shownCapabilities(list []string) []types.Capability {
	out := []types.Capability{}
	for _, c := range list {
		out = append(out, types.Capability(c))
	}
	return out
}

// DescribeStackEvents lists a stack's events, the newest first.
func (s *Service) DescribeStackEvents(ctx context.Context, in *cloudformation.DescribeStackEventsInput) (*cloudformation.DescribeStackEventsOutput, error) {
	k, _, err := s.find(ctx, aws.ToString(in.StackName), true)
	if err != nil {
		return nil, err
	}
	const limit = 100
	prefix, after := k.ID+"/", ""
	if t := aws.ToString(in.NextToken); t != "" {
		raw, err := base64.RawURLEncoding.DecodeString(t)
		if err != nil {
			return nil, invalid("NextToken is not one that a previous page returned")
		}
		after = prefix + string(raw)
	}
	records, err := s.Store.List(ctx, kindEvent, prefix, after, limit+1)
	if err != nil {
		return nil, fmt.Errorf("list the events of stack %s: %w", k.Name, err)
	}
	out := &cloudformation.DescribeStackEventsOutput{StackEvents: []types.StackEvent{}}
	for i, r := range records {
		if i == limit {
			out.NextToken = aws.String(base64.RawURLEncoding.EncodeToString([]byte(strings.TrimPrefix(records[i-1].Key, prefix))))
			break
		}
		e, err := decode[event](r)
		if err != nil {
			return nil, err
		}
		out.StackEvents = append(out.StackEvents, e.sdk(k))
	}
	return out, nil
}

func (e *event) sdk(k *stack) types.StackEvent {
	out := types.StackEvent{
		EventId: &e.ID, StackId: aws.String(k.arn()), StackName: &k.Name, Timestamp: &e.At, LogicalResourceId: &e.LogicalID, ResourceType: &e.Type,
		PhysicalResourceId: &e.PhysicalID, ResourceStatus: types.ResourceStatus(e.Status), DetailedStatus: types.DetailedStatus(e.Detail),
	}
	text := func(to **string, s string) {
		if s != "" {
			*to = &s
		}
	}
	text(&out.ResourceStatusReason, e.Reason)
	text(&out.ResourceProperties, e.Properties)
	text(&out.ClientRequestToken, e.ClientToken)
	text(&out.OperationId, e.Operation)
	return out
}

// present lists a stack's resources by their logical ids, those excepted that never came to be.
func (s *Service) present(ctx context.Context, k *stack) ([]*resourceRecord, error) {
	records, err := s.resources(ctx, k.ID)
	if err != nil {
		return nil, err
	}
	var out []*resourceRecord
	for _, id := range slices.Sorted(maps.Keys(records)) {
		if records[id].Status != "" {
			out = append(out, records[id])
		}
	}
	return out, nil
}

func (r *resourceRecord) physicalID() *string {
	switch {
	case r.Now.PhysicalID != "":
		return &r.Now.PhysicalID
	case r.Change != nil && r.Change.PhysicalID != "":
		return &r.Change.PhysicalID
	}
	return nil
}

func (r *resourceRecord) reason() *string {
	if r.Reason == "" {
		return nil
	}
	return &r.Reason
}

// ListStackResources lists a stack's resources.
func (s *Service) ListStackResources(ctx context.Context, in *cloudformation.ListStackResourcesInput) (*cloudformation.ListStackResourcesOutput, error) {
	k, _, err := s.find(ctx, aws.ToString(in.StackName), true)
	if err != nil {
		return nil, err
	}
	list, err := s.present(ctx, k)
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, func(r *resourceRecord) string { return r.LogicalID }, in.NextToken, 100)
	if err != nil {
		return nil, err
	}
	out := &cloudformation.ListStackResourcesOutput{StackResourceSummaries: []types.StackResourceSummary{}, NextToken: next}
	for _, r := range list {
		out.StackResourceSummaries = append(out.StackResourceSummaries, types.StackResourceSummary{
			LogicalResourceId: &r.LogicalID, PhysicalResourceId: r.physicalID(), ResourceType: &r.Type, ResourceStatus: types.ResourceStatus(r.Status),
			ResourceStatusReason: r.reason(), LastUpdatedTimestamp: &r.Updated,
			DriftInformation: &types.StackResourceDriftInformationSummary{StackResourceDriftStatus: types.StackResourceDriftStatusNotChecked},
		})
	}
	return out, nil
}

// DescribeStackResources shows a stack's resources, or the one resource of the stack that a physical id belongs to.
func (s *Service) DescribeStackResources(ctx context.Context, in *cloudformation.DescribeStackResourcesInput) (*cloudformation.DescribeStackResourcesOutput, error) {
	var stacks []*stack
	switch {
	case in.StackName != nil && in.PhysicalResourceId != nil:
		return nil, invalid("You cannot specify both StackName and PhysicalResourceId")
	case in.StackName != nil:
		k, _, err := s.find(ctx, *in.StackName, true)
		if err != nil {
			return nil, err
		}
		stacks = append(stacks, k)
	case in.PhysicalResourceId != nil:
		k, err := s.owner(ctx, *in.PhysicalResourceId)
		if err != nil {
			return nil, err
		}
		stacks = append(stacks, k)
	default:
		return nil, invalid("StackName or PhysicalResourceId must be specified")
	}
	out := &cloudformation.DescribeStackResourcesOutput{StackResources: []types.StackResource{}}
	for _, k := range stacks {
		list, err := s.present(ctx, k)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			if in.LogicalResourceId != nil && *in.LogicalResourceId != r.LogicalID {
				continue
			}
			out.StackResources = append(out.StackResources, types.StackResource{
				StackId: aws.String(k.arn()), StackName: &k.Name, LogicalResourceId: &r.LogicalID, PhysicalResourceId: r.physicalID(), ResourceType: &r.Type,
				ResourceStatus: types.ResourceStatus(r.Status), ResourceStatusReason: r.reason(), Timestamp: &r.Updated,
				DriftInformation: &types.StackResourceDriftInformation{StackResourceDriftStatus: types.StackResourceDriftStatusNotChecked},
			})
		}
	}
	if in.LogicalResourceId != nil && len(out.StackResources) == 0 {
		return nil, invalid("Resource %s does not exist for stack %s", *in.LogicalResourceId, stacks[0].Name)
	}
	return out, nil
}

// owner finds the stack that a physical resource belongs to.
func (s *Service) owner(ctx context.Context, physicalID string) (*stack, error) {
	all, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range all {
		records, err := s.resources(ctx, k.ID)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			if id := r.physicalID(); id != nil && *id == physicalID {
				return k, nil
			}
		}
	}
	return nil, invalid("Stack for %s does not exist", physicalID)
}

// DescribeStackResource shows one resource of a stack.
func (s *Service) DescribeStackResource(ctx context.Context, in *cloudformation.DescribeStackResourceInput) (*cloudformation.DescribeStackResourceOutput, error) {
	k, _, err := s.find(ctx, aws.ToString(in.StackName), true)
	if err != nil {
		return nil, err
	}
	missing := func() error {
		return invalid("Resource %s does not exist for stack %s", aws.ToString(in.LogicalResourceId), k.Name)
	}
	record, err := s.Store.Get(ctx, kindResource, resourceKey(k.ID, aws.ToString(in.LogicalResourceId)))
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing()
	}
	if err != nil {
		return nil, err
	}
	r, err := unseal[resourceRecord](s, record)
	if err != nil {
		return nil, err
	}
	if r.Status == "" {
		return nil, missing()
	}
	metadata := "{}"
	if r.Now.Metadata != nil {
		metadata = string(encode(r.Now.Metadata))
	}
	return &cloudformation.DescribeStackResourceOutput{StackResourceDetail: &types.StackResourceDetail{
		StackId: aws.String(k.arn()), StackName: &k.Name, LogicalResourceId: &r.LogicalID, PhysicalResourceId: r.physicalID(), ResourceType: &r.Type,
		ResourceStatus: types.ResourceStatus(r.Status), ResourceStatusReason: r.reason(), LastUpdatedTimestamp: &r.Updated, Metadata: &metadata,
		DriftInformation: &types.StackResourceDriftInformation{StackResourceDriftStatus: types.StackResourceDriftStatusNotChecked},
	}}, nil
}
