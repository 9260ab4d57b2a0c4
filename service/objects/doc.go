// Package objects keeps versioned buckets. It answers for the part of the
// Amazon S3 API that trust stores, CRLs, code packages and templates need:
// buckets and their configuration, objects with versions, delete markers,
// conditions, ranges, checksums and tags, copies, multipart uploads, listings.
//
// Reads see every write that was acknowledged before them, listings included.
// Versions of a key are ordered by the sequence in which they were written,
// never by the clock.
//
// Absent: evaluation of bucket policies (kept, checked for form, not
// enforced), ACLs other than the owner's, customer-provided keys, Object Lock,
// replication, notifications, website hosting, annotations, archive storage
// classes and transitions to them, xxHash checksums, directory buckets. What asks for one of
// these is refused; reads of a configuration that cannot exist answer as S3
// does for a bucket that has none.
package objects
