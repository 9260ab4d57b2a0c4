package stacks

import (
	"context"
	"errors"
	"strings"
	"time"

	"countersign/call"
	"countersign/service/stacks/resource"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

type nestedProperties struct {
	TemplateURL      string `cfn:"required"`
	Parameters       map[string]string
	TimeoutInMinutes *int32
	Tags             []tag
}

// nestedStack is a stack as a resource of another one.
func (s *Service) nestedStack() resource.Type {
	return resource.Define(resource.Spec[nestedProperties]{
		Name: typeStack, Attributes: []string{"Outputs.*"}, Tags: "Tags", Known: []string{"NotificationARNs"},
		Naming: nil,
		Create: s.createNested,
		Update: s.updateNested,
		Delete: s.deleteNested,
		Find: func(ctx context.Context, c *resource.Change[nestedProperties]) (string, error) {
			k, _, err := s.find(ctx, nestedName(c), false)
			if err != nil {
				return "", nil
			}
			return k.arn(), nil
		},
	})
}

func nestedName(c *resource.Change[nestedProperties]) string {
	name := c.Stack.Name + "-" + c.LogicalID + "-"
	return name[:min(len(name), 128-13)] + strings.ToUpper(strings.ReplaceAll(c.Token, "-", ""))[:12]
}

func (p *nestedProperties) parameters() []types.Parameter {
	var out []types.Parameter
	for k, v := range p.Parameters {
		out = append(out, types.Parameter{ParameterKey: aws.String(k), ParameterValue: aws.String(v)})
	}
	return out
}

func (p *nestedProperties) tags() []types.Tag {
	var out []types.Tag
	for _, t := range p.Tags {
		if !strings.HasPrefix(t.Key, "aws:") {
			out = append(out, types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
		}
	}
	return out
}

// A nested stack may do what its parent was allowed to.
var allCapabilities = []types.Capability{types.CapabilityCapabilityIam, types.CapabilityCapabilityNamedIam, types.CapabilityCapabilityAutoExpand}

func (s *Service) createNested(ctx context.Context, c *resource.Change[nestedProperties]) (resource.Result, error) {
	arn := c.PhysicalID
	if arn == "" {
		k, err := resource.Do(ctx, func(ctx context.Context, in *cloudformation.CreateStackInput) (*stack, error) {
			return s.createStack(ctx, in, c.Stack.ID)
		}, &cloudformation.CreateStackInput{
			StackName: aws.String(nestedName(c)), TemplateURL: &c.Properties.TemplateURL, Parameters: c.Properties.parameters(), Tags: c.Properties.tags(),
			Capabilities: allCapabilities, TimeoutInMinutes: c.Properties.TimeoutInMinutes, OnFailure: types.OnFailureDoNothing,
		})
		if err != nil {
			return resource.Result{}, err
		}
		arn = k.arn()
		if err := c.Initiated(arn); err != nil {
			return resource.Result{}, err
		}
	}
	return s.awaitNested(ctx, c, arn, "CREATE_COMPLETE")
}

// awaitNested waits until a nested stack has come to rest.
func (s *Service) awaitNested(ctx context.Context, c *resource.Change[nestedProperties], arn string, good ...string) (resource.Result, error) {
	for {
		k, _, err := s.find(ctx, arn, true)
		if err != nil {
			return resource.Result{}, err
		}
		if k.Operation == "" {
			for _, g := range good {
				if k.Status == g {
					outputs := map[string]any{}
					for _, o := range k.Outputs {
						outputs["Outputs."+o.Key] = o.Value
					}
					return resource.Result{PhysicalID: arn, Attributes: outputs}, nil
				}
			}
			return resource.Result{}, words("Embedded stack %s was not successfully created: %s", arn, k.Reason)
		}
		if err := c.Pause(ctx, time.Second); err != nil {
			return resource.Result{}, err
		}
	}
}

func (s *Service) updateNested(ctx context.Context, c *resource.Change[nestedProperties]) (resource.Result, error) {
	ours, err := s.calm(ctx, c)
	if err != nil {
		return resource.Result{}, err
	}
	good := []string{"UPDATE_COMPLETE"}
	if !ours {
		_, err = resource.Do(ctx, s.UpdateStack, &cloudformation.UpdateStackInput{
			StackName: &c.PhysicalID, TemplateURL: &c.Properties.TemplateURL, Parameters: c.Properties.parameters(), Tags: c.Properties.tags(), Capabilities: allCapabilities,
			ClientRequestToken: &c.Token,
		})
		switch {
		case err != nil && message(err) == noUpdates: // it may have gone back by itself
			good = append(good, "CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
		case err != nil:
			return resource.Result{}, err
		}
	}
	return s.awaitNested(ctx, c, c.PhysicalID, good...)
}

// calm waits until nothing is being done to a nested stack. An update that its parent began and does not want any more
// is cancelled. Ours reports that what is being done is this very change, begun before a restart: that is not waited for.
func (s *Service) calm(ctx context.Context, c *resource.Change[nestedProperties]) (ours bool, err error) {
	for {
		k, _, err := s.find(ctx, c.PhysicalID, true)
		if err != nil || k.Operation == "" {
			return false, err
		}
		op, _, err := load[operation](ctx, s, KindOperation, k.key())
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue // it has just ended
		case err != nil:
			return false, err
		case op.ClientToken == c.Token:
			return true, nil
		case op.Nested && op.Phase == phaseApply && !op.Create && !op.Cancel:
			if err := s.cancel(ctx, k); err != nil && !isInvalid(err) {
				return false, err
			}
		}
		if err := c.Pause(ctx, time.Second); err != nil {
			return false, err
		}
	}
}

func (s *Service) deleteNested(ctx context.Context, c *resource.Change[nestedProperties]) error {
	k, _, err := s.find(ctx, c.PhysicalID, true)
	if err != nil || k.deleted() {
		return nil
	}
	if !strings.HasPrefix(k.Status, "CREATE_") { // a creation that is under way is given up
		if _, err := s.calm(ctx, c); err != nil {
			return err
		}
	}
	_, err = resource.Do(ctx, func(ctx context.Context, in *cloudformation.DeleteStackInput) (*struct{}, error) {
		return nil, s.startDelete(ctx, k, in)
	}, &cloudformation.DeleteStackInput{StackName: &c.PhysicalID})
	if err != nil {
		return err
	}
	for {
		if k, _, err = s.find(ctx, c.PhysicalID, true); errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if k.deleted() {
			return nil
		}
		if k.Operation == "" {
			return words("Embedded stack %s could not be deleted: %s", c.PhysicalID, k.Reason)
		}
		if err := c.Pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// nested reports whether the call comes from a stack operation.
func nested(ctx context.Context) bool { return call.From(ctx).Signing == call.Internal }
