package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// A fetcher reads objects and URLs.
type fetcher struct {
	s3   *s3.Client
	http http.RoundTripper
}

// fetch reads a place, s3://bucket/key or a URL, of at most limit bytes. The
// context bounds the time.
func (f *fetcher) fetch(ctx context.Context, place string, limit int64) ([]byte, error) {
	if strings.HasPrefix(place, "s3://") {
		bucket, key, err := splitS3(place)
		if err != nil {
			return nil, err
		}
		return f.object(ctx, bucket, key, "", limit)
	}
	u, err := url.Parse(place)
	if err != nil {
		return nil, fmt.Errorf("fetch %.200q: it is no URL", place)
	}
	if bucket, key, region, ok := s3Place(u); ok {
		data, err := f.object(ctx, bucket, key, region, limit)
		var coded smithy.APIError
		// The role may know nothing of a bucket that is public, or of another account.
		if err == nil || !errors.As(err, &coded) || coded.ErrorCode() != "AccessDenied" {
			return data, err
		}
	}
	return f.get(ctx, u, limit)
}

// s3Hosts are the names of S3 with the bucket in front, or in the path.
var s3Hosts = regexp.MustCompile(`^(?:([a-z0-9][a-z0-9.-]+)\.)?s3(?:[.-]([a-z0-9-]+))?\.amazonaws\.com(?:\.cn)?$`)

// s3Place recognizes the URL of an object in S3.
func s3Place(u *url.URL) (bucket, key, region string, ok bool) {
	match := s3Hosts.FindStringSubmatch(u.Hostname())
	if match == nil || u.Port() != "" || u.RawQuery != "" || match[2] == "dualstack" {
		return "", "", "", false
	}
	bucket, key, region = match[1], strings.TrimPrefix(u.Path, "/"), match[2]
	if bucket == "" {
		bucket, key, _ = strings.Cut(key, "/")
	}
	return bucket, key, region, bucket != "" && key != ""
}

func (f *fetcher) object(ctx context.Context, bucket, key, region string, limit int64) ([]byte, error) {
	out, err := f.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key}, func(o *s3.Options) {
		if region != "" && o.BaseEndpoint == nil {
			o.Region = region
		}
	})
	if err != nil {
		return nil, fmt.Errorf("fetch s3://%s/%s: %w", bucket, key, err)
	}
	defer out.Body.Close()
	data, err := readAll(out.Body, limit)
	if err != nil {
		return nil, fmt.Errorf("fetch s3://%s/%s: %w", bucket, key, err)
	}
	return data, nil
}

func (f *fetcher) get(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("fetch %s: want http or https", u.Redacted())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", u.Redacted(), err)
	}
	request.Header.Set("Accept", "application/pkix-crl")
	request.Header.Set("Accept-Encoding", "identity") // what is bounded is what is read
	client := http.Client{Transport: f.http, CheckRedirect: func(*http.Request, []*http.Request) error {
		// CRLs come over plain HTTP: whoever is on the way could send us
		// anywhere, the Runtime API on the loopback included.
		return http.ErrUseLastResponse
	}}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetch a CRL: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: status %d", u.Redacted(), response.StatusCode)
	}
	data, err := readAll(response.Body, limit)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", u.Redacted(), err)
	}
	return data, nil
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("it has more than %d bytes", limit)
	}
	return data, nil
}
