package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"countersign/wire/shape"
	"countersign/wire/sigv4"
)

// Every service that there is a model of answers in its own form: to a request
// without a signature, to one that a wrong secret signed, and to one for an operation
// that is not built.
func TestRefusalsOfEveryModel(t *testing.T) {
	t.Parallel()
	n := startNode(t, (*httptest.Server).Start, func(c *Config) {
		c.Services = nil
		for _, id := range shape.Services() {
			c.Services = append(c.Services, Service{ID: id})
		}
	})
	// One operation of each, the first by name that takes no label and no event stream.
	for _, id := range shape.Services() {
		m, _ := shape.Service(id)
		var names []string
		for name, op := range m.Operations {
			if !strings.Contains(op.Path, "{") && !op.EventStream() && len(op.Query) == 0 {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		op := m.Operations[names[0]]
		request := func() *http.Request {
			target, body := n.URL+op.Path, ""
			switch m.Protocol {
			case shape.JSON:
				body = "{}"
			case shape.Query:
				target += "?" + url.Values{"Action": {op.Name}, "Version": {m.APIVersion}}.Encode()
			}
			req, err := http.NewRequest(op.Method, target, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if m.Protocol == shape.JSON {
				req.Header.Set("X-Amz-Target", m.TargetPrefix+"."+op.Name)
			}
			return req
		}
		signed := func(secret string) *http.Request {
			req := request()
			hash := sigv4.EmptyHash
			if m.Protocol == shape.JSON {
				hash = sigv4.HashPayload([]byte("{}"))
			}
			sigv4.Sign(req, sigv4.Credentials{AccessKeyID: testKey, SecretAccessKey: secret}, testRegion, m.SigningName, n.now(), hash)
			return req
		}
		form := familyOf(m)
		for _, c := range []struct {
			name    string
			request *http.Request
			status  map[family]int
			code    map[family]string
		}{
			{"unsigned", request(),
				map[family]int{familyJSON: 400, familyREST: 403, familyQuery: 403, familyXML: 403, familyS3: 403},
				map[family]string{familyJSON: "MissingAuthenticationTokenException", familyREST: "MissingAuthenticationTokenException", familyQuery: "MissingAuthenticationToken",
					familyXML: "MissingAuthenticationToken", familyS3: "AccessDenied"}},
			{"wrong secret", signed("not the secret"),
				map[family]int{familyJSON: 400, familyREST: 403, familyQuery: 403, familyXML: 403, familyS3: 403},
				map[family]string{familyJSON: "InvalidSignatureException", familyREST: "InvalidSignatureException", familyQuery: "SignatureDoesNotMatch",
					familyXML: "SignatureDoesNotMatch", familyS3: "SignatureDoesNotMatch"}},
			{"not built", signed(testSecret),
				map[family]int{familyJSON: 501, familyREST: 501, familyQuery: 501, familyXML: 501, familyS3: 501},
				map[family]string{familyJSON: "NotImplementedException", familyREST: "NotImplementedException", familyQuery: "NotImplemented", familyXML: "NotImplemented",
					familyS3: "NotImplemented"}},
		} {
			res, body := n.do(t, c.request)
			if res.StatusCode != c.status[form] {
				t.Errorf("%s %s: status %d, want %d: %s", id, c.name, res.StatusCode, c.status[form], body)
			}
			code := c.code[form]
			want := map[family]string{
				familyJSON: `"__type":"` + code + `"`, familyREST: `"message":`, familyS3: "<Error><Code>" + code + "</Code>",
				familyQuery: `<ErrorResponse xmlns="` + m.XMLNamespace + `"><Error><Type>`, familyXML: `<ErrorResponse xmlns="` + m.XMLNamespace + `"><Error><Type>`,
			}[form]
			if !strings.Contains(body, want) || (form == familyQuery || form == familyXML) && !strings.Contains(body, "<Code>"+code+"</Code>") {
				t.Errorf("%s %s: got %s, want %s with %s", id, c.name, body, code, want)
			}
			if form == familyREST && res.Header.Get("X-Amzn-Errortype") != code {
				t.Errorf("%s %s: got %q, want %s", id, c.name, res.Header.Get("X-Amzn-Errortype"), code)
			}
			if c.name == "not built" && !strings.Contains(body, op.Name+" is not built") {
				t.Errorf("%s: %s does not name %s", id, body, op.Name)
			}
		}
	}
}
