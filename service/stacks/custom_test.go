package stacks_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

const provider = "arn:aws:lambda:eu-west-1:123456789012:function:provider"

// provide answers every request of a custom resource with what f says.
func (r *rig) provide(f func(request map[string]any) map[string]any) func() []map[string]any {
	var mu sync.Mutex
	var seen []map[string]any
	r.world.mu.Lock()
	r.world.tell = func(payload []byte) {
		var request map[string]any
		if err := json.Unmarshal(payload, &request); err != nil {
			r.t.Errorf("request: %v", err)
			return
		}
		mu.Lock()
		seen = append(seen, request)
		mu.Unlock()
		if response := f(request); response != nil {
			if err := r.answer(request, response); err != nil {
				r.t.Errorf("answer to %v: %v", request["RequestType"], err)
			}
		}
	}
	r.world.mu.Unlock()
	return func() []map[string]any { mu.Lock(); defer mu.Unlock(); return seen }
}

func customTemplate(properties string) string {
	return `
Resources:
  Provided:
    Type: Custom::Thing
    Properties:
      ServiceToken: ` + provider + `
` + properties + `
Outputs:
  Id: {Value: !Ref Provided}
  Answer: {Value: !GetAtt Provided.Answer}
`
}

func TestCustomResource(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := "first"
	seen := r.provide(func(request map[string]any) map[string]any {
		return map[string]any{"Status": "SUCCESS", "PhysicalResourceId": id, "Data": map[string]any{"Answer": "42 for " + request["RequestType"].(string)}}
	})
	k := r.create("one", customTemplate("      Count: 3\n      Deep: {On: true}"), types.StackStatusCreateComplete)
	if out := outputs(k); out["Id"] != "first" || out["Answer"] != "42 for Create" {
		t.Errorf("outputs: %v", out)
	}
	request := seen()[0]
	if p := request["ResourceProperties"].(map[string]any); p["Count"] != "3" || p["Deep"].(map[string]any)["On"] != "true" || p["ServiceToken"] != provider {
		t.Errorf("properties: %v", p)
	}
	if request["ResourceType"] != "Custom::Thing" || request["StackId"] != *k.StackId || request["PhysicalResourceId"] != nil {
		t.Errorf("request: %v", request)
	}
	// An answer counts once.
	if err := r.answer(request, map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "late"}); err == nil {
		t.Error("a second answer was taken")
	}
	id = "second" // another id: the old one is deleted afterwards
	k = r.update("one", customTemplate("      Count: 4"), types.StackStatusUpdateComplete)
	if out := outputs(k); out["Id"] != "second" || out["Answer"] != "42 for Update" {
		t.Errorf("outputs: %v", out)
	}
	got := seen()
	if len(got) != 3 || got[1]["RequestType"] != "Update" || got[1]["PhysicalResourceId"] != "first" || got[1]["OldResourceProperties"].(map[string]any)["Count"] != "3" ||
		got[2]["RequestType"] != "Delete" || got[2]["PhysicalResourceId"] != "first" {
		t.Errorf("requests: %v", got)
	}
	r.delete("one")
	if got := seen(); len(got) != 4 || got[3]["RequestType"] != "Delete" || got[3]["PhysicalResourceId"] != "second" {
		t.Errorf("requests: %v", got)
	}
}

func TestCustomResourceThatFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		response map[string]any
		want     string
		deletes  bool
	}{
		"refusal":   {map[string]any{"Status": "FAILED", "Reason": "no room", "PhysicalResourceId": "half"}, "Received response status [FAILED] from custom resource. Message returned: no room", true},
		"no reason": {map[string]any{"Status": "FAILED", "PhysicalResourceId": "half"}, "Value of property Reason must be a String", true},
		"no id":     {map[string]any{"Status": "SUCCESS"}, "Invalid PhysicalResourceId", false},
		"no status": {map[string]any{"PhysicalResourceId": "x"}, "Invalid Response object", false},
		"too long":  {map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "x", "Data": map[string]any{"a": strings.Repeat("x", 5000)}}, "Response object is too long", false},
		"no answer": {map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "x", "Data": map[string]any{"Other": "x"}}, "Vendor response doesn't contain Answer attribute in object x", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			seen := r.provide(func(request map[string]any) map[string]any {
				if request["RequestType"] == "Delete" {
					return map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "whatever"}
				}
				return tt.response
			})
			r.create("one", customTemplate(""), types.StackStatusRollbackComplete)
			if story := r.told("one"); !strings.Contains(story, tt.want) {
				t.Errorf("the story lacks %q:\n%s", tt.want, story)
			}
			if got := seen(); tt.deletes != (len(got) == 2) {
				t.Errorf("requests: %v; a Delete was wanted: %v", got, tt.deletes)
			}
		})
	}
}

func TestCustomResourceThatNeverAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.provide(func(request map[string]any) map[string]any {
		if request["RequestType"] == "Create" {
			return map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "x", "RequestId": "of another", "Data": map[string]any{"Answer": ""}}
		}
		return map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "x"}
	})
	r.create("one", customTemplate("      ServiceTimeout: 1"), types.StackStatusRollbackComplete)
	if story := r.told("one"); !strings.Contains(story, "CloudFormation did not receive a response from your Custom Resource.") {
		t.Error(story)
	}
}

func TestNestedStacks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.world.bucket["b/inner"] = `
Parameters: {Color: {Type: String}}
Resources: {A: {Type: AWS::Test::Thing, Properties: {Color: !Ref Color}}}
Outputs: {Made: {Value: !Ref A}}`
	outer := func(color string) string {
		return `
Resources:
  Inner: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: "s3://b/inner", Parameters: {Color: ` + color + `}}}
  B: {Type: AWS::Test::Thing, Properties: {Color: !GetAtt Inner.Outputs.Made}}
Outputs: {Inner: {Value: !Ref Inner}}`
	}
	k := r.create("outer", outer("red"), types.StackStatusCreateComplete)
	inner := r.stack(outputs(k)["Inner"])
	if inner == nil || inner.StackStatus != types.StackStatusCreateComplete || aws.ToString(inner.ParentId) != *k.StackId {
		t.Fatalf("inner stack: %+v", inner)
	}
	if got := r.world.names(); len(got) != 2 || got[0] != "A=red" || !strings.HasPrefix(got[1], "B=outer-Inner-") {
		t.Errorf("things: %v", got)
	}
	r.update("outer", outer("blue"), types.StackStatusUpdateComplete)
	if got := r.world.names(); len(got) != 2 || got[0] != "A=blue" {
		t.Errorf("things: %v", got)
	}
	r.delete("outer")
	if got := r.world.list(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	if k := r.stack(*inner.StackId); k.StackStatus != types.StackStatusDeleteComplete {
		t.Errorf("inner stack: %s", k.StackStatus)
	}
}

func TestWaitCondition(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	template := `
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Wait: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref Handle, Timeout: 30, Count: 2}}
Outputs: {Data: {Value: !GetAtt Wait.Data}, Url: {Value: !Ref Handle}}`
	if _, err := r.CreateStack(r.ctx, &cloudformation.CreateStackInput{StackName: aws.String("one"), TemplateBody: &template}); err != nil {
		t.Fatal(err)
	}
	var url string
	for url == "" {
		out, err := r.DescribeStackResources(r.ctx, &cloudformation.DescribeStackResourcesInput{StackName: aws.String("one"), LogicalResourceId: aws.String("Handle")})
		if err == nil && out.StackResources[0].PhysicalResourceId != nil {
			url = *out.StackResources[0].PhysicalResourceId
		}
	}
	for _, id := range []string{"a", "a", "b"} {
		body := `{"Status": "SUCCESS", "UniqueId": "` + id + `", "Data": "d", "Reason": "r"}`
		if err := r.Answer(r.ctx, url[strings.LastIndex(url, "/")+1:], strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	if out := outputs(r.want("one", types.StackStatusCreateComplete)); out["Data"] != `{"a":"d","b":"d"}` {
		t.Errorf("data: %v", out)
	}
}
