package main

import (
	"context"
	"encoding/json"
	"testing"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	const response = `{"statusCode":200,"headers":{"content-type":"application/json"},"body":%s,"isBase64Encoded":false}`
	for event, request := range map[string]bool{
		`{"version":"2.0","requestContext":{"http":{"method":"GET"}},"rawPath":"/é"}`: true,
		`{"version":"1.0","requestContext":{"httpMethod":"POST"},"body":"\"x\""}`:     true,
		`{"requestContext":{"http":null}}`:                                            false,
		`{"requestContext":5}`:                                                        false,
		`{"a":1}`:                                                                     false,
		`[1,2]`:                                                                       false,
		`"text"`:                                                                      false,
		`null`:                                                                        false,
	} {
		out, err := echo(context.Background(), json.RawMessage(event))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		if !request {
			if string(got) != event {
				t.Errorf("%s: got %s", event, got)
			}
			continue
		}
		var a answer
		if err := json.Unmarshal(got, &a); err != nil || a.StatusCode != 200 || a.Body != event || a.IsBase64Encoded || a.Headers["content-type"] != "application/json" {
			t.Errorf("%s: got %s (%v), want the form %s", event, got, err, response)
		}
	}
}
