package api

import (
	"context"
	"fmt"
	"reflect"

	"countersign/call"
	"countersign/wire"
	"countersign/wire/shape"
)

// Gate lets a call through that this node makes itself on behalf of the
// principal in ctx, as a stack does for its resources: it checks the input against
// the model and authorises the call, as for one that comes over the wire, and
// returns the context for the operation. Input is a pointer to the Input struct of
// an operation that is built.
func (s *Server) Gate(ctx context.Context, input any) (context.Context, error) {
	at, ok := s.byInput[reflect.TypeOf(input)]
	if !ok {
		return ctx, fmt.Errorf("api: no operation that is built takes a %T", input)
	}
	if err := wire.Validate(at.op, input); err != nil {
		return ctx, err
	}
	c := call.From(ctx)
	c.Service, c.Operation, c.RequestID = at.service.model.SigningName, at.op.Name, s.cfg.NewRequestID()
	ctx = call.With(ctx, c)
	if s.cfg.Authorize != nil {
		return ctx, s.cfg.Authorize(ctx, c)
	}
	if c.Principal.Account != s.cfg.Account {
		return ctx, at.service.family.accessDenied(c)
	}
	return ctx, nil
}

// place is where an operation is found by the type of its input.
type place struct {
	service *service
	op      *shape.Operation
}

func (s *Server) indexInputs() {
	s.byInput = map[reflect.Type]place{}
	for _, v := range s.services {
		for name, o := range v.built {
			s.byInput[reflect.TypeOf(o.input())] = place{v, v.model.Operations[name]}
		}
	}
}
