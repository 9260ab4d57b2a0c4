package openapi

import (
	"cmp"
	"slices"
	"strings"
)

// An Operation is one method of one path.
type Operation struct {
	Value
	Path         string // as the document has it: "/pets/{id}", "$default"
	Method       string // "GET"; "ANY" is x-amazon-apigateway-any-method
	ID           string // operationId
	DefaultRoute bool   // isDefaultRoute

	// Security lists alternatives: the operation's, else the document's. nil: neither says
	// anything; empty: expressly none.
	Security      []Requirement
	SecurityPlace string

	Integration *Integration // nil: none

	Parameters       []Parameter       // of the path and of the operation, bodies left out
	RequestModels    map[string]string // content type → name of a model
	Responses        []Response        // by status
	RequestValidator string            // x-amazon-apigateway-request-validator
	Auth             string            // x-amazon-apigateway-auth.type: AWS_IAM, NONE, …
}

// A Parameter is a part of requests.
type Parameter struct {
	Name     string
	In       string // path, query, header, cookie
	Required bool
}

// A Response is what an operation may answer.
type Response struct {
	Status  string            // "200", "default"
	Headers []string          // sorted
	Models  map[string]string // content type → name of a model
}

const anyMethod = "x-amazon-apigateway-any-method"

var methods = map[string]string{
	"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "options": "OPTIONS", "head": "HEAD", "patch": "PATCH", anyMethod: "ANY",
}

func (d *Document) paths() error {
	r := new(reader)
	paths := d.Root.Get("paths")
	shared := d.Root.Get("security")
	for _, p := range r.object(paths) {
		if strings.HasPrefix(p.Name, "x-") {
			continue
		}
		if !strings.HasPrefix(p.Name, "/") {
			d.warn("attribute paths. Resource %s should start with /", p.Name)
		}
		d.Paths = append(d.Paths, p.Name)
		item, _, err := d.follow(p.Value)
		r.keep(err)
		for _, m := range r.object(item) {
			method, ok := methods[m.Name]
			if !ok {
				if !strings.HasPrefix(m.Name, "x-") && !slices.Contains([]string{"summary", "description", "servers", "parameters", "$ref"}, m.Name) {
					d.warn("attribute %s.%s is unexpected", p.place, m.Name)
				}
				continue
			}
			m.place = p.place + "(" + m.Name + ")"
			o := d.operation(r, p.Name, method, m.Value, item, shared)
			d.Operations = append(d.Operations, o)
			if r.err != nil {
				return r.err
			}
		}
	}
	slices.SortStableFunc(d.Operations, func(x, y Operation) int {
		return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Method, y.Method))
	})
	return r.err
}

func (d *Document) operation(r *reader, path, method string, v, item, shared Value) Operation {
	r.isObject(v)
	o := Operation{
		Value: v, Path: path, Method: method, ID: r.text(v.Get("operationId")), DefaultRoute: r.yes(v.Get("isDefaultRoute")),
		RequestValidator: r.text(v.Get("x-amazon-apigateway-request-validator")), Auth: r.text(v.Get("x-amazon-apigateway-auth").Get("type")),
	}
	for _, s := range []Value{v.Get("security"), shared} {
		if s.Exists() {
			o.Security, o.SecurityPlace = requirements(r, s), s.place
			break
		}
	}
	if i := v.Get("x-amazon-apigateway-integration"); i.Exists() {
		target, ref, err := d.follow(i)
		r.keep(err)
		if err == nil {
			o.Integration = integration(r, target)
			o.Integration.Ref = ref
		}
	}
	d.requests(r, &o, item)
	d.responses(r, &o)
	return o
}

// requests reads parameters and bodies. What the operation says of a parameter wins over what the path says.
func (d *Document) requests(r *reader, o *Operation, item Value) {
	consumes := r.texts(o.Get("consumes"))
	if consumes == nil {
		consumes = r.texts(d.Root.Get("consumes"))
	}
	seen := map[[2]string]bool{}
	for _, v := range slices.Concat(r.list(o.Get("parameters")), r.list(item.Get("parameters"))) {
		v, ok := d.described(v, o.place+".parameters")
		if !ok {
			continue
		}
		p := Parameter{Name: r.text(v.Get("name")), In: r.text(v.Get("in")), Required: r.yes(v.Get("required"))}
		key := [2]string{p.In, p.Name}
		if seen[key] {
			continue
		}
		seen[key] = true
		switch p.In {
		case "body":
			for _, t := range orJSON(consumes) {
				d.model(&o.RequestModels, t, v.Get("schema"), v.place+".schema")
			}
		case "formData":
		default:
			o.Parameters = append(o.Parameters, p)
		}
	}
	body, _ := d.described(o.Get("requestBody"), o.place+".requestBody")
	for _, content := range r.object(body.Get("content")) {
		d.model(&o.RequestModels, content.Name, content.Get("schema"), o.place+".requestBody.content.schema")
	}
}

func (d *Document) responses(r *reader, o *Operation) {
	produces := r.texts(o.Get("produces"))
	if produces == nil {
		produces = r.texts(d.Root.Get("produces"))
	}
	for _, m := range r.object(o.Get("responses")) {
		if strings.HasPrefix(m.Name, "x-") {
			continue
		}
		place := o.place + ".responses." + m.Name
		v, ok := d.described(m.Value, place)
		if !ok {
			continue
		}
		answer := Response{Status: m.Name}
		for _, h := range r.object(v.Get("headers")) {
			answer.Headers = append(answer.Headers, h.Name)
		}
		for _, content := range r.object(v.Get("content")) {
			d.model(&answer.Models, content.Name, content.Get("schema"), place+".content.schema")
		}
		if d.Swagger {
			for _, t := range orJSON(produces) {
				d.model(&answer.Models, t, v.Get("schema"), place+".schema")
			}
		}
		o.Responses = append(o.Responses, answer)
	}
}

// described follows a part that only describes: that one is missing keeps nothing
// else from being imported.
func (d *Document) described(v Value, place string) (Value, bool) {
	target, _, err := d.follow(v)
	if err != nil {
		ref, _ := v.Get("$ref").Text()
		d.warn("attribute %s.%s is missing", place, ref)
		return Value{}, false
	}
	return target, true
}

func orJSON(types []string) []string {
	if len(types) == 0 {
		return []string{"application/json"}
	}
	return types
}

// model notes the model that a schema refers to. One that is not there is what AWS warns of.
func (d *Document) model(models *map[string]string, contentType string, schema Value, place string) {
	ref, err := schema.Get("$ref").Text()
	if err != nil || ref == "" {
		return
	}
	if _, err := d.at(ref); err != nil {
		d.warn("attribute %s.%s is missing", place, ref)
		return
	}
	prefix := "#/components/schemas/"
	if d.Swagger {
		prefix = "#/definitions/"
	}
	if name, ok := strings.CutPrefix(ref, prefix); ok && !strings.Contains(name, "/") {
		if *models == nil {
			*models = map[string]string{}
		}
		(*models)[contentType] = name
	}
}
