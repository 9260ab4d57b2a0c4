package stacks_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"countersign/service/stacks"

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
		named    bool // by the provider
	}{
		"refusal":   {map[string]any{"Status": "FAILED", "Reason": "no room", "PhysicalResourceId": "half"}, "Received response status [FAILED] from custom resource. Message returned: no room", true},
		"no reason": {map[string]any{"Status": "FAILED", "PhysicalResourceId": "half"}, "Value of property Reason must be a String", true},
		"no id":     {map[string]any{"Status": "SUCCESS"}, "Invalid PhysicalResourceId", false},
		"no status": {map[string]any{"PhysicalResourceId": "x"}, "Invalid Response object", true},
		"too long":  {map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "x", "Data": map[string]any{"a": strings.Repeat("x", 5000)}}, "Response object is too long", false},
		"no JSON":   {nil, "Invalid Response object", false},
		"no answer": {map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "x", "Data": map[string]any{"Other": "x"}}, "Vendor response doesn't contain Answer attribute in object x", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			seen := r.provide(func(request map[string]any) map[string]any {
				if request["RequestType"] == "Delete" {
					return map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "whatever"}
				}
				if tt.response == nil {
					if err := r.Answer(r.ctx, tokenOf(request), strings.NewReader("SUCCESS")); err != nil {
						t.Error(err)
					}
				}
				return tt.response
			})
			r.create("one", customTemplate(""), types.StackStatusRollbackComplete)
			if story := r.told("one"); !strings.Contains(story, tt.want) {
				t.Errorf("the story lacks %q:\n%s", tt.want, story)
			}
			// Something may have been made: the provider is told to delete it, by its id or one that is made up.
			got := seen()
			if len(got) != 2 || got[1]["RequestType"] != "Delete" || got[1]["PhysicalResourceId"] == nil {
				t.Fatalf("requests: %v; a Delete was wanted", got)
			}
			id := got[1]["PhysicalResourceId"].(string)
			if given, _ := tt.response["PhysicalResourceId"].(string); tt.named && id != given || !tt.named && !strings.HasPrefix(id, "one-Provided-") {
				t.Errorf("deleted %s", id)
			}
		})
	}
}

func tokenOf(request map[string]any) string {
	_, token, _ := strings.Cut(request["ResponseURL"].(string), stacks.CallbackPath)
	return token
}

func TestCustomResourceThatNeverAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	seen := r.provide(func(request map[string]any) map[string]any {
		if request["RequestType"] == "Create" {
			return map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "x", "RequestId": "of another", "Data": map[string]any{"Answer": ""}}
		}
		return map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "x"}
	})
	r.create("one", customTemplate("      ServiceTimeout: 1"), types.StackStatusRollbackComplete)
	if story := r.told("one"); !strings.Contains(story, "CloudFormation did not receive a response from your Custom Resource.") {
		t.Error(story)
	}
	if got := seen(); len(got) != 2 || got[1]["RequestType"] != "Delete" || !strings.HasPrefix(got[1]["PhysicalResourceId"].(string), "one-Provided-") {
		t.Errorf("requests: %v", got)
	}
}

// The provider of a resource that is given up, because another one failed, is told to delete what it makes: by the id that it answered with meanwhile, or one that is made up.
func TestCustomResourceThatIsCancelled(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		r := newRig(t)
		r.refuse("create Fails")
		hold := make(chan struct{})
		r.world.hold["Fails"] = hold
		seen := r.provide(func(request map[string]any) map[string]any {
			if request["RequestType"] == "Delete" {
				return map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "whatever"}
			}
			if late { // it answers for another first: what waits does not take that
				if err := r.answer(request, map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "not this", "RequestId": "of another"}); err != nil {
					t.Error(err)
				}
			}
			close(hold)
			return nil
		})
		r.create("one", strings.Replace(customTemplate(""), "Outputs:", "  Fails: {Type: AWS::Test::Thing}\nOutputs:", 1), types.StackStatusRollbackComplete)
		if got := seen(); len(got) != 2 || got[1]["RequestType"] != "Delete" || !strings.HasPrefix(got[1]["PhysicalResourceId"].(string), "one-Provided-") {
			t.Errorf("requests: %v", got)
		}
	}
}

// What a provider answers may be a secret: nothing of it is on record in clear.
func TestAnswersAreSealed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	answered := make(chan struct{})
	r.provide(func(request map[string]any) map[string]any {
		defer close(answered)
		body := `{"Status": "SUCCESS", "PhysicalResourceId": "x", "RequestId": "of another", "Data": {"Answer": "hunter2hunter2"}}`
		if err := r.Answer(r.ctx, tokenOf(request), strings.NewReader(body)); err != nil {
			t.Error(err)
		}
		return nil
	})
	if _, err := r.CreateStack(r.ctx, &cloudformation.CreateStackInput{StackName: aws.String("one"), TemplateBody: aws.String(customTemplate(""))}); err != nil {
		t.Fatal(err)
	}
	<-answered
	records, err := r.store.List(r.ctx, "cloudformation/callback", "", "", 0)
	if err != nil || len(records) != 1 {
		t.Fatalf("%d callbacks (%v)", len(records), err)
	}
	if bytes.Contains(records[0].Value, []byte("hunter2")) || bytes.Contains(records[0].Value, []byte("aHVudGVyMm")) {
		t.Error("an answer is on record in clear")
	}
}

// All signals of a crowd are taken.
func TestManySignalsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const crowd = 100
	r.create("one", `{"Resources": {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}, "Outputs": {"Url": {"Value": {"Ref": "Handle"}}}}`, types.StackStatusCreateComplete)
	url := outputs(r.stack("one"))["Url"]
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			body := fmt.Sprintf(`{"Status": "SUCCESS", "UniqueId": "%d", "Data": "d", "Reason": "r"}`, i)
			if err := r.Answer(r.ctx, url[strings.LastIndex(url, "/")+1:], strings.NewReader(body)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	r.update("one", fmt.Sprintf(`{"Resources": {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
		"Wait": {"Type": "AWS::CloudFormation::WaitCondition", "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": 3, "Count": %d}}}}`, crowd), types.StackStatusUpdateComplete)
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
