package openapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Options are what a document is read with.
type Options struct {
	// What ${AWS::AccountId}, ${AWS::Region} and ${AWS::Partition} stand for in text.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/import-api-aws-variables.html
	Account, Region, Partition string
}

// A Document is an API definition.
type Document struct {
	Root Value // all of it

	Version  string // of the specification: "2.0", "3.0.1"
	Swagger  bool   // Version is 2.0
	Title    string
	About    string // info.description
	Release  string // info.version
	BasePath string // "/a/b"; "": none. See Prefix

	Paths      []string    // all, also those without an operation, sorted
	Operations []Operation // by path, then by method
	Schemes    []Scheme    // security schemes by name
	Models     Value       // an object: definitions, or components.schemas

	// Extensions; nil or empty where the document is silent.
	CORS               *CORS
	Tags               map[string]string // those with an x-amazon-apigateway-tag-value
	Endpoint           Endpoint
	BinaryMediaTypes   []string
	MinimumCompression *int32
	APIKeySource       string
	RequestValidators  Value // an object: name → {validateRequestBody, validateRequestParameters}
	RequestValidator   string
	GatewayResponses   Value // an object: type → {statusCode, responseParameters, responseTemplates}
	Policy             Value // a policy document, or its text
	ImportVersion      string

	// Warnings are what is wrong in ways that do not keep the rest from being imported.
	Warnings []string
}

// CORS is x-amazon-apigateway-cors.
type CORS struct {
	AllowOrigins, AllowMethods, AllowHeaders, ExposeHeaders []string
	AllowCredentials                                        *bool
	MaxAge                                                  *int32
}

// Endpoint is x-amazon-apigateway-endpoint-configuration, of the document or of its servers.
type Endpoint struct {
	Disable       *bool    // disableExecuteApiEndpoint
	Types         []string // REGIONAL, EDGE, PRIVATE
	VPCEndpoints  []string
	IPAddressType string
}

// Parse reads a document's text, JSON or YAML, of at most MaxBytes.
func Parse(text []byte, o Options) (*Document, error) {
	b := o.builder()
	tree, err := b.parse(text)
	if err != nil {
		return nil, &Error{"", err.Error()}
	}
	return read(tree)
}

// Read reads a document that is decoded already, into map[string]any, []any,
// string, json.Number, bool and nil. The tree is copied, not kept.
func Read(tree any, o Options) (*Document, error) {
	b := o.builder()
	tree, err := b.copy(tree, 0)
	if err != nil {
		return nil, &Error{"", err.Error()}
	}
	return read(tree)
}

func (o Options) builder() *builder {
	b := new(builder)
	if o != (Options{}) {
		b.variables = strings.NewReplacer("${AWS::AccountId}", o.Account, "${AWS::Region}", o.Region, "${AWS::Partition}", o.Partition)
	}
	return b
}

func read(tree any) (*Document, error) {
	d := &Document{Root: Value{v: tree, there: true}}
	if _, ok := tree.(map[string]any); !ok {
		return nil, d.Root.Errorf("an API definition is an object")
	}
	if err := d.version(); err != nil {
		return nil, err
	}
	r := new(reader)
	info := d.Root.Get("info")
	r.isObject(info)
	d.Title, d.About, d.Release = r.text(info.Get("title")), r.text(info.Get("description")), r.text(info.Get("version"))
	d.Models = d.components("definitions", "schemas")
	r.isObject(d.Models)
	d.basePath(r)
	d.extensions(r)
	if r.err != nil {
		return nil, r.err
	}
	if err := d.schemes(); err != nil {
		return nil, err
	}
	if err := d.paths(); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Document) version() error {
	swagger, openapi := d.Root.Get("swagger"), d.Root.Get("openapi")
	version := openapi
	if swagger.Exists() {
		version = swagger
	}
	text, err := version.Text()
	switch {
	case err != nil:
		return err
	case text == "":
		return errors.New("an API definition says its version: openapi 3.0.x, or swagger 2.0")
	case swagger.Exists() && openapi.Exists():
		return errors.New("an API definition has one of openapi and swagger, not both")
	case swagger.Exists() && text != "2.0", openapi.Exists() && text != "3.0" && !strings.HasPrefix(text, "3.0."):
		return version.Errorf("version %s is not supported: use openapi 3.0.x or swagger 2.0", text)
	}
	d.Version, d.Swagger = text, swagger.Exists()
	return nil
}

