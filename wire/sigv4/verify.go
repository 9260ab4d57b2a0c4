package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// A signingKey is the secret narrowed to one day, Region and service.
type signingKey [sha256.Size]byte

// deriveKey is the chain of HMACs from a secret to its signing key.
func deriveKey(secret, date, region, service string) signingKey {
	k := mac([]byte("AWS4"+secret), date)
	k = mac(k[:], region)
	k = mac(k[:], service)
	return mac(k[:], terminator)
}

func mac(key []byte, data string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	h.Sum(sum[:0])
	return sum
}

// A Verifier checks claims and remembers the signing keys of good ones. The
// zero value is ready. It is safe for concurrent use; looking up a key takes no lock.
type Verifier struct {
	keys atomic.Pointer[keyCache]
}

type keyCache struct {
	byScope sync.Map // keyName to signingKey
	size    atomic.Int64
}

type keyName struct{ secret, date, region, service string }

// maxKeys bounds a Verifier's memory. A full cache is dropped whole: keys last
// a day, and to make one again costs four HMACs.
const maxKeys = 4096

func (v *Verifier) key(n keyName) (key signingKey, known bool) {
	if c := v.keys.Load(); c != nil {
		if k, ok := c.byScope.Load(n); ok {
			return k.(signingKey), true
		}
	}
	return deriveKey(n.secret, n.date, n.region, n.service), false
}

func (v *Verifier) remember(n keyName, k signingKey) {
	c := v.keys.Load()
	if c == nil || c.size.Load() >= maxKeys {
		fresh := new(keyCache)
		if !v.keys.CompareAndSwap(c, fresh) {
			return // someone else did; the next request stores the key
		}
		c = fresh
	}
	if _, loaded := c.byScope.LoadOrStore(n, k); !loaded {
		c.size.Add(1)
	}
}

// A Proof is a claim that holds. The chunks of a streamed body hang on it.
type Proof struct {
	key       signingKey
	stamp     string
	scope     string
	signature string
}

// Check proves that whoever made the request holds secret. PayloadHash is the
// last line of the canonical request: the body's SHA-256 in hex, or one
// of the words that S3 allows in its place. Headers that change what a request
// means must be among the signed ones. Every error is an *Error.
func (v *Verifier) Check(r *http.Request, c *Claim, secret, payloadHash string) (*Proof, error) {
	if left := notSigned(r, c); len(left) > 0 {
		return nil, refuse(Unsigned, "There were headers present in the request which were not signed",
			[2]string{"HeadersNotSigned", strings.Join(left, ", ")})
	}
	name := keyName{secret, c.Date, c.Region, c.Service}
	key, known := v.key(name)
	p := &Proof{key: key, stamp: c.Time.Format(TimeFormat), scope: c.Scope(), signature: c.Signature}
	canonical := canonicalRequest(r, c.Service, c.SignedHeaders, payloadHash)
	text := stringToSign(p.stamp, p.scope, canonical)
	if !p.signs(text, c.Signature) {
		return nil, refuse(Mismatch, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
			[2]string{"AWSAccessKeyId", c.AccessKeyID},
			[2]string{"StringToSign", text},
			[2]string{"SignatureProvided", c.Signature},
			[2]string{"CanonicalRequest", canonical})
	}
	if !known {
		// Only after a good signature, so that strangers cannot fill the cache.
		v.remember(name, key)
	}
	return p, nil
}

// signs compares in constant time.
func (p *Proof) signs(text, signature string) bool {
	want := mac(p.key[:], text)
	got, err := hex.DecodeString(signature)
	return err == nil && hmac.Equal(got, want[:])
}

// notSigned lists the headers that must be signed and are not: host, and every
// x-amz- header, for an operation, its target or a copy's source
// could be slipped in with one.
func notSigned(r *http.Request, c *Claim) []string {
	var left []string
	signed := func(name string) bool {
		_, ok := slices.BinarySearch(c.SignedHeaders, name)
		return ok
	}
	if !signed("host") && !signed(":authority") {
		left = append(left, "host")
	}
	for h := range r.Header {
		// x-amzn-trace-id and the like are put in by proxies.
		if !strings.HasPrefix(h, "X-Amz-") {
			continue
		}
		name := strings.ToLower(h)
		if signed(name) || name == "x-amz-user-agent" {
			continue
		}
		// Outside S3 the body's hash is always computed, and the header says nothing.
		if name == "x-amz-content-sha256" && (c.Service != "s3" || c.Presigned) {
			continue
		}
		left = append(left, name)
	}
	slices.Sort(left)
	return left
}
