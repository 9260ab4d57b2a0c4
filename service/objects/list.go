package objects

import (
	"context"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// showHead shows current versions; keys hidden by a delete marker are left out.
func showHead(r store.Record) (*version, string, bool, error) {
	h, err := decode[head](r)
	if err != nil {
		return nil, "", false, err
	}
	return &h.Current, h.Current.Key, !h.Current.Marker, nil
}

// ListObjects lists current versions in key order, from behind Marker.
func (s *Service) ListObjects(ctx context.Context, in *s3.ListObjectsInput) (*s3.ListObjectsOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	most, err := pageSize(in.MaxKeys, "max-keys")
	if err != nil {
		return nil, err
	}
	sp, err := spell(in.EncodingType)
	if err != nil {
		return nil, err
	}
	sc := scan{kind: kindHead, bucket: bk.Name, prefix: aws.ToString(in.Prefix), delimiter: aws.ToString(in.Delimiter), most: most}
	if m := aws.ToString(in.Marker); m != "" {
		sc.after = sc.from(m, "")
	}
	entries, more, err := s.heads(ctx, sc)
	if err != nil {
		return nil, err
	}
	out := &s3.ListObjectsOutput{
		Name: aws.String(bk.Name), Prefix: sp(sc.prefix), Marker: sp(aws.ToString(in.Marker)), Delimiter: sp.optional(in.Delimiter), EncodingType: in.EncodingType,
		MaxKeys: aws.Int32(int32(most)), IsTruncated: aws.Bool(more),
		Contents: contents(entries, sp, owner(bk.Account)), CommonPrefixes: commonPrefixes(entries, sp),
	}
	// S3 gives NextMarker with a delimiter only; without, it is the last key.
	if more && sc.delimiter != "" && len(entries) > 0 {
		last := entries[len(entries)-1]
		if last.prefix != "" {
			out.NextMarker = sp(last.prefix)
		} else {
			out.NextMarker = sp(last.value.Key)
		}
	}
	return out, nil
}

// ListObjectsV2 lists current versions in key order, from the continuation token
// or behind StartAfter.
func (s *Service) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	most, err := pageSize(in.MaxKeys, "max-keys")
	if err != nil {
		return nil, err
	}
	sp, err := spell(in.EncodingType)
	if err != nil {
		return nil, err
	}
	sc := scan{kind: kindHead, bucket: bk.Name, prefix: aws.ToString(in.Prefix), delimiter: aws.ToString(in.Delimiter), most: most}
	switch {
	case in.ContinuationToken != nil:
		if sc.after, err = openToken(*in.ContinuationToken, sc.kind, sc.bucket, sc.prefix, sc.delimiter); err != nil {
			return nil, err
		}
	case aws.ToString(in.StartAfter) != "":
		sc.after = sc.from(*in.StartAfter, "")
	}
	entries, more, err := s.heads(ctx, sc)
	if err != nil {
		return nil, err
	}
	var shownOwner *types.Owner
	if aws.ToBool(in.FetchOwner) {
		shownOwner = owner(bk.Account)
	}
	out := &s3.ListObjectsV2Output{
		Name: aws.String(bk.Name), Prefix: sp(sc.prefix), StartAfter: sp.optional(in.StartAfter), Delimiter: sp.optional(in.Delimiter), EncodingType: in.EncodingType,
		ContinuationToken: in.ContinuationToken, MaxKeys: aws.Int32(int32(most)), KeyCount: aws.Int32(int32(len(entries))), IsTruncated: aws.Bool(more),
		Contents: contents(entries, sp, shownOwner), CommonPrefixes: commonPrefixes(entries, sp),
	}
	if more && len(entries) > 0 {
		out.NextContinuationToken = aws.String(sealToken(entries[len(entries)-1].after, sc.kind, sc.bucket, sc.prefix, sc.delimiter))
	}
	return out, nil
}

// heads walks current versions. A page of no entries is never truncated, or
// clients would ask for it for ever.
func (s *Service) heads(ctx context.Context, sc scan) ([]entry[version], bool, error) {
	if sc.most == 0 {
		return nil, false, nil
	}
	return walk(ctx, s, sc, showHead)
}

func contents(entries []entry[version], sp spelling, owner *types.Owner) []types.Object {
	var out []types.Object
	for _, e := range entries {
		if e.value == nil {
			continue
		}
		v := e.value
		o := types.Object{
			Key: sp(v.Key), ETag: aws.String(quoted(v.ETag)), Size: aws.Int64(v.Size), LastModified: aws.Time(v.Modified), Owner: owner,
			StorageClass: types.ObjectStorageClass(v.shownClass()), ChecksumType: types.ChecksumType(v.Checksum.Type),
		}
		if v.Checksum.Algorithm != "" {
			o.ChecksumAlgorithm = []types.ChecksumAlgorithm{types.ChecksumAlgorithm(v.Checksum.Algorithm)}
		}
		out = append(out, o)
	}
	return out
}

