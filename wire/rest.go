package wire

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"countersign/wire/shape"
)

// decodeREST reads what restJson1 and restXml have in common, labels, query
// and headers, and then the body.
func decodeREST(op *shape.Operation, p *plan, req *Request, v reflect.Value, c *check) error {
	labels, ok := op.Labels(req.Path)
	if !ok {
		return &syntaxError{"the path does not fit the operation " + op.Name, shape.URI}
	}
	body := false
	for i := range p.fields {
		f := &p.fields[i]
		if f.Location == shape.Body {
			body = true
			continue
		}
		if err := bind(op, f, labels, req, v.Field(f.index)); err != nil {
			var s *syntaxError
			if errors.As(err, &s) {
				s.in = f.Location
			}
			return err
		}
	}
	if !body {
		return nil
	}
	if op.Input.Payload != nil {
		return decodePayload(op, p, req, v, c)
	}
	if op.Model.Protocol == shape.RESTXML {
		if len(req.Body) == 0 {
			c.missing(p, nil)
			return nil
		}
		root, err := parseXML(req.Body)
		if err != nil {
			return err
		}
		if root.name != op.InputRoot && op.InputRoot != "" {
			return broken("the root element is %s, not %s", clip(root.name), op.InputRoot)
		}
		d := xmlDecoder{check: c, timestamps: "iso8601"}
		return d.structure(p, root, v)
	}
	return decodeJSON(p, req.Body, v, c)
}

// bind reads a member that is not in the body.
func bind(op *shape.Operation, f *field, labels []shape.Label, req *Request, v reflect.Value) error {
	switch f.Location {
	case shape.URI:
		for _, l := range labels {
			if l.Name != f.Wire {
				continue
			}
			s, err := url.PathUnescape(l.Escaped) // once: a key may hold "%2F" itself
			if err != nil {
				return broken("the path has a broken percent-encoding")
			}
			return setText(f.plan, v, s, f.TimestampFormat("iso8601"))
		}
	case shape.QueryString:
		values, ok := req.Query[f.Wire]
		switch {
		case f.plan.kind == kindMap:
			return bindQueryMap(op, f.plan, req.Query, v)
		case !ok || len(values) == 0:
		case f.plan.kind == kindList:
			return bindList(f, values, v, "iso8601")
		case values[0] == "" && f.plan.kind != kindString:
			// ?max-keys= is as good as none; AWS's services do the same.
		default:
			return setText(f.plan, v, values[0], f.TimestampFormat("iso8601"))
		}
	case shape.Header:
		values := req.Header.Values(f.Wire)
		switch {
		case len(values) == 0:
		case f.plan.kind == kindList:
			return bindList(f, splitHeader(values), v, "rfc822")
		case f.plan.kind == kindTime:
			// A condition whose date cannot be read is to be ignored: RFC 9110,
			// section 13.1.3.
			err := setText(f.plan, v, values[0], f.TimestampFormat("rfc822"))
			if err != nil && strings.HasPrefix(strings.ToLower(f.Wire), "if-") {
				return nil
			}
			return err
		default:
			return setText(f.plan, v, values[0], "")
		}
	case shape.Headers:
		if f.plan.kind != kindMap {
			return nil
		}
		prefix := http.CanonicalHeaderKey(f.Wire)
		for k, values := range req.Header {
			if len(k) <= len(prefix) || !strings.EqualFold(k[:len(prefix)], prefix) {
				continue
			}
			if v.IsNil() {
				v.Set(reflect.MakeMap(f.plan.typ))
			}
			// Header names have no case; S3 keeps user metadata in lower case,
			// and values of a repeated header as one, with commas.
			key := reflect.ValueOf(strings.ToLower(k[len(prefix):])).Convert(f.plan.typ.Key())
			e := reflect.New(f.plan.typ.Elem()).Elem()
			if err := setText(f.plan.elem, e, strings.Join(values, ","), ""); err != nil {
				return err
			}
			v.SetMapIndex(key, e)
		}
	}
	return nil
}

func bindList(f *field, values []string, v reflect.Value, timestamps string) error {
	s := reflect.MakeSlice(f.plan.typ, len(values), len(values))
	for i, x := range values {
		if err := setText(f.plan.elem, s.Index(i), x, f.plan.elemOf.TimestampFormat(timestamps)); err != nil {
			return err
		}
	}
	v.Set(s)
	return nil
}

