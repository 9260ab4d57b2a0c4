// Package certificates is the certificate inventory of an installation: it
// answers for AWS Certificate Manager (signing name acm).
//
// A certificate comes from one of three places. PRIVATE ones are issued by an
// authority of this installation, through the operations of AWS Private CA.
// AMAZON_ISSUED ones have their names validated by DNS, truly resolved, and are
// then issued by the installation's own local root, which stands where Amazon's
// public CA stands: clients have to be told to trust it. IMPORTED ones are brought
// along. Private keys are made here and kept sealed.
//
// Every request that is not finished is recorded as pending before anything
// else happens, so that a node that dies leaves nothing hanging: ValidatePending
// takes it up again.
//
// Not built yet: managed renewal and RenewCertificate (RenewalEligibility is
// INELIGIBLE throughout), validation by e-mail or HTTP, RevokeCertificate,
// UpdateCertificateOptions, SearchCertificates, account configuration, events, and
// ACME.
//
// Decided where AWS's documentation is silent, or differs from it:
//   - KeyAlgorithm is written as in the enumeration, "RSA_2048", everywhere. AWS
//     writes "RSA-2048" in DescribeCertificate.
//   - An idempotency token is scoped to the set of names and the certificate
//     authority: with other ones it is another request.
//   - ListCertificates shows only RSA_1024 and RSA_2048 certificates unless
//     Includes.keyTypes names others. AWS does the same.
//   - The passphrase of ExportCertificate must keep to the documented alphabet:
//     ASCII without #, $ and %.
//   - A request whose KeyAlgorithm is not of the key family of its certificate
//     authority is an InvalidParameterException; AWS accepts it and lets it fail.
package certificates