func showVersion(r store.Record) (*version, string, bool, error) {
	v, err := decode[version](r)
	if err != nil {
		return nil, "", false, err
	}
	return v, v.Key, true, nil
}

// ListObjectVersions lists versions and delete markers in key order and, within
// a key, the newest first.
func (s *Service) ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput) (*s3.ListObjectVersionsOutput, error) {
	bk, err := s.bucket(ctx, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	most, err := pageSize(in.MaxKeys, "max-keys")
	if err != nil {
		return nil, err
	}
	sp, err := spell(in.EncodingType)
	if err != nil {
		return nil, err
	}
	sc := scan{kind: kindVersion, bucket: bk.Name, prefix: aws.ToString(in.Prefix), delimiter: aws.ToString(in.Delimiter), most: most}
	marker, id := aws.ToString(in.KeyMarker), aws.ToString(in.VersionIdMarker)
	newest := "" // key whose newest version lies before the page
	switch {
	case marker == "" && id != "":
		return nil, invalidArgument("A version-id marker cannot be specified without a key marker.", "version-id-marker", id)
	case id != "":
		sequence, err := s.markerSequence(ctx, bk, marker, id)
		if err != nil {
			return nil, err
		}
		if sequence == 0 { // the null version it named is gone: begin the key again rather than lose versions
			sc.after = versionPrefix(bk.Name, marker)
		} else {
			sc.after = versionKey(bk.Name, marker, sequence)
			newest = marker
		}
	case marker != "":
		sc.after = sc.from(marker, "\x00\x02") // behind all versions of the key
	}
	var entries []entry[version]
	more := false
	if most > 0 {
		if entries, more, err = walk(ctx, s, sc, showVersion); err != nil {
			return nil, err
		}
	}
	out := &s3.ListObjectVersionsOutput{
		Name: aws.String(bk.Name), Prefix: sp(sc.prefix), Delimiter: sp.optional(in.Delimiter), EncodingType: in.EncodingType,
		KeyMarker: sp(marker), VersionIdMarker: aws.String(id), MaxKeys: aws.Int32(int32(most)), IsTruncated: aws.Bool(more),
		CommonPrefixes: commonPrefixes(entries, sp),
	}
	for i, e := range entries {
		if e.value == nil {
			continue
		}
		v := e.value
		latest := v.Key != newest
		if i == 0 && !latest {
			// What came before the page may have been deleted since.
			h, err := s.head(ctx, bk.Name, v.Key)
			if err != nil {
				return nil, err
			}
			latest = h != nil && h.Current.Sequence == v.Sequence
		}
		newest = v.Key
		if v.Marker {
			out.DeleteMarkers = append(out.DeleteMarkers, types.DeleteMarkerEntry{
				Key: sp(v.Key), VersionId: aws.String(v.ID), IsLatest: aws.Bool(latest), LastModified: aws.Time(v.Modified), Owner: owner(bk.Account),
			})
			continue
		}
		o := types.ObjectVersion{
			Key: sp(v.Key), VersionId: aws.String(v.ID), IsLatest: aws.Bool(latest), LastModified: aws.Time(v.Modified), Owner: owner(bk.Account),
			ETag: aws.String(quoted(v.ETag)), Size: aws.Int64(v.Size), StorageClass: types.ObjectVersionStorageClass(v.shownClass()), ChecksumType: types.ChecksumType(v.Checksum.Type),
		}
		if v.Checksum.Algorithm != "" {
			o.ChecksumAlgorithm = []types.ChecksumAlgorithm{types.ChecksumAlgorithm(v.Checksum.Algorithm)}
		}
		out.Versions = append(out.Versions, o)
	}
	if more && len(entries) > 0 {
		if last := entries[len(entries)-1]; last.prefix != "" {
			out.NextKeyMarker = sp(last.prefix)
		} else {
			out.NextKeyMarker, out.NextVersionIdMarker = sp(last.value.Key), aws.String(last.value.ID)
		}
	}
	return out, nil
}

// markerSequence is the sequence of the version that a page ended with, also
// when it was deleted since; 0 for a null version that is gone.
func (s *Service) markerSequence(ctx context.Context, bk *bucket, key, id string) (uint64, error) {
	if id == nullID {
		h, err := s.head(ctx, bk.Name, key)
		if err != nil || h == nil {
			return 0, err
		}
		return h.Null, nil
	}
	sequence, ok := idNumber(id)
	if !ok {
		return 0, invalidArgument("Invalid version id specified", "version-id-marker", id)
	}
	return sequence, nil
}