// bindQueryMap reads all parameters that no other member binds, and that do not
// select the operation (ImportRestApi's ?mode=import).
func bindQueryMap(op *shape.Operation, p *plan, query url.Values, v reflect.Value) error {
	bound := map[string]bool{}
	for _, m := range op.Input.Members {
		bound[m.Wire] = bound[m.Wire] || m.Location == shape.QueryString && m.Shape.Type != shape.Map
	}
	for _, q := range op.Query {
		bound[q.Name] = true
	}
	m := reflect.MakeMap(p.typ)
	for k, values := range query {
		if bound[k] || len(values) == 0 {
			continue
		}
		e := reflect.New(p.typ.Elem()).Elem()
		if p.elem.kind == kindList {
			if err := bindList(&field{Member: p.elemOf, plan: p.elem}, values, e, "iso8601"); err != nil {
				return err
			}
		} else if err := setText(p.elem, e, values[0], "iso8601"); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(k).Convert(p.typ.Key()), e)
	}
	v.Set(m)
	return nil
}

// splitHeader splits a header list at commas, outside quotes.
func splitHeader(values []string) []string {
	var out []string
	for _, s := range values {
		for s != "" {
			s = strings.TrimLeft(s, " \t")
			if strings.HasPrefix(s, `"`) {
				var b strings.Builder
				i := 1
				for ; i < len(s) && s[i] != '"'; i++ {
					if s[i] == '\\' && i+1 < len(s) {
						i++
					}
					b.WriteByte(s[i])
				}
				out = append(out, b.String())
				_, s, _ = strings.Cut(s[min(i, len(s)):], ",")
				continue
			}
			var part string
			part, s, _ = strings.Cut(s, ",")
			out = append(out, strings.TrimRight(part, " \t"))
		}
	}
	return out
}

// decodePayload reads a body that is one member.
func decodePayload(op *shape.Operation, p *plan, req *Request, v reflect.Value, c *check) error {
	i, ok := p.byWire[op.Input.Payload.Wire]
	if !ok {
		return nil // the SDK does not have it
	}
	f := &p.fields[i]
	x := v.Field(f.index)
	switch f.plan.kind {
	case kindStream:
		if req.Stream == nil {
			req.Stream = http.NoBody
		}
		var r io.Reader = req.Stream
		if _, ok := r.(io.ReadCloser); !ok && x.Type().Implements(reflect.TypeFor[io.ReadCloser]()) {
			r = io.NopCloser(r)
		}
		x.Set(reflect.ValueOf(r))
		return nil
	case kindBlob:
		if len(req.Body) > 0 {
			x.SetBytes(bytes.Clone(req.Body))
		}
		return nil
	case kindString:
		if len(req.Body) > 0 {
			setString(f.plan, x, string(req.Body))
		}
		return nil
	}
	if len(bytes.TrimSpace(req.Body)) == 0 {
		return nil
	}
	c.push(f)
	defer c.pop()
	if op.Model.Protocol == shape.RESTJSON {
		return decodeJSON(f.plan, req.Body, f.plan.target(x), c)
	}
	root, err := parseXML(req.Body)
	if err != nil {
		return err
	}
	if root.name != f.Wire {
		return broken("the root element is %s, not %s", clip(root.name), f.Wire)
	}
	d := xmlDecoder{check: c, timestamps: "iso8601"}
	return d.value(f.Member, f.plan, []*node{root}, x)
}

