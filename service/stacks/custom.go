package stacks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"countersign/arn"
	"countersign/service/stacks/resource"
	"countersign/service/stacks/template"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// providerTime is how long a provider has unless ServiceTimeout says otherwise.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html
const providerTime = time.Hour

type customProperties struct {
	ServiceToken   string         `cfn:"required,replace"`
	ServiceTimeout *int           `cfn:""`
	Rest           map[string]any `cfn:"rest"`
}

// customResource is a resource that a Lambda function provides.
func (s *Service) customResource() resource.Type {
	return resource.Define(resource.Spec[customProperties]{
		Name: typeCustom, Attributes: []string{"*"},
		Check: func(p *customProperties) []resource.Problem {
			if t := p.ServiceTimeout; t != nil && (*t < 1 || *t > 3600) {
				return []resource.Problem{{Path: []string{"ServiceTimeout"}, Message: "ServiceTimeout must be between 1 and 3600 seconds"}}
			}
			if p.ServiceToken == "" {
				return nil // not known yet
			}
			if a, err := arn.Parse(p.ServiceToken); err != nil || a.Service != "lambda" {
				return []resource.Problem{{Path: []string{"ServiceToken"}, Message: fmt.Sprintf("Invalid service token: %q is not the ARN of a Lambda function (other providers are not built in this version of Countersign)", p.ServiceToken)}}
			}
			return nil
		},
		Create: func(ctx context.Context, c *resource.Change[customProperties]) (resource.Result, error) {
			return s.provide(ctx, "Create", c)
		},
		Update: func(ctx context.Context, c *resource.Change[customProperties]) (resource.Result, error) {
			return s.provide(ctx, "Update", c)
		},
		Delete: func(ctx context.Context, c *resource.Change[customProperties]) error {
			_, err := s.provide(ctx, "Delete", c)
			return err
		},
		Find: s.findProvided,
	})
}

// findProvided gives the id of what a creation that was cut off or cancelled has made, or may have: the provider's, if
// it has answered since, or else one that CloudFormation makes up, so that the provider is told to delete.
func (s *Service) findProvided(ctx context.Context, c *resource.Change[customProperties]) (string, error) {
	answers, err := s.callbackAnswers(ctx, s.callbackToken("Create "+c.Token))
	if errors.Is(err, store.ErrNotFound) {
		return "", nil // the provider was never asked
	}
	if err != nil {
		return "", err
	}
	for _, document := range answers {
		var r response
		if decodeJSON(document, &r) == nil && r.answers(c) && validID(r.PhysicalResourceId) {
			return r.PhysicalResourceId, nil
		}
	}
	return c.Name(128), nil
}

// A request is what the provider is told.
type request struct {
	RequestType           string
	ServiceToken          string
	ResponseURL           string
	StackId               string
	RequestId             string
	LogicalResourceId     string
	PhysicalResourceId    string `json:",omitempty"`
	ResourceType          string
	ResourceProperties    map[string]any
	OldResourceProperties map[string]any `json:",omitempty"`
}

// A response is what the provider answers.
type response struct {
	Status, Reason, PhysicalResourceId    string
	StackId, RequestId, LogicalResourceId string
	NoEcho                                bool
	Data                                  map[string]any
}

