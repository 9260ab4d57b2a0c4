package stacks_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/call"
	"countersign/keys"
	"countersign/service/stacks"
	"countersign/service/stacks/resource"
	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
)

// A world is what the resources of these tests are made in: things with an id,
// which are what a real service would keep. It outlives a service that is cut off.
type world struct {
	mu     sync.Mutex
	things map[string]thing
	log    []string // "create A", "delete id"…
	refuse map[string]error
	hold   map[string]chan struct{} // by name: what waits until it is closed
	tokens map[string]string        // id by token, as a service with idempotency tokens keeps
	tell   func(payload []byte)     // what the provider of custom resources is told
	bucket map[string]string        // templates by key
}

type thing struct{ Name, Color, Owner string }

func newWorld() *world {
	return &world{things: map[string]thing{}, refuse: map[string]error{}, hold: map[string]chan struct{}{}, tokens: map[string]string{}, bucket: map[string]string{}}
}

func (w *world) list() map[string]thing {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.things)
}

func (w *world) did() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log)
}

// names are those of the things that exist, in order.
func (w *world) names() []string {
	var out []string
	for _, t := range w.list() {
		out = append(out, t.Name+"="+t.Color)
	}
	slices.Sort(out)
	return out
}

func (w *world) refusal(what, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, what+" "+name)
	return w.refuse[what+" "+name]
}

type thingProperties struct {
	ThingName string `cfn:"replace"`
	Color     string
	Size      int `cfn:"replace"`
	Parts     []string
	Secret    string
	Tags      []struct{ Key, Value string }
}

// thing is a type whose users may name it: AWS::Test::Thing.
func (w *world) thing() resource.Type {
	type change = resource.Change[thingProperties]
	result := func(id string, c *change) resource.Result {
		return resource.Result{PhysicalID: id, Attributes: map[string]any{"Arn": "arn:thing/" + id, "Color": c.Properties.Color}}
	}
	return resource.Define(resource.Spec[thingProperties]{
		Name: "AWS::Test::Thing", Attributes: []string{"Arn", "Color"}, Tags: "Tags", Naming: &resource.Naming{Property: "ThingName", Limit: 40}, Known: []string{"Shape"},
		Create: func(ctx context.Context, c *change) (resource.Result, error) {
			if hold := w.held(c.LogicalID); hold != nil {
				for {
					select {
					case <-hold:
					default:
						if err := c.Pause(ctx, time.Second); err != nil {
							return resource.Result{}, err
						}
						continue
					}
					break
				}
			}
			if err := w.refusal("create", c.LogicalID); err != nil {
				return resource.Result{}, err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			id := c.Properties.ThingName
			if have, ok := w.things[id]; ok && have.Owner != c.Token {
				return resource.Result{}, fmt.Errorf("thing %s exists", id)
			}
			w.things[id] = thing{c.LogicalID, c.Properties.Color, c.Token}
			return result(id, c), w.refuse["made "+c.LogicalID] // made, and of no use
		},
		Update: func(ctx context.Context, c *change) (resource.Result, error) {
			if err := w.refusal("update", c.LogicalID); err != nil {
				return resource.Result{}, err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			have, ok := w.things[c.PhysicalID]
			if c.Properties.ThingName != c.PhysicalID || c.Old.ThingName != c.PhysicalID {
				return resource.Result{}, fmt.Errorf("thing %s is to be called %q, and was called %q", c.PhysicalID, c.Properties.ThingName, c.Old.ThingName)
			}
			if !ok {
				return resource.Result{}, fmt.Errorf("thing %s does not exist", c.PhysicalID)
			}
			have.Color = c.Properties.Color
			w.things[c.PhysicalID] = have
			return result(c.PhysicalID, c), w.refuse["changed "+c.LogicalID]
		},
		Delete: func(ctx context.Context, c *change) error {
			if err := w.refusal("delete", c.LogicalID); err != nil {
				return err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.things, c.PhysicalID)
			return nil
		},
		Find: func(_ context.Context, c *change) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if have, ok := w.things[c.Properties.ThingName]; ok && have.Owner == c.Token {
				return c.Properties.ThingName, nil
			}
			return "", nil
		},
	})
}

// spot is a type whose things go by the same name wherever they are: AWS::Test::Spot.
func (w *world) spot() resource.Type {
	type properties struct {
		Place string `cfn:"replace"`
		Color string
	}
	put := func(_ context.Context, c *resource.Change[properties]) (resource.Result, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.things[c.Properties.Place+"/spot"] = thing{c.Properties.Place, c.Properties.Color, c.Token}
		return resource.Result{PhysicalID: "spot"}, nil
	}
	return resource.Define(resource.Spec[properties]{
		Name: "AWS::Test::Spot", Create: put, Update: put,
		Delete: func(_ context.Context, c *resource.Change[properties]) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.things, c.Properties.Place+"/spot")
			return nil
		},
	})
}

