package sigv4

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Algorithm names the one signature algorithm that is accepted.
const Algorithm = "AWS4-HMAC-SHA256"

// TimeFormat is how X-Amz-Date and every string to sign write a time.
const TimeFormat = "20060102T150405Z"

const (
	dateFormat  = "20060102"
	terminator  = "aws4_request"
	maxExpires  = 604800 // seconds; a week, for presigned requests
	maxHeaders  = 128    // names in SignedHeaders
	maxScope    = 512    // bytes of a credential
	signatureHx = 64     // hex digits of a signature
)

// A Claim is what a request says about its signature. Nothing in it is proved
// until Verifier.Check has returned without error.
type Claim struct {
	AccessKeyID   string
	Date          string // of the credential scope, YYYYMMDD
	Region        string // of the credential scope
	Service       string // of the credential scope: the signing name
	SignedHeaders []string
	Signature     string // 64 lower-case hex digits
	Token         string // session token; empty: none
	Time          time.Time
	Presigned     bool          // in the query string, not the Authorization header
	Expires       time.Duration // how long after Time; only when Presigned
	// PayloadHash is what the request names as the hash of its body
	// (X-Amz-Content-Sha256), or empty when it does not. A presigned request
	// to S3 that names none means UnsignedPayload.
	PayloadHash string
}

// Scope is the credential scope, DATE/REGION/SERVICE/aws4_request.
func (c *Claim) Scope() string {
	return c.Date + "/" + c.Region + "/" + c.Service + "/" + terminator
}

