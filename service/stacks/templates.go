package stacks

import (
	"context"
	"maps"
	"slices"

	"countersign/service/stacks/sam"
	"countersign/service/stacks/template"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// GetTemplate gives a stack's or a change set's template: as it was given, or as transforms made it.
func (s *Service) GetTemplate(ctx context.Context, in *cloudformation.GetTemplateInput) (*cloudformation.GetTemplateOutput, error) {
	k, id, err := s.templateOf(ctx, in)
	if err != nil {
		return nil, err
	}
	if id == "" { // in review
		return &cloudformation.GetTemplateOutput{TemplateBody: aws.String("{}"), StagesAvailable: []types.TemplateStage{}}, nil
	}
	t, err := s.target(ctx, k.ID, id)
	if err != nil {
		return nil, err
	}
	out := &cloudformation.GetTemplateOutput{TemplateBody: &t.Original, StagesAvailable: []types.TemplateStage{types.TemplateStageOriginal, types.TemplateStageProcessed}}
	if in.TemplateStage == types.TemplateStageProcessed && len(t.Transforms) > 0 {
		processed, err := template.JSON(t.Processed)
		if err != nil {
			return nil, err
		}
		out.TemplateBody = aws.String(string(processed))
	}
	return out, nil
}

// templateOf finds a template's stack and id; "" for a stack in review, which has none yet.
func (s *Service) templateOf(ctx context.Context, in *cloudformation.GetTemplateInput) (*stack, string, error) {
	if name := aws.ToString(in.ChangeSetName); name != "" {
		c, k, _, err := s.findChangeSet(ctx, name, in.StackName)
		if err != nil {
			return nil, "", err
		}
		if c.Target == "" {
			return nil, "", invalid("Template is not available for the change set %s", c.Name)
		}
		return k, c.Target, nil
	}
	k, _, err := s.find(ctx, aws.ToString(in.StackName), true)
	if err != nil {
		return nil, "", err
	}
	return k, k.current(), nil
}

// ValidateTemplate checks a template's form, and tells what it asks for. Properties of
// resources are checked when a change set or stack is made.
func (s *Service) ValidateTemplate(ctx context.Context, in *cloudformation.ValidateTemplateInput) (*cloudformation.ValidateTemplateOutput, error) {
	sum, err := s.summarize(ctx, in.TemplateBody, in.TemplateURL)
	if err != nil {
		return nil, err
	}
	out := &cloudformation.ValidateTemplateOutput{
		Parameters: []types.TemplateParameter{}, Capabilities: sum.capabilities, CapabilitiesReason: sum.reason, DeclaredTransforms: sum.transforms, Description: sum.description,
	}
	for _, p := range sum.parameters {
		out.Parameters = append(out.Parameters, types.TemplateParameter{ParameterKey: p.ParameterKey, DefaultValue: p.DefaultValue, NoEcho: p.NoEcho, Description: p.Description})
	}
	return out, nil
}

// GetTemplateSummary tells what a template, or a stack's, declares.
func (s *Service) GetTemplateSummary(ctx context.Context, in *cloudformation.GetTemplateSummaryInput) (*cloudformation.GetTemplateSummaryOutput, error) {
	if in.StackSetName != nil {
		return nil, notBuilt("StackSetName")
	}
	body, url := in.TemplateBody, in.TemplateURL
	if in.StackName != nil {
		if body != nil || url != nil {
			return nil, invalid("You can specify only one of TemplateBody, TemplateURL and StackName")
		}
		k, id, err := s.templateOf(ctx, &cloudformation.GetTemplateInput{StackName: in.StackName})
		if err != nil {
			return nil, err
		}
		if id == "" {
			return nil, invalid("Template is not available for stack %s: it has no resources yet", k.Name)
		}
		t, err := s.target(ctx, k.ID, id)
		if err != nil {
			return nil, err
		}
		return s.summary(ctx, t.Original)
	}
	text, err := s.text(ctx, body, url)
	if err != nil {
		return nil, err
	}
	return s.summary(ctx, text)
}

func (s *Service) summary(ctx context.Context, text string) (*cloudformation.GetTemplateSummaryOutput, error) {
	sum, err := s.summarizeText(text)
	if err != nil {
		return nil, err
	}
	return &cloudformation.GetTemplateSummaryOutput{
		Parameters: sum.parameters, Capabilities: sum.capabilities, CapabilitiesReason: sum.reason, DeclaredTransforms: sum.transforms, Description: sum.description,
		ResourceTypes: sum.types, Version: sum.version, Metadata: sum.metadata, ResourceIdentifierSummaries: []types.ResourceIdentifierSummary{},
	}, nil
}

// bare are resources with nothing but their types and what capabilities depend on: which properties they have.
func bare(resources any) any {
	all, ok := resources.(map[string]any)
	if !ok {
		return resources
	}
	out := make(map[string]any, len(all))
	for id, r := range all {
		body, ok := r.(map[string]any)
		if !ok {
			return resources
		}
		properties := map[string]any{}
		if given, ok := body["Properties"].(map[string]any); ok {
			for name := range given {
				properties[name] = "given"
			}
		}
		out[id] = map[string]any{"Type": body["Type"], "Properties": properties}
		if body["Type"] == nil {
			out[id] = map[string]any{"Properties": properties}
		}
	}
	return out
}

type summary struct {
	parameters                             []types.ParameterDeclaration
	capabilities                           []types.Capability
	types, transforms                      []string
	reason, description, version, metadata *string
}

func (s *Service) summarize(ctx context.Context, body, url *string) (*summary, error) {
	text, err := s.text(ctx, body, url)
	if err != nil {
		return nil, err
	}
	return s.summarizeText(text)
}

// summarizeText reads a template before transforms: that is what it declares.
func (s *Service) summarizeText(text string) (*summary, error) {
	doc, err := template.Parse([]byte(text))
	if err != nil {
		return nil, templateError(err)
	}
	out := &summary{parameters: []types.ParameterDeclaration{}, types: []string{}, transforms: template.Transforms(doc.Root)}
	root := doc.Root
	if slices.Contains(out.transforms, sam.Name) {
		// Before the transform a template may refer to what is not there yet, so only its own parts are judged.
		root = map[string]any{}
		for _, section := range []string{"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters"} {
			if v, given := doc.Root[section]; given {
				root[section] = v
			}
		}
		root["Resources"] = bare(doc.Root["Resources"])
	}
	t, err := template.Load(root, doc.At)
	if err != nil {
		return nil, templateError(err)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Parameters)) {
		p := t.Parameters[name]
		d := types.ParameterDeclaration{
			ParameterKey: aws.String(p.Name), ParameterType: aws.String(p.Type), NoEcho: aws.Bool(p.NoEcho), ParameterConstraints: &types.ParameterConstraints{AllowedValues: p.AllowedValues},
		}
		if p.Default != nil {
			d.DefaultValue = p.Default
			if p.NoEcho {
				d.DefaultValue = aws.String(mask)
			}
		}
		if p.Description != "" {
			d.Description = aws.String(p.Description)
		}
		out.parameters = append(out.parameters, d)
	}
	for _, r := range t.Resources {
		if !slices.Contains(out.types, r.Type) {
			out.types = append(out.types, r.Type)
		}
	}
	slices.Sort(out.types)
	needed, reason := s.neededCapabilities(t)
	out.capabilities = shownCapabilities(needed)
	if reason != "" {
		out.reason = &reason
	}
	if slices.Contains(out.transforms, sam.Name) {
		out.capabilities = append(out.capabilities, types.CapabilityCapabilityAutoExpand)
		out.reason = aws.String("The following resource(s) require capabilities: [" + sam.Name + "]")
	}
	if t.Description != "" {
		out.description = &t.Description
	}
	if v, ok := doc.Root["AWSTemplateFormatVersion"].(string); ok {
		out.version = &v
	}
	if m, ok := doc.Root["Metadata"]; ok {
		text, err := template.JSON(m)
		if err != nil {
			return nil, err
		}
		out.metadata = aws.String(string(text))
	}
	return out, nil
}
