package stacks_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

func (r *rig) changeSet(stack, name, template string, kind types.ChangeSetType) *cloudformation.DescribeChangeSetOutput {
	r.t.Helper()
	made, err := r.CreateChangeSet(r.ctx, &cloudformation.CreateChangeSetInput{
		StackName: &stack, ChangeSetName: &name, ChangeSetType: kind, TemplateBody: &template, Description: aws.String("for a test"),
	})
	if err != nil {
		r.t.Fatalf("change set %s: %v", name, err)
	}
	out, err := r.DescribeChangeSet(r.ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: made.Id, IncludePropertyValues: aws.Bool(true)})
	if err != nil {
		r.t.Fatalf("describe change set %s: %v", name, err)
	}
	return out
}

func (r *rig) execute(c *cloudformation.DescribeChangeSetOutput) {
	r.t.Helper()
	if _, err := r.ExecuteChangeSet(r.ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: c.ChangeSetId}); err != nil {
		r.t.Fatalf("execute %s: %v", *c.ChangeSetName, err)
	}
}

// The calls of "aws cloudformation deploy" and of "sam deploy", in their order.
func TestChangeSets(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.changeSet("one", "first", three, types.ChangeSetTypeCreate)
	if c.Status != types.ChangeSetStatusCreateComplete || c.ExecutionStatus != types.ExecutionStatusAvailable || len(c.Changes) != 3 {
		t.Fatalf("change set: %s %s, %d changes", c.Status, c.ExecutionStatus, len(c.Changes))
	}
	if got := c.Changes[0].ResourceChange; got.Action != types.ChangeActionAdd || *got.LogicalResourceId != "A" || got.Replacement != "" {
		t.Errorf("change: %+v", got)
	}
	if k := r.stack("one"); k.StackStatus != types.StackStatusReviewInProgress {
		t.Errorf("stack: %s", k.StackStatus)
	}
	if len(r.events("one")) != 1 { // sam reads the time of the newest event before it executes
		t.Errorf("events: %s", r.told("one"))
	}
	_, err := r.CreateChangeSet(r.ctx, &cloudformation.CreateChangeSetInput{StackName: aws.String("one"), ChangeSetName: aws.String("first"), ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: aws.String(three)})
	var exists *types.AlreadyExistsException
	if !errors.As(err, &exists) {
		t.Errorf("the same name again: %v", err)
	}
	r.execute(c)
	r.want("one", types.StackStatusCreateComplete)

	same := r.changeSet("one", "same", three, types.ChangeSetTypeUpdate)
	if same.Status != types.ChangeSetStatusFailed || !strings.Contains(aws.ToString(same.StatusReason), "The submitted information didn't contain changes.") || same.ExecutionStatus != types.ExecutionStatusUnavailable {
		t.Errorf("empty change set: %s %s %q", same.Status, same.ExecutionStatus, aws.ToString(same.StatusReason))
	}
	if _, err := r.ExecuteChangeSet(r.ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: same.ChangeSetId}); err == nil {
		t.Error("an empty change set was executed")
	}

	other := r.changeSet("one", "other", strings.ReplaceAll(three, "blue", "pink"), types.ChangeSetTypeUpdate)
	update := r.changeSet("one", "update", strings.NewReplacer("Default: red", "Default: green", "ThingName: see", "ThingName: saw").Replace(three), types.ChangeSetTypeUpdate)
	byID := map[string]*types.ResourceChange{}
	for _, c := range update.Changes {
		byID[*c.ResourceChange.LogicalResourceId] = c.ResourceChange
	}
	a, b, saw := byID["A"], byID["B"], byID["C"]
	if a == nil || a.Replacement != types.ReplacementFalse || *a.Details[0].Target.AfterValue != "green" || a.Details[0].ChangeSource != types.ChangeSourceParameterReference {
		t.Errorf("A: %+v", a)
	}
	if b != nil {
		t.Errorf("B: %+v; whether it changes is known only when A has", b)
	}
	if saw == nil || saw.Replacement != types.ReplacementTrue || saw.PolicyAction != types.PolicyActionReplaceAndDelete || saw.Details[0].Target.RequiresRecreation != types.RequiresRecreationAlways {
		t.Errorf("C: %+v", saw)
	}
	r.execute(update)
	r.want("one", types.StackStatusUpdateComplete)
	if got := strings.Join(r.world.names(), " "); got != "A=green B=green C=blue" {
		t.Errorf("things: %s", got)
	}
	_, err = r.DescribeChangeSet(r.ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: other.ChangeSetId})
	var missing *types.ChangeSetNotFoundException
	if !errors.As(err, &missing) {
		t.Errorf("the other change set: %v, want that it is gone", err)
	}
	// The CDK deletes before it creates, whether there is one or not.
	if _, err := r.DeleteChangeSet(r.ctx, &cloudformation.DeleteChangeSetInput{StackName: aws.String("one"), ChangeSetName: aws.String("never-was")}); err != nil {
		t.Errorf("deleting no change set: %v", err)
	}
	removal := r.changeSet("one", "removal", `{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Color": "green"}}}}`, types.ChangeSetTypeUpdate)
	if len(removal.Changes) != 2 || removal.Changes[0].ResourceChange.Action != types.ChangeActionRemove {
		t.Errorf("removal: %+v", removal.Changes)
	}
	list, err := r.ListChangeSets(r.ctx, &cloudformation.ListChangeSetsInput{StackName: aws.String("one")})
	if err != nil || len(list.Summaries) != 1 {
		t.Errorf("ListChangeSets: %+v, %v", list, err)
	}
}

func TestChangeSetOfReviewedStackCanBeGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.changeSet("one", "first", three, types.ChangeSetTypeCreate)
	again := r.changeSet("one", "second", three, types.ChangeSetTypeCreate)
	if *again.StackId != *c.StackId {
		t.Error("another stack of the same name")
	}
	if _, err := r.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: aws.String("one")}); err != nil {
		t.Fatal(err)
	}
	if r.stack("one") != nil {
		t.Error("the stack is there still")
	}
}

func TestBadTemplates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("there", `{"Resources": {"A": {"Type": "AWS::Test::Thing"}}}`, types.StackStatusCreateComplete)
	for name, tt := range map[string]struct {
		template string
		want     []string
		failed   bool // the change set fails, not the call
	}{
		"unknown type":      {`{"Resources": {"A": {"Type": "AWS::No::Thing"}}}`, []string{"Unrecognized resource types: [AWS::No::Thing]"}, true},
		"unknown property":  {"Resources:\n  A:\n    Type: AWS::Test::Thing\n    Properties:\n      Colour: red\n", []string{"Resources/A/Properties/Colour (line 5)", "Encountered unsupported property Colour"}, true},
		"unbuilt property":  {`{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Shape": "round"}}}}`, []string{"Shape is not built in this version of Countersign"}, true},
		"unbuilt policy":    {"Resources:\n  A:\n    Type: AWS::Test::Thing\n    UpdatePolicy: {CodeDeployLambdaAliasUpdate: {ApplicationName: a}}\n", []string{"Resources/A/UpdatePolicy (line 4): UpdatePolicy is not built"}, true},
		"wrong type":        {`{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Size": "big"}}}}`, []string{"Value of property Size must be of type Integer"}, true},
		"unknown attribute": {`{"Resources": {"A": {"Type": "AWS::Test::Thing"}}, "Outputs": {"O": {"Value": {"Fn::GetAtt": ["A", "Weight"]}}}}`, []string{"Template error: resource A does not support attribute type Weight in Fn::GetAtt"}, true},
		"no resources":      {`{"Outputs": {}}`, []string{"Template format error"}, false},
		"dangling":          {`{"Resources": {"A": {"Type": "AWS::Test::Thing", "Properties": {"Color": {"Ref": "X"}}}}}`, []string{"Template format error: Unresolved resource dependencies [X] in the Resources block of the template"}, false},
		"circle":            {`{"Resources": {"A": {"Type": "AWS::Test::Thing", "DependsOn": "B"}, "B": {"Type": "AWS::Test::Thing", "DependsOn": "A"}}}`, []string{"Circular dependency between resources: [A, B]"}, false},
		"no text":           {`{`, []string{"Template format error"}, false},
		"parameter missing": {`{"Parameters": {"P": {"Type": "String"}}, "Resources": {"A": {"Type": "AWS::Test::Thing"}}}`, []string{"Parameters: [P] must have values"}, false},
	} {
		_, err := r.CreateStack(r.ctx, &cloudformation.CreateStackInput{StackName: aws.String("bad"), TemplateBody: &tt.template})
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: CreateStack: %v, want %q", name, err, want)
			}
		}
		c, err := r.CreateChangeSet(r.ctx, &cloudformation.CreateChangeSetInput{StackName: aws.String("there"), ChangeSetName: aws.String("c"), TemplateBody: &tt.template})
		said := ""
		switch {
		case err != nil && tt.failed:
			t.Errorf("%s: CreateChangeSet: %v, want a change set that failed", name, err)
		case err != nil:
			said = err.Error()
		case !tt.failed:
			t.Errorf("%s: CreateChangeSet succeeded", name)
		default:
			out, err := r.DescribeChangeSet(r.ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: c.Id})
			if err != nil || out.Status != types.ChangeSetStatusFailed {
				t.Fatalf("%s: %+v, %v", name, out, err)
			}
			said = aws.ToString(out.StatusReason)
			if _, err := r.DeleteChangeSet(r.ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: c.Id}); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range tt.want {
			if !strings.Contains(said, want) {
				t.Errorf("%s: change set: %q, want %q", name, said, want)
			}
		}
	}
	if r.stack("bad") != nil {
		t.Error("something was kept of a stack that was refused")
	}
}

