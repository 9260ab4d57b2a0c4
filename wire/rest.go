package wire

import (
	"errors"
	"reflect"

	"countersign/wire/shape"
)

func decodeREST(op *shape.Operation, p *plan, req *Request, v reflect.Value, c *check) error {
	return errors.New("not yet")
}
func encodeREST(op *shape.Operation, p *plan, v reflect.Value, res *Response) error {
	return errors.New("not yet")
}
func decodeQuery(p *plan, req *Request, v reflect.Value, c *check) error {
	return errors.New("not yet")
}
func encodeQuery(op *shape.Operation, p *plan, v reflect.Value, requestID string, res *Response) error {
	return errors.New("not yet")
}
