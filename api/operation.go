package api

import "context"

// An Operation is one AWS operation: its name, and the method that carries it
// out behind a signature without types. Make it with op.
type Operation struct {
	Name   string
	input  func() any // a new, zero *Input of the SDK
	invoke func(ctx context.Context, input any) (output any, err error)
}

// op wraps a service's method. The SDK's structs are its vocabulary, so the
// codec finds every field by the type of I and O.
func op[I, O any](name string, method func(context.Context, *I) (*O, error)) Operation {
	return Operation{
		Name:  name,
		input: func() any { return new(I) },
		invoke: func(ctx context.Context, input any) (any, error) {
			out, err := method(ctx, input.(*I))
			if err != nil {
				return nil, err
			}
			return out, nil
		},
	}
}

// A Service is one AWS API and those of its operations that are built. Every
// other operation of the model answers with an error that names it. There is one
// file in this package per AWS API; its constructor lists the operations, and
// that list is the coverage table.
type Service struct {
	ID         string // service id of the model and of wire/shape: "acm-pca", "s3", "apigatewayv2"
	Operations []Operation
}