func TestTemplateURLs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.world.bucket["bucket/folder/t.template"] = three
	for _, url := range []string{
		"http://127.0.0.1:4566/bucket/folder/t.template", "http://localhost:4566/bucket/folder/t.template", "http://bucket.s3.localhost:4566/folder/t.template",
		"https://bucket.s3.eu-west-1.amazonaws.com/folder/t.template", "https://s3.eu-west-1.amazonaws.com/bucket/folder/t.template", "https://s3.amazonaws.com/bucket/folder/t.template",
		"https://bucket.s3.amazonaws.com/folder/t.template", "https://s3-eu-west-1.amazonaws.com/bucket/folder/t.template", "s3://bucket/folder/t.template",
	} {
		if _, err := r.ValidateTemplate(r.ctx, &cloudformation.ValidateTemplateInput{TemplateURL: &url}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for url, want := range map[string]string{
		"http://169.254.169.254/latest/meta-data": "TemplateURL must be a supported URL", "file:///etc/passwd": "TemplateURL must be a supported URL",
		"http://127.0.0.1:4566/bucket/nothing": "S3 error: The specified key does not exist.", "https://evil.example/s3.amazonaws.com/b/k": "TemplateURL must be a supported URL",
	} {
		if _, err := r.ValidateTemplate(r.ctx, &cloudformation.ValidateTemplateInput{TemplateURL: &url}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

func TestTemplatesAreGivenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", three, types.StackStatusCreateComplete)
	out, err := r.GetTemplate(r.ctx, &cloudformation.GetTemplateInput{StackName: aws.String("one")})
	if err != nil || *out.TemplateBody != three {
		t.Errorf("GetTemplate: %v, %v", out, err)
	}
	sum, err := r.GetTemplateSummary(r.ctx, &cloudformation.GetTemplateSummaryInput{StackName: aws.String("one")})
	if err != nil || len(sum.Parameters) != 1 || *sum.Parameters[0].DefaultValue != "red" || len(sum.ResourceTypes) != 1 {
		t.Errorf("GetTemplateSummary: %+v, %v", sum, err)
	}
	_, err = r.GetTemplateSummary(r.ctx, &cloudformation.GetTemplateSummaryInput{StackName: aws.String("none")})
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorMessage() != "Stack with id none does not exist" {
		t.Errorf("GetTemplateSummary of no stack: %v", err)
	}
}
