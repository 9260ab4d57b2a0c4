package edge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// A result is the HTTP response that a Lambda function's payload means.
type result struct {
	status int
	header http.Header // canonical names
	body   []byte
}

// decodeResult reads a function's payload by the rules of the payload format
// (api-gateway.md §11.2). An error means that the client gets 500.
//
// In format 2.0 valid JSON without a statusCode is itself the body of a 200;
// in 1.0 that is an error. Headers may be strings, numbers or booleans.
func decodeResult(payload []byte, format string) (*result, error) {
	payload = bytes.TrimSpace(payload)
	if !json.Valid(payload) {
		return nil, errors.New("it is not JSON")
	}
	var members map[string]json.RawMessage
	if payload[0] == '{' {
		var err error
		if members, err = readMembers(payload); err != nil {
			return nil, err
		}
	}
	statusCode := members["statusCode"]
	if absent(statusCode) {
		if format == "1.0" {
			return nil, errors.New("it has no statusCode")
		}
		return inferredResult(payload)
	}
	status, err := statusOf(statusCode)
	if err != nil {
		return nil, err
	}
	var (
		headers map[string]json.RawMessage
		multi   map[string][]json.RawMessage
		cookies []string
		encoded bool
	)
	read := func(name string, into any) {
		if err == nil {
			err = readMember(members, name, into)
		}
	}
	read("headers", &headers)
	read("isBase64Encoded", &encoded)
	if format == "1.0" {
		read("multiValueHeaders", &multi)
	} else {
		read("cookies", &cookies)
	}
	if err != nil {
		return nil, err
	}
	r := &result{status: status, header: http.Header{}}
	if err := r.addHeaders(headers, multi, false); err != nil {
		return nil, err
	}
	for _, cookie := range cookies {
		if !httpguts.ValidHeaderFieldValue(cookie) {
			return nil, errors.New("a cookie has characters that no header may have")
		}
		r.header.Add("Set-Cookie", cookie)
	}
	if r.body, err = bodyOf(members["body"], encoded); err != nil {
		return nil, err
	}
	if _, ok := r.header["Content-Type"]; !ok {
		r.header["Content-Type"] = []string{"text/plain;charset=UTF-8"}
	}
	return r, nil
}

// readMembers takes an object apart. Names have to fit to the letter, which structs do not demand.
func readMembers(payload []byte) (members map[string]json.RawMessage, err error) {
	if err = json.Unmarshal(payload, &members); err == nil && members == nil {
		err = errors.New("it is null")
	}
	return members, err
}

// readMember reads a member that need not be there.
func readMember(members map[string]json.RawMessage, name string, into any) error {
	if raw := members[name]; !absent(raw) {
		if err := json.Unmarshal(raw, into); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// addHeaders adds multiValueHeaders and then headers. A name that is in both has the values of the
// former; with merge, those of the latter that are not there yet come after them.
func (r *result) addHeaders(headers map[string]json.RawMessage, multi map[string][]json.RawMessage, merge bool) error {
	for name, values := range multi {
		for _, v := range values {
			if err := r.addHeader(name, v); err != nil {
				return err
			}
		}
	}
	for name, v := range headers {
		if others := multi[name]; len(others) > 0 && (!merge || slices.ContainsFunc(others, func(o json.RawMessage) bool { return bytes.Equal(o, v) })) {
			continue
		}
		if err := r.addHeader(name, v); err != nil {
			return err
		}
	}
	return nil
}

// absent tells members that are missing or null.
func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// inferredResult is what format 2.0 makes of JSON that sets no status: the
// text itself, or the value of a string.
func inferredResult(payload []byte) (*result, error) {
	r := &result{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: payload}
	if payload[0] == '"' {
		var text string
		if err := json.Unmarshal(payload, &text); err != nil {
			return nil, err
		}
		r.body = []byte(text)
	}
	return r, nil
}

// statusOf takes a number or a numeric string. Informational statuses would
// not end the exchange.
func statusOf(raw json.RawMessage) (int, error) {
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return 0, err
		}
	}
	status, err := strconv.Atoi(text)
	if err != nil || status < 200 || status > 599 {
		return 0, fmt.Errorf("statusCode %s is not an HTTP status", raw)
	}
	return status, nil
}

func (r *result) addHeader(name string, raw json.RawMessage) error {
	var value string
	switch {
	case absent(raw):
		return nil
	case raw[0] == '"':
		if err := json.Unmarshal(raw, &value); err != nil {
			return err
		}
	case raw[0] == '{' || raw[0] == '[':
		return fmt.Errorf("header %q is neither text nor a number", name)
	default:
		value = string(raw)
	}
	value = strings.TrimSpace(value)
	if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
		return fmt.Errorf("header %q has characters that no header may have", name)
	}
	r.header.Add(name, value)
	return nil
}

// bodyOf reads the body member: text, base64 if it is declared so, or a JSON
// value, which is passed on as text.
func bodyOf(raw json.RawMessage, encoded bool) ([]byte, error) {
	if absent(raw) {
		return nil, nil
	}
	if raw[0] != '"' {
		if encoded {
			return nil, errors.New("the body is declared base64 but is not a string")
		}
		return raw, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, err
	}
	if !encoded {
		return []byte(text), nil
	}
	body, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("the body is declared base64: %w", err)
	}
	return body, nil
}