// encodeREST writes status, headers and body of restJson1 and restXml.
func encodeREST(op *shape.Operation, p *plan, v reflect.Value, res *Response) error {
	isXML := op.Model.Protocol == shape.RESTXML
	body := false
	if p != nil {
		for i := range p.fields {
			f := &p.fields[i]
			if f.Location == shape.Body {
				body = true
				continue
			}
			if x, ok := f.plan.present(v.Field(f.index)); ok {
				bindOut(f, x, res)
			}
		}
	}
	if op.Output != nil && op.Output.Payload != nil && p != nil {
		return encodePayload(op, p, v, res)
	}
	// No content: by status, or because the model has none. An output without
	// members is an empty object or root element all the same, but not in S3.
	if res.Status == http.StatusNoContent || op.Method == http.MethodHead || op.Output == nil || op.Model.ID == "s3" && !body {
		return nil
	}
	if !isXML {
		res.Header.Set("Content-Type", "application/json")
		if p == nil {
			res.Body = []byte("{}")
			return nil
		}
		w := jsonWriter{timestamps: "unixTimestamp"}
		err := w.structure(p, v, nil)
		res.Body = w.buf
		return err
	}
	w := newXML()
	res.Header.Set("Content-Type", "text/xml")
	e := xmlEncoder{w: w, timestamps: "iso8601"}
	if op.Model.ID == "s3" {
		res.Header.Set("Content-Type", "application/xml")
		e.timestamps = iso8601Millis
	}
	w.open(op.OutputRoot, op.Model.XMLNamespace)
	switch {
	case p == nil:
	case op.Model.ID == "s3" && op.Name == "GetBucketLocation":
		// The one answer whose root element is its only member's value.
		w.text(text(p.fields[0].plan, v.Field(p.fields[0].index), ""))
	default:
		if err := e.members(p, v); err != nil {
			return err
		}
	}
	w.close(op.OutputRoot)
	res.Body = w.buf
	return nil
}

// bindOut writes a member that is not in the body. A header that is 0 or false
// without a pointer is left out.
func bindOut(f *field, v reflect.Value, res *Response) {
	switch f.Location {
	case shape.StatusCode:
		if f.plan.kind == kindInt && v.Int() >= 200 && v.Int() <= 599 {
			res.Status = int(v.Int())
		}
	case shape.Header:
		switch {
		case f.plan.kind == kindList:
			var parts []string
			for i := range v.Len() {
				if x, ok := f.plan.elem.present(v.Index(i)); ok {
					s := text(f.plan.elem, x, f.plan.elemOf.TimestampFormat("rfc822"))
					if f.plan.elem.kind != kindTime && strings.ContainsAny(s, `,"`) {
						s = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
					}
					parts = append(parts, s)
				}
			}
			if len(parts) > 0 {
				res.Header.Set(f.Wire, strings.Join(parts, ", "))
			}
		case f.plan.kind.scalar():
			if f.plan.ptr || !v.IsZero() {
				res.Header.Set(f.Wire, text(f.plan, v, f.TimestampFormat("rfc822")))
			}
		}
	case shape.Headers:
		if f.plan.kind != kindMap {
			return
		}
		for _, k := range sortedKeys(v) {
			if x, ok := f.plan.elem.present(v.MapIndex(k)); ok || f.plan.elem.kind == kindString {
				// Not Set: the key goes out as it is, in S3's lower case, for
				// clients such as boto3 give its case on to people.
				res.Header[strings.ToLower(f.Wire)+k.String()] = []string{text(f.plan.elem, x, "")}
			}
		}
	}
}

func encodePayload(op *shape.Operation, p *plan, v reflect.Value, res *Response) error {
	i, ok := p.byWire[op.Output.Payload.Wire]
	if !ok {
		return nil
	}
	f := &p.fields[i]
	x, ok := f.plan.present(v.Field(f.index))
	contentType := func(t string) {
		if res.Header.Get("Content-Type") == "" { // the model may have it as a member
			res.Header.Set("Content-Type", t)
		}
	}
	switch {
	case f.plan.kind == kindStream:
		if !ok {
			return nil
		}
		contentType("application/octet-stream")
		r := x.Interface().(io.Reader)
		if res.Stream, ok = r.(io.ReadCloser); !ok {
			res.Stream = io.NopCloser(r)
		}
	case f.plan.kind == kindBlob:
		if ok {
			contentType("application/octet-stream")
			res.Body = x.Bytes()
		}
	case f.plan.kind == kindString:
		if ok {
			contentType("text/plain")
			res.Body = []byte(x.String())
		}
	case !ok:
		if op.Model.Protocol == shape.RESTJSON {
			contentType("application/json")
			res.Body = []byte("{}")
		}
	case op.Model.Protocol == shape.RESTJSON:
		contentType("application/json")
		w := jsonWriter{timestamps: "unixTimestamp"}
		err := w.member(f.Member, f.plan, x)
		res.Body = w.buf
		return err
	default:
		contentType("application/xml")
		w := newXML()
		e := xmlEncoder{w: w, timestamps: iso8601Millis}
		m := *f.Member
		m.XMLNamespace, m.XMLPrefix = op.Model.XMLNamespace, ""
		err := e.member(&m, f.plan, x)
		res.Body = w.buf
		return err
	}
	return nil
}
