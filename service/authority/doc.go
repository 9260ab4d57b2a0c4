// Package authority is the private certificate authorities of an installation:
// it answers for AWS Private CA (signing name acm-pca).
//
// An authority is a record with a sealed key. What it issues is a row of the
// store's ledger, and the row comes first: serial number and to-be-signed bytes
// are durable, together with the idempotency token, before the key is used. All
// signatures but those of RSASSA-PSS are deterministic, so a certificate whose
// signature a crash has lost is signed again to the same bytes when somebody asks
// for it. A PSS signature is recorded before the certificate leaves, and the first
// that is recorded stays; see docs/decisions/011. A certificate that nobody
// recorded cannot exist, and none is recorded that pki's Lint refuses.
//
// [Service.OCSP] is the responder. It signs with the authority's own key, on
// demand, and shows a revocation at once; see docs/decisions/030.
//
// CRLs are records of their own, one for each list: [Service.PublishCRLs], a job,
// writes what is due into the bucket, within seconds of a revocation and again at
// half of a list's life. See docs/decisions/020. The gateway of this node heeds
// a revocation at once, whatever lists say.
//
// Not built yet: sharing between accounts (resource policies are checked and
// kept, but let nobody in). ML-DSA and SM2 are refused as in a Region that has not
// got them.
//
// Decided where AWS's documentation is silent:
//   - An idempotency token that comes again with another CSR, template or ApiPassthrough (for
//     CreateCertificateAuthority: another type, algorithm, subject or CsrExtensions) is an
//     InvalidArgsException, never the first caller's certificate.
//   - An authority that is EXPIRED can still revoke.
//   - DISABLED authorities whose certificate has ended are EXPIRED, too.
//   - A new certificate may be imported while DISABLED; the authority is ACTIVE then.
//   - A second audit report within 30 minutes is an InvalidStateException, while
//     the first is being written a RequestInProgressException.
//   - A CRL without ExpirationInDays is good for 7 days, as AWS's console proposes.
//   - With a CustomPath, a complete CRL is <CustomPath>/<uuid>.crl; a partition without
//     one is crl/<uuid>/<GUID>.crl.
//   - Reason UNSPECIFIED has no reasonCode in a CRL (RFC 5280 section 5.3.1).
//   - Key usages of ApiPassthrough are critical; extended key usages, names and
//     policies are not. The value of an OtherName is a UTF8String. DOCUMENT_SIGNING
//     is Microsoft's 1.3.6.1.4.1.311.10.3.12.
//   - An extension given twice in ApiPassthrough is an InvalidArgsException; an
//     ASN1Subject without attributes there is none.
//   - With OmitExtension, ApiPassthrough may bring CRL distribution points under
//     any template that takes them from a CA's configuration.
//   - An authority of another account or Region is a ResourceNotFoundException.
package authority
