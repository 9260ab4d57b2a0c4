package secrets

import (
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A page token is the key of the last item that was answered, so that pages
// stay right when items come and go between them.

func encodePage(last string) *string {
	return aws.String(base64.RawURLEncoding.EncodeToString([]byte(last)))
}

// decodePage reads a token; ok is false for what no page has answered.
func decodePage(token *string) (after string, ok bool) {
	if token == nil || *token == "" {
		return "", true
	}
	b, err := base64.RawURLEncoding.DecodeString(*token)
	return string(b), err == nil && len(b) > 0
}

// optional is nil for an empty text: what is not there is left out of answers.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