// provide asks the provider, and waits for its answer. After a crash it waits
// on: the provider is asked once for a change, unless the node did not come to note that it was.
func (s *Service) provide(ctx context.Context, what string, c *resource.Change[customProperties]) (resource.Result, error) {
	timeout := providerTime
	if t := c.Properties.ServiceTimeout; t != nil {
		timeout = time.Duration(*t) * time.Second
	}
	token := s.callbackToken(what + " " + c.Token)
	cb, err := s.openCallback(ctx, token, callback{Stack: c.Stack.ID, LogicalID: c.LogicalID, Expires: s.Now().Add(timeout)})
	if err != nil {
		return resource.Result{}, err
	}
	if !cb.Sent {
		if err := s.tell(ctx, what, token, c); err != nil {
			return resource.Result{}, errors.Join(err, s.closeCallback(context.WithoutCancel(ctx), token)) // nobody was asked
		}
		if err := s.editCallback(ctx, token, func(c *callback) error { c.Sent = true; return nil }); err != nil {
			return resource.Result{}, err
		}
	}
	for {
		answers, err := s.callbackAnswers(ctx, token)
		if err != nil {
			return resource.Result{}, err
		}
		if len(answers) > 0 {
			if out, ours, err := understand(what, c, answers[0]); ours {
				if err != nil && what == "Create" {
					err = errors.Join(err, c.Initiated(cmp.Or(out.PhysicalID, c.Name(128))))
				}
				return out, errors.Join(err, s.closeCallback(ctx, token))
			}
		}
		left := cb.Expires.Sub(s.Now())
		if left <= 0 {
			if what == "Create" {
				if err := c.Initiated(c.Name(128)); err != nil {
					return resource.Result{}, err
				}
			}
			return resource.Result{}, words("CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [%s].", c.Token)
		}
		if err := c.Pause(ctx, left); err != nil {
			return resource.Result{}, err
		}
	}
}

// tell invokes the provider, as an event: what the function returns is ignored.
func (s *Service) tell(ctx context.Context, what, token string, c *resource.Change[customProperties]) error {
	r := request{
		RequestType: what, ServiceToken: c.Properties.ServiceToken, ResponseURL: s.callbackURL(token), StackId: c.Stack.ID, RequestId: c.Token,
		LogicalResourceId: c.LogicalID, PhysicalResourceId: c.PhysicalID, ResourceType: c.Type, ResourceProperties: texts(c.Raw).(map[string]any),
	}
	if what == "Create" {
		r.PhysicalResourceId = ""
	}
	if what == "Update" {
		r.OldResourceProperties = texts(c.OldRaw).(map[string]any)
	}
	payload, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the request for %s: %w", c.LogicalID, err)
	}
	_, err = resource.Do(ctx, s.Functions.Invoke, &lambda.InvokeInput{
		FunctionName: aws.String(c.Properties.ServiceToken), InvocationType: lambdatypes.InvocationTypeEvent, Payload: payload,
	})
	return err
}

// texts makes every scalar of a tree text, as providers get them.
func texts(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = texts(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = texts(e)
		}
		return out
	}
	if text, ok := template.Text(v); ok {
		return text
	}
	return v
}

// answers reports whether a response is to this request.
func (r *response) answers(c *resource.Change[customProperties]) bool {
	return r.StackId == c.Stack.ID && r.RequestId == c.Token && r.LogicalResourceId == c.LogicalID
}

func validID(id string) bool { return id != "" && len(id) <= 1024 }

// understand reads a provider's answer. One that does not answer to this
// request is not ours, and is ignored. With an error the result says what was made, if the provider does.
func understand(what string, c *resource.Change[customProperties], document []byte) (out resource.Result, ours bool, err error) {
	fail := func(format string, args ...any) (resource.Result, bool, error) {
		return out, true, words(format, args...)
	}
	if len(document) > MaxCallback {
		return fail("Response object is too long.")
	}
	var r response
	if err := decodeJSON(document, &r); err != nil {
		return fail("Invalid Response object: it is not a JSON document of a response (%v)", err)
	}
	if !r.answers(c) {
		return resource.Result{}, false, nil
	}
	if validID(r.PhysicalResourceId) {
		out.PhysicalID = r.PhysicalResourceId
	}
	switch r.Status {
	case "SUCCESS":
	case "FAILED":
		if r.Reason == "" {
			r.Reason = "Invalid Response object: Value of property Reason must be a String"
		}
		return fail("Received response status [FAILED] from custom resource. Message returned: %s (RequestId: %s)", r.Reason, c.Token)
	default:
		return fail("Invalid Response object: Status is %s, and must be SUCCESS or FAILED", strconv.Quote(r.Status))
	}
	if what == "Delete" {
		out.PhysicalID = c.PhysicalID
	}
	if out.PhysicalID == "" {
		return fail("Invalid PhysicalResourceId: it must be a text of 1 to 1024 bytes")
	}
	out.Attributes, out.NoEcho = r.Data, r.NoEcho
	return out, true, nil
}