func (w *world) held(name string) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hold[name]
}

// role is a type that needs CAPABILITY_IAM.
func (w *world) role() resource.Type {
	type properties struct {
		RoleName string `cfn:"replace"`
	}
	return resource.Define(resource.Spec[properties]{
		Name: "AWS::Test::Role", IAM: true, Naming: &resource.Naming{Property: "RoleName", Limit: 64},
		Create: func(_ context.Context, c *resource.Change[properties]) (resource.Result, error) {
			return resource.Result{PhysicalID: c.Properties.RoleName}, nil
		},
		Delete: func(context.Context, *resource.Change[properties]) error { return nil },
	})
}

// GetObject gives the templates in the world's bucket.
func (w *world) GetObject(_ context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, ok := w.bucket[aws.ToString(in.Bucket)+"/"+aws.ToString(in.Key)]
	if !ok {
		return nil, &s3types.NoSuchKey{Message: aws.String("The specified key does not exist.")}
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader(text))}, nil
}

// Invoke tells the provider of custom resources.
func (w *world) Invoke(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	w.mu.Lock()
	tell := w.tell
	w.mu.Unlock()
	if tell == nil {
		return nil, errors.New("nobody provides")
	}
	go tell(bytes.Clone(in.Payload))
	return &lambda.InvokeOutput{StatusCode: 202}, nil
}

// Resolve answers dynamic references.
func (w *world) Resolve(_ context.Context, service, reference string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.refuse["resolve "+reference]; err != nil {
		return "", err
	}
	return "resolved-" + service + "-" + reference, nil
}

// A rig is a service on a store, in a world, with its job running.
type rig struct {
	*stacks.Service
	t     testing.TB
	world *world
	store store.Store
	ctx   context.Context
}

// sealer is the same for every service of a test binary: what one sealed the next can open.
var sealer = sync.OnceValue(func() *keys.Sealer {
	master, _, err := keys.NewMaster(rand.Reader)
	if err != nil {
		panic(err)
	}
	return keys.NewSealer(master)
})

func newRig(t testing.TB) *rig { return startRig(t, storetest.New(t), newWorld()) }

