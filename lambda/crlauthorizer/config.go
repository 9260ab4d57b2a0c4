package main

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"countersign/pki"
)

// A config is the environment, read and checked.
type config struct {
	trusted    *pki.TrustStore // from the environment itself; nil: it is in S3
	trustPlace string          // s3://bucket/key
	lists      []string        // places of CRLs; none: distribution points
	simple     bool
	allow      bool          // clients whose CRL cannot be had
	maxAge     time.Duration // 0: until shortly before the next update
	timeout    time.Duration
	maxBytes   int64
}

func parseConfig(getenv func(string) string) (*config, error) {
	c := &config{lists: strings.Fields(getenv("CRL")), timeout: 3 * time.Second, maxBytes: 16 << 20}
	trust := strings.TrimSpace(getenv("TRUST_STORE"))
	switch {
	case trust == "":
		return nil, errors.New("TRUST_STORE is not set: it names the trust store, s3://bucket/key, or is its PEM text")
	case strings.HasPrefix(trust, "s3://"):
		if _, _, err := splitS3(trust); err != nil {
			return nil, fmt.Errorf("TRUST_STORE: %w", err)
		}
		c.trustPlace = trust
	default:
		var err error
		if c.trusted, err = parseTrust([]byte(trust)); err != nil {
			return nil, fmt.Errorf("TRUST_STORE: %w", err)
		}
	}
	for _, place := range c.lists {
		if err := checkPlace(place); err != nil {
			return nil, fmt.Errorf("CRL: %w", err)
		}
	}
	var err error
	if c.simple, err = choice(getenv, "RESPONSE", "policy", "simple"); err != nil {
		return nil, err
	}
	if c.allow, err = choice(getenv, "WITHOUT_CRL", "refuse", "allow"); err != nil {
		return nil, err
	}
	if text := getenv("CRL_MAX_AGE"); text != "" {
		if c.maxAge, err = time.ParseDuration(text); err != nil || c.maxAge <= 0 {
			return nil, fmt.Errorf("CRL_MAX_AGE is %q: want a duration such as 15m", text)
		}
	}
	if text := getenv("CRL_TIMEOUT"); text != "" {
		if c.timeout, err = time.ParseDuration(text); err != nil || c.timeout <= 0 {
			return nil, fmt.Errorf("CRL_TIMEOUT is %q: want a duration such as 3s", text)
		}
	}
	if text := getenv("CRL_MAX_BYTES"); text != "" {
		if c.maxBytes, err = strconv.ParseInt(text, 10, 64); err != nil || c.maxBytes <= 0 || c.maxBytes > pki.MaxCRLBytes {
			return nil, fmt.Errorf("CRL_MAX_BYTES is %q: want a number up to %d", text, pki.MaxCRLBytes)
		}
	}
	return c, nil
}

// choice reads a variable that has one of two values and reports whether it is
// the second one. The first is the default.
func choice(getenv func(string) string, name, first, second string) (bool, error) {
	switch text := getenv(name); text {
	case "", first:
		return false, nil
	case second:
		return true, nil
	default:
		return false, fmt.Errorf("%s is %q: want %s or %s", name, text, first, second)
	}
}

// checkPlace judges a place that a CRL is to be fetched from.
func checkPlace(place string) error {
	if strings.HasPrefix(place, "s3://") {
		_, _, err := splitS3(place)
		return err
	}
	if u, err := url.Parse(place); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%.200q is neither s3://bucket/key nor a URL with http or https", place)
	}
	return nil
}

func splitS3(place string) (bucket, key string, err error) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(place, "s3://"), "/")
	if bucket == "" || key == "" {
		return "", "", fmt.Errorf("%.200q is not s3://bucket/key", place)
	}
	return bucket, key, nil
}
