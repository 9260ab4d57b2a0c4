package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"countersign/pki"
	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// applyMutual carries a mutualTlsAuthentication member over to d: it reads the
// object, checks it, and adds the bytes to the batch. The object is read here and
// never again; an empty truststoreUri turns mutual TLS off.
func (s *Service) applyMutual(ctx context.Context, d *domain, in *types.MutualTlsAuthenticationInput, b *store.Batch) error {
	if in == nil {
		return nil
	}
	uri, version := aws.ToString(in.TruststoreUri), aws.ToString(in.TruststoreVersion)
	if in.TruststoreUri == nil && d.Mutual != nil {
		uri = d.Mutual.URI // a new version of the same object
	}
	old := d.Mutual
	if uri == "" {
		if version != "" {
			return badRequest("truststoreVersion needs a truststoreUri")
		}
		d.Mutual = nil
	} else {
		m, pem, err := s.readTrust(ctx, uri, version)
		if err != nil {
			return err
		}
		d.Mutual = m
		b.Put(kindTrust, trustKey(d.Name, m.SHA256), pem)
	}
	if old != nil && (d.Mutual == nil || d.Mutual.SHA256 != old.SHA256) {
		b.Delete(kindTrust, trustKey(d.Name, old.SHA256))
	}
	return nil
}

func trustKey(domain, sum string) string { return domain + "/" + sum }

func (s *Service) readTrust(ctx context.Context, uri, version string) (*mutual, []byte, error) {
	bucket, key, err := splitS3(uri)
	if err != nil {
		return nil, nil, err
	}
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	if version != "" {
		in.VersionId = &version
	}
	out, err := s.objects.GetObject(ctx, in)
	if err != nil {
		return nil, nil, trustError(uri, version, err)
	}
	defer out.Body.Close()
	pem, err := io.ReadAll(io.LimitReader(out.Body, pki.MaxTrustStoreBytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read trust store %s: %w", uri, err)
	}
	if len(pem) > pki.MaxTrustStoreBytes {
		return nil, nil, badRequest("The trust store %s is too large: at most %d bytes", uri, pki.MaxTrustStoreBytes)
	}
	trust, warnings, err := pki.ParseTrustStore(pem)
	if err != nil {
		return nil, nil, badRequest("The trust store %s cannot be used: %v. It must be a PEM file of CA certificates", uri, err)
	}
	sum := sha256.Sum256(pem)
	m := &mutual{URI: uri, Version: aws.ToString(out.VersionId), VersionGiven: version != "", SHA256: hex.EncodeToString(sum[:])}
	for _, w := range append(warnings, trust.Warnings(s.now())...) {
		m.Warnings = append(m.Warnings, w.Text)
	}
	return m, pem, nil
}

func splitS3(uri string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	bucket, key, found := strings.Cut(rest, "/")
	if !ok || !found || bucket == "" || key == "" {
		return "", "", badRequest("Invalid truststoreUri %q: want s3://bucket-name/key-name", uri)
	}
	return bucket, key, nil
}

// trustError tells the caller why the object cannot be read. A failure of ours stays ours.
func trustError(uri, version string, err error) error {
	var coded smithy.APIError
	if !errors.As(err, &coded) {
		return fmt.Errorf("read trust store %s: %w", uri, err)
	}
	if version != "" {
		uri += " (version " + version + ")"
	}
	return badRequest("Could not read the trust store %s: %s: %s", uri, coded.ErrorCode(), coded.ErrorMessage())
}
