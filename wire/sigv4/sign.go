package sigv4

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credentials sign. SessionToken is empty for a key that does not expire.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
}

// Sign adds an Authorization header to r, and the X-Amz-Date,
// X-Amz-Security-Token and, for s3, X-Amz-Content-Sha256 headers that go with
// it. It signs host and every header that r then has, except those that
// proxies and net/http change. PayloadHash is HashPayload of the body, or one
// of the words S3 allows.
func Sign(r *http.Request, creds Credentials, region, service string, at time.Time, payloadHash string) {
	at = at.UTC()
	r.Header.Set("X-Amz-Date", at.Format(TimeFormat))
	if creds.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", creds.SessionToken)
	}
	if service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", payloadHash)
	}
	names := []string{"host"}
	for h := range r.Header {
		switch n := strings.ToLower(h); n {
		case "host", "authorization", "user-agent", "connection", "expect", "transfer-encoding", "accept-encoding", "x-amzn-trace-id":
		default:
			names = append(names, n)
		}
	}
	slices.Sort(names)
	scope := at.Format(dateFormat) + "/" + region + "/" + service + "/" + terminator
	signature := signature(r, creds, scope, at, names, payloadHash)
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		Algorithm, creds.AccessKeyID, scope, strings.Join(names, ";"), signature))
}

// Presign returns a URL that carries its signature in the query and is good
// for life, one second to a week, from at. It signs the host header only, and
// leaves the body open.
func Presign(method, rawURL string, creds Credentials, region, service string, at time.Time, life time.Duration) (string, error) {
	seconds := int64(life / time.Second)
	if seconds < 1 || seconds > maxExpires {
		return "", fmt.Errorf("presign: life of %v is not between one second and a week", life)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("presign: %w", err)
	}
	at = at.UTC()
	scope := at.Format(dateFormat) + "/" + region + "/" + service + "/" + terminator
	add := []param{
		{"X-Amz-Algorithm", Algorithm},
		{"X-Amz-Credential", creds.AccessKeyID + "/" + scope},
		{"X-Amz-Date", at.Format(TimeFormat)},
		{"X-Amz-Expires", strconv.FormatInt(seconds, 10)},
		{"X-Amz-SignedHeaders", "host"},
	}
	if creds.SessionToken != "" {
		add = append(add, param{"X-Amz-Security-Token", creds.SessionToken})
	}
	for _, p := range add {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += uriEncode(p.name) + "=" + uriEncode(p.value)
	}
	payload := EmptyHash
	if service == "s3" {
		payload = UnsignedPayload
	}
	r := &http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{}}
	u.RawQuery += "&X-Amz-Signature=" + signature(r, creds, scope, at, []string{"host"}, payload)
	return u.String(), nil
}

func signature(r *http.Request, creds Credentials, scope string, at time.Time, names []string, payloadHash string) string {
	p := strings.Split(scope, "/")
	key := deriveKey(creds.SecretAccessKey, p[0], p[1], p[2])
	sum := mac(key[:], stringToSign(at.Format(TimeFormat), scope, canonicalRequest(r, p[2], names, payloadHash)))
	return hex.EncodeToString(sum[:])
}
