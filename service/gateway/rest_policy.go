package gateway

import (
	"bytes"
	"encoding/json"
	"strings"

	"countersign/arn"
	"countersign/policy"
)

// setPolicy takes over a resource policy; empty text takes it away. As on AWS a resource may be written
// "execute-api:/stage/METHOD/path", which stands for this API's own ARN.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies.html
func (a *restAPI) setPolicy(text string) error {
	if text == "" {
		a.Policy = nil
		return nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil || d.More() {
		return badRequest("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
	}
	// Judged as it came: decoding would hide a member that stands there twice.
	if _, err := policy.Parse([]byte(text), policy.Resource); err != nil {
		return badRequest("Invalid policy document. Please check the policy syntax and ensure that Principals are valid: %v", err)
	}
	a.expand(tree, "")
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(tree); err != nil {
		return badRequest("Invalid policy document. %v", err)
	}
	document := bytes.TrimSpace(b.Bytes())
	if _, err := policy.Parse(document, policy.Resource); err != nil {
		return badRequest("Invalid policy document. Please check the policy syntax and ensure that Principals are valid: %v", err)
	}
	a.Policy = document
	return nil
}

// expand makes whole ARNs of short resources, below the member of a name.
func (a *restAPI) expand(tree any, member string) any {
	switch v := tree.(type) {
	case map[string]any:
		for name, e := range v {
			v[name] = a.expand(e, name)
		}
	case []any:
		for n, e := range v {
			v[n] = a.expand(e, member)
		}
	case string:
		rest, short := strings.CutPrefix(v, "execute-api:/")
		if short && (member == "Resource" || member == "NotResource") {
			return arn.New("execute-api", a.Region, a.Account, a.ID+"/"+rest).String()
		}
	}
	return tree
}