// startRig runs a service's job until the test ends.
func startRig(t testing.TB, s store.Store, w *world) *rig {
	t.Helper()
	r := idleRig(t, s, w)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func idleRig(t testing.TB, s store.Store, w *world) *rig {
	t.Helper()
	service, err := stacks.New(stacks.Config{
		Store: s, Sealer: sealer(), Objects: w, Functions: w, Values: w, Types: []resource.Type{w.thing(), w.role(), w.spot()}, Endpoint: "http://127.0.0.1:4566",
		Gate: func(ctx context.Context, _ any) (context.Context, error) { return ctx, nil }, Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := call.With(context.Background(), call.Call{
		Account: account, Region: region, Principal: call.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root"},
	})
	return &rig{Service: service, t: t, world: w, store: s, ctx: ctx}
}

// run does what the job runner does: it runs when operations are written.
func (r *rig) run(ctx context.Context) {
	for ctx.Err() == nil {
		at := r.store.Revision()
		_, _ = r.Run(ctx)
		for ctx.Err() == nil && r.store.Changed(stacks.KindOperation) <= at {
			var err error
			if _, err = r.store.Wait(ctx, r.store.Revision()); err != nil {
				return
			}
		}
	}
}

// stack describes a stack by name or ARN; nil: there is none.
func (r *rig) stack(name string) *types.Stack {
	r.t.Helper()
	out, err := r.DescribeStacks(r.ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if err != nil {
		return nil
	}
	return &out.Stacks[0]
}

// settle waits until nothing is being done to a stack, and returns it.
func (r *rig) settle(name string) *types.Stack {
	r.t.Helper()
	for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(2 * time.Millisecond) {
		if k := r.stack(name); k == nil || !strings.HasSuffix(string(k.StackStatus), "IN_PROGRESS") {
			return k
		}
	}
	r.t.Fatalf("stack %s did not settle: %s", name, r.told(name))
	return nil
}

// want fails unless the stack comes to the status.
func (r *rig) want(name string, status types.StackStatus) *types.Stack {
	r.t.Helper()
	k := r.settle(name)
	if k == nil || k.StackStatus != status {
		got := "nothing"
		if k != nil {
			got = string(k.StackStatus) + ": " + aws.ToString(k.StackStatusReason)
		}
		r.t.Fatalf("stack %s: got %s, want %s\n%s", name, got, status, r.told(name))
	}
	return k
}

// create makes a stack and waits for it.
func (r *rig) create(name, template string, status types.StackStatus, parameters ...string) *types.Stack {
	r.t.Helper()
	if _, err := r.CreateStack(r.ctx, &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &template, Parameters: given(parameters)}); err != nil {
		r.t.Fatalf("create %s: %v", name, err)
	}
	return r.want(name, status)
}

func (r *rig) update(name, template string, status types.StackStatus, parameters ...string) *types.Stack {
	r.t.Helper()
	if _, err := r.UpdateStack(r.ctx, &cloudformation.UpdateStackInput{StackName: &name, TemplateBody: &template, Parameters: given(parameters)}); err != nil {
		r.t.Fatalf("update %s: %v", name, err)
	}
	return r.want(name, status)
}

func (r *rig) delete(name string) *types.Stack {
	r.t.Helper()
	arn := *r.stack(name).StackId
	if _, err := r.DeleteStack(r.ctx, &cloudformation.DeleteStackInput{StackName: &name}); err != nil {
		r.t.Fatalf("delete %s: %v", name, err)
	}
	return r.settle(arn)
}

func given(pairs []string) []types.Parameter {
	var out []types.Parameter
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		out = append(out, types.Parameter{ParameterKey: &k, ParameterValue: &v})
	}
	return out
}

// events are a stack's, the oldest first.
func (r *rig) events(name string) []types.StackEvent {
	r.t.Helper()
	var out []types.StackEvent
	in := &cloudformation.DescribeStackEventsInput{StackName: &name}
	for {
		page, err := r.DescribeStackEvents(r.ctx, in)
		if err != nil {
			r.t.Fatalf("events of %s: %v", name, err)
		}
		out = append(out, page.StackEvents...)
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	slices.Reverse(out)
	return out
}

// told is a stack's story, an event a line.
func (r *rig) told(name string) string {
	var b strings.Builder
	for _, e := range r.events(name) {
		fmt.Fprintf(&b, "%s %s %s %s\n", *e.LogicalResourceId, e.ResourceStatus, aws.ToString(e.PhysicalResourceId), aws.ToString(e.ResourceStatusReason))
	}
	return b.String()
}

func outputs(k *types.Stack) map[string]string {
	out := map[string]string{}
	for _, o := range k.Outputs {
		out[*o.OutputKey] = *o.OutputValue
	}
	return out
}

// answer PUTs what a provider answers to a request.
func (r *rig) answer(request map[string]any, response map[string]any) error {
	for _, k := range []string{"StackId", "RequestId", "LogicalResourceId"} {
		if _, given := response[k]; !given {
			response[k] = request[k]
		}
	}
	body, err := json.Marshal(response)
	if err != nil {
		return err
	}
	_, token, _ := strings.Cut(request["ResponseURL"].(string), stacks.CallbackPath)
	return r.Answer(context.Background(), token, bytes.NewReader(body))
}
