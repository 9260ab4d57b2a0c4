package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// dropped are the keys that no table needs, wherever a model object has them.
// They are dropped by place, not by name alone: a member of a structure may be
// called "documentation" too.
var (
	droppedTop       = set("documentation", "examples", "clientContextParams", "version")
	droppedMetadata  = set("uid", "signatureVersion", "protocols", "auth", "checksumFormat", "serviceAbbreviation", "globalEndpoint")
	droppedOperation = set("documentation", "documentationUrl", "deprecated", "deprecatedMessage", "deprecatedSince",
		"staticContextParams", "operationContextParams", "contextParams", "endpoint", "endpointdiscovery", "auth", "authtype", "alias")
	droppedShape = set("documentation", "deprecated", "deprecatedMessage", "deprecatedSince", "box", "synthetic", "wrapper", "retryable",
		"contextParam", "hostLabel")
)

func set(keys ...string) map[string]bool {
	m := map[string]bool{}
	for _, k := range keys {
		m[k] = true
	}
	return m
}

// trim reads one of botocore's models and writes what the tables need of it,
// members in the model's order, one shape a line so that a diff reads well.
func trim(botocore string, s service) error {
	f, err := os.Open(filepath.Join(botocore, s.id, s.version, "service-2.json.gz"))
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	var top object
	if err := json.Unmarshal(raw, &top); err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString("{\n")
	first := true
	for _, e := range top {
		if droppedTop[e.key] {
			continue
		}
		var inner object
		if err := json.Unmarshal(e.value, &inner); err != nil {
			return fmt.Errorf("%s: %w", e.key, err)
		}
		if !first {
			out.WriteString(",\n")
		}
		first = false
		fmt.Fprintf(&out, "%q: {\n", e.key)
		n := 0
		for _, x := range inner {
			v := x.value
			switch e.key {
			case "metadata":
				if droppedMetadata[x.key] {
					continue
				}
			case "operations":
				if v, err = trimOperation(v); err != nil {
					return fmt.Errorf("operation %s: %w", x.key, err)
				}
			case "shapes":
				if v, err = trimShape(v); err != nil {
					return fmt.Errorf("shape %s: %w", x.key, err)
				}
			}
			if n > 0 {
				out.WriteString(",\n")
			}
			n++
			fmt.Fprintf(&out, "%q: ", x.key)
			var compact bytes.Buffer
			if err := json.Compact(&compact, v); err != nil {
				return err
			}
			out.Write(compact.Bytes())
		}
		out.WriteString("\n}")
	}
	out.WriteString("\n}\n")
	return os.WriteFile(filepath.Join("models", s.id+".json"), out.Bytes(), 0o644)
}

func trimOperation(raw json.RawMessage) (json.RawMessage, error) {
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	o = o.without(droppedOperation)
	for i, e := range o {
		switch e.key {
		case "input", "output":
			var ref object
			if err := json.Unmarshal(e.value, &ref); err != nil {
				return nil, err
			}
			o[i].value = ref.without(droppedShape).json()
		case "errors":
			var refs []object
			if err := json.Unmarshal(e.value, &refs); err != nil {
				return nil, err
			}
			parts := make([]string, len(refs))
			for j, r := range refs {
				parts[j] = string(r.without(droppedShape).json())
			}
			o[i].value = json.RawMessage("[" + strings.Join(parts, ",") + "]")
		}
	}
	return o.json(), nil
}

func trimShape(raw json.RawMessage) (json.RawMessage, error) {
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	o = o.without(droppedShape)
	for i, e := range o {
		switch e.key {
		case "members":
			var members object
			if err := json.Unmarshal(e.value, &members); err != nil {
				return nil, err
			}
			for j, m := range members {
				var ref object
				if err := json.Unmarshal(m.value, &ref); err != nil {
					return nil, err
				}
				members[j].value = ref.without(droppedShape).json()
			}
			o[i].value = members.json()
		case "member", "key", "value":
			var ref object
			if err := json.Unmarshal(e.value, &ref); err != nil {
				return nil, err
			}
			o[i].value = ref.without(droppedShape).json()
		}
	}
	return o.json(), nil
}

// An object is a JSON object that keeps its keys in order.
type object []entry

type entry struct {
	key   string
	value json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return fmt.Errorf("want an object, got %v", t)
	}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return err
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return err
		}
		*o = append(*o, entry{k.(string), v})
	}
	return nil
}

func (o object) without(keys map[string]bool) object {
	var out object
	for _, e := range o {
		if !keys[e.key] {
			out = append(out, e)
		}
	}
	return out
}

func (o object) json() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		k, _ := json.Marshal(e.key) // a string always marshals
		b.Write(k)
		b.WriteByte(':')
		b.Write(e.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}
