package node

import (
	"context"
	"slices"
	"time"

	"countersign/call"
	"countersign/keys"
	"countersign/service/stacks"
	"countersign/service/stacks/resource"
)

// stackLinger bounds how long a call that began a stack operation waits for it.
const stackLinger = 5 * time.Second

// buildStacks makes the service of stacks, which reaches the others through their operations alone.
func (n *Node) buildStacks(sealer *keys.Sealer) (err error) {
	c := n.config
	n.stacks, err = stacks.New(stacks.Config{
		Store: n.store, Sealer: sealer, Objects: n.objects, Functions: n.functions, Values: n.secrets, Types: n.resourceTypes(), Endpoint: n.endpoints.Endpoint, Linger: stackLinger,
		Gate:   n.gate,
		Settle: func(ctx context.Context) { n.publisher.settle(ctx) },
		Roles:  n.stackRole,
		Now:    c.Now, Rand: c.Rand, Logger: c.Logger.With("part", "cloudformation"),
	})
	return err
}

// resourceTypes are what stacks can be made of.
func (n *Node) resourceTypes() []resource.Type {
	return slices.Concat(n.authority.ResourceTypes(), n.certificates.ResourceTypes(), n.zones.ResourceTypes(), n.gateway.ResourceTypes(), n.functions.ResourceTypes(), n.objects.ResourceTypes(), n.identity.ResourceTypes(),
		n.secrets.ResourceTypes(), n.logs.ResourceTypes())
}

// stackRole is the principal that a stack with a RoleARN acts as: a session of
// the role, which must trust CloudFormation.
func (n *Node) stackRole(ctx context.Context, roleARN string) (call.Principal, error) {
	return n.identity.Acting(ctx, call.CloudFormation, roleARN, "AWSCloudFormation")
}