// Parse reads the claim of a request. It checks form, and that the scope's date
// is that of the request's time. Every error is an *Error; its
// Reason is Missing when the request has no signature of any kind.
func Parse(r *http.Request) (*Claim, error) {
	authorization := r.Header.Values("Authorization")
	query := parseQuery(r.URL.RawQuery)
	algorithm := query.values("X-Amz-Algorithm")
	signature := query.values("X-Amz-Signature")
	switch {
	case len(authorization) > 1:
		return nil, refuse(Malformed, "there is more than one Authorization header.")
	case len(authorization) == 1 && len(algorithm)+len(signature) > 0:
		return nil, refuse(Malformed, "only one auth mechanism is allowed; use the Authorization header or the X-Amz-Algorithm query parameter, not both.")
	case len(authorization) == 1:
		return parseHeader(r, authorization[0])
	case len(algorithm)+len(signature) > 0:
		return parsePresigned(r, query)
	case len(query.values("AWSAccessKeyId")) > 0 && len(query.values("Signature")) > 0:
		// What AWS CLI version 1 and boto3 make of "presign" unless told otherwise.
		return nil, refuse(Unsupported, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256. (boto3 and AWS CLI version 1: set s3.signature_version to s3v4.)")
	}
	return nil, refuse(Missing, "Missing Authentication Token")
}

func parseHeader(r *http.Request, value string) (*Claim, error) {
	algorithm, rest, _ := strings.Cut(value, " ")
	if algorithm != Algorithm {
		return nil, unsupported(algorithm)
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, refuse(Malformed, fmt.Sprintf("%q is not a valid key=value pair (missing equal-sign) in Authorization header.", clip(part)))
		}
		if _, twice := parts[name]; twice {
			return nil, refuse(Malformed, fmt.Sprintf("Authorization header has %q twice.", clip(name)))
		}
		parts[name] = v
	}
	var lacks []string
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if parts[name] == "" {
			lacks = append(lacks, fmt.Sprintf("Authorization header requires '%s' parameter.", name))
		}
	}
	at := r.Header.Get("X-Amz-Date")
	if at == "" {
		at = r.Header.Get("Date")
	}
	if at == "" {
		lacks = append(lacks, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if len(lacks) > 0 {
		return nil, refuse(Malformed, strings.Join(lacks, " "))
	}
	c := &Claim{
		Token:       r.Header.Get("X-Amz-Security-Token"),
		PayloadHash: r.Header.Get("X-Amz-Content-Sha256"),
	}
	if err := c.set(parts["Credential"], parts["SignedHeaders"], parts["Signature"], at); err != nil {
		return nil, err
	}
	return c, nil
}

func parsePresigned(r *http.Request, query params) (*Claim, error) {
	one := func(name string) (string, error) {
		switch v := query.values(name); len(v) {
		case 0:
			return "", nil
		case 1:
			return v[0], nil
		}
		return "", refuse(Malformed, "the query parameter "+name+" appears more than once.")
	}
	v := map[string]string{}
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-Content-Sha256"} {
		var err error
		if v[name], err = one(name); err != nil {
			return nil, err
		}
	}
	if v["X-Amz-Algorithm"] != Algorithm {
		return nil, unsupported(v["X-Amz-Algorithm"])
	}
	for _, name := range []string{"X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders"} {
		if v[name] == "" {
			return nil, refuse(Malformed, "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
	}
	c := &Claim{Presigned: true, Token: v["X-Amz-Security-Token"], PayloadHash: v["X-Amz-Content-Sha256"]}
	if err := c.set(v["X-Amz-Credential"], v["X-Amz-SignedHeaders"], v["X-Amz-Signature"], v["X-Amz-Date"]); err != nil {
		return nil, err
	}
	if c.PayloadHash == "" && slices.Contains(c.SignedHeaders, "x-amz-content-sha256") {
		c.PayloadHash = r.Header.Get("X-Amz-Content-Sha256")
	}
	switch v["X-Amz-Expires"] {
	case "":
		// S3 insists; presigned calls of other services (kubectl's sts token) go
		// by the clock rule alone when they have none.
		if c.Service == "s3" {
			return nil, refuse(Malformed, "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
		c.Expires = 5 * time.Minute
	default:
		n, err := strconv.ParseInt(v["X-Amz-Expires"], 10, 64)
		switch {
		case err != nil:
			return nil, refuse(Malformed, "X-Amz-Expires should be a number")
		case n < 0:
			return nil, refuse(Malformed, "X-Amz-Expires must be non-negative")
		case n > maxExpires:
			return nil, refuse(Malformed, "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
		case n == 0:
			return nil, refuse(Malformed, "X-Amz-Expires must be at least 1 second")
		}
		c.Expires = time.Duration(n) * time.Second
	}
	return c, nil
}

func unsupported(algorithm string) *Error {
	if strings.HasPrefix(algorithm, "AWS4-ECDSA-P256-SHA256") {
		return refuse(Unsupported, "The authorization mechanism AWS4-ECDSA-P256-SHA256 (SigV4A) is not supported. Please use AWS4-HMAC-SHA256.")
	}
	return refuse(Unsupported, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
}

// set fills in what both forms share.
func (c *Claim) set(credential, signedHeaders, signature, at string) error {
	if len(credential) > maxScope {
		return refuse(Malformed, "the Credential is too long.")
	}
	p := strings.Split(credential, "/")
	if len(p) < 5 {
		return refuse(Malformed, `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)
	}
	// An access key id may hold slashes; the scope is the last four parts.
	k := len(p) - 4
	c.AccessKeyID = strings.Join(p[:k], "/")
	c.Date, c.Region, c.Service = p[k], p[k+1], p[k+2]
	if c.AccessKeyID == "" || c.Region == "" || c.Service == "" {
		return refuse(Malformed, `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)
	}
	if !plain(c.AccessKeyID) || !plain(c.Region) || !plain(c.Service) {
		return refuse(Malformed, "the Credential holds characters that no credential has.")
	}
	if len(c.Region) > 32 || strings.Trim(c.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Trim(c.Region, "-") != c.Region {
		// It becomes a part of ARNs and a label of host names.
		return refuse(Scope, fmt.Sprintf("Credential should be scoped to a valid region, not '%s'.", clip(c.Region)))
	}
	if p[k+3] != terminator {
		return refuse(Scope, "Credential should be scoped with a valid terminator: 'aws4_request'.")
	}

	if len(signature) != signatureHx || strings.Trim(signature, "0123456789abcdef") != "" {
		return refuse(Malformed, "the Signature must be 64 lower-case hexadecimal digits.")
	}
	c.Signature = signature

	names := strings.Split(signedHeaders, ";")
	if len(names) > maxHeaders {
		return refuse(Malformed, "SignedHeaders has too many names.")
	}
	for _, n := range names {
		if n == "" || n != strings.ToLower(n) {
			return refuse(Malformed, "SignedHeaders must be lower-case header names with semicolons between them.")
		}
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		return refuse(Malformed, "SignedHeaders has a name twice.")
	}
	c.SignedHeaders = names

	t, err := parseTime(at)
	if err != nil {
		return refuse(Malformed, fmt.Sprintf("Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", clip(at)))
	}
	c.Time = t
	if day := t.Format(dateFormat); c.Date != day {
		return refuse(Scope, fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", clip(c.Date), day, t.Format(TimeFormat)))
	}
	return nil
}

// parseTime takes X-Amz-Date's form and those that HTTP allows for Date.
func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse(TimeFormat, s); err == nil {
		return t, nil
	}
	t, err := http.ParseTime(s)
	return t.UTC(), err
}

// CheckTime checks the claim's time against now: within skew for a signed
// header; from the signing time (less skew) until its expiry for a presigned
// request. Nil means that it is good.
func (c *Claim) CheckTime(now time.Time, skew time.Duration) error {
	now = now.UTC()
	signed, end := c.Time, c.Time.Add(c.Expires)
	stamp := func(t time.Time) string { return t.Format(TimeFormat) }
	iso := func(t time.Time) string { return t.Format("2006-01-02T15:04:05Z") }
	minutes := fmt.Sprintf("%d min.", int(skew/time.Minute))
	switch {
	case c.Presigned && now.After(end):
		return refuse(Expired, "Request has expired",
			[2]string{"X-Amz-Expires", strconv.Itoa(int(c.Expires / time.Second))},
			[2]string{"Expires", iso(end)}, [2]string{"ServerTime", iso(now)})
	case c.Presigned && signed.After(now.Add(skew)):
		return refuse(Early, "Request is not yet valid",
			[2]string{"X-Amz-Date", stamp(signed)}, [2]string{"ServerTime", iso(now)})
	case c.Presigned:
		return nil
	}
	fields := [][2]string{
		{"RequestTime", stamp(signed)}, {"ServerTime", iso(now)},
		{"MaxAllowedSkewMilliseconds", strconv.FormatInt(skew.Milliseconds(), 10)},
	}
	switch {
	case signed.Before(now.Add(-skew)):
		return refuse(Skewed, fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %s)", stamp(signed), stamp(now.Add(-skew)), stamp(now), minutes), fields...)
	case signed.After(now.Add(skew)):
		return refuse(Skewed, fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %s)", stamp(signed), stamp(now.Add(skew)), stamp(now), minutes), fields...)
	}
	return nil
}

// plain says that s is printable ASCII without spaces, so that it may be
// logged and repeated in answers.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// clip shortens what a caller sent before it is repeated to them.
func clip(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
