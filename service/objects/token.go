package objects

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// A continuation token is a position in a listing with a digest of it and of
// what was being listed. The digest has no key: whoever forges a token gets what
// start-after gives everybody. It is there so that a token which was cut,
// altered or used for another listing is refused instead of skipping keys.
const tokenDigest = 12 // bytes

func tokenSum(position string, listing []string) []byte {
	h := sha256.New()
	for _, part := range append([]string{position}, listing...) {
		h.Write([]byte(decimal(len(part)) + ":" + part))
	}
	return h.Sum(nil)[:tokenDigest]
}

func sealToken(position string, listing ...string) string {
	return base64.URLEncoding.EncodeToString(append(tokenSum(position, listing), position...))
}

// openToken is the position in a token made for the same listing.
func openToken(token string, listing ...string) (string, error) {
	raw, err := base64.URLEncoding.Strict().DecodeString(token)
	if err == nil && len(raw) >= tokenDigest {
		position := string(raw[tokenDigest:])
		if subtle.ConstantTimeCompare(raw[:tokenDigest], tokenSum(position, listing)) == 1 {
			return position, nil
		}
	}
	return "", invalidArgument("The continuation token provided is incorrect", "continuation-token", token)
}
