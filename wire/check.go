package wire

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"countersign/wire/shape"

	"github.com/aws/smithy-go"
)

// maxViolations bounds the length of a validation message.
const maxViolations = 20

// A check collects what a request violates of its model. While a body is
// decoded it keeps the path to the value at hand, and notes required members
// that are absent where the Go struct cannot show it later; validate then walks
// the struct.
type check struct {
	model      *shape.Model
	path       []step
	violations []string
	wrong      shape.Location // location of the first violation, at the top level
	wrongName  string         // its name on the wire
}

// A step is one part of a path: a member, an element or a key.
type step struct {
	field *field
	key   string
	index int // from 0
}

func (c *check) push(f *field)       { c.path = append(c.path, step{field: f}) }
func (c *check) pushIndex(i int)     { c.path = append(c.path, step{index: i}) }
func (c *check) pushKey(k string)    { c.path = append(c.path, step{key: k, index: -1}) }
func (c *check) pop()                { c.path = c.path[:len(c.path)-1] }
func (c *check) tracks(p *plan) bool { return len(p.track) > 0 }

// at spells the path as AWS does: members with a small first letter, elements
// of lists as 1.member.
func (c *check) at() string {
	var b strings.Builder
	for i, s := range c.path {
		if i > 0 {
			b.WriteByte('.')
		}
		switch {
		case s.field != nil:
			b.WriteString(lowerFirst(s.field.Name))
		case s.index < 0:
			b.WriteString(s.key)
		default:
			b.WriteString(strconv.Itoa(s.index+1) + ".member")
		}
	}
	return b.String()
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// missing notes the tracked members of p that were not seen; seen nil: none
// was.
func (c *check) missing(p *plan, seen []bool) {
	for _, i := range p.track {
		if seen == nil || !seen[i] {
			c.absent(&p.fields[i])
		}
	}
}

func (c *check) absent(f *field) {
	c.push(f)
	c.violate("Value null", "Member must not be null")
	c.pop()
}

func (c *check) violate(value, constraint string) {
	if len(c.violations) == 0 && len(c.path) > 0 && c.path[0].field != nil {
		c.wrong, c.wrongName = c.path[0].field.Location, c.path[0].field.Wire
	}
	if len(c.violations) < maxViolations {
		c.violations = append(c.violations, fmt.Sprintf("%s at '%s' failed to satisfy constraint: %s", value, c.at(), constraint))
	}
}

// validate walks a decoded Input and returns nil or the service's error.
func (c *check) validate(p *plan, v reflect.Value) error {
	c.path = c.path[:0]
	c.structure(p, v)
	if len(c.violations) == 0 {
		return nil
	}
	return c.invalid()
}

func (c *check) structure(p *plan, v reflect.Value) {
	for i := range p.fields {
		f := &p.fields[i]
		x, ok := f.plan.present(v.Field(f.index))
		if !ok {
			if f.Required {
				c.absent(f)
			}
			continue
		}
		// A number that is neither required nor a pointer is 0 when absent.
		if !f.plan.ptr && !f.Required && f.plan.kind.scalar() && x.IsZero() {
			continue
		}
		if f.plan.rule == nil && f.plan.kind.scalar() {
			continue
		}
		c.push(f)
		c.value(f.plan, x)
		c.pop()
	}
}

func (c *check) value(p *plan, v reflect.Value) {
	if p.rule != nil && !c.onlyRequired() {
		for _, constraint := range p.rule.violated(p, v) {
			c.violate(shown(p, v), constraint)
		}
	}
	switch p.kind {
	case kindStruct:
		c.structure(p, v)
	case kindUnion:
		if f, x, ok := p.variantOf(v); ok {
			if x, ok := f.plan.present(x); ok {
				c.push(f)
				c.value(f.plan, x)
				c.pop()
			}
		}
	case kindList:
		c.list(p, v)
	case kindMap:
		c.mapping(p, v)
	}
}

func (c *check) list(p *plan, v reflect.Value) {
	if p.elem.kind.scalar() {
		if p.elem.rule == nil || c.onlyRequired() {
			return
		}
		for i := range v.Len() {
			e := v.Index(i)
			if p.elem.ptr {
				if e.IsNil() {
					continue
				}
				e = e.Elem()
			}
			if len(p.elem.rule.violated(p.elem, e)) > 0 {
				c.violate(shown(p, v), "Member must satisfy constraint: "+p.elem.rule.list(p.elem))
				return
			}
		}
		return
	}
	for i := range v.Len() {
		e, ok := p.elem.present(v.Index(i))
		if !ok || len(c.violations) >= maxViolations {
			continue
		}
		c.pushIndex(i)
		c.value(p.elem, e)
		c.pop()
	}
}

func (c *check) mapping(p *plan, v reflect.Value) {
	if c.onlyRequired() && p.elem.kind.scalar() {
		return
	}
	for _, k := range sortedKeys(v) {
		if r := p.keyRule; r != nil && !c.onlyRequired() {
			kp := &plan{shape: p.keyOf.Shape, kind: kindString}
			if len(r.violated(kp, k)) > 0 {
				c.violate("Value", "Map keys must satisfy constraint: "+r.list(kp))
				return
			}
		}
		e := v.MapIndex(k)
		if p.elem.kind.scalar() {
			if p.elem.ptr {
				if e.IsNil() {
					continue
				}
				e = e.Elem()
			}
			if r := p.elem.rule; r != nil && len(r.violated(p.elem, e)) > 0 {
				c.violate("Value", "Map value must satisfy constraint: "+r.list(p.elem))
				return
			}
			continue
		}
		if e, ok := p.elem.present(e); ok {
			c.pushKey(k.String())
			c.value(p.elem, e)
			c.pop()
		}
	}
}

// onlyRequired: S3 checks the rest of its constraints with errors of its own,
// operation by operation.
func (c *check) onlyRequired() bool { return c.model.ID == "s3" }

// violated lists the constraints that a present value does not meet.
func (r *rule) violated(p *plan, v reflect.Value) []string {
	var out []string
	s := r.shape
	var size float64
	switch p.kind {
	case kindString:
		size = float64(utf8.RuneCountInString(v.String()))
	case kindBlob, kindList, kindMap:
		size = float64(v.Len())
	case kindInt:
		size = float64(v.Int())
	case kindFloat:
		size = v.Float()
	default:
		return nil
	}
	if r.enum != nil && p.kind == kindString && !r.enum[v.String()] {
		out = append(out, r.enumText())
	}
	if s.HasMax && size > s.Max {
		out = append(out, r.maxText(p))
	}
	// Not size < min, so that NaN fails.
	if s.HasMin && !(size >= s.Min) {
		out = append(out, r.minText(p))
	}
	if p.kind == kindString && s.Pattern != "" {
		if re := r.pattern(); re != nil && !re.MatchString(v.String()) {
			out = append(out, "Member must satisfy regular expression pattern: "+s.Pattern)
		}
	}
	return out
}

// list spells all constraints, as AWS does for elements of lists and maps.
func (r *rule) list(p *plan) string {
	var all []string
	if r.shape.HasMax {
		all = append(all, r.maxText(p))
	}
	if r.shape.HasMin {
		all = append(all, r.minText(p))
	}
	if r.pattern() != nil {
		all = append(all, "Member must satisfy regular expression pattern: "+r.shape.Pattern)
	}
	if r.enum != nil {
		all = append(all, r.enumText())
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func (r *rule) enumText() string {
	return "Member must satisfy enum value set: [" + strings.Join(r.shape.Enum, ", ") + "]"
}

func (r *rule) maxText(p *plan) string {
	return "Member must have " + measure(p) + " less than or equal to " + strconv.FormatFloat(r.shape.Max, 'f', -1, 64)
}

func (r *rule) minText(p *plan) string {
	return "Member must have " + measure(p) + " greater than or equal to " + strconv.FormatFloat(r.shape.Min, 'f', -1, 64)
}

func measure(p *plan) string {
	if p.kind == kindInt || p.kind == kindFloat {
		return "value"
	}
	return "length"
}

// shown is how a message begins: with the value, unless it is secret or not
// text.
func shown(p *plan, v reflect.Value) string {
	if p.shape.Sensitive || p.elem != nil && p.elem.shape.Sensitive {
		return "Value"
	}
	switch p.kind {
	case kindString, kindInt, kindFloat:
		return "Value " + clip(text(p, v, ""))
	case kindList:
		if !p.elem.kind.scalar() || p.elem.kind == kindBlob {
			break
		}
		var parts []string
		for i := range min(v.Len(), 8) {
			if e, ok := p.elem.present(v.Index(i)); ok {
				parts = append(parts, text(p.elem, e, "iso8601"))
			}
		}
		return "Value " + clip("["+strings.Join(parts, ", ")+"]")
	}
	return "Value"
}

// invalid makes the service's error of the violations.
func (c *check) invalid() error {
	noun := "errors"
	if len(c.violations) == 1 {
		noun = "error"
	}
	e := &smithy.GenericAPIError{
		Code:    "ValidationException",
		Message: fmt.Sprintf("%d validation %s detected: %s", len(c.violations), noun, strings.Join(c.violations, "; ")),
		Fault:   smithy.FaultClient,
	}
	switch {
	case c.model.ID == "s3":
		switch c.wrong {
		case shape.Header, shape.Headers:
			e.Code, e.Message = "InvalidRequest", "Missing required header for this request: "+c.wrongName
		case shape.QueryString:
			e.Code, e.Message = "InvalidArgument", "Missing required query parameter for this request: "+c.wrongName
		default:
			e.Code, e.Message = "MalformedXML", malformedXML
		}
	case c.model.ID == "route53":
		e.Code = "InvalidInput"
	case c.model.ID == "apigatewayv2", c.model.ID == "apigateway":
		e.Code = "BadRequestException"
	case c.model.ID == "logs":
		e.Code = "InvalidParameterException"
	case c.model.Protocol == shape.Query:
		e.Code = "ValidationError"
	}
	return e
}

const malformedXML = "The XML you provided was not well-formed or did not validate against our published schema"