// components is a collection of reusable parts by its name in either version.
func (d *Document) components(swagger, openapi string) Value {
	if d.Swagger {
		return d.Root.Get(swagger)
	}
	return d.Root.Get("components").Get(openapi)
}

// basePath finds the base path and what servers say of the endpoint. The first basePath
// variable of a server counts, else the path of the first server's URL.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api-basePath.html
func (d *Document) basePath(r *reader) {
	d.endpoint(r, d.Root)
	if d.Swagger {
		d.BasePath = cleanBase(r.text(d.Root.Get("basePath")))
		return
	}
	found := false
	for i, server := range r.list(d.Root.Get("servers")) {
		d.endpoint(r, server)
		address := r.text(server.Get("url"))
		if v := server.Get("variables").Get("basePath"); v.Exists() && !found {
			d.BasePath, found = cleanBase(r.text(v.Get("default"))), true
		}
		if i > 0 || found {
			continue
		}
		if _, rest, absolute := strings.Cut(address, "://"); absolute {
			_, address, _ = strings.Cut(rest, "/")
		}
		if !strings.Contains(address, "{") {
			d.BasePath = cleanBase(address)
		}
	}
}

func cleanBase(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if path = strings.Trim(path, "/"); path == "" {
		return ""
	}
	return "/" + path
}

// Prefix is what to put before every path of the document, by the basepath
// parameter of an import: "ignore" (or ""), "prepend", or "split", which drops the first segment.
func (d *Document) Prefix(mode string) (string, error) {
	switch mode {
	case "", "ignore":
		return "", nil
	case "prepend":
		return d.BasePath, nil
	case "split":
		_, rest, _ := strings.Cut(strings.TrimPrefix(d.BasePath, "/"), "/")
		return cleanBase(rest), nil
	}
	return "", fmt.Errorf("basepath is ignore, prepend or split, not %q", mode)
}

func (d *Document) endpoint(r *reader, of Value) {
	e := of.Get("x-amazon-apigateway-endpoint-configuration")
	r.isObject(e)
	if b := r.bool(e.Get("disableExecuteApiEndpoint")); b != nil && (d.Endpoint.Disable == nil || *b) {
		d.Endpoint.Disable = b
	}
	d.Endpoint.Types = append(d.Endpoint.Types, r.texts(e.Get("types"))...)
	d.Endpoint.VPCEndpoints = append(d.Endpoint.VPCEndpoints, r.texts(e.Get("vpcEndpointIds"))...)
	if t := r.text(e.Get("ipAddressType")); t != "" {
		d.Endpoint.IPAddressType = t
	}
}

func (d *Document) extensions(r *reader) {
	get := func(name string) Value { return d.Root.Get("x-amazon-apigateway-" + name) }
	if c := get("cors"); c.Exists() {
		r.isObject(c)
		d.CORS = &CORS{
			AllowOrigins: r.commas(c.Get("allowOrigins")), AllowMethods: r.commas(c.Get("allowMethods")),
			AllowHeaders: r.commas(c.Get("allowHeaders")), ExposeHeaders: r.commas(c.Get("exposeHeaders")),
			AllowCredentials: r.bool(c.Get("allowCredentials")), MaxAge: r.int(c.Get("maxAge")),
		}
	}
	for _, tag := range r.list(d.Root.Get("tags")) {
		if v := tag.Get("x-amazon-apigateway-tag-value"); v.Exists() {
			if d.Tags == nil {
				d.Tags = map[string]string{}
			}
			d.Tags[r.text(tag.Get("name"))] = r.text(v)
		}
	}
	d.BinaryMediaTypes = r.texts(get("binary-media-types"))
	d.MinimumCompression = r.int(get("minimum-compression-size"))
	d.APIKeySource = r.text(get("api-key-source"))
	d.RequestValidators, d.GatewayResponses, d.Policy = get("request-validators"), get("gateway-responses"), get("policy")
	r.isObject(d.RequestValidators)
	r.isObject(d.GatewayResponses)
	d.RequestValidator = r.text(get("request-validator"))
	d.ImportVersion = r.text(get("importexport-version"))
}

// warn notes a fault of the form that AWS's parser reports.
func (d *Document) warn(format string, args ...any) {
	w := "Parse issue: " + fmt.Sprintf(format, args...)
	if !slices.Contains(d.Warnings, w) {
		d.Warnings = append(d.Warnings, w)
	}
}
